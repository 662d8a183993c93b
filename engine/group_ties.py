"""How the orders of a group are tied: to each other in our books, and at the venue."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from .group import Group, Slice
from .group_actions import Action, Release, ReleaseTied, Relink, Remove
from .group_live import REFUSALS_MAX, Aim, Room, failures
from .group_native import may_tie
from .group_wants import Facts, Holding, Want, Wants
from .messages import LegRole, NativeShape
from .order_tables import Link, LinkTrigger
from .values import ZERO

__all__ = ["aims_of", "is_adrift", "relinks", "room_of", "tie"]


def tie(
    actions: list[Action], holdings: Iterable[Holding], facts: Facts
) -> tuple[list[Action], tuple[str, ...]]:
    """The actions with those releases as one that the venue keeps from then on, and the holdings of
    which it does.
    """
    kept: list[str] = []
    for one in holdings:
        grows = one.entry is not None and not facts.is_over(one.entry)
        shape = may_tie(facts.native, one.entry, one.exits, facts.slices, may_grow=grows)
        if shape is None:
            continue
        legs = (
            one.exits
            if one.entry is None or shape is NativeShape.EXITS
            else (one.entry, *one.exits)
        )
        cids = tuple(facts.slices[leg.name][0].client_order_id for leg in legs)
        leaving = {
            act.client_order_id: act.order_qty for act in actions if isinstance(act, Release)
        }
        due = cids[:1] if shape is NativeShape.BRACKET else cids
        qty = leaving.get(cids[0], ZERO)
        if qty and all(leaving.get(cid) == qty for cid in due):
            others = [
                act
                for act in actions
                if not (isinstance(act, Release) and act.client_order_id in cids)
            ]
            actions = [*others, ReleaseTied(shape, cids, qty)]
            kept.append(one.emergency)
    return actions, tuple(kept)


def is_adrift(holding: Holding, wanted: Mapping[str, Want], facts: Facts) -> bool:
    """Whether exits that the venue keeps are not (yet) what they should come to. While their entry
    works their own quantity may be more: they work for what it has filled.
    """
    grows = holding.entry is not None and not facts.is_over(holding.entry)
    if holding.mine_qty > holding.left_qty and any(
        not one.is_over for leg in holding.exits for one in facts.slices[leg.name]
    ):
        return True  # others have closed some of it
    for leg in holding.exits:
        want, orders = wanted[leg.name], facts.slices[leg.name]
        works = sum((one.leaves_qty for one in orders if one.is_confirmed), ZERO)
        if want.leaves_qty and (works < want.leaves_qty or (works > want.leaves_qty and not grows)):
            return True
        if not want.leaves_qty and not want.waits and any(not one.is_over for one in orders):
            return True
    return False


def room_of(holdings: Iterable[Holding], facts: Facts) -> Room:
    """What the exits of locked holdings may still offer."""
    room = Room()
    for one in holdings if facts.locks else ():
        if one.is_locked:
            names = (*(leg.name for leg in one.exits), one.emergency)
            orders = [it for name in names for it in facts.slices.get(name, ())]
            room.add(one.emergency, names, one.left_qty, orders)
    return room


def aims_of(
    group: Group,
    facts: Facts,
    wants: Wants,
    targets: Mapping[str, Want],
    emergencies: Container[str],
) -> tuple[Aim, ...]:
    """Targets for which the price says whether they or their stop should be at the venue."""
    found: list[Aim] = []
    for holding in wants.holdings if facts.locks else ():
        rest = [one for one in holding.exits if one.role is LegRole.STOP and not one.order.local]
        stops = [one.name for one in rest if one.name not in group.dropped]
        if not (holding.is_locked and stops) or holding.emergency in emergencies:
            continue
        for leg in holding.exits:
            want, name = targets[leg.name], leg.name
            able = name not in facts.pausing and failures(group, facts.slices[name]) < REFUSALS_MAX
            if leg.role is LegRole.TARGET and able and (want.dormant or want.leaves_qty):
                found.append(Aim(name, stops[0], holding.emergency))
    return tuple(found)


def relinks(
    targets: Mapping[str, Want],
    slices: Mapping[str, tuple[Slice, ...]],
    actions: Iterable[Action],
    kept: Iterable[str],
    *,
    linked: bool,
) -> Iterator[Relink]:
    """Say in each live order how it is tied now; ``kept``: legs that the venue keeps, which wait at
    the venue for their entry.
    """
    going = {a.client_order_id for a in actions if isinstance(a, Remove)}
    waiting = dict.fromkeys(kept)
    for name, want in targets.items():
        stays = want.leaves_qty or (want.waits and name in waiting)
        for one in slices[name]:
            if one.is_over or one.is_held:
                continue
            gone = one.is_cancelling or one.client_order_id in going or not stays
            for trigger in _moves(one.link, gone=gone, linked=linked):
                yield Relink(one.client_order_id, trigger)


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
