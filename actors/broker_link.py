"""A broker's session with its venue: connecting, losing the link, and explaining what a gap hid.

Every (re)connect is a gap: open orders and executions are asked for, and entries leave again when
the answers are booked. A venue that raises, hangs or says nothing is a session that is down: it is
tried again, and nobody else waits for it. What a turn decides here happens after its commit, so
that a discarded turn leaves nothing half done.
"""

from __future__ import annotations

from typing import Any

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

from .asking import asked_list
from .broker_words import GapAnswered, Read
from .lane import LISTS_NS, note_raised
from .link_calls import LinkCalls
from .roles import BrokerRole
from .venues.port import Answer

__all__ = ["BrokerLink"]

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
#: A gap is open: entries wait for what a question about all of it brings.
_OPEN = (SessionState.RECONCILING, SessionState.SUSPECT)


class BrokerLink(LinkCalls):
    """The half of a broker that owns its session. Lives and dies with it, on the same thread."""

    def __init__(self, broker: BrokerRole) -> None:
        super().__init__(broker)
        self.closing = False
        self.executions_ts = 0  # of the latest seen; reading again starts OVERLAP_NS before it
        self._connects = 0
        self._links = 0
        self._failures = 0  # connects in a row that came to nothing
        self._unread = 0  # ... and lists
        self._question = 0  # the latest; an answer to an older one is booked, and concludes nothing
        self._concluded = 0  # the latest that came to an end
        self._asking = False
        self._unasked = False  # a gap is open, and its question leaves with this turn

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
        attempt = self._connects
        self._begin("connect", self._connect)
        self._guard("connect", CONNECT_NS, lambda: self._give_up(attempt))

    def _give_up(self, attempt: int) -> None:
        if attempt == self._connects and self.broker.session.state is SessionState.CONNECTING:
            self._timers.pop("connect", None)  # it rang: cancelled, a discarded turn would lose it
            self._end_later("connect")
            self.link_down(LinkDown(self.broker.dispatcher.time_ns(), "connect: no link in time"))

    async def _connect(self) -> None:
        broker = self.broker
        try:
            await broker.venue.connect(broker.watch.sink, broker.dispatcher)
        except Exception as error:  # an adapter may fail in any way; its session is down, no more
            detail = f"connect failed: {note_raised(error)}"
            broker.dispatcher.post(broker, LinkDown(broker.dispatcher.time_ns(), detail))

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
        self._unguard("barred")  # what it said before counts no more
        if wait_ns is not None and not self.closing:
            self._guard("barred", max(wait_ns, RETRY_NS[-1]), self.reconnect)

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

    def ask_all(self, silent: LinkSilent) -> None:
        """What came was not all taken: it is asked for as in a gap, at once or with the next link.
        Inside a turn.
        """
        broker = self.broker
        if broker.session.state is not SessionState.SUSPECT:
            self.link_silent(silent)
            return
        broker.turn.record(silent.ts, f"session:{broker.name}:{broker.account}", silent)
        self.reconcile(whole=True)
        self._look_again_later()

    def open_gap(self, _: None, __: None) -> None:
        """After a commit: all is asked for, and entries wait."""
        self.broker.session.on(SessionTrigger.GAP)
        if self.broker.session.state in _OPEN:  # else the next link asks
            self._ask_now(True, True)

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
        self._unasked = self._unasked and not whole
        if self.closing or (self._asking and not whole):
            return  # what is under way reads executions too, and may be what entries wait for
        if self.broker.session.state in _OPEN:
            whole = orders = True  # entries wait, and nothing is under way that would let them go
        self._asking = True
        self._question += 1
        question = self._question
        self._begin("lists", lambda: self._ask_venue(whole, orders, question))
        self._guard("lists", LISTS_NS, lambda: self._no_answer(whole, question))

    def _no_answer(self, whole: bool, question: int) -> None:
        """Timer: the question has come to nothing, in whatever way."""
        if self._concluded != question == self._question:
            self._timers.pop("lists", None)  # it rang, as above
            self._end_later("lists")
            nothing: Answer[Any] = Answer((), False, 0)
            self.gap_answered(GapAnswered(nothing, nothing, whole, question, "no answer in time"))

    async def _ask_venue(self, whole: bool, orders: bool, question: int) -> None:
        """Open orders first, then executions: what fills between shows in one of the two."""
        broker = self.broker
        sent = broker.dispatcher.time_ns()
        open_orders = Answer[OrderSnapshot]((), False, sent)
        executions = Answer[Filled]((), False, sent)
        failure, read = "", Read(sent, sent)
        try:
            if whole and not self._has_instruments:
                await self.ask_instruments()
            if orders:
                open_orders = await asked_list(broker, broker.venue.open_orders)
            since = broker.claims.since(max(self.executions_ts - OVERLAP_NS, 0))
            since = broker.surplus.since(since)
            read = Read(broker.dispatcher.time_ns(), since, broker.surplus.total)
            executions = await asked_list(broker, lambda: broker.venue.executions(since))
        except Exception as error:  # a query that failed says nothing
            failure = note_raised(error)
        gap = GapAnswered(open_orders, executions, whole, question, failure, read)
        broker.dispatcher.post(broker, gap)

    def saw_executions(self, latest_ts: int, *, complete: bool) -> None:
        """Executions up to this time were shown, and are booked: they are not read again. A list
        that has holes says nothing of what came before its last; but some venues have no other.
        """
        if complete or not self.broker.capabilities.executions_complete:
            now = self.broker.dispatcher.time_ns()  # some venues' clocks are off
            seen_ts = self.broker.surplus.since(min(latest_ts, now))
            self.executions_ts = max(self.executions_ts, seen_ts)

    def gap_answered(self, gap: GapAnswered) -> None:
        """Book what a gap hid, ask about what it does not explain, and let entries go on. Where
        that fails the question comes to nothing, and is asked again.
        """
        self._take(gap)
        self.broker.turn.effects.append((self._conclude, gap.question, None))

    def _conclude(self, question: int, _: None) -> None:
        self._concluded = max(self._concluded, question)
        if question == self._question:
            self._unguard("lists")

    def _take(self, gap: GapAnswered) -> None:
        broker = self.broker
        is_latest = gap.question == self._question
        if is_latest:
            self._asking = False
        fills = self.admitted(gap.executions.items)
        for fill in fills:
            broker.report(fill)
            self.saw_executions(fill.ts, complete=gap.executions.complete)
        shown: dict[str, None] = {}
        for snapshot in self.admitted(gap.open_orders.items):
            shown[snapshot.client_order_id] = None
            broker.report(snapshot)
        if gap.executions.complete and len(fills) == len(gap.executions.items):
            broker.claims.read(gap.read, fills)
            broker.turn.effects.append((broker.surplus.read, gap.read.surplus, gap.read.since_ts))
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
            if self.broker.watched.monitors:  # P&L counts again, and no price need come for that
                self.broker.dispatcher.call_soon(self.broker.monitors.look_all)

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
