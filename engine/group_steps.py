"""What a group does next: the difference between what its legs should come to and what they are.

:func:`plan` is the whole of it. It is pure and level-triggered: called after anything that may
matter (an order changed, a restart, a deadline), it gives the commands that are missing now and not
under way. Its caller applies them, journals the new :class:`Group`, and calls again at each change.

What must not happen, and where it is prevented:

* an exit larger than what is held: :mod:`engine.group_wants` rounds down, :func:`_grow` counts what
  is open, asked for or in doubt;
* a moment without a stop while it is moved or grows: :func:`_grow` puts a second order beside the
  first where the venue does not amend;
* exits that together offer more than a venue lets them: :class:`~engine.group_live.Room`;
* a stop that is sent again and again: :data:`REFUSALS_MAX`, then the holding is closed at market;
* a group forgotten while an order of it lives: DONE needs every order ended and settled.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from .group import Group, Slice, is_exit, legs_of, roots_of
from .group_actions import (
    Action,
    Add,
    Close,
    Hold,
    Release,
    Resize,
    VenueRules,
)
from .group_legs import LegLook
from .group_live import REFUSALS_MAX, Aim, failures, open_qty
from .group_local import give_way, sends
from .group_native import are_tied
from .group_tables import GROUP, GroupState, GroupTrigger
from .group_ties import aims_of, is_adrift, relinks, tie
from .group_wants import Facts, Holding, Want, back_of
from .messages import Leg, LegRole
from .values import ZERO

__all__ = ["REFUSALS_MAX", "Plan", "failures", "plan"]

_LINKED = GroupState.LINKED, GroupState.DEGRADED


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What to do now, and the group as it stands then.

    ``exposed``: holdings (by their emergency leg) with less confirmed stop than there is left, and
    by how much. ``both_filled``: how much exits closed beyond what there was, by the same name.
    ``aims``: targets for which the price says whether they or their stop should be at the venue.
    ``adrift``: holdings whose exits the venue keeps, and not as they should be.
    ``refused``: legs that the venue does not move; ``away``: stops that are cancelled to be moved.
    """

    group: Group
    actions: tuple[Action, ...]
    exposed: tuple[tuple[str, Decimal], ...]
    both_filled: tuple[tuple[str, Decimal], ...]
    holdings: tuple[Holding, ...]
    refused: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    aims: tuple[Aim, ...] = ()
    adrift: tuple[str, ...] = ()


def plan(group: Group, facts: Facts, rules: VenueRules) -> Plan:
    """Look at a group and say what is missing."""
    return _Planner(group, facts, rules).run()


class _Planner(LegLook):
    """One look; thrown away after it."""

    def __init__(self, group: Group, facts: Facts, rules: VenueRules) -> None:
        super().__init__(group, facts, rules)
        self.legs = {leg.name: leg for leg in legs_of(group.terms.root)}
        self.roots = {leg.name for leg in roots_of(group.terms.root)}
        self.emergencies = {one.emergency for one in self.wants.holdings if self._is_emergency(one)}
        for one in self.wants.holdings:
            if one.emergency in self.emergencies:
                self.closing.update(leg.name for leg in one.exits)
        self.kept: dict[str, None] = {}  # exits that the venue keeps
        for one in self.wants.holdings if group.native else ():
            tied = are_tied(group, one.exits, one.emergency, facts.slices)
            if tied and not self._moves_away(one.exits):
                self.kept.update(dict.fromkeys(leg.name for leg in one.exits))

    def run(self) -> Plan:
        """Commands leg by leg, then emergencies, then where the group stands."""
        if self.group.aside:
            return self._aside()
        group, targets = self.group, dict(self.wants.legs)
        for holding in self.wants.holdings:
            if holding.emergency in self.emergencies:
                for leg in holding.exits:
                    idle = leg.role is LegRole.TARGET or not holding.there_qty
                    if idle or holding.is_locked or not self.rules.bounds_exits:
                        targets[leg.name] = Want(ZERO)
        targets.update(give_way(self.wants.holdings, self.facts, self.rules))
        for name in list(targets):
            gone = name in group.dropped or (
                group.called_off and self.legs[name].role is not LegRole.STOP
            )
            if gone:  # called off, it keeps its stop for what is held
                targets[name] = Want(ZERO)
            self._leg(self.legs[name], targets[name])
        for holding in self.wants.holdings:
            self._holding(holding)
            self.actions += sends(holding, self.facts.slices, self.rules, self.actions)
        native = self._native()
        trigger = self._trigger(targets)
        state = GROUP.table[self.group.state, trigger].target
        linked = state in _LINKED
        facts = self.facts
        self.actions += relinks(targets, facts.slices, self.actions, self.kept, linked=linked)
        after = replace(
            self.group,
            state=state,
            winners=self.wants.winners,
            removed=tuple(self.removed),
            live=tuple(one for one in self.wants.live if targets[one].leaves_qty),
            native=native,
        )
        return Plan(
            self.group if after == self.group else after,
            tuple(self.actions),
            tuple(
                (one.emergency, naked)
                for one in self.wants.holdings
                if (naked := self._naked(one)) > ZERO
            ),
            tuple(
                (one.emergency, one.excess_qty)
                for one in self.wants.holdings
                if one.excess_qty > ZERO
            ),
            self.wants.holdings,
            tuple(self.refused),
            tuple(self.away),
            aims_of(self.group, self.facts, self.wants, targets, self.emergencies),
            tuple(one.emergency for one in self.wants.holdings if self._is_adrift(one)),
        )

    def _native(self) -> tuple[str, ...]:
        """The holdings whose exits the venue keeps from now on; what it may keep leaves as one."""
        if not (self.facts.native or self.kept):
            return ()
        self.actions, new = tie(self.actions, self.wants.holdings, self.facts)
        kept = (one.emergency for one in self.wants.holdings if one.exits[0].name in self.kept)
        return (*kept, *new)

    def _is_adrift(self, holding: Holding) -> bool:
        kept = holding.exits[0].name in self.kept
        return kept and is_adrift(holding, self.wants.legs, self.facts)

    def _aside(self) -> Plan:
        """A kill switch closes what there is: every order goes, and nothing is placed any more."""
        targets = {name: Want(ZERO) for name in self.wants.legs}
        for name, want in targets.items():
            self._leg(self.legs[name], want)
        everything = [one for slices in self.facts.slices.values() for one in slices]
        over = all(one.is_settled for one in everything)
        trigger = GroupTrigger.OVER if over else GroupTrigger.WON
        state = GROUP.table[self.group.state, trigger].target
        self.actions += relinks(targets, self.facts.slices, self.actions, (), linked=False)
        after = replace(self.group, state=state, removed=tuple(self.removed))
        return Plan(self.group if after == self.group else after, tuple(self.actions), (), (), ())

    # --- one leg ----------------------------------------------------------------------------------

    def _leg(self, leg: Leg, want: Want) -> None:
        slices = self.facts.slices[leg.name]
        held = [one for one in slices if one.is_held]
        live = [one for one in slices if not one.is_over and not one.is_held]
        if leg.name in self.kept:
            self._move_amended(leg, live, len(self.actions))
            return
        if want.leaves_qty or want.waits:
            self._move_held(leg, held)
        if not want.leaves_qty:
            for one in live:
                self._remove(one, "stand_down")
            if not want.waits:
                for one in held:
                    self._remove(one, "not_needed")
            elif want.dormant and not held and failures(self.group, slices) < REFUSALS_MAX:
                self.actions.append(Hold(leg.name))
            return
        start = len(self.actions)
        if not self._swap(leg, live, want):
            self._size(leg, held, self._staying(leg, live), want)
            self._move_amended(leg, live, start)

    def _size(self, leg: Leg, held: list[Slice], live: list[Slice], want: Want) -> None:
        """Bring what is open of a leg to what should be."""
        if leg.name in self.roots:
            self._root(leg, held, live, want)
            return
        standing = sum((open_qty(one) for one in live), ZERO)
        if standing < want.leaves_qty:
            self._grow(leg, held, live, want.leaves_qty - standing)
        elif standing > want.leaves_qty:
            self._shrink(leg, live, standing - want.leaves_qty)

    def _root(self, leg: Leg, held: list[Slice], live: list[Slice], want: Want) -> None:
        """An entry that waits for nobody leaves once, and may only shrink: more of it is a new
        intent.
        """
        if held and not live:
            self.actions.append(Release(held[0].client_order_id, want.leaves_qty))
        standing = sum((open_qty(one) for one in live), ZERO)
        if standing > want.leaves_qty:
            self._shrink(leg, live, standing - want.leaves_qty)

    def _grow(self, leg: Leg, held: list[Slice], live: list[Slice], by: Decimal) -> None:
        """Have more of an exit at the venue; what is in doubt or on its way counts as open."""
        by = self.room.take(leg, by, self.facts.instruments[leg.order.instrument])
        if not by:
            return  # another exit offers it: its end first
        if held:
            self.actions.append(Release(held[0].client_order_id, by))
            return
        if any(one.is_cancelling for one in live):
            return  # its end first: it may still fill
        if len(live) == 1 and self._amends(live[0]):
            one = live[0]
            if self._may_resize(leg, one):
                self.actions.append(Resize(one.client_order_id, one.claim_qty + open_qty(one) + by))
            return
        if any(one.is_doubtful for one in live) and not self.rules.bounds_exits:
            return
        if leg.name in self.facts.pausing:
            return
        if leg.role is LegRole.TARGET or not self._has_failed(leg):  # a target may be late
            self.actions.append(Add(leg.name, by))

    def _shrink(self, leg: Leg, live: list[Slice], by: Decimal) -> None:
        """Take from the newest order first, after what is on its way out already; one request of
        an order at a time.
        """
        by -= sum((open_qty(one) for one in live if one.is_cancelling), ZERO)
        for one in reversed(live):
            opened = open_qty(one)
            if by <= ZERO:
                return
            if one.is_cancelling or not opened:
                continue
            if opened <= by:
                self._remove(one, "shrink")
            elif self._amends_down(one, total := one.claim_qty + opened - by):
                if self._may_resize(leg, one):
                    self.actions.append(Resize(one.client_order_id, total))
            elif not self._may_rest_beside(leg):
                self._remove(one, "shrink")  # what is still wanted is placed when it is gone
            by -= min(opened, by)

    # --- protection -------------------------------------------------------------------------------

    def _is_emergency(self, holding: Holding) -> bool:
        """Whether its stop cannot be had: refused too often, or too long in coming."""
        if holding.is_dust:
            return False
        late = self.group.closing or holding.emergency in self.group.late
        if late or self.facts.slices.get(holding.emergency):
            return True
        stops = [leg for leg in holding.exits if leg.role is LegRole.STOP]
        return any(
            self._has_failed(leg) and not self._is_armed(leg.name, self.wants.legs[leg.name])
            for leg in stops
        )

    def _stops(self, holding: Holding) -> list[Leg]:
        """Its stops, but those that a person took away."""
        return [
            leg
            for leg in holding.exits
            if leg.role is LegRole.STOP and leg.name not in self.group.dropped
        ]

    def _naked(self, holding: Holding) -> Decimal:
        """How much of what is left has no confirmed stop; 0 where no stop is part of the group.

        Of the part of a live target the engine is the stop, from its confirmation on.
        """
        stops = self._stops(holding)
        if holding.is_dust or not stops:
            return ZERO
        if holding.is_locked:
            stops += [one for one in holding.exits if one.name in self.wants.live]
        covered = sum(
            (
                one.leaves_qty
                for leg in stops
                for one in self.facts.slices[leg.name]
                if one.is_confirmed
            ),
            ZERO,
        )
        wanted = max((self.wants.legs[leg.name].leaves_qty for leg in stops), default=ZERO)
        if holding.is_locked or all(leg.share is not None for leg in stops):
            wanted = sum((self.wants.legs[leg.name].leaves_qty for leg in stops), ZERO)
        return max(min(wanted, holding.there_qty) - covered, ZERO)

    def _holding(self, holding: Holding) -> None:
        """Close at market what no stop can be had for, and buy back what was closed too much."""
        closing = self.facts.slices.get(holding.emergency, ())
        working = any(not one.is_over for one in closing)
        first = holding.exits[0]
        backs = self.facts.slices.get(back_of(holding.emergency), ())
        buying = [one for one in backs if not one.is_over]
        if buying or holding.excess_qty > ZERO:
            if sum((open_qty(one) for one in buying), ZERO) > holding.excess_qty:
                for one in buying:
                    self._remove(one, "no_excess")
            elif not buying and (back := back_of(holding.emergency)) not in self.facts.pausing:
                self.actions.append(Close(back, first, holding.excess_qty, back=True))
            return
        if holding.emergency not in self.emergencies or working:
            return
        if holding.emergency in self.facts.pausing:
            return
        others = [
            one
            for leg in holding.exits
            for one in self.facts.slices[leg.name]
            if not one.is_over and not one.is_held
        ]
        if others and (holding.is_locked or not self.rules.bounds_exits):
            return  # they may still fill: their ends first
        if holding.there_qty:
            self.actions.append(Close(holding.emergency, first, holding.there_qty))

    # --- where it stands --------------------------------------------------------------------------

    def _trigger(self, targets: dict[str, Want]) -> GroupTrigger:
        everything = [one for slices in self.facts.slices.values() for one in slices]
        if any(one.excess_qty > ZERO for one in self.wants.holdings):
            return GroupTrigger.OVERFILLED
        open_still = any(not one.is_dust and one.there_qty for one in self.wants.holdings)
        if open_still and self.emergencies:
            return GroupTrigger.GAVE_UP
        due = [name for name, want in targets.items() if want.leaves_qty]
        waiting = any(want.waits for want in targets.values())
        is_short = any(one.is_short for one in self.wants.holdings)
        if is_short and not due and (waiting or self.group.closing):
            return GroupTrigger.SHORT
        if not due and not waiting:
            over = all(one.is_settled for one in everything)
            return GroupTrigger.OVER if over else GroupTrigger.WON
        exits = [name for name in due if is_exit(self.legs[name])]
        if exits:
            short = [self.legs[name] for name in exits if not self._is_armed(name, targets[name])]
            if all(leg.role is LegRole.TARGET and self._has_failed(leg) for leg in short):
                return GroupTrigger.LACKING if short else GroupTrigger.ARMED
            return GroupTrigger.EXPOSED
        entries = [name for name in due if not is_exit(self.legs[name])]
        if len(entries) > 1 and all(self._is_armed(name, targets[name]) for name in entries):
            return GroupTrigger.ARMED
        return GroupTrigger.SENT

    def _is_armed(self, name: str, want: Want) -> bool:
        works = sum((one.leaves_qty for one in self.facts.slices[name] if one.is_confirmed), ZERO)
        return works >= want.leaves_qty
