"""Give a system what its journal says was there: orders, positions, instruments, parked reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from engine.errors import InvalidValue
from engine.group_tables import GROUP
from engine.messages import OrderReport, SubmitOrder
from engine.order import has_questions
from engine.watched import Watched

from .broker import BrokerActor
from .intake import is_adopted
from .journal import Journal
from .recovery import Recovered, doubts

__all__ = ["Restart", "first_number", "hand_over"]

_NUMBER_NS: Final = 100_000  # of a journal's life, for each number a client order id can have


class Restart(msgspec.Struct, frozen=True):
    """What a start found in its journal, in numbers."""

    checkpoint_seq: int  # the record that its last checkpoint is the state of; 0: there was none
    facts_folded: int  # of those behind it
    open_orders: int


def hand_over(
    recovered: Recovered,
    brokers: Mapping[tuple[str, str], BrokerActor],
    intents: dict[str, SubmitOrder],
    ts: int,
) -> list[tuple[BrokerActor, OrderReport]]:
    """Let brokers hold what is theirs, and fill ``intents`` with the intents that are open.

    Gives what a restart makes unknown, to be reported in the first turn.

    Raises:
        InvalidValue: there are open orders of an account that this system does not have.
    """
    _give_state(recovered, brokers)
    restarted: list[tuple[BrokerActor, OrderReport]] = []
    frozen = recovered.books.frozen
    for order, ledger in recovered.open_orders:
        terms = order.terms
        owner = brokers.get((terms.venue, terms.account))
        if owner is None:
            raise InvalidValue(
                f"the journal has open orders at {terms.venue}/{terms.account}, and this system"
                " has no such venue account: add it, so that they are not forgotten"
            )
        actor = owner.introduce(order, ledger)
        if frozen:
            actor.frozen = terms.client_order_id in frozen
        intents[terms.intent_id] = terms
        restarted += [(owner, report) for report in doubts(order, ts)]
    everybodys = recovered.parked.get(("", ""), {})
    for account, broker in brokers.items():
        parked = broker.intake.parked
        parked.update(recovered.parked.get(account, {}))
        for name, reports in everybodys.items():
            if name.startswith("venue:") and not name.startswith(broker.intake.entity_of("")):
                continue  # another account's: venues number their orders alike
            parked[name] = parked.get(name, ()) + reports
    return restarted


def _give_state(recovered: Recovered, brokers: Mapping[tuple[str, str], BrokerActor]) -> None:
    """Positions with their trips, groups, what is shut, and what is watched."""
    history = recovered.books.history
    for broker in brokers.values():
        broker.following.keeps = history.money.history_ts is not None
    for position in recovered.books.positions.values():
        at = brokers.get((position.venue, position.account))
        if at is not None:  # else its account is not here now: it stays in the checkpoint
            at.hold_position(position)
    for (venue, account, *_), trail in history.trails.items():
        if (venue, account) in brokers:
            brokers[venue, account].following.hold(trail)
    for group in recovered.books.groups.values():
        at = brokers.get((group.terms.venue, group.terms.account))
        if at is not None and group.state not in GROUP.terminal:
            at.groups.hold(group)
    for key, control in recovered.books.controls.items():
        if key in brokers:
            brokers[key].flattening.take_over(control)
    for key, watched in recovered.books.watched.items():
        if key in brokers:
            brokers[key].watched.take_over(watched)
            brokers[key].link.executions_ts = _read_from(recovered, brokers[key], watched)


def _read_from(recovered: Recovered, broker: BrokerActor, watched: Watched) -> int:
    """Up to when executions need not be read again: where all were read, and not behind the start
    of an order that misses some. Of one that was adopted nobody knows when it began.
    """
    if not broker.capabilities.executions_complete:
        return 0
    until, at = watched.executions_ts, (broker.name, broker.account)
    for order, _ in recovered.open_orders:
        terms = order.terms
        if has_questions(order) and (terms.venue, terms.account) == at:
            until = min(until, 0 if is_adopted(terms) else terms.ts)
    return until


def first_number(journal: Journal, ts: int) -> int:
    """Where the numbers in client order ids go on.

    Above every number ever used: a life that began at record ``s`` and time ``t`` uses at most one
    for each of its facts, and the next begins at their sum. One may also have been drawn and
    refused, and so stand behind no fact: time leaves room for those.
    """
    first = journal.next_seq
    return first if first <= 1 else first + max(ts - journal.created_ts, 0) // _NUMBER_NS
