"""Rows of BitMEX executions, in the columns of the venue's trade history or of an extract of it.

A contract's size stands in ``configured_multiplier_raw`` (smallest units of the settlement currency
per contract and price unit; negative for inverse contracts, a number of dollars), or follows from
``execCost``: the one size, a power of ten, that explains what every execution cost.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from ..given import check_text_of
from ..values import CONTEXT, ONE, ZERO, Instrument, InstrumentKind
from .base import DecimalCache, Lines, excerpt, fail_row
from .kucoin_trades import finest_step

__all__ = ["FUNDING", "SETTLEMENT", "WANTS", "Row", "Sizing", "read_rows", "unit_of"]

WANTS = "a BitMEX execution as the header says"
FUNDING, SETTLEMENT = "Funding", "Settlement"
_KINDS = frozenset({"", "Trade", FUNDING, SETTLEMENT})
_NEEDED = ("execID", "orderID", "symbol", "side", "lastPx", "lastQty", "cumQty")
_TIMES = ("event_time", "transactTime", "timestamp")
_OPTIONAL = (
    "execType", "execComm", "settlCurrency", "execCost", "configured_multiplier_raw",
    "configured_tick_size",
)  # fmt: skip
#: Settlement currency as the rows write it -> its name and its smallest unit, which costs are in.
_UNITS = {
    "": ("XBT", Decimal("1E-8")),
    "XBt": ("XBT", Decimal("1E-8")),
    "XBT": ("XBT", Decimal("1E-8")),
    "USDt": ("USDT", Decimal("1E-6")),
    "USDT": ("USDT", Decimal("1E-6")),
}
_INVERSE_RAW = Decimal(100_000_000)  # an inverse contract is one dollar, paid in satoshi
_COST_MIN = 1_000  # smaller costs say little: they are rounded to whole units
_NEAR = Decimal("0.01")  # the venue may show a price a tick off the one it charged


class Row(NamedTuple):
    """One row; texts as they stand, "" where there is no such column."""

    line: int
    time: str = ""
    exec_id: str = ""
    order_id: str = ""
    symbol: str = ""
    side: str = ""
    px: str = ""
    qty: str = ""
    cum: str = ""
    kind: str = ""
    commission: str = ""
    settle: str = ""
    cost: str = ""
    multiplier: str = ""
    tick: str = ""


def read_rows(lines: Lines) -> Iterator[Row]:
    """The rows after the header, whose columns may stand in any order.

    Raises:
        RecordingError: naming the line that is not such a row, or is one of an order's life and not
            of its executions.
    """
    line = 1
    try:
        reader = csv.reader(lines, strict=True)
        header = next(reader, [])
        if not header:
            return
        time = next((name for name in _TIMES if name in header), _TIMES[0])
        at = [header.index(name) for name in (time, *_NEEDED)]
        at += [header.index(name) if name in header else len(header) for name in _OPTIONAL]
        for line, cells in enumerate(reader, 2):
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} columns instead of {len(header)}")
            cells.append("")
            row = Row(line, *[cells[i] for i in at])
            check_text_of("symbol", row.symbol, empty=False)
            if row.kind not in _KINDS:
                raise ValueError(
                    f"execType {excerpt(row.kind)}; only Trade, Funding and Settlement are read:"
                    " take /execution/tradeHistory, or keep these rows"
                )
            if "_" in row.symbol:
                raise ValueError("a spot pair, whose unit no row tells; keep the contracts' rows")
            yield row
    except (csv.Error, ValueError) as error:
        fail_row(lines, line, error, WANTS)


def unit_of(settle: str) -> tuple[str, Decimal]:
    """Name and smallest unit of a settlement currency.

    Raises:
        ValueError: a currency whose smallest unit is not known.
    """
    if settle not in _UNITS:
        raise ValueError(f"settled in {excerpt(settle)}, whose smallest unit is not known here")
    return _UNITS[settle]


class Sizing:
    """What the rows of one symbol tell of its contract."""

    def __init__(self, first: Row) -> None:
        self._first = first
        self._prices: dict[str, None] = {}
        self._numbers = DecimalCache()
        self._power: Decimal | None = None  # what a linear contract costs, after the first cost
        self._linear = self._inverse = True  # whether all costs so far fit such a contract

    def add(self, row: Row) -> None:
        """Take in one row; numbers that are none are named when the row is read."""
        if row.kind == FUNDING:
            return
        try:
            px, qty = self._numbers[row.px], self._numbers[row.qty]
            cost = self._numbers[row.cost] if row.cost and row.kind != SETTLEMENT else ZERO
        except ValueError:
            return
        self._prices[row.px] = None
        if cost.copy_abs() < _COST_MIN or qty <= 0 or px <= 0:
            return
        each = CONTEXT.divide(cost.copy_abs(), qty)
        linear = CONTEXT.divide(each, px)
        if self._power is None:
            power = CONTEXT.multiply(linear, Decimal("1.5")).adjusted()
            self._power = ONE.scaleb(power, CONTEXT)
        self._linear = self._linear and _near(linear, self._power)
        self._inverse = self._inverse and _near(CONTEXT.multiply(each, px), _INVERSE_RAW)

    def instrument(self) -> Instrument:
        """The contract.

        Raises:
            ValueError: its size cannot be told; names symbol and remedy.
        """
        first = self._first
        currency, smallest = unit_of(first.settle)
        raw = self._numbers[first.multiplier] if first.multiplier else self._raw()
        size = ONE if raw is None else CONTEXT.multiply(raw, smallest)
        inverse = size < ZERO
        finest = finest_step(self._prices)
        return Instrument(
            symbol=first.symbol,
            venue="BITMEX",
            kind=InstrumentKind.INVERSE if inverse else InstrumentKind.LINEAR,
            base="",
            quote="USD" if raw is None or inverse else currency,
            settle="" if raw is None else currency,
            tick_size=min(self._numbers[first.tick], finest) if first.tick else finest,
            lot_size=ONE,
            multiplier=abs(size),
        )

    def _raw(self) -> Decimal | None:
        """The size that explains all costs, in smallest units; None where no row has a cost."""
        if self._power is None:
            return None
        if self._linear == self._inverse:
            raise ValueError(
                f"how {excerpt(self._first.symbol)} is sized does not follow from its execCost;"
                " add a column configured_multiplier_raw with the instrument's multiplier"
            )
        return self._power if self._linear else -_INVERSE_RAW


def _near(value: Decimal, wanted: Decimal) -> bool:
    return abs(CONTEXT.subtract(value, wanted)) <= CONTEXT.multiply(wanted, _NEAR)
