"""What strategies and people do in a simulated system: signals, monitors, what they shut."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

from engine.flatten import Scope
from engine.messages import SetMonitor
from engine.policies.risk import RiskLimits
from engine.testing.scenario import (
    Flattens,
    Lifts,
    Monitors,
    Reconnects,
    SetsMode,
    SignalsEntry,
    SignalsExit,
    Unmonitors,
)
from engine.values import ONE

from ..monitoring import MonitorRules
from ..runtime import Future
from ..signals import SignalDesk
from ..system import ExecutionSystem
from .simulated_parts import WatchedSystem
from .simulated_system import SimulatedSystem

__all__ = ["ControlStep", "act", "leave_desk"]

_SECOND: Final = 1_000_000_000
_STATEMENT: Final = "a person of the scenario"
#: What a strategy may risk where its scenario does not say.
_RISK: Final = RiskLimits(currency="USDT", risk_amount=Decimal("0.3"))

ControlStep: TypeAlias = (
    SignalsEntry | SignalsExit | Flattens | Lifts | SetsMode | Monitors | Unmonitors | Reconnects
)


def act(system: SimulatedSystem, step: ControlStep) -> None:
    """Do it; what is answered is kept with the other commands of the life.

    Raises:
        UserError, MailboxFull, JournalError: it was refused, and nothing has changed.
    """
    real = system.system
    if isinstance(step, SignalsEntry | SignalsExit):
        system.asked.append(_desk(system).submit(step.signal))
    elif isinstance(step, Flattens):
        deadline, scope = step.deadline_ns / _SECOND, Scope(instrument=step.instrument)
        share = step.slice_share
        system.asked.append(real.flatten(scope, deadline, statement=_STATEMENT, slice_share=share))
    elif isinstance(step, Lifts):
        system.asked.append(real.lift(Scope(instrument=step.instrument), _STATEMENT))
    elif isinstance(step, Monitors):
        system.asked.append(_set(real, step.terms))
    elif isinstance(step, Unmonitors):
        system.asked.append(real.unmonitor(step.monitor_id))
    elif isinstance(step, Reconnects):
        system.venue.wire.let_in()
        system.asked.append(real.reconnect())
    else:
        scope = Scope(instrument=step.instrument)
        system.asked.append(real.set_mode(step.mode, scope, _STATEMENT))


def _set(real: ExecutionSystem, terms: SetMonitor) -> Future[str]:
    """The rules of a monitor, as a person would say them."""
    rules = MonitorRules(
        unit=terms.unit,
        price_source=terms.price_source,
        max_age=terms.max_age_ns / _SECOND,
        every=terms.every,
        close_times=terms.close_times,
        give_back_from=terms.give_back_from,
    )
    if terms.take_profit is not None:
        rules["take_profit"] = terms.take_profit
    if terms.stop_loss is not None:
        rules["stop_loss"] = terms.stop_loss
    if terms.give_back is not None:
        rules["give_back"] = terms.give_back
    if terms.hold_ns is not None:
        rules["hold"] = terms.hold_ns / _SECOND
    of = terms.instrument, terms.group_id, terms.currency
    return real.monitor(
        of[0], group=of[1], currency=of[2], slot=terms.slot, monitor_id=terms.monitor_id, **rules
    )


def _desk(system: SimulatedSystem) -> SignalDesk:
    """The desk of the present life, opened with its first signal; every coin is worth the same."""
    real = system.system
    assert isinstance(real, WatchedSystem)
    if real.desk is None:
        limits = system.risk or _RISK
        real.desk = SignalDesk(real, limits)
        for instrument in system.exchange.instruments():
            if instrument.settle_currency != limits.currency:
                real.desk.set_rate(instrument.settle_currency, ONE, system.now_ns())
    return real.desk


def leave_desk(system: SimulatedSystem) -> None:
    """Before an orderly stop: the strategy's desk is closed, and what waits there is refused."""
    real = system.system
    if isinstance(real, WatchedSystem) and real.desk is not None:
        real.desk.close()
