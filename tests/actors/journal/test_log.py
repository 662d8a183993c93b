"""The write-ahead log: lost commits are found before SQLite drops them, and it does not grow."""

from __future__ import annotations

import random
import shutil
import sqlite3
import struct
from pathlib import Path

import pytest

from actors.journal import SqliteJournal
from actors.journal.schema import connect
from actors.journal.wal import find_damage
from engine.errors import JournalCorrupt, JournalUnavailable

from .kit import batch, files, fill_journal

FRAME = 24 + 4096


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A journal as `kill -9` leaves it: 60 records, of which 50 in the log, in 10 commits."""
    origin = tmp_path / "origin.journal"
    path = tmp_path / "orders.journal"
    with SqliteJournal(origin, incarnation="0001") as journal:
        fill_journal(journal, 10)
    with SqliteJournal(origin) as journal:
        for first in range(11, 61, 5):
            journal.append(batch(first, 5))
        for suffix in ("", "-wal"):
            shutil.copy(f"{origin}{suffix}", f"{path}{suffix}")
    return path


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def recovered(path: Path) -> int:
    """How many records SQLite itself makes of journal and log."""
    folder = path.with_name("copy")
    folder.mkdir(exist_ok=True)
    for file in (path, log_of(path)):
        shutil.copy(file, folder / file.name)
    db = connect(folder / path.name, "rw")
    (count,) = db.execute("SELECT count(*) FROM facts").fetchone()
    db.close()
    return int(count)


def test_after_a_crash_everything_is_there(crashed: Path) -> None:
    """The log is taken up whole by the next start."""
    assert find_damage(log_of(crashed)) is None
    with SqliteJournal(crashed) as journal:
        assert 60 == journal.last_seq
        assert [] == journal.verify()


def test_a_log_cut_anywhere_loses_only_its_end(crashed: Path) -> None:
    """A log that ends in mid-commit is what a crash leaves: what was committed before is there."""
    data = log_of(crashed).read_bytes()
    draw = random.Random(5)
    for length in [0, 5, 31, 32, 33, *(draw.randrange(len(data)) for _ in range(25))]:
        log_of(crashed).write_bytes(data[:length])
        assert find_damage(log_of(crashed)) is None, length
        with SqliteJournal(crashed, read_only=True) as journal:
            assert recovered(crashed) == journal.last_seq == len(list(journal.records())), length


def test_damage_before_a_commit_is_refused_and_nothing_is_lost(crashed: Path) -> None:
    """Before SQLite drops commits behind a bad byte, the start is refused and says what is left."""
    log = log_of(crashed)
    data = bytearray(log.read_bytes())
    data[32 + 3 * FRAME + 1000] ^= 1
    log.write_bytes(data)
    before = files(crashed)
    left = recovered(crashed)
    assert 10 < left < 60
    named = rf"frame 4 of .*whole up to record {left};.*accept_torn"
    with pytest.raises(JournalCorrupt, match=named):
        SqliteJournal(crashed)
    assert before == files(crashed)
    with SqliteJournal(crashed, read_only=True) as journal:
        assert any("frame 4" in defect.what for defect in journal.verify())
    assert before == files(crashed)


def test_a_damaged_log_can_be_accepted_and_is_kept(crashed: Path) -> None:
    """On a person's word the journal goes on from what is left, with a copy of the log aside."""
    log = log_of(crashed)
    data = bytearray(log.read_bytes())
    data[32 + 3 * FRAME + 1000] ^= 1
    log.write_bytes(data)
    left = recovered(crashed)
    with SqliteJournal(crashed, accept_torn=True) as journal:
        assert left == journal.last_seq
        assert left + 1 == journal.append(batch(left + 1, 1))
        assert [] == journal.verify()
    kept = list(crashed.parent.glob("orders.journal-wal.torn-*"))
    assert [bytes(data)] == [file.read_bytes() for file in kept]
    with SqliteJournal(crashed) as journal:
        assert left + 1 == journal.last_seq


def test_any_changed_byte_of_the_log_is_found_or_harmless(crashed: Path) -> None:
    """A byte inverted anywhere: refused, or at most the last commit is gone, as a crash cuts it."""
    log = log_of(crashed)
    data = log.read_bytes()
    draw = random.Random(3)
    refused = 0
    for offset in [0, 5, 9, 17, 25, 31, 40, 47, *(draw.randrange(len(data)) for _ in range(60))]:
        log.write_bytes(data[:offset] + bytes((data[offset] ^ 0xFF,)) + data[offset + 1 :])
        if find_damage(log) is not None:
            refused += 1
        else:
            assert recovered(crashed) >= 55, offset
    assert refused > 40


def test_leftovers_of_an_older_log_are_no_damage(tmp_path: Path) -> None:
    """SQLite writes a log over from its start; the old frames behind the new ones mean nothing."""
    path = tmp_path / "orders.journal"
    copy = tmp_path / "copy.journal"
    with SqliteJournal(path) as journal:
        fill_journal(journal, 200)
        db = connect(path, "rw")
        assert 0 == db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0]
        db.close()
        journal.append(batch(201, 1))
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    assert find_damage(log_of(copy)) is None
    with SqliteJournal(copy) as journal:
        assert 201 == journal.last_seq


def test_a_commit_killed_between_head_and_page_is_no_damage(tmp_path: Path) -> None:
    """A frame's head and page are two writes: a kill between them leaves a commit never made."""
    path = tmp_path / "orders.journal"
    copy = tmp_path / "copy.journal"
    with SqliteJournal(path) as journal:
        fill_journal(journal, 200)
        older = log_of(path).read_bytes()
        db = connect(path, "rw")
        db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        db.close()
        journal.append(batch(201, 1))
        journal.append(batch(202, 1))
        shutil.copy(path, copy)
        log = bytearray(log_of(path).read_bytes())
    salts = log[16:24]
    frames = [at for at in range(32, len(log), FRAME) if log[at + 8 : at + 16] == salts]
    page = slice(frames[-1] + 24, frames[-1] + FRAME)
    log[page] = older[page]
    log_of(copy).write_bytes(log)
    assert any(log[frames[-1] + 4 : frames[-1] + 8]), "the head says that it ends a commit"
    assert find_damage(log_of(copy)) is None
    with SqliteJournal(copy) as journal:
        assert 201 == journal.last_seq
        assert [] == journal.verify()


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_the_checksum_is_sqlites(tmp_path: Path, page_size: int) -> None:
    """What SQLite wrote is whole to us, in any page size; damage is found at its frame."""
    path = tmp_path / "any.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA page_size = {page_size}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t (x)")
    for n in range(20):
        db.execute("INSERT INTO t VALUES (?)", ("x" * 100 * n,))
    log = log_of(path)
    data = bytearray(log.read_bytes())
    db.close()
    log.write_bytes(data)
    assert find_damage(log) is None
    size = struct.unpack_from(">I", data, 8)[0]
    assert size % 65536 == page_size % 65536
    data[32 + 2 * (24 + page_size) + 30] ^= 0x80
    log.write_bytes(data)
    damage = find_damage(log)
    assert damage is not None
    assert 3 == damage.frame
    assert damage.commits_lost > 10


def test_no_log_is_no_damage(tmp_path: Path) -> None:
    """A journal closed in order has no log."""
    assert find_damage(tmp_path / "none-wal") is None


# --- checkpoints ----------------------------------------------------------------------------------


def test_the_log_does_not_grow_without_end(tmp_path: Path) -> None:
    """Above its limit an append waits for a checkpoint, and the log starts anew."""
    limit = 200_000
    with SqliteJournal(tmp_path / "j", log_bytes_max=limit) as journal:
        fill_journal(journal, 4000, size=4)
        told = journal.statistics()
        assert told.blocking_checkpoints > 0
        assert told.wal_bytes < 4 * limit
        assert "" == told.checkpoint_error
        assert [] == journal.verify()
    with SqliteJournal(tmp_path / "j") as journal:
        assert 4000 == journal.last_seq


def test_a_reader_that_holds_the_log_stops_no_append(tmp_path: Path) -> None:
    """With an old snapshot held open, the log cannot start anew; appends go on, nothing is lost."""
    path = tmp_path / "j"
    with SqliteJournal(path, log_bytes_max=100_000) as journal:
        fill_journal(journal, 10)
        holder = connect(path, "ro")
        holder.execute("BEGIN")
        holder.execute("SELECT count(*) FROM facts").fetchone()
        for first in range(11, 411, 4):
            journal.append(batch(first, 4))
        assert (10,) == holder.execute("SELECT count(*) FROM facts").fetchone()
        holder.close()
        assert 410 == journal.last_seq
        assert [] == journal.verify()


def test_a_foreign_write_lock_makes_it_unavailable_for_a_while(tmp_path: Path) -> None:
    """A database browser in the middle of a write: a typed error, and the same batch goes later."""
    path = tmp_path / "j"
    with SqliteJournal(path) as journal:
        foreign = sqlite3.connect(path, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match=r"locked.*Another program"):
            journal.append(batch(1, 2, fills=True))
        foreign.execute("ROLLBACK")
        foreign.close()
        assert 2 == journal.append(batch(1, 2, fills=True))
