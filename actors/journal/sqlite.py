"""The journal on disk: SQLite with a write-ahead log, one transaction a turn.

Speed comes from few steps: `sqlite3` gives up the interpreter lock at each, and beside a busy host
thread waits 5 ms to get it back. So each table is one INSERT of many rows, and a turn that touches
one table is that statement alone.

`durability="process"`: a commit is in the kernel's hands; it survives every death of this process,
`kill -9` too. `durability="power"`: a commit is on the disk; it survives the machine. See
:data:`~actors.journal.schema.SYNCHRONOUS`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from itertools import chain as flatten
from pathlib import Path
from typing import Final, Self

from engine.errors import InvalidValue, JournalCorrupt, JournalUnavailable
from engine.journal import Defect, chain

from .checkpointer import LOG_BYTES_MAX, Checkpointer
from .inspecting import inspect
from .lock import OwnerLock
from .lookups import FILL_OWNER, Lookups
from .opening import create, new_identity, real_path, refuse_path, refuse_torn_log
from .port import Batch, DuplicateExecution, FillKey, Statistics
from .pruning import prune_piece, vacuum
from .reading import Reader
from .removal import PIECE, Pruned
from .schema import (
    FAILURES,
    GROUP_FACTS,
    REMOVED,
    SYNCHRONOUS,
    Durability,
    body_check,
    closed_check,
    connect,
    translate,
)
from .tables import CHECKPOINTS, CLOSED, FACTS, FILLS, ROWS_MAX, VENUE_IDS

__all__ = ["SqliteJournal"]

_PAGE: Final = 4120  # bytes in the log for each page that a commit touches

#: Failures that are about a row, not about the file.
_CALLERS: Final = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
)


class SqliteJournal(Lookups):
    """A journal file, owned by this object from construction to :meth:`close`, or only read.

    Args:
        path: the file; made when it does not exist. ``-wal``, ``-shm`` and ``-lock`` are kept
            beside it.
        durability: what a commit survives: the ``process``, or the ``power``.
        read_only: look at it, also while its owner runs. Nothing is locked or written.
        engine_id: three characters that name the engine; must match when the journal exists. ""
            takes what is there.
        accept_torn: go on though the write-ahead log lost commits at its end; a copy of the log is
            kept.
        incarnation: for a new journal; drawn at random when "".
        created_ts: for a new journal, UTC ns; the clock's when None.
        log_bytes_max: size of the write-ahead log above which an append waits for a checkpoint.

    Raises:
        JournalLocked, JournalSchemaError, JournalCorrupt, JournalUnavailable, InvalidValue: it
            cannot be opened; the message says why and what to do. Nothing was changed.
    """

    def __init__(
        self,
        path: str | Path,
        durability: Durability = "process",
        *,
        read_only: bool = False,
        engine_id: str = "",
        accept_torn: bool = False,
        incarnation: str = "",
        created_ts: int | None = None,
        log_bytes_max: int = LOG_BYTES_MAX,
    ) -> None:
        if durability not in SYNCHRONOUS:
            raise InvalidValue(f"durability must be 'process' or 'power', was {durability!r}")
        self.name = str(path)
        self.durability: Durability = durability
        self._path = real_path(path)
        self._closed = False
        self._appends = 0
        self._writer: sqlite3.Connection | None = None
        self._checkpointer: Checkpointer | None = None
        self._owner: OwnerLock | None = None
        refuse_path(self._path, read_only)
        identity = new_identity(engine_id, incarnation, created_ts)
        if not read_only:
            self._owner = OwnerLock(self._path)
        try:
            if not self._path.exists():
                create(self._path, identity)
            if not read_only:
                refuse_torn_log(self._path, accept_torn)
            self._reader = Reader(self._path)
            self._open(engine_id, None if read_only else SYNCHRONOUS[durability], log_bytes_max)
            # Beside a committer thread a lookup must not see half a transaction or wait for a disk.
            self._lookup = self._reader
            self._lock = threading.Lock()
            if durability == "process" and not read_only:
                self._lookup = Reader(self._path, self._writer)
                self._lock = self._lookup.lock
        except BaseException:
            self._give_back()
            raise

    def _open(self, engine_id: str, synchronous: str | None, log_bytes_max: int) -> None:
        """Check whose journal it is and how it ends; then get ready to write, or only to read."""
        identity = self._reader.identity
        if engine_id and engine_id != identity.engine_id:
            raise InvalidValue(
                f"{self.name} is the journal of engine {identity.engine_id!r}, not of"
                f" {engine_id!r}; give each engine its own journal"
            )
        self.engine_id, self.incarnation, self.created_ts = identity
        self._seq, self._check = self._reader.tail()
        if synchronous is None:
            return
        try:
            self._writer = connect(self._path, "rw")
            self._cursor = self._writer.cursor()
            self._writer.execute("PRAGMA wal_autocheckpoint = 0")
            self._writer.execute(f"PRAGMA synchronous = {synchronous}")
            self._writer.execute(REMOVED)  # journals of before there was retention have none
            self._writer.execute(GROUP_FACTS)  # nor this
            self._reader.knows_gaps(exist=True)
            self._synchronous = synchronous
            self._run = self._cursor.execute
            self._checkpointer = Checkpointer(self._path, log_bytes_max)
        except FAILURES as error:
            raise translate(error, self.name, "open it") from None

    # --- append -----------------------------------------------------------------------------------

    @property
    def last_seq(self) -> int:
        """The number of the last record; a reader beside the owner looks it up."""
        if self._writer is None and not self._closed:
            (count,) = self._reader.ask("SELECT coalesce(max(seq), 0) FROM facts")[0]
            assert isinstance(count, int)
            return count
        return self._seq

    @property
    def next_seq(self) -> int:
        """The number the next record gets."""
        return self.last_seq + 1

    def append(self, batch: Batch) -> int:
        """Store a batch whole, see :meth:`actors.journal.port.Journal.append`."""
        with self._lock:
            if self._writer is None:
                raise JournalUnavailable(f"{self.name} {self._why_not()}; nothing was stored")
            size = 0
            seq, check = self._seq, self._check
            cells: list[object] = []
            for ts, entity, kind, body in batch.facts:
                seq += 1
                check = chain(check, seq, ts, entity, kind, body)
                cells += (seq, ts, entity, kind, body, check)
                size += len(body)
            try:
                self._store(batch, cells, seq)
            except (*FAILURES, UnicodeEncodeError, OverflowError) as error:
                self._roll_back()
                raise self._explain(error, batch) from None
            finally:
                self._roll_back()  # also when interrupted; after a commit it does nothing
            self._seq, self._check = seq, check
            self._appends += 1
            pages = 2 + len(batch.fills) + 3 * len(batch.closed) + len(batch.checkpoints)
            self._note_written(size + pages * _PAGE)
            return seq

    def _note_written(self, size: int) -> None:
        """Have the log moved into the file when there is enough of it."""
        assert self._checkpointer is not None
        assert self._writer is not None
        if self._checkpointer.wrote(size):
            self._checkpointer.catch_up(self._writer)

    def _why_not(self) -> str:
        return "is closed" if self._closed else "was opened with read_only=True"

    def _store(self, batch: Batch, facts: list[object], seq: int) -> None:
        run, fills, closed, venue_ids = self._run, batch.fills, batch.closed, batch.venue_ids
        if (
            not (fills or closed or venue_ids or batch.has_rare_rows)
            and len(batch.facts) <= ROWS_MAX
        ):
            if facts:
                FACTS.insert(run, facts)  # alone: SQLite commits it by itself
            return
        run("BEGIN IMMEDIATE")
        if facts:
            FACTS.insert(run, facts)
        if fills:
            FILLS.insert(run, list(flatten.from_iterable(fills)))
        if batch.has_rare_rows:
            self._store_rare(batch, seq)
        if closed:
            cells: list[object] = []
            for row in closed:
                cells += row
                cells += (seq, closed_check(row))
            CLOSED.insert(run, cells)
        if venue_ids:
            VENUE_IDS.insert(run, list(flatten.from_iterable(venue_ids)))
        run("COMMIT")

    def _store_rare(self, batch: Batch, seq: int) -> None:
        run = self._run
        for client_order_id in batch.reopened:
            run("DELETE FROM closed WHERE client_order_id = ?", (client_order_id,))
        for key in batch.checkpoints_removed:
            run("DELETE FROM checkpoints WHERE key = ?", (key,))
        if batch.checkpoints:
            cells: list[object] = []
            for key, body in batch.checkpoints.items():
                cells += (key, seq, body, body_check(key, seq, body))
            CHECKPOINTS.insert(run, cells)

    def _roll_back(self) -> None:
        if self._writer is not None and self._writer.in_transaction:
            try:
                self._writer.execute("ROLLBACK")
            except (
                sqlite3.Error
            ):  # after some errors SQLite has rolled back by itself; what counts is that it ended
                if self._writer.in_transaction:
                    raise

    def _explain(self, error: Exception, batch: Batch) -> Exception:
        """The typed error for a refused batch. It is called after the rollback."""
        doing = f"store records {self._seq + 1} and on"
        if isinstance(error, sqlite3.IntegrityError):
            try:
                found = self._duplicate(batch)
            except FAILURES as failure:
                return translate(failure, self.name, doing)
            if found is not None:
                return found
            if "facts.seq" in str(error):
                return JournalCorrupt(
                    f"{self.name}: record {self._seq + 1} is there already, so another program"
                    " writes to this file; nothing was stored. Stop it, and verify the journal"
                )
        if isinstance(error, FAILURES) and not isinstance(error, _CALLERS):
            return translate(error, self.name, doing)
        return InvalidValue(
            f"{self.name}: a row cannot be stored: {error}; nothing of its batch was"
        )

    def _duplicate(self, batch: Batch) -> DuplicateExecution | None:
        """The first fill of a batch that is booked, before it or in it."""
        seen: dict[FillKey, str] = {}
        for venue, account, instrument, side, exec_id, claimant in batch.fills:
            key = (venue, account, instrument, side, exec_id)
            row = self._run(FILL_OWNER, key).fetchone()
            owner = seen.get(key) if row is None else str(row[0])
            if owner is not None:
                return DuplicateExecution(self.name, key, owner, claimant)
            seen[key] = claimant
        return None

    # --- retention --------------------------------------------------------------------------------

    def prune(
        self,
        after: int,
        up_to: int,
        before_ts: int | None = None,
        rows: int = PIECE,
        *,
        dry_run: bool = False,
    ) -> Pruned:
        """One piece of retention, see :meth:`actors.journal.port.Journal.prune`."""
        db = self._reader.db if dry_run else self._writer
        with self._reader.lock if dry_run else self._lock:
            if db is None:
                raise JournalUnavailable(f"{self.name} {self._why_not()}; nothing was removed")
            try:
                if not dry_run and self._synchronous == SYNCHRONOUS["power"]:
                    db.execute("PRAGMA synchronous = NORMAL")  # its loss would lose nothing
                end = self._seq, self._check
                pruned = prune_piece(db, end, after, up_to, before_ts, rows, dry_run=dry_run)
            except FAILURES as error:
                raise translate(error, self.name, "remove records") from None
            except TypeError as error:  # a number where text was, or the other way round
                raise JournalCorrupt(f"{self.name}: a row is damaged: {error}") from None
            finally:
                if not dry_run:
                    self._roll_back()
                    if self._synchronous == SYNCHRONOUS["power"]:
                        db.execute(f"PRAGMA synchronous = {self._synchronous}")
            if pruned.removed and not dry_run:
                self._note_written(_PAGE * (8 + pruned.removed // 16 + pruned.orders // 2))
            return pruned

    def vacuum(self) -> None:
        """Give the room of what was removed back to the file system, all at once.

        For a journal at rest: it copies the file, and needs as much room again meanwhile.

        Raises:
            JournalUnavailable: there is no room for it; the journal is as it was.
        """
        with self._lock:
            if self._writer is None:
                raise JournalUnavailable(f"{self.name} {self._why_not()}; nothing was changed")
            try:
                vacuum(self._writer)
            except FAILURES as error:
                raise translate(error, self.name, "vacuum it") from None

    # --- the rest ---------------------------------------------------------------------------------

    def statistics(self) -> Statistics:
        """How it is doing."""
        log = self._path.with_name(self._path.name + "-wal")
        file_bytes, log_bytes = (
            path.stat().st_size if path.exists() else 0 for path in (self._path, log)
        )
        worker = self._checkpointer
        counts = (worker.done, worker.blocking, worker.error) if worker is not None else (0, 0, "")
        return Statistics(self.last_seq, self._appends, file_bytes, log_bytes, *counts)

    def verify(self, progress: Callable[[int], None] | None = None) -> list[Defect]:
        """Read everything and name what does not agree."""
        return inspect(self._reader, progress)

    # --- close ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Note where the journal ends, move the log into the file, and give the journal back."""
        if self._closed:
            return
        with self._lock:
            self._closed = True
            try:
                self._note_end()
            finally:
                self._give_back()

    def _note_end(self) -> None:
        if self._writer is None or not self._seq:
            return
        head = ("head_seq", self._seq, "head_check", self._check)
        try:
            self._writer.execute("INSERT OR REPLACE INTO meta VALUES (?, ?), (?, ?)", head)
        except FAILURES:
            # On a full disk every record is safe; only this extra proof is an older one.
            self._roll_back()

    def _give_back(self) -> None:
        try:
            if self._checkpointer is not None:
                self._checkpointer.close()
            reader = getattr(self, "_reader", None)
            if reader is not None:
                reader.close()
            if self._writer is not None:
                self._cursor.close()  # a statement that failed half-way would keep it open
                self._writer.close()  # the last connection moves the log into the file
                self._writer = None
        finally:
            if self._owner is not None:
                self._owner.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
