"""Commits beside the loop: one turn in flight, and nothing that it may take back is touched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pykka import ActorDeadError

from actors.runtime import Input, LoopDispatcher, PlainTurn, SimulatedDispatcher, TurnDiscarded

from .fakes import Recorder


class SlowTurn(PlainTurn):
    """A turn whose commit is a function of the test's own; remembers what happened, in order."""

    __slots__ = ("commit", "log")

    def __init__(self, log: list[str], commit: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.log = log
        self.commit = commit

    def begin(self) -> None:
        super().begin()
        self.log.append("turn")

    def stage(self) -> Callable[[], object]:  # type: ignore[override]
        return self._commit

    def _commit(self) -> None:
        self.commit()
        self.log.append("commit")

    def complete(self, inputs: list[Input], error: BaseException | None) -> None:
        if isinstance(error, OSError):
            self.log.append("discarded")
            raise TurnDiscarded(str(error))
        if error is not None:
            raise error
        super().complete(inputs, error)
        self.log.append("effects")


@pytest.mark.parametrize("seed", range(8))
def test_no_turn_runs_while_one_is_in_flight(seed: int) -> None:
    """Whatever is drawn: turn, commit, effects, one after the other; all messages in order."""
    log: list[str] = []
    dispatcher = SimulatedDispatcher(
        turn=SlowTurn(log), seed=seed, turn_messages=2, commits_aside=True
    )
    actor = dispatcher.adopt(Recorder())
    for number in range(9):
        dispatcher.post(actor, number)
    dispatcher.run_until_idle()

    assert actor.log == list(range(9))
    assert log == ["turn", "commit", "effects"] * (len(log) // 3)


def test_what_must_run_outside_turns_waits_for_the_one_in_flight() -> None:
    """It could touch what a failed commit takes back; afterwards it runs, however that ended."""
    log: list[str] = []
    fails = iter([OSError("full"), None])

    def commit() -> None:
        error = next(fails, None)
        if error is not None:
            raise error

    dispatcher = SimulatedDispatcher(turn=SlowTurn(log, commit), fifo=True, commits_aside=True)
    actor = dispatcher.adopt(Recorder())
    dispatcher.post(actor, 1)
    assert dispatcher.step_ready()
    assert dispatcher.in_flight
    dispatcher.urgent(lambda: log.append("outside"))
    dispatcher.run_ready()

    assert log == ["turn", "discarded", "outside"]
    assert dispatcher.is_paused()
    dispatcher.resume()
    dispatcher.run_until_idle()
    assert actor.log == [1, 1]  # its turn was discarded once, and is handled again
    assert log[3:] == ["turn", "commit", "effects"]


def test_a_timer_of_a_discarded_turn_never_runs_though_it_was_due_in_flight() -> None:
    """It rang before the commit had failed, and belongs to the turn all the same."""
    rang: list[str] = []
    log: list[str] = []

    def commit() -> None:
        raise OSError("full")

    dispatcher = SimulatedDispatcher(turn=SlowTurn(log, commit), fifo=True, commits_aside=True)
    dispatcher.call_soon(lambda: dispatcher.call_later(0, lambda: rang.append("!")))
    assert dispatcher.step_ready()
    assert dispatcher.lapse()
    dispatcher.run_ready()
    assert log == ["turn", "discarded"]
    turn: Any = dispatcher.turn
    turn.commit = lambda: None
    dispatcher.resume()
    dispatcher.run_until_idle()
    assert rang == ["!"]  # of the turn that was handled again, once


def test_a_stop_waits_for_the_commit() -> None:
    """What is in flight is completed before the last turns."""
    log: list[str] = []
    dispatcher = SimulatedDispatcher(turn=SlowTurn(log), fifo=True, commits_aside=True)
    future = Recorder.start(dispatcher=dispatcher).ask(1, block=False)
    assert dispatcher.step_ready()
    assert not future.done()
    dispatcher.stop()
    assert future.get() == 1
    assert log[:3] == ["turn", "commit", "effects"]


def test_a_hosts_loop_goes_on_while_the_disk_is_slow() -> None:
    """While a commit hangs on its thread, the host's own tasks run, and replies wait for it."""
    begun, go_on = threading.Event(), threading.Event()

    def commit() -> None:
        begun.set()
        assert go_on.wait(timeout=60)

    async def host() -> None:
        dispatcher = LoopDispatcher(turn=SlowTurn([], commit))
        dispatcher.commit_aside()
        dispatcher.start()
        ref = Recorder.start(dispatcher=dispatcher)
        future = ref.ask(7, block=False)
        await asyncio.to_thread(begun.wait, 60)  # the host's own business
        assert not future.done()
        go_on.set()
        assert await future == 7
        dispatcher.stop()

    asyncio.run(host())


def test_a_loop_that_stops_in_flight_completes_the_turn() -> None:
    """stop() waits for the commit that is under way; its askers are answered."""

    async def host() -> None:
        begun, go_on = threading.Event(), threading.Event()

        def commit() -> None:
            begun.set()
            assert go_on.wait(timeout=60)

        dispatcher = LoopDispatcher(turn=SlowTurn([], commit))
        dispatcher.commit_aside()
        dispatcher.start()
        future = Recorder.start(dispatcher=dispatcher).ask(7, block=False)
        await asyncio.to_thread(begun.wait, 60)
        threading.Thread(target=go_on.set).start()
        dispatcher.stop()
        assert future.get() == 7

    asyncio.run(host())


def test_a_loop_that_is_closed_in_flight_leaves_nobody_waiting() -> None:
    """The host closed its loop without a stop: whoever asked is told that the outcome is unknown,
    not that nothing happened, and what waited behind is told that it was not handled.
    """
    begun, go_on = threading.Event(), threading.Event()

    def commit() -> None:
        begun.set()
        assert go_on.wait(timeout=60)

    dispatcher = LoopDispatcher(turn=SlowTurn([], commit))

    async def host() -> tuple[Any, Any]:
        dispatcher.commit_aside()
        dispatcher.start()
        ref = Recorder.start(dispatcher=dispatcher)
        in_flight = ref.ask(1, block=False)
        await asyncio.to_thread(begun.wait, 60)
        return in_flight, ref.ask(2, block=False)

    in_flight, behind = asyncio.run(host())
    go_on.set()
    with pytest.raises(ActorDeadError, match="on disk or not at all"):
        in_flight.get(timeout=60)
    with pytest.raises(ActorDeadError, match="before handling"):
        behind.get(timeout=60)


def test_a_commit_that_cannot_begin_buries_its_inputs_once() -> None:
    """The committer's thread is gone: one dead letter for each message, and the owner is told."""

    async def host() -> None:
        dispatcher = LoopDispatcher(turn=SlowTurn([]))
        dispatcher.commit_aside()
        assert dispatcher._committer is not None
        dispatcher._committer.end()
        dispatcher.start()
        actor = dispatcher.adopt(Recorder())
        for number in range(3):
            dispatcher.post(actor, number)
        for _ in range(3):
            await asyncio.sleep(0)
        assert isinstance(dispatcher.failure, RuntimeError)
        assert dispatcher.dead_letters.count == 3

    asyncio.run(host())


def test_a_commit_that_breaks_ends_the_dispatcher() -> None:
    """What is no failure of the disk is a bug: the owner gets it, and the askers are told."""
    log: list[str] = []

    def commit() -> None:
        raise ZeroDivisionError

    dispatcher = SimulatedDispatcher(turn=SlowTurn(log, commit), fifo=True, commits_aside=True)
    future = Recorder.start(dispatcher=dispatcher).ask(1, block=False)
    with pytest.raises(ZeroDivisionError):
        dispatcher.run_until_idle()
    assert future.done()
