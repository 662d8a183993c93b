"""The simulation: every choice through one door, virtual time, coroutines by hand."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime import Actor, Future, ReplyTimeout, SimulatedDispatcher, SimulationStuck
from engine.errors import BlockingCallError, InvalidValue

from .fakes import Doing, FailingTurn, Recorder


class Busy(Actor):
    """Posts on to its peers until the message is used up, and logs every step."""

    def __init__(self, name: str, dispatcher: SimulatedDispatcher, log: list[Any]) -> None:
        self.name = name
        self.dispatcher = dispatcher
        self.log = log
        self.peers: list[Busy] = []

    def on_receive(self, message: tuple[int, int]) -> None:
        sender, left = message
        self.log.append((self.name, sender, left))
        if left:
            for peer in self.peers:
                self.dispatcher.post(peer, (sender, left - 1))


def _schedule(**options: Any) -> list[Any]:
    """The log of a small busy system with actors, timers and coroutines."""
    dispatcher = SimulatedDispatcher(**options)
    log: list[Any] = []
    actors = [dispatcher.adopt(Busy(name, dispatcher, log)) for name in "abc"]
    for actor in actors:
        actor.peers = [peer for peer in actors if peer is not actor]

    async def lane(number: int) -> None:
        for step in range(3):
            log.append(("lane", number, step))
            await dispatcher.sleep_ns(10)
            dispatcher.post(actors[number], (10 + number, 1))

    for number, actor in enumerate(actors):
        dispatcher.post(actor, (number, 3))
        dispatcher.call_later(15, partial(dispatcher.post, actor, (99, 1)))
        dispatcher.spawn(lane(number))
    dispatcher.run_until_idle()
    return log


def test_same_seed_same_schedule() -> None:
    """A seed decides the whole schedule; ten seeds give more than one; all give the same work."""
    logs = [_schedule(seed=seed) for seed in range(10)]

    assert logs == [_schedule(seed=seed) for seed in range(10)]
    assert 1 < len({tuple(log) for log in logs})
    assert 1 == len({tuple(sorted(map(str, log))) for log in logs})


def test_fifo_draws_nothing() -> None:
    """With fifo=True no choice is made: the global order is kept."""

    def never(n: int) -> int:
        raise AssertionError("drawn")

    assert _schedule(fifo=True, choose=never) == _schedule(fifo=True, seed=5)


@given(data=st.data())
def test_any_choice_keeps_the_order_per_actor_and_the_work(data: st.DataObject) -> None:
    """Whatever is chosen or discarded, each actor gets each message, in order."""
    discard = data.draw(st.integers(0, 3))
    dispatcher = SimulatedDispatcher(
        choose=lambda n: data.draw(st.integers(0, n - 1)),
        turn=FailingTurn(discard=discard),
        turn_messages=4,
        retry_ns=1,
    )

    class Durable(Recorder):
        """Forgets repetitions, as an entity rebuilt from a journal does."""

        def on_receive(self, message: Any) -> None:
            if message not in self.log:
                self.log.append(message)

    actors = [dispatcher.adopt(Durable()) for _ in range(3)]
    for number in range(6):
        for actor in actors:
            dispatcher.post(actor, number)
    dispatcher.run_until_idle()

    assert [list(range(6))] * 3 == [actor.log for actor in actors]
    assert 0 == dispatcher.queued()


def test_a_bad_chooser_is_named() -> None:
    """A choice outside its range is an error, not a surprise."""
    dispatcher = SimulatedDispatcher(choose=lambda n: n)
    dispatcher.post(dispatcher.adopt(Recorder()), 1)

    with pytest.raises(InvalidValue, match="must return"):
        dispatcher.run_until_idle()


def test_queued_deliveries_are_a_profile() -> None:
    """With queue_deliveries=True deliver() queues, so others may run between."""
    for queued, expected in ((False, ["inner", "outer"]), (True, ["outer", "inner"])):
        dispatcher = SimulatedDispatcher(queue_deliveries=queued)
        log: list[str] = []
        inner = dispatcher.adopt(Recorder(log))

        def work(
            _: Actor, dispatcher: Any = dispatcher, inner: Any = inner, log: Any = log
        ) -> None:
            dispatcher.deliver(inner, "inner")
            log.append("outer")

        dispatcher.post(dispatcher.adopt(Doing()), work)
        dispatcher.run_until_idle()
        assert expected == log


def test_time_jumps_to_timers_in_order() -> None:
    """Timers fire at their time exactly, equal times as armed, cancelled ones never."""
    dispatcher = SimulatedDispatcher(start_ns=1_000)
    log: list[Any] = []

    def at(name: str) -> Any:
        return lambda: log.append((name, dispatcher.time_ns()))

    dispatcher.call_later(20, at("late"))
    dispatcher.call_later(10, at("one"))
    dispatcher.call_later(10, at("two"))
    dispatcher.call_later(-5, at("now"))
    never = dispatcher.call_later(15, at("never"))
    never.cancel()
    dispatcher.run_for(12)
    assert 1_012 == dispatcher.time_ns()
    dispatcher.run_until_idle()

    assert [("now", 1_000), ("one", 1_010), ("two", 1_010), ("late", 1_020)] == log
    assert never.cancelled
    dispatcher.run_to(500)
    assert 1_020 == dispatcher.time_ns()


def test_a_timer_cancelled_after_it_fired_but_before_its_turn_does_not_run() -> None:
    """Between due and run a cancel still counts."""
    dispatcher = SimulatedDispatcher(fifo=True)
    log: list[str] = []
    timers: list[Any] = []
    dispatcher.call_later(10, lambda: timers[0].cancel())  # noqa: PLW0108  # made in the next line
    timers.append(dispatcher.call_later(10, lambda: log.append("ran")))
    dispatcher.run_until_idle()

    assert [] == log


def test_run_ready_lets_no_time_pass() -> None:
    """run_ready() handles what can run now; step() reports whether anything is left."""
    dispatcher = SimulatedDispatcher()
    actor = dispatcher.adopt(Recorder())
    dispatcher.post(actor, 1)
    dispatcher.call_later(5, lambda: actor.log.append(2))
    dispatcher.run_ready()
    assert ([1], 0) == (actor.log, dispatcher.monotonic_ns())

    assert dispatcher.step()
    assert dispatcher.step()
    assert not dispatcher.step()
    assert ([1, 2], 5) == (actor.log, dispatcher.monotonic_ns())


def test_a_timer_may_ring_before_what_could_run() -> None:
    """Time that passes while there is work; a watch alone is nothing to wait for."""
    dispatcher = SimulatedDispatcher(seed=0)
    log: list[Any] = []
    assert (False, None, False) == (
        dispatcher.has_work(), dispatcher.next_timer_ns(), dispatcher.lapse(),
    )  # fmt: skip
    dispatcher.call_later(7, partial(log.append, "timer"))
    dispatcher.call_soon(lambda: log.append(dispatcher.monotonic_ns()))
    assert (True, 7) == (dispatcher.has_work(), dispatcher.next_timer_ns())
    assert dispatcher.lapse()
    assert (7, []) == (dispatcher.monotonic_ns(), log)
    dispatcher.run_ready()
    assert [7, "timer"] == log
    assert (False, None) == (dispatcher.has_work(), dispatcher.next_timer_ns())


def test_coroutines_end_fail_and_are_cancelled() -> None:
    """A task has its coroutine's value or exception; cancel() throws where it waits."""
    dispatcher = SimulatedDispatcher()
    failures: list[BaseException] = []
    dispatcher.on_background_failure = lambda _, exc: failures.append(exc)
    log: list[str] = []

    async def value() -> int:
        await asyncio.sleep(0)  # a bare yield: others may run
        await dispatcher.sleep_ns(1)
        return 5

    async def failing() -> None:
        await dispatcher.sleep_ns(1)
        raise ValueError("lane")

    async def waiting() -> None:
        try:
            await Future[Any]()
        except asyncio.CancelledError:
            log.append("cleaned up")
            raise

    coroutines: list[Any] = [value(), failing(), waiting()]
    tasks = [dispatcher.spawn(coro) for coro in coroutines]
    dispatcher.run_until_idle()
    assert not tasks[2].done()
    tasks[2].cancel()
    dispatcher.run_until_idle()
    tasks[2].cancel()

    assert 5 == tasks[0].get()
    with pytest.raises(ValueError, match="lane"):
        tasks[1].get()
    with pytest.raises(asyncio.CancelledError):
        tasks[2].get()
    assert ["lane"] == [str(exc) for exc in failures]
    assert ["cleaned up"] == log


def test_a_coroutine_spawned_and_cancelled_in_one_turn_never_starts() -> None:
    """Cancelling before the commit refuses the coroutine."""
    dispatcher = SimulatedDispatcher()
    log: list[str] = []

    async def lane() -> None:
        log.append("ran")

    def work(_: Actor) -> Any:
        task = dispatcher.spawn(lane())
        task.cancel()
        return task

    task = Doing.start(dispatcher=dispatcher).ask(work)
    dispatcher.run_until_idle()
    with pytest.raises(asyncio.CancelledError):
        task.get()
    assert [] == log


def test_stop_closes_coroutines() -> None:
    """Coroutines that still wait at stop() are closed, and their tasks say so."""
    dispatcher = SimulatedDispatcher()
    log: list[str] = []

    async def lane() -> None:
        try:
            await dispatcher.sleep_ns(10)
        finally:
            log.append("closed")

    task = dispatcher.spawn(lane())
    dispatcher.run_ready()
    dispatcher.stop()

    assert ["closed"] == log
    with pytest.raises(asyncio.CancelledError):
        task.get()


def test_foreign_awaits_are_named() -> None:
    """A coroutine that awaits something only a real loop can end fails with what it awaited."""
    dispatcher = SimulatedDispatcher()
    dispatcher.on_background_failure = lambda *_: None

    class Foreign:
        def __await__(self) -> Any:
            yield "a socket"

    async def lane() -> None:
        await Foreign()

    with pytest.raises(SimulationStuck, match="a socket"):
        dispatcher.run(lane())


def test_endless_and_hopeless_runs_are_named() -> None:
    """A re-arming timer and a future that nothing can set do not hang the test."""
    dispatcher = SimulatedDispatcher()

    def again() -> None:
        dispatcher.call_later(1, again)

    dispatcher.call_soon(again)
    with pytest.raises(SimulationStuck, match="100 steps"):
        dispatcher.run_until_idle(steps_max=100)
    with pytest.raises(SimulationStuck, match="not done"):
        Future[Any](SimulatedDispatcher()).get()


def test_a_simulation_is_not_run_from_inside() -> None:
    """run_* inside an actor would re-enter itself and is refused."""
    dispatcher = SimulatedDispatcher()

    with pytest.raises(BlockingCallError, match="outside"):
        Doing.start(dispatcher=dispatcher).ask(lambda _: dispatcher.run_until_idle())


def test_a_timer_that_keeps_watch_is_no_work() -> None:
    """It rings in its time where time passes, and nobody runs on or waits for it alone."""
    dispatcher = SimulatedDispatcher()
    rung: list[int] = []

    def ring() -> None:
        rung.append(dispatcher.monotonic_ns())
        dispatcher.watch_later(10, ring)

    ring()
    dispatcher.call_later(25, lambda: None)
    dispatcher.run_until_idle()
    assert [0, 10, 20] == rung
    assert None is dispatcher.next_timer_ns()
    assert not dispatcher.step()
    with pytest.raises(SimulationStuck):
        dispatcher.wait(Future(), None)
    with pytest.raises(ReplyTimeout):
        dispatcher.wait(Future(), 12e-9)
    assert [0, 10, 20, 30] == rung
    dispatcher.run_for(10)
    assert [0, 10, 20, 30, 40] == rung
    dispatcher.watch_later(1, lambda: rung.append(-1)).cancel()
    dispatcher.run_for(5)
    assert -1 not in rung
