"""How trips follow from what is booked into a slot; :mod:`engine.trips` has the words.

:func:`follow_booking`, :func:`follow_statement` and :func:`follow_marks` take one thing that
happened, and give the slot, its history and what changed among its trips. All are pure. A booking
that only adds is one step on; one that takes back or corrects folds again all that is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from .booking import book_execution
from .messages import CorrectPosition, PriceExtreme, SubmitOrder
from .order import Booking, BookingKind
from .pnl import EXACT
from .trip_steps import TripFold
from .trips import (
    WINDOW,
    Followed,
    Leg,
    LegKind,
    Opener,
    Stand,
    Stated,
    Trail,
)
from .values import ZERO, Instrument

__all__ = ["follow_booking", "follow_marks", "follow_statement"]

_add: Final = EXACT.add
_BOOK, _VOID, _FEE, _STATED, _MARK = (
    LegKind.BOOK, LegKind.VOID, LegKind.FEE, LegKind.STATED, LegKind.MARK,
)  # fmt: skip


# --- one thing more -------------------------------------------------------------------------------


def follow_booking(
    trail: Trail, instrument: Instrument, terms: SubmitOrder, booking: Booking, ts: int
) -> Followed:
    """Take one booking of an order into the slot and its history.

    Raises:
        InvalidValue: it cannot be booked; nothing changed.
    """
    kind, fill = booking.kind, booking.fill
    cid, key = terms.client_order_id, booking.exec_id
    opener = Opener(cid, terms.intent_id, terms.group_id, terms.tags)
    side = fill.side if fill.side is not None else terms.side
    if kind is BookingKind.BOOK:
        leg = Leg(
            _BOOK, ts, key, side, fill.last_qty, fill.last_px, fill.fee, fill.fee_currency, opener
        )
        if trail.hole is not None and trail.hole[:2] == (cid, ts):
            at = trail.hole[2]
            legs = (*trail.kept[:at], leg, *trail.kept[at:])
            out = _folded_again(trail, legs, ts, instrument, (cid, ts, at + 1))
            return out._replace(closed=tuple(replace(one, amended=True) for one in out.closed))
        return _one_more(trail, leg, instrument)
    if kind is BookingKind.VOID and fill.last_qty:
        again = _taken_out(trail, cid, key, ts, instrument)
        if again is not None:
            return again
        leg = Leg(  # of an execution that is not kept any more
            _VOID, ts, key, side, fill.last_qty, fill.last_px, fill.fee, fill.fee_currency, opener
        )
        return _one_more(trail, leg, instrument)
    if kind is BookingKind.FEE and fill.fee is not None:
        return _late_fee(trail, terms, booking, ts, instrument)
    after = book_execution(trail.now.position, instrument, terms, booking, ts)
    return Followed(after, trail)


def follow_statement(trail: Trail, instrument: Instrument, stated: Stated) -> Followed:
    """Take a baseline or a correction into the slot and its history.

    Raises:
        InvalidValue: it does not fit the slot; nothing changed.
    """
    px = stated.px if isinstance(stated, CorrectPosition) else stated.avg_px
    return _one_more(trail, Leg(_STATED, stated.ts, px=px, stated=stated), instrument)


def follow_marks(trail: Trail, instrument: Instrument, fact: PriceExtreme) -> Followed:
    """Take the prices that were furthest apart since the last leg into the trip that is open."""
    if trail.now.trip is None:
        return Followed(trail.now.position, trail)
    last = trail.legs[-1] if trail.legs else None
    if last is not None and last.kind is _MARK and last.low is not None and last.high is not None:
        both = replace(last, low=min(last.low, fact.low), high=max(last.high, fact.high))
        seen = TripFold(trail.now, instrument)
        seen.take(both)  # prices alone move nothing: taking them once more changes nothing else
        legs = (*trail.legs[:-1], both)
        kept = Trail(trail.base, legs, seen.stand(), trail.older, trail.middle)
        return Followed(seen.position, kept)
    return _one_more(trail, Leg(_MARK, fact.ts, low=fact.low, high=fact.high), instrument)


# --- folding --------------------------------------------------------------------------------------


def _one_more(trail: Trail, leg: Leg, instrument: Instrument) -> Followed:
    before = trail.now
    fold = TripFold(before, instrument)
    leg = fold.take(leg)
    base, older, middle, legs = trail.base, trail.older, trail.middle, trail.legs
    if len(legs) >= WINDOW:  # what was older is kept as its sum
        base, older, middle, legs = middle or base, legs, before, ()
    now = fold.stand()
    opened = None
    if now.trip is not None and now.count != before.count:
        opened = now.trip
    closed = tuple(
        replace(trip, amended=True) if number <= before.count and number != _open(before) else trip
        for number, trip in fold.closed.items()
    )
    return Followed(
        fold.position, Trail(base, (*legs, leg), now, older, middle), closed, (), opened
    )


def _open(stand: Stand) -> int:
    return 0 if stand.trip is None else stand.trip.number


def _folded_again(
    trail: Trail,
    legs: tuple[Leg, ...],
    ts: int,
    instrument: Instrument,
    hole: tuple[str, int, int] | None,
) -> Followed:
    """Fold all that is kept once more, now that ``legs`` are what happened."""
    old = TripFold(trail.base, instrument)
    for leg in trail.kept:
        old.take(leg)
    new = TripFold(trail.base, instrument)
    base, kept = trail.base, list[Leg]()
    older: tuple[Leg, ...] = ()
    middle: Stand | None = None
    for leg in _with_fees(legs):
        if len(kept) >= WINDOW:
            base, hole = middle or base, hole and (*hole[:2], max(hole[2] - len(older), 0))
            older, middle, kept = tuple(kept), new.stand(), []
        kept.append(new.take(leg))
    new.position = replace(new.position, ts=ts)
    now = new.stand()
    closed = tuple(
        replace(trip, amended=True)
        if number <= trail.now.count and number != _open(trail.now)
        else trip
        for number, trip in new.closed.items()
        if trip != old.closed.get(number)
    )
    gone = tuple(number for number in old.closed if number not in new.closed)
    before = trail.base.last
    if before is not None and before.number in gone:  # only what came behind its close is gone
        gone = tuple(number for number in gone if number != before.number)
        closed = (replace(before, amended=True), *closed)
    opened = None
    if now.trip is not None and _open(trail.now) == 0 and now.count > trail.now.count:
        opened = now.trip
    return Followed(
        new.position, Trail(base, tuple(kept), now, older, middle, hole), closed, gone, opened
    )


def _find(legs: Sequence[Leg], cid: str, key: str) -> int | None:
    for index in range(len(legs) - 1, -1, -1):
        if legs[index].is_execution(cid, key):
            return index
    return None


def _with_fees(legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """Late fees with their executions, where these are kept: they may come to another trip."""
    found: list[Leg] = []
    for leg in legs:
        if leg.kind is _FEE and leg.fee is not None:
            index = _find(found, leg.by.client_order_id, leg.key)
            paid = None if index is None else found[index]
            if index is not None and paid is not None:
                if not paid.fee or paid.fee_currency == leg.fee_currency:
                    fee = _add(paid.fee or ZERO, leg.fee)
                    found[index] = replace(paid, fee=fee, fee_currency=leg.fee_currency)
                    continue
        found.append(leg)
    return tuple(found)


def _taken_out(
    trail: Trail, cid: str, key: str, ts: int, instrument: Instrument
) -> Followed | None:
    """An execution never was. What the same step booked instead of it takes its place. None: it is
    not kept.
    """
    kept = _with_fees(trail.kept)
    index = _find(kept, cid, key)
    if index is None:
        return None
    end = len(kept)
    while end - 1 > index and _is_of(kept[end - 1], cid, ts):
        end -= 1
    instead = kept[end:]
    behind = tuple(leg for leg in kept[index + 1 : end] if not _pays(leg, cid, key))
    legs = (*kept[:index], *instead, *behind)
    return _folded_again(trail, legs, ts, instrument, (cid, ts, index + len(instead)))


def _pays(leg: Leg, cid: str, key: str) -> bool:
    """Whether it is a late fee of this execution."""
    return leg.kind is _FEE and leg.key == key and leg.by.client_order_id == cid


def _is_of(leg: Leg, cid: str, ts: int) -> bool:
    return leg.kind is _BOOK and leg.ts == ts and leg.by.client_order_id == cid


def _late_fee(
    trail: Trail, terms: SubmitOrder, booking: Booking, ts: int, instrument: Instrument
) -> Followed:
    """A fee belongs to the trip of its execution, where that is kept."""
    fill, cid, now = booking.fill, terms.client_order_id, trail.now
    late = Leg(
        _FEE, ts, booking.exec_id, fee=fill.fee, fee_currency=fill.fee_currency, by=Opener(cid)
    )
    for legs in (trail.legs, trail.older):
        index = _find(legs, cid, booking.exec_id)
        if index is not None:
            here = now.trip.number if now.trip is not None else now.count
            if legs[index].trip != here or legs[index].flips:
                return _folded_again(trail, (*trail.kept, late), ts, instrument, None)
            break
    return _one_more(trail, late, instrument)
