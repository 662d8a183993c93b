"""``orderwright replay``: recorded order flow through the running system, and its report."""

from __future__ import annotations

import argparse
import gc
import signal
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .cli_output import (
    CHECK_FAILED,
    HOLDS,
    INTERRUPTED,
    check_rows,
    console,
    error_line,
    position_objects,
    print_checks,
    print_json,
    print_positions,
    print_table,
    progress_bar,
    shown,
)
from .replay import Interrupted, Report, replay
from .replay_io import count_rows

__all__ = ["interruptible", "run"]


def run(args: argparse.Namespace) -> int:
    """Replay what ``args`` name."""
    total = None if args.json else count_rows(args.files[0], args.limit)
    name = Path(args.files[0]).name
    shown_bar = progress_bar(name, total, quiet=args.json)
    with shown_bar as bar, interruptible() as stopped, _rare_collections():

        def progress(messages: int, row: int) -> None:
            bar(row, f"{messages:,} messages")

        try:
            report = replay(
                args.files,
                format=args.format,
                journal=args.journal,
                limit=args.limit,
                progress=progress,
                stop=stopped,
            )
        except Interrupted as stop:
            error_line(str(stop))
            return INTERRUPTED
    if args.json:
        print_json(
            {
                "recording": report.recording,
                "format": report.format,
                "messages": report.messages,
                "orders": report.orders,
                "orders_by_state": report.orders_by_state,
                "fills": report.fills,
                "duplicates": report.duplicates,
                "late": report.late,
                "quarantined": report.quarantined,
                "positions": position_objects(report.positions),
                "checks": check_rows(report.checks),
                "digest": report.digest,
                "seconds": round(report.seconds, 6),
                "messages_per_s": round(report.messages_per_s, 1),
            }
        )
    else:
        _print(report, args.journal)
    return CHECK_FAILED if report.failed else HOLDS


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Collect rarely: what a replay makes has no cycles and is kept (a sixth of its time)."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _print(report: Report, journal: str | None) -> None:
    out = console()
    out.print(f"{shown(report.recording)} ({report.format})")
    went_on = f" (went on at {report.resumed_at:,})" if report.resumed_at else ""
    out.print(
        f"{report.messages:,} messages{went_on}, {report.orders:,} orders, {report.fills:,} fills"
        f" in {report.seconds:.2f} s: {report.messages_per_s:,.0f} messages/s"
    )
    out.print(
        f"{report.duplicates:,} added nothing, {report.late:,} came late,"
        f" {report.quarantined:,} were quarantined\n"
    )
    states = [(state, f"{count:,}") for state, count in report.orders_by_state.items()]
    print_table("Orders", (("state", ""), ("orders", ">")), states)
    print_positions(report.positions)
    print_checks(report.checks)
    out.print(f"\ndigest {report.digest}")
    if journal is not None:
        out.print(f"journal {shown(journal)}: ask it with `orderwright explain` and `verify`")
    failed = report.failed
    verdict = f"{failed} of {len(report.checks)} checks FAILED" if failed else "all checks hold"
    out.print(verdict)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a question asked between turns; the second one ends at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(_: int, __: types.FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
