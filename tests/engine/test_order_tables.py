"""The three tables.

Total, equal to transitions' machine on every cell, and kept to the rules of the design.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from engine.messages import Filled
from engine.order import (
    Booking,
    BookingKind,
    Doubt,
    Outstanding,
    public_state,
    request_state,
)
from engine.order_tables import (
    LIFE,
    LINK,
    REQUEST,
    TERMINAL,
    Life,
    LifeTrigger,
    Link,
    LinkTrigger,
    RequestState,
    RequestTrigger,
)
from engine.statechart import Statechart, Verdict
from engine.values import OrderState, exact
from tests.order_kit import D, Held, at_venue, fill

ENDED = (Life.CANCELLED, Life.EXPIRED, Life.REJECTED)
CHARTS = [LIFE, REQUEST, LINK]


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_the_dict_that_runs_equals_a_transitions_machine_on_every_cell(
    chart: Statechart[Any, Any],
) -> None:
    """What runs and what was declared are one table."""
    assert not chart.differences()


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_every_cell_has_a_verdict_and_a_reason_where_it_surprises(
    chart: Statechart[Any, Any],
) -> None:
    """Nothing is dropped.

    The table is total, and says why it books late or keeps a contradiction.
    """
    assert len(chart.states) * len(chart.triggers) == len(chart.table)
    for cell in chart.table.values():
        assert cell.verdict in Verdict
        assert cell.why


def test_the_tables_have_the_sizes_the_design_counts() -> None:
    """Eleven states of life, three of requests, five of links.

    A new one must be thought through here.
    """
    assert (11, 17) == (len(LIFE.states), len(LIFE.triggers))
    assert (3, 5) == (len(REQUEST.states), len(REQUEST.triggers))
    assert (5, 7) == (len(LINK.states), len(LINK.triggers))


def test_a_fill_is_booked_in_every_state_and_never_quarantined() -> None:
    """Money that moved is booked whatever we think of the order."""
    for state in Life:
        for trigger in (LifeTrigger.FILL, LifeTrigger.COMPLETE):
            assert LIFE.table[state, trigger].verdict is not Verdict.QUARANTINE
    for state in Life:
        assert Life.FILLED is LIFE.table[state, LifeTrigger.COMPLETE].target


def test_an_end_stands_against_every_late_word_but_newer_evidence() -> None:
    """After an end only a completing fill or REVIVE moves the state.

    A stale ack resurrects nothing.
    """
    for state in ENDED:
        moving = {t for t in LifeTrigger if LIFE.table[state, t].target is not state}
        assert {LifeTrigger.COMPLETE, LifeTrigger.REVIVE} == moving


def test_silence_never_ends_an_order() -> None:
    """DOUBT leads to IN_DOUBT or nowhere, and only proof (VANISH) ends a doubt of existence."""
    for state in Life:
        assert LIFE.table[state, LifeTrigger.DOUBT].target in (state, Life.IN_DOUBT)
        if state is not Life.IN_DOUBT:
            assert state is LIFE.table[state, LifeTrigger.VANISH].target


def test_only_a_pending_order_is_sent_denied_or_withdrawn() -> None:
    """What is ours to decide is decided before anything left."""
    ours = (LifeTrigger.SEND, LifeTrigger.DENY, LifeTrigger.WITHDRAW, LifeTrigger.LAPSE)
    for state, trigger in itertools.product(Life, ours):
        moves = LIFE.table[state, trigger].verdict is Verdict.MOVE
        assert (state is Life.PENDING) == moves


def test_the_request_region_is_what_its_table_says_when_requests_come_and_go() -> None:
    """The state derived from the set of outstanding requests walks along the rows of the table."""
    order = at_venue().order
    cancel, amend = Outstanding("c", True), Outstanding("a", False, D(5))
    sets = [(), (cancel,), (amend,), (cancel, amend)]
    for before, after in itertools.permutations(sets, 2):
        if len(after) > len(before):
            added = [one for one in after if one not in before]
            if len(added) != 1:
                continue
            asks = added[0].is_cancel
            trigger = RequestTrigger.ASK_CANCEL if asks else RequestTrigger.ASK_REPLACE
        elif set(after) <= set(before):
            left = [one.is_cancel for one in after]
            trigger = RequestTrigger.CANCELS_LEFT if any(left) else RequestTrigger.REPLACES_LEFT
            trigger = trigger if after else RequestTrigger.NONE_LEFT
        else:
            continue
        source = request_state(_with(order, requests=before))
        assert request_state(_with(order, requests=after)) is REQUEST.table[source, trigger].target
    assert RequestState.IDLE is REQUEST.initial


def test_a_leg_never_sent_protects_nothing_and_a_winner_stands_the_others_down() -> None:
    """The link region's two rules that cost money when broken."""
    assert Verdict.QUARANTINE is LINK.table[Link.HELD, LinkTrigger.LINK].verdict
    for state in (Link.HELD, Link.ARMING, Link.OCO_LINKED):
        assert Link.STANDING_DOWN is LINK.table[state, LinkTrigger.STAND_DOWN].target


REQUESTS = [
    (),
    (Outstanding("a", False, D(12)),),
    (Outstanding("c", True),),
    (Outstanding("c", True), Outstanding("a", False, D(12))),
    (Outstanding("c", True, unknown=True),),
    (Outstanding("c", True), Outstanding("a", False, D(12), unknown=True)),
]


def expected_word(life: Life, link: Link, requests: tuple[Outstanding, ...], cum: int) -> str:
    """The order of precedence of the design, read from top to bottom."""
    matches = {
        "FILLED": life is Life.FILLED,
        "CANCELLED": life is Life.CANCELLED,
        "REJECTED": life is Life.REJECTED,
        "EXPIRED": life is Life.EXPIRED,
        "DENIED": life is Life.DENIED,
        "IN_DOUBT": life is Life.IN_DOUBT or any(out.unknown for out in requests),
        "PENDING_CANCEL": any(out.is_cancel for out in requests),
        "PENDING_REPLACE": bool(requests),
        "SUSPENDED": life is Life.SUSPENDED,
        "PARTIAL": cum > 0,
        "OCO_LINKED": link is Link.OCO_LINKED
        and life in (Life.ACCEPTED, Life.TRIGGERED),  # nothing is linked before it is there
        "TRIGGERED": life is Life.TRIGGERED,
        "ACCEPTED": life is Life.ACCEPTED,
        "SUBMITTED": life is Life.SUBMITTED,
        "HELD": link is Link.HELD,
        "PENDING": True,
    }
    return next(word for word, match in matches.items() if match)


@pytest.mark.parametrize("life", list(Life))
def test_every_combination_of_regions_and_quantity_has_exactly_one_word(life: Life) -> None:
    """The public state is total, and is the first match in the order the design gives."""
    base = at_venue().order
    for link, requests, cum in itertools.product(Link, REQUESTS, (0, 3)):
        order = _with(base, life=life, link=link, requests=requests, cum_qty=D(cum))
        assert expected_word(life, link, requests, cum) == public_state(order).value
    assert {state.value for state in OrderState} >= {state.value for state in TERMINAL}


@pytest.mark.parametrize("life", list(Life))
def test_a_fill_moves_life_as_its_row_says_in_every_state(life: Life) -> None:
    """The columns copied for speed are the table's: FILL and COMPLETE, from each state."""
    for qty, trigger in (("4", LifeTrigger.FILL), ("10", LifeTrigger.COMPLETE)):
        held = Held()
        filled = life is Life.FILLED
        held.order = _with(held.order, life=life, cum_qty=D(10) if filled else D(0))
        if filled:
            booked = Filled("C1", 1, "E0", D(10), D(0))
            held.ledger.apply((Booking(BookingKind.BOOK, booked, "E0"),))
            trigger = LifeTrigger.COMPLETE  # noqa: PLW2901  # a full order stays complete
        if life is Life.IN_DOUBT:
            held.order = _with(held.order, doubt=Doubt.FATE)
        with exact():
            held.take(fill("E1", qty))
        cell = LIFE.table[life, trigger]
        assert (cell.target, cell.verdict) == (held.order.life, held.last.verdict)


def _with(order: Any, **changes: Any) -> Any:
    return replace(order, **changes)
