"""One order as the venue keeps it, and the two answers a venue gives to a request.

``SimOrder`` is mutable and belongs to the exchange alone; what leaves the simulator is always a
frozen message. It refers to no container, so no cycle keeps a closed order alive.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec

from ..errors import InvariantViolated
from ..messages import OrderReport, OrderSnapshot, SubmitOrder, VenueStatus
from ..values import ZERO, PositionSlot, Side, Source, Word

__all__ = ["Answer", "Refusal", "RefuseReason", "SimOrder", "snapshot"]


class RefuseReason(Word):
    """Why the venue said no, in the order the checks are made."""

    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    CLIENT_ORDER_ID = "CLIENT_ORDER_ID"
    DUPLICATE_CLIENT_ID = "DUPLICATE_CLIENT_ID"
    UNSUPPORTED = "UNSUPPORTED"
    QUANTITY = "QUANTITY"
    OFF_LOT = "OFF_LOT"
    MIN_QTY = "MIN_QTY"
    MAX_QTY = "MAX_QTY"
    PRICE = "PRICE"
    OFF_TICK = "OFF_TICK"
    TRIGGER = "TRIGGER"
    EXPIRY = "EXPIRY"
    MIN_NOTIONAL = "MIN_NOTIONAL"
    REDUCE_ONLY = "REDUCE_ONLY"
    WOULD_CROSS = "WOULD_CROSS"
    WOULD_TRIGGER = "WOULD_TRIGGER"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    ORDER_CLOSED = "ORDER_CLOSED"
    NO_CHANGE = "NO_CHANGE"
    PARENT = "PARENT"


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A definite no; nothing changed. ``detail`` shows the offending value and the rule."""

    reason: RefuseReason
    detail: str


#: Reports that prove the effect, in order, or a refusal.
Answer: TypeAlias = tuple[OrderReport, ...] | Refusal


class SimOrder(msgspec.Struct, gc=False, eq=False):
    """One order at the venue.

    ``rank`` is its time priority (a new one is drawn when it loses its place). ``queue_mark`` minus
    its level's ``gone`` is the outside volume ahead of it; None while that volume was never
    displayed. ``leaves_qty`` is None for a cash-sized order and 0 when closed. ``reduces`` covers
    reduce-only and the closing side of a hedge slot.
    """

    terms: SubmitOrder
    venue_order_id: str
    rank: int
    created_ts: int
    order_qty: Decimal | None
    leaves_qty: Decimal
    price: Decimal | None
    stop_px: Decimal | None
    reduces: bool
    expire_ns: int | None
    status: VenueStatus = VenueStatus.WORKING
    cum_qty: Decimal = ZERO
    queue_mark: Decimal | None = ZERO
    is_resting: bool = False  # in the book
    is_idle: bool = False  # waits for its trigger
    is_waiting: bool = False  # elected, waits for the next stated book
    is_sleeping: bool = False  # of a bracket whose entry has not filled
    locked: Decimal = ZERO
    locked_currency: str = ""
    end_ts: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it can still be cancelled."""
        return self.status is VenueStatus.WORKING or self.status is VenueStatus.TRIGGERED

    @property
    def is_market(self) -> bool:
        """Whether it has no limit price (also once elected)."""
        return self.price is None

    @property
    def key(self) -> tuple[str, PositionSlot]:
        """The position it works on, within its account."""
        return (self.terms.instrument, self.terms.slot)


def snapshot(order: SimOrder, ts: int, sent_ts: int, source: Source) -> OrderSnapshot:
    """What a query shows of ``order`` at ``ts``."""
    terms = order.terms
    return OrderSnapshot(
        terms.client_order_id,
        ts,
        order.status,
        order.venue_order_id,
        terms.instrument,
        terms.side,
        terms.order_type,
        order.order_qty,
        order.cum_qty,
        order.price,
        order.stop_px,
        sent_ts,
        source,
    )


def given(value: Decimal | None, name: str) -> Decimal:
    """``value``, where the state of the order proves that it is there."""
    if value is None:
        raise InvariantViolated(f"Invariant: an order in this state has a {name}, was None")
    return value


def closes_slot(slot: PositionSlot, side: Side) -> bool:
    """Whether ``side`` is the closing side of a hedge slot (never for the net slot)."""
    if slot is PositionSlot.NET:
        return False
    return (slot is PositionSlot.LONG) is (side is Side.SELL)
