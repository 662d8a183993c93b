"""The venue's side of realised P&L: its average entry, as exactly as the rows tell it.

Average cost is kept as an interval: one number where every fill since flat is known, and what the
closes allow after rows went missing, or where the file begins with something held.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

from ..values import CONTEXT, ZERO
from .hyperliquid_rows import Row, slack

__all__ = ["Entry"]

_MICRO = Decimal("0.000001")  # USDC has 6 decimals
_OURS = Decimal("1E-9")  # how far two exact computations may differ by dividing at 34 digits
_CUT = "entry price cut to the venue's price decimals"
_EDGE = (
    "entry price cut one step lower: the average lies on a price step within micro-dollar rounding"
)
_SUMS = "micro-dollar rounding of the venue's sums"
_DUST = "dust conversion: the venue books no P&L"
_UNKNOWN = "entry unknown after missing rows, or from before the file: told by this row"
_NARROWED = "entry unknown after missing rows, or from before the file: agrees with earlier closes"
AGREES = ""


class Entry:
    """The average entry of one slot; call :meth:`judge` once a row, under ``exact()``."""

    def __init__(self, spot: bool, price_decimals: int) -> None:
        self._spot = spot
        self._step = Decimal(f"1E-{price_decimals}")
        self._low: Decimal | None = ZERO  # None: nothing is known
        self._high = ZERO
        self._known = True  # low == high, and our own average must be the same
        self._fills = 0  # since flat: each may have rounded the venue's sum by half a micro-dollar

    def forget(self) -> None:
        """Rows are missing before this one: what the slot cost is not known until it is flat."""
        self._low, self._known = None, False

    def shown(self) -> str:
        """For an example in a check."""
        return "unknown" if self._low is None else f"{self._low} to {self._high}"

    def judge(self, row: Row, held: Decimal, ours: Decimal) -> str | None:
        """Compare one row's Closed PnL with ours and follow the entry over it.

        Returns:
            "" where they agree, the cause where a disagreement is proven to have one, None where it
            has none.
        """
        self._fills += 1
        signed = row.signed
        opens = not held or held.is_signed() == signed.is_signed()
        if opens:
            self._add(abs(held), row)
            return AGREES if row.pnl == ZERO == ours else None
        closed = min(abs(held), row.size)
        direction = Decimal(1).copy_sign(held)
        verdict = self._closing(row, closed, direction, abs(held), ours)
        if row.size >= abs(held):
            flat = row.size == abs(held)
            self._low = self._high = ZERO if flat else row.px
            self._known, self._fills = True, 0 if flat else 1
        return verdict

    def _add(self, held: Decimal, row: Row) -> None:
        if not held:
            self._low = self._high = ZERO
            self._known, self._fills = True, 1
        if self._low is None:
            return
        got = row.size - row.fee if row.fee_in_coin else row.size
        cost = row.px * row.size
        self._low = CONTEXT.divide(self._low * held + cost, held + got)
        self._high = (
            self._low if self._known else CONTEXT.divide(self._high * held + cost, held + got)
        )

    def _closing(
        self, row: Row, closed: Decimal, direction: Decimal, held: Decimal, ours: Decimal
    ) -> str | None:
        tolerance = _MICRO + _display(row.pnl_text)
        per_unit = CONTEXT.divide(tolerance, closed)
        told = row.px - CONTEXT.divide(
            row.pnl * direction, closed
        )  # the entry this row's P&L implies
        drift = CONTEXT.divide(
            _MICRO * self._fills, held
        )  # of the venue's average, from its rounded sums
        if self._low is None or not self._known:
            return self._narrow(told, per_unit, drift)
        expected = (row.px - self._low) * closed * direction
        if abs(ours - expected) > _OURS:
            return None  # our own average cost is wrong, whatever the venue says
        if abs(ours - row.pnl) <= tolerance:
            return AGREES
        if row.direction == "Spot Dust Conversion" and not row.pnl:
            return _DUST
        if self._spot:
            return _SUMS if abs(told - self._low) <= per_unit + drift else None
        if abs(told - self._cut(self._low)) <= per_unit:
            return _CUT
        if abs(told - self._cut(self._low - drift)) <= per_unit:
            return _EDGE
        return None

    def _cut(self, price: Decimal) -> Decimal:
        return CONTEXT.divide(price, self._step).to_integral_value(ROUND_FLOOR) * self._step

    def _narrow(self, told: Decimal, per_unit: Decimal, drift: Decimal) -> str | None:
        """Use the entry that a close implies: the cut of the true one; all must fit together."""
        width = ZERO if self._spot else self._step
        low, high = told - per_unit, told + width + per_unit + drift
        if self._low is None:
            self._low, self._high = low, high
            return _UNKNOWN
        low, high = max(low, self._low), min(high, self._high)
        if low > high:
            return None
        self._low, self._high = low, high
        return _NARROWED


def _display(text: str) -> Decimal:
    """What the spreadsheet may have rounded away of an amount that has 6 decimals."""
    rounded = slack(text)
    return rounded if rounded > _MICRO else ZERO
