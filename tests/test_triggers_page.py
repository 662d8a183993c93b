"""What docs/triggers.md shows works as it is written there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_the_example_runs_as_written(repository: Path, tmp_path: Path) -> None:
    """A reader who copies it gets what the page says: that output, no error and no warning."""
    page = (repository / "docs" / "triggers.md").read_text("utf-8")
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
