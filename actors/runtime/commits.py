"""Commits beside the loop: a host's loop goes on while a disk is slow.

Inside a host's asyncio loop a commit that waits for the disk would hold up everything else that
runs there. So it is made on another thread, and the turn is *in flight* until it has ended. One at
a time: meanwhile no other turn runs, no effect leaves, and whatever would touch what the turn may
have to take back is held until then. Messages queue up, so the next turn is as large as the disk is
slow, and one commit serves all of them. A commit that fails discards its own turn and no other,
because there is no later one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from .supervision import Supervisor
from .turn_loop import UNFINISHED, TurnLoop
from .turns import Input, TurnHooks

__all__ = ["CommitsAside", "Committer", "Flight", "outcome_of"]


class Flight:
    """A turn whose commit is under way: what it was made of, and what is being run."""

    __slots__ = ("commit", "inputs")

    def __init__(self, inputs: list[Input], commit: Callable[[], object]) -> None:
        self.inputs = inputs
        self.commit = commit


class CommitsAside(TurnLoop):
    """The part of a dispatcher that can go on while a turn is being written."""

    def __init__(
        self,
        turn: TurnHooks,
        supervisor: Supervisor,
        capacity: int,
        turn_ns: int,
        retry_ns: int | None,
    ) -> None:
        super().__init__(turn, supervisor, capacity, turn_ns, retry_ns)
        #: Whether a turn is being written; on the dispatcher's own thread only.
        self.in_flight = False
        self._aside = False
        self._flight: Flight | None = None
        self._held: list[Callable[[], object]] = []

    def commit_aside(self) -> None:
        """Do not wait for commits from now on, where others would have to wait as well."""

    def after_commit(self, fn: Callable[[], object]) -> None:
        """Run ``fn()`` outside turns when the turn that is in flight has ended, however it does."""
        self._held.append(fn)

    # --- a turn in flight -------------------------------------------------------------------------

    def _finish_turn(self, inputs: list[Input]) -> None:
        if not self._aside:
            self.turn.finish(inputs)
            return
        commit = self.turn.stage()
        if commit is None:
            self.turn.complete(inputs, None)
        else:
            self._flight = Flight(inputs, commit)
            self.in_flight = True
            self._take_off(self._flight)

    def _take_off(self, flight: Flight) -> None:
        """Have ``flight.commit()`` run elsewhere, and :meth:`_landed` called here afterwards."""
        raise NotImplementedError

    def _landed(self, flight: Flight, error: BaseException | None) -> None:
        """The commit has ended: the turn does, then what was held back."""
        if flight is not self._flight or self._stopped:
            return
        self._flight = None
        self.in_flight = False
        self._guarded(partial(self._complete, error), flight.inputs)
        held, self._held = self._held, []
        for fn in held:
            self._run_outside(fn)

    def _complete(self, error: BaseException | None, inputs: list[Input]) -> None:
        self.turn.complete(inputs, error)

    def _land_now(self) -> None:
        """Wait for a commit in flight, and wait for every later one: the end is near."""
        self._aside = False

    def _run_outside(self, fn: Callable[[], object]) -> None:
        raise NotImplementedError

    def _release_effects(self) -> None:
        if self._flight is None:
            super()._release_effects()

    def _crash(self, exc: BaseException, inputs: list[Input]) -> None:
        self._held.clear()
        flight = self._flight
        super()._crash(exc, [] if flight is not None and flight.inputs is inputs else inputs)

    def _bury_waiting(self) -> None:
        flight, self._flight = self._flight, None
        self.in_flight = False
        if flight is not None:  # the end did not wait for its commit
            for item in flight.inputs:
                if item[2] is None or not item[2].done():
                    self._bury(item, UNFINISHED)
        super()._bury_waiting()


class Committer:
    """A thread that runs one commit at a time, and says how it ended."""

    def __init__(
        self, name: str, came_back: Callable[[Flight, BaseException | None], object]
    ) -> None:
        self._came_back = came_back
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-commits")
        self._running: Future[BaseException | None] | None = None

    def run(self, flight: Flight) -> None:
        """Begin; ``came_back(flight, error)`` is called on that thread."""
        self._running = self._thread.submit(self._run, flight)

    def _run(self, flight: Flight) -> BaseException | None:
        error = outcome_of(flight.commit)
        self._came_back(flight, error)
        return error

    def end(self) -> BaseException | None:
        """Wait for a commit that is under way, if there is one; what it raised."""
        self._thread.shutdown()
        return None if self._running is None else self._running.result()


def outcome_of(commit: Callable[[], object]) -> BaseException | None:
    """Run a commit; what it raised."""
    try:
        commit()
    except BaseException as error:  # whoever runs the turn decides what it means
        return error
    return None
