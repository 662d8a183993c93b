"""A real engine, a real journal, a venue in another process, and SIGKILL: nothing lost, nothing
doubled.

More rounds: ``python -m tests.integration.kill_rounds --rounds 200``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..mutants.mutant import Mutant
from ..mutants.workshop import Bench
from .engine_process import Death
from .kill_kit import Killing, kinds
from .wire import KillPoint

#: Many processes, each of which has to start: a busy machine is not a bug.
pytestmark = pytest.mark.timeout(900)


def assert_unharmed(killing: Killing) -> None:
    """Come to rest, compare, and show the first thing that is wrong."""
    report = killing.settle()
    assert not report.violations, f"{len(report.violations)}, first {report.violations[0]}"
    assert "Traceback" not in killing.errors(), killing.errors()[-2000:]


def test_killed_at_every_kind_of_moment(tmp_path: Path) -> None:
    """Killed around commits, sends and answers, and at any moment: the journal is the venue's."""
    with Killing(tmp_path, seed=1) as killing:
        for kind in kinds():
            killing.round(kind, nth=25)
        assert_unharmed(killing)
    assert killing.report.orders > 20
    assert killing.report.fills > 5


def test_killed_while_it_recovers(tmp_path: Path) -> None:
    """Killed with orders on the wire, then again and again right after it began to recover."""
    with Killing(tmp_path, seed=2) as killing:
        killing.round(KillPoint.ACTED, nth=12)
        for kind in (Death.BEFORE_WRITE, Death.AFTER_WRITE, Death.BEFORE_WRITE):
            killing.round(kind, nth=1)
        killing.round(None, nth=1)
        assert_unharmed(killing)
        killing.round(Death.AFTER_SEND, nth=30)  # begins with the checkpoint of an orderly stop
        assert_unharmed(killing)


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [1, pytest.param(6, marks=pytest.mark.nightly)])
def test_killed_many_times(tmp_path: Path, rounds: int) -> None:
    """Many lives on one journal, each ended at a moment nobody chose."""
    with Killing(tmp_path, seed=3) as killing:
        for _ in range(rounds):
            for kind in kinds():
                killing.round(kind)
        assert_unharmed(killing)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        (
            Mutant(
                "gap-executions-ignored",
                "What was executed while the process was down is never booked.",
                "actors/broker_link.py",
                "fills = self.admitted(gap.executions.items)",
                "fills: list[Filled] = []",
                (),
            ),
            "no_fill_lost",
        ),
        (
            Mutant(
                "closed-intent-sent-again",
                "An intent handed in again after its order has closed is traded again.",
                "actors/intents.py",
                "if known is None and intent in self._closed:",
                "if False:",
                (),
            ),
            "nothing_placed_twice",
        ),
    ],
    ids=["lost", "doubled"],
)
def test_the_rounds_notice_a_broken_engine(
    fault: Mutant, broken: str, tmp_path: Path, repository: Path
) -> None:
    """A copy of the engine that loses fills, or that trades an intent twice, does not pass."""
    copy = tmp_path / "copy"
    Bench.copied(repository, copy)
    file = copy / fault.file
    file.write_text(fault.applied_to(file.read_text("utf-8")), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.kill_rounds", "--rounds", "3", "--seed", "4"],
        capture_output=True,
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "TMPDIR": str(tmp_path)},
        text=True,
        timeout=300,
        check=False,
    )
    assert 1 == done.returncode, done.stderr
    found = [one["invariant"] for one in json.loads(done.stdout)["violations"]]
    assert broken in found
