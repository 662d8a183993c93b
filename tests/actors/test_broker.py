"""What a broker makes of requests, answers and reports, however they come."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from actors import Until
from actors.venues.port import Answer, Done, Refused, Throttled
from engine.errors import UserError
from engine.messages import (
    Accepted,
    Cancelled,
    Filled,
    OrderSnapshot,
    TradeBusted,
    VenueStatus,
)
from engine.session import SessionLimits
from engine.values import OrderState, Side, Source

from .venues import HANG, SECOND, ScriptedVenue, btc, order, simulated

D = Decimal


def test_a_cancel_before_its_order_was_sent_cancels_locally() -> None:
    """While the session is full, a cancelled order ends here and neither call ever leaves."""
    venue = ScriptedVenue()
    venue.script("place", HANG)
    system = simulated(venue, limits=SessionLimits(window=1))
    system.submit(order())
    queued = system.submit(order(price="99"))
    system.sim.run_for(SECOND)
    assert OrderState.PENDING is system.order(queued).get(timeout=1).state
    system.cancel(queued)
    assert OrderState.CANCELLED is queued.wait(1).state
    assert (1, 0) == (venue.count("place"), venue.count("cancel"))
    system.stop(timeout=0.1)


def test_an_entry_that_could_not_leave_in_time_ends_as_not_sent() -> None:
    """An entry whose send-by time passes while the venue is full ends as EXPIRED not_sent."""
    venue = ScriptedVenue()
    venue.script("place", HANG)
    limits = SessionLimits(window=1, entry_send_by_ns=2 * SECOND)
    system = simulated(venue, limits=limits, call_timeout=60)
    system.submit(order())
    queued = system.submit(order(price="99"))
    system.sim.run_for(5 * SECOND)
    assert OrderState.EXPIRED is queued.wait(1).state
    assert 1 == venue.count("place")
    system.stop(timeout=0.1)


def test_an_entry_alone_in_a_dead_session_ends_as_not_sent() -> None:
    """The send-by time also holds for the only entry of a session whose link is down."""
    venue = ScriptedVenue()
    venue.script("connect", *[RuntimeError("down")] * 100)
    system = simulated(venue, limits=SessionLimits(entry_send_by_ns=2 * SECOND))
    ticket = system.submit(order())
    system.sim.run_for(10 * SECOND)
    assert OrderState.EXPIRED is ticket.wait(1).state
    assert 0 == venue.count("place")
    system.stop()


def test_a_refused_placement_is_rejected_with_the_venues_words() -> None:
    """A definite no ends the order as REJECTED, with the venue's reason in the event."""
    venue = ScriptedVenue()
    venue.script("place", Refused("no money", "A51"))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    assert OrderState.REJECTED is ticket.wait(1).state
    rejected = [e for e in system.seen if type(e).__name__ == "OrderRejected"]
    assert ["no money"] == [event.reason for event in rejected]  # type: ignore[attr-defined]
    system.stop()


def test_a_throttled_call_leaves_again() -> None:
    """A call refused by a rate limit leaves again after the venue's pause, and only once has its
    effect.
    """
    venue = ScriptedVenue()
    venue.script("place", Throttled(3 * SECOND))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(2 * SECOND)
    assert 1 == venue.count("place")
    system.sim.run_for(2 * SECOND)
    assert 2 == venue.count("place")
    assert OrderState.ACCEPTED is ticket.wait(1, Until.ACCEPTED).state
    system.stop()


def test_a_cancel_of_a_throttled_placement_ends_it_locally() -> None:
    """A placement that a rate limit sent back has not left: its cancel ends it here."""
    venue = ScriptedVenue()
    venue.script("place", Throttled(3 * SECOND))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.cancel(ticket)
    system.sim.run_for(5 * SECOND)
    assert OrderState.CANCELLED is ticket.wait(1).state
    assert (1, 0) == (venue.count("place"), venue.count("cancel"))
    assert [] == system.alarms("contradiction")
    system.stop()


def test_a_fill_that_races_a_cancel_wins() -> None:
    """An order filled while its cancel flies is FILLED, and the refused cancel changes nothing."""
    venue = ScriptedVenue()
    venue.script("cancel", HANG)
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.cancel(ticket)
    system.sim.run_for(SECOND)
    assert OrderState.PENDING_CANCEL is system.order(ticket).get(timeout=1).state
    venue.push(venue.fill(ticket.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    venue.hanging[0][2].set(Refused("too late"))
    system.sim.run_for(SECOND)
    assert (OrderState.FILLED, D(1)) == (ticket.wait(1).state, system.qty())
    system.stop()


def test_an_amend_that_waits_dies_with_its_order() -> None:
    """The order ends while its cancel flies and an amend waits behind: the amend never leaves, now
    or when entries are let go on.
    """
    venue = ScriptedVenue()
    venue.script("cancel", HANG)
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.cancel(ticket)
    system.sim.run_for(SECOND)
    system.amend(ticket, price=D(99))
    system.sim.run_for(SECOND)
    broker = system.brokers["v", "main"]
    assert (1, 1) == (broker.session.in_flight, broker.session.queued)
    gone = Cancelled(ticket.client_order_id, venue.now(), cum_qty=D(0))
    venue.push(gone)
    system.sim.run_ready()
    assert (1, 0) == (broker.session.in_flight, broker.session.queued)
    venue.hanging[0][2].set(Done((gone,)))
    system.sim.run_for(SECOND)
    assert OrderState.CANCELLED is ticket.wait(1).state
    assert 0 == venue.count("amend")
    system.stop()


def test_a_partial_fill_then_the_confirmed_cancel() -> None:
    """What was filled before the cancel stays filled; the order ends CANCELLED with nothing
    left.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order(qty="3"))
    system.sim.run_for(SECOND)
    venue.push(venue.fill(ticket.client_order_id, "x1", "1"))
    system.cancel(ticket)
    system.sim.run_for(SECOND)
    view = ticket.wait(1)
    assert (OrderState.CANCELLED, D(1), D(0)) == (view.state, view.cum_qty, view.leaves_qty)
    system.stop()


def test_a_cancelled_answer_before_its_fill_waits_for_it() -> None:
    """A cancel that states a larger total than our fills is not the end: executions are fetched
    first.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order(qty="3"))
    system.sim.run_for(SECOND)
    venue.fill(ticket.client_order_id, "x1", "2")
    system.cancel(ticket)
    system.sim.run_for(5 * SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (OrderState.CANCELLED, D(2), D(2)) == (view.state, view.cum_qty, system.qty())
    assert () == system.orders().get(timeout=1)
    system.stop()


def test_an_amend_is_in_force_when_the_venue_says_so() -> None:
    """Old terms stand while an amend is outstanding, the new ones from the venue's confirmation
    on.
    """
    venue = ScriptedVenue()
    venue.script("amend", HANG)
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    asked = system.amend(ticket, price=D(99), order_qty=D(2)).get(timeout=1)
    assert (OrderState.PENDING_REPLACE, D(100), D(1)) == (asked.state, asked.price, asked.order_qty)
    assert D(2) == asked.exposure_qty
    system.sim.run_for(SECOND)
    _call, request, answer = venue.hanging[0]
    answer.set(venue._amend(request))
    system.sim.run_for(SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (OrderState.ACCEPTED, D(99), D(2)) == (view.state, view.price, view.order_qty)
    system.stop()


def test_a_refused_amend_leaves_the_old_terms() -> None:
    """A refused amend is gone, and the order works on under its old terms."""
    venue = ScriptedVenue()
    venue.script("amend", Refused("no"))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.amend(ticket, price=D(99))
    system.sim.run_for(SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (OrderState.ACCEPTED, D(100), ()) == (view.state, view.price, view.requests)
    system.stop()


def test_amends_that_have_not_left_become_one() -> None:
    """While one amend flies, later ones coalesce: one more call leaves, with the newest terms."""
    venue = ScriptedVenue()
    venue.script("amend", HANG)
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    for price in ("99", "98", "97"):
        system.amend(ticket, price=D(price)).get(timeout=1)
    system.sim.run_for(SECOND)
    _call, request, answer = venue.hanging[0]
    answer.set(venue._amend(request))
    system.sim.run_for(SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (OrderState.ACCEPTED, D(97), ()) == (view.state, view.price, view.requests)
    assert ["99", "97"] == [str(made.price) for name, made in venue.calls if name == "amend"]
    system.stop()


def test_an_amend_that_took_over_a_larger_quantity_counts_with_it() -> None:
    """What one amend asks for in place of two is exposure until it is answered, and is settled by
    all of its terms.
    """
    venue = ScriptedVenue()
    venue.script("amend", HANG, (RuntimeError("reset"), True))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.amend(ticket, price=D(99)).get(timeout=1)
    system.amend(ticket, order_qty=D(5)).get(timeout=1)
    system.amend(ticket, price=D(98)).get(timeout=1)
    system.sim.run_for(SECOND)
    assert D(5) == system.order(ticket).get(timeout=1).exposure_qty
    _call, request, answer = venue.hanging[0]
    answer.set(venue._amend(request))
    system.sim.run_for(SECOND // 100)
    view = system.order(ticket).get(timeout=1)
    assert (OrderState.IN_DOUBT, D(5)) == (view.state, view.exposure_qty)
    system.sim.run_for(60 * SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (OrderState.ACCEPTED, D(5), D(98), ()) == (
        view.state, view.order_qty, view.price, view.requests,
    )  # fmt: skip
    system.stop()


def test_an_amend_of_unknown_outcome_blocks_amends_and_no_cancel() -> None:
    """After an amend whose outcome is not known, another amend is refused and a cancel leaves."""
    venue = ScriptedVenue()
    venue.script("amend", RuntimeError("reset"))
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.amend(ticket, price=D(99))
    system.sim.run_for(SECOND)
    assert OrderState.IN_DOUBT is system.order(ticket).get(timeout=1).state
    with pytest.raises(UserError, match="unknown outcome"):
        system.amend(ticket, price=D(98)).get(timeout=1)
    system.cancel(ticket)
    system.sim.run_for(SECOND)
    assert OrderState.CANCELLED is ticket.wait(1).state
    system.stop()


def test_a_fill_before_its_acknowledgement_is_the_acknowledgement() -> None:
    """A stream that is faster than the answer books the fill; the answer then adds nothing."""
    venue = ScriptedVenue()
    venue.script("place", HANG)
    system = simulated(venue)
    ticket = system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    _call, request, answer = venue.hanging[0]
    done = venue._place(request)
    venue.push(venue.fill(ticket.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    answer.set(done)
    system.sim.run_for(SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (OrderState.PARTIAL, D(1), D(1)) == (view.state, view.cum_qty, system.qty())
    system.stop()


def test_a_fill_under_the_venues_id_finds_its_order_once_that_is_known() -> None:
    """A fill that names only the venue's id, before we know that id, is kept and booked when we
    do.
    """
    venue = ScriptedVenue()
    venue.script("place", HANG)
    system = simulated(venue)
    ticket = system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    _call, request, answer = venue.hanging[0]
    done = venue._place(request)
    assert isinstance(done, Done)
    venue_id = venue.orders[ticket.client_order_id].venue_order_id
    venue.push(Filled("", venue.now(), "x1", D(2), D(100), venue_order_id=venue_id))
    system.sim.run_for(SECOND)
    assert D(0) == system.qty()
    answer.set(done)
    system.sim.run_for(SECOND)
    assert (OrderState.FILLED, D(2)) == (ticket.wait(1).state, system.qty())
    system.stop()


def test_repeated_and_reordered_reports_change_nothing() -> None:
    """Every report delivered twice and out of order comes to the same order and position."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order(qty="3"))
    system.sim.run_for(SECOND)
    cid = ticket.client_order_id
    fills = [venue.fill(cid, f"x{i}", "1", str(100 + i)) for i in range(3)]
    ack = Accepted(cid, venue.now(), fills[0].venue_order_id)
    for report in (fills[2], ack, fills[0], fills[0], fills[2], ack, fills[1], fills[1], ack):
        venue.push(report)
    system.sim.run_for(SECOND)
    view = ticket.wait(1)
    assert (OrderState.FILLED, D(3), D(101)) == (view.state, view.cum_qty, view.avg_px)
    assert D(3) == system.qty()
    events = [kind for kind in system.kinds(cid) if "Filled" in kind]
    assert ["OrderPartiallyFilled", "OrderPartiallyFilled", "OrderFilled"] == events
    system.stop()


def test_a_late_fill_revives_a_closed_order_once() -> None:
    """A fill after the end finds its order, is booked exactly once, and flagged as late."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    system.cancel(ticket)
    system.sim.run_for(SECOND)
    assert () == system.orders().get(timeout=1)
    late = venue.fill(ticket.client_order_id, "late", "1")
    for _ in range(3):
        venue.push(late)
        system.sim.run_for(SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (OrderState.CANCELLED, D(1), D(1)) == (view.state, view.cum_qty, system.qty())
    assert 1 == sum(broker.counters.late for broker in system.brokers.values())
    assert () == system.orders().get(timeout=1)
    system.stop()


def test_a_bust_reopens_and_takes_the_position_back() -> None:
    """A busted fill leaves order and position as if it had not been."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order(qty="1"))
    system.sim.run_for(SECOND)
    venue.push(venue.fill(ticket.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    assert OrderState.FILLED is ticket.wait(1).state
    venue.orders[ticket.client_order_id].status = VenueStatus.WORKING
    venue.orders[ticket.client_order_id].cum = D(0)
    venue.fills.clear()
    venue.push(TradeBusted(ticket.client_order_id, venue.now(), "x1"))
    system.sim.run_for(5 * SECOND)
    view = system.order(ticket).get(timeout=1)
    assert (D(0), D(0)) == (view.cum_qty, system.qty())
    assert view.state is OrderState.ACCEPTED
    system.stop()


def test_one_execution_is_not_booked_on_two_orders() -> None:
    """An execution id that another order has is refused, told, and leaves the rest of the turn
    alone.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    one, other = system.submit(order(qty="2")), system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    venue.push(venue.fill(one.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    venue.push(venue.fill(other.client_order_id, "x1", "1"))
    venue.push(venue.fill(other.client_order_id, "x2", "1"))
    system.sim.run_for(SECOND)
    assert D(2) == system.qty()
    assert D(1) == system.order(other).get(timeout=1).cum_qty
    assert system.alarms("execution_elsewhere")
    system.stop()


def test_one_execution_claimed_twice_in_one_turn_is_booked_once() -> None:
    """Two orders that claim one execution in the same turn: the first has it."""
    venue = ScriptedVenue()
    system = simulated(venue)
    one, other = system.submit(order(qty="2")), system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    venue.push(venue.fill(one.client_order_id, "x1", "1"))
    venue.push(venue.fill(other.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    assert D(1) == system.qty()
    assert system.alarms("execution_elsewhere")
    system.stop()


def test_a_foreign_order_is_adopted() -> None:
    """An order nobody here placed is taken over when the venue shows enough of it, with its
    fills.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    ts = venue.now()
    venue.push(
        OrderSnapshot(
            "THEIRS",
            ts,
            VenueStatus.WORKING,
            "v-77",
            "BTC/USDT",
            Side.SELL,
            None,
            D(5),
            D(0),
            D(120),
        )
    )
    venue.push(Filled("THEIRS", ts, "y1", D(2), D(120), venue_order_id="v-77"))
    system.sim.run_for(SECOND)
    view = system.order("THEIRS").get(timeout=1)
    assert (OrderState.PARTIAL, D(2), D(5)) == (view.state, view.cum_qty, view.order_qty)
    assert D(-2) == system.qty()
    system.stop()


def test_a_report_nobody_can_place_is_kept_and_shown() -> None:
    """A report about an unknown order that says too little is parked, with an alarm, and not
    dropped.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    venue.push(Filled("LATER", venue.now(), "z1", D(1), D(100)))
    system.sim.run_for(SECOND)
    assert (D(0), 1) == (system.qty(), len(system.alarms("unknown_order")))
    kept = [record.kind for record in system.journal.records(entity="LATER")]
    assert ["Filled"] == kept
    system.submit(order(qty="2", client_order_id="LATER"))
    system.sim.run_for(SECOND)
    assert (D(1), D(1)) == (system.qty(), system.order("LATER").get(timeout=1).cum_qty)
    system.stop()


def test_a_fill_of_an_instrument_nobody_defined_waits_for_its_definition() -> None:
    """A fill whose instrument is not known yet is kept, and booked when the venue names the
    instrument.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    venue.push(Filled("NEW", venue.now(), "n1", D(3), D(7), instrument="ETH/USDT", side=Side.BUY))
    system.sim.run_for(SECOND)
    system.sim.call_soon(lambda: system._definitions.define_all([btc("v", "ETH/USDT")]))
    system.sim.run_for(SECOND)
    assert D(3) == system.qty(symbol="ETH/USDT")
    system.stop()


def test_events_of_an_order_come_in_order_and_after_their_commit() -> None:
    """Each event is published after the journal has its fact, in the order of the order's life."""
    venue = ScriptedVenue()
    system = simulated(venue)
    written: list[tuple[str, int]] = []

    def look(event: object) -> None:
        name = type(event).__name__
        if name.startswith("Order"):
            entity = event.client_order_id  # type: ignore[attr-defined]
            kinds = [r.kind for r in system.journal.records(entity=entity)]
            written.append((name, len(kinds)))

    system.subscribe(look)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    venue.push(venue.fill(ticket.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    assert [
        ("OrderPending", 1),
        ("OrderSubmitted", 1),
        ("OrderAccepted", 2),
        ("OrderFilled", 3),
    ] == written
    system.stop()


def test_exits_leave_before_entries_when_the_session_is_full() -> None:
    """A cancel passes entries that wait, and has a slot of its own."""
    venue = ScriptedVenue()
    system = simulated(venue, limits=SessionLimits(window=1), call_timeout=60)
    working = system.submit(order())
    system.sim.run_for(SECOND)
    venue.script("place", HANG)
    system.submit(order(price="98"))
    system.submit(order(price="97"))
    system.sim.run_for(SECOND)
    system.cancel(working)
    system.sim.run_for(SECOND)
    assert OrderState.CANCELLED is working.wait(1).state
    assert 2 == venue.count("place")
    system.stop(timeout=0.1)


def test_an_incomplete_list_ends_no_order() -> None:
    """After a reconnect, a list that does not show an order proves nothing."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    venue.script("open_orders", lambda _: Answer((), False, venue.now()))
    venue.drop()
    system.sim.run_for(5 * SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.stop()


def test_an_end_in_the_gap_is_found_after_it() -> None:
    """An order that ended while the link was down is ended by what the venue shows afterwards."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket, filled = system.submit(order()), system.submit(order(price="99"))
    system.sim.run_for(SECOND)
    venue.drop()
    venue.orders[ticket.client_order_id].status = VenueStatus.CANCELLED
    venue.fill(filled.client_order_id, "gap", "1", "99")
    system.sim.run_for(30 * SECOND)
    assert OrderState.CANCELLED is ticket.wait(1).state
    assert (OrderState.FILLED, D(1)) == (filled.wait(1).state, system.qty())
    system.stop()


def test_what_lists_show_late_after_a_gap_is_found_when_they_must_show_it() -> None:
    """Lists that lag hide the last moment of an outage: they are read again after the lag."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    venue.drop()
    venue.fill(ticket.client_order_id, "x1", "2")
    shown = _as_it_was(venue, ticket.client_order_id)
    venue.script("open_orders", Answer((shown,), True, venue.now()))
    venue.script("executions", Answer((), True, venue.now()))
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.sim.run_for(2 * SECOND)
    assert (OrderState.FILLED, D(2)) == (ticket.wait(1).state, system.qty())
    system.stop()


def _as_it_was(venue: ScriptedVenue, cid: str) -> OrderSnapshot:
    """An order at the venue, before anything of it had filled."""
    held = venue.orders[cid]
    shown = venue._snapshot(held, Source.LIST, venue.now())
    return replace(shown, status=VenueStatus.WORKING, cum_qty=D(0))


def test_an_unasked_cancel_ends_the_order() -> None:
    """A cancel nobody asked for is a fact like any other."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    venue.push(Cancelled(ticket.client_order_id, venue.now(), None, "margin"))
    system.sim.run_for(SECOND)
    assert OrderState.CANCELLED is ticket.wait(1).state
    system.stop()
