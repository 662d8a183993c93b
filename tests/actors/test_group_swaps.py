"""A stop and a target where the venue locks the coins of one of them: the price says which."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from actors.submitting import GroupTicket
from actors.testing import SimulatedSystem
from engine import InvalidValue, Swap, limit, stop
from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.contingent import bracket
from engine.messages import GroupTerms
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault, FaultKind, When
from engine.testing.scenario import Moment
from engine.values import OrderState

from . import bracket_kit
from .bracket_kit import BTC, SECOND, D, S, alarms, held, market, state
from .bracket_kit import resting as working

BOUND_BY_COINS = replace(FULL_CAPABILITIES, reduce_only=ReduceOnlyRule.UNSUPPORTED)


def begun(
    *faults: Fault, capabilities: Capabilities = BOUND_BY_COINS, seed: int = 1
) -> SimulatedSystem:
    """A system at a market of 199 to 201, with money and without coins."""
    money = {"USDT": D(100_000)}
    return bracket_kit.begun(*faults, capabilities=capabilities, seed=seed, balances=money)


def a_bracket(*targets: tuple[int, str]) -> GroupTerms:
    """Buy one at 200, stop at 180; one target at 220, or those given."""
    entry = limit(BTC, "BUY", "1", 200)
    if targets:
        return bracket(entry, stop_px=180, targets=targets)
    return bracket(entry, stop_px=180, target=220)


def opened(system: SimulatedSystem, root: GroupTerms | None = None) -> GroupTicket:
    """A bracket whose entry has filled."""
    ticket = system.system.submit_group(root or a_bracket(), intent_id="b")
    system.run(SECOND)
    market(system, 197)
    return ticket


def test_the_stop_is_at_the_venue_and_the_target_is_held_back() -> None:
    """Together they would offer more than there is."""
    system = begun()
    ticket = opened(system)
    assert ({"STOP 180": D(1)}, S.LINKED) == (working(system), state(system))
    target = system.system.order(ticket.legs["target"]).get(timeout=1)
    assert OrderState.HELD is target.state
    assert not alarms(system)


def test_near_the_target_the_two_change_places_and_back_when_the_price_turns() -> None:
    """Within a quarter of the way the target works, until half of the way is lost again."""
    system = begun()
    opened(system)
    market(system, 209)
    assert {"STOP 180": D(1)} == working(system)
    market(system, 210)
    assert ({"LIMIT 220": D(1)}, S.LINKED) == (working(system), state(system))
    market(system, 200)  # half of the way: not yet
    assert {"LIMIT 220": D(1)} == working(system)
    market(system, 197)
    assert ({"STOP 180": D(1)}, S.LINKED) == (working(system), state(system))
    market(system, 211)
    market(system, 220)
    assert (S.DONE, D(0), {}) == (state(system), held(system), working(system))
    assert not alarms(system)
    assert not system.settle(60 * SECOND)


def test_the_first_of_two_targets_leaves_the_stop_its_rest() -> None:
    """What both offer comes to what is held, at any moment."""
    system = begun()
    opened(system, a_bracket((220, "0.4"), (260, "0.6")))
    market(system, 211)
    assert {"STOP 180": D("0.6"), "LIMIT 220": D("0.4")} == working(system)
    market(system, 220)
    assert ({"STOP 180": D("0.6")}, D("0.6")) == (working(system), held(system))
    market(system, 245)
    assert {"LIMIT 260": D("0.6")} == working(system)
    market(system, 261)
    assert (S.DONE, D(0)) == (state(system), held(system))
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("amends", [True, False])
@pytest.mark.parametrize("rule", [ReduceOnlyRule.UNSUPPORTED, ReduceOnlyRule.CLAMP])
def test_an_entry_in_parts_is_followed_in_either_place(amends: bool, rule: ReduceOnlyRule) -> None:
    """Each further part goes to who is at the venue."""
    able = replace(FULL_CAPABILITIES, amend=amends, reduce_only=rule)
    system = begun(capabilities=able)
    system.system.submit_group(a_bracket(), intent_id="b")
    system.run(SECOND)
    system.trade(BTC, D("199.5"), D("0.4"))
    system.run(SECOND)
    assert D("0.4") == working(system)["STOP 180"]
    market(system, 210)
    assert D("0.4") == working(system)["LIMIT 220"]
    system.trade(BTC, D(200), D("0.3"))
    system.run(SECOND)
    assert (D("0.7"), D("0.7")) == (working(system)["LIMIT 220"], held(system))
    assert not system.settle(60 * SECOND)


def test_without_prices_the_stop_comes_back_and_a_person_is_told() -> None:
    """A target that is blind protects nothing."""
    system = begun()
    opened(system)
    market(system, 211)
    assert {"LIMIT 220": D(1)} == working(system)
    system.run(70 * SECOND)
    assert {"STOP 180": D(1)} == working(system)
    assert ["target_blind"] == alarms(system)
    system.run(300 * SECOND)
    assert ["target_blind"] == alarms(system)
    market(system, 212)
    assert {"LIMIT 220": D(1)} == working(system)
    assert not system.settle(60 * SECOND)


def test_a_swap_whose_cancel_is_lost_ends_with_the_stop() -> None:
    """Nothing else is offered, the stop works on, and a person is told."""
    system = begun()
    opened(system)
    system.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="cancel", nth=1)))
    system.quote(BTC, D(211), D(50), D(213), D(50))
    system.run(4 * SECOND)
    assert {"STOP 180": D(1)} == working(system)
    system.run(4 * SECOND)
    assert ["swap_stuck"] == [kind for kind in alarms(system) if kind != "unresolved"]
    assert {"STOP 180": D(1)} == working(system)
    assert not system.settle(120 * SECOND)


def test_a_stop_that_fills_while_it_is_cancelled_leaves_the_target_the_rest() -> None:
    """What it sold meanwhile is not offered again."""
    system = begun(Fault(FaultKind.FILL_FIRST, When(verb="cancel", nth=1)))
    opened(system)
    market(system, 211)
    left = held(system)
    assert sum(working(system).values()) == left
    assert not system.settle(60 * SECOND)


def test_a_target_that_is_refused_gives_its_place_back() -> None:
    """At once: the stop does not wait until the target has been tried three times."""
    system = begun()
    opened(system)
    system.inject(Fault(FaultKind.REFUSED, When(verb="place", nth=1)))
    system.quote(BTC, D(211), D(50), D(213), D(50))
    system.run(20_000_000)
    assert {"STOP 180": D(1)} == working(system)
    assert not system.settle(60 * SECOND)


def test_a_group_called_off_while_its_target_works_keeps_its_stop() -> None:
    """Targets go; what is held is never left alone."""
    system = begun()
    ticket = opened(system)
    market(system, 211)
    system.system.cancel_group(ticket)
    system.run(2 * SECOND)
    assert ({"STOP 180": D(1)}, S.LINKED) == (working(system), state(system))
    system.system.cancel_group(ticket, close=True)
    system.run(5 * SECOND)
    assert (S.DONE, D(0), {}) == (state(system), held(system), working(system))
    assert not system.settle(60 * SECOND)


def test_a_dormant_stop_is_moved_before_it_comes_back() -> None:
    """It is an order that is held back, and takes its new price along."""
    system = begun()
    ticket = opened(system)
    market(system, 211)
    dormant = next(
        one for one in system.system.orders().get(timeout=1) if one.state is OrderState.HELD
    )
    assert dormant.client_order_id != ticket.legs["stop"].client_order_id
    system.system.amend(dormant.client_order_id, stop_px=D(195))
    system.run(SECOND)
    market(system, 204)
    assert {"STOP 195": D(1)} == working(system)
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("moment", [Moment.BEFORE_WRITE, Moment.AFTER_WRITE])
def test_wherever_the_process_dies_in_a_swap_it_ends_alike(moment: Moment) -> None:
    """Before or after any commit: what is sold is never more than what is held, and all of it is in
    the end.
    """
    for nth in range(1, 16):
        system = begun(seed=nth)
        system.system.submit_group(a_bracket(), intent_id="b")
        system.run(SECOND)
        system.crash_at(moment, nth)
        for bid in (197, 211, 197, 211, 221):
            for _ in range(2):
                if not system.alive:
                    system.restart()
                system.run(SECOND)
            market(system, bid)
        system.restart()
        system.run(20 * SECOND)
        assert not system.settle(60 * SECOND), nth
        assert (nth, D(0), S.DONE) == (nth, held(system), state(system))


def test_how_near_is_said_with_the_group() -> None:
    """And what cannot be meant is refused."""
    system = begun()
    near = Swap(near=D("0.5"), back=D("0.75"))
    system.system.submit_group(a_bracket(), intent_id="b", swap=near)
    system.run(SECOND)
    market(system, 197)
    market(system, 201)
    assert {"LIMIT 220": D(1)} == working(system)
    for odd in (Swap(near=D("0.5"), back=D("0.5")), Swap(near=D(-1)), Swap(fresh_ns=0)):
        with pytest.raises(InvalidValue, match="swap"):
            system.system.submit_group(a_bracket(), swap=odd)


def test_the_exchange_refuses_both_exits_of_the_same_coins() -> None:
    """An account with balances has its coins locked by the first; the paper venue says so."""
    system = begun()
    assert not system.venue.capabilities.exits_share_balance
    system.system.submit(limit(BTC, "BUY", "1", 201))
    system.run(SECOND)
    first = system.system.submit(stop(BTC, "SELL", "1", 180))
    system.run(SECOND)
    second = system.system.submit(limit(BTC, "SELL", "1", 220))
    system.run(SECOND)
    views = [system.system.order(one.client_order_id).get(timeout=1) for one in (first, second)]
    assert [OrderState.ACCEPTED, OrderState.REJECTED] == [one.state for one in views]
