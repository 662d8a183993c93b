"""A journal that cannot be written: nothing becomes visible, nothing is lost, cancels leave all
the same.
"""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from actors import Until
from actors.journal import MemoryJournal, SqliteJournal
from actors.venues.port import Refused
from engine.errors import JournalUnavailable
from engine.messages import Filled, SubmitOrder
from engine.values import OrderState

from .test_restart import fold_digest
from .venues import SECOND, ScriptedVenue, System, btc, order, simulated

D = Decimal


class Disk:
    """A real SQLite journal on a disk that can be full: its file may not grow beyond what it
    has.
    """

    def __init__(self, path: Path) -> None:
        self.journal = SqliteJournal(path)
        writer = self.journal._writer
        assert isinstance(writer, sqlite3.Connection)
        self._writer = writer

    def fill(self) -> None:
        """No page is free any more."""
        self._writer.execute("PRAGMA max_page_count = 1")

    def free(self) -> None:
        """There is room again."""
        self._writer.execute("PRAGMA max_page_count = 1000000")


class Memory:
    """A journal in memory that can be told to fail."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()

    def fill(self) -> None:
        self.journal.unavailable = "has a full disk"

    def free(self) -> None:
        self.journal.unavailable = ""


def started(disk: Disk | Memory, venue: ScriptedVenue) -> System:
    """A system on that disk, retrying its journal every 200 virtual milliseconds."""
    return simulated(venue, journal=disk.journal)


def big(n: int = 1) -> SubmitOrder:
    """An order whose fact needs pages of its own."""
    tags = tuple((f"k{i}", "x" * 250) for i in range(16))
    return order(price=str(90 + n), tags=tags)


def test_a_full_disk_halts_entries_and_shows_nothing(tmp_path: Path) -> None:
    """With a really full SQLite file an order stays invisible until there is room, then leaves,
    once.
    """
    disk, venue = Disk(tmp_path / "j"), ScriptedVenue()
    system = started(disk, venue)
    disk.fill()
    tickets = [system.submit(big(n)) for n in range(4)]
    events = len(system.seen)
    system.sim.run_for(SECOND)
    assert 0 == venue.count("place")
    assert ["Alarm"] == [type(event).__name__ for event in system.seen[events:]]
    with pytest.raises(JournalUnavailable):
        system.submit(order())
    disk.free()
    system.sim.run_for(SECOND)
    assert 4 == venue.count("place")
    states = [system.order(ticket).get(timeout=1).state for ticket in tickets]
    assert [OrderState.ACCEPTED] * 4 == states
    assert OrderState.ACCEPTED is system.submit(order()).wait(1, Until.ACCEPTED).state
    assert [] == disk.journal.verify()
    assert fold_digest(disk.journal) == system.state_digest().get(timeout=1)
    system.stop()


def test_inputs_keep_their_order_over_a_failure() -> None:
    """What was accepted or reported while the journal failed is handled in the order it came."""
    disk, venue = Memory(), ScriptedVenue()
    system = started(disk, venue)
    working = system.submit(order(qty="3"))
    system.sim.run_for(SECOND)
    disk.fill()
    first = system.submit(order(price="91"))
    fill = venue.fill(working.client_order_id, "x1", "1")
    venue.push(fill)
    system.sim.run_for(SECOND)
    assert (D(0), 1) == (system.qty(), venue.count("place"))
    disk.free()
    system.sim.run_for(SECOND)
    kinds = [record.kind for record in disk.journal.records()][-3:]
    assert ["SubmitOrder", "Filled", "Accepted"] == kinds
    assert D(1) == system.qty()
    assert OrderState.ACCEPTED is system.order(first).get(timeout=1).state
    system.stop()


def test_a_cancel_leaves_while_nothing_can_be_written() -> None:
    """A cancel asked for while the journal fails leaves at once, with an alarm, and is written
    first afterwards.
    """
    disk, venue = Memory(), ScriptedVenue()
    system = started(disk, venue)
    one = system.submit(order())
    system.sim.run_for(SECOND)
    disk.fill()
    queued = system.submit(order(price="91"))
    system.sim.run_for(SECOND)
    system.cancel(one).get(timeout=1)
    system.sim.run_for(SECOND)
    assert 1 == venue.count("cancel")
    assert 1 == len(system.alarms("unjournalled"))
    before = disk.journal.last_seq
    disk.free()
    system.sim.run_for(SECOND)
    records = list(disk.journal.records(after=before))
    assert "CancelOrder" == records[0].kind
    assert OrderState.CANCELLED is one.wait(1).state
    assert OrderState.ACCEPTED is system.order(queued).get(timeout=1).state
    assert 1 == venue.count("cancel")
    assert fold_digest(disk.journal) == system.state_digest().get(timeout=1)
    system.stop()


def test_a_host_that_cancels_again_and_again_fills_no_memory() -> None:
    """While the journal fails each cancel of an order leaves, and one of them is kept to be
    written: the newest.
    """
    disk, venue = Memory(), ScriptedVenue()
    system = started(disk, venue)
    venue.script("cancel", *[Refused("busy")] * 29)
    one = system.submit(order())
    system.sim.run_for(SECOND)
    disk.fill()
    system.submit(order(price="91"))
    system.sim.run_for(SECOND)
    for _ in range(30):
        system.cancel(one).get(timeout=1)
        system.sim.run_for(SECOND)
    assert 30 == venue.count("cancel")
    assert 1 == len(system.turn.first_words)
    assert 1 == len(system.brokers["v", "main"].trouble.left_early)
    disk.free()
    system.sim.run_for(SECOND)
    cancels = [one for one in disk.journal.records() if one.kind == "CancelOrder"]
    assert 1 == len(cancels)
    assert OrderState.CANCELLED is one.wait(1).state
    assert (0, 30) == (len(system.turn.first_words), venue.count("cancel"))
    assert fold_digest(disk.journal) == system.state_digest().get(timeout=1)
    system.stop()


def test_the_cancel_that_discovers_the_failure_leaves_too() -> None:
    """The first message whose commit fails may be a cancel: it leaves, and only once."""
    disk, venue = Memory(), ScriptedVenue()
    system = started(disk, venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    disk.fill()
    system.cancel(ticket)
    system.sim.run_for(2 * SECOND)
    assert 1 == venue.count("cancel")
    disk.free()
    system.sim.run_for(SECOND)
    assert OrderState.CANCELLED is ticket.wait(1).state
    assert 1 == venue.count("cancel")
    assert fold_digest(disk.journal) == system.state_digest().get(timeout=1)
    system.stop()


def test_a_stop_ends_although_nothing_can_be_written() -> None:
    """With a journal that fails for good, stop() ends in its time and says what was not written."""
    disk, venue = Memory(), ScriptedVenue()
    system = started(disk, venue)
    system.submit(order())
    system.sim.run_for(SECOND)
    disk.fill()
    lost = system.submit(order(price="91")).until()
    system.sim.run_for(SECOND)
    snapshot = system.stop(timeout=2.0)
    assert "full disk" in snapshot.journal_error
    assert 1 == len(snapshot.orders)
    with pytest.raises(Exception, match="stop"):
        lost.get(timeout=0)


def test_an_instrument_learnt_in_a_discarded_turn_is_written_later() -> None:
    """A definition whose turn could not be committed is journalled with the turn that can."""
    disk, venue = Memory(), ScriptedVenue()
    system = started(disk, venue)
    disk.fill()
    system.sim.call_soon(lambda: system._definitions.define_all([btc("v", "ETH/USDT")]))
    system.sim.run_for(SECOND)
    disk.free()
    system.sim.run_for(SECOND)
    names = [
        record.entity for record in disk.journal.records() if record.kind == "DefineInstrument"
    ]
    assert ["instrument:v:BTC/USDT", "instrument:v:ETH/USDT"] == names
    system.stop()


def test_a_report_parked_in_a_discarded_turn_is_parked_once() -> None:
    """A report that waits for its order is kept once, however often its turn was discarded."""
    disk, venue = Memory(), ScriptedVenue()
    system = started(disk, venue)
    disk.fill()
    venue.push(Filled("LATER", venue.now(), "z1", D(1), D(100)))
    system.sim.run_for(SECOND)
    disk.free()
    system.sim.run_for(SECOND)
    assert {"LATER": 1} == {
        name: len(reports) for name, reports in system.brokers["v", "main"].intake.parked.items()
    }
    system.stop()


def test_an_orders_silence_is_noticed_after_a_discarded_turn() -> None:
    """A turn that was discarded does not switch off the watch over unanswered requests."""
    disk, venue = Memory(), ScriptedVenue(acks=False)
    system = started(disk, venue)
    one = system.submit(order(qty="3"))
    system.sim.run_for(SECOND // 100)
    disk.fill()
    venue.push(venue.fill(one.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    disk.free()
    system.sim.run_for(SECOND)
    two = system.submit(order(price="91"))
    system.sim.run_for(10 * SECOND)
    assert "OrderInDoubt" in system.kinds(two.client_order_id)
    system.stop()


def test_an_entry_that_waited_too_long_for_the_disk_does_not_leave() -> None:
    """An entry's send-by time runs while the journal fails; an exit has none and leaves."""
    disk, venue = Memory(), ScriptedVenue()
    system = started(disk, venue)
    disk.fill()
    entry = system.submit(order())
    exit_ = system.submit(order(reduce_only=True))
    system.sim.run_for(60 * SECOND)
    disk.free()
    system.sim.run_for(SECOND)

    assert OrderState.EXPIRED is system.order(entry).get(timeout=1).state
    assert OrderState.EXPIRED is not system.order(exit_).get(timeout=1).state
    assert 1 == venue.count("place")


def test_a_queue_that_fills_in_a_discarded_turn_leaves_no_gap_open() -> None:
    """The gap opens with the commit of its turn, or not at all: else nobody would close it."""
    disk, venue = Memory(), ScriptedVenue()
    system = started(disk, venue)
    cid = system.submit(order(qty="50")).client_order_id
    system.sim.run_for(SECOND)
    system.sim.capacity = 10
    disk.fill()
    for number in range(15):
        venue.push(venue.fill(cid, f"x{number}", "1"))
    system.sim.run_for(SECOND)
    disk.free()
    system.sim.run_for(90 * SECOND)
    assert "READY" == system.snapshot().get(timeout=1).sessions["v/main"]
    assert D(15) == system.qty()
    system.stop()
