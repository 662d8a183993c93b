"""What the judge asks of groups, protection, and what is shut: one door to all of it.

Each promise has a name; ``docs/testing.md`` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from engine.fold import Books
from engine.group_tables import GroupState
from engine.messages import Alarm, Fact, GroupMoved
from engine.order import Order
from engine.order_tables import TERMINAL

from .judge_control import ControlJudge
from .judge_groups import committed_groups, groups_at_rest, looked_at, touched_groups
from .judge_monitors import LinkJudge, MonitorJudge
from .judge_moves import MovesJudge
from .judge_protection import ProtectionJudge
from .truth import Truth, Violation
from .truth_groups import closed_by_nobody

if TYPE_CHECKING:
    from ..broker import BrokerActor
    from ..journal import FactRow
    from .simulated_parts import KitExchange, WatchedSystem

__all__ = ["OUR_FAILURES", "Promises", "kept_requests"]

#: Alarms that say that something of ours failed; whatever a venue does, they must not be raised.
OUR_FAILURES: Final = frozenset(
    {
        "background_failed",
        "broker_failed",
        "dead_letter",
        "effect_failed",
        *("group_failed", "group_restless"),
        "order_failed",
        "subscriber_failed",
        "unbookable",
    }
)


def kept_requests(before: Order, after: Order) -> Iterator[Violation]:
    """An execution that leaves an order open answers no request of it: all are outstanding."""
    ids = {out.req_id: None for out in after.requests}
    gone = [out.req_id for out in before.requests if out.req_id not in ids]
    if gone and after.life not in TERMINAL:
        text = f"a fill of {after.cum_qty - before.cum_qty} forgot {', '.join(gone)}"
        yield Violation("a_fill_answers_nothing", text, after.terms.client_order_id)


class Promises:
    """Watches one account of one system over all its lives; belongs to its judge."""

    def __init__(
        self,
        exchange: KitExchange,
        venue: str,
        account: str,
        alarms: list[Alarm],
        calls: Callable[[], Sequence[tuple[str, object, str]]],
    ) -> None:
        self.exchange = exchange
        self.account = account
        self.control = ControlJudge(exchange, venue, account)
        self.protection = ProtectionJudge(alarms)
        #: By group: what was open when it ended, in the commit that is folded now.
        self._ends: dict[str, list[Violation]] = {}
        self.moves = MovesJudge(exchange, account, alarms)
        self.monitors = MonitorJudge(venue, account)
        self.link = LinkJudge(calls)

    def begins(self, books: Books, system: WatchedSystem) -> None:
        """A life begins, with what was written before it."""
        self._ends = {}
        self.control.begins(books, system)
        self.protection.begins()
        self.moves.begins(books)
        self.monitors.begins(books)
        self.link.begins(system)

    def folded(self, fact: Fact, books: Books) -> None:
        """A fact was folded: a group is judged by what there was at its end, for a later order of
        the same commit may open its slot again.
        """
        if isinstance(fact, GroupMoved) and fact.state is GroupState.DONE:
            self._ends[fact.group_id] = closed_by_nobody(books.groups[fact.group_id], books)

    def committed(
        self, rows: Sequence[FactRow], books: Books, broker: BrokerActor
    ) -> Iterator[Violation]:
        """Facts were written and folded, and nothing has left yet."""
        yield from committed_groups(rows, books, broker, self._ends)
        self._ends = {}
        yield from self.control.committed(rows, books)
        yield from self.link.committed(rows, broker)
        yield from self.moves.committed(rows, books)
        yield from self.monitors.committed(rows, books)
        names = touched_groups(rows, books)
        groups = [group for name in names if (group := books.groups.get(name)) is not None]
        self.protection.committed(groups, books, broker)

    def looked(self, books: Books, broker: BrokerActor | None) -> Iterator[Violation]:
        """What has to hold at any time, whether a system runs or not."""
        yield from looked_at(books, broker, self.exchange, self.account)
        yield from self.moves.looked(books)
        if broker is not None:
            yield from self.control.looked(books, broker)
            yield from self.link.looked(broker)
            yield from self.protection.looked(books, broker)

    def at_rest(self, truth: Truth, books: Books, broker: BrokerActor) -> list[Violation]:
        """What is wrong now that nothing is under way any more."""
        return [
            *groups_at_rest(truth, books, broker),
            *self.control.at_rest(books, broker),
            *self.protection.at_rest(truth, books, broker),
            *self.moves.at_rest(books, broker),
            *self.monitors.at_rest(books, broker),
        ]
