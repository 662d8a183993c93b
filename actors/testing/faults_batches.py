"""The items of a batch: one call carries all of them, so each has arrived before any is waited for.

Each item goes wrong by itself. One that hangs holds up the whole answer, and no other request.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator, Sequence
from typing import Any, TypeAlias

from ..venues.port import Outcome, Unknown
from .faults_calls import AdapterError

__all__ = ["answers_of_all"]

_Item: TypeAlias = Coroutine[Any, Any, Outcome]


class _Begun:
    """An item whose request is at the venue; ``outcome`` is there already, or comes later."""

    def __init__(self, item: _Item) -> None:
        self.item = item
        self.awaited: Any = None
        self.outcome: Outcome | None = None
        try:
            self.awaited = item.send(None)
        except StopIteration as stop:
            self.outcome = stop.value
        except AdapterError as error:
            self.outcome = Unknown(str(error))

    async def answer(self) -> Outcome:
        """Wait for the rest."""
        if self.outcome is not None:
            return self.outcome
        try:
            return await _rest(self.item, self.awaited)
        except AdapterError as error:
            return Unknown(str(error))


@types.coroutine
def _rest(item: _Item, awaited: Any) -> Generator[Any, Any, Outcome]:
    """What is left of a coroutine that has begun and waits for ``awaited``."""
    while True:
        value = yield awaited
        try:
            awaited = item.send(value)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome


async def answers_of_all(items: Sequence[_Item]) -> list[Outcome]:
    """Begin all, in order, then wait for each; what an adapter raises for one is unknown."""
    begun = [_Begun(item) for item in items]
    try:
        return [await one.answer() for one in begun]
    finally:
        for one in begun:
            one.item.close()  # of an engine that died nobody waits any more
