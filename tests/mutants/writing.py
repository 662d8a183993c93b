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
        "        if self.batch:\n            self._commit(inputs)\n",
        "        if self.effects:\n"
        "            self._let_out()\n"
        "        if self.batch:\n"
        "            self._commit(inputs)\n",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "failed-commit-keeps-changes",
        "What could not be written stays in memory, and is done once more when it is repeated.",
        "actors/turn.py",
        "        while undo:\n",
        "        while False:\n",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "journal-failure-forgotten",
        "A commit that failed passes for one that worked: orders leave that no restart will know.",
        "actors/turn.py",
        "        except JournalError as error:\n            self._discard()",
        "        except JournalError as error:\n            return\n            self._discard()",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "tombstone-forgotten",
        "A closed order leaves nothing behind: its late fill finds nobody, its"
        " intent is free again.",
        "actors/turn.py",
        "            if actor.revived is not None:\n",
        "            if True:\n",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "tombstone-without-fills",
        "A closed order forgets its executions: a redelivery books them again.",
        "actors/turn.py",
        "                    tombstone(order, actor.ledger),",
        "                    tombstone(order, None),",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "replies-before-commit",
        "A caller hears that its command was taken before it is written.",
        "actors/turn.py",
        "        self.replies.append((future, value, None))",
        "        future.set(value)",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "fill-row-not-written",
        "One execution can be booked on two orders.",
        "actors/executions.py",
        "        turn.batch.fills.append(row)",
        "        pass",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "fill-key-without-instrument",
        "A fill is taken for another instrument's of the same number, and not booked.",
        "actors/executions.py",
        "        row = (self._venue, self._account, symbol, side.text,",
        '        row = (self._venue, self._account, "", side.text,',
        ("simulate rough 0:60",),
    ),
    Mutant(
        "fill-key-without-side",
        "Of a trade with ourselves only one side is booked.",
        "actors/executions.py",
        "        row = (self._venue, self._account, symbol, side.text,",
        '        row = (self._venue, self._account, symbol, "",',
        ("simulate rough 0:60",),
    ),
    Mutant(
        "fill-key-without-account",
        "A fill is taken for another account's of the same number, and not booked.",
        "actors/executions.py",
        "        row = (self._venue, self._account, symbol, side.text,",
        '        row = (self._venue, "", symbol, side.text,',
        ("simulate rough 0:60",),
    ),
    Mutant(
        "memory-takes-duplicates",
        "The journal of all simulations lets one execution be booked twice.",
        "actors/journal/memory.py",
        "        self._fills.update(fills)",
        "        pass",
        ("simulate rough 0:60",),
    ),
)
