"""Trigger orders of one instrument: whom a price elects, and how trailing stops follow it.

Fixed triggers are kept sorted by distance, so a price that elects nobody costs one comparison per
source and direction; trailing stops are looked at one by one.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal
from typing import TypeAlias

from .. import triggers
from ..values import OrderType, TriggerSource
from .orders import SimOrder, given

__all__ = ["ReferencePrices", "TriggerBook", "is_due"]

#: LAST, MARK, MID; None where not known: an unknown price elects nobody.
ReferencePrices: TypeAlias = dict[TriggerSource, Decimal | None]
_Entry: TypeAlias = tuple[Decimal, int, SimOrder]


def is_due(order: SimOrder, price: Decimal) -> bool:
    """Whether ``price`` elects ``order`` (False while a trailing stop has no stop price yet)."""
    return triggers.is_due(order.terms.order_type, order.terms.side, order.stop_px, price)


def trail(order: SimOrder, price: Decimal) -> None:
    """Pull a trailing stop after ``price``; it never moves back."""
    offset = order.terms.trail_offset
    if offset is not None:
        order.stop_px = triggers.trailed(order.terms.side, offset, order.stop_px, price)


class TriggerBook:
    """The orders that wait for their trigger."""

    __slots__ = ("_falling", "_rising", "_trailing", "count", "watches_mid")

    def __init__(self) -> None:
        self.count = 0
        self.watches_mid = 0
        self._rising: dict[TriggerSource, list[_Entry]] = {}  # elected when price >= key
        self._falling: dict[TriggerSource, list[_Entry]] = {}  # elected when price <= -key
        self._trailing: dict[int, SimOrder] = {}

    def add(self, order: SimOrder) -> None:
        """Let ``order`` wait."""
        self.count += 1
        self.watches_mid += order.terms.trigger_source is TriggerSource.MID
        order.is_idle = True
        if order.terms.order_type is OrderType.TRAILING_STOP:
            self._trailing[order.rank] = order
        else:
            table, entry = self._place_of(order)
            insort(table.setdefault(order.terms.trigger_source, []), entry)

    def remove(self, order: SimOrder) -> None:
        """Take ``order`` out; its ``stop_px`` must be the one it was added with (or trailed to)."""
        self.count -= 1
        self.watches_mid -= order.terms.trigger_source is TriggerSource.MID
        order.is_idle = False
        if order.terms.order_type is OrderType.TRAILING_STOP:
            del self._trailing[order.rank]
        else:
            table, entry = self._place_of(order)
            entries = table[order.terms.trigger_source]
            del entries[bisect_left(entries, entry)]

    def pop_due(self, prices: ReferencePrices) -> SimOrder | None:
        """The next order that ``prices`` elect, taken out; nearest trigger first, then oldest."""
        for order in self._trailing.values():
            price = prices[order.terms.trigger_source]
            if price is not None:
                trail(order, price)
        for source, price in prices.items():
            if price is None:
                continue
            for table in (self._rising, self._falling):
                entries = table.get(source)
                if entries and is_due(entries[0][2], price):
                    order = entries[0][2]
                    self.remove(order)
                    return order
        for order in self._trailing.values():
            price = prices[order.terms.trigger_source]
            if price is not None and is_due(order, price):
                self.remove(order)
                return order
        return None

    def _place_of(self, order: SimOrder) -> tuple[dict[TriggerSource, list[_Entry]], _Entry]:
        stop_px = given(order.stop_px, "stop_px")
        if triggers.rises_to_trigger(order.terms.order_type, order.terms.side):
            return self._rising, (stop_px, order.rank, order)
        return self._falling, (stop_px.copy_negate(), order.rank, order)
