"""From a step to the events it makes true. Pure, and called only when somebody listens."""

from __future__ import annotations

from collections.abc import Container
from typing import Final, TypeAlias, TypeVar

from msgspec.structs import replace

from .messages import (
    CancelOrder,
    CancelRefused,
    Event,
    Filled,
    LocalTriggered,
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
from .order import BookingKind, Order, Step, leaves_qty, public_state
from .order_tables import Life
from .statechart import Verdict
from .values import CONTEXT, ZERO, OrderState

__all__ = ["ORDER_EVENTS", "events_of", "head", "submitted"]

E = TypeVar("E", bound=OrderEvent)
Wanted: TypeAlias = Container[type[Event]]

_BOOK = BookingKind.BOOK
_FILLED, _ACCEPTED, _IN_DOUBT = Life.FILLED, Life.ACCEPTED, Life.IN_DOUBT
_QUARANTINE = Verdict.QUARANTINE
_VOID = BookingKind.VOID
_STATE_FILLED = OrderState.FILLED

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


#: Every kind of event that orders have.
ORDER_EVENTS: Final[frozenset[type[Event]]] = frozenset(
    {
        *_EVENT_OF_LIFE.values(),
        OrderAnomaly,
        OrderCancelPending,
        OrderPartiallyFilled,
        OrderReplacePending,
        OrderReplaced,
        OrderRequestRefused,
        OrderTradeBusted,
    }
)


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
        CONTEXT.divide(order.cum_cost, order.cum_qty) if order.cum_qty else None,
        terms.tags,
        reason,
    )


def head(order: Order, ts: int) -> OrderEvent:
    """The event for a new order: it is journalled and waits to leave."""
    return _make(OrderPending, order, ts)


def submitted(order: Order, ts: int) -> OrderEvent:
    """The event for an order that was handed to the wire."""
    return _make(OrderSubmitted, order, ts)


def events_of(
    before: Order, step: Step, message: Message, wanted: Wanted = ORDER_EVENTS
) -> list[Event]:
    """What a step made true, executions first, then the state, then what was unusual.

    Only events of the ``wanted`` kinds are made.
    """
    order = step.order
    ts, life = order.ts, order.life
    events: list[Event] = []
    booked = False
    for booking in step.bookings:
        kind = booking.kind
        if kind is _BOOK:
            booked = True
            if (OrderFilled if life is _FILLED else OrderPartiallyFilled) in wanted:
                events.append(_filled(order, booking.fill, ts))
        elif kind is _VOID and booking.fill.last_qty and OrderTradeBusted in wanted:
            busted = _make(OrderTradeBusted, order, ts)
            events.append(replace(busted, exec_id=booking.fill.exec_id))
    life_moved = life is not before.life
    if life_moved:
        told = booked and (life is _FILLED or (life is _ACCEPTED and order.cum_qty))
        if not told and (of_life := _EVENT_OF_LIFE[life]) in wanted:
            events.append(_make(of_life, order, ts, _reason(message)))
    if order.requests != before.requests or _terms_changed(before, order):
        made = _requests(before, order, message, ts, _reason(message))
        events.extend(event for event in made if type(event) in wanted)
    if (
        (life is _IN_DOUBT or order.requests)
        and not life_moved
        and OrderInDoubt in wanted
        and public_state(order) is OrderState.IN_DOUBT
        and public_state(before) is not OrderState.IN_DOUBT
    ):
        events.append(_make(OrderInDoubt, order, ts, _reason(message)))
    if type(message) is LocalTriggered and OrderTriggered in wanted:
        events.append(_make(OrderTriggered, order, ts, "local"))
    if (step.anomaly or step.verdict is _QUARANTINE) and OrderAnomaly in wanted:
        odd = _make(OrderAnomaly, order, ts, type(message).__name__)
        events.append(replace(odd, kind=step.anomaly or "contradiction"))
    return events


def _filled(order: Order, fill: Filled, ts: int) -> OrderFilled | OrderPartiallyFilled:
    """The event of an execution; positional and whole, because there are so many."""
    terms = order.terms
    cum, qty = order.cum_qty, order.order_qty
    is_filled = order.life is _FILLED
    return (OrderFilled if is_filled else OrderPartiallyFilled)(
        terms.client_order_id,
        terms.intent_id,
        terms.venue,
        terms.account,
        terms.instrument,
        terms.side,
        ts,
        _STATE_FILLED if is_filled else public_state(order),
        qty,
        cum,
        ZERO if is_filled else leaves_qty(order),
        CONTEXT.divide(order.cum_cost, cum) if cum else None,
        terms.tags,
        "",
        fill.last_qty,
        fill.last_px,
        fill.exec_id,
    )


def _reason(message: Message) -> str:
    """Why, in the words of the message that made it so.

    Short constants where the page of events promises them.
    """
    if isinstance(message, NeverArrived):
        return "never_arrived"
    if isinstance(message, SettleOrder):
        return f"operator: {message.statement}"
    # Asked by name: for a field that is not there a struct makes an error text, at a microsecond.
    fields = message.__struct_fields__
    reason = message.reason if "reason" in fields else ""  # type: ignore[attr-defined]
    if not reason and "detail" in fields:
        reason = message.detail  # type: ignore[attr-defined]
    if not reason and isinstance(message, Withdrawn) and message.expired:
        return "not_sent"
    return str(reason)


def _terms_changed(before: Order, order: Order) -> bool:
    return (
        (before.order_qty is not order.order_qty and before.order_qty != order.order_qty)
        or (before.price is not order.price and before.price != order.price)
        or (before.stop_px is not order.stop_px and before.stop_px != order.stop_px)
    )


def _requests(
    before: Order, order: Order, message: Message, ts: int, reason: str
) -> list[OrderEvent]:
    events: list[OrderEvent] = []
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
    return events
