"""Trips: what became of a position from its opening to its close (a *round trip*).

A trip opens when a slot that is flat comes to hold more than dust, and closes when it is flat
again; a flip closes one and opens the next with the same execution. The history of a slot is a fold
of what was booked, in the order in which it was booked (:mod:`engine.trip_fold`):

* **A late fill** belongs to the trip that is open when it is booked; if none is, it opens one. That
  is what the position did.
* **A bust or a correction** is folded as if the execution never was, or was always as corrected, so
  it amends closed trips, takes their close back, joins or parts them. For that the last
  :data:`WINDOW` bookings of a slot at least are kept. What is older is booked where the slot stands
  now: sums stay exact, the old trip stays as it was told.
* **Dust** is no trip: what it costs and earns is the next trip's.
* **Funding and fees** that come while the slot is flat are the last trip's.

While trips are kept the position itself is that fold as well, so the realised P&L, fees and funding
of all trips of a slot are exactly the position's.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

import msgspec

from .messages import CorrectPosition, Event, SetBaseline, Tags
from .pnl import Amounts, add_amount
from .position_state import Position
from .position_tables import Exposure, PositionLife
from .position_views import realized_pnl
from .values import ZERO, PositionSlot, Side, Word

__all__ = [
    "WINDOW",
    "Followed",
    "Leg",
    "LegKind",
    "Opener",
    "PositionClosed",
    "PositionOpened",
    "PositionReopened",
    "Stand",
    "Stated",
    "Trail",
    "Trip",
    "begin_trail",
    "trip_key",
    "trip_prefix",
]

#: Bookings of a slot that are kept at least, so that a bust of one of them comes out right.
WINDOW: Final = 256

#: A word about a slot that is no execution.
Stated: TypeAlias = SetBaseline | CorrectPosition


class Trip(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One position from its opening to its close; ``closed_ts`` is None while it is open.

    Quantities are unsigned, prices averages over all entries and all exits (None: one of them had
    no price, or there is none yet). ``realized_pnl`` is in ``currency``, without fees and funding,
    which stand per currency; funding is received, negative: paid. ``mae`` and ``mfe`` are the worst
    and the best unrealised P&L while it was open, ``worst_px`` and ``best_px`` the prices of its
    own executions, and of marks where they are watched, that went furthest against it and for it.
    ``client_order_id``, ``intent_id``, ``group_id``, ``exec_id`` and ``tags`` are those of what
    opened it. Times are UTC ns.
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    number: int  # within its slot, from 1
    side: Exposure
    currency: str
    opened_ts: int
    closed_ts: int | None = None
    entry_px: Decimal | None = None
    exit_px: Decimal | None = None
    # Made by a factory, a zero is always written: whether it is *the* ZERO must not show in a row.
    max_qty: Decimal = msgspec.field(default_factory=Decimal)
    entry_qty: Decimal = msgspec.field(default_factory=Decimal)
    exit_qty: Decimal = msgspec.field(default_factory=Decimal)
    realized_pnl: Decimal = msgspec.field(default_factory=Decimal)
    fees: Amounts = ()
    funding: Amounts = ()
    mae: Decimal = msgspec.field(default_factory=Decimal)
    mfe: Decimal = msgspec.field(default_factory=Decimal)
    worst_px: Decimal | None = None
    best_px: Decimal | None = None
    client_order_id: str = ""
    intent_id: str = ""
    group_id: str = ""
    exec_id: str = ""
    tags: Tags = ()
    closed_by: str = ""  # the client order id of what closed it
    executions: int = 0
    is_priced: bool = True  # False: some of it came or went at a price nobody told
    carried: bool = False  # it was held before the history began, or came by a statement
    amended: bool = False  # changed after it was told as closed, or closed by a correction
    # what all entries were worth, and all exits, see engine.pnl: for averages
    entry_value: Decimal = msgspec.field(default_factory=Decimal)
    exit_value: Decimal = msgspec.field(default_factory=Decimal)

    @property
    def duration_ns(self) -> int | None:
        """How long it was open; None: it still is."""
        return None if self.closed_ts is None else self.closed_ts - self.opened_ts

    @property
    def net(self) -> Amounts:
        """Realised P&L and funding, less fees: per currency, never added across."""
        total: Amounts = ((self.currency, self.realized_pnl),)
        for currency, amount in self.funding:
            total = add_amount(total, currency, amount)
        for currency, amount in self.fees:
            total = add_amount(total, currency, amount.copy_negate())
        return total

    @property
    def key(self) -> str:
        """What its row is called."""
        return trip_key(self.venue, self.account, self.instrument, self.slot, self.number)


def trip_prefix(venue: str, account: str, instrument: str, slot: PositionSlot) -> str:
    """What the rows of a slot's trips begin with; no part of it can run into the next."""
    parts = (venue, account, instrument)
    told = ":".join(part.replace("%", "%25").replace(":", "%3A") for part in parts)
    return f"trip:{told}:{slot.value}:"


def trip_key(venue: str, account: str, instrument: str, slot: PositionSlot, number: int) -> str:
    """The row of one closed trip."""
    return f"{trip_prefix(venue, account, instrument, slot)}{number:012d}"


# --- what a history is folded from ----------------------------------------------------------------


class LegKind(Word):
    """What happened to a slot."""

    BOOK = "BOOK"  # an execution
    VOID = "VOID"  # the bust of one that is not kept any more
    FEE = "FEE"  # the fee of an execution, told late
    STATED = "STATED"  # a baseline or a correction
    MARK = "MARK"  # the lowest and the highest price since the last leg


class Opener(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The order of an execution, as far as a trip tells of it."""

    client_order_id: str = ""
    intent_id: str = ""
    group_id: str = ""
    tags: Tags = ()


class Leg(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that happened to a slot. ``key`` is the execution's within its order."""

    kind: LegKind
    ts: int
    key: str = ""
    side: Side = Side.BUY
    qty: Decimal = ZERO
    px: Decimal | None = None
    fee: Decimal | None = None
    fee_currency: str = ""
    by: Opener = Opener()
    stated: SetBaseline | CorrectPosition | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    trip: int = 0  # the trip that was open after it, or that it closed; 0: none yet
    flips: bool = False  # it closed one and opened the next

    def is_execution(self, client_order_id: str, key: str) -> bool:
        """Whether it is the booking of this execution."""
        return (
            self.key == key
            and self.kind is LegKind.BOOK
            and self.by.client_order_id == client_order_id
        )


class Stand(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How a slot and its history stand after a leg.

    ``last``: the trip that closed last; ``count`` of all trips there were; ``settled``: realised
    P&L that closed trips have told of. ``fees`` and ``funding`` wait for the first trip.
    """

    position: Position
    trip: Trip | None = None
    last: Trip | None = None
    count: int = 0
    settled: Decimal = msgspec.field(default_factory=Decimal)
    fees: Amounts = ()
    funding: Amounts = ()


class Trail(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The history of a slot, as far as it can still change.

    ``base`` is how it stood before the first leg that is kept, ``middle`` between the ``older``
    ones and the newest, ``now`` after the last. (Two parts, so that a leg more copies few.)
    ``hole``: where a bust took an execution out (its order, the ts of the step, the index), for
    what that step puts in its place.
    """

    base: Stand
    legs: tuple[Leg, ...]
    now: Stand
    older: tuple[Leg, ...] = ()
    middle: Stand | None = None
    hole: tuple[str, int, int] | None = None

    @property
    def kept(self) -> tuple[Leg, ...]:
        """All legs that are kept, in order."""
        return (*self.older, *self.legs)

    @property
    def name(self) -> str:
        """What it is stored as: as its position is."""
        venue, account, symbol, slot = self.now.position.key
        return f"{venue}:{account}:{symbol}:{slot.value}"


class Followed(NamedTuple):
    """What a booking came to: the slot, its history, and what changed among its trips.

    ``closed`` are trips that closed or were amended, ``gone`` numbers of trips that are not closed
    any more, ``opened`` is a trip that this opened.
    """

    position: Position
    trail: Trail
    closed: tuple[Trip, ...] = ()
    gone: tuple[int, ...] = ()
    opened: Trip | None = None


def begin_trail(position: Position) -> Trail:
    """A history that begins now. What is held already is a trip of unknown beginning."""
    trip = None
    if position.qty and position.life is not PositionLife.FLAT:
        side = Exposure.SHORT if position.qty.is_signed() else Exposure.LONG
        held = position.qty.copy_abs()
        unpriced = position.unpriced is not None and bool(position.unpriced.qty)
        value = position.basis if side is Exposure.LONG else position.basis.copy_negate()
        venue, account, symbol, slot = position.key
        trip = Trip(
            venue=venue, account=account, instrument=symbol, slot=slot, number=1, side=side,
            currency=position.currency, opened_ts=position.ts, max_qty=held, entry_qty=held,
            entry_value=value, is_priced=not unpriced, carried=True,
        )  # fmt: skip
    settled = realized_pnl(position)
    now = Stand(position, trip, None, 0 if trip is None else 1, settled)
    return Trail(now, (), now)


# --- events ---------------------------------------------------------------------------------------


class PositionOpened(Event, frozen=True, gc=False, omit_defaults=True):
    """A slot that was flat holds something: a trip has begun. Told where history is kept."""

    ts: int
    trip: Trip


class PositionClosed(Event, frozen=True, gc=False, omit_defaults=True):
    """A trip is over; with ``trip.amended`` one that was over before has changed."""

    ts: int
    trip: Trip


class PositionReopened(Event, frozen=True, gc=False, omit_defaults=True):
    """A bust took the close of a trip back: it is open again, or part of one that is."""

    ts: int
    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    number: int
