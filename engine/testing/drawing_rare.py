"""What few drawn scenarios have: stops that move, monitors, triggers that the engine watches, a
price feed that goes silent, a venue that shuts us out, and a person who trades beside us.

Each kind has a stream of choices of its own, so runs without it stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..simulator.config import ExchangeConfig
from .drawing_groups import GroupDrawer
from .drawing_moves import MoveDrawer
from .drawing_others import OthersDrawer
from .drawing_venue import DrawnMarket, without_triggers
from .drawing_watch import BarDrawer, MonitorDrawer
from .scenario import Silences, Step

__all__ = ["RareDrawer"]

#: One of so many scenarios has it; stops move in one of so many that have groups.
_MOVES_ONE_OF: Final = 2
_MONITORS_ONE_OF: Final = 4
_LOCAL_ONE_OF: Final = 4
_BARS_ONE_OF: Final = 8
_OTHERS_ONE_OF: Final = 6
#: Of those where somebody follows prices, one of so many has a feed that goes silent: at one of so
#: many steps, for so long.
_SILENT_ONE_OF: Final = 3
_SILENCE_ONE_OF: Final = 12
_SILENCES: Final = tuple(ms * 1_000_000 for ms in (300, 3_000, 7_000, 40_000, 90_000))


class RareDrawer:
    """Draws these for one scenario; ``stream`` gives independent streams of choices, by number.

    Attributes:
        emulates: whether the engine watches the triggers that the venue lacks.
    """

    def __init__(
        self,
        stream: Callable[[int], Callable[[int], int]],
        groups: GroupDrawer | None,
        *,
        is_calm: bool,
        hedged: bool,
    ) -> None:
        moves, monitors, self._venue, bars = (stream(n) for n in (7, 8, 9, 10))
        self._feed, others = stream(11), stream(12)
        known = {} if groups is None else groups.groups
        self._moves: MoveDrawer | None = None
        if groups is not None and moves(_MOVES_ONE_OF) == 0:
            self._moves = groups.moves = MoveDrawer(moves, known)
        self._monitors: MonitorDrawer | None = None
        if monitors(_MONITORS_ONE_OF) == 0 and not is_calm:
            self._monitors = MonitorDrawer(monitors, known, hedged=hedged)
        self.emulates = self._venue(_LOCAL_ONE_OF) == 0
        is_shut = bars(_BARS_ONE_OF) == 0 and not is_calm
        self._bars = BarDrawer(bars) if is_shut else None
        is_joined = others(_OTHERS_ONE_OF) == 0 and not is_calm
        self._others = OthersDrawer(others) if is_joined else None
        follows = self._moves is not None or self._monitors is not None or self.emulates
        self._goes_silent = follows and self._feed(_SILENT_ONE_OF) == 0 and not is_calm

    def less_able(self, config: ExchangeConfig) -> ExchangeConfig:
        """The venue, without triggers of its own where the engine watches them."""
        return without_triggers(config, self._venue) if self.emulates else config

    def steps(self, markets: Sequence[DrawnMarket], now_ns: int) -> list[Step]:
        """What comes next of these, if anything."""
        if self._moves is not None and self._moves.is_next():
            return self._moves.steps(markets)
        if self._monitors is not None and self._monitors.is_next():
            return self._monitors.steps(markets, now_ns)
        if self._bars is not None and self._bars.is_next():
            return self._bars.steps()
        if self._others is not None and self._others.is_next():
            return self._others.steps(markets)
        if self._goes_silent and self._feed(_SILENCE_ONE_OF) == 0:
            return [Silences(_SILENCES[self._feed(len(_SILENCES))])]
        return []
