"""An order on its way in: its id as text, the copy that is journalled, and what differs between two."""

from __future__ import annotations

from engine.messages import SubmitOrder
from engine.policies.validation import check_text

from .roles import BrokerRole
from .tickets import Ticket

__all__ = ["difference", "id_of", "stamped"]


def id_of(order: Ticket | str) -> str:
    cid = order if isinstance(order, str) else order.client_order_id
    if not cid.isascii():
        check_text(cid, "client_order_id", len(cid) + 1)
    return cid


def stamped(order: SubmitOrder, intent: str, broker: BrokerRole, cid: str, ts: int) -> SubmitOrder:
    """The order as it is journalled; positional, because every order passes here."""
    return SubmitOrder(
        intent, broker.name, broker.account, order.instrument, order.side, order.order_type,
        order.order_qty,
        order.ts or ts, cid, order.price, order.stop_px, order.trail_offset, order.trigger_source,
        order.time_in_force, order.expire_ts, order.post_only, order.reduce_only, order.slot,
        order.cash_qty, order.attempt, order.tags,
    )  # fmt: skip


_NOT_TERMS = frozenset({"ts", "attempt"})


def difference(one: SubmitOrder, other: SubmitOrder) -> str:
    """Name the first term in which two orders differ."""
    for field in one.__struct_fields__:
        if field not in _NOT_TERMS and getattr(one, field) != getattr(other, field):
            return f"{field} was {getattr(one, field)}, now {getattr(other, field)}"
    return ""
