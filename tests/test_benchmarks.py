"""The harness compares fairly, the floors do the work, and the command writes what it promises.

No test looks at how fast anything was.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import lifecycle
from benchmarks.__main__ import NAMES, main
from benchmarks.floor import PlainFloor, RowFloor
from benchmarks.harness import Side, compare
from benchmarks.lives import encoded_lives


@pytest.fixture(autouse=True)
def _quick_collections() -> Iterator[None]:
    """The harness collects garbage before each round; what pytest holds is not walked each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Recorder(Side):
    """A side that writes down when it was asked for what."""

    def __init__(self, name: str, calls: list[str], *, fails: bool = False) -> None:
        self.name = name
        self._calls = calls
        self._fails = fails

    def prepare(self) -> None:
        self._calls.append(f"{self.name} prepare")

    def work(self) -> None:
        self._calls.append(f"{self.name} work")

    def check(self) -> None:
        if self._fails:
            raise AssertionError("the work was not done")
        self._calls.append(f"{self.name} check")

    def finish(self) -> None:
        self._calls.append(f"{self.name} finish")


def test_rounds_interleave_and_the_first_is_thrown_away() -> None:
    """Both sides take turns, one warm-up round more than is reported."""
    calls: list[str] = []
    measured: list[float] = []

    def in_unit(seconds: float) -> float:
        measured.append(seconds)
        return 2.0 if len(measured) % 2 else 1.0

    ours, floor = Recorder("ours", calls), Recorder("floor", calls)
    (result,) = compare("name", "case", "unit", in_unit, [ours, floor], rounds=3)

    assert ["ours work", "floor work"] * 4 == [call for call in calls if call.endswith("work")]
    assert 6 == len(measured)
    assert (2.0, 1.0, 2.0) == (result.row.value, result.row.baseline_value, result.row.ratio)
    assert (2.0, 2.0) == (result.ratio_min, result.ratio_max)


def test_a_side_that_did_not_do_the_work_is_no_result() -> None:
    """A failed check ends the measurement, and the side still tidies up."""
    calls: list[str] = []

    with pytest.raises(AssertionError, match="not done"):
        compare("name", "case", "unit", float, [Recorder("ours", calls, fails=True)], rounds=1)

    assert "ours finish" == calls[-1]


@pytest.mark.parametrize("floor", [PlainFloor, RowFloor])
@pytest.mark.parametrize("facts_per_commit", [1, 7, 1000])
def test_a_floor_books_every_life(floor: type[PlainFloor], facts_per_commit: int) -> None:
    """Whatever the commit size, all rows are written and the position adds up."""
    side = floor(encoded_lives(11), lambda: facts_per_commit)
    side.prepare()
    try:
        side.work()
        side.check()
    finally:
        side.finish()


def test_a_floor_that_skips_a_life_fails_its_check() -> None:
    """The check is awake: a life that was not booked is noticed."""
    side = PlainFloor(encoded_lives(3), lambda: 4)
    side.prepare()
    try:
        with pytest.raises(AssertionError):
            side.check()
    finally:
        side.finish()


def test_an_unknown_name_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped benchmark ends with exit code 2 and the names there are."""
    with pytest.raises(SystemExit) as stopped:
        main(["lifecicle"])

    assert 2 == stopped.value.code
    assert ", ".join(NAMES) in capsys.readouterr().err


def test_the_rows_are_written_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--json` writes a list of rows with the agreed fields; each ratio is that of its values."""
    monkeypatch.setattr(lifecycle, "SHRINK", 100)
    file = tmp_path / "rows.json"

    assert 0 == main(["lifecycle", "--quick", "--json", str(file)])

    rows = json.loads(file.read_bytes())
    fields = ["benchmark", "case", "value", "unit", "baseline", "baseline_value", "ratio"]
    assert [fields] * len(rows) == [list(row) for row in rows]
    assert {"row floor", "plain floor"} <= {row["baseline"] for row in rows}
    assert all(row["ratio"] == row["value"] / row["baseline_value"] for row in rows)
    assert "us/order" in capsys.readouterr().out
