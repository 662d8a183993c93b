"""What the command line prints: one JSON object, or text for people in which data stays data.

Text that came from outside (ids, tags, reasons of venues, file names) may hold anything: escape
sequences, newlines, characters that turn the reading direction, a megabyte of it, or rich's own
markup. :func:`shown` is the one way from there to a terminal. JSON is written in ASCII, so it needs
no more than its own escapes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from engine.recordings import Check

from .portfolio import PositionView

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "BAD_INPUT",
    "CHECK_FAILED",
    "HOLDS",
    "INTERRUPTED",
    "Column",
    "check_rows",
    "console",
    "decimal_text",
    "error_line",
    "position_objects",
    "print_checks",
    "print_json",
    "print_positions",
    "print_table",
    "progress_bar",
    "short_number",
    "shown",
    "time_text",
]

HOLDS: Final = 0
CHECK_FAILED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130

_SHOWN_MAX: Final = 200
_WIDTH: Final = 180  # where nobody says how wide it is (a pipe, a file)

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
#: A column's title, and how it is set: "" (left) or ">" (right).
Column: TypeAlias = tuple[str, str]


def shown(text: object, limit: int = _SHOWN_MAX) -> str:
    """Foreign text made safe to print: the unprintable is escaped, what is too long is cut."""
    whole = str(text)
    cut = whole[:limit]
    if not cut.isprintable():
        cut = "".join(one if one.isprintable() else _escape(one) for one in cut)
    return cut if len(whole) <= limit else f"{cut}... ({len(whole)} characters)"


def _escape(one: str) -> str:
    number = ord(one)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def decimal_text(value: Decimal | None) -> str | None:
    """A number as text, never in scientific notation that a reader has to count out."""
    if value is None:
        return None
    return f"{value:f}" if -30 < value.adjusted() < 30 else str(value)


def time_text(ts: int) -> str:
    """UTC with nanoseconds, from UTC nanoseconds."""
    from datetime import UTC, datetime  # noqa: PLC0415  # the command line starts fast

    seconds, nanos = divmod(ts, 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{ts} ns"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{nanos:09d}Z"


def print_json(value: Json) -> None:
    """One object on stdout, in ASCII."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True, allow_nan=False) + "\n")


def error_line(text: str) -> None:
    """One message on stderr."""
    sys.stderr.write(f"orderwright: {shown(text, 2000)}\n")


# --- tables --------------------------------------------------------------------------------------


def console(*, to_stderr: bool = False) -> Console:
    """Where tables and bars go; nothing in a text is read as markup or made into a link."""
    from rich.console import Console  # noqa: PLC0415  # the command line starts fast

    file = sys.stderr if to_stderr else sys.stdout
    return Console(
        file=file,
        markup=False,
        highlight=False,
        emoji=False,
        width=None if file.isatty() else _WIDTH,
    )


def print_table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; every cell is foreign text."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name, kind in columns:
        table.add_column(
            Text(name),
            justify="right" if kind == ">" else "left",
            overflow="fold",  # never cut: half a number is another number
        )
    for row in rows:
        table.add_row(*(Text("" if cell is None else shown(cell)) for cell in row))
    console().print(table)


def position_objects(positions: Sequence[PositionView]) -> list[Json]:
    """Positions as JSON; amounts are text, in ``currency`` where none is named."""
    return [
        {
            "account": held.account,
            "instrument": held.instrument,
            "slot": held.slot.value,
            "qty": decimal_text(held.qty),
            "avg_px": decimal_text(held.avg_px),
            "realized_pnl": decimal_text(held.realized_pnl),
            "currency": held.currency,
            "fees": {currency: decimal_text(amount) for currency, amount in held.fees},
        }
        for held in positions
    ]


def print_positions(positions: Sequence[PositionView]) -> None:
    """Positions as a table; long numbers are rounded for reading, the JSON has every digit."""
    rows = [
        (
            _middle(held.account),
            held.instrument,
            held.slot.value,
            decimal_text(held.qty),
            short_number(held.avg_px),
            f"{short_number(held.realized_pnl)} {held.currency}",
            ", ".join(f"{short_number(amount)} {currency}" for currency, amount in held.fees),
        )
        for held in positions
    ]
    titles = ("account", "instrument", "slot")
    columns = [(name, "") for name in titles]
    columns += [("quantity", ">"), ("average price", ">"), ("realised P&L", ">"), ("fees", ">")]
    print_table("Positions", columns, rows)


def _middle(text: str) -> str:
    """A long id by its beginning and end."""
    return text if len(text) <= 24 else f"{text[:10]}...{text[-10:]}"


def short_number(value: Decimal | None) -> str:
    """At most ten significant digits."""
    if value is None:
        return "-"
    digits = len(value.as_tuple().digits)
    if digits > 10:
        value = value.quantize(Decimal((0, (1,), value.adjusted() - 9)))
    return decimal_text(value.normalize() if value else Decimal(0)) or ""


def check_rows(checks: Sequence[Check]) -> list[Json]:
    """Checks as JSON."""
    return [
        {
            "name": check.name,
            "checked": check.checked,
            "failed": check.failed,
            "examples": list(check.examples),
            "explained": dict(check.explained),
            "notes": list(check.notes),
        }
        for check in checks
    ]


def print_checks(checks: Sequence[Check]) -> None:
    """Checks as a table, and what has to be said about them below it."""
    rows = [
        (
            "FAILED" if check.failed else "ok",
            check.name,
            check.checked,
            check.failed,
            sum(count for _, count in check.explained) or "",
        )
        for check in checks
    ]
    columns = (("", ""), ("check", ""), ("checked", ">"), ("failed", ">"), ("explained", ">"))
    print_table("Checks", columns, rows)
    out = console()
    for check in checks:
        said = [f"FAILED: {example}" for example in check.examples]
        said += [f"{count} explained: {cause}" for cause, count in check.explained]
        said += list(check.notes)
        if said:
            out.print(f"  {check.name}")
            for line in said[:12]:
                out.print(f"      {shown(line, 400)}")
            if len(said) > 12:
                out.print(f"      and {len(said) - 12} more (all of them with --json)")


class Bar(Protocol):
    """A progress bar under way."""

    def __call__(self, done: int, note: str = "") -> None:
        """Show how far it is."""
        ...


def _no_bar(done: int, note: str = "") -> None:
    """Nobody looks."""
    del done, note


@contextmanager
def progress_bar(title: str, total: int | None, *, quiet: bool) -> Iterator[Bar]:
    """A bar on stderr, where a person looks at it; else nothing."""
    if quiet or not sys.stderr.isatty():
        yield _no_bar
        return
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(to_stderr=True), transient=True) as progress:
        task = progress.add_task(shown(title, 40), total=total, note="")

        def show(done: int, note: str = "") -> None:
            progress.update(task, completed=done, note=note)

        yield show
