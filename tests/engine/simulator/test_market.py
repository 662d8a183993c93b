"""The generated market: the same everywhere, and possible at every step."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidValue
from engine.simulator import Exchange, ExchangeConfig, IntegerDraw, MarketPath, MarketStep
from engine.simulator.market import apply_step

from .desk import BTC

D = Decimal


def walk(seed: int, count: int) -> list[MarketStep]:
    path = MarketPath(BTC, IntegerDraw(seed), D(100), gap_every=20)
    return list(islice(path.steps(1_000, 10), count))


@given(seed=st.integers(0, 2**70))
def test_every_step_is_possible(seed: int) -> None:
    """An exchange takes every step: never crossed, never at or below zero, on tick and lot."""
    exchange = Exchange(ExchangeConfig(), (BTC,))
    for step in walk(seed, 50):
        apply_step(exchange, step)
        assert all(px > 0 and px % BTC.tick_size == 0 for px, _ in step.bids + step.asks)
        assert all(qty > 0 and qty % BTC.lot_size == 0 for _, qty in step.bids + step.asks)


def test_a_seed_is_a_market() -> None:
    """The same seed gives the same steps, another seed gives others."""
    assert walk(7, 100) == walk(7, 100)
    assert walk(7, 100) != walk(8, 100)


def test_the_first_step_is_pinned() -> None:
    """The generator's arithmetic does not change between releases or machines."""
    draw = IntegerDraw(1)
    assert [5, 9, 0, 5, 1] == [draw.randrange(0, 10) for _ in range(5)]


def test_the_standard_generator_fits() -> None:
    """A ``random.Random`` may be handed in as the source of randomness."""
    path = MarketPath(BTC, random.Random(1), D(100))
    assert 10 == len(list(islice(path.steps(0, 1), 10)))


def test_a_market_too_close_to_zero_is_refused() -> None:
    """A start price that a gap could carry below zero is an error with the price in it."""
    with pytest.raises(InvalidValue, match="10"):
        MarketPath(BTC, IntegerDraw(1), D(10))
    with pytest.raises(InvalidValue):
        IntegerDraw(1).randrange(3, 3)
