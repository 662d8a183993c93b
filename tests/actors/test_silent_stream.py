"""A link that stands and tells nothing: it is noticed, and what it kept to itself is found."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from actors.testing import SPOT, SimulatedSystem
from actors.venues.port import Answer, Outcome
from engine.budget import BudgetRule, SessionLimits
from engine.errors import InvalidValue
from engine.messages import (
    Accepted,
    Cancelled,
    Filled,
    LinkSilent,
    OrderSnapshot,
    Place,
    VenueDown,
    VenueStatus,
    VenueUp,
)
from engine.testing import Fault, FaultKind, FaultPlan, When
from engine.values import OrderState, Side, Source

from .venues import CAPABLE, HANG, SECOND, ScriptedVenue, System, order, simulated

D = Decimal
MINUTE = 60 * SECOND
ECHOES = msgspec.structs.replace(CAPABLE, stream_echoes=True)
#: What happened shows at once, so a gap is not asked about a second time.
PROMPT = msgspec.structs.replace(CAPABLE, visibility_lag_ns=0)


def session_of(system: System) -> str:
    """Where the session stands."""
    return system.snapshot().get(timeout=1).sessions["v/main"]


def resting(venue: ScriptedVenue, **options: object) -> tuple[System, str]:
    """A system with one order of 2 that rests, and its id."""
    system = simulated(venue, **options)  # type: ignore[arg-type]
    ticket = system.submit(order(qty="2"))
    system.sim.run_for(SECOND)
    return system, ticket.client_order_id


def silences(system: System) -> list[LinkSilent]:
    """The silences that were journalled."""
    facts = [system.journal.records()]
    return [
        msgspec.json.decode(record.body, type=LinkSilent)
        for records in facts
        for record in records
        if record.kind == "LinkSilent"
    ]


def test_a_fill_that_the_stream_never_told_is_booked_once() -> None:
    """It is found within the period, is a journalled gap and an alarm; told after all, it is no
    second fill.
    """
    venue = ScriptedVenue()
    system, cid = resting(venue)
    untold = venue.fill(cid, "e1", "1")
    system.sim.run_for(MINUTE)
    assert D(1) == system.qty()
    assert 1 == len(system.alarms("stream_silent")) == len(silences(system))
    down = [event for event in system.seen if isinstance(event, VenueDown)]
    assert ["silent"] == [event.detail.split(":")[0] for event in down]
    assert isinstance(next(e for e in reversed(system.seen) if isinstance(e, VenueUp)), VenueUp)
    assert "READY" == session_of(system)
    venue.push(untold)
    venue.push(venue.fill(cid, "e2", "1"))
    system.sim.run_for(5 * MINUTE)
    assert D(2) == system.qty()
    assert 1 == len(system.alarms("stream_silent"))
    system.stop()


@pytest.mark.parametrize("status", [VenueStatus.CANCELLED, VenueStatus.EXPIRED])
def test_an_end_that_the_stream_never_told_is_found(status: VenueStatus) -> None:
    """An order that a whole list does not show is asked about, and its end is known."""
    venue = ScriptedVenue()
    system, cid = resting(venue)
    venue.orders[cid].status = status
    system.sim.run_for(MINUTE + 5 * SECOND)
    view = system.order(cid).get(timeout=1)
    assert status.value == view.state.value
    assert 1 == len(system.alarms("stream_silent"))
    system.stop()


class Hiding(ScriptedVenue):
    """Its list of open orders need not show all, and shows none."""

    async def open_orders(self) -> Answer[OrderSnapshot]:
        return Answer((), False, self.now())


def test_where_lists_need_not_show_all_orders_are_asked_about_one_by_one() -> None:
    """So many at a look, in turns: an end that nobody told is found there, too."""
    able = msgspec.structs.replace(CAPABLE, lists_trigger_orders=False)
    venue = Hiding(capabilities=able)
    system = simulated(venue)
    ids = [system.submit(order()).client_order_id for _ in range(300)]
    system.sim.run_for(SECOND)
    venue.orders[ids[-1]].status = VenueStatus.CANCELLED
    system.sim.run_for(MINUTE)
    assert 256 == venue.count("query")
    system.sim.run_for(MINUTE)
    assert 300 == venue.count("query")
    assert OrderState.CANCELLED is system.order(ids[-1]).get(timeout=1).state
    assert OrderState.ACCEPTED is system.order(ids[0]).get(timeout=1).state
    system.stop()


def test_new_terms_that_the_stream_never_told_are_found() -> None:
    """The venue's own change of an order shows in the list, and is taken over."""
    venue = ScriptedVenue()
    system, cid = resting(venue)
    venue.orders[cid].qty = D(1)
    system.sim.run_for(MINUTE + 5 * SECOND)
    assert D(1) == system.order(cid).get(timeout=1).order_qty
    assert 1 == len(system.alarms("stream_silent"))
    system.stop()


def test_agreement_costs_two_questions_a_period_and_no_more() -> None:
    """While all agrees nothing is journalled, no entry waits, and no order is asked about."""
    venue = ScriptedVenue()
    system, cid = resting(venue)
    venue.push(venue.fill(cid, "e1", "1"))
    system.sim.run_for(SECOND)
    before = (venue.count("open_orders"), venue.count("executions"), system.journal.last_seq)
    system.sim.run_for(550 * SECOND)
    looks = 10
    assert (before[0] + looks, before[1] + looks, before[2]) == (
        venue.count("open_orders"),
        venue.count("executions"),
        system.journal.last_seq,
    )
    assert 0 == venue.count("query")
    assert [] == system.alarms("stream_silent")
    system.stop()


def test_executions_are_read_from_the_last_that_was_shown() -> None:
    """Each look begins where the last one ended, less an overlap: the history is not read again."""
    venue = ScriptedVenue()
    system, cid = resting(venue)
    system.sim.run_for(30 * MINUTE)
    venue.push(venue.fill(cid, "e1", "1"))
    system.sim.run_for(2 * MINUTE)
    asked = [since for call, since in venue.calls if call == "executions"]
    assert venue.fills[0].ts - 2 * MINUTE < asked[-1] < venue.fills[0].ts
    system.stop()


def test_an_idle_account_is_not_asked_for_long() -> None:
    """With nothing open and nothing held it is looked at twice more, for what shows late, and then
    left alone until there is something again.
    """
    venue = ScriptedVenue()
    system, cid = resting(venue)
    before = venue.count("executions")
    system.cancel(cid)
    system.sim.run_for(60 * MINUTE)
    assert before + 2 == venue.count("executions")
    assert None is system.sim.next_timer_ns()
    system.submit(order())
    system.sim.run_for(MINUTE)
    assert before + 3 == venue.count("executions")
    system.stop()


def test_a_fill_behind_the_end_of_the_last_order_is_found() -> None:
    """The account looks idle, and is not: somebody filled the order before its cancel."""
    venue = ScriptedVenue()
    system, cid = resting(venue)
    venue.fill(cid, "e1", "1")
    venue.orders[cid].status = VenueStatus.CANCELLED
    venue.push(Cancelled(cid, venue.now()))  # says nothing of a total
    system.sim.run_for(MINUTE + 5 * SECOND)
    assert D(1) == system.qty()
    system.stop()


def test_a_slow_stream_is_no_silence() -> None:
    """What a list shows first and the stream tells a little later makes no gap."""
    venue = ScriptedVenue()
    system, cid = resting(venue)
    shown = venue.count("executions")
    late = venue.fill(cid, "e1", "1")
    while venue.count("executions") == shown:
        system.sim.run_for(SECOND)
    system.sim.run_for(3 * SECOND)
    venue.push(late)
    system.sim.run_for(5 * MINUTE)
    assert D(1) == system.qty()
    assert [] == system.alarms("stream_silent")
    system.stop()


def test_a_stale_list_is_no_silence() -> None:
    """An order that is younger than the venue's lists may be is not missed in them."""
    venue = ScriptedVenue(capabilities=msgspec.structs.replace(CAPABLE, visibility_lag_ns=MINUTE))
    system = simulated(venue, ready=False, cross_check=240.0)
    system.sim.run_for(2 * MINUTE)
    old = system.submit(order())
    system.sim.run_for(150 * SECOND)
    system.submit(order())
    asked = venue.count("open_orders")

    def stale(_: object) -> Answer[OrderSnapshot]:
        sent = venue.now()
        held = venue.orders[old.client_order_id]
        return Answer((venue._snapshot(held, Source.LIST, sent),), True, sent)

    venue.script("open_orders", stale)
    system.sim.run_for(100 * SECOND)
    assert asked + 1 == venue.count("open_orders")
    assert [] == system.alarms("stream_silent")
    system.stop()


def test_what_reconciling_cannot_remove_is_a_gap_once() -> None:
    """An execution that cannot be booked differs for ever; entries do not stop once a minute."""
    venue = ScriptedVenue()
    system, _ = resting(venue)
    venue.fills.append(Filled("WHOSE", venue.now(), "e9", D(1), D(1), instrument="NOT/HERE"))
    system.sim.run_for(10 * MINUTE)
    assert 1 == len(system.alarms("stream_silent"))
    assert "READY" == session_of(system)
    system.stop()


def test_exits_and_cancels_go_on_while_entries_wait() -> None:
    """A session in suspicion is a gap like any other."""
    venue = ScriptedVenue(capabilities=PROMPT)
    system, cid = resting(venue)
    venue.push(venue.fill(cid, "e1", "1"))
    venue.push(LinkSilent(venue.now(), "no heartbeat"))  # an adapter may know it, too
    venue.script("open_orders", HANG)
    system.sim.run_for(SECOND)
    assert "SUSPECT" == session_of(system)
    placed = venue.count("place")
    entry = system.submit(order())
    system.submit(order(Side.SELL, qty="1", reduce_only=True))
    system.cancel(cid)
    system.sim.run_for(SECOND)
    assert (placed + 1, 1) == (venue.count("place"), venue.count("cancel"))
    venue.hanging[-1][2].set(Answer((), True, venue.now()))
    system.sim.run_for(SECOND)
    assert "READY" == session_of(system)
    assert OrderState.ACCEPTED is system.order(entry).get(timeout=1).state
    system.stop()


def test_a_session_in_suspicion_proves_no_absence() -> None:
    """An order that lookups do not show has not "never arrived" while the session may be deaf."""
    venue = ScriptedVenue(capabilities=PROMPT)
    system = simulated(venue)
    venue.script("place", RuntimeError("reset"))
    ticket = system.submit(order())
    system.sim.run_for(SECOND // 100)
    venue.push(LinkSilent(venue.now()))
    venue.script("open_orders", HANG)
    system.sim.run_for(50 * SECOND)
    assert venue.count("query") > 5
    assert OrderState.IN_DOUBT is system.order(ticket).get(timeout=1).state
    venue.hanging[-1][2].set(Answer((), True, venue.now()))
    system.sim.run_for(MINUTE)
    assert OrderState.REJECTED is system.order(ticket).get(timeout=1).state
    system.stop()


def test_the_cross_check_pays_and_waits_like_any_question() -> None:
    """Its questions take tokens of the venue's budget, behind everything else."""
    rule = BudgetRule(name="r", capacity=4, refill=1, refill_ns=30 * MINUTE, reserved=1)
    venue = ScriptedVenue()
    system = simulated(venue, limits=SessionLimits(budgets=(rule,)))
    for _ in range(3):  # what is left is reserved for exits
        system.submit(order())
    before = venue.count("open_orders")
    system.sim.run_for(20 * MINUTE)
    assert before == venue.count("open_orders")
    system.sim.run_for(11 * MINUTE)
    assert before + 1 == venue.count("open_orders")
    system.stop()


def test_lists_that_cannot_be_read_are_an_alarm_and_no_gap() -> None:
    """A failed look says nothing; three of them in a row are told, once."""
    venue = ScriptedVenue()
    system, _ = resting(venue)
    venue.script("open_orders", *[RuntimeError("no")] * 2, {"no": "answer"}, RuntimeError("no"))
    system.sim.run_for(5 * MINUTE)
    assert 1 == len(system.alarms("cross_check"))
    assert [] == system.alarms("stream_silent")
    system.stop()


def test_it_can_be_turned_off() -> None:
    """With ``None`` nobody looks; zero is a mistake, and said to be one."""
    venue = ScriptedVenue()
    system, _ = resting(venue, cross_check=None)
    before = len(venue.calls)
    system.sim.run_for(10 * MINUTE)
    assert before == len(venue.calls)
    system.stop()
    with pytest.raises(InvalidValue, match="cross_check"):
        System([ScriptedVenue()], cross_check=0)


def test_keeping_watch_is_no_work() -> None:
    """A simulation that runs until nothing is left ends with an order open."""
    venue = ScriptedVenue()
    system, cid = resting(venue)
    system.sim.run_until_idle()
    assert OrderState.ACCEPTED is system.order(cid).get(timeout=1).state
    system.stop()


def test_a_long_list_is_compared_in_pieces() -> None:
    """Hundreds of orders take several turns, and the one that differs is found."""
    venue = ScriptedVenue()
    system = simulated(venue)
    tickets = [system.submit(order()) for _ in range(600)]
    system.sim.run_for(SECOND)
    venue.fill(tickets[-1].client_order_id, "e1", "1")
    system.sim.run_for(MINUTE + SECOND)
    assert OrderState.FILLED is tickets[-1].wait(1).state
    assert 1 == len(system.alarms("stream_silent"))
    system.stop()


# --- what had to come -----------------------------------------------------------------------------


def test_an_effect_known_from_the_answer_alone_makes_the_stream_suspect() -> None:
    """A venue that tells effects twice told one once: everything is read again."""
    venue = ScriptedVenue(capabilities=ECHOES)
    system, _ = resting(venue)
    before = venue.count("open_orders")
    system.sim.run_for(3 * SECOND)
    assert before == venue.count("open_orders")
    system.sim.run_for(2 * SECOND)
    assert 1 == len(system.alarms("stream_silent"))
    assert before + 1 <= venue.count("open_orders")
    assert "READY" == session_of(system)
    system.stop()


def _before(venue: ScriptedVenue, system: System) -> None:
    def tell(request: object) -> object:
        answer = venue._place(request)  # type: ignore[arg-type]
        venue.push(answer.reports[0])  # type: ignore[union-attr]
        return answer

    venue.script("place", tell)
    system.submit(order())


def _behind(venue: ScriptedVenue, system: System) -> None:
    ticket = system.submit(order())
    system.sim.run_for(4 * SECOND)
    venue.push(Accepted(ticket.client_order_id, venue.now(), "v-1"))


@pytest.mark.parametrize("tell", [_before, _behind])
def test_an_effect_told_by_the_stream_too_is_all_right(
    tell: Callable[[ScriptedVenue, System], None],
) -> None:
    """Before the answer or some seconds behind it: the stream is alive."""
    venue = ScriptedVenue(capabilities=ECHOES)
    system = simulated(venue)
    tell(venue, system)
    system.sim.run_for(30 * SECOND)
    assert [] == system.alarms("stream_silent")
    system.stop()


def test_a_stream_that_stops_between_two_orders_is_noticed() -> None:
    """That it told the effect of an older call says nothing about the next."""
    venue = ScriptedVenue(capabilities=ECHOES)
    system = simulated(venue)
    _behind(venue, system)
    system.sim.run_for(SECOND // 2)
    system.submit(order())
    system.sim.run_for(6 * SECOND)
    assert 1 == len(system.alarms("stream_silent"))
    system.stop()


def test_an_effect_that_never_comes_makes_the_stream_suspect() -> None:
    """Where the answer says nothing, silence is no longer only that order's doubt."""
    venue = ScriptedVenue(acks=False)
    system = simulated(venue)
    ticket = system.submit(order())
    system.sim.run_for(6 * SECOND)
    assert 1 == len(system.alarms("stream_silent"))
    assert OrderState.ACCEPTED is system.order(ticket).get(timeout=1).state
    system.stop()


def test_many_silent_requests_are_looked_at_in_pieces() -> None:
    """Of a thousand requests without a word some hundreds are looked at in one turn; what is read
    because of them answers the rest.
    """
    venue = ScriptedVenue(acks=False)
    system = simulated(venue)
    tickets = [system.submit(order()) for _ in range(1000)]
    system.sim.run_for(30 * SECOND)
    states = {system.order(ticket).get(timeout=1).state for ticket in tickets}
    assert {OrderState.ACCEPTED} == states
    assert 256 == sum(kind == "OrderInDoubt" for kind in system.kinds())
    system.stop()


# --- the whole kit --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_silent_stream_is_survived(seed: int) -> None:
    """A resting order fills while the stream is silent: within the period it is booked, once; the
    stream comes back, repeats nothing, and everything agrees.
    """
    silent = Fault(FaultKind.STREAM_SILENT, When("place", 1), delay_ns=90 * SECOND)
    system = SimulatedSystem(seed=seed, plan=FaultPlan(faults=(silent,)), listens=True)
    with system:
        system.quote(SPOT.symbol, D(200), D(5), D(201), D(5))
        system.run(2 * SECOND)
        ticket = system.submit(order(instrument=SPOT.symbol, qty="0.1", price="199"))
        system.run(2 * SECOND)
        system.trade(SPOT.symbol, D(198), D(50), Side.SELL)
        system.run(MINUTE)
        assert OrderState.FILLED is ticket.wait(1).state
        system.run(2 * MINUTE)
        assert not system.check()
        assert not system.settle()


@pytest.mark.parametrize("trouble", ["none", "restart", "journal"])
def test_the_watch_goes_on_after_trouble(trouble: str) -> None:
    """A restart, or a turn that was discarded, does not end it."""
    with SimulatedSystem(seed=1) as system:
        system.quote(SPOT.symbol, D(200), D(5), D(201), D(5))
        system.run(2 * SECOND)
        if trouble == "journal":
            system.fail_journal(1)
        terms = order(instrument=SPOT.symbol, qty="0.1", price="199", intent_id="i1")
        cid = system.submit(terms).client_order_id
        system.run(2 * SECOND)
        if trouble == "restart":
            system.crash()
            system.restart()
            system.run(2 * SECOND)
        assert system.venue.happen(Fault(FaultKind.STREAM_SILENT, delay_ns=90 * SECOND))
        system.trade(SPOT.symbol, D(198), D(50), Side.SELL)
        system.run(MINUTE + SECOND)
        assert OrderState.FILLED is system.system.order(cid).get(timeout=1).state
        assert not system.settle()


class BeginsAgain(ScriptedVenue):
    """Its ids have begun again: each order is number 1, and by that the newest is found."""

    def _place(self, request: Place) -> Outcome:
        self._ids = 0
        return super()._place(request)


def test_an_id_that_the_venue_gave_again_vouches_for_nobody_else() -> None:
    """The order that has it now is open; the one that had it is missed, asked about in vain, and
    left to a person.
    """
    venue = BeginsAgain()
    system, cid = resting(venue)
    other = system.submit(order(qty="2")).client_order_id
    system.sim.run_for(SECOND)
    venue.orders[cid].status = VenueStatus.CANCELLED
    system.sim.run_for(10 * MINUTE)
    assert (cid,) == system.snapshot().get(timeout=1).hand_over
    assert OrderState.ACCEPTED is system.order(other).get(timeout=1).state
    system.stop()
