"""`kill -9` during a replay: the journal is whole, and the same command goes on to the same digest.

The children are real processes running the real command; they are killed when their journal has
reached a size, which is anywhere in a turn.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.journal import open_journal
from actors.replay import Report, replay
from actors.verifying import verify
from tests.conftest import shared_path

LOG = ("data", "fills", "hummingbot_kucoin_EDG-BTC_events.jsonl.gz")
ROWS = 15_000


def command(journal: Path) -> list[str]:
    """The same command each time."""
    files = [str(shared_path(*LOG)), "--limit", str(ROWS), "--journal", str(journal), "--json"]
    return [sys.executable, "-m", "actors", "replay", *files]


@contextmanager
def running(args: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A child that does not outlive its test."""
    child = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.communicate(timeout=60)


def written(journal: Path) -> int:
    """How many bytes the journal and its log have; the log shrinks when it is taken over."""
    files = (journal, journal.with_name(f"{journal.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def kill_at(journal: Path, size: int) -> bool:
    """Run the command, kill it when it has written ``size`` bytes; whether it was running."""
    with running(command(journal)) as child:
        while child.poll() is None and written(journal) < size:
            pass  # waits for the fact: there is nothing to be told by
        child.kill()
        child.communicate(timeout=60)
        return child.returncode == -signal.SIGKILL


def finish(journal: Path) -> dict[str, Any]:
    """Run the command to its end."""
    done = subprocess.run(command(journal), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def assert_whole(journal: Path) -> int:
    """What was written can be read, folds, and agrees with itself; how many records there are."""
    book = open_journal(journal, read_only=True)
    try:
        verdict = verify(book)
    finally:
        book.close()
    assert [check for check in verdict.checks if check.failed] == []
    return verdict.records


@pytest.fixture(scope="module")
def uninterrupted() -> Report:
    """The replay as it is when nobody disturbs it."""
    return replay([shared_path(*LOG)], limit=ROWS)


@pytest.mark.parametrize("size", [1, 200_000, 1_000_000, 3_000_000, 6_000_000])
def test_killed_once_it_goes_on(tmp_path: Path, uninterrupted: Report, size: int) -> None:
    """Killed at any moment, from the first byte on: whole, and it ends as if undisturbed."""
    journal = tmp_path / "a.db"
    assert kill_at(journal, size), "it ended before it could be killed"
    assert_whole(journal)
    report = finish(journal)

    assert uninterrupted.digest == report["digest"]
    assert (uninterrupted.messages, uninterrupted.fills) == (report["messages"], report["fills"])
    assert uninterrupted.orders_by_state == report["orders_by_state"]
    assert [check["failed"] for check in report["checks"]] == [0] * len(report["checks"])
    assert_whole(journal)


def test_killed_again_and_again_it_still_ends_well(tmp_path: Path, uninterrupted: Report) -> None:
    """Each run gets further; none of them loses or doubles anything."""
    journal = tmp_path / "a.db"
    records = [0]
    for size in (100_000, 500_000, 1_500_000, 2_500_000, 4_000_000):
        if not kill_at(journal, size):
            break
        records.append(assert_whole(journal))

    assert records == sorted(records)
    assert records[-1] > records[1]
    assert uninterrupted.digest == finish(journal)["digest"]


def test_two_replays_do_not_share_a_journal(tmp_path: Path) -> None:
    """A second process on the same journal is refused while the first one runs."""
    journal = tmp_path / "a.db"
    with running(command(journal)) as first:
        while first.poll() is None and written(journal) < 1_000_000:
            pass  # waits for the fact
        second = subprocess.run(command(journal), capture_output=True, text=True, check=False)
        assert first.poll() is None, "the first one ended too early"

    assert (second.returncode, list(json.loads(second.stdout))) == (2, ["error"])
    assert "a.db" in second.stderr
