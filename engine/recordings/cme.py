"""CME market-by-order (Databento ``mbo``): every order of one future, amends included.

Actions: A new, M amend, C removed, F fill of an order in the book, T the aggressor's trade (no
order's row), R clear. F changes no quantity by itself: the C or M of the same exchange event (which
ends with flag 128) does. So a removal after a fill completes the order; an amend after a fill tells
what is shown now, which for an iceberg is more than was left. Rows of the opening snapshot (flag
32) are orders first seen mid-life. Executions have no ids: the row's number serves. Quantities are
contracts; money is in points, because a row does not say what a point is worth.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from ..messages import (
    Accepted,
    Cancelled,
    Command,
    Feeds,
    Filled,
    OrderSnapshot,
    Replaced,
    Report,
    Restated,
    SubmitOrder,
    VenueStatus,
)
from ..values import (
    Instrument,
    InstrumentKind,
    OrderType,
    Side,
    Source,
    TimeInForce,
    TriggerSource,
)
from .base import DecimalCache, Lines, Oracle, Step, Steps, fail_row
from .cme_rows import HEADER, Row, read_rows, tally
from .tally import TallyOracle

__all__ = ["HEADER", "CmeRecording"]

_LAST = 128
_SNAPSHOT = 32
_NAME = re.compile(r"([A-Za-z]{1,4}[FGHJKMNQUVXZfghjkmnquvxz]\d{1,2})\b")


class _Live(msgspec.Struct):
    """An order in the book; ``total`` includes fills, ``price`` is the text of the row."""

    total: int | None
    filled: int
    price: str
    side: Side


class CmeRecording:
    """One instrument's stream. Every participant's order is in one account, ``market``."""

    format = "cme-mbo"
    venue = "GLBX"
    accounts = ("market",)

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.name = lines.name
        found = _NAME.match(lines.name)
        self.symbol = found[1].upper() if found else "UNKNOWN"
        self.instruments = (
            Instrument(
                symbol=self.symbol,
                venue=self.venue,
                kind=InstrumentKind.LINEAR,
                quote="POINT",
                tick_size=Decimal("1E-9"),
                lot_size=Decimal(1),
                allows_negative_price=True,
            ),
        )

    def steps(self) -> Steps:
        """See :meth:`engine.recordings.base.Recording.steps`."""
        maker = _Maker(self.venue, self.symbol)
        event: list[Row] = []
        line = 1
        try:
            for row in read_rows(self._lines):
                line = row.line
                if not event and row.flags & (_LAST | _SNAPSHOT):  # an event of one row: most are
                    for message in maker.alone(row):
                        yield "market", Step(line, message)
                    continue
                event.append(row)
                if row.flags & _LAST:
                    yield from _stepped(maker.together(event))
                    event = []
            yield from _stepped(maker.together(event))
        except (ValueError, csv.Error) as error:
            fail_row(self._lines, line, error, HEADER)

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        return TallyOracle(lambda: tally(self._lines))


def _stepped(pairs: Iterator[tuple[int, Command | Report]]) -> Steps:
    for line, message in pairs:
        yield "market", Step(line, message)


class _Maker:
    """Turns rows into messages, event by event, and keeps the book's orders."""

    def __init__(self, venue: str, symbol: str) -> None:
        self._venue, self._symbol = venue, symbol
        self._live: dict[str, _Live] = {}
        self._prices = DecimalCache("E-9")
        self._sizes = DecimalCache("E0")

    def alone(self, row: Row) -> Iterator[Command | Report]:
        """The messages of a row that stands for itself."""
        action = row.action
        if action == "A":
            yield from self._added(row)
        elif action == "M":
            yield from self._amended(row)
        elif action == "C":
            yield from self._removed(row)
        elif action == "F":
            yield from self._filled(row)
        elif action == "R":
            self._live.clear()

    def together(self, event: list[Row]) -> Iterator[tuple[int, Command | Report]]:
        """The messages of an exchange event; its removals and amends explain its fills."""
        filled: dict[str, int] = {}
        after: dict[str, Row] = {}
        for row in event:
            if row.action == "F":
                filled[row.order_id] = filled.get(row.order_id, 0) + row.size
            elif row.order_id in filled:
                after[row.order_id] = row
        told: dict[str, None] = {}
        for row in event:
            oid = row.order_id
            if row.action == "F" and oid not in told:
                told[oid] = None
                for message in self._restated(row, filled[oid], after.get(oid)):
                    yield row.line, message
            if oid in told and row.action != "F":
                if after.get(oid) is row:
                    for message in self._settled(row):
                        yield row.line, message
                continue
            for message in self.alone(row):
                yield row.line, message

    def _added(self, row: Row) -> Iterator[Command | Report]:
        oid, ts, side = row.order_id, row.ts, _side(row)
        if row.size <= 0:
            raise ValueError(f"size must be above 0, was {row.size}")
        price, qty = self._prices[row.price], self._sizes[str(row.size)]
        known = self._live.get(oid)
        self._live[oid] = _Live(row.size, 0, row.price, side)
        if row.flags & _SNAPSHOT or known is not None:
            yield self._shown(row, side, row.size)
            return
        yield SubmitOrder(
            oid, self._venue, "market", self._symbol, side, OrderType.LIMIT, qty, ts, oid, price,
            None, None, TriggerSource.LAST, TimeInForce.GTC,
        )  # fmt: skip
        yield Accepted(oid, ts, oid)

    def _amended(self, row: Row) -> Iterator[Command | Report]:
        """New size shown and price; the order's total is that and what has filled."""
        live = self._live.get(row.order_id)
        if live is None:
            side = _side(row)
            self._live[row.order_id] = _Live(row.size, 0, row.price, side)
            yield self._shown(row, side, row.size)
            return
        total = live.filled + row.size
        qty = None if total == live.total else Decimal(total)
        price = None if row.price == live.price else self._prices[row.price]
        live.total, live.price = total, row.price
        if qty is not None or price is not None:
            yield Replaced(row.order_id, row.ts, None, qty, price)

    def _removed(self, row: Row) -> Iterator[Command | Report]:
        if self._live.pop(row.order_id, None) is None:
            yield self._shown(row, _side(row), None)
        yield Cancelled(row.order_id, row.ts)

    def _filled(self, row: Row) -> Iterator[Command | Report]:
        oid = row.order_id
        live = self._live.get(oid)
        if live is None:
            if row.side is None:
                return  # an auction's fill of an order never shown, side not told: counted
            self._live[oid] = live = _Live(None, 0, row.price, row.side)
        live.filled += row.size
        yield Filled(
            oid, row.ts, f"C{row.line}", self._sizes[str(row.size)], self._prices[row.price],
            None, "", None, None, None, None, False, Feeds.BOTH, self._symbol, live.side,
        )  # fmt: skip

    def _restated(self, row: Row, filled: int, after: Row | None) -> Iterator[Command | Report]:
        """Before an event's first fill: the total that its removal or amend proves."""
        live = self._live.get(row.order_id)
        if live is None or after is None:
            return
        total = live.filled + filled + (after.size if after.action == "M" else 0)
        if live.total is not None and live.total != total:
            live.total = total
            yield Restated(row.order_id, row.ts, Decimal(total), "shown quantity was not the whole")

    def _settled(self, row: Row) -> Iterator[Command | Report]:
        """The removal or amend that belongs to fills already passed on."""
        live = self._live.get(row.order_id)
        if row.action == "C":
            self._live.pop(row.order_id, None)
            if live is not None and live.total is None:
                yield Accepted(row.order_id, row.ts, row.order_id, Decimal(live.filled))
        elif row.action == "M" and live is not None:
            if live.total is None:
                live.total = live.filled + row.size
                yield Accepted(row.order_id, row.ts, row.order_id, Decimal(live.total))
            if row.price != live.price:
                live.price = row.price
                yield Replaced(row.order_id, row.ts, None, None, self._prices[row.price])

    def _shown(self, row: Row, side: Side, size: int | None) -> OrderSnapshot:
        return OrderSnapshot(
            row.order_id, row.ts, VenueStatus.WORKING, row.order_id, self._symbol, side,
            OrderType.LIMIT, None if size is None else Decimal(size), None,
            self._prices[row.price], source=Source.STREAM,
        )  # fmt: skip


def _side(row: Row) -> Side:
    if row.side is None:
        raise ValueError("side must be B or A here")
    return row.side
