"""Checkpoints: at any record, what a restart makes of the last one and the facts behind it is what
folding every fact gives.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors import segments
from actors.checkpoints import Pace
from actors.journal import Batch, MemoryJournal
from actors.recovery import recover
from actors.retention import Retention
from actors.segments import HEAD
from actors.stored import load
from actors.venues.port import Throttled
from engine.errors import EngineError, JournalCorrupt
from engine.fold import Books, tombstone
from engine.journal import decode
from engine.messages import CorrectPosition, Filled, SetBaseline, TradeBusted
from engine.order import Ledger, Order, is_settled
from engine.order_steps import mark_unsent
from engine.order_tables import TERMINAL
from engine.values import CorrectionKind, InstrumentKind, PositionSlot, Side, exact

from .venues import HANG, SECOND, ScriptedVenue, System, btc, order, simulated

#: A call of a turn that is discarded was made and never begun.
pytestmark = pytest.mark.filterwarnings("ignore:.*was never awaited")

D = Decimal


def written(order_: Order, ledger: Ledger | None) -> bytes:
    """An order as a tombstone; waiting to leave and having left are the same to a restart."""
    return tombstone(mark_unsent(order_), ledger)


def is_open(order_: Order) -> bool:
    return not (order_.life in TERMINAL and is_settled(order_))


class Proven(MemoryJournal):
    """A journal that restarts in its mind after every append, as after a crash right then."""

    def __init__(self) -> None:
        super().__init__(incarnation="0001", created_ts=0)
        self.books = Books()
        self.revived: dict[str, None] = {}
        self.finished = 0  # checkpoints
        self.unfinished = 0  # appends while one was being written

    def append(self, batch: Batch) -> int:
        last = super().append(batch)
        self.finished += HEAD in batch.checkpoints
        self.unfinished += bool(batch.checkpoints) and HEAD not in batch.checkpoints
        with exact():
            for _, entity, kind, body in batch.facts:
                if kind == "ReviveOrder":
                    self.revived[entity] = None
                self.books.apply(entity, decode(body))
        self.prove()
        return last

    def prove(self) -> None:
        """A restart now finds what the fold of every fact says."""
        found, books = recover(self), self.books
        expected = {
            cid: written(one, books.ledgers.get(cid))
            for cid, one in books.orders.items()
            if is_open(one)
        }
        actual = {one.client_order_id: written(one, ledger) for one, ledger in found.open_orders}
        assert expected == actual, self.last_seq
        assert books.positions == found.books.positions, self.last_seq
        assert books.instruments == found.books.instruments, self.last_seq
        for cid in expected:
            if cid in self.revived:
                continue  # a tombstone does not say whether its order was frozen
            assert (cid in books.frozen) == (cid in found.books.frozen), (cid, self.last_seq)
        assert _parked(books, books) == _parked(found.books, books), self.last_seq

    def stones(self) -> list[tuple[str, bytes]]:
        """Every order there ever was, as the fold of every fact says."""
        books = self.books
        return [(cid, tombstone(one, books.ledgers.get(cid))) for cid, one in books.orders.items()]


def _parked(books: Books, known: Books) -> dict[str, list[str]]:
    """What waits for its order.

    Not what waits for an instrument, which is no state of the fold's; nor what one account holds
    although the order is another's by now: a fact does not say which account it was parked at.
    """
    return {
        name: sorted(map(repr, told))  # of two accounts, in the order of either
        for name, told in books.parked.items()
        if not name.startswith(("undefined:", "dead:")) and name not in known.orders
    }


class Traffic:
    """What happens to one system, chosen by small numbers."""

    def __init__(
        self, journal: MemoryJournal, pace: Pace, retention: Retention | None = None
    ) -> None:
        self.journal = journal
        self.pace = pace
        self.retention = retention
        inverse = replace(btc("v", "INV"), kind=InstrumentKind.INVERSE)
        self.venues = (
            ScriptedVenue(instruments=[btc("v"), inverse]),
            ScriptedVenue("w", instruments=[btc("w")]),
        )
        self.ids: list[tuple[ScriptedVenue, str]] = []
        self.fills: list[tuple[ScriptedVenue, Filled]] = []
        self.made = 0
        self.system = self._started(0)

    def _started(self, start_ns: int) -> System:
        system = simulated(
            *self.venues,
            journal=self.journal,
            ready=False,
            start_ns=start_ns,
            retention=self.retention,
        )
        system._checkpoints.pace = self.pace
        system.sim.run_for(SECOND // 10)
        return system

    def act(self, kind: int, which: int) -> None:
        """Do something, and let it have its effect."""
        kinds: tuple[Callable[[int], None], ...] = (
            self.submit, self.submit, self.fill, self.fill_up, self.cancel, self.amend, self.bust,
            self.repeat, self.park, self.take_up, self.state, self.redefine, self.freeze,
            self.throttle, self.fail, self.restart, self.crash,
        )  # fmt: skip
        self.made += 1
        kinds[kind % len(kinds)](which)
        self.system.sim.run_for(SECOND // 50)

    def _one(self, which: int) -> tuple[ScriptedVenue, str] | None:
        return self.ids[which % len(self.ids)] if self.ids else None

    def submit(self, which: int) -> None:
        venue = self.venues[which % 2]
        side = Side.BUY if which % 3 else Side.SELL
        ticket = self.system.submit(order(side, qty="4", venue=venue.name))
        self.system.sim.run_for(SECOND // 50)
        if ticket.client_order_id in venue.orders:
            self.ids.append((venue, ticket.client_order_id))

    def fill(self, which: int, qty: str = "1") -> None:
        found = self._one(which)
        if found is not None:
            venue, cid = found
            fill = venue.fill(cid, f"x{self.made}", qty, str(100 + which % 5), fee=D("0.1"))
            self.fills.append((venue, fill))
            venue.push(fill)

    def fill_up(self, which: int) -> None:
        self.fill(which, "4")

    def cancel(self, which: int) -> None:
        found = self._one(which)
        if found is not None:
            self.system.cancel(found[1])

    def amend(self, which: int) -> None:
        found = self._one(which)
        if found is not None:
            self.system.amend(found[1], price=D(90 + which % 20))

    def bust(self, which: int) -> None:
        if self.fills:
            venue, fill = self.fills[which % len(self.fills)]
            venue.push(TradeBusted(fill.client_order_id, venue.now(), fill.exec_id))

    def repeat(self, which: int) -> None:
        if self.fills:
            venue, fill = self.fills[which % len(self.fills)]
            venue.push(fill)

    def park(self, which: int) -> None:
        """A fill of an order nobody knows yet, by our id or by the venue's."""
        venue = self.venues[which % 2]
        if which % 3:
            venue.push(Filled(f"MINE{which % 4}", venue.now(), f"p{self.made}", D(1), D(100)))
        else:
            id_to_come = f"{venue.name}-{venue._ids + 1 + which % 2}"
            lost = Filled("", venue.now(), f"p{self.made}", D(1), D(100), venue_order_id=id_to_come)
            venue.push(lost)

    def take_up(self, which: int) -> None:
        """Introduce an order that may have been spoken of before."""
        venue = self.venues[which % 2]
        self.system.submit(order(qty="3", venue=venue.name, client_order_id=f"MINE{which % 4}"))

    def state(self, which: int) -> None:
        venue, slot = self.venues[which % 2], PositionSlot.NET
        at = venue.name, venue.account, "BTC/USDT", slot
        if which % 3:
            cost = CorrectPosition(
                *at, CorrectionKind.FUNDING, venue.now(), amount=D("-0.5"), currency="USDT"
            )
            self.system.state_position(cost)
        else:
            self.system.state_position(SetBaseline(*at, D(which), D(100), venue.now()))

    def redefine(self, which: int) -> None:
        changed = replace(btc("v"), tick_size=D(1 + which % 3) / 100)
        self.system.in_turn(lambda: self.system._definitions.define_all([changed]))

    def freeze(self, which: int) -> None:
        """An execution that no arithmetic can book: its order is frozen."""
        venue = self.venues[0]
        ticket = self.system.submit(order(qty="4", venue=venue.name, instrument="INV"))
        self.system.sim.run_for(SECOND // 50)
        if ticket.client_order_id in venue.orders:
            self.ids.append((venue, ticket.client_order_id))
            cid = ticket.client_order_id
            venue.push(Filled(cid, venue.now(), f"h{self.made}", D(1), D(0)))

    def throttle(self, which: int) -> None:
        """An order that leaves, is sent back by a rate limit, and is cancelled before it leaves."""
        venue = self.venues[which % 2]
        venue.script("place", HANG)
        ticket = self.system.submit(order(venue=venue.name))
        self.submit(which + 1)
        self.cancel(which)
        for _, _, waiting in venue.hanging:
            if not waiting.done():
                waiting.set(Throttled(SECOND))
        venue.hanging.clear()
        self.system.sim.run_for(SECOND // 50)
        self.system.cancel(ticket)

    def fail(self, which: int) -> None:
        """The disk is full for a while, and orders move meanwhile."""
        self.journal.unavailable = "has no space"
        self.fill(which)
        self.system.sim.run_for(SECOND // 2)
        self.journal.unavailable = ""
        self.system.sim.run_for(SECOND // 2)

    def restart(self, which: int) -> None:
        now = self.system.sim.time_ns() + SECOND
        self.system.stop(timeout=0.5)
        self.journal.unavailable = ""
        self.system = self._started(now)

    def crash(self, which: int) -> None:
        now = self.system.sim.time_ns() + SECOND
        self.system = self._started(now)


PACES = st.builds(
    Pace,
    facts=st.integers(1, 12),
    least=st.integers(1, 2),
    most=st.integers(1, 3),
)
ACTIONS = st.lists(st.tuples(st.integers(0, 16), st.integers(0, 30)), min_size=5, max_size=40)


@pytest.fixture(autouse=True)
def no_waste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old segments are given up as soon as there is more waste than state."""
    monkeypatch.setattr(segments, "WASTE_LEAST", 0)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pace=PACES, actions=ACTIONS)
def test_a_restart_at_any_record_is_the_full_fold(
    pace: Pace, actions: list[tuple[int, int]]
) -> None:
    """Whatever happens, and however small the pieces in which checkpoints are written."""
    journal = Proven()
    traffic = Traffic(journal, pace)
    for kind, which in actions:
        try:
            traffic.act(kind, which)
        except EngineError:
            journal.prove()  # refused: and nothing is different for it
    traffic.restart(0)
    assert journal.finished


@pytest.mark.parametrize("seed", range(30))
def test_a_restart_in_long_traffic_is_the_full_fold(seed: int) -> None:
    """As above, over longer stretches."""
    draw = random.Random(seed)
    pace = Pace(draw.randint(1, 12), draw.randint(1, 2), draw.randint(1, 3))
    journal = Proven()
    traffic = Traffic(journal, pace)
    for _ in range(80):
        try:
            traffic.act(draw.randrange(17), draw.randrange(31))
        except EngineError:
            journal.prove()
    traffic.restart(0)
    assert journal.finished > 1


def later(system: System) -> int:
    """When the next life may start, after a stop or a crash of this one."""
    return system.sim.time_ns() + SECOND


def stop(system: System) -> None:
    """An orderly stop; its journal in memory can be used again."""
    journal = system.journal
    assert isinstance(journal, MemoryJournal)
    system.stop()
    journal.unavailable = ""


def test_a_bust_of_a_closed_order_behind_the_checkpoint_reaches_its_position() -> None:
    """Of closed orders those are folded that a position needs, though all their fills are older."""
    journal, venue = Proven(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    cid = system.submit(order(qty="2")).client_order_id
    system.sim.run_for(SECOND)
    venue.push(venue.fill(cid, "x1", "1"))
    system.sim.run_for(SECOND)
    stop(system)
    venue.fills.clear()
    venue.orders[cid].cum = D(0)
    again = simulated(venue, journal=journal, start_ns=later(system))
    venue.push(TradeBusted(cid, venue.now(), "x1"))
    again.cancel(cid)
    again.sim.run_for(60 * SECOND)
    assert journal.closed_order(cid) is not None
    found = recover(journal)
    assert [D(0)] == [held.qty for held in found.books.positions.values()]
    assert () == found.open_orders


def test_closed_orders_that_nothing_needs_are_not_folded() -> None:
    """Orders that came and went without an execution cost a restart no step, and no decoding."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    kept = system.submit(order(price="90")).client_order_id
    for _ in range(20):
        ticket = system.submit(order(price="91"))
        system.sim.run_for(SECOND // 50)
        system.cancel(ticket)
        system.sim.run_for(SECOND // 50)
    found = recover(journal)
    assert [kept] == list(found.books.orders)
    others = journal.last_seq - 20 * 4
    assert others == found.facts_folded


def test_a_checkpoint_writes_only_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size follows the traffic, a bounded number of entries with each turn; an order that
    nothing happened to is not written again.
    """
    monkeypatch.setattr(segments, "WASTE_LEAST", 10_000)
    journal, venue = Sizes(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    tickets = [system.submit(order(price="90")) for _ in range(300)]
    system.sim.run_for(SECOND)
    stop(system)
    again = simulated(venue, journal=journal, ready=False, start_ns=later(system))
    venue.script("open_orders", HANG)
    again.sim.run_for(SECOND)
    journal.sizes.clear()
    again._checkpoints.pace = Pace(facts=100, least=2, most=5)
    for ticket in tickets[:220]:
        again.amend(ticket, price=D(91))
        again.sim.run_for(SECOND // 50)
    assert 300 < load(journal).seq
    assert 0 < max(journal.sizes) <= 5
    assert 150 <= sum(journal.sizes) <= 200
    assert 300 == len(recover(journal).open_orders)


class Sizes(MemoryJournal):
    """Notes how many entries of checkpoints each append holds."""

    def __init__(self) -> None:
        super().__init__(incarnation="0001", created_ts=0)
        self.sizes: list[int] = []

    def append(self, batch: Batch) -> int:
        rows = [body for key, body in batch.checkpoints.items() if key.startswith("segment:")]
        if rows:
            self.sizes.append(sum(body.count(b'["order",') for body in rows))
        return super().append(batch)


def test_what_is_of_an_absent_account_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions and parked reports of a venue that a life does not have outlive its checkpoints,
    also where old segments are given up.
    """
    monkeypatch.setattr(segments, "WASTE_LEAST", 0)
    journal, venue, other = MemoryJournal(), ScriptedVenue(), ScriptedVenue("w")
    system = simulated(venue, journal=journal)
    cid = system.submit(order()).client_order_id
    system.sim.run_for(SECOND)
    venue.push(venue.fill(cid, "x1", "1"))
    venue.push(Filled("", venue.now(), "p1", D(1), D(100), venue_order_id="v-99"))
    system.sim.run_for(SECOND)
    stop(system)
    between = simulated(other, journal=journal, start_ns=later(system))
    between._checkpoints.pace = Pace(facts=2, least=1, most=1)
    for _ in range(30):
        ticket = between.submit(order())
        between.sim.run_for(SECOND // 50)
        between.cancel(ticket)
        between.sim.run_for(SECOND // 50)
    stop(between)
    head = load(journal).shelf.head
    assert head is not None
    assert head.oldest > 3
    third = simulated(venue, journal=journal, start_ns=later(between))
    assert D(1) == third.qty()
    assert ["venue:v:main:v-99"] == list(third.brokers["v", "main"].intake.parked)


def test_parked_reports_of_two_accounts_stay_apart() -> None:
    """What two venues said under one id is each venue's own after a restart."""
    journal, venue, other = MemoryJournal(), ScriptedVenue(), ScriptedVenue("w")
    system = simulated(venue, other, journal=journal)
    for at, exec_id in ((venue, "one"), (other, "two")):
        at.push(Filled("MINE", at.now(), exec_id, D(1), D(100)))
    system.sim.run_for(SECOND)
    stop(system)
    again = simulated(venue, other, journal=journal, start_ns=later(system))
    held = {
        name: [getattr(report, "exec_id", "") for report in broker.intake.parked["MINE"]]
        for (name, _), broker in again.brokers.items()
    }
    assert {"v": ["one"], "w": ["two"]} == held


def test_a_journal_of_before_there_were_segments_is_read_and_rewritten() -> None:
    """One row for each thing: a restart takes it up, and the next checkpoint replaces it."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    cid = system.submit(order(qty="2")).client_order_id
    system.sim.run_for(SECOND)
    venue.push(venue.fill(cid, "x1", "1"))
    venue.push(Filled("MINE1", venue.now(), "p1", D(1), D(100)))
    system.sim.run_for(SECOND)
    before = system.state_digest().get(timeout=1)
    stop(system)
    old = as_rows(journal)
    journal.append(old)
    assert len(old.checkpoints) == len(journal.checkpoints())
    venue.script("connect", HANG, HANG)
    again = simulated(venue, journal=journal, start_ns=later(system))
    assert before == again.state_digest().get(timeout=1)
    assert ["MINE1"] == list(again.brokers["v", "main"].intake.parked)
    stop(again)
    assert {HEAD, "segment:000000000001"} == set(journal.checkpoints())
    third = simulated(venue, journal=journal, start_ns=later(again))
    assert before == third.state_digest().get(timeout=1)


def as_rows(journal: MemoryJournal) -> Batch:
    """The checkpoint of a journal, as it was written before there were segments."""
    stored, made = load(journal), Batch()
    made.checkpoints_removed += journal.checkpoints()
    for cid, (one, ledger) in stored.orders.items():
        made.checkpoints[f"order:{cid}"] = tombstone(one, ledger)
    for kind, name, value in stored.values():
        at = msgspec.json.decode(name)[2] if kind == "parked" else name
        made.checkpoints[f"{kind}:{at}"] = msgspec.json.encode(value)
    return made


def test_a_checkpoint_that_cannot_be_read_is_named() -> None:
    """A segment that is missing or is no segment stops the start, and nothing is guessed."""
    journal = MemoryJournal()
    system = simulated(journal=journal)
    system.submit(order())
    system.sim.run_for(SECOND)
    stop(system)
    broken = Batch()
    broken.checkpoints["segment:000000000001"] = b'[["order","x",{}]]'
    journal.append(broken)
    with pytest.raises(JournalCorrupt, match="a closed order cannot be read"):
        recover(journal)
    broken.checkpoints["segment:000000000001"] = b'[["sparrow","x",{}]]'
    journal.append(broken)
    with pytest.raises(JournalCorrupt, match="segment 1 of its checkpoint cannot be read"):
        recover(journal)
    broken.clear()
    broken.checkpoints_removed.append("segment:000000000001")
    journal.append(broken)
    with pytest.raises(JournalCorrupt, match="segment 1 of its checkpoint is missing"):
        recover(journal)
