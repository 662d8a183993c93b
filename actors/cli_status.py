"""``orderwright status``: how a journal leaves its accounts, and what is shut there."""

from __future__ import annotations

import argparse

from engine.control import Control
from engine.watched import Monitor

from .cli_output import (
    HOLDS,
    Json,
    console,
    decimal_text,
    print_json,
    print_table,
    shown,
    time_text,
)
from .explaining_account import AccountStory
from .explaining_control import AccountStatus, in_force, status_of
from .journal import open_journal

__all__ = ["account_object", "print_account", "run"]


def run(args: argparse.Namespace) -> int:
    """Say how the journal that ``args`` name leaves its accounts."""
    journal = open_journal(args.journal, read_only=True)
    try:
        accounts = status_of(journal)
    finally:
        journal.close()
    if args.json:
        print_json({"journal": args.journal, "accounts": [_object(one) for one in accounts]})
        return HOLDS
    for one in accounts:
        _print(one)
    if not accounts:
        console().print(f"{shown(args.journal)} holds no account yet")
    return HOLDS


def _print(one: AccountStatus) -> None:
    out = console()
    out.print(f"Account {shown(one.venue)}/{shown(one.account)}")
    for line in in_force(one.control) or ("nothing is shut",):
        out.print(f"  {shown(line)}")
    for switch in one.control.switches:
        said = switch.statement or "no statement"
        out.print(f"    pulled {time_text(switch.ts)}: {shown(said, 400)}", soft_wrap=True)
    for drift in one.watched.drifts:
        what = (
            f"drifted: the venue has {decimal_text(drift.venue_qty)} {drift.instrument}"
            f" {drift.slot.value}, our books {decimal_text(drift.qty)}; entries of it are denied"
            + (" until two looks agree, it was adopted" if drift.adopted else "")
        )
        out.print(f"  {shown(what, 400)}", soft_wrap=True)
    out.print(
        f"  {one.open_orders:,} orders open, {one.held_orders:,} held by their groups,"
        f" {one.unsettled:,} not settled"
    )
    out.print()
    if one.positions:
        rows = [(symbol, slot.value, decimal_text(qty)) for symbol, slot, qty in one.positions]
        print_table("Positions", (("instrument", ""), ("slot", ""), ("quantity", ">")), rows)
    if one.groups:
        print_table("Groups", (("group", ""), ("state", "")), one.groups)
    if one.watched.monitors:
        monitors = [(of.terms.monitor_id, _scope(of), of.fired) for of in one.watched.monitors]
        print_table("Monitors", (("monitor", ""), ("of", ""), ("fired", "")), monitors)


def _scope(monitor: Monitor) -> str:
    """What a monitor watches, in a word or two."""
    terms = monitor.terms
    if terms.group_id:
        return f"group {terms.group_id}"
    return f"{terms.instrument} {terms.slot.value}" if terms.instrument else f"all {terms.currency}"


def _object(one: AccountStatus) -> dict[str, Json]:
    return {
        "venue": one.venue,
        "account": one.account,
        **_shut(one.control),
        "positions": [
            {"instrument": symbol, "slot": slot.value, "qty": decimal_text(qty)}
            for symbol, slot, qty in one.positions
        ],
        "open_orders": one.open_orders,
        "held_orders": one.held_orders,
        "unsettled_orders": one.unsettled,
        "groups": dict(one.groups),
        "drifts": [
            {
                "instrument": drift.instrument,
                "slot": drift.slot.value,
                "qty": decimal_text(drift.qty),
                "venue_qty": decimal_text(drift.venue_qty),
                "adopted": drift.adopted,
                "since": time_text(drift.since_ts),
            }
            for drift in one.watched.drifts
        ],
        "monitors": {
            of.terms.monitor_id: {"of": _scope(of), "fired": of.fired or None}
            for of in one.watched.monitors
        },
    }


def _shut(control: Control) -> dict[str, Json]:
    return {
        "modes": {of: mode.value for of, mode in control.modes},
        "kill_switches": [
            {
                "instrument": one.instrument,
                "ts": one.ts,
                "time": time_text(one.ts),
                "statement": one.statement,
                "slice_share": decimal_text(one.slice_share),
            }
            for one in control.switches
        ],
    }


# --- for explain ----------------------------------------------------------------------------------


def print_account(told: AccountStory) -> None:
    """Print the chain of an account, for a person."""
    out = console()
    out.print(f"Account {shown(told.venue)}/{shown(told.account)}\n")
    for moment in told.moments:
        of = f" of {shown(moment.instrument)}" if moment.instrument else ""
        if moment.after is not None:
            of = of or " of everything"
        what = f" {shown(moment.what, 200)}" if moment.what else ""
        head = f"{moment.seq:>6}  {time_text(moment.ts)}  {moment.fact:12}{of}{what}"
        out.print(head, soft_wrap=True)
        if moment.statement:
            out.print(f"        {shown(moment.statement, 400)}", soft_wrap=True)
        if moment.after is not None:
            out.print(f"        -> {shown('; '.join(moment.after) or 'nothing is shut', 400)}")
    out.print()
    out.print(f"End: {shown('; '.join(in_force(told.control)) or 'nothing is shut', 400)}")


def account_object(told: AccountStory) -> dict[str, Json]:
    """The same for machines; ``in_force`` is null where a fact shut or opened nothing."""
    return {
        "venue": told.venue,
        "account": told.account,
        "facts": [
            {
                "seq": moment.seq,
                "ts": moment.ts,
                "time": time_text(moment.ts),
                "fact": moment.fact,
                "instrument": moment.instrument,
                "what": moment.what or None,
                "statement": moment.statement or None,
                "in_force": None if moment.after is None else list(moment.after),
            }
            for moment in told.moments
        ],
        **_shut(told.control),
    }
