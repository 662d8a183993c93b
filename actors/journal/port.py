"""What a journal is to the rest of the system: append one batch a turn, and read it back.

A journal takes facts (never changed afterwards), and beside them the rows that let a restart fold
only what is open: executions booked, closed orders with their ids, checkpoints. All of a batch is
stored, or nothing of it.

Two implementations, one contract (`tests/actors/journal/test_contract.py` runs against both):
SQLite on disk, memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from engine.errors import JournalError
from engine.journal import Defect, Record

from .removal import PIECE, Gap, Pruned

__all__ = [
    "Batch",
    "ClosedRow",
    "DuplicateExecution",
    "Durability",
    "FactRow",
    "FillKey",
    "FillRow",
    "Journal",
    "Statistics",
    "VenueIdRow",
]

#: What a commit survives: the death of the process, or a power cut.
Durability: TypeAlias = Literal["process", "power"]
#: ts (UTC ns), entity, kind, body. The journal adds sequence number and check.
FactRow: TypeAlias = tuple[int, str, str, bytes]
#: venue, account, instrument, side, exec_id: what makes an execution unique.
FillKey: TypeAlias = tuple[str, str, str, str, str]
#: A fill's key, and the client order id it is booked on.
FillRow: TypeAlias = tuple[str, str, str, str, str, str]
#: client_order_id, intent_id, venue, account, instrument, state, cum_qty (decimal text), closed_ts,
#: tombstone.
ClosedRow: TypeAlias = tuple[str, str, str, str, str, str, str, int, bytes]
#: venue, account, venue_order_id, client_order_id: one row for each id a closed order ever had at
#: its venue.
VenueIdRow: TypeAlias = tuple[str, str, str, str]


class DuplicateExecution(JournalError):
    """An execution in the batch is booked already. Nothing of the batch was stored.

    Attributes:
        key: venue, account, instrument, side, exec_id.
        owner: the client order id it is booked on.
        claimant: the client order id of the refused row.
    """

    def __init__(self, journal: str, key: FillKey, owner: str, claimant: str) -> None:
        venue, account, instrument, side, exec_id = key
        super().__init__(
            f"{journal}: execution {exec_id!r} ({side} {instrument!r} at {venue!r}, account"
            f" {account!r}) is booked on order {owner!r} already and cannot be booked on"
            f" {claimant!r}; nothing of its batch was stored"
        )
        self.key = key
        self.owner = owner
        self.claimant = claimant


class Batch:
    """What one turn writes. Made once and reused; whoever fills it clears it.

    A ``closed`` row replaces an older one of the same order; ``reopened`` takes rows away (an order
    whose fill was busted is open again). Removals come before additions, so a key that is in both
    ends up stored.
    """

    __slots__ = (
        "checkpoints",
        "checkpoints_removed",
        "closed",
        "facts",
        "fills",
        "reopened",
        "venue_ids",
    )

    def __init__(self) -> None:
        self.facts: list[FactRow] = []
        self.fills: list[FillRow] = []
        self.closed: list[ClosedRow] = []
        self.venue_ids: list[VenueIdRow] = []
        self.reopened: list[str] = []
        self.checkpoints: dict[str, bytes] = {}
        self.checkpoints_removed: list[str] = []

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.facts or self.fills or self.closed or self.venue_ids or self.has_rare_rows)

    @property
    def has_rare_rows(self) -> bool:
        """Whether there is anything besides facts, fills, closed orders and their venue ids."""
        return bool(self.checkpoints or self.checkpoints_removed or self.reopened)

    def clear(self) -> None:
        """Empty it for the next turn."""
        self.facts.clear()
        self.fills.clear()
        self.closed.clear()
        self.venue_ids.clear()
        if self.has_rare_rows:
            self.reopened.clear()
            self.checkpoints.clear()
            self.checkpoints_removed.clear()


class Statistics(NamedTuple):
    """How a journal is doing. Sizes in bytes; 0 where there is no file."""

    last_seq: int
    appends: int  # since it was opened
    file_bytes: int
    wal_bytes: int
    checkpoints: int  # of the write-ahead log, done in the background
    blocking_checkpoints: int  # done inside an append, because the log had reached its limit
    checkpoint_error: str  # why the last one failed; "" when it did not


@runtime_checkable
class Journal(Protocol):
    """One system's journal. Appends come from one thread at a time; reads may come from any."""

    @property
    def name(self) -> str:
        """What messages call it: its path."""
        ...

    @property
    def engine_id(self) -> str:
        """The engine it belongs to: the first part of its client order ids."""
        ...

    @property
    def incarnation(self) -> str:
        """Four characters of base 36, drawn at creation: part two of its client order ids."""
        ...

    @property
    def created_ts(self) -> int:
        """When it was created, UTC ns."""
        ...

    @property
    def durability(self) -> Durability:
        """What a commit survives: the ``process``, or the ``power``, and then it waits for a
        disk.
        """
        ...

    @property
    def last_seq(self) -> int:
        """The number of the last record; 0 when there is none."""
        ...

    @property
    def next_seq(self) -> int:
        """The number the next record gets."""
        ...

    def append(self, batch: Batch) -> int:
        """Store a batch whole; it is durable on return. Gives the number of the last record.

        Raises:
            JournalUnavailable: it could not be written. Nothing of it is stored; call again when
                the cause is gone.
            DuplicateExecution: a fill is booked already. Nothing of it is stored.
            InvalidValue: a row holds what cannot be stored (half a surrogate pair, a huge number).
                Nothing is stored.
        """
        ...

    def records(
        self, after: int = 0, entity: str | None = None, limit: int | None = None
    ) -> Iterator[Record]:
        """Records behind ``after``, in order, each checked against its predecessor as it is read.

        It ends with the record that was the last one when it began; what retention removed is left
        out, see :meth:`removed`. With ``entity`` the whole table is searched: for people, not for
        the hot path.

        Raises:
            JournalCorrupt: while iterating, at the first record that does not agree.
        """
        ...

    def records_marked(self, after: int = 0) -> Iterator[tuple[Record, bool]]:
        """As :meth:`records`, each with whether its order has a closed row."""
        ...

    def removed(self) -> list[Gap]:
        """The runs of records that retention removed, in order."""
        ...

    def prune(
        self,
        after: int,
        up_to: int,
        before_ts: int | None = None,
        rows: int = PIECE,
        *,
        dry_run: bool = False,
    ) -> Pruned:
        """Remove facts of orders that are closed for long enough: one piece of it.

        Looks at the next ``rows`` records behind ``after``, none behind ``up_to``. A record goes
        when it is of an order whose closed row was written with record ``up_to`` or before; with
        ``before_ts``, also only if the order was changed last before that time (UTC ns). Whoever
        calls it answers for ``up_to``: a checkpoint must stand for all records up to there.

        The last record never goes, nor does anything but facts of closed orders: execution keys,
        ids and tombstones stay. Where an order's introduction goes its tombstone is packed, and
        read as it was. To be called from the thread that appends. A ``dry_run`` only counts, and
        may be asked of a journal that is read beside its owner.

        Raises:
            JournalUnavailable: it could not be written; nothing of this piece was removed.
            JournalCorrupt: a row is damaged; nothing of this piece was removed.
        """
        ...

    def closed_order(self, client_order_id: str) -> bytes | None:
        """The tombstone of a closed order."""
        ...

    def closed_orders(self) -> Iterator[tuple[str, bytes]]:
        """Every closed order's id and tombstone, in order of the ids."""
        ...

    def closed_by_intent(self, intent_id: str) -> bytes | None:
        """The tombstone of the order that closed last for this intent."""
        ...

    def closed_intents(self) -> Iterator[str]:
        """The intent id of every closed order, in no order."""
        ...

    def closed_by_venue_id(
        self, venue: str, account: str, venue_order_id: str, instrument: str | None = None
    ) -> bytes | None:
        """The tombstone behind a venue's order id.

        Some venues number orders per instrument, some start again at 1: of several, the one that
            closed last.
        """
        ...

    def has_fill(
        self, venue: str, account: str, instrument: str, side: str, exec_id: str
    ) -> str | None:
        """The client order id this execution is booked on; None when it is not booked."""
        ...

    def fills_of(self, client_order_id: str) -> list[FillKey]:
        """The executions booked on an order, sorted.

        Searches the whole table: for people, not for the hot path.
        """
        ...

    def checkpoints(self) -> dict[str, tuple[int, bytes]]:
        """All checkpoints: key -> (number of the record it was written with, body).

        Raises:
            JournalCorrupt: a checkpoint is altered, or stands for records that the journal does not
                have.
        """
        ...

    def checkpoint(self, key: str) -> tuple[int, bytes] | None:
        """One checkpoint, as :meth:`checkpoints` has it; None when there is none of this name."""
        ...

    def statistics(self) -> Statistics:
        """How it is doing; cheap."""
        ...

    def verify(self, progress: Callable[[int], None] | None = None) -> list[Defect]:
        """Read everything and name what does not agree, in order; an empty list is a whole journal.

        What retention removed is no defect.

        Args:
            progress: called now and then with the number of the record reached.
        """
        ...

    def close(self) -> None:
        """Give the journal back. Closing twice is fine."""
        ...
