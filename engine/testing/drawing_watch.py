"""Rules about what is held, of a drawn scenario, and a venue that shuts us out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from ..messages import SetMonitor
from ..values import PositionSlot, TriggerSource
from .drawing_venue import DrawnMarket
from .scenario import (
    Bars,
    Monitors,
    Quotes,
    Reconnects,
    Step,
    SubmitsGroup,
    Turns,
    Unmonitors,
    Waits,
)

__all__ = ["BarDrawer", "MonitorDrawer"]

_MONITOR_ONE_OF: Final = 14
_MONITORS_MAX: Final = 4
_BAR_ONE_OF: Final = 30
_KNOCK_ONE_OF: Final = 6
_MS: Final = 1_000_000
_SECOND: Final = 1_000 * _MS
_AMOUNTS: Final = tuple(Decimal(it) for it in ("0.01", "0.1", "0.5", "2"))
_HOLDS: Final = (200 * _MS, 2 * _SECOND, 10 * _SECOND, 60 * _SECOND)
_SOURCES: Final = tuple(TriggerSource)
_AGES: Final = (60 * _SECOND, _SECOND)


class MonitorDrawer:
    """Draws the monitors of one scenario; ``groups`` are those that it has."""

    def __init__(
        self, draw: Callable[[int], int], groups: dict[str, SubmitsGroup], *, hedged: bool
    ) -> None:
        self.draw = draw
        self.groups = groups
        self.hedged = hedged
        self.known: dict[str, Monitors] = {}

    def is_next(self) -> bool:
        """Whether the next step is one of a monitor."""
        return self.draw(_MONITOR_ONE_OF) == 0

    def steps(self, markets: Sequence[DrawnMarket], now_ns: int) -> list[Step]:
        """A monitor, the same again, or one is taken away; or prices go far, in a thin market."""
        draw = self.draw
        if self.known and draw(3) == 0:
            return self._far(markets[draw(len(markets))])
        if self.known and draw(4) == 0:
            name = list(self.known)[draw(len(self.known))]
            return [self.known[name] if draw(2) else Unmonitors(name)]
        name = f"m{1 + draw(_MONITORS_MAX)}"  # at times one that there is, with other rules
        new = Monitors(self._terms(name, markets[draw(len(markets))], now_ns))
        self.known[name] = new
        return [new]

    def _terms(self, name: str, market: DrawnMarket, now_ns: int) -> SetMonitor:
        draw = self.draw
        of, symbol, group = draw(4), market.instrument.symbol, ""
        slot = PositionSlot.NET
        if self.hedged:
            slot = (PositionSlot.LONG, PositionSlot.SHORT)[draw(2)]
        if of == 0 and self.groups:
            group = list(self.groups)[draw(len(self.groups))]
        all_of = market.instrument.settle_currency if of == 1 else ""
        rule = draw(6)
        amount = _AMOUNTS[draw(len(_AMOUNTS))]
        return SetMonitor(
            name,
            "",
            "",
            0,
            instrument="" if group or all_of else symbol,
            slot=PositionSlot.NET if group or all_of else slot,
            group_id=group,
            currency=all_of,
            take_profit=amount if rule in (0, 1) else None,
            stop_loss=amount if rule in (0, 2) else None,
            give_back=amount if rule == 3 else None,
            hold_ns=_HOLDS[draw(len(_HOLDS))] if rule == 4 or draw(4) == 0 else None,
            close_times=(now_ns + (1 + draw(60)) * _SECOND,) if rule == 5 else (),
            price_source=_SOURCES[draw(len(_SOURCES))],
            max_age_ns=_AGES[draw(len(_AGES))],
            every=draw(3) == 0,
        )

    def _far(self, market: DrawnMarket) -> list[Step]:
        draw, symbol = self.draw, market.instrument.symbol
        market.mid = max(200, market.mid + (draw(21) - 10) * 2)
        few = market.size(1 + draw(12))
        bid, ask = market.price(market.mid - market.half), market.price(market.mid + market.half)
        return [Quotes(symbol, bid, few, ask, few), Turns(1 + draw(8))]


class BarDrawer:
    """Draws when the venue shuts us out, and when somebody has mended it."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self.draw = draw
        self.is_shut = False

    def is_next(self) -> bool:
        """Whether the next step is one of these."""
        return self.draw(_KNOCK_ONE_OF if self.is_shut else _BAR_ONE_OF) == 0

    def steps(self) -> list[Step]:
        """We are shut out, for a time or until it is mended; it is mended, also where it need not
        be.
        """
        draw = self.draw
        if self.is_shut or draw(8) == 0:
            self.is_shut = False
            return [Reconnects(), Turns(1 + draw(12))]
        self.is_shut = True
        retry_ns = (1 + draw(30)) * _SECOND if draw(2) else None
        return [Bars(retry_ns), (Turns(1 + draw(12)), Waits((1 + draw(4_000)) * _MS))[draw(2)]]
