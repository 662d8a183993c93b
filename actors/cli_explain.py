"""``orderwright explain``: the chain of one order or group, from intent to end."""

from __future__ import annotations

import argparse

from engine.messages import SubmitOrder
from engine.values import OrderType, TimeInForce

from .cli_explain_group import group_object, kin_objects, print_group, print_kin
from .cli_output import (
    HOLDS,
    Column,
    Json,
    console,
    decimal_text,
    print_json,
    print_table,
    short_number,
    shown,
    time_text,
)
from .cli_status import account_object, print_account
from .explaining import Explanation, Moment, explain, find_order
from .explaining_account import explain_account
from .explaining_groups import Kin, explain_group, find_group, kin_of
from .journal import open_journal

__all__ = ["print_explanation", "run"]


def run(args: argparse.Namespace) -> int:
    """Explain the group, the account or the order that ``args`` name."""
    journal = open_journal(args.journal, read_only=True)
    kin: tuple[Kin, ...] = ()
    try:
        if (group_id := find_group(journal, args.order)) is not None:
            story = explain_group(journal, group_id)
            if args.json:
                print_json(group_object(story))
            else:
                print_group(story)
            return HOLDS
        if (account := explain_account(journal, args.order)) is not None:
            if args.json:
                print_json(account_object(account))
            else:
                print_account(account)
            return HOLDS
        told = explain(journal, find_order(journal, args.order))
        if told.terms.group_id:
            kin = kin_of(journal, told.client_order_id, told.terms.group_id)
    finally:
        journal.close()
    if args.json:
        print_json({**_object(told), "group": told.terms.group_id or None, "kin": kin_objects(kin)})
    else:
        print_explanation(told)
        print_kin(told.terms.group_id, kin)
    return HOLDS


def print_explanation(told: Explanation) -> None:
    """Print the chain for a person."""
    out = console()
    out.print(f"Order {shown(told.client_order_id)}: {told.state}")
    introduced = f", {shown(told.introduced)}" if told.introduced else ""
    out.print(f"  intent   {shown(told.terms.intent_id)}{introduced}")
    if told.terms.group_id:
        out.print(f"  group    {shown(told.terms.group_id)}")
    out.print(f"  terms    {shown(_terms(told.terms), 400)}")
    out.print(f"  at       {shown(told.terms.venue)}, account {shown(told.terms.account)}")
    if told.venue_order_ids:
        out.print(f"  venue id {shown(', '.join(told.venue_order_ids))}")
    for name, text in told.terms.tags:
        out.print(f"  tag      {shown(name)} = {shown(text)}")
    for check in told.checks:
        out.print(f"  checked  {shown(check, 400)}")
    if told.removed:
        out.print(f"  removed  {shown(told.removed, 400)}", soft_wrap=True)
    out.print()
    for moment in told.moments:
        _print_moment(moment, told.currency)
    out.print()
    if told.fills:
        fills = [
            (
                time_text(fill.ts),
                fill.exec_id,
                decimal_text(fill.last_qty),
                decimal_text(fill.last_px),
                "-" if fill.fee is None else f"{decimal_text(fill.fee)} {fill.fee_currency}",
                "" if fill.liquidity is None else fill.liquidity.value,
            )
            for fill in told.fills
        ]
        titles: tuple[Column, ...] = (
            ("time (UTC)", ""), ("execution", ""), ("quantity", ">"), ("price", ">"),
            ("fee", ">"), ("", ""),
        )  # fmt: skip
        print_table("Fills", titles, fills)
    of = "" if told.order_qty is None else f" of {decimal_text(told.order_qty)}"
    at = "" if told.avg_px is None else f" at {short_number(told.avg_px)}"
    out.print(f"End: {shown(told.end)}; filled {decimal_text(told.cum_qty)}{of}{at}")
    for currency, amount in told.fees:
        out.print(f"     fees {decimal_text(amount)} {shown(currency)}")


def _terms(terms: SubmitOrder) -> str:
    qty = decimal_text(terms.order_qty) if terms.cash_qty is None else f"{terms.cash_qty} cash of"
    none = "(as much as fills)" if terms.group_id else "(quantity not known)"
    words = [terms.side.value, qty or none, terms.instrument]
    words.append(terms.order_type.value)
    if terms.price is not None:
        words.append(f"at {decimal_text(terms.price)}")
    if terms.stop_px is not None:
        words.append(f"stop {decimal_text(terms.stop_px)}")
    if terms.order_type is OrderType.TRAILING_STOP:
        words.append(f"trailing by {decimal_text(terms.trail_offset)}")
    words.append(terms.time_in_force.value)
    if terms.time_in_force is TimeInForce.GTD and terms.expire_ts is not None:
        words.append(f"until {time_text(terms.expire_ts)}")
    if terms.post_only:
        words.append("post-only")
    if terms.reduce_only:
        words.append("reduce-only")
    if terms.local:
        words.append("trigger watched by the engine")
    return " ".join(words)


def _print_moment(moment: Moment, currency: str) -> None:
    """What happened and what it led to on one line, what proves it below."""
    out = console()
    left = "" if moment.leaves_qty is None else f", {decimal_text(moment.leaves_qty)} left"
    state = f"-> {moment.state}" if moment.state else ""
    out.print(
        f"{moment.seq:>6}  {time_text(moment.ts)}  {moment.fact:14} {state:18}"
        f" {decimal_text(moment.cum_qty)} filled{left}",
        soft_wrap=True,
    )
    said = ", ".join(f"{name} {shown(text, 80)}" for name, text in moment.evidence)
    if moment.source:
        said = f"{moment.source}: {said}" if said else moment.source
    for line in (said, shown(moment.note, 400), _effect(moment, currency)):
        if line:
            out.print(f"        {line}", soft_wrap=True)


def _effect(moment: Moment, currency: str) -> str:
    """What one fact did to the position."""
    if moment.position_after is None:
        return ""
    before, after = decimal_text(moment.position_before), decimal_text(moment.position_after)
    gain = (
        f", P&L {short_number(moment.realized_pnl)} {shown(currency)}"
        if moment.realized_pnl
        else ""
    )
    return f"position {before} -> {after}{gain}"


def _object(told: Explanation) -> dict[str, Json]:
    terms = told.terms
    return {
        "order": told.client_order_id,
        "intent": terms.intent_id,
        "venue_order_ids": list(told.venue_order_ids),
        "venue": terms.venue,
        "account": terms.account,
        "instrument": terms.instrument,
        "terms": _terms(terms),
        "tags": dict(terms.tags),
        "introduced": told.introduced,
        "checks": list(told.checks),
        "facts": [
            {
                "seq": moment.seq,
                "ts": moment.ts,
                "time": time_text(moment.ts),
                "fact": moment.fact,
                "source": moment.source or None,
                "evidence": dict(moment.evidence),
                "state": moment.state,
                "cum_qty": decimal_text(moment.cum_qty),
                "leaves_qty": decimal_text(moment.leaves_qty),
                "note": moment.note,
                "position_before": decimal_text(moment.position_before),
                "position_after": decimal_text(moment.position_after),
                "realized_pnl": decimal_text(moment.realized_pnl),
            }
            for moment in told.moments
        ],
        "fills": [
            {
                "ts": fill.ts,
                "exec_id": fill.exec_id,
                "qty": decimal_text(fill.last_qty),
                "px": decimal_text(fill.last_px),
                "fee": decimal_text(fill.fee),
                "fee_currency": fill.fee_currency,
                "liquidity": None if fill.liquidity is None else fill.liquidity.value,
            }
            for fill in told.fills
        ],
        "state": told.state,
        "order_qty": decimal_text(told.order_qty),
        "cum_qty": decimal_text(told.cum_qty),
        "avg_px": decimal_text(told.avg_px),
        "fees": {currency: decimal_text(amount) for currency, amount in told.fees},
        "end": told.end,
        "removed": told.removed or None,
    }
