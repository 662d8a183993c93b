"""A session lets calls leave in the right order, and loses none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.budget import BudgetRule, SessionLimits
from engine.calls import CallKind, Ended, Ending
from engine.errors import InvalidValue, InvariantViolated
from engine.messages import Amend, Cancel, QueryOrder
from engine.session_chart import SessionTrigger

from .session_kit import SECOND, amend, cancel, leave, leaving, place, query, ready

# --- order of leaving -----------------------------------------------------------------------------


def test_classes_leave_by_priority() -> None:
    """Cancels leave first, then reducing calls, amends, entries and queries."""
    session = ready()
    session.enqueue(query("q"), 0)
    session.enqueue(place("n"), 0)
    session.enqueue(amend("m"), 0)
    session.enqueue(place("r"), 0, reduces=True)
    session.enqueue(amend("s"), 0, reduces=True)
    session.enqueue(cancel("c"), 0)
    expected = ["CANCEL c", "REDUCE r", "REDUCE s", "AMEND m", "NEW n", "QUERY q"]
    assert expected == leaving(session)
    assert (0, 0) == (session.queued, session.in_flight)


def test_a_class_is_first_in_first_out() -> None:
    """Entries of one instrument leave in the order they came."""
    session = ready()
    for cid in "dbca":
        session.enqueue(place(cid), 0)
    assert ["NEW d", "NEW b", "NEW c", "NEW a"] == leaving(session)


def test_instruments_take_turns() -> None:
    """A burst in one instrument does not starve another."""
    session = ready()
    for cid in ("a1", "a2", "a3"):
        session.enqueue(place(cid, "A"), 0)
    session.enqueue(place("b1", "B"), 0)
    assert ["NEW a1", "NEW b1", "NEW a2", "NEW a3"] == leaving(session)


def test_calls_of_one_order_do_not_overlap() -> None:
    """A cancel of an order in flight waits for that call's end, though other orders go on."""
    session = ready()
    session.enqueue(place("o"), 0)
    first = leave(session)
    session.enqueue(cancel("o"), 0)
    assert session.next(0) is None
    session.enqueue(query("other"), 0)
    assert CallKind.QUERY is leave(session).kind
    session.ended(first.call_id, Ending.UNKNOWN, 0)
    assert CallKind.CANCEL is leave(session).kind


def test_a_cancel_before_its_placement_left_withdraws_both() -> None:
    """Neither leaves, and the amend and query that waited behind go with them."""
    session = ready()
    placed = session.enqueue(place("o"), 0).call
    amended = session.enqueue(amend("o"), 0).call
    asked = session.enqueue(query("o"), 0).call
    answer = session.enqueue(cancel("o"), 0)
    assert (placed, amended, asked, answer.call) == answer.withdrawn
    assert 0 == session.queued
    assert session.next(0) is None


def test_a_cancel_withdraws_an_unsent_amend() -> None:
    """The amend would only delay the cancel."""
    session = ready()
    amended = session.enqueue(amend("o"), 0).call
    assert (amended,) == session.enqueue(cancel("o"), 0).withdrawn
    assert ["CANCEL o"] == leaving(session)


def test_an_amend_behind_an_unsent_cancel_is_withdrawn() -> None:
    """The order is about to go: there is nothing to amend."""
    session = ready()
    session.enqueue(cancel("o"), 0)
    answer = session.enqueue(amend("o"), 0)
    assert (answer.call,) == answer.withdrawn
    assert ["CANCEL o"] == leaving(session)


def test_unsent_amends_become_one() -> None:
    """The newest terms win, a term only the older names is kept, and the older is reported."""
    session = ready()
    session.enqueue(place("first"), 0)
    older = session.enqueue(amend("o", "a1", qty=5, price=10), 1).call
    session.enqueue(amend("p"), 1)
    answer = session.enqueue(amend("o", "a2", price=11), 2)
    assert (older,) == answer.coalesced
    assert Amend("o", "a2", "X", Decimal(5), Decimal(11)) == answer.call.request
    assert ["AMEND o", "AMEND p", "NEW first"] == leaving(session)


@pytest.mark.parametrize(
    "term",
    [
        {"order_qty": Decimal(5)},
        {"price": Decimal(10)},
        {"stop_px": Decimal(9)},
        {"venue_order_id": "v1"},
    ],
    ids=str,
)
def test_a_merged_amend_keeps_each_term_of_the_older_and_prefers_the_newer(
    term: dict[str, Decimal | str],
) -> None:
    """Whichever term it is: none is lost, and none is taken from the older that the newer names."""
    none = Amend("o", "a2", "X", None, None, None, None)
    older, newer = replace(none, req_id="a1", **term), none
    for first, last, merged in (
        (older, newer, replace(newer, **term)),
        (replace(older, order_qty=Decimal(1), price=Decimal(1), stop_px=Decimal(1)),
         replace(newer, order_qty=Decimal(2), price=Decimal(2), stop_px=Decimal(2)),
         replace(older, req_id="a2", order_qty=Decimal(2), price=Decimal(2), stop_px=Decimal(2))),
    ):  # fmt: skip
        session = ready()
        session.enqueue(first, 0)
        assert merged == session.enqueue(last, 0).call.request


def test_an_amend_that_coalesced_in_the_idle_session_left_once() -> None:
    """The single waiting call of an idle session coalesces like any other."""
    session = ready()
    older = session.enqueue(amend("o", "a1", qty=5), 0).call
    answer = session.enqueue(amend("o", "a2", qty=6), 0)
    assert (older,) == answer.coalesced
    assert answer.call == leave(session)
    assert session.next(0) is None


@pytest.mark.parametrize("again", [cancel("o", "c2"), query("o")])
def test_repeated_cancels_and_queries_become_one(again: Cancel | QueryOrder) -> None:
    """The newer call takes the place of the older, which is reported."""
    session = ready()
    first = cancel("o", "c1") if isinstance(again, Cancel) else query("o")
    older = session.enqueue(first, 0).call
    answer = session.enqueue(again, 0)
    assert (older,) == answer.coalesced
    assert answer.call == leave(session)
    assert 0 == session.queued


def test_a_merged_amend_reduces_only_if_both_did() -> None:
    """Terms that may raise exposure do not travel with the exits."""
    session = ready()
    session.enqueue(amend("o", "a1", qty=5), 0, reduces=False)
    answer = session.enqueue(amend("o", "a2", price=1), 0, reduces=True)
    assert CallKind.AMEND is answer.call.kind
    session = ready()
    session.enqueue(amend("o", "a1", qty=5), 0, reduces=True)
    answer = session.enqueue(amend("o", "a2", price=1), 0, reduces=True)
    assert CallKind.REDUCE is answer.call.kind


def test_an_unsent_query_lets_a_change_pass() -> None:
    """Its answer is only fresher for it."""
    session = ready()
    session.enqueue(query("o"), 0)
    session.enqueue(amend("o"), 0)
    assert ["AMEND o", "QUERY o"] == leaving(session)


def test_a_second_placement_of_an_order_is_a_bug() -> None:
    """It raises, and the session is as it was."""
    session = ready()
    session.enqueue(place("o"), 0)
    with pytest.raises(InvariantViolated, match="order 'o' has NEW call 1 here"):
        session.enqueue(place("o"), 0)
    call = leave(session)
    with pytest.raises(InvariantViolated, match="first call"):
        session.enqueue(place("o"), 0)
    assert (0, 1) == (session.queued, session.in_flight)
    session.ended(call.call_id, Ending.DONE, 0)


def test_call_ids_count_up() -> None:
    """Ids are a pure function of what was enqueued, so replays agree."""
    session = ready()
    ids = [session.enqueue(place(cid), 0).call.call_id for cid in "abc"]
    assert [1, 2, 3] == ids


# --- endings --------------------------------------------------------------------------------------


def test_an_ending_for_a_call_not_in_flight_is_a_bug() -> None:
    """A call ends once; the second ending raises and changes nothing."""
    session = ready()
    session.enqueue(place("o"), 0)
    call = leave(session)
    session.ended(call.call_id, Ending.DONE, 0)
    with pytest.raises(InvariantViolated, match="call 1 is not in flight"):
        session.ended(call.call_id, Ending.UNKNOWN, 0)
    assert (0, 0) == (session.queued, session.in_flight)


def test_a_refused_placement_withdraws_its_change() -> None:
    """There is nothing to cancel or amend; a query still asks."""
    session = ready()
    session.enqueue(place("o"), 0)
    call = leave(session)
    change = session.enqueue(cancel("o"), 0).call
    session.enqueue(query("o"), 0)
    assert Ended(False, (change,)) == session.ended(call.call_id, Ending.REFUSED, 0)
    assert ["QUERY o"] == leaving(session)


@pytest.mark.parametrize("ending", [Ending.DONE, Ending.UNKNOWN])
def test_a_placement_not_refused_keeps_its_cancel(ending: Ending) -> None:
    """An unknown outcome is no proof of absence: the cancel leaves."""
    session = ready()
    session.enqueue(place("o"), 0)
    call = leave(session)
    session.enqueue(cancel("o"), 0)
    assert Ended() == session.ended(call.call_id, ending, 0)
    assert ["CANCEL o"] == leaving(session)


def test_a_refused_resend_proves_nothing() -> None:
    """The first send may still have arrived, so the cancel leaves."""
    session = ready()
    session.enqueue(place("o"), 0, resend=True)
    call = leave(session)
    session.enqueue(cancel("o"), 0)
    assert Ended() == session.ended(call.call_id, Ending.REFUSED, 0)
    assert ["CANCEL o"] == leaving(session)


def test_a_cancel_withdraws_a_resend_and_leaves() -> None:
    """An unsent resend is dropped, but its order may exist, so the cancel goes to the venue."""
    session = ready()
    again = session.enqueue(place("o"), 0, resend=True).call
    assert (again,) == session.enqueue(cancel("o"), 0).withdrawn
    assert ["CANCEL o"] == leaving(session)


def test_a_resend_is_never_overdue() -> None:
    """It left once, so it must not end as never sent."""
    session = ready()
    session.on(SessionTrigger.GAP)
    session.enqueue(place("o"), 0, resend=True)
    assert [] == session.overdue(1000 * SECOND)
    assert 1 == session.queued


def test_a_throttled_call_is_first_again_after_the_pause() -> None:
    """It goes to the front of its class, and nothing, not even a cancel, leaves before."""
    session = ready()
    session.enqueue(place("a"), 0)
    session.enqueue(place("b"), 0)
    call = leave(session)
    session.enqueue(cancel("z"), 0)
    assert Ended(True) == session.ended(call.call_id, Ending.THROTTLED, 0, 3 * SECOND)
    assert session.next(3 * SECOND - 1) is None
    assert 3 * SECOND == session.wake_at(1)
    assert ["CANCEL z", "NEW a", "NEW b"] == leaving(session, 3 * SECOND)


def test_a_throttled_call_without_retry_after_waits_for_the_configured_pause() -> None:
    """A venue that says "slow down" without a time is not hammered."""
    session = ready(SessionLimits(throttle_pause_ns=7))
    session.enqueue(place("a"), 0)
    session.ended(leave(session).call_id, Ending.THROTTLED, 10)
    assert session.next(16) is None
    assert "a" == leave(session, 17).client_order_id


def test_a_throttled_budget_stops_only_what_it_charges() -> None:
    """A full order counter does not hold back cancels that it does not count."""
    rule = BudgetRule(
        name="orders", capacity=9, refill=1, refill_ns=1, reserved=0, cancel=0, query=0
    )
    session = ready(SessionLimits(budgets=(rule,)))
    session.enqueue(place("a"), 0)
    session.ended(leave(session).call_id, Ending.THROTTLED, 0, 100, "orders")
    session.enqueue(cancel("z"), 0)
    assert ["CANCEL z"] == leaving(session, 50)
    assert ["NEW a"] == leaving(session, 100)


def test_a_pause_also_holds_in_the_idle_session() -> None:
    """When the throttled call itself was withdrawn, the next single call still waits."""
    session = ready()
    session.enqueue(place("o"), 0)
    call = leave(session)
    session.enqueue(cancel("o"), 0)
    session.ended(call.call_id, Ending.THROTTLED, 0, 10)
    session.enqueue(cancel("z"), 1)
    assert session.next(9) is None
    assert 10 == session.wake_at(9)
    assert ["CANCEL z"] == leaving(session, 10)


def test_an_unknown_budget_changes_nothing() -> None:
    """A typing error in an adapter is told, and the call is still in flight."""
    session = ready()
    session.enqueue(place("a"), 0)
    call = leave(session)
    with pytest.raises(InvalidValue, match="no budget is called 'typo'"):
        session.ended(call.call_id, Ending.THROTTLED, 0, 1, "typo")
    assert 1 == session.in_flight


def test_a_throttled_placement_meets_its_cancel() -> None:
    """The placement was refused before execution, so both end here and neither leaves."""
    session = ready()
    session.enqueue(place("o"), 0)
    call = leave(session)
    stop = session.enqueue(cancel("o"), 0).call
    assert Ended(False, (call, stop)) == session.ended(call.call_id, Ending.THROTTLED, 0)
    assert 0 == session.queued


def test_a_throttled_amend_meets_newer_calls() -> None:
    """With a newer amend it becomes one; with a cancel it has no purpose."""
    session = ready()
    session.enqueue(amend("o", "a1", qty=5), 0)
    call = leave(session)
    session.enqueue(amend("o", "a2", price=7), 0)
    answer = session.ended(call.call_id, Ending.THROTTLED, 0, 1)
    merged = leave(session, 1)
    assert Ended(True, (), (call,), merged) == answer
    assert Amend("o", "a2", "X", Decimal(5), Decimal(7)) == merged.request
    session.enqueue(cancel("o"), 1)
    assert Ended(False, (merged,)) == session.ended(merged.call_id, Ending.THROTTLED, 1, 1)
    assert ["CANCEL o"] == leaving(session, 2)


def test_a_throttled_cancel_and_query_meet_newer_ones() -> None:
    """The newer one carries on; an amend behind a cancel is withdrawn."""
    session = ready()
    session.enqueue(cancel("o", "c1"), 0)
    call = leave(session)
    late = session.enqueue(amend("o"), 0).call
    assert Ended(True, (late,)) == session.ended(call.call_id, Ending.THROTTLED, 0, 1)
    call = leave(session, 1)
    session.enqueue(cancel("o", "c2"), 1)
    assert Ended(True, (), (call,)) == session.ended(call.call_id, Ending.THROTTLED, 1, 1)
    assert "c2" == getattr(leave(session, 2).request, "req_id", "")
    session.enqueue(query("q"), 2)
    call = leave(session, 2)
    session.enqueue(query("q"), 2)
    assert Ended(True, (), (call,)) == session.ended(call.call_id, Ending.THROTTLED, 2, 1)
    assert ["QUERY q"] == leaving(session, 3)


def test_a_throttled_entry_keeps_its_send_by_time() -> None:
    """Retries do not prolong an entry's life."""
    session = ready(SessionLimits(entry_send_by_ns=10))
    session.enqueue(place("a"), 0)
    call = leave(session, 5)
    session.ended(call.call_id, Ending.THROTTLED, 6, 100)
    assert 10 == session.wake_at(6)
    assert [] == session.overdue(9)
    assert [call] == session.overdue(10)
