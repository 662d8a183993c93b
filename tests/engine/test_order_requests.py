"""Requests of ours: several at once, of known and unknown outcome, and terms that change."""

from __future__ import annotations

from msgspec.structs import replace

from engine.messages import (
    Amend,
    AmendOrder,
    Cancel,
    Cancelled,
    CancelOrder,
    CancelRefused,
    OrderNotFound,
    OutcomeUnknown,
    Replaced,
    ReplaceRefused,
    RequestPending,
    Restated,
    VenueStatus,
    Withdrawn,
)
from engine.order import Doubt, exposure_qty, has_questions, is_settled, leaves_qty
from engine.values import OrderState, OrderType
from tests.order_kit import CID, D, Held, at_venue, bust, fill, seen, terms

S = VenueStatus


def cancel(req: str = "c1", ts: int = 10) -> CancelOrder:
    """A cancel."""
    return CancelOrder(CID, req, ts)


def amend(
    req: str = "a1", qty: str | None = None, px: str | None = None, ts: int = 10
) -> AmendOrder:
    """An amend."""
    return AmendOrder(CID, req, ts, None if qty is None else D(qty), None if px is None else D(px))


def replaced(
    req: str | None, qty: str | None = None, px: str | None = None, ts: int = 15
) -> Replaced:
    """The venue's word on it."""
    return Replaced(CID, ts, req, None if qty is None else D(qty), None if px is None else D(px))


def reqs(held: Held) -> list[str]:
    """The outstanding ids."""
    return [out.req_id for out in held.order.requests]


# --- asking ---------------------------------------------------------------------------------------


def test_a_request_names_the_venues_latest_id_and_changes_no_term() -> None:
    """Old terms stay in force until the venue confirms."""
    held = at_venue(None, amend("a1", "12", "101"))
    asked: object = held.last.request
    assert Amend(CID, "a1", "X", D(12), D(101), None, "v1") == asked
    assert (OrderState.PENDING_REPLACE, D(10), D(100)) == (
        held.state(),
        held.order.order_qty,
        held.order.price,
    )
    held.take(cancel())
    asked = held.last.request
    assert Cancel(CID, "c1", "X", "v1") == asked
    assert OrderState.PENDING_CANCEL is held.state()


def test_the_same_request_again_is_not_sent_again() -> None:
    """One id, one call."""
    held = at_venue(None, cancel(), cancel())
    assert (False, None) == (held.last.changed, held.last.request)
    held.take(amend("a1", "12"), amend("a1", "12"))
    assert (False, None) == (held.last.changed, held.last.request)


def test_a_terminal_order_sends_nothing_but_an_amend_that_reopens_it() -> None:
    """FIX C.1.c, and only where no end was stated."""
    held = at_venue(None, fill("E1", "10"), cancel())
    assert "FILLED" in held.last.refused
    held.take(amend("a1", "8"))
    assert "FILLED" in held.last.refused
    held.take(amend("a2", "15"))
    assert isinstance(held.last.request, Amend)
    ended = at_venue(None, Cancelled(CID, 5), fill("E1", "10"), amend("a1", "15"))
    assert OrderState.FILLED is ended.state()
    assert ended.last.refused


def test_a_partial_fill_never_clears_a_request() -> None:
    """FIX B.1.b, C.3: the overlay stays, quantities move."""
    held = at_venue(None, cancel(), amend("a1", "12"), fill("E1"))
    assert (OrderState.PENDING_CANCEL, ["c1", "a1"], D(4)) == (
        held.state(),
        reqs(held),
        held.order.cum_qty,
    )


def test_exposure_takes_the_largest_of_all_outstanding_terms() -> None:
    """Any of them may be in force; a filled order counts while an amend may reopen it."""
    held = at_venue(None, amend("a1", "15"), amend("a2", "12"), fill("E1"))
    assert (D(6), D(11)) == (leaves_qty(held.order), exposure_qty(held.order))
    held.take(fill("E2", "6"))
    assert (OrderState.FILLED, D(5)) == (held.state(), exposure_qty(held.order))
    assert not is_settled(held.order)
    held.take(ReplaceRefused(CID, 20, "a1"), ReplaceRefused(CID, 20, "a2"))
    assert D(0) == exposure_qty(held.order)
    assert is_settled(held.order)


# --- answers --------------------------------------------------------------------------------------


def test_a_refusal_derives_the_state_from_the_facts_and_a_refused_cancel_is_looked_into() -> None:
    """passivbot#514: refused may mean filled, so it proves nothing."""
    held = at_venue(None, cancel(), fill("E1"), CancelRefused(CID, 12, "c1", "too late"))
    assert (OrderState.PARTIAL, True) == (held.state(), has_questions(held.order))
    held.take(CancelRefused(CID, 13, "c1"))
    assert not held.last.changed


def test_each_request_is_answered_by_its_own_id() -> None:
    """D.2.a, X.13: another one stays outstanding."""
    held = at_venue(None, cancel("c1"), cancel("c2"), amend("a1", "12"))
    held.take(CancelRefused(CID, 12, "c1"))
    assert (OrderState.PENDING_CANCEL, ["c2", "a1"]) == (held.state(), reqs(held))
    held.take(CancelRefused(CID, 12, "c2"))
    assert OrderState.PENDING_REPLACE is held.state()
    held.take(replaced("a1", "12"))
    assert (OrderState.ACCEPTED, D(12)) == (held.state(), held.order.order_qty)


def test_an_end_answers_all_requests() -> None:
    """Nothing is left to ask for."""
    held = at_venue(None, cancel(), amend("a1", "12"), Cancelled(CID, 12, "c1"))
    assert (OrderState.CANCELLED, []) == (held.state(), reqs(held))


def test_replaced_to_what_is_filled_or_less_completes() -> None:
    """FIX C.3.b: stop executing; below cum the venue's granted total stands and nothing is left."""
    for qty in ("4", "3"):
        held = at_venue(None, fill("E1", "4"), amend("a1", qty), replaced("a1", qty))
        assert (OrderState.FILLED, D(0)) == (held.state(), leaves_qty(held.order))


def test_a_filled_order_is_reopened_by_a_larger_quantity() -> None:
    """FIX C.1.c."""
    held = at_venue(None, fill("E1", "10"), amend("a1", "15"), replaced("a1", "15"))
    assert (OrderState.PARTIAL, D(5)) == (held.state(), leaves_qty(held.order))


def test_an_answer_after_an_end_changes_no_terms_also_of_a_filled_order() -> None:
    """A late Replaced of an order that was cancelled, then completed, broke an invariant."""
    held = at_venue(None, amend("a1", "15"), Cancelled(CID, 12), fill("E1", "10"))
    assert OrderState.FILLED is held.state()
    held.take(replaced("a1", "15"), replaced(None, "15"), Restated(CID, 20, D(15)))
    assert (OrderState.FILLED, D(10)) == (held.state(), held.order.order_qty)


def test_a_repeated_answer_does_not_bring_back_older_terms() -> None:
    """Terms are not facts that add up: the order of two answers is theirs, a repetition is not."""
    held = at_venue(None, amend("a1", "12"), replaced("a1", "12"))
    held.take(amend("a2", "15"), replaced("a2", "15"), replaced("a1", "12"))
    assert D(15) == held.order.order_qty
    assert has_questions(held.order), "it differs from what we hold, so we look"
    held.take(seen(S.WORKING, 30, qty="15"))
    assert not has_questions(held.order)
    held.take(replaced("a2", "15"))
    assert not held.last.changed


def test_the_order_of_two_answers_matters_and_the_last_one_counts() -> None:
    """Where order is the fact: two amends answered in turn leave the terms of the second."""
    one = at_venue(None, amend("a1", "12"), amend("a2", "15"))
    one.take(replaced("a1", "12"), replaced("a2", "15"))
    other = at_venue(None, amend("a1", "12"), amend("a2", "15"))
    other.take(replaced("a2", "15"), replaced("a1", "12"))
    assert (D(15), D(12)) == (one.order.order_qty, other.order.order_qty)
    assert [] == reqs(one) == reqs(other)


def test_an_answer_to_our_amend_ends_a_doubt_of_fate_and_a_repeated_one_does_not() -> None:
    """It could only be given by a venue that works the order."""
    held = at_venue(None, amend("a1", "12"), OrderNotFound(CID, 30, 29))
    assert OrderState.IN_DOUBT is held.state()
    held.take(replaced("a1", "12", ts=31))
    assert OrderState.ACCEPTED is held.state()
    held.take(OrderNotFound(CID, 40, 39), replaced("a1", "12", ts=31))
    assert (OrderState.IN_DOUBT, Doubt.FATE) == (held.state(), held.order.doubt)


def test_a_restatement_is_not_asked_for_and_counts() -> None:
    """FIX E.1.d: a reduction; down to what is filled it completes."""
    held = at_venue(None, fill("E1", "4"), Restated(CID, 12, D(8)))
    assert D(4) == leaves_qty(held.order)
    held.take(Restated(CID, 12, D(8)))
    assert not held.last.changed
    held.take(Restated(CID, 13, D(4)))
    assert OrderState.FILLED is held.state()


def test_a_total_of_nothing_leaves_nothing_and_claims_no_completion() -> None:
    """Reduced to 0 before any fill: nothing can fill, and it is not filled."""
    held = at_venue(None, Restated(CID, 12, D(0)))
    assert (OrderState.ACCEPTED, D(0)) == (held.state(), leaves_qty(held.order))
    busted = at_venue(None, fill("E1", "4"), Restated(CID, 12, D(0)), bust("E1"))
    assert (OrderState.ACCEPTED, D(0)) == (busted.state(), exposure_qty(busted.order))


# --- unknown outcomes -----------------------------------------------------------------------------


def test_a_request_of_unknown_outcome_shows_as_doubt_and_is_asked_about() -> None:
    """Silence about a cancel is neither a cancel nor a refusal."""
    held = at_venue(None, cancel(), OutcomeUnknown(CID, 12, "c1"))
    assert (OrderState.IN_DOUBT, True) == (held.state(), has_questions(held.order))
    held.take(OutcomeUnknown(CID, 13, "c1"))
    assert not held.last.changed
    held.take(RequestPending(CID, 14, "c1"))
    assert OrderState.PENDING_CANCEL is held.state(), "the venue has it: it is in sight again"


def test_an_amend_of_unknown_outcome_blocks_amends_and_never_the_cancel() -> None:
    """What lowers exposure waits for no answer but its own."""
    held = at_venue(None, amend("a1", "12"), OutcomeUnknown(CID, 12, "a1"), amend("a2", "13"))
    assert "unknown" in held.last.refused
    held.take(cancel())
    assert isinstance(held.last.request, Cancel)
    assert ["a1", "c1"] == reqs(held)


def test_an_amend_of_unknown_outcome_is_answered_by_a_newer_look_at_its_terms() -> None:
    """The venue's terms are in force whoever told us; the next amend may leave."""
    held = at_venue(None, amend("a1", "12", "101"), OutcomeUnknown(CID, 12, "a1"))
    held.take(seen(S.WORKING, 11, qty="12", price="101"))
    assert D(10) == held.order.order_qty, "asked before it became unknown"
    held.take(seen(S.WORKING, 20, qty="12", price="101"))
    assert (OrderState.ACCEPTED, D(12), D(101)) == (
        held.state(),
        held.order.order_qty,
        held.order.price,
    )
    assert not has_questions(held.order)
    held.take(amend("a2", "13", ts=30))
    assert isinstance(held.last.request, Amend)


def test_old_terms_prove_nothing_about_an_amend_of_unknown_outcome() -> None:
    """It may be on its way; how long is for reconcile to say."""
    held = at_venue(None, amend("a1", "12"), OutcomeUnknown(CID, 12, "a1"))
    held.take(seen(S.WORKING, 20, qty="10", price="100"))
    assert (OrderState.IN_DOUBT, ["a1"]) == (held.state(), reqs(held))


def test_terms_that_nobody_asked_for_are_taken_over_and_looked_at_again() -> None:
    """Somebody else amended it, or a query lags: what a second look agrees with stands."""
    held = at_venue(None, seen(S.WORKING, 20, qty="14", price="99"))
    assert (D(14), D(99), True) == (
        held.order.order_qty,
        held.order.price,
        has_questions(held.order),
    )
    held.take(seen(S.WORKING, 30, qty="14", price="99"))
    assert not has_questions(held.order)


def test_a_newer_look_at_a_larger_quantity_reopens_a_filled_order() -> None:
    """The raise we lost sight of took effect."""
    held = at_venue(None, fill("E1", "10"), amend("a1", "15"), OutcomeUnknown(CID, 12, "a1"))
    assert (OrderState.FILLED, D(5), ["a1"]) == (held.state(), exposure_qty(held.order), reqs(held))
    held.take(seen(S.WORKING, 20, qty="15", cum="10"))
    assert (OrderState.PARTIAL, D(5), []) == (held.state(), leaves_qty(held.order), reqs(held))


def test_a_cancel_of_what_was_complete_proves_the_raise_we_lost_sight_of() -> None:
    """A venue can cancel only what is left, so its word after the last fill says there was more;
    whether or not it names its total. Without a raise it stays filled.
    """
    for total in (None, D(10)):
        gone = Cancelled(CID, 20, cum_qty=total)
        raised = (amend("a1", "15"), OutcomeUnknown(CID, 12, "a1"))
        held = at_venue(None, *raised, fill("E1", "10"), gone)
        assert (OrderState.CANCELLED, D(15)) == (held.state(), held.order.order_qty)
        assert (D(10), D(0), []) == (held.order.cum_qty, leaves_qty(held.order), reqs(held))
        held = at_venue(None, *raised, Cancelled(CID, 20, cum_qty=D(10)), fill("E1", "10"))
        assert (OrderState.CANCELLED, D(15)) == (held.state(), held.order.order_qty)
        for others in ((), (amend("a1", "8"),), (amend("a1", None, "99"),)):
            held = at_venue(None, *others, fill("E1", "10"), gone)
            assert (OrderState.FILLED, D(10)) == (held.state(), held.order.order_qty)


def test_a_market_orders_shown_price_and_a_moving_trail_are_no_new_terms() -> None:
    """Venues show an average or a zero there; a trailing stop moves by itself."""
    market = at_venue(terms(kind=OrderType.MARKET, price=None))
    market.take(seen(S.WORKING, 20, qty="10", price="0"))
    assert (None, False) == (market.order.price, has_questions(market.order))
    trail = at_venue(terms(kind=OrderType.TRAILING_STOP, price=None, trail="5"))
    trail.take(seen(S.WORKING, 20, stop_px="95"), seen(S.WORKING, 30, stop_px="97"))
    assert (D(97), False) == (trail.order.stop_px, has_questions(trail.order))


def test_a_filled_order_waits_for_no_cancel() -> None:
    """Once it is done nothing is left to cancel.

    Silence, or a look that shows it done, ends the request.
    """
    for last in (OutcomeUnknown(CID, 30, "c1"), seen(S.FILLED, 40, cum="10")):
        held = at_venue(None, cancel(), OutcomeUnknown(CID, 12, "c1"), fill("E1", "10"))
        assert (OrderState.FILLED, ["c1"]) == (held.state(), reqs(held))
        held.take(last)
        assert [] == reqs(held)


def test_malformed_terms_are_quarantined() -> None:
    """A negative or unreadable quantity changes nothing and is seen."""
    held = at_venue(None, amend("a1", "12"))
    for bad in (replaced("a1", "-1"), replaced("a1", "NaN"), Restated(CID, 12, D("-3"))):
        held.take(bad)
        assert ("malformed_report", D(10), ["a1"]) == (
            held.last.anomaly,
            held.order.order_qty,
            reqs(held),
        )


def test_an_order_that_never_left_is_settled_when_we_end_it() -> None:
    """Two cancels before it left: the first is overtaken, the second withdraws it, no question."""
    held = Held(sent=False)
    held.take(cancel("c1"), cancel("c2"), CancelRefused(CID, 11, "c1"), Withdrawn(CID, 12))
    assert (OrderState.CANCELLED, True) == (held.state(), is_settled(held.order))


def test_a_change_of_quantity_that_was_overtaken_is_asked_about() -> None:
    """An answer and the stream are two ways: an older total that comes later is not believed."""
    for story in (
        [Restated(CID, 20, D(5)), Restated(CID, 12, D(8))],
        [Restated(CID, 20, D(5)), replaced("a1", "12", ts=15)],
    ):
        held = at_venue(None, amend("a1", "12"), *story)
        assert has_questions(held.order)
        held.take(seen(S.WORKING, 30, qty="5"), seen(S.WORKING, 40, qty="5"))
        assert (D(5), False) == (held.order.order_qty, has_questions(held.order))
    held = at_venue(None, Restated(CID, 12, D(8)), Restated(CID, 20, D(5)))
    assert (D(5), False) == (held.order.order_qty, has_questions(held.order))


def test_more_than_was_ordered_proves_an_amend_that_is_not_answered() -> None:
    """A fill implies the amend as it implies the ack: the order goes on with its terms, and an end
    that follows is the end of those.
    """
    for first in ([fill("E1", "11")], [fill("E1", "10"), fill("E2", "1")]):
        held = at_venue(None, amend("a1", "20", "101"), *first)
        assert (OrderState.PENDING_REPLACE, D(20), D(101), True) == (
            held.state(), held.order.order_qty, held.order.price, has_questions(held.order),
        )  # fmt: skip
        held.take(Cancelled(CID, 20), OutcomeUnknown(CID, 21, "a1"))
        assert (OrderState.CANCELLED, D(11)) == (held.state(), held.order.cum_qty)


def test_more_than_any_amend_explains_is_an_overfill() -> None:
    """And so is more than was ordered when the venue says that the amend had no effect."""
    held = at_venue(None, amend("a1", "12"), fill("E1", "13"))
    assert (OrderState.FILLED, "overfill") == (held.state(), held.last.anomaly)
    held = at_venue(None, amend("a1", "12"), fill("E1", "11"), ReplaceRefused(CID, 12, "a1"))
    assert has_questions(held.order)
    held.take(seen(S.FILLED, 20, cum="11", qty="10"))
    assert (OrderState.FILLED, D(10)) == (held.state(), held.order.order_qty)


def test_an_old_shrink_repeated_behind_a_newer_amend_takes_nothing_back() -> None:
    """It may work for all that the amend made of it: the venue is asked, whose word counts."""
    shrink = Restated(CID, 20, D(7), "reduce_only")
    held = at_venue(None, amend("a0", "12", ts=12), replaced("a0", "12", ts=14), shrink)
    assert (D(7), False) == (held.order.order_qty, held.order.unverified)
    held.take(amend("a1", "12", ts=21), replaced("a1", "12", ts=25))
    held.take(shrink)
    assert (D(12), True) == (held.order.order_qty, held.order.unverified)
    held.take(shrink)
    assert not held.last.changed
    held.take(*(seen(S.WORKING, asked, qty="7", cum="0", price="100") for asked in (30, 40)))
    assert (D(7), False) == (held.order.order_qty, held.order.unverified)


def test_an_old_shrink_is_not_believed_though_the_order_is_as_large_as_it_was_placed() -> None:
    """It was shrunk, and amended to what it had been; of one that was just placed it is."""
    shrink = Restated(CID, 20, D(7), "reduce_only")
    held = at_venue(None, shrink, amend("a1", "10", ts=21), replaced("a1", "10", ts=25), shrink)
    assert (D(10), True) == (held.order.order_qty, held.order.unverified)
    held.take(*(seen(S.WORKING, asked, qty="10", cum="0") for asked in (30, 40)))
    assert (D(10), False) == (held.order.order_qty, held.order.unverified)
    held = at_venue(None, Restated(CID, 2, D(7), "reduce_only"))
    assert (D(7), False) == (held.order.order_qty, held.order.unverified)


def test_a_shrink_of_the_moment_of_an_amend_is_not_believed() -> None:
    """Which of the two came first cannot be told, and more may work than it says."""
    held = at_venue(None, amend("a1", "12", ts=20), replaced("a1", "12", ts=25))
    held.take(Restated(CID, 25, D(7), "reduce_only"))
    assert (D(12), True) == (held.order.order_qty, held.order.unverified)


def test_nor_is_one_of_the_moment_in_which_it_was_amended_to_what_was_placed() -> None:
    """Repeated, or told only then; and the same when the venue itself, or its answer to a question,
    says that all of it works again.
    """
    shrink = Restated(CID, 20, D(7), "reduce_only")
    ask, done = amend("a1", "10", ts=20), replaced("a1", "10", ts=20)
    back = Restated(CID, 20, D(10))
    answer = seen(S.WORKING, 21, qty="10", cum="0")
    for story in ([shrink, ask, done], [ask, done], [shrink, back], [shrink, answer]):
        held = at_venue(None, *story)
        assert held.order.order_qty == D(10)
        held.take(replace(shrink, ts=22 if answer in story else 20))
        assert (D(10), True) == (exposure_qty(held.order), held.order.unverified), story
        held.take(*(seen(S.WORKING, asked, qty="7", cum="0") for asked in (30, 40)))
        assert (D(7), False) == (exposure_qty(held.order), held.order.unverified), story


def test_a_total_at_an_end_proves_the_amend_that_was_not_answered() -> None:
    """It filled 8 of the 12 that it was amended to, and was cancelled: 5 are not all of it. The
    same when the fills come first.
    """
    submit = terms("5")
    for told_first in (True, False):
        held = at_venue(submit, amend("a1", "12", "101"))
        words = [Cancelled(CID, 20, cum_qty=D(8)), fill("x1", "8", ts=19)]
        held.take(*(words if told_first else reversed(words)))
        assert (OrderState.CANCELLED, D(12), D(8)) == (
            held.state(), held.order.order_qty, held.order.cum_qty,
        )  # fmt: skip
        assert D(101) == held.order.price
        assert is_settled(held.order)
