"""Signals, kill switches and modes in the kit: steps, what is drawn, what the judge says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from actors.testing.alike import ends_alike
from actors.testing.running import run, take
from actors.testing.truth import truth_of
from engine import Direction, EntrySignal, ExitSignal, RiskLimits, limit
from engine.contingent import bracket
from engine.control import Control
from engine.flatten import CloseSlot
from engine.messages import (
    FlatProgress,
    GroupTerms,
    LiftFlatten,
    TradingMode,
    VenueStatus,
)
from engine.protection import ProtectionState
from engine.simulator import ExchangeConfig
from engine.testing import Fault, FaultKind, When
from engine.testing.drawing import scenario
from engine.testing.scenario import (
    CancelsGroup,
    Crashes,
    Flattens,
    Injects,
    Lifts,
    Quotes,
    Restarts,
    Scenario,
    SetsMode,
    SignalsEntry,
    SignalsExit,
    Submits,
    SubmitsGroup,
    Turns,
    Waits,
    scenario_from_json,
    scenario_to_json,
)
from engine.testing.strategies import (
    bars,
    instruments,
    monitors,
    moves,
    signals,
    silences,
    submitted_groups,
    switches,
)
from engine.values import OrderType, PositionSlot, Side

SECOND = 1_000_000_000
D = Decimal
BTC = SPOT.symbol
OPEN = Quotes(BTC, D(199), D(50), D(201), D(50))
LONG = SignalsEntry(
    EntrySignal(
        signal_id="s1", instrument=BTC, direction=Direction.LONG, entry_px=D(201), stop_px=D(180),
        ts=1, targets=((D(220), D(1)),), order_type=OrderType.MARKET,
    )
)  # fmt: skip
OUT = SignalsExit(ExitSignal(signal_id="s2", instrument=BTC, ts=2, share=D("0.5")))
RISK = RiskLimits(currency="USDT", risk_amount=D(21))


def begun(*steps: object) -> SimulatedSystem:
    """A system at a market of 199 to 201 that has taken these steps."""
    config = ExchangeConfig(last_from_quotes=True)
    system = SimulatedSystem(seed=1, config=config, listens=True)
    system.risk = RISK
    for step in (OPEN, Waits(SECOND), *steps):
        take(system, step)  # type: ignore[arg-type]
    return system


def a_bracket(qty: str = "1") -> GroupTerms:
    """Buy at 201, stop at 180, out at 220."""
    return bracket(limit(BTC, "BUY", qty, 201), stop_px=180, target=220)


def stop_only() -> GroupTerms:
    """Buy at 201, stop at 180."""
    return bracket(limit(BTC, "BUY", 1, 201), stop_px=180)


def told(system: SimulatedSystem) -> list[str]:
    """Which promises are broken now."""
    return [one.invariant for one in system.check()]


def broken_at_rest(system: SimulatedSystem) -> list[str]:
    """Which promises of groups, protection and what is shut would be, if this were the end."""
    broker = system.system.brokers["SIM", "main"]
    books, truth = system.judge.books, truth_of(system.exchange, "main")
    return [one.invariant for one in system.judge.promises.at_rest(truth, books, broker)]


# --- steps and drawing ----------------------------------------------------------------------------


def test_a_scenario_of_it_runs_over_a_restart_and_through_json() -> None:
    """The same signal again is the same trade; the switch outlives the crash and is lifted."""
    steps = (
        OPEN, Waits(SECOND), LONG, Waits(SECOND), Crashes(), Restarts(), LONG, Waits(SECOND), OUT,
        Waits(SECOND), SetsMode(TradingMode.REDUCE_ONLY, BTC), Flattens(slice_share=D("0.5")),
        Turns(3), Crashes(), Waits(SECOND), Restarts(), LONG, Waits(60 * SECOND), Lifts(),
        Waits(SECOND),
    )  # fmt: skip
    told = Scenario(seed=1, instruments=(SPOT,), risk=RISK, steps=steps)
    assert told == scenario_from_json(scenario_to_json(told))
    result = run(told)
    assert (result.violations, result.refused, result.crashes) == ((), 0, 2)
    assert result.orders > 5  # three legs, half of it sold by the exit, the rest in slices


def test_everything_of_it_is_drawn() -> None:
    """Entries, exits of every kind, repeats; switches of every scope, lifts, modes, and trouble."""
    seen: Counter[str] = Counter()
    for seed in range(120):
        drawn = scenario(seed, "rough")
        names: list[str] = []
        after: object = None
        for step in drawn.steps:
            if isinstance(step, SignalsEntry | SignalsExit):
                seen["again"] += step.signal.signal_id in names
                names.append(step.signal.signal_id)
            if isinstance(step, SignalsEntry):
                seen[f"{step.signal.direction.value} {step.signal.order_type.value}"] += 1
            elif isinstance(step, SignalsExit):
                seen["all" if step.signal.is_all else "part"] += 1
            elif isinstance(step, Flattens):
                seen["of one" if step.instrument else "of everything"] += 1
                seen["slices"] += step.slice_share < 1
            elif isinstance(step, Lifts):
                seen["lifts"] += 1
            elif isinstance(step, SetsMode):
                seen[step.mode.value] += 1
            if isinstance(after, Flattens):
                seen["trouble"] += not isinstance(step, Flattens)
            after = step
        seen["reverse"] += drawn.risk is not None and drawn.risk.allow_reverse
    kinds = [f"{way.value} {kind}" for way in Direction for kind in ("LIMIT", "MARKET")]
    wanted = [
        *kinds, "again", "all", "part", "of one", "of everything", "slices", "lifts", "trouble",
        "reverse", *(one.value for one in TradingMode),
    ]  # fmt: skip
    assert [] == [word for word in wanted if not seen[word]]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_strategies_draw_is_taken(data: st.DataObject) -> None:
    """A drawn signal is decided, a drawn monitor set, a leg moved, a switch pulled; and the venue
    shuts us out and goes silent.
    """
    instrument = data.draw(instruments())
    with SimulatedSystem(seed=1, instruments=(instrument,)) as system:
        group, now_ns = data.draw(submitted_groups("g1", instrument)), system.now_ns()
        assert take(system, data.draw(signals("s1", instrument, now_ns=now_ns)))
        assert take(system, group)
        assert take(system, data.draw(moves(group, instrument)))
        assert take(system, data.draw(monitors("m1", instrument, ["g1"], now_ns=now_ns)))
        assert take(system, data.draw(bars() | silences()))
        assert take(system, data.draw(switches(["", instrument.symbol])))
        system.run(SECOND)
        assert not system.check()


# --- the same end wherever it dies ----------------------------------------------------------------

LOW = bracket(limit(BTC, "BUY", 1, 190), stop_px=180, targets=[(220, "0.5"), (240, "0.5")])
PATIENT = SubmitsGroup("g", LOW, 600 * SECOND)
REST = Waits(60 * SECOND)
FALLS = Quotes(BTC, D(188), D(50), D(189), D(50)), REST
HALF_OUT = Quotes(BTC, D(220), D(50), D(222), D(50)), REST
ALL_OUT = Quotes(BTC, D(170), D(50), D(171), D(50)), REST
#: What happens once the entry is at the venue.
STORIES = {
    "a bracket": (*FALLS, *HALF_OUT, *ALL_OUT),
    "called off": (*FALLS, CancelsGroup("g", close=True), REST),
    "a kill switch": (*FALLS, Flattens(), REST),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_restart_at_any_record_ends_alike(name: str) -> None:
    """Positions, groups, what legs have filled, and what is shut: as without a crash."""
    config = ExchangeConfig(last_from_quotes=True)
    steps = (OPEN, Waits(SECOND), PATIENT, Waits(SECOND), *STORIES[name])
    story = Scenario(seed=1, instruments=(SPOT,), config=config, risk=RISK, steps=steps)
    runs: list[int] = []
    assert [] == ends_alike(story, 4, progress=lambda run, of: runs.append(of))
    assert len(runs) >= 8


def test_an_end_that_depends_on_the_crash_is_told() -> None:
    """A host's order that had not left is not there, and is not sent by itself."""
    order = Submits(limit(BTC, "BUY", 1, 201, intent_id="a"))
    steps = (OPEN, Waits(SECOND), order, Waits(SECOND))
    story = Scenario(seed=1, instruments=(SPOT,), steps=steps)
    assert ["ends_alike"] == list(dict.fromkeys(one.invariant for one in ends_alike(story, 2)))
    assert [] == ends_alike(story, 4)


# --- what the judge says of wrong ones ------------------------------------------------------------


def test_what_is_shut_but_not_kept_to_is_told() -> None:
    """A process that forgets a switch, and one that lifts it by itself."""
    system = begun(Flattens(), Waits(SECOND))
    flattening = system.system.brokers["SIM", "main"].flattening
    assert [] == told(system)
    kept, flattening.control = flattening.control, Control("SIM", "main")
    assert ["what_is_shut_stays_shut"] == told(system)
    flattening.control = kept
    lifted = LiftFlatten("SIM", "main", "", system.now_ns(), "nobody")
    system.system.call_soon(lambda: flattening.take(lifted))
    system.run(SECOND)
    assert ["a_person_lifts"] == told(system)


@pytest.mark.parametrize("shut", [Flattens(), SetsMode(TradingMode.REDUCE_ONLY)])
def test_an_entry_that_leaves_all_the_same_is_told(
    monkeypatch: pytest.MonkeyPatch, shut: Flattens | SetsMode
) -> None:
    """An order, and the entry of a group."""
    for step in (Submits(limit(BTC, "BUY", 1, 150, intent_id="a")), SubmitsGroup("g", a_bracket())):
        system = begun(shut, Waits(SECOND))
        flattening = system.system.brokers["SIM", "main"].flattening
        monkeypatch.setattr(flattening, "refusal", lambda *_: None)
        take(system, step)
        take(system, Waits(SECOND))
        assert "nothing_enters_while_shut" in told(system)


def test_a_second_close_of_one_slot_is_told() -> None:
    """While the first one works."""
    system = begun(SubmitsGroup("g", a_bracket()), Waits(SECOND))
    system.inject(Fault(FaultKind.HANG, When(verb="place", nth=1), delay_ns=3 * SECOND))
    take(system, Flattens())
    system.turns(8)
    flattening = system.system.brokers["SIM", "main"].flattening
    again = CloseSlot(BTC, PositionSlot.NET, Side.SELL, D(1))
    system.system.call_soon(lambda: flattening._close(again))
    system.turns(4)
    assert ["one_close_at_a_time"] == told(system)


def test_flat_that_is_not_is_told() -> None:
    """Said to be verified while something is held and works; and never done at all."""
    system = begun(SubmitsGroup("g", a_bracket()), Waits(SECOND))
    said = FlatProgress("SIM", "main", "", system.now_ns(), True)
    system.system.hub.publish([said])
    assert ["verified_is_flat"] == told(system)
    take(system, Flattens())
    system.turns(1)
    assert "flat_at_rest" in broken_at_rest(system)
    system.run(60 * SECOND)
    assert [] == broken_at_rest(system)


def test_what_is_called_protected_and_is_not_is_told() -> None:
    """A slot whose stop was never confirmed."""
    system = begun()
    system.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=2)))
    take(system, SubmitsGroup("g", stop_only()))
    system.run(SECOND)
    slots = system.system.brokers["SIM", "main"].protections.slots
    ((key, kept),) = slots.items()
    assert kept.state is ProtectionState.PROTECTING
    assert [] == told(system)
    slots[key] = replace(kept, state=ProtectionState.PROTECTED)
    assert ["protected_is_covered"] == told(system)


def test_a_gap_that_nobody_is_told_of_is_told() -> None:
    """The group's clock is stopped, and its stop never arrives."""
    system = begun()
    system.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=2)))
    take(system, SubmitsGroup("g", stop_only(), 2 * SECOND))
    system.run(SECOND)
    system.system.brokers["SIM", "main"].groups.groups["g"].watch.stop()
    system.run(3 * SECOND)
    assert [] == told(system)
    system.run(3 * SECOND)
    assert ["gap_has_an_alarm"] == told(system)


def test_both_exits_filling_without_a_word_is_told() -> None:
    """The alarm has to be there."""
    system = begun(SubmitsGroup("g", a_bracket()), Waits(SECOND))
    assert [] == broken_at_rest(system)
    system.judge.promises.protection.excess["g"] = None
    assert ["both_filled_is_told"] == broken_at_rest(system)


def test_groups_whose_exits_are_too_large_together_are_told() -> None:
    """Each fits what is held, and the sum does not."""
    system = begun(SubmitsGroup("g", a_bracket()), SubmitsGroup("h", a_bracket()), Waits(SECOND))
    books, truth = system.judge.books, truth_of(system.exchange, "main")
    broker = system.system.brokers["SIM", "main"]

    def broken(change: Callable[[], None]) -> list[str]:
        change()
        return [one.invariant for one in system.judge.promises.at_rest(truth, books, broker)]

    assert [] == broken(lambda: None)
    held = [replace(one, qty=D("1.5")) for one in truth.positions]
    truth = replace(truth, positions=tuple(held))
    assert ["largest_legs_fit"] == broken(lambda: None)
    gone = [
        replace(one, status=VenueStatus.CANCELLED) if one.order_type is OrderType.STOP else one
        for one in truth.orders
    ]
    truth = replace(truth, orders=tuple(gone), positions=tuple(held))
    assert "protected_is_covered" in broken(lambda: None)


def test_a_fault_may_be_injected_while_it_is_at_work() -> None:
    """A 429 in the middle of a switch: later, flat all the same."""
    throttled = Injects(Fault(FaultKind.THROTTLED, When(verb="place", nth=1), count=2))
    steps = (OPEN, Waits(SECOND), LONG, Waits(SECOND), throttled, Flattens(), Waits(30 * SECOND))
    assert () == run(Scenario(seed=1, instruments=(SPOT,), risk=RISK, steps=steps)).violations
