"""How a simulated venue behaves, as data: fees, queueing, latency, sessions, capabilities.

Nothing here is a default that flatters: where a venue could be kinder or harsher, the harsher
reading is the default (queue position counts, cancels happen behind you, what you took stays
taken). Durations are nanoseconds.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from ..capabilities import Capabilities, IdScope, ReduceOnlyRule
from ..errors import InvalidValue
from ..values import ONE, ZERO, OrderType, TimeInForce, TriggerSource, Word

__all__ = [
    "DAY_NS",
    "FULL_CAPABILITIES",
    "ExchangeConfig",
    "FeeCurrency",
    "FeePlan",
    "QueueModel",
    "SelfTradeRule",
    "SessionCalendar",
]

DAY_NS: Final = 86_400_000_000_000


class QueueModel(Word):
    """When a resting order is filled by outside trading at its price."""

    QUEUED = (
        "QUEUED"  # after the size displayed when it joined has traded; cancels happen behind it
    )
    THROUGH = "THROUGH"  # only when the market trades through its price
    TOUCH = "TOUCH"  # as if it were first in the queue: optimistic, for comparison only


class SelfTradeRule(Word):
    """What happens when an account's order meets its own resting order."""

    ALLOW = "ALLOW"  # both sides fill, and share one execution id
    CANCEL_NEWEST = "CANCEL_NEWEST"  # the rest of the arriving order is cancelled
    CANCEL_OLDEST = "CANCEL_OLDEST"  # the resting order is cancelled, the arriving one goes on


class FeeCurrency(Word):
    """Which coin a fee is taken in. A rebate (negative rate) is always paid as QUOTE says."""

    QUOTE = "QUOTE"  # the quote currency; the settle currency of a contract
    RECEIVED = (
        "RECEIVED"  # spot: the base on a buy, the quote on a sell; a contract: its settle currency
    )
    THIRD = "THIRD"  # another coin, valued at ``third_px``


class FeePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Rates are fractions of notional; amounts are rounded to ``step`` against the payer."""

    maker: Decimal = ZERO
    taker: Decimal = ZERO
    currency: FeeCurrency = FeeCurrency.QUOTE
    third_currency: str = ""
    third_px: Decimal = ONE  # quote (or settle) currency per unit of the third coin
    step: Decimal = Decimal("0.00000001")

    def __post_init__(self) -> None:
        if self.currency is FeeCurrency.THIRD and not (self.third_currency and self.third_px > 0):
            raise InvalidValue(
                "a fee in a third coin needs third_currency and third_px above 0,"
                f" got {self.third_currency!r} at {self.third_px}"
            )
        if not (abs(self.maker) < 1 and abs(self.taker) < 1):
            raise InvalidValue(
                f"fee rates are fractions below 1, got maker {self.maker}, taker {self.taker}"
            )
        if not self.step > 0:
            raise InvalidValue(f"fee step must be above 0, was {self.step}")


class SessionCalendar(msgspec.Struct, frozen=True, kw_only=True):
    """When a trading day ends: listed closes (UTC ns, ascending), or else a fixed period.

    With ``closes`` given, an instant after the last one has no session end and DAY orders are
    refused.
    """

    closes: tuple[int, ...] = ()
    period_ns: int = DAY_NS
    offset_ns: int = 0  # of the close within the period, counted from the epoch

    def __post_init__(self) -> None:
        if self.period_ns <= 0:
            raise InvalidValue(f"period_ns must be above 0, was {self.period_ns}")
        if list(self.closes) != sorted(self.closes):
            raise InvalidValue(f"closes must be ascending, were {self.closes[:8]}")

    def end_after(self, now_ns: int) -> int | None:
        """The first close strictly after ``now_ns``, or None when none is known."""
        if self.closes:
            return next((close for close in self.closes if close > now_ns), None)
        periods = (now_ns - self.offset_ns) // self.period_ns + 1
        return periods * self.period_ns + self.offset_ns


#: What the simulator can do when nothing is taken away from it.
FULL_CAPABILITIES: Final = Capabilities(
    order_types=tuple(OrderType),
    trigger_sources=tuple(TriggerSource),
    times_in_force=tuple(TimeInForce),
    post_only=True,
    reduce_only=ReduceOnlyRule.CLAMP,
    amend=True,
    cash_qty=True,
    hedge_mode=True,
    client_id_length_max=36,
    client_id_scope=IdScope.FOREVER,
    lookup_by_client_id=True,
    lists_trigger_orders=True,
    executions_complete=True,
    positions_complete=True,
    cash_positions=True,
    visibility_lag_ns=0,
    request_window_ns=0,
    inline=True,
    exits_share_balance=True,
)


class ExchangeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated venue. ``None`` limits mean "no limit", never "unknown"."""

    capabilities: Capabilities = FULL_CAPABILITIES
    fees: FeePlan = FeePlan()
    latency_out_ns: int = 0  # a request takes effect this long after it was sent
    latency_in_ns: int = 0  # an answer or report is visible this long after its effect
    queue_model: QueueModel = QueueModel.QUEUED
    self_trade: SelfTradeRule = SelfTradeRule.ALLOW
    calendar: SessionCalendar = SessionCalendar()
    max_fill_share: Decimal = ONE  # of each displayed level that our orders may take
    taken_stays_taken: bool = (
        True  # what we took of a level is still gone when it is displayed again
    )
    last_from_quotes: bool = (
        False  # quotes pull the last price into [bid, ask]: for feeds without trades
    )
    refuse_immediate_trigger: bool = False  # else such a stop is elected at once
    checks_idle_triggers: bool = (
        True  # reduce-only rules hold for stops before they are elected, too
    )
    reduce_only_skips_min_notional: bool = True
    child_on_trigger: bool = (
        False  # an elected order works under a new venue id; the old one still finds it
    )
    restart_reuses_exec_ids: bool = False  # outside of what an engine can tell apart
    leverage: Decimal = ONE  # of contracts, where balances are tracked
    history_max: int | None = None  # closed orders kept; their executions go with them

    def __post_init__(self) -> None:
        if self.latency_out_ns < 0 or self.latency_in_ns < 0:
            raise InvalidValue(
                f"latencies must be >= 0, were {self.latency_out_ns} and {self.latency_in_ns}"
            )
        if not 0 < self.max_fill_share <= 1:
            raise InvalidValue(f"max_fill_share must be in (0, 1], was {self.max_fill_share}")
        if not self.leverage > 0:
            raise InvalidValue(f"leverage must be above 0, was {self.leverage}")
        if self.history_max is not None:
            scope = self.capabilities.client_id_scope
            if self.history_max < 0 or scope in (IdScope.FOREVER, IdScope.WINDOW):
                raise InvalidValue(
                    "history_max forgets client ids, so it must be >= 0 and needs the id scope"
                    f" OPEN_ONLY or NONE; got {self.history_max} with {scope.value}"
                )

    @property
    def has_latency(self) -> bool:
        """Whether anything takes time at this venue."""
        return bool(self.latency_out_ns or self.latency_in_ns)
