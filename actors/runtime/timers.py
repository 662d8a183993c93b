"""Timers: one handle for all dispatchers, and the virtual timetable of the simulation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Protocol

__all__ = ["OutsideTimer", "Timer", "Timetable"]


class _Handle(Protocol):
    def cancel(self) -> None: ...


class Timer:
    """A function that will run in a turn of its dispatcher, unless cancelled before."""

    __slots__ = ("_fn", "_handle", "_thread", "cancelled", "due_ns")

    in_turn = True

    def __init__(self, due_ns: int, fn: Callable[[], object]) -> None:
        self.due_ns = due_ns  # on the dispatcher's monotonic clock
        self.cancelled = False
        self._fn = fn
        self._handle: _Handle | None = None
        self._thread = 0

    def __call__(self) -> None:
        """Run it. The function is kept: a discarded turn runs its inputs again, timers included."""
        if not self.cancelled:
            self._fn()

    def cancel(self) -> None:
        """Never run it; safe from any thread, at once on the dispatcher's own."""
        self.cancelled = True
        # A loop's handle may be touched on the loop's thread only; elsewhere the flag does.
        if self._handle is not None and self._thread == threading.get_ident():
            self._handle.cancel()

    def armed(self, handle: _Handle) -> None:
        """Remember what the dispatcher's loop gave us."""
        self._handle = handle
        self._thread = threading.get_ident()


class OutsideTimer(Timer):
    """A timer that fires outside turns: what resumes a paused dispatcher, which has none."""

    __slots__ = ()

    in_turn = False


class Timetable:
    """Functions by virtual due time; equal times in the order they were added."""

    __slots__ = ("_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer | None, Callable[[], object]]] = []
        self._sequence = 0

    def add(self, due_ns: int, fn: Callable[[], object], timer: Timer | None = None) -> None:
        """Call ``fn`` when ``due_ns`` comes, unless ``timer`` is cancelled by then."""
        self._sequence += 1
        heappush(self._heap, (due_ns, self._sequence, timer, fn))

    def next_due_ns(self) -> int | None:
        """When the next one is due; ``None`` when there is none."""
        heap = self._heap
        while heap and heap[0][2] is not None and heap[0][2].cancelled:
            heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now_ns: int) -> Callable[[], object] | None:
        """Take out the next function that is due by ``now_ns``."""
        due_ns = self.next_due_ns()
        if due_ns is None or due_ns > now_ns:
            return None
        return heappop(self._heap)[3]

    def clear(self) -> None:
        """Forget all of them."""
        self._heap.clear()
