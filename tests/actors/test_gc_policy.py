"""Garbage collection is the host's, unless it says that a system may tune it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from actors import ExecutionSystem
from actors.gc_policy import Tuning
from engine.errors import InvalidValue

from .venues import ScriptedVenue, simulated


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Whatever a test does to the collector ends with it."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_by_default_nothing_is_changed() -> None:
    """A system leaves the collector as it finds it, running and after."""
    before = gc.get_threshold(), gc.get_freeze_count()
    system = simulated()
    assert before == (gc.get_threshold(), gc.get_freeze_count())
    system.stop()
    assert before == (gc.get_threshold(), gc.get_freeze_count())


def test_tuned_it_comes_rarely_and_is_put_back_at_the_end() -> None:
    """Higher thresholds and a frozen start while it runs; both undone by the stop."""
    before = gc.get_threshold()
    system = simulated(gc_policy="tune")
    assert gc.get_threshold()[0] > before[0]
    assert gc.get_freeze_count() > 1000
    system.stop()
    assert (before, 0) == (gc.get_threshold(), gc.get_freeze_count())


def test_the_last_of_several_systems_puts_it_back() -> None:
    """They share one collector: it stays tuned as long as one of them runs."""
    before = gc.get_threshold()
    one, two = simulated(gc_policy="tune"), simulated(gc_policy="tune")
    one.stop()
    assert gc.get_threshold() != before
    assert gc.get_freeze_count()
    two.stop()
    assert (before, 0) == (gc.get_threshold(), gc.get_freeze_count())


def test_what_the_host_had_set_counts() -> None:
    """A collector that is off stays off, rarer collections stay as rare, and what the host froze
    stays frozen.
    """
    for host in ((0, 10, 10), (200_000, 50, 50)):
        gc.set_threshold(*host)
        system = simulated(gc_policy="tune")
        assert host == gc.get_threshold()
        system.stop()
        assert host == gc.get_threshold()
    gc.freeze()
    frozen = gc.get_freeze_count()
    system = simulated(gc_policy="tune")
    system.stop()
    assert frozen == pytest.approx(gc.get_freeze_count(), rel=0.01)


def test_a_start_that_fails_puts_it_back() -> None:
    """As if it had not been tried."""
    before = gc.get_threshold()
    tuning = Tuning("tune")
    tuning.begin()
    tuning.end()
    tuning.end()
    assert before == gc.get_threshold()
    system = simulated()
    again = ExecutionSystem([ScriptedVenue()], journal="/nowhere/j", gc_policy="tune")
    with pytest.raises(Exception, match="does not exist"):
        again.start()
    assert (before, 0) == (gc.get_threshold(), gc.get_freeze_count())
    system.stop()


def test_an_unknown_policy_is_refused() -> None:
    """With the two that there are."""
    with pytest.raises(InvalidValue, match="'leave' or 'tune', was 'never'"):
        simulated(gc_policy="never")
