"""A turn: drain what is runnable, commit once, then let the effects leave.

The dispatcher drains and calls; what a commit and an effect are is decided by a :class:`TurnHooks`.
Replies to ``ask`` are effects like any other: handed to the turn, and set only after its commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from engine.errors import EngineError

from .actor import Actor
from .future import Future

__all__ = ["Box", "Input", "PlainTurn", "TurnDiscarded", "TurnHooks"]

#: What stands in a queue: the actor, the message, and the future an asker waits for.
Input: TypeAlias = tuple[Actor, Any, Future[Any] | None]


class Box:
    """The waiting messages of one actor, each with the turn that posted it (0: none).

    The ``first`` ones of them were posted to be first.
    """

    __slots__ = ("actor", "first", "items")

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.first = 0
        self.items: deque[tuple[Input, int]] = deque()


class TurnDiscarded(EngineError):
    """Raised by :meth:`TurnHooks.finish`: nothing of this turn counts.

    The dispatcher puts the turn's inputs back in front, in order, forgets what the turn had posted,
    armed and spawned, and pauses until ``resume()``. Whoever raises it restores the entities the
    turn had changed.
    """


class TurnHooks(Protocol):
    """What happens around and at the end of a turn. All calls come from the dispatcher's thread."""

    def begin(self) -> None:
        """A turn begins."""
        ...

    def finish(self, inputs: list[Input]) -> None:
        """Commit, then release effects and replies.

        ``inputs`` came from outside this turn, in the order handled.

        Raises:
            TurnDiscarded: the commit failed. Any other exception ends the dispatcher.
        """
        ...

    def stage(self) -> Callable[[], object] | None:
        """In place of :meth:`finish`: what commits this turn, fit to be run on another thread while
        no turn runs here; ``None``: nothing has to be written. :meth:`complete` follows.
        """
        ...

    def complete(self, inputs: list[Input], error: BaseException | None) -> None:
        """The rest of :meth:`finish`, once what :meth:`stage` gave has run, or raised ``error``."""
        ...

    def reply(self, future: Future[Any], value: Any) -> None:
        """Stage a reply to an ask."""
        ...

    def reply_exception(self, future: Future[Any], exc: BaseException) -> None:
        """Stage the failure of an ask."""
        ...


class PlainTurn:
    """Turns without a journal: replies are set when the turn ends."""

    __slots__ = ("_replies",)

    def __init__(self) -> None:
        self._replies: list[tuple[Future[Any], Any, BaseException | None]] = []

    def begin(self) -> None:
        """Forget replies of a turn that did not finish."""
        self._replies.clear()

    def finish(self, inputs: list[Input]) -> None:
        """Set the replies."""
        if self._replies:
            replies, self._replies = self._replies, []
            for future, value, exc in replies:
                if exc is None:
                    future.set(value)
                else:
                    future.set_exception(exc)

    def stage(self) -> None:
        """Nothing is written."""

    def complete(self, inputs: list[Input], error: BaseException | None) -> None:
        """As :meth:`finish`."""
        del error
        self.finish(inputs)

    def reply(self, future: Future[Any], value: Any) -> None:
        """Keep a reply for the end."""
        self._replies.append((future, value, None))

    def reply_exception(self, future: Future[Any], exc: BaseException) -> None:
        """Keep a failure for the end."""
        self._replies.append((future, None, exc))
