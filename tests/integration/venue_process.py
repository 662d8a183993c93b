"""A venue in a process of its own: a simulated exchange behind a loopback socket.

``python -m tests.integration.venue_process SEED`` prints its port and serves until its standard
input ends. Prices move with each request, drawn from the seed, so that orders fill, rest and are
cancelled at any moment, also while no engine is connected. Now and then it drops a session.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from decimal import Decimal

from actors.testing.truth import truth_of
from actors.venues.port import VenuePosition
from engine.messages import Amend, Cancel, Place, QueryOrder
from engine.simulator import Answer, Exchange, ExchangeConfig, Refusal, RefuseReason
from engine.values import Instrument

from .wire import (
    ACCOUNT,
    VENUE,
    Ask,
    Call,
    Hello,
    Kill,
    KillPoint,
    Listed,
    Move,
    Reply,
    Told,
    TruthTold,
    What,
    read_asked,
    written,
)

BTC = Instrument(
    symbol="BTC/USDT",
    venue=VENUE,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.01"),
)
_LINE_MAX = 64 * 1024 * 1024
_DROPS_ONE_OF = 400  # requests end with a dropped session


class VenueServer:
    """The exchange and who is connected to it."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._exchange = Exchange(ExchangeConfig(), (BTC,))
        self._exchange.open_account(ACCOUNT)
        self._session: asyncio.StreamWriter | None = None
        self._sent: dict[str, int] = {}
        self._mid = 1000  # tenths
        self._kill: Kill | None = None
        self._quote()

    # --- connections ------------------------------------------------------------------------------

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a session after its Hello, else only questions."""
        is_session = False
        try:
            while line := await reader.readline():
                if is_session and self._session is not writer:
                    return  # a newer session has begun: what this one still wants never arrived
                asked = read_asked(line)
                if isinstance(asked, Hello):
                    is_session = True
                    self._begin(writer)
                elif isinstance(asked, Call):
                    self._call(asked, writer)
                elif isinstance(asked, Kill):
                    self._kill = asked
                else:
                    writer.write(self._answer(asked))
                await writer.drain()
        except ConnectionError:
            return  # killed: its session ends here
        finally:
            if self._session is writer:
                self._session = None
            writer.close()

    def _begin(self, writer: asyncio.StreamWriter) -> None:
        if self._session is not None:
            self._session.close()
        self._session = writer
        self._exchange.drain(ACCOUNT, time.time_ns())  # as at any venue, a connect is a gap

    # --- requests ---------------------------------------------------------------------------------

    def _call(self, call: Call, writer: asyncio.StreamWriter) -> None:
        request, now = call.request, time.time_ns()
        if isinstance(request, QueryOrder):
            cid, venue_id = request.client_order_id, request.venue_order_id
            found = self._exchange.order(ACCOUNT, cid, venue_id, now)
            writer.write(written(Listed(call.number, () if found is None else (found,))))
            return
        answer = self._act(request, now)
        self._die(KillPoint.ACTED)
        writer.write(written(_reply(call.number, answer)))
        self._die(KillPoint.ANSWERED)
        for _ in range(self._draw.choice((0, 0, 1, 3))):
            self._move()
        self._tell()
        if self._draw.randrange(_DROPS_ONE_OF) == 0:
            writer.close()

    def _act(self, request: Place | Cancel | Amend, now: int) -> Answer:
        if isinstance(request, Place):
            cid = request.client_order_id
            self._sent[cid] = self._sent.get(cid, 0) + 1
            return self._exchange.place(request.order, now)
        if isinstance(request, Cancel):
            return self._exchange.cancel(ACCOUNT, request, now)
        return self._exchange.amend(ACCOUNT, request, now)

    def _tell(self) -> None:
        session = self._session
        for report in self._exchange.drain(ACCOUNT, time.time_ns()):
            if session is not None:
                session.write(written(Told(report)))
                self._die(KillPoint.TOLD)

    def _die(self, point: KillPoint) -> None:
        kill = self._kill
        if kill is None or kill.point is not point:
            return
        kill.nth -= 1
        if kill.nth <= 0:
            self._kill = None
            os.kill(kill.pid, signal.SIGKILL)

    def _answer(self, asked: Ask | Move) -> bytes:
        number, exchange, now = asked.number, self._exchange, time.time_ns()
        if isinstance(asked, Move):
            for _ in range(asked.steps):
                self._move()
            self._tell()
            return written(Listed(number))
        if asked.what is What.TRUTH:
            return written(TruthTold(number, truth_of(exchange, ACCOUNT, self._sent)))
        listed = Listed(number)
        if asked.what is What.OPEN_ORDERS:
            listed.orders = exchange.open_orders(ACCOUNT, now)
        elif asked.what is What.EXECUTIONS:
            listed.fills, _ = exchange.executions(ACCOUNT, asked.since_ts)
        elif asked.what is What.INSTRUMENTS:
            listed.instruments = exchange.instruments()
        elif asked.what is What.POSITIONS:
            listed.positions = tuple(
                VenuePosition(held.instrument, held.slot, held.qty, held.avg_px)
                for held in exchange.positions(ACCOUNT)
            )
        return written(listed)

    # --- the market -------------------------------------------------------------------------------

    def _move(self) -> None:
        self._mid = max(900, min(1100, self._mid + self._draw.choice((-9, -4, -1, 1, 4, 9))))
        if self._draw.random() < 0.4:
            price = Decimal(self._mid + self._draw.choice((-12, 12))) / 10
            qty = Decimal(self._draw.choice((5, 30, 120))) / 100
            self._exchange.on_trade(BTC.symbol, price, qty, None, time.time_ns())
        self._quote()

    def _quote(self) -> None:
        bid, ask = Decimal(self._mid - 5) / 10, Decimal(self._mid + 5) / 10
        size = Decimal(2)
        self._exchange.on_quote(BTC.symbol, bid, size, ask, size, time.time_ns())


def _reply(number: int, answer: Answer) -> Reply:
    if not isinstance(answer, Refusal):
        return Reply(number, answer)
    if answer.reason is RefuseReason.DUPLICATE_CLIENT_ID:
        return Reply(number, duplicate=answer.detail)
    return Reply(number, refused=answer.reason.value, detail=answer.detail)


async def main(seed: int) -> None:
    """Serve until standard input ends: with whoever started us, or when they say so."""
    venue = VenueServer(seed)
    server = await asyncio.start_server(venue.serve, "127.0.0.1", 0, limit=_LINE_MAX)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
