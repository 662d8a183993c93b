"""Answers that are no answers, lists in part, ids given twice: the broker goes on and finds out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from actors.testing import FaultyVenue
from actors.venues.paper import PaperMarket, PaperVenue
from actors.venues.port import Answer, Throttled
from engine.capabilities import Capabilities
from engine.messages import PriceUpdate, VenueUp
from engine.simulator import FULL_CAPABILITIES, Exchange, ExchangeConfig
from engine.testing import Fault, FaultKind, When
from engine.values import OrderState, Side, TriggerSource

from .venues import SECOND, ScriptedVenue, System, btc, order, simulated

D = Decimal
K = FaultKind
ODD: dict[str, Any] = {
    "a number": 5,
    "a dict": {"items": []},
    "no items": Answer(None, True, 0),  # type: ignore[arg-type]
    "items that are a text": Answer("x", True, 0),  # type: ignore[arg-type]
    "a time that is none": Answer((), True, "soon"),  # type: ignore[arg-type]
    "a whole that is a text": Answer((), "yes", 0),  # type: ignore[arg-type]
}


def faulty(
    *faults: Fault, capabilities: Capabilities = FULL_CAPABILITIES
) -> tuple[System, FaultyVenue]:
    """The real system at a paper venue with faults, and a market to trade in."""
    exchange = Exchange(ExchangeConfig(capabilities=capabilities), (btc(),))
    venue = FaultyVenue(PaperVenue("v", "main", PaperMarket(exchange)))
    system = simulated(venue)
    venue.market.on_quote("BTC/USDT", D(100), D(50), D(101), D(50))
    for fault in faults:
        venue.inject(fault)
    return system, venue


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("call", ["open_orders", "executions", "query"])
def test_an_answer_that_is_none_says_nothing(call: str, odd: str) -> None:
    """Whatever an adapter answers to a question, the broker lives, asks again and gets on."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    venue.script(call, ODD[odd])
    if call == "query":
        venue.script("cancel", TimeoutError())
        system.cancel(ticket)
    else:
        venue.drop()
    asked = venue.count(call)
    system.sim.run_for(60 * SECOND)
    assert [] == system.alarms("broker_failed") + system.alarms("dead_letter")
    assert asked + 2 <= venue.count(call)
    system.submit(order())
    system.sim.run_for(SECOND)
    assert 2 == venue.count("place")


def test_a_pause_that_is_no_number_is_the_usual_pause() -> None:
    """A rate limit with a broken retry_after was still no execution: the call leaves again."""
    venue = ScriptedVenue()
    system = simulated(venue)
    venue.script("place", Throttled("soon"))  # type: ignore[arg-type]
    ticket = system.submit(order())
    system.sim.run_for(10 * SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    assert [] == system.alarms()


def test_lists_in_part_are_read_again() -> None:
    """After an outage a failed page is not the whole: the fill it hid is found by asking again."""
    system, venue = faulty(
        Fault(K.UNKNOWN_BEFORE, When("open_orders", 1)),
        Fault(K.UNKNOWN_BEFORE, When("executions", 1)),
        Fault(K.DISCONNECT, When("place", 2), delay_ns=2 * SECOND),
    )
    system.submit(order(Side.BUY, "5", "99"))
    system.submit(order(Side.BUY, "1", "90"))
    system.sim.run_for(SECOND)
    venue.market.on_trade("BTC/USDT", D(98), D(200))
    system.sim.run_for(20 * SECOND)
    assert 1 <= venue.wire.missed
    assert D(5) == system.qty()
    assert 1 == len(system.alarms("reconcile"))


def test_lists_that_stay_in_part_are_made_up_for_order_by_order() -> None:
    """Where every page fails the venue is not waited for for ever: each order is asked about."""
    system, venue = faulty(
        Fault(K.UNKNOWN_BEFORE, When("open_orders")),
        Fault(K.UNKNOWN_BEFORE, When("executions", 1), count=4),
        Fault(K.DISCONNECT, When("place", 2), delay_ns=2 * SECOND),
    )
    system.submit(order(Side.BUY, "5", "99"))
    system.submit(order(Side.BUY, "1", "90"))
    system.sim.run_for(SECOND)
    venue.market.on_trade("BTC/USDT", D(98), D(200))
    ups = sum(isinstance(event, VenueUp) for event in system.seen)
    system.sim.run_for(60 * SECOND)
    assert D(5) == system.qty()
    assert ups + 1 == sum(isinstance(event, VenueUp) for event in system.seen)


def test_a_late_report_is_its_orders_though_the_venues_id_went_to_another() -> None:
    """A bust of a closed order whose venue id was given again touches that order alone."""
    system, venue = faulty(Fault(K.IDS_REUSED, When("place", 1)))
    first = system.submit(order(Side.BUY, "2", "101"))
    system.sim.run_for(SECOND)
    second = system.submit(order(Side.BUY, "3", "99"))
    system.sim.run_for(SECOND)
    ids = [one.venue_order_id for _, one in venue.exchange.placed("main")]
    assert ids[0] == ids[1]
    venue.exchange.bust("BTC/USDT", "1", system.sim.time_ns())
    venue.market.advance()
    system.sim.run_for(SECOND)
    assert D(0) == system.qty()
    assert D(0) == system.order(first).get(timeout=1).cum_qty
    venue.exchange.execute("main", second.client_order_id, D(3), system.sim.time_ns())
    venue.market.advance()
    system.sim.run_for(SECOND)
    assert OrderState.FILLED is system.order(second).get(timeout=1).state
    assert D(3) == system.qty()
    assert [] == system.alarms("execution_elsewhere")


def test_a_question_that_a_list_raised_is_asked_until_it_is_answered() -> None:
    """An order that ended in an outage is missing in the list; its query fails, and comes again."""
    system, venue = faulty(
        Fault(K.UNKNOWN_BEFORE, When("query", 1), count=2),
        Fault(K.DISCONNECT, When("place", 2), delay_ns=2 * SECOND),
    )
    ticket = system.submit(order(Side.BUY, "5", "99"))
    system.submit(order(Side.BUY, "1", "90"))
    system.sim.run_for(SECOND)
    venue.exchange.cancel_unasked("main", ticket.client_order_id, "", system.sim.time_ns())
    system.sim.run_for(30 * SECOND)
    assert OrderState.CANCELLED is system.order(ticket).get(timeout=1).state


@pytest.mark.parametrize("price", ["101", "99"])
def test_what_no_question_by_id_can_find_is_looked_for_in_lists(price: str) -> None:
    """A lost placement acts late at a venue that knows no client ids: its fill, or the order
    itself, shows in the lists that are read while it is in doubt.
    """
    caps = replace(FULL_CAPABILITIES, lookup_by_client_id=False)
    system, venue = faulty(
        Fault(K.ARRIVES_LATE, When("place", 1), delay_ns=2 * SECOND), capabilities=caps
    )
    ticket = system.submit(order(Side.BUY, "5", price))
    system.sim.run_for(60 * SECOND)
    assert {K.ARRIVES_LATE: 1} == venue.injected
    filled = price == "101"
    assert (D(5) if filled else D(0)) == system.qty()
    state = system.order(ticket).get(timeout=1).state
    assert (OrderState.FILLED if filled else OrderState.ACCEPTED) is state


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([btc()], "a broken list"),
        (Answer(("BTC/USDT",), True, 0), "a str is no Instrument"),
        (Answer((btc("w"),), True, 0), "'BTC/USDT' has venue='w', and this is 'v'"),
    ],
)
def test_instruments_that_are_none_are_told_and_asked_again(answer: Any, words: str) -> None:
    """An adapter that names its instruments wrongly is told how, and not trusted with any."""
    venue = ScriptedVenue()
    venue.script("instruments", answer)
    system = simulated(venue)
    assert [words] == [words for detail in system.alarms("instruments") if words in detail]
    system.sim.run_for(SECOND)
    assert 2 == venue.count("instruments")
    system.submit(order())
    system.sim.run_for(SECOND)
    assert 1 == venue.count("place")


class _Feed(ScriptedVenue):
    """A venue whose feed tells anything."""

    tell: Callable[[Any], object]

    def watch_prices(self, instrument: str, tell: Callable[[PriceUpdate], object]) -> None:
        self.tell = tell


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (PriceUpdate("BTC/USDT", 1, last=100.5), D("100.5")),  # type: ignore[arg-type]
        (PriceUpdate("BTC/USDT", 1, last="100.5"), D("100.5")),  # type: ignore[arg-type]
        (PriceUpdate("BTC/USDT", 1, last="cheap"), None),  # type: ignore[arg-type]
        (PriceUpdate("BTC/USDT", 1, last=float("nan")), None),  # type: ignore[arg-type]
        (PriceUpdate(7, 1, last=D(100)), None),  # type: ignore[arg-type]
        (100.5, None),
        (None, None),
    ],
)
def test_a_feed_that_tells_odd_prices_stops_nobody(told: Any, known: Decimal | None) -> None:
    """What can be understood counts; the rest is an alarm, and the account trades on."""
    venue = _Feed()
    system = simulated(venue)
    prices = system.brokers["v", "main"].prices
    prices.watch("BTC/USDT", "test", lambda _: None)
    venue.tell(told)
    system.sim.run_for(SECOND)
    assert known == prices.now("BTC/USDT", TriggerSource.LAST)
    assert (known is None) == bool(system.alarms("bad_price"))
    assert [] == system.alarms("broker_failed") + system.alarms("dead_letter")


def test_what_an_adapter_raises_is_logged_by_its_place(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever looks for its fault finds the line; the text, which may hold a secret, is nowhere."""
    venue = ScriptedVenue()
    system = simulated(venue)
    venue.script("place", KeyError("secret"))
    with caplog.at_level(logging.DEBUG, "actors.adapter"):
        system.submit(order())
        system.sim.run_for(SECOND)
    assert "an adapter raised KeyError" in caplog.text
    assert 'venues.py", line' in caplog.text
    assert "secret" not in caplog.text
