"""A person's own orders at the venue, beside ours: each report is for the order that it names."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.journal import MemoryJournal
from engine.messages import Cancelled, Filled, OrderSnapshot, VenueStatus
from engine.values import OrderState, Side

from .test_restart import fold_digest
from .venues import SECOND, ScriptedVenue, System, order, simulated

D = Decimal


def theirs(venue: ScriptedVenue, name: str, number: str | None, side: Side) -> OrderSnapshot:
    """An order of somebody else that works."""
    return OrderSnapshot(
        name, venue.now(), VenueStatus.WORKING, number, "BTC/USDT", side, None, D(5), D(0), D(90)
    )


def resting() -> tuple[System, ScriptedVenue, str, str]:
    """A system with one order of 2 to buy that rests, its id and its number at the venue."""
    venue = ScriptedVenue()
    system = simulated(venue)
    cid = system.submit(order(qty="2")).client_order_id
    system.sim.run_for(SECOND)
    return system, venue, cid, venue.orders[cid].venue_order_id


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_an_order_of_others_under_a_number_that_ours_had_is_theirs(side: Side) -> None:
    """The venue numbers from 1 again, and a person's order gets the number of ours: it is a second
    order, its fills are its own, and its end is not the end of ours.
    """
    system, venue, cid, number = resting()
    venue.push(theirs(venue, "THEIRS", number, side))
    fill = Filled(
        "THEIRS", venue.now(), "y1", D(1), D(90), venue_order_id=number,
        instrument="BTC/USDT", side=side,
    )  # fmt: skip
    venue.push(fill)
    system.sim.run_for(SECOND)
    view = system.order("THEIRS").get(timeout=1)
    assert (OrderState.PARTIAL, D(1)) == (view.state, view.cum_qty)
    assert (D(1) if side is Side.BUY else D(-1)) == system.qty()
    venue.push(Cancelled("THEIRS", venue.now(), venue_order_id=number))
    system.sim.run_for(SECOND)
    ours = system.order(cid).get(timeout=1)
    assert (OrderState.ACCEPTED, D(0)) == (ours.state, ours.cum_qty)
    assert OrderState.CANCELLED is system.order("THEIRS").get(timeout=1).state
    system.stop()


def test_a_fill_of_others_before_their_order_opens_one_of_theirs() -> None:
    """The first word of a person's order is its fill, under the number of ours: ours is as it was,
    and an end nobody can place says nothing of ours either.
    """
    system, venue, cid, number = resting()
    venue.push(Cancelled("NOBODYS", venue.now(), venue_order_id=number))
    venue.push(
        Filled(
            "THEIRS", venue.now(), "y1", D("0.5"), D(90), venue_order_id=number,
            instrument="BTC/USDT", side=Side.BUY,
        )
    )  # fmt: skip
    system.sim.run_for(SECOND)
    ours = system.order(cid).get(timeout=1)
    assert (OrderState.ACCEPTED, D(0)) == (ours.state, ours.cum_qty)
    assert D("0.5") == system.order("THEIRS").get(timeout=1).cum_qty
    system.stop()


def test_an_order_told_by_number_and_then_by_name_is_one_order() -> None:
    """A stream tells only the venue's number of a person's order, and a list also its name: it
    stays the order it was.
    """
    system, venue, _, _ = resting()
    venue.push(theirs(venue, "", "v-77", Side.SELL))
    venue.push(theirs(venue, "THEIRS", "v-77", Side.SELL))
    system.sim.run_for(SECOND)
    orders = system.brokers["v", "main"].orders
    assert 2 == len(orders)
    assert OrderState.ACCEPTED is system.order("v:v-77").get(timeout=1).state
    system.stop()


def test_a_fill_of_others_that_could_not_be_written_is_booked_later() -> None:
    """The disk is full when a person's order is first heard of: what is taken back knows nothing of
    its number any more, and the fill opens the order again.
    """
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    system.sim.run_for(SECOND)
    journal.unavailable = "is full"
    fill = Filled(
        "THEIRS", venue.now(), "y1", D(1), D(90), venue_order_id="v-77",
        instrument="BTC/USDT", side=Side.BUY,
    )  # fmt: skip
    venue.push(fill)
    system.sim.run_for(2 * SECOND)
    journal.unavailable = ""
    system.sim.run_for(10 * SECOND)
    assert (D(1), D(1)) == (system.qty(), system.order("THEIRS").get(timeout=1).cum_qty)
    assert fold_digest(journal) == system.state_digest().get(timeout=1)
    system.stop()
