"""Turns and the journal: what is written, and what leaves before it."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["WRITING"]

WRITING: Final = (
    Mutant(
        "send-before-commit",
        "An order leaves before it is written: after a crash nobody knows that it is at the venue.",
        "actors/turn.py",
        "        self._close_all()\n        if self.batch:\n",
        "        self._close_all()\n"
        "        if self.effects:\n"
        "            self._let_out()\n"
        "        if self.batch:\n",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "failed-commit-keeps-changes",
        "What could not be written stays in memory, and is done once more when it is repeated.",
        "actors/turn.py",
        "        while undo:\n",
        "        while False:\n",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "journal-failure-forgotten",
        "A commit that failed passes for one that worked: orders leave that no restart will know.",
        "actors/turn.py",
        "                raise self._refused(error, inputs) from error\n",
        "                del error\n",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "tombstone-forgotten",
        "A closed order leaves nothing behind: its late fill finds nobody, its"
        " intent is free again.",
        "actors/turn.py",
        "            if actor.revived is not None:\n",
        "            if True:\n",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "tombstone-without-fills",
        "A closed order forgets its executions: a redelivery books them again.",
        "actors/turn.py",
        "                    tombstone(order, actor.ledger),",
        "                    tombstone(order, None),",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "replies-before-commit",
        "A caller hears that its command was taken before it is written.",
        "actors/turn.py",
        "        self.replies.append((future, value, None))",
        "        future.set(value)",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "fill-row-not-written",
        "One execution can be booked on two orders.",
        "actors/executions.py",
        "        turn.batch.fills.append(row)",
        "        pass",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "fill-key-without-instrument",
        "A fill is taken for another instrument's of the same number, and not booked.",
        "actors/executions.py",
        "        row = (self._venue, self._account, symbol, side.text,",
        '        row = (self._venue, self._account, "", side.text,',
        ("simulate rough 0:200",),
    ),
    Mutant(
        "fill-key-without-side",
        "Of a trade with ourselves only one side is booked.",
        "actors/executions.py",
        "        row = (self._venue, self._account, symbol, side.text,",
        '        row = (self._venue, self._account, symbol, "",',
        ("simulate rough 0:200",),
    ),
    Mutant(
        "fill-key-without-account",
        "A fill is taken for another account's of the same number, and not booked.",
        "actors/executions.py",
        "        row = (self._venue, self._account, symbol, side.text,",
        '        row = (self._venue, "", symbol, side.text,',
        ("simulate rough 0:200",),
    ),
    Mutant(
        "memory-takes-duplicates",
        "The journal of all simulations lets one execution be booked twice.",
        "actors/journal/memory.py",
        "        self._fills.update(fills)",
        "        pass",
        ("simulate rough 0:200",),
    ),
    Mutant(
        "events-before-commit",
        "A strategy is told of a fill that a full disk then takes back, and hedges it.",
        "actors/turn.py",
        "        self._close_all()\n        if self.batch:\n",
        "        self._close_all()\n"
        "        self.hub.publish(self.events)\n"
        "        self.events = []\n"
        "        if self.batch:\n",
        ("tests/actors/test_journal_trouble.py::test_a_full_disk_halts_entries_and_shows_nothing",),
    ),
    Mutant(
        "journal-failure-untold",
        "Nobody is told that nothing can be written, and entries go on being accepted.",
        "actors/turn.py",
        "            self._on_failure(error, inputs)",
        "            pass",
        ("tests/actors/test_journal_trouble.py::test_a_full_disk_halts_entries_and_shows_nothing",),
    ),
    Mutant(
        "sent-in-flight",
        "A call leaves while a turn is being written; if that fails, the order that has left is"
        " taken for one that waits.",
        "actors/lane.py",
        "        if self.dispatcher.in_flight:",
        "        if False:",
        ("tests/actors/test_commits_aside.py::test_what_leaves_meanwhile_is_not_taken_back",),
    ),
    Mutant(
        "failed-step-leaves-facts",
        "Facts of a step that failed are written: the restart believes what the"
        " running system took back.",
        "actors/turn.py",
        "        for items, length in zip(staged, mark[:2], strict=True):",
        "        for items, length in ():",
        (
            "tests/actors/test_discarded_turns.py::test_what_a_failed_step_had_staged_is_taken_back_whole",
        ),
    ),
    Mutant(
        "failed-step-sends",
        "What a step wanted to send leaves although the step failed and was taken back.",
        "actors/turn.py",
        "        del self.effects[mark[3] :]",
        "        pass",
        (
            "tests/actors/test_discarded_turns.py::test_what_a_failed_step_had_staged_is_taken_back_whole",
        ),
    ),
    Mutant(
        "venue-id-forgotten",
        "A late fill that names only the venue's id does not find its closed order.",
        "actors/turn.py",
        "                batch.venue_ids.append((terms.venue, terms.account, venue_order_id, cid))",
        "                pass",
        (
            "tests/actors/test_restart.py::test_a_late_fill_that_names_only_the_venues_id_finds_its_closed_order",
        ),
    ),
    Mutant(
        "reopened-order-stays-closed",
        "An order that a bust reopened counts as closed after a restart, and works on unseen.",
        "actors/turn.py",
        "                batch.reopened.append(cid)",
        "                pass",
        ("tests/actors/test_checkpoints.py::test_a_restart_at_any_record_is_the_full_fold",),
    ),
    Mutant(
        "early-cancel-sent-twice",
        "A cancel that left while nothing could be written leaves again when it can.",
        "actors/broker.py",
        "        if early and request.req_id in early:",
        "        if False:",
        (
            "tests/actors/test_journal_trouble.py::test_a_cancel_leaves_while_nothing_can_be_written",
        ),
    ),
    Mutant(
        "early-cancel-unwritten",
        "A cancel that left while nothing could be written is never written: its"
        " answer fits nothing.",
        "actors/broker_trouble.py",
        "            broker.turn.first_words.append(lambda: self._note(cid))",
        "            pass",
        (
            "tests/actors/test_journal_trouble.py::test_a_cancel_leaves_while_nothing_can_be_written",
        ),
    ),
    Mutant(
        "failed-step-loses-the-fill",
        "An execution whose order fails on it reaches no position.",
        "actors/broker_trouble.py",
        "            self._book(actor, message)",
        "            pass",
        ("tests/actors/test_supervision.py::test_a_step_that_raises_freezes_its_order_only",),
    ),
    Mutant(
        "failed-fill-booked-again",
        "An execution that froze its order is booked again each time the venue repeats it.",
        "actors/broker_trouble.py",
        "        if type(message) is Filled and"
        " turn.is_claimed(broker.executions.key(terms, message)):",
        "        if False:",
        (
            "tests/actors/test_supervision.py::test_the_fill_that_broke_a_step_is_booked_once_however_often_it_comes",
        ),
    ),
    Mutant(
        "failed-order-goes-on",
        "An order whose step failed goes on sending from a state that we do not trust.",
        "actors/broker_trouble.py",
        "        actor.frozen = True",
        "        pass",
        ("tests/actors/test_supervision.py::test_a_step_that_raises_freezes_its_order_only",),
    ),
    Mutant(
        "inputs-lost-with-the-turn",
        "Fills that were handled while the disk was full are gone when there is room again.",
        "actors/runtime/turn_loop.py",
        "        self._queue.extendleft(reversed(inputs + kept))",
        "        self._queue.extendleft(reversed(kept))",
        (
            "tests/actors/test_journal_trouble.py::test_inputs_keep_their_order_over_a_failure",
            "tests/actors/runtime/test_turns.py::test_a_discarded_turn_comes_back_in_order",
        ),
    ),
    Mutant(
        "inputs-turned-round",
        "What came while the disk was full is handled backwards: the cancel before the order.",
        "actors/runtime/turn_loop.py",
        "        self._queue.extendleft(reversed(inputs + kept))",
        "        self._queue.extendleft(inputs + kept)",
        ("tests/actors/runtime/test_turns.py::test_a_discarded_turn_comes_back_in_order",),
    ),
    Mutant(
        "digest-ignores-money",
        "A restart that loses cash passes for one that is the same.",
        "engine/fold.py",
        '        total.update(_ENCODER.encode(position) + b"\\n")',
        '        total.update(_ENCODER.encode(position.qty) + b"\\n")',
        ("tests/engine/test_digest.py::test_every_field_of_a_position_is_in_the_name",),
    ),
    Mutant(
        "digest-ignores-fees",
        "A restart that loses fees passes for one that is the same.",
        "engine/fold.py",
        '        total.update(_ENCODER.encode(position) + b"\\n")',
        "        total.update(_ENCODER.encode(msgspec.structs.replace(position,"
        ' fees=())) + b"\\n")',
        ("tests/engine/test_digest.py::test_every_field_of_a_position_is_in_the_name",),
    ),
    Mutant(
        "digest-ignores-fills",
        "A restart that loses executions passes for one that is the same.",
        "engine/fold.py",
        '        total.update(name.encode() + b"\\0" + shown + b"\\n")',
        '        total.update(name.encode() + b"\\0" + shown.split(b\'"fills"\')[0] + b"\\n")',
        ("tests/engine/test_digest.py::test_every_field_of_an_execution_is_in_the_name",),
    ),
    Mutant(
        "chain-without-time",
        "A record whose time was altered verifies.",
        "engine/journal.py",
        "_head(seq, ts, len(entity))",
        "_head(seq, 0, len(entity))",
        ("tests/engine/test_journal.py::test_any_altered_field_is_found_at_its_record",),
    ),
    Mutant(
        "chain-without-link",
        "A record that was cut out of a journal is not missed.",
        "engine/journal.py",
        "(entity + kind).encode() + body, previous)",
        "(entity + kind).encode() + body, 0)",
        (
            "tests/engine/test_journal.py::test_records_of_another_journal_do_not_fit",
            "tests/engine/test_journal.py::test_the_formula_does_not_change",
        ),
    ),
    Mutant(
        "commit-left-out",
        "Nothing of a turn with a fill is ever on disk, and nobody notices before the crash.",
        "actors/journal/sqlite.py",
        '        run("COMMIT")',
        "        pass",
        (
            "tests/actors/journal/test_opening.py::test_a_journal_is_the_same_after_closing",
            "tests/actors/journal/test_crash.py::test_killed_at_any_moment_the_journal_is_whole",
            "tests/actors/journal/test_contract.py",
        ),
    ),
    Mutant(
        "execution-row-replaced",
        "The journal lets a second order take an execution over.",
        "actors/journal/tables.py",
        'FILLS: Final = Table("INSERT INTO fills", 6)',
        'FILLS: Final = Table("INSERT OR REPLACE INTO fills", 6)',
        (
            "tests/actors/journal/test_contract.py::test_a_booked_execution_is_refused_with_its_whole_batch",
        ),
    ),
    Mutant(
        "power-not-synced",
        "A journal that was asked to survive a power cut loses its last orders in one.",
        "actors/journal/sqlite.py",
        '            self._writer.execute(f"PRAGMA synchronous = {synchronous}")',
        '            self._writer.execute("PRAGMA synchronous = NORMAL")',
        ("tests/actors/journal/test_opening.py::test_durability_is_what_sqlite_was_told",),
    ),
    Mutant(
        "events-lost-untold",
        "A reader that fell behind does not learn that it missed fills.",
        "actors/hub.py",
        "                    self._missed += 1",
        "                    pass",
        ("tests/actors/test_hub.py::test_a_slow_reader_is_told_how_many_events_it_missed",),
    ),
)
