"""Subscriptions: callbacks and iterators, their bounds, and what becomes of readers that fail."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from actors import ExecutionSystem, Until
from actors.hub import Hub, Subscription
from engine.errors import AskTimeout, BlockingCallError, InvalidValue, SlowReader
from engine.messages import (
    Alarm,
    Event,
    EventsMissed,
    OrderAccepted,
    OrderEvent,
    OrderFilled,
    OrderPending,
)
from engine.values import OrderState

from .venues import SECOND, ScriptedVenue, order, simulated


def alarm(n: int) -> Alarm:
    """An event with a number."""
    return Alarm(n, "test", str(n))


def reader(hub: Hub, capacity: int = 100, overflow: str = "drop_oldest") -> Subscription:
    """A subscription that nobody's thread owns."""
    return Subscription(hub, (), capacity, overflow, lambda: False)  # type: ignore[arg-type]


def numbers(events: list[Event]) -> list[object]:
    """Numbers of alarms, and how many were missed."""
    seen: list[Any] = list(events)
    return [e.ts if isinstance(e, Alarm) else ("missed", e.count) for e in seen]


def test_a_callback_may_take_the_kind_it_asks_for() -> None:
    """Its parameter is that kind (types are checked too), and nothing else reaches it."""
    system = simulated()
    states: list[OrderState] = []

    def accepted(event: OrderAccepted) -> None:
        states.append(event.state)

    system.subscribe(accepted, OrderAccepted)
    system.submit(order())
    system.sim.run_for(SECOND)
    assert states == [OrderState.ACCEPTED]


def test_a_callback_gets_the_kinds_it_asked_for() -> None:
    """A callback with kinds gets these only; without, all; and none after it has unsubscribed."""
    system = simulated()
    some: list[Event] = []
    everything: list[Event] = []
    end = system.subscribe(some.append, OrderAccepted)
    system.subscribe(everything.append)
    system.submit(order())
    system.sim.run_for(SECOND)
    end()
    system.submit(order())
    system.sim.run_for(SECOND)
    assert ["OrderAccepted"] == [type(event).__name__ for event in some]
    assert 6 == len(everything)
    system.stop()


def test_a_callback_that_raises_is_unsubscribed_and_told() -> None:
    """A raising callback gets no more events; the others do, with an alarm; orders do not
    notice.
    """
    system = simulated()
    calls: list[Event] = []

    def broken(event: Event) -> None:
        calls.append(event)
        raise RuntimeError("mine")

    system.subscribe(broken)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    assert 1 == len(calls)
    assert 1 == len(system.alarms("subscriber_failed"))
    assert "OrderAccepted" in system.kinds(ticket.client_order_id)
    system.stop()


def test_two_callbacks_that_raise_on_everything_end() -> None:
    """Callbacks that raise even on the alarm about each other are both gone, without a loop."""
    hub = Hub()
    calls: list[str] = []

    def one(event: Event) -> None:
        calls.append("one")
        raise RuntimeError

    def other(event: Event) -> None:
        calls.append("other")
        raise RuntimeError

    hub.add_callback(one, ())
    hub.add_callback(other, ())
    hub.publish([alarm(1)])
    hub.publish([alarm(2)])
    assert 1 == calls.count("one")
    assert 1 <= calls.count("other") <= 2
    assert not hub.wanted


def test_a_slow_reader_is_told_how_many_events_it_missed() -> None:
    """With drop_oldest the newest events stay, and the gap before them is counted."""
    hub = Hub()
    events = reader(hub, 3)
    hub.publish([alarm(n) for n in range(10)])
    events.close()
    assert [("missed", 7), 7, 8, 9] == numbers(list(events))


def test_a_slow_reader_that_may_miss_nothing_is_closed() -> None:
    """With close the reader gets what it had room for, then SlowReader."""
    hub = Hub()
    events = reader(hub, 3, "close")
    hub.publish([alarm(n) for n in range(10)])
    assert [0, 1, 2] == numbers([events.get(0) for _ in range(3)])
    with pytest.raises(SlowReader):
        events.get(0)
    assert not hub.wanted


def test_reading_can_time_out_and_end() -> None:
    """An empty subscription times out; a closed one is at its end."""
    events = reader(Hub())
    with pytest.raises(AskTimeout):
        events.get(0.01)
    events.close()
    with pytest.raises(EOFError):
        events.get(0.01)
    assert [] == list(events)


def test_capacity_and_policy_are_checked() -> None:
    """A subscription without room, or with an unknown policy, is refused."""
    for capacity, overflow in ((0, "close"), (5, "wait")):
        with pytest.raises(InvalidValue):
            reader(Hub(), capacity, overflow)


def test_a_thread_iterates_over_events_until_the_system_stops() -> None:
    """`for event in system.events(...)` in a thread ends when the system stops, with every event
    read.
    """
    seen: list[str] = []
    with ExecutionSystem([ScriptedVenue()]) as system:
        events = system.events(OrderPending, OrderAccepted)

        def read() -> None:
            seen.extend(type(event).__name__ for event in events)

        thread = threading.Thread(target=read)
        thread.start()
        for _ in range(5):
            system.submit(order()).wait(10, Until.ACCEPTED)
    thread.join(10)
    assert ["OrderPending", "OrderAccepted"] * 5 == seen


def test_the_systems_own_thread_cannot_wait_for_events() -> None:
    """Reading a subscription inside a callback would wait for itself, and is refused."""
    with ExecutionSystem([ScriptedVenue()]) as system:
        caught: list[BaseException] = []
        done = threading.Event()
        events = system.events()

        def read(event: Event) -> None:
            try:
                events.get(1)
            except BlockingCallError as error:
                caught.append(error)
            done.set()

        system.subscribe(read, OrderAccepted)
        system.submit(order())
        assert done.wait(10)
    assert 1 == len(caught)


def test_an_async_reader_outside_the_systems_loop() -> None:
    """`async for` in another loop than the system's thread wakes for events, and ends with the
    system.
    """
    seen: list[str] = []

    async def read(system: ExecutionSystem, started: threading.Event) -> None:
        events = system.events(OrderAccepted)
        started.set()
        seen.extend([type(event).__name__ async for event in events])

    started = threading.Event()
    system = ExecutionSystem([ScriptedVenue()])
    system.start()
    thread = threading.Thread(target=lambda: asyncio.run(read(system, started)))
    thread.start()
    assert started.wait(10)
    for _ in range(3):
        system.submit(order())
    system.stop()
    thread.join(10)
    assert ["OrderAccepted"] * 3 == seen


def test_two_async_readers_of_one_subscription_both_end() -> None:
    """Two tasks may share a subscription: each event goes to one, and both see the end."""

    async def both() -> tuple[int, int]:
        hub = Hub()
        events = reader(hub)
        counts = [0, 0]

        async def read(index: int) -> None:
            async for _ in events:
                counts[index] += 1

        tasks = [asyncio.create_task(read(0)), asyncio.create_task(read(1))]
        await asyncio.sleep(0)
        hub.publish([alarm(1)])
        await asyncio.sleep(0)
        hub.publish([alarm(2)])
        await asyncio.sleep(0)
        events.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        return counts[0], counts[1]

    assert 2 == sum(asyncio.run(both()))


def test_a_missed_event_is_an_event() -> None:
    """What a reader gets for its gap is of the vocabulary."""
    assert isinstance(EventsMissed(1, 2), Event)


def test_a_kind_is_wanted_while_somebody_takes_it() -> None:
    """What nobody takes is not made; a subscription by a base class takes everything below it."""
    hub = Hub()
    assert not hub.wanted
    stop = hub.add_callback(lambda _: None, (OrderFilled,))
    assert {OrderFilled} == hub.wanted
    events = Subscription(hub, (OrderEvent,), 10, "drop_oldest", lambda: False)
    assert OrderAccepted in hub.wanted
    assert Alarm not in hub.wanted
    events.close()
    stop()
    assert not hub.wanted


def test_who_ends_its_subscription_gets_nothing_more() -> None:
    """A callback that another one unsubscribes is not called for the event at hand."""
    hub = Hub()
    got: list[Event] = []
    ends: list[Callable[[], None]] = []
    hub.add_callback(lambda _: ends[0](), ())
    ends.append(hub.add_callback(got.append, ()))
    hub.publish([alarm(1), alarm(2)])
    assert not got


def test_alarms_are_logged_whoever_listens(caplog: pytest.LogCaptureFixture) -> None:
    """A host that has subscribed to nothing still finds them in its log; other events are not."""
    system = simulated()
    with caplog.at_level(logging.DEBUG, "actors.alarm"):
        system.submit(order())
        system.sim.run_for(SECOND)
        assert caplog.records == []
        system.brokers["v", "main"].dispatcher.call_soon(
            lambda: system.brokers["v", "main"].alarm("stream_silent", "v: nothing", "e")
        )
        system.sim.run_for(SECOND)
    (record,) = caplog.records
    assert ("WARNING", "stream_silent: v: nothing") == (record.levelname, record.getMessage())
    assert record.__dict__["entity"] == "e"


def test_a_reader_that_looks_again_and_again_leaves_nothing_behind() -> None:
    """Whoever gives a wait for the next event up, and comes back, is kept once; no event is lost to
    those it gave up.
    """

    async def story() -> list[object]:
        hub = Hub()
        subscription = reader(hub)
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(subscription), 0.001)
        assert subscription._waiting == []
        hub.publish([alarm(7)])
        return numbers([await anext(subscription)])

    assert [7] == asyncio.run(story())
