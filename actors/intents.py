"""Every intent once: which ids are taken, and the client order ids that new orders get.

An intent id names an order for ever. While its order is in memory it is here, when it has closed it
is in the journal; :class:`~actors.seen.Seen` says without a look there that nearly all are new.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.errors import DuplicateIntent
from engine.fold import revive
from engine.ids import ClientOrderIds
from engine.messages import SubmitOrder
from engine.policies.validation import ID_LENGTH_MAX, check_text

from .roles import BrokerRole
from .seen import Seen
from .stamping import difference, stamped

if TYPE_CHECKING:
    from .journal import Journal

__all__ = ["Intents"]


class Intents:
    """The intents of one system. Claimed from any thread, given up on the dispatcher's."""

    __slots__ = ("_brokers", "_closed", "_engine_id", "_ids", "_journal", "_lock", "_named", "open")

    def __init__(
        self,
        journal: Journal,
        brokers: Mapping[tuple[str, str], BrokerRole],
        engine_id: str,
        first: int,
    ) -> None:
        """``first`` is the number in the next client order id."""
        #: Terms by intent id, of orders that are queued or in memory.
        self.open: dict[str, SubmitOrder] = {}
        self._named: dict[str, SubmitOrder] = {}  # by a client order id of the caller's own
        self._closed = Seen(journal.closed_intents())
        self._journal = journal
        self._brokers = brokers
        self._engine_id = engine_id
        self._ids = ClientOrderIds(engine_id, journal.incarnation, first)
        self._lock = threading.Lock()

    def new(self, order: SubmitOrder, broker: BrokerRole, ts: int) -> SubmitOrder:
        """An order without ids of its caller's: it gets one, which is its intent as well."""
        with self._lock:
            cid = self._ids.next()
        written = stamped(order, cid, broker, cid, ts)
        if len(self._brokers) > 1:
            self.open[cid] = written  # so that its broker is known while it is queued
        return written

    def claim(self, order: SubmitOrder, broker: BrokerRole, ts: int) -> tuple[SubmitOrder, bool]:
        """Reserve an intent id (a client order id of the caller's own serves as one): the order,
        and whether it is new.

        A number is drawn for new orders only: each stands behind a fact.

        Raises:
            InvalidOrder: the intent id is no text that can be written down.
            DuplicateIntent: it is an order with other terms. Nothing was reserved.
        """
        cid = order.client_order_id
        intent = order.intent_id or cid
        check_text(intent, "intent_id", ID_LENGTH_MAX)
        with self._lock:
            known = self.open.get(intent)
            if known is None and intent in self._closed:
                known = _terms(self._journal.closed_by_intent(intent))
            if known is None and cid:
                known = self._with_id(cid)
            if known is None:
                written = stamped(order, intent, broker, cid or self._ids.next(), ts)
                self.open[intent] = written
                if cid:
                    self._named[cid] = written
                return written, True
        asked = stamped(order, intent, broker, cid or known.client_order_id, ts)
        differs = difference(known, asked)
        if differs:
            raise DuplicateIntent(
                f"intent {intent!a} is order {known.client_order_id!a} with other terms"
                f" ({differs}); use a new intent id for a new order"
            )
        return known, False

    def known(self, intent: str) -> SubmitOrder | None:
        """The order of an intent, queued, live or closed; None: the intent id is free."""
        with self._lock:
            found = self.open.get(intent)
            if found is None and intent in self._closed:
                found = _terms(self._journal.closed_by_intent(intent))
            return found

    def give_up(self, written: SubmitOrder) -> None:
        """Take a claim back: nothing has come of it."""
        with self._lock:
            self.open.pop(written.intent_id, None)
            self._named.pop(written.client_order_id, None)

    def number(self) -> str:
        """A new id of ours, for something that is no order."""
        with self._lock:
            return self._ids.next()

    def retired(self, terms: SubmitOrder) -> None:
        """Its order has left memory."""
        self._closed.add(terms.intent_id)  # before it is gone: claim() may look just now
        self.open.pop(terms.intent_id, None)
        if self._named:
            self._named.pop(terms.client_order_id, None)

    def revived(self, terms: SubmitOrder) -> None:
        """Its order is in memory again."""
        self.open[terms.intent_id] = terms

    def terms_of(self, cid: str) -> SubmitOrder | None:
        """The terms of an order that no broker holds: closed, or still queued."""
        closed = self._journal.closed_order
        terms = _terms(closed(cid)) or self._queued(cid)
        return terms or _terms(closed(cid))  # it may have ended while we looked

    def _with_id(self, cid: str) -> SubmitOrder | None:
        """The order that has this id already, under whatever intent."""
        for broker in self._brokers.values():
            held = broker.orders.get(cid)
            if held is not None:
                return held.order.terms
        known = self._named.get(cid)
        if known is None and cid.startswith(self._engine_id):  # drawn by us, perhaps
            known = self._queued(cid)
        return known or _terms(self._journal.closed_order(cid))

    def _queued(self, cid: str) -> SubmitOrder | None:
        """The order with this id, by looking at all of them: no broker has it yet."""
        known = list(self.open.values())  # it shrinks on the dispatcher's thread
        return next((terms for terms in known if terms.client_order_id == cid), None)


def _terms(body: bytes | None) -> SubmitOrder | None:
    return None if body is None else revive(body)[0].terms
