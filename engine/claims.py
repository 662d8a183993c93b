"""When executions disprove a total that a venue stated. Pure: time is an argument.

A total above our fills counts at once, whatever its age, and executions are fetched. Most claims
end by those. One that is false would stay for ever: stated before a bust and told after it, or
simply wrong. It ends by :func:`disproven`; where that cannot be, a person is told (the order is on
the hand-over list) and settles it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from .capabilities import Capabilities
from .messages import OrderSnapshot, VenueStatus
from .order import Order

__all__ = ["READS_NEEDED", "Claimed", "disproven", "is_claiming", "restates"]

#: How many complete lists of executions in a row must not explain a claim before it is disproven.
READS_NEEDED: Final = 3


def is_claiming(order: Order) -> bool:
    """Whether its venue has stated more than our fills come to."""
    return order.claim_qty > order.cum_qty


class Claimed:
    """A total that our fills do not explain: when it was last stated, and how many complete lists
    of executions, asked for later, did not explain it either.
    """

    __slots__ = ("asked", "reads", "total", "ts")

    def __init__(self, total: Decimal, ts: int) -> None:
        self.total = total
        self.ts = ts
        self.asked = 0
        self.reads = 0


def restates(order: Order, seen: OrderSnapshot, total: Decimal) -> bool:
    """Whether a look at an order says again that so much of it has filled."""
    told = seen.cum_qty
    if told is None and seen.status is VenueStatus.FILLED:
        told = order.order_qty if seen.order_qty is None else seen.order_qty
    return told is not None and told >= total


def disproven(order: Order, able: Capabilities, claimed: Claimed, sent_ts: int) -> bool:
    """Whether one more complete list of executions, asked for at ``sent_ts``, disproves a claim.

    The caller has seen that the list reaches back beyond the order's beginning and that our fills
    are all it shows of the order. Needed besides: a venue whose lists of executions are complete;
    :data:`READS_NEEDED` of them in a row; each asked for after the last fact of the order, and so
    long after the claim was last stated that nothing of it can be under way or hidden any more. A
    venue that goes on stating it when asked by id is believed: that outranks a list.
    """
    if not able.executions_complete or order.claim_qty != claimed.total:
        return False
    lag_ns = able.visibility_lag_ns
    if sent_ts <= max(order.ts, order.ended_ts) + lag_ns:
        return False
    if sent_ts <= claimed.ts + able.request_window_ns + lag_ns:
        return False
    return claimed.reads + 1 >= READS_NEEDED
