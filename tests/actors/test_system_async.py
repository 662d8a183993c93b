"""A system inside the host's asyncio loop: awaited tickets, async events, timeouts, an orderly
end.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from actors import ExecutionSystem, PaperVenue, Until
from engine.errors import BlockingCallError, SystemStopped
from engine.messages import OrderAccepted, OrderFilled
from engine.simulator import Exchange, ExchangeConfig
from engine.values import OrderState

from .venues import HANG, ScriptedVenue, btc, order

D = Decimal


def paper() -> PaperVenue:
    """An account at an exchange of its own."""
    return PaperVenue("paper", "main", Exchange(ExchangeConfig(), [btc("paper")]))


def test_tickets_are_awaited() -> None:
    """Inside `async with`, a ticket is awaited until the order is closed, without a thread."""

    async def story() -> Decimal:
        venue = paper()
        async with ExecutionSystem([venue]) as system:
            ticket = system.submit(order(price="101", qty="2"))
            assert OrderState.ACCEPTED is (await ticket.until(Until.ACCEPTED)).state
            venue.market.on_quote("BTC/USDT", D(100), D(5), D(101), D(5))
            done = await asyncio.wait_for(ticket, 10)
            assert OrderState.FILLED is done.state
            held = await system.portfolio()
            return held.positions[0].qty

    assert D(2) == asyncio.run(story())


def test_the_loop_is_never_blocked() -> None:
    """A blocking wait on the loop itself is refused and names await; the order goes on."""

    async def story() -> None:
        async with ExecutionSystem([ScriptedVenue()]) as system:
            ticket = system.submit(order())
            with pytest.raises(BlockingCallError, match="await"):
                ticket.wait(1)
            with pytest.raises(BlockingCallError):
                system.stop()
            assert OrderState.ACCEPTED is (await ticket.until(Until.ACCEPTED)).state

    asyncio.run(story())


def test_an_awaited_ticket_can_time_out() -> None:
    """Asyncio's own timeout ends the wait, and the order goes on."""

    async def story() -> None:
        async with ExecutionSystem([ScriptedVenue()]) as system:
            ticket = system.submit(order())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ticket, 0.01)
            assert OrderState.ACCEPTED is (await system.order(ticket)).state

    asyncio.run(story())


def test_events_are_iterated_in_the_same_loop() -> None:
    """`async for` over events sees an order's life, and ends when the system stops."""

    async def story() -> list[str]:
        venue, seen = paper(), []

        async def read(system: ExecutionSystem) -> None:
            events = system.events(OrderAccepted, OrderFilled)
            seen.extend([type(event).__name__ async for event in events])

        async with ExecutionSystem([venue]) as system:
            task = asyncio.create_task(read(system))
            await asyncio.sleep(0)
            ticket = system.submit(order(price="101"))
            await ticket.until(Until.ACCEPTED)
            venue.market.on_quote("BTC/USDT", D(100), D(5), D(101), D(5))
            await ticket
        await asyncio.wait_for(task, 10)
        return seen

    assert ["OrderAccepted", "OrderFilled"] == asyncio.run(story())


def test_many_tickets_at_once() -> None:
    """Hundreds of orders are gathered at once."""

    async def story() -> set[OrderState]:
        async with ExecutionSystem([ScriptedVenue()]) as system:
            tickets = [system.submit(order(price=str(n + 1))) for n in range(300)]
            views = await asyncio.gather(*(ticket.until(Until.ACCEPTED) for ticket in tickets))
            return {view.state for view in views}

    assert {OrderState.ACCEPTED} == asyncio.run(story())


def test_a_venue_that_hangs_times_out_on_a_real_clock() -> None:
    """The call timeout holds in a real loop too: silence becomes IN_DOUBT."""

    async def story() -> OrderState:
        venue = ScriptedVenue()
        venue.script("place", HANG)
        venue.script("query", *[HANG] * 5)
        async with ExecutionSystem([venue], call_timeout=0.05) as system:
            events = system.events()
            system.submit(order())
            async for event in events:
                if type(event).__name__ == "OrderInDoubt":
                    break
            (view,) = await system.orders()
            await system.astop(timeout=0.1)
            return view.state

    assert OrderState.IN_DOUBT is asyncio.run(story())


def test_after_the_block_the_system_refuses(tmp_path: Path) -> None:
    """After `async with` the journal is free for the next system, and the old one refuses."""

    async def story() -> str:
        path = tmp_path / "j"
        venue = ScriptedVenue()
        async with ExecutionSystem([venue], journal=path) as system:
            ticket = system.submit(order(intent_id="one"))
            await ticket.until(Until.ACCEPTED)
        with pytest.raises(SystemStopped):
            system.submit(order())
        async with ExecutionSystem([venue], journal=path) as again:
            assert 1 == len(await again.orders())
            return again.submit(order(intent_id="one")).intent_id

    assert "one" == asyncio.run(story())


def test_two_systems_in_one_loop() -> None:
    """Two systems may live in one loop, and one stops without the other."""

    async def story() -> OrderState:
        async with ExecutionSystem([ScriptedVenue()]) as one:
            async with ExecutionSystem([ScriptedVenue()]) as other:
                await other.submit(order()).until(Until.ACCEPTED)
            return (await one.submit(order()).until(Until.ACCEPTED)).state

    assert OrderState.ACCEPTED is asyncio.run(story())


def test_an_exception_in_the_block_still_stops_in_order(tmp_path: Path) -> None:
    """A host's exception leaves through `async with`, and the journal is given back."""

    async def story() -> None:
        async with ExecutionSystem([ScriptedVenue()], journal=tmp_path / "j") as system:
            system.submit(order())
            raise KeyError("host")

    with pytest.raises(KeyError, match="host"):
        asyncio.run(story())

    async def again() -> int:
        async with ExecutionSystem([ScriptedVenue()], journal=tmp_path / "j") as system:
            return len(await system.orders())

    assert asyncio.run(again()) >= 0
