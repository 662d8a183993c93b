"""Hyperliquid account fills: spot and perpetuals, with fee, prior position, realised P&L.

One row is one execution; orders are adopted by their first fill. What an account held before its
first row of a coin is a baseline; where rows are missing (see :mod:`.hyperliquid_rows`) the venue's
next Start Position is booked as a correction at a price nobody told, so that P&L is not invented.
The row's number serves as execution id.
"""

from __future__ import annotations

from decimal import Decimal

from ..errors import RecordingError
from ..messages import CorrectPosition, Feeds, Filled, SetBaseline
from ..values import (
    CONTEXT,
    ZERO,
    CorrectionKind,
    Instrument,
    InstrumentKind,
    Liquidity,
    PositionSlot,
)
from .base import Lines, Oracle, Step, Steps, excerpt
from .hyperliquid_oracle import HyperliquidOracle
from .hyperliquid_rows import Continuity, Row, is_spot, read_rows
from .kucoin_trades import finest_step
from .tally import Expected, Tally

__all__ = ["HyperliquidRecording"]

_QUOTE = "USDC"


class HyperliquidRecording:
    """The fills of one or more accounts."""

    format = "hyperliquid-fills"
    venue = "HYPERLIQUID"

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.name = lines.name
        self._scanned: tuple[tuple[str, ...], tuple[Instrument, ...]] | None = None

    @property
    def accounts(self) -> tuple[str, ...]:
        """The wallets in the file, in file order."""
        return self._scan()[0]

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The coins in the file; tick and lot are the finest steps that occur."""
        return self._scan()[1]

    def _scan(self) -> tuple[tuple[str, ...], tuple[Instrument, ...]]:
        if self._scanned is None:
            accounts: dict[str, None] = {}
            coins: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
            for row in read_rows(self._lines):
                accounts[row.account] = None
                prices, sizes = coins.setdefault(row.coin, ({}, {}))
                prices[str(row.px)] = None
                sizes[str(row.size)] = None
            found = tuple(
                _instrument(coin, finest_step(prices), finest_step(sizes))
                for coin, (prices, sizes) in coins.items()
            )
            self._scanned = tuple(accounts), found
        return self._scanned

    def steps(self) -> Steps:
        """See :meth:`engine.recordings.base.Recording.steps`."""
        continuity = Continuity()
        currencies = {known.symbol: known.base for known in self.instruments}
        net, venue = PositionSlot.NET, self.venue
        owners: dict[str, tuple[str, str]] = {}
        for row in read_rows(self._lines):
            owner = row.account, row.coin
            if owners.setdefault(row.order_id, owner) != owner:
                raise RecordingError(
                    f"{self.name}, line {row.line}: order {row.order_id} is one of"
                    f" {excerpt(owners[row.order_id])} too; is a row repeated in another account?"
                )
            gap = continuity.next(row)
            if gap.first:
                held = SetBaseline(venue, row.account, row.coin, net, row.start, None, row.ts)
                yield row.account, Step(row.line, held)
            elif gap.missing:
                yield row.account, Step(row.line, _correction(venue, row, gap.missing))
            fill = Filled(
                row.order_id, row.ts, f"H{row.line}", row.size, row.px, row.fee,
                currencies[row.coin] if row.fee_in_coin else _QUOTE,
                Liquidity.TAKER if row.taker else Liquidity.MAKER, row.order_id, None, None, False,
                Feeds.BOTH, row.coin, row.side,
            )  # fmt: skip
            yield row.account, Step(row.line, fill)

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        return HyperliquidOracle(self._lines, self.tally)

    def tally(self) -> Tally:
        """Fold the rows with a dict."""
        orders: dict[str, tuple[int, Decimal, Decimal]] = {}
        count = 0
        for row in read_rows(self._lines):
            count += 1
            fills, qty, cost = orders.get(row.order_id, (0, ZERO, ZERO))
            spent = CONTEXT.multiply(row.size, row.px)
            orders[row.order_id] = (fills + 1, CONTEXT.add(qty, row.size), CONTEXT.add(cost, spent))
        repeated = max(0, sum(1 for _ in self._lines) - 1 - count)
        return Tally(
            {
                oid: Expected(None, fills, qty, cost, False)
                for oid, (fills, qty, cost) in orders.items()
            },
            notes=(f"{repeated} rows stand on two pages, read once",) if repeated else (),
        )


def _correction(venue: str, row: Row, missing: Decimal) -> CorrectPosition:
    statement = f"line {row.line} starts at {row.start}: fills between two pages are missing"
    return CorrectPosition(
        venue, row.account, row.coin, PositionSlot.NET, CorrectionKind.OPERATOR, row.ts, missing,
        statement=statement,
    )  # fmt: skip


def _instrument(coin: str, tick: Decimal, lot: Decimal) -> Instrument:
    """A spot pair holds its token; a perpetual is linear, one coin, settled in USDC."""
    spot = is_spot(coin)
    return Instrument(
        symbol=coin,
        venue="HYPERLIQUID",
        kind=InstrumentKind.CASH if spot else InstrumentKind.LINEAR,
        base=coin.partition("/")[0] if spot else "",
        quote=_QUOTE,
        settle="" if spot else _QUOTE,
        tick_size=tick,
        lot_size=lot,
    )
