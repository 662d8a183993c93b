"""Executions: booking, busting, correcting. Quantities change here and by confirmed terms, nowhere else."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from .messages import Feeds, Filled, TradeBusted, TradeCorrected
from .order import Booking, BookingKind, Doubt, Ledger, Order, Step
from .order_tables import LIFE, TERMINAL, Life, LifeTrigger
from .statechart import Verdict
from .values import ZERO

__all__ = ["on_busted", "on_corrected", "on_filled"]

_TABLE = LIFE.table
_BOOK, _VOID, _FEE = BookingKind.BOOK, BookingKind.VOID, BookingKind.FEE


def on_filled(order: Order, ledger: Ledger, m: Filled) -> Step:
    """Book one execution, once, in any state (DESIGN 3.3)."""
    if m.exec_id in ledger:
        return _seen_before(order, ledger, m)
    qty, px = m.last_qty, m.last_px
    if not (qty.is_finite() and px.is_finite() and qty > ZERO):
        return Step(order, Verdict.QUARANTINE, True, anomaly="malformed_fill")
    if m.feeds is Feeds.POSITION:
        return Step(order, Verdict.STAY, True, (Booking(_BOOK, m, m.exec_id),))
    if m.revises is not None or (ledger.has_inferred and not m.inferred):
        return _replacing(order, ledger, m)
    cum = order.cum_qty + qty
    target = order.order_qty
    complete = target is not None and cum >= target
    life = order.life
    if life is Life.IN_DOUBT and order.doubt is Doubt.EXISTENCE:
        life = Life.ACCEPTED  # a fill proves that it was placed
    cell = _TABLE[life, LifeTrigger.COMPLETE if complete else LifeTrigger.FILL]
    life = cell.target
    if order.terms.stop_px is not None and (life is Life.ACCEPTED or life is Life.SUBMITTED):
        life = Life.TRIGGERED  # what fills was elected
    claim = order.claim_qty
    if m.cum_qty is not None and m.cum_qty > claim:
        claim = m.cum_qty
    ids = order.venue_order_ids
    if m.venue_order_id is not None and m.venue_order_id not in ids:
        ids = (*ids, m.venue_order_id)
    verdict = cell.verdict
    anomaly = ""
    if verdict is Verdict.LATE:
        anomaly = "late_fill" if order.life is not Life.FILLED else "overfill"
    elif complete and cum > target:  # type: ignore[operator]  # complete implies a known target
        anomaly = "overfill"
    return Step(
        Order(
            order.terms,
            life,
            order.link,
            order.requests,
            target,
            order.price,
            order.stop_px,
            cum,
            order.cum_cost + qty * px,
            claim,
            order.end,
            None if life is not Life.IN_DOUBT else order.doubt,
            order.unverified and not complete,
            ids,
            m.ts,
            order.ended_ts,
        ),
        verdict,
        True,
        (Booking(_BOOK, m, m.exec_id),),
        None,
        anomaly,
    )


def _seen_before(order: Order, ledger: Ledger, m: Filled) -> Step:
    """The same execution id again: a duplicate, a fee that came later, or a contradiction."""
    known = ledger.get(m.exec_id)
    if known is None:
        return Step(order, anomaly="void_fill")  # busted: a redelivery does not bring it back
    if known.last_qty != m.last_qty or known.last_px != m.last_px:
        return Step(order, Verdict.QUARANTINE, True, anomaly="execution_mismatch")
    if known.fee is None and m.fee is not None:
        told = msgspec.structs.replace(known, fee=m.fee, fee_currency=m.fee_currency)
        return Step(order, Verdict.STAY, True, (Booking(_FEE, told, m.exec_id),))
    return Step(order)


def _replacing(order: Order, ledger: Ledger, m: Filled) -> Step:
    """A revision takes its predecessor's place; a real execution takes an inferred interval's (never added)."""
    bookings: list[Booking] = []
    if m.revises is not None:
        old = ledger.get(m.revises)
        if old is not None:
            bookings.append(Booking(_VOID, old, m.revises))
        elif m.revises not in ledger:
            bookings.append(early_void(order, m.revises, m.ts))  # we come first
    else:
        left = m.last_qty
        for fill in ledger.live():
            if not fill.inferred or left <= ZERO:
                continue
            bookings.append(Booking(_VOID, fill, fill.exec_id))
            rest = fill.last_qty - left
            left -= fill.last_qty
            if rest > ZERO:
                exec_id = f"{fill.exec_id}<{m.exec_id}"
                smaller = msgspec.structs.replace(fill, last_qty=rest, exec_id=exec_id)
                bookings.append(Booking(_BOOK, smaller, exec_id))
    bookings.append(Booking(_BOOK, m, m.exec_id))
    return _rebook(order, ledger, tuple(bookings), m.ts, m.cum_qty)


def on_busted(order: Order, ledger: Ledger, m: TradeBusted) -> Step:
    """Take an execution back. A bust of an unknown one is kept, and voids it on arrival."""
    known = ledger.get(m.exec_id)
    if known is not None:
        return _rebook(order, ledger, (Booking(_VOID, known, m.exec_id),), m.ts, None)
    if m.exec_id in ledger:
        return Step(order)  # said twice
    return Step(
        order, Verdict.STAY, True, (early_void(order, m.exec_id, m.ts),), anomaly="early_bust"
    )


def early_void(order: Order, exec_id: str, ts: int) -> Booking:
    """A void for an execution that has not come: it takes nothing back, its ``last_qty`` is 0."""
    nothing = Filled(order.terms.client_order_id, ts, exec_id, ZERO, ZERO)
    return Booking(_VOID, nothing, exec_id)


def on_corrected(order: Order, ledger: Ledger, m: TradeCorrected) -> Step:
    """A bust and a fill in one (FIX J.1.a); a correction refers to the latest version of the execution."""
    if m.new_exec_id in ledger and m.new_exec_id != m.exec_id:
        return Step(order)  # said twice
    if not (m.last_qty.is_finite() and m.last_px.is_finite() and m.last_qty > ZERO):
        return Step(order, Verdict.QUARANTINE, True, anomaly="malformed_fill")
    old = ledger.get(m.exec_id)
    if old is not None and m.new_exec_id == m.exec_id:
        if old.last_qty == m.last_qty and old.last_px == m.last_px:
            return Step(order)
    new = Filled(
        m.client_order_id,
        m.ts,
        m.new_exec_id,
        m.last_qty,
        m.last_px,
        m.fee if m.fee is not None else (old.fee if old is not None else None),
        m.fee_currency if m.fee is not None else (old.fee_currency if old is not None else ""),
        old.liquidity if old is not None else None,
        m.venue_order_id,
        feeds=old.feeds if old is not None else Feeds.BOTH,
        instrument=old.instrument if old is not None else "",
        side=old.side if old is not None else None,
    )
    void = (
        Booking(_VOID, old, m.exec_id)
        if old is not None
        else early_void(order, m.exec_id, m.ts)
    )
    return _rebook(order, ledger, (void, Booking(_BOOK, new, m.new_exec_id)), m.ts, None)


def _counts(fill: Filled) -> Decimal:
    return ZERO if fill.feeds is Feeds.POSITION else fill.last_qty


def _rebook(
    order: Order,
    ledger: Ledger,
    bookings: tuple[Booking, ...],
    ts: int,
    stated_cum: Decimal | None,
) -> Step:
    """Apply voids and fills together, then let the resulting quantities pick the trigger."""
    cum, cost, booked = order.cum_qty, order.cum_cost, False
    for kind, fill, exec_id in bookings:
        qty = _counts(fill)
        if kind is _BOOK:
            cum, cost, booked = cum + qty, cost + qty * fill.last_px, True
        elif exec_id in ledger:  # a void of something that never came takes nothing back
            cum, cost = cum - qty, cost - qty * fill.last_px
    complete = order.order_qty is not None and cum >= order.order_qty
    life, verdict = order.life, Verdict.STAY
    if life is Life.IN_DOUBT and order.doubt is Doubt.EXISTENCE:
        life = Life.ACCEPTED
    reopened = False
    if complete and (booked or life not in TERMINAL):
        cell = _TABLE[life, LifeTrigger.COMPLETE]
        if life is not Life.FILLED:
            life, verdict = cell.target, cell.verdict
    elif not complete and life is Life.FILLED:
        cell = _TABLE[life, LifeTrigger.REOPEN]
        life, verdict, reopened = cell.target, cell.verdict, True
        if order.end is not None:
            life = order.end  # a bust reopens only where no end stands
    elif booked and life is not Life.FILLED:
        cell = _TABLE[life, LifeTrigger.FILL]
        life, verdict = cell.target, cell.verdict
    claim = order.claim_qty
    if cum < order.cum_qty:  # the venue's total falls with the execution it takes back
        claim = max(claim + (cum - order.cum_qty), ZERO)
    if stated_cum is not None and stated_cum > claim:
        claim = stated_cum
    return Step(
        Order(
            order.terms,
            life,
            order.link,
            order.requests,
            order.order_qty,
            order.price,
            order.stop_px,
            cum,
            cost,
            claim,
            order.end,
            None if life is not Life.IN_DOUBT else order.doubt,
            reopened and life not in TERMINAL,  # reopened without an end: the venue is asked
            order.venue_order_ids,
            ts,
            order.ended_ts,
        ),
        verdict,
        True,
        bookings,
        None,
        "late_fill" if verdict is Verdict.LATE else ("reopened" if reopened else ""),
    )
