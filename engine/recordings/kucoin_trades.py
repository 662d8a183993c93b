"""Fill exports of the same bot: CSV, one execution a row.

Readable alone (each order is adopted by its first fill, its quantity unknown), or as a drop copy
beside the event log.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from ..messages import Feeds, Filled
from ..values import CONTEXT, Instrument, InstrumentKind, Liquidity, Side
from .base import DecimalCache, Lines, Oracle, Step, Steps, excerpt, fail_row
from .tally import Expected, Tally, TallyOracle
from .times import MS

__all__ = ["KucoinTradesRecording", "Trade", "finest_step", "read_export"]

HEADER = (
    "exchange_trade_id,config_file_path,strategy,market,symbol,base_asset,quote_asset,timestamp,order_id,"
    "trade_type,order_type,price,amount,leverage,trade_fee,position,age"
)
_WANTS = "a row of 17 columns as the header says"
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_FEE_RATE = re.compile(r"'percent': '([0-9.E+-]+)', 'percent_token': None, 'flat_fees': \[\]")


class Trade(NamedTuple):
    """One exported execution."""

    row: int
    trade_id: str
    order_id: str
    symbol: str
    base: str
    quote: str
    ts: int
    side: Side
    price: Decimal
    qty: Decimal
    fee_rate: Decimal
    maker: bool


def read_export(lines: Lines) -> Iterator[Trade]:
    """The rows of one export.

    Raises:
        RecordingError: on a row that cannot be read.
    """
    numbers = DecimalCache()
    row = 1
    try:
        for row, cells in enumerate(csv.reader(lines, strict=True), 1):
            if row == 1:
                continue
            (
                trade_id,
                _,
                _,
                _,
                symbol,
                base,
                quote,
                ms,
                order_id,
                side,
                kind,
                price,
                qty,
                _,
                fee,
                _,
                _,
            ) = cells
            rate = _FEE_RATE.search(fee)
            if rate is None:
                raise ValueError(f"a fee this reader does not know: {excerpt(fee)}")
            if not trade_id or numbers[qty] <= 0:
                raise ValueError("a trade needs an id and an amount above 0")
            yield Trade(
                row, trade_id, order_id, symbol, base, quote, int(ms) * MS, _SIDES[side],
                numbers[price], numbers[qty], numbers[rate[1]], kind == "LIMIT_MAKER",
            )  # fmt: skip
    except (csv.Error, ValueError, KeyError) as error:
        fail_row(lines, row, error, _WANTS)


class KucoinTradesRecording:
    """Fill exports without their event log."""

    format = "kucoin-trades"
    venue = "KUCOIN"
    accounts = ("bot",)

    def __init__(self, exports: Sequence[Lines]) -> None:
        self._exports = tuple(exports)
        self.name = " + ".join(export.name for export in exports)
        self._instruments: tuple[Instrument, ...] | None = None

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The pairs of the exports; tick and lot are the finest steps that occur in them."""
        if self._instruments is None:
            seen: dict[tuple[str, str, str], tuple[dict[str, None], dict[str, None]]] = {}
            for trade in self._trades():
                prices, amounts = seen.setdefault((trade.symbol, trade.base, trade.quote), ({}, {}))
                prices[str(trade.price)] = None
                amounts[str(trade.qty)] = None
            self._instruments = tuple(
                Instrument(
                    symbol=symbol,
                    venue=self.venue,
                    kind=InstrumentKind.CASH,
                    base=base,
                    quote=quote,
                    tick_size=finest_step(prices),
                    lot_size=finest_step(amounts),
                )
                for (symbol, base, quote), (prices, amounts) in seen.items()
            )
        return self._instruments

    def steps(self) -> Steps:
        """See :meth:`engine.recordings.base.Recording.steps`."""
        for trade in self._trades():
            fee = CONTEXT.multiply(CONTEXT.multiply(trade.qty, trade.price), trade.fee_rate)
            fill = Filled(
                trade.order_id, trade.ts, trade.trade_id, trade.qty, trade.price, fee, trade.quote,
                Liquidity.MAKER if trade.maker else None, None, None, None, False, Feeds.BOTH,
                trade.symbol, trade.side,
            )  # fmt: skip
            yield "bot", Step(trade.row, fill)

    def _trades(self) -> Iterator[Trade]:
        for export in self._exports:
            yield from read_export(export)

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        return TallyOracle(self.tally)

    def tally(self) -> Tally:
        """Fold the rows with a dict; a trade id that occurs twice counts once."""
        orders: dict[str, tuple[int, Decimal, Decimal]] = {}
        seen: dict[tuple[str, Side], None] = {}
        for trade in self._trades():
            key = (trade.trade_id, trade.side)
            if key in seen:
                continue
            seen[key] = None
            fills, qty, cost = orders.get(trade.order_id, (0, Decimal(0), Decimal(0)))
            orders[trade.order_id] = (
                fills + 1,
                CONTEXT.add(qty, trade.qty),
                CONTEXT.add(cost, CONTEXT.multiply(trade.qty, trade.price)),
            )
        return Tally(
            {
                oid: Expected(None, fills, qty, cost, False)
                for oid, (fills, qty, cost) in orders.items()
            }
        )


def finest_step(texts: Iterable[str]) -> Decimal:
    """The finest power of ten that divides all of these numbers (at most 1)."""
    exponent = 0
    for text in texts:
        mantissa, _, power = text.upper().partition("E")
        decimals = len(mantissa.partition(".")[2].rstrip("0"))
        exponent = min(exponent, int(power or 0) - decimals)
    return Decimal(f"1E{exponent}")
