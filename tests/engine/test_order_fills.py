"""Executions: booked once, in any state, however late, repeated, revised, busted or corrected."""

from __future__ import annotations

import pytest

from engine.ledger import BookingKind, Ledger, ledger_key
from engine.messages import (
    Accepted,
    Cancelled,
    Denied,
    Expired,
    Feeds,
    NeverArrived,
    OrderNotFound,
    OutcomeUnknown,
    Rejected,
    Restated,
    TradeCorrected,
)
from engine.order import Doubt, exposure_qty, has_questions, is_settled, leaves_qty
from engine.order_tables import Life
from engine.statechart import Verdict
from engine.values import OrderState, OrderType, Side, exact
from tests.order_kit import CID, D, Held, at_venue, bust, correct, fill, terms

ENDS = [Cancelled(CID, 5), Expired(CID, 5), Rejected(CID, 5)]


def kinds(held: Held) -> list[tuple[BookingKind, str]]:
    """What the last step booked."""
    return [(booking.kind, booking.fill.exec_id) for booking in held.last.bookings]


# --- once, in any state ---------------------------------------------------------------------------


def test_a_fill_is_booked_once() -> None:
    """A repetition adds nothing and is not journalled."""
    held = at_venue(None, fill("E1", "4", "101"))
    assert (D(4), D(404)) == (held.order.cum_qty, held.order.cum_cost)
    held.take(fill("E1", "4", "101", ts=99))
    assert (False, D(4)) == (held.last.changed, held.order.cum_qty)


def test_a_fill_before_the_ack_implies_it() -> None:
    """FIX XCH.A.1.c: the ack that follows is stale."""
    held = Held()
    held.take(fill("E1"), Accepted(CID, 11, "v1"))
    assert (OrderState.PARTIAL, ("v1",)) == (held.state(), held.order.venue_order_ids)


@pytest.mark.parametrize("end", ENDS)
def test_a_late_fill_is_booked_and_the_end_stands_until_it_is_complete(
    end: Cancelled | Expired | Rejected,
) -> None:
    """Flagged, leaves stay 0, FILLED only when nothing is missing."""
    held = at_venue(None, end)
    ended = held.state()
    held.take(fill("E1", "4"))
    assert (ended, "late_fill", Verdict.LATE) == (
        held.state(),
        held.last.anomaly,
        held.last.verdict,
    )
    assert (D(4), D(0)) == (held.order.cum_qty, leaves_qty(held.order))
    held.take(fill("E2", "6"))
    assert (OrderState.FILLED, "late_fill") == (held.state(), held.last.anomaly)
    assert is_settled(held.order)


@pytest.mark.parametrize("word", [Rejected(CID, 5), Denied(CID, 5, "RISK")])
def test_a_fill_of_an_order_that_was_refused_makes_us_ask(word: Rejected | Denied) -> None:
    """Refused and filled contradict each other: what is left may still work at the venue."""
    held = Held(sent=isinstance(word, Rejected))
    held.take(word, fill("E1", "4"))
    assert (D(4), "late_fill") == (held.order.cum_qty, held.last.anomaly)
    assert has_questions(held.order)
    held.take(fill("E2", "6"))
    assert OrderState.FILLED is held.state()


def test_a_fill_of_an_order_not_known_as_sent_is_booked_and_flagged() -> None:
    """It did leave, whatever we thought."""
    held = Held(sent=False)
    held.take(fill("E1", "4"))
    assert (OrderState.PARTIAL, "late_fill") == (held.state(), held.last.anomaly)


def test_an_overfill_is_booked_whole_and_flagged() -> None:
    """The position needs it; leaves are 0, never negative."""
    held = at_venue(None, fill("E1", "8"), fill("E2", "5"))
    assert (OrderState.FILLED, "overfill") == (held.state(), held.last.anomaly)
    held.take(fill("E3", "1"))
    assert (D(14), D(0), "overfill") == (
        held.order.cum_qty,
        leaves_qty(held.order),
        held.last.anomaly,
    )


def test_more_than_was_ordered_is_doubted_where_the_venue_counts_less() -> None:
    """One of ours is void, or will be: what became of the order is asked, it stays in memory."""
    held = at_venue(None, fill("E1", "7"), fill("E2", "7", total="7"))
    assert ("overfill", True) == (held.last.anomaly, has_questions(held.order))
    assert not is_settled(held.order)
    held.take(bust("E1"))
    assert (OrderState.PARTIAL, D(7)) == (held.state(), held.order.cum_qty)


def test_a_fill_ends_a_doubt_of_existence_and_not_one_of_fate() -> None:
    """It was placed, then; where it is now the fill does not say."""
    held = Held()
    held.take(OutcomeUnknown(CID, 5), fill("E1"))
    assert (OrderState.PARTIAL, None) == (held.state(), held.order.doubt)
    fate = at_venue(None, OrderNotFound(CID, 6, 5), fill("E1"))
    assert (OrderState.IN_DOUBT, Doubt.FATE) == (fate.state(), fate.order.doubt)
    fate.take(fill("E2", "6"))
    assert OrderState.FILLED is fate.state()


def test_a_fill_with_other_numbers_under_a_known_id_is_kept_as_a_contradiction() -> None:
    """Booking it twice or replacing it silently would both be guesses."""
    held = at_venue(None, fill("E1", "4"), fill("E1", "5"))
    assert (D(4), "execution_mismatch") == (held.order.cum_qty, held.last.anomaly)
    assert Verdict.QUARANTINE is held.last.verdict


def test_time_does_not_run_backwards_with_late_deliveries() -> None:
    """Evidence has to be newer than the latest fact, not than the one that came last."""
    held = at_venue(None, fill("E1", ts=50), fill("E2", ts=20))
    assert 50 == held.order.ts


# --- fees, claims, ids ----------------------------------------------------------------------------


def test_a_fee_told_later_is_booked_as_a_fee_and_once() -> None:
    """The execution itself is not booked again."""
    held = at_venue(None, fill("E1"), fill("E1", fee="0.5"))
    assert [(BookingKind.FEE, "E1")] == kinds(held)
    told = held.ledger.get("E1")
    assert told is not None
    assert (D("0.5"), "USD") == (told.fee, told.fee_currency)
    held.take(fill("E1", fee="0.5"))
    assert not held.last.changed


def test_a_fee_that_is_no_number_loses_no_fill_of_the_turn() -> None:
    """It would fail in the position; it is quarantined before."""
    held = at_venue(None, fill("E1", fee="NaN"))
    assert ("malformed_fill", D(0)) == (held.last.anomaly, held.order.cum_qty)
    assert held.last.changed  # it is written down: somebody will ask what came


def test_a_repetition_may_bring_a_total_or_an_id() -> None:
    """Lists and streams tell different parts of one execution."""
    held = at_venue(None, fill("E1", "4"), fill("E1", "4", total="9", venue_id="child"))
    assert (D(9), ("v1", "child")) == (held.order.claim_qty, held.order.venue_order_ids)
    assert D(4) == held.order.cum_qty


# --- revisions ------------------------------------------------------------------------------------


def test_a_revision_takes_the_place_of_its_predecessor() -> None:
    """IB's .02: replaced, never added."""
    held = at_venue(None, fill("E.01", "4"), fill("E.02", "3", "101", revises="E.01"))
    assert [(BookingKind.VOID, "E.01"), (BookingKind.BOOK, "E.02")] == kinds(held)
    assert (D(3), D(303)) == (held.order.cum_qty, held.order.cum_cost)


@pytest.mark.parametrize(
    "order", [(1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1)]
)
def test_a_chain_of_revisions_comes_to_its_last_link_in_any_order(
    order: tuple[int, int, int],
) -> None:
    """Arriving last, the middle link used to leave the first one booked beside the third."""
    links = {
        1: fill("E.01", "4"),
        2: fill("E.02", "3", revises="E.01"),
        3: fill("E.03", "2", revises="E.02"),
    }
    held = at_venue(None, *(links[one] for one in order))
    assert [("E.03", D(2))] == [(f.exec_id, f.last_qty) for f in held.ledger.live()]
    assert D(2) == held.order.cum_qty


def test_a_restated_execution_of_an_ended_order_is_not_a_late_fill() -> None:
    """Nothing was added after the end."""
    held = at_venue(None, fill("E.01", "4"), Cancelled(CID, 11), fill("E.02", "4", revises="E.01"))
    assert ("", D(4), OrderState.CANCELLED) == (
        held.last.anomaly,
        held.order.cum_qty,
        held.state(),
    )


# --- busts and corrections ------------------------------------------------------------------------


def test_a_bust_reopens_the_quantity_where_no_end_stands_and_asks() -> None:
    """Whether the venue works what it gave back is for it to say."""
    held = at_venue(None, fill("E1", "10"), bust("E1"))
    assert (OrderState.ACCEPTED, D(10), "reopened") == (
        held.state(),
        leaves_qty(held.order),
        held.last.anomaly,
    )
    assert has_questions(held.order)
    partial = at_venue(None, fill("E1", "4"), bust("E1"))
    assert has_questions(partial.order)


def test_a_bust_after_an_end_leaves_the_end() -> None:
    """Only the quantity moves."""
    held = at_venue(None, fill("E1", "10"), Cancelled(CID, 11), bust("E1"))
    assert (OrderState.CANCELLED, D(0), D(0)) == (
        held.state(),
        held.order.cum_qty,
        leaves_qty(held.order),
    )
    assert is_settled(held.order)


def test_a_bust_before_its_fill_voids_it_on_arrival_and_proves_the_placement() -> None:
    """The order ends the same whichever came first."""
    early, late = Held(), Held()
    early.take(bust("E1"))
    assert "early_bust" == early.last.anomaly
    early.take(fill("E1"))
    assert "void_fill" == early.last.anomaly
    late.take(fill("E1"), bust("E1"))
    assert (OrderState.ACCEPTED, D(0)) == (early.state(), early.order.cum_qty)
    assert (OrderState.ACCEPTED, D(0)) == (late.state(), late.order.cum_qty)
    early.take(NeverArrived(CID, 50, "lookups"))
    assert Verdict.QUARANTINE is early.last.verdict


def test_a_bust_said_twice_takes_back_once() -> None:
    """And a redelivered execution does not come back."""
    held = at_venue(None, fill("E1", "4"), fill("E2", "3"), bust("E1"), bust("E1"), fill("E1", "4"))
    assert D(3) == held.order.cum_qty


def test_a_bust_keeps_what_else_was_open_about_the_order() -> None:
    """Rebooking used to clear the flag that the venue is being asked."""
    held = at_venue(None, fill("E1", "4"))
    held.take(fill("E1", "5"), OrderNotFound(CID, 30, 29))
    held.take(fill("E1.02", "4", revises="E1"))
    assert has_questions(held.order)


def test_a_claim_falls_with_the_execution_a_bust_takes_back() -> None:
    """The venue's total did, too: an ended order settles."""
    held = at_venue(None, fill("E1", "4", total="4"), fill("E2", "3", total="7"))
    held.take(Cancelled(CID, 11, cum_qty=D(7)), bust("E1"))
    assert (D(3), D(0)) == (held.order.claim_qty, exposure_qty(held.order))
    assert is_settled(held.order)


@pytest.mark.parametrize("early", [True, False])
def test_a_correction_is_a_bust_and_a_fill_in_one_in_either_order(early: bool) -> None:
    """FIX J.1.a: the old execution never counts beside the new one."""
    story = [fill("T1", "10"), correct("T1", "T2", "8", "101")]
    held = at_venue(None, *(reversed(story) if early else story))
    assert (OrderState.PARTIAL, D(8), D(808)) == (
        held.state(),
        held.order.cum_qty,
        held.order.cum_cost,
    )


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
)
def test_a_chain_of_corrections_comes_to_its_last_link_in_any_order(
    order: tuple[int, int, int],
) -> None:
    """The second correction first used to make the first one pass for a repetition."""
    links = [fill("T1", "10"), correct("T1", "T2", "8"), correct("T2", "T3", "6")]
    held = at_venue(None, *(links[one] for one in order))
    assert [("T3", D(6))] == [(f.exec_id, f.last_qty) for f in held.ledger.live()]


def test_a_correction_in_place_changes_the_execution_and_never_undoes_a_bust() -> None:
    """The same id with new numbers; FIX: a bust cannot be busted."""
    held = at_venue(None, fill("T1", "10"), correct("T1", "T1", "8"), correct("T1", "T1", "8"))
    assert (D(8), False) == (held.order.cum_qty, held.last.changed)
    for story in (
        [bust("T1"), correct("T1", "T1", "8")],
        [fill("T1", "10"), bust("T1"), correct("T1", "T1", "8")],
        [fill("T1", "10"), correct("T1", "T1", "8"), bust("T1")],
    ):
        gone = at_venue(None, *story)
        assert D(0) == gone.order.cum_qty


def test_a_corrected_price_is_no_late_fill() -> None:
    """The order stays filled, of as much as before."""
    held = at_venue(None, fill("T1", "10"), correct("T1", "T2", "10", "101"))
    assert (OrderState.FILLED, D(1010)) == (held.state(), held.order.cum_cost)
    assert (Verdict.STAY, "") == (held.last.verdict, held.last.anomaly)


def test_a_correction_keeps_what_it_does_not_say() -> None:
    """Fee, liquidity and the leg it belongs to come from the execution it corrects."""
    leg = fill("T1", "4", fee="0.5", feeds=Feeds.POSITION, instrument="LEG", side=Side.SELL)
    held = at_venue(None, leg, correct("T1", "T2", "3"))
    (new,) = held.ledger.live()
    assert (D(3), D("0.5"), "LEG", Side.SELL) == (new.last_qty, new.fee, new.instrument, new.side)
    held.take(TradeCorrected(CID, 30, "T2", "T3", D(3), D(99), D("0.7"), "EUR"))
    (new,) = held.ledger.live()
    assert (D("0.7"), "EUR") == (new.fee, new.fee_currency)
    assert D(0) == held.order.cum_qty


# --- combos ---------------------------------------------------------------------------------------


def test_legs_feed_positions_and_the_combo_feeds_the_order() -> None:
    """Quantity from the combo's executions, positions from its legs'."""
    held = at_venue(
        None,
        fill("L1", "8", feeds=Feeds.POSITION, instrument="LEG1"),
        fill("C1", "4", feeds=Feeds.ORDER),
    )
    assert (D(4), 2) == (held.order.cum_qty, len(held.ledger))


def test_legs_with_one_trade_number_are_two_executions() -> None:
    """Venues number trades per symbol; instrument and side belong to the key."""
    legs = [
        fill("7", "1", feeds=Feeds.POSITION, instrument="LEG1"),
        fill("7", "2", feeds=Feeds.POSITION, instrument="LEG2"),
        fill("7", "3", feeds=Feeds.POSITION, instrument="LEG2", side=Side.SELL),
        fill("7", "4", feeds=Feeds.ORDER, instrument="X", side=Side.BUY),
    ]
    held = at_venue(None, *legs, *legs)
    assert (4, D(4)) == (len(held.ledger), held.order.cum_qty)
    held.take(bust("7"))
    assert (0, D(0)) == (len(held.ledger), held.order.cum_qty), "a bust names no instrument"
    held.take(*legs)
    assert 0 == len(held.ledger)


def test_a_leg_proves_that_its_order_was_placed() -> None:
    """Else 'never arrived' could be proven of an order whose legs have filled."""
    leg = fill("L1", "1", feeds=Feeds.POSITION, instrument="LEG1", venue_id="v9")
    sent = Held()
    sent.take(leg)
    assert (OrderState.ACCEPTED, ("v9",)) == (sent.state(), sent.order.venue_order_ids)
    doubted = Held()
    doubted.take(OutcomeUnknown(CID, 5), leg, NeverArrived(CID, 50, "lookups"))
    assert (OrderState.ACCEPTED, Verdict.QUARANTINE) == (doubted.state(), doubted.last.verdict)


def test_a_leg_after_the_end_is_no_late_fill_and_one_of_a_denied_order_is() -> None:
    """Legs are often told after the combo's own execution; of an order never sent they are not."""
    leg = fill("L1", "1", feeds=Feeds.POSITION, instrument="LEG1")
    done = at_venue(None, fill("C1", "10", feeds=Feeds.ORDER), leg)
    assert ("", OrderState.FILLED) == (done.last.anomaly, done.state())
    denied = Held(sent=False)
    denied.take(Denied(CID, 2, "RISK"), leg)
    assert ("late_fill", Life.DENIED) == (denied.last.anomaly, denied.order.life)


# --- inferred fills -------------------------------------------------------------------------------


def test_an_inferred_fill_makes_room_for_the_real_ones() -> None:
    """It covers an interval of the total; a real execution replaces it and is never added."""
    held = at_venue(None, fill("E1", "3"), fill("I", "5", "90", total="8", inferred=True))
    assert D(8) == held.order.cum_qty
    held.take(fill("E2", "2", "100"))
    assert (D(8), D(300 + 200 + 270)) == (held.order.cum_qty, held.order.cum_cost)
    held.take(fill("E3", "4", "100"))
    assert (D(9), D(900)) == (held.order.cum_qty, held.order.cum_cost)
    assert ["E1", "E2", "E3"] == [f.exec_id for f in held.ledger.live()]


def test_an_inferred_fill_that_comes_too_late_covers_only_what_is_missing() -> None:
    """Executions came while it was being inferred: it used to be booked beside them."""
    held = at_venue(None, fill("E1", "3"), fill("E2", "4"))
    held.take(fill("I", "4", total="7", inferred=True))
    assert (D(7), False) == (held.order.cum_qty, held.last.changed)
    held.take(fill("J", "5", total="9", inferred=True))
    assert D(9) == held.order.cum_qty
    held.take(fill("J", "5", total="9", inferred=True))
    assert (D(9), False) == (held.order.cum_qty, held.last.changed)


def test_revisions_and_corrections_of_unknown_executions_replace_an_inferred_fill_too() -> None:
    """They are executions like any other; each used to be added to the guess."""
    for real in (fill("E.02", "4", revises="E.01"), correct("T1", "T2", "4")):
        held = at_venue(None, fill("I", "6", total="6", inferred=True), real)
        assert D(6) == held.order.cum_qty


def test_an_inference_without_a_total_covers_the_claim_and_nothing_else() -> None:
    """What nobody claims is not inferred."""
    held = at_venue(None, fill("I", "4", inferred=True))
    assert D(0) == held.order.cum_qty
    held.take(fill("E1", "3", total="5"), fill("J", "4", inferred=True))
    assert D(5) == held.order.cum_qty


# --- splits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", ["2", "3", "7", "0.1", "1.5"])
def test_a_split_rescales_fills_and_sums_alike(ratio: str) -> None:
    """100/3 has no exact decimal.

    The sum over fills is the sum, and a later bust takes back exactly that.
    """
    held = at_venue(None, fill("E1", "3", "100"), fill("E2", "4", "100.01"))
    with exact():
        held.take(Restated(CID, 20, D(10) * D(ratio), ratio=D(ratio)))  # judged by check_ledger
        assert D(7) * D(ratio) == held.order.cum_qty
        held.take(bust("E1", 30), bust("E2", 31))
    assert (D(0), D(0)) == (held.order.cum_qty, held.order.cum_cost)


def test_a_split_of_a_filled_order_leaves_it_filled() -> None:
    """Both sides of the comparison are rescaled."""
    held = at_venue(None, fill("E1", "10"), Restated(CID, 20, D(20), ratio=D(2)))
    assert (OrderState.FILLED, D(20)) == (held.state(), held.order.cum_qty)


# --- the ledger -----------------------------------------------------------------------------------


def test_bookings_can_be_taken_back_in_their_old_places() -> None:
    """A turn whose commit failed leaves the ledger as it was, booking order included."""
    held = at_venue(None, fill("E1", "2"), fill("E2", "3"))
    before = list(held.ledger.live())
    held_bookings = at_venue(None, fill("E1", "2"), fill("E2", "3"), bust("E1")).last.bookings
    entries = held.ledger.entries(held_bookings)
    held.ledger.apply(held_bookings)
    assert held.ledger.is_void("E1")
    held.ledger.undo(held_bookings, entries)
    assert before == list(held.ledger.live())
    fresh = Ledger()
    fresh.undo(held_bookings, {})
    assert () == fresh.exec_ids()


def test_a_ledger_of_voids_is_no_empty_ledger() -> None:
    """It says which executions may not come back: truth must not depend on the live ones."""
    held = at_venue(None, bust("E1"))
    assert (0, ("E1",), ("E1",)) == (
        len(held.ledger),
        held.ledger.exec_ids(),
        held.ledger.void_ids(),
    )
    assert held.ledger


def test_a_restored_ledger_knows_legs_and_inferences_again() -> None:
    """Keys are made anew from the fills of a tombstone."""
    leg = fill("7", "1", feeds=Feeds.POSITION, instrument="LEG1")
    guess = fill("I", "4", total="4", inferred=True)
    held = at_venue(terms(kind=OrderType.LIMIT), leg, guess)
    again = Ledger.restored(held.order.terms, tuple(held.ledger.live()), held.ledger.void_ids())
    assert held.ledger.exec_ids() == again.exec_ids()
    assert again.has_inferred
    assert ledger_key(held.order.terms, leg) in again
    assert "7" not in again
