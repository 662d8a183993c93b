"""The rules of :class:`~actors.testing.machine.ExecutionMachine` by which strategies signal and set
monitors, people shut and open an account, and its venue shuts us out or goes silent.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from engine.messages import TradingMode
from engine.testing.scenario import (
    Bars,
    Flattens,
    Lifts,
    Monitors,
    Reconnects,
    SetsMode,
    SignalsEntry,
    SignalsExit,
    Silences,
    Step,
    Turns,
    Unmonitors,
    Waits,
)
from engine.testing.strategies import bars, monitors, signals, silences, switches

from .machine_base import MachineBase

__all__ = ["ControlRules"]

_AFTER = st.sampled_from((None, Turns(2), Turns(8), Waits(20_000_000), Waits(2_000_000_000)))


def _may_signal(machine: MachineBase) -> bool:
    may = machine.random_host and machine.system.alive
    return may and machine.is_rare(SignalsEntry, SignalsExit)


def _may_shut(machine: MachineBase) -> bool:
    return machine.random_host and machine.system.alive and machine.is_rare(Flattens, SetsMode)


def _is_shut(machine: MachineBase) -> bool:
    return machine.random_host and machine.system.alive and bool(machine.shut)


def _may_monitor(machine: MachineBase) -> bool:
    may = machine.random_host and machine.system.alive
    return may and machine.is_rare(Monitors, Unmonitors)


def _may_be_cut_off(machine: MachineBase) -> bool:
    return machine.is_rare(Bars, Reconnects, Silences)


class ControlRules(MachineBase):
    """Signals, monitors, kill switches, trading modes; a venue that is shut or silent."""

    @rule(data=st.data(), after=_AFTER)
    @precondition(_may_monitor)
    def monitors(self, data: st.DataObject, after: Step | None) -> None:
        """A person sets a rule about what is held, at times over an older one, or takes it away."""
        name = data.draw(st.sampled_from(("m1", "m2")))
        market = data.draw(st.sampled_from(self.scenario.instruments))
        new = monitors(name, market, list(self.groups), now_ns=self.system.now_ns())
        self.do(data.draw(new | st.just(Unmonitors(name))))
        if after is not None:
            self.do(after)

    @rule(step=bars() | st.just(Reconnects()) | silences(), after=_AFTER)
    @precondition(_may_be_cut_off)
    def is_cut_off(self, step: Bars | Reconnects | Silences, after: Step | None) -> None:
        """The venue shuts us out, or a person has mended that, also where it need not be; or its
        price feed tells nothing for a while.
        """
        self.do(step)
        if after is not None:
            self.do(after)

    @rule(data=st.data(), after=_AFTER)
    @precondition(_may_signal)
    def signals(self, data: st.DataObject, after: Step | None) -> None:
        """A strategy signals an entry or an exit, or says again what it said before."""
        said = [one for one in self._steps if isinstance(one, SignalsEntry | SignalsExit)]
        market = data.draw(st.sampled_from(self.scenario.instruments))
        name, now_ns = f"s{len(said) + 1}", self.system.now_ns()
        new = signals(name, market, self.mids[market.symbol], now_ns=now_ns)
        self.do(data.draw(new | st.sampled_from(said) if said else new))
        if after is not None:
            self.do(after)

    @rule(data=st.data(), after=_AFTER)
    @precondition(_may_shut)
    def shuts(self, data: st.DataObject, after: Step | None) -> None:
        """A person pulls a kill switch, or sets a trading mode."""
        symbols = ["", *(one.symbol for one in self.scenario.instruments)]
        step = data.draw(switches(symbols))
        if self.do(step):
            self.shut.append(step)
        if after is not None:
            self.do(after)

    @rule(data=st.data())
    @precondition(_is_shut)
    def opens(self, data: st.DataObject) -> None:
        """A person lifts a switch, or opens what a mode had shut."""
        was = data.draw(st.sampled_from(self.shut))
        self.shut.remove(was)
        if isinstance(was, Flattens):
            self.do(Lifts(was.instrument))
        else:
            self.do(SetsMode(TradingMode.ALL, was.instrument))
