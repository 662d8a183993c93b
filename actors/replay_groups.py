"""Groups, kill switches, monitors and drifts in a replay: they are followed, and decide nothing.

A journal holds what a group looked at and what it then did, each as a fact of its own: the moves of
the group, the links, amends and cancels of its orders, the orders that it made. A group that looked
once more would do all of that twice, at other times. So in a replay a fact of a group is taken as
it stands, and what follows from it comes as the next fact; the same goes for all that watches.
"""

from __future__ import annotations

from typing import Any

from engine.control import Control, ControlFact, controlled
from engine.errors import UnknownOrder
from engine.group import begin_group
from engine.group_moves import changed_group
from engine.messages import (
    AdoptOrder,
    AmendGroup,
    AmendOrder,
    Flatten,
    GroupMoved,
    LiftFlatten,
    LinkOrder,
    Place,
    ReviveGroup,
    SetMode,
    SubmitGroup,
    SubmitOrder,
)
from engine.order import Order
from engine.order_links import never_left
from engine.order_steps import begin
from engine.values import PositionSlot
from engine.watched import WATCHED_FACTS

from .broker import BrokerActor
from .drifting import Drifting
from .flattening import Flattening
from .groups import BrokerGroups
from .monitors import Monitors
from .position import PositionActor

__all__ = ["RecordedBroker"]


class _Groups(BrokerGroups):
    """The groups of an account as their facts say."""

    def take(self, fact: SubmitGroup | GroupMoved | ReviveGroup | AmendGroup) -> None:
        """A group has come, has moved, has other terms, or was taken up again."""
        terms = fact.terms if isinstance(fact, ReviveGroup) else fact
        self.broker.turn.record(fact.ts, f"group:{terms.group_id}", fact)
        actor = self.groups.get(terms.group_id)
        if actor is None and not isinstance(terms, GroupMoved | AmendGroup):
            actor = self.hold(begin_group(terms))
        if actor is not None and isinstance(fact, GroupMoved | AmendGroup):
            actor.group = changed_group(actor.group, fact)

    def touched(self, order: Order) -> None:
        """What follows from it is a fact of its own."""

    def moved(self, instrument: str, slot: PositionSlot) -> None:
        """What follows from it is a fact of its own."""

    def cancelled(self, order: Order) -> None:
        """What follows from it is a fact of its own."""

    def amended(self, order: Order, amend: AmendOrder) -> None:
        """What follows from it is a fact of its own."""

    def look_all(self) -> None:
        """A replay that goes on looks at nothing either."""


class _Shut(Flattening):
    """What is shut at an account, as its facts say."""

    def take(self, fact: ControlFact) -> None:
        """Somebody has shut or opened something."""
        turn = self.broker.turn
        turn.record(fact.ts, self.control.name, fact)
        self._become(controlled(self.control, fact))

    def _become(self, control: Control) -> None:
        self.control = control  # the session lets everything leave: it left when it was recorded
        self.is_anything_shut = bool(control.modes or control.switches)

    def touched(self, instrument: str) -> None:
        """What follows from it is a fact of its own."""

    def linked(self) -> None:
        """Nobody is asked."""

    def is_shut(self, instrument: str) -> bool:
        """What was refused was not written."""
        return False

    def refusal(self, order: SubmitOrder, reduces: bool) -> tuple[str, str] | None:
        """What was refused has its denial behind it."""
        return None


class _Drifts(Drifting):
    """What the venue counts otherwise, as its facts say."""

    def begin(self) -> None:
        """Nobody is asked."""

    def refusal(self, order: SubmitOrder) -> tuple[str, str] | None:
        """What was refused has its denial behind it."""
        return None


class _Monitors(Monitors):
    """Rules about what is held, as their facts say."""

    def made(self, slot: PositionActor) -> None:
        """What follows from it is a fact of its own."""

    def look_all(self) -> None:
        """A replay that goes on looks at nothing either."""


class RecordedBroker(BrokerActor):
    """A broker of recorded accounts: also facts that it had written itself are fed to it, and those
    of its groups, switches and rules.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        groups = _Groups(self, self._write_down, self._submit)
        self.groups, self.flattening = groups, _Shut(self, groups)
        self.drifting, self.monitors = _Drifts(self), _Monitors(self)
        self._routes.update(
            {
                SubmitOrder: self._introduced,
                AdoptOrder: self._adopted,
                LinkOrder: self._linked,
                **dict.fromkeys((SubmitGroup, GroupMoved, ReviveGroup, AmendGroup), groups.take),
                **dict.fromkeys((SetMode, Flatten, LiftFlatten), self.flattening.take),
                **dict.fromkeys(WATCHED_FACTS, self.watched.take),
            }
        )

    def _introduced(self, order: SubmitOrder) -> None:
        """An order that its group holds back does not leave."""
        if order.held:
            self._write_down(order)
        else:
            self._submit(order)

    def _adopted(self, fact: AdoptOrder) -> None:
        """An order was first seen; the report that it was seen by need not stand behind."""
        cid = fact.terms.client_order_id
        if cid in self.orders:
            return
        actor = self.introduce(begin(fact))
        self.turn.record(fact.terms.ts, cid, fact)
        self.counters.adopted += 1
        self.intake.unpark(actor)

    def _linked(self, message: LinkOrder) -> None:
        """An order is tied in another way; one that is let go leaves, or waits for its trigger."""
        actor = self.orders.get(message.client_order_id) or self.revive(message.client_order_id)
        if actor is None:
            raise UnknownOrder(f"{message.client_order_id!r} is tied, and was never introduced")
        self.deliver(actor, message)
        if message.order_qty is not None and not never_left(actor.order):
            self.turn.effects.append((self.lane.send, Place(actor.order.terms), True))
