"""Why an order is what it is: its facts from a journal, folded one by one.

:func:`find_order` finds an order by any id somebody may have at hand; :func:`explain` folds the
journal up to the order's last fact and keeps, for each fact of the order, what it was, what proves
it, and what it changed. Where retention has removed the facts, the tombstone tells how it ended.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from engine.errors import InvalidOrder, UnknownOrder
from engine.fold import Books, SlotKey, revive
from engine.journal import decode_record
from engine.messages import AdoptOrder, Command, Denied, Fact, Filled, SubmitOrder
from engine.order import Ledger, Order, avg_px, leaves_qty, public_state
from engine.order_tables import TERMINAL
from engine.policies.validation import check_order
from engine.position_state import Position
from engine.position_views import realized_pnl
from engine.trips import Trail
from engine.values import exact

from .journal import Journal
from .recovery import KeptFold
from .venues.recorded import RECORDED_CAPABILITIES

__all__ = ["Explanation", "Moment", "explain", "find_order"]

_NEAR_MAX: Final = 5
#: Fields of a fact that are shown elsewhere.
_SHOWN_ELSEWHERE: Final = frozenset({"ts", "client_order_id", "source"})


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of an order, and the order after it."""

    seq: int
    ts: int
    fact: str
    source: str  # what kind of evidence it is; "" for our own words
    evidence: tuple[tuple[str, str], ...]  # the fact's own fields, raw
    state: str
    cum_qty: Decimal
    leaves_qty: Decimal | None
    note: str  # what was unusual; "" when nothing was
    position_before: Decimal | None  # None where no position was touched
    position_after: Decimal | None
    realized_pnl: Decimal | None  # by this fact, in the settle currency


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The chain of one order."""

    client_order_id: str
    venue_order_ids: tuple[str, ...]
    terms: SubmitOrder
    introduced: str
    checks: tuple[str, ...]
    moments: tuple[Moment, ...]
    fills: tuple[Filled, ...]
    state: str
    order_qty: Decimal | None
    cum_qty: Decimal
    avg_px: Decimal | None
    fees: tuple[tuple[str, Decimal], ...]
    currency: str
    end: str
    removed: str = ""  # what retention has taken out of this story; "" where nothing is missing


def find_order(journal: Journal, wanted: str) -> str:
    """The client order id behind a client, intent or venue id, or the unique beginning of one.

    Raises:
        UnknownOrder: there is none, or several; names what is near.
    """
    by_id = _removed_ids(journal)
    for record in journal.records():
        fact = decode_record(record)
        owner = record.entity
        if isinstance(fact, SubmitOrder | AdoptOrder):
            terms = fact if isinstance(fact, SubmitOrder) else fact.terms
            by_id.setdefault(terms.client_order_id, {})[owner] = None
            by_id.setdefault(terms.intent_id, {})[owner] = None
        venue_order_id = getattr(fact, "venue_order_id", None)
        if venue_order_id:
            by_id.setdefault(venue_order_id, {})[owner] = None
    by_id.pop("", None)
    found = by_id.get(wanted)
    if found is None and wanted:
        found = {}
        for name, owners in by_id.items():
            if name.startswith(wanted):
                found.update(owners)
    if found and len(found) == 1:
        return next(iter(found))
    if found:
        some = ", ".join(f"{name!a}" for name in list(found)[:_NEAR_MAX])
        raise UnknownOrder(
            f"{wanted!a} fits {len(found)} orders in {journal.name}: {some}"
            f"{', ...' if len(found) > _NEAR_MAX else ''}. Give more of the id"
        )
    near = difflib.get_close_matches(wanted[:100], by_id, n=_NEAR_MAX, cutoff=0.5)
    hint = f"near are {', '.join(f'{name!a}' for name in near)}" if near else "no id is near it"
    raise UnknownOrder(
        f"no order with the client, intent or venue id {wanted[:100]!a} in {journal.name}: {hint}"
    )


def explain(journal: Journal, client_order_id: str) -> Explanation:
    """Fold the journal and tell the chain of one order.

    Raises:
        UnknownOrder: it is not in this journal.
        JournalCorrupt: the journal cannot be read up to the order's last fact.
    """
    last = 0
    for record in journal.records(entity=client_order_id):
        last = record.seq
    fold = KeptFold(journal)
    teller = _Teller(fold, client_order_id)
    with exact():
        for record in journal.records():
            if record.seq > last:
                break
            fold.reach(record.seq)
            fact = decode_record(record)
            if record.entity == client_order_id:
                teller.take(record.seq, fact)
            else:
                fold.apply(record.entity, fact)
        if client_order_id not in fold.books.orders:
            return _of_tombstone(journal, fold.books, client_order_id)
        return teller.told(is_whole=not journal.removed())


def _removed_ids(journal: Journal) -> dict[str, dict[str, None]]:
    """Orders by each of their ids, those whose facts retention may have removed."""
    by_id: dict[str, dict[str, None]] = {}
    if journal.removed():
        for cid, body in journal.closed_orders():
            order = revive(body)[0]
            for name in (cid, order.terms.intent_id, *order.venue_order_ids):
                by_id.setdefault(name, {})[cid] = None
    return by_id


def _of_tombstone(journal: Journal, books: Books, cid: str) -> Explanation:
    """What is left of an order whose facts retention has removed."""
    removed = journal.removed()
    body = journal.closed_order(cid) if removed else None
    if body is None:
        raise UnknownOrder(f"no order {cid!a:.80} was introduced in {journal.name}")
    why = (
        f"retention has removed its facts (of records {removed[0].first:,} to"
        f" {removed[-1].last:,}): its tombstone says how it ended, and nothing how it came to that"
    )
    return _explained(books, *revive(body), moments=[], introduced="", removed=why)


class _Teller:
    """Applies the facts of one order and notes what each did."""

    def __init__(self, fold: KeptFold, cid: str) -> None:
        self._fold = fold
        self._books = fold.books
        self._cid = cid
        self._moments: list[Moment] = []
        self._introduced = ""

    def take(self, seq: int, fact: Fact) -> None:
        """Apply one fact."""
        books, cid = self._books, self._cid
        before = dict(books.positions)
        trails = dict(books.history.trails)
        late, quarantined = books.late, books.quarantined
        self._fold.apply(cid, fact)
        notes = _trips(trails, books.history.trails) if self._fold.knows_positions else []
        if books.late > late:
            notes.append("late: booked all the same")
        if books.quarantined > quarantined:
            notes.append("contradiction: kept, and the venue was asked")
        order = books.orders.get(cid)
        if order is None:
            notes.append("kept until the order is introduced")
        elif isinstance(fact, SubmitOrder | AdoptOrder):
            adopted = isinstance(fact, AdoptOrder)
            why = f": {fact.why}" if isinstance(fact, AdoptOrder) else ""
            self._introduced = f"adopted{why}" if adopted else "submitted by us"
        if cid in books.frozen:
            notes.append(f"frozen: {books.frozen[cid]}")
        source = getattr(fact, "source", None)
        touched = _touched(before, books.positions) if self._fold.knows_positions else None
        self._moments.append(
            Moment(
                seq=seq,
                ts=fact.ts,
                fact=type(fact).__name__,
                source="" if source is None or isinstance(fact, Command) else source.value,
                evidence=_evidence(fact),
                state="" if order is None else public_state(order).value,
                cum_qty=Decimal(0) if order is None else order.cum_qty,
                leaves_qty=None if order is None else leaves_qty(order),
                note="; ".join(notes),
                position_before=None if touched is None else _qty(touched[0]),
                position_after=None if touched is None else touched[1].qty,
                realized_pnl=None if touched is None else _realized(*touched),
            )
        )

    def told(self, *, is_whole: bool) -> Explanation:
        """The chain; where the journal is not whole, with what is missing at its beginning."""
        books, cid = self._books, self._cid
        order, ledger = books.orders[cid], books.ledgers.get(cid)
        removed = ""
        if not is_whole and not self._introduced:
            removed = f"retention has removed its facts before record {self._moments[0].seq:,}"
        return _explained(books, order, ledger, self._moments, self._introduced, removed)


def _explained(
    books: Books,
    order: Order,
    ledger: Ledger | None,
    moments: list[Moment],
    introduced: str,
    removed: str,
) -> Explanation:
    """An order as it ended, and what led to it."""
    fills = () if ledger is None else tuple(ledger.live())
    terms = order.terms
    instrument = books.instruments.get((terms.venue, terms.instrument))
    return Explanation(
        client_order_id=terms.client_order_id,
        venue_order_ids=order.venue_order_ids,
        terms=terms,
        introduced=introduced,
        checks=_checks(books, order, moments),
        moments=tuple(moments),
        fills=fills,
        state=public_state(order).value,
        order_qty=order.order_qty,
        cum_qty=order.cum_qty,
        avg_px=avg_px(order),
        fees=_fees(fills),
        currency="" if instrument is None else instrument.settle_currency,
        end=_end(order),
        removed=removed,
    )


def _evidence(fact: Fact) -> tuple[tuple[str, str], ...]:
    """The fields that were said, as they were said; terms are told apart."""
    if isinstance(fact, SubmitOrder | AdoptOrder):
        return ()
    shown: list[tuple[str, str]] = []
    for field in msgspec.structs.fields(fact):
        value = getattr(fact, field.name)
        if field.name in _SHOWN_ELSEWHERE or value is None or value == field.default:
            continue
        shown.append((field.name, str(getattr(value, "value", value))))
    return tuple(shown)


def _touched(
    before: Mapping[SlotKey, Position], after: Mapping[SlotKey, Position]
) -> tuple[Position | None, Position] | None:
    """The slot one fact has changed: before and after."""
    for key, position in after.items():
        old = before.get(key)
        if old is not position:
            return old, position
    return None


def _trips(before: Mapping[SlotKey, Trail], after: Mapping[SlotKey, Trail]) -> list[str]:
    """What one fact did to the trips of positions."""
    notes: list[str] = []
    for key, trail in after.items():
        old = before.get(key)
        if old is trail:
            continue
        was = None if old is None else old.now.trip
        now = trail.now.trip
        if was is not None and (now is None or now.number != was.number):
            notes.append(f"closed trip {was.number} of {was.instrument}")
        if now is not None and (was is None or now.number != was.number):
            notes.append(f"opened trip {now.number} of {now.instrument}")
    return notes


def _qty(position: Position | None) -> Decimal:
    return Decimal(0) if position is None else position.qty


def _realized(before: Position | None, after: Position) -> Decimal:
    return realized_pnl(after) - (Decimal(0) if before is None else realized_pnl(before))


def _fees(fills: Iterable[Filled]) -> tuple[tuple[str, Decimal], ...]:
    total: dict[str, Decimal] = {}
    for fill in fills:
        if fill.fee is not None:
            total[fill.fee_currency] = total.get(fill.fee_currency, Decimal(0)) + fill.fee
    return tuple(total.items())


def _checks(books: Books, order: Order, moments: Iterable[Moment]) -> tuple[str, ...]:
    """What was checked before it left, as far as the journal tells."""
    terms = order.terms
    if any(moment.fact == Denied.__name__ for moment in moments):
        return ("refused by our own checks, so it was never sent: see the Denied fact",)
    instrument = books.instruments.get((terms.venue, terms.instrument))
    if instrument is None:
        return (f"the rules of {terms.instrument} are not in the journal",)
    rules = f"{instrument.symbol}: tick {instrument.tick_size:f}, lot {instrument.lot_size:f}"
    if terms.order_qty is None and terms.group_id:
        return (rules, "a leg: its quantity follows what its group fills")
    if terms.order_qty is None and terms.cash_qty is None:
        return (rules, "adopted without a known quantity: nothing to check")
    try:
        check_order(terms, instrument, RECORDED_CAPABILITIES)
    except InvalidOrder as error:
        return (rules, f"breaks a rule ({error.reason}): {error}")
    return (rules, "quantity, prices and terms keep the instrument's rules")


def _end(order: Order) -> str:
    """The end in words."""
    if order.life not in TERMINAL:
        doubt = " and in doubt: only evidence will end that" if order.doubt is not None else ""
        return f"still open{doubt}"
    if order.end is not None and order.end is not order.life:
        return f"{order.life.value}, after the venue had called it {order.end.value}"
    return order.life.value
