"""A running system, told as stories: starting, submitting, waiting, asking and stopping."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from actors import ExecutionSystem, PaperVenue, Ticket, Until
from actors.journal import MemoryJournal
from actors.runtime import SimulatedDispatcher
from engine import leg, limit, oco
from engine.errors import (
    AskTimeout,
    BlockingCallError,
    DuplicateIntent,
    InvalidOrder,
    InvalidValue,
    SystemStopped,
    UnknownOrder,
    UserError,
)
from engine.messages import GroupState, OrderAccepted, OrderCancelled
from engine.simulator import Exchange, ExchangeConfig
from engine.values import OrderState, Side

from .venues import HANG, SECOND, ScriptedVenue, btc, order, simulated


def paper(name: str = "paper", account: str = "main") -> PaperVenue:
    """An account at an exchange of its own."""
    return PaperVenue(name, account, Exchange(ExchangeConfig(), [btc(name)]))


def quote(system: ExecutionSystem, venue: PaperVenue, bid: str, ask: str) -> None:
    """Show a book, on the system's thread."""

    def show() -> None:
        venue.market.on_quote("BTC/USDT", Decimal(bid), Decimal(5), Decimal(ask), Decimal(5))

    system.dispatcher.call_soon(show)


def test_an_order_lives_on_its_own_thread() -> None:
    """With `with`, an order is filled on the system's thread while the caller waits on its own."""
    venue = paper()
    with ExecutionSystem([venue]) as system:
        quote(system, venue, "100", "101")
        done = system.submit(order(price="101", qty="2")).wait(10)
        held = system.portfolio({("paper", "BTC/USDT"): Decimal(103)}).get(timeout=10)
    assert (OrderState.FILLED, Decimal(2)) == (done.state, done.cum_qty)
    assert (("USDT", Decimal(4)),) == held.unrealized_pnl


def test_two_systems_in_one_process_do_not_meet() -> None:
    """Two systems in one process each have their own orders, and one goes on when the other
    stops.
    """
    one, other = paper(), paper()
    with ExecutionSystem([one]) as first, ExecutionSystem([other], engine_id="OW2") as second:
        ticket = first.submit(order(price="99"))
        ticket.wait(10, Until.ACCEPTED)
        assert () == second.orders().get(timeout=10)
        first.stop()
        assert (
            OrderState.ACCEPTED is second.submit(order(price="99")).wait(10, Until.ACCEPTED).state
        )


def test_a_system_stopped_inside_its_block_is_not_stopped_twice() -> None:
    """A caller may stop inside the `with` block; leaving the block is then quiet."""
    with ExecutionSystem([paper()]) as system:
        snapshot = system.stop()
    assert {"paper/main": "CLOSED"} == snapshot.sessions
    with pytest.raises(SystemStopped):
        system.stop()


def test_a_stopped_system_refuses_everything() -> None:
    """After stop() each public call raises SystemStopped instead of waiting for ever."""
    with ExecutionSystem([paper()]) as system:
        ticket = system.submit(order(price="99"))
    for call in (
        lambda: system.submit(order()),
        lambda: system.cancel(ticket),
        lambda: system.amend(ticket, price=Decimal(98)),
        lambda: system.order(ticket),
        system.orders,
        system.snapshot,
        system.portfolio,
        lambda: system.watch(ticket.client_order_id),
        lambda: ticket.wait(1),
        lambda: system.settle(ticket, OrderState.CANCELLED, "why"),
        lambda: system.set_baseline("BTC/USDT", Decimal(1), None),
        system.start,
    ):
        with pytest.raises(SystemStopped):
            call()


def test_a_system_that_was_not_started_refuses() -> None:
    """Before start() nothing is accepted, and nothing breaks."""
    system = ExecutionSystem([paper()])
    for call in (
        lambda: system.submit(order()),
        lambda: system.cancel("x"),
        system.orders,
        system.stop,
    ):
        with pytest.raises(SystemStopped):
            call()


def test_stop_leaves_open_orders_where_they_are() -> None:
    """By default open orders keep working at the venue after a stop."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    snapshot = system.stop()
    assert [ticket.client_order_id] == [view.client_order_id for view in snapshot.orders]
    assert 0 == venue.count("cancel")
    assert 1 == venue.closed


def test_stop_can_cancel_open_orders_first() -> None:
    """`open_orders="cancel"` cancels what works, and waits for the venue's confirmation."""
    venue = ScriptedVenue()
    system = simulated(venue)
    tickets = [system.submit(order(price=price)) for price in ("98", "99")]
    system.sim.run_for(SECOND)
    snapshot = system.stop(open_orders="cancel")
    assert () == snapshot.orders
    assert 2 == venue.count("cancel")
    closed = [event.client_order_id for event in system.seen if isinstance(event, OrderCancelled)]
    assert [ticket.client_order_id for ticket in tickets] == closed


def test_stop_does_not_wait_for_ever_for_a_venue_that_hangs() -> None:
    """A venue that answers no cancel and hangs in close() holds a stop up for its timeout and no
    longer.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    system.submit(order())
    system.sim.run_for(SECOND)
    venue.script("cancel", HANG)
    venue.script("close", HANG)
    before = system.sim.time_ns()
    snapshot = system.stop(open_orders="cancel", timeout=3.0)
    assert [OrderState.PENDING_CANCEL] == [view.state for view in snapshot.orders]
    assert system.sim.time_ns() - before < 10 * SECOND


def test_a_venue_that_raises_in_close_does_not_keep_a_system_open() -> None:
    """Whatever close() of a venue raises, the journal is given back."""
    venue = ScriptedVenue()
    venue.script("close", RuntimeError("no"))
    system = simulated(venue)
    system.stop()
    assert not system.sim.is_accepting()


def test_stop_names_a_choice_it_does_not_know() -> None:
    """A wrong word for open_orders is an InvalidValue, and the system goes on."""
    system = simulated()
    with pytest.raises(InvalidValue, match="sell"):
        system.stop(open_orders="sell")
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.stop()


def test_what_was_not_sent_before_a_stop_never_leaves() -> None:
    """An entry that waits for a link when the system stops ends as not sent, not in doubt."""
    venue = ScriptedVenue()
    venue.script("connect", *[RuntimeError("down")] * 20)
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.stop()
    assert 0 == venue.count("place")
    assert "OrderExpired" in system.kinds(ticket.client_order_id)


def test_threads_submit_at_once() -> None:
    """Orders submitted from several threads each get their own id, and all of them are worked."""
    venue = paper()
    tickets: list[Ticket] = []
    with ExecutionSystem([venue]) as system:

        def work(price: int) -> None:
            tickets.extend(system.submit(order(price=str(price))) for _ in range(20))

        threads = [threading.Thread(target=work, args=(90 + i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        states = {ticket.wait(10, Until.ACCEPTED).state for ticket in tickets}
    assert 80 == len({ticket.client_order_id for ticket in tickets})
    assert {OrderState.ACCEPTED} == states


def test_the_same_intent_from_many_threads_is_one_order() -> None:
    """Concurrent submits of one intent id come to one order and one call of the venue."""
    venue = ScriptedVenue()
    seen: list[str] = []
    with ExecutionSystem([venue]) as system:
        barrier = threading.Barrier(6)

        def work() -> None:
            barrier.wait()
            seen.append(system.submit(order(intent_id="one")).client_order_id)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        system.watch(seen[0], Until.ACCEPTED).get(timeout=10)
    assert (6, 1) == (len(seen), len(set(seen)))
    assert 1 == venue.count("place")


def test_an_intent_is_one_order_live_and_closed() -> None:
    """The same intent with the same terms is the same order, while it works and after its end."""
    venue = ScriptedVenue()
    system = simulated(venue)
    first = system.submit(order(intent_id="mine", tags=(("a", "b"),)))
    again = system.submit(order(intent_id="mine", tags=(("a", "b"),)))
    system.sim.run_for(SECOND)
    system.cancel(first).get(timeout=5)
    system.sim.run_for(SECOND)
    late = system.submit(order(intent_id="mine", tags=(("a", "b"),)))
    system.sim.run_for(SECOND)
    assert first.client_order_id == again.client_order_id == late.client_order_id
    assert OrderState.CANCELLED is late.wait(1).state
    assert 1 == venue.count("place")
    system.stop()


@pytest.mark.parametrize("ended", [False, True])
def test_an_intent_with_other_terms_is_an_error(ended: bool) -> None:
    """An intent id cannot be used for another order, live or closed; the message names the
    difference.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    first = system.submit(order(intent_id="mine"))
    system.sim.run_for(SECOND)
    if ended:
        system.cancel(first)
        system.sim.run_for(SECOND)
    for other in (
        order(intent_id="mine", qty="2"),
        order(intent_id="mine", price="101"),
        order(Side.SELL, intent_id="mine"),
        order(intent_id="mine", tags=(("a", "b"),)),
    ):
        with pytest.raises(DuplicateIntent, match="mine"):
            system.submit(other)
    assert 1 == venue.count("place")
    system.stop()


def test_a_client_order_id_of_the_caller_serves_as_intent() -> None:
    """The caller's own client order id is idempotent too, after the order's end as well."""
    venue = ScriptedVenue()
    system = simulated(venue)
    first = system.submit(order(client_order_id="MYID"))
    system.sim.run_for(SECOND)
    system.cancel(first)
    system.sim.run_for(SECOND)
    assert "MYID" == system.submit(order(client_order_id="MYID")).client_order_id
    with pytest.raises(DuplicateIntent):
        system.submit(order(client_order_id="MYID", qty="3"))
    with pytest.raises(DuplicateIntent):
        system.submit(order(client_order_id="MYID", intent_id="another"))
    system.sim.run_for(SECOND)
    assert 1 == venue.count("place")
    system.stop()


def test_idempotent_submits_draw_no_numbers() -> None:
    """Submitting an intent again draws no client order id, so ids stay behind facts."""
    system = simulated()
    first = system.submit(order(intent_id="a"))
    for _ in range(50):
        system.submit(order(intent_id="a"))
    second = system.submit(order(intent_id="b"))
    assert int(first.client_order_id[7:16], 36) + 1 == int(second.client_order_id[7:16], 36)
    system.stop()


def test_waiting_can_time_out() -> None:
    """A wait that times out says nothing about the order, which goes on."""
    system = simulated()
    ticket = system.submit(order())
    with pytest.raises(AskTimeout):
        ticket.wait(2.0)
    assert OrderState.ACCEPTED is ticket.wait(2.0, Until.ACCEPTED).state
    system.stop()


def test_a_host_that_looks_again_and_again_leaves_one_waiter() -> None:
    """A wait that timed out and the next one share a future; what has ended is asked anew."""
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order())
    group = system.submit_group(oco(*(leg(n, limit("BTC/USDT", "BUY", "1", 50)) for n in "ab")))
    for _ in range(20):
        for wait in (ticket.wait, group.wait):
            with pytest.raises(AskTimeout):
                wait(0.01)
    assert ticket.wait(1, Until.ACCEPTED).cum_qty == 0
    broker = system.brokers["v", "main"]
    assert [1] == [len(waiting) for waiting in broker.waiters._by_order.values()]
    assert [1] == [len(waiting) for waiting in broker.groups._waiting.values()]
    venue.push(venue.fill(ticket.client_order_id, "x1", "0.4"))
    system.sim.run_for(SECOND)
    assert ticket.wait(1, Until.ACCEPTED).cum_qty == Decimal("0.4")
    system.cancel(ticket)
    system.cancel_group(group)
    assert (OrderState.CANCELLED, GroupState.DONE) == (ticket.wait(1).state, group.wait(1))
    system.stop()


def test_whoever_waits_when_the_system_stops_is_told() -> None:
    """A ticket's future that is still open at the stop gets SystemStopped."""
    system = simulated()
    waiting = system.submit(order()).until()
    system.sim.run_for(SECOND)
    system.stop()
    with pytest.raises(SystemStopped):
        waiting.get(timeout=0)


def test_a_wait_for_submitted_ends_when_the_order_leaves() -> None:
    """Until.SUBMITTED is reached when the call leaves, not when its answer comes."""
    venue = ScriptedVenue()
    venue.script("place", HANG)
    system = simulated(venue)
    waiting = system.submit(order()).until(Until.SUBMITTED)
    system.sim.run_for(SECOND)
    assert OrderState.SUBMITTED is waiting.get(timeout=0).state
    system.stop()


def test_a_blocking_call_in_a_callback_is_refused() -> None:
    """A callback on the system's thread that would wait for itself gets BlockingCallError, naming
    await.
    """
    caught: list[BaseException] = []
    done = threading.Event()
    with ExecutionSystem([paper()]) as system:

        def blocking(event: object) -> None:
            for call in (lambda: system.orders().get(timeout=1), system.stop):
                try:
                    call()
                except BlockingCallError as error:
                    caught.append(error)
            done.set()

        system.subscribe(blocking, OrderAccepted)
        system.submit(order(price="99"))
        assert done.wait(10)
    assert ["await" in str(error) for error in caught] == [True, True]


def test_a_callback_may_submit() -> None:
    """An order submitted by a callback is worked like any other."""
    venue = ScriptedVenue()
    system = simulated(venue)
    tickets: list[Ticket] = []

    def answer(event: object) -> None:
        if not tickets:
            tickets.append(system.submit(order(Side.SELL, price="110")))

    system.subscribe(answer, OrderAccepted)
    system.submit(order())
    system.sim.run_for(SECOND)
    assert OrderState.ACCEPTED is tickets[0].wait(1, Until.ACCEPTED).state
    system.stop()


def test_a_done_callback_that_raises_is_an_alarm() -> None:
    """A bug in the caller's done-callback is told and does not end the system."""
    system = simulated()

    def broken(future: object) -> None:
        raise RuntimeError("mine")

    system.submit(order()).until(Until.ACCEPTED).add_done_callback(broken)
    system.sim.run_for(SECOND)
    assert system.alarms("background_failed")
    assert OrderState.ACCEPTED is system.submit(order()).wait(5, Until.ACCEPTED).state
    system.stop()


def test_unknown_orders_are_named() -> None:
    """Asking about an order that nobody knows is UnknownOrder, from every call that takes an id."""
    system = simulated()
    for asked in (
        system.order("nobody"),
        system.cancel("nobody"),
        system.amend("nobody", price=Decimal(1)),
        system.watch("nobody"),
    ):
        with pytest.raises(UnknownOrder, match="nobody"):
            asked.get(timeout=5)
    assert [] == system.alarms("broker_failed")
    system.stop()


def test_a_closed_order_can_be_cancelled_without_harm() -> None:
    """Cancelling an order that has ended gives it as it is; amending it is an error that says
    why.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(SECOND)
    system.cancel(ticket)
    system.sim.run_for(SECOND)
    assert OrderState.CANCELLED is system.cancel(ticket).get(timeout=5).state
    with pytest.raises(UserError, match="CANCELLED"):
        system.amend(ticket, price=Decimal(98)).get(timeout=5)
    assert 1 == venue.count("cancel")
    assert () == system.orders().get(timeout=5)
    system.stop()


def test_an_impossible_amend_is_refused_even_right_after_the_submit() -> None:
    """New terms are checked before anything is journalled, whether or not the order is known
    yet.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    ticket = system.submit(order())
    early = system.amend(ticket, price=Decimal(-5))
    with pytest.raises(InvalidOrder):
        early.get(timeout=5)
    with pytest.raises(InvalidOrder):
        system.amend(ticket, price=Decimal("100.001"))
    with pytest.raises(InvalidOrder):
        system.amend(ticket)
    system.sim.run_for(SECOND)
    assert 0 == venue.count("amend")
    system.stop()


def test_tags_are_in_every_event_of_an_order() -> None:
    """Tags given with an order come back with each of its events and in its view."""
    system = simulated()
    tags = (("strategy", "s1"), ("note", "grüße"))
    ticket = system.submit(order(tags=tags))
    system.sim.run_for(SECOND)
    assert tags == system.order(ticket).get(timeout=1).tags
    events = [e for e in system.seen if getattr(e, "client_order_id", "") == ticket.client_order_id]
    assert len(events) >= 3
    assert {tags} == {event.tags for event in events}  # type: ignore[attr-defined]
    system.stop()


def script_of(seed: int) -> tuple[list[tuple[int, int, str, str, bytes]], str]:
    """Run one story under a seed; its journal's records, and the state's digest."""
    venue = ScriptedVenue(acks=False)
    journal = MemoryJournal(incarnation="TEST", created_ts=1)
    system = simulated(venue, seed=seed, fifo=False, journal=journal)
    tickets = [system.submit(order(price=str(90 + i), intent_id=f"i{i}")) for i in range(6)]
    system.sim.run_for(SECOND)
    for ticket in tickets:
        venue.push(venue.fill(ticket.client_order_id, f"x{ticket.client_order_id}", "0.4"))
    for ticket in tickets[:3]:
        system.cancel(ticket)
    system.sim.run_for(20 * SECOND)
    digest = system.state_digest().get(timeout=5)
    records = [(r.seq, r.ts, r.entity, r.kind, r.body) for r in system.journal.records()]
    system.stop()
    return records, digest


def test_the_same_seed_writes_the_same_bytes() -> None:
    """A story under one seed writes the same records each time; other seeds come to the same end
    states.
    """
    first = script_of(1)
    assert first[0] == script_of(1)[0]
    assert {6} == {len([r for r in script_of(seed)[0] if r[3] == "Filled"]) for seed in range(2, 6)}


def test_a_simulated_start_does_not_run_for_ever() -> None:
    """Starting and stopping under virtual time ends although a venue never comes up."""
    venue = ScriptedVenue()
    venue.script("connect", *[RuntimeError("down")] * 500)
    sim = SimulatedDispatcher()
    system = ExecutionSystem([venue], dispatcher=sim)
    system.start()
    sim.run_for(60 * SECOND)
    assert 4 < venue.connects < 30
    system.stop()
