"""Groups at venues that refuse: a target is not to be had, a close meets our own order."""

from __future__ import annotations

from decimal import Decimal

from actors.submitting import GroupTicket
from actors.testing import SimulatedSystem
from engine import limit
from engine.contingent import bracket
from engine.messages import Alarm, GroupChanged
from engine.simulator.config import SelfTradeRule
from engine.testing import Fault, FaultKind, When
from engine.values import OrderState, OrderType

from .bracket_kit import BTC, SECOND, D, S, begun, held, market, resting, state


def target_is_lost(system: SimulatedSystem, ticket: GroupTicket, refusals: int) -> None:
    """The venue cancels the target, and refuses so many others."""
    for nth in range(1, refusals + 1):
        system.inject(Fault(FaultKind.REFUSED, When(verb="place", nth=nth)))
    target = ticket.legs["target"].client_order_id
    assert system.happen(Fault(FaultKind.CANCELLED_UNASKED, When(client_order_id=target)))


def closes(system: SimulatedSystem) -> list[Decimal | None]:
    """What orders at market filled, in the order they came."""
    every = system.exchange.placed("main")
    return [seen.cum_qty for terms, seen in every if terms.order_type is OrderType.MARKET]


def test_a_target_that_is_refused_on_and_on_leaves_the_group_protected_and_says_so() -> None:
    """It is DEGRADED: told once, tried on more and more rarely, and LINKED when it is taken."""
    system = begun()
    ticket = system.system.submit_group(
        bracket(limit(BTC, "BUY", "1", 200), stop_px=180, target=220), intent_id="b"
    )
    system.run(SECOND)
    market(system, "198", "199")
    assert S.LINKED is state(system)
    target_is_lost(system, ticket, 6)
    system.run(60 * SECOND)
    assert S.DEGRADED is state(system)
    told = [one for one in system.heard if isinstance(one, Alarm)]
    assert ["target_missing"] == [one.kind for one in told]
    system.crash()
    system.restart()
    system.run(3600 * SECOND)
    assert S.LINKED is state(system)
    market(system, "220", "222")
    system.run(SECOND)
    assert (S.DONE, D(0)) == (state(system), held(system))
    states = [one.state for one in system.heard if isinstance(one, GroupChanged)]
    assert 1 == states.count(S.DEGRADED)
    assert not system.settle(60 * SECOND)


def test_a_degraded_group_is_left_by_its_stop() -> None:
    """What protects it is as good as in any other."""
    system = begun()
    ticket = system.system.submit_group(
        bracket(limit(BTC, "BUY", "1", 200), stop_px=180, target=220), intent_id="b"
    )
    system.run(SECOND)
    market(system, "198", "199")
    target_is_lost(system, ticket, 20)
    system.run(10 * SECOND)
    assert S.DEGRADED is state(system)
    market(system, "178", "179")
    system.run(SECOND)
    assert (S.DONE, D(0)) == (state(system), held(system))


def two_stops(beside: str) -> tuple[SimulatedSystem, str]:
    """A bracket that has bought 0.4 and then 0.3, at a venue that would not have its stop larger;
    ``beside``: what is held besides. The first of its two stops.
    """
    system = begun()
    system.submit(limit(BTC, "BUY", beside, 202))
    ticket = system.system.submit_group(
        bracket(limit(BTC, "BUY", "1", 200), stop_px=180, target=220), intent_id="b"
    )
    system.run(SECOND)
    system.trade(BTC, D("199.5"), D("0.4"))
    system.run(SECOND)
    first = ticket.legs["stop"].client_order_id
    system.inject(Fault(FaultKind.REFUSED, When("amend", nth=1, client_order_id=first), count=3))
    system.trade(BTC, D("199.5"), D("0.3"))
    system.run(10 * SECOND)
    both = {"LIMIT 200": D("0.3"), "STOP 180": D("0.7"), "LIMIT 220": D("0.7")}
    assert (both, D("0.4")) == (resting(system), size(system, first))
    return system, first


def size(system: SimulatedSystem, order: str) -> Decimal | None:
    """How large an order is, while it works."""
    view = system.system.order(order).get(timeout=1)
    return view.order_qty if view.is_open else None


def test_a_stop_that_may_not_grow_still_shrinks() -> None:
    """Else the exits of two groups together would close more than there is."""
    system, first = two_stops("5")
    system.trade(BTC, D("220.5"), D("0.5"))
    system.run(10 * SECOND)
    rest = {"LIMIT 200": D("0.3"), "STOP 180": D("0.2"), "LIMIT 220": D("0.2")}
    assert (rest, D("0.2")) == (resting(system), size(system, first))


def test_one_of_two_stops_stays_when_less_is_held() -> None:
    """The younger goes; the older is not taken for what the younger will have left."""
    system, first = two_stops("0.01")
    system.trade(BTC, D("220.5"), D("0.5"))
    system.run(10 * SECOND)
    rest = {"LIMIT 200": D("0.3"), "STOP 180": D("0.2"), "LIMIT 220": D("0.2")}
    assert (rest, D("0.2")) == (resting(system), size(system, first))


def test_a_close_waits_for_the_end_of_the_entry_that_it_would_meet() -> None:
    """The venue cancels it for trading with ourselves: the entry goes, the close leaves again."""
    system = begun(self_trade=SelfTradeRule.CANCEL_NEWEST)
    ticket = system.system.submit_group(
        bracket(limit(BTC, "BUY", "1", 200), stop_px=180, target=220), intent_id="b"
    )
    system.run(SECOND)
    system.trade(BTC, D("199.5"), D("0.4"))
    system.run(SECOND)
    assert S.LINKED is state(system)
    for nth in (1, 2):
        system.inject(Fault(FaultKind.REFUSED, When(verb="place", nth=nth)))
    stop = ticket.legs["stop"].client_order_id
    system.happen(Fault(FaultKind.CANCELLED_UNASKED, When(client_order_id=stop)))
    system.run(5 * SECOND)
    assert (S.DONE, D(0)) == (state(system), held(system))
    entry = system.system.order(ticket.legs["entry"]).get(timeout=1)
    assert OrderState.CANCELLED is entry.state
    assert [D(0), D("0.4")] == closes(system)
    assert not system.settle(60 * SECOND)


def test_a_close_that_meets_an_order_of_ours_takes_it_down_and_leaves_again() -> None:
    """One beside the group rests there: it is not asked to go before the venue has said so."""
    system = begun(self_trade=SelfTradeRule.CANCEL_NEWEST)
    ticket = system.system.submit_group(
        bracket(limit(BTC, "BUY", "1", 201), stop_px=180, target=220), intent_id="b"
    )
    system.run(SECOND)
    assert (S.LINKED, D(1)) == (state(system), held(system))
    beside = system.submit(limit(BTC, "BUY", "1", "199.5", intent_id="beside"))
    far = system.submit(limit(BTC, "SELL", "1", 230, intent_id="far"))
    system.run(SECOND)
    system.system.cancel_group(ticket, close=True)
    system.run(5 * SECOND)
    assert (S.DONE, D(0)) == (state(system), held(system))
    views = [system.system.order(one).get(timeout=1).state for one in (beside, far)]
    assert [OrderState.CANCELLED, OrderState.ACCEPTED] == views
    assert not system.settle(60 * SECOND)


def test_a_kill_switch_is_not_held_up_by_our_own_order() -> None:
    """Met once, it is waited for: no close leaves again before its end, or the doubt about it."""
    system = begun(self_trade=SelfTradeRule.CANCEL_NEWEST)
    system.submit(limit(BTC, "BUY", "1", 201))
    system.run(SECOND)
    system.submit(limit(BTC, "BUY", "1", "199.5", intent_id="resting"))
    system.run(SECOND)
    system.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="cancel", nth=1)))
    report = system.system.flatten(deadline=None)
    system.run(8 * SECOND)
    assert [D(0)] == closes(system)
    system.run(60 * SECOND)
    assert (True, D(1)) == (report.get(timeout=0).verified, closes(system)[-1])


def test_a_close_that_is_refused_on_and_on_is_told_once_and_tried_ever_more_rarely() -> None:
    """Each try is kept for ever, so an hour of refusals is no hour of tries at the first pace."""
    system = begun()
    system.system.submit_group(bracket(limit(BTC, "BUY", "1", 200), stop_px=180), intent_id="b")
    market(system, "198", "199")
    for nth in range(1, 171):
        system.inject(Fault(FaultKind.REFUSED, When(verb="place", nth=nth)))
    system.system.cancel_group("b", close=True)
    system.run(3600 * SECOND)
    assert S.EXITING is state(system)
    refused = [record.kind for record in system.journal.records()].count("Rejected")
    assert 100 < refused < 170
    told = [one.kind for one in system.heard if isinstance(one, Alarm)]
    assert 1 == told.count("close_refused")
    system.run(1200 * SECOND)
    assert (S.DONE, D(0)) == (state(system), held(system))
    assert not system.settle(60 * SECOND)
