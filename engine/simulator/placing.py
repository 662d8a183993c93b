"""Placing, amending and cancelling at the venue, at the instant the request takes effect.

Each function ends in a refusal that changed nothing, or leaves its reports in ``floor.out``. A
refused placement leaves no trace: its client id stays free.
"""

from __future__ import annotations

from decimal import Decimal

from ..capabilities import ReduceOnlyRule
from ..messages import Accepted, Amend, Replaced, Restated, SubmitOrder, VenueStatus
from ..values import (
    ZERO,
    OrderType,
    TimeInForce,
    TriggerSource,
    round_down,
)
from .account import Account
from .book import Book
from .checks import (
    check_client_id,
    check_funds,
    check_notional,
    check_post_only,
    check_price,
    check_qty,
    check_terms,
)
from .floor import Floor
from .matching import crosses, elect, path, settle, work
from .orders import Refusal, RefuseReason, SimOrder, closes_slot
from .triggers import is_due, trail

__all__ = ["amend", "find", "new_order", "place", "would_elect"]


def place(floor: Floor, terms: SubmitOrder, account: Account) -> SimOrder | Refusal:
    """Take an order: check, acknowledge, then let it work or wait for its trigger."""
    book = floor.books.get(terms.instrument)
    if book is None:
        return Refusal(
            RefuseReason.UNKNOWN_INSTRUMENT, f"no instrument {terms.instrument[:80]!r} here"
        )
    caps = floor.config.capabilities
    refusal = check_client_id(account, terms.client_order_id, floor.now, caps) or check_terms(
        terms, book.instrument, floor.now, caps
    )
    if refusal is not None:
        return refusal
    if terms.cash_qty is not None:
        return _place_cash(floor, terms, terms.cash_qty, account, book)
    order = new_order(floor, terms)
    if isinstance(order, Refusal):
        return order
    is_trigger = terms.order_type.has_trigger
    is_electable = is_trigger and would_elect(order, book)
    asked = order.leaves_qty
    refusal = (
        check_notional(
            asked,
            _priced(order.price, order.stop_px),
            order.reduces,
            book,
            terms.side,
            floor.config,
        )
        or (_check_reduces(floor, order, book) if order.reduces else None)
        or (check_post_only(order, book) if terms.post_only and not is_trigger else None)
    )
    if refusal is None and is_electable and floor.config.refuse_immediate_trigger:
        refusal = Refusal(
            RefuseReason.WOULD_TRIGGER, f"stop_px {order.stop_px} would be elected at once"
        )
    if refusal is None and account.is_tracked:
        refusal = check_funds(floor, order, book)
    if refusal is not None:
        return refusal
    _admit(floor, order, account, book)
    client_order_id, venue_order_id = terms.client_order_id, order.venue_order_id
    floor.out.append((order, Accepted(client_order_id, floor.stamp, venue_order_id)))
    if order.leaves_qty != asked:
        restated = Restated(client_order_id, floor.stamp, order.leaves_qty, "reduce_only")
        floor.out.append((order, restated))
    if not is_trigger:
        work(floor, order, book)
    elif is_electable:
        elect(floor, order, book)
    else:
        book.triggers.add(order)
    if book.prices_moved:
        settle(floor, book)
    return order


def _priced(price: Decimal | None, stop_px: Decimal | None) -> Decimal | None:
    return price if price is not None else stop_px


def new_order(floor: Floor, terms: SubmitOrder) -> SimOrder | Refusal:
    """An order as it is when it arrives; nobody knows it yet."""
    expire_ns = terms.expire_ts
    if terms.time_in_force is TimeInForce.DAY:
        expire_ns = floor.config.calendar.end_after(floor.now)
        if expire_ns is None:
            return Refusal(RefuseReason.EXPIRY, f"no session is known after {floor.now}")
    rank, venue_order_id = floor.next_order_id()
    qty = terms.order_qty
    return SimOrder(
        terms,
        venue_order_id,
        rank,
        floor.now,
        qty,
        ZERO if qty is None else qty,
        terms.price,
        terms.stop_px,
        terms.reduce_only or closes_slot(terms.slot, terms.side),
        expire_ns,
    )


def _admit(floor: Floor, order: SimOrder, account: Account, book: Book) -> None:
    venue_order_id = order.venue_order_id
    account.by_client[order.terms.client_order_id] = order
    account.by_venue[venue_order_id] = account.open[venue_order_id] = order
    if order.reduces:
        floor.slot_of(order, book).reducers[venue_order_id] = order
    if account.is_tracked:
        floor.relock(order, book)


def _place_cash(
    floor: Floor, terms: SubmitOrder, cash_qty: Decimal, account: Account, book: Book
) -> SimOrder | Refusal:
    """A market order for an amount of money: as many lots as it buys (or yields) now.

    When the money is used up to less than one lot the order is complete, and its acknowledgement
    states the quantity; when the book ends first, the rest is cancelled.
    """
    order = new_order(floor, terms)
    if isinstance(order, Refusal):
        return order
    if order.reduces:
        return Refusal(RefuseReason.UNSUPPORTED, "not supported here: cash_qty that reduces a slot")
    lot = book.instrument.lot_size
    left, qty, spent = cash_qty, ZERO, False
    for price, size, _ in path(order, book.facing(terms.side)):
        part = min(size, round_down(left / (price * book.instrument.multiplier), lot))
        qty += part
        left -= part * price * book.instrument.multiplier
        if part < size:
            spent = True
            break
    if spent and not qty:
        return Refusal(RefuseReason.MIN_QTY, f"cash_qty {cash_qty} does not buy one lot of {lot}")
    order.leaves_qty = qty
    refusal = check_funds(floor, order, book)
    if refusal is not None:
        return refusal
    if spent:
        order.order_qty = qty
    else:
        order.leaves_qty = (
            qty + lot
        )  # never reached: the book ends first, and the rest is cancelled
    _admit(floor, order, account, book)
    accepted = Accepted(terms.client_order_id, floor.stamp, order.venue_order_id, order.order_qty)
    floor.out.append((order, accepted))
    work(floor, order, book)
    if book.prices_moved:
        settle(floor, book)
    return order


def would_elect(order: SimOrder, book: Book) -> bool:
    """Whether a trigger order would be elected by the price as it is."""
    source = order.terms.trigger_source
    if source is TriggerSource.LAST:
        price = book.last
    elif source is TriggerSource.MARK:
        price = book.mark
    else:
        price = book.mid()
    if price is None:
        return False
    if order.terms.order_type is OrderType.TRAILING_STOP:
        trail(order, price)
    return is_due(order, price)


def _check_reduces(floor: Floor, order: SimOrder, book: Book) -> Refusal | None:
    """Apply the reduce-only rule on arrival; CLAMP cuts ``order`` in place."""
    config = floor.config
    if order.terms.order_type.has_trigger and not config.checks_idle_triggers:
        return None
    closable = floor.slot_of(order, book).closable(order.terms.side)
    if order.leaves_qty <= closable:
        return None
    if not closable or config.capabilities.reduce_only is not ReduceOnlyRule.CLAMP:
        return Refusal(
            RefuseReason.REDUCE_ONLY,
            f"{order.terms.side.value} {order.leaves_qty} may only reduce, closable are {closable}",
        )
    order.order_qty = order.leaves_qty = closable
    return None


def find(account: Account, client_order_id: str, venue_order_id: str | None) -> SimOrder | None:
    """An order of this account, open or closed, by either id; the client id is believed first."""
    order = account.by_client.get(client_order_id) if client_order_id else None
    if order is None and venue_order_id is not None:
        order = account.by_venue.get(venue_order_id)
    return order


def amend(floor: Floor, request: Amend, account: Account) -> SimOrder | Refusal:
    """Change terms. Only a smaller quantity keeps the place in the queue.

    A total at or below what has filled completes the order. A refusal leaves the old terms in
    force, place included.
    """
    order = find(account, request.client_order_id, request.venue_order_id)
    if order is None:
        return Refusal(RefuseReason.UNKNOWN_ORDER, f"no order {request.client_order_id[:80]!r}")
    if not order.is_open:
        return Refusal(
            RefuseReason.ORDER_CLOSED,
            f"order {order.venue_order_id} is {order.status.value}, filled {order.cum_qty}",
        )
    if not floor.config.capabilities.amend:
        return Refusal(RefuseReason.UNSUPPORTED, "not supported here: amend")
    book = floor.books[order.terms.instrument]
    qty = request.order_qty if request.order_qty is not None else order.order_qty
    price = request.price if request.price is not None else order.price
    stop_px = request.stop_px if request.stop_px is not None else order.stop_px
    if qty is None or (
        qty == order.order_qty and price == order.price and stop_px == order.stop_px
    ):
        return Refusal(RefuseReason.NO_CHANGE, "the amend changes nothing")
    refusal = _check_amend(order, book, request, price)
    if refusal is not None:
        return refusal
    if order.is_sleeping:
        order.order_qty, order.leaves_qty, order.price, order.stop_px = qty, qty, price, stop_px
        _report_replaced(floor, order, request, request.order_qty)
        return order
    if qty <= order.cum_qty:
        _report_replaced(floor, order, request, order.cum_qty)
        order.order_qty = order.cum_qty
        floor.finish(order, book, VenueStatus.FILLED)
        return order
    return _apply_amend(floor, order, book, request, qty, price, stop_px)


def _check_amend(
    order: SimOrder, book: Book, request: Amend, price: Decimal | None
) -> Refusal | None:
    instrument = book.instrument
    if request.order_qty is not None:
        refusal = check_qty(request.order_qty, instrument)
        if refusal is not None:
            return refusal
    if request.price is not None:
        if order.price is None:
            return Refusal(RefuseReason.PRICE, f"{order.terms.order_type.value} takes no price")
        refusal = check_price(request.price, instrument, "price")
        if refusal is not None:
            return refusal
    if request.stop_px is not None:
        if not (order.is_idle or order.is_sleeping):
            return Refusal(RefuseReason.TRIGGER, "the order does not wait for a trigger")
        refusal = check_price(request.stop_px, instrument, "stop_px")
        if refusal is not None:
            return refusal
    crossing = order.terms.post_only and not order.is_idle and price is not None
    if crossing and price is not None and crosses(book.facing(order.terms.side), price):
        return Refusal(RefuseReason.WOULD_CROSS, f"post_only at {price} would trade at once")
    return None


def _apply_amend(
    floor: Floor,
    order: SimOrder,
    book: Book,
    request: Amend,
    qty: Decimal,
    price: Decimal | None,
    stop_px: Decimal | None,
) -> SimOrder | Refusal:
    leaves = order.leaves_qty if request.order_qty is None else qty - order.cum_qty
    if order.reduces and (floor.config.checks_idle_triggers or not order.is_idle):
        closable = floor.slot_of(order, book).closable(order.terms.side)
        if leaves > closable:
            if floor.config.capabilities.reduce_only is not ReduceOnlyRule.CLAMP:
                return Refusal(
                    RefuseReason.REDUCE_ONLY, f"{leaves} may only reduce, closable are {closable}"
                )
            leaves = closable
    terms = order.terms
    px = _priced(price, stop_px)
    refusal = check_notional(leaves, px, order.reduces, book, terms.side, floor.config)
    old = (order.order_qty, order.leaves_qty, order.price, order.stop_px)
    if refusal is None and floor.account_of(order).is_tracked:
        order.leaves_qty, order.price, order.stop_px = leaves, price, stop_px
        refusal = check_funds(floor, order, book)
        order.leaves_qty, order.price, order.stop_px = old[1:]
    if refusal is not None:
        return refusal
    was_idle = order.is_idle
    keeps_place = not was_idle and price == order.price and leaves <= order.leaves_qty
    if not keeps_place:
        floor.withdraw(order, book)
        order.rank = floor.next_rank()
    order.order_qty, order.leaves_qty = order.cum_qty + leaves, leaves
    order.price, order.stop_px = price, stop_px
    _report_replaced(floor, order, request, order.order_qty if order.order_qty != old[0] else None)
    if floor.account_of(order).is_tracked:
        floor.relock(order, book)
    if was_idle:
        if would_elect(order, book):
            elect(floor, order, book)
        else:
            book.triggers.add(order)
    elif not keeps_place:
        work(floor, order, book)
    if book.prices_moved:
        settle(floor, book)
    return order


def _report_replaced(floor: Floor, order: SimOrder, request: Amend, qty: Decimal | None) -> None:
    report = Replaced(
        order.terms.client_order_id,
        floor.stamp,
        request.req_id,
        qty,
        request.price,
        request.stop_px,
        order.venue_order_id,
    )
    floor.out.append((order, report))
