"""How the live orders of a group are tied to each other: their link regions follow the group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .group import Slice
from .group_actions import Action, Relink, Remove
from .group_wants import Want
from .messages import GroupState, LinkTrigger
from .order_tables import Link

__all__ = ["ties"]

_LINKED = (GroupState.LINKED, GroupState.DEGRADED)


def ties(
    targets: Mapping[str, Want],
    slices: Mapping[str, tuple[Slice, ...]],
    state: GroupState,
    actions: Iterable[Action],
) -> list[Relink]:
    """What has to be said to live orders, so that each knows how it is tied now; ``actions`` are
    about to be done.
    """
    going = {one.client_order_id for one in actions if isinstance(one, Remove)}
    found: list[Relink] = []
    for name, want in targets.items():
        for one in slices[name]:
            if one.is_over or one.is_held:
                continue
            gone = one.is_cancelling or one.client_order_id in going or not want.leaves_qty
            moves = _moves(one.link, gone=gone, linked=state in _LINKED)
            found += [Relink(one.client_order_id, trigger) for trigger in moves]
    return found


def _moves(link: Link, *, gone: bool, linked: bool) -> tuple[LinkTrigger, ...]:
    """The triggers that bring the link of a live order to what it should be."""
    if gone:
        return () if link in (Link.STANDING_DOWN, Link.FREE) else (LinkTrigger.STAND_DOWN,)
    if link is Link.STANDING_DOWN:
        back = (LinkTrigger.RESTORE,)
        return back if linked else (*back, LinkTrigger.UNLINK)
    if linked:
        return () if link is Link.OCO_LINKED else (LinkTrigger.LINK,)
    if link is Link.FREE:
        return (LinkTrigger.ARM,)
    return (LinkTrigger.UNLINK,) if link is Link.OCO_LINKED else ()
