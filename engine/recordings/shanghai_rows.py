"""Rows of Shanghai recordings in both shapes, and what they say each order came to."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from decimal import Decimal
from heapq import merge
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from ..values import OrderState, Side
from .base import Lines, fail_row
from .tally import Expected, Tally
from .times import DAY_NS, SECOND

__all__ = ["COLUMNS", "Row", "RowReader", "csv_rows", "log_rows", "security_of", "tally"]

COLUMNS = (
    "biz_index", "transact_time", "event", "order_no_or_bid_no", "offer_no", "side", "price_x1000",
    "qty_x1000",
)  # fmt: skip


class Row(NamedTuple):
    """One event; ``order_id`` is a TRADE's bid order. Price and quantity are in 1/1000."""

    line: int
    biz_index: str
    ts: int
    event: str  # ADD, DELETE, TRADE
    order_id: str
    offer_id: str
    side: Side | None
    price: str
    qty: str


RowReader: TypeAlias = Callable[[Lines], Iterator[Row]]

_SIDES: dict[str, Side | None] = {"B": Side.BUY, "S": Side.SELL, "N": None}
_EVENTS = {"ADD": "ADD", "DELETE": "DELETE", "TRADE": "TRADE"}
_LOG_WANTS = "a message of the decoded SBE log"
_UTC_OFFSET = 8 * 3600 * SECOND


def _nanoseconds(text: str) -> int:
    """UTC ns on 1970-01-01 of a local HMMSScc."""
    number = int(text)
    hours, minutes, seconds, hundredths = (
        number // 1_000_000, number // 10_000 % 100, number // 100 % 100, number % 100,
    )  # fmt: skip
    ts = (
        (hours * 3600 + minutes * 60 + seconds) * SECOND
        + hundredths * (SECOND // 100)
        - _UTC_OFFSET
    )
    if not -_UTC_OFFSET <= ts < DAY_NS:
        raise ValueError(f"not a time HMMSScc: {text[:20]!r}")
    return ts


def csv_rows(lines: Lines) -> Iterator[Row]:
    """The rows of an ``.events.csv``.

    Raises:
        RecordingError: naming the line that is not such a row.
    """
    row = 1
    try:
        reader = csv.reader(lines, strict=True)
        header = next(reader, None)
        if header is None:
            return
        pick = itemgetter(*(header.index(name) for name in COLUMNS))
        for row, cells in enumerate(reader, 2):
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} columns instead of {len(header)}")
            index, time, event, oid, offer, side, price, qty = pick(cells)
            if int(qty) <= 0 or not oid or (event == "TRADE" and not offer):
                raise ValueError("order ids, and a quantity above 0")
            yield Row(
                row, index, _nanoseconds(time), _EVENTS[event], oid, offer, _SIDES[side], price, qty
            )
    except (csv.Error, ValueError, KeyError) as error:
        fail_row(lines, row, error, "a row as the header says")


_ORDER_EVENTS = {"65": "ADD", "68": "DELETE"}
_STATUS = "83"  # the OrdType of a message about the trading phase
_CODES: dict[str, Side | None] = {"66": Side.BUY, "83": Side.SELL, "78": None}
_KINDS = ("MsgType=111", "MsgType=191", "MsgType=192")  # snapshot, trade, order


def log_rows(lines: Lines) -> Iterator[Row]:
    """The order and trade messages of the decoded SBE log, in the exchange's order (BizIndex).

    In the log an auction's trades stand before the orders they came from, but each kind is in
    order; so two walks over the lines are merged, and nothing is held.

    Raises:
        RecordingError: naming the line that is not such a row.
    """
    yield from merge(_log_trades(lines), _log_orders(lines), key=_index)


def _index(row: Row) -> int:
    return int(row.biz_index)


def _log_orders(lines: Lines) -> Iterator[Row]:
    row, security = 0, ""
    try:
        for row, line in enumerate(lines, 1):
            security = _same_security(line, security)
            if " MsgType=192 " in line:
                cells = _cells(line)
                if cells["OrdType"] == _STATUS:
                    continue
                yield Row(
                    row, cells["BizIndex"], _nanoseconds(cells["TransactTime"]),
                    _ORDER_EVENTS[cells["OrdType"]], cells["OrderNo"], "", _CODES[cells["Side"]],
                    cells["Price"], _quantity(cells["OrderQty"]),
                )  # fmt: skip
            elif not any(kind in line for kind in _KINDS):
                raise ValueError("no MsgType that is known")
    except (ValueError, KeyError) as error:
        fail_row(lines, row, error, _LOG_WANTS)


def _log_trades(lines: Lines) -> Iterator[Row]:
    row, security = 0, ""
    try:
        for row, line in enumerate(lines, 1):
            security = _same_security(line, security)
            if " MsgType=191 " in line:
                cells = _cells(line)
                yield Row(
                    row, cells["BizIndex"], _nanoseconds(cells["TransactTime"]), "TRADE",
                    cells["BidApplSeqNum"], cells["OfferApplSeqNum"], _CODES[cells["ExecType"]],
                    cells["LastPx"], _quantity(cells["LastQty"]),
                )  # fmt: skip
    except (ValueError, KeyError) as error:
        fail_row(lines, row, error, _LOG_WANTS)


def security_of(line: str) -> str:
    """The security a line of the log is about, "" where it does not say."""
    _, _, rest = line.partition(" SecurityID=")
    return rest[:20].partition(" ")[0]


def _same_security(line: str, before: str) -> str:
    """The line's security, which is that of the lines before."""
    found = security_of(line)
    if not line.startswith("//SecurityIDSource=101 "):
        raise ValueError("SecurityIDSource 101, which is Shanghai; others are not read")
    if before and found != before:
        raise ValueError(
            f"security {found[:20]!a} in a log of {before[:20]!a}; replay the lines of each alone"
        )
    return found


def _cells(line: str) -> dict[str, str]:
    return dict(cell.split("=", 1) for cell in line.split() if "=" in cell)


def _quantity(text: str) -> str:
    if int(text) <= 0:
        raise ValueError(f"a quantity must be above 0, was {int(text)}")
    return text


def tally(lines: Lines, rows: RowReader) -> Tally:
    """Fold the rows with a dict: one list of sums per order, see :func:`_expected`."""
    orders: dict[str, list[int]] = {}
    for row in rows(lines):
        if row.event == "TRADE":
            qty = int(row.qty)
            for oid in (row.order_id, row.offer_id):
                order = orders.setdefault(oid, [0] * 7)
                order[2] += qty
                order[3] += qty if order[0] else 0
                order[4] += 1
                order[5] += qty * int(row.price)
        else:
            order = orders.setdefault(row.order_id, [0] * 7)
            if row.event == "ADD":
                order[0], order[1] = (2 if order[4] else 1), int(row.qty)
            else:
                order[6] = 1
    return Tally({oid: _expected(order) for oid, order in orders.items()}, _snapshots(lines))


def _snapshots(lines: Lines) -> tuple[tuple[str, int], ...]:
    counts = {"ten-level snapshot": 0, "trading phase": 0}
    for line in lines:
        if " MsgType=111 " in line:
            counts["ten-level snapshot"] += 1
        elif f" OrdType={_STATUS} " in line:
            counts["trading phase"] += 1
    return tuple(item for item in counts.items() if item[1])


def _expected(order: list[int]) -> Expected:
    added, shown, filled, since, fills, cost, deleted = order
    end: OrderState | None = None
    if deleted:
        end = OrderState.CANCELLED
    elif added and since >= shown:
        end = OrderState.FILLED
    return Expected(end, fills, Decimal(f"{filled}E-3"), Decimal(f"{cost}E-6"), bool(added))
