"""How a system comes and goes: composition, recovery, connecting, an orderly stop, and trouble
with the journal.

Users meet :class:`~actors.system.ExecutionSystem`; this is the half of it that they start and stop.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from engine.errors import InvalidValue, JournalError, SystemStopped
from engine.given import several
from engine.messages import Alarm, CancelOrder, OrderReport, SubmitOrder
from engine.session import SessionLimits
from engine.values import Instrument

from .accounts import Accounts
from .broker import BrokerActor
from .broker_words import Ask, InTurn
from .checkpoints import Checkpoints
from .definitions import Definitions
from .door import nanoseconds
from .following import Marking, check_marking, resume_following
from .gc_policy import GcPolicy, Tuning
from .hub import Hub
from .intents import Intents
from .journal import Durability, Journal, open_journal
from .portfolio import Snapshot, snapshot_of
from .promises import Promises
from .recovery import recover
from .retention import Pruner, Retention
from .runtime import (
    Dispatcher,
    Future,
    Input,
    LoopDispatcher,
    SimulatedDispatcher,
    ThreadDispatcher,
)
from .settings import check_settings
from .starting import Restart, first_number, hand_over
from .stopping import all_within, wind_down
from .supervision import supervisor_for
from .trouble import wire
from .turn import Turn
from .venues.port import Venue

__all__ = ["Lifecycle"]

T = TypeVar("T")

INSTRUMENTS_NS = 5_000_000_000  # how long a start waits for venues to name their instruments
RETRY_NS = 200_000_000  # between two attempts to write a journal that failed


class Lifecycle:
    """Everything about a system that is not a command or a question."""

    broker_kind: type[BrokerActor] = BrokerActor

    def __init__(
        self,
        venues: Sequence[Venue],
        *,
        journal: Journal | str | Path | None = None,
        durability: Durability = "process",
        engine_id: str = "OW1",
        dispatcher: Dispatcher | None = None,
        instruments: Iterable[Instrument] = (),
        limits: SessionLimits | Mapping[tuple[str, str], SessionLimits] | None = None,
        call_timeout: float = 10.0,
        ack_timeout: float = 5.0,
        cross_check: float | None = 60.0,
        protect_within: float | None = None,
        emulate_triggers: bool = False,
        price_max_age: float = 5.0,
        retention: Retention | None = None,
        gc_policy: GcPolicy = "leave",
        history: bool = False,
        mark_positions: bool | Marking = False,
    ) -> None:
        times = check_settings(
            venues, engine_id, journal, dispatcher, limits, retention, emulate_triggers, history,
            call_timeout, ack_timeout, cross_check, protect_within, price_max_age,
        )  # fmt: skip
        self._timeouts, self._cross_check_ns, self._protect_ns, self._price_age_ns = times
        self._tuning, self._retention = Tuning(gc_policy), retention
        self._history, self._marking = history, check_marking(mark_positions)
        self._pruner: Pruner | None = None
        self.hub, self.promises = Hub(), Promises()
        self._venues, self._limits = tuple(venues), limits
        self._journal_spec, self._durability = journal, durability
        self._engine_id, self._dispatcher = engine_id, dispatcher
        self._given = several("instruments", instruments, Instrument)
        self._emulates = emulate_triggers
        self._running = self._finished = False
        self._journal_error: JournalError | None = None
        self._requests, self._stops = itertools.count(1), itertools.count()  # the first stop counts
        self.brokers: dict[tuple[str, str], BrokerActor] = {}
        self._definitions = Definitions(self.brokers)
        self._restarted: list[tuple[BrokerActor, OrderReport]] = []

    # --- starting and stopping --------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._finished:  # it may have been stopped inside the block
            self.stop()

    async def __aenter__(self) -> Self:
        if self._dispatcher is None:
            self._dispatcher = LoopDispatcher(retry_ns=RETRY_NS)
        self._prepare()
        try:
            await self._spawn(self._connect_all())
        except BaseException:
            self._finish()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._finished:
            await self.astop()

    def start(self, timeout: float = 30.0) -> None:
        """Open the journal, recover, start the dispatcher and connect the venues.

        A venue that does not answer is left to reconnect; it does not hold up the others.

        Raises:
            JournalError: the journal cannot be used (locked, corrupt, newer...); nothing was
            started.
        """
        if self._dispatcher is None:
            self._dispatcher = ThreadDispatcher("orderwright", retry_ns=RETRY_NS)
        self._prepare()
        try:
            self._spawn(self._connect_all()).get(timeout=timeout)
            if isinstance(self._dispatcher, SimulatedDispatcher):
                self._dispatcher.run_ready()
        except BaseException:
            self._finish()
            raise

    def _prepare(self) -> None:
        if self._running or self.brokers:
            raise SystemStopped(
                "a system is started once; make a new one on the same journal to go on"
            )
        spec = self._journal_spec
        self.journal: Journal = (
            open_journal(spec, self._durability, engine_id=self._engine_id)
            if spec is None or isinstance(spec, str | Path)
            else spec
        )
        try:
            self._tuning.begin()
            self._compose()
            self._tuning.freeze()
        except BaseException:
            self._tuning.end()
            self.journal.close()
            raise
        self._running = True
        self.dispatcher.start()
        self.dispatcher.call_soon(self._resume)

    def _compose(self) -> None:
        """Recover, then build brokers, orders and positions; no message has been handled yet."""
        recovered = recover(self.journal)
        turn = self.turn = Turn(
            self.journal,
            self.hub,
            self._journal_failed,
            self._journal_works,
            self.dispatcher.time_ns,
            self.dispatcher.monotonic_ns,
            lambda: self.dispatcher.urgent(self.dispatcher.resume),
        )
        self.dispatcher.turn = self._definitions.turn = turn
        self.dispatcher.retry_after(RETRY_NS)
        self.dispatcher.supervisor = supervisor_for(self.dispatcher)
        wire(self.dispatcher, turn, self.brokers.values())
        self.dispatcher.on_crash = self.crashed
        for (name, symbol), instrument in recovered.books.instruments.items():
            self._definitions.of(name)[symbol] = instrument
        ts = self.dispatcher.time_ns()
        first = first_number(self.journal, ts)
        self._intents = Intents(self.journal, self.brokers, self._engine_id, first)
        self._add_brokers()
        self._requests = itertools.count(first)
        self._restarted = hand_over(recovered, self.brokers, self._intents.open, ts)
        self.accounts = Accounts(turn, recovered.books.history.money)
        known = self._definitions.known
        self._checkpoints = Checkpoints(turn, self.brokers, known, recovered, self.accounts)
        turn.committed = self._checkpoints.committed
        if self._retention is not None:
            clock = self.dispatcher
            self._pruner = Pruner(
                self.journal, self._retention, clock.time_ns, clock.call_soon, self._alarm
            )
            self._pruner.follow(turn, self._checkpoints)
        turn.undo.clear()
        self.recovered = Restart(
            recovered.checkpoint_seq, recovered.facts_folded, len(recovered.open_orders)
        )

    def _add_brokers(self) -> None:
        for venue in self._venues:
            key = (venue.name, venue.account)
            limits = self._limits.get(key) if isinstance(self._limits, Mapping) else self._limits
            broker = self.broker_kind(
                venue,
                self.dispatcher,
                self.turn,
                self.journal,
                self._definitions.of(venue.name),
                limits=limits,
                call_timeout_ns=self._timeouts[0],
                ack_timeout_ns=self._timeouts[1],
                cross_check_ns=self._cross_check_ns,
                protect_within_ns=self._protect_ns,
                on_retired=self._retired,
                on_revived=self._intents.revived,
                on_instruments=self._definitions.define_all,
            )
            broker.triggers.sights.max_age_ns = self._price_age_ns
            broker.groups.req_id = self.req_id
            broker.groups.new_order = functools.partial(self._new_order, broker)
            broker.following.begin(self._marking)
            self.dispatcher.adopt(broker)
            self.brokers[key] = broker

    def _new_order(self, broker: BrokerActor, order: SubmitOrder) -> SubmitOrder:
        """An order that the engine makes itself, with its ids."""
        return self._intents.new(order, broker, self.dispatcher.time_ns())

    def _resume(self) -> None:
        """The first turn: what a restart made unknown, and the instruments we were given."""
        for broker, report in self._restarted:
            broker.report(report)
        for broker in self.brokers.values():
            broker.look_all()
        resume_following(self.brokers, self.accounts, self._history)
        self._definitions.define_all(self._given)

    async def _connect_all(self) -> None:
        """Learn instruments first, so that what a connect shows can be understood; a venue that
        hangs is not waited for.
        """
        asking = [broker.link.ask_first() for broker in self.brokers.values()]
        await all_within(self, asking, INSTRUMENTS_NS)
        await self.in_turn(self._connect)

    def _connect(self) -> None:
        for broker in self.brokers.values():
            broker.link.connect()

    def stop(self, *, open_orders: str = "leave", timeout: float = 10.0) -> Snapshot:
        """Stop in order; returns the state everything was left in.

        A stopped system is not started again; a second stop raises SystemStopped at once. Inside a
        loop it is ``await system.astop(...)``.

        Args:
            open_orders: ``"leave"`` them at the venue (a restart takes them up), or ``"cancel"``
                and wait for the confirmations; what is not confirmed within ``timeout`` seconds
                stays journalled as it is.
            timeout: seconds, of each of its waits.
        """
        self.dispatcher.check_may_block()
        patience = self._check_stop(open_orders, timeout)
        try:
            stopping = self._spawn(wind_down(self, open_orders, patience))
            return stopping.get(timeout=3 * timeout + 30)
        finally:
            self._finish()

    async def astop(self, *, open_orders: str = "leave", timeout: float = 10.0) -> Snapshot:
        """As :meth:`stop`, from inside the loop."""
        patience = self._check_stop(open_orders, timeout)
        try:
            return await self._spawn(wind_down(self, open_orders, patience))
        finally:
            self._finish()

    def _check_stop(self, open_orders: str, timeout: float) -> int:
        if open_orders not in ("leave", "cancel"):
            raise InvalidValue(f"open_orders must be 'leave' or 'cancel', was {open_orders!r:.80}")
        patience = nanoseconds("timeout", timeout, zero=True)
        if self._finished or not self.brokers or next(self._stops):
            raise SystemStopped("the system is not running, or is being stopped already")
        self._running = False
        return patience

    def last_words(self) -> Snapshot:
        """Inside the last turn: have everything written down."""
        for broker in self.brokers.values():
            broker.last_words()
        self._checkpoints.demand()
        return self.snapshot_now()

    def _finish(self) -> None:
        """End the dispatcher (what had ended it before is raised here), and let go of everything
        else.
        """
        self._running, self._finished = False, True
        try:
            self.dispatcher.stop()
        finally:
            self._fail_all("the system has stopped")
            self.hub.close()
            self.journal.close()
            self._tuning.end()

    @property
    def dispatcher(self) -> Dispatcher:
        """Where it runs.

        Raises:
            SystemStopped: it has not been started.
        """
        if self._dispatcher is None:
            raise SystemStopped("the system has not been started; use `with ExecutionSystem(...)`")
        return self._dispatcher

    def crashed(self, _: BaseException) -> None:
        """The dispatcher has ended: nobody will be answered any more.

        Its owner gets the exception from stop().
        """
        self._running = False
        self._fail_all("the system has ended; stop() says why")

    def _fail_all(self, why: str) -> None:
        """Whoever still waits is told."""
        for broker in self.brokers.values():
            broker.waiters.fail_all(SystemStopped(why))
        self.promises.fail_all(why)

    def req_id(self) -> str:
        """A name for one request of ours."""
        return f"R{next(self._requests)}"

    def _spawn(self, coro: Coroutine[Any, Any, T]) -> Future[T]:
        return self.dispatcher.spawn(coro)

    def in_turn(self, fn: Callable[[], T]) -> Future[T]:
        """Run ``fn`` inside a turn; its answer leaves after the commit."""
        future: Future[T] = Future(self.dispatcher)
        self.dispatcher.call_soon(InTurn(self.turn, fn, future))
        return future

    def snapshot_now(self) -> Snapshot:
        """Everything as it is in memory; on the dispatcher's thread."""
        error, brokers = str(self._journal_error or ""), list(self.brokers.values())
        facts, dead = self.turn.facts_written, self.dispatcher.dead_letters.count
        return snapshot_of(brokers, self.dispatcher.time_ns(), error, facts, dead)

    def _retired(self, terms: SubmitOrder) -> None:
        self._intents.retired(terms)
        self._checkpoints.retired(terms.client_order_id)

    def _journal_failed(self, error: JournalError, inputs: list[Input]) -> None:
        """Halt entries, tell it, and let the turn's cancels leave all the same; outside the turn,
        which is discarded.
        """
        first, self._journal_error = self._journal_error is None, error
        if first:
            self.dispatcher.urgent(lambda: self._alarm("journal", str(error)))
        for actor, message, _ in inputs:
            command = message.command if isinstance(message, Ask) else None
            if isinstance(actor, BrokerActor) and isinstance(command, CancelOrder):
                leave = functools.partial(actor.trouble.let_cancel_leave, command)
                self.dispatcher.urgent(leave)

    def _journal_works(self) -> None:
        self._journal_error = None
        self._alarm("journal", "the journal works again; entries go on")

    def _alarm(self, kind: str, detail: str) -> None:
        self.hub.publish([Alarm(self.dispatcher.time_ns(), kind, detail)])
