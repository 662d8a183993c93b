"""Stops that the engine moves: after the price (a trail), and to break-even.

What is seen in prices is memory only; where the stop belongs by it is a fact
(:class:`~engine.messages.AmendGroup`), so a restart goes on from there and never loosens it. One
move of a leg is under way at a time: what the price does meanwhile is taken up when the venue has
answered, so a fast market costs no more requests than answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from engine.group import Group, Node, legs_of
from engine.group_moves import moved_of
from engine.group_wants import emergency_of
from engine.messages import AmendGroup, Contingency, Leg, LegMoved, LegRole, Mover
from engine.order import Order, avg_px, is_waiting
from engine.order_links import is_held
from engine.order_tables import TERMINAL, Life
from engine.prices import Price, age_ns, price_of
from engine.trailing import beyond, even_level, is_better, is_tighter, trail_level
from engine.values import ZERO, TriggerSource

from .group_pauses import Pauses
from .group_words import TrailDue
from .roles import BrokerRole, GroupsRole
from .runtime import Timer

__all__ = ["GroupTrails", "trails_of"]

_MAX_AGE_NS: Final = 60_000_000_000  # of a price, for a break-even without a trail
_WORKS: Final = (Life.ACCEPTED, Life.TRIGGERED, Life.SUSPENDED)


class _Watched:
    """What was seen in the prices of one leg since its stop works."""

    __slots__ = ("best", "is_blind", "is_even", "reached", "seen_ns")

    def __init__(self, now_ns: int) -> None:
        self.best: Decimal | None = None
        self.reached = False  # the price that its trail begins at
        self.is_even = False  # the price has gone far enough for break-even
        self.seen_ns = now_ns
        self.is_blind = False


def trails_of(desk: GroupsRole, broker: BrokerRole, group: Group) -> GroupTrails | None:
    """Who moves the stops of a group; None: nobody does, as in most groups."""
    legs = tuple(
        leg
        for leg in legs_of(group.terms.root)
        if leg.trail is not None or leg.break_even is not None
    )
    return GroupTrails(desk, broker, group, legs) if legs else None


class GroupTrails:
    """Lives with its group, on the same thread."""

    __slots__ = ("_broker", "_desk", "_due", "_group_id", "_legs", "_parents", "_seen")

    def __init__(
        self, desk: GroupsRole, broker: BrokerRole, group: Group, legs: tuple[Leg, ...]
    ) -> None:
        self._desk = desk
        self._broker = broker
        self._group_id = group.group_id
        self._legs = legs
        self._parents = dict(_parents(group.terms.root, None))
        self._seen: dict[str, _Watched] = {}
        self._due: Timer | None = None

    # --- what is due ------------------------------------------------------------------------------

    def due(self, group: Group, pauses: Pauses) -> Iterator[AmendGroup]:
        """The moves that are due now, one after the other: each has to be taken before the next is
        asked for.
        """
        resting = pauses.resting(self._broker.dispatcher.monotonic_ns())
        ts = self._broker.turn.time_ns()
        for leg in self._legs:
            moved = moved_of(group, leg.name) or LegMoved(leg.name)
            cids = dict(group.slices)[leg.name]
            rests = any(name in resting for name in (leg.name, *cids))
            if moved.by_hand or leg.name in group.dropped or rests or self._closes(group, leg):
                continue
            if not self._is_settled(cids):
                continue
            even_px = self._even(group, leg, moved)
            if even_px is not None:
                move = self._move(leg, moved, even_px, Mover.BREAK_EVEN, ts)
                moved = LegMoved(
                    leg.name, move.stop_px or moved.stop_px, move.price or moved.price, moved.active
                )
                yield move
            move_px = self._trailed(leg, moved)
            if move_px is not None:
                yield self._move(leg, moved, move_px, Mover.TRAIL, ts)
            elif self._begins(leg, moved):
                yield AmendGroup(self._group_id, leg.name, ts, mover=Mover.TRAIL)

    def _closes(self, group: Group, leg: Leg) -> bool:
        """Whether what the leg protects is being closed at market."""
        emergency = emergency_of(self._parents[leg.name][1])
        return group.closing or emergency in group.late or emergency in dict(group.slices)

    def _is_settled(self, cids: tuple[str, ...]) -> bool:
        """Whether its orders work, and nothing about them is under way."""
        orders = [one.order for cid in cids if (one := self._broker.orders.get(cid)) is not None]
        live = [one for one in orders if one.life not in TERMINAL and not is_held(one)]
        return bool(live) and all(
            (one.life in _WORKS or is_waiting(one)) and not one.requests for one in live
        )

    def _move(
        self, leg: Leg, moved: LegMoved, stop_px: Decimal, mover: Mover, ts: int
    ) -> AmendGroup:
        """A stop-limit order's limit goes along. Where the stop is tighter already it stays."""
        stood = _stands(leg, moved)
        if not is_tighter(leg.order.side, stop_px, stood):
            return AmendGroup(self._group_id, leg.name, ts, mover=mover)
        price = leg.order.price if moved.price is None else moved.price
        along = None if price is None else price + (stop_px - stood)
        return AmendGroup(self._group_id, leg.name, ts, stop_px, along, mover)

    def _trailed(self, leg: Leg, moved: LegMoved) -> Decimal | None:
        """Where the trail wants the stop, if that is tighter by a step at least."""
        trail, seen = leg.trail, self._seen.get(leg.name)
        if trail is None or seen is None or seen.best is None:
            return None
        if trail.activate_px is not None and not (moved.active or seen.reached):
            return None
        instrument = self._broker.instruments[leg.order.instrument]
        side = leg.order.side
        level = trail_level(trail, side, seen.best, instrument.tick_size)
        stood = _stands(leg, moved)
        if not is_tighter(side, level, stood) or abs(level - stood) < trail.step:
            return None
        return level

    def _begins(self, leg: Leg, moved: LegMoved) -> bool:
        seen = self._seen.get(leg.name)
        return seen is not None and seen.reached and not moved.active

    def _even(self, group: Group, leg: Leg, moved: LegMoved) -> Decimal | None:
        """Where the stop breaks even, if that is due and was not done."""
        even, seen = leg.break_even, self._seen.get(leg.name)
        entry_px = None if even is None or moved.even else self._entry_px(group, leg)
        if even is None or entry_px is None:
            return None
        if even.after is None:
            is_due = any(self._has_filled(group, one) for one in self._targets(leg))
        else:
            is_due = seen is not None and seen.is_even
        tick = self._broker.instruments[leg.order.instrument].tick_size
        return even_level(even, leg.order.side, entry_px, tick) if is_due else None

    def _targets(self, leg: Leg) -> list[Leg]:
        _, exits = self._parents[leg.name]
        return [one for one in exits if one.role is LegRole.TARGET]

    def _has_filled(self, group: Group, leg: Leg) -> bool:
        """Whether a target has filled all that it was placed for."""
        orders = self._orders(group, leg.name)
        return any(one.cum_qty for one in orders) and all(one.life in TERMINAL for one in orders)

    def _entry_px(self, group: Group, leg: Leg) -> Decimal | None:
        """The average price of what the stop protects; None: nothing of it has filled."""
        parent, _ = self._parents[leg.name]
        orders = [] if parent is None else self._orders(group, parent.name)
        filled = [one for one in orders if one.cum_qty]
        if len(filled) == 1:
            return avg_px(filled[0])
        return None

    def _orders(self, group: Group, name: str) -> list[Order]:
        found = (self._broker.find_order(cid) for cid in dict(group.slices)[name])
        return [one for one in found if one is not None]

    # --- prices -----------------------------------------------------------------------------------

    def watch(self, group: Group) -> None:
        """After the commit: prices are watched while a stop that follows them works."""
        now_ns = self._broker.dispatcher.monotonic_ns()
        for leg in self._legs:
            works = self._works(group, leg.name)
            if works and leg.name not in self._seen:
                self._seen[leg.name] = _Watched(now_ns)
                self._broker.prices.watch(leg.order.instrument, self._key(leg), self._on_price)
            elif not works and leg.name in self._seen:
                del self._seen[leg.name]
                self._broker.prices.unwatch(leg.order.instrument, self._key(leg))
        self._remind(now_ns)

    def stop(self) -> None:
        """Its watching ends."""
        for leg in self._legs:
            if self._seen.pop(leg.name, None) is not None:
                self._broker.prices.unwatch(leg.order.instrument, self._key(leg))
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _works(self, group: Group, name: str) -> bool:
        orders = (self._broker.orders.get(cid) for cid in dict(group.slices)[name])
        return any(
            one is not None and one.order.life not in TERMINAL and not is_held(one.order)
            for one in orders
        )

    def _key(self, leg: Leg) -> tuple[str, str]:
        return f"group:{self._group_id}", leg.name

    def _on_price(self, price: Price) -> None:
        """Inside the turn in which a price came: note it, and look if it asks for a move."""
        now_ns = self._broker.dispatcher.monotonic_ns()
        is_news = False
        for leg in self._legs:
            seen = self._seen.get(leg.name)
            if seen is None or leg.order.instrument != price.instrument:
                continue
            px = _fresh(price, _source(leg), now_ns, _max_age_ns(leg))
            if px is not None:
                seen.seen_ns = now_ns - (age_ns(price, _source(leg), now_ns) or 0)
                seen.is_blind = False
            even_px = _fresh(price, _even_source(leg), now_ns, _max_age_ns(leg))
            is_news = self._noted(leg, seen, px, even_px) or is_news
        if self._due is None:
            self._remind(now_ns)
        if is_news:
            self._desk.follow(self._group_id)

    def _noted(self, leg: Leg, seen: _Watched, px: Decimal | None, even_px: Decimal | None) -> bool:
        """Take prices in, that of the trail and that of the break-even (None: not known); whether
        they may ask for a move.
        """
        side, trail, even = leg.order.side, leg.trail, leg.break_even
        group = self._desk.group_of(self._group_id)
        moved = (None if group is None else moved_of(group, leg.name)) or LegMoved(leg.name)
        is_news = False
        if group is not None and even is not None and even.after is not None and not moved.even:
            entry_px = None if seen.is_even or even_px is None else self._entry_px(group, leg)
            if entry_px is not None and even_px is not None:
                seen.is_even = not is_better(side, beyond(side, entry_px, even.after), even_px)
            is_news = seen.is_even
        if trail is None or px is None:
            return is_news
        starts = trail.activate_px
        if starts is not None and not (moved.active or seen.reached):
            if is_better(side, starts, px):
                return is_news
            seen.reached = is_news = True
        if seen.best is None or is_better(side, px, seen.best):
            seen.best = px
        return is_news or self._trailed(leg, moved) is not None

    # --- what a person is told --------------------------------------------------------------------

    def _remind(self, now_ns: int) -> None:
        """Look again when the oldest price of a leg is too old."""
        ends = [
            seen.seen_ns + _max_age_ns(leg)
            for leg in self._legs
            if (seen := self._seen.get(leg.name)) is not None and not seen.is_blind
        ]
        if self._due is not None:
            if ends and self._due.due_ns <= min(ends):
                return  # it finds out then
            self._due.cancel()
            self._due = None
        if ends:
            delay_ns = max(min(ends) - now_ns, 1)
            self._due = self._desk.remind(delay_ns, TrailDue(self._group_id))

    def find_blind(self, group: Group) -> None:
        """No price may have come for too long: the stop stays where it is, and a person is told."""
        now_ns = self._broker.dispatcher.monotonic_ns()
        self._due = None
        for leg in self._legs:
            seen = self._seen.get(leg.name)
            if seen is None or seen.is_blind or now_ns - seen.seen_ns < _max_age_ns(leg):
                continue
            seen.is_blind = True
            stands = _stands(leg, moved_of(group, leg.name) or LegMoved(leg.name))
            age = (now_ns - seen.seen_ns) / 1e9
            self._broker.alarm(
                "trail_blind",
                f"no {_source(leg).value} price of {leg.order.instrument} for {age:g} s: the stop"
                f" {leg.name!r} stays at {stands}",
                f"group:{self._group_id}",
            )
        self._remind(now_ns)


def _stands(leg: Leg, moved: LegMoved) -> Decimal:
    """Where a stop is to be."""
    px = leg.order.stop_px if moved.stop_px is None else moved.stop_px
    return ZERO if px is None else px


def _source(leg: Leg) -> TriggerSource:
    """The price that its trail follows, by default the one that elects it; of a leg without one,
    that of its break-even.
    """
    if leg.trail is None:
        return _even_source(leg)
    return leg.trail.source or leg.order.trigger_source


def _even_source(leg: Leg) -> TriggerSource:
    """The price by which a leg goes to break-even."""
    even = leg.break_even
    return (None if even is None else even.source) or leg.order.trigger_source


def _fresh(price: Price, source: TriggerSource, now_ns: int, max_age_ns: int) -> Decimal | None:
    """What a price says by one source, unless that is too old."""
    age = age_ns(price, source, now_ns)
    return None if age is None or age > max_age_ns else price_of(price, source)


def _max_age_ns(leg: Leg) -> int:
    return _MAX_AGE_NS if leg.trail is None else leg.trail.max_age_ns


def _parents(
    node: Node, parent: Leg | None
) -> Iterator[tuple[str, tuple[Leg | None, tuple[Leg, ...]]]]:
    """Each leg with the entry that opens what it closes, and the exits beside it."""
    if isinstance(node, Leg):
        yield node.name, (parent, (node,))
        return
    if node.contingency is Contingency.OTO:
        first = node.members[0]
        opened = first if isinstance(first, Leg) else None
        yield from _parents(first, None)
        for member in node.members[1:]:
            yield from _parents(member, opened)
        return
    mine = tuple(one for one in node.members if isinstance(one, Leg))
    for member in node.members:
        if isinstance(member, Leg):
            yield member.name, (parent, mine)
        else:
            yield from _parents(member, parent)
