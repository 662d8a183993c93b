"""A group actor, as its parts see it."""

from __future__ import annotations

from typing import Any, Protocol

from engine.group import Group
from engine.messages import Leg, SubmitOrder

from .group_moves import GroupMoves
from .group_slots import GroupSlots
from .group_trails import GroupTrails
from .roles import BrokerRole, GroupsRole
from .runtime import Actor

__all__ = ["DeskRole", "GroupRole"]


class DeskRole(GroupsRole, Protocol):
    """Who keeps the groups of a broker, as one of them sees it."""

    slots: GroupSlots

    def tell(self, actor: Any, message: Any) -> None:
        """Have a group take a message now."""
        ...

    def hold_back(self, order: SubmitOrder) -> object:
        """Introduce an order that does not leave."""
        ...


class GroupRole(Actor):
    """One group."""

    __slots__ = ()

    broker: BrokerRole
    desk: DeskRole
    group: Group
    legs: dict[str, Leg]
    moves: GroupMoves
    trails: GroupTrails | None
