"""A desk at a simulated exchange: one line per order, numbers as strings, time that ticks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.messages import Amend, Cancel, Filled, OrderReport, OrderSnapshot, SubmitOrder
from engine.simulator import Answer, Exchange, ExchangeConfig, Refusal, RefuseReason
from engine.values import Instrument, InstrumentKind, OrderType, Side

D = Decimal
BTC = Instrument(
    symbol="BTC",
    venue="paper",
    base="BTC",
    quote="USD",
    tick_size=D("0.5"),
    lot_size=D("0.1"),
    min_qty=D("0.1"),
    max_qty=D(1000),
    min_notional=D(5),
)
PERP = Instrument(
    symbol="PERP",
    venue="paper",
    kind=InstrumentKind.LINEAR,
    base="BTC",
    quote="USD",
    tick_size=D("0.5"),
    lot_size=D("0.1"),
)
COIN = Instrument(
    symbol="COIN",
    venue="paper",
    kind=InstrumentKind.INVERSE,
    base="BTC",
    quote="USD",
    tick_size=D("0.5"),
    lot_size=D(1),
    multiplier=D(100),
)


class Desk:
    """One account; ``take`` drains what came without being asked for."""

    def __init__(
        self,
        config: ExchangeConfig | None = None,
        account: str = "a",
        balances: dict[str, Decimal] | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.exchange = exchange or Exchange(config or ExchangeConfig(), (BTC, PERP, COIN))
        self.exchange.open_account(account, balances)
        self.account = account
        self.count = 0

    @property
    def now(self) -> int:
        return self.exchange.now_ns

    def tick(self) -> int:
        return self.exchange.now_ns + 1

    def terms(
        self,
        side: Side,
        order_type: OrderType,
        qty: str | None,
        price: str | None = None,
        symbol: str = "BTC",
        client_order_id: str | None = None,
        **more: Any,
    ) -> SubmitOrder:
        self.count += 1
        return SubmitOrder(
            intent_id=f"i{self.count}",
            venue="paper",
            account=self.account,
            instrument=symbol,
            side=side,
            order_type=order_type,
            order_qty=None if qty is None else D(qty),
            client_order_id=client_order_id or f"{self.account}{self.count}",
            price=None if price is None else D(price),
            **more,
        )

    def send(self, side: Side, order_type: OrderType, qty: str | None, **more: Any) -> Answer:
        return self.exchange.place(self.terms(side, order_type, qty, **more), self.tick())

    def buy(self, qty: str, price: str, **more: Any) -> tuple[OrderReport, ...]:
        return reports(self.send(Side.BUY, OrderType.LIMIT, qty, price=price, **more))

    def sell(self, qty: str, price: str, **more: Any) -> tuple[OrderReport, ...]:
        return reports(self.send(Side.SELL, OrderType.LIMIT, qty, price=price, **more))

    def market(self, side: Side, qty: str, **more: Any) -> tuple[OrderReport, ...]:
        return reports(self.send(side, OrderType.MARKET, qty, **more))

    def cancel(self, client_order_id: str, req_id: str = "c1") -> Answer:
        request = Cancel(client_order_id, req_id, "BTC")
        return self.exchange.cancel(self.account, request, self.tick())

    def amend(self, client_order_id: str, symbol: str = "BTC", **terms: str) -> Answer:
        values = {name: D(value) for name, value in terms.items()}
        request = Amend(
            client_order_id,
            "r1",
            symbol,
            values.get("order_qty"),
            values.get("price"),
            values.get("stop_px"),
        )
        return self.exchange.amend(self.account, request, self.tick())

    def book(self, bids: str, asks: str, symbol: str = "BTC") -> None:
        """``"100x5 99x3"``, best first."""
        self.exchange.set_book(symbol, levels(bids), levels(asks), self.tick())

    def trade(self, px: str, qty: str, aggressor: Side | None, symbol: str = "BTC") -> None:
        self.exchange.on_trade(symbol, D(px), D(qty), aggressor, self.tick())

    def mark(self, px: str, symbol: str = "BTC") -> None:
        self.exchange.on_mark(symbol, D(px), self.tick())

    def take(self) -> tuple[OrderReport, ...]:
        return self.exchange.drain(self.account, self.now)

    def snap(self, client_order_id: str) -> OrderSnapshot:
        found = self.exchange.order(self.account, client_order_id, None, self.now)
        assert found is not None, client_order_id
        return found

    def held(self, symbol: str = "BTC") -> Decimal:
        return sum(
            (p.qty for p in self.exchange.positions(self.account) if p.instrument == symbol), D(0)
        )


def levels(text: str) -> tuple[tuple[Decimal, Decimal], ...]:
    pairs = (part.split("x") for part in text.split())
    return tuple((D(px), D(qty)) for px, qty in pairs)


def reports(answer: Answer) -> tuple[OrderReport, ...]:
    assert not isinstance(answer, Refusal), answer
    return answer


def reason(answer: Answer) -> RefuseReason | None:
    return answer.reason if isinstance(answer, Refusal) else None


def names(found: tuple[OrderReport, ...]) -> list[str]:
    return [type(report).__name__ for report in found]


def fills(found: tuple[OrderReport, ...]) -> list[tuple[str, str]]:
    """``(qty, px)`` of the executions among ``found``."""
    return [(str(r.last_qty), str(r.last_px)) for r in found if isinstance(r, Filled)]
