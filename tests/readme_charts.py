"""The README's statecharts, written from the tables: ``python -m tests.readme_charts`` brings them
up to date.
"""

from __future__ import annotations

import re
from pathlib import Path

from engine.group_tables import GROUP
from engine.order_tables import LIFE, LINK, REQUEST
from engine.position_tables import LIFE as POSITION
from engine.session_chart import SESSION

README = Path(__file__).parents[1] / "README.md"
CHARTS = {chart.name: chart for chart in (LIFE, REQUEST, LINK, GROUP, POSITION, SESSION)}
BLOCK = re.compile(r"<!-- statechart: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def rendered(text: str) -> str:
    """``text`` with every marked block holding its table's diagram."""

    def block(match: re.Match[str]) -> str:
        name = match.group(1)
        chart = CHARTS[name].mermaid().rstrip()
        return f"<!-- statechart: {name} -->\n```mermaid\n{chart}\n```\n<!-- end -->"

    return BLOCK.sub(block, text)


if __name__ == "__main__":
    README.write_text(rendered(README.read_text()))
