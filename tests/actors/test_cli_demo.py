"""`orderwright demo`: the same seed tells the same story, and its checks hold for every seed."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .replay_kit import run


@pytest.mark.parametrize("seed", [7, 1, 2, 3, 4, 5, -1, 10**30])
def test_every_seed_tells_a_story_that_holds(capsys: pytest.CaptureFixture[str], seed: int) -> None:
    """A few dozen orders; the checks hold, the exchanges agree; four are refused as they should."""
    told = run(capsys, "demo", "--json", "--seed", seed).json

    assert [check["name"] for check in told["checks"] if check["failed"]] == []
    assert told["orders"] >= 30
    assert sum(told["orders_by_state"].values()) == told["orders"]
    assert set(told["orders_by_state"]) <= {"FILLED", "CANCELLED", "EXPIRED", "REJECTED"}
    refused = [one["intent"] for one in told["refused_unwritten"]]
    assert refused == ["off-tick", "zero", "unknown", "open-1"]


def test_the_same_seed_gives_the_same_digest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In memory or in a file, today or tomorrow; another seed gives another."""
    first = run(capsys, "demo", "--json").json
    kept = run(capsys, "demo", "--json", "--journal", tmp_path / "d.db").json
    other = run(capsys, "demo", "--json", "--seed", 8).json

    assert first["digest"] == kept["digest"] != other["digest"]
    assert kept["journal"]["records"] == first["journal"]["records"]


def test_the_story_has_its_turns(capsys: pytest.CaptureFixture[str]) -> None:
    """Every kind of order, a refused cancel, a broken line: told in lines where nobody watches."""
    told = run(capsys, "demo")

    assert told.code == 0
    for word in (
        "PartiallyFilled", "Triggered", "Replaced", "PENDING_REPLACE", "PENDING_CANCEL", "Expired",
        "WOULD_CROSS", "RequestRefused", "ORDER_CLOSED", "delta is down", "up and reconciled",
        "reduce_only", "swing/stop", "the group is LINKED", "protected: stops cover",
        "off the tick", "BTC-PERP", "time to a stop", "End: FILLED",
    ):  # fmt: skip
        assert word in told.out, word


def test_its_journal_can_be_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """verify, explain and replay take the journal of a demo."""
    journal = tmp_path / "d.db"
    digest = run(capsys, "demo", "--json", "--journal", journal).json["digest"]

    assert run(capsys, "verify", journal, "--json").json["digest"] == digest
    assert run(capsys, "replay", journal, "--json").json["digest"] == digest
    told = run(capsys, "explain", "race-1", "--journal", journal, "--json")
    assert told.json["state"] == "FILLED"


def test_a_used_journal_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The demo begins at the beginning: it does not write behind other facts."""
    journal = tmp_path / "d.db"
    run(capsys, "demo", "--json", "--journal", journal)
    told = run(capsys, "demo", "--json", "--journal", journal)

    assert (told.code, list(told.json)) == (2, ["error"])
    assert "name a new file" in told.err


def test_ctrl_c_ends_a_live_demo_cleanly(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """On a terminal a table follows the orders; SIGINT ends it: code 130, a whole journal."""
    journal = tmp_path / "d.db"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "actors", "demo", "--journal", str(journal)]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, text=True) as child:
        os.close(theirs)
        seen = b""
        while b"open-1" not in seen:
            seen += os.read(ours, 65_536)
        child.send_signal(signal.SIGINT)
        while read_some(ours):
            pass
        _, err = child.communicate(timeout=60)
    os.close(ours)

    assert (child.returncode, "interrupted" in err) == (130, True), err
    assert run(capsys, "verify", journal).code == 0


def read_some(terminal: int) -> bytes:
    """What the child shows; nothing when it has closed its side."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""
