"""What can be asked of a journal file: records, and the rows beside them, by each of their keys."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from engine.journal import Record

from .port import FillKey
from .reading import Reader
from .removal import Gap

__all__ = ["FILL_OWNER", "Lookups"]

FILL_OWNER: Final = """SELECT client_order_id FROM fills
    WHERE venue = ? AND account = ? AND instrument = ? AND side = ? AND exec_id = ?"""
_ROW: Final = """SELECT client_order_id, intent_id, venue, account, instrument, state, cum_qty,
    closed_ts, body, seq, checksum FROM closed """
_BY_ID: Final = _ROW + "WHERE client_order_id = ?"
_BY_INTENT: Final = _ROW + "WHERE intent_id = ? ORDER BY seq DESC, client_order_id DESC LIMIT 1"
_BY_VENUE_ID: Final = (  # of constants only
    _ROW  # noqa: S608
    + """WHERE client_order_id IN (SELECT client_order_id FROM venue_ids
    WHERE venue = ? AND account = ? AND venue_order_id = ?) AND (?4 IS NULL OR instrument = ?4)
    ORDER BY seq DESC, client_order_id DESC LIMIT 1"""
)


class Lookups:
    """The questions half of a :class:`~actors.journal.SqliteJournal`.

    ``_reader`` reads in pieces, on a connection of its own; ``_lookup`` answers for the hot path.
    """

    _reader: Reader
    _lookup: Reader

    @property
    def last_seq(self) -> int:
        """The number of the last record."""
        raise NotImplementedError

    def records(
        self, after: int = 0, entity: str | None = None, limit: int | None = None
    ) -> Iterator[Record]:
        """Records behind ``after``, checked as they are read."""
        last = self.last_seq
        found = (
            self._reader.records(after, last)
            if entity is None
            else self._reader.records_of(entity, after, last)
        )
        return found if limit is None else islice(found, limit)

    def records_marked(self, after: int = 0) -> Iterator[tuple[Record, bool]]:
        """Records behind ``after``, each with whether its order has a closed row."""
        return self._reader.records_marked(after, self.last_seq)

    def removed(self) -> list[Gap]:
        """What retention removed, in order."""
        return self._reader.removed()

    def closed_order(self, client_order_id: str) -> bytes | None:
        """The tombstone of a closed order."""
        return self._lookup.body(_BY_ID, (client_order_id,))

    def closed_orders(self) -> Iterator[tuple[str, bytes]]:
        """Every closed order's id and tombstone."""
        return self._reader.closed()

    def closed_by_intent(self, intent_id: str) -> bytes | None:
        """The tombstone of the order that closed last for this intent."""
        return self._lookup.body(_BY_INTENT, (intent_id,))

    def closed_intents(self) -> Iterator[str]:
        """The intent id of every closed order."""
        return self._reader.closed_intents()

    def closed_by_venue_id(
        self, venue: str, account: str, venue_order_id: str, instrument: str | None = None
    ) -> bytes | None:
        """The tombstone behind a venue's order id."""
        return self._lookup.body(_BY_VENUE_ID, (venue, account, venue_order_id, instrument))

    def has_fill(
        self, venue: str, account: str, instrument: str, side: str, exec_id: str
    ) -> str | None:
        """The client order id this execution is booked on."""
        rows = self._lookup.ask(FILL_OWNER, (venue, account, instrument, side, exec_id))
        return str(rows[0][0]) if rows else None

    def fills_of(self, client_order_id: str) -> list[FillKey]:
        """The executions booked on an order."""
        rows = self._reader.ask(
            "SELECT venue, account, instrument, side, exec_id FROM fills WHERE client_order_id = ?"
            " ORDER BY 1, 2, 3, 4, 5",
            (client_order_id,),
        )
        return [(str(a), str(b), str(c), str(d), str(e)) for a, b, c, d, e in rows]

    def checkpoint(self, key: str) -> tuple[int, bytes] | None:
        """One checkpoint."""
        return self._reader.checkpoints(self.last_seq, key).get(key)

    def checkpoints(self) -> dict[str, tuple[int, bytes]]:
        """All checkpoints."""
        return self._reader.checkpoints(self.last_seq)
