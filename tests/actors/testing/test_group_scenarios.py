"""Groups in the kit: steps of scenarios, what is drawn, and what the judge says of wrong ones."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from actors.testing.judge_promises import Promises
from actors.testing.running import run, take
from actors.testing.truth import Truth, truth_of
from actors.testing.truth_groups import compare_groups
from engine import limit, market
from engine.capabilities import ReduceOnlyRule
from engine.contingent import bracket
from engine.errors import InvalidValue
from engine.fold import Books
from engine.group import legs_of
from engine.journal import decode
from engine.messages import Contingency, GroupState, GroupTerms, VenueStatus
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault, FaultKind, When
from engine.testing.drawing import scenario
from engine.testing.scenario import (
    Amends,
    Cancels,
    CancelsGroup,
    Crashes,
    Quotes,
    Restarts,
    Scenario,
    SubmitsGroup,
    Waits,
    scenario_from_json,
    scenario_to_json,
)
from engine.testing.strategies import groups, instruments
from engine.values import OrderType

SECOND = 1_000_000_000
D = Decimal
OPEN = Quotes(SPOT.symbol, D(198), D(50), D(199), D(50))


def a_bracket(qty: str = "1") -> GroupTerms:
    """Buy at 200, stop at 180, out at 220."""
    return bracket(limit(SPOT.symbol, "BUY", qty, 200), stop_px=180, target=220)


def linked() -> tuple[SimulatedSystem, Truth]:
    """A bracket that has filled, and what the venue has."""
    system = SimulatedSystem(seed=1)
    for step in (OPEN, SubmitsGroup("g1", a_bracket()), Waits(2 * SECOND)):
        take(system, step)
    assert GroupState.LINKED is system.system.group_state("g1").get(timeout=1)
    return system, truth_of(system.exchange, "main")


def broken(
    system: SimulatedSystem, truth: Truth, *, bounds: bool = True, amends: bool = True
) -> list[str]:
    """Which promises of groups do not hold."""
    able = replace(FULL_CAPABILITIES, amend=amends)
    if not bounds:
        able = replace(able, reduce_only=ReduceOnlyRule.UNSUPPORTED)
    return [one.invariant for one in compare_groups(truth, system.judge.books, able, ())]


def test_a_scenario_with_a_group_runs_over_a_restart_and_through_json() -> None:
    """Submitted again after a crash it is the same group; its legs are named by it."""
    group = SubmitsGroup("g1", a_bracket())
    steps = (
        OPEN, group, Waits(SECOND), Crashes(), Restarts(), group, Waits(SECOND),
        Amends("g1/stop", stop_px=D(190)), Waits(SECOND), CancelsGroup("g1", close=True),
    )  # fmt: skip
    told = Scenario(seed=1, instruments=(SPOT,), steps=steps)
    assert told == scenario_from_json(scenario_to_json(told))
    result = run(told)
    assert (result.violations, result.refused, result.crashes) == ((), 0, 1)
    assert (result.orders, result.fills) == (4, 2)  # three legs, and what closed them
    with pytest.raises(InvalidValue, match="a group of a scenario has an intent"):
        Scenario(seed=1, instruments=(SPOT,), steps=(SubmitsGroup("", a_bracket()),))


def test_every_kind_of_group_is_drawn() -> None:
    """Brackets of every shape, at venues of every ability, and everything that is asked of them."""
    seen: Counter[str] = Counter()
    for seed in range(150):
        drawn = scenario(seed, "rough")
        able = drawn.config.capabilities
        for step in drawn.steps:
            if isinstance(step, SubmitsGroup):
                legs = list(legs_of(step.root))
                nested = any(isinstance(one, GroupTerms) for one in step.root.members)
                seen[f"{step.root.contingency.value} {nested}"] += 1
                seen[f"amend {able.amend}"] += 1
                seen[able.reduce_only.value] += 1
                seen["shares"] += any(one.share is not None for one in legs)
                seen["market"] += any(one.order.order_type is OrderType.MARKET for one in legs)
                seen["exits alone"] += all(one.role.value != "ENTRY" for one in legs)
            elif isinstance(step, CancelsGroup):
                seen[f"close {step.close}"] += 1
            elif isinstance(step, Cancels | Amends) and "/" in step.intent:
                seen[type(step).__name__] += 1
    kinds = [f"{one.value} False" for one in Contingency]
    wanted = [
        *kinds, "OTO True", "OCO True", "amend True", "amend False", "shares", "market",
        "exits alone", "close True", "close False", "Cancels", "Amends",
        *(one.value for one in ReduceOnlyRule),
    ]  # fmt: skip
    assert [] == [word for word in wanted if not seen[word]]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_strategies_draw_is_taken(data: st.DataObject) -> None:
    """A drawn group passes every check of the system."""
    instrument = data.draw(instruments())
    with SimulatedSystem(seed=1, instruments=(instrument,)) as system:
        assert take(system, SubmitsGroup("g1", data.draw(groups(instrument))))


def test_a_stop_that_is_too_small_is_told() -> None:
    """What is held by a group without enough of a stop at its venue."""
    system, truth = linked()
    assert [] == broken(system, truth)
    less = [
        replace(seen, order_qty=D("0.5")) if seen.order_type is OrderType.STOP else seen
        for seen in truth.orders
    ]
    assert ["what_is_held_has_a_stop"] == broken(system, replace(truth, orders=tuple(less)))


def test_exits_that_are_too_large_are_told() -> None:
    """A target above what is held would open another position; where a venue bounds it and does
    not amend, it stays as it is.
    """
    system, truth = linked()
    more = [replace(seen, order_qty=D(2)) if seen.price == 220 else seen for seen in truth.orders]
    wrong = replace(truth, orders=tuple(more))
    assert [] == broken(system, wrong, amends=False)
    for bounds in (True, False):
        found = broken(system, wrong, bounds=bounds)
        assert ["exits_fit_the_position", "largest_legs_fit"] == found


def test_closing_more_than_was_opened_is_told() -> None:
    """Both exits filled, and nobody bought it back."""
    system, truth = linked()
    entry = truth.executions[0]
    exits = [
        replace(entry, client_order_id=seen.client_order_id, exec_id=seen.client_order_id)
        for seen in truth.orders
        if seen.status is VenueStatus.WORKING
    ]
    wrong = replace(truth, orders=(), executions=(*truth.executions, *exits), positions=())
    assert ["exits_fit_the_entry"] == broken(system, wrong)


def test_an_order_that_outlives_its_group_is_told() -> None:
    """The group is over, and its stop works at the venue."""
    system, truth = linked()
    books = system.judge.books
    books.groups["g1"] = replace(books.groups["g1"], state=GroupState.DONE)
    assert ["done_is_done", "done_is_done"] == broken(system, truth)


def test_a_group_is_judged_by_what_its_slot_held_when_it_ended() -> None:
    """Others closed a part of what it opened. That another order opens the slot again in the commit
    of its end is no fault of it; that something is left there at its end is.
    """
    system = SimulatedSystem(seed=1)
    entry = limit(SPOT.symbol, "BUY", "1", 200)
    take(system, OPEN)
    take(system, SubmitsGroup("g1", bracket(entry, stop_px=180)))
    system.run(SECOND)
    sold = system.submit(market(SPOT.symbol, "SELL", "0.6"))
    system.run(SECOND)
    system.quote(SPOT.symbol, D(178), D(50), D(179), D(50))
    system.trade(SPOT.symbol, D(178), D(1))
    system.run(SECOND)
    system.submit(market(SPOT.symbol, "BUY", "1"))
    system.run(SECOND)
    assert GroupState.DONE is system.judge.books.groups["g1"].state
    assert [] == system.check()

    def as_one_commit(without: str = "") -> list[str]:
        """What is wrong if all that was written, but for one order, is one commit."""
        books, promises = Books(), Promises(system.exchange, "SIM", "main", [], list)
        rows = [
            (one.seq, one.entity, one.kind, one.body)
            for one in system.journal.records()
            if one.entity != without
        ]
        for _, entity, _, body in rows:
            fact = decode(body)
            books.apply(entity, fact)
            promises.folded(fact, books)
        broker = system.system.brokers["SIM", "main"]
        return [one.invariant for one in promises.committed(rows, books, broker)]

    assert "done_is_closed" not in as_one_commit()
    assert "done_is_closed" in as_one_commit(without=sold.client_order_id)


def test_what_is_naked_while_the_venue_cannot_be_reached_is_no_gap_without_an_alarm() -> None:
    """The link is lost and comes back between two looks: in time from then on a person is told."""
    system, _ = linked()
    system.inject(Fault(FaultKind.REFUSED, When("place", nth=1), count=50))
    lost = system.id_of("g1/stop")
    assert system.happen(Fault(FaultKind.CANCELLED_UNASKED, When(client_order_id=lost)))
    system.run(4 * SECOND)
    assert system.happen(Fault(FaultKind.DISCONNECT, delay_ns=6 * SECOND))
    system.run(10 * SECOND)
    told = [one.kind for one in system.judge.alarms]
    assert ("unprotected" in told, []) == (False, system.check())
    system.run(10 * SECOND)
    told = [one.kind for one in system.judge.alarms]
    assert ("unprotected" in told, []) == (True, system.check())
