"""How far executions were read is a fact: a restart reads on from there, and from before where
something is missing.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.broker_link import OVERLAP_NS
from actors.venues.port import Answer
from engine.capabilities import Capabilities
from engine.messages import OrderSnapshot, VenueStatus
from engine.values import Side

from .venues import CAPABLE, SECOND, ScriptedVenue, System, btc, order, simulated

HOUR = 3_600 * SECOND
BTC, ETH = "BTC/USDT", "ETH/USDT"
BOTH = (btc(symbol=BTC), btc(symbol=ETH))


def _asked(venue: ScriptedVenue) -> list[int]:
    """Since when executions were asked for, in order."""
    return [since for call, since in venue.calls if call == "executions"]


def _trade(system: System, venue: ScriptedVenue, qty: str = "1", symbol: str = BTC) -> str:
    """An order is filled an hour later; its id."""
    ticket = system.submit(order(qty="1", instrument=symbol))
    system.sim.run_for(HOUR)
    cid = ticket.client_order_id
    venue.push(venue.fill(cid, f"x{cid}", qty))
    system.sim.run_for(SECOND)
    return cid


def _again(system: System, venue: ScriptedVenue, path: Path) -> System:
    """A new process an hour later."""
    del venue.calls[:]
    return simulated(venue, journal=path, start_ns=system.sim.time_ns() + HOUR)


def _lived(path: Path, capabilities: Capabilities = CAPABLE) -> tuple[System, ScriptedVenue]:
    """A system that has traded, has lost its link, and has read what there was."""
    venue = ScriptedVenue(capabilities=capabilities, instruments=BOTH)
    system = simulated(venue, journal=path)
    _trade(system, venue)
    venue.drop()
    system.sim.run_for(5 * SECOND)
    return system, venue


@pytest.mark.parametrize("stops", [True, False])
def test_a_restart_reads_on_from_where_all_was_read(tmp_path: Path, stops: bool) -> None:
    """Not from the beginning: from the latest execution that was read, less the overlap; also when
    the process was killed.
    """
    system, venue = _lived(tmp_path / "j")
    assert 0 == _asked(venue)[0]  # nobody knows what was before
    last = venue.fills[-1].ts
    if stops:
        system.stop()
    else:
        system.journal.close()
    again = _again(system, venue, tmp_path / "j")
    assert {last - OVERLAP_NS} == set(_asked(venue))
    assert again.qty() == 1
    again.stop()


def test_what_came_while_nobody_ran_is_read(tmp_path: Path) -> None:
    """An execution of the time between is behind the mark, and is booked."""
    system, venue = _lived(tmp_path / "j")
    ticket = system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    system.stop()
    venue.fill(ticket.client_order_id, "meanwhile", "2")
    again = _again(system, venue, tmp_path / "j")
    assert again.qty() == 3
    again.stop()


def test_an_order_that_misses_executions_is_read_from_its_start(tmp_path: Path) -> None:
    """The venue says that more is filled than was told: what would show it is older than the
    mark.
    """
    system, venue = _lived(tmp_path / "j")
    began = system.sim.time_ns()
    cid = _trade(system, venue, qty="0.4")
    hidden = venue.fill(cid, "hidden", "0.5")
    venue.fills.remove(hidden)  # the venue's list does not show it yet, its total does
    venue.drop()
    system.sim.run_for(10 * SECOND)
    _trade(system, venue, symbol=ETH)  # goes on, and moves the mark
    venue.drop()
    system.sim.run_for(10 * SECOND)
    system.journal.close()
    venue.fills.append(hidden)
    again = _again(system, venue, tmp_path / "j")
    assert began - OVERLAP_NS == _asked(venue)[0]
    assert again.qty() == Decimal("1.9")
    again.stop()


def test_one_that_was_adopted_is_read_from_the_beginning(tmp_path: Path) -> None:
    """Nobody knows when it began."""
    system, venue = _lived(tmp_path / "j")
    now = system.sim.time_ns()
    seen = OrderSnapshot(
        "", now, VenueStatus.WORKING, "ALIEN-7", "BTC/USDT", Side.BUY, order_qty=Decimal(1),
        cum_qty=Decimal("0.5"), price=Decimal(90), sent_ts=now,
    )  # fmt: skip
    venue.push(seen)
    system.sim.run_for(SECOND)
    system.journal.close()
    again = _again(system, venue, tmp_path / "j")
    assert 0 == _asked(venue)[0]
    again.stop()


def test_a_list_with_holes_moves_no_mark(tmp_path: Path) -> None:
    """A venue that shows all, by its word, and has just shown the last ones only, is asked again
    for those before.
    """
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    cids = [system.submit(order(qty="1")).client_order_id for _ in range(2)]
    system.sim.run_for(SECOND)
    venue.drop()
    first = venue.fill(cids[0], "first", "1")
    late = replace(venue.fill(cids[1], "late", "1"), ts=first.ts + HOUR)
    venue.script("executions", Answer((late,), False, venue.now()))
    system.sim.run_for(30 * SECOND)
    assert 0 == _asked(venue)[-1]
    assert system.qty() == 2
    system.stop()


def test_where_lists_never_show_all_a_restart_reads_all(tmp_path: Path) -> None:
    """By its own word such a venue may have left something out."""
    system, venue = _lived(tmp_path / "j", replace(CAPABLE, executions_complete=False))
    system.stop()
    again = _again(system, venue, tmp_path / "j")
    assert 0 == _asked(venue)[0]
    again.stop()
