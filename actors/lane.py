"""The lane: the one caller of a venue.

It makes the calls its session lets leave, and tells the broker how they ended.

A call that raises, hangs past its timeout or is cancelled ended *unknown*: it may have had its
effect. The lane decides nothing else. Session bookkeeping happens when a call ends, not in a turn,
because a discarded turn must not end a call twice.
"""

from __future__ import annotations

import logging
import traceback
import types
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import msgspec

from engine.calls import (
    LISTS,
    QUERIES,
    Call,
    CallKind,
    Ending,
    FetchExecutions,
    QueryExecutions,
    QueryOpenOrders,
    QueryPositions,
    VenueRequest,
)
from engine.errors import InvalidValue, SystemStopped
from engine.messages import (
    Amend,
    AmendOrder,
    Cancel,
    CancelRefused,
    Place,
    QueryOrder,
    ReplaceRefused,
    Withdrawn,
)

from .door import checked_answer
from .hung import HungCalls
from .venues.port import (
    Answer,
    Done,
    Duplicate,
    Outcome,
    Refused,
    Throttled,
    Unknown,
)

if TYPE_CHECKING:
    from engine.session import VenueSession

    from .runtime import Dispatcher, Task, Timer
    from .venues.port import Venue

from .broker_words import TookOver
from .roles import BrokerRole

__all__ = ["LISTS_NS", "CallEnded", "Lane", "not_made", "note_raised", "raised"]

#: Where adapters raise, at DEBUG.
logger = logging.getLogger("actors.adapter")

#: How long a list of the whole account may take, which may have many pages.
LISTS_NS = 60_000_000_000

T = TypeVar("T")
_Ask: TypeAlias = "Callable[[Any], Coroutine[Any, Any, Outcome | Answer[Any]]]"


class CallEnded(msgspec.Struct, frozen=True, gc=False):
    """From the lane: how one call ended; for a query, what it answered."""

    call: Call
    outcome: Outcome | Answer[Any]
    sent_ts: int


_THROTTLED = Ending.THROTTLED
_ENDINGS: dict[type, Ending] = {
    Done: Ending.DONE,
    Refused: Ending.REFUSED,
    Unknown: Ending.UNKNOWN,
    Throttled: Ending.THROTTLED,
    Duplicate: Ending.UNKNOWN,
    Answer: Ending.DONE,
}


@types.coroutine
def _resumed(coro: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine whose first step has run and yielded ``awaited``."""
    while True:
        try:
            value = yield awaited
        except BaseException as error:
            try:
                awaited = coro.throw(error)
            except StopIteration as stop:
                return cast("T", stop.value)
        else:
            try:
                awaited = coro.send(value)
            except StopIteration as stop:
                return cast("T", stop.value)


class Lane:
    """Makes the calls of one broker's session, on the dispatcher's thread."""

    def __init__(
        self,
        broker: BrokerRole,
        venue: Venue,
        session: VenueSession,
        dispatcher: Dispatcher,
        call_timeout_ns: int,
    ) -> None:
        self.broker = broker
        self.venue = venue
        self.session = session
        self.dispatcher = dispatcher
        self.call_timeout_ns = call_timeout_ns
        self._inline = venue.capabilities.inline
        self._verbs: dict[type, _Ask] = {
            Place: venue.place,
            Cancel: venue.cancel,
            Amend: venue.amend,
            QueryOrder: venue.query_order,
            QueryOpenOrders: lambda _: venue.open_orders(),
            QueryExecutions: lambda request: venue.executions(request.since_ts),
            FetchExecutions: lambda request: venue.executions(request.since_ts),
            QueryPositions: lambda _: venue.positions(),
        }
        self.hung = HungCalls(broker)
        self._full = self.hung.full
        self._pumping = False
        self._wake: Timer | None = None
        self._wake_at = 0

    def send(self, request: VenueRequest, reduces: bool) -> None:
        """Hand a journalled request to the session and let leave what may."""
        now = self.dispatcher.monotonic_ns()
        try:
            queued = self.session.enqueue(request, now, reduces=reduces)
        except SystemStopped:
            self._too_late(request)
            return
        if queued.withdrawn or queued.coalesced:
            self._never_leave(queued.withdrawn, queued.coalesced, queued.call)
        if not self._pumping:  # else a call that ended at once: the loop below it goes on
            self._pump(now)

    def pump(self) -> None:
        """Start every call that may leave now; come back when the session says so."""
        if not self._pumping:
            self._pump(self.dispatcher.monotonic_ns())

    def _pump(self, now: int) -> None:
        session = self.session
        self._pumping = True
        try:
            while (call := session.next(now)) is not None:
                self._start(call)
        finally:
            self._pumping = False
        if session.queued:
            self._see_to_waiting(now)

    def _see_to_waiting(self, now: int) -> None:
        for late in self.session.overdue(now):
            self._overdue(late)
        self._wake_later(now)

    # --- calls that leave -------------------------------------------------------------------------

    def _start(self, call: Call) -> None:
        request = call.request
        sent_ts = self.dispatcher.time_ns()
        ask = self._verbs[type(request)]
        if type(request) is Place:
            self.broker.sent(request)
        if self._full and type(request).__name__ in self._full:
            self._ended(call, not_made(request), sent_ts)
            return
        if not self._inline:
            self._spawn(call, ask, sent_ts)
            return
        try:
            coro = ask(request)
            awaited = coro.send(None)
        except StopIteration as stop:
            self._ended(call, stop.value, sent_ts)
        except (
            Exception,
            CancelledError,
        ) as error:  # before its first wait, or not even a coroutine
            self._ended(call, raised(error), sent_ts)
        else:
            rest = _resumed(coro, awaited)
            self._spawn(call, lambda _: rest, sent_ts)

    def _spawn(self, call: Call, ask: _Ask, sent_ts: int) -> None:
        mine: list[Task[None]] = []
        mine.append(self.dispatcher.spawn(self._wait_for(call, ask, sent_ts, mine)))

    async def _wait_for(
        self, call: Call, ask: _Ask, sent_ts: int, mine: Sequence[Task[None]]
    ) -> None:
        """Make and await one call; past its timeout it ended unknown, and what it says later comes
        as a late report, for a while. ``mine``: the task this runs in.
        """
        open_calls: list[Call] = [call]

        def time_out() -> None:
            self.broker.turn.effects.append((give_up, None, None))

        def give_up(_: None, __: None) -> None:
            if open_calls:
                open_calls.clear()
                self._let_go(call, mine[0])
                self._ended(call, Unknown(f"no answer within {wait_ns / 1e9:g} s"), sent_ts)

        wait_ns = LISTS_NS if isinstance(call.request, LISTS) else self.call_timeout_ns
        timer = self.dispatcher.call_later(wait_ns, time_out)
        try:
            outcome = await ask(call.request)
        except Exception as error:  # an adapter's bug or a network error: never a no
            outcome = raised(error)
        timer.cancel()
        if open_calls:
            open_calls.clear()
            self._ended(call, outcome, sent_ts)
        elif isinstance(outcome, Done | Refused):  # late, and still a fact
            self.dispatcher.post(self.broker, CallEnded(call, outcome, sent_ts))

    def _let_go(self, call: Call, task: Task[None]) -> None:
        """Its time is out: what a question says later is not looked at."""
        hung, kind = self.hung, type(call.request).__name__
        if isinstance(call.request, QUERIES):
            hung.give_up(kind, task)
        else:
            hung.is_late(kind, task)

    def _ended(self, call: Call, outcome: Outcome | Answer[Any], sent_ts: int) -> None:
        if self.dispatcher.in_flight:  # what a turn may take back, nobody else may touch
            self.dispatcher.after_commit(partial(self._ended, call, outcome, sent_ts))
            return
        ending = _ENDINGS.get(type(outcome))
        if isinstance(outcome, Answer) and not _is_readable(outcome):
            ending = None
        if ending is None:  # an adapter answered something that is no outcome
            kind = type(outcome).__name__  # not its text: it may hold a signed URL
            outcome, ending = Unknown(f"the adapter answered with a {kind}"), Ending.UNKNOWN
        retry = 0
        if ending is _THROTTLED and isinstance(outcome, Throttled):
            after: object = outcome.retry_after_ns
            retry = after if isinstance(after, int) else 0
            actor = self.broker.orders.get(call.client_order_id)
            if actor is not None and type(call.request) is Place:
                actor.note_unsent()
        gone = self.session.ended(call.call_id, ending, self.dispatcher.monotonic_ns(), retry)
        if gone.withdrawn or gone.coalesced:
            self._never_leave(gone.withdrawn, gone.coalesced, gone.merged)
        self.dispatcher.post(self.broker, CallEnded(call, outcome, sent_ts))
        if self.session.queued:
            self.pump()

    # --- calls that never leave -------------------------------------------------------------------

    def _never_leave(
        self, withdrawn: tuple[Call, ...], coalesced: tuple[Call, ...], merged: Call | None
    ) -> None:
        """Tell the orders of calls that were overtaken before they left; ``merged`` carries the
        terms of those that were coalesced.
        """
        ts = self.dispatcher.time_ns()
        if coalesced and merged is not None and type(merged.request) is Amend:
            now = merged.request
            terms = (now.order_qty, now.price, now.stop_px)
            self._tell(TookOver(AmendOrder(now.client_order_id, now.req_id, ts, *terms)))
        placements = [call for call in withdrawn if type(call.request) is Place]
        ended = {call.client_order_id for call in placements}
        for call in placements:
            self._tell(Withdrawn(call.client_order_id, ts, reason="cancelled before it was sent"))
        for call in withdrawn:
            request = call.request
            if type(request) is Amend and call.client_order_id not in ended:
                reason = "a cancel overtook it before it was sent"
                self._tell(ReplaceRefused(call.client_order_id, ts, request.req_id, reason))
        for call in coalesced:
            request = call.request
            if type(request) is Amend:
                reason = "a newer amend took its place before it was sent"
                self._tell(ReplaceRefused(call.client_order_id, ts, request.req_id, reason))
            elif type(request) is Cancel:
                reason = "a newer cancel took its place before it was sent"
                self._tell(CancelRefused(call.client_order_id, ts, request.req_id, reason))

    def _too_late(self, request: VenueRequest) -> None:
        """The session is closed: the request never leaves, and its order has to know."""
        cid, ts, reason = (
            request.client_order_id,
            self.dispatcher.time_ns(),
            "the session is closed",
        )
        if type(request) is Place:
            self._tell(Withdrawn(cid, ts, reason=reason, expired=True))
        elif type(request) is Cancel:
            self._tell(CancelRefused(cid, ts, request.req_id, reason))
        elif type(request) is Amend:
            self._tell(ReplaceRefused(cid, ts, request.req_id, reason))

    def drop_amend(self, cid: str, reason: str) -> None:
        """An amend that has not left never leaves; its order is told why."""
        call = self.session.forget_amend(cid)
        if call is not None and type(call.request) is Amend:
            ts = self.dispatcher.time_ns()
            self._tell(ReplaceRefused(cid, ts, call.request.req_id, reason))

    def withdraw_unsent(self) -> None:
        """For an orderly stop: what has not left never leaves; its orders are told."""
        for call in self.session.drain():
            self._too_late(call.request)

    def _overdue(self, call: Call) -> None:
        if call.kind is CallKind.NEW:
            ts = self.dispatcher.time_ns()
            self._tell(Withdrawn(call.client_order_id, ts, reason="not_sent", expired=True))

    def _tell(self, report: Any) -> None:
        self.dispatcher.post(self.broker, report)

    def _wake_later(self, now: int) -> None:
        due = self.session.wake_at(now)
        if due is None or (self._wake is not None and self._wake_at <= due and self._wake_at > now):
            return
        if self._wake is not None:
            self._wake.cancel()
        self._wake_at = due
        self._wake = self.dispatcher.call_later(max(due - now, 1), self._woken)

    def _woken(self) -> None:
        """Timer: what leaves now does so after this turn, or it would be lost with the turn."""
        self.broker.turn.effects.append((self._go_on, None, None))

    def _go_on(self, _: None, __: None) -> None:
        self._wake = None
        self.pump()
        # the last one queued is not counted as queued any more
        self._see_to_waiting(self.dispatcher.monotonic_ns())


def _is_readable(answer: Answer[Any]) -> bool:
    try:
        checked_answer(answer)
    except InvalidValue:
        return False
    return True


def not_made(request: VenueRequest) -> Outcome:
    """What becomes of a call for which its adapter has no room; see :mod:`actors.hung`."""
    if isinstance(request, QUERIES):
        return Unknown("not asked: the adapter's calls do not end")
    return Refused("adapter_hangs", "", "not sent: the adapter's calls do not end")


def raised(error: BaseException) -> Unknown:
    """What an exception of an adapter means: nothing is known."""
    return Unknown(f"the adapter raised {note_raised(error)}")


def note_raised(error: BaseException) -> str:
    """The type of what an adapter raised; where it did is logged. Its text may hold a signed URL,
    so that is kept nowhere.
    """
    kind = type(error).__name__
    if logger.isEnabledFor(logging.DEBUG):
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.debug("an adapter raised %s:\n%s", kind, where)
    return kind
