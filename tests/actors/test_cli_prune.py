"""`orderwright prune`: says what would go, removes it, and leaves a journal that is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.journal import SqliteJournal
from actors.retention import Retention

from .replay_kit import run
from .test_retention import busy
from .venues import SECOND, ScriptedVenue, order, simulated


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a system that was stopped in order: 20 orders closed, one open."""
    path = tmp_path / "orders.db"
    system, _ = busy(SqliteJournal(path, engine_id="OW1"), 20, keep=Retention(keep_facts=1_000_000))
    system.submit(order(price="90", intent_id="open"))
    system.sim.run_for(SECOND)
    system.stop()
    return path


def test_it_removes_what_it_announced(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    """A dry run changes nothing and counts right; then the journal is whole, and tells the same."""
    before = run(capsys, "verify", journal, "--json").json
    asked = ("prune", journal, "--keep-facts", 30, "--json")
    would = run(capsys, *asked, "--dry-run")
    assert (0, True) == (would.code, would.json["dry_run"])
    assert before == run(capsys, "verify", journal, "--json").json
    did = run(capsys, *asked)
    for name in ("removed_records", "removed_bytes", "orders", "packed_bytes", "checkpoint"):
        assert would.json[name] == did.json[name] > 0
    after = run(capsys, "verify", journal, "--json").json
    assert (True, before["digest"]) == (after["whole"], after["digest"])
    assert before["orders_by_state"] == after["orders_by_state"]
    assert did.json["removed_records"] == after["removed_records"]
    assert did.json["orders"] == after["removed_orders"]
    assert 0 == run(capsys, *asked).json["removed_records"]
    assert "tombstones" in run(capsys, "verify", journal).out


def test_explain_and_a_restart_after_it(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    """`explain` says what is gone; a restart has the same orders, positions and intents."""
    run(capsys, "prune", journal, "--keep-facts", 0)
    told = run(capsys, "explain", "i3", "--journal", journal)
    assert 0 == told.code
    assert "retention has removed its facts" in told.out
    assert "filled 2 of 2" in told.out
    told = run(capsys, "explain", "open", "--journal", journal, "--json")
    assert (None, "submitted by us") == (told.json["removed"], told.json["introduced"])
    venue = ScriptedVenue()
    venue.script("connect", "never")
    system = simulated(venue, journal=journal)
    assert 40 == system.qty()
    assert 1 == len(system.orders().get(timeout=1))
    assert "i3" == system.submit(order(qty="2", intent_id="i3")).intent_id
    assert 0 == venue.count("place")
    system.stop()


def test_by_time(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    """Orders closed before a time, or longer ago than some days (the venue's time is of 2023)."""
    early = run(capsys, "prune", journal, "--before", "2023-01-01", "--json").json
    assert (0, "2023-01-01 00:00:00.000000000Z") == (early["removed_records"], early["before"])
    young = run(capsys, "prune", journal, "--keep-days", 10_000, "--json").json
    assert 0 == young["removed_records"]
    assert 0 < run(capsys, "prune", journal, "--keep-days", 1, "--json").json["removed_records"]


def test_a_vacuum_makes_the_file_smaller(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    """Without it the room is kept for what is written next."""
    kept = run(capsys, "prune", journal, "--keep-facts", 0, "--json").json
    assert kept["file_bytes_before"] <= kept["file_bytes_after"]
    assert "--vacuum gives it back" not in run(capsys, "prune", journal, "--keep-facts", 0).out
    small = run(capsys, "prune", journal, "--keep-facts", 0, "--vacuum", "--json").json
    assert small["file_bytes_after"] < small["file_bytes_before"]
    assert run(capsys, "verify", journal, "--json").json["whole"]


def test_a_running_system_keeps_its_journal(
    capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    """While it is open only a dry run is allowed; the refusal names the owner."""
    with SqliteJournal(journal):
        told = run(capsys, "prune", journal, "--keep-facts", 0)
        assert 2 == told.code
        assert "this process has it open" in told.err
        assert 0 == run(capsys, "prune", journal, "--keep-facts", 0, "--dry-run").code
    assert 0 == run(capsys, "verify", journal, "--json").json["removed_records"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "required"),
        (("--keep-days", "1", "--keep-facts", "1"), "not allowed with"),
        (("--keep-days", "nan"), "--keep-days must be"),
        (("--keep-days", "-1"), "--keep-days must be"),
        (("--keep-facts", "-5"), "--keep-facts must not be negative"),
        (("--before", "yesterday"), "--before must be a date"),
    ],
)
def test_bad_bounds_are_refused(
    capsys: pytest.CaptureFixture[str], journal: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Each with a sentence and exit code 2, and nothing is removed."""
    told = run(capsys, "prune", journal, *arguments)
    assert 2 == told.code
    assert said in told.err
    assert 0 == run(capsys, "verify", journal, "--json").json["removed_records"]


@pytest.mark.parametrize("bound", ["0001-01-01", "9999-12-31T23:59:59"])
def test_times_at_the_ends_are_fine(
    capsys: pytest.CaptureFixture[str], journal: Path, bound: str
) -> None:
    """Whatever a calendar knows is a bound."""
    assert 0 == run(capsys, "prune", journal, "--before", bound).code


def test_what_is_no_journal_is_not_made_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A mistyped name makes no file."""
    told = run(capsys, "prune", tmp_path / "typo.db", "--keep-facts", 1)
    assert 2 == told.code
    assert "no such journal" in told.err
    assert [] == list(tmp_path.iterdir())


def test_without_a_checkpoint_it_says_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A journal whose system never stopped in order has nothing that may go."""
    path = tmp_path / "orders.db"
    system, _ = busy(SqliteJournal(path, engine_id="OW1"), 3, keep=Retention(keep_facts=0))
    system.journal.close()
    told = run(capsys, "prune", path, "--keep-facts", 0)
    assert 0 == told.code
    assert "start and stop its system once" in told.out


def test_killed_it_leaves_a_whole_journal(
    capsys: pytest.CaptureFixture[str], journal: Path, repository: Path
) -> None:
    """Killed with SIGKILL at some moment, and run again: the journal is whole after each."""
    digest = run(capsys, "verify", journal, "--json").json["digest"]
    for delay in (0.0, 0.1, 0.2):
        child = subprocess.Popen(
            [sys.executable, "-m", "actors", "prune", str(journal), "--keep-facts", "0"],
            cwd=repository,
            env={**os.environ, "PYTHONPATH": str(repository)},
            stdout=subprocess.DEVNULL,
        )
        try:
            child.wait(delay)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
        told = run(capsys, "verify", journal, "--json").json
        assert (True, digest) == (told["whole"], told["digest"])


@pytest.mark.parametrize(
    "bound", [("--keep-days", "1e300"), ("--keep-days", "1e18"), ("--keep-facts", "9" * 30)]
)
def test_bounds_beyond_all_numbers_of_a_file_keep_everything(
    capsys: pytest.CaptureFixture[str], journal: Path, bound: tuple[str, str]
) -> None:
    """They are large, and no reason for a traceback."""
    told = run(capsys, "prune", journal, *bound, "--json")
    assert (0, 0) == (told.code, told.json["removed_records"])
