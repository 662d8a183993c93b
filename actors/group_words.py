"""What is said to groups, and what they count by."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from engine.messages import Leg, LegRole, SubmitOrder
from engine.values import PositionSlot, Side

__all__ = ["Look", "ProtectionDue", "SlotMoved", "SlotSide", "opened_by", "pause_ns", "slot_side"]

_PAUSE_NS: Final = 25_000_000  # after a refusal: 100 ms, then four times as long each time
_PAUSE_MAX_NS: Final = 10_000_000_000

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


def pause_ns(times: int) -> int:
    """How long to wait after something was refused so many times in a row."""
    return min(_PAUSE_NS << 2 * min(times, 8), _PAUSE_MAX_NS)
