"""LOBSTER message files: every order of one NASDAQ stock for a day, anonymous.

Columns: time (seconds after midnight, New York), type, order id, size (shares), price (USD x
10000), direction of the resting order. Type 1 is a submission, 2 reduces it, 3 deletes the rest, 4
executes against it; 5 (hidden), 6 (cross) and 7 (halt) belong to no visible order. There are no
execution ids: the row's number serves. Executions carry the resting order's own price. The date and
the ticker are known only from the file's name, so a file is one day. A seventh column is passed
over.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TypeAlias

import msgspec

from ..messages import (
    Accepted,
    Cancelled,
    Command,
    Feeds,
    Filled,
    OrderSnapshot,
    Report,
    Restated,
    SubmitOrder,
    VenueStatus,
)
from ..values import (
    Instrument,
    InstrumentKind,
    OrderState,
    OrderType,
    Side,
    Source,
    TimeInForce,
    TriggerSource,
)
from .base import DecimalCache, Lines, Oracle, Step, Steps, excerpt, fail_row
from .tally import Expected, Tally, TallyOracle
from .times import DAY_NS, SECOND, new_york_midnight_ns

__all__ = ["LobsterRecording"]

_WANTS = "time,type 1-7,order id,size,price,direction"
_SIDES = {"1": Side.BUY, "-1": Side.SELL}
_NOT_AN_ORDER = {"5": "hidden execution", "6": "cross trade", "7": "trading halt"}
_NAME = re.compile(r"([A-Z.]{1,8})_(\d{4})-(\d\d)-(\d\d)_")
_NAME_UNKNOWN = ("UNKNOWN", 0)


def _parse_name(name: str) -> tuple[str, int]:
    """Ticker and midnight (UTC ns) from ``TICKER_YYYY-MM-DD_...``; 0 without a date."""
    found = _NAME.search(name)
    if found is None:
        return _NAME_UNKNOWN
    ticker, year, month, day = found.groups()
    try:
        return ticker, new_york_midnight_ns(int(year), int(month), int(day))
    except ValueError:
        return ticker, 0


def _since_midnight(time: str) -> int:
    """Nanoseconds of ``seconds[.fraction]``; what is finer than a nanosecond is cut."""
    seconds, _, fraction = time.partition(".")
    if not seconds.isdecimal() or not (fraction.isdecimal() or not fraction):
        raise ValueError(f"not seconds after midnight: {excerpt(time)}")
    ns = int(seconds[:6]) * SECOND + int(fraction[:9].ljust(9, "0"))
    if ns > DAY_NS:
        raise ValueError(f"more seconds than a day has: {excerpt(time)}")
    return ns


class _Live(msgspec.Struct):
    """An order in the market, in shares; ``total`` None when its submission was not seen."""

    total: int | None
    side: Side
    filled: int = 0


class LobsterRecording:
    """One message file. Every participant's order is in one account, ``market``."""

    format = "lobster"
    venue = "NASDAQ"
    accounts = ("market",)

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.name = lines.name
        self.symbol, self._midnight = _parse_name(lines.name)
        self.instruments = (
            Instrument(
                symbol=self.symbol,
                venue=self.venue,
                kind=InstrumentKind.CASH,
                base=self.symbol,
                quote="USD",
                tick_size=Decimal("0.0001"),
                lot_size=Decimal(1),
            ),
        )

    def steps(self) -> Steps:
        """See :meth:`engine.recordings.base.Recording.steps`."""
        maker = _Maker(self.venue, self.symbol)
        handlers = {
            "1": maker.submitted,
            "2": maker.reduced,
            "3": maker.deleted,
            "4": maker.executed,
        }
        midnight = self._midnight
        row = now = 0
        try:
            for row, line in enumerate(self._lines, 1):
                time, kind, oid, size, price, direction, *_ = line.split(",", 6)
                before, now = now, _since_midnight(time)
                if now < before:
                    raise ValueError("the time goes back; a file is one day, in order of time")
                if kind in _NOT_AN_ORDER:
                    continue
                ts, side = midnight + now, _SIDES[direction]
                for message in handlers[kind](row, ts, oid, size, price, side):
                    yield "market", Step(row, message)
        except (ValueError, KeyError) as error:
            fail_row(self._lines, row, error, _WANTS)

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        return TallyOracle(self.tally)

    def tally(self) -> Tally:
        """Fold the rows with a dict: one list of sums per order, see :func:`_expected`."""
        orders: dict[str, list[int]] = {}
        skipped: dict[str, int] = {}
        for line in self._lines:
            _, kind, oid, size, price, *_ = line.split(",", 6)
            if kind in _NOT_AN_ORDER:
                skipped[_NOT_AN_ORDER[kind]] = skipped.get(_NOT_AN_ORDER[kind], 0) + 1
                continue
            order = orders.setdefault(oid, [0, 0, 0, 0, 0, 0])
            shares = int(size)
            if kind == "1":
                order[0] = shares
            elif kind == "4":
                order[1] += shares
                order[3] += 1
                order[4] += shares * int(price)
            else:
                order[2] += shares
            order[5] = int(kind)
        return Tally(
            {oid: _expected(order) for oid, order in orders.items()}, tuple(sorted(skipped.items()))
        )


_Messages: TypeAlias = tuple[Command | Report, ...]


class _Maker:
    """Turns rows into messages; ``_live`` holds each order that may still be referred to."""

    def __init__(self, venue: str, symbol: str) -> None:
        self._venue, self._symbol = venue, symbol
        self._prices, self._sizes = DecimalCache("E-4"), DecimalCache("E0")
        self._live: dict[str, _Live] = {}

    def submitted(
        self, row: int, ts: int, oid: str, size: str, price: str, side: Side
    ) -> _Messages:
        """Type 1."""
        if oid in self._live:
            raise ValueError(f"order {oid} was submitted before, in a line above {row}")
        self._live[oid] = _Live(_shares(size), side)
        submit = SubmitOrder(
            oid, self._venue, "market", self._symbol, side, OrderType.LIMIT, self._sizes[size], ts,
            oid, self._price(price), None, None, TriggerSource.LAST, TimeInForce.GTC,
        )  # fmt: skip
        return submit, Accepted(oid, ts, oid)

    def executed(self, row: int, ts: int, oid: str, size: str, price: str, side: Side) -> _Messages:
        """Type 4. The execution carries instrument and side, so an order not known is adopted."""
        live = self._live.get(oid)
        if live is None:
            live = self._live[oid] = _Live(None, side)
        self._check_fits(live, _shares(size), side)
        live.filled += _shares(size)
        if live.total is not None and live.filled >= live.total:
            del self._live[oid]
        fill = Filled(
            oid, ts, f"L{row}", self._sizes[size], self._price(price), None, "", None, None, None,
            None, False, Feeds.BOTH, self._symbol, side,
        )  # fmt: skip
        return (fill,)

    def reduced(self, row: int, ts: int, oid: str, size: str, price: str, side: Side) -> _Messages:
        """Type 2. The last open shares may go this way too, which ends the order."""
        live, shares = self._live.get(oid), _shares(size)
        if live is None:
            self._live[oid] = _Live(None, side)
            return (self._first_sight(ts, oid, price, side),)
        self._check_fits(live, shares, side)
        if live.total is None:
            return ()  # its total is not known, so a smaller one is not either
        live.total -= shares
        if live.total <= live.filled:
            del self._live[oid]
            return (Cancelled(oid, ts),)
        return (Restated(oid, ts, Decimal(live.total), "reduced"),)

    def deleted(self, row: int, ts: int, oid: str, size: str, price: str, side: Side) -> _Messages:
        """Type 3."""
        del row
        live, shares = self._live.pop(oid, None), _shares(size)
        if live is None:
            return self._first_sight(ts, oid, price, side), Cancelled(oid, ts)
        self._check_fits(live, shares, side)
        return (Cancelled(oid, ts),)

    def _check_fits(self, live: _Live, shares: int, side: Side) -> None:
        """A row that its order cannot have had would be a wrong number, not news."""
        if side is not live.side:
            raise ValueError("the direction is not that of the order's first row")
        if live.total is not None and live.filled + shares > live.total:
            left = live.total - live.filled
            raise ValueError(f"{shares} shares of an order that has {left} left: a repeated row?")

    def _price(self, text: str) -> Decimal:
        price = self._prices[text]
        if price <= 0:
            raise ValueError(f"price must be above 0, was {text}")
        return price

    def _first_sight(self, ts: int, oid: str, price: str, side: Side) -> OrderSnapshot:
        """An order met mid-life: it works, and its quantity is not known."""
        return OrderSnapshot(
            oid, ts, VenueStatus.WORKING, oid, self._symbol, side, OrderType.LIMIT,
            None, None, self._price(price), source=Source.STREAM,
        )  # fmt: skip


def _shares(size: str) -> int:
    shares = int(size)
    if shares <= 0:
        raise ValueError(f"size must be above 0, was {shares}")
    return shares


def _expected(order: list[int]) -> Expected:
    submitted, executed, cancelled, fills, cost, last = order
    end: OrderState | None = None
    if last == 3 or (last == 2 and submitted and executed + cancelled >= submitted):
        end = OrderState.CANCELLED
    elif submitted and executed + cancelled >= submitted:
        end = OrderState.FILLED
    return Expected(end, fills, Decimal(executed), Decimal(f"{cost}E-4"), bool(submitted))
