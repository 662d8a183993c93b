"""More than there is room for: it is not kept, and the venue is asked for all of it again.

A queue of reports, and those that wait for their order, have bounds. What comes beyond is a gap
like any other: written down, told, and closed by what the venue shows when it is asked. As it may
show the same again, which finds no room either, the next question waits.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

from engine.messages import LinkSilent
from engine.session_chart import SessionState

from .roles import BrokerRole

__all__ = ["AGAIN_NS", "Surplus"]

#: Between two questions because of surplus; less than lists are read back (``OVERLAP_NS``), so that
#: nothing falls between them.
AGAIN_NS: Final = 300_000_000_000
_LINKED: Final = (SessionState.READY, SessionState.RECONCILING, SessionState.SUSPECT)


class Surplus:
    """What one account's broker had no room for. Lives and dies with it.

    Attributes:
        total: how many reports, since the start.
    """

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self.total = 0
        self._lock = Lock()
        self._untold: dict[str, int] = {}
        self._oldest_ts: int | None = None  # of what was not kept and has not been since
        self._due = False  # a question is to be asked
        self._asked_ns: int | None = None

    def add(self, what: str, ts: int) -> None:
        """A report of time ``ts`` was not kept; from any thread. Inside a turn it counts when that
        is committed: else the report is handled again.
        """
        with self._lock:  # also of a turn that is discarded: it holds reading back, no more
            if self._oldest_ts is None or ts < self._oldest_ts:
                self._oldest_ts = ts
        if self.broker.dispatcher.in_turn():
            self.broker.turn.effects.append((self._add, what, None))
        else:
            self._add(what, None)

    def since(self, usual_ts: int) -> int:
        """From when on executions have to be read, so that none is passed over."""
        oldest = self._oldest_ts
        return usual_ts if oldest is None else max(min(usual_ts, oldest - AGAIN_NS), 0)

    def read(self, total: int, since_ts: int) -> None:
        """What executions since then showed, asked for when ``total`` had not been kept, has been
        taken. If all of it found room nothing is missing any more.
        """
        with self._lock:
            if total == self.total and since_ts <= self.since(since_ts):
                self._oldest_ts = None

    def _add(self, what: str, _: None) -> None:
        with self._lock:
            self.total += 1
            self._untold[what] = self._untold.get(what, 0) + 1
            if self._due:
                return
            self._due = True
        clock = self.broker.dispatcher
        asked = self._asked_ns
        wait = 0 if asked is None else max(asked + AGAIN_NS - clock.monotonic_ns(), 0)
        clock.watch_later(wait, self._ask)

    def _ask(self) -> None:
        """Timer: open a gap. Without a link the next one does."""
        broker = self.broker
        broker.turn.effects.append((self._asked, None, None))
        with self._lock:
            untold = ", ".join(f"{count} {what}" for what, count in self._untold.items())
        detail = f"{broker.name}: no room for {untold}: the venue is asked for all again"
        broker.alarm("surplus", detail)
        broker.link.ask_all(LinkSilent(broker.dispatcher.time_ns(), f"no room for {untold}"))

    def _asked(self, _: None, __: None) -> None:
        with self._lock:
            self._untold.clear()
            self._due = False
            self._asked_ns = self.broker.dispatcher.monotonic_ns()
