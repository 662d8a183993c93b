"""The simulated dispatcher: virtual time, no threads, no loop, and one door for every choice.

Messages wait in a queue per actor. What runs next (which actor, which coroutine, how long a turn
is) is drawn by ``choose(n)``, a seeded generator by default; a property test can pass its own and
shrink it. Same choices, same schedule, same everything. With ``fifo=True`` nothing is drawn and
messages keep their global order, as a replay needs.

Time stands still while anything can run, then jumps to the next timer.
"""

from __future__ import annotations

import decimal
import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from threading import get_ident
from typing import Any, TypeVar

from engine.errors import BlockingCallError, InvalidValue
from engine.values import CONTEXT

from .boxes import BoxedDispatcher
from .commits import Flight, outcome_of
from .future import Future, ReplyTimeout, Task, running
from .hand_driven import CoroutineDriver, SimulationStuck
from .timers import Timer, Timetable

__all__ = ["SimulatedDispatcher"]

T = TypeVar("T")

#: Some moment in 2023: a virtual clock starts where nobody takes it for real.
EPOCH_NS = 1_700_000_000_000_000_000
_STEPS_MAX = 10_000_000
_LAST_TURNS = 100_000


class SimulatedDispatcher(BoxedDispatcher):
    """One thread, the caller's; everything happens inside ``run_*`` and ``step``."""

    hand_driven = True

    def __init__(
        self,
        name: str = "simulation",
        *,
        seed: int = 0,
        choose: Callable[[int], int] | None = None,
        fifo: bool = False,
        queue_deliveries: bool = False,
        turn_messages: int = 32,
        start_ns: int = EPOCH_NS,
        commits_aside: bool = False,
        **options: Any,
    ) -> None:
        """Make one.

        Args:
            name: part of its urns.
            seed: of the generator that chooses, unless ``choose`` is given.
            choose: ``choose(n)`` returns one of ``0 .. n-1``; called only for n > 1.
            fifo: draw nothing, keep the global order.
            queue_deliveries: ``deliver()`` posts: a superset of the orders production can show.
            turn_messages: the longest turn; each turn's length is drawn up to it (``fifo``: always
                that, roughly).
            start_ns: virtual UTC at the start.
            commits_aside: a commit is a step of its own, and others may come before it.
            **options: as for :class:`Dispatcher`.
        """
        if turn_messages < 1:
            raise InvalidValue(f"turn_messages must be above 0, was {turn_messages}")
        super().__init__(name, fifo=fifo, turn_messages=turn_messages, **options)
        self._choose_any = choose if choose is not None else random.Random(seed).randrange  # noqa: S311
        self._batch = range(min(16, turn_messages))
        self._start_ns = start_ns
        self._now_ns = 0
        self._timetable = Timetable()
        self._aside = commits_aside
        self._outside: deque[Callable[[], object]] = deque()
        self._coroutines = CoroutineDriver(self.background_failed, lambda exc: self._crash(exc, []))
        self._driving = 0
        if queue_deliveries:
            self.deliver = self.post  # type: ignore[method-assign]

    # --- running ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Nothing has to be started; messages run inside ``run_*``."""
        self._started = True

    def step(self) -> bool:
        """Run one turn, or a coroutine's step, or jump to the next timer; ``False``: all idle.

        Idle is also what only keeps watch (:meth:`watch_later`).
        """
        with self._drive():
            return self._step()

    def step_ready(self) -> bool:
        """As :meth:`step`, at the present moment only: ``False`` when nothing can run now."""
        with self._drive():
            return self._step_now()

    def has_work(self) -> bool:
        """Whether anything can run at the present moment."""
        return bool(self._outside or self._coroutines.ready or self._flight) or self._has_turn()

    def next_timer_ns(self) -> int | None:
        """When the next timer rings, on the monotonic clock; ``None``: nothing is left to do."""
        return self._next_work_ns()

    def lapse(self) -> bool:
        """Jump to the next timer, whatever else could run; ``False`` when there is none."""
        with self._drive():
            return self._next_moment()

    def run_ready(self, steps_max: int = _STEPS_MAX) -> None:
        """Run until nothing can run at the present moment; time does not pass."""
        with self._drive():
            self._run(self._step_now, steps_max)

    def run_until_idle(self, steps_max: int = _STEPS_MAX) -> None:
        """Run until nothing is left, timers included; those that only keep watch are no work.

        With a timer that re-arms itself use :meth:`run_for`.

        Raises:
            SimulationStuck: still busy after ``steps_max`` steps.
        """
        with self._drive():
            self._run(self._step, steps_max)

    def run_for(self, duration_ns: int, steps_max: int = _STEPS_MAX) -> None:
        """Run all that happens within ``duration_ns``; afterwards exactly that time has passed."""
        self.run_to(self.time_ns() + duration_ns, steps_max)

    def run_to(self, time_ns: int, steps_max: int = _STEPS_MAX) -> None:
        """Run all that happens up to ``time_ns`` (virtual UTC); a time in the past does nothing."""
        until_ns = time_ns - self._start_ns
        with self._drive():
            self._run(self._step_now, steps_max)
            while (due_ns := self._timetable.next_due_ns()) is not None and due_ns <= until_ns:
                self._jump(due_ns)
                self._run(self._step_now, steps_max)
            self._now_ns = max(self._now_ns, until_ns)

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """Spawn a coroutine, run until it has ended, return its value."""
        return self.spawn(coro).get()

    def wait(self, future: Future[Any], timeout: float | None) -> None:
        """Run until ``future`` is done: what a blocking ``get()`` does here; virtual seconds."""
        self.check_may_block()
        timetable = self._timetable
        until_ns = None if timeout is None else self._now_ns + int(max(timeout, 0) * 1_000_000_000)
        with self._drive():
            while not future.done():
                if self._step_now():
                    continue
                due_ns = self._next_work_ns() if until_ns is None else timetable.next_due_ns()
                if until_ns is not None and (due_ns is None or due_ns > until_ns):
                    self._now_ns = max(self._now_ns, until_ns)
                    raise ReplyTimeout(f"no answer within {timeout} virtual seconds")
                if due_ns is None:
                    raise SimulationStuck(
                        f"nothing can run and nothing is due, but {future!r} is not done"
                    )
                self._jump(due_ns)

    def stop(self) -> None:
        """Handle what waits now, stop started actors, close coroutines.

        Raises what ended the dispatcher, once.
        """
        with self._drive():
            if not self._stopped:
                self._drain_out(_LAST_TURNS)
            self._close()
        self._raise_failure()

    def kill(self) -> None:
        """End as a killed process does: nothing that waits is handled, no actor is told."""
        if not self._stopped:
            self._close()

    # --- the clock --------------------------------------------------------------------------------

    def time_ns(self) -> int:
        """Virtual UTC nanoseconds."""
        return self._start_ns + self._now_ns

    def monotonic_ns(self) -> int:
        """Virtual nanoseconds since the start."""
        return self._now_ns

    async def sleep_ns(self, duration_ns: int) -> None:
        """Wait on the virtual clock."""
        awake: Future[None] = Future(self)
        self._timetable.add(self._now_ns + max(duration_ns, 0), awake.set)
        await awake

    def is_own_thread(self) -> bool:
        """Whether the caller is inside ``run_*``."""
        return self._driving == get_ident()

    def _arm(self, timer: Timer) -> None:
        self._timetable.add(timer.due_ns, partial(self._fire, timer), timer)

    def _next_work_ns(self) -> int | None:
        """When the next timer is due, if there is one that does more than keep watch."""
        return self._timetable.next_due_ns() if self._timetable.has_work() else None

    def _jump(self, due_ns: int) -> None:
        self._now_ns = max(self._now_ns, due_ns)
        while (fn := self._timetable.pop_due(self._now_ns)) is not None:
            fn()

    # --- choosing and stepping --------------------------------------------------------------------

    def _call_outside(self, fn: Callable[[], object]) -> None:
        self._outside.append(fn)

    def _choose(self, n: int) -> int:
        if n < 2 or self._fifo:
            return 0
        index = self._choose_any(n)
        if not 0 <= index < n:
            raise InvalidValue(f"choose({n}) must return one of 0..{n - 1}, returned {index!r}")
        return index

    def _step(self) -> bool:
        return self._step_now() or self._next_moment()

    def _next_moment(self) -> bool:
        due_ns = self._next_work_ns()
        if due_ns is not None:
            self._jump(due_ns)
        return due_ns is not None

    def _step_now(self) -> bool:
        if self._outside:
            self._run_outside(self._outside.popleft())
            return True
        ready = self._coroutines.ready
        possible = len(ready) + (self.in_flight or self._has_turn())
        if not possible:
            return False
        index = self._choose(possible)
        if index < len(ready):
            self._coroutines.step(index)
        elif self._flight is not None:
            self._landed(self._flight, outcome_of(self._flight.commit))
        else:
            self._run_turn()
        return True

    def _has_turn(self) -> bool:
        idle = self._paused or self._stopped or self.in_flight
        return not idle and self.queued() > 0

    def _take_off(self, flight: Flight) -> None:
        pass  # it lands when it is drawn

    def _land_now(self) -> None:
        super()._land_now()
        if self._flight is not None:
            self._landed(self._flight, outcome_of(self._flight.commit))

    def _run(self, step: Callable[[], bool], steps_max: int) -> None:
        for _ in range(steps_max):
            if not step():
                return
        raise SimulationStuck(f"still busy after {steps_max} steps; a timer that re-arms itself?")

    @contextmanager
    def _drive(self) -> Iterator[None]:
        if running.dispatcher is not None:
            raise BlockingCallError(
                "the simulation is run from outside, not by code that a dispatcher runs: `await`"
            )
        running.dispatcher = self
        self._driving = get_ident()
        try:
            with decimal.localcontext(CONTEXT):
                yield
        finally:
            self._driving = 0
            running.dispatcher = None

    def _schedule(self) -> None:
        pass  # whoever runs the simulation looks for itself

    # --- coroutines -------------------------------------------------------------------------------

    def _start_coroutine(self, coro: Coroutine[Any, Any, Any], task: Task[Any]) -> None:
        self._coroutines.add(coro, task)

    def _cancel_started(self, task: Task[Any]) -> None:
        self._coroutines.cancel(task)

    def _close(self) -> None:
        self._halt()
        self._bury_waiting()
        self._timetable.clear()
        self._coroutines.close()

    def _crashed(self, exc: BaseException) -> None:
        self._close()
        self._failure_told = True
        raise exc
