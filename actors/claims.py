"""Totals that a venue stated and its executions do not come to: how such a claim ends.

:mod:`engine.claims` says when executions disprove one. Here the questions are noted and the lists
looked at. Everything here may be lost: a restart begins to count anew.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.claims import Claimed, disproven, is_claiming, restates
from engine.ledger import ledger_key
from engine.messages import Filled, OrderSnapshot, VenueStatus
from engine.order import Order
from engine.values import Source

from .broker_words import Read
from .intake import is_adopted
from .roles import BrokerRole

__all__ = ["Claims"]

#: How long before an order's first time its executions may be dated: clocks differ.
_SKEW_NS: Final = 600_000_000_000
#: So often the usual executions are asked for, before all since the order's beginning are.
_PATIENCE: Final = 2


class Claims:
    """The part of a broker that sees claims to their end. Lives and dies with it, on its thread."""

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self._open: dict[str, Claimed] = {}
        #: Totals that were disproven once. Stated again they are believed: a person has to look.
        self._dropped: dict[str, Decimal] = {}

    def asked(self, order: Order) -> None:
        """The venue is asked about an order; a claim of it is followed from now on."""
        cid = order.terms.client_order_id
        if not is_claiming(order):
            self._open.pop(cid, None)
            return
        claimed = self._open.get(cid)
        if claimed is None or claimed.total != order.claim_qty:
            claimed = Claimed(order.claim_qty, self.broker.dispatcher.time_ns())
            self._open[cid] = claimed
        claimed.asked += 1

    def looked(self, cid: str, seen: OrderSnapshot) -> None:
        """A question by id was answered; one that says the same total again is believed."""
        claimed = self._open.get(cid)
        actor = self.broker.orders.get(cid)
        if claimed is not None and actor is not None:
            if restates(actor.order, seen, claimed.total):
                claimed.ts, claimed.reads = self.broker.dispatcher.time_ns(), 0

    def forget(self, cid: str) -> None:
        """Nothing is asked about the order any more."""
        if self._open:
            self._open.pop(cid, None)

    def gone(self, cid: str) -> None:
        """The order has left memory."""
        self.forget(cid)
        if self._dropped:
            self._dropped.pop(cid, None)

    def since(self, usual_ts: int) -> int:
        """From when on executions have to be read, so that old claims are covered too."""
        first = usual_ts
        for cid, claimed in self._open.items():
            actor = self.broker.orders.get(cid)
            begins = None if actor is None else _beginning(actor.order)
            if begins is not None and claimed.asked > _PATIENCE:
                first = min(first, begins)
        return first

    def read(self, read: Read, shown: list[Filled]) -> None:
        """A complete list of executions came, and what it shows is booked as far as it can be."""
        if not self._open:
            return
        unexplained = self._unbooked(shown)
        for cid, claimed in list(self._open.items()):
            actor = self.broker.orders.get(cid)
            if actor is None or not is_claiming(actor.order):
                continue
            begins = _beginning(actor.order)
            if begins is None or read.since_ts > begins or cid in unexplained:
                continue
            if claimed.total == self._dropped.get(cid):
                continue
            if disproven(actor.order, self.broker.capabilities, claimed, read.sent_ts):
                self._drop(actor.order, read)
            else:
                self.broker.turn.effects.append((_count, claimed, read))

    def _drop(self, order: Order, read: Read) -> None:
        """Write down that the executions are all there is."""
        broker, cid = self.broker, order.terms.client_order_id
        detail = (
            f"a total of {order.claim_qty} was stated, and complete executions come to"
            f" {order.cum_qty}: that total counts no more"
        )
        broker.alarm("claim_disproven", detail, cid)
        broker.turn.effects.append((self._dropped.__setitem__, cid, order.claim_qty))
        broker.report(
            OrderSnapshot(
                cid, broker.dispatcher.time_ns(), VenueStatus.UNKNOWN, cum_qty=order.cum_qty,
                sent_ts=read.sent_ts, source=Source.INFERENCE,
            )
        )  # fmt: skip

    def _unbooked(self, shown: list[Filled]) -> dict[str, None]:
        """Orders of which a list shows an execution that does not stand with us."""
        found: dict[str, None] = {}
        for fill in shown:
            cid = fill.client_order_id
            if cid not in self._open and fill.venue_order_id is not None:
                cid = self.broker.venue_ids.find(fill.venue_order_id, fill) or cid
            actor = self.broker.orders.get(cid) if cid in self._open else None
            if actor is None:
                continue
            ledger = actor.ledger
            if ledger is None or ledger.get(ledger_key(actor.order.terms, fill)) is None:
                found[cid] = None
        return found


def _beginning(order: Order) -> int | None:
    """When its first execution may be dated; None: it was first seen mid-life, and any number may
    have come before.
    """
    return None if is_adopted(order.terms) else max(order.terms.ts - _SKEW_NS, 0)


def _count(claimed: Claimed, read: Read) -> None:
    if read.sent_ts > claimed.ts:  # else it was stated again meanwhile
        claimed.reads += 1
