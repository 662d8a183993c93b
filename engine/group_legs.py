"""The orders of legs in one look at their group: what is known of them, what is asked of them, and
how those of a leg that was moved get to its terms.

Every order of a moved leg is brought to where the leg is to be now:

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

from .group import Group, Slice
from .group_actions import Action, Add, Remove, Resize, VenueRules
from .group_live import REFUSALS_MAX, failures, open_qty
from .group_ties import room_of
from .group_wants import Facts, Want, Wants, wants
from .messages import Leg, LegMoved, LegRole
from .values import ZERO

__all__ = ["LegLook"]


class LegLook:
    """One look at the orders of a group; thrown away after it.

    Attributes:
        actions: what is asked for so far. removed: orders that the group wants gone, with those of
            earlier looks. refused: legs whose move the venue has refused too often. away: stops
            that are cancelled to be moved. closing: legs of what is being closed at market.
    """

    def __init__(self, group: Group, facts: Facts, rules: VenueRules) -> None:
        self.group = group
        self.facts = facts
        self.rules = rules
        self.moved = {one.leg: one for one in group.moved}
        self.wants: Wants = wants(group, facts)
        self.room = room_of(self.wants.holdings, facts)
        self.actions: list[Action] = []
        self.removed = list(group.removed)
        self.refused: list[str] = []
        self.away: list[str] = []
        self.closing: set[str] = set()

    # --- what is known, and asked for -------------------------------------------------------------

    def _amends(self, one: Slice) -> bool:
        return one.is_local or (
            self.rules.amends and one.client_order_id not in self.facts.stubborn
        )

    def _amends_down(self, one: Slice, total: Decimal) -> bool:
        """Whether an order can be made smaller: one that its venue would not have larger, too."""
        if self._amends(one):
            return True
        refused = self.facts.stubborn.get(one.client_order_id)
        return refused is not None and refused.order_qty is not None and total < refused.order_qty

    def _may_resize(self, leg: Leg, one: Slice) -> bool:
        """One request at a time, and none while it is not known how the order stands."""
        if one.is_amending or one.is_doubtful or one.is_asked_about:
            return False
        pausing = self.facts.pausing
        return one.client_order_id not in pausing and leg.name not in pausing

    def _has_failed(self, leg: Leg) -> bool:
        """Whether it was refused too often where it is to be now."""
        slices = (one for one in self.facts.slices[leg.name] if self.fits(leg, one))
        return failures(self.group, slices) >= REFUSALS_MAX

    def _may_rest_beside(self, leg: Leg) -> bool:
        return self.rules.bounds_exits and not self.room.counts(leg)

    def _remove(self, one: Slice, why: str) -> None:
        if one.is_over or one.is_cancelling or one.client_order_id in self.facts.pausing:
            return
        if one.client_order_id in self.removed and (one.is_doubtful or one.is_asked_about):
            return  # asked once: what it came to is being found out
        if one.client_order_id not in self.removed:
            self.removed.append(one.client_order_id)
        self.actions.append(Remove(one.client_order_id, why))

    # --- legs that were moved ---------------------------------------------------------------------

    def fits(self, leg: Leg, one: Slice) -> bool:
        """Whether an order is, or was, at the terms of its leg."""
        moved = self.moved.get(leg.name)
        return moved is None or _fits(one, moved)

    def is_off(self, leg: Leg, one: Slice) -> bool:
        """Whether an order that could still be moved is not at the terms of its leg. What is being
        closed at market is moved no more: a new stop beside it could close as much once again.
        """
        done = one.is_triggered or one.is_cancelling or leg.name in self.closing
        return not (done or self.fits(leg, one))

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
        opened = sum((open_qty(one) for one in fresh if not one.is_cancelling), ZERO)
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
