"""The simulated exchange: one deterministic venue with several instruments and accounts.

Time is an argument, in UTC nanoseconds, and never runs backwards (an earlier ``now_ns`` is read as
the latest one seen). The same calls give the same reports, always.

Three ways in:

* **requests** take effect at once (:meth:`Exchange.place`, :meth:`cancel`, :meth:`amend`), or after
  the configured latency (:meth:`Exchange.send`, whose :class:`Ticket` is answered by a later
  :meth:`advance`);
* **the market**: :meth:`set_book`, :meth:`on_quote`, :meth:`on_trade`, :meth:`on_mark`. State a
  trade before the book it left behind: a print sweeps the better levels away;
* **time**: :meth:`advance` does what is due (arrivals, expiries) in order of time;
  :meth:`next_event_ns` says when that is next.

An answer holds the reports of the order it is about. All other reports wait per account and are
fetched by :meth:`drain` once visible. Queries show the venue's own state, without any latency: the
truth the engine is judged by.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal, getcontext, setcontext
from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias

import msgspec

from ..errors import InvalidValue
from ..messages import (
    Amend,
    Cancel,
    OrderReport,
    Place,
    PlaceGroup,
    SubmitOrder,
    VenueStatus,
)
from ..values import CONTEXT, ZERO, Instrument, Side, exact
from .account import Account
from .book import Book, Levels, checked_levels
from .config import ExchangeConfig
from .floor import Floor
from .incidents import Incidents
from .linked import follow, place_group
from .matching import meet_print, meet_quotes, settle
from .orders import Answer, Refusal, RefuseReason, SimOrder
from .placing import amend, find, place

__all__ = ["Exchange", "Ticket"]

VenueRequest: TypeAlias = Place | Cancel | Amend
_DUE_LIMIT: Final = 1024  # entries of the heap before ended orders are looked for
_NO_REPORTS: Final[tuple[OrderReport, ...]] = ()


class Ticket(msgspec.Struct):
    """A request under way; ``answer`` is None until it took effect. Where several orders are placed
    in one call the first has the tickets of the others (``rest``).
    """

    account: str
    request: VenueRequest | PlaceGroup
    effective_ns: int
    visible_ns: int
    answer: Answer | None = None
    rest: tuple[Ticket, ...] = ()


class Exchange(Incidents):
    """See the module's text."""

    __slots__ = ("_due", "_due_limit", "_outbox", "_sequence")

    def __init__(self, config: ExchangeConfig, instruments: Iterable[Instrument] = ()) -> None:
        super().__init__(Floor(config))
        self._outbox: dict[str, deque[tuple[int, OrderReport]]] = {}
        self._due: list[tuple[int, int, Ticket | SimOrder]] = []  # a heap: arrivals and expiries
        self._due_limit = _DUE_LIMIT
        self._sequence = 0
        for instrument in instruments:
            self.list_instrument(instrument)

    # --- set-up ---

    def list_instrument(self, instrument: Instrument) -> None:
        """Start trading ``instrument``; its symbol must be new here."""
        if instrument.symbol in self._floor.books:
            raise InvalidValue(f"instrument {instrument.symbol!r} is listed already")
        self._floor.books[instrument.symbol] = Book(instrument)

    def number_from(self, first: int) -> None:
        """Number executions from ``first`` on, before anything has traded.

        An exchange that lives in memory begins anew with its process; its ids must not.

        Raises:
            InvalidValue: something has traded already.
        """
        books = self._floor.books.values()
        if any(book.exec_count for book in books):
            raise InvalidValue("executions are numbered already; an id is never given twice")
        for book in books:
            book.exec_count = first - 1

    @property
    def has_traded(self) -> bool:
        """Whether any execution was numbered."""
        return any(book.exec_count for book in self._floor.books.values())

    def open_account(self, name: str, balances: Mapping[str, Decimal] | None = None) -> None:
        """Open an account; with ``balances`` orders it cannot pay for are refused."""
        if name in self._floor.accounts:
            raise InvalidValue(f"account {name!r} is open already")
        self._floor.accounts[name] = Account(name, None if balances is None else dict(balances))
        self._outbox[name] = deque()

    # --- requests ---

    def place(self, order: SubmitOrder, now_ns: int) -> Answer:
        """Place ``order`` on its account, effective now."""
        previous = getcontext()
        setcontext(CONTEXT)
        try:
            self._reach(now_ns)
            return self._place(order)
        finally:
            setcontext(previous)

    def cancel(self, account: str, request: Cancel, now_ns: int) -> Answer:
        """Cancel the rest of an order, effective now; refused when it is unknown or closed."""
        with exact():
            self._reach(now_ns)
            return self._cancel(account, request)

    def amend(self, account: str, request: Amend, now_ns: int) -> Answer:
        """Change the terms of an order, effective now; a refusal leaves it as it was."""
        with exact():
            self._reach(now_ns)
            return self._amend(account, request)

    def send(self, account: str, request: VenueRequest, now_ns: int, delay_ns: int = 0) -> Ticket:
        """Send a request that takes effect after the latency, or at once when there is none.

        ``delay_ns`` is how long it is held up on the way, beyond that.
        """
        now_ns = max(now_ns, self._floor.now)
        config = self.config
        effective_ns = now_ns + config.latency_out_ns + delay_ns
        ticket = Ticket(account, request, effective_ns, effective_ns + config.latency_in_ns)
        if effective_ns == now_ns:
            with exact():
                self._reach(now_ns)
                ticket.answer = self._perform(ticket)
        else:
            self._sequence += 1
            heappush(self._due, (effective_ns, self._sequence, ticket))
        return ticket

    def send_group(
        self, account: str, request: PlaceGroup, now_ns: int, delay_ns: int = 0
    ) -> tuple[Ticket, ...]:
        """As :meth:`send`, for orders that the venue ties: a ticket for each of them."""
        now_ns = max(now_ns, self._floor.now)
        effective_ns = now_ns + self.config.latency_out_ns + delay_ns
        visible_ns = effective_ns + self.config.latency_in_ns
        first, *rest = [Ticket(account, request, effective_ns, visible_ns) for _ in request.orders]
        first.rest = tuple(rest)
        if effective_ns == now_ns:
            with exact():
                self._reach(now_ns)
                first.answer = self._perform(first)
        else:
            self._sequence += 1
            heappush(self._due, (effective_ns, self._sequence, first))
        return first, *rest

    # --- time ---

    def next_event_ns(self) -> int | None:
        """When :meth:`advance` or :meth:`drain` next has something to do; None for never."""
        due = self._due
        while due and isinstance(due[0][2], SimOrder) and not _is_live(due[0]):
            heappop(due)
        times = [queue[0][0] for queue in self._outbox.values() if queue]
        if due:
            times.append(due[0][0])
        return min(times, default=None)

    def advance(self, now_ns: int) -> None:
        """Let time pass: everything due up to ``now_ns`` happens, each at its own time."""
        with exact():
            self._reach(now_ns)

    def drain(self, account: str, now_ns: int) -> tuple[OrderReport, ...]:
        """Reports for ``account`` visible by ``now_ns`` that are in no answer, in order."""
        queue = self._outbox[account]
        if not queue or queue[0][0] > now_ns:
            return _NO_REPORTS
        found: list[OrderReport] = []
        while queue and queue[0][0] <= now_ns:
            found.append(queue.popleft()[1])
        return tuple(found)

    # --- the market ---

    def set_book(self, symbol: str, bids: Levels, asks: Levels, now_ns: int) -> None:
        """State the outside book, best first; it replaces the last one.

        Raises:
            InvalidValue: no venue could show this book; nothing has changed.
        """
        book = self._book(symbol)
        checked_levels(bids, asks, symbol)
        with exact():
            self._reach(now_ns)
            lot, config, floor = book.instrument.lot_size, self.config, self._floor
            book.bids.state(bids, lot, config)
            book.asks.state(asks, lot, config)
            meet_quotes(floor, book)
            if config.last_from_quotes:
                _pull_last(book)
            settle(floor, book)
            self._publish()

    def on_quote(
        self,
        symbol: str,
        bid_px: Decimal | None,
        bid_qty: Decimal | None,
        ask_px: Decimal | None,
        ask_qty: Decimal | None,
        now_ns: int,
    ) -> None:
        """State the best prices; what lies beyond them is not known. ``None`` is an empty side."""
        bids = () if bid_px is None else ((bid_px, bid_qty or ZERO),)
        asks = () if ask_px is None else ((ask_px, ask_qty or ZERO),)
        self.set_book(symbol, bids, asks, now_ns)

    def on_trade(
        self, symbol: str, px: Decimal, qty: Decimal, aggressor: Side | None, now_ns: int
    ) -> None:
        """Others traded ``qty`` at ``px``; ``aggressor`` is who took (None: not told)."""
        book = self._book(symbol)
        if not (px.is_finite() and qty.is_finite()) or qty <= ZERO:
            raise InvalidValue(f"{symbol}: an impossible trade: {qty} at {px}")
        with exact():
            self._reach(now_ns)
            meet_print(self._floor, book, px, qty, aggressor)
            settle(self._floor, book)
            self._publish()

    def on_mark(self, symbol: str, px: Decimal, now_ns: int) -> None:
        """The venue's mark price moved."""
        book = self._book(symbol)
        if not px.is_finite():
            raise InvalidValue(f"{symbol}: an impossible mark price: {px}")
        with exact():
            self._reach(now_ns)
            book.mark = px
            settle(self._floor, book)
            self._publish()

    # --- inside ---

    def _reach(self, now_ns: int) -> None:
        """Move the clock, doing what is due on the way; the caller installed the context."""
        floor = self._floor
        while self._due and self._due[0][0] <= now_ns:
            at_ns, _, what = entry = heappop(self._due)
            if isinstance(what, Ticket):
                floor.now = max(floor.now, at_ns)
                what.answer = self._perform(what)
            elif _is_live(entry):
                floor.now = max(floor.now, at_ns)
                reason = what.terms.time_in_force.value.lower()
                floor.finish(what, floor.books[what.terms.instrument], VenueStatus.EXPIRED, reason)
                self._publish()
        if now_ns > floor.now:
            floor.now = now_ns

    def _perform(self, ticket: Ticket) -> Answer:
        request = ticket.request
        if isinstance(request, Place):
            return self._place(request.order)
        if isinstance(request, Cancel):
            return self._cancel(ticket.account, request)
        if isinstance(request, PlaceGroup):
            first, *rest = self._place_group(ticket.account, request)
            for one, answer in zip(ticket.rest, rest, strict=True):
                one.answer = answer
            return first
        return self._amend(ticket.account, request)

    def _place(self, order: SubmitOrder) -> Answer:
        placed = place(self._floor, order, self._account(order.account))
        if isinstance(placed, Refusal):
            return placed
        self._expire_later(placed)
        return self._answer(placed)

    def _place_group(self, account: str, request: PlaceGroup) -> list[Answer]:
        placed = place_group(self._floor, request, self._account(account))
        follow(self._floor)
        answers: list[Answer] = []
        for one in placed:
            if isinstance(one, SimOrder):
                self._expire_later(one)
            mine = [report for owner, report in self._floor.out if owner is one]
            answers.append(one if isinstance(one, Refusal) else tuple(mine))
        self._floor.out[:] = [it for it in self._floor.out if it[0] not in placed]
        self._publish()
        return answers

    def _expire_later(self, placed: SimOrder) -> None:
        if placed.expire_ns is not None and placed.is_open:
            self._sequence += 1
            heappush(self._due, (placed.expire_ns, self._sequence, placed))
            if len(self._due) > self._due_limit:
                self._forget_ended()

    def _cancel(self, account: str, request: Cancel) -> Answer:
        floor = self._floor
        order = find(self._account(account), request.client_order_id, request.venue_order_id)
        if order is None:
            what = request.client_order_id[:80]
            return Refusal(RefuseReason.UNKNOWN_ORDER, f"no order {what!r}")
        if not order.is_open:
            return Refusal(
                RefuseReason.ORDER_CLOSED,
                f"order {order.venue_order_id} is {order.status.value}, filled {order.cum_qty}",
            )
        book = floor.books[order.terms.instrument]
        floor.finish(order, book, VenueStatus.CANCELLED, "", request.req_id)
        return self._answer(order)

    def _amend(self, account: str, request: Amend) -> Answer:
        amended = amend(self._floor, request, self._account(account))
        return amended if isinstance(amended, Refusal) else self._answer(amended)

    def _forget_ended(self) -> None:
        """Orders that ended before their time leave the heap, so it grows with open orders only."""
        self._due = [
            entry for entry in self._due if isinstance(entry[2], Ticket) or _is_live(entry)
        ]
        heapify(self._due)
        self._due_limit = max(_DUE_LIMIT, 2 * len(self._due))

    def _answer(self, order: SimOrder) -> tuple[OrderReport, ...]:
        """Split what happened: reports of ``order`` are the answer, others go to their accounts."""
        if self._floor.stirred:
            follow(self._floor)
        out = self._floor.out
        answer: list[OrderReport] = []
        has_others = False
        for owner, report in out:
            if owner is order:
                answer.append(report)
            else:
                has_others = True
        if has_others:
            out[:] = [entry for entry in out if entry[0] is not order]
            self._publish()
        else:
            out.clear()
        return tuple(answer)

    def _publish(self) -> None:
        if self._floor.stirred:
            follow(self._floor)
        out = self._floor.out
        if out:
            visible_ns = self._floor.now + self.config.latency_in_ns
            for order, report in out:
                self._outbox[order.terms.account].append((visible_ns, report))
            out.clear()


def _is_live(entry: tuple[int, int, Ticket | SimOrder]) -> bool:
    order = entry[2]
    return isinstance(order, SimOrder) and order.is_open


def _pull_last(book: Book) -> None:
    bid, ask = book.bids.top()[0], book.asks.top()[0]
    if bid is not None and (book.last is None or book.last < bid):
        book.last = bid
    if ask is not None and (book.last is None or book.last > ask):
        book.last = ask
