"""Supervision: a total table, a window of failures, handlers that must exist."""

from __future__ import annotations

from typing import Any

import pytest

from actors.runtime import (
    DECISIONS,
    Actor,
    ActorStart,
    Decision,
    Escalation,
    Failure,
    FailureKind,
    FailureWindow,
    SimulatedDispatcher,
    TableSupervisor,
)
from actors.runtime.supervision import kind_of
from engine.errors import InvalidValue, InvariantViolated

from .fakes import Recorder


class Named(Recorder):
    actor_urn = "urn:order:1"


def _handlers(log: list[Failure]) -> dict[Decision, Any]:
    return {decision: log.append for decision in Decision if decision is not Decision.ESCALATE}


def test_kinds() -> None:
    """A failure is classified by what was being handled and by the exception."""
    assert FailureKind.START_FAILED is kind_of(ActorStart(), ValueError())
    assert FailureKind.INVARIANT is kind_of("message", InvariantViolated("x"))
    assert FailureKind.STEP_FAILED is kind_of("message", ValueError())


def test_the_default_table_is_total() -> None:
    """Each kind of failure has a decision."""
    assert set(FailureKind) == set(DECISIONS)


def test_a_window_counts_only_what_lies_in_it() -> None:
    """Enough failures within the window are too many; older ones do not count."""
    window = FailureWindow(3, 100)

    assert [False, False, False, True] == [window.add(now) for now in (0, 60, 110, 120)]
    assert 3 == window.count(159)
    assert 2 == window.count(160)
    assert 0 == window.count(1_000)
    assert FailureWindow(1, 1).add(0)
    for bad in ((0, 1), (1, 0)):
        with pytest.raises(InvalidValue, match="window"):
            FailureWindow(*bad)


def test_decisions_follow_the_table() -> None:
    """A failing step is rebuilt, when repeated quarantined; an invariant is so at once."""
    now = [0]
    log: list[Failure] = []
    supervisor = TableSupervisor(lambda: now[0], _handlers(log), k=3, window_ns=100)
    dispatcher = SimulatedDispatcher(supervisor=supervisor, fifo=True)

    for actor in (Named(), Named(), Named()):  # rebuilt each time: the urn keeps the count
        dispatcher.post(dispatcher.adopt(actor), ValueError("step"))
    dispatcher.run_until_idle()
    now[0] = 1_000
    dispatcher.post(dispatcher.adopt(Named()), ValueError("step"))
    dispatcher.post(dispatcher.adopt(Recorder()), InvariantViolated("qty"))
    dispatcher.run_until_idle()

    assert [
        (FailureKind.STEP_FAILED, Decision.REBUILD, 1),
        (FailureKind.STEP_FAILED, Decision.REBUILD, 2),
        (FailureKind.REPEATED, Decision.QUARANTINE, 3),
        (FailureKind.STEP_FAILED, Decision.REBUILD, 1),
        (FailureKind.INVARIANT, Decision.QUARANTINE, 1),
    ] == [(failure.kind, failure.decision, failure.failures) for failure in log]


def test_quiet_actors_are_forgotten() -> None:
    """The supervisor remembers only actors that failed within the window."""
    now = [0]
    supervisor = TableSupervisor(lambda: now[0], _handlers([]), window_ns=10)
    dispatcher = SimulatedDispatcher()
    for number in range(50):
        now[0] = number * 5
        supervisor.failed(dispatcher.adopt(Recorder()), "m", ValueError())

    assert len(supervisor._windows) <= 3


def test_a_failed_start_is_its_own_kind() -> None:
    """on_start's exception comes with START_FAILED."""
    log: list[Failure] = []
    dispatcher = SimulatedDispatcher()
    dispatcher.supervisor = TableSupervisor(dispatcher.monotonic_ns, _handlers(log))

    class Broken(Actor):
        def on_start(self) -> None:
            raise ValueError("no")

    Broken.start(dispatcher=dispatcher)
    dispatcher.run_until_idle()
    assert [(FailureKind.START_FAILED, Decision.STOP)] == [(f.kind, f.decision) for f in log]


def test_escalation_needs_no_handler_and_reaches_the_owner() -> None:
    """ESCALATE raises through the dispatcher."""
    table = dict.fromkeys(FailureKind, Decision.ESCALATE)
    supervisor = TableSupervisor(lambda: 0, {}, table)
    dispatcher = SimulatedDispatcher(supervisor=supervisor)
    actor = dispatcher.adopt(Recorder())

    with pytest.raises(Escalation):
        supervisor.failed(actor, "m", ValueError())
    dispatcher.post(actor, ValueError("step"))
    with pytest.raises(ValueError, match="step"):
        dispatcher.run_until_idle()


def test_an_incomplete_table_is_refused() -> None:
    """A kind without a decision, or a decision without a handler, is named at once."""
    partial: dict[FailureKind, Decision] = {
        kind: Decision.STOP for kind in FailureKind if kind is not FailureKind.INVARIANT
    }
    with pytest.raises(InvalidValue, match="INVARIANT"):
        TableSupervisor(lambda: 0, _handlers([]), partial)
    with pytest.raises(InvalidValue, match="REBUILD"):
        TableSupervisor(lambda: 0, {Decision.STOP: print, Decision.QUARANTINE: print})
