"""A small strategy, sound and broken: hold a target position, one order at a time.

It knows only what the engine tells it, and buys what is missing whenever its last order has ended.
The broken one takes silence for a no: it buys again while its order is in doubt.
``test_target_position.py`` shows how the test kit finds that.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from engine import limit
from engine.messages import (
    Event,
    OrderCancelled,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderInDoubt,
    OrderRejected,
    SubmitOrder,
)

__all__ = ["HastyBuyer", "PatientBuyer"]

_ENDS = (OrderCancelled, OrderDenied, OrderExpired, OrderFilled, OrderRejected)


class PatientBuyer:
    """Buys ``clip`` by ``clip`` until it holds ``target``.

    A new order leaves only when the last one has ended.
    """

    over: tuple[type[Event], ...] = _ENDS

    def __init__(
        self,
        submit: Callable[[SubmitOrder], object],
        *,
        target: Decimal,
        clip: Decimal,
        price: Decimal,
    ) -> None:
        self._submit = submit
        self.target = target
        self._clip = clip
        self._price = price
        self._filled: dict[str, Decimal] = {}  # by intent
        self._buy()

    def on_event(self, event: Event) -> None:
        """What the engine tells."""
        if not isinstance(event, OrderEvent):
            return
        self._filled[event.intent_id] = event.cum_qty
        is_last = event.intent_id == f"buy-{len(self._filled)}"
        if is_last and isinstance(event, self.over):
            self._buy()

    def _buy(self) -> None:
        missing = self.target - sum(self._filled.values(), Decimal(0))
        if missing > 0:
            intent = f"buy-{len(self._filled) + 1}"
            self._filled[intent] = Decimal(0)
            qty = min(missing, self._clip)
            self._submit(limit("BTC/USDT", "BUY", qty, self._price, intent_id=intent))


class HastyBuyer(PatientBuyer):
    """BROKEN: an order that is in doubt may be alive, and it does not wait to learn."""

    over = (*_ENDS, OrderInDoubt)
