"""What a discarded turn must leave as it was, and what must never leave twice."""

from __future__ import annotations

from decimal import Decimal

from actors.journal import MemoryJournal
from actors.recovery import recover
from actors.venues.port import Answer, Done, Unknown
from engine.budget import BudgetRule, SessionLimits
from engine.fold import tombstone
from engine.messages import (
    Accepted,
    Alarm,
    Filled,
    LinkDown,
    OrderSnapshot,
    QueryOrder,
    TradeBusted,
)
from engine.values import OrderState

from .test_restart import fold_digest
from .venues import HANG, SECOND, WEAK, ScriptedVenue, order, simulated

D = Decimal


def _incomplete(_: QueryOrder) -> Answer[OrderSnapshot]:
    return Answer((), False, 0)


def test_a_frozen_order_in_a_checkpoint_is_frozen_after_a_restart() -> None:
    """The row that says so is read back."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    cid = system.submit(order()).client_order_id
    system.sim.run_for(SECOND)
    actor = system.brokers["v", "main"].orders[cid]
    assert tombstone(actor.order, actor.ledger)
    actor.frozen = True
    system.stop()
    assert cid in recover(journal).books.frozen


def test_an_intent_stays_taken_while_its_closed_order_is_open_again() -> None:
    """A bust reopens a filled order: its intent sends no second one."""
    venue = ScriptedVenue()
    system = simulated(venue)
    first = system.submit(order(intent_id="mine"))
    system.sim.run_for(SECOND)
    venue.push(venue.fill(first.client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    venue.script("query", *[_incomplete] * 9)
    venue.push(TradeBusted(first.client_order_id, venue.now(), "x1"))
    system.sim.run_for(SECOND // 10)
    again = system.submit(order(intent_id="mine"))
    system.sim.run_for(SECOND // 10)
    assert (first.client_order_id, 1) == (again.client_order_id, venue.count("place"))
    system.stop()


def test_an_order_the_venue_spoke_of_first_is_not_sent() -> None:
    """A fill that came before its order's introduction says that it left: it leaves no second
    time.
    """
    venue = ScriptedVenue()
    system = simulated(venue)
    venue.push(Filled("MINE1", venue.now(), "e1", D(1), D(100)))
    system.sim.run_for(SECOND)
    ticket = system.submit(order(client_order_id="MINE1"))
    system.sim.run_for(SECOND)
    assert OrderState.FILLED is system.order(ticket).get(timeout=1).state
    assert 0 == venue.count("place")
    system.stop()


def test_a_refused_entry_with_a_parked_fill_is_what_its_fold_says() -> None:
    """Parked reports come before our own refusal, live as in the fold."""
    journal, venue = MemoryJournal(), ScriptedVenue(capabilities=WEAK)
    system = simulated(venue, journal=journal)
    venue.script("place", Unknown("?"))
    system.submit(order())
    system.sim.run_for(120 * SECOND)
    assert system.snapshot().get(timeout=1).hand_over
    venue.push(Filled("MINE1", venue.now(), "e1", D(1), D(100)))
    system.sim.run_for(SECOND)
    system.submit(order(qty="2", client_order_id="MINE1"))
    system.sim.run_for(SECOND)
    assert fold_digest(journal) == system.state_digest().get(timeout=1)
    system.stop()


def test_silence_is_noticed_though_the_turn_that_noticed_it_was_discarded() -> None:
    """The note of an unanswered placement goes when its doubt is written, not before."""
    journal, venue = MemoryJournal(), ScriptedVenue(acks=False)
    system = simulated(venue, journal=journal)
    system.submit(order())
    system.sim.run_for(SECOND)
    journal.unavailable = "is full"
    system.sim.run_for(10 * SECOND)
    journal.unavailable = ""
    system.sim.run_for(60 * SECOND)
    assert venue.count("query")
    system.stop()


def test_one_answer_handled_many_times_is_one_answer() -> None:
    """Absence needs several lookups; one whose turn is retried does not become several."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    other = system.submit(order(price="90"))
    system.sim.run_for(SECOND)
    venue.script("place", Unknown("slow"))
    venue.script("query", *[_incomplete] * 5)
    lost = system.submit(order())
    system.sim.run_for(6 * SECOND)
    venue.script("query", HANG, *[_incomplete] * 99)
    while not venue.hanging:
        system.sim.run_for(SECOND // 10)
    sent = venue.now()
    journal.unavailable = "is full"
    venue.push(venue.fill(other.client_order_id, "x1", "0.1"))
    venue.hanging[0][2].set(Answer((), True, sent))
    system.sim.run_for(2 * SECOND)
    journal.unavailable = ""
    system.sim.run_for(SECOND)
    assert OrderState.IN_DOUBT is system.order(lost).get(timeout=1).state
    system.stop()


def test_a_connect_given_up_while_the_journal_fails_is_tried_again() -> None:
    """The lost link is handled again with its turn, and connects again."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    venue.script("connect", HANG)
    system = simulated(venue, journal=journal)
    system.sim.run_for(25 * SECOND)
    journal.unavailable = "is full"
    system.sim.run_for(10 * SECOND)
    journal.unavailable = ""
    system.sim.run_for(100 * SECOND)
    assert venue.connects >= 2
    system.stop()


def test_a_report_parked_under_a_venue_id_stays_at_its_venue() -> None:
    """After a restart it is no fill of another venue's order with the same number."""
    a, b, journal = ScriptedVenue("a"), ScriptedVenue("b"), MemoryJournal()
    system = simulated(a, b, journal=journal)
    a.push(Filled("", a.now(), "e1", D(1), D(100), venue_order_id="77"))
    system.sim.run_for(SECOND)
    restarted = simulated(a, b, journal=journal, start_ns=system.sim.time_ns() + SECOND)
    b.script("place", Done((Accepted("ZZ1", 1, "77"),)))
    restarted.submit(order(venue="b", client_order_id="ZZ1"))
    restarted.sim.run_for(SECOND // 10)
    assert 0 == restarted.qty("b")
    restarted.stop()


def test_a_slot_opened_by_a_fill_that_could_not_be_written_is_not_there() -> None:
    """Until the fill is written the state is what the journal says: no empty slot stays behind."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    cid = system.submit(order()).client_order_id
    system.sim.run_for(SECOND)
    journal.unavailable = "is full"
    venue.push(venue.fill(cid, "x1", "1"))
    system.sim.run_for(SECOND // 10)
    assert {} == system.brokers["v", "main"].positions
    journal.unavailable = ""
    system.sim.run_for(SECOND)
    assert (D(1), fold_digest(journal)) == (system.qty(), system.state_digest().get(timeout=1))
    system.stop()


def test_a_timeout_noticed_in_a_discarded_turn_is_noticed_again() -> None:
    """A call that hangs while the journal fails ends unknown all the same, and is asked about."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    venue.script("place", HANG)
    system = simulated(venue, journal=journal, call_timeout=3.0)
    ticket = system.submit(order())
    system.sim.run_for(29 * SECOND // 10)
    journal.unavailable = "is full"
    system.sim.run_for(SECOND)
    journal.unavailable = ""
    system.sim.run_for(60 * SECOND)
    assert OrderState.REJECTED is system.order(ticket).get(timeout=1).state
    system.stop()


def test_an_entry_that_lapses_in_a_discarded_turn_has_lapsed() -> None:
    """What its send-by time ends while the journal fails is told when that works again."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    system = simulated(venue, journal=journal)
    venue.script("connect", *[HANG] * 9)
    venue.drop()
    system.sim.run_for(SECOND)
    ticket = system.submit(order())
    system.sim.run_for(49 * SECOND // 10)
    journal.unavailable = "is full"
    system.sim.run_for(SECOND)
    journal.unavailable = ""
    system.sim.run_for(10 * SECOND)
    assert OrderState.EXPIRED is system.order(ticket).get(timeout=1).state
    system.stop(timeout=0.1)


def test_a_call_that_a_timer_lets_leave_in_a_discarded_turn_leaves_after_it() -> None:
    """A budget's timer rings while the journal fails: the call waits, and its slot is not lost."""
    journal, venue = MemoryJournal(), ScriptedVenue()
    one_a_second = BudgetRule(name="b", capacity=1, refill=1, refill_ns=SECOND, reserved=0)
    limits = SessionLimits(window=1, exit_slots=0, budgets=(one_a_second,))
    system = simulated(venue, journal=journal, limits=limits)
    system.sim.run_for(SECOND)
    tickets = [system.submit(order(price=str(90 + n))) for n in range(3)]
    system.sim.run_for(9 * SECOND // 10)
    journal.unavailable = "is full"
    venue.push(venue.fill(tickets[0].client_order_id, "x1", "1"))
    system.sim.run_for(SECOND)
    journal.unavailable = ""
    system.sim.run_for(5 * SECOND)
    assert [3, 0] == [venue.count("place"), system.brokers["v", "main"].session.in_flight]
    system.stop()


def test_what_a_failed_step_had_staged_is_taken_back_whole() -> None:
    """Its facts, sends and events leave no trace; what the turn did before it stands."""
    system = simulated()
    turn = system.turn
    left: list[str] = []
    written = system.journal.last_seq

    def work() -> None:
        turn.effects.append((lambda what, _: left.append(what), "kept", None))
        mark = turn.mark()
        turn.record(turn.time_ns(), "session:v:main", LinkDown(turn.time_ns(), "made up"))
        turn.effects.append((lambda what, _: left.append(what), "sent", None))
        turn.tell(Alarm(turn.time_ns(), "made_up", ""))
        turn.rollback(mark)

    system.in_turn(work)
    system.sim.run_for(SECOND // 10)
    assert (["kept"], written, []) == (left, system.journal.last_seq, system.alarms("made_up"))
    system.stop()
