"""Rows of CME market-by-order files, and what they say each order came to."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from ..values import OrderState, Side
from .base import Lines, fail_row
from .tally import Expected, Tally

__all__ = ["HEADER", "Row", "read_rows", "tally"]

HEADER = "ts_event_ns,ts_recv_ns,sequence,action,side,order_id,price_e9,size,flags"
_SIDES: dict[str, Side | None] = {"B": Side.BUY, "A": Side.SELL, "N": None}
_ACTIONS = {"A": "A", "M": "M", "C": "C", "F": "F", "T": "T", "R": "R"}


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


def read_rows(lines: Lines) -> Iterator[Row]:
    """The rows after the header.

    Raises:
        RecordingError: naming the line that is not such a row.
    """
    row = 1
    try:
        reader = csv.reader(lines, strict=True)
        next(reader, None)
        for row, (_, ts, _, action, side, oid, price, size, flags) in enumerate(reader, 2):
            yield Row(
                row, int(ts), _ACTIONS[action], _SIDES[side], oid, price, int(size), int(flags)
            )
    except (csv.Error, ValueError, KeyError) as error:
        fail_row(lines, row, error, HEADER)


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
    skipped = {"aggressor's trade": 0, "fill of an order never shown, side not told": 0, "clear": 0}
    for row in read_rows(lines):
        action, order = row.action, orders.get(row.order_id)
        if action in {"T", "R"}:
            skipped["clear" if action == "R" else "aggressor's trade"] += 1
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
