"""Restart from the journal: after a stop, after a crash, after kill -9, with everything as it
was.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors import Until
from actors.journal import Journal, MemoryJournal, SqliteJournal
from engine.errors import DuplicateIntent, InvalidValue, JournalLocked
from engine.fold import Books, digest, tombstone
from engine.journal import decode_record
from engine.messages import Filled
from engine.values import OrderState, Side, exact

from .venues import EPOCH_NS, HANG, SECOND, ScriptedVenue, System, btc, order, simulated

D = Decimal


def crash(system: System) -> None:
    """Let go of a system as if its process had died: nothing is said, nothing more is written."""
    system.journal.close()


def later(system: System) -> int:
    """A virtual time after everything that happened."""
    return system.sim.time_ns() + SECOND


def folded(journal: Journal) -> Books:
    """The full fold of a journal."""
    books = Books()
    with exact():
        for record in journal.records():
            books.apply(record.entity, decode_record(record))
    return books


def fold_digest(journal: Journal) -> str:
    """The digest of the full fold."""
    books = folded(journal)
    stones = [(cid, tombstone(one, books.ledgers.get(cid))) for cid, one in books.orders.items()]
    return digest(stones, books.positions.values(), books.groups.values())


def busy(system: System, venue: ScriptedVenue) -> dict[str, str]:
    """Orders in every kind of life; their ids by what they are."""
    tickets = {
        name: system.submit(order(qty="2", price=price, intent_id=name, tags=(("n", name),)))
        for name, price in (
            ("works", "98"),
            ("partial", "99"),
            ("filled", "100"),
            ("cancelled", "97"),
        )
    }
    system.sim.run_for(SECOND)
    cid = {name: ticket.client_order_id for name, ticket in tickets.items()}
    venue.push(venue.fill(cid["partial"], "p1", "0.5", "99", fee=D("0.1"), fee_currency="USDT"))
    venue.push(venue.fill(cid["filled"], "f1", "2"))
    system.cancel(tickets["cancelled"])
    system.sim.run_for(SECOND)
    return cid


def test_everything_is_as_it_was_after_a_stop(tmp_path: Path) -> None:
    """Stopped and started on the same journal: the same digest, orders, position and intents."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    cid = busy(system, venue)
    before, held = system.state_digest().get(timeout=1), system.qty()
    system.stop()
    venue.script("connect", HANG)  # what the venue adds comes later
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    assert (before, held) == (again.state_digest().get(timeout=1), again.qty())
    again.sim.run_for(60 * SECOND)
    assert (
        cid["works"]
        == again.submit(
            order(qty="2", price="98", intent_id="works", tags=(("n", "works"),))
        ).client_order_id
    )
    assert (
        cid["filled"]
        == again.submit(
            order(qty="2", price="100", intent_id="filled", tags=(("n", "filled"),))
        ).client_order_id
    )
    for name in ("works", "filled"):
        with pytest.raises(DuplicateIntent):
            again.submit(order(qty="1", price="98", intent_id=name))
    assert 4 == venue.count("place")
    assert (("n", "partial"),) == again.order(cid["partial"]).get(timeout=1).tags
    again.stop()


def test_a_crash_loses_nothing(tmp_path: Path) -> None:
    """After a crash the journal alone gives the same orders and positions, and work goes on."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    cid = busy(system, venue)
    before = system.state_digest().get(timeout=1)
    crash(system)
    venue.script("connect", HANG)
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    assert before == again.state_digest().get(timeout=1)
    again.sim.run_for(60 * SECOND)
    again.cancel(cid["works"])
    venue.push(venue.fill(cid["partial"], "p2", "1.5", "99"))
    again.sim.run_for(SECOND)
    assert OrderState.CANCELLED is again.order(cid["works"]).get(timeout=1).state
    assert OrderState.FILLED is again.order(cid["partial"]).get(timeout=1).state
    assert D(4) == again.qty()
    again.stop()


@pytest.mark.parametrize("arrived", [False, True])
def test_what_was_on_the_wire_is_in_doubt_until_the_venue_has_spoken(
    tmp_path: Path, arrived: bool
) -> None:
    """An order sent and not answered before a crash is IN_DOUBT after it, and settled by asking."""
    venue = ScriptedVenue()
    venue.script("place", (HANG, arrived))
    system = simulated(venue, journal=tmp_path / "j")
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    crash(system)
    venue.script("connect", HANG)
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    assert OrderState.IN_DOUBT is again.order(ticket.client_order_id).get(timeout=1).state
    again.sim.run_for(120 * SECOND)
    settled = again.order(ticket.client_order_id).get(timeout=1).state
    assert settled is (OrderState.ACCEPTED if arrived else OrderState.REJECTED)
    assert 1 == venue.count("place")
    again.stop()


def test_a_cancel_on_the_wire_is_in_doubt_after_a_crash(tmp_path: Path) -> None:
    """A cancel without an answer before a crash is of unknown outcome after it, and settled by
    asking.
    """
    venue = ScriptedVenue()
    venue.script("cancel", (HANG, True))
    system = simulated(venue, journal=tmp_path / "j")
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.cancel(ticket)
    system.sim.run_for(SECOND)
    crash(system)
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    again.sim.run_for(10 * SECOND)
    assert OrderState.CANCELLED is again.order(ticket.client_order_id).get(timeout=1).state
    again.stop()


def test_an_ended_order_with_an_open_question_is_asked_about_after_every_restart(
    tmp_path: Path,
) -> None:
    """Filled, raised, and the answer lost; then two crashes in a row: the second restart finds the
    amend of unknown outcome already, and asks all the same.
    """
    venue = ScriptedVenue()
    venue.script("amend", (HANG, False))
    system = simulated(venue, journal=tmp_path / "j")
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    venue.push(venue.fill(ticket.client_order_id, "x1", "1"))
    system.amend(ticket, order_qty=D(3))
    system.sim.run_for(SECOND)
    crash(system)
    venue.script("query", HANG)
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    assert again.order(ticket.client_order_id).get(timeout=1).requests
    crash(again)
    third = simulated(venue, journal=tmp_path / "j", start_ns=later(again))
    third.sim.run_for(60 * SECOND)
    view = third.order(ticket.client_order_id).get(timeout=1)
    assert (OrderState.FILLED, D(1), ()) == (view.state, view.cum_qty, view.requests)
    third.stop()


def test_fills_that_came_while_nobody_listened_are_read_at_the_start(tmp_path: Path) -> None:
    """An order filled between two lives of the system is filled, once, when it starts again."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    ticket = system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    venue.push(venue.fill(ticket.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    crash(system)
    venue.fill(ticket.client_order_id, "x2", "1")
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    again.sim.run_for(5 * SECOND)
    view = again.order(ticket.client_order_id).get(timeout=1)
    assert (OrderState.FILLED, D(2), D(2)) == (view.state, view.cum_qty, again.qty())
    again.stop()


def test_a_late_fill_after_a_restart_finds_its_tombstone(tmp_path: Path) -> None:
    """A fill of an order that closed in an earlier life is booked once, and the next life
    agrees.
    """
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    cid = busy(system, venue)["cancelled"]
    system.stop()
    late = venue.fill(cid, "late", "1", "97")
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    for _ in range(2):
        venue.push(late)
        again.sim.run_for(SECOND)
    before = again.state_digest().get(timeout=1)
    view = again.order(cid).get(timeout=1)
    assert (OrderState.CANCELLED, D(1), D("3.5")) == (view.state, view.cum_qty, again.qty())
    crash(again)
    third = simulated(venue, journal=tmp_path / "j", start_ns=later(again))
    third.sim.run_for(SECOND)
    assert (before, D("3.5")) == (third.state_digest().get(timeout=1), third.qty())
    third.stop()


def test_a_late_fill_that_names_only_the_venues_id_finds_its_closed_order() -> None:
    """Not every venue repeats our id: what closed is found by either, in this life and the next."""
    venue, journal = ScriptedVenue(), MemoryJournal()
    system = simulated(venue, journal=journal)
    ticket = system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    cid = ticket.client_order_id
    venue_id = venue.orders[cid].venue_order_id
    system.cancel(ticket)
    system.sim.run_for(SECOND)
    assert () == system.orders().get(timeout=1)
    venue.push(Filled("", venue.now(), "x1", D("0.5"), D(100), venue_order_id=venue_id))
    system.sim.run_for(SECOND)
    assert (D("0.5"), D("0.5")) == (system.order(cid).get(timeout=1).cum_qty, system.qty())
    system.stop()
    journal.unavailable = ""
    again = simulated(venue, journal=journal, start_ns=system.sim.time_ns() + SECOND)
    venue.push(Filled("", venue.now(), "x2", D("0.5"), D(100), venue_order_id=venue_id))
    again.sim.run_for(SECOND)
    assert (D(1), D(1)) == (again.order(cid).get(timeout=1).cum_qty, again.qty())
    again.stop()


def test_checkpoint_and_tail_are_the_full_fold(tmp_path: Path) -> None:
    """Starting from a checkpoint and the facts after it gives what folding everything gives."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    busy(system, venue)
    system.stop()
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    assert again.recovered.checkpoint_seq > 0
    more = again.submit(order(Side.SELL, qty="1", price="101"))
    again.sim.run_for(SECOND)
    venue.push(venue.fill(more.client_order_id, "s1", "1", "101"))
    again.sim.run_for(SECOND)
    assert fold_digest(again.journal) == again.state_digest().get(timeout=1)
    crash(again)
    third = simulated(venue, journal=tmp_path / "j", ready=False, start_ns=later(again))
    assert 0 < third.recovered.facts_folded < third.journal.last_seq
    assert fold_digest(third.journal) == third.state_digest().get(timeout=1)
    third.stop()


def test_open_orders_of_a_venue_that_is_missing_are_an_error(tmp_path: Path) -> None:
    """A system without the venue account that has open orders refuses to start, and names it."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    system.submit(order())
    system.sim.run_for(SECOND)
    system.stop()
    with pytest.raises(InvalidValue, match="v/main"):
        simulated(ScriptedVenue("w"), journal=tmp_path / "j", start_ns=later(system))
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    again.stop()


def test_a_position_of_an_absent_venue_is_not_forgotten(tmp_path: Path) -> None:
    """A life without one venue keeps that venue's position for the next life that has it."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    venue.push(venue.fill(ticket.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    system.stop()
    other = ScriptedVenue("w")
    between = simulated(other, journal=tmp_path / "j", start_ns=later(system))
    between.submit(order())
    between.sim.run_for(SECOND)
    between.stop(open_orders="cancel")
    third = simulated(venue, journal=tmp_path / "j", start_ns=later(between))
    assert D(1) == third.qty()
    assert fold_digest(third.journal) == third.state_digest().get(timeout=1)
    third.stop()


def test_a_second_system_on_the_same_journal_is_refused(tmp_path: Path) -> None:
    """A journal belongs to one running system; a second one is told so and nothing is harmed."""
    system = simulated(journal=tmp_path / "j")
    with pytest.raises(JournalLocked):
        simulated(journal=tmp_path / "j")
    assert OrderState.ACCEPTED is system.submit(order()).wait(5, Until.ACCEPTED).state
    system.stop()


def test_ids_never_come_again(tmp_path: Path) -> None:
    """Client order ids of a new life differ from all earlier ones, used or refused."""
    seen: list[str] = []
    start = 0
    for _ in range(3):
        venue = ScriptedVenue()
        system = simulated(venue, journal=tmp_path / "j", start_ns=start)
        tickets = [system.submit(order(price=str(90 + n))) for n in range(5)]
        system.sim.run_for(SECOND)
        seen += [ticket.client_order_id for ticket in tickets]
        start = later(system)
        system.stop(open_orders="cancel")
    assert 15 == len(set(seen))


def test_ids_never_come_again_however_fast_lives_follow_each_other() -> None:
    """A life that draws many numbers in no time, dies and is followed at once gives none twice."""
    journal, venue = MemoryJournal(created_ts=EPOCH_NS), ScriptedVenue()
    start, seen = EPOCH_NS + 3600 * SECOND, list[str]()
    for life in range(4):
        system = simulated(venue, journal=journal, start_ns=start, ready=False)
        seen += [system.submit(order(intent_id=f"{life}-{n}")).client_order_id for n in range(50)]
        system.sim.run_ready()
        start = system.sim.time_ns()  # no time at all passes
    assert 200 == len(set(seen)) == len(folded(journal).orders)


def test_several_lives_over_one_memory_journal_agree_with_the_fold() -> None:
    """However often a system crashes, live state equals the full fold of what was written."""
    journal, venue, start = MemoryJournal(), ScriptedVenue(), 0
    for life in range(4):
        system = simulated(venue, journal=journal, seed=life, fifo=False, start_ns=start)
        ticket = system.submit(order(qty="2"))
        system.sim.run_for(SECOND)
        venue.push(venue.fill(ticket.client_order_id, f"x{life}", "1"))
        system.sim.run_for(SECOND)
        assert fold_digest(journal) == system.state_digest().get(timeout=1)
        assert D(life + 1) == system.qty()
        start = later(system)


CHILD = """
import sys
from actors import ExecutionSystem, Until
from tests.actors.venues import ScriptedVenue, order

with ExecutionSystem([ScriptedVenue()], journal=sys.argv[1]) as system:
    for n in range(10_000):
        ticket = system.submit(order(price="90", intent_id=f"i{n}"))
        ticket.wait(10, Until.ACCEPTED)
        print(ticket.client_order_id, flush=True)
"""


def test_kill_minus_nine_leaves_a_whole_journal(tmp_path: Path) -> None:
    """Killed with SIGKILL in the middle of work, the journal is whole and has every acknowledged
    order.
    """
    path = tmp_path / "j"
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        text=True,
    )
    assert child.stdout is not None
    printed = [child.stdout.readline().strip() for _ in range(20)]
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    printed += [line.strip() for line in child.stdout.read().splitlines() if line.strip()]
    child.stdout.close()
    with SqliteJournal(path) as journal:
        assert [] == journal.verify()
        books = folded(journal)
    assert [] == [cid for cid in printed if cid not in books.orders]
    system = simulated(ScriptedVenue(), journal=path)
    assert len(books.orders) == len(system.orders().get(timeout=1))
    system.stop(timeout=0.5)


def test_an_instrument_may_change_between_two_lives(tmp_path: Path) -> None:
    """Rules that changed are journalled, and what was booked stays booked by the rules of its
    time.
    """
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    venue.push(venue.fill(ticket.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    system.stop()
    changed = ScriptedVenue(instruments=[replace(btc("v"), tick_size=D("0.5"))])
    again = simulated(changed, journal=tmp_path / "j", start_ns=later(system))
    again.sim.run_for(SECOND)
    assert D(1) == again.qty()
    assert D("0.5") == again.brokers["v", "main"].instruments["BTC/USDT"].tick_size
    assert fold_digest(again.journal) == again.state_digest().get(timeout=1)
    again.stop()
