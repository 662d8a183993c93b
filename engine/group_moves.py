"""Moving the legs of a group: where a leg is to be now, and what a person may ask for.

A move (:class:`~engine.messages.AmendGroup`) changes the terms of a leg from now on: of the orders
that work, of those that are held back, and of those that are placed later. The look at the group
then brings every order of the leg to these terms (:mod:`engine.group_legs`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from .capabilities import Capabilities
from .errors import InvalidOrder, JournalCorrupt
from .group import Group, Node, legs_of, moved_group
from .messages import (
    AmendGroup,
    AmendOrder,
    GroupMoved,
    GroupTerms,
    Leg,
    LegMoved,
    LegRole,
    Mover,
)
from .policies.validation import Reason, check_amend
from .protection import STOPS
from .trailing import is_tighter
from .values import Instrument, OrderType, Side

__all__ = ["amended_group", "changed_group", "check_move", "leg_of", "moved_of"]

_AMENDS: Final = Capabilities(amend=True)  # a leg may be moved where no order can be amended


def leg_of(group: Group, name: str) -> Leg | None:
    """The leg of this name; None: there is none."""
    return next((leg for leg in legs_of(group.terms.root) if leg.name == name), None)


def moved_of(group: Group, name: str) -> LegMoved | None:
    """Where a leg was moved to; None: it stands as it was submitted."""
    return next((one for one in group.moved if one.leg == name), None)


def amended_group(group: Group, m: AmendGroup) -> Group:
    """The group after a move.

    Raises:
        JournalCorrupt: it has no such leg.
    """
    leg = leg_of(group, m.leg)
    if leg is None:
        raise JournalCorrupt(f"group {group.group_id!r} has no leg {m.leg!r} that could be moved")
    was = moved_of(group, m.leg) or LegMoved(m.leg)
    stood = leg.order.stop_px if was.stop_px is None else was.stop_px
    loosened = (
        m.mover is Mover.PERSON
        and m.stop_px is not None
        and stood is not None
        and is_tighter(leg.order.side, stood, m.stop_px)
    )
    after = LegMoved(
        m.leg,
        was.stop_px if m.stop_px is None else m.stop_px,
        was.price if m.price is None else m.price,
        was.active or m.mover is Mover.TRAIL,
        was.even or m.mover is Mover.BREAK_EVEN,
        was.by_hand or loosened,
    )
    others = tuple(one for one in group.moved if one.leg != m.leg)
    return replace(group, moved=(*others, after), ts=m.ts)


def changed_group(group: Group, m: GroupMoved | AmendGroup) -> Group:
    """The group as a fact of it says it stands.

    Raises:
        JournalCorrupt: see :func:`amended_group`.
    """
    return amended_group(group, m) if isinstance(m, AmendGroup) else moved_group(group, m)


def check_move(
    group: Group, m: AmendGroup, instrument: Instrument | None, now_px: Decimal | None
) -> None:
    """Check a move that a person asks for. ``now_px``: what its instrument trades at by the price
    that elects its orders; None: not known.

    Raises:
        InvalidOrder: no such leg, no such term, off the tick, on the wrong side of the other exits,
            or a stop that would be elected at once; nothing has changed.
    """
    leg = leg_of(group, m.leg)
    if leg is None or instrument is None:
        names = ", ".join(one.name for one in legs_of(group.terms.root))
        raise InvalidOrder(f"the group has no leg {m.leg[:64]!a}; it has {names}", "GROUP")
    if group.closing:
        raise InvalidOrder("the group is being closed: none of its legs is moved any more", "GROUP")
    if m.leg in group.dropped or (group.called_off and leg.role is not LegRole.STOP):
        raise InvalidOrder(f"leg {m.leg!r} was cancelled: it is not placed again", "GROUP")
    kind = leg.order.order_type
    fixed = kind is OrderType.TRAILING_STOP and m.stop_px is not None
    if fixed or (m.stop_px is not None and not kind.has_trigger):
        raise _terms(f"leg {m.leg!r} is {kind.value}: it has no stop_px to be moved")
    if m.price is not None and not kind.has_limit_price:
        raise _terms(f"leg {m.leg!r} is {kind.value}: it has no price to be moved")
    check_amend(AmendOrder("", "", m.ts, None, m.price, m.stop_px), instrument, _AMENDS)
    if m.stop_px is not None and kind in STOPS:
        _check_elects(leg, m.stop_px, now_px)
    _check_beside(group, leg, m)


def _terms(message: str) -> InvalidOrder:
    return InvalidOrder(message, Reason.BAD_TERMS.name)


def _check_elects(leg: Leg, stop_px: Decimal, now_px: Decimal | None) -> None:
    sells = leg.order.side is Side.SELL
    if now_px is not None and (stop_px >= now_px if sells else stop_px <= now_px):
        where = "below" if sells else "above"
        raise InvalidOrder(
            f"a {leg.order.side.value} stop must be {where} the market ({now_px}), was {stop_px}:"
            " it would be elected at once; to close now, cancel the group with close=True",
            Reason.BAD_PRICE.name,
        )


def _check_beside(group: Group, leg: Leg, m: AmendGroup) -> None:
    """A stop and a target of one holding on their right sides of each other."""
    if leg.role is LegRole.ENTRY:
        return
    px = m.price if leg.role is LegRole.TARGET else m.stop_px
    other_role = LegRole.STOP if leg.role is LegRole.TARGET else LegRole.TARGET
    for other in _siblings(group.terms.root, leg.name) if px is not None else ():
        moved = moved_of(group, other.name) or LegMoved(other.name)
        held_px = other.order.price if other_role is LegRole.TARGET else other.order.stop_px
        moved_px = moved.price if other_role is LegRole.TARGET else moved.stop_px
        there = held_px if moved_px is None else moved_px
        if other.role is not other_role or there is None or px is None:
            continue
        target, stop = (px, there) if leg.role is LegRole.TARGET else (there, px)
        if not is_tighter(leg.order.side, target, stop):
            below = "below" if leg.order.side is Side.SELL else "above"
            raise InvalidOrder(
                f"the stop of what {leg.order.side.value} orders close must be {below} its targets:"
                f" {leg.name!r} at {px}, {other.name!r} at {there}",
                Reason.BAD_PRICE.name,
            )


def _siblings(node: Node, name: str) -> tuple[Leg, ...]:
    """The other members of the node that a leg is in."""
    if isinstance(node, Leg):
        return ()
    mine = [one for one in node.members if isinstance(one, Leg)]
    if any(one.name == name for one in mine):
        return tuple(one for one in mine if one.name != name)
    for member in node.members:
        if isinstance(member, GroupTerms) and (found := _siblings(member, name)):
            return found
    return ()
