"""What people do beside the engine: what it is told beside the venue's stream, by a person or a
drop copy, and orders of their own at the venue.

All that is told is true. A person reads the venue's own pages, and states nothing that may still
change; a drop copy repeats executions that have happened, also some that the stream has not told.
"""

from __future__ import annotations

from typing import Final

from engine.messages import Amend, Cancel, CorrectPosition, SubmitOrder, VenueStatus
from engine.order_tables import Life
from engine.testing.scenario import (
    ACCOUNT,
    VENUE,
    AmendsElsewhere,
    CancelsElsewhere,
    Copies,
    PlacesElsewhere,
    Settles,
    Shifts,
)
from engine.values import OrderState, OrderType, PositionSlot

from .simulated_system import SimulatedSystem

__all__ = ["elsewhere", "tell"]

#: What a person calls the state an order has at its venue, where there is a word for it.
_WORDS: Final = {
    VenueStatus.WORKING: OrderState.ACCEPTED,
    VenueStatus.CANCELLED: OrderState.CANCELLED,
    VenueStatus.EXPIRED: OrderState.EXPIRED,
    VenueStatus.REJECTED: OrderState.REJECTED,
}


def tell(system: SimulatedSystem, step: Settles | Shifts | Copies) -> bool:
    """Tell a running system something. False: there was nothing to be told.

    Raises:
        UserError, MailboxFull, JournalError: it was refused, and nothing has changed.
    """
    system.market.advance(system.now_ns())  # whoever looks at the venue sees it as it is now
    if isinstance(step, Settles):
        return _settle(system, step.intent)
    if isinstance(step, Shifts):
        _shift(system, step)
        return True
    return _copy(system, step.count)


def _settle(system: SimulatedSystem, intent: str) -> bool:
    """State what became of an order in doubt, once the venue cannot change it any more."""
    cid, exchange = system.id_of(intent), system.exchange
    broker = system.system.brokers.get((VENUE, ACCOUNT))
    actor = None if broker is None else broker.orders.get(cid)
    if actor is None or actor.order.life is not Life.IN_DOUBT:
        return False
    window_ns = system.venue.capabilities.request_window_ns + exchange.config.latency_out_ns
    if system.now_ns() <= actor.order.ts + window_ns:
        return False  # what is on its way may still arrive
    seen = exchange.order(ACCOUNT, cid, None, system.now_ns())
    if seen is None:
        state: OrderState | None = OrderState.REJECTED
    else:
        state = _WORDS.get(seen.status)
        fills, _ = exchange.executions(ACCOUNT, 0)
        for fill in fills:  # stated as what they are, before the state that they led to
            if fill.client_order_id == cid:
                system.system.report(VENUE, ACCOUNT, fill)
    if state is not None:
        statement = "the venue does not have it" if seen is None else "as the venue's page says"
        system.asked.append(system.system.settle(cid, state, statement))
    return True


def _shift(system: SimulatedSystem, step: Shifts) -> None:
    real = system.system
    if step.kind is None:
        stated = real.set_baseline(step.instrument, step.qty, step.px)
    else:
        slot, ts = PositionSlot.NET, system.now_ns()
        stated = real.state_position(
            CorrectPosition(
                VENUE, ACCOUNT, step.instrument, slot, step.kind, ts, step.qty, step.px,
                statement="as the venue's page says",
            )
        )  # fmt: skip
    system.asked.append(stated)


def _copy(system: SimulatedSystem, count: int) -> bool:
    fills, _ = system.exchange.executions(ACCOUNT, 0)
    for fill in fills[-count:]:
        system.system.report(VENUE, ACCOUNT, fill)
    return bool(fills)


def elsewhere(
    system: SimulatedSystem, step: PlacesElsewhere | CancelsElsewhere | AmendsElsewhere
) -> None:
    """A person does something on the venue's own page; the engine hears of it from the venue."""
    exchange, now_ns, name = system.exchange, system.now_ns(), step.name
    system.market.advance(now_ns)
    if isinstance(step, PlacesElsewhere):
        if name in exchange.others:
            return
        exchange.others[name] = step.instrument
        kind = OrderType.MARKET if step.price is None else OrderType.LIMIT
        terms = SubmitOrder(
            "", VENUE, ACCOUNT, step.instrument, step.side, kind, step.qty, now_ns, name,
            step.price, reduce_only=step.reduce_only,
        )  # fmt: skip
        exchange.echo(ACCOUNT, exchange.place(terms, now_ns))
    elif name in exchange.others:
        of = exchange.others[name]
        if isinstance(step, CancelsElsewhere):
            exchange.echo(ACCOUNT, exchange.cancel(ACCOUNT, Cancel(name, "", of), now_ns))
        else:
            to = (step.order_qty, step.price)
            exchange.echo(ACCOUNT, exchange.amend(ACCOUNT, Amend(name, "", of, *to), now_ns))
    system.market.flush(now_ns)
