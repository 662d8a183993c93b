"""Executions that cannot be booked, and ids that mean several orders."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from actors import ExecutionSystem, PaperVenue, Until
from actors.runtime import SimulatedDispatcher
from actors.venue_ids import VenueIds
from engine import Instrument, InstrumentKind, OrderState, limit
from engine.messages import Event, Feeds, Filled
from engine.order import Order, new_order

SECOND = 1_000_000_000
D = Decimal


def perp() -> Instrument:
    return Instrument(
        symbol="BTC-PERP",
        venue="p",
        kind=InstrumentKind.INVERSE,
        base="BTC",
        quote="USD",
        tick_size=D("0.5"),
        lot_size=D(1),
    )


def test_an_execution_nobody_can_book_does_not_close_the_journal(tmp_path: Path) -> None:
    """A fill of an inverse contract at price 0 is kept and alarmed; a restart opens it."""
    journal = tmp_path / "j.db"
    seen: list[Event] = []
    with ExecutionSystem(
        [PaperVenue("p", "a", [perp()])], journal=journal, dispatcher=SimulatedDispatcher()
    ) as system:
        system.subscribe(seen.append)
        ticket = system.submit(limit("BTC-PERP", "BUY", 10, 100))
        ticket.wait(timeout=1, until=Until.ACCEPTED)
        system.report("p", "a", Filled(ticket.client_order_id, 1, "bad", D(4), D(0)))
        live = system.state_digest().get(timeout=1)
    assert {"order_failed", "unbookable"} <= {getattr(event, "kind", "") for event in seen}

    with ExecutionSystem(
        [PaperVenue("p", "a", [perp()])], journal=journal, dispatcher=SimulatedDispatcher()
    ) as again:
        (actor,) = again.brokers["p", "a"].orders.values()
        assert ticket.client_order_id == actor.order.client_order_id
        assert actor.frozen
    assert live
    assert OrderState.ACCEPTED is actor.order.state


def working(cid: str, instrument: str, venue_id: str) -> Order:
    """An order that the venue calls ``venue_id``."""
    terms = replace(limit(instrument, "BUY", 1, 1), client_order_id=cid)
    return replace(new_order(terms), venue_order_ids=(venue_id,))


def test_one_venue_id_on_two_instruments_is_two_orders() -> None:
    """A report is for the order of its instrument; one that names none is for nobody."""
    ids = VenueIds()
    ids.learn(working("b", "BTC", "77"))
    ids.learn(working("e", "ETH", "77"))

    assert "b" == ids.find("77", Filled("", 1, "x", D(1), D(1), instrument="BTC"))
    assert "e" == ids.find("77", Filled("", 1, "x", D(1), D(1), instrument="ETH"))
    assert ids.find("77", Filled("", 1, "x", D(1), D(1))) is None
    assert ids.find("77", Filled("", 1, "x", D(1), D(1), instrument="SOL")) is None
    ids.forget(working("e", "ETH", "77"))
    assert "b" == ids.find("77", Filled("", 1, "x", D(1), D(1)))
    leg = Filled("", 1, "x", D(1), D(1), instrument="LEG", feeds=Feeds.POSITION)
    assert "b" == ids.find("77", leg)
