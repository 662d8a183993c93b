"""Stops of a drawn scenario that move: trails, break-even, and what a host moves by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from ..group import legs_of
from ..messages import BreakEven, Leg, LegRole, Trail
from ..values import ZERO, OrderType, Side, TriggerSource
from .drawing_venue import DrawnMarket
from .scenario import MovesLeg, Quotes, Step, SubmitsGroup, Trades, Turns, Waits

__all__ = ["MoveDrawer"]

_STEP_ONE_OF: Final = 6
_MS: Final = 1_000_000
_SECOND: Final = 1_000 * _MS
_SOURCES: Final = (None, None, TriggerSource.MID, TriggerSource.MARK)
_AGES: Final = (60 * _SECOND, 2 * _SECOND)


class MoveDrawer:
    """Draws what moves the stops of one scenario; ``groups`` are those that it has."""

    def __init__(self, draw: Callable[[int], int], groups: dict[str, SubmitsGroup]) -> None:
        self.draw = draw
        self.groups = groups

    def moving(self, stop: Leg, market: DrawnMarket) -> Leg:
        """A stop with a trail, a break-even, or both; at times it is left as it is."""
        draw = self.draw
        what = draw(5)
        up = 1 if stop.order.side is Side.SELL else -1
        if what in (0, 1, 2):
            starts = market.price(market.mid + up * draw(5)) if draw(3) == 0 else None
            trail = Trail(
                offset=market.price(1 + draw(6)),
                activate_px=starts,
                step=market.price(draw(3)),
                source=_SOURCES[draw(len(_SOURCES))],
                max_age_ns=_AGES[draw(len(_AGES))],
            )
            stop = replace(stop, trail=trail)
        if what in (2, 3):
            even = BreakEven(
                after=market.price(1 + draw(4)),
                offset=market.price(1) if draw(2) else ZERO,
                source=_SOURCES[draw(len(_SOURCES))],
            )
            stop = replace(stop, break_even=even)
        return stop

    def is_next(self) -> bool:
        """Whether the next step is one that moves a stop."""
        return bool(self.groups) and self.draw(_STEP_ONE_OF) == 0

    def steps(self, markets: Sequence[DrawnMarket]) -> list[Step]:
        """The market runs in favour of what a group holds, and back; or a leg is moved by hand."""
        draw = self.draw
        group = list(self.groups.values())[draw(len(self.groups))]
        legs = [leg for leg in legs_of(group.root) if leg.role is not LegRole.ENTRY]
        if not legs:
            return []
        one = legs[draw(len(legs))]
        market = next(it for it in markets if it.instrument.symbol == one.order.instrument)
        if draw(3) == 0:
            price = market.price(market.mid + draw(17) - 8)
            if one.role is LegRole.STOP:
                limit = price if one.order.order_type is OrderType.STOP_LIMIT else None
                return [MovesLeg(group.intent, one.name, stop_px=price, price=limit)]
            return [MovesLeg(group.intent, one.name, price=price)]
        return self._run(market, one.order.side)

    def _run(self, market: DrawnMarket, side: Side) -> list[Step]:
        """Some ticks one way, one after the other, and some back."""
        draw, symbol = self.draw, market.instrument.symbol
        up = 1 if side is Side.SELL else -1
        found: list[Step] = [Waits((1 + draw(900)) * _MS)]
        for by in (1 + draw(4), 1 + draw(4), -draw(5)):
            market.mid = max(200, market.mid + up * by)
            bid, ask = (
                market.price(market.mid - market.half),
                market.price(market.mid + market.half),
            )
            many, few = market.size(30), market.size(1)
            found += [
                Quotes(symbol, bid, many, ask, many),
                Trades(symbol, market.price(market.mid), few),
                (Turns(1 + draw(6)), Waits((1 + draw(300)) * _MS))[draw(2)],
            ]
        return found
