"""Full disks and killed processes: what append returned for is there, and nothing by halves."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.journal import Batch, SqliteJournal
from engine.errors import JournalUnavailable
from engine.journal import Record, decode_record

from .kit import batch, cid, closed_row, fact, fill_journal, fill_row

# --- full disk ------------------------------------------------------------------------------------


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Make the kernel refuse writes beyond ``size`` in any file of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def large(first: int) -> Batch:
    """A batch of three tables and about 100 kB."""
    made = batch(first, 10, fills=True)
    made.facts.append((1, "big", "k", b"x" * 100_000))
    made.checkpoints["key"] = b"%d" % first
    return made


@pytest.mark.parametrize("durability", ["process", "power"])
def test_a_failed_write_stores_nothing_and_the_journal_works_again(
    tmp_path: Path, durability: str
) -> None:
    """Out of space in mid-batch: a typed error and no row of it; with space the batch is stored."""
    with SqliteJournal(tmp_path / "j", durability) as journal:  # type: ignore[arg-type]
        fill_journal(journal, 20)
        before = list(journal.records())
        with files_no_larger_than(130_000):
            for _ in range(3):
                with pytest.raises(JournalUnavailable, match=r"cannot store records 21 and on"):
                    journal.append(large(100))
                assert 20 == journal.last_seq
            assert before == list(journal.records())
            assert journal.has_fill(*fill_row(100)[:5]) is None
            assert {} == journal.checkpoints()
        assert 31 == journal.append(large(100))
        assert cid(100) == journal.has_fill(*fill_row(100)[:5])
        assert [] == journal.verify()
    with SqliteJournal(tmp_path / "j") as journal:
        assert 31 == journal.last_seq
        assert [] == journal.verify()


def test_space_that_runs_out_slowly_loses_no_acknowledged_batch(tmp_path: Path) -> None:
    """Batches until no more fits, one table and several in turn: all that returned are there."""
    path = tmp_path / "j"
    with SqliteJournal(path) as journal:
        stored = refused = 0
        with files_no_larger_than(300_000):
            while refused < 5:
                try:
                    journal.append(batch(stored + 1, 3, fills=bool(stored % 2)))
                    stored += 3
                except JournalUnavailable:
                    refused += 1
        assert stored > 30
        journal.append(batch(stored + 1, 1))
    with SqliteJournal(path) as journal:
        assert [fact(n) for n in range(1, stored + 2)] == [
            decode_record(r) for r in journal.records()
        ]
        assert [] == journal.verify()


def test_a_full_database_is_told_from_other_failures(tmp_path: Path) -> None:
    """SQLite's own "full" says: free space and call again."""
    with SqliteJournal(tmp_path / "j") as journal:
        assert journal._writer is not None
        journal._writer.execute("PRAGMA max_page_count = 20")
        with pytest.raises(JournalUnavailable, match=r"full.*free space and call again"):
            journal.append(large(1))
        journal._writer.execute("PRAGMA max_page_count = 1000000")
        assert 11 == journal.append(large(1))


def test_a_disk_without_space_cannot_make_a_journal(tmp_path: Path) -> None:
    """A new journal on a full disk: a typed error, and nothing under its name."""
    with files_no_larger_than(1000), pytest.raises(JournalUnavailable, match="cannot create"):
        SqliteJournal(tmp_path / "j")
    assert not (tmp_path / "j").exists()
    with SqliteJournal(tmp_path / "j") as journal:
        assert 1 == journal.append(batch(1, 1))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_really_full_disk(tmp_path: Path) -> None:
    """A file system of 1 MB, filled up: as above, and after freeing space the journal goes on."""
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if mount.returncode:
        pytest.skip(f"mounting is not allowed here: {mount.stderr.strip()}")
    try:
        ballast = tmp_path / "ballast"
        ballast.write_bytes(b"x" * 300_000)
        with SqliteJournal(tmp_path / "j") as journal:
            number = 1

            def append_until_full() -> None:
                nonlocal number
                while True:
                    journal.append(batch(number, 4, fills=True))
                    number += 4

            with pytest.raises(JournalUnavailable, match="free space"):
                append_until_full()
            assert number - 1 == journal.last_seq
            assert [] == journal.verify()
            ballast.unlink()
            assert number + 3 == journal.append(batch(number, 4, fills=True))
            assert [] == journal.verify()
        with SqliteJournal(tmp_path / "j") as journal:
            assert number + 3 == journal.last_seq
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


# --- kill -9 --------------------------------------------------------------------------------------

CHILD = """
import sys
from actors.journal import SqliteJournal
from tests.actors.journal.kit import batch

journal = SqliteJournal(sys.argv[1], log_bytes_max=100_000)
size = int(sys.argv[2])
print("ready", flush=True)
number = journal.last_seq
while True:
    number = journal.append(batch(number + 1, size, fills=True))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_killed_at_any_moment_the_journal_is_whole(tmp_path: Path, repository: Path) -> None:
    """Killed with SIGKILL again and again: every append that returned is there, and it goes on."""
    path = tmp_path / "orders.journal"
    draw = random.Random()  # the moment of death is not ours to choose; each run adds another
    acknowledged = 0
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(draw.choice((1, 3, 16, 100)))],
            cwd=repository, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdout is not None
        assert "ready\n" == child.stdout.readline()
        for _ in range(draw.randrange(1, 120)):
            acknowledged = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split("\n")
        child.stdout.close()
        child.wait()
        acknowledged = max([acknowledged, *map(int, filter(None, rest[:-1]))])
        with SqliteJournal(path) as journal:
            assert journal.last_seq >= acknowledged
            assert [] == journal.verify()
            found = [decode_record(record) for record in journal.records()]
            assert [fact(n) for n in range(1, journal.last_seq + 1)] == found
            assert cid(acknowledged) == journal.has_fill(*fill_row(acknowledged)[:5])
            acknowledged = journal.last_seq


PRUNING_CHILD = """
import sys
from actors.journal import SqliteJournal

journal = SqliteJournal(sys.argv[1], log_bytes_max=100_000)
rows = int(sys.argv[2])
reached = 0
print("ready", flush=True)
while True:
    piece = journal.prune(reached, journal.last_seq, None, rows)
    reached = 0 if piece.is_last else piece.reached
    sys.stdout.write(f"{piece.removed}\\n")
    sys.stdout.flush()
"""


def test_killed_while_records_are_removed_the_journal_is_whole(
    tmp_path: Path, repository: Path
) -> None:
    """Killed with SIGKILL again and again during retention: what is left is proven and as it was,
    tombstones too, and the next one goes on.
    """
    path = tmp_path / "orders.journal"
    kept = range(7, 3000, 50)
    with SqliteJournal(path) as journal:
        for first in range(1, 3001, 500):
            made = batch(first, 500)
            numbers = [n for n in range(first, first + 500) if n not in kept]
            made.closed += [closed_row(n, body=b'{"order":%d}' % n * 40) for n in numbers]
            journal.append(made)
        journal.append(batch(3001, 1))
        before = {record.seq: record for record in journal.records()}
        stones = list(journal.closed_orders())
    draw = random.Random()
    found: list[Record] = []
    for left in (5, 4, 3, 2, 1, 0):
        child = subprocess.Popen(
            [sys.executable, "-c", PRUNING_CHILD, str(path), str(draw.choice((1, 7, 40)))],
            cwd=repository, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdout is not None
        assert "ready\n" == child.stdout.readline()
        for _ in range(draw.randrange(1, 60) if left else 4000):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.stdout.close()
        child.wait()
        with SqliteJournal(path) as journal:
            assert [] == journal.verify()
            found = list(journal.records())
            assert [before[record.seq] for record in found] == found
            assert {*kept, 3001} <= {record.seq for record in found}
            assert stones == list(journal.closed_orders())
            assert 3001 == journal.last_seq
    assert len(kept) + 1 == len(found)
