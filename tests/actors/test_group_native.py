"""Groups that the venue keeps by itself: one call, then the engine watches, and steps in."""

from __future__ import annotations

import functools

import pytest
from msgspec.structs import replace

from actors.submitting import GroupTicket
from actors.testing import SimulatedSystem
from engine import SessionLimits, limit
from engine.capabilities import ReduceOnlyRule
from engine.contingent import bracket, leg
from engine.intents import stop
from engine.messages import (
    Contingency,
    GroupTerms,
    LegRole,
    NativeShape,
    Place,
)
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault, FaultKind, When
from engine.testing.scenario import Moment
from engine.values import OrderState

from . import bracket_kit
from .bracket_kit import BTC, SECOND, D, S, alarms, held, market, state
from .bracket_kit import resting as working

BOTH = (NativeShape.EXITS, NativeShape.BRACKET)
CHANGES = ("place", "cancel", "amend")
ABLE = replace(FULL_CAPABILITIES, native_groups=BOTH, native_shrinks=True)
begun = functools.partial(bracket_kit.begun, capabilities=ABLE)


def a_bracket() -> GroupTerms:
    """Buy one at 200, stop at 180, target at 220."""
    return bracket(limit(BTC, "BUY", "1", 200), stop_px=180, target=220)


def submitted(system: SimulatedSystem, root: GroupTerms | None = None) -> GroupTicket:
    """A group that has reached the venue."""
    ticket = system.system.submit_group(root or a_bracket(), intent_id="b")
    system.run(SECOND)
    return ticket


def placed(system: SimulatedSystem) -> list[str]:
    """The first order of each call that places."""
    return [
        str(request.client_order_id) for _, request, _ in system.venue.calls
        if isinstance(request, Place)
    ]  # fmt: skip


def leg_states(system: SimulatedSystem, ticket: GroupTicket) -> dict[str, OrderState]:
    """The state of each leg."""
    return {
        name: system.system.order(one.client_order_id).get(timeout=1).state
        for name, one in ticket.legs.items()
    }


def test_a_bracket_leaves_in_one_call_and_its_exits_wait_at_the_venue() -> None:
    """They are accepted: what they are waiting for is the venue's business."""
    system = begun()
    ticket = submitted(system)
    (call,) = [one for _, one, _ in system.venue.calls if isinstance(one, Place)]
    assert tuple(one.client_order_id for one in ticket.legs.values()) == call.kin
    accepted = OrderState.ACCEPTED
    assert {"entry": accepted, "stop": accepted, "target": accepted} == leg_states(system, ticket)
    assert S.WORKING is state(system)
    market(system, 225)  # the target sleeps
    assert {"LIMIT 200": D(1), "STOP 180": D(1), "LIMIT 220": D(1)} == working(system)
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("bid", [220, 178])
def test_the_venue_takes_the_sibling_down_and_nothing_is_placed_again(bid: int) -> None:
    """Its unasked cancel is what was expected."""
    system = begun()
    submitted(system)
    market(system, 197)
    assert ({"STOP 180": D(1), "LIMIT 220": D(1)}, S.LINKED) == (working(system), state(system))
    market(system, bid)
    system.run(5 * SECOND)
    assert (S.DONE, D(0), {}, 1) == (
        state(system), held(system), working(system), len(placed(system)),
    )  # fmt: skip
    assert not alarms(system)
    assert not system.settle(60 * SECOND)


def test_an_entry_in_parts_is_followed_by_the_venue() -> None:
    """Its exits work for what it has filled, and the engine asks for nothing; when it ends short
    the venue cuts them.
    """
    system = begun()
    ticket = submitted(system)
    for qty in ("0.4", "0.3"):
        system.trade(BTC, D("199.5"), D(qty))
        system.run(10 * SECOND)
    assert (S.LINKED, []) == (state(system), alarms(system))
    assert ["place"] == [verb for verb, _, _ in system.venue.calls if verb in CHANGES]
    system.system.cancel(ticket.legs["entry"])
    system.run(SECOND)
    assert {"STOP 180": D("0.7"), "LIMIT 220": D("0.7")} == working(system)
    assert ["place", "cancel"] == [verb for verb, _, _ in system.venue.calls if verb in CHANGES]
    assert not system.settle(60 * SECOND)


def test_an_exit_that_is_done_before_its_entry_is_leaves_the_rest_to_the_engine() -> None:
    """The venue's pair is over; what the entry fills then has a stop all the same."""
    system = begun()
    submitted(system)
    system.trade(BTC, D("199.5"), D("0.4"))
    system.run(SECOND)
    market(system, 220)
    assert ({"LIMIT 200": D("0.6")}, D(0)) == (working(system), held(system))
    system.trade(BTC, D(199), D("0.3"))
    system.run(8 * SECOND)
    found = working(system)
    assert (D("0.3"), D("0.3")) == (found["STOP 180"], held(system))
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("shrinks", [True, False])
def test_a_part_that_an_exit_fills_is_taken_from_the_other(shrinks: bool) -> None:
    """By the venue where it says so, else by the engine, which takes the exits over."""
    system = begun(capabilities=replace(ABLE, native_shrinks=shrinks,
                                        reduce_only=ReduceOnlyRule.UNSUPPORTED))  # fmt: skip
    submitted(system)
    market(system, 197)
    system.quote(BTC, D(220), D("0.4"), D(222), D(50))
    system.run(10 * SECOND)
    assert {"STOP 180": D("0.6"), "LIMIT 220": D("0.6")} == working(system)
    assert ([] if shrinks else ["native_taken_over"]) == alarms(system)
    assert not system.settle(60 * SECOND)


def test_exits_alone_are_tied_where_coins_would_be_locked_twice() -> None:
    """The venue locks them once for both, so both rest; no swap is needed."""
    system = begun(balances={"USDT": D(100_000)})
    entry = system.system.submit(limit(BTC, "BUY", "1", 201))
    system.run(SECOND)
    assert OrderState.FILLED is entry.wait(timeout=1).state
    exits = GroupTerms(
        Contingency.OCO,
        (
            leg("stop", stop(BTC, "SELL", "1", 180, reduce_only=True), LegRole.STOP),
            leg("target", limit(BTC, "SELL", "1", 220, reduce_only=True), LegRole.TARGET),
        ),
    )
    submitted(system, exits)
    assert ({"STOP 180": D(1), "LIMIT 220": D(1)}, S.LINKED) == (working(system), state(system))
    assert 2 == len(placed(system))
    market(system, 220)
    assert (S.DONE, D(0)) == (state(system), held(system))
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("seed", range(8))
def test_a_bracket_that_arrived_in_part_is_completed_by_the_engine(seed: int) -> None:
    """One of its orders is missing in the answer, and perhaps at the venue: what is filled is
    covered all the same.
    """
    partial = Fault(FaultKind.BATCH_PARTIAL, When(verb="place_batch", nth=1))
    system = begun(partial, seed=seed)
    submitted(system)
    market(system, 197)
    system.run(120 * SECOND)
    if held(system):
        assert {"STOP 180": D(1), "LIMIT 220": D(1)} == working(system)
        assert S.LINKED is state(system)
    else:
        assert (S.DONE, {}) == (state(system), working(system))
    assert not system.settle(60 * SECOND)


def test_a_call_whose_answer_is_lost_leaves_each_order_in_doubt_by_itself() -> None:
    """Each is asked about, found, and the group goes on."""
    system = begun(Fault(FaultKind.RAISED_AFTER, When(verb="place", nth=1)))
    submitted(system)
    system.run(30 * SECOND)
    market(system, 197)
    assert {"STOP 180": D(1), "LIMIT 220": D(1)} == working(system)
    assert 1 == len(placed(system))
    assert not system.settle(60 * SECOND)


def test_a_call_that_never_arrives_ends_as_a_group_that_never_was() -> None:
    """It is proven for each of them; nothing is held, nothing is placed again."""
    system = begun(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=1)))
    submitted(system)
    system.run(120 * SECOND)
    assert (S.DONE, {}, D(0)) == (state(system), working(system), held(system))
    assert not system.settle(60 * SECOND)


def test_a_stop_that_the_venue_loses_is_placed_by_the_engine() -> None:
    """First it is asked what became of it; half of the time without protection later it is placed
    again.
    """
    system = begun()
    ticket = submitted(system)
    market(system, 197)
    lost = ticket.legs["stop"].client_order_id
    system.exchange.cancel_unasked("main", lost, "venue", system.now_ns())
    system.market.flush(system.now_ns())
    system.run(SECOND)
    assert {} == working(system)
    assert 1 == len(placed(system))
    assert any(verb == "executions" for verb, _, _ in system.venue.calls)
    system.run(3 * SECOND)
    assert ({"STOP 180": D(1), "LIMIT 220": D(1)}, S.LINKED) == (working(system), state(system))
    assert "native_taken_over" in alarms(system)
    assert not system.settle(60 * SECOND)


def test_a_group_called_off_or_a_leg_taken_away_is_the_engines_again() -> None:
    """The venue takes both exits down with one; the stop for what is held is placed again."""
    system = begun()
    ticket = submitted(system)
    market(system, 197)
    system.system.cancel(ticket.legs["target"])
    system.run(2 * SECOND)
    assert {"STOP 180": D(1)} == working(system)
    system.system.cancel_group(ticket, close=True)
    system.run(5 * SECOND)
    assert (S.DONE, D(0), {}) == (state(system), held(system), working(system))
    assert not system.settle(60 * SECOND)


def test_an_entry_that_is_cancelled_takes_its_exits_along() -> None:
    """At the venue, unasked; the group is over when their ends are confirmed."""
    system = begun()
    ticket = submitted(system)
    system.system.cancel(ticket.legs["entry"])
    system.run(2 * SECOND)
    assert (S.DONE, {}) == (state(system), working(system))
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("moment", [Moment.BEFORE_WRITE, Moment.AFTER_WRITE])
def test_wherever_the_process_dies_a_native_bracket_ends_alike(moment: Moment) -> None:
    """Before or after any commit."""
    for nth in range(1, 12):
        system = begun(seed=nth)
        system.crash_at(moment, nth)
        for bid in (199, 197, 210, 221):
            for _ in range(2):
                if not system.alive:
                    system.restart()
                system.system.submit_group(a_bracket(), intent_id="b")
                system.run(SECOND)
            market(system, bid)
        system.restart()
        system.run(20 * SECOND)
        assert not system.settle(60 * SECOND), nth
        assert (nth, D(0), S.DONE) == (nth, held(system), state(system))


@pytest.mark.parametrize("name", ["entry", "stop", "target"])
def test_a_leg_cancelled_before_the_call_leaves(name: str) -> None:
    """Another call is in the way: what is cancelled by then never leaves. Exits do not leave
    without their entry; an entry does, and the engine keeps what it fills.
    """
    slow = Fault(FaultKind.HANG, When(verb="place", nth=1), delay_ns=3 * SECOND)
    system = begun(slow, limits=SessionLimits(window=1, exit_slots=0))
    first = system.system.submit(limit(BTC, "BUY", "0.1", 150)).client_order_id
    system.run(SECOND)
    ticket = submitted(system)
    system.system.cancel(ticket.legs[name])
    system.run(10 * SECOND)
    entry = [] if name == "entry" else [ticket.legs["entry"].client_order_id]
    assert [first, *entry] == placed(system)
    market(system, 197)
    left = {"entry": {}, "stop": {"LIMIT 220": D(1)}, "target": {"STOP 180": D(1)}}[name]
    assert {"LIMIT 150": D("0.1"), **left} == working(system)
    assert not system.settle(60 * SECOND)


def test_a_call_that_is_throttled_leaves_again_whole() -> None:
    """It was not executed; nothing is in doubt."""
    system = begun(Fault(FaultKind.THROTTLED, When(verb="place", nth=1)))
    submitted(system)
    system.run(30 * SECOND)
    market(system, 197)
    assert ({"STOP 180": D(1), "LIMIT 220": D(1)}, S.LINKED) == (working(system), state(system))
    assert 2 == len(placed(system))
    assert not system.settle(60 * SECOND)
