"""Signals of a drawn scenario: entries and exits of a strategy, repeated and against what is held.

A strategy that is drawn does what real ones do: it says the same twice, it says the contrary, it
scales out in parts, and it says something about what it does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from ..policies.risk import RiskLimits
from ..signals import Direction, EntrySignal, ExitSignal
from ..values import ONE, OrderType
from .drawing_venue import DrawnMarket
from .scenario import SignalsEntry, SignalsExit, Step

__all__ = ["SignalDrawer"]

_STEP_ONE_OF: Final = 8
_SECOND: Final = 1_000_000_000
#: What a trade may lose at its stop: some lots of each instrument of the desk, a few ticks away.
_AMOUNTS: Final = (Decimal("0.1"), Decimal("0.3"), ONE)
_SHARES: Final[tuple[tuple[str, ...], ...]] = ((), ("1",), ("0.5", "0.5"), ("0.5", "0.25"))
_HALF: Final = Decimal("0.5")


class SignalDrawer:
    """Draws the signals of one scenario, knowing which there were."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self.draw = draw
        self.sent: list[SignalsEntry | SignalsExit] = []

    def limits(self) -> RiskLimits:
        """What may be risked; at times reverses are allowed, or more on top of what is held."""
        draw = self.draw
        return RiskLimits(
            currency="USDT",
            risk_amount=_AMOUNTS[draw(len(_AMOUNTS))],
            max_open_positions=(None, 1)[draw(4) == 0],
            max_entries_per_minute=(None, 3)[draw(4) == 0],
            allow_scale_in=draw(3) == 0,
            allow_reverse=draw(2) == 0,
            reverse_within_ns=(60, 5)[draw(2)] * _SECOND,
        )

    def is_next(self) -> bool:
        """Whether the next step is a signal."""
        return self.draw(_STEP_ONE_OF) == 0

    def again(self) -> list[Step]:
        """After a restart: at times the strategy repeats its last signal."""
        if not self.sent or self.draw(2):
            return []
        return [self.sent[-1]]

    def steps(self, markets: Sequence[DrawnMarket], now_ns: int) -> list[Step]:
        """One signal: a new entry, an exit, or one that was there before."""
        draw = self.draw
        market = markets[draw(len(markets))]
        what = draw(8)
        if self.sent and what == 0:
            return [self.sent[draw(len(self.sent))]]
        name = f"s{len(self.sent) + 1}"
        step: SignalsEntry | SignalsExit
        if self.sent and what < 4:
            step = SignalsExit(self._exit(name, market, now_ns))
        else:
            step = SignalsEntry(self._entry(name, market, now_ns))
        self.sent.append(step)
        return [step]

    def _entry(self, name: str, market: DrawnMarket, now_ns: int) -> EntrySignal:
        draw = self.draw
        direction = (Direction.LONG, Direction.SHORT)[draw(2)]
        up = 1 if direction is Direction.LONG else -1
        at = market.mid + up * (draw(5) - 2)
        shares = _SHARES[draw(len(_SHARES))]
        first = 3 + draw(5)
        return EntrySignal(
            signal_id=name,
            instrument=market.instrument.symbol,
            direction=direction,
            entry_px=market.price(at),
            stop_px=market.price(at - up * (2 + draw(7))),
            targets=tuple(
                (market.price(at + up * (first + 3 * n)), Decimal(share))
                for n, share in enumerate(shares)
            ),
            order_type=(OrderType.LIMIT, OrderType.MARKET)[draw(2)],
            strength=(ONE, _HALF)[draw(3) == 0],
            ts=now_ns,
        )

    def _exit(self, name: str, market: DrawnMarket, now_ns: int) -> ExitSignal:
        draw = self.draw
        which = draw(4)
        return ExitSignal(
            signal_id=name,
            instrument=market.instrument.symbol,
            share=_HALF if which == 1 else None,
            qty=market.size(1 + draw(8)) if which == 2 else None,
            ts=now_ns - (draw(3) == 0) * 30 * _SECOND,  # at times it is old, and of others' trades
        )
