"""Damaged journals: torn, altered, cut. Every one is named, and nothing is written over."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.journal import Batch, SqliteJournal
from engine.errors import JournalCorrupt, JournalError, JournalSchemaError
from engine.journal import Record

from .kit import batch, cid, closed_row, files, fill_journal

RECORDS = 300


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of 300 records, closed in order. Copied, never changed."""
    path = tmp_path_factory.mktemp("whole") / "orders.journal"
    with SqliteJournal(path, incarnation="0001", created_ts=1) as journal:
        fill_journal(journal, RECORDS, fills=True)
        made = Batch()
        made.closed += [closed_row(n, body=b"stone-%d" % n) for n in range(1, 50)]
        made.checkpoints.update({f"order:{n}": b"body-%d" % n for n in range(1, 50)})
        journal.append(made)
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copy(whole, tmp_path / "orders.journal"))


def edit(path: Path, *statements: str) -> None:
    """Change a journal behind its back, as a person with a database browser could."""
    db = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def read_all(path: Path) -> list[Record]:
    """Open as its owner would and read everything a restart reads."""
    with SqliteJournal(path) as journal:
        journal.checkpoints()
        found = list(journal.records())
        list(journal.records_marked())
        list(journal.closed_orders())
        return found


def test_an_altered_body_is_named(path: Path) -> None:
    """One changed digit in a stored fact: reading stops there, verify names it, others are read."""
    edit(path, "UPDATE facts SET body = replace(body, '1.50', '1.60') WHERE seq = 100")
    with SqliteJournal(path) as journal:
        reading = journal.records()
        named = rf"orders\.journal: record 100 \(Filled of '{cid(100)}'"
        with pytest.raises(JournalCorrupt, match=named):
            list(reading)
        assert [99] == [record.seq for record in journal.records(after=98, limit=1)]
        assert 200 == len(list(journal.records(after=100)))
        assert [100] == [defect.seq for defect in journal.verify()]
        with pytest.raises(JournalCorrupt, match="record 100"):
            list(journal.records(entity=cid(100)))
        with pytest.raises(JournalCorrupt, match="record 100"):
            list(journal.records_marked())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE facts SET ts = ts + 1 WHERE seq = 100", [100]),
        ("UPDATE facts SET entity = 'other' WHERE seq = 100", [100]),
        ("UPDATE facts SET kind = 'Accepted' WHERE seq = 100", [100]),
        ("UPDATE facts SET body = NULL WHERE seq = 100", [100]),
        ("UPDATE facts SET body = x'' WHERE seq = 100", [100]),
        ("UPDATE facts SET body = 'text' WHERE seq = 100", [100]),
        ("UPDATE facts SET ts = 'never' WHERE seq = 100", [100]),
        ("UPDATE facts SET entity = x'ff' WHERE seq = 100", [100]),
        ("UPDATE facts SET entity = CAST(x'ff' AS TEXT) WHERE seq = 100", [100]),
        ("UPDATE facts SET checksum = checksum + 1 WHERE seq = 100", [100, 101]),
        ("UPDATE facts SET checksum = 'x' WHERE seq = 100", [100, 101]),
        ("DELETE FROM facts WHERE seq = 100", [100]),
        ("DELETE FROM facts WHERE seq BETWEEN 100 AND 120", [100]),
        ("DELETE FROM facts WHERE seq = 1", [1]),
        ("INSERT INTO facts VALUES (-5, 1, 'e', 'k', x'7b7d', 1)", [-5]),
    ],
)
def test_every_change_of_a_record_is_named(path: Path, change: str, named: list[int]) -> None:
    """Whatever column was changed, to whatever type: verify and reading name the record."""
    edit(path, change)
    with SqliteJournal(path, read_only=True) as journal:
        assert named == [defect.seq for defect in journal.verify()]
        if named[0] > 0:
            with pytest.raises(JournalCorrupt, match=rf"records? {named[0]}\b"):
                list(journal.records())


def test_swapped_records_are_named(path: Path) -> None:
    """Two records in each other's place break the chain at the first."""
    edit(
        path,
        "UPDATE facts SET seq = 9999 WHERE seq = 100",
        "UPDATE facts SET seq = 100 WHERE seq = 101",
        "UPDATE facts SET seq = 101 WHERE seq = 9999",
    )
    with SqliteJournal(path) as journal:
        assert 100 == journal.verify()[0].seq


def test_records_missing_at_the_end_are_named(path: Path) -> None:
    """What was there at the last orderly end must be there at the next start."""
    edit(path, "DELETE FROM facts WHERE seq > 290")
    before = files(path)
    with pytest.raises(JournalCorrupt, match=r"record 300 was the last one.*ends with record 290"):
        SqliteJournal(path)
    assert before == files(path)


def test_an_altered_last_record_stops_the_start(path: Path) -> None:
    """A journal is not gone on with behind a record that does not agree."""
    edit(path, "UPDATE facts SET ts = 1 WHERE seq = 300")
    with pytest.raises(JournalCorrupt, match="record 300"):
        SqliteJournal(path)


def test_an_altered_tombstone_is_named(path: Path) -> None:
    """A closed order that was changed is an error where it is looked up, and in verify."""
    edit(path, "UPDATE closed SET cum_qty = '9' WHERE intent_id = 'intent-7'")
    with SqliteJournal(path) as journal:
        with pytest.raises(JournalCorrupt, match=cid(7)):
            journal.closed_order(cid(7))
        with pytest.raises(JournalCorrupt, match=cid(7)):
            journal.closed_by_intent("intent-7")
        assert b"stone-8" == journal.closed_order(cid(8))
        assert [f"the row of closed order '{cid(7)}' does not agree with its check number"] == [
            defect.what for defect in journal.verify()
        ]


def test_an_altered_checkpoint_is_named(path: Path) -> None:
    """A restart does not begin from a checkpoint that was changed."""
    edit(path, "UPDATE checkpoints SET body = x'00' WHERE key = 'order:7'")
    with SqliteJournal(path) as journal:
        with pytest.raises(JournalCorrupt, match="order:7"):
            journal.checkpoints()
        assert ["checkpoint 'order:7' does not agree with its check number"] == [
            defect.what for defect in journal.verify()
        ]


def test_rows_from_a_future_that_is_gone_are_named(path: Path) -> None:
    """A checkpoint or closed order of records that are not there tells that the end is missing."""
    edit(
        path,
        "DELETE FROM meta WHERE key LIKE 'head%'",
        "DELETE FROM facts WHERE seq > 290",
    )
    with SqliteJournal(path) as journal:
        with pytest.raises(JournalCorrupt, match=r"written with record 300.*ends with record 290"):
            journal.checkpoints()
        assert {300} == {defect.seq for defect in journal.verify()}


def test_removed_bodies_are_allowed_up_to_the_mark_of_retention(path: Path) -> None:
    """Where retention has passed a body may be gone, and the chain goes on behind it."""
    edit(
        path,
        "INSERT INTO meta VALUES ('removable_to', 200)",
        "UPDATE facts SET body = NULL WHERE seq IN (1, 100, 200)",
    )
    with SqliteJournal(path) as journal:
        assert [] == journal.verify()
        assert [1, 100, 200] == [r.seq for r in journal.records() if not r.body]
    edit(path, "UPDATE facts SET body = NULL WHERE seq = 201")
    with SqliteJournal(path) as journal:
        assert [201] == [defect.seq for defect in journal.verify()]


def cuts(size: int) -> Iterator[int]:
    """Every length that means something to SQLite, and some that mean nothing."""
    draw = random.Random(7)
    yield from (1, 15, 16, 99, 100, 101, 4095, 4096, 4097, size - 4096, size - 4095, size - 1)
    yield from (draw.randrange(1, size) for _ in range(40))


def test_a_cut_file_is_never_taken_for_a_whole_one(whole: Path, tmp_path: Path) -> None:
    """Cut at any length: a typed error that names the file, and the file stays as it is."""
    data = whole.read_bytes()
    path = tmp_path / "cut"
    for length in cuts(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises((JournalCorrupt, JournalSchemaError)) as caught:
            read_all(path)
        assert str(path) in str(caught.value), length
        assert data[:length] == path.read_bytes()[:length], length
        with contextlib.suppress(JournalError), SqliteJournal(path, read_only=True) as journal:
            assert journal.verify(), length


def test_a_flipped_byte_is_never_read_as_a_fact(whole: Path, tmp_path: Path) -> None:
    """Any byte of the file, inverted: what is read is what was written, or a typed error."""
    with SqliteJournal(whole, read_only=True) as journal:
        expected = list(journal.records())
    data = whole.read_bytes()
    path = tmp_path / "flipped"
    draw = random.Random(11)
    caught = 0
    for _ in range(150):
        offset = draw.randrange(len(data))
        path.write_bytes(data[:offset] + bytes((data[offset] ^ 0xFF,)) + data[offset + 1 :])
        found: list[Record] | str
        try:
            found = read_all(path)
        except JournalError as error:
            caught += 1
            found = str(error)
        if isinstance(found, str):
            assert str(path) in found, offset
        else:
            assert expected == found, offset
    assert caught > 40


def test_a_flipped_byte_in_a_body_is_found_at_its_record(whole: Path, tmp_path: Path) -> None:
    """A byte of a stored fact, changed in the file itself: verify names that record alone."""
    data = whole.read_bytes()
    for number in (1, 57, 299):
        offset = data.index(b'"exec_id":"T-%d"' % number) + len('"exec_id":"T')
        path = tmp_path / f"flipped-{number}"
        path.write_bytes(data[:offset] + b"+" + data[offset + 1 :])
        with SqliteJournal(path, read_only=True) as journal:
            assert [number] == [defect.seq for defect in journal.verify()]


def test_an_index_that_disagrees_is_found(path: Path) -> None:
    """Verify also asks SQLite, so damage beside the records is found."""
    data = path.read_bytes()
    offset = data.rindex(b"intent-49")
    path.write_bytes(data[:offset] + b"intent-4!" + data[offset + 9 :])
    with SqliteJournal(path, read_only=True) as journal:
        assert any("index" in defect.what or "closed" in defect.what for defect in journal.verify())


def test_another_writer_is_found_out(path: Path) -> None:
    """A record written behind the owner's back stops the owner, before it builds on it."""
    with SqliteJournal(path) as journal:
        edit(path, "INSERT INTO facts VALUES (301, 1, 'e', 'k', x'7b7d', 1)")
        with pytest.raises(JournalCorrupt, match="record 301 is there already"):
            journal.append(batch(301, 1))


@pytest.fixture
def pruned(path: Path) -> Path:
    """Records 3 to 10 and 12 to 40 are removed by retention."""
    with SqliteJournal(path) as journal:
        made = batch(400, 1)
        made.closed += [closed_row(n, body=b"{}") for n in range(3, 41) if n != 11]
        journal.append(made)
        journal.append(batch(401, 1))
        made.clear()
        made.reopened += [cid(n) for n in (1, 2, 11, *range(41, 50))]
        journal.append(made)
        assert 37 == journal.prune(0, 301, rows=1000).removed
        assert [(3, 10), (12, 40)] == [(gap.first, gap.last) for gap in journal.removed()]
        assert [] == journal.verify()
    return path


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DELETE FROM removed WHERE last = 10", [3]),
        ("DELETE FROM removed", [3, 12]),
        ("UPDATE removed SET checksum = checksum + 1 WHERE last = 10", [11]),
        ("UPDATE removed SET first = 4 WHERE last = 10", [3, 4]),
        ("UPDATE removed SET first = 2 WHERE last = 10", [3, 2]),
        ("UPDATE removed SET last = 11 WHERE last = 10", [3, 3]),
        ("UPDATE removed SET checksum = 'x' WHERE last = 10", [3]),
        ("INSERT INTO removed VALUES (100, 90, 1)", [90]),
        ("DELETE FROM facts WHERE seq = 2", [2, 3]),
        ("DELETE FROM facts WHERE seq = 11", [11, 12]),
        ("DELETE FROM facts WHERE seq = 41", [41]),
        ("UPDATE facts SET ts = ts + 1 WHERE seq = 11", [11]),
    ],
)
def test_a_gap_that_does_not_fit_is_named(pruned: Path, change: str, named: list[int]) -> None:
    """What retention removed is told by the journal itself; anything else that is gone is damage,
    and so is a gap where nothing is missing.
    """
    edit(pruned, change)
    with SqliteJournal(pruned, read_only=True) as journal:
        assert named == [defect.seq for defect in journal.verify()]


def test_a_record_missing_beside_a_gap_stops_the_reader(pruned: Path) -> None:
    """Reading does not step over what nobody removed."""
    edit(pruned, "DELETE FROM facts WHERE seq = 2")
    with SqliteJournal(pruned) as journal:
        reading = journal.records()
        assert 1 == next(reading).seq
        with pytest.raises(JournalCorrupt, match="records 2 to 10 are missing"):
            next(reading)


def test_an_altered_packed_tombstone_is_named(pruned: Path) -> None:
    """As one that is not packed."""
    edit(pruned, "UPDATE closed SET body = x'0102' WHERE intent_id = 'intent-7'")
    with SqliteJournal(pruned) as journal:
        with pytest.raises(JournalCorrupt, match=cid(7)):
            journal.closed_order(cid(7))
        assert any(cid(7) in defect.what for defect in journal.verify())
