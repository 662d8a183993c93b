"""What leaves, when, and how often: the session, its limits, and intents."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["SENDING"]

SENDING: Final = (
    Mutant(
        "cancel-overtakes-placement",
        "A cancel leaves before its own placement: it is refused, and the order then works.",
        "engine/session.py",
        "            and cid not in self._flying\n",
        "",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "cancel-withdrawn-placement-leaves",
        "A cancel finds its placement unsent and takes back itself, not the"
        " placement: the order is placed.",
        "engine/outbox.py",
        "            return Enqueued(call, (*unsent.clear(), call))  # it never"
        " left: nothing to cancel",
        "            return Enqueued(call, (call,))",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "two-calls-of-one-order",
        "Two calls of one order are on the wire at once and arrive in any order.",
        "engine/outbox.py",
        "        self._settle(cid, unsent, free=flying is None,",
        "        self._settle(cid, unsent, free=True,",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "one-instrument-starves-the-rest",
        "A burst in one instrument holds up the exits of all others.",
        "engine/outbox.py",
        "            self._lines.move_to_end(call.instrument)\n",
        "            pass\n",
        (
            "tests/properties/test_session_properties.py::test_instruments_take_turns_and_each_is_first_in_first_out",
        ),
    ),
    Mutant(
        "throttled-cancel-lost",
        "A cancel that a rate limit sent back is never sent again.",
        "engine/outbox.py",
        "    if waiting is None:\n        unsent.change = call\n        return Ended(True)",
        "    if waiting is None:\n        return Ended(True)",
        ("tests/properties/test_session_properties.py::TestSession",),
    ),
    Mutant(
        "refused-entry-sent",
        "An entry that we refused is sent all the same.",
        "actors/broker.py",
        "            self.deliver(actor, Denied(cid, order.ts, *refusal))\n            return",
        "            self.deliver(actor, Denied(cid, order.ts, *refusal))",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "closed-intent-sent-again",
        "An intent handed in again after its order has closed is traded again.",
        "actors/intents.py",
        "            if known is None and intent in self._closed:",
        "            if False:",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "seen-denies",
        "A used intent id is said to be new, and the order is sent again.",
        "actors/seen.py",
        "        bits[two >> 3] |= _BIT[two & 7]",
        "        pass",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "refused-resend-proves",
        "A refused resend withdraws its cancel although the first send may have"
        " arrived: the order works on.",
        "engine/session.py",
        "isinstance(call.request, Place) and not call.resend",
        "isinstance(call.request, Place)",
        ("tests/engine/test_session.py::test_a_refused_resend_proves_nothing",),
    ),
    Mutant(
        "cancel-behind-entries",
        "Cancels wait behind every queued query and entry.",
        "engine/outbox.py",
        "        self.lines = {kind: FairLine() for kind in CallKind}",
        "        self.lines = {kind: FairLine() for kind in reversed(CallKind)}",
        (
            "tests/properties/test_session_properties.py::TestSession",
            "tests/properties/test_session_properties.py::test_on_a_serial_venue_a_cancel_waits_for_at_most_one_call",
        ),
    ),
    Mutant(
        "amend-overtakes-placement",
        "An amend leaves before its placement: it is refused, and the old terms fill.",
        "engine/outbox.py",
        "        return self.place or self.change or self.query",
        "        return self.change or self.place or self.query",
        ("tests/properties/test_session_properties.py::TestSession",),
    ),
    Mutant(
        "merged-amend-loses-a-term",
        "Of two amends that become one the older's price is lost: the order stays where it was.",
        "engine/outbox.py",
        "        first.price if last.price is None else last.price,",
        "        last.price,",
        (
            "tests/engine/test_session.py::test_a_merged_amend_keeps_each_term_of_the_older_and_prefers_the_newer",
        ),
    ),
    Mutant(
        "merged-amend-is-an-exit",
        "An amend that raises exposure travels as an exit, past every halt.",
        "engine/outbox.py",
        "    kind = CallKind.REDUCE if older.kind is newer.kind is CallKind.REDUCE"
        " else CallKind.AMEND",
        "    kind = CallKind.REDUCE",
        ("tests/engine/test_session.py::test_a_merged_amend_reduces_only_if_both_did",),
    ),
    Mutant(
        "parked-order-sent-again",
        "An order whose fill came before its introduction is sent a second time.",
        "actors/broker.py",
        "            if actor.order.life is not Life.PENDING:",
        "            if False:",
        (
            "tests/actors/test_discarded_turns.py::test_an_order_the_venue_spoke_of_first_is_not_sent",
        ),
    ),
    Mutant(
        "stale-entry-sent",
        "An entry that waited minutes for a full disk leaves when there is room,"
        " at a price of long ago.",
        "actors/broker.py",
        "        if not reduces and turn.waited_ns() > self.session.limits.entry_send_by_ns:",
        "        if False:",
        (
            "tests/actors/test_journal_trouble.py::test_an_entry_that_waited_too_long_for_the_disk_does_not_leave",
        ),
    ),
    Mutant(
        "overtaking-cancel-lost",
        "A cancel that overtakes its own order in the queue finds nobody, and the order is placed.",
        "actors/broker_commands.py",
        "        if ask.overtook and ask.command.client_order_id not in broker.orders:",
        "        if False:",
        (
            "tests/actors/test_cancel_first.py::test_a_cancel_of_an_order_that_waits_itself_is_not_lost",
        ),
    ),
    Mutant(
        "frozen-order-amended",
        "An order that has failed sends new terms worked out from a state we do not trust.",
        "actors/broker_commands.py",
        "            if actor.frozen:",
        "            if False:",
        ("tests/actors/test_supervision.py::test_a_step_that_raises_freezes_its_order_only",),
    ),
    Mutant(
        "other-terms-same-intent",
        "Another order under a used intent id is swallowed without a word.",
        "actors/intents.py",
        "        if differs:",
        "        if False:",
        ("tests/actors/test_system.py::test_an_intent_with_other_terms_is_an_error",),
    ),
    Mutant(
        "reopened-intent-free",
        "A bust reopens an order, and its intent handed in again sends a second one.",
        "actors/intents.py",
        "        self.open[terms.intent_id] = terms",
        "        pass",
        (
            "tests/actors/test_discarded_turns.py::test_an_intent_stays_taken_while_its_closed_order_is_open_again",
        ),
    ),
    Mutant(
        "broker-failure-goes-on",
        "An account whose broker fails goes on taking entries.",
        "actors/supervision.py",
        '            actor.flattening.shut_entries(f"the broker failed: {type(error).__name__}")',
        "            pass",
        (
            "tests/actors/test_supervision.py::test_a_broker_that_fails_stops_its_entries_and_keeps_its_exits",
        ),
    ),
)
