"""Bitstamp order events of one pair as received over a websocket: ``orders.csv``, or the raw log.

``created`` is an accepted order. ``changed`` with a lower volume is a fill of the difference at the
row's price; with the same volume and another price the venue re-prices a marketable order.
``deleted`` with volume 0 is the fill of the rest; with more, a cancel. The venue has no amend.

Rows stand in the order they were received, which is not always the order in which things happened:
an order's creation may follow its deletion, and a change may follow its end. Late rows are passed
on as late reports; what they reveal (the order's size, a fill before the first row) is passed on
too, and the end result is that of the natural order.

A created row with price 0 is a market order. The pair is known only from the file's name
(``bitstamp_ethusd_...``); without one it is BTC/USD.
"""

from __future__ import annotations

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
from ..values import Instrument, InstrumentKind, OrderType, Side, Source, TimeInForce, TriggerSource
from .base import DecimalCache, Lines, Oracle, Step, Steps, fail_row
from .bitstamp_rows import Row, RowReader, csv_rows, log_rows, tally
from .tally import TallyOracle
from .times import MS

__all__ = ["BitstampRecording"]

_ENDED_MAX = 10_000  # ended orders remembered for rows that come late; they come within seconds
_NAME = re.compile(r"bitstamp[_-]([a-z]{2,6})(usd[tc]?|eur|gbp|btc|eth)(?![a-z])", re.IGNORECASE)


class _Seen(msgspec.Struct):
    """What is known of one order; volumes in satoshi."""

    total: int | None  # None: its creation was not seen
    left: int
    filled: int
    price: str
    side: Side
    ended: bool = False


class BitstampRecording:
    """One stretch of the order stream. Every participant's order is in one account, ``market``."""

    venue = "BITSTAMP"
    accounts = ("market",)

    def __init__(self, lines: Lines, *, raw_log: bool = False) -> None:
        self._lines = lines
        self._rows: RowReader = log_rows if raw_log else csv_rows
        self.format = "bitstamp-log" if raw_log else "bitstamp-orders"
        self.name = lines.name
        found = _NAME.search(lines.name)
        base, quote = (found[1].upper(), found[2].upper()) if found else ("BTC", "USD")
        self._symbol = f"{base}/{quote}"
        self.instruments = (
            Instrument(
                symbol=self._symbol,
                venue=self.venue,
                kind=InstrumentKind.CASH,
                base=base,
                quote=quote,
                tick_size=Decimal("0.01" if self._symbol == "BTC/USD" else "1E-8"),
                lot_size=Decimal("1E-8"),
            ),
        )

    def steps(self) -> Steps:
        """See :meth:`engine.recordings.base.Recording.steps`."""
        orders: dict[str, _Seen] = {}
        ended: dict[str, None] = {}  # oldest first
        make = {"created": _Maker.created, "changed": _Maker.changed, "deleted": _Maker.deleted}
        maker = _Maker(self.venue, self._symbol)
        line = 1
        try:
            for row in self._rows(self._lines):
                line = row.line
                seen = orders.get(row.order_id)
                if seen is None:
                    orders[row.order_id] = seen = _Seen(None, -1, 0, row.price, row.side)
                if row.side is not seen.side:
                    raise ValueError("the direction is not that of the order's first row")
                for message in make[row.action](maker, row, seen):
                    yield "market", Step(line, message)
                if seen.ended and row.order_id not in ended:
                    ended[row.order_id] = None
                    if len(ended) > _ENDED_MAX:
                        oldest = next(iter(ended))
                        del ended[oldest], orders[oldest]
        except ValueError as error:
            fail_row(self._lines, line, error, "an event that its order can have")

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        return TallyOracle(lambda: tally(self._lines, self._rows))


class _Maker:
    """Turns a row, and what is known of its order, into messages; keeps what is known."""

    def __init__(self, venue: str, symbol: str) -> None:
        self._venue, self._symbol = venue, symbol
        self._prices = DecimalCache()

    def created(self, row: Row, seen: _Seen) -> Iterator[Command | Report]:
        oid, ts = row.order_id, row.ms * MS
        if seen.left < 0:
            seen.total = seen.left = row.left
            if not row.left:
                raise ValueError("an order is created with a volume above 0")
            price = self._prices[row.price] or None
            kind = OrderType.LIMIT if price else OrderType.MARKET
            yield SubmitOrder(
                oid, self._venue, "market", self._symbol, row.side, kind, _btc(row.left), ts, oid,
                price, None, None, TriggerSource.LAST, TimeInForce.GTC,
            )  # fmt: skip
            yield Accepted(oid, ts, oid)
            return
        if (
            seen.total is None
        ):  # it comes late and tells the size, so also what was filled before our first row
            before = row.left - seen.left - seen.filled
            if before > 0:
                seen.filled += before
                yield self._filled(row, before, row.left)
            seen.total = row.left
        yield Accepted(oid, ts, oid, _btc(seen.total))

    def changed(self, row: Row, seen: _Seen) -> Iterator[Command | Report]:
        oid, ts = row.order_id, row.ms * MS
        if seen.left < 0 or seen.ended:
            if not seen.ended:
                seen.left = row.left
            yield self._shown(row, VenueStatus.WORKING, late=seen.ended)
            return
        if row.price != seen.price:
            seen.price = row.price
            yield Replaced(oid, ts, None, None, self._prices[row.price])
        if row.left < seen.left:
            yield self._filled(row, seen.left - row.left, row.left)
            seen.filled += seen.left - row.left
        elif row.left > seen.left and seen.total is not None:
            seen.total += row.left - seen.left
            yield Restated(oid, ts, _btc(seen.total), "volume raised by the venue")
        seen.left = row.left

    def deleted(self, row: Row, seen: _Seen) -> Iterator[Command | Report]:
        oid, ts = row.order_id, row.ms * MS
        if seen.left < 0:
            seen.left = row.left
            yield self._shown(row, VenueStatus.WORKING if row.left else VenueStatus.FILLED)
        if row.left < seen.left:
            yield self._filled(row, seen.left - row.left, row.left)
            seen.filled += seen.left - row.left
            seen.left = row.left
        if row.left:
            yield Cancelled(oid, ts)
        elif seen.total is None and seen.filled:
            seen.total = seen.filled  # nothing is left: what we saw filled is all there is to fill
            yield Accepted(oid, ts, oid, _btc(seen.filled))
        seen.ended = True

    def _filled(self, row: Row, volume: int, left: int) -> Filled:
        """A fill; its id is order and volume left, so a repeated row is the same execution."""
        price = self._prices[row.price]
        if not price:
            raise ValueError("a fill has a price above 0")
        return Filled(
            row.order_id, row.ms * MS, f"{row.order_id}-{left}", _btc(volume), price, None, "",
            None, None, None, None, False, Feeds.BOTH, self._symbol, row.side,
        )  # fmt: skip

    def _shown(self, row: Row, status: VenueStatus, *, late: bool = False) -> OrderSnapshot:
        """The order is seen in this state; a late row is as old as the exchange says."""
        return OrderSnapshot(
            row.order_id, row.ms * MS, status, row.order_id, self._symbol, row.side,
            OrderType.LIMIT, None, None, self._prices[row.price] or None, None,
            row.exchange_ms * MS if late else None, Source.STREAM,
        )  # fmt: skip


def _btc(satoshi: int) -> Decimal:
    return Decimal(f"{satoshi}E-8")
