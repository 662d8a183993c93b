"""What Hyperliquid's own columns prove of our positions, realised P&L and fees.

The venue's realised P&L is (price - entry) x closed size, fees excluded, with three habits that
were found in the data and are re-computed here, never waved through:

* **Entry cut to price decimals.** A perpetual's entry price is cut (not rounded) to 6 minus its
  size decimals, the finest price the venue can quote. Ours is exact. Where the exact average lies
  on that grid, the venue's sums in micro-dollars may fall just below it and lose a step.
* **Dust conversion** of a spot remainder books no P&L.
* **Missing rows.** After a gap the entry is not known, to us or from the file; the first close
  tells it to within one step of the grid, and later closes must agree with it. Until the slot is
  flat again ours is not comparable.

Each disagreement must be one of these by its numbers; what is not is a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from ..messages import Event, PositionChanged
from ..values import CONTEXT, ZERO, exact
from .base import Check, Lines, ReplayView, excerpt
from .hyperliquid_rows import Continuity, Gap, Row, is_spot, read_rows
from .hyperliquid_twin import Entry
from .tally import Counter, Tally, TallyOracle

__all__ = ["HyperliquidOracle"]


class _Fact(NamedTuple):
    row: Row
    gap: Gap


class _Slot:
    """One (account, coin) on the way through its rows, beside what our engine has said of it."""

    def __init__(self, spot: bool, decimals: int) -> None:
        self.facts: list[_Fact] = []
        self.next = 0
        self.qty = ZERO
        self.realized = ZERO
        self.fees: dict[str, Decimal] = {}
        self.entry = Entry(spot, decimals)


class HyperliquidOracle(TallyOracle):
    """Adds the position, P&L and fee columns."""

    def __init__(self, lines: Lines, tally: Callable[[], Tally]) -> None:
        super().__init__(tally)
        self._slots = _slots(lines)
        self._position = Counter("position_before_each_fill")
        self._pnl = Counter("realized_pnl")
        self._fee = Counter("fee")
        self._gaps = Counter("missing_rows_named")

    def on_event(self, event: Event) -> None:
        """Compare a slot as it changes with the row that changed it."""
        super().on_event(event)
        if not isinstance(event, PositionChanged):
            return
        slot = self._slots.get((event.account, event.instrument))
        if slot is None:
            self._position.test(False, "a position the rows do not know: {}", event)
            return
        with exact():
            if event.client_order_id:
                self._compare(slot, event)
            slot.qty, slot.realized, slot.fees = event.qty, event.realized_pnl, dict(event.fees)

    def _compare(self, slot: _Slot, event: PositionChanged) -> None:
        if slot.next == len(slot.facts):
            self._position.test(False, "a booking beyond the last row: {}", event)
            return
        row, gap = slot.facts[slot.next]
        slot.next += 1
        off = abs(slot.qty - row.start)
        holds = off <= gap.slack and event.client_order_id == row.order_id
        self._position.test(
            holds,
            "line {}, {}: order {} starts at {}; ours: order {} at {}",
            row.line,
            row.coin,
            row.order_id,
            row.start_text,
            event.client_order_id,
            slot.qty,
        )
        if holds and off:
            self._position.explain("display rounding: the export shows 11 characters")
        if gap.missing:
            self._gaps.test(True, "")
            self._gaps.explain("fills lost between two pages of 2,000")
            self._gaps.notes.append(
                f"line {row.line}, {excerpt(row.coin)}: {gap.missing} is not in the file, corrected"
            )
            slot.entry.forget()
        if gap.first and row.start:
            slot.entry.forget()  # it was bought before the file begins
        self._compare_fee(slot, event, row)
        ours = event.realized_pnl - slot.realized
        verdict = slot.entry.judge(row, slot.qty, ours)
        self._pnl.test(
            verdict is not None,
            "line {}, {}: Closed PnL {}, ours {}, entry {}",
            row.line,
            row.coin,
            row.pnl_text,
            ours,
            slot.entry.shown(),
        )
        if verdict:
            self._pnl.explain(verdict)

    def _compare_fee(self, slot: _Slot, event: PositionChanged, row: Row) -> None:
        paid = {
            currency: amount - slot.fees.get(currency, ZERO)
            for currency, amount in event.fees
            if amount != slot.fees.get(currency, ZERO)
        }
        currency = row.coin.partition("/")[0] if row.fee_in_coin else "USDC"
        want = {currency: row.fee} if row.fee else {}
        self._fee.test(paid == want, "line {}, {}: fee {}, ours {}", row.line, row.coin, want, paid)
        if row.fee_in_coin and row.fee:
            self._fee.explain("taken in the coin, so it lowers the position")

    def finish(self, view: ReplayView) -> list[Check]:
        """Judge the end of the replay."""
        for (account, coin), slot in self._slots.items():
            left = len(slot.facts) - slot.next
            self._position.test(left == 0, "{} {}: {} rows were not booked", account, coin, left)
        own = (self._position, self._pnl, self._fee, self._gaps)
        return [*super().finish(view), *(counter.check() for counter in own)]


def _slots(lines: Lines) -> dict[tuple[str, str], _Slot]:
    continuity = Continuity()
    sizes: dict[str, Decimal] = {}
    facts: dict[tuple[str, str], list[_Fact]] = {}
    for row in read_rows(lines):
        facts.setdefault((row.account, row.coin), []).append(_Fact(row, continuity.next(row)))
        step = Decimal(1).scaleb(_exponent(row.size), CONTEXT)
        sizes[row.coin] = min(step, sizes.get(row.coin, step))
    slots: dict[tuple[str, str], _Slot] = {}
    for (account, coin), found in facts.items():
        slot = _Slot(is_spot(coin), max(0, 6 + _exponent(sizes[coin])))
        slot.facts = found
        slots[account, coin] = slot
    return slots


def _exponent(number: Decimal) -> int:
    """Minus the decimals that a number needs; at most 0."""
    power = number.normalize(CONTEXT).as_tuple().exponent
    return min(0, power) if isinstance(power, int) else 0
