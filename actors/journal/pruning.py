"""Remove records from a journal file: one piece, one transaction.

Whatever ends the process in between, a piece is done whole or not at all, and the next pass looks
at everything that is left once more.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from .removal import INTRODUCTIONS, Gap, Pruned, merged, pack
from .schema import closed_check

__all__ = ["prune_piece", "vacuum"]

_LOOK: Final = """SELECT f.seq, f.ts, f.kind, length(f.body), f.checksum, c.rowid, c.seq,
    c.closed_ts FROM facts f LEFT JOIN closed c ON c.client_order_id = f.entity
    WHERE f.seq > ? AND f.seq <= ? ORDER BY f.seq LIMIT ?"""
_TOMBSTONE: Final = """SELECT client_order_id, intent_id, venue, account, instrument, state,
    cum_qty, closed_ts, body FROM closed WHERE rowid = ?"""
_META: Final = "INSERT OR REPLACE INTO meta VALUES (?, ?), (?, ?), (?, ?)"


class _Found(NamedTuple):
    """A piece, sorted out."""

    gone: list[Gap]  # each record for itself
    tombstones: list[int]  # rows of `closed` to be packed
    pruned: Pruned


def prune_piece(
    db: sqlite3.Connection,
    end: tuple[int, int],
    after: int,
    up_to: int,
    before_ts: int | None,
    rows: int,
    *,
    dry_run: bool,
) -> Pruned:
    """Look at the next ``rows`` records behind ``after``, and remove what may go.

    See :meth:`actors.journal.port.Journal.prune`. ``end`` is the number and check of the last
    record, which is noted as the journal's head: an older head may be among what goes.

    Raises:
        sqlite3.Error: nothing was removed; roll back.
    """
    up_to = min(up_to, end[0] - 1)
    if dry_run:
        found = _look(db, after, up_to, before_ts, rows)
        saved = sum(_pack(db, rowid, dry_run=True) for rowid in found.tombstones)
        return found.pruned._replace(packed_bytes=saved)
    db.execute("BEGIN IMMEDIATE")
    found = _look(db, after, up_to, before_ts, rows)
    saved = 0
    if found.gone:
        _remove(db, found.gone, rows)
        saved = sum(_pack(db, rowid, dry_run=False) for rowid in found.tombstones)
        (passed,) = db.execute("SELECT max(last) FROM removed").fetchone()
        head = ("removable_to", passed, "head_seq", end[0], "head_check", end[1])
        db.execute(_META, head)
    db.execute("COMMIT")
    return found.pruned._replace(packed_bytes=saved)


def _look(
    db: sqlite3.Connection, after: int, up_to: int, before_ts: int | None, rows: int
) -> _Found:
    """Say which of the next records may go."""
    gone: list[Gap] = []
    tombstones: list[int] = []
    body_bytes = kept = 0
    seq = after
    is_young = before_ts is not None  # all of them: behind it there is nothing old enough
    found = db.execute(_LOOK, (after, up_to, rows)).fetchall()
    for seq, ts, kind, size, check, rowid, closed_seq, closed_ts in found:
        is_young = is_young and ts >= before_ts
        if (
            closed_seq is None
            or closed_seq > up_to
            or (before_ts is not None and closed_ts >= before_ts)
        ):
            kept += 1
            continue
        gone.append(Gap(seq, seq, check))
        body_bytes += size or 0
        if kind in INTRODUCTIONS:
            tombstones.append(rowid)
    is_last = len(found) < rows or is_young
    pruned = Pruned(seq, len(gone), body_bytes, kept, len(tombstones), 0, is_last)
    return _Found(gone, tombstones, pruned)


def _remove(db: sqlite3.Connection, gone: list[Gap], rows: int) -> None:
    """Take records out, and leave gaps that tell of them, joined with those beside them."""
    first, last = gone[0].first - 1, gone[-1].last + 1
    # Between two gaps stands a record, so no more of them can touch this piece.
    beside = [
        Gap(*row)
        for row in db.execute(
            "SELECT first, last, checksum FROM removed WHERE last >= ? ORDER BY last LIMIT ?",
            (first, rows + 3),
        )
        if row[0] <= last
    ]
    db.executemany("DELETE FROM removed WHERE last = ?", [(gap.last,) for gap in beside])
    gaps = merged(gone + beside)
    db.executemany("INSERT INTO removed (first, last, checksum) VALUES (?, ?, ?)", gaps)
    runs = merged(gone)
    db.executemany(
        "DELETE FROM facts WHERE seq BETWEEN ? AND ?", [(run.first, run.last) for run in runs]
    )


def _pack(db: sqlite3.Connection, rowid: int, *, dry_run: bool) -> int:
    """Pack one tombstone; how many bytes shorter it is for it."""
    row = db.execute(_TOMBSTONE, (rowid,)).fetchone()
    packed = pack(row[8])
    saved = len(row[8]) - len(packed)
    if saved and not dry_run:
        check = closed_check((*row[:8], packed))
        db.execute(
            "UPDATE closed SET body = ?, checksum = ? WHERE rowid = ?", (packed, check, rowid)
        )
    return saved


def vacuum(db: sqlite3.Connection) -> None:
    """Give free pages back to the file system; needs as much room again while it runs.

    Raises:
        sqlite3.Error: the file is as it was.
    """
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
