"""What an instrument trades at, as far as it is known, and how old each part of that is.

Three prices can elect a trigger or value a position: the newest trade, the venue's mark, and the
middle of the best bid and ask. Each has an age of its own: a new mark says nothing about the last
trade. A price that is too old is no price.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from .errors import InvalidValue
from .messages import PriceUpdate
from .pnl import EXACT
from .values import ZERO, Instrument, TriggerSource

__all__ = ["Price", "age_ns", "check_price", "price_of", "taken", "telling"]

_MAGNITUDE: Final = 60  # of any price there is, as a power of ten
_TWO: Final = Decimal(2)


class Price(msgspec.Struct, frozen=True, gc=False):
    """The newest of each; ``*_at`` is when it came, in ns of the monotonic clock (None: never)."""

    instrument: str
    ts: int = 0  # of the newest update, UTC ns
    last: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    mark: Decimal | None = None
    last_at: int | None = None
    quote_at: int | None = None
    mark_at: int | None = None


def taken(before: Price | None, update: PriceUpdate, now_ns: int) -> Price:
    """The price after an update that came at ``now_ns`` (monotonic).

    A quote is taken whole: one side alone says that the other is empty.
    """
    if before is None:
        before = Price(update.instrument)
    quoted = update.bid is not None or update.ask is not None
    return Price(
        before.instrument,
        update.ts,
        before.last if update.last is None else update.last,
        update.bid if quoted else before.bid,
        update.ask if quoted else before.ask,
        before.mark if update.mark is None else update.mark,
        before.last_at if update.last is None else now_ns,
        now_ns if quoted else before.quote_at,
        before.mark_at if update.mark is None else now_ns,
    )


def price_of(price: Price, source: TriggerSource) -> Decimal | None:
    """The price by one source; None: not known. A crossed or one-sided quote has no middle."""
    if source is TriggerSource.LAST:
        return price.last
    if source is TriggerSource.MARK:
        return price.mark
    return _middle(price)


def age_ns(price: Price, source: TriggerSource, now_ns: int) -> int | None:
    """How long ago the price by one source came (monotonic ns); None: there is none."""
    if price_of(price, source) is None:
        return None
    at = {
        TriggerSource.LAST: price.last_at,
        TriggerSource.MARK: price.mark_at,
        TriggerSource.MID: price.quote_at,
    }[source]
    return None if at is None else now_ns - at


def telling(updates: Sequence[PriceUpdate]) -> list[int]:
    """Which of a row of one instrument's updates tell the most, when not all can be kept: their
    places, in order, at most 15 of them.

    The lowest, the highest and the newest of each price and of the middle. So whoever takes only
    these knows the same price at the end as whoever takes all, and no level is passed over that was
    reached in between. What is lost is the way there: a fall and rise inside the two extremes.
    """
    rows = [
        (update.last, update.mark, update.bid, update.ask, _middle(update)) for update in updates
    ]
    kept: dict[int, None] = {}
    for row in zip(*rows, strict=True):
        known = [(px, at) for at, px in enumerate(row) if px is not None and px.is_finite()]
        if known:
            kept |= dict.fromkeys((min(known)[1], max(known)[1], known[-1][1]))
    return sorted(kept)


def _middle(quote: Price | PriceUpdate) -> Decimal | None:
    bid, ask = quote.bid, quote.ask
    if bid is None or ask is None or not (bid.is_finite() and ask.is_finite()) or bid > ask:
        return None
    return EXACT.divide(EXACT.add(bid, ask), _TWO)


def check_price(update: PriceUpdate, instrument: Instrument) -> None:
    """Refuse what cannot be a price.

    Raises:
        InvalidValue: nothing is told, or a number is not finite, or not above zero where the
            instrument has no negative prices. Nothing has changed.
    """
    told = {
        "last": update.last, "bid": update.bid, "ask": update.ask, "mark": update.mark,
    }  # fmt: skip
    if all(px is None for px in told.values()):
        raise InvalidValue(
            f"a price update of {instrument.symbol} tells no price: give last, mark, or bid and ask"
        )
    for what, px in told.items():
        if px is None:
            continue
        if not px.is_finite() or (px <= ZERO and not instrument.allows_negative_price):
            raise InvalidValue(
                f"the {what} price of {instrument.symbol} must be finite and above 0,"
                f" was {px!s:.40}"
            )
        if px and abs(px.adjusted()) > _MAGNITUDE:
            raise InvalidValue(
                f"the {what} price of {instrument.symbol} cannot be meant, was {px!s:.60}"
            )
