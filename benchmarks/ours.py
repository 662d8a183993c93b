"""Our side of `lifecycle`: the running system, with all that is on by default.

How it runs is up to :class:`OwnThread` and :class:`HostLoop`; what becomes of its orders, and what
the host does meanwhile, to the :class:`~benchmarks.lives.Story`.
"""

from __future__ import annotations

import abc
import asyncio
import tempfile
import threading
from pathlib import Path
from typing import Final

import msgspec

from actors.journal.schema import Durability
from actors.portfolio import Snapshot
from actors.system import ExecutionSystem
from engine.messages import (
    AmendOrder,
    CancelOrder,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    SubmitOrder,
)
from engine.values import format_client_order_id

from .harness import Side
from .lives import (
    AMENDED,
    CANCELLED,
    FILLED_TWICE,
    REJECTED,
    Life,
    Story,
    encoded_lives,
    net_position,
)
from .script_venue import OPEN_ORDERS, venue_for

__all__ = ["HostLoop", "Ours", "OwnThread"]

_ENGINE: Final = "BEN"
_BURST: Final = 50  # orders that a host inside the loop submits before it lets the loop run
_PATIENCE_S: Final = 60.0


class Ours(Side):
    """The running system; see the subclasses for where it runs.

    Args:
        count: how many orders.
        story: what becomes of each.
        open_orders: how many are open at a time.
        durability: of the journal, which is a file.
        kinds: the events that the host subscribes to; none: all.
    """

    name = "engine"

    def __init__(
        self,
        count: int,
        story: Story = FILLED_TWICE,
        *,
        open_orders: int = OPEN_ORDERS,
        durability: Durability = "process",
        kinds: tuple[type[Event], ...] = (),
    ) -> None:
        self._count = count
        self.story = story
        self._open_orders = open_orders
        self.durability: Durability = durability
        self._kinds = kinds
        self._commits = 1

    def facts_per_commit(self) -> int:
        """What one commit of the last round held, on average."""
        return max(1, round(self.story.facts * self._count / self._commits))

    def prepare(self) -> None:
        """A new journal file, a started system, and the bytes of all lives."""
        self._folder = tempfile.TemporaryDirectory(prefix="lifecycle-")
        self._venue = venue_for(self.story, self._open_orders)
        self._ended = 0
        path = Path(self._folder.name) / "orders.journal"
        self._system = ExecutionSystem(
            [self._venue],
            journal=path,
            durability=self.durability,
            engine_id=_ENGINE,
            cross_check=None,  # a script has no lists to compare with
        )
        self.start()
        journal = self._system.journal
        ids = [
            format_client_order_id(_ENGINE, journal.incarnation, 1 + number, 1)
            for number in range(self._count)
        ]
        lives = encoded_lives(self._count, ids, self.story)
        self._venue.script = dict(zip(ids, lives, strict=True))
        self._intents = [life[0] for life in lives]
        self._decode = msgspec.json.Decoder(SubmitOrder).decode
        self._subscribe(lives)
        self._commits = -journal.statistics().appends

    def _subscribe(self, lives: list[Life]) -> None:
        self._end = {CANCELLED.name: OrderCancelled, REJECTED.name: OrderRejected}.get(
            self.story.name, OrderFilled
        )
        if self.story == CANCELLED:
            self._plan: _Cancels | _Amends = _Cancels(self._system, lives, self._open_orders)
        elif self.story == AMENDED:
            self._plan = _Amends(self._system, lives)
        else:
            self._system.subscribe(self._on_event, *self._kinds)
            return
        self._system.subscribe(self._on_event_with_plan, *self._kinds)

    def check(self) -> None:
        """Every order has ended and gone from memory, and the position adds up."""
        self._commits += self._system.journal.statistics().appends
        snapshot = self.snapshot()
        assert (self._count, ()) == (self._ended, snapshot.orders), self._ended
        held = sum(position.qty for position in snapshot.positions)
        assert net_position(self._count, self.story) == held, held

    def finish(self) -> None:
        """Stop, and remove the journal."""
        self.stop()
        self._folder.cleanup()

    def _on_event(self, event: Event) -> None:
        if type(event) is self._end:
            self._ended += 1
            if self._ended == self._count:
                self.all_ended()

    def _on_event_with_plan(self, event: Event) -> None:
        if type(event) is OrderAccepted:
            self._plan.accepted()
        else:
            self._on_event(event)

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
    def all_ended(self) -> None:
        """Called on the system's thread when the last order has ended."""


class _Cancels:
    """A host that cancels the order that has been open for longest, at the end all of them."""

    def __init__(self, system: ExecutionSystem, lives: list[Life], open_orders: int) -> None:
        self._system = system
        self._coming = len(lives)
        self._open_orders = open_orders
        self._commands = iter([life[2] for life in lives])
        self._decode = msgspec.json.Decoder(CancelOrder).decode
        self._open = 0

    def accepted(self) -> None:
        """One more is open. They are accepted in the order in which they were submitted."""
        self._open += 1
        self._coming -= 1
        while self._open > (self._open_orders if self._coming else 0):
            self._open -= 1
            command = self._decode(next(self._commands))
            self._system.cancel(command.client_order_id)


class _Amends:
    """A host that amends each order as soon as it is accepted."""

    def __init__(self, system: ExecutionSystem, lives: list[Life]) -> None:
        self._system = system
        self._commands = iter([life[2] for life in lives])
        self._decode = msgspec.json.Decoder(AmendOrder).decode

    def accepted(self) -> None:
        """Amend it. They are accepted in the order in which they were submitted."""
        command = self._decode(next(self._commands))
        self._system.amend(command.client_order_id, price=command.price)


class OwnThread(Ours):
    """The host's thread submits; the engine works on its own."""

    def start(self) -> None:
        """As `with ExecutionSystem(...)` does."""
        self._done = threading.Event()
        self._system.start()

    def work(self) -> None:
        """Submit everything, then wait for the last end."""
        submit, decode = self._system.submit, self._decode
        for intent in self._intents:
            submit(decode(intent))
        assert self._done.wait(_PATIENCE_S), f"{self._ended} of {self._count} orders ended"

    def stop(self) -> None:
        """As leaving the `with` does."""
        self._system.stop()

    def snapshot(self) -> Snapshot:
        """Ask, and wait."""
        return self._system.snapshot().get(timeout=_PATIENCE_S)

    def all_ended(self) -> None:
        """Let the host go on."""
        self._done.set()


class HostLoop(Ours):
    """Host and engine share an asyncio loop."""

    def start(self) -> None:
        """As `async with ExecutionSystem(...)` does."""
        self._runner = asyncio.Runner()
        self._runner.run(self._system.__aenter__())

    def work(self) -> None:
        """Submit in bursts, then await the last end."""
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

    def all_ended(self) -> None:
        """Let the host go on."""
        self._done.set()
