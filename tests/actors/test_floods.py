"""However much an adapter or a feed tells, it fills no memory, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors import intake
from actors.runtime import SimulatedDispatcher
from actors.venues.port import Answer
from engine.messages import Filled, LinkDown, LinkUp, PriceUpdate
from engine.values import OrderState, Side

from .test_restart import fold_digest
from .venues import CAPABLE, EPOCH_NS, SECOND, ScriptedVenue, System, btc, order, simulated

D = Decimal
MINUTE = 60 * SECOND
PROMPT = msgspec.structs.replace(CAPABLE, visibility_lag_ns=0)


class Feed(ScriptedVenue):
    """A venue with a price feed."""

    tell: Callable[[Any], object]

    def watch_prices(self, instrument: str, tell: Callable[[PriceUpdate], object]) -> None:
        self.tell = tell


def watched() -> tuple[System, Feed]:
    """A system that watches a price."""
    venue = Feed()
    system = simulated(venue)
    system.brokers["v", "main"].prices.watch("BTC/USDT", "test", lambda _: None)
    return system, venue


@pytest.mark.parametrize(
    "bad",
    [
        PriceUpdate("BTC/USDT", 1, last="cheap"),  # type: ignore[arg-type]
        PriceUpdate("BTC/USDT", 1, last=D("NaN")),
        PriceUpdate(7, 1, last=D(1)),  # type: ignore[arg-type]
        None,
    ],
)
def test_bad_prices_are_one_message_and_one_alarm(bad: Any) -> None:
    """Thousands that come before the engine looks are told once, with their number."""
    system, venue = watched()
    before = system.sim.queued()
    for _ in range(200):
        venue.tell(bad)
    assert before + 1 == system.sim.queued()
    system.sim.run_for(SECOND)
    (told,) = system.alarms("bad_price")
    assert "(and 199 more)" in told
    venue.tell(bad)
    system.sim.run_for(SECOND)
    assert 2 == len(system.alarms("bad_price"))
    system.stop()


def test_prices_of_unknown_names_are_not_kept() -> None:
    """They are of no order and no slot, whatever their number."""
    system, venue = watched()
    before = system.sim.queued()
    for number in range(500):
        venue.tell(PriceUpdate(f"X{number}", 1, last=D(1)))
    assert before == system.sim.queued()
    system.stop()


def test_nonsense_of_every_sort_is_a_few_alarms() -> None:
    """Each report is broken in its own way: a few are told, the rest by their number."""
    venue = ScriptedVenue()
    system = simulated(venue)
    before = system.sim.queued()
    for number in range(500):
        venue.push(Filled("C", "then", f"e{number}", D(1), D(1)))  # type: ignore[arg-type]
    assert system.sim.queued() <= before + 17
    system.sim.run_for(SECOND)
    told = system.alarms("malformed_report")
    assert 17 == len(told)
    assert "(and 483 more)" in told[-1]
    system.stop()


def unplaced(venue: ScriptedVenue, count: int) -> list[Filled]:
    """Executions of an order that nobody has introduced, and that say too little to adopt it."""
    return [Filled("LATER", venue.now(), f"e{number}", D(1), D(100)) for number in range(count)]


class Publishing(ScriptedVenue):
    """Keeps to the time it is asked from."""

    async def executions(self, since_ts: int) -> Answer[Filled]:
        self.calls.append(("executions", since_ts))
        shown = tuple(fill for fill in self.fills if fill.ts >= since_ts)
        return Answer(shown, True, self.now())


def test_reports_beyond_the_bound_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that wait for their order are bounded; what is not kept is a gap, and is booked from
    what the venue shows once the order is known, however late.
    """
    monkeypatch.setattr(intake, "OF_ONE_MAX", 20)
    venue = Publishing(capabilities=PROMPT)
    system = simulated(venue)
    other = system.submit(order(qty="9")).client_order_id
    asked = venue.count("executions")
    venue.fills = unplaced(venue, 50)
    for one in venue.fills:
        venue.push(one)
    system.sim.run_for(SECOND)
    broker = system.brokers["v", "main"]
    assert 20 == len(broker.intake.parked["LATER"])
    assert ["LinkSilent"] == [
        record.kind for record in system.journal.records() if record.kind == "LinkSilent"
    ]
    assert asked < venue.count("executions")
    assert 1 == len(system.alarms("surplus"))
    system.sim.run_for(50 * MINUTE)
    venue.push(venue.fill(other, "x", "1"))
    system.sim.run_for(10 * MINUTE)
    system.submit(order(qty="60", client_order_id="LATER"))
    system.sim.run_for(10 * MINUTE)
    assert D(51) == system.qty()
    assert D(50) == system.order("LATER").get(timeout=1).cum_qty
    assert {} == broker.intake.parked
    system.sim.run_for(10 * MINUTE)  # nothing is missing any more, so no more is asked
    venue.calls.clear()
    venue.drop()
    system.sim.run_for(MINUTE)
    since = min(since_ts for call, since_ts in venue.calls if call == "executions")
    assert venue.now() - since < 45 * MINUTE
    assert "READY" == system.snapshot().get(timeout=1).sessions["v/main"]
    system.stop()


def test_a_bound_on_all_that_waits_holds_while_the_venue_shows_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A list that shows the surplus each time fills nothing, and is not asked for without a
    pause.
    """
    monkeypatch.setattr(intake, "PARKED_MAX", 30)
    venue = ScriptedVenue(capabilities=PROMPT)
    system = simulated(venue)
    broker = system.brokers["v", "main"]
    venue.fills = [
        Filled(f"C{number}", venue.now(), f"e{number}", D(1), D(100)) for number in range(50)
    ]
    for one in venue.fills:
        venue.push(one)
    asked, facts = venue.count("executions"), len(list(system.journal.records()))
    system.sim.run_for(60 * MINUTE)
    assert 30 == sum(len(reports) for reports in broker.intake.parked.values())
    assert venue.count("executions") - asked <= 30
    # one gap in five minutes, and one of the look that what waits has asked for
    assert len(list(system.journal.records())) - facts <= 30 + 15
    assert len(system.alarms("surplus")) <= 13
    assert fold_digest(system.journal) == system.state_digest().get(timeout=1)
    system.stop()


def test_what_a_list_shows_again_waits_once() -> None:
    """Reports nobody can place come with every gap, and are kept once."""
    venue = ScriptedVenue(capabilities=PROMPT)
    system = simulated(venue)
    venue.fills = unplaced(venue, 3)
    for _ in range(5):
        venue.drop()
        system.sim.run_for(30 * SECOND)
    assert 3 == len(system.brokers["v", "main"].intake.parked["LATER"])
    system.stop()


def test_orders_of_others_are_taken_over_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it what is told of them waits for room; when there is some they are taken over, and
    their executions booked.
    """
    monkeypatch.setattr(intake, "ADOPTED_MAX", 10)
    venue = ScriptedVenue(capabilities=PROMPT)
    system = simulated(venue)
    broker = system.brokers["v", "main"]

    def theirs(number: int) -> Filled:
        return Filled(
            f"F{number}", venue.now(), f"f{number}", D(1), D(100), instrument="BTC/USDT",
            side=Side.BUY,
        )  # fmt: skip

    for number in range(25):
        venue.push(theirs(number))
    system.sim.run_for(SECOND)
    assert (10, D(10)) == (len(broker.orders), system.qty())
    assert 15 == len(broker.intake.parked)
    for number in range(10):
        system.settle(f"F{number}", OrderState.CANCELLED, "not ours")
    system.sim.run_for(2 * MINUTE)
    assert (10, D(20)) == (len(broker.orders), system.qty())
    assert 5 == len(broker.intake.parked)
    assert fold_digest(system.journal) == system.state_digest().get(timeout=1)
    system.stop()


@pytest.mark.parametrize("drops", [False, True])
def test_a_flood_of_reports_is_a_gap(drops: bool) -> None:
    """Beyond twice what may wait reports are not taken: they are asked for, and all are booked. The
    link's own words are always taken.
    """
    venue = ScriptedVenue(capabilities=PROMPT)
    sim = SimulatedDispatcher(seed=0, fifo=True, start_ns=EPOCH_NS, capacity=300)
    system = System((venue,), dispatcher=sim, instruments=[btc()])
    system.sim, system.seen = sim, []
    system.hub.add_callback(system.seen.append, ())
    system.start()
    sim.run_for(SECOND)
    cid = system.submit(order(qty="5000")).client_order_id
    sim.run_for(SECOND)
    for number in range(3_000):
        venue.push(venue.fill(cid, f"e{number}", "1"))
    assert sim.queued() <= 900
    if drops:
        venue.push(LinkDown(venue.now(), "gone"))
        venue.push(LinkUp(venue.now()))
    sim.run_for(MINUTE)
    downs = [record.kind for record in system.journal.records() if record.kind == "LinkDown"]
    assert (1 if drops else 0) == len(downs)
    assert D(3_000) == system.qty()
    assert system.alarms("surplus")
    assert "READY" == system.snapshot().get(timeout=1).sessions["v/main"]
    system.stop()
