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
        ("simulate rough 0:60",),
    ),
    Mutant(
        "cancel-withdrawn-placement-leaves",
        "A cancel finds its placement unsent and takes back itself, not the"
        " placement: the order is placed.",
        "engine/outbox.py",
        "            return Enqueued(call, (*unsent.clear(), call))  # it never"
        " left: nothing to cancel",
        "            return Enqueued(call, (call,))",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "two-calls-of-one-order",
        "Two calls of one order are on the wire at once and arrive in any order.",
        "engine/outbox.py",
        "        self._settle(cid, unsent, free=flying is None,",
        "        self._settle(cid, unsent, free=True,",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "one-instrument-starves-the-rest",
        "A burst in one instrument holds up the exits of all others.",
        "engine/outbox.py",
        "            self._lines.move_to_end(call.instrument)\n",
        "            pass\n",
        ("simulate hell 0:150",),
    ),
    Mutant(
        "throttled-cancel-lost",
        "A cancel that a rate limit sent back is never sent again.",
        "engine/outbox.py",
        "    if waiting is None:\n        unsent.change = call\n        return Ended(True)",
        "    if waiting is None:\n        return Ended(True)",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "refused-entry-sent",
        "An entry that we refused is sent all the same.",
        "actors/broker.py",
        "            self.deliver(actor, Denied(cid, order.ts, *refusal))\n            return",
        "            self.deliver(actor, Denied(cid, order.ts, *refusal))",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "closed-intent-sent-again",
        "An intent handed in again after its order has closed is traded again.",
        "actors/intents.py",
        "            if known is None and intent in self._closed:",
        "            if False:",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "seen-denies",
        "A used intent id is said to be new, and the order is sent again.",
        "actors/seen.py",
        "        bits[two >> 3] |= _BIT[two & 7]",
        "        pass",
        ("simulate rough 0:60",),
    ),
)
