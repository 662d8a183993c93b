"""A paper market on a clock that runs by itself lets time pass by itself."""

from __future__ import annotations

from decimal import Decimal

from actors import ExecutionSystem, PaperVenue
from engine import Instrument, OrderState, limit
from engine.simulator import Exchange, ExchangeConfig
from engine.values import TimeInForce


def test_a_gtd_order_expires_without_anybody_moving_the_market() -> None:
    """On a real clock an order expires at its time, though no price arrives any more."""
    coin = Instrument(
        symbol="A/B",
        venue="paper",
        base="A",
        quote="B",
        tick_size=Decimal("0.1"),
        lot_size=Decimal(1),
    )
    venue = PaperVenue("paper", "main", Exchange(ExchangeConfig(), [coin]))
    with ExecutionSystem([venue]) as system:
        soon = system.dispatcher.time_ns() + 50_000_000
        order = limit("A/B", "BUY", 1, 100, time_in_force=TimeInForce.GTD, expire_ts=soon)

        ended = system.submit(order).wait(timeout=10)

        assert ended.state is OrderState.EXPIRED
        assert ended.ts >= soon
