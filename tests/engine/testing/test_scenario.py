"""Scenarios as data: drawn from seeds, written to JSON and read back, refused when impossible."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.errors import InvalidValue
from engine.testing.drawing import draws, scenario
from engine.testing.faults import FaultKind
from engine.testing.scenario import (
    Cancels,
    Crashes,
    JournalFails,
    Quotes,
    Restarts,
    Scenario,
    Stops,
    Submits,
    Waits,
    scenario_from_json,
    scenario_to_json,
)
from engine.values import Instrument, OrderType, TimeInForce

COIN = Instrument(symbol="A/B", venue="SIM", base="A", quote="B")


@pytest.mark.parametrize("profile", ["calm", "rough", "hell"])
def test_a_scenario_survives_json_and_comes_again_from_its_seed(profile: str) -> None:
    """What is read back is equal; the same seed draws the same, the next one another."""
    for seed in range(40):
        drawn = scenario(seed, profile)
        assert drawn == scenario_from_json(scenario_to_json(drawn)) == scenario(seed, profile)
        assert drawn.steps != scenario(seed + 1, profile).steps


def test_everything_is_drawn_now_and_then() -> None:
    """Order types, times in force, flags, instruments, limits, deaths: nothing is left out."""
    drawn = [scenario(seed, "hell") for seed in range(150)]
    kinds = Counter(type(step) for one in drawn for step in one.steps)
    orders = [step.order for one in drawn for step in one.steps if isinstance(step, Submits)]
    assert min(kinds[kind] for kind in (Crashes, Restarts, JournalFails, Cancels, Waits)) > 50
    assert kinds[Stops] > 20
    assert {True, False} == {
        step.cancels for one in drawn for step in one.steps if isinstance(step, Stops)
    }
    assert len({one.checkpoint_facts for one in drawn}) == 3
    assert set(OrderType) == {order.order_type for order in orders}
    assert set(TimeInForce) == {order.time_in_force for order in orders}
    assert all(any(getattr(o, flag) for o in orders) for flag in ("post_only", "reduce_only"))
    assert any(order.cash_qty is not None for order in orders)
    assert {1, 2, 3} == {len(one.instruments) for one in drawn}
    assert {True, False} == {one.listens for one in drawn} == {one.limits is None for one in drawn}
    assert {True, False} == {one.config.capabilities.lookup_by_client_id for one in drawn}


def test_a_profile_nobody_has_is_refused() -> None:
    """The message names those there are."""
    with pytest.raises(InvalidValue, match="calm, rough, hell"):
        scenario(1, "heaven")


def test_streams_of_one_seed_are_independent() -> None:
    """Reading more of one changes nothing in the other."""
    one, two = draws(7, 1), draws(7, 2)
    first = [one(1000) for _ in range(20)]
    again = draws(7, 2)
    assert [two(1000) for _ in range(20)] == [again(1000) for _ in range(20)] != first


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "truncated"),
        (b"[1]", "Expected `object`"),
        (b'{"seed": 1, "instruments": []}', "needs instruments"),
        (b'{"seed": 1, "instruments": [{"symbol": "A", "venue": "X"}]}', "venue 'SIM'"),
        (b'{"seed": 1, "instruments": [], "sed": 2}', "unknown field `sed`"),
        (b'{"seed": 1, "instruments": [], "steps": [{"type": "flies"}]}', "flies"),
        (
            b'{"seed": 1, "instruments": [{"symbol": "A", "venue": "SIM", "tick_size": "0"}]}',
            "tick",
        ),
        (
            b'{"seed": 1, "instruments": [{"symbol": "A", "venue": "SIM"}], "checkpoint_facts": 0}',
            "above 0",
        ),
    ],
)
def test_what_is_no_scenario_is_refused_and_says_where(text: bytes, says: str) -> None:
    """One error type, whatever is wrong."""
    with pytest.raises(InvalidValue, match="not a scenario") as refused:
        scenario_from_json(text)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "step", [Waits(-1), Crashes(nth=0), JournalFails(0), Quotes("B/C")], ids=str
)
def test_a_step_that_cannot_be_taken_is_refused(step: object) -> None:
    """Before anything runs."""
    with pytest.raises(InvalidValue):
        Scenario(seed=1, instruments=(COIN,), steps=(step,))  # type: ignore[arg-type]


def test_every_fault_is_drawn_in_some_profile() -> None:
    """Rough and hell leave nothing out that can go wrong; lists in part are for some venues only,
    because a venue that may leave orders out can prove less.
    """
    drawn = [scenario(seed, profile) for seed in range(60) for profile in ("rough", "hell")]
    assert set(FaultKind) == {kind for one in drawn for kind in one.plan.kinds()}
    omits = sum(FaultKind.LIST_OMITS_TRIGGERS in one.plan.kinds() for one in drawn)
    assert 0 < omits < 20
