"""``python -m benchmarks [NAME...] [--json FILE] [--quick]``: run, print a table, write JSON."""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from . import page
from .harness import Options, Result, Unavailable

#: Each is a module of this package with `run(options)`; its docstring says what is in and what out.
NAMES: Final = (
    "runtime",
    "lifecycle",
    "contingency",
    "live_orders",
    "latency",
    "recovery",
    "replay",
    "broker",
)

_WIDTH: Final = 140  # of a log; a terminal knows its own

Run = Callable[[Options], Iterable[Result]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all. Returns 1 if none of them could run."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    for name in arguments.names:
        if name not in NAMES:
            parser.error(f"no benchmark is called {name!r}; there are {', '.join(NAMES)}")
    if arguments.page and not arguments.page.is_file():
        parser.error(f"there is no page {str(arguments.page)!r}")
    if arguments.page and arguments.quick:
        parser.error("--quick proves no ratio, so it writes no page")
    options = Options(quick=arguments.quick)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    results: list[Result] = []
    for name in dict.fromkeys(arguments.names or NAMES):
        module = importlib.import_module(f"{__package__}.{name}")
        console.rule(name)
        console.print(inspect.getdoc(module), highlight=False, markup=False, soft_wrap=True)
        console.print()
        began = time.monotonic()
        try:
            for result in cast("Run", module.run)(options):
                results.append(result)
                console.print(_line(result), highlight=False)
        except Unavailable as missing:
            console.print(f"[yellow]{name}: not measured: {missing}[/yellow]")
        console.print(f"  took {time.monotonic() - began:.0f} s", highlight=False)
        console.print()
    console.print(_table(results, quick=options.quick))
    if arguments.json:
        rows = [result.row for result in results]
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
    if arguments.page:
        for name in page.rewrite(arguments.page, results):
            console.print(f"[yellow]{arguments.page} has no place for {name}[/yellow]")
    return 0 if results else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the engine beside floor programs in the same run, and print ratios.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all of them by default"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the rows to FILE")
    parser.add_argument(
        "--page", metavar="FILE", type=Path, help="also write the tables into the page FILE"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that it runs, proves no ratio"
    )
    return parser


def _line(result: Result) -> str:
    row = result.row
    return f"  {row.case}: {row.value:,.1f} {row.unit}, {row.ratio:.3g} x {row.baseline}"


def _table(results: Sequence[Result], *, quick: bool) -> Table:
    caption = "medians, or percentiles; ratio = ours / baseline (lowest - highest of one round)"
    caption = f"quick: these ratios prove nothing; {caption}" if quick else caption
    table = Table(caption=caption, box=box.SIMPLE)
    table.add_column("benchmark", no_wrap=True)
    table.add_column("baseline", no_wrap=True)
    for heading in ("ours", "baseline", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        row = result.row
        table.add_row(
            f"{row.benchmark}, {row.case}",
            row.baseline,
            f"{row.value:,.1f} {row.unit}",
            f"{row.baseline_value:,.1f} {row.unit}",
            f"{row.ratio:.3g} ({result.ratio_min:.3g} - {result.ratio_max:.3g})",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
