"""The tables of a journal file, and what SQLite's errors mean for it.

`facts` is the journal. The others are kept beside it, in the same transactions, so that a restart
need not fold what is closed: `fills` refuses an execution that is booked already, `closed` and
`venue_ids` find a tombstone by any of its ids, `checkpoints` name the record they fold up to,
`removed` tells what retention took out, `meta` says whose journal it is.

The key of `fills` begins with the execution's id: those of a venue rise with time, so new rows land
next to each other. Begun with the instrument, every execution over 5,000 of them writes another
page, and costs twice as much.

There is no index on ``facts.entity``: it would cost a fifth of every append, and only people ask
that way. The facts of groups are few and have one: a late fact of an order whose group was over
takes that group up again, with a journal of any length.
"""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path
from typing import Final, Literal

from engine.errors import JournalCorrupt, JournalError, JournalSchemaError, JournalUnavailable

from .port import ClosedRow, Durability

__all__ = [
    "APPLICATION_ID",
    "CREATE",
    "FAILURES",
    "GROUP_FACTS",
    "OF_GROUPS",
    "REMOVED",
    "SYNCHRONOUS",
    "Durability",
    "body_check",
    "closed_check",
    "connect",
    "translate",
]


#: What `sqlite3` raises. The second: SQLite's message quotes a damaged file, and is no text itself.
FAILURES: Final = (sqlite3.Error, UnicodeDecodeError)

#: In the file's header ("OWJL"): tells a journal from any other SQLite database.
APPLICATION_ID: Final = 0x4F574A4C

#: What a commit waits for. With a write-ahead log, NORMAL hands each commit to the kernel, which
#: survives any death of the process, and syncs only around checkpoints: power loss can take the
#: last commits but never harms the file. FULL syncs the log at each commit, so power loss takes
#: nothing. OFF would not be faster at a commit than NORMAL; it only drops the syncs around
#: checkpoints, and with them the file after power loss.
SYNCHRONOUS: Final[dict[str, str]] = {"process": "NORMAL", "power": "FULL"}

#: What retention removed; see :mod:`actors.journal.removal`.
REMOVED: Final = """CREATE TABLE IF NOT EXISTS removed (
    last INTEGER PRIMARY KEY, first INTEGER NOT NULL, checksum INTEGER NOT NULL)"""

#: The entities of groups, as SQL: a query that says so uses the index on them.
OF_GROUPS: Final = "entity >= 'group:' AND {0}entity < 'group;'"
GROUP_FACTS: Final = f"""CREATE INDEX IF NOT EXISTS group_facts ON facts (entity)
    WHERE {OF_GROUPS.format("")}"""

CREATE: Final = (
    """CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID""",
    """CREATE TABLE facts (
        seq INTEGER PRIMARY KEY, ts INTEGER NOT NULL, entity TEXT NOT NULL, kind TEXT NOT NULL,
        body BLOB, checksum INTEGER NOT NULL)""",
    GROUP_FACTS,
    """CREATE TABLE fills (
        venue TEXT NOT NULL, account TEXT NOT NULL, instrument TEXT NOT NULL, side TEXT NOT NULL,
        exec_id TEXT NOT NULL, client_order_id TEXT NOT NULL,
        PRIMARY KEY (exec_id, instrument, side, venue, account)) WITHOUT ROWID""",
    """CREATE TABLE closed (
        client_order_id TEXT PRIMARY KEY, intent_id TEXT NOT NULL, venue TEXT NOT NULL,
        account TEXT NOT NULL, instrument TEXT NOT NULL, state TEXT NOT NULL, cum_qty TEXT NOT NULL,
        closed_ts INTEGER NOT NULL, body BLOB NOT NULL, seq INTEGER NOT NULL,
        checksum INTEGER NOT NULL)""",
    """CREATE INDEX closed_by_intent ON closed (intent_id)""",
    """CREATE TABLE venue_ids (
        venue TEXT NOT NULL, account TEXT NOT NULL, venue_order_id TEXT NOT NULL,
        client_order_id TEXT NOT NULL,
        PRIMARY KEY (venue, account, venue_order_id, client_order_id)) WITHOUT ROWID""",
    """CREATE TABLE checkpoints (
        key TEXT PRIMARY KEY, seq INTEGER NOT NULL, body BLOB NOT NULL,
        checksum INTEGER NOT NULL)""",
    REMOVED,
)

_CACHE_KIB: Final = 8192
_BUSY_S: Final = 1  # how long a commit waits for a foreign program's lock (a database browser)
_STATEMENTS: Final = 512  # one for each number of rows and table


def connect(path: Path, mode: Literal["rw", "rwc", "ro", "immutable"]) -> sqlite3.Connection:
    """Open a connection that starts no transaction by itself; for several threads in turn."""
    query = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    try:
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    except FAILURES:
        db.close()
        raise
    return db


def translate(error: sqlite3.Error | UnicodeDecodeError, name: str, doing: str) -> JournalError:
    """Say what an SQLite error means for the journal called ``name``, and what to do."""
    if isinstance(error, UnicodeDecodeError):
        error = sqlite3.DatabaseError(f"damaged bytes where text was: {error.object[:80]!r}")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    head = f"{name}: cannot {doing}: {error}"
    if code == sqlite3.SQLITE_FULL:
        return JournalUnavailable(f"{head}. Nothing of it was stored; free space and call again")
    if code == sqlite3.SQLITE_READONLY:
        return JournalUnavailable(f"{head}. Make the file and its folder writable and call again")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return JournalUnavailable(
            f"{head}. Another program writes to it (a database browser?): close that and call again"
        )
    if code in {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    }:
        return JournalUnavailable(
            f"{head} ({getattr(error, 'sqlite_errorname', '')}). Nothing of it was stored; look at"
            " the disk, the folder's permissions and the limits of this process, and call again"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return JournalSchemaError(
            f"{head}. It is not a journal, or its first page was overwritten; nothing was"
            " changed. Name another file, or restore this one from a copy"
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return JournalCorrupt(
            f"{head}. The file is torn or altered; nothing was changed. Keep it, restore a copy,"
            " and reconcile with the venues"
        )
    if "unsupported file format" in str(error):
        return JournalCorrupt(
            f"{head}. Its first page is altered; nothing was changed. Restore a copy"
        )
    if "no such" in str(error):
        return JournalSchemaError(
            f"{head}. Its tables are not those of a journal; nothing was changed"
        )
    return JournalUnavailable(f"{head}. Nothing of it was stored")


def closed_check(row: ClosedRow) -> int:
    """The checksum of a closed order's row."""
    return zlib.crc32(
        "\0".join(row[:7]).encode() + row[7].to_bytes(8, "little", signed=True) + row[8]
    )


def body_check(key: str, seq: int, body: bytes) -> int:
    """The checksum of a checkpoint."""
    return zlib.crc32(key.encode() + seq.to_bytes(8, "little") + body)
