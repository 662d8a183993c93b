"""Garbage collection belongs to the host; what a system may do about it when the host says so.

A full collection walks every tracked object, and there are as many as orders: at 1,000,000 open
orders it takes a third of a second, in which no order moves. With ``"tune"`` it comes rarely, and
what recovery made is never walked. (Reference counting frees what is let go of, at once, in either
case: nothing of ours needs the collector.)
"""

from __future__ import annotations

import gc
import threading
from typing import Final, Literal, TypeAlias, get_args

from engine.errors import InvalidValue

__all__ = ["GcPolicy", "Tuning"]

#: ``"leave"``: the collector is as the host has it. ``"tune"``: see this module.
GcPolicy: TypeAlias = Literal["leave", "tune"]

#: New objects before a young collection, young ones before a middle one, middle ones before a full.
_THRESHOLDS: Final = (50_000, 20, 100)


class Tuning:
    """What one system does to the collector of its process, and takes back at its end.

    Several systems of a process share one collector: the first changes it, the last restores it.
    """

    _lock = threading.Lock()
    _systems = 0
    _before: tuple[int, int, int] | None = None
    _froze = False

    def __init__(self, policy: GcPolicy) -> None:
        """Remember what is asked for.

        Raises:
            InvalidValue: there is no such policy.
        """
        if policy not in get_args(GcPolicy):
            raise InvalidValue(f"gc_policy must be 'leave' or 'tune', was {policy!r:.80}")
        self._tunes = policy == "tune"
        self._begun = False

    def begin(self) -> None:
        """Before recovery: let collections come rarely, unless the host lets them come rarer."""
        if not self._tunes or self._begun:
            return
        self._begun = True
        cls = Tuning
        with cls._lock:
            cls._systems += 1
            if cls._systems == 1:
                cls._before = gc.get_threshold()
                if 0 < cls._before[0] < _THRESHOLDS[0]:  # 0: the host has switched it off
                    gc.set_threshold(*_THRESHOLDS)

    def freeze(self) -> None:
        """After recovery: what is there now will stay, so it is not walked again."""
        if self._begun:
            with Tuning._lock:
                if not gc.get_freeze_count():  # else the host froze what it has, for good
                    Tuning._froze = True
                if Tuning._froze:
                    gc.collect()
                    gc.freeze()

    def end(self) -> None:
        """At the end: the collector is as it was before. Ending twice is fine."""
        if not self._begun:
            return
        self._begun = False
        cls = Tuning
        with cls._lock:
            cls._systems -= 1
            if cls._systems == 0:
                if cls._before is not None:
                    gc.set_threshold(*cls._before)
                if cls._froze:
                    gc.unfreeze()
                cls._before, cls._froze = None, False
