"""What strategies and people do in a simulated system: signals, kill switches, trading modes."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

from engine.flatten import Scope
from engine.policies.risk import RiskLimits
from engine.testing.scenario import Flattens, Lifts, SetsMode, SignalsEntry, SignalsExit
from engine.values import ONE

from ..signals import SignalDesk
from .simulated_parts import WatchedSystem
from .simulated_system import SimulatedSystem

__all__ = ["ControlStep", "act", "leave_desk"]

_SECOND: Final = 1_000_000_000
_STATEMENT: Final = "a person of the scenario"
#: What a strategy may risk where its scenario does not say.
_RISK: Final = RiskLimits(currency="USDT", risk_amount=Decimal("0.3"))

ControlStep: TypeAlias = SignalsEntry | SignalsExit | Flattens | Lifts | SetsMode


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
    else:
        scope = Scope(instrument=step.instrument)
        system.asked.append(real.set_mode(step.mode, scope, _STATEMENT))


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
