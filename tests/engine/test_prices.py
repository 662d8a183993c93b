"""Prices as pure values: which of many tell the most."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.messages import PriceUpdate
from engine.prices import Price, price_of, taken, telling
from engine.values import TriggerSource

PX = st.none() | st.integers(1, 30).map(Decimal) | st.just(Decimal("NaN"))
UPDATES = st.lists(st.builds(PriceUpdate, st.just("X"), st.integers(0, 9), PX, PX, PX, PX))


def _path(updates: list[PriceUpdate]) -> list[Price]:
    price, path = None, list[Price]()
    for at, update in enumerate(updates):
        price = taken(price, update, at)
        path.append(price)
    return path


@given(UPDATES)
def test_the_telling_ones_reach_every_extreme_and_end_at_the_same_price(
    updates: list[PriceUpdate],
) -> None:
    """Of any row of updates: a few, in order, and by every source the same lowest, highest and last
    price as all of them.
    """
    good = [one for one in updates if _is_good(one)]
    kept = telling(good)
    assert kept == sorted(set(kept))
    assert len(kept) <= 15
    whole, part = _path(good), _path([good[at] for at in kept])
    if not whole:
        return
    for price in ("last", "bid", "ask", "mark"):
        assert getattr(part[-1], price) == getattr(whole[-1], price)
    for source in TriggerSource:
        mine, all_of_it = (
            [px for one in path if (px := price_of(one, source)) is not None]
            for path in (part, whole)
        )
        assert (min(mine, default=None), max(mine, default=None)) == (
            min(all_of_it, default=None), max(all_of_it, default=None)
        )  # fmt: skip


@given(UPDATES)
def test_what_is_no_price_does_not_count(updates: list[PriceUpdate]) -> None:
    """A feed may say anything: numbers that are none never raise, and are nothing to keep."""
    for at in telling(updates):
        told = updates[at]
        assert any(
            px is not None and px.is_finite() for px in (told.last, told.bid, told.ask, told.mark)
        )


def _is_good(update: PriceUpdate) -> bool:
    told = [px for px in (update.last, update.bid, update.ask, update.mark) if px is not None]
    return bool(told) and all(px.is_finite() for px in told)
