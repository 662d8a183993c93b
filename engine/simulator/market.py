"""A generated market: a seeded random walk of a small book with trades and, now and then, a gap.

All arithmetic is on integers (ticks and lots) and turned into Decimals at the end, so the same seed
gives the same market everywhere. It is scenery for demos and tests, not a model of any real market.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, Protocol

import msgspec

from ..errors import InvalidValue
from ..values import CONTEXT, Instrument, Side
from .exchange import Exchange

__all__ = ["Draw", "IntegerDraw", "MarketPath", "MarketStep", "apply_step"]

_MASK: Final = (1 << 64) - 1


class Draw(Protocol):
    """The one thing asked of a source of randomness; ``random.Random`` has it."""

    def randrange(self, start: int, stop: int, /) -> int:
        """An integer in ``[start, stop)``."""
        ...


class IntegerDraw:
    """SplitMix64: a tiny seeded generator in integer arithmetic, for callers that bring none."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def randrange(self, start: int, stop: int, /) -> int:
        """An integer in ``[start, stop)``; the slight modulo bias does not matter for scenery."""
        if stop <= start:
            raise InvalidValue(f"an empty range was given: [{start}, {stop})")
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return start + (mixed ^ (mixed >> 31)) % (stop - start)


class MarketStep(msgspec.Struct, frozen=True, gc=False):
    """One instant: first the trade (if any), then the book it left, best first."""

    symbol: str
    ts: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    trade_px: Decimal | None = None
    trade_qty: Decimal | None = None
    aggressor: Side | None = None


class MarketPath:
    """Endless steps for one instrument.

    ``start_px`` is rounded down to a tick. ``lots_max`` bounds the size of a level; ``gap_every``
    is the mean number of steps between gaps of up to ``gap_ticks`` (0: never).
    """

    __slots__ = ("_draw", "_gap_every", "_gap_ticks", "_instrument", "_levels", "_lots_max", "_mid")

    def __init__(
        self,
        instrument: Instrument,
        draw: Draw,
        start_px: Decimal,
        *,
        levels: int = 5,
        lots_max: int = 50,
        gap_every: int = 200,
        gap_ticks: int = 40,
    ) -> None:
        ticks = int(CONTEXT.divide_int(start_px, instrument.tick_size))
        if ticks <= levels + gap_ticks or levels < 1 or lots_max < 1:
            raise InvalidValue(
                f"start_px must lie well above {levels + gap_ticks} ticks, was {start_px}"
                f" ({ticks} ticks); levels and lots_max must be >= 1, were {levels}, {lots_max}"
            )
        self._instrument = instrument
        self._draw = draw
        self._levels = levels
        self._lots_max = lots_max
        self._gap_every = gap_every
        self._gap_ticks = gap_ticks
        self._mid = ticks

    def steps(self, start_ns: int, step_ns: int) -> Iterator[MarketStep]:
        """Steps at ``start_ns``, ``start_ns + step_ns`` and so on; endless."""
        now_ns = start_ns
        while True:
            yield self._step(now_ns)
            now_ns += step_ns

    def _step(self, now_ns: int) -> MarketStep:
        draw = self._draw
        move = draw.randrange(-2, 3)
        if self._gap_every and draw.randrange(0, self._gap_every) == 0:
            move = draw.randrange(-self._gap_ticks, self._gap_ticks + 1)
        floor = self._levels + self._gap_ticks + 1
        self._mid = max(floor, self._mid + move)
        half = draw.randrange(1, 3)
        best_bid, best_ask = self._mid - half, self._mid + half
        trade_px = trade_qty = aggressor = None
        if draw.randrange(0, 3):
            aggressor = Side.BUY if draw.randrange(0, 2) else Side.SELL
            trade_px = self._price(best_ask if aggressor is Side.BUY else best_bid)
            trade_qty = self._size()
        bids = tuple((self._price(best_bid - n), self._size()) for n in range(self._levels))
        asks = tuple((self._price(best_ask + n), self._size()) for n in range(self._levels))
        return MarketStep(
            self._instrument.symbol, now_ns, bids, asks, trade_px, trade_qty, aggressor
        )

    def _price(self, ticks: int) -> Decimal:
        return CONTEXT.multiply(Decimal(ticks), self._instrument.tick_size)

    def _size(self) -> Decimal:
        lots = self._draw.randrange(1, self._lots_max + 1)
        return CONTEXT.multiply(Decimal(lots), self._instrument.lot_size)


def apply_step(exchange: Exchange, step: MarketStep) -> None:
    """Show one step to an exchange: the trade, then the book."""
    if step.trade_px is not None and step.trade_qty is not None:
        exchange.on_trade(step.symbol, step.trade_px, step.trade_qty, step.aggressor, step.ts)
    exchange.set_book(step.symbol, step.bids, step.asks, step.ts)
