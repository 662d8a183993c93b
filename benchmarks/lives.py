"""The work of `lifecycle`: the whole lives of orders, as the bytes in which their facts arrive.

A life begins with an intent to buy or sell; how it goes on is its :class:`Story`. The bytes are
made before any clock starts, and both sides begin by decoding them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from engine.messages import (
    Accepted,
    AmendOrder,
    Cancelled,
    CancelOrder,
    Filled,
    Message,
    Rejected,
    Replaced,
    SubmitOrder,
)
from engine.values import (
    Instrument,
    Liquidity,
    OrderType,
    Side,
    exact,
    format_client_order_id,
)

__all__ = [
    "ACCOUNT",
    "AMENDED",
    "CANCELLED",
    "FILLED_ONCE",
    "FILLED_TWICE",
    "INSTRUMENT",
    "REJECTED",
    "VENUE",
    "Life",
    "Story",
    "encoded_lives",
    "net_position",
]

VENUE: Final = "PAPER"
ACCOUNT: Final = "BENCH"
INSTRUMENT: Final = Instrument(
    symbol="BTCUSDT",
    venue=VENUE,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
)

#: An order's facts, encoded; the first is the intent.
Life: TypeAlias = tuple[bytes, ...]


class Story(msgspec.Struct, frozen=True):
    """How a life goes: the facts that follow the intent, and how many rows they are."""

    name: str
    facts: int  # the intent included
    fills: int


#: Submit, accepted, two fills.
FILLED_TWICE: Final = Story("two fills", 4, 2)
#: The same with one fill: market orders, all of them buys.
FILLED_ONCE: Final = Story("one fill", 3, 1)
#: Submit, accepted, cancel, cancelled.
CANCELLED: Final = Story("cancelled", 4, 0)
#: Submit, accepted, amend, replaced, one fill.
AMENDED: Final = Story("amended", 5, 1)
#: Submit, rejected.
REJECTED: Final = Story("rejected", 2, 0)

_MICROSECOND: Final = 1_000  # ns
_START: Final = 1_700_000_000 * 1_000_000_000  # any instant; ns
_PART: Final = Decimal("0.001")  # of the first of two fills


def encoded_lives(
    count: int, ids: Sequence[str] | None = None, story: Story = FILLED_TWICE
) -> list[Life]:
    """``count`` lives; sides, quantities and prices vary, and are the same in every call.

    ``ids`` are client order ids that somebody else assigns: then the intents do not carry them.
    """
    encode = msgspec.json.encode
    lives = []
    for number in range(count):
        key = ids[number] if ids else format_client_order_id("BEN", "0000", number, 1)
        order = _intent(number, key, story)
        rest = _rest(number, order, story)
        if ids:
            order = msgspec.structs.replace(order, client_order_id="")
        lives.append(tuple(encode(message) for message in (order, *rest)))
    return lives


def net_position(count: int, story: Story = FILLED_TWICE) -> Decimal:
    """What is held after ``count`` lives, signed: the check that a side did the work."""
    with exact():
        total = Decimal(0)
        if story.fills:
            for number in range(count):
                order = _intent(number, "", story)
                assert order.order_qty is not None
                total += order.order_qty if order.side is Side.BUY else -order.order_qty
        return total


def _intent(number: int, key: str, story: Story) -> SubmitOrder:
    is_market = story is FILLED_ONCE
    return SubmitOrder(
        intent_id=f"intent-{number}",
        venue=VENUE,
        account=ACCOUNT,
        instrument=INSTRUMENT.symbol,
        side=Side.SELL if number % 2 and not is_market else Side.BUY,
        order_type=OrderType.MARKET if is_market else OrderType.LIMIT,
        order_qty=Decimal(2 + number % 7) / 1000,
        ts=_START + number * 10 * _MICROSECOND,
        client_order_id=key,
        price=None if is_market else _price(number),
    )


def _rest(number: int, order: SubmitOrder, story: Story) -> tuple[Message, ...]:
    """What follows the intent."""
    key, qty, price = order.client_order_id, order.order_qty, _price(number)
    assert qty is not None
    at = [order.ts + step * _MICROSECOND for step in range(5)]
    if story is REJECTED:
        return (Rejected(key, at[1], "INSUFFICIENT_FUNDS", "-2010"),)
    accepted = Accepted(key, at[1], f"V{number}")
    if story is FILLED_ONCE:
        return accepted, _fill(key, at[2], f"E{number}-1", qty, price)
    if story is FILLED_TWICE:
        first = _fill(key, at[2], f"E{number}-1", _PART, price)
        return accepted, first, _fill(key, at[3], f"E{number}-2", qty - _PART, price)
    request = f"R{1 + number}"  # as the engine names them, when each order makes one in turn
    if story is CANCELLED:
        return accepted, CancelOrder(key, request, at[2]), Cancelled(key, at[3], request)
    price += INSTRUMENT.tick_size
    amend = AmendOrder(key, request, at[2], price=price)
    replaced = Replaced(key, at[3], request, price=price)
    return accepted, amend, replaced, _fill(key, at[4], f"E{number}-1", qty, price)


def _price(number: int) -> Decimal:
    return Decimal(600_000 + number % 100) / 10


def _fill(key: str, ts: int, exec_id: str, qty: Decimal, price: Decimal) -> Filled:
    fee = qty * price / 1000
    return Filled(key, ts, exec_id, qty, price, fee, INSTRUMENT.quote, Liquidity.MAKER)
