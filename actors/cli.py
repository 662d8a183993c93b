"""The command line: ``orderwright``, which is ``python -m actors``.

It parses, hands over to one module per command (imported only then, so that it starts fast), and
turns every error a user can meet into one line and an exit code. No traceback for bad input.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn, TypeAlias

from engine.errors import InvariantViolated, JournalError, UserError

from .cli_output import BAD_INPUT, INTERRUPTED, error_line, print_json, shown

__all__ = ["main"]

_BROKEN_PIPE: Final = 141  # as for any program that SIGPIPE ends
_INTERNAL: Final = 70  # EX_SOFTWARE: a bug in us

_EXIT_CODES: Final = """\
exit codes:
  0    everything asked for holds
  1    a check failed, or verify found damage; the report says which and where
  2    bad input: the message says what, where, and what to do
  130  interrupted (Ctrl-C); a journal being written is whole, the same command goes on
"""

_DESCRIPTION: Final = """\
An order execution engine that is embedded in trading services; this is its workbench.
Run a paper market, replay recorded order flow through the real actors, and ask a journal
what happened and why.
"""

_EXAMPLES: Final = """\
examples:
  orderwright demo                                   a paper market, orders of every kind
  orderwright replay events.jsonl.gz                 recorded flow, judged by its own oracles
  orderwright replay events.jsonl.gz trades.csv.gz   ... with a fill export as a drop copy
  orderwright replay day.zip --journal day.db        ... journalled; kill it, run it again
  orderwright explain 0A1B2C --journal day.db        why did this order do that
  orderwright status day.db                          what is held, open, and shut
  orderwright verify day.db                          is the journal whole
  orderwright prune day.db --keep-days 30            forget how orders closed long ago came about
  orderwright diagram order --svg order.svg          the statecharts that run
  orderwright conformance sequences.json             order-state sequences through the real code
  orderwright simulate --seeds 0:2000                faults, crashes, every interleaving a seed has
  orderwright explore all                            every schedule there is of small races
"""

_REPLAY: Final = """\
Each recorded order becomes an order actor that gets commands and venue reports as recorded,
through broker, journal and position actors. What the recording knows of itself (final states,
sums, positions, a drop copy) becomes named checks, beside the ones that always hold.

Formats are detected by content: the KuCoin bot's event log and its fill exports, BitMEX
executions, Hyperliquid fills, LOBSTER messages, Bitstamp order events, CME market-by-order,
Shanghai order-by-order, and journals of our own, whose groups and kill switches are followed as
they were. Plain, gzip, bzip2, xz, zstd or zip.
"""

_REPLAY_EXAMPLES: Final = """\
examples:
  orderwright replay AAPL_message_50.csv.gz
  orderwright replay events.jsonl.gz trades_3.csv.gz trades_4.csv.gz
  orderwright replay fills.csv.gz --json | jq .checks
  orderwright replay day.zip --journal day.db        killed, it goes on where it stopped
  orderwright replay day.db                          a journal, through a fresh system
"""

_EXPLAIN: Final = """\
The chain from intent to end: the terms, what was checked, every fact in order with its time,
its evidence and the state after it, what it did to the position, and how it ended. Of an order in
a group also its parent, children and siblings; of a group its legs and every look that changed it;
of an account (VENUE/ACCOUNT) its sessions, who has set modes, pulled kill switches and lifted
them, what had drifted and how it was settled, statements, and the rules that fired.
"""

_STATUS: Final = """\
Of each account what is shut (trading modes, kill switches, who pulled them and when), what it
holds, its groups that are not over, and how many orders are open: as the facts of the journal
leave it, which is what the next start will find. No venue is asked.
"""

_VERIFY: Final = """\
Reads every record: the chain of checks, the fold of all facts, the invariants of every order,
closed rows and checkpoints against the fold. Prints the digest that names the whole state.
Nothing is written. Of a journal that a running system has open, only the facts are judged.
"""

_PRUNE: Final = """\
Removes the facts of closed orders, below the journal's last checkpoint, and packs the tombstones
of those orders. Everything else stays: execution keys, every id, how each order ended, and all
about open orders and positions. So late fills, repeated intents and restarts find what they
always found; `explain` then tells how such an order ended, and not how it came to that.

The journal's system must be stopped, but for --dry-run. Killed, it leaves a whole journal, and
the same command goes on. The file keeps its size, its room is used again; --vacuum gives it back.
"""

_PRUNE_EXAMPLES: Final = """\
examples:
  orderwright prune orders.db --keep-days 30 --dry-run   what would go
  orderwright prune orders.db --keep-days 30             orders that closed longer ago
  orderwright prune orders.db --keep-facts 1000000       all but the last million facts
  orderwright prune orders.db --before 2026-01-31        ... or 2026-01-31T12:00, in UTC
  orderwright prune orders.db --keep-days 30 --vacuum    and make the file smaller
"""

_CONFORMANCE: Final = """\
Runs order-state sequences (a JSON list of steps with the expected state after each) through
the real order code, and compares every field of every step.
"""

_DIAGRAM: Final = """\
The statecharts as Mermaid text, generated from the tables that run. With --svg also as a
picture, drawn by graphviz where its `dot` is installed.
"""

_SIMULATE: Final = """\
Each seed is a scenario: instruments and a venue, some dozens of orders, groups, signals, cancels,
amends, kill switches and moves of the market, faults of the venue, crashes of the process. It runs
through the real actors, broker and journal in virtual time, where the seed also chooses who runs
next. Checked at every commit: the running state is the fold of the journal, and agrees with a
second, dumb model. Checked when all is at rest: our orders, fills and positions are the venue's,
nothing was placed twice.
"""

_SIMULATE_EXAMPLES: Final = """\
examples:
  orderwright simulate --seeds 0:2000 --profile rough
  orderwright simulate --seeds 17:18 --profile hell --journal 17.db --save 17.json
  orderwright simulate --seeds 17:18 --profile hell --shrink 17.json
  orderwright simulate --scenario 17.json
"""

_EXPLORE: Final = """\
A race is one order and what may happen around it: a cancel, a fill, an amend, a timeout, a lost
link, a crash. Every schedule of it runs through the real actors: host, market, requests, answers,
reports, timers and turns in every order they can have, each step judged as by `simulate`. States
that were met before are not entered again, so it ends, and says how much it covered.
"""

_EXPLORE_EXAMPLES: Final = """\
examples:
  orderwright explore --list
  orderwright explore cancel-against-fill
  orderwright explore all --json | jq ".scenarios[] | [.scenario, .schedules, .complete]"
"""

_DEMO: Final = """\
A paper market made by the simulator, in virtual time: a few dozen orders of every kind at two
venues, with partial fills, refusals and races, and what became of them. Needs no network and no
files. The same seed gives the same digest.
"""

#: Command -> the module and function that does it.
_COMMANDS: Final = {
    "demo": ("cli_demo", "run"),
    "replay": ("cli_replay", "run"),
    "explain": ("cli_explain", "run"),
    "status": ("cli_status", "run"),
    "verify": ("cli_verify", "run"),
    "prune": ("cli_prune", "run"),
    "diagram": ("cli_diagram", "run"),
    "conformance": ("cli_conformance", "run"),
    "simulate": ("cli_simulate", "run"),
    "explore": ("cli_explore", "run"),
}


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are safe to print."""

    def error(self, message: str) -> NoReturn:
        """Complain and end with the exit code for bad input."""
        self.print_usage(sys.stderr)
        error_line(f"{message}. Try: {self.prog} --help")
        raise SystemExit(BAD_INPUT)


class _Version(argparse.Action):
    """Look up the version only when somebody asks."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        try:
            number = version("orderwright")
        except PackageNotFoundError:
            number = "unknown (run from a source tree that is not installed)"
        print(f"orderwright {number}")
        parser.exit()


_Command: TypeAlias = Callable[..., argparse.ArgumentParser]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="orderwright",
        description=_DESCRIPTION,
        epilog=_EXAMPLES + "\n" + _EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, short: str, text: str, examples: str = "") -> argparse.ArgumentParser:
        one = commands.add_parser(
            name,
            help=short,
            description=text,
            epilog=(examples + "\n" if examples else "") + _EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.add_argument(
            "--json",
            action="store_true",
            help='print exactly one JSON object on stdout, of bad input {"error": ...}',
        )
        return one

    _add_markets(command)
    _add_journals(command)
    _add_charts(command)
    _add_kit(command)
    return parser


def _add_markets(command: _Command) -> None:
    demo = command("demo", "a paper market and orders of every kind", _DEMO)
    demo.add_argument("--seed", type=int, default=7, metavar="N", help="of the market (default 7)")
    demo.add_argument("--journal", metavar="FILE", help="keep the journal in a new file")

    short = "recorded order flow through the real actors"
    replay = command("replay", short, _REPLAY, _REPLAY_EXAMPLES)
    replay.add_argument(
        "files", nargs="+", metavar="FILE", help="one recording; or a log with its fill exports"
    )
    replay.add_argument("--format", metavar="F", help="insist on a format (else detected)")
    replay.add_argument("--journal", metavar="FILE", help="write a journal file, or go on with it")
    replay.add_argument("--limit", type=int, metavar="N", help="take only the first N rows")


def _add_journals(command: _Command) -> None:
    explain = command("explain", "why did this order do that", _EXPLAIN)
    explain.add_argument(
        "order", metavar="ORDER",
        help="client, intent or venue id (a unique beginning will do), the id of a group, or an"
        " account as VENUE/ACCOUNT",
    )  # fmt: skip
    explain.add_argument("--journal", required=True, metavar="FILE", help="where it was written")

    status = command("status", "how a journal leaves its accounts", _STATUS)
    status.add_argument("journal", metavar="JOURNAL", help="the journal file")

    verify = command("verify", "is a journal whole", _VERIFY)
    verify.add_argument("journal", metavar="JOURNAL", help="the journal file")

    prune = command("prune", "forget how closed orders came about", _PRUNE, _PRUNE_EXAMPLES)
    prune.add_argument("journal", metavar="JOURNAL", help="the journal file")
    bound = prune.add_mutually_exclusive_group(required=True)
    bound.add_argument(
        "--keep-days",
        type=float,
        metavar="N",
        help="facts of orders that closed in the last N days",
    )
    bound.add_argument("--keep-facts", type=int, metavar="N", help="the last N facts")
    bound.add_argument(
        "--before", metavar="TIME", help="facts of orders that closed at or after TIME stay (UTC)"
    )
    prune.add_argument("--dry-run", action="store_true", help="say what would go; change nothing")
    prune.add_argument("--vacuum", action="store_true", help="then give free room back")


def _add_charts(command: _Command) -> None:
    diagram = command("diagram", "the statecharts that run", _DIAGRAM)
    diagram.add_argument(
        "chart", nargs="?", default="order",
        choices=("order", "group", "position", "session", "trigger"),
        help="which (default: order, its three regions)",
    )  # fmt: skip
    diagram.add_argument("--svg", metavar="FILE", help="also draw it into FILE")

    short = "order-state sequences through the real code"
    conformance = command("conformance", short, _CONFORMANCE)
    conformance.add_argument("file", metavar="FILE", help="the sequences, as JSON")


def _add_kit(command: _Command) -> None:
    short = "many runs with bad luck, each judged"
    simulate = command("simulate", short, _SIMULATE, _SIMULATE_EXAMPLES)
    simulate.add_argument("--seeds", metavar="A:B", help="seeds A to B - 1 (default 0:100)")
    simulate.add_argument(
        "--profile", choices=("calm", "rough", "hell"),
        help="how much goes wrong (default: rough)",
    )  # fmt: skip
    simulate.add_argument("--scenario", metavar="FILE", help="run this one scenario instead")
    simulate.add_argument("--jobs", type=int, metavar="N", help="processes (default: one a core)")
    simulate.add_argument("--save", metavar="FILE", help="of one run: write its scenario")
    simulate.add_argument(
        "--shrink", metavar="FILE", help="of one run that fails: write the least that still does"
    )
    simulate.add_argument("--journal", metavar="FILE", help="of one run: keep its journal")

    short = "every schedule of small races"
    explore = command("explore", short, _EXPLORE, _EXPLORE_EXAMPLES)
    explore.add_argument("race", nargs="?", metavar="SCENARIO", help="one of --list, or all")
    explore.add_argument("--list", action="store_true", help="name the races there are")
    explore.add_argument(
        "--max-states", type=int, default=1_000_000, metavar="N", help="give up beyond that many"
    )


def _refused(args: argparse.Namespace, sentence: str) -> int:
    """Say why the input cannot be used; nothing has been printed yet."""
    error_line(sentence)
    if args.json:
        print_json({"error": sentence})
    return BAD_INPUT


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what a terminal cannot show is shown as an escape
            stream.reconfigure(errors="backslashreplace")
    args = argparse.Namespace(json=False)
    try:
        args = _parser().parse_args(argv)
        module, function = _COMMANDS[args.command]
        run = getattr(importlib.import_module(f".{module}", __package__), function)
        code: int = run(args)
        sys.stdout.flush()
    except SystemExit as end:  # argparse ends a program by itself: help, version, bad usage
        return end.code if isinstance(end.code, int) else BAD_INPUT
    except KeyboardInterrupt:
        error_line("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except OSError as error:
        if error.filename is not None:
            return _refused(args, f"cannot use {error.filename}: {error.strerror}")
        # the output could not be written: a full disk, a closed terminal
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        error_line(f"the output could not be written: {error}")
        return BAD_INPUT
    except (UserError, JournalError) as error:
        return _refused(args, str(error))
    except InvariantViolated as error:
        error_line(f"a bug in orderwright, please report it: {shown(error)}")
        return _INTERNAL
    return code
