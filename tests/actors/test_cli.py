"""The command line: help, exit codes, and text that is safe to print."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from actors.cli_output import decimal_text, shown, time_text
from engine.order_tables import LIFE
from engine.values import decimal_from
from tests.conftest import shared_path

from .replay_kit import lobster, run

COMMANDS = ("demo", "replay", "explain", "status", "verify", "diagram", "conformance")


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` is worth reading: commands, examples, exit codes."""
    told = run(capsys, "--help")

    assert told.code == 0
    assert all(name in told.out for name in COMMANDS)
    assert "examples:" in told.out
    assert all(f"\n  {code} " in told.out for code in (0, 1, 2, 130))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Every command has help, a --json switch and the exit codes in it."""
    told = run(capsys, command, "--help")

    assert told.code == 0
    assert "--json" in told.out
    assert "exit codes:" in told.out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` names the program and ends well."""
    told = run(capsys, "--version")

    assert (told.code, told.out.split()[0]) == (0, "orderwright")


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("bogus",),
        ("replay",),
        ("diagram", "cake"),
        ("explain", "x"),
        ("demo", "--seed", "x"),
        ("verify", "--wat", "x"),
    ],
)
def test_bad_usage_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...]
) -> None:
    """A command line that cannot be understood: usage on stderr, nothing on stdout, code 2."""
    told = run(capsys, *args)

    assert (told.code, told.out) == (2, "")
    assert "usage:" in told.err


@pytest.mark.parametrize(
    "args",
    [
        ("replay", "{bad}"),
        ("verify", "{bad}"),
        ("explain", "{bad}", "--journal", "{bad}"),
        ("conformance", "{bad}"),
        ("{bad}",),
        ("demo", "--{bad}"),
    ],
)
def test_hostile_arguments_are_shown_escaped(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...]
) -> None:
    """No escape sequence or direction mark of the caller's reaches the terminal."""
    bad = "a\x1b[31mb\u202ec"
    told = run(capsys, *(arg.format(bad=bad) for arg in args))

    assert told.code == 2
    assert "\x1b" not in told.err
    assert "\u202e" not in told.err
    assert "\\x1b[31m" in told.err


def test_python_m_actors_is_the_command() -> None:
    """`python -m actors` runs it and passes its exit code on."""
    done = subprocess.run(
        [sys.executable, "-m", "actors", "diagram", "session", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, json.loads(done.stdout)["chart"]) == (0, "session")


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`orderwright ... | head -0` ends quietly."""
    command = f"{sys.executable} -m actors diagram order | true"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)

    assert done.stderr == ""


# --- conformance and diagrams --------------------------------------------------------------------


def test_conformance_passes_all_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    """Every binding field at every step of FIX's order-state sequences."""
    path = shared_path("conformance", "fix_order_states.json")
    told = run(capsys, "conformance", path, "--json")

    assert told.json == {"sequences": 67, "passed": 67, "failed": []}
    assert told.code == 0
    assert run(capsys, "conformance", path).out.startswith("67 of 67 sequences pass")


def test_conformance_names_what_differs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A wrong expectation fails with sequence, step, field, expected and got; exit code 1."""
    expect = {"state": "FILLED", "cum_qty": "0"}
    step = {"step": 1, "order": "X", "event": "submit", "params": {"qty": "10"}, "expect": expect}
    path = tmp_path / "s.json"
    path.write_text(json.dumps([{"id": "mine", "steps": [step]}]))
    told = run(capsys, "conformance", path, "--json")

    bad = {"id": "mine", "step": 1, "field": "state", "expected": "FILLED", "got": "SUBMITTED"}
    assert told.json == {"sequences": 1, "passed": 0, "failed": [bad]}
    assert told.code == 1
    assert "FILLED" in run(capsys, "conformance", path).out


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '[{"id": "x"}]', '[{"id": "x", "steps": [{"event": "cake"}]}]']
)
def test_a_malformed_conformance_file_is_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    """Nothing is passed over in silence: the message says what was expected."""
    path = tmp_path / "s.json"
    path.write_text(text)
    told = run(capsys, "conformance", path, "--json")

    assert (told.code, list(told.json)) == (2, ["error"])
    assert len(told.err) > len("orderwright: \n")


def test_the_order_diagram_shows_its_three_regions(capsys: pytest.CaptureFixture[str]) -> None:
    """One Mermaid document, with every arrow of the table that runs."""
    told = run(capsys, "diagram", "order")

    assert told.code == 0
    assert told.out.startswith("stateDiagram-v2\n")
    assert told.out.count("stateDiagram-v2") == 1
    assert [f"state {name} {{" in told.out for name in ("life", "request", "link")] == [True] * 3
    for line in LIFE.mermaid().splitlines()[1:]:
        assert line in told.out


def test_a_picture_without_graphviz_says_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `dot` is missing the message says so, and offers the Mermaid text."""
    monkeypatch.setenv("PATH", str(tmp_path))
    told = run(capsys, "diagram", "order", "--svg", tmp_path / "x.svg")

    assert told.code == 2
    assert "graphviz" in told.err


def test_a_picture_is_what_graphviz_draws(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the program `dot` writes goes into the file; it gets one digraph."""
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\ncat\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    told = run(capsys, "diagram", "order", "--svg", tmp_path / "x.svg")
    drawn = (tmp_path / "x.svg").read_text()

    assert told.code == 0
    assert drawn.count("digraph") == 1
    assert drawn.count("{") == drawn.count("}")


# --- what is printed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("nul\0", "nul\\x00"),
        ("a\nb", "a\\x0ab"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202e", "\\u202e"),
        ("\U000e0001", "\\U000e0001"),
        ("\ud800", "\\ud800"),
        ("\u00e9\u4e2d", "\u00e9\u4e2d"),
        ("x" * 300, "x" * 200 + "... (300 characters)"),
    ],
)
def test_foreign_text_is_shown_escaped_and_cut(text: str, expected: str) -> None:
    """What a terminal would obey is escaped, what would flood it is cut and counted."""
    assert expected == shown(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3.79E-8", "0.0000000379"), ("1E+3", "1000"), ("-0.00", "-0.00"), ("1E-40", "1E-40")],
)
def test_numbers_are_printed_in_full(text: str, expected: str) -> None:
    """No exponent to count out, unless the number is beyond all measure."""
    assert expected == decimal_text(decimal_from(text, "number"))


def test_times_are_printed_in_utc_with_nanoseconds() -> None:
    """The last digit counts: it orders facts."""
    assert time_text(1_667_826_351_000_000_001) == "2022-11-07 13:05:51.000000001Z"
    assert time_text(10**30) == f"{10**30} ns"


def test_markup_in_data_is_not_obeyed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file called like rich's markup keeps its name."""
    path = lobster(tmp_path, name="[bold]x[-bold].csv")
    told = run(capsys, "replay", path)

    assert told.code == 0
    assert "[bold]x[-bold].csv" in told.out


@pytest.mark.parametrize("command", ["status", "verify", "replay", "conformance", "explain"])
@pytest.mark.parametrize("name", ["missing", "folder", "n" * 300, "empty", "other.db"])
def test_bad_input_is_one_sentence_and_with_json_one_object(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, name: str
) -> None:
    """A program that reads the output always gets an object, and a person the same sentence."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    sqlite3.connect(tmp_path / "other.db").executescript(
        "create table t(a); insert into t values(1)"
    )
    path = tmp_path / name
    args = ("x", "--journal", path) if command == "explain" else (path,)

    told = run(capsys, command, *args, "--json")

    assert told.code == 2
    assert list(told.json) == ["error"]
    assert told.err == f"orderwright: {shown(told.json['error'], 2000)}\n"
    assert "output" not in told.err
