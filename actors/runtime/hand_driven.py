"""Coroutines driven by hand: what the simulation has instead of an event loop.

A coroutine may await our futures (and so ``sleep_ns`` and everything built on them); it gives the
future it waits for to whoever drives it and is resumed when that is done.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from typing import Any

from engine.errors import EngineError

from .future import Future, Task

__all__ = ["CoroutineDriver", "SimulationStuck"]


class SimulationStuck(EngineError):
    """The simulation cannot go on: it never becomes idle, or waits for what nothing will bring."""


class _Driven:
    """One coroutine and where it stands."""

    __slots__ = ("awaited", "cancelling", "coro", "ready", "task")

    def __init__(
        self, coro: Coroutine[Any, Any, Any], task: Task[Any], ready: list[_Driven]
    ) -> None:
        self.coro = coro
        self.task = task
        self.ready = ready
        self.awaited: Future[Any] | None = None
        self.cancelling = False

    def on_done(self, _: Future[Any]) -> None:
        self.awaited = None
        self.ready.append(self)


class CoroutineDriver:
    """The coroutines of one simulation; those that can take a step now are ``ready``."""

    __slots__ = ("_all", "_background_failed", "_crash", "ready")

    def __init__(
        self,
        background_failed: Callable[[object, BaseException], None],
        crash: Callable[[BaseException], None],
    ) -> None:
        self.ready: list[_Driven] = []
        self._all: dict[Task[Any], _Driven] = {}
        self._background_failed = background_failed
        self._crash = crash

    def add(self, coro: Coroutine[Any, Any, Any], task: Task[Any]) -> None:
        """Take over a coroutine; its end is told to ``task``."""
        driven = self._all[task] = _Driven(coro, task, self.ready)
        self.ready.append(driven)

    def step(self, index: int) -> None:
        """Let the coroutine at ``ready[index]`` run up to its next wait."""
        driven = self.ready.pop(index)
        try:
            if driven.cancelling:
                driven.cancelling = False
                awaited = driven.coro.throw(CancelledError())
            else:
                awaited = driven.coro.send(None)
        except StopIteration as end:
            self._end(driven).set(end.value)
        except CancelledError as exc:
            self._end(driven).set_exception(exc)
        except Exception as exc:
            self._fail(driven, exc)
        except BaseException as exc:
            self._end(driven).set_exception(exc)
            self._crash(exc)
        else:
            self._park(driven, awaited)

    def _park(self, driven: _Driven, awaited: object) -> None:
        if awaited is None or driven.cancelling:  # a bare yield; or it cancelled itself
            self.ready.append(driven)
        elif isinstance(awaited, Future):
            driven.awaited = awaited
            awaited.add_done_callback(driven.on_done)
        else:
            driven.coro.close()
            self._fail(
                driven,
                SimulationStuck(
                    f"a simulated coroutine awaits our futures and sleep_ns() only, not {awaited!r}"
                ),
            )

    def _end(self, driven: _Driven) -> Task[Any]:
        del self._all[driven.task]
        return driven.task

    def _fail(self, driven: _Driven, exc: Exception) -> None:
        self._end(driven).set_exception(exc)
        self._background_failed(driven.coro, exc)

    def cancel(self, task: Task[Any]) -> None:
        """Throw ``CancelledError`` into it at its next step."""
        driven = self._all.get(task)
        if driven is None:
            return
        driven.cancelling = True
        if driven.awaited is not None:
            driven.awaited.remove_done_callback(driven.on_done)
            driven.awaited = None
            self.ready.append(driven)

    def parked(self) -> list[_Driven]:
        """Those that wait for something."""
        return [driven for driven in self._all.values() if driven.awaited is not None]

    def close(self) -> None:
        """Close all of them; whoever waits for one gets ``CancelledError``."""
        self.ready.clear()
        driven_by_task, self._all = self._all, {}
        for task, driven in driven_by_task.items():
            driven.coro.close()
            task.set_exception(CancelledError())
