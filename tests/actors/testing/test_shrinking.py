"""A scenario that fails is shrunk to what it needs to fail, and still fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.testing import shrink
from actors.testing.running import run
from actors.testing.shrinking import breaks
from engine.testing import Fault, FaultKind, FaultPlan, When
from engine.testing.drawing import scenario
from engine.testing.scenario import Scenario, Submits, scenario_from_json, scenario_to_json
from tests.actors.replay_kit import run as command

#: A venue that lies: after its restart it gives execution ids again, and no engine can be right.
LIE = Fault(FaultKind.VENUE_RESTART, When(verb="place", nth=6))


@pytest.fixture(scope="module")
def failing() -> Scenario:
    """A drawn day at such a venue, and something harmless beside."""
    day = scenario(2, "calm")
    faults = (Fault(FaultKind.DUPLICATED, When(nth=1)), LIE)
    config = replace(day.config, restart_reuses_exec_ids=True)
    return replace(day, plan=FaultPlan(faults=faults), config=config)


def test_what_is_not_needed_goes(failing: Scenario) -> None:
    """A few steps and one fault are left of a whole day; the promise is broken as before."""
    first = run(failing).violations[0].invariant
    small = shrink(failing, first)
    assert breaks(small, first)
    assert len(small.steps) <= 20 < len(failing.steps)
    assert small.plan.faults == (LIE,)
    assert scenario_from_json(scenario_to_json(small)) == small
    assert [one for one in small.steps if isinstance(one, Submits)]


def test_what_does_not_fail_stays() -> None:
    """Nor does it lose a step when another promise is named."""
    day = scenario(4, "calm")
    assert shrink(day, "no_fill_lost") is day


def test_the_command_writes_it(
    failing: Scenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--shrink` keeps the small scenario, and names it in the line that shows it again."""
    long, small = tmp_path / "long.json", tmp_path / "small.json"
    long.write_bytes(scenario_to_json(failing))
    told = command(capsys, "simulate", "--scenario", str(long), "--shrink", str(small), "--json")
    assert 1 == told.code
    assert {f"orderwright simulate --scenario {small}"} == {
        one["repro"] for one in told.json["violations"]
    }
    again = command(capsys, "simulate", "--scenario", str(small), "--json")
    assert (1, True) == (again.code, len(again.json["violations"]) > 0)
    fine = command(
        capsys, "simulate", "--seeds", "4:5", "--shrink", str(tmp_path / "none"), "--json"
    )
    assert (0, False) == (fine.code, (tmp_path / "none").exists())
