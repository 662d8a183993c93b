"""Actors and refs: Pykka's manners on a shared dispatcher, and nothing kept at rest."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import pykka
import pytest
from pykka.messages import ProxyCall

from actors.runtime import (
    Actor,
    ActorDeadError,
    ActorRef,
    Dispatcher,
    LoopDispatcher,
    SimulatedDispatcher,
    ThreadDispatcher,
)
from engine.errors import BlockingCallError, MailboxFull, UserError

from .fakes import Doing, Recorder


@pytest.fixture(params=[SimulatedDispatcher, ThreadDispatcher])
def dispatcher(request: pytest.FixtureRequest) -> Any:
    """A running dispatcher of each kind that a plain thread can wait for."""
    made: Dispatcher = request.param()
    made.start()
    yield made
    made.stop()


def test_tell_ask_and_stop(dispatcher: Dispatcher) -> None:
    """Messages arrive in order between on_start and on_stop; ask returns the reply."""
    log: list[Any] = []
    ref = Recorder.start(log, dispatcher=dispatcher)

    ref.tell(1)
    assert 2 == ref.ask(2)
    assert 3 == ref.ask(3, block=False).get(timeout=60)
    assert ref.stop()
    assert ["start", 1, 2, 3, "stop"] == log


def test_a_stopped_actor(dispatcher: Dispatcher) -> None:
    """A tell to a stopped actor is a dead letter; ask and stop say that it is dead."""
    ref = Recorder.start(dispatcher=dispatcher)
    assert ref.is_alive()
    ref.stop()

    ref.tell("lost")
    with pytest.raises(ActorDeadError):
        ref.ask("asked")
    assert not ref.stop()
    assert not ref.is_alive()
    assert ref.actor_stopped.wait(0)
    Recorder.start(dispatcher=dispatcher).ask("after")
    assert ["lost"] == [letter.message for letter in dispatcher.dead_letters.recent]
    assert 1 == dispatcher.dead_letters.count


def test_messages_behind_a_stop(dispatcher: Dispatcher) -> None:
    """Behind a stop a tell is a dead letter, an ask fails, and a second stop is content."""
    ref = Doing.start(dispatcher=dispatcher)
    waiting: list[Any] = []

    def stop_then_send(actor: Actor) -> None:
        actor.stop()
        ref.tell("lost")
        waiting.extend([ref.ask("asked", block=False), ref.stop(block=False)])

    ref.ask(stop_then_send)
    with pytest.raises(ActorDeadError):
        waiting[0].get(timeout=60)
    assert waiting[1].get(timeout=60)
    assert ["lost"] == [letter.message for letter in dispatcher.dead_letters.recent]


def test_proxies(dispatcher: Dispatcher) -> None:
    """Methods, attributes, assignments and deferred calls work through a Pykka proxy."""
    proxy: Any = Recorder.start(dispatcher=dispatcher).proxy()

    assert 14 == proxy.double(7).get(timeout=60)
    proxy.extra = 5
    assert 5 == proxy.extra.get(timeout=60)
    proxy.on_receive.defer("deferred")
    assert ["start", "deferred"] == proxy.log.get(timeout=60)
    proxy.stop()
    proxy.actor_ref.actor_stopped.wait(60)
    with pytest.raises(ActorDeadError):
        proxy.double(1).get(timeout=60)


def test_control_messages_reach_pykka(dispatcher: Dispatcher) -> None:
    """A ProxyCall sent as a plain message is interpreted by Pykka, not given to on_receive."""
    ref = Recorder.start(dispatcher=dispatcher)

    assert 4 == ref.ask(ProxyCall(("double",), (2,), {}))


def test_an_ask_that_raises_goes_to_both(dispatcher: Dispatcher) -> None:
    """The asker gets the exception; so does supervision, which ends the actor by on_failure."""
    log: list[Any] = []
    ref = Recorder.start(log, dispatcher=dispatcher)

    with pytest.raises(ValueError, match="bad"):
        ref.ask(ValueError("bad"))
    assert not ref.is_alive()
    assert ["start", "failure bad"] == log


def test_an_actor_that_fails_to_start(dispatcher: Dispatcher) -> None:
    """An exception of on_start stops the actor; its messages are dead letters."""

    class Broken(Recorder):
        def on_start(self) -> None:
            raise ValueError("no")

    ref = Broken.start(dispatcher=dispatcher)
    with pytest.raises(ActorDeadError):
        ref.ask(1)
    assert not ref.is_alive()


def test_an_actor_that_dies_while_it_is_started(dispatcher: Dispatcher) -> None:
    """A start returns a ref even when the actor has failed before start() returns."""

    class Broken(Recorder):
        def on_start(self) -> None:
            raise ValueError("no")

    ref = Doing.start(dispatcher=dispatcher).ask(lambda _: Broken.start())

    assert not ref.is_alive()


def test_the_default_on_receive_is_a_dead_letter(dispatcher: Dispatcher) -> None:
    """A message nobody handles is counted and kept, not just logged."""
    Actor.start(dispatcher=dispatcher).ask("what?")

    assert ["what?"] == [letter.message for letter in dispatcher.dead_letters.recent]


def test_an_actor_may_use_its_ref_in_init_and_start_others(dispatcher: Dispatcher) -> None:
    """Inside __init__ actor_ref works; a start inside an actor runs on_start at once."""
    log: list[Any] = []

    class Parent(Actor):
        def __init__(self) -> None:
            self.me = self.actor_ref

        def on_receive(self, message: Any) -> Any:
            child = Recorder.start(log)
            child.tell(message)
            return self.me == self.actor_ref

    assert Parent.start(dispatcher=dispatcher).ask("hello")
    Parent.start(dispatcher=dispatcher).ask("again")
    assert ["start", "hello", "start", "again"] == log


def test_a_blocking_ask_inside_an_actor_sends_nothing(dispatcher: Dispatcher) -> None:
    """An ask or a stop refuses to block on the dispatcher's thread before they send."""
    log: list[Any] = []
    other = Recorder.start(log, dispatcher=dispatcher)

    for call in (lambda _: other.ask("sent"), lambda _: other.stop()):
        with pytest.raises(BlockingCallError, match="await"):
            Doing.start(dispatcher=dispatcher).ask(call)
    other.ask("end")
    assert ["start", "end"] == log


def test_start_needs_a_dispatcher() -> None:
    """Outside a dispatcher start() says what is missing."""
    with pytest.raises(UserError, match="dispatcher="):
        Recorder.start()


def test_ask_is_bounded_and_stop_is_not() -> None:
    """With a full queue an ask fails with MailboxFull in its future, while a stop still gets in."""
    dispatcher = SimulatedDispatcher(capacity=2)
    ref = Recorder.start(dispatcher=dispatcher)
    ref.tell(1)

    with pytest.raises(MailboxFull, match="bound is 2"):
        ref.ask(2, block=False).get()
    assert ref.stop()


def test_refs_are_values_and_keep_nothing_alive() -> None:
    """Refs to one actor are equal; when its owner drops it, it is gone although refs exist."""
    dispatcher = SimulatedDispatcher()
    actor = dispatcher.adopt(Recorder())
    ref = actor.actor_ref
    assert ref == actor.actor_ref == ActorRef(actor)
    assert 1 == len({ref, actor.actor_ref})
    urn = actor.actor_urn
    assert (urn, urn) == (actor.actor_urn, ref.actor_urn)

    gone = weakref.ref(actor)
    gc.disable()
    try:
        del actor
        assert gone() is None
    finally:
        gc.enable()
    ref.tell("lost")
    ref.actor_inbox.put(pykka._envelope.Envelope("too"))
    dispatcher.run_until_idle()
    assert 2 == dispatcher.dead_letters.count
    assert not ref.is_alive()
    with pytest.raises(ActorDeadError):
        ref.ask(1)


def test_an_actor_at_rest_holds_nothing() -> None:
    """After messages an actor with slots refers to its class and dispatcher, nothing else."""
    dispatcher = SimulatedDispatcher()
    actor = dispatcher.adopt(Doing())
    dispatcher.post(actor, lambda _: 1)
    dispatcher.run_until_idle()

    assert {id(dispatcher), id(Doing)} == {id(held) for held in gc.get_referents(actor)}
    assert sys.getsizeof(actor) <= sys.getsizeof(Recorder()) <= 96


def test_no_actor_enters_pykkas_registry() -> None:
    """The global registry belongs to the host: starting and stopping leaves it untouched."""
    dispatcher = SimulatedDispatcher()
    ref = Recorder.start(dispatcher=dispatcher)
    ref.ask(1)

    assert [] == pykka.ActorRegistry.get_all()
    ref.stop()


def test_views_made_on_demand() -> None:
    """The inbox view puts and looks, the stopped view waits and sets, and neither is stored."""
    dispatcher = SimulatedDispatcher()
    ref = Recorder.start(dispatcher=dispatcher)
    dispatcher.run_until_idle()
    inbox = ref.actor_inbox

    assert inbox.empty()
    inbox.put(pykka._envelope.Envelope(1))
    assert not inbox.empty()
    with pytest.raises(NotImplementedError):
        inbox.get()
    assert not ref.actor_stopped.wait(1)
    ref.actor_stopped.set()
    assert ref.actor_stopped.wait(1)


def test_a_loop_dispatcher_cannot_be_started_without_a_loop() -> None:
    """LoopDispatcher.start() outside a running loop raises and can be tried again inside one."""
    with pytest.raises(RuntimeError):
        LoopDispatcher().start()
