"""Journals: where facts are written before anything else happens.

:mod:`~actors.journal.port` says what a journal is; :func:`open_journal` makes one from what a user
writes.
"""

from __future__ import annotations

from pathlib import Path

from engine.errors import InvalidValue

from .memory import MemoryJournal
from .port import (
    Batch,
    ClosedRow,
    DuplicateExecution,
    FactRow,
    FillKey,
    FillRow,
    Journal,
    Statistics,
    VenueIdRow,
)
from .removal import Gap, Pruned
from .schema import SYNCHRONOUS, Durability
from .sqlite import SqliteJournal

__all__ = [
    "Batch",
    "ClosedRow",
    "DuplicateExecution",
    "Durability",
    "FactRow",
    "FillKey",
    "FillRow",
    "Gap",
    "Journal",
    "MemoryJournal",
    "Pruned",
    "SqliteJournal",
    "Statistics",
    "VenueIdRow",
    "open_journal",
]


def open_journal(
    spec: str | Path | None,
    durability: Durability = "process",
    *,
    read_only: bool = False,
    engine_id: str = "",
    accept_torn: bool = False,
    incarnation: str = "",
    created_ts: int | None = None,
) -> Journal:
    """Open the journal that ``spec`` names, or make it: None or ":memory:" in memory, else a file.

    Arguments and errors are those of :class:`SqliteJournal`; those that need a file mean nothing in
    memory.
    """
    given: object = durability
    if not isinstance(given, str) or given not in SYNCHRONOUS:
        raise InvalidValue(f"durability must be 'process' or 'power', was {given!r:.80}")
    if spec is None or spec == ":memory:":
        return MemoryJournal(
            engine_id=engine_id, incarnation=incarnation, created_ts=created_ts, read_only=read_only
        )
    return SqliteJournal(
        spec,
        durability,
        read_only=read_only,
        engine_id=engine_id,
        accept_torn=accept_torn,
        incarnation=incarnation,
        created_ts=created_ts,
    )
