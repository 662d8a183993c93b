"""An order's whole life: submit, accepted, two fills, position booked; against the floor programs.

In: decoding each intent and each of the venue's three messages from the bytes they come in;
validation and the check of the intent's id, the broker, order and position actors, the session that
decides what leaves, the lane, invariants after each step, supervision, the SQLite journal on disk
at durability `process`, the order's tombstone, and a subscriber that takes every event. Orders
are submitted as fast as they are taken; 100 are open at a time. The engine runs where it runs by
default, on a thread of its own, and in a second case inside the host's asyncio loop.

Out: starting and stopping, and the venue, which is a script that answers at once. The floors commit
as many facts at a time as the engine did in the same round.
"""

from __future__ import annotations

import abc
import asyncio
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from actors.portfolio import Snapshot
from actors.system import ExecutionSystem
from engine.messages import Event, OrderFilled, SubmitOrder
from engine.values import format_client_order_id

from .floor import PlainFloor, RowFloor
from .harness import Options, Result, Side, compare
from .lives import encoded_lives, net_position
from .script_venue import ScriptVenue

_ORDERS: Final = 10_000
_ORDERS_QUICK: Final = 500
_ENGINE: Final = "BEN"
_FACTS_PER_LIFE: Final = 4
_BURST: Final = 50  # orders that a host inside the loop submits before it lets the loop run
_PATIENCE_S: Final = 30.0


def run(options: Options) -> Iterator[Result]:
    """Measure both ways to run the engine."""
    count = _ORDERS_QUICK if options.quick else _ORDERS
    lives = encoded_lives(count)
    cases: tuple[tuple[str, Ours], ...] = (
        ("own thread", OwnThread(count)),
        ("in the host's loop", HostLoop(count)),
    )
    for case, ours in cases:
        floors = [floor(lives, ours.facts_per_commit) for floor in (RowFloor, PlainFloor)]
        sides = [ours, *floors]
        yield from compare(
            "lifecycle", case, "us/order", lambda s: s / count * 1e6, sides, options.rounds
        )


class Ours(Side):
    """The running system, with all that is on by default; how it runs is up to the two below."""

    name = "engine"

    def __init__(self, count: int) -> None:
        self._count = count
        self._commits = 1

    def facts_per_commit(self) -> int:
        """What one commit of the last round held, on average."""
        return max(1, round(_FACTS_PER_LIFE * self._count / self._commits))

    def prepare(self) -> None:
        """A new journal file, a started system, and the bytes of all lives."""
        self._folder = tempfile.TemporaryDirectory(prefix="lifecycle-")
        self._venue = ScriptVenue()
        self._filled = 0
        path = Path(self._folder.name) / "orders.journal"
        self._system = ExecutionSystem([self._venue], journal=path, engine_id=_ENGINE)
        self.start()
        self._system.subscribe(self._on_event)
        journal = self._system.journal
        ids = [
            format_client_order_id(_ENGINE, journal.incarnation, 1 + number, 1)
            for number in range(self._count)
        ]
        lives = encoded_lives(self._count, ids)
        self._venue.script = dict(zip(ids, lives, strict=True))
        self._intents = [life[0] for life in lives]
        self._decode = msgspec.json.Decoder(SubmitOrder).decode
        self._commits = -journal.statistics().appends

    def check(self) -> None:
        """Every order is filled and gone from memory, and the position adds up."""
        self._commits += self._system.journal.statistics().appends
        snapshot = self.snapshot()
        (position,) = snapshot.positions
        assert (self._count, ()) == (self._filled, snapshot.orders), self._filled
        assert net_position(self._count) == position.qty, position.qty

    def finish(self) -> None:
        """Stop, and remove the journal."""
        self.stop()
        self._folder.cleanup()

    def _on_event(self, event: Event) -> None:
        if type(event) is OrderFilled:
            self._filled += 1
            if self._filled == self._count:
                self.all_filled()

    @abc.abstractmethod
    def start(self) -> None:
        """Start the system."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stop the system."""

    @abc.abstractmethod
    def snapshot(self) -> Snapshot:
        """Look at the system."""

    @abc.abstractmethod
    def all_filled(self) -> None:
        """Called on the system's thread when the last order is filled."""


class OwnThread(Ours):
    """The host's thread submits; the engine works on its own."""

    def start(self) -> None:
        """As `with ExecutionSystem(...)` does."""
        self._done = threading.Event()
        self._system.start()

    def work(self) -> None:
        """Submit everything, then wait for the last fill."""
        submit, decode = self._system.submit, self._decode
        for intent in self._intents:
            submit(decode(intent))
        assert self._done.wait(_PATIENCE_S), f"{self._filled} of {self._count} orders were filled"

    def stop(self) -> None:
        """As leaving the `with` does."""
        self._system.stop()

    def snapshot(self) -> Snapshot:
        """Ask, and wait."""
        return self._system.snapshot().get(timeout=_PATIENCE_S)

    def all_filled(self) -> None:
        """Let the host go on."""
        self._done.set()


class HostLoop(Ours):
    """Host and engine share an asyncio loop."""

    def start(self) -> None:
        """As `async with ExecutionSystem(...)` does."""
        self._runner = asyncio.Runner()
        self._runner.run(self._system.__aenter__())

    def work(self) -> None:
        """Submit in bursts, then await the last fill."""
        self._runner.run(asyncio.wait_for(self._work(), _PATIENCE_S))

    async def _work(self) -> None:
        self._done = asyncio.Event()
        submit, decode = self._system.submit, self._decode
        for number, intent in enumerate(self._intents):
            submit(decode(intent))
            if not number % _BURST:
                await asyncio.sleep(0)
        await self._done.wait()

    def stop(self) -> None:
        """As leaving the `async with` does."""
        self._runner.run(self._system.astop())
        self._runner.close()

    def snapshot(self) -> Snapshot:
        """Ask, and await."""

        async def ask() -> Snapshot:
            return await self._system.snapshot()

        return self._runner.run(ask())

    def all_filled(self) -> None:
        """Let the host go on."""
        self._done.set()
