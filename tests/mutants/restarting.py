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
        ("simulate rough 0:60",),
    ),
    Mutant(
        "restart-forgets-unsent",
        "An order that left right before the crash counts as not sent: nobody asks, and it fills.",
        "actors/recovery.py",
        "    if order.life is Life.PENDING or order.life is Life.SUBMITTED:",
        "    if order.life is Life.SUBMITTED:",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "restart-drops-unsettled",
        "A cancelled order with fills still missing is not taken up again: they are never fetched.",
        "actors/recovery.py",
        "        if not (order.life in TERMINAL and is_settled(order))",
        "        if order.life not in TERMINAL",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "restart-skips-late-busts",
        "A fill or a bust of a closed order behind the checkpoint does not reach its position.",
        "actors/recovery.py",
        "            if record.kind in _NEVER_BOOKS and not self._books.parked:",
        "            if True:",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "restart-numbers-from-one",
        "Two orders get one id: the venue refuses the second, or its fills land on the first.",
        "actors/starting.py",
        "    first = journal.next_seq",
        "    first = 1",
        ("simulate rough 0:60",),
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
        ("simulate rough 0:60",),
    ),
)
