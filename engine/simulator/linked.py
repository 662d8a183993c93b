"""Orders that the venue itself ties: who wakes, grows, shrinks and ends whom.

A bracket's exits *sleep* until its entry fills, then work for what it has filled, and no more,
whatever their own quantity; when the entry has ended that is cut to it. Of two exits the end of
one, however it came, takes the other down; a part that one fills is taken from the other only where
the capabilities say so. The venue explains nothing: what it does are reports of the orders it does
it to.
"""

from __future__ import annotations

from decimal import Decimal

from ..messages import (
    Accepted,
    NativeShape,
    PlaceGroup,
    Restated,
    SubmitOrder,
    VenueStatus,
)
from ..values import ZERO
from .account import Account, SimLink
from .book import Book
from .checks import check_client_id, check_terms
from .floor import Floor
from .matching import elect, settle, work
from .orders import Refusal, RefuseReason, SimOrder
from .placing import new_order, place, would_elect

__all__ = ["follow", "place_group"]


def place_group(floor: Floor, request: PlaceGroup, account: Account) -> list[SimOrder | Refusal]:
    """Take tied orders, each by itself: of a bracket whose entry is refused none, else those that
    can be had.
    """
    shape, orders = request.shape, request.orders
    if shape not in floor.config.capabilities.native_groups:
        no = Refusal(RefuseReason.UNSUPPORTED, f"not supported here: {shape.value} in one call")
        return [no] * len(orders)
    cids = tuple(order.client_order_id for order in orders)
    if any(cid in account.links for cid in cids):
        no = Refusal(RefuseReason.DUPLICATE_CLIENT_ID, "one of them is tied already")
        return [no] * len(orders)
    is_bracket = shape is NativeShape.BRACKET
    exits = cids[1:] if is_bracket else cids
    link = SimLink(cids[0] if is_bracket else "", exits, orders[-1].order_qty or ZERO)
    account.links.update(dict.fromkeys(cids, link))
    placed: list[SimOrder | Refusal] = []
    for order in orders:
        if order.client_order_id == link.entry or not is_bracket:
            placed.append(place(floor, order, account))
        elif isinstance(placed[0], Refusal):
            placed.append(Refusal(RefuseReason.PARENT, "its entry was refused"))
        else:
            placed.append(_put_to_sleep(floor, order, account))
    for cid, one in zip(cids, placed, strict=True):
        if isinstance(one, Refusal):
            account.links.pop(cid)
            link.exits = tuple(other for other in link.exits if other != cid)
    return placed


def follow(floor: Floor) -> None:
    """Have tied orders do what follows from fills and ends, until nothing does."""
    while floor.stirred:
        order = floor.stirred.pop(0)
        account = floor.account_of(order)
        link = account.links.get(order.terms.client_order_id)
        if link is not None:
            _follow(floor, account, link)


def _follow(floor: Floor, account: Account, link: SimLink) -> None:
    entry = account.by_client.get(link.entry)
    exits = [account.by_client[cid] for cid in link.exits]
    whole = link.qty if entry is None else entry.cum_qty
    left = whole - sum((one.cum_qty for one in exits), ZERO)
    may_fill = entry is not None and entry.is_open
    is_over = any(not one.is_open for one in exits) or (left <= ZERO and not may_fill)
    for one in exits:
        if not one.is_open:
            continue
        book = floor.books[one.terms.instrument]
        if is_over:
            floor.finish(one, book, VenueStatus.CANCELLED, "oco")
            continue
        there = min(left, (one.order_qty or ZERO) - one.cum_qty)
        if entry is not None:  # a fee may have taken some of it, or others have closed it
            there = min(there, floor.slot_of(one, book).closable(one.terms.side))
        _come_to(floor, one, book, there)
        if not may_fill and not one.is_sleeping:
            _cut(floor, one)


def _come_to(floor: Floor, order: SimOrder, book: Book, qty: Decimal) -> None:
    """An exit works for this quantity from now on, as far as its venue does that."""
    if qty <= ZERO:
        return
    if order.is_sleeping:
        order.is_sleeping = False
        if order.reduces:
            floor.slot_of(order, book).reducers[order.venue_order_id] = order
    elif qty > order.leaves_qty:
        floor.withdraw(order, book)
    elif qty == order.leaves_qty or not floor.config.capabilities.native_shrinks:
        return
    else:
        order.leaves_qty = qty
        if order.locked_currency:
            floor.relock(order, book)
        return
    order.rank = floor.next_rank()
    order.leaves_qty = qty
    if floor.account_of(order).is_tracked:
        floor.relock(order, book)
    if not order.terms.order_type.has_trigger or order.status is VenueStatus.TRIGGERED:
        work(floor, order, book)
    elif would_elect(order, book):
        elect(floor, order, book)
    else:
        book.triggers.add(order)
    if book.prices_moved:
        settle(floor, book)


def _cut(floor: Floor, order: SimOrder) -> None:
    """Nothing more will come: its own quantity is what it works for."""
    qty = order.cum_qty + order.leaves_qty
    if order.is_open and qty != order.order_qty:
        order.order_qty = qty
        cid = order.terms.client_order_id
        floor.out.append((order, Restated(cid, floor.stamp, qty, "bracket")))


def _put_to_sleep(floor: Floor, terms: SubmitOrder, account: Account) -> SimOrder | Refusal:
    book = floor.books.get(terms.instrument)
    if book is None:
        return Refusal(RefuseReason.UNKNOWN_INSTRUMENT, "no such instrument here")
    caps = floor.config.capabilities
    refusal = check_client_id(account, terms.client_order_id, floor.now, caps) or check_terms(
        terms, book.instrument, floor.now, caps
    )
    if refusal is not None:
        return refusal
    order = new_order(floor, terms)
    if isinstance(order, Refusal):
        return order
    order.is_sleeping = True
    account.by_client[terms.client_order_id] = order
    account.by_venue[order.venue_order_id] = account.open[order.venue_order_id] = order
    accepted = Accepted(terms.client_order_id, floor.stamp, order.venue_order_id)
    floor.out.append((order, accepted))
    return order
