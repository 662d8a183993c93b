"""Which order a report is about, when we do not hold it: the half of a broker that never drops a report.

In this order: an id of the venue that we know; the tombstone of a closed order, which is taken up again; adoption, where
the report says enough to know what it is about; else it is parked: journalled under its id, shown as an alarm, and applied
when the order is introduced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.fold import revive as read_tombstone
from engine.messages import AdoptOrder, Filled, OrderReport, OrderSnapshot, SubmitOrder
from engine.order_events import head
from engine.order_steps import begin
from engine.values import OrderType

if TYPE_CHECKING:
    from .broker import BrokerActor
    from .order import OrderActor

__all__ = ["Intake"]


class Intake:
    """Finds, revives, adopts and parks for one broker, on its thread."""

    def __init__(self, broker: BrokerActor) -> None:
        self.broker = broker
        self.parked: dict[str, list[OrderReport]] = {}

    def find(self, report: OrderReport) -> OrderActor | None:
        venue_id = getattr(report, "venue_order_id", None)
        cid = report.client_order_id
        if venue_id is not None:
            known = self.broker.by_venue_id.get(venue_id)
            if known is not None:
                return self.broker.orders.get(known) or self.revive(known)
        if cid:
            actor = self.revive(cid)
            if actor is not None:
                return actor
        if venue_id is not None and not cid:
            closed = self.broker.journal.closed_by_venue_id(self.broker.name, self.broker.account, venue_id)
            if closed is not None:
                return self._revive_body(closed)
        return self._adopt(report, cid or f"{self.broker.name}:{venue_id}" if (cid or venue_id) else "")

    def _adopt(self, report: OrderReport, cid: str) -> OrderActor | None:
        """Take over an order first seen mid-life, where the report says instrument and side."""
        if not cid or not isinstance(report, Filled | OrderSnapshot):
            return None
        if not report.instrument or report.side is None or report.instrument not in self.broker.instruments:
            return None
        qty = price = None
        kind = OrderType.MARKET
        if isinstance(report, OrderSnapshot):
            qty, price = report.order_qty, report.price
            kind = report.order_type or (OrderType.MARKET if price is None else OrderType.LIMIT)
        terms = SubmitOrder(
            f"adopted:{cid}", self.broker.name, self.broker.account, report.instrument, report.side, kind, qty,
            report.ts, cid, price,
        )  # fmt: skip
        fact = AdoptOrder(terms, report.ts, f"first seen by {type(report).__name__}")
        actor = self.broker.introduce(begin(fact))
        self.broker.turn.record(report.ts, cid, fact)
        self.broker.counters.adopted += 1
        if self.broker.turn.hub.active:
            self.broker.turn.events.append(head(actor.order, report.ts))
        if self.parked:
            self.unpark(actor)
        return actor

    def revive(self, cid: str) -> OrderActor | None:
        """Take up a closed order again from its tombstone, so that a late fact finds it as it was."""
        body = self.broker.journal.closed_order(cid)
        return None if body is None else self._revive_body(body)

    def _revive_body(self, body: bytes) -> OrderActor:
        order, ledger = read_tombstone(body)
        actor = self.broker.introduce(order, ledger)
        actor.revived = body
        self.broker.turn.closing[order.terms.client_order_id] = actor
        return actor

    def park(self, report: OrderReport) -> None:
        """Keep a report about an order nobody introduced; it is applied when somebody does."""
        entity = report.client_order_id or f"venue:{getattr(report, 'venue_order_id', None)}"
        self.broker.counters.parked += 1
        self.broker.counters.quarantined += 1
        self.parked.setdefault(entity, []).append(report)
        self.broker.turn.record(report.ts, entity, report)
        self.broker.alarm("unknown_order", f"{type(report).__name__} for an order we do not know", entity)

    def unpark(self, actor: OrderActor) -> None:
        for report in self.parked.pop(actor.order.terms.client_order_id, ()):
            out = actor.on_receive(report)
            if out.changed:  # it is in the journal already, before the introduction; the fold does the same
                self.broker.turn.batch.facts.pop()
