"""The venue of a drawn scenario: what is traded there, what it charges, how slow it is."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from ..budget import BudgetRule, SessionLimits
from ..capabilities import IdScope, ReduceOnlyRule
from ..simulator.config import (
    DAY_NS,
    FULL_CAPABILITIES,
    ExchangeConfig,
    FeeCurrency,
    FeePlan,
    QueueModel,
    SelfTradeRule,
    SessionCalendar,
)
from ..values import ONE, ZERO, Instrument, InstrumentKind, OrderType
from .scenario import VENUE

__all__ = ["DESK", "DrawnMarket", "drawn_config", "drawn_limits", "without_triggers"]

_MS: Final = 1_000_000
_SECOND: Final = 1_000 * _MS
_D = Decimal
_PLAIN: Final = (OrderType.MARKET, OrderType.LIMIT)

#: One instrument of each kind, with different grids.
DESK: Final = (
    Instrument(
        symbol="BTC/USDT",
        venue=VENUE,
        base="BTC",
        quote="USDT",
        tick_size=_D("0.5"),
        lot_size=_D("0.01"),
    ),
    Instrument(
        symbol="ETH-PERP",
        venue=VENUE,
        kind=InstrumentKind.LINEAR,
        base="ETH",
        quote="USD",
        settle="USD",
        tick_size=_D("0.05"),
        lot_size=_D("0.1"),
        multiplier=_D("0.5"),
    ),
    Instrument(
        symbol="BTC-COIN",
        venue=VENUE,
        kind=InstrumentKind.INVERSE,
        base="BTC",
        quote="USD",
        settle="BTC",
        tick_size=_D("0.1"),
        lot_size=_D(1),
        multiplier=_D(100),
    ),
)


class DrawnMarket:
    """One instrument as its prices walk, in ticks and lots."""

    def __init__(self, instrument: Instrument, draw: Callable[[int], int]) -> None:
        self.instrument = instrument
        self.mid = 400 + draw(40)
        self.half = 1 + draw(2)

    def price(self, ticks: int) -> Decimal:
        """So many ticks."""
        return ticks * self.instrument.tick_size

    def size(self, lots: int) -> Decimal:
        """So many lots."""
        return lots * self.instrument.lot_size


def drawn_config(draw: Callable[[int], int], profile: str) -> ExchangeConfig:
    """How the venue behaves; in hell some venues can prove less than others."""
    is_far = draw(3) > 0
    capabilities = FULL_CAPABILITIES
    if draw(4) == 0:
        capabilities = msgspec.structs.replace(capabilities, reduce_only=ReduceOnlyRule.REFUSE)
    if profile == "hell" and draw(5) == 0:
        scope = (IdScope.OPEN_ONLY, IdScope.NONE, IdScope.FOREVER)[draw(3)]
        capabilities = msgspec.structs.replace(
            capabilities,
            client_id_scope=scope,
            lookup_by_client_id=draw(2) == 0,
            executions_complete=draw(2) == 0,
            lists_trigger_orders=draw(2) == 0,
        )
    return ExchangeConfig(
        capabilities=capabilities,
        fees=_fees(draw),
        latency_out_ns=(1 + draw(40)) * _MS if is_far else 0,
        latency_in_ns=(1 + draw(40)) * _MS if is_far else 0,
        queue_model=(QueueModel.QUEUED, QueueModel.TOUCH, QueueModel.THROUGH)[draw(3)],
        self_trade=tuple(SelfTradeRule)[draw(3)],
        calendar=SessionCalendar(period_ns=(DAY_NS, 20 * _SECOND)[draw(2)]),
        max_fill_share=(ONE, _D("0.5"))[draw(2)],
        last_from_quotes=draw(2) == 0,
        refuse_immediate_trigger=draw(4) == 0,
        checks_idle_triggers=draw(3) > 0,
        child_on_trigger=draw(3) == 0,
    )


def without_triggers(config: ExchangeConfig, draw: Callable[[int], int]) -> ExchangeConfig:
    """The venue without triggers of its own, or without some of them."""
    able = config.capabilities
    kept = (_PLAIN, _PLAIN, (*_PLAIN, OrderType.STOP), (*_PLAIN, OrderType.TAKE_PROFIT_LIMIT))
    able = msgspec.structs.replace(able, order_types=kept[draw(len(kept))])
    return msgspec.structs.replace(config, capabilities=able)


def _fees(draw: Callable[[int], int]) -> FeePlan:
    return FeePlan(
        maker=(ZERO, _D("-0.0001"), _D("0.0005"))[draw(3)],
        taker=(ZERO, _D("0.00075"), _D("0.002"))[draw(3)],
        currency=tuple(FeeCurrency)[draw(3)],
        third_currency="BNB",
        third_px=_D(3),
    )


def drawn_limits(draw: Callable[[int], int]) -> SessionLimits | None:
    """What the session keeps to: often the defaults, at times one call at a time, or a budget."""
    which = draw(5)
    if which < 2:
        return None
    if which == 2:
        return SessionLimits(window=1, exit_slots=0)
    if which == 3:
        return SessionLimits(window=2, exit_slots=1, entry_send_by_ns=_SECOND)
    rule = BudgetRule(name="all", capacity=6, refill=2, refill_ns=_SECOND, reserved=2)
    return SessionLimits(budgets=(rule,))
