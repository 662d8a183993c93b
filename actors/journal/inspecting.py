"""The full inspection of a journal file: every record and row, and what of it does not agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from engine.errors import JournalCorrupt, JournalError
from engine.journal import Defect, Record, verify_chain

from .lock import is_owned
from .reading import (
    PIECE,
    Reader,
    Row,
    beyond,
    checkpoint_agrees,
    closed_agrees,
    closed_defect,
    gap_before,
    record_of,
)
from .removal import Gap
from .wal import find_damage

__all__ = ["inspect"]

_DEFECTS_MAX: Final = 1000  # a person needs the first few; a wrong file has one per record

#: By row, not by id: a damaged id may be no text to ask with.
_CLOSED_BY_ROW: Final = """SELECT client_order_id, intent_id, venue, account, instrument, state,
    cum_qty, closed_ts, body, seq, checksum, rowid FROM closed
    WHERE rowid > ? ORDER BY rowid LIMIT ?"""


def inspect(reader: Reader, progress: Callable[[int], None] | None) -> list[Defect]:
    """Everything that does not agree, in order of the records, at most a thousand."""
    found: list[Defect] = []
    log = reader.path.with_name(reader.path.name + "-wal")
    if not is_owned(reader.path) and (damage := find_damage(log)) is not None:
        found.append(Defect(0, str(damage)))
    last = 0
    try:
        last = _records(reader, found, progress)
        _rows(reader, found, last)
        for (line,) in reader.ask(f"PRAGMA integrity_check({_DEFECTS_MAX})"):
            if line != "ok":
                found.append(Defect(0, f"SQLite: {line}"))
    except JournalError as error:
        found.append(Defect(0, str(error)))
    return found[:_DEFECTS_MAX]


def _records(reader: Reader, found: list[Defect], progress: Callable[[int], None] | None) -> int:
    """The chain, and the gaps that retention left in it; the number of the last record."""
    position = -(2**63)  # there is no record below 1, unless somebody put it there
    chain = _Chain(reader)
    try:
        while rows := reader.ask(reader.all, (position, 2**63 - 1, PIECE)):
            for defect in chain.defects(rows):
                found.append(defect)
                if len(found) >= _DEFECTS_MAX:
                    return chain.reached
            if chain.reached <= position:
                raise _going_round(reader, "facts")
            position = chain.reached
            if progress is not None:
                progress(position)
        found.extend(chain.unused(reader.removed()))
        reader.tail()
    except JournalError as error:
        if not found or found[-1].what not in str(error):
            found.append(Defect(chain.reached + 1, f"behind record {chain.reached}: {error}"))
    return chain.reached


class _Chain:
    """The chain as far as it was read."""

    def __init__(self, reader: Reader) -> None:
        self.reached = 0  # the last row seen, whatever is wrong with it
        self._reader = reader
        self._previous = reader.genesis
        self._after = 0
        self._removable_to = reader.removable_to
        self._used: dict[int, int] = {}  # gaps that fit: first -> last

    def defects(self, rows: list[Row]) -> Iterator[Defect]:
        """What does not agree in the next rows."""
        stretch: list[Record] = []
        for row in rows:
            record = record_of(row)
            behind = stretch[-1].seq if stretch else self._after
            gap = gap_before(row)
            if record.seq > behind + 1 and (gap is None or gap.first != behind + 1):
                gap = self._gap_behind(behind, record.seq)
            if gap is not None and gap.first == behind + 1:
                yield from self._judge(stretch)
                self._used[gap.first] = gap.last
                self._previous, self._after = gap.check, gap.last
                stretch = []
            stretch.append(record)
        yield from self._judge(stretch)
        self.reached = int(rows[-1][0])  # type: ignore[call-overload]  # a rowid

    def _gap_behind(self, behind: int, seq: int) -> Gap | None:
        """The gap that begins there, although more is missing than it tells of."""
        for gap in self._reader.removed():
            if gap.first == behind + 1 and gap.last < seq:
                return gap
        return None

    def _judge(self, stretch: list[Record]) -> Iterator[Defect]:
        """Records side by side; behind them the chain goes on from the last that is in order."""
        yield from verify_chain(stretch, self._previous, self._after, self._removable_to)
        for record in reversed(stretch):
            if record.seq > self._after:
                self._previous, self._after = record.check, record.seq
                return

    def unused(self, gaps: list[Gap]) -> Iterator[Defect]:
        """Gaps that are noted where no record is missing."""
        for first, last, _ in gaps:
            if self._used.get(first) != last:
                yield Defect(
                    first,
                    f"records {first} to {last} are noted as removed, and that does not fit the"
                    " records that are there",
                )


def _going_round(reader: Reader, table: str) -> JournalCorrupt:
    """A damaged tree can lead back to where it was read before, for ever."""
    return reader.corrupt(Defect(0, f"the table {table!r} does not come to an end"))


def _rows(reader: Reader, found: list[Defect], last: int) -> None:
    """Closed orders and checkpoints, by the check number of each."""
    position = -(2**63)
    while rows := reader.ask(_CLOSED_BY_ROW, (position, PIECE)):
        for row in rows:
            if not closed_agrees(row):
                found.append(Defect(0, closed_defect(row)))
            elif isinstance(row[9], int) and row[9] > last:
                found.append(Defect(row[9], beyond(f"closed order {row[0]!r}", row[9], last)))
        if not isinstance(rows[-1][11], int) or rows[-1][11] <= position:
            raise _going_round(reader, "closed")
        position = rows[-1][11]
    for name, seq, body, check in reader.ask("SELECT key, seq, body, checksum FROM checkpoints"):
        if not checkpoint_agrees(name, seq, body, check):
            found.append(Defect(0, f"checkpoint {name!r} does not agree with its check number"))
        elif isinstance(seq, int) and seq > last:
            found.append(Defect(seq, beyond(f"checkpoint {name!r}", seq, last)))
