"""Requests of ours and their answers, and terms that change.

By our asking, or by the venue itself.
"""

from __future__ import annotations

from decimal import Decimal

from .messages import (
    Amend,
    AmendOrder,
    Cancel,
    CancelOrder,
    CancelRefused,
    Feeds,
    Filled,
    Replaced,
    ReplaceRefused,
    Restated,
    Withdrawn,
)
from .order import Booking, BookingKind, Doubt, Ledger, Order, Outstanding, Step, ledger_key
from .order_ends import on_withdrawn
from .order_links import never_left
from .order_moves import (
    counted,
    ids_with,
    is_over,
    is_quantity,
    is_terminal,
    moved,
    quarantined,
    replace,
    settle_quantity,
    without,
)
from .order_tables import LIFE, Life, LifeTrigger
from .statechart import Verdict
from .trigger_tables import Trigger
from .values import CONTEXT, ZERO

__all__ = ["on_amend", "on_cancel", "on_replaced", "on_request_refused", "on_restated"]

_TABLE = LIFE.table
_NO_FILLS = Ledger()
_REACHED = (Trigger.ELECTED, Trigger.RELEASED)


def on_cancel(order: Order, ledger: Ledger, m: CancelOrder) -> Step:
    """Ask for the rest to be cancelled; quantities do not change before the venue confirms."""
    del ledger
    if is_terminal(order):
        return Step(order, refused=f"the order is {order.life.name} already")
    if any(out.req_id == m.req_id for out in order.requests):
        return Step(order)  # the same request again
    if never_left(order):  # it never left: nobody has to be asked
        return on_withdrawn(order, _NO_FILLS, Withdrawn(m.client_order_id, m.ts, m.reason))
    out = Outstanding(m.req_id, True, ts=m.ts)
    asked = replace(order, requests=(*order.requests, out), ts=max(m.ts, order.ts))
    ids = order.venue_order_ids
    request = Cancel(m.client_order_id, m.req_id, order.terms.instrument, ids[-1] if ids else None)
    return Step(asked, Verdict.MOVE, True, request=request)


def on_amend(order: Order, ledger: Ledger, m: AmendOrder) -> Step:
    """Ask for new terms; the old stay in force until the venue confirms."""
    del ledger
    raises = m.order_qty is not None and m.order_qty > order.cum_qty
    reopens = order.life is Life.FILLED and order.end is None and raises
    if is_terminal(order) and not reopens:
        return Step(order, refused=f"the order is {order.life.name} already")
    for out in order.requests:
        if out.req_id == m.req_id:
            return _grown(order, out, m)
    kind = order.terms.order_type
    for name, asked_px, held_px, has_one in (
        ("price", m.price, order.price, kind.has_limit_price),
        ("stop_px", m.stop_px, order.stop_px, kind.has_trigger),
    ):  # no answer of a venue could ever show it
        if asked_px is not None and held_px is None and not has_one:
            return Step(order, refused=f"a {kind.value} order has no {name}")
    if m.stop_px is not None and order.trigger in _REACHED:
        return Step(order, refused="its trigger was reached")
    if never_left(order):
        mine = replace(
            order,
            order_qty=order.order_qty if m.order_qty is None else m.order_qty,
            price=order.price if m.price is None else m.price,
            stop_px=order.stop_px if m.stop_px is None else m.stop_px,
            ts=max(m.ts, order.ts),
        )
        return Step(mine, Verdict.MOVE, True)
    if any(out.unknown and not out.is_cancel for out in order.requests):
        return Step(order, refused="an earlier amend of this order is of unknown outcome")
    out = Outstanding(m.req_id, False, m.order_qty, m.price, m.stop_px, False, m.ts)
    ids = order.venue_order_ids
    request = Amend(
        m.client_order_id,
        m.req_id,
        order.terms.instrument,
        m.order_qty,
        m.price,
        m.stop_px,
        ids[-1] if ids else None,
    )
    asked = replace(order, requests=(*order.requests, out), ts=max(m.ts, order.ts))
    return Step(asked, Verdict.MOVE, True, request=request)


def _grown(order: Order, out: Outstanding, m: AmendOrder) -> Step:
    """The same request again: it may have taken over terms of one that never left."""
    terms = (
        m.order_qty if out.order_qty is None else out.order_qty,
        m.price if out.price is None else out.price,
        m.stop_px if out.stop_px is None else out.stop_px,
    )
    if out.is_cancel or terms == (out.order_qty, out.price, out.stop_px):
        return Step(order)
    grown = replace(out, order_qty=terms[0], price=terms[1], stop_px=terms[2])
    rest = tuple(grown if one is out else one for one in order.requests)
    return Step(replace(order, requests=rest, ts=max(m.ts, order.ts)), changed=True)


def on_request_refused(order: Order, ledger: Ledger, m: CancelRefused | ReplaceRefused) -> Step:
    """That request is gone.

    The state follows from the facts; the refusal proves nothing, so the venue is asked.
    """
    del ledger
    rest = without(order, m.req_id)
    if len(rest) == len(order.requests):
        return Step(order)
    asked = order.unverified or not is_terminal(order)
    after = replace(order, requests=rest, unverified=asked, ts=max(m.ts, order.ts))
    return Step(after, Verdict.MOVE, True)


def on_replaced(order: Order, ledger: Ledger, m: Replaced) -> Step:
    """New terms are in force (FIX C.3). After an end they change nothing but the request.

    An answer to a request that is not outstanding is a repetition, perhaps of older terms: where it
    differs from what we hold the venue is asked, and its newest word counts.
    """
    del ledger
    if not is_quantity(m.order_qty):
        return quarantined(order, "malformed_report")
    rest = order.requests if m.req_id is None else without(order, m.req_id)
    answers = len(rest) < len(order.requests)
    ts = max(m.ts, order.ts)
    if is_over(order):
        return Step(replace(order, requests=rest, ts=ts), changed=True) if answers else Step(order)
    ids = ids_with(order, m.venue_order_id)
    if m.req_id is not None and not answers:
        doubtful = order.unverified or not _has_terms(order, m)
        if doubtful == order.unverified and ids is order.venue_order_ids:
            return Step(order)
        return Step(replace(order, unverified=doubtful, venue_order_ids=ids), changed=True)
    life = order.life
    if life is not Life.IN_DOUBT or answers or order.doubt is Doubt.EXISTENCE:
        life = _TABLE[life, LifeTrigger.ACK].target
    elif _has_terms(order, m):
        return Step(order)  # repeated: it does not say what became of the order
    granted = replace(
        order,
        requests=rest,
        order_qty=order.order_qty if m.order_qty is None else m.order_qty,
        price=order.price if m.price is None else m.price,
        stop_px=order.stop_px if m.stop_px is None else m.stop_px,
    )
    if m.order_qty is not None and answers and _may_be_overtaken(order, m.ts):
        if all(out.ts != order.ts for out in order.requests):  # something was told since we asked
            granted = replace(granted, unverified=True)
    asked = any(out.order_qty is not None and out.req_id == m.req_id for out in order.requests)
    after = settle_quantity(moved(granted, life, counted(order, m.order_qty, ts, asked=asked), ids))
    same = (
        not answers and life is order.life and ids is order.venue_order_ids and _has_terms(order, m)
    )
    return Step(order) if same else Step(after, changed=True)


def _has_terms(order: Order, m: Replaced) -> bool:
    """Whether these terms are the ones in force already."""
    return (
        (m.order_qty is None or m.order_qty == order.order_qty)
        and (m.price is None or m.price == order.price)
        and (m.stop_px is None or m.stop_px == order.stop_px)
    )


def on_restated(order: Order, ledger: Ledger, m: Restated) -> Step:
    """The venue changed it by itself.

    A reduction (FIX E.1.d), or a split that rescales fills too (FIX H.1.b).
    """
    ratio = m.ratio
    if not is_quantity(m.order_qty) or not (ratio is None or (ratio.is_finite() and ratio > ZERO)):
        return quarantined(order, "malformed_report")
    if is_over(order):
        return Step(order)
    ts = max(m.ts, order.ts)
    if ratio is None or ratio == 1:
        if order.order_qty == m.order_qty:
            return Step(order)
        overtaken = m.ts < order.ts or _may_be_overtaken(order, m.ts)
        if overtaken and _lowers(order, m.order_qty):
            # Perhaps repeated behind a newer amend: less than what may work is not to be trusted.
            if order.unverified:
                return Step(order)
            return Step(replace(order, unverified=True), changed=True)
        doubtful = order.unverified or overtaken
        since = counted(order, m.order_qty, ts)
        told = replace(order, order_qty=m.order_qty, unverified=doubtful, ts=since)
        return Step(settle_quantity(told), changed=True)
    bookings = tuple(_split(order, fill, ratio) for fill in ledger.live())
    cum = cost = ZERO
    for one in bookings:  # the sums of what the ledger will hold: a price may not divide exactly
        if one.fill.feeds is not Feeds.POSITION:
            cum += one.fill.last_qty
            cost += one.fill.last_qty * one.fill.last_px
    rescaled = replace(
        order,
        order_qty=m.order_qty,
        cum_qty=cum,
        cum_cost=cost,
        claim_qty=order.claim_qty * ratio,
        unverified=True,  # prices change with a split, and only the venue knows to what
        ts=ts,
    )
    return Step(settle_quantity(rescaled), changed=True, bookings=bookings)


def _lowers(order: Order, qty: Decimal) -> bool:
    return order.order_qty is not None and qty < order.order_qty


def _may_be_overtaken(order: Order, ts: int) -> bool:
    """Whether a change of quantity may be older than one that came first: an answer and the stream
    are two ways. Then the venue is asked what is in force.
    """
    return ts <= order.ts and order.order_qty != order.terms.order_qty


def _split(order: Order, fill: Filled, ratio: Decimal) -> Booking:
    px = CONTEXT.divide(fill.last_px, ratio)
    rescaled = replace(fill, last_qty=fill.last_qty * ratio, last_px=px)
    return Booking(BookingKind.SPLIT, rescaled, ledger_key(order.terms, fill))
