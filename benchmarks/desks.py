"""Hosts for `latency`: three ways of embedding the engine, and what a host does there.

What a host does is a generator that yields how long it waits (:meth:`Desk.steady`,
:meth:`Desk.loaded`); how it waits is up to the way of embedding.
"""

from __future__ import annotations

import abc
import asyncio
import gc
import random
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final, Self, cast

import msgspec

from actors.journal.schema import CREATE, SYNCHRONOUS, connect
from actors.journal.tables import CLOSED, FACTS, FILLS, VENUE_IDS
from actors.runtime import Dispatcher, SimulatedDispatcher
from actors.system import ExecutionSystem
from actors.venues.port import Done, Outcome
from engine.budget import SessionLimits
from engine.capabilities import Capabilities
from engine.messages import Accepted, Event, Filled, OrderFilled, Place, SubmitOrder
from engine.values import OrderType, Side

from .lives import ACCOUNT, INSTRUMENT, VENUE
from .script_venue import ScriptVenue

__all__ = ["ByHand", "Desk", "HostsLoop", "OwnThread", "Samples"]

_PATIENCE_S: Final = 30.0
_TICK_S: Final = 0.001  # how often a host under load looks at the clock
_BURST: Final = 50  # orders between two rests of a host in a hurry
_WINDOW: Final = 1_000  # calls in flight: the venue answers at once, the limit is not what we ask
_QTY: Final = Decimal("0.002")
_PRICE: Final = Decimal("60000.1")
_CHECKSUM: Final = 0xFFFF_FFFF  # as large as a CRC-32 can be
_TOMBSTONE: Final = bytes(520)  # somewhat less than the engine's
_now = time.perf_counter_ns


class Samples:
    """Nanoseconds."""

    def __init__(self) -> None:
        self.submit: list[int] = []
        self.report: list[int] = []
        self.intent_commit: list[int] = []
        self.fill_commit: list[int] = []


class AdapterVenue(ScriptVenue):
    """Accepts each order, and fills it when told to; stamps when it is called and when it reports.

    Its calls are tasks, and its reports pass the door, as for any venue outside this process.
    """

    capabilities = Capabilities(
        lookup_by_client_id=True,
        executions_complete=True,
        visibility_lag_ns=0,  # so its lists are read when the session begins, and not once more
    )

    def __init__(self) -> None:
        super().__init__()
        self.samples = Samples()
        self.filled = 0
        self.submitted: dict[str, int] = {}  # when, by intent
        self.reported: dict[str, int] = {}  # when, by client order id
        self._accepted: deque[SubmitOrder] = deque()

    async def place(self, request: Place) -> Outcome:
        """Accept it."""
        now = _now()
        order = request.order
        self.samples.submit.append(now - self.submitted.pop(order.intent_id))
        self._accepted.append(order)
        return Done((Accepted(order.client_order_id, order.ts, f"V{order.client_order_id}"),))

    def report(self) -> None:
        """Fill every order that was accepted since. On the engine's thread, outside turns."""
        while self._accepted:
            order = self._accepted.popleft()
            cid = order.client_order_id
            fill = Filled(cid, order.ts, f"E{cid}", _QTY, _PRICE)
            self.reported[cid] = _now()
            self._sink(fill)

    def told(self, event: Event) -> None:
        """The subscriber."""
        now = _now()
        cid = cast("OrderFilled", event).client_order_id
        self.samples.report.append(now - self.reported.pop(cid))
        self.filled += 1


class Commits:
    """The baseline: a database like the journal's, and the rows of the engine's two commits."""

    def __init__(self, folder: Path) -> None:
        self._db = connect(folder / "floor.db", "rwc")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {SYNCHRONOUS['process']}")
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        for statement in CREATE:
            self._db.execute(statement)
        self._run = self._db.cursor().execute
        self._seq = 0

    def intent(self) -> int:
        """Commit an intent: one row, one statement. Returns the nanoseconds it took."""
        order = _order(self._seq)
        fact = self._fact(msgspec.structs.replace(order, client_order_id=order.intent_id))
        began = _now()
        FACTS.insert(self._run, fact)
        return _now() - began

    def last_fill(self) -> int:
        """Commit a last fill, with its execution, the closed order and its venue's id."""
        order = _order(self._seq)
        key, execution = order.intent_id, f"E{order.intent_id}"
        fact = self._fact(Filled(key, order.ts, execution, _QTY, _PRICE))
        terms = (VENUE, ACCOUNT, order.instrument)
        fill: list[object] = [*terms, order.side.value, execution, key]
        end = ("FILLED", str(_QTY), order.ts, _TOMBSTONE, 0, _CHECKSUM)
        closed: list[object] = [key, key, *terms, *end]
        began = _now()
        self._run("BEGIN IMMEDIATE")
        FACTS.insert(self._run, fact)
        FILLS.insert(self._run, fill)
        CLOSED.insert(self._run, closed)
        VENUE_IDS.insert(self._run, [VENUE, ACCOUNT, f"V{key}", key])
        self._run("COMMIT")
        return _now() - began

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _fact(self, message: SubmitOrder | Filled) -> list[object]:
        self._seq += 1
        body = msgspec.json.encode(message)
        kind = type(message).__name__
        return [self._seq, message.ts, message.client_order_id, kind, body, _CHECKSUM]


def _order(number: int) -> SubmitOrder:
    """An intent of the host."""
    return SubmitOrder(
        intent_id=f"intent-{number}",
        venue=VENUE,
        account=ACCOUNT,
        instrument=INSTRUMENT.symbol,
        side=Side.SELL if number % 2 else Side.BUY,
        order_type=OrderType.LIMIT,
        order_qty=_QTY,
        price=_PRICE,
    )


class Desk(abc.ABC):
    """A host with an engine. Used as a context; each use has a new journal."""

    name: str

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="latency-")
        folder = Path(self._folder.name)
        self._commits = Commits(folder)
        self._venue = AdapterVenue()
        self._number = 0
        self._system = ExecutionSystem(
            [self._venue],
            journal=folder / "orders.journal",
            dispatcher=self.dispatcher(),
            limits=SessionLimits(window=_WINDOW),
            cross_check=None,  # a script has no lists to compare with
        )
        self.start()
        self._system.subscribe(self._venue.told, OrderFilled)
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.stop()
        finally:
            self._commits.close()
            self._folder.cleanup()

    def measure(self, host: Iterator[float]) -> Samples:
        """Let ``host`` (one of the three below) live, until each of its orders is filled."""
        samples = self._venue.samples = Samples()
        before = self._number
        gc.collect()
        self.live(host)
        count = self._number - before
        assert (count, count) == (len(samples.submit), len(samples.report)), count
        return samples

    # --- what a host does -------------------------------------------------------------------------

    def steady(self, count: int, pause_s: float) -> Iterator[float]:
        """An order, its fill, and the two commits, about ``pause_s`` apart."""
        samples = self._venue.samples
        draw = random.Random(count).uniform
        for _ in range(count):
            yield draw(0.5, 1.5) * pause_s
            self._submit()
            yield draw(0.5, 1.5) * pause_s
            self._system.dispatcher.urgent(self._venue.report)
            yield draw(0.5, 1.5) * pause_s
            samples.intent_commit.append(self._commits.intent())
            yield draw(0.5, 1.5) * pause_s
            samples.fill_commit.append(self._commits.last_fill())
        yield from self._drain()

    def loaded(self, count: int, per_second: float) -> Iterator[float]:
        """As many orders a second, and after every tick one of the commits."""
        samples = self._venue.samples
        began, sent, ticks = time.perf_counter(), 0, 0
        while sent < count or ticks < 2:  # a commit of each kind at least
            yield _TICK_S
            due = min(int((time.perf_counter() - began) * per_second), count)
            for _ in range(sent, due):
                self._submit()
            sent = max(sent, due)
            self._system.dispatcher.urgent(self._venue.report)
            yield _TICK_S / 2
            ticks += 1
            if ticks % 2:
                samples.intent_commit.append(self._commits.intent())
            else:
                samples.fill_commit.append(self._commits.last_fill())
        yield from self._drain()

    def burst(self, count: int) -> Iterator[float]:
        """As fast as they are taken."""
        for number in range(count):
            self._submit()
            if number % _BURST == 0:
                self._system.dispatcher.urgent(self._venue.report)
                yield 0.0
        yield from self._drain()

    def _submit(self) -> None:
        order = _order(self._number)
        self._number += 1
        self._venue.submitted[order.intent_id] = _now()
        self._system.submit(order)

    def _drain(self) -> Iterator[float]:
        """Until every order is filled."""
        until = time.monotonic() + _PATIENCE_S
        while self._venue.filled < self._number:
            assert time.monotonic() < until, f"{self._venue.filled} of {self._number} filled"
            self._system.dispatcher.urgent(self._venue.report)
            yield _TICK_S

    # --- how it is embedded -----------------------------------------------------------------------

    def dispatcher(self) -> Dispatcher | None:
        """Where the engine runs; None: as the way of starting it says."""
        return None

    @abc.abstractmethod
    def start(self) -> None:
        """Start the system."""

    @abc.abstractmethod
    def live(self, host: Iterator[float]) -> None:
        """Let the host do its work, and wait as long as it says in between."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stop the system."""


class OwnThread(Desk):
    """The engine has a thread, the host another."""

    name = "own thread"

    def start(self) -> None:
        """As `with ExecutionSystem(...)` does."""
        self._system.start()

    def live(self, host: Iterator[float]) -> None:
        """Sleep."""
        for wait_s in host:
            time.sleep(wait_s)

    def stop(self) -> None:
        """As leaving the `with` does."""
        self._system.stop()


class HostsLoop(Desk):
    """Both are in one asyncio loop."""

    name = "host's loop"

    def start(self) -> None:
        """As `async with ExecutionSystem(...)` does."""
        self._runner = asyncio.Runner()
        self._runner.run(self._system.__aenter__())

    def live(self, host: Iterator[float]) -> None:
        """Await the loop's clock."""

        async def wait() -> None:
            for wait_s in host:
                await asyncio.sleep(wait_s)

        self._runner.run(wait())

    def stop(self) -> None:
        """As leaving the `async with` does."""
        self._runner.run(self._system.astop())
        self._runner.close()


class ByHand(Desk):
    """The host runs the engine itself, after everything it does; the clock is the real one."""

    name = "by hand"

    def dispatcher(self) -> Dispatcher:
        """The simulations' dispatcher, in order."""
        self._dispatcher = SimulatedDispatcher(fifo=True, start_ns=time.time_ns())
        return self._dispatcher

    def start(self) -> None:
        """As a simulation does."""
        self._system.start()

    def live(self, host: Iterator[float]) -> None:
        """Run what there is to run, then sleep."""
        for wait_s in host:
            self._dispatcher.run_to(time.time_ns())
            time.sleep(wait_s)

    def stop(self) -> None:
        """As a simulation does."""
        self._system.stop()
