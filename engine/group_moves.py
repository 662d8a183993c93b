"""Moving the legs of a group: where a leg is to be now, and how its orders get there.

A move (:class:`~engine.messages.AmendGroup`) changes the terms of a leg from now on: of the orders
that work, of those that are held back, and of those that are placed later. The look at the group
then brings every order of the leg to these terms:

* held back: at once, nobody has to be asked;
* at a venue that amends: by an amend in place, together with a change of quantity that is due;
* elsewhere, a stop that the venue bounds (reduce-only): a new one beside the old, which goes when
  the new one is *confirmed*, so at no moment there is less than before;
* elsewhere, anything else: two could both open a position, so the old one goes first and the new
  one follows its confirmed end. Meanwhile the clock of the naked window runs, and an alarm says so.

What the venue refuses is asked again with pauses; the old stop works on. A stop that was elected is
not moved any more.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from .capabilities import Capabilities
from .errors import InvalidOrder, JournalCorrupt
from .group import Group, Node, Slice, legs_of, moved_group
from .group_actions import Action, Add, Remove, Resize, VenueRules
from .group_wants import Facts, Want
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
from .values import ZERO, Instrument, OrderType, Side

__all__ = ["MovesLegs", "amended_group", "changed_group", "check_move", "leg_of", "moved_of"]

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


class MovesLegs:
    """The part of a look that brings the orders of moved legs to their terms."""

    group: Group
    facts: Facts
    rules: VenueRules
    actions: list[Action]

    def __init__(self) -> None:
        self.moved = {one.leg: one for one in self.group.moved}
        #: Legs whose move the venue has refused too often, and stops that are away for theirs.
        self.refused: list[str] = []
        self.away: list[str] = []

    def _open_qty(self, one: Slice) -> Decimal:
        raise NotImplementedError

    def _may_rest_beside(self, leg: Leg) -> bool:
        """Whether another order for the same may rest beside one of an exit."""
        raise NotImplementedError

    def _amends(self, one: Slice) -> bool:
        raise NotImplementedError

    def _may_resize(self, leg: Leg, one: Slice) -> bool:
        raise NotImplementedError

    def _remove(self, one: Slice, why: str) -> None:
        raise NotImplementedError

    def _has_failed(self, leg: Leg) -> bool:
        raise NotImplementedError

    def fits(self, leg: Leg, one: Slice) -> bool:
        """Whether an order is, or was, at the terms of its leg."""
        moved = self.moved.get(leg.name)
        return moved is None or _fits(one, moved)

    def is_off(self, leg: Leg, one: Slice) -> bool:
        """Whether an order that could still be moved is not at the terms of its leg."""
        return not (one.is_triggered or one.is_cancelling or self.fits(leg, one))

    def _moves_away(self, exits: tuple[Leg, ...]) -> bool:
        """Whether an exit has to be cancelled to be moved: its venue would take the other along."""
        return any(
            self.is_off(leg, one) and not (self._amends(one) or one.is_over)
            for leg in exits
            for one in self.facts.slices[leg.name]
        )

    def _move_held(self, leg: Leg, held: list[Slice]) -> None:
        """What never left is moved without asking anybody, before it leaves."""
        moved = self.moved.get(leg.name)
        for one in held if moved is not None else ():
            if moved is not None and not _fits(one, moved):
                self.actions.append(Resize(one.client_order_id, None, moved.price, moved.stop_px))

    def _move_amended(self, leg: Leg, live: list[Slice], start: int) -> None:
        """By an amend in place; a change of quantity planned since ``start`` takes it along."""
        moved = self.moved.get(leg.name)
        if moved is None:
            return
        planned = {
            action.client_order_id: number
            for number, action in enumerate(self.actions[start:], start)
            if isinstance(action, Resize | Remove)
        }
        for one in live:
            if not self.is_off(leg, one) or not self._amends(one):
                continue
            cid = one.client_order_id
            terms = moved.price, moved.stop_px
            if cid not in planned:
                if self._may_resize(leg, one):
                    self.actions.append(Resize(cid, None, *terms))
                continue
            same = self.actions[planned[cid]]
            if isinstance(same, Resize):
                self.actions[planned[cid]] = Resize(cid, same.order_qty, *terms)

    def _swap(self, leg: Leg, live: list[Slice], want: Want) -> bool:
        """Where an order cannot be amended: another one takes its place. Whether that decides about
        the orders of the leg in this look.
        """
        old = [one for one in live if self.is_off(leg, one) and not self._amends(one)]
        going = any(one.is_cancelling and not self.fits(leg, one) for one in live)
        if going and leg.role is LegRole.STOP and not self._may_rest_beside(leg):
            self.away.append(leg.name)
        if leg.role is LegRole.ENTRY or not old:
            return False
        if self._has_failed(leg):
            self.refused.append(leg.name)  # it is tried on, with longer and longer pauses
        if leg.role is LegRole.STOP and self._may_rest_beside(leg):
            self._beside(leg, old, [one for one in live if one not in old], want)
            return True
        if self.rules.amends or self._has_failed(leg):
            self.refused.append(leg.name)
            return False  # to take away what works, for what is refused, would be no move
        for one in old:
            self._remove(one, "moved")
        return True

    def _staying(self, leg: Leg, live: list[Slice]) -> list[Slice]:
        """The orders of a leg that count: not those on their way out for a move, unless they could
        open something together with what takes their place.
        """
        if not self.moved or not self._may_rest_beside(leg):
            return live
        return [one for one in live if not one.is_cancelling or self.fits(leg, one)]

    def _beside(self, leg: Leg, old: list[Slice], fresh: list[Slice], want: Want) -> None:
        """The new stop first; the old one goes once the new one is confirmed."""
        opened = sum((self._open_qty(one) for one in fresh if not one.is_cancelling), ZERO)
        if opened < want.leaves_qty and leg.name not in self.facts.pausing:
            self.actions.append(Add(leg.name, want.leaves_qty - opened))
        sure = sum((one.leaves_qty for one in fresh if one.is_confirmed), ZERO)
        if sure >= want.leaves_qty:
            for one in old:
                self._remove(one, "moved")


def _fits(one: Slice, moved: LegMoved) -> bool:
    return (moved.price is None or one.price == moved.price) and (
        moved.stop_px is None or one.stop_px == moved.stop_px
    )
