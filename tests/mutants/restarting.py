"""Checkpoints, tombstones and the fold: what a restart finds."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["RESTARTING"]

RESTARTING: Final = (
    Mutant(
        "restart-forgets-request",
        "A cancel that was on the wire at the crash is never asked about: the order"
        " may be gone, or fill.",
        "actors/recovery.py",
        '        OutcomeUnknown(cid, ts, out.req_id, "restart") for out in'
        " order.requests if not out.unknown",
        '        OutcomeUnknown(cid, ts, out.req_id, "restart") for out in order.requests if False',
        ("simulate rough 0:200",),
    ),
    Mutant(
        "restart-forgets-unsent",
        "An order that left right before the crash counts as not sent: nobody asks, and it fills.",
        "actors/recovery.py",
        "(order.life is Life.PENDING and not never_left(order)) or order.life is Life.SUBMITTED",
        "order.life is Life.SUBMITTED",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "restart-drops-unsettled",
        "A cancelled order with fills still missing is not taken up again: they are never fetched.",
        "actors/recovery.py",
        "        if not (order.life in TERMINAL and is_settled(order))",
        "        if order.life not in TERMINAL",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "restart-skips-late-busts",
        "A fill or a bust of a closed order behind the checkpoint does not reach its position.",
        "actors/recovery.py",
        "            if record.kind in _NEVER_BOOKS and not self._books.parked:",
        "            if True:",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "restart-numbers-from-one",
        "Two orders get one id: the venue refuses the second, or its fills land on the first.",
        "actors/starting.py",
        "    first = journal.next_seq",
        "    first = 1",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "restart-forgets-intents",
        "An intent that works at the venue is sent again after a restart.",
        "actors/starting.py",
        "        intents[terms.intent_id] = terms",
        "        pass",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "restart-forgets-positions",
        "A restart begins flat: the next exit opens the other side.",
        "actors/starting.py",
        "            at.hold_position(position)",
        "            pass",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "restart-drops-parked",
        "Fills that waited for their order are gone after a restart.",
        "actors/recovery.py",
        "            everybodys[name] = everybodys.get(name, ()) + tuple(told[count:])",
        "            pass",
        ("tests/actors/test_checkpoints.py::test_a_restart_at_any_record_is_the_full_fold",),
    ),
    Mutant(
        "restart-thaws",
        "An order that had failed sends again after a restart.",
        "actors/starting.py",
        "            actor.frozen = terms.client_order_id in frozen",
        "            pass",
        (
            "tests/actors/test_supervision.py::test_the_fold_and_a_restart_agree_with_a_frozen_order",
        ),
    ),
    Mutant(
        "checkpoint-of-later",
        "A checkpoint holds an order as it was later, and the tail books its fills once more.",
        "actors/cut.py",
        "            self.before[cid] = _unwound(mine)",
        "            pass",
        (
            "simulate rough 0:200",
            "simulate hell 0:200",
            "tests/actors/test_checkpoints.py::test_a_restart_at_any_record_is_the_full_fold",
            "tests/actors/test_checkpoints.py",
        ),
    ),
    Mutant(
        "checkpoint-thaws",
        "An order that had failed is sound again for a checkpoint, and sends.",
        "actors/checkpoints.py",
        "        if frozen:\n            entries.append",
        "        if False:\n            entries.append",
        ("tests/actors/test_checkpoints.py::test_a_restart_at_any_record_is_the_full_fold",),
    ),
    Mutant(
        "checkpoint-keeps-the-closed",
        "A closed order is open again after a restart, and counts as exposure.",
        "actors/checkpoints.py",
        "            self._gone[cid] = None",
        "            pass",
        (
            "simulate rough 0:200",
            "simulate hell 0:200",
            "tests/actors/test_checkpoints.py::test_a_restart_at_any_record_is_the_full_fold",
            "tests/actors/test_checkpoints.py",
        ),
    ),
    Mutant(
        "checkpoint-misses-a-change",
        "A restart takes an order up as it was two checkpoints ago: its fills since are gone.",
        "actors/checkpoints.py",
        "            changed[fact[1]] = None",
        "            pass",
        (
            "simulate rough 0:200",
            "simulate hell 0:200",
            "tests/actors/test_checkpoints.py::test_a_restart_at_any_record_is_the_full_fold",
            "tests/actors/test_checkpoints.py",
        ),
    ),
    Mutant(
        "checkpoint-half-counts",
        "A checkpoint counts before all of it is written: orders in the rest are gone.",
        "actors/checkpoints.py",
        "        if not cut.orders and not cut.items:",
        "        if True:",
        (
            "simulate rough 0:200",
            "simulate hell 0:200",
            "tests/actors/test_checkpoints.py::test_a_restart_at_any_record_is_the_full_fold",
            "tests/actors/test_checkpoints.py",
        ),
    ),
    Mutant(
        "fold-forgets-parked",
        "A fill that came before its order is not booked by a restart.",
        "engine/fold.py",
        "        for message in self.parked.pop(entity, ()):",
        "        for message in ():",
        (
            "tests/engine/test_fold.py::test_facts_about_an_order_nobody_introduced_are_parked_and_applied_when_it_is",
        ),
    ),
    Mutant(
        "fold-not-sent",
        "A restart takes orders for unsent that the venue has spoken of.",
        "engine/fold.py",
        "        if before.life is Life.PENDING and type(message) not in _BEFORE_SENT:",
        "        if False:",
        (
            "tests/engine/test_fold.py::test_late_and_contradictory_facts_are_counted_as_the_running_system_counts_them",
        ),
    ),
    Mutant(
        "revived-from-nothing",
        "A restart puts a closed order back as it was when it closed, and what came later is gone.",
        "engine/fold.py",
        "            if entity not in self.orders:  # in a whole fold the order is here, as it was",
        "            if False:",
        ("simulate hell 0:200",),
    ),
)
