"""What the pages in docs/ show works as it is written there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.test_examples import pytest_here

BLOCK = re.compile(
    r"^<!-- example: (test_\w+\.py) -->\n```python\n(.*?)^```", re.DOTALL | re.MULTILINE
)


PAGES = ("groups.md", "monitors.md", "testing.md")


def test_every_block_of_the_pages_runs(repository: Path, tmp_path: Path) -> None:
    """A reader who copies a block gets a test file that passes, without a warning."""
    text = "".join((repository / "docs" / page).read_text("utf-8") for page in PAGES)
    blocks = dict(BLOCK.findall(text))
    assert text.count("```python") == len(blocks) > 5
    for name, code in blocks.items():
        (tmp_path / name).write_text(code, "utf-8")

    ended = pytest_here(
        tmp_path,
        repository,
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
        "-W",
        "error",
        "--orderwright-seeds",
        "3",
        "--hypothesis-profile=ci",
        str(tmp_path),
    )

    assert 0 == ended.returncode, ended.stdout[-3000:] + ended.stderr[-1000:]
    assert "skipped" not in ended.stdout.splitlines()[-1].replace("6 skipped", "")


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_somewhere(repository: Path, name: str) -> None:
    """Every file that the page points to exists."""
    page = (repository / "docs" / name).read_text("utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page)

    assert [] == [link for link in links if not (repository / "docs" / link).exists()]
