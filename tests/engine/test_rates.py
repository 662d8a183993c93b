"""Rates: which one counts, ways across a third currency, and totals that never invent a 0."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.errors import InvalidValue
from engine.messages import SetRate
from engine.rates import Converter, check_rate, rate_of, with_rate
from engine.trip_books import Money

D = Decimal


def table(*rates: tuple[str, str, str, int]) -> dict[tuple[str, str], SetRate]:
    money = Money()
    for base, quote, px, ts in rates:
        money = Money(with_rate(money.rates, SetRate(base, quote, D(px), ts)))
    return money.table


def test_the_newest_of_a_pair_counts() -> None:
    """Whatever order they are told in."""
    rates = table(("EUR", "USD", "1.2", 20), ("EUR", "USD", "1.1", 10))
    found = rate_of(rates, "EUR", "USD", 30)
    assert found is not None
    assert (found.px, found.age_ns, found.path) == (D("1.2"), 10, ("EUR", "USD"))


def test_inverse_and_cross() -> None:
    """The newer of a pair and its inverse; else across the currency whose older half is newest."""
    rates = table(
        ("EUR", "USD", "1.1", 10), ("USD", "EUR", "0.5", 20),
        ("BTC", "USD", "100", 5), ("BTC", "GBP", "80", 9), ("EUR", "GBP", "0.8", 9),
    )  # fmt: skip
    found = rate_of(rates, "EUR", "USD", 30)
    assert found is not None
    assert (found.px, found.age_ns) == (D(2), 10)
    across = rate_of(rates, "EUR", "BTC", 30)
    assert across is not None
    assert (across.px, across.age_ns, across.path) == (D("0.01"), 21, ("EUR", "GBP", "BTC"))


def test_what_is_too_old_is_missing() -> None:
    """A stale direct rate gives way to a fresh cross; a stale half of that makes it none."""
    rates = table(("EUR", "USD", "1.1", 0), ("EUR", "CHF", "1", 90), ("CHF", "USD", "1.3", 95))
    assert rate_of(rates, "EUR", "USD", 100, 50).px == D("1.3")  # type: ignore[union-attr]
    assert rate_of(rates, "EUR", "USD", 100, 7) is None
    assert rate_of(rates, "JPY", "USD", 100) is None
    assert rate_of(rates, "JPY", "JPY", 100).px == 1  # type: ignore[union-attr]


def test_a_total_with_a_missing_rate_is_not_known() -> None:
    """And names it; an amount of nothing needs no rate."""
    converter = Converter(table(("EUR", "USD", "2", 0)), "USD", 10)
    assert converter.total((("EUR", D(3)), ("USD", D(1)), ("JPY", D(0)))) == 7
    assert converter.missing == {}
    assert converter.total((("EUR", D(3)), ("JPY", D(1)))) is None
    assert list(converter.missing) == ["rate JPY/USD"]
    assert list(converter.used) == ["EUR"]


@pytest.mark.parametrize(
    ("base", "quote", "px"), [("", "USD", "1"), ("USD", "USD", "1"), ("EUR", "USD", "0")]
)
def test_what_is_no_rate_is_refused(base: str, quote: str, px: str) -> None:
    """Two currencies, and a number above 0."""
    with pytest.raises(InvalidValue):
        check_rate(SetRate(base, quote, D(px), 1))
