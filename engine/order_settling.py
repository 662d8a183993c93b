"""A person's word about an order: all there is when no venue answers, and recorded as theirs."""

from __future__ import annotations

from .errors import InvalidValue
from .messages import Accepted, Cancelled, Expired, Rejected, SettleOrder
from .order import Ledger, Order, Step
from .order_acks import on_accepted
from .order_ends import on_cancelled, on_expired, on_rejected
from .order_moves import replace
from .values import OrderState, Source

__all__ = ["on_settle"]


def on_settle(order: Order, ledger: Ledger, m: SettleOrder) -> Step:
    """A person states what became of it.

    All there is when no venue answers, and recorded as theirs.
    """
    statement = f"operator: {m.statement}"
    cid = m.client_order_id
    if m.state is OrderState.ACCEPTED:
        word = Accepted(cid, m.ts, source=Source.OPERATOR, sent_ts=m.ts)
        found = on_accepted(order, ledger, word)
    elif m.state is OrderState.CANCELLED:
        found = on_cancelled(order, ledger, Cancelled(cid, m.ts, None, statement))
    elif m.state is OrderState.EXPIRED:
        found = on_expired(order, ledger, Expired(cid, m.ts, statement))
    elif m.state is OrderState.REJECTED:
        found = on_rejected(order, ledger, Rejected(cid, m.ts, statement))
    else:
        raise InvalidValue(
            "an order can be settled as ACCEPTED, CANCELLED, EXPIRED or REJECTED, not as"
            f" {m.state.name}; state fills as executions"
        )
    settled = replace(
        found.order,
        requests=(),
        unverified=False,
        claim_qty=min(found.order.claim_qty, order.cum_qty),
    )
    return Step(settled, found.verdict, True, anomaly=found.anomaly)
