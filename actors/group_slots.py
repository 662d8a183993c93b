"""What the groups of one broker hold of its slots together, and what that leaves for each.

A group's own purchase is its own: its exits come first, the older group before the younger while a
slot holds less than all of them. A group that opens nothing (its exits are for what others bought)
gets what is left beside these, the older one first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from engine.capabilities import ReduceOnlyRule
from engine.group import Group, Slice
from engine.group_wants import Holding, emergency_of
from engine.messages import Leg, LegRole
from engine.values import ZERO, InstrumentKind, PositionSlot, Side

from .group_words import Noted, SlotMoved, SlotSide, booked_qty, claimed, opened_by
from .roles import BrokerRole

__all__ = ["GroupSlots", "SlotHolder"]

_BUY, _SELL = Side.BUY, Side.SELL


class SlotHolder(Protocol):
    """A group, as far as it holds of slots, by its last look: what its own entries opened there
    (``holds``), what its exits are to close that others opened (``claims``), and what they closed
    too much and it has not bought back yet (``owes``).
    """

    group: Group
    holds: dict[SlotSide, Decimal]
    claims: dict[SlotSide, Decimal]
    owes: dict[SlotSide, Decimal]

    def only_closes(self) -> bool:
        """Whether it opens nothing: its exits are for what others opened."""
        ...

    def refresh(self) -> None:
        """Look at what it holds, and do nothing about it yet."""
        ...

    def slot_sides(self) -> tuple[SlotSide, ...]:
        """The slots and sides that its legs open, or close."""
        ...


class GroupSlots:
    """Lives and dies with its broker, on the same thread.

    Attributes:
        stale: groups with changed orders that have not looked since.
    """

    def __init__(
        self,
        broker: BrokerRole,
        groups: Mapping[str, SlotHolder],
        queue: Callable[[str], None],
    ) -> None:
        self._broker = broker
        self._groups = groups
        self._queue = queue
        #: By slot and side: the groups that may open there, the oldest first, what they hold there
        #: together, and where that is more than there is.
        self._members: dict[SlotSide, dict[str, None]] = {}
        self._holds: dict[SlotSide, Decimal] = {}
        self._owed: dict[SlotSide, Decimal] = {}  # by all of them together
        self._short: dict[SlotSide, None] = {}
        self._closers: dict[SlotSide, dict[str, None]] = {}  # groups that open nothing
        self.stale: dict[str, None] = {}
        self._refreshing = False
        self._moved: dict[tuple[str, PositionSlot], None] = {}  # slots with a message in the queue

    # --- who is there -----------------------------------------------------------------------------

    def add(self, actor: SlotHolder) -> None:
        """A group is kept from now on."""
        group_id = actor.group.group_id
        for key in actor.slot_sides():
            self._members.setdefault(key, {})[group_id] = None
            if actor.only_closes():
                self._closers.setdefault(key, {})[group_id] = None

    def forget(self, actor: SlotHolder) -> None:
        """A group is not kept any more."""
        for key in actor.slot_sides():
            self._members[key].pop(actor.group.group_id, None)
            self._closers.get(key, {}).pop(actor.group.group_id, None)
            self._count(key, -actor.holds.get(key, ZERO), -actor.owes.get(key, ZERO))

    def left(self, actor: SlotHolder) -> None:
        """After the commit of its end: what it kept from others, dust at least, may be free."""
        for key in actor.slot_sides():
            if self._closers.get(key) or (key in self._short and self._members[key]):
                self._broker.dispatcher.post(self._broker, SlotMoved(*key[:2]))

    def members(self, key: SlotSide) -> Iterable[str]:
        """The groups with a leg that opens there, or closes what is open there."""
        return self._members.get(key, ())

    # --- what moves -------------------------------------------------------------------------------

    def moved(self, instrument: str, slot: PositionSlot) -> None:
        """A slot holds something else: by an execution, or by what a person states.

        What groups hold there may have been closed by others, so it is looked at, once for all that
        moves in a burst.
        """
        members = self._members
        if not members:  # nearly every fill of a host that has no groups
            return
        key = instrument, slot
        if key in self._moved or not ((*key, _BUY) in members or (*key, _SELL) in members):
            return
        self._moved[key] = None
        self._broker.turn.undo.append((Noted(self._moved), key, None))
        self._broker.dispatcher.post(self._broker, SlotMoved(*key))

    def slot_moved(self, message: SlotMoved) -> None:
        """Have groups look again where a slot holds less than they do together: so a fill costs the
        same beside any number of groups. Exits that no entry of theirs opened follow every change.
        """
        self._moved.pop((message.instrument, message.slot), None)
        self._refresh("")
        for side in Side:
            key = message.instrument, message.slot, side
            members = self._members.get(key, ())
            is_short = key in self._short or self._held(key) < self._holds.get(key, ZERO)
            for group_id in members if is_short else self._closers.get(key, ()):
                self._queue(group_id)

    def looked(
        self,
        actor: SlotHolder,
        holdings: Iterable[Holding],
        slices: Mapping[str, tuple[Slice, ...]],
    ) -> None:
        """A group has counted anew. Where there is not enough for all, what it holds less (also by
        a claim that was withdrawn) is the others'.
        """
        holds = dict.fromkeys(actor.slot_sides(), ZERO)
        claims, owes = dict(holds), dict(holds)
        for one in holdings:
            key = opened_by(one.entry or one.exits[0])
            (claims if one.entry is None else holds)[key] += booked_qty(one, slices)
            owes[key] += one.excess_qty
        for key, qty in holds.items():
            more = qty - actor.holds.get(key, ZERO)
            owed = owes[key] - actor.owes.get(key, ZERO)
            if key in self._short and (more < ZERO or owed < ZERO):
                for group_id in self._members.get(key, ()):
                    self._queue(group_id)
            self._count(key, more, owed)
        actor.holds, actor.claims, actor.owes = holds, claims, owes

    def _count(self, key: SlotSide, more: Decimal, owed: Decimal) -> None:
        if owed:
            self._owed[key] = self._owed.get(key, ZERO) + owed
        total = self._holds[key] = self._holds.get(key, ZERO) + more
        if total > self._held(key):
            self._short[key] = None  # it is looked at again when there is more

    # --- what there is ----------------------------------------------------------------------------

    def there(
        self, asking: SlotHolder, legs: Sequence[Leg], slices: Mapping[str, tuple[Slice, ...]]
    ) -> tuple[dict[str, Decimal], list[str]]:
        """For each entry what its slot holds on its side, for each exit without one what there is
        to close, all by what the venue says has filled; and for which of them less than they want
        may be there for a while: exits without an entry of what is bounded by nothing else, and
        entries of a slot of which exits closed too much that is being bought back.
        """
        available: dict[str, Decimal] = {}
        shared: list[str] = []
        exits = [one for one in legs if one.role is not LegRole.ENTRY]
        for one in legs:
            key = opened_by(one)
            available[one.name] = self._available(asking, key)
            if one.role is LegRole.ENTRY:
                available[one.name] += claimed(slices, one.name)
                if self._owed.get(key, ZERO) > ZERO:
                    shared.append(one.name)
                continue
            for it in exits:
                if opened_by(it) == key:
                    available[one.name] -= claimed(slices, it.name, emergency_of((it,)))
            if self._is_shared(asking, one, key):
                shared.append(one.name)
        return available, shared

    def _is_shared(self, asking: SlotHolder, leg: Leg, key: SlotSide) -> bool:
        """Whether an exit may offer no more than is known to be there: of a contract that the venue
        would let it open, and of coins that another group holds or is to buy, or that an older one
        offers too, for the venue locks them for one order only. Coins that nobody else wants may be
        more than we know of, so there the venue has the word.
        """
        instrument = self._broker.instruments.get(leg.order.instrument)
        if instrument is None or not asking.only_closes():
            return False
        if instrument.kind is not InstrumentKind.CASH:
            return self._broker.capabilities.reduce_only is ReduceOnlyRule.UNSUPPORTED
        if leg.order.side is not Side.SELL:
            return False
        closers = self._closers.get(key, {})
        if len(self._members.get(key, ())) > len(closers):
            return True
        return self._held(key) > ZERO and next(iter(closers), "") != asking.group.group_id

    def _available(self, asking: SlotHolder, key: SlotSide) -> Decimal:
        """What a slot holds on one side, beyond what other groups hold there; while it holds less
        than all of them do, the older ones come first.
        """
        self._refresh(asking.group.group_id)
        left = self._held(key)
        total = self._holds.get(key, ZERO)
        if asking.only_closes():
            return max(left - total - self._claims(self._older(asking, key), key), ZERO)
        if left >= total:
            if key in self._short:  # there is enough again, for all that had less
                del self._short[key]
                for group_id in self._members.get(key, ()):
                    self._queue(group_id)
            return left - total + asking.holds.get(key, ZERO)
        self._short[key] = None
        for group_id in self._members.get(key, ()):
            one = self._groups[group_id]
            if one is asking:
                break
            left -= one.holds.get(key, ZERO)
        return max(left, ZERO)

    def _older(self, asking: SlotHolder, key: SlotSide) -> Iterable[SlotHolder]:
        """The groups that open nothing and are older."""
        for group_id in self._closers.get(key, ()):
            if group_id == asking.group.group_id:
                return
            yield self._groups[group_id]

    def _claims(self, groups: Iterable[SlotHolder], key: SlotSide) -> Decimal:
        return sum((one.claims.get(key, ZERO) for one in groups), ZERO)

    def _refresh(self, but: str) -> None:
        """Have groups whose orders have changed, and that have not looked since, count again."""
        self.stale.pop(but, None)
        if self._refreshing:
            return  # asked by one that counts: what a group holds does not depend on the others
        self._refreshing = True
        try:
            while self.stale:
                actor = self._groups.get(self.stale.popitem()[0])
                if actor is not None:
                    actor.refresh()
        finally:
            self._refreshing = False

    def _held(self, key: SlotSide) -> Decimal:
        """What a slot holds on a side; 0 when it holds the other one."""
        symbol, slot, side = key
        held = self._broker.positions.get((symbol, slot))
        if held is None:
            return ZERO
        qty = held.position.qty
        return max(qty if side is Side.BUY else -qty, ZERO)
