"""Timers: one handle for all dispatchers, and the virtual timetable of the simulation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Protocol, TypeAlias

__all__ = ["OutsideTimer", "Timer", "Timetable", "WatchTimer"]


class _Handle(Protocol):
    def cancel(self) -> None: ...


class Timer:
    """A function that will run in a turn of its dispatcher, unless cancelled before."""

    __slots__ = ("_fn", "_handle", "_thread", "cancelled", "due_ns")

    in_turn = True
    keeps_watch = False

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


class WatchTimer(Timer):
    """A timer that comes again and again to see that all is well: it is no work by itself."""

    __slots__ = ()

    keeps_watch = True


_Entry: TypeAlias = "tuple[int, int, Timer | None, Callable[[], object]]"


class Timetable:
    """Functions by virtual due time; equal times in the order they were added.

    Those of a :class:`WatchTimer` lie apart, so that :meth:`has_work` is quick to say.
    """

    __slots__ = ("_heap", "_sequence", "_watch")

    def __init__(self) -> None:
        self._heap: list[_Entry] = []  # and another heap:
        self._watch: list[_Entry] = []
        self._sequence = 0

    def add(self, due_ns: int, fn: Callable[[], object], timer: Timer | None = None) -> None:
        """Call ``fn`` when ``due_ns`` comes, unless ``timer`` is cancelled by then."""
        self._sequence += 1
        heap = self._watch if timer is not None and timer.keeps_watch else self._heap
        heappush(heap, (due_ns, self._sequence, timer, fn))

    def next_due_ns(self) -> int | None:
        """When the next one is due; ``None`` when there is none."""
        heap = self._next()
        return None if heap is None else heap[0][0]

    def has_work(self) -> bool:
        """Whether anything is due some time that does more than keep watch."""
        _drop_cancelled(self._heap)
        return bool(self._heap)

    def pop_due(self, now_ns: int) -> Callable[[], object] | None:
        """Take out the next function that is due by ``now_ns``."""
        heap = self._next()
        if heap is None or heap[0][0] > now_ns:
            return None
        return heappop(heap)[3]

    def waiting(self) -> list[tuple[int, Callable[[], object]]]:
        """Everything that is to be called, with when, in that order."""
        entries = sorted([*self._heap, *self._watch], key=lambda entry: entry[:2])
        return [(due, fn) for due, _, timer, fn in entries if timer is None or not timer.cancelled]

    def clear(self) -> None:
        """Forget all of them."""
        self._heap.clear()
        self._watch.clear()

    def _next(self) -> list[_Entry] | None:
        """The heap whose first is due first."""
        work, watch = self._heap, self._watch
        _drop_cancelled(work)
        if watch:
            _drop_cancelled(watch)
            if watch and (not work or watch[0][:2] < work[0][:2]):
                return watch
        return work or None


def _drop_cancelled(heap: list[_Entry]) -> None:
    while heap and heap[0][2] is not None and heap[0][2].cancelled:
        heappop(heap)
