"""What a position is valued at: the first price there is, in a stated order, that is new enough."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from .prices import Price, age_ns, price_of
from .values import TriggerSource

__all__ = ["MARK_SOURCES", "Mark", "mark_of"]

#: The venue's own mark, else the middle of bid and ask, else the newest trade.
MARK_SOURCES: Final = (TriggerSource.MARK, TriggerSource.MID, TriggerSource.LAST)


class Mark(NamedTuple):
    """A price to value by, where it is from (None: the caller gave it), and how old it is."""

    px: Decimal
    source: TriggerSource | None = None
    age_ns: int = 0


def mark_of(
    price: Price | None, sources: Sequence[TriggerSource], now_ns: int, max_age_ns: int | None
) -> Mark | None:
    """The first of ``sources`` that is known and not older than ``max_age_ns`` at ``now_ns``
    (monotonic); None: there is none.
    """
    if price is None:
        return None
    for source in sources:
        px, age = price_of(price, source), age_ns(price, source, now_ns)
        if px is not None and age is not None and (max_age_ns is None or age <= max_age_ns):
            return Mark(px, source, age)
    return None
