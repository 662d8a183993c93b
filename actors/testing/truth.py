"""What a venue really has, compared with what we believe: nothing lost, nothing doubled.

The venue's side is plain data (:class:`Truth`), so it may come from an exchange in this process or
from one behind a socket; ours is the fold of a journal. The comparison is for the time after
everything has come to rest: while calls are on their way the two may differ for good reasons.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Final, TypeAlias, TypeGuard

import msgspec

from engine.fold import Books
from engine.messages import (
    CorrectPosition,
    Fact,
    Filled,
    OrderSnapshot,
    SetBaseline,
    VenueStatus,
)
from engine.order import Order, has_questions, is_open
from engine.order_links import is_dormant, never_left
from engine.order_tables import Life
from engine.simulator import Exchange
from engine.values import ZERO, OrderType, PositionSlot

from ..venues.port import VenuePosition

__all__ = [
    "Truth",
    "Violation",
    "compare",
    "is_at_rest",
    "not_written_first",
    "states_truth",
    "truth_of",
]


class Violation(msgspec.Struct, frozen=True):
    """One promise that was not kept: which, how, and about what."""

    invariant: str
    message: str
    entity: str = ""


class Truth(msgspec.Struct, frozen=True):
    """One account as its venue has it: every order that ever arrived, every execution, every
    slot.

    ``intents`` are the intents of its orders, by client order id. ``sent`` counts, by client order
    id, the placements that were sent and that the venue may have acted on; empty where nobody
    counted. ``others`` are the names of orders that a person placed beside us: of these we have to
    know what works and what was filled, and need not have heard of the rest.
    """

    orders: tuple[OrderSnapshot, ...]
    executions: tuple[Filled, ...]
    positions: tuple[VenuePosition, ...]
    intents: dict[str, str] = {}
    sent: dict[str, int] = {}
    others: frozenset[str] = frozenset()


#: Where our order stands when the venue's stands so.
_LIVES: Final = {
    VenueStatus.PENDING: (Life.SUBMITTED, Life.ACCEPTED),
    VenueStatus.WORKING: (Life.ACCEPTED,),
    VenueStatus.TRIGGERED: (Life.TRIGGERED,),
    VenueStatus.SUSPENDED: (Life.SUSPENDED,),
    VenueStatus.FILLED: (Life.FILLED,),
    VenueStatus.CANCELLED: (Life.CANCELLED,),
    VenueStatus.EXPIRED: (Life.EXPIRED,),
    VenueStatus.REJECTED: (Life.REJECTED,),
    VenueStatus.UNKNOWN: tuple(Life),
}
_OVER: Final = (VenueStatus.CANCELLED, VenueStatus.EXPIRED, VenueStatus.REJECTED)
#: How an order ends that its venue never had.
_NEVER_THERE: Final = (Life.REJECTED, Life.DENIED, Life.CANCELLED, Life.EXPIRED)

#: instrument, side, exec_id: what tells executions of one account apart.
_Key: TypeAlias = tuple[str, str, str]


def truth_of(
    exchange: Exchange,
    account: str,
    sent: dict[str, int] | None = None,
    others: Collection[str] = (),
) -> Truth:
    """Read an account at an exchange in this process."""
    placed = exchange.placed(account)
    executions, _ = exchange.executions(account, 0)
    return Truth(
        tuple(seen for _, seen in placed),
        executions,
        tuple(
            VenuePosition(view.instrument, view.slot, view.qty, view.avg_px)
            for view in exchange.positions(account)
        ),
        {
            terms.client_order_id: terms.intent_id
            for terms, _ in placed
            if terms.client_order_id not in others
        },
        dict(sent or {}),
        frozenset(others),
    )


def compare(truth: Truth, books: Books, venue: str, account: str) -> list[Violation]:
    """Everything in which our books of one account differ from the venue's.

    Call it when nothing is under way: a request on the wire counts as not settled.
    """
    ours = {
        cid: order
        for cid, order in books.orders.items()
        if (order.terms.venue, order.terms.account) == (venue, account)
    }
    return [
        *_orders(truth, ours),
        *_placements(truth),
        *_executions(truth, ours, books),
        *_positions(truth, books, venue, account),
        *_unsettled(ours),
        *(
            Violation("nothing_frozen", f"a step failed: {why}", cid)
            for cid, why in books.frozen.items()
        ),
    ]


def is_at_rest(order: Order) -> bool:
    """Nothing of it is on the wire, and nothing about it is open."""
    return not (
        order.requests
        or has_questions(order)
        or order.life is Life.PENDING
        or order.life is Life.SUBMITTED
    )


def _orders(truth: Truth, ours: dict[str, Order]) -> Iterator[Violation]:
    at_venue: dict[str, None] = {}
    for seen in truth.orders:
        cid = seen.client_order_id
        at_venue[cid] = None
        order = ours.get(cid)
        if order is None:
            if cid in truth.others and seen.status in _OVER and not seen.cum_qty:
                continue  # it came and went while nobody looked
            yield Violation("no_order_lost", f"the venue has {seen}, we do not know it", cid)
            continue
        if order.life not in _LIVES[seen.status]:
            text = f"{order.life.name} with us, {seen.status.name} at the venue"
            yield Violation("orders_agree", text, cid)
        pairs: list[tuple[str, Decimal | None, Decimal | None]] = [
            ("cum_qty", order.cum_qty, seen.cum_qty)
        ]
        if is_open(order):
            pairs += [
                ("order_qty", order.order_qty, seen.order_qty),
                ("price", order.price, seen.price),
            ]
            if order.terms.order_type is not OrderType.TRAILING_STOP:  # that one moves by itself
                pairs.append(("stop_px", order.stop_px, seen.stop_px))
        for what, mine, theirs in pairs:
            if theirs is not None and mine != theirs:
                text = f"{what} is {mine} with us, {theirs} at the venue"
                yield Violation("orders_agree", text, cid)
    for cid, order in ours.items():
        if never_left(order):
            continue  # its group has not let it go, or its price has not come
        if cid not in at_venue and (order.life not in _NEVER_THERE or order.cum_qty):
            text = f"{order.life.name}, filled {order.cum_qty}; the venue never had it"
            yield Violation("no_order_invented", text, cid)


def _placements(truth: Truth) -> Iterator[Violation]:
    for cid, count in truth.sent.items():
        if count > 1:
            yield Violation("nothing_placed_twice", f"{count} placements were sent", cid)
    attempts: dict[str, list[str]] = {}
    for cid, intent in truth.intents.items():
        attempts.setdefault(intent or cid, []).append(cid)
    for intent, cids in attempts.items():
        if len(cids) > 1:
            text = f"the venue has {len(cids)} orders of one intent: {', '.join(cids)}"
            yield Violation("nothing_placed_twice", text, intent)


def not_written_first(truth: Truth, books: Books) -> list[Violation]:
    """Orders of ours at the venue that our books know from nobody but the venue.

    Each was sent before it was written; or a disk lost what was written, which is no fault then.
    """
    found: list[Violation] = []
    for cid, intent in truth.intents.items():
        order = books.orders.get(cid)
        if order is None or order.terms.intent_id != intent:
            text = (
                f"sent for intent {intent!a}; in our books {'no' if order is None else 'adopted'}"
            )
            found.append(Violation("written_before_sent", text, cid))
    return found


def _executions(truth: Truth, ours: dict[str, Order], books: Books) -> Iterator[Violation]:
    booked: dict[_Key, tuple[str, Filled]] = {}
    for cid, order in ours.items():
        ledger = books.ledgers.get(cid)
        for fill in () if ledger is None else ledger.live():
            side = fill.side or order.terms.side
            key = (fill.instrument or order.terms.instrument, side.value, fill.exec_id)
            if key in booked:
                text = f"execution {key} stands on {booked[key][0]!a} too"
                yield Violation("no_fill_doubled", text, cid)
            booked[key] = cid, fill
    for real in truth.executions:
        assert real.side is not None  # lists say it
        key = (real.instrument, real.side.value, real.exec_id)
        found = booked.pop(key, None)
        if found is None:
            text = f"execution {key} of {real.last_qty} at {real.last_px} is not booked"
            yield Violation("no_fill_lost", text, real.client_order_id)
            continue
        cid, fill = found
        if (cid, *_what(fill)) != (real.client_order_id, *_what(real)):
            text = f"execution {key} is booked as {_what(fill)}, the venue says {_what(real)}"
            yield Violation("fills_agree", text, cid)
    for key, (cid, _) in booked.items():
        yield Violation("no_fill_invented", f"execution {key} is not the venue's", cid)


def _what(fill: Filled) -> tuple[Decimal, Decimal, Decimal, str]:
    fee = fill.fee or ZERO
    return fill.last_qty, fill.last_px, fee, fill.fee_currency if fee else ""


def _positions(truth: Truth, books: Books, venue: str, account: str) -> Iterator[Violation]:
    held: dict[tuple[str, PositionSlot], Decimal] = {
        (symbol, slot): position.qty
        for (at, owner, symbol, slot), position in books.positions.items()
        if (at, owner) == (venue, account)
    }
    theirs = {(one.instrument, one.slot): one.qty for one in truth.positions}
    for key in dict.fromkeys([*theirs, *held]):
        mine, real = held.get(key, ZERO), theirs.get(key, ZERO)
        if mine != real:
            text = f"{key[1].name} is {mine} with us, {real} at the venue"
            yield Violation("positions_agree", text, key[0])


def states_truth(fact: Fact, books: Books) -> TypeGuard[SetBaseline | CorrectPosition]:
    """Whether a person states what is so from here on; not what the venue's count was before, which
    settles a drift.
    """
    if not isinstance(fact, SetBaseline | CorrectPosition):
        return False
    watched = books.watched.get((fact.venue, fact.account))
    return watched is None or all(
        (one.instrument, one.slot, one.difference) != (fact.instrument, fact.slot, fact.qty)
        for one in watched.drifts
    )


def _unsettled(ours: dict[str, Order]) -> Iterator[Violation]:
    for cid, order in ours.items():
        if not is_at_rest(order) and not is_dormant(order):
            asked = ", ".join(out.req_id for out in order.requests) or "none"
            text = f"{order.life.name}, outstanding requests: {asked}, claim {order.claim_qty}"
            yield Violation("nothing_unsettled", text, cid)
