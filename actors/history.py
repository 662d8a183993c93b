"""Reads closed trips back from the journal, a piece at a time, on the dispatcher's thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from engine.errors import JournalCorrupt, JournalError
from engine.trips import Trip, trip_key
from engine.values import PositionSlot

from .runtime import Dispatcher, Future

if TYPE_CHECKING:
    from .broker import BrokerActor
    from .journal import Journal

__all__ = ["HistoryReader", "Wanted"]

_PIECE: Final = 64  # rows read in one turn
_SLACK_NS: Final = 86_400_000_000_000  # a report may come late; what closed a day earlier did not
_TRIP: Final = msgspec.json.Decoder(Trip)


class Wanted(msgspec.Struct, frozen=True):
    """Which trips somebody asked for; see :meth:`actors.system.ExecutionSystem.history`."""

    instrument: str = ""
    slot: PositionSlot | None = None
    since: int | None = None
    until: int | None = None
    tags: tuple[tuple[str, str], ...] = ()
    limit: int | None = None  # the newest

    def fits(self, trip: Trip) -> bool:
        """Whether it is one of them."""
        closed = trip.closed_ts or 0
        if self.since is not None and closed < self.since:
            return False
        if self.until is not None and closed >= self.until:
            return False
        return all(pair in trip.tags for pair in self.tags)


class HistoryReader:
    """Answers one question for closed trips."""

    def __init__(
        self,
        brokers: Sequence[BrokerActor],
        wanted: Wanted,
        journal: Journal,
        future: Future[tuple[Trip, ...]],
    ) -> None:
        self._brokers = brokers
        self._wanted = wanted
        self._journal = journal
        self._future = future
        self._found: list[Trip] = []
        self._rows = self._read()

    def begin(self, dispatcher: Dispatcher) -> None:
        """Read the first piece inside the next turn."""
        if not self._brokers:
            self._future.set(())
            return
        dispatcher.call_soon(self._stage)

    def _stage(self) -> None:
        """Rows are read after the commit: they are what is written then."""
        self._brokers[0].turn.effects.append((self._piece, None, None))

    def _piece(self, _: None, __: None) -> None:
        if self._future.done():
            return  # the system has ended meanwhile
        try:
            looked = list(islice(self._rows, _PIECE))
        except JournalError as error:
            self._future.set_exception(error)
            return
        self._found += [trip for trip in looked if trip is not None]
        if len(looked) == _PIECE:
            self.begin(self._brokers[0].dispatcher)
            return
        found = sorted(self._found, key=lambda trip: (trip.closed_ts or 0, trip.key))
        limit = self._wanted.limit
        self._future.set(tuple(found if limit is None else found[max(len(found) - limit, 0) :]))

    def _read(self) -> Iterator[Trip | None]:
        """Row by row; None: one that was looked at and is not wanted."""
        wanted = self._wanted
        for broker in self._brokers:
            for symbol, slot in list(broker.positions):
                if wanted.instrument in ("", symbol) and wanted.slot in (None, slot):
                    yield from self._of_slot(broker, symbol, slot)

    def _of_slot(
        self, broker: BrokerActor, symbol: str, slot: PositionSlot
    ) -> Iterator[Trip | None]:
        """Of one slot, the newest first."""
        wanted = self._wanted
        follower = broker.positions[symbol, slot].follower
        trail = None if follower is None else follower.trail
        left = wanted.limit
        for number in range(0 if trail is None else trail.now.count, 0, -1):
            if left == 0:
                return
            trip = self._row(trip_key(broker.name, broker.account, symbol, slot, number))
            if trip is not None and wanted.since is not None:
                if (trip.closed_ts or 0) < wanted.since - _SLACK_NS:
                    return
            if trip is not None and wanted.fits(trip):
                left = None if left is None else left - 1
                yield trip
            else:
                yield None

    def _row(self, key: str) -> Trip | None:
        """None: it is open, or became part of an earlier one."""
        row = self._journal.checkpoint(key)
        try:
            return None if row is None else _TRIP.decode(row[1])
        except msgspec.MsgspecError as error:
            raise JournalCorrupt(f"the row {key!r} cannot be read: {error}") from None
