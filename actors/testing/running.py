"""Runs a scenario: its steps one by one, a look after each, and the judgement once all is at rest.

``run(scenario(7, "rough"))`` gives a :class:`Result`; equal scenarios give equal results.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from engine.errors import JournalError, MailboxFull, UserError
from engine.testing.drawing import scenario as drawn
from engine.testing.scenario import (
    START_NS,
    Amends,
    AmendsElsewhere,
    Bars,
    Cancels,
    CancelsElsewhere,
    CancelsGroup,
    Copies,
    Crashes,
    Happens,
    Injects,
    JournalFails,
    Lapses,
    Marks,
    MovesLeg,
    PlacesElsewhere,
    Quotes,
    Restarts,
    Scenario,
    Settles,
    Shifts,
    Silences,
    Step,
    Stops,
    Submits,
    SubmitsGroup,
    Trades,
    Turns,
    Waits,
)

from .control_acts import ControlStep, act, leave_desk
from .group_acts import submit_group
from .people import elsewhere, tell
from .simulated_system import SimulatedSystem
from .truth import Violation

__all__ = ["Result", "failed", "play", "run", "run_seed", "simulated", "take"]

_SECOND: Final = 1_000_000_000
#: What a host asks for; it may be refused.
_Asked: TypeAlias = (
    Submits | Cancels | Amends | SubmitsGroup | CancelsGroup | MovesLeg | ControlStep
)


class Result(msgspec.Struct, frozen=True):
    """What a run came to. Nothing in it depends on the machine.

    Attributes:
        steps: of the scenario that were taken. orders: of ours that were journalled. fills: that
        stand at the end. faults: how often each kind happened. crashes: of the process. refused:
        commands that were refused before anything was written. facts: records of the journal.
        virtual_ns: how much time passed. violations: what did not hold, in order.
    """

    name: str
    seed: int
    steps: int
    orders: int
    fills: int
    faults: dict[str, int]
    crashes: int
    refused: int
    facts: int
    virtual_ns: int
    violations: tuple[Violation, ...]


def simulated(scenario: Scenario, choose: Callable[[int], int] | None = None) -> SimulatedSystem:
    """The running system that a scenario begins with."""
    if choose is None and scenario.choices is not None:
        choose = _listed(scenario.choices)
    system = SimulatedSystem(
        seed=scenario.seed,
        choose=choose,
        plan=scenario.plan,
        config=scenario.config,
        instruments=scenario.instruments,
        balances=scenario.balances,
        limits=scenario.limits,
        loose=scenario.loose,
        queue_deliveries=scenario.queue_deliveries,
        commits_aside=scenario.commits_aside,
        turn_messages=scenario.turn_messages,
        emulate_triggers=scenario.emulate_triggers,
        call_timeout=scenario.call_timeout_ns / _SECOND,
        ack_timeout=scenario.ack_timeout_ns / _SECOND,
        checkpoint_facts=scenario.checkpoint_facts,
        listens=scenario.listens,
    )
    system.risk = scenario.risk
    return system


def _listed(choices: tuple[int, ...]) -> Callable[[int], int]:
    """The listed choices, then always the first."""
    rest = iter(choices)
    return lambda n: next(rest, 0) % n


def take(system: SimulatedSystem, step: Step) -> bool:
    """Take one step. False: it asked for something that was refused, and changed nothing.

    What a host does, and what people tell, is left out while no system runs.
    """
    if isinstance(step, _Asked | Settles | Shifts | Copies):
        if not system.alive:
            return False
        try:
            if isinstance(step, Settles | Shifts | Copies):
                return tell(system, step)
            _command(system, step)
        except (UserError, MailboxFull, JournalError):
            return False
        return True
    if isinstance(step, PlacesElsewhere | CancelsElsewhere | AmendsElsewhere):
        elsewhere(system, step)
        return True
    _happen(system, step)
    return True


def _command(system: SimulatedSystem, step: _Asked) -> None:
    if isinstance(step, Submits):
        system.submit(step.order)
        return
    if isinstance(step, SubmitsGroup):
        submit_group(system, step)
        return
    if isinstance(step, CancelsGroup):
        system.asked.append(system.system.cancel_group(step.intent, close=step.close))
        return
    if isinstance(step, MovesLeg):
        to = {"stop_px": step.stop_px, "price": step.price}
        system.asked.append(system.system.amend_group(step.intent, step.leg, **to))
        return
    if isinstance(step, ControlStep):
        act(system, step)
        return
    name = system.id_of(step.intent)
    if isinstance(step, Cancels):
        system.cancel(name)
    else:
        system.amend(name, order_qty=step.order_qty, price=step.price, stop_px=step.stop_px)


def _happen(system: SimulatedSystem, step: Step) -> None:
    if isinstance(step, Quotes):
        system.quote(step.instrument, step.bid_px, step.bid_qty, step.ask_px, step.ask_qty)
    elif isinstance(step, Trades):
        system.trade(step.instrument, step.px, step.qty, step.aggressor)
    elif isinstance(step, Marks):
        system.mark(step.instrument, step.px)
    elif isinstance(step, Waits | Turns | Lapses):
        _go_on(system, step)
    elif isinstance(step, Injects):
        system.inject(step.fault)
    elif isinstance(step, Happens):
        system.happen(step.fault)
    elif isinstance(step, Bars | Silences):
        _trouble(system, step)
    elif isinstance(step, Crashes):
        system.crash_at(step.at, step.nth)
    elif isinstance(step, Stops):
        leave_desk(system)
        system.stop(cancel=step.cancels)
    elif isinstance(step, Restarts):
        system.restart()
    elif isinstance(step, JournalFails):
        system.fail_journal(step.count)


def _trouble(system: SimulatedSystem, step: Bars | Silences) -> None:
    if isinstance(step, Bars):
        system.venue.wire.bar(step.retry_ns)
    else:
        system.venue.feed.fall_silent(step.ns)


def _go_on(system: SimulatedSystem, step: Waits | Turns | Lapses) -> None:
    if isinstance(step, Waits):
        system.run(step.ns)
    elif isinstance(step, Turns):
        system.turns(step.count)
    else:
        system.lapse()


def run(scenario: Scenario, limit_ns: int = 1_800 * _SECOND) -> Result:
    """Run a scenario from its beginning until everything has come to rest.

    It ends early at the first violation. ``limit_ns`` is how long rest may take, in virtual time.
    """
    with simulated(scenario) as system:
        return play(system, scenario, limit_ns)


def play(system: SimulatedSystem, scenario: Scenario, limit_ns: int = 1_800 * _SECOND) -> Result:
    """As :func:`run`, on a system that :func:`simulated` made."""
    taken = refused = 0
    bad: list[Violation] = []
    try:
        for step in scenario.steps:
            taken += 1
            refused += not take(system, step)
            bad = system.check()
            if bad:
                break
        if not bad:
            bad = system.settle(limit_ns)
    except (
        Exception
    ) as error:  # the system itself has ended, or the kit has a bug: told, with where
        bad = [*system.judge.new(), failed(error)]
    books = system.judge.books
    return Result(
        name=scenario.name,
        seed=scenario.seed,
        steps=taken,
        orders=len(books.orders),
        fills=sum(len(ledger) for ledger in books.ledgers.values()),
        faults=system.injected,
        crashes=system.crashes,
        refused=refused,
        facts=system.journal.last_seq,
        virtual_ns=system.now_ns() - START_NS,
        violations=tuple(bad),
    )


def failed(error: Exception) -> Violation:
    """An exception in a line: what, and the three innermost places it came through."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = ", ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)
    return Violation("nothing_failed", f"{type(error).__name__}: {error} (at {places})")


def run_seed(seed: int, profile: str = "rough") -> Result:
    """Run the scenario of a seed."""
    return run(drawn(seed, profile))
