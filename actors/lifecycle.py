"""How a system comes and goes: composition, recovery, connecting, an orderly stop, and trouble with the journal.

Users meet :class:`~actors.system.ExecutionSystem`; this is the half of it that they start and stop.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from engine.errors import InvalidValue, JournalError, SystemStopped
from engine.ids import ClientOrderIds
from engine.messages import Alarm, CancelOrder, DefineInstrument, OrderReport, SubmitOrder
from engine.session import SessionLimits
from engine.values import BASE36, ENGINE_ID_LENGTH, Instrument
from engine.views import OrderView, view_order

from .broker import BrokerActor
from .broker_words import Ask, WaitFor
from .hub import Hub
from .journal import Durability, Journal, open_journal
from .portfolio import PositionView, Snapshot, positions_now, view_position
from .recovery import checkpoint, doubts, recover
from .runtime import Dispatcher, Future, LoopDispatcher, SimulatedDispatcher, ThreadDispatcher
from .supervision import supervisor_for
from .tickets import Until
from .trouble import wire
from .turn import Turn
from .venues.port import Venue

__all__ = ["Lifecycle"]

T = TypeVar("T")

_SECOND = 1_000_000_000
CHECKPOINT_FACTS = 50_000  # facts between checkpoints: a restart folds at most about a second's worth
RETRY_NS = 200_000_000  # between two attempts to write a journal that failed


class Lifecycle:
    """Everything about a system that is not a command or a question."""

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
    ) -> None:
        if len(engine_id) != ENGINE_ID_LENGTH or any(char not in BASE36 for char in engine_id):
            raise InvalidValue(f"engine_id must be three characters of [0-9A-Z], was {engine_id!r}")
        keys = [(venue.name, venue.account) for venue in venues]
        if not keys or len(dict.fromkeys(keys)) != len(keys):
            raise InvalidValue(f"a system needs venues, each (name, account) once, got {keys}")
        self.hub = Hub()
        self._venues = tuple(venues)
        self._journal_spec = journal
        self._durability = durability
        self._engine_id = engine_id
        self._dispatcher = dispatcher
        self._given = tuple(instruments)
        self._limits = limits
        self._timeouts = (round(call_timeout * _SECOND), round(ack_timeout * _SECOND))
        self._running = False
        self._journal_error: JournalError | None = None
        self._intents: dict[str, SubmitOrder] = {}
        self._lock = threading.Lock()
        self._requests = itertools.count(1)
        self._checkpoint_keys: dict[str, None] = {}
        self._checkpoint_at = 0
        self.brokers: dict[tuple[str, str], BrokerActor] = {}
        self.instruments: dict[str, dict[str, Instrument]] = {name: {} for name, _ in keys}
        self._restarted: list[tuple[BrokerActor, OrderReport]] = []

    # --- starting and stopping ---------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        if self._dispatcher is None:
            self._dispatcher = LoopDispatcher(retry_ns=RETRY_NS)
        self._prepare()
        await self._connect_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.astop()

    def start(self, timeout: float = 30.0) -> None:
        """Open the journal, recover, start the dispatcher and connect the venues.

        A venue that does not answer is left to reconnect; it does not hold up the others.

        Raises:
            JournalError: the journal cannot be used (locked, corrupt, newer...); nothing was started.
        """
        if self._dispatcher is None:
            self._dispatcher = ThreadDispatcher("orderwright", retry_ns=RETRY_NS)
        self._prepare()
        if isinstance(self._dispatcher, SimulatedDispatcher):
            self._dispatcher.spawn(self._connect_all())
            self._dispatcher.run_until_idle()
        else:
            self._dispatcher.spawn(self._connect_all()).get(timeout=timeout)

    def _prepare(self) -> None:
        if self._running or self.brokers:
            raise SystemStopped("a system is started once; make a new one on the same journal to go on")
        spec = self._journal_spec
        self.journal: Journal = (
            open_journal(spec, self._durability, engine_id=self._engine_id)
            if spec is None or isinstance(spec, str | Path)
            else spec
        )
        try:
            self._compose()
        except BaseException:
            self.journal.close()
            raise
        self._running = True
        self.dispatcher.start()
        self.dispatcher.call_soon(self._resume)

    def _compose(self) -> None:
        """Recover, then build brokers, orders and positions; no message has been handled yet."""
        recovered = recover(self.journal)
        turn = self.turn = Turn(
            self.journal, self.hub, self._journal_failed, self._journal_works, self.dispatcher.time_ns
        )
        self.dispatcher.turn = turn
        self.dispatcher.supervisor = supervisor_for(self.dispatcher)
        wire(self.dispatcher, turn, self.brokers.values())
        for (name, symbol), instrument in recovered.books.instruments.items():
            self.instruments.setdefault(name, {})[symbol] = instrument
        for venue in self._venues:
            key = (venue.name, venue.account)
            limits = self._limits.get(key) if isinstance(self._limits, Mapping) else self._limits
            broker = BrokerActor(
                venue,
                self.dispatcher,
                turn,
                self.journal,
                self.instruments[venue.name],
                limits=limits,
                call_timeout_ns=self._timeouts[0],
                ack_timeout_ns=self._timeouts[1],
                on_retired=self._retired,
            )
            self.dispatcher.adopt(broker)
            self.brokers[key] = broker
        for position in recovered.books.positions.values():
            at = self.brokers.get((position.venue, position.account))
            if at is not None:
                at.hold_position(position)
        ts = self.dispatcher.time_ns()
        for order, ledger in recovered.open_orders:
            owner = self.brokers.get((order.terms.venue, order.terms.account))
            if owner is None:
                raise InvalidValue(
                    f"the journal has open orders at {order.terms.venue}/{order.terms.account}, and this system"
                    " has no such venue account: add it, so that they are not forgotten"
                )
            owner.hold_order(order, ledger)
            self._intents[order.terms.intent_id] = order.terms
            self._restarted += [(owner, report) for report in doubts(order, ts)]
        for name, reports in recovered.books.parked.items():
            for broker in self.brokers.values():
                broker.intake.parked.setdefault(name, []).extend(reports)  # type: ignore[arg-type]
        turn.undo.clear()
        # Every number used so far is behind a fact, or was never written and so never sent.
        self._ids = ClientOrderIds(self._engine_id, self.journal.incarnation, self.journal.next_seq)
        self._requests = itertools.count(self.journal.next_seq)
        self._checkpoint_keys = dict.fromkeys(self.journal.checkpoints())
        self.recovered = recovered

    def _resume(self) -> None:
        """The first turn: what a restart made unknown, and the instruments we were given."""
        for broker, report in self._restarted:
            broker.report(report)
        self._restarted.clear()
        self._define_all(self._given)

    async def _connect_all(self) -> None:
        for venue in self._venues:
            try:
                answer = await venue.instruments()
            except Exception as error:  # it is down; the journal's and the given instruments serve until it is up
                self._alarm("instruments", f"{venue.name}: {type(error).__name__}")
                continue
            told = answer.items
            self.dispatcher.call_soon(functools.partial(self._define_all, told))
        done: Future[None] = Future(self.dispatcher)
        self.dispatcher.call_soon(lambda: self._connect(done))
        await done

    def _connect(self, done: Future[None]) -> None:
        for broker in self.brokers.values():
            broker.link.connect()
        self.turn.reply(done, None)

    def _define_all(self, instruments: Iterable[Instrument]) -> None:
        for instrument in instruments:
            self._define(instrument)

    def _define(self, instrument: Instrument) -> None:
        known = self.instruments.setdefault(instrument.venue, {})
        if known.get(instrument.symbol) == instrument:
            return
        known[instrument.symbol] = instrument
        ts = self.dispatcher.time_ns()
        entity = f"instrument:{instrument.venue}:{instrument.symbol}"
        self.turn.record(ts, entity, DefineInstrument(instrument, ts))

    def stop(self, *, open_orders: str = "leave", timeout: float = 10.0) -> Snapshot:
        """Stop in order; returns the state everything was left in. A stopped system is not started again.

        Args:
            open_orders: ``"leave"`` them at the venue (a restart takes them up), or ``"cancel"`` and wait for the
                confirmations; what is not confirmed within ``timeout`` seconds stays journalled as it is.
            timeout: seconds.
        """
        if isinstance(self._dispatcher, SimulatedDispatcher):
            stopping = self._dispatcher.spawn(self._stop(open_orders, timeout))
            self._dispatcher.run_until_idle()
            snapshot = stopping.get(timeout=0)
        else:
            snapshot = self._spawn(self._stop(open_orders, timeout)).get(timeout=timeout + 30)
        self._finish()
        return snapshot

    async def astop(self, *, open_orders: str = "leave", timeout: float = 10.0) -> Snapshot:
        """As :meth:`stop`, from inside the loop."""
        snapshot = await self._spawn(self._stop(open_orders, timeout))
        self._finish()
        return snapshot

    async def _stop(self, open_orders: str, timeout: float) -> Snapshot:
        if open_orders not in ("leave", "cancel"):
            raise InvalidValue(f"open_orders must be 'leave' or 'cancel', was {open_orders!r}")
        self._running = False
        if open_orders == "cancel":
            await self._cancel_all(round(timeout * _SECOND))
        for broker in self.brokers.values():
            await broker.calls.close()
        return await self._in_turn(self._last_words)

    async def _cancel_all(self, timeout_ns: int) -> None:
        def ask() -> list[Future[OrderView]]:
            closing = []
            for broker in self.brokers.values():
                for cid in list(broker.orders):
                    broker.on_receive(Ask(CancelOrder(cid, self._req_id(), self.dispatcher.time_ns()), None))
                    future: Future[OrderView] = Future(self.dispatcher)
                    broker.on_receive(WaitFor(cid, Until.CLOSED, future))
                    closing.append(future)
            return closing

        waiting = await self._in_turn(ask)
        timer_done: Future[None] = Future(self.dispatcher)
        timer = self.dispatcher.call_later(timeout_ns, lambda: timer_done.set(None))
        left = [len(waiting)]

        def one_less(_: object) -> None:
            left[0] -= 1
            if left[0] == 0 and not timer_done.done():
                timer_done.set(None)

        for future in waiting:
            future.add_done_callback(one_less)
        if waiting:
            await timer_done
        timer.cancel()

    def _last_words(self) -> Snapshot:
        self.turn.checkpoint = self._write_checkpoint
        return self._snapshot()

    def _finish(self) -> None:
        self._running = False
        stopped = SystemStopped("the system has stopped")
        for broker in self.brokers.values():
            broker.waiters.fail_all(stopped)
        self.hub.close()
        self.dispatcher.stop()
        self.journal.close()

    @property
    def dispatcher(self) -> Dispatcher:
        """Where it runs.

        Raises:
            SystemStopped: it has not been started.
        """
        if self._dispatcher is None:
            raise SystemStopped("the system has not been started; use `with ExecutionSystem(...)`")
        return self._dispatcher

    def _req_id(self) -> str:
        return f"R{next(self._requests)}"

    def _spawn(self, coro: Coroutine[Any, Any, T]) -> Future[T]:
        return self.dispatcher.spawn(coro)

    def _in_turn(self, fn: Callable[[], T]) -> Future[T]:
        """Run ``fn`` inside a turn; its answer leaves after the commit."""
        future: Future[T] = Future(self.dispatcher)

        def run() -> None:
            try:
                value = fn()
            except Exception as error:  # an answer to the asker, not a failure of an actor
                self.turn.reply_exception(future, error)
            else:
                self.turn.reply(future, value)

        self.dispatcher.call_soon(run)
        return future

    def _positions(self, marks: Mapping[tuple[str, str], Decimal] | None = None) -> tuple[PositionView, ...]:
        marks = marks or {}
        return tuple(
            view_position(position, instrument, marks.get((broker.name, position.instrument)))
            for broker in self.brokers.values()
            for position, instrument in positions_now(broker, self.dispatcher.time_ns())
        )

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            ts=self.dispatcher.time_ns(),
            orders=tuple(view_order(a.order) for b in self.brokers.values() for a in b.orders.values()),
            positions=self._positions(),
            sessions={f"{name}/{account}": b.session.state.value for (name, account), b in self.brokers.items()},
            hand_over=tuple(cid for b in self.brokers.values() for cid in b.calls.hand_over()),
            journal_error="" if self._journal_error is None else str(self._journal_error),
            facts=self.turn.facts_written,
            dead_letters=self.dispatcher.dead_letters.count,
        )

    def _retired(self, terms: SubmitOrder) -> None:
        self._intents.pop(terms.intent_id, None)
        if self.turn.facts_written - self._checkpoint_at >= CHECKPOINT_FACTS:
            self._checkpoint_at = self.turn.facts_written
            self.turn.checkpoint = self._write_checkpoint

    def _write_checkpoint(self) -> None:
        brokers = self.brokers.values()
        parked = {name: reports for b in brokers for name, reports in b.intake.parked.items()}
        checkpoint(
            self.turn.batch,
            self._checkpoint_keys,
            [one for known in self.instruments.values() for one in known.values()],
            [actor.position for broker in brokers for actor in broker.positions.values()],
            [actor for broker in brokers for actor in broker.orders.values()],
            parked,
        )
        self._checkpoint_keys = dict.fromkeys(self.turn.batch.checkpoints)

    def _journal_failed(self, error: JournalError) -> None:
        first = self._journal_error is None
        self._journal_error = error
        if first:
            self._alarm("journal", str(error))

    def _journal_works(self) -> None:
        self._journal_error = None
        self._alarm("journal", "the journal works again; entries go on")

    def _alarm(self, kind: str, detail: str) -> None:
        self.hub.publish([Alarm(self.dispatcher.time_ns(), kind, detail)])
