"""Client order ids in sequence, made fast: only the last two digits of the intent number change
from one to the next.
"""

from __future__ import annotations

from typing import Final

from .values import BASE36, format_client_order_id

__all__ = ["ClientOrderIds"]

_PAIRS: Final = tuple(a + b for a in BASE36 for b in BASE36)
_FIRST_ATTEMPT: Final = "01"


class ClientOrderIds:
    """The ids of one engine and journal incarnation, from ``start`` on.

    Not thread-safe: its owner holds a lock.
    """

    __slots__ = ("_engine", "_incarnation", "_number", "_prefix", "_prefix_of")

    def __init__(self, engine: str, incarnation: str, start: int) -> None:
        self._engine = engine
        self._incarnation = incarnation
        self._number = start
        self._prefix_of = -1
        self._prefix = ""

    def next(self) -> str:
        """The next id; equal to :func:`~engine.values.format_client_order_id` with attempt 1."""
        number = self._number
        self._number = number + 1
        high, low = divmod(number, len(_PAIRS))
        if high != self._prefix_of:
            whole = format_client_order_id(self._engine, self._incarnation, number, 1)
            self._prefix = whole[:-4]
            self._prefix_of = high
        return self._prefix + _PAIRS[low] + _FIRST_ATTEMPT
