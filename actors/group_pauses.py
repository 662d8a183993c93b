"""What a group waits for after refusals: not at once again, and longer each time.

Memory only: a restart asks once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.group_actions import Resize

__all__ = ["Pauses", "pause_ns"]

_FIRST_NS: Final = 25_000_000  # after a refusal: 100 ms, then four times as long each time
_MAX_NS: Final = 10_000_000_000
_SLOW_MAX_NS: Final = 3_600_000_000_000  # every order that is refused is kept for ever
_MANY: Final = 30  # five minutes of closes that are refused
_AMENDS_MAX: Final = 3  # the same amend refused: then another order is placed instead


def pause_ns(times: int) -> int:
    """How long to wait after something was refused so many times in a row."""
    return min(_FIRST_NS << 2 * min(times, 8), _MAX_NS)


def _close_ns(times: int) -> int:
    """The same for a close, the longer the longer it goes on: its group is written down each time,
    with all that were refused.
    """
    return max(pause_ns(times), _MAX_NS * (times // _MANY))


def _slow_ns(times: int) -> int:
    """The same for what nobody waits for."""
    return min(_FIRST_NS << 2 * min(times, 16), _SLOW_MAX_NS)


class Pauses:
    """Those of one group, by the names of its legs and by its orders. Times are monotonic."""

    __slots__ = ("_asked", "_rests")

    def __init__(self) -> None:
        #: How often it had failed when that was counted last, and until when it rests.
        self._rests: dict[str, tuple[int, int]] = {}
        #: By order: what was asked of it last (None: its end), and how often in a row.
        self._asked: dict[str, tuple[Resize | None, int]] = {}

    def failed(self, leg: str, times: int, now_ns: int, *, slow: bool) -> None:
        """So many orders of a leg were refused by now; ``slow``: what is held has its stop."""
        if times > self.times(leg):
            self._rests[leg] = times, now_ns + (_slow_ns if slow else _close_ns)(times)

    def asked(self, cid: str, what: Resize | None, now_ns: int, *, in_vain: bool) -> None:
        """Something is asked of an order. The same again, or what comes after an amend that has
        changed nothing (``in_vain``), means a refusal: the next one is not at once.
        """
        last, count = self._asked.get(cid, (what, 0))
        count = count + 1 if last == what or in_vain else 1
        self._asked[cid] = what, count
        if count > 1:
            self._rests[cid] = count, now_ns + pause_ns(count)

    def last_amend(self, cid: str) -> Resize | None:
        """The amend that was asked of an order last, if that was the last request."""
        return self._asked.get(cid, (None, 0))[0]

    def wait(self, leg: str, now_ns: int) -> None:
        """A leg waits once more, as long as the last time."""
        times = self.times(leg)
        self._rests[leg] = times, now_ns + pause_ns(times)

    def rest(self, leg: str, now_ns: int) -> None:
        """A leg is not tried for a while, though nothing was refused."""
        self._rests[leg] = self.times(leg), now_ns + _MAX_NS

    def forgive(self, leg: str, cids: Iterable[str]) -> None:
        """There is a new wish: it is tried at once, whatever became of the last."""
        for cid in cids:
            self._asked.pop(cid, None)
            self._rests.pop(cid, None)
        self._rests[leg] = self.times(leg), 0

    def times(self, leg: str) -> int:
        """How often a leg has failed, as counted last."""
        return self._rests.get(leg, (0, 0))[0]

    def resting(self, now_ns: int) -> list[str]:
        """Legs and orders that rest now."""
        return [name for name, (_, due_ns) in self._rests.items() if due_ns > now_ns]

    def stubborn(self) -> dict[str, Resize]:
        """Orders whose amends are refused again and again, and the last of these."""
        return {
            cid: what
            for cid, (what, count) in self._asked.items()
            if what is not None and count >= _AMENDS_MAX
        }

    def ends(self, now_ns: int) -> int | None:
        """When the first of them ends; None: nothing rests."""
        return min((due for _, due in self._rests.values() if due > now_ns), default=None)
