"""What a gap hid: asked for whole, read with an overlap, and no entry leaves before it is known."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from actors.broker_link import OVERLAP_NS
from actors.venues.port import Answer
from engine.messages import Filled, LinkDown, LinkUp
from engine.values import OrderState

from .venues import CAPABLE, HANG, SECOND, ScriptedVenue, System, order, simulated

D = Decimal
#: What happened shows at once, so nothing is asked for a second time.
PROMPT = msgspec.structs.replace(CAPABLE, visibility_lag_ns=0)


def session_of(system: System) -> str:
    """Where the session stands."""
    return system.snapshot().get(timeout=1).sessions["v/main"]


class Publishing(ScriptedVenue):
    """Keeps to the time it is asked from, and shows what has been published."""

    asked: list[int]

    async def executions(self, since_ts: int) -> Answer[Filled]:
        self.asked = [*getattr(self, "asked", ()), since_ts]
        shown = tuple(fill for fill in self.fills if fill.ts >= since_ts)
        return Answer(shown, True, self.now())


def test_executions_are_read_again_from_before_the_last_one() -> None:
    """A venue may publish one out of order: in the gap it comes after a later one was seen."""
    venue = Publishing(capabilities=PROMPT)
    system = simulated(venue)
    one, other = (system.submit(order(qty="2")).client_order_id for _ in range(2))
    system.sim.run_for(SECOND)
    unpublished = venue.fill(one, "e1", "1")
    system.sim.run_for(5 * SECOND)
    published = venue.fill(other, "e2", "1")
    for shown in ([published], [published, unpublished]):
        venue.fills = shown
        venue.drop()
        system.sim.run_for(5 * SECOND)
    assert D(2) == system.qty()
    assert published.ts - OVERLAP_NS == max(venue.asked)
    system.stop()


def test_a_question_about_executions_does_not_replace_that_about_a_gap() -> None:
    """Both arise in one turn: the gap's is asked, and entries go on when it is answered."""
    venue = ScriptedVenue(capabilities=PROMPT)
    system = simulated(venue)
    venue.drop()
    system.sim.run_for(1)

    def both() -> None:
        venue.push(LinkUp(venue.now()))
        system.call_soon(system.brokers["v", "main"].link.fetch_executions)

    system.call_soon(both)
    system.sim.run_for(120 * SECOND)
    assert "READY" == session_of(system)
    system.stop()


def test_the_answer_about_a_gap_says_nothing_of_the_next_one() -> None:
    """The link goes and comes right behind it, in one turn: entries wait for the newer answer."""
    venue = ScriptedVenue(capabilities=PROMPT)
    system = simulated(venue)

    def again() -> None:
        venue.push(LinkDown(venue.now(), "gone again"))
        venue.push(LinkUp(venue.now()))

    def answer(since: int) -> Answer[Filled]:
        system.call_soon(again)
        return Answer((), True, venue.now())

    venue.script("executions", answer, HANG)
    venue.drop()
    system.sim.run_for(SECOND)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    assert "RECONCILING" == session_of(system)
    assert 0 == venue.count("place")
    venue.hanging[-1][2].set(Answer((), True, venue.now()))
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.stop()


@pytest.mark.parametrize("asks", [False, True])
def test_an_answer_that_cannot_be_handled_leaves_no_gap_open(asks: bool) -> None:
    """An adapter within the process is not checked, and its nonsense fails the broker: it is asked
    again, also where somebody asked for executions in between.
    """
    venue = ScriptedVenue(capabilities=msgspec.structs.replace(PROMPT, inline=True))
    system = simulated(venue)
    venue.script("executions", Answer(("nonsense",), True, venue.now()))
    venue.drop()
    system.sim.run_for(SECOND)
    assert system.alarms("broker_failed")
    assert "RECONCILING" == session_of(system)
    if asks:
        system.call_soon(system.brokers["v", "main"].link.fetch_executions)
    system.sim.run_for(120 * SECOND)
    assert "READY" == session_of(system)
    system.stop()
