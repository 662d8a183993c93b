"""A lane of a venue that takes several requests in one call.

What one turn asked for leaves together, so a call waits until the effects of its turn have all been
said; that takes no time a venue could notice. A batch is transport: what leaves in it was let leave
one by one, and each item ends alone. A call that fails, hangs or answers in another number than it
was asked ended unknown for all.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.calls import Call, Ending
from engine.messages import Cancel, NativeShape, Place, PlaceGroup, SubmitOrder, Withdrawn
from engine.session import SessionLimits, VenueSession
from engine.session_batches import BatchingSession

from .lane import CallEnded, Lane, not_made, raised
from .venues.port import Done, GroupVenue, Outcome, Refused, Throttled, Unknown

if TYPE_CHECKING:
    from .roles import BrokerRole
    from .runtime import Dispatcher, Task
    from .venues.port import Venue

__all__ = ["BatchLane", "lane_of"]

_AskAll: TypeAlias = "Callable[[Any], Coroutine[Any, Any, Sequence[Outcome]]]"


def lane_of(
    broker: BrokerRole,
    venue: Venue,
    limits: SessionLimits | None,
    dispatcher: Dispatcher,
    call_timeout_ns: int,
) -> tuple[VenueSession, Lane]:
    """The session and the lane of a venue, by what it declares."""
    able = venue.capabilities
    if able.place_batch > 1 or able.cancel_batch > 1 or able.native_groups:
        batching = BatchingSession(limits)
        return batching, BatchLane(broker, venue, batching, dispatcher, call_timeout_ns)
    session = VenueSession(limits)
    return session, Lane(broker, venue, session, dispatcher, call_timeout_ns)


class BatchLane(Lane):
    """As :class:`Lane`; requests of one sort that are ready at once leave in one call."""

    session: BatchingSession

    def __init__(
        self,
        broker: BrokerRole,
        venue: Venue,
        session: BatchingSession,
        dispatcher: Dispatcher,
        call_timeout_ns: int,
    ) -> None:
        super().__init__(broker, venue, session, dispatcher, call_timeout_ns)
        able = venue.capabilities
        self._batches: dict[type, tuple[_AskAll, int]] = {
            Place: (venue.place_batch, able.place_batch),
            Cancel: (venue.cancel_batch, able.cancel_batch),
        }
        self._gathering = False

    def _pump(self, now: int) -> None:
        """Have what may leave do so when everything was said that is to be said now."""
        if not self._gathering and self.dispatcher.is_accepting():
            self._gathering = True
            self.dispatcher.urgent(self._leave)

    def _leave(self) -> None:
        self._gathering = False
        session = self.session
        now = self.dispatcher.monotonic_ns()
        self._pumping = True
        try:
            while (call := session.next(now)) is not None:
                if type(call.request) is Place and call.request.kin:
                    self._start_kin(call, call.request, now)
                    continue
                ask, most = self._batches.get(type(call.request), (None, 1))
                riders = session.ride(call, now, most - 1) if most > 1 else []
                if ask is None or not riders:
                    self._start(call)
                else:
                    self._start_all([call, *riders], ask)
        finally:
            self._pumping = False
        if session.queued:
            self._see_to_waiting(now)

    def _start_kin(self, call: Call, request: Place, now: int) -> None:
        """Orders that the venue ties leave in one call. Where one of them was cancelled before, an
        exit of what its entry would open never leaves, and any other leaves alone.
        """
        calls, venue, shape = self.session.join(call, request.kin), self.venue, request.shape
        if calls is not None and shape is not None and isinstance(venue, GroupVenue):
            tie = venue.place_group
            self._start_all(calls, lambda asked: tie(PlaceGroup(shape, _orders(asked))))
            return
        cid = call.client_order_id
        if shape is not NativeShape.BRACKET or cid == request.kin[0]:
            self._start(call)
            return
        gone = self.session.ended(call.call_id, Ending.REFUSED, now)
        reason = "its group did not leave whole"
        self._tell(Withdrawn(cid, self.dispatcher.time_ns(), reason=reason))
        self._never_leave(gone.withdrawn, gone.coalesced, gone.merged)

    def _start_all(self, calls: list[Call], ask: _AskAll) -> None:
        sent_ts = self.dispatcher.time_ns()
        for call in calls:
            if type(call.request) is Place:
                self.broker.sent(call.request)
        if type(calls[0].request).__name__ in self._full:
            self._all_ended(calls, [not_made(call.request) for call in calls], sent_ts)
            return
        mine: list[Task[None]] = []
        mine.append(self.dispatcher.spawn(self._wait_for_all(calls, ask, sent_ts, mine)))

    async def _wait_for_all(
        self, calls: list[Call], ask: _AskAll, sent_ts: int, mine: Sequence[Task[None]]
    ) -> None:
        """As :meth:`Lane._wait_for`, for all of them."""
        open_calls = list(calls)

        def time_out() -> None:
            self.broker.turn.effects.append((give_up, None, None))

        def give_up(_: None, __: None) -> None:
            if open_calls:
                open_calls.clear()
                self._let_go(calls[0], mine[0])
                detail = f"no answer within {self.call_timeout_ns / 1e9:g} s"
                self._all_ended(calls, [Unknown(detail)] * len(calls), sent_ts)

        timer = self.dispatcher.call_later(self.call_timeout_ns, time_out)
        try:
            outcomes = _one_each(await ask([call.request for call in calls]), len(calls))
        except Exception as error:  # an adapter's bug or a network error: never a no
            outcomes = [raised(error)] * len(calls)
        timer.cancel()
        if open_calls:
            open_calls.clear()
            self._all_ended(calls, outcomes, sent_ts)
            return
        for call, outcome in zip(calls, outcomes, strict=True):
            if isinstance(outcome, Done | Refused):  # late, and still a fact
                self.dispatcher.post(self.broker, CallEnded(call, outcome, sent_ts))

    def _all_ended(self, calls: list[Call], outcomes: Sequence[Outcome], sent_ts: int) -> None:
        """What was throttled goes back to the front of its class, so the last goes first."""
        pairs = list(zip(calls, outcomes, strict=True))
        again = [pair for pair in pairs if isinstance(pair[1], Throttled)]
        rest = [pair for pair in pairs if not isinstance(pair[1], Throttled)]
        for call, outcome in (*reversed(again), *rest):
            self._ended(call, outcome, sent_ts)


def _orders(asked: Sequence[Place]) -> tuple[SubmitOrder, ...]:
    return tuple(one.order for one in asked)


def _one_each(answer: Sequence[Outcome], count: int) -> Sequence[Outcome]:
    """An answer, if it has one outcome for each request; else nobody can tell whose is whose."""
    if isinstance(answer, list | tuple) and len(answer) == count:
        return answer
    told = len(answer) if isinstance(answer, list | tuple) else type(answer).__name__
    return [Unknown(f"the adapter answered {count} requests with {told}")] * count
