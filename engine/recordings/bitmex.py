"""BitMEX account executions: CSV, one fill a row, with the running total of its order.

The order's own quantity is not in it, so every order is adopted by its first fill. Rows are
delivered in file order, which differs from the order of ``cumQty`` where executions share a
millisecond: out-of-order delivery as recorded. Contracts are sized as :mod:`.bitmex_rows` tells.
Where rows have an ``execType`` (the venue's own trade history), only Trade is a fill; a settlement
closes what the fills before it hold, and funding payments are counted, not booked.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ..errors import RecordingError
from ..messages import CorrectPosition, Feeds, Filled
from ..values import CONTEXT, ZERO, CorrectionKind, Instrument, PositionSlot, Side
from .base import Check, DecimalCache, Lines, Oracle, ReplayView, Step, Steps, fail_row
from .bitmex_rows import FUNDING, SETTLEMENT, WANTS, Row, Sizing, read_rows, unit_of
from .tally import Counter, Expected, Tally, TallyOracle
from .times import iso_to_ns

__all__ = ["BitmexRecording"]

_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}


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
            sizings: dict[str, Sizing] = {}
            for row in read_rows(self._lines):
                if row.symbol not in sizings:
                    sizings[row.symbol] = Sizing(row)
                sizings[row.symbol].add(row)
            try:
                self._instruments = tuple(sizing.instrument() for sizing in sizings.values())
            except ValueError as error:
                raise RecordingError(f"{self.name}: {error}") from error
        return self._instruments

    def steps(self) -> Steps:
        """See :meth:`engine.recordings.base.Recording.steps`."""
        numbers = DecimalCache()
        held: dict[str, Decimal] = {}
        seen: dict[str, None] = {}
        row = Row(1)
        try:
            for row in read_rows(self._lines):
                if row.kind == FUNDING:
                    continue
                qty, px, ts = numbers[row.qty], numbers[row.px], iso_to_ns(row.time)
                before = held.get(row.symbol, ZERO)
                if row.kind == SETTLEMENT:
                    yield "main", Step(row.line, _settled(row, ts, before, qty, px))
                    held[row.symbol] = ZERO
                    continue
                cum_qty, side = numbers[row.cum], _SIDES[row.side]
                if qty <= 0 or cum_qty < qty or not row.exec_id or not row.order_id:
                    raise ValueError("ids, 0 < lastQty and lastQty <= cumQty")
                if row.exec_id not in seen:
                    seen[row.exec_id] = None
                    signed = qty if side is Side.BUY else qty.copy_negate()
                    held[row.symbol] = CONTEXT.add(before, signed)
                fee, currency = _fee(row, numbers)
                fill = Filled(
                    row.order_id, ts, row.exec_id, qty, px, fee, currency, None, row.order_id,
                    cum_qty, None, False, Feeds.BOTH, row.symbol, side,
                )  # fmt: skip
                yield "main", Step(row.line, fill)
        except (ValueError, KeyError) as error:
            fail_row(self._lines, row.line, error, WANTS)

    def _fills(self) -> Iterator[Row]:
        """The rows that are fills; one that stands twice (pages overlap) counts once."""
        seen: dict[str, None] = {}
        for row in read_rows(self._lines):
            if row.kind not in (FUNDING, SETTLEMENT) and row.exec_id not in seen:
                seen[row.exec_id] = None
                yield row

    def oracle(self) -> Oracle:
        """See :meth:`engine.recordings.base.Recording.oracle`."""
        return BitmexOracle(self)

    def tally(self) -> Tally:
        """Fold the rows with a dict."""
        orders: dict[str, tuple[int, Decimal, Decimal]] = {}
        for row in self._fills():
            fills, qty, cost = orders.get(row.order_id, (0, ZERO, ZERO))
            last, px = Decimal(row.qty), Decimal(row.px)
            spent = CONTEXT.multiply(last, px)
            orders[row.order_id] = (fills + 1, CONTEXT.add(qty, last), CONTEXT.add(cost, spent))
        skipped: dict[str, int] = {}
        for row in read_rows(self._lines):
            if row.kind in (FUNDING, SETTLEMENT):
                skipped[_NOT_AN_ORDER[row.kind]] = skipped.get(_NOT_AN_ORDER[row.kind], 0) + 1
        return Tally(
            {
                oid: Expected(None, fills, qty, cost, False)
                for oid, (fills, qty, cost) in orders.items()
            },
            tuple(sorted(skipped.items())),
        )

    def totals(self) -> dict[str, list[tuple[Decimal, Decimal]]]:
        """(cumQty, lastQty) of each order's rows, in file order."""
        found: dict[str, list[tuple[Decimal, Decimal]]] = {}
        for row in self._fills():
            found.setdefault(row.order_id, []).append((Decimal(row.cum), Decimal(row.qty)))
        return found


_NOT_AN_ORDER = {
    FUNDING: "funding payment, not booked",
    SETTLEMENT: "settlement, closed the position",
}


def _settled(row: Row, ts: int, held: Decimal, qty: Decimal, px: Decimal) -> CorrectPosition:
    """A dated contract ended: what was held is gone, at the price of the settlement."""
    if held.copy_abs() != qty:
        raise ValueError(
            f"a settlement of {qty} contracts where the rows before hold {held}: replay a file that"
            " begins while the account is flat"
        )
    return CorrectPosition(
        BitmexRecording.venue, "main", row.symbol, PositionSlot.NET, CorrectionKind.SETTLEMENT, ts,
        held.copy_negate(), px, statement=f"line {row.line} settles {row.symbol[:40]}",
    )  # fmt: skip


def _fee(row: Row, numbers: DecimalCache) -> tuple[Decimal | None, str]:
    """The commission (negative: a rebate) and its currency; None where there is no column."""
    if not row.commission:
        return None, ""
    currency, smallest = unit_of(row.settle)
    return CONTEXT.multiply(numbers[row.commission], smallest), currency


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
            shuffled += rows != sorted(rows)
            first, size = min(rows)
            earlier = before = CONTEXT.subtract(first, size)  # filled before the file begins
            booked = None if got is None else CONTEXT.add(got.cum_qty, earlier)
            final.test(
                booked == largest,
                "order {}: cumQty recorded {}, engine {}, {} of it before the file",
                oid,
                largest,
                got,
                earlier,
            )
            if earlier:
                final.explain("filled in part before the file begins")
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
