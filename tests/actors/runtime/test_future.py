"""Futures: set once, awaited without blocking, refused where blocking would never end."""

from __future__ import annotations

import asyncio
import queue
import threading
from functools import partial
from typing import Any

import pykka
import pytest

from actors.runtime import Future, ReplyTimeout, SimulatedDispatcher, ThreadDispatcher
from engine.errors import AskTimeout, BlockingCallError

from .fakes import Doing


def _append(kept: list[int], number: int, _: Any) -> None:
    kept.append(number)


def _future(value: Any = None) -> Future[Any]:
    future: Future[Any] = Future()
    if value is not None:
        future.set(value)
    return future


def test_a_value_can_be_read_many_times() -> None:
    """A set future returns its value at every get()."""
    future = _future(7)

    assert [7, 7] == [future.get(), future.get(timeout=0)]


def test_a_future_is_set_once() -> None:
    """A second set or set_exception raises queue.Full, as Pykka's does, and changes nothing."""
    future = _future(7)

    with pytest.raises(queue.Full):
        future.set(8)
    with pytest.raises(queue.Full):
        future.set_exception(ValueError("late"))
    assert 7 == future.get()


def test_exceptions_are_raised_by_get() -> None:
    """An instance, a triple and the exception being handled all come out of get()."""
    one, two, three = _future(), _future(), _future()
    one.set_exception(ValueError("one"))
    two.set_exception((KeyError, None, None))
    try:
        raise TypeError("three")
    except TypeError:
        three.set_exception()

    for future, kind in ((one, ValueError), (two, KeyError), (three, TypeError)):
        with pytest.raises(kind):
            future.get()


def test_set_exception_needs_an_exception() -> None:
    """Outside an except block set_exception() is a mistake, and the future stays pending."""
    future = _future()

    with pytest.raises(ValueError, match="except block"):
        future.set_exception()
    assert not future.done()


def test_a_timeout_is_ours_and_pykkas() -> None:
    """get(timeout) raises one error for both vocabularies; the future can still be set and read."""
    future = _future()

    for kind in (AskTimeout, pykka.Timeout, TimeoutError, ReplyTimeout):
        with pytest.raises(kind):
            future.get(timeout=0)
    future.set(1)
    assert 1 == future.get()


def test_a_blocked_thread_is_woken() -> None:
    """get() in one thread returns what another thread sets."""
    future, got = _future(), []
    reader = threading.Thread(target=lambda: got.append(future.get(timeout=60)))
    reader.start()
    future.set("x")
    reader.join(60)

    assert ["x"] == got


def test_every_callback_runs_exactly_once_under_races() -> None:
    """Callbacks added while another thread sets the future run once each, none is lost."""
    for _ in range(200):
        future = _future()
        ran: list[int] = []
        setter = threading.Thread(target=future.set, args=(1,))
        setter.start()
        for number in range(20):
            future.add_done_callback(partial(_append, ran, number))
        setter.join()

        assert list(range(20)) == sorted(ran)


def test_only_one_of_many_setters_wins() -> None:
    """Two threads that set at once: one succeeds, the other gets queue.Full."""
    for _ in range(200):
        future = _future()
        outcomes: list[int | None] = []

        def settle(value: int, future: Any = future, outcomes: Any = outcomes) -> None:
            try:
                future.set(value)
                outcomes.append(value)
            except queue.Full:
                outcomes.append(None)

        threads = [threading.Thread(target=settle, args=(n,)) for n in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert future.get() in outcomes
        assert 1 == outcomes.count(None)


def test_map_filter_join_reduce() -> None:
    """Pykka's derived futures compute what they say."""
    numbers = _future([1, 2, 3])

    assert 3 == numbers.map(len).get()
    assert [2, 3] == numbers.filter(lambda n: n > 1).get()
    assert 6 == numbers.reduce(lambda a, b: a + b).get()
    assert 16 == numbers.reduce(lambda a, b: a + b, 10).get()
    assert [[1, 2, 3], "b"] == numbers.join(_future("b")).get()


def test_derived_futures_know_when_they_are_done() -> None:
    """A mapped or joined future is done, and calls back, when its sources are."""
    one, two, called = _future(), _future(), []
    both = one.join(two).map(sum)
    both.add_done_callback(lambda future: called.append(future.get()))

    one.set(1)
    assert not both.done()
    two.set(2)
    assert both.done()
    assert [3] == called


def test_a_get_hook_of_the_users_own_is_computed_when_asked() -> None:
    """Pykka's lazy futures are computed once, and refuse callbacks nobody could call."""
    asked: list[float | None] = []
    future: Future[int] = Future()

    def compute(timeout: float | None) -> int:
        asked.append(timeout)
        return 5

    future.set_get_hook(compute)

    with pytest.raises(TypeError, match="when asked"):
        future.add_done_callback(print)
    with pytest.raises(queue.Full):
        future.set(6)
    assert [5, 5] == [future.get(timeout=3), future.get()]
    assert [3] == asked


def test_await_under_asyncio() -> None:
    """A coroutine awaits a future set elsewhere, mapped, joined, lazy, or with an exception."""
    lazy: Future[int] = Future()
    lazy.set_get_hook(lambda _: 4)
    bad = _future()
    bad.set_exception(ValueError("bad"))

    async def main() -> tuple[Any, ...]:
        future = _future()
        setter = threading.Thread(target=future.set, args=(1,))
        setter.start()
        got = await future, await future.map(lambda n: n + 1), await future.join(future), await lazy
        setter.join()
        with pytest.raises(ValueError, match="bad"):
            await bad
        return got

    assert (1, 2, [1, 1], 4) == asyncio.run(main())


def test_await_does_not_block_the_loop() -> None:
    """While one coroutine awaits a pending future, others of the loop run."""

    async def main() -> list[str]:
        future, order = _future(), []

        async def wait() -> None:
            order.append("waits")
            await future
            order.append("has it")

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        order.append("others run")
        future.set(1)
        await waiting
        return order

    assert ["waits", "others run", "has it"] == asyncio.run(main())


def test_a_wait_that_ends_early_is_forgotten() -> None:
    """A wait that ran out of time leaves nothing behind at the future."""
    future = _future()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(future, timeout=0.001)

    asyncio.run(give_up())
    assert not future._callbacks


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_wait_left_behind_in_a_closed_loop_does_not_hurt_the_setter(elsewhere: bool) -> None:
    """Whether the setter is another thread or the one that the loop ran on."""
    future = _future()
    left: list[Any] = []

    async def leave() -> None:
        waiting = future._wait_done()
        waiter = next(waiting)
        waiter.add_done_callback(left.append)  # as a task does
        left.append(waiting)

    asyncio.run(leave())
    if elsewhere:
        setter = threading.Thread(target=future.set, args=(1,))
        setter.start()
        setter.join()
    else:
        future.set(1)
    assert 1 == future.get()
    (waiting,) = left
    waiting.close()


def test_await_in_the_simulation() -> None:
    """The same coroutine runs when driven by hand on the virtual clock."""
    dispatcher = SimulatedDispatcher()
    future: Future[int] = Future()
    dispatcher.call_later(5_000, lambda: future.set(3))

    async def main() -> tuple[int, int]:
        return await future.map(lambda n: n + 1), dispatcher.monotonic_ns()

    assert (4, 5_000) == dispatcher.run(main())


def test_get_drives_a_simulation_from_outside() -> None:
    """A blocking get() outside a simulation runs it; its timeout is virtual."""
    dispatcher = SimulatedDispatcher()
    future: Future[str] = Future(dispatcher)
    dispatcher.call_later(3_000_000_000, lambda: future.set("late"))

    with pytest.raises(ReplyTimeout):
        future.get(timeout=2)
    assert 2_000_000_000 == dispatcher.monotonic_ns()
    assert "late" == future.get(timeout=2)


@pytest.mark.parametrize("kind", [SimulatedDispatcher, ThreadDispatcher])
def test_blocking_on_the_dispatchers_own_thread_is_refused(kind: Any) -> None:
    """A blocking get() inside an actor raises and names await, whosever the future is."""
    dispatcher = kind()
    dispatcher.start()
    ref = Doing.start(dispatcher=dispatcher)

    for future in (Future(dispatcher), _future()):
        with pytest.raises(BlockingCallError, match="await"):
            ref.ask(lambda _, future=future: future.get(timeout=1))
        ref = Doing.start(dispatcher=dispatcher)
    dispatcher.stop()


def test_a_callback_that_raises_is_a_background_failure() -> None:
    """What a done-callback raises goes to the dispatcher's hook; the other callbacks run."""
    dispatcher, seen, ran = SimulatedDispatcher(), [], []
    dispatcher.on_background_failure = lambda what, exc: seen.append(exc)
    future: Future[int] = Future(dispatcher)
    future.add_done_callback(lambda _: 1 // 0)
    future.add_done_callback(lambda _: ran.append(1))
    future.set(1)

    assert [ZeroDivisionError] == [type(exc) for exc in seen]
    assert [1] == ran
