"""Answers that nobody else is sure to give when the system ends.

What is asked in one message is answered where that message is handled, or where it is buried. An
answer that takes more (several turns, a callback, a desk's own queue) is kept here from the moment
it was promised: with the end of the system it fails, so nobody waits for ever.
"""

from __future__ import annotations

from typing import Any, TypeVar

from engine.errors import EngineError, SystemStopped

from .runtime import Future

__all__ = ["Promises", "follow"]

T = TypeVar("T")


class Promises:
    """The open ones of one system. Everything here may be called from any thread."""

    def __init__(self) -> None:
        self._open: dict[Future[Any], str] = {}
        self._ended = ""

    def keep(self, future: Future[T], note: str = "") -> Future[T]:
        """Keep a future until it is done; ``note`` is told with the end, should that come first.

        Whoever sets it asks before whether it is done.
        """
        self._open[future] = note
        future.add_done_callback(self._kept)
        if self._ended:  # while this one was on its way
            self.fail_all(self._ended)
        return future

    def fail_all(self, why: str) -> None:
        """The system has ended: all that are open fail with SystemStopped, now and from now on."""
        self._ended = why
        while self._open:
            try:
                future, note = self._open.popitem()
            except KeyError:  # another thread took the last one
                return
            if not future.done():
                future.set_exception(SystemStopped(f"{why}; {note}" if note else why))

    def _kept(self, future: Future[Any]) -> None:
        self._open.pop(future, None)


def follow(first: Future[T], future: Future[T], value: T | None = None) -> None:
    """Have ``future`` end as ``first`` does: with its value (or with ``value``), or its failure."""

    def ended(done: Future[T]) -> None:
        if future.done():
            return
        try:
            got = done.get(timeout=0)
        except EngineError as error:  # told to who asked second
            future.set_exception(error)
        else:
            future.set(got if value is None else value)

    first.add_done_callback(ended)
