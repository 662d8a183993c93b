"""A call of an adapter that never ends: given up in time, told, bounded in number, and asked
again.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from actors.hung import HUNG_MAX
from actors.runtime import Future
from engine.flatten import Scope
from engine.values import OrderState

from .venues import CAPABLE, HANG, SECOND, ScriptedVenue, System, btc, order, simulated

ABLE = msgspec.structs.replace(CAPABLE, positions_complete=True, cash_positions=True)
MINUTE = 60 * SECOND
ASKED = (
    "connect", "place", "cancel", "amend", "place_batch", "cancel_batch", "query_order",
    "open_orders", "executions", "positions", "instruments",
)  # fmt: skip
#: What is asked by the session itself, one at a time.
ALONE = ("connect", "open_orders", "executions", "positions", "instruments")


class Stuck(ScriptedVenue):
    """One of its methods never returns; a stubborn one ends at no cancel either."""

    stuck = ""
    stubborn = False

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.inside: dict[Future[None], None] = {}
        self.made = self.most = 0

    async def never(self) -> None:
        """Wait for what does not come."""
        self.made += 1
        released: Future[None] = Future()
        self.inside[released] = None
        self.most = max(self.most, len(self.inside))
        try:
            while not released.done():
                try:
                    await released
                except CancelledError:
                    if not self.stubborn:
                        raise
        finally:
            del self.inside[released]

    def release(self) -> None:
        """What hangs returns, and nothing hangs any more."""
        self.stuck = ""
        for waiting in list(self.inside):
            waiting.set(None)


def _hanging(name: str) -> Callable[..., Awaitable[Any]]:
    async def method(venue: Stuck, *args: Any) -> Any:
        if venue.stuck == name:
            await venue.never()
        return await getattr(ScriptedVenue, name)(venue, *args)

    return method


for _name in ASKED:
    setattr(Stuck, _name, _hanging(_name))


def trade(system: System, venue: Stuck, minutes: int) -> None:
    """Something of every sort in each minute: orders, questions about them, a lost link."""
    for minute in range(minutes):
        some = [system.submit(order()) for _ in range(3)]
        system.sim.run_for(10 * SECOND)
        for ticket in some[:2]:
            system.amend(ticket, price=order(price="99").price)
        system.sim.run_for(10 * SECOND)
        for one in list(system.brokers["v", "main"].orders.values()):
            system.brokers["v", "main"].calls.ask_by_id(one)
        system.sim.run_for(SECOND)
        for ticket in some:
            system.cancel(ticket)
        system.sim.run_for(10 * SECOND)
        if minute % 3 == 1:
            venue.drop()
        system.sim.run_for(MINUTE - 31 * SECOND)


@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.parametrize("name", ASKED)
def test_a_method_that_never_returns_is_bounded_and_told(name: str, stubborn: bool) -> None:
    """Whichever it is, however long it goes on: few calls are left, a person is told, and when it
    works again so does everything.
    """
    width = 4 if name.endswith("batch") else 1
    venue = Stuck(capabilities=msgspec.structs.replace(ABLE, place_batch=width, cancel_batch=width))
    venue.stubborn = stubborn
    venue.stuck = name if name == "instruments" else ""
    system = simulated(venue, instruments=[btc()])
    trade(system, venue, 1)
    venue.stuck = name
    trade(system, venue, 20)
    assert venue.made > 1  # asked again
    if stubborn:
        assert venue.most <= HUNG_MAX + 8
    elif name in ALONE:
        assert venue.most <= 2  # the session's question, and the slow look beside it
    else:
        assert venue.most <= 16  # as many as come in a minute, and not more with each
    told = system.alarms("call_hung")
    assert 1 <= len(told) <= 32
    venue.release()
    system.sim.run_for(10 * MINUTE)
    assert {} == system.brokers["v", "main"].lane.hung.left
    assert {} == system.brokers["v", "main"].lane.hung.full
    assert "READY" == system.snapshot().get(timeout=1).sessions["v/main"]
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.stop()


def test_the_questions_of_a_kill_switch_are_bounded_too() -> None:
    """Its positions never come: it asks on, with one call at a time, and verifies when they do."""
    venue = Stuck(capabilities=ABLE)
    system = simulated(venue)
    venue.stuck = "positions"
    flat = system.flatten(Scope(), 3_600)
    system.sim.run_for(20 * MINUTE)
    assert venue.made > 10
    assert venue.most <= 2  # the slow look at positions asks as well
    assert system.alarms("call_hung")
    venue.release()
    system.sim.run_for(5 * MINUTE)
    assert flat.done()
    assert {} == system.brokers["v", "main"].lane.hung.left
    system.stop()


@pytest.mark.parametrize("name", ["connect", "open_orders", "executions", "instruments"])
def test_a_question_that_its_adapter_cancels_is_asked_again(name: str) -> None:
    """Something within it was cancelled, so it ended without a word; the session goes on."""
    venue = ScriptedVenue(capabilities=ABLE)
    venue.script(name, *[CancelledError()] * 3)
    system = simulated(venue, instruments=[btc()], ready=False)
    system.sim.run_for(10 * MINUTE)
    assert "READY" == system.snapshot().get(timeout=1).sessions["v/main"]
    system.stop()


def test_late_answers_of_placements_are_facts_for_a_while() -> None:
    """An acknowledgement that comes after its time still counts."""
    venue = ScriptedVenue()
    venue.script("place", HANG)
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(20 * SECOND)
    assert OrderState.ACCEPTED is not system.order(ticket).get(timeout=1).state
    ((_, request, answer),) = venue.hanging
    answer.set(venue._place(request))
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.stop()
