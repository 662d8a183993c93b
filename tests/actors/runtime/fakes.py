"""Actors and turn hooks that the runtime's tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.runtime import Actor, Future, Input, PlainTurn, TurnDiscarded


class Recorder(Actor):
    """Keeps what it receives, and replies with it."""

    def __init__(self, log: list[Any] | None = None) -> None:
        self.log: list[Any] = [] if log is None else log

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, BaseException):
            raise message
        self.log.append(message)
        return message

    def on_start(self) -> None:
        self.log.append("start")

    def on_stop(self) -> None:
        self.log.append("stop")

    def on_failure(self, *info: Any) -> None:
        self.log.append(f"failure {info[1]}")

    def double(self, number: int) -> int:
        return 2 * number


class Doing(Actor):
    """Does what a message says: a message is a function of the actor."""

    __slots__ = ()

    def on_receive(self, message: Callable[[Actor], Any]) -> Any:
        return message(self)


class FailingTurn(PlainTurn):
    """Discards as many turns as it is told to; remembers the inputs of each."""

    __slots__ = ("discard", "seen")

    def __init__(self, discard: int = 0) -> None:
        super().__init__()
        self.discard = discard
        self.seen: list[list[Any]] = []

    def finish(self, inputs: list[Input]) -> None:
        self.seen.append([message for _, message, _ in inputs])
        if self.discard:
            self.discard -= 1
            raise TurnDiscarded("the disk is full")
        super().finish(inputs)


class KeepingSupervisor:
    """Keeps failures and lets the actor live."""

    def __init__(self) -> None:
        self.failures: list[tuple[Actor, Any, Exception]] = []

    def failed(self, actor: Actor, message: Any, exc: Exception) -> None:
        self.failures.append((actor, message, exc))


def done_values(futures: list[Future[Any]]) -> list[Any]:
    """The values of those that are done, ``None`` for the others."""
    return [future.get() if future.done() else None for future in futures]
