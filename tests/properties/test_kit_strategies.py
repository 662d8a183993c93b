"""What the public strategies draw is valid, and whole runs of it keep every promise."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.testing.running import run
from engine.messages import AmendOrder
from engine.policies.validation import check_amend, check_order
from engine.simulator import FULL_CAPABILITIES
from engine.testing.faults import FaultPlan, plan_from_json, plan_to_json
from engine.testing.scenario import (
    Quotes,
    Scenario,
    Trades,
    scenario_from_json,
    scenario_to_json,
)
from engine.testing.strategies import (
    amends,
    fault_plans,
    instruments,
    market_paths,
    middle,
    orders,
    scenarios,
)
from engine.values import Instrument, is_on_step


@given(st.data(), instruments())
def test_orders_are_valid(data: st.DataObject, instrument: Instrument) -> None:
    """An order that is drawn for an instrument passes every check that a submit makes."""
    order = data.draw(orders(instrument))
    check_order(order, instrument, FULL_CAPABILITIES)


@given(st.data(), instruments())
def test_amends_are_valid(data: st.DataObject, instrument: Instrument) -> None:
    """An amend names new terms on the instrument's grid."""
    order = data.draw(orders(instrument))
    new = data.draw(amends("i1", order, instrument, middle(instrument)))
    asked = AmendOrder("c", "r", 0, new.order_qty, new.price, new.stop_px)
    check_amend(asked, instrument, FULL_CAPABILITIES)


@given(st.data(), instruments())
def test_markets_are_on_their_grid(data: st.DataObject, instrument: Instrument) -> None:
    """A path starts with both sides; prices are above zero, on the tick, and never crossed."""
    path = data.draw(market_paths(instrument))
    first = path[0]
    assert isinstance(first, Quotes)
    assert None not in (first.bid_px, first.ask_px)
    for step in path:
        if isinstance(step, Quotes):
            seen = [step.bid_px, step.ask_px]
            if step.bid_px is not None and step.ask_px is not None:
                assert step.bid_px < step.ask_px
        else:
            seen = [step.px] if isinstance(step, Trades) else []
        for px in seen:
            assert px is None or (px > 0 and is_on_step(px, instrument.tick_size))


@given(fault_plans(rate_max=30))
def test_fault_plans_are_data(plan: FaultPlan) -> None:
    """A plan can be written down and read again."""
    assert plan == plan_from_json(plan_to_json(plan))


@given(scenarios())
def test_scenarios_are_data(scenario: Scenario) -> None:
    """A scenario can be written down and read again."""
    assert scenario == scenario_from_json(scenario_to_json(scenario))


@settings(max_examples=settings().max_examples // 3)
@given(scenarios(steps_max=25))
def test_every_run_keeps_every_promise(scenario: Scenario) -> None:
    """Whatever host, market, venue and fate do: nothing lost, nothing doubled, all of it proven."""
    assert () == run(scenario).violations
