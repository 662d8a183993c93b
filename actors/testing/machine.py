"""A state machine over the simulated system, to be subclassed (needs ``orderwright[testing]``).

:class:`ExecutionMachine` does to a real system whatever a host, a market, a venue and fate can do,
in any order: submit, submit again, cancel, amend; quotes, trades, marks, time; faults at the
venue, crashes before and after a commit, restarts, a full disk. After each rule the judge looks
(:meth:`SimulatedSystem.check`); at the end of each example everything is healed, comes to rest, and
is compared with the venue's truth.

Everything that happens is a step of a :class:`~engine.testing.scenario.Scenario`. A failure shrinks
to a short one, which is written to :attr:`ExecutionMachine.scenario_dir` and named in the failure;
``orderwright simulate --scenario FILE`` plays it again.

A subclass brings its own orders (:meth:`ExecutionMachine.orders`), venue
(:meth:`ExecutionMachine.beginnings`), strategy (:meth:`ExecutionMachine.on_events`, which may
submit, cancel and amend) and promises (:meth:`ExecutionMachine.promises`), and rules and invariants
as any machine of Hypothesis does. ``TestMine = Mine.TestCase`` makes it a test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Final, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis import target
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from engine.messages import Event, SubmitOrder
from engine.order import Order
from engine.order_tables import Life
from engine.testing.faults import Fault
from engine.testing.scenario import (
    ACCOUNT,
    VENUE,
    Amends,
    Cancels,
    Crashes,
    Injects,
    JournalFails,
    Quotes,
    Restarts,
    Scenario,
    Step,
    Submits,
    Turns,
    Waits,
    scenario_to_json,
)
from engine.testing.strategies import (
    amends,
    beginnings,
    crashes,
    durations,
    faults,
    market_steps,
    middle,
    next_mid,
    orders,
)
from engine.values import Instrument

from .running import simulated, take
from .simulated_system import SPOT, SimulatedSystem
from .truth import Violation

__all__ = ["ExecutionMachine", "PromiseBroken"]

T = TypeVar("T")
_SECOND: Final = 1_000_000_000
_DIR: Final = Path(".orderwright")


class PromiseBroken(AssertionError):
    """The system, or what runs on it, did not keep a promise; ``violations`` say which."""

    def __init__(self, violations: Sequence[Violation], replay: str) -> None:
        lines = [f"{v.invariant}: {v.message} {v.entity}".rstrip() for v in violations]
        super().__init__("\n".join([*lines, replay]))
        self.violations = tuple(violations)


def _of(method: str) -> st.SearchStrategy[T]:
    """What a method of the running machine gives to draw from: it knows what has happened."""

    def ask(machine: ExecutionMachine) -> st.SearchStrategy[T]:
        drawn: st.SearchStrategy[T] = getattr(machine, method)()
        return drawn

    return st.runner().flatmap(ask)


def _lives(machine: ExecutionMachine) -> bool:
    return machine.system.alive


def _may_command(machine: ExecutionMachine) -> bool:
    return machine.random_host and machine.system.alive


def _may_crash(machine: ExecutionMachine) -> bool:
    return machine.may_crash and machine.system.alive


class _Begin:
    """A scenario to begin with, printed by what is not usual in it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    def __repr__(self) -> str:
        usual = Scenario(seed=0, instruments=self.scenario.instruments)
        told = [*_unlike(self.scenario, usual), *_unlike(self.scenario.config, usual.config)]
        return f"<{', '.join(told)}>"


@st.composite
def _begins(draw: st.DrawFn) -> _Begin:
    scenario: Scenario = draw(_of("beginnings"))
    return _Begin(scenario)


def _unlike(struct: msgspec.Struct, usual: msgspec.Struct) -> list[str]:
    """Each simple field that differs, as text."""
    fields = [(name, getattr(struct, name)) for name in struct.__struct_fields__]
    skipped = ("config", "instruments")
    return [
        f"{name}={value!r}"
        for name, value in fields
        if name not in skipped and value != getattr(usual, name)
    ]


class ExecutionMachine(RuleBasedStateMachine):
    """See the module's text.

    Attributes:
        instruments: what is traded; empty: drawn.
        settle_ns: how long, in virtual time, everything may take to come to rest.
        random_host: whether rules submit, cancel and amend at random; ``False``: only your
            strategy trades.
        may_crash: whether the process may die and the disk be full.
        last_waits_ns: how long a strategy is given at the end, wait by wait, before all is healed.
        scenario_dir: where scenarios of failures are written; ``None``: nowhere.
        intents: the bundle of intent ids, for rules of your own.
        system: what runs. submitted: the first terms of each intent. mids: where each market is.
    """

    intents: ClassVar[Bundle[str]] = Bundle("intents")

    instruments: ClassVar[Sequence[Instrument]] = (SPOT,)
    random_host: ClassVar[bool] = True
    may_crash: ClassVar[bool] = True
    settle_ns: ClassVar[int] = 1_800 * _SECOND
    last_waits_ns: ClassVar[Sequence[int]] = ()
    scenario_dir: ClassVar[Path | None] = _DIR

    system: SimulatedSystem

    def __init__(self) -> None:
        super().__init__()
        self.submitted: dict[str, SubmitOrder] = {}
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
        self, intent: str, *, order_qty: Decimal | None = None, price: Decimal | None = None
    ) -> bool:
        """Ask for new terms."""
        return self.do(Amends(intent, order_qty=order_qty, price=price))

    # --- rules ------------------------------------------------------------------------------------

    @initialize(begin=_begins())
    def begin(self, begin: _Begin) -> None:
        """The system starts, and the market opens with prices on both sides."""
        self.scenario = msgspec.structs.replace(begin.scenario, listens=True, steps=())
        self.system = simulated(self.scenario)
        self.mids = {one.symbol: middle(one) for one in self.scenario.instruments}
        for one in self.scenario.instruments:
            mid, far = self.mids[one.symbol], 20 * one.lot_size
            tick = one.tick_size
            self.do(Quotes(one.symbol, mid - tick, far, mid + tick, far))
        self.do(Waits(_SECOND))
        self.begun()

    @rule(target=intents, order=_of("orders"))
    @precondition(_may_command)
    def submits(self, order: SubmitOrder) -> str:
        """The host submits."""
        return self.submit(order)

    @rule(intent=intents)
    @precondition(_may_command)
    def submits_again(self, intent: str) -> None:
        """The host is not sure that an intent was taken, and submits it again."""
        self.do(Submits(self.submitted[intent]))

    @rule(intent=intents)
    @precondition(_may_command)
    def cancels(self, intent: str) -> None:
        """The host asks for a cancel, whatever has become of the order."""
        self.cancel(intent)

    @rule(intent=intents, data=st.data())
    @precondition(_may_command)
    def amends(self, intent: str, data: st.DataObject) -> None:
        """The host asks for new terms."""
        order = self.submitted[intent]
        market = next(m for m in self.scenario.instruments if m.symbol == order.instrument)
        self.do(data.draw(amends(intent, order, market, self.mids[market.symbol])))

    @rule(step=_of("market_steps"))
    def moves(self, step: Step) -> None:
        """A market moves."""
        for one in self.scenario.instruments:
            self.mids[one.symbol] = next_mid(step, one, self.mids[one.symbol])
        self.do(step)

    @rule(count=st.integers(1, 6))
    @precondition(_lives)
    def turns(self, count: int) -> None:
        """The system does a little of what it could do now."""
        self.do(Turns(count))

    @rule(ns=durations())
    def waits(self, ns: int) -> None:
        """Time passes."""
        self.do(Waits(ns))

    @rule(fault=_of("faults"))
    def fails(self, fault: Fault) -> None:
        """One more thing goes wrong at the venue."""
        self.do(Injects(fault))

    @rule(count=st.integers(1, 3))
    @precondition(_may_crash)
    def fails_to_write(self, count: int) -> None:
        """The disk is full for a while."""
        self.do(JournalFails(count))

    @rule(crash=crashes())
    @precondition(_may_crash)
    def crashes(self, crash: Crashes) -> None:
        """The process dies, or is about to."""
        self.do(crash)

    @rule()
    @precondition(lambda self: not _lives(self))
    def restarts(self) -> None:
        """A new process takes the journal up."""
        self.do(Restarts())
        self.restarted()

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
                target(float(self._in_flight), label="calls in flight")
                target(float(self._race), label="depth of a race")
                self._judge([*self.system.settle(self.settle_ns), *self.promises_at_rest()])
        finally:
            if begun:
                self.system.close()

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
        broker = self.system.system.brokers.get((VENUE, ACCOUNT)) if self.system.alive else None
        if broker is None:
            return
        self._in_flight = max(self._in_flight, broker.session.in_flight)
        for actor in broker.orders.values():
            self._race = max(self._race, _under_way(actor.order))

    def _markets(self) -> st.SearchStrategy[Instrument]:
        return st.sampled_from(self.scenario.instruments)


def _under_way(order: Order) -> int:
    """How many answers about an order are outstanding: its placement's, and its requests'."""
    unplaced = order.life in (Life.PENDING, Life.SUBMITTED, Life.IN_DOUBT)
    return len(order.requests) + unplaced
