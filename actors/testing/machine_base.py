"""The part of :class:`~actors.testing.machine.ExecutionMachine` that runs, judges and keeps.

What subclasses override and what strategies call is here; what happens at random is in
:mod:`actors.testing.machine`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Final

import msgspec
from hypothesis import strategies as st
from hypothesis import target
from hypothesis.control import current_build_context
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant

from engine.messages import Event, SubmitOrder
from engine.order import Order
from engine.order_tables import Life
from engine.testing.faults import Fault
from engine.testing.scenario import (
    ACCOUNT,
    VENUE,
    Amends,
    Cancels,
    Flattens,
    Restarts,
    Scenario,
    SetsMode,
    Step,
    Submits,
    SubmitsGroup,
    Waits,
    scenario_to_json,
)
from engine.testing.strategies import beginnings, faults, market_steps, orders
from engine.values import Instrument

from ..broker import BrokerActor
from .running import take
from .shrinking import shrink
from .simulated_system import SPOT, SimulatedSystem
from .truth import Violation

__all__ = ["MachineBase", "PromiseBroken"]

_SECOND: Final = 1_000_000_000
_DIR: Final = Path(".orderwright")


class PromiseBroken(AssertionError):
    """The system, or what runs on it, did not keep a promise; ``violations`` say which."""

    def __init__(self, violations: Sequence[Violation], replay: str) -> None:
        lines = [f"{v.invariant}: {v.message} {v.entity}".rstrip() for v in violations]
        super().__init__("\n".join([*lines, replay]))
        self.violations = tuple(violations)


class MachineBase(RuleBasedStateMachine):
    """See :class:`actors.testing.machine.ExecutionMachine`.

    Attributes:
        instruments: what is traded; empty: drawn.
        settle_ns: how long, in virtual time, everything may take to come to rest.
        random_host: whether rules submit, cancel and amend at random; ``False``: only your
            strategy trades.
        may_crash: whether the process may die or be stopped, and the disk be full.
        last_waits_ns: how long a strategy is given at the end, wait by wait, before all is healed.
        scenario_dir: where scenarios of failures are written; ``None``: nowhere.
        intents: the bundle of intent ids, for rules of your own.
        system: what runs. submitted: the first terms of each intent. groups: of each group.
        mids: where each market is. shut: what people have shut.
    """

    intents: ClassVar[Bundle[str]] = Bundle("intents")

    instruments: ClassVar[Sequence[Instrument]] = (SPOT,)
    random_host: ClassVar[bool] = True
    may_crash: ClassVar[bool] = True
    settle_ns: ClassVar[int] = 1_800 * _SECOND
    last_waits_ns: ClassVar[Sequence[int]] = ()
    scenario_dir: ClassVar[Path | None] = _DIR

    system: SimulatedSystem
    scenario: Scenario
    mids: dict[str, Decimal]

    def __init__(self) -> None:
        super().__init__()
        self.submitted: dict[str, SubmitOrder] = {}
        self.groups: dict[str, SubmitsGroup] = {}
        self.shut: list[Flattens | SetsMode] = []
        self._steps: list[Step] = []
        self._heard = 0
        self._failed = False
        self._in_flight = 0
        self._race = 0

    # --- for subclasses ---------------------------------------------------------------------------

    def beginnings(self) -> st.SearchStrategy[Scenario]:
        """Venues to begin at, with nothing happening yet."""
        return beginnings(traded=self.instruments)

    def orders(self) -> st.SearchStrategy[SubmitOrder]:
        """Orders to submit; their intent ids are given by the machine."""
        return self._markets().flatmap(
            lambda one: orders(one, self.mids[one.symbol], now_ns=self.system.now_ns())
        )

    def faults(self) -> st.SearchStrategy[Fault]:
        """Faults to inject while it runs."""
        return faults()

    def market_steps(self) -> st.SearchStrategy[Step]:
        """What a market may do next."""
        return self._markets().flatmap(lambda one: market_steps(one, self.mids[one.symbol]))

    def begun(self) -> None:
        """The system has just started; here a strategy is made to run on it."""

    def restarted(self) -> None:
        """A new process has taken the journal up; what was in the memory of the old one is gone."""

    def on_events(self, events: Sequence[Event]) -> None:
        """What became true since the last rule: here a strategy reacts."""

    def promises(self) -> Iterable[Violation]:
        """What is broken of your own promises now; asked after each rule."""
        return ()

    def promises_at_rest(self) -> Iterable[Violation]:
        """What is broken of your own promises once everything has come to rest."""
        return ()

    # --- what a strategy and a rule can do --------------------------------------------------------

    def do(self, step: Step) -> bool:
        """Let one thing happen, as part of the scenario. False: refused, nothing has changed."""
        self._steps.append(step)
        try:
            return take(self.system, step)
        except Exception as error:
            self._failed = True
            error.add_note(self._keep("nothing_failed"))
            raise

    def submit(self, order: SubmitOrder) -> str:
        """Submit an order; gives its intent id, which is made where the order has none."""
        intent = order.intent_id or f"i{len(self.submitted) + 1}"
        named = msgspec.structs.replace(order, intent_id=intent)
        self.submitted.setdefault(intent, named)
        self.do(Submits(named))
        return intent

    def cancel(self, intent: str) -> bool:
        """Ask for the rest of an order to be cancelled."""
        return self.do(Cancels(intent))

    def amend(
        self,
        intent: str,
        *,
        order_qty: Decimal | None = None,
        price: Decimal | None = None,
        stop_px: Decimal | None = None,
    ) -> bool:
        """Ask for new terms."""
        return self.do(Amends(intent, order_qty=order_qty, price=price, stop_px=stop_px))

    def is_rare(self, *kinds: type[Step]) -> bool:
        """Whether there have been few steps of these kinds: runs of nothing else find nothing."""
        return 6 * sum(isinstance(step, kinds) for step in self._steps) <= len(self._steps)

    def broker(self) -> BrokerActor | None:
        """The broker of the system that runs, to look at; None: none runs."""
        return self.system.system.brokers.get((VENUE, ACCOUNT)) if self.system.alive else None

    # --- judging ----------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        """What has to hold at any time holds; then the strategy hears what became true."""
        self._judge([*self.system.check(), *self.promises()])
        self._measure()
        events = self.system.heard[self._heard :]
        if events and self.system.alive:
            self._heard += len(events)
            self.on_events(events)
            self._judge([*self.system.check(), *self.promises()])

    def teardown(self) -> None:
        """Heal, let everything come to rest, and judge."""
        begun = hasattr(self, "system")
        try:
            if begun and not self._failed and sys.exception() is None:
                self._last_waits()
                for label, depth in self.depths().items():
                    target(float(depth), label=label)
                self._judge([*self.system.settle(self.settle_ns), *self.promises_at_rest()])
        finally:
            if begun:
                self.system.close()

    def depths(self) -> dict[str, int]:
        """What Hypothesis is led to see more of, by name: how much was under way at once."""
        return {"calls in flight": self._in_flight, "depth of a race": self._race}

    def _last_waits(self) -> None:
        for ns in self.last_waits_ns:
            if not self.system.alive:
                self.do(Restarts())
                self.restarted()
            self.do(Waits(ns))
            self.holds()

    def _judge(self, found: Sequence[Violation]) -> None:
        if found:
            self._failed = True
            raise PromiseBroken(found, self._keep(found[0].invariant))

    def _keep(self, invariant: str) -> str:
        """Write the scenario down; gives the line that says how it is played again."""
        scenario = msgspec.structs.replace(self.scenario, steps=tuple(self._steps))
        if current_build_context().is_final:  # Hypothesis has shrunk what it drew; we can do better
            scenario = shrink(scenario, invariant)
        text = scenario_to_json(scenario)
        if self.scenario_dir is None:
            return f"scenario: {text.decode()}"
        path = self.scenario_dir / f"{type(self).__name__}-{invariant}.json"
        try:
            self.scenario_dir.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
        except OSError as error:
            return f"scenario (it could not be written: {error}): {text.decode()}"
        return f"replay: orderwright simulate --scenario {path}"

    def _measure(self) -> None:
        """How much is under way: what the search is led to."""
        broker = self.broker()
        if broker is None:
            return
        self._in_flight = max(self._in_flight, broker.session.in_flight)
        for cid, actor in broker.orders.items():
            depth = _under_way(actor.order)
            seen = self.system.exchange.order(ACCOUNT, cid, None, 0) if depth else None
            if seen is not None and seen.cum_qty != actor.order.cum_qty:
                depth += 1  # it has filled meanwhile, and we do not know
            self._race = max(self._race, depth)

    def _markets(self) -> st.SearchStrategy[Instrument]:
        return st.sampled_from(self.scenario.instruments)


def _under_way(order: Order) -> int:
    """How many answers about an order are outstanding: its placement's, and its requests'."""
    unplaced = order.life in (Life.PENDING, Life.SUBMITTED, Life.IN_DOUBT)
    return len(order.requests) + unplaced
