"""Both sides of the replay benchmark read the same rows of every large recording."""

from __future__ import annotations

import pytest

from benchmarks.harness import Options
from benchmarks.replay import RECORDINGS, BareDecode, Recording, Replay, measure

from .conftest import shared_path

ROWS = 300
LARGE = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.case)


@LARGE
def test_both_sides_read_a_recording(recording: Recording) -> None:
    """The floor decodes so many rows, the engine replays them and its checks hold."""
    path = shared_path("data", *recording.parts)
    if path.suffix == ".zst":
        pytest.importorskip("databento_dbn")
    for side in (BareDecode(recording, path, ROWS), Replay(path, ROWS)):
        side.prepare()
        try:
            with pytest.raises(AssertionError):
                side.check()  # nothing was done yet
            side.work()
            side.check()
        finally:
            side.finish()


def test_a_quick_measurement_is_a_row() -> None:
    """With what every row has, and a ratio of its two values."""
    recording = RECORDINGS[0]
    (result,) = measure(recording, shared_path("data", *recording.parts), Options(quick=True))
    row = result.row

    assert ("replay", "KuCoin log", "messages/s", "bare decode") == (
        row.benchmark, row.case, row.unit, row.baseline,
    )  # fmt: skip
    assert row.ratio == row.value / row.baseline_value
