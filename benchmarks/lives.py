"""The work of `lifecycle`: the whole life of an order, as the bytes in which its four facts arrive.

Each life is an intent to buy or sell, the venue's acceptance, and two executions that fill it. The
bytes are made before any clock starts, and both sides begin by decoding them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from engine.messages import Accepted, Filled, SubmitOrder
from engine.values import (
    Instrument,
    Liquidity,
    OrderType,
    Side,
    exact,
    format_client_order_id,
)

__all__ = ["ACCOUNT", "INSTRUMENT", "VENUE", "Life", "encoded_lives", "net_position"]

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

#: An order's four facts, encoded: submit, accepted, first fill, last fill.
Life: TypeAlias = tuple[bytes, bytes, bytes, bytes]

_MICROSECOND: Final = 1_000  # ns
_START: Final = 1_700_000_000 * 1_000_000_000  # any instant; ns


def encoded_lives(count: int, ids: Sequence[str] | None = None) -> list[Life]:
    """``count`` lives; sides, quantities and prices vary, and are the same in every call.

    ``ids`` are client order ids that somebody else assigns: then the intents do not carry them.
    """
    encode = msgspec.json.encode
    lives = []
    for number in range(count):
        key = ids[number] if ids else format_client_order_id("BEN", "0000", number, 1)
        order, accepted, first, last = _life(number, key)
        if ids:
            order = msgspec.structs.replace(order, client_order_id="")
        lives.append((encode(order), encode(accepted), encode(first), encode(last)))
    return lives


def net_position(count: int) -> Decimal:
    """What is held after ``count`` lives, signed: the check that a side did the work."""
    with exact():
        total = Decimal(0)
        for number in range(count):
            order = _life(number, "")[0]
            assert order.order_qty is not None
            total += order.order_qty if order.side is Side.BUY else -order.order_qty
        return total


def _life(number: int, key: str) -> tuple[SubmitOrder, Accepted, Filled, Filled]:
    ts = _START + number * 10 * _MICROSECOND
    qty = Decimal(2 + number % 7) / 1000
    price = Decimal(600_000 + number % 100) / 10
    part = Decimal("0.001")
    order = SubmitOrder(
        intent_id=f"intent-{number}",
        venue=VENUE,
        account=ACCOUNT,
        instrument=INSTRUMENT.symbol,
        side=Side.SELL if number % 2 else Side.BUY,
        order_type=OrderType.LIMIT,
        order_qty=qty,
        ts=ts,
        client_order_id=key,
        price=price,
    )
    return (
        order,
        Accepted(key, ts + _MICROSECOND, f"V{number}"),
        _fill(key, ts + 2 * _MICROSECOND, f"E{number}-1", part, price),
        _fill(key, ts + 3 * _MICROSECOND, f"E{number}-2", qty - part, price),
    )


def _fill(key: str, ts: int, exec_id: str, qty: Decimal, price: Decimal) -> Filled:
    fee = qty * price / 1000
    return Filled(key, ts, exec_id, qty, price, fee, INSTRUMENT.quote, Liquidity.MAKER)
