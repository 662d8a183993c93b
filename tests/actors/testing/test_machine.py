"""The state machine finds what is broken, says it shortly, and its scenarios replay."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st

from actors.testing.machine import ExecutionMachine, PromiseBroken
from actors.testing.running import run, simulated, take
from actors.testing.simulated_system import SPOT
from actors.testing.truth import Violation
from engine.errors import InvalidValue
from engine.intents import limit, market
from engine.messages import SubmitOrder
from engine.simulator import ExchangeConfig
from engine.testing.scenario import (
    ACCOUNT,
    Scenario,
    Submits,
    Turns,
    Waits,
    scenario_from_json,
)

PLAIN = settings(
    max_examples=60, stateful_step_count=10, derandomize=True, database=None, deadline=None
)

#: Answers take a while.
FAR = ExchangeConfig(latency_out_ns=40_000_000, latency_in_ns=40_000_000)


class Spender(ExecutionMachine):
    """It promises what no system can keep that is allowed to trade."""

    may_crash = False  # shorter to shrink

    def beginnings(self) -> st.SearchStrategy[Scenario]:
        return st.builds(
            Scenario, seed=st.integers(0, 9), instruments=st.just((SPOT,)), choices=st.just(())
        )

    def orders(self) -> st.SearchStrategy[SubmitOrder]:
        return st.sampled_from((market(SPOT.symbol, "BUY", 1), market(SPOT.symbol, "SELL", 1)))

    def promises(self) -> Iterable[Violation]:
        fills, _ = self.system.exchange.executions(ACCOUNT, 0)
        if fills:
            yield Violation("nothing_is_traded", f"{len(fills)}")


def broken(machine: type[ExecutionMachine], how: settings) -> PromiseBroken:
    """What Hypothesis reports of a machine that does not keep its promises."""
    case = machine.TestCase("runTest")
    case.settings = how  # type: ignore[misc]  # Hypothesis documents it so
    with pytest.raises(PromiseBroken) as caught:
        case.runTest()
    return caught.value


def test_a_failure_shrinks_to_a_scenario_that_replays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A market, an order, a few turns: nothing else is left, and played again it does the same."""
    monkeypatch.setattr(Spender, "scenario_dir", tmp_path / "new" / "folder")

    error = broken(Spender, PLAIN)

    path = tmp_path / "new" / "folder" / "Spender-nothing_is_traded.json"
    assert f"replay: orderwright simulate --scenario {path}" in str(error)
    assert "nothing_is_traded" == error.violations[0].invariant
    scenario = scenario_from_json(path.read_bytes())
    assert [1] == [sum(isinstance(step, Submits) for step in scenario.steps)]
    assert len(scenario.steps) <= 6, scenario.steps
    with simulated(scenario) as system:
        for step in scenario.steps:
            take(system, step)
        fills, _ = system.exchange.executions(ACCOUNT, 0)
    assert f"{len(fills)}" == error.violations[0].message
    assert () == run(scenario).violations  # the engine has done nothing wrong


def test_a_folder_that_cannot_be_written_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scenario is then part of the failure's text."""
    (tmp_path / "file").touch()
    quick = settings(PLAIN, phases=(Phase.generate,))
    for folder in (tmp_path / "file", None):
        monkeypatch.setattr(Spender, "scenario_dir", folder)
        text = str(broken(Spender, quick))
        assert text.startswith("nothing_is_traded")
        shown = text.partition('{"seed"')[2].splitlines()[0]
        assert scenario_from_json('{"seed"' + shown).steps


def test_an_exception_keeps_its_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends the system itself is raised as it is, with the line that replays it."""

    class Fragile(Spender):
        def promises(self) -> Iterable[Violation]:
            return ()

    def fails(*_: object) -> bool:
        raise InvalidValue("on purpose")

    monkeypatch.setattr(Fragile, "scenario_dir", tmp_path)
    monkeypatch.setattr("actors.testing.machine_base.take", fails)
    case = Fragile.TestCase("runTest")
    case.settings = settings(PLAIN, phases=(Phase.generate,))  # type: ignore[misc]
    with pytest.raises(InvalidValue, match="on purpose") as caught:
        case.runTest()
    assert any("Fragile-nothing_failed.json" in note for note in caught.value.__notes__)


class Measured(ExecutionMachine):
    """It keeps what the search is led by."""

    found: ClassVar[list[dict[str, int]]] = []

    def beginnings(self) -> st.SearchStrategy[Scenario]:
        return st.just(Scenario(seed=0, instruments=(SPOT,), config=FAR))

    def depths(self) -> dict[str, int]:
        self.found.append(super().depths())
        return self.found[-1]


def deepest(phases: tuple[Phase, ...], monkeypatch: pytest.MonkeyPatch) -> tuple[float, float]:
    """How much was in flight at once, in the earlier and in the later half of a search."""
    monkeypatch.setattr(Measured, "found", [])
    case = Measured.TestCase("runTest")
    case.settings = settings(  # type: ignore[misc]  # Hypothesis documents it so
        PLAIN, phases=phases, max_examples=40, stateful_step_count=8
    )
    case.runTest()
    told = [one["calls in flight"] for one in Measured.found]
    half = len(told) // 2
    return sum(told[:half]) / half, sum(told[half:]) / (len(told) - half)


def test_the_search_is_led_to_where_much_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """With targets the later examples have more calls in flight than the earlier ones, and more
    than they have without.
    """
    _, blind = deepest((Phase.generate,), monkeypatch)
    early, late = deepest((Phase.generate, Phase.target), monkeypatch)
    assert late > early
    assert late > blind


def test_what_is_under_way_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two orders on the wire are two calls; a cancel beside its placement is a race of two."""
    monkeypatch.setattr(Measured, "found", [])

    class Driven(Measured):
        random_host = False

        def begun(self) -> None:
            for price in (190, 191):
                self.submit(limit(SPOT.symbol, "BUY", "1", price))
            self.do(Waits(1_000_000))
            self.holds()
            assert self.cancel("i1")
            self.do(Turns(3))
            self.holds()

    case = Driven.TestCase("runTest")
    case.settings = settings(PLAIN, phases=(Phase.generate,), max_examples=1)  # type: ignore[misc]
    case.runTest()
    assert [{"calls in flight": 2, "depth of a race": 2}] == Measured.found[:1]
