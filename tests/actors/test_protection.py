"""The watch over what is held without a stop: states, times, alarms, over restarts."""

from __future__ import annotations

import contextlib
from decimal import Decimal

from msgspec.structs import replace

from actors.testing import SPOT, SimulatedSystem
from engine import bracket, limit, stop
from engine.errors import JournalUnavailable
from engine.messages import Alarm, CorrectPosition, ProtectionChanged
from engine.protection import STOPS, look
from engine.simulator import ExchangeConfig
from engine.testing import PROFILES, Fault, FaultKind, When
from engine.values import CorrectionKind, PositionSlot

SECOND = 1_000_000_000
MS = 1_000_000
D = Decimal
BTC = SPOT.symbol


def begun(latency_ms: int = 0) -> SimulatedSystem:
    """A system at a market of 199 to 201, so many milliseconds away."""
    latency = latency_ms * MS
    config = ExchangeConfig(last_from_quotes=True, latency_out_ns=latency, latency_in_ns=latency)
    system = SimulatedSystem(seed=1, config=config, listens=True)
    system.quote(BTC, D(199), D(50), D(201), D(50))
    system.run(SECOND)
    return system


def test_sums_are_what_a_fresh_look_finds() -> None:
    """Over partial fills, moved stops, crashes and journals that fail: nothing is counted twice."""
    for seed in range(12):
        system = SimulatedSystem(seed=seed, plan=PROFILES["rough"], listens=True)
        system.quote(BTC, D(199), D(50), D(201), D(50))
        for step in range(8):
            if not system.alive:
                system.restart()
            if step in (1, 4):
                system.fail_journal(2)
            order = limit(BTC, "BUY", "0.5", 201) if step % 2 else limit(BTC, "BUY", "0.5", 199)
            with contextlib.suppress(JournalUnavailable):
                system.system.submit_group(bracket(order, stop_px=180), intent_id=f"b{step}")
            system.run(SECOND // 3)
            if step == 5:
                system.crash()
        if not system.alive:
            system.restart()
        system.run(30 * SECOND)
        broker = system.system.brokers["SIM", "main"]
        for (symbol, slot), held in broker.positions.items():
            stops = [
                one.order for one in broker.orders.values()
                if one.order.terms.order_type in STOPS and one.order.terms.slot is slot
            ]  # fmt: skip
            fresh = look(held.position, held.instrument, stops)
            assert fresh == broker.protections.slots[symbol, slot].cover, seed


def states(system: SimulatedSystem) -> list[str]:
    """The states that were told of, in order, each once in a row."""
    told = [event.state for event in system.heard if isinstance(event, ProtectionChanged)]
    return [state for state, before in zip(told, ["", *told], strict=False) if state != before]


def test_a_bracket_is_protected_and_how_long_that_took_is_known() -> None:
    """From the first fill to the confirmation of its stop: out and back again."""
    system = begun(latency_ms=10)
    system.system.submit_group(bracket(limit(BTC, "BUY", "1", 201), stop_px=180, target=220))
    system.run(SECOND)
    assert ["UNPROTECTED", "PROTECTING", "PROTECTED"] == states(system)
    told = system.system.protection().get(timeout=1)
    assert (1, 20 * MS, 20 * MS, ()) == (told.count, told.p50_ns, told.p99_ns, told.naked)
    system.quote(BTC, D(221), D(50), D(223), D(50))
    system.run(SECOND)
    assert "FLAT" == states(system)[-1]
    assert not system.settle(60 * SECOND)


def test_what_is_held_without_a_stop_is_told_after_the_deadline() -> None:
    """Once, with quantity and time; and a stop of one's own ends it."""
    system = begun()
    watch = system.system.brokers["SIM", "main"].protections
    watch.within_ns, watch.active = 3 * SECOND, True  # as the system's protect_within makes it
    system.submit(limit(BTC, "BUY", "1", 201))
    system.run(SECOND)
    ((at, qty, naked_ns),) = system.system.protection().get(timeout=1).naked
    assert (("SIM", "main", BTC, "NET"), "1", SECOND) == (at, qty, naked_ns)
    system.run(4 * SECOND)
    (alarm,) = [event for event in system.heard if isinstance(event, Alarm)]
    assert ("unprotected", True) == (alarm.kind, "1 of 1 BTC/USDT" in alarm.detail)
    system.submit(stop(BTC, "SELL", "1", 180))
    system.run(SECOND)
    naked = system.system.protection().get(timeout=1).naked
    assert ("PROTECTED", ()) == (states(system)[-1], naked)


def test_the_first_stop_of_all_is_measured_from_the_fill_before_it() -> None:
    """Until somebody places a stop nothing is watched, and what is held is naked all the same."""
    system = begun()
    system.submit(limit(BTC, "BUY", "1", 201))
    system.run(SECOND)
    told = system.system.protection().get(timeout=1)
    (filled_ns,) = (naked_ns for _, _, naked_ns in told.naked)
    assert filled_ns > SECOND - 50 * MS
    system.submit(stop(BTC, "SELL", "1", 180))
    system.run(SECOND)
    told = system.system.protection().get(timeout=1)
    assert (1, ()) == (told.count, told.naked)
    assert told.p50_ns is not None
    assert filled_ns <= told.p50_ns < filled_ns + SECOND


def test_what_a_person_states_is_looked_at() -> None:
    """More is held than the stop covers; and the other way round, none of it."""
    system = begun()
    system.submit(limit(BTC, "BUY", "1", 201))
    system.submit(stop(BTC, "SELL", "1", 180))
    system.run(SECOND)
    assert "PROTECTED" == states(system)[-1]
    shift = CorrectPosition(
        "SIM", "main", BTC, PositionSlot.NET, CorrectionKind.OPERATOR, system.now_ns(), D("0.5"),
        D(200), statement="me",
    )  # fmt: skip
    system.system.state_position(shift).get(timeout=1)
    assert "PROTECTING" == states(system)[-1]
    system.system.state_position(replace(shift, qty=D(-3))).get(timeout=1)
    assert "UNPROTECTED" == states(system)[-1]
    assert not system.check()


def test_a_stop_that_vanishes_leaves_what_it_covered_naked() -> None:
    """Cancelled by the venue, unasked."""
    system = begun()
    system.submit(limit(BTC, "BUY", "1", 201))
    ticket = system.submit(stop(BTC, "SELL", "1", 180))
    system.run(SECOND)
    assert "PROTECTED" == states(system)[-1]
    only = When(client_order_id=ticket.client_order_id)
    assert system.happen(Fault(FaultKind.CANCELLED_UNASKED, only))
    system.run(SECOND)
    assert "UNPROTECTED" == states(system)[-1]


def test_a_restart_knows_what_is_protected() -> None:
    """Found by looking at positions and stops, once the venue has spoken of them."""
    system = begun()
    system.system.submit_group(bracket(limit(BTC, "BUY", "1", 201), stop_px=180))
    system.run(SECOND)
    system.crash()
    system.restart()
    system.run(SECOND)
    slots = system.system.brokers["SIM", "main"].protections.slots
    assert ["PROTECTED"] == [one.state.value for one in slots.values()]
    assert () == system.system.protection().get(timeout=1).naked
