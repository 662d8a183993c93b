"""Read a journal file: records checked as they are read, and rows by their keys.

Records are read in pieces, each in a short transaction of its own, so a slow reader never holds the
write-ahead log. A reader is for any thread; it is not the appending connection, so it sees what is
committed and nothing else.
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from engine.errors import JournalCorrupt, JournalError
from engine.journal import Defect, Record, chain, genesis, verify_chain

from .opening import Identity, read_identity
from .removal import Gap, unpack
from .schema import FAILURES, OF_GROUPS, body_check, closed_check, connect, translate

__all__ = [
    "PIECE",
    "Reader",
    "Row",
    "beyond",
    "checkpoint_agrees",
    "closed_agrees",
    "closed_defect",
    "gap_before",
    "record_of",
]

PIECE: Final = 1024  # records in one transaction

#: Records behind the first, up to the second number, at most the third; whether the order is
#: closed; and the gap that ends right before, in the same statement: retention may run beside us.
_RECORDS: Final = """SELECT f.seq, f.ts, f.entity, f.kind, f.body, f.checksum, {closed}, {gap}
    WHERE f.seq > ? AND f.seq <= ? ORDER BY f.seq LIMIT ?"""
_IS_CLOSED: Final = "EXISTS (SELECT 1 FROM closed WHERE client_order_id = f.entity)"
_OF_ENTITY: Final = """SELECT f.seq, f.ts, f.entity, f.kind, f.body, f.checksum, p.checksum, {gap}
    LEFT JOIN facts p ON p.seq = f.seq - 1
    WHERE f.seq > ? AND f.seq <= ? AND f.entity = ?{which} ORDER BY f.seq LIMIT ?"""
_OF_GROUP: Final = f" AND f.{OF_GROUPS.format('f.')}"
_GAP: Final = "r.first, r.checksum FROM facts f LEFT JOIN removed r ON r.last = f.seq - 1"
_NO_GAP: Final = "NULL, NULL FROM facts f"  # a journal of before there was retention, only read
_CLOSED: Final = """SELECT client_order_id, intent_id, venue, account, instrument, state, cum_qty,
    closed_ts, body, seq, checksum FROM closed"""
_HAS_GAPS: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'removed'"
_HEAD: Final = """SELECT m.value, f.checksum, (SELECT value FROM meta WHERE key = 'head_check')
    FROM meta m LEFT JOIN facts f ON f.seq = m.value WHERE m.key = 'head_seq'"""

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
        self.removable_to = int(stored.get("removable_to", 0))
        self.knows_gaps(exist=bool(self.ask(_HAS_GAPS)))

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

    def knows_gaps(self, *, exist: bool) -> None:
        """Say whether this journal has a table for what retention removes."""
        self._gap = _GAP if exist else _NO_GAP
        self.all = _RECORDS.format(closed="0", gap=self._gap)

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
        return self._tombstone(rows[0])

    def closed(self) -> Iterator[tuple[str, bytes]]:
        """Every closed order's id and tombstone, read in pieces and in order of the ids."""
        after = ""
        while rows := self.ask(
            f"{_CLOSED} WHERE client_order_id > ? ORDER BY client_order_id LIMIT ?", (after, PIECE)
        ):
            for row in rows:
                body = self._tombstone(row)
                if after and str(row[0]).encode() <= after.encode():
                    raise self.corrupt(Defect(0, "closed orders do not come to an end"))
                after = str(row[0])
                yield after, body

    def closed_intents(self) -> Iterator[str]:
        """The intent id of every closed order; one that several orders have comes at least once."""
        sql = "SELECT intent_id FROM closed WHERE intent_id {} ? ORDER BY intent_id LIMIT ?"
        rows = self.ask(sql.format(">="), ("", PIECE))
        while rows:
            yield from (str(row[0]) for row in rows)
            rows = self.ask(sql.format(">"), (rows[-1][0], PIECE))

    def _tombstone(self, row: Row) -> bytes:
        """The tombstone in a row of ``closed``, as it was before retention packed it."""
        if closed_agrees(row):
            try:
                return unpack(row[8])  # type: ignore[arg-type]  # bytes: its checksum agrees
            except zlib.error as error:
                raise JournalCorrupt(
                    f"{self.name}: the packed tombstone of {row[0]!r} cannot be read: {error}"
                ) from None
        raise JournalCorrupt(f"{self.name}: {closed_defect(row)}. Keep the file and run verify")

    def tail(self) -> tuple[int, int]:
        """Number and check of the last record.

        It is proven against the one before it, and against the last clean end.

        Raises:
            JournalCorrupt: it does not agree, or records that were there at the last clean end are
                missing.
        """
        rows = self.ask(
            self.all.replace("ORDER BY f.seq", "ORDER BY f.seq DESC"), (0, 2**63 - 1, 2)
        )
        seq = check = 0
        if rows:
            last = record_of(rows[0])
            seq, check = last.seq, last.check
            gap = gap_before(rows[0])
            if gap is not None:
                start = gap.check, gap.last
            elif len(rows) > 1:
                before = record_of(rows[1])
                start = before.check, before.seq
            else:
                start = self.genesis, 0
            for defect in verify_chain((last,), *start, self.removable_to):
                raise self.corrupt(defect)
        for head_seq, found, head_check in self.ask(_HEAD):
            if head_seq and found != head_check:
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

    def records(self, after: int, last: int) -> Iterator[Record]:
        """Every record in (after, last] that is left, each checked."""
        for found, _ in self._pieces(self.all, after, last):
            yield from found

    def records_marked(self, after: int, last: int) -> Iterator[tuple[Record, bool]]:
        """As :meth:`records`, each with whether its order has a closed row."""
        sql = _RECORDS.format(closed=_IS_CLOSED, gap=self._gap)
        for found, rows in self._pieces(sql, after, last):
            for record, row in zip(found, rows, strict=False):
                yield record, bool(row[6])

    def _pieces(self, sql: str, after: int, last: int) -> Iterator[tuple[list[Record], list[Row]]]:
        """Records and their rows, piece by piece; what does not agree is raised in its place."""
        previous = self._check_of(after) if after < last else 0
        while after < last:
            rows = self.ask(sql, (after, last, PIECE))
            if not rows:
                raise self.corrupt(Defect(after + 1, f"records {after + 1} to {last} are missing"))
            found: list[Record] = []
            for row in rows:
                record = record_of(row)
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
                    gap = gap_before(row)
                    if gap is not None and gap.first <= after + 1 and after <= gap.last:
                        previous, after = gap.check, gap.last
                    for defect in verify_chain((record,), previous, after, self.removable_to):
                        yield found, rows
                        raise self.corrupt(defect)
                previous, after = check, seq
                found.append(record)
            yield found, rows

    def records_of(self, entity: str, after: int, last: int) -> Iterator[Record]:
        """The records of one entity, each checked against the number stored before it."""
        which = _OF_GROUP if entity.startswith("group:") else ""
        sql = _OF_ENTITY.format(gap=self._gap, which=which)
        while True:
            rows = self.ask(sql, (after, last, entity, PIECE))
            for row in rows:
                record = record_of(row)
                after = record.seq
                gap = gap_before(row)
                previous = self.genesis if after == 1 else row[6] if gap is None else gap.check
                if not isinstance(previous, int):
                    raise self.corrupt(Defect(after - 1, f"record {after - 1} is missing"))
                for defect in verify_chain((record,), previous, after - 1, self.removable_to):
                    raise self.corrupt(defect)
                yield record
            if len(rows) < PIECE:
                return

    def _check_of(self, seq: int) -> int:
        """The check number of a record, so that the one behind it can be proven."""
        if not seq:
            return self.genesis
        rows = self.ask("SELECT checksum FROM facts WHERE seq = ?", (seq,))
        if rows and isinstance(rows[0][0], int):
            return rows[0][0]
        if any(gap.first <= seq <= gap.last for gap in self.removed()):
            return 0  # what is left begins behind that gap, which has the number that counts
        raise self.corrupt(Defect(seq, f"record {seq} is missing"))

    def removed(self) -> list[Gap]:
        """What retention removed, in order."""
        if self._gap is _NO_GAP:
            return []
        return [
            Gap(first, last, check)
            for first, last, check in self.ask(
                "SELECT first, last, checksum FROM removed ORDER BY last"
            )
            if isinstance(first, int) and isinstance(last, int) and isinstance(check, int)
        ]

    def checkpoints(self, last: int, wanted: str | None = None) -> dict[str, tuple[int, bytes]]:
        """All checkpoints, or one, proven by their checksums."""
        found: dict[str, tuple[int, bytes]] = {}
        sql = "SELECT key, seq, body, checksum FROM checkpoints"
        rows = self.ask(sql) if wanted is None else self.ask(f"{sql} WHERE key = ?", (wanted,))
        for key, seq, body, check in rows:
            if not checkpoint_agrees(key, seq, body, check):
                raise self.corrupt(
                    Defect(0, f"checkpoint {key!r} does not agree with its check number")
                )
            assert isinstance(key, str)
            assert isinstance(seq, int)
            assert isinstance(body, bytes)
            if seq > last:
                raise self.corrupt(Defect(seq, beyond(f"checkpoint {key!r}", seq, last)))
            found[key] = (seq, body)
        return found


def record_of(row: Row) -> Record:
    """The record in a row."""
    seq, ts, entity, kind, body, check = row[:6]
    # In a damaged file these may be of any type; the chain finds out, so a cast per field would
    # only cost time.
    return Record(seq, ts, entity, kind, body or b"", check)  # type: ignore[arg-type]


def gap_before(row: Row) -> Gap | None:
    """The gap that ends right before the record in a row."""
    seq, first, check = row[0], row[7], row[8]
    if isinstance(seq, int) and isinstance(first, int) and isinstance(check, int):
        return Gap(first, seq - 1, check)
    return None


def closed_agrees(row: Row) -> bool:
    """Whether a row of ``closed`` is as it was written."""
    try:
        return closed_check(row[:9]) == row[10]  # type: ignore[arg-type]
    except (TypeError, ValueError, AttributeError, OverflowError):
        return False


def closed_defect(row: Row) -> str:
    """What is wrong with it."""
    return f"the row of closed order {row[0]!r} does not agree with its check number"


def checkpoint_agrees(key: object, seq: object, body: object, check: object) -> bool:
    """Whether a checkpoint is as it was written."""
    if not (isinstance(key, str) and isinstance(seq, int) and isinstance(body, bytes)):
        return False
    try:
        return body_check(key, seq, body) == check
    except (UnicodeEncodeError, OverflowError):
        return False


def beyond(what: str, seq: int, last: int) -> str:
    """What is wrong with a row of records that are not there."""
    return f"{what} was written with record {seq}, but the journal ends with record {last}"
