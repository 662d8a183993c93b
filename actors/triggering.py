"""The facade's triggers: the orders that only this engine knows of, until their price comes."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.messages import SubmitOrder
from engine.prices import price_of
from engine.trigger_tables import Trigger
from engine.triggers import localised
from engine.values import OrderType, Side, TriggerSource

from .broker import BrokerActor
from .monitoring import Monitoring
from .runtime import Future
from .sights import Sight

__all__ = ["TriggerView", "Triggering"]


class TriggerView(msgspec.Struct, frozen=True, kw_only=True):
    """An order whose trigger the engine watches, at one moment.

    ``stop_px`` is where it would be elected now (None: a trailing stop that has seen no price);
    ``px`` the newest price that counts (None: there is none). Only while ``sight`` is LIVE would a
    price elect it. ``trigger`` is ELECTED while its price was reached and it waits to leave.
    """

    client_order_id: str
    venue: str
    account: str
    instrument: str
    side: Side
    order_type: OrderType
    order_qty: Decimal | None
    trigger_source: TriggerSource
    stop_px: Decimal | None
    px: Decimal | None
    trigger: Trigger
    sight: Sight


class Triggering(Monitoring):
    """Triggers that venues lack. Everything public may be called from any thread."""

    def triggers(self) -> Future[tuple[TriggerView, ...]]:
        """The orders that wait for a trigger which this engine watches: nobody does when its
        process ends, or has no prices.
        """
        return self._asked(
            lambda: tuple(view for broker in self.brokers.values() for view in _views(broker))
        )

    def _local(self, order: SubmitOrder, broker: BrokerActor) -> SubmitOrder:
        """The order as it is submitted where the host lets the engine watch triggers."""
        return localised(order, broker.capabilities) if order.order_type.has_trigger else order


def _views(broker: BrokerActor) -> list[TriggerView]:
    found: list[TriggerView] = []
    for order, stop_px in broker.triggers.waiting():
        terms = order.terms
        price = broker.prices.latest(terms.instrument)
        found.append(
            TriggerView(
                client_order_id=terms.client_order_id,
                venue=terms.venue,
                account=terms.account,
                instrument=terms.instrument,
                side=terms.side,
                order_type=terms.order_type,
                order_qty=order.order_qty,
                trigger_source=terms.trigger_source,
                stop_px=stop_px,
                px=None if price is None else price_of(price, terms.trigger_source),
                trigger=order.trigger,
                sight=broker.triggers.sights.of(order),
            )
        )
    return found
