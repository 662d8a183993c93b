"""Live orders: what each occupies, and what an event costs with few and with very many of them.

Orders are resting limit orders with an intent id of the host's, accepted, with one execution; all
messages are decoded from bytes. `bytes` is resident memory after a full collection, beyond what the
process had with its first 1,000 orders: the figure that counts, caches of the journal and all.
`traced` is what Python's own allocations come to (tracemalloc), for few orders, where pages of
memory are too coarse a measure. `further fills`: ten more for each order, on average.

`fill` is one more execution of a random open order: decoded, booked on order and position, written;
the median burst of a round, because now and then one waits for the disk, which moves the log of
what has been opened before. `whole life` is another order submitted, accepted, filled twice and
gone while the others stay; the mean, because the checkpoints that are written every so many facts,
and such waits, belong to it. Both are compared to the same engine with 1,000 open orders, in a
process of its own, in turns; while they are timed all others stand still. Host and engine share a
loop; each burst of 16 messages is one turn and one commit; the journal is a SQLite file, durability
`process`; the collector is on, as Python sets it.

`soak`: 3,000,000 orders pass, 1,000 open at a time, with automatic retention that keeps at least
100,000 facts. Resident memory is the mean over the last third of the orders against that over the
first. The journal's growth is what its files gain in the last third for each order that closes:
what retention never removes (tombstone, ids, execution keys), against a journal that keeps all. It
measures no time, so it goes on while the open orders above are made, and stands still while they
are timed.

Out: subscribers, starting and stopping. The time of whole lives includes writing the messages of
host and venue, about 1 us each.
"""

from __future__ import annotations

import contextlib
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec

from .harness import Options, Result, Row, Unavailable
from .live_host import SAMPLES

_BYTES_MAX: Final = 3 * 1024  # an order with one fill
_FILL_BYTES_MAX: Final = 200  # each further one
_MIB: Final = 1024 * 1024


class _Plan(NamedTuple):
    sizes: tuple[int, ...]  # open orders; the first is what the others are compared to
    instruments: tuple[int, ...]
    warm_up: int  # lives before anything is measured: they fill the journal's caches
    fills: int  # of a round
    lives: int
    soak: int
    unpruned: int  # orders of the soak that retention is compared to


_FULL: Final = _Plan(
    (1_000, 30_000, 300_000, 1_000_000), (1, 5_000), 5_000, 1_000, 1_500, 3_000_000, 100_000
)
_QUICK: Final = _Plan((200, 2_000), (1, 100), 1_000, 100, 50, 4_000, 2_000)
_FILLED_MAX: Final = 10_000  # orders with further fills
_FURTHER: Final = 10  # of each
_KEEP_FACTS: Final = 100_000  # what automatic retention keeps at least


def run(options: Options) -> Iterator[Result]:
    """Measure sizes, then costs at each, then the soak."""
    if not Path("/proc/self/statm").exists():
        raise Unavailable("resident memory is read from /proc, which this system does not have")
    plan = _QUICK if options.quick else _FULL
    with _Process(1, _KEEP_FACTS) as soaking:
        soaking.ask("live", plan.warm_up)
        soaking.tell("soak", plan.soak)  # it takes minutes, so it goes on while others are made
        yield from _traced(plan)
        yield from _filled(plan)
        yield from _grown(plan, options.rounds, soaking)
        yield from _soaked(plan, soaking)


def _traced(plan: _Plan) -> Iterator[Result]:
    size = plan.sizes[0]
    with _Process(1) as host:
        host.ask("open", size // 2)
        order, tracked, fill = host.ask("trace", size)
    what = f"{size:,} open"
    yield _against(f"traced, {what}", order, "B/order", "bound", _BYTES_MAX)
    yield _against(f"traced, further fills, {what}", fill, "B/fill", "bound", _FILL_BYTES_MAX)
    yield _against(f"objects to collect, {what}", tracked, "objects/order", "the actor", 1)


def _filled(plan: _Plan) -> Iterator[Result]:
    size = min(plan.sizes[1], _FILLED_MAX)
    pieces = _FURTHER * size // plan.fills
    with _Process(1) as host:
        host.ask("live", plan.warm_up)
        host.ask("open", size)
        host.ask("fill", plan.fills)
        (before,) = host.ask("memory")
        for _ in range(pieces):
            host.ask("fill", plan.fills)
        (after,) = host.ask("memory")
    each = (after - before) / (pieces * plan.fills)
    yield _against(f"further fills, {size:,} open", each, "B/fill", "bound", _FILL_BYTES_MAX)


def _grown(plan: _Plan, rounds: int, beside: _Process) -> Iterator[Result]:
    """Engines grow, others stay small; while times are measured nobody else works."""
    least = plan.sizes[0]
    with contextlib.ExitStack() as stack:
        pairs = {
            _traded(number): (
                stack.enter_context(_Process(number)), stack.enter_context(_Process(number))
            )
            for number in plan.instruments
        }  # fmt: skip
        for pair in pairs.values():
            for host in pair:
                host.ask("live", plan.warm_up)
                host.ask("open", least)
        occupied = {traded: many.ask("memory")[0] for traded, (many, _) in pairs.items()}
        with beside.paused():
            for traded, pair in pairs.items():
                yield from _costs(plan, rounds, pair, f"{least:,} open, {traded}")
        for size in plan.sizes[1:]:
            for many, _ in pairs.values():
                many.ask("open", size)  # one after the other: the soak is what takes longest
            for traded, pair in pairs.items():
                what = f"{size:,} open, {traded}"
                each = (pair[0].ask("memory")[0] - occupied[traded]) / (size - least)
                yield _against(f"bytes, {what}", each, "B/order", "bound", _BYTES_MAX)
                with beside.paused():
                    yield from _costs(plan, rounds, pair, what)
        with beside.paused():
            for traded, (many, _) in pairs.items():
                leave, frozen = many.ask("collect")
                case = f"a full collection, {plan.sizes[-1]:,} open, {traded}"
                yield _against(case, 1e3 * leave, "ms", "after gc.freeze()", 1e3 * frozen)


def _traded(instruments: int) -> str:
    return "1 instrument" if instruments == 1 else f"{instruments:,} instruments"


def _costs(
    plan: _Plan, rounds: int, hosts: tuple[_Process, _Process], what: str
) -> Iterator[Result]:
    """What events cost the first of the hosts, against the second."""
    for command, case, count, unit, average in (
        ("fill", "fill", plan.fills, "us/event", statistics.median),
        ("live", "whole life", plan.lives, "us/order", statistics.mean),
    ):
        taken = [[1e6 * host.ask(command, count)[0] for host in hosts] for _ in range(rounds + 1)]
        ours, theirs = zip(*taken[1:], strict=True)  # the first round warms up
        ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        value, base = average(ours), average(theirs)
        baseline = f"{plan.sizes[0]:,} open"
        row = Row("live_orders", f"{case}, {what}", value, unit, baseline, base, value / base)
        yield Result(row, min(ratios), max(ratios))


def _soaked(plan: _Plan, soaking: _Process) -> Iterator[Result]:
    samples = soaking.answer()[1:]
    resident, written = samples[:SAMPLES], samples[SAMPLES:]
    third = SAMPLES // 3
    last, first = (statistics.mean(part) / _MIB for part in (resident[-third:], resident[:third]))
    what = f"soak, {plan.soak:,} orders"
    yield _against(f"{what}, memory", last, "MiB", "first third", first)
    with _Process(1) as host:
        host.ask("live", plan.warm_up)
        unpruned = host.ask("soak", plan.unpruned)[1 + SAMPLES :]
    each, whole = (
        (sizes[-1] - sizes[-third]) / (orders * (third - 1) / SAMPLES)
        for sizes, orders in ((written, plan.soak), (unpruned, plan.unpruned))
    )
    yield _against(f"{what}, journal", each, "B/closed order", "without retention", whole)


def _against(case: str, value: float, unit: str, baseline: str, base: float) -> Result:
    ratio = value / base
    return Result(Row("live_orders", case, value, unit, baseline, base, ratio), ratio, ratio)


class _Process:
    """A `live_host`, and the folder of its journal; gone with the context."""

    def __init__(self, instruments: int, keep_facts: int = 0) -> None:
        self._arguments = [str(instruments), str(keep_facts)]
        self._told = ""

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="live-orders-"))
        self._host = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.live_host", folder, *self._arguments],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End it as it stands: an orderly stop would write down a million orders."""
        with self._stack, self._host:
            self._host.kill()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Have the process stand still meanwhile."""
        self._host.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._host.send_signal(signal.SIGCONT)

    def ask(self, name: str, number: int = 0) -> list[float]:
        """Have it do something; its answer."""
        self.tell(name, number)
        return self.answer()

    def tell(self, name: str, number: int = 0) -> None:
        """Have it do something, and go on."""
        assert self._host.stdin is not None
        self._told = name
        self._host.stdin.write(msgspec.json.encode((name, number)) + b"\n")
        self._host.stdin.flush()

    def answer(self) -> list[float]:
        """What it says when it has done what it was told."""
        assert self._host.stdout is not None
        line = self._host.stdout.readline()
        assert line, f"live_host ended during {self._told!r}; its last words are above"
        return msgspec.json.decode(line, type=list[float])
