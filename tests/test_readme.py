"""What README shows works as it is written there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.readme_charts import CHARTS, rendered

README = Path(__file__).parents[1] / "README.md"
EXAMPLE_LINES_MAX = 10


def example() -> tuple[str, str]:
    """The embedding example, and what README says that it prints."""
    found = re.search(
        r"^<!-- example:.*?-->\n```python\n(.*?)^```\s+It prints `(.*?)`",
        README.read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert found, "README needs a Python block below `<!-- example: ... -->`, and `It prints ...`"
    return found[1], found[2]


def test_the_embedding_example_is_short() -> None:
    """Embedding takes ten lines, blank ones aside."""
    lines = [line for line in example()[0].splitlines() if line.strip()]

    assert len(lines) <= EXAMPLE_LINES_MAX, "\n".join(lines)


def test_the_embedding_example_runs_as_written(tmp_path: Path) -> None:
    """A reader who copies it gets what README says: that output, no error and no warning."""
    code, output = example()

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(README.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (0, output, "") == (ended.returncode, ended.stdout.strip(), ended.stderr)


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


def test_the_statecharts_are_those_that_run() -> None:
    """Each chart stands in README as its table has it (`python -m tests.readme_charts` writes
    them).
    """
    text = README.read_text("utf-8")

    assert list(CHARTS) == re.findall(r"<!-- statechart: (\w+) -->", text)
    assert rendered(text) == text
