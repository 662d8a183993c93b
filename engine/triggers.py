"""Triggers that the engine watches where the venue does not: who is elected by a price, how a
trailing stop follows it, and what leaves then.

Everything here is pure. A price elects at or beyond the trigger: a stop on the side where the
market goes against what it protects, a take-profit (if-touched) on the other. A trailing stop
follows the best price seen at its offset and never moves back.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from .capabilities import Capabilities
from .errors import InvalidOrder
from .messages import SubmitOrder
from .order import Order
from .prices import Price, age_ns
from .values import OrderType, Side, TimeInForce, TriggerSource

__all__ = [
    "BECOMES",
    "Seen",
    "TriggerBook",
    "check_trigger",
    "child_of",
    "is_due",
    "is_native",
    "localised",
    "rises_to_trigger",
    "see",
    "sight_age_ns",
    "trailed",
]

#: What an elected order is placed as.
BECOMES: Final = {
    OrderType.STOP: OrderType.MARKET,
    OrderType.STOP_LIMIT: OrderType.LIMIT,
    OrderType.TAKE_PROFIT: OrderType.MARKET,
    OrderType.TAKE_PROFIT_LIMIT: OrderType.LIMIT,
    OrderType.TRAILING_STOP: OrderType.MARKET,
}
#: The others end by a calendar or a clock, and the venue that keeps it has nothing of the order.
_TIMES: Final = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
_TRAILING: Final = OrderType.TRAILING_STOP


# --- whom a price elects --------------------------------------------------------------------------


def rises_to_trigger(order_type: OrderType, side: Side) -> bool:
    """Whether the order is elected by a price at or above its trigger (else at or below)."""
    is_stop = order_type not in (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
    return is_stop is (side is Side.BUY)


def is_due(order_type: OrderType, side: Side, stop_px: Decimal | None, px: Decimal) -> bool:
    """Whether ``px`` elects it (False while a trailing stop has no stop price yet)."""
    if stop_px is None:
        return False
    return px >= stop_px if rises_to_trigger(order_type, side) else px <= stop_px


def trailed(side: Side, offset: Decimal, stop_px: Decimal | None, px: Decimal) -> Decimal:
    """The stop price of a trailing stop after ``px``; it never moves back."""
    if side is Side.SELL:
        wanted = px - offset
        return wanted if stop_px is None or wanted > stop_px else stop_px
    wanted = px + offset
    return wanted if stop_px is None or wanted < stop_px else stop_px


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What one price does to an order that waits for its trigger."""

    stop_px: Decimal | None
    elected: bool


def see(terms: SubmitOrder, stop_px: Decimal | None, px: Decimal) -> Seen:
    """One order and one price: first a trailing stop follows, then it may be elected."""
    if terms.trail_offset is not None:
        stop_px = trailed(terms.side, terms.trail_offset, stop_px, px)
    return Seen(stop_px, is_due(terms.order_type, terms.side, stop_px, px))


def sight_age_ns(price: Price, source: TriggerSource, now_ns: int) -> int | None:
    """How long ago a source was last known to be as it is (monotonic ns); None: never.

    The last trade stands until the next one, so any word of the instrument shows that it is still
    the last; a mark or a middle counts from its own update.
    """
    if source is not TriggerSource.LAST:
        return age_ns(price, source, now_ns)
    if price.last is None:
        return None
    told = (price.last_at, price.quote_at, price.mark_at)
    return now_ns - max(at for at in told if at is not None)


# --- what leaves, and what may wait here ----------------------------------------------------------


def child_of(order: Order) -> SubmitOrder:
    """What an elected order is placed as: the same, with the terms in force and no trigger."""
    return replace(
        order.terms,
        order_type=BECOMES[order.terms.order_type],
        order_qty=order.order_qty,
        price=order.price,
        stop_px=None,
        trail_offset=None,
        trigger_source=TriggerSource.LAST,
        held=False,
        local=False,
    )


def is_native(order: SubmitOrder, capabilities: Capabilities) -> bool:
    """Whether the venue itself watches such a trigger."""
    return (
        order.order_type in capabilities.order_types
        and order.trigger_source in capabilities.trigger_sources
    )


def localised(order: SubmitOrder, capabilities: Capabilities) -> SubmitOrder:
    """The order, to be watched by the engine where the venue does not watch such triggers."""
    if order.local or not order.order_type.has_trigger or is_native(order, capabilities):
        return order
    return replace(order, local=True)


def check_trigger(order: SubmitOrder, capabilities: Capabilities) -> None:
    """Refuse an order whose trigger nobody can watch, or that the engine was not told to.

    Raises:
        InvalidOrder: UNSUPPORTED or BAD_TERMS, saying what would help; nothing has happened.
    """
    if not order.local and is_native(order, capabilities):
        return
    kind, child = order.order_type, BECOMES.get(order.order_type)
    venue = order.venue or "the venue"
    if child is None:
        raise InvalidOrder(
            f"local is for orders with a trigger, a {kind.name} order has none", "BAD_TERMS"
        )
    what = kind.name
    if kind in capabilities.order_types:
        what = f"{kind.name} triggered by {order.trigger_source.name}"
    if child not in capabilities.order_types:
        raise InvalidOrder(
            f"{venue} does not support {what}, nor {child.name}, which the engine could"
            " place when its trigger is reached",
            "UNSUPPORTED",
        )
    if not order.local:
        raise InvalidOrder(
            f"{venue} does not support {what}. The engine can watch its trigger: say"
            " local=True in the order, or ExecutionSystem(emulate_triggers=True) for all of them."
            " Such an order works only while this process runs and has prices",
            "UNSUPPORTED",
        )
    if order.time_in_force not in _TIMES:
        raise InvalidOrder(
            f"an order whose trigger the engine watches is GTC, IOC or FOK (the last two count"
            f" from its trigger on), was {order.time_in_force.name}: cancel it in time instead",
            "UNSUPPORTED",
        )


# --- those that wait ------------------------------------------------------------------------------

_Entry: TypeAlias = tuple[Decimal, int, str]  # distance, rank, name


class _Waits:
    """One order in the book."""

    __slots__ = ("rank", "stop_px", "terms")

    def __init__(self, terms: SubmitOrder, stop_px: Decimal | None, rank: int) -> None:
        self.terms = terms
        self.stop_px = stop_px
        self.rank = rank


class TriggerBook:
    """Those that wait, of one instrument, each under a name.

    Fixed triggers are sorted by distance, so a price that elects nobody costs one comparison in
    each direction; trailing stops are looked at one by one.
    """

    __slots__ = ("_fixed", "_rank", "_trailing", "_waits")

    def __init__(self) -> None:
        self._waits: dict[str, _Waits] = {}
        self._trailing: dict[TriggerSource, dict[str, _Waits]] = {}
        #: By source and whether a rising price elects: the nearest first.
        self._fixed: dict[tuple[TriggerSource, bool], list[_Entry]] = {}
        self._rank = 0

    def __len__(self) -> int:
        return len(self._waits)

    def __contains__(self, name: str) -> bool:
        return name in self._waits

    def put(self, name: str, terms: SubmitOrder, stop_px: Decimal | None) -> None:
        """Let an order wait at ``stop_px``; one that waits already moves there."""
        self.drop(name)
        self._rank += 1
        one = self._waits[name] = _Waits(terms, stop_px, self._rank)
        if terms.order_type is _TRAILING:
            self._trailing.setdefault(terms.trigger_source, {})[name] = one
        elif stop_px is not None:
            key, entry = _place_of(name, one, stop_px)
            insort(self._fixed.setdefault(key, []), entry)

    def drop(self, name: str) -> None:
        """Take an order out; one that does not wait is passed over."""
        one = self._waits.pop(name, None)
        if one is None:
            return
        if one.terms.order_type is _TRAILING:
            del self._trailing[one.terms.trigger_source][name]
        elif one.stop_px is not None:
            key, entry = _place_of(name, one, one.stop_px)
            entries = self._fixed[key]
            del entries[bisect_left(entries, entry)]

    def stop_px(self, name: str) -> Decimal | None:
        """Where an order waits now; None while a trailing stop has seen no price."""
        return self._waits[name].stop_px

    def follow(self, source: TriggerSource, px: Decimal) -> list[str]:
        """Pull trailing stops after a price; those that have moved."""
        found: list[str] = []
        for name, one in self._trailing.get(source, {}).items():
            offset = one.terms.trail_offset
            if offset is None:
                continue
            level = trailed(one.terms.side, offset, one.stop_px, px)
            if level != one.stop_px:
                one.stop_px = level
                found.append(name)
        return found

    def due(self, source: TriggerSource, px: Decimal) -> list[str]:
        """Whom a price elects: the nearest trigger first, then the oldest; then trailing stops."""
        found: list[str] = []
        for entry in self._fixed.get((source, True), ()):
            if entry[0] > px:
                break
            found.append(entry[2])
        for entry in self._fixed.get((source, False), ()):
            if entry[0].copy_negate() < px:
                break
            found.append(entry[2])
        for name, one in self._trailing.get(source, {}).items():
            if is_due(_TRAILING, one.terms.side, one.stop_px, px):
                found.append(name)
        return found


def _place_of(
    name: str, one: _Waits, stop_px: Decimal
) -> tuple[tuple[TriggerSource, bool], _Entry]:
    rises = rises_to_trigger(one.terms.order_type, one.terms.side)
    distance = stop_px if rises else stop_px.copy_negate()
    return (one.terms.trigger_source, rises), (distance, one.rank, name)
