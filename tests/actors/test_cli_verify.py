"""`orderwright verify`: a whole journal passes, and every kind of damage is named."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.journal import open_journal
from actors.replay import replay

from .replay_kit import lobster, run


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a small market's replay."""
    path = tmp_path / "a.db"
    replay([lobster(tmp_path)], journal=path)
    return path


def alter(journal: Path, *statements: str) -> None:
    """Do what nobody should: write into a journal beside its owner."""
    with closing(sqlite3.connect(journal)) as db, db:
        for statement in statements:
            assert db.execute(statement).rowcount != 0, statement


def test_a_whole_journal_passes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, journal: Path
) -> None:
    """Integrity, fold, invariants and stored rows hold; the digest is the replay's."""
    digest = replay([lobster(tmp_path)]).digest
    told = run(capsys, "verify", journal, "--json")

    assert told.code == 0
    assert told.json["whole"] is True
    assert (told.json["digest"], told.json["defects"]) == (digest, [])
    assert (told.json["orders"], told.json["open_orders"], told.json["fills"]) == (5, 2, 4)
    assert [check["failed"] for check in told.json["checks"]] == [0] * 8
    assert "the journal is whole" in run(capsys, "verify", journal).out


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE facts SET body = replace(body, '585.34', '585.35') WHERE seq = 8", "integrity"),
        ("UPDATE facts SET entity = '9' WHERE seq = 8", "integrity"),
        ("UPDATE facts SET ts = ts + 1 WHERE seq = 8", "integrity"),
        ("DELETE FROM facts WHERE seq = 8", "integrity"),
        ("DELETE FROM facts WHERE seq > 12", "integrity"),
        ("UPDATE closed SET body = replace(body, '585', '586')", "integrity"),
        ("DELETE FROM closed WHERE client_order_id = '8'", "closed_rows_are_the_fold"),
        ("DELETE FROM fills WHERE client_order_id = '8'", "execution_rows_are_the_fold"),
        ("UPDATE fills SET client_order_id = '9' WHERE client_order_id = '8'", "execution_rows"),
        ("UPDATE checkpoints SET body = replace(body, '585', '586')", "integrity"),
        (
            "DELETE FROM checkpoints WHERE key LIKE 'segment:%'",
            "checkpoint_and_tail_are_the_fold",
        ),
    ],
)
def test_damage_is_exit_code_1_and_named(
    capsys: pytest.CaptureFixture[str], journal: Path, statement: str, check: str
) -> None:
    """An altered, missing or moved row fails the check that is about it."""
    alter(journal, statement)
    told = run(capsys, "verify", journal, "--json")

    assert told.code == 1
    assert told.json["whole"] is False
    failed = [one["name"] for one in told.json["checks"] if one["failed"]]
    assert any(name.startswith(check) for name in failed), failed
    assert told.json["defects"]
    assert "DAMAGED" in run(capsys, "verify", journal).out


def test_damaged_pages_are_exit_code_1(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    """A file whose pages are overwritten behind the first: no traceback, the damage is reported."""
    content = bytearray(journal.read_bytes())
    content[8192:16384] = b"\xff" * 8192
    journal.write_bytes(bytes(content))
    told = run(capsys, "verify", journal, "--json")

    assert told.code == 1
    assert told.json["whole"] is False
    assert told.json["defects"]


@pytest.mark.parametrize(
    "content", [b"", b"text, not a journal\n" * 100, b"SQLite format 3\0" * 99]
)
def test_what_is_no_journal_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    """Another file is not a damaged journal; it is left alone."""
    path = tmp_path / "x"
    path.write_bytes(content)
    told = run(capsys, "verify", path, "--json")

    assert (told.code, list(told.json)) == (2, ["error"])
    assert content == path.read_bytes()


def test_somebody_elses_database_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An SQLite file of another program is no journal."""
    path = tmp_path / "x.db"
    alter(path, "CREATE TABLE facts (a)")
    told = run(capsys, "verify", path)

    assert told.code == 2


def test_a_journal_in_use_is_judged_by_its_facts(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    """While a system has it open, the facts are proven and folded, and the report says so."""
    owner = open_journal(journal)
    told = run(capsys, "verify", journal, "--json")
    owner.close()

    assert told.code == 0
    assert told.json["in_use"] is True
    assert [check["name"] for check in told.json["checks"]][:2] == ["integrity", "fold"]
    assert run(capsys, "verify", journal, "--json").json["in_use"] is False


def test_a_missing_file_is_exit_code_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Nothing is made by looking at it."""
    told = run(capsys, "verify", tmp_path / "x.db")

    assert told.code == 2
    assert list(tmp_path.iterdir()) == []
