"""The history of positions in a running system: rows, events, restarts, retention, marks."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors import Retention, retention, segments
from actors.checkpoints import Pace
from actors.explaining import explain
from actors.following import Marking
from actors.journal import MemoryJournal, SqliteJournal
from actors.position import BookExecution
from actors.replay import replay
from actors.retention import prune
from actors.verifying import verify
from engine.errors import InvalidOrder, InvalidValue
from engine.messages import CorrectPosition, Filled, PriceExtreme, TradeBusted, TradeCorrected
from engine.order import Booking, BookingKind
from engine.position_tables import Exposure
from engine.trips import PositionClosed, PositionOpened, PositionReopened, Trip
from engine.values import CorrectionKind, PositionSlot, Side, TriggerSource

from .venues import SECOND, ScriptedVenue, System, order, simulated

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def trade(
    system: System, venue: ScriptedVenue, side: Side, qty: str, px: str, name: str, fee: str = "1"
) -> str:
    """An order that is filled whole; its client order id."""
    ticket = system.submit(
        order(side, qty, px, intent_id=name, tags=(("strategy", name.partition("-")[0]),))
    )
    system.sim.run_for(SECOND // 10)
    venue.push(venue.fill(ticket.client_order_id, name, qty, px, fee=D(fee), fee_currency="USDT"))
    system.sim.run_for(SECOND // 10)
    return ticket.client_order_id


def told(system: System, *kinds: type) -> list[tuple[str, int]]:
    """Events of trips that were seen: kind and number."""
    return [
        (type(e).__name__, e.number if isinstance(e, PositionReopened) else e.trip.number)
        for e in system.seen
        if isinstance(e, PositionOpened | PositionClosed | PositionReopened)
    ]


def asked(system: System, *which: str, **terms: Any) -> tuple[Trip, ...]:
    """The history as it is asked for."""
    return system.history(*which, **terms).get(timeout=1)


def kept(system: System) -> tuple[Trip, ...]:
    system.sim.run_for(SECOND)
    return asked(system)


def test_a_trip_tells_what_became_of_a_position() -> None:
    """Entry and exit, the largest quantity, money, extremes, and who opened it."""
    venue = ScriptedVenue()
    system = simulated(venue, history=True)
    first = trade(system, venue, BUY, "1", "100", "trend-1")
    trade(system, venue, BUY, "3", "104", "other-1")
    last = trade(system, venue, SELL, "4", "110", "trend-2")
    (trip,) = kept(system)
    assert (trip.side, trip.number, trip.max_qty, trip.executions) == (Exposure.LONG, 1, D(4), 3)
    assert (trip.entry_px, trip.exit_px, trip.realized_pnl) == (D(103), D(110), D(28))
    assert (trip.fees, trip.net) == ((("USDT", D(3)),), (("USDT", D(25)),))
    assert (trip.mae, trip.mfe, trip.worst_px, trip.best_px) == (D(0), D(28), D(100), D(110))
    assert (trip.client_order_id, trip.intent_id, trip.closed_by) == (first, "trend-1", last)
    assert trip.tags == (("strategy", "trend"),)
    assert trip.duration_ns == 4 * SECOND // 10
    assert told(system) == [("PositionOpened", 1), ("PositionClosed", 1)]
    system.stop()


def test_a_flip_closes_one_and_opens_the_next() -> None:
    """One execution ends the long and begins the short; its fee is shared by quantity."""
    venue = ScriptedVenue()
    system = simulated(venue, history=True)
    trade(system, venue, BUY, "1", "100", "a")
    trade(system, venue, SELL, "4", "90", "b", fee="4")
    (trip,) = kept(system)
    (now,) = system.open_trips().get(timeout=1)
    assert (trip.side, trip.realized_pnl, trip.mae) == (Exposure.LONG, D(-10), D(-10))
    assert (now.side, now.entry_px, now.max_qty) == (Exposure.SHORT, D(90), D(3))
    assert (dict(trip.fees)["USDT"], dict(now.fees)["USDT"]) == (D(2), D(3))
    assert told(system)[1:] == [("PositionClosed", 1), ("PositionOpened", 2)]
    system.stop()


def test_a_bust_takes_a_close_back_and_a_correction_amends_it() -> None:
    """The row goes with the close it told of, and comes again with the next."""
    venue = ScriptedVenue()
    system = simulated(venue, history=True)
    trade(system, venue, BUY, "1", "100", "a")
    cid = trade(system, venue, SELL, "1", "110", "b")
    venue.push(TradeCorrected(cid, venue.now(), "b", "b2", D(1), D(120)))
    (trip,) = kept(system)
    assert (trip.realized_pnl, trip.exit_px, trip.amended) == (D(20), D(120), True)
    trade(system, venue, BUY, "1", "90", "c")  # another one has begun meanwhile
    venue.push(TradeBusted(cid, venue.now(), "b2"))
    assert kept(system) == ()
    (now,) = system.open_trips().get(timeout=1)
    assert (now.number, now.entry_qty, now.entry_px) == (1, D(2), D(95))
    assert system.portfolio().get(timeout=1).positions[0].avg_px == D(95)
    trade(system, venue, SELL, "2", "100", "d")
    (trip,) = kept(system)
    assert (trip.number, trip.realized_pnl, trip.amended) == (1, D(10), False)
    assert ("PositionReopened", 1) in told(system)
    assert verify(system.journal).is_whole
    system.stop()


def test_a_short_is_worst_at_the_top() -> None:
    """The highest price went furthest against it."""
    venue = ScriptedVenue()
    system = simulated(venue, history=True, mark_positions=True)
    for side, px in ((SELL, "100"), (SELL, "110"), (BUY, "95"), (BUY, "90")):
        trade(system, venue, side, "1", px, f"t-{px}")
        for mark in ("112", "88", "115") if px == "110" else ():
            system.on_price("BTC/USDT", mark=mark)
            system.sim.run_for(SECOND // 10)
    (trip,) = kept(system)
    assert (trip.worst_px, trip.best_px, trip.mae, trip.mfe) == (D(115), D(88), D(-20), D(34))
    assert (trip.entry_px, trip.exit_px, trip.realized_pnl) == (D(105), D("92.5"), D(25))
    system.stop()


def test_funding_reaches_the_position_and_its_trip() -> None:
    """While it is open, and when it is told after the close; per currency."""
    venue = ScriptedVenue()
    system = simulated(venue, history=True)
    trade(system, venue, BUY, "1", "100", "a")

    def pay(amount: str, currency: str) -> None:
        system.state_position(
            CorrectPosition(
                "v", "main", "BTC/USDT", PositionSlot.NET, CorrectionKind.FUNDING,
                system.sim.time_ns(), amount=D(amount), currency=currency,
            )
        ).get(timeout=1)  # fmt: skip

    pay("-2", "USDT")
    trade(system, venue, SELL, "1", "100", "b")
    pay("0.5", "BNB")
    (trip,) = kept(system)
    assert trip.funding == (("USDT", D(-2)), ("BNB", D("0.5")))
    assert trip.amended
    portfolio = system.portfolio().get(timeout=1)
    assert portfolio.funding == portfolio.positions[0].funding == trip.funding
    system.stop()


def test_what_is_asked_for_is_found() -> None:
    """By instrument, time and tags; of many the newest, in the order of their closes."""
    venue = ScriptedVenue()
    system = simulated(venue, history=True)
    for number in range(4):
        trade(system, venue, BUY, "1", "100", f"{'ab'[number % 2]}-{number}")
        trade(system, venue, SELL, "1", "101", f"x-{number}")
    trips = kept(system)
    assert [trip.number for trip in trips] == [1, 2, 3, 4]
    with pytest.raises(InvalidOrder, match="known are: BTC/USDT"):
        system.history("ETH/USDT")  # a slip of the pen is no empty history
    with pytest.raises(InvalidOrder, match="not known"):
        system.history(venue="w")
    assert [t.number for t in asked(system, tags={"strategy": "b"})] == [2, 4]
    assert [t.number for t in asked(system, "BTC/USDT", limit=2)] == [3, 4]
    second = trips[1].closed_ts
    assert [t.number for t in asked(system, since=second)] == [2, 3, 4]
    assert [t.number for t in asked(system, until=second)] == [1]
    assert asked(system, slot=PositionSlot.LONG) == ()
    system.stop()


def test_without_being_asked_for_there_is_none() -> None:
    """It says so, and nothing follows the slot."""
    venue = ScriptedVenue()
    system = simulated(venue)
    trade(system, venue, BUY, "1", "100", "a")
    with pytest.raises(InvalidValue, match="history=True"):
        system.history()
    assert system.brokers["v", "main"].slot("BTC/USDT", PositionSlot.NET).follower is None
    system.stop()


def test_a_history_begins_with_what_is_held(tmp_path: Path) -> None:
    """Asked for later, and from then on kept by the journal itself."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j")
    trade(system, venue, BUY, "1", "100", "a")
    system.stop()
    for asked in (True, False):  # once is enough
        start = system.sim.time_ns() + SECOND
        system = simulated(venue, journal=tmp_path / "j", start_ns=start, history=asked)
        (now,) = system.open_trips().get(timeout=1)
        assert (now.carried, now.entry_px, now.entry_qty) == (True, D(100), D(1))
        if not asked:
            trade(system, venue, SELL, "1", "90", "b")
            (trip,) = kept(system)
            assert (trip.realized_pnl, trip.carried) == (D(-10), True)
        system.stop()


@pytest.mark.parametrize("is_orderly", [True, False], ids=["stopped", "crashed"])
def test_a_restart_finds_every_trip_as_it_was(tmp_path: Path, is_orderly: bool) -> None:
    """Stopped or crashed: the same rows, the same open trip, the same state in one line."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j", history=True)
    trade(system, venue, BUY, "1", "100", "a")
    trade(system, venue, SELL, "1", "101", "b")
    cid = trade(system, venue, SELL, "1", "101", "c")
    system.set_rate("BTC", "USDT", 100).get(timeout=1)
    before = kept(system), system.open_trips().get(timeout=1), system.state_digest().get(timeout=1)
    start = system.sim.time_ns() + SECOND
    if is_orderly:
        system.stop()
    else:
        system.journal.close()
    again = simulated(venue, journal=tmp_path / "j", start_ns=start)
    after = kept(again), again.open_trips().get(timeout=1), again.state_digest().get(timeout=1)
    assert before == after
    venue.push(TradeBusted(cid, venue.now(), "c"))  # of an order of before
    kept(again)
    assert again.open_trips().get(timeout=1) == ()
    again.stop()
    with SqliteJournal(tmp_path / "j", read_only=True) as journal:
        verdict = verify(journal)
    assert verdict.is_whole
    assert {c.name: c.checked for c in verdict.checks}["trip_rows_are_the_fold"] == 1


def test_an_order_tells_which_trips_it_closed_and_opened() -> None:
    """Beside the fact that did it."""
    venue = ScriptedVenue()
    system = simulated(venue, history=True)
    trade(system, venue, BUY, "1", "100", "a")
    cid = trade(system, venue, SELL, "3", "101", "b")
    notes = [one.note for one in explain(system.journal, cid).moments if one.note]
    assert notes == ["closed trip 1 of BTC/USDT; opened trip 2 of BTC/USDT"]
    system.stop()


def test_a_journal_with_a_history_replays(tmp_path: Path) -> None:
    """Fed again, its facts come to the same trips, rates and state."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j", history=True, mark_positions=True)
    trade(system, venue, BUY, "1", "100", "a")
    system.set_rate("EUR", "USD", "1.1").get(timeout=1)
    system.on_price("BTC/USDT", mark="95")
    system.sim.run_for(SECOND)
    trade(system, venue, SELL, "2", "101", "b")
    system.stop()
    checks = replay([tmp_path / "j"]).checks
    assert [one.name for one in checks if one.failed] == []


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention removes whatever it may, at once."""
    monkeypatch.setattr(retention, "_WORTH_WHILE", 1)
    monkeypatch.setattr(retention, "_PIECE", 3)
    monkeypatch.setattr(segments, "WASTE_LEAST", 0)


@pytest.mark.usefixtures("eager")
def test_retention_loses_no_trip() -> None:
    """The facts of closed orders go; their trips stay, and can still be amended."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal, history=True, retention=Retention(keep_facts=0))
    system._checkpoints.pace = Pace(4, 64, 64)
    for number in range(8):
        trade(system, venue, BUY, "1", "100", f"b-{number}")
        trade(system, venue, SELL, "1", "101", f"s-{number}")
    assert journal.removed()
    prune(journal, (journal.last_seq, None))
    trips = kept(system)
    assert [trip.number for trip in trips] == list(range(1, 9))
    venue.push(TradeCorrected(trips[-1].closed_by, venue.now(), "s-7", "s-7x", D(1), D(99)))
    assert kept(system)[-1].realized_pnl == D(-1)
    assert verify(journal).is_whole
    system.stop()


def test_a_turn_that_could_not_be_written_leaves_no_trip() -> None:
    """Its row, its trail and its events are those of the turn that is written in the end."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal, history=True)
    trade(system, venue, BUY, "1", "100", "a")
    cid = system.submit(order(SELL, "1", "110")).client_order_id
    system.sim.run_for(SECOND)
    journal.unavailable = "the disk is full"
    venue.push(venue.fill(cid, "x", "1", "110"))
    system.sim.run_for(SECOND)
    assert told(system) == [("PositionOpened", 1)]
    journal.unavailable = ""
    (trip,) = kept(system)
    assert (trip.number, trip.realized_pnl) == (1, D(10))
    assert told(system) == [("PositionOpened", 1), ("PositionClosed", 1)]
    assert verify(journal).is_whole
    system.stop()


def test_a_step_that_is_taken_back_takes_its_trip_back() -> None:
    """Within a turn that goes on: the trail, the row and what would have removed one."""
    venue = ScriptedVenue()
    system = simulated(venue, history=True)
    trade(system, venue, BUY, "1", "100", "a")
    cid = trade(system, venue, SELL, "1", "110", "b")
    slot = system.brokers["v", "main"].positions["BTC/USDT", PositionSlot.NET]
    terms = system.order(cid).get(timeout=1)
    assert slot.follower is not None
    before = slot.position, slot.follower.trail
    fill = Filled(cid, system.sim.time_ns(), "b", D(1), D(110), D(1), "USDT")
    sold = order(SELL, "1", "110", client_order_id=terms.client_order_id)

    def attempt() -> list[int]:
        batch, mark = system.turn.batch, system.turn.mark()
        staged = []
        for kind in (BookingKind.VOID, BookingKind.BOOK):
            slot.on_receive(BookExecution(sold, Booking(kind, fill, "b"), fill.ts))
            staged += [len(batch.checkpoints), len(batch.checkpoints_removed)]
        system.turn.rollback(mark)
        return [*staged, len(batch.checkpoints), len(batch.checkpoints_removed)]

    assert system.in_turn(attempt).get(timeout=1) == [0, 1, 1, 1, 0, 0]
    assert before == (slot.position, slot.follower.trail)
    assert len(kept(system)) == 1
    system.stop()


# --- marks ----------------------------------------------------------------------------------------


def extremes(system: System) -> int:
    return sum(1 for one in system.journal.records() if one.kind == PriceExtreme.__name__)


def test_marks_are_extremes_of_the_trip() -> None:
    """Prices between executions count, for the quantity that was held then."""
    venue = ScriptedVenue()
    system = simulated(venue, history=True, mark_positions=True)
    trade(system, venue, BUY, "2", "100", "a")
    for px in ("99", "95", "97", "104", "103"):
        system.on_price("BTC/USDT", mark=px)
        system.sim.run_for(SECOND // 10)
    trade(system, venue, SELL, "1", "100", "b")
    system.on_price("BTC/USDT", mark="94")
    trade(system, venue, SELL, "1", "100", "c")
    (trip,) = kept(system)
    assert (trip.mae, trip.mfe, trip.worst_px, trip.best_px) == (D(-10), D(8), D(94), D(104))
    system.on_price("BTC/USDT", mark="50")  # of nobody any more
    system.sim.run_for(SECOND)
    assert system.brokers["v", "main"].prices._watchers == {}
    assert kept(system) == (trip,)
    assert extremes(system) <= 4
    assert verify(system.journal).is_whole
    system.stop()


def test_extremes_survive_a_crash_but_for_the_last_second(tmp_path: Path) -> None:
    """What moved by a thousandth is written at most once a second; the rest is lost with us."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j", history=True, mark_positions=True)
    trade(system, venue, BUY, "1", "100", "a")
    for px in ("99.95", "95", "94"):
        system.on_price("BTC/USDT", mark=px)
        system.sim.run_for(2 * SECOND)
    system.on_price("BTC/USDT", mark="93.95")  # less than a thousandth beyond
    system.sim.run_for(SECOND)
    assert extremes(system) == 2
    start = system.sim.time_ns() + SECOND
    system.journal.close()
    again = simulated(
        venue, journal=tmp_path / "j", start_ns=start, mark_positions=Marking((TriggerSource.LAST,))
    )
    (now,) = again.open_trips().get(timeout=1)
    assert (now.mae, now.worst_px) == (D(-6), D(94))
    again.on_price("BTC/USDT", last="92", mark="80")  # only the last trade counts now
    trade(again, venue, SELL, "1", "100", "b")
    (trip,) = kept(again)
    assert (trip.mae, trip.worst_px) == (D(-8), D(92))
    assert verify(again.journal).is_whole
    again.stop()


def test_an_open_trip_tells_what_its_part_that_is_gone_has_realised() -> None:
    """A half sold at a loss is no 0, and with the closed trips it is the P&L of the slot."""
    venue = ScriptedVenue()
    system = simulated(venue, history=True)
    trade(system, venue, BUY, "1", "100", "a")
    trade(system, venue, SELL, "1", "110", "b")
    trade(system, venue, BUY, "4", "107", "c")
    trade(system, venue, SELL, "2", "90", "d")
    (closed,) = kept(system)
    (now,) = system.open_trips().get(timeout=1)
    assert (closed.realized_pnl, now.realized_pnl) == (D(10), D(-34))
    assert dict(system.portfolio().get(timeout=1).realized_pnl) == {"USDT": D(-24)}
    system.stop()


def test_a_trip_that_came_without_a_price_is_the_same_after_a_restart(tmp_path: Path) -> None:
    """Its zeros are the same zeros, wherever they were computed: the digest is, and the row."""
    venue = ScriptedVenue()
    system = simulated(venue, journal=tmp_path / "j", history=True)
    trade(system, venue, BUY, "1", "100", "a")
    trade(system, venue, SELL, "1", "100", "b")
    system.stop()
    again = simulated(venue, journal=tmp_path / "j", start_ns=system.sim.time_ns() + SECOND)
    for qty in ("2", "-2"):
        again.state_position(
            CorrectPosition(
                "v", "main", "BTC/USDT", PositionSlot.NET, CorrectionKind.OPERATOR,
                again.sim.time_ns(), D(qty), statement="a person",
            )
        ).get(timeout=1)  # fmt: skip
    live = again.state_digest().get(timeout=1)
    again.stop()
    with SqliteJournal(tmp_path / "j", read_only=True) as journal:
        verdict = verify(journal)
    assert (True, live) == (verdict.is_whole, verdict.digest)
