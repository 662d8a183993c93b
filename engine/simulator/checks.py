"""What the venue checks before it takes an order: pure questions, answered with a refusal or None.

Checks run in the order of :class:`engine.simulator.orders.RefuseReason`; the first that fails
answers.
"""

from __future__ import annotations

from decimal import Decimal

from ..capabilities import Capabilities, IdScope, ReduceOnlyRule
from ..messages import SubmitOrder
from ..values import (
    ONE,
    ZERO,
    Instrument,
    InstrumentKind,
    OrderType,
    PositionSlot,
    Side,
    TimeInForce,
    is_on_step,
)
from .account import Account, funds_for
from .book import Book
from .config import ExchangeConfig
from .floor import Floor
from .matching import best_case, crosses
from .orders import Refusal, RefuseReason, SimOrder

__all__ = [
    "check_client_id",
    "check_funds",
    "check_notional",
    "check_price",
    "check_qty",
    "check_terms",
]


def check_client_id(
    account: Account, client_order_id: str, now: int, caps: Capabilities
) -> Refusal | None:
    """Length, and uniqueness within the venue's scope."""
    if not 0 < len(client_order_id) <= caps.client_id_length_max:
        return Refusal(
            RefuseReason.CLIENT_ORDER_ID,
            f"client_order_id must have 1 to {caps.client_id_length_max} characters,"
            f" had {len(client_order_id)}: {client_order_id[:80]!r}",
        )
    known = account.by_client.get(client_order_id)
    if known is None:
        return None
    scope = caps.client_id_scope
    is_taken = (
        scope is IdScope.FOREVER
        or (scope is IdScope.OPEN_ONLY and known.is_open)
        or (
            scope is IdScope.WINDOW
            and (known.is_open or now - known.created_ts < caps.client_id_window_ns)
        )
    )
    if not is_taken:
        return None
    return Refusal(
        RefuseReason.DUPLICATE_CLIENT_ID,
        f"client_order_id {client_order_id!r} is taken by venue order {known.venue_order_id}",
    )


def check_terms(
    order: SubmitOrder, instrument: Instrument, now: int, caps: Capabilities
) -> Refusal | None:
    """Everything that can be said without looking at book or account."""
    return (
        _check_support(order, instrument, caps)
        or _check_quantities(order, instrument)
        or _check_prices(order, instrument)
        or _check_expiry(order, now)
    )


def _check_support(
    order: SubmitOrder, instrument: Instrument, caps: Capabilities
) -> Refusal | None:
    order_type = order.order_type
    what = ""
    if order_type not in caps.order_types:
        what = f"order type {order_type.value}"
    elif order.time_in_force not in caps.times_in_force:
        what = f"time in force {order.time_in_force.value}"
    elif order.post_only:
        if not caps.post_only:
            what = "post_only"
        elif not order_type.has_limit_price or order.time_in_force in _IMMEDIATE:
            what = f"post_only on {order_type.value} {order.time_in_force.value}"
    elif order.reduce_only and caps.reduce_only is ReduceOnlyRule.UNSUPPORTED:
        what = "reduce_only"
    if not what and order.slot is not PositionSlot.NET and not caps.hedge_mode:
        what = f"slot {order.slot.value}: the account is in net mode"
    if not what and order.cash_qty is not None:
        if not caps.cash_qty or order_type is not OrderType.MARKET or order.reduce_only:
            what = f"cash_qty on {order_type.value}{' reduce_only' if order.reduce_only else ''}"
        elif instrument.kind is InstrumentKind.INVERSE:
            what = "cash_qty on an inverse contract"
    return Refusal(RefuseReason.UNSUPPORTED, f"not supported here: {what}") if what else None


_IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


def _check_quantities(order: SubmitOrder, instrument: Instrument) -> Refusal | None:
    qty, cash_qty = order.order_qty, order.cash_qty
    if (qty is None) is (cash_qty is None):
        return Refusal(
            RefuseReason.QUANTITY,
            f"exactly one of order_qty and cash_qty is needed, got {qty} and {cash_qty}",
        )
    if qty is not None:
        return check_qty(qty, instrument)
    if cash_qty is None or not cash_qty.is_finite() or cash_qty <= ZERO:
        return Refusal(RefuseReason.QUANTITY, f"cash_qty must be above 0, was {cash_qty}")
    if instrument.min_notional is not None and cash_qty < instrument.min_notional:
        return Refusal(
            RefuseReason.MIN_NOTIONAL,
            f"cash_qty {cash_qty} is below the minimum of {instrument.min_notional}",
        )
    return None


def check_qty(qty: Decimal, instrument: Instrument) -> Refusal | None:
    """Finite, above 0, whole lots, within the instrument's bounds."""
    if not qty.is_finite() or qty <= ZERO:
        return Refusal(RefuseReason.QUANTITY, f"order_qty must be above 0, was {qty}")
    if qty.adjusted() > 28 or not is_on_step(qty, instrument.lot_size):
        return Refusal(
            RefuseReason.OFF_LOT, f"order_qty {qty} is not in lots of {instrument.lot_size}"
        )
    if instrument.min_qty is not None and qty < instrument.min_qty:
        return Refusal(RefuseReason.MIN_QTY, f"order_qty {qty} is below {instrument.min_qty}")
    if instrument.max_qty is not None and qty > instrument.max_qty:
        return Refusal(RefuseReason.MAX_QTY, f"order_qty {qty} is above {instrument.max_qty}")
    return None


def _check_prices(order: SubmitOrder, instrument: Instrument) -> Refusal | None:
    order_type = order.order_type
    if (order.price is not None) is not order_type.has_limit_price:
        rule = "needs a price" if order_type.has_limit_price else "takes no price"
        return Refusal(RefuseReason.PRICE, f"{order_type.value} {rule}, got {order.price}")
    if order.price is not None:
        refusal = check_price(order.price, instrument, "price")
        if refusal is not None:
            return refusal
    is_trailing = order_type is OrderType.TRAILING_STOP
    if not order_type.has_trigger:
        if order.stop_px is None and order.trail_offset is None:
            return None
        return Refusal(
            RefuseReason.TRIGGER,
            f"{order_type.value} takes no stop_px and no trail_offset,"
            f" got {order.stop_px} and {order.trail_offset}",
        )
    offset = order.trail_offset
    if (offset is not None) is not is_trailing or (order.stop_px is None and not is_trailing):
        return Refusal(
            RefuseReason.TRIGGER,
            f"{order_type.value} needs {'trail_offset' if is_trailing else 'stop_px alone'},"
            f" got stop_px {order.stop_px}, trail_offset {offset}",
        )
    if offset is not None and not (offset.is_finite() and offset > ZERO):
        return Refusal(RefuseReason.TRIGGER, f"trail_offset must be above 0, was {offset}")
    for name, value in (("stop_px", order.stop_px), ("trail_offset", offset)):
        if value is not None:
            refusal = check_price(value, instrument, name)
            if refusal is not None:
                return refusal
    return None


def check_price(price: Decimal, instrument: Instrument, name: str) -> Refusal | None:
    """Finite, on tick, and above 0 unless the instrument trades below."""
    if not price.is_finite() or (price <= ZERO and not instrument.allows_negative_price):
        return Refusal(RefuseReason.PRICE, f"{name} must be above 0, was {price}")
    if price.adjusted() > 28 or not is_on_step(price, instrument.tick_size):
        return Refusal(
            RefuseReason.OFF_TICK, f"{name} {price} is not on the tick of {instrument.tick_size}"
        )
    return None


def _check_expiry(order: SubmitOrder, now: int) -> Refusal | None:
    is_gtd = order.time_in_force is TimeInForce.GTD
    expire_ts = order.expire_ts
    if (expire_ts is not None) is not is_gtd:
        rule = "GTD needs expire_ts" if is_gtd else "expire_ts is for GTD only"
        return Refusal(RefuseReason.EXPIRY, f"{rule}, got {expire_ts}")
    if expire_ts is not None and expire_ts <= now:
        return Refusal(RefuseReason.EXPIRY, f"expire_ts {expire_ts} has passed, it is {now}")
    return None


def check_notional(
    qty: Decimal,
    price: Decimal | None,
    reduces: bool,
    book: Book,
    side: Side,
    config: ExchangeConfig,
) -> Refusal | None:
    """The instrument's smallest order value, in quote; a market order is valued at the book."""
    instrument = book.instrument
    minimum = instrument.min_notional
    if minimum is None or (reduces and config.reduce_only_skips_min_notional):
        return None
    px = price if price is not None else (book.facing(side).best_price() or book.last or book.mark)
    if px is None:
        return None
    inverse = instrument.kind is InstrumentKind.INVERSE
    value = qty * instrument.multiplier * (ONE if inverse else abs(px))
    if value >= minimum:
        return None
    return Refusal(
        RefuseReason.MIN_NOTIONAL, f"{qty} at {px} is worth {value}, below the minimum of {minimum}"
    )


def check_funds(floor: Floor, order: SimOrder, book: Book) -> Refusal | None:
    """Whether the account can pay for all of ``order``; only where balances are tracked."""
    account = floor.account_of(order)
    if not account.is_tracked or account.shares_lock(order):
        return None
    config = floor.config
    px = order.price if order.price is not None else order.stop_px
    if px is None:
        facing = book.facing(order.terms.side)
        got, value = best_case(floor, order, facing, order.leaves_qty)
        if got:
            px = value / got
        else:
            px = book.last or ONE
    currency, amount = funds_for(order, book.instrument, px, config.fees, config.leverage)
    own = order.locked if order.locked_currency == currency else ZERO
    free = account.free(currency, config.leverage) + own
    if amount <= free:
        return None
    return Refusal(RefuseReason.INSUFFICIENT_BALANCE, f"needs {amount} {currency}, free are {free}")


def check_post_only(order: SimOrder, book: Book) -> Refusal | None:
    """A post-only order must not trade on arrival."""
    price = order.price
    if not order.terms.post_only or price is None or order.is_idle:
        return None
    facing = book.facing(order.terms.side)
    if not crosses(facing, price):
        return None
    return Refusal(
        RefuseReason.WOULD_CROSS,
        f"post_only at {price} would trade against {facing.best_price()}",
    )
