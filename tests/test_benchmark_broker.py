"""The far venue judges its callers rightly, and what is measured at it was really done.

Times are virtual wherever a test looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from actors.runtime import SimulatedDispatcher, Task
from actors.venues.port import Done, Outcome, Throttled
from benchmarks.broker import SERIAL, WIDE
from benchmarks.flood import INSTRUMENTS, Flood, in_real_time, in_virtual_time, part_of
from benchmarks.limited_venue import LimitedVenue, VenueRules
from engine.calls import CallKind
from engine.messages import Cancel, Place

MILLISECOND = 1_000_000

Step = Callable[[int], Task[Outcome]]


def _venue(at_once_max: int, calls_max: int) -> tuple[SimulatedDispatcher, LimitedVenue, Step]:
    """A venue 50 ms away, and what places its order number so and so now."""
    sim = SimulatedDispatcher(fifo=True)
    rules = VenueRules(
        round_trip_ns=50 * MILLISECOND,
        at_once_max=at_once_max,
        calls_max=calls_max,
        window_ns=1_000 * MILLISECOND,
    )
    venue = LimitedVenue(rules, INSTRUMENTS, sim.monotonic_ns)
    sim.run(venue.connect(lambda _: None, sim))
    intents = WIDE.intents(10)

    def place(number: int) -> Task[Outcome]:
        task = sim.spawn(venue.place(Place(intents[number])))
        sim.run_ready()
        return task

    return sim, venue, place


def _throttled(tasks: Sequence[Task[Outcome]]) -> list[bool]:
    return [isinstance(task.get(), Throttled) for task in tasks]


def test_the_venue_counts_and_refuses_calls_beyond_its_window() -> None:
    """A call that comes while as many as allowed are made is refused at once, and counted."""
    sim, venue, place = _venue(at_once_max=2, calls_max=100)
    tasks = [place(number) for number in range(3)]
    assert [False, False, True] == [task.done() for task in tasks]
    sim.run_for(50 * MILLISECOND)
    tasks.append(place(3))

    assert [False, False, True, False] == _throttled(tasks)
    assert (1, 0) == (venue.too_many_at_once, venue.too_fast)


def test_the_venue_counts_and_refuses_calls_beyond_its_rate() -> None:
    """In no window of a second are there more calls than allowed; it says when one may leave."""
    sim, venue, place = _venue(at_once_max=9, calls_max=2)
    tasks = [place(0)]
    sim.run_for(600 * MILLISECOND)
    tasks += [place(1), place(2)]
    refused = tasks[-1].get()
    assert isinstance(refused, Throttled)
    assert 400 * MILLISECOND == refused.retry_after_ns
    sim.run_for(refused.retry_after_ns)
    tasks += [place(3), place(4)]

    assert [False, False, True, False, True] == _throttled(tasks)
    assert (0, 2) == (venue.too_many_at_once, venue.too_fast)
    assert 3 == len(venue.calls)


def test_the_venue_writes_down_its_calls() -> None:
    """Each call with its kind, its order and its time; what stands there can be cancelled."""
    sim, venue, place = _venue(at_once_max=1, calls_max=100)
    assert isinstance(place(0).get(), Done)
    cid = venue.working.popleft()
    assert isinstance(sim.run(venue.cancel(Cancel(cid, "R1", "BUSYUSDT"))), Done)

    assert [CallKind.NEW, CallKind.CANCEL] == [call.kind for call in venue.calls]
    assert [(0, 50), (50, 100)] == [
        (call.began_ns // MILLISECOND, call.ended_ns // MILLISECOND) for call in venue.calls
    ]
    assert not venue.working


@pytest.mark.parametrize("flood", [WIDE, SERIAL], ids=["wide", "serial"])
def test_by_itself_the_lane_lets_a_cancel_wait_for_one_call_at_most(flood: Flood) -> None:
    """Whatever the queue; all is placed, nothing breaks a rule, and instruments share equally."""
    seen = in_virtual_time(flood, 500)

    assert 500 == sum(1 for call in seen.calls if call.kind is CallKind.NEW)
    assert max(seen.cancel_waits_ns) <= seen.longest_call_ns() == 50 * MILLISECOND
    assert 0 == seen.refused
    shares = seen.shares()
    assert {instrument.symbol for instrument in INSTRUMENTS} == set(shares)
    assert min(shares.values()) > 0.7 * max(shares.values())


def test_a_run_in_real_time_ends_with_every_call_made() -> None:
    """On a thread of its own, with a journal on disk."""
    seen = in_real_time(WIDE, 500)

    assert 500 == sum(1 for call in seen.calls if call.kind is CallKind.NEW)
    assert seen.cancel_waits_ns


def test_parts_of_values() -> None:
    """The smallest value that at least that part of them do not exceed."""
    values = [float(number) for number in range(1, 101)]
    assert [1, 50, 99, 100] == [part_of(values, part) for part in (0.0, 0.5, 0.99, 1.0)]
    assert 7.0 == part_of([7.0], 0.5)
