"""Each fault really happens, the exchange's truth is what it says, and healing ends them all."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from actors.runtime import SimulatedDispatcher
from actors.runtime.future import Task
from actors.testing import AdapterError, FaultyVenue
from actors.venues.paper import PaperMarket, PaperVenue
from actors.venues.port import Answer, Done, Refused, Throttled, Unknown, Venue
from engine.errors import InvalidValue
from engine.messages import (
    Accepted,
    Amend,
    Cancel,
    Cancelled,
    Filled,
    LinkDown,
    LinkUp,
    Place,
    QueryOrder,
    SubmitOrder,
    TradeBusted,
    TradeCorrected,
    VenueStatus,
)
from engine.simulator import Exchange, ExchangeConfig
from engine.testing import PROFILES, Choose, Fault, FaultKind, FaultPlan, When
from engine.values import Instrument, OrderType, Side

T = TypeVar("T")
D = Decimal
K = FaultKind
MS, SECOND = 1_000_000, 1_000_000_000
BTC = Instrument(
    symbol="BTC", venue="p", base="BTC", quote="USD", tick_size=D("0.5"), lot_size=D("0.1")
)


def draws(*choices: int) -> Choose:
    """These choices, then the harmless ones."""
    left = list(choices)
    return lambda n: left.pop(0) % n if left else 0


STAGES: list[Stage] = []


@pytest.fixture(autouse=True)
def curtain() -> Iterator[None]:
    """Close what still waits when a test is over."""
    yield
    while STAGES:
        STAGES.pop().sim.stop()


async def kept(coro: Coroutine[Any, Any, T]) -> T | AdapterError:
    """What a call answers, or what the adapter raised, which nobody else waits for here."""
    try:
        return await coro
    except AdapterError as error:
        return error


class Stage:
    """A connected faulty venue without an engine; ``got`` is what its sink heard."""

    def __init__(
        self,
        *faults: Fault,
        choose: Choose | None = None,
        config: ExchangeConfig | None = None,
        plan: FaultPlan | None = None,
    ) -> None:
        STAGES.append(self)
        self.sim = SimulatedDispatcher(fifo=True)
        self.exchange = Exchange(config or ExchangeConfig(), (BTC,))
        self.market = PaperMarket(self.exchange)
        plan = plan or FaultPlan(faults=faults)
        self.venue = FaultyVenue(PaperVenue("p", "a", self.market), plan, choose)
        self.got: list[Any] = []
        self.call(self.venue.connect(self.got.append, self.sim))
        self.quote()

    def call(self, coro: Coroutine[Any, Any, T]) -> T:
        """What a call answers; it raises what the adapter raised."""
        answer = self.sim.run(kept(coro))
        if isinstance(answer, AdapterError):
            raise answer
        return answer

    def start(
        self, coro: Coroutine[Any, Any, T], for_ns: int = 60 * SECOND
    ) -> Task[T | AdapterError]:
        """A call that may not come back within the time."""
        task = self.sim.spawn(kept(coro))
        self.sim.run_for(for_ns)
        return task

    def quote(self, bid: str = "100", ask: str = "101") -> None:
        self.market.on_quote("BTC", D(bid), D(500), D(ask), D(500))

    def request(self, cid: str, qty: str = "1", price: str = "100", **more: Any) -> Place:
        return Place(
            SubmitOrder(
                cid, "p", "a", "BTC", Side.BUY,
                more.pop("order_type", OrderType.LIMIT), D(qty), client_order_id=cid,
                price=D(price) if price else None, **more,
            )
        )  # fmt: skip

    def place(self, cid: str, qty: str = "1", price: str = "100", **more: Any) -> Any:
        return self.venue.place(self.request(cid, qty, price, **more))

    def cancel(self, cid: str) -> Any:
        return self.venue.cancel(Cancel(cid, "c1", "BTC"))

    def status(self, cid: str) -> VenueStatus | None:
        """The truth about an order; None: the exchange never saw it."""
        found = self.exchange.order("a", cid, None, 0)
        return None if found is None else found.status

    def cum(self, cid: str) -> Decimal:
        found = self.exchange.order("a", cid, None, 0)
        assert found is not None
        assert found.cum_qty is not None
        return found.cum_qty

    def names(self) -> list[str]:
        """Kinds of what was told since the last look."""
        names = [type(one).__name__ for one in self.got]
        self.got.clear()
        return names


def reports(outcome: object) -> list[str]:
    assert isinstance(outcome, Done), outcome
    return [type(one).__name__ for one in outcome.reports]


def test_it_is_a_venue_and_without_faults_it_changes_nothing() -> None:
    """Calm, it answers and tells what the paper venue would, and draws nothing."""

    def refuse(_: int) -> int:
        raise AssertionError("a choice was asked for")

    stage = Stage(choose=refuse)
    venue: Venue = stage.venue
    assert not venue.capabilities.inline
    assert ["LinkUp"] == stage.names()
    assert ["Accepted"] == reports(stage.call(stage.place("x")))
    stage.market.on_trade("BTC", D(99), D(1))
    assert ["Filled"] == stage.names()
    assert {} == stage.venue.injected
    assert [("place", "")] == [(verb, what) for verb, _, what in stage.venue.calls]


@pytest.mark.parametrize(
    ("kind", "acted"),
    [
        (K.ANSWER_LOST, True),
        (K.NEVER_ARRIVED, False),
        (K.RAISED_AFTER, True),
        (K.RAISED_BEFORE, False),
        (K.UNKNOWN_AFTER, True),
        (K.UNKNOWN_BEFORE, False),
        (K.REFUSED, False),
        (K.THROTTLED, False),
        (K.MALFORMED, True),
        (K.HANG, True),
        (K.ANSWER_LATE, True),
    ],
)
def test_the_nth_call_fails_and_no_other(kind: FaultKind, acted: bool) -> None:
    """For each kind of bad ending: the second placement meets it, and acted exactly if it says
    so.
    """
    stage = Stage(Fault(kind, When("place", 2)))
    for cid in ("x", "y", "z"):
        stage.start(stage.place(cid))
    assert VenueStatus.WORKING is stage.status("x")
    assert (VenueStatus.WORKING if acted else None) is stage.status("y")
    assert VenueStatus.WORKING is stage.status("z")
    assert {kind: 1} == stage.venue.injected
    assert ["", kind.value, ""] == [what for _, _, what in stage.venue.calls]


@pytest.mark.parametrize("kind", [K.ANSWER_LOST, K.NEVER_ARRIVED])
def test_a_lost_answer_never_comes(kind: FaultKind) -> None:
    """The call is still open a minute later; healing ends it with nothing known."""
    stage = Stage(Fault(kind))
    call = stage.start(stage.place("x"))
    assert not call.done()
    stage.venue.heal()
    assert isinstance(call.get(timeout=1), Unknown)


def test_what_a_lost_answer_held_may_come_by_the_stream() -> None:
    """Some venues say it there as well: that is drawn."""
    silent, telling = Stage(Fault(K.ANSWER_LOST)), Stage(Fault(K.ANSWER_LOST), choose=draws(1))
    for stage in (silent, telling):
        stage.start(stage.place("x"))
    assert ["LinkUp"] == silent.names()
    assert ["LinkUp", "Accepted"] == telling.names()


@pytest.mark.parametrize("kind", [K.RAISED_AFTER, K.RAISED_BEFORE])
def test_an_adapter_raises(kind: FaultKind) -> None:
    """The call ends in the adapter's exception."""
    stage = Stage(Fault(kind))
    with pytest.raises(AdapterError):
        stage.call(stage.place("x"))


def test_outcomes_that_are_values() -> None:
    """Unknown, a definite no and a rate limit with its pause are said at once."""
    stage = Stage(
        Fault(K.UNKNOWN_AFTER, When("place", 1)),
        Fault(K.REFUSED, When("place", 2)),
        Fault(K.THROTTLED, When("place", 3), delay_ns=7),
    )
    assert isinstance(stage.call(stage.place("x")), Unknown)
    assert isinstance(stage.call(stage.place("y")), Refused)
    throttled = stage.call(stage.place("z"))
    assert isinstance(throttled, Throttled)
    assert 7 == throttled.retry_after_ns


def test_a_request_arrives_late() -> None:
    """It has no answer, and acts within the declared window, though nobody waits for it."""
    stage = Stage(Fault(K.ARRIVES_LATE, delay_ns=2 * SECOND))
    assert 2 * SECOND <= stage.venue.capabilities.request_window_ns
    call = stage.start(stage.place("x"), 2 * SECOND - 1)
    assert stage.status("x") is None
    stage.sim.run_for(1)
    assert VenueStatus.WORKING is stage.status("x")
    assert not call.done()


def test_a_hung_call_answers_when_nobody_waits_any_more() -> None:
    """The answer holds what happened, only later than any call timeout."""
    stage = Stage(Fault(K.HANG))
    call = stage.start(stage.place("x"), 15 * SECOND - 1)
    assert not call.done()
    stage.sim.run_for(1)
    assert ["Accepted"] == reports(call.get(timeout=1))


def test_healing_delivers_the_answer_of_a_hung_call() -> None:
    """What hung is answered in full at once."""
    stage = Stage(Fault(K.HANG))
    call = stage.start(stage.place("x"), SECOND)
    stage.venue.heal()
    assert ["Accepted"] == reports(call.get(timeout=1))


def test_an_answer_comes_after_the_stream() -> None:
    """The stream tells it, and later the answer says the same, or only that it was taken."""
    stage = Stage(Fault(K.ANSWER_LATE, delay_ns=300 * MS))
    call = stage.start(stage.place("x", price="101"), 299 * MS)
    assert ["LinkUp", "Accepted", "Filled"] == stage.names()
    assert not call.done()
    stage.sim.run_for(MS)
    assert ["Accepted", "Filled"] == reports(call.get(timeout=1))
    other = Stage(Fault(K.ANSWER_LATE, delay_ns=1), choose=draws(1))
    assert [] == reports(other.call(other.place("x")))


@pytest.mark.parametrize(("choice", "acted"), [(0, True), (1, False)])
def test_an_item_of_a_batch_is_missing(choice: int, acted: bool) -> None:
    """Its outcome is Unknown whether it acted or not; the others end as they ended."""
    stage = Stage(Fault(K.BATCH_PARTIAL), choose=draws(1, choice))
    requests = [
        Place(SubmitOrder(cid, "p", "a", "BTC", Side.BUY, OrderType.LIMIT, D(1), 0, cid, D(100)))
        for cid in ("x", "y", "z")
    ]
    outcomes = stage.call(stage.venue.place_batch(requests))
    assert [Done, Unknown, Done] == [type(one) for one in outcomes]
    assert acted is (stage.status("y") is not None)


def test_an_item_that_hangs_holds_up_no_other_request() -> None:
    """A batch is one call: all of it is at the venue before anybody waits for an answer."""
    stage = Stage(Fault(K.NEVER_ARRIVED, When("place", 1)), Fault(K.RAISED_AFTER, When("place", 2)))
    requests = [stage.request(cid) for cid in ("x", "y", "z")]
    call = stage.start(stage.venue.place_batch(requests))
    assert not call.done()
    assert [None, VenueStatus.WORKING, VenueStatus.WORKING] == [stage.status(c) for c in "xyz"]
    stage.venue.heal()
    stage.sim.run_for(SECOND)
    answers = call.get()
    assert isinstance(answers, list)
    assert [Unknown, Unknown, Done] == [type(one) for one in answers]


def test_an_outage_swallows_what_is_told_in_it() -> None:
    """LinkDown, nothing of what happens, LinkUp after the time; the truth went on."""
    stage = Stage(Fault(K.DISCONNECT, When("place", 2), delay_ns=2 * SECOND))
    stage.call(stage.place("x"))
    stage.call(stage.place("y", price="90"))
    stage.market.on_trade("BTC", D(99), D(1))
    stage.sim.run_for(2 * SECOND - 1)
    assert ["LinkUp", "LinkDown"] == stage.names()
    stage.sim.run_for(1)
    assert ["LinkUp"] == stage.names()
    assert VenueStatus.FILLED is stage.status("x")
    assert 1 == stage.venue.wire.missed
    stage.market.on_trade("BTC", D(89), D(1))
    assert ["Filled"] == stage.names()


def test_connecting_in_an_outage_waits_or_fails() -> None:
    """A new session stands when the outage is over, and says so once; or the try fails."""
    stage = Stage(Fault(K.DISCONNECT, delay_ns=2 * SECOND), choose=draws(0, 1))
    stage.call(stage.place("x"))
    again: list[Any] = []
    call = stage.start(stage.venue.connect(again.append, stage.sim), 2 * SECOND - 1)
    assert not call.done()
    assert [] == again
    stage.sim.run_for(SECOND)
    assert [LinkUp] == [type(one) for one in again]
    other = Stage(Fault(K.DISCONNECT, delay_ns=2 * SECOND), choose=draws(1))
    other.call(other.place("x"))
    with pytest.raises(AdapterError):
        other.call(other.venue.connect(again.append, other.sim))


def test_calls_in_an_outage_pass_or_fail() -> None:
    """The stream alone is gone, or the network is: that is drawn for each call."""
    stage = Stage(Fault(K.DISCONNECT, When(nth=1), delay_ns=2 * SECOND), choose=draws(0, 1))
    stage.call(stage.place("x"))
    assert isinstance(stage.call(stage.place("y")), Done)
    with pytest.raises(AdapterError):
        stage.call(stage.place("z"))
    assert stage.status("z") is None


def test_a_report_sets_off_an_outage_and_is_missed() -> None:
    """The link breaks before the report, which is lost with it."""
    stage = Stage(Fault(K.DISCONNECT, When("report", 1), delay_ns=SECOND))
    stage.call(stage.place("x"))
    stage.market.on_trade("BTC", D(99), D(1))
    assert ["LinkUp", "LinkDown"] == stage.names()
    assert VenueStatus.FILLED is stage.status("x")


def test_a_report_comes_twice() -> None:
    """At once and again, exactly the same."""
    stage = Stage(Fault(K.DUPLICATED, delay_ns=SECOND))
    stage.call(stage.place("x"))
    stage.market.on_trade("BTC", D(99), D(1))
    assert ["LinkUp", "Filled"] == [type(one).__name__ for one in stage.got]
    stage.sim.run_for(SECOND)
    assert 3 == len(stage.got)
    assert stage.got[1] == stage.got[2]


def test_a_report_comes_late_behind_another_orders() -> None:
    """What is told meanwhile overtakes it."""
    stage = Stage(Fault(K.DELAYED, When("report", 1), delay_ns=SECOND))
    stage.call(stage.place("x"))
    stage.call(stage.place("y", price="99"))
    stage.market.on_trade("BTC", D(98), D(900))
    assert ["y"] == [one.client_order_id for one in stage.got if isinstance(one, Filled)]
    stage.sim.run_for(SECOND)
    assert ["y", "x"] == [one.client_order_id for one in stage.got if isinstance(one, Filled)]


def test_an_outage_also_swallows_what_was_under_way() -> None:
    """A late report of a link that broke does not come by the next one."""
    stage = Stage(
        Fault(K.DELAYED, delay_ns=SECOND), Fault(K.DISCONNECT, When("place", 2), delay_ns=10)
    )
    stage.call(stage.place("x"))
    stage.market.on_trade("BTC", D(99), D(1))
    stage.call(stage.place("y"))
    stage.sim.run_for(5 * SECOND)
    assert ["LinkUp", "LinkDown", "LinkUp"] == stage.names()


def test_an_outage_swallows_what_its_end_finds_on_the_way() -> None:
    """What would have been told in the outage is missed, also where nobody looked meanwhile."""
    config = ExchangeConfig(latency_in_ns=100 * MS)
    stage = Stage(Fault(K.DISCONNECT, When("place", 2), delay_ns=2 * SECOND), config=config)
    stage.call(stage.place("x"))
    stage.call(stage.place("y", price="90"))
    stage.market.on_trade("BTC", D(99), D(1))
    stage.sim.run_for(2 * SECOND)
    stage.quote()
    assert ["LinkUp", "LinkDown", "LinkUp"] == stage.names()
    assert VenueStatus.FILLED is stage.status("x")


def test_a_silent_stream_says_nothing_at_all() -> None:
    """Nothing is told for a while, not even that it is so; then it goes on."""
    stage = Stage(Fault(K.STREAM_SILENT, When(nth=1), delay_ns=SECOND))
    stage.call(stage.place("x"))
    stage.call(stage.place("y", price="99"))
    stage.market.on_trade("BTC", D("99.5"), D(900))
    stage.sim.run_for(SECOND)
    assert ["LinkUp"] == stage.names()
    assert VenueStatus.FILLED is stage.status("x")
    stage.market.on_trade("BTC", D(98), D(900))
    assert ["Filled"] == stage.names()


def test_a_fill_comes_before_the_answer() -> None:
    """Somebody trades with an order that has not been answered yet."""
    stage = Stage(Fault(K.FILL_FIRST, When("place")))
    answer = stage.call(stage.place("x"))
    assert ["LinkUp", "Filled"] == stage.names()
    assert ["Accepted"] == reports(answer)
    assert VenueStatus.FILLED is stage.status("x")


def test_a_cancel_is_refused_because_the_fill_was_faster() -> None:
    """Filled whole, there is nothing left to cancel; filled in part, the rest is cancelled."""
    stage = Stage(Fault(K.FILL_FIRST, When("cancel")))
    stage.call(stage.place("x"))
    refused = stage.call(stage.cancel("x"))
    assert isinstance(refused, Refused)
    assert "ORDER_CLOSED" == refused.reason
    part = Stage(Fault(K.FILL_FIRST, When("cancel")), choose=draws(2))
    part.call(part.place("x"))
    assert ["Cancelled"] == reports(part.call(part.cancel("x")))
    assert D("0.1") == part.cum("x")


def test_a_fill_races_an_amend() -> None:
    """The amend meets an order that is smaller by then."""
    stage = Stage(Fault(K.FILL_FIRST, When("amend")), choose=draws(1))
    stage.call(stage.place("x"))
    amend = Amend("x", "r1", "BTC", order_qty=D("0.5"))
    assert ["Replaced"] == reports(stage.call(stage.venue.amend(amend)))
    assert VenueStatus.FILLED is stage.status("x")
    assert ["LinkUp", "Filled"] == stage.names()


def test_a_fill_with_nothing_to_trade_is_no_fault() -> None:
    """An order that does not rest cannot be raced; then the call ends as always, uncounted."""
    stage = Stage(Fault(K.FILL_FIRST))
    assert ["Accepted", "Filled"] == reports(stage.call(stage.place("x", price="101")))
    assert {} == stage.venue.injected


@pytest.mark.parametrize(("choices", "total"), [((2, 0, 0), D("0.1")), ((2, 0, 1), None)])
def test_a_fill_is_told_after_the_cancel(choices: tuple[int, ...], total: Decimal | None) -> None:
    """The cancel is confirmed, with or without a total; the execution's report comes later."""
    fault = Fault(K.FILL_AFTER_CANCEL, delay_ns=SECOND)
    stage = Stage(fault, choose=draws(choices[0], choices[2]))
    stage.call(stage.place("x"))
    answer = stage.call(stage.cancel("x"))
    assert isinstance(answer, Done)
    (cancelled,) = answer.reports
    assert isinstance(cancelled, Cancelled)
    assert total == cancelled.cum_qty
    stage.sim.run_for(SECOND - 1)
    assert ["LinkUp"] == stage.names()
    stage.sim.run_for(1)
    assert ["Filled"] == stage.names()
    assert D("0.1") == stage.cum("x")


def test_an_order_is_cancelled_unasked() -> None:
    """The venue ends the order at hand, or another that works."""
    stage = Stage(Fault(K.CANCELLED_UNASKED, When("place", 2)))
    stage.call(stage.place("x"))
    stage.call(stage.place("y", price="101"))  # fills at once: x is the one that works
    assert VenueStatus.CANCELLED is stage.status("x")
    (told,) = [one for one in stage.got if isinstance(one, Cancelled)]
    assert told.req_id is None


def test_an_execution_is_busted_and_told_again_at_the_next_link() -> None:
    """The fill is void in the truth; a new session is told of it once more."""
    stage = Stage(Fault(K.BUSTED, When("place", 2)))
    stage.call(stage.place("x", price="101"))
    stage.call(stage.place("y"))
    assert D(0) == stage.cum("x")
    assert ["LinkUp", "TradeBusted"] == stage.names()
    stage.venue.inject(Fault(K.DISCONNECT, When(nth=1), delay_ns=SECOND))
    stage.call(stage.place("z"))
    stage.sim.run_for(SECOND)
    assert ["LinkDown", "LinkUp", "TradeBusted"] == stage.names()
    stage.venue.abandon()
    stage.call(stage.venue.connect(stage.got.append, stage.sim))
    assert [LinkUp, TradeBusted] == [type(one) for one in stage.got]


@pytest.mark.parametrize(("choice", "px", "qty"), [(0, D("100.5"), D(1)), (1, D(101), D("0.9"))])
def test_an_execution_is_corrected(choice: int, px: Decimal, qty: Decimal) -> None:
    """Another price or a smaller quantity, under a new id, in the report and in the truth."""
    stage = Stage(Fault(K.CORRECTED, When("place", 2)), choose=draws(choice))
    stage.call(stage.place("x", price="101"))
    stage.call(stage.place("y"))
    told = stage.got[-1]
    assert isinstance(told, TradeCorrected)
    assert (px, qty) == (told.last_px, told.last_qty)
    (position,) = stage.exchange.positions("a")
    assert (px, qty) == (position.avg_px, position.qty)


def test_the_clock_is_wrong() -> None:
    """From then on every ts is off; asked for its executions, the venue reckons by its clock."""
    stage = Stage(Fault(K.CLOCK_SKEW, When("place", 1), delay_ns=-3 * SECOND))
    stage.call(stage.place("x"))
    answer = stage.call(stage.place("y", price="101"))
    assert isinstance(answer, Done)
    assert {stage.sim.time_ns() - 3 * SECOND} == {one.ts for one in answer.reports}
    since = stage.sim.time_ns() - 3 * SECOND
    assert 1 == len(stage.call(stage.venue.executions(since)).items)


@pytest.mark.parametrize("reuses", [False, True])
def test_the_venue_restarts(reuses: bool) -> None:
    """The session drops, orders live on, order ids begin again, and execution ids where the
    config lets them.
    """
    config = ExchangeConfig(restart_reuses_exec_ids=reuses)
    stage = Stage(Fault(K.VENUE_RESTART, When("place", 3), delay_ns=SECOND), config=config)
    stage.call(stage.place("x", price="101"))
    stage.call(stage.place("y"))
    stage.call(stage.place("w"))
    stage.sim.run_for(SECOND)
    assert ["LinkUp", "LinkDown", "LinkUp"] == stage.names()
    stage.call(stage.place("z", price="101"))
    found = {cid: stage.exchange.order("a", cid, None, 0) for cid in ("x", "y", "z")}
    ids = [one.venue_order_id for one in found.values() if one is not None]
    assert ids[0] == ids[2] != ids[1]
    assert VenueStatus.WORKING is stage.status("y")
    executions, _ = stage.exchange.executions("a", 0)
    assert reuses is (executions[0].exec_id == executions[1].exec_id)


def test_order_ids_are_reused() -> None:
    """An id of a closed order goes to a new one; the link stands."""
    stage = Stage(Fault(K.IDS_REUSED, When("place", 1)))
    stage.call(stage.place("x", price="101"))
    answer = stage.call(stage.place("y"))
    assert isinstance(answer, Done)
    accepted = answer.reports[0]
    assert isinstance(accepted, Accepted)
    found = stage.exchange.order("a", "x", None, 0)
    assert found is not None
    assert found.venue_order_id == accepted.venue_order_id
    assert ["LinkUp"] == stage.names()


def test_lists_lag_by_at_most_what_is_declared() -> None:
    """Within the lag a new order, its end and its fill may be missing; after it they show."""
    plan = FaultPlan(faults=(Fault(K.LIST_LAGS),), visibility_lag_ns=SECOND)
    stage = Stage(plan=plan, choose=lambda n: n - 1)
    venue = stage.venue
    assert SECOND == venue.capabilities.visibility_lag_ns
    query = QueryOrder("x", "BTC")

    def shown() -> tuple[list[Decimal | None], int, int]:
        found = [one.cum_qty for one in stage.call(venue.query_order(query)).items]
        listed = stage.call(venue.open_orders()).items
        return found, len(listed), len(stage.call(venue.executions(0)).items)

    stage.call(stage.place("x"))
    stage.sim.run_for(SECOND - 1)
    assert ([], 0, 0) == shown()
    stage.sim.run_for(1)
    assert ([D(0)], 1, 0) == shown()
    stage.market.on_trade("BTC", D(99), D(1))
    assert ([D(0)], 1, 0) == shown()
    stage.sim.run_for(SECOND)
    assert ([D(1)], 0, 1) == shown()


def test_a_look_that_lags_says_when_it_was_asked_for() -> None:
    """The answer carries the time of the question, as a true one does: only its content is old."""
    stage = Stage()
    stage.call(stage.place("x"))
    stage.venue.inject(Fault(K.LIST_LAGS, delay_ns=400 * MS))
    stage.sim.run_for(SECOND)
    stage.call(stage.cancel("x"))
    answer = stage.call(stage.venue.query_order(QueryOrder("x", "BTC")))
    (seen,) = answer.items
    assert VenueStatus.WORKING is seen.status
    assert stage.sim.time_ns() == answer.sent_ts == seen.sent_ts


def test_a_list_leaves_trigger_orders_out_where_that_is_declared() -> None:
    """The venue says that its list is not whole, and leaves them out when the fault says so."""
    omits = FaultPlan(faults=(Fault(K.LIST_OMITS_TRIGGERS, When("open_orders", 1)),))
    stage = Stage(plan=omits)
    assert not stage.venue.capabilities.lists_trigger_orders
    stage.call(stage.place("x"))
    stage.call(stage.place("s", price="", order_type=OrderType.STOP, stop_px=D(110)))
    first = stage.call(stage.venue.open_orders())
    second = stage.call(stage.venue.open_orders())
    assert [False, False] == [first.complete, second.complete]
    assert ["x"] == [one.client_order_id for one in first.items]
    assert ["x", "s"] == [one.client_order_id for one in second.items]
    with pytest.raises(InvalidValue):
        Stage().venue.inject(Fault(K.LIST_OMITS_TRIGGERS))


@pytest.mark.parametrize("choice", range(14))
def test_a_malformed_report_never_takes_the_fact_with_it(choice: int) -> None:
    """What is told is readable as the true report, or the true report comes after it."""
    stage = Stage(Fault(K.MALFORMED, When("report")), choose=draws(choice))
    stage.call(stage.place("x"))
    stage.market.on_trade("BTC", D(99), D(1))
    told = stage.got[1:]
    assert {K.MALFORMED: 1} == stage.venue.injected
    true = stage.exchange.executions("a", 0)[0][0]
    assert str(true.last_qty) == str(told[-1].last_qty)
    assert true.exec_id == told[-1].exec_id


@pytest.mark.parametrize("choice", range(9))
def test_a_malformed_outcome_is_none_or_holds_rubbish(choice: int) -> None:
    """The call acted, and its answer cannot be believed as it stands."""
    stage = Stage(Fault(K.MALFORMED, When("place")), choose=draws(0, 0, choice))
    true = ("Accepted",)
    outcome = stage.call(stage.place("x"))
    if isinstance(outcome, Done):
        found: Any = outcome.reports
        assert (
            found is None
            or tuple(type(one).__name__ for one in found) != true
            or (not isinstance(found[0].ts, int))
        )
    else:
        assert not isinstance(outcome, Unknown | Refused | Throttled)
    assert VenueStatus.WORKING is stage.status("x")


@pytest.mark.parametrize("verb", ["query", "open_orders", "executions", "positions"])
@pytest.mark.parametrize(
    "kind", [K.RAISED_BEFORE, K.UNKNOWN_BEFORE, K.NEVER_ARRIVED, K.HANG, K.ANSWER_LATE, K.MALFORMED]
)
def test_queries_fail_too(verb: str, kind: FaultKind) -> None:
    """Each query can raise, come incomplete, late or never, or be no answer; the next is right."""
    stage = Stage(Fault(kind, When(verb, 1), delay_ns=30 * SECOND))
    stage.call(stage.place("x"))
    ask: dict[str, Callable[[], Any]] = {
        "query": lambda: stage.venue.query_order(QueryOrder("x", "BTC")),
        "open_orders": stage.venue.open_orders,
        "executions": lambda: stage.venue.executions(0),
        "positions": stage.venue.positions,
    }
    sent_ts = stage.sim.time_ns()
    call: Task[Any] = stage.start(ask[verb](), 30 * SECOND - 1)
    if kind is K.RAISED_BEFORE:
        assert isinstance(call.get(timeout=1), AdapterError)
    elif kind is K.UNKNOWN_BEFORE:
        assert Answer((), False, sent_ts, "a page is missing") == call.get(timeout=1)
    elif kind is K.MALFORMED:
        assert stage.call(ask[verb]()) != call.get(timeout=1)
    else:
        assert not call.done()
        stage.sim.run_for(1)
        assert call.done() is (kind is not K.NEVER_ARRIVED)
        if call.done():
            assert sent_ts == call.get(timeout=1).sent_ts
    assert {kind: 1} == stage.venue.injected
    assert stage.call(ask[verb]()).complete


def test_numbers_come_in_too_many_digits() -> None:
    """Answers, reports and lists hold the same numbers, and more digits than anything keeps."""
    stage = Stage(Fault(K.LONG_DIGITS, When("report")), Fault(K.LONG_DIGITS, When("executions")))
    stage.call(stage.place("x"))
    stage.market.on_trade("BTC", D(99), D(1))
    (listed,) = stage.call(stage.venue.executions(0)).items
    for fill in (stage.got[-1], listed):
        assert (D(1), D(100)) == (fill.last_qty, fill.last_px)
        assert 40 < len(fill.last_px.as_tuple().digits)
    powers = Stage(Fault(K.LONG_DIGITS, When("report")), choose=draws(2))
    powers.call(powers.place("x"))
    powers.market.on_trade("BTC", D(99), D(1))
    assert "1E+2" == str(powers.got[-1].last_px)


def test_healing_ends_all_and_delivers_what_was_held_back() -> None:
    """Late reports come at once, the link stands, the clock is right, and no fault happens."""
    stage = Stage(
        Fault(K.DELAYED, When("report", 1), delay_ns=3_600 * SECOND),
        Fault(K.CLOCK_SKEW, When("place", 1), delay_ns=SECOND),
        Fault(K.REFUSED, When("place", 3), count=1_000),
    )
    stage.call(stage.place("x"))
    stage.market.on_trade("BTC", D(99), D(1))
    stage.call(stage.place("y"))
    assert isinstance(stage.call(stage.place("z")), Refused)
    assert ["LinkUp"] == stage.names()
    stage.venue.heal()
    assert ["Filled"] == stage.names()
    answer = stage.call(stage.place("z"))
    assert isinstance(answer, Done)
    assert stage.sim.time_ns() == answer.reports[0].ts


def test_healing_ends_an_outage() -> None:
    """The link comes up at once and only once, however long the outage was to last."""
    stage = Stage(Fault(K.DISCONNECT, When(nth=1), delay_ns=3_600 * SECOND))
    stage.call(stage.place("x"))
    assert [LinkUp, LinkDown] == [type(one) for one in stage.got]
    stage.venue.heal()
    stage.sim.run_for(2 * 3_600 * SECOND)
    assert [LinkUp, LinkDown, LinkUp] == [type(one) for one in stage.got]


def test_an_engine_that_died_hears_nothing_and_the_world_goes_on() -> None:
    """A request under way when its sender dies still acts; the next engine begins with LinkUp."""
    stage = Stage(Fault(K.ARRIVES_LATE, When("place", 1), delay_ns=SECOND))
    stage.start(stage.place("x"), MS)
    stage.venue.abandon()
    stage.quote("99", "102")
    next_sim = SimulatedDispatcher(fifo=True, start_ns=stage.sim.time_ns())
    heard: list[Any] = []
    next_sim.run(stage.venue.connect(heard.append, next_sim))
    assert stage.status("x") is None
    next_sim.run_for(SECOND)
    assert VenueStatus.WORKING is stage.status("x")
    assert [LinkUp] == [type(one) for one in heard]
    assert ["LinkUp"] == stage.names()


@pytest.mark.parametrize("name", ["rough", "hell"])
def test_the_same_choices_give_the_same_faults(name: str) -> None:
    """A profile with the same choices tells the same, twice; with others it tells otherwise."""

    def run(seed: int) -> list[str]:
        state = seed

        def choose(n: int) -> int:
            nonlocal state
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            return (state >> 33) % n

        stage = Stage(plan=PROFILES[name], choose=choose)
        for n in range(40):
            stage.start(stage.place(f"o{n}"), SECOND)
            stage.market.on_trade("BTC", D(99), D(1))
            stage.start(stage.cancel(f"o{n - 1}"), SECOND)
        return [repr(one) for one in (*stage.got, *stage.venue.calls, stage.venue.injected)]

    assert run(1) == run(1)
    assert run(1) != run(2)
