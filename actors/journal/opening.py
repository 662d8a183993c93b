"""Make a journal file, or find out what a file is before anything is written to it.

Every way in which a path can be no journal (a folder, empty, another program's, torn, of a newer
version) has its own sentence. Until all questions are answered the file is only read.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import stat
import time
from pathlib import Path
from typing import Final, NamedTuple

from engine.errors import InvalidValue, JournalCorrupt, JournalSchemaError, JournalUnavailable
from engine.journal import SCHEMA_VERSION
from engine.values import BASE36, ENGINE_ID_LENGTH

from .schema import APPLICATION_ID, CREATE, FAILURES, connect, translate
from .wal import find_damage

__all__ = [
    "DEFAULT_ENGINE_ID",
    "Identity",
    "create",
    "new_identity",
    "read_identity",
    "real_path",
    "refuse_path",
    "refuse_torn_log",
]

DEFAULT_ENGINE_ID: Final = "OWR"
_INCARNATION_LENGTH: Final = 4


class Identity(NamedTuple):
    """Whose journal it is; written once."""

    engine_id: str
    incarnation: str
    created_ts: int


def new_identity(
    engine_id: str = "", incarnation: str = "", created_ts: int | None = None
) -> Identity:
    """Draw what is not given: the incarnation at random, the time from the clock.

    Raises:
        InvalidValue: an id that would not fit into client order ids.
    """
    engine_id = engine_id or DEFAULT_ENGINE_ID
    incarnation = incarnation or "".join(secrets.choice(BASE36) for _ in range(_INCARNATION_LENGTH))
    for what, text, length in (
        ("engine_id", engine_id, ENGINE_ID_LENGTH),
        ("incarnation", incarnation, _INCARNATION_LENGTH),
    ):
        if len(text) != length or any(char not in BASE36 for char in text):
            raise InvalidValue(f"{what} must be {length} characters of 0-9 and A-Z, was {text!r}")
    return Identity(engine_id, incarnation, time.time_ns() if created_ts is None else created_ts)


def real_path(path: str | Path) -> Path:
    """The file behind links, so that a journal has one owner whatever it is called.

    Raises:
        JournalUnavailable: no system call takes such a name.
    """
    try:
        return Path(path).resolve()
    except (ValueError, OSError, RuntimeError) as error:  # NUL, a loop of links
        raise JournalUnavailable(f"{str(path)!r} cannot name a journal: {error}") from None


def refuse_path(path: Path, read_only: bool) -> None:
    """Refuse what cannot be a journal by its looks.

    A path that does not exist passes, unless it is to be read.

    Raises:
        JournalUnavailable: a folder, a missing parent, a device.
        JournalSchemaError: an empty file.
        JournalCorrupt: the file is gone but its write-ahead log is there.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise JournalUnavailable(
                f"{path}: the folder {path.parent} does not exist; make it first"
            ) from None
        if _has_log(path):
            raise JournalCorrupt(
                f"{path}: the journal is gone, but its write-ahead log {path.name}-wal is there and"
                " may hold commits. Restore the journal beside it, or move the log away to begin"
                " a new one"
            ) from None
        if read_only:
            raise JournalUnavailable(f"{path}: there is no such journal to read") from None
        return
    except OSError as error:
        raise JournalUnavailable(f"{path}: cannot be opened: {error}") from None
    if stat.S_ISDIR(status.st_mode):
        raise JournalUnavailable(
            f"{path} is a folder; name a file in it, as {path / 'orders.journal'}"
        )
    if not stat.S_ISREG(status.st_mode):
        raise JournalUnavailable(f"{path} is no regular file; a journal needs a file on a disk")
    if not status.st_size:
        raise JournalSchemaError(
            f"{path} is empty, so it is not a journal (or is one cut to nothing; it was left as it"
            " is). Remove it to begin a new journal under this name"
        )
    if not read_only and not _is_writable(path):
        raise JournalUnavailable(
            f"{path} is write-protected; make it writable, or look at it with read_only=True"
        )


def _is_writable(path: Path) -> bool:
    # As whom we act, not as whom we were started: a service may have given up root's rights.
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _has_log(path: Path) -> bool:
    log = _log(path)
    return log.exists() and log.stat().st_size > 0


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def create(path: Path, identity: Identity) -> None:
    """Make a new journal file whole or not at all; call it under the owner's lock.

    It is built under another name and renamed, so a crash in between leaves no half journal.

    Raises:
        JournalUnavailable: it could not be written; nothing is left under its name.
    """
    building = path.with_name(path.name + "-new")
    try:
        building.unlink(missing_ok=True)
        db = connect(building, "rwc")
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN")
            for statement in CREATE:
                db.execute(statement)
            db.executemany("INSERT INTO meta VALUES (?, ?)", identity._asdict().items())
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            db.execute("COMMIT")
        finally:
            db.close()
        _sync(building)
        building.rename(path)
        _sync(path.parent)
    except FAILURES as error:
        raise translate(error, str(path), "create it") from None
    except OSError as error:
        raise JournalUnavailable(f"{path}: cannot create it: {error}") from None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_identity(db: sqlite3.Connection, name: str) -> Identity:
    """Read whose journal it is.

    Raises:
        JournalSchemaError: another program's database, or a newer version's journal.
        JournalCorrupt: the identity is damaged.
        sqlite3.Error, UnicodeDecodeError: it cannot be read.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise JournalSchemaError(
            f"{name}: an SQLite database, but not a journal (application id {application:#x});"
            " nothing was changed. Name another file"
        )
    if version > SCHEMA_VERSION:
        raise JournalSchemaError(
            f"{name}: written by a newer version (schema {version}, this one reads up to"
            f" {SCHEMA_VERSION}); nothing was changed. Upgrade this program"
        )
    if version < 1:
        raise JournalCorrupt(
            f"{name}: schema version {version} does not exist; nothing was changed"
        )
    meta: dict[str, object] = dict(db.execute("SELECT key, value FROM meta"))
    engine_id, incarnation, created_ts = (meta.get(key) for key in Identity._fields)
    if isinstance(engine_id, str) and isinstance(incarnation, str) and isinstance(created_ts, int):
        return Identity(engine_id, incarnation, created_ts)
    raise JournalCorrupt(
        f"{name}: its identity is damaged ({meta!r:.200}); nothing was changed. Restore a copy"
    )


def refuse_torn_log(path: Path, accept: bool) -> None:
    """Look for commits that opening the journal would drop.

    Call it under the owner's lock, before SQLite opens the file.

    With ``accept`` the damaged log is copied to a file of its own first, and the journal goes on
    from what is left.

    Raises:
        JournalCorrupt: there are such commits. Nothing was changed.
        JournalUnavailable: the log cannot be read or copied.
    """
    log = _log(path)
    try:
        damage = find_damage(log)
        if damage is None:
            return
        if accept:
            shutil.copyfile(log, log.with_name(f"{log.name}.torn-{time.time_ns()}"))
            return
    except OSError as error:
        raise JournalUnavailable(f"{log}: {error.strerror}; nothing was changed") from None
    raise JournalCorrupt(
        f"{path}: {damage}. The journal is whole up to record {_last_readable(path)}; nothing was"
        " changed. This is power loss under durability 'process', or a damaged disk. Restore"
        f" {log.name} from a copy; or open with accept_torn=True to go on from there (the damaged"
        " log is kept) and let the venues tell the rest"
    )


def _last_readable(path: Path) -> int | str:
    try:
        db = connect(path, "ro")  # a reader never moves the log into the journal, nor removes it
        try:
            return int(db.execute("SELECT coalesce(max(seq), 0) FROM facts").fetchone()[0])
        finally:
            db.close()
    except FAILURES as error:
        return f"unknown ({error})"
