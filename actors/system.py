"""The execution system: the facade users meet.

``with ExecutionSystem([venue], journal="orders.db") as system:`` starts a thread of its own;
``async with`` runs it inside the caller's asyncio loop; a
:class:`~actors.runtime.SimulatedDispatcher` runs it under virtual time. Everything public here may
be called from any thread. What returns a future can be awaited, or waited for with
``.get(timeout=seconds)``. How it starts and stops is in :mod:`actors.lifecycle`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar, overload

from engine.errors import InvalidValue, UnknownOrder
from engine.fold import digest, tombstone
from engine.given import check_kind, check_text_of
from engine.messages import (
    AmendOrder,
    CancelOrder,
    CorrectPosition,
    Event,
    LinkDown,
    LinkUp,
    OrderReport,
    SetBaseline,
    SettleOrder,
    SubmitOrder,
)
from engine.policies.validation import ID_LENGTH_MAX, check_amend, check_order, check_text
from engine.position_corrections import check_fields
from engine.values import OrderState, PositionSlot
from engine.views import OrderView, view_order

from .broker_words import Ask
from .door import admit, check_statement, check_types, check_words
from .hub import Overflow, Subscription
from .portfolio import Snapshot
from .runtime import Future
from .stamping import id_of, instrument_of, only_one
from .tickets import Ticket
from .triggering import Triggering

__all__ = ["ExecutionSystem"]

E = TypeVar("E", bound=Event)


class ExecutionSystem(Triggering):
    """One engine: any number of venue accounts, one journal, one dispatcher.

    Args:
        venues: one :class:`~actors.venues.port.Venue` per (venue, account). journal: a path,
        ``None`` for memory (nothing survives), or an open :class:`~actors.journal.Journal`.
        durability: ``"process"`` survives a killed process, ``"power"`` a power cut (in a host's
        loop its commits are made on a thread of their own, so the loop never waits). engine_id:
        three characters of ``[0-9A-Z]``: the prefix of our client order ids. dispatcher: where it
        runs; by default its own thread (``with``) or the running loop (``async with``).
        instruments: rules to trade by, beyond those the venues tell and the journal knows. limits:
        what each venue bears, for all or by (venue, account). call_timeout: seconds after which an
        unanswered call is of unknown outcome. ack_timeout: seconds after which a taken request
        without a word of its effect is of unknown outcome. protect_within: seconds after
        which an alarm tells of what is held without a confirmed stop (``None``: none does; groups
        have deadlines of their own, and act). emulate_triggers: whether the engine watches the
        triggers of stops and if-touched orders that a venue does not know; they work only while
        this process runs and has prices (one order alone: ``local=True``). price_max_age: seconds
        after which a price is too old to count for those. cross_check: seconds within which it is
        found out that a stream kept a fill or an end to itself: while orders are open or positions
        held, open orders and executions are read and compared, behind all other calls; ``None``:
        never. retention: how long the journal keeps the facts of closed orders, a
        :class:`~actors.retention.Retention`; ``None``: for ever.
        history: keep trips of positions from now on, see :meth:`history`; a journal that keeps them
        goes on keeping them. mark_positions: watch the prices of what is held, to value it by and
        for the extremes of its trips: ``True``, or a :class:`~actors.following.Marking` that says
        which prices and how old they may be; without it prices that are known anyway are used.
        gc_policy: ``"leave"`` the process's garbage collector as it is, or ``"tune"`` it while the
        system runs: rarer collections, and none over what recovery made.
    """

    # --- commands ---------------------------------------------------------------------------------

    def submit(self, order: SubmitOrder) -> Ticket:
        """Submit an order. Returns at once; the ticket can be waited for or awaited.

        ``venue`` and ``account`` may be left empty when there is only one. With an ``intent_id`` of
        the caller's own, submitting the same terms again returns a ticket for the same order and
        sends nothing.

        Raises:
            InvalidOrder: it can not be submitted as asked; nothing was journalled or sent.
            InvalidValue: it is no order.
            DuplicateIntent: the intent id was used before with other terms; nothing was sent.
            JournalUnavailable: the journal cannot be written; entries halt until it can.
            MailboxFull, SystemStopped: not accepted.
        """
        dispatcher = self.dispatcher
        if not self._running or self._journal_error is not None:
            self._check_running()
        if not dispatcher.has_room():
            self._refuse_more()
        try:
            broker = self.brokers.get((order.venue, order.account))
            if broker is None:
                broker = only_one(self.brokers, order.venue, order.account)
            instrument = broker.instruments.get(order.instrument)
        except AttributeError:
            kind = type(order).__name__
            raise InvalidValue(
                f"submit() takes an order, submit_group() a group: got {kind}"
            ) from None
        except TypeError:  # it cannot be a key, so it is no text
            broker, instrument = only_one(self.brokers, order.venue, order.account), None
        if instrument is None:
            instrument = instrument_of(broker, order.instrument)
        check_types(order)
        if self._emulates:
            order = self._local(order, broker)
        check_order(order, instrument, broker.capabilities)
        cid, ts = order.client_order_id, dispatcher.time_ns()
        if cid:
            check_text(
                cid, "client_order_id", min(ID_LENGTH_MAX, broker.capabilities.client_id_length_max)
            )
        if order.intent_id or cid:
            written, is_new = self._intents.claim(order, broker, ts)
            if not is_new:
                return Ticket(written.client_order_id, written.intent_id, self.watch)
        else:
            written = self._intents.new(order, broker, ts)
        dispatcher.post(broker, written)
        return Ticket(written.client_order_id, written.intent_id, self.watch)

    def cancel(self, order: Ticket | str, reason: str = "") -> Future[OrderView]:
        """Ask for the rest of an order to be cancelled; the future is the order once the request
        is journalled.

        An order that has ended is returned as it is. Cancelled is it only when its state says so:
        wait on its ticket.
        """
        cid = id_of(order)
        self._check_accepting()
        check_text_of("reason", reason)
        ts = self.dispatcher.time_ns()
        if self._journal_error is not None and cid in self._owner(cid).orders:
            return self._cancel_unjournalled(CancelOrder(cid, self.req_id(), ts, reason))
        future: Future[OrderView] = Future(self.dispatcher)
        cancel = Ask(CancelOrder(cid, self.req_id(), ts, reason), future, overtook=True)
        self.dispatcher.post_first(self._owner(cid), cancel)
        return future

    def _cancel_unjournalled(self, command: CancelOrder) -> Future[OrderView]:
        """While the journal fails a cancel still leaves, kept in memory and written first when the
        journal works again.
        """
        broker = self._owner(command.client_order_id)
        future: Future[OrderView] = self.promises.keep(Future(self.dispatcher))
        self.dispatcher.urgent(lambda: broker.trouble.cancel_unjournalled(command, future))
        return future

    def amend(
        self,
        order: Ticket | str,
        *,
        order_qty: Decimal | None = None,
        price: Decimal | None = None,
        stop_px: Decimal | None = None,
    ) -> Future[OrderView]:
        """Ask for new terms (``order_qty`` is the new total); they are in force when the venue has
        confirmed them.

        Raises:
            InvalidOrder: the new terms break a rule; the old stand.
            UnknownOrder: in the future, or at once when no venue account has it.
        """
        cid = id_of(order)
        self._check_running()
        for what, number in (("order_qty", order_qty), ("price", price), ("stop_px", stop_px)):
            if number is not None:
                check_kind(f"{what} (never a float: write Decimal('0.1'))", number, Decimal)
        broker = self._owner(cid)
        amend = AmendOrder(cid, self.req_id(), self.dispatcher.time_ns(), order_qty, price, stop_px)
        symbol = broker.symbol_of(cid)
        if symbol is not None:
            is_local = broker.is_waiting(cid)
            check_amend(amend, broker.instruments[symbol], broker.capabilities, is_local=is_local)
        return self._ask(cid, amend)

    def settle(self, order: Ticket | str, state: OrderState, statement: str) -> Future[OrderView]:
        """A person states what became of an order in doubt; recorded with the statement."""
        cid = id_of(order)
        if not isinstance(state, OrderState):
            raise InvalidValue(f"state must be an OrderState, was {state!r:.80}")
        check_words(statement)
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
        """State what a slot held before our first fill (signed quantity).

        Raises:
            InvalidValue: as :meth:`state_position`.
        """
        broker = self._broker(venue, account)
        ts = self.dispatcher.time_ns()
        return self.state_position(
            SetBaseline(broker.name, broker.account, instrument, slot, qty, avg_px, ts)
        )

    def state_position(self, statement: SetBaseline | CorrectPosition) -> Future[None]:
        """State a baseline or a typed correction of a slot (liquidation, settlement, split,
        funding...), journalled.

        A statement that does not fit is an InvalidValue, here or in the future; nothing changes.
        """
        self._check_running()
        check_statement(statement)
        broker = self._broker(statement.venue, statement.account)
        check_fields(statement, instrument_of(broker, statement.instrument))
        future: Future[None] = Future(self.dispatcher)
        self.dispatcher.post_bounded(broker, Ask(statement, future))
        return future

    def report(self, venue: str, account: str, report: OrderReport | LinkUp | LinkDown) -> None:
        """Hand in a report from outside a venue's own stream: a drop copy, a recording, a person's
        statement.

        Raises:
            InvalidValue: it is no report, or has fields that cannot be understood.
        """
        self._check_accepting()
        self.dispatcher.post(self._broker(venue, account), admit(report))

    def call_soon(self, fn: Callable[[], object]) -> None:
        """Run ``fn()`` on the system's own thread, inside its next turn: where a paper market may
        be moved.
        """
        if not callable(fn):
            raise InvalidValue(f"call_soon() takes a function, not {fn!r:.80}")
        self.dispatcher.call_soon(fn)

    # --- questions --------------------------------------------------------------------------------

    def order(self, order: Ticket | str) -> Future[OrderView]:
        """An order as it is now, live or closed; UnknownOrder in the future when there is none."""
        cid = id_of(order)

        def look() -> OrderView:
            for broker in self.brokers.values():
                found = broker.find_order(cid)
                if found is not None:
                    return view_order(found)
            raise UnknownOrder(f"no order {cid!a:.80} in this system, live or closed")

        return self._asked(look)

    def orders(self) -> Future[tuple[OrderView, ...]]:
        """All orders in memory: those that are open, on the wire, or not settled."""
        return self._asked(
            lambda: tuple(
                view_order(a.order) for b in self.brokers.values() for a in b.orders.values()
            )
        )

    def snapshot(self) -> Future[Snapshot]:
        """Everything at one moment: orders, positions, sessions, the hand-over list, the
        journal.
        """
        return self._asked(self.snapshot_now)

    def state_digest(self) -> Future[str]:
        """One line that names the whole state, as the fold of the journal would."""

        def total() -> str:
            brokers = self.brokers.values()
            stones = [
                (c, tombstone(a.order, a.ledger)) for b in brokers for c, a in b.orders.items()
            ]
            positions = [slot.position for b in brokers for slot in b.positions.values()]
            groups = [held.group for b in brokers for held in b.groups.groups.values()]
            shut = [b.flattening.control for b in brokers if b.flattening.is_anything_shut]
            seen = [b.watched.now for b in brokers if b.watched.now.is_anything]
            trails = [trail for b in brokers for trail in b.following.trails()]
            stones += self.journal.closed_orders()
            money = self.accounts.money
            return digest(stones, positions, groups, [*shut, *seen], trails, money)

        return self._asked(total)

    @overload
    def subscribe(self, callback: Callable[[Event], object]) -> Callable[[], None]: ...

    @overload
    def subscribe(
        self, callback: Callable[[E], object], kind: type[E], /, *kinds: type[E]
    ) -> Callable[[], None]: ...

    def subscribe(self, callback: Callable[[Any], object], *kinds: type[Any]) -> Callable[[], None]:
        """Call ``callback(event)`` on the system's thread for each event of ``kinds`` (none =
        all), after its commit.

        Returns what ends it. A callback that raises is unsubscribed and an alarm says so.
        """
        return self.hub.add_callback(callback, kinds)

    def events(
        self, *kinds: type[Event], capacity: int = 10_000, overflow: Overflow = "drop_oldest"
    ) -> Subscription:
        """A bounded stream of events to iterate (``for``) in a thread or (``async for``) in a
        loop; see :mod:`actors.hub`.
        """
        return Subscription(self.hub, kinds, capacity, overflow, self.dispatcher.is_own_thread)

    # --- inside -----------------------------------------------------------------------------------

    def _ask(self, cid: str, command: AmendOrder | SettleOrder) -> Future[OrderView]:
        self._check_accepting()
        future: Future[OrderView] = Future(self.dispatcher)
        self.dispatcher.post(self._owner(cid), Ask(command, future))
        return future
