"""Turns: commit before effects, discard as a whole, and every way a turn can end."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from actors.runtime import (
    Actor,
    ActorDeadError,
    Dispatcher,
    Escalation,
    Future,
    PlainTurn,
    SimulatedDispatcher,
    TurnDiscarded,
)
from engine.errors import InvalidValue, MailboxFull, SystemStopped
from engine.values import CONTEXT

from .fakes import Doing, FailingTurn, KeepingSupervisor, Recorder


def _keep(kept: list[BaseException], _: object, exc: BaseException) -> None:
    kept.append(exc)


FIFO = pytest.mark.parametrize("fifo", [True, False])


def test_replies_are_set_after_the_commit() -> None:
    """During finish no reply is set yet; the plain turn sets them at its end."""
    seen: list[bool] = []
    asked: list[Future[Any]] = []

    class Looking(PlainTurn):
        def finish(self, inputs: Any) -> None:
            seen.append(asked[0].done())
            super().finish(inputs)

    dispatcher = SimulatedDispatcher(turn=Looking(), fifo=True)
    ref = Recorder.start(dispatcher=dispatcher)
    asked.append(ref.ask(1, block=False))
    dispatcher.run_until_idle()

    assert [False] == seen
    assert 1 == asked[0].get()


@FIFO
def test_a_discarded_turn_comes_back_in_order(fifo: bool) -> None:
    """A discarded turn's inputs stand in front, in order; nothing runs until resume()."""
    turn = FailingTurn(discard=1)
    dispatcher = SimulatedDispatcher(turn=turn, fifo=fifo)
    actor = dispatcher.adopt(Recorder())
    for number in range(5):
        dispatcher.post(actor, number)
    dispatcher.run_until_idle()
    handled = len(actor.log)
    dispatcher.post(actor, 5)
    dispatcher.run_until_idle()
    assert dispatcher.is_paused()
    assert handled == len(actor.log)

    actor.log.clear()
    dispatcher.resume()
    dispatcher.resume()
    dispatcher.run_until_idle()
    assert [0, 1, 2, 3, 4, 5] == actor.log
    assert turn.seen[0] == turn.seen[1][: len(turn.seen[0])] or not fifo


def test_a_retry_timer_resumes() -> None:
    """With retry_ns a discarded turn is tried again by itself, as often as it takes."""
    dispatcher = SimulatedDispatcher(turn=FailingTurn(discard=3), retry_ns=1_000, fifo=True)
    actor = dispatcher.adopt(Recorder())
    dispatcher.post(actor, "x")
    dispatcher.run_until_idle()

    assert ["x"] * 4 == actor.log
    assert 3_000 == dispatcher.monotonic_ns()


@FIFO
def test_what_a_discarded_turn_made_is_forgotten(fifo: bool) -> None:
    """Posts, timers, coroutines and replies of a discarded turn are made by its repetition."""
    dispatcher = SimulatedDispatcher(turn=FailingTurn(discard=1), fifo=fifo)
    sink, tasks = dispatcher.adopt(Recorder()), []

    async def lane() -> None:
        dispatcher.post(sink, "sent")

    def work(actor: Actor) -> str:
        dispatcher.post(sink, "posted")
        dispatcher.call_later(10, lambda: sink.log.append("timer"))
        tasks.append(dispatcher.spawn(lane()))
        return "reply"

    worker = dispatcher.adopt(Doing())
    asked = worker.actor_ref.ask(work, block=False)
    dispatcher.run_until_idle()
    assert not asked.done()
    with pytest.raises(TurnDiscarded):
        tasks[0].get()
    sink.log.clear()  # what the first attempt delivered inside its turn is the actor's to undo

    dispatcher.resume()
    dispatcher.run_until_idle()
    assert "reply" == asked.get()
    assert {"posted", "sent", "timer"} == set(sink.log)
    assert 3 == len(sink.log)


def test_what_a_finished_turn_left_is_kept_by_a_discard() -> None:
    """A message that a committed turn left waiting survives the discard of the next turn."""
    turn = FailingTurn()
    dispatcher = SimulatedDispatcher(turn=turn, fifo=True, turn_messages=1)
    sink, worker = dispatcher.adopt(Recorder()), dispatcher.adopt(Doing())

    def work(_: Actor) -> None:
        for number in range(4):
            dispatcher.post(sink, number)

    dispatcher.post(worker, work)
    dispatcher.step()
    turn.discard = 1
    dispatcher.step()
    assert dispatcher.is_paused()
    lost = sink.log.copy()
    sink.log.clear()
    dispatcher.resume()
    dispatcher.run_until_idle()

    assert [0] == lost[:1]
    assert [0, 1, 2, 3] == sorted({*lost, *sink.log})
    assert sorted(sink.log) == sink.log


def test_a_message_between_two_actors_never_overtakes() -> None:
    """Messages that one actor posts to another, turn after turn, arrive in the order sent."""
    dispatcher = SimulatedDispatcher(fifo=True, turn_messages=3)
    sink, worker = dispatcher.adopt(Recorder()), dispatcher.adopt(Doing())
    for start in range(0, 100, 10):

        def work(_: Actor, start: int = start) -> None:
            for number in range(start, start + 10):
                dispatcher.post(sink, number)

        dispatcher.post(worker, work)
    dispatcher.run_until_idle()

    assert list(range(100)) == sink.log


def test_busy_actors_do_not_starve_the_outside() -> None:
    """An actor that posts to itself for ever does not keep outside messages waiting."""
    dispatcher = SimulatedDispatcher(fifo=True)
    sink, worker = dispatcher.adopt(Recorder()), dispatcher.adopt(Doing())

    def again(actor: Actor) -> None:
        dispatcher.post(actor, again)

    dispatcher.post(worker, again)
    dispatcher.step()
    dispatcher.post(sink, "outside")
    dispatcher.step()

    assert ["outside"] == sink.log


@FIFO
def test_what_is_posted_first_overtakes_what_waits(fifo: bool) -> None:
    """It comes before everything that waits for the same actor, and keeps the order of its like."""
    dispatcher = SimulatedDispatcher(fifo=fifo, choose=lambda n: min(n - 1, 7))
    actor = dispatcher.adopt(Recorder())
    for number in range(40):
        dispatcher.post(actor, number)
    for name in ("first", "second"):
        dispatcher.post_first(actor, name)
    assert 42 == dispatcher.queued()
    assert dispatcher.has_message_for(actor)
    dispatcher.step()
    handled = len(actor.log)
    dispatcher.post_first(actor, "third")
    dispatcher.run_until_idle()

    assert ["first", "second"] == actor.log[:2]
    assert 2 < handled == actor.log.index("third") < 42
    assert list(range(40)) == [entry for entry in actor.log if isinstance(entry, int)]


@FIFO
def test_what_was_posted_first_comes_back_after_a_discard(fifo: bool) -> None:
    """It is an input like any other: a discarded turn gives it back, and what is new overtakes."""
    dispatcher = SimulatedDispatcher(turn=FailingTurn(discard=1), fifo=fifo, turn_messages=2)
    actor = dispatcher.adopt(Recorder())
    for number in range(4):
        dispatcher.post(actor, number)
    dispatcher.post_first(actor, "cancel")
    dispatcher.run_until_idle()
    assert dispatcher.is_paused()
    assert "cancel" == actor.log[0]
    actor.log.clear()
    dispatcher.post_first(actor, "another")
    dispatcher.resume()
    dispatcher.run_until_idle()

    assert {"cancel", "another"} == set(actor.log[:2])
    assert [0, 1, 2, 3] == actor.log[2:]


def test_what_is_posted_first_inside_a_turn_stays_in_line() -> None:
    """Between actors nothing overtakes, and it is forgotten with a discarded turn."""
    dispatcher = SimulatedDispatcher(turn=FailingTurn(discard=1), fifo=True)
    sink, worker = dispatcher.adopt(Recorder()), dispatcher.adopt(Doing())

    def work(_: Actor) -> None:
        dispatcher.post(sink, 1)
        dispatcher.post_first(sink, 2)

    dispatcher.post(worker, work)
    dispatcher.run_until_idle()
    sink.log.clear()
    dispatcher.resume()
    dispatcher.run_until_idle()

    assert [1, 2] == sink.log


@FIFO
def test_what_an_effect_posts_behind_waits_for_the_whole_queue(fifo: bool) -> None:
    """A message that came too early goes behind everything that it had overtaken."""

    class Early(Recorder):
        def on_receive(self, message: Any) -> Any:
            if message == "early":
                effects.append(partial(dispatcher.post_behind, self, "again"))
            return super().on_receive(message)

    class Effects(PlainTurn):
        def finish(self, inputs: Any) -> None:
            super().finish(inputs)
            while effects:
                effects.pop()()

    effects: list[Callable[[], object]] = []
    dispatcher = SimulatedDispatcher(turn=Effects(), fifo=fifo)
    actor = dispatcher.adopt(Early())
    for number in range(100):
        dispatcher.post(actor, number)
    dispatcher.post_first(actor, "early")
    dispatcher.run_until_idle()

    assert ["early", *range(100), "again"] == actor.log


def test_what_is_posted_first_after_the_end_is_a_dead_letter() -> None:
    """It is buried as what is posted behind it would be."""
    dispatcher = SimulatedDispatcher()
    actor = dispatcher.adopt(Recorder())
    dispatcher.stop()
    dispatcher.post_first(actor, "late")

    assert 1 == dispatcher.dead_letters.count
    assert not dispatcher.queued()


@FIFO
def test_turns_compute_under_our_context(fifo: bool) -> None:
    """Actors and coroutines compute with CONTEXT, and the host's context stays as it was."""
    dispatcher = SimulatedDispatcher(fifo=fifo)
    seen: list[int] = []

    def work(_: Actor) -> None:
        seen.append(decimal.getcontext().prec)
        decimal.getcontext().prec = 3  # an actor's own mischief ends with its turn

    async def lane() -> None:
        seen.append(decimal.getcontext().prec)

    with decimal.localcontext() as host:
        host.prec = 6
        for _ in range(2):
            dispatcher.post(dispatcher.adopt(Doing()), work)
            dispatcher.run_until_idle()
        dispatcher.run(lane())
        assert decimal.getcontext() is host
        assert 6 == host.prec
    assert [CONTEXT.prec] * 3 == seen
    assert 34 == CONTEXT.prec


def test_deliver_runs_at_once_under_supervision() -> None:
    """A delivered message is handled at once; its failure is supervised, the sender goes on."""
    keeper = KeepingSupervisor()
    dispatcher = SimulatedDispatcher(supervisor=keeper)
    other = dispatcher.adopt(Recorder())
    log: list[Any] = []

    def work(actor: Actor) -> None:
        dispatcher.deliver(other, "one")
        log.extend(other.log)
        dispatcher.deliver(other, ValueError("two"))
        dispatcher.release(other)
        dispatcher.deliver(other, "three")
        log.append("went on")

    dispatcher.post(dispatcher.adopt(Doing()), work)
    dispatcher.run_until_idle()

    assert ["one", "went on"] == log
    assert ["two"] == [str(exc) for _, _, exc in keeper.failures]
    assert ["three"] == [letter.message for letter in dispatcher.dead_letters.recent]


def test_the_queue_is_bounded_for_commands_only() -> None:
    """post_bounded raises when full; reports are taken, and on_full is called once per crossing."""
    dispatcher = SimulatedDispatcher(capacity=10, fifo=True, turn_messages=1)
    full: list[int] = []
    dispatcher.on_full = lambda: full.append(dispatcher.queued())
    actor = dispatcher.adopt(Recorder())
    for _ in range(2):
        for number in range(10):
            dispatcher.post_bounded(actor, number)
        with pytest.raises(MailboxFull, match="slow down"):
            dispatcher.post_bounded(actor, "command")
        for _ in range(3):
            dispatcher.post(actor, "report")
        dispatcher.run_until_idle()

    assert [13, 13] == full
    assert 26 == len(actor.log)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_base_exception_ends_the_dispatcher(error: type[BaseException]) -> None:
    """KeyboardInterrupt in an actor reaches the owner; askers are told, the rest is buried."""
    dispatcher = SimulatedDispatcher(fifo=True)
    crashed: list[BaseException] = []
    dispatcher.on_crash = crashed.append
    actor = dispatcher.adopt(Recorder())
    asked = [actor.actor_ref.ask(message, block=False) for message in (1, error(), 2)]
    dispatcher.post(actor, "waiting")

    with pytest.raises(error):
        dispatcher.run_until_idle()
    assert [error] == [type(exc) for exc in crashed]
    for future in asked:
        with pytest.raises(ActorDeadError):
            future.get()
    dispatcher.post(actor, "late")
    assert ["waiting", "late"] == [letter.message for letter in dispatcher.dead_letters.recent]
    with pytest.raises(SystemStopped):
        dispatcher.post_bounded(actor, "command")
    dispatcher.stop()


@pytest.mark.parametrize("stage", ["begin", "finish", "reply"])
def test_a_bug_in_the_hooks_ends_the_dispatcher(stage: str) -> None:
    """An exception of the turn's hooks other than TurnDiscarded is nothing to go on from."""

    class Broken(PlainTurn):
        pass

    def fail(*_: Any) -> None:
        raise ValueError(stage)

    setattr(Broken, stage, fail)
    dispatcher = SimulatedDispatcher(turn=Broken())
    ref = Recorder.start(dispatcher=dispatcher)

    with pytest.raises(ValueError, match=stage):
        ref.ask(1)
    assert not dispatcher.is_accepting()


def test_a_supervisor_that_fails_or_escalates_ends_the_dispatcher() -> None:
    """The owner gets the supervisor's own exception, or the original one when it escalates."""

    class Failing:
        def failed(self, actor: Actor, message: Any, exc: Exception) -> None:
            raise KeyError("supervisor")

    class Escalating:
        def failed(self, actor: Actor, message: Any, exc: Exception) -> None:
            raise Escalation(exc)

    for supervisor, error in ((Failing(), KeyError), (Escalating(), ValueError)):
        dispatcher = SimulatedDispatcher(supervisor=supervisor)
        outer, inner = dispatcher.adopt(Doing()), dispatcher.adopt(Recorder())

        def work(_: Actor, dispatcher: Dispatcher = dispatcher, inner: Actor = inner) -> None:
            try:
                dispatcher.deliver(inner, ValueError("step"))
            except Exception:
                pytest.fail("an actor must not be able to swallow an escalation")

        dispatcher.post(outer, work)
        with pytest.raises(error):
            dispatcher.run_until_idle()


def test_background_failures_never_vanish() -> None:
    """What timers, calls and coroutines raise goes to the hook, or else ends the dispatcher."""

    def bad() -> None:
        raise ValueError("call")

    async def lane() -> None:
        raise ValueError("lane")

    ways: tuple[Callable[[Dispatcher], object], ...] = (
        lambda d: d.call_soon(bad),
        lambda d: d.call_later(5, bad),
        lambda d: d.urgent(bad),
        lambda d: d.spawn(lane()),
    )
    for way in ways:
        seen: list[BaseException] = []
        hooked = SimulatedDispatcher()
        hooked.on_background_failure = partial(_keep, seen)
        way(hooked)
        hooked.run_until_idle()
        assert [ValueError] == [type(exc) for exc in seen]

        bare = SimulatedDispatcher()
        way(bare)
        with pytest.raises(ValueError, match=r"call|lane"):
            bare.run_until_idle()


def test_urgent_calls_run_while_paused() -> None:
    """What must leave although nothing can be committed runs outside turns, under CONTEXT."""
    dispatcher = SimulatedDispatcher(turn=FailingTurn(discard=1))
    seen: list[Any] = []
    dispatcher.call_soon(lambda: seen.append("turn"))
    dispatcher.run_until_idle()
    dispatcher.urgent(lambda: seen.append((dispatcher.in_turn(), decimal.getcontext().prec)))
    dispatcher.run_until_idle()

    assert dispatcher.is_paused()
    assert ["turn", (False, 34)] == seen
    dispatcher.stop()
    with pytest.raises(SystemStopped):
        dispatcher.urgent(lambda: None)


def test_stop_ends_started_actors_last_first() -> None:
    """A stop handles what waits and runs on_stop of started actors, the last one first."""
    dispatcher = SimulatedDispatcher(fifo=True)
    log: list[Any] = []

    class Named(Recorder):
        def __init__(self, name: str) -> None:
            super().__init__(log)
            self.name = name

        def on_start(self) -> None: ...

        def on_stop(self) -> None:
            log.append(f"stop {self.name}")

    first = Named.start("first", dispatcher=dispatcher)
    Named.start("second", dispatcher=dispatcher)
    adopted = dispatcher.adopt(Named("adopted"))
    first.tell("work")
    dispatcher.stop()

    assert ["work", "stop second", "stop first"] == log
    assert not adopted.actor_ref.is_alive()


def test_dead_letters_are_told_inside_a_turn() -> None:
    """The hook runs inside a turn, so it can journal; what is kept is bounded."""
    dispatcher = SimulatedDispatcher()
    told: list[tuple[str, Any, bool]] = []
    dispatcher.dead_letters.hook = lambda urn, message: told.append(
        (urn, message, dispatcher.in_turn())
    )
    actor = dispatcher.adopt(Recorder())
    dispatcher.release(actor)
    for number in range(300):
        dispatcher.post(actor, number)
    dispatcher.dead_letter("urn:somebody", "direct")
    dispatcher.run_until_idle()

    assert 301 == len(told) == dispatcher.dead_letters.count
    assert all(inside for _, _, inside in told)
    assert 256 == len(dispatcher.dead_letters.recent)
    assert any("urn:somebody" == urn for urn, _, _ in told)


@pytest.mark.parametrize(
    "options", [{"capacity": 0}, {"turn_ns": 0}, {"retry_ns": 0}, {"turn_messages": 0}]
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    """A bound of zero is named, not turned into something else."""
    with pytest.raises(InvalidValue, match="above 0"):
        SimulatedDispatcher(**options)
