"""Crash tests: a scenario is played again and again, and each time the process dies at another
moment.

:func:`cut_everywhere` plays a scenario once to the end and counts its commits and calls. Then, for
each of them, it plays it anew up to that very moment and lets the system die there: before a
commit, after it with nothing sent, before a call, after the venue acted with nobody to hear the
answer. The exchange is as it was at that moment; a new system starts on the journal that is left,
the host submits its intents again and goes on. At the end everything must have come to rest, and
orders, executions and positions must be the venue's: none lost, none doubled.

``` python
report = cut_everywhere(CrashScenario(name="race", steps=(...), instruments=(btc,)))
assert not report.violations, report.violations[0]
```

:mod:`actors.testing.crash_files` does the same to a journal on disk, and cuts into the bytes of
each commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from engine.errors import EngineError

from ..journal import MemoryJournal
from ..replay_checks import fold_journal
from ..verifying import verify
from .crash_stage import SETTLE_NS, CrashScenario, Stage
from .mortal import Crash, CrashPoint, Cut, Death
from .truth import Violation, compare, not_written_first

__all__ = [
    "CrashPoint",
    "CrashReport",
    "CrashScenario",
    "Cut",
    "CutViolation",
    "NotReached",
    "cut_at",
    "cut_everywhere",
    "judge",
]

CREATED_TS = 1_690_000_000_000_000_000
_COMMITS: Final = (CrashPoint.BEFORE_WRITE, CrashPoint.AFTER_WRITE)
#: Alarms that tell of a bug in us, whatever the venue did.
_OUR_BUGS: Final = frozenset(
    {
        "background_failed",
        "broker_failed",
        "effect_failed",
        "execution_elsewhere",
        "order_failed",
        "subscriber_failed",
        "unbookable",
    }
)


class NotReached(EngineError):
    """A cut lies behind the end of its scenario, or the scenario is not the same each time."""


class CutViolation(msgspec.Struct, frozen=True):
    """A promise broken after a crash; ``cut_at(scenario, Cut.read(cut))`` breaks it again."""

    cut: str
    violation: Violation

    def __str__(self) -> str:
        what = self.violation
        where = f"cut at {self.cut}" if self.cut else "without a crash"
        return f"{where}: {what.invariant}: {what.message} ({what.entity or 'the system'})"


class CrashReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried. ``records``, ``commits`` and ``calls`` are those of the undisturbed play."""

    scenario: str
    records: int
    commits: int
    calls: int
    orders: int
    fills: int
    cuts: int
    violations: tuple[CutViolation, ...]


def memory_journal() -> MemoryJournal:
    """A journal that is the same each time."""
    return MemoryJournal(engine_id="OW1", incarnation="CRSH", created_ts=CREATED_TS)


def cut_everywhere(
    scenario: CrashScenario,
    *,
    points: Sequence[CrashPoint] = tuple(CrashPoint),
    again: int = 0,
    every: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> CrashReport:
    """Let the system die at every moment of a scenario, and judge each time what becomes of it.

    Args:
        scenario: what it is put through.
        points: where in a turn to die.
        again: after each death, let the next life die too: before and after its first so many
            commits. Recovery must survive itself.
        every: try only each so-manieth commit and call; for scenarios too long to try all.
        progress: called with (cuts tried, cuts planned).

    Raises:
        NotReached: the scenario is not the same each time it is played.
    """
    stage, death = Stage(scenario, memory_journal()), Death()
    stage.live(death)
    violations = [CutViolation("", one) for one in judge(stage)]
    books = fold_journal(stage.journal)
    fills = sum(sum(1 for _ in ledger.live()) for ledger in books.ledgers.values())
    cuts = list(_cuts(death, points, again, every))
    for number, cut in enumerate(cuts, 1):
        violations += (CutViolation(str(cut), one) for one in cut_at(scenario, cut))
        if progress is not None:
            progress(number, len(cuts))
    return CrashReport(
        scenario=scenario.name,
        records=stage.journal.last_seq,
        commits=death.commits,
        calls=death.calls,
        orders=len(books.orders),
        fills=fills,
        cuts=len(cuts),
        violations=tuple(violations),
    )


def _cuts(death: Death, points: Iterable[CrashPoint], again: int, every: int) -> Iterator[Cut]:
    for point in points:
        moments: Sequence[int] = range(1, death.commits + 1)
        if point is CrashPoint.BEFORE_SEND:
            moments = range(1, death.calls + 1)
        elif point is CrashPoint.AFTER_SEND:
            moments = sorted(death.ended)
        for nth in moments[::every]:
            yield Cut(point, nth)
            for second in range(1, again + 1):
                for where in _COMMITS:
                    yield Cut(point, nth, (Cut(where, second),))


def cut_at(scenario: CrashScenario, cut: Cut) -> list[Violation]:
    """Play a scenario up to one cut, let the system die there, go on, and say what was broken.

    Raises:
        NotReached: the scenario ended before that.
    """
    stage = Stage(scenario, memory_journal())
    deaths = 0
    for one in (cut, *cut.then, None):
        try:
            stage.live(Death(one))
        except Crash:
            deaths += 1
    if not deaths:
        raise NotReached(f"{scenario.name!r} ended before {cut}")
    return judge(stage)


def judge(stage: Stage) -> list[Violation]:
    """What was broken, after the last life has stopped in order."""
    found = [
        Violation("nothing_failed", f"{alarm.kind}: {alarm.detail}", alarm.entity)
        for alarm in stage.alarms
        if alarm.kind in _OUR_BUGS
    ]
    if not stage.settled:
        found.append(Violation("comes_to_rest", f"not within {SETTLE_NS // 10**9} s"))
    verdict = verify(stage.journal)
    found += (
        Violation("journal_is_whole", f"{check.name}: {'; '.join(check.examples)}")
        for check in verdict.checks
        if check.failed
    )
    if verdict.digest != stage.digest:
        found.append(Violation("live_state_is_the_fold", f"{stage.digest}, {verdict.digest}"))
    books = fold_journal(stage.journal)
    for broker in stage.system.brokers.values():
        truth = stage.truth(broker.account)
        found += compare(truth, books, broker.name, broker.account)
        found += not_written_first(truth, books)
    return found
