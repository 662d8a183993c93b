"""Several venues and accounts in one system: they share a journal and nothing else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors import ExecutionSystem, Until
from engine.errors import InvalidOrder, InvalidValue
from engine.messages import Filled, LinkUp, VenueDown, VenueUp
from engine.values import OrderState, Side

from .venues import HANG, SECOND, ScriptedVenue, btc, order, simulated

D = Decimal


def two(**options: object) -> tuple[ScriptedVenue, ScriptedVenue]:
    """The same symbol on two venues."""
    return ScriptedVenue("a"), ScriptedVenue("b")


def test_the_same_symbol_on_two_venues() -> None:
    """Orders, fills and positions of one symbol on two venues do not mix, even with one execution
    id.
    """
    a, b = two()
    system = simulated(a, b)
    at_a, at_b = system.submit(order(venue="a", qty="2")), system.submit(order(venue="b", qty="2"))
    system.sim.run_for(SECOND)
    a.push(a.fill(at_a.client_order_id, "x1", "2", "100", fee=D(1), fee_currency="USDT"))
    b.push(b.fill(at_b.client_order_id, "x1", "1", "110", fee=D(1), fee_currency="BNB"))
    system.sim.run_for(SECOND)
    assert (D(2), D(1)) == (system.qty("a"), system.qty("b"))
    held = system.portfolio({("a", "BTC/USDT"): D(101), ("b", "BTC/USDT"): D(120)}).get(timeout=1)
    assert (("USDT", D(12)),) == held.unrealized_pnl
    assert {"USDT": D(1), "BNB": D(1)} == dict(held.fees)
    assert () == held.unmarked
    assert ("b/main/BTC/USDT",) == system.portfolio({("a", "BTC/USDT"): D(1)}).get(
        timeout=1
    ).unmarked
    system.stop()


def test_two_accounts_of_one_venue() -> None:
    """Two accounts at one venue are two brokers; an order has to say which."""
    one, other = ScriptedVenue("a", "x"), ScriptedVenue("a", "y")
    system = simulated(one, other)
    with pytest.raises(InvalidOrder, match="fits several"):
        system.submit(order(venue="a"))
    ticket = system.submit(order(account="y"))
    system.sim.run_for(SECOND)
    assert (0, 1) == (one.count("place"), other.count("place"))
    assert "y" == system.order(ticket).get(timeout=1).account
    system.stop()


def test_an_order_that_names_no_venue_of_ours_is_refused() -> None:
    """With several venues the venue has to be named; an unknown one is shown beside those there
    are.
    """
    a, b = two()
    system = simulated(a, b)
    for wrong in (order(), order(venue="c"), order(venue="a", account="z")):
        with pytest.raises(InvalidOrder, match="a/main, b/main"):
            system.submit(wrong)
    system.stop()


def test_a_queued_order_is_found_among_several_venues() -> None:
    """Right after a submit, before the system has seen it, an order can be waited for and
    cancelled.
    """
    a, b = two()
    system = simulated(a, b)
    ticket = system.submit(order(venue="b"))
    waiting, asked = ticket.until(), system.cancel(ticket)
    by_name = system.watch(ticket.client_order_id, Until.CLOSED)
    system.sim.run_for(SECOND)
    assert OrderState.CANCELLED is waiting.get(timeout=0).state
    assert OrderState.CANCELLED is by_name.get(timeout=0).state
    assert ticket.client_order_id == asked.get(timeout=0).client_order_id
    system.stop()


@pytest.mark.parametrize(
    "trouble", ["connect raises", "connect hangs", "instruments raise", "instruments hang"]
)
def test_a_venue_that_does_not_come_up_does_not_stop_the_other(trouble: str) -> None:
    """Whatever one venue does at the start, the other trades; when it comes up, it trades too."""
    a, b = two()
    call, what = trouble.split()
    name = "instruments" if call == "instruments" else call
    a.script(name, HANG if what.startswith("hang") else RuntimeError("down"))
    system = simulated(a, b)
    ticket = system.submit(order(venue="b"))
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.sim.run_for(60 * SECOND)
    late = system.submit(order(venue="a"))
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is system.order(late).get(timeout=1).state
    system.stop(timeout=0.1)


def test_a_link_lost_in_mid_life_concerns_one_venue() -> None:
    """While one venue is down its entries wait and its cancels too, the other goes on; then all
    leave.
    """
    a, b = two()
    system = simulated(a, b)
    working = system.submit(order(venue="a"))
    system.sim.run_for(SECOND)
    a.script("connect", *[RuntimeError("down")] * 3)
    a.drop("lost")
    system.sim.run_for(SECOND // 100)
    waits, goes = system.submit(order(venue="a", price="99")), system.submit(order(venue="b"))
    system.cancel(working)
    system.sim.run_for(SECOND // 10)
    assert OrderState.ACCEPTED is system.order(goes).get(timeout=1).state
    assert OrderState.PENDING is system.order(waits).get(timeout=1).state
    assert 0 == a.count("cancel")
    assert {"a/main": "DOWN", "b/main": "READY"} == system.snapshot().get(timeout=1).sessions
    system.sim.run_for(30 * SECOND)
    assert OrderState.CANCELLED is working.wait(1).state
    names = [(type(e).__name__, e.venue) for e in system.seen if isinstance(e, VenueUp | VenueDown)]
    assert ("VenueDown", "a") in names
    assert ("VenueDown", "b") not in names
    assert ("VenueUp", "a") == names[-1]
    system.stop()


def test_entries_wait_until_a_venue_can_be_read_again() -> None:
    """After a reconnect entries wait for open orders and executions; if these fail, they are asked
    again.
    """
    a, b = two()
    system = simulated(a, b)
    a.script("open_orders", RuntimeError("500"), HANG)
    a.drop()
    system.sim.run_for(SECOND)
    assert {"a/main": "RECONCILING", "b/main": "READY"} == system.snapshot().get(timeout=1).sessions
    assert [True] == ["a:" in detail for detail in system.alarms("reconcile")]
    system.sim.run_for(120 * SECOND)
    assert {"a/main": "READY", "b/main": "READY"} == system.snapshot().get(timeout=1).sessions
    system.stop(timeout=0.1)


def test_a_venue_that_connects_by_itself_is_not_connected_twice() -> None:
    """An adapter that brings its link up again by itself is left alone by our own retry."""
    a, b = two()
    system = simulated(a, b)
    a.drop()
    a.push(LinkUp(a.now()))
    system.sim.run_for(30 * SECOND)
    assert 1 == a.connects
    assert "READY" == system.snapshot().get(timeout=1).sessions["a/main"]
    system.stop()


def test_a_broken_adapter_stops_entries_of_its_own_account_only() -> None:
    """Garbage from one venue's stream is an alarm; the other venue does not notice."""
    a, b = two()
    system = simulated(a, b)
    for garbage in (None, 7, "text", object(), order(), {"type": "Filled"}):
        a.push(garbage)
    system.sim.run_for(SECOND)
    assert 6 == len(system.alarms("malformed_report"))
    ticket = system.submit(order(Side.SELL, venue="b"))
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.stop()


def test_each_venue_account_comes_once() -> None:
    """A system needs at least one venue, and each account once."""
    for wrong in ((), (ScriptedVenue(), ScriptedVenue())):
        with pytest.raises(InvalidValue, match="venues"):
            ExecutionSystem(wrong)


def test_two_venues_survive_a_restart_together(tmp_path: object) -> None:
    """Positions and open orders of both venues are there after a restart."""
    a, b = two()
    path = f"{tmp_path}/j"
    system = simulated(a, b, journal=path)
    tickets = {name: system.submit(order(venue=name, qty="2")) for name in ("a", "b")}
    system.sim.run_for(SECOND)
    for venue in (a, b):
        cid = tickets[venue.name].client_order_id
        venue.push(venue.fill(cid, "x1", "1"))
        venue.push(
            Filled("", venue.now(), "x2", D("0.5"), D(100), venue_order_id=f"{venue.name}-1")
        )
    system.sim.run_for(SECOND)
    system.stop()
    again = simulated(a, b, journal=path, start_ns=system.sim.time_ns() + SECOND)
    assert (D("1.5"), D("1.5")) == (again.qty("a"), again.qty("b"))
    assert 2 == len(again.orders().get(timeout=1))
    assert btc("a") == again.brokers["a", "main"].instruments["BTC/USDT"]
    again.stop()
