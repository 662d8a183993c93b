"""A combo: its order is filled by the combo's executions, positions by those of its legs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from engine.messages import Feeds, Filled, VenueStatus
from engine.values import OrderState, Side

from .test_restart import crash, fold_digest, later
from .venues import SECOND, ScriptedVenue, System, btc, order, simulated

D = Decimal


def held(system: System) -> dict[str, Decimal]:
    """What is held of each instrument."""
    positions = system.brokers["v", "main"].positions
    return {symbol: actor.position.qty for (symbol, _), actor in positions.items()}


def test_each_leg_is_booked_on_its_own_instrument_and_side(tmp_path: Path) -> None:
    """Bought, the spread buys near and sells far, once; the combo itself is no position. A restart
    finds the same.
    """
    venue = ScriptedVenue(instruments=[btc(symbol=name) for name in ("BTC/USDT", "NEAR", "FAR")])
    system = simulated(venue, journal=tmp_path / "j")
    ticket = system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    cid, ts, spread = ticket.client_order_id, venue.now(), venue.orders[ticket.client_order_id]
    near = Filled(cid, ts, "7", D(2), D(105), feeds=Feeds.POSITION, instrument="NEAR")
    far = Filled(cid, ts, "7", D(2), D(5), feeds=Feeds.POSITION, instrument="FAR", side=Side.SELL)
    spread.cum, spread.status = D(2), VenueStatus.FILLED
    for report in (near, far, Filled(cid, ts, "9", D(2), D(100), feeds=Feeds.ORDER)):
        venue.push(report)
        venue.push(report)
    system.sim.run_for(SECOND)
    view = ticket.wait(1)
    assert (OrderState.FILLED, D(2), D(100)) == (view.state, view.cum_qty, view.avg_px)
    assert {"NEAR": D(2), "FAR": D(-2)} == held(system)
    assert fold_digest(system.journal) == system.state_digest().get(timeout=1)
    crash(system)
    again = simulated(venue, journal=tmp_path / "j", start_ns=later(system))
    assert {"NEAR": D(2), "FAR": D(-2)} == held(again)
    again.stop()
