"""`ready()` says when entries can leave: when everything that was missed has been asked for."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from actors import ExecutionSystem, PaperVenue
from actors.runtime import Future
from engine.errors import InvalidOrder, InvalidValue, SystemStopped
from engine.values import OrderState

from .venues import HANG, SECOND, ScriptedVenue, btc, order, simulated


def _after(future: Future[None], system: object, seconds: int = 1) -> bool:
    system.sim.run_for(seconds * SECOND)  # type: ignore[attr-defined]
    return future.done()


def test_ready_waits_for_every_list_of_every_account() -> None:
    """Not set by a link alone, nor by one account of two; at once where all is done."""
    slow, quick = ScriptedVenue("slow"), ScriptedVenue("quick")
    slow.script("executions", ConnectionError("busy"))
    slow.script("open_orders", HANG)
    system = simulated(slow, quick, ready=False)
    everybody, one = system.ready(), system.ready(venue="quick")
    assert not _after(everybody, system)
    assert one.done()
    assert _after(everybody, system, 60)
    assert everybody.get(timeout=1) is None
    assert system.brokers["slow", "main"].session.state.value == "READY"
    assert _after(system.ready(), system)
    system.stop()


def test_ready_is_one_moment_of_all() -> None:
    """An account that goes away again while another comes up is waited for anew; and an entry that
    is submitted at that moment leaves.
    """
    first, second = ScriptedVenue("first"), ScriptedVenue("second")
    second.script("connect", HANG)  # given up after 30 s
    system = simulated(first, second, ready=False)
    ready = system.ready()
    assert not _after(ready, system, 29)
    first.script("connect", HANG)
    first.drop()
    assert not _after(ready, system, 5)
    assert system.brokers["second", "main"].session.state.value == "READY"
    assert _after(ready, system, 60)
    ticket = system.submit(order(venue="first"))
    system.sim.run_for(SECOND)
    assert system.order(ticket).get(timeout=1).state is OrderState.ACCEPTED
    system.stop()


def test_ready_ends_with_the_system() -> None:
    """Who still waits when it stops is told so, and so is who asks later."""
    venue = ScriptedVenue()
    venue.script("connect", HANG)
    system = simulated(venue, ready=False)
    ready = system.ready()
    assert not _after(ready, system)
    system.stop()
    with pytest.raises(SystemStopped):
        ready.get(timeout=1)
    with pytest.raises(SystemStopped):
        system.ready()


def test_ready_names_accounts() -> None:
    """A name that fits none is an error that says what there is; one venue has all its accounts."""
    system = simulated(ScriptedVenue("v", "a"), ScriptedVenue("v", "b"))
    with pytest.raises(InvalidOrder, match="v/a, v/b"):
        system.ready(venue="w")
    with pytest.raises(InvalidOrder, match="is not known"):
        system.ready(account="c")
    with pytest.raises(InvalidValue):
        system.ready(venue=7)  # type: ignore[arg-type]
    assert _after(system.ready(venue="v"), system)
    system.stop()


def test_ready_is_awaited_in_a_loop() -> None:
    """In a host's loop, with a timeout of the host's."""

    async def host() -> Decimal:
        venue = PaperVenue("paper", "main", [btc("paper")])
        async with ExecutionSystem([venue]) as system:
            await asyncio.wait_for(system.ready(), 5)
            venue.market.on_quote("BTC/USDT", Decimal(99), Decimal(2), Decimal(100), Decimal(2))
            return (await system.submit(order(venue="paper", price="100"))).cum_qty

    assert asyncio.run(host()) == 1
