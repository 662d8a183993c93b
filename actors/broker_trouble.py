"""What a broker does when a step of an order fails, and when a cancel cannot be written before it
leaves.
"""

from __future__ import annotations

import logging
from typing import Any

from engine.errors import EngineError, UnknownOrder
from engine.messages import Alarm, Cancel, CancelOrder, Filled, OutcomeUnknown
from engine.order import Booking, BookingKind, is_open
from engine.order_links import never_left
from engine.order_tables import TERMINAL
from engine.views import view_order

from .broker_words import Thaw
from .position import BookExecution
from .roles import BrokerRole, OrderRole
from .runtime import Future

__all__ = ["BrokerTrouble"]

logger = logging.getLogger("actors.broker")


class BrokerTrouble:
    """Supervises the orders of one broker, on its thread."""

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        #: Cancels that left before they could be written, by request.
        self.left_early: dict[str, None] = {}
        #: The newest cancel of each order that is to be written first.
        self._unwritten: dict[str, CancelOrder] = {}

    def failed(self, actor: OrderRole, message: Any, error: Exception) -> None:
        """Freeze the order, keep the fact, and let an execution reach its position all the same."""
        broker, turn = self.broker, self.broker.turn
        terms = actor.order.terms
        cid = terms.client_order_id
        if type(message) is Filled and turn.is_claimed(broker.executions.key(terms, message)):
            broker.counters.duplicates += 1  # it failed before and was booked then
            return
        logger.error("an order step failed", exc_info=error, extra={"client_order_id": cid})
        broker.counters.failures += 1
        turn.undo.append((Thaw(), actor, actor.frozen))
        actor.frozen = True
        turn.record(message.ts, cid, message)
        if type(message) is Filled:
            self._book(actor, message)
        broker.alarm("order_failed", f"{type(error).__name__}: {error}", cid)

    def _book(self, actor: OrderRole, fill: Filled) -> None:
        """Let an execution reach its position although its order could not take it."""
        broker, terms = self.broker, actor.order.terms
        booking = Booking(BookingKind.BOOK, fill, fill.exec_id)
        mark = broker.turn.mark()
        try:
            broker.executions.claim(terms, booking, actor.ledger)
            slot = broker.position_of(terms, fill)
            slot.on_receive(BookExecution(terms, booking, fill.ts))
        except (
            EngineError,
            ArithmeticError,
        ) as error:  # the fact stays; a person has to correct it
            broker.turn.rollback(mark)
            detail = (
                f"execution {fill.exec_id!r} reached no position: {type(error).__name__}: {error}"
            )
            broker.alarm("unbookable", detail, terms.client_order_id)

    def doubt(self, actor: OrderRole, why: str) -> None:
        """After a commit: what the venue says of an order cannot be. While we hold it, it is asked
        about; and where it works it is unverified from now on, which is a fact of its own.
        """
        broker, cid = self.broker, actor.order.terms.client_order_id
        if broker.orders.get(cid) is not actor:
            return
        if is_open(actor.order):  # else an answer is to come, or it is in doubt, or over
            told = OutcomeUnknown(cid, broker.dispatcher.time_ns(), None, why)
            broker.dispatcher.post(broker, told)
        broker.calls.ask_by_id(actor)

    def cancel_unjournalled(self, command: CancelOrder, future: Future[Any]) -> None:
        """While the journal fails: let a cancel leave, keep it in memory, and write it first when
        that works again; of several of an order, the newest.

        Called between turns. A cancel only lowers exposure, so it may go before it is written.
        """
        broker = self.broker
        actor = broker.orders.get(command.client_order_id)
        if actor is None:
            future.set_exception(
                UnknownOrder(
                    f"no open order {command.client_order_id!a} at {broker.name}/{broker.account}"
                )
            )
            return
        cid = command.client_order_id
        before = self._unwritten.get(cid)
        if before is None:
            broker.turn.first_words.append(lambda: self._note(cid))
        else:  # a host that asks again and again fills no memory
            self.left_early.pop(before.req_id, None)
        self._unwritten[cid] = command
        self.let_cancel_leave(command)
        future.set(view_order(actor.order))

    def let_cancel_leave(self, command: CancelOrder) -> None:
        """Send a cancel that cannot be written yet, once; its command will be written when that
        works again.
        """
        actor = self.broker.orders.get(command.client_order_id)
        if actor is None or actor.order.life in TERMINAL or command.req_id in self.left_early:
            return
        if never_left(actor.order):
            return  # there is nothing at the venue: it ends when that can be written
        self.left_early[command.req_id] = None
        ids, symbol = actor.order.venue_order_ids, actor.order.terms.instrument
        request = Cancel(command.client_order_id, command.req_id, symbol, ids[-1] if ids else None)
        self.broker.lane.send(request, False)
        detail = "a cancel left before it could be written"
        self.broker.turn.tell(Alarm(command.ts, "unjournalled", detail, command.client_order_id))

    def _note(self, cid: str) -> None:
        broker, command = self.broker, self._unwritten.get(cid)
        actor = broker.orders.get(cid)
        if actor is not None and command is not None:
            broker.deliver(actor, command)
        broker.turn.effects.append((self._unwritten.pop, cid, None))
