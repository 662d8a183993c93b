"""One owner per journal: a lock that dies with its owner.

A `flock` on a file beside the journal. The kernel gives it back when the process ends, however it
ends, so there is no stale lock to clean up after `kill -9`; and it holds between two systems of one
process, because each opens the file anew. The journal itself is not locked: closing any handle of
it would drop SQLite's own locks in this process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from engine.errors import JournalLocked, JournalUnavailable

__all__ = ["OwnerLock", "is_owned"]


class OwnerLock:
    """Held from construction to :meth:`release`."""

    def __init__(self, journal: Path) -> None:
        """Take the lock, at once or not at all.

        Raises:
            JournalLocked: another system has the journal; names its process.
            JournalUnavailable: the lock file cannot be written (a read-only folder).
        """
        path = _lock_path(journal)
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalUnavailable(
                f"{journal}: cannot lock it: {error.strerror} ({path}). A journal needs a folder"
                " that can be written; to look at one, open it with read_only=True"
            ) from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._handle, 20, 0).decode("ascii", "replace").strip()
            os.close(self._handle)
            if not isinstance(error, BlockingIOError):
                raise JournalUnavailable(f"{journal}: cannot lock it: {error.strerror}") from None
            who = "this process" if owner == str(os.getpid()) else f"process {owner or 'unknown'}"
            raise JournalLocked(
                f"{journal}: {who} has it open. One system owns a journal: stop that one first, or"
                " give this one its own file; to look at it, open it with read_only=True"
            ) from None
        # After the lock, so that a refused system does not erase the owner's number; that number
        # only serves the message above, so on a full disk the lock holds without it.
        with contextlib.suppress(OSError):
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give it back; the file stays, because removing it would race with the next owner."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def is_owned(journal: Path) -> bool:
    """Whether a system has the journal open right now; takes nothing."""
    try:
        handle = os.open(_lock_path(journal), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _lock_path(journal: Path) -> Path:
    return journal.with_name(journal.name + "-lock")
