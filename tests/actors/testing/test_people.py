"""What people and drop copies tell a simulated system: all of it true, none of it booked twice."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from actors.testing.running import run, take
from engine.intents import limit
from engine.messages import CorrectPosition, SetBaseline
from engine.testing import Fault, FaultKind, FaultPlan, When
from engine.testing.scenario import (
    Copies,
    Crashes,
    Moment,
    Quotes,
    Restarts,
    Scenario,
    Settles,
    Shifts,
    Submits,
    Waits,
)
from engine.values import CorrectionKind, OrderState, PositionSlot

D = Decimal
K = FaultKind
SECOND = 1_000_000_000
KEY = ("BTC/USDT", PositionSlot.NET)
OPEN = Quotes("BTC/USDT", D(200), D(5), D(201), D(5))
#: Nobody answers questions.
DEAF = tuple(
    Fault(K.RAISED_BEFORE, When(verb=verb)) for verb in ("query", "open_orders", "executions")
)


def started(*faults: Fault) -> SimulatedSystem:
    """A system with a market; the given faults begin now."""
    system = SimulatedSystem(seed=3)
    take(system, OPEN)
    take(system, Waits(SECOND))
    for fault in faults:
        system.inject(fault)
    return system


def state(system: SimulatedSystem, intent: str) -> OrderState:
    return system.system.order(system.id_of(intent)).get().state


@pytest.mark.parametrize(
    ("lost", "price", "then"),
    [
        (K.UNKNOWN_AFTER, "190", OrderState.ACCEPTED),
        (K.UNKNOWN_BEFORE, "190", OrderState.REJECTED),
        (K.UNKNOWN_AFTER, "201", OrderState.FILLED),
    ],
)
def test_a_person_settles_what_no_question_can(
    lost: FaultKind, price: str, then: OrderState
) -> None:
    """The order is what the venue's own page says, and stays so when the venue can be asked."""
    with started(Fault(lost, When(verb="place", nth=1)), *DEAF) as system:
        take(system, Submits(limit("BTC/USDT", "BUY", "1", price, intent_id="a")))
        take(system, Waits(20 * SECOND))
        assert OrderState.IN_DOUBT is state(system, "a")
        assert take(system, Settles("a"))
        take(system, Waits(SECOND))
        assert then is state(system, "a")
        assert not take(system, Settles("a"))
        assert [] == system.settle()


def test_nobody_states_what_may_still_change() -> None:
    """As long as the request may arrive late, a person has nothing to say about it."""
    late = Fault(K.ARRIVES_LATE, When(verb="place", nth=1), delay_ns=30 * SECOND)
    plan = FaultPlan(faults=(late,), request_window_ns=40 * SECOND)
    with SimulatedSystem(seed=3, plan=plan, call_timeout=2) as system:
        take(system, OPEN)
        take(system, Waits(SECOND))
        for fault in DEAF:
            system.inject(fault)
        take(system, Submits(limit("BTC/USDT", "BUY", "1", "190", intent_id="a")))
        take(system, Waits(10 * SECOND))
        assert OrderState.IN_DOUBT is state(system, "a")
        assert not take(system, Settles("a"))
        assert [] == system.settle()
        assert OrderState.ACCEPTED is state(system, "a")


def test_a_holding_that_nobody_ordered() -> None:
    """What was held before, and what was taken away: stated, and then the venue's truth as well."""
    with started() as system:
        assert take(system, Shifts("BTC/USDT", D("0.5"), D(150)))
        assert take(system, Shifts("BTC/USDT", D("-0.2"), None, CorrectionKind.LIQUIDATION))
        take(system, Waits(SECOND))
        take(system, Submits(limit("BTC/USDT", "BUY", "1", "201", intent_id="a")))
        take(system, Waits(SECOND))
        assert D("1.3") == sum(one.qty for one in system.exchange.positions("main"))
        assert D("1.3") == system.judge.books.positions["SIM", "main", *KEY].qty
        assert take(system, Shifts("BTC/USDT", D(9)))  # too late to be a baseline: refused
        take(system, Waits(SECOND))
        assert D("0.3") == system.exchange.moved("main")[KEY]
        assert [] == system.settle()


@pytest.mark.parametrize("at", [Moment.BEFORE_WRITE, Moment.AFTER_WRITE])
def test_a_statement_that_was_not_written_was_not_made(at: Moment) -> None:
    """A crash before the commit: nothing has changed anywhere; after it: everything has."""
    with started() as system:
        take(system, Crashes(at))
        take(system, Shifts("BTC/USDT", D("0.5"), D(150)))
        take(system, Waits(SECOND))
        assert not system.alive
        assert not take(system, Shifts("BTC/USDT", D("0.5"), D(150)))
        take(system, Restarts())
        moved = D(0) if at is Moment.BEFORE_WRITE else D("0.5")
        assert moved == system.exchange.moved("main").get(KEY, D(0))
        assert [] == system.settle()


def test_a_statement_that_is_not_booked_is_found() -> None:
    """The judge sees a correction that is written and not in the position."""
    with started() as system:
        slot = PositionSlot.NET
        stated = SetBaseline("SIM", "main", "BTC/USDT", slot, D(1), None, system.now_ns())
        taken = CorrectPosition(
            "SIM", "main", "BTC/USDT", slot, CorrectionKind.EXPIRY, system.now_ns(), D(-1)
        )
        for fact in (stated, taken):
            system.judge.twin.take("position", fact)
        assert [] == system.check()
        system.judge.twin.take("position", replace(taken, qty=D(-2)))
        assert ["positions_are_the_fold"] == [one.invariant for one in system.check()]


def test_a_drop_copy_may_be_first_and_is_booked_once() -> None:
    """An execution is told by the copy while the stream is late, then by the stream, then again."""
    late = Fault(K.DELAYED, When(verb="report", nth=0), delay_ns=5 * SECOND)
    with started() as system:
        take(system, Submits(limit("BTC/USDT", "BUY", "1", "190", intent_id="a")))
        take(system, Waits(SECOND))
        assert not take(system, Copies(3))
        system.inject(late)
        system.exchange.execute("main", system.id_of("a"), D("0.4"), system.now_ns())
        system.market.advance(system.now_ns())
        assert D(0) == system.system.order(system.id_of("a")).get().cum_qty
        assert take(system, Copies(3))
        system.run_until_idle()
        assert D("0.4") == system.system.order(system.id_of("a")).get().cum_qty
        take(system, Waits(10 * SECOND))
        take(system, Copies(3))
        take(system, Waits(SECOND))
        assert D("0.4") == system.system.order(system.id_of("a")).get().cum_qty
        assert [] == system.settle()


def test_a_scenario_of_it_replays() -> None:
    """Plain data, as every other step."""
    steps = (
        OPEN,
        Waits(SECOND),
        Shifts("BTC/USDT", D("0.5"), D(150)),
        Submits(limit("BTC/USDT", "BUY", "1", "201", intent_id="a")),
        Copies(2),
        Waits(SECOND),
        Copies(2),
        Settles("a"),
    )
    result = run(Scenario(seed=1, instruments=(SPOT,), steps=steps))
    assert () == result.violations
    assert (1, 8) == (result.fills, result.steps)
