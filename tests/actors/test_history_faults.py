"""History kept by systems under faults, crashes and lies: it is the fold, and it adds up."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.following import resume_following
from actors.recovery import fold_journal
from actors.testing.running import play, simulated
from actors.testing.simulated_system import SimulatedSystem
from actors.verifying import verify
from engine.pnl import EXACT
from engine.testing.drawing import scenario


def keep(kit: SimulatedSystem) -> None:
    """Keep trips from the first turn on; the journal says so to every later life."""
    system = kit.system
    system.call_soon(lambda: resume_following(system.brokers, system.accounts, history=True))


@pytest.mark.parametrize("profile", ["rough", "hell"])
def test_history_is_the_fold_and_adds_up(profile: str) -> None:
    """Whatever went wrong: trips are what the facts fold to, and sum to the position's P&L."""
    trips = 0
    for seed in range(20):
        drawn = scenario(seed, profile)
        kit = simulated(drawn)
        keep(kit)
        assert play(kit, drawn).violations == ()
        assert verify(kit.journal).is_whole
        history = fold_journal(kit.journal).history
        for key, trail in history.trails.items():
            earned = Decimal(0)
            for trip in history.trips.values():
                if (trip.venue, trip.account, trip.instrument, trip.slot) == key:
                    earned = EXACT.add(earned, trip.realized_pnl)
                    trips += 1
            assert earned == trail.now.settled
    assert trips
