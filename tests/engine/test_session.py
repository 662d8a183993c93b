"""A session lets calls leave in the right order, within the venue's limits, and loses none."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.budget import BudgetRule, SessionLimits
from engine.calls import Call, CallKind, Ended, Ending
from engine.errors import InvalidValue, InvariantViolated, SystemStopped
from engine.messages import Amend, Cancel, Place, QueryOrder, SubmitOrder
from engine.session import VenueSession
from engine.session_chart import SESSION, SessionState, SessionTrigger, TradingMode
from engine.statechart import Verdict
from engine.values import OrderType, Side

SECOND = 1_000_000_000


def place(cid: str, instrument: str = "X") -> Place:
    return Place(
        SubmitOrder(cid, "v", "a", instrument, Side.BUY, OrderType.MARKET, Decimal(1), 0, cid)
    )


def cancel(cid: str, req_id: str = "c", instrument: str = "X") -> Cancel:
    return Cancel(cid, req_id, instrument)


def amend(cid: str, req_id: str = "a", qty: int | None = None, price: int | None = None) -> Amend:
    return Amend(
        cid,
        req_id,
        "X",
        None if qty is None else Decimal(qty),
        None if price is None else Decimal(price),
    )


def query(cid: str, instrument: str = "X") -> QueryOrder:
    return QueryOrder(cid, instrument)


def ready(limits: SessionLimits | None = None) -> VenueSession:
    session = VenueSession(limits)
    session.on(SessionTrigger.LINK_UP)
    session.on(SessionTrigger.RECONCILED)
    return session


def leave(session: VenueSession, now: int = 0) -> Call:
    call = session.next(now)
    assert call is not None
    return call


def leaving(session: VenueSession, now: int = 0) -> list[str]:
    """Let everything leave one by one, each done at once; name what left."""
    names = []
    while (call := session.next(now)) is not None:
        names.append(f"{call.kind.name} {call.client_order_id}")
        session.ended(call.call_id, Ending.DONE, now)
    return names


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
    assert Ended(True, (), (call,)) == session.ended(call.call_id, Ending.THROTTLED, 0, 1)
    merged = leave(session, 1)
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


# --- windows --------------------------------------------------------------------------------------


def test_the_window_keeps_a_slot_for_exits() -> None:
    """When entries fill the window, one cancel or exit more may leave; no entry may."""
    session = ready(SessionLimits(window=2, exit_slots=1))
    for cid in "abc":
        session.enqueue(place(cid), 0)
    leave(session), leave(session)
    assert session.next(0) is None
    session.enqueue(place("x"), 0, reduces=True)
    session.enqueue(cancel("z"), 0)
    assert "z" == leave(session).client_order_id
    assert session.next(0) is None
    assert 3 == session.in_flight


def test_on_a_serial_venue_a_cancel_waits_for_one_call() -> None:
    """With window 1 the cancel leaves as soon as the call in flight has ended."""
    session = ready(SessionLimits(window=1, exit_slots=0))
    for cid in "abc":
        session.enqueue(place(cid), 0)
    call = leave(session)
    session.enqueue(cancel("old"), 0)
    assert session.next(0) is None
    session.ended(call.call_id, Ending.DONE, 1)
    assert CallKind.CANCEL is leave(session, 1).kind


# --- budgets --------------------------------------------------------------------------------------


def test_reserved_tokens_are_for_exits() -> None:
    """Entries stop at the reserve; cancels and exits spend it."""
    rule = BudgetRule(name="r", capacity=4, refill=1, refill_ns=SECOND, reserved=2)
    session = ready(SessionLimits(window=9, budgets=(rule,)))
    for cid in "abc":
        session.enqueue(place(cid), 0)
    assert ["NEW a", "NEW b"] == leaving(session)
    session.enqueue(cancel("y"), 0)
    session.enqueue(amend("z"), 0, reduces=True)
    assert ["CANCEL y", "REDUCE z"] == leaving(session)
    assert 3 * SECOND == session.wake_at(0)
    assert session.next(3 * SECOND - 1) is None
    assert ["NEW c"] == leaving(session, 3 * SECOND)


@pytest.mark.parametrize("backlog", [1, 2])
def test_a_call_pays_into_every_budget(backlog: int) -> None:
    """Each rule that counts it is charged, and the slowest of them decides when the next leaves."""
    fast = BudgetRule(name="fast", capacity=2, refill=1, refill_ns=3, reserved=0)
    slow = BudgetRule(name="slow", capacity=2, refill=1, refill_ns=50, reserved=0)
    session = ready(SessionLimits(budgets=(fast, slow)))
    session.enqueue(place("a"), 0)
    session.enqueue(place("b"), 0)
    assert ["NEW a", "NEW b"] == leaving(session)
    for n in range(backlog):
        session.enqueue(place(f"c{n}"), 0)
    assert 50 == session.wake_at(0)
    assert session.next(49) is None
    assert ["NEW c0"] == leaving(session, 50)


def test_a_bucket_does_not_save_beyond_its_capacity() -> None:
    """A quiet night does not allow a burst in the morning."""
    rule = BudgetRule(name="r", capacity=2, refill=1, refill_ns=10, reserved=0)
    session = ready(SessionLimits(budgets=(rule,)))
    for cid in "abc":
        session.enqueue(cancel(cid), 0)
    assert ["CANCEL a", "CANCEL b"] == leaving(session, 1000)
    assert 1010 == session.wake_at(1000)


def test_wake_at_rounds_up() -> None:
    """Where tokens come at fractions of a nanosecond, waking is never a moment too early."""
    rule = BudgetRule(name="r", capacity=1, refill=3, refill_ns=10, reserved=0)
    session = ready(SessionLimits(budgets=(rule,)))
    session.enqueue(cancel("a"), 0)
    session.enqueue(cancel("b"), 0)
    assert ["CANCEL a"] == leaving(session)
    assert 4 == session.wake_at(0)
    assert session.next(3) is None
    assert ["CANCEL b"] == leaving(session, 4)


def test_lower_classes_do_not_starve_a_class_that_saves_tokens() -> None:
    """Cheap queries wait while an entry waits for the tokens of the same bucket."""
    rule = BudgetRule(
        name="w", capacity=10, refill=1, refill_ns=1, reserved=0, place=10, query=1, cancel=1
    )
    session = ready(SessionLimits(budgets=(rule,)))
    session.enqueue(query("q0"), 0)
    leaving(session)
    session.enqueue(place("a"), 0)
    session.enqueue(query("q"), 0)
    assert session.next(0) is None
    assert 1 == session.wake_at(0)
    assert ["NEW a"] == leaving(session, 1)
    assert ["QUERY q"] == leaving(session, 2)


def test_lower_classes_pass_where_they_cost_nothing() -> None:
    """A query that the exhausted rule does not count leaves."""
    rule = BudgetRule(name="o", capacity=1, refill=1, refill_ns=9, reserved=0, query=0, cancel=0)
    session = ready(SessionLimits(budgets=(rule,)))
    session.enqueue(place("a"), 0)
    session.enqueue(place("b"), 0)
    session.enqueue(query("q"), 0)
    assert ["NEW a", "QUERY q"] == leaving(session)


def test_per_window_never_exceeds_the_limit() -> None:
    """Burst and refill share the venue's number, so no window sees more than it."""
    rule = BudgetRule.per_window("w", limit=5, window_ns=1000, burst=2, reserved=1)
    assert (2, 3, 1000) == (rule.capacity, rule.refill, rule.refill_ns)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"capacity": 0}, "capacity must be a whole number >= 1, was 0"),
        ({"refill": 0}, "refill must be"),
        ({"refill_ns": 0.5}, "refill_ns must be a whole number >= 1, was 0.5"),
        ({"query": -1}, "query must be"),
        ({"cancel": True}, "cancel must be a whole number >= 0, was True"),
        ({"reserved": 10}, "capacity - reserved must cover the dearest call"),
        ({"reserved": 1, "cancel": 2}, "reserved must be 0 or pay for one exit"),
        ({"cancel": 11, "reserved": 0}, "reserved must be 0 or pay for one exit"),
    ],
)
def test_an_impossible_budget_is_refused(change: dict[str, int], names: str) -> None:
    """A rule under which a call could never leave is named when it is made."""
    good = {"capacity": 10, "refill": 1, "refill_ns": 1, "reserved": 2}
    with pytest.raises(InvalidValue, match=names):
        BudgetRule(name="r", **{**good, **change})


def test_impossible_limits_are_refused() -> None:
    """Bad windows, times and doubled names raise with the value."""
    rule = BudgetRule(name="r", capacity=1, refill=1, refill_ns=1, reserved=0)
    with pytest.raises(InvalidValue, match="window must be a whole number >= 1, was 0"):
        SessionLimits(window=0)
    with pytest.raises(InvalidValue, match="exit_slots"):
        SessionLimits(exit_slots=-1)
    with pytest.raises(InvalidValue, match=r"different names, were \['r', 'r'\]"):
        SessionLimits(budgets=(rule, rule))
    with pytest.raises(InvalidValue, match="burst must be between 1 and limit - 1"):
        BudgetRule.per_window("w", limit=5, window_ns=1, burst=5, reserved=0)


# --- send-by --------------------------------------------------------------------------------------


def test_an_entry_that_did_not_leave_in_time_never_leaves() -> None:
    """overdue() hands it over once, with the amend behind it; exits have no such time."""
    session = ready(SessionLimits(entry_send_by_ns=10))
    session.on(SessionTrigger.GAP)
    entry = session.enqueue(place("a"), 0).call
    change = session.enqueue(amend("a"), 1).call
    session.enqueue(place("b"), 5)
    session.set_mode(TradingMode.NONE)
    session.enqueue(place("x"), 0, reduces=True)
    assert 10 == session.wake_at(5)
    assert [] == session.overdue(9)
    assert [entry, change] == session.overdue(10)
    assert 15 == session.wake_at(10)
    assert ["b"] == [call.client_order_id for call in session.overdue(99)]
    assert 1 == session.queued


def test_next_does_not_send_an_overdue_entry() -> None:
    """Also when nobody asked overdue() yet, and also from the idle session's fast path."""
    session = ready(SessionLimits(entry_send_by_ns=10))
    entry = session.enqueue(place("a"), 0).call
    assert session.next(10) is None
    assert 10 == session.wake_at(10)
    assert [entry] == session.overdue(10)
    assert [] == session.overdue(10)
    assert session.wake_at(10) is None


def test_a_cancel_of_an_overdue_entry_does_not_leave() -> None:
    """The venue never heard of the order; the cancel ends with it."""
    session = ready(SessionLimits(entry_send_by_ns=10))
    session.enqueue(place("a"), 0)
    assert session.next(10) is None
    answer = session.enqueue(cancel("a"), 10)
    assert (answer.call,) == answer.withdrawn
    assert session.next(10) is None


# --- gates ----------------------------------------------------------------------------------------


def everything(session: VenueSession) -> None:
    session.enqueue(place("n"), 0)
    session.enqueue(amend("m"), 0)
    session.enqueue(place("r"), 0, reduces=True)
    session.enqueue(cancel("c"), 0)
    session.enqueue(query("q"), 0)


ALL = ["CANCEL c", "REDUCE r", "AMEND m", "NEW n", "QUERY q"]
NO_ENTRIES = ["CANCEL c", "REDUCE r", "QUERY q"]
PATHS: dict[SessionState, tuple[SessionTrigger, ...]] = {
    SessionState.DOWN: (),
    SessionState.CONNECTING: (SessionTrigger.CONNECT,),
    SessionState.RECONCILING: (SessionTrigger.LINK_UP,),
    SessionState.READY: (SessionTrigger.LINK_UP, SessionTrigger.RECONCILED),
    SessionState.SUSPECT: (SessionTrigger.LINK_UP, SessionTrigger.SILENT),
    SessionState.BARRED: (SessionTrigger.BARRED,),
    SessionState.CLOSING: (SessionTrigger.LINK_UP, SessionTrigger.CLOSE),
}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (SessionState.DOWN, []),
        (SessionState.CONNECTING, []),
        (SessionState.RECONCILING, NO_ENTRIES),
        (SessionState.READY, ALL),
        (SessionState.SUSPECT, NO_ENTRIES),
        (SessionState.BARRED, []),
        (SessionState.CLOSING, NO_ENTRIES),
    ],
)
def test_what_leaves_in_each_state(state: SessionState, expected: list[str]) -> None:
    """In a gap cancels, exits and queries go on and entries wait; without a link nothing leaves."""
    session = VenueSession()
    for trigger in PATHS[state]:
        session.on(trigger)
    assert state is session.state
    everything(session)
    assert expected == leaving(session)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (TradingMode.ALL, ALL),
        (TradingMode.REDUCE_ONLY, NO_ENTRIES),
        (TradingMode.NONE, ["CANCEL c", "QUERY q"]),
    ],
)
def test_what_leaves_in_each_mode(mode: TradingMode, expected: list[str]) -> None:
    """A halt withholds entries, or all but cancels; queries change nothing and always leave."""
    session = ready()
    everything(session)
    session.set_mode(mode)
    assert expected == leaving(session)
    session.set_mode(TradingMode.ALL)
    assert [name for name in ALL if name not in expected] == leaving(session)


def test_an_instrument_that_agrees_trades_before_the_gap_is_over() -> None:
    """Entries return per instrument, and a new gap takes that back."""
    session = VenueSession()
    session.on(SessionTrigger.LINK_UP)
    for cid, instrument in (("a1", "A"), ("b1", "B"), ("a2", "A")):
        session.enqueue(place(cid, instrument), 0)
    session.agreed("B")
    assert ["NEW b1"] == leaving(session)
    session.enqueue(place("b2", "B"), 0)
    session.on(SessionTrigger.GAP)
    assert [] == leaving(session)
    session.on(SessionTrigger.RECONCILED)
    assert ["NEW a1", "NEW b2", "NEW a2"] == leaving(session)


def test_a_held_instrument_keeps_its_entries_only() -> None:
    """A hold stops entries of one instrument, never its exits or cancels, nor other instruments."""
    session = ready()
    session.hold("A")
    session.enqueue(place("a", "A"), 0)
    session.enqueue(place("x", "A"), 0, reduces=True)
    session.enqueue(cancel("c", instrument="A"), 0)
    session.enqueue(place("b", "B"), 0)
    assert ["CANCEL c", "REDUCE x", "NEW b"] == leaving(session)
    session.release("A")
    assert ["NEW a"] == leaving(session)


def test_a_held_instrument_also_holds_the_idle_session() -> None:
    """The fast path for a single waiting call passes the same gates."""
    session = ready()
    session.hold("A")
    session.enqueue(place("a", "A"), 0)
    assert session.next(0) is None
    session.release("A")
    assert ["NEW a"] == leaving(session)


def test_calls_in_flight_outlive_the_link() -> None:
    """A lost link decides nothing about them; their lane says how they ended."""
    session = ready()
    session.enqueue(place("a"), 0)
    call = leave(session)
    session.on(SessionTrigger.LINK_DOWN)
    assert 1 == session.in_flight
    session.ended(call.call_id, Ending.UNKNOWN, 0)
    assert 0 == session.in_flight


def test_a_closed_session_takes_nothing_in() -> None:
    """It raises, because nothing would ever leave; what it still held comes out of drain()."""
    session = ready()
    session.on(SessionTrigger.CLOSE)
    held = session.enqueue(place("a"), 0).call
    session.on(SessionTrigger.DRAINED)
    with pytest.raises(SystemStopped, match="CANCEL of 'b' was not taken in"):
        session.enqueue(cancel("b"), 0)
    assert (held,) == session.drain()
    assert 0 == session.queued


def test_forget_order_takes_out_its_unsent_calls() -> None:
    """They are returned in their order; other orders and calls in flight stay."""
    session = ready()
    session.enqueue(place("o"), 0)
    call = leave(session)
    change = session.enqueue(amend("o"), 0).call
    asked = session.enqueue(query("o"), 0).call
    session.enqueue(query("p"), 0)
    assert (change, asked) == session.forget_order("o")
    assert () == session.forget_order("o")
    session.ended(call.call_id, Ending.DONE, 0)
    assert ["QUERY p"] == leaving(session)


def test_drain_returns_everything_unsent() -> None:
    """Late entries first, then order by order; nothing of it leaves afterwards."""
    session = ready(SessionLimits(entry_send_by_ns=10))
    session.on(SessionTrigger.LINK_DOWN)
    calls = [session.enqueue(r, 0).call for r in (place("a"), cancel("b"), amend("a"), query("b"))]
    assert session.next(10) is None
    session.on(SessionTrigger.LINK_UP)
    assert (calls[0], calls[2], calls[1], calls[3]) == session.drain()
    assert [] == leaving(session)


def test_nothing_is_kept_of_an_order_whose_calls_ended() -> None:
    """A million orders later the session is as small as before."""
    session = ready()
    for cid in "abcdef":
        session.enqueue(place(cid), 0)
        session.enqueue(amend(cid), 0)
        session.enqueue(query(cid), 0)
    assert 18 == len(leaving(session))
    assert not session._calls
    assert not session._flying
    assert not session._outbox._unsent
    assert [] == session._outbox._deadlines
    assert not any(session._outbox.lines.values())


# --- the chart ------------------------------------------------------------------------------------


def test_the_session_chart_is_total_and_equals_its_machine() -> None:
    """Every (state, trigger) has a verdict, and transitions agrees on each."""
    assert len(SessionState) * len(SessionTrigger) == len(SESSION.table)
    assert [] == SESSION.differences()


def test_every_gap_leads_through_reconciling() -> None:
    """No trigger but RECONCILED leads to READY: what may have been missed is always asked for."""
    ways = [
        (state, trigger)
        for (state, trigger), cell in SESSION.table.items()
        if cell.target is SessionState.READY and state is not SessionState.READY
    ]
    assert [
        (SessionState.RECONCILING, SessionTrigger.RECONCILED),
        (SessionState.SUSPECT, SessionTrigger.RECONCILED),
    ] == sorted(ways, key=lambda way: way[0].name)


def test_on_reports_the_verdict() -> None:
    """A trigger that contradicts the state is quarantined, and the state stands."""
    session = ready()
    assert Verdict.QUARANTINE is session.on(SessionTrigger.DRAINED).verdict
    assert SessionState.READY is session.state
