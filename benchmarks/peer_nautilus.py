"""NautilusTrader's backtest engine, in the best case we could find for it.

One strategy buys with market orders, 100 at each quote: few quotes, because feeding them is no part
of an order's life. One instrument and a netting account, so one position; a cash account that is
frozen, so no balances; rate limits of orders raised; logging bypassed; no analysis. Each order is
checked by its risk engine, matched by its simulated exchange, accepted, filled once and booked; the
strategy sees the fills. Nothing is written down.

Its engine is built, started and fed with a first quote before the clock runs, and ended after it
has stopped. What an order costs it grows with the orders that its position has seen, so a figure
belongs to a number of orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from engine.messages import SubmitOrder

from .harness import Side
from .lives import FILLED_ONCE, encoded_lives, net_position

__all__ = ["NautilusBacktest"]

_ORDERS_PER_QUOTE: Final = 100
_NO_LIMIT: Final = "1000000000/00:00:01"
_MILLISECOND: Final = 1_000_000  # ns
_FUNDS: Final = 10_000_000


class NautilusBacktest(Side):
    """As many market orders as ours, and the same."""

    name = "NautilusTrader"

    def __init__(self, count: int) -> None:
        self._count = count
        self._instrument = TestInstrumentProvider.btcusdt_binance()
        decode = msgspec.json.Decoder(SubmitOrder).decode
        intents = [decode(life[0]) for life in encoded_lives(count, None, FILLED_ONCE)]
        self._sizes = [self._instrument.make_qty(intent.order_qty) for intent in intents]

    def prepare(self) -> None:
        """Build and start it; the first quote brings no orders."""
        instrument = self._instrument
        self._engine = BacktestEngine(
            BacktestEngineConfig(
                trader_id=TraderId("BENCH-001"),
                logging=LoggingConfig(bypass_logging=True),
                risk_engine=RiskEngineConfig(
                    max_order_submit_rate=_NO_LIMIT, max_order_modify_rate=_NO_LIMIT
                ),
                run_analysis=False,
            )
        )
        self._engine.add_venue(
            instrument.id.venue,
            oms_type=OmsType.NETTING,
            account_type=AccountType.CASH,
            starting_balances=[Money(_FUNDS, instrument.quote_currency)],
            frozen_account=True,
        )
        self._engine.add_instrument(instrument)
        self._strategy = _Buyer(instrument)
        self._engine.add_strategy(self._strategy)
        self._engine.add_data([self._quote(0)])
        self._engine.run(streaming=True)
        self._engine.clear_data()
        self._strategy.sizes = iter(self._sizes)
        quotes = -(-self._count // _ORDERS_PER_QUOTE)
        self._engine.add_data([self._quote(1 + number) for number in range(quotes)])

    def work(self) -> None:
        """The quotes, and an order's life for each of the orders they cause."""
        self._engine.run(streaming=True)

    def check(self) -> None:
        """Every order is filled, and the one position adds up."""
        assert self._count == self._strategy.filled, self._strategy.filled
        (position,) = self._engine.cache.positions()
        held = position.quantity.as_decimal()
        assert net_position(self._count, FILLED_ONCE) == held, held

    def finish(self) -> None:
        """End it."""
        self._engine.end()
        self._engine.dispose()

    def _quote(self, number: int) -> QuoteTick:
        instrument = self._instrument
        ts = (1 + number) * _MILLISECOND  # a first quote at 0 crashes version 1.221
        size = Quantity(1000, instrument.size_precision)
        bid, ask = (Price(px, instrument.price_precision) for px in (60_000.0, 60_000.1))
        return QuoteTick(instrument.id, bid, ask, size, size, ts, ts)


class _Buyer(Strategy):  # type: ignore[misc]  # it has no types
    """Buys at each quote, and counts its fills."""

    def __init__(self, instrument: CurrencyPair) -> None:
        super().__init__()
        self._instrument = instrument
        self.sizes: Iterator[Quantity] = iter(())
        self.filled = 0

    def on_start(self) -> None:
        """Ask for quotes."""
        self.subscribe_quote_ticks(self._instrument.id)

    def on_quote_tick(self, _: QuoteTick) -> None:
        """Submit the next orders."""
        symbol = self._instrument.id
        for _, size in zip(range(_ORDERS_PER_QUOTE), self.sizes, strict=False):
            self.submit_order(self.order_factory.market(symbol, OrderSide.BUY, size))

    def on_order_filled(self, _: OrderFilled) -> None:
        """Count."""
        self.filled += 1
