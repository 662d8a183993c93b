"""``orderwright explain``: a group, and the kin of an order that is in one."""

from __future__ import annotations

from collections.abc import Iterable

from .cli_output import Column, Json, console, decimal_text, print_table, shown, time_text
from .explaining_groups import GroupStory, Kin

__all__ = ["group_object", "kin_objects", "print_group", "print_kin"]

_COLUMNS: tuple[Column, ...] = (
    ("", ""), ("leg", ""), ("role", ""), ("order", ""), ("side", ""), ("state", ""),
    ("quantity", ">"), ("filled", ">"),
)  # fmt: skip


def print_group(told: GroupStory) -> None:
    """Print the chain of a group for a person."""
    out, terms = console(), told.terms
    out.print(f"Group {shown(told.group_id)}: {told.state}")
    out.print(f"  at       {shown(terms.venue)}, account {shown(terms.account)}")
    out.print(f"  protect  within {terms.protect_within_ns / 1e9:g} s")
    for name, text in terms.tags:
        out.print(f"  tag      {shown(name)} = {shown(text)}")
    for line in told.tree:
        out.print(f"  {shown(line, 400)}", soft_wrap=True)
    out.print()
    for moment in told.moments:
        head = f"{moment.seq:>6}  {time_text(moment.ts)}  {moment.fact:12} -> {moment.state}"
        out.print(head, soft_wrap=True)
        if moment.note:
            out.print(f"        {shown(moment.note, 400)}", soft_wrap=True)
    out.print()
    print_table("Orders", _COLUMNS[1:], [row[1:] for row in _rows(told.orders)])
    out.print(f"End: {told.state}")


def print_kin(group_id: str, kin: Iterable[Kin]) -> None:
    """Print the other orders of an order's group."""
    rows = _rows(kin)
    if rows:
        print_table(f"Group {shown(group_id)}", _COLUMNS, rows)


def _rows(kin: Iterable[Kin]) -> list[tuple[object, ...]]:
    return [
        (
            one.kind,
            one.leg,
            one.role,
            one.client_order_id,
            one.side.value,
            one.state,
            decimal_text(one.order_qty),
            decimal_text(one.cum_qty),
        )
        for one in kin
    ]


def kin_objects(kin: Iterable[Kin]) -> list[Json]:
    """The same for machines."""
    return [
        {
            "kind": one.kind,
            "leg": one.leg,
            "role": one.role,
            "order": one.client_order_id,
            "side": one.side.value,
            "state": one.state,
            "order_qty": decimal_text(one.order_qty),
            "cum_qty": decimal_text(one.cum_qty),
        }
        for one in kin
    ]


def group_object(told: GroupStory) -> dict[str, Json]:
    """A group's chain for machines."""
    return {
        "group": told.group_id,
        "venue": told.terms.venue,
        "account": told.terms.account,
        "protect_within_ns": told.terms.protect_within_ns,
        "tags": dict(told.terms.tags),
        "tree": list(told.tree),
        "facts": [
            {
                "seq": moment.seq,
                "ts": moment.ts,
                "time": time_text(moment.ts),
                "fact": moment.fact,
                "state": moment.state,
                "note": moment.note,
            }
            for moment in told.moments
        ],
        "orders": kin_objects(told.orders),
        "state": told.state,
    }
