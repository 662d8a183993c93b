"""Broken and odd shapes of true statements: what adapters let through, as data.

A broken report either can be read without guessing, and then stands for the true one, or cannot,
and then comes beside the true one: a fact never vanishes in it.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, Final, TypeVar

import msgspec

from engine.messages import Filled
from engine.testing.faults import Choose

from ..venues.port import Done

__all__ = ["malformed_answer", "malformed_outcome", "malformed_report", "with_long_digits"]

T = TypeVar("T")
_HALF: Final = "\ud83d"  # half of a surrogate pair: no text in any encoding
_WIDE: Final = Context(prec=80)
_DIGITS: Final = 48  # more than the engine's context keeps


def malformed_report(report: Any, one_of: Choose) -> tuple[Any, ...]:
    """What is told instead of ``report``: a readable copy, or rubbish and then the report."""
    which = one_of(8)
    fields = msgspec.structs.asdict(report)
    if which == 0:
        return (msgspec.structs.replace(report, ts=float(report.ts // 1000 * 1000)),)
    if which == 1:
        changed = {name: str(v) for name, v in fields.items() if isinstance(v, Decimal)}
        return (msgspec.structs.replace(report, **changed),)
    if which == 2 and "reason" in fields:
        return (msgspec.structs.replace(report, reason=_HALF + fields["reason"]),)
    if which == 3 and isinstance(report, Filled) and report.fee is not None:
        return (msgspec.structs.replace(report, fee=Decimal("NaN")), report)
    rubbish: tuple[Any, ...] = (
        None,
        {"clOrdID": report.client_order_id},
        msgspec.structs.replace(report, ts=None),
        msgspec.structs.replace(report, client_order_id=_HALF, ts="soon"),
    )
    return (rubbish[which % 4], report)


def malformed_outcome(outcome: Any, one_of: Choose) -> Any:
    """What a call that acted answers: no outcome at all, or one with broken reports."""
    shapes = _instead_of(outcome)
    if isinstance(outcome, Done) and outcome.reports:
        told = outcome.reports
        first = malformed_report(told[0], one_of)
        broken: tuple[Any, ...] = (None, (_RUBBISH, *told), (*first, *told[1:]))
        shapes += tuple(Done(reports) for reports in broken)
    return shapes[one_of(len(shapes))]


def malformed_answer(answer: Any, one_of: Choose) -> Any:
    """What a query is answered: no answer at all, or one with rubbish in it."""
    replace = msgspec.structs.replace
    shapes = (
        *(replace(answer, items=(rubbish, *answer.items)) for rubbish in _RUBBISH),
        replace(answer, items=None),
        replace(answer, items=list(answer.items)),
        replace(answer, sent_ts="soon"),
        *_instead_of(answer),
    )
    return shapes[one_of(len(shapes))]


#: Where a report or an item belongs.
_RUBBISH: Final[tuple[Any, ...]] = ({"symbol": "?"}, None, _HALF)


def _instead_of(outcome: Any) -> tuple[Any, ...]:
    return (None, {"status": 200}, "ok", [outcome], 1.5, type(outcome))


def with_long_digits(report: T, one_of: Choose) -> T:
    """The same numbers, each with far more digits than it needs, or in powers of ten."""
    if not isinstance(report, msgspec.Struct):
        return report
    is_padded = one_of(3) < 2
    changed = {
        name: _padded(value) if is_padded else value.normalize(_WIDE)
        for name, value in msgspec.structs.asdict(report).items()
        if isinstance(value, Decimal) and value.is_finite()
    }
    return msgspec.structs.replace(report, **changed)


def _padded(value: Decimal) -> Decimal:
    digits = max(_DIGITS - max(value.adjusted(), 0) - 1, 0)
    return value.quantize(Decimal(1).scaleb(-digits, _WIDE), context=_WIDE)
