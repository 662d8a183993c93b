"""A broker's session with its venue: connecting, losing the link, and explaining what a gap hid.

Every (re)connect is a gap: open orders and executions are asked for, and entries leave again when
the answers are booked. A venue that raises, hangs or says nothing is a session that is down: it is
tried again, and nobody else waits for it. What a turn decides here happens after its commit, so
that a discarded turn leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import InvalidValue
from engine.messages import (
    Filled,
    LinkBarred,
    LinkDown,
    LinkSilent,
    LinkUp,
    OrderSnapshot,
    VenueDown,
    VenueUp,
)
from engine.order import has_questions
from engine.order_tables import TERMINAL, Life
from engine.session_chart import SessionState, SessionTrigger
from engine.statechart import Verdict

from .door import admit, check_instruments, checked_answer
from .lane import LISTS_NS, note_raised
from .venues.port import Answer

if TYPE_CHECKING:
    from .runtime import Task, Timer

from .roles import BrokerRole

__all__ = ["BrokerLink", "GapAnswered"]

_SECOND = 1_000_000_000
#: How far back executions are read again, beyond the last one known: venues publish some late and
#: out of order.
OVERLAP_NS = 600 * _SECOND
#: Waits before connecting or asking again; the last repeats.
RETRY_NS = (_SECOND // 4, _SECOND, 5 * _SECOND, 15 * _SECOND)
#: How often lists that a venue shows in part are read again before what they show has to do; the
#: orders they do not show are asked about one by one.
_PATIENCE = 3
#: A connect that has not come to a link by then is given up and tried again.
CONNECT_NS = 30 * _SECOND


class GapAnswered(NamedTuple):
    """What a venue said about open orders and executions after a gap."""

    open_orders: Answer[OrderSnapshot]
    executions: Answer[Filled]
    whole: bool  # asked after a (re)connect, not for single orders
    question: int
    failure: str  # why it could not be asked; "" when it was


class BrokerLink:
    """The half of a broker that owns its session. Lives and dies with it, on the same thread."""

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self.closing = False
        self.executions_ts = 0  # of the latest seen; reading again starts OVERLAP_NS before it
        self._exact = broker.capabilities.inline
        self._connects = 0
        self._links = 0
        self._failures = 0  # connects in a row that came to nothing
        self._unread = 0  # ... and lists
        self._question = 0  # the latest; an answer to an older one is booked, and concludes nothing
        self._asking = False
        self._unasked = False  # a gap is open, and its question leaves with this turn
        self._has_instruments = False
        self._timers: dict[str, Timer] = {}  # by what they guard: "connect", "lists"

    # --- connecting -------------------------------------------------------------------------------

    def connect(self) -> None:
        """Open the venue's session after this turn; if that fails, try again later."""
        self.broker.turn.effects.append((self._connect_now, None, None))

    def reconnect(self) -> bool:
        """Try again at a venue that has barred us, after this turn; whether it has."""
        if self.broker.session.state is not SessionState.BARRED:
            return False
        self.broker.turn.effects.append((self._connect_now, SessionState.BARRED, None))
        return True

    def _connect_now(self, barred: SessionState | None, _: None) -> None:
        broker = self.broker
        if broker.session.state is SessionState.BARRED is not barred:
            return  # a wait that began before it barred us
        if self.closing or broker.session.on(SessionTrigger.CONNECT).verdict is not Verdict.MOVE:
            return  # it stands already, or somebody is at it
        self._connects += 1
        task, attempt = broker.dispatcher.spawn(self._connect()), self._connects
        self._guard("connect", CONNECT_NS, lambda: self._give_up(task, attempt))

    def _guard(self, what: str, wait_ns: int, give_up: Callable[[], object]) -> None:
        self._unguard(what)
        self._timers[what] = self.broker.dispatcher.call_later(wait_ns, give_up)

    def _unguard(self, what: str) -> None:
        timer = self._timers.pop(what, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self, task: Task[None], attempt: int) -> None:
        if attempt == self._connects and self.broker.session.state is SessionState.CONNECTING:
            self._timers.pop("connect", None)  # it rang: cancelled, a discarded turn would lose it
            task.cancel()
            self.link_down(LinkDown(self.broker.dispatcher.time_ns(), "connect: no link in time"))

    async def _connect(self) -> None:
        broker = self.broker
        try:
            await broker.venue.connect(broker.watch.sink, broker.dispatcher)
        except Exception as error:  # an adapter may fail in any way; its session is down, no more
            detail = f"connect failed: {note_raised(error)}"
            broker.dispatcher.post(broker, LinkDown(broker.dispatcher.time_ns(), detail))

    async def ask_instruments(self) -> None:
        """Have the venue name its instruments; what it does not tell now is asked again when its
        link stands.
        """
        broker = self.broker
        try:
            answer = checked_answer(await broker.venue.instruments())
            check_instruments(answer.items, broker.name)
        except Exception as error:  # until it is up, those of the journal and given ones serve
            why = error if isinstance(error, InvalidValue) else note_raised(error)
            detail = f"{broker.name} names no instruments: {why}"
            broker.dispatcher.call_soon(lambda: broker.alarm("instruments", detail))
            return
        self._has_instruments = answer.complete
        broker.dispatcher.call_soon(lambda: broker.on_instruments(answer.items))

    def sink(self, report: Any) -> None:
        """Take what the venue pushes; from any thread."""
        broker = self.broker
        if not self._exact:
            try:
                report = admit(report)
            except InvalidValue as error:
                detail = f"{broker.name}: {error}"
                broker.dispatcher.call_soon(lambda: broker.alarm("malformed_report", detail))
                return
        broker.dispatcher.post(broker, report)

    def admitted(self, reports: Any) -> list[Any]:
        """Reports out of an answer, fit to be journalled; inside a turn."""
        if self._exact:
            return reports  # type: ignore[no-any-return]
        fit: list[Any] = []
        if not isinstance(reports, tuple | list):
            self.broker.alarm(
                "malformed_report", f"{self.broker.name}: {type(reports).__name__} is no tuple"
            )
            return fit
        for report in reports:
            try:
                fit.append(admit(report))
            except InvalidValue as error:
                self.broker.alarm("malformed_report", f"{self.broker.name}: {error}")
        return fit

    def link_up(self, up: LinkUp) -> None:
        """A session stands: what happened in the gap is asked for before entries leave."""
        broker = self.broker
        self._unguard("connect")
        cell = broker.session.on(SessionTrigger.LINK_UP)
        broker.turn.record(up.ts, f"session:{broker.name}:{broker.account}", up)
        broker.flattening.linked()
        broker.turn.effects.append((self._ask_feed, None, None))
        if cell.target is SessionState.RECONCILING:
            self.reconcile(whole=True)
            self._look_again_later()
        broker.turn.effects.append((self._pump, None, None))

    def _ask_feed(self, _: None, __: None) -> None:
        self.broker.prices.linked()

    def link_down(self, down: LinkDown) -> None:
        """The session is gone: orders stand as last known, entries wait, and we connect again."""
        self._lost(down, SessionTrigger.LINK_DOWN, down.detail)
        if not self.closing and self.broker.session.state is not SessionState.BARRED:
            self.broker.dispatcher.call_later(_wait(self._failures), self.connect)
            self._failures += 1

    def link_barred(self, barred: LinkBarred) -> None:
        """The venue has shut us out: as after a lost link, but we do not knock before we may."""
        broker, wait_ns = self.broker, barred.retry_ns
        self._lost(barred, SessionTrigger.BARRED, f"barred: {barred.detail}")
        until = "for system.reconnect()" if wait_ns is None else f"for {wait_ns / 1e9:g} s"
        broker.alarm("barred", f"{broker.name} lets us in no more, wait {until}: {barred.detail}")
        if wait_ns is not None and not self.closing:
            broker.dispatcher.call_later(max(wait_ns, RETRY_NS[-1]), self.reconnect)

    def _lost(self, down: LinkDown, trigger: SessionTrigger, why: str) -> None:
        broker = self.broker
        self._unguard("connect")
        broker.turn.undo.append((self, broker.session.state, self._failures))
        broker.session.on(trigger)
        broker.turn.record(down.ts, f"session:{broker.name}:{broker.account}", down)
        broker.turn.events.append(VenueDown(broker.name, broker.account, down.ts, why))

    def link_silent(self, silent: LinkSilent) -> None:
        """The session stands and is not to be believed: all is asked for as after a reconnect."""
        broker = self.broker
        before = broker.session.state
        if broker.session.on(SessionTrigger.SILENT).verdict is not Verdict.MOVE:
            return  # there is no link, or its silence is being looked into
        broker.turn.undo.append((self, before, self._failures))
        broker.turn.record(silent.ts, f"session:{broker.name}:{broker.account}", silent)
        detail = silent.detail or "it says nothing"
        down = VenueDown(broker.name, broker.account, silent.ts, f"silent: {detail}")
        broker.turn.events.append(down)
        broker.alarm("stream_silent", f"{broker.name}: {detail}")
        self.reconcile(whole=True)
        self._look_again_later()

    def restore(self, before: SessionState, extra: int) -> None:
        """Take back a lost link whose turn was discarded; it is handled again."""
        self.broker.session.go_back(before)
        self._failures = extra

    # --- gaps -------------------------------------------------------------------------------------

    def _look_again_later(self) -> None:
        """What happened just before the link stood may not show in lists yet: when it must, they
        are read once more. Entries need not wait for that: its fills count whenever they come.
        """
        lag_ns = self.broker.capabilities.visibility_lag_ns
        self._links += 1
        link = self._links
        if lag_ns:
            clock = self.broker.dispatcher
            clock.call_later(lag_ns, lambda: self._again() if link == self._links else None)

    def fetch_executions(self) -> None:
        """Ask for executions, unless that is under way."""
        if not self._asking:
            self.reconcile(whole=False)

    def fetch_lists(self) -> None:
        """Ask for open orders and executions, unless that is under way; absence proves nothing."""
        if not self._asking:
            self.broker.turn.effects.append((self._ask_now, False, True))

    def reconcile(self, *, whole: bool) -> None:
        """Ask for executions after this turn; ``whole``: for open orders too, and entries wait."""
        self._unasked = self._unasked or whole
        self.broker.turn.effects.append((self._ask_now, whole, whole))

    def _ask_now(self, whole: bool, orders: bool) -> None:
        broker = self.broker
        self._unasked = self._unasked and not whole
        if self.closing or (self._asking and not whole):
            return  # what is under way reads executions too, and may be what entries wait for
        self._asking = True
        self._question += 1
        question = self._question
        task = broker.dispatcher.spawn(self._ask_venue(whole, orders, question))
        self._guard("lists", LISTS_NS, lambda: self._no_answer(task, whole, question))

    def _no_answer(self, task: Task[None], whole: bool, question: int) -> None:
        if not task.done():
            self._timers.pop("lists", None)  # it rang, as above
            self.broker.turn.effects.append((lambda one, _: one.cancel(), task, None))
            nothing: Answer[Any] = Answer((), False, 0)
            self.gap_answered(GapAnswered(nothing, nothing, whole, question, "no answer in time"))

    async def _ask_venue(self, whole: bool, orders: bool, question: int) -> None:
        """Open orders first, then executions: an order that fills between shows in one of the
        two.
        """
        broker = self.broker
        sent = broker.dispatcher.time_ns()
        open_orders = Answer[OrderSnapshot]((), False, sent)
        executions = Answer[Filled]((), False, sent)
        failure = ""
        try:
            if whole and not self._has_instruments:
                await self.ask_instruments()
            if orders:
                open_orders = checked_answer(await broker.venue.open_orders())
            since = max(self.executions_ts - OVERLAP_NS, 0)
            executions = checked_answer(await broker.venue.executions(since))
        except Exception as error:  # a query that failed says nothing
            failure = note_raised(error)
        gap = GapAnswered(open_orders, executions, whole, question, failure)
        broker.dispatcher.post(broker, gap)

    def saw_executions(self, latest_ts: int, *, complete: bool) -> None:
        """Executions up to this time were shown, and are booked: they are not read again. A list
        that has holes says nothing of what came before its last; but some venues have no other.
        """
        if complete or not self.broker.capabilities.executions_complete:
            now = self.broker.dispatcher.time_ns()  # some venues' clocks are off
            self.executions_ts = max(self.executions_ts, min(latest_ts, now))

    def gap_answered(self, gap: GapAnswered) -> None:
        """Book what a gap hid, ask about what it does not explain, and let entries go on."""
        broker = self.broker
        is_latest = gap.question == self._question
        if is_latest:
            self._asking = False
            self._unguard("lists")
        for fill in self.admitted(gap.executions.items):
            broker.report(fill)
            self.saw_executions(fill.ts, complete=gap.executions.complete)
        shown: dict[str, None] = {}
        for snapshot in self.admitted(gap.open_orders.items):
            shown[snapshot.client_order_id] = None
            broker.report(snapshot)
        if not gap.whole or not is_latest:
            return
        failure = gap.failure or self._what_is_missing(gap)
        if gap.failure or (failure and self._unread < _PATIENCE):
            self._failed(failure)
            return
        self._failures = self._unread = 0
        broker.watched.read_until(self.executions_ts)
        for cid, actor in list(broker.orders.items()):
            order = actor.order
            if order.life is Life.PENDING or (order.life in TERMINAL and not has_questions(order)):
                continue
            broker.calls.ask_after_gap(actor, is_missing=cid not in shown)
        if broker.session.state is not SessionState.READY:
            ts = broker.dispatcher.time_ns()
            broker.turn.events.append(VenueUp(broker.name, broker.account, ts))
        broker.turn.effects.append((self._reconciled, gap.question, None))

    def _what_is_missing(self, gap: GapAnswered) -> str:
        """Which list this venue shows whole by its own word, and did not; "" for none."""
        able = self.broker.capabilities
        if able.lists_trigger_orders and not gap.open_orders.complete:
            return "open orders are not all there"
        if able.executions_complete and not gap.executions.complete:
            return "executions are not all there"
        return ""

    def _failed(self, failure: str) -> None:
        """The venue could not be asked: entries wait on, and we ask again."""
        broker = self.broker
        self._unread += 1
        if self._unread == 1:
            broker.alarm(
                "reconcile", f"{broker.name}: open orders and executions cannot be read: {failure}"
            )
        broker.dispatcher.call_later(_wait(self._unread), self._again)

    def _again(self) -> None:
        state = self.broker.session.state
        if state in (SessionState.RECONCILING, SessionState.SUSPECT, SessionState.READY):
            self.reconcile(whole=True)

    def _reconciled(self, question: int, _: None) -> None:
        """After the commit of what a gap hid: entries may leave, unless a newer gap is open."""
        if question == self._question and not self._unasked:
            self.broker.session.on(SessionTrigger.RECONCILED)
            self.broker.waiters.reconciled()
            self.broker.lane.pump()
            self.broker.drifting.begin()

    def _pump(self, _: None, __: None) -> None:
        self.broker.lane.pump()

    # --- the end ----------------------------------------------------------------------------------

    def begin_close(self) -> None:
        """No entry leaves any more; what protects still does. Outside turns."""
        self.closing = True
        self.broker.watch.stop()
        for what in ("connect", "lists"):
            self._unguard(what)
        self.broker.session.on(SessionTrigger.CLOSE)

    async def close(self) -> None:
        """End the session; what has not left never leaves, open orders at the venue stay as they
        are.
        """
        self.broker.lane.withdraw_unsent()
        self.broker.session.on(SessionTrigger.DRAINED)
        try:
            await self.broker.venue.close()
        except Exception as error:  # it is over either way
            detail = f"{self.broker.name}: close raised {note_raised(error)}"
            self.broker.dispatcher.call_soon(lambda: self.broker.alarm("close", detail))


def _wait(failures: int) -> int:
    return RETRY_NS[min(failures, len(RETRY_NS) - 1)]
