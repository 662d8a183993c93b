"""Is a journal whole? Every record read and proven, every fact folded, every stored row compared.

The rows beside the facts (closed orders, executions, checkpoints) exist so that a restart need not
fold everything. They must say what the fold says; here they are compared with it. While a system
has the journal open they move on under our eyes, so then only the facts are judged.

Of orders whose facts retention removed there is the tombstone to judge by, and positions are
followed from the last checkpoint on, because their older executions are not all there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from engine.errors import JournalError
from engine.fold import Books, digest, revive, tombstone
from engine.order import Ledger, Order, is_settled, public_state
from engine.order_steps import mark_unsent
from engine.order_tables import TERMINAL
from engine.recordings import Check
from engine.trip_books import TripBooks
from engine.trips import Trip
from engine.values import OrderState

from .journal import Journal
from .journal.lock import is_owned
from .recovery import fold_journal, recover
from .replay_checks import check_executions, check_invariants, stones_of

__all__ = ["Verdict", "verify"]

_EXAMPLES_MAX: Final = 20
_TRIP: Final = msgspec.json.Decoder(Trip)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal holds, and whether it is whole."""

    journal: str
    engine_id: str
    incarnation: str
    created_ts: int
    records: int
    orders: int
    orders_by_state: dict[str, int]
    open_orders: int
    fills: int
    positions: int
    checks: tuple[Check, ...]
    removed_records: int  # by retention
    removed_orders: int  # of the orders: closed ones of which only the tombstone is left
    digest: str  # "" when the facts cannot be folded
    in_use: bool  # a system has it open: its rows were not compared

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not any(check.failed for check in self.checks)


def verify(journal: Journal, progress: Callable[[int], None] | None = None) -> Verdict:
    """Read all of a journal; what does not agree is in the checks, nothing is raised for it."""
    in_use = is_owned(Path(journal.name))
    defects = journal.verify(progress)
    integrity = Check(
        "integrity",
        journal.last_seq,
        len(defects),
        tuple(defect.what for defect in defects[:_EXAMPLES_MAX]),
    )
    checks = [integrity]
    removed = sum(gap.last - gap.first + 1 for gap in journal.removed())
    books = Books()
    told = ""
    states: Counter[OrderState] = Counter()
    fills = 0
    try:
        books = fold_journal(journal)
        told = digest(
            [*stones_of(books), *_removed_stones(journal, books)],
            books.positions.values(),
            books.groups.values(),
            [*books.controls.values(), *books.watched.values()],
            books.history.trails.values(),
            books.history.money,
        )
        for order, ledger in _everything(journal, books):
            states[public_state(order)] += 1
            fills += 0 if ledger is None else len(ledger)
    except JournalError as error:
        checks.append(Check("fold", journal.last_seq, 1, (str(error),)))
    else:
        notes = (f"retention removed {removed:,} records",) if removed else ()
        checks.append(Check("fold", books.facts, 0, notes=notes))
        checks.append(check_invariants(_everything(journal, books)))
        checks.append(check_executions(_everything(journal, books)))
        if not in_use:
            checks += _compare_rows(journal, books)
    return Verdict(
        journal=journal.name,
        engine_id=journal.engine_id,
        incarnation=journal.incarnation,
        created_ts=journal.created_ts,
        records=journal.last_seq,
        orders=states.total(),
        orders_by_state={state.value: states[state] for state in OrderState if states[state]},
        open_orders=sum(1 for order in books.orders.values() if not _is_done(order)),
        fills=fills,
        positions=len(books.positions),
        checks=tuple(checks),
        removed_records=removed,
        removed_orders=states.total() - len(books.orders) if told else 0,
        digest=told,
        in_use=in_use,
    )


def _removed_stones(journal: Journal, books: Books) -> Iterator[tuple[str, bytes]]:
    """Tombstones of orders whose facts retention removed."""
    if journal.removed():
        for cid, body in journal.closed_orders():
            if cid not in books.orders:
                yield cid, body


def _everything(journal: Journal, books: Books) -> Iterator[tuple[Order, Ledger | None]]:
    """Every order with its ledger; those whose facts were removed, as their tombstones say."""
    for cid, order in books.orders.items():
        yield order, books.ledgers.get(cid)
    for _, body in _removed_stones(journal, books):
        yield revive(body)


def _is_done(order: Order) -> bool:
    return order.life in TERMINAL and is_settled(order)


def _compare_rows(journal: Journal, books: Books) -> list[Check]:
    found: list[Check] = []
    for name, judge in (
        ("closed_rows_are_the_fold", _closed_rows),
        ("execution_rows_are_the_fold", _execution_rows),
        ("checkpoint_and_tail_are_the_fold", _checkpoint),
        ("trip_rows_are_the_fold", _trip_rows),
    ):
        try:
            checked, bad = judge(journal, books)
        except JournalError as error:
            checked, bad = 1, [str(error)]
        found.append(Check(name, checked, len(bad), tuple(bad[:_EXAMPLES_MAX])))
    return found


def _closed_rows(journal: Journal, books: Books) -> tuple[int, list[str]]:
    bad: list[str] = []
    seen: dict[str, None] = {}
    may_be_gone = bool(journal.removed())
    for cid, body in journal.closed_orders():
        seen[cid] = None
        order = books.orders.get(cid)
        if order is None and may_be_gone:
            continue
        if order is None:
            bad.append(f"closed order {cid!a} has no facts")
        elif not _is_done(order):
            bad.append(f"order {cid!a} has a closed row, and its facts leave it {order.life.name}")
        elif tombstone(order, books.ledgers.get(cid)) != body:
            bad.append(f"the row of closed order {cid!a} is not what its facts fold to")
    for cid, order in books.orders.items():
        if cid not in seen and _is_done(order):
            bad.append(f"order {cid!a} has ended and has no closed row")
    return len(books.orders), bad


def _execution_rows(journal: Journal, books: Books) -> tuple[int, list[str]]:
    bad: list[str] = []
    checked = 0
    for order, ledger in _everything(journal, books):
        terms = order.terms
        cid = terms.client_order_id
        if ledger is None:
            continue
        for fill in ledger.live():
            checked += 1
            side = (fill.side or terms.side).value
            owner = journal.has_fill(
                terms.venue, terms.account, fill.instrument or terms.instrument, side, fill.exec_id
            )
            if owner != cid:
                where = "has no row" if owner is None else f"has a row of order {owner!a}"
                bad.append(f"execution {fill.exec_id!a} of order {cid!a} {where}")
    return checked, bad


def _trip_of(body: bytes) -> Trip | None:
    """None: it cannot be read, so it is no trip's."""
    try:
        return _TRIP.decode(body)
    except msgspec.MsgspecError:
        return None


def _trip_rows(journal: Journal, books: Books) -> tuple[int, list[str]]:
    bad: list[str] = []
    for key, trip in books.history.trips.items():
        row = journal.checkpoint(key)
        if row is None:
            bad.append(f"closed {key!a} has no row")
        elif _trip_of(row[1]) != trip:
            bad.append(f"the row of {key!a} is not what its facts fold to")
    return len(books.history.trips), bad


def _checkpoint(journal: Journal, books: Books) -> tuple[int, list[str]]:
    recovered = recover(journal)
    bad: list[str] = []
    for key, position in books.positions.items():
        if recovered.books.positions.get(key) != position:
            bad.append(f"position {key} is not what its facts fold to")
    for name, control in books.controls.items():
        if recovered.books.controls.get(name) != control:
            bad.append(f"what is shut at {name} is not what its facts fold to")
    bad += _histories(recovered.books.history, books.history)
    for name, watched in books.watched.items():
        if recovered.books.watched.get(name) != watched:
            bad.append(f"what is watched at {name} is not what its facts fold to")
    restored = {order.client_order_id: (order, ledger) for order, ledger in recovered.open_orders}
    for cid, order in books.orders.items():
        if _is_done(order):
            if cid in restored:
                bad.append(f"order {cid!a} has ended, and a restart would take it up as open")
            continue
        again = restored.get(cid)
        if again is None:
            bad.append(f"order {cid!a} is open, and a restart would not know it")
        elif _waiting(*again) != _waiting(order, books.ledgers.get(cid)):
            bad.append(f"open order {cid!a} is not what its facts fold to")
    return len(books.positions) + len(books.orders), bad


def _histories(recovered: TripBooks, folded: TripBooks) -> list[str]:
    bad = [
        f"the trips of {key} are not what their facts fold to"
        for key, trail in folded.trails.items()
        if recovered.trails.get(key) != trail
    ]
    if recovered.money != folded.money:
        bad.append("rates, or since when trips are kept, are not what their facts fold to")
    return bad


def _waiting(order: Order, ledger: Ledger | None) -> bytes:
    """An open order, written down; that it was sent is no fact, so it makes no difference."""
    return tombstone(mark_unsent(order), ledger)
