"""An order first seen mid-life whose quantity nobody ever told, and which the venue calls
filled.
"""

from __future__ import annotations

from decimal import Decimal

from engine.invariants import check_order, check_step
from engine.messages import AdoptOrder, Filled, OrderSnapshot, SubmitOrder, VenueStatus
from engine.order import Ledger, is_settled
from engine.order_steps import begin, step
from engine.values import OrderState, OrderType, Side


def adopted() -> AdoptOrder:
    terms = SubmitOrder("adopted:7", "V", "a", "X", Side.BUY, OrderType.LIMIT, None, 1, "7")
    return AdoptOrder(terms, 1)


def test_the_venues_word_ends_it_when_no_quantity_was_ever_told() -> None:
    """FILLED without any quantity ends an adopted order: arithmetic never could."""
    order = begin(adopted())

    out = step(order, Ledger(), OrderSnapshot("7", 2, VenueStatus.FILLED))

    check_step(order, out)
    check_order(out.order)
    assert out.changed  # so it is written down
    assert OrderState.FILLED is out.order.state
    assert Decimal(0) == out.order.cum_qty
    assert is_settled(out.order)


def test_what_was_seen_filled_becomes_its_quantity() -> None:
    """What we booked of it stays booked, once, and a later execution is booked as late."""
    order, ledger = begin(adopted()), Ledger()
    first = step(order, ledger, Filled("7", 2, "e1", Decimal(3), Decimal(10)))
    ledger.apply(first.bookings)

    out = step(first.order, ledger, OrderSnapshot("7", 3, VenueStatus.FILLED))
    late = step(out.order, ledger, Filled("7", 4, "e2", Decimal(1), Decimal(10)))

    assert (Decimal(3), OrderState.FILLED) == (out.order.order_qty, out.order.state)
    assert (Decimal(4), "overfill") == (late.order.cum_qty, late.anomaly)


def test_an_order_of_known_quantity_still_needs_its_executions() -> None:
    """The word alone never completes an order whose quantity we know: executions do."""
    terms = SubmitOrder(
        "i", "V", "a", "X", Side.BUY, OrderType.LIMIT, Decimal(5), 1, "8", Decimal(1)
    )
    order = begin(terms)

    out = step(order, Ledger(), OrderSnapshot("8", 2, VenueStatus.FILLED))

    assert OrderState.ACCEPTED is out.order.state
    assert Decimal(5) == out.order.claim_qty
