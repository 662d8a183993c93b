"""Whether what a slot holds is protected: a region of the position beside its life.

Protected is only what a *confirmed* stop at the venue covers: acknowledged, working, on the close
side, with nobody asking for its end and nothing about it in doubt. Targets do not count, nor do
stops on their way. Dust is nothing that could be protected.

The state is found by looking (:func:`look`), so it is the same after a restart; the clock that
measures how long something was without a stop is its caller's.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from .order import Order, leaves_qty
from .order_links import is_held
from .order_tables import Life
from .pnl import is_dust
from .position_state import Position
from .statechart import Row, Statechart, Verdict
from .values import ZERO, Instrument, OrderType, Side, Word

__all__ = [
    "PROTECTION",
    "STOPS",
    "Cover",
    "Part",
    "ProtectionState",
    "ProtectionTrigger",
    "close_side",
    "cover_of",
    "is_confirmed",
    "look",
    "part_of",
]


#: Orders that can protect: they trigger when the market goes the wrong way.
STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


class ProtectionState(Word):
    """How far what a slot holds is covered by stops."""

    FLAT = "FLAT"  # nothing is held, or only dust
    UNPROTECTED = "UNPROTECTED"  # held, and no stop covers any of it
    PROTECTING = "PROTECTING"  # stops are on their way, or cover a part
    PROTECTED = "PROTECTED"  # confirmed stops cover all of it


class ProtectionTrigger(Word):
    """What a look comes to."""

    EMPTY = "EMPTY"
    NAKED = "NAKED"
    PARTLY = "PARTLY"
    COVERED = "COVERED"


_S, _T, _MOVE, _STAY = ProtectionState, ProtectionTrigger, Verdict.MOVE, Verdict.STAY

# fmt: off
PROTECTION: Statechart[ProtectionState, ProtectionTrigger] = Statechart(
    "protection",
    states=ProtectionState,
    triggers=ProtectionTrigger,
    initial=ProtectionState.FLAT,
    terminal=frozenset(),
    doc="How far what a slot holds is covered by confirmed stops.",
    rows=(
        Row((_S.UNPROTECTED, _S.PROTECTING, _S.PROTECTED), _T.EMPTY, _S.FLAT, _MOVE,
            "closed: nothing is left to cover"),
        Row(_S.FLAT, _T.EMPTY, None, _STAY, "still"),
        Row(_S.FLAT, _T.NAKED, _S.UNPROTECTED, _MOVE, "the first fill starts the clock"),
        Row((_S.PROTECTING, _S.PROTECTED), _T.NAKED, _S.UNPROTECTED, _MOVE,
            "its stop was refused, cancelled, or vanished"),
        Row(_S.UNPROTECTED, _T.NAKED, None, _STAY, "still"),
        Row((_S.FLAT, _S.UNPROTECTED), _T.PARTLY, _S.PROTECTING, _MOVE, "a stop is on its way"),
        Row(_S.PROTECTED, _T.PARTLY, _S.PROTECTING, _MOVE, "more is held than the stop covers"),
        Row(_S.PROTECTING, _T.PARTLY, None, _STAY, "still"),
        Row((_S.FLAT, _S.UNPROTECTED, _S.PROTECTING), _T.COVERED, _S.PROTECTED, _MOVE,
            "confirmed stops cover it: the clock stops"),
        Row(_S.PROTECTED, _T.COVERED, None, _STAY, "still"),
    ),
)
# fmt: on


#: What stops cover, and what those that are not confirmed would.
Part: TypeAlias = tuple[Decimal, Decimal]


class Cover(msgspec.Struct, frozen=True, gc=False):
    """What a look at a slot found.

    Quantities are unsigned: ``held_qty`` is what is to be protected (0 for dust), ``covered_qty``
    what confirmed stops cover of it, ``coming_qty`` what stops that are not confirmed would.
    ``local_qty`` of what is covered is so only by triggers that the engine watches.
    """

    held_qty: Decimal
    covered_qty: Decimal
    coming_qty: Decimal
    trigger: ProtectionTrigger
    local_qty: Decimal = ZERO

    @property
    def naked_qty(self) -> Decimal:
        """What is held without a confirmed stop."""
        return max(self.held_qty - self.covered_qty, ZERO)


def is_confirmed(order: Order) -> bool:
    """Whether an order works at the venue beyond doubt, and nobody has asked for its end.

    One that the venue is being asked about (after a gap, a refused request) counts: to ask is no
    doubt. Doubt begins when a question that covers the order does not show it, and a request of
    unknown outcome is doubt as well.
    """
    return order.life in _WORKS and not any(out.is_cancel or out.unknown for out in order.requests)


def part_of(order: Order) -> Part:
    """What one stop covers, and what it would if it were confirmed; (quantity, quantity)."""
    left = leaves_qty(order)
    if not left or is_held(order):
        return _NO_PART
    return (left, ZERO) if is_confirmed(order) else (ZERO, left)


def close_side(position: Position) -> Side:
    """On which side an order closes what is held."""
    return Side.SELL if position.qty > ZERO else Side.BUY


def cover_of(
    position: Position, instrument: Instrument, part: Part, local_qty: Decimal = ZERO
) -> Cover:
    """How far the stops on the close side, which come to ``part``, cover what a slot holds;
    ``local_qty`` of it by triggers that the engine watches.
    """
    held = position.qty.copy_abs()
    if not held or is_dust(held, instrument):
        return _NOTHING
    covered, coming = part
    rest = held - covered
    if rest <= ZERO or is_dust(rest, instrument):
        trigger = ProtectionTrigger.COVERED
    else:
        trigger = ProtectionTrigger.PARTLY if covered or coming else ProtectionTrigger.NAKED
    native = min(covered - local_qty, held)
    return Cover(held, min(covered, held), coming, trigger, min(local_qty, held - native))


def look(position: Position, instrument: Instrument, stops: Iterable[Order]) -> Cover:
    """The same from the stops themselves; orders on the other side are passed over."""
    side = close_side(position)
    parts = [part_of(order) for order in stops if order.terms.side is side]
    covered = sum((one for one, _ in parts), ZERO)
    return cover_of(position, instrument, (covered, sum((one for _, one in parts), ZERO)))


_NO_PART: Final[Part] = (ZERO, ZERO)
_NOTHING: Final = Cover(ZERO, ZERO, ZERO, ProtectionTrigger.EMPTY)
_WORKS = frozenset({Life.ACCEPTED, Life.TRIGGERED})
