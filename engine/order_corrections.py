"""Executions taken back: busted, or corrected into others.

A bust or a correction may come before the execution it speaks of; it is kept then, and voids that
one on arrival.
"""

from __future__ import annotations

from msgspec.structs import replace

from .messages import Filled, TradeBusted, TradeCorrected
from .order import Booking, BookingKind, Ledger, Order, Step, ledger_key
from .order_fills import early_void, fee_told, is_bookable, rebook
from .statechart import Verdict

__all__ = ["on_busted", "on_corrected"]

_BOOK, _VOID = BookingKind.BOOK, BookingKind.VOID


def on_busted(order: Order, ledger: Ledger, m: TradeBusted) -> Step:
    """Take an execution back. A bust of an unknown one is kept, and voids it on arrival."""
    voids = [
        Booking(_VOID, fill, ledger_key(order.terms, fill)) for fill in ledger.named(m.exec_id)
    ]
    if m.exec_id not in ledger:
        voids.append(early_void(order, m.exec_id, m.ts))
        anomaly = "" if len(voids) > 1 else "early_bust"
    elif voids:
        anomaly = ""
    else:
        return Step(order)  # said twice
    busted = rebook(order, ledger, voids, m.ts, None, m.venue_order_id)
    return busted if not anomaly else replace(busted, anomaly=busted.anomaly or anomaly)


def on_corrected(order: Order, ledger: Ledger, m: TradeCorrected) -> Step:
    """A bust and a fill in one (FIX J.1.a).

    A correction refers to the latest version of the execution.
    """
    if not is_bookable(m):
        return Step(order, Verdict.QUARANTINE, True, anomaly="malformed_fill")
    old = next(ledger.named(m.exec_id), None)
    in_place = m.new_exec_id == m.exec_id
    if old is None:
        if in_place and m.exec_id in ledger:
            return Step(order, anomaly="void_fill")  # a bust is final: it cannot be corrected
        bookings = [] if m.exec_id in ledger else [early_void(order, m.exec_id, m.ts)]
    else:
        old_key = ledger_key(order.terms, old)
        if in_place and old.last_qty == m.last_qty and old.last_px == m.last_px:
            return _said_again(order, ledger, m, old_key)
        bookings = [Booking(_VOID, old, old_key)]
    new = _corrected(m, old)
    key = ledger_key(order.terms, new)
    if in_place or key not in ledger:
        bookings.append(Booking(_BOOK, new, key))
    elif not bookings:
        return _said_again(order, ledger, m, key)
    return rebook(order, ledger, bookings, m.ts, None, m.venue_order_id)


def _said_again(order: Order, ledger: Ledger, m: TradeCorrected, key: str) -> Step:
    """Quantity and price as we hold them: nothing new, or another fee."""
    known = ledger.get(key)
    if known is None or m.fee is None or (m.fee, m.fee_currency) == (known.fee, known.fee_currency):
        return Step(order)
    return Step(order, Verdict.STAY, True, fee_told(known, m.fee, m.fee_currency, key))


def _corrected(m: TradeCorrected, old: Filled | None) -> Filled:
    """What a correction puts in the place of ``old``; what it does not say is taken from there."""
    if old is None:
        return Filled(
            m.client_order_id, m.ts, m.new_exec_id, m.last_qty, m.last_px, m.fee, m.fee_currency,
            venue_order_id=m.venue_order_id,
        )  # fmt: skip
    told = m.fee is not None
    return replace(
        old,
        ts=m.ts,
        exec_id=m.new_exec_id,
        last_qty=m.last_qty,
        last_px=m.last_px,
        fee=m.fee if told else old.fee,
        fee_currency=m.fee_currency if told else old.fee_currency,
        fee_assumed=not told and old.fee is not None,
        venue_order_id=m.venue_order_id,
        cum_qty=None,
        revises=None,
        inferred=False,
    )
