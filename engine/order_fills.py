"""Executions: booking them, once, in any state.

Quantities change here and by confirmed terms, nowhere else.

:func:`on_filled` is the hot path and takes the plain case itself: a new execution of an order
without inferred fills. Everything else goes through :func:`rebook`, which applies a list of
bookings and lets the resulting sums pick the trigger; for a plain execution both come to the same.

An *inferred* fill stands for an interval of the venue's total that executions do not explain. It is
cut to what is claimed and not booked, and makes room for every real execution, so ``cum_qty`` is
the larger of the two whatever order they come in.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from .messages import Feeds, Filled, TradeCorrected
from .order import Booking, BookingKind, Doubt, Ledger, Order, Step, ledger_key, leg_key
from .order_moves import ENDED, TRIGGER_TYPES, ids_with, is_over, learn, settle_quantity
from .order_tables import LIFE, TERMINAL, Life, LifeTrigger
from .statechart import Cell, Verdict
from .values import ZERO

__all__ = ["early_void", "fee_told", "is_bookable", "on_filled", "rebook"]

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
    """Book one execution, once, in any state."""
    terms = order.terms
    exec_id, qty, px = m.exec_id, m.last_qty, m.last_px
    fills = ledger.fills
    if (
        (fills is not None and (exec_id in fills or ledger.has_inferred))
        or (m.feeds is not _BOTH or m.revises is not None or m.inferred)
        or (m.instrument and m.instrument != terms.instrument)
        or (m.side is not None and m.side is not terms.side)
        or not (qty.is_finite() and px.is_finite() and qty > ZERO)
        or not (m.fee is None or m.fee.is_finite())
        or (order.requests and _exceeds(order, qty))
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
        unverified = _counts_less(m, target)
    life = cell.target
    if life is _ACCEPTED and terms.order_type in TRIGGER_TYPES and not terms.local:
        life = Life.TRIGGERED  # what fills was elected, there; by us it was before it left
    claim = order.claim_qty if m.cum_qty is None else max(order.claim_qty, m.cum_qty)
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
            order.trigger,
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
    if not is_bookable(m):
        return Step(order, Verdict.QUARANTINE, True, anomaly="malformed_fill")
    if m.feeds is Feeds.POSITION:
        return _leg(order, m, key)
    if m.inferred:
        return _inferred(order, m, key)
    bookings = _void_predecessor(order, ledger, m)
    bookings.append(Booking(_BOOK, m, key))
    return rebook(order, ledger, bookings, m.ts, m.cum_qty, m.venue_order_id)


def is_bookable(m: Filled | TradeCorrected) -> bool:
    """Whether its numbers can be an execution's."""
    if not (m.last_qty.is_finite() and m.last_px.is_finite() and m.last_qty > ZERO):
        return False
    return m.fee is None or m.fee.is_finite()


def _seen_before(order: Order, ledger: Ledger, m: Filled, key: str) -> Step:
    """The same execution id again: a duplicate, a fee that came later, or a contradiction."""
    voids = _void_predecessor(order, ledger, m)
    if voids:  # its revision came first: what this one replaced goes as well
        return rebook(order, ledger, voids, m.ts, m.cum_qty, m.venue_order_id)
    learnt = learn(order, m.cum_qty, m.venue_order_id)
    changed = learnt is not order
    known = ledger.get(key)
    if m.inferred:
        return Step(order)  # booked, cut or replaced: it stands for nothing new
    if known is None:  # busted: a redelivery does not bring it back
        return Step(learnt, Verdict.STAY, changed, anomaly="void_fill")
    if known.last_qty != m.last_qty or known.last_px != m.last_px:
        return Step(order, Verdict.QUARANTINE, True, anomaly="execution_mismatch")
    if m.fee is not None and m.fee.is_finite() and (known.fee is None or known.fee_assumed):
        return Step(learnt, Verdict.STAY, True, fee_told(known, m.fee, m.fee_currency, key))
    return Step(learnt, Verdict.STAY, changed)


def fee_told(known: Filled, fee: Decimal, currency: str, key: str) -> tuple[Booking, ...]:
    """The fee of a booked execution becomes known; one that was only assumed is given back."""
    told = replace(known, fee=fee, fee_currency=currency, fee_assumed=False)
    if not known.fee:
        return (Booking(_FEE, told, key),)
    return Booking(_FEE, replace(known, fee=-known.fee), key), Booking(_FEE, told, key)


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
    if life is _ACCEPTED and order.terms.order_type in TRIGGER_TYPES and not order.terms.local:
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
    return rebook(order, None, [Booking(_BOOK, cut, key)], m.ts, m.cum_qty, m.venue_order_id)


def _void_predecessor(order: Order, ledger: Ledger, m: Filled) -> list[Booking]:
    """The execution that a revision replaces goes, also when it has not come yet."""
    if m.revises is None:
        return []
    plain = ledger_key(order.terms, m) is m.exec_id
    key = m.revises if plain else leg_key(m, m.revises)
    old = ledger.get(key)
    if old is not None:
        return [Booking(_VOID, old, key)]
    return [] if key in ledger else [early_void(order, key, m.ts)]


def early_void(order: Order, key: str, ts: int) -> Booking:
    """A void for an execution that has not come: it takes nothing back, its ``last_qty`` is 0."""
    return Booking(_VOID, Filled(order.terms.client_order_id, ts, key, ZERO, ZERO), key)


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


def _exceeds(order: Order, qty: Decimal) -> bool:
    return order.order_qty is not None and order.cum_qty + qty > order.order_qty


def _as_amended(order: Order, cum: Decimal) -> Order:
    """More has filled than was asked for: an amend of ours that is not answered explains it.

    A fill implies the amend as it implies the ack. The request stays until it is answered, and the
    venue is asked, which tells it from a venue that filled too much.
    """
    if is_over(order) or order.order_qty is None or cum <= order.order_qty:
        return order
    for out in order.requests:  # the first: those behind it have not left
        if not out.is_cancel and out.order_qty is not None and out.order_qty >= cum:
            return settle_quantity(
                replace(
                    order,
                    order_qty=out.order_qty,
                    price=order.price if out.price is None else out.price,
                    stop_px=order.stop_px if out.stop_px is None else out.stop_px,
                    unverified=True,
                )
            )
    return order


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
    if life is _ACCEPTED and order.terms.order_type in TRIGGER_TYPES and not order.terms.local:
        life = Life.TRIGGERED
    return life, verdict


def _counts_less(m: Filled, target: Decimal | None) -> bool:
    """Whether by its own count the venue has not filled all: one of ours is void, or will be."""
    return m.cum_qty is not None and target is not None and m.cum_qty < target


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


def rebook(
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
    order = _as_amended(order, cum)
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
