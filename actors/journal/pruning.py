"""Remove records from a journal file: one piece, one transaction.

Whatever ends the process in between, a piece is done whole or not at all, and the next pass looks
at everything that is left once more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final, NamedTuple

from .removal import INTRODUCTIONS, Gap, Pruned, merged, pack
from .schema import closed_check

__all__ = ["prune_piece", "vacuum"]

#: How many are asked for with one statement: each number of marks is a text to be compiled.
_CHUNK: Final = 64
_MARKS: Final = ",".join("?" * _CHUNK)

_LOOK: Final = """SELECT seq, ts, entity, kind, length(body), checksum FROM facts
    WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"""
_CLOSED: Final = f"""SELECT client_order_id, rowid FROM closed
    WHERE client_order_id IN ({_MARKS}) AND seq <= ? AND closed_ts < ?"""  # noqa: S608  # of marks
_TOMBSTONES: Final = f"""SELECT client_order_id, intent_id, venue, account, instrument, state,
    cum_qty, closed_ts, body, rowid FROM closed WHERE rowid IN ({_MARKS})"""  # noqa: S608  # as above
_PACKED: Final = "UPDATE closed SET body = ?, checksum = ? WHERE rowid = ?"
_META: Final = "INSERT OR REPLACE INTO meta VALUES (?, ?), (?, ?), (?, ?)"
_FOREVER: Final = 2**63 - 1


class _Found(NamedTuple):
    """A piece, sorted out."""

    gone: list[Gap]  # runs of records, in order
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
    if before_ts is not None:
        before_ts = max(-_FOREVER, min(before_ts, _FOREVER))  # what a row can hold
    if dry_run:
        found = _look(db, after, up_to, before_ts, rows)
        saved = _pack(db, found.tombstones, dry_run=True)
        return found.pruned._replace(packed_bytes=saved)
    db.execute("BEGIN IMMEDIATE")
    found = _look(db, after, up_to, before_ts, rows)
    saved = 0
    if found.gone:
        _remove(db, found.gone, rows)
        saved = _pack(db, found.tombstones, dry_run=False)
        (passed,) = db.execute("SELECT max(last) FROM removed").fetchone()
        head = ("removable_to", passed, "head_seq", end[0], "head_check", end[1])
        db.execute(_META, head)
    db.execute("COMMIT")
    return found.pruned._replace(packed_bytes=saved)


def _look(
    db: sqlite3.Connection, after: int, up_to: int, before_ts: int | None, rows: int
) -> _Found:
    """Say which of the next records may go."""
    looked_at = db.execute(_LOOK, (after, up_to, rows)).fetchall()
    old: dict[object, int] = {}
    bounds = up_to, _FOREVER if before_ts is None else before_ts
    for chunk in _chunks(list(dict.fromkeys(row[2] for row in looked_at))):
        old.update(db.execute(_CLOSED, (*chunk, *bounds)).fetchall())
    gone: list[Gap] = []
    tombstones: list[int] = []
    body_bytes = kept = removed = 0
    first = last = last_check = 0  # of the run that goes on
    is_young = before_ts is not None  # all of them: then there is nothing old enough behind
    for seq, ts, entity, kind, size, check in looked_at:
        is_young = is_young and ts >= before_ts
        rowid = old.get(entity)
        if rowid is None:
            kept += 1
            continue
        if not removed or seq != last + 1:
            if removed:
                gone.append(Gap(first, last, last_check))
            first = seq
        last, last_check = seq, check
        removed += 1
        body_bytes += size or 0
        if kind in INTRODUCTIONS:
            tombstones.append(rowid)
    if removed:
        gone.append(Gap(first, last, last_check))
    reached = looked_at[-1][0] if looked_at else after
    is_last = len(looked_at) < rows or is_young
    pruned = Pruned(reached, removed, body_bytes, kept, len(tombstones), 0, is_last)
    return _Found(gone, tombstones, pruned)


def _chunks(values: list[object]) -> Iterator[list[object]]:
    """As many values as a statement has marks; the last ones are filled up with one of them."""
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        yield chunk + chunk[:1] * (_CHUNK - len(chunk))


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
    db.executemany(
        "DELETE FROM facts WHERE seq BETWEEN ? AND ?", [(run.first, run.last) for run in gone]
    )


def _pack(db: sqlite3.Connection, rowids: list[int], *, dry_run: bool) -> int:
    """Pack tombstones; how many bytes shorter they are for it."""
    saved = 0
    for chunk in _chunks(list(dict.fromkeys(rowids))):
        cells: list[tuple[bytes, int, int]] = []
        for row in db.execute(_TOMBSTONES, chunk).fetchall():
            packed = pack(row[8])
            if packed is not row[8]:
                saved += len(row[8]) - len(packed)
                cells.append((packed, closed_check((*row[:8], packed)), row[9]))
        if not dry_run:
            db.executemany(_PACKED, cells)
    return saved


def vacuum(db: sqlite3.Connection) -> None:
    """Give free pages back to the file system; needs as much room again while it runs.

    Raises:
        sqlite3.Error: the file is as it was.
    """
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
