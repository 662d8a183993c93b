"""A session of a venue that takes several requests in one call.

A batch is transport: each call in it leaves because it may leave, pays for itself and
ends by itself. Only the window counts a batch as one. :meth:`VenueSession.next` hands out the first
call, by priority, budget and gate; :meth:`BatchingSession.ride` what may leave with it.
"""

from __future__ import annotations

from collections.abc import Iterable

from .budget import Charge, SessionLimits, charges
from .calls import Call, CallKind, Ended, Ending
from .messages import Place
from .session import VenueSession
from .session_chart import Gate

__all__ = ["BatchingSession"]


class BatchingSession(VenueSession):
    """As :class:`VenueSession`; its lane may put several calls in one."""

    def __init__(self, limits: SessionLimits | None = None) -> None:
        super().__init__(limits)
        self._riders: dict[int, Call] = {}  # in flight, behind the first of their batch
        self._fares = {kind: charges(self._buckets, kind, rides=True) for kind in CallKind}

    def ride(self, first: Call, now_ns: int, most: int) -> list[Call]:
        """Hand out up to ``most`` calls that may leave with ``first``, which has just been handed
        out: the next of its class, while they are of its sort and their tokens are there.

        Each is for another order, and comes back through :meth:`ended`. Nothing more urgent waits
        for the tokens they take, or ``first`` would not have left.
        """
        found: list[Call] = []
        line, gate = self._outbox.lines[first.kind], self._gates[first.kind]
        fare = self._fares[first.kind]
        while len(found) < most:
            call = line.first() if gate is Gate.OPEN else line.first_of(self._entries_leave)
            if call is None or type(call.request) is not type(first.request) or _has_kin(call):
                break
            if any(bucket.ready_at(need, now_ns) > now_ns for bucket, _, need in fare):
                break
            self._ride(call, fare)
            found.append(call)
        return found

    def join(self, first: Call, kin: Iterable[str]) -> list[Call] | None:
        """Hand out the placements of ``kin``, which leave in one call or not at all, in that order;
        ``first`` is one of them and has been handed out. None: another is not here any more.

        That ``first`` may leave says that all may.
        """
        found: list[Call] = []
        for cid in kin:
            call = first if cid == first.client_order_id else self._outbox.placement(cid)
            if call is None:
                return None
            found.append(call)
        for call in found:
            if call is not first:
                self._ride(call, self._fares[first.kind])
        return found

    def _ride(self, call: Call, fare: tuple[Charge, ...]) -> None:
        self._outbox.take(call)
        for bucket, cost, _ in fare:
            bucket.spend(cost)
        self._riders[call.call_id] = call
        self._flying[call.client_order_id] = call

    def ended(
        self,
        call_id: int,
        ending: Ending,
        now_ns: int,
        retry_after_ns: int = 0,
        budget: str | None = None,
    ) -> Ended:
        """As :meth:`VenueSession.ended`; each call of a batch ends by itself."""
        rider = self._riders.pop(call_id, None)
        if rider is not None:
            self._calls[call_id] = rider
        return super().ended(call_id, ending, now_ns, retry_after_ns, budget)

    @property
    def in_flight(self) -> int:
        """How many calls have left and not ended, those in batches one by one."""
        return len(self._calls) + len(self._riders)


def _has_kin(call: Call) -> bool:
    """Whether it leaves with others of its group, in a call of their own."""
    return isinstance(call.request, Place) and bool(call.request.kin)
