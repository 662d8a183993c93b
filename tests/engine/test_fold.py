"""State is the fold of facts.

Whole or step by step, from records or a tombstone, in any mixture of orders.
"""

from __future__ import annotations

import decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.errors import JournalCorrupt
from engine.fold import Books, digest, revive, tombstone
from engine.messages import (
    Accepted,
    AdoptOrder,
    AmendOrder,
    Cancelled,
    CancelRefused,
    CorrectPosition,
    DefineInstrument,
    Denied,
    Feeds,
    Filled,
    LinkDown,
    LinkUp,
    Message,
    OutcomeUnknown,
    Rejected,
    ReplaceRefused,
    Restated,
    ReviveOrder,
    SetBaseline,
    TradeBusted,
    TradeCorrected,
    Withdrawn,
)
from engine.order_steps import begin, mark_sent
from engine.order_tables import Life
from engine.values import CorrectionKind, Instrument, OrderState, OrderType, PositionSlot, exact
from tests.order_kit import CID, D, Held, at_venue, bust, correct, fill, terms

X = Instrument(symbol="X", venue="V", base="BTC", quote="USD", lot_size=D("0.1"))
Y = replace(X, symbol="Y")
DEFINED = [("instrument:X", DefineInstrument(X, 1)), ("instrument:Y", DefineInstrument(Y, 1))]
SLOT = ("V", "A", "X", PositionSlot.NET)
Facts = list[tuple[str, Message]]


def fold(*messages: Message) -> Books:
    """One order's facts after its submission."""
    facts: Facts = [*DEFINED, (CID, terms()), *((CID, message) for message in messages)]
    return Books().apply_all(facts)


def name(books: Books) -> str:
    """The digest of it all."""
    stones = [
        (cid, tombstone(order, books.ledgers.get(cid))) for cid, order in books.orders.items()
    ]
    return digest(stones, books.positions.values())


STORY: list[Message] = [
    Accepted(CID, 2, "v1"),
    fill("E1", "4", "101", fee="0.4"),
    fill("E1", "4", "101"),
    fill("E2.01", "3"),
    fill("E2.02", "2", "99", revises="E2.01"),
    bust("E9"),
    fill("E9"),
    bust("E1"),
    Cancelled(CID, 30, cum_qty=D(2)),
    fill("E3", "1", "98"),
]


def test_the_fold_is_what_the_steps_came_to() -> None:
    """The very functions the actors use: an order, its ledger and its position."""
    held = Held()
    with exact():
        held.take(*STORY)
    books = fold(*STORY)
    assert held.order == books.orders[CID]
    assert list(held.ledger.live()) == list(books.ledgers[CID].live())
    assert D(3) == books.positions[SLOT].qty
    assert 13 == books.facts


@given(st.lists(st.sampled_from(STORY), max_size=15), st.integers(0, 15))
@example([fill("E2.01", "3"), fill("E1", "4"), fill("E2.02", "2", revises="E2.01"), bust("E1")], 3)
def test_a_fold_may_be_cut_anywhere_and_go_on_from_tombstones(
    story: list[Message], at: int
) -> None:
    """Checkpoint and tail come to the same as the whole."""
    whole = fold(*story)
    first = fold(*story[:at])
    again = Books()
    again.instruments, again.positions = first.instruments, first.positions
    for cid, order in first.orders.items():
        again.hold(*revive(tombstone(order, first.ledgers.get(cid))))
    again.apply_all([(CID, message) for message in story[at:]])
    assert whole.orders == again.orders
    assert name(whole) == name(again)


@given(st.data())
def test_the_digest_does_not_depend_on_how_orders_are_interleaved(data: st.DataObject) -> None:
    """Each order's facts in their order, different orders' in any: one state, one name."""
    other = [replace(message, client_order_id="C2") for message in STORY]
    one: Facts = [(CID, terms()), *((CID, m) for m in STORY)]
    two: Facts = [
        ("C2", replace(terms(), client_order_id="C2", instrument="Y")),
        *(("C2", m) for m in other),
    ]
    picks = data.draw(st.permutations([True] * len(one) + [False] * len(two)))
    left, right = iter(one), iter(two)
    mixed = [next(left) if pick else next(right) for pick in picks]
    assert name(Books().apply_all([*DEFINED, *one, *two])) == name(
        Books().apply_all([*DEFINED, *mixed])
    )


def test_the_digest_names_every_difference_but_that_of_waiting_and_sent() -> None:
    """After a restart nothing counts as not sent, so the journal does not know it."""
    waiting = fold()
    sent = fold()
    sent.orders[CID] = mark_sent(sent.orders[CID])
    assert name(waiting) == name(sent)
    names = [name(fold(*STORY[:at])) for at in range(len(STORY))]
    assert len(set(names)) >= 7
    tagged = Books().apply_all(
        [*DEFINED, (CID, replace(terms(), tags=(("x", '"life":"PENDING"'),))), (CID, STORY[0])]
    )
    assert tagged.orders[CID].life is Life.ACCEPTED
    assert name(tagged) != name(fold(STORY[0]))


def test_a_tombstone_keeps_legs_voids_and_requests() -> None:
    """Whatever finds the order later finds it as it was."""
    held = at_venue(None, fill("7", feeds=Feeds.POSITION, instrument="Y"), fill("7"), bust("E1"))
    order, ledger = revive(tombstone(held.order, held.ledger))
    assert held.order == order
    assert ledger is not None
    assert held.ledger.exec_ids() == ledger.exec_ids()
    assert (held.order, None) == revive(tombstone(held.order, None))


def test_a_tombstone_that_cannot_be_read_is_named() -> None:
    """Torn or altered: the bytes are shown, nothing is guessed."""
    for body in (b"", b"{", b'{"order":{}}', b"[]", b"\xff"):
        with pytest.raises(JournalCorrupt, match="cannot be read"):
            revive(body)


def test_an_early_bust_makes_no_position() -> None:
    """The running system makes none either, so the digests must agree."""
    assert {} == fold(bust("E1")).positions
    assert {} == fold(bust("E1"), fill("E1")).positions


def test_a_split_restates_the_order_and_leaves_the_position_to_its_own_correction() -> None:
    """Else the position would be rescaled twice."""
    split = CorrectPosition("V", "A", "X", PositionSlot.NET, CorrectionKind.SPLIT, 21, ratio=D(2))
    facts: Facts = [
        *DEFINED, (CID, terms()), (CID, fill("E1", "4")),
        (CID, Restated(CID, 20, D(20), ratio=D(2))), ("position", split),
    ]  # fmt: skip
    books = Books().apply_all(facts)
    assert (D(8), D(8)) == (books.orders[CID].cum_qty, books.positions[SLOT].qty)


def test_a_correction_said_again_may_say_the_fee_that_was_taken_over() -> None:
    """The first telling keeps the old fee; the second puts its own in the place, in the position
    too.
    """
    story = [fill("T1", "4", fee="0.5"), correct("T1", "T2", "4", "99")]
    told = TradeCorrected(CID, 30, "T1", "T2", D(4), D(99), D("0.7"), "USD")
    for again, fee in (([], "0.5"), ([told], "0.7"), ([told, told], "0.7")):
        books = fold(*story, *again)
        (new,) = books.ledgers[CID].live()
        assert (D(fee), (("USD", D(fee)),)) == (new.fee, books.positions[SLOT].fees)


def test_a_fee_taken_over_by_a_correction_gives_way_to_the_one_that_is_told() -> None:
    """By the execution itself, in a list or a late report, and only once."""
    told = fill("T2", "4", "99", fee="0.7")
    story = [fill("T1", "4", fee="0.5"), correct("T1", "T2", "4", "99"), told, told]
    books = fold(*story, fill("T2", "4", "99", fee="0.9"))
    (new,) = books.ledgers[CID].live()
    assert (D("0.7"), (("USD", D("0.7")),)) == (new.fee, books.positions[SLOT].fees)


def test_a_correction_of_nothing_but_the_fee_changes_the_fee() -> None:
    """In place, and said twice; the first report said again does not bring the old fee back."""
    told = TradeCorrected(CID, 30, "T1", "T1", D(4), D(100), D("0.7"), "USD")
    first = fill("T1", "4", "100", fee="0.5")
    books = fold(first, told, told, first)
    assert (("USD", D("0.7")),) == books.positions[SLOT].fees


def test_legs_feed_the_positions_of_their_own_instruments() -> None:
    """The combo's own execution feeds none."""
    books = fold(
        fill("L", "8", feeds=Feeds.POSITION, instrument="Y"), fill("C", "4", feeds=Feeds.ORDER)
    )
    assert [("V", "A", "Y", PositionSlot.NET)] == list(books.positions)
    assert D(4) == books.orders[CID].cum_qty


def test_facts_about_an_order_nobody_introduced_are_parked_and_applied_when_it_is() -> None:
    """Pain 13: parked, never lost."""
    early: Facts = [*DEFINED, (CID, fill("E1")), (CID, Accepted(CID, 2, "v1"))]
    books = Books().apply_all(early)
    assert ({}, 2) == (books.orders, len(books.parked[CID]))
    books.apply_all([(CID, AdoptOrder(terms(), 20, "seen"))])
    assert ({}, D(4)) == (books.parked, books.orders[CID].cum_qty)
    assert begin(AdoptOrder(terms(), 20)).life is Life.SUBMITTED


def test_late_and_contradictory_facts_are_counted_as_the_running_system_counts_them() -> None:
    """A fill before the ack is not late.

    That it was sent is no fact, and the fold knows it all the same.
    """
    early = fold(fill("E1"), Accepted(CID, 12))
    assert (0, 0) == (early.late, early.quarantined)
    assert 1 == fold(Rejected(CID, 2), fill("E1")).late
    books = fold(fill("E1"), fill("E1", "5"), Denied(CID, 12, "RISK"))
    assert (0, 2) == (books.late, books.quarantined)


@pytest.mark.parametrize(
    ("ours", "state"),
    [
        (Withdrawn(CID, 2), OrderState.CANCELLED),
        (Withdrawn(CID, 2, expired=True), OrderState.EXPIRED),
        (Denied(CID, 2, "RISK"), OrderState.DENIED),
        (OutcomeUnknown(CID, 2), OrderState.IN_DOUBT),
    ],
)
def test_what_we_say_of_an_order_that_waits_is_folded_as_it_was_meant(
    ours: Message, state: OrderState
) -> None:
    """Our own words come before it left; the fold does not take them for a venue's."""
    assert state is fold(ours).orders[CID].state


@pytest.mark.parametrize("refused", [ReplaceRefused, CancelRefused])
def test_a_request_that_was_overtaken_says_nothing_about_the_placement(
    refused: type[ReplaceRefused | CancelRefused],
) -> None:
    """An amend whose place a newer one took, before either left: the order may still lapse."""
    asked = AmendOrder(CID, "r", 2, D(7))
    books = fold(asked, refused(CID, 3, "r"), Withdrawn(CID, 4, reason="not_sent", expired=True))
    assert (OrderState.EXPIRED, 0) == (books.orders[CID].state, books.quarantined)


def test_a_revived_order_is_taken_from_its_tombstone_once() -> None:
    """In a whole fold it is there already, as it was."""
    held = at_venue(None, fill("E1", "4"), Cancelled(CID, 11))
    body = tombstone(held.order, held.ledger).decode()
    tail: Facts = [*DEFINED, (CID, ReviveOrder(CID, 20, body)), (CID, fill("E2", "6"))]
    books = Books().apply_all(tail)
    assert (OrderState.FILLED, D(10)) == (books.orders[CID].state, books.orders[CID].cum_qty)
    whole = fold(Accepted(CID, 2, "v1"), fill("E1", "4"), Cancelled(CID, 11))
    whole.apply_all([(CID, ReviveOrder(CID, 20, body)), (CID, fill("E2", "6"))])
    assert books.orders == whole.orders


def test_a_journal_that_contradicts_itself_is_corrupt() -> None:
    """An order introduced twice, an instrument nobody defined."""
    with pytest.raises(JournalCorrupt, match="introduced twice"):
        fold(terms())
    undefined: Facts = [(CID, terms()), (CID, fill("E1"))]
    with pytest.raises(JournalCorrupt, match="'X' of 'V'"):
        Books().apply_all(undefined)


def test_ups_and_downs_of_a_session_are_history_and_baselines_are_state() -> None:
    """Only what changes an entity changes the fold."""
    books = fold(LinkUp(1), LinkDown(2))
    assert name(fold()) == name(books)
    books.apply_all([("slot", SetBaseline("V", "A", "X", PositionSlot.NET, D(5), D(90), 3))])
    assert D(5) == books.positions[SLOT].qty
    books.apply_all([(CID, TradeBusted(CID, 4, "E1")), (CID, fill("E1"))])
    assert D(5) == books.positions[SLOT].qty


def test_states_are_counted_in_the_order_of_the_words() -> None:
    """Only those that occur."""
    facts: Facts = []
    for at, message in enumerate(
        (Accepted("o0", 2), None, Denied("o2", 2, "RISK"), Accepted("o3", 2))
    ):
        cid = f"o{at}"
        facts.append((cid, replace(terms(), client_order_id=cid)))
        if message is not None:
            facts.append((cid, message))
    books = Books().apply_all([*DEFINED, *facts])
    assert [("PENDING", 1), ("ACCEPTED", 2), ("DENIED", 1)] == list(books.orders_by_state().items())


def test_the_hosts_decimal_context_changes_nothing() -> None:
    """A host with six digits folds the same journal to the same name."""
    precise = [
        Filled(CID, 3, "E1", D("1.23456789012"), D("98765.4321098")),
        Filled(CID, 4, "E2", D("0.00000000001"), D("98765.4321099")),
    ]
    expected = name(fold(*precise))
    with decimal.localcontext() as context:
        context.prec = 6
        assert expected == name(fold(*precise))


def test_a_stop_of_unknown_quantity_survives_its_tombstone() -> None:
    """None means not known, also after reading it back."""
    held = Held(terms(None, kind=OrderType.STOP, price=None, stop_px="90"))
    held.take(fill("E1"))
    assert held.order == revive(tombstone(held.order, held.ledger))[0]
