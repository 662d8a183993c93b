"""What is under way to and from a venue arrives when the schedule says so."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from actors.testing import SPOT, SimulatedSystem
from engine import OrderState, limit
from engine.testing import Fault, FaultKind

SECOND = 1_000_000_000
PX = Decimal(200)


def _first(n: int) -> int:
    del n
    return 0


def _system(choose: Callable[[int], int] = _first) -> SimulatedSystem:
    system = SimulatedSystem(choose=choose, loose=True)
    system.quote(SPOT.symbol, PX - 1, Decimal(5), PX + 1, Decimal(5))
    system.run(10 * SECOND)
    return system


def _is_placed(system: SimulatedSystem) -> bool:
    return bool(system.exchange.placed("main"))


def test_a_request_of_a_dead_process_may_arrive_when_the_next_one_runs() -> None:
    """At some point it has left and not arrived; what dies then is the process, not the request."""
    arrived: list[bool] = []
    for turns in range(1, 6):
        with _system() as system:
            system.submit(limit(SPOT.symbol, "BUY", "0.01", PX, intent_id="a"))
            system.turns(turns)
            was_placed = _is_placed(system)
            system.crash()
            system.restart()
            system.run(SECOND)
            if not was_placed:
                arrived.append(_is_placed(system))
            assert [] == system.settle()
    assert True in arrived
    assert False in arrived


def test_a_request_does_not_arrive_behind_its_window() -> None:
    """Time may pass while it is under way; later than the venue declares it never arrives."""
    with _system() as system:
        system.submit(limit(SPOT.symbol, "BUY", "0.01", PX, intent_id="a"))
        system.turns(2)  # the broker's, and the call's up to where it leaves
        assert not _is_placed(system)
        before = system.now_ns()
        while system.now_ns() - before <= 2 * SECOND:
            system.lapse()
        assert [] == system.settle()
        assert not _is_placed(system)


@pytest.mark.parametrize("lost", [0, 1])
def test_reports_on_their_way_may_be_lost_with_the_link(lost: int) -> None:
    """The last ones before a link goes down, never one in the middle; lists show them again."""
    asked: list[int] = []

    def choose(n: int) -> int:
        asked.append(n)
        return lost if dropping else 0

    dropping = False
    with _system(choose) as system:
        ticket = system.submit(limit(SPOT.symbol, "BUY", "0.02", PX, intent_id="a"))
        system.run(10 * SECOND)
        system.trade(SPOT.symbol, PX - 1, Decimal("0.02"))
        dropping = True
        asked.clear()
        system.happen(Fault(FaultKind.DISCONNECT, delay_ns=SECOND))
        dropping = False
        assert [2] == asked  # the fill, or nothing
        assert OrderState.FILLED is ticket.wait(timeout=60).state
        assert [] == system.settle()
