"""The comparison with the venue's truth: in agreement after a whole story, and each difference has
its name.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

import pytest
from msgspec.structs import replace

from actors.replay_checks import fold_journal
from actors.testing.crash import memory_journal
from actors.testing.crash_stage import Stage
from actors.testing.mortal import Death
from actors.testing.truth import Truth, compare, not_written_first
from engine.fold import Books
from engine.messages import VenueStatus

from .crash_kit import story

D = Decimal
Change: TypeAlias = Callable[[Truth, Books], Truth]


@pytest.fixture(scope="module")
def stage() -> Stage:
    """A story played to its end."""
    played = Stage(story(), memory_journal())
    played.live(Death())
    return played


def _without_a_fill(truth: Truth, _: Books) -> Truth:
    return replace(truth, executions=truth.executions[1:])


def _with_another_fill(truth: Truth, _: Books) -> Truth:
    another = replace(truth.executions[0], exec_id="another")
    return replace(truth, executions=(*truth.executions, another))


def _with_a_larger_fill(truth: Truth, _: Books) -> Truth:
    first, *rest = truth.executions
    return replace(truth, executions=(replace(first, last_qty=first.last_qty * 2), *rest))


def _with_a_fee(truth: Truth, _: Books) -> Truth:
    first, *rest = truth.executions
    return replace(truth, executions=(replace(first, fee=D(1), fee_currency="BNB"), *rest))


def _without_an_order(truth: Truth, _: Books) -> Truth:
    works = next(seen for seen in truth.orders if seen.status is VenueStatus.WORKING)
    return replace(truth, orders=tuple(seen for seen in truth.orders if seen is not works))


def _with_another_order(truth: Truth, _: Books) -> Truth:
    another = replace(truth.orders[0], client_order_id="NOBODY")
    return replace(truth, orders=(*truth.orders, another))


def _with_another_state(truth: Truth, _: Books) -> Truth:
    changed = [
        replace(seen, status=VenueStatus.EXPIRED) if number == 0 else seen
        for number, seen in enumerate(truth.orders)
    ]
    return replace(truth, orders=tuple(changed))


def _with_another_price(truth: Truth, _: Books) -> Truth:
    changed = [
        replace(seen, price=D(1)) if seen.status is VenueStatus.WORKING else seen
        for seen in truth.orders
    ]
    return replace(truth, orders=tuple(changed))


def _with_another_position(truth: Truth, _: Books) -> Truth:
    first, *rest = truth.positions
    return replace(truth, positions=(replace(first, qty=first.qty + 1), *rest))


def _without_positions(truth: Truth, _: Books) -> Truth:
    return replace(truth, positions=())


def _sent_twice(truth: Truth, _: Books) -> Truth:
    return replace(truth, sent={truth.orders[0].client_order_id: 2})


def _one_intent_twice(truth: Truth, _: Books) -> Truth:
    return replace(truth, intents=dict.fromkeys(truth.intents, "the same"))


def _frozen(truth: Truth, books: Books) -> Truth:
    books.frozen["somebody"] = "a rule was broken"
    return truth


def _unverified(truth: Truth, books: Books) -> Truth:
    cid, order = next(iter(books.orders.items()))
    books.orders[cid] = replace(order, unverified=True)
    return truth


@pytest.mark.parametrize(
    ("change", "invariant"),
    [
        (_without_a_fill, "no_fill_invented"),
        (_with_another_fill, "no_fill_lost"),
        (_with_a_larger_fill, "fills_agree"),
        (_with_a_fee, "fills_agree"),
        (_without_an_order, "no_order_invented"),
        (_with_another_order, "no_order_lost"),
        (_with_another_state, "orders_agree"),
        (_with_another_price, "orders_agree"),
        (_with_another_position, "positions_agree"),
        (_without_positions, "positions_agree"),
        (_sent_twice, "nothing_placed_twice"),
        (_one_intent_twice, "nothing_placed_twice"),
        (_frozen, "nothing_frozen"),
        (_unverified, "nothing_unsettled"),
    ],
)
def test_each_difference_has_its_name(stage: Stage, change: Change, invariant: str) -> None:
    """Without a change nothing is wrong; with it just that is, and the message says about what."""
    books = fold_journal(stage.journal)
    truth = stage.truth("main")
    assert [] == compare(truth, books, "SIM", "main")
    found = compare(change(truth, books), books, "SIM", "main")
    assert {invariant} == {one.invariant for one in found}
    assert all(one.message and one.entity for one in found)


def test_what_was_not_written_before_it_was_sent_is_known_by_its_intent(stage: Stage) -> None:
    """An order we only took over from the venue was sent by a life that had not written it."""
    books, truth = fold_journal(stage.journal), stage.truth("main")
    assert [] == not_written_first(truth, books)
    cid, order = next(iter(books.orders.items()))
    adopted = replace(order.terms, intent_id=f"adopted:{cid}")
    books.orders[cid] = replace(order, terms=adopted)
    assert [("written_before_sent", cid)] == [
        (one.invariant, one.entity) for one in not_written_first(truth, books)
    ]
    del books.orders[cid]
    assert [cid] == [one.entity for one in not_written_first(truth, books)]
