"""What the system's own facts say about risk: equity, what is held, what works, what is in doubt.

Read on the dispatcher's thread, inside a turn; nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from engine.group_tables import GROUP
from engine.messages import LegRole
from engine.order import Order, leaves_qty
from engine.pnl import Amounts, add_amount
from engine.policies.entries import SIGNAL_TS
from engine.policies.risk import Held, RiskLimits, SlotFact
from engine.position_state import Position
from engine.position_tables import Exposure
from engine.position_views import avg_px, exposure, realized_pnl
from engine.rates import RateTable, rate_of
from engine.session_chart import SessionState
from engine.signals import ExitSignal, Signal
from engine.values import CONTEXT, ZERO, Instrument, PositionSlot, Side

from .broker import BrokerActor
from .group_words import SlotSide
from .signal_book import SignalBook, tagged_px

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

    ``qty`` is signed; ``closing_qty``: what orders beside groups are closing of it now. ``groups``
    only where there is something to be closed: an exit, or an entry against what is there.
    """

    qty: Decimal
    is_flat: bool
    groups: tuple[LiveGroup, ...]
    closing_qty: Decimal
    has_groups: bool


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


def doubt_of(broker: BrokerActor, book: SignalBook, symbol: str) -> str:
    """Why it is not known what is held of an instrument; "" when it is."""
    state = broker.session.state
    if state is not SessionState.READY:
        return f"the session with {broker.name}/{broker.account} is {state.value}: not reconciled"
    cid = book.doubtful(symbol)
    return f"order {cid} of {symbol} is in doubt" if cid else ""


def scene_of(
    broker: BrokerActor, book: SignalBook, instrument: Instrument, signal: Signal
) -> SlotScene:
    """The slot that a signal is about, and what works there."""
    slot = broker.positions.get((instrument.symbol, signal.slot))
    qty = ZERO if slot is None else slot.position.qty
    flat = slot is None or exposure(slot.position, instrument) is Exposure.FLAT
    where = instrument.symbol, signal.slot
    against = None if isinstance(signal, ExitSignal) else signal.direction.side.opposite
    is_against = against is None or next(_groups(broker, (*where, against)), None) is not None
    groups: dict[str, LiveGroup] = {}
    if is_against:
        for side in Side:
            groups |= {one.group_id: one for one in _groups(broker, (*where, side))}
    has_groups = is_against or any(
        next(_groups(broker, (*where, side)), None) is not None for side in Side
    )
    closing = sum(
        (leaves_qty(order) or ZERO for order in book.beside(where) if _reduces(order, qty)), ZERO
    )
    found = tuple(groups.values())
    return SlotScene(qty, flat, found, closing, bool(found) if is_against else has_groups)


def _groups(broker: BrokerActor, key: SlotSide) -> Iterator[LiveGroup]:
    """Groups that are not over and open there."""
    for group_id in broker.groups.members(key):
        actor = broker.groups.groups[group_id]
        if actor.group.state in GROUP.terminal:
            continue  # over, and about to leave memory
        for leg in actor.legs.values():
            terms = leg.order
            if leg.role is LegRole.ENTRY and (terms.instrument, terms.slot, terms.side) == key:
                held = actor.holds.get(key, ZERO)
                made = dict(terms.tags).get(SIGNAL_TS, "")
                ts = int(made) if made.isdecimal() else 0
                yield LiveGroup(group_id, terms.side, held, ts)
                break


def held_now(
    books: Iterable[tuple[BrokerActor, SignalBook]], rates: Rates, now_ns: int
) -> dict[str, Held]:
    """Every slot that is held or about to be, by venue, account, instrument and slot."""
    found: dict[str, Held] = {}
    for broker, book in books:
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
        for (symbol, slot), entries in book.entries.items():
            instrument = broker.instruments[symbol]
            rate = rates.of(instrument.settle_currency, now_ns)
            known = rate is not None and not entries.unpriced
            worth = CONTEXT.multiply(entries.value, rate) if known and rate is not None else None
            sides = bool(entries.longs), bool(entries.shorts)
            _add(found, broker, (symbol, slot), worth, sides)
        for order in book.beside():
            _add_entry(found, broker, order, rates, now_ns)
    return found


def _add_entry(
    found: dict[str, Held], broker: BrokerActor, order: Order, rates: Rates, now_ns: int
) -> None:
    """Count an order of no group that works, and is not there to close."""
    terms = order.terms
    before = found.get(_key(broker, terms.instrument, terms.slot))
    if terms.reduce_only or (before is not None and _reduces(order, before.qty)):
        return
    instrument = broker.instruments[terms.instrument]
    px = order.price or order.stop_px or tagged_px(terms)
    worth = _worth(instrument, leaves_qty(order) or ZERO, px, rates, now_ns)
    sides = terms.side is Side.BUY, terms.side is Side.SELL
    _add(found, broker, (terms.instrument, terms.slot), worth, sides)


def _add(
    found: dict[str, Held],
    broker: BrokerActor,
    where: tuple[str, PositionSlot],
    worth: Decimal | None,
    sides: tuple[bool, bool],
) -> None:
    symbol, slot = where
    key = _key(broker, symbol, slot)
    before = found.get(key)
    had: Decimal | None = ZERO if before is None else before.notional
    found[key] = Held(
        f"{broker.name}/{broker.account}",
        symbol,
        slot.text,
        ZERO if before is None else before.qty,
        None if worth is None or had is None else had + worth,
        (before is not None and before.long) or sides[0],
        (before is not None and before.short) or sides[1],
    )


def _worth(
    instrument: Instrument, qty: Decimal, px: Decimal | None, rates: Rates, now_ns: int
) -> Decimal | None:
    rate = rates.of(instrument.settle_currency, now_ns)
    if rate is None or not px:
        return None
    return CONTEXT.multiply(instrument.notional(qty, px).copy_abs(), rate)


def _reduces(order: Order, held: Decimal) -> bool:
    """Whether an order by itself closes: it says so, or it is against what is held."""
    if order.terms.order_type.has_trigger:
        return False  # it rests: it closes nothing yet
    against = held > ZERO if order.terms.side is Side.SELL else held < ZERO
    return order.terms.reduce_only or against


def _key(broker: BrokerActor, symbol: str, slot: PositionSlot) -> str:
    return f"{broker.name}/{broker.account}/{symbol}/{slot.text}"
