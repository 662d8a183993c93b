"""What the venue's truth says of our groups once all is at rest: closed, covered, never too much.

Nothing of a group's own reckoning is used but its terms and which orders are its legs'. What they
filled and what of them works is the venue's word, and so is what is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TypeAlias

import msgspec

from engine.capabilities import Capabilities, ReduceOnlyRule
from engine.fold import Books
from engine.group import Group, is_exit, legs_of
from engine.group_tables import GroupState
from engine.group_wants import back_of, emergency_of
from engine.messages import (
    Contingency,
    Filled,
    GroupTerms,
    Leg,
    LegRole,
    OrderSnapshot,
    VenueStatus,
)
from engine.order import is_waiting
from engine.order_links import is_held
from engine.values import CONTEXT, ZERO, Instrument, InstrumentKind, PositionSlot, Side

from .truth import Truth, Violation

__all__ = ["Holding", "closed_by_nobody", "compare_groups", "held_by", "protects"]

_OPEN = (VenueStatus.WORKING, VenueStatus.TRIGGERED)
_SlotSide: TypeAlias = tuple[str, PositionSlot, Side]


class Holding(msgspec.Struct, frozen=True):
    """What the exits of one group close together, by the venue."""

    group: Group
    exits: tuple[Leg, ...]
    opened_by: Leg | None
    whole: Decimal
    closed: Decimal  # less what was bought back
    #: open quantity of its stops, those that the engine watches included, and of targets that are
    #: in the place of one
    stops: Decimal
    targets: Decimal
    dust: Decimal  # less than this may be left

    @property
    def left(self) -> Decimal:
        """What is not closed yet."""
        return max(self.whole - self.closed, ZERO)

    @property
    def largest(self) -> Decimal:
        """The most that its exits may still close: of those that the venue keeps what there is."""
        most = max(self.stops, self.targets)
        is_native = emergency_of(self.exits) in self.group.native
        return min(most, self.left) if is_native else most

    @property
    def key(self) -> _SlotSide | None:
        """What it holds, and which way; None: what it closes was there before."""
        if self.opened_by is None:
            return None
        entry = self.opened_by.order
        return entry.instrument, entry.slot, entry.side

    @property
    def has_stop(self) -> bool:
        """Whether it has one that nobody took away."""
        dropped = self.group.dropped
        return any(leg.role is LegRole.STOP and leg.name not in dropped for leg in self.exits)


def compare_groups(
    truth: Truth, books: Books, capabilities: Capabilities, excused: Iterable[str]
) -> list[Violation]:
    """Everything that is wrong with our groups, by what their venue says.

    ``excused``: orders that are left to a person; of their groups nothing is said.
    """
    left_to_people = {
        books.orders[cid].terms.group_id: None for cid in excused if cid in books.orders
    }
    at_venue = _Venue(truth)
    found: list[Violation] = []
    holdings: list[Holding] = []
    is_whole = True
    for group_id, group in books.groups.items():
        if group_id in left_to_people:
            is_whole = False
            continue
        found += at_venue.ended(group)
        holdings += at_venue.holdings(group, books)
    found += _closed_once(holdings)
    if is_whole:  # else it is not known what is left for whom
        found += _covered(holdings, truth)
        if capabilities.amend or capabilities.reduce_only is ReduceOnlyRule.UNSUPPORTED:
            found += _fits(holdings, truth)
    return found


def _closed_once(holdings: Iterable[Holding]) -> Iterator[Violation]:
    for one in holdings:
        if one.group.aside:
            continue  # a kill switch closes what there is, whoever opened it
        if one.closed - one.whole >= one.dust:
            text = f"its exits closed {one.closed} of {one.whole}, and nobody bought it back"
            yield Violation("exits_fit_the_entry", text, one.group.group_id)


def _covered(holdings: Iterable[Holding], truth: Truth) -> Iterator[Violation]:
    """Stops cover what groups hold of a slot: of what is there, less what groups without one may
    hold of it.
    """
    for key, (held, mine) in _by_slot(holdings, truth).items():
        unstopped = sum((one.left for one in mine if not one.has_stop), ZERO)
        total = sum((one.left for one in mine), ZERO)
        due = min(total, held) - unstopped - sum((one.dust for one in mine), ZERO)
        stops = sum((one.stops for one in mine), ZERO)
        if stops < due:
            text = f"{held} held, {total} of it by groups; stops at the venue: {stops}"
            names = ", ".join(f"{one.group.group_id} {one.group.state.name}" for one in mine)
            yield Violation("what_is_held_has_a_stop", f"{text} ({names})", key[0])


def _fits(holdings: Iterable[Holding], truth: Truth) -> Iterator[Violation]:
    """Exits never exceed what is held: none by itself, nor the largest of every group together.

    Where a venue bounds exits and does not amend, the larger order is kept: it is bounded there.
    """
    for key, (held, mine) in _by_slot(holdings, truth).items():
        names = ", ".join(f"{one.group.group_id} {one.group.state.name}" for one in mine)
        for one in mine:
            if one.largest > held:
                text = f"{held} held, exits of {one.group.group_id}: {one.stops}, {one.targets}"
                yield Violation("exits_fit_the_position", f"{text} ({names})", key[0])
        largest = sum((one.largest for one in mine), ZERO)
        if largest > held:
            text = f"{held} held, exits at the venue: {largest}"
            yield Violation("largest_legs_fit", f"{text} ({names})", key[0])


def _by_slot(
    holdings: Iterable[Holding], truth: Truth
) -> dict[_SlotSide, tuple[Decimal, list[Holding]]]:
    found: dict[_SlotSide, tuple[Decimal, list[Holding]]] = {}
    held = {(one.instrument, one.slot): one.qty for one in truth.positions}
    for one in holdings:
        key = one.key
        if key is None or one.group.state is GroupState.DONE:
            continue  # over: what it held was closed by others, which was judged then
        qty = held.get(key[:2], ZERO)
        mine = max(qty if key[2] is Side.BUY else -qty, ZERO)
        found.setdefault(key, (mine, []))[1].append(one)
    return found


def closed_by_nobody(group: Group, books: Books) -> list[Violation]:
    """A group that has just ended, by its facts: nothing of what it opened is left, or its slot
    has nothing that others do not hold.
    """
    found: list[Violation] = []
    if group.aside:
        return found  # a kill switch closes what it held
    mine = held_by(group, books)
    others = [
        one
        for other in books.groups.values()
        if other is not group and other.state is not GroupState.DONE
        for one in held_by(other, books)
    ]
    for one in mine:
        key = one.key
        if one.left < one.dust or key is None or not one.has_stop:
            continue
        at = group.terms.venue, group.terms.account, key[0], key[1]
        position = books.positions.get(at)
        qty = ZERO if position is None else position.qty
        held = qty if key[2] is Side.BUY else -qty
        theirs = (it.left for it in (*others, *mine) if it.key == key and it is not one)
        held -= sum(theirs, ZERO)
        if min(held, one.left) >= one.dust:
            text = f"it is DONE, {one.left} of what it opened is left, {held} of it in its slot"
            found.append(Violation("done_is_closed", text, group.group_id))
    return found


def held_by(group: Group, books: Books) -> list[Holding]:
    """What the exits of a group close, by the facts of its orders."""
    fills = tuple(
        fill
        for _, cids in group.slices
        for cid in cids
        if (ledger := books.ledgers.get(cid)) is not None
        for fill in ledger.live()
    )
    return list(_Venue(Truth((), fills, ())).holdings(group, books))


class _Venue:
    """The venue's orders and executions, by our ids."""

    def __init__(self, truth: Truth) -> None:
        self._orders: dict[str, OrderSnapshot] = {
            seen.client_order_id: seen for seen in truth.orders
        }
        self._fills: dict[str, list[Filled]] = {}
        for fill in truth.executions:
            self._fills.setdefault(fill.client_order_id, []).append(fill)

    def ended(self, group: Group) -> Iterator[Violation]:
        """A group that is over has nothing that works."""
        if group.state is not GroupState.DONE:
            return
        for _, cids in group.slices:
            for cid in cids:
                seen = self._orders.get(cid)
                if seen is not None and seen.status in _OPEN:
                    text = f"it is DONE, and {cid} works at the venue"
                    yield Violation("done_is_done", text, group.group_id)

    def holdings(self, group: Group, books: Books) -> Iterator[Holding]:
        """What its exits close, one for each set of them."""
        for parent, exits in _sets(group.terms.root):
            order = exits[0].order
            instrument = books.instruments[order.venue, order.instrument]
            emergency = emergency_of(exits)
            if parent is None:
                whole = max(leg.order.order_qty or ZERO for leg in exits)
            else:
                whole = self._filled(group, parent.name, instrument)
            back = self._filled(group, back_of(emergency))
            closed = sum((self._filled(group, leg.name) for leg in exits), ZERO)
            closed += self._filled(group, emergency) - back
            px = next((p for leg in exits if (p := leg.order.stop_px or leg.order.price)), None)
            yield Holding(
                group,
                exits,
                parent,
                whole,
                closed,
                self._open(group, (one for one in exits if protects(one, group)))
                + _watched(group, exits, books),
                self._open(group, (one for one in exits if one.role is LegRole.TARGET)),
                _dust(instrument, px),
            )

    def _filled(self, group: Group, name: str, taxed: Instrument | None = None) -> Decimal:
        """What the orders of a leg filled; ``taxed``: less what fees took of the asset itself."""
        fills = [it for cid in dict(group.slices).get(name, ()) for it in self._fills.get(cid, ())]
        total = sum((fill.last_qty for fill in fills), ZERO)
        if taxed is None or taxed.kind is not InstrumentKind.CASH:
            return total
        fees = (it.fee for it in fills if it.fee is not None and it.fee_currency == taxed.base)
        return total - sum(fees, ZERO)

    def _open(self, group: Group, exits: Iterable[Leg]) -> Decimal:
        total = ZERO
        for leg in exits:
            for cid in dict(group.slices)[leg.name]:
                seen = self._orders.get(cid)
                if seen is not None and seen.status in _OPEN and seen.order_qty is not None:
                    total += seen.order_qty - (seen.cum_qty or ZERO)
        return total


def protects(leg: Leg, group: Group) -> bool:
    """Whether it is a stop, or a target for which the engine is the stop."""
    return leg.role is LegRole.STOP or leg.name in group.live


def _watched(group: Group, exits: Iterable[Leg], books: Books) -> Decimal:
    """What stops cover that wait for a trigger of ours: no venue knows of them."""
    cids = (
        cid for leg in exits if leg.role is LegRole.STOP for cid in dict(group.slices)[leg.name]
    )
    waiting = (order for cid in cids if (order := books.orders.get(cid)) and is_waiting(order))
    return sum((order.order_qty or ZERO for order in waiting if not is_held(order)), ZERO)


def _sets(node: Leg | GroupTerms, top: bool = True) -> Iterator[tuple[Leg | None, tuple[Leg, ...]]]:
    """Exits that close the same thing, and the leg that opened it (None: somebody else)."""
    if isinstance(node, Leg):
        return
    if top and is_exit(node) and node.contingency is not Contingency.OUO_PROPORTIONAL:
        yield None, tuple(legs_of(node))
        return
    is_oto = node.contingency is Contingency.OTO
    parent = node.members[0]
    for member in node.members:
        if is_oto and isinstance(parent, Leg) and member is not parent and is_exit(member):
            yield parent, tuple(legs_of(member))
        else:
            yield from _sets(member, top=False)


def _dust(instrument: Instrument, px: Decimal | None) -> Decimal:
    """A quantity below which an order may be impossible."""
    least = max(instrument.lot_size, instrument.min_qty or ZERO)
    if instrument.min_notional is None:
        return least
    worth = instrument.multiplier
    if instrument.kind is not InstrumentKind.INVERSE and px:
        worth = CONTEXT.multiply(worth, abs(px))
    return max(least, CONTEXT.divide(instrument.min_notional, worth) + instrument.lot_size)
