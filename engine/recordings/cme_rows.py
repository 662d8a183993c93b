"""Rows of CME market-by-order files, and what they say each order came to.

Two shapes, their columns in any order: one of whole numbers (:data:`HEADER`, and ``symbol`` where
there may be several instruments), and Databento's own CSV, whose times are nanoseconds or ISO, and
whose prices are units of 1e-9 or decimals.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple

from ..given import check_text_of
from ..values import OrderState, Side
from .base import Lines, columns, fail_row
from .tally import Expected, Tally
from .times import iso_to_ns

__all__ = ["HEADER", "UNDEFINED", "WANTS", "Row", "is_header", "read_rows", "tally"]

HEADER = "ts_event_ns,ts_recv_ns,sequence,action,side,order_id,price_e9,size,flags"
_SIDES: dict[str, Side | None] = {"B": Side.BUY, "A": Side.SELL, "N": None}
_ACTIONS = {"A": "A", "M": "M", "C": "C", "F": "F", "T": "T", "R": "R", "N": "N"}
#: The price of a row that has none.
UNDEFINED = str(2**63 - 1)
_TIMES_END = 2**63  # beyond it a time is undefined
WANTS = "a market-by-order row as the header says"
_OURS = ("ts_recv_ns", "action", "side", "order_id", "price_e9", "size", "flags")
_DATABENTO = ("ts_recv", "action", "side", "order_id", "price", "size", "flags")


class Row(NamedTuple):
    """One record; ``price`` is text in 1e-9 points, ``side`` None where the venue does not say."""

    line: int
    ts: int
    action: str
    side: Side | None
    order_id: str
    price: str
    size: int
    flags: int
    symbol: str  # "" where the file does not say: it is of one instrument


def is_header(line: str) -> bool:
    """Whether this line is the header of a market-by-order file."""
    cells = set(columns(line))
    return line == HEADER or cells.issuperset(_OURS) or cells.issuperset(_DATABENTO)


def read_rows(lines: Lines) -> Iterator[Row]:
    """The rows after the header.

    Raises:
        RecordingError: naming the line that is not such a row.
    """
    row = 1
    try:
        reader = csv.reader(lines, strict=True)
        header = next(reader, [])
        at = _columns(header)
        pick = itemgetter(*at[:7])
        symbols = {"": None}
        for row, cells in enumerate(reader, 2):
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} columns instead of {len(header)}")
            time, action, side, oid, price, size, flags = pick(cells)
            ts = int(time) if time.isdecimal() else iso_to_ns(time)
            if not oid:
                raise ValueError("an order id (0 where a row is of no order)")
            symbol = cells[at[7]] if at[7] >= 0 else ""
            if symbol not in symbols:
                check_text_of("symbol", symbol)
                symbols[symbol] = None
            if ts >= _TIMES_END:
                raise ValueError("a time of receipt, this one is undefined")
            yield Row(
                row, ts, _ACTIONS[action], _SIDES[side], oid,
                price if "." not in price and price else _e9(price), int(size), int(flags),
                symbol,
            )  # fmt: skip
    except (csv.Error, ValueError, KeyError) as error:
        fail_row(lines, row, error, WANTS)


def _columns(header: Sequence[str]) -> list[int]:
    """Where the needed columns are, and that of the instrument (-1: none)."""
    names = _OURS if "price_e9" in header else _DATABENTO
    instrument = next((name for name in ("symbol", "instrument_id") if name in header), "")
    return [header.index(name) for name in names] + [header.index(instrument) if instrument else -1]


def _e9(price: str) -> str:
    """A decimal price in units of 1e-9; an empty one is undefined."""
    if not price:
        return UNDEFINED
    whole, _, fraction = price.partition(".")
    if len(fraction) > 9:
        raise ValueError(f"a price has at most 9 decimals, was {price[:40]!a}")
    return whole + fraction.ljust(9, "0")


_OF_NO_ORDER = {"T": "aggressor's trade", "R": "clear", "N": "no action"}


class _Sum:
    """Fold of one order: filled before and since its last shown size, and how it ended."""

    __slots__ = ("born", "cost", "end", "fills", "qty", "recent", "side")

    def __init__(self, born: bool, side: Side | None) -> None:
        self.born, self.side = born, side
        self.fills = self.qty = self.cost = 0
        self.recent = False  # a fill since the last A or M: what follows belongs to it
        self.end: OrderState | None = None


def tally(lines: Lines) -> Tally:
    """Fold the rows with a dict: F..C = filled, C = cancelled, whatever sizes were shown."""
    orders: dict[str, _Sum] = {}
    skipped = {
        "aggressor's trade": 0, "fill of an order never shown, side not told": 0, "clear": 0,
        "no action": 0,
    }  # fmt: skip
    for row in read_rows(lines):
        action, order = row.action, orders.get(row.order_id)
        if action in _OF_NO_ORDER:
            skipped[_OF_NO_ORDER[action]] += 1
            continue
        if order is None:
            if action == "F" and row.side is None:
                skipped["fill of an order never shown, side not told"] += 1
                continue
            orders[row.order_id] = order = _Sum(action == "A" and not row.flags & 32, row.side)
        if action == "F":
            order.fills += 1
            order.qty += row.size
            order.cost += row.size * int(row.price)
            order.recent = True
        elif action == "C":
            order.end = OrderState.FILLED if order.recent else OrderState.CANCELLED
        else:
            order.recent = False
    return Tally(
        {
            oid: Expected(o.end, o.fills, Decimal(o.qty), Decimal(f"{o.cost}E-9"), o.born)
            for oid, o in orders.items()
        },
        tuple(item for item in skipped.items() if item[1]),
    )
