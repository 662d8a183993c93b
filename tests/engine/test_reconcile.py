"""What absence proves, and what it does not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.capabilities import Capabilities
from engine.messages import (
    AmendOrder,
    CancelOrder,
    CancelRefused,
    OrderNotFound,
    OrderSnapshot,
    OutcomeUnknown,
    Replaced,
    ReplaceRefused,
    VenueStatus,
)
from engine.order import Ledger, Order
from engine.reconcile import (
    ASK_AGAIN_NS,
    ESCALATE_AFTER,
    MISSES_NEEDED,
    Inquiry,
    absence_proven,
    contradicts,
    may_lag,
    requests_settled,
    should_be_listed,
)
from engine.values import OrderType, Source
from tests.order_kit import CID, D, Held, at_venue, fill, seen, terms

S = VenueStatus
CAN = Capabilities(lookup_by_client_id=True, request_window_ns=100, visibility_lag_ns=10)
DOUBT_TS = 1000
PAST = DOUBT_TS + 110


def doubted() -> Order:
    """An order whose placement nobody answered."""
    held = Held()
    return held.take(OutcomeUnknown(CID, DOUBT_TS))


def ask(
    order: Order, times: list[int], can: Capabilities = CAN, inquiry: Inquiry | None = None
) -> list[str]:
    """The proofs that complete answers, sent at ``times``, come to."""
    inquiry = inquiry or Inquiry()
    found = []
    for sent in times:
        inquiry.missed(complete=True)
        found.append(absence_proven(order, can, inquiry, OrderNotFound(CID, sent + 1, sent)))
    return found


def test_absence_is_proven_by_repeated_lookups_after_nothing_can_be_on_its_way() -> None:
    """First window and lag pass, then as many complete answers in a row as the rule asks."""
    found = ask(doubted(), [PAST + n for n in range(MISSES_NEEDED)])
    assert ["", ""] == found[:-1]
    assert "3 lookups by client id" in found[-1]


def test_answers_from_within_the_window_do_not_count_however_many() -> None:
    """A delayed request may still arrive: two early answers and one late are one answer."""
    assert not any(ask(doubted(), [*range(DOUBT_TS, PAST), PAST, PAST + 1]))
    assert ask(doubted(), [DOUBT_TS, PAST, PAST + 1, PAST + 2])[-1]


def test_an_incomplete_answer_or_a_sighting_starts_the_count_over() -> None:
    """Only a row of complete answers proves something."""
    order = doubted()
    for interrupt in (
        lambda inquiry: inquiry.missed(complete=False),
        lambda inquiry: setattr(inquiry, "misses", 0),  # what the broker does when it is seen
    ):
        inquiry = Inquiry()
        assert not any(ask(order, [PAST, PAST + 1], inquiry=inquiry))
        interrupt(inquiry)
        assert not any(ask(order, [PAST + 2, PAST + 3], inquiry=inquiry))
        assert all(ask(order, [PAST + 4], inquiry=inquiry))


def test_absence_proves_nothing_where_closed_orders_cannot_be_looked_up() -> None:
    """A venue that forgets closed orders shows nothing of a filled one either."""
    assert not any(ask(doubted(), [PAST] * 9, Capabilities()))


def test_absence_proves_nothing_of_an_order_that_was_ever_seen() -> None:
    """Only doubt of existence can end as never arrived."""
    seen_once = at_venue(None, OrderNotFound(CID, 6, 5)).order
    claimed = Held()
    claimed.take(seen(S.UNKNOWN, 3, cum="1"), OutcomeUnknown(CID, 9))
    for order in (seen_once, claimed.order, at_venue(None, fill("E1")).order, Held().order):
        assert not any(ask(order, [PAST] * 9))


@pytest.mark.parametrize(
    "trace", [{"venue_order_ids": ("v1",)}, {"cum_qty": D(1)}, {"claim_qty": D(1)}], ids=str
)
def test_any_trace_of_an_order_outweighs_every_lookup(trace: dict[str, object]) -> None:
    """An id of the venue's, a fill or a total prove that it was there, whatever is in doubt."""
    assert any(ask(doubted(), [PAST] * 9))
    assert not any(ask(replace(doubted(), **trace), [PAST] * 9))


def test_questions_come_further_and_further_apart_and_then_a_person_is_told() -> None:
    """A timer never decides; it asks again and escalates."""
    inquiry = Inquiry()
    waits = []
    for _ in range(len(ASK_AGAIN_NS) + 3):
        assert inquiry.is_due_for_a_person() == (inquiry.asked >= ESCALATE_AFTER)
        waits.append(inquiry.next_wait_ns())
        inquiry.asked += 1
    assert sorted(waits) == waits
    assert [ASK_AGAIN_NS[-1]] * 4 == waits[-4:]


# --- requests -------------------------------------------------------------------------------------


def unanswered() -> Order:
    """An order with a cancel and an amend of unknown outcome."""
    held = at_venue(None, AmendOrder(CID, "a1", 900, D(12), D(101)), CancelOrder(CID, "c1", 900))
    held.take(OutcomeUnknown(CID, DOUBT_TS, "a1"), OutcomeUnknown(CID, DOUBT_TS, "c1"))
    return held.take(fill("E1", ts=DOUBT_TS + 105))


def test_a_late_look_that_shows_no_effect_refuses_the_request() -> None:
    """Fills that came meanwhile do not start the wait over: a busy order must not stay in doubt."""
    look = seen(S.WORKING, PAST, qty="10", price="100")
    found = requests_settled(unanswered(), CAN, look, PAST, PAST + 1)
    assert [ReplaceRefused, CancelRefused] == [type(report) for report in found]
    assert ["a1", "c1"] == [report.req_id for report in found]
    assert all(report.source is Source.QUERY for report in found)


def test_a_look_from_within_the_window_says_nothing() -> None:
    """It may yet have its effect."""
    look = seen(S.WORKING, PAST - 1, qty="10", price="100")
    assert [] == requests_settled(unanswered(), CAN, look, PAST - 1, PAST)


def test_a_late_look_that_shows_the_new_terms_grants_the_amend() -> None:
    """All that was asked for is in force."""
    look = seen(S.WORKING, PAST, qty="12", price="101")
    found = requests_settled(unanswered(), CAN, look, PAST, PAST + 1)
    assert Replaced(CID, PAST + 1, "a1", D(12), D(101), source=Source.QUERY) in found


def test_a_look_that_does_not_show_a_term_proves_nothing_about_it() -> None:
    """Half of what was asked for is no answer, unless the half that shows contradicts it."""
    half = seen(S.WORKING, PAST, qty="12")
    assert ["c1"] == [r.req_id for r in requests_settled(unanswered(), CAN, half, PAST, PAST)]
    other = seen(S.WORKING, PAST, qty="11")
    assert 2 == len(requests_settled(unanswered(), CAN, other, PAST, PAST))


def test_a_trailing_stop_without_a_stop_price_has_none_of_an_amend() -> None:
    """Until the market gives it one there is nothing to show; its quantity has to be shown."""

    def found(amend: AmendOrder, qty: str | None) -> list[type]:
        trailing = terms(kind=OrderType.TRAILING_STOP, price=None, trail="2")
        held = at_venue(trailing, amend, OutcomeUnknown(CID, DOUBT_TS, "a1"))
        look = seen(S.WORKING, PAST, qty=qty)
        return [type(one) for one in requests_settled(held.order, CAN, look, PAST, PAST)]

    stop = AmendOrder(CID, "a1", 900, stop_px=D(90))
    assert [ReplaceRefused] == found(stop, None)
    both = AmendOrder(CID, "a1", 900, D(12), stop_px=D(90))
    assert [[ReplaceRefused], [Replaced], []] == [found(both, qty) for qty in ("10", "12", None)]


@pytest.mark.parametrize("status", [S.UNKNOWN, S.PENDING, S.CANCELLED, S.REJECTED, S.EXPIRED])
def test_only_a_look_at_an_order_that_is_there_answers_requests(status: VenueStatus) -> None:
    """An end answers them by itself; a word that says nothing says nothing."""
    look = seen(status, PAST, qty="10", price="100")
    assert [] == requests_settled(unanswered(), CAN, look, PAST, PAST)


def test_a_request_that_is_merely_unanswered_is_left_alone() -> None:
    """Its answer is on the way; only silence noticed as such is settled by a look."""
    held = at_venue(None, CancelOrder(CID, "c1", 900))
    assert [] == requests_settled(held.order, CAN, seen(S.WORKING, 9999), 9999, 9999)


# --- what a list shows ----------------------------------------------------------------------------


def listed(status: VenueStatus, sent_ts: int, **more: str) -> OrderSnapshot:
    """The order as a list shows it that was asked for at ``sent_ts``."""
    return seen(status, sent_ts, source=Source.LIST, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shown", "differs"),
    [
        (listed(S.WORKING, 900, cum="0"), False),
        (listed(S.WORKING, 0, cum="1"), True),  # a total counts however old the list is
        (listed(S.WORKING, 900, qty="3"), True),
        (listed(S.TRIGGERED, 900), True),
        (listed(S.SUSPENDED, 900), True),
    ],
)
def test_a_list_contradicts_what_we_were_told(shown: OrderSnapshot, differs: bool) -> None:
    """A larger total, another status or other terms; not what says the same."""
    order = at_venue().order
    assert differs is contradicts(order, Ledger(), shown, 10)


def test_a_list_as_old_as_our_last_fact_contradicts_nothing_but_totals() -> None:
    """It may show what was before; what comes later may not."""
    order = at_venue().order
    found = [
        contradicts(order, Ledger(), listed(S.SUSPENDED, order.ts + age), 10) for age in (10, 11)
    ]
    assert [False, True] == found


@pytest.mark.parametrize("command", [CancelOrder(CID, "C1", 50), AmendOrder(CID, "A1", 50, D(3))])
def test_what_is_under_way_explains_every_difference(command: CancelOrder | AmendOrder) -> None:
    """An order with a request out is asked about by other means."""
    held = at_venue()
    held.take(command)
    assert not contradicts(held.order, Ledger(), listed(S.SUSPENDED, 900), 10)
    assert not should_be_listed(held.order, 900, 10)


def test_an_order_is_missed_in_a_list_when_it_has_worked_for_long_enough() -> None:
    """Not before the list must show it, and not when it has ended."""
    order = at_venue().order
    found = [should_be_listed(order, order.ts + age, 10) for age in (10, 11)]
    assert [False, True] == found
    assert not should_be_listed(doubted(), PAST, 10)


def test_a_look_within_the_lag_contradicts_nothing() -> None:
    """Asked for right after a change it may show what was before: the larger quantity stays, and
    counts as exposure; asked for when the lag has passed it is believed.
    """
    held = at_venue(None, AmendOrder(CID, "a1", 5, D(30)), OutcomeUnknown(CID, 6, "a1"))
    held.take(Replaced(CID, 8, "a1", D(30)))
    for asked, qty in ((9, D(30)), (18, D(30)), (19, D(10))):
        look = may_lag(seen(S.WORKING, asked, qty="10", cum="0", price="100"), held.order, CAN)
        held.take(look)
        assert qty == held.order.order_qty
    look = seen(S.WORKING, 19, qty="10")
    prompt = replace(CAN, visibility_lag_ns=0)
    assert look is may_lag(look, None, CAN) is may_lag(look, held.order, prompt)
