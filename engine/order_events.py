"""From a step to the events it makes true. Pure, and called only when somebody listens."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from .messages import (
    CancelOrder,
    CancelRefused,
    Event,
    Filled,
    Message,
    NeverArrived,
    OrderAccepted,
    OrderAnomaly,
    OrderCancelled,
    OrderCancelPending,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderInDoubt,
    OrderPartiallyFilled,
    OrderPending,
    OrderRejected,
    OrderReplaced,
    OrderReplacePending,
    OrderRequestRefused,
    OrderSubmitted,
    OrderSuspended,
    OrderTradeBusted,
    OrderTriggered,
    ReplaceRefused,
    SettleOrder,
    Withdrawn,
)
from .order import BookingKind, Order, Step, avg_px, leaves_qty, public_state
from .order_tables import Life
from .statechart import Verdict
from .values import OrderState

__all__ = ["events_of", "head", "submitted"]

E = TypeVar("E", bound=OrderEvent)

_EVENT_OF_LIFE: dict[Life, type[OrderEvent]] = {
    Life.PENDING: OrderPending,
    Life.SUBMITTED: OrderSubmitted,
    Life.ACCEPTED: OrderAccepted,
    Life.TRIGGERED: OrderTriggered,
    Life.SUSPENDED: OrderSuspended,
    Life.IN_DOUBT: OrderInDoubt,
    Life.CANCELLED: OrderCancelled,
    Life.EXPIRED: OrderExpired,
    Life.REJECTED: OrderRejected,
    Life.DENIED: OrderDenied,
    Life.FILLED: OrderFilled,
}


def _make(kind: type[E], order: Order, ts: int, reason: str = "") -> E:
    terms = order.terms
    return kind(
        terms.client_order_id,
        terms.intent_id,
        terms.venue,
        terms.account,
        terms.instrument,
        terms.side,
        ts,
        public_state(order),
        order.order_qty,
        order.cum_qty,
        leaves_qty(order),
        avg_px(order),
        terms.tags,
        reason,
    )


def head(order: Order, ts: int) -> OrderEvent:
    """The event for a new order: it is journalled and waits to leave."""
    return _make(OrderPending, order, ts)


def submitted(order: Order, ts: int) -> OrderEvent:
    """The event for an order that was handed to the wire."""
    return _make(OrderSubmitted, order, ts)


def events_of(before: Order, step: Step, message: Message) -> list[Event]:
    """All that a step made true, executions first, then the state, then what was unusual."""
    order, ts = step.order, step.order.ts
    reason = _reason(message)
    events: list[Event] = [
        event
        for booking in step.bookings
        if (event := _execution(order, booking.kind, booking.fill, ts))
    ]
    life_moved = order.life is not before.life
    booked = any(booking.kind is BookingKind.BOOK for booking in step.bookings)
    told = booked and (order.life is Life.FILLED or (order.life is Life.ACCEPTED and order.cum_qty))
    if life_moved and not told:  # an execution's own event has told the rest
        events.append(_make(_EVENT_OF_LIFE[order.life], order, ts, reason))
    if order.requests != before.requests or _terms_changed(before, order):
        _requests(before, order, message, ts, reason, events)
    if public_state(order) is OrderState.IN_DOUBT and not life_moved:
        if public_state(before) is not OrderState.IN_DOUBT:
            events.append(_make(OrderInDoubt, order, ts, reason))
    if step.anomaly or step.verdict is Verdict.QUARANTINE:
        kind = step.anomaly or "contradiction"
        made = _make(OrderAnomaly, order, ts, type(message).__name__)
        events.append(replace(made, kind=kind))
    return events


def _reason(message: Message) -> str:
    """Why, in the words of the message that made it so.

    Short constants where the page of events promises them.
    """
    if isinstance(message, NeverArrived):
        return "never_arrived"
    if isinstance(message, SettleOrder):
        return f"operator: {message.statement}"
    reason = getattr(message, "reason", "") or getattr(message, "detail", "")
    if not reason and isinstance(message, Withdrawn) and message.expired:
        return "not_sent"
    return str(reason)


def _execution(order: Order, kind: BookingKind, fill: Filled, ts: int) -> Event | None:
    if kind is BookingKind.VOID:
        if not fill.last_qty:
            return None
        return replace(_make(OrderTradeBusted, order, ts), exec_id=fill.exec_id)
    if kind is not BookingKind.BOOK:
        return None
    made: OrderFilled | OrderPartiallyFilled
    if order.life is Life.FILLED:
        made = _make(OrderFilled, order, ts)
    else:
        made = _make(OrderPartiallyFilled, order, ts)
    return replace(made, last_qty=fill.last_qty, last_px=fill.last_px, exec_id=fill.exec_id)


def _terms_changed(before: Order, order: Order) -> bool:
    return (
        before.order_qty != order.order_qty
        or before.price != order.price
        or before.stop_px != order.stop_px
    )


def _requests(
    before: Order, order: Order, message: Message, ts: int, reason: str, events: list[Event]
) -> None:
    if len(order.requests) > len(before.requests):
        if isinstance(message, CancelOrder):
            events.append(_make(OrderCancelPending, order, ts, reason))
        else:
            events.append(_make(OrderReplacePending, order, ts, reason))
    elif isinstance(message, CancelRefused | ReplaceRefused):
        refused = _make(OrderRequestRefused, order, ts, reason)
        events.append(replace(refused, req_id=message.req_id))
    if _terms_changed(before, order):
        replaced = _make(OrderReplaced, order, ts, reason)
        events.append(replace(replaced, price=order.price, stop_px=order.stop_px))
