"""Rows of Hyperliquid fill exports, how exactly they are written, and where rows are missing.

The files were saved by a spreadsheet, which shows a number in at most 11 characters: what is longer
was rounded to fit, and 12-digit whole numbers became ``8.95E+14`` (so Trade ID and Timestamp are no
keys). How far a shown number may be from the true one follows from its text; :func:`slack` says it.

The venue's API hands out at most 2,000 fills a call. Where the export lost fills, it lost them
between two calls: the position jumps at the first row of a coin after a multiple of 2,000 rows of
its account. :class:`Continuity` finds these jumps; a jump anywhere else is no such gap, and is left
for the oracle to fail on. Where pages overlap instead, the same rows stand twice: a row that is
equal in every column, hash and start position included, to one of the last pages is read once.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from ..given import check_text_of
from ..values import CONTEXT, ZERO, Side
from .base import DecimalCache, Lines, excerpt, fail_row
from .times import SECOND, midnight_ns

__all__ = ["COLUMNS", "Continuity", "Row", "is_spot", "read_rows", "slack"]

COLUMNS = (
    "Account", "Coin", "Execution Price", "Size Tokens", "Side", "Timestamp IST", "Start Position",
    "Direction", "Closed PnL", "Order ID", "Crossed", "Fee",
)  # fmt: skip
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_CROSSED = {"TRUE": True, "FALSE": False, "True": True, "False": False}
_INDIA = 19_800 * SECOND  # UTC+5:30
_PAGE = 2_000  # fills the venue's userFills call returns at most
_SHOWN_MAX = 11  # characters of a number in a spreadsheet's general format


class Row(NamedTuple):
    """One fill; the texts of rounded columns say how far they are rounded."""

    line: int
    account: str
    coin: str
    px: Decimal
    size: Decimal
    side: Side
    ts: int
    start: Decimal
    direction: str
    pnl: Decimal
    order_id: str
    taker: bool
    fee: Decimal
    start_text: str
    pnl_text: str
    fee_text: str
    page: int  # which call of the venue's API it came with, by its place in the file

    @property
    def signed(self) -> Decimal:
        """Size with the sign of the side."""
        return self.size if self.side is Side.BUY else self.size.copy_negate()

    @property
    def fee_in_coin(self) -> bool:
        """Spot buys pay in the token bought; everything else pays in USDC."""
        return self.side is Side.BUY and is_spot(self.coin)


def is_spot(coin: str) -> bool:
    """Spot pairs are written ``@107`` or ``PURR/USDC``, perpetuals by the coin's name."""
    return coin.startswith("@") or "/" in coin


def read_rows(lines: Lines) -> Iterator[Row]:
    """The fills, in file order.

    Raises:
        RecordingError: naming the line that is not such a row.
    """
    numbers = DecimalCache()
    times: dict[str, int] = {}
    pages = _Pages()
    row = 1
    try:
        reader = csv.reader(lines, strict=True)
        header = next(reader, [])
        at = [header.index(name) for name in COLUMNS]
        for row, cells in enumerate(reader, 2):
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} columns instead of {len(header)}")
            account, coin, px, size, side, time, start, direction, pnl, oid, crossed, fee = (
                cells[i] for i in at
            )
            if numbers[size] <= 0 or not (account and coin and oid):
                raise ValueError("account, coin, order id, and a size above 0")
            check_text_of("Coin", coin, empty=False)
            if not oid.isdecimal():
                raise ValueError(
                    f"an order id in digits, was {excerpt(oid)}: a spreadsheet has rounded it;"
                    " export again and keep the column as text"
                )
            ts = times.get(time)
            if ts is None:
                ts = times[time] = _utc(time)
            page = pages.turn(account, coin, ts, tuple(cells))
            if page is None:
                continue
            found = Row(
                row, account, coin, numbers[px], numbers[size], _SIDES[side], ts, numbers[start],
                direction, numbers[pnl], oid if oid.strip("0") else f"none-{row}",
                _CROSSED[crossed], numbers[fee], start, pnl, fee, page,
            )  # fmt: skip
            if found.fee_in_coin and found.fee >= found.size:
                raise ValueError("a fee below the size it is taken from")
            yield found
    except (csv.Error, ValueError, KeyError) as error:
        fail_row(lines, row, error, "a Hyperliquid fill as the header says")


class _Pages:
    """Places of rows in the pages of their account, and rows that stand on two of them."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._times: dict[tuple[str, str], int] = {}
        self._recent: dict[tuple[str, ...], None] = {}  # oldest first

    def turn(self, account: str, coin: str, ts: int, cells: tuple[str, ...]) -> int | None:
        """The row's page; None for a row that is there already.

        Raises:
            ValueError: the file is not in order of time.
        """
        count = self._counts.get(account, 0)
        self._counts[account] = count + 1
        if cells in self._recent:
            return None
        self._recent[cells] = None
        if len(self._recent) > 2 * _PAGE:
            del self._recent[next(iter(self._recent))]
        if ts < self._times.get((account, coin), ts):
            raise ValueError("the time goes back; sort the rows by time, oldest first")
        self._times[account, coin] = ts
        return count // _PAGE


def _utc(text: str) -> int:
    """UTC ns of ``dd-mm-yyyy H:MM``, India time."""
    date, _, clock = text.partition(" ")
    day, month, year = date.split("-")
    hours, _, minutes = clock.partition(":")
    if not (hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60):
        raise ValueError(f"not a time (dd-mm-yyyy HH:MM): {excerpt(text)}")
    seconds = int(hours) * 3600 + int(minutes) * 60
    return midnight_ns(int(year), int(month), int(day)) + seconds * SECOND - _INDIA


def slack(text: str) -> Decimal:
    """How far the true number may be from this text: half of the last digit that fitted.

    A shorter text is exact: the spreadsheet drops only zeros.
    """
    digits = text.lstrip("-")
    if "E" in digits:
        mantissa, _, power = digits.partition("E")
        return Decimal(f"5E{int(power) - len(mantissa.partition('.')[2]) - 1}")
    whole, _, _ = digits.partition(".")
    decimals = _SHOWN_MAX - 1 - len(whole)
    if decimals >= 8 or decimals < 0:  # quantities and money have at most 8 decimals
        return ZERO
    return Decimal(f"5E-{decimals + 1}")


class Gap(NamedTuple):
    """What one row's Start Position says about the rows before it."""

    first: bool  # the first row of this account and coin
    missing: Decimal  # signed quantity that rows not in the file moved; 0 where none are missing
    slack: Decimal  # how far our sum may be from the number shown, from rounding alone


class _Slot:
    __slots__ = ("page", "qty", "slack")

    def __init__(self, qty: Decimal, error: Decimal, page: int) -> None:
        self.qty, self.slack, self.page = qty, error, page


class Continuity:
    """Follows each (account, coin) through the file and finds rows that are missing."""

    def __init__(self) -> None:
        self._slots: dict[tuple[str, str], _Slot] = {}

    def next(self, row: Row) -> Gap:
        """Judge the row's start and move on to its end."""
        page = row.page
        shown = slack(row.start_text)
        slot = self._slots.get((row.account, row.coin))
        missing = ZERO
        first = slot is None
        if slot is None:
            slot = self._slots[row.account, row.coin] = _Slot(row.start, shown, page)
        else:
            jump = CONTEXT.subtract(row.start, slot.qty)
            bound = CONTEXT.add(shown, slot.slack)
            if jump.copy_abs() > bound and page > slot.page:
                missing = jump
                slot.qty, slot.slack = row.start, CONTEXT.add(bound, ZERO)
        gap = Gap(first, missing, CONTEXT.add(shown, slot.slack))
        moved = row.signed
        if row.fee_in_coin:
            moved = CONTEXT.subtract(moved, row.fee)
            slot.slack = CONTEXT.add(slot.slack, slack(row.fee_text))
        slot.qty = CONTEXT.add(slot.qty, moved)
        slot.page = page
        return gap
