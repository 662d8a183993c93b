"""What is said to the part of a broker that flattens it, and how a list of positions is read."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from engine.flatten import SlotKey
from engine.messages import OrderSnapshot

from .venues.port import Answer, VenuePosition

__all__ = ["FlatAnswered", "FlatLook", "read_positions"]


class FlatLook(NamedTuple):
    """Something has changed, or a while has passed."""


class FlatAnswered(NamedTuple):
    """The venue has shown what there is; None: it has not."""

    question: int
    sent_ts: int
    positions: Answer[VenuePosition] | None
    open_orders: Answer[OrderSnapshot] | None


def read_positions(items: Iterable[object]) -> tuple[dict[SlotKey, Decimal], bool]:
    """What an adapter's list holds, by slot, and whether all of it could be read."""
    held: dict[SlotKey, Decimal] = {}
    whole = True
    for item in items:
        qty: object = getattr(item, "qty", None)
        if isinstance(item, VenuePosition) and isinstance(qty, Decimal) and qty.is_finite():
            held[item.instrument, item.slot] = qty
        else:
            whole = False
    return held, whole
