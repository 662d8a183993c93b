"""Retention: how long a journal keeps the story of orders that are closed.

What goes, piece by piece, are the facts of closed orders, below the last checkpoint; so a restart
never needs them. What stays, whatever is asked for: execution keys, client, intent and venue ids,
tombstones, and everything about open orders, positions and instruments. So nothing that arrives
later is taken for something else: a late fill or a bust finds its order as it was, an execution is
booked once, a repeated intent is the same order, and one with other terms an error. What nobody can
be told any more is how such an order came to its end, fact by fact.

By itself (:class:`Pruner`) it goes along with the traffic: some records inside a turn, two looked
at for each one written, so it neither falls behind nor holds anything up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from engine.errors import InvalidValue, JournalError

from .checkpoints import Checkpoints
from .journal import FactRow, Journal, Pruned
from .stored import checkpoint_seq
from .turn import Turn

__all__ = ["Pruner", "Retention", "prune"]

_PIECE: Final = 64  # records looked at inside one turn: half a millisecond when all go
_PIECE_MAX: Final = 256  # ... when a long turn owes more: a transaction costs as much for few
_PER_FACT: Final = 2  # records looked at for each one written
_WORTH_WHILE: Final = 10_000  # records behind the last pass, for a pass to begin
_OFFLINE: Final = 4_096  # records in one transaction where nobody waits for it


class Retention(msgspec.Struct, frozen=True):
    """How much of closed orders' facts to keep; where both are given, what either keeps.

    ``keep_ns``: facts of orders that changed last within so many nanoseconds. ``keep_facts``: the
    journal's last so many facts. This is what is kept at least: facts go in passes, and never those
    behind the last checkpoint.

    Raises:
        InvalidValue: neither is given, or one is negative.
    """

    keep_ns: int | None = None
    keep_facts: int | None = None

    def __post_init__(self) -> None:
        given = [bound for bound in (self.keep_ns, self.keep_facts) if bound is not None]
        if not given or any(type(one) is not int or not 0 <= one < 2**63 for one in given):
            raise InvalidValue(
                "a Retention needs keep_ns or keep_facts, whole numbers that are not negative; was"
                f" keep_ns={self.keep_ns!r:.80}, keep_facts={self.keep_facts!r:.80}"
            )

    def limit(self, journal: Journal, now_ns: int) -> tuple[int, int | None]:
        """What may go now: orders closed up to this record, and last changed before this time."""
        up_to = checkpoint_seq(journal)
        if self.keep_facts is not None:
            up_to = min(up_to, journal.last_seq - self.keep_facts)
        return up_to, None if self.keep_ns is None else now_ns - self.keep_ns


class Pruner:
    """Applies a retention to a running system's journal, on its dispatcher's thread.

    Args:
        journal: what it removes from.
        retention: what to keep.
        time_ns: UTC nanoseconds.
        call_soon: has a function called inside a turn, soon.
        alarm: tells a person, by a short constant and a sentence.
    """

    def __init__(
        self,
        journal: Journal,
        retention: Retention,
        time_ns: Callable[[], int],
        call_soon: Callable[[Callable[[], object]], object],
        alarm: Callable[[str, str], object],
    ) -> None:
        self.removed = 0  # records, since the start
        self._journal = journal
        self._retention = retention
        self._time_ns = time_ns
        self._call_soon = call_soon
        self._alarm = alarm
        self._limit: tuple[int, int | None] | None = None  # of the pass that goes on
        self._reached = 0
        self._kept = 0  # records that this pass, or the last, has looked at and left
        self._passed = 0  # where the last pass ended
        self._owed = 0  # records to look at, to be even with the traffic
        self._waiting = False  # a piece is to come

    def follow(self, turn: Turn, checkpoints: Checkpoints) -> None:
        """Go along with a system's turns and checkpoints, from what was found at its start."""
        turn.committed = self._committed
        self._checkpoints = checkpoints
        checkpoints.on_finished = self._look
        self._look()

    def _look(self) -> None:
        """A checkpoint is whole, or was found at the start: more may go now."""
        up_to, before_ts = self._retention.limit(self._journal, self._time_ns())
        # What stays is looked at in every pass, so a pass waits until as much is new.
        if self._limit is None and up_to - self._passed >= max(_WORTH_WHILE, self._kept):
            self._limit = up_to, before_ts
            self._reached = self._kept = self._owed = 0

    def _committed(self, facts: list[FactRow]) -> None:
        """Facts were written."""
        self._checkpoints.committed(facts)
        if self._limit is not None:
            self._owed += _PER_FACT * len(facts)
            if self._owed >= _PIECE and not self._waiting:
                self._waiting = True
                self._call_soon(self._piece)

    def _piece(self) -> None:
        """Look at the next records, inside a turn."""
        self._waiting = False
        if self._limit is None:
            return
        try:
            rows = min(self._owed, _PIECE_MAX)
            pruned = self._journal.prune(self._reached, *self._limit, rows)
        except JournalError as error:  # the records stay; the next checkpoint begins anew
            self._limit = None
            self._alarm("retention", f"records stay longer than they should: {error}")
            return
        self.removed += pruned.removed
        self._reached = pruned.reached
        self._kept += pruned.kept
        self._owed -= rows
        if pruned.is_last:
            self._passed = self._limit[0]
            self._limit = None
        elif self._owed >= _PIECE:  # a long turn owes more than one piece
            self._waiting = True
            self._call_soon(self._piece)


def prune(
    journal: Journal,
    limit: tuple[int, int | None],
    *,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Pruned:
    """Remove all that may go by ``limit``, see :meth:`Retention.limit`, from a journal at rest.

    Raises:
        JournalError: what was removed until then is removed, and the journal is whole.
    """
    total = Pruned(0, 0, 0, 0, 0, 0, is_last=False)
    while not total.is_last:
        total = total.then(journal.prune(total.reached, *limit, _OFFLINE, dry_run=dry_run))
        if progress is not None:
            progress(total.reached)
    return total
