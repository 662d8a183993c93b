"""The price feed of a faulty venue: public data, which at times is not told.

While it is silent the market goes on; when it comes back, it tells how things stand.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.messages import PriceUpdate

from ..venues.paper import PaperVenue
from .faults_wire import Wire

__all__ = ["Feed"]


class Feed:
    """See the module's text. It has the time from ``wire``."""

    def __init__(self, inner: PaperVenue, wire: Wire) -> None:
        self._inner = inner
        self._wire = wire
        self._tells: dict[str, Callable[[PriceUpdate], object]] = {}
        self._silent_until_ns = 0

    def watch(self, instrument: str, tell: Callable[[PriceUpdate], object]) -> None:
        """Tell the prices of an instrument from now on, and how they stand."""
        self._tells[instrument] = tell

        def heard(update: PriceUpdate) -> None:
            is_heard = self._wire.now_ns() >= self._silent_until_ns
            if is_heard and self._tells.get(instrument) is tell:  # a dead engine hears nothing
                tell(update)

        self._inner.watch_prices(instrument, heard)

    def fall_silent(self, duration_ns: int) -> None:
        """Nothing is told for so long, and nothing says so."""
        self._silent_until_ns = self._wire.now_ns() + duration_ns
        self._wire.later(duration_ns, self._come_back)

    def heal(self) -> None:
        """The silence is over."""
        self._silent_until_ns = 0
        self._come_back()

    def forget(self) -> None:
        """Nobody listens any more."""
        self._tells.clear()
        self._inner.forget_feeds()

    def _come_back(self) -> None:
        if self._wire.now_ns() >= self._silent_until_ns:
            for instrument, tell in list(self._tells.items()):
                self.watch(instrument, tell)
