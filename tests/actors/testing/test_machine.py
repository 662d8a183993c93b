"""The state machine finds what is broken, says it shortly, and its scenarios replay."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st

from actors.testing.machine import ExecutionMachine, PromiseBroken
from actors.testing.running import run, simulated, take
from actors.testing.simulated_system import SPOT
from actors.testing.truth import Violation
from engine.errors import InvalidValue
from engine.intents import market
from engine.messages import SubmitOrder
from engine.testing.scenario import ACCOUNT, Scenario, Submits, scenario_from_json

PLAIN = settings(
    max_examples=60, stateful_step_count=10, derandomize=True, database=None, deadline=None
)


class Spender(ExecutionMachine):
    """It promises what no system can keep that is allowed to trade."""

    def beginnings(self) -> st.SearchStrategy[Scenario]:
        return st.builds(
            Scenario, seed=st.integers(0, 9), instruments=st.just((SPOT,)), choices=st.just(())
        )

    def orders(self) -> st.SearchStrategy[SubmitOrder]:
        return st.sampled_from((market(SPOT.symbol, "BUY", 1), market(SPOT.symbol, "SELL", 1)))

    def promises(self) -> Iterable[Violation]:
        held = sum((one.qty for one in self.system.exchange.positions(ACCOUNT)), Decimal(0))
        if held:
            yield Violation("nothing_is_held", f"{held}")


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

    path = tmp_path / "new" / "folder" / "Spender-nothing_is_held.json"
    assert f"replay: orderwright simulate --scenario {path}" in str(error)
    assert "nothing_is_held" == error.violations[0].invariant
    scenario = scenario_from_json(path.read_bytes())
    assert [1] == [sum(isinstance(step, Submits) for step in scenario.steps)]
    assert len(scenario.steps) <= 6, scenario.steps
    with simulated(scenario) as system:
        for step in scenario.steps:
            take(system, step)
        held = sum((one.qty for one in system.exchange.positions(ACCOUNT)), Decimal(0))
    assert f"{held}" == error.violations[0].message
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
        assert text.startswith("nothing_is_held")
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
    monkeypatch.setattr("actors.testing.machine.take", fails)
    case = Fragile.TestCase("runTest")
    case.settings = settings(PLAIN, phases=(Phase.generate,))  # type: ignore[misc]
    with pytest.raises(InvalidValue, match="on purpose") as caught:
        case.runTest()
    assert any("Fragile-nothing_failed.json" in note for note in caught.value.__notes__)
