"""What a Hummingbot fill says of its fee: a fraction of the notional, flat amounts, or both.

A fraction is paid in the quote currency unless ``percent_token`` names another: of the base it is a
fraction of the quantity. In a third token (a venue's own, at a discount) its amount depends on a
price that no row tells: it is not known, and counted in the report.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ..values import CONTEXT, ZERO
from .base import DecimalCache, excerpt

__all__ = ["Fee", "fee_from_text", "fee_of", "fee_told"]


class FlatFee(msgspec.Struct, frozen=True):
    """An amount of one token."""

    token: str
    amount: str


class Fee(msgspec.Struct, frozen=True):
    """The fee of one fill, as the bot writes it."""

    percent: str = "0"
    percent_token: str | None = None
    flat_fees: tuple[FlatFee, ...] = ()


_decode = msgspec.json.Decoder(Fee).decode


def fee_from_text(text: str) -> Fee:
    """The fee of an export: JSON, or the same as Python writes it.

    Raises:
        ValueError: neither.
    """
    try:
        return _decode(text.replace("'", '"').replace("None", "null"))
    except msgspec.MsgspecError as error:
        raise ValueError(f"a fee this reader does not know: {excerpt(text)}") from error


def fee_told(fee: Fee, base: str, quote: str, numbers: DecimalCache) -> bool:
    """Whether the fee's amount is known."""
    return fee.percent_token in (None, base, quote) or not numbers[fee.percent]


def fee_of(
    fee: Fee, base: str, quote: str, qty: Decimal, px: Decimal, numbers: DecimalCache
) -> tuple[Decimal | None, str]:
    """Amount and currency; None where the amount is not told.

    Raises:
        ValueError: a number that is none, or fees in two currencies.
    """
    rate = numbers[fee.percent]
    if not fee.flat_fees and fee.percent_token is None:  # nearly all
        return CONTEXT.multiply(CONTEXT.multiply(qty, px), rate), quote
    if not fee_told(fee, base, quote, numbers):
        return None, ""
    paid: dict[str, Decimal] = {}
    if rate:
        of_base = fee.percent_token == base
        paid[base if of_base else quote] = CONTEXT.multiply(
            qty if of_base else CONTEXT.multiply(qty, px), rate
        )
    for flat in fee.flat_fees:
        if amount := numbers[flat.amount]:
            paid[flat.token] = CONTEXT.add(paid.get(flat.token, ZERO), amount)
    if len(paid) > 1:
        raise ValueError(f"a fee in {len(paid)} currencies, which this reader does not know")
    for currency, amount in paid.items():
        return amount, currency
    return ZERO, quote
