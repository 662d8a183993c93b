"""What one currency is worth in another: a view over rates that were journalled, with their age.

Amounts are kept per currency and never added. A total in one currency is made when somebody asks,
from :class:`~engine.messages.SetRate` facts: directly, by the inverse, or across one currency in
between. A missing or too old rate leaves the total unknown; it never counts as 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from .errors import InvalidValue
from .messages import SetRate
from .pnl import EXACT, Amounts
from .values import CONTEXT, ONE, ZERO

__all__ = ["Converter", "RateTable", "UsedRate", "check_rate", "rate_of", "with_rate"]

#: The newest rate of each pair, by (base, quote).
RateTable: TypeAlias = dict[tuple[str, str], SetRate]

_DIGITS_MAX: Final = 60


class UsedRate(msgspec.Struct, frozen=True, gc=False):
    """One unit of ``base`` is worth ``px`` of ``quote``.

    ``age_ns`` is that of the oldest rate in it; ``path`` names the currencies it goes through.
    """

    base: str
    quote: str
    px: Decimal
    age_ns: int
    path: tuple[str, ...]


def check_rate(rate: SetRate) -> None:
    """Refuse what is no rate.

    Raises:
        InvalidValue: a currency is missing or both are the same, or the rate is not above 0.
    """
    if not rate.base or not rate.quote or rate.base == rate.quote:
        raise InvalidValue(
            f"a rate is between two currencies, was {rate.base[:32]!a} in {rate.quote[:32]!a}"
        )
    px = rate.px
    if not px.is_finite() or px <= ZERO or abs(px.adjusted()) > _DIGITS_MAX:
        raise InvalidValue(
            f"the rate of {rate.base[:32]!a} in {rate.quote[:32]!a} must be finite and above 0,"
            f" was {px}"
        )


def with_rate(rates: Iterable[SetRate], new: SetRate) -> tuple[SetRate, ...]:
    """The rates with one more, in order of their names; the newest of a pair counts."""
    table = {(one.base, one.quote): one for one in rates}
    old = table.get((new.base, new.quote))
    if old is None or new.ts >= old.ts:
        table[new.base, new.quote] = new
    return tuple(table[pair] for pair in sorted(table))


def rate_of(
    rates: RateTable, base: str, quote: str, now_ns: int, max_age_ns: int | None = None
) -> UsedRate | None:
    """What one ``base`` is worth in ``quote``; None: not known, or not new enough.

    The pair itself or its inverse counts (the newer one), before a way across one more currency
    (the one whose older half is newest).
    """
    if base == quote:
        return UsedRate(base, quote, ONE, 0, (base,))
    direct = _step(rates, base, quote, now_ns, max_age_ns)
    if direct is not None:
        return UsedRate(base, quote, direct[0], direct[1], (base, quote))
    best: UsedRate | None = None
    for middle in dict.fromkeys(name for pair in rates for name in pair):
        if middle in (base, quote):
            continue
        one = _step(rates, base, middle, now_ns, max_age_ns)
        two = _step(rates, middle, quote, now_ns, max_age_ns)
        if one is None or two is None:
            continue
        age = max(one[1], two[1])
        if best is None or (age, middle) < (best.age_ns, best.path[1]):
            px = CONTEXT.multiply(one[0], two[0])
            best = UsedRate(base, quote, px, age, (base, middle, quote))
    return best


def _step(
    rates: RateTable, base: str, quote: str, now_ns: int, max_age_ns: int | None
) -> tuple[Decimal, int] | None:
    """Rate and age of one pair, from it or from its inverse."""
    there, back = rates.get((base, quote)), rates.get((quote, base))
    if there is not None and (back is None or there.ts >= back.ts):
        px, ts = there.px, there.ts
    elif back is not None:
        px, ts = CONTEXT.divide(ONE, back.px), back.ts
    else:
        return None
    age = max(now_ns - ts, 0)
    return None if max_age_ns is not None and age > max_age_ns else (px, age)


class Converter:
    """Turns amounts into one currency, and keeps account of what that took.

    ``used`` are the rates that were needed, ``missing`` names those that were not there.
    """

    def __init__(
        self, rates: RateTable, currency: str, now_ns: int, max_age_ns: int | None = None
    ) -> None:
        self.currency = currency
        self.used: dict[str, UsedRate] = {}
        self.missing: dict[str, None] = {}
        self._rates = rates
        self._now_ns = now_ns
        self._max_age_ns = max_age_ns

    def total(self, amounts: Amounts) -> Decimal | None:
        """The sum of all of them; None: a rate is missing, whatever it is of but nothing."""
        total: Decimal | None = ZERO
        for currency, amount in amounts:
            px = self._rate(currency) if amount else ONE
            if px is None or total is None:
                total = None
            else:
                total = EXACT.add(total, CONTEXT.multiply(amount, px) if px != ONE else amount)
        return total

    def _rate(self, currency: str) -> Decimal | None:
        if currency == self.currency:
            return ONE
        found = self.used.get(currency)
        if found is None:
            found = rate_of(self._rates, currency, self.currency, self._now_ns, self._max_age_ns)
            if found is None:
                self.missing[f"rate {currency}/{self.currency}"] = None
                return None
            self.used[currency] = found
        return found.px
