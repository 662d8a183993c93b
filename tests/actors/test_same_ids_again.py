"""A venue that gives old execution ids again: nothing is doubled, and nobody is rushed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from actors import ExecutionSystem, PaperVenue
from actors.journal import MemoryJournal
from actors.runtime import SimulatedDispatcher
from engine import Instrument, limit
from engine.journal import decode
from engine.messages import Event, OutcomeUnknown

from .venues import HANG, SECOND, ScriptedVenue, order, simulated


def one_process(journal: Path, intent: str) -> tuple[list[Event], Decimal]:
    """A paper exchange that begins anew, so it numbers from 1 again; ten seconds of it."""
    coin = Instrument(
        symbol="A/B", venue="p", base="A", quote="B", tick_size=Decimal("0.1"), lot_size=Decimal(1)
    )
    venue = PaperVenue("p", "a", [coin])
    sim = SimulatedDispatcher()
    seen: list[Event] = []
    with ExecutionSystem([venue], journal=journal, dispatcher=sim) as system:
        system.subscribe(seen.append)
        quote = Decimal(100), Decimal(9), Decimal(101), Decimal(9)
        system.call_soon(lambda: venue.market.on_quote("A/B", *quote))
        system.submit(limit("A/B", "BUY", 2, 101, intent_id=intent))
        sim.run_for(10 * SECOND)
        held = system.snapshot().get(timeout=1).positions
    return seen, sum((slot.qty for slot in held), Decimal(0))


def test_an_execution_id_given_again_is_booked_once_and_asked_about_with_pauses(
    tmp_path: Path,
) -> None:
    """The second execution under an old id is not booked, alarmed, and not asked for in a rush."""
    journal = tmp_path / "j.db"
    _, first = one_process(journal, "i1")
    assert Decimal(2) == first

    for n in (2, 3, 4):
        seen, held = one_process(journal, f"i{n}")
        assert Decimal(2) == held
        assert 1 <= sum(getattr(event, "kind", "") == "execution_elsewhere" for event in seen)
        assert len(seen) < 200


def test_an_order_whose_execution_is_anothers_is_unverified_and_asked_about() -> None:
    """An execution that another order has booked is not booked again; the order it came for is
    asked about at once, without a gap, and that is a fact: a crash does not lose it.
    """
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    first, second = system.submit(order()), system.submit(order())
    system.sim.run_for(SECOND)
    venue.push(venue.fill(first.client_order_id, "x1", "0.4"))
    system.sim.run_for(SECOND)
    venue.script("query", HANG)
    asked = venue.count("query")
    venue.push(venue.fill(second.client_order_id, "x1", "0.4"))
    system.sim.run_for(SECOND)

    cid = second.client_order_id
    held = system.brokers["v", "main"].orders[cid].order
    assert (True, Decimal(0), Decimal("0.4")) == (held.unverified, held.cum_qty, system.qty())
    assert venue.count("query") == asked + 1
    told = [decode(one.body) for one in journal.records() if one.entity == cid]
    assert isinstance(told[-1], OutcomeUnknown)
    assert "'x1'" in told[-1].detail
    assert first.client_order_id in told[-1].detail
    system.sim.kill()

    again = simulated(venue, journal=journal)
    again.sim.run_for(SECOND)
    held = again.brokers["v", "main"].orders[cid].order
    assert (Decimal("0.4"), Decimal(0)) == (held.claim_qty, held.cum_qty)
    again.stop()
