"""Groups that are not alone: fees, other groups, other orders and people change what they hold."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from actors.testing.running import take
from engine import limit, market
from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.contingent import bracket, leg, oco
from engine.messages import (
    Contingency,
    GroupState,
    GroupTerms,
    LegRole,
    OrderSnapshot,
    VenueStatus,
)
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES, FeeCurrency, FeePlan
from engine.testing.scenario import Shifts
from engine.values import ONE, ZERO, CorrectionKind, OrderState, OrderType, Side

from .venues import CAPABLE, ScriptedVenue, simulated

SECOND = 1_000_000_000
D = Decimal
BTC = SPOT.symbol
S = GroupState
UNBOUND = replace(FULL_CAPABILITIES, reduce_only=ReduceOnlyRule.UNSUPPORTED)


def begun(
    capabilities: Capabilities = FULL_CAPABILITIES, fees: FeePlan | None = None
) -> SimulatedSystem:
    """A system at a market of 199 to 201."""
    config = ExchangeConfig(
        capabilities=capabilities, fees=fees or FeePlan(), last_from_quotes=True
    )
    system = SimulatedSystem(seed=1, config=config)
    system.quote(BTC, D(199), D(50), D(201), D(50))
    system.run(SECOND)
    return system


def test_a_fee_that_is_told_later_makes_the_exits_smaller() -> None:
    """It was taken in the coin that was bought: the stop sells no more than what is left."""
    kinds = (OrderType.LIMIT, OrderType.MARKET, OrderType.STOP)
    venue = ScriptedVenue("v", capabilities=replace(CAPABLE, order_types=kinds))
    system = simulated(venue)
    terms = bracket(limit(BTC, "BUY", "1", 100), stop_px=90)
    ticket = system.submit_group(terms)
    system.sim.run_for(SECOND)
    bought = venue.fill(ticket.legs["entry"].client_order_id, "x1", "1")
    venue.push(bought)
    system.sim.run_for(SECOND)
    stop = ticket.legs["stop"].client_order_id
    assert D(1) == venue.orders[stop].terms.order_qty
    venue.push(replace(bought, fee=D("0.001"), fee_currency="BTC"))
    system.sim.run_for(SECOND)
    assert D("0.999") == venue.orders[stop].qty


def held(system: SimulatedSystem) -> Decimal:
    """What the account holds, by the exchange."""
    return sum((one.qty for one in system.exchange.positions("main")), ZERO)


def state(system: SimulatedSystem, group: str) -> GroupState:
    """How a group stands."""
    return system.system.group_state(group).get(timeout=1)


def stops(system: SimulatedSystem) -> Decimal:
    """What of stops works at the venue."""
    return sum(
        (
            terms_left or ZERO
            for terms_left in (
                seen.leaves_qty
                for seen in system.system.orders().get(timeout=1)
                if seen.order_type is OrderType.STOP and seen.state is not OrderState.HELD
            )
        ),
        ZERO,
    )


def exits_alone() -> GroupTerms:
    """A stop at 180 and a target at 220 for one that is held already."""
    stop = replace(
        limit(BTC, "SELL", 1, 180),
        order_type=OrderType.STOP,
        price=None,
        stop_px=D(180),
        reduce_only=True,
    )
    target = limit(BTC, "SELL", 1, 220, reduce_only=True)
    legs = leg("stop", stop, LegRole.STOP), leg("target", target, LegRole.TARGET)
    return GroupTerms(Contingency.OCO, legs)


def test_exits_of_what_is_not_there_end() -> None:
    """Refused three times, nothing is closed at market, for there is nothing: the group is over."""
    system = begun()
    system.system.submit_group(exits_alone(), intent_id="x")
    system.run(120 * SECOND)
    assert S.DONE is state(system, "x")
    kinds = [terms.order_type for terms, _ in system.exchange.placed("main")]
    assert OrderType.MARKET not in kinds
    assert not system.settle(60 * SECOND)


def test_exits_alone_that_are_closed_close_no_more_than_there_is() -> None:
    """One is to be closed, of which another order has sold the most."""
    system = begun(replace(FULL_CAPABILITIES, reduce_only=ReduceOnlyRule.UNSUPPORTED))
    system.submit(market(BTC, "BUY", 1))
    system.run(SECOND)
    system.system.submit_group(exits_alone(), intent_id="x")
    system.run(SECOND)
    system.submit(market(BTC, "SELL", D("0.7")))
    system.run(SECOND)
    system.system.cancel_group("x", close=True)
    system.run(5 * SECOND)
    assert (S.DONE, ZERO) == (state(system, "x"), held(system))
    assert not system.settle(60 * SECOND)


def test_what_is_closed_at_market_is_in_whole_lots() -> None:
    """A fee in the traded asset leaves parts of a lot in hand; they stay."""
    fees = FeePlan(taker=D("0.002"), currency=FeeCurrency.RECEIVED)
    system = begun(fees=fees)
    system.system.submit_group(bracket(market(BTC, "BUY", 1), stop_px=180), intent_id="b")
    system.run(SECOND)
    assert held(system) == D("0.998")
    system.system.cancel_group("b", close=True)
    system.run(5 * SECOND)
    assert (S.DONE, D("0.008")) == (state(system, "b"), held(system))
    assert not system.settle(60 * SECOND)


def test_exits_follow_what_a_person_states() -> None:
    """After a liquidation there is less to protect, and nothing more is closed than there is."""
    weak = replace(FULL_CAPABILITIES, reduce_only=ReduceOnlyRule.UNSUPPORTED)
    system = begun(weak)
    system.system.submit_group(bracket(market(BTC, "BUY", 1), stop_px=180), intent_id="b")
    system.run(SECOND)
    assert stops(system) == ONE
    take(system, Shifts(BTC, D("-0.6"), D(200), CorrectionKind.LIQUIDATION))
    system.run(2 * SECOND)
    assert stops(system) == held(system) == D("0.4")
    take(system, Shifts(BTC, D("-0.4"), D(200), CorrectionKind.LIQUIDATION))
    system.run(2 * SECOND)
    assert (S.DONE, ZERO) == (state(system, "b"), stops(system))
    assert not system.settle(60 * SECOND)


def test_a_group_is_not_over_because_an_older_one_is_just_closed() -> None:
    """What an older group holds is what it holds now: the other's legs stay and protect it."""
    latency_ns = 6_000_000
    config = ExchangeConfig(latency_in_ns=latency_ns, latency_out_ns=latency_ns)
    system = SimulatedSystem(seed=1, config=config, turn_messages=1)
    system.quote(BTC, D(199), D(50), D(201), D(50))
    system.run(SECOND)
    system.system.submit_group(bracket(market(BTC, "SELL", 2), stop_px=220), intent_id="old")
    system.run(SECOND)
    system.system.cancel_group("old", close=True)
    new = system.system.submit_group(bracket(market(BTC, "SELL", 1), stop_px=220), intent_id="new")
    system.run(SECOND)
    assert (S.DONE, S.LINKED) == (state(system, "old"), state(system, "new"))
    stop = system.system.order(new.legs["stop"]).get(timeout=1)
    assert (OrderState.OCO_LINKED, ONE) == (stop.state, stop.order_qty)
    assert not system.settle(60 * SECOND)


def test_two_holdings_of_one_group_share_what_is_there() -> None:
    """Both entries of an OCO filled, and another order closed a part: stops come to the rest."""
    weak = replace(FULL_CAPABILITIES, reduce_only=ReduceOnlyRule.UNSUPPORTED)
    system = begun(weak)
    members = [
        GroupTerms(
            one.contingency,
            tuple(
                replace(it, name=f"{name}-{it.name}") if hasattr(it, "name") else it
                for it in one.members
            ),
        )
        for name, one in (
            ("a", bracket(market(BTC, "BUY", 1), stop_px=180)),
            ("b", bracket(market(BTC, "BUY", 1), stop_px=185)),
        )
    ]
    system.system.submit_group(oco(*members), intent_id="two")
    system.run(SECOND)
    assert stops(system) == held(system) == D(2)
    system.submit(market(BTC, Side.SELL, D("1.5")))
    system.run(2 * SECOND)
    assert stops(system) == held(system) == D("0.5")
    assert not system.settle(60 * SECOND)


def test_what_is_over_leaves_memory() -> None:
    """Also a group of which an order was told once more behind its end."""
    system = begun()
    system.system.submit_group(
        bracket(limit(BTC, "BUY", 1, 200), stop_px=180, target=220), intent_id="b"
    )
    for bid in (198, 220):
        system.quote(BTC, D(bid), D(50), D(bid + 1), D(50))
        system.run(2 * SECOND)
    assert S.DONE is state(system, "b")
    assert {} == system.system.brokers["SIM", "main"].groups.groups


def test_when_a_slot_has_enough_again_every_group_that_had_less_protects_its_own() -> None:
    """Somebody sells a part of what two groups hold, and buys it back: stops follow both times."""
    system = begun()
    for name in ("a", "b"):
        entry = limit(BTC, "BUY", "1", 201)
        system.system.submit_group(bracket(entry, stop_px=180), intent_id=name)
        system.run(SECOND)
    assert D(2) == stops(system)
    system.submit(market(BTC, "SELL", "0.6"))
    system.run(SECOND)
    assert (D("1.4"), D("1.4")) == (held(system), stops(system))
    system.submit(market(BTC, "BUY", "0.6"))
    system.run(SECOND)
    assert (D(2), D(2)) == (held(system), stops(system))


def test_a_group_that_finds_less_than_it_filled_is_told_when_there_is_more() -> None:
    """While nobody ran others sold and it bought, which is learnt at once: its stop is for what is
    left, and grows when they buy.
    """
    system = begun()
    system.system.submit(limit(BTC, "SELL", "0.4", 205))
    system.system.submit_group(bracket(limit(BTC, "BUY", "1", 195), stop_px=180), intent_id="g")
    system.run(SECOND)
    system.crash()
    for bid in (205, 190):
        system.quote(BTC, D(bid), D(50), D(bid + 2), D(50))
    system.restart()
    system.run(SECOND)
    assert (D("0.6"), D("0.6")) == (held(system), stops(system))
    system.system.submit(market(BTC, "BUY", "0.4"))
    system.run(SECOND)
    assert (D(1), D(1)) == (held(system), stops(system))
    assert not system.settle(60 * SECOND)


def test_many_groups_that_change_at_once_count_one_after_the_other() -> None:
    """However many of them there are, none waits for another within its own look."""
    system = begun()
    for number in range(250):
        entry = limit(BTC, "BUY", "0.01", 150)
        system.system.submit_group(bracket(entry, stop_px=140), intent_id=f"m{number}")
    system.run(SECOND)
    system.quote(BTC, D(148), D(50), D(149), D(50))  # all of them fill before the first one looks
    system.run(5 * SECOND)
    assert [S.LINKED] * 2 == [state(system, name) for name in ("m0", "m249")]
    assert not [one for one in system.judge.alarms if one.kind == "group_failed"]


def test_what_a_group_has_by_the_venues_word_alone_takes_nothing_from_the_others() -> None:
    """The venue says that the older one's entry has filled, and its execution is still to come: the
    slot holds what the younger one bought, and that gets its stop.
    """
    kinds = (OrderType.LIMIT, OrderType.MARKET, OrderType.STOP)
    venue = ScriptedVenue("v", capabilities=replace(CAPABLE, order_types=kinds))
    system = simulated(venue)
    entries = []
    for name in ("old", "new"):
        terms = bracket(limit(BTC, "BUY", "1", 100), stop_px=90)
        entries.append(system.submit_group(terms, intent_id=name).legs["entry"].client_order_id)
    system.sim.run_for(SECOND)
    venue.fill(entries[0], "x1", "1")
    venue.push(
        OrderSnapshot(
            entries[0], venue.now(), VenueStatus.FILLED, order_qty=ONE, cum_qty=ONE,
            sent_ts=venue.now(),
        )
    )  # fmt: skip
    system.sim.run_ready()
    venue.push(venue.fill(entries[1], "x2", "1"))
    system.sim.run_ready()
    stops_of = [
        one.client_order_id for one in system.orders().get(timeout=1)
        if one.order_type is OrderType.STOP and one.state is OrderState.OCO_LINKED
    ]  # fmt: skip
    assert len(stops_of) == 2
    assert S.LINKED is system.group_state("new").get(timeout=1)


def test_the_dust_that_an_older_group_leaves_is_there_for_the_younger_one() -> None:
    """Others sold so much that the younger one has no whole lot; with the dust it has one."""
    fees = FeePlan(taker=D("0.001"), currency=FeeCurrency.RECEIVED)
    system = begun(fees=fees)
    system.quote(BTC, D(199), D(50), D(201), D("0.54"))
    for name, entry in (
        ("old", market(BTC, "BUY", "0.24")),
        ("young", limit(BTC, "BUY", "0.5", 201)),  # 0.3 of it fills
    ):
        system.system.submit_group(bracket(entry, stop_px=180), intent_id=name)
        system.run(SECOND)
    system.quote(BTC, D(202), D(50), D(203), D(50))
    system.submit(market(BTC, "SELL", "0.29"))
    system.run(2 * SECOND)
    assert D("0.23") == stops(system)
    system.system.cancel_group("old", close=True)
    system.run(5 * SECOND)
    assert (S.DONE, D("0.01946"), D("0.01")) == (state(system, "old"), held(system), stops(system))
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("able", [FULL_CAPABILITIES, UNBOUND], ids=["reduce_only", "unbound"])
@pytest.mark.parametrize("names", [("hasty", "calm"), ("calm", "hasty")])
def test_what_another_group_closed_too_much_has_its_stop_again_when_it_is_bought_back(
    able: Capabilities, names: tuple[str, str]
) -> None:
    """Both exits of one group fill, so the slot is empty for a moment: the other one waits."""
    exits = {"hasty": (186, 220), "calm": (150, 300)}
    config = ExchangeConfig(
        capabilities=able, last_from_quotes=True, latency_out_ns=20_000_000,
        latency_in_ns=20_000_000,
    )  # fmt: skip
    system = SimulatedSystem(seed=1, config=config)
    system.quote(BTC, D(199), D(50), D(201), D(50))
    system.run(SECOND)
    for name in names:
        stop_px, target = exits[name]
        terms = bracket(limit(BTC, "BUY", 1, 202), stop_px=stop_px, target=target)
        system.system.submit_group(terms, intent_id=name)
        system.run(SECOND)
    for bid in (221, 185):
        system.quote(BTC, D(bid), D(50), D(bid + 1), D(50))
        system.run(1)
    system.run(45_000_000)
    assert (S.FLATTENING, S.WAITING) == (state(system, "hasty"), state(system, "calm"))
    system.run(SECOND)
    assert (S.DONE, S.LINKED) == (state(system, "hasty"), state(system, "calm"))
    assert ONE == held(system) == stops(system)
    assert not system.settle(60 * SECOND)
