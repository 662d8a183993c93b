"""A journal in memory that remembers its batches, and in which a process can be made to die.

It survives the crash of its system, can be cut back to an earlier commit, and can be written to a
file afterwards, for ``orderwright explain``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from engine.errors import InvalidValue, JournalUnavailable
from engine.testing.scenario import Moment

from ..journal import Batch, Journal, MemoryJournal, open_journal

__all__ = ["KeptJournal", "Killed"]


class Killed(BaseException):
    """The simulated process dies here. Only who arranged it may catch it."""


class KeptJournal(MemoryJournal):
    """See the module's text. Equal runs give equal journals: nothing in it is drawn."""

    def __init__(self, engine_id: str, incarnation: str, created_ts: int) -> None:
        super().__init__(engine_id=engine_id, incarnation=incarnation, created_ts=created_ts)
        self.batches: list[Batch] = []
        self._dies: tuple[Moment, int] | None = None
        self._failures = 0
        self.on_death: Callable[[], object] | None = None  # called just before it raises

    def die(self, at: Moment, nth: int) -> None:
        """Have the process die at the ``nth`` commit from now, before or after it is stored."""
        if at is Moment.NOW or nth < 1:
            raise InvalidValue(f"a death at a commit is before or after it, was {at}, {nth}")
        self._dies = (at, nth)

    def is_armed(self) -> bool:
        """Whether a death is still to come."""
        return self._dies is not None

    def fail(self, count: int) -> None:
        """Refuse the next ``count`` commits, as a full disk does."""
        self._failures += count

    def spare(self) -> None:
        """Nobody dies any more, and the disk has room."""
        self._dies = None
        self._failures = 0

    def append(self, batch: Batch) -> int:
        """Store a batch, or die.

        Raises:
            JournalUnavailable: as arranged by :meth:`fail`.
            Killed: before or after it was stored, as arranged by :meth:`die`.
        """
        if self._failures:
            self._failures -= 1
            raise JournalUnavailable(f"{self.name}: no space left; nothing was stored")
        at: Moment | None = None
        if self._dies is not None:
            moment, left = self._dies
            self._dies = (moment, left - 1) if left > 1 else None
            at = moment if left == 1 else None
        if at is Moment.BEFORE_WRITE:
            self._kill("before a commit")
        last = super().append(batch)
        self.batches.append(_copy(batch))
        if at is Moment.AFTER_WRITE:
            self._kill("after a commit")
        return last

    def _kill(self, when: str) -> NoReturn:
        if self.on_death is not None:
            self.on_death()
        raise Killed(when)

    def cut(self, at_seq: int | None = None) -> KeptJournal:
        """The same journal in a new process, with the commits that end at or before a record."""
        kept = KeptJournal(self.engine_id, self.incarnation, self.created_ts)
        self._copy_into(kept, at_seq)
        return kept

    def save(self, path: str | Path) -> None:
        """Write it to a new file.

        Raises:
            InvalidValue: there is a journal with records already.
            JournalError: the file cannot be a journal.
        """
        opened = open_journal(
            path,
            engine_id=self.engine_id,
            incarnation=self.incarnation,
            created_ts=self.created_ts,
        )
        with closing(opened) as file:
            if file.last_seq:
                raise InvalidValue(f"{path}: this journal holds facts already; name a new file")
            self._copy_into(file, None)

    def _copy_into(self, other: Journal, at_seq: int | None) -> None:
        seq = 0
        for batch in self.batches:
            seq += len(batch.facts)
            if at_seq is not None and seq > at_seq:
                return
            other.append(batch)

    def close(self) -> None:
        """A process that ends gives it back; here it goes on to be read, and cut."""


def _copy(batch: Batch) -> Batch:
    """What a batch holds now; its owner clears it for the next turn."""
    copy = Batch()
    copy.facts += batch.facts
    copy.fills += batch.fills
    copy.closed += batch.closed
    copy.venue_ids += batch.venue_ids
    if batch.has_rare_rows:
        copy.reopened += batch.reopened
        copy.checkpoints.update(batch.checkpoints)
        copy.checkpoints_removed += batch.checkpoints_removed
    return copy
