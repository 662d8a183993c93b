"""The trading floor: how an order is filled, ended and shrunk, and what is said about it.

Reports are collected in :attr:`Floor.out` in the order they became true; the exchange routes them.
A fill is booked on the account before anyone may act on it, and orders that may only reduce are
shrunk right after it, so at no moment could their next fill turn a position over.
"""

from __future__ import annotations

from decimal import Decimal

from ..errors import InvalidValue
from ..messages import (
    Cancelled,
    Expired,
    Filled,
    OrderReport,
    Restated,
    TradeBusted,
    TradeCorrected,
    VenueStatus,
)
from ..values import ZERO, Liquidity, Side
from .account import Account, Slot, fee_for, funds_for
from .book import Book
from .config import ExchangeConfig
from .orders import SimOrder, given

__all__ = ["CHILD_SUFFIX", "Floor"]

CHILD_SUFFIX = "T"  # of the venue id under which an elected order works, where it gets a new one


class Floor:
    """Books, accounts and the reports not yet routed."""

    __slots__ = (
        "_ids_from",
        "accounts",
        "books",
        "config",
        "now",
        "out",
        "rank",
        "skew_ns",
        "stirred",
        "was_skewed",
    )

    def __init__(self, config: ExchangeConfig) -> None:
        self.config = config
        self.books: dict[str, Book] = {}
        self.accounts: dict[str, Account] = {}
        self.out: list[tuple[SimOrder, OrderReport]] = []
        self.now = 0
        self.rank = 0
        self.skew_ns = 0
        self.was_skewed = False
        self.stirred: list[SimOrder] = []  # filled or ended, and tied to others
        self._ids_from = 0  # the rank that order id 0 would have

    @property
    def stamp(self) -> int:
        """What its clock shows: the ``ts`` of what it states."""
        return self.now + self.skew_ns

    def next_rank(self) -> int:
        """Draw a place at the end of time priority."""
        self.rank += 1
        return self.rank

    def next_order_id(self) -> tuple[int, str]:
        """A rank and the order id that goes with it; never the id of an open order."""
        while True:
            rank = self.next_rank()
            order_id = str(rank - self._ids_from)
            if not self._ids_from or not any(
                order_id in account.by_venue and account.by_venue[order_id].is_open
                for account in self.accounts.values()
            ):
                return rank, order_id

    def reuse_order_ids(self) -> None:
        """Number orders from 1 again."""
        self._ids_from = self.rank

    def account_of(self, order: SimOrder) -> Account:
        """The owner of ``order``."""
        return self.accounts[order.terms.account]

    def slot_of(self, order: SimOrder, book: Book) -> Slot:
        """The position ``order`` works on."""
        return self.accounts[order.terms.account].slot(book.instrument, order.terms.slot)

    def fill(
        self,
        order: SimOrder,
        book: Book,
        qty: Decimal,
        px: Decimal,
        liquidity: Liquidity,
        exec_id: str,
    ) -> None:
        """Execute ``qty`` of ``order`` at ``px`` against the outside."""
        self.book_fill(order, book, qty, px, liquidity, exec_id)
        slot = self.slot_of(order, book)
        if slot.reducers:
            self.shrink_reducers(slot, book)

    def book_fill(
        self,
        order: SimOrder,
        book: Book,
        qty: Decimal,
        px: Decimal,
        liquidity: Liquidity,
        exec_id: str,
    ) -> None:
        """Book one side of an execution; the caller shrinks reducers when all sides are booked."""
        terms = order.terms
        account = self.accounts[terms.account]
        instrument = book.instrument
        side, value = terms.side, instrument.notional(qty, px)
        fee, currency = fee_for(self.config.fees, instrument, side, qty, value, liquidity)
        cum_qty = order.cum_qty = order.cum_qty + qty
        order.leaves_qty -= qty
        report = Filled(
            terms.client_order_id,
            self.stamp,
            exec_id,
            qty,
            px,
            fee,
            currency,
            liquidity,
            order.venue_order_id,
            cum_qty,
        )
        self.out.append((order, report))
        account.executions.append((self.now, order, report))
        account.book(account.slot(instrument, terms.slot), side, qty, value, fee, currency)
        book.last = px
        book.prices_moved = True
        if account.links:
            self.stirred.append(order)
        if not order.leaves_qty:
            is_whole = order.order_qty is None or cum_qty >= order.order_qty
            done = VenueStatus.FILLED if is_whole else VenueStatus.CANCELLED  # of a bracket
            self.finish(order, book, done, "" if is_whole else "bracket")
        elif account.is_tracked:
            self.relock(order, book)

    def finish(
        self,
        order: SimOrder,
        book: Book,
        status: VenueStatus,
        reason: str = "",
        req_id: str | None = None,
    ) -> None:
        """End ``order`` wherever it waits, and say so (a complete fill has said it)."""
        self.withdraw(order, book)
        account = self.account_of(order)
        order.status = status
        order.leaves_qty = ZERO
        order.end_ts = self.now
        if account.links:
            self.stirred.append(order)
        if order.locked_currency:
            account.lock(order, "", ZERO)
        account.open.pop(order.venue_order_id, None)
        if order.reduces:
            self.slot_of(order, book).reducers.pop(order.venue_order_id, None)
        terms = order.terms
        if status is VenueStatus.CANCELLED:
            report: OrderReport = Cancelled(
                terms.client_order_id,
                self.stamp,
                req_id,
                reason,
                order.cum_qty,
                order.venue_order_id,
            )
            self.out.append((order, report))
        elif status is VenueStatus.EXPIRED:
            report = Expired(
                terms.client_order_id, self.stamp, reason, order.cum_qty, order.venue_order_id
            )
            self.out.append((order, report))
        if self.config.history_max is not None:
            self._retire(account, order, self.config.history_max)

    def withdraw(self, order: SimOrder, book: Book) -> None:
        """Take an order out of book, triggers and waiting room; it stays open."""
        if order.is_resting:
            book.own_side(order.terms.side).leave(order, given(order.price, "price"))
        elif order.is_idle:
            book.triggers.remove(order)
        elif order.is_waiting:
            order.is_waiting = False
            del book.waiting[order.rank]

    def shrink_reducers(self, slot: Slot, book: Book) -> None:
        """Cut every order that may only reduce ``slot`` to what is left to close."""
        if not any(self._is_over(order, slot) for order in slot.reducers.values()):
            return
        for order in tuple(slot.reducers.values()):
            if order.is_open and self._is_over(order, slot):
                self.shrink(order, book, slot.closable(order.terms.side))

    def shrink(self, order: SimOrder, book: Book, leaves_qty: Decimal) -> None:
        """The venue's own cut of ``order`` to ``leaves_qty``; 0 cancels it."""
        if not leaves_qty:
            self.finish(order, book, VenueStatus.CANCELLED, "reduce_only")
            return
        order.leaves_qty = leaves_qty
        order.order_qty = order.cum_qty + leaves_qty
        report = Restated(order.terms.client_order_id, self.stamp, order.order_qty, "reduce_only")
        self.out.append((order, report))
        if order.locked_currency:
            self.relock(order, book)

    def relock(self, order: SimOrder, book: Book) -> None:
        """Lock what the open quantity of a priced order can still cost."""
        px = order.price if order.price is not None else order.stop_px
        if px is not None and not self.account_of(order).shares_lock(order):
            config = self.config
            currency, amount = funds_for(order, book.instrument, px, config.fees, config.leverage)
            self.account_of(order).lock(order, currency, amount)

    def bust(self, symbol: str, exec_id: str) -> int:
        """Void an execution on every side it has here; returns the number of sides.

        An open order gets its quantity back; a filled one becomes cancelled short of it. Position
        and balances move back at the price of the fill, and the fee is returned.
        """
        book, sides = self.books[symbol], 0
        for account, order, fill in self._take_out(symbol, exec_id):
            sides += 1
            self._give_back(order, fill.last_qty)
            slot = self.slot_of(order, book)
            account.unbook(slot, order.terms.side, fill)
            client_order_id, venue_order_id = order.terms.client_order_id, order.venue_order_id
            self._void(order, TradeBusted(client_order_id, self.stamp, exec_id, venue_order_id))
            self.shrink_reducers(slot, book)
        return sides

    def correct(self, symbol: str, exec_id: str, px: Decimal, qty: Decimal) -> int:
        """Replace an execution on every side it has here; returns the number of sides.

        What it no longer covers is given back as by :meth:`bust`.
        """
        book, sides, new_id = self.books[symbol], 0, ""
        found = self._take_out(symbol, exec_id, qty, px)
        for account, order, fill in found:
            sides += 1
            new_id = new_id or book.next_exec_id()
            self._give_back(order, fill.last_qty - qty)
            terms, slot, venue_id = order.terms, self.slot_of(order, book), order.venue_order_id
            account.unbook(slot, terms.side, fill)
            liquidity = fill.liquidity or Liquidity.MAKER
            value = book.instrument.notional(qty, px)
            fee, currency = fee_for(
                self.config.fees, book.instrument, terms.side, qty, value, liquidity
            )
            account.book(slot, terms.side, qty, value, fee, currency)
            cid, stamp = terms.client_order_id, self.stamp
            listed = Filled(
                cid, stamp, new_id, qty, px, fee, currency, liquidity, venue_id, order.cum_qty,
                exec_id,
            )  # fmt: skip
            account.executions.append((self.now, order, listed))
            told = TradeCorrected(cid, stamp, exec_id, new_id, qty, px, fee, currency, venue_id)
            self._void(order, told)
            self.shrink_reducers(slot, book)
        return sides

    def _take_out(
        self, symbol: str, exec_id: str, qty: Decimal = ZERO, px: Decimal = ZERO
    ) -> list[tuple[Account, SimOrder, Filled]]:
        """Take an execution out of the lists of every account; ``qty`` and ``px`` replace it."""
        found: list[tuple[Account, SimOrder, Filled]] = []
        for account in self.accounts.values():
            for entry in account.executions:
                _, order, fill = entry
                if fill.exec_id == exec_id and order.terms.instrument == symbol:
                    if not (qty.is_finite() and px.is_finite() and ZERO <= qty <= fill.last_qty):
                        raise InvalidValue(
                            f"{symbol} {exec_id}: {fill.last_qty} cannot become {qty} at {px}"
                        )
                    found.append((account, order, fill))
        for account, _, fill in found:
            account.executions = [entry for entry in account.executions if entry[2] is not fill]
        return found

    def _give_back(self, order: SimOrder, qty: Decimal) -> None:
        """Undo a fill's ``qty``: an open order gets it back, a filled one ends short of it."""
        order.cum_qty -= qty
        if order.is_open:
            order.leaves_qty += qty
        elif qty and order.status is VenueStatus.FILLED:
            order.status = VenueStatus.CANCELLED

    def _void(self, order: SimOrder, report: TradeBusted | TradeCorrected) -> None:
        self.out.append((order, report))
        self.account_of(order).voided.append(report)

    def _is_over(self, order: SimOrder, slot: Slot) -> bool:
        if order.is_idle and not self.config.checks_idle_triggers:
            return False
        held = slot.qty if order.terms.side is Side.SELL else -slot.qty
        return order.leaves_qty > held

    def _retire(self, account: Account, order: SimOrder, history_max: int) -> None:
        account.closed[order.venue_order_id] = order
        if len(account.closed) <= 2 * history_max:
            return
        kept = list(account.closed.values())
        dropped, kept = kept[: len(kept) - history_max], kept[len(kept) - history_max :]
        for old in dropped:
            account.by_venue.pop(old.venue_order_id, None)
            account.by_venue.pop(old.venue_order_id.removesuffix(CHILD_SUFFIX), None)
            if account.by_client.get(old.terms.client_order_id) is old:
                del account.by_client[old.terms.client_order_id]
        account.closed = {old.venue_order_id: old for old in kept}
        since = dropped[-1].end_ts
        account.executions_dropped_ts = since
        account.executions = [
            entry for entry in account.executions if entry[0] > since or entry[1].is_open
        ]
