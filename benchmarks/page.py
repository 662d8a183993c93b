"""The figures of `docs/performance.md`: tables between two marks are written anew from a run.

What stands around them is written by people. A benchmark that was not run keeps its old table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .harness import Result

__all__ = ["rewrite"]

_MARK: Final = "<!-- figures: {name} -->\n"
_END: Final = "<!-- end of figures -->"


def rewrite(page: Path, results: Sequence[Result]) -> list[str]:
    """Put the tables of ``results`` into ``page``; gives the names that have no place there."""
    text = page.read_text()
    missing = []
    for name in dict.fromkeys(result.row.benchmark for result in results):
        mark = _MARK.format(name=name)
        table = _table([result for result in results if result.row.benchmark == name])
        place = re.compile(re.escape(mark) + r".*?" + re.escape(_END), re.DOTALL)
        if not place.search(text):
            missing.append(name)
        text = place.sub(lambda _, t=table, m=mark: f"{m}{t}{_END}", text)  # type: ignore[misc]
    page.write_text(text)
    return missing


def _table(results: Sequence[Result]) -> str:
    lines = ["| case | ours | baseline | | ratio (of single rounds) |", "|---|---:|---|---:|---:|"]
    for result in results:
        row = result.row
        spread = f"{result.ratio_min:.3g} - {result.ratio_max:.3g}"
        lines.append(
            f"| {row.case} | {_number(row.value)} {row.unit} | {row.baseline} |"
            f" {_number(row.baseline_value)} | {row.ratio:.3g} ({spread}) |"
        )
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.4g}"
