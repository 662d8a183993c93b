"""A venue that is 50 ms away and counts calls: how full the lane keeps it, and who has to wait.

10,000 intents are submitted at once, nine in ten of them for one instrument, the others for nine
quiet ones. While they wait, orders that stand at the venue are cancelled, one now and then, from
the beginning. Two kinds of venue: one that bears 1,000 calls in any second, and 64 at a time with a
slot more for exits; and a strictly serial one: one call at a time, and no slot beside it.

* rate: calls a second while the queue is full, against what the venue allows; a serial venue
  allows one call after the other. The system is told 1 % less than the venue allows, and spreads
  its calls: bursts of 20 at most.
* refused: calls that broke the venue's rule of calls a second, as it counted them, against all.
* cancel: the wait from `cancel()` until the venue's call begins, against the longest call of the
  same runs. In it: the way to the engine's thread, whatever waits there, the journal's commit, and
  the call that is being made.
* quiet instruments: the smallest share of the calls that an instrument got while all had orders
  waiting, against an equal share; and how long their orders waited (p99), against their turns.

In real time the system is the one that users start: its own thread, SQLite on disk, a host that
submits as fast as it can. The serial venue is watched for 7 seconds of its queue; the rest is
withdrawn. Virtual time shows the lane by itself, to the nanosecond: there, submitting, deciding and
writing (in memory) take no time, and a second run gives the same figures. Out: starting and
stopping.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from .flood import INSTRUMENTS, Flood, Observed, in_real_time, in_virtual_time, part_of
from .harness import Options, Result, Row

WIDE: Final = Flood(
    case="64 at once", window=64, exit_slots=1, calls_max=1_000, cancel_every_ns=20_000_000
)
SERIAL: Final = Flood(
    case="serial", window=1, exit_slots=0, calls_max=1_000, cancel_every_ns=130_000_000
)
_INTENTS: Final = 10_000
_INTENTS_QUICK: Final = 500
_WATCHED_NS: Final = 7_000_000_000  # of the serial venue, in real time
_WATCHED_QUICK_NS: Final = 1_000_000_000
_ROUNDS: Final = 3  # in real time


def run(options: Options) -> Iterator[Result]:
    """Both kinds of venue, in real and in virtual time."""
    intents = _INTENTS_QUICK if options.quick else _INTENTS
    rounds = 1 if options.quick else _ROUNDS
    watched = _WATCHED_QUICK_NS if options.quick else _WATCHED_NS
    for flood, watched_ns in ((WIDE, None), (SERIAL, watched)):
        real = [in_real_time(flood, intents, watched_ns) for _ in range(rounds)]
        yield from _rows(f"{flood.case}, real time", flood, real)
        yield _refused(f"{flood.case}, real time: refused", real)
        virtual = [in_virtual_time(flood, intents)]
        yield from _rows(f"{flood.case}, virtual", flood, virtual)
        yield from _fairness(f"{flood.case}, virtual", virtual)


def _rows(kind: str, flood: Flood, runs: Sequence[Observed]) -> Iterator[Result]:
    """The rate, and the cancels."""
    allowed = [flood.allowed_per_s(run) for run in runs]
    rates = [run.calls_per_s() for run in runs]
    yield _result(f"{kind}: rate", "calls/s", rates, "allowed", allowed)
    for word, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        yield _waits(f"{kind}: cancel {word}", runs, part)


def _fairness(kind: str, runs: Sequence[Observed]) -> Iterator[Result]:
    least = [min(run.shares().values()) * 100 for run in runs]
    equal = [100 / len(INSTRUMENTS) for _ in runs]
    yield _result(f"{kind}: smallest share", "%", least, "equal share", equal)
    waits = [run.quiet_wait_ns(0.99) / 1e6 for run in runs]
    turns = [run.quiet_turn_ns(0.99) / 1e6 for run in runs]
    yield _result(f"{kind}: quiet instruments p99", "ms", waits, "their turns", turns)


def _refused(case: str, runs: Sequence[Observed]) -> Result:
    refused = [float(run.refused) for run in runs]
    return _result(case, "calls", refused, "all calls", [float(len(run.calls)) for run in runs])


def _waits(case: str, runs: Sequence[Observed], part: float) -> Result:
    """Of the cancels of all runs together; the ratios are those of single runs."""
    waits = [wait for run in runs for wait in run.cancel_waits_ns]
    value = part_of(waits, part) / 1e6
    longest = max(run.longest_call_ns() for run in runs) / 1e6
    ratios = [part_of(run.cancel_waits_ns, part) / run.longest_call_ns() for run in runs]
    row = Row("broker", case, value, "ms", "longest call", longest, value / longest)
    return Result(row, min(ratios), max(ratios))


def _result(
    case: str, unit: str, values: Sequence[float], baseline: str, floors: Sequence[float]
) -> Result:
    value, floor = statistics.median(values), statistics.median(floors)
    ratios = [mine / theirs for mine, theirs in zip(values, floors, strict=True)]
    row = Row("broker", case, value, unit, baseline, floor, value / floor)
    return Result(row, min(ratios), max(ratios))
