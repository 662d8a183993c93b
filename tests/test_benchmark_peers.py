"""Every life is lived to its end by every side that plays it, and latency samples are all there.

No test looks at how fast anything was.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from benchmarks import latency
from benchmarks.desks import ByHand, Desk, HostsLoop, OwnThread
from benchmarks.floor import PlainFloor, RowFloor
from benchmarks.harness import Options, Side
from benchmarks.lives import (
    AMENDED,
    CANCELLED,
    FILLED_ONCE,
    FILLED_TWICE,
    REJECTED,
    Story,
    encoded_lives,
)
from benchmarks.ours import HostLoop, Ours
from benchmarks.ours import OwnThread as OursOnOwnThread
from benchmarks.peer_pykka import ActorsThroughout, ThreadPerOrder
from engine.messages import OrderFilled, OrderPartiallyFilled

_STORIES = (FILLED_TWICE, FILLED_ONCE, CANCELLED, AMENDED, REJECTED)


def _lived(side: Side) -> None:
    side.prepare()
    try:
        side.work()
        side.check()
    finally:
        side.finish()


@pytest.mark.parametrize("story", _STORIES, ids=lambda story: story.name)
@pytest.mark.parametrize("floor", [PlainFloor, RowFloor])
def test_the_floors_live_every_story(floor: type[PlainFloor], story: Story) -> None:
    """All rows are written, whatever became of the orders, and the position adds up."""
    _lived(floor(encoded_lives(11, None, story), lambda: 7, story))


@pytest.mark.parametrize("story", _STORIES, ids=lambda story: story.name)
@pytest.mark.parametrize("ours", [HostLoop, OursOnOwnThread])
def test_the_engine_lives_every_story(ours: type[Ours], story: Story) -> None:
    """Every order ends as its story says, and leaves memory; few are open at a time."""
    side = ours(30, story, open_orders=5)

    _lived(side)

    assert 1 <= side.facts_per_commit() <= 30 * story.facts


def test_a_subscriber_to_fills_is_told_of_every_order() -> None:
    """The side that takes fewer events still counts every end."""
    _lived(HostLoop(30, kinds=(OrderPartiallyFilled, OrderFilled), durability="power"))


@pytest.mark.parametrize("peer", [ThreadPerOrder, ActorsThroughout])
def test_a_thread_per_order_fills_every_order_and_ends(peer: type[ThreadPerOrder]) -> None:
    """The position adds up, and no thread is left over for the other side's clock."""
    before = threading.active_count()

    _lived(peer(encoded_lives(30), open_orders=5))

    assert before == threading.active_count()


def test_the_backtest_engine_buys_what_ours_buys() -> None:
    """As many orders, each filled once, and the same position."""
    pytest.importorskip("nautilus_trader")
    from benchmarks.peer_nautilus import NautilusBacktest  # noqa: PLC0415  # it may be missing

    for _ in range(2):  # a side is used for several rounds
        _lived(NautilusBacktest(150))


@pytest.mark.parametrize("way", [OwnThread, HostsLoop, ByHand])
@pytest.mark.parametrize("host", ["steady", "loaded", "burst"])
def test_a_desk_measures_every_order_once(way: type[Desk], host: str) -> None:
    """Each order gives one sample from submit to call and one from report to subscriber."""
    with way() as desk:
        hosts: dict[str, Iterator[float]] = {
            "steady": desk.steady(5, 0.0),
            "loaded": desk.loaded(40, 20_000.0),
            "burst": desk.burst(120),
        }
        samples = desk.measure(hosts[host])

    count = {"steady": 5, "loaded": 40, "burst": 120}[host]
    assert (count, count) == (len(samples.submit), len(samples.report))
    assert min(samples.submit) > 0
    if host == "steady":
        assert (5, 5) == (len(samples.intent_commit), len(samples.fill_commit))


def test_latency_has_a_row_for_each_percentile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way and load is reported, and percentiles do not fall."""
    tiny = latency.Plan(rounds=1, idle=3, loaded_s=0.02, burst=20, busy=1)
    monkeypatch.setattr(latency, "QUICK", tiny)

    rows = [result.row for result in latency.run(Options(quick=True))]

    cases = [row.case for row in rows]
    assert len(cases) == len(dict.fromkeys(cases))
    for start in ("submit to call", "report to subscriber"):
        for way in ("own thread", "host's loop", "by hand"):
            found = [r.value for r in rows if r.case.startswith(f"{start}, idle, {way}, ")]
            assert 4 == len(found)
            assert sorted(found) == found
