"""Restarts: from a journal on disk to a running system.

`folding`: reading a journal without a checkpoint back into orders and positions, every record
proven and folded, against reading (and proving) and decoding the same records.

`start`: from opening the journal to a system that takes orders, with 1,000,000 orders closed and
1,000 open: after an orderly stop, and after a crash with 50,000 facts behind the last checkpoint.
The baseline folds every fact of the same journal into orders and positions, and builds no actors.
Then the same with 100,000 orders open, each with one execution.

Out: making the journal (see :mod:`benchmarks.past`), and what comes after the start: connecting to
the venue and reconciling with it. The journal was just written, so the file is in the system's
cache, for both sides. A start and the baseline are measured in turns, and what they found is
compared. The collector is on, as Python sets it.
"""

from __future__ import annotations

import contextlib
import gc
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from actors.journal import open_journal
from actors.recovery import fold_journal, recover
from actors.runtime import Future
from actors.system import ExecutionSystem
from actors.venues.port import Clock, Sink
from engine.fold import Books
from engine.journal import decode

from .harness import Options, Result, Row, Side, Unavailable, compare
from .past import ENGINE, FACTS_CLOSED, Past, write_past
from .script_venue import ScriptVenue

_NAME: Final = "recovery"
_GIB: Final = 1 << 30
_ROW_BYTES: Final = 4_000  # of the disk for each closed order, log and all


class _Plan(NamedTuple):
    folded: int  # closed orders, for `folding`
    closed: int
    still_open: int
    many_open: int
    tail: int  # closed orders behind the checkpoint: FACTS_CLOSED facts each
    starts: int  # measured, for each fold of everything
    folds: int  # of the large journal


_FULL: Final = _Plan(25_000, 1_000_000, 1_000, 100_000, 12_500, 3, 1)
_QUICK: Final = _Plan(500, 2_000, 50, 300, 100, 1, 1)


def run(options: Options) -> Iterator[Result]:
    """Measure folding, then starts."""
    plan = _QUICK if options.quick else _FULL
    with tempfile.TemporaryDirectory(prefix="recovery-") as name:
        folder = Path(name)
        if shutil.disk_usage(folder).free < plan.closed * _ROW_BYTES + _GIB:
            raise Unavailable(f"too little room in {folder} for {plan.closed:,} closed orders")
        yield from _folding(folder / "tail", plan, options.rounds)
        yield from _starts(folder / "past", plan)
        yield from _many_open(folder / "open", plan)


# --- folding --------------------------------------------------------------------------------------


class Recovering(Side):
    """What a restart does with a journal, up to building actors."""

    name = "engine"

    def __init__(self, path: Path, past: Past) -> None:
        self._path = path
        self._past = past

    def prepare(self) -> None:
        """Open the journal."""
        self._journal = open_journal(self._path, read_only=True)
        self._books: Books | None = None

    def work(self) -> None:
        """Read, prove, decode, fold."""
        self._books = recover(self._journal).books

    def check(self) -> None:
        """Every fact was folded, to the position that they come to."""
        assert self._books is not None
        assert self._past.facts == self._books.facts, self._books.facts
        assert [self._past.position] == list(self._books.positions.values())

    def finish(self) -> None:
        """Let go of everything."""
        self._books = None
        self._journal.close()


class Decoding(Side):
    """The least that reads all of it: every record read, proven and decoded."""

    name = "reading and decoding"

    def __init__(self, path: Path, past: Past) -> None:
        self._path = path
        self._past = past

    def prepare(self) -> None:
        """Open the journal."""
        self._journal = open_journal(self._path, read_only=True)
        self._count = 0

    def work(self) -> None:
        """Nothing is kept."""
        count = 0
        for record in self._journal.records():
            decode(record.body)
            count += 1
        self._count = count

    def check(self) -> None:
        """Every record was read."""
        assert self._past.facts == self._count, self._count

    def finish(self) -> None:
        """Give it back."""
        self._journal.close()


def _folding(path: Path, plan: _Plan, rounds: int) -> Iterator[Result]:
    past = write_past(path, plan.folded, 0, tail=-1)
    sides = Recovering(path, past), Decoding(path, past)
    yield from compare(
        _NAME, "folding", "records/s", lambda seconds: past.facts / seconds, sides, rounds
    )


# --- starts ---------------------------------------------------------------------------------------


class _DeafVenue(ScriptVenue):
    """A venue whose connection never stands, so that nothing but the start is measured."""

    async def connect(self, sink: Sink, clock: Clock) -> None:
        """Wait for ever."""
        del sink, clock
        await Future[None]()


class _Start:
    """Starts systems on a journal, and checks what they found."""

    def __init__(self, path: Path, past: Past, still_open: int) -> None:
        self._path = path
        self._past = past
        self._open = still_open
        self.facts_folded = 0

    def seconds(self, *, crash: bool) -> float:
        """One start; the system is then stopped in order, or let go as if its process had died."""
        gc.collect()
        began = time.perf_counter()
        system = ExecutionSystem([_DeafVenue()], journal=self._path, engine_id=ENGINE)
        system.start()
        seconds = time.perf_counter() - began
        self.facts_folded = system.recovered.facts_folded
        assert self._open == system.recovered.open_orders
        (held,) = system.snapshot().get(timeout=60).positions
        assert self._past.position.qty == held.qty
        if crash:
            system._finish()  # noqa: SLF001  # the half of stop() that writes nothing
        else:
            system.stop(timeout=1)
        return seconds

    def fold(self) -> float:
        """Fold every fact of the same journal."""
        gc.collect()
        with contextlib.closing(open_journal(self._path, read_only=True)) as journal:
            began = time.perf_counter()
            books = fold_journal(journal)
            seconds = time.perf_counter() - began
        assert [self._past.position] == list(books.positions.values())
        return seconds


def _starts(path: Path, plan: _Plan) -> Iterator[Result]:
    past = write_past(path, plan.closed, plan.still_open, plan.tail)
    start = _Start(path, past, plan.still_open)
    name = f"{plan.closed:,} closed, {plan.still_open:,} open"
    folds: list[float] = []
    crashes = _in_turns(plan, lambda: start.seconds(crash=True), start.fold, folds)
    assert start.facts_folded >= plan.tail * FACTS_CLOSED, start.facts_folded
    start.seconds(crash=False)
    stops = _in_turns(plan, lambda: start.seconds(crash=False), None, folds)
    assert start.facts_folded < 100, start.facts_folded  # no closed order, nor an open one
    yield _result(f"start, {name}", stops, folds)
    tail = plan.tail * FACTS_CLOSED
    yield _result(f"start after a crash, {name}, {tail:,} facts since", crashes, folds)
    path.unlink()  # it is large


def _many_open(path: Path, plan: _Plan) -> Iterator[Result]:
    past = write_past(path, plan.folded, plan.many_open)
    start = _Start(path, past, plan.many_open)
    folds: list[float] = []
    starts = _in_turns(plan, lambda: start.seconds(crash=True), start.fold, folds)
    yield _result(f"start, {plan.many_open:,} open", starts, folds)


def _in_turns(
    plan: _Plan, ours: Callable[[], float], baseline: Callable[[], float] | None, folds: list[float]
) -> list[float]:
    """Some of ours, then one of the baseline, and again; the first of ours warms up."""
    ours()
    seconds: list[float] = []
    for _ in range(plan.folds):
        seconds += [ours() for _ in range(plan.starts)]
        if baseline is not None:
            folds.append(baseline())
    return seconds


def _result(case: str, ours: list[float], folds: list[float]) -> Result:
    value, baseline = statistics.median(ours), statistics.median(folds)
    row = Row(_NAME, case, value, "s", "folding everything", baseline, value / baseline)
    return Result(row, min(ours) / max(folds), max(ours) / min(folds))
