"""Holdings whose exits the venue keeps: which they can be, and whether it still does.

Where a venue ties orders by itself (``Capabilities.native_groups``) a stop and a target leave in
one call, with their entry (BRACKET) or without (EXITS), and the engine only watches: that one ends
when the other fills, that they grow and shrink, is the venue's work, and its unasked cancels are
expected. It stays the engine's duty that what is held is covered, so a holding is *taken over* (and
is as any other from then on) once

* the venue has refused one of its exits, or one has never left: then it is naked at once;
* a person or the engine wants something else of it: it is called off, closed, a leg taken away;
* what its exits come to is not what is held, for half of the time it may be unprotected
  (:mod:`actors.group_watch`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from .group import Group, Slice
from .messages import Leg, LegRole, NativeShape
from .values import ONE

__all__ = ["Slices", "are_tied", "can_tie", "may_tie", "never_left"]

Slices: TypeAlias = Mapping[str, tuple[Slice, ...]]


def can_tie(exits: tuple[Leg, ...]) -> bool:
    """Whether exits are what venues tie: a stop and a target, each for all of it."""
    roles = sorted(leg.role.value for leg in exits)
    whole = all(leg.share is None or leg.share == ONE for leg in exits)
    if any(leg.order.local for leg in exits):
        return False  # of a trigger that the engine watches no venue knows
    return whole and roles == [LegRole.STOP.value, LegRole.TARGET.value]


def never_left(legs: Iterable[Leg], slices: Slices) -> bool:
    """Whether each of the legs has one order, which is held back."""
    return all(len(slices[leg.name]) == 1 and slices[leg.name][0].is_held for leg in legs)


def are_tied(group: Group, exits: tuple[Leg, ...], emergency: str, slices: Slices) -> bool:
    """Whether the venue keeps these exits, and nothing is against it."""
    if emergency not in group.native or group.called_off or emergency in group.late:
        return False
    orders = [one for leg in exits for one in slices[leg.name]]
    if any(one.is_held or one.is_refused for one in orders):
        return False
    return not slices.get(emergency) and not any(leg.name in group.dropped for leg in exits)


def may_tie(
    shapes: tuple[NativeShape, ...],
    entry: Leg | None,
    exits: tuple[Leg, ...],
    slices: Slices,
    *,
    may_grow: bool,
) -> NativeShape | None:
    """As what exits that have never left could leave in one call; None: the venue cannot keep them.

    What an entry has filled in parts is protected before all of it is known, so exits without their
    entry are tied only once it has ended.
    """
    if not shapes or not can_tie(exits) or not never_left(exits, slices):
        return None
    if entry is not None and NativeShape.BRACKET in shapes and never_left((entry,), slices):
        same = all(leg.order.instrument == entry.order.instrument for leg in exits)
        return NativeShape.BRACKET if same and entry.order.order_qty is not None else None
    return NativeShape.EXITS if NativeShape.EXITS in shapes and not may_grow else None
