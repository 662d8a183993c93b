"""A person who trades at the venue beside a scenario's host: steps, draws, what is judged."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from functools import cache

import pytest

from actors.testing import SPOT, SimulatedSystem
from actors.testing.running import play, simulated, take
from actors.testing.truth import compare, truth_of
from engine import limit
from engine.errors import InvalidValue
from engine.testing.drawing import scenario
from engine.testing.scenario import (
    ACCOUNT,
    VENUE,
    AmendsElsewhere,
    CancelsElsewhere,
    PlacesElsewhere,
    Quotes,
    Scenario,
    Submits,
    Trades,
    Waits,
    scenario_from_json,
    scenario_to_json,
)
from engine.values import OrderState, Side

SECOND = 1_000_000_000
D = Decimal
BTC = SPOT.symbol
OPEN = Quotes(BTC, D(199), D(50), D(201), D(50))
RESTS = PlacesElsewhere("THEIRS", BTC, Side.BUY, D(2), D(150))


def lost(system: SimulatedSystem) -> list[tuple[str, str]]:
    """What of the venue's our books lack now, and of which order."""
    truth = truth_of(system.exchange, ACCOUNT, others=system.exchange.others)
    found = compare(truth, system.judge.books, VENUE, ACCOUNT)
    return [(one.invariant, one.entity) for one in found if one.entity != BTC]


def test_a_scenario_of_it_runs_and_goes_through_json() -> None:
    """A person's order rests beside ours, is made smaller and is filled; others trade at once, only
    reduce, and are called off.
    """
    steps = (
        OPEN, Submits(limit(BTC, "BUY", 1, 150, intent_id="ours")), RESTS, Waits(SECOND),
        AmendsElsewhere("THEIRS", order_qty=D(1)), Waits(SECOND), RESTS,
        PlacesElsewhere("B", BTC, Side.SELL, D(3), D(210)), CancelsElsewhere("B"), Waits(SECOND),
        PlacesElsewhere("C", BTC, Side.BUY, D("0.5")), Waits(SECOND),
        PlacesElsewhere("D", BTC, Side.SELL, D(9), reduce_only=True), CancelsElsewhere("nobody"),
        Trades(BTC, D(149), D(5), Side.SELL), Waits(SECOND),
    )  # fmt: skip
    story = Scenario(seed=1, instruments=(SPOT,), steps=steps)
    assert story == scenario_from_json(scenario_to_json(story))
    with simulated(story) as system:
        result = play(system, story)
        assert ((), 0) == (result.violations, result.refused)
        orders = system.judge.books.orders
        assert D(1) == orders["THEIRS"].cum_qty == orders[system.id_of("ours")].cum_qty
        assert (D("0.5"), D("0.5")) == (orders["C"].cum_qty, orders["D"].cum_qty)
        assert D(2) == sum(one.qty for one in system.exchange.positions(ACCOUNT))


def test_a_person_goes_on_while_no_system_runs() -> None:
    """What they did meanwhile is known after the restart."""
    system = SimulatedSystem(seed=1)
    for step in (OPEN, Waits(SECOND)):
        assert take(system, step)
    system.crash()
    for theirs in (RESTS, PlacesElsewhere("C", BTC, Side.BUY, D(1))):
        assert take(system, theirs)
    assert [] == system.check()
    assert [("no_order_lost", "THEIRS"), ("no_order_lost", "C")] == lost(system)[:2]
    system.restart()
    system.run(5 * SECOND)
    assert OrderState.ACCEPTED is system.system.order("THEIRS").get(timeout=1).state
    assert OrderState.FILLED is system.system.order("C").get(timeout=1).state
    assert [] == system.settle()


def test_what_is_not_known_of_a_person_is_told_unless_it_came_and_went() -> None:
    """An order that works or traded; one that ended without a fill need not have been heard of."""
    system = SimulatedSystem(seed=1)
    for step in (OPEN, Waits(SECOND)):
        assert take(system, step)
    system.crash()
    take(system, RESTS)
    assert [("no_order_lost", "THEIRS")] == lost(system)
    take(system, CancelsElsewhere("THEIRS"))
    assert [] == lost(system)
    take(system, PlacesElsewhere("C", BTC, Side.BUY, D(1)))
    assert [("no_order_lost", "C"), ("no_fill_lost", "C")] == lost(system)


@pytest.mark.parametrize(
    "step",
    [PlacesElsewhere("", BTC, Side.BUY, D(1)), PlacesElsewhere("A", "none", Side.BUY, D(1))],
)
def test_a_step_that_cannot_be_taken_is_refused(step: PlacesElsewhere) -> None:
    """An order without a name, or of what is not traded."""
    with pytest.raises(InvalidValue):
        Scenario(seed=1, instruments=(SPOT,), steps=(step,))


@cache
def drawn(profile: str) -> Counter[str]:
    """How often a few dozen scenarios have each step."""
    steps = (step for seed in range(90) for step in scenario(seed, profile).steps)
    return Counter(type(step).__name__ for step in steps)


def test_everything_of_it_is_drawn() -> None:
    """Some scenarios have a person who trades beside us, and calm ones have none."""
    wanted = ["PlacesElsewhere", "CancelsElsewhere", "AmendsElsewhere"]
    assert [] == [word for word in wanted if not drawn("rough")[word]]
    assert [] == [word for word in wanted if drawn("calm")[word]]


def test_a_fill_of_a_person_is_booked_where_nothing_else_is_open_or_held() -> None:
    """The stream does not say of what it is; so lists are read, though the account was idle."""
    system = SimulatedSystem(seed=1)
    for step in (OPEN, Waits(SECOND)):
        assert take(system, step)
    assert take(system, PlacesElsewhere("C", BTC, Side.BUY, D(1)))
    system.run(70 * SECOND)
    assert OrderState.FILLED is system.system.order("C").get(timeout=1).state
    assert [] == [*system.check(), *system.settle()]
