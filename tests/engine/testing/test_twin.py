"""The dumb twin: what it predicts, and that it disagrees when something is lost or doubled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.fold import Books
from engine.messages import (
    Accepted,
    AdoptOrder,
    Cancelled,
    DefineInstrument,
    Filled,
    Message,
    OrderSnapshot,
    SubmitOrder,
    TradeBusted,
    TradeCorrected,
    VenueStatus,
    Withdrawn,
)
from engine.order import Order
from engine.order_tables import Life
from engine.testing.twin import Twin
from engine.values import Instrument, InstrumentKind, OrderType, PositionSlot, Side, exact

D = Decimal
NET = PositionSlot.NET
COIN = Instrument(symbol="A/B", venue="v", base="A", quote="B")
PERP = Instrument(symbol="P", venue="v", kind=InstrumentKind.LINEAR, base="A", quote="B")


def terms(cid: str = "c1", side: Side = Side.BUY, symbol: str = "A/B") -> SubmitOrder:
    return SubmitOrder(
        f"intent-{cid}", "v", "a", symbol, side, OrderType.LIMIT, D(10), 1, cid, D(100)
    )


def fill(exec_id: str, qty: str = "4", cid: str = "c1", **more: Any) -> Filled:
    return replace(Filled(cid, 5, exec_id, D(qty), D(100)), **more)


def told(*facts: Message, cid: str = "c1") -> tuple[Twin, Books]:
    """The twin and the engine's own fold of the same facts."""
    twin, books = Twin([COIN, PERP]), Books()
    with exact():
        books.apply_all([("i", DefineInstrument(one, 0)) for one in (COIN, PERP)])
        for fact in (terms(cid), *facts):
            twin.take(cid, fact)
            books.apply(cid, fact)
    return twin, books


@pytest.mark.parametrize(
    "facts",
    [
        (Accepted("c1", 2, "v1"), fill("E1"), fill("E1"), fill("E2", "6")),
        (fill("E1", fee=D(1), fee_currency="A"), fill("E2"), TradeBusted("c1", 9, "E1")),
        (TradeBusted("c1", 2, "E1"), fill("E1"), fill("E2")),
        (fill("E1"), TradeCorrected("c1", 9, "E1", "E3", D(3), D(99)), fill("E3", "3")),
        (fill("E1"), fill("E2", "3", revises="E1"), fill("E1")),
        (fill("E1"), fill("E1", fee=D(2), fee_currency="B"), Cancelled("c1", 9)),
        (Withdrawn("c1", 2, expired=True),),
        (fill("E1", "NaN"), fill("E2", "-1"), fill("E3")),
    ],
    ids=lambda facts: "-".join(type(one).__name__ for one in facts),
)
def test_it_agrees_with_the_engine_about_the_same_facts(facts: tuple[Message, ...]) -> None:
    """Fills, repeats, busts before and after, corrections, revisions, late fees, ends."""
    twin, books = told(*facts)
    with exact():
        assert [] == twin.differences(books.orders["c1"], books.ledgers.get("c1"))
        held = {(key[2], key[3]): one.qty for key, one in books.positions.items()}
        assert {key: qty for key, qty in twin.positions().items() if qty} == {
            key: qty for key, qty in held.items() if qty
        }


def _lost(order: Order) -> Order:
    return replace(order, cum_qty=D(4), cum_cost=D(400))


def _doubled(order: Order) -> Order:
    return replace(order, cum_qty=D(12), cum_cost=D(1200))


@pytest.mark.parametrize("spoil", [_lost, _doubled])
def test_it_disagrees_with_a_sum_that_lost_or_doubled_a_fill(spoil: object) -> None:
    """A judge that cannot fail is no judge."""
    twin, books = told(fill("E1"), fill("E2"))
    wrong = spoil(books.orders["c1"])  # type: ignore[operator]
    with exact():
        found = twin.differences(wrong, books.ledgers["c1"])
    assert ["cum_qty", "cum_cost"] == [text.split()[0] for text in found]


def test_it_disagrees_with_a_ledger_that_misses_a_fill_or_has_one_more() -> None:
    """Sums may be right by accident: executions are compared one by one."""
    twin, _ = told(fill("E1"), fill("E2"))
    for facts in ((fill("E1"),), (fill("E1"), fill("E2"), fill("E3", "1"))):
        _, books = told(*facts)
        with exact():
            found = twin.differences(books.orders["c1"], books.ledgers["c1"])
        assert found[0].startswith("executions booked are")


@pytest.mark.parametrize("life", [Life.FILLED, Life.CANCELLED, Life.REJECTED, Life.EXPIRED])
def test_it_disagrees_with_an_end_that_nobody_said(life: Life) -> None:
    """FILLED needs the quantity, every other end a word for it."""
    twin, books = told(Accepted("c1", 2, "v1"), fill("E1"))
    with exact():
        (text,) = twin.differences(replace(books.orders["c1"], life=life), books.ledgers["c1"])
    assert life.value in text


def test_one_execution_on_two_orders_is_named() -> None:
    """Venues number trades per symbol and side: the same number twice there is a doubled fill."""
    twin = Twin([COIN])
    for cid in ("c1", "c2"):
        twin.take(cid, terms(cid))
        twin.take(cid, fill("E1", cid=cid))
    (text,) = twin.doubled
    assert "'c1'" in text
    assert "'c2'" in text
    twin.take("c3", terms("c3", Side.SELL))
    twin.take("c3", fill("E1", cid="c3"))
    assert 1 == len(twin.doubled)  # the other side of a trade with ourselves


def test_a_fee_in_the_coin_itself_is_taken_from_what_is_held_and_a_contracts_is_not() -> None:
    """Of cash instruments only."""
    fee: dict[str, Any] = {"fee": D("0.5"), "fee_currency": "A"}
    twin = Twin([COIN, PERP])
    for cid, symbol in (("c1", "A/B"), ("c2", "P")):
        twin.take(cid, terms(cid, symbol=symbol))
        twin.take(cid, fill("E1", cid=cid, **fee))
    assert {("A/B", NET): D("3.5"), ("P", NET): D(4)} == twin.positions()


def test_facts_that_came_before_their_order_count_when_it_comes() -> None:
    """A fill of an order that nobody has introduced waits for it."""
    twin = Twin([COIN])
    twin.take("c9", fill("E1", cid="c9"))
    assert {} == twin.positions()
    twin.take("c9", AdoptOrder(terms("c9"), 7))
    assert {("A/B", NET): D(4)} == twin.positions()


def test_what_a_venue_did_is_read_from_its_orders_and_executions() -> None:
    """Ends and sums follow from the venue's own lists; an unknown order is made up from a fill."""
    seen = OrderSnapshot("c1", 9, VenueStatus.CANCELLED, order_qty=D(10), cum_qty=D(4))
    listed = [
        fill("E1", instrument="A/B", side=Side.BUY),
        fill("E2", "1", cid="x", instrument="A/B", side=Side.SELL),
    ]
    twin = Twin.of_venue([COIN], [(terms(), seen)], listed, {})
    assert (["CANCELLED"], D(4), False) == (
        list(twin.orders["c1"].ends), twin.orders["c1"].cum_qty, twin.orders["c1"].is_complete,
    )  # fmt: skip
    assert {("A/B", NET): D(3)} == twin.positions()
