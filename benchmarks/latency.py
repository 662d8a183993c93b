"""How long an order waits for us: `submit()` to the venue's call, report to subscriber.

*Submit to call* begins when the host calls `submit()` and ends on the first line of the venue's
`place()`: validation and the check of the intent's id, the way to the engine's thread or loop, a
turn, its commit, the session, the lane, and the asyncio task of the call. *Report to subscriber*
begins when the venue's adapter hands a fill to its sink (the only fill of its order) and ends on
the first line of a subscriber's callback: the door, a turn with order and position, its commit.

The journal is a file, at durability `process`. The venue is no inline one: its calls are tasks and
its reports pass the door, as those of an adapter for an exchange do; it does nothing else. Three
ways of embedding: the engine on a *thread of its own*, in the *host's loop*, and *by hand*: the
dispatcher of simulations and replays on the real clock, run by the host after each thing it does.

The baseline is *one commit*: the rows that the engine commits at that moment (an intent; or a last
fill, its execution, the closed order and its venue's id) into a database of its own with the
journal's tables and settings, by the same host, at the same pace, between the same orders. Beside
each percentile of ours stands the same percentile of the commit.

* *idle*: an order every few milliseconds, at random distances. Who has slept finds cold caches;
  that holds for both sides.
* *half load*: orders at half of the highest rate that this way takes, which is measured first.
* *busy thread*: as idle, beside a thread of the host that never rests. It gives up the
  interpreter's lock every 5 ms (`sys.getswitchinterval`), and whoever gave the lock up, as SQLite
  and every system call do, waits for that to get it back.

Out: starting and stopping, and the way between adapter and exchange. Lowest and highest ratio are
those of single rounds.
"""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple

from .desks import ByHand, Desk, HostsLoop, OwnThread, Samples
from .harness import Options, Result, Row

_PERCENTILES: Final = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))
#: (what is measured, ours, the commit beside it)
_MEASURES: Final = (
    ("submit to call", attrgetter("submit"), attrgetter("intent_commit")),
    ("report to subscriber", attrgetter("report"), attrgetter("fill_commit")),
)
_WAYS: Final = (OwnThread, HostsLoop, ByHand)
_WAYS_BUSY: Final = (OwnThread, HostsLoop)
_PERCENTILES_BUSY: Final = _PERCENTILES[:2]  # fewer samples, as each takes long
_PAUSE_S: Final = 0.0005
_WARM_UP: Final = 20  # orders at the start of each round


class Plan(NamedTuple):
    """How much is measured, in each round."""

    rounds: int
    idle: int  # orders
    loaded_s: float
    burst: int  # orders, to find the highest rate
    busy: int  # orders


FULL = Plan(rounds=4, idle=1_100, loaded_s=1.2, burst=2_000, busy=30)
QUICK = Plan(rounds=2, idle=30, loaded_s=0.05, burst=100, busy=1)


def run(options: Options) -> Iterator[Result]:
    """Measure all ways in turns, then report."""
    plan = QUICK if options.quick else FULL
    idle, loaded = ({way.name: list[Samples]() for way in _WAYS} for _ in range(2))
    busy = {way.name: list[Samples]() for way in _WAYS_BUSY}
    for _ in range(plan.rounds):
        for way in _WAYS:
            with way() as desk:
                desk.measure(desk.steady(_WARM_UP, _PAUSE_S))
                idle[way.name].append(desk.measure(desk.steady(plan.idle, _PAUSE_S)))
                rate = _highest_rate(desk, plan.burst)
                count = math.ceil(rate / 2 * plan.loaded_s)
                loaded[way.name].append(desk.measure(desk.loaded(count, rate / 2)))
                if way in _WAYS_BUSY:
                    with _busy_thread():
                        busy[way.name].append(desk.measure(desk.steady(plan.busy, _PAUSE_S)))
    for load, rounds, percentiles in (
        ("idle", idle, _PERCENTILES),
        ("half load", loaded, _PERCENTILES),
        ("busy thread", busy, _PERCENTILES_BUSY),
    ):
        for name, samples in rounds.items():
            yield from _results(load, name, samples, percentiles)


def _highest_rate(desk: Desk, count: int) -> float:
    """Orders a second, as fast as they are taken."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        desk.measure(desk.burst(count))
        seconds.append(time.perf_counter() - began)
    return count / statistics.median(seconds)


@contextmanager
def _busy_thread() -> Iterator[None]:
    """A thread that computes and never waits."""
    stopping = False

    def spin() -> None:
        while not stopping:
            pass

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping = True
        thread.join()


def _results(
    load: str, way: str, rounds: Sequence[Samples], percentiles: Sequence[tuple[str, float]]
) -> Iterator[Result]:
    """Percentiles over all samples; the lowest and highest ratio of a round's own."""
    for measure, ours_of, commits_of in _MEASURES:
        ours = [sorted(ours_of(samples)) for samples in rounds]
        commits = [sorted(commits_of(samples)) for samples in rounds]
        all_ours, all_commits = (sorted(chain.from_iterable(side)) for side in (ours, commits))
        for name, share in percentiles:
            value, commit = _at(all_ours, share) / 1e3, _at(all_commits, share) / 1e3
            ratios = [_at(a, share) / _at(b, share) for a, b in zip(ours, commits, strict=True)]
            case = f"{measure}, {load}, {way}, {name}"
            row = Row("latency", case, value, "us", "one commit", commit, value / commit)
            yield Result(row, min(ratios), max(ratios))


def _at(ordered: Sequence[int], share: float) -> int:
    """A percentile by nearest rank: at least ``share`` of the samples are not above it."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
