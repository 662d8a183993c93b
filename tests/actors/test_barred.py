"""A venue that has shut us out is not knocked at: not before it says so, or a person does."""

from __future__ import annotations

import pytest

from actors.venues.port import Answer
from engine.messages import LinkBarred, LinkDown, VenueDown
from engine.values import OrderState

from .venues import HANG, SECOND, ScriptedVenue, System, order, simulated

HOUR = 3_600 * SECOND


def _barred(venue: ScriptedVenue, retry_ns: int | None = None) -> System:
    """An order works, and the venue has just shut us out; an older lost link waits to connect."""
    system = simulated(venue)
    system.submit(order())
    system.sim.run_for(SECOND)
    venue.push(LinkDown(venue.now(), "cut"))
    venue.push(LinkBarred(venue.now(), "the key was revoked", retry_ns))
    venue.push(LinkDown(venue.now(), "and the line is cut"))
    return system


def _state(system: System) -> str:
    return system.brokers["v", "main"].session.state.value


def test_a_barred_account_waits_for_a_person() -> None:
    """No connect for hours, whatever was waiting to be tried; told once; entries do not leave; then
    the word of a person connects, and all is as after any gap.
    """
    venue = ScriptedVenue()
    system = _barred(venue)
    told: list[VenueDown] = []
    system.subscribe(told.append, VenueDown)
    system.sim.run_for(3 * HOUR)
    assert (_state(system), venue.connects) == ("BARRED", 1)
    assert ["cut", "barred: the key was revoked", "and the line is cut"] == [d.detail for d in told]
    (alarm,) = system.alarms("barred")
    assert "system.reconnect()" in alarm
    late = system.submit(order(price="91"))
    system.sim.run_for(60 * SECOND)
    assert venue.count("place") == 1

    asked = system.reconnect()
    system.sim.run_for(SECOND)
    assert asked.get(timeout=1) is True
    assert (_state(system), venue.connects) == ("READY", 2)
    assert system.order(late).get(timeout=1).state is OrderState.EXPIRED
    again = system.reconnect()
    system.sim.run_for(SECOND)
    assert again.get(timeout=1) is False
    assert venue.connects == 2
    system.stop()


@pytest.mark.parametrize("retry_ns", [60 * SECOND, -1])
def test_a_ban_for_a_time_ends_by_itself(retry_ns: int) -> None:
    """Where the venue says when, that is when we knock, and never in a hurry."""
    venue = ScriptedVenue()
    system = _barred(venue, retry_ns)
    wait = max(retry_ns, 15 * SECOND)
    system.sim.run_for(wait - SECOND)
    assert (_state(system), venue.connects) == ("BARRED", 1)
    system.sim.run_for(2 * SECOND)
    assert (_state(system), venue.connects) == ("READY", 2)
    system.stop()


def test_a_login_that_is_refused_is_not_repeated() -> None:
    """Nor given up as too slow, and so tried again, while its connect hangs on."""
    venue = ScriptedVenue()
    venue.script("connect", HANG)
    system = simulated(venue, ready=False)
    system.sim.run_for(SECOND)
    venue.push(LinkBarred(venue.now(), "bad key"))
    system.sim.run_for(HOUR)
    assert (_state(system), venue.connects) == ("BARRED", 1)
    system.stop()


def test_a_list_that_was_to_be_read_is_not_asked_for_any_more() -> None:
    """Open orders are asked for after a gap, then executions: not once the door is shut."""
    venue = ScriptedVenue()
    venue.script("open_orders", HANG)
    system = simulated(venue, ready=False)
    system.sim.run_for(SECOND)
    before = venue.count("executions")
    venue.push(LinkBarred(venue.now(), "the key was revoked"))
    system.sim.run_for(SECOND)
    ((_, _, waits),) = venue.hanging
    waits.set(Answer((), True, venue.now()))
    system.sim.run_for(60 * SECOND)
    assert (_state(system), venue.count("executions")) == ("BARRED", before)
    system.stop()


def test_a_newer_word_of_the_venue_counts() -> None:
    """It said when to come back, and then that a person has to mend it."""
    venue = ScriptedVenue()
    system = _barred(venue, 60 * SECOND)
    venue.push(LinkBarred(venue.now(), "and now the key is revoked"))
    system.sim.run_for(HOUR)
    assert (_state(system), venue.connects) == ("BARRED", 1)
    system.stop()
