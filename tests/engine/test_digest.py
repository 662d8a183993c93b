"""The name of a state: nothing of it can change without changing its name."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.fold import digest, tombstone
from engine.messages import Feeds, Filled
from engine.order import Ledger, Order
from engine.position import Position
from engine.values import Liquidity, PositionSlot, Side, Source
from tests.engine.test_fold import STORY, fold
from tests.order_kit import CID, D, terms

BOOKS = fold(*STORY)
ORDER, LEDGER = BOOKS.orders[CID], BOOKS.ledgers[CID]
(POSITION,) = BOOKS.positions.values()
FILL = Filled(CID, 5, "E1", D(4), D(100), D("0.4"), "USD")
#: Another value for each field; what an execution belongs to is its order.
OTHER: dict[str, object] = {
    "ts": 6, "exec_id": "E2", "last_qty": D(5), "last_px": D(101), "fee": None,
    "fee_currency": "BTC", "liquidity": Liquidity.TAKER, "venue_order_id": "v1",
    "cum_qty": D(4), "revises": "E0", "inferred": True, "feeds": Feeds.ORDER,
    "instrument": "Y", "side": Side.SELL, "source": Source.QUERY, "fee_assumed": True,
}  # fmt: skip


def name(order: Order = ORDER, ledger: Ledger = LEDGER, position: Position = POSITION) -> str:
    return digest([(CID, tombstone(order, ledger))], [position])


@pytest.mark.parametrize("field", Order.__struct_fields__)
def test_every_field_of_an_order_is_in_the_name(field: str) -> None:
    """An order that differs in anything is another state."""
    assert name() != name(order=replace(ORDER, **{field: "other"}))


@pytest.mark.parametrize("field", Position.__struct_fields__)
def test_every_field_of_a_position_is_in_the_name(field: str) -> None:
    """Quantity, cash, cost, fees, funding: a restart that loses any of them is found out."""
    other = PositionSlot.LONG if field == "slot" else "other"
    assert name() != name(position=replace(POSITION, **{field: other}))


@pytest.mark.parametrize("field", [one for one in Filled.__struct_fields__ if one in OTHER])
def test_every_field_of_an_execution_is_in_the_name(field: str) -> None:
    """Also beside others that it shares most of its words with."""
    before = Filled(CID, 4, "E0", D(1), Decimal(99), D("0.1"), "USD")
    one = Ledger.restored(terms(), (before, FILL), ("E9",))
    two = Ledger.restored(terms(), (before, replace(FILL, **{field: OTHER[field]})), ("E9",))
    assert name(ledger=one) != name(ledger=two)
    assert list(OTHER) == [name for name in Filled.__struct_fields__ if name != "client_order_id"]


def test_voids_and_ids_are_in_the_name() -> None:
    """An execution that was taken back is not one that never came; nor is another order's."""
    one, two = (Ledger.restored(terms(), (FILL,), voids) for voids in ((), ("E9",)))
    assert name(ledger=one) != name(ledger=two)
    stone = tombstone(ORDER, LEDGER)
    assert digest([(CID, stone)], []) != digest([("C2", stone)], [])
    assert digest([(CID, stone)], []) != digest([(CID, stone)], [POSITION]) != digest([], [])
