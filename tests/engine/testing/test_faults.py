"""Fault plans: they go to JSON and back, and happen when they say."""

from __future__ import annotations

import pytest

from engine.errors import InvalidValue
from engine.testing.faults import (
    PROFILES,
    Fault,
    FaultKind,
    FaultPlan,
    Faults,
    When,
    plan_from_json,
    plan_to_json,
)

K = FaultKind


def first(_: int) -> int:
    """The harmless choice."""
    return 0


def last(n: int) -> int:
    """The other end."""
    return n - 1


def happens(faults: Faults, verb: str, times: int, cid: str = "") -> list[int]:
    """At which of so many events a fault happens, counted from 1."""
    return [n for n in range(1, times + 1) if faults.at(verb, cid) is not None]


def plan_of(*faults: Fault) -> Faults:
    return Faults(FaultPlan(faults=faults), first)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_goes_to_json_and_back(name: str) -> None:
    """What is read is what was written, for each profile."""
    assert PROFILES[name] == plan_from_json(plan_to_json(PROFILES[name]))


def test_a_plan_goes_to_json_and_back() -> None:
    """Every field of every fault is kept, and a text is as good as bytes."""
    plan = FaultPlan(
        faults=tuple(Fault(kind, delay_ns=n, count=n + 1) for n, kind in enumerate(FaultKind)),
        rates=((K.HANG, 3), (K.DUPLICATED, 1000)),
        visibility_lag_ns=1,
        request_window_ns=2,
        hang_ns=3,
    )
    plan = FaultPlan(faults=(*plan.faults, Fault(K.HANG, When("place", 2, "c", "i"))))
    assert plan == plan_from_json(plan_to_json(plan).decode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"faults": [{"kind": "BAD_LUCK"}]}',
        '{"faults": [{"kind": "HANG", "when": {"nth": -1}}]}',
        '{"rates": [["HANG", 1001]]}',
        '{"surprise": 1}',
        b'{"rates": "\xff"}',
    ],
)
def test_what_is_no_plan_is_refused(text: str | bytes) -> None:
    """A broken file is an InvalidValue, never half a plan."""
    with pytest.raises(InvalidValue):
        plan_from_json(text)


@pytest.mark.parametrize(
    ("kind", "verb"), [(K.DUPLICATED, "place"), (K.REFUSED, "query"), (K.HANG, "sleep")]
)
def test_a_fault_at_the_wrong_place_is_refused(kind: FaultKind, verb: str) -> None:
    """A fault that could never happen is told at once, not found out by a run without it."""
    with pytest.raises(InvalidValue, match="happens at"):
        Fault(kind, When(verb))


def test_the_nth_call_fails() -> None:
    """The number counts the calls that fit from 1, and count goes on from there."""
    assert [3] == happens(plan_of(Fault(K.HANG, When("place", 3))), "place", 6)
    assert [2, 3] == happens(plan_of(Fault(K.HANG, When("place", 2), count=2)), "place", 6)
    assert [1, 2, 3] == happens(plan_of(Fault(K.HANG, When("place"))), "place", 3)


def test_only_events_that_fit_are_counted() -> None:
    """Another verb, order or instrument neither meets the fault nor moves its count."""
    faults = plan_of(Fault(K.HANG, When("cancel", 2, client_order_id="x")))
    assert [] == happens(faults, "place", 3, "x") + happens(faults, "cancel", 3, "y")
    assert [2] == happens(faults, "cancel", 3, "x")


def test_a_fault_without_a_verb_is_where_its_kind_is_usual() -> None:
    """A duplicate is of reports, a refusal of calls, and a hang of both calls and queries."""
    assert [] == happens(plan_of(Fault(K.DUPLICATED)), "place", 1)
    assert [1] == happens(plan_of(Fault(K.DUPLICATED)), "report", 1)
    assert [] == happens(plan_of(Fault(K.REFUSED)), "query", 1)
    assert [1] == happens(plan_of(Fault(K.HANG)), "query", 1)


def test_planned_faults_count_on_while_another_happens() -> None:
    """Two faults at one event: the first in the plan happens, both have seen it."""
    faults = plan_of(Fault(K.HANG, When("place", 1)), Fault(K.REFUSED, When("place", 2)))
    found = [faults.at("place"), faults.at("place"), faults.at("place")]
    assert [K.HANG, K.REFUSED, None] == [None if one is None else one.kind for one in found]
    both = plan_of(Fault(K.HANG, When("place", 1)), Fault(K.REFUSED, When("place", 1)))
    assert Fault(K.HANG, When("place", 1)) == both.at("place")


def test_rates_are_per_mille_of_the_events() -> None:
    """Over all rolls of a thousand, each kind happens as often as its rate says."""
    rolls = iter(range(1000))
    faults = Faults(
        FaultPlan(rates=((K.HANG, 30), (K.REFUSED, 12), (K.DELAYED, 500))),
        lambda n: next(rolls) % n,
    )
    found = [faults.at("place") for _ in range(1000)]
    counts = {kind: sum(one == Fault(kind) for one in found) for kind in (K.HANG, K.REFUSED)}
    assert {K.HANG: 30, K.REFUSED: 12} == counts
    assert 958 == found.count(None)


def test_the_first_choice_is_harmless() -> None:
    """A shrinking test that chooses 0 everywhere meets no drawn fault, and the shortest times."""
    faults = Faults(PROFILES["hell"], first)
    assert [] == [verb for verb in ("place", "report", "query") if faults.at(verb)]
    assert 1_000_000 == faults.duration(Fault(K.DELAYED), 5_000_000_000)


def test_durations_stay_within_their_limit() -> None:
    """Drawn ones go up to the limit and no further; a stated one is taken as stated."""
    faults = Faults(FaultPlan(), last)
    assert 1_000_000_000 == faults.duration(Fault(K.LIST_LAGS), 1_000_000_000)
    assert 5 == faults.duration(Fault(K.LIST_LAGS), 5)
    assert 7_000_000_000 == faults.duration(Fault(K.LIST_LAGS, delay_ns=7_000_000_000), 5)


def test_a_kind_can_be_left_out() -> None:
    """A kind that a venue has no right to is drawn no more; the others keep their rates."""
    faults = Faults(FaultPlan(rates=((K.HANG, 400), (K.REFUSED, 600))), last)
    assert Fault(K.HANG) == faults.at("place")
    faults.leave_out(K.HANG)
    assert Fault(K.REFUSED) == faults.at("place")


def test_nothing_happens_after_the_stop() -> None:
    """stop() ends planned and drawn faults alike."""
    faults = Faults(FaultPlan(faults=(Fault(K.HANG),), rates=((K.REFUSED, 1000),)), last)
    assert faults.at("place") is not None
    faults.stop()
    assert [] == happens(faults, "place", 3)


@pytest.mark.parametrize("bad", [{"rates": ((K.HANG, -1),)}, {"visibility_lag_ns": -1}])
def test_impossible_plans_are_refused(bad: dict[str, object]) -> None:
    """Negative rates and durations are told at once."""
    with pytest.raises(InvalidValue):
        FaultPlan(**bad)  # type: ignore[arg-type]
