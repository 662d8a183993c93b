"""A matching venue without a clock: the paper venue and the faulty test venue are both this one.

Start at :class:`Exchange`; :class:`ExchangeConfig` says what can be varied.
"""

from .config import (
    FULL_CAPABILITIES,
    ExchangeConfig,
    FeeCurrency,
    FeePlan,
    QueueModel,
    SelfTradeRule,
    SessionCalendar,
)
from .exchange import Exchange, Ticket
from .market import IntegerDraw, MarketPath, MarketStep
from .orders import Answer, Refusal, RefuseReason
from .views import BalanceView, PositionView, TopView

__all__ = [
    "FULL_CAPABILITIES",
    "Answer",
    "BalanceView",
    "Exchange",
    "ExchangeConfig",
    "FeeCurrency",
    "FeePlan",
    "IntegerDraw",
    "MarketPath",
    "MarketStep",
    "PositionView",
    "QueueModel",
    "Refusal",
    "RefuseReason",
    "SelfTradeRule",
    "SessionCalendar",
    "Ticket",
    "TopView",
]
