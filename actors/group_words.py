"""What is said to groups, and what they count by."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from engine.group import Slice
from engine.group_wants import Holding, back_of
from engine.messages import GroupState, Leg, LegRole, SubmitGroup, SubmitOrder
from engine.order import Ledger, Order
from engine.values import ZERO, Instrument, InstrumentKind, PositionSlot, Side

from .runtime import Future

__all__ = [
    "Look",
    "NewGroup",
    "Noted",
    "PricesDue",
    "ProtectionDue",
    "SlotMoved",
    "SlotSide",
    "Swapped",
    "TakeOver",
    "TrailDue",
    "WatchGroup",
    "base_fee",
    "booked_qty",
    "claimed",
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


class Swapped(NamedTuple):
    """To a group: as prices are, these targets should be at the venue in the place of a stop."""

    group_id: str
    live: tuple[str, ...]


class PricesDue(NamedTuple):
    """To a group: there should have been a price by now."""

    group_id: str


class TakeOver(NamedTuple):
    """To a group: the venue does not keep these exits as they should be, so the group does."""

    group_id: str
    emergency: str


def base_fee(order: Order, ledger: Ledger | None, instruments: Mapping[str, Instrument]) -> Decimal:
    """What fees took of the traded asset; a contract's never do."""
    instrument = instruments[order.terms.instrument]
    if ledger is None or instrument.kind is not InstrumentKind.CASH:
        return ZERO
    return sum((f.fee for f in ledger.live() if f.fee and f.fee_currency == instrument.base), ZERO)


def claimed(slices: Mapping[str, tuple[Slice, ...]], *legs: str) -> Decimal:
    """What of these legs has filled by the venue's word, and is not booked yet."""
    orders = (one for name in legs for one in slices.get(name, ()))
    return sum((one.claim_qty - one.cum_qty for one in orders), ZERO)


def booked_qty(one: Holding, slices: Mapping[str, tuple[Slice, ...]]) -> Decimal:
    """What a group has not closed of a holding, as far as it is booked: that is what its slot says,
    by which it is known whether there is enough for the others as well.
    """
    entry, back = "" if one.entry is None else one.entry.name, back_of(one.emergency)
    opened = claimed(slices, entry, back)
    closed = claimed(slices, *(leg.name for leg in one.exits), one.emergency)
    return max(one.mine_qty - opened + closed, ZERO)


class TrailDue(NamedTuple):
    """To a group: the newest price that a stop of it follows should not be the newest any more."""

    group_id: str


class Noted:
    """Undo of a note that a message is queued: with its turn the message is discarded too."""

    def __init__(self, notes: dict[Any, None]) -> None:
        self._notes = notes

    def restore(self, before: Any, extra: None) -> None:
        """Take it back."""
        del extra
        self._notes.pop(before, None)


class NewGroup(NamedTuple):
    """From the facade: a group and the orders of its legs, each with its ids."""

    command: SubmitGroup
    orders: tuple[SubmitOrder, ...]


class WatchGroup(NamedTuple):
    """Somebody waits until a group is done."""

    group_id: str
    future: Future[GroupState]
