"""What cannot be meant is refused at the call, with words of ours: nothing is half done, no future
waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from actors import ExecutionSystem, PaperVenue, SignalDesk
from actors.testing import SPOT, SimulatedSystem
from engine import (
    Direction,
    EntrySignal,
    Instrument,
    InvalidOrder,
    InvalidValue,
    RiskLimits,
    Scope,
    TradingMode,
    bracket,
)
from engine.intents import limit, market
from engine.simulator import FULL_CAPABILITIES
from engine.values import PositionSlot

D = Decimal
BTC = SPOT.symbol
SECOND = 1_000_000_000
ENTRY = {"signal_id": "s", "instrument": BTC, "ts": 1, "entry_px": D(200), "stop_px": D(180)}
RISK: dict[str, Any] = {"currency": "USDT", "risk_amount": D(1)}


def test_a_kill_switch_with_an_endless_deadline_is_refused_before_it_is_pulled() -> None:
    """None is for ever; no other word leaves the caller without an answer, or nothing shut."""
    with SimulatedSystem(seed=1) as system:
        for deadline in (float("inf"), float("nan"), "30", True, 0, 1e30):
            with pytest.raises(InvalidValue, match="deadline"):
                system.system.flatten(deadline=deadline)  # type: ignore[arg-type]
        mode = system.system.trading_mode()
        system.run_until_idle()
        assert mode.get(timeout=0) is TradingMode.ALL


def test_a_lift_that_finds_no_switch_names_those_that_are_on() -> None:
    """A person in trouble need not guess the scope."""
    with SimulatedSystem(seed=1) as system:
        system.system.flatten()
        system.run(SECOND)
        done = system.system.lift(Scope(instrument=BTC), "over")
        system.run_until_idle()
        with pytest.raises(InvalidValue, match="on are: Scope"):
            done.get(timeout=0)


@pytest.mark.parametrize(
    "rules",
    [
        {"hold": float("inf")},
        {"hold": float("nan")},
        {"hold": "1h"},
        {"stop_loss": 1, "max_age": 0},
        {"close_at": "15:15", "time_zone": "UTC", "close_days": 1},
        {"close_times": 7},
        {"stop_loss": 1, "unit": "PER CENT"},
    ],
)
def test_rules_of_a_monitor_that_cannot_be_meant(rules: dict[str, Any]) -> None:
    """Each is an InvalidValue, not a traceback of Python's."""
    with SimulatedSystem(seed=1) as system, pytest.raises(InvalidValue):
        system.system.monitor(BTC, **rules)


def test_words_in_place_of_kinds_mean_the_same_now_and_after_a_restart() -> None:
    """A monitor in "PERCENT" is no monitor in money."""
    with SimulatedSystem(seed=1) as system:
        rules: dict[str, Any] = {"slot": "NET", "unit": "PERCENT", "stop_loss": 50}
        system.system.monitor(BTC, monitor_id="m", **rules)
        system.quote(BTC, D(199), D(9), D(201), D(9))
        system.run(SECOND)
        system.submit(market(BTC, "BUY", "4"))
        system.run(SECOND)
        system.quote(BTC, D(180), D(9), D(182), D(9))
        system.run(SECOND)
        watched = system.system.monitors()
        system.run_until_idle()
        (view,) = watched.get(timeout=0)
        assert (PositionSlot.NET, 1, "") == (view.terms.slot, view.side, view.fired)


def test_a_monitor_of_a_currency_that_nothing_settles_in() -> None:
    """A slip of the pen watches nothing, so it is refused with what there is."""
    with SimulatedSystem(seed=1) as system:
        done = system.system.monitor(currency="USTD", stop_loss=5)
        system.run_until_idle()
        with pytest.raises(InvalidValue, match="there are USDT"):
            done.get(timeout=0)


@pytest.mark.parametrize("within", [float("inf"), float("nan"), "5", 0, -1])
def test_protect_within_is_a_time(within: Any) -> None:
    """A group whose clock cannot ring is refused."""
    root = bracket(limit(BTC, "BUY", "1", 201), stop_px=180)
    with SimulatedSystem(seed=1) as system, pytest.raises(InvalidValue, match="protect_within"):
        system.system.submit_group(root, protect_within=within)


def test_orders_and_groups_have_doors_of_their_own() -> None:
    """The wrong one says which is right."""
    order = limit(BTC, "BUY", "1", 201)
    with SimulatedSystem(seed=1) as system:
        with pytest.raises(InvalidValue, match="submit_group"):
            system.system.submit(bracket(order, stop_px=180))  # type: ignore[arg-type]
        with pytest.raises(InvalidValue, match="make groups"):
            system.system.submit_group(order)  # type: ignore[arg-type]


def test_open_trips_without_history_are_no_empty_list() -> None:
    """Nobody takes "not kept" for "none"."""
    with SimulatedSystem(seed=1) as system, pytest.raises(InvalidValue, match="history=True"):
        system.system.open_trips()


@pytest.mark.parametrize(
    "make",
    [
        lambda: EntrySignal(**ENTRY, direction="LONG"),  # type: ignore[arg-type]
        lambda: EntrySignal(**ENTRY, direction=Direction.LONG, slot="NET"),  # type: ignore[arg-type]
        lambda: EntrySignal(**ENTRY, direction=Direction.LONG, targets=(D(220),)),  # type: ignore[arg-type]
        lambda: Instrument(symbol="X", venue="paper", kind="INVERSE"),  # type: ignore[arg-type]
        lambda: RiskLimits(**RISK, max_daily_loss={"USDT": D(5)}),  # type: ignore[arg-type]
        lambda: ExecutionSystem(PaperVenue("paper", "main", [SPOT])),  # type: ignore[arg-type]
        lambda: ExecutionSystem([PaperVenue("paper", "main", [SPOT])], mark_positions="LAST"),  # type: ignore[arg-type]
        lambda: ExecutionSystem([PaperVenue("paper", "main", [SPOT])], cross_check=float("inf")),
    ],
)
def test_values_of_other_kinds(make: Callable[[], object]) -> None:
    """They are refused where they are made, not when somebody waits for what follows."""
    with pytest.raises(InvalidValue):
        make()


def test_capital_is_exact() -> None:
    """No float at this door either."""
    with SimulatedSystem(seed=1) as system, pytest.raises(InvalidValue, match="capital"):
        SignalDesk(system.system, RiskLimits(**RISK), capital={"USDT": 0.1})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"name": ""}, "name of PaperVenue"),
        ({"account": 7}, "account of PaperVenue"),
        ({"capabilities": None}, "capabilities of PaperVenue"),
    ],
)
def test_a_venue_that_is_none_is_refused(mistake: dict[str, Any], words: str) -> None:
    """Before anything is opened, with what is wrong with it."""
    venue = PaperVenue("paper", "main", [SPOT])
    for name, value in mistake.items():
        setattr(venue, name, value)

    with pytest.raises(InvalidValue, match=words):
        ExecutionSystem([venue])


def test_an_adapter_that_lacks_calls_is_told_which() -> None:
    """All at once, and not when the first of them is needed."""

    class Half:
        name, account, capabilities = "half", "main", FULL_CAPABILITIES

        async def place(self, request: object) -> None: ...

    with pytest.raises(
        InvalidValue, match=r"Half is no venue .*: no amend, balances, book, cancel"
    ):
        ExecutionSystem([Half()])  # type: ignore[list-item]


def test_an_instrument_that_nobody_knows_says_what_is_known() -> None:
    """And when nothing is, what would make it known."""
    with SimulatedSystem(seed=1) as system:
        with pytest.raises(InvalidOrder, match=f"known are: {BTC}"):
            system.submit(limit("NONE", "BUY", "1", 100))
        (broker,) = system.system.brokers.values()
        broker.instruments.clear()
        with pytest.raises(InvalidOrder, match="told none yet, and instruments= gave none"):
            system.submit(limit(BTC, "BUY", "1", 100))
