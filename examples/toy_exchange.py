"""A toy exchange, as its adapter sees it: calls with latency that fail at times, and a stream.

It stands for somebody else's server, so it knows nothing of the engine: rows are texts, as JSON
would have them, a refusal is a status, and an answer may be lost after the exchange has acted. Time
is that of the clock it is given, which may be virtual. ``toy_venue.py`` is the adapter.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Final, Protocol, TypeAlias

__all__ = ["HttpError", "Row", "ToyExchange"]

Row: TypeAlias = dict[str, str]
SYMBOL: Final = "TOY-USD"
TICK, LOT = Decimal("0.5"), Decimal("0.01")
FEE: Final = Decimal("0.001")
BUSY, BAD, GONE, TAKEN = 429, 400, 404, 409


class WallClock(Protocol):
    """What the wire needs of time."""

    def time_ns(self) -> int:
        """UTC nanoseconds."""
        ...

    async def sleep_ns(self, duration_ns: int) -> None:
        """Wait."""
        ...


class HttpError(Exception):
    """The exchange has answered, and it was a no."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


class ToyExchange:
    """One account, one symbol. Of 1,000 calls ``busy`` are refused by a rate limit, and the answers
    of ``lost`` never come.
    """

    def __init__(self, *, seed: int = 0, busy: int = 0, lost: int = 0) -> None:
        self.clock: WallClock | None = None
        self.latency_ns = 5_000_000
        self.busy, self.lost = busy, lost
        self.loses_next = False
        self.bid, self.ask = Decimal(1000), Decimal(1001)
        self.orders: dict[str, Row] = {}  # by the exchange's id
        self.fills: list[Row] = []
        self._ids = itertools.count(1)
        self._random = random.Random(seed)  # noqa: S311  # of bad luck, not of secrets
        self._hears: Callable[[Row], None] | None = None
        self._is_cut: Callable[[], None] | None = None

    # --- the stream -------------------------------------------------------------------------------

    def listen(self, hears: Callable[[Row], None], is_cut: Callable[[], None]) -> None:
        """Tell this listener what happens from now on; one at a time."""
        self._hears, self._is_cut = hears, is_cut

    def hang_up(self) -> None:
        """Tell nobody any more."""
        self._hears = self._is_cut = None

    def cut(self) -> None:
        """The stream is lost, and its listener sees that."""
        is_cut = self._is_cut
        self.hang_up()
        if is_cut is not None:
            is_cut()

    def _tell(self, event: str, row: Row) -> None:
        if self._hears is not None:
            self._hears({**row, "event": event})

    # --- calls ------------------------------------------------------------------------------------

    async def post_order(self, asked: Row) -> Row:
        """Take an order; a client id is taken once, for ever."""
        await self._there()
        if self._of(asked["client_id"]) is not None:
            raise HttpError(TAKEN, "this client id exists")
        price = asked.get("price")
        off = Decimal(asked["qty"]) % LOT or (price is not None and Decimal(price) % TICK)
        if asked["symbol"] != SYMBOL or off:
            raise HttpError(BAD, "no such symbol" if not off else "off the grid")
        row = {**asked, "id": f"o{next(self._ids)}", "status": "open", "filled": "0"}
        self.orders[row["id"]] = self._stamped(row)
        self._tell("open", row)
        self._match(row)
        if row["status"] == "open" and row["tif"] == "IOC":
            self._end(row)
        return await self._back(row)

    async def put_order(self, client_id: str, qty: str | None, price: str | None) -> Row:
        """Give an open order another total or price."""
        await self._there()
        row = self._open(client_id)
        if qty is not None and Decimal(qty) <= Decimal(row["filled"]):
            raise HttpError(BAD, "more has filled")
        row.update(
            {key: text for key, text in (("qty", qty), ("price", price)) if text is not None}
        )
        self._tell("changed", self._stamped(row))
        self._match(row)
        return await self._back(row)

    async def delete_order(self, client_id: str) -> Row:
        """End an open order."""
        await self._there()
        row = self._open(client_id)
        self._end(row)
        return await self._back(row)

    async def get_order(self, client_id: str, order_id: str) -> list[Row]:
        """The order with one of these ids, open or not."""
        await self._there()
        row = self._of(client_id) if client_id else self.orders.get(order_id)
        return await self._list([] if row is None else [row])

    async def get_orders(self) -> list[Row]:
        """All open orders."""
        await self._there()
        return await self._list([row for row in self.orders.values() if row["status"] == "open"])

    async def get_fills(self, since_ns: int) -> list[Row]:
        """All executions since a moment."""
        await self._there()
        return await self._list([row for row in self.fills if int(row["time_ns"]) >= since_ns])

    async def get_account(self) -> Row:
        """What is held, and how much of either currency there is."""
        await self._there()
        held, cash = Decimal(0), Decimal(1_000_000)
        for row in self.fills:
            qty = Decimal(row["qty"]) * (1 if row["side"] == "BUY" else -1)
            held += qty
            cash -= qty * Decimal(row["price"]) + Decimal(row["fee"])
        return await self._back({"TOY": str(held), "USD": str(cash)})

    # --- what others do ---------------------------------------------------------------------------

    def quote(self, bid: int, ask: int) -> None:
        """The market goes elsewhere; orders that it meets fill."""
        self.bid, self.ask = Decimal(bid), Decimal(ask)
        self._tell("quote", {"bid": str(bid), "ask": str(ask), "time_ns": str(self._now())})
        for row in [row for row in self.orders.values() if row["status"] == "open"]:
            self._match(row)

    def trade(self, client_id: str, qty: Decimal) -> None:
        """Somebody trades with an open order, at its price."""
        row = self._open(client_id)
        self._fill(row, qty, Decimal(row["price"]))

    # --- inside -----------------------------------------------------------------------------------

    async def _there(self) -> None:
        if self.clock is not None:
            await self.clock.sleep_ns(self.latency_ns)
        if self._random.randrange(1000) < self.busy:
            raise HttpError(BUSY, "slow down")

    async def _back(self, row: Row) -> Row:
        """The way of an answer; an error that reaches here is a network's, not the exchange's."""
        answer = dict(row)
        if self.clock is not None:
            await self.clock.sleep_ns(self.latency_ns)
        if self.loses_next or self._random.randrange(1000) < self.lost:
            self.loses_next = False
            raise ConnectionError("the answer was lost")
        return answer

    async def _list(self, rows: list[Row]) -> list[Row]:
        answer = [dict(row) for row in rows]
        await self._back({})
        return answer

    def _now(self) -> int:
        return 0 if self.clock is None else self.clock.time_ns()

    def _stamped(self, row: Row) -> Row:
        row["time_ns"] = str(self._now())
        return row

    def _of(self, client_id: str) -> Row | None:
        return next((row for row in self.orders.values() if row["client_id"] == client_id), None)

    def _open(self, client_id: str) -> Row:
        row = self._of(client_id)
        if row is None or row["status"] != "open":
            raise HttpError(GONE, "no such open order")
        return row

    def _end(self, row: Row) -> None:
        row["status"] = "cancelled"
        self._tell("cancelled", self._stamped(row))

    def _match(self, row: Row) -> None:
        buys, price = row["side"] == "BUY", row.get("price")
        market = self.ask if buys else self.bid
        limit = market if price is None else Decimal(price)
        if (limit >= market) if buys else (limit <= market):
            self._fill(row, Decimal(row["qty"]) - Decimal(row["filled"]), market)

    def _fill(self, row: Row, qty: Decimal, price: Decimal) -> None:
        filled = Decimal(row["filled"]) + qty
        row["filled"] = str(filled)
        if filled == Decimal(row["qty"]):
            row["status"] = "filled"
        fill = {
            "id": row["id"],
            "client_id": row["client_id"],
            "symbol": row["symbol"],
            "side": row["side"],
            "fill_id": f"f{next(self._ids)}",
            "qty": str(qty),
            "price": str(price),
            "fee": str(qty * price * FEE),
            "filled": row["filled"],
        }
        self.fills.append(self._stamped(fill))
        self._tell("fill", fill)
