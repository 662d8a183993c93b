"""An order's life: acks, ends, silence, evidence.

Executions and requests have files of their own.
"""

from __future__ import annotations

import pytest

from engine.errors import InvalidValue
from engine.messages import (
    Accepted,
    AdoptOrder,
    Cancelled,
    CancelOrder,
    Denied,
    DoneForDay,
    Expired,
    LinkUp,
    NeverArrived,
    OrderNotFound,
    OutcomeUnknown,
    Rejected,
    Resumed,
    SettleOrder,
    Suspended,
    Triggered,
    VenueStatus,
    Withdrawn,
)
from engine.order import (
    Doubt,
    exposure_qty,
    has_questions,
    is_in_flight,
    is_open,
    is_settled,
    leaves_qty,
)
from engine.order_steps import begin, mark_sent, mark_unsent, relink, step
from engine.order_tables import Life, Link, LinkTrigger
from engine.statechart import Verdict
from engine.values import OrderState, OrderType, Side, Source
from tests.order_kit import CID, D, Held, at_venue, bust, fill, seen, terms

S = VenueStatus


# --- before it leaves -----------------------------------------------------------------------------


def test_a_new_order_is_pending_and_one_we_adopt_was_sent() -> None:
    """Our own intent waits to leave; what somebody else sent is at the venue already."""
    assert Life.PENDING is begin(terms()).life
    assert Life.SUBMITTED is begin(AdoptOrder(terms(), 1)).life


def test_sending_is_noted_once_and_taken_back_only_while_nothing_answered() -> None:
    """A rate limit lets it wait again; an id of the venue's proves that it is there."""
    order = mark_sent(begin(terms()))
    assert Life.SUBMITTED is order.life
    assert mark_sent(order) is order
    assert Life.PENDING is mark_unsent(order).life
    answered = at_venue().order
    assert mark_unsent(answered) is answered


@pytest.mark.parametrize(
    ("message", "state"),
    [
        (Denied(CID, 2, "RISK"), OrderState.DENIED),
        (Withdrawn(CID, 2), OrderState.CANCELLED),
        (Withdrawn(CID, 2, expired=True), OrderState.EXPIRED),
    ],
)
def test_only_an_order_that_never_left_ends_by_our_own_word(
    message: Denied | Withdrawn, state: OrderState
) -> None:
    """Sent is sent: after that our word is a contradiction, kept and asked about."""
    waiting = Held(sent=False)
    waiting.take(message)
    assert state is waiting.state()
    assert is_settled(waiting.order)
    sent = at_venue()
    sent.take(message)
    assert OrderState.ACCEPTED is sent.state()
    assert (Verdict.QUARANTINE, "contradiction") == (sent.last.verdict, sent.last.anomaly)
    assert has_questions(sent.order)


def test_a_message_that_is_not_to_an_order_raises_and_changes_nothing() -> None:
    """The dispatch names what it cannot take."""
    held = at_venue()
    with pytest.raises(InvalidValue, match="LinkUp"):
        step(held.order, held.ledger, LinkUp(3))
    assert at_venue().order == held.order
    assert len(held.ledger) == 0


# --- acks -----------------------------------------------------------------------------------------


def test_a_second_ack_adds_nothing_but_an_id() -> None:
    """An order owns a set of venue ids; a repetition is not even journalled."""
    held = at_venue()
    held.take(Accepted(CID, 3, "v1"))
    assert not held.last.changed
    held.take(Accepted(CID, 4, "child"))
    assert ("v1", "child") == held.order.venue_order_ids


@pytest.mark.parametrize("end", [Cancelled(CID, 5), Expired(CID, 5), Rejected(CID, 5)])
def test_a_stale_ack_never_resurrects(end: Cancelled | Expired | Rejected) -> None:
    """barter-rs#206: a late 'new' after the end is a late 'new'."""
    held = at_venue(None, end)
    ended = held.order.life
    held.take(Accepted(CID, 9, "v1"), Accepted(CID, 9, "v1", source=Source.QUERY, sent_ts=3))
    held.take(Accepted(CID, 9, "v1", source=Source.LIST, sent_ts=99))
    assert ended is held.order.life


def test_a_quantity_told_late_completes_an_order_that_had_filled() -> None:
    """A cash-sized order has no quantity until the venue says one; then arithmetic decides."""
    held = Held(terms(None, kind=OrderType.MARKET, price=None, cash="1000"))
    held.take(fill("E1", "4"))
    assert (OrderState.PARTIAL, None) == (held.state(), leaves_qty(held.order))
    assert exposure_qty(held.order) is None
    held.take(Accepted(CID, 12, "v1", D(4)))
    assert (OrderState.FILLED, D(0)) == (held.state(), leaves_qty(held.order))


def test_a_quantity_told_after_the_end_gives_what_it_would_have_given_before() -> None:
    """End, fills and quantity come to FILLED in any order."""
    held = Held(terms(None, kind=OrderType.MARKET, price=None, cash="1000"))
    held.take(fill("E1", "4"), Cancelled(CID, 11), Accepted(CID, 12, "v1", D(4)))
    assert OrderState.FILLED is held.state()


def test_a_suspended_order_works_again_when_it_resumes_fills_or_is_seen_working() -> None:
    """What fills works; a look that is newer than the suspension counts as well."""
    for again in (Resumed(CID, 9), fill("E1", "4", ts=9), seen(S.WORKING, 9)):
        held = at_venue(None, Suspended(CID, 5))
        assert OrderState.SUSPENDED is held.state()
        held.take(Accepted(CID, 6))
        assert OrderState.SUSPENDED is held.state(), "an ack says nothing about working"
        held.take(again)
        assert Life.ACCEPTED is held.order.life


# --- stops ----------------------------------------------------------------------------------------

STOPS = [
    terms(kind=OrderType.STOP, price=None, stop_px="90"),
    terms(kind=OrderType.STOP_LIMIT, stop_px="90"),
    terms(kind=OrderType.TRAILING_STOP, price=None, trail="5"),  # it has no stop_px
]


@pytest.mark.parametrize("submit", STOPS, ids=lambda t: t.order_type.name)
def test_a_fill_proves_that_a_stop_was_elected(submit: object) -> None:
    """Also a trailing stop without stop_px, by a revision, and next to an inferred fill."""
    assert isinstance(submit, type(terms()))
    for first in (
        fill("E1"),
        fill("E1.02", revises="E1"),
        fill("I1", total="4", inferred=True),
    ):
        held = at_venue(submit, first)
        assert (Life.TRIGGERED, OrderState.PARTIAL) == (held.order.life, held.state())
    reopened = at_venue(submit, fill("E1", "10"), bust("E1"))
    assert Life.TRIGGERED is reopened.order.life


def test_a_triggered_stop_stays_triggered_through_doubt_and_a_false_end() -> None:
    """What has filled was elected, whatever the last look called it."""
    submit = STOPS[0]
    held = at_venue(submit, fill("E1"), OrderNotFound(CID, 21, 20))
    assert OrderState.IN_DOUBT is held.state()
    held.take(seen(S.WORKING, 30))
    assert Life.TRIGGERED is held.order.life
    held.take(Cancelled(CID, 40), seen(S.WORKING, 50))
    assert (Life.TRIGGERED, "false_end") == (held.order.life, held.last.anomaly)


def test_a_false_end_comes_back_in_the_state_that_was_seen() -> None:
    """Shown as suspended or triggered after an end, it is that and not merely accepted."""
    for status, life in ((S.SUSPENDED, Life.SUSPENDED), (S.TRIGGERED, Life.TRIGGERED)):
        held = at_venue(STOPS[0], Cancelled(CID, 5))
        held.take(seen(status, 9))
        assert life is held.order.life


def test_triggered_is_said_once() -> None:
    """A second election adds nothing but the child's id."""
    held = at_venue(STOPS[0], Triggered(CID, 5, "child"))
    assert OrderState.TRIGGERED is held.state()
    held.take(Triggered(CID, 6, "child"))
    assert not held.last.changed


# --- ends -----------------------------------------------------------------------------------------


def test_a_cancelled_order_settles_when_executions_explain_the_venues_total() -> None:
    """It is kept, asked about and counted until then, and no longer.

    This was 'unverified' for ever.
    """
    held = at_venue(None, fill("E1", "4"), Cancelled(CID, 11, cum_qty=D(7)))
    assert (OrderState.CANCELLED, D(3)) == (held.state(), exposure_qty(held.order))
    assert has_questions(held.order)
    assert not is_settled(held.order)
    held.take(fill("E2", "3", ts=8))
    assert (OrderState.CANCELLED, D(0)) == (held.state(), exposure_qty(held.order))
    assert is_settled(held.order)
    assert not has_questions(held.order)


def test_the_first_end_stands_and_a_later_one_brings_at_most_a_claim() -> None:
    """Two ends are one end; a total that only the second states still counts."""
    held = at_venue(None, Expired(CID, 5))
    held.take(Cancelled(CID, 6, cum_qty=D(2)))
    assert (OrderState.EXPIRED, D(2)) == (held.state(), exposure_qty(held.order))
    held.take(Cancelled(CID, 7, cum_qty=D(2)))
    assert not held.last.changed


def test_an_end_of_a_denied_order_is_kept_with_its_total() -> None:
    """We never sent it, so this is a contradiction.

    What the venue claims to have filled still counts.
    """
    held = Held(sent=False)
    held.take(Denied(CID, 2, "RISK"), Cancelled(CID, 5, cum_qty=D(2)))
    assert (OrderState.DENIED, D(2)) == (held.state(), exposure_qty(held.order))
    assert Verdict.QUARANTINE is held.last.verdict


def test_a_refusal_of_a_filled_order_is_kept_and_stands_once_the_fill_is_busted() -> None:
    """Fill and refusal contradict each other; the outcome must not depend on which came first."""
    refused_late = at_venue(None, fill("E1", "10"), Rejected(CID, 12))
    assert (OrderState.FILLED, Verdict.QUARANTINE) == (
        refused_late.state(),
        refused_late.last.verdict,
    )
    refused_late.take(bust("E1"))
    filled_late = at_venue(None, Rejected(CID, 12), fill("E1", "10"), bust("E1"))
    assert OrderState.REJECTED is refused_late.state() is filled_late.state()


def test_an_answer_older_than_the_last_fact_ends_nothing_and_is_asked_again() -> None:
    """A look sent before the last fact may be right; the next one will tell."""
    held = at_venue(None, fill("E1", "4", ts=20))
    held.take(seen(S.CANCELLED, 15, cum="0"))
    assert OrderState.PARTIAL is held.state()
    assert has_questions(held.order)
    held.take(Cancelled(CID, 17, source=Source.QUERY, sent_ts=15))
    assert OrderState.PARTIAL is held.state()
    held.take(seen(S.CANCELLED, 25))
    assert OrderState.CANCELLED is held.state()
    assert is_settled(held.order)


def test_done_for_day_ends_only_when_it_is_final() -> None:
    """A halt of the day changes nothing."""
    held = at_venue(None, DoneForDay(CID, 5, final=False))
    assert OrderState.ACCEPTED is held.state()
    held.take(DoneForDay(CID, 6, final=True))
    assert OrderState.EXPIRED is held.state()


# --- silence --------------------------------------------------------------------------------------


def test_silence_is_doubt_of_existence_only_while_there_is_no_trace() -> None:
    """An id or a total proves that it was placed, so what is open is its fate."""
    held = Held()
    held.take(OutcomeUnknown(CID, 5))
    assert (OrderState.IN_DOUBT, Doubt.EXISTENCE) == (held.state(), held.order.doubt)
    traced = Held()
    traced.take(seen(S.UNKNOWN, 3, venue_id="v1"), OutcomeUnknown(CID, 5))
    assert Doubt.FATE is traced.order.doubt


def test_being_found_at_all_turns_doubt_of_existence_into_doubt_of_fate() -> None:
    """A word we do not know still proves that the order exists.

    It can no longer have never arrived.
    """
    held = Held()
    held.take(OutcomeUnknown(CID, 5), seen(S.UNKNOWN, 9))
    assert Doubt.FATE is held.order.doubt
    held.take(NeverArrived(CID, 20, "lookups"))
    assert (OrderState.IN_DOUBT, Verdict.QUARANTINE) == (held.state(), held.last.verdict)


def test_proven_absence_ends_a_doubt_of_existence_and_nothing_else() -> None:
    """A trace of any kind contradicts the proof: the order stays and a person is called."""
    held = Held()
    held.take(OutcomeUnknown(CID, 5), CancelOrder(CID, "c1", 6), NeverArrived(CID, 20, "proof"))
    assert OrderState.REJECTED is held.state()
    assert is_settled(held.order)
    for contradicted in (
        at_venue(),
        Held(),
        at_venue(None, OrderNotFound(CID, 6, 5)),
        at_venue(None, fill("E1", "10")),
    ):
        state = contradicted.state()
        contradicted.take(NeverArrived(CID, 20, "proof"))
        assert (state, Verdict.QUARANTINE) == (contradicted.state(), contradicted.last.verdict)


def test_a_query_that_does_not_show_a_working_order_opens_its_fate_and_a_list_only_asks() -> None:
    """Absence never ends an order, and a list may leave one out."""
    listed = at_venue(None, OrderNotFound(CID, 6, 5, Source.LIST))
    assert OrderState.ACCEPTED is listed.state()
    assert has_questions(listed.order)
    older = at_venue(None, OrderNotFound(CID, 6, 2))
    assert OrderState.ACCEPTED is older.state()
    assert not has_questions(older.order)
    held = at_venue(None, OrderNotFound(CID, 6, 5))
    assert (OrderState.IN_DOUBT, Doubt.FATE) == (held.state(), held.order.doubt)
    assert D(10) == exposure_qty(held.order)


def test_a_repeated_ack_does_not_end_a_doubt_of_fate_and_an_answer_does() -> None:
    """The stream repeats itself; a question sent after the doubt began does not."""
    held = at_venue(None, OrderNotFound(CID, 6, 5))
    held.take(Accepted(CID, 7, "v1"), Accepted(CID, 8, "v1", source=Source.QUERY, sent_ts=4))
    held.take(seen(S.WORKING, 5))
    assert OrderState.IN_DOUBT is held.state()
    held.take(Accepted(CID, 9, "v1", source=Source.QUERY, sent_ts=8))
    assert OrderState.ACCEPTED is held.state()


def test_an_end_ends_a_doubt_however_old_the_question() -> None:
    """A doubt is no fact, so there is nothing that the answer could contradict."""
    held = at_venue(None, OrderNotFound(CID, 6, 5))
    held.take(seen(S.CANCELLED, 4))
    assert OrderState.CANCELLED is held.state()


def test_an_id_found_with_other_terms_is_not_bound_to_an_order_in_doubt() -> None:
    """A duplicate-id error proves that an order with this id existed, not that it is this one."""
    for other in (
        seen(S.WORKING, 9, qty="11", venue_id="theirs"),
        seen(S.WORKING, 9, side=Side.SELL, venue_id="theirs"),
        seen(S.WORKING, 9, instrument="Y", venue_id="theirs"),
    ):
        held = Held()
        held.take(OutcomeUnknown(CID, 5, detail="duplicate id"), other)
        assert (OrderState.IN_DOUBT, "identity_mismatch") == (held.state(), held.last.anomaly)
        assert () == held.order.venue_order_ids
    fits = Held()
    fits.take(OutcomeUnknown(CID, 5), seen(S.WORKING, 9, qty="10", side=Side.BUY, instrument="X"))
    assert OrderState.ACCEPTED is fits.state()


# --- snapshots ------------------------------------------------------------------------------------


def test_a_total_above_ours_is_a_claim_at_once_however_old() -> None:
    """A total once stated is true for good (but for busts).

    It counts as exposure and is fetched.
    """
    held = at_venue(None, fill("E1", "4", ts=20))
    held.take(seen(S.WORKING, 15, cum="7", source=Source.LIST))
    assert D(7) == held.order.claim_qty
    assert has_questions(held.order)
    held.take(Cancelled(CID, 30))
    assert D(3) == exposure_qty(held.order)


def test_filled_by_a_snapshot_waits_for_the_executions() -> None:
    """A status word fills nothing; without a total, the whole quantity is claimed."""
    held = at_venue()
    held.take(seen(S.FILLED, 9))
    assert (OrderState.ACCEPTED, D(10)) == (held.state(), held.order.claim_qty)
    held.take(fill("E1", "10"))
    assert OrderState.FILLED is held.state()
    assert is_settled(held.order)


def test_filled_by_a_snapshot_tells_the_quantity_of_a_cash_sized_order() -> None:
    """Filled means complete, so its total is its quantity; else such an order would never end."""
    for first in (True, False):
        held = at_venue(terms(None, kind=OrderType.MARKET, price=None, cash="1000"))
        story = [fill("E1", "4"), seen(S.FILLED, 20, cum="4")]
        held.take(*(story if first else reversed(story)))
        assert (OrderState.FILLED, D(4)) == (held.state(), held.order.order_qty)
        assert is_settled(held.order)


def test_filled_with_a_quantity_told_for_the_first_time_claims_all_of_it() -> None:
    """An adopted order of unknown quantity, shown filled without a total."""
    held = Held(terms(None))
    held.take(seen(S.FILLED, 9, qty="6"))
    assert (D(6), D(6)) == (held.order.order_qty, exposure_qty(held.order))


def test_a_quantity_told_by_any_snapshot_completes_what_had_filled() -> None:
    """Also one whose status moves nothing.

    This left a complete order working, an invariant broken.
    """
    for status in (S.WORKING, S.UNKNOWN, S.PENDING):
        held = at_venue(terms(None), fill("E1", "5"))
        held.take(seen(status, 20, qty="5"))
        assert OrderState.FILLED is held.state()


def test_a_newer_answer_that_agrees_ends_the_question() -> None:
    """What was unverified is verified, for open and for ended orders alike."""
    open_order = at_venue(None, fill("E1", "4"), bust("E1", 20))
    assert has_questions(open_order.order)
    open_order.take(seen(S.WORKING, 30, cum="0"))
    assert not has_questions(open_order.order)
    filled = at_venue(None, fill("E1", "10"), Rejected(CID, 12))
    assert not is_settled(filled.order)
    filled.take(seen(S.FILLED, 30, cum="10"))
    assert is_settled(filled.order)
    refused = at_venue(None, Rejected(CID, 5), fill("E1", "4"))
    assert has_questions(refused.order), "refused and filled: it may still work"
    refused.take(seen(S.REJECTED, 30, cum="4"))
    assert is_settled(refused.order)


def test_a_newer_look_that_shows_an_ended_order_working_makes_the_end_false() -> None:
    """ib_async#191. A second look has to agree, because queries may lag behind the stream."""
    held = at_venue(None, Cancelled(CID, 5))
    held.take(seen(S.WORKING, 4), seen(S.WORKING, 5))
    assert OrderState.CANCELLED is held.state(), "not newer"
    held.take(seen(S.WORKING, 9))
    assert (OrderState.ACCEPTED, "false_end") == (held.state(), held.last.anomaly)
    assert held.order.end is None
    assert has_questions(held.order)
    lagged = held.take(seen(S.CANCELLED, 20))
    assert (Life.CANCELLED, False) == (lagged.life, has_questions(lagged))


def test_a_newer_list_that_shows_an_ended_order_only_makes_us_ask() -> None:
    """Evidence is ranked: a list does not outrank the stream's end."""
    held = at_venue(None, Cancelled(CID, 5))
    held.take(seen(S.WORKING, 9, source=Source.LIST))
    assert OrderState.CANCELLED is held.state()
    assert has_questions(held.order)


def test_a_claim_falls_only_with_a_bust() -> None:
    """A lower total is a slow list, unless an execution was taken back.

    Then the newest total counts.
    """
    slow = at_venue(None, Cancelled(CID, 5, cum_qty=D(7)))
    slow.take(seen(S.CANCELLED, 9, cum="4"))
    assert D(7) == exposure_qty(slow.order)
    early = at_venue(None, bust("E1", 4), Cancelled(CID, 5, cum_qty=D(4)), fill("E1", "4"))
    assert (D(0), D(4)) == (early.order.cum_qty, exposure_qty(early.order))
    early.take(seen(S.CANCELLED, 30, cum="0"))
    assert D(0) == exposure_qty(early.order)
    assert is_settled(early.order)


def test_numbers_that_cannot_be_are_quarantined() -> None:
    """A snapshot with a negative or unreadable total says nothing."""
    held = at_venue()
    for bad in ("-1", "NaN", "Infinity"):
        held.take(seen(S.WORKING, 9, cum=bad))
        assert ("malformed_report", D(0)) == (held.last.anomaly, held.order.claim_qty)


# --- a person -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [OrderState.ACCEPTED, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED],
)
def test_a_person_settles_what_nobody_can_prove(state: OrderState) -> None:
    """Doubt, open requests and claims end with the statement; it is a fact of its own."""
    held = Held()
    held.take(OutcomeUnknown(CID, 5), CancelOrder(CID, "c1", 6), OutcomeUnknown(CID, 7, "c1"))
    held.take(SettleOrder(CID, 9, state, "asked the venue by phone"))
    assert state is held.state()
    assert not has_questions(held.order)
    assert not is_in_flight(held.order)
    assert is_open(held.order) == (state is OrderState.ACCEPTED)


def test_a_person_ends_the_question_about_a_contradiction() -> None:
    """Refused and filled: whatever is said of it, nothing more is asked."""
    held = at_venue(None, fill("E1", "10"), Rejected(CID, 12))
    held.take(SettleOrder(CID, 20, OrderState.CANCELLED, "filled, I have the confirmation"))
    assert OrderState.FILLED is held.state()
    assert is_settled(held.order)


def test_fills_are_not_stated_as_a_settlement() -> None:
    """The engine refuses the word and says how to say it."""
    with pytest.raises(InvalidValue, match="state fills as executions"):
        at_venue().take(SettleOrder(CID, 9, OrderState.FILLED, "it filled"))


def test_the_link_region_moves_by_its_table() -> None:
    """A group's word is one more step; what the table does not move is returned as it was."""
    order = at_venue().order
    armed = relink(order, LinkTrigger.ARM, 5)
    assert (Link.ARMING, True) == (armed.order.link, armed.changed)
    again = relink(armed.order, LinkTrigger.ARM, 6)
    assert (False, armed.order) == (again.changed, again.order)
