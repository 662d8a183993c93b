"""How an order ends: by the venue's word, or by ours before anything left."""

from __future__ import annotations

from decimal import Decimal

from .messages import Cancelled, Denied, DoneForDay, Expired, OrderSnapshot, Rejected, Withdrawn
from .order import Ledger, Order, Step
from .order_moves import (
    is_quantity,
    is_terminal,
    learn,
    moved,
    quarantined,
    replace,
    settle_quantity,
)
from .order_tables import LIFE, Life, LifeTrigger
from .statechart import Verdict

__all__ = [
    "end",
    "on_cancelled",
    "on_denied",
    "on_done_for_day",
    "on_expired",
    "on_rejected",
    "on_withdrawn",
]

_TABLE = LIFE.table
_T = LifeTrigger


def end(
    order: Order,
    trigger: LifeTrigger,
    life: Life,
    m: Cancelled | Expired | Rejected | OrderSnapshot,
) -> Step:
    """The venue states an end.

    Its total is a claim until our fills explain it; all requests are answered by it.

    What was asked before the last fact is older than what it contradicts: it ends nothing, and the
    venue is asked again.
    """
    stated: Decimal | None = None if isinstance(m, Rejected) else m.cum_qty
    if not is_quantity(stated):
        return quarantined(order, "malformed_report")
    told = learn(order, stated, m.venue_order_id)
    cell = _TABLE[order.life, trigger]
    if cell.verdict is Verdict.QUARANTINE:
        if order.life is Life.FILLED and order.end is None:
            # the end is kept: a bust would leave the order there
            told = replace(told, end=life, ended_ts=m.ts, ts=max(m.ts, order.ts))
        return quarantined(told)
    if (
        m.sent_ts is not None
        and m.sent_ts < order.ts
        and not is_terminal(order)
        and order.life is not Life.IN_DOUBT  # a doubt is no fact: any evidence ends it
    ):
        stale = told if told.unverified else replace(told, unverified=True)
        return Step(stale, changed=stale is not order)
    first = cell.verdict is Verdict.MOVE or (order.life is Life.FILLED and order.end is None)
    if not first:
        if order.requests:
            told = replace(told, requests=())
        return Step(told, cell.verdict, told is not order)
    amended = _amended(order, stated, life)
    ended = Order(
        order.terms,
        cell.target,
        order.link,
        (),
        amended.order_qty,
        amended.price,
        amended.stop_px,
        order.cum_qty,
        order.cum_cost,
        told.claim_qty,
        life,
        None,
        False,
        told.venue_order_ids,
        m.ts if m.ts > order.ts else order.ts,
        m.ts,
        order.trigger,
    )
    return Step(ended if amended is order else settle_quantity(ended), cell.verdict, True)


def _amended(order: Order, stated: Decimal | None, life: Life) -> Order:
    """The order with the terms that its end proves: a total above its quantity says that an amend
    which was not answered has taken effect, and so does the cancel of what would be complete. Else
    its fills would seem to complete it.
    """
    qty = order.order_qty
    if qty is None or not order.requests:
        return order
    total = order.cum_qty if stated is None else max(stated, order.cum_qty)
    if total < qty or (total == qty and life is not Life.CANCELLED):
        return order
    for out in order.requests:
        asked = out.order_qty
        if asked is not None and (asked > total or (asked == total and total > qty)):
            return replace(
                order,
                order_qty=out.order_qty,
                price=order.price if out.price is None else out.price,
                stop_px=order.stop_px if out.stop_px is None else out.stop_px,
            )
    return order


def on_cancelled(order: Order, ledger: Ledger, m: Cancelled) -> Step:
    """The rest is gone."""
    del ledger
    return end(order, _T.CANCEL, Life.CANCELLED, m)


def on_expired(order: Order, ledger: Ledger, m: Expired) -> Step:
    """The time in force ended it."""
    del ledger
    return end(order, _T.EXPIRE, Life.EXPIRED, m)


def on_rejected(order: Order, ledger: Ledger, m: Rejected) -> Step:
    """A definite no, possible even after an acknowledgement."""
    del ledger
    return end(order, _T.REJECT, Life.REJECTED, m)


def on_done_for_day(order: Order, ledger: Ledger, m: DoneForDay) -> Step:
    """Final ends a day order (FIX A.1.b); otherwise it changes nothing."""
    if not m.final:
        return Step(order)
    return on_expired(order, ledger, Expired(m.client_order_id, m.ts, "done_for_day"))


def _ours(order: Order, trigger: LifeTrigger, ts: int) -> Step:
    """An end that we decided before anything left."""
    cell = _TABLE[order.life, trigger]
    if cell.verdict is not Verdict.MOVE:
        return quarantined(order)
    ended = replace(
        moved(order, cell.target, ts),
        requests=(),
        end=cell.target,
        ended_ts=ts,
        unverified=False,  # it never left: a venue knows nothing that could be asked for
    )
    return Step(ended, Verdict.MOVE, True)


def on_denied(order: Order, ledger: Ledger, m: Denied) -> Step:
    """Our own checks refused it."""
    del ledger
    return _ours(order, _T.DENY, m.ts)


def on_withdrawn(order: Order, ledger: Ledger, m: Withdrawn) -> Step:
    """Cancelled before it left, or too late to leave."""
    del ledger
    return _ours(order, _T.LAPSE if m.expired else _T.WITHDRAW, m.ts)
