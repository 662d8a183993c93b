"""Groups in the running system: brackets and OCOs over faults, refusals, crashes and restarts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.group_words import Look
from actors.submitting import GroupTicket
from actors.testing import SimulatedSystem
from engine import DuplicateIntent, InvalidOrder, limit
from engine.capabilities import ReduceOnlyRule
from engine.contingent import bracket, oco
from engine.errors import SystemStopped, UnknownOrder
from engine.messages import BothFilled, GroupTerms, TradeBusted
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault, FaultKind, When
from engine.testing.scenario import Moment
from engine.values import OrderState

from .bracket_kit import BTC, SECOND, D, S, alarms, begun, held, market, state


def a_bracket(qty: str = "1") -> GroupTerms:
    """Buy at 200, stop at 180, half out at 220 and half at 240."""
    entry = limit(BTC, "BUY", qty, 200)
    return bracket(entry, stop_px=180, targets=[(220, "0.5"), (240, "0.5")])


def one_way_out(target: int | None = None) -> GroupTerms:
    """Buy one at 200 with a stop at 180, and a target if there is one."""
    return bracket(limit(BTC, "BUY", "1", 200), stop_px=180, target=target)


def legs(system: SimulatedSystem, ticket: GroupTicket) -> dict[str, OrderState]:
    """The state of each leg's first order."""
    return {
        name: system.system.order(one.client_order_id).get(timeout=1).state
        for name, one in ticket.legs.items()
    }


def working(system: SimulatedSystem) -> dict[str, Decimal]:
    """What is open, by client order id."""
    return {
        one.client_order_id: one.leaves_qty or D(0)
        for one in system.system.orders().get(timeout=1)
        if one.state is not OrderState.HELD
    }


def test_a_bracket_from_a_partial_entry_over_a_restart_to_its_last_target() -> None:
    """Exits follow what has filled, a restart changes nothing, and at the end nothing is left."""
    system = begun()
    ticket = system.system.submit_group(a_bracket(), intent_id="b")
    system.run(SECOND)
    assert S.WORKING is state(system, ticket)
    system.trade(BTC, D("199.5"), D("0.4"))
    system.run(SECOND)
    assert S.LINKED is state(system, ticket)
    one = system.system.order(ticket.legs["stop"]).get(timeout=1)
    assert (OrderState.OCO_LINKED, D("0.4")) == (one.state, one.order_qty)
    market(system, "198", "199")
    system.crash()
    system.restart()
    system.run(SECOND)
    assert D(1) == system.system.order(ticket.legs["stop"]).get(timeout=1).order_qty
    market(system, "220", "222")
    market(system, "240", "242")
    assert (S.DONE, D(0), {}) == (state(system, ticket), held(system), working(system))
    assert not system.settle(60 * SECOND)


def test_the_stop_of_a_bracket_takes_its_targets_down() -> None:
    """The other way out."""
    system = begun()
    ticket = system.system.submit_group(a_bracket())
    market(system, "198", "199")
    market(system, "178", "179")
    system.run(SECOND)
    assert (S.DONE, D(0), {}) == (state(system, ticket), held(system), working(system))
    assert OrderState.FILLED is legs(system, ticket)["stop"]
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("moment", [Moment.BEFORE_WRITE, Moment.AFTER_WRITE])
def test_a_bracket_ends_alike_wherever_the_process_dies(moment: Moment) -> None:
    """Before or after any of its commits: submitted again, it is the same group, never a second."""
    for nth in range(1, 22):
        system = begun(seed=nth)
        system.crash_at(moment, nth)
        for bid, ask in (("199", "201"), ("198", "199"), ("220", "222"), ("240", "242")):
            for _ in range(2):
                if not system.alive:
                    system.restart()
                system.system.submit_group(a_bracket(), intent_id="b")
                system.run(SECOND)
            market(system, bid, ask)
        if not system.alive:
            system.restart()
        system.run(20 * SECOND)
        assert not system.settle(60 * SECOND), nth
        assert (nth, D(0), S.DONE) == (
            nth, held(system), system.system.group_state("b").get(timeout=1),
        )  # fmt: skip


def test_where_a_venue_does_not_amend_the_stop_grows_by_another_order() -> None:
    """At no moment there is none."""
    system = begun(capabilities=replace(FULL_CAPABILITIES, amend=False))
    ticket = system.system.submit_group(one_way_out(240))
    system.run(SECOND)
    system.trade(BTC, D("199.5"), D("0.4"))
    system.run(SECOND)
    market(system, "198", "199")
    first = ticket.legs["stop"].client_order_id
    assert D("0.4") == working(system)[first]
    assert [D("0.4"), D("0.4"), D("0.6"), D("0.6")] == sorted(working(system).values())
    market(system, "240", "242")
    system.run(SECOND)
    assert (S.DONE, D(0)) == (state(system, ticket), held(system))
    assert not system.settle(60 * SECOND)


def test_a_stop_that_is_refused_is_tried_again_and_then_what_is_held_is_closed() -> None:
    """Three refusals, and the holding goes at market: protection is a state that is enforced."""
    system = begun()
    ticket = system.system.submit_group(one_way_out())
    system.run(SECOND)
    for nth in (1, 2, 3):
        system.inject(Fault(FaultKind.REFUSED, When(verb="place", nth=nth)))
    market(system, "198", "199")
    system.run(5 * SECOND)
    assert (S.DONE, D(0), {}) == (state(system, ticket), held(system), working(system))
    assert not system.settle(60 * SECOND)


def test_without_a_confirmed_stop_in_time_what_is_held_is_closed() -> None:
    """The stop's call hangs: after the deadline an alarm, and a close at market."""
    system = begun()
    ticket = system.system.submit_group(one_way_out(), protect_within=3)
    system.run(SECOND)
    system.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=1)))
    market(system, "198", "199")
    assert S.ARMING is state(system, ticket)
    system.run(10 * SECOND)
    assert "unprotected" in alarms(system)
    assert D(0) == held(system)
    assert not system.settle(120 * SECOND)


def test_a_clock_is_not_started_anew_by_what_changes() -> None:
    """The entry goes on filling in parts: what filled first is closed when its time is over."""
    system = begun()
    ticket = system.system.submit_group(one_way_out(), protect_within=3)
    system.run(SECOND)
    system.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=1)))
    for _ in range(4):
        system.trade(BTC, D("199.5"), D("0.1"))
        system.run(SECOND)
    assert "unprotected" in alarms(system)
    system.cancel(ticket.legs["entry"])
    system.run(5 * SECOND)
    assert D(0) == held(system)
    assert not system.settle(120 * SECOND)


def test_after_the_venue_was_away_the_clock_begins_anew() -> None:
    """The time was over while nothing could be closed: it is closed when the link has stood as
    long again.
    """
    system = begun()
    system.system.submit_group(one_way_out(), protect_within=3)
    system.run(SECOND)
    system.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=1)))
    system.trade(BTC, D("199.5"), D("1"))
    system.run(SECOND)
    system.happen(Fault(FaultKind.DISCONNECT, delay_ns=3 * SECOND))
    system.run(3 * SECOND)
    assert (D(1), False) == (held(system), "unprotected" in alarms(system))
    system.run(4 * SECOND)
    assert (D(0), True) == (held(system), "unprotected" in alarms(system))
    assert not system.settle(120 * SECOND)


def test_both_exits_filling_is_an_event_and_is_bought_back() -> None:
    """Where the venue bounds nothing a gap in the market fills both before a cancel arrives."""
    weak = replace(FULL_CAPABILITIES, reduce_only=ReduceOnlyRule.UNSUPPORTED)
    system = begun(capabilities=weak)
    ticket = system.system.submit_group(one_way_out(220))
    market(system, "198", "199")
    assert S.LINKED is state(system, ticket)
    system.quote(BTC, D(220), D(50), D(222), D(50))
    system.quote(BTC, D(178), D(50), D(179), D(50))
    system.run(5 * SECOND)
    assert any(isinstance(event, BothFilled) for event in system.heard)
    assert (S.DONE, D(0)) == (state(system, ticket), held(system))
    assert not system.settle(60 * SECOND)


def test_of_two_entries_the_first_fill_takes_the_other_down() -> None:
    """An OCO of entries."""
    system = begun()
    both = limit(BTC, "BUY", "1", 190), limit(BTC, "SELL", "1", 210)
    ticket = system.system.submit_group(oco(*both))
    system.run(SECOND)
    assert [OrderState.OCO_LINKED] * 2 == list(legs(system, ticket).values())
    market(system, "210", "212")
    system.run(SECOND)
    assert [OrderState.CANCELLED, OrderState.FILLED] == list(legs(system, ticket).values())
    assert S.DONE is state(system, ticket)


def test_the_same_group_again_is_the_same_group() -> None:
    """With other terms it is refused, and leaves nothing behind."""
    system = begun()
    first = system.system.submit_group(a_bracket(), intent_id="b")
    again = system.system.submit_group(a_bracket(), intent_id="b")
    assert repr(first) == repr(again)
    with pytest.raises(DuplicateIntent, match="order_qty"):
        system.system.submit_group(a_bracket("2"), intent_id="b")
    system.run(SECOND)
    assert 4 == len(system.system.orders().get(timeout=1))


def test_a_group_called_off_keeps_its_stop_or_is_closed() -> None:
    """Entries and targets go at once; what is held is never left alone."""
    system = begun()
    ticket = system.system.submit_group(a_bracket())
    system.run(SECOND)
    system.trade(BTC, D("199.5"), D("0.4"))
    system.run(SECOND)
    system.system.cancel_group(ticket)
    system.run(2 * SECOND)
    assert [D("0.4")] == list(working(system).values())
    assert S.LINKED is state(system, ticket)
    system.system.cancel_group(ticket, close=True)
    system.run(5 * SECOND)
    assert (S.DONE, D(0), {}) == (state(system, ticket), held(system), working(system))
    assert not system.settle(60 * SECOND)


def test_a_look_that_comes_late_does_not_keep_a_group_in_memory() -> None:
    """Queued while it worked, handled when it was over: it is read back, and leaves again."""
    system = begun()
    ticket = system.system.submit_group(one_way_out())
    system.run(SECOND)
    system.system.cancel_group(ticket)
    system.run(SECOND)
    (broker,) = system.system.brokers.values()
    system.dispatcher.post(broker, Look(ticket.group_id))
    system.run(SECOND)
    assert (S.DONE, {}) == (state(system, ticket), broker.groups.groups)


def test_a_stop_may_be_moved_before_and_after_it_is_armed() -> None:
    """Held, it is ours to change; at the venue it is amended, and never away meanwhile."""
    system = begun()
    ticket = system.system.submit_group(one_way_out(220))
    system.run(SECOND)
    system.system.amend(ticket.legs["stop"], stop_px=D(185))
    market(system, "198", "199")
    order = system.system.order(ticket.legs["stop"]).get(timeout=1)
    assert (OrderState.OCO_LINKED, D(185)) == (order.state, order.stop_px)
    system.system.amend(ticket.legs["stop"], stop_px=D(195))
    system.run(SECOND)
    assert D(195) == system.system.order(ticket.legs["stop"]).get(timeout=1).stop_px
    market(system, "193", "194")
    system.run(SECOND)
    assert (S.DONE, D(0)) == (state(system, ticket), held(system))


def test_a_leg_that_a_person_cancels_is_not_placed_again() -> None:
    """It is their decision; the rest of the group goes on."""
    system = begun()
    ticket = system.system.submit_group(one_way_out(220))
    market(system, "198", "199")
    system.system.cancel(ticket.legs["target"])
    system.run(2 * SECOND)
    assert [D(1)] == list(working(system).values())
    market(system, "178", "179")
    system.run(SECOND)
    assert (S.DONE, D(0)) == (state(system, ticket), held(system))


def test_a_group_can_be_waited_for_until_it_is_done() -> None:
    """By its ticket, before and after, and it is told when the system stops first."""
    system = begun()
    ticket = system.system.submit_group(one_way_out(220))
    done = ticket.done()
    market(system, "198", "199")
    assert not done.done()
    market(system, "220", "222")
    system.run(SECOND)
    assert [S.DONE] * 3 == [done.get(timeout=0), ticket.wait(timeout=1), state(system, ticket)]
    other = system.system.submit_group(one_way_out(240)).done()
    nobody = system.system.watch_group("nobody")
    system.run(SECOND)
    with pytest.raises(UnknownOrder, match="no group 'nobody'"):
        nobody.get(timeout=0)
    system.stop()
    with pytest.raises(SystemStopped):
        other.get(timeout=0)


def test_what_is_wrong_with_a_group_is_said_of_the_leg() -> None:
    """Before anything is journalled or sent."""
    system = begun()
    submit = system.system.submit_group
    with pytest.raises(InvalidOrder, match=r"leg 'entry': .*tick"):
        submit(bracket(limit(BTC, "BUY", "1", "200.3"), stop_px=180))
    with pytest.raises(InvalidOrder, match=r"leg 'stop': .*tick"):
        submit(bracket(limit(BTC, "BUY", "1", 200), stop_px="180.1"))
    with pytest.raises(InvalidOrder, match="must be below the entry's price"):
        submit(bracket(limit(BTC, "BUY", "1", 200), stop_px=210))
    with pytest.raises(InvalidOrder, match="submit the group"):
        system.system.submit(replace(limit(BTC, "BUY", "1", 200), held=True))
    with pytest.raises(UnknownOrder, match="no group 'nobody'"):
        system.system.cancel_group("nobody").get(timeout=1)
    assert () == system.system.orders().get(timeout=1)


def test_a_group_taken_up_again_for_nothing_leaves_memory_again() -> None:
    """A late word about an order of a group that is over, which changes nothing in it."""
    system = begun()
    ticket = system.system.submit_group(one_way_out(220))
    market(system, "198", "199")
    market(system, "220", "222")
    assert S.DONE is state(system, ticket)
    groups = system.system.brokers["SIM", "main"].groups.groups
    late = TradeBusted(ticket.legs["stop"].client_order_id, system.now_ns(), "nobody's")
    system.system.report("SIM", "main", late)
    system.run(SECOND)
    assert ({}, S.DONE) == (groups, state(system, ticket))
