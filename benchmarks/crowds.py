"""Crowds of actors that do the same work: on our dispatchers, and on Pykka's threads.

Both kinds share one ``on_receive``. A member is made with a ref to its neighbour; a message to the
first closes the ring.
"""

from __future__ import annotations

import abc
import asyncio
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import pykka

from actors.runtime import Actor, Dispatcher, LoopDispatcher, ThreadDispatcher

from .harness import Unavailable

__all__ = [
    "PATIENCE_S",
    "Baton",
    "Crowd",
    "LoopCrowd",
    "OwnCrowd",
    "OwnMember",
    "Ref",
    "StockCrowd",
    "Tally",
]

Ref: TypeAlias = pykka.ActorRef[Any]

PATIENCE_S: Final = 60.0


class Baton:
    """Goes from neighbour to neighbour until ``left`` is 0, then calls ``done``."""

    __slots__ = ("done", "left")

    def __init__(self, hops: int, done: Callable[[], object]) -> None:
        self.left = hops
        self.done = done


class Tally:
    """Counts the actors that received it and calls ``done`` at the last; from any thread."""

    __slots__ = ("_numbers", "done", "expected", "seen")

    def __init__(self, expected: int, done: Callable[[], object]) -> None:
        self._numbers = itertools.count(1)  # next() is atomic; += is not
        self.expected = expected
        self.seen = 0
        self.done = done

    def count(self) -> None:
        """One more."""
        number = next(self._numbers)
        if number == self.expected:
            self.seen = number
            self.done()


class Link:
    """Makes ``ref`` the receiver's neighbour."""

    __slots__ = ("ref",)

    def __init__(self, ref: Ref) -> None:
        self.ref = ref


class _Member:
    """What both kinds do with a message; anything unknown is sent back."""

    __slots__ = ()

    neighbour: Ref

    def on_receive(self, message: object) -> object:
        if isinstance(message, Baton):
            message.left -= 1
            if message.left:
                self.neighbour.tell(message)
            else:
                message.done()
        elif isinstance(message, Tally):
            message.count()
        elif isinstance(message, Link):
            self.neighbour = message.ref  # type: ignore[misc]  # the slot is the subclass's
        return message


class OwnMember(_Member, Actor):
    """One of ours."""

    __slots__ = ("neighbour",)

    def __init__(self, neighbour: Ref | None = None) -> None:
        if neighbour is not None:
            self.neighbour = neighbour


class StockMember(_Member, pykka.ThreadingActor):
    """One with a thread, as Pykka makes it."""

    def __init__(self, neighbour: Ref | None = None) -> None:
        super().__init__()
        if neighbour is not None:
            self.neighbour = neighbour


class Crowd(abc.ABC):
    """``refs`` of running actors in a ring."""

    refs: Sequence[Ref] = ()

    def __init__(self, count: int) -> None:
        self.refs = self.start_more(count)
        self.refs[0].tell(Link(self.refs[-1]))

    @abc.abstractmethod
    def start_more(self, count: int) -> list[Ref]:
        """Start further actors, each with the one before as its neighbour."""

    def stop_some(self, refs: Sequence[Ref]) -> None:
        """Stop actors, and return when they have stopped."""
        for stopped in [ref.stop(block=False) for ref in refs]:
            stopped.get(timeout=PATIENCE_S)

    @abc.abstractmethod
    def close(self) -> None:
        """Stop everything that was started."""


class OwnCrowd(Crowd):
    """On a dispatcher with a thread of its own."""

    def __init__(self, count: int) -> None:
        self.dispatcher: Dispatcher = ThreadDispatcher("crowd")
        self.dispatcher.start()
        super().__init__(count)

    def start_more(self, count: int) -> list[Ref]:
        """As our users start them."""
        refs: list[Ref] = []
        last: Ref | None = None
        for _ in range(count):
            last = OwnMember.start(last, dispatcher=self.dispatcher)
            refs.append(last)
        return refs

    def close(self) -> None:
        """The dispatcher stops its actors."""
        self.dispatcher.stop()


class LoopCrowd(OwnCrowd):
    """On a dispatcher inside the loop of ``runner``."""

    def __init__(self, count: int, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.dispatcher = LoopDispatcher("crowd")
        runner.run(self._begin())
        Crowd.__init__(self, count)

    async def _begin(self) -> None:
        self.dispatcher.start()

    def close(self) -> None:
        """The dispatcher stops its actors."""

        async def end() -> None:
            self.dispatcher.stop()

        self._runner.run(end())


class StockCrowd(Crowd):
    """A thread each.

    Raises:
        Unavailable: this machine does not allow so many threads; all that had started are stopped.
    """

    def __init__(self, count: int) -> None:
        self._before = frozenset(threading.enumerate())
        super().__init__(count)

    def start_more(self, count: int) -> list[Ref]:
        """As Pykka's users start them."""
        refs: list[Ref] = []
        last: Ref | None = None
        others = threading.active_count()
        try:
            for _ in range(count):
                last = StockMember.start(last)
                refs.append(last)
        except RuntimeError as error:  # "can't start new thread"
            self._forget_unstarted(refs)
            self.stop_some(refs)
            if not self.refs:
                self._join()
            raise Unavailable(
                f"no more than {len(refs)} of {count} threads beside {others} others: {error}"
            ) from error
        return refs

    def _forget_unstarted(self, started: Sequence[Ref]) -> None:
        """Pykka registers an actor before its thread starts, and leaves it there if it does not."""
        running = {ref.actor_urn for ref in (*self.refs, *started)}
        for ref in pykka.ActorRegistry.get_by_class(StockMember):
            if ref.actor_urn not in running:
                pykka.ActorRegistry.unregister(ref)

    def close(self) -> None:
        """Stop all, and wait until the threads are gone."""
        self.stop_some(self.refs)
        self._join()

    def _join(self) -> None:
        for thread in threading.enumerate():
            if thread not in self._before:
                thread.join(PATIENCE_S)
