"""What users see of an order: one frozen value with every question answered, no actor behind it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from .messages import Tags
from .order import (
    Order,
    avg_px,
    exposure_qty,
    is_closed,
    is_in_flight,
    is_open,
    leaves_qty,
    public_state,
)
from .order_tables import Link
from .trigger_tables import Trigger
from .values import OrderState, OrderType, PositionSlot, Side, TimeInForce

__all__ = ["OrderView", "view_order"]


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order at one moment.

    Quantities are unsigned; ``exposure_qty`` is the most that may still come of it. ``trigger``
    says who watches its trigger, and how far it has come.
    """

    client_order_id: str
    intent_id: str
    venue: str
    account: str
    instrument: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    slot: PositionSlot
    state: OrderState
    link: Link
    order_qty: Decimal | None
    price: Decimal | None
    stop_px: Decimal | None
    cum_qty: Decimal
    leaves_qty: Decimal | None
    avg_px: Decimal | None
    exposure_qty: Decimal | None
    is_open: bool
    is_in_flight: bool
    is_closed: bool
    unverified: bool
    requests: tuple[str, ...]
    venue_order_ids: tuple[str, ...]
    tags: Tags
    ts: int
    trigger: Trigger = Trigger.VENUE

    @property
    def is_local(self) -> bool:
        """Whether only the engine knows of it: it watches the trigger, while it runs and has
        prices.
        """
        return self.trigger in (Trigger.WATCHED, Trigger.ELECTED) and not self.is_closed


def view_order(order: Order) -> OrderView:
    """The view of an order."""
    terms = order.terms
    return OrderView(
        client_order_id=terms.client_order_id,
        intent_id=terms.intent_id,
        venue=terms.venue,
        account=terms.account,
        instrument=terms.instrument,
        side=terms.side,
        order_type=terms.order_type,
        time_in_force=terms.time_in_force,
        slot=terms.slot,
        state=public_state(order),
        link=order.link,
        order_qty=order.order_qty,
        price=order.price,
        stop_px=order.stop_px,
        cum_qty=order.cum_qty,
        leaves_qty=leaves_qty(order),
        avg_px=avg_px(order),
        exposure_qty=exposure_qty(order),
        is_open=is_open(order),
        is_in_flight=is_in_flight(order),
        is_closed=is_closed(order),
        unverified=order.unverified,
        requests=tuple(out.req_id for out in order.requests),
        venue_order_ids=order.venue_order_ids,
        tags=terms.tags,
        ts=order.ts,
        trigger=order.trigger,
    )
