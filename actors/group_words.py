"""What is said to groups, and what they count by."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from engine.messages import Leg, LegRole, SubmitOrder
from engine.values import PositionSlot, Side

__all__ = [
    "Look",
    "ProtectionDue",
    "SlotMoved",
    "SlotSide",
    "TrailDue",
    "opened_by",
    "slot_side",
]

SlotSide: TypeAlias = tuple[str, PositionSlot, Side]


def slot_side(entry: SubmitOrder) -> SlotSide:
    """What an entry opens: the instrument, its slot, and which way."""
    return entry.instrument, entry.slot, entry.side


def opened_by(leg: Leg) -> SlotSide:
    """What a leg opens, or what is open that it closes."""
    instrument, slot, side = slot_side(leg.order)
    return instrument, slot, side if leg.role is LegRole.ENTRY else side.opposite


class Look(NamedTuple):
    """To a group: something of yours has changed."""

    group_id: str


class SlotMoved(NamedTuple):
    """To the groups of an account: a slot holds something else than before."""

    instrument: str
    slot: PositionSlot


class ProtectionDue(NamedTuple):
    """To a group: what ``emergency`` stands for should have been protected by now."""

    group_id: str
    emergency: str


class TrailDue(NamedTuple):
    """To a group: the newest price that a stop of it follows should not be the newest any more."""

    group_id: str
