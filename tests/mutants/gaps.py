"""Answers that come late, gaps of the link, and what nobody could place."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["GAPS"]

GAPS: Final = (
    Mutant(
        "late-answer-dropped",
        "An acknowledgement after our timeout is thrown away, and with it the"
        " venue's id and its fills.",
        "actors/lane.py",
        "        elif isinstance(outcome, Done | Refused):  # late, and still a fact",
        "        elif False:",
        ("tests/actors/test_in_doubt.py::test_an_answer_after_the_timeout_still_counts",),
    ),
    Mutant(
        "hand-over-stops-nothing",
        "While nobody knows what became of an order, new entries pile up on top of it.",
        "actors/broker_calls.py",
        "            if self._is_stuck(cid):",
        "            if False:",
        (
            "tests/actors/test_in_doubt.py::test_a_venue_that_cannot_prove_absence_leaves_it_to_a_person",
        ),
    ),
    Mutant(
        "hand-over-stops-exits",
        "An unsettled order locks us into the position that we want to leave.",
        "actors/broker_calls.py",
        "                if self._is_exit(order):",
        "                if False:",
        (
            "tests/actors/test_in_doubt.py::test_a_venue_that_cannot_prove_absence_leaves_it_to_a_person",
        ),
    ),
    Mutant(
        "executions-without-overlap",
        "Executions that a venue publishes late or out of order fall between two readings.",
        "actors/broker_link.py",
        "max(self.executions_ts - OVERLAP_NS, 0)",
        "self.executions_ts + 1",
        ("tests/actors/test_gaps.py::test_executions_are_read_again_from_before_the_last_one",),
    ),
    Mutant(
        "unread-gap-opens",
        "Entries leave after a reconnect although open orders and fills could not be read.",
        "actors/broker_link.py",
        "        failure = gap.failure or self._what_is_missing(gap)",
        '        failure = ""  # and nothing failed\n        gap = gap._replace(failure="")',
        (
            "tests/actors/test_multi_venue.py::test_entries_wait_until_a_venue_can_be_read_again",
            "tests/actors/test_odd_answers.py::test_lists_in_part_are_read_again",
        ),
    ),
    Mutant(
        "older-gap-opens",
        "The answer about one gap lets entries go while the next one is still unread.",
        "actors/broker_link.py",
        " and not self._unasked:",
        ":",
        ("tests/actors/test_gaps.py::test_the_answer_about_a_gap_says_nothing_of_the_next_one",),
    ),
    Mutant(
        "gap-question-replaced",
        "A question about one order takes the place of that about a gap: entries"
        " never leave again.",
        "actors/broker_link.py",
        "        if self.closing or (self._asking and not whole):\n"
        "            return  # what is under way reads executions too,"
        " and may be what entries wait for\n"
        "        if self.broker.session.state in _OPEN:\n"
        "            whole = orders = True  # entries wait,"
        " and nothing is under way that would let them go\n",
        "        if self.closing:\n            return\n",
        (
            "tests/actors/test_gaps.py::test_a_question_about_executions_does_not_replace_that_about_a_gap",
        ),
    ),
    Mutant(
        "parked-fill-dropped",
        "A fill that comes before we know its order is thrown away.",
        "actors/intake.py",
        "        self._put(entity, (*waiting, report))",
        "        pass",
        ("tests/actors/test_checkpoints.py::test_a_restart_at_any_record_is_the_full_fold",),
    ),
    Mutant(
        "number-before-name",
        "A person's order under a number that ours had is taken for ours, with its fills.",
        "actors/venue_ids.py",
        "        if cid and known:",
        "        if not cid and known:",
        ("tests/actors/test_orders_of_others.py",),
    ),
    Mutant(
        "number-of-nobody",
        "What could not be written leaves its number behind, and its fill is never booked.",
        "actors/order.py",
        "            self.broker.venue_ids.forget(self.order)\n",
        "",
        ("tests/actors/test_orders_of_others.py",),
    ),
    Mutant(
        "adopted-backwards",
        "An order that somebody else placed is taken over on the wrong side.",
        "actors/intake.py",
        "            report.side, kind, qty,",
        "            report.side.opposite, kind, qty,",
        ("tests/actors/test_broker.py::test_a_foreign_order_is_adopted",),
    ),
    Mutant(
        "traced-order-never-arrived",
        "An order that the venue has named before is declared never arrived.",
        "engine/reconcile.py",
        "        or order.venue_order_ids\n",
        "",
        ("tests/engine/test_reconcile.py::test_any_trace_of_an_order_outweighs_every_lookup",),
    ),
    Mutant(
        "false-claim-stays",
        "A total that no execution explains counts as exposure and as position for ever.",
        "actors/broker_link.py",
        "            broker.claims.read(gap.read, fills)",
        "            pass",
        (
            "tests/actors/test_claims.py::test_a_claim_from_before_a_bust_ends_unless_the_venue_insists",
        ),
    ),
    Mutant(
        "claim-dropped-though-told-again",
        "Fills that the venue goes on stating are forgotten because one list is late.",
        "engine/claims.py",
        "    return told is not None and told >= total",
        "    return False",
        (
            "tests/actors/test_claims.py::test_a_claim_from_before_a_bust_ends_unless_the_venue_insists",
        ),
    ),
    Mutant(
        "hung-calls-pile-up",
        "Each call that never ends stays for ever, until the memory is full.",
        "actors/hung.py",
        "        task.cancel()",
        "        pass",
        ("tests/actors/test_hung_calls.py",),
    ),
    Mutant(
        "surplus-forgotten",
        "Executions that found no room are dropped, and nobody asks for them again.",
        "actors/surplus.py",
        "        broker.link.ask_all(",
        "        str(",
        ("tests/actors/test_floods.py::test_reports_beyond_the_bound_are_asked_for_again",),
    ),
    Mutant(
        "gap-of-a-discarded-turn",
        "A queue that fills in a turn that is discarded stops all entries for good.",
        "actors/trouble.py",
        "            turn.effects.append((broker.link.open_gap, None, None))",
        "            broker.link.open_gap(None, None)",
        (
            "tests/actors/test_journal_trouble.py::test_a_queue_that_fills_in_a_discarded_turn_leaves_no_gap_open",
        ),
    ),
)
