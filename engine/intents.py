"""Builders for the orders people place.

Friendly values in, one :class:`~engine.messages.SubmitOrder` out.

Numbers may be ``Decimal``, ``int`` or decimal strings; floats are refused. ``venue`` and
``account`` may be left out when the system has only one. Whether an order fits its instrument is
checked when it is submitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias, TypedDict, TypeVar, Unpack

from .errors import InvalidValue
from .messages import SubmitOrder
from .values import (
    OrderType,
    PositionSlot,
    Side,
    TimeInForce,
    TriggerSource,
    Word,
    decimal_from,
)

__all__ = [
    "Number",
    "Terms",
    "limit",
    "market",
    "stop",
    "stop_limit",
    "take_profit",
    "take_profit_limit",
    "trailing_stop",
]

Number: TypeAlias = Decimal | int | str
W = TypeVar("W", bound=Word)


class Terms(TypedDict, total=False):
    """What every kind of order may carry besides its own terms."""

    venue: str
    account: str
    intent_id: str
    time_in_force: TimeInForce | str
    expire_ts: int
    post_only: bool
    local: bool
    reduce_only: bool
    slot: PositionSlot | str
    trigger_source: TriggerSource | str
    tags: Mapping[str, str]


def market(
    instrument: str,
    side: Side | str,
    qty: Number | None = None,
    *,
    cash_qty: Number | None = None,
    **terms: Unpack[Terms],
) -> SubmitOrder:
    """A market order, sized in lots (``qty``) or in quote currency (``cash_qty``)."""
    return _order(OrderType.MARKET, instrument, side, qty, terms, cash_qty=cash_qty)


def limit(
    instrument: str, side: Side | str, qty: Number, price: Number, **terms: Unpack[Terms]
) -> SubmitOrder:
    """A limit order."""
    return _order(OrderType.LIMIT, instrument, side, qty, terms, price=price)


def stop(
    instrument: str, side: Side | str, qty: Number, stop_px: Number, **terms: Unpack[Terms]
) -> SubmitOrder:
    """A stop order: market, once the market trades through ``stop_px``."""
    return _order(OrderType.STOP, instrument, side, qty, terms, stop_px=stop_px)


def stop_limit(
    instrument: str,
    side: Side | str,
    qty: Number,
    stop_px: Number,
    price: Number,
    **terms: Unpack[Terms],
) -> SubmitOrder:
    """A stop order that becomes a limit order at ``price``."""
    return _order(OrderType.STOP_LIMIT, instrument, side, qty, terms, price=price, stop_px=stop_px)


def take_profit(
    instrument: str, side: Side | str, qty: Number, stop_px: Number, **terms: Unpack[Terms]
) -> SubmitOrder:
    """Market-if-touched: market, once the market reaches ``stop_px`` from the other side."""
    return _order(OrderType.TAKE_PROFIT, instrument, side, qty, terms, stop_px=stop_px)


def take_profit_limit(
    instrument: str,
    side: Side | str,
    qty: Number,
    stop_px: Number,
    price: Number,
    **terms: Unpack[Terms],
) -> SubmitOrder:
    """Limit-if-touched."""
    return _order(
        OrderType.TAKE_PROFIT_LIMIT, instrument, side, qty, terms, price=price, stop_px=stop_px
    )


def trailing_stop(
    instrument: str,
    side: Side | str,
    qty: Number,
    trail_offset: Number,
    *,
    stop_px: Number | None = None,
    **terms: Unpack[Terms],
) -> SubmitOrder:
    """A stop that follows the market at ``trail_offset`` (price units).

    ``stop_px`` is where it starts, if given.
    """
    return _order(
        OrderType.TRAILING_STOP,
        instrument,
        side,
        qty,
        terms,
        stop_px=stop_px,
        trail_offset=trail_offset,
    )


def _order(
    kind: OrderType,
    instrument: str,
    side: Side | str,
    qty: Number | None,
    terms: Terms,
    *,
    price: Number | None = None,
    stop_px: Number | None = None,
    trail_offset: Number | None = None,
    cash_qty: Number | None = None,
) -> SubmitOrder:
    unknown = [name for name in terms if name not in Terms.__annotations__]
    if unknown:
        raise InvalidValue(
            f"an order has no term {unknown[0]!r}; it has {', '.join(Terms.__annotations__)}"
        )
    return SubmitOrder(
        terms.get("intent_id", ""),
        terms.get("venue", ""),
        terms.get("account", ""),
        instrument,
        _word(Side, side, "side"),
        kind,
        _number(qty, "qty"),
        price=_number(price, "price"),
        stop_px=_number(stop_px, "stop_px"),
        trail_offset=_number(trail_offset, "trail_offset"),
        trigger_source=_word(
            TriggerSource, terms.get("trigger_source", TriggerSource.LAST), "trigger_source"
        ),
        time_in_force=_word(
            TimeInForce, terms.get("time_in_force", TimeInForce.GTC), "time_in_force"
        ),
        expire_ts=terms.get("expire_ts"),
        post_only=terms.get("post_only", False),
        reduce_only=terms.get("reduce_only", False),
        local=terms.get("local", False),
        slot=_word(PositionSlot, terms.get("slot", PositionSlot.NET), "slot"),
        cash_qty=_number(cash_qty, "cash_qty"),
        tags=_tags(terms.get("tags", {})),
    )


def _tags(tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if not isinstance(tags, Mapping):
        raise InvalidValue(f"tags must be a mapping of text to text, were {tags!r:.80}")
    pairs: Iterable[tuple[object, object]] = tags.items()
    for key, value in pairs:
        if not isinstance(key, str) or not isinstance(value, str):
            raise InvalidValue(f"a tag is text and its value is text, got {key!r}={value!r}")
    return tuple(sorted(tags.items()))


def _number(value: Number | None, what: str) -> Decimal | None:
    return None if value is None else decimal_from(value, what)


def _word(kind: type[W], value: W | str, what: str) -> W:
    if isinstance(value, kind):
        return value
    word = kind.__members__.get(str(value).upper())
    if word is None:
        raise InvalidValue(
            f"{what} must be one of {', '.join(kind.__members__)}, was {value!r:.80}"
        )
    return word
