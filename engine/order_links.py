"""How an order is tied to its siblings: its group says so, and it is a fact of the order."""

from __future__ import annotations

from msgspec.structs import replace

from .errors import InvalidValue
from .messages import LinkOrder, LinkTrigger
from .order import Ledger, Order, Step, is_waiting
from .order_tables import LINK, Life, Link
from .trigger_tables import Trigger

__all__ = ["is_dormant", "is_held", "never_left", "on_link", "relink"]


def is_held(order: Order) -> bool:
    """Whether its group holds it back: it has never left, and cancels and amends of it are ours to
    settle.
    """
    return order.link is Link.HELD and order.life is Life.PENDING


def never_left(order: Order) -> bool:
    """Whether its group holds it back, or the engine watches its trigger: nobody but us knows of
    it.
    """
    return is_held(order) or is_waiting(order)


def is_dormant(order: Order) -> bool:
    """Whether it rests with us, and nothing has happened that it waits for."""
    return is_held(order) or (is_waiting(order) and order.trigger is Trigger.WATCHED)


def relink(order: Order, trigger: LinkTrigger, ts: int) -> Step:
    """Move the link region; its group says when."""
    cell = LINK.table[order.link, trigger]
    if cell.target is order.link:
        return Step(order, cell.verdict)
    return Step(replace(order, link=cell.target, ts=max(ts, order.ts)), cell.verdict, True)


def on_link(order: Order, ledger: Ledger, m: LinkOrder) -> Step:
    """Its group moves the link; a release says for how much the order leaves.

    Raises:
        InvalidValue: a quantity for an order that is not held back: what is at the venue changes by
            the venue's word.
    """
    del ledger
    moved = relink(order, m.trigger, m.ts)
    if m.order_qty is not None and not (is_held(order) and m.trigger is LinkTrigger.ARM):
        raise InvalidValue(
            f"order {m.client_order_id!r} is {order.link.name} and {order.life.name}: only one that"
            f" is held back can be released, for {m.order_qty}"
        )
    if m.order_qty is None or not moved.changed:
        return moved
    return replace(moved, order=replace(moved.order, order_qty=m.order_qty))
