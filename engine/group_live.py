"""Which exits of a holding are at the venue, where they cannot all be.

A spot venue locks what a resting sell offers, so a stop and a target for the same coins cannot both
rest there. The exits of such a holding are *rationed*:

* What they offer at the venue together never exceeds what is held. A leg grows by what no other
  offers, or may still fill (:class:`Room`): a cancel frees nothing before it is confirmed.
* The stop comes first. A target is *dormant*, held back by the engine, unless it is *live*: then it
  takes its part from the stop, and the stop keeps the rest.
* Which targets are live is part of the group's state, and only the price moves it
  (:func:`chosen`). What follows from it follows by level, as everything else does.

The part of a live target has no stop at the venue. The engine itself is its stop, so a target is
live only while prices are (:mod:`actors.group_swaps`).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from .group import Group, Slice
from .messages import Leg, LegRole, Swap
from .pnl import is_dust
from .values import CONTEXT, ZERO, Instrument, InstrumentKind, Side, round_down

__all__ = [
    "REFUSALS_MAX",
    "Aim",
    "Marks",
    "Room",
    "chosen",
    "failures",
    "is_locked",
    "live_targets",
    "open_qty",
    "rationed",
]

#: How many orders of one leg may end unasked and unfilled before it is placed no more.
REFUSALS_MAX = 3


class Aim(msgspec.Struct, frozen=True, gc=False):
    """A target that could take the place of a stop; names of legs, and of their holding."""

    target: str
    stop: str
    emergency: str


class Marks(msgspec.Struct, frozen=True, gc=False):
    """Where an aim stands: ``up`` says that its target is above its stop. ``stop_px`` may not be
    known yet where the stop trails the price by ``trail``.
    """

    px: Decimal
    stop_px: Decimal | None
    trail: Decimal | None
    up: bool

    def way_left(self, price: Decimal) -> Decimal | None:
        """What part of the way from the stop to the target is left: 1 at the stop, 0 at the target,
        less than 0 beyond it. None: they are not in line.
        """
        if self.stop_px is not None:
            whole = self.px - self.stop_px if self.up else self.stop_px - self.px
        else:
            whole = self.trail or ZERO
        if whole <= ZERO:
            return None
        left = self.px - price if self.up else price - self.px
        return CONTEXT.divide(left, whole)


def is_locked(leg: Leg, instrument: Instrument, locks: bool) -> bool:
    """Whether exits of a holding exclude each other; ``locks``: of the venue."""
    return locks and instrument.kind is InstrumentKind.CASH and leg.order.side is Side.SELL


def failures(group: Group, slices: Iterable[Slice]) -> int:
    """How many orders of a leg ended unasked, with nothing filled."""
    return sum(
        one.is_over and not one.cum_qty and one.client_order_id not in group.removed
        for one in slices
    )


def open_qty(one: Slice) -> Decimal:
    """What of an order may still fill once everything asked for has happened."""
    if one.asked_qty is not None:
        return max(one.asked_qty - one.claim_qty, ZERO)
    return max(one.leaves_qty - (one.claim_qty - one.cum_qty), ZERO)


def live_targets(
    group: Group, slices: Mapping[str, tuple[Slice, ...]], pausing: Container[str]
) -> tuple[str, ...]:
    """The targets that the price has made live, less those that may not be: a person took them
    away, or the venue refuses them, so that the stop has to come back.
    """
    if group.called_off:
        return ()
    return tuple(
        name
        for name in group.live
        if name not in group.dropped
        and name not in pausing
        and failures(group, slices.get(name, ())) < REFUSALS_MAX
    )


def rationed(
    dues: Sequence[tuple[Leg, Decimal]],
    cap: Decimal,
    live: Container[str],
    dropped: Container[str],
) -> Iterator[tuple[Leg, Decimal, bool]]:
    """What each exit of a locked holding of ``cap`` gets of its due, and whether it has a due:
    live targets first, then stops, then, where there is no stop, the other targets.
    """
    is_stopped = any(
        due and leg.role is LegRole.STOP and leg.name not in dropped and not leg.order.local
        for leg, due in dues
    )

    def rank(entry: tuple[Leg, Decimal]) -> int:
        leg = entry[0]
        return 0 if leg.name in live else 1 if leg.role is LegRole.STOP else 2

    parts: dict[str, Decimal] = {}
    for leg, due in sorted(dues, key=rank):
        waits = is_stopped and leg.role is not LegRole.STOP and leg.name not in live
        parts[leg.name] = ZERO if waits or leg.name in dropped else min(due, cap)
        if not leg.order.local:  # a trigger that the engine watches offers nothing yet
            cap -= parts[leg.name]
    for leg, due in dues:
        yield leg, parts[leg.name], bool(due) and leg.name not in dropped


def chosen(
    swap: Swap, live: Sequence[str], seen: Iterable[tuple[str, Marks, Decimal]]
) -> tuple[str, ...]:
    """The targets that should be live, of what is seen of each: its name, where it stands, and the
    price. One that is live stays so until the price has turned for good.
    """
    found: list[str] = []
    for name, marks, price in seen:
        left = marks.way_left(price)
        if left is not None and left <= (swap.back if name in live else swap.near):
            found.append(name)
    return tuple(found)


class Room:
    """What exits of locked holdings may still offer at the venue; counts down as it is taken."""

    def __init__(self) -> None:
        self._holdings: dict[str, str] = {}
        self._left: dict[str, Decimal] = {}

    def add(self, key: str, names: Iterable[str], cap: Decimal, slices: Iterable[Slice]) -> None:
        """A holding of ``cap``, the legs that close it, and their orders."""
        offered = sum((_most_open(one) for one in slices), ZERO)
        self._left[key] = max(cap - offered, ZERO)
        self._holdings.update(dict.fromkeys(names, key))

    def counts(self, leg: Leg) -> bool:
        """Whether a leg is of a locked holding."""
        return leg.name in self._holdings

    def take(self, leg: Leg, by: Decimal, instrument: Instrument) -> Decimal:
        """How much of ``by`` a leg may offer more now."""
        key = self._holdings.get(leg.name)
        if key is None or leg.order.local:
            return by
        part = round_down(min(by, self._left[key]), instrument.lot_size)
        if part < by and is_dust(part, instrument, leg.order.stop_px or leg.order.price):
            return ZERO  # too little to be an order: it waits for the rest
        self._left[key] -= part
        return part


def _most_open(one: Slice) -> Decimal:
    """The most that an order may still fill, whatever becomes of what was asked of it."""
    if one.is_over or one.is_held or one.is_local:
        return ZERO
    now = max(one.leaves_qty - (one.claim_qty - one.cum_qty), ZERO)
    return now if one.asked_qty is None else max(now, one.asked_qty - one.claim_qty)
