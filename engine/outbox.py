"""The calls that have not left: what waits per order, and in which line it stands.

:class:`Outbox` keeps the order of one order's calls (placement, then one change, then one query)
and decides what a new call makes pointless: a cancel withdraws an unsent placement or amend, amends
become one. :class:`FairLine` is one class of calls that may leave: first in, first out, with
instruments taking turns, so that one busy instrument does not starve the rest. Neither knows
budgets, windows or gates; that is :mod:`engine.session`.

Each call comes out exactly once: taken, withdrawn, coalesced, or overdue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from heapq import heappop, heappush

import msgspec

from .calls import QUERIES, Call, CallKind, Ended, Enqueued
from .errors import InvariantViolated
from .messages import Amend, Cancel, Place

__all__ = ["FairLine", "Outbox"]


class Outbox:
    """What has not left, by order and by class. ``count`` is how many calls that is."""

    __slots__ = ("_deadlines", "_unsent", "count", "lines")

    def __init__(self) -> None:
        self.count = 0
        self.lines = {kind: FairLine() for kind in CallKind}
        self._unsent: dict[str, _Unsent] = {}
        #: Heap of (send by, call id, order); one whose call has gone is skipped in its time.
        self._deadlines: list[tuple[int, int, str]] = []

    def admit(self, call: Call, flying: Call | None) -> Enqueued:
        """Take in a call of an order whose call in flight is ``flying``.

        Raises:
            InvariantViolated: a placement for an order that has one here already; nothing was taken
                in.
        """
        cid = call.client_order_id
        unsent = self._unsent.get(cid)
        if isinstance(call.request, Place):
            self._check_only_placement(call, unsent, flying)
        if unsent is None:
            unsent = self._unsent[cid] = _Unsent()
        self.count += 1
        answer = _admit_change(unsent, call)
        self._settle(cid, unsent, free=flying is None, gone=(answer.withdrawn, answer.coalesced))
        if call.send_by_ns is not None:
            heappush(self._deadlines, (call.send_by_ns, call.call_id, cid))
        return answer

    def put_back(self, call: Call) -> Ended:
        """Take back a call that left and was throttled: it waits at the front of its class."""
        cid = call.client_order_id
        unsent = self._unsent.get(cid)
        if unsent is None:
            unsent = self._unsent[cid] = _Unsent()
        self.count += 1
        answer = _put_back(unsent, call)
        first = unsent.first()
        front = first is not None and type(first.request) is type(call.request)
        gone = (answer.withdrawn, answer.coalesced)
        self._settle(cid, unsent, free=True, gone=gone, front=front)
        if call.send_by_ns is not None and unsent.place is call:
            heappush(self._deadlines, (call.send_by_ns, call.call_id, cid))
        return answer

    def call_ended(self, cid: str, *, never_existed: bool) -> tuple[Call, ...]:
        """Line up an order's next call, as the one in flight is over; return what became pointless.

        ``never_existed``: its placement was refused, so there is nothing to change.
        """
        unsent = self._unsent.get(cid)
        if unsent is None:
            return ()
        withdrawn: tuple[Call, ...] = ()
        if never_existed and unsent.change is not None:
            withdrawn = (unsent.change,)
            unsent.change = None
        self._settle(cid, unsent, free=True, gone=(withdrawn,))
        return withdrawn

    def placement(self, cid: str) -> Call | None:
        """The placement of an order that could leave now."""
        unsent = self._unsent.get(cid)
        return None if unsent is None or unsent.ready is not unsent.place else unsent.place

    def take(self, call: Call) -> None:
        """A lined-up call leaves now."""
        cid = call.client_order_id
        unsent = self._unsent[cid]
        self.lines[call.kind].take(call)
        unsent.ready = None
        unsent.drop(call)
        self._settle(cid, unsent, free=False, gone=((call,),))

    def forget(self, cid: str) -> tuple[Call, ...]:
        """Take out every unsent call of an order; returned in the order of leaving."""
        unsent = self._unsent.get(cid)
        if unsent is None:
            return ()
        calls = unsent.clear()
        self._settle(cid, unsent, free=False, gone=(calls,))
        return calls

    def forget_amend(self, cid: str) -> Call | None:
        """Take out the unsent amend of an order, if there is one; what waits behind it moves up."""
        unsent = self._unsent.get(cid)
        call = None if unsent is None else unsent.change
        if unsent is None or call is None or not isinstance(call.request, Amend):
            return None
        unsent.change = None
        self._settle(cid, unsent, free=unsent.ready is not None, gone=((call,),))
        return call

    def drain(self) -> tuple[Call, ...]:
        """Take out everything, order by order."""
        return tuple(call for cid in tuple(self._unsent) for call in self.forget(cid))

    def overdue(self, now_ns: int) -> list[Call]:
        """Take out entries whose send-by time has come, each with what waited behind it."""
        found: list[Call] = []
        while (due := self.next_deadline()) is not None and due <= now_ns:
            found += self.forget(heappop(self._deadlines)[2])
        return found

    def next_deadline(self) -> int | None:
        """The earliest send-by time of an unsent entry."""
        deadlines = self._deadlines
        while deadlines:
            due, call_id, cid = deadlines[0]
            unsent = self._unsent.get(cid)
            if unsent is not None and unsent.place is not None and unsent.place.call_id == call_id:
                return due
            heappop(deadlines)
        return None

    def _check_only_placement(
        self, call: Call, unsent: _Unsent | None, flying: Call | None
    ) -> None:
        busy = flying if flying is not None and not isinstance(flying.request, QUERIES) else None
        if busy is None and unsent is not None:
            busy = unsent.place or unsent.change
        if busy is not None:
            raise InvariantViolated(
                "Invariant: a placement is its order's first call;"
                f" order {call.client_order_id!r} has {busy.kind.name} call {busy.call_id} here"
            )

    def _settle(
        self,
        cid: str,
        unsent: _Unsent,
        *,
        free: bool,
        gone: tuple[tuple[Call, ...], ...],
        front: bool = False,
    ) -> None:
        """Restore the rule: an order's first call stands in line unless one is in flight."""
        for calls in gone:
            self.count -= len(calls)
        before = unsent.ready
        after = unsent.first()
        if after is None:
            del self._unsent[cid]
            if not self._unsent:
                self._deadlines.clear()
        elif not free:
            after = None
        if before is after:
            return
        unsent.ready = after
        if before is not None:
            if after is not None and (before.kind, before.instrument) == (
                after.kind,
                after.instrument,
            ):
                self.lines[after.kind].replace(after)
                return
            self.lines[before.kind].remove(before)
        if after is not None:
            self.lines[after.kind].push(after, front=front)


class _Unsent:
    """The calls of one order that have not left: at most one of a sort, leaving in this order."""

    __slots__ = ("change", "place", "query", "ready")

    def __init__(self) -> None:
        self.place: Call | None = None
        self.change: Call | None = None  # a cancel or an amend
        self.query: Call | None = None
        self.ready: Call | None = None  # the one that stands in a line

    def first(self) -> Call | None:
        """The one that leaves next; a query lets changes pass, its answer is only fresher."""
        return self.place or self.change or self.query

    def drop(self, call: Call) -> None:
        """Take out one call."""
        if self.place is call:
            self.place = None
        elif self.change is call:
            self.change = None
        elif self.query is call:
            self.query = None

    def clear(self) -> tuple[Call, ...]:
        """Take out all calls, in the order of leaving."""
        calls = tuple(c for c in (self.place, self.change, self.query) if c is not None)
        self.place = self.change = self.query = None
        return calls


def _admit_change(unsent: _Unsent, call: Call) -> Enqueued:
    """Put a new call among its order's unsent ones; the answer says what it made pointless."""
    request = call.request
    if isinstance(request, Place):
        unsent.place = call
        return Enqueued(call)
    if isinstance(request, QUERIES):
        older = unsent.query
        unsent.query = call
        return Enqueued(call, (), () if older is None else (older,))
    waiting = unsent.change
    if isinstance(request, Cancel):
        if unsent.place is not None and not unsent.place.resend:
            return Enqueued(call, (*unsent.clear(), call))  # it never left: nothing to cancel
        withdrawn = (
            () if unsent.place is None else (unsent.place,)
        )  # a resend must not follow its cancel
        unsent.place = None
        unsent.change = call
        if waiting is None:
            return Enqueued(call, withdrawn)
        if isinstance(waiting.request, Cancel):
            return Enqueued(call, withdrawn, (waiting,))
        return Enqueued(call, (*withdrawn, waiting))
    if waiting is None:
        unsent.change = call
        return Enqueued(call)
    if isinstance(waiting.request, Cancel):
        return Enqueued(call, (call,))  # the order is about to go
    unsent.change = merged = _merged(waiting, call)
    return Enqueued(merged, (), (waiting,))


def _put_back(unsent: _Unsent, call: Call) -> Ended:
    """Put a throttled call back before its order's unsent ones, which are newer than it."""
    request = call.request
    waiting = unsent.change
    if isinstance(request, Place):
        if waiting is not None and isinstance(waiting.request, Cancel):
            if call.resend:
                return Ended(False, (call,))
            return Ended(False, (call, *unsent.clear()))
        unsent.place = call
        return Ended(True)
    if isinstance(request, QUERIES):
        if unsent.query is not None:
            return Ended(True, (), (call,))
        unsent.query = call
        return Ended(True)
    if waiting is None:
        unsent.change = call
        return Ended(True)
    if isinstance(request, Cancel):
        if isinstance(waiting.request, Cancel):
            return Ended(True, (), (call,))
        unsent.change = call
        return Ended(True, (waiting,))
    if isinstance(waiting.request, Cancel):
        return Ended(False, (call,))
    unsent.change = merged = _merged(call, waiting)
    return Ended(True, (), (call,), merged)


def _merged(older: Call, newer: Call) -> Call:
    """One amend for two unsent: the newest terms win, a term that only the older names is kept."""
    first, last = older.request, newer.request
    if not isinstance(first, Amend) or not isinstance(last, Amend):
        raise InvariantViolated(f"Invariant: only amends merge, was {older!r} and {newer!r}")
    merged = Amend(
        last.client_order_id,
        last.req_id,
        last.instrument,
        first.order_qty if last.order_qty is None else last.order_qty,
        first.price if last.price is None else last.price,
        first.stop_px if last.stop_px is None else last.stop_px,
        first.venue_order_id if last.venue_order_id is None else last.venue_order_id,
    )
    # It can only lower exposure if both could.
    kind = CallKind.REDUCE if older.kind is newer.kind is CallKind.REDUCE else CallKind.AMEND
    return msgspec.structs.replace(newer, kind=kind, request=merged, queued_ns=older.queued_ns)


class FairLine:
    """Calls of one kind that may leave: FIFO per instrument, instruments in turn, one per order.

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
