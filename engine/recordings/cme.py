"""CME market-by-order (Databento ``mbo``): every order of a future, amends included.

Actions: A new, M amend, C removed, F fill of an order in the book, T the aggressor's trade and N
nothing (no order's rows), R clear: what is still in the book is shown again. F changes no quantity
by itself: the C or M of the same exchange event (which ends with flag 128) does. So a removal after
a fill completes the order; an amend after a fill tells what is shown now, which for an iceberg is
more than was left. Rows of a snapshot (flag 32) are orders first seen mid-life, or known and shown
again. Executions have no ids: the row's number serves. Quantities are contracts; money is in
points, because a row does not say what a point is worth. A file may hold several instruments, each
with events of its own.
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
from .base import DecimalCache, Lines, Oracle, Step, Steps, columns, fail_row, first_lines
from .cme_rows import HEADER, UNDEFINED, WANTS, Row, is_header, read_rows, tally
from .tally import TallyOracle

__all__ = ["HEADER", "CmeRecording", "is_header"]

_LAST = 128
_SNAPSHOT = 32
_OF_NO_ORDER = frozenset({"T", "R", "N"})
_NO_SETTLING = _OF_NO_ORDER | {"F"}  # of the rows of an event with fills
_NAME = re.compile(r"([A-Za-z]{1,4}[FGHJKMNQUVXZfghjkmnquvxz]\d{1,2})\b")


class _Live(msgspec.Struct):
    """An order in the book; ``total`` includes fills, ``price`` is the text of the row."""

    total: int | None
    filled: int
    price: str
    side: Side
    symbol: str


class CmeRecording:
    """One file's stream. Every participant's order is in one account, ``market``."""

    format = "cme-mbo"
    venue = "GLBX"
    accounts = ("market",)

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.name = lines.name
        self._instruments: tuple[Instrument, ...] | None = None

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments of the rows; of the file's name where the rows name none."""
        if self._instruments is None:
            found = _NAME.match(self.name)
            named = found[1].upper() if found else "UNKNOWN"
            header = columns("".join(first_lines(self._lines, 1)))
            symbols = {"": None}
            if "symbol" in header or "instrument_id" in header:
                symbols = dict.fromkeys(row.symbol for row in read_rows(self._lines))
            self._instruments = tuple(_instrument(symbol or named) for symbol in symbols)
        return self._instruments

    def steps(self) -> Steps:
        """See :meth:`engine.recordings.base.Recording.steps`."""
        maker = _Maker(self.venue, self.instruments[0].symbol if self.instruments else "")
        events: dict[str, list[Row]] = {}
        line = 1
        try:
            for row in read_rows(self._lines):
                line = row.line
                event = events.get(row.symbol)
                if event is None:
                    event = events[row.symbol] = []
                if not event and row.flags & (_LAST | _SNAPSHOT):  # an event of one row: most are
                    for message in maker.alone(row):
                        yield "market", Step(line, message)
                    continue
                event.append(row)
                if row.flags & _LAST:
                    yield from _stepped(maker.together(event))
                    event.clear()
            for event in events.values():
                yield from _stepped(maker.together(event))
        except (ValueError, csv.Error) as error:
            fail_row(self._lines, line, error, WANTS)

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        return TallyOracle(lambda: tally(self._lines))


def _instrument(symbol: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        venue=CmeRecording.venue,
        kind=InstrumentKind.LINEAR,
        quote="POINT",
        tick_size=Decimal("1E-9"),
        lot_size=Decimal(1),
        allows_negative_price=True,
    )


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

    def _find(self, row: Row) -> _Live | None:
        """What is known of the row's order."""
        live = self._live.get(row.order_id)
        if live is not None and live.symbol != row.symbol:
            raise ValueError(f"order {row.order_id} is one of {live.symbol!a} too")
        return live

    def _price(self, row: Row) -> Decimal:
        if row.price == UNDEFINED:
            raise ValueError("the price is undefined")
        return self._prices[row.price]

    def together(self, event: list[Row]) -> Iterator[tuple[int, Command | Report]]:
        """The messages of an exchange event; its removals and amends explain its fills."""
        filled: dict[str, int] = {}
        after: dict[str, Row] = {}
        for row in event:
            if row.action in _OF_NO_ORDER:
                continue
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
            if oid in told and row.action not in _NO_SETTLING:
                if after.get(oid) is row:
                    for message in self._settled(row):
                        yield row.line, message
                continue
            for message in self.alone(row):
                yield row.line, message

    def _added(self, row: Row) -> Iterator[Command | Report]:
        oid, ts, side = row.order_id, row.ts, _side(row)
        _check_size(row)
        price, qty = self._price(row), self._sizes[str(row.size)]
        known = self._find(row)
        if known is not None:  # shown again: what has filled before is still part of its total
            known.total, known.price = known.filled + row.size, row.price
            yield self._shown(row, side, known.total)
            return
        self._live[oid] = _Live(row.size, 0, row.price, side, row.symbol)
        if row.flags & _SNAPSHOT:
            yield self._shown(row, side, row.size)
            return
        yield SubmitOrder(
            oid, self._venue, "market", row.symbol or self._symbol, side, OrderType.LIMIT, qty, ts,
            oid, price, None, None, TriggerSource.LAST, TimeInForce.GTC,
        )  # fmt: skip
        yield Accepted(oid, ts, oid)

    def _amended(self, row: Row) -> Iterator[Command | Report]:
        """New size shown and price; the order's total is that and what has filled."""
        _check_size(row)
        live = self._find(row)
        if live is None:
            side = _side(row)
            self._live[row.order_id] = _Live(row.size, 0, row.price, side, row.symbol)
            yield self._shown(row, side, row.size)
            return
        total = live.filled + row.size
        qty = None if total == live.total else Decimal(total)
        price = None if row.price == live.price else self._price(row)
        live.total, live.price = total, row.price
        if qty is not None or price is not None:
            yield Replaced(row.order_id, row.ts, None, qty, price)

    def _removed(self, row: Row) -> Iterator[Command | Report]:
        if self._find(row) is None:
            yield self._shown(row, _side(row), None)
        self._live.pop(row.order_id, None)
        yield Cancelled(row.order_id, row.ts)

    def _filled(self, row: Row) -> Iterator[Command | Report]:
        oid = row.order_id
        _check_size(row)
        live = self._find(row)
        if live is None:
            if row.side is None:
                return  # an auction's fill of an order never shown, side not told: counted
            self._live[oid] = live = _Live(None, 0, row.price, row.side, row.symbol)
        live.filled += row.size
        yield Filled(
            oid, row.ts, f"C{row.line}", self._sizes[str(row.size)], self._price(row),
            None, "", None, None, None, None, False, Feeds.BOTH, row.symbol or self._symbol,
            live.side,
        )  # fmt: skip

    def _restated(self, row: Row, filled: int, after: Row | None) -> Iterator[Command | Report]:
        """Before an event's first fill: the total that its removal or amend proves."""
        live = self._find(row)
        if live is None or after is None:
            return
        total = live.filled + filled + (after.size if after.action == "M" else 0)
        if live.total is not None and live.total != total:
            live.total = total
            yield Restated(row.order_id, row.ts, Decimal(total), "shown quantity was not the whole")

    def _settled(self, row: Row) -> Iterator[Command | Report]:
        """The removal or amend that belongs to fills already passed on."""
        live = self._find(row)
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
                yield Replaced(row.order_id, row.ts, None, None, self._price(row))

    def _shown(self, row: Row, side: Side, size: int | None) -> OrderSnapshot:
        return OrderSnapshot(
            row.order_id, row.ts, VenueStatus.WORKING, row.order_id, row.symbol or self._symbol,
            side, OrderType.LIMIT, None if size is None else Decimal(size), None,
            None if row.price == UNDEFINED else self._prices[row.price], source=Source.STREAM,
        )  # fmt: skip


def _check_size(row: Row) -> None:
    if row.size <= 0:
        raise ValueError(f"size must be above 0, was {row.size}")


def _side(row: Row) -> Side:
    if row.side is None:
        raise ValueError("side must be B or A here")
    return row.side
