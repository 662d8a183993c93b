"""Kill switches and trading modes of a drawn scenario, with trouble in the middle of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from ..messages import TradingMode
from ..values import ONE, Side
from .drawing_venue import DrawnMarket
from .faults import Fault, FaultKind, When
from .scenario import (
    Crashes,
    Flattens,
    Happens,
    Injects,
    Lifts,
    Moment,
    Quotes,
    Restarts,
    SetsMode,
    Step,
    Trades,
    Turns,
    Waits,
)

__all__ = ["ControlDrawer"]

_STEP_ONE_OF: Final = 14
_MS: Final = 1_000_000
_SECOND: Final = 1_000 * _MS
_DEADLINES: Final = (2 * _SECOND, 30 * _SECOND, 300 * _SECOND)
_SHARES: Final = (ONE, ONE, Decimal("0.4"))
#: What goes wrong with the calls of a switch.
_CALLS: Final = (
    FaultKind.THROTTLED,
    FaultKind.REFUSED,
    FaultKind.ANSWER_LOST,
    FaultKind.NEVER_ARRIVED,
    FaultKind.ARRIVES_LATE,
    FaultKind.UNKNOWN_AFTER,
    FaultKind.FILL_FIRST,
)


class ControlDrawer:
    """Draws what people shut and open in one scenario, knowing what is shut."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self.draw = draw
        self.switches: list[str] = []  # instruments, "" for everything
        self.modes: list[str] = []

    def is_next(self) -> bool:
        """Whether the next step is one of a person in trouble."""
        busy = bool(self.switches or self.modes)
        return self.draw(_STEP_ONE_OF // 2 if busy else _STEP_ONE_OF) == 0

    def steps(self, markets: Sequence[DrawnMarket]) -> list[Step]:
        """A switch is pulled, and something goes wrong meanwhile; it is lifted; a mode is set."""
        draw = self.draw
        if self.switches and draw(2):
            at = draw(len(self.switches))
            return [Lifts(self.switches.pop(at))]
        if self.modes and draw(2):
            return [SetsMode(TradingMode.ALL, self.modes.pop(draw(len(self.modes))))]
        market = markets[draw(len(markets))]
        of = "" if draw(3) else market.instrument.symbol
        if draw(4) == 0:
            mode = (TradingMode.REDUCE_ONLY, TradingMode.REDUCE_ONLY, TradingMode.NONE)[draw(3)]
            self.modes.append(of)
            return [SetsMode(mode, of)]
        if of not in self.switches:
            self.switches.append(of)
        share, deadline = _SHARES[draw(len(_SHARES))], _DEADLINES[draw(len(_DEADLINES))]
        return [Flattens(of, deadline, share), Turns(1 + draw(12)), *self._trouble(market)]

    def _trouble(self, market: DrawnMarket) -> list[Step]:
        """What happens while it is at work."""
        draw = self.draw
        what = draw(6)
        if what == 0:
            return []
        if what == 1:
            when = When(verb=("place", "cancel")[draw(2)], nth=1 + draw(2))
            return [Injects(Fault(_CALLS[draw(len(_CALLS))], when, count=1 + draw(3)))]
        if what == 2:
            return [Happens(Fault(FaultKind.DISCONNECT, delay_ns=(200 + draw(5000)) * _MS))]
        if what == 3:
            return self._sweep(market)
        if what == 4:
            return [self._thin(market)]
        at = (Moment.NOW, Moment.BEFORE_WRITE, Moment.AFTER_WRITE)[draw(3)]
        crash = Crashes(at, 1 if at is Moment.NOW else 1 + draw(6))
        return [crash, Waits((20 + draw(2000)) * _MS), Restarts(), Turns(1 + draw(12))]

    def _sweep(self, market: DrawnMarket) -> list[Step]:
        """The market runs through stops and targets: they fill while they are being cancelled."""
        draw, symbol = self.draw, market.instrument.symbol
        side, far = (Side.BUY, Side.SELL)[draw(2)], 4 + draw(10)
        market.mid = max(200, market.mid + (far if side is Side.BUY else -far))
        bid, ask = market.price(market.mid - 1), market.price(market.mid + 1)
        many = market.size(30)
        trade = Trades(symbol, market.price(market.mid), market.size(1 + draw(20)), side)
        return [trade, Quotes(symbol, bid, many, ask, many)]

    def _thin(self, market: DrawnMarket) -> Step:
        """There is little to close with: it takes several."""
        bid, ask = market.price(market.mid - 1), market.price(market.mid + 1)
        few = market.size(1 + self.draw(4))
        return Quotes(market.instrument.symbol, bid, few, ask, few)
