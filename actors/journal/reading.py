"""Read a journal file: records checked as they are read, lookups, and the full inspection.

Records are read in pieces, each in a short transaction of its own, so a slow reader never holds the
write-ahead log. A reader is for any thread; it is not the appending connection, so it sees what is
committed and nothing else.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

from engine.errors import JournalCorrupt, JournalError
from engine.journal import Defect, Record, chain, genesis, verify_chain

from .lock import is_owned
from .opening import Identity, read_identity
from .schema import FAILURES, body_check, closed_check, connect, translate
from .wal import find_damage

__all__ = ["Reader"]

_PIECE: Final = 1024  # records in one transaction
_DEFECTS_MAX: Final = 1000  # a person needs the first few; a wrong file has one per record

_ALL: Final = """SELECT seq, ts, entity, kind, body, checksum, 0 FROM facts
    WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"""
_OPEN: Final = """SELECT seq, ts, entity, kind, body, checksum,
    EXISTS (SELECT 1 FROM closed WHERE client_order_id = entity) FROM facts
    WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"""
_OF_ENTITY: Final = """SELECT f.seq, f.ts, f.entity, f.kind, f.body, f.checksum, p.checksum
    FROM facts f LEFT JOIN facts p ON p.seq = f.seq - 1
    WHERE f.seq > ? AND f.seq <= ? AND f.entity = ? ORDER BY f.seq LIMIT ?"""
_CLOSED: Final = """SELECT client_order_id, intent_id, venue, account, instrument, state, cum_qty,
    closed_ts, body, seq, checksum FROM closed"""

#: By row, not by id: a damaged id may be no text to ask with.
_CLOSED_BY_ROW: Final = """SELECT client_order_id, intent_id, venue, account, instrument, state,
    cum_qty, closed_ts, body, seq, checksum, rowid FROM closed
    WHERE rowid > ? ORDER BY rowid LIMIT ?"""

#: A row of any of our tables: what a damaged file can hold has no type.
Row = tuple[object, ...]


class Reader:
    """One read-only connection and the questions one can ask it.

    Raises (from every method):
        JournalCorrupt: something does not agree; names file and record.
        JournalUnavailable: the file cannot be read.
    """

    def __init__(self, path: Path, shared: sqlite3.Connection | None = None) -> None:
        """Open ``path``, or ask over ``shared``, whose owner guards it with :attr:`lock`."""
        self.path = path
        self.name = str(path)
        self.lock = threading.Lock()
        self._owns = shared is None
        try:
            self.db, self.identity = (
                self._open() if shared is None else (shared, read_identity(shared, self.name))
            )
            try:
                stored = dict(self.db.execute("SELECT key, value FROM meta"))
            except FAILURES:
                self.close()
                raise
        except FAILURES as error:
            raise translate(error, self.name, "read it") from None
        self.head: tuple[object, object] = stored.get("head_seq", 0), stored.get("head_check", 0)
        self.removable_to = int(stored.get("removable_to", 0))

    def _open(self) -> tuple[sqlite3.Connection, Identity]:
        try:
            return self._open_as("ro")
        except sqlite3.OperationalError:
            # On a read-only disk SQLite cannot make the files that readers of a log share. Without
            # a log there is nothing to share, and nobody can write.
            log = self.path.with_name(self.path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            return self._open_as("immutable")

    def _open_as(self, mode: Literal["ro", "immutable"]) -> tuple[sqlite3.Connection, Identity]:
        db = connect(self.path, mode)
        try:
            return db, read_identity(db, self.name)
        except (*FAILURES, JournalError):
            db.close()
            raise

    def close(self) -> None:
        """Close the connection, if it is its own."""
        if self._owns:
            self.db.close()

    def ask(self, sql: str, cells: Row = ()) -> list[tuple[object, ...]]:
        """Every row of the answer; text that is no UTF-8 any more comes with surrogates in it."""
        with self.lock:
            try:
                try:
                    return self.db.execute(sql, cells).fetchall()
                except sqlite3.OperationalError as error:
                    if "decode to UTF-8" not in str(error):
                        raise
                self.db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
                try:
                    return self.db.execute(sql, cells).fetchall()
                finally:
                    self.db.text_factory = str
            except FAILURES as error:
                raise translate(error, self.name, "read it") from None

    def body(self, sql: str, cells: Row) -> bytes | None:
        """The tombstone in the first row of a query over ``closed``, proven by its checksum."""
        rows = self.ask(sql, cells)
        if not rows:
            return None
        row = rows[0]
        if not _closed_agrees(row):
            raise JournalCorrupt(
                f"{self.name}: {_closed_defect(row)}. Keep the file and run verify"
            )
        return row[8]  # type: ignore[return-value]  # bytes: its checksum agrees

    def closed(self) -> Iterator[tuple[str, bytes]]:
        """Every closed order's id and tombstone, read in pieces and in order of the ids."""
        after = ""
        while rows := self.ask(
            f"{_CLOSED} WHERE client_order_id > ? ORDER BY client_order_id LIMIT ?", (after, _PIECE)
        ):
            for row in rows:
                if not _closed_agrees(row):
                    raise JournalCorrupt(
                        f"{self.name}: {_closed_defect(row)}. Keep the file and run verify"
                    )
                after = str(row[0])
                yield after, row[8]  # type: ignore[misc]  # bytes: its checksum agrees

    def tail(self) -> tuple[int, int]:
        """Number and check of the last record.

        It is proven against the one before it, and against the last clean end.

        Raises:
            JournalCorrupt: it does not agree, or records that were there at the last clean end are
                missing.
        """
        rows = self.ask(_ALL.replace("ORDER BY seq", "ORDER BY seq DESC"), (0, 2**63 - 1, 2))
        seq = check = 0
        if rows:
            last = _record(rows[0])
            seq, check = last.seq, last.check
            before = _record(rows[1]) if len(rows) > 1 else None
            start = (before.check, before.seq) if before else (self.genesis, 0)
            for defect in verify_chain((last,), *start, self.removable_to):
                raise self.corrupt(defect)
        head_seq, head_check = self.head
        if head_seq:
            found = self.ask("SELECT checksum FROM facts WHERE seq = ?", (head_seq,))
            if found != [(head_check,)]:
                raise JournalCorrupt(
                    f"{self.name}: record {head_seq} was the last one when it was closed, and is"
                    f" missing or another now; the file ends with record {seq}. Nothing was"
                    " changed; restore a copy"
                )
        return seq, (check if rows else self.genesis)

    @property
    def genesis(self) -> int:
        """The check before record 1."""
        return genesis(self.identity.engine_id, self.identity.incarnation)

    def corrupt(self, defect: Defect) -> JournalCorrupt:
        """The error for a defect."""
        return JournalCorrupt(
            f"{self.name}: {defect.what}. Nothing was changed; run verify to see all of it, and"
            " restore a copy"
        )

    # --- records ----------------------------------------------------------------------------------

    def records(self, after: int, last: int, open_only: bool) -> Iterator[Record]:
        """Every record in (after, last], each checked; on demand without closed orders'."""
        sql = _OPEN if open_only else _ALL
        previous = self._check_of(after) if after < last else 0
        while after < last:
            rows = self.ask(sql, (after, last, _PIECE))
            for row in rows:
                record = _record(row)
                seq, ts, entity, kind, body, check = record
                try:
                    agrees = (
                        body
                        and seq == after + 1
                        and chain(previous, seq, ts, entity, kind, body) == check
                    )
                except (ValueError, TypeError):  # text that is none, or a number where text was
                    agrees = False
                if not agrees:
                    for defect in verify_chain((record,), previous, after, self.removable_to):
                        raise self.corrupt(defect)
                previous, after = check, seq
                if not row[6]:
                    yield record
            if not rows:
                raise self.corrupt(Defect(after + 1, f"records {after + 1} to {last} are missing"))

    def records_of(self, entity: str, after: int, last: int) -> Iterator[Record]:
        """The records of one entity, each checked against the number stored before it."""
        while True:
            rows = self.ask(_OF_ENTITY, (after, last, entity, _PIECE))
            for row in rows:
                record = _record(row)
                after = record.seq
                previous = self.genesis if after == 1 else row[6]
                if not isinstance(previous, int):
                    raise self.corrupt(Defect(after - 1, f"record {after - 1} is missing"))
                for defect in verify_chain((record,), previous, after - 1, self.removable_to):
                    raise self.corrupt(defect)
                yield record
            if len(rows) < _PIECE:
                return

    def _check_of(self, seq: int) -> int:
        if not seq:
            return self.genesis
        rows = self.ask("SELECT checksum FROM facts WHERE seq = ?", (seq,))
        if rows and isinstance(rows[0][0], int):
            return rows[0][0]
        raise self.corrupt(Defect(seq, f"record {seq} is missing"))

    def checkpoints(self, last: int) -> dict[str, tuple[int, bytes]]:
        """All checkpoints, proven by their checksums."""
        found: dict[str, tuple[int, bytes]] = {}
        for key, seq, body, check in self.ask("SELECT key, seq, body, checksum FROM checkpoints"):
            if not _checkpoint_agrees(key, seq, body, check):
                raise self.corrupt(
                    Defect(0, f"checkpoint {key!r} does not agree with its check number")
                )
            assert isinstance(key, str)
            assert isinstance(seq, int)
            assert isinstance(body, bytes)
            if seq > last:
                raise self.corrupt(Defect(seq, _beyond(f"checkpoint {key!r}", seq, last)))
            found[key] = (seq, body)
        return found

    # --- verify -----------------------------------------------------------------------------------

    def verify(self, progress: Callable[[int], None] | None) -> list[Defect]:
        """Everything that does not agree, in order of the records, at most a thousand."""
        found: list[Defect] = []
        log = self.path.with_name(self.path.name + "-wal")
        if not is_owned(self.path) and (damage := find_damage(log)) is not None:
            found.append(Defect(0, str(damage)))
        last = 0
        try:
            last = self._verify_records(found, progress)
            self._verify_rows(found, last)
            for (line,) in self.ask(f"PRAGMA integrity_check({_DEFECTS_MAX})"):
                if line != "ok":
                    found.append(Defect(0, f"SQLite: {line}"))
        except JournalError as error:
            found.append(Defect(0, str(error)))
        return found[:_DEFECTS_MAX]

    def _verify_records(self, found: list[Defect], progress: Callable[[int], None] | None) -> int:
        reached = 0

        def stream() -> Iterator[Record]:
            nonlocal reached
            position = -(2**63)  # there is no record below 1, unless somebody put it there
            while rows := self.ask(_ALL, (position, 2**63 - 1, _PIECE)):
                yield from map(_record, rows)
                position = reached = int(rows[-1][0])  # type: ignore[call-overload]  # a rowid
                if progress is not None:
                    progress(reached)

        try:
            for defect in verify_chain(stream(), self.genesis, 0, self.removable_to):
                found.append(defect)
                if len(found) >= _DEFECTS_MAX:
                    break
            self.tail()
        except JournalError as error:
            if not found or found[-1].what not in str(error):
                found.append(Defect(reached + 1, f"behind record {reached}: {error}"))
        return reached

    def _verify_rows(self, found: list[Defect], last: int) -> None:
        position: object = -(2**63)
        while rows := self.ask(_CLOSED_BY_ROW, (position, _PIECE)):
            for row in rows:
                if not _closed_agrees(row):
                    found.append(Defect(0, _closed_defect(row)))
                elif isinstance(row[9], int) and row[9] > last:
                    found.append(Defect(row[9], _beyond(f"closed order {row[0]!r}", row[9], last)))
            position = rows[-1][11]
        for name, seq, body, check in self.ask("SELECT key, seq, body, checksum FROM checkpoints"):
            if not _checkpoint_agrees(name, seq, body, check):
                found.append(Defect(0, f"checkpoint {name!r} does not agree with its check number"))
            elif isinstance(seq, int) and seq > last:
                found.append(Defect(seq, _beyond(f"checkpoint {name!r}", seq, last)))


def _record(row: Row) -> Record:
    seq, ts, entity, kind, body, check = row[:6]
    # In a damaged file these may be of any type; the chain finds out, so a cast per field would
    # only cost time.
    return Record(seq, ts, entity, kind, body or b"", check)  # type: ignore[arg-type]


def _closed_agrees(row: Row) -> bool:
    try:
        return closed_check(row[:9]) == row[10]  # type: ignore[arg-type]
    except (TypeError, ValueError, AttributeError, OverflowError):
        return False


def _closed_defect(row: Row) -> str:
    return f"the row of closed order {row[0]!r} does not agree with its check number"


def _checkpoint_agrees(key: object, seq: object, body: object, check: object) -> bool:
    if not (isinstance(key, str) and isinstance(seq, int) and isinstance(body, bytes)):
        return False
    try:
        return body_check(key, seq, body) == check
    except (UnicodeEncodeError, OverflowError):
        return False


def _beyond(what: str, seq: int, last: int) -> str:
    return f"{what} was written with record {seq}, but the journal ends with record {last}"
