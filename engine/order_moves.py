"""What the handlers of an order share.

Building the next value, and the few rules that hold for all of them.

Nothing here decides what a message means; :mod:`engine.order_steps` names who does.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from .order import Order, Outstanding, Step
from .order_tables import LIFE, TERMINAL, Life, LifeTrigger
from .statechart import Verdict
from .values import ZERO, OrderType, Source

__all__ = [
    "ENDED",
    "TRIGGER_TYPES",
    "counted",
    "ids_with",
    "is_newer",
    "is_over",
    "is_quantity",
    "is_terminal",
    "learn",
    "moved",
    "progress",
    "quarantined",
    "replace",
    "settle_quantity",
    "without",
]

#: Ends that a venue states; FILLED is arithmetic and DENIED is ours.
ENDED = frozenset({Life.CANCELLED, Life.EXPIRED, Life.REJECTED})
TRIGGER_TYPES = frozenset(kind for kind in OrderType if kind.has_trigger)

_TABLE = LIFE.table
_T = LifeTrigger


def moved(order: Order, life: Life, ts: int, ids: tuple[str, ...] | None = None) -> Order:
    """The same order in another life state, with what depends on it; hot, so built positionally.

    ``ts`` never falls: it is the time of the latest fact, which evidence has to be newer than.
    """
    if life is Life.ACCEPTED and order.cum_qty and order.terms.order_type in TRIGGER_TYPES:
        if not order.terms.local:
            life = Life.TRIGGERED  # what has filled was elected
    return Order(
        order.terms,
        life,
        order.link,
        order.requests,
        order.order_qty,
        order.price,
        order.stop_px,
        order.cum_qty,
        order.cum_cost,
        order.claim_qty,
        order.end,
        order.doubt if life is Life.IN_DOUBT else None,
        order.unverified,
        order.venue_order_ids if ids is None else ids,
        ts if ts > order.ts else order.ts,
        order.ended_ts,
        order.trigger,
    )


def ids_with(order: Order, venue_order_id: str | None) -> tuple[str, ...]:
    """The venue's ids of the order, with one more if it is new; an order owns a set of them."""
    ids = order.venue_order_ids
    if venue_order_id is None or venue_order_id in ids:
        return ids
    return (*ids, venue_order_id)


def learn(order: Order, total: Decimal | None, venue_order_id: str | None) -> Order:
    """Take over what is true however old the report: a total once stated (a claim), and an id."""
    ids = ids_with(order, venue_order_id)
    claim = order.claim_qty
    if total is not None and total > claim:
        claim = total
    if claim is order.claim_qty and ids is order.venue_order_ids:
        return order
    return replace(order, claim_qty=claim, venue_order_ids=ids)


def quarantined(order: Order, anomaly: str = "contradiction") -> Step:
    """Keep the message, alarm, ask the venue; the state stands."""
    return Step(replace(order, unverified=True), Verdict.QUARANTINE, True, anomaly=anomaly)


def progress(order: Order, trigger: LifeTrigger, ts: int, venue_order_id: str | None) -> Step:
    """A report that only moves the life region."""
    cell = _TABLE[order.life, trigger]
    if cell.verdict is Verdict.QUARANTINE:
        return quarantined(order)
    ids = ids_with(order, venue_order_id)
    if cell.target is order.life and ids is order.venue_order_ids:
        return Step(order, cell.verdict)
    return Step(moved(order, cell.target, ts, ids), cell.verdict, True)


def settle_quantity(order: Order) -> Order:
    """After ``order_qty`` changed: complete, open again, or as it was."""
    life, qty, cum = order.life, order.order_qty, order.cum_qty
    complete = qty is not None and cum >= qty and cum > ZERO
    if complete and life is not Life.FILLED:
        return moved(order, _TABLE[life, _T.COMPLETE].target, order.ts)
    if not complete and life is Life.FILLED:
        return moved(order, order.end or _TABLE[life, _T.REOPEN].target, order.ts)
    return order


def counted(order: Order, qty: Decimal | None, ts: int, *, asked: bool = False) -> int:
    """Since when (UTC ns) an order is for ``qty``, told at ``ts``; ``asked``: by an amend of ours.

    Back at what was placed it counts a nanosecond later. Else a change from before, repeated or
    told late, would look like the first word after placing, and be believed.
    """
    is_back = qty is not None and qty == order.terms.order_qty
    return ts + 1 if is_back and (asked or qty != order.order_qty) else ts


def is_newer(order: Order, source: Source, sent_ts: int | None) -> bool:
    """Whether a query by id was sent after the last fact.

    Only then may it contradict one.
    """
    if source is Source.OPERATOR:
        return True
    if source is not Source.QUERY or sent_ts is None:
        return False
    return sent_ts > order.ts and sent_ts > order.ended_ts


def is_quantity(value: Decimal | None) -> bool:
    """Whether a stated quantity can be one; None (not known) can."""
    return value is None or (value.is_finite() and value >= ZERO)


def without(order: Order, req_id: str) -> tuple[Outstanding, ...]:
    """The outstanding requests but this one."""
    return tuple(out for out in order.requests if out.req_id != req_id)


def is_over(order: Order) -> bool:
    """Whether terms can no longer change.

    An end was stated (also of a filled order), or we denied it.
    """
    return order.end is not None or order.life is Life.DENIED


def is_terminal(order: Order) -> bool:
    """Whether its life has ended."""
    return order.life in TERMINAL
