"""From signals to brackets and exits: :class:`SignalDesk`, beside a running system.

An entry is held against its limits, sized from the risk, and submitted as a bracket (entry, stop,
targets) under an intent id made of the signal's id: so it is carried out once, over restarts too.
An exit goes through the groups that hold the position. What is refused does nothing, and says why.

Signals are decided one after the other, on the dispatcher's thread, each on a look taken inside a
turn: none is decided on what the one before it is about to change.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Final, NamedTuple, TypeVar

from engine.errors import InvalidOrder, InvalidValue, JournalUnavailable, UserError
from engine.messages import (
    Event,
    GroupChanged,
    GroupState,
    OrderCancelled,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderPending,
    OrderRejected,
    PositionChanged,
    SubmitOrder,
    VenueUp,
)
from engine.policies.entries import SIGNAL, EntryPlan, plan_entry
from engine.policies.risk import RiskLimits
from engine.signals import (
    EntrySignal,
    ExitSignal,
    Signal,
    SignalAccepted,
    SignalRefused,
    same_slot,
)

from .broker_words import InTurn
from .promises import follow
from .runtime import Future
from .signal_exits import Exit, plan_exit
from .signal_looks import Decision, Looks, Scene, check_capital, check_desk, check_number
from .system import ExecutionSystem
from .tickets import Ticket

__all__ = ["Decision", "SignalDesk"]

T = TypeVar("T")

_ENDS: Final = (OrderFilled, OrderCancelled, OrderRejected, OrderExpired, OrderDenied)


class _Untold(NamedTuple):
    """Accepted and handed in; ``future`` is set to ``decision`` once it is journalled."""

    accepted: SignalAccepted
    decision: Decision
    future: Future[Decision]


class SignalDesk:
    """Takes signals for one running system. Everything public may be called from any thread.

    Args:
        system: a system that has been started; a new desk goes with each.
        limits: what may be risked.
        capital: per currency, what the accounts had before the first fill in the journal. The
        equity is this and what was realised since, fees and funding included; what is held is not
        valued.
        protect_within: seconds, as for :meth:`ExecutionSystem.submit_group`.
        name: of its row in the journal, where it keeps how slots stood when the day began and when
        a trade lost last. On a journal without that row the day begins with the desk.

    Raises:
        InvalidValue: an argument is of another kind. SystemStopped, JournalUnavailable: it does not
        run. JournalCorrupt: its row cannot be read.
    """

    def __init__(
        self,
        system: ExecutionSystem,
        limits: RiskLimits,
        *,
        capital: Mapping[str, Decimal] | None = None,
        protect_within: float = 5.0,
        name: str = "signals",
    ) -> None:
        check_desk(system, limits, capital, protect_within, name)
        system.terms_of_intent("ready")  # raises when it does not run
        self._system = system
        self._limits = limits
        self._protect_within = protect_within
        self._looks = Looks(system, limits, dict(capital or {}), name)
        self._lock = threading.Lock()
        self._queue: deque[tuple[Signal, Future[Decision]]] = deque()
        self._busy = self._closed = False
        #: By signal: entries that wait for a close to end.
        self._reverses: dict[str, tuple[EntrySignal, Future[Decision]]] = {}
        self._untold: dict[str, _Untold] = {}  # by intent, until it is journalled
        system.call_soon(self._looks.begin)
        self._unsubscribe = system.subscribe(
            self._heard, OrderPending, PositionChanged, GroupChanged, VenueUp, *_ENDS
        )

    def submit(self, signal: Signal) -> Future[Decision]:
        """Carry a signal out, or refuse it with a reason; the future is what was decided, once what
        it leads to is journalled.

        An entry that reverses is decided when the close of what is held has ended: if the process
        ends before, submit it again. The same signal id again does nothing.

        Raises:
            InvalidValue: it is no signal. JournalUnavailable, SystemStopped: not accepted.
        """
        if not isinstance(signal, EntrySignal | ExitSignal):
            raise InvalidValue(f"a signal is an EntrySignal or an ExitSignal, not {signal!r:.80}")
        self._system.terms_of_intent(signal.signal_id)  # raises when nothing can be submitted
        future: Future[Decision] = self._system.promises.keep(Future(self._system.dispatcher))
        with self._lock:
            self._queue.append((signal, future))
        self._after_turn(self._next)
        return future

    def ready(self) -> Future[None]:
        """A future that is set once every venue is up and reconciled; entries before are refused,
        because what is held is not known.
        """
        return self._system.ready()

    def set_capital(self, currency: str, amount: Decimal) -> None:
        """State anew what the accounts had before the first fill (a deposit, a withdrawal)."""
        check_capital(currency, amount)
        self._looks.capital[currency] = amount

    def set_rate(self, currency: str, rate: Decimal, ts: int) -> None:
        """State what one unit of ``currency`` is worth in the currency of the risk, since ``ts``
        (UTC ns): :meth:`~actors.system.ExecutionSystem.set_rate`, journalled.

        Raises:
            InvalidValue: it is no rate; nothing has changed.
            JournalUnavailable, SystemStopped: not accepted.
        """
        check_number("a rate", rate)
        self._system.set_rate(currency, self._limits.currency, rate, ts=ts, source="risk")

    def close(self) -> None:
        """Listen no more; orders and groups go on. What waits or is not decided is refused."""
        self._closed = True
        self._unsubscribe()
        self._leave()

    def _leave(self) -> None:
        for signal_id in list(self._reverses):
            waiting = self._reverses.pop(signal_id, None)  # the dispatcher may be taking it as well
            if waiting is not None:
                self._refuse(*waiting, "DESK_CLOSED", "the desk was closed while it waited")
        for intent in list(self._untold):
            untold = self._untold.pop(intent, None)
            if untold is not None and not untold.future.done():
                untold.future.set(untold.decision)

    # --- one after the other, on the dispatcher's thread, after the commit of a look --------------

    def _next(self) -> None:
        with self._lock:
            if self._busy or not self._queue or not self._system.dispatcher.is_accepting():
                return
            self._busy = True
            signal, future = self._queue.popleft()
        self._look(signal, future, self._decide)

    def _look(
        self,
        signal: Signal,
        future: Future[Decision],
        then: Callable[[Scene, Future[Decision]], None],
    ) -> None:
        """Take a look for a signal inside a turn, decide after its commit, go on with the next."""

        def seen(look: Future[Scene]) -> None:
            try:
                then(look.get(timeout=0), future)
            except InvalidOrder as error:
                self._refuse(signal, future, error.reason, str(error))
            except (UserError, JournalUnavailable) as error:
                self._refuse(signal, future, type(error).__name__, str(error))
            finally:
                with self._lock:
                    self._busy = False
                self._next()

        self._inside(lambda: self._looks.take(signal), seen)

    def _decide(self, scene: Scene, future: Future[Decision]) -> None:
        signal = scene.signal
        waiting = self._reverses.get(signal.signal_id)
        if self._closed:
            self._refuse(signal, future, "DESK_CLOSED", "the desk was closed before it was decided")
        elif waiting is not None:
            follow(waiting[1], future)
        elif scene.known is not None:
            self._repeat(signal, scene, scene.known, future)
        elif isinstance(signal, ExitSignal):
            self._exit(signal, scene, future)
        elif any(same_slot(signal, other) for other, _ in self._reverses.values()):
            self._refuse(signal, future, "REVERSING", "a reverse waits for its close there")
        else:
            self._enter(signal, scene, future)

    def _repeat(
        self, signal: Signal, scene: Scene, known: SubmitOrder, future: Future[Decision]
    ) -> None:
        """It was carried out before."""
        coming = self._untold.get(known.intent_id)
        if known.instrument != scene.instrument.symbol:
            detail = f"signal id {signal.signal_id!a} is one for {known.instrument}"
            self._refuse(signal, future, "ID_TAKEN", detail)
        elif coming is None:
            future.set(Decision(signal.signal_id, True, False, group=scene.group))
        else:
            _, first, told = coming
            again = Decision(signal.signal_id, True, False, group=first.group, order=first.order)
            follow(told, future, again)

    # --- entries ----------------------------------------------------------------------------------

    def _plan(self, signal: EntrySignal, scene: Scene) -> EntryPlan:
        return plan_entry(signal, scene.instrument, self._limits, scene.state, scene.rate)

    def _enter(self, signal: EntrySignal, scene: Scene, future: Future[Decision]) -> None:
        plan = self._plan(signal, scene)
        if plan.reason:
            self._refuse(signal, future, plan.reason, plan.detail)
        elif plan.reverses:
            self._carry_out(plan_exit(None, scene, f"{signal.signal_id}/close"))
            self._reverses[signal.signal_id] = signal, future
            give_up = partial(self._after_turn, partial(self._give_up, signal, future))
            self._system.dispatcher.call_later(self._limits.reverse_within_ns, give_up)
            if self._closed:  # by another thread, just now
                self._leave()
        else:
            self._open(signal, scene, plan, future)

    def _open(
        self, signal: EntrySignal, scene: Scene, plan: EntryPlan, future: Future[Decision]
    ) -> None:
        assert plan.root is not None  # it was not refused
        ts = scene.state.ts
        intent = f"{signal.signal_id}/entry"
        accepted = SignalAccepted(
            signal.signal_id, scene.venue, scene.account, signal.instrument, ts, plan.qty,
            plan.loss, signal.signal_id, signal.tags,
        )  # fmt: skip
        group = self._system.submit_group(
            plan.root, intent_id=signal.signal_id, venue=signal.venue, account=signal.account,
            protect_within=self._protect_within,
            tags={**dict(signal.tags), SIGNAL: signal.signal_id},
        )  # fmt: skip
        self._looks.entered(signal, scene, plan, ts)
        made = Decision(signal.signal_id, True, True, qty=plan.qty, loss=plan.loss, group=group)
        self._keep_untold(intent, _Untold(accepted, made, future))

    def _retry(self) -> None:
        """Something has ended: perhaps a close that a reverse waits for."""
        for signal, future in list(self._reverses.values()):
            self._look_again(signal, future)

    def _look_again(self, signal: EntrySignal, future: Future[Decision]) -> None:
        def seen(look: Future[Scene]) -> None:
            try:
                scene = look.get(timeout=0)
            except (UserError, JournalUnavailable):
                return  # it cannot be submitted now either; the reverse waits on
            if not scene.is_clear or not self._waited(signal, future):
                return
            try:
                plan = self._plan(signal, scene)
                if plan.reason or plan.reverses:
                    why = plan.detail or "it is held the other way again"
                    self._refuse(signal, future, plan.reason or "NOT_CLOSED", why)
                else:
                    self._open(signal, scene, plan, future)
            except InvalidOrder as error:
                self._refuse(signal, future, error.reason, str(error))
            except (UserError, JournalUnavailable) as error:
                self._refuse(signal, future, type(error).__name__, str(error))

        self._inside(lambda: self._looks.take(signal), seen)

    def _give_up(self, signal: EntrySignal, future: Future[Decision]) -> None:
        if self._waited(signal, future):
            within = Decimal(self._limits.reverse_within_ns) / 1_000_000_000
            detail = f"what is held was not closed within {within} s: no entry"
            self._refuse(signal, future, "NOT_CLOSED", detail)

    def _waited(self, signal: EntrySignal, future: Future[Decision]) -> bool:
        """Whether it waited until now; the same signal may have been refused, and wait anew."""
        it = self._reverses.get(signal.signal_id, (signal, None))[1]
        return it is future and self._reverses.pop(signal.signal_id, None) is not None

    # --- exits ------------------------------------------------------------------------------------

    def _exit(self, signal: ExitSignal, scene: Scene, future: Future[Decision]) -> None:
        wanted = plan_exit(signal, scene, f"{signal.signal_id}/exit")
        if wanted.reason:
            self._refuse(signal, future, wanted.reason, wanted.detail)
            return
        accepted = SignalAccepted(
            signal.signal_id, scene.venue, scene.account, signal.instrument, scene.state.ts,
            wanted.qty,
        )  # fmt: skip
        asked, ticket = self._carry_out(wanted)
        made = Decision(signal.signal_id, True, True, qty=wanted.qty, order=ticket)
        if ticket is not None:
            self._keep_untold(ticket.intent_id, _Untold(accepted, made, future))
        else:
            self._when_all(asked, lambda: self._tell(_Untold(accepted, made, future)))

    def _carry_out(self, wanted: Exit) -> tuple[list[Future[GroupState]], Ticket | None]:
        asked = [
            self._system.cancel_group(group_id, close=True, reason="signal")
            for group_id in wanted.groups
        ]
        return asked, None if wanted.order is None else self._system.submit(wanted.order)

    def _when_all(self, asked: list[Future[GroupState]], run: Callable[[], object]) -> None:
        """Once every group has taken it down, or had ended meanwhile; never when the system has."""
        if asked:
            asked[0].add_done_callback(lambda _: self._when_all(asked[1:], run))
        elif self._system.dispatcher.is_accepting():
            run()

    # --- telling ----------------------------------------------------------------------------------

    def _heard(self, event: Event) -> None:
        """On the dispatcher's thread, after the commit."""
        if isinstance(event, PositionChanged):
            self._system.call_soon(partial(self._looks.follow, event))
        if isinstance(event, OrderPending):
            self._looks.arrived(event.intent_id)
            untold = self._untold.pop(event.intent_id, None)
            if untold is not None:
                self._tell(untold)
            return
        if isinstance(event, OrderRejected | OrderDenied):
            self._tell_rejected(event)
        if self._reverses:
            self._retry()

    def _keep_untold(self, intent: str, untold: _Untold) -> None:
        self._untold[intent] = untold
        if self._closed:  # by another thread, just now
            self._leave()

    def _tell(self, untold: _Untold) -> None:
        self._system.hub.publish([untold.accepted])
        if not untold.future.done():
            untold.future.set(untold.decision)

    def _tell_rejected(self, event: OrderEvent) -> None:
        """The venue, or we ourselves, refused the entry of a signal: nothing has come of it."""
        signal_id = dict(event.tags).get(SIGNAL, "")
        if signal_id and event.intent_id == f"{signal_id}/entry":
            word = type(event).__name__.removeprefix("Order").upper()
            detail = f"order {event.client_order_id} was refused: {event.reason or 'no reason'}"
            refused = SignalRefused(signal_id, event.instrument, event.ts, word, detail, event.tags)
            self._system.hub.publish([refused])

    def _refuse(self, signal: Signal, future: Future[Decision], reason: str, detail: str) -> None:
        ts = self._system.dispatcher.time_ns()
        tags = signal.tags if isinstance(signal, EntrySignal) else ()
        told = SignalRefused(signal.signal_id, signal.instrument, ts, reason, detail, tags)
        self._system.hub.publish([told])
        if not future.done():
            future.set(Decision(signal.signal_id, False, True, reason=reason, detail=detail))

    def _after_turn(self, run: Callable[[], object]) -> None:
        self._inside(_nothing, lambda _: run())

    def _inside(self, fn: Callable[[], T], then: Callable[[Future[T]], object]) -> None:
        """Run ``fn`` inside a turn and ``then`` after its commit, on the dispatcher's thread: a
        callback that is added later, to a future that is done, would run on the caller's.
        """
        future: Future[T] = Future(self._system.dispatcher)
        future.add_done_callback(then)
        self._system.call_soon(InTurn(self._system.turn, fn, future))


def _nothing() -> None:
    """Runs inside a turn: what waits for it goes on after the commit."""
