"""One venue session: what leaves next, in which order, and what an ending means.

Theory of operation. The broker hands over requests (:meth:`VenueSession.enqueue`), a lane asks for the next call
(:meth:`next`), makes it and says how it ended (:meth:`ended`). The session is one mutable object without clock,
thread or randomness: time is an argument, so the same calls give the same answers.

* **One order, one call.** An order has at most one call in flight and waits for its end. What has not left is kept per
  order as at most one placement, one change (cancel or amend) and one query. A cancel that finds its placement unsent
  withdraws it, and neither leaves; it withdraws an unsent amend; amends that have not left become one.
* **Classes.** Cancels, then reducing calls, amends, entries, queries; inside a class first in, first out, with
  instruments in turn. A class that waits for tokens keeps lower classes off those buckets; nothing overtakes by price.
* **Gates.** The state of the session (:data:`SESSION`), the :class:`TradingMode` and holds on single instruments say
  which classes leave. What may not leave waits; entries that wait too long come out of :meth:`overdue`.
* **Windows and budgets.** ``window`` calls in flight, ``exit_slots`` more for cancels and reducing calls; every call
  pays into token buckets, of which a share is reserved for the same two.

Nothing is kept of an order once its calls have ended. What is ugly: one call waiting in an idle session lives in
``_head`` and nowhere else, because an idle session is the case that has to be fast.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final, assert_never

import msgspec

from .budget import Bucket, BudgetRule, Charge
from .calls import Call, CallKind, Ended, Ending, Enqueued, FairLine, Unsent, VenueRequest, merge_amends
from .errors import InvalidValue, InvariantViolated, SystemStopped
from .messages import Amend, Cancel, Place, QueryOrder
from .session_chart import SESSION, SessionState, SessionTrigger, TradingMode
from .statechart import Cell
from .values import Word

__all__ = ["SessionLimits", "VenueSession"]

_SECOND: Final = 1_000_000_000


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one venue account bears. Durations are nanoseconds.

    A strictly serial venue has ``window=1, exit_slots=0``: a cancel then waits for at most one call.

    Raises:
        InvalidValue: when nothing could ever leave, or two budgets share a name.
    """

    window: int = 4
    exit_slots: int = 1  # beyond the window, for cancels and reducing calls
    entry_send_by_ns: int = 5 * _SECOND
    throttle_pause_ns: int = _SECOND  # when a venue throttles without saying for how long
    budgets: tuple[BudgetRule, ...] = ()

    def __post_init__(self) -> None:
        for field, least in (
            ("window", 1),
            ("exit_slots", 0),
            ("entry_send_by_ns", 1),
            ("throttle_pause_ns", 1),
        ):
            value: object = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InvalidValue(f"{field} must be a whole number >= {least}, was {value!r}")
        names = [rule.name for rule in self.budgets]
        if len(dict.fromkeys(names)) != len(names):
            raise InvalidValue(f"budgets need different names, were {names}")


class _Gate(Word):
    """Whether a class may leave now."""

    OPEN = "OPEN"
    BY_INSTRUMENT = "BY_INSTRUMENT"
    SHUT = "SHUT"


_CLASSES: Final = tuple(CallKind)
_EXITS: Final = (CallKind.CANCEL, CallKind.REDUCE)
_LINK_STANDS: Final = (
    SessionState.RECONCILING,
    SessionState.READY,
    SessionState.SUSPECT,
    SessionState.CLOSING,
)
_ENDED: Final = Ended()


class VenueSession:
    """Decides what leaves next for one (venue, account). Not thread-safe: it belongs to one broker."""

    def __init__(self, limits: SessionLimits | None = None) -> None:
        self.limits = SessionLimits() if limits is None else limits
        self.state = SESSION.initial
        self.mode = TradingMode.ALL
        self._held: dict[str, None] = {}
        self._released: dict[str, None] = {}
        self._head: Call | None = None  # the only unsent call of an idle session
        self._unsent: dict[str, Unsent] = {}
        self._lines = {kind: FairLine() for kind in _CLASSES}
        self._count = 0
        self._calls: dict[int, Call] = {}  # in flight, by call id
        self._flying: dict[str, Call] = {}  # in flight, by order
        self._deadlines: list[tuple[int, int, str]] = []  # heap of (send by, call id, order); stale ones allowed
        self._late: list[Call] = []
        self._last_id = 0
        self._closed_until_ns = 0
        self._buckets = tuple(Bucket(r, i) for i, r in enumerate(self.limits.budgets))
        self._charges = {kind: _charges(self._buckets, kind, Place) for kind in _CLASSES}
        self._reducing_amend = _charges(self._buckets, CallKind.REDUCE, Amend)
        beyond = self.limits.window + self.limits.exit_slots
        self._slots = {k: beyond if k in _EXITS else self.limits.window for k in _CLASSES}
        self._gates = {kind: _Gate.SHUT for kind in _CLASSES}
        self._set_gates()

    # --- the three calls of the hot path -----------------------------------------------------------------------------

    def enqueue(
        self, request: VenueRequest, now_ns: int, *, reduces: bool = False, resend: bool = False
    ) -> Enqueued:
        """Take a request in; the answer says which calls will never leave because of it.

        ``reduces`` marks a placement or amend that can only lower exposure. ``resend`` marks a placement that left
        before with an unknown outcome: a cancel then does not end it locally, and it has no send-by time.

        Raises:
            SystemStopped: the session is closed; nothing was taken in.
            InvariantViolated: a second placement for an order whose first is still here; nothing was taken in.
        """
        send_by = None
        if type(request) is Place:
            order = request.order
            cid = order.client_order_id
            instrument = order.instrument
            kind = CallKind.REDUCE if reduces else CallKind.NEW
            if not reduces and not resend:
                send_by = now_ns + self.limits.entry_send_by_ns
        else:
            kind, cid, instrument = _sort(request, reduces)
        if self.state is SessionState.CLOSED:
            raise SystemStopped(f"the session is closed; {kind.name} of order {cid!r} was not taken")
        call_id = self._last_id + 1
        call = Call(call_id, kind, cid, instrument, request, now_ns, send_by, resend)
        if not self._count and cid not in self._flying:
            self._head = call
            self._count = 1
            self._last_id = call_id
            return Enqueued(call)
        return self._enqueue_behind(call)

    def next(self, now_ns: int) -> Call | None:
        """Hand out the call that leaves now, or None. Every call handed out must come back through :meth:`ended`."""
        if not self._count:
            return None
        call = self._head
        if call is None:
            self._collect_overdue(now_ns)
            call = self._choose(now_ns)[0]
            if call is None:
                return None
            self._take(call)
        else:
            if call.send_by_ns is not None and call.send_by_ns <= now_ns:
                self._collect_overdue(now_ns)
                return None
            if not self._may_leave(call) or self._leaves_at(call, now_ns) > now_ns:
                return None
            self._head = None
        self._count -= 1
        for bucket, cost, _ in self._charges_of(call):
            bucket.spend(cost)
        self._calls[call.call_id] = call
        self._flying[call.client_order_id] = call
        return call

    def ended(
        self,
        call_id: int,
        ending: Ending,
        now_ns: int,
        retry_after_ns: int = 0,
        budget: str | None = None,
    ) -> Ended:
        """Say how a call ended; its order's next call may leave now.

        THROTTLED puts it back to the front of its class, and nothing leaves for ``retry_after_ns`` (0: the configured
        pause), or, where the venue names the ``budget``, nothing that this budget charges. A refused placement proves
        that there is nothing to change: its order's unsent change is withdrawn.

        Raises:
            InvariantViolated: no such call is in flight; nothing has changed.
        """
        call = self._calls.pop(call_id, None)
        if call is None:
            raise InvariantViolated(
                f"Invariant: a call ends once, after it left; call {call_id} is not in flight"
            )
        del self._flying[call.client_order_id]
        if ending is Ending.THROTTLED:
            return self._throttled(call, now_ns, retry_after_ns, budget)
        if not self._unsent:
            return _ENDED
        return self._release_next(call, ending)
