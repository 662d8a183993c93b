"""A stop ends, whatever happens meanwhile, and nobody who waits is left without an answer."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from actors import ExecutionSystem, Snapshot, Until
from actors.runtime import ThreadDispatcher, asyncio_dispatchers
from engine.errors import SystemStopped
from engine.messages import Event

from .venues import HANG, ScriptedVenue, order


def test_a_second_stop_does_not_take_the_first_ones_ground_away() -> None:
    """Of two stops at once the first gives its snapshot, and the second says what is going on."""

    async def story() -> list[Any]:
        venue = ScriptedVenue()
        venue.script("close", HANG)
        system = await ExecutionSystem([venue]).__aenter__()
        stops = system.astop(timeout=0.2), system.astop(timeout=0.2)
        return list(await asyncio.gather(*stops, return_exceptions=True))

    first, second = asyncio.run(story())
    assert isinstance(first, Snapshot)
    assert isinstance(second, SystemStopped)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_whoever_ends_a_loop_from_a_subscriber_leaves_nobody_waiting(
    kind: type[BaseException],
) -> None:
    """Ctrl-C in a subscriber comes out of the host's loop, and everybody who waits is answered,
    though that subscriber would raise again at each alarm about it.
    """
    waiting: list[Any] = []

    def interrupted(_: Event) -> None:
        raise kind

    async def story() -> None:
        system = await ExecutionSystem([ScriptedVenue()]).__aenter__()
        system.subscribe(interrupted)
        waiting.extend(system.submit(order()).until() for _ in range(3))
        waiting.extend(system.portfolio() for _ in range(3))
        await asyncio.sleep(60)

    with pytest.raises(kind):
        asyncio.run(story())
    assert len(waiting) == 6
    for future in waiting:
        with pytest.raises(SystemStopped):
            future.get(timeout=0)


def test_a_system_whose_loop_was_closed_under_it_can_be_stopped() -> None:
    """The loop is closed while a call is under way: stop() says that it has stopped, tells those
    who wait, and gives the journal back.
    """
    venue, loop = ScriptedVenue(), asyncio.new_event_loop()
    venue.script("place", HANG)
    system = ExecutionSystem([venue])

    async def begin() -> Any:
        await system.__aenter__()
        ticket = system.submit(order())
        await ticket.until(Until.SUBMITTED)
        return ticket.until()

    waiting = loop.run_until_complete(begin())
    tasks = asyncio.all_tasks(loop)
    loop.close()
    with pytest.raises(SystemStopped):
        system.stop(timeout=0.1)
    with pytest.raises(SystemStopped):
        waiting.get(timeout=0)
    for task in tasks:  # asyncio's word about tasks that nobody will go on with
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_a_thread_that_is_blocked_does_not_hold_up_its_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where an adapter blocks the thread, stop() gives up and says so; once it lets go nothing runs
    any more, and what waited is answered.
    """
    monkeypatch.setattr(asyncio_dispatchers, "_END_S", 0.05)
    dispatcher, may_go_on, later = ThreadDispatcher("blocked"), threading.Event(), []
    dispatcher.start()
    dispatcher.call_soon(may_go_on.wait)
    with pytest.raises(SystemStopped, match="blocked"):
        dispatcher.stop()
    dispatcher.call_soon(lambda: later.append(1))
    may_go_on.set()
    assert dispatcher.join(60)
    assert later == []
