"""A person who trades at the venue beside a drawn scenario's host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..values import Side
from .drawing_venue import DrawnMarket
from .scenario import AmendsElsewhere, CancelsElsewhere, PlacesElsewhere, Step

__all__ = ["OthersDrawer"]

_NEXT_ONE_OF: Final = 10
_RECENT: Final = 3


class OthersDrawer:
    """Draws the orders of one person: some rest, some trade at once, some only reduce."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self.draw = draw
        self.placed: list[tuple[str, DrawnMarket]] = []

    def is_next(self) -> bool:
        """Whether the next step is one of this person."""
        return self.draw(_NEXT_ONE_OF) == 0

    def steps(self, markets: Sequence[DrawnMarket]) -> list[Step]:
        """An order, or an end or other terms for one of the last few."""
        draw = self.draw
        if self.placed and draw(3) == 0:
            recent = self.placed[-_RECENT:]
            name, market = recent[draw(len(recent))]
            what = draw(4)
            if what < 2:
                return [CancelsElsewhere(name)]
            if what == 2:
                return [AmendsElsewhere(name, order_qty=market.size(1 + draw(12)))]
            return [AmendsElsewhere(name, price=market.price(market.mid + draw(9) - 4))]
        market = markets[draw(len(markets))]
        name = f"PERSON{len(self.placed) + 1}"
        self.placed.append((name, market))
        side = (Side.BUY, Side.SELL)[draw(2)]
        price = None if draw(3) == 0 else market.price(market.mid + draw(9) - 4)
        return [
            PlacesElsewhere(
                name,
                market.instrument.symbol,
                side,
                market.size(1 + draw(10)),
                price,
                reduce_only=draw(3) == 0,
            )
        ]
