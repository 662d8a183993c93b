"""Who follows the slots of a broker beyond their quantities: their trips, and the marks on them.

A slot has a :class:`SlotFollower` only where trips are kept or marks are watched; to any other it
costs one look at an attribute. Closed trips are rows of the journal, written in the turn in which
they closed; the trail of each slot is part of the checkpoint.

**Marks.** A slot that holds something has the prices of its instrument watched, where the host
asked for that. What they say about its trip becomes a fact (:class:`~engine.messages.PriceExtreme`)
when they went :data:`STEP` beyond what was written since the last booking, and a second has passed
since the last such fact; and in any case before the next booking. So a trip that ended while we
were up knows every price that was seen; after a crash its extremes may lack the prices of the last
second, and what was less than :data:`STEP` beyond those written.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from engine.booking import book_execution, state_position
from engine.errors import InvalidValue
from engine.given import check_kind
from engine.marks import MARK_SOURCES, Mark, mark_of
from engine.messages import KeepHistory, PriceExtreme
from engine.position_state import Position
from engine.prices import Price
from engine.trip_fold import follow_booking, follow_marks, follow_statement
from engine.trip_steps import averaged
from engine.trips import (
    Followed,
    PositionClosed,
    PositionOpened,
    PositionReopened,
    Stated,
    Trail,
    begin_trail,
    trip_key,
)
from engine.values import TriggerSource

from .door import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.trip_books import MoneyFact

    from .accounts import Accounts
    from .position import BookExecution, PositionActor
    from .roles import BrokerRole

__all__ = [
    "STEP",
    "Following",
    "Marking",
    "SlotFollower",
    "check_marking",
    "resume_following",
    "take_fact",
]

#: So far beyond what is written, as a share of the price, an extreme is worth a fact of its own.
STEP: Final = Decimal("0.001")
_PACE_NS: Final = 1_000_000_000  # between two such facts of a slot
_SECOND: Final = 1_000_000_000

_encode: Final = msgspec.json.Encoder().encode


class Marking(msgspec.Struct, frozen=True):
    """How positions are valued: by the first of ``sources`` that is known and not older than
    ``max_age`` seconds (None: of any age).

    Raises:
        InvalidValue: no source, or an age that is not above 0.
    """

    sources: tuple[TriggerSource, ...] = MARK_SOURCES
    max_age: float | None = 60.0

    def __post_init__(self) -> None:
        check_kind("the sources of marks", self.sources, tuple)
        if not self.sources or any(not isinstance(one, TriggerSource) for one in self.sources):
            raise InvalidValue(f"marks need sources (MARK, MID, LAST), were {self.sources!r:.80}")
        if self.max_age is not None:
            nanoseconds("max_age (or None)", self.max_age)

    @property
    def max_age_ns(self) -> int | None:
        """The age in nanoseconds."""
        return None if self.max_age is None else round(self.max_age * _SECOND)


def check_marking(marking: bool | Marking) -> bool | Marking:
    """What a host says of marks, as it is.

    Raises:
        InvalidValue: it is neither.
    """
    if not isinstance(marking, bool | Marking):
        raise InvalidValue(f"mark_positions must be True, False or a Marking, was {marking!r:.80}")
    return marking


class Following:
    """The part of a broker that follows its slots. Lives and dies with it, on the same thread.

    Attributes:
        keeps: trips are kept. watches: the prices of what is held are watched.
    """

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self.keeps = False
        self.watches = False
        self.marking = Marking()

    def begin(self, marking: Marking | bool) -> None:
        """Before the first slot: how the host wants positions marked."""
        self.watches = bool(marking)
        if isinstance(marking, Marking):
            self.marking = marking

    def made(self, actor: PositionActor) -> None:
        """There is a new slot."""
        if self.keeps or self.watches:
            actor.follower = SlotFollower(self, actor)
            if self.keeps:
                actor.follower.trail = begin_trail(actor.position)

    def hold(self, trail: Trail) -> None:
        """Take the trail of a slot over at a restart, after its position."""
        held = trail.now.position
        follower = self.broker.positions[held.instrument, held.slot].follower
        if follower is not None:
            follower.trail = trail

    def trails(self) -> Iterable[Trail]:
        """The trails of all slots that anything ever happened to."""
        for actor in self.broker.positions.values():
            trail = None if actor.follower is None else actor.follower.trail
            if trail is not None and (trail.legs or trail.older or actor.position.ts):
                yield trail

    def keep_trips(self) -> None:
        """Trips are kept from here on; inside a turn."""
        self.keeps = True
        self.broker.turn.undo.append((self, None, None))
        for actor in self.broker.positions.values():
            if actor.follower is None:
                actor.follower = SlotFollower(self, actor)
            actor.follower.trail = begin_trail(actor.position)

    def restore(self, before: None, extra: None) -> None:
        """Take :meth:`keep_trips` back; its turn was discarded."""
        del before, extra
        self.keeps = False
        for actor in self.broker.positions.values():
            if actor.follower is not None:
                actor.follower.trail = None

    def look_all(self) -> None:
        """The first turn: watch what is held."""
        for actor in self.broker.positions.values():
            if actor.follower is not None:
                self.broker.turn.effects.append((actor.follower.look, None, None))

    def mark(self, instrument: str) -> Mark | None:
        """What its positions are valued at now; None: no price is known that is new enough."""
        price = self.broker.prices.latest(instrument)
        now_ns = self.broker.dispatcher.monotonic_ns()
        return mark_of(price, self.marking.sources, now_ns, self.marking.max_age_ns)


class SlotFollower:
    """Follows one slot: its trips, and the prices that it saw."""

    __slots__ = ("_actor", "_following", "_high", "_low", "_told", "_told_ns", "_watching", "trail")

    def __init__(self, following: Following, actor: PositionActor) -> None:
        self.trail: Trail | None = None
        self._following = following
        self._actor = actor
        self._watching = False
        #: Seen since the last booking and not written; _told: the range that is written.
        self._low: Decimal | None = None
        self._high: Decimal | None = None
        self._told: tuple[Decimal, Decimal] | None = None
        self._told_ns = -_PACE_NS

    # --- what is booked ---------------------------------------------------------------------------

    def booked(self, message: BookExecution) -> Position:
        """The slot after a booking, its trips followed."""
        actor = self._actor
        terms, booking, ts = message.terms, message.booking, message.ts
        if self.trail is None:
            after = book_execution(actor.position, actor.instrument, terms, booking, ts)
        else:
            self._write_marks(ts)
            after = self._take(follow_booking(self.trail, actor.instrument, terms, booking, ts), ts)
            self._told = booking.fill.last_px, booking.fill.last_px
        self._moved(after)
        return after

    def stated(self, stated: Stated) -> Position:
        """The slot after a word about it, its trips followed."""
        actor = self._actor
        if self.trail is None:
            after = state_position(actor.position, actor.instrument, stated)
        else:
            self._write_marks(stated.ts)
            after = self._take(follow_statement(self.trail, actor.instrument, stated), stated.ts)
            self._told = None
        self._moved(after)
        return after

    def _take(self, out: Followed, ts: int) -> Position:
        """Stage what follows: the trail, the rows of trips, the events."""
        turn, held = self._actor.turn, out.position
        batch = turn.batch
        rows: list[tuple[str, bytes | None, bool]] = []
        for number in out.gone:
            key = trip_key(held.venue, held.account, held.instrument, held.slot, number)
            rows.append((key, batch.checkpoints.pop(key, None), True))
            batch.checkpoints_removed.append(key)
        for trip in out.closed:
            rows.append((trip.key, batch.checkpoints.get(trip.key), False))
            batch.checkpoints[trip.key] = _encode(trip)
        turn.undo.append((self, self.trail, (self._low, self._high, self._told, rows)))
        self.trail = out.trail
        wanted = turn.hub.wanted
        if wanted:
            if PositionReopened in wanted:
                turn.events += [
                    PositionReopened(
                        ts, held.venue, held.account, held.instrument, held.slot, number
                    )
                    for number in out.gone
                ]
            if PositionClosed in wanted:
                turn.events += [PositionClosed(ts, trip) for trip in out.closed]
            if out.opened is not None and PositionOpened in wanted:
                opened = averaged(out.opened, self._actor.instrument)
                turn.events.append(PositionOpened(ts, opened))
        return held

    def restore(self, before: Trail | None, extra: Any) -> None:
        """Take back a step whose turn was discarded, the rows it staged too."""
        self._low, self._high, self._told, rows = extra
        self.trail = before
        batch = self._actor.turn.batch
        for key, staged, is_gone in reversed(rows):
            if is_gone:
                batch.checkpoints_removed.remove(key)
            else:
                batch.checkpoints.pop(key, None)
            if staged is not None:
                batch.checkpoints[key] = staged

    # --- marks ------------------------------------------------------------------------------------

    def _moved(self, after: Position) -> None:
        if self._following.watches and bool(after.qty) is not self._watching:
            self._actor.turn.effects.append((self.look, None, None))

    def look(self, _: None, __: None) -> None:
        """After a commit: watch the prices of what is held, and of nothing else."""
        following, held = self._following, self._actor.position
        is_held = following.watches and bool(held.qty)
        if is_held is self._watching:
            return
        self._watching = is_held
        prices, key = following.broker.prices, ("position", held.slot.value)
        if is_held:
            prices.watch(held.instrument, key, self._priced)
        else:
            prices.unwatch(held.instrument, key)

    def _priced(self, price: Price) -> None:
        """A price came, inside a turn."""
        if self.trail is None or self.trail.now.trip is None:
            return
        following = self._following
        now_ns = following.broker.dispatcher.monotonic_ns()
        mark = mark_of(price, following.marking.sources, now_ns, following.marking.max_age_ns)
        if mark is None:
            return
        px, told = mark.px, self._told
        if told is not None and told[0] <= px <= told[1]:
            return
        self._low = px if self._low is None else min(self._low, px)
        self._high = px if self._high is None else max(self._high, px)
        if now_ns - self._told_ns < _PACE_NS:
            return
        step = px.copy_abs() * STEP
        if told is None or px <= told[0] - step or px >= told[1] + step:
            self._told_ns = now_ns
            self._write_marks(self._actor.turn.time_ns())

    def _write_marks(self, ts: int) -> None:
        """Write down the prices that were seen, if they say anything about the trip."""
        trail, low, high = self.trail, self._low, self._high
        if trail is None or low is None or high is None:
            return
        held, turn = self._actor.position, self._actor.turn
        turn.undo.append((self, trail, (low, high, self._told, ())))
        self._low = self._high = None
        told = self._told
        self._told = (low, high) if told is None else (min(low, told[0]), max(high, told[1]))
        fact = PriceExtreme(held.venue, held.account, held.instrument, held.slot, ts, low, high)
        self.saw(fact)

    def saw(self, fact: PriceExtreme) -> None:
        """Take prices into the trip that is open, and write them down if they say anything new."""
        trail, turn = self.trail, self._actor.turn
        if trail is None:
            return
        out = follow_marks(trail, self._actor.instrument, fact)
        if out.trail.now.trip != trail.now.trip:
            turn.undo.append((self, trail, (self._low, self._high, self._told, ())))
            turn.record(fact.ts, self._actor.actor_urn, fact)
            self.trail = out.trail


def resume_following(
    brokers: Mapping[tuple[str, str], BrokerRole], accounts: Accounts, history: bool
) -> None:
    """The first turn: begin the history if it is asked for, and watch what is held."""
    if history and accounts.money.history_ts is None:
        take_fact(brokers, accounts, KeepHistory(accounts.turn.time_ns()))
    for broker in brokers.values():
        broker.following.look_all()


def take_fact(
    brokers: Mapping[tuple[str, str], BrokerRole], accounts: Accounts, fact: MoneyFact
) -> None:
    """Write a fact down and count with it; inside a turn."""
    if isinstance(fact, PriceExtreme):
        slot = brokers[fact.venue, fact.account].slot(fact.instrument, fact.slot)
        if slot.follower is not None:
            slot.follower.saw(fact)
        return
    begins = isinstance(fact, KeepHistory) and accounts.money.history_ts is None
    accounts.take(fact)
    if begins:
        for broker in brokers.values():
            broker.following.keep_trips()
