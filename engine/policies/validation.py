"""Whether an order can be submitted at all.

Its own terms, the instrument's rules, the venue's abilities.

The checks run in the order written here and the first that fails decides the reason, so an order
with several faults always gets the same answer. Nothing is rounded or repaired: an off-tick price
is the caller's mistake, and the message names the nearest prices that are on the grid.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from ..capabilities import Capabilities, ReduceOnlyRule
from ..errors import InvalidOrder
from ..given import (
    TAG_KEY_LENGTH_MAX,
    TAG_VALUE_LENGTH_MAX,
    TAGS_MAX,
    check_tags,
    check_text,
)
from ..messages import AmendOrder, SubmitOrder
from ..triggers import check_trigger
from ..values import (
    CONTEXT,
    ZERO,
    Instrument,
    InstrumentKind,
    OrderType,
    PositionSlot,
    Side,
    TimeInForce,
    Word,
    is_on_step,
    round_price,
)

__all__ = [
    "ID_LENGTH_MAX",
    "TAGS_MAX",
    "TAG_KEY_LENGTH_MAX",
    "TAG_VALUE_LENGTH_MAX",
    "Reason",
    "check_amend",
    "check_order",
    "check_tags",
    "check_text",
]

ID_LENGTH_MAX = 48  # longer than any client id we know of (KuCoin 40); a longer one is a mistake
_DIGITS_MAX = 30
_DECIMALS_MAX = 30  # 18 is the most that any coin has


class Reason(Word):
    """Why an order was refused before anything happened, in order of precedence."""

    BAD_TEXT = "BAD_TEXT"
    BAD_ID = "BAD_ID"
    BAD_TAGS = "BAD_TAGS"
    BAD_QTY = "BAD_QTY"
    BAD_PRICE = "BAD_PRICE"
    BAD_TERMS = "BAD_TERMS"
    UNSUPPORTED = "UNSUPPORTED"
    OFF_LOT = "OFF_LOT"
    OFF_TICK = "OFF_TICK"
    QTY_RANGE = "QTY_RANGE"
    MIN_NOTIONAL = "MIN_NOTIONAL"
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    UNKNOWN_VENUE = "UNKNOWN_VENUE"


# Names for members: reading one off its enum costs 0.07 us, and every order passes here.
_BAD_QTY, _BAD_PRICE = Reason.BAD_QTY, Reason.BAD_PRICE
_GTD, _IOC, _FOK = TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK
_NET, _TRAILING, _NO_REDUCE = (
    PositionSlot.NET,
    OrderType.TRAILING_STOP,
    ReduceOnlyRule.UNSUPPORTED,
)
_PLAIN = frozenset({OrderType.MARKET, OrderType.LIMIT})
#: What a type of order needs: price, stop_px, trail_offset.
_NEEDS = {
    kind: (
        kind.has_limit_price,
        kind.has_trigger and kind is not _TRAILING,
        kind is _TRAILING,
    )
    for kind in OrderType
}


def _refuse(reason: Reason, message: str) -> InvalidOrder:
    return InvalidOrder(message, reason.name)


def check_order(order: SubmitOrder, instrument: Instrument, capabilities: Capabilities) -> None:
    """Check everything that can be known without asking anybody.

    Raises:
        InvalidOrder: the first fault in order of :class:`Reason`; nothing has happened and nothing
        was journalled.
    """
    try:
        _check_all(order, instrument, capabilities)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise _unusable(order, error) from None


def _check_all(order: SubmitOrder, instrument: Instrument, capabilities: Capabilities) -> None:
    if order.tags:
        check_tags(order.tags)
    qty = order.order_qty
    if qty is not None and order.cash_qty is None:
        _check_positive(qty, "order_qty", _BAD_QTY)
    else:
        _check_cash(order, instrument, capabilities)
    _check_prices(order, instrument)
    _check_terms(order)
    _check_supported(order, capabilities)
    if qty is not None:
        _check_quantity(order, qty, instrument)


def _unusable(order: SubmitOrder, error: Exception) -> InvalidOrder:
    """A value of the wrong type got this far (messages are not checked when they are made).

    Name it.
    """
    for name, kind in _KINDS:
        value: object = getattr(order, name)
        if value is not None and not isinstance(value, kind):
            what = (
                "a Decimal (never a float: write '0.1')"
                if kind is Decimal
                else f"a {kind.__name__}"
            )
            return _refuse(Reason.BAD_TERMS, f"{name} must be {what}, was {value!r}")
    return _refuse(Reason.BAD_TERMS, f"the terms cannot be used: {error}")


_KINDS: tuple[tuple[str, type], ...] = (
    ("order_qty", Decimal),
    ("cash_qty", Decimal),
    ("price", Decimal),
    ("stop_px", Decimal),
    ("trail_offset", Decimal),
    ("side", Side),
    ("order_type", OrderType),
    ("time_in_force", TimeInForce),
    ("slot", PositionSlot),
    ("expire_ts", int),
)


def check_amend(
    amend: AmendOrder, instrument: Instrument, capabilities: Capabilities, *, is_local: bool = False
) -> None:
    """Check the new terms of an amend (``is_local``: its order is at no venue yet); what it leaves
    alone is not looked at.

    Raises:
        InvalidOrder: nothing has happened; the old terms stand.
    """
    if not capabilities.amend and not is_local:
        raise _refuse(
            Reason.UNSUPPORTED, f"{instrument.venue} cannot amend orders; cancel and submit anew"
        )
    if amend.order_qty is None and amend.price is None and amend.stop_px is None:
        raise _refuse(
            Reason.BAD_TERMS, "an amend must name at least one of order_qty, price, stop_px"
        )
    if amend.order_qty is not None:
        _check_positive(amend.order_qty, "order_qty", _BAD_QTY)
        _check_lot(amend.order_qty, instrument)
        _check_range(amend.order_qty, instrument)
    for name, price in (("price", amend.price), ("stop_px", amend.stop_px)):
        if price is not None:
            _check_price(price, name, instrument)


def _check_positive(value: Decimal, what: str, reason: Reason) -> None:
    if not isinstance(value, Decimal):
        raise _refuse(
            reason, f"{what} must be a Decimal (never a float: write '0.1'), was {value!r}"
        )
    if not value.is_finite() or value <= ZERO:
        raise _refuse(reason, f"{what} must be a finite number above 0, was {value}")
    _check_size(value, what, reason)


def _check_size(value: Decimal, what: str, reason: Reason) -> None:
    """Refuse finer numbers than any venue means: arithmetic would lose them and call it zero."""
    text = str(value)
    if len(text) <= _DECIMALS_MAX and "E" not in text:
        return  # nearly all: too short to break either bound
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent < -_DECIMALS_MAX or len(digits) > _DIGITS_MAX:
        raise _refuse(
            reason,
            f"{what} must have at most {_DIGITS_MAX} digits and {_DECIMALS_MAX} decimals,"
            f" was {value!s:.60}",
        )


def _check_cash(order: SubmitOrder, instrument: Instrument, capabilities: Capabilities) -> None:
    cash = order.cash_qty
    if (order.order_qty is None) == (cash is None):
        raise _refuse(
            _BAD_QTY,
            f"exactly one of order_qty and cash_qty is needed, got {order.order_qty} and {cash}",
        )
    if cash is not None:
        _check_positive(cash, "cash_qty", _BAD_QTY)
        if order.order_type is not OrderType.MARKET:
            raise _refuse(
                Reason.BAD_TERMS, f"cash_qty needs a MARKET order, was {order.order_type.name}"
            )
        if not capabilities.cash_qty:
            raise _refuse(Reason.UNSUPPORTED, f"{order.venue} takes no cash-sized orders")
        floor = instrument.min_notional
        if floor is not None and cash < floor and not order.reduce_only:
            raise _refuse(
                Reason.MIN_NOTIONAL,
                f"{cash} of {instrument.symbol} is below the minimum of {floor}",
            )


def _is_on_step(value: Decimal, step: Decimal, what: str, reason: Reason) -> bool:
    try:
        return is_on_step(value, step)
    except InvalidOperation:  # so large that the steps cannot be counted exactly
        raise _refuse(reason, f"{what} is too large to be meant, was {value}") from None


def _check_price(value: Decimal, what: str, instrument: Instrument) -> None:
    if not isinstance(value, Decimal):
        raise _refuse(
            _BAD_PRICE,
            f"{what} must be a Decimal (never a float: write '0.1'), was {value!r}",
        )
    if not value.is_finite() or (value <= ZERO and not instrument.allows_negative_price):
        raise _refuse(
            _BAD_PRICE,
            f"{what} of {instrument.symbol} must be a finite number above 0, was {value}",
        )
    _check_size(value, what, _BAD_PRICE)
    if not _is_on_step(value, instrument.tick_size, what, _BAD_PRICE):
        down = round_price(value, instrument.tick_size, Side.BUY)
        up = round_price(value, instrument.tick_size, Side.SELL)
        raise _refuse(
            Reason.OFF_TICK,
            f"{what} {value} is off the tick {instrument.tick_size} of {instrument.symbol};"
            f" the nearest are {down} and {up}",
        )


def _check_prices(order: SubmitOrder, instrument: Instrument) -> None:
    kind = order.order_type
    needs_price, needs_stop, needs_trail = _NEEDS[kind]
    if (order.price is not None) is not needs_price:
        _check_given(order.price, "price", needs_price, kind)
    if (order.trail_offset is not None) is not needs_trail:
        _check_given(order.trail_offset, "trail_offset", needs_trail, kind)
    if (order.stop_px is not None) is not needs_stop and not needs_trail:
        # a trailing stop may start from a given stop_px
        _check_given(order.stop_px, "stop_px", needs_stop, kind)
    if order.price is not None:
        _check_price(order.price, "price", instrument)
    if order.stop_px is not None:
        _check_price(order.stop_px, "stop_px", instrument)
    if order.trail_offset is not None:
        _check_positive(order.trail_offset, "trail_offset", _BAD_PRICE)
        tick = instrument.tick_size
        if not _is_on_step(order.trail_offset, tick, "trail_offset", _BAD_PRICE):
            raise _refuse(
                Reason.OFF_TICK,
                f"trail_offset {order.trail_offset} is off the tick {instrument.tick_size}",
            )


def _check_given(value: Decimal | None, what: str, needed: bool, kind: OrderType) -> None:
    if needed and value is None:
        raise _refuse(Reason.BAD_TERMS, f"a {kind.name} order needs {what}")
    if not needed and value is not None:
        raise _refuse(Reason.BAD_TERMS, f"a {kind.name} order takes no {what}, got {value}")


def _check_terms(order: SubmitOrder) -> None:
    tif = order.time_in_force
    if (tif is _GTD) != (order.expire_ts is not None):
        raise _refuse(
            Reason.BAD_TERMS,
            f"expire_ts goes with GTD and only with it, got {order.expire_ts} with {tif.name}",
        )
    if order.expire_ts is not None and order.expire_ts <= order.ts:
        raise _refuse(
            Reason.BAD_TERMS,
            f"expire_ts {order.expire_ts} is not after the order's own time {order.ts}",
        )
    if type(order.side) is not Side or type(order.slot) is not PositionSlot:
        raise TypeError("a word of ours is needed")
    if order.post_only and (not order.order_type.has_limit_price or tif is _IOC or tif is _FOK):
        raise _refuse(
            Reason.BAD_TERMS,
            f"post_only needs an order that may rest, was {order.order_type.name} {tif.name}",
        )


def _check_supported(order: SubmitOrder, capabilities: Capabilities) -> None:
    kind, tif = order.order_type, order.time_in_force
    if kind not in _PLAIN or order.local:
        check_trigger(order, capabilities)
    elif kind not in capabilities.order_types:
        raise _unsupported(order, kind.name)
    if tif not in capabilities.times_in_force:
        raise _unsupported(order, tif.name)
    if order.post_only and not capabilities.post_only:
        raise _unsupported(order, "post_only")
    if order.reduce_only and capabilities.reduce_only is _NO_REDUCE:
        raise _unsupported(order, "reduce_only")
    if order.slot is not _NET and not capabilities.hedge_mode:
        raise _unsupported(order, "hedge-mode slots")


def _unsupported(order: SubmitOrder, what: str) -> InvalidOrder:
    return _refuse(Reason.UNSUPPORTED, f"{order.venue} does not support {what}")


def _check_lot(qty: Decimal, instrument: Instrument) -> None:
    if not _is_on_step(qty, instrument.lot_size, "order_qty", _BAD_QTY):
        raise _refuse(
            Reason.OFF_LOT,
            f"order_qty {qty} is off the lot {instrument.lot_size} of {instrument.symbol}",
        )


def _check_range(qty: Decimal, instrument: Instrument) -> None:
    low, high = instrument.min_qty, instrument.max_qty
    if (low is not None and qty < low) or (high is not None and qty > high):
        raise _refuse(
            Reason.QTY_RANGE,
            f"order_qty of {instrument.symbol} must be from {low} to {high}, was {qty}",
        )


def _check_quantity(order: SubmitOrder, qty: Decimal, instrument: Instrument) -> None:
    _check_lot(qty, instrument)
    _check_range(qty, instrument)
    floor, price = instrument.min_notional, order.price
    if floor is None or order.reduce_only:
        return
    notional = CONTEXT.multiply(qty, instrument.multiplier)
    if (
        instrument.kind is not InstrumentKind.INVERSE
    ):  # an inverse contract is worth quote as it stands
        if price is None:
            return
        notional = CONTEXT.multiply(notional, abs(price))
    if notional < floor:
        at = "" if price is None else f" x {price}"
        raise _refuse(
            Reason.MIN_NOTIONAL,
            f"{qty}{at} of {instrument.symbol} is {notional}, below the minimum of {floor}",
        )
