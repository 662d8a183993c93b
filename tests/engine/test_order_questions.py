"""What is not said plainly is asked about, and a question is a change: it is written down."""

from __future__ import annotations

from engine.messages import (
    Accepted,
    AmendOrder,
    Cancelled,
    Feeds,
    OrderNotFound,
    Replaced,
    TradeCorrected,
    VenueStatus,
)
from engine.order import Doubt
from engine.statechart import Verdict
from engine.values import OrderState, Source
from tests.order_kit import CID, D, Held, at_venue, bust, fill, seen


def test_terms_that_answer_nothing_of_ours_are_asked_about() -> None:
    """They may be old ones told again: they change no term, and the question stays open when they
    are said once more.
    """
    held = at_venue()
    for venue_id in ("v1", "v2"):
        held.take(Replaced(CID, 20, "not ours", D(12), venue_order_id=venue_id))
        assert (D(10), True) == (held.order.order_qty, held.order.unverified)
    assert ("v1", "v2") == held.order.venue_order_ids


def test_a_newer_list_that_shows_a_closed_order_makes_us_ask() -> None:
    """It ended, and the list says that it works: the list may lag, the end may be wrong."""
    held = at_venue(None, Cancelled(CID, 30))
    held.take(seen(VenueStatus.WORKING, 25, source=Source.LIST))
    assert not held.order.unverified
    held.take(seen(VenueStatus.WORKING, 40, source=Source.LIST))
    assert (OrderState.CANCELLED, True) == (held.state(), held.order.unverified)


def test_a_leg_does_not_settle_what_became_of_its_order() -> None:
    """It proves that the order was placed; whether it still works is as open as before."""
    held = at_venue(None, OrderNotFound(CID, 30, 29))
    assert Doubt.FATE is held.order.doubt
    held.take(fill("7", feeds=Feeds.POSITION, instrument="Y", ts=31))
    assert (OrderState.IN_DOUBT, Doubt.FATE) == (held.state(), held.order.doubt)


def test_an_amend_that_took_over_terms_counts_with_all_of_them() -> None:
    """Two amends became one before they left: the request is the sum of both, once."""
    held = at_venue(None, AmendOrder(CID, "a1", 20, D(12)), AmendOrder(CID, "a1", 21, None, D(99)))
    (out,) = held.order.requests
    assert (D(12), D(99), None) == (out.order_qty, out.price, out.stop_px)
    before = held.order
    assert before is held.take(AmendOrder(CID, "a1", 22, D(12), D(99)))


def test_a_correction_with_impossible_numbers_is_kept_and_changes_nothing() -> None:
    """It is evidence: it is written down, and the execution stands."""
    held = at_venue(None, fill("E1"))
    before = held.order
    assert before is held.take(TradeCorrected(CID, 20, "E1", "E2", D("NaN"), D(1)))
    assert (Verdict.QUARANTINE, True) == (held.last.verdict, held.last.changed)
    assert D(0) == held.take(bust("E1")).cum_qty


def test_an_acknowledged_quantity_of_nothing_is_kept_and_believed_by_nobody() -> None:
    """No order is of nothing: an ack that says so says nothing about the quantity."""
    for qty in (D(0), D("-1"), D("NaN")):
        held = Held()
        held.take(Accepted(CID, 2, "v1", order_qty=qty))
        assert ("malformed_report", D(10)) == (held.last.anomaly, held.order.order_qty)


def test_terms_said_again_unasked_change_nothing() -> None:
    """A repetition is no fact: nothing is written, nobody is told."""
    held = at_venue()
    before = held.order
    assert before is held.take(Replaced(CID, 20, None, D(10), D(100)))
    assert not held.last.changed


def test_terms_granted_after_the_end_close_their_request_and_nothing_else() -> None:
    """An amend that lost the race: its order ended with the terms that it had."""
    held = at_venue(None, AmendOrder(CID, "a1", 11, D(12)), Cancelled(CID, 12))
    held.take(Replaced(CID, 13, "a1", D(12)))
    assert (OrderState.CANCELLED, D(10), ()) == (
        held.state(), held.order.order_qty, held.order.requests
    )  # fmt: skip


def test_an_order_that_filled_exactly_needs_no_amend_to_explain_it() -> None:
    """Only what is more than was asked for says that an unanswered amend has been granted."""
    held = at_venue(None, fill("E1"), AmendOrder(CID, "a1", 11, D(12)))
    held.take(TradeCorrected(CID, 20, "E1", "E2", D(10), D(100)))
    assert (D(10), D(10)) == (held.order.cum_qty, held.order.order_qty)
    held.take(TradeCorrected(CID, 30, "E2", "E3", D(11), D(100)))
    assert (D(11), D(12), True) == (held.order.cum_qty, held.order.order_qty, held.order.unverified)
