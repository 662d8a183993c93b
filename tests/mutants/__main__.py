"""``python -m tests.mutants [NAME...]``: put faults into a copy of the project, one at a time.

``--operators N --seed S`` tries small faults that are drawn at random (:mod:`.operators`) instead.

Exit code 0: each was caught by the tests that are named for it. 1: some were not, and are named.
2: it could not be tried (an unknown name, an entry that does not fit the code, tests that fail
without any fault).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .catalogue import MUTANTS
from .mutant import Mutant, Result, Stale, Verdict
from .operators import drawn
from .workshop import Bench, broken_without, run_all

_ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = _options().parse_args(arguments)
    out, err = Console(), Console(stderr=True)
    try:
        if options.operators:
            mutants = drawn(_ROOT, options.operators, options.seed)
        else:
            mutants = _chosen(options.names)
            for mutant in mutants:
                mutant.check(_ROOT)
    except Stale as error:
        err.print(escape(str(error)), style="red")
        return 2
    if options.list:
        _show_list(out, mutants)
        return 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        pristine = Bench.copied(_ROOT, Path(scratch) / "pristine")
        err.print(f"{len(mutants)} faults; first their tests without any")
        broken = broken_without(pristine, mutants)
        if broken:
            err.print("these fail without any fault, so their failing proves nothing:")
            for one in broken:
                err.print(f"  {escape(one)}")
            return 2
        tell = _Teller(err, len(mutants))
        results = run_all(pristine.root, Path(scratch), mutants, options.jobs, tell)
    seconds = time.monotonic() - started
    survivors = [one.mutant.name for one in results if one.verdict is not Verdict.CAUGHT]
    if options.json:
        report = {
            "mutants": [one.as_json() for one in results],
            "caught": len(results) - len(survivors),
            "survivors": survivors,
            "seconds": round(seconds, 1),
            "seed": options.seed if options.operators else None,
        }
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        _show_results(out, results, seconds, survivors)
    return 1 if survivors else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description="Put deliberate faults into a copy of the project, one at a time, and run the"
        " tests that must catch them.",
        epilog="Exit codes: 0 all were caught, 1 some were not, 2 it could not be tried.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to try; all by default")
    parser.add_argument("--list", action="store_true", help="show the faults and try none")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument(
        "--jobs", type=_count, default=os.cpu_count() or 1, metavar="N",
        help="faults at a time, each in a copy of its own (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--operators", type=_count, metavar="N",
        help="instead of the list: N operators, constants or statements of the deciding files,"
        " drawn at random and turned round",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=1, help="what --operators draws from (default %(default)s)"
    )
    return parser


def _count(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"a number, at least 1, was {text!r}")
    return count


def _chosen(names: Sequence[str]) -> list[Mutant]:
    known = {mutant.name: mutant for mutant in MUTANTS}
    for name in names:
        if name not in known:
            raise Stale(f"there is no fault {name!r}; --list shows them")
    return [known[name] for name in dict.fromkeys(names)] if names else list(MUTANTS)


class _Teller:
    """Says what has come of each fault, as it comes."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._lock = threading.Lock()

    def __call__(self, result: Result) -> None:
        with self._lock:
            self._done += 1
            self._console.print(
                f"{self._done:3}/{self._total} {result.verdict.value:8}"
                f" {result.mutant.name} ({result.seconds:.1f} s)",
                highlight=False,
            )


def _show_list(console: Console, mutants: Sequence[Mutant]) -> None:
    table = Table("fault", "what would be lost", "file", box=None, pad_edge=False)
    for mutant in mutants:
        table.add_row(mutant.name, escape(mutant.loss), mutant.file)
    console.print(table)


def _show_results(
    console: Console, results: Sequence[Result], seconds: float, survivors: Sequence[str]
) -> None:
    table = Table("fault", "verdict", "by", box=None, pad_edge=False)
    table.add_column("s", justify="right")
    for one in results:
        style = None if one.verdict is Verdict.CAUGHT else "red"
        said = one.by or one.detail
        table.add_row(
            one.mutant.name, one.verdict.value, escape(said), f"{one.seconds:.1f}", style=style
        )
    console.print(table)
    caught = len(results) - len(survivors)
    share = 100 * caught / len(results)
    console.print(
        f"\n{caught} of {len(results)} faults caught ({share:.1f} %) in {seconds:.0f} s",
        style="bold",
    )
    for name in survivors:
        mutant = next(one.mutant for one in results if one.mutant.name == name)
        console.print(f"not caught: {name}. {escape(mutant.loss)}", style="red")


if __name__ == "__main__":
    sys.exit(main())
