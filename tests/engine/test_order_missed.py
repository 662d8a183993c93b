"""What an order missed while nobody listened: shown by answers later, and never in doubt for good.

Each of these stood still for ever, or stayed wrong, after a crash.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.messages import (
    Accepted,
    AmendOrder,
    Cancelled,
    Expired,
    OutcomeUnknown,
    Report,
    VenueStatus,
)
from engine.order import has_questions, is_settled
from engine.values import OrderState, OrderType, PositionSlot, Side, Source
from tests.order_kit import CID, D, Held, at_venue, bust, fill, seen, terms

S = VenueStatus


@pytest.mark.parametrize(
    "submit",
    [
        replace(terms(), reduce_only=True),
        replace(terms(), slot=PositionSlot.SHORT),  # a purchase closes what is short
    ],
    ids=["reduce-only", "closing a slot"],
)
def test_an_order_that_its_venue_shrank_is_still_this_order(submit: object) -> None:
    """Taken for less than asked, as there is less to reduce: found, bound, with the smaller
    quantity; one that is larger is another.
    """
    held = Held(submit)  # type: ignore[arg-type]
    held.take(OutcomeUnknown(CID, 5), seen(S.WORKING, 9, qty="11"))
    assert "identity_mismatch" == held.last.anomaly
    held.take(seen(S.WORKING, 9, qty="3", price="100", venue_id="v1"))
    assert (OrderState.ACCEPTED, D(3)) == (held.state(), held.order.order_qty)
    held.take(seen(S.WORKING, 20, qty="3", price="100"))
    assert not has_questions(held.order)


def test_an_amend_that_its_venue_shrank_does_not_make_it_another_order() -> None:
    """Placed in silence, raised in silence, and taken for less than the amend asked: it is ours."""
    held = Held(replace(terms(), reduce_only=True))
    held.take(OutcomeUnknown(CID, 5), AmendOrder(CID, "A1", 6, D(30)), OutcomeUnknown(CID, 7, "A1"))
    held.take(seen(S.WORKING, 9, qty="20", price="100", venue_id="v1"))
    assert D(20) == held.order.order_qty
    assert "" == held.last.anomaly


def test_a_purchase_for_a_long_slot_may_not_be_smaller() -> None:
    """Only what reduces can be shrunk by its venue: else the quantity tells orders apart."""
    held = Held(replace(terms(), slot=PositionSlot.LONG))
    held.take(OutcomeUnknown(CID, 5), seen(S.WORKING, 9, qty="3"))
    assert (OrderState.IN_DOUBT, "identity_mismatch") == (held.state(), held.last.anomaly)
    assert Side.BUY is held.order.terms.side


@pytest.mark.parametrize("changed", [{"qty": "3"}, {"price": "99"}], ids=["quantity", "price"])
def test_a_later_list_with_other_terms_makes_us_ask(changed: dict[str, str]) -> None:
    """A restatement that was missed shows in the list of open orders: it changes nothing yet, and
    the answer by id does; an older list, or one that agrees, asks nothing.
    """
    shown = {"qty": "10", "price": "100", "cum": "0"}
    for asked, terms_shown in ((1, shown | changed), (9, shown)):
        quiet = at_venue()
        quiet.take(seen(S.WORKING, asked, source=Source.LIST, **terms_shown))  # type: ignore[arg-type]
        assert not has_questions(quiet.order)
    held = at_venue()
    held.take(seen(S.WORKING, 9, source=Source.LIST, **(shown | changed)))  # type: ignore[arg-type]
    assert has_questions(held.order)
    assert (D(10), D(100)) == (held.order.order_qty, held.order.price)
    held.take(seen(S.WORKING, 11, **(shown | changed)))  # type: ignore[arg-type]
    held.take(seen(S.WORKING, 13, **(shown | changed)))  # type: ignore[arg-type]
    assert not has_questions(held.order)
    assert "qty" not in changed or D(3) == held.order.order_qty


@pytest.mark.parametrize("fill_first", [True, False])
def test_an_end_shows_that_an_amend_took_effect(fill_first: bool) -> None:
    """Raised from 10 to 30 with the answer lost, filled 12, cancelled: 12 of 30, not all of 10."""
    held = at_venue(None, AmendOrder(CID, "a1", 5, D(30)), OutcomeUnknown(CID, 6, "a1"))
    story = [fill("E1", "12", ts=8), seen(S.CANCELLED, 9, qty="30", cum="12")]
    held.take(*(story if fill_first else reversed(story)))
    assert (OrderState.CANCELLED, D(12), D(30)) == (
        held.state(), held.order.cum_qty, held.order.order_qty,
    )  # fmt: skip
    assert is_settled(held.order)


@pytest.mark.parametrize("fill_first", [True, False])
@pytest.mark.parametrize("end", [Cancelled(CID, 7), Expired(CID, 7)])
def test_an_end_without_terms_is_completed_by_a_look(end: Report, fill_first: bool) -> None:
    """Raised from 10 to 30 unanswered and ended without a word of terms: 10 of 30 are not all."""
    held = at_venue(None, AmendOrder(CID, "a1", 5, D(30)), OutcomeUnknown(CID, 6, "a1"), end)
    word = held.state()
    shown = S.CANCELLED if word is OrderState.CANCELLED else S.EXPIRED
    story = [fill("E1", "10", ts=8), seen(shown, 7, qty="30", cum="10")]
    held.take(*(story if fill_first else reversed(story)))
    assert (word, D(10), D(30)) == (held.state(), held.order.cum_qty, held.order.order_qty)
    assert is_settled(held.order)


def test_an_end_with_a_quantity_nobody_asked_for_changes_none() -> None:
    """Only an amend of ours explains another quantity after the end."""
    held = at_venue(None, AmendOrder(CID, "a1", 5, D(30)), OutcomeUnknown(CID, 6, "a1"))
    held.take(seen(S.CANCELLED, 9, qty="20", cum="0"), Cancelled(CID, 12))
    assert (OrderState.CANCELLED, D(10)) == (held.state(), held.order.order_qty)


def test_a_term_that_an_order_cannot_have_is_not_asked_for() -> None:
    """The price of a stop, the trigger of a limit order: no answer could ever show it, so an amend
    of unknown outcome would stay open for good.
    """
    stop = at_venue(terms(kind=OrderType.STOP, price=None, stop_px="105"))
    stop.take(AmendOrder(CID, "a1", 5, price=D(99)))
    assert "a STOP order has no price" == stop.last.refused
    limit = at_venue()
    limit.take(AmendOrder(CID, "a1", 5, D(11), D(99), D(98)))
    assert "a LIMIT order has no stop_px" == limit.last.refused
    assert () == limit.order.requests
    limit.take(AmendOrder(CID, "a2", 5, D(11), D(99)))
    stop.take(AmendOrder(CID, "a2", 5, D(11), None, D(106)))
    assert ["a2", "a2"] == [held.order.requests[0].req_id for held in (limit, stop)]


@pytest.mark.parametrize("told", [(fill("E1"),), (Accepted(CID, 3, "v1"), bust("E1", 4))])
def test_a_lost_answer_may_have_said_more_than_the_stream(told: tuple[Report, ...]) -> None:
    """The stream shows that an order exists; its lost answer may hold its end as well, so the venue
    is asked. Nothing is asked about an order that has ended, or twice.
    """
    held = Held(terms(kind=OrderType.MARKET, price=None))
    held.take(*told, OutcomeUnknown(CID, 20))
    assert has_questions(held.order)
    held.take(OutcomeUnknown(CID, 21))
    assert not held.last.changed
    ended = at_venue(None, Cancelled(CID, 10), OutcomeUnknown(CID, 20))
    assert not ended.last.changed


@pytest.mark.parametrize(
    ("kind", "price", "stop_px"),
    [
        (OrderType.LIMIT, D(99), None),
        (OrderType.STOP, None, D(98)),
        (OrderType.STOP_LIMIT, D(99), D(98)),
        (OrderType.MARKET, None, None),
    ],
)
def test_an_order_known_from_its_execution_learns_its_terms(
    kind: OrderType, price: Decimal | None, stop_px: Decimal | None
) -> None:
    """An execution says no type and no price: the answer to a question does; one of a market order
    never is the price of ours.
    """
    held = Held(terms(None, kind=OrderType.MARKET, price=None))
    shown = replace(
        seen(S.WORKING, 9, qty="10", cum="0", price="99", stop_px="98"), order_type=kind
    )
    held.take(shown)
    assert (price, stop_px, D(10)) == (held.order.price, held.order.stop_px, held.order.order_qty)
