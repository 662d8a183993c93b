"""Opening a journal file: who owns it, and what is no journal."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.journal import MemoryJournal, SqliteJournal, open_journal
from actors.journal.schema import APPLICATION_ID, Durability
from engine.errors import (
    InvalidValue,
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalSchemaError,
    JournalUnavailable,
)

from .kit import batch, cid, files, fill_journal, fill_row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.journal"


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def make(path: Path, count: int = 10) -> None:
    with SqliteJournal(path) as journal:
        fill_journal(journal, count)


def test_a_journal_is_the_same_after_closing(path: Path) -> None:
    """Records, names and numbering go on where they ended."""
    with SqliteJournal(path, engine_id="AB1") as journal:
        fill_journal(journal, 25, fills=True)
        who = (journal.engine_id, journal.incarnation, journal.created_ts)
        before = list(journal.records())
    with SqliteJournal(path) as journal:
        assert who == (journal.engine_id, journal.incarnation, journal.created_ts)
        assert before == list(journal.records())
        assert 26 == journal.append(batch(26, 1, fills=True))
        assert [] == journal.verify()


def test_a_closed_journal_is_one_file(path: Path) -> None:
    """After an orderly end no log is left that a copy could forget."""
    make(path)
    assert ["orders.journal", "orders.journal-lock"] == names(path.parent)


@pytest.mark.parametrize("spec", [None, ":memory:"])
def test_no_path_means_memory(spec: str | None) -> None:
    """None and ":memory:" keep nothing."""
    assert isinstance(open_journal(spec), MemoryJournal)


def test_text_and_path_name_a_file(path: Path) -> None:
    """A path may be given as text, and is what messages call the journal."""
    journal = open_journal(str(path))
    assert str(path) == journal.name
    journal.close()
    with SqliteJournal(path) as journal:
        assert 0 == journal.last_seq


@pytest.mark.parametrize(
    "name", ["a b.journal", "ä?#%41&mode=ro.journal", "100%", "\u202e.db", "a;b'c"]
)
def test_strange_names_are_names(tmp_path: Path, name: str) -> None:
    """Characters that mean something to SQLite or a URI are part of the name."""
    make(tmp_path / name)
    assert (tmp_path / name).is_file()
    with SqliteJournal(tmp_path / name, read_only=True) as journal:
        assert 10 == journal.last_seq


def test_another_engine_cannot_take_a_journal(path: Path) -> None:
    """An engine id that is not the journal's is refused; both are named."""
    with SqliteJournal(path, engine_id="AB1"):
        pass
    with pytest.raises(InvalidValue, match=r"'AB1'.*'AB2'"):
        SqliteJournal(path, engine_id="AB2")
    with SqliteJournal(path, engine_id="AB1"):
        pass


def test_an_unknown_durability_is_refused(path: Path) -> None:
    """A misspelt durability is an error before anything is made."""
    with pytest.raises(InvalidValue, match="'disk'"):
        SqliteJournal(path, "disk")  # type: ignore[arg-type]
    assert not path.exists()


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_durability_is_what_sqlite_was_told(path: Path, durability: Durability, level: int) -> None:
    """To outlive a power cut each commit has to reach the disk itself; also after retention, which
    may be lost.
    """
    with SqliteJournal(path, durability) as journal:
        for _ in range(2):
            assert journal._writer is not None
            assert (level,) == journal._writer.execute("PRAGMA synchronous").fetchone()
            journal.prune(0, 0)


# --- ownership ------------------------------------------------------------------------------------


def test_a_second_system_in_this_process_is_refused(path: Path) -> None:
    """A journal has one owner; the owner goes on undisturbed, and after it the next may come."""
    with SqliteJournal(path) as journal:
        with pytest.raises(JournalLocked, match="this process"):
            SqliteJournal(path)
        assert 1 == journal.append(batch(1, 1))
    with SqliteJournal(path) as journal:
        assert 1 == journal.last_seq


def test_a_link_does_not_hide_the_journal(path: Path) -> None:
    """The same file under a symbolic link is the same journal."""
    link = path.with_name("link")
    with SqliteJournal(path):
        link.symlink_to(path)
        with pytest.raises(JournalLocked):
            SqliteJournal(link)


def test_a_second_process_is_refused_and_named(path: Path, repository: Path) -> None:
    """Another process with this journal is named by its number."""
    code = """
import sys
from actors.journal import SqliteJournal
from engine.errors import JournalLocked
try:
    SqliteJournal(sys.argv[1])
except JournalLocked as error:
    print(error)
"""
    with SqliteJournal(path):
        told = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            cwd=repository, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    assert f"process {os.getpid()} has it open" in told


def test_a_reader_beside_the_owner_sees_what_is_committed(path: Path) -> None:
    """Verify and explain work on a running system's journal, and cannot write to it."""
    with SqliteJournal(path) as journal, SqliteJournal(path, read_only=True) as reader:
        journal.append(batch(1, 5, fills=True))
        assert 5 == reader.last_seq
        assert [1, 2, 3, 4, 5] == [record.seq for record in reader.records()]
        assert cid(3) == reader.has_fill(*fill_row(3)[:5])
        assert [] == reader.verify()
        with pytest.raises(JournalUnavailable, match="read_only"):
            reader.append(batch(6, 1))
        assert 6 == journal.append(batch(6, 1))
        assert 6 == reader.last_seq


def test_a_reader_leaves_the_owners_lock_alone(path: Path) -> None:
    """Opening and closing readers does not let a second owner in."""
    with SqliteJournal(path) as journal:
        journal.append(batch(1, 5))
        for _ in range(3):
            with SqliteJournal(path, read_only=True) as reader:
                assert [] == reader.verify()
        with pytest.raises(JournalLocked):
            SqliteJournal(path)


def test_a_reader_makes_nothing(path: Path) -> None:
    """Reading a journal that is not there is an error, and leaves no file behind."""
    with pytest.raises(JournalUnavailable, match="no such journal"):
        SqliteJournal(path, read_only=True)
    assert [] == names(path.parent)


# --- what is no journal ---------------------------------------------------------------------------


def refused(path: Path, kind: type[JournalError], *words: str) -> None:
    """Opening ``path``, to write and to read, names it and says ``words``; its bytes stay."""
    before = path.read_bytes() if path.is_file() else b""
    for read_only in (False, True):
        with pytest.raises(kind) as caught:
            SqliteJournal(path, read_only=read_only)
        assert str(path) in str(caught.value)
        for word in words:
            assert word in str(caught.value)
    assert before == (path.read_bytes() if path.is_file() else b"")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """A folder's name is not a journal's."""
    refused(tmp_path, JournalUnavailable, "is a folder", "name a file in it")


def test_a_missing_folder_is_refused(path: Path) -> None:
    """Folders are not made by guessing."""
    refused(path.parent / "none" / "x", JournalUnavailable, "does not exist")


def test_a_device_is_refused() -> None:
    """/dev/null keeps nothing."""
    refused(Path("/dev/null"), JournalUnavailable, "no regular file")


def test_a_nul_in_the_path_is_refused() -> None:
    """A path that no system call takes is a typed error."""
    with pytest.raises(JournalUnavailable, match="null"):
        SqliteJournal("a\0b")


def test_an_empty_file_is_refused(path: Path) -> None:
    """An empty file may be one cut to nothing, so it is not taken for a new journal."""
    path.touch()
    refused(path, JournalSchemaError, "is empty")


@pytest.mark.parametrize(
    "content", [b"x", b"order,qty\n" * 1000, b"SQLite format 3\0", b"\0" * 8192]
)
def test_a_file_of_another_kind_is_refused(path: Path, content: bytes) -> None:
    """Text, zeros, or a bare SQLite header: not a journal, and not written over."""
    path.write_bytes(content)
    refused(path, JournalError)


def test_another_programs_database_is_refused(path: Path) -> None:
    """An SQLite database without our mark is somebody else's."""
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE facts (seq INTEGER PRIMARY KEY)")
    db.commit()
    db.close()
    refused(path, JournalSchemaError, "not a journal")


def test_a_marked_database_without_tables_is_refused(path: Path) -> None:
    """Our mark alone makes no journal."""
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")
    db.close()
    refused(path, JournalSchemaError, "no such table")


def edit(path: Path, *statements: str) -> None:
    """Change a journal behind its back."""
    db = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def test_a_newer_schema_is_refused(path: Path) -> None:
    """A newer version's journal is told from a broken one: upgrade."""
    make(path)
    edit(path, "PRAGMA user_version = 2")
    refused(path, JournalSchemaError, "newer version (schema 2", "Upgrade")


def test_a_damaged_identity_is_refused(path: Path) -> None:
    """A journal that does not know whose it is cannot go on."""
    make(path)
    edit(path, "DELETE FROM meta WHERE key = 'incarnation'")
    refused(path, JournalCorrupt, "identity is damaged")


def test_a_journal_of_another_incarnation_is_refused(path: Path) -> None:
    """Records chained to another name do not verify under this one."""
    make(path, count=1)
    edit(path, "UPDATE meta SET value = 'ZZZZ' WHERE key = 'incarnation'")
    refused(path, JournalCorrupt, "record 1")


def test_a_log_without_its_journal_is_refused(path: Path) -> None:
    """A log whose journal is gone may hold commits; a new journal would destroy them."""
    log = path.with_name(path.name + "-wal")
    log.write_bytes(b"x" * 5000)
    refused(path, JournalCorrupt, "-wal")
    assert b"x" * 5000 == log.read_bytes()
    assert not path.exists()


def test_a_half_made_journal_is_made_anew(path: Path) -> None:
    """A crash while a journal is made leaves nothing under its name; the next start makes it."""
    path.with_name(path.name + "-new").write_bytes(b"half")
    make(path)
    assert ["orders.journal", "orders.journal-lock"] == names(path.parent)


@pytest.fixture
def foreign_folder() -> Iterator[Path]:
    """A folder whose rights bind this process, which for root means to be somebody else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = os.geteuid() == 0
        if root:
            os.chown(folder, 65534, -1)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            folder.chmod(0o755)
            if root:
                os.seteuid(0)


def test_a_protected_file_is_refused_and_can_be_read(foreign_folder: Path) -> None:
    """Without the right to write the file: a typed error to write, and reading works."""
    path = foreign_folder / "orders.journal"
    make(path)
    path.chmod(0o444)
    with pytest.raises(JournalUnavailable, match="write-protected"):
        SqliteJournal(path)
    with SqliteJournal(path, read_only=True) as journal:
        assert 10 == len(list(journal.records()))


def test_a_protected_folder_is_refused_and_can_be_read(foreign_folder: Path) -> None:
    """Without the right to write the folder: no owner, no new journal; a reader needs none."""
    path = foreign_folder / "orders.journal"
    make(path)
    path.with_name("orders.journal-lock").unlink()
    foreign_folder.chmod(0o555)
    with pytest.raises(JournalUnavailable, match="cannot lock it"):
        SqliteJournal(path)
    with pytest.raises(JournalUnavailable, match="cannot lock it"):
        SqliteJournal(path.with_name("new"))
    with SqliteJournal(path, read_only=True) as journal:
        assert 10 == len(list(journal.records()))
        assert [] == journal.verify()


def test_a_file_without_the_right_to_read_is_refused(foreign_folder: Path) -> None:
    """A file that cannot even be read is a typed error."""
    path = foreign_folder / "orders.journal"
    make(path)
    path.chmod(0o000)
    for read_only in (False, True):
        with pytest.raises(JournalUnavailable, match=r"orders\.journal"):
            SqliteJournal(path, read_only=read_only)


def test_files_are_untouched_by_a_refusal(path: Path) -> None:
    """A refused opening leaves journal and log as they were, byte for byte."""
    make(path)
    edit(path, "UPDATE facts SET body = x'7b7d' WHERE seq = 10")
    before = files(path)
    refused(path, JournalCorrupt, "record 10")
    assert before == files(path)
