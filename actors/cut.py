"""A checkpoint that is being written, and how things were at the record it is of (C).

Everything but an order is an immutable value: to hold it is to have it as it was. Orders are live
while the checkpoint is written, so those that change before their entry is written are kept aside,
each as the undo list of the turn that changed it says it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any, NamedTuple, TypeAlias

from engine.order import Ledger, Order

from .broker_words import Thaw
from .roles import BrokerRole, OrderRole
from .segments import Kind

__all__ = ["Cut", "Item", "Was"]

#: An open order as it was: with its ledger, and whether it was frozen. None: it was not open.
Was: TypeAlias = tuple[Order, Ledger | None, bool] | None

#: One thing that a turn did to an order: its actor; the order before, or None for a freeze; and
#: what undoes it.
_Step: TypeAlias = tuple[OrderRole, Order | None, Any]


class Item(NamedTuple):
    """What is not an open order."""

    kind: Kind
    name: str
    value: object  # None: it is gone
    mark: object  # what it is known by among what was written; None for an order


class Cut:
    """What is still to be written of a checkpoint, and what was."""

    def __init__(self, first: int, orders: dict[str, None], items: list[Item], facts: int) -> None:
        self.first = first
        self.next = first  # the number of the next segment
        self.orders = orders  # ids whose entries are still to be written
        self.items = items
        self.facts = facts  # since the checkpoint before
        self.before: dict[str, Was] = {}  # of those orders, the ones that changed since C
        self.staged_orders: list[str] = []  # with the turn that is not committed yet
        self.staged_items: list[Item] = []
        self.given_up: list[int] = []  # segments that go when it is finished
        self.done: list[tuple[Kind, str, bool]] = []
        self.done_marks: list[object] = []

    def put_back(self) -> None:
        """What was staged with a turn that was discarded is still to be written."""
        if self.staged_orders or self.staged_items:
            self.orders.update(dict.fromkeys(self.staged_orders))
            self.items += self.staged_items
            self.staged_orders, self.staged_items = [], []
            self.next -= 1

    def remember(self, undo: Iterable[tuple[Any, Any, Any]]) -> None:
        """Keep the orders that a turn changed as they were before it; before its commit."""
        steps: dict[str, list[_Step]] = {}
        for entity, before, extra in undo:
            step: _Step
            if isinstance(entity, OrderRole):
                cid = before.terms.client_order_id
                step = entity, before, extra
            elif isinstance(entity, Thaw):
                cid = before.order.terms.client_order_id
                step = before, None, extra
            elif isinstance(entity, BrokerRole):  # it was introduced in this turn, so not open
                if before in self.orders:
                    self.before.setdefault(before, None)
                continue
            else:
                continue
            if cid in self.orders and cid not in self.before:
                steps.setdefault(cid, []).append(step)
        for cid, mine in steps.items():
            self.before[cid] = _unwound(mine)


def _unwound(steps: list[_Step]) -> Was:
    """An order as it was before these steps of one turn."""
    actor = steps[0][0]
    order, ledger, frozen = actor.order, actor.ledger, actor.frozen
    if ledger is not None:
        ledger = copy(ledger)
        ledger.fills = dict(ledger.fills or {})
    for _, before, extra in reversed(steps):
        if before is None:
            frozen = extra
            continue
        order = before
        if extra is not None and ledger is not None:
            ledger.undo(*extra)
    return order, ledger, frozen
