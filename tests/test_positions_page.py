"""What docs/positions.md shows works as it is written there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_the_example_runs_as_written(repository: Path, tmp_path: Path) -> None:
    """A reader who copies it gets what the page says: that output, no error and no warning."""
    page = (repository / "docs" / "positions.md").read_text("utf-8")
    found = re.search(
        r"^<!-- example:.*?-->\n```python\n(.*?)^```\s+It prints\s+```text\n(.*?)^```",
        page,
        re.DOTALL | re.MULTILINE,
    )
    assert found

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", found[1]],
        cwd=tmp_path,
        env={"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (0, found[2], "") == (ended.returncode, ended.stdout, ended.stderr)


def test_links_of_the_page_lead_somewhere(repository: Path) -> None:
    """Every file that the page points to exists."""
    page = (repository / "docs" / "positions.md").read_text("utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page)

    assert links
    assert [] == [link for link in links if not (repository / "docs" / link).exists()]
