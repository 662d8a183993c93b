"""What people ask a broker for: cancels, amends, statements, waiting.

A user's mistake is an answer to the asker, never a failure of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.errors import UnknownOrder, UserError
from engine.messages import (
    AmendGroup,
    AmendOrder,
    CancelGroup,
    CancelOrder,
    CorrectPosition,
    GroupState,
    SetBaseline,
    SettleOrder,
)
from engine.order import is_waiting
from engine.policies.validation import check_amend
from engine.views import OrderView, view_order

from .broker_words import Ask, WaitFor
from .roles import BrokerRole
from .tickets import Waiters

__all__ = ["BrokerCommands"]


class BrokerCommands:
    """The half of a broker that answers its facade. Lives and dies with it, on the same thread."""

    def __init__(self, broker: BrokerRole, waiters: Waiters) -> None:
        self.broker = broker
        self.waiters = waiters
        self.routes: dict[type, Callable[[Any], object]] = {
            CancelOrder: self.change,
            CancelGroup: self.call_off,
            AmendGroup: self.move,
            AmendOrder: self.change,
            SettleOrder: self.change,
            SetBaseline: self.state_position,
            CorrectPosition: self.state_position,
        }

    def asked(self, ask: Ask) -> None:
        """Do a command and answer it."""
        broker = self.broker
        if ask.overtook and ask.command.client_order_id not in broker.orders:
            behind = Ask(ask.command, ask.future)  # the order may be in the queue, or closed
            broker.turn.effects.append((broker.dispatcher.post_behind, broker, behind))
            return
        mark = broker.turn.mark()
        try:
            answer = self.routes[type(ask.command)](ask.command)
        except UserError as error:
            broker.turn.rollback(mark)
            if ask.future is not None:
                broker.turn.reply_exception(ask.future, error)
            return
        except Exception as error:  # a bug of ours goes to the asker as well as to supervision
            if ask.future is not None:
                broker.turn.reply_exception(ask.future, error)
            raise
        if ask.future is not None:
            broker.turn.reply(ask.future, answer)

    def change(self, command: CancelOrder | AmendOrder | SettleOrder) -> OrderView:
        """A cancel, an amend or a settlement of an order we hold, or of a closed one."""
        broker, cid = self.broker, command.client_order_id
        actor = broker.orders.get(cid) or broker.revive(cid)
        if actor is None:
            raise self._unknown(cid)
        if isinstance(command, AmendOrder):
            if actor.frozen:
                raise UserError(f"order {cid!r} is frozen after a failure: it takes cancels only")
            terms = actor.order.terms
            exits = terms.reduce_only or broker.groups.closes(actor.order)
            if broker.flattening.is_shut(terms.instrument) and not exits:
                raise UserError(f"entries of {terms.instrument} are shut: cancel {cid!r} instead")
            instrument = broker.instruments[terms.instrument]
            is_local = is_waiting(actor.order)
            check_amend(command, instrument, broker.capabilities, is_local=is_local)
        out = broker.deliver(actor, command)
        if out is None:
            raise UserError(f"{type(command).__name__} of {cid!r} failed; see the alarm")
        if out.refused and isinstance(command, AmendOrder):
            raise UserError(f"amend of {cid!r} was not sent: {out.refused}")
        if isinstance(command, CancelOrder) and out.order.terms.group_id:
            broker.groups.cancelled(out.order)
        if isinstance(command, AmendOrder) and out.order.terms.group_id:
            broker.groups.amended(out.order, command)
        return view_order(out.order)

    def call_off(self, command: CancelGroup) -> GroupState:
        """A group is to go; how it stands after that."""
        return self.broker.groups.call_off(command).state

    def move(self, command: AmendGroup) -> GroupState:
        """A leg of a group is to be somewhere else; how the group stands after that."""
        return self.broker.groups.move(command).state

    def state_position(self, stated: SetBaseline | CorrectPosition) -> None:
        """A baseline or a correction of one slot."""
        actor = self.broker.slot(stated.instrument, stated.slot)
        actor.on_receive(stated)
        self.broker.turn.record(stated.ts, actor.actor_urn, stated)
        self.broker.flattening.touched(stated.instrument)
        if self.broker.protections.active:
            self.broker.protections.look((stated.instrument, stated.slot))

    def wait_for(self, wait: WaitFor) -> None:
        """Answer when the order is there, or say that there is none."""
        turn = self.broker.turn
        order = self.broker.find_order(wait.client_order_id)
        if order is None:
            turn.reply_exception(wait.future, self._unknown(wait.client_order_id))
        elif not self.waiters.answer_now(wait.until, order, wait.future, turn):
            self.waiters.add(wait.client_order_id, wait.until, wait.future)

    def _unknown(self, cid: str) -> UnknownOrder:
        at = f"{self.broker.name}/{self.broker.account}"
        return UnknownOrder(f"no order {cid!r:.80} at {at}, live or closed")
