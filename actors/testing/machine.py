"""A state machine over the simulated system, to be subclassed (needs ``orderwright[testing]``).

:class:`ExecutionMachine` does to a real system whatever a host, a market, a venue, people and fate
can do, in any order: submit orders and groups, submit again, cancel, amend, signal, stop, restart;
quotes, trades, marks, time; faults at the venue; settlements, baselines, corrections and drop
copies; kill switches and trading modes; crashes before and after a commit, a full disk. After each
rule the judge looks
(:meth:`SimulatedSystem.check`); at the end of each example everything is healed, comes to rest, and
is compared with the venue's truth.

Everything that happens is a step of a :class:`~engine.testing.scenario.Scenario`. A failure shrinks
to a short one, which is written to :attr:`ExecutionMachine.scenario_dir` and named in the failure;
``orderwright simulate --scenario FILE`` plays it again. Hypothesis shrinks what it has drawn; what
is broken by the system alone is then shrunk as a scenario (:mod:`actors.testing.shrinking`).

A subclass brings its own orders (:meth:`ExecutionMachine.orders`), venue
(:meth:`ExecutionMachine.beginnings`), strategy (:meth:`ExecutionMachine.on_events`, which may
submit, cancel and amend) and promises (:meth:`ExecutionMachine.promises`), and rules and invariants
as any machine of Hypothesis does. ``TestMine = Mine.TestCase`` makes it a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import MultipleResults, initialize, multiple, precondition, rule

from engine.group import legs_of
from engine.messages import SubmitOrder, VenueStatus
from engine.order_tables import Life
from engine.testing.faults import Fault, FaultKind, When
from engine.testing.scenario import (
    ACCOUNT,
    Cancels,
    CancelsGroup,
    Copies,
    Crashes,
    Injects,
    JournalFails,
    Quotes,
    Restarts,
    Scenario,
    Settles,
    Shifts,
    Step,
    Stops,
    Submits,
    SubmitsGroup,
    Trades,
    Turns,
    Waits,
)
from engine.testing.strategies import (
    amends,
    crashes,
    durations,
    middle,
    moves,
    next_mid,
    shifts,
    stops,
    submitted_groups,
)
from engine.values import Instrument, OrderType, Side

from .machine_base import MachineBase, PromiseBroken
from .machine_control import ControlRules
from .running import simulated

__all__ = ["ExecutionMachine", "PromiseBroken"]

T = TypeVar("T")
_SECOND: Final = 1_000_000_000


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
    may = machine.may_crash and machine.system.alive
    return may and machine.is_rare(Crashes, Stops, JournalFails)


def _may_shift(machine: ExecutionMachine) -> bool:
    return _may_command(machine) and machine.is_rare(Shifts)


def _may_fail(machine: ExecutionMachine) -> bool:
    return machine.is_rare(Injects)


def _has_doubts(machine: ExecutionMachine) -> bool:
    broker = machine.broker() if _may_command(machine) else None
    return broker is not None and any(
        actor.order.life is Life.IN_DOUBT for actor in broker.orders.values()
    )


def _has_traded(machine: ExecutionMachine) -> bool:
    return machine.system.alive and bool(machine.system.exchange.executions(ACCOUNT, 0)[0])


#: What follows a command at once: nothing, a few turns, or time enough for it to leave, or to end.
_AFTER: Final = st.sampled_from(
    (None, Turns(2), Turns(8), Waits(5_000_000), Waits(20_000_000), Waits(100_000_000))
)

#: Somebody trades with the order of the next cancel, and it is told after the cancel's answer.
_LATE: Final = Injects(Fault(FaultKind.FILL_AFTER_CANCEL, When(verb="cancel", nth=1)))
#: How much others trade with an order while a request for it is on its way; 0: nothing.
_LOTS: Final = st.just(0) | st.integers(1, 30)


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


class ExecutionMachine(ControlRules):
    """See the module's text, and :class:`~actors.testing.machine_base.MachineBase` for what to
    override and what a strategy can do.
    """

    @initialize(target=MachineBase.intents, begin=_begins(), data=st.data())
    def begin(self, begin: _Begin, data: st.DataObject) -> MultipleResults[str]:
        """The system starts, the market opens with prices on both sides, the host has an order or
        two: what never trades finds nothing.
        """
        self.scenario = msgspec.structs.replace(begin.scenario, listens=True, steps=())
        self.system = simulated(self.scenario)
        self.mids = {one.symbol: middle(one) for one in self.scenario.instruments}
        for one in self.scenario.instruments:
            mid, far = self.mids[one.symbol], 20 * one.lot_size
            tick = one.tick_size
            self.do(Quotes(one.symbol, mid - tick, far, mid + tick, far))
        self.do(Waits(_SECOND))
        self.begun()
        if not self.random_host:
            return multiple()
        first = data.draw(st.lists(self.orders(), min_size=1, max_size=3))
        names = self._submit_all(first, data.draw(_AFTER))
        if self._resting():
            self._contend(data)
        return names

    # --- the host ---------------------------------------------------------------------------------

    @rule(target=MachineBase.intents, orders=_of("_some_orders"), after=_AFTER)
    @precondition(_may_command)
    def submits(self, orders: list[SubmitOrder], after: Step | None) -> MultipleResults[str]:
        """The host submits an order, or a few at once."""
        return self._submit_all(orders, after)

    @rule(intent=MachineBase.intents)
    @precondition(_may_command)
    def submits_again(self, intent: str) -> None:
        """The host is not sure that an intent was taken, and submits it again."""
        self.do(Submits(self.submitted[intent]))

    @rule(intent=MachineBase.intents, after=_AFTER, lots=_LOTS, late=st.booleans())
    @precondition(_may_command)
    def cancels(self, intent: str, after: Step | None, lots: int, late: bool) -> None:
        """The host asks for a cancel, whatever has become of the order; others may trade with it
        meanwhile, which may be told after its end.
        """
        if late and self.is_rare(Injects):
            self.do(_LATE)
        self.cancel(intent)
        self._follow(after)
        self._meet(intent, lots)

    @rule(intent=MachineBase.intents, data=st.data(), after=_AFTER, lots=_LOTS)
    @precondition(_may_command)
    def amends(self, intent: str, data: st.DataObject, after: Step | None, lots: int) -> None:
        """The host asks for new terms; others may trade with the order meanwhile."""
        order = self.submitted[intent]
        market = self._market_of(order)
        self.do(data.draw(amends(intent, order, market, self.mids[market.symbol])))
        self._follow(after)
        self._meet(intent, lots)

    @rule(data=st.data())
    @precondition(lambda self: _may_command(self) and bool(self._resting()))
    def contends(self, data: st.DataObject) -> None:
        """A request for an order that rests is on its way while others trade a part of it; of a
        cancel that may be told after the end.
        """
        self._contend(data)

    def _contend(self, data: st.DataObject) -> None:
        intent = data.draw(st.sampled_from(self._resting()))
        order = self.submitted[intent]
        what = data.draw(st.sampled_from(("cancels", "is late", "amends", "is late")))
        if what == "amends" and order.order_qty is not None:
            self.amend(intent, order_qty=order.order_qty + self._market_of(order).lot_size)
        else:
            if what == "is late":
                self.do(_LATE)
            self.cancel(intent)
        self.do(Turns(data.draw(st.sampled_from((2, 4, 8)))))
        self._meet(intent, 1)

    def _resting(self) -> list[str]:
        """Intents whose orders work at the exchange, with a price and more than a lot to fill."""
        lots = {one.symbol: one.lot_size for one in self.scenario.instruments}
        return [
            terms.intent_id
            for terms, seen in self.system.exchange.placed(ACCOUNT)
            if seen.status is VenueStatus.WORKING
            and terms.intent_id in self.submitted
            and terms.order_type is OrderType.LIMIT
            and seen.order_qty is not None
            and seen.order_qty - (seen.cum_qty or 0) > lots[terms.instrument]
        ]

    # --- groups -----------------------------------------------------------------------------------

    @rule(group=_of("_new_groups"), after=_AFTER)
    @precondition(lambda self: _may_command(self) and self.is_rare(SubmitsGroup))
    def submits_group(self, group: SubmitsGroup, after: Step | None) -> None:
        """The host submits contingent orders: a bracket, exits alone, an OCO, OTO or OUO."""
        self.groups[group.intent] = group
        self.do(group)
        self._follow(after)

    @rule(data=st.data(), after=_AFTER)
    @precondition(lambda self: _may_command(self) and bool(self.groups))
    def asks_of_group(self, data: st.DataObject, after: Step | None) -> None:
        """The host submits a group again, calls it off, or cancels one leg of it."""
        group = self.groups[data.draw(st.sampled_from(list(self.groups)))]
        names = [f"{group.intent}/{leg.name}" for leg in legs_of(group.root)]
        asked = (
            st.just(group)
            | st.builds(CancelsGroup, st.just(group.intent), st.booleans())
            | st.builds(Cancels, st.sampled_from(names))
        )
        self.do(data.draw(asked))
        self._follow(after)

    @rule(data=st.data(), after=_AFTER)
    @precondition(lambda self: _may_command(self) and bool(self.groups))
    def moves_leg(self, data: st.DataObject, after: Step | None) -> None:
        """The host moves a stop, a target or, in vain, what has filled."""
        group = self.groups[data.draw(st.sampled_from(list(self.groups)))]
        market = self._market_of(next(legs_of(group.root)).order)
        self.do(data.draw(moves(group, market, self.mids[market.symbol])))
        self._follow(after)

    def _new_groups(self) -> st.SearchStrategy[SubmitsGroup]:
        intent = f"g{len(self.groups) + 1}"
        return self._markets().flatmap(
            lambda one: submitted_groups(intent, one, self.mids[one.symbol])
        )

    def _some_orders(self) -> st.SearchStrategy[list[SubmitOrder]]:
        return st.lists(self.orders(), min_size=1, max_size=3)

    def _submit_all(
        self, orders: Sequence[SubmitOrder], after: Step | None
    ) -> MultipleResults[str]:
        names = [self.submit(order) for order in orders]
        self._follow(after)
        return multiple(*names)

    def _follow(self, after: Step | None) -> None:
        if after is not None:
            self.do(after)

    def _market_of(self, order: SubmitOrder) -> Instrument:
        return next(m for m in self.scenario.instruments if m.symbol == order.instrument)

    # --- people and other channels ----------------------------------------------------------------

    @rule(intent=MachineBase.intents)
    @precondition(_has_doubts)
    def settles(self, intent: str) -> None:
        """A person states what became of an order, if it is in doubt."""
        self.do(Settles(intent))

    @rule(shift=_of("_shifts"))
    @precondition(_may_shift)
    def shifts(self, shift: Shifts) -> None:
        """A holding changes without an order, as a baseline or a correction says."""
        self.do(shift)

    @rule(count=st.integers(1, 4))
    @precondition(_has_traded)
    def copies(self, count: int) -> None:
        """A drop copy tells what has been executed, before the stream or after it."""
        self.do(Copies(count))

    def _shifts(self) -> st.SearchStrategy[Shifts]:
        return self._markets().flatmap(lambda one: shifts(one, self.mids[one.symbol]))

    # --- market, time, trouble --------------------------------------------------------------------

    @rule(step=_of("market_steps"))
    def moves(self, step: Step) -> None:
        """A market moves."""
        for one in self.scenario.instruments:
            self.mids[one.symbol] = next_mid(step, one, self.mids[one.symbol])
        self.do(step)

    @rule(intent=MachineBase.intents, lots=st.integers(1, 30))
    def meets(self, intent: str, lots: int) -> None:
        """Others trade through the price of an order."""
        self._meet(intent, lots)

    def _meet(self, intent: str, lots: int) -> None:
        if not lots:
            return
        order = self.submitted[intent]
        market = self._market_of(order)
        at = self.mids[market.symbol] if order.price is None else order.price
        is_buy = order.side is Side.BUY
        px = at - market.tick_size if is_buy else at + market.tick_size
        seller = Side.SELL if is_buy else Side.BUY
        self.do(Trades(market.symbol, max(px, market.tick_size), lots * market.lot_size, seller))

    @rule(count=st.sampled_from((1, 2, 3, 5, 8, 20, 60)))
    @precondition(_lives)
    def turns(self, count: int) -> None:
        """The system does a little of what it could do now."""
        self.do(Turns(count))

    @rule(ns=durations())
    def waits(self, ns: int) -> None:
        """Time passes."""
        self.do(Waits(ns))

    @rule(fault=_of("faults"))
    @precondition(_may_fail)
    def fails(self, fault: Fault) -> None:
        """One more thing goes wrong at the venue."""
        self.do(Injects(fault))

    @rule(crash=crashes() | stops() | st.builds(JournalFails, st.integers(1, 3)))
    @precondition(_may_crash)
    def crashes(self, crash: Crashes | Stops | JournalFails) -> None:
        """The process dies, or is about to; its host stops it in order; the disk is full."""
        self.do(crash)

    @rule()
    @precondition(lambda self: not _lives(self))
    def restarts(self) -> None:
        """A new process takes the journal up."""
        self.do(Restarts())
        self.restarted()
