"""A cancel does not wait behind a long queue of other commands, and never loses its order."""

from __future__ import annotations

import pytest

from engine.values import OrderState

from .venues import SECOND, ScriptedVenue, order, simulated

FLOOD = 500


@pytest.mark.parametrize("fifo", [True, False])
def test_a_cancel_overtakes_the_submits_that_wait(fifo: bool) -> None:
    """The cancel of an order at the venue leaves before a flood of entries submitted earlier."""
    venue = ScriptedVenue()
    system = simulated(venue, fifo=fifo)
    working = system.submit(order())
    system.sim.run_for(SECOND)
    for _ in range(FLOOD):
        system.submit(order(price="99"))
    system.cancel(working)
    system.sim.run_for(10 * SECOND)

    calls = [call for call, _ in venue.calls if call in ("place", "cancel")]
    assert calls.index("cancel") <= 5
    assert 1 + FLOOD == venue.count("place")
    assert OrderState.CANCELLED is working.wait(1).state
    system.stop()


@pytest.mark.parametrize("fifo", [True, False])
def test_a_cancel_of_an_order_that_waits_itself_is_not_lost(fifo: bool) -> None:
    """Overtaking its own order, it goes back behind it: the order ends CANCELLED."""
    venue = ScriptedVenue()
    system = simulated(venue, fifo=fifo)
    tickets = [system.submit(order(price="99")) for _ in range(FLOOD)]
    asked = system.cancel(tickets[-1])
    system.sim.run_for(10 * SECOND)

    assert asked.get(timeout=1).client_order_id == tickets[-1].client_order_id
    assert OrderState.CANCELLED is tickets[-1].wait(1).state
    system.stop()


def test_a_cancel_of_a_closed_order_is_answered_as_it_is() -> None:
    """Nothing waits, and the order is not in memory any more: its last state is the answer."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.cancel(ticket)
    assert OrderState.CANCELLED is ticket.wait(1).state
    again = system.cancel(ticket)
    system.sim.run_for(SECOND)

    assert OrderState.CANCELLED is again.get(timeout=1).state
    assert 1 == venue.count("cancel")
    system.stop()
