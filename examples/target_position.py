"""A small strategy, sound and broken: buy up to a target, always at the price we were told last.

It knows only what the engine tells it. When the price moves it cancels its order and bids anew. The
broken one does both at once: it takes its own request for the venue's word, and when the old order
has filled meanwhile it holds too much. ``test_target_position.py`` shows how the test kit finds
that.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from engine import limit
from engine.messages import (
    Event,
    OrderCancelled,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    SubmitOrder,
)

__all__ = ["HastyBuyer", "Host", "PatientBuyer"]

_ENDS = (OrderCancelled, OrderDenied, OrderExpired, OrderFilled, OrderRejected)


class Host(Protocol):
    """What the strategy can do."""

    def submit(self, order: SubmitOrder) -> object:
        """Submit an order; the same intent again is the same order."""
        ...

    def cancel(self, intent: str) -> object:
        """Ask for a cancel."""
        ...


class PatientBuyer:
    """Buys until it holds ``target``. A new order leaves only when the last one has ended."""

    def __init__(self, host: Host, target: Decimal, price: Decimal) -> None:
        self.target = target
        self._host = host
        self._price = price
        self._filled: dict[str, Decimal] = {}  # by intent
        self._last: SubmitOrder | None = None
        self._buy()

    def on_price(self, price: Decimal) -> None:
        """Bid here from now on."""
        self._price = price
        if self._last is not None and self._last.price != price:
            self._host.cancel(self._last.intent_id)

    def on_event(self, event: Event) -> None:
        """What the engine tells."""
        if not isinstance(event, OrderEvent):
            return
        self._filled[event.intent_id] = event.cum_qty
        last = self._last
        if last is not None and event.intent_id == last.intent_id and isinstance(event, _ENDS):
            self._buy()

    def on_restart(self) -> None:
        """Nobody knows whether the last order was written down: the same intent can be repeated."""
        if self._last is not None:
            self._host.submit(self._last)

    def _buy(self) -> None:
        self._last = None
        missing = self.target - sum(self._filled.values(), Decimal(0))
        if missing > 0:
            intent = f"buy-{len(self._filled) + 1}"
            self._filled[intent] = Decimal(0)
            self._last = limit("BTC/USDT", "BUY", missing, self._price, intent_id=intent)
            self._host.submit(self._last)


class HastyBuyer(PatientBuyer):
    """BROKEN: a cancel that was asked for has not happened yet."""

    def on_price(self, price: Decimal) -> None:
        """Bid here from now on, at once."""
        old = self._last
        super().on_price(price)
        if old is not None and old.price != price:
            self._buy()
