"""The door: what an adapter reports is made fit to be journalled, before anybody believes it.

An adapter is foreign code. A number where a text belongs, half of a surrogate pair in a reason, a
``ts`` that is no 64-bit number: none of it may stop a broker, and none of it may lose the fact it
came with, or be written down so that nobody can read it back. What can be repaired without guessing
is repaired; the rest is an :class:`~engine.errors.InvalidValue`.

Venues whose calls run inline live in this process and speak our vocabulary exactly; they do not
pass here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar, get_args

import msgspec

from engine.errors import InvalidOrder, InvalidValue
from engine.given import check_kind, check_text_of
from engine.messages import (
    CorrectPosition,
    LinkBarred,
    LinkDown,
    LinkSilent,
    LinkUp,
    OrderReport,
    PriceUpdate,
    SetBaseline,
    SubmitOrder,
)
from engine.policies.validation import check_tags
from engine.values import Instrument, OrderType, PositionSlot, Side, TimeInForce, TriggerSource

from .kept import check_kept
from .venues.port import Answer

__all__ = [
    "admit",
    "admit_price",
    "check_instruments",
    "check_statement",
    "check_types",
    "check_words",
    "checked_answer",
    "nanoseconds",
]

R = TypeVar("R")

_KINDS = frozenset((*get_args(OrderReport), LinkUp, LinkDown, LinkSilent, LinkBarred))
_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(OrderReport | LinkUp | LinkDown | LinkSilent | LinkBarred).decode
_TS_END = 2**63
_MAGNITUDE = (
    60  # of any quantity, price or amount there is, as a power of ten; a larger one is a slip
)
_NUMBERS = {
    kind: [
        f.name for f in msgspec.structs.fields(kind) if Decimal in (get_args(f.type) or (f.type,))
    ]
    for kind in (*_KINDS, SetBaseline, CorrectPosition)
}


def admit(report: R) -> R:
    """Give the report itself when it can be written and read back, else a repaired copy.

    Raises:
        InvalidValue: it is no report, or what it says cannot be told from its broken fields.
    """
    kind: Any = type(report)
    if kind not in _KINDS:
        raise InvalidValue(f"{kind.__name__} is not a report")
    kept = _as_kept(report)
    if kept is not None:
        return kept  # type: ignore[no-any-return]
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        fields[field.name] = _repaired(getattr(report, field.name), field.type)
    kept = _as_kept(kind(**fields))
    if kept is None:
        raise InvalidValue(f"a {kind.__name__} with broken fields: {ascii(report)[:300]}")
    return kept  # type: ignore[no-any-return]


def admit_price(update: Any) -> PriceUpdate:
    """As :func:`admit`, for what a feed tells; whether it can be a price is asked later.

    Raises:
        InvalidValue: it is no price update, or its fields cannot be understood.
    """
    if type(update) is not PriceUpdate:
        raise InvalidValue(f"{type(update).__name__} is not a PriceUpdate")
    if (
        type(update.instrument) is str
        and type(update.ts) is int
        and type(update.last) in _AMOUNT
        and type(update.bid) in _AMOUNT
        and type(update.ask) in _AMOUNT
        and type(update.mark) in _AMOUNT
    ):
        return update
    told = {f.name: getattr(update, f.name) for f in msgspec.structs.fields(PriceUpdate)}
    try:
        return msgspec.convert({name: _plain(told[name]) for name in told}, PriceUpdate)
    except (msgspec.MsgspecError, ArithmeticError):
        raise InvalidValue(f"a PriceUpdate with broken fields: {ascii(update)[:300]}") from None


def check_instruments(instruments: Sequence[Any], venue: str) -> None:
    """Refuse what a venue cannot trade under its name.

    Raises:
        InvalidValue: one of them is no instrument, or is another venue's.
    """
    for one in instruments:
        if not isinstance(one, Instrument):
            raise InvalidValue(f"a {type(one).__name__} is no Instrument")
        if one.venue != venue:
            raise InvalidValue(f"{one.symbol!a} has venue={one.venue!a}, and this is {venue!a}")


def checked_answer(answer: R) -> R:
    """Give an answer to a query itself, if it can be read; its items are admitted one by one.

    Raises:
        InvalidValue: it says nothing, whatever it is.
    """
    kind: Any = type(answer)
    told: Any = answer
    if (
        kind is not Answer
        or type(told.items) not in (tuple, list)
        or type(told.complete) is not bool
        or type(told.sent_ts) is not int
        or not 0 <= told.sent_ts < _TS_END
    ):
        raise InvalidValue(f"a broken {kind.__name__} for an answer")
    return answer


def _as_kept(report: Any) -> Any:
    """The report as a journal gives it back (a "BUY" is a Side then), or None when it would not."""
    try:
        kept = _read(_encode(report))
        fits = -_TS_END <= kept.ts < _TS_END
    except (msgspec.MsgspecError, UnicodeError, ArithmeticError, TypeError, ValueError):
        return None
    for name in _NUMBERS[type(kept)]:
        number = getattr(kept, name)
        if number is not None and not _is_money(number):
            return None
    return kept if fits else None


def _is_money(number: Decimal) -> bool:
    """Whether sums and products with it stay exact and finite."""
    return number.is_finite() and -_MAGNITUDE <= number.adjusted() <= _MAGNITUDE


def _repaired(value: Any, wanted: Any) -> Any:
    """The value in the type its field has, where that is no guess; a NaN says that a number is not
    known.
    """
    kinds = get_args(wanted) or (wanted,)
    if type(None) in kinds and _is_nan(value):
        return None
    if isinstance(value, str):
        if Decimal in kinds and str not in kinds:
            return _number(value)
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        if str in kinds:
            return str(value)
        if Decimal in kinds:
            return Decimal(str(value))
        if int in kinds and isinstance(value, float) and value.is_integer():
            return int(value)
    return value


def _plain(value: Any) -> Any:
    """A float as the number that is meant, as which it was printed."""
    return Decimal(str(value)) if isinstance(value, float) else value


def _is_nan(value: object) -> bool:
    return (
        value.is_nan()
        if isinstance(value, Decimal)
        else isinstance(value, float) and math.isnan(value)
    )


def _number(text: str) -> Any:
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


def check_types(order: SubmitOrder) -> None:
    """Refuse an order whose fields have other types than they say; a "BUY" that is not
    :class:`Side` would sell.

    Raises:
        InvalidOrder: naming the field and the value; nothing has happened.
    """
    if (
        type(order.side) is not Side
        or type(order.order_type) is not OrderType
        or type(order.time_in_force) is not TimeInForce
        or type(order.slot) is not PositionSlot
        or type(order.order_qty) not in _AMOUNT
        or type(order.price) not in _AMOUNT
        or type(order.stop_px) not in _AMOUNT
        or type(order.intent_id) is not str
        or type(order.client_order_id) is not str
        or type(order.ts) is not int
        or order.ts >> 63
        or order.attempt is not _FIRST  # True is 1 as well, and nobody could read it back
        or (order.tags is not _NO_TAGS and not _are_tags(order.tags))
        or order.group_id is not _NO_GROUP
        or order.expire_ts is not None
        or order.cash_qty is not None
        or order.trail_offset is not None
        or order.trigger_source is not TriggerSource.LAST
        or order.held is not False  # only groups hold back, and say what closes
        or order.closes is not False
        or order.local is not False
        or type(order.post_only) is not bool  # type: ignore[redundant-expr]  # callers may not check
        or type(order.reduce_only) is not bool
    ):
        _check_each(order)  # something rare or something wrong


#: One object each in CPython; any other is looked at more closely.
_FIRST, _NO_GROUP, _NO_TAGS = 1, "", ()
_AMOUNT = frozenset({Decimal, type(None)})


def _are_tags(tags: object) -> bool:
    if type(tags) is not tuple:
        return False
    for pair in tags:
        if type(pair) is not tuple or len(pair) != 2:
            return False
        if type(pair[0]) is not str or type(pair[1]) is not str:
            return False
    return True


_ORDER_FIELDS = {field.name: field for field in msgspec.structs.fields(SubmitOrder)}


def _check_each(order: SubmitOrder) -> None:
    for name, field in _ORDER_FIELDS.items():
        value = getattr(order, name)
        if (
            type(value) is not str
        ):  # texts have checks of their own, which name what is wrong with them
            try:
                msgspec.convert(value, field.type)
            except (msgspec.MsgspecError, UnicodeError) as error:
                raise InvalidOrder(
                    f"{name} must be {_said(field.type)}, was {ascii(value)[:80]}: {error}",
                    "BAD_TERMS",
                ) from None
        elif field.type is not str:
            raise InvalidOrder(
                f"{name} must be {_said(field.type)}, was {ascii(value)[:80]}", "BAD_TERMS"
            )
    for name in ("intent_id", "client_order_id", "venue", "account", "instrument", "group_id"):
        if type(getattr(order, name)) is not str:
            raise InvalidOrder(
                f"{name} must be a text, was {ascii(getattr(order, name))[:80]}", "BAD_TEXT"
            )
    for name in ("ts", "expire_ts"):
        stamp = getattr(order, name)
        if stamp is not None and not 0 <= stamp < _TS_END:
            raise InvalidOrder(
                f"{name} must be UTC nanoseconds in 64 bits, was {stamp}", "BAD_TERMS"
            )
    if order.held or order.closes or order.group_id:
        raise InvalidOrder(
            "group_id, held and closes are for legs of a group: submit the group", "BAD_TERMS"
        )
    check_tags(order.tags)
    if not 1 <= order.attempt < 36**2:
        raise InvalidOrder(
            f"attempt must be from 1 to {36**2 - 1}, was {order.attempt}", "BAD_TERMS"
        )


def _said(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))


def check_statement(statement: SetBaseline | CorrectPosition) -> None:
    """Refuse a statement that could not be written down and read back.

    Raises:
        InvalidValue: nothing has happened.
    """
    check_kind("a statement", statement, SetBaseline, CorrectPosition)
    check_kept("a statement", statement, _STATEMENT)
    if isinstance(statement, CorrectPosition):
        check_text_of("currency", statement.currency)
        if statement.statement:
            check_words(statement.statement)
    if not 0 <= statement.ts < _TS_END:
        raise InvalidValue(f"ts must be UTC nanoseconds in 64 bits, was {statement.ts}")
    for name in _NUMBERS[type(statement)]:
        number = getattr(statement, name)
        if number is not None and not _is_money(number):
            raise InvalidValue(f"{name} must be finite and an amount there is, was {number!s:.60}")


def check_words(statement: object) -> None:
    """Refuse what says not who decided something and why.

    Raises:
        InvalidValue: nothing has happened.
    """
    if not isinstance(statement, str) or not statement.strip():
        raise InvalidValue("say who decided this and why, as the statement: it is journalled")
    if len(statement) > _WORDS_MAX:
        raise InvalidValue(f"a statement has at most {_WORDS_MAX} characters")
    try:
        statement.encode()
    except UnicodeEncodeError:
        raise InvalidValue(
            "the statement holds a lone surrogate, which cannot be written"
        ) from None


def nanoseconds(what: str, seconds: object, *, zero: bool = False) -> int:
    """Seconds of a caller as nanoseconds.

    Raises:
        InvalidValue: it is no number above 0 (or 0, with ``zero``), or more than 64 bits of
            nanoseconds hold.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | Decimal):
        raise InvalidValue(f"{what} must be a number of seconds, was {seconds!r:.40}")
    finite = not isinstance(seconds, Decimal) or seconds.is_finite()
    if zero and finite and seconds == 0:
        return 0
    if not (finite and 0 < seconds < _SECONDS_END) or not (ns := round(seconds * 1_000_000_000)):
        raise InvalidValue(f"{what} must be above 0 seconds and finite, was {seconds!s:.40}")
    return ns


_SECONDS_END = _TS_END // 1_000_000_000
_WORDS_MAX = 1_000
_STATEMENT = msgspec.json.Decoder(SetBaseline | CorrectPosition)
