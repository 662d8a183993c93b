"""Closes that a group makes itself, and what would be in their way."""

from __future__ import annotations

from engine.group_actions import Close
from engine.messages import CancelOrder, SubmitOrder
from engine.order import Order, has_questions
from engine.order_links import is_held
from engine.order_tables import TERMINAL, Life
from engine.values import OrderType, TimeInForce

from .roles import BrokerRole, GroupsRole

__all__ = ["close_terms", "is_clear", "rests"]


def close_terms(action: Close) -> SubmitOrder:
    """The order that closes what the exits should have, or buys back what they closed too much."""
    like = action.exits.order
    return SubmitOrder(
        "", like.venue, like.account, like.instrument,
        like.side.opposite if action.back else like.side, OrderType.MARKET,
        action.order_qty, time_in_force=TimeInForce.IOC,
        reduce_only=like.reduce_only and not action.back, slot=like.slot, tags=like.tags,
        closes=True,
    )  # fmt: skip


def rests(order: Order) -> bool:
    """Whether an order is, or will be, in the book."""
    return order.terms.order_type is OrderType.LIMIT or order.life is Life.TRIGGERED


def is_clear(terms: SubmitOrder, broker: BrokerRole, desk: GroupsRole) -> bool:
    """Take down our own orders that a close would meet in the book, where a venue cancels it for
    that (a self-trade rule); whether their ends are confirmed.

    One that the venue is asked about is not waited for, nor cancelled meanwhile: its answer would
    never come.
    """
    clear = True
    ts = broker.turn.time_ns()
    for actor in list(broker.orders.values()):
        order = actor.order
        mine = order.terms
        meets = mine.instrument == terms.instrument and mine.side is not terms.side
        if not meets or not rests(order) or order.life in TERMINAL or is_held(order):
            continue
        if has_questions(order):
            continue
        clear = False
        if not any(out.is_cancel for out in order.requests):
            cid = mine.client_order_id
            broker.deliver(actor, CancelOrder(cid, desk.req_id(), ts, "in_the_way"))
    return clear
