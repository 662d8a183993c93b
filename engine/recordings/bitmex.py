"""BitMEX account executions: CSV, one fill a row, with the running total of its order.

The order's own quantity is not in it, so every order is adopted by its first fill. Rows are
delivered in file order, which differs from the order of ``cumQty`` where executions share a
millisecond: out-of-order delivery as recorded. Contracts are sized in satoshi per contract and
price unit (``configured_multiplier_raw``; negative for inverse contracts), paid in XBT.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal

from ..messages import Feeds, Filled
from ..values import CONTEXT, ONE, ZERO, Instrument, InstrumentKind, Side
from .base import Check, DecimalCache, Lines, Oracle, ReplayView, Step, Steps, fail_row
from .kucoin_trades import finest_step
from .tally import Counter, Expected, Tally, TallyOracle
from .times import iso_to_ns

__all__ = ["BitmexRecording"]

_NEEDED = ("event_time", "execID", "orderID", "symbol", "side", "lastPx", "lastQty", "cumQty")
_OPTIONAL = ("configured_multiplier_raw", "configured_tick_size", "execCost")
_WANTS = "a BitMEX execution as the header says"
_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_SATOSHI = Decimal("1E-8")


class BitmexRecording:
    """One account's executions."""

    format = "bitmex-executions"
    venue = "BITMEX"
    accounts = ("main",)

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.name = lines.name
        self._instruments: tuple[Instrument, ...] | None = None

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The contracts that occur, sized as the rows say (multiplier 1 where they do not)."""
        if self._instruments is None:
            seen: dict[str, tuple[str, str, dict[str, None]]] = {}
            for _, cells in self._rows():
                symbol, px = cells[3], cells[5]
                if symbol not in seen:
                    seen[symbol] = (cells[8], cells[9], {})
                seen[symbol][2][px] = None
            self._instruments = tuple(_instrument(symbol, *rest) for symbol, rest in seen.items())
        return self._instruments

    def _rows(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Row number, the needed cells, the optional ones ("" where there is no column)."""
        row = 1
        try:
            reader = csv.reader(self._lines, strict=True)
            header = next(reader, [])
            at = [header.index(name) for name in _NEEDED]
            extra = [header.index(name) if name in header else -1 for name in _OPTIONAL]
            width = len(header)
            for row, cells in enumerate(reader, 2):
                if len(cells) != width:
                    raise ValueError(f"{len(cells)} columns instead of {width}")
                yield (
                    row,
                    tuple([cells[i] for i in at] + [cells[i] if i >= 0 else "" for i in extra]),
                )
        except (csv.Error, ValueError) as error:
            fail_row(self._lines, row, error, _WANTS)

    def steps(self) -> Steps:
        """See :meth:`engine.recordings.base.Recording.steps`."""
        numbers = DecimalCache()
        row = 1
        try:
            for row, (time, eid, oid, symbol, side, px, qty, cum, *_) in self._rows():
                last_qty, cum_qty = numbers[qty], numbers[cum]
                if last_qty <= 0 or cum_qty < last_qty or not eid or not oid:
                    raise ValueError("ids, 0 < lastQty and lastQty <= cumQty")
                fill = Filled(
                    oid, iso_to_ns(time), eid, last_qty, numbers[px], None, "", None, oid, cum_qty,
                    None, False, Feeds.BOTH, symbol, _SIDES[side],
                )  # fmt: skip
                yield "main", Step(row, fill)
        except (ValueError, KeyError) as error:
            fail_row(self._lines, row, error, _WANTS)

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        return BitmexOracle(self)

    def tally(self) -> Tally:
        """Fold the rows with a dict."""
        orders: dict[str, tuple[int, Decimal, Decimal]] = {}
        for _, cells in self._rows():
            fills, qty, cost = orders.get(cells[2], (0, ZERO, ZERO))
            last, px = Decimal(cells[6]), Decimal(cells[5])
            spent = CONTEXT.multiply(last, px)
            orders[cells[2]] = (fills + 1, CONTEXT.add(qty, last), CONTEXT.add(cost, spent))
        return Tally(
            {
                oid: Expected(None, fills, qty, cost, False)
                for oid, (fills, qty, cost) in orders.items()
            }
        )

    def totals(self) -> dict[str, list[tuple[Decimal, Decimal]]]:
        """(cumQty, lastQty) of each order's rows, in file order."""
        found: dict[str, list[tuple[Decimal, Decimal]]] = {}
        for _, cells in self._rows():
            found.setdefault(cells[2], []).append((Decimal(cells[7]), Decimal(cells[6])))
        return found


class BitmexOracle(TallyOracle):
    """Adds the venue's own totals: the last one of each order, and the chain they form."""

    def __init__(self, recording: BitmexRecording) -> None:
        super().__init__(recording.tally)
        self._recording = recording

    def finish(self, view: ReplayView) -> list[Check]:
        """Judge the end of the replay."""
        final = Counter("final_cum_qty")
        chain = Counter("cum_qty_chain")
        shuffled = 0
        for oid, rows in self._recording.totals().items():
            largest = max(cum for cum, _ in rows)
            got = view.order(oid)
            final.test(
                got is not None and got.cum_qty == largest,
                "order {}: cumQty recorded {}, engine {}",
                oid,
                largest,
                got,
            )
            shuffled += rows != sorted(rows)
            before = ZERO
            gaps = 0
            for cum, last in sorted(rows):
                gaps += CONTEXT.add(before, last) != cum
                before = cum
            fills = 0 if got is None else got.fills
            chain.test(
                gaps == 0 and fills == len(rows),
                "order {}: {} gaps, {} of {} rows booked",
                oid,
                gaps,
                fills,
                len(rows),
            )
        chain.notes.append(f"{shuffled} orders have rows out of cumQty order")
        return [*super().finish(view), final.check(), chain.check()]


def _instrument(symbol: str, multiplier: str, tick: str, prices: dict[str, None]) -> Instrument:
    """A contract paid in XBT where the rows size it in satoshi, else of multiplier 1.

    The venue writes the size of an inverse contract (a number of dollars) as a negative one.
    """
    size = CONTEXT.multiply(Decimal(multiplier), _SATOSHI) if multiplier else ONE
    inverse = size < ZERO
    finest = finest_step(prices)
    return Instrument(
        symbol=symbol,
        venue="BITMEX",
        kind=InstrumentKind.INVERSE if inverse else InstrumentKind.LINEAR,
        base="",
        quote="XBT" if multiplier and not inverse else "USD",
        settle="XBT" if multiplier else "",
        tick_size=min(Decimal(tick), finest) if tick else finest,
        lot_size=ONE,
        multiplier=abs(size),
    )
