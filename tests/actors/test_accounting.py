"""What positions are worth: direction, known marks, rates, and P&L in one currency."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from actors import ExecutionSystem, PaperVenue
from actors.following import Marking
from actors.runtime import SimulatedDispatcher
from engine.errors import InvalidOrder, InvalidValue
from engine.messages import Filled, PositionChanged, SubmitOrder
from engine.position_tables import Exposure
from engine.values import Instrument, InstrumentKind, OrderType, PositionSlot, Side, TriggerSource

from .test_history import trade
from .venues import CAPABLE, SECOND, ScriptedVenue, System, btc, order, simulated

D = Decimal
HEDGING = msgspec.structs.replace(CAPABLE, hedge_mode=True)
BUY, SELL = Side.BUY, Side.SELL
PERP = Instrument(
    symbol="BTC-PERP", venue="v", kind=InstrumentKind.LINEAR, base="BTC", quote="USDT",
    lot_size=D("0.001"), min_notional=D(10),
)  # fmt: skip
COIN = Instrument(
    symbol="BTC-COIN", venue="v", kind=InstrumentKind.INVERSE, base="BTC", quote="USD",
    multiplier=D(100),
)  # fmt: skip


def several() -> tuple[System, ScriptedVenue]:
    venue = ScriptedVenue(instruments=(btc(), PERP, COIN), capabilities=HEDGING)
    return simulated(venue), venue


def filled(
    system: System, venue: ScriptedVenue, side: Side, qty: str, px: str, symbol: str,
    slot: PositionSlot = PositionSlot.NET,
) -> None:  # fmt: skip
    ticket = system.submit(order(side, qty, px, instrument=symbol, slot=slot))
    system.sim.run_for(SECOND // 10)
    name = f"x{len(venue.fills)}"
    venue.push(venue.fill(ticket.client_order_id, name, qty, px, fee=D(0), fee_currency="BNB"))
    system.sim.run_for(SECOND // 10)


def test_a_strategy_reads_which_way_it_is() -> None:
    """Net and hedge slots, and dust: in the event and in the view, without arithmetic."""
    system, venue = several()
    filled(system, venue, BUY, "1", "100", "BTC-PERP", PositionSlot.LONG)
    filled(system, venue, SELL, "1", "100", "BTC-PERP", PositionSlot.SHORT)
    filled(system, venue, BUY, "1", "100", "BTC-PERP")
    filled(system, venue, SELL, "0.95", "100", "BTC-PERP")  # 5 USDT are left: no order sells them
    events = [e for e in system.seen if isinstance(e, PositionChanged)]
    assert [(e.slot, e.exposure) for e in events] == [
        (PositionSlot.LONG, Exposure.LONG),
        (PositionSlot.SHORT, Exposure.SHORT),
        (PositionSlot.NET, Exposure.LONG),
        (PositionSlot.NET, Exposure.FLAT),
    ]
    system.submit(order(BUY, "1", "90", instrument="BTC-PERP"))  # an entry works: still nothing
    system.sim.run_for(SECOND)
    views = system.snapshot().get(timeout=1).positions
    assert [one.exposure for one in views] == [Exposure.LONG, Exposure.SHORT, Exposure.FLAT]
    assert views[2].qty == D("0.05")
    system.stop()


def test_known_prices_value_what_is_held() -> None:
    """The mark, else the middle, else the last trade, with its age; given marks win; old ones name
    the slot instead.
    """
    system, venue = several()
    filled(system, venue, BUY, "2", "100", "BTC/USDT")
    assert system.portfolio().get(timeout=1).unmarked == ("v/main/BTC/USDT",)
    for told, source, gain in (
        ({"last": 101}, TriggerSource.LAST, 2),
        ({"bid": 101, "ask": 103}, TriggerSource.MID, 4),
        ({"mark": 103}, TriggerSource.MARK, 6),
    ):
        system.on_price("BTC/USDT", **told)  # type: ignore[arg-type]
        system.sim.run_for(SECOND)
        portfolio = system.portfolio().get(timeout=1)
        view = portfolio.positions[0]
        assert (view.mark_source, view.mark_age_ns, view.unrealized_pnl) == (
            source,
            SECOND,
            D(gain),
        )
        assert portfolio.unrealized_pnl == (("USDT", D(gain)),)
    (view,) = system.portfolio({("v", "BTC/USDT"): D(90)}).get(timeout=1).positions
    assert (view.mark_px, view.mark_source, view.unrealized_pnl) == (D(90), None, D(-20))
    system.sim.run_for(70 * SECOND)
    assert system.portfolio().get(timeout=1).unmarked == ("v/main/BTC/USDT",)
    system.stop()


def test_prices_are_watched_only_while_something_is_held() -> None:
    """And only where that was asked for."""
    venue = PaperVenue("v", "main", [btc()])
    sim = SimulatedDispatcher(seed=1)
    asked = Marking((TriggerSource.LAST, TriggerSource.MID), max_age=None)
    with ExecutionSystem([venue], dispatcher=sim, mark_positions=asked) as system:
        sim.run_until_idle()
        venue.market.on_quote("BTC/USDT", D(99), D(5), D(100), D(5))
        watchers = system.brokers["v", "main"].prices._watchers
        for side, count in ((BUY, 1), (SELL, 0)):
            assert len(watchers) == 1 - count
            system.submit(SubmitOrder("", "", "", "BTC/USDT", side, OrderType.MARKET, D(1)))
            sim.run_for(SECOND)
            assert len(watchers) == count
        assert system.portfolio().get(timeout=1).positions[0].qty == 0
    with pytest.raises(InvalidValue, match="max_age"):
        Marking(max_age=0)
    with pytest.raises(InvalidValue, match="sources"):
        Marking(())


def test_pnl_in_one_currency_names_its_rates_and_what_is_missing() -> None:
    """Never a sum of currencies, never a silent 0."""
    system, venue = several()
    filled(system, venue, BUY, "1", "100", "BTC/USDT")
    filled(system, venue, SELL, "1", "110", "BTC/USDT")
    filled(system, venue, BUY, "2", "100", "BTC-COIN")
    report = system.pnl("USD").get(timeout=1)
    assert report.missing == ("rate USDT/USD", "mark of v/main/BTC-COIN")
    assert (report.realized, report.unrealized, report.net, report.fees) == (None, None, None, D(0))
    system.set_rate("USDT", "USD", "0.9", source="desk").get(timeout=1)
    system.set_rate("BTC", "USDT", "200").get(timeout=1)
    system.on_price("BTC-COIN", mark="200")
    system.sim.run_for(SECOND)
    report = system.pnl("USD").get(timeout=1)
    assert (report.realized, report.unrealized, report.funding) == (D("9.0"), D("180.0"), D(0))
    assert (report.net, report.missing) == (D("189.0"), ())
    assert [(r.base, r.px, r.age_ns, r.path) for r in report.rates] == [
        ("BTC", D("180.0"), SECOND, ("BTC", "USDT", "USD")),
        ("USDT", D("0.9"), SECOND, ("USDT", "USD")),
    ]
    assert [line.net for line in report.positions] == [D("9.0"), D("180.0")]
    system.sim.run_for(10 * SECOND)
    stale = system.pnl("USD", max_age=5).get(timeout=1)
    assert (stale.realized, stale.missing) == (None, ("rate USDT/USD", "rate BTC/USD"))
    system.stop()


def test_rates_are_facts(tmp_path: Path) -> None:
    """They survive a restart with the time they were stated at; what is none is refused."""
    system = simulated(ScriptedVenue(), journal=tmp_path / "j")
    said = system.sim.time_ns() - 5 * SECOND
    system.set_rate("EUR", "USD", "1.25", ts=said).get(timeout=1)
    for bad in (0, "x", -1):
        with pytest.raises(InvalidValue):
            system.set_rate("EUR", "USD", bad)
    with pytest.raises(InvalidValue):
        system.set_rate("", "USD", 1)
    start = system.sim.time_ns() + SECOND
    for _ in range(2):  # from the fact, then from the checkpoint
        system.journal.close() if _ == 0 else system.stop()
        system = simulated(ScriptedVenue(), journal=tmp_path / "j", start_ns=start)
        found = system.rate("USD", "EUR").get(timeout=1)
        assert found is not None
        assert found.px == D("0.8")
        assert found.age_ns == system.sim.time_ns() - said
    assert system.rate("USD", "EUR", max_age=1).get(timeout=1) is None
    system.stop()


def test_an_instrument_tells_a_rate() -> None:
    """At once, then at most every so often; each is a fact that names where it is from."""
    system, _ = several()
    system.on_price("BTC/USDT", last=100)
    system.sim.run_for(SECOND)
    end = system.follow_rate("BTC/USDT", every=10)
    for px in (101, 102):
        system.sim.run_for(SECOND)
        system.on_price("BTC/USDT", last=px)
    system.sim.run_for(10 * SECOND)
    assert system.rate("BTC", "USDT").get(timeout=1).px == 100  # type: ignore[union-attr]
    system.on_price("BTC/USDT", last=103)
    system.sim.run_for(SECOND)
    assert system.rate("BTC", "USDT").get(timeout=1).px == 103  # type: ignore[union-attr]
    assert system.accounts.money.rates[0].source == "v:BTC/USDT"
    end()
    system.sim.run_for(20 * SECOND)
    system.on_price("BTC/USDT", last=104)
    system.sim.run_for(SECOND)
    assert system.rate("BTC", "USDT").get(timeout=1).px == 103  # type: ignore[union-attr]
    with pytest.raises(InvalidOrder):
        system.follow_rate("NO/PE")
    system.stop()


def test_a_fill_of_both_kinds_of_slot_is_kept_apart() -> None:
    """A history is of a slot: a long and a short of one instrument are two."""
    venue = ScriptedVenue(capabilities=HEDGING)
    system = simulated(venue, history=True)
    for side, slot in ((BUY, PositionSlot.LONG), (SELL, PositionSlot.SHORT)):
        cid = system.submit(order(side, "1", "100", slot=slot)).client_order_id
        system.sim.run_for(SECOND // 10)
        venue.push(Filled(cid, venue.now(), cid, D(1), D(100)))
        system.sim.run_for(SECOND // 10)
    sides = [(one.slot, one.side) for one in system.open_trips().get(timeout=1)]
    assert sides == [(PositionSlot.LONG, Exposure.LONG), (PositionSlot.SHORT, Exposure.SHORT)]
    trade(system, venue, BUY, "1", "100", "n-1")
    assert len(system.open_trips().get(timeout=1)) == 3
    system.stop()
