"""The order actor: one order. It calls :func:`engine.order_steps.step`, records, sends.

No arithmetic here.
"""

from __future__ import annotations

from typing import Any

from engine.invariants import check_step
from engine.messages import Feeds, OrderSubmitted, ReviveOrder
from engine.order import BookingKind, Ledger, Order, Step, is_settled
from engine.order_events import events_of, submitted
from engine.order_steps import mark_sent, mark_unsent, step
from engine.order_tables import TERMINAL

from .position import BookExecution
from .roles import BrokerRole, OrderRole

__all__ = ["OrderActor"]

_NO_FILLS = Ledger()
_ORDER, _SPLIT, _BOOK = Feeds.ORDER, BookingKind.SPLIT, BookingKind.BOOK


class OrderActor(OrderRole):
    """One order, supervised by its broker.

    ``order`` is assigned once a step, after everything that can fail.
    """

    __slots__ = ("broker", "frozen", "ledger", "order", "revived")

    def __init__(self, broker: BrokerRole, order: Order, ledger: Ledger | None = None) -> None:
        self.broker = broker
        self.order = order
        self.ledger = ledger
        self.revived: bytes | None = None  # its tombstone, until a fact changes it
        self.frozen = (
            False  # a broken invariant: it still takes facts, and sends nothing but cancels
        )

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The order, as a name."""
        return f"order:{self.order.terms.client_order_id}"

    def on_receive(self, message: Any) -> Step:
        """Take one command or report through the pure step, and stage what follows from it."""
        before = self.order
        ledger = self.ledger
        out = step(before, _NO_FILLS if ledger is None else ledger, message)
        broker = self.broker
        if not out.changed:
            broker.unchanged(self, out, message)
            return out
        check_step(before, out)
        order = out.order
        turn = broker.turn
        terms = before.terms
        bookings = out.bookings
        if bookings:
            for booking in bookings:
                fill = booking.fill
                if fill.feeds is not _ORDER and booking.kind is not _SPLIT and fill.last_qty:
                    slot = broker.position_of(terms, fill)
                    slot.on_receive(BookExecution(terms, booking, order.ts))
                if booking.kind is _BOOK:
                    broker.executions.claim(terms, booking, ledger)
            if ledger is None:
                ledger = self.ledger = Ledger()
            turn.undo.append((self, before, (bookings, ledger.entries(bookings))))
        else:
            turn.undo.append((self, before, None))
        if self.revived is not None:
            cid, stone = terms.client_order_id, self.revived.decode()
            turn.record(message.ts, cid, ReviveOrder(cid, message.ts, stone))
        body = turn.record(message.ts, terms.client_order_id, message)
        if bookings and ledger is not None:
            ledger.apply(bookings, message, body)
            turn.booked.append((self, bookings, message, body))
        self.order = order
        wanted = turn.hub.wanted
        if wanted:
            turn.events.extend(events_of(before, out, message, wanted))
        broker.stepped(self, before, out, message)
        # its fact is staged; a discarded turn drops this actor whole: nothing to take back
        self.revived = None
        return out

    def note_sent(self) -> None:
        """It was handed to the wire: no fact of its own, the journalled intent says as much."""
        self.order = mark_sent(self.order)
        turn = self.broker.turn
        if OrderSubmitted in turn.hub.wanted:
            turn.tell(submitted(self.order, turn.time_ns()))

    def note_unsent(self) -> None:
        """Its placement was throttled, a definite no: it waits, and may still be withdrawn."""
        self.order = mark_unsent(self.order)

    def is_done(self) -> bool:
        """Ended and settled: it may leave memory."""
        return self.order.life in TERMINAL and is_settled(self.order)

    def restore(self, before: Order, extra: Any) -> None:
        """Take back a step whose turn was discarded."""
        if self.order.venue_order_ids is not before.venue_order_ids:
            self.broker.venue_ids.forget(self.order)
            self.broker.venue_ids.learn(before)
        self.order = before
        if extra is not None and self.ledger is not None:
            bookings, entries = extra
            self.ledger.undo(bookings, entries)
            if not self.ledger.exec_ids():
                self.ledger = None
