"""The vocabulary of Orderwright: what is traded, what one asks for, what venues say, what became
true.

``engine`` decides and is pure: no thread, clock, file or socket. Read, in this order:
:mod:`engine.messages` (every word), :mod:`engine.order` and :mod:`engine.order_tables` (an order's
three regions), :mod:`engine.order_steps` (what each message does), :mod:`engine.position` (slots
and P&L), :mod:`engine.session` (what leaves next), :mod:`engine.fold` (state from facts). The
system that runs all this is ``actors``.
"""

from .budget import BudgetRule
from .capabilities import Capabilities, IdScope, ReduceOnlyRule
from .contingent import bracket, even_after, leg, oco, oto, ouo, trail_by
from .drift import DriftView
from .errors import (
    AskTimeout,
    DuplicateIntent,
    EngineError,
    InvalidOrder,
    InvalidValue,
    InvariantViolated,
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalSchemaError,
    JournalUnavailable,
    MailboxFull,
    RecordingError,
    SlowReader,
    SystemStopped,
    UnknownOrder,
    UserError,
)
from .flatten import FlatReport, Scope
from .intents import (
    limit,
    market,
    stop,
    stop_limit,
    take_profit,
    take_profit_limit,
    trailing_stop,
)
from .messages import (
    CorrectPosition,
    DriftRemedy,
    FlatProgress,
    GroupState,
    LegRole,
    MonitorFired,
    NativeShape,
    PnlUnit,
    PositionDrifted,
    SetBaseline,
    SubmitOrder,
    Swap,
    TradingMode,
)
from .policies.risk import RiskLimits
from .position_tables import Exposure
from .prices import Price
from .rates import UsedRate
from .session import SessionLimits
from .signals import Direction, EntrySignal, ExitSignal, SignalAccepted, SignalRefused
from .trigger_tables import Trigger
from .trips import PositionClosed, PositionOpened, PositionReopened, Trip
from .values import (
    CorrectionKind,
    Instrument,
    InstrumentKind,
    OrderState,
    OrderType,
    PositionSlot,
    Side,
    TimeInForce,
    TriggerSource,
)
from .views import OrderView

__all__ = [
    "AskTimeout",
    "BudgetRule",
    "Capabilities",
    "CorrectPosition",
    "CorrectionKind",
    "Direction",
    "DriftRemedy",
    "DriftView",
    "DuplicateIntent",
    "EngineError",
    "EntrySignal",
    "ExitSignal",
    "Exposure",
    "FlatProgress",
    "FlatReport",
    "GroupState",
    "IdScope",
    "Instrument",
    "InstrumentKind",
    "InvalidOrder",
    "InvalidValue",
    "InvariantViolated",
    "JournalCorrupt",
    "JournalError",
    "JournalLocked",
    "JournalSchemaError",
    "JournalUnavailable",
    "LegRole",
    "MailboxFull",
    "MonitorFired",
    "NativeShape",
    "OrderState",
    "OrderType",
    "OrderView",
    "PnlUnit",
    "PositionClosed",
    "PositionDrifted",
    "PositionOpened",
    "PositionReopened",
    "PositionSlot",
    "Price",
    "RecordingError",
    "ReduceOnlyRule",
    "RiskLimits",
    "Scope",
    "SessionLimits",
    "SetBaseline",
    "Side",
    "SignalAccepted",
    "SignalRefused",
    "SlowReader",
    "SubmitOrder",
    "Swap",
    "SystemStopped",
    "TimeInForce",
    "TradingMode",
    "Trigger",
    "TriggerSource",
    "Trip",
    "UnknownOrder",
    "UsedRate",
    "UserError",
    "bracket",
    "even_after",
    "leg",
    "limit",
    "market",
    "oco",
    "oto",
    "ouo",
    "stop",
    "stop_limit",
    "take_profit",
    "take_profit_limit",
    "trail_by",
    "trailing_stop",
]
