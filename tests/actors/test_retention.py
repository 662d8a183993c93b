"""Retention: the story of closed orders goes, and nothing that anything later could need."""

from __future__ import annotations

import random
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import retention, segments
from actors.checkpoints import Pace
from actors.explaining import explain, find_order
from actors.journal import (
    Batch,
    Durability,
    Journal,
    MemoryJournal,
    Pruned,
    SqliteJournal,
    open_journal,
)
from actors.journal.removal import pack, unpack
from actors.recovery import fold_journal
from actors.replay_sources import JournalSource
from actors.retention import Pruner, Retention, prune
from actors.stored import checkpoint_seq
from actors.verifying import verify
from engine.errors import (
    DuplicateIntent,
    EngineError,
    InvalidValue,
    JournalCorrupt,
    JournalUnavailable,
    RecordingError,
    UnknownOrder,
)
from engine.fold import digest
from engine.messages import TradeBusted
from engine.values import OrderState, Side

from .test_checkpoints import Proven, Traffic, later, stop
from .venues import SECOND, ScriptedVenue, System, order, simulated

pytestmark = pytest.mark.filterwarnings("ignore:.*was never awaited")

D = Decimal
QUICK = Pace(facts=20, least=4, most=8)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes begin whenever anything may go, and go on in tiny pieces."""
    monkeypatch.setattr(retention, "_WORTH_WHILE", 1)
    monkeypatch.setattr(retention, "_PIECE", 3)
    monkeypatch.setattr(segments, "WASTE_LEAST", 0)


@pytest.fixture(params=["memory", "sqlite", "sqlite-power"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    kind = str(request.param)
    spec = None if kind == "memory" else tmp_path / "j"
    opened = open_journal(
        spec, "power" if kind == "sqlite-power" else "process", engine_id="OW1", created_ts=0
    )
    yield opened
    opened.close()


def busy(journal: Journal, count: int, *, keep: Retention) -> tuple[System, ScriptedVenue]:
    """A system under which ``count`` orders came and were filled in two executions."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=journal, retention=keep)
    system._checkpoints.pace = QUICK
    for number in range(count):
        trade(system, venue, number)
    return system, venue


def trade(system: System, venue: ScriptedVenue, number: int) -> str:
    ticket = system.submit(order(qty="2", intent_id=f"i{number}"))
    system.sim.run_for(SECOND // 50)
    for part in "ab":
        venue.push(venue.fill(ticket.client_order_id, f"{part}{number}", "1", fee=D("0.1")))
        system.sim.run_for(SECOND // 50)
    return ticket.client_order_id


def records(journal: Journal) -> int:
    return sum(1 for _ in journal.records())


@pytest.mark.usefixtures("eager")
def test_under_load_a_journal_keeps_no_more_than_it_should(journal: Journal) -> None:
    """However many orders come and go, the facts that are there are the last ones."""
    system, venue = busy(journal, 50, keep=Retention(keep_facts=40))
    most = records(journal)
    for number in range(50, 100):
        trade(system, venue, number)
        most = max(most, records(journal))
    assert 400 < journal.last_seq
    assert most < 160
    assert system._pruner is not None
    assert journal.last_seq - records(journal) == system._pruner.removed
    assert verify(journal).is_whole


@pytest.mark.usefixtures("eager")
def test_what_comes_later_finds_everything_as_it_was(journal: Journal) -> None:
    """A repeated fill, a late one, a bust and an intent of orders whose facts are gone."""
    system, venue = busy(journal, 30, keep=Retention(keep_facts=0))
    cid = system.submit(order(qty="2", intent_id="i3")).client_order_id
    assert [] == list(journal.records(entity=cid))
    assert D(60) == system.qty()
    with pytest.raises(DuplicateIntent, match="order_qty was 2, now 3"):
        system.submit(order(qty="3", intent_id="i3"))
    assert 30 == venue.count("place")
    venue.push(venue.fills[6])
    venue.push(TradeBusted(cid, venue.now(), "b3"))
    venue.orders[cid].cum = D(1)
    system.sim.run_for(SECOND)
    assert D(59) == system.qty()
    venue.push(venue.fill(cid, "late", "1"))
    system.sim.run_for(SECOND)
    view = system.order(cid).get(timeout=1)
    assert (OrderState.FILLED, D(2), D(60)) == (view.state, view.cum_qty, system.qty())
    assert verify(journal).is_whole


@pytest.mark.usefixtures("eager")
def test_a_restart_finds_the_same_state(journal: Journal) -> None:
    """With and without the facts of closed orders: the same digest of everything."""
    system, venue = busy(journal, 40, keep=Retention(keep_ns=0))
    system.submit(order(price="90"))
    system.sim.run_for(SECOND)
    before = system.state_digest().get(timeout=1)
    told = verify(journal)
    assert told.is_whole
    assert before == told.digest
    assert 0 < told.removed_orders < told.orders
    if isinstance(journal, SqliteJournal):
        path = journal.name
        system.stop()
        venue.script("connect", "never")
        again = simulated(venue, journal=path, start_ns=later(system))
    else:
        stop(system)
        venue.script("connect", "never")
        again = simulated(venue, journal=journal, start_ns=later(system))
    assert before == again.state_digest().get(timeout=1)
    again.stop()


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens_nothing_is_missed(seed: int) -> None:
    """Any traffic beside retention: a restart at any record is the fold of all facts there ever
    were, and the journal is whole.
    """
    draw = random.Random(seed)
    pace = Pace(draw.randint(1, 12), draw.randint(1, 2), draw.randint(1, 3))
    journal = Proven()
    traffic = Traffic(journal, pace, retention=Retention(keep_facts=draw.randint(0, 20)))
    for _ in range(60):
        try:
            traffic.act(draw.randrange(17), draw.randrange(31))
        except EngineError:
            journal.prove()
    told = verify(journal)
    assert told.is_whole, told.checks
    assert told.orders == len(journal.books.orders)
    assert told.digest == digest(journal.stones(), journal.books.positions.values())


def test_only_facts_below_the_last_checkpoint_go() -> None:
    """Without a checkpoint nothing goes, however little is to be kept."""
    journal = MemoryJournal()
    system, _ = busy(journal, 4, keep=Retention(keep_facts=0))
    assert 0 == checkpoint_seq(journal)
    assert 0 == prune(journal, Retention(keep_facts=0).limit(journal, 0)).removed
    stop(system)
    up_to = checkpoint_seq(journal)
    assert up_to == journal.last_seq
    assert 0 < prune(journal, Retention(keep_facts=0).limit(journal, 0)).removed
    assert up_to == journal.last_seq


@pytest.mark.usefixtures("eager")
def test_what_is_kept_by_time_is_kept() -> None:
    """Orders that changed within the time keep their facts, older ones do not."""
    journal = MemoryJournal()
    system, venue = busy(journal, 10, keep=Retention(keep_ns=100 * SECOND))
    old = [record.entity for record in journal.records()]
    system.sim.run_for(1000 * SECOND)
    young = [trade(system, venue, number) for number in range(100, 110)]
    for number in range(200, 220):
        trade(system, venue, number)
    left = {record.entity for record in journal.records()}
    assert not [cid for cid in old if cid in left and cid.startswith("OW1")]
    assert set(young) <= left


@pytest.mark.usefixtures("eager")
def test_what_is_kept_by_number_is_kept() -> None:
    """The last so many facts are all there."""
    journal = MemoryJournal()
    busy(journal, 60, keep=Retention(keep_facts=100))
    assert journal.removed()
    assert journal.removed()[-1].last <= journal.last_seq - 100


class Counting(MemoryJournal):
    """Counts the records that retention was told to look at."""

    looked_at = 0

    def prune(self, *args: Any, **named: Any) -> Pruned:
        found = super().prune(*args, **named)
        self.looked_at += found.removed + found.kept
        return found


def backlog() -> tuple[Counting, System, ScriptedVenue]:
    """A system that has begun to keep as little as it can, with a hundred orders' facts to go."""
    journal = Counting()
    system, venue = busy(journal, 10, keep=Retention(keep_facts=10_000))
    system._pruner = Pruner(
        journal, Retention(keep_facts=0), system.sim.time_ns, system.sim.call_soon, print
    )
    for number in range(100, 200):
        trade(system, venue, number)
    system._pruner.follow(system.turn, system._checkpoints)
    return journal, system, venue


@pytest.mark.usefixtures("eager")
def test_it_goes_no_faster_than_the_traffic() -> None:
    """About two records are looked at for each one written, so that no turn is long for it."""
    journal, system, venue = backlog()
    before, looked_at = journal.last_seq, journal.looked_at
    for number in range(200, 240):
        trade(system, venue, number)
    written = journal.last_seq - before
    assert written < journal.looked_at - looked_at <= 2 * written + 3


@pytest.mark.usefixtures("eager")
def test_it_keeps_pace_with_long_turns() -> None:
    """A turn of many facts owes many pieces, and all of them follow: else a journal grows just when
    it is busy.
    """
    journal, system, _ = backlog()
    before, looked_at = journal.last_seq, journal.looked_at
    for number in range(40):
        system.submit(order(qty="2", intent_id=f"burst{number}"))
    system.sim.run_for(SECOND)
    written = journal.last_seq - before
    assert 2 * written - 3 <= journal.looked_at - looked_at <= 2 * written + 3


def test_statements_about_positions_do_not_stumble_over_what_is_gone() -> None:
    """A baseline is for a slot that holds nothing: without what is gone it would seem to hold."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    stays = system.submit(order(qty="2")).client_order_id
    goes = system.submit(order(Side.SELL, qty="1")).client_order_id
    system.sim.run_for(SECOND)
    for cid, exec_id in ((stays, "a"), (goes, "b")):
        venue.push(venue.fill(cid, exec_id, "1"))
    system.sim.run_for(SECOND)
    system.set_baseline("BTC/USDT", D(5), D(100)).get(timeout=1)
    stop(system)
    assert 3 == prune(journal, Retention(keep_facts=0).limit(journal, 0)).removed
    told = verify(journal)
    assert told.is_whole, told.checks
    assert [D(5)] == [held.qty for held in fold_journal(journal).positions.values()]


@pytest.mark.usefixtures("eager")
def test_a_disk_that_fails_keeps_the_facts_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention that cannot be done is an alarm; orders go on, and it is tried again."""
    journal = MemoryJournal()
    whole = MemoryJournal.prune

    def full(*args: object, **named: object) -> object:
        raise JournalUnavailable("no space; nothing was removed")

    monkeypatch.setattr(MemoryJournal, "prune", full)
    system, venue = busy(journal, 40, keep=Retention(keep_facts=0))
    assert D(80) == system.qty()
    (first, *_) = system.alarms("retention")
    assert "nothing was removed" in first
    assert [] == journal.removed()
    monkeypatch.setattr(MemoryJournal, "prune", whole)
    for number in range(100, 140):
        trade(system, venue, number)
    assert journal.removed()


@pytest.mark.parametrize(
    "bounds", [{}, {"keep_ns": -1}, {"keep_facts": -1}, {"keep_ns": 1.5}, {"keep_facts": True}]
)
def test_a_retention_that_makes_no_sense_is_refused(bounds: dict[str, int]) -> None:
    """Nothing to keep by, a negative bound, no whole number: an InvalidValue that shows it."""
    with pytest.raises(InvalidValue, match="keep_ns or keep_facts"):
        Retention(**bounds)


# --- on a disk ------------------------------------------------------------------------------------


def pruned_file(path: Path, **named: Any) -> int:
    """A journal whose system was stopped in order, then pruned; its last record."""
    system, _ = busy(open_journal(path, engine_id="OW1"), 30, keep=Retention(keep_facts=1000))
    system.stop()
    with SqliteJournal(path, **named) as journal:
        assert 100 < prune(journal, Retention(keep_facts=0).limit(journal, 0)).removed
        return journal.last_seq


def test_the_end_of_a_pruned_journal_is_still_proven(tmp_path: Path) -> None:
    """The last clean end may be among what goes: the end is noted anew, and missed if cut off."""
    path = tmp_path / "j"
    last = pruned_file(path)
    journal = SqliteJournal(path)
    more = Batch()
    more.facts += [(1, "e", "LinkUp", b'{"type":"LinkUp","ts":1}')] * 5
    journal.append(more)
    more.clear()
    more.facts += [(1, "c", "LinkUp", b'{"type":"LinkUp","ts":1}')]
    more.closed += [(name, "i", "v", "a", "s", "FILLED", "1", 1, b"{}") for name in "ec"]
    journal.append(more)
    more.clear()
    more.facts += [(1, "d", "LinkUp", b'{"type":"LinkUp","ts":1}')]
    journal.append(more)
    journal.prune(0, last + 6)
    shutil.copy(path, tmp_path / "crashed")  # as a killed process leaves it
    shutil.copy(f"{path}-wal", tmp_path / "crashed-wal")
    journal.close()
    with SqliteJournal(tmp_path / "crashed") as again:
        assert last + 7 == again.last_seq
        (gap,) = again.removed()
        assert gap.first < last < gap.last == last + 6
        assert [] == again.verify()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM facts WHERE seq = ?", (last + 7,))
    with pytest.raises(JournalCorrupt, match=f"record {last + 7} was the last one"):
        SqliteJournal(path)


def test_tombstones_become_small_and_the_file_can(tmp_path: Path) -> None:
    """Packed they take a third of the bytes, and a vacuum gives the room back."""
    path = tmp_path / "j"
    pruned_file(path)
    with closing(sqlite3.connect(path)) as db:
        sizes = [size for (size,) in db.execute("SELECT length(body) FROM closed")]
    with SqliteJournal(path) as journal:
        stones = list(journal.closed_orders())
        assert len(sizes) == len(stones)
        assert 3 * sum(sizes) < sum(len(body) for _, body in stones)
        before = journal.statistics().file_bytes
        journal.vacuum()
        assert journal.statistics().file_bytes < before
        assert stones == list(journal.closed_orders())
        assert [] == journal.verify()
        assert verify(journal).is_whole


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_commits_wait_for_the_disk_as_before(
    tmp_path: Path, durability: Durability, level: int
) -> None:
    """Retention itself need not wait for the disk; what comes behind it does as it did."""
    pruned_file(tmp_path / "j")
    with SqliteJournal(tmp_path / "j", durability) as journal:
        assert journal._writer is not None
        journal.prune(0, 10)
        assert (level,) == journal._writer.execute("PRAGMA synchronous").fetchone()


# --- what people are told ------------------------------------------------------------------------


@pytest.mark.usefixtures("eager")
def test_explain_says_what_is_gone_and_what_is_left() -> None:
    """An order without facts is found by any id, and told by its tombstone; others as ever."""
    journal = MemoryJournal()
    system, venue = busy(journal, 60, keep=Retention(keep_facts=10))
    kept = system.submit(order(price="90", intent_id="mine")).client_order_id
    system.sim.run_for(SECOND)
    gone = find_order(journal, "i3")
    assert gone == find_order(journal, "v-4") == find_order(journal, gone)
    told = explain(journal, gone)
    assert "retention has removed its facts" in told.removed
    assert ((), "FILLED", D(2), 2) == (told.moments, told.state, told.cum_qty, len(told.fills))
    still = explain(journal, find_order(journal, "mine"))
    assert (kept, "", "submitted by us") == (still.client_order_id, still.removed, still.introduced)
    venue.push(TradeBusted(gone, venue.now(), "b3"))
    system.sim.run_for(SECOND)
    again = explain(journal, gone)
    assert "before record" in again.removed
    assert ["ReviveOrder", "TradeBusted"] == [moment.fact for moment in again.moments][:2]
    with pytest.raises(UnknownOrder):
        explain(journal, "nobody")


@pytest.mark.usefixtures("eager")
def test_a_pruned_journal_is_no_recording() -> None:
    """What is left of it cannot be replayed, and is not taken for a whole story."""
    journal = MemoryJournal()
    busy(journal, 40, keep=Retention(keep_facts=0))
    with pytest.raises(RecordingError, match="retention has removed"):
        JournalSource("j", journal)


# --- tombstones ----------------------------------------------------------------------------------


@given(st.binary(max_size=2000))
def test_a_packed_tombstone_is_what_it_was(body: bytes) -> None:
    """Byte for byte, and never longer."""
    stone = b'{"order":' + body
    packed = pack(stone)
    assert stone == unpack(packed)
    assert len(packed) <= len(stone)
    assert packed == pack(packed)


def test_a_tombstone_packs_into_a_quarter() -> None:
    """The usual one: two executions, decimals, ids."""
    journal = MemoryJournal()
    _, venue = busy(journal, 3, keep=Retention(keep_facts=0))
    bodies = [body for _, body in journal.closed_orders()]
    assert 3 == len(bodies) == venue.count("place")
    assert all(len(pack(body)) * 3 < len(body) for body in bodies)


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:9] + b"~~"])
def test_a_damaged_packed_tombstone_is_noticed(change: object) -> None:
    """Cut, lengthened or altered it is an error, not another tombstone."""
    packed = pack(b'{"order":{"terms":{"type":"SubmitOrder","intent_id":"x"}}}')
    with pytest.raises(zlib.error):
        unpack(change(packed))  # type: ignore[operator]
