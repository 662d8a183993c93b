"""What the pages in docs/ show works as it is written there. docs/testing.md has tests of its own,
as have the pages whose blocks are tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md"))


@pytest.mark.parametrize("name", ["positions.md", "signals.md", "triggers.md"])
def test_the_example_runs_as_written(name: str, tmp_path: Path) -> None:
    """A reader who copies it gets what the page says: that output, no error and no warning."""
    found = re.search(
        r"^<!-- example:.*?-->\n```python\n(.*?)^```\s+It prints\s+```text\n(.*?)^```",
        (DOCS / name).read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert found

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", found[1]],
        cwd=tmp_path,
        env={"PYTHONPATH": str(DOCS.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (0, found[2], "") == (ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize("name", PAGES)
def test_links_of_the_pages_lead_somewhere(name: str) -> None:
    """Every file that a page points to exists, and every heading."""
    page = DOCS / name
    for file, heading in re.findall(
        r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text("utf-8")
    ):
        target = page if not file else DOCS / file
        assert target.exists(), file
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
            assert heading in anchors, f"{file}#{heading}"
