"""Calls: requests on their way to a venue, how they end, and the line they wait in.

A :class:`Call` is one request with its place in the order of leaving. :class:`FairLine` is one class of waiting calls:
first in, first out, with instruments taking turns, so that one busy instrument does not starve the rest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from .messages import Amend, Cancel, Place, QueryOrder
from .values import Word

__all__ = ["Call", "CallKind", "Ended", "Ending", "Enqueued", "FairLine", "Unsent", "VenueRequest"]

#: The requests that go through a session.
VenueRequest: TypeAlias = Place | Cancel | Amend | QueryOrder


class CallKind(Word):
    """The class a call waits in, most urgent first."""

    CANCEL = "CANCEL"
    REDUCE = "REDUCE"  # placements and amends that can only lower exposure
    AMEND = "AMEND"
    NEW = "NEW"  # entries: the only calls with a send-by time
    QUERY = "QUERY"


class Ending(Word):
    """How a call ended, as its lane saw it."""

    DONE = "DONE"
    REFUSED = "REFUSED"  # a definite no: it had no effect and never will
    UNKNOWN = "UNKNOWN"  # it may or may not have had its effect
    THROTTLED = "THROTTLED"  # refused before execution by a rate limit: the same call leaves again


class Call(msgspec.Struct, frozen=True, gc=False):
    """One request and its place in line. ``call_id`` counts up within a session; times are ns as given."""

    call_id: int
    kind: CallKind
    client_order_id: str
    instrument: str
    request: VenueRequest
    queued_ns: int
    send_by_ns: int | None = None  # entries only: from this moment on it may not leave
    resend: bool = False  # a placement whose first send has an unknown outcome


class Enqueued(msgspec.Struct, frozen=True, gc=False):
    """What enqueuing did.

    ``withdrawn`` calls never leave and nothing carries their intention: end them locally (it includes ``call`` itself
    when that has no purpose any more). ``coalesced`` calls never leave either; ``call`` carries their terms.
    """

    call: Call
    withdrawn: tuple[Call, ...] = ()
    coalesced: tuple[Call, ...] = ()


class Ended(msgspec.Struct, frozen=True, gc=False):
    """What an ending did. ``requeued``: the call (or one that carries its terms) waits at the front of its class."""

    requeued: bool = False
    withdrawn: tuple[Call, ...] = ()
    coalesced: tuple[Call, ...] = ()


class Unsent:
    """The calls of one order that have not left, at most one of each sort; they leave in this order."""

    __slots__ = ("change", "place", "query")

    def __init__(self) -> None:
        self.place: Call | None = None
        self.change: Call | None = None  # a cancel or an amend
        self.query: Call | None = None

    def first(self) -> Call | None:
        """The one that leaves next; an unsent query lets a change pass, its answer is only fresher."""
        return self.place or self.change or self.query

    def all(self) -> tuple[Call, ...]:
        """Every call, in the order of leaving."""
        return tuple(c for c in (self.place, self.change, self.query) if c is not None)

    def clear(self) -> tuple[Call, ...]:
        """Take all of them out."""
        calls = self.all()
        self.place = self.change = self.query = None
        return calls


class FairLine:
    """Calls of one kind that may leave, at most one per order: FIFO per instrument, instruments in turn.

    Every operation is O(1), except :meth:`first_of`, which looks at one call per instrument.
    """

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: OrderedDict[str, OrderedDict[str, Call]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._lines)

    def push(self, call: Call, *, front: bool = False) -> None:
        """Append a call; ``front`` gives it, and its instrument, the next turn."""
        line = self._lines.get(call.instrument)
        if line is None:
            line = self._lines[call.instrument] = OrderedDict()
        line[call.client_order_id] = call
        if front:
            line.move_to_end(call.client_order_id, last=False)
            self._lines.move_to_end(call.instrument, last=False)

    def replace(self, call: Call) -> None:
        """Put ``call`` in the place of its order's waiting call of the same instrument."""
        self._lines[call.instrument][call.client_order_id] = call

    def remove(self, call: Call) -> None:
        """Take a waiting call out; the turns of others do not change."""
        line = self._lines[call.instrument]
        del line[call.client_order_id]
        if not line:
            del self._lines[call.instrument]

    def take(self, call: Call) -> None:
        """Take out a call that leaves now: its instrument goes to the end of the round."""
        self.remove(call)
        if call.instrument in self._lines:
            self._lines.move_to_end(call.instrument)

    def first(self) -> Call | None:
        """The call whose turn it is."""
        for line in self._lines.values():
            return next(iter(line.values()))
        return None

    def first_of(self, allowed: Callable[[str], bool]) -> Call | None:
        """The call whose turn it is among the instruments for which ``allowed`` holds."""
        for instrument, line in self._lines.items():
            if allowed(instrument):
                return next(iter(line.values()))
        return None


def merge_amends(older: Amend, newer: Amend) -> Amend:
    """One amend for two that have not left: the newest terms win, a term only the older names is kept."""
    return Amend(
        newer.client_order_id,
        newer.req_id,
        newer.instrument,
        older.order_qty if newer.order_qty is None else newer.order_qty,
        older.price if newer.price is None else newer.price,
        older.stop_px if newer.stop_px is None else newer.stop_px,
        older.venue_order_id if newer.venue_order_id is None else newer.venue_order_id,
    )
