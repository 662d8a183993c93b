"""The venue port: the one shape in which the engine meets an exchange or a broker.

Every call is a coroutine and ends in an :data:`Outcome`, never in an exception: a venue's answers
are values, and an adapter that lets an exception out has its call read as :class:`Unknown`. An
adapter promises:

* what it reports goes through the sink given to :meth:`Venue.connect`, in the order it learnt it;
* :class:`Refused` only for a definite no; anything that might have had its effect is
  :class:`Unknown`;
* ``Done(reports)`` carries what the answer itself proves (an ``Accepted``, a ``Cancelled``...), and
  nothing it does not;
* queries raise nothing either: an answer that is not known complete says so.

All calls come from one thread, the dispatcher's, several at a time; ``sink`` may be called from
any. How to write an adapter is in ``docs/adapters.md``; ``examples/toy_venue.py`` is a small one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

import msgspec

from engine.capabilities import Capabilities
from engine.messages import (
    Amend,
    Cancel,
    Filled,
    LinkBarred,
    LinkDown,
    LinkSilent,
    LinkUp,
    OrderReport,
    OrderSnapshot,
    Place,
    PlaceGroup,
    QueryOrder,
)
from engine.values import Instrument, PositionSlot


class Done(msgspec.Struct, frozen=True, gc=False):
    """The call had its effect; ``reports`` are what the answer proves, in order."""

    reports: tuple[OrderReport, ...] = ()


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A definite no: the call had no effect and never will.

    ``reason`` is a short constant, ``detail`` the venue's text.
    """

    reason: str
    code: str = ""
    detail: str = ""


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """The call may or may not have had its effect."""

    detail: str = ""


class Throttled(msgspec.Struct, frozen=True, gc=False):
    """Refused before execution by a rate limit: the same call may leave again after
    ``retry_after_ns``.
    """

    retry_after_ns: int
    detail: str = ""


class Duplicate(msgspec.Struct, frozen=True, gc=False):
    """Placement only: an order with this client id exists or existed.

    Not a no: it has to be looked up.
    """

    detail: str = ""


Outcome: TypeAlias = Done | Refused | Unknown | Throttled | Duplicate

T = TypeVar("T")


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """A query's answer.

    ``complete`` is False when more may exist than ``items`` shows (a failed page, a timeout).
    """

    items: tuple[T, ...]
    complete: bool
    sent_ts: int
    detail: str = ""


class VenuePosition(msgspec.Struct, frozen=True, gc=False):
    """One slot as the venue states it; ``qty`` is signed."""

    instrument: str
    slot: PositionSlot
    qty: Decimal
    avg_px: Decimal | None


class VenueBalance(msgspec.Struct, frozen=True, gc=False):
    """One currency of the account."""

    currency: str
    total: Decimal
    free: Decimal


class BookTop(msgspec.Struct, frozen=True, gc=False):
    """Best prices and sizes; ``None`` where that side is empty."""

    instrument: str
    ts: int
    bid_px: Decimal | None
    bid_qty: Decimal | None
    ask_px: Decimal | None
    ask_qty: Decimal | None


#: What a venue pushes: order reports, snapshots, and the state of its own session (a missed
#: heartbeat is a LinkSilent).
StreamReport: TypeAlias = OrderReport | LinkUp | LinkDown | LinkSilent | LinkBarred
Sink: TypeAlias = Callable[[StreamReport], None]


class Clock(Protocol):
    """Time as a venue adapter may use it; real or virtual."""

    def time_ns(self) -> int:
        """UTC nanoseconds, for ``ts`` fields."""
        ...

    async def sleep_ns(self, duration_ns: int) -> None:
        """Wait; in a simulation the wait is virtual."""
        ...


class Venue(Protocol):
    """One account at one venue."""

    name: str
    account: str
    capabilities: Capabilities

    async def connect(self, sink: Sink, clock: Clock) -> None:
        """Open the session; push :class:`LinkUp` through ``sink`` when it stands.

        Raising means that it does not stand; it is tried again, as it is after each LinkDown,
        without a :meth:`close` before. It is cancelled when no LinkUp has come
        within 30 seconds, and by the next connect.
        """
        ...

    async def close(self) -> None:
        """Close the session; open orders at the venue are left as they are."""
        ...

    async def place(self, request: Place) -> Outcome: ...

    async def cancel(self, request: Cancel) -> Outcome: ...

    async def amend(self, request: Amend) -> Outcome: ...

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        """One outcome per request, in order; an item missing in the venue's answer is Unknown.

        Called with 2 to ``capabilities.place_batch`` requests, each for another order. Another
        number of outcomes is unknown for all of them: nobody could tell whose is whose.
        """
        ...

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        """As :meth:`place_batch`, up to ``capabilities.cancel_batch``."""
        ...

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        """By the client order id; by the venue's where that is "". Zero or one item; an empty
        complete answer is "not found", which proves nothing by itself.
        """
        ...

    async def open_orders(self) -> Answer[OrderSnapshot]:
        """All open orders of the account, those of others too."""
        ...

    async def executions(self, since_ts: int) -> Answer[Filled]:
        """All executions of the account from ``since_ts`` on, that instant included; 0: all that
        the venue keeps.
        """
        ...

    async def positions(self) -> Answer[VenuePosition]: ...

    async def balances(self) -> Answer[VenueBalance]:
        """What the account has. The engine does not ask; hosts and the suite for adapters do."""
        ...

    async def instruments(self) -> Answer[Instrument]:
        """What is traded, with its rules; also asked before the first :meth:`connect`."""
        ...

    async def book(self, instrument: str) -> Answer[BookTop]:
        """Best prices, zero or one item. The engine does not ask, as for :meth:`balances`."""
        ...


@runtime_checkable
class GroupVenue(Protocol):
    """A venue that keeps contingent orders by itself (``capabilities.native_groups``)."""

    async def place_group(self, request: PlaceGroup) -> Sequence[Outcome]:
        """Place them in one call: one outcome for each order, in order, which ends alone.

        Another number of outcomes is unknown for all of them, and so is a call that fails. What the
        venue does to them later (wake, grow, shrink, cancel) comes as reports of those orders.
        """
        ...
