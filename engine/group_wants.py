"""What every leg of a group should come to, given what has filled.

Everything follows from three rules:

* An exit's quantity is a function of what is *held*: the parent's fills, fees in the traded asset
  taken off, claims of the venue counted at once, less what exits have closed. Never of what was
  asked for.
* Between entries of an OCO the first fill wins and the others stand down; between exits a fill only
  shrinks the others.
* What no order could close (dust) is nothing to do.

The functions are pure and look at the present only. Quantities are unsigned, in the instrument's
units, and rounded down to its lots, so that an exit never exceeds what is held.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from decimal import Decimal

import msgspec

from .group import Group, Node, Slice, is_exit, legs_of
from .group_actions import Resize
from .group_live import is_locked, live_targets, open_qty, rationed
from .group_native import are_tied, may_tie
from .group_shares import closable, largest, parts_of
from .messages import Contingency, GroupTerms, Leg, LegRole, NativeShape
from .pnl import is_dust
from .values import CONTEXT, ONE, ZERO, Instrument, InstrumentKind, PositionSlot, Side, round_down

__all__ = ["Facts", "Holding", "Want", "Wants", "back_of", "emergency_of", "wants"]


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What a look at a group is taken from.

    ``slices`` by the leg's name; ``instruments`` by symbol. ``available``: by the name of an entry,
    how much its slot still holds on its side: what others have closed needs no exit any more
    (``None``: nobody else trades there); by the name of an exit, how much there is to close.
    ``pausing``: legs of which an order was refused just now, and orders of which a request was:
    another one has to wait a moment. ``stubborn``: orders whose amends the venue refuses again and
    again, with the last of these. ``locks``: the venue locks what a resting sell of a cash
    instrument offers. ``native``: what it keeps by itself. ``shared``: exits that no entry of the
    group opened, of what nothing else bounds, and entries of which others closed some and buy it
    back: what is not ``available`` is waited for.
    """

    slices: Mapping[str, tuple[Slice, ...]]
    instruments: Mapping[str, Instrument]
    available: Mapping[str, Decimal] | None = None
    pausing: Container[str] = ()
    stubborn: Mapping[str, Resize] = msgspec.field(default_factory=dict)
    locks: bool = False
    native: tuple[NativeShape, ...] = ()
    shared: Container[str] = ()

    def filled(self, leg: Leg) -> Decimal:
        """What of a leg has filled, the venue's word counting at once."""
        return self.filled_by(leg.name)

    def filled_by(self, name: str) -> Decimal:
        """The same by the leg's name; 0 where it has no order."""
        return sum((one.claim_qty for one in self.slices.get(name, ())), ZERO)

    def in_hand(self, leg: Leg) -> Decimal:
        """What its fills left in hand: fees in the traded asset are gone."""
        return sum(
            (one.net_qty + (one.claim_qty - one.cum_qty) for one in self.slices[leg.name]), ZERO
        )

    def is_over(self, leg: Leg) -> bool:
        """Whether nothing of it works or may come to work."""
        return all(one.is_over for one in self.slices[leg.name])


class Want(msgspec.Struct, frozen=True, gc=False):
    """What a leg should come to.

    ``leaves_qty``: how much of it should be open now. ``waits``: it is not its time yet (a child
    whose parent works on), so an order that is held stays held. Neither: it should be gone.
    ``dormant``: it waits because another exit has what it would offer.
    """

    leaves_qty: Decimal
    waits: bool = False
    dormant: bool = False


class Holding(msgspec.Struct, frozen=True, gc=False):
    """What some exits close together, and how far they have come.

    ``left_qty``: not closed yet, dust and all. ``excess_qty``: closed beyond what there was, and
    not bought back yet. ``there_qty``: how much of what is left an order can close: whole lots of
    what the slot really holds, which is less where no entry of the group opened it.
    ``mine_qty``: what the group itself has not closed, whatever others did. ``emergency``: the leg
    by which the engine closes it when its stop cannot be had. ``is_locked``: what its exits offer
    together may not exceed what is left. ``is_short``: some of what they should close is not free.
    """

    exits: tuple[Leg, ...]
    left_qty: Decimal
    excess_qty: Decimal
    is_dust: bool
    emergency: str
    there_qty: Decimal
    mine_qty: Decimal
    entry: Leg | None = None  # what opened it, where the group did
    is_locked: bool = False
    is_short: bool = False


class Wants(msgspec.Struct, frozen=True, gc=False):
    """What a whole group should come to; ``winners`` as in :class:`~engine.group.Group`."""

    legs: Mapping[str, Want]
    winners: tuple[tuple[str, int], ...]
    holdings: tuple[Holding, ...]
    live: tuple[str, ...] = ()  # targets that may be in the place of a stop


class _Grant(msgspec.Struct, frozen=True, gc=False):
    """What a parent's fills give its children. ``filled`` of ``asked`` is the fraction."""

    parent: Leg
    in_hand: Decimal
    filled: Decimal
    asked: Decimal | None
    may_grow: bool  # the parent still works


def wants(group: Group, facts: Facts) -> Wants:
    """Look at a group."""
    look = _Look(facts, group)
    look.node(group.terms.root, None, "")
    winners = tuple(sorted(look.winners.items()))
    return Wants(look.legs, winners, tuple(look.holdings), look.live)


class _Look:
    """One look at a group; thrown away after it."""

    def __init__(self, facts: Facts, group: Group) -> None:
        self.facts = facts
        self.winners = dict(group.winners)
        self.group = group
        self.live = live_targets(group, facts.slices, facts.pausing)
        self.legs: dict[str, Want] = {}
        self.holdings: list[Holding] = []
        #: By instrument, slot and direction: what exits found so far are to close.
        self.taken: dict[tuple[str, PositionSlot, bool], Decimal] = {}

    def node(self, node: Node, grant: _Grant | None, path: str) -> None:
        """Say what everything below ``node`` should come to."""
        if isinstance(node, Leg):
            self._alone(node, grant)
        elif node.contingency is Contingency.OTO:
            self._oto(node, grant, path)
        elif is_exit(node):
            self._exits(node, grant)
        elif node.contingency is Contingency.OCO:
            self._alternatives(node, grant, path)
        else:
            self._updating(node, grant)

    # --- one by itself ----------------------------------------------------------------------------

    def _alone(self, leg: Leg, grant: _Grant | None) -> None:
        if grant is not None and leg.role is not LegRole.ENTRY:
            self._shared((leg,), grant)
            return
        if grant is None and self.facts.is_over(leg):
            self.legs[leg.name] = Want(ZERO)  # more of it is a new intent
            return
        self._set(leg, self._due(leg, grant) - self.facts.filled(leg), _grows(grant))

    def _due(self, leg: Leg, grant: _Grant | None) -> Decimal:
        """The whole quantity of a leg that closes nothing: its own, or the fraction of it that its
        parent has filled.
        """
        whole = leg.order.order_qty
        if whole is None:
            return ZERO
        if grant is None:
            return whole
        if not grant.asked:
            return ZERO
        part = CONTEXT.divide(CONTEXT.multiply(whole, min(grant.filled, grant.asked)), grant.asked)
        return round_down(part, self.facts.instruments[leg.order.instrument].lot_size)

    def _set(self, leg: Leg, leaves: Decimal, waits: bool) -> None:
        """``waits``: there may be more of it later, so where it is nothing now it stays held."""
        rounded = self._orderable(leg, leaves)
        self.legs[leg.name] = Want(rounded, waits and not rounded)

    def _orderable(self, leg: Leg, leaves: Decimal) -> Decimal:
        instrument = self.facts.instruments[leg.order.instrument]
        rounded = round_down(leaves, instrument.lot_size) if leaves > ZERO else ZERO
        if rounded and is_dust(rounded, instrument, leg.order.price or leg.order.stop_px):
            return ZERO
        return rounded

    # --- one triggers the others ------------------------------------------------------------------

    def _oto(self, node: GroupTerms, grant: _Grant | None, path: str) -> None:
        parent = node.members[0]
        assert isinstance(parent, Leg)
        self._alone(parent, grant)
        filled = self.facts.filled(parent)
        given = _Grant(
            parent,
            self.facts.in_hand(parent),
            filled,
            parent.order.order_qty,
            not self.facts.is_over(parent),
        )
        for number, member in enumerate(node.members[1:], start=1):
            self.node(member, given, f"{path}/{number}")

    # --- exits ------------------------------------------------------------------------------------

    def _exits(self, node: GroupTerms, grant: _Grant | None) -> None:
        """Exits of one node, whatever its contingency: a fill of one shrinks the others."""
        legs = tuple(legs_of(node))
        if node.contingency is Contingency.OUO_PROPORTIONAL and grant is None:
            self._updating(node, grant)
        else:
            self._shared(legs, grant)

    def _shared(self, legs: tuple[Leg, ...], grant: _Grant | None) -> None:
        """Legs that close the same holding. Those without a share cover all of what is left; those
        with one get theirs of the whole, in the order they were written, while there is any left.
        """
        emergency = emergency_of(legs)
        whole = grant.in_hand if grant is not None else largest(legs)
        whole += self.facts.filled_by(back_of(emergency))  # bought back: in hand again
        closed = sum((self.facts.filled(leg) for leg in legs), self.facts.filled_by(emergency))
        left = max(whole - closed, ZERO)
        mine = left
        opener = grant.parent if grant is not None else legs[0]
        there = min(left, self._there(opener, left))
        is_shared = opener.name in self.facts.shared
        instrument = self.facts.instruments[legs[0].order.instrument]
        if is_shared and grant is None and instrument.kind is InstrumentKind.CASH:
            # what works has its coins, whatever we know of them
            there = min(left, max(there, self._standing(legs)))
        is_short = is_shared and there < left and (grant is not None or not self.group.called_off)
        if grant is not None or is_shared:
            left = there
        px = next((p for leg in legs if (p := leg.order.stop_px or leg.order.price)), None)
        nothing = not left or is_dust(left, instrument, px)
        excess = closable(closed - whole, instrument, px)
        there = closable(there, instrument, px)
        opened = None if grant is None else grant.parent
        locked = is_locked(legs[0], instrument, self.facts.locks) and not self._native(legs, grant)
        self.holdings.append(
            Holding(legs, left, excess, nothing, emergency, there, mine, opened, locked, is_short)
        )
        dues: list[tuple[Leg, Decimal]] = []
        for role in (LegRole.STOP, LegRole.TARGET):
            rest = left
            for leg, entitled in parts_of(legs, role, whole, self.facts.instruments):
                due = left
                if entitled is not None:
                    due = min(max(entitled - self.facts.filled(leg), ZERO), rest)
                    rest -= due
                elif grant is None and leg.order.order_qty is not None:
                    due = min(max(leg.order.order_qty - closed, ZERO), left)
                dues.append((leg, due))
        waits = is_short or _grows(grant)
        if locked:
            self._ration(dues, left, waits)
            return
        for leg, due in dues:
            self._set(leg, due, waits)

    def _standing(self, legs: tuple[Leg, ...]) -> Decimal:
        """What of exits is at the venue, or on its way there, for the same quantity."""
        roles: dict[LegRole, Decimal] = {}
        for leg in legs:
            for one in self.facts.slices[leg.name]:
                if not (one.is_over or one.is_held or one.is_local):
                    roles[leg.role] = roles.get(leg.role, ZERO) + open_qty(one)
        return max(roles.values(), default=ZERO)

    def _native(self, legs: tuple[Leg, ...], grant: _Grant | None) -> bool:
        """Whether the venue keeps these exits, or will once they leave."""
        slices, entry = self.facts.slices, None if grant is None else grant.parent
        return are_tied(self.group, legs, emergency_of(legs), slices) or (
            may_tie(self.facts.native, entry, legs, slices, may_grow=_grows(grant)) is not None
        )

    def _ration(self, dues: list[tuple[Leg, Decimal]], cap: Decimal, waits: bool) -> None:
        """Exits that exclude each other: some work, the others are dormant."""
        could = [(leg, self._orderable(leg, due)) for leg, due in dues]
        for leg, part, due in rationed(could, cap, self.live, self.group.dropped):
            self._set(leg, part, waits)
            if due and not self.legs[leg.name].leaves_qty:
                self.legs[leg.name] = Want(ZERO, waits=True, dormant=True)

    def _there(self, leg: Leg, left: Decimal) -> Decimal:
        """How much of what a leg opened (or closes) its slot has, beyond what other exits of the
        group close there.
        """
        if self.facts.available is None:
            return left
        order = leg.order
        key = order.instrument, order.slot, (leg.role is LegRole.ENTRY) is (order.side is Side.BUY)
        taken = self.taken.get(key, ZERO)
        there = max(self.facts.available[leg.name] - taken, ZERO)
        self.taken[key] = taken + min(left, there)
        return there

    # --- entries ----------------------------------------------------------------------------------

    def _alternatives(self, node: GroupTerms, grant: _Grant | None, path: str) -> None:
        """An OCO with entries: the first that fills wins, the others stand down.

        When the winner's fills are busted nobody has won. When it has ended short, the others that
        still work go on for what it left.
        """
        members = node.members
        struck = [number for number, member in enumerate(members) if self._entered(member)]
        winner = self.winners.get(path)
        if winner not in struck:
            self.winners.pop(path, None)
            winner = struck[0] if struck else None
            if winner is not None:
                self.winners[path] = winner
        for number, member in enumerate(members):
            self.node(member, grant, f"{path}/{number}")
            if winner is not None and number != winner:
                self._stand_down(member, members[winner])

    def _stand_down(self, member: Node, winner: Node) -> None:
        taken = self._entered(winner)
        short = self._is_over(winner)
        for leg in _competing(member):
            rest = self.legs[leg.name].leaves_qty - taken
            self._set(leg, rest if short and self._works(leg) else ZERO, waits=False)
        if self._entered(member) or any(self.legs[g.name].leaves_qty for g in _competing(member)):
            return  # what it holds is still to be closed
        for leg in legs_of(member):
            self.legs[leg.name] = Want(ZERO)

    def _updating(self, node: GroupTerms, grant: _Grant | None) -> None:
        """An OUO: a fill of one reduces the others, by as much or by the same fraction."""
        legs = tuple(legs_of(node))
        if node.contingency is Contingency.OUO_PROPORTIONAL:
            rest = ONE
            for leg in legs:
                due = self._due(leg, grant)
                if due:
                    rest -= CONTEXT.divide(self.facts.filled(leg), due)
            for leg in legs:
                left = CONTEXT.multiply(self._due(leg, grant), max(rest, ZERO))
                self._set(leg, left, _grows(grant))
            return
        filled = sum((self.facts.filled(leg) for leg in legs), ZERO)
        for leg in legs:
            self._set(leg, self._due(leg, grant) - filled, _grows(grant))

    # --- questions --------------------------------------------------------------------------------

    def _entered(self, node: Node) -> Decimal:
        return sum((self.facts.filled(leg) for leg in _competing(node)), ZERO)

    def _is_over(self, node: Node) -> bool:
        return all(self.facts.is_over(leg) for leg in _competing(node))

    def _works(self, leg: Leg) -> bool:
        return any(not one.is_over for one in self.facts.slices[leg.name])


def _grows(grant: _Grant | None) -> bool:
    """Whether a parent may still give more."""
    return grant is not None and grant.may_grow


def emergency_of(legs: tuple[Leg, ...]) -> str:
    """The name of the leg by which the engine closes what these exits should have closed."""
    return f"{legs[0].name}~exit"


def back_of(emergency: str) -> str:
    """The name of the leg by which the engine undoes what exits closed too much."""
    return f"{emergency}~back"


def _competing(node: Node) -> list[Leg]:
    """The legs by which a member of an OCO competes: itself, or the parent of an OTO."""
    if isinstance(node, Leg):
        return [node]
    if node.contingency is Contingency.OTO:
        return _competing(node.members[0])
    return [leg for member in node.members for leg in _competing(member)]
