"""What README shows works as it is written there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
EXAMPLE_LINES_MAX = 10


def python_blocks() -> list[str]:
    """The fenced Python examples, in order."""
    return re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an example by itself, in a folder of its own, as a reader would."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(README.parent), "PATH": "", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_embedding_example_is_short() -> None:
    """Embedding takes ten lines: the first example has no more, blank ones aside."""
    lines = [line for line in python_blocks()[0].splitlines() if line.strip()]

    assert len(lines) <= EXAMPLE_LINES_MAX, "\n".join(lines)


def test_every_python_example_runs_as_written(tmp_path: Path) -> None:
    """A reader who copies an example gets what it shows: no error, no warning, and some output."""
    for number, code in enumerate(python_blocks()):
        folder = tmp_path / str(number)
        folder.mkdir()

        ended = run(code, folder)

        assert (0, "") == (ended.returncode, ended.stderr), code
        assert ended.stdout, f"an example that prints nothing shows nothing:\n{code}"


def test_every_make_target_that_is_named_exists() -> None:
    """The commands a newcomer reads first are there."""
    targets = re.findall(r"^([a-z]+):", (README.parent / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"\bmake ([a-z]+)\b", README.read_text("utf-8"))

    assert {"demo", "test"} <= set(named)
    assert [] == [name for name in named if name not in targets]


def test_links_to_files_lead_somewhere() -> None:
    """Every file that README points to exists."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README.read_text("utf-8"))

    assert [] == [link for link in links if not (README.parent / link).exists()]
