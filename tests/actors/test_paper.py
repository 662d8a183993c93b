"""The paper venue keeps the port's promises, with and without latency."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

import pytest

from actors.venues.paper import PaperMarket, PaperMarketDriver, PaperVenue
from actors.venues.port import Done, Duplicate, Refused, StreamReport, Venue
from engine.messages import (
    Accepted,
    Amend,
    Cancel,
    Cancelled,
    Expired,
    Filled,
    LinkUp,
    Place,
    QueryOrder,
    SubmitOrder,
    VenueStatus,
)
from engine.simulator import Exchange, ExchangeConfig, IntegerDraw, MarketPath
from engine.values import Instrument, OrderType, PositionSlot, Side, Source, TimeInForce

T = TypeVar("T")
D = Decimal
BTC = Instrument(
    symbol="BTC", venue="paper", base="BTC", quote="USD", tick_size=D("0.5"), lot_size=D("0.1")
)


class Pause:
    """What a sleep yields: how long."""

    def __init__(self, duration_ns: int) -> None:
        self.duration_ns = duration_ns

    def __await__(self) -> Generator[Pause, None, None]:
        yield self


class VirtualClock:
    """Time that passes only when a coroutine sleeps and the test drives it."""

    def __init__(self) -> None:
        self.now = 1_000

    def time_ns(self) -> int:
        return self.now

    async def sleep_ns(self, duration_ns: int) -> None:
        await Pause(duration_ns)

    def run(self, call: Coroutine[Any, Any, T], sleeps: list[int] | None = None) -> T:
        """Drive ``call`` to its end, jumping over each sleep; ``sleeps`` collects them."""
        while True:
            try:
                pause = call.send(None)
            except StopIteration as done:
                result: T = done.value
                return result
            assert isinstance(pause, Pause)
            if sleeps is not None:
                sleeps.append(pause.duration_ns)
            self.now += pause.duration_ns


class Stage:
    """A connected venue and what its sink got."""

    def __init__(self, config: ExchangeConfig | None = None) -> None:
        self.clock = VirtualClock()
        self.exchange = Exchange(config or ExchangeConfig(), (BTC,))
        self.market = PaperMarket(self.exchange)
        self.venue = PaperVenue("paper", "a", self.market)
        self.got: list[StreamReport] = []
        self.clock.run(self.venue.connect(self.got.append, self.clock))

    def place(self, name: str, qty: str = "1", price: str | None = "100", **more: Any) -> Place:
        order_type = OrderType.MARKET if price is None else OrderType.LIMIT
        return Place(
            SubmitOrder(
                intent_id=name,
                venue="paper",
                account=more.pop("account", "a"),
                instrument="BTC",
                side=more.pop("side", Side.BUY),
                order_type=order_type,
                order_qty=D(qty),
                client_order_id=name,
                price=None if price is None else D(price),
                **more,
            )
        )

    def quote(self, bid: str, ask: str) -> None:
        self.market.on_quote("BTC", D(bid), D(50), D(ask), D(50))


def names(found: object) -> list[str]:
    assert isinstance(found, Done), found
    return [type(report).__name__ for report in found.reports]


def test_it_is_a_venue() -> None:
    """The class fits the port, statically and with every ability the simulator has."""
    venue: Venue = Stage().venue
    caps = venue.capabilities
    assert caps.inline
    assert caps.amend
    assert caps.executions_complete
    assert set(OrderType) == set(caps.order_types)


def test_connecting_says_link_up() -> None:
    """The first thing through the sink is that the session stands."""
    assert [LinkUp(1_000)] == Stage().got


def test_calls_without_latency_do_not_suspend() -> None:
    """Every call of a venue without latency ends in its first step, so a lane may run it inline."""
    stage = Stage()
    venue, calls = stage.venue, []
    stage.quote("99", "101")
    calls = [
        venue.place(stage.place("x")),
        venue.amend(Amend("x", "r", "BTC", order_qty=D(2))),
        venue.query_order(QueryOrder("x", "BTC")),
        venue.open_orders(),
        venue.executions(0),
        venue.positions(),
        venue.balances(),
        venue.instruments(),
        venue.book("BTC"),
        venue.cancel(Cancel("x", "c", "BTC")),
        venue.place_batch([stage.place("y"), stage.place("z")]),
        venue.cancel_batch([Cancel("y", "c", "BTC")]),
        venue.close(),
    ]
    for call in calls:
        with pytest.raises(StopIteration):
            call.send(None)


def test_the_answer_carries_what_happened_at_once() -> None:
    """Acknowledgement and immediate fills are in the answer and not in the stream as well."""
    stage = Stage()
    stage.quote("99", "100")
    found = stage.clock.run(stage.venue.place(stage.place("x", price=None)))
    assert ["Accepted", "Filled"] == names(found)
    assert 1 == len(stage.got)


def test_later_fills_come_through_the_sink() -> None:
    """A resting order's fill reaches the sink inside the market call that caused it."""
    stage = Stage()
    stage.clock.run(stage.venue.place(stage.place("x")))
    stage.market.on_trade("BTC", D(99), D(5), Side.SELL)
    fill = stage.got[-1]
    assert isinstance(fill, Filled)
    assert ("x", D(1), D(100)) == (fill.client_order_id, fill.last_qty, fill.last_px)


def test_refusals_and_duplicates_are_values() -> None:
    """A no carries its reason, a repeated client id is a Duplicate, and neither is an exception."""
    stage = Stage()
    run, venue = stage.clock.run, stage.venue
    off_tick = run(venue.place(stage.place("x", price="100.3")))
    assert isinstance(off_tick, Refused)
    assert "OFF_TICK" == off_tick.reason
    run(venue.place(stage.place("x")))
    assert isinstance(run(venue.place(stage.place("x"))), Duplicate)
    wrong = run(venue.place(stage.place("y", account="b")))
    assert isinstance(wrong, Refused)
    assert "WRONG_ACCOUNT" == wrong.reason
    closed = run(venue.cancel(Cancel("never", "c", "BTC")))
    assert isinstance(closed, Refused)
    assert "UNKNOWN_ORDER" == closed.reason


def test_nothing_is_sent_before_connecting() -> None:
    """A call on a venue that is not connected is a definite no, and the exchange never saw it."""
    stage = Stage()
    stage.clock.run(stage.venue.close())
    for call in (
        stage.venue.place(stage.place("x")),
        stage.venue.cancel(Cancel("x", "c", "BTC")),
        stage.venue.amend(Amend("x", "c", "BTC", order_qty=D(1))),
    ):
        assert isinstance(stage.clock.run(call), Refused)
    assert stage.exchange.order("a", "x", None, 0) is None


def test_what_nobody_heard_is_in_the_queries() -> None:
    """A fill while disconnected is not streamed later and not lost: the queries show it."""
    stage = Stage()
    run = stage.clock.run
    run(stage.venue.place(stage.place("x")))
    run(stage.venue.close())
    stage.market.on_trade("BTC", D(99), D(5), Side.SELL)
    again = PaperVenue("paper", "a", stage.market)
    got: list[StreamReport] = []
    run(again.connect(got.append, stage.clock))
    assert [LinkUp] == [type(report) for report in got]
    found = run(again.executions(0))
    assert found.complete
    assert [("x", Source.LIST, "BTC", Side.BUY)] == [
        (fill.client_order_id, fill.source, fill.instrument, fill.side) for fill in found.items
    ]
    snap = run(again.query_order(QueryOrder("x", "BTC"))).items[0]
    assert (VenueStatus.FILLED, D(1)) == (snap.status, snap.cum_qty)


def test_a_sink_that_raises_loses_nothing() -> None:
    """A report the sink raised on is handed over again before any later one."""
    stage = Stage()
    got: list[StreamReport] = []
    is_broken = True

    def sink(report: StreamReport) -> None:
        if is_broken and isinstance(report, Filled):
            raise RuntimeError("broken sink")
        got.append(report)

    stage.clock.run(stage.venue.connect(sink, stage.clock))
    stage.clock.run(stage.venue.place(stage.place("x", qty="2")))
    with pytest.raises(RuntimeError):
        stage.market.on_trade("BTC", D(99), D(1), Side.SELL)
    is_broken = False
    stage.market.on_trade("BTC", D(99), D(1), Side.SELL)
    assert ["1", "2"] == [report.exec_id for report in got if isinstance(report, Filled)]


def test_two_accounts_meet_at_one_exchange() -> None:
    """Accounts of one market trade with each other; each sink gets its own side only."""
    stage = Stage()
    other = PaperVenue("paper", "b", stage.market)
    got: list[StreamReport] = []
    stage.clock.run(other.connect(got.append, stage.clock))
    stage.clock.run(stage.venue.place(stage.place("x")))
    sell = stage.place("y", price=None, account="b", side=Side.SELL)
    assert ["Accepted", "Filled"] == names(stage.clock.run(other.place(sell)))
    assert ["x"] == [r.client_order_id for r in stage.got if isinstance(r, Filled)]
    assert [LinkUp] == [type(report) for report in got]


def test_latency_delays_effect_and_answer() -> None:
    """A call sleeps out and in on the given clock; the order meets the book of its arrival."""
    stage = Stage(ExchangeConfig(latency_out_ns=100, latency_in_ns=50))
    stage.quote("99", "101")
    sleeps: list[int] = []
    found = stage.clock.run(stage.venue.place(stage.place("x", price=None)), sleeps)
    assert [100, 50] == sleeps
    assert isinstance(found, Done)
    assert [1_100, 1_100] == [report.ts for report in found.reports]
    assert 1_150 == stage.clock.now
    answer = stage.clock.run(stage.venue.positions(), sleeps)
    assert [100, 50, 100, 50] == sleeps
    assert 1_150 == answer.sent_ts
    assert D(1) == answer.items[0].qty


def test_a_batch_is_one_round_trip() -> None:
    """A batch sleeps once each way and has one outcome per request, in order."""
    stage = Stage(ExchangeConfig(latency_out_ns=100, latency_in_ns=50))
    sleeps: list[int] = []
    batch = [stage.place("x"), stage.place("x"), stage.place("y", account="b")]
    found = stage.clock.run(stage.venue.place_batch(batch), sleeps)
    assert [Done, Duplicate, Refused] == [type(outcome) for outcome in found]
    assert 150 == sum(sleeps)


def test_stream_reports_wait_for_their_latency() -> None:
    """A fill is invisible until the latency in has passed, and comes when time is told."""
    stage = Stage(ExchangeConfig(latency_out_ns=100, latency_in_ns=50))
    stage.clock.run(stage.venue.place(stage.place("x")))
    stage.market.on_trade("BTC", D(99), D(5), Side.SELL)
    assert 1 == len(stage.got)
    due = stage.market.next_event_ns()
    assert stage.clock.now + 50 == due
    stage.market.advance(due)
    assert isinstance(stage.got[-1], Filled)


def test_the_driver_plays_and_expires() -> None:
    """The driver shows every step at its time, and wakes for what is due in between."""
    stage = Stage()
    stage.clock.run(
        stage.venue.place(
            stage.place("x", price="10", time_in_force=TimeInForce.GTD, expire_ts=2_155)
        )
    )
    path = MarketPath(BTC, IntegerDraw(3), D(100))
    steps = list(islice(path.steps(2_000, 100), 5))
    driver = PaperMarketDriver(stage.market, steps, stage.clock)
    assert 5 == stage.clock.run(driver.run())
    assert 2_400 == stage.clock.now
    assert [2_155] == [report.ts for report in stage.got if isinstance(report, Expired)]
    top = stage.clock.run(stage.venue.book("BTC")).items[0]
    assert steps[-1].bids[0][0] == top.bid_px
    driver.stop()
    assert 0 == stage.clock.run(PaperMarketDriver(stage.market, [], stage.clock).run())


def test_queries_show_the_venue() -> None:
    """Open orders, positions, balances, instruments and the book are what the exchange holds."""
    stage = Stage()
    run, venue = stage.clock.run, stage.venue
    stage.quote("99", "100")
    run(venue.place(stage.place("x", price=None)))
    run(venue.place(stage.place("y", price="99")))
    stop = SubmitOrder(
        "i", "paper", "a", "BTC", Side.SELL, OrderType.STOP, D(1), 0, "z", stop_px=D(90)
    )
    run(venue.place(Place(stop)))
    listed = run(venue.open_orders())
    assert listed.complete
    assert ["y", "z"] == [snap.client_order_id for snap in listed.items]
    position = run(venue.positions()).items[0]
    assert ("BTC", PositionSlot.NET, D(1)) == (position.instrument, position.slot, position.qty)
    totals = {item.currency: item.total for item in run(venue.balances()).items}
    assert {"BTC": D(1), "USD": D(-100)} == totals
    assert (BTC,) == run(venue.instruments()).items
    top = run(venue.book("BTC")).items[0]
    assert (D(99), D(50), D(100), D(49)) == (top.bid_px, top.bid_qty, top.ask_px, top.ask_qty)
    assert () == run(venue.book("NOPE")).items
    assert () == run(venue.query_order(QueryOrder("never", "BTC"))).items


def test_cancel_and_amend_answers_prove_their_effect() -> None:
    """The answers to cancel and amend name the request they settle."""
    stage = Stage()
    run, venue = stage.clock.run, stage.venue
    placed = run(venue.place(stage.place("x", qty="3")))
    assert isinstance(placed, Done)
    assert isinstance(placed.reports[0], Accepted)
    assert ["Replaced"] == names(run(venue.amend(Amend("x", "r1", "BTC", order_qty=D(2)))))
    found = run(venue.cancel(Cancel("x", "c1", "BTC")))
    assert isinstance(found, Done)
    assert isinstance(found.reports[0], Cancelled)
    assert "c1" == found.reports[0].req_id
