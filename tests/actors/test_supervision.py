"""What a failure inside leads to: one order is frozen, its fills still count, everybody else goes
on.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.errors import SystemStopped, UserError
from engine.messages import Filled, OrderSnapshot, VenueStatus
from engine.values import OrderState

from .test_restart import crash, fold_digest, later
from .venues import CAPABLE, SECOND, ScriptedVenue, System, order, simulated

D = Decimal
#: A venue of this process: nothing of it is checked at the door, so it can hand in what breaks a
#: step.
TRUSTED = msgspec.structs.replace(CAPABLE, inline=True)
NAN = D("NaN")


def frozen(journal: Any = None) -> tuple[System, ScriptedVenue, str, str]:
    """A system with two orders, of which the first was sent a fill that no arithmetic survives."""
    venue = ScriptedVenue(capabilities=TRUSTED)
    system = simulated(venue, journal=journal)
    sick, well = system.submit(order(qty="3")), system.submit(order(qty="2", price="99"))
    system.sim.run_for(SECOND)
    venue.push(Filled(sick.client_order_id, venue.now(), "b1", D(1), D(100), cum_qty=NAN))
    system.sim.run_for(SECOND)
    return system, venue, sick.client_order_id, well.client_order_id


def test_a_step_that_raises_freezes_its_order_only() -> None:
    """The sick order is frozen with an alarm, its fill reaches the position; the other order lives
    on.
    """
    system, venue, sick, well = frozen()
    assert 1 == len(system.alarms("order_failed"))
    assert D(1) == system.qty()
    venue.push(venue.fill(well, "w1", "2", "99"))
    system.sim.run_for(SECOND)
    assert OrderState.FILLED is system.order(well).get(timeout=1).state
    assert D(3) == system.qty()
    with pytest.raises(UserError, match="frozen"):
        system.amend(sick, price=D(99)).get(timeout=1)
    system.cancel(sick)
    system.sim.run_for(SECOND)
    assert OrderState.CANCELLED is system.order(sick).get(timeout=1).state
    system.stop()


def test_the_fill_that_broke_a_step_is_booked_once_however_often_it_comes() -> None:
    """Delivered again, in one turn and in others, the fill is not booked twice and nothing goes
    round in circles.
    """
    system, venue, sick, _ = frozen()
    bad = Filled(sick, venue.now(), "b1", D(1), D(100), cum_qty=NAN)
    for _ in range(3):
        venue.push(bad)
        venue.push(bad)
        system.sim.run_for(SECOND)
    fresh = Filled(sick, venue.now(), "b2", D(1), D(100), cum_qty=NAN)
    venue.push(fresh)
    venue.push(fresh)
    system.sim.run_for(SECOND)
    assert D(2) == system.qty()
    assert [] == system.alarms("broker_failed")
    assert fold_digest(system.journal) == system.state_digest().get(timeout=1)
    system.stop()


def test_the_fold_and_a_restart_agree_with_a_frozen_order(tmp_path: Any) -> None:
    """What a failing step left behind live is what the journal gives back."""
    system, venue, sick, _ = frozen(tmp_path / "j")
    assert fold_digest(system.journal) == system.state_digest().get(timeout=1)
    held = system.qty()
    crash(system)
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    assert held == again.qty()
    with pytest.raises(UserError, match="frozen"):
        again.amend(sick, price=D(99)).get(timeout=1)
    again.stop()


def test_a_snapshot_with_impossible_numbers_loses_nothing() -> None:
    """Evidence with impossible numbers may freeze the order it is about; its real fills still
    count.
    """
    venue = ScriptedVenue(capabilities=TRUSTED)
    system = simulated(venue)
    ticket = system.submit(order(qty="3"))
    system.sim.run_for(SECOND)
    cid = ticket.client_order_id
    venue.push(OrderSnapshot(cid, venue.now(), VenueStatus.WORKING, cum_qty=NAN))
    venue.push(venue.fill(cid, "x1", "1"))
    system.sim.run_for(SECOND)
    assert D(1) == system.qty()
    assert [] == system.alarms("broker_failed")
    assert fold_digest(system.journal) == system.state_digest().get(timeout=1)
    system.stop()


def test_a_broker_that_fails_stops_its_entries_and_keeps_its_exits() -> None:
    """A message nobody understands is kept as a dead letter; entries of the account stop, cancels
    go on.
    """
    venue = ScriptedVenue(capabilities=TRUSTED)
    system = simulated(venue)
    works = system.submit(order())
    system.sim.run_for(SECOND)
    venue.push(object())
    system.sim.run_for(SECOND)
    assert 1 == len(system.alarms("broker_failed"))
    assert 1 == system.snapshot().get(timeout=1).dead_letters
    denied = system.submit(order(price="99"))
    system.cancel(works)
    system.sim.run_for(SECOND)
    assert OrderState.CANCELLED is system.order(works).get(timeout=1).state
    assert OrderState.DENIED is system.order(denied).get(timeout=1).state
    assert 1 == venue.count("place")
    system.stop()


def test_a_system_that_cannot_be_trusted_any_more_ends_and_says_so() -> None:
    """Too many failures of a broker end the system: askers are told, the owner gets the exception,
    the journal is whole.
    """
    venue = ScriptedVenue(capabilities=TRUSTED)
    system = simulated(venue)
    ticket = system.submit(order())
    waiting = ticket.until()
    system.sim.run_for(SECOND)
    with pytest.raises(AttributeError):
        for _ in range(30):
            venue.push(object())
            system.sim.run_for(SECOND // 100)
    with pytest.raises(SystemStopped):
        system.submit(order())
    with pytest.raises((SystemStopped, AttributeError)):
        system.stop()
    with pytest.raises(SystemStopped):
        waiting.get(timeout=0)
    assert [] == system.journal.verify()


class _PowerOff(BaseException):
    """What nothing inside may catch."""


def test_everybody_who_waits_is_told_when_the_system_ends_in_mid_turn() -> None:
    """Ended between two effects: also who asked for what the turn had put off, and all after."""
    venue = ScriptedVenue(capabilities=TRUSTED)
    system = simulated(venue)
    venue.script("place", _PowerOff())
    first, second = system.submit(order()), system.submit(order(price="99"))
    asked = [system.cancel(ticket) for ticket in (first, second)]  # overtake, and wait behind
    with pytest.raises(_PowerOff) as raised:
        system.sim.run_for(SECOND)
    assert not hasattr(raised.value, "__notes__")
    for future in asked:
        with pytest.raises(SystemStopped):
            future.get(timeout=0)
