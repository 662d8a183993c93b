"""Crash tests of a journal on disk: the process, or the machine, dies inside a write.

A commit is appended to SQLite's write-ahead log: frames of a head and a page, the last of which
ends the commit. Here the log is cut inside those bytes, for every commit of a scenario: in the head
of its first frame, in the middle, and one byte before its end. What was there before stays behind
the cut, as it does on a disk. A torn commit has to vanish whole, all commits before it have to
stand, and a system that goes on from there at the same exchange has to end as the venue does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from ..journal import SqliteJournal
from ..replay_checks import fold_journal
from .crash import CREATED_TS, CrashReport, CutViolation, NotReached, judge
from .crash_stage import CrashScenario, Stage
from .mortal import Crash, Death
from .truth import Violation

__all__ = ["tear_everywhere"]


class _TornDeath(Death):
    """Lets one commit be written, keeps the files as they were before and after, and dies."""

    def __init__(self, nth: int, path: Path) -> None:
        super().__init__()
        self._nth = nth
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self.file = self.before = self.after = b""
        self.last_seq = 0

    def write(self, append: Callable[[], int]) -> int:
        """One commit."""
        self.commits += 1
        if self.commits < self._nth:
            self.last_seq = append()
            return self.last_seq
        self.file = self._path.read_bytes()
        self.before = self._log.read_bytes() if self._log.exists() else b""
        append()
        self.after = self._log.read_bytes()
        raise Crash(f"in commit {self._nth}")

    def offsets(self) -> Iterator[int]:
        """Where to cut: bytes of the log from which on the write did not happen."""
        begin = next(
            (n for n, (a, b) in enumerate(zip(self.before, self.after, strict=False)) if a != b),
            len(self.before),
        )
        end = len(self.after)
        yield from dict.fromkeys(
            (begin, begin + 12, begin + 32 + 2000, (begin + end) // 2, end - 1)
        )


def tear_everywhere(
    scenario: CrashScenario, *, every: int = 1, progress: Callable[[int, int], object] | None = None
) -> CrashReport:
    """Cut into the bytes of every commit of a scenario, go on from there, and judge.

    Args:
        scenario: what the system is put through.
        every: try only each so-manieth commit.
        progress: called with (commits tried, commits there are).

    Raises:
        NotReached: the scenario is not the same each time it is played.
    """
    with TemporaryDirectory(prefix="orderwright-crash-") as folder:
        journal = _journal(Path(folder) / "whole.journal")
        stage, death = Stage(scenario, journal), Death()
        stage.live(death)
        violations = [CutViolation("", one) for one in _judge(stage, journal)]
        with SqliteJournal(journal.name, read_only=True) as whole:
            books, records = fold_journal(whole), whole.last_seq
        cuts = 0
        for nth in range(1, death.commits + 1, every):
            for cut, found in _torn(scenario, nth, Path(folder)):
                cuts += 1
                violations += (CutViolation(cut, one) for one in found)
            if progress is not None:
                progress(nth, death.commits)
    return CrashReport(
        scenario=scenario.name,
        records=records,
        commits=death.commits,
        calls=death.calls,
        orders=len(books.orders),
        fills=sum(sum(1 for _ in ledger.live()) for ledger in books.ledgers.values()),
        cuts=cuts,
        violations=tuple(violations),
    )


def _journal(path: Path) -> SqliteJournal:
    return SqliteJournal(path, engine_id="OW1", incarnation="CRSH", created_ts=CREATED_TS)


def _torn(scenario: CrashScenario, nth: int, folder: Path) -> Iterator[tuple[str, list[Violation]]]:
    """Every cut into one commit. The exchange lives once only, so each is played from the start."""
    number = 0
    while True:
        path = folder / f"{nth}-{number}.journal"
        first = _journal(path)
        stage, death = Stage(scenario, first), _TornDeath(nth, path)
        try:
            stage.live(death)
        except Crash:
            first.close()
        else:
            raise NotReached(f"{scenario.name!r} ended before its commit {nth}")
        offsets = list(death.offsets())
        offset = offsets[number]
        torn = folder / f"{nth}-{number}.torn"
        torn.write_bytes(death.file)
        log = death.after[:offset] + death.before[offset:]
        torn.with_name(f"{torn.name}-wal").write_bytes(log)
        yield f"TORN_WRITE:{nth}@{offset}", _go_on(stage, torn, death.last_seq)
        for file in folder.glob(f"{nth}-{number}.*"):
            file.unlink()
        number += 1
        if number == len(offsets):
            return


def _go_on(stage: Stage, torn: Path, last_seq: int) -> list[Violation]:
    journal = _journal(torn)
    found: list[Violation] = []
    if journal.last_seq != last_seq:
        text = f"record {journal.last_seq} is the last one, {last_seq} was before the torn commit"
        found.append(Violation("a_torn_commit_vanishes_whole", text))
    stage.journal = journal
    stage.live(Death())
    return found + _judge(stage, journal)


def _judge(stage: Stage, journal: SqliteJournal) -> list[Violation]:
    """Judge what is on disk, once nobody has it open."""
    journal.close()
    with SqliteJournal(journal.name, read_only=True) as closed:
        stage.journal = closed
        return judge(stage)
