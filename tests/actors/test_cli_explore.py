"""`orderwright explore`: what it prints, and how it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.testing import Fault, FaultKind, When
from engine.testing.races import RACES
from engine.testing.scenario import Injects

from .replay_kit import run

SMALL = "replace-against-fill"


def test_a_race_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON says how much was covered, and that it was all; exit code 0."""
    told = run(capsys, "explore", SMALL, "--json")
    assert (0, "") == (told.code, told.err)
    found = told.json
    assert [
        "scenario", "schedules", "states", "ends", "complete", "violations", "seconds",
    ] == list(found)  # fmt: skip
    assert (SMALL, True, []) == (found["scenario"], found["complete"], found["violations"])
    assert found["schedules"] > found["states"] > 20
    assert ["a FILLED 0.02", "a PARTIAL 0.02"] == found["ends"]


def test_all_races_are_one_object(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums of all, and each race as it is told alone."""
    few = {name: RACES[name] for name in (SMALL, "two-partial-fills-against-cancel")}
    monkeypatch.setattr("actors.cli_explore.RACES", few)
    told = run(capsys, "explore", "all", "--json").json
    each = told["scenarios"]
    assert list(few) == [one["scenario"] for one in each]
    alone = run(capsys, "explore", SMALL, "--json").json
    assert alone | {"seconds": 0} == each[0] | {"seconds": 0}
    assert ("all", True, []) == (told["scenario"], told["complete"], told["violations"])
    for name in ("schedules", "states"):
        assert told[name] == sum(one[name] for one in each)


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """A table, and one line that sums up."""
    told = run(capsys, "explore", SMALL)
    assert 0 == told.code
    assert SMALL in told.out
    assert ": all covered, 0 with a violation, in " in told.out.splitlines()[-1]


def test_races_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With what they are about; nothing is run."""
    told = run(capsys, "explore", "--list")
    assert 0 == told.code
    assert all(race.name in told.out and race.about in told.out for race in RACES.values())
    told = run(capsys, "explore", "--list", "--json")
    assert {race.name: race.about for race in RACES.values()} == told.json


def test_a_violation_is_told_with_the_line_that_shows_it_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1; the scenario is a file, and `simulate` says the same of it."""
    late = Injects(Fault(FaultKind.ARRIVES_LATE, When(verb="place"), delay_ns=30_000_000_000))
    usual = RACES["cancel-against-fill"]
    lying = replace(usual, name="lying", hands=(usual.hands[0][:1], (late,)))
    monkeypatch.setattr("actors.cli_explore.RACES", {"lying": lying})
    monkeypatch.chdir(tmp_path)

    told = run(capsys, "explore", "lying", "--json")

    assert 1 == told.code
    found = told.json
    assert found["complete"]
    first = found["violations"][0]
    assert {"invariant", "message", "repro"} == set(first)
    again = run(capsys, *first["repro"].split()[1:], "--json")
    assert 1 == again.code
    assert first["message"] == again.json["violations"][0]["message"]
    text = run(capsys, "explore", "lying")
    assert 1 == text.code
    assert "VIOLATION lying: " in text.out
    assert first["repro"] in text.out.replace("\n", "")


def test_what_was_not_covered_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and it says so."""
    told = run(capsys, "explore", SMALL, "--max-states", "10")
    assert 1 == told.code
    assert "NOT ALL COVERED" in told.out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "say which race"),
        (("everything",), "no race is called 'everything'; known are all, cancel-against-fill"),
        ((SMALL, "--max-states", "0"), "at least 1"),
        ((SMALL, "--max-states", "many"), "invalid int"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...], says: str
) -> None:
    """What, where, and what to do; no traceback."""
    told = run(capsys, "explore", *args)
    assert (2, "") == (told.code, told.out)
    assert says in told.err
    assert "Traceback" not in told.err
