"""Dispatchers on asyncio: a thread of their own, or the host's running loop.

Both run a turn as one callback of a loop, so venue coroutines, timers and turns share one thread
and never overlap.
"""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from engine.errors import SystemStopped
from engine.values import CONTEXT

from .bell import Bell, hang_bell
from .commits import Committer, Flight
from .dispatcher import Dispatcher
from .future import Task, running
from .timers import Timer
from .turn_loop import refuse

__all__ = ["LoopDispatcher", "ThreadDispatcher"]

_CLEAN_UP_S = 10.0  # for a cancelled coroutine; one that refuses to end must not hold the process
_LAST_TURNS = 1_000  # of a millisecond each, and their commits
_END_S = 120.0  # for all that: a thread that needs longer is blocked


class _AsyncioDispatcher(Dispatcher):
    """Turns, timers and coroutines on ``_loop``, which a subclass provides."""

    _loop: asyncio.AbstractEventLoop | None = None

    def time_ns(self) -> int:
        """UTC nanoseconds of the machine's clock."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds of the machine's monotonic clock."""
        return time.monotonic_ns()

    async def sleep_ns(self, duration_ns: int) -> None:
        """Wait on the loop's clock."""
        await asyncio.sleep(max(duration_ns, 0) / 1e9)

    def is_own_thread(self) -> bool:
        """Whether the caller runs inside our loop."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    # --- turns ------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        self._on_loop(self._on_wake)

    def _call_outside(self, fn: Callable[[], object]) -> None:
        self._on_loop(self._run_outside, fn)

    def _on_wake(self) -> None:
        if self._may_not_run():
            return
        if self._has_queued():
            self._run_turn()
        if self._may_not_run():
            return  # the token stays taken: no post wakes us
        if self._has_queued():
            assert self._loop is not None
            self._loop.call_soon(self._on_wake)  # coroutines go first
        else:
            self._go_idle()

    def _may_not_run(self) -> bool:
        return self._stopped or self._paused or self.in_flight

    def _on_loop(self, fn: Callable[..., object], *args: Any) -> None:
        """Call ``fn`` on our loop; with a loop that is gone we are stopped."""
        loop = self._loop
        if loop is None:
            self._before_start.append((fn, args))
            if self._loop is not None:  # it started while we appended
                self._run_before_start()
        elif self.is_own_thread():
            loop.call_soon(fn, *args)
        else:
            try:
                loop.call_soon_threadsafe(fn, *args)
            except RuntimeError:
                if not loop.is_closed():
                    raise
                self._halt()
                self._bury_waiting()

    def __init__(self, name: str = "dispatcher", **options: Any) -> None:
        super().__init__(name, **options)
        self._before_start: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._tasks: dict[Task[Any], asyncio.Task[None]] = {}
        # Coroutines on their way to the loop; who takes one out starts it or refuses it.
        self._unstarted: dict[Task[Any], Coroutine[Any, Any, Any]] = {}

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start with ``loop``, on its thread or before it runs."""
        if self._started or self._stopped:
            raise SystemStopped(f"dispatcher {self.name!r} was started before; make a new one")
        self._started = True
        self._loop = loop
        self._run_before_start()
        loop.call_soon_threadsafe(self._on_wake)

    def _run_before_start(self) -> None:
        assert self._loop is not None
        while self._before_start:
            try:
                fn, args = self._before_start.pop(0)
            except IndexError:
                return
            self._loop.call_soon_threadsafe(fn, *args)

    def _end(self) -> None:
        """On the loop: last turns, then nothing more. Coroutines are cancelled."""
        if not self._stopped:
            self._drain_out(_LAST_TURNS)
        self._halt()
        self._bury_waiting()
        self._cancel_all()

    # --- timers -----------------------------------------------------------------------------------

    def _arm(self, timer: Timer) -> None:
        if self.is_own_thread():
            self._arm_here(timer)
        else:
            self._on_loop(self._arm_here, timer)

    def _arm_here(self, timer: Timer) -> None:
        if not timer.cancelled and not self._stopped:
            assert self._loop is not None
            delay_ns = timer.due_ns - time.monotonic_ns()
            timer.armed(self._loop.call_later(max(delay_ns, 0) / 1e9, self._due, timer))

    def _due(self, timer: Timer) -> None:
        if timer.due_ns > time.monotonic_ns():
            self._arm_here(timer)  # the loop rounds to its clock's resolution; a deadline does not
        else:
            self._fire(timer)

    # --- coroutines -------------------------------------------------------------------------------

    def _start_coroutine(self, coro: Coroutine[Any, Any, Any], task: Task[Any]) -> None:
        self._unstarted[task] = coro
        if self.is_own_thread():
            self._create_task(task)
        else:
            self._on_loop(self._create_task, task)
            if self._stopped:
                self._refuse_unstarted(task, SystemStopped(f"{self.name!r} has stopped"))

    def _refuse_unstarted(self, task: Task[Any], why: BaseException) -> None:
        coro = self._unstarted.pop(task, None)
        if coro is not None:
            refuse(coro, task, why)

    def _create_task(self, task: Task[Any]) -> None:
        if self._stopped:
            self._refuse_unstarted(task, SystemStopped(f"{self.name!r} has stopped"))
            return
        coro = self._unstarted.pop(task, None)
        if coro is None:
            return
        assert self._loop is not None
        context = contextvars.copy_context()
        context.run(decimal.setcontext, CONTEXT.copy())
        run = self._loop.create_task(self._run(coro, task), context=context)
        self._tasks[task] = run

        def ended(_: asyncio.Task[None]) -> None:
            self._tasks.pop(task, None)
            exc = None if run.cancelled() else run.exception()
            if not task.done():  # cancelled before its first step, or a BaseException
                refuse(coro, task, exc or asyncio.CancelledError())

        run.add_done_callback(ended)

    async def _run(self, coro: Coroutine[Any, Any, Any], task: Task[Any]) -> None:
        try:
            value = await coro
        except asyncio.CancelledError as exc:
            task.set_exception(exc)
            raise
        except Exception as exc:
            task.set_exception(exc)
            self.background_failed(coro, exc)
        else:
            task.set(value)

    def _cancel_started(self, task: Task[Any]) -> None:
        self._on_loop(self._cancel_here, task)

    def _cancel_here(self, task: Task[Any]) -> None:
        run = self._tasks.get(task)
        if run is not None:
            run.cancel()
        else:
            self._refuse_unstarted(task, asyncio.CancelledError())

    def _cancel_all(self) -> list[asyncio.Task[None]]:
        for task in list(self._unstarted):
            self._refuse_unstarted(task, asyncio.CancelledError())
        if self._loop is not None and self._loop.is_closed():  # they never go on
            for task in self._tasks:
                if not task.done():
                    task.set_exception(asyncio.CancelledError())
            self._tasks.clear()
        runs = list(self._tasks.values())
        for run in runs:
            run.cancel()
        return runs


class ThreadDispatcher(_AsyncioDispatcher):
    """A dispatcher with a daemon thread of its own, which runs an asyncio loop."""

    def __init__(self, name: str = "dispatcher", **options: Any) -> None:
        """Make one; options as for :class:`Dispatcher`."""
        super().__init__(name, **options)
        self._ending = False
        self._bell: Bell | None = None
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def is_own_thread(self) -> bool:
        """Whether the caller is our thread."""
        return threading.get_ident() == self._thread.ident

    def start(self) -> None:
        """Start the thread; returns when its loop runs.

        Raises:
            SystemStopped: it was started before.
        """
        up = threading.Event()
        loop = asyncio.new_event_loop()
        try:
            self._begin(loop)
        except SystemStopped:
            loop.close()
            raise
        self._bell = hang_bell(loop, self._on_wake)
        loop.call_soon(up.set)
        self._thread.start()
        up.wait()

    def stop(self) -> None:
        """Handle what waits, stop started actors, cancel coroutines, end the thread.

        Called on the dispatcher's own thread it only asks for that, and returns.

        Raises:
            BaseException: what ended the dispatcher before, once.
            SystemStopped: something blocks the thread; what waits is answered when it lets go.
        """
        if not self._started:
            self._halt()
            self._bury_waiting()
        elif self.is_own_thread():
            self._on_loop(self._end_thread)
        else:
            if self._thread.is_alive():
                self._on_loop(self._end_thread)
            if not self.join(_END_S):
                self._halt()
                raise SystemStopped(f"{self.name!r} does not end: its thread is blocked")

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread's end; whether it has ended. Raises what ended it, once."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        self._raise_failure()
        return True

    def _schedule(self) -> None:
        if self._bell is None or self.is_own_thread():
            super()._schedule()
        else:
            self._bell.ring()
            if self._stopped:  # perhaps before the loop heard it
                self._bury_waiting()

    def _end_thread(self) -> None:
        if self._ending:
            return
        self._ending = True
        self._end()
        assert self._loop is not None
        self._loop.stop()

    def _crashed(self, exc: BaseException) -> None:
        assert self._loop is not None
        if self._loop.is_running():
            self._loop.stop()

    def _main(self) -> None:
        loop = self._loop
        assert loop is not None
        running.dispatcher = self  # for its whole life: nothing on it may block for a reply
        decimal.setcontext(CONTEXT.copy())
        try:
            loop.run_forever()
        except BaseException as exc:  # out of a coroutine; out of a turn they are caught there
            self._crash(exc, [])
        self._ending = True  # a stop() that comes now must not interrupt the clean-up
        try:
            runs = self._cancel_all()
            if runs:
                loop.run_until_complete(asyncio.wait(runs, timeout=_CLEAN_UP_S))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


class LoopDispatcher(_AsyncioDispatcher):
    """A dispatcher inside the host's loop: turns are its callbacks, coroutines its tasks."""

    def __init__(self, name: str = "dispatcher", **options: Any) -> None:
        """Make one; options as for :class:`Dispatcher`."""
        super().__init__(name, **options)
        self._committer: Committer | None = None

    def commit_aside(self) -> None:
        """Commit on another thread: the host's loop does not wait for the disk."""
        if self._committer is None:
            self._committer = Committer(self.name, self._came_back)
            self._aside = True

    def _take_off(self, flight: Flight) -> None:
        assert self._committer is not None
        self._committer.run(flight)

    def _came_back(self, flight: Flight, error: BaseException | None) -> None:
        """On the committer's thread: the loop goes on from here."""
        self._on_loop(self._go_on, flight, error)

    def _go_on(self, flight: Flight, error: BaseException | None) -> None:
        if flight is self._flight:  # else the end did not wait for its turn
            self._landed(flight, error)
            self._on_wake()

    def _land_now(self) -> None:
        super()._land_now()
        if self._committer is not None:
            error = self._committer.end()
            if self._flight is not None:
                self._landed(self._flight, error)

    def start(self) -> None:
        """Start inside the running loop.

        Raises:
            RuntimeError: no loop is running here.
            SystemStopped: it was started before.
        """
        self._begin(asyncio.get_running_loop())

    def stop(self) -> None:
        """Handle what waits, stop started actors, cancel coroutines (they end as the loop goes on).

        On the loop only.

        Raises:
            BaseException: what ended the dispatcher before, once.
        """
        if self._turn_thread:
            self._on_loop(self._end)
        elif not self._started:
            self._halt()
            self._bury_waiting()
        else:
            self._end()
            self._raise_failure()

    async def aclose(self) -> None:
        """As :meth:`stop`, and wait until the coroutines have ended."""
        try:
            self.stop()
        finally:
            runs = self._cancel_all()
            if runs:
                await asyncio.wait(runs, timeout=_CLEAN_UP_S)

    def _crashed(self, exc: BaseException) -> None:
        self._cancel_all()
        if isinstance(exc, KeyboardInterrupt | SystemExit):
            self._failure_told = True
            raise exc  # asyncio lets these two out of run_forever(), so the host sees them
