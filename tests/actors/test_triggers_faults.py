"""Local stops where much goes wrong: crashes, lost answers, full disks, and a market that jumps."""

from __future__ import annotations

import contextlib

import pytest
from msgspec.structs import replace

from actors.submitting import local_legs
from actors.testing import SimulatedSystem
from engine import bracket, limit, trailing_stop
from engine.errors import EngineError
from engine.simulator import ExchangeConfig
from engine.testing import PROFILES
from engine.testing.drawing import draws
from engine.testing.scenario import Moment

from .trigger_kit import BARE, BTC, PLAIN, SECOND, D, placed

VENUES = (PLAIN, BARE, replace(PLAIN, amend=False))
WAITS = (0, SECOND // 20, SECOND // 2, 2 * SECOND, 7 * SECOND)


def lived(seed: int, profile: str) -> tuple[SimulatedSystem, list[object]]:
    """A host that opens brackets in a market that jumps, at a venue that fails; what was wrong."""
    draw = draws(seed, 9)
    able = VENUES[draw(len(VENUES))]
    system = SimulatedSystem(
        seed=seed, plan=PROFILES[profile], listens=True, loose=draw(3) == 0,
        config=ExchangeConfig(capabilities=able, last_from_quotes=True),
    )  # fmt: skip
    bad: list[object] = []
    mid = 200
    for step in range(10):
        system.quote(BTC, D(mid - 1), D(50), D(mid + 1), D(50))
        system.run(WAITS[draw(len(WAITS))])
        system.restart()
        entry = limit(BTC, "BUY", str(1 + draw(2)), mid + draw(5) - 2)
        root = bracket(entry, stop_px=mid - 6 - draw(12), target=(None, mid + 9)[draw(2)])
        with contextlib.suppress(EngineError):
            if draw(3):
                system.system.submit_group(local_legs(root, able), intent_id=f"b{step}")
            else:
                order = trailing_stop(BTC, "BUY", "1", 3 + draw(9), local=True)
                system.submit(replace(order, intent_id=f"t{step}"))
        if draw(3) == 0:
            system.crash_at((Moment.BEFORE_WRITE, Moment.AFTER_WRITE)[draw(2)], 1 + draw(7))
        elif draw(4) == 0 and system.alive:
            system.fail_journal(1 + draw(3))
        mid = max(50, mid + (-9, -5, 0, 5, 9)[draw(5)])
        bad += system.check()
    return system, [*bad, *system.settle(600 * SECOND)]


@pytest.mark.parametrize("profile", ["calm", "rough"])
def test_nothing_is_lost_or_doubled_whatever_goes_wrong(profile: str) -> None:
    """The judge's rules hold at every commit and at rest; and triggers did go."""
    triggered = crashes = 0
    for seed in range(20):
        system, bad = lived(seed, profile)
        assert not bad, (profile, seed, bad)
        kinds = [record.kind for record in system.journal.records()]
        triggered += kinds.count("LocalTriggered")
        crashes += system.crashes
        assert len({cid for cid, _, _ in placed(system)}) == len(placed(system))
        system.close()
    assert triggered > 10
    assert crashes > 10
