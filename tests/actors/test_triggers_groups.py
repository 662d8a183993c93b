"""Legs of groups whose triggers the engine watches: confirmed while live, alone when they leave."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.submitting import GroupTicket, local_legs
from actors.testing import SimulatedSystem
from engine import Scope, bracket, limit, oco, stop, take_profit
from engine.capabilities import Capabilities
from engine.contingent import leg, ouo
from engine.messages import GroupState, GroupTerms, LegRole, TradingMode
from engine.testing import Fault, FaultKind, When
from engine.trigger_tables import Trigger
from engine.values import OrderState

from .trigger_kit import (
    BARE,
    BTC,
    PLAIN,
    SECOND,
    D,
    alarms,
    begun,
    facts,
    held,
    market,
    placed,
    protection,
    view,
)

MS = 1_000_000
VENUES = pytest.mark.parametrize("able", [PLAIN, BARE], ids=["reduce_only", "spot"])


def submitted(system: SimulatedSystem, able: Capabilities, qty: str = "1") -> GroupTicket:
    """Buy at 200, stop at 180, target at 220; what the venue lacks is watched here."""
    root = bracket(limit(BTC, "BUY", qty, 200), stop_px=180, target=220)
    ticket = system.system.submit_group(local_legs(root, able))
    system.run(SECOND // 10)
    return ticket


def state(system: SimulatedSystem, ticket: GroupTicket) -> GroupState:
    """How the group stands."""
    return system.system.group_state(ticket.group_id).get(timeout=1)


def of(
    system: SimulatedSystem, ticket: GroupTicket, name: str
) -> tuple[OrderState, Decimal | None]:
    """A leg's first order: state and quantity."""
    seen = view(system, ticket.legs[name].client_order_id)
    return seen.state, seen.order_qty


@VENUES
def test_a_live_stop_links_the_group_and_follows_what_has_filled(able: Capabilities) -> None:
    """The stop grows with each fill of its entry, at a venue that amends nothing too."""
    system = begun(able=able)
    ticket = submitted(system, able)
    assert (OrderState.HELD, None) == of(system, ticket, "stop")
    for filled, total in (("0.4", "0.4"), ("0.6", "1")):
        system.trade(BTC, D("199.5"), D(filled))
        system.run(SECOND // 10)
        assert (OrderState.HELD, D(total)) == of(system, ticket, "stop")
        assert GroupState.LINKED is state(system, ticket)
        assert ("PROTECTED", D(total)) == protection(system)[-1]
        market(system, "200", "202", SECOND // 10)
    told = facts(system, ticket.legs["stop"].client_order_id)
    assert {"SubmitOrder", "LinkOrder", "AmendOrder"} == {*told}


@VENUES
def test_the_stop_takes_the_target_down_and_closes(able: Capabilities) -> None:
    """Flat, one order each at the venue, nothing left."""
    system = begun(able=able)
    ticket = submitted(system, able)
    market(system, "198", "199")
    market(system, "178", "179")
    assert (GroupState.DONE, D(0)) == (state(system, ticket), held(system))
    assert ["LIMIT", "LIMIT", "MARKET"] == [kind for _, kind, _ in placed(system)]
    assert not system.settle(60 * SECOND)
    assert [] == alarms(system)


@VENUES
def test_the_target_takes_the_stop_down(able: Capabilities) -> None:
    """It was never anywhere, so it goes without a word."""
    system = begun(able=able)
    ticket = submitted(system, able)
    market(system, "198", "199")
    market(system, "221", "222")
    assert (GroupState.DONE, D(0)) == (state(system, ticket), held(system))
    assert OrderState.CANCELLED is of(system, ticket, "stop")[0]
    assert ["LIMIT", "LIMIT"] == [kind for _, kind, _ in placed(system)]
    assert not system.settle(60 * SECOND)


def test_at_a_spot_venue_the_target_has_ended_before_the_stop_leaves() -> None:
    """With 50 ms each way: cancelled first, confirmed, then sent, for what the target has left."""
    system = begun(able=BARE, latency_ms=50)
    ticket = submitted(system, BARE)
    market(system, "198", "199")
    system.trade(BTC, D("220.5"), D("0.25"))
    system.run(SECOND)
    assert (OrderState.HELD, D("0.75")) == of(system, ticket, "stop")
    market(system, "178", "179", 60 * MS)
    stop_cid = ticket.legs["stop"].client_order_id
    assert Trigger.ELECTED is view(system, stop_cid).trigger
    assert OrderState.PENDING_CANCEL is of(system, ticket, "target")[0]
    system.run(SECOND)
    assert (stop_cid, "MARKET", D("0.75")) == placed(system)[-1]
    assert (GroupState.DONE, D(0)) == (state(system, ticket), held(system))
    assert not system.settle(60 * SECOND)


def test_a_cancel_of_the_target_that_is_refused_is_asked_for_again() -> None:
    """The stop waits elected; the target is still there, and may fill meanwhile."""
    system = begun(able=BARE)
    ticket = submitted(system, BARE)
    market(system, "198", "199")
    target = ticket.legs["target"].client_order_id
    system.inject(Fault(FaultKind.REFUSED, When("cancel", 1, target)))
    market(system, "178", "179", 10 * MS)
    assert Trigger.ELECTED is view(system, ticket.legs["stop"].client_order_id).trigger
    assert 2 == len(placed(system))
    system.run(10 * SECOND)
    assert (GroupState.DONE, D(0)) == (state(system, ticket), held(system))
    assert not system.settle(60 * SECOND)


def test_blind_for_too_long_a_group_closes_what_it_holds() -> None:
    """A stop without prices is no stop: the group's own deadline counts from there."""
    system = begun()
    root = bracket(limit(BTC, "BUY", "1", 202), stop_px=180)
    ticket = system.system.submit_group(local_legs(root, PLAIN), protect_within=2.0)
    system.run(SECOND)
    assert GroupState.LINKED is state(system, ticket)
    system.run(5 * SECOND)
    assert (GroupState.ARMING, D(1)) == (state(system, ticket), held(system))
    assert ["price_blind"] == alarms(system)
    system.run(3 * SECOND)
    assert (GroupState.DONE, D(0)) == (state(system, ticket), held(system))
    assert "unprotected" in alarms(system)


def test_prices_that_come_back_in_time_link_it_again() -> None:
    """Told, and nothing done."""
    system = begun()
    ticket = submitted(system, PLAIN)
    market(system, "198", "199")
    system.run(7 * SECOND)
    assert GroupState.ARMING is state(system, ticket)
    market(system, "199", "200")
    assert (GroupState.LINKED, D(1)) == (state(system, ticket), held(system))


def test_a_person_cancels_a_stop_that_is_only_here() -> None:
    """The leg is dropped: it is not placed again."""
    system = begun()
    ticket = submitted(system, PLAIN)
    market(system, "198", "199")
    system.cancel(ticket.legs["stop"])
    market(system, "178", "179")
    assert (OrderState.CANCELLED, D(1)) == (of(system, ticket, "stop")[0], held(system))
    system.system.cancel_group(ticket.group_id, close=True)
    system.run(SECOND)
    assert (GroupState.DONE, D(0)) == (state(system, ticket), held(system))


def test_a_restart_finds_the_group_and_its_stop() -> None:
    """ARMING until the first price, then LINKED; what filled meanwhile is covered."""
    system = begun()
    ticket = submitted(system, PLAIN)
    system.crash()
    market(system, "198", "199")
    system.restart()
    system.run(SECOND)
    assert (GroupState.LINKED, D(1)) == (state(system, ticket), held(system))
    assert (OrderState.HELD, D(1)) == of(system, ticket, "stop")
    market(system, "178", "179")
    assert (GroupState.DONE, D(0)) == (state(system, ticket), held(system))


@VENUES
def test_entries_that_wait_for_a_touch_exclude_one_another(able: Capabilities) -> None:
    """An OCO of a breakout and a dip, both watched here: one opens, the other goes."""
    system = begun(able=able)
    root = oco(
        stop(BTC, "BUY", "1", 210, local=True), take_profit(BTC, "BUY", "1", 190, local=True)
    )
    ticket = system.system.submit_group(root)
    system.run(SECOND)
    assert [] == placed(system)
    market(system, "211", "212")
    assert (GroupState.DONE, D(1)) == (state(system, ticket), held(system))
    market(system, "188", "189")
    assert D(1) == held(system)
    assert not system.settle(60 * SECOND)


def test_two_exits_of_ours_do_not_leave_together() -> None:
    """A stop and a touch, both local at a spot venue, whose prices come within the latency."""
    system = begun(able=BARE, latency_ms=50)
    root = ouo(
        leg("stop", stop(BTC, "SELL", "1", 180, local=True), LegRole.STOP),
        leg("target", take_profit(BTC, "SELL", "1", 220, local=True), LegRole.TARGET),
    )
    entry = replace(limit(BTC, "BUY", "1", 202))
    tree = GroupTerms(bracket(entry, stop_px=180).contingency, (leg("entry", entry), root))
    ticket = system.system.submit_group(tree)
    market(system, "200", "201")
    market(system, "178", "179", 20 * MS)
    market(system, "221", "222", SECOND)
    assert (GroupState.DONE, D(0)) == (state(system, ticket), held(system))
    assert 1 == sum(kind == "MARKET" for _, kind, _ in placed(system))
    assert not system.settle(60 * SECOND)


def test_a_stop_that_the_engine_watches_makes_no_room_for_a_target() -> None:
    """It offers nothing at the venue, so both are in force however near the target is."""
    able = replace(BARE, exits_share_balance=False)
    system = begun(able=able)
    ticket = submitted(system, able)
    market(system, "197", "199")
    market(system, "218", "219")
    told = facts(system, ticket.legs["stop"].client_order_id)
    assert "CancelOrder" not in told
    assert [(OrderState.HELD, D(1)), (OrderState.OCO_LINKED, D(1))] == [
        of(system, ticket, "stop"), of(system, ticket, "target")
    ]  # fmt: skip


@VENUES
def test_a_pause_of_all_trading_closes_nothing_when_it_is_over(able: Capabilities) -> None:
    """While nothing may leave the stop is none, and one alarm tells; then it works again."""
    system = begun(able=able)
    ticket = submitted(system, able)
    market(system, "198", "199")
    system.system.set_mode(TradingMode.NONE, Scope(), "a pause")
    for bid in (198, 199) * 15:
        market(system, str(bid), str(bid + 1))
    assert ["unprotected"] == alarms(system)
    system.system.set_mode(TradingMode.ALL, Scope(), "it is over")
    market(system, "199", "200")
    assert (GroupState.LINKED, D(1)) == (state(system, ticket), held(system))
    assert ["LIMIT", "LIMIT"] == [kind for _, kind, _ in placed(system)][:2]
    assert "MARKET" not in [kind for _, kind, _ in placed(system)]
    market(system, "178", "179")
    assert (GroupState.DONE, D(0)) == (state(system, ticket), held(system))
    assert not system.settle(60 * SECOND)
