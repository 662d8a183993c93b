"""One handler per message that is not an execution, and :func:`step`, the entry to all of them.

Every handler is pure: order, ledger and message in, :class:`~engine.order.Step` out; an illegal message raises and
nothing has changed. The rules are DESIGN 3's; those taken from outside are cited where they stand.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar, cast

from msgspec.structs import replace

from .errors import InvalidValue
from .messages import (
    Accepted,
    AdoptOrder,
    Amend,
    AmendOrder,
    Cancel,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Denied,
    DoneForDay,
    Expired,
    Filled,
    Message,
    NeverArrived,
    OrderNotFound,
    OrderSnapshot,
    OutcomeUnknown,
    Rejected,
    Replaced,
    ReplaceRefused,
    RequestPending,
    Restated,
    Resumed,
    SettleOrder,
    SubmitOrder,
    Suspended,
    TradeBusted,
    TradeCorrected,
    Triggered,
    VenueStatus,
    Withdrawn,
)
from .order import Booking, BookingKind, Doubt, Ledger, Order, Outstanding, Step, new_order
from .order_fills import on_busted, on_corrected, on_filled
from .order_tables import LIFE, LINK, TERMINAL, Life, LifeTrigger, LinkTrigger
from .statechart import Verdict
from .values import CONTEXT, OrderState, Source

__all__ = ["begin", "mark_sent", "mark_unsent", "relink", "step"]

_TABLE = LIFE.table
_T = LifeTrigger
_ENDED = frozenset({Life.CANCELLED, Life.EXPIRED, Life.REJECTED})
M = TypeVar("M", bound=Message)


def begin(fact: SubmitOrder | AdoptOrder) -> Order:
    """The order a first fact creates: PENDING for our own intent, SUBMITTED for one somebody else sent."""
    if isinstance(fact, AdoptOrder):
        return replace(new_order(fact.terms), life=Life.SUBMITTED, ts=fact.ts)
    return new_order(fact)


def step(order: Order, ledger: Ledger, message: Message) -> Step:
    """What ``message`` does to ``order``.

    Raises:
        InvalidValue: for a message that is not addressed to an order; nothing changed.
    """
    handler = _HANDLERS.get(type(message))
    if handler is None:
        raise InvalidValue(f"{type(message).__name__} is not a message to an order")
    return handler(order, ledger, message)


def mark_sent(order: Order) -> Order:
    """Note that the lane has handed the placement to the wire.

    Not a fact of its own: after a restart nothing counts as not sent, so the journalled intent says as much.
    """
    cell = _TABLE[order.life, _T.SEND]
    return order if cell.target is order.life else _moved(order, cell.target, order.ts)


def mark_unsent(order: Order) -> Order:
    """Note that the venue refused to take the placement at all (a rate limit): it waits to leave again.

    Like :func:`mark_sent` no fact of its own, and only where no answer has moved the order since.
    """
    if order.life is not Life.SUBMITTED or order.venue_order_ids:
        return order
    return _moved(order, Life.PENDING, order.ts)


def relink(order: Order, trigger: LinkTrigger, ts: int) -> Step:
    """Move the link region; its group says when."""
    cell = LINK.table[order.link, trigger]
    if cell.target is order.link:
        return Step(order, cell.verdict)
    return Step(replace(order, link=cell.target, ts=ts), cell.verdict, True)


# --- building blocks -------------------------------------------------------------------------------------------------


def _moved(order: Order, life: Life, ts: int, ids: tuple[str, ...] | None = None) -> Order:
    """The same order in another life state, with what depends on it; hot, so built positionally."""
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
        ts,
        order.ended_ts,
    )


def _ids(order: Order, venue_order_id: str | None) -> tuple[str, ...]:
    ids = order.venue_order_ids
    if venue_order_id is None or venue_order_id in ids:
        return ids
    return (*ids, venue_order_id)


def _quarantined(order: Order) -> Step:
    """Keep the message, alarm, ask the venue; the state stands."""
    return Step(
        replace(order, unverified=True), Verdict.QUARANTINE, True, anomaly="contradiction"
    )


def _progress(order: Order, trigger: LifeTrigger, ts: int, venue_order_id: str | None) -> Step:
    """A report that only moves the life region."""
    cell = _TABLE[order.life, trigger]
    if cell.verdict is Verdict.QUARANTINE:
        return _quarantined(order)
    ids = _ids(order, venue_order_id)
    if cell.target is order.life and ids is order.venue_order_ids:
        return Step(order, cell.verdict)
    return Step(_moved(order, cell.target, ts, ids), cell.verdict, True)


def _is_newer(order: Order, source: Source, sent_ts: int | None) -> bool:
    """Whether a query by id was sent after the last fact: only then may it contradict one (DESIGN 3.5)."""
    return source is Source.OPERATOR or (
        source is Source.QUERY and sent_ts is not None and sent_ts > max(order.ts, order.ended_ts)
    )


def _without(order: Order, req_id: str) -> tuple[Outstanding, ...]:
    return tuple(out for out in order.requests if out.req_id != req_id)


# --- acknowledgements ------------------------------------------------------------------------------------------------


def _on_accepted(order: Order, ledger: Ledger, m: Accepted) -> Step:
    del ledger
    life = order.life
    cell = _TABLE[life, _T.ACK]
    if life is Life.SUBMITTED and m.order_qty is None:  # the common case
        return Step(_moved(order, cell.target, m.ts, _ids(order, m.venue_order_id)), changed=True)
    if cell.verdict is Verdict.QUARANTINE:
        return _quarantined(order)
    if life in _ENDED and _is_newer(order, m.source, m.sent_ts):
        return _revived(order, m.ts, m.venue_order_id)
    if life is Life.IN_DOUBT and order.doubt is Doubt.FATE and m.source is Source.STREAM:
        return Step(order)  # it was acknowledged before; a repeated ack does not say what became of it
    if m.order_qty is not None and order.order_qty is None:
        told = replace(order, order_qty=m.order_qty)
        return _settle_quantity(_moved(told, cell.target, m.ts, _ids(order, m.venue_order_id)))
    return _progress(order, _T.ACK, m.ts, m.venue_order_id)


def _settle_quantity(order: Order) -> Step:
    """After ``order_qty`` changed: complete, open again, or as it was."""
    life = order.life
    complete = order.order_qty is not None and order.cum_qty >= order.order_qty > 0
    if complete and life not in TERMINAL:
        life = _TABLE[life, _T.COMPLETE].target
    elif not complete and life is Life.FILLED and order.end is None:
        life = _TABLE[life, _T.REOPEN].target
    return Step(order if life is order.life else _moved(order, life, order.ts), changed=True)


def _revived(order: Order, ts: int, venue_order_id: str | None) -> Step:
    """Newer, stronger evidence shows it working after an end: the end was false (ib_async#191)."""
    cell = _TABLE[order.life, _T.REVIVE]
    if cell.verdict is Verdict.QUARANTINE:
        return _quarantined(order)
    moved = _moved(order, cell.target, ts, _ids(order, venue_order_id))
    return Step(replace(moved, end=None, ended_ts=0), cell.verdict, True, anomaly="false_end")


def _on_triggered(order: Order, ledger: Ledger, m: Triggered) -> Step:
    del ledger
    return _progress(order, _T.TRIGGER, m.ts, m.venue_order_id)


def _on_suspended(order: Order, ledger: Ledger, m: Suspended) -> Step:
    del ledger
    return _progress(order, _T.HOLD, m.ts, m.venue_order_id)


def _on_resumed(order: Order, ledger: Ledger, m: Resumed) -> Step:
    del ledger
    return _progress(order, _T.RESUME, m.ts, m.venue_order_id)


def _on_request_pending(order: Order, ledger: Ledger, m: RequestPending) -> Step:
    """The venue has the request: no news, unless we had lost sight of it (FIX pending acks change nothing)."""
    del ledger
    for out in order.requests:
        if out.req_id == m.req_id and out.unknown:
            rest = tuple(
                replace(one, unknown=False) if one is out else one for one in order.requests
            )
            return Step(replace(order, requests=rest, ts=m.ts), changed=True)
    return Step(order)


# --- ends ------------------------------------------------------------------------------------------------------------


def _end(
    order: Order, trigger: LifeTrigger, end: Life, m: Cancelled | Expired | Rejected | OrderSnapshot
) -> Step:
    """The venue states an end. Its total is a claim until our fills explain it; all requests are answered by it."""
    stated = None if isinstance(m, Rejected) else m.cum_qty
    claim = stated if stated is not None and stated > order.claim_qty else order.claim_qty
    cell = _TABLE[order.life, trigger]
    if cell.verdict is Verdict.QUARANTINE:
        return _quarantined(order)
    ids = _ids(order, m.venue_order_id)
    filled = order.life is Life.FILLED
    first_end = cell.verdict is Verdict.MOVE or (filled and order.end is None)
    if not (first_end or order.requests or claim != order.claim_qty or ids is not order.venue_order_ids):
        return Step(order, cell.verdict)
    ended = Order(
        order.terms,
        cell.target,
        order.link,
        (),
        order.order_qty,
        order.price,
        order.stop_px,
        order.cum_qty,
        order.cum_cost,
        claim,
        end if first_end else order.end,
        None,
        claim > order.cum_qty,
        ids,
        m.ts,
        m.ts if first_end else order.ended_ts,
    )
    return Step(ended, cell.verdict, True)


def _on_cancelled(order: Order, ledger: Ledger, m: Cancelled) -> Step:
    del ledger
    return _end(order, _T.CANCEL, Life.CANCELLED, m)


def _on_expired(order: Order, ledger: Ledger, m: Expired) -> Step:
    del ledger
    return _end(order, _T.EXPIRE, Life.EXPIRED, m)


def _on_rejected(order: Order, ledger: Ledger, m: Rejected) -> Step:
    del ledger
    return _end(order, _T.REJECT, Life.REJECTED, m)


def _on_done_for_day(order: Order, ledger: Ledger, m: DoneForDay) -> Step:
    """Final ends a day order (FIX A.1.b); otherwise it changes nothing."""
    if not m.final:
        return Step(order)
    return _on_expired(order, ledger, Expired(m.client_order_id, m.ts, "done_for_day"))


def _ours(order: Order, trigger: LifeTrigger, ts: int) -> Step:
    """An end that we decided before anything left."""
    cell = _TABLE[order.life, trigger]
    if cell.verdict is not Verdict.MOVE:
        return _quarantined(order)
    ended = replace(
        _moved(order, cell.target, ts), requests=(), end=cell.target, ended_ts=ts
    )
    return Step(ended, Verdict.MOVE, True)


def _on_denied(order: Order, ledger: Ledger, m: Denied) -> Step:
    del ledger
    return _ours(order, _T.DENY, m.ts)


def _on_withdrawn(order: Order, ledger: Ledger, m: Withdrawn) -> Step:
    del ledger
    return _ours(order, _T.LAPSE if m.expired else _T.WITHDRAW, m.ts)


# --- silence ---------------------------------------------------------------------------------------------------------


def _doubted(order: Order, doubt: Doubt, ts: int) -> Step:
    cell = _TABLE[order.life, _T.DOUBT]
    if cell.verdict is not Verdict.MOVE:
        return Step(order, cell.verdict)
    moved = replace(order, life=cell.target, doubt=doubt, unverified=True, ts=ts)
    return Step(moved, Verdict.MOVE, True)


def _on_outcome_unknown(order: Order, ledger: Ledger, m: OutcomeUnknown) -> Step:
    """Silence about a call. It opens a doubt; only evidence ends it (DESIGN 3.5)."""
    del ledger
    if m.req_id is None:
        if order.life is Life.PENDING or order.life is Life.SUBMITTED:
            return _doubted(order, Doubt.EXISTENCE, m.ts)
        return Step(order)  # the stream has already shown that it exists
    for out in order.requests:
        if out.req_id == m.req_id and not out.unknown:
            if order.life in TERMINAL:
                return Step(replace(order, requests=_without(order, m.req_id), ts=m.ts), changed=True)
            rest = tuple(replace(one, unknown=True) if one is out else one for one in order.requests)
            return Step(replace(order, requests=rest, ts=m.ts), changed=True)
    return Step(order)


def _on_not_found(order: Order, ledger: Ledger, m: OrderNotFound) -> Step:
    """A covering query does not show an order that was seen working: its fate is open. It never ends one."""
    del ledger
    if order.life in (Life.ACCEPTED, Life.TRIGGERED, Life.SUSPENDED) and m.sent_ts > order.ts:
        return _doubted(order, Doubt.FATE, m.ts)
    return Step(order)


def _on_never_arrived(order: Order, ledger: Ledger, m: NeverArrived) -> Step:
    """Absence, proven by reconciliation; only a doubt of existence without any trace can end so."""
    del ledger
    cell = _TABLE[order.life, _T.VANISH]
    traced = bool(order.cum_qty or order.venue_order_ids or order.claim_qty)
    if cell.verdict is Verdict.STAY:
        return Step(order)
    if cell.verdict is Verdict.QUARANTINE or order.doubt is not Doubt.EXISTENCE or traced:
        return _quarantined(order)
    ended = replace(
        _moved(order, cell.target, m.ts),
        requests=(),
        end=Life.REJECTED,
        ended_ts=m.ts,
        unverified=False,
    )
    return Step(ended, Verdict.MOVE, True)


def _on_snapshot(order: Order, ledger: Ledger, m: OrderSnapshot) -> Step:
    """Evidence from a query or a list. Totals are claims; a status contradicts facts only when it is newer."""
    del ledger
    claim = m.cum_qty if m.cum_qty is not None else order.claim_qty
    if m.status is VenueStatus.FILLED and m.cum_qty is None and order.order_qty is not None:
        claim = order.order_qty
    ids = _ids(order, m.venue_order_id)
    told = order
    if claim > order.claim_qty or ids is not order.venue_order_ids or order.order_qty is None:
        qty = order.order_qty if order.order_qty is not None else m.order_qty
        told = replace(
            order,
            claim_qty=max(claim, order.claim_qty),
            unverified=order.unverified or claim > order.cum_qty,
            venue_order_ids=ids,
            order_qty=qty,
        )
    moved = _snapshot_status(told, m)
    if moved.order is order or moved.order == order:
        return Step(order, moved.verdict)
    return moved if moved.changed else Step(moved.order, moved.verdict, True)


_SNAPSHOT_ENDS = {
    VenueStatus.CANCELLED: (_T.CANCEL, Life.CANCELLED),
    VenueStatus.EXPIRED: (_T.EXPIRE, Life.EXPIRED),
    VenueStatus.REJECTED: (_T.REJECT, Life.REJECTED),
}
_SNAPSHOT_PROGRESS = {
    VenueStatus.PENDING: _T.ACK,
    VenueStatus.WORKING: _T.ACK,
    VenueStatus.TRIGGERED: _T.TRIGGER,
    VenueStatus.SUSPENDED: _T.HOLD,
    VenueStatus.FILLED: _T.ACK,  # it was placed; FILLED only when executions say so
}


def _snapshot_status(order: Order, m: OrderSnapshot) -> Step:
    if m.status is VenueStatus.UNKNOWN:
        return Step(order)
    ending = _SNAPSHOT_ENDS.get(m.status)
    stale = m.sent_ts is not None and m.sent_ts < order.ts
    if ending is not None:
        return Step(order) if stale else _end(order, *ending, m)
    newer = _is_newer(order, m.source, m.sent_ts)
    if order.life in _ENDED:
        if newer and m.status is not VenueStatus.FILLED:
            return _revived(order, m.ts, m.venue_order_id)
        return Step(order)
    if order.life is Life.FILLED or stale:
        return Step(order)
    moved = _progress(order, _SNAPSHOT_PROGRESS[m.status], m.ts, m.venue_order_id)
    agreed = moved.order
    if newer and agreed.unverified and agreed.claim_qty <= agreed.cum_qty:
        return Step(replace(agreed, unverified=False, ts=m.ts), moved.verdict, True)
    return _settle_quantity(agreed) if moved.changed else moved


def _on_settle(order: Order, ledger: Ledger, m: SettleOrder) -> Step:
    """A person states what became of it: the strongest evidence there is for a doubt, and recorded as theirs."""
    statement = f"operator: {m.statement}"
    if m.state is OrderState.ACCEPTED:
        found = _on_accepted(
            order,
            ledger,
            Accepted(m.client_order_id, m.ts, source=Source.OPERATOR, sent_ts=m.ts),
        )
    elif m.state is OrderState.CANCELLED:
        found = _on_cancelled(order, ledger, Cancelled(m.client_order_id, m.ts, None, statement))
    elif m.state is OrderState.EXPIRED:
        found = _on_expired(order, ledger, Expired(m.client_order_id, m.ts, statement))
    elif m.state is OrderState.REJECTED:
        found = _on_rejected(order, ledger, Rejected(m.client_order_id, m.ts, statement))
    else:
        raise InvalidValue(
            f"an order can be settled as ACCEPTED, CANCELLED, EXPIRED or REJECTED, not as {m.state.name};"
            " state fills as executions"
        )
    settled = replace(found.order, requests=(), unverified=False, claim_qty=found.order.cum_qty)
    return Step(settled, found.verdict, True, anomaly=found.anomaly)


# --- requests of ours ------------------------------------------------------------------------------------------------


def _on_cancel(order: Order, ledger: Ledger, m: CancelOrder) -> Step:
    """Ask for the rest to be cancelled; quantities do not change before the venue confirms."""
    del ledger
    if order.life in TERMINAL:
        return Step(order, refused=f"the order is {order.life.name} already")
    if any(out.req_id == m.req_id for out in order.requests):
        return Step(order)  # the same request again
    asked = replace(order, requests=(*order.requests, Outstanding(m.req_id, True)), ts=m.ts)
    ids = order.venue_order_ids
    request = Cancel(
        m.client_order_id, m.req_id, order.terms.instrument, ids[-1] if ids else None
    )
    return Step(asked, Verdict.MOVE, True, request=request)


def _on_amend(order: Order, ledger: Ledger, m: AmendOrder) -> Step:
    """Ask for new terms; the old stay in force until the venue confirms."""
    del ledger
    raises = m.order_qty is not None and m.order_qty > order.cum_qty
    if order.life in TERMINAL and not (order.life is Life.FILLED and raises):
        return Step(order, refused=f"the order is {order.life.name} already")
    if any(out.req_id == m.req_id for out in order.requests):
        return Step(order)
    if any(out.unknown and not out.is_cancel for out in order.requests):
        return Step(order, refused="an earlier amend of this order is of unknown outcome")
    out = Outstanding(m.req_id, False, m.order_qty, m.price, m.stop_px)
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
    asked = replace(order, requests=(*order.requests, out), ts=m.ts)
    return Step(asked, Verdict.MOVE, True, request=request)


def _on_request_refused(order: Order, ledger: Ledger, m: CancelRefused | ReplaceRefused) -> Step:
    """That request is gone. The state follows from the facts; the refusal proves nothing, so the venue is asked."""
    del ledger
    rest = _without(order, m.req_id)
    if len(rest) == len(order.requests):
        return Step(order)
    asked = order.unverified or (isinstance(m, CancelRefused) and order.life not in TERMINAL)
    return Step(replace(order, requests=rest, unverified=asked, ts=m.ts), Verdict.MOVE, True)


def _on_replaced(order: Order, ledger: Ledger, m: Replaced) -> Step:
    """New terms are in force (FIX C.3). After an end they change nothing but the request."""
    del ledger
    rest = order.requests if m.req_id is None else _without(order, m.req_id)
    if order.life in _ENDED or order.life is Life.DENIED:
        if len(rest) == len(order.requests):
            return Step(order)
        return Step(replace(order, requests=rest, ts=m.ts), changed=True)
    life = _TABLE[order.life, _T.ACK].target
    granted = replace(
        _moved(order, life, m.ts, _ids(order, m.venue_order_id)),
        requests=rest,
        order_qty=order.order_qty if m.order_qty is None else m.order_qty,
        price=order.price if m.price is None else m.price,
        stop_px=order.stop_px if m.stop_px is None else m.stop_px,
    )
    settled = _settle_quantity(granted)
    if _same_but_time(settled.order, order):
        return Step(order)
    return settled


def _same_but_time(one: Order, other: Order) -> bool:
    return replace(one, ts=0) == replace(other, ts=0)


def _on_restated(order: Order, ledger: Ledger, m: Restated) -> Step:
    """The venue changed it by itself: a reduction (FIX E.1.d), or a split that rescales fills too (FIX H.1.b)."""
    if order.life in _ENDED or order.life is Life.DENIED:
        return Step(order)
    if m.ratio is None or m.ratio == 1:
        if order.order_qty == m.order_qty:
            return Step(order)
        return _settle_quantity(replace(order, order_qty=m.order_qty, ts=m.ts))
    ratio: Decimal = m.ratio
    bookings = tuple(
        Booking(
            BookingKind.SPLIT,
            replace(fill, last_qty=fill.last_qty * ratio, last_px=CONTEXT.divide(fill.last_px, ratio)),
            fill.exec_id,
        )
        for fill in ledger.live()
    )
    rescaled = replace(
        order,
        order_qty=m.order_qty,
        cum_qty=order.cum_qty * ratio,
        claim_qty=order.claim_qty * ratio,
        ts=m.ts,
    )
    settled = _settle_quantity(rescaled)
    return Step(settled.order, settled.verdict, True, bookings)


# --- the dispatch ----------------------------------------------------------------------------------------------------

_Handler = Callable[[Order, Ledger, Message], Step]


def _entry(kind: type[M], handler: Callable[[Order, Ledger, M], Step]) -> tuple[type[Message], _Handler]:
    return kind, cast(_Handler, handler)


_HANDLERS: dict[type[Message], _Handler] = dict(
    (
        _entry(Filled, on_filled),
        _entry(Accepted, _on_accepted),
        _entry(Cancelled, _on_cancelled),
        _entry(Expired, _on_expired),
        _entry(Rejected, _on_rejected),
        _entry(Triggered, _on_triggered),
        _entry(Suspended, _on_suspended),
        _entry(Resumed, _on_resumed),
        _entry(RequestPending, _on_request_pending),
        _entry(DoneForDay, _on_done_for_day),
        _entry(Denied, _on_denied),
        _entry(Withdrawn, _on_withdrawn),
        _entry(OutcomeUnknown, _on_outcome_unknown),
        _entry(OrderNotFound, _on_not_found),
        _entry(NeverArrived, _on_never_arrived),
        _entry(OrderSnapshot, _on_snapshot),
        _entry(SettleOrder, _on_settle),
        _entry(CancelOrder, _on_cancel),
        _entry(AmendOrder, _on_amend),
        _entry(CancelRefused, _on_request_refused),
        _entry(ReplaceRefused, _on_request_refused),
        _entry(Replaced, _on_replaced),
        _entry(Restated, _on_restated),
        _entry(TradeBusted, on_busted),
        _entry(TradeCorrected, on_corrected),
    )
)
