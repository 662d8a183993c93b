"""What the judge asks of groups: live they are the fold of the journal, and over means over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from engine.fold import Books
from engine.group import Group
from engine.group_tables import GROUP, GroupState
from engine.order import is_settled
from engine.order_links import never_left
from engine.order_tables import TERMINAL
from engine.simulator import Exchange

from .truth import Truth, Violation
from .truth_groups import compare_groups

if TYPE_CHECKING:
    from ..broker import BrokerActor
    from ..journal import FactRow

__all__ = ["committed_groups", "groups_at_rest", "looked_at", "touched_groups"]

_PREFIX: Final = "group:"
#: Where no group stays once all is at rest: there somebody is still to do something.
_PASSING: Final = (GroupState.EXITING, GroupState.FLATTENING, GroupState.STANDING_DOWN)


def committed_groups(
    rows: Sequence[FactRow],
    books: Books,
    broker: BrokerActor,
    ends: Mapping[str, list[Violation]],
) -> Iterator[Violation]:
    """Groups of a commit: each is what its facts fold to; one that is DONE has no live order, and
    held nothing when it ended (``ends``: what was wrong with those that did).
    """
    for group_id, spoke_last in touched_groups(rows, books).items():
        folded = books.groups.get(group_id)
        if folded is None or not spoke_last:
            continue  # its look at them is still to come
        yield from _is_the_fold(folded, broker)
        if folded.state is not GroupState.DONE or broker.groups.will_look(group_id):
            continue
        yield from ends.get(group_id, ())
        for _, cids in folded.slices:
            for cid in cids:
                order = books.orders.get(cid)
                if order is None or order.life not in TERMINAL or not is_settled(order):
                    stands = "nowhere" if order is None else order.life.name
                    yield Violation("done_is_done", f"it is DONE, {cid} is {stands}", group_id)


def touched_groups(rows: Sequence[FactRow], books: Books) -> dict[str, bool]:
    """The groups of a commit, and whether each spoke after its orders."""
    newest: dict[str, bool] = {}
    for _, entity, _, _ in rows:
        if entity.startswith(_PREFIX):
            newest[entity.removeprefix(_PREFIX)] = True
        elif (order := books.orders.get(entity)) is not None and order.terms.group_id:
            newest[order.terms.group_id] = False
    return newest


def looked_at(
    books: Books, broker: BrokerActor | None, exchange: Exchange, account: str
) -> Iterator[Violation]:
    """What has to hold of groups at any time, whether a system runs or not."""
    if broker is not None:
        yield from _live(books, broker)
    if books.groups:
        yield from _held_back(books, exchange, account)


def _live(books: Books, broker: BrokerActor) -> Iterator[Violation]:
    """Every group of the journal that is not over is in memory, as its facts say."""
    for folded in books.groups.values():
        if folded.state not in GROUP.terminal or folded.group_id in broker.groups.groups:
            yield from _is_the_fold(folded, broker)
    for group_id in broker.groups.groups:
        if group_id not in books.groups:
            yield Violation("live_is_the_fold", "a group that the journal has not", group_id)


def _is_the_fold(folded: Group, broker: BrokerActor) -> Iterator[Violation]:
    actor = broker.groups.groups.get(folded.group_id)
    if actor is None:
        yield Violation("live_is_the_fold", "the journal has it, no actor does", folded.group_id)
    elif actor.group != folded:
        text = f"{actor.group} live, {folded} folded"
        yield Violation("live_is_the_fold", text, folded.group_id)


def _held_back(books: Books, exchange: Exchange, account: str) -> Iterator[Violation]:
    """No order that its group holds back, or whose trigger we watch, has reached the venue."""
    for terms, _ in exchange.placed(account):
        order = books.orders.get(terms.client_order_id)
        if order is not None and never_left(order):
            text = "it has not left, and the venue has it"
            yield Violation("held_is_held", text, terms.client_order_id)


def groups_at_rest(truth: Truth, books: Books, broker: BrokerActor) -> list[Violation]:
    """What is wrong with groups now that nothing is under way any more."""
    excused = broker.calls.hand_over()
    return [
        *_passing(books, broker, excused),
        *compare_groups(truth, books, broker.capabilities, excused),
    ]


def _passing(books: Books, broker: BrokerActor, excused: Sequence[str]) -> Iterator[Violation]:
    """Groups that are on their way somewhere and do not get there, and those that are over and stay
    in memory; ``excused``: orders that are left to a person.
    """
    for group in books.groups.values():
        if group.state in GROUP.terminal and group.group_id in broker.groups.groups:
            yield Violation("groups_arrive", "it is DONE, and still in memory", group.group_id)
        waits = any(cid in excused for _, cids in group.slices for cid in cids)
        if group.state in _PASSING and not waits:
            text = f"it is {group.state.name}, and nothing moves any more"
            yield Violation("groups_arrive", text, group.group_id)
