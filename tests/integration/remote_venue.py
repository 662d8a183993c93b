"""The venue adapter of the engine's process: the port over a socket, with reconnects.

A link that is lost ends every call on it as unknown and tells so; the system connects again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from actors.venues.port import (
    Answer,
    BookTop,
    Clock,
    Outcome,
    Sink,
    Unknown,
    VenueBalance,
    VenuePosition,
)
from engine.messages import (
    Amend,
    Cancel,
    Filled,
    LinkDown,
    LinkUp,
    OrderSnapshot,
    Place,
    QueryOrder,
)
from engine.values import Instrument

from .wire import (
    ACCOUNT,
    CAPABILITIES,
    VENUE,
    Ask,
    Call,
    Hello,
    Listed,
    Reply,
    Told,
    What,
    read_said,
    written,
)

_LINE_MAX = 64 * 1024 * 1024


class LinkLost(ConnectionError):
    """There is no link, or it went before the answer came."""


class _Link:
    """One connection: numbers what leaves, and knows who waits for which answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Reply | Listed]] = {}

    def send(self, make: Callable[[int], Call | Ask]) -> asyncio.Future[Reply | Listed]:
        """Send, and give the future of the answer: a LinkLost says that it may have arrived."""
        self._number += 1
        answer: asyncio.Future[Reply | Listed] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        self.writer.write(written(make(self._number)))
        return answer

    async def listen(self, sink: Sink | None) -> None:
        """Take in what comes, until the link ends; then nobody is answered any more."""
        try:
            while line := await self._reader.readline():
                said = read_said(line)
                if isinstance(said, Told):
                    if sink is not None:
                        sink(said.report)
                elif isinstance(said, Reply | Listed):
                    waiting = self._waiting.pop(said.number, None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(said)
        except ConnectionError:
            pass  # ended, like any other end
        finally:
            self.writer.close()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(LinkLost("the link is gone"))
            self._waiting.clear()


class RemoteVenue:
    """One account at the venue process.

    Args:
        port: where it listens, on this machine.
        about_to_send, has_sent: called with each request that changes something, before and after
            its bytes left.
    """

    name = VENUE
    account = ACCOUNT
    capabilities = CAPABILITIES

    def __init__(
        self,
        port: int,
        about_to_send: Callable[[], object] = lambda: None,
        has_sent: Callable[[], object] = lambda: None,
    ) -> None:
        self._port = port
        self._about_to_send = about_to_send
        self._has_sent = has_sent
        self._link: _Link | None = None
        self._listening: asyncio.Task[None] | None = None

    # --- the session ------------------------------------------------------------------------------

    async def connect(self, sink: Sink, clock: Clock) -> None:
        link = await self._open()
        link.writer.write(written(Hello()))
        self._link = link
        sink(LinkUp(clock.time_ns()))
        self._listening = asyncio.create_task(self._listen(link, sink, clock))

    async def _open(self) -> _Link:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_LINE_MAX)
        return _Link(reader, writer)

    async def _listen(self, link: _Link, sink: Sink, clock: Clock) -> None:
        await link.listen(sink)
        if self._link is link:
            self._link = None
            sink(LinkDown(clock.time_ns(), "the venue hung up"))

    async def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.writer.close()
        if self._listening is not None:
            await self._listening

    # --- calls ------------------------------------------------------------------------------------

    async def place(self, request: Place) -> Outcome:
        return await self._call(request)

    async def cancel(self, request: Cancel) -> Outcome:
        return await self._call(request)

    async def amend(self, request: Amend) -> Outcome:
        return await self._call(request)

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        return [await self._call(request) for request in requests]

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        return [await self._call(request) for request in requests]

    async def _call(self, request: Place | Cancel | Amend) -> Outcome:
        link = self._link
        if link is None:
            return Unknown("there is no link")

        self._about_to_send()
        answer = link.send(lambda number: Call(number, request))
        self._has_sent()
        try:
            reply = await answer
        except LinkLost as error:
            return Unknown(str(error))
        return reply.outcome() if isinstance(reply, Reply) else Unknown("no outcome")

    # --- questions --------------------------------------------------------------------------------

    async def _ask(self, make: Callable[[int], Call | Ask]) -> tuple[Listed, int]:
        """Ask over the session, or where there is none over a link of its own; with when it left.

        Raises:
            OSError: no answer.
        """
        link, listening = self._link, None
        if link is None:
            link = await self._open()
            listening = asyncio.create_task(link.listen(None))
        sent_ts = time.time_ns()
        try:
            listed = await link.send(make)
        finally:
            if listening is not None:
                link.writer.close()
                await listening
        assert isinstance(listed, Listed)
        return listed, sent_ts

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        listed, sent_ts = await self._ask(lambda number: Call(number, request))
        return Answer(listed.orders, True, sent_ts)

    async def open_orders(self) -> Answer[OrderSnapshot]:
        listed, sent_ts = await self._ask(lambda number: Ask(number, What.OPEN_ORDERS))
        return Answer(listed.orders, True, sent_ts)

    async def executions(self, since_ts: int) -> Answer[Filled]:
        listed, sent_ts = await self._ask(lambda number: Ask(number, What.EXECUTIONS, since_ts))
        return Answer(listed.fills, True, sent_ts)

    async def positions(self) -> Answer[VenuePosition]:
        listed, sent_ts = await self._ask(lambda number: Ask(number, What.POSITIONS))
        return Answer(listed.positions, True, sent_ts)

    async def instruments(self) -> Answer[Instrument]:
        listed, sent_ts = await self._ask(lambda number: Ask(number, What.INSTRUMENTS))
        return Answer(listed.instruments, True, sent_ts)

    async def balances(self) -> Answer[VenueBalance]:
        _, sent_ts = await self._ask(lambda number: Ask(number, What.NOTHING))
        return Answer((), True, sent_ts)

    async def book(self, instrument: str) -> Answer[BookTop]:
        return Answer((), True, time.time_ns())
