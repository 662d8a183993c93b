"""Both kinds of actors do the work that is measured, and a machine's limits are named."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator

import pykka
import pytest

from benchmarks.actor_size import bytes_each
from benchmarks.crowds import LoopCrowd, OwnCrowd, StockCrowd, StockMember
from benchmarks.harness import Unavailable
from benchmarks.runtime import CASES, Case, FromLoop

COUNT = 5


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def huge_stacks() -> Iterator[None]:
    """No machine has room for a thread from now on."""
    before = threading.stack_size(1 << 46)
    yield
    threading.stack_size(before)


@pytest.mark.parametrize("stock", [True, False])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_crowd_does_the_work(case: Case, stock: bool, runner: asyncio.Runner) -> None:
    """Each case, more than once round the ring, on Pykka's actors and on ours."""
    before = threading.active_count()
    from_loop = issubclass(case.side, FromLoop)
    ours = LoopCrowd(COUNT, runner) if from_loop and not stock else None
    crowd = ours or (StockCrowd(COUNT) if stock else OwnCrowd(COUNT))
    try:
        side = case.side("side", crowd, 2 * COUNT + 1, runner)
        side.prepare()
        with pytest.raises(AssertionError):
            side.check()  # nothing was done yet
        side.work()
        side.check()
        side.finish()
    finally:
        crowd.close()

    assert before == threading.active_count()
    assert not pykka.ActorRegistry.get_by_class(StockMember)


@pytest.mark.skipif(sys.platform != "linux", reason="what fails to start a thread is Linux's")
def test_a_machine_without_room_for_threads_is_named(huge_stacks: None) -> None:
    """It is no failure of ours: the benchmark is not available, and nothing stays behind."""
    with pytest.raises(Unavailable, match="no more than 0 of 3 threads"):
        StockCrowd(3)

    assert not pykka.ActorRegistry.get_by_class(StockMember)


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_a_size_comes_from_a_process_of_its_own() -> None:
    """A thread each is far larger than what an owner keeps, whatever is in memory here."""
    assert bytes_each("adopted", 200) < bytes_each("stock", 50)
