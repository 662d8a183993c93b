"""Futures: a value that comes later, for threads, for asyncio and for the simulation.

:class:`Future` is Pykka's future with three things added: done-callbacks, an ``await`` that never
blocks a loop, and a refusal to block on a dispatcher's own thread, where a blocking ``get()`` would
wait for itself.

It is cheap: making one allocates no lock and no condition; a thread that blocks brings its own
lock. Its little thread-safety rests on operations that are atomic in CPython (``dict.setdefault``,
``deque.append``, ``deque.popleft``).
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import pykka

from engine.errors import AskTimeout, BlockingCallError, InvalidValue

__all__ = ["Driver", "Future", "ReplyTimeout", "Task", "running", "wait_blocking"]

_SECONDS_MAX = 2**63 // 1_000_000_000
T = TypeVar("T")
M = TypeVar("M")
J = TypeVar("J")
R = TypeVar("R")

OptExcInfo: TypeAlias = tuple[
    type[BaseException] | None, BaseException | None, TracebackType | None
]


class ReplyTimeout(AskTimeout, pykka.Timeout):
    """No answer in time, for callers who catch our error and for callers who catch Pykka's."""


class Driver(Protocol):
    """What a future needs to know of the dispatcher that will set it."""

    hand_driven: bool

    def wait(self, future: Future[Any], timeout: float | None) -> None:
        """Return when ``future`` is done; raise ReplyTimeout or BlockingCallError."""
        ...

    def background_failed(self, what: object, exc: BaseException) -> None:
        """Take an exception that nobody waits for."""
        ...

    def cancel_task(self, task: Task[Any]) -> None:
        """Throw ``CancelledError`` into the coroutine behind ``task``."""
        ...


class _Running(threading.local):
    """The dispatcher whose code runs on this thread now, as asyncio keeps its running loop."""

    dispatcher: Driver | None = None


running = _Running()


class Future(pykka.Future[T]):
    """A value or an exception, set once.

    ``owner`` is the dispatcher that will set it; a simulated owner is run forward by a blocking
    ``get()``.
    """

    # Class attributes are the defaults, so that making a future stores nothing.
    _owner: Driver | None = None
    _result: tuple[Any, OptExcInfo | None] | None = None
    _callbacks: deque[Callable[[Future[T]], object]] | None = None
    _sources: tuple[Future[Any], ...] = ()
    _lazy: tuple[Callable[[float | None], Any]] | None = None  # Pykka's get hook
    _computed: tuple[Any] | None = None

    def __init__(self, owner: Driver | None = None) -> None:
        if owner is not None:
            self._owner = owner

    def __repr__(self) -> str:
        result = self._result
        if result is None:
            return "<Future pending>"
        return f"<Future {result[0]!r}>" if result[1] is None else f"<Future {result[1][1]!r}>"

    def done(self) -> bool:
        """Whether ``get()`` would return (or raise) at once."""
        if self._lazy is None:
            return self._result is not None
        if self._sources:
            return all(source.done() for source in self._sources)
        return self._computed is not None

    # --- setting ----------------------------------------------------------------------------------

    def set(self, value: T | None = None) -> None:
        """Set the value, run the callbacks; ``queue.Full`` (as Pykka) if it was set before."""
        self._settle((value, None))

    def set_exception(self, exc_info: OptExcInfo | BaseException | None = None) -> None:
        """Set an exception: an instance, an ``exc_info`` triple, or the one being handled."""
        triple: OptExcInfo
        if isinstance(exc_info, BaseException):
            triple = (type(exc_info), exc_info, exc_info.__traceback__)
        else:
            triple = sys.exc_info() if exc_info is None else exc_info
        if triple[0] is None:
            raise ValueError("set_exception() without arguments works only inside an except block")
        self._settle((None, triple))

    def _settle(self, result: tuple[Any, OptExcInfo | None]) -> None:
        if self._lazy is not None or self.__dict__.setdefault("_result", result) is not result:
            raise queue.Full("this future was set before")
        if self._callbacks is not None:
            self._run_callbacks()

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Compute the value with ``func(timeout)`` when somebody asks (Pykka's lazy futures)."""
        if self._result is not None:
            raise queue.Full("this future was set before")
        self._lazy = (func,)

    # --- getting ----------------------------------------------------------------------------------

    def get(self, *, timeout: float | None = None) -> T:
        """Return the value, waiting up to ``timeout`` seconds.

        Raises:
            ReplyTimeout: no value in time; the future may still be set later.
            InvalidValue: ``timeout`` is no time.
            BlockingCallError: called on a dispatcher's thread or loop, where it could wait for
                itself; use ``await``.
            Exception: the exception that was set.
        """
        result = self._result
        if result is None:
            if self._lazy is not None:
                if self._computed is None:
                    self._computed = (self._lazy[0](timeout),)
                return cast("T", self._computed[0])
            if timeout is not None:
                _check_timeout(timeout)
            if self._owner is not None:
                self._owner.wait(self, timeout)
            else:
                wait_blocking(self, timeout)
            result = self._result
            assert result is not None
        value, exc_info = result
        if exc_info is None:
            return cast("T", value)
        exc_type, exc, traceback = exc_info
        if exc is None:
            assert exc_type is not None
            exc = exc_type()
        raise exc.with_traceback(traceback)

    # --- callbacks --------------------------------------------------------------------------------

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Call ``fn(self)`` once: now if done, else on the thread that sets it (keep it short).

        Raises:
            TypeError: the future has a get hook of its own, so nobody knows when it is done until
                it is asked.
        """
        if self._lazy is not None:
            if not self._sources and self._computed is None:
                raise TypeError(
                    "a future with a get hook is computed when asked: call get() or await it"
                )
            self._chain(0, fn)
            return
        if self._result is not None:
            fn(self)
            return
        callbacks = self.__dict__.setdefault("_callbacks", deque())
        callbacks.append(fn)
        if self.done():  # it was set while we appended: whoever pops it, runs it
            self._run_callbacks()

    def remove_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Forget ``fn``; nothing happens when it already ran."""
        try:
            if self._callbacks is not None:
                self._callbacks.remove(fn)
        except ValueError:
            pass  # it is being run, or was: forgetting it is what the caller wanted

    def _chain(self, index: int, fn: Callable[[Future[T]], object]) -> None:
        if index == len(self._sources):
            fn(self)
        else:
            self._sources[index].add_done_callback(lambda _: self._chain(index + 1, fn))

    def _run_callbacks(self) -> None:
        callbacks = self._callbacks
        while callbacks:
            try:
                fn = callbacks.popleft()
            except IndexError:
                return
            try:
                fn(self)
            except Exception as exc:
                driver = running.dispatcher or self._owner
                if driver is None:
                    raise
                driver.background_failed(fn, exc)

    # --- awaiting ---------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, T]:
        if self._lazy is not None and not self._sources and self._computed is None:
            driver = running.dispatcher
            if driver is None or not driver.hand_driven:
                # A hook of the user's own may block: it does so on a helper thread, not on the
                # loop.
                loop = asyncio.get_running_loop()
                return (yield from loop.run_in_executor(None, self.get).__await__())
        yield from self._wait_done()
        return self.get()

    __iter__ = __await__

    def _wait_done(self) -> Generator[Any, None, None]:
        if self._lazy is not None:
            for source in self._sources:
                yield from source._wait_done()
            return
        if self._result is not None:
            return
        driver = running.dispatcher
        if driver is not None and driver.hand_driven:
            yield self  # the simulation resumes us when this future is done
            return
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        thread = threading.get_ident()

        def wake(_: Future[T]) -> None:
            try:
                if threading.get_ident() == thread:  # nobody has to be woken
                    _set_waiter(waiter)
                else:
                    loop.call_soon_threadsafe(_set_waiter, waiter)
            except RuntimeError:
                if not loop.is_closed():
                    raise
                # The loop is gone, and with it the coroutine that waited.

        self.add_done_callback(wake)
        try:
            yield from waiter
        finally:
            self.remove_done_callback(wake)

    # --- deriving: Pykka computes these lazily, we add what they wait for -------------------------

    def filter(self: Future[Iterable[J]], func: Callable[[J], bool]) -> Future[Iterable[J]]:
        """A future with the items for which ``func(item)`` is true."""
        return _derived(pykka.Future.filter(self, func), self)

    def join(self: Future[Any], *futures: pykka.Future[Any]) -> Future[Iterable[Any]]:
        """A future with the list of all values."""
        return _derived(pykka.Future.join(self, *futures), self, *futures)

    def map(self, func: Callable[[T], M]) -> Future[M]:
        """A future with ``func(value)``, computed on the thread that asks for it."""
        return _derived(super().map(func), self)

    def reduce(self: Future[Iterable[J]], func: Callable[[R, J], R], *args: R) -> Future[R]:
        """A future with the items folded into one value."""
        return _derived(pykka.Future.reduce(self, func, *args), self)


class Task(Future[T]):
    """The future of a spawned coroutine, which can also be cancelled."""

    def cancel(self) -> None:
        """Throw ``CancelledError`` into the coroutine at its next step, unless it has ended."""
        if self._owner is not None and not self.done():
            self._owner.cancel_task(self)


def _check_timeout(timeout: object) -> None:
    if (
        isinstance(timeout, bool)
        or not isinstance(timeout, int | float)
        or not -_SECONDS_MAX < timeout < _SECONDS_MAX
    ):
        raise InvalidValue(
            f"timeout must be a finite number of seconds, or None for ever; was {timeout!r:.80}"
        )


def wait_blocking(future: Future[Any], timeout: float | None) -> None:
    """Block this thread until ``future`` is done; seconds.

    Raises:
        ReplyTimeout: not done in time.
        BlockingCallError: this thread runs a dispatcher.
    """
    if running.dispatcher is not None:
        raise BlockingCallError(
            "a blocking get() on a dispatcher's thread would wait for itself; use `await` instead"
        )
    lock = threading.Lock()
    lock.acquire()

    def release(_: Future[Any]) -> None:
        lock.release()

    future.add_done_callback(release)
    if timeout is None:
        lock.acquire()
    elif not lock.acquire(timeout=min(max(timeout, 0.0), threading.TIMEOUT_MAX)):
        future.remove_done_callback(release)
        if not future.done():
            raise ReplyTimeout(f"no answer within {timeout} seconds")


def _set_waiter(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _derived(made: pykka.Future[M], *sources: pykka.Future[Any]) -> Future[M]:
    derived = cast("Future[M]", made)
    if all(isinstance(source, Future) for source in sources):  # else: computed only when asked
        derived._sources = cast("tuple[Future[Any], ...]", sources)
    return derived
