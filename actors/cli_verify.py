"""``orderwright verify``: is a journal whole?"""

from __future__ import annotations

import argparse

from engine.errors import JournalCorrupt
from engine.recordings import Check

from .cli_output import (
    CHECK_FAILED,
    HOLDS,
    check_rows,
    console,
    print_checks,
    print_json,
    print_table,
    progress_bar,
    shown,
    time_text,
)
from .journal import open_journal
from .verifying import Verdict, verify

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    """Verify the journal that ``args`` name."""
    try:
        journal = open_journal(args.journal, read_only=True)
    except JournalCorrupt as error:
        return _cannot_be_opened(args, error)
    try:
        with progress_bar(args.journal, journal.last_seq, quiet=args.json) as bar:
            verdict = verify(journal, bar)
    finally:
        journal.close()
    if args.json:
        print_json(
            {
                "journal": verdict.journal,
                "whole": verdict.is_whole,
                "in_use": verdict.in_use,
                "engine_id": verdict.engine_id,
                "incarnation": verdict.incarnation,
                "created": time_text(verdict.created_ts),
                "records": verdict.records,
                "orders": verdict.orders,
                "orders_by_state": verdict.orders_by_state,
                "open_orders": verdict.open_orders,
                "fills": verdict.fills,
                "positions": verdict.positions,
                "removed_records": verdict.removed_records,
                "removed_orders": verdict.removed_orders,
                "checks": check_rows(verdict.checks),
                "defects": [text for check in verdict.checks for text in check.examples],
                "digest": verdict.digest or None,
            }
        )
    else:
        _print(verdict)
    return HOLDS if verdict.is_whole else CHECK_FAILED


def _cannot_be_opened(args: argparse.Namespace, error: JournalCorrupt) -> int:
    """It is a journal, and so damaged that it does not open."""
    if args.json:
        integrity = Check("integrity", 0, 1, (str(error),))
        print_json(
            {
                "journal": args.journal,
                "whole": False,
                "checks": check_rows([integrity]),
                "defects": [str(error)],
                "digest": None,
            }
        )
    else:
        console().print(f"Journal {shown(args.journal)}\n{shown(error, 2000)}")
        console().print("the journal is DAMAGED")
    return CHECK_FAILED


def _print(verdict: Verdict) -> None:
    out = console()
    out.print(f"Journal {shown(verdict.journal)}")
    out.print(
        f"  engine {shown(verdict.engine_id)}, incarnation {shown(verdict.incarnation)},"
        f" created {time_text(verdict.created_ts)}"
    )
    out.print(
        f"  {verdict.records:,} records, {verdict.orders:,} orders ({verdict.open_orders:,} open),"
        f" {verdict.fills:,} fills, {verdict.positions:,} positions\n"
    )
    if verdict.removed_records:
        out.print(
            f"  retention removed {verdict.removed_records:,} records:"
            f" {verdict.removed_orders:,} closed orders are judged by their tombstones, positions"
            " from the last checkpoint on\n"
        )
    if verdict.in_use:
        out.print("  a system has it open: its facts were judged, its other rows were not\n")
    states = [(state, f"{count:,}") for state, count in verdict.orders_by_state.items()]
    print_table("Orders", (("state", ""), ("orders", ">")), states)
    print_checks(verdict.checks)
    if verdict.digest:
        out.print(f"\ndigest {verdict.digest}")
    out.print("the journal is whole" if verdict.is_whole else "the journal is DAMAGED")
