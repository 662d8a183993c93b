"""Silence: what is asked, what counts as an answer, and what is left to a person."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.venues.port import Answer, Done, Duplicate, Refused, Unknown
from engine.messages import Accepted, Rejected, VenueStatus
from engine.protection import ProtectionState
from engine.values import OrderState, OrderType, PositionSlot, Side

from .venues import HANG, SECOND, WEAK, ScriptedVenue, btc, order, simulated

D = Decimal
SILENCES = [
    Unknown("502"),
    RuntimeError("connection reset"),
    TimeoutError(),
    {"a": "dict is no outcome"},
    Unknown(502),  # type: ignore[arg-type]
    Done(),
    Done(7),  # type: ignore[arg-type]
    Done(("no report",)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("silence", SILENCES, ids=str)
@pytest.mark.parametrize("arrived", [False, True])
def test_a_placement_of_unknown_outcome_is_settled_by_asking(
    silence: object, arrived: bool
) -> None:
    """Whatever silence a placement ends in, a venue that finds orders by our id settles it either
    way.
    """
    venue = ScriptedVenue()
    venue.script("place", (silence, arrived))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND // 10)
    system.sim.run_for(60 * SECOND)
    view = system.order(ticket).get(timeout=1)
    assert view.state is (OrderState.ACCEPTED if arrived else OrderState.REJECTED)
    assert 1 == venue.count("place")
    assert "OrderInDoubt" in system.kinds(ticket.client_order_id)
    system.stop()


def test_absence_is_not_believed_before_the_request_window_has_passed() -> None:
    """A first "not found" ends nothing: a delayed request may still arrive, and then it is
    found.
    """
    venue = ScriptedVenue()
    venue.script("place", Unknown("slow"))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(2 * SECOND)
    assert venue.count("query") >= 2
    assert OrderState.IN_DOUBT is system.order(ticket).get(timeout=1).state
    venue._place(venue.calls[[name for name, _ in venue.calls].index("place")][1])
    system.sim.run_for(10 * SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.stop()


def test_an_order_found_filled_is_filled_by_its_executions() -> None:
    """An order in doubt that the venue shows as filled becomes FILLED when its executions are
    read.
    """
    venue = ScriptedVenue()
    venue.script("place", (Unknown("?"), True))
    system = simulated(venue)
    ticket = system.submit(order(qty="2"))
    venue.script("query", *[Answer((), False, 0)] * 2)
    system.sim.run_for(SECOND // 10)
    venue.fill(ticket.client_order_id, "x1", "2")
    system.sim.run_for(20 * SECOND)
    assert (OrderState.FILLED, D(2)) == (ticket.wait(1).state, system.qty())
    system.stop()


def test_a_venue_that_cannot_prove_absence_leaves_it_to_a_person() -> None:
    """Where nothing proves absence, the order stays in doubt, is handed over, and stops its
    instrument's entries only.
    """
    venue = ScriptedVenue(capabilities=WEAK, instruments=[btc("v"), btc("v", "ETH/USDT")])
    system = simulated(venue)
    bought = system.submit(order(qty="5"))
    system.sim.run_for(SECOND)
    venue.push(venue.fill(bought.client_order_id, "x1", "5"))
    venue.script("place", Unknown("?"))
    lost = system.submit(order(qty="2"))
    system.sim.run_for(120 * SECOND)
    view = system.order(lost).get(timeout=1)
    assert (OrderState.IN_DOUBT, D(2)) == (view.state, view.exposure_qty)
    assert (lost.client_order_id,) == system.snapshot().get(timeout=1).hand_over
    assert 1 == len(system.alarms("unresolved"))
    states = {
        "entry": order(qty="1"),
        "exit": order(Side.SELL, qty="5"),
        "venue-bounded exit": order(Side.SELL, qty="5", reduce_only=True),
        "too large an exit": order(Side.SELL, qty="6"),
        "other instrument": order(qty="1", instrument="ETH/USDT"),
    }
    tickets = {name: system.submit(terms) for name, terms in states.items()}
    system.sim.run_for(SECOND)
    assert {
        "entry": "DENIED",
        "exit": "ACCEPTED",
        "venue-bounded exit": "ACCEPTED",
        "too large an exit": "DENIED",
        "other instrument": "ACCEPTED",
    } == {name: system.order(t).get(timeout=1).state.value for name, t in tickets.items()}
    system.settle(lost, OrderState.REJECTED, "the desk says so").get(timeout=1)
    system.sim.run_for(SECOND)
    assert OrderState.REJECTED is lost.wait(1).state
    again = system.submit(order(qty="1"))
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is system.order(again).get(timeout=1).state
    assert () == system.snapshot().get(timeout=1).hand_over
    system.stop()


def test_a_call_that_hangs_is_unknown_after_its_timeout() -> None:
    """A call without an answer ends unknown at the call timeout, and its slot is free again."""
    venue = ScriptedVenue()
    venue.script("place", HANG)
    venue.script("query", *[Answer((), False, 0)] * 50)
    system = simulated(venue, call_timeout=3.0)
    ticket = system.submit(order())
    system.sim.run_for(2 * SECOND)
    assert OrderState.SUBMITTED is system.order(ticket).get(timeout=1).state
    system.sim.run_for(2 * SECOND)
    assert OrderState.IN_DOUBT is system.order(ticket).get(timeout=1).state
    system.stop(timeout=0.1)


@pytest.mark.parametrize("says", ["done", "refused"])
def test_an_answer_after_the_timeout_still_counts(says: str) -> None:
    """What a call says after we gave up on it is a late fact, not a lost one."""
    venue = ScriptedVenue()
    venue.script("place", HANG)
    venue.script("query", *[Answer((), False, 0)] * 50)
    system = simulated(venue, call_timeout=3.0)
    ticket = system.submit(order())
    system.sim.run_for(4 * SECOND)
    assert OrderState.IN_DOUBT is system.order(ticket).get(timeout=1).state
    _, request, answer = venue.hanging[0]
    answer.set(venue._place(request) if says == "done" else Refused("no money"))
    system.sim.run_for(SECOND)
    view = system.order(ticket).get(timeout=1)
    assert view.state is (OrderState.ACCEPTED if says == "done" else OrderState.REJECTED)
    system.stop()


def test_a_query_that_hangs_is_asked_again() -> None:
    """Silence about a question is no answer: it is asked again until one comes."""
    venue = ScriptedVenue()
    venue.script("place", (Unknown("?"), True))
    venue.script("query", HANG, RuntimeError("no"), Unknown("?"), Refused("not allowed"))
    system = simulated(venue, call_timeout=3.0)
    ticket = system.submit(order())
    system.sim.run_for(60 * SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    assert 5 == venue.count("query")
    system.stop()


def test_a_missing_acknowledgement_is_noticed() -> None:
    """A placement that was taken, and never acknowledged, is in doubt after the ack timeout, and
    asked about.
    """
    venue = ScriptedVenue(acks=False)
    system = simulated(venue, ack_timeout=4.0)
    ticket = system.submit(order())
    system.sim.run_for(3 * SECOND)
    assert OrderState.SUBMITTED is system.order(ticket).get(timeout=1).state
    system.sim.run_for(2 * SECOND)
    assert "OrderInDoubt" in system.kinds(ticket.client_order_id)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.stop()


def test_an_acknowledgement_by_the_stream_is_enough() -> None:
    """Where the answer says nothing and the stream acknowledges, there is no doubt."""
    venue = ScriptedVenue(acks=False)
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    venue.push(Accepted(ticket.client_order_id, venue.now(), "v-1"))
    system.sim.run_for(20 * SECOND)
    assert "OrderInDoubt" not in system.kinds(ticket.client_order_id)
    assert 0 == venue.count("query")
    system.stop()


def test_a_duplicate_id_is_looked_up() -> None:
    """A duplicate-id error is no refusal: the order is asked about, and found."""
    venue = ScriptedVenue()
    venue.script("place", (Duplicate("exists"), True))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    assert "OrderInDoubt" in system.kinds(ticket.client_order_id)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.stop()


@pytest.mark.parametrize("happened", [False, True])
def test_a_cancel_of_unknown_outcome_is_settled_by_asking(happened: bool) -> None:
    """A cancel that ended in silence is asked about; still working long afterwards, it did not
    happen.
    """
    venue = ScriptedVenue()
    venue.script("cancel", (Unknown("?"), happened))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.cancel(ticket)
    system.sim.run_for(SECOND // 100)
    assert "OrderInDoubt" in system.kinds(ticket.client_order_id)
    system.sim.run_for(60 * SECOND)
    view = system.order(ticket).get(timeout=1)
    assert view.state is (OrderState.CANCELLED if happened else OrderState.ACCEPTED)
    assert () == view.requests
    if not happened:
        system.cancel(ticket)
        system.sim.run_for(SECOND)
        assert OrderState.CANCELLED is ticket.wait(1).state
    system.stop()


@pytest.mark.parametrize("happened", [False, True])
def test_an_amend_of_unknown_outcome_is_settled_by_asking(happened: bool) -> None:
    """An amend that ended in silence shows, long enough afterwards, as the new terms or as the
    old.
    """
    venue = ScriptedVenue()
    venue.script("amend", (Unknown("?"), happened))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.amend(ticket, price=D(99))
    system.sim.run_for(60 * SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (OrderState.ACCEPTED, D(99) if happened else D(100)) == (view.state, view.price)
    system.stop()


def test_a_refused_cancel_proves_nothing() -> None:
    """After a refused cancel the order is asked about: the venue may have ended it long ago."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    venue.orders[ticket.client_order_id].status = VenueStatus.EXPIRED
    system.cancel(ticket)
    system.sim.run_for(5 * SECOND)
    assert OrderState.EXPIRED is ticket.wait(1).state
    system.stop()


def test_an_order_whose_venue_id_is_anothers_now_is_in_doubt() -> None:
    """A venue that was restarted numbers from 1 again: asked for the order by the number it had, it
    shows another one, and nothing says that ours still works.
    """
    stops = (*WEAK.order_types, OrderType.STOP)
    able = replace(WEAK, order_types=stops, lists_trigger_orders=True, executions_complete=True)
    venue = ScriptedVenue(capabilities=able)
    system = simulated(venue)
    bought = system.submit(order())
    stop = system.submit(
        replace(order(Side.SELL, price=None), order_type=OrderType.STOP, stop_px=D(90))
    )
    system.sim.run_for(SECOND)
    venue.push(venue.fill(bought.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    protections = system.brokers["v", "main"].protections
    key = "BTC/USDT", PositionSlot.NET
    assert ProtectionState.PROTECTED is protections.slots[key].state

    other = system.submit(order(price="50"))
    system.sim.run_for(SECOND)
    number = venue.orders.pop(stop.client_order_id).venue_order_id
    venue.orders[other.client_order_id].venue_order_id = number
    venue.drop("restarts")
    system.sim.run_for(5 * SECOND)
    view = system.order(stop).get(timeout=1)
    assert (OrderState.IN_DOUBT, D(1)) == (view.state, view.exposure_qty)
    assert ProtectionState.PROTECTING is protections.slots[key].state
    assert OrderState.ACCEPTED is system.order(other).get(timeout=1).state
    system.stop()


def test_doubt_keeps_the_exposure_and_a_late_fill_ends_it() -> None:
    """An order in doubt counts whole as exposure, and a fill proves that it was placed."""
    venue = ScriptedVenue(capabilities=WEAK)
    venue.script("place", (Unknown("?"), True))
    system = simulated(venue)
    ticket = system.submit(order(qty="3"))
    system.sim.run_for(5 * SECOND)
    assert D(3) == system.order(ticket).get(timeout=1).exposure_qty
    venue.push(venue.fill(ticket.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (OrderState.PARTIAL, D(1), D(2)) == (view.state, view.cum_qty, view.exposure_qty)
    system.stop()


def test_a_rejection_after_the_doubt_ends_it() -> None:
    """A late rejection by the stream ends an order in doubt."""
    venue = ScriptedVenue(capabilities=WEAK)
    venue.script("place", Unknown("?"))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    venue.push(Rejected(ticket.client_order_id, venue.now(), "margin"))
    system.sim.run_for(SECOND)
    assert OrderState.REJECTED is ticket.wait(1).state
    system.stop()
