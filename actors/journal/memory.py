"""A journal without a file: for simulations, tests, and whoever wants none.

Same contract, same chain, same refusals as the one on disk. It ends with its object.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Final, Self

from engine.errors import InvalidValue, JournalCorrupt, JournalUnavailable
from engine.journal import Defect, Record, chain, genesis, verify_chain

from .opening import new_identity
from .port import (
    Batch,
    ClosedRow,
    DuplicateExecution,
    Durability,
    FillKey,
    FillRow,
    Statistics,
    VenueIdRow,
)
from .removal import INTRODUCTIONS, PIECE, Gap, Pruned, merged

__all__ = ["MemoryJournal"]

_TS_MAX: Final = 2**63 - 1
_SEQ: Final = attrgetter("seq")
_LAST: Final = attrgetter("last")


class MemoryJournal:
    """A journal in this process's memory.

    ``unavailable``: while it holds a reason, every append fails with it, as on a full disk; for
    fault plans.

    Args:
        engine_id: three characters that name the engine.
        incarnation: drawn at random when ""; a simulation gives one, so that equal seeds give equal
            bytes.
        created_ts: UTC ns; the clock's when None.
        read_only: refuse every append.
    """

    name = ":memory:"
    durability: Durability = "process"

    def __init__(
        self,
        *,
        engine_id: str = "",
        incarnation: str = "",
        created_ts: int | None = None,
        read_only: bool = False,
    ) -> None:
        identity = new_identity(engine_id, incarnation, created_ts)
        self.engine_id, self.incarnation, self.created_ts = identity
        self.unavailable = "was opened with read_only=True" if read_only else ""
        self._records: list[Record] = []  # in order; what retention removed is in the gaps
        self._gaps: list[Gap] = []
        self._seq = 0
        self._check = genesis(self.engine_id, self.incarnation)
        self._fills: dict[FillKey, str] = {}
        self._closed: dict[str, tuple[int, ClosedRow]] = {}
        self._venue_ids: dict[tuple[str, str, str], dict[str, None]] = {}
        self._intents: dict[str, dict[str, None]] = {}
        self._checkpoints: dict[str, tuple[int, bytes]] = {}
        self._appends = 0

    @property
    def last_seq(self) -> int:
        """The number of the last record."""
        return self._seq

    @property
    def next_seq(self) -> int:
        """The number the next record gets."""
        return self._seq + 1

    def append(self, batch: Batch) -> int:
        """Store a batch whole: everything is proven first, then taken over."""
        if self.unavailable:
            raise JournalUnavailable(f"{self.name} {self.unavailable}; nothing was stored")
        seq, check = self._seq, self._check
        fresh: list[Record] = []
        for ts, entity, kind, body in batch.facts:
            seq += 1
            check = chain(check, seq, ts, entity, kind, body)
            fresh.append(Record(seq, ts, entity, kind, body, check))
        self._refuse_text(batch)
        fills = self._new_fills(batch.fills)
        self._records += fresh
        self._seq, self._check = seq, check
        self._fills.update(fills)
        self._appends += 1
        if batch.has_rare_rows:
            for client_order_id in batch.reopened:
                self._closed.pop(client_order_id, None)
            for key in batch.checkpoints_removed:
                self._checkpoints.pop(key, None)
            for key, body in batch.checkpoints.items():
                self._checkpoints[key] = (seq, body)
        for row in batch.closed:
            self._closed[row[0]] = (seq, row)
            self._intents.setdefault(row[1], {})[row[0]] = None
        for venue, account, venue_order_id, client_order_id in batch.venue_ids:
            self._venue_ids.setdefault((venue, account, venue_order_id), {})[client_order_id] = None
        return seq

    def _new_fills(self, rows: list[FillRow]) -> dict[FillKey, str]:
        fresh: dict[FillKey, str] = {}
        for venue, account, instrument, side, exec_id, claimant in rows:
            key = (venue, account, instrument, side, exec_id)
            owner = self._fills.get(key) or fresh.get(key)
            if owner is not None:
                raise DuplicateExecution(self.name, key, owner, claimant)
            fresh[key] = claimant
        return fresh

    def _refuse_text(self, batch: Batch) -> None:
        """Refuse what a file could not hold, so that a test on memory means something for it."""
        rows: tuple[list[FillRow] | list[VenueIdRow], ...] = (batch.fills, batch.venue_ids)
        try:
            for group in rows:
                for row in group:
                    "".join(row).encode()
            for closed in batch.closed:
                "".join(closed[:7]).encode()
                if not -_TS_MAX <= closed[7] <= _TS_MAX:
                    raise OverflowError(f"closed_ts {closed[7]} is no 64-bit number")
            "".join(batch.checkpoints).encode()
        except (UnicodeEncodeError, OverflowError, TypeError) as error:
            raise InvalidValue(
                f"{self.name}: a row cannot be stored: {error}; nothing of its batch was"
            ) from None

    def records(
        self, after: int = 0, entity: str | None = None, limit: int | None = None
    ) -> Iterator[Record]:
        """Records behind ``after``."""
        found = self._checked(after) if entity is None else self._of(entity, after)
        return found if limit is None else islice(found, limit)

    def records_marked(self, after: int = 0) -> Iterator[tuple[Record, bool]]:
        """Records behind ``after``, each with whether its order has a closed row."""
        return ((record, record.entity in self._closed) for record in self._checked(after))

    def _of(self, entity: str, after: int) -> Iterator[Record]:
        for record in [one for one in self._records if one.entity == entity and one.seq > after]:
            before = record.seq - 1
            for defect in verify_chain((record,), self._check_of(before), before):
                raise JournalCorrupt(f"{self.name}: {defect.what}")
            yield record

    def _checked(self, after: int) -> Iterator[Record]:
        last = self._seq  # nothing behind it, whatever is appended meanwhile
        while after < last:
            # Looked up anew each time: retention may have removed some since the last one.
            index = bisect_right(self._records, after, key=_SEQ)
            record = self._records[index]
            before = record.seq - 1
            for defect in verify_chain((record,), self._check_of(before), before):
                raise JournalCorrupt(f"{self.name}: {defect.what}")
            yield record
            after = record.seq

    def _check_of(self, seq: int) -> int:
        """The check of a record, or of the gap that ends with it."""
        index = bisect_left(self._records, seq, key=_SEQ)
        if index < len(self._records) and self._records[index].seq == seq:
            return self._records[index].check
        index = bisect_left(self._gaps, seq, key=_LAST)
        if index < len(self._gaps) and self._gaps[index].last == seq:
            return self._gaps[index].check
        return genesis(self.engine_id, self.incarnation)

    def removed(self) -> list[Gap]:
        """What retention removed, in order."""
        return list(self._gaps)

    def prune(
        self,
        after: int,
        up_to: int,
        before_ts: int | None = None,
        rows: int = PIECE,
        *,
        dry_run: bool = False,
    ) -> Pruned:
        """One piece of retention, see :meth:`actors.journal.port.Journal.prune`."""
        if self.unavailable and not dry_run:
            raise JournalUnavailable(f"{self.name} {self.unavailable}; nothing was removed")
        up_to = min(up_to, self._seq - 1)
        start = bisect_right(self._records, after, key=_SEQ)
        stop = min(start + rows, bisect_right(self._records, up_to, key=_SEQ))
        looked_at = self._records[start:stop]
        kept: list[Record] = []
        gone: list[Record] = []
        for record in looked_at:
            seq, row = self._closed.get(record.entity, (up_to + 1, None))
            is_old = row is not None and (before_ts is None or row[7] < before_ts)
            (gone if seq <= up_to and is_old else kept).append(record)
        if gone and not dry_run:
            self._records[start:stop] = kept
            self._gaps = merged([*self._gaps, *(Gap(r.seq, r.seq, r.check) for r in gone)])
        is_young = before_ts is not None and all(r.ts >= before_ts for r in looked_at)
        return Pruned(
            looked_at[-1].seq if looked_at else after,
            len(gone),
            sum(len(record.body) for record in gone),
            len(kept),
            sum(1 for record in gone if record.kind in INTRODUCTIONS),
            0,  # tombstones are not packed: here they are the very objects that are read
            len(looked_at) < rows or is_young,
        )

    def closed_order(self, client_order_id: str) -> bytes | None:
        """The tombstone of a closed order."""
        return self._latest((client_order_id,), None)

    def closed_orders(self) -> Iterator[tuple[str, bytes]]:
        """Every closed order's id and tombstone."""
        for client_order_id in sorted(self._closed, key=str.encode):
            yield client_order_id, self._closed[client_order_id][1][8]

    def closed_by_intent(self, intent_id: str) -> bytes | None:
        """The tombstone of the order that closed last for this intent."""
        return self._latest(tuple(self._intents.get(intent_id, ())), None)

    def closed_intents(self) -> Iterator[str]:
        """The intent id of every closed order."""
        return iter(tuple(self._intents))

    def closed_by_venue_id(
        self, venue: str, account: str, venue_order_id: str, instrument: str | None = None
    ) -> bytes | None:
        """The tombstone behind a venue's order id."""
        return self._latest(
            tuple(self._venue_ids.get((venue, account, venue_order_id), ())), instrument
        )

    def _latest(self, client_order_ids: tuple[str, ...], instrument: str | None) -> bytes | None:
        rows = [self._closed[cid] for cid in client_order_ids if cid in self._closed]
        if instrument is not None:
            rows = [row for row in rows if row[1][4] == instrument]
        if not rows:
            return None
        return max(rows, key=lambda row: (row[0], row[1][0].encode()))[1][8]

    def has_fill(
        self, venue: str, account: str, instrument: str, side: str, exec_id: str
    ) -> str | None:
        """The client order id this execution is booked on."""
        return self._fills.get((venue, account, instrument, side, exec_id))

    def fills_of(self, client_order_id: str) -> list[FillKey]:
        """The executions booked on an order."""
        return sorted(key for key, owner in self._fills.items() if owner == client_order_id)

    def checkpoint(self, key: str) -> tuple[int, bytes] | None:
        """One checkpoint."""
        return self._checkpoints.get(key)

    def checkpoints(self) -> dict[str, tuple[int, bytes]]:
        """All checkpoints."""
        return dict(self._checkpoints)

    def statistics(self) -> Statistics:
        """How it is doing."""
        return Statistics(self._seq, self._appends, 0, 0, 0, 0, "")

    def verify(self, progress: Callable[[int], None] | None = None) -> list[Defect]:
        """Read everything and name what does not agree."""
        found: list[Defect] = []
        previous, after = self._check_of(0), 0
        for record in self._records:
            if record.seq != after + 1 and any(
                (gap.first, gap.last) == (after + 1, record.seq - 1) for gap in self._gaps
            ):
                after = record.seq - 1
                previous = self._check_of(after)
            found += verify_chain((record,), previous, after)
            previous, after = record.check, record.seq
        if progress is not None:
            progress(self._seq)
        return found

    def close(self) -> None:
        """Refuse further appends; what was stored can still be read here, and nowhere else."""
        self.unavailable = self.unavailable or "is closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
