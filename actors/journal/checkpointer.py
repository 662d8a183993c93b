"""Move the write-ahead log into the journal file, beside the appends.

A checkpoint inside a commit costs 3 to 13 ms, most of it syncs, so a thread with its own connection
does it. SQLite starts the log anew only when a checkpoint has caught up with all commits; under
steady load it may never, so above a size limit the appending thread does one itself, and waits for
it. The log then is small work: most is moved already.

An error here loses nothing: the log is as durable as the file. It is kept for statistics, logged,
and tried again.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path
from typing import Final

from .schema import FAILURES, connect

__all__ = ["LOG_BYTES_MAX", "Checkpointer"]

#: Above this the appending thread checkpoints.
LOG_BYTES_MAX: Final = 32 * 1024 * 1024
_WAKE_BYTES: Final = 8 * 1024 * 1024

logger = logging.getLogger("actors.journal")


class Checkpointer:
    """Owns the thread; :meth:`wrote` and :meth:`catch_up` belong to the appending thread.

    Args:
        path: the journal file.
        log_bytes_max: size of the log above which :meth:`wrote` asks for a blocking checkpoint.
    """

    def __init__(self, path: Path, log_bytes_max: int = LOG_BYTES_MAX) -> None:
        self.done = 0
        self.blocking = 0
        self.error = ""
        self._wake_at = min(_WAKE_BYTES, log_bytes_max // 2)
        self._limit = log_bytes_max
        self._written = 0  # bytes since the thread was woken last
        self._behind = 0  # bytes since a checkpoint ended last
        self._log_bytes = 0  # as the last checkpoint saw it
        self._name = str(path)
        self._db = connect(path, "rw")
        # A later commit's durability rests on the log, not on this; NORMAL syncs in the order that
        # power loss needs.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._page = int(self._db.execute("PRAGMA page_size").fetchone()[0])
        self._running = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(
            target=self._run, name="orderwright-checkpointer", daemon=True
        )
        self._thread.start()

    def wrote(self, size: int) -> bool:
        """Count what an append added to the log (roughly); True when :meth:`catch_up` is due."""
        self._written += size
        if self._written < self._wake_at:
            return False
        self._behind += self._written
        self._written = 0
        self._wake.set()
        return self._behind > self._limit or self._log_bytes > self._limit

    def catch_up(self, writer: sqlite3.Connection) -> None:
        """Checkpoint on the appending thread, so that the log starts anew.

        Waits for one that is running, and for no reader: it moves what it may, which is all of it
        unless a reader still needs the log, as nobody commits meanwhile.
        """
        with self._running:
            self.blocking += 1
            self._checkpoint(writer)
            # When a reader holds on to the log it cannot start anew: try again a limit's worth of
            # appends later.
            self._log_bytes = 0

    def close(self) -> None:
        """End the thread, after the checkpoint it may be in."""
        self._closing = True
        self._wake.set()
        self._thread.join()
        self._db.close()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._closing:
                return
            with self._running:
                self._checkpoint(self._db)

    def _checkpoint(self, db: sqlite3.Connection) -> None:
        try:
            _, frames, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except FAILURES as error:
            self.error = str(error)
            logger.warning(
                "a checkpoint failed; the log keeps its commits", extra={"journal": self._name}
            )
        else:
            self.error = ""
            self.done += 1
            self._log_bytes = frames * (self._page + 24)
        self._behind = 0
