"""Rates and trips as a journal says they are: the part of the fold that is about money.

:class:`Money` is what concerns a whole system, a :class:`~engine.trips.Trail` what concerns a slot.
Trips are followed from the fact on that says so, and cost nothing before.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from .booking import book_execution, state_position
from .messages import KeepHistory, PriceExtreme, SetRate, SubmitOrder
from .order import Booking
from .position_state import Position
from .rates import RateTable, with_rate
from .trip_fold import follow_booking, follow_marks, follow_statement
from .trips import Followed, Stated, Trail, Trip, begin_trail, trip_key
from .values import Instrument, PositionSlot

__all__ = ["MONEY_FACTS", "Money", "MoneyFact", "TripBooks", "taken_in"]

MoneyFact: TypeAlias = SetRate | KeepHistory | PriceExtreme
MONEY_FACTS: Final = (SetRate, KeepHistory, PriceExtreme)

_Key: TypeAlias = tuple[str, str, str, PositionSlot]


class Money(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Rates, the newest of each pair; since when (UTC ns) trips are kept, None: they are not."""

    rates: tuple[SetRate, ...] = ()
    history_ts: int | None = None

    def __bool__(self) -> bool:
        return self.history_ts is not None or bool(self.rates)

    @property
    def table(self) -> RateTable:
        """The rates by their pair."""
        return {(one.base, one.quote): one for one in self.rates}


def taken_in(money: Money, fact: SetRate | KeepHistory) -> Money:
    """Money after one more fact."""
    if isinstance(fact, SetRate):
        return Money(with_rate(money.rates, fact), money.history_ts)
    return money if money.history_ts is not None else Money(money.rates, fact.ts)


class TripBooks:
    """The trips of all slots of a journal. What is booked stays staged until :meth:`keep`."""

    def __init__(self) -> None:
        self.money = Money()
        self.trails: dict[_Key, Trail] = {}
        self.trips: dict[str, Trip] = {}  # closed since the fold began, by their rows
        self._staged: list[Followed] = []
        self._trails: dict[_Key, Trail] = {}

    def take(
        self,
        fact: MoneyFact,
        positions: dict[_Key, Position],
        instruments: dict[tuple[str, str], Instrument],
    ) -> None:
        """Take one fact over."""
        if isinstance(fact, PriceExtreme):
            key = (fact.venue, fact.account, fact.instrument, fact.slot)
            trail, instrument = self.trails.get(key), instruments.get((key[0], key[2]))
            if trail is not None and instrument is not None:
                self._put(follow_marks(trail, instrument, fact))
            return
        begins = isinstance(fact, KeepHistory) and self.money.history_ts is None
        self.money = taken_in(self.money, fact)
        if begins:
            self.trails = {key: begin_trail(held) for key, held in positions.items()}

    def booked(
        self,
        held: Position,
        instrument: Instrument,
        terms: SubmitOrder,
        booking: Booking,
        ts: int,
    ) -> Position:
        """Take a booking into a slot, staged."""
        if self.money.history_ts is None:
            return book_execution(held, instrument, terms, booking, ts)
        out = follow_booking(self._trail(held), instrument, terms, booking, ts)
        self._stage(out)
        return out.position

    def stated(self, held: Position, instrument: Instrument, stated: Stated) -> Position:
        """Take a word about a slot into it."""
        if self.money.history_ts is None:
            return state_position(held, instrument, stated)
        out = follow_statement(self._trail(held), instrument, stated)
        self._put(out)
        return out.position

    def keep(self) -> None:
        """What is staged is so."""
        for out in self._staged:
            self._put(out)
        self.drop()

    def drop(self) -> None:
        """Forget what is staged: the step failed."""
        if self._staged:
            self._staged.clear()
            self._trails.clear()

    def restart(self, money: Money, trails: dict[_Key, Trail]) -> None:
        """Go on from a checkpoint; trips that closed before it are not ours to tell."""
        self.money, self.trails, self.trips = money, trails, {}

    def _trail(self, held: Position) -> Trail:
        key = held.key
        return self._trails.get(key) or self.trails.get(key) or begin_trail(held)

    def _stage(self, out: Followed) -> None:
        self._staged.append(out)
        self._trails[out.position.key] = out.trail

    def _put(self, out: Followed) -> None:
        venue, account, symbol, slot = key = out.position.key
        self.trails[key] = out.trail
        for number in out.gone:
            self.trips.pop(trip_key(venue, account, symbol, slot, number), None)
        for trip in out.closed:
            self.trips[trip.key] = trip
