"""An order: its state, the questions one may ask of it, and :func:`step`.

Theory of operation
-------------------
:class:`Order` is a frozen value: the terms it was submitted with, its place in the three regions of
:mod:`engine.order_tables`, and sums over its fills. :func:`step` takes an order, its
:class:`Ledger` and one message and returns a :class:`Step`: the new order, what to book, what to
send, and a verdict. Nothing is changed in place, so a raise leaves no trace. The caller (an order
actor, the journal's fold, a test) applies the step with ``ledger.apply(step.bookings)`` and keeps
the new order: that is all there is to it.

Who decides what: facts pick a trigger (is it complete? is the evidence newer?), the table picks the
state. Quantities change only by executions and by the venue's confirmation of new terms, never by a
status word. A venue's total above our sum of fills is a *claim*: it counts as exposure until
executions explain it.

What is ugly: the ledger is beside the order, not in it, because a live order must stay small and
most orders have few fills; and an order whose quantity the venue never told (``order_qty`` None)
cannot complete by arithmetic.

Handlers: :mod:`engine.order_steps` is the entry to all; this file is what everybody else reads.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec

from .ledger import Booking, BookingKind, Ledger, ledger_key, leg_key
from .messages import Amend, Cancel, SubmitOrder
from .order_tables import TERMINAL, Life, Link, RequestState
from .statechart import Verdict
from .trigger_tables import Trigger
from .values import CONTEXT, ZERO, OrderState, Word

__all__ = [
    "Booking",
    "BookingKind",
    "Doubt",
    "Ledger",
    "Order",
    "Outstanding",
    "Step",
    "avg_px",
    "exposure_qty",
    "has_questions",
    "is_closed",
    "is_in_flight",
    "is_oco_linked",
    "is_open",
    "is_settled",
    "is_waiting",
    "leaves_qty",
    "ledger_key",
    "leg_key",
    "new_order",
    "public_state",
    "request_state",
    "working_state",
]


class Doubt(Word):
    """What a silence leaves open. Only doubt of existence can end as never arrived."""

    EXISTENCE = "EXISTENCE"  # was it placed?
    FATE = "FATE"  # it was seen; what became of it?


class Outstanding(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A cancel or an amend of ours that the venue has not answered.

    ``ts`` is when it was asked for, or when its outcome became unknown: what absence of an effect
    is measured from.
    """

    req_id: str
    is_cancel: bool
    order_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    unknown: bool = False  # the call ended ambiguously: it may yet have its effect
    ts: int = 0


class Order(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An order as it stands.

    Quantities are unsigned and in the instrument's lots; ``cum_cost`` = sum of px x qty.
    """

    terms: SubmitOrder
    life: Life
    link: Link
    requests: tuple[Outstanding, ...]
    order_qty: Decimal | None
    price: Decimal | None
    stop_px: Decimal | None
    cum_qty: Decimal
    cum_cost: Decimal
    claim_qty: Decimal  # the venue's largest stated total; 0 when it never said one
    end: Life | None  # the end that was stated, kept when a late fill completes the order
    doubt: Doubt | None
    unverified: bool  # something contradicts or is missing; the venue is being asked
    venue_order_ids: tuple[str, ...]
    ts: int  # of the last message that changed it
    ended_ts: int  # when the end was stated; 0 while none was
    trigger: Trigger = Trigger.VENUE  # how far the engine's own watch over its trigger has come

    @property
    def client_order_id(self) -> str:
        """Our id of the order."""
        return self.terms.client_order_id

    @property
    def state(self) -> OrderState:
        """The public word; see :func:`public_state`."""
        return public_state(self)


OrderRequest: TypeAlias = Cancel | Amend


class Step(msgspec.Struct, frozen=True, gc=False):
    """What one message comes to.

    ``changed`` is False when nothing at all is to be journalled. ``anomaly`` is a short constant
    for what should not happen ("" = nothing unusual). ``refused`` says why a command of ours was
    not taken ("" = it was).
    """

    order: Order
    verdict: Verdict = Verdict.STAY
    changed: bool = False
    bookings: tuple[Booking, ...] = ()
    request: OrderRequest | None = None
    anomaly: str = ""
    refused: str = ""


def new_order(terms: SubmitOrder) -> Order:
    """The order as it is the moment its intent is journalled: PENDING, nothing filled."""
    return Order(
        terms,
        _PENDING,
        _FREE,
        (),
        terms.order_qty,
        terms.price,
        terms.stop_px,
        ZERO,
        ZERO,
        ZERO,
        None,
        None,
        False,
        (),
        terms.ts,
        0,
        _WATCHED if terms.local else _VENUE,
    )


# --- questions ------------------------------------------------------------------------------------

_STATE_OF_LIFE: dict[Life, OrderState] = {life: OrderState[life.name] for life in Life}
#: Lives that are the public word by themselves, whatever was filled.
_SAYS_ALL = TERMINAL | {Life.IN_DOUBT, Life.SUSPENDED}
# Names for members: reading one off its enum costs 0.07 us, and these are read for every message.
_PENDING, _IN_DOUBT, _PARTIAL, _FREE = Life.PENDING, Life.IN_DOUBT, OrderState.PARTIAL, Link.FREE
_VENUE, _WATCHED, _RELEASED = Trigger.VENUE, Trigger.WATCHED, Trigger.RELEASED


def request_state(order: Order) -> RequestState:
    """The request region, derived from the set of outstanding requests."""
    if not order.requests:
        return RequestState.IDLE
    if any(out.is_cancel for out in order.requests):
        return RequestState.CANCELLING
    return RequestState.REPLACING


def public_state(order: Order) -> OrderState:
    """The one public word: the first of these that matches."""
    requests = order.requests
    if not requests or order.life in TERMINAL:
        return working_state(order)
    if order.life is _IN_DOUBT or any(out.unknown for out in requests):
        return OrderState.IN_DOUBT
    if request_state(order) is RequestState.CANCELLING:
        return OrderState.PENDING_CANCEL
    return OrderState.PENDING_REPLACE


def working_state(order: Order) -> OrderState:
    """The public word without the overlay of outstanding requests."""
    life = order.life
    if life in _SAYS_ALL:
        return _STATE_OF_LIFE[life]
    if order.cum_qty:
        return _PARTIAL
    if life is _PENDING and is_waiting(order):
        return OrderState.HELD
    if order.link is not _FREE:
        if order.link is Link.OCO_LINKED and life is not _PENDING and life is not Life.SUBMITTED:
            return OrderState.OCO_LINKED
        if life is _PENDING and order.link is Link.HELD:
            return OrderState.HELD
    return _STATE_OF_LIFE[life]


def leaves_qty(order: Order) -> Decimal | None:
    """What may still fill: 0 once ended, None while the quantity is not known; never negative."""
    if order.life in TERMINAL:
        return ZERO
    if order.order_qty is None:
        return None
    left = order.order_qty - order.cum_qty
    return left if left > 0 else ZERO


def avg_px(order: Order) -> Decimal | None:
    """Average price of the live fills, None while there are none."""
    return CONTEXT.divide(order.cum_cost, order.cum_qty) if order.cum_qty else None


def exposure_qty(order: Order) -> Decimal | None:
    """The most that may still fill, or has filled unbooked, by the largest outstanding terms.

    A filled order counts too while an amend that raises it is unanswered: it may be reopened (FIX
    C.1.c). None while the quantity is not known (a cash-sized order, an adopted one): the caller
    bounds it by other means.
    """
    claimed = order.claim_qty - order.cum_qty if order.claim_qty > order.cum_qty else ZERO
    if order.life in TERMINAL and order.life is not Life.FILLED:
        return claimed
    if order.order_qty is None:
        return None
    largest = order.order_qty
    for out in order.requests:
        if out.order_qty is not None and out.order_qty > largest:
            largest = out.order_qty
    left = largest - order.cum_qty
    return left if left > claimed else claimed


def is_waiting(order: Order) -> bool:
    """Whether the engine watches its trigger, and nothing of it has left."""
    return (
        order.trigger is not _VENUE
        and order.trigger is not _RELEASED
        and order.life is Life.PENDING
    )


def is_closed(order: Order) -> bool:
    """Ended, whatever is still to be settled about it."""
    return order.life in TERMINAL


def is_settled(order: Order) -> bool:
    """Ended, nothing outstanding, and our fills explain the venue's total: it may leave memory."""
    return (
        order.life in TERMINAL
        and not order.requests
        and order.claim_qty <= order.cum_qty
        and not order.unverified
    )


def has_questions(order: Order) -> bool:
    """Whether the venue has to be asked about it; each question is ended by evidence only."""
    if order.unverified or order.life is Life.IN_DOUBT or order.claim_qty > order.cum_qty:
        return True
    return any(out.unknown for out in order.requests)


def is_open(order: Order) -> bool:
    """Working at the venue, as far as is known."""
    return order.life in _AT_VENUE


def is_in_flight(order: Order) -> bool:
    """Something of it is on the wire and unanswered."""
    return order.life is Life.SUBMITTED or order.life is Life.IN_DOUBT or bool(order.requests)


def is_oco_linked(order: Order) -> bool:
    """Whether a group owns it, in any link state."""
    return order.link is not Link.FREE


_AT_VENUE = frozenset({Life.ACCEPTED, Life.TRIGGERED, Life.SUSPENDED})
