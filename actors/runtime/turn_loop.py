"""The turn loop: three queues, one turn at a time. The mechanics under every dispatcher.

Theory of operation. Messages come in from any thread; awake, the loop runs *turns*: drain what is
runnable (bounded by time), let the turn's hooks commit and release effects, give the thread back,
go on. Separate queues make a turn discardable:

* ``_queue``: what came from outside a turn. Drained messages are the turn's *inputs*.
* ``_first``: the same, for what must not wait behind a long ``_queue``: it is drained before.
* ``_local``: what actors posted inside turns, drained side by side with the queue, in batches. What
  a finished turn left there is an input of the next; what an unfinished turn put there is dropped,
  because its inputs will produce it again.

So a message between two actors never overtakes another between the same two, unless it was posted
to be first. Timers armed and coroutines spawned in a turn belong to it too: they count from its
commit on, or not at all.

A turn ends in one of three ways: *finished*; *discarded* (the commit failed: inputs go back in
front, in order, and the loop pauses); *crashed* (a BaseException, a bug of the hooks, or an
escalation: the loop stops for good, every waiting asker is told, every waiting message is a dead
letter, the owner gets the exception).
"""

from __future__ import annotations

import decimal
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from threading import Lock, get_ident
from typing import Any, Final

from pykka import ActorDeadError

from engine.values import CONTEXT

from .actor import CONTROL, Actor, ActorStop
from .dead_letters import DeadLetters
from .future import Future, Task, running
from .supervision import Escalation, Supervisor
from .timers import OutsideTimer, Timer
from .turns import Input, TurnDiscarded, TurnHooks

__all__ = ["UNFINISHED", "TurnLoop"]

_UNHANDLED: Final = "stopped before handling the message"
#: Of a turn that was not seen to its end; the next start shows which.
UNFINISHED: Final = "stopped in the turn of the message: what that did is on disk or not at all"


class _Calls(Actor):
    """The actor that runs plain functions as messages: timers and ``call_soon``."""

    __slots__ = ()
    actor_urn = "urn:actor:calls"

    def on_receive(self, message: Any) -> None:
        message()


class TurnLoop:
    """Drains, supervises and ends turns. What wakes it, and on which clock, its subclasses say."""

    hand_driven = False

    def __init__(
        self,
        turn: TurnHooks,
        supervisor: Supervisor,
        capacity: int,
        turn_ns: int,
        retry_ns: int | None,
    ) -> None:
        self.turn = turn
        self.supervisor = supervisor
        self.capacity = capacity
        self.on_full: Callable[[], object] | None = None
        self.on_background_failure: Callable[[object, BaseException], object] | None = None
        self.on_crash: Callable[[BaseException], object] | None = None
        self.dead_letters = DeadLetters()
        self.failure: BaseException | None = None
        self._turn_ns = turn_ns
        self._retry_ns = retry_ns
        self._batch = range(16)  # messages taken from each queue between two looks at the clock
        self._queue: deque[Input] = deque()
        self._first: deque[Input] = deque()
        self._local: deque[Input] = deque()
        self._carried = 0  # how many in front of _local were there when the turn began
        self._turn_thread = 0  # the thread whose posts belong to the running turn; 0 between turns
        self._turn_timers: list[Timer] = []
        self._turn_spawned: list[tuple[Coroutine[Any, Any, Any], Task[Any]]] = []
        self._awake = True  # post() wakes us only when this is False
        self._paused = False
        self._pausing = Lock()  # two threads may resume; one of them schedules
        self._stopped = False
        self._full = False
        self._failure_told = False
        self._calls = _Calls()
        self._calls._dispatcher = self

    # --- what a subclass says ---------------------------------------------------------------------

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never jumps."""
        raise NotImplementedError

    def _schedule(self) -> None:
        """Have turns run soon; from any thread."""
        raise NotImplementedError

    def _arm(self, timer: Timer) -> None:
        """Have :meth:`_fire` called with it when it is due; from any thread."""
        raise NotImplementedError

    def _start_coroutine(self, coro: Coroutine[Any, Any, Any], task: Task[Any]) -> None:
        """Begin to drive a coroutine; from any thread."""
        raise NotImplementedError

    def _crashed(self, exc: BaseException) -> None:
        """The loop has stopped: let go of threads and tasks, and signal the owner."""
        raise NotImplementedError

    # --- a turn -----------------------------------------------------------------------------------

    def _run_turn(self) -> None:
        self._carried = len(self._local)
        self._guarded(self._work, [])

    def _work(self, inputs: list[Input]) -> None:
        self.turn.begin()
        self._check_full()
        self._drain(inputs)
        self._finish_turn(inputs)

    def _finish_turn(self, inputs: list[Input]) -> None:
        self.turn.finish(inputs)

    def _guarded(self, run: Callable[[list[Input]], None], inputs: list[Input]) -> None:
        """Run a turn, or the rest of one, and see to how it ends."""
        before, previous = decimal.getcontext(), running.dispatcher
        decimal.setcontext(CONTEXT.copy())  # a copy: what an actor does to it ends with the turn
        running.dispatcher = self  # type: ignore[assignment]
        self._turn_thread = get_ident()
        try:
            run(inputs)
        except TurnDiscarded as exc:
            self._turn_thread = 0
            self._discard(inputs, exc)
        except BaseException as exc:
            self._turn_thread = 0
            self._crash(exc, inputs)
        else:
            self._turn_thread = 0
            self._release_effects()
        finally:
            running.dispatcher = previous
            decimal.setcontext(before)

    def _drain(self, inputs: list[Input]) -> None:
        first, queue, local = sources = self._first, self._queue, self._local
        batch, turn = self._batch, self.turn
        until_ns = self.monotonic_ns() + self._turn_ns
        rounds = 0
        while queue or local or first:
            for source in sources:
                for _ in batch:
                    if not source:
                        break
                    item = source.popleft()
                    if source is not local:
                        inputs.append(item)
                    elif self._carried:
                        self._carried -= 1
                        inputs.append(item)
                    actor, message, reply_to = item
                    try:
                        if actor._dispatcher is not self or message.__class__ in CONTROL:
                            self._receive(item)
                            continue
                        value = actor.on_receive(message)
                    except Exception as exc:
                        self._failed(actor, message, exc, reply_to)
                    else:
                        if reply_to is not None:
                            turn.reply(reply_to, value)
            rounds += 1
            if self._turn_is_over(until_ns, rounds):
                return

    def _turn_is_over(self, until_ns: int, rounds: int) -> bool:
        return self.monotonic_ns() >= until_ns

    def deliver(self, actor: Actor, message: Any) -> None:
        """Have ``actor`` receive ``message`` now, inside the current turn, under supervision.

        No control messages.
        """
        if actor._dispatcher is not self:
            self._undeliverable(actor, message, None)
            return
        try:
            actor.on_receive(message)
        except Exception as exc:
            self._failed(actor, message, exc, None)

    def _receive(self, item: Input) -> None:
        """The general way to receive: dead actors and control messages included."""
        actor, message, reply_to = item
        if actor._dispatcher is not self:
            self._undeliverable(actor, message, reply_to)
            return
        try:
            control = message.__class__ in CONTROL
            value = actor._receive_control(message) if control else actor.on_receive(message)
        except Exception as exc:
            self._failed(actor, message, exc, reply_to)
        else:
            if reply_to is not None:
                self.turn.reply(reply_to, value)

    # --- failures ---------------------------------------------------------------------------------

    def _failed(
        self, actor: Actor, message: Any, exc: Exception, reply_to: Future[Any] | None
    ) -> None:
        """An exception goes to the asker, if any, and always to supervision."""
        if reply_to is not None:
            self.turn.reply_exception(reply_to, exc)
        if actor is self._calls:
            self.background_failed(message, exc)
            return
        try:
            self.supervisor.failed(actor, message, exc)
        except Exception as broken:
            raise Escalation(broken) from exc

    def background_failed(self, what: object, exc: BaseException) -> None:
        """A timer, callback or coroutine raised; from any thread.

        Without a hook it ends the loop.
        """
        if self.on_background_failure is not None:
            self.on_background_failure(what, exc)
        elif self._turn_thread == get_ident():
            raise Escalation(exc)
        else:
            self._post_call(_Raise(exc))

    def _post_call(self, fn: Callable[[], object]) -> None:
        raise NotImplementedError

    def _undeliverable(self, actor: Actor, message: Any, reply_to: Future[Any] | None) -> None:
        if reply_to is None:
            if message.__class__ is not ActorStop:
                self.dead_letters.add(actor.actor_urn, message)
        elif message.__class__ is ActorStop:
            self.turn.reply(reply_to, None)  # it was being stopped when this was sent
        else:
            self.turn.reply_exception(reply_to, _dead(actor))

    def _check_full(self) -> None:
        waiting = self.queued()
        if waiting > self.capacity and not self._full:
            self._full = True
            if self.on_full is not None:
                self.on_full()
        elif self._full and waiting <= self.capacity // 2:
            self._full = False

    def in_turn(self) -> bool:
        """Whether the caller runs inside a turn of this dispatcher."""
        return self._turn_thread == get_ident()

    def queued(self) -> int:
        """How many messages wait."""
        return len(self._queue) + len(self._local) + len(self._first)

    def _has_queued(self) -> bool:
        return bool(self._queue or self._local or self._first)

    # --- how a turn ends --------------------------------------------------------------------------

    def _release_effects(self) -> None:
        if self._turn_timers:
            self._turn_timers.clear()
        if self._turn_spawned:
            spawned, self._turn_spawned = self._turn_spawned, []
            for coro, task in spawned:
                self._start_coroutine(coro, task)

    def _drop_effects(self, why: BaseException) -> None:
        for timer in self._turn_timers:
            timer.cancel()
        self._turn_timers.clear()
        spawned, self._turn_spawned = self._turn_spawned, []
        for coro, task in spawned:
            refuse(coro, task, why)

    def _discard(self, inputs: list[Input], why: TurnDiscarded) -> None:
        self._drop_effects(why)
        self._restore(inputs)
        self._paused = True
        if self._retry_ns is not None:
            self._arm(OutsideTimer(self.monotonic_ns() + self._retry_ns, self.resume))

    def _restore(self, inputs: list[Input]) -> None:
        """Inputs in front, then what earlier turns had left; what this turn posted is dropped."""
        kept = [self._local.popleft() for _ in range(self._carried)]
        self._local.clear()
        self._queue.extendleft(reversed(inputs + kept))

    def retry_after(self, retry_ns: int) -> None:
        """Resume by itself so long after a discarded turn, unless it was made with another wait."""
        if self._retry_ns is None:
            self._retry_ns = retry_ns

    def resume(self) -> None:
        """Go on after a discarded turn; from any thread. Nothing happens when it is not paused."""
        with self._pausing:
            if not self._paused or self._stopped:
                return
            self._paused = False
        self._schedule()

    def _crash(self, exc: BaseException, inputs: list[Input]) -> None:
        if isinstance(exc, Escalation):
            exc = exc.cause
        if self.failure is None:
            self.failure = exc
        self._halt()
        self._drop_effects(exc)
        for tell in self._to_be_told(exc, inputs):
            try:
                tell()
            except BaseException as another:  # the others are told all the same
                exc.add_note(f"while stopping because of this: {another!r}")
        self._crashed(exc)

    def _to_be_told(
        self, exc: BaseException, inputs: list[Input]
    ) -> Iterator[Callable[[], object]]:
        """Whoever waits, and then the owner; each may fail."""
        for item in inputs:
            if item[2] is None or not item[2].done():
                yield partial(self._bury, item, UNFINISHED)
        yield self._bury_waiting
        while self._has_queued():  # it failed half-way
            yield self._bury_waiting
        if self.on_crash is not None:
            yield partial(self.on_crash, exc)

    def _halt(self) -> None:
        """No turn after this one. A post now finds us not awake, and buries itself."""
        self._stopped = True
        self._awake = False

    def _bury(self, item: Input, why: str = _UNHANDLED) -> None:
        actor, message, reply_to = item
        if reply_to is not None:
            reply_to.set_exception(_dead(actor, why))
        elif message.__class__ not in CONTROL:
            self.dead_letters.add(actor.actor_urn, message)

    def _bury_waiting(self) -> None:
        for box in (self._first, self._queue, self._local):
            while box:
                try:
                    item = box.popleft()
                except IndexError:  # another thread's post is burying too
                    break
                self._bury(item)

    def _raise_failure(self) -> None:
        """Give the owner the exception that ended the loop, once."""
        if self.failure is not None and not self._failure_told:
            self._failure_told = True
            raise self.failure


class _Raise:
    """A call that ends the loop with an exception that happened outside turns."""

    __slots__ = ("exc",)

    def __init__(self, exc: BaseException) -> None:
        self.exc = exc

    def __call__(self) -> None:
        raise Escalation(self.exc)


def refuse(coro: Coroutine[Any, Any, Any], task: Task[Any], why: BaseException) -> None:
    """Close a coroutine that never started, and tell whoever waits for it."""
    coro.close()
    task.set_exception(why)


def _dead(actor: Actor, why: str = _UNHANDLED) -> ActorDeadError:
    return ActorDeadError(f"{actor.actor_urn} {why}")
