"""Dead letters: messages that reached nobody.

Counted, the last ones kept, each one told to a hook.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["DeadLetter", "DeadLetters"]

_KEPT = 256  # enough to see what happened, small enough to forget


class DeadLetter(msgspec.Struct, frozen=True):
    """One message and the urn it was meant for."""

    actor_urn: str
    message: Any


class DeadLetters:
    """The count and the latest; ``hook(actor_urn, message)`` is called for each."""

    __slots__ = ("_count", "_lock", "hook", "recent")

    def __init__(self, hook: Callable[[str, Any], object] | None = None, kept: int = _KEPT) -> None:
        self.hook = hook
        self.recent: deque[DeadLetter] = deque(maxlen=kept)
        self._count = 0
        self._lock = threading.Lock()  # a stopped dispatcher buries letters on its senders' threads

    @property
    def count(self) -> int:
        """How many there were in all."""
        return self._count

    def add(self, actor_urn: str, message: Any) -> None:
        """Count, keep and tell."""
        with self._lock:
            self._count += 1
        self.recent.append(DeadLetter(actor_urn, message))
        if self.hook is not None:
            self.hook(actor_urn, message)
