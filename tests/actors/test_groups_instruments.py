"""Groups over several instruments of an account: one entry of many, each with exits of its own."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from engine import InvalidOrder, limit, oco, oto, ouo, stop
from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.contingent import bracket, leg
from engine.messages import GroupState, GroupTerms, LegRole, NativeShape
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing.drawing_venue import DESK
from engine.testing.scenario import Moment
from engine.values import OrderState, Side

SECOND = 1_000_000_000
D = Decimal
BTC, ETH = SPOT.symbol, "ETH-PERP"
S = GroupState
VENUES = (
    FULL_CAPABILITIES,
    replace(FULL_CAPABILITIES, exits_share_balance=False, reduce_only=ReduceOnlyRule.UNSUPPORTED),
    replace(FULL_CAPABILITIES, amend=False),
    replace(FULL_CAPABILITIES, native_groups=tuple(NativeShape), native_shrinks=True),
)


def begun(capabilities: Capabilities = FULL_CAPABILITIES, seed: int = 1) -> SimulatedSystem:
    """Bitcoin at 199 to 201, ether at 19.9 to 20.1."""
    config = ExchangeConfig(capabilities=capabilities, last_from_quotes=True)
    system = SimulatedSystem(seed=seed, config=config, instruments=(SPOT, DESK[1]))
    quote(system, BTC, "199")
    quote(system, ETH, "19.9")
    return system


def quote(system: SimulatedSystem, symbol: str, bid: str) -> None:
    """The market of an instrument moves there, and everybody has heard of it."""
    wide = D(2) if symbol == BTC else D("0.2")
    system.quote(symbol, D(bid), D(50), D(bid) + wide, D(50))
    system.run(SECOND)


def both() -> GroupTerms:
    """Whichever comes first: bitcoin at 190, or ether at 19; each with a stop and a target."""
    one = bracket(limit(BTC, "BUY", "1", 190), stop_px=180, target=220)
    two = bracket(limit(ETH, "BUY", "10", 19), stop_px=18, target=22)
    return oco(renamed(one, "btc-"), renamed(two, "eth-"))


def renamed(node: GroupTerms, prefix: str) -> GroupTerms:
    """The group with other names for its legs."""
    members = tuple(
        renamed(one, prefix)
        if isinstance(one, GroupTerms)
        else replace(one, name=prefix + one.name)
        for one in node.members
    )
    return GroupTerms(node.contingency, members)


def held(system: SimulatedSystem) -> dict[str, Decimal]:
    """What the account holds, by the exchange."""
    return {one.instrument: one.qty for one in system.exchange.positions("main") if one.qty}


def state(system: SimulatedSystem) -> GroupState:
    """How the group stands."""
    return system.system.group_state("g").get(timeout=1)


@pytest.mark.parametrize("capabilities", VENUES)
def test_the_first_of_two_instruments_takes_the_other_down(capabilities: Capabilities) -> None:
    """What it fills is protected and taken; nothing of the other is left or ever held."""
    system = begun(capabilities)
    ticket = system.system.submit_group(both(), intent_id="g")
    system.run(SECOND)
    quote(system, ETH, "18.8")
    states = {
        name: system.system.order(one.client_order_id).get(timeout=1).state
        for name, one in ticket.legs.items()
    }
    assert ({ETH: D(10)}, S.LINKED) == (held(system), state(system))
    assert OrderState.CANCELLED is states["btc-entry"]
    open_at = {one.instrument for one in system.exchange.open_orders("main", 0)}
    assert {ETH} == open_at
    quote(system, BTC, "150")
    quote(system, ETH, "22")
    system.run(5 * SECOND)
    assert ({}, S.DONE) == (held(system), state(system))
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("capabilities", VENUES)
def test_it_ends_alike_wherever_the_process_dies(capabilities: Capabilities) -> None:
    """Over any commit of the first dozen."""
    for nth in range(1, 13):
        system = begun(capabilities, seed=nth)
        system.crash_at((Moment.BEFORE_WRITE, Moment.AFTER_WRITE)[nth % 2], nth)
        for symbol, bid in ((BTC, "199"), (BTC, "188"), (ETH, "18.7"), (BTC, "221")):
            for _ in range(2):
                if not system.alive:
                    system.restart()
                system.system.submit_group(both(), intent_id="g")
                system.run(SECOND)
            quote(system, symbol, bid)
        system.restart()
        system.run(20 * SECOND)
        assert not system.settle(60 * SECOND), nth
        assert (nth, D(0)) == (nth, held(system).get(BTC, D(0)))


def test_one_instrument_triggers_and_updates_another() -> None:
    """A hedge in the other leaves for the same fraction; of two that update each other a fill of
    one takes as much from the other.
    """
    system = begun()
    hedge = oto(limit(BTC, "BUY", "1", 200), limit(ETH, "SELL", "10", 19))
    system.system.submit_group(hedge, intent_id="g")
    system.run(SECOND)
    system.trade(BTC, D("199.5"), D("0.4"))
    system.run(SECOND)
    assert {BTC: D("0.4"), ETH: D(-4)} == held(system)
    pair = ouo(limit(BTC, "SELL", "1", 210), limit(ETH, "SELL", "1", 25))
    ticket = system.system.submit_group(pair, intent_id="u")
    system.run(SECOND)
    system.trade(ETH, D("25.1"), D("0.4"), Side.BUY)
    system.run(SECOND)
    assert D("0.6") == system.system.order(ticket.legs["order-1"]).get(timeout=1).order_qty
    assert not system.settle(60 * SECOND)


def test_exits_of_another_instrument_close_nothing_and_are_refused() -> None:
    """Below a parent, and beside each other."""
    system = begun()
    entry = limit(BTC, "BUY", "1", 200)
    apart = leg("stop", stop(ETH, "SELL", "1", 18), LegRole.STOP)
    target = leg("target", limit(BTC, "SELL", "1", 220), LegRole.TARGET)
    for root in (oto(entry, apart), oto(entry, oco(apart, target)), oco(apart, target)):
        with pytest.raises(InvalidOrder, match="exits close what is held of one instrument"):
            system.system.submit_group(root)
