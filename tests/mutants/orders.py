"""An order and its executions: what is booked, when it ends, what it may still cost."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["ORDERS"]

ORDERS: Final = (
    Mutant(
        "fill-booked-again",
        "A report that comes twice buys twice: we sell what we do not have.",
        "engine/order_fills.py",
        "(exec_id in fills or ledger.has_inferred)",
        "ledger.has_inferred",
        (
            "simulate rough 0:200",
            "tests/engine/test_fold.py::test_the_fold_is_what_the_steps_came_to",
        ),
    ),
    Mutant(
        "late-fill-dropped",
        "A fill that comes after the cancel's answer is lost: a position nobody"
        " watches stays open.",
        "engine/order_fills.py",
        '        anomaly = "overfill" if life is _FILLED else "late_fill"',
        "        return Step(order)",
        (
            "simulate rough 0:200",
            "tests/engine/test_filled_by_word.py::test_what_was_seen_filled_becomes_its_quantity",
        ),
    ),
    Mutant(
        "fill-clears-requests",
        "A partial fill makes us forget a cancel that is under way: its refusal or"
        " its silence goes unnoticed.",
        "engine/order_fills.py",
        "            order.requests,\n            target,",
        "            (),\n            target,",
        (
            "tests/properties/test_order_properties.py::test_the_short_way_through_a_fill_comes_to_the_same_as_the_long_way",
            "simulate rough 0:200",
        ),
    ),
    Mutant(
        "revision-added",
        "A revised execution counts next to the one it revises: the quantity is there twice.",
        "engine/order_fills.py",
        "        return [Booking(_VOID, old, key)]\n",
        "        return []\n",
        (
            "tests/properties/test_order_properties.py::test_facts_of_a_venue_come_to_the_same_in_any_order_and_number",
        ),
    ),
    Mutant(
        "early-bust-forgotten",
        "A bust that comes before its fill is forgotten, and a trade that never was is booked.",
        "engine/order_corrections.py",
        "        voids.append(early_void(order, m.exec_id, m.ts))",
        "        return Step(order)",
        (
            "simulate hell 0:200",
            "tests/properties/test_order_properties.py::test_facts_of_a_venue_come_to_the_same_in_any_order_and_number",
        ),
    ),
    Mutant(
        "bust-returns-nothing",
        "A busted trade stays in its order: we think that we hold what was taken back.",
        "engine/order_fills.py",
        "            cum, cost = cum - qty, cost - qty * one.fill.last_px",
        "            pass",
        (
            "simulate hell 0:200",
            "tests/engine/test_order.py::test_a_fill_proves_that_a_stop_was_elected",
        ),
    ),
    Mutant(
        "inferred-added-to-real",
        "An execution that arrives late is added to the one inferred for it: it counts twice.",
        "engine/order_fills.py",
        "    if ledger is not None and ledger.has_inferred:",
        "    if False:",
        (
            "tests/properties/test_order_properties.py::test_an_inferred_fill_and_executions_never_add_up",
        ),
    ),
    Mutant(
        "inferred-beyond-claim",
        "An inferred fill covers what was booked meanwhile as well: it counts twice.",
        "engine/order_fills.py",
        "    cut = m if m.last_qty <= left else replace(m, last_qty=left)",
        "    cut = m",
        (
            "tests/properties/test_order_properties.py::test_an_inferred_fill_and_executions_never_add_up",
        ),
    ),
    Mutant(
        "average-of-the-last-price",
        "An order's average price is wrong after its second fill, and so is every"
        " decision made on it.",
        "engine/order_fills.py",
        "            order.cum_cost + qty * px,",
        "            cum * px,",
        (
            "simulate rough 0:200",
            "tests/properties/test_order_properties.py::test_facts_of_a_venue_come_to_the_same_in_any_order_and_number",
        ),
    ),
    Mutant(
        "void-fill-booked-again",
        "A venue that sends a busted trade once more brings it back to life.",
        "engine/order_fills.py",
        "    if key in ledger or (key is not m.exec_id and ledger.is_void(m.exec_id)):",
        "    if ledger.get(key) is not None:",
        (
            "simulate hell 0:200",
            "tests/engine/test_fold.py::test_an_early_bust_makes_no_position",
        ),
    ),
    Mutant(
        "correction-of-a-bust",
        "A correction revives a trade that was busted for good.",
        "engine/order_corrections.py",
        "        if in_place and m.exec_id in ledger:",
        "        if False:",
        (
            "tests/engine/test_order_fills.py::test_a_correction_in_place_changes_the_execution_and_never_undoes_a_bust",
        ),
    ),
    Mutant(
        "bust-not-questioned",
        "Nobody asks whether the venue works what a bust gave back: it fills unseen,"
        " or is missing.",
        "engine/order_fills.py",
        "        unverified = True  # does the venue work what a bust gave back? It is asked",
        "        pass",
        (
            "simulate hell 0:200",
            "tests/engine/test_order.py::test_a_newer_answer_that_agrees_ends_the_question",
        ),
    ),
    Mutant(
        "stale-ack-revives",
        "An acknowledgement that comes late brings a cancelled order back: we wait"
        " for fills that cannot come.",
        "engine/order_acks.py",
        "    if life in ENDED and is_newer(order, m.source, m.sent_ts):",
        "    if life in ENDED:",
        (
            "tests/properties/test_order_properties.py::test_facts_of_a_venue_come_to_the_same_in_any_order_and_number",
        ),
    ),
    Mutant(
        "suspended-for-good",
        "An order that fills again is still called suspended, and whoever replaces"
        " it trades twice.",
        "engine/order_tables.py",
        '    Row(_L.SUSPENDED, _T.FILL, _L.ACCEPTED, _MOVE, "what fills, works"),',
        '    Row(_L.SUSPENDED, _T.FILL, None, _STAY, "what fills, works"),',
        (
            "tests/engine/test_order.py::test_a_suspended_order_works_again_when_it_resumes_fills_or_is_seen_working",
        ),
    ),
    Mutant(
        "late-fill-completes-nothing",
        "A cancelled order that was filled whole is called cancelled, and somebody"
        " places it again.",
        "engine/order_tables.py",
        "    Row(_ENDED, _T.COMPLETE, _L.FILLED, _LATE,",
        "    Row(_ENDED, _T.COMPLETE, None, _LATE,",
        ("tests/properties/test_order_properties.py::test_a_tombstone_brings_back_the_very_order",),
    ),
    Mutant(
        "claim-ignored",
        "The venue's larger total is not believed: executions that we missed are never asked for.",
        "engine/order_moves.py",
        "    if total is not None and total > claim:",
        "    if False:",
        (
            "tests/properties/test_order_properties.py::test_a_claim_is_exposure_until_executions_explain_it",
        ),
    ),
    Mutant(
        "settled-with-open-claim",
        "A cancelled order leaves memory although more of it was filled than we have booked.",
        "engine/order.py",
        "        and order.claim_qty <= order.cum_qty\n",
        "",
        (
            "tests/properties/test_order_properties.py::test_a_claim_is_exposure_until_executions_explain_it",
        ),
    ),
    Mutant(
        "exposure-without-amend",
        "A larger quantity on its way counts for nothing until it is confirmed:"
        " limits let too much through.",
        "engine/order.py",
        "        if out.order_qty is not None and out.order_qty > largest:",
        "        if False:",
        ("tests/actors/test_broker.py::test_an_amend_is_in_force_when_the_venue_says_so",),
    ),
    Mutant(
        "exposure-without-doubt",
        "An order in doubt counts as no risk, though it may fill at any moment.",
        "engine/order.py",
        "    if order.life in TERMINAL and order.life is not Life.FILLED:",
        "    if order.life not in _AT_VENUE:",
        (
            "simulate rough 0:200",
            "tests/properties/test_order_properties.py::test_every_message_leaves_the_order_as_the_dumb_twin_says",
        ),
    ),
    Mutant(
        "amend-at-once",
        "New terms are believed before the venue has them: we think we are protected"
        " at a price that is not in force.",
        "engine/order_requests.py",
        "    out = Outstanding(m.req_id, False, m.order_qty, m.price, m.stop_px, False, m.ts)",
        "    out = Outstanding(m.req_id, False, m.order_qty, m.price, m.stop_px,"
        " False, m.ts)\n"
        "    order = replace(order, order_qty=m.order_qty or order.order_qty)",
        (
            "simulate rough 0:200",
            "tests/properties/test_order_properties.py::test_numbers_that_cannot_be_are_kept_and_change_no_quantity",
        ),
    ),
    Mutant(
        "refused-cancel-believed",
        "A refused cancel is taken for proof that the order works; it may have been"
        " filled long ago.",
        "engine/order_requests.py",
        "    asked = order.unverified or not is_terminal(order)",
        "    asked = order.unverified",
        ("tests/actors/test_in_doubt.py::test_a_refused_cancel_proves_nothing",),
    ),
    Mutant(
        "amend-over-unknown-amend",
        "A second amend leaves while the first is of unknown outcome: nobody knows"
        " which terms are in force.",
        "engine/order_requests.py",
        "    if any(out.unknown and not out.is_cancel for out in order.requests):",
        "    if False:",
        (
            "tests/actors/test_broker.py::test_an_amend_of_unknown_outcome_blocks_amends_and_no_cancel",
        ),
    ),
    Mutant(
        "late-terms-after-the-end",
        "Terms that arrive after the end reopen a cancelled order that nobody works.",
        "engine/order_requests.py",
        "    if is_over(order):\n"
        "        return Step(replace(order, requests=rest, ts=ts), changed=True) if"
        " answers else Step(order)",
        "    if False:\n        return Step(order)",
        (
            "tests/properties/test_order_properties.py::test_every_message_leaves_the_order_as_the_dumb_twin_says",
        ),
    ),
    Mutant(
        "split-keeps-fills",
        "After a split the order counts its fills in old units, and a third of it"
        " seems to be open.",
        "engine/order_requests.py",
        "        cum_qty=cum,\n        cum_cost=cost,\n",
        "",
        ("tests/engine/test_order_fills.py::test_a_split_rescales_fills_and_sums_alike",),
    ),
    Mutant(
        "end-keeps-requests",
        "A cancelled order waits for the answer to its cancel for ever, and asks the"
        " venue without end.",
        "engine/order_ends.py",
        "        cell.target,\n        order.link,\n        (),",
        "        cell.target,\n        order.link,\n        order.requests,",
        (
            "simulate rough 0:200",
            "tests/properties/test_order_properties.py::test_every_message_leaves_the_order_as_the_dumb_twin_says",
        ),
    ),
    Mutant(
        "end-states-no-claim",
        "A cancel says that more was filled than we saw, and is not heard: those"
        " fills are never fetched.",
        "engine/order_ends.py",
        "        told.claim_qty,\n",
        "        order.claim_qty,\n",
        (
            "tests/properties/test_order_properties.py::test_a_claim_is_exposure_until_executions_explain_it",
        ),
    ),
    Mutant(
        "legs-under-one-key",
        "The second leg of a combo passes for a repetition of the first: half a"
        " hedge is not booked.",
        "engine/ledger.py",
        "    return leg_key(fill, fill.exec_id)\n",
        "    return fill.exec_id\n",
        ("tests/engine/test_order_fills.py::test_legs_with_one_trade_number_are_two_executions",),
    ),
    Mutant(
        "packing-loses-the-fee",
        "A fee that was booked is forgotten at rest: a bust gives it back wrong, a"
        " repetition books it again.",
        "engine/ledger.py",
        "fill.last_px, fill.fee, fill.liquidity,",
        "fill.last_px, None, fill.liquidity,",
        (
            "simulate rough 0:200",
            "tests/actors/test_bad_input.py::test_hostile_text_from_a_venue",
        ),
    ),
    Mutant(
        "like-mixed-up",
        "An execution reported by another way takes over the words of the first:"
        " side and instrument are wrong.",
        "engine/ledger.py",
        "        elif self.like != shared:",
        "        elif False:",
        (
            "simulate rough 0:200",
            "tests/actors/test_bad_input.py::test_hostile_text_from_a_venue",
        ),
    ),
    Mutant(
        "undo-leaves-void",
        "A bust whose turn could not be written stays half done: the fill is gone,"
        " its quantity is not.",
        "engine/ledger.py",
        "                self.fills[key] = before[key]  # in its old place: booking order stays",
        "                pass",
        ("tests/engine/test_order_fills.py::test_bookings_can_be_taken_back_in_their_old_places",),
    ),
    Mutant(
        "voids-not-in-tombstone",
        "A closed order forgets its busts: a redelivery books a trade that was taken back.",
        "engine/fold.py",
        "        if voids:",
        "        if False:",
        (
            "tests/properties/test_order_properties.py::test_a_tombstone_brings_back_the_very_order",
            "simulate hell 0:200",
        ),
    ),
)
