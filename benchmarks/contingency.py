"""From the fill of an entry to its stop's call: engine time, beside few and very many brackets.

Each bracket is an entry with a stop and a target, of one of ten instruments. So many of them are
open, their entries resting at the venue, their exits held back. Then one more is submitted and its
entry is filled; the clock runs from handing in the execution to the venue's being called with the
stop. In: booking it on order and position, the group's look at its legs, the facts written to a
SQLite journal (durability `process`), and the calls' way through lane and session. Out: the venue's
own time and the network's; messages of the venue are objects, nothing is decoded. It runs by hand,
in the caller's thread, on a clock of its own, so that no hand-over between threads is in it.

`commits` is how many turns were committed before that call: one, when the fill and the stop's
intent are written together. The baseline is the same engine with 10 open brackets, in the same run;
medians over all fills of a size.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from actors.journal import Journal
from actors.runtime import SimulatedDispatcher
from actors.system import ExecutionSystem
from actors.venues.port import Answer, Done, Outcome
from engine import bracket, limit
from engine.capabilities import ReduceOnlyRule
from engine.messages import Accepted, Filled, Place
from engine.values import Instrument, OrderType

from .harness import Options, Result, Row
from .lives import INSTRUMENT
from .script_venue import ScriptVenue

_NAME: Final = "contingency"
_INSTRUMENTS: Final = 10
_LEAST: Final = 10
_QTY: Final = Decimal(1)


class _Plan(NamedTuple):
    sizes: tuple[int, ...]
    fills: int  # measured at each size


_FULL: Final = _Plan((_LEAST, 1_000, 10_000, 100_000), 400)
_QUICK: Final = _Plan((_LEAST, 100), 20)


class _Venue(ScriptVenue):
    """Takes everything at once, and notes when it was asked for a stop."""

    capabilities = replace(
        ScriptVenue.capabilities,
        reduce_only=ReduceOnlyRule.CLAMP,
        order_types=(OrderType.LIMIT, OrderType.STOP, OrderType.MARKET),
    )
    traded: tuple[Instrument, ...] = tuple(
        replace(INSTRUMENT, symbol=f"S{number}USDT") for number in range(_INSTRUMENTS)
    )
    stop_called: float = 0.0
    commits_then: int = 0
    journal: Journal
    _placed: int = 0

    async def place(self, request: Place) -> Outcome:
        """Accept it."""
        order = request.order
        if order.order_type is OrderType.STOP:
            self.stop_called = time.perf_counter()
            self.commits_then = self.journal.statistics().appends
        self._placed += 1
        ts = self._clock.time_ns()
        return Done((Accepted(order.client_order_id, ts, f"V{self._placed}"),))

    async def instruments(self) -> Answer[Instrument]:
        """All of them."""
        return Answer(self.traded, True, 0)

    def fill(self, client_order_id: str, number: int) -> None:
        """Report an execution of the whole order."""
        ts = self._clock.time_ns()
        self._sink(Filled(client_order_id, ts, f"E{number}", _QTY, Decimal(60_000)))


class _Desk:
    """A running system, its venue, and the brackets that are open."""

    def __init__(self, folder: Path) -> None:
        self.venue = _Venue()
        self.dispatcher = SimulatedDispatcher()
        self.system = ExecutionSystem(
            [self.venue], journal=folder / "orders.journal", dispatcher=self.dispatcher,
            cross_check=None,  # the venue has no lists to compare with
        )  # fmt: skip
        self.system.start()
        self.venue.journal = self.system.journal
        self.brackets = 0

    def submit(self) -> str:
        """One more bracket; the client order id of its entry."""
        symbol = self.venue.traded[self.brackets % _INSTRUMENTS].symbol
        self.brackets += 1
        entry = limit(symbol, "BUY", _QTY, 60_000)
        group = self.system.submit_group(bracket(entry, stop_px=50_000, target=70_000))
        return group.legs["entry"].client_order_id

    def open(self, count: int) -> None:
        """Have so many open, entries at the venue."""
        while self.brackets < count:
            for _ in range(min(50, count - self.brackets)):
                self.submit()
            self.dispatcher.run_ready()

    def seconds(self) -> tuple[float, int]:
        """From the fill of one more entry to its stop's call, and the commits in between."""
        entry = self.submit()
        self.dispatcher.run_ready()
        commits = self.system.journal.statistics().appends
        began = time.perf_counter()
        self.venue.fill(entry, self.brackets)
        self.dispatcher.run_ready()
        assert self.venue.stop_called > began, "no stop was placed"
        return self.venue.stop_called - began, self.venue.commits_then - commits


def run(options: Options) -> Iterator[Result]:
    """Few brackets, then more and more."""
    plan = _QUICK if options.quick else _FULL
    least: list[float] = []
    with tempfile.TemporaryDirectory(prefix="contingency-") as name:
        desk = _Desk(Path(name))
        for size in plan.sizes:
            desk.open(size)
            gc.collect()
            for _ in range(plan.fills // 10):
                desk.seconds()  # warms up
            taken = [desk.seconds() for _ in range(plan.fills)]
            micros = sorted(1e6 * seconds for seconds, _ in taken)
            least = least or micros
            yield from _rows(size, micros, least, [commits for _, commits in taken])
        desk.system.stop(timeout=1)


def _rows(
    size: int, micros: list[float], least: list[float], commits: list[int]
) -> Iterator[Result]:
    what = f"fill to the stop's call, {size:,} open brackets"
    baseline = f"{_LEAST} open"
    for word, part in (("p50", 0.5), ("p99", 0.99)):
        value, base = _at(micros, part), _at(least, part)
        row = Row(_NAME, f"{what}, {word}", value, "us", baseline, base, value / base)
        yield Result(row, value / base, value / base)
    turns = statistics.fmean(commits)
    row = Row(_NAME, f"{what}, commits", turns, "commits", "one turn", 1, turns)
    yield Result(row, turns, turns)


def _at(values: list[float], part: float) -> float:
    return values[min(int(len(values) * part), len(values) - 1)]
