"""The dispatcher: what actors, lanes and hosts see of the runtime, whatever is under it."""

from __future__ import annotations

import decimal
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from itertools import count
from threading import Lock, get_ident
from typing import Any, TypeVar

from engine.errors import BlockingCallError, InvalidValue, MailboxFull, SystemStopped
from engine.values import CONTEXT

from .actor import Actor, ActorRef, ActorStart, ActorStop
from .commits import CommitsAside
from .future import Future, Task, running, wait_blocking
from .supervision import StopFailedActor, Supervisor
from .timers import Timer, WatchTimer
from .turn_loop import refuse
from .turns import PlainTurn, TurnHooks

__all__ = ["Dispatcher"]

A = TypeVar("A", bound=Actor)
T = TypeVar("T")

_TURN_NS = 1_000_000
_CAPACITY = 100_000


class Dispatcher(CommitsAside):
    """What the three dispatchers share. Hooks are plain attributes; set them before :meth:`start`.

    Attributes:
        turn: what commits; :class:`PlainTurn` when nothing is journalled.
        supervisor: who decides about failed actors.
        on_full: called once, in a turn, when the queue has grown beyond ``capacity`` (again after
            it was half empty).
        on_background_failure: called with (what, exception) for a timer, callback or coroutine that
            raised. Without it such an exception ends the dispatcher, so that nothing fails unseen.
        on_crash: called with the exception that ended the dispatcher, which ``failure`` keeps and
            ``stop()`` raises.
        dead_letters: count, the latest, and ``dead_letters.hook(actor_urn, message)``.
    """

    def __init__(
        self,
        name: str = "dispatcher",
        *,
        turn: TurnHooks | None = None,
        supervisor: Supervisor | None = None,
        capacity: int = _CAPACITY,
        turn_ns: int = _TURN_NS,
        retry_ns: int | None = None,
    ) -> None:
        """Make a dispatcher; posting is possible at once, nothing runs before ``start()``.

        Args:
            name: part of the urns it makes and of its thread's name.
            turn: see above.
            supervisor: see above; the default stops a failed actor.
            capacity: bound for commands (:meth:`post_bounded`); reports are never dropped.
            turn_ns: how long a turn may drain.
            retry_ns: after a discarded turn, resume by itself after this long; ``None`` waits for
                ``resume()``.
        """
        if capacity < 1 or turn_ns < 1 or (retry_ns is not None and retry_ns < 1):
            raise InvalidValue(
                "capacity, turn_ns and retry_ns must be above 0,"
                f" were {capacity}, {turn_ns}, {retry_ns}"
            )
        super().__init__(
            turn if turn is not None else PlainTurn(),
            supervisor if supervisor is not None else StopFailedActor(),
            capacity,
            turn_ns,
            retry_ns,
        )
        self.name = name
        self._token = (
            Lock()
        )  # held while awake, paused or not started: one wake-up, however many threads post
        self._token.acquire()
        self._started = False
        self._started_actors: dict[int, Actor] = {}
        self._stop_waiters: dict[int, Future[Any]] = {}
        self._urns = count(1)

    # --- time, and what else a subclass says ------------------------------------------------------

    def start(self) -> None:
        """Begin to run turns. Once only: a stopped dispatcher stays stopped."""
        raise NotImplementedError

    def stop(self) -> None:
        """Handle what waits, stop started actors (last first), and end.

        Raises the exception that had ended it before, once.
        """
        raise NotImplementedError

    def time_ns(self) -> int:
        """UTC nanoseconds."""
        raise NotImplementedError

    async def sleep_ns(self, duration_ns: int) -> None:
        """Wait, on this dispatcher's clock."""
        raise NotImplementedError

    def is_own_thread(self) -> bool:
        """Whether the caller runs on this dispatcher's thread (and in its loop)."""
        raise NotImplementedError

    def _cancel_started(self, task: Task[Any]) -> None:
        raise NotImplementedError

    # --- sending ----------------------------------------------------------------------------------

    def post(self, actor: Actor, message: Any, reply_to: Future[Any] | None = None) -> None:
        """Queue a message; from any thread, never raises, never drops.

        To a stopped actor or dispatcher it becomes a dead letter, and its asker gets
        ``ActorDeadError``.
        """
        if self._turn_thread == get_ident():
            self._local.append((actor, message, reply_to))
        else:
            self._queue.append((actor, message, reply_to))
            if not self._awake:
                self._wake()

    def post_first(self, actor: Actor, message: Any, reply_to: Future[Any] | None = None) -> None:
        """Queue a message before all that wait; as :meth:`post` otherwise.

        It overtakes what the same sender posted before; among themselves such messages keep their
        order. Posted inside a turn it is no different from others, as those do not wait long.
        """
        if self._turn_thread == get_ident():
            self._local.append((actor, message, reply_to))
        else:
            self._first.append((actor, message, reply_to))
            if not self._awake:
                self._wake()

    def post_behind(self, actor: Actor, message: Any, reply_to: Future[Any] | None = None) -> None:
        """Queue a message behind all that wait, also from an effect of a turn.

        For what was posted first and came before what it is about. Not from the part of a turn that
        can be discarded: the message would stay.
        """
        self._queue.append((actor, message, reply_to))
        if not self._awake:
            self._wake()

    def post_bounded(self, actor: Actor, message: Any, reply_to: Future[Any] | None = None) -> None:
        """Queue a command.

        Raises:
            MailboxFull: ``capacity`` messages are waiting; this one was not accepted.
            SystemStopped: the dispatcher has stopped; nothing was accepted.
        """
        if self._stopped:
            raise SystemStopped(f"dispatcher {self.name!r} has stopped; nothing was accepted")
        waiting = self.queued()
        if waiting >= self.capacity:
            raise MailboxFull(
                f"{waiting} messages are waiting and the bound is {self.capacity};"
                f" {type(message).__name__} was not accepted: slow down and repeat it"
            )
        self.post(actor, message, reply_to)

    def has_room(self) -> bool:
        """Whether a command would be accepted now."""
        return len(self._queue) + len(self._local) < self.capacity and not self._stopped

    def call_soon(self, fn: Callable[[], object]) -> None:
        """Run ``fn()`` inside the next turn; from any thread."""
        self.post(self._calls, fn)

    def call_later(self, delay_ns: int, fn: Callable[[], object]) -> Timer:
        """Run ``fn()`` inside a turn, ``delay_ns`` from now; from any thread.

        Armed inside a turn that is then discarded, it never runs.
        """
        return self._armed(Timer(self.monotonic_ns() + max(delay_ns, 0), fn))

    def watch_later(self, delay_ns: int, fn: Callable[[], object]) -> Timer:
        """As :meth:`call_later`, for what only keeps watch and arms itself again.

        A simulation that runs until nothing is left does not run on for it.
        """
        return self._armed(WatchTimer(self.monotonic_ns() + max(delay_ns, 0), fn))

    def _armed(self, timer: Timer) -> Timer:
        if self._turn_thread == get_ident():
            self._turn_timers.append(timer)
        self._arm(timer)
        return timer

    def spawn(self, coro: Coroutine[Any, Any, T]) -> Task[T]:
        """Run a coroutine; from any thread.

        Spawned inside a turn it starts after the commit, or never.

        Its exception is set on the task and also goes to ``on_background_failure``. It runs under
        ``CONTEXT``.
        """
        task: Task[T] = Task(self)
        if self._turn_thread == get_ident():
            self._turn_spawned.append((coro, task))
        elif self._stopped:
            refuse(coro, task, SystemStopped(f"dispatcher {self.name!r} has stopped"))
        else:
            self._start_coroutine(coro, task)
        return task

    def cancel_task(self, task: Task[Any]) -> None:
        """What ``task.cancel()`` calls."""
        for index, (coro, spawned) in enumerate(self._turn_spawned):
            if spawned is task:
                del self._turn_spawned[index]
                refuse(coro, task, CancelledError())
                return
        self._cancel_started(task)

    def urgent(self, fn: Callable[[], object]) -> None:
        """Run ``fn()`` on the dispatcher's thread soon, outside turns, even while paused.

        For what has to leave although nothing can be committed. What it raises is a background
        failure.

        Raises:
            SystemStopped: the dispatcher has stopped; ``fn`` will not run.
        """
        if self._stopped:
            raise SystemStopped(f"dispatcher {self.name!r} has stopped; nothing was done")
        self._call_outside(fn)

    def _call_outside(self, fn: Callable[[], object]) -> None:
        raise NotImplementedError

    def _run_outside(self, fn: Callable[[], object]) -> None:
        if self.in_flight:
            self.after_commit(fn)
            return
        try:
            with decimal.localcontext(CONTEXT):
                fn()
        except Exception as exc:
            self.background_failed(fn, exc)

    def _fire(self, timer: Timer) -> None:
        """A timer is due: it runs as a message."""
        if not timer.in_turn:
            timer()
        elif not timer.cancelled:
            self.post(self._calls, timer)

    def _post_call(self, fn: Callable[[], object]) -> None:
        self.post(self._calls, fn)

    # --- actors -----------------------------------------------------------------------------------

    def adopt(self, actor: A) -> A:
        """Let ``actor`` live here, without ``on_start`` or any message.

        Whoever calls this keeps it.
        """
        actor._dispatcher = self
        return actor

    def start_actor(self, actor: Actor) -> None:
        """Adopt, keep until it stops, run ``on_start``: in a turn at once, else as a message."""
        actor._dispatcher = self
        self._started_actors[id(actor)] = actor
        if self._turn_thread == get_ident():
            self._receive((actor, ActorStart(), None))
        else:
            self.post(actor, ActorStart())

    def release(self, actor: Actor) -> None:
        """Let go of an actor: it has stopped, its later messages are dead letters.

        Runs no hook of it.
        """
        if actor._dispatcher is self:
            actor._dispatcher = None
        self._started_actors.pop(id(actor), None)
        if self._stop_waiters:
            waiter = self._stop_waiters.pop(id(actor), None)
            if waiter is not None:
                waiter.set(None)

    def ref(self, actor: A) -> ActorRef[A]:
        """A ref to an adopted actor."""
        return ActorRef(actor)

    def make_urn(self, actor: Actor) -> str:
        """A urn for an actor that has no name of its own."""
        return f"urn:actor:{self.name}:{type(actor).__name__}:{next(self._urns)}"

    def stopped_future(self, actor: Actor) -> Future[Any]:
        """A future set when ``actor`` stops."""
        waiter = self._stop_waiters.setdefault(id(actor), Future(self))
        if actor._dispatcher is not self and self._stop_waiters.pop(id(actor), None) is not None:
            waiter.set(None)  # it stopped while we looked
        return waiter

    def dead_letter(self, actor_urn: str, message: Any) -> None:
        """Record an undeliverable message; from any thread.

        It is told inside a turn, so that the hook may journal it.
        """
        if self._stopped or self._turn_thread == get_ident():
            self.dead_letters.add(actor_urn, message)
        else:
            self.call_soon(lambda: self.dead_letters.add(actor_urn, message))

    # --- questions --------------------------------------------------------------------------------

    def has_message_for(self, actor: Actor) -> bool:
        """Whether a message for ``actor`` waits; looks at all of them."""
        boxes = (self._first, self._queue, self._local)
        return any(item[0] is actor for box in boxes for item in tuple(box))

    def is_accepting(self) -> bool:
        """Whether posts will be handled: it has not stopped."""
        return not self._stopped

    def is_paused(self) -> bool:
        """Whether a discarded turn holds the queue."""
        return self._paused

    def check_may_block(self) -> None:
        """Raise BlockingCallError where a blocking wait could never end."""
        if running.dispatcher is not None or self.is_own_thread():
            raise BlockingCallError(
                f"a blocking call on the thread or loop of dispatcher {self.name!r} would wait for"
                " itself;"
                " use `await ref.ask(message, block=False)`, or `await` the future you have"
            )

    def wait(self, future: Future[Any], timeout: float | None) -> None:
        """Block the calling thread until ``future`` is done (seconds)."""
        self.check_may_block()
        wait_blocking(future, timeout)

    # --- waking -----------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._stopped:
            self._bury_waiting()
        elif self._token.acquire(blocking=False):
            self._awake = True
            self._schedule()

    def _go_idle(self) -> None:
        """Let the next post wake us; look once more, for a post that saw us awake just before."""
        self._awake = False
        self._token.release()
        if self._queue or self._first:
            self._wake()

    def _drain_out(self, turns_max: int) -> None:
        """Last turns before a stop: what waits, then ``on_stop``, the last started first."""
        self._land_now()
        for actor in reversed(list(self._started_actors.values())):
            self.post(actor, ActorStop())
        for _ in range(turns_max):  # actors may keep each other busy: the rest is dead letters
            if self._paused or self._stopped or not self.queued():
                return
            self._run_turn()
