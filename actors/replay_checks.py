"""What a replay came to, and the checks that hold for every recording.

A recording's own oracle knows what should have happened; these know what must always hold: the
state of the running system is the fold of what it wrote down, every order keeps its invariants, no
execution is booked twice, and no message made anything fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.errors import InvariantViolated
from engine.fold import Books, SlotKey, digest, revive, tombstone
from engine.invariants import check_ledger, check_order
from engine.messages import Filled
from engine.order import Ledger, Order, public_state
from engine.position_state import Position
from engine.recordings import Check, FinalOrder, FinalPosition
from engine.values import OrderState, exact

from .portfolio import PositionView
from .recovery import fold_journal
from .system import ExecutionSystem

__all__ = ["FinalState", "books_digest", "fold_journal", "generic_checks", "stones_of"]

_EXAMPLES_MAX = 5


class FinalState:
    """Every order and position a system came to know, as it left them: a ``ReplayView``."""

    def __init__(self, system: ExecutionSystem) -> None:
        self._orders: dict[str, tuple[Order, Ledger | None]] = {
            cid: revive(body) for cid, body in system.journal.closed_orders()
        }
        for broker in system.brokers.values():
            for cid, actor in broker.orders.items():
                self._orders[cid] = actor.order, actor.ledger
        self.positions_held: tuple[PositionView, ...] = system.portfolio().get().positions
        self.digest: str = system.state_digest().get()

    def order(self, client_order_id: str) -> FinalOrder | None:
        """One order by its recorded id."""
        found = self._orders.get(client_order_id)
        return None if found is None else _final(*found)

    def orders(self) -> Iterator[FinalOrder]:
        """Every order."""
        for order, ledger in self._orders.values():
            yield _final(order, ledger)

    def positions(self) -> Iterator[FinalPosition]:
        """Every slot."""
        for held in self.positions_held:
            yield FinalPosition(
                held.account, held.instrument, held.slot, held.qty, held.avg_px,
                held.realized_pnl, held.fees,
            )  # fmt: skip

    def items(self) -> Iterable[tuple[Order, Ledger | None]]:
        """Every order whole, with its ledger."""
        return self._orders.values()

    def by_state(self) -> dict[str, int]:
        """Orders by public state; only states that occur, in the enum's order."""
        counts = dict.fromkeys(OrderState, 0)
        for order, _ in self._orders.values():
            counts[public_state(order)] += 1
        return {state.value: count for state, count in counts.items() if count}

    def fills(self) -> int:
        """How many executions are booked and stand."""
        return sum(len(ledger) for _, ledger in self._orders.values() if ledger is not None)

    def __len__(self) -> int:
        return len(self._orders)


def _final(order: Order, ledger: Ledger | None) -> FinalOrder:
    return FinalOrder(
        order.terms.client_order_id,
        public_state(order),
        order.order_qty,
        order.cum_qty,
        order.cum_cost,
        0 if ledger is None else len(ledger),
    )


def stones_of(books: Books) -> list[tuple[str, bytes]]:
    """Every folded order, written down."""
    return [(cid, tombstone(order, books.ledgers.get(cid))) for cid, order in books.orders.items()]


def books_digest(books: Books) -> str:
    """The digest of a folded state."""
    return digest(
        stones_of(books),
        books.positions.values(),
        books.groups.values(),
        [*books.controls.values(), *books.watched.values()],
        books.history.trails.values(),
        books.history.money,
    )


def generic_checks(
    system: ExecutionSystem, state: FinalState, messages: int, failures: int
) -> list[Check]:
    """The checks that hold for every system after any number of messages."""
    return [
        _fold_check(system, state),
        check_invariants(state.items()),
        check_executions(state.items()),
        Check(
            "nothing_failed",
            messages,
            failures,
            ("messages made an actor fail, or reached nobody: see the alarms",) if failures else (),
        ),
    ]


def _fold_check(system: ExecutionSystem, state: FinalState) -> Check:
    name = "live_state_is_the_fold_of_the_journal"
    books = fold_journal(system.journal)
    checked = len(state) + len(state.positions_held)
    if books_digest(books) == state.digest:
        return Check(name, checked, 0)
    bad: list[str] = []
    live = {order.client_order_id: (order, ledger) for order, ledger in state.items()}
    for cid in sorted([*live, *(cid for cid in books.orders if cid not in live)]):
        one, other = live.get(cid), books.orders.get(cid)
        if one is None or other is None:
            bad.append(f"order {cid!a} is only {'folded' if one is None else 'live'}")
        elif tombstone(*one) != tombstone(other, books.ledgers.get(cid)):
            bad.append(f"order {cid!a}: {one[0]} live, {other} folded")
    held: dict[SlotKey, Position] = {
        actor.position.key: actor.position
        for broker in system.brokers.values()
        for actor in broker.positions.values()
    }
    keys = [*held, *(key for key in books.positions if key not in held)]
    bad += [
        f"position {key}: {held.get(key)} live, {books.positions.get(key)} folded"
        for key in keys
        if held.get(key) != books.positions.get(key)
    ]
    return Check(name, checked, max(len(bad), 1), tuple(bad[:_EXAMPLES_MAX]))


def check_invariants(orders: Iterable[tuple[Order, Ledger | None]]) -> Check:
    """Every order keeps the rules of :mod:`engine.invariants`."""
    checked = 0
    bad: list[str] = []
    with exact():
        for order, ledger in orders:
            checked += 1
            try:
                check_order(order)
                check_ledger(order, ledger)
            except InvariantViolated as error:
                bad.append(str(error))
    return Check("invariants", checked, len(bad), tuple(bad[:_EXAMPLES_MAX]))


def check_executions(orders: Iterable[tuple[Order, Ledger | None]]) -> Check:
    """No execution stands on two orders, or twice on one."""
    owners: dict[tuple[str, str, str, str, str], str] = {}
    checked = 0
    bad: list[str] = []
    for order, ledger in orders:
        if ledger is None:
            continue
        terms = order.terms
        fill: Filled
        for fill in ledger.live():
            checked += 1
            key = (
                terms.venue,
                terms.account,
                fill.instrument or terms.instrument,
                (fill.side or terms.side).value,
                fill.exec_id,
            )
            other = owners.setdefault(key, terms.client_order_id)
            if other is not terms.client_order_id:
                bad.append(f"{fill.exec_id!a} stands on {other!a} and {terms.client_order_id!a}")
    return Check("no_fill_booked_twice", checked, len(bad), tuple(bad[:_EXAMPLES_MAX]))
