"""One venue session: what leaves next, in which order, and what an ending means.

Theory of operation. The broker hands over requests (:meth:`VenueSession.enqueue`), a lane asks for
the next call (:meth:`next`), makes it and says how it ended (:meth:`ended`). The session is one
mutable object without clock, thread or randomness: time is an argument, so the same calls give the
same answers.

* **One order, one call.** An order has at most one call in flight and waits for its end. What has
  not left is kept per order as at most one placement, one change (cancel or amend) and one query. A
  cancel that finds its placement unsent withdraws it, and neither leaves; it withdraws an unsent
  amend; amends that have not left become one.
* **Classes.** Cancels, then reducing calls, amends, entries, queries; inside a class first in,
  first out, with instruments in turn. A class that waits for tokens keeps lower classes off those
  buckets; nothing overtakes by price.
* **Gates.** The state of the session (:data:`SESSION`), the :class:`TradingMode` and holds on
  single instruments say which classes leave. What may not leave waits; entries that wait too long
  come out of :meth:`overdue`.
* **Windows and budgets.** ``window`` calls in flight, ``exit_slots`` more for cancels and reducing
  calls; every call pays into token buckets, of which a share is reserved for the same two.

Nothing is kept of an order once its calls have ended. What is ugly: one call waiting in an idle
session lives in ``_head`` and nowhere else, because an idle session is the case that has to be
fast.
"""

from __future__ import annotations

from typing import Final

from .budget import Bucket, Charge, SessionLimits, charges
from .calls import EXITS, Call, CallKind, Ended, Ending, Enqueued, VenueRequest, sort
from .errors import InvalidValue, InvariantViolated, SystemStopped
from .messages import Amend, Place
from .outbox import Outbox
from .session_chart import SESSION, Gate, SessionState, SessionTrigger, TradingMode, gates
from .statechart import Cell

__all__ = ["SessionLimits", "VenueSession"]


_MAY_HIDE_FACTS: Final = (
    SessionTrigger.LINK_UP,
    SessionTrigger.LINK_DOWN,
    SessionTrigger.GAP,
    SessionTrigger.SILENT,
    SessionTrigger.BARRED,
)
_ENDED: Final = Ended()
# Names for members: reading one off its enum costs 0.07 us, and every order passes here.
_NEW: Final = CallKind.NEW
_REDUCE: Final = CallKind.REDUCE
_OPEN: Final = Gate.OPEN
_CLOSED: Final = SessionState.CLOSED
_THROTTLED: Final = Ending.THROTTLED


class VenueSession:
    """Decides what leaves next for one (venue, account); belongs to one broker, one thread."""

    def __init__(self, limits: SessionLimits | None = None) -> None:
        self.limits = SessionLimits() if limits is None else limits
        self.state: SessionState = SESSION.initial
        self.mode = TradingMode.ALL
        self._held: dict[str, None] = {}  # instruments whose entries wait, in any state
        self._agreed: dict[str, None] = {}  # instruments reconciled in this gap
        self._head: Call | None = None  # the only unsent call of an idle session
        self._outbox = Outbox()
        self._calls: dict[int, Call] = {}  # in flight, by call id
        self._flying: dict[str, Call] = {}  # the same, by order
        self._late: list[Call] = []
        self._last_id = 0
        self._closed_until_ns = 0
        self._buckets = tuple(Bucket(rule, i) for i, rule in enumerate(self.limits.budgets))
        self._charges = {kind: charges(self._buckets, kind) for kind in CallKind}
        self._reducing_amend = charges(self._buckets, CallKind.AMEND, is_exit=True)
        wide = self.limits.window + self.limits.exit_slots
        self._slots = {k: wide if k in EXITS else self.limits.window for k in CallKind}
        self._gates = gates(self.state, self.mode)

    # --- the three calls of the hot path ----------------------------------------------------------

    def enqueue(
        self, request: VenueRequest, now_ns: int, *, reduces: bool = False, resend: bool = False
    ) -> Enqueued:
        """Take a request in; the answer says which calls will never leave because of it.

        ``reduces`` marks a placement or amend that can only lower exposure. ``resend`` marks a
        placement that left before with an unknown outcome: a cancel then does not end it locally,
        and it has no send-by time.

        Raises:
            SystemStopped: the session is closed; nothing was taken in.
            InvariantViolated: a second placement for an order whose first is still here; nothing
                was taken in.
        """
        send_by = None
        if isinstance(request, Place):
            order = request.order
            cid = order.client_order_id
            instrument = order.instrument
            kind = _REDUCE if reduces else _NEW
            if not (reduces or resend):
                send_by = now_ns + self.limits.entry_send_by_ns
        else:
            cid = request.client_order_id
            instrument = request.instrument
            kind = sort(request, reduces=reduces)
        if self.state is _CLOSED:
            raise SystemStopped(f"the session is closed; {kind.name} of {cid!r} was not taken in")
        call_id = self._last_id + 1
        call = Call(call_id, kind, cid, instrument, request, now_ns, send_by, resend)
        if (
            self._head is None
            and not self._outbox.count
            and not self._late
            and cid not in self._flying
        ):
            self._head = call
            answer = Enqueued(call)
        else:
            answer = self._enqueue_behind(call)
        self._last_id = call_id
        return answer

    def next(self, now_ns: int) -> Call | None:
        """Hand out the call that leaves now, or None; it comes back through :meth:`ended`."""
        call = self._head
        if call is not None:
            if call.send_by_ns is not None and call.send_by_ns <= now_ns:
                self._collect_overdue(now_ns)
                return None
            kind = call.kind
            if (
                now_ns < self._closed_until_ns
                or len(self._calls) >= self._slots[kind]
                or (self._gates[kind] is not _OPEN and not self._may_leave(call))
            ):
                return None
            due = self._charges[kind] if kind is not _REDUCE else self._charges_of(call)
            for bucket, _, need in due:
                if bucket.ready_at(need, now_ns) > now_ns:
                    return None
            self._head = None
        else:
            if not self._outbox.count:
                return None
            self._collect_overdue(now_ns)
            call = self._choose(now_ns)[0]
            if call is None:
                return None
            due = self._charges_of(call)
            self._outbox.take(call)
        for bucket, cost, _ in due:
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

        THROTTLED puts it back to the front of its class, and nothing leaves for ``retry_after_ns``
        (0: the configured pause), or, where the venue names the ``budget``, nothing that this
        budget charges. A refused placement proves that there is nothing to change: its order's
        unsent change is withdrawn (a refused resend proves nothing).

        Raises:
            InvariantViolated: no such call is in flight; nothing has changed.
            InvalidValue: no such budget; nothing has changed.
        """
        call = self._calls.get(call_id)
        if call is None:
            raise InvariantViolated(
                f"Invariant: a call ends once, after it left; call {call_id} is not in flight"
            )
        if ending is _THROTTLED:
            return self._throttled(call, now_ns, retry_after_ns, budget)
        del self._calls[call_id]
        cid = call.client_order_id
        del self._flying[cid]
        if not self._outbox.count:
            return _ENDED
        never = ending is Ending.REFUSED and isinstance(call.request, Place) and not call.resend
        withdrawn = self._outbox.call_ended(cid, never_existed=never)
        return Ended(False, withdrawn) if withdrawn else _ENDED

    # --- time -------------------------------------------------------------------------------------

    def overdue(self, now_ns: int) -> list[Call]:
        """Hand over entries that did not leave in time, each followed by what waited behind it.

        They never leave: end them locally, as EXPIRED ``not_sent``.
        """
        self._collect_overdue(now_ns)
        late, self._late = self._late, []
        return late

    def wake_at(self, now_ns: int) -> int | None:
        """When :meth:`next` or :meth:`overdue` may next have something; None: not by time alone.

        Later than ``now_ns`` whenever both have nothing now; an ending, a request or a gate may
        come first.
        """
        self._collect_overdue(now_ns)
        if self._late:
            return now_ns
        if self._head is None:
            if not self._outbox.count:
                return None
            deadline = self._outbox.next_deadline()
            ready = self._choose(now_ns)[1]
        else:
            deadline = self._head.send_by_ns
            ready = self._leaves_at(self._head, now_ns) if self._may_leave(self._head) else None
        if ready is None or deadline is None:
            return deadline if ready is None else ready
        return min(ready, deadline)

    # --- gates ------------------------------------------------------------------------------------

    def on(self, trigger: SessionTrigger) -> Cell[SessionState]:
        """Move the session's state; the answer is the table's cell, for journal, events and alarms.

        Whatever may have hidden a fact also voids :meth:`agreed`. Calls in flight stay until
        :meth:`ended` says.
        """
        cell = SESSION.table[self.state, trigger]
        self.state = cell.target
        if trigger in _MAY_HIDE_FACTS:
            self._agreed.clear()
        self._set_gates()
        return cell

    def go_back(self, before: SessionState) -> None:
        """Be in the state a discarded turn began with; what hid a fact stays hidden."""
        self.state = before
        self._set_gates()

    def set_mode(self, mode: TradingMode) -> None:
        """Say what may leave at all, from now on; what is in flight is not affected."""
        self.mode = mode
        self._set_gates()

    def hold(self, instrument: str) -> None:
        """Withhold entries of one instrument (drift, hand-over list) until :meth:`release`."""
        self._held[instrument] = None
        self._set_gates()

    def release(self, instrument: str) -> None:
        """End a :meth:`hold`; without one, nothing happens."""
        self._held.pop(instrument, None)
        self._set_gates()

    def agreed(self, instrument: str) -> None:
        """Orders, executions and position agree: the instrument's entries need not wait longer."""
        self._agreed[instrument] = None
        self._set_gates()

    # --- taking calls out -------------------------------------------------------------------------

    def forget_order(self, client_order_id: str) -> tuple[Call, ...]:
        """Take out every unsent call of an ended order; a call in flight still has to end."""
        self._spill()
        late = tuple(call for call in self._late if call.client_order_id == client_order_id)
        if late:
            self._late = [call for call in self._late if call.client_order_id != client_order_id]
        return (*late, *self._outbox.forget(client_order_id))

    def forget_amend(self, client_order_id: str) -> Call | None:
        """Take out the unsent amend of an order; it never leaves. None: there is none."""
        self._spill()
        return self._outbox.forget_amend(client_order_id)

    def drain(self) -> tuple[Call, ...]:
        """Take out everything unsent, for an orderly stop; nothing of it ever leaves."""
        self._spill()
        late, self._late = self._late, []
        return (*late, *self._outbox.drain())

    @property
    def in_flight(self) -> int:
        """How many calls have left and not ended."""
        return len(self._calls)

    @property
    def queued(self) -> int:
        """How many calls wait to leave, or to be handed over by :meth:`overdue`."""
        return self._outbox.count + (self._head is not None) + len(self._late)

    # --- inside -----------------------------------------------------------------------------------

    def _enqueue_behind(self, call: Call) -> Enqueued:
        cid = call.client_order_id
        if any(cid == late.client_order_id for late in self._late):
            return Enqueued(call, (call,))  # its placement is about to be ended as never sent
        self._spill()
        return self._outbox.admit(call, self._flying.get(cid))

    def _choose(self, now_ns: int) -> tuple[Call | None, int | None]:
        """The lined-up call that leaves now; else the earliest time at which one can."""
        waited_for = 0  # bits of the buckets that a more urgent class is waiting for
        wake: int | None = None
        for kind, line in self._outbox.lines.items():
            if not line or len(self._calls) >= self._slots[kind]:
                continue
            gate = self._gates[kind]
            if gate is Gate.SHUT:
                continue
            call = line.first() if gate is Gate.OPEN else line.first_of(self._entries_leave)
            if call is None:
                continue
            bits = 0
            for bucket, _, _ in self._charges_of(call):
                bits |= bucket.bit
            if bits & waited_for:
                continue
            at = self._leaves_at(call, now_ns)
            if at <= now_ns:
                return call, at
            waited_for |= bits
            wake = at if wake is None else min(wake, at)
        return None, wake

    def _may_leave(self, call: Call) -> bool:
        """Whether gates and windows let this call leave (its order's turn and its tokens aside)."""
        if len(self._calls) >= self._slots[call.kind]:
            return False
        gate = self._gates[call.kind]
        return gate is Gate.OPEN or (
            gate is Gate.BY_INSTRUMENT and self._entries_leave(call.instrument)
        )

    def _entries_leave(self, instrument: str) -> bool:
        if instrument in self._held:
            return False
        return self.state is SessionState.READY or instrument in self._agreed

    def _leaves_at(self, call: Call, now_ns: int) -> int:
        at = max(now_ns, self._closed_until_ns)
        for bucket, _, need in self._charges_of(call):
            at = max(at, bucket.ready_at(need, now_ns))
        return at

    def _charges_of(self, call: Call) -> tuple[Charge, ...]:
        if call.kind is CallKind.REDUCE and type(call.request) is Amend:
            return self._reducing_amend
        return self._charges[call.kind]

    def _throttled(self, call: Call, now_ns: int, retry_after_ns: int, budget: str | None) -> Ended:
        buckets = [b for b in self._buckets if b.rule.name == budget]
        if budget is not None and not buckets:
            raise InvalidValue(
                f"no budget is called {budget!r}; there are {[b.rule.name for b in self._buckets]}"
            )
        until = now_ns + (retry_after_ns if retry_after_ns > 0 else self.limits.throttle_pause_ns)
        for bucket in buckets:
            bucket.close_until(until)
        if budget is None:
            self._closed_until_ns = max(self._closed_until_ns, until)
        del self._calls[call.call_id]
        del self._flying[call.client_order_id]
        self._spill()
        return self._outbox.put_back(call)

    def _spill(self) -> None:
        """Give up the fast path: the single waiting call goes where all others wait."""
        if self._head is not None:
            self._outbox.admit(self._head, None)
            self._head = None

    def _collect_overdue(self, now_ns: int) -> None:
        head = self._head
        if head is not None:
            if head.send_by_ns is not None and head.send_by_ns <= now_ns:
                self._late.append(head)
                self._head = None
        elif self._outbox.count:
            self._late += self._outbox.overdue(now_ns)

    def _set_gates(self) -> None:
        self._gates = gates(
            self.state, self.mode, some_held=bool(self._held), some_agreed=bool(self._agreed)
        )
