"""The engine's process: a real system on a journal on disk, at a venue in another process.

It submits, amends and cancels without a pause, and says on its standard output what it wants and
what it was told, until it is killed. What it wants is a function of a number, so the next life can
want the same again. Options are JSON, the only argument: see :class:`Options`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from actors import ExecutionSystem, Snapshot, Ticket, Until
from actors.journal import Batch, Durability, Journal, SqliteJournal
from engine.errors import AskTimeout, UserError
from engine.messages import Event, OrderAccepted, OrderCancelled, OrderFilled, SubmitOrder
from engine.session import SessionLimits
from engine.values import OrderState, OrderType, Side, TimeInForce, Word

from .remote_venue import RemoteVenue

_AT_ONCE = 12  # orders that may be on their way
_ANSWER_S = 60.0
_REST_S = 120.0  # what is not at rest by then never will be, and the comparison says what it is


class Death(Word):
    """Where the process kills itself."""

    BEFORE_WRITE = "BEFORE_WRITE"
    AFTER_WRITE = "AFTER_WRITE"
    BEFORE_SEND = "BEFORE_SEND"
    AFTER_SEND = "AFTER_SEND"


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """One life.

    It wants the orders from ``first`` up to ``last``. Is it alive then, it waits until nothing is
    under way, stops in order, and says how it is.
    """

    port: int
    journal: str
    first: int = 0
    last: int = 1_000_000
    embedded: Literal["thread", "loop"] = "thread"
    durability: Durability = "process"
    log_bytes_max: int = 200_000
    death: Death | None = None
    nth: int = 0


def order_of(number: int) -> SubmitOrder:
    """The order that is wanted by a number; the same in every life."""
    mixed = number * 2654435761 % 2**32
    side = Side.BUY if mixed & 1 else Side.SELL
    kind = OrderType.MARKET if mixed >> 1 & 7 == 0 else OrderType.LIMIT
    price = Decimal(950 + (mixed >> 4) % 101) / 10
    tif = TimeInForce.IOC if mixed >> 11 & 7 == 0 else TimeInForce.GTC
    return SubmitOrder(
        f"i{number}", "", "", "BTC/USDT", side, kind, Decimal(1 + (mixed >> 14) % 300) / 100,
        price=None if kind is OrderType.MARKET else price,
        time_in_force=TimeInForce.GTC if kind is OrderType.MARKET else tif,
        reduce_only=mixed >> 23 & 7 == 0,
    )  # fmt: skip


def say(*words: object) -> None:
    """One line, at once and whole."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class _Fate:
    """Counts moments of a kind, and kills the process at the one that was chosen."""

    def __init__(self, options: Options) -> None:
        self._death = options.death
        self._left = options.nth

    def moment(self, death: Death) -> None:
        if death is self._death:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class _FatefulJournal:
    """A journal around whose commits the process may be killed."""

    def __init__(self, inner: Journal, fate: _Fate) -> None:
        self._inner = inner
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def append(self, batch: Batch) -> int:
        self._fate.moment(Death.BEFORE_WRITE)
        last = self._inner.append(batch)
        self._fate.moment(Death.AFTER_WRITE)
        return last


def told(event: Event) -> None:
    """An event is published after its commit: from now on it must never be lost."""
    if isinstance(event, OrderAccepted | OrderFilled | OrderCancelled):
        say("told", event.client_order_id)


def build(options: Options) -> tuple[ExecutionSystem, RemoteVenue]:
    """The system of one life."""
    fate = _Fate(options)
    venue = RemoteVenue(
        options.port,
        lambda: fate.moment(Death.BEFORE_SEND),
        lambda: fate.moment(Death.AFTER_SEND),
    )
    journal = SqliteJournal(
        Path(options.journal), options.durability, engine_id="KIL",
        log_bytes_max=options.log_bytes_max,
    )  # fmt: skip
    system = ExecutionSystem(
        [venue],
        journal=cast("Journal", _FatefulJournal(journal, fate)),
        engine_id="KIL",
        limits=SessionLimits(window=6),
    )
    system.subscribe(told)
    return system, venue


class Host:
    """What the owner of the system does, whether on a thread of its own or in the system's loop."""

    def __init__(self, system: ExecutionSystem, options: Options) -> None:
        self.system = system
        self.options = options
        self._tickets: dict[int, Ticket] = {}

    def wants(self) -> Iterator[Ticket]:
        """Want one thing after another; what is given should be answered before going on."""
        for number in range(self.options.first, self.options.last):
            say("wants", number)
            self._tickets[number] = self.system.submit(order_of(number))
            if number % 3 == 0:
                self._change(number - 5)
            old = self._tickets.pop(number - _AT_ONCE, None)
            if old is not None:
                yield old

    def _change(self, number: int) -> None:
        ticket = self._tickets.get(number)
        if ticket is None:
            return
        if number % 2:
            self.system.cancel(ticket)
            return
        try:
            self.system.amend(ticket, order_qty=Decimal(4) + number % 3)
        except UserError:
            return  # a market order, or not known yet: no is an answer, too


def at_rest(snapshot: Snapshot) -> bool:
    """Nothing is under way and nothing is open about any order."""
    return all(state == "READY" for state in snapshot.sessions.values()) and not any(
        order.is_in_flight
        or order.requests
        or order.unverified
        or order.state is OrderState.PENDING
        for order in snapshot.orders
    )


def live_in_thread(system: ExecutionSystem, venue: RemoteVenue, options: Options) -> None:
    """The default embedding: the system has a thread of its own."""
    stirred = threading.Event()
    with system:
        say("up")
        system.subscribe(lambda _: stirred.set())
        for ticket in Host(system, options).wants():
            try:
                ticket.wait(_ANSWER_S, Until.ACCEPTED)
            except AskTimeout:
                continue
        left: tuple[str, ...] = ()
        until = time.monotonic() + _REST_S
        while time.monotonic() < until:
            stirred.clear()
            system.dispatcher.spawn(venue.balances()).get(timeout=_ANSWER_S)  # all told by now
            snapshot = system.snapshot().get(timeout=_ANSWER_S)
            left = snapshot.hand_over
            if at_rest(snapshot):
                break
            stirred.wait(1.0)
        say("end", system.state_digest().get(timeout=_ANSWER_S), *left)


async def live_in_loop(system: ExecutionSystem, venue: RemoteVenue, options: Options) -> None:
    """Inside the host's asyncio loop."""
    stirred = asyncio.Event()
    async with system:
        say("up")
        system.subscribe(lambda _: stirred.set())
        for ticket in Host(system, options).wants():
            try:
                await asyncio.wait_for(_until_accepted(ticket), _ANSWER_S)
            except TimeoutError:
                continue
        left: tuple[str, ...] = ()
        until = time.monotonic() + _REST_S
        while time.monotonic() < until:
            stirred.clear()
            await venue.balances()
            snapshot = await system.snapshot()
            left = snapshot.hand_over
            if at_rest(snapshot):
                break
            try:
                await asyncio.wait_for(stirred.wait(), 1.0)
            except TimeoutError:
                continue
        say("end", await system.state_digest(), *left)


async def _until_accepted(ticket: Ticket) -> None:
    await ticket.until(Until.ACCEPTED)


def main() -> None:
    """Live as the options say."""
    options = msgspec.json.decode(sys.argv[1], type=Options)
    say("begins")
    system, venue = build(options)
    if options.embedded == "loop":
        asyncio.run(live_in_loop(system, venue, options))
    else:
        live_in_thread(system, venue, options)


if __name__ == "__main__":
    main()
