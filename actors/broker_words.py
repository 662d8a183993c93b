"""What is said to a broker besides the vocabulary of ``engine``, and what it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import EngineError

from .runtime import Future
from .tickets import Until

if TYPE_CHECKING:
    from .order import OrderActor

__all__ = ["Ask", "Counters", "ExecutionElsewhere", "Thaw", "WaitFor"]


class Ask(NamedTuple):
    """A command from the facade and the future its answer goes to."""

    command: Any
    future: Future[Any] | None


class WaitFor(NamedTuple):
    """Somebody waits until an order is there."""

    client_order_id: str
    until: Until
    future: Future[Any]


class ExecutionElsewhere(EngineError):
    """The journal has this execution on another order: booking it again would double it."""


class Counters:
    """What a broker has seen, for reports and for tests."""

    __slots__ = ("adopted", "duplicates", "failures", "late", "parked", "quarantined", "reports")

    def __init__(self) -> None:
        self.reports = 0
        self.duplicates = 0
        self.late = 0
        self.quarantined = 0
        self.parked = 0
        self.adopted = 0
        self.failures = 0


class Thaw:
    """Undo of a freeze."""

    def restore(self, before: OrderActor, extra: bool) -> None:
        """Take it back."""
        before.frozen = extra

