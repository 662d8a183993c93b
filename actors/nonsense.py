"""What an adapter tells that cannot be understood: an alarm, and never more than a few that wait.

It may come from any thread and as fast as an adapter can talk. So what says the same about the same
thing joins the alarm that waits to be told, which says how often.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

from .roles import BrokerRole

__all__ = ["WAITING_MAX", "Nonsense"]

#: Alarms that wait to be told; beyond, all of a kind are one.
WAITING_MAX: Final = 16


class _Waiting:
    """One alarm to come."""

    __slots__ = ("count", "detail")

    def __init__(self, detail: str) -> None:
        self.detail = detail
        self.count = 0


class Nonsense:
    """Alarms about one account's adapter. Lives and dies with its broker."""

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._lock = Lock()

    def tell(self, kind: str, about: str, detail: str) -> None:
        """Have a person told, soon; from any thread. ``about``: what it joins others by."""
        with self._lock:
            key = kind, about
            if key not in self._waiting and len(self._waiting) >= WAITING_MAX:
                key = kind, ""
            waiting = self._waiting.get(key)
            is_first = waiting is None
            if waiting is None:
                waiting = self._waiting[key] = _Waiting(detail)
            waiting.count += 1
        if is_first:
            self.broker.dispatcher.call_soon(lambda: self._alarm(key, waiting))

    def _alarm(self, key: tuple[str, str], waiting: _Waiting) -> None:
        """Inside a turn; again when that was discarded."""
        with self._lock:
            if self._waiting.get(key) is waiting:
                del self._waiting[key]
        more = f" (and {waiting.count - 1} more)" if waiting.count > 1 else ""
        self.broker.alarm(key[0], f"{self.broker.name}: {waiting.detail}{more}")
