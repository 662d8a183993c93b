"""Rules that always hold, by name.

Checked after each step in production, and by the test kit after each of its own.

A breach is a bug in us, never an answer to a caller: :class:`~engine.errors.InvariantViolated`,
worded positively and with the values. The checks are cheap (a few comparisons), so they stay on.
"""

from __future__ import annotations

from collections.abc import Iterable

from .errors import InvariantViolated
from .messages import Feeds
from .order import BookingKind, Ledger, Order, Step, leaves_qty
from .order_tables import TERMINAL, Life
from .values import ZERO

__all__ = ["check_ledger", "check_order", "check_step"]


def _broken(rule: str, was: object, order: Order) -> InvariantViolated:
    return InvariantViolated(
        f"Invariant: {rule}, was {was} (order {order.terms.client_order_id!r} in {order.life.name})"
    )


_BOOK, _POSITION = BookingKind.BOOK, Feeds.POSITION
_FILLED, _IN_DOUBT = Life.FILLED, Life.IN_DOUBT


def check_step(before: Order, step: Step) -> None:
    """What must hold between an order, a step and the order after it.

    Raises:
        InvariantViolated: naming the rule; the step has not been taken over yet.
    """
    after = step.order
    cum = after.cum_qty
    if cum is not before.cum_qty:
        if cum < ZERO:
            raise _broken("cum_qty >= 0", cum, after)
        if not step.bookings:
            raise _broken("cum_qty moves only by executions", f"{before.cum_qty} -> {cum}", after)
    elif step.bookings and len(step.bookings) == 1 and step.bookings[0].kind is _BOOK:
        if step.bookings[0].fill.feeds is not _POSITION:
            raise _broken("a booked execution moves cum_qty", cum, after)
    life = after.life
    if life in TERMINAL:
        if step.request is not None and before.life is not _FILLED:
            raise _broken("a terminal order sends nothing", step.request, after)
        if life is _FILLED and (after.order_qty is None or cum < after.order_qty):
            raise _broken("FILLED means cum_qty >= order_qty", f"{cum} of {after.order_qty}", after)
    elif cum and after.order_qty is not None and cum >= after.order_qty:
        raise _broken("a working order is not complete", f"{cum} of {after.order_qty}", after)
    if life is _IN_DOUBT and after.doubt is None:
        raise _broken("IN_DOUBT says what is in doubt", after.doubt, after)


def check_order(order: Order) -> None:
    """What must hold of an order by itself.

    Raises:
        InvariantViolated: naming the rule.
    """
    leaves = leaves_qty(order)
    if leaves is not None and leaves < ZERO:
        raise _broken("leaves_qty >= 0", leaves, order)
    if order.life in TERMINAL and leaves != ZERO:
        raise _broken("leaves_qty is 0 once ended", leaves, order)
    if order.claim_qty < ZERO:
        raise _broken("claim_qty >= 0", order.claim_qty, order)
    ids = [out.req_id for out in order.requests]
    if len(dict.fromkeys(ids)) != len(ids):
        raise _broken("outstanding requests have different ids", ids, order)


def check_ledger(order: Order, ledger: Ledger | None) -> None:
    """``cum_qty`` and ``cum_cost`` are the sums over the live fills that feed the order.

    Raises:
        InvariantViolated: naming the rule and both numbers.
    """
    fills: Iterable = () if ledger is None else ledger.live()  # type: ignore[type-arg]
    qty = cost = ZERO
    for fill in fills:
        if fill.feeds is not Feeds.POSITION:
            qty += fill.last_qty
            cost += fill.last_qty * fill.last_px
    if qty != order.cum_qty:
        raise _broken("cum_qty is the sum of live fills", f"{order.cum_qty} against {qty}", order)
    if cost != order.cum_cost:
        raise _broken(
            "cum_cost is the sum over live fills", f"{order.cum_cost} against {cost}", order
        )
