"""``orderwright diagram``: the statecharts that run, as Mermaid text or as a picture."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from engine.errors import UserError
from engine.group_tables import GROUP
from engine.order_tables import LIFE, LINK, REQUEST
from engine.position_tables import LIFE as POSITION
from engine.session_chart import SESSION
from engine.statechart import Statechart
from engine.trigger_tables import TRIGGER

from .cli_output import HOLDS, error_line, print_json, shown

__all__ = ["mermaid", "run"]

#: What each name shows; more than one chart are regions of one entity.
CHARTS: Final[dict[str, tuple[Statechart[Any, Any], ...]]] = {
    "order": (LIFE, REQUEST, LINK),
    "group": (GROUP,),
    "position": (POSITION,),
    "session": (SESSION,),
    "trigger": (TRIGGER,),
}
_DOT_SECONDS: Final = 60


def run(args: argparse.Namespace) -> int:
    """Print the diagram, and draw it when asked to."""
    charts = CHARTS[args.chart]
    text = mermaid(charts)
    if args.svg is not None:
        _draw(dot(args.chart, charts), Path(args.svg))
    if args.json:
        print_json({"chart": args.chart, "mermaid": text, "svg": args.svg})
    else:
        sys.stdout.write(text)
    if args.svg is not None:
        error_line(f"drawn into {args.svg}")
    return HOLDS


def mermaid(charts: tuple[Statechart[Any, Any], ...]) -> str:
    """One Mermaid document; several charts become regions side by side."""
    if len(charts) == 1:
        return charts[0].mermaid()
    lines = ["stateDiagram-v2"]
    for chart in charts:
        head, *body = chart.mermaid().splitlines()
        assert head == lines[0]
        lines += [f"    state {chart.name} {{", *(f"    {line}" for line in body), "    }"]
    return "\n".join(lines) + "\n"


def dot(name: str, charts: tuple[Statechart[Any, Any], ...]) -> str:
    """One Graphviz document; several charts become clusters."""
    if len(charts) == 1:
        return charts[0].dot()
    lines = [f'digraph "{name}" {{', "    rankdir=LR;"]
    for chart in charts:
        _, *body = chart.dot().splitlines()
        lines += [f'    subgraph "cluster_{chart.name}" {{', f'        label="{chart.name}";']
        lines += [f"    {line}" for line in body[:-1] if "rankdir" not in line] + ["    }"]
        lines = [line.replace("start", f"start_{chart.name}") for line in lines]
    return "\n".join([*lines, "}"]) + "\n"


def _draw(text: str, path: Path) -> None:
    program = shutil.which("dot")
    if program is None:
        raise UserError(
            "a picture needs graphviz, and its program `dot` is not on the PATH: install graphviz,"
            " or paste the Mermaid text into any Mermaid viewer"
        )
    try:
        done = subprocess.run(  # noqa: S603  # a fixed program; the text is ours
            [program, "-Tsvg"], input=text.encode(), capture_output=True, timeout=_DOT_SECONDS,
            check=True,
        )  # fmt: skip
        path.write_bytes(done.stdout)
    except subprocess.CalledProcessError as error:
        said = shown(error.stderr.decode(errors="replace"))
        raise UserError(f"graphviz failed: {said}") from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"graphviz did not answer within {_DOT_SECONDS} s") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
