"""Restart: from a journal to actors, with everything as it was.

The last checkpoint holds positions, instruments and open orders as of one record; the facts behind
it are folded on top with the engine's own functions. Of orders that are closed by now only those
are folded whose executions a position still needs: the others are not even decoded.

Orders that were on the wire, or waiting to leave, are then of unknown outcome: nothing counts as
not sent, and only the venue ends that doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from engine.fold import Books
from engine.journal import Record, decode, decode_record
from engine.messages import (
    CorrectPosition,
    Fact,
    Message,
    OrderReport,
    OutcomeUnknown,
    SetBaseline,
)
from engine.order import Ledger, Order, is_settled
from engine.order_links import never_left
from engine.order_tables import TERMINAL, Life
from engine.values import exact

from .stored import FROZEN, Stored, load

if TYPE_CHECKING:
    from .journal import Journal

__all__ = ["KeptFold", "Parked", "Recovered", "doubts", "fold_journal", "recover"]

#: Reports of orders nobody introduced, by what they are parked as.
Parked = dict[str, tuple[OrderReport, ...]]


class Recovered(msgspec.Struct, frozen=True):
    """What a journal says is there."""

    books: Books
    open_orders: tuple[tuple[Order, Ledger | None], ...]
    #: By account; under ("", ""): of facts, which do not say whose they are.
    parked: dict[tuple[str, str], Parked]
    stored: Stored
    #: Open orders that changed since the checkpoint.
    changed: tuple[str, ...]
    facts_folded: int

    @property
    def checkpoint_seq(self) -> int:
        """The record that the checkpoint is the state of; 0 when there is none."""
        return self.stored.seq


def recover(journal: Journal) -> Recovered:
    """Read a journal back.

    Raises:
        JournalCorrupt: a record or checkpoint cannot be read, or contradicts what stands before it.
    """
    stored = load(journal)
    books = _books_of(stored)
    loaded = {name: (told, len(told)) for name, told in books.parked.items()}
    tail = _Tail(books)
    with exact():
        for record, is_closed in journal.records_marked(after=stored.seq):
            tail.take(record, is_closed)
    tail.leave_out()
    still_open = tuple(
        (order, books.ledgers.get(name))
        for name, order in books.orders.items()
        if not (order.life in TERMINAL and is_settled(order))
    )
    names = (order.terms.client_order_id for order, _ in still_open)
    is_new = stored.shelf.head is None  # then the next checkpoint writes all of them
    return Recovered(
        books,
        still_open,
        _by_account(stored, books, loaded),
        stored,
        tuple(name for name in names if is_new or name in tail.seen),
        books.facts,
    )


class KeptFold:
    """The fold of every fact that a journal still has, record by record.

    Where retention has removed facts of closed orders those orders are left out, and positions are
    the last checkpoint's and what came behind it: their older executions are not all there.
    """

    def __init__(self, journal: Journal) -> None:
        self.books = Books()
        self._stored = load(journal) if journal.removed() else None

    @property
    def knows_positions(self) -> bool:
        """Whether the record reached is one from which on positions are known."""
        return self._stored is None

    def reach(self, seq: int) -> None:
        """Go on to this record; 0: behind the last one. To be called before it is applied."""
        stored = self._stored
        if stored is not None and (not seq or seq > stored.seq):
            self._stored = None
            self.books.positions = {held.key: held for held in stored.positions.values()}
            trails = {trail.now.position.key: trail for trail in stored.trails.values()}
            self.books.history.restart(stored.money, trails)

    def apply(self, entity: str, fact: Fact) -> None:
        """Take one fact over, as :meth:`engine.fold.Books.apply`."""
        if self.knows_positions or not isinstance(fact, SetBaseline | CorrectPosition):
            self.books.apply(entity, fact)


def fold_journal(journal: Journal) -> Books:
    """Fold every fact that a journal still has, see :class:`KeptFold`.

    Raises:
        JournalCorrupt, JournalSchemaError: a record cannot be read, or contradicts those before it.
    """
    fold = KeptFold(journal)
    with exact():
        for record in journal.records():
            fold.reach(record.seq)
            fold.apply(record.entity, decode_record(record))
    fold.reach(0)
    return fold.books


def _books_of(stored: Stored) -> Books:
    books = Books()
    for order, ledger in stored.orders.values():
        books.hold(order, ledger)
    books.frozen.update(dict.fromkeys(stored.frozen, FROZEN.decode()))
    for position in stored.positions.values():
        books.positions[position.key] = position
    trails = {trail.now.position.key: trail for trail in stored.trails.values()}
    books.history.restart(stored.money, trails)
    books.groups.update(stored.groups)
    for control in stored.controls.values():
        books.controls[control.venue, control.account] = control
    for watched in stored.watched.values():
        books.watched[watched.venue, watched.account] = watched
    for instrument in stored.instruments.values():
        books.instruments[instrument.venue, instrument.symbol] = instrument
    for mine in stored.parked.values():
        for name, reports in mine.items():
            books.parked[name] = _joined(books.parked.get(name, []), reports)
    return books


def _joined(some: list[Message], others: tuple[OrderReport, ...]) -> list[Message]:
    """What two accounts hold under one name, each report once.

    A fact does not say at which account it was parked, so a restart gives those of the tail to all
    of them: the account that has more has them in the order they came in.
    """
    longer: Sequence[Message] = some
    shorter: Sequence[Message] = others
    if len(some) < len(others):
        longer, shorter = others, some
    joined, rest = list(longer), list(longer)
    for report in shorter:
        if report in rest:
            rest.remove(report)
        else:
            joined.append(report)
    return joined


#: Facts that never book: an order's state may need them, a position does not.
_NEVER_BOOKS: Final = frozenset(
    {
        "SubmitOrder", "AdoptOrder", "CancelOrder", "AmendOrder", "SettleOrder", "Accepted",
        "Rejected", "Cancelled", "Expired", "Triggered", "Suspended", "Resumed", "Replaced",
        "LinkOrder", "CancelRefused", "ReplaceRefused", "RequestPending", "DoneForDay",
        "OutcomeUnknown", "LocalTrailed", "LocalTriggered", "LocalReleased",
        "NeverArrived", "Denied", "Withdrawn", "OrderSnapshot", "OrderNotFound",
    }
)  # fmt: skip


class _Tail:
    """Folds the facts behind a checkpoint.

    The facts of a closed order wait until one comes that may book. Where none comes it is as if the
    order had never been: it is closed, and no position knows of it. That the facts are folded later
    than they stand in the journal changes nothing, because they concern no other entity. Only where
    reports are parked they could, as the facts of the order that those are for: then none waits.
    """

    def __init__(self, books: Books) -> None:
        self.seen: dict[str, None] = {}  # entities with facts that were folded
        self._books = books
        self._waiting: dict[str, list[Record]] = {}

    def take(self, record: Record, is_closed: bool) -> None:
        """Take the next fact."""
        entity = record.entity
        if is_closed and entity not in self.seen:
            if record.kind in _NEVER_BOOKS and not self._books.parked:
                self._waiting.setdefault(entity, []).append(record)
                return
            for earlier in self._waiting.pop(entity, ()):
                self._books.apply(entity, decode(earlier.body))
        self.seen[entity] = None
        self._books.apply(entity, decode(record.body))

    def leave_out(self) -> None:
        """Drop the orders whose facts waited to the end: they are closed."""
        for entity in self._waiting:
            self._books.orders.pop(entity, None)
            self._books.ledgers.pop(entity, None)


def _by_account(
    stored: Stored, books: Books, loaded: dict[str, tuple[list[Message], int]]
) -> dict[tuple[str, str], Parked]:
    """What is parked now: as the checkpoint says, and what came behind it."""
    found: dict[tuple[str, str], Parked] = {}
    everybodys = found.setdefault(("", ""), {})
    for name, told in books.parked.items():
        of_checkpoint, count = loaded.get(name, ([], 0))
        if of_checkpoint is told:  # else it was taken up since, and another one parked
            for account, mine in stored.parked.items():
                if name in mine:
                    found.setdefault(account, {})[name] = mine[name]
        else:
            count = 0
        if told[count:]:
            everybodys[name] = everybodys.get(name, ()) + tuple(told[count:])  # type: ignore[arg-type]  # reports: nothing else is parked
    return found


def doubts(order: Order, ts: int) -> list[OutcomeUnknown]:
    """What a restart makes unknown about an order."""
    cid = order.terms.client_order_id
    found = [
        OutcomeUnknown(cid, ts, out.req_id, "restart") for out in order.requests if not out.unknown
    ]
    if (order.life is Life.PENDING and not never_left(order)) or order.life is Life.SUBMITTED:
        found.insert(0, OutcomeUnknown(cid, ts, None, "restart"))
    return found
