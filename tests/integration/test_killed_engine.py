"""A real engine, a real journal, a venue in another process, and SIGKILL: nothing lost, nothing
doubled.

More rounds: ``python -m tests.integration.kill_rounds --rounds 200``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

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
def test_killed_many_times(tmp_path: Path) -> None:
    """Many lives on one journal, each ended at a moment nobody chose."""
    with Killing(tmp_path, seed=3) as killing:
        for _ in range(6):
            for kind in kinds():
                killing.round(kind)
        assert_unharmed(killing)
