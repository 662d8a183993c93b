"""Limits of a venue: calls in flight, send-by times, rate budgets with a share kept for exits.

A venue rule is a token bucket (:class:`BudgetRule`); a session keeps several, and a call pays into
each that charges its kind. Arithmetic is in whole numbers: a level is counted in token-nanoseconds
(tokens x ``refill_ns``), so nothing is ever rounded away. In any span of w nanoseconds at most
``capacity + refill * w / refill_ns`` tokens are spent; :meth:`BudgetRule.per_window` turns a
venue's "N per window" into a rule that keeps it in *every* window.

Time is an argument and never runs backwards: an earlier ``now_ns`` refills nothing.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from .calls import EXITS, CallKind
from .errors import InvalidValue
from .given import check_flag, check_kind, check_text_of

__all__ = ["Bucket", "BudgetRule", "Charge", "SessionLimits", "charges"]

_SECOND: Final = 1_000_000_000


class BudgetRule(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rule of a venue: a bucket of ``capacity``, gaining ``refill`` tokens each ``refill_ns``.

    ``reserved`` tokens are left for cancels and reducing orders: nothing else may take the level
    below them. ``place``, ``cancel``, ``amend`` and ``query`` are the tokens a call costs; 0 means
    this rule does not count it. In a batch each item costs that, unless ``per_batch``: then the
    whole of it costs what one item does.

    Raises:
        InvalidValue: when a call could never leave under the rule, or the reserve could not pay for
            one exit.
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
    per_batch: bool = False

    def __post_init__(self) -> None:
        check_text_of("the name of a budget", self.name, empty=False)
        check_flag(f"budget {self.name!r}: per_batch", self.per_batch)
        for field in ("capacity", "refill", "refill_ns"):
            _whole(f"budget {self.name!r}: {field}", getattr(self, field), at_least=1)
        for field in ("reserved", "place", "cancel", "amend", "query"):
            _whole(f"budget {self.name!r}: {field}", getattr(self, field), at_least=0)
        dearest = max(self.place, self.amend, self.query)
        if self.capacity - self.reserved < dearest:
            raise InvalidValue(
                f"budget {self.name!r}: capacity - reserved must cover the dearest call"
                f" ({dearest}), was {self.capacity} - {self.reserved}; it could never leave"
            )
        exit_cost = max(self.place, self.cancel, self.amend)
        if self.capacity < exit_cost or 0 < self.reserved < exit_cost:
            raise InvalidValue(
                f"budget {self.name!r}: reserved must be 0 or pay for one exit ({exit_cost})"
                f" within the capacity {self.capacity}, was {self.reserved}"
            )

    @classmethod
    def per_window(
        cls, name: str, *, limit: int, window_ns: int, burst: int, reserved: int
    ) -> BudgetRule:
        """A rule that lets at most ``limit`` tokens through any window, wherever it starts.

        ``burst`` of them may leave at once; the rest trickles in. A bucket of capacity ``limit``
        refilled with ``limit`` would let twice the limit through a window, which is how bots get
        banned.
        """
        _whole(f"budget {name!r:.40}: limit", limit, at_least=2)
        _whole(f"budget {name!r:.40}: burst", burst, at_least=1)
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


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one venue account bears. Durations are nanoseconds.

    A strictly serial venue has ``window=1, exit_slots=0``: a cancel then waits for at most one
    call.

    Raises:
        InvalidValue: when nothing could ever leave, or two budgets share a name.
    """

    window: int = 4  # calls in flight
    exit_slots: int = 1  # beyond the window, for cancels and reducing calls
    entry_send_by_ns: int = 5 * _SECOND
    throttle_pause_ns: int = _SECOND  # when a venue throttles without saying for how long
    budgets: tuple[BudgetRule, ...] = ()

    def __post_init__(self) -> None:
        for field in ("window", "entry_send_by_ns", "throttle_pause_ns"):
            _whole(field, getattr(self, field), at_least=1)
        _whole("exit_slots", self.exit_slots, at_least=0)
        check_kind("budgets", self.budgets, tuple)
        for rule in self.budgets:
            check_kind("each of budgets", rule, BudgetRule)
        names = [rule.name for rule in self.budgets]
        if len(dict.fromkeys(names)) != len(names):
            raise InvalidValue(f"budgets need different names, were {names}")


def _whole(what: str, value: object, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise InvalidValue(f"{what} must be a whole number >= {at_least}, was {value!r:.80}")


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
        gone = now_ns - self._at_ns
        if gone > 0:
            level = self._level + gone * self._rate
            self._level = level if level < self._capacity else self._capacity
            self._at_ns = now_ns
        ready = now_ns
        if self._level < need:
            ready = self._at_ns - (self._level - need) // self._rate  # rounds up
        return ready if ready > self._closed_until_ns else self._closed_until_ns

    def spend(self, cost: int) -> None:
        """Take ``cost``; only after :meth:`ready_at` said now."""
        self._level -= cost

    def close_until(self, until_ns: int) -> None:
        """The venue refused a call on this rule: nothing it charges leaves before then."""
        self._closed_until_ns = max(self._closed_until_ns, until_ns)


#: (bucket, cost, level needed before): what a call pays, in token-nanoseconds.
Charge: TypeAlias = tuple[Bucket, int, int]


def charges(
    buckets: tuple[Bucket, ...], kind: CallKind, *, is_exit: bool = False, rides: bool = False
) -> tuple[Charge, ...]:
    """What a call of this kind pays; all but exits must leave the reserved tokens in the bucket.

    ``rides``: in a batch, behind its first.
    """
    found: list[Charge] = []
    for bucket in buckets:
        rule = bucket.rule
        tokens = {
            CallKind.CANCEL: rule.cancel,
            CallKind.REDUCE: rule.place,
            CallKind.AMEND: rule.amend,
            CallKind.NEW: rule.place,
            CallKind.QUERY: rule.query,
        }[kind]
        if tokens and not (rides and rule.per_batch):
            kept = 0 if is_exit or kind in EXITS else rule.reserved
            found.append((bucket, tokens * rule.refill_ns, (tokens + kept) * rule.refill_ns))
    return tuple(found)
