"""Triggers that the engine watches: elected twice or never, blind and silent, two exits at once."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["TRIGGERS"]

_CRASH: Final = "tests/actors/test_triggers_crash.py"
_GROUPS: Final = "tests/actors/test_triggers_groups.py"
_RUNNING: Final = "tests/actors/test_triggers.py"

TRIGGERS: Final = (
    Mutant(
        "trigger-lost-in-a-crash",
        "A stop that was elected right before the crash never leaves: the position stays.",
        "engine/order_evidence.py",
        "    if (back := returned(order, m)) is not None:",
        "    if (back := None) is not None:",
        (_CRASH,),
    ),
    Mutant(
        "trigger-sent-before-written",
        "A stop leaves before its election is written: a crash between sends it twice.",
        "actors/triggers.py",
        "broker.turn.effects.append((broker.lane.send, Place(child_of(out.order)), reduces))",
        "broker.lane.send(Place(child_of(out.order)), reduces)",
        (_CRASH,),
    ),
    Mutant(
        "trigger-forgotten-by-a-restart",
        "After a restart nobody watches, and nobody says so.",
        "actors/broker_books.py",
        "        self.triggers.resume()",
        "        pass",
        (_CRASH, _RUNNING),
    ),
    Mutant(
        "trigger-beside-a-resting-target",
        "At a spot venue stop and target both fill: what was long is short.",
        "engine/group_local.py",
        "        if exclude and any(map(_rests, (*beside, *closing))):",
        "        if False:",
        (_GROUPS,),
    ),
    Mutant(
        "trigger-by-an-old-price",
        "A price of minutes ago sells what is held now.",
        "actors/sights.py",
        "        if age is None or age > self.max_age_ns:",
        "        if age is None:",
        (_RUNNING,),
    ),
    Mutant(
        "trigger-blind-and-protected",
        "A stop without prices counts as protection.",
        "actors/sights.py",
        "        elif self._seen[feed] is not Sight.BLIND:",
        "        elif False:",
        (_RUNNING,),
    ),
    Mutant(
        "trigger-withheld-for-ever",
        "A stop that was reached while all was shut never leaves.",
        "actors/shutting.py",
        "        self.broker.triggers.unshut()",
        "        pass",
        (_RUNNING,),
    ),
)
