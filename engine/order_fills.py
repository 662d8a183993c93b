"""Executions: booking, busting, correcting.

Quantities change here and by confirmed terms, nowhere else.

:func:`on_filled` is the hot path and takes the plain case itself: a new execution of an order
without inferred fills. Everything else goes through :func:`_rebook`, which applies a list of
bookings and lets the resulting sums pick the trigger; for a plain execution both come to the same.

An *inferred* fill stands for an interval of the venue's total that executions do not explain. It is
cut to what is claimed and not booked, and makes room for every real execution, so ``cum_qty`` is
the larger of the two whatever order they come in.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from .messages import Feeds, Filled, TradeBusted, TradeCorrected
from .order import Booking, BookingKind, Doubt, Ledger, Order, Step, ledger_key, leg_key
from .order_moves import ENDED, TRIGGER_TYPES, ids_with, learn
from .order_tables import LIFE, TERMINAL, Life, LifeTrigger
from .statechart import Cell, Verdict
from .values import ZERO

__all__ = ["on_busted", "on_corrected", "on_filled"]

_TABLE = LIFE.table
_BOOK, _VOID, _FEE = BookingKind.BOOK, BookingKind.VOID, BookingKind.FEE
_BOTH = Feeds.BOTH
_ACCEPTED, _IN_DOUBT, _FILLED = Life.ACCEPTED, Life.IN_DOUBT, Life.FILLED
_LATE = Verdict.LATE
_REFUSED = frozenset({Life.REJECTED, Life.DENIED})

#: Two columns of the life table, by state: a lookup by one key is half the price of one by a pair.
_ON_FILL: dict[Life, Cell[Life]] = {life: _TABLE[life, LifeTrigger.FILL] for life in Life}
_ON_COMPLETE: dict[Life, Cell[Life]] = {life: _TABLE[life, LifeTrigger.COMPLETE] for life in Life}


def on_filled(order: Order, ledger: Ledger, m: Filled) -> Step:
    """Book one execution, once, in any state (DESIGN 3.3)."""
    terms = order.terms
    exec_id, qty, px = m.exec_id, m.last_qty, m.last_px
    fills = ledger.fills
    if (
        (fills is not None and (exec_id in fills or ledger.has_inferred))
        or m.feeds is not _BOTH
        or m.revises is not None
        or m.inferred
        or (m.instrument and m.instrument != terms.instrument)
        or (m.side is not None and m.side is not terms.side)
        or not (qty.is_finite() and px.is_finite() and qty > ZERO)
        or not (m.fee is None or m.fee.is_finite())
    ):
        return _uncommon(order, ledger, m)
    cum = order.cum_qty + qty
    target = order.order_qty
    life = order.life
    if life is _IN_DOUBT and order.doubt is Doubt.EXISTENCE:
        life = _ACCEPTED  # a fill proves that it was placed
    complete = target is not None and cum >= target
    cell = _ON_COMPLETE[life] if complete else _ON_FILL[life]
    verdict = cell.verdict
    anomaly = ""
    unverified = order.unverified and not complete
    if verdict is _LATE:
        anomaly = "overfill" if life is _FILLED else "late_fill"
        if life in _REFUSED and not complete:
            unverified = True  # refused and filled contradict each other: it may still work
    elif complete and cum > target:  # type: ignore[operator]  # complete implies a known target
        anomaly = "overfill"
    life = cell.target
    if life is _ACCEPTED and terms.order_type in TRIGGER_TYPES:
        life = Life.TRIGGERED  # what fills was elected
    claim = order.claim_qty
    if m.cum_qty is not None and m.cum_qty > claim:
        claim = m.cum_qty
    ids = order.venue_order_ids
    if m.venue_order_id is not None and m.venue_order_id not in ids:
        ids = (*ids, m.venue_order_id)
    return Step(
        Order(
            terms,
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
            order.doubt if life is _IN_DOUBT else None,
            unverified,
            ids,
            m.ts if m.ts > order.ts else order.ts,
            order.ended_ts,
        ),
        verdict,
        True,
        (Booking(_BOOK, m, exec_id),),
        None,
        anomaly,
    )


# --- what is not plain ----------------------------------------------------------------------------


def _uncommon(order: Order, ledger: Ledger, m: Filled) -> Step:
    """Everything but the plain case.

    Seen before, malformed, a leg, a revision, or next to an inferred fill.
    """
    key = ledger_key(order.terms, m)
    if key in ledger or (key is not m.exec_id and ledger.is_void(m.exec_id)):
        return _seen_before(order, ledger, m, key)
    if not _is_bookable(m):
        return Step(order, Verdict.QUARANTINE, True, anomaly="malformed_fill")
    if m.feeds is Feeds.POSITION:
        return _leg(order, m, key)
    if m.inferred:
        return _inferred(order, m, key)
    bookings = _void_predecessor(order, ledger, m)
    bookings.append(Booking(_BOOK, m, key))
    return _rebook(order, ledger, bookings, m.ts, m.cum_qty, m.venue_order_id)


def _is_bookable(m: Filled | TradeCorrected) -> bool:
    if not (m.last_qty.is_finite() and m.last_px.is_finite() and m.last_qty > ZERO):
        return False
    return m.fee is None or m.fee.is_finite()


def _seen_before(order: Order, ledger: Ledger, m: Filled, key: str) -> Step:
    """The same execution id again: a duplicate, a fee that came later, or a contradiction."""
    voids = _void_predecessor(order, ledger, m)
    if voids:  # its revision came first: what this one replaced goes as well
        return _rebook(order, ledger, voids, m.ts, m.cum_qty, m.venue_order_id)
    learnt = learn(order, m.cum_qty, m.venue_order_id)
    changed = learnt is not order
    known = ledger.get(key)
    if m.inferred:
        return Step(order)  # booked, cut or replaced: it stands for nothing new
    if known is None:  # busted: a redelivery does not bring it back
        return Step(learnt, Verdict.STAY, changed, anomaly="void_fill")
    if known.last_qty != m.last_qty or known.last_px != m.last_px:
        return Step(order, Verdict.QUARANTINE, True, anomaly="execution_mismatch")
    if known.fee is None and m.fee is not None and m.fee.is_finite():
        told = replace(known, fee=m.fee, fee_currency=m.fee_currency)
        return Step(learnt, Verdict.STAY, True, (Booking(_FEE, told, key),))
    return Step(learnt, Verdict.STAY, changed)


def _leg(order: Order, m: Filled, key: str) -> Step:
    """An execution that feeds a position only.

    No quantity of the order's, yet it proves that the order was placed.
    """
    life = order.life
    if life is _IN_DOUBT and order.doubt is Doubt.EXISTENCE:
        life = _ACCEPTED
    cell = _ON_FILL[life]
    late = (
        cell.verdict is _LATE and life is not _FILLED and life not in ENDED
    )  # never known as sent
    life = cell.target
    if life is _ACCEPTED and order.terms.order_type in TRIGGER_TYPES:
        life = Life.TRIGGERED
    after = replace(
        order,
        life=life,
        doubt=order.doubt if life is _IN_DOUBT else None,
        venue_order_ids=ids_with(order, m.venue_order_id),
        ts=max(m.ts, order.ts),
    )
    verdict = cell.verdict if late or cell.verdict is not _LATE else Verdict.STAY
    anomaly = "late_fill" if late else ""
    return Step(after, verdict, True, (Booking(_BOOK, m, key),), anomaly=anomaly)


def _inferred(order: Order, m: Filled, key: str) -> Step:
    """Cover what is claimed and not booked, and nothing more.

    Executions that came meanwhile are not doubled.
    """
    claim = order.claim_qty if m.cum_qty is None else m.cum_qty
    left = claim - order.cum_qty
    if left <= ZERO:
        return Step(order)
    cut = m if m.last_qty <= left else replace(m, last_qty=left)
    return _rebook(order, None, [Booking(_BOOK, cut, key)], m.ts, m.cum_qty, m.venue_order_id)


def _void_predecessor(order: Order, ledger: Ledger, m: Filled) -> list[Booking]:
    """The execution that a revision replaces goes, also when it has not come yet."""
    if m.revises is None:
        return []
    plain = ledger_key(order.terms, m) is m.exec_id
    key = m.revises if plain else leg_key(m, m.revises)
    old = ledger.get(key)
    if old is not None:
        return [Booking(_VOID, old, key)]
    return [] if key in ledger else [_early_void(order, key, m.ts)]


# --- taking back ----------------------------------------------------------------------------------


def on_busted(order: Order, ledger: Ledger, m: TradeBusted) -> Step:
    """Take an execution back. A bust of an unknown one is kept, and voids it on arrival."""
    voids = [
        Booking(_VOID, fill, ledger_key(order.terms, fill)) for fill in ledger.named(m.exec_id)
    ]
    if m.exec_id not in ledger:
        voids.append(_early_void(order, m.exec_id, m.ts))
        anomaly = "" if len(voids) > 1 else "early_bust"
    elif voids:
        anomaly = ""
    else:
        return Step(order)  # said twice
    busted = _rebook(order, ledger, voids, m.ts, None, m.venue_order_id)
    return busted if not anomaly else replace(busted, anomaly=busted.anomaly or anomaly)


def _early_void(order: Order, key: str, ts: int) -> Booking:
    """A void for an execution that has not come: it takes nothing back, its ``last_qty`` is 0."""
    return Booking(_VOID, Filled(order.terms.client_order_id, ts, key, ZERO, ZERO), key)


def on_corrected(order: Order, ledger: Ledger, m: TradeCorrected) -> Step:
    """A bust and a fill in one (FIX J.1.a).

    A correction refers to the latest version of the execution.
    """
    if not _is_bookable(m):
        return Step(order, Verdict.QUARANTINE, True, anomaly="malformed_fill")
    old = next(ledger.named(m.exec_id), None)
    in_place = m.new_exec_id == m.exec_id
    if old is None:
        if in_place and m.exec_id in ledger:
            return Step(order, anomaly="void_fill")  # a bust is final: it cannot be corrected
        bookings = [] if m.exec_id in ledger else [_early_void(order, m.exec_id, m.ts)]
    else:
        if in_place and old.last_qty == m.last_qty and old.last_px == m.last_px:
            return Step(order)
        bookings = [Booking(_VOID, old, ledger_key(order.terms, old))]
    new = _corrected(m, old)
    key = ledger_key(order.terms, new)
    if in_place or key not in ledger:
        bookings.append(Booking(_BOOK, new, key))
    elif not bookings:
        return _said_again(order, ledger, m, key)
    return _rebook(order, ledger, bookings, m.ts, None, m.venue_order_id)


def _said_again(order: Order, ledger: Ledger, m: TradeCorrected, key: str) -> Step:
    """A correction said twice: nothing new, or the fee that was taken over the first time."""
    known = ledger.get(key)
    if known is None or m.fee is None or (m.fee, m.fee_currency) == (known.fee, known.fee_currency):
        return Step(order)
    told = Booking(_FEE, replace(known, fee=m.fee, fee_currency=m.fee_currency), key)
    if not known.fee:
        return Step(order, Verdict.STAY, True, (told,))
    back = Booking(_FEE, replace(known, fee=-known.fee), key)
    return Step(order, Verdict.STAY, True, (back, told))


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
        venue_order_id=m.venue_order_id,
        cum_qty=None,
        revises=None,
        inferred=False,
    )


# --- many bookings at once ------------------------------------------------------------------------


def _counts(fill: Filled) -> Decimal:
    return ZERO if fill.feeds is Feeds.POSITION else fill.last_qty


def _make_room(ledger: Ledger, bookings: list[Booking]) -> None:
    """Inferred fills give way to as much as real executions add (never both)."""
    left = ZERO
    for one in bookings:
        left = left + _counts(one.fill) if one.kind is _BOOK else left - _counts(one.fill)
    by = bookings[-1].exec_id
    for fill in ledger.inferred():
        if left <= ZERO:
            return
        bookings.append(Booking(_VOID, fill, fill.exec_id))
        rest = fill.last_qty - left
        left -= fill.last_qty
        if rest > ZERO:
            exec_id = f"{fill.exec_id}<{by}"
            bookings.append(Booking(_BOOK, replace(fill, last_qty=rest, exec_id=exec_id), exec_id))


def _life_for(order: Order, cum: Decimal, booked: bool) -> tuple[Life, Verdict]:
    """Where an order stands once its executions come to ``cum``.

    Any execution, void or not, proves the placement.
    """
    life = order.life
    if life is _IN_DOUBT and order.doubt is Doubt.EXISTENCE:
        life = _ACCEPTED
    trigger = LifeTrigger.FILL if booked else LifeTrigger.ACK
    if order.order_qty is not None and cum >= order.order_qty and cum > ZERO:
        if life is _FILLED:
            return life, _LATE if cum > order.cum_qty else Verdict.STAY
        trigger = LifeTrigger.COMPLETE
    elif life is _FILLED:
        trigger = LifeTrigger.REOPEN
    elif life is _IN_DOUBT:
        return life, Verdict.STAY
    cell = _TABLE[life, trigger]
    life, verdict = cell.target, cell.verdict
    if trigger is LifeTrigger.REOPEN and order.end is not None:
        life = order.end  # a bust reopens only where no end stands
    elif verdict is _LATE and cum <= order.cum_qty and life in ENDED:
        verdict = Verdict.STAY  # restated, not late: nothing was added after the end
    if life is _ACCEPTED and order.terms.order_type in TRIGGER_TYPES:
        life = Life.TRIGGERED
    return life, verdict


def _anomaly(order: Order, life: Life, verdict: Verdict, cum: Decimal) -> str:
    """The word for what is unusual about a rebooking; it matches the plain case."""
    if verdict is Verdict.QUARANTINE:
        return "contradiction"
    if verdict is _LATE:
        return "overfill" if order.life is _FILLED else "late_fill"
    if order.life is _FILLED and life is not _FILLED:
        return "reopened"
    over = order.order_qty is not None and cum > order.order_qty and cum > order.cum_qty
    return "overfill" if over else ""


def _rebook(
    order: Order,
    ledger: Ledger | None,
    bookings: list[Booking],
    ts: int,
    stated_cum: Decimal | None,
    venue_order_id: str | None,
) -> Step:
    """Apply voids and fills together, then let the resulting quantities pick the trigger."""
    if ledger is not None and ledger.has_inferred:
        _make_room(ledger, bookings)
    cum, cost, booked = order.cum_qty, order.cum_cost, False
    for one in bookings:
        qty = _counts(one.fill)
        if one.kind is _BOOK:
            cum, cost, booked = cum + qty, cost + qty * one.fill.last_px, True
        else:
            cum, cost = cum - qty, cost - qty * one.fill.last_px
    life, verdict = _life_for(order, cum, booked)
    claim = order.claim_qty
    if cum < order.cum_qty:  # the venue's total falls with the execution it takes back
        claim = max(claim + (cum - order.cum_qty), ZERO)
    if stated_cum is not None and stated_cum > claim:
        claim = stated_cum
    unverified = order.unverified and life is not _FILLED
    if life not in TERMINAL and cum < order.cum_qty:
        unverified = True  # does the venue work what a bust gave back? It is asked
    elif life in _REFUSED and cum > order.cum_qty:
        unverified = True
    after = replace(
        order,
        life=life,
        cum_qty=cum,
        cum_cost=cost,
        claim_qty=claim,
        doubt=order.doubt if life is _IN_DOUBT else None,
        unverified=unverified or verdict is Verdict.QUARANTINE,
        venue_order_ids=ids_with(order, venue_order_id),
        ts=max(ts, order.ts),
    )
    return Step(after, verdict, True, tuple(bookings), None, _anomaly(order, life, verdict, cum))
