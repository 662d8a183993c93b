"""A session keeps the venue's limits: calls in flight, budgets, and times to send by."""

from __future__ import annotations

from typing import Any

import pytest

from engine.budget import BudgetRule, SessionLimits
from engine.calls import CallKind, Ending
from engine.errors import InvalidValue
from engine.session_chart import SessionTrigger, TradingMode

from .session_kit import SECOND, amend, cancel, leave, leaving, place, query, ready

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
    asked: dict[str, Any] = {"capacity": 10, "refill": 1, "refill_ns": 1, "reserved": 2, **change}
    with pytest.raises(InvalidValue, match=names):
        BudgetRule(name="r", **asked)


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
    assert 1 == session.queued
    assert 10 == session.wake_at(10)
    assert [entry] == session.overdue(10)
    assert 0 == session.queued
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
