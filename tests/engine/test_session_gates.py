"""What may leave in each state and mode of a session, and how its state moves."""

from __future__ import annotations

import pytest

from engine.budget import SessionLimits
from engine.calls import Ending
from engine.errors import SystemStopped
from engine.session import VenueSession
from engine.session_chart import SESSION, SessionState, SessionTrigger, TradingMode
from engine.statechart import Verdict

from .session_kit import amend, cancel, leave, leaving, place, query, ready

# --- gates ----------------------------------------------------------------------------------------


def everything(session: VenueSession) -> None:
    session.enqueue(place("n"), 0)
    session.enqueue(amend("m"), 0)
    session.enqueue(place("r"), 0, reduces=True)
    session.enqueue(cancel("c"), 0)
    session.enqueue(query("q"), 0)


ALL = ["CANCEL c", "REDUCE r", "AMEND m", "NEW n", "QUERY q"]
NO_ENTRIES = ["CANCEL c", "REDUCE r", "QUERY q"]
PATHS: dict[SessionState, tuple[SessionTrigger, ...]] = {
    SessionState.DOWN: (),
    SessionState.CONNECTING: (SessionTrigger.CONNECT,),
    SessionState.RECONCILING: (SessionTrigger.LINK_UP,),
    SessionState.READY: (SessionTrigger.LINK_UP, SessionTrigger.RECONCILED),
    SessionState.SUSPECT: (SessionTrigger.LINK_UP, SessionTrigger.SILENT),
    SessionState.BARRED: (SessionTrigger.BARRED,),
    SessionState.CLOSING: (SessionTrigger.LINK_UP, SessionTrigger.CLOSE),
}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (SessionState.DOWN, []),
        (SessionState.CONNECTING, []),
        (SessionState.RECONCILING, NO_ENTRIES),
        (SessionState.READY, ALL),
        (SessionState.SUSPECT, NO_ENTRIES),
        (SessionState.BARRED, []),
        (SessionState.CLOSING, NO_ENTRIES),
    ],
)
def test_what_leaves_in_each_state(state: SessionState, expected: list[str]) -> None:
    """In a gap cancels, exits and queries go on and entries wait; without a link nothing leaves."""
    session = VenueSession()
    for trigger in PATHS[state]:
        session.on(trigger)
    assert state is session.state
    everything(session)
    assert expected == leaving(session)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (TradingMode.ALL, ALL),
        (TradingMode.REDUCE_ONLY, NO_ENTRIES),
        (TradingMode.NONE, ["CANCEL c", "QUERY q"]),
    ],
)
def test_what_leaves_in_each_mode(mode: TradingMode, expected: list[str]) -> None:
    """A halt withholds entries, or all but cancels; queries change nothing and always leave."""
    session = ready()
    everything(session)
    session.set_mode(mode)
    assert expected == leaving(session)
    session.set_mode(TradingMode.ALL)
    assert [name for name in ALL if name not in expected] == leaving(session)


def test_an_instrument_that_agrees_trades_before_the_gap_is_over() -> None:
    """Entries return per instrument, and a new gap takes that back."""
    session = VenueSession()
    session.on(SessionTrigger.LINK_UP)
    for cid, instrument in (("a1", "A"), ("b1", "B"), ("a2", "A")):
        session.enqueue(place(cid, instrument), 0)
    session.agreed("B")
    assert ["NEW b1"] == leaving(session)
    session.enqueue(place("b2", "B"), 0)
    session.on(SessionTrigger.GAP)
    assert [] == leaving(session)
    session.on(SessionTrigger.RECONCILED)
    assert ["NEW a1", "NEW b2", "NEW a2"] == leaving(session)


def test_a_held_instrument_keeps_its_entries_only() -> None:
    """A hold stops entries of one instrument, never its exits or cancels, nor other instruments."""
    session = ready()
    session.hold("A")
    session.enqueue(place("a", "A"), 0)
    session.enqueue(place("x", "A"), 0, reduces=True)
    session.enqueue(cancel("c", instrument="A"), 0)
    session.enqueue(place("b", "B"), 0)
    assert ["CANCEL c", "REDUCE x", "NEW b"] == leaving(session)
    session.release("A")
    assert ["NEW a"] == leaving(session)


def test_a_held_instrument_also_holds_the_idle_session() -> None:
    """The fast path for a single waiting call passes the same gates."""
    session = ready()
    session.hold("A")
    session.enqueue(place("a", "A"), 0)
    assert session.next(0) is None
    session.release("A")
    assert ["NEW a"] == leaving(session)


def test_calls_in_flight_outlive_the_link() -> None:
    """A lost link decides nothing about them; their lane says how they ended."""
    session = ready()
    session.enqueue(place("a"), 0)
    call = leave(session)
    session.on(SessionTrigger.LINK_DOWN)
    assert 1 == session.in_flight
    session.ended(call.call_id, Ending.UNKNOWN, 0)
    assert 0 == session.in_flight


def test_a_closed_session_takes_nothing_in() -> None:
    """It raises, because nothing would ever leave; what it still held comes out of drain()."""
    session = ready()
    session.on(SessionTrigger.CLOSE)
    held = session.enqueue(place("a"), 0).call
    session.on(SessionTrigger.DRAINED)
    with pytest.raises(SystemStopped, match="CANCEL of 'b' was not taken in"):
        session.enqueue(cancel("b"), 0)
    assert (held,) == session.drain()
    assert 0 == session.queued


def test_forget_order_takes_out_its_unsent_calls() -> None:
    """They are returned in their order; other orders and calls in flight stay."""
    session = ready()
    session.enqueue(place("o"), 0)
    call = leave(session)
    change = session.enqueue(amend("o"), 0).call
    asked = session.enqueue(query("o"), 0).call
    session.enqueue(query("p"), 0)
    assert (change, asked) == session.forget_order("o")
    assert () == session.forget_order("o")
    session.ended(call.call_id, Ending.DONE, 0)
    assert ["QUERY p"] == leaving(session)


def test_forget_amend_takes_out_an_unsent_amend_and_nothing_else() -> None:
    """Not one in flight, nor a cancel; a question behind it moves up."""
    session = ready()
    assert session.forget_amend("o") is None
    session.enqueue(amend("o"), 0)
    call = leave(session)
    assert session.forget_amend("o") is None
    session.ended(call.call_id, Ending.DONE, 0)
    change = session.enqueue(amend("o"), 0).call
    session.enqueue(query("o"), 0)
    assert change == session.forget_amend("o")
    assert ["QUERY o"] == leaving(session)
    session.enqueue(cancel("p"), 0)
    assert session.forget_amend("p") is None
    assert ["CANCEL p"] == leaving(session)


def test_drain_returns_everything_unsent() -> None:
    """Late entries first, then order by order; nothing of it leaves afterwards."""
    session = ready(SessionLimits(entry_send_by_ns=10))
    session.on(SessionTrigger.LINK_DOWN)
    calls = [session.enqueue(r, 0).call for r in (place("a"), cancel("b"), amend("a"), query("b"))]
    assert session.next(10) is None
    session.on(SessionTrigger.LINK_UP)
    assert (calls[0], calls[2], calls[1], calls[3]) == session.drain()
    assert [] == leaving(session)


def test_nothing_is_kept_of_an_order_whose_calls_ended() -> None:
    """A million orders later the session is as small as before."""
    session = ready()
    for cid in "abcdef":
        session.enqueue(place(cid), 0)
        session.enqueue(amend(cid), 0)
        session.enqueue(query(cid), 0)
    assert 18 == len(leaving(session))
    assert not session._calls
    assert not session._flying
    assert not session._outbox._unsent
    assert [] == session._outbox._deadlines
    assert not any(session._outbox.lines.values())


# --- the chart ------------------------------------------------------------------------------------


def test_the_session_chart_is_total_and_equals_its_machine() -> None:
    """Every (state, trigger) has a verdict, and transitions agrees on each."""
    assert len(SessionState) * len(SessionTrigger) == len(SESSION.table)
    assert [] == SESSION.differences()


def test_every_gap_leads_through_reconciling() -> None:
    """No trigger but RECONCILED leads to READY: what may have been missed is always asked for."""
    ways = [
        (state, trigger)
        for (state, trigger), cell in SESSION.table.items()
        if cell.target is SessionState.READY and state is not SessionState.READY
    ]
    assert [
        (SessionState.RECONCILING, SessionTrigger.RECONCILED),
        (SessionState.SUSPECT, SessionTrigger.RECONCILED),
    ] == sorted(ways, key=lambda way: way[0].name)


def test_on_reports_the_verdict() -> None:
    """A trigger that contradicts the state is quarantined, and the state stands."""
    session = ready()
    assert Verdict.QUARANTINE is session.on(SessionTrigger.DRAINED).verdict
    assert SessionState.READY is session.state
