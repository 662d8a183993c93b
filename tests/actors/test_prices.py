"""Prices: from the host and from a venue's feed, to whoever watches them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors import ExecutionSystem, PaperVenue
from actors.journal import MemoryJournal
from actors.prices import Prices, PricesWaiting
from actors.runtime import SimulatedDispatcher
from actors.testing import SPOT, SimulatedSystem
from engine import limit
from engine.errors import InvalidOrder, InvalidValue
from engine.messages import Alarm, Event, PriceUpdate
from engine.prices import Price, age_ns, price_of, taken
from engine.values import Instrument, TriggerSource

SECOND = 1_000_000_000
BTC = Instrument(symbol="BTC/USDT", venue="PAPER", base="BTC", quote="USDT")


def _system() -> tuple[ExecutionSystem, SimulatedDispatcher, PaperVenue]:
    venue = PaperVenue("PAPER", "demo", [BTC])
    dispatcher = SimulatedDispatcher(seed=1)
    system = ExecutionSystem([venue], dispatcher=dispatcher)
    system.start()
    dispatcher.run_until_idle()
    return system, dispatcher, venue


def _prices(system: ExecutionSystem) -> Prices:
    return system.brokers["PAPER", "demo"].prices


def test_each_source_has_its_own_age() -> None:
    """A new mark says nothing about how old the last trade is."""
    price = taken(None, PriceUpdate("X", 1, last=Decimal(10)), 100)
    price = taken(price, PriceUpdate("X", 2, mark=Decimal(11)), 900)
    assert price_of(price, TriggerSource.LAST) == 10
    assert age_ns(price, TriggerSource.LAST, 1000) == 900
    assert age_ns(price, TriggerSource.MARK, 1000) == 100
    assert age_ns(price, TriggerSource.MID, 1000) is None


@pytest.mark.parametrize(
    ("bid", "ask", "mid"), [(9, 12, "10.5"), (None, 12, None), (9, None, None), (12, 9, None)]
)
def test_the_middle_needs_both_sides_in_order(
    bid: int | None, ask: int | None, mid: str | None
) -> None:
    """A one-sided or crossed quote has no middle."""
    price = Price(
        "X",
        bid=None if bid is None else Decimal(bid),
        ask=None if ask is None else Decimal(ask),
        quote_at=1,
    )
    assert price_of(price, TriggerSource.MID) == (None if mid is None else Decimal(mid))


def test_a_host_tells_prices() -> None:
    """What a host tells is known in the next turn, and too old a price is no price."""
    system, dispatcher, _ = _system()
    system.on_price("BTC/USDT", last=100, bid="99.9", ask="100.1")
    dispatcher.run_until_idle()
    prices = _prices(system)
    assert prices.now("BTC/USDT", TriggerSource.MID) == 100
    dispatcher.run_for(2_000_000_000)
    assert prices.now("BTC/USDT", TriggerSource.LAST, 1_000_000_000) is None
    assert prices.now("BTC/USDT", TriggerSource.LAST, 3_000_000_000) == 100
    system.stop()


def test_what_cannot_be_a_price_is_refused() -> None:
    """Nothing told, zero, not finite, or an unknown instrument: an error that says so."""
    system, _, _ = _system()
    with pytest.raises(InvalidValue, match="tells no price"):
        system.on_price("BTC/USDT")
    with pytest.raises(InvalidValue, match="last price of BTC/USDT must be finite"):
        system.on_price("BTC/USDT", last=0)
    with pytest.raises(InvalidValue):
        system.on_price("BTC/USDT", mark=Decimal("NaN"))
    with pytest.raises(InvalidOrder, match="ETH/USDT"):
        system.on_price("ETH/USDT", last=1)
    system.stop()


def test_a_venue_feeds_what_is_watched() -> None:
    """A watched instrument's prices come from the venue, as they stand and at each change; an
    instrument nobody watches any more is told to nobody.
    """
    system, dispatcher, venue = _system()
    venue.market.on_mark("BTC/USDT", Decimal(50))
    seen: list[Decimal | None] = []
    prices = _prices(system)
    prices.watch("BTC/USDT", "me", lambda price: seen.append(price.mark))
    dispatcher.run_until_idle()
    venue.market.on_mark("BTC/USDT", Decimal(51))
    venue.market.on_mark("BTC/USDT", Decimal(51))
    dispatcher.run_until_idle()
    assert seen == [50, 51]
    prices.unwatch("BTC/USDT", "me")
    venue.market.on_mark("BTC/USDT", Decimal(52))
    dispatcher.run_until_idle()
    assert seen == [50, 51]
    system.stop()


def test_a_watcher_that_fails_spares_the_others() -> None:
    """An alarm tells of it, and the next watcher hears the price."""
    system, dispatcher, _ = _system()
    heard: list[Event] = []
    system.subscribe(heard.append, Alarm)
    seen: list[Decimal | None] = []

    def fails(price: Price) -> None:
        raise RuntimeError(f"at {price.last}")

    prices = _prices(system)
    prices.watch("BTC/USDT", "bad", fails)
    prices.watch("BTC/USDT", "good", lambda price: seen.append(price.last))
    system.on_price("BTC/USDT", last=7)
    dispatcher.run_until_idle()
    assert seen == [7]
    assert any(isinstance(one, Alarm) and one.kind == "price_watcher_failed" for one in heard)
    system.stop()


def test_a_dead_engine_hears_no_prices() -> None:
    """The market moves while nothing runs, and nothing is left to find it undeliverable."""
    kit = SimulatedSystem(seed=1)
    kit.run(SECOND)
    prices, seen = kit.system.brokers["SIM", "main"].prices, list[Price]()
    kit.system.call_soon(lambda: prices.watch(SPOT.symbol, "test", seen.append))
    kit.quote(SPOT.symbol, Decimal(99), Decimal(1), Decimal(100), Decimal(1))
    kit.run(SECOND)
    dead, heard = kit.dispatcher.dead_letters, len(seen)
    kit.crash()
    kit.quote(SPOT.symbol, Decimal(98), Decimal(1), Decimal(99), Decimal(1))
    kit.run(SECOND)
    assert (heard > 0, len(seen) - heard, dead.count) == (True, 0, 0)


def test_a_burst_of_prices_keeps_no_command_out() -> None:
    """A hundred thousand prices come while the engine is busy: one message waits, a command is
    still accepted, the levels that were reached are seen in their order, and an alarm says that
    not all were looked at.
    """
    system, dispatcher, _ = _system()
    alarms: list[Event] = []
    system.subscribe(alarms.append, Alarm)
    seen: list[Price] = []
    _prices(system).watch(BTC.symbol, "me", seen.append)
    dispatcher.run_until_idle()
    prices = [100 + at % 7 for at in range(100_000)]
    prices[40_000], prices[70_000] = 250, 3
    waiting = dispatcher.queued()
    for px in prices:
        system.on_price(BTC.symbol, last=px)
    assert dispatcher.queued() == waiting + 1
    system.submit(limit(BTC.symbol, "BUY", "1", "1"))
    dispatcher.run_until_idle()
    told = [price.last for price in seen]
    assert len(told) < 300
    assert told.index(Decimal(250)) < told.index(Decimal(3))
    assert told[-1] == prices[-1]
    (alarm,) = [one for one in alarms if isinstance(one, Alarm)]
    assert alarm.kind == "prices_passed_over"
    assert f"{100_000 - len(told)} prices of BTC/USDT" in alarm.detail
    system.stop()


def test_prices_of_a_discarded_turn_are_told_again() -> None:
    """The journal fails: what watches prices takes its decision again when it is back, and what
    came meanwhile is told behind.
    """
    journal, venue = MemoryJournal(), PaperVenue("PAPER", "demo", [BTC])
    dispatcher = SimulatedDispatcher(fifo=True)
    system = ExecutionSystem([venue], journal=journal, dispatcher=dispatcher)
    system.start()
    seen: list[Decimal | None] = []
    _prices(system).watch(BTC.symbol, "me", lambda price: seen.append(price.last))
    dispatcher.run_until_idle()
    journal.unavailable = "has a full disk"
    system.on_price(BTC.symbol, last=7)
    system.on_price(BTC.symbol, last=8)
    system.submit(limit(BTC.symbol, "BUY", "1", "1"))  # so that there is something to write
    dispatcher.run_for(SECOND // 10)
    discarded = list(seen)
    journal.unavailable = ""
    system.on_price(BTC.symbol, last=10)
    dispatcher.run_for(10 * SECOND)
    assert discarded == [7, 8]
    assert seen == [7, 8, 7, 8, 10]
    system.stop()


def test_a_price_is_as_old_as_it_is_though_it_waited() -> None:
    """Its age counts from when it came, not from when the engine had time for it."""
    system, dispatcher, _ = _system()
    prices = _prices(system)
    waiting = PricesWaiting(BTC.symbol)
    waiting.add(PriceUpdate(BTC.symbol, 1, last=Decimal(5)), dispatcher.monotonic_ns())
    dispatcher.run_for(3 * SECOND)
    dispatcher.post(prices.broker, waiting)
    dispatcher.run_until_idle()
    assert prices.now(BTC.symbol, TriggerSource.LAST, 2 * SECOND) is None
    assert prices.now(BTC.symbol, TriggerSource.LAST, 4 * SECOND) == 5
    system.stop()


def test_a_price_that_comes_too_late_is_no_letter_that_was_lost() -> None:
    """It is no fact: what a feed tells while the system stops is not told to anybody."""
    system, dispatcher, _ = _system()
    alarms: list[Event] = []
    system.subscribe(alarms.append, Alarm)
    prices = _prices(system)
    prices.sink(PriceUpdate(BTC.symbol, 1, last=Decimal(10)))
    dispatcher.release(prices.broker)
    dispatcher.run_until_idle()
    assert not alarms
