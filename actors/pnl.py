"""P&L by position and in all, in one currency: a view over rates, never a sum of currencies."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from engine.pnl import EXACT
from engine.position_tables import Exposure
from engine.rates import Converter, UsedRate
from engine.values import ZERO, PositionSlot

from .portfolio import PositionView

__all__ = ["PnlLine", "PnlReport", "pnl_of"]


class PnlLine(msgspec.Struct, frozen=True, kw_only=True):
    """One slot. None: a rate or a mark is missing. ``net`` is P&L and funding, less fees."""

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    exposure: Exposure
    realized: Decimal | None
    unrealized: Decimal | None
    fees: Decimal | None
    funding: Decimal | None
    net: Decimal | None


class PnlReport(msgspec.Struct, frozen=True, kw_only=True):
    """All slots in ``currency``, and their sums.

    A sum is None where a part of it is not known; ``missing`` names what that takes, and nothing is
    ever counted as 0 for want of a rate. ``rates`` are those that were used, with their ages.
    """

    currency: str
    ts: int
    realized: Decimal | None
    unrealized: Decimal | None
    fees: Decimal | None
    funding: Decimal | None
    net: Decimal | None
    positions: tuple[PnlLine, ...]
    rates: tuple[UsedRate, ...]
    missing: tuple[str, ...]


def pnl_of(views: Sequence[PositionView], converter: Converter, ts: int) -> PnlReport:
    """Value every slot in the converter's currency."""
    unmarked: dict[str, None] = {}
    lines = tuple(_line(view, converter, unmarked) for view in views)
    parts = [
        _sum([getattr(line, name) for line in lines])
        for name in ("realized", "unrealized", "fees", "funding", "net")
    ]
    return PnlReport(
        currency=converter.currency,
        ts=ts,
        realized=parts[0],
        unrealized=parts[1],
        fees=parts[2],
        funding=parts[3],
        net=parts[4],
        positions=lines,
        rates=tuple(converter.used[name] for name in sorted(converter.used)),
        missing=(*converter.missing, *unmarked),
    )


def _line(view: PositionView, converter: Converter, unmarked: dict[str, None]) -> PnlLine:
    open_pnl: Decimal | None = ZERO
    if view.unrealized_pnl is not None:
        open_pnl = converter.total(((view.currency, view.unrealized_pnl),))
    elif view.qty:
        what = "mark" if view.mark_px is None else "entry price"
        unmarked[f"{what} of {view.venue}/{view.account}/{view.instrument}"] = None
        open_pnl = None
    realized = converter.total(((view.currency, view.realized_pnl),))
    fees, funding = converter.total(view.fees), converter.total(view.funding)
    paid = None if fees is None else fees.copy_negate()
    return PnlLine(
        venue=view.venue,
        account=view.account,
        instrument=view.instrument,
        slot=view.slot,
        exposure=view.exposure,
        realized=realized,
        unrealized=open_pnl,
        fees=fees,
        funding=funding,
        net=_sum([realized, open_pnl, paid, funding]),
    )


def _sum(parts: Sequence[Decimal | None]) -> Decimal | None:
    total = ZERO
    for part in parts:
        if part is None:
            return None
        total = EXACT.add(total, part)
    return total
