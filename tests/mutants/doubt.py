"""Silence, questions and gaps: what absence proves, and who decides."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["DOUBT"]

DOUBT: Final = (
    Mutant(
        "one-miss-proves",
        "One answer that does not show an order ends it as never arrived; it works"
        " at the venue all the same.",
        "engine/reconcile.py",
        "    if inquiry.late_misses < MISSES_NEEDED:",
        "    if False:",
        (
            "tests/engine/test_reconcile.py::test_absence_is_proven_by_repeated_lookups_after_nothing_can_be_on_its_way",
        ),
    ),
    Mutant(
        "absence-in-the-window",
        "An order is given up while its placement may still be on the way: it"
        " arrives, and fills unknown.",
        "engine/reconcile.py",
        "    return since + capabilities.request_window_ns + capabilities.visibility_lag_ns",
        "    return since",
        (
            "tests/actors/test_in_doubt.py::test_absence_is_not_believed_before_the_request_window_has_passed",
        ),
    ),
    Mutant(
        "incomplete-answer-counts",
        "A list with a page missing counts as proof that an order is not there.",
        "engine/reconcile.py",
        "        self.misses = self.misses + 1 if complete else 0",
        "        self.misses += 1",
        (
            "tests/engine/test_reconcile.py::test_an_incomplete_answer_or_a_sighting_starts_the_count_over",
        ),
    ),
    Mutant(
        "absence-without-lookup",
        "A venue that cannot find orders by our id proves with its silence that they"
        " are not there.",
        "engine/reconcile.py",
        "    if not capabilities.lookup_by_client_id:",
        "    if False:",
        (
            "tests/actors/test_in_doubt.py::test_a_venue_that_cannot_prove_absence_leaves_it_to_a_person",
        ),
    ),
    Mutant(
        "unknown-cancel-refused-early",
        "A cancel in doubt is called refused while it may still take effect: a stop"
        " disappears unseen.",
        "engine/reconcile.py",
        "        if not out.unknown or sent_ts < _settled_ts(out.ts, capabilities):",
        "        if not out.unknown:",
        (
            "tests/actors/test_broker.py::test_an_amend_of_unknown_outcome_blocks_amends_and_no_cancel",
        ),
    ),
    Mutant(
        "old-terms-grant-amend",
        "An amend that the venue does not show is called granted: we count on a"
        " price that is not there.",
        "engine/reconcile.py",
        "        if not pairs or any("
        "shown is not None and shown != asked for asked, shown in pairs):",
        "        if False:",
        (
            "tests/engine/test_reconcile.py::test_a_late_look_that_shows_no_effect_refuses_the_request",
        ),
    ),
    Mutant(
        "fate-ends-as-never-arrived",
        "An order that was seen working ends as never arrived, and what it fills has no owner.",
        "engine/order_evidence.py",
        "        or order.doubt is not Doubt.EXISTENCE\n",
        "",
        (
            "tests/engine/test_order.py::test_being_found_at_all_turns_doubt_of_existence_into_doubt_of_fate",
        ),
    ),
    Mutant(
        "old-answer-contradicts",
        "An answer asked for before the last fact overturns that fact: a cancelled"
        " order works again.",
        "engine/order_moves.py",
        "    return sent_ts > order.ts and sent_ts > order.ended_ts",
        "    return True",
        ("tests/engine/test_order.py::test_a_stale_ack_never_resurrects",),
    ),
    Mutant(
        "old-end-believed",
        "A list older than the last acknowledgement ends an order that works.",
        "engine/order_ends.py",
        "        and m.sent_ts < order.ts\n",
        "        and False\n",
        (
            "tests/engine/test_order.py::test_an_answer_older_than_the_last_fact_ends_nothing_and_is_asked_again",
        ),
    ),
    Mutant(
        "another-order-bound",
        "A foreign order under a reused id is taken for ours, with its quantity.",
        "engine/order_evidence.py",
        "    return m.order_qty != order.order_qty and all(",
        "    return False and all(",
        (
            "tests/engine/test_order.py::test_an_id_found_with_other_terms_is_not_bound_to_an_order_in_doubt",
        ),
    ),
    Mutant(
        "filled-by-word",
        "The word FILLED ends an order in doubt as cancelled before its executions are here.",
        "engine/order_evidence.py",
        "    VenueStatus.FILLED: _T.ACK,",
        "    VenueStatus.FILLED: _T.CANCEL,",
        (
            "simulate rough 0:200",
            "tests/engine/test_order.py::test_filled_by_a_snapshot_waits_for_the_executions",
        ),
    ),
    Mutant(
        "list-makes-doubt",
        "A list that leaves an order out, as lists do, throws it into doubt, and its"
        " exposure with it.",
        "engine/order_evidence.py",
        "    if m.source is Source.LIST:  # a list may leave it out; a question by id may not",
        "    if False:",
        (
            "tests/engine/test_order.py::test_a_query_that_does_not_show_a_working_order_opens_its_fate_and_a_list_only_asks",
        ),
    ),
    Mutant(
        "timer-decides",
        "An order that is silent too long is called rejected by a timer: placed"
        " again, it trades twice.",
        "actors/broker_calls.py",
        "                broker.report(OutcomeUnknown(cid, ts, req_id, words))",
        "                broker.report(Rejected(cid, ts, words))",
        (
            "tests/actors/test_in_doubt.py::test_a_placement_of_unknown_outcome_is_settled_by_asking",
        ),
    ),
    Mutant(
        "duplicate-id-is-a-no",
        "A duplicate-id error is taken for a refusal, though it says that such an order is there.",
        "actors/broker_calls.py",
        '            made = OutcomeUnknown(cid, ts, None, f"duplicate id: {outcome.detail}")',
        '            made = Rejected(cid, ts, "duplicate")',
        ("tests/actors/test_in_doubt.py::test_a_duplicate_id_is_looked_up",),
    ),
    Mutant(
        "failed-question-is-an-answer",
        "A question that failed counts as an answer that shows nothing: absence is"
        " proven by errors.",
        "actors/broker_calls.py",
        "answer or Answer((), False, sent_ts)",
        "answer or Answer((), True, sent_ts)",
        ("tests/actors/test_in_doubt.py::test_a_query_that_hangs_is_asked_again",),
    ),
    Mutant(
        "timeout-is-a-no",
        "A call without an answer is called refused: the order that it placed is placed again.",
        "actors/lane.py",
        'Unknown(f"no answer within {wait_ns / 1e9:g} s"), sent_ts)',
        'Refused("timeout"), sent_ts)',
        (
            "simulate rough 0:200",
            "tests/actors/test_in_doubt.py::test_a_call_that_hangs_is_unknown_after_its_timeout",
        ),
    ),
    Mutant(
        "exception-is-a-no",
        "An adapter's exception is called a refusal: the order that it may have"
        " placed is placed again.",
        "actors/lane.py",
        '    return Unknown(f"the adapter raised {note_raised(error)}")',
        "    return Refused(type(error).__name__)  # type: ignore[return-value]",
        (
            "simulate rough 0:200",
            "tests/actors/test_broker.py::test_an_amend_that_took_over_a_larger_quantity_counts_with_it",
        ),
    ),
    Mutant(
        "claim-not-fetched",
        "Executions behind a larger total are not fetched: the position stays wrong"
        " until somebody looks.",
        "actors/broker_calls.py",
        "            self.broker.link.fetch_executions()",
        "            pass",
        ("tests/actors/test_broker.py::test_a_cancelled_answer_before_its_fill_waits_for_it",),
    ),
    Mutant(
        "nobody-is-told",
        "An order that asking cannot settle is never handed to a person: it stays in"
        " doubt for ever.",
        "actors/broker_calls.py",
        "            inquiry.escalated = True",
        "            pass",
        ("simulate hell 0:200",),
    ),
    Mutant(
        "silence-not-watched",
        "A placement that was taken and never acknowledged waits for ever, and nobody is told.",
        "actors/broker_calls.py",
        "            self.broker.turn.effects.append((self._begin_to_watch, None, None))",
        "            pass",
        (
            "tests/actors/test_in_doubt.py::test_a_placement_of_unknown_outcome_is_settled_by_asking",
        ),
    ),
    Mutant(
        "missing-order-not-asked",
        "An order that ended while the link was down is never asked about: it seems"
        " to work for ever.",
        "actors/broker_link.py",
        "is_missing=cid not in shown)",
        "is_missing=False)",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "gap-forgets-executions",
        "Fills that happened while the link was down are never booked.",
        "actors/broker_link.py",
        "        for fill in fills:",
        "        for fill in ():",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "late-fill-finds-nobody",
        "A fill for an order that has left memory finds nobody and opens an order of its own.",
        "actors/intake.py",
        "        return None if body is None else self._revive_body(body)",
        "        return None",
        ("simulate rough 0:200",),
    ),
)
