"""A dumb second model of an order.

Facts and intentions in plain dicts, everything else derived at each look.

Written from the rules ("facts and intentions kept apart", FIX order state changes), not from the
engine's tables: there is no transition in it. It knows plain orders only: no stops, snapshots,
legs or inferred fills.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from engine.messages import (
    Accepted,
    AmendOrder,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Expired,
    Filled,
    Message,
    OutcomeUnknown,
    Rejected,
    Replaced,
    ReplaceRefused,
    Restated,
    TradeBusted,
    TradeCorrected,
)

Trade = tuple[Decimal, Decimal]


class Twin:
    """An order that was sent."""

    def __init__(self, qty: Decimal) -> None:
        self.first = self.qty = qty
        self.ts = 0  # of the newest fact; given by who knows
        self.trades: dict[str, Trade] = {}
        self.gone: dict[str, None] = {}  # trades that are void, whether or not they ever came
        self.known = False  # anything at all has come from the venue
        self.in_doubt = False
        self.end: str | None = None
        self.cancels: dict[str, bool] = {}  # request -> of unknown outcome
        self.replaces: dict[str, tuple[bool, Decimal]] = {}

    # --- what follows from the facts --------------------------------------------------------------

    @property
    def cum(self) -> Decimal:
        return sum((qty for qty, _ in self.trades.values()), Decimal(0))

    @property
    def cost(self) -> Fraction:
        return sum((Fraction(qty) * Fraction(px) for qty, px in self.trades.values()), Fraction(0))

    @property
    def complete(self) -> bool:
        return self.cum >= self.qty and bool(self.trades)

    @property
    def over(self) -> bool:
        return self.complete or self.end is not None

    @property
    def leaves(self) -> Decimal:
        return Decimal(0) if self.over else max(self.qty - self.cum, Decimal(0))

    @property
    def most(self) -> Decimal:
        """The most that may still fill, by the largest terms that can be in force."""
        if self.end is not None:
            return Decimal(0)
        asked = [qty for _, qty in self.replaces.values()]
        return max(max([self.qty, *asked]) - self.cum, Decimal(0))

    @property
    def state(self) -> str:
        if self.complete:
            return "FILLED"
        if self.end is not None:
            return self.end
        unknown = any(self.cancels.values()) or any(flag for flag, _ in self.replaces.values())
        if self.in_doubt or unknown:
            return "IN_DOUBT"
        if self.cancels:
            return "PENDING_CANCEL"
        if self.replaces:
            return "PENDING_REPLACE"
        if self.trades:
            return "PARTIAL"
        return "ACCEPTED" if self.known else "SUBMITTED"

    # --- facts ------------------------------------------------------------------------------------

    def take(self, m: Message) -> None:
        """Note one message."""
        before = dict(self.trades), dict(self.gone)
        getattr(self, type(m).__name__)(m)
        if before != (self.trades, self.gone):
            self._proven()

    def _seen(self) -> None:
        self.known, self.in_doubt = True, False

    def Accepted(self, m: Accepted) -> None:  # noqa: N802
        if not self.over:
            self._seen()

    def Filled(self, m: Filled) -> None:  # noqa: N802
        if m.exec_id in self.trades:
            return
        self._seen()
        if m.revises is not None:
            self.trades.pop(m.revises, None)
            self.gone[m.revises] = None
        if m.exec_id not in self.gone:
            self.trades[m.exec_id] = (m.last_qty, m.last_px)

    def _proven(self) -> None:
        """More than was ordered: the first amend that would explain it has taken effect."""
        if self.end is None and self.cum > self.qty:
            asked = [qty for _, qty in self.replaces.values() if qty >= self.cum]
            self.qty = asked[0] if asked else self.qty

    def TradeBusted(self, m: TradeBusted) -> None:  # noqa: N802
        self._seen()
        self.trades.pop(m.exec_id, None)
        self.gone[m.exec_id] = None

    def TradeCorrected(self, m: TradeCorrected) -> None:  # noqa: N802
        self._seen()
        self.trades.pop(m.exec_id, None)
        self.gone[m.exec_id] = None
        if m.new_exec_id not in self.gone:
            self.trades.setdefault(m.new_exec_id, (m.last_qty, m.last_px))

    def _ended(self, word: str) -> None:
        if self.end is None:
            self.end = word
        if not (self.complete and word == "REJECTED"):
            self.cancels.clear()
            self.replaces.clear()

    def Cancelled(self, m: Cancelled) -> None:  # noqa: N802
        self._ended("CANCELLED")

    def Expired(self, m: Expired) -> None:  # noqa: N802
        self._ended("EXPIRED")

    def Rejected(self, m: Rejected) -> None:  # noqa: N802
        self._ended("REJECTED")

    def CancelOrder(self, m: CancelOrder) -> None:  # noqa: N802
        if not self.over and m.req_id not in self.replaces:
            self.cancels.setdefault(m.req_id, False)

    def AmendOrder(self, m: AmendOrder) -> None:  # noqa: N802
        assert m.order_qty is not None
        blocked = any(flag for flag, _ in self.replaces.values())
        raises = self.complete and self.end is None and m.order_qty > self.cum
        if (self.over and not raises) or blocked or m.req_id in self.cancels:
            return
        self.replaces.setdefault(m.req_id, (False, m.order_qty))

    def CancelRefused(self, m: CancelRefused) -> None:  # noqa: N802
        self.cancels.pop(m.req_id, None)

    def ReplaceRefused(self, m: ReplaceRefused) -> None:  # noqa: N802
        self.replaces.pop(m.req_id, None)

    def Replaced(self, m: Replaced) -> None:  # noqa: N802
        if m.req_id is not None and self.replaces.pop(m.req_id, None) is None:
            return  # a repeated answer
        if self.end is None:
            self._seen()
            assert m.order_qty is not None
            self.qty = m.order_qty

    def Restated(self, m: Restated) -> None:  # noqa: N802
        # perhaps: then only more is believed
        repeated = m.ts < self.ts or (m.ts == self.ts and self.qty != self.first)
        if self.end is None and not (repeated and m.order_qty < self.qty):
            self.qty = m.order_qty

    def OutcomeUnknown(self, m: OutcomeUnknown) -> None:  # noqa: N802
        if m.req_id is None:
            if not self.known and not self.over:
                self.in_doubt = True
        elif m.req_id in self.cancels:
            if self.over:
                del self.cancels[m.req_id]
            else:
                self.cancels[m.req_id] = True
        elif m.req_id in self.replaces:
            self.replaces[m.req_id] = (True, self.replaces[m.req_id][1])
