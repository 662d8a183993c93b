"""The door: what an adapter reports is made fit to be journalled, before anybody believes it.

An adapter is foreign code. A number where a text belongs, half of a surrogate pair in a reason, a ``ts`` that is no 64-bit
number: none of it may stop a broker, and none of it may lose the fact it came with, or be written down so that nobody can
read it back. What can be repaired without guessing is repaired; the rest is an :class:`~engine.errors.InvalidValue`.

Venues whose calls run inline live in this process and speak our vocabulary exactly; they do not pass here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar, get_args

import msgspec

from engine.errors import InvalidValue
from engine.messages import LinkDown, LinkUp, OrderReport

__all__ = ["admit"]

R = TypeVar("R")

_KINDS = frozenset((*get_args(OrderReport), LinkUp, LinkDown))
_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(OrderReport | LinkUp | LinkDown).decode
_TS_END = 2**63


def admit(report: R) -> R:
    """Give the report itself when it can be written and read back, else a repaired copy.

    Raises:
        InvalidValue: it is no report, or what it says cannot be told from its broken fields.
    """
    kind = type(report)
    if kind not in _KINDS:
        raise InvalidValue(f"{kind.__name__} is not a report")
    if _can_be_kept(report):
        return report
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        fields[field.name] = _repaired(getattr(report, field.name), field.type)
    copy = kind(**fields)
    if not _can_be_kept(copy):
        raise InvalidValue(f"a {kind.__name__} with broken fields: {ascii(report)[:300]}")
    return copy


def _can_be_kept(report: Any) -> bool:
    try:
        _read(_encode(report))
        return -_TS_END <= report.ts < _TS_END
    except (msgspec.MsgspecError, UnicodeError, ArithmeticError, TypeError, ValueError):
        return False


def _repaired(value: Any, wanted: Any) -> Any:
    """The value in the type its field has, where that is no guess."""
    kinds = get_args(wanted) or (wanted,)
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


def _number(text: str) -> Any:
    try:
        return Decimal(text)
    except ArithmeticError:
        return text
