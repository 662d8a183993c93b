"""Exits of coins that other groups have bought: they wait until some are free, and say so."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from engine import InvalidOrder, Scope, limit, market, stop, trail_by
from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.contingent import bracket, leg
from engine.messages import Contingency, GroupState, GroupTerms, LegRole, VenueStatus
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES
from engine.values import InstrumentKind

SECOND = 1_000_000_000
D = Decimal
BTC = SPOT.symbol
S = GroupState
KINDS = (
    FULL_CAPABILITIES,
    replace(FULL_CAPABILITIES, amend=False, reduce_only=ReduceOnlyRule.UNSUPPORTED),
)


def begun(capabilities: Capabilities = FULL_CAPABILITIES, *, locks: bool = True) -> SimulatedSystem:
    """A system at a market of 199 to 201, with money and without coins; ``locks``: what a resting
    sell offers.
    """
    latency_ns = 20_000_000
    config = ExchangeConfig(
        capabilities=capabilities, latency_out_ns=latency_ns, latency_in_ns=latency_ns,
        last_from_quotes=True,
    )  # fmt: skip
    system = SimulatedSystem(
        seed=1, config=config, balances={"USDT": D(100_000)} if locks else None
    )
    system.quote(BTC, D(199), D(50), D(201), D(50))
    system.run(SECOND)
    return system


def exits(qty: str = "0.5") -> GroupTerms:
    """A stop at 185 and a target at 215 for coins that are there already."""
    down = replace(stop(BTC, "SELL", qty, 185), reduce_only=True)
    up = limit(BTC, "SELL", qty, 215, reduce_only=True)
    legs = leg("stop", down, LegRole.STOP), leg("target", up, LegRole.TARGET)
    return GroupTerms(Contingency.OCO, legs)


def bought(system: SimulatedSystem, name: str = "old") -> None:
    """A bracket that has bought one, with a stop at 180."""
    system.system.submit_group(bracket(market(BTC, "BUY", 1), stop_px=180), intent_id=name)


def state(system: SimulatedSystem, group: str) -> GroupState:
    """How a group stands."""
    return system.system.group_state(group).get(timeout=1)


def refused(system: SimulatedSystem) -> int:
    """How many orders the venue has refused."""
    return sum(record.kind == "Rejected" for record in system.journal.records())


def offered(system: SimulatedSystem) -> Decimal:
    """What works at the exchange."""
    working = (
        it for it in system.exchange.open_orders("main", 0) if it.status is VenueStatus.WORKING
    )
    return sum((one.order_qty or D(0) for one in working), D(0))


def waits(system: SimulatedSystem) -> list[str]:
    """The groups of which was told that their exits wait, in order."""
    return [one.entity for one in system.judge.alarms if one.kind == "exits_wait"]


@pytest.mark.parametrize("capabilities", KINDS)
@pytest.mark.parametrize("pause_ns", [1_000_000, SECOND])
def test_exits_of_what_another_group_holds_ask_the_venue_for_nothing(
    capabilities: Capabilities, pause_ns: int
) -> None:
    """Whether that has just bought, or is about to: it keeps its stop, and they wait."""
    system = begun(capabilities)
    bought(system)
    system.run(pause_ns)
    system.system.submit_group(exits(), intent_id="young")
    system.run(60 * SECOND)
    assert (S.LINKED, S.WAITING) == (state(system, "old"), state(system, "young"))
    assert (0, D(1), ["group:young"]) == (refused(system), offered(system), waits(system))
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("capabilities", KINDS)
def test_exits_that_wait_take_what_becomes_free(capabilities: Capabilities) -> None:
    """A part first, and more of it later; each time no more than nobody else holds."""
    system = begun(capabilities)
    bought(system)
    system.run(SECOND)
    system.system.submit_group(exits(), intent_id="young")
    system.run(SECOND)
    system.submit(market(BTC, "BUY", "0.2"))
    system.run(SECOND)
    assert (S.LINKED, D("1.2")) == (state(system, "young"), offered(system))
    system.submit(market(BTC, "BUY", "0.8"))
    system.run(SECOND)
    assert (S.LINKED, D("1.5")) == (state(system, "young"), offered(system))
    assert (0, ["group:young"]) == (refused(system), waits(system))
    assert not system.settle(60 * SECOND)


def test_of_two_groups_that_open_nothing_the_younger_waits_for_the_older() -> None:
    """It acts when the older one has ended and left the coins."""
    system = begun()
    system.submit(market(BTC, "BUY", "0.5"))
    system.run(SECOND)
    first = system.system.submit_group(exits(), intent_id="first")
    system.run(SECOND)
    system.system.submit_group(exits(), intent_id="second")
    system.run(SECOND)
    assert (S.LINKED, S.WAITING) == (state(system, "first"), state(system, "second"))
    for name in ("target", "stop"):
        system.cancel(first.legs[name].client_order_id)
    system.run(SECOND)
    assert (S.DONE, S.LINKED) == (state(system, "first"), state(system, "second"))
    assert 0 == refused(system)
    assert not system.settle(60 * SECOND)


def test_exits_that_wait_do_so_after_a_restart_and_end_when_they_are_called_off() -> None:
    """The journal has their state, and a person needs no coins to be rid of them."""
    system = begun()
    bought(system)
    system.run(SECOND)
    system.system.submit_group(exits(), intent_id="young")
    system.run(SECOND)
    system.crash()
    system.restart()
    system.run(SECOND)
    assert S.WAITING is state(system, "young")
    system.system.cancel_group("young")
    system.run(SECOND)
    assert (S.LINKED, S.DONE) == (state(system, "old"), state(system, "young"))
    assert 0 == refused(system)
    assert not system.settle(60 * SECOND)


def test_exits_that_wait_end_when_what_they_wait_for_is_sold() -> None:
    """Nobody else wants these coins any more, so the venue is asked, and it has none."""
    system = begun()
    bought(system)
    system.run(SECOND)
    system.system.submit_group(exits(), intent_id="young")
    system.run(SECOND)
    system.system.cancel_group("old", close=True)
    system.run(60 * SECOND)
    assert (S.DONE, S.DONE) == (state(system, "old"), state(system, "young"))
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("capabilities", [replace(KINDS[0], amend=False), KINDS[0]])
def test_what_is_being_closed_is_moved_no_more(capabilities: Capabilities) -> None:
    """The close is on its way when the price calls for a tighter stop: a new one beside the old
    could sell what another group holds in the same slot.
    """
    system = begun(capabilities, locks=False)
    rising = bracket(market(BTC, "BUY", 1), stop_px=180, trail=trail_by(5))
    system.system.submit_group(rising, intent_id="rising")
    bought(system)
    system.run(SECOND)
    moves = [record.kind for record in system.journal.records()].count("AmendGroup")
    system.system.cancel_group("rising", close=True)
    system.run(1_000_000)
    system.quote(BTC, D(230), D(50), D(231), D(50))
    system.run(1_000_000)
    system.quote(BTC, D(199), D(50), D(201), D(50))
    with pytest.raises(InvalidOrder, match="being closed"):
        move = system.system.amend_group("rising", stop_px=190)
        system.run(1_000_000)
        move.get(timeout=1)
    system.run(SECOND)
    assert (S.DONE, S.LINKED) == (state(system, "rising"), state(system, "old"))
    assert moves == [record.kind for record in system.journal.records()].count("AmendGroup")
    assert not system.settle(60 * SECOND)


def test_a_kill_switch_that_is_on_has_exits_that_wait_end() -> None:
    """They ask the venue for nothing, and no group is left."""
    system = begun()
    bought(system)
    system.run(SECOND)
    system.system.submit_group(exits(), intent_id="young")
    system.run(SECOND)
    assert S.WAITING is state(system, "young")
    done = system.system.flatten(Scope(), 60)
    system.run(20 * SECOND)
    assert done.get(timeout=1).verified
    assert (S.DONE, S.DONE) == (state(system, "old"), state(system, "young"))


def test_exits_that_come_while_a_kill_switch_is_on_end() -> None:
    """Also where the venue is asked for nothing, so that nothing of them changes."""
    perp = replace(SPOT, kind=InstrumentKind.LINEAR)
    able = replace(FULL_CAPABILITIES, reduce_only=ReduceOnlyRule.UNSUPPORTED)
    config = ExchangeConfig(capabilities=able, last_from_quotes=True)
    system = SimulatedSystem(seed=1, config=config, instruments=(perp,))
    system.quote(BTC, D(199), D(50), D(201), D(50))
    system.system.flatten(Scope(), 60)
    system.run(60 * SECOND)
    system.system.submit_group(exits(), intent_id="late")
    system.run(10 * SECOND)
    assert S.DONE is state(system, "late")
    assert not system.settle(60 * SECOND)


def test_exits_of_a_contract_never_open_where_the_venue_does_not_bound_them() -> None:
    """Others close the most of what is held, and all of it: the stop goes along, and comes back."""
    perp = replace(SPOT, kind=InstrumentKind.LINEAR)
    able = replace(FULL_CAPABILITIES, reduce_only=ReduceOnlyRule.UNSUPPORTED)
    config = ExchangeConfig(capabilities=able, last_from_quotes=True)
    system = SimulatedSystem(seed=1, config=config, instruments=(perp,))
    system.quote(BTC, D(199), D(50), D(201), D(50))
    system.submit(market(BTC, "BUY", 1))
    system.run(SECOND)
    system.system.submit_group(exits("1"), intent_id="x")
    for sold, left, stands in (("0.7", "0.3", S.LINKED), ("0.3", "0", S.WAITING)):
        system.submit(market(BTC, "SELL", sold))
        system.run(SECOND)
        assert (2 * D(left), stands) == (offered(system), state(system, "x"))
    assert waits(system) == ["group:x"]
    system.submit(market(BTC, "BUY", 1))
    system.run(SECOND)
    assert (D(2), S.LINKED) == (offered(system), state(system, "x"))
    system.quote(BTC, D(184), D(50), D(185), D(50))
    system.run(SECOND)
    assert S.DONE is state(system, "x")
    assert [D(0)] == [one.qty for one in system.exchange.positions("main")]
    assert not system.settle(60 * SECOND)
