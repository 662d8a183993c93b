"""How two sides are compared: the same work, in turns, in one process, judged by medians.

A ratio is only as fair as its two sides. So, for both alike: preparation and tidying are outside
the clock; a full collection runs before each measurement, and the collector stays on during it, as
it does in a host; one round warms up and is thrown away; and the rounds interleave (ours, floor,
ours, floor, ...), so that a machine that slows down slows both.
"""

from __future__ import annotations

import abc
import gc
import statistics
import time
from collections.abc import Callable, Sequence

import msgspec

__all__ = ["Options", "Result", "Row", "Side", "Unavailable", "compare"]


class Unavailable(Exception):
    """This benchmark cannot run here; the text says what is missing. The others go on."""


class Options(msgspec.Struct, frozen=True):
    """``quick`` shrinks a benchmark to a check that it runs: its ratios are no evidence."""

    quick: bool = False

    @property
    def rounds(self) -> int:
        """Measured rounds; the warm-up comes on top."""
        return 3 if self.quick else 5


class Row(msgspec.Struct, frozen=True):
    """One line of the report: medians in ``unit``, and ``ratio`` = value / baseline_value."""

    benchmark: str
    case: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    ratio: float


class Result(msgspec.Struct, frozen=True):
    """A row with the lowest and highest ratio of a single round: how far to trust the median."""

    row: Row
    ratio_min: float
    ratio_max: float


class Side(abc.ABC):
    """One way to do the work. A side is used for all rounds and starts each of them afresh."""

    name: str

    @abc.abstractmethod
    def prepare(self) -> None:
        """Build what the work needs; not measured."""

    @abc.abstractmethod
    def work(self) -> None:
        """Do the work; measured."""

    @abc.abstractmethod
    def check(self) -> None:
        """Raise unless the work was done, and done right; not measured."""

    @abc.abstractmethod
    def finish(self) -> None:
        """Tidy up; not measured, also called after a failure."""


def compare(
    benchmark: str,
    case: str,
    unit: str,
    in_unit: Callable[[float], float],
    sides: Sequence[Side],
    rounds: int,
    warm_up: Sequence[Side] = (),
) -> list[Result]:
    """Measure ``sides`` in turns; the first is ours, each other one is a baseline with its own row.

    ``in_unit`` turns the seconds of one round into ``unit``. ``warm_up`` are smaller sides that do
    the same, where a whole round would take too long to throw it away.
    """
    for side in warm_up or sides:
        _seconds(side)
    samples: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, values in zip(sides, samples, strict=True):
            values.append(in_unit(_seconds(side)))
    ours = samples[0]
    results = []
    for side, values in zip(sides[1:], samples[1:], strict=True):
        value, floor = statistics.median(ours), statistics.median(values)
        ratios = [mine / theirs for mine, theirs in zip(ours, values, strict=True)]
        row = Row(benchmark, case, value, unit, side.name, floor, value / floor)
        results.append(Result(row, min(ratios), max(ratios)))
    return results


def _seconds(side: Side) -> float:
    """One measured round of one side."""
    try:
        side.prepare()
        gc.collect()
        began = time.perf_counter()
        side.work()
        seconds = time.perf_counter() - began
        side.check()
        return seconds
    finally:
        side.finish()
