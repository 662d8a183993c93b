"""Orders against a dumb twin, and the laws that no sequence of messages may break."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from engine.fold import revive, tombstone
from engine.invariants import check_ledger, check_order, check_step
from engine.messages import (
    Accepted,
    AmendOrder,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Expired,
    Feeds,
    Filled,
    Message,
    OutcomeUnknown,
    Rejected,
    Replaced,
    ReplaceRefused,
    Restated,
    TradeBusted,
    TradeCorrected,
    Triggered,
)
from engine.order import (
    Ledger,
    Order,
    avg_px,
    exposure_qty,
    is_settled,
    leaves_qty,
    public_state,
)
from engine.order_events import events_of
from engine.order_steps import begin, mark_sent, step
from engine.values import OrderState, OrderType, exact
from tests.order_kit import CID, D, Held, fill, terms
from tests.properties.order_twin import Twin

TS = st.integers(1, 60)
#: What each execution is, so that a repetition is one: id -> (quantity, price, what it revises).
TRADES: dict[str, tuple[str, str, str | None]] = {
    "E1": ("2", "100", None),
    "E2": ("3", "100.5", None),
    "E3": ("5", "99.25", None),
    "E4": ("4", "101", None),
    "E1.02": ("1", "100", "E1"),
    "E1.03": ("2.5", "100.1", "E1.02"),
    "E2.02": ("3", "100.75", "E2"),
}
#: Corrections: id -> (new id, quantity, price).
CORRECTIONS: dict[str, tuple[str, str, str]] = {
    "E3": ("E3c", "4", "99.5"),
    "E3c": ("E3d", "6", "99.5"),
    "E4": ("E4c", "1", "101"),
}


def trade(exec_id: str, ts: int = 10) -> Filled:
    """One of the executions."""
    qty, px, revises = TRADES[exec_id]
    return Filled(CID, ts, exec_id, D(qty), D(px), revises=revises)


def correction(exec_id: str, ts: int = 10) -> TradeCorrected:
    """One of the corrections."""
    new, qty, px = CORRECTIONS[exec_id]
    return TradeCorrected(CID, ts, exec_id, new, D(qty), D(px))


QTY = st.sampled_from([D(3), D(5), D(8), D(10), D(12), D(20)])
CANCEL_IDS = st.sampled_from(["c1", "c2"])
AMEND_IDS = st.sampled_from(["a1", "a2", "a3"])

EXECUTIONS = st.one_of(
    st.builds(trade, st.sampled_from(list(TRADES)), TS),
    st.builds(correction, st.sampled_from(list(CORRECTIONS)), TS),
    st.builds(
        lambda exec_id, ts: TradeBusted(CID, ts, exec_id),
        st.sampled_from([*TRADES, "E3c", "E4c"]),
        TS,
    ),
)
ANSWERS = st.one_of(
    st.builds(lambda ts, vid: Accepted(CID, ts, vid), TS, st.sampled_from([None, "v1", "v2"])),
    st.builds(lambda ts: Cancelled(CID, ts), TS),
    st.builds(lambda ts: Expired(CID, ts), TS),
    st.builds(lambda ts: Rejected(CID, ts), TS),
    st.builds(lambda ts, req: CancelRefused(CID, ts, req), TS, CANCEL_IDS),
    st.builds(lambda ts, req: ReplaceRefused(CID, ts, req), TS, AMEND_IDS),
    st.builds(lambda ts, req, qty: Replaced(CID, ts, req, qty), TS, st.none() | AMEND_IDS, QTY),
    st.builds(lambda ts, qty: Restated(CID, ts, qty), TS, QTY),
    st.builds(lambda ts, req: OutcomeUnknown(CID, ts, req), TS, st.none() | CANCEL_IDS | AMEND_IDS),
)
COMMANDS = st.one_of(
    st.builds(lambda ts, req: CancelOrder(CID, req, ts), TS, CANCEL_IDS),
    st.builds(lambda ts, req, qty: AmendOrder(CID, req, ts, qty), TS, AMEND_IDS, QTY),
)
STORIES = st.lists(st.one_of(EXECUTIONS, EXECUTIONS, ANSWERS, COMMANDS), max_size=25)


def of(order: Order) -> dict[str, object]:
    """What of an order the twin knows as well."""
    return {
        "state": public_state(order).value,
        "order_qty": order.order_qty,
        "cum_qty": order.cum_qty,
        "cost": Fraction(order.cum_cost),
        "leaves": leaves_qty(order),
        "cancels": {out.req_id: out.unknown for out in order.requests if out.is_cancel},
        "replaces": {
            out.req_id: (out.unknown, out.order_qty) for out in order.requests if not out.is_cancel
        },
        "end": None if order.end is None else order.end.value,
    }


def of_twin(twin: Twin) -> dict[str, object]:
    """The same of the twin."""
    return {
        "state": twin.state,
        "order_qty": twin.qty,
        "cum_qty": twin.cum,
        "cost": twin.cost,
        "leaves": twin.leaves,
        "cancels": twin.cancels,
        "replaces": twin.replaces,
        "end": twin.end,
    }


@given(STORIES)
def test_every_message_leaves_the_order_as_the_dumb_twin_says(story: list[Message]) -> None:
    """Whatever comes, in whatever order, however often: the tables and the plain facts agree."""
    held, twin = Held(terms("10")), Twin(D(10))
    with exact():
        for message in story:
            twin.ts = held.order.ts
            held.take(message)
            twin.take(message)
            assert of_twin(twin) == of(held.order), f"after {message}"
            exposed = exposure_qty(held.order)
            assert exposed is not None
            assert exposed >= twin.most, "exposure is below what can still fill"
            average = avg_px(held.order)
            if twin.cum:
                assert average is not None
                assert abs(Fraction(average) - twin.cost / Fraction(twin.cum)) < Fraction(1, 10**25)
            else:
                assert average is None


# --- convergence ----------------------------------------------------------------------------------


@st.composite
def facts(draw: st.DrawFn) -> list[Message]:
    """Consistent facts about one order, as a venue knows them.

    At most one end, one history of each execution.
    """
    found: list[Message] = []
    if draw(st.booleans()):
        found.append(Accepted(CID, 2, "v1"))
    for exec_id in ("E1", "E2", "E3", "E4"):
        if not draw(st.booleans()):
            continue
        found.append(trade(exec_id))
        chain = draw(st.integers(0, 2))
        if exec_id == "E1":
            found += [trade("E1.02"), trade("E1.03")][:chain]
            latest = ["E1", "E1.02", "E1.03"][chain]
        elif exec_id == "E2":
            found += [trade("E2.02")][:chain]
            latest = ["E2", "E2.02", "E2.02"][chain]
        elif exec_id == "E3":
            found += [correction("E3"), correction("E3c")][:chain]
            latest = ["E3", "E3c", "E3d"][chain]
        else:
            found += [correction("E4")][:chain]
            latest = ["E4", "E4c", "E4c"][chain]
        if draw(st.integers(0, 3)) == 0:
            found.append(TradeBusted(CID, 12, latest))
    end = draw(
        st.sampled_from([None, None, Cancelled(CID, 15), Expired(CID, 15), Rejected(CID, 15)])
    )
    return found if end is None else [*found, end]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Message], list[Message], list[Message]]:
    """The facts as they happened, and two ways of delivering them: shuffled, with repetitions."""
    found = draw(facts())
    again = st.lists(st.sampled_from(found), max_size=6) if found else st.just([])
    one = draw(st.permutations([*found, *draw(again)]))
    two = draw(st.permutations([*found, *draw(again)]))
    return found, list(one), list(two)


def outcome(held: Held) -> tuple[object, ...]:
    """What must not depend on the order of delivery.

    ``unverified`` may: it says that we ask, not what is so.
    """
    order = held.order
    return (
        public_state(order), order.cum_qty, order.cum_cost, leaves_qty(order), order.order_qty,
        order.venue_order_ids, order.requests, order.ts,
        sorted((fill.exec_id, fill.last_qty, fill.last_px) for fill in held.ledger.live()),
    )  # fmt: skip


@given(deliveries(), st.sampled_from([OrderType.LIMIT, OrderType.STOP, OrderType.TRAILING_STOP]))
@example(([trade("E1"), trade("E1.02"), trade("E1.03")],
          [trade("E1"), trade("E1.03"), trade("E1.02")],
          [trade("E1.03"), trade("E1.02"), trade("E1")]), OrderType.LIMIT)  # fmt: skip
@example(([trade("E3"), correction("E3"), correction("E3c")],
          [correction("E3c"), trade("E3"), correction("E3")],
          [correction("E3c"), correction("E3"), trade("E3")]), OrderType.LIMIT)  # fmt: skip
@example(([trade("E1"), TradeBusted(CID, 12, "E1")],
          [TradeBusted(CID, 12, "E1"), trade("E1")],
          [trade("E1"), TradeBusted(CID, 12, "E1")]), OrderType.STOP)  # fmt: skip
def test_facts_of_a_venue_come_to_the_same_in_any_order_and_number(
    drawn: tuple[list[Message], list[Message], list[Message]], kind: OrderType
) -> None:
    """Acks, executions, revisions, corrections, busts and an end.

    Any permutation, with repetitions, converges.
    """
    results = []
    with exact():
        for way in drawn:
            held = Held(terms("10", kind=kind))
            held.take(*way)
            results.append(outcome(held))
    assert results[0] == results[1] == results[2]


@given(st.data(), st.integers(0, 14))
def test_an_inferred_fill_and_executions_never_add_up(data: st.DataObject, total: int) -> None:
    """An inference up to a total, among executions in any order.

    What is booked is the larger of the two.
    """
    real = data.draw(st.lists(st.sampled_from(["E1", "E2", "E3", "E4"]), unique=True))
    guess = fill("I1", str(max(total, 1)), "100", total=str(total), inferred=True)
    way = data.draw(st.permutations([guess, *map(trade, real), *map(trade, real)]))
    held = Held(terms("20"))
    with exact():
        held.take(*way)
    booked = sum((D(TRADES[one][0]) for one in real), Decimal(0))
    assert max(booked, D(total)) == held.order.cum_qty


@given(st.lists(st.sampled_from(["E1", "E2", "E3", "E4"]), unique=True), st.data())
def test_a_claim_is_exposure_until_executions_explain_it(
    real: list[str], data: st.DataObject
) -> None:
    """A cancelled order settles exactly when executions explain its total, in any order."""
    total = sum((D(TRADES[one][0]) for one in real), Decimal(0))
    end = Cancelled(CID, 15, cum_qty=total)
    way = data.draw(st.permutations([end, *map(trade, real)]))
    held = Held(terms("20"))
    with exact():
        for at, message in enumerate(way):
            held.take(message)
            if end in way[: at + 1]:
                assert total - held.order.cum_qty == exposure_qty(held.order)
                assert (total == held.order.cum_qty) == is_settled(held.order)
    assert is_settled(held.order)


# --- laws -----------------------------------------------------------------------------------------

LEGS = st.sampled_from(
    [
        fill("E1", "2", feeds=Feeds.POSITION, instrument="LEG1"),
        fill("E1", "2", feeds=Feeds.POSITION, instrument="LEG2"),
        fill("O1", "2", feeds=Feeds.ORDER),
        fill("I1", "4", total="6", inferred=True),
        fill("F1", "1", fee="0.1"),
        fill("F1", "1"),
        fill("S1", "3", total="9"),
    ]
)
WILD = st.lists(
    st.one_of(EXECUTIONS, EXECUTIONS, ANSWERS, COMMANDS, LEGS, st.just(Triggered(CID, 5))),
    max_size=20,
)


@given(WILD, st.sampled_from(list(OrderType)), st.booleans())
def test_no_story_breaks_an_invariant(story: list[Message], kind: OrderType, cash: bool) -> None:
    """Sums, ends and words hold after each step, also of an order of unknown quantity."""
    held = Held(terms(None if cash else "10", kind=kind, cash="1000" if cash else None))
    with exact():
        for message in story:
            before = held.order
            held.take(message)  # judges by the invariants
            assert isinstance(public_state(held.order), OrderState)
            assert held.order.ts >= before.ts, "evidence has to be newer than the latest fact"
            for event in events_of(before, held.last, message):
                assert event.state is public_state(held.order)  # type: ignore[attr-defined]


@given(WILD)
def test_a_tombstone_brings_back_the_very_order(story: list[Message]) -> None:
    """Written down and read again, an order and its ledger go on as if nothing had happened."""
    held = Held()
    with exact():
        held.take(*story)
        order, ledger = revive(tombstone(held.order, held.ledger))
        assert held.order == order
        for message in (
            trade("E4"),
            TradeBusted(CID, 30, "E1"),
            fill("E1", "2", instrument="LEG1"),
        ):
            again = step(order, ledger or Ledger(), message)
            there = step(held.order, held.ledger, message)
            assert there == again


@given(STORIES, st.sampled_from([trade("E1", 40), trade("E3", 40), fill("N1", "10", "101", 40)]))
def test_the_short_way_through_a_fill_comes_to_the_same_as_the_long_way(
    story: list[Message], last: Filled
) -> None:
    """The plain case of an execution is a copy of the general one, so both must agree."""
    held = Held()
    with exact():
        held.take(*story)
        short = step(held.order, held.ledger, last)
        held.ledger.has_inferred = True  # there was one, it is gone: the general way is taken
        assert short == step(held.order, held.ledger, last)


@given(
    WILD,
    st.sampled_from(
        [
            Replaced(CID, 50, None, D("NaN")),
            Restated(CID, 50, D("sNaN")),
            Restated(CID, 50, D(5), ratio=D(0)),
            Filled(CID, 50, "N", D("NaN"), D(1)),
            Filled(CID, 50, "N", D(1), D("Infinity")),
            Filled(CID, 50, "N", D(1), D(1), D("NaN")),
            Filled(CID, 50, "N", D(-1), D(1)),
            TradeCorrected(CID, 50, "E1", "N", D(0), D(1)),
            Cancelled(CID, 50, cum_qty=D("-1")),
        ]
    ),
)
def test_numbers_that_cannot_be_are_kept_and_change_no_quantity(
    story: list[Message], bad: Message
) -> None:
    """A malformed report of a venue is quarantined: never booked, never raised into the turn."""
    held = Held()
    with exact():
        held.take(*story)
        before = held.order
        held.take(bad)
    assert before.cum_qty == held.order.cum_qty
    assert before.order_qty == held.order.order_qty
    assert before.claim_qty == held.order.claim_qty


@given(STORIES)
def test_a_step_touches_neither_the_order_nor_the_ledger_it_was_given(story: list[Message]) -> None:
    """A step is pure.

    What it was given stands until its result is taken over, so a raise leaves no trace.
    """
    order, ledger = mark_sent(begin(terms())), Ledger()
    with exact():
        for message in story:
            frozen, entries = tombstone(order, ledger), ledger.exec_ids()
            out = step(order, ledger, message)
            assert frozen == tombstone(order, ledger)
            assert entries == ledger.exec_ids()
            check_step(order, out)
            ledger.apply(out.bookings)
            order = out.order
            check_order(order)
            check_ledger(order, ledger)
