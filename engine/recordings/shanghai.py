"""Shanghai level 2, order by order: ``.events.csv``, or the decoded SBE log behind it.

ADD is an order put into the book with what is left after immediate matches; so the trades of an
aggressive order come before its ADD, and an order that matches whole is never added. TRADE is one
execution of a bid order and an offer order (side = aggressor, N = auction); its BizIndex is the
execution id of both. DELETE cancels the rest.

Times are local (UTC+8) without a date; they are placed on 1970-01-01. A file holds one security, in
the order of BizIndex; an ADD without a price is a market order.
"""

from __future__ import annotations

import re
from decimal import Decimal

from ..messages import (
    Accepted,
    Cancelled,
    Command,
    Feeds,
    Filled,
    OrderSnapshot,
    Report,
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
from .base import DecimalCache, Lines, Oracle, Step, Steps, fail_row, first_lines
from .shanghai_rows import Row, RowReader, csv_rows, log_rows, security_of, tally
from .tally import TallyOracle

__all__ = ["ShanghaiRecording"]

_NAME = re.compile(r"(?<!\d)(\d{6})(?!\d)")


class ShanghaiRecording:
    """One stock's day. Every participant's order is in one account, ``market``."""

    venue = "SSE"
    accounts = ("market",)

    def __init__(self, lines: Lines, *, raw_log: bool = False) -> None:
        self._lines = lines
        self._rows: RowReader = log_rows if raw_log else csv_rows
        self.format = "shanghai-log" if raw_log else "shanghai-events"
        self.name = lines.name
        self._instruments: tuple[Instrument, ...] | None = None

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The security: the log says which, of the CSV only the file's name."""
        if self._instruments is None:
            found = _NAME.search(self.name)
            symbol = found[1] if found else "UNKNOWN"
            if self.format == "shanghai-log":
                symbol = security_of("".join(first_lines(self._lines, 1))) or symbol
            known = Instrument(
                symbol=symbol,
                venue=self.venue,
                kind=InstrumentKind.CASH,
                base=symbol,
                quote="CNY",
                tick_size=Decimal("0.001"),
                lot_size=Decimal("0.001"),
            )
            self._instruments = (known,)
        return self._instruments

    def steps(self) -> Steps:
        """See :meth:`engine.recordings.base.Recording.steps`."""
        maker = _Maker(self.venue, self.instruments[0].symbol)
        line, last = 1, -1
        try:
            for row in self._rows(self._lines):
                line = row.line
                before, last = last, int(row.biz_index)
                if last <= before:
                    raise ValueError(
                        f"BizIndex {last} after {before}: sort the rows by it, and keep each once"
                    )
                for message in maker.messages(row):
                    yield "market", Step(line, message)
        except ValueError as error:
            fail_row(self._lines, line, error, "whole numbers in 1/1000")

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        return TallyOracle(lambda: tally(self._lines, self._rows))


class _Maker:
    """Turns rows into messages; ``_open`` holds [left, filled] of orders not seen to end."""

    def __init__(self, venue: str, symbol: str) -> None:
        self._venue, self._symbol = venue, symbol
        self._open: dict[str, list[int]] = {}  # left is -1 until the order is added to the book
        self._numbers = DecimalCache("E-3")

    def messages(self, row: Row) -> tuple[Command | Report, ...]:
        """The messages of one row."""
        if row.event == "TRADE":
            return (
                self._filled(row, row.order_id, Side.BUY),
                self._filled(row, row.offer_id, Side.SELL),
            )
        oid, ts, side = row.order_id, row.ts, row.side
        if side is None:
            raise ValueError("side must be B or S here")
        known = self._open.get(oid)
        left, price = int(row.qty), self._price(row)
        if row.event == "ADD":
            if known is None:
                self._open[oid] = [left, 0]
                return (
                    SubmitOrder(
                        oid, self._venue, "market", self._symbol, side,
                        OrderType.MARKET if price is None else OrderType.LIMIT,
                        self._numbers[row.qty], ts, oid, price, None, None,
                        TriggerSource.LAST, TimeInForce.DAY,
                    ),
                    Accepted(oid, ts, oid),
                )  # fmt: skip
            if known[0] >= 0:
                raise ValueError("this order is in the book already")
            known[0] = left
            return (Accepted(oid, ts, oid, Decimal(f"{known[1] + left}E-3")),)
        self._open.pop(oid, None)
        if known is not None and 0 <= known[0] < left:
            raise ValueError(f"a deletion of more than the {known[0]} left")
        if known is None:
            shown = OrderSnapshot(
                oid, ts, VenueStatus.WORKING, oid, self._symbol, side, OrderType.LIMIT,
                None, None, price, source=Source.STREAM,
            )  # fmt: skip
            return (shown, Cancelled(oid, ts))
        return (Cancelled(oid, ts),)

    def _price(self, row: Row) -> Decimal | None:
        """None where the row has none, which is written 0."""
        price = self._numbers[row.price]
        if price < 0:
            raise ValueError(f"a price is not negative, was {row.price}")
        return price or None

    def _filled(self, row: Row, oid: str, side: Side) -> Filled:
        qty, price = int(row.qty), self._price(row)
        if price is None:
            raise ValueError("a trade has a price above 0")
        known = self._open.get(oid)
        if known is None:
            self._open[oid] = [-1, qty]
        else:
            known[1] += qty
            if 0 <= known[0] < qty:
                raise ValueError(f"a trade of more than the {known[0]} left of order {oid}")
            if known[0] > 0:
                known[0] -= qty
                if not known[0]:
                    del self._open[oid]
        return Filled(
            oid, row.ts, row.biz_index, self._numbers[row.qty], price, None, "",
            None, None, None, None, False, Feeds.BOTH, self._symbol, side,
        )  # fmt: skip
