"""Each rule is shown to catch what it is for: a rule that cannot fail guards nothing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.errors import InvariantViolated
from engine.invariants import check_ledger, check_order, check_step
from engine.messages import CancelOrder
from engine.order import Order, Outstanding, Step
from engine.order_tables import Life
from tests.order_kit import CID, D, Held, at_venue, fill

BASE = at_venue(None, fill("E1", "4"))


def broken(before: Order, after: Order, **step: object) -> str:
    """The sentence of the rule that a step breaks."""
    with pytest.raises(InvariantViolated) as caught:
        check_step(before, Step(after, changed=True, **step))  # type: ignore[arg-type]
    return str(caught.value)


def test_quantities_move_only_by_executions_and_an_execution_moves_them() -> None:
    """The two halves of one rule."""
    order = BASE.order
    assert "only by executions" in broken(order, replace(order, cum_qty=D(5)))
    booked = at_venue(None, fill("E1")).last.bookings
    assert "moves cum_qty" in broken(order, order, bookings=booked)
    assert "cum_qty >= 0" in broken(order, replace(order, cum_qty=D(-1)), bookings=booked)


def test_filled_means_complete_and_a_working_order_is_not() -> None:
    """State and arithmetic agree."""
    order = BASE.order
    assert "FILLED means" in broken(order, replace(order, life=Life.FILLED))
    assert "FILLED means" in broken(order, replace(order, life=Life.FILLED, order_qty=None))
    assert "working order" in broken(order, replace(order, order_qty=D(4)))


def test_a_terminal_order_sends_nothing() -> None:
    """But an amend that reopens a filled one."""
    asking = at_venue(None, CancelOrder(CID, "c1", 9)).last.request
    ended = replace(BASE.order, life=Life.CANCELLED)
    assert "sends nothing" in broken(ended, ended, request=asking)
    filled = at_venue(None, fill("E1", "10")).order
    check_step(filled, Step(filled, request=asking))


def test_a_doubt_says_what_is_in_doubt() -> None:
    """Existence and fate end by different evidence."""
    assert "IN_DOUBT" in broken(BASE.order, replace(BASE.order, life=Life.IN_DOUBT))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"claim_qty": D(-1)}, "claim_qty >= 0"),
        ({"requests": (Outstanding("c1", True), Outstanding("c1", False))}, "different ids"),
    ],
)
def test_an_order_by_itself_is_sound(change: dict[str, object], rule: str) -> None:
    """What must hold of every order."""
    check_order(BASE.order)
    with pytest.raises(InvariantViolated, match=rule):
        check_order(replace(BASE.order, **change))


def test_sums_are_those_of_the_ledger() -> None:
    """Quantity and cost, each on its own, with and without a ledger."""
    check_ledger(BASE.order, BASE.ledger)
    check_ledger(Held().order, None)
    with pytest.raises(InvariantViolated, match="cum_qty is the sum"):
        check_ledger(BASE.order, None)
    with pytest.raises(InvariantViolated, match="cum_cost is the sum"):
        check_ledger(replace(BASE.order, cum_cost=D(401)), BASE.ledger)


def test_a_breach_names_the_order_and_the_values() -> None:
    """A person has to find it."""
    with pytest.raises(InvariantViolated, match=r"was -1 \(order 'C1' in ACCEPTED\)"):
        check_order(replace(BASE.order, claim_qty=D(-1)))
