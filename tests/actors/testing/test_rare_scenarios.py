"""Moves, monitors, local triggers and a venue that shuts us out: steps, draws, what is judged."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from functools import cache

import pytest
from msgspec.structs import replace

from actors.replay_checks import books_digest
from actors.testing import SPOT, SimulatedSystem
from actors.testing.running import play, simulated, take
from actors.testing.truth import truth_of
from engine import GroupState, limit, market, stop, trail_by
from engine.contingent import bracket
from engine.errors import InvalidValue
from engine.flatten import CloseSlot
from engine.group import legs_of
from engine.messages import (
    AmendGroup,
    EndMonitor,
    LocalTriggered,
    MonitorMoved,
    Mover,
    OrderTriggered,
    SetMonitor,
)
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault, FaultKind, FaultPlan, When
from engine.testing.drawing import scenario
from engine.testing.scenario import (
    START_NS,
    Bars,
    Monitors,
    MovesLeg,
    Quotes,
    Reconnects,
    Scenario,
    Silences,
    Step,
    Submits,
    SubmitsGroup,
    Trades,
    Unmonitors,
    Waits,
    scenario_from_json,
    scenario_to_json,
)
from engine.values import OrderState, OrderType, PositionSlot, Side, TriggerSource

SECOND = 1_000_000_000
D = Decimal
BTC = SPOT.symbol
OPEN = Quotes(BTC, D(199), D(50), D(201), D(50))
RISES = Quotes(BTC, D(215), D(50), D(217), D(50))
FALLS = Quotes(BTC, D(185), D(50), D(187), D(50))
TRAILED = SubmitsGroup(
    "g", bracket(limit(BTC, "BUY", 1, 201), stop_px=180, trail=trail_by(10), target=240)
)
BARE = replace(FULL_CAPABILITIES, order_types=(OrderType.MARKET, OrderType.LIMIT))


def monitor(name: str = "m", **rules: object) -> Monitors:
    """A rule about what is held of the coin."""
    return Monitors(replace(SetMonitor(name, "", "", 0, instrument=BTC), **rules))


def begun(*steps: Step, bare: bool = False) -> SimulatedSystem:
    """A system at a market of 199 to 201 that has taken these steps, a second after each."""
    able = BARE if bare else FULL_CAPABILITIES
    config = ExchangeConfig(capabilities=able, last_from_quotes=True)
    system = SimulatedSystem(seed=1, config=config, listens=True, emulate_triggers=bare)
    for step in (OPEN, *steps):
        assert take(system, step)
        system.run(SECOND)
    return system


def told(system: SimulatedSystem) -> list[str]:
    """Which promises are broken now."""
    return [one.invariant for one in system.check()]


def broken_at_rest(system: SimulatedSystem) -> list[str]:
    """Which promises would be, if this were the end."""
    broker = system.system.brokers["SIM", "main"]
    books, truth = system.judge.books, truth_of(system.exchange, "main")
    return [one.invariant for one in system.judge.promises.at_rest(truth, books, broker)]


# --- steps and drawing ----------------------------------------------------------------------------


def test_a_scenario_of_it_runs_and_goes_through_json() -> None:
    """A stop is trailed and moved by hand, a rule fires, the venue shuts us out and lets us in."""
    steps = (
        OPEN, Waits(SECOND), TRAILED, Waits(SECOND), RISES, Waits(SECOND),
        MovesLeg("g", "stop", stop_px=D(208)), Waits(SECOND), Bars(), Waits(SECOND),
        monitor(take_profit=D(9)), Reconnects(), Waits(SECOND), Unmonitors("nobody"), Waits(SECOND),
    )  # fmt: skip
    config = ExchangeConfig(last_from_quotes=True)
    story = Scenario(seed=1, instruments=(SPOT,), config=config, steps=steps)
    assert story == scenario_from_json(scenario_to_json(story))
    with simulated(story) as system:
        assert () == play(system, story).violations
        kinds = Counter(record.kind for record in system.journal.records())
        assert (3, 1, 1) == (kinds["AmendGroup"], kinds["LinkBarred"], kinds["SetMonitor"])
        assert GroupState.DONE is system.judge.books.groups["g"].state  # closed by the rule


@cache
def seen() -> tuple[Counter[str], Counter[str]]:
    """What a few hundred scenarios draw, and what the runs of some of them came to."""
    drawn: Counter[str] = Counter()
    done: Counter[str] = Counter()
    for seed in range(160):
        one = scenario(seed, "rough")
        rare = [type(step).__name__ for step in one.steps]
        drawn.update(rare)
        drawn["emulates"] += one.emulate_triggers
        for step in one.steps:
            if isinstance(step, SubmitsGroup):
                for leg in legs_of(step.root):
                    drawn["trail"] += leg.trail is not None
                    drawn["break-even"] += leg.break_even is not None
            elif isinstance(step, Monitors):
                terms = step.terms
                drawn["of " + ("group" if terms.group_id else terms.currency or "slot")] += 1
        if seed < 60:
            with simulated(one) as system:
                play(system, one)
                for record in system.journal.records():
                    done[record.kind] += 1
                    done["trailed"] += record.kind == "AmendGroup" and b'"TRAIL"' in record.body
                    done["closed"] += record.kind == "EndMonitor" and b": closed" in record.body
    return drawn, done


def test_everything_of_it_is_drawn() -> None:
    """Moves by the engine and by hand, rules of every scope, local triggers, bars and knocks."""
    wanted = [
        "MovesLeg", "Monitors", "Unmonitors", "Bars", "Silences", "Reconnects", "emulates", "trail",
        "break-even", "of slot", "of group", "of USDT",
    ]  # fmt: skip
    assert [] == [word for word in wanted if not seen()[0][word]]


def test_everything_of_it_happens() -> None:
    """In a handful of runs stops are moved, rules close, triggers elect, and we are shut out."""
    wanted = ["trailed", "closed", "MonitorMoved", "LocalTriggered", "LocalTrailed", "LinkBarred"]
    assert [] == [word for word in wanted if not seen()[1][word]]


def test_a_step_that_cannot_be_taken_is_refused() -> None:
    """A ban that is over before it begins."""
    with pytest.raises(InvalidValue):
        Scenario(seed=1, instruments=(SPOT,), steps=(Bars(0),))


# --- what they come to ----------------------------------------------------------------------------


def test_what_was_triggered_here_rests_at_the_venue_as_what_it_became() -> None:
    """A stop-limit order is a limit order there: its fills elect nothing any more."""
    order = replace(stop(BTC, "BUY", 1, 210, intent_id="a"), order_type=OrderType.STOP_LIMIT)
    system = begun(Submits(replace(order, price=D(205))), RISES, bare=True)
    (working,) = system.exchange.open_orders("main", system.now_ns())
    assert (OrderType.LIMIT, D(205)) == (working.order_type, working.price)
    take(system, Trades(BTC, D(204), D("0.3"), Side.SELL))
    system.run(SECOND)
    told = [one.reason for one in system.heard if isinstance(one, OrderTriggered)]
    assert (["local"], []) == (told, system.settle())  # once, when it was elected


def test_a_ban_for_a_time_ends_with_it_and_another_with_the_word_of_a_person() -> None:
    """Nobody is let in before; a new process that tries is turned away."""
    for bar in (Bars(20 * SECOND), Bars()):
        system = begun(bar)
        broker = system.system.brokers["SIM", "main"]
        assert "BARRED" == broker.session.state.value
        system.crash()
        system.restart()
        system.run(SECOND)
        assert "BARRED" == system.system.brokers["SIM", "main"].session.state.value
        if bar.retry_ns is None:
            system.run(3_600 * SECOND)
            take(system, Reconnects())
        system.run(30 * SECOND)
        assert "READY" == system.system.brokers["SIM", "main"].session.state.value
        assert [] == [*system.check(), *system.settle()]


def test_a_feed_that_is_silent_tells_how_things_stand_when_it_comes_back() -> None:
    """A stop of ours is blind meanwhile, and a person is told; then the price elects it."""
    sell = stop(BTC, "SELL", 1, 190, intent_id="a")
    for heals in (False, True):
        system = begun(Submits(sell), Silences(20 * SECOND), FALLS, bare=True)
        system.run(10 * SECOND)
        assert system.judge.books.orders[system.id_of("a")].cum_qty == 0
        assert ["price_blind"] == [one.kind for one in system.judge.alarms]
        if heals:
            system.venue.heal()
        system.run(SECOND if heals else 10 * SECOND)
        assert system.judge.books.orders[system.id_of("a")].cum_qty == 1
        assert [] == system.settle()


def test_an_order_of_a_person_is_followed_from_the_list_that_shows_it_first() -> None:
    """The list was asked for before its answer came: it is no older than the order it shows."""
    config = ExchangeConfig(latency_out_ns=SECOND // 50, latency_in_ns=SECOND // 50)
    system = SimulatedSystem(seed=1, config=config)
    system.run(SECOND)
    system.crash()
    theirs = replace(limit(BTC, "BUY", 1, 150), account="main", client_order_id="THEIRS")
    system.exchange.place(theirs, system.now_ns())
    system.restart()
    system.run(SECOND)
    assert OrderState.ACCEPTED is system.system.order("THEIRS").get(timeout=1).state


def test_a_rule_about_what_a_person_has_bought_is_kept_over_restarts() -> None:
    """The stream tells a fill of an order that nobody knows; the list says later what it is."""
    system = begun(monitor(hold_ns=3_600 * SECOND))
    theirs = replace(limit(BTC, "BUY", 1, 150), account="main", client_order_id="THEIRS")
    system.exchange.place(theirs, system.now_ns())
    take(system, Trades(BTC, D(149), D(1), Side.SELL))
    system.run(SECOND)
    system.happen(Fault(FaultKind.DISCONNECT, delay_ns=SECOND))
    system.run(5 * SECOND)
    (kept,) = system.judge.books.watched["SIM", "main"].monitors
    assert 1 == kept.side
    assert [] == broken_at_rest(system)
    live = system.system.state_digest().get(timeout=1)
    assert live == books_digest(system.judge.books)


def test_what_a_dead_process_had_sent_arrives_when_it_is_due() -> None:
    """Also while the next one waits for its link; so no list that lags hides it for longer."""
    plan = FaultPlan(rates=((FaultKind.LIST_LAGS, 1),))
    config = ExchangeConfig(latency_out_ns=SECOND // 50)
    system = SimulatedSystem(seed=1, plan=plan, config=config)
    system.run(SECOND)
    system.submit(limit(BTC, "BUY", 1, 150, intent_id="a"))
    system.turns(4)
    system.happen(Fault(FaultKind.DISCONNECT, delay_ns=5 * SECOND))
    system.crash()
    system.restart()
    system.run(6 * SECOND)
    at_ns = START_NS + 2 * SECOND
    assert system.venue._memory.order_at(system.id_of("a"), None, at_ns) is not None
    assert [] == system.settle()


# --- what the judge says of wrong ones ------------------------------------------------------------


def facts(system: SimulatedSystem, *news: AmendGroup | MonitorMoved | EndMonitor) -> None:
    """A broker that writes what it should not."""
    broker = system.system.brokers["SIM", "main"]

    def write() -> None:
        for fact in news:
            if isinstance(fact, AmendGroup):
                broker.turn.record(fact.ts, f"group:{fact.group_id}", fact)
            else:
                broker.watched.take(fact)

    system.system.call_soon(write)
    system.run(1)


def test_a_stop_that_is_loosened_by_the_engine_is_told() -> None:
    """As a fact; and at the exchange."""
    system = begun(TRAILED, RISES)
    assert [] == told(system) == broken_at_rest(system)
    facts(system, AmendGroup("g", "stop", system.now_ns(), D(190), mover=Mover.TRAIL))
    assert "a_stop_only_tightens" in told(system)

    system = begun(TRAILED, RISES)
    assert [] == told(system)
    cid = system.id_of("g/stop")
    system.judge.promises.moves._seen[cid] = D(206)
    assert ["a_stop_only_tightens"] == told(system)


def test_a_stop_that_is_not_where_it_belongs_is_told() -> None:
    """Neither where it was moved to, nor as close as its trail wants it."""
    system = begun(TRAILED, RISES)
    system.exchange.on_mark(BTC, D(216), system.now_ns())
    system.exchange.on_trade(BTC, D(225), D("0.01"), None, system.now_ns())  # and nobody hears it
    assert ["a_trail_follows"] == broken_at_rest(system)
    facts(system, AmendGroup("g", "stop", system.now_ns(), D(216)))
    assert ["a_move_arrives"] == broken_at_rest(system)


def test_a_trigger_that_elects_wrongly_is_told() -> None:
    """Twice, by a price that has not come, and not at all."""
    sell = stop(BTC, "SELL", 1, 190, intent_id="a")
    system = begun(Submits(sell), bare=True)
    broker = system.system.brokers["SIM", "main"]
    assert [] == told(system) == broken_at_rest(system)
    cid = system.id_of("a")
    early = LocalTriggered(cid, system.now_ns(), TriggerSource.LAST, D(199), D(190))
    system.system.call_soon(lambda: broker.deliver(broker.orders[cid], early))
    system.run(1)
    assert ["elected_once"] == told(system)

    system = begun(Submits(sell), bare=True)
    system.judge.promises.moves._elected[system.id_of("a")] = None
    take(system, FALLS)
    system.run(SECOND)
    assert ["elected_once"] == told(system)

    system = begun(Submits(sell), bare=True)
    system.exchange.on_trade(BTC, D(189), D("0.01"), None, system.now_ns())  # and nobody hears it
    assert ["elected_once"] == broken_at_rest(system)


def test_a_monitor_that_fires_again_or_leaves_something_is_told() -> None:
    """By its own facts, whatever it did."""
    bought = Submits(market(BTC, "BUY", 1, intent_id="a"))
    system = begun(bought, monitor(take_profit=D(900)))
    of, ts = ("m", "SIM", "main", system.now_ns()), system.now_ns()
    assert [] == told(system) == broken_at_rest(system)
    fired = MonitorMoved(*of, 1, ts, fired="TAKE_PROFIT", fired_ts=ts, count=1)
    facts(system, fired)
    assert ["monitors_arrive"] == broken_at_rest(system)
    facts(system, replace(fired, count=2))
    assert ["a_monitor_fires_once"] == told(system)
    facts(system, EndMonitor(*of, "TAKE_PROFIT: closed"))
    assert ["a_monitor_leaves_flat"] == told(system)


def test_a_second_close_of_a_monitor_is_told() -> None:
    """While the first one works."""
    system = begun(Submits(market(BTC, "BUY", 1, intent_id="a")))
    system.inject(Fault(FaultKind.HANG, When(verb="place", nth=1), delay_ns=3 * SECOND))
    take(system, monitor(hold_ns=1))
    system.run(SECOND // 10)
    broker = system.system.brokers["SIM", "main"]
    (held,) = broker.watched.now.monitors
    again = CloseSlot(BTC, PositionSlot.NET, Side.SELL, D(1))
    close = broker.monitors.closing._close
    system.system.call_soon(lambda: close(again, held, system.now_ns()))
    system.turns(4)
    assert ["one_close_at_a_time"] == told(system)


def test_a_call_that_leaves_while_we_are_shut_out_is_told() -> None:
    """A question to the venue; a knock at its door."""
    for knocks in (False, True):
        system = begun(Bars())
        assert [] == told(system)
        link = system.system.brokers["SIM", "main"].link
        if knocks:
            system.system.call_soon(link.reconnect)  # the first is that of the beginning
            system.run(1)
            system.system.call_soon(link.reconnect)
        else:
            system.venue.calls.append(("positions", None, ""))
        system.run(1)
        assert ["nothing_leaves_while_barred"] == told(system)
