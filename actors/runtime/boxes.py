"""Queues per actor: what the simulation draws from, where production has one queue for all."""

from __future__ import annotations

from typing import Any

from .actor import Actor
from .dispatcher import Dispatcher
from .future import Future
from .turns import Box, Input

__all__ = ["BoxedDispatcher"]


class BoxedDispatcher(Dispatcher):
    """A dispatcher whose next message is chosen among the actors that have one.

    With ``fifo`` nothing is chosen, and messages keep their global order.
    """

    def __init__(self, name: str, *, fifo: bool, turn_messages: int, **options: Any) -> None:
        super().__init__(name, **options)
        self._fifo = fifo
        self._turn_messages = turn_messages
        self._boxes: dict[int, Box] = {}
        self._runnable: list[Box] = []
        self._waiting = 0
        self._turn_number = 0
        if fifo:
            self.post = super().post  # type: ignore[method-assign]  # nothing to look up
            self.post_first = super().post_first  # type: ignore[method-assign]
            self.post_behind = super().post_behind  # type: ignore[method-assign]

    def _choose(self, n: int) -> int:
        """One of ``0 .. n-1``."""
        raise NotImplementedError

    def post(self, actor: Actor, message: Any, reply_to: Future[Any] | None = None) -> None:
        """Queue a message in the queue of its actor."""
        if self._stopped:
            super().post(actor, message, reply_to)
            return
        self._box_of(actor).items.append(
            ((actor, message, reply_to), self._turn_number if self._turn_thread else 0)
        )
        self._waiting += 1

    def post_first(self, actor: Actor, message: Any, reply_to: Future[Any] | None = None) -> None:
        """Queue a message before the others in the queue of its actor."""
        if self._stopped or self._turn_thread:
            self.post(actor, message, reply_to)
            return
        box = self._box_of(actor)
        box.items.insert(box.first, ((actor, message, reply_to), 0))
        box.first += 1
        self._waiting += 1

    def post_behind(self, actor: Actor, message: Any, reply_to: Future[Any] | None = None) -> None:
        """Queue a message behind the others in the queue of its actor."""
        self.post(actor, message, reply_to)

    def _box_of(self, actor: Actor) -> Box:
        box = self._boxes.get(id(actor))
        if box is None:
            box = self._boxes[id(actor)] = Box(actor)
            self._runnable.append(box)
        return box

    def queued(self) -> int:
        """How many messages wait."""
        return self._waiting + super().queued()

    def has_message_for(self, actor: Actor) -> bool:
        """Whether a message for ``actor`` waits."""
        return id(actor) in self._boxes or super().has_message_for(actor)

    def _drain(self, inputs: list[Input]) -> None:
        if self._fifo:
            super()._drain(inputs)
            return
        self._turn_number += 1
        for _ in range(self._choose(self._turn_messages) + 1):
            if not self._runnable:
                return
            index = self._choose(len(self._runnable))
            box = self._runnable[index]
            item, posted_in = box.items.popleft()
            box.first -= box.first > 0
            self._waiting -= 1
            if not box.items:
                self._runnable[index] = self._runnable[-1]
                self._runnable.pop()
                del self._boxes[id(box.actor)]
            if posted_in != self._turn_number:
                inputs.append(item)
            self._receive(item)

    def _turn_is_over(self, until_ns: int, rounds: int) -> bool:
        return rounds * len(self._batch) >= self._turn_messages

    def _restore(self, inputs: list[Input]) -> None:
        """Per actor: inputs in front, then what waited before; what this turn posted is dropped."""
        if self._fifo:
            super()._restore(inputs)
            return
        number = self._turn_number
        kept = [(item, by) for box in self._runnable for item, by in box.items if by != number]
        self._clear_boxes()
        for item in inputs:
            self.post(*item)
        for item, _ in kept:
            self.post(*item)

    def _clear_boxes(self) -> None:
        self._boxes.clear()
        self._runnable.clear()
        self._waiting = 0

    def _bury_waiting(self) -> None:
        waiting = [item for box in self._runnable for item, _ in box.items]
        self._clear_boxes()
        self._queue.extend(waiting)
        super()._bury_waiting()
