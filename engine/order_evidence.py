"""Silence and what ends it.

Unknown outcomes, answers to questions, proofs of absence.

Evidence is ranked and has an age. A snapshot's totals are claims and count however old they are;
its status and terms contradict facts only when the question was sent after the last of them.
"""

from __future__ import annotations

from .messages import (
    NeverArrived,
    OrderNotFound,
    OrderSnapshot,
    OutcomeUnknown,
    VenueStatus,
)
from .order import Doubt, Ledger, Order, Outstanding, Step
from .order_acks import revived
from .order_ends import end
from .order_moves import (
    ENDED,
    counted,
    is_newer,
    is_over,
    is_quantity,
    is_terminal,
    learn,
    moved,
    progress,
    quarantined,
    replace,
    settle_quantity,
    without,
)
from .order_tables import LIFE, Life, LifeTrigger
from .order_triggers import returned
from .statechart import Verdict
from .values import OrderType, PositionSlot, Side, Source

__all__ = ["on_never_arrived", "on_not_found", "on_outcome_unknown", "on_snapshot"]

_TABLE, _T = LIFE.table, LifeTrigger

# --- silence --------------------------------------------------------------------------------------


def _is_traced(order: Order) -> bool:
    """Whether anything at all shows that the venue knew it."""
    return bool(order.cum_qty or order.venue_order_ids or order.claim_qty)


def _doubted(order: Order, doubt: Doubt, ts: int) -> Step:
    cell = _TABLE[order.life, _T.DOUBT]
    if cell.verdict is not Verdict.MOVE:
        return Step(order, cell.verdict)
    after = replace(order, life=cell.target, doubt=doubt, unverified=True, ts=max(ts, order.ts))
    return Step(after, Verdict.MOVE, True)


def on_outcome_unknown(order: Order, ledger: Ledger, m: OutcomeUnknown) -> Step:
    """Silence about a call. It opens a doubt; only evidence ends it."""
    del ledger
    if m.req_id is None:
        if order.life is Life.PENDING or order.life is Life.SUBMITTED:
            return _doubted(order, Doubt.FATE if _is_traced(order) else Doubt.EXISTENCE, m.ts)
        if is_terminal(order) or order.unverified:
            return Step(order)
        # the stream has shown that it exists; what else the lost answer said, it need not repeat
        return Step(replace(order, unverified=True, ts=max(m.ts, order.ts)), changed=True)
    ts = max(m.ts, order.ts)
    for out in order.requests:
        if out.req_id != m.req_id:
            continue
        if is_terminal(order) and (out.is_cancel or is_over(order)):  # nothing is left to ask for
            return Step(replace(order, requests=without(order, m.req_id), ts=ts), changed=True)
        if out.unknown:
            break
        rest = tuple(
            replace(one, unknown=True, ts=m.ts) if one is out else one for one in order.requests
        )
        return Step(replace(order, requests=rest, unverified=True, ts=ts), changed=True)
    return Step(order)


def on_not_found(order: Order, ledger: Ledger, m: OrderNotFound) -> Step:
    """A covering query does not show an order that was seen working: its fate is open.

    It never ends one.
    """
    del ledger
    if order.life not in (Life.ACCEPTED, Life.TRIGGERED, Life.SUSPENDED) or m.sent_ts <= order.ts:
        return Step(order)
    if m.source is Source.LIST:  # a list may leave it out; a question by id may not
        return (
            Step(order) if order.unverified else Step(replace(order, unverified=True), changed=True)
        )
    return _doubted(order, Doubt.FATE, m.ts)


def on_never_arrived(order: Order, ledger: Ledger, m: NeverArrived) -> Step:
    """Absence, proven by reconciliation; only a doubt of existence without any trace can end so."""
    del ledger
    cell = _TABLE[order.life, _T.VANISH]
    if cell.verdict is Verdict.STAY:
        return Step(order)
    if (
        cell.verdict is Verdict.QUARANTINE
        or order.doubt is not Doubt.EXISTENCE
        or _is_traced(order)
    ):
        return quarantined(order)
    if (back := returned(order, m)) is not None:
        return back
    ended = replace(
        moved(order, cell.target, m.ts),
        requests=(),
        end=Life.REJECTED,
        ended_ts=m.ts,
        unverified=False,
    )
    return Step(ended, Verdict.MOVE, True)


# --- answers --------------------------------------------------------------------------------------

_ENDS = {
    VenueStatus.CANCELLED: (_T.CANCEL, Life.CANCELLED),
    VenueStatus.EXPIRED: (_T.EXPIRE, Life.EXPIRED),
    VenueStatus.REJECTED: (_T.REJECT, Life.REJECTED),
}
_PROGRESS = {
    VenueStatus.PENDING: _T.ACK,
    VenueStatus.WORKING: _T.ACK,
    VenueStatus.TRIGGERED: _T.TRIGGER,
    VenueStatus.SUSPENDED: _T.HOLD,
    VenueStatus.FILLED: _T.ACK,  # it was placed; FILLED only when executions say so
}


#: The side that closes a slot of one direction.
_CLOSES = {PositionSlot.LONG: Side.SELL, PositionSlot.SHORT: Side.BUY}


def on_snapshot(order: Order, ledger: Ledger, m: OrderSnapshot) -> Step:
    """Evidence from a query or a list.

    Totals are claims; status and terms contradict facts only when newer.
    """
    if not (is_quantity(m.cum_qty) and is_quantity(m.order_qty)):
        return quarantined(order, "malformed_report")
    if _is_another(order, m):
        return quarantined(order, "identity_mismatch")
    newer = is_newer(order, m.source, m.sent_ts)
    told = _with_totals(order, ledger, m, newer)
    explained = True
    if m.status in _ENDS or (m.status is VenueStatus.FILLED and not is_over(told)):
        told = _granted(told, m)
    if not is_over(told) and m.status in _PROGRESS:
        if newer:
            told, explained = _with_terms(told, m)
        elif _is_later(order, m) and not told.unverified and _with_terms(told, m)[0] != told:
            told = replace(told, unverified=True)  # changed while we were not told: ask by id
    if told.order_qty != order.order_qty:
        told = settle_quantity(told)
    step = _by_status(told, m, newer)
    after = step.order
    if newer:
        after = _verified(after, m, agrees=explained and not step.anomaly)
    if after is order or after == order:
        return Step(order, step.verdict, step.verdict is Verdict.QUARANTINE, anomaly=step.anomaly)
    since = counted(order, after.order_qty, max(m.ts, after.ts))
    if newer and since > after.ts:
        after = replace(after, ts=since)  # what comes later has to be newer than this answer
    return Step(after, step.verdict, True, anomaly=step.anomaly)


def _is_another(order: Order, m: OrderSnapshot) -> bool:
    """Whether this is not our order.

    Ids get reused, so one never seen is bound only if its terms fit.
    """
    terms = order.terms
    if (m.instrument and m.instrument != terms.instrument) or m.side not in (None, terms.side):
        return True
    unseen = order.life is Life.IN_DOUBT and order.doubt is Doubt.EXISTENCE
    if not unseen or m.order_qty is None or order.order_qty is None:
        return False
    asked = [out.order_qty for out in order.requests if out.order_qty is not None]
    if m.order_qty < max([order.order_qty, *asked]) and _may_be_shrunk(order):
        return False
    return m.order_qty != order.order_qty and all(
        m.order_qty != out.order_qty for out in order.requests
    )


def _is_later(order: Order, m: OrderSnapshot) -> bool:
    """Whether it was asked for after the last fact: even a list, which contradicts none, is then
    worth a question by id.
    """
    return m.sent_ts is not None and m.sent_ts > order.ts and m.sent_ts > order.ended_ts


def _may_be_shrunk(order: Order) -> bool:
    """Whether a venue may have taken it for less than we asked: to what there is to reduce,
    or its group has filled.
    """
    terms = order.terms
    closing = _CLOSES.get(terms.slot)
    return terms.reduce_only or terms.closes or terms.side is closing


def _with_totals(order: Order, ledger: Ledger, m: OrderSnapshot, newer: bool) -> Order:
    """Quantities it states.

    A claim, an id, and the order's own quantity where that is not known.
    """
    told = learn(order, m.cum_qty, m.venue_order_id)
    qty = order.order_qty
    filled = m.status is VenueStatus.FILLED
    if qty is None:
        qty = m.order_qty or None
        if qty is None and filled and m.cum_qty:
            qty = m.cum_qty  # filled means complete: its total is its quantity (cash-sized orders)
        if qty is not None:
            told = replace(told, order_qty=qty)
    if filled and m.cum_qty is None:
        whole = m.order_qty if m.order_qty is not None else qty
        told = learn(told, whole, None)
    elif m.cum_qty is not None and m.cum_qty < told.claim_qty:
        # after a bust the venue's total falls; without one a lower total is only a slow list
        falls = newer and bool(ledger.void_ids())
        if falls or _is_disproof(order, m):
            told = replace(told, claim_qty=m.cum_qty)
    return told


def _is_disproof(order: Order, m: OrderSnapshot) -> bool:
    """Whether it says what complete executions come to (:mod:`engine.claims`), and they still do:
    it takes a claim back, and never what is booked.
    """
    return m.source is Source.INFERENCE and m.cum_qty == order.cum_qty and _is_later(order, m)


def _with_terms(order: Order, m: OrderSnapshot) -> tuple[Order, bool]:
    """Terms in force by newer evidence, and whether an amend of ours explains the difference.

    An amend of unknown outcome whose terms are in force is answered by it; that it is *not* in
    force yet proves nothing (:func:`engine.reconcile.requests_settled` says when it does).
    """
    qty = m.order_qty or order.order_qty
    kind = _kind(order, m)
    trails = order.terms.order_type is OrderType.TRAILING_STOP
    has_price = order.price is not None or kind.has_limit_price
    price = m.price if m.price is not None and has_price else order.price
    holds_stop = order.stop_px is not None or trails or kind.has_trigger
    stop_px = m.stop_px if m.stop_px is not None and holds_stop else order.stop_px
    changed = qty != order.order_qty or price != order.price
    changed = changed or (stop_px != order.stop_px and not trails)
    after = order
    if changed or stop_px != order.stop_px:
        after = replace(order, order_qty=qty, price=price, stop_px=stop_px)
    matching = [out for out in order.requests if not out.is_cancel and _is_in_force(out, after)]
    if any(out.unknown for out in matching):
        rest = tuple(out for out in order.requests if out not in matching or not out.unknown)
        after = replace(after, requests=rest)
    return after, not changed or bool(matching)


def _kind(order: Order, m: OrderSnapshot) -> OrderType:
    """What sort of order it is: of one that an execution made known, only answers say it."""
    terms = order.terms
    if terms.order_qty is not None or terms.cash_qty is not None:
        return terms.order_type
    return m.order_type or terms.order_type


def _granted(order: Order, m: OrderSnapshot) -> Order:
    """An end shows the last terms there were: an amend of ours that asked for its quantity had its
    effect, whether or not we heard of it. An end that came before has answered all amends, without
    a word of its terms: then they are told by a total that would be complete and is not.
    """
    qty = order.order_qty
    if m.order_qty is None or m.order_qty == qty:
        return order
    if is_over(order):
        total = max(order.claim_qty, order.cum_qty)
        granted = qty is not None and qty <= total < m.order_qty
    else:
        granted = any(out.order_qty == m.order_qty for out in order.requests if not out.is_cancel)
    return replace(order, order_qty=m.order_qty) if granted else order


def _is_in_force(out: Outstanding, order: Order) -> bool:
    return (
        (out.order_qty is None or out.order_qty == order.order_qty)
        and (out.price is None or out.price == order.price)
        and (out.stop_px is None or out.stop_px == order.stop_px)
    )


def _by_status(order: Order, m: OrderSnapshot, newer: bool) -> Step:
    if m.status is VenueStatus.UNKNOWN:
        if order.life is Life.IN_DOUBT and order.doubt is Doubt.EXISTENCE:
            return Step(
                replace(order, doubt=Doubt.FATE), changed=True
            )  # it exists; no more is said
        return Step(order)
    ending = _ENDS.get(m.status)
    if ending is not None:
        return end(order, *ending, m)
    stale = m.sent_ts is not None and m.sent_ts < order.ts
    if m.status is VenueStatus.FILLED and _never_sized(order) and not stale:
        return _filled_by_word(order, m)
    trigger = _PROGRESS[m.status]
    if order.life in ENDED:
        return _after_end(order, m, newer, trigger)
    if is_terminal(order) or (stale and order.life is not Life.IN_DOUBT):
        return Step(order)
    if order.life is Life.SUSPENDED and newer and m.status is VenueStatus.WORKING:
        trigger = _T.RESUME
    if stale and order.doubt is Doubt.FATE:
        return Step(order)  # asked before the doubt began
    return progress(order, trigger, m.ts, m.venue_order_id)


def _never_sized(order: Order) -> bool:
    """Adopted mid-life and its quantity never told: arithmetic can never complete it."""
    return order.order_qty is None and order.terms.cash_qty is None


def _filled_by_word(order: Order, m: OrderSnapshot) -> Step:
    """The venue says it is filled, and never said of how much: what we saw is all we can know.

    What it filled before we first saw it is in the slot's baseline; its position is not touched
    here.
    """
    cell = _TABLE[order.life, _T.COMPLETE]
    if order.life in ENDED or cell.target is order.life:
        return Step(order)
    whole = replace(order, order_qty=order.cum_qty)
    return Step(moved(whole, cell.target, m.ts), cell.verdict, True)


def _after_end(order: Order, m: OrderSnapshot, newer: bool, trigger: LifeTrigger) -> Step:
    """Shown as working though it ended.

    Newer evidence by id makes the end false, a newer list makes us ask.
    """
    if m.status is VenueStatus.FILLED:
        return Step(order)
    if newer:
        found = revived(order, m.ts, m.venue_order_id)
        after = progress(found.order, trigger, m.ts, None).order
        return Step(after, found.verdict, True, anomaly=found.anomaly)
    if _is_later(order, m) and not order.unverified:
        return Step(replace(order, unverified=True), changed=True)
    return Step(order)


def _verified(order: Order, m: OrderSnapshot, *, agrees: bool) -> Order:
    """After a newer answer by id.

    Nothing is open about the order when it agrees with us, and something is when not.
    """
    if m.status is VenueStatus.UNKNOWN:
        return order
    shown_done = m.status in _ENDS or m.status is VenueStatus.FILLED
    if m.status is VenueStatus.FILLED and not is_terminal(order):
        agrees = (
            agrees and order.claim_qty > order.cum_qty
        )  # what is missing is asked for by itself
    else:
        agrees = agrees and shown_done == is_terminal(order)
    if agrees and is_terminal(order) and order.requests:  # it is done, so nothing is left to cancel
        rest = tuple(out for out in order.requests if not (out.is_cancel or is_over(order)))
        order = replace(order, requests=rest)
    return order if order.unverified is not agrees else replace(order, unverified=not agrees)
