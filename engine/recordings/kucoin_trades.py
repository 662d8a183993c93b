"""Fill exports of the same bot: CSV, one execution a row.

Readable alone (each order is adopted by its first fill, its quantity unknown), or as a drop copy
beside the event log.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple

from ..given import check_text_of
from ..messages import Feeds, Filled
from ..values import CONTEXT, Instrument, InstrumentKind, Liquidity, Side
from .base import DecimalCache, Lines, Oracle, Step, Steps, columns, fail_row
from .kucoin_fees import Fee, fee_from_text, fee_of
from .tally import Expected, Tally, TallyOracle
from .times import ms_to_ns

__all__ = [
    "HEADER",
    "KucoinTradesRecording",
    "Trade",
    "fees_untold",
    "finest_step",
    "is_header",
    "read_export",
]

HEADER = (
    "exchange_trade_id,config_file_path,strategy,market,symbol,base_asset,quote_asset,timestamp,order_id,"
    "trade_type,order_type,price,amount,leverage,trade_fee,position,age"
)
_NEEDED = (
    "exchange_trade_id", "symbol", "base_asset", "quote_asset", "timestamp", "order_id",
    "trade_type", "order_type", "price", "amount", "trade_fee", "market",
)  # fmt: skip
_WANTS = "a row as the header says"
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


def is_header(line: str) -> bool:
    """Whether this line is the header of a fill export, of any version of the bot."""
    return line == HEADER or set(columns(line)).issuperset(_NEEDED)


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
    fee: Decimal | None  # None: not told, see kucoin_fees
    fee_currency: str
    maker: bool


def read_export(lines: Lines) -> Iterator[Trade]:
    """The rows of one export.

    Raises:
        RecordingError: on a row that cannot be read.
    """
    numbers = DecimalCache()
    fees: dict[str, Fee] = {}
    row = 1
    try:
        reader = csv.reader(lines, strict=True)
        header = next(reader, None)
        if header is None:
            return
        pick = itemgetter(*(header.index(name) for name in _NEEDED))
        for row, cells in enumerate(reader, 2):
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} columns instead of {len(header)}")
            trade_id, symbol, base, quote, ms, order_id, side, kind, price, amount, fee, market = (
                pick(cells)
            )
            if "perpetual" in market:
                raise ValueError("a fill of perpetual contracts; only spot pairs are read")
            for name in (symbol, base, quote, order_id):
                check_text_of("a name of this row", name, empty=False)
            qty, px = numbers[amount], numbers[price]
            if not trade_id or qty <= 0:
                raise ValueError("a trade needs an id and an amount above 0")
            told = fees.get(fee)
            if told is None:
                told = fees[fee] = fee_from_text(fee)
            yield Trade(
                row, trade_id, order_id, symbol, base, quote, ms_to_ns(ms), _SIDES[side], px,
                qty, *fee_of(told, base, quote, qty, px, numbers), kind == "LIMIT_MAKER",
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
            fill = Filled(
                trade.order_id, trade.ts, trade.trade_id, trade.qty, trade.price, trade.fee,
                trade.fee_currency, Liquidity.MAKER if trade.maker else None, None, None, None,
                False, Feeds.BOTH, trade.symbol, trade.side,
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
        seen: dict[tuple[str, str, Side], None] = {}
        untold = 0
        for trade in self._trades():
            key = (trade.trade_id, trade.symbol, trade.side)
            if key in seen:
                continue
            seen[key] = None
            untold += trade.fee is None
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
            },
            notes=fees_untold(untold),
        )


def fees_untold(count: int) -> tuple[str, ...]:
    """What the report says of fees that no row tells."""
    return (f"{count} fills pay a fee in a third token, whose amount is not told",) if count else ()


def finest_step(texts: Iterable[str]) -> Decimal:
    """The finest power of ten that divides all of these numbers (at most 1)."""
    exponent = 0
    for text in texts:
        mantissa, _, power = text.upper().partition("E")
        decimals = len(mantissa.partition(".")[2].rstrip("0"))
        exponent = min(exponent, int(power or 0) - decimals)
    return Decimal(f"1E{exponent}")
