"""The kill switch: everything goes, whatever the venue does meanwhile, and nothing goes twice."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors.runtime import Future
from actors.testing import SPOT, SimulatedSystem
from actors.venues.paper import PaperVenue
from engine import SessionLimits, limit, market, stop
from engine.capabilities import ReduceOnlyRule
from engine.contingent import bracket, oco
from engine.errors import InvalidValue, SystemStopped
from engine.flatten import FlatReport, Scope
from engine.messages import Alarm, FlatProgress, GroupState, OrderDenied
from engine.simulator import ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault, FaultKind, FaultPlan, When
from engine.testing.scenario import Moment
from engine.values import Instrument, OrderState, OrderType, PositionSlot

from .venues import ScriptedVenue, btc, simulated
from .venues import order as scripted_order

SECOND = 1_000_000_000
D = Decimal
BTC = SPOT.symbol
NET = PositionSlot.NET
ETH = replace(SPOT, symbol="ETH/USDT", base="ETH")
UNBOUNDED = replace(FULL_CAPABILITIES, reduce_only=ReduceOnlyRule.UNSUPPORTED)


def begun(
    *faults: Fault,
    weak: bool = False,
    spot: Instrument = SPOT,
    seed: int = 1,
    limits: SessionLimits | None = None,
) -> SimulatedSystem:
    """A system at a market of 199 to 201 in two instruments; ``weak``: exits are not bounded."""
    able = UNBOUNDED if weak else FULL_CAPABILITIES
    system = SimulatedSystem(
        seed=seed,
        plan=FaultPlan(faults=faults),
        config=ExchangeConfig(capabilities=able, last_from_quotes=True),
        instruments=(spot, ETH),
        listens=True,
        limits=limits,
    )
    quote(system, "199", "201")
    return system


def quote(system: SimulatedSystem, bid: str, ask: str, qty: str = "50") -> None:
    """Both markets move there, and everybody has heard of it."""
    for symbol in (BTC, ETH.symbol):
        system.quote(symbol, D(bid), D(qty), D(ask), D(qty))
    system.run(SECOND)


def long(system: SimulatedSystem, qty: str = "3") -> None:
    """Hold so much, with a stop for all of it, a target and an entry far away."""
    system.submit(market(BTC, "BUY", qty))
    system.run(SECOND)
    flag = system.venue.capabilities.reduce_only is not ReduceOnlyRule.UNSUPPORTED
    system.submit(replace(stop(BTC, "SELL", qty, 150), reduce_only=flag))
    system.submit(replace(limit(BTC, "SELL", qty, 300), reduce_only=flag))
    system.submit(limit(BTC, "BUY", "1", 120))
    system.run(SECOND)


def pull(system: SimulatedSystem, deadline: float = 60, **terms: object) -> Future[FlatReport]:
    """The switch of everything."""
    return system.system.flatten(Scope(), deadline, **terms)  # type: ignore[arg-type]


def held(system: SimulatedSystem, symbol: str = BTC) -> Decimal:
    """What the account holds, by the exchange."""
    mine = (one for one in system.exchange.positions("main") if one.instrument == symbol)
    return sum((one.qty for one in mine), D(0))


def working(system: SimulatedSystem) -> int:
    """How many orders are open at the exchange."""
    return len(system.exchange.open_orders("main", system.now_ns()))


def closes(system: SimulatedSystem) -> list[Decimal]:
    """What the switch has sold at market, by the calls that reached the wire."""
    return [
        request.order.order_qty
        for verb, request, _ in system.venue.calls
        if verb == "place" and request.order.tags
    ]


def flat(system: SimulatedSystem, done: Future[FlatReport], seconds: int = 20) -> None:
    """It says that all is flat, and so it is; what is booked agrees with the exchange."""
    system.run(seconds * SECOND)
    assert done.done()
    assert done.get(timeout=0).verified, done.get(timeout=0)
    assert (D(0), 0) == (held(system), working(system))
    assert not system.settle(120 * SECOND)
    assert (D(0), 0) == (held(system), working(system))


def test_everything_goes_and_the_venue_confirms_it() -> None:
    """One close, all orders cancelled; the answer comes after the venue was asked."""
    system = begun()
    long(system)
    asked = sum(verb == "positions" for verb, _, _ in system.venue.calls)
    done = pull(system, statement="drill")
    flat(system, done)
    assert [D(3)] == closes(system)
    assert asked < sum(verb == "positions" for verb, _, _ in system.venue.calls)
    told = [event for event in system.heard if isinstance(event, FlatProgress)]
    assert ((BTC, NET, D(3)),) == told[0].slots
    assert (3, True) == (len(told[0].orders), told[-1].verified)


@pytest.mark.parametrize("weak", [False, True])
def test_a_close_is_no_larger_than_the_instrument_allows(weak: bool) -> None:
    """Slices, one at a time, by the venue's limit or by the share that was asked for."""
    system = begun(spot=replace(SPOT, max_qty=D(1)), weak=weak)
    for _ in range(3):
        system.submit(market(BTC, "BUY", "1"))
    system.run(SECOND)
    flat(system, pull(system))
    assert [D(1)] * 3 == closes(system)
    other = begun(weak=weak)
    long(other)
    flat(other, pull(other, slice_share=D("0.4")))
    assert [D("1.2"), D("1.2"), D("0.6")] == closes(other)


@pytest.mark.parametrize("weak", [False, True])
def test_a_thin_market_is_asked_until_all_is_sold(weak: bool) -> None:
    """Partial closes: each takes what there is, the next the rest."""
    system = begun(weak=weak)
    long(system)
    quote(system, "199", "201", qty="0.5")
    done = pull(system, 120)
    for step in range(12):
        system.run(3 * SECOND)
        quote(system, str(198 - step), "201", qty="0.5")
    flat(system, done, 30)
    assert len(closes(system)) > 3


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("verb", ["place", "cancel"])
@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.THROTTLED,
        FaultKind.REFUSED,
        FaultKind.ANSWER_LOST,
        FaultKind.NEVER_ARRIVED,
        FaultKind.ARRIVES_LATE,
        FaultKind.UNKNOWN_AFTER,
        FaultKind.UNKNOWN_BEFORE,
        FaultKind.DISCONNECT,
        FaultKind.VENUE_RESTART,
        FaultKind.STREAM_SILENT,
    ],
)
def test_trouble_at_a_call_delays_it_and_doubles_nothing(
    kind: FaultKind, verb: str, weak: bool
) -> None:
    """A 429, a no, a lost answer, a lost link, at the close or at a cancel: never more is sold than
    was held.
    """
    system = begun(weak=weak)
    long(system)
    system.inject(Fault(kind, When(verb=verb, nth=1), count=2))
    done = pull(system, 300)
    for _ in range(60):
        system.run(SECOND // 2)
        assert held(system) >= 0
    flat(system, done, 200)


@pytest.mark.parametrize("weak", [False, True])
def test_a_close_of_unknown_outcome_is_not_repeated_where_nothing_bounds_it(weak: bool) -> None:
    """It may have filled: what is closed beside it is at most what is held beyond it."""
    system = begun(weak=weak)
    long(system)
    system.inject(Fault(FaultKind.ANSWER_LOST, When(verb="place", nth=1)))
    system.inject(Fault(FaultKind.STREAM_SILENT, When(verb="place", nth=1), delay_ns=8 * SECOND))
    done = pull(system, 300)
    flat(system, done, 100)
    assert not weak or [D(3)] == closes(system)


@pytest.mark.parametrize("weak", [False, True])
def test_a_stop_that_fills_meanwhile_is_counted(weak: bool) -> None:
    """The market falls through the stop while its cancel is under way."""
    system = begun(weak=weak)
    long(system)
    system.inject(Fault(FaultKind.ARRIVES_LATE, When(verb="cancel", nth=1), SECOND, count=3))
    done = pull(system, 300)
    system.turns(3)
    quote(system, "140", "142")
    flat(system, done, 100)


@pytest.mark.parametrize("moment", [Moment.BEFORE_WRITE, Moment.AFTER_WRITE])
@pytest.mark.parametrize("weak", [False, True])
def test_it_goes_on_after_a_crash_at_any_record(moment: Moment, weak: bool) -> None:
    """The switch is in the journal: the next life looks at what is there, and goes on."""
    for nth in range(1, 13):
        system = begun(weak=weak, seed=nth)
        long(system)
        system.crash_at(moment, nth)
        pull(system)
        system.run(2 * SECOND)
        if system.alive:
            system.crash()
        system.restart()
        if moment is Moment.BEFORE_WRITE and nth == 1:
            pull(system)  # it was not written, and nobody was told that it was
        system.run(60 * SECOND)
        assert (nth, D(0), 0) == (nth, held(system), working(system))
        ticket = system.submit(limit(BTC, "BUY", "1", 100))
        system.run(SECOND)
        assert OrderState.DENIED is system.system.order(ticket).get(timeout=1).state
        assert not system.settle(120 * SECOND), nth


def test_while_the_venue_cannot_be_reached_the_switch_waits_for_it() -> None:
    """At the deadline it says what is left; with the link it goes on by itself."""
    system = begun()
    long(system)
    system.happen(Fault(FaultKind.DISCONNECT, delay_ns=40 * SECOND))
    done = pull(system, 5)
    system.run(6 * SECOND)
    (left,) = done.get(timeout=0).accounts
    assert (False, 3, ((BTC, NET, D(3)),)) == (left.verified, len(left.orders), left.slots)
    assert "cannot be reached" in left.detail
    ticket = system.submit(replace(limit(BTC, "SELL", "1", 190), reduce_only=True))
    system.run(60 * SECOND)
    assert OrderState.DENIED is system.system.order(ticket).get(timeout=1).state
    assert ["flatten"] == [e.reason for e in system.heard if isinstance(e, OrderDenied)]
    assert (D(0), 0) == (held(system), working(system))
    flat(system, pull(system))


@pytest.mark.parametrize("later", range(6))
def test_while_the_journal_cannot_be_written_it_waits_for_it(later: int) -> None:
    """Whichever commit fails: the turn is undone whole and done again."""
    system = begun()
    long(system)
    done = pull(system)
    system.turns(later)
    system.fail_journal(3)
    flat(system, done)
    assert [D(3)] == closes(system)


def test_a_position_alone_is_closed_after_a_restart() -> None:
    """Nothing happens to it that would say so: the link that stands does."""
    system = begun()
    system.submit(market(BTC, "BUY", "3"))
    system.run(SECOND)
    system.happen(Fault(FaultKind.DISCONNECT, delay_ns=20 * SECOND))
    pull(system, 5)
    system.run(6 * SECOND)
    system.crash()
    system.restart()
    system.run(60 * SECOND)
    assert ([D(3)], D(0)) == (closes(system), held(system))
    assert not system.settle(60 * SECOND)


@pytest.mark.parametrize("weak", [False, True])
def test_a_bracket_stands_aside_with_its_stop_and_its_held_legs(weak: bool) -> None:
    """Its stop is not placed again while its holding is closed, nor its emergency exit beside."""
    system = begun(weak=weak)
    terms = bracket(limit(BTC, "BUY", "2", 200), stop_px=180, targets=[(220, "0.5"), (240, "0.5")])
    half = system.system.submit_group(terms, protect_within=3)
    resting = system.system.submit_group(bracket(limit(BTC, "BUY", "1", 150), stop_px=140))
    system.run(SECOND)
    system.trade(BTC, D("199.5"), D("0.8"))
    system.run(SECOND)
    system.inject(Fault(FaultKind.NEVER_ARRIVED, When(verb="place", nth=1)))
    before = len(system.venue.calls)
    done = pull(system, 300)
    system.run(8 * SECOND)
    flat(system, done, 100)
    placed = [call.order for verb, call, _ in system.venue.calls[before:] if verb == "place"]
    assert all(one.order_type is OrderType.MARKET and one.tags for one in placed)
    for ticket in (half, resting):
        assert GroupState.DONE is system.system.group_state(ticket.group_id).get(timeout=1)
    assert "unprotected" not in [e.kind for e in system.heard if isinstance(e, Alarm)]


def test_a_group_submitted_while_it_is_on_opens_nothing() -> None:
    """Its entry is denied, and it is over."""
    system = begun()
    flat(system, pull(system))
    ticket = system.system.submit_group(bracket(limit(BTC, "BUY", "2", 200), stop_px=180))
    system.run(10 * SECOND)
    view = system.system.order(ticket.legs["entry"]).get(timeout=1)
    assert OrderState.DENIED is view.state
    assert GroupState.DONE is system.system.group_state(ticket.group_id).get(timeout=1)
    assert [] == [call for call in system.venue.calls if call[0] == "place"]


def test_one_instrument_goes_and_the_other_stays() -> None:
    """And a group that reaches beyond it ends by itself."""
    system = begun()
    long(system)
    system.submit(market(ETH.symbol, "BUY", "2"))
    kept = system.submit(limit(ETH.symbol, "BUY", "1", 110))
    across = limit(BTC, "BUY", "1", 130), limit(ETH.symbol, "BUY", "1", 130)
    ticket = system.system.submit_group(oco(*across))
    system.run(SECOND)
    done = system.system.flatten(Scope(instrument=BTC), 60)
    system.run(20 * SECOND)
    assert done.get(timeout=0).verified, done.get(timeout=0)
    assert (D(0), D(2), 1) == (held(system), held(system, ETH.symbol), working(system))
    assert GroupState.DONE is system.system.group_state(ticket.group_id).get(timeout=1)
    more = system.submit(limit(ETH.symbol, "BUY", "1", 110))
    no_more = system.submit(limit(BTC, "BUY", "1", 110))
    system.run(SECOND)
    states = [system.system.order(one).get(timeout=1).state for one in (kept, more, no_more)]
    assert [OrderState.ACCEPTED, OrderState.ACCEPTED, OrderState.DENIED] == states
    assert not system.settle(60 * SECOND)


def test_what_fills_late_is_closed_as_well() -> None:
    """Verified is not the end: until it is lifted the switch closes what comes."""
    system = begun()
    long(system)
    system.inject(Fault(FaultKind.FILL_AFTER_CANCEL, When(verb="cancel", nth=0), 5 * SECOND, 3))
    done = pull(system)
    system.run(100 * SECOND)
    assert done.done()
    assert (D(0), 0) == (held(system), working(system))
    flat(system, pull(system))


def test_dust_is_left_alone() -> None:
    """A fee in the coin leaves what no order could sell: that is flat."""
    system = begun(spot=replace(SPOT, min_qty=D("0.05")))
    system.submit(market(BTC, "BUY", "3"))
    system.run(SECOND)
    system.system.submit(market(BTC, "SELL", "2.97"))
    system.run(SECOND)
    done = pull(system)
    system.run(20 * SECOND)
    assert done.get(timeout=0).verified, done.get(timeout=0)
    assert (D("0.03"), []) == (held(system), closes(system))


def test_a_person_lifts_it_and_nobody_else() -> None:
    """With a statement; a restart does not. Who waits for it is told."""
    system = begun()
    long(system)
    flat(system, pull(system))
    system.crash()
    system.restart()
    system.run(SECOND)
    facade = system.system
    with pytest.raises(InvalidValue, match="statement"):
        facade.lift(Scope(), " ")
    with pytest.raises(InvalidValue, match="no kill switch"):
        facade.lift(Scope(instrument=BTC), "me").get(timeout=1)
    facade.lift(Scope(), "me: the drill is over").get(timeout=1)
    ticket = system.submit(limit(BTC, "BUY", "1", 120))
    system.run(SECOND)
    assert OrderState.ACCEPTED is facade.order(ticket).get(timeout=1).state
    system.happen(Fault(FaultKind.DISCONNECT, delay_ns=40 * SECOND))
    done = pull(system, 500)
    system.run(SECOND)
    facade.lift(Scope(), "me: wrong button").get(timeout=1)
    system.run(SECOND)
    assert "lifted" in done.get(timeout=0).accounts[0].detail
    assert not system.settle(60 * SECOND)


def test_what_cannot_be_meant_is_refused() -> None:
    """Before anything is shut."""
    system = begun()
    flatten = system.system.flatten
    for scope, deadline, share in (
        (Scope(venue="nobody"), 1, D(1)),
        (Scope(instrument="nothing"), 1, D(1)),
        (Scope(), 0, D(1)),
        (Scope(), 1, D(0)),
        (Scope(), 1, D(2)),
    ):
        with pytest.raises(InvalidValue):
            flatten(scope, deadline, slice_share=share)
    assert not system.system.brokers["SIM", "main"].flattening.is_anything_shut


def test_who_waits_is_told_that_the_system_has_stopped() -> None:
    """The switch stays on, and nobody waits for ever."""
    system = begun()
    long(system)
    system.happen(Fault(FaultKind.DISCONNECT, delay_ns=40 * SECOND))
    done = pull(system, 300)
    system.run(SECOND)
    system.stop()
    with pytest.raises(SystemStopped, match="the switch stays on"):
        done.get(timeout=0)
    system.restart()
    flat(system, pull(system), 60)


def test_of_two_venues_one_is_down_and_the_other_is_flattened() -> None:
    """The report names the first; it is closed when its link is back."""
    up = PaperVenue("a", "main", (btc("a"),))
    down = ScriptedVenue("b")
    system = simulated(up, down)
    system.call_soon(
        lambda: up.market.on_quote(
            "BTC/USDT", D(100), D(9), D(101), D(9), system.dispatcher.time_ns()
        )
    )
    system.submit(scripted_order(venue="a", price=None))
    bought = system.submit(scripted_order(venue="b"))
    system.sim.run_for(SECOND)
    down.push(down.fill(bought.client_order_id, "x", "1"))
    system.sim.run_for(2 * SECOND)
    assert (D(1), D(1)) == (system.qty("a"), system.qty("b"))
    down.script("connect", *[OSError("no route")] * 4)
    down.drop()
    done = system.flatten(Scope(), 4)
    system.sim.run_for(5 * SECOND)
    report = done.get(timeout=0)
    assert not report.verified
    assert [True, False] == [one.verified for one in report.accounts]
    assert ("b", (("BTC/USDT", NET, D(1)),)) == (report.accounts[1].venue, report.accounts[1].slots)
    assert (D(0), D(1), 1) == (system.qty("a"), system.qty("b"), down.count("place"))
    system.sim.run_for(60 * SECOND)
    placed = [request.order for call, request in down.calls if call == "place"]
    assert (2, D(1), True) == (len(placed), placed[1].order_qty, placed[1].reduce_only)
    system.stop()
