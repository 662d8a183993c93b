"""What the system's own facts say about risk: equity, what is held, what works, what is in doubt.

Read on the dispatcher's thread, inside a turn; nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from engine.errors import InvalidValue
from engine.group import legs_of
from engine.group_tables import GROUP
from engine.messages import LegRole, SubmitOrder
from engine.order import Order, leaves_qty, public_state
from engine.order_tables import TERMINAL
from engine.pnl import Amounts, add_amount
from engine.policies.entries import ENTRY_PX, SIGNAL_TS
from engine.policies.risk import Held, RiskLimits, SlotFact
from engine.position_state import Position
from engine.position_tables import Exposure
from engine.position_views import avg_px, exposure, realized_pnl
from engine.rates import RateTable, rate_of
from engine.session_chart import SessionState
from engine.signals import Signal
from engine.values import CONTEXT, ZERO, Instrument, OrderState, PositionSlot, Side, decimal_from

from .broker import BrokerActor

__all__ = ["LiveGroup", "Rates", "SlotScene", "doubt_of", "held_now", "scene_of", "slot_fact"]

_SIDES = {Exposure.LONG: 1, Exposure.SHORT: -1, Exposure.FLAT: 0}


class Rates:
    """What currencies are worth in that of the risk: the system's rates, none that is too old."""

    def __init__(self, limits: RiskLimits, known: Callable[[], RateTable]) -> None:
        self._limits = limits
        self._known = known

    def of(self, currency: str, now_ns: int) -> Decimal | None:
        """The rate, if one is known that is new enough: directly, by its inverse, or across one
        more currency.
        """
        limits = self._limits
        found = rate_of(self._known(), currency, limits.currency, now_ns, limits.max_rate_age_ns)
        return None if found is None else found.px


class LiveGroup(NamedTuple):
    """A group that is not over and opens here: ``ts`` of its signal, 0 where none made it."""

    group_id: str
    side: Side
    held_qty: Decimal
    ts: int


class SlotScene(NamedTuple):
    """The slot that a signal is about.

    ``qty`` is signed; ``closing_qty``: what orders beside groups are closing of it now.
    """

    qty: Decimal
    is_flat: bool
    groups: tuple[LiveGroup, ...]
    closing_qty: Decimal


def slot_fact(position: Position, instrument: Instrument) -> SlotFact:
    """How a slot stands, for the day's account of it."""
    net: Amounts = ((position.currency, realized_pnl(position)),)
    for currency, amount in position.funding:
        net = add_amount(net, currency, amount)
    for currency, amount in position.fees:
        net = add_amount(net, currency, -amount)
    key = f"{position.venue}/{position.account}/{position.instrument}/{position.slot.text}"
    side = _SIDES[exposure(position, instrument)]
    return SlotFact(key, position.currency, side, net, position.ts)


def doubt_of(broker: BrokerActor, symbol: str) -> str:
    """Why it is not known what is held of an instrument; "" when it is."""
    state = broker.session.state
    if state is not SessionState.READY:
        return f"the session with {broker.name}/{broker.account} is {state.value}: not reconciled"
    for cid, actor in broker.orders.items():
        if actor.order.terms.instrument == symbol:
            if public_state(actor.order) is OrderState.IN_DOUBT:
                return f"order {cid} of {symbol} is in doubt"
    return ""


def scene_of(broker: BrokerActor, instrument: Instrument, signal: Signal) -> SlotScene:
    """The slot that a signal is about, and what works there."""
    slot = broker.positions.get((instrument.symbol, signal.slot))
    qty = ZERO if slot is None else slot.position.qty
    flat = slot is None or exposure(slot.position, instrument) is Exposure.FLAT
    groups: list[LiveGroup] = []
    for group_id, actor in broker.groups.groups.items():
        if actor.group.state in GROUP.terminal:
            continue  # over, and about to leave memory
        for leg in legs_of(actor.group.terms.root):
            terms = leg.order
            if leg.role is LegRole.ENTRY and _is_here(terms, instrument.symbol, signal.slot):
                held = actor.holds.get((terms.instrument, terms.slot, terms.side), ZERO)
                made = dict(terms.tags).get(SIGNAL_TS, "")
                ts = int(made) if made.isdecimal() else 0
                groups.append(LiveGroup(group_id, terms.side, held, ts))
                break
    closing = ZERO
    for one in broker.orders.values():
        order = one.order
        if not order.terms.group_id and _is_here(order.terms, instrument.symbol, signal.slot):
            if not _is_over(order) and _reduces(order, qty):
                closing += leaves_qty(order) or ZERO
    return SlotScene(qty, flat, tuple(groups), closing)


def held_now(brokers: Iterable[BrokerActor], rates: Rates, now_ns: int) -> dict[str, Held]:
    """Every slot that is held or about to be, by venue, account, instrument and slot."""
    found: dict[str, Held] = {}
    for broker in brokers:
        for (symbol, slot), held in broker.positions.items():
            position = held.position
            side = exposure(position, held.instrument)
            if side is not Exposure.FLAT:
                px = avg_px(position, held.instrument)
                worth = _worth(held.instrument, abs(position.qty), px, rates, now_ns)
                found[_key(broker, symbol, slot)] = Held(
                    f"{broker.name}/{broker.account}", symbol, slot.text, position.qty, worth,
                    side is Exposure.LONG, side is Exposure.SHORT,
                )  # fmt: skip
        for actor in broker.orders.values():
            _add_entry(found, broker, actor.order, rates, now_ns)
    return found


def _add_entry(
    found: dict[str, Held], broker: BrokerActor, order: Order, rates: Rates, now_ns: int
) -> None:
    """Count an entry that works."""
    terms = order.terms
    if _is_over(order) or not _opens(broker, order):
        return
    key = _key(broker, terms.instrument, terms.slot)
    before = found.get(key)
    if before is not None and not terms.group_id and _reduces(order, before.qty):
        return
    instrument = broker.instruments[terms.instrument]
    px = order.price or order.stop_px or _tagged_px(terms)
    worth = _worth(instrument, leaves_qty(order) or ZERO, px, rates, now_ns)
    had: Decimal | None = ZERO if before is None else before.notional
    found[key] = Held(
        f"{broker.name}/{broker.account}",
        terms.instrument,
        terms.slot.text,
        ZERO if before is None else before.qty,
        None if worth is None or had is None else had + worth,
        (before is not None and before.long) or terms.side is Side.BUY,
        (before is not None and before.short) or terms.side is Side.SELL,
    )


def _opens(broker: BrokerActor, order: Order) -> bool:
    """Whether an order opens: an entry leg of its group, or one by itself that is not to reduce."""
    terms = order.terms
    actor = broker.groups.groups.get(terms.group_id)
    if actor is None:
        return not terms.reduce_only and not terms.group_id
    return any(
        leg.role is LegRole.ENTRY and leg.order.client_order_id == terms.client_order_id
        for leg in legs_of(actor.group.terms.root)
    )


def _worth(
    instrument: Instrument, qty: Decimal, px: Decimal | None, rates: Rates, now_ns: int
) -> Decimal | None:
    rate = rates.of(instrument.settle_currency, now_ns)
    if rate is None or not px:
        return None
    return CONTEXT.multiply(instrument.notional(qty, px).copy_abs(), rate)


def _tagged_px(terms: SubmitOrder) -> Decimal | None:
    """The price that a signal expected of its market entry."""
    try:
        return decimal_from(dict(terms.tags).get(ENTRY_PX, ""), ENTRY_PX)
    except InvalidValue:  # nobody's, or a tag of the caller's own that is called the same
        return None


def _is_here(terms: SubmitOrder, symbol: str, slot: PositionSlot) -> bool:
    return terms.instrument == symbol and terms.slot is slot


def _is_over(order: Order) -> bool:
    return order.life in TERMINAL


def _reduces(order: Order, held: Decimal) -> bool:
    """Whether an order by itself closes: it says so, or it is against what is held."""
    if order.terms.order_type.has_trigger:
        return False  # it rests: it closes nothing yet
    against = held > ZERO if order.terms.side is Side.SELL else held < ZERO
    return order.terms.reduce_only or against


def _key(broker: BrokerActor, symbol: str, slot: PositionSlot) -> str:
    return f"{broker.name}/{broker.account}/{symbol}/{slot.text}"
