"""What a venue says while an order works.

Taken, elected, held, resumed, and requests it is looking at.
"""

from __future__ import annotations

from .messages import Accepted, RequestPending, Resumed, Suspended, Triggered
from .order import Doubt, Ledger, Order, Step
from .order_moves import (
    ENDED,
    ids_with,
    is_newer,
    is_quantity,
    learn,
    moved,
    progress,
    quarantined,
    replace,
    settle_quantity,
)
from .order_tables import LIFE, Life, LifeTrigger
from .statechart import Cell, Verdict
from .values import Source

__all__ = [
    "on_accepted",
    "on_request_pending",
    "on_resumed",
    "on_suspended",
    "on_triggered",
    "revived",
]

_TABLE = LIFE.table
_T = LifeTrigger
_ON_ACK: dict[Life, Cell[Life]] = {life: _TABLE[life, _T.ACK] for life in Life}
_SUBMITTED = Life.SUBMITTED


def on_accepted(order: Order, ledger: Ledger, m: Accepted) -> Step:
    """The venue has it. Never lowers a later state, and ends an end only as newer evidence."""
    life = order.life
    cell = _ON_ACK[life]
    if life is _SUBMITTED and m.order_qty is None:  # the common case, inline
        ids = order.venue_order_ids
        if m.venue_order_id is not None and m.venue_order_id not in ids:
            ids = (*ids, m.venue_order_id)
        return Step(
            Order(
                order.terms,
                cell.target,
                order.link,
                order.requests,
                order.order_qty,
                order.price,
                order.stop_px,
                order.cum_qty,
                order.cum_cost,
                order.claim_qty,
                order.end,
                None,
                order.unverified,
                ids,
                m.ts if m.ts > order.ts else order.ts,
                order.ended_ts,
                order.trigger,
            ),
            cell.verdict,
            True,
        )
    del ledger
    return _accepted(order, m)


def _accepted(order: Order, m: Accepted) -> Step:
    life = order.life
    if _ON_ACK[life].verdict is Verdict.QUARANTINE:
        return quarantined(order)
    if not is_quantity(m.order_qty) or m.order_qty == 0:
        return quarantined(order, "malformed_report")
    if life in ENDED and is_newer(order, m.source, m.sent_ts):
        return revived(order, m.ts, m.venue_order_id)
    told = order
    if m.order_qty is not None and order.order_qty is None:
        told = settle_quantity(replace(order, order_qty=m.order_qty, ts=max(m.ts, order.ts)))
    if life is Life.IN_DOUBT and order.doubt is Doubt.FATE and not _ends_doubt(order, m):
        # it was acknowledged before: a repeated or older ack does not say what became of it
        learnt = learn(told, None, m.venue_order_id)
        return Step(learnt, changed=learnt is not order)
    step = progress(told, _T.ACK, m.ts, m.venue_order_id)
    return step if told is order else Step(step.order, step.verdict, True)


def _ends_doubt(order: Order, m: Accepted) -> bool:
    """An answer to a question asked after the doubt began shows it.

    The stream only repeats itself.
    """
    if m.source is Source.STREAM:
        return False
    return m.source is Source.OPERATOR or m.sent_ts is None or m.sent_ts >= order.ts


def revived(order: Order, ts: int, venue_order_id: str | None) -> Step:
    """Newer, stronger evidence shows it working after an end: the end was false (ib_async#191).

    It stays unverified: a venue's queries may lag behind its stream, so a second answer has to
    agree.
    """
    cell = _TABLE[order.life, _T.REVIVE]
    if cell.verdict is Verdict.QUARANTINE:
        return quarantined(order)
    after = moved(order, cell.target, ts, ids_with(order, venue_order_id))
    after = replace(after, end=None, ended_ts=0, unverified=True)
    return Step(settle_quantity(after), cell.verdict, True, anomaly="false_end")


def on_triggered(order: Order, ledger: Ledger, m: Triggered) -> Step:
    """A stop was elected."""
    del ledger
    return progress(order, _T.TRIGGER, m.ts, m.venue_order_id)


def on_suspended(order: Order, ledger: Ledger, m: Suspended) -> Step:
    """At the venue, not working."""
    del ledger
    return progress(order, _T.HOLD, m.ts, m.venue_order_id)


def on_resumed(order: Order, ledger: Ledger, m: Resumed) -> Step:
    """It works again."""
    del ledger
    return progress(order, _T.RESUME, m.ts, m.venue_order_id)


def on_request_pending(order: Order, ledger: Ledger, m: RequestPending) -> Step:
    """The venue has the request.

    No news, unless we had lost sight of it (FIX pending acks change nothing).
    """
    del ledger
    for out in order.requests:
        if out.req_id == m.req_id and out.unknown:
            rest = tuple(
                replace(one, unknown=False) if one is out else one for one in order.requests
            )
            return Step(replace(order, requests=rest, ts=max(m.ts, order.ts)), changed=True)
    return Step(order)
