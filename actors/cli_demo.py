"""``orderwright demo``: the story told on a terminal, and what it came to.

On a terminal a live table follows the orders; elsewhere (a pipe, a log) the same story is plain
lines. Virtual time decides what happens, so watching it slowly changes nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from engine.errors import UserError
from engine.messages import (
    Event,
    GroupChanged,
    OrderEvent,
    OrderPending,
    OrderSubmitted,
    ProtectionChanged,
    VenueDown,
    VenueUp,
)
from engine.recordings import Check

from .cli_explain import print_explanation
from .cli_output import (
    CHECK_FAILED,
    HOLDS,
    INTERRUPTED,
    Json,
    check_rows,
    console,
    decimal_text,
    error_line,
    position_objects,
    print_checks,
    print_json,
    print_positions,
    print_table,
    shown,
)
from .cli_replay import interruptible
from .demo import START_NS, Stage
from .demo_story import SCENES, WORTH_EXPLAINING, Scene
from .explaining import Explanation, explain
from .portfolio import Amounts, Portfolio
from .protection import ProtectionReport
from .replay_checks import FinalState, generic_checks

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["run"]

_ROWS: Final = 18
_PAUSE_S: Final = 0.025  # of real time, where somebody watches


class _Stopped(UserError):
    """Somebody pressed Ctrl-C."""


class _Ending:
    """What the story came to, read before the system stops."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        self.state = FinalState(stage.system)
        self.portfolio: Portfolio = stage.system.portfolio(stage.marks()).get()
        self.protection: ProtectionReport = stage.system.protection().get()
        failures = sum(b.counters.failures for b in stage.system.brokers.values())
        reports = sum(b.counters.reports for b in stage.system.brokers.values())
        self.checks: list[Check] = [
            *generic_checks(stage.system, self.state, reports, failures),
            _agreement(stage, self.portfolio),
        ]
        self.refused = stage.refused
        self.statistics = stage.journal.statistics()
        self.virtual_seconds = (stage.clock.time_ns() - START_NS) / 1e9
        self.seconds = seconds
        names = [name for name in WORTH_EXPLAINING if name in stage.tickets]
        self.explained: Explanation = explain(
            stage.journal, stage.tickets[names[0]].client_order_id
        )


def run(args: argparse.Namespace) -> int:
    """Tell the story."""
    began = time.perf_counter()
    teller: _Teller = _Silent() if args.json else _Live() if sys.stdout.isatty() else _Plain()
    try:
        with interruptible() as stopped, teller.telling():
            ending = _tell(args, teller, stopped, began)
    except _Stopped as stop:
        error_line(str(stop))
        return INTERRUPTED
    if args.json:
        print_json(_object(args, ending))
    else:
        _print(args, ending)
    return CHECK_FAILED if any(check.failed for check in ending.checks) else HOLDS


def _tell(
    args: argparse.Namespace, teller: _Teller, stopped: Callable[[], bool], began: float
) -> _Ending:
    def pause() -> None:
        if stopped():
            raise _Stopped("interrupted; the journal, if there is one, is whole")
        teller.pause()

    stage = Stage(args.seed, args.journal, teller.saw, pause)
    try:
        for scene in SCENES:
            teller.scene(scene)
            scene.play(stage)
        stage.cancel_all()
        return _Ending(stage, time.perf_counter() - began)
    finally:
        stage.close()


def _agreement(stage: Stage, portfolio: Portfolio) -> Check:
    """What we hold is what the exchanges say we hold."""
    theirs = {
        (venue.name, held.instrument, held.slot): held.qty
        for venue in (stage.spot, stage.perp)
        for held in venue.market.exchange.positions(venue.account)
    }
    bad = [
        f"{held.instrument}: {held.qty} here, {there} there"
        for held in portfolio.positions
        if (there := theirs.get((held.venue, held.instrument, held.slot))) != held.qty
    ]
    return Check("positions_as_the_exchanges_have_them", len(theirs), len(bad), tuple(bad))


# --- telling it ----------------------------------------------------------------------------------


class _Teller:
    """How the story is told."""

    @contextmanager
    def telling(self) -> Iterator[None]:
        """While it is told."""
        yield

    def scene(self, scene: Scene) -> None:
        """A scene begins."""

    def saw(self, ts: int, event: Event) -> None:
        """Something became true."""

    def pause(self) -> None:
        """Virtual time has passed."""


class _Silent(_Teller):
    """With ``--json`` only the end is printed."""


class _Plain(_Teller):
    """Lines, for a pipe or a log."""

    def __init__(self) -> None:
        self._protected: dict[str, str] = {}

    def scene(self, scene: Scene) -> None:
        """Its title and what to watch."""
        sys.stdout.write(f"\n{scene.title}: {scene.text}\n")

    def saw(self, ts: int, event: Event) -> None:
        """One line where something changed that is worth one."""
        seconds = (ts - START_NS) / 1e9
        if isinstance(event, ProtectionChanged):
            before = self._protected.get(event.instrument)
            self._protected[event.instrument] = event.state
            if before == event.state:
                return  # only how much of it has changed
        line = _line(event)
        if line:
            sys.stdout.write(f"  {seconds:7.3f} s  {line}\n")


def _line(event: Event) -> str:
    if isinstance(event, OrderPending | OrderSubmitted):
        return ""
    if isinstance(event, OrderEvent):
        of = "?" if event.order_qty is None else decimal_text(event.order_qty)
        at = "" if event.avg_px is None else f" at {event.avg_px:.8g}"
        why = f"  ({shown(event.reason)})" if event.reason else ""
        kind = type(event).__name__.removeprefix("Order")
        return (
            f"{shown(event.intent_id):15} {event.side.value:4} {shown(event.instrument):9}"
            f" {kind:16} {event.state.value:15} {decimal_text(event.cum_qty)} of {of}{at}{why}"
        )
    if isinstance(event, GroupChanged):
        return f"{shown(event.intent_id):15} the group is {event.state.value}"
    if isinstance(event, ProtectionChanged):
        waited = f" after {event.naked_ns / 1e6:.0f} ms" if event.naked_ns else ""
        return (
            f"{shown(event.instrument):15} {event.state.lower()}: stops cover"
            f" {decimal_text(event.covered_qty)} of {decimal_text(event.held_qty)}{waited}"
        )
    if isinstance(event, VenueDown):
        return f"{shown(event.venue)} is down: {shown(event.detail)}"
    if isinstance(event, VenueUp):
        return f"{shown(event.venue)} is up and reconciled"
    return ""


class _Live(_Teller):
    """A table that follows the orders."""

    def __init__(self) -> None:
        self._orders: dict[str, OrderEvent] = {}
        self._scene: Scene | None = None
        self._update: Callable[[], object] = lambda: None

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Own the screen's bottom while the story is told."""
        from rich.live import Live  # noqa: PLC0415  # the command line starts fast

        with Live(console=console(), auto_refresh=False, transient=True) as live:
            self._update = lambda: live.update(self._table(), refresh=True)
            yield

    def scene(self, scene: Scene) -> None:
        """Say what to watch."""
        self._scene = scene
        self._update()
        time.sleep(14 * _PAUSE_S)

    def saw(self, ts: int, event: Event) -> None:
        """Keep the latest of each order, the freshest last."""
        if isinstance(event, OrderEvent):
            self._orders.pop(event.intent_id, None)
            self._orders[event.intent_id] = event

    def pause(self) -> None:
        """Show, and give the eye time."""
        self._update()
        time.sleep(_PAUSE_S)

    def _table(self) -> Table:
        from rich import box  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        title = "" if self._scene is None else f"{self._scene.title}: {self._scene.text}"
        table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, expand=True)
        for name in ("order", "at", "", "instrument", "state"):
            table.add_column(name)
        for name in ("filled", "of", "average"):
            table.add_column(name, justify="right", no_wrap=True)
        for event in list(self._orders.values())[-_ROWS:]:
            color = _COLORS.get(event.state.value, "yellow")
            table.add_row(
                Text(shown(event.intent_id)),
                Text(shown(event.venue)),
                Text(event.side.value),
                Text(shown(event.instrument)),
                Text(event.state.value, style=color),
                Text(decimal_text(event.cum_qty) or ""),
                Text(decimal_text(event.order_qty) or "?"),
                Text("" if event.avg_px is None else f"{event.avg_px:.7g}"),
            )
        return table


_COLORS: Final = {
    "FILLED": "green",
    "CANCELLED": "dim",
    "EXPIRED": "dim",
    "REJECTED": "red",
    "DENIED": "red",
    "IN_DOUBT": "bold red",
}


# --- the report ----------------------------------------------------------------------------------


def _object(args: argparse.Namespace, ending: _Ending) -> dict[str, Json]:
    portfolio = ending.portfolio
    return {
        "seed": args.seed,
        "orders": len(ending.state),
        "orders_by_state": ending.state.by_state(),
        "fills": ending.state.fills(),
        "refused_unwritten": [{"intent": name, "why": why} for name, why in ending.refused],
        "positions": position_objects(portfolio.positions),
        "realized_pnl": _amounts(portfolio.realized_pnl),
        "unrealized_pnl": _amounts(portfolio.unrealized_pnl),
        "fees": _amounts(portfolio.fees),
        "time_to_protection_ms": {
            "positions": ending.protection.count,
            "p50": _ms(ending.protection.p50_ns),
            "p99": _ms(ending.protection.p99_ns),
        },
        "checks": check_rows(ending.checks),
        "journal": {
            "file": args.journal,
            "records": ending.statistics.last_seq,
            "commits": ending.statistics.appends,
            "bytes": ending.statistics.file_bytes + ending.statistics.wal_bytes,
        },
        "explained": ending.explained.client_order_id,
        "digest": ending.state.digest,
        "virtual_seconds": round(ending.virtual_seconds, 3),
        "seconds": round(ending.seconds, 3),
    }


def _ms(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else duration_ns / 1e6


def _amounts(amounts: Amounts) -> dict[str, Json]:
    return {currency: decimal_text(amount) for currency, amount in amounts}


def _print(args: argparse.Namespace, ending: _Ending) -> None:
    out = console()
    out.print("\nWhat it came to")
    states = [(state, f"{count:,}") for state, count in ending.state.by_state().items()]
    print_table("Orders", (("state", ""), ("orders", ">")), states)
    if ending.refused:
        title = "Refused before anything was written"
        print_table(title, (("intent", ""), ("why", "")), ending.refused)
    print_positions(ending.portfolio.positions)
    for title, amounts in (
        ("realised", ending.portfolio.realized_pnl),
        ("unrealised", ending.portfolio.unrealized_pnl),
        ("fees paid", ending.portfolio.fees),
    ):
        text = ", ".join(f"{amount:.8g} {shown(currency)}" for currency, amount in amounts)
        out.print(f"  {title:10} {text or '-'}")
    waited = ending.protection
    if waited.count:
        times = f"p50 {_ms(waited.p50_ns):g} ms, p99 {_ms(waited.p99_ns):g} ms"
        out.print(f"  time to a stop: {times} from the first fill, {waited.count} positions")
    print_checks(ending.checks)
    asked = f"orderwright explain {ending.explained.terms.intent_id} --journal ..."
    out.print(f"\nOne of them, explained (`{asked}`):\n")
    print_explanation(ending.explained)
    where = "memory" if args.journal is None else shown(args.journal)
    statistics = ending.statistics
    out.print(
        f"\njournal in {where}: {statistics.last_seq:,} records in {statistics.appends:,} commits"
    )
    out.print(
        f"{ending.virtual_seconds:.1f} s of market in {ending.seconds:.1f} s;"
        f" digest {ending.state.digest}"
    )
    if args.journal is not None:
        out.print(f"ask it: orderwright explain ORDER --journal {where}")
        out.print(f"        orderwright verify {where}")
