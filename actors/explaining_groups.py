"""Why a group of contingent orders is what it is: its looks from a journal, and its legs."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from engine.errors import UnknownOrder
from engine.fold import Books, revive
from engine.group import Group, legs_of
from engine.journal import decode_record
from engine.messages import AmendGroup, Contingency, GroupMoved, GroupTerms, Leg, SubmitGroup
from engine.order import Order, public_state
from engine.values import Side

from .journal import Journal
from .recovery import fold_journal

__all__ = ["GroupMoment", "GroupStory", "Kin", "explain_group", "find_group", "kin_of"]

_PREFIX: Final = "group:"


class Kin(msgspec.Struct, frozen=True, kw_only=True):
    """One order of a group, as it stands at the end of the journal."""

    kind: str  # "parent", "child" or "sibling" of the order it is told for; "" for none
    leg: str  # "~exit" ends the name of what the engine closed itself, "~back" what it bought back
    role: str  # "" for what the engine added
    client_order_id: str
    side: Side
    state: str
    order_qty: Decimal | None
    cum_qty: Decimal


class GroupMoment(msgspec.Struct, frozen=True):
    """One fact of a group, and what it says of its legs beyond the fact before."""

    seq: int
    ts: int
    fact: str
    state: str
    note: str


class GroupStory(msgspec.Struct, frozen=True, kw_only=True):
    """The chain of one group."""

    group_id: str
    terms: SubmitGroup
    tree: tuple[str, ...]  # indented lines
    moments: tuple[GroupMoment, ...]
    orders: tuple[Kin, ...]
    state: str


def find_group(journal: Journal, wanted: str) -> str | None:
    """The group of exactly this id; None: the journal has none."""
    records = journal.records(entity=f"{_PREFIX}{wanted}")
    return None if next(iter(records), None) is None else wanted


def explain_group(journal: Journal, group_id: str) -> GroupStory:
    """Tell the chain of a group.

    Raises:
        UnknownOrder: the journal does not have it whole.
        JournalCorrupt: the journal cannot be read.
    """
    group, books = _at_the_end(journal, group_id)
    moments: list[GroupMoment] = []
    before: GroupMoved | None = None
    for record in journal.records(entity=f"{_PREFIX}{group_id}"):
        fact = decode_record(record)
        moved = fact if isinstance(fact, GroupMoved) else None
        moments.append(
            GroupMoment(
                record.seq,
                fact.ts,
                type(fact).__name__,
                "PENDING" if (newest := moved or before) is None else newest.state.value,
                "; ".join(_news(before, moved)) if moved is not None else _move(fact),
            )
        )
        before = moved or before
    return GroupStory(
        group_id=group_id,
        terms=group.terms,
        tree=tuple(_tree(group.terms.root)),
        moments=tuple(moments),
        orders=tuple(_orders(journal, books, group)),
        state=group.state.value,
    )


def kin_of(journal: Journal, order_id: str, group_id: str) -> tuple[Kin, ...]:
    """The other orders of an order's group: its parent, its children, its siblings; nothing where
    retention has removed how the group began.
    """
    try:
        group, books = _at_the_end(journal, group_id)
    except UnknownOrder:
        return ()
    mine = next((name for name, cids in group.slices if order_id in cids), "")
    parents = _parents(group.terms.root, "")
    found: list[Kin] = []
    for one in _orders(journal, books, group):
        if one.client_order_id == order_id:
            continue
        kind = "sibling"
        if parents.get(mine) == one.leg:
            kind = "parent"
        elif parents.get(one.leg.partition("~")[0]) == mine:
            kind = "child"
        found.append(msgspec.structs.replace(one, kind=kind))
    return tuple(found)


def _at_the_end(journal: Journal, group_id: str) -> tuple[Group, Books]:
    books = fold_journal(journal)
    group = books.groups.get(group_id)
    if group is None:
        raise UnknownOrder(f"no group {group_id!a:.80} was introduced in {journal.name}")
    return group, books


def _orders(journal: Journal, books: Books, group: Group) -> Iterator[Kin]:
    roles = {leg.name: leg for leg in legs_of(group.terms.root)}
    for name, cids in group.slices:
        leg = roles.get(name)
        for cid in cids:
            order = books.orders.get(cid) or _closed(journal, cid)
            if order is None:
                continue
            yield Kin(
                kind="",
                leg=name,
                role="" if leg is None else leg.role.value,
                client_order_id=cid,
                side=order.terms.side,
                state=public_state(order).value,
                order_qty=order.order_qty,
                cum_qty=order.cum_qty,
            )


def _closed(journal: Journal, cid: str) -> Order | None:
    """What retention has left of an order."""
    body = journal.closed_order(cid)
    return None if body is None else revive(body)[0]


def _parents(node: Leg | GroupTerms, parent: str) -> dict[str, str]:
    """By leg, the leg whose fills let it go; "" where it waits for none."""
    if isinstance(node, Leg):
        return {node.name: parent}
    found: dict[str, str] = {}
    first = node.members[0]
    for member in node.members:
        waits = node.contingency is Contingency.OTO and member is not first
        found |= _parents(member, first.name if waits and isinstance(first, Leg) else parent)
    return found


def _tree(node: Leg | GroupTerms, depth: int = 0) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(node, GroupTerms):
        yield f"{indent}{node.contingency.value}"
        for member in node.members:
            yield from _tree(member, depth + 1)
        return
    order = node.order
    words = [node.role.value, order.side.value, order.instrument, order.order_type.value]
    if order.order_qty is not None:
        words.insert(2, f"{order.order_qty:f}")
    if order.price is not None:
        words.append(f"at {order.price:f}")
    if order.stop_px is not None:
        words.append(f"stop {order.stop_px:f}")
    if order.local:
        words.append("watched by the engine")
    if node.share is not None:
        words.append(f"for {node.share:f} of it")
    yield f"{indent}{node.name}: {' '.join(words)}"


def _news(before: GroupMoved | None, now: GroupMoved) -> Iterator[str]:
    """What one look added, in words."""
    if before is None:
        return
    had = dict(before.slices)
    for name, cids in now.slices:
        for cid in _added(had.get(name, ()), cids):
            yield f"one more order of {name}: {cid}"
    for earlier, later, words in (
        (before.removed, now.removed, "takes down {}"),
        (before.dropped, now.dropped, "a person cancelled {}"),
        (before.late, now.late, "without a confirmed stop for too long: {}"),
        (before.live, now.live, "{} is to be at the venue in the place of a stop"),
        (now.live, before.live, "{} gives its place back"),
        (before.native, now.native, "the venue keeps what {} stands for"),
        (now.native, before.native, "the engine keeps what {} stands for"),
    ):
        for name in _added(earlier, later):
            yield words.format(name)
    for path, number in now.winners:
        if (path, number) not in before.winners:
            yield f"member {number + 1}{f' of {path}' if path else ''} filled first"
    if now.called_off and not before.called_off:
        yield "called off"
    if now.closing and not before.closing:
        yield "what it holds is to be closed"


def _move(fact: object) -> str:
    """Where a leg is moved to, and by whom."""
    if not isinstance(fact, AmendGroup):
        return ""
    words = [fact.mover.value.lower(), "moves", fact.leg]
    if fact.stop_px is not None:
        words.append(f"to stop {fact.stop_px:f}")
    if fact.price is not None:
        words.append(f"to price {fact.price:f}")
    return " ".join(words if len(words) > 3 else [*words[:1], "begins for", fact.leg])


def _added(before: tuple[str, ...], now: tuple[str, ...]) -> list[str]:
    return [name for name in now if name not in before]
