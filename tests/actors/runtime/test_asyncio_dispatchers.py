"""The dispatchers on asyncio: wake-ups from any thread, coroutines beside turns, clean ends."""

from __future__ import annotations

import asyncio
import decimal
import gc
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from actors.runtime import (
    Actor,
    ActorDeadError,
    Future,
    LoopDispatcher,
    ThreadDispatcher,
    TurnDiscarded,
)
from engine.errors import BlockingCallError, SystemStopped
from engine.values import CONTEXT

from .fakes import Doing, FailingTurn, Recorder

WAIT_S = 60


def _ran(fn: Any, *args: Any) -> None:
    thread = threading.Thread(target=fn, args=args)
    thread.start()
    thread.join(WAIT_S)


def test_messages_of_many_threads_all_arrive_in_order() -> None:
    """What four threads post while the dispatcher idles and wakes arrives in each one's order."""
    dispatcher = ThreadDispatcher()
    actor = dispatcher.adopt(Recorder())

    def send(sender: int) -> None:
        for number in range(2_000):
            dispatcher.post(actor, (sender, number))

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    dispatcher.start()
    for thread in threads:
        thread.join(WAIT_S)
    dispatcher.stop()

    for sender in range(4):
        assert [(sender, n) for n in range(2_000)] == [m for m in actor.log if m[0] == sender]


def test_one_wake_up_from_idle_to_busy() -> None:
    """Many posts into an idle dispatcher schedule one wake-up."""

    async def main() -> tuple[int, int]:
        dispatcher = LoopDispatcher()
        dispatcher.start()
        await asyncio.sleep(0)
        actor = dispatcher.adopt(Recorder())
        scheduled: list[None] = []
        schedule = dispatcher._schedule
        dispatcher._schedule = lambda: scheduled.append(schedule())  # type: ignore[method-assign]
        for number in range(100):
            dispatcher.post(actor, number)
        await dispatcher.spawn(dispatcher.sleep_ns(0))
        await asyncio.sleep(0)
        await dispatcher.aclose()
        return len(scheduled), len(actor.log)

    assert (1, 100) == asyncio.run(main())


def test_what_is_posted_first_wakes_the_dispatcher() -> None:
    """It needs nothing behind it to be handled."""
    dispatcher = ThreadDispatcher()
    dispatcher.start()
    try:
        ref = Recorder.start(dispatcher=dispatcher)
        actor = ref._actor_weakref()
        assert actor is not None
        for number in range(100):
            asked: Future[int] = Future(dispatcher)
            dispatcher.post_first(actor, number, asked)
            assert number == asked.get(timeout=10)
    finally:
        dispatcher.stop()


def test_timers_and_coroutines_share_the_dispatchers_thread() -> None:
    """Turns, timers, coroutines and urgent calls run on one thread, under CONTEXT."""
    dispatcher = ThreadDispatcher()
    seen: list[tuple[str, int, int, bool]] = []
    end: Future[int] = Future(dispatcher)

    def note(what: str) -> None:
        where = threading.get_ident(), decimal.getcontext().prec, dispatcher.in_turn()
        seen.append((what, *where))

    async def lane() -> str:
        note("lane")
        await dispatcher.sleep_ns(1_000)
        note("lane later")
        return "done"

    dispatcher.call_later(1_000, lambda: note("timer armed before the start"))
    early = dispatcher.spawn(lane())
    dispatcher.start()
    assert "done" == early.get(timeout=WAIT_S)
    dispatcher.call_soon(lambda: note("call"))
    dispatcher.urgent(lambda: note("urgent"))
    due = dispatcher.monotonic_ns() + 2_000_000

    def at_due() -> None:
        note("timer")
        end.set(dispatcher.monotonic_ns())

    dispatcher.call_later(2_000_000, at_due)
    assert end.get(timeout=WAIT_S) >= due
    never = dispatcher.call_later(3_600_000_000_000, lambda: note("never"))
    dispatcher.call_soon(never.cancel)
    dispatcher.stop()

    assert 1 == len({thread for _, thread, _, _ in seen})
    assert {CONTEXT.prec} == {prec for _, _, prec, _ in seen}
    turns = {"timer armed before the start", "call", "timer"}
    assert turns == {what for what, _, _, in_turn in seen if in_turn}
    assert {"lane", "lane later", "urgent"} == {what for what, _, _, in_turn in seen if not in_turn}


def test_an_ask_is_awaited_from_another_loop() -> None:
    """A host's coroutine awaits an actor on the dispatcher's thread."""
    dispatcher = ThreadDispatcher()
    dispatcher.start()
    ref = Recorder.start(dispatcher=dispatcher)

    async def main() -> list[int]:
        return [await ref.ask(number, block=False) for number in range(3)]

    assert [0, 1, 2] == asyncio.run(main())
    dispatcher.stop()


def test_inside_the_hosts_loop() -> None:
    """On the host's loop ask is awaited, blocking refused, and our context does not leak."""

    async def main() -> None:
        dispatcher = LoopDispatcher()
        dispatcher.start()
        host = decimal.getcontext().prec
        log: list[Any] = []
        ref = Recorder.start(log, dispatcher=dispatcher)
        assert dispatcher.is_own_thread()

        assert 1 == await ref.ask(1, block=False)
        with pytest.raises(BlockingCallError, match="await"):
            ref.ask(2)
        with pytest.raises(BlockingCallError, match="await"):
            ref.ask(3, block=False).get()
        arrived: Future[None] = Future(dispatcher)

        def send() -> None:
            ref.tell(4)
            dispatcher.call_soon(arrived.set)

        thread = threading.Thread(target=send)
        thread.start()
        await arrived
        thread.join()
        assert host == decimal.getcontext().prec
        assert await dispatcher.spawn(_precision()) == CONTEXT.prec
        await dispatcher.aclose()
        assert ["start", 1, 3, 4, "stop"] == log
        assert not dispatcher.is_own_thread() or not dispatcher.is_accepting()

    asyncio.run(main())


async def _precision() -> int:
    await asyncio.sleep(0)
    return decimal.getcontext().prec


def test_coroutines_are_cancelled_at_the_end() -> None:
    """stop() cancels spawned coroutines; they clean up before the thread ends."""
    dispatcher = ThreadDispatcher()
    dispatcher.start()
    log: list[str] = []
    waits: Future[None] = Future()

    async def lane() -> None:
        try:
            waits.set()
            await dispatcher.sleep_ns(3_600_000_000_000)
        finally:
            log.append("cleaned up")

    task = dispatcher.spawn(lane())
    waits.get(timeout=WAIT_S)
    dispatcher.stop()

    assert ["cleaned up"] == log
    with pytest.raises(asyncio.CancelledError):
        task.get(timeout=0)


def test_a_task_is_cancelled_from_another_thread() -> None:
    """cancel() reaches a coroutine on the dispatcher's thread, even one that has not started."""
    dispatcher = ThreadDispatcher()
    early = dispatcher.spawn(_precision())
    early.cancel()
    dispatcher.start()
    waiting = dispatcher.spawn(dispatcher.sleep_ns(3_600_000_000_000))
    waiting.cancel()

    for task in (early, waiting):
        with pytest.raises(asyncio.CancelledError):
            task.get(timeout=WAIT_S)
    dispatcher.stop()


def test_a_coroutine_that_raises_is_a_background_failure() -> None:
    """Its exception is set on the task and goes to the hook, or else ends the dispatcher."""
    for hooked in (True, False):
        dispatcher = ThreadDispatcher()
        failures: list[BaseException] = []
        if hooked:
            dispatcher.on_background_failure = lambda _, exc, kept=failures: kept.append(exc)
        dispatcher.start()
        task = dispatcher.spawn(_raise(ValueError("lane")))
        with pytest.raises(ValueError, match="lane"):
            task.get(timeout=WAIT_S)
        if hooked:
            dispatcher.stop()
            assert ["lane"] == [str(exc) for exc in failures]
        else:
            with pytest.raises(ValueError, match="lane"):
                dispatcher.join(WAIT_S)


async def _raise(exc: BaseException) -> None:
    await asyncio.sleep(0)
    raise exc


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("way", ["actor", "coroutine"])
def test_a_base_exception_ends_the_thread_and_reaches_the_owner(
    error: type[BaseException], way: str
) -> None:
    """The thread ends, on_crash is called, stop() raises once, later posts are dead letters."""
    dispatcher = ThreadDispatcher()
    crashed: Future[BaseException] = Future()
    dispatcher.on_crash = crashed.set
    dispatcher.start()
    ref = Doing.start(dispatcher=dispatcher)
    if way == "actor":

        def fail(_: Actor) -> None:
            raise error("stop")

        ref.tell(fail)
    else:
        dispatcher.spawn(_raise(error("stop")))

    assert isinstance(crashed.get(timeout=WAIT_S), error)
    with pytest.raises(error):
        dispatcher.stop()
    dispatcher.stop()
    ref.tell("late")
    assert "late" in [letter.message for letter in dispatcher.dead_letters.recent]
    with pytest.raises(ActorDeadError):
        ref.ask("late")


def test_a_keyboard_interrupt_leaves_the_hosts_loop() -> None:
    """KeyboardInterrupt in an actor comes out of the host's asyncio.run()."""

    async def main() -> None:
        dispatcher = LoopDispatcher()
        dispatcher.start()
        dispatcher.post(dispatcher.adopt(Recorder()), KeyboardInterrupt())
        await asyncio.sleep(WAIT_S)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())


def test_a_discarded_turn_pauses_and_resumes() -> None:
    """While paused posts wait and urgent calls run; resume() or a retry timer goes on."""
    for retry_ns in (None, 1_000_000):
        turn = FailingTurn(discard=2)
        dispatcher = ThreadDispatcher(turn=turn, retry_ns=retry_ns)
        actor = dispatcher.adopt(Recorder())
        for number in range(3):
            dispatcher.post(actor, number)
        dispatcher.start()
        asked = actor.actor_ref.ask("end", block=False)
        while retry_ns is None and not asked.done():
            outside: Future[None] = Future(dispatcher)
            dispatcher.urgent(outside.set)
            outside.get(timeout=WAIT_S)
            dispatcher.resume()
        assert "end" == asked.get(timeout=WAIT_S)
        dispatcher.stop()

        assert [0, 1, 2, "end"] == actor.log[-4:]
        assert 0 == turn.discard


def test_stop_while_paused_buries_what_waits() -> None:
    """Without a journal nothing more can be handled: askers are told, messages are dead letters."""
    dispatcher = ThreadDispatcher(turn=FailingTurn(discard=1))
    actor = dispatcher.adopt(Recorder())
    dispatcher.post(actor, "message")
    asked = actor.actor_ref.ask("asked", block=False)
    dispatcher.start()
    dispatcher.stop()

    with pytest.raises(ActorDeadError):
        asked.get(timeout=0)
    assert "message" in [letter.message for letter in dispatcher.dead_letters.recent]


def test_after_the_end() -> None:
    """A stopped dispatcher cannot start again; what is sent to it neither raises nor hangs."""
    for dispatcher in (ThreadDispatcher(), ThreadDispatcher("started")):
        if dispatcher.name == "started":
            dispatcher.start()
            with pytest.raises(SystemStopped):
                dispatcher.start()
        dispatcher.stop()
        dispatcher.stop()
        with pytest.raises(SystemStopped):
            dispatcher.start()
        dispatcher.post(dispatcher.adopt(Recorder()), "late")
        dispatcher.call_later(1, lambda: None).cancel()
        dispatcher.resume()
        with pytest.raises(SystemStopped):
            dispatcher.spawn(_precision()).get(timeout=0)
        assert 1 == dispatcher.dead_letters.count


def test_stop_from_inside() -> None:
    """An actor may stop its own dispatcher; the turn ends first, the thread ends after."""
    dispatcher = ThreadDispatcher()
    dispatcher.start()
    asked = Doing.start(dispatcher=dispatcher).ask(lambda _: dispatcher.stop(), block=False)

    assert asked.get(timeout=WAIT_S) is None
    assert dispatcher.join(WAIT_S)


def test_a_host_that_closes_its_loop_without_stopping_us() -> None:
    """What is sent into a loop that is gone becomes a dead letter, a refusal or an error."""
    made: list[LoopDispatcher] = []

    async def main() -> None:
        made.append(LoopDispatcher())
        made[0].start()
        await asyncio.sleep(0)

    asyncio.run(main())
    dispatcher = made[0]
    actor = dispatcher.adopt(Recorder())
    ref = actor.actor_ref
    _ran(ref.tell, "lost")
    with pytest.raises(SystemStopped):
        dispatcher.spawn(_precision()).get(timeout=0)
    with pytest.raises(ActorDeadError):
        ref.ask("asked")
    assert ["lost"] == [letter.message for letter in dispatcher.dead_letters.recent]


def test_spawns_that_race_with_the_end_are_never_lost() -> None:
    """Every task spawned while the dispatcher stops ends: with its value, refused, or cancelled."""
    for _ in range(20):
        dispatcher = ThreadDispatcher()
        dispatcher.start()
        tasks: list[Any] = []

        def spawn(dispatcher: Any = dispatcher, tasks: Any = tasks) -> None:
            tasks.extend(dispatcher.spawn(_precision()) for _ in range(50))

        thread = threading.Thread(target=spawn)
        thread.start()
        dispatcher.stop()
        thread.join(WAIT_S)
        ends = [_end_of(task) for task in tasks]
        assert 50 == len(ends)
        assert {CONTEXT.prec, SystemStopped, asyncio.CancelledError} >= set(ends)
    gc.collect()


def _end_of(task: Future[int]) -> Any:
    try:
        return task.get(timeout=WAIT_S)
    except (SystemStopped, asyncio.CancelledError) as exc:
        return type(exc)


def test_two_dispatchers_in_one_process() -> None:
    """A dispatcher that stops or fails leaves another one, and its actors, alone."""
    one, two = ThreadDispatcher("one"), ThreadDispatcher("two")
    one.start()
    two.start()
    ref = Recorder.start(dispatcher=two)
    one.post(one.adopt(Recorder()), SystemExit())
    with pytest.raises(SystemExit):
        one.join(WAIT_S)

    assert 1 == ref.ask(1, timeout=WAIT_S)
    two.stop()


def test_a_coroutine_spawned_in_a_discarded_turn_never_runs() -> None:
    """On a real loop too a coroutine starts after the commit only."""
    dispatcher = ThreadDispatcher(turn=FailingTurn(discard=1), retry_ns=1_000)
    tasks: list[Any] = []
    log: list[str] = []

    async def lane() -> None:
        log.append("ran")

    def work() -> None:
        coro: Coroutine[Any, Any, None] = lane()
        tasks.append(dispatcher.spawn(coro))

    dispatcher.call_soon(work)
    dispatcher.start()
    done: Future[None] = Future(dispatcher)
    dispatcher.call_soon(done.set)
    done.get(timeout=WAIT_S)
    assert tasks[1].get(timeout=WAIT_S) is None
    with pytest.raises(TurnDiscarded):
        tasks[0].get(timeout=WAIT_S)
    dispatcher.stop()
    assert ["ran"] == log


def test_a_stop_during_the_clean_up_does_not_cut_it_short() -> None:
    """While a crashed dispatcher's coroutines clean up, another stop() waits its turn."""
    dispatcher = ThreadDispatcher()
    waits: Future[None] = Future()
    log: list[str] = []

    async def lane() -> None:
        try:
            waits.set()
            await dispatcher.sleep_ns(3_600_000_000_000)
        finally:
            dispatcher.stop()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            log.append("cleaned up")

    dispatcher.start()
    dispatcher.spawn(lane())
    waits.get(timeout=WAIT_S)
    dispatcher.spawn(_raise(SystemExit()))

    with pytest.raises(SystemExit):
        dispatcher.join(WAIT_S)
    assert ["cleaned up"] == log
