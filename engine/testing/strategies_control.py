"""Hypothesis strategies for signals, monitors, kill switches and modes, and for a venue that shuts
us out or goes silent.

Import them from :mod:`engine.testing.strategies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from hypothesis import strategies as st

from ..messages import SetMonitor, TradingMode
from ..signals import Direction, EntrySignal, ExitSignal
from ..values import CONTEXT, ONE, Instrument, OrderType, TriggerSource
from .scenario import Bars, Flattens, Monitors, SetsMode, SignalsEntry, SignalsExit, Silences
from .strategies_orders import middle

__all__ = ["bars", "monitors", "signals", "silences", "switches"]

_HALF: Final = Decimal("0.5")
_SHARES: Final[tuple[tuple[Decimal, ...], ...]] = ((), (ONE,), (_HALF, _HALF))
_DEADLINES_NS: Final = (30_000_000_000, 2_000_000_000)
_SECOND: Final = 1_000_000_000
_HOLDS_NS: Final = (2 * _SECOND, 200_000_000, 60 * _SECOND)
_AMOUNTS: Final = tuple(Decimal(it) for it in ("0.1", "0.01", "0.5", "2"))
#: How long a price feed tells nothing: less and more than a price stays fresh.
_SILENCES_NS: Final = (7 * _SECOND, 300_000_000, 90 * _SECOND)


@st.composite
def signals(
    draw: st.DrawFn,
    signal_id: str,
    instrument: Instrument,
    mid: Decimal | None = None,
    *,
    now_ns: int,
) -> SignalsEntry | SignalsExit:
    """An entry near ``mid`` with a stop and targets, or an exit of all, of a half, or of a few
    lots; made of the market at ``now_ns``.
    """
    at = middle(instrument) if mid is None else mid
    if draw(st.integers(0, 2)) == 2:
        which = draw(st.integers(0, 2))
        return SignalsExit(
            ExitSignal(
                signal_id=signal_id,
                instrument=instrument.symbol,
                share=_HALF if which == 1 else None,
                qty=draw(st.integers(1, 9)) * instrument.lot_size if which > 1 else None,
                ts=now_ns,
            )
        )
    direction = draw(st.sampled_from(Direction))
    up = 1 if direction is Direction.LONG else -1
    first = draw(st.integers(1, 6))
    shares = draw(st.sampled_from(_SHARES))
    return SignalsEntry(
        EntrySignal(
            signal_id=signal_id,
            instrument=instrument.symbol,
            direction=direction,
            entry_px=at,
            stop_px=_away(instrument, at, -up * draw(st.integers(1, 8))),
            targets=tuple(
                (_away(instrument, at, up * (first + 2 * n)), share)
                for n, share in enumerate(shares)
            ),
            order_type=draw(st.sampled_from((OrderType.LIMIT, OrderType.MARKET))),
            ts=now_ns,
        )
    )


def switches(symbols: Sequence[str]) -> st.SearchStrategy[Flattens | SetsMode]:
    """A kill switch or a trading mode, of one of ``symbols`` ("": of everything)."""
    of = st.sampled_from(list(symbols))
    shares = st.sampled_from((ONE, Decimal("0.4")))
    modes = st.sampled_from((TradingMode.REDUCE_ONLY, TradingMode.NONE))
    pulled = st.builds(Flattens, of, st.sampled_from(_DEADLINES_NS), shares)
    return pulled | st.builds(SetsMode, modes, of)


@st.composite
def monitors(
    draw: st.DrawFn,
    monitor_id: str,
    instrument: Instrument,
    group_ids: Sequence[str] = (),
    *,
    now_ns: int,
) -> Monitors:
    """A rule about what is held of an instrument, of all that settles in its currency, or by one of
    ``group_ids``: a target, a stop, or a part given back of what was won, a time held, or a time.
    """
    of = draw(st.sampled_from(("instrument", "currency", *(("group",) if group_ids else ()))))
    rule = draw(st.integers(0, 4))
    amount = draw(st.sampled_from(_AMOUNTS))
    return Monitors(
        SetMonitor(
            monitor_id, "", "", 0,
            instrument=instrument.symbol if of == "instrument" else "",
            group_id=draw(st.sampled_from(list(group_ids))) if of == "group" else "",
            currency=instrument.settle_currency if of == "currency" else "",
            take_profit=amount if rule == 0 else None,
            stop_loss=amount if rule in (0, 1) else None,
            give_back=amount if rule == 2 else None,
            hold_ns=draw(st.sampled_from(_HOLDS_NS)) if rule == 3 else None,
            close_times=(now_ns + draw(st.integers(1, 60)) * _SECOND,) if rule == 4 else (),
            price_source=draw(st.sampled_from(TriggerSource)),
            max_age_ns=draw(st.sampled_from((60 * _SECOND, _SECOND))),
            every=draw(st.booleans()),
        )
    )  # fmt: skip


def bars() -> st.SearchStrategy[Bars]:
    """The venue shuts us out, until somebody has mended it or for some seconds."""
    return st.builds(Bars, st.none() | st.integers(1, 30).map(lambda s: s * _SECOND))


def silences() -> st.SearchStrategy[Silences]:
    """The price feed tells nothing for a while."""
    return st.builds(Silences, st.sampled_from(_SILENCES_NS))


def _away(instrument: Instrument, px: Decimal, ticks: int) -> Decimal:
    return CONTEXT.add(px, CONTEXT.multiply(Decimal(ticks), instrument.tick_size))
