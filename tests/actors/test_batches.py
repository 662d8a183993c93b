"""Several requests in one call: what leaves together, and that each still ends alone."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from actors import PaperVenue
from actors.testing import SPOT, SimulatedSystem
from actors.venues.port import Done, Outcome, Refused, Throttled, Unknown
from engine.budget import BudgetRule, SessionLimits
from engine.calls import Call, Ending
from engine.errors import InvariantViolated
from engine.messages import Amend, Cancel, Place
from engine.session_batches import BatchingSession
from engine.session_chart import SessionTrigger
from engine.simulator import Exchange, ExchangeConfig
from engine.simulator.config import FULL_CAPABILITIES
from engine.testing import Fault, FaultKind, FaultPlan, When
from engine.values import OrderState, Side

from .venues import CAPABLE, HANG, SECOND, ScriptedVenue, System, btc, order, simulated

D = Decimal
ABLE = replace(CAPABLE, place_batch=4, cancel_batch=3)


class Batching(ScriptedVenue):
    """Remembers what came in one call; ``script("place_batch", ...)`` says how such calls end."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"capabilities": ABLE, **options})
        self.batches: list[tuple[str, list[str]]] = []

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        self.batches.append(("place", [one.client_order_id for one in requests]))
        answer = await self._scripted("place_batch", requests)
        return [self._place(one) for one in requests] if answer is None else answer

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        self.batches.append(("cancel", [one.client_order_id for one in requests]))
        answer = await self._scripted("cancel_batch", requests)
        return [self._cancel(one) for one in requests] if answer is None else answer


def submitted(system: System, count: int, **terms: Any) -> list[str]:
    """So many orders, submitted at once."""
    return [system.submit(order(**terms)).client_order_id for _ in range(count)]


def states(system: System, ids: Sequence[str]) -> list[str]:
    """The public states of orders."""
    return [system.order(cid).get(timeout=1).state.value for cid in ids]


def test_what_is_asked_for_at_once_leaves_together() -> None:
    """In the order it was asked for, as many in a call as the venue takes; one alone goes alone."""
    venue = Batching()
    system = simulated(venue)
    ids = submitted(system, 9)
    system.sim.run_for(SECOND)
    assert [("place", ids[:4]), ("place", ids[4:8])] == venue.batches
    assert 1 == venue.count("place")
    assert ["ACCEPTED"] * 9 == states(system, ids)
    for cid in ids[:3]:
        system.cancel(cid)
    system.sim.run_for(SECOND)
    assert ("cancel", ids[:3]) == venue.batches[-1]
    assert ["CANCELLED"] * 3 == states(system, ids[:3])
    system.stop()


def test_a_venue_without_batches_gets_single_calls() -> None:
    """Nothing is put together that was not declared; cancels alone may be."""
    venue = Batching(capabilities=replace(CAPABLE, cancel_batch=2))
    system = simulated(venue)
    ids = submitted(system, 3)
    system.sim.run_for(SECOND)
    assert (3, []) == (venue.count("place"), venue.batches)
    for cid in ids:
        system.cancel(cid)
    system.sim.run_for(SECOND)
    assert ([("cancel", ids[:2])], 1) == (venue.batches, venue.count("cancel"))
    system.stop()
    plain = Batching(capabilities=CAPABLE)
    system = simulated(plain)
    submitted(system, 3)
    system.sim.run_for(SECOND)
    assert (3, []) == (plain.count("place"), plain.batches)
    system.stop()


def test_each_item_ends_alone() -> None:
    """Done, refused, unknown, or missing in the answer: each order learns what is said of it."""
    venue = Batching()

    def answer(requests: Sequence[Place]) -> list[Any]:
        return [venue._place(requests[0]), Refused("no money"), Unknown("?"), None]

    venue.script("place_batch", answer)
    system = simulated(venue)
    ids = submitted(system, 4)
    system.sim.run_for(SECOND // 100)
    assert ["ACCEPTED", "REJECTED", "IN_DOUBT", "IN_DOUBT"] == states(system, ids)
    system.sim.run_for(60 * SECOND)
    assert ["ACCEPTED", "REJECTED", "REJECTED", "REJECTED"] == states(system, ids)
    assert 1 == len(venue.batches)
    system.stop()


@pytest.mark.parametrize(
    "failure",
    [ConnectionError("reset"), [Refused("no")], [Refused("no")] * 5, {}, 7],
    ids=["raised", "too short", "too long", "no list", "nothing"],
)
def test_a_call_that_fails_is_unknown_for_all(failure: object) -> None:
    """Also an answer in another number than was asked: nobody can tell whose refusal it is."""
    venue = Batching()
    venue.script("place_batch", failure)
    system = simulated(venue)
    ids = submitted(system, 4)
    system.sim.run_for(SECOND // 100)
    assert ["IN_DOUBT"] * 4 == states(system, ids)
    system.sim.run_for(60 * SECOND)
    assert ["REJECTED"] * 4 == states(system, ids)  # proven by asking
    system.stop()


def test_a_batch_that_hangs_is_unknown_for_all_and_may_still_answer() -> None:
    """Past its timeout; what is said later is a late fact for each."""
    venue = Batching()
    venue.script("place_batch", HANG)
    system = simulated(venue, call_timeout=3.0)
    ids = submitted(system, 3)
    system.sim.run_for(2 * SECOND)
    assert ["SUBMITTED"] * 3 == states(system, ids)
    system.sim.run_for(SECOND + SECOND // 50)
    assert ["IN_DOUBT"] * 3 == states(system, ids)
    _, requests, answer = venue.hanging[0]
    answer.set([venue._place(requests[0]), Refused("no"), Unknown("?")])
    system.sim.run_for(SECOND)
    assert ["ACCEPTED", "REJECTED", "IN_DOUBT"] == states(system, ids)
    system.stop()


def test_calls_of_one_order_never_overlap() -> None:
    """A cancel waits for the batch its placement left in; other orders go on."""
    venue = Batching()
    venue.script("place_batch", HANG)
    system = simulated(venue)
    ids = submitted(system, 3)
    system.sim.run_for(SECOND)
    system.cancel(ids[1])
    other = submitted(system, 1)
    system.sim.run_for(SECOND)
    assert 0 == venue.count("cancel")
    assert ["ACCEPTED"] == states(system, other)
    _, requests, answer = venue.hanging[0]
    answer.set([venue._place(one) for one in requests])
    system.sim.run_for(SECOND)
    assert ["ACCEPTED", "CANCELLED", "ACCEPTED"] == states(system, ids)
    system.stop()


def test_priority_decides_what_leaves_first_and_kinds_are_not_mixed() -> None:
    """Cancels, then what reduces, then entries, each in calls of their own."""
    venue = Batching()
    system = simulated(venue)
    held = submitted(system, 4)
    system.sim.run_for(SECOND)
    venue.push(venue.fill(held[0], "e1", "1"))
    system.sim.run_for(SECOND)
    venue.batches.clear()
    venue.drop()
    system.sim.run_for(SECOND // 10)
    entries = submitted(system, 2)
    exits = submitted(system, 2, side=Side.SELL, qty="0.1", reduce_only=True)
    for cid in held[1:3]:
        system.cancel(cid)
    system.sim.run_for(2 * SECOND)
    told = [("cancel", held[1:3]), ("place", exits), ("place", entries)]
    assert told == venue.batches
    system.stop()


def test_the_window_counts_a_batch_as_one_call() -> None:
    """A strictly serial venue has one call in flight, however much it carries."""
    venue = Batching()
    venue.script("place_batch", HANG, HANG)
    system = simulated(venue, limits=SessionLimits(window=1, exit_slots=0))
    ids = submitted(system, 8)
    system.sim.run_for(SECOND)
    assert [ids[:4]] == [batch for _, batch in venue.batches]
    _, requests, answer = venue.hanging[0]
    answer.set([venue._place(one) for one in requests])
    system.sim.run_for(SECOND)
    assert [ids[:4], ids[4:]] == [batch for _, batch in venue.batches]
    system.stop(timeout=0.1)
    wide = Batching()
    wide.script("place_batch", HANG, HANG)
    system = simulated(wide, limits=SessionLimits(window=2, exit_slots=0))
    submitted(system, 8)
    system.sim.run_for(SECOND)
    assert 2 == len(wide.batches)
    system.stop(timeout=0.1)


@pytest.mark.parametrize(("per_batch", "first"), [(False, 3), (True, 4)])
def test_each_item_pays_unless_the_rule_counts_calls(per_batch: bool, first: int) -> None:
    """What there are no tokens for waits, and leaves when there are."""
    rule = BudgetRule(
        name="r", capacity=3, refill=1, refill_ns=SECOND, reserved=0, per_batch=per_batch
    )
    venue = Batching()
    system = simulated(venue, limits=SessionLimits(budgets=(rule,)))
    ids = submitted(system, 4)
    system.sim.run_for(SECOND // 2)
    assert [ids[:first]] == [batch for _, batch in venue.batches]
    system.sim.run_for(SECOND)
    assert ["ACCEPTED"] * 4 == states(system, ids)
    system.stop()


def test_what_was_throttled_leaves_again_in_its_order() -> None:
    """A rate limit refuses the whole batch: nothing has left, and nothing is overtaken."""
    venue = Batching()
    venue.script("place_batch", [Throttled(SECOND)] * 4)
    system = simulated(venue)
    ids = submitted(system, 4)
    system.sim.run_for(SECOND // 2)
    assert ["PENDING"] * 4 == states(system, ids)
    system.sim.run_for(SECOND)
    assert [("place", ids)] * 2 == venue.batches
    assert ["ACCEPTED"] * 4 == states(system, ids)
    system.stop()


def test_a_batch_leaves_after_its_commit() -> None:
    """What cannot be written does not leave, in a batch as alone."""
    venue = Batching()
    system = simulated(venue)
    seen: list[int] = []

    def look(requests: Sequence[Place]) -> list[Outcome]:
        written = {r.entity for r in system.journal.records() if r.kind == "SubmitOrder"}
        seen.append(sum(one.client_order_id in written for one in requests))
        return [venue._place(one) for one in requests]

    venue.script("place_batch", look)
    submitted(system, 4)
    system.sim.run_for(SECOND)
    assert [4] == seen
    system.stop()


def test_a_stop_lets_a_batch_land_and_withdraws_the_rest() -> None:
    """Nothing leaves after the stop began, and no order is left without a word."""
    venue = Batching()
    system = simulated(venue)
    ids = submitted(system, 3)
    state = system.stop()
    told = {one.client_order_id: one.state for one in state.orders}
    assert all(told.get(cid, OrderState.EXPIRED) is not OrderState.SUBMITTED for cid in ids)


# --- the session ----------------------------------------------------------------------------------


def _ready(limits: SessionLimits | None = None) -> BatchingSession:
    session = BatchingSession(limits)
    for trigger in (SessionTrigger.CONNECT, SessionTrigger.LINK_UP, SessionTrigger.RECONCILED):
        session.on(trigger)
    return session


def _leaving(session: BatchingSession, most: int) -> list[Call]:
    first = session.next(0)
    assert first is not None
    return [first, *session.ride(first, 0, most)]


def test_instruments_take_turns_in_a_batch() -> None:
    """One busy instrument does not fill it."""
    session = _ready()
    for symbol in ("BTC/USDT", "BTC/USDT", "ETH/USDT"):
        terms = order(instrument=symbol)
        cid = f"{symbol}{session.queued}"
        session.enqueue(Place(replace(terms, client_order_id=cid)), 0)
    assert ["BTC/USDT", "ETH/USDT"] == [call.instrument for call in _leaving(session, 1)]


def test_a_withheld_instrument_does_not_ride() -> None:
    """A hold on one instrument's entries holds in a batch, too."""
    session = _ready()
    session.hold("ETH/USDT")
    for symbol in ("BTC/USDT", "ETH/USDT", "BTC/USDT"):
        terms = order(instrument=symbol)
        cid = f"{symbol}{session.queued}"
        session.enqueue(Place(replace(terms, client_order_id=cid)), 0)
    assert ["BTC/USDT"] * 2 == [call.instrument for call in _leaving(session, 9)]
    assert (2, 1) == (session.in_flight, session.queued)


def test_what_is_no_placement_does_not_ride_with_one() -> None:
    """Placements and amends that reduce are of one class, and no batch holds both."""
    session = _ready()
    for name in "ab":
        session.enqueue(Place(replace(order(), client_order_id=name)), 0, reduces=True)
    session.enqueue(Amend("c", "A1", "BTC/USDT", D(1)), 0, reduces=True)
    assert ["a", "b"] == [call.client_order_id for call in _leaving(session, 9)]
    assert 1 == session.queued


def test_each_rider_ends_once() -> None:
    """As any call does; its order's next call may leave then."""
    session = _ready()
    for name in "abc":
        session.enqueue(Place(replace(order(), client_order_id=name)), 0)
    for call in _leaving(session, 9):
        session.ended(call.call_id, Ending.DONE, 0)
        with pytest.raises(InvariantViolated):
            session.ended(call.call_id, Ending.DONE, 0)
    assert (0, 0) == (session.in_flight, session.queued)


# --- venues ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency_ns", [0, SECOND // 20])
def test_a_paper_market_takes_batches(latency_ns: int) -> None:
    """One round trip for all of them; each order is filled or refused by itself."""
    able = replace(FULL_CAPABILITIES, place_batch=3, cancel_batch=3, inline=not latency_ns)
    config = ExchangeConfig(capabilities=able, latency_out_ns=latency_ns, latency_in_ns=latency_ns)
    venue = PaperVenue("v", "main", Exchange(config, [btc()]))
    system = simulated(venue)
    venue.market.on_quote("BTC/USDT", D(99), D(5), D(101), D(5))
    prices = ("101", "98", "97")
    ids = [system.submit(order(price=price)).client_order_id for price in prices]
    system.sim.run_for(3 * latency_ns + SECOND // 100)
    assert ["FILLED", "ACCEPTED", "ACCEPTED"] == states(system, ids)
    assert D(1) == system.qty()
    system.stop()


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_answered_in_part_is_survived(seed: int) -> None:
    """An item missing in the answer was done, or not: either way everything agrees in the end."""
    partial = Fault(FaultKind.BATCH_PARTIAL, When("place_batch", 1))
    with SimulatedSystem(seed=seed, plan=FaultPlan(faults=(partial,))) as system:
        system.quote(SPOT.symbol, D(200), D(5), D(201), D(5))
        system.run(2 * SECOND)
        for _ in range(8):
            system.submit(order(instrument=SPOT.symbol, qty="0.1", price="199"))
        system.run(SECOND)
        assert not system.check()
        assert not system.settle()
        assert {"BATCH_PARTIAL": 1} == system.injected


def test_done_without_a_word_is_watched_for_in_a_batch() -> None:
    """An item that was taken without its effect is asked about when that does not come."""
    venue = Batching()

    def taken(requests: Sequence[Place]) -> list[Outcome]:
        for one in requests:
            venue._place(one)
        return [Done() for _ in requests]

    venue.script("place_batch", taken)
    system = simulated(venue)
    ids = submitted(system, 3)
    system.sim.run_for(10 * SECOND)
    assert ["ACCEPTED"] * 3 == states(system, ids)
    system.stop()
