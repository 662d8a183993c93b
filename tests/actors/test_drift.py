"""A venue that counts a slot otherwise: found with care, told, settled, and never by mistake."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors import ExecutionSystem, PaperVenue
from actors.journal.memory import MemoryJournal
from actors.replay import replay
from actors.runtime import SimulatedDispatcher
from actors.testing import SPOT, SimulatedSystem
from actors.venues.port import Answer, Clock, Sink, StreamReport, VenuePosition
from engine import InstrumentKind, InvalidValue, OrderState, PositionSlot, market
from engine.drift import DriftView
from engine.messages import (
    Alarm,
    DriftRemedy,
    Event,
    Filled,
    MonitorFired,
    PositionDrifted,
    PriceUpdate,
)
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES, FeeCurrency, FeePlan
from engine.testing.faults import Fault, FaultKind, FaultPlan, When

SECOND = 1_000_000_000
D = Decimal
PERP = replace(SPOT, kind=InstrumentKind.LINEAR)
ETH = replace(PERP, symbol="ETH/USDT", base="ETH")
BTC = PERP.symbol
NET = PositionSlot.NET


def begun(qty: str = "3", plan: FaultPlan | None = None, **capabilities: object) -> SimulatedSystem:
    """A system that has bought so much."""
    able = replace(FULL_CAPABILITIES, **capabilities)
    config = ExchangeConfig(capabilities=able, last_from_quotes=True)
    system = SimulatedSystem(
        seed=3, config=config, instruments=(PERP, ETH), plan=plan, listens=True
    )
    for symbol in (BTC, ETH.symbol):
        system.quote(symbol, D(199), D(50), D(201), D(50))
    system.run(SECOND)
    if D(qty):
        system.submit(market(BTC, "BUY", qty))
    system.run(SECOND)
    return system


def move(system: SimulatedSystem, qty: str, symbol: str = BTC) -> None:
    """The venue's count changes, and nobody is told."""
    system.exchange.move("main", symbol, NET, D(qty), None, system.now_ns())


def drifts(system: SimulatedSystem) -> tuple[DriftView, ...]:
    """What has drifted."""
    found = system.system.drift()
    system.run_until_idle()
    return found.get(timeout=0)


def told(system: SimulatedSystem) -> list[Decimal]:
    """The differences of which events told."""
    return [event.difference for event in system.heard if isinstance(event, PositionDrifted)]


def settle(system: SimulatedSystem, how: DriftRemedy, **terms: object) -> None:
    """A person decides, and some time passes."""
    done = system.system.settle_drift(BTC, how, "desk, looked at it", **terms)  # type: ignore[arg-type]
    system.run(30 * SECOND)
    done.get(timeout=0)


def state(system: SimulatedSystem, order: str) -> OrderState:
    """How an order stands."""
    found = system.system.order(order)
    system.run_until_idle()
    return found.get(timeout=0).state


def test_a_difference_stops_entries_and_is_told() -> None:
    """Once, by an event and an alarm; exits and other instruments go on, fills are booked."""
    system = begun()
    move(system, "-1")
    system.run(120 * SECOND)
    (found,) = drifts(system)
    assert (D(3), D(2), D(-1)) == (found.qty, found.venue_qty, found.difference)
    assert [D(-1)] == told(system)
    alarms = [one for one in system.heard if isinstance(one, Alarm)]
    assert ["position_drifted"] == [one.kind for one in alarms]
    entry = system.submit(market(BTC, "BUY", "1"))
    other = system.submit(market(ETH.symbol, "BUY", "1"))
    leaving = system.submit(market(BTC, "SELL", "1", reduce_only=True))
    system.run(SECOND)
    assert state(system, entry.client_order_id) is OrderState.DENIED
    assert state(system, other.client_order_id) is OrderState.FILLED
    assert state(system, leaving.client_order_id) is OrderState.FILLED
    reasons = [getattr(one, "reason", "") for one in system.heard]
    assert "position_drifted" in reasons
    system.run(300 * SECOND)
    assert [D(-1)] == told(system)


def test_it_ends_by_itself_when_the_two_agree_again() -> None:
    """What the venue takes back is seen, told, and entries go on."""
    system = begun()
    move(system, "2")
    system.run(120 * SECOND)
    assert drifts(system)
    move(system, "-2")
    system.run(120 * SECOND)
    assert not drifts(system)
    assert [D(2), D(0)] == told(system)
    entry = system.submit(market(BTC, "BUY", "1"))
    system.run(SECOND)
    assert state(system, entry.client_order_id) is OrderState.FILLED
    assert not system.settle()


class LateVenue(PaperVenue):
    """While it ``hides`` them it tells nobody of executions that are not ours."""

    hides = True
    shows_position = False

    def watch_prices(self, instrument: str, tell: Callable[[PriceUpdate], object]) -> None:
        """It has no prices."""

    async def connect(self, sink: Sink, clock: Clock) -> None:
        """As it is, with what it hides left out."""

        def told(report: StreamReport) -> None:
            if not (self.hides and getattr(report, "client_order_id", "-") == "WEB"):
                sink(report)

        await super().connect(told, clock)

    async def executions(self, since_ts: int) -> Answer[Filled]:
        """Some are shown late."""
        found = await super().executions(since_ts)
        kept = tuple(one for one in found.items if one.client_order_id != "WEB" or not self.hides)
        return replace(found, items=kept)

    async def positions(self) -> Answer[VenuePosition]:
        """The position as well, unless it ``shows_position``."""
        found = await super().positions()
        if not self.hides or self.shows_position:
            return found
        (held,) = found.items
        return replace(found, items=(replace(held, qty=held.qty - 1),))


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_execution_that_was_never_told_is_found(by_hand: bool) -> None:
    """By itself before anybody is told, where the venue shows it by then; else when it is asked
    for, however old it is.
    """
    perp = replace(PERP, venue="paper")
    venue = LateVenue("paper", "main", [perp])
    clock = SimulatedDispatcher(seed=1)
    system = ExecutionSystem([venue], dispatcher=clock, journal=MemoryJournal())
    heard: list[Event] = []
    system.start()
    system.subscribe(heard.append, PositionDrifted)
    venue.market.on_quote(BTC, D(199), D(50), D(201), D(50))
    system.submit(market(BTC, "BUY", "2"))
    clock.run_for(SECOND)
    web = market(BTC, "BUY", "1", intent_id="WEB", venue="paper", account="main")
    venue.market.exchange.place(replace(web, client_order_id="WEB"), clock.time_ns())
    clock.run_for(SECOND)
    for _ in range(2):  # what is read again as a rule begins behind it
        clock.run_for(400 * SECOND)
        system.submit(market(BTC, "BUY", "1"))
        clock.run_for(400 * SECOND)
    held = system.brokers["paper", "main"].positions[BTC, NET]
    assert (D(4), []) == (held.position.qty, heard)
    venue.shows_position = by_hand
    if by_hand:
        clock.run_for(120 * SECOND)
        assert [D(1)] == [one.difference for one in heard if isinstance(one, PositionDrifted)]
        heard.clear()
    venue.hides = False
    if by_hand:
        done = system.settle_drift(BTC, DriftRemedy.FETCH, "support says it was bought by hand")
        clock.run_for(60 * SECOND)
        done.get(timeout=0)
        assert [D(0)] == [one.difference for one in heard if isinstance(one, PositionDrifted)]
    else:
        clock.run_for(120 * SECOND)
        assert not heard
    assert D(5) == held.position.qty
    system.stop()


@pytest.mark.parametrize("kind", ["baseline", "correction"])
def test_the_venues_count_is_adopted_with_a_statement(kind: str) -> None:
    """As a baseline where nothing was ever booked, else as a correction; then entries go on."""
    system = begun("0" if kind == "baseline" else "3")
    move(system, "2")
    if kind == "baseline":  # nothing is held there, so it is looked at after gaps only
        system.crash()
        system.restart()
    system.run(120 * SECOND)
    (found,) = drifts(system)
    assert [DriftRemedy.FETCH, DriftRemedy.ADOPT, DriftRemedy.WAIT] == [
        one.how for one in found.proposals
    ]
    settle(system, DriftRemedy.ADOPT, px=200)
    assert not drifts(system)
    held = system.system.brokers["SIM", "main"].positions[BTC, NET].position
    assert (D(2) if kind == "baseline" else D(5)) == held.qty
    assert (D(2) if kind == "baseline" else None) == held.baseline_qty
    assert [D(2), D(0)] == told(system)


def test_what_was_bought_meanwhile_is_not_adopted_twice() -> None:
    """The difference is taken over, not the total: fills since stand on both sides."""
    system = begun()
    move(system, "2")
    system.run(120 * SECOND)
    system.submit(market(BTC, "SELL", "1", reduce_only=True))
    system.run(SECOND)
    settle(system, DriftRemedy.ADOPT)
    assert not drifts(system)
    assert D(4) == system.system.brokers["SIM", "main"].positions[BTC, NET].position.qty


@pytest.mark.parametrize("dies", [False, True])
def test_a_difference_is_adopted_once(dies: bool) -> None:
    """Until the lists were compared again a second decision is refused; what differs then is told
    anew, and can be adopted.
    """
    system = begun()
    move(system, "2")
    system.run(120 * SECOND)
    first = system.system.settle_drift(BTC, DriftRemedy.ADOPT, "desk")
    system.run_until_idle()
    first.get(timeout=0)
    if dies:
        system.crash()
        system.restart()
    assert [[DriftRemedy.WAIT]] == [[one.how for one in d.proposals] for d in drifts(system)]
    again = system.system.settle_drift(BTC, DriftRemedy.ADOPT, "desk, twice")
    system.run_until_idle()
    with pytest.raises(InvalidValue, match="adopted already"):
        again.get(timeout=0)
    assert D(5) == system.system.brokers["SIM", "main"].positions[BTC, NET].position.qty

    move(system, "2")  # the same once more
    system.run(120 * SECOND)
    assert [D(2)] == [one.difference for one in drifts(system)]
    settle(system, DriftRemedy.ADOPT)
    assert not drifts(system)
    assert D(7) == system.system.brokers["SIM", "main"].positions[BTC, NET].position.qty
    assert not system.settle()


def test_a_decision_needs_a_drift_and_a_statement() -> None:
    """Nothing has changed where it cannot be carried out."""
    system = begun()
    with pytest.raises(InvalidValue, match="statement"):
        system.system.settle_drift(BTC, DriftRemedy.ADOPT, " ")
    done = system.system.settle_drift(BTC, DriftRemedy.ADOPT, "desk")
    system.run_until_idle()
    with pytest.raises(InvalidValue, match="has not drifted"):
        done.get(timeout=0)


@pytest.mark.parametrize("at", [None, 1])
def test_a_drift_outlives_a_restart(at: int | None) -> None:
    """Entries of it stay stopped from the first moment, whatever the checkpoint held."""
    system = begun()
    move(system, "1")
    system.run(120 * SECOND)
    before = drifts(system)
    system.crash(None if at is None else system.journal.last_seq)
    system.restart()
    assert before == drifts(system)
    entry = system.submit(market(BTC, "BUY", "1"))
    system.run(SECOND)
    assert state(system, entry.client_order_id) is OrderState.DENIED
    move(system, "-1")
    system.run(120 * SECOND)
    assert not drifts(system)
    assert not system.settle()


def test_a_journal_with_a_drift_and_a_rule_replays_to_the_same_digest(tmp_path: Path) -> None:
    """What was watched is followed in a replay, and decides nothing there: an entry that was taken
    while it had drifted by our books of then is taken, and a rule closes nothing twice.
    """
    system = begun()
    system.system.monitor(BTC, hold=100)
    system.system.monitor(ETH.symbol, hold=10**6)
    system.submit(market(ETH.symbol, "BUY", "1"))
    move(system, "-1")
    system.run(90 * SECOND)
    assert drifts(system)
    system.submit(market(BTC, "BUY", "1"))
    settle(system, DriftRemedy.ADOPT)
    system.run(60 * SECOND)
    assert [1] == [sum(isinstance(one, MonitorFired) for one in system.heard)]
    digest = system.system.state_digest()
    system.run_until_idle()
    system.save_journal(tmp_path / "j.db")
    report = replay([tmp_path / "j.db"])
    assert (digest.get(timeout=0), 0) == (report.digest, report.failed)


def test_what_is_not_shown_proves_nothing() -> None:
    """Neither an incomplete list, nor a missing row where the venue need not show all."""
    system = begun(positions_complete=False)
    move(system, "-3")
    system.run(300 * SECOND)
    assert not drifts(system)
    whole = begun()
    whole.inject(Fault(FaultKind.UNKNOWN_AFTER, When("positions"), count=1_000))
    move(whole, "-3")
    whole.run(300 * SECOND)
    assert not drifts(whole)


def test_rounding_is_no_drift() -> None:
    """Less than a lot apart is nothing that could be traded."""
    system = begun()
    move(system, "0.009")
    system.run(300 * SECOND)
    assert not drifts(system)


def test_balances_are_no_positions() -> None:
    """Spot is compared only where the venue counts it as executions and fees in kind leave it."""
    for counts in (False, True):
        able = replace(FULL_CAPABILITIES, cash_positions=counts)
        fees = FeePlan(taker=D("0.001"), currency=FeeCurrency.RECEIVED)
        config = ExchangeConfig(capabilities=able, last_from_quotes=True, fees=fees)
        system = SimulatedSystem(seed=1, config=config, listens=True)
        system.quote(SPOT.symbol, D(199), D(50), D(201), D(50))
        system.run(SECOND)
        system.submit(market(SPOT.symbol, "BUY", "3"))
        system.run(300 * SECOND)
        assert not drifts(system)
        move(system, "-1", SPOT.symbol)
        system.run(300 * SECOND)
        assert counts is bool(drifts(system))


def test_a_list_that_is_behind_is_no_drift() -> None:
    """Not even where it is behind by the same at every look, because somebody trades all the time;
    and what differs really is found as soon as it stands still.
    """
    late = Fault(FaultKind.LIST_LAGS, When("positions"), delay_ns=2 * SECOND)
    system = begun(plan=FaultPlan(faults=(late,), visibility_lag_ns=2 * SECOND))
    for _ in range(60):
        system.submit(market(BTC, "BUY", "1"))
        system.run(2 * SECOND)
    assert not told(system)
    move(system, "1")
    system.run(120 * SECOND)
    assert [D(1)] == told(system)


def test_a_doubt_is_no_drift() -> None:
    """While an order of the slot is in doubt, a difference may be its fill."""
    system = begun()
    for verb in ("query", "open_orders", "executions"):
        system.inject(Fault(FaultKind.UNKNOWN_AFTER, When(verb)))
    system.inject(Fault(FaultKind.ANSWER_LOST, When("place", 1)))
    system.inject(Fault(FaultKind.DELAYED, When("report"), delay_ns=90 * SECOND))
    order = system.submit(market(BTC, "BUY", "1"))
    system.run(60 * SECOND)
    assert state(system, order.client_order_id) is OrderState.IN_DOUBT
    broker = system.system.brokers["SIM", "main"]
    broker.drifting.begin()
    system.run(25 * SECOND)
    assert not told(system)
    assert not system.settle()
    assert not told(system)
