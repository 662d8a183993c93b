"""Rate budgets: what a venue lets us send, with a share that only cancels and exits may spend.

A venue rule is a token bucket (:class:`BudgetRule`); a session keeps several, and a call pays into each that charges
its kind. Arithmetic is in whole numbers: a level is counted in token-nanoseconds (tokens x ``refill_ns``), so nothing
is ever rounded away. In any span of w nanoseconds at most ``capacity + refill * w / refill_ns`` tokens are spent;
:meth:`BudgetRule.per_window` turns a venue's "N per window" into a rule that keeps it in *every* window.

Time is an argument and never runs backwards: an earlier ``now_ns`` refills nothing.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from .errors import InvalidValue

__all__ = ["Bucket", "BudgetRule", "Charge"]


class BudgetRule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rule of a venue: a bucket of ``capacity`` tokens that gains ``refill`` tokens each ``refill_ns``.

    ``reserved`` tokens are left for cancels and reducing orders: nothing else may take the level below them.
    ``place``, ``cancel``, ``amend`` and ``query`` are the tokens a call costs; 0 means this rule does not count it.

    Raises:
        InvalidValue: when a call could never leave under the rule, or the reserve could not pay for one exit.
    """

    name: str
    capacity: int
    refill: int
    refill_ns: int
    reserved: int
    place: int = 1
    cancel: int = 1
    amend: int = 1
    query: int = 1

    def __post_init__(self) -> None:
        for field in ("capacity", "refill", "refill_ns"):
            self._whole(field, at_least=1)
        for field in ("reserved", "place", "cancel", "amend", "query"):
            self._whole(field, at_least=0)
        dearest = max(self.place, self.amend, self.query)
        if self.capacity - self.reserved < dearest:
            raise InvalidValue(
                f"budget {self.name!r}: capacity - reserved must cover the dearest call ({dearest}),"
                f" was {self.capacity} - {self.reserved}; it could never leave"
            )
        exit_cost = max(self.place, self.cancel, self.amend)
        if self.capacity < exit_cost or 0 < self.reserved < exit_cost:
            raise InvalidValue(
                f"budget {self.name!r}: reserved must be 0 or pay for one exit ({exit_cost}) within the"
                f" capacity {self.capacity}, was {self.reserved}"
            )

    def _whole(self, field: str, at_least: int) -> None:
        value: object = getattr(self, field)
        if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
            raise InvalidValue(
                f"budget {self.name!r}: {field} must be a whole number >= {at_least}, was {value!r}"
            )

    @classmethod
    def per_window(
        cls, name: str, *, limit: int, window_ns: int, burst: int, reserved: int
    ) -> BudgetRule:
        """A rule under which no window of ``window_ns``, wherever it starts, sees more than ``limit`` tokens spent.

        ``burst`` of them may leave at once; the rest trickles in. A bucket of capacity ``limit`` refilled with
        ``limit`` would let twice the limit through a window, which is how bots get banned.
        """
        if not 0 < burst < limit:
            raise InvalidValue(
                f"budget {name!r}: burst must be between 1 and limit - 1 ({limit - 1}), was {burst}"
            )
        return cls(
            name=name,
            capacity=burst,
            refill=limit - burst,
            refill_ns=window_ns,
            reserved=reserved,
        )


class Bucket:
    """The level of one rule. Created full; amounts are in token-nanoseconds."""

    __slots__ = ("_at_ns", "_capacity", "_closed_until_ns", "_level", "_rate", "bit", "rule")

    def __init__(self, rule: BudgetRule, index: int) -> None:
        self.rule = rule
        self.bit = 1 << index
        self._rate = rule.refill
        self._capacity = rule.capacity * rule.refill_ns
        self._level = self._capacity
        self._at_ns = 0
        self._closed_until_ns = 0

    def ready_at(self, need: int, now_ns: int) -> int:
        """The earliest time, not before ``now_ns``, at which the level is at least ``need``."""
        self._refill(now_ns)
        ready = now_ns
        if self._level < need:
            ready = self._at_ns - (self._level - need) // self._rate  # rounds up
        return max(ready, self._closed_until_ns)

    def spend(self, cost: int) -> None:
        """Take ``cost``; only after :meth:`ready_at` said now."""
        self._level -= cost

    def close_until(self, until_ns: int) -> None:
        """The venue refused a call on this rule: nothing that it charges leaves before ``until_ns``."""
        if until_ns > self._closed_until_ns:
            self._closed_until_ns = until_ns

    def _refill(self, now_ns: int) -> None:
        gone = now_ns - self._at_ns
        if gone > 0:
            level = self._level + gone * self._rate
            self._level = level if level < self._capacity else self._capacity
            self._at_ns = now_ns


#: (bucket, cost, level needed before): what one kind of call pays into one bucket, in token-nanoseconds.
Charge: TypeAlias = tuple[Bucket, int, int]
