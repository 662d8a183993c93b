"""What a group may ask for: the words between its plan and whoever carries it out."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec

from .messages import Leg, LinkTrigger, NativeShape

__all__ = [
    "Action",
    "Add",
    "Close",
    "Hold",
    "Release",
    "ReleaseTied",
    "Relink",
    "Remove",
    "Resize",
    "Send",
    "VenueRules",
]


class VenueRules(msgspec.Struct, frozen=True, gc=False):
    """What the venue of a group does, of its capabilities."""

    amends: bool
    bounds_exits: bool  # it enforces reduce-only: two exits of one holding cannot both open


class Release(msgspec.Struct, frozen=True, gc=False):
    """Let an order leave that was held back, for this quantity."""

    client_order_id: str
    order_qty: Decimal


class ReleaseTied(msgspec.Struct, frozen=True, gc=False):
    """Let orders leave in one call, each for this quantity; the venue ties them from then on."""

    shape: NativeShape
    client_order_ids: tuple[str, ...]
    order_qty: Decimal


class Resize(msgspec.Struct, frozen=True, gc=False):
    """Amend an order: to this total, fills included, to these prices; ``None`` keeps a term. One
    that is held back is changed at once.
    """

    client_order_id: str
    order_qty: Decimal | None
    price: Decimal | None = None
    stop_px: Decimal | None = None


class Remove(msgspec.Struct, frozen=True, gc=False):
    """Cancel an order, or withdraw one that never left."""

    client_order_id: str
    why: str


class Add(msgspec.Struct, frozen=True, gc=False):
    """Place one more order of a leg."""

    leg: str
    order_qty: Decimal


class Hold(msgspec.Struct, frozen=True, gc=False):
    """Have an order of a leg ready that is held back: others are at the venue in its place."""

    leg: str


class Close(msgspec.Struct, frozen=True, gc=False):
    """Close this much at market, under the name of a leg of its own (``leg``), like ``exits`` would
    have. ``back``: the exits closed too much, so it is bought back.
    """

    leg: str
    exits: Leg
    order_qty: Decimal
    back: bool = False


class Send(msgspec.Struct, frozen=True, gc=False):
    """Have an order leave whose trigger, which the engine watches, was reached."""

    client_order_id: str


class Relink(msgspec.Struct, frozen=True, gc=False):
    """Move the link region of an order."""

    client_order_id: str
    trigger: LinkTrigger


Action: TypeAlias = Release | ReleaseTied | Resize | Remove | Add | Hold | Close | Relink | Send
