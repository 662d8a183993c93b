"""A venue adapter as small as one can be that keeps every promise of the port; begin yours with it.

It speaks to ``toy_exchange.py``, where calls take time, are refused by a rate limit and lose their
answers, and where the stream can be cut. ``test_toy_venue.py`` holds it against the suite for
adapters, and trades through it; ``docs/adapters.md`` says what each part has to keep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Final

from actors.venues.port import (
    Answer,
    BookTop,
    Clock,
    Done,
    Duplicate,
    Outcome,
    Refused,
    Sink,
    Throttled,
    Unknown,
    VenueBalance,
    VenuePosition,
)
from engine import Capabilities, IdScope, Instrument, OrderType, PositionSlot, Side, TimeInForce
from engine.messages import (
    Accepted,
    Amend,
    Cancel,
    Cancelled,
    Filled,
    LinkDown,
    LinkUp,
    OrderReport,
    OrderSnapshot,
    Place,
    PriceUpdate,
    QueryOrder,
    Replaced,
    VenueStatus,
)
from examples.toy_exchange import BUSY, LOT, SYMBOL, TAKEN, TICK, HttpError, Row, ToyExchange

__all__ = ["TOY", "ToyVenue"]

TOY: Final = Instrument(
    symbol=SYMBOL, venue="toy", base="TOY", quote="USD", tick_size=TICK, lot_size=LOT
)
#: What is not named is taken to be missing. Each of these is a promise of the exchange's manual.
CAN: Final = Capabilities(
    order_types=(OrderType.MARKET, OrderType.LIMIT),
    times_in_force=(TimeInForce.GTC, TimeInForce.IOC),
    amend=True,
    client_id_length_max=32,
    client_id_scope=IdScope.FOREVER,
    lookup_by_client_id=True,
    lists_trigger_orders=True,  # there are none, so the list of open orders has them all
    executions_complete=True,
    positions_complete=True,
    cash_positions=True,
    stream_echoes=True,
    visibility_lag_ns=50_000_000,
    request_window_ns=1_000_000_000,
)
STATUS: Final = {
    "open": VenueStatus.WORKING,
    "filled": VenueStatus.FILLED,
    "cancelled": VenueStatus.CANCELLED,
}
RETRY_NS: Final = 200_000_000


class ToyVenue:
    """One account at a toy exchange."""

    def __init__(self, http: ToyExchange, name: str = "toy", account: str = "main") -> None:
        self.name = name
        self.account = account
        self.capabilities = CAN
        self._http = http
        self._sink: Sink | None = None  # while a session stands
        self._clock: Clock | None = None
        self._tells: Callable[[PriceUpdate], object] | None = None

    # --- the session ------------------------------------------------------------------------------

    async def connect(self, sink: Sink, clock: Clock) -> None:
        """Open the stream. Also called after a lost session, which nobody has closed before."""
        self._http.clock = self._clock = clock
        self._sink = sink
        self._http.listen(self._hear, self._is_cut)
        sink(LinkUp(clock.time_ns()))

    async def close(self) -> None:
        """Close it; open orders stay."""
        self._sink = None
        self._http.hang_up()

    def _is_cut(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink(LinkDown(self._now(), "the stream was cut"))  # connect() is called again

    def _hear(self, row: Row) -> None:
        if self._sink is None:
            return
        event = row["event"]
        if event == "quote":
            self._tell_price(row)
            return
        report: OrderReport
        if event == "fill":
            report = _fill(row)
        elif event == "cancelled":
            report = _cancelled(row, None)
        elif event == "changed":
            report = _replaced(row, None)
        else:
            report = _accepted(row)
        self._sink(report)

    # --- calls ------------------------------------------------------------------------------------

    async def place(self, request: Place) -> Outcome:
        """Place an order, under our client id."""
        order = request.order
        asked = {
            "client_id": order.client_order_id,
            "symbol": order.instrument,
            "side": order.side.value,
            "qty": str(order.order_qty),
            "tif": order.time_in_force.value,
        }
        if order.price is not None:
            asked["price"] = str(order.price)
        return await self._ask(lambda: self._http.post_order(asked), _accepted)

    async def cancel(self, request: Cancel) -> Outcome:
        """Cancel the rest of one."""
        return await self._ask(
            lambda: self._http.delete_order(request.client_order_id),
            lambda row: _cancelled(row, request.req_id),
        )

    async def amend(self, request: Amend) -> Outcome:
        """Give it other terms; both we and they count fills into the total."""
        qty, price = (
            None if one is None else str(one) for one in (request.order_qty, request.price)
        )
        return await self._ask(
            lambda: self._http.put_order(request.client_order_id, qty, price),
            lambda row: _replaced(row, request.req_id),
        )

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        """Not declared, so the engine never calls it."""
        return [await self.place(one) for one in requests]

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        """As :meth:`place_batch`."""
        return [await self.cancel(one) for one in requests]

    async def _ask(
        self, call: Callable[[], Awaitable[Row]], proves: Callable[[Row], OrderReport]
    ) -> Outcome:
        """One call, and what became of it: the whole art of an adapter is in these lines."""
        if self._sink is None:
            return Refused("not_connected")  # nothing has left this process
        try:
            row = await call()
        except HttpError as error:  # the exchange says no, before it has done anything
            if error.status == BUSY:
                return Throttled(RETRY_NS, error.text)
            if error.status == TAKEN:
                return Duplicate(error.text)  # not a no: is it ours, from a lost answer?
            return Refused("refused", str(error.status), error.text)
        except OSError as error:  # the network's word proves nothing about the order
            return Unknown(type(error).__name__)
        return Done((proves(row),))

    # --- questions --------------------------------------------------------------------------------

    async def query_order(self, request: QueryOrder) -> Answer[OrderSnapshot]:
        """By our id; by the exchange's where ours is ""."""
        sent_ts = self._now()
        rows = await self._http.get_order(request.client_order_id, request.venue_order_id or "")
        return Answer(tuple(_snapshot(row, sent_ts) for row in rows), True, sent_ts)

    async def open_orders(self) -> Answer[OrderSnapshot]:
        """All of the account, whoever placed them."""
        sent_ts = self._now()
        rows = await self._http.get_orders()
        return Answer(tuple(_snapshot(row, sent_ts) for row in rows), True, sent_ts)

    async def executions(self, since_ts: int) -> Answer[Filled]:
        """All since then; 0 asks for whatever there is."""
        sent_ts = self._now()
        rows = await self._http.get_fills(since_ts)
        return Answer(tuple(_fill(row) for row in rows), True, sent_ts)

    async def positions(self) -> Answer[VenuePosition]:
        """The one slot there is; the exchange tells no average price."""
        sent_ts = self._now()
        held = Decimal((await self._http.get_account())["TOY"])
        return Answer((VenuePosition(SYMBOL, PositionSlot.NET, held, None),), True, sent_ts)

    async def balances(self) -> Answer[VenueBalance]:
        """Both currencies."""
        sent_ts = self._now()
        account = await self._http.get_account()
        items = (VenueBalance(name, Decimal(had), Decimal(had)) for name, had in account.items())
        return Answer(tuple(items), True, sent_ts)

    async def instruments(self) -> Answer[Instrument]:
        """Asked before the first connect, so it needs no session."""
        return Answer((TOY,), True, 0)

    async def book(self, instrument: str) -> Answer[BookTop]:
        """Best prices."""
        now, size = self._now(), Decimal(100)
        top = BookTop(instrument, now, self._http.bid, size, self._http.ask, size)
        return Answer((top,), True, now)

    # --- prices -----------------------------------------------------------------------------------

    def watch_prices(self, instrument: str, tell: Callable[[PriceUpdate], object]) -> None:
        """Optional: without it prices come from ``system.on_price``."""
        self._tells = tell
        bid, ask = str(self._http.bid), str(self._http.ask)
        self._tell_price({"bid": bid, "ask": ask, "time_ns": str(self._now())})

    def _tell_price(self, row: Row) -> None:
        if self._tells is not None:
            bid, ask = Decimal(row["bid"]), Decimal(row["ask"])
            self._tells(PriceUpdate(SYMBOL, int(row["time_ns"]), bid=bid, ask=ask))

    def _now(self) -> int:
        return 0 if self._clock is None else self._clock.time_ns()


def _accepted(row: Row) -> Accepted:
    return Accepted(row["client_id"], int(row["time_ns"]), row["id"])


def _cancelled(row: Row, req_id: str | None) -> Cancelled:
    filled = Decimal(row["filled"])
    return Cancelled(
        row["client_id"], int(row["time_ns"]), req_id, cum_qty=filled, venue_order_id=row["id"]
    )


def _replaced(row: Row, req_id: str | None) -> Replaced:
    qty, price = Decimal(row["qty"]), Decimal(row["price"])
    return Replaced(
        row["client_id"], int(row["time_ns"]), req_id, qty, price, venue_order_id=row["id"]
    )


def _fill(row: Row) -> Filled:
    """An execution; its id is the exchange's own, the same in the stream and in the list."""
    return Filled(
        row["client_id"],
        int(row["time_ns"]),
        row["fill_id"],
        Decimal(row["qty"]),
        Decimal(row["price"]),
        fee=Decimal(row["fee"]),
        fee_currency="USD",
        venue_order_id=row["id"],
        cum_qty=Decimal(row["filled"]),
        instrument=row["symbol"],
        side=Side[row["side"]],
    )


def _snapshot(row: Row, sent_ts: int) -> OrderSnapshot:
    price = row.get("price")
    return OrderSnapshot(
        row["client_id"],
        int(row["time_ns"]),
        STATUS.get(row["status"], VenueStatus.UNKNOWN),  # a new word says nothing
        row["id"],
        row["symbol"],
        Side[row["side"]],
        OrderType.MARKET if price is None else OrderType.LIMIT,
        Decimal(row["qty"]),
        Decimal(row["filled"]),
        None if price is None else Decimal(price),
        sent_ts=sent_ts,
    )
