"""What a broker's parts know of those that guard it against a venue that hangs, floods or errs."""

from __future__ import annotations

from typing import Any, Protocol

from engine.messages import Filled, OrderSnapshot
from engine.order import Order

from .broker_words import Read
from .runtime import Task

__all__ = ["ClaimsRole", "HungRole", "SurplusRole"]


class HungRole(Protocol):
    """Who lets go of calls that do not end."""

    full: dict[str, None]

    def is_late(self, kind: str, task: Task[Any]) -> None: ...

    def give_up(self, kind: str, task: Task[Any]) -> None: ...

    def let_go(self, kind: str, task: Task[Any]) -> None: ...


class ClaimsRole(Protocol):
    """Who sees totals that executions do not explain to their end."""

    def asked(self, order: Order) -> None: ...

    def looked(self, cid: str, seen: OrderSnapshot) -> None: ...

    def since(self, usual_ts: int) -> int: ...

    def read(self, read: Read, shown: list[Filled]) -> None: ...

    def forget(self, cid: str) -> None: ...

    def gone(self, cid: str) -> None: ...


class SurplusRole(Protocol):
    """Who sees to what there was no room for."""

    total: int

    def add(self, what: str, ts: int) -> None: ...

    def since(self, usual_ts: int) -> int: ...

    def read(self, total: int, since_ts: int) -> None: ...
