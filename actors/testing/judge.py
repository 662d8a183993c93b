"""The judge: what has to hold of a simulated system, at every commit, at every look, and at rest.

It folds the journal for itself as it grows, and keeps a dumb twin of it
(:class:`engine.testing.twin.Twin`). So three witnesses stand beside the running actors: the fold,
the twin, and the exchange, which knows what really happened.

* **At every commit** (:meth:`Judge.committed`): each order the commit touched is what its facts
  fold to, keeps the engine's invariants, and agrees with the twin.
* **At every look** (:meth:`Judge.check`): positions agree; no execution is booked that never was;
  no order stands at the venue that was not written first; no intent stands there twice; an order we
  call ended does not work there; and what may still fill there is within what we count as exposure.
* **At rest** (:meth:`Judge.at_rest`): everything is equal, nothing is in doubt or unanswered, and
  the journal's rows say what its facts say.

A violation is noted once for each invariant and entity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from engine.capabilities import Capabilities, IdScope
from engine.errors import InvariantViolated, JournalError
from engine.fold import Books
from engine.invariants import check_ledger, check_order
from engine.journal import decode, decode_record
from engine.messages import (
    Alarm,
    Event,
    Fact,
    Filled,
    FlatProgress,
    SetBaseline,
    VenueStatus,
)
from engine.order import Order, exposure_qty, is_settled
from engine.order_links import is_dormant
from engine.order_tables import TERMINAL, Life
from engine.session_chart import SessionState
from engine.testing.twin import Twin
from engine.values import ZERO, Instrument, PositionSlot, exact

from ..replay_checks import books_digest
from ..verifying import verify
from .judge_promises import OUR_FAILURES, Promises, kept_requests
from .truth import Violation, compare, states_truth, truth_of

if TYPE_CHECKING:
    from ..broker import BrokerActor
    from ..journal import FactRow, Journal
    from ..runtime import Future
    from ..system import ExecutionSystem
    from .simulated_parts import KitExchange, WatchedSystem

__all__ = ["Judge", "Violation", "can_prove"]

_OPEN: Final = (VenueStatus.WORKING, VenueStatus.TRIGGERED)


def can_prove(capabilities: Capabilities) -> bool:
    """Whether a venue of such abilities leaves nothing that only a person could settle."""
    return (
        capabilities.lookup_by_client_id
        and capabilities.executions_complete
        and capabilities.client_id_scope is IdScope.FOREVER
    )


class Judge:
    """Watches one account of one system over all its lives; ``calls()``: to its venue.

    Attributes:
        books: the fold of the journal. twin: the dumb model of it. found: every violation so far,
        in order. alarms: every alarm that was raised.
    """

    def __init__(
        self,
        exchange: KitExchange,
        venue: str,
        account: str,
        instruments: Iterable[Instrument],
        calls: Callable[[], Sequence[tuple[str, Any, str]]],
    ) -> None:
        self.exchange, self.venue, self.account = exchange, venue, account
        self.instruments = tuple(instruments)
        self.capabilities = exchange.config.capabilities
        self.books = Books()
        self.twin = Twin(self.instruments)
        self.found: list[Violation] = []
        self.alarms: list[Alarm] = []
        self.promises = Promises(exchange, venue, account, self.alarms, calls)
        self._ever: dict[tuple[str, str, str], tuple[Decimal, Decimal]] = {}
        self._noted: dict[tuple[str, str], None] = {}
        self._told = 0
        self._seq = 0  # of the last record that was folded
        self._broker: BrokerActor | None = None
        self._system: ExecutionSystem | None = None

    # --- lives ------------------------------------------------------------------------------------

    def attach(self, system: WatchedSystem, capabilities: Capabilities) -> None:
        """A life begins, at a venue that declares ``capabilities``; call it before the start."""
        self._system, self._broker = system, None
        self.capabilities = capabilities
        self.promises.begins(self.books, system)
        system.hub.add_callback(self._heard, (Alarm, FlatProgress))

    def detach(self) -> None:
        """A life has ended; what it says while it falls apart counts no more."""
        self._system = self._broker = None

    def catch_up(self, journal: Journal, *, is_cut: bool = False) -> None:
        """After a crash: take in what was written last; of a journal that was cut, all of it."""
        if is_cut:
            self.books, self.twin, self._seq = Books(), Twin(self.instruments), 0
        with exact():
            for record in journal.records(after=self._seq):
                self._fold(record.entity, decode_record(record), is_known=is_cut)

    def _fold(self, entity: str, fact: Fact, *, is_known: bool = False) -> None:
        before = self.books.orders.get(entity)
        self.books.apply(entity, fact)
        self.promises.folded(fact, self.books)
        if isinstance(fact, Filled) and before is not None and before.requests:
            self.note(kept_requests(before, self.books.orders[entity]))
        self.twin.take(entity, fact)
        self._seq += 1
        if states_truth(fact, self.books) and not is_known:
            px = fact.avg_px if isinstance(fact, SetBaseline) else fact.px
            to = self.account, fact.instrument, fact.slot  # what a person states is so from here on
            self.exchange.move(*to, fact.qty, px, self.exchange.now_ns)

    def _heard(self, event: Event) -> None:
        if self._system is not None and isinstance(event, FlatProgress):
            self.note(self.promises.control.told(event))
        elif self._system is not None and isinstance(event, Alarm):
            self.alarms.append(event)
            if event.kind in OUR_FAILURES:
                self._note("nothing_failed", f"{event.kind}: {event.detail}", event.entity)

    def _note(self, invariant: str, message: str, entity: str = "") -> None:
        if (invariant, entity) not in self._noted:
            self._noted[invariant, entity] = None
            self.found.append(Violation(invariant, message, entity))

    def note(self, found: Iterable[Violation]) -> None:
        """Take in what somebody else has found."""
        for one in found:
            self._note(one.invariant, one.message, one.entity)

    def new(self) -> list[Violation]:
        """What was found since the last time."""
        fresh = self.found[self._told :]
        self._told = len(self.found)
        return fresh

    # --- at every commit --------------------------------------------------------------------------

    def committed(self, rows: list[FactRow]) -> None:
        """Facts were written; inside the turn, before anything leaves."""
        touched: dict[str, None] = {}
        for _, entity, _, body in rows:
            self._fold(entity, decode(body))
            touched[entity] = None
        broker = self._the_broker()
        if broker is None:
            return
        for entity in touched:
            folded = self.books.orders.get(entity)
            if folded is None:
                continue  # a session, an instrument, a report kept for later
            actor = broker.orders.get(entity)
            if actor is None:
                self._note("live_is_the_fold", "the journal has it, no actor does", entity)
                continue
            ledger = self.books.ledgers.get(entity)
            self._check_order(folded, actor.order, actor.frozen)
            if entity in self.books.frozen:
                continue
            for text in self.twin.differences(actor.order, actor.ledger):
                self._note("twin_agrees", text, entity)
            try:
                check_order(actor.order)
                check_ledger(actor.order, actor.ledger)
                check_ledger(folded, ledger)
            except InvariantViolated as error:
                self._note("invariants", str(error), entity)
        self.note(self.promises.committed(rows, self.books, broker))
        self.note(Violation("no_fill_doubled", text) for text in self.twin.doubled)

    def _check_order(self, folded: Order, live: Order, frozen: bool) -> None:
        cid = folded.terms.client_order_id
        if frozen != (cid in self.books.frozen):
            self._note("live_is_the_fold", f"frozen live: {frozen}, folded: {not frozen}", cid)
        elif _sent(live) != _sent(folded):
            self._note("live_is_the_fold", f"live {live}, folded {folded}", cid)

    def _the_broker(self) -> BrokerActor | None:
        if self._broker is None and self._system is not None:
            self._broker = self._system.brokers.get((self.venue, self.account))
        return self._broker

    # --- at every look ----------------------------------------------------------------------------

    def note_executions(self) -> None:
        """Remember what the venue executed, before it may be taken back."""
        executions, _ = self.exchange.executions(self.account, 0)
        for fill in executions:
            assert fill.side is not None  # lists say it
            key = (fill.instrument, fill.side.value, fill.exec_id)
            self._ever[key] = fill.last_qty, fill.last_px

    def check(self) -> list[Violation]:
        """Look at everything that has to hold at any time; gives what is new."""
        with exact():
            broker = self._the_broker()
            if broker is not None:
                self._check_live(broker)
            self.note(self.promises.looked(self.books, broker))
            self.note_executions()
            self._check_executions()
            self._check_venue()
        return self.new()

    def _check_live(self, broker: BrokerActor) -> None:
        held = {key: actor.position.qty for key, actor in broker.positions.items()}
        folded = {
            (symbol, slot): position
            for (_, _, symbol, slot), position in self.books.positions.items()
        }
        told = self.twin.positions()
        for key in dict.fromkeys([*held, *folded, *told]):
            self._check_position(broker, key, held.get(key, ZERO), told.get(key, ZERO))
        for cid, order in self.books.orders.items():
            is_done = order.life in TERMINAL and is_settled(order)
            actor = broker.orders.get(cid)
            if is_done is (actor is not None):
                where = "in memory" if is_done else "nowhere"
                self._note("live_is_the_fold", f"{order.life.name} by its facts, {where}", cid)
            elif actor is not None:
                self._check_order(order, actor.order, actor.frozen)

    def _check_position(
        self, broker: BrokerActor, key: tuple[str, PositionSlot], live: Decimal, told: Decimal
    ) -> None:
        symbol, slot = key
        position = self.books.positions.get((self.venue, self.account, symbol, slot))
        folded = ZERO if position is None else position.qty
        if not live == folded == told:
            text = f"{slot.name}: {live} live, {folded} folded, {told} by the twin"
            self._note("positions_are_the_fold", text, symbol)
        elif key in broker.positions and broker.positions[key].position != position:
            text = f"{broker.positions[key].position} live, {position} folded"
            self._note("positions_are_the_fold", text, symbol)

    def _check_executions(self) -> None:
        for key, cid in self.twin.owners.items():
            real = self._ever.get(key)
            trade = self.twin.orders[cid].trades.get(key[2])
            if trade is None:
                continue  # void
            if real is None:
                self._note("no_fill_invented", f"execution {key} is not the venue's", cid)
            elif real != (trade.qty, trade.px):
                text = f"execution {key} is booked as {trade}, the venue says {real}"
                self._note("fills_agree", text, cid)

    def _check_venue(self) -> None:
        attempts: dict[str, str] = {}
        for terms, seen in self.exchange.placed(self.account):
            cid = seen.client_order_id
            other = attempts.setdefault(terms.intent_id or cid, cid)
            if other != cid or attempts.setdefault(f"\0{cid}", "") != "":
                text = f"the venue has {other} and {cid} ({seen.venue_order_id})"
                self._note("nothing_placed_twice", text, terms.intent_id)
            attempts[f"\0{cid}"] = "seen"
            order = self.books.orders.get(cid)
            if order is None:
                if cid not in self.exchange.others:  # nobody writes a person's before it is told
                    self._note("written_before_sent", f"the venue has {seen}", cid)
            elif seen.status in _OPEN:
                self._check_working(order, seen.order_qty)

    def _check_working(self, order: Order, total: Decimal | None) -> None:
        """An order works at the venue, for ``total`` in all."""
        cid = order.terms.client_order_id
        if order.life in TERMINAL and is_settled(order):
            text = f"{order.life.name} with us, and it works at the venue"
            self._note("ended_is_ended", text, cid)
        exposure = None if cid in self.exchange.others else exposure_qty(order)
        if exposure is not None and total is not None and order.cum_qty + exposure < total:
            text = f"filled {order.cum_qty} and exposed {exposure}, of {total} at the venue"
            self._note("exposure_covers", text, cid)

    # --- at rest ----------------------------------------------------------------------------------

    def hand_over(self) -> list[str]:
        """Orders that are left to a person."""
        broker = self._the_broker()
        return [] if broker is None else broker.calls.hand_over()

    def is_quiet(self) -> bool:
        """The session is up, nothing flies, waits, is asked for or in doubt (but for the hand-over
        list).
        """
        broker = self._the_broker()
        if broker is None or broker.session.state is not SessionState.READY:
            return False
        if broker.session.in_flight or broker.session.queued:
            return False
        given_up = [] if can_prove(self.capabilities) else self.hand_over()
        return all(
            cid in given_up or _is_at_rest(actor.order) for cid, actor in broker.orders.items()
        )

    def at_rest(self, journal: Journal) -> list[Violation]:
        """What is wrong now that nothing is under way any more; nothing of it is noted."""
        broker, system = self._the_broker(), self._system
        if broker is None or system is None:
            return [Violation("converges", "no system runs")]
        bad: list[Violation] = []
        if broker.session.state is not SessionState.READY:
            bad.append(Violation("converges", f"the session is {broker.session.state.name}"))
        if broker.session.in_flight or broker.session.queued:
            text = f"{broker.session.in_flight} calls fly, {broker.session.queued} wait"
            bad.append(Violation("converges", text))
        with exact():
            truth = truth_of(self.exchange, self.account, others=self.exchange.others)
            bad += self._excused(compare(truth, self.books, self.venue, self.account))
            bad += self.promises.at_rest(truth, self.books, broker)
            bad += self._twin_of_venue()
        live, folded = system.state_digest().get(timeout=60), books_digest(self.books)
        if live != folded:
            bad.append(Violation("live_is_the_fold", f"digest {live} live, {folded} folded"))
        try:
            bad += [
                Violation("journal_is_whole", f"{check.name}: {example}")
                for check in verify(journal).checks
                for example in check.examples[: check.failed]
            ]
        except JournalError as error:
            bad.append(Violation("journal_is_whole", str(error)))
        return bad

    def unanswered(self, asked: Sequence[Future[Any]]) -> list[Violation]:
        """Commands of a life that nobody has answered."""
        waiting = sum(not answer.done() for answer in asked)
        if not waiting:
            return []
        text = f"{waiting} of {len(asked)} commands were never answered"
        return [Violation("commands_are_answered", text)]

    def _excused(self, found: list[Violation]) -> list[Violation]:
        """Without what the venue's abilities leave to a person."""
        left = self.hand_over()
        if not can_prove(self.capabilities):
            excused = ("nothing_unsettled", "orders_agree", "no_order_invented")
            return [v for v in found if v.invariant not in excused or v.entity not in left]
        text = "it is left to a person, and this venue can prove everything"
        return [*found, *(Violation("nothing_left_to_a_person", text, cid) for cid in left)]

    def _twin_of_venue(self) -> list[Violation]:
        """What follows from the venue's own orders and trades, by the dumb model."""
        executions, _ = self.exchange.executions(self.account, 0)
        placed, moved = self.exchange.placed(self.account), self.exchange.moved(self.account)
        twin = Twin.of_venue(self.instruments, placed, executions, moved)
        theirs = twin.positions()
        ours = {
            (symbol, slot): position.qty
            for (_, _, symbol, slot), position in self.books.positions.items()
        }
        bad = [
            Violation("twin_agrees", f"{ours.get(key, ZERO)}, the venue's twin says {qty}", key[0])
            for key, qty in theirs.items()
            if ours.get(key, ZERO) != qty
        ]
        for cid, there in twin.orders.items():
            here = self.books.orders.get(cid)
            if here is not None and here.cum_qty != there.cum_qty:
                text = f"filled {here.cum_qty}, the venue's twin says {there.cum_qty}"
                bad.append(Violation("twin_agrees", text, cid))
        return bad


def _is_at_rest(order: Order) -> bool:
    return is_dormant(order) or (
        not (order.requests or order.unverified)
        and order.claim_qty <= order.cum_qty
        and order.life not in (Life.PENDING, Life.SUBMITTED, Life.IN_DOUBT)
    )


def _sent(order: Order) -> Order:
    """As if it had left: whether it did is no fact of the journal."""
    return replace(order, life=Life.SUBMITTED) if order.life is Life.PENDING else order
