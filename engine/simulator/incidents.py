"""What a simulated venue does by itself: cancels, voids, corrects, restarts, tells a wrong time.

None of this is asked for by an order's owner. Reports wait for :meth:`Exchange.drain` like all
others.
"""

from __future__ import annotations

from decimal import Decimal

from ..errors import InvalidValue
from ..messages import OrderReport, VenueStatus
from ..values import ZERO, Liquidity, PositionSlot, exact
from .book import Book
from .matching import settle
from .placing import find
from .views import Truth

__all__ = ["Incidents"]


class Incidents(Truth):
    """The half of an exchange that acts unasked."""

    __slots__ = ()

    def cancel_all(self, account: str, now_ns: int, instrument: str | None = None) -> int:
        """Cancel every open order (of one instrument); returns their number, reports by drain."""
        floor = self._floor
        with exact():
            self._reach(now_ns)
            chosen = [
                order
                for order in self._account(account).open.values()
                if instrument is None or order.terms.instrument == instrument
            ]
            for order in chosen:
                book = floor.books[order.terms.instrument]
                floor.finish(order, book, VenueStatus.CANCELLED, "cancel_all")
            self._publish()
        return len(chosen)

    def cancel_unasked(self, account: str, client_order_id: str, reason: str, now_ns: int) -> bool:
        """The venue cancels an order by itself; False when it is not open."""
        floor = self._floor
        with exact():
            self._reach(now_ns)
            order = find(self._account(account), client_order_id, None)
            if order is None or not order.is_open:
                return False
            book = floor.books[order.terms.instrument]
            floor.finish(order, book, VenueStatus.CANCELLED, reason)
            self._publish()
        return True

    def execute(self, account: str, client_order_id: str, qty: Decimal, now_ns: int) -> Decimal:
        """Somebody trades up to ``qty`` with a resting order, at its price and past the queue.

        Returns what was traded: 0 when the order does not rest in the book.

        Raises:
            InvalidValue: ``qty`` is not above 0, or not in whole lots.
        """
        floor = self._floor
        with exact():
            self._reach(now_ns)
            order = find(self._account(account), client_order_id, None)
            if order is None or not order.is_resting or order.price is None:
                return ZERO
            book = floor.books[order.terms.instrument]
            if not qty.is_finite() or qty <= ZERO or qty % book.instrument.lot_size:
                raise InvalidValue(f"qty must be whole lots above 0, was {qty}")
            qty = min(qty, order.leaves_qty)
            floor.fill(order, book, qty, order.price, Liquidity.MAKER, book.next_exec_id())
            settle(floor, book)
            self._publish()
        return qty

    def bust(self, symbol: str, exec_id: str, now_ns: int) -> int:
        """Void an execution, on both sides when both were ours; returns how many sides it had."""
        self._book(symbol)
        with exact():
            self._reach(now_ns)
            sides = self._floor.bust(symbol, exec_id)
            self._publish()
        return sides

    def correct(self, symbol: str, exec_id: str, px: Decimal, qty: Decimal, now_ns: int) -> int:
        """Replace an execution by one of another price or a smaller quantity, under a new id.

        Returns how many sides it had. Lists show the new one, naming the one it revises.

        Raises:
            InvalidValue: ``qty`` is above the execution's own, or one of them is no number above 0.
        """
        self._book(symbol)
        if not qty.is_finite() or qty <= ZERO:
            raise InvalidValue(f"a corrected quantity must be above 0, was {qty}; else bust it")
        with exact():
            self._reach(now_ns)
            sides = self._floor.correct(symbol, exec_id, px, qty)
            self._publish()
        return sides

    def move(
        self,
        account: str,
        symbol: str,
        slot: PositionSlot,
        qty: Decimal,
        px: Decimal | None,
        now_ns: int,
    ) -> None:
        """A holding changes by ``qty`` (signed) without a trade: a transfer, an expiry, a
        liquidation. Orders that may only reduce it are cut to what is left.

        Raises:
            InvalidValue: there is no such instrument or account, or ``qty`` is no number.
        """
        book, owner = self._book(symbol), self._account(account)
        if not qty.is_finite():
            raise InvalidValue(f"{symbol}: a holding cannot change by {qty}")
        with exact():
            self._reach(now_ns)
            held = owner.slot(book.instrument, slot)
            owner.move(held, qty, px)
            self._floor.shrink_reducers(held, book)
            self._publish()

    def voided(self, account: str) -> tuple[OrderReport, ...]:
        """Every bust and correction so far: what a venue tells again when a session begins."""
        return tuple(self._account(account).voided)

    def set_clock_skew(self, skew_ns: int) -> None:
        """From now on what it states is stamped ``skew_ns`` off; what happens when stays true."""
        self._floor.skew_ns = skew_ns
        self._floor.was_skewed = True

    def renumber(self, *, orders: bool = True, executions: bool = False) -> None:
        """Give ids again from 1 on, as some venues do after a restart.

        Ids of open orders are left out. An execution id that is given twice on one side of an
        instrument is outside of what an engine can tell apart.
        """
        floor = self._floor
        if orders:
            floor.reuse_order_ids()
        if executions:
            for book in floor.books.values():
                book.exec_count = 0

    def _book(self, symbol: str) -> Book:
        book = self._floor.books.get(symbol)
        if book is None:
            raise InvalidValue(f"no instrument {symbol!r} here; list it first")
        return book

    def _reach(self, now_ns: int) -> None:
        """Move the clock, doing what is due on the way."""
        raise NotImplementedError

    def _publish(self) -> None:
        """Let what was reported wait for its accounts."""
        raise NotImplementedError
