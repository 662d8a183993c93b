"""The execution system: composition root, and the facade users meet.

``with ExecutionSystem([venue], journal="orders.db") as system:`` starts a thread of its own; ``async with`` runs it inside
the caller's asyncio loop; a :class:`~actors.runtime.SimulatedDispatcher` runs it under virtual time. Everything public
here may be called from any thread. What returns a future can be awaited, or waited for with ``.get(timeout=seconds)``.
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

from engine.errors import (
    DuplicateIntent,
    InvalidOrder,
    InvalidValue,
    JournalError,
    JournalUnavailable,
    SystemStopped,
    UnknownOrder,
)
from engine.fold import digest, revive, tombstone
from engine.messages import (
    Alarm,
    AmendOrder,
    CancelOrder,
    DefineInstrument,
    Event,
    OrderReport,
    SetBaseline,
    SettleOrder,
    SubmitOrder,
)
from engine.policies.validation import ID_LENGTH_MAX, Reason, check_amend, check_order, check_text
from engine.session import SessionLimits
from engine.values import (
    BASE36,
    ENGINE_ID_LENGTH,
    Instrument,
    OrderState,
    PositionSlot,
    exact,
    format_client_order_id,
)
from engine.views import OrderView, view_order

from .broker import Ask, BrokerActor, WaitFor
from .hub import Hub, Overflow, Subscription
from .journal import Journal, open_journal
from .portfolio import Portfolio, PositionView, Snapshot, portfolio_of, view_position
from .recovery import checkpoint, doubts, recover
from .runtime import Dispatcher, Future, LoopDispatcher, SimulatedDispatcher, ThreadDispatcher
from .supervision import supervisor_for
from .tickets import Ticket, Until
from .turn import Turn
from .venues.port import Venue

__all__ = ["ExecutionSystem"]

T = TypeVar("T")

_SECOND = 1_000_000_000
CHECKPOINT_FACTS = 50_000  # facts between checkpoints: a restart folds at most about a second's worth
RETRY_NS = 200_000_000  # between two attempts to write a journal that failed


class ExecutionSystem:
    """One engine: any number of venue accounts, one journal, one dispatcher.

    Args:
        venues: one :class:`~actors.venues.port.Venue` per (venue, account).
        journal: a path, ``None`` for memory (nothing survives), or an open :class:`~actors.journal.Journal`.
        durability: ``"process"`` survives a killed process, ``"power"`` a power cut.
        engine_id: three characters of ``[0-9A-Z]``: the prefix of our client order ids.
        dispatcher: where it runs; by default its own thread (``with``) or the running loop (``async with``).
        instruments: rules to trade by, beyond those the venues tell and the journal knows.
        limits: what each venue bears, for all or by (venue, account).
        call_timeout: seconds after which an unanswered call is of unknown outcome.
        ack_timeout: seconds after which a taken request without a word of its effect is of unknown outcome.
    """

    def __init__(
        self,
        venues: Sequence[Venue],
        *,
        journal: Journal | str | Path | None = None,
        durability: str = "process",
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
        self._numbers = itertools.count()
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
            open_journal(spec, durability=self._durability)
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
        turn = self.turn = Turn(self.journal, self.hub, self._journal_failed, self._journal_works)
        self.dispatcher.turn = turn
        self.dispatcher.supervisor = supervisor_for(self)
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
                broker.parked.setdefault(name, []).extend(reports)  # type: ignore[arg-type]
        turn.undo.clear()
        self._numbers = itertools.count(self.journal.next_seq)
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
            broker.calls.connect()
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

    # --- commands ----------------------------------------------------------------------------------------------------

    def submit(self, order: SubmitOrder) -> Ticket:
        """Submit an order. Returns at once; the ticket can be waited for or awaited.

        ``venue`` and ``account`` may be left empty when there is only one. With an ``intent_id`` of the caller's own,
        submitting the same terms again returns a ticket for the same order and sends nothing.

        Raises:
            InvalidOrder: it can not be submitted as asked; nothing was journalled or sent.
            DuplicateIntent: the intent id was used before with other terms; nothing was sent.
            JournalUnavailable: the journal cannot be written; entries halt until it can.
            MailboxFull, SystemStopped: not accepted.
        """
        self._check_running()
        broker = self._broker(order.venue, order.account)
        instrument = broker.instruments.get(order.instrument)
        if instrument is None:
            known = ", ".join(sorted(broker.instruments)[:8]) or "none"
            raise InvalidOrder(
                f"instrument {order.instrument[:64]!a} is not known at {broker.name}; known are: {known}",
                Reason.UNKNOWN_INSTRUMENT.name,
            )
        with exact():
            check_order(order, instrument, broker.capabilities)
        cid = order.client_order_id
        if cid:
            check_text(cid, "client_order_id", min(ID_LENGTH_MAX, broker.capabilities.client_id_length_max))
        else:
            cid = format_client_order_id(
                self._engine_id, self.journal.incarnation, next(self._numbers), order.attempt
            )
        intent = order.intent_id or cid
        stamped = _stamped(order, intent, broker, cid, self.dispatcher.time_ns())
        if order.intent_id:
            check_text(intent, "intent_id", ID_LENGTH_MAX)
            known_order = self._claim_intent(stamped)
            if known_order is not None:
                return Ticket(known_order.client_order_id, intent, self.watch)
        try:
            self.dispatcher.post_bounded(broker, stamped)
        except BaseException:
            self._intents.pop(intent, None)
            raise
        return Ticket(cid, intent, self.watch)

    def _claim_intent(self, order: SubmitOrder) -> SubmitOrder | None:
        """Reserve an intent id; return the order that has it already, if its terms are the same."""
        with self._lock:
            known = self._intents.get(order.intent_id)
            if known is None:
                body = self.journal.closed_by_intent(order.intent_id)
                if body is not None:
                    known = revive(body)[0].terms
            if known is None:
                self._intents[order.intent_id] = order
                return None
        if not _same_terms(known, order):
            raise DuplicateIntent(
                f"intent {order.intent_id!a} is order {known.client_order_id} with other terms"
                f" ({_difference(known, order)}); use a new intent id for a new order"
            )
        return known

    def cancel(self, order: Ticket | str, reason: str = "") -> Future[OrderView]:
        """Ask for the rest of an order to be cancelled; the future is the order once the request is journalled.

        An order that has ended is returned as it is. Cancelled is it only when its state says so: wait on its ticket.
        """
        cid = order if isinstance(order, str) else order.client_order_id
        ts = self.dispatcher.time_ns()
        if self._journal_error is not None:
            return self._cancel_unjournalled(CancelOrder(cid, self._req_id(), ts, reason))
        return self._ask(cid, CancelOrder(cid, self._req_id(), ts, reason))

    def _cancel_unjournalled(self, command: CancelOrder) -> Future[OrderView]:
        """While the journal fails a cancel still leaves, kept in memory and written first when the journal works again."""
        broker = self._owner(command.client_order_id)
        future: Future[OrderView] = Future(self.dispatcher)
        self.dispatcher.urgent(lambda: broker.cancel_unjournalled(command, future))
        return future

    def amend(
        self,
        order: Ticket | str,
        *,
        order_qty: Decimal | None = None,
        price: Decimal | None = None,
        stop_px: Decimal | None = None,
    ) -> Future[OrderView]:
        """Ask for new terms (``order_qty`` is the new total); they are in force when the venue has confirmed them.

        Raises:
            InvalidOrder: the new terms break a rule; the old stand.
            UnknownOrder: in the future, or at once when no venue account has it.
        """
        cid = order if isinstance(order, str) else order.client_order_id
        broker = self._owner(cid)
        amend = AmendOrder(cid, self._req_id(), self.dispatcher.time_ns(), order_qty, price, stop_px)
        symbol = broker.symbol_of(cid)
        if symbol is not None:
            with exact():
                check_amend(amend, broker.instruments[symbol], broker.capabilities)
        return self._ask(cid, amend)

    def settle(self, order: Ticket | str, state: OrderState, statement: str) -> Future[OrderView]:
        """A person states what became of an order in doubt; recorded with the statement."""
        cid = order if isinstance(order, str) else order.client_order_id
        return self._ask(cid, SettleOrder(cid, self.dispatcher.time_ns(), state, statement))

    def set_baseline(
        self,
        instrument: str,
        qty: Decimal,
        avg_px: Decimal | None,
        *,
        venue: str = "",
        account: str = "",
        slot: PositionSlot = PositionSlot.NET,
    ) -> Future[None]:
        """State what a slot held before our first fill (signed quantity)."""
        self._check_running()
        broker = self._broker(venue, account)
        ts = self.dispatcher.time_ns()
        command = SetBaseline(broker.name, broker.account, instrument, slot, qty, avg_px, ts)
        future: Future[None] = Future(self.dispatcher)
        self.dispatcher.post_bounded(broker, Ask(command, future))
        return future

    def report(self, venue: str, account: str, report: OrderReport) -> None:
        """Hand in a report from outside a venue's own stream: a drop copy, a recording, a person's statement."""
        self.dispatcher.post(self._broker(venue, account), report)

    # --- questions ---------------------------------------------------------------------------------------------------

    def watch(self, client_order_id: str, until: Until = Until.CLOSED) -> Future[OrderView]:
        """A future of an order, set when ``until`` is reached."""
        future: Future[OrderView] = Future(self.dispatcher)
        broker = self._owner(client_order_id)
        self.dispatcher.post(broker, WaitFor(client_order_id, until, future))
        return future

    def order(self, order: Ticket | str) -> Future[OrderView]:
        """An order as it is now, live or closed; UnknownOrder in the future when there is none."""
        cid = order if isinstance(order, str) else order.client_order_id

        def look() -> OrderView:
            for broker in self.brokers.values():
                found = broker.find_order(cid)
                if found is not None:
                    return view_order(found)
            raise UnknownOrder(f"no order {cid!a} in this system, live or closed")

        return self._in_turn(look)

    def orders(self) -> Future[tuple[OrderView, ...]]:
        """All orders in memory: those that are open, on the wire, or not settled."""
        return self._in_turn(
            lambda: tuple(view_order(a.order) for b in self.brokers.values() for a in b.orders.values())
        )

    def snapshot(self) -> Future[Snapshot]:
        """Everything at one moment: orders, positions, sessions, the hand-over list, the journal."""
        return self._in_turn(self._snapshot)

    def portfolio(self, marks: Mapping[tuple[str, str], Decimal] | None = None) -> Future[Portfolio]:
        """Positions of all venues and amounts per currency; ``marks`` by (venue, instrument) value what is held."""
        return self._in_turn(lambda: portfolio_of(self._positions(marks)))

    def state_digest(self) -> Future[str]:
        """One line that names the whole state, as the fold of the journal would."""

        def total() -> str:
            stones = list(self.journal.closed_orders())
            for broker in self.brokers.values():
                for cid, actor in broker.orders.items():
                    stones.append((cid, tombstone(actor.order, actor.ledger)))
            return digest(stones, [p.position for b in self.brokers.values() for p in b.positions.values()])

        return self._in_turn(total)

    def subscribe(self, callback: Callable[[Event], object], *kinds: type[Event]) -> Callable[[], None]:
        """Call ``callback(event)`` on the system's thread for each event of ``kinds`` (none = all), after its commit.

        Returns what ends it. A callback that raises is unsubscribed and an alarm says so.
        """
        return self.hub.add_callback(callback, kinds)

    def events(
        self, *kinds: type[Event], capacity: int = 10_000, overflow: Overflow = "drop_oldest"
    ) -> Subscription:
        """A bounded stream of events to iterate (``for``) in a thread or (``async for``) in a loop; see :mod:`actors.hub`."""
        return Subscription(self.hub, kinds, capacity, overflow, self.dispatcher.is_own_thread)

    @property
    def dispatcher(self) -> Dispatcher:
        """Where it runs.

        Raises:
            SystemStopped: it has not been started.
        """
        if self._dispatcher is None:
            raise SystemStopped("the system has not been started; use `with ExecutionSystem(...)`")
        return self._dispatcher

    # --- inside ------------------------------------------------------------------------------------------------------

    def _check_running(self) -> None:
        if not self._running:
            raise SystemStopped("the system is not running; start it with `with` or start()")
        if self._journal_error is not None:
            raise JournalUnavailable(f"entries halt until the journal works again: {self._journal_error}")

    def _broker(self, venue: str, account: str) -> BrokerActor:
        found = [
            broker
            for (name, owner), broker in self.brokers.items()
            if (not venue or name == venue) and (not account or owner == account)
        ]
        if len(found) != 1:
            have = ", ".join(f"{name}/{owner}" for name, owner in self.brokers)
            what = "is not known" if not found else "fits several"
            raise InvalidOrder(
                f"venue {venue[:64]!a} with account {account[:64]!a} {what}; this system has {have}",
                Reason.UNKNOWN_VENUE.name,
            )
        return found[0]

    def _owner(self, cid: str) -> BrokerActor:
        """The broker that holds an order; for one still queued or closed, by its journal row or the only broker."""
        brokers = list(self.brokers.values())
        if len(brokers) == 1:
            return brokers[0]
        for broker in brokers:
            if cid in broker.orders:
                return broker
        for terms in list(self._intents.values()):
            if terms.client_order_id == cid:
                return self.brokers[terms.venue, terms.account]
        body = self.journal.closed_order(cid)
        if body is not None:
            terms = revive(body)[0].terms
            return self.brokers[terms.venue, terms.account]
        raise UnknownOrder(f"no order {cid!a} in this system, live or closed")

    def _ask(self, cid: str, command: Any) -> Future[OrderView]:
        future: Future[OrderView] = Future(self.dispatcher)
        self.dispatcher.post(self._owner(cid), Ask(command, future))
        return future

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
            view_position(actor.position, actor.instrument, marks.get((broker.name, symbol)))
            for broker in self.brokers.values()
            for (symbol, _), actor in broker.positions.items()
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
        parked = {name: reports for b in brokers for name, reports in b.parked.items()}
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


def _stamped(order: SubmitOrder, intent: str, broker: BrokerActor, cid: str, ts: int) -> SubmitOrder:
    """The order as it is journalled; positional, because every order passes here."""
    return SubmitOrder(
        intent, broker.name, broker.account, order.instrument, order.side, order.order_type, order.order_qty,
        order.ts or ts, cid, order.price, order.stop_px, order.trail_offset, order.trigger_source,
        order.time_in_force, order.expire_ts, order.post_only, order.reduce_only, order.slot,
        order.cash_qty, order.attempt, order.tags,
    )  # fmt: skip


_NOT_TERMS = frozenset({"ts", "client_order_id", "attempt"})


def _difference(one: SubmitOrder, other: SubmitOrder) -> str:
    """Name the first term in which two orders differ."""
    for field in one.__struct_fields__:
        if field not in _NOT_TERMS and getattr(one, field) != getattr(other, field):
            return f"{field} was {getattr(one, field)}, now {getattr(other, field)}"
    return ""


def _same_terms(one: SubmitOrder, other: SubmitOrder) -> bool:
    return not _difference(one, other)
