"""`orderwright simulate`: what it prints, and how it fails."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from actors.testing import SPOT
from engine import limit
from engine.simulator import ExchangeConfig
from engine.testing import Fault, FaultKind, FaultPlan, When
from engine.testing.drawing import scenario as drawn
from engine.testing.scenario import Quotes, Scenario, Submits, Waits, scenario_to_json

from .replay_kit import run


def test_seeds_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object with everything that happened; exit code 0 where all holds."""
    told = run(capsys, "simulate", "--seeds", "0:12", "--json", "--jobs", "1")
    assert (0, "") == (told.code, told.err)
    found = told.json
    assert [
        "runs", "steps", "orders", "fills", "faults", "crashes", "violations", "seconds",
    ] == list(found)  # fmt: skip
    assert (12, []) == (found["runs"], found["violations"])
    assert min(found[name] for name in ("steps", "orders", "fills", "crashes")) > 0
    assert all(count > 0 for count in found["faults"].values())
    assert sorted(found["faults"]) == list(found["faults"])


def test_the_number_of_processes_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Seeds run on two processes are the same seeds, counted in the same order."""
    found = [
        run(capsys, "simulate", "--seeds=-15:15", "--profile", "hell", "--json", "--jobs", n)
        for n in (1, 2)
    ]
    one, two = (told.json | {"seconds": 0} for told in found)
    assert one == two


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """What went wrong at the venue as a table, and one line that sums up."""
    told = run(capsys, "simulate", "--seeds", "0:9", "--profile", "hell")
    assert 0 == told.code
    assert "LIST_LAGS" in told.out
    assert "9 runs" in told.out.splitlines()[-1]
    assert ": 0 violations, in " in told.out.splitlines()[-1]


def test_one_run_can_be_kept_and_played_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its scenario as a file that gives the same run, its journal as one that can be explained."""
    kept, journal = tmp_path / "7.json", tmp_path / "7.db"
    told = run(capsys, "simulate", "--seeds", "7:8", "--json", "--save", kept, "--journal", journal)
    again = run(capsys, "simulate", "--scenario", kept, "--json")
    assert told.json | {"seconds": 0} == again.json | {"seconds": 0}
    assert kept.read_bytes() == scenario_to_json(drawn(7, "rough")) + b"\n"
    assert 0 == run(capsys, "verify", journal).code
    assert "SubmitOrder" in run(capsys, "explain", "i1", "--journal", journal).out
    refused = run(capsys, "simulate", "--seeds", "7:8", "--journal", journal)
    assert (2, "") == (refused.code, refused.out)


def test_a_violation_is_told_with_the_line_that_shows_it_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code 1; a venue that gives an execution id twice is not to be survived."""
    buys = [Submits(limit(SPOT.symbol, "BUY", 1, 101, intent_id=one)) for one in ("one", "two")]
    scenario = Scenario(
        seed=3,
        instruments=(SPOT,),
        config=ExchangeConfig(restart_reuses_exec_ids=True),
        plan=FaultPlan(faults=(Fault(FaultKind.VENUE_RESTART, When("place", 1)),)),
        steps=(
            Quotes(SPOT.symbol, Decimal(100), Decimal(5), Decimal(101), Decimal(5)),
            *(step for buy in buys for step in (buy, Waits(60_000_000_000))),
        ),
    )
    path = tmp_path / "execution twice.json"
    path.write_bytes(scenario_to_json(scenario))
    repro = f"orderwright simulate --scenario '{path}'"
    told = run(capsys, "simulate", "--scenario", path, "--json")
    assert 1 == told.code
    bad = told.json["violations"]
    assert bad
    assert [{"seed", "invariant", "message", "repro"}] * len(bad) == [set(one) for one in bad]
    assert {repro} == {one["repro"] for one in bad}
    text = run(capsys, "simulate", "--scenario", path)
    assert 1 == text.code
    assert "VIOLATION seed 3: " in text.out
    assert repro in text.out.replace("\n", "")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--seeds", "5:5"), "the end is above the first"),
        (("--seeds", "0:99999999999"), "at most 10,000,000"),
        (("--seeds", "five"), "FIRST:END"),
        (("--profile", "heaven"), "invalid choice"),
        (("--jobs", "0"), "at least 1"),
        (("--scenario", "nowhere.json"), "cannot be read"),
        (("--scenario", __file__), "not a scenario"),
        (("--scenario", "x.json", "--seeds", "0:2"), "has its own seed"),
        (("--scenario", "x.json", "--profile", "calm"), "leave --seeds and --profile out"),
        (("--seeds", "0:2", "--journal", "j.db"), "for one run"),
        (("--seeds", "0:1", "--save", "/nowhere/at/all.json"), "cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...], says: str
) -> None:
    """What, where, and what to do; no traceback."""
    told = run(capsys, "simulate", *args)
    assert (2, "") == (told.code, told.out)
    assert says in told.err
    assert "Traceback" not in told.err
