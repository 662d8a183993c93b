"""``orderwright prune``: forget how closed orders came about."""

from __future__ import annotations

import argparse
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from engine.errors import InvalidValue

from .cli_output import HOLDS, console, print_json, progress_bar, shown, time_text
from .journal import Pruned, SqliteJournal
from .retention import prune
from .stored import checkpoint_seq

__all__ = ["run"]

_DAY_NS: Final = 86_400_000_000_000
_DAYS_MAX: Final = 100_000  # longer than any journal there is


def run(args: argparse.Namespace) -> int:
    """Prune the journal that ``args`` name."""
    journal = SqliteJournal(args.journal, read_only=True)
    if not args.dry_run:  # opened to be read it is not made where there is none
        journal.close()
        journal = SqliteJournal(args.journal)
    try:
        before = _size(args.journal)
        up_to, before_ts = _limit(args, journal)
        with progress_bar(args.journal, up_to, quiet=args.json) as bar:
            pruned = prune(journal, (up_to, before_ts), dry_run=args.dry_run, progress=bar)
        if args.vacuum and not args.dry_run:
            journal.vacuum()
        checkpoint = checkpoint_seq(journal)
    finally:
        journal.close()  # which also moves the write-ahead log into the file
    after = _size(args.journal)
    if args.json:
        print_json(
            {
                "journal": args.journal,
                "dry_run": args.dry_run,
                "checkpoint": checkpoint,
                "up_to": max(up_to, 0),
                "before": None if before_ts is None else time_text(before_ts),
                "removed_records": pruned.removed,
                "removed_bytes": pruned.body_bytes,
                "orders": pruned.orders,
                "packed_bytes": pruned.packed_bytes,
                "kept_records": pruned.kept,
                "file_bytes_before": before,
                "file_bytes_after": after,
            }
        )
    else:
        _print(args, pruned, checkpoint, (before, after))
    return HOLDS


def _limit(args: argparse.Namespace, journal: SqliteJournal) -> tuple[int, int | None]:
    """What may go: orders closed up to a record, and last changed before a time.

    Raises:
        InvalidValue: a bound makes no sense.
    """
    up_to = checkpoint_seq(journal)
    if args.keep_facts is not None:
        if args.keep_facts < 0:
            raise InvalidValue(f"--keep-facts must not be negative, was {args.keep_facts}")
        return max(min(up_to, journal.last_seq - args.keep_facts), 0), None
    if args.before is not None:
        return up_to, _time_ns(args.before)
    if not (math.isfinite(args.keep_days) and args.keep_days >= 0):
        raise InvalidValue(
            f"--keep-days must be a number that is not negative, was {args.keep_days}"
        )
    return up_to, time.time_ns() - round(min(args.keep_days, _DAYS_MAX) * _DAY_NS)


def _time_ns(text: str) -> int:
    """UTC nanoseconds of a date or a date and time."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp()) * 1_000_000_000
    except (ValueError, OverflowError):
        raise InvalidValue(
            f"--before must be a date or time as 2026-01-31 or 2026-01-31T12:00, was {text[:80]!a}"
        ) from None


def _size(journal: str) -> int:
    """Bytes of the file and of its log."""
    path = Path(journal)
    parts = (path, path.with_name(path.name + "-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


def _print(
    args: argparse.Namespace, pruned: Pruned, checkpoint: int, sizes: tuple[int, int]
) -> None:
    out = console()
    out.print(f"Journal {shown(args.journal)}")
    if not checkpoint:
        out.print("  it has no checkpoint, so nothing may go: start and stop its system once")
        return
    would = "would remove" if args.dry_run else "removed"
    out.print(
        f"  {would} {pruned.removed:,} records of {pruned.orders:,} closed orders"
        f" ({pruned.body_bytes:,} bytes of facts), up to the checkpoint of record {checkpoint:,}"
    )
    pack = "would pack" if args.dry_run else "packed"
    out.print(f"  {pack} their tombstones: {pruned.packed_bytes:,} bytes less")
    if args.dry_run:
        out.print(f"  file and log have {sizes[0]:,} bytes; nothing was changed")
    else:
        out.print(f"  file and log had {sizes[0]:,} bytes, and have {sizes[1]:,} now")
        if not args.vacuum and pruned.removed:
            out.print("  the room is used again by what is written next; --vacuum gives it back")
