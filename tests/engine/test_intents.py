"""Builders for orders: friendly values in, exact terms out, and a clear error for anything else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine import intents
from engine.errors import InvalidValue
from engine.messages import SubmitOrder
from engine.values import OrderType, PositionSlot, Side, TimeInForce, TriggerSource
from tests.order_kit import D

BUILT: list[tuple[SubmitOrder, OrderType, dict[str, Decimal | None]]] = [
    (intents.market("X", "buy", 2), OrderType.MARKET, {"order_qty": D(2)}),
    (
        intents.market("X", Side.BUY, cash_qty="99.5"),
        OrderType.MARKET,
        {"order_qty": None, "cash_qty": D("99.5")},
    ),
    (intents.limit("X", "BUY", "2", "0.10"), OrderType.LIMIT, {"price": D("0.10")}),
    (intents.stop("X", "BUY", 2, 90), OrderType.STOP, {"stop_px": D(90), "price": None}),
    (
        intents.stop_limit("X", "BUY", 2, 90, 89),
        OrderType.STOP_LIMIT,
        {"stop_px": D(90), "price": D(89)},
    ),
    (intents.take_profit("X", "BUY", 2, 110), OrderType.TAKE_PROFIT, {"stop_px": D(110)}),
    (
        intents.take_profit_limit("X", "BUY", 2, 110, 111),
        OrderType.TAKE_PROFIT_LIMIT,
        {"stop_px": D(110), "price": D(111)},
    ),
    (
        intents.trailing_stop("X", "BUY", 2, "1.5", stop_px=90),
        OrderType.TRAILING_STOP,
        {"trail_offset": D("1.5"), "stop_px": D(90)},
    ),
]


@pytest.mark.parametrize(("order", "kind", "terms"), BUILT, ids=lambda x: getattr(x, "name", ""))
def test_each_builder_makes_its_order(
    order: SubmitOrder, kind: OrderType, terms: dict[str, Decimal | None]
) -> None:
    """Type, side and exact numbers; nothing is rounded."""
    assert (kind, Side.BUY, "X") == (order.order_type, order.side, order.instrument)
    assert terms == {name: getattr(order, name) for name in terms}


def test_every_term_an_order_may_carry_is_taken_over() -> None:
    """Words by name or as members, tags in a fixed order."""
    order = intents.limit(
        "X", "sell", 1, 2, venue="V", account="A", intent_id="i1", time_in_force="gtd",
        expire_ts=9, post_only=True, reduce_only=True, slot="long",
        trigger_source=TriggerSource.MARK, tags={"z": "1", "a": "2"},
    )  # fmt: skip
    assert ("V", "A", "i1") == (order.venue, order.account, order.intent_id)
    assert (TimeInForce.GTD, 9) == (order.time_in_force, order.expire_ts)
    assert (True, True, PositionSlot.LONG) == (order.post_only, order.reduce_only, order.slot)
    assert TriggerSource.MARK is order.trigger_source
    assert (("a", "2"), ("z", "1")) == order.tags


def test_the_order_of_tags_makes_no_other_order() -> None:
    """The same intent id with the same terms is the same order."""
    one = intents.market("X", "BUY", 1, tags={"a": "1", "b": "2"})
    assert one == intents.market("X", "BUY", 1, tags={"b": "2", "a": "1"})


BAD: list[tuple[dict[str, Any], str]] = [
    ({"qty": 1.5}, "floats are refused"),
    ({"qty": True}, "bool"),
    ({"qty": "ten"}, "'ten'"),
    ({"qty": Decimal("NaN")}, "finite"),
    ({"price": "Infinity"}, "price must be finite"),
    ({"side": "LONG"}, "side must be one of BUY, SELL"),
    ({"time_in_force": "FOREVER"}, "time_in_force must be one of"),
    ({"slot": 3}, "slot must be one of"),
    ({"prize": 3}, "no term 'prize'"),
    ({"tags": {"k": 5}}, "'k'=5"),
    ({"tags": {5: "v"}}, "5='v'"),
]


@pytest.mark.parametrize(("change", "word"), BAD, ids=[word for _, word in BAD])
def test_a_value_that_cannot_be_used_is_named(change: dict[str, Any], word: str) -> None:
    """The sentence shows the value and what there is instead."""
    given: dict[str, Any] = {"side": "BUY", "qty": 1, "price": 2} | change
    with pytest.raises(InvalidValue, match=word):
        intents.limit("X", **given)
