"""From a step to the events it makes true: each fact is told once, in words a host can rely on."""

from __future__ import annotations

from engine.messages import (
    Accepted,
    AmendOrder,
    CancelOrder,
    CancelRefused,
    Event,
    Message,
    NeverArrived,
    OrderAccepted,
    OrderEvent,
    OrderPartiallyFilled,
    OrderReplaced,
    OutcomeUnknown,
    Rejected,
    Replaced,
    SettleOrder,
    SubmitOrder,
    VenueStatus,
    Withdrawn,
)
from engine.order import leaves_qty
from engine.order_events import events_of, head, submitted
from engine.values import OrderState, OrderType
from tests.order_kit import CID, D, Held, at_venue, bust, fill, seen, terms


def told(held: Held, message: Message) -> list[Event]:
    """The events of one more message."""
    before = held.order
    held.take(message)
    events = events_of(before, held.last, message)
    assert all(isinstance(one, OrderEvent) and one.ts == held.order.ts for one in events)
    return events


def words(events: list[Event]) -> list[str]:
    """Their names."""
    return [type(event).__name__ for event in events]


def reason(event: Event) -> str:
    """Why."""
    assert isinstance(event, OrderEvent)
    return event.reason


def test_the_head_of_an_order_is_pending_and_then_submitted() -> None:
    """The two events that no message makes."""
    held = Held()
    assert "OrderPending" == type(head(held.order, 1)).__name__
    assert OrderState.SUBMITTED is submitted(held.order, 2).state


def test_a_life_is_told_step_by_step() -> None:
    """Every event shows the order as it stands after the step."""
    held = Held()
    (accepted,) = told(held, Accepted(CID, 2, "v1"))
    assert isinstance(accepted, OrderAccepted)
    assert (D(0), D(10)) == (accepted.cum_qty, accepted.leaves_qty)
    (filled,) = told(held, fill("E1"))
    assert isinstance(filled, OrderPartiallyFilled)
    assert (D(4), D(6)) == (filled.cum_qty, filled.leaves_qty)
    assert D("0.25") == leaves_qty(at_venue(None, fill("E1", "9.75")).order)
    assert ["OrderCancelPending"] == words(told(held, CancelOrder(CID, "c1", 11)))
    refused = told(held, CancelRefused(CID, 12, "c1", "too late"))
    assert ["OrderRequestRefused"] == words(refused)
    assert "too late" == reason(refused[0])
    assert ["OrderReplacePending"] == words(told(held, AmendOrder(CID, "a1", 13, D(12))))
    assert ["OrderReplaced"] == words(told(held, Replaced(CID, 14, "a1", D(12))))
    assert ["OrderFilled"] == words(told(held, fill("E2", "8")))
    assert ["OrderTradeBusted", "OrderAccepted", "OrderAnomaly"] == words(told(held, bust("E2")))


def test_a_fill_before_the_ack_is_told_as_a_fill_and_a_stops_election_with_it() -> None:
    """The execution's own event tells that it works; TRIGGERED is news of its own."""
    assert ["OrderPartiallyFilled"] == words(told(Held(), fill("E1")))
    stop = Held(terms(kind=OrderType.STOP, price=None, stop_px="90"))
    assert ["OrderPartiallyFilled", "OrderTriggered"] == words(told(stop, fill("E1")))


def test_new_terms_are_told_as_they_stand() -> None:
    """All of them, also those that the amend did not name."""
    held = at_venue(terms(kind=OrderType.STOP_LIMIT, price="100", stop_px="90"))
    held.take(AmendOrder(CID, "a1", 11, None, None, D(91)))
    (replaced,) = told(held, Replaced(CID, 12, "a1", None, None, D(91)))
    assert isinstance(replaced, OrderReplaced)
    assert (D(100), D(91), D(10)) == (replaced.price, replaced.stop_px, replaced.order_qty)


def test_terms_said_again_are_no_news() -> None:
    """An equal number is the same number, whoever made it."""
    held = at_venue(terms(kind=OrderType.STOP_LIMIT, price="100", stop_px="90"))
    again = seen(VenueStatus.WORKING, 20, qty="10.0", price="100.0", stop_px="90.0", venue_id="v2")
    assert "OrderReplaced" not in words(told(held, again))
    assert ("v1", "v2") == held.order.venue_order_ids


def test_an_order_completed_by_its_terms_is_told_as_filled() -> None:
    """FIX C.3.b has no execution to tell it: who waits for the end would wait for ever."""
    held = at_venue(None, fill("E1"), AmendOrder(CID, "a1", 11, D(4)))
    assert ["OrderFilled", "OrderReplaced"] == words(told(held, Replaced(CID, 12, "a1", D(4))))


def test_ends_carry_the_reasons_the_vocabulary_promises() -> None:
    """never_arrived, not_sent, and a person's own words."""
    doubtful: list[tuple[SubmitOrder, Message, str]] = [
        (terms(), NeverArrived(CID, 9, "three lookups"), "never_arrived"),
        (terms(), SettleOrder(CID, 9, OrderState.CANCELLED, "by phone"), "operator: by phone"),
        (terms(), Rejected(CID, 9, "no funds"), "no funds"),
    ]
    for submit, message, why in doubtful:
        held = Held(submit)
        held.take(OutcomeUnknown(CID, 5))
        assert why == reason(told(held, message)[0])
    waiting = Held(sent=False)
    assert "not_sent" == reason(told(waiting, Withdrawn(CID, 9, expired=True))[0])


def test_doubt_is_told_once_whether_of_life_or_of_a_request() -> None:
    """A request of unknown outcome shows as IN_DOUBT, so it is told as that."""
    held = at_venue(None, CancelOrder(CID, "c1", 5))
    assert ["OrderInDoubt"] == words(told(held, OutcomeUnknown(CID, 6, "c1", "timeout")))
    assert [] == words(told(held, OutcomeUnknown(CID, 7, "c1", "timeout")))
    assert ["OrderInDoubt"] == words(told(Held(), OutcomeUnknown(CID, 6)))


def test_what_should_not_happen_is_told_with_its_kind() -> None:
    """Late, overfull, contradictory: a host can count them by kind."""
    held = at_venue(None, Rejected(CID, 5))
    assert ["OrderPartiallyFilled", "OrderAnomaly"] == words(told(held, fill("E1")))
    false_end = told(held, seen(VenueStatus.WORKING, 30, cum="4"))
    assert ["OrderAccepted", "OrderAnomaly"] == words(false_end)
    assert "false_end" == getattr(false_end[-1], "kind", None)


def test_a_bust_of_an_execution_that_never_came_takes_nothing_back() -> None:
    """Only the anomaly is told."""
    assert "OrderTradeBusted" not in words(told(at_venue(), bust("E9")))
