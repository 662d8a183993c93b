"""The groups of one broker: they come, look when their orders change, and go when all is over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.errors import UnknownOrder
from engine.flatten import StandAside
from engine.fold import Books
from engine.group import Group, begin_group
from engine.group_tables import GROUP
from engine.journal import decode_record
from engine.messages import (
    Alarm,
    AmendGroup,
    AmendOrder,
    BothFilled,
    CancelGroup,
    GroupState,
    SubmitOrder,
)
from engine.order import Order

from .group import GroupActor
from .group_slots import GroupSlots
from .group_words import (
    Look,
    NewGroup,
    Noted,
    PricesDue,
    ProtectionDue,
    SlotMoved,
    TakeOver,
    TrailDue,
    WatchGroup,
)
from .roles import BrokerRole
from .runtime import Future, Timer

__all__ = ["BrokerGroups", "NewGroup", "WatchGroup"]

logger = logging.getLogger("actors.broker")


class BrokerGroups:
    """Lives and dies with its broker, on the same thread.

    A group looks at its orders once for all that changed in a burst: whatever touches one of them
    queues one look, which is handled in the same turn.
    """

    def __init__(
        self,
        broker: BrokerRole,
        hold: Callable[[SubmitOrder], object],
        submit: Callable[[SubmitOrder], None],
    ) -> None:
        self.broker = broker
        self.hold_back = hold
        self.tell = self._guarded
        self.place = submit
        self.groups: dict[str, GroupActor] = {}
        self._settling = ""  # the group that looks just now
        self._looking: dict[str, None] = {}  # groups with a look in the queue
        self._waiting: dict[str, list[Future[GroupState]]] = {}  # until a group is done
        self.slots = GroupSlots(broker, self.groups, self._queue)
        self.moved, self.members = self.slots.moved, self.slots.members
        self.routes: dict[type, Callable[[Any], object]] = {
            NewGroup: self.submit,
            Look: self.look,
            SlotMoved: self.slots.slot_moved,
            WatchGroup: self.watch,
            ProtectionDue: self.due,
            PricesDue: self.due,
            TakeOver: self.due,
            TrailDue: self.due,
        }
        #: Given by the system: ids of requests, and of orders that the engine makes itself.
        self.req_id: Callable[[], str]
        self.new_order: Callable[[SubmitOrder], SubmitOrder]

    def submit(self, new: NewGroup) -> None:
        """Introduce a group: journalled whole, its legs held back, before any of them leaves."""
        group_id = new.command.group_id
        if group_id in self.groups:
            return
        actor = self.hold(begin_group(new.command))
        self.broker.turn.undo.append((self, group_id, None))
        self.broker.turn.record(new.command.ts, actor.actor_urn, new.command)
        for order in new.orders:
            self.hold_back(order)
            self.broker.flattening.touched(order.instrument)  # a kill switch has it stand aside
        self._guarded(actor, Look(group_id))

    def hold(self, group: Group) -> GroupActor:
        """Keep a group from now on."""
        actor = self.groups[group.group_id] = GroupActor(self, self.broker, group)
        self.broker.dispatcher.adopt(actor)
        self.slots.add(actor)
        return actor

    def _forget(self, actor: GroupActor) -> None:
        del self.groups[actor.group.group_id]
        self.slots.forget(actor)
        self.broker.dispatcher.release(actor)

    def restore(self, before: str, extra: None) -> None:
        """Take back an introduction whose turn was discarded."""
        del extra
        actor = self.groups.get(before)
        if actor is not None:
            self._forget(actor)

    def touched(self, order: Order) -> None:
        """An order of a group has changed."""
        group_id = order.terms.group_id
        actor = self.groups.get(group_id)
        if actor is not None:
            actor.forget(order.terms.client_order_id)
            self.slots.stale[group_id] = None
        if group_id != self._settling:  # what it does itself it looks at itself
            self._queue(group_id)

    def _queue(self, group_id: str) -> None:
        if group_id not in self._looking:
            self._looking[group_id] = None
            self.broker.turn.undo.append((Noted(self._looking), group_id, None))
            self.broker.dispatcher.post(self.broker, Look(group_id))

    def will_look(self, group_id: str) -> bool:
        """Whether a group has still to look at what has changed."""
        return group_id in self._looking

    def look(self, message: Look) -> None:
        """Have a group look; one that was over is taken up again."""
        self._looking.pop(message.group_id, None)
        actor = self.groups.get(message.group_id) or self._revived(message.group_id)
        if actor is not None:
            self._guarded(actor, message)

    def look_soon(self) -> None:
        """Entries may be asked for something again: every group looks."""
        for group_id in self.groups:
            self._queue(group_id)

    def look_all(self) -> None:
        """After a restart: every group looks once."""
        for actor in list(self.groups.values()):
            self._guarded(actor, Look(actor.group.group_id))

    def watch(self, message: WatchGroup) -> None:
        """Answer when the group is done, or that there is none."""
        turn, group_id, future = self.broker.turn, message.group_id, message.future
        if group_id in self.groups:
            self._waiting.setdefault(group_id, []).append(future)
            return
        group = self.read_back(group_id)
        if group is not None:
            turn.reply(future, group.state)
            return
        at = f"{self.broker.name}/{self.broker.account}"
        turn.reply_exception(future, UnknownOrder(f"no group {group_id!r:.80} at {at}"))

    def due(self, message: ProtectionDue | PricesDue | TakeOver | TrailDue) -> None:
        """Something should have been protected or moved by now, or a price should have come."""
        actor = self.groups.get(message.group_id)
        if actor is not None:
            self._guarded(actor, message)

    def call_off(self, command: CancelGroup) -> Group:
        """A person wants a group gone.

        Raises:
            UnknownOrder: there is no such group, or it is over.
        """
        actor = self._open(command.group_id)
        self._guarded(actor, command)
        return actor.group

    def move(self, command: AmendGroup) -> Group:
        """A person moves a leg of a group.

        Raises:
            UnknownOrder: there is no such group, or it is over.
            InvalidOrder: see :func:`engine.group_moves.check_move`.
        """
        actor = self._open(command.group_id)
        actor.moves.check(actor.group, command)
        self._guarded(actor, command)
        return actor.group

    def amended(self, order: Order, amend: AmendOrder) -> None:
        """A person has amended an order of a group: a leg that is moved otherwise goes along."""
        actor = self.groups.get(order.terms.group_id)
        wish = None if actor is None else actor.moves.wish(actor.group, amend)
        if actor is not None and wish is not None:
            self._guarded(actor, wish)

    def follow(self, group_id: str) -> None:
        """Have a group look, now, in the turn of a price."""
        actor = self.groups.get(group_id)
        if actor is not None:
            self._guarded(actor, Look(group_id))

    def group_of(self, group_id: str) -> Group | None:
        """A group that is not over."""
        actor = self.groups.get(group_id)
        return None if actor is None else actor.group

    def _open(self, group_id: str) -> GroupActor:
        actor = self.groups.get(group_id)
        if actor is None:
            at = f"{self.broker.name}/{self.broker.account}"
            raise UnknownOrder(f"no group {group_id!r:.80} at {at} that is not over")
        return actor

    def _guarded(self, actor: GroupActor, message: Any) -> None:
        """A bug in a look leaves no trace of it, and a person is told; orders go on."""
        turn = self.broker.turn
        mark = turn.mark()
        self._settling = actor.group.group_id
        try:
            actor.on_receive(message)
        except Exception as error:
            turn.rollback(mark)
            logger.exception("a group failed", extra={"group": actor.actor_urn})
            detail = f"{type(error).__name__}: {error}"
            self.broker.alarm("group_failed", detail, actor.actor_urn)
        finally:
            self._settling = ""

    def _revived(self, group_id: str) -> GroupActor | None:
        """A late fact of an order whose group was over: the group is read back from its facts."""
        group = self.read_back(group_id)
        if group is None:
            return None
        actor = self.hold(group)
        actor.was_over = True
        self.broker.turn.undo.append((self, group_id, None))
        return actor

    def read_back(self, group_id: str) -> Group | None:
        """A group as its facts in the journal say. Searches all of it: for what is rare."""
        books = Books()
        for record in self.broker.journal.records(entity=f"group:{group_id}"):
            books.apply(record.entity, decode_record(record))
        return books.groups.get(group_id)

    def stand_aside(self, group_id: str) -> None:
        """A kill switch closes what the group holds."""
        actor = self.groups.get(group_id)
        if actor is not None:
            self._guarded(actor, StandAside(group_id))

    def closes(self, order: Order) -> bool:
        """Whether an order is an exit of a group, flagged or not."""
        return bool(order.terms.group_id) and order.terms.closes

    def cancelled(self, order: Order) -> None:
        """A person cancels an order of a group."""
        actor = self.groups.get(order.terms.group_id)
        if actor is not None:
            actor.drop(order.terms.client_order_id)

    # --- what groups ask for ----------------------------------------------------------------------

    def retire(self, actor: GroupActor, _: None) -> None:
        """After the commit of its end: it leaves memory, unless it is to look once more."""
        group_id = actor.group.group_id
        if actor.group.state not in GROUP.terminal or group_id in self._looking:
            return
        if self.groups.get(group_id) is actor:
            self._forget(actor)
            self.slots.left(actor)
            actor.watch.stop()
            for future in self._waiting.pop(group_id, ()):
                if not future.done():  # one whose turn was discarded is here twice
                    future.set(actor.group.state)

    def remind(self, delay_ns: int, message: ProtectionDue) -> Timer:
        """Post the message later."""
        dispatcher = self.broker.dispatcher
        return dispatcher.call_later(delay_ns, lambda: dispatcher.post(self.broker, message))

    def both_filled(self, group: Group, instrument: str, emergency: str, qty: Decimal) -> None:
        """Tell that exits closed more than there was."""
        turn, terms = self.broker.turn, group.terms
        ts = turn.time_ns()
        if BothFilled in turn.hub.wanted:
            turn.tell(BothFilled(terms.group_id, instrument, ts, qty, terms.tags))
        detail = f"exits closed {qty} {instrument} more than there was: it is being bought back"
        turn.tell(Alarm(ts, "both_filled", detail, f"group:{terms.group_id}"))
