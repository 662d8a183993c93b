"""Who trades with whom, at which price, in which order.

An arriving order walks the facing side from its best price: outside size and our resting orders in
price-time priority, each at the resting price. Outside trading fills our resting orders at their
own price. No order ever trades beyond its limit, and an elected stop has no price memory: it takes
what the book holds when it is matched, so a gap fills at the gapped price.

An order elected by a print that emptied the side it takes from waits for the next stated book: the
print proves that the old levels are gone, and what replaced them has not been said yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ..messages import Triggered, VenueStatus
from ..values import ZERO, Liquidity, Side, TimeInForce, TriggerSource
from .account import funds_for
from .book import Book, BookSide
from .config import QueueModel, SelfTradeRule
from .floor import CHILD_SUFFIX, Floor
from .orders import SimOrder

__all__ = ["best_case", "meet_print", "meet_quotes", "settle", "work"]


def work(floor: Floor, order: SimOrder, book: Book) -> None:
    """Match a new, elected or repriced order; then rest what may rest and cancel what may not."""
    terms = order.terms
    facing = book.facing(terms.side)
    price = order.price
    if terms.post_only and price is not None and crosses(facing, price):
        floor.finish(order, book, VenueStatus.CANCELLED, "post_only")
        return
    if price is None and facing.was_swept and facing.best_price() is None:
        if order.status is VenueStatus.TRIGGERED:
            order.is_waiting = True
            book.waiting[order.rank] = order
            return
    tif = terms.time_in_force
    if tif is TimeInForce.FOK and not is_fillable(floor, order, facing):
        floor.finish(order, book, VenueStatus.CANCELLED, "fok")
        return
    if price is None and order.locked_currency and not is_affordable(floor, order, book):
        floor.finish(order, book, VenueStatus.CANCELLED, "insufficient_balance")
        return
    take(floor, order, book, facing)
    if not order.is_open:
        return
    if price is None:
        floor.finish(order, book, VenueStatus.CANCELLED, "no_liquidity")
    elif tif is TimeInForce.IOC or tif is TimeInForce.FOK:
        floor.finish(order, book, VenueStatus.CANCELLED, "ioc")
    else:
        book.own_side(terms.side).join(order, price, floor.config.queue_model)


def take(floor: Floor, order: SimOrder, book: Book, facing: BookSide) -> None:
    """Walk the facing side until ``order`` is done, its limit is reached, or nothing is left."""
    limit = order.price
    is_buy = order.terms.side is Side.BUY
    stays_taken = floor.config.taken_stays_taken
    while order.leaves_qty and order.is_open:
        outside = facing.best_outside()
        own = facing.best_own()
        ahead: Decimal | None = None
        is_own_turn = False
        price = outside
        if own is not None:
            if outside is None or facing.is_better(own, outside):
                price, is_own_turn = own, True
            elif own == outside:
                level = facing.levels[own]
                ahead = level.ahead_of(level.front())
                is_own_turn = ahead == ZERO
        if price is None:
            return
        if limit is not None and (price > limit if is_buy else price < limit):
            return
        if is_own_turn:
            if not trade(floor, order, facing.levels[price].front(), book, price):
                return
            continue
        qty = min(order.leaves_qty, facing.best_size())
        if ahead is not None and ahead < qty:
            qty = ahead
        facing.take(qty, stays_taken)
        floor.fill(order, book, qty, price, Liquidity.TAKER, book.next_exec_id())


def trade(floor: Floor, taker: SimOrder, maker: SimOrder, book: Book, price: Decimal) -> bool:
    """Let two of our orders meet at the maker's price; False when the taker was cancelled instead.

    Both sides carry one execution id. Both are booked before reducers are shrunk: between the two
    bookings of a self-trade the position is not real.
    """
    if taker.terms.account == maker.terms.account:
        rule = floor.config.self_trade
        if rule is SelfTradeRule.CANCEL_NEWEST:
            floor.finish(taker, book, VenueStatus.CANCELLED, "self_trade")
            return False
        if rule is SelfTradeRule.CANCEL_OLDEST:
            floor.finish(maker, book, VenueStatus.CANCELLED, "self_trade")
            return True
    qty = min(taker.leaves_qty, maker.leaves_qty)
    exec_id = book.next_exec_id()
    floor.book_fill(maker, book, qty, price, Liquidity.MAKER, exec_id)
    floor.book_fill(taker, book, qty, price, Liquidity.TAKER, exec_id)
    for order in (maker, taker):
        slot = floor.slot_of(order, book)
        if slot.reducers:
            floor.shrink_reducers(slot, book)
    return True


def meet_quotes(floor: Floor, book: Book) -> None:
    """A new outside book: levels that cross our resting orders fill them, at our price."""
    needs_through = floor.config.queue_model is QueueModel.THROUGH
    for side in (Side.BUY, Side.SELL):
        own_side, facing = book.own_side(side), book.facing(side)
        while True:
            own, outside = own_side.best_own(), facing.best_outside()
            if own is None or outside is None or facing.is_better(own, outside):
                break
            if own == outside and needs_through:
                break
            maker = own_side.levels[own].front()
            qty = min(maker.leaves_qty, facing.best_size())
            facing.take(qty, floor.config.taken_stays_taken)
            floor.fill(maker, book, qty, own, Liquidity.MAKER, book.next_exec_id())
    for order in tuple(book.waiting.values()):
        if order.is_waiting:
            floor.withdraw(order, book)
            work(floor, order, book)


def meet_print(floor: Floor, book: Book, px: Decimal, qty: Decimal, aggressor: Side | None) -> None:
    """Outside volume ``qty`` traded at ``px``. Our fills from it never sum to more than it.

    Orders priced better than ``px`` come first (the market traded through them), then those at
    ``px``, after the outside volume ahead of them. Without an ``aggressor`` the displayed book
    tells the side, or nobody at ``px`` fills.
    """
    if aggressor is None:
        bid, ask = book.bids.top()[0], book.asks.top()[0]
        if bid is not None and px <= bid:
            aggressor = Side.SELL
        elif ask is not None and px >= ask:
            aggressor = Side.BUY
    hit = None if aggressor is None else book.own_side(aggressor.opposite)
    if hit is not None:
        hit.meet_print(px)
    budget = _trade_through(floor, book, book.bids, px, qty)
    budget = _trade_through(floor, book, book.asks, px, budget)
    if hit is not None and budget:
        hit.pass_print(px, _trade_at(floor, book, hit, px, budget))
    book.last = px
    book.prices_moved = True


def _trade_through(
    floor: Floor, book: Book, own_side: BookSide, px: Decimal, budget: Decimal
) -> Decimal:
    for price in own_side.own_prices():
        if not own_side.is_better(price, px):
            break
        level = own_side.levels.get(price)
        if level is None:
            continue  # an earlier fill here cancelled what rested there
        level.forget_ahead()
        while budget and level.queue:
            maker = level.front()
            qty = min(maker.leaves_qty, budget)
            budget -= qty
            floor.fill(maker, book, qty, price, Liquidity.MAKER, book.next_exec_id())
    return budget


def _trade_at(
    floor: Floor, book: Book, own_side: BookSide, px: Decimal, budget: Decimal
) -> Decimal:
    """Spend ``budget`` on the queue at ``px``; returns the part that traded against the outside."""
    level = own_side.levels.get(px)
    if level is None or floor.config.queue_model is QueueModel.THROUGH:
        return budget
    passed = ZERO
    while budget and level.queue:
        maker = level.front()
        ahead = level.ahead_of(maker)
        if ahead is None:
            break  # never displayed: an unknown volume stands ahead
        if ahead:
            gone = min(ahead, budget)
            level.gone += gone
            budget -= gone
            passed += gone
            continue
        qty = min(maker.leaves_qty, budget)
        budget -= qty
        floor.fill(maker, book, qty, px, Liquidity.MAKER, book.next_exec_id())
    return passed + budget


def settle(floor: Floor, book: Book) -> None:
    """Elect trigger orders until nobody is due; their own fills move the last price, too."""
    triggers = book.triggers
    while triggers.count:
        prices = {
            TriggerSource.LAST: book.last,
            TriggerSource.MARK: book.mark,
            TriggerSource.MID: book.mid() if triggers.watches_mid else None,
        }
        order = triggers.pop_due(prices)
        if order is None:
            break
        elect(floor, order, book)
    book.prices_moved = False


def elect(floor: Floor, order: SimOrder, book: Book) -> None:
    """The trigger was reached: the order works from now on."""
    order.status = VenueStatus.TRIGGERED
    if floor.config.child_on_trigger:
        account, slot = floor.account_of(order), floor.slot_of(order, book)
        parent, child = order.venue_order_id, order.venue_order_id + CHILD_SUFFIX
        del account.open[parent]
        account.open[child] = account.by_venue[child] = order
        if slot.reducers.pop(parent, None) is not None:
            slot.reducers[child] = order
        order.venue_order_id = child
    report = Triggered(order.terms.client_order_id, floor.stamp, order.venue_order_id)
    floor.out.append((order, report))
    if order.reduces:
        closable = floor.slot_of(order, book).closable(order.terms.side)
        if order.leaves_qty > closable:
            floor.shrink(order, book, closable)
            if not order.is_open:
                return
    work(floor, order, book)


def crosses(facing: BookSide, price: Decimal) -> bool:
    """Whether an order at ``price`` would trade against ``facing`` at once."""
    best = facing.best_price()
    return best is not None and not facing.is_better(price, best)


def path(order: SimOrder, facing: BookSide) -> Iterator[tuple[Decimal, Decimal, SimOrder | None]]:
    """What ``order`` would meet, in priority order: price, size, our resting order or None."""
    limit = order.price
    outside = dict(facing.outside())
    prices = sorted({**outside, **facing.levels}, reverse=facing.is_bid)
    for price in prices:
        if limit is not None and facing.is_better(limit, price):
            return
        rest = outside.get(price, ZERO)
        used = ZERO
        level = facing.levels.get(price)
        if level is not None:
            for maker in level.queue.values():
                ahead = level.ahead_of(maker)
                before = rest if ahead is None else min(rest, max(ZERO, ahead - used))
                if before:
                    used += before
                    rest -= before
                    yield price, before, None
                yield price, maker.leaves_qty, maker
        if rest:
            yield price, rest, None


def best_case(
    floor: Floor, order: SimOrder, facing: BookSide, wanted: Decimal
) -> tuple[Decimal, Decimal]:
    """What ``order`` would get now, up to ``wanted``: quantity, and price times quantity."""
    got = value = ZERO
    rule = floor.config.self_trade
    for price, size, maker in path(order, facing):
        if maker is not None and maker.terms.account == order.terms.account:
            if rule is SelfTradeRule.CANCEL_NEWEST:
                break
            if rule is SelfTradeRule.CANCEL_OLDEST:
                continue
        part = min(size, wanted - got)
        got += part
        value += part * price
        if got >= wanted:
            break
    return got, value


def is_fillable(floor: Floor, order: SimOrder, facing: BookSide) -> bool:
    """Whether all of ``order`` would fill at once."""
    return best_case(floor, order, facing, order.leaves_qty)[0] >= order.leaves_qty


def is_affordable(floor: Floor, order: SimOrder, book: Book) -> bool:
    """Whether the account can pay for a market order at the book as it is, its lock included."""
    facing = book.facing(order.terms.side)
    got, value = best_case(floor, order, facing, order.leaves_qty)
    if not got:
        return True
    config = floor.config
    worst = value / got
    currency, amount = funds_for(order, book.instrument, worst, config.fees, config.leverage)
    own = order.locked if order.locked_currency == currency else ZERO
    return amount <= floor.account_of(order).free(currency, config.leverage) + own
