"""Bitstamp order events in both recorded shapes, and what they say each order came to."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import msgspec

from ..values import OrderState, Side
from .base import Lines, fail_row
from .tally import Expected, Tally
from .times import MS, ms_to_ns

__all__ = ["COLUMNS", "Row", "RowReader", "csv_rows", "log_rows", "tally"]


class Row(NamedTuple):
    """One event of one order; ``left`` is the remaining volume in satoshi (BTC x 1e8) after it."""

    line: int
    order_id: str
    ms: int  # local receive time
    exchange_ms: int  # what the venue wrote into the event; a deletion carries the creation's
    price: str
    left: int
    action: str  # created, changed, deleted
    side: Side


RowReader: TypeAlias = Callable[[Lines], Iterator[Row]]

COLUMNS = (
    "id", "timestamp", "exchange.timestamp", "price", "volume", "action", "direction",
)  # fmt: skip
_SCIENTIFIC = re.compile(r"\d(\.\d{1,16})?[eE]-\d{1,2}")
_ACTIONS = {"created": "created", "changed": "changed", "deleted": "deleted"}
_SIDES = {"bid": Side.BUY, "ask": Side.SELL}
_ORDER_TYPES = {0: Side.BUY, 1: Side.SELL}
_NOT_AN_ORDER = {"trade": "public trade", "order_book": "book snapshot"}


def csv_rows(lines: Lines) -> Iterator[Row]:
    """The rows of ``orders.csv``.

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
            oid, ms, exchange_ms, price, left, action, side = pick(cells)
            volume = int(left)
            if volume < 0 or not oid:
                raise ValueError(f"an order id and a volume of 0 or more, was {volume}")
            yield Row(
                row, oid, ms_to_ns(ms) // MS, _sensible(int(exchange_ms)), _plain(price), volume,
                _ACTIONS[action], _SIDES[side],
            )  # fmt: skip
    except (csv.Error, ValueError, KeyError) as error:
        fail_row(lines, row, error, ",".join(COLUMNS))


def _sensible(ms: int) -> int:
    if not 0 <= ms < 10**13:
        raise ValueError(f"not a time in Unix milliseconds: {ms}")
    return ms


def _plain(number: str) -> str:
    """A number of plain digits, as prices are compared and counted by their text."""
    if len(number) > 40 or not number.replace(".", "", 1).isdecimal():
        raise ValueError(f"not a number of plain digits, finite and not negative: {number[:40]!a}")
    return number


def _text(raw: msgspec.Raw) -> str:
    """A number that the venue writes as text or, in later years, as a number."""
    text = bytes(raw).decode().strip('"')
    if _SCIENTIFIC.fullmatch(text):
        text = format(Decimal(text), "f")  # a number below 0.0001 is written like 5e-05
    return _plain(text)


class _Event(msgspec.Struct, frozen=True):
    price: msgspec.Raw
    amount: msgspec.Raw
    datetime: str
    id: int
    order_type: int


def log_rows(lines: Lines) -> Iterator[Row]:
    """The order events of the raw log; public trades, book snapshots and what the connection says
    of itself are passed over.

    Raises:
        RecordingError: naming the line that is not such a row.
    """
    decode = msgspec.json.Decoder(_Event).decode
    row = 0
    try:
        for row, line in enumerate(lines, 1):
            ms, kind, body = line.split(" ", 2)
            if kind in _NOT_AN_ORDER or _is_of_the_connection(kind):
                continue
            if not kind.startswith("order_"):
                raise ValueError(f"unknown event {kind!r}")
            event = decode(body)
            yield Row(
                row, str(event.id), ms_to_ns(ms) // MS, _sensible(int(event.datetime) * 1000),
                _text(event.price), _satoshi(_text(event.amount)),
                _ACTIONS[kind[6:]], _ORDER_TYPES[event.order_type],
            )  # fmt: skip
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        fail_row(lines, row, error, "milliseconds, event and JSON")


def _is_of_the_connection(kind: str) -> bool:
    return "connection" in kind or "subscription" in kind or kind.startswith("bts:")


def _satoshi(amount: str) -> int:
    whole, _, fraction = amount.partition(".")
    if len(fraction) > 8:
        raise ValueError(f"an amount with at most 8 decimals, was {amount!r}")
    return int(whole + fraction.ljust(8, "0"))


def skipped(lines: Lines) -> tuple[tuple[str, int], ...]:
    """How many rows of the raw log belong to no order, by kind; nothing in the CSV."""
    counts: dict[str, int] = {}
    for line in lines:
        word = line[14 : line.find(" ", 14)]
        kind = _NOT_AN_ORDER.get(word)
        if kind is None and line[13:14] == " " and _is_of_the_connection(word):
            kind = "of the connection"
        if kind:
            counts[kind] = counts.get(kind, 0) + 1
    return tuple(sorted(counts.items()))


def tally(lines: Lines, rows: RowReader) -> Tally:
    """What each order came to, from its rows in natural order: created, changes, deletions.

    So lateness is undone here instead of handled, and a replay in recorded order must come to the
    same.
    """
    by_order: dict[str, list[Row]] = {}
    for row in rows(lines):
        by_order.setdefault(row.order_id, []).append(row)
    return Tally({oid: _fold(found) for oid, found in by_order.items()}, skipped(lines))


def _fold(rows: list[Row]) -> Expected:
    created = [row for row in rows if row.action == "created"]
    deleted = [row for row in rows if row.action == "deleted"]
    cut = rows.index(deleted[0]) if deleted else len(rows)
    changed = [row for row in rows[:cut] if row.action == "changed"]
    end: OrderState | None = None
    if deleted:
        complete = any(row.left == 0 for row in deleted)
        end = OrderState.FILLED if complete else OrderState.CANCELLED
    left: int | None = None
    fills, total, cost = 0, 0, 0
    for row in (*created[:1], *changed, *deleted):
        if left is not None and row.left < left:
            fills += 1
            total += left - row.left
            cost += (left - row.left) * int(row.price.replace(".", "").ljust(1, "0"))
        left = row.left if left is None or row.action != "deleted" else min(left, row.left)
    return Expected(
        end,
        fills,
        Decimal(f"{total}E-8"),
        None if _odd_price(rows) else Decimal(f"{cost}E-{8 + _decimals(rows)}"),
        bool(created),
        told_only=end is OrderState.FILLED and not created and not changed,
    )


def _decimals(rows: list[Row]) -> int:
    return len(rows[0].price.partition(".")[2])


def _odd_price(rows: list[Row]) -> bool:
    """Whether the prices are not all written with the same number of decimals."""
    return any(len(row.price.partition(".")[2]) != _decimals(rows) for row in rows)
