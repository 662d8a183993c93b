"""The life of a position slot, as a table.

Two kinds of triggers meet here. *Quantity* triggers say what a booking did to the held quantity,
whoever caused it (a fill, a bust, a correction): they come from :mod:`engine.position`. *Order*
triggers say which orders work on the slot: they come from the position's owner, through
:func:`engine.position.follow_orders`.

Exits outrank entries: while something closes, the slot is REDUCING or CLOSING whatever else works.
"Held" means more than dust. Protective stops that rest untriggered are not exits in progress and
send nothing here.

Exposure is arithmetic (the sign of the quantity), so it has no table. Protection needs the
confirmed stop quantities that groups bring, and gets its table with them.
"""

from __future__ import annotations

from typing import Final

from .statechart import Row, Statechart, Verdict
from .values import Word

__all__ = ["LIFE", "Exposure", "PositionLife", "PositionTrigger"]


class Exposure(Word):
    """Which way a slot is exposed; FLAT also when only dust is left."""

    FLAT = "FLAT"
    LONG = "LONG"
    SHORT = "SHORT"


class PositionLife(Word):
    """What a slot is doing."""

    FLAT = "FLAT"  # nothing held beyond dust, no entry works
    OPENING = "OPENING"  # an entry works; some of it may be held already
    OPEN = "OPEN"  # held, and no order is about to change that
    REDUCING = "REDUCING"  # exits work for a part of what is held
    CLOSING = "CLOSING"  # exits work for all that is held


class PositionTrigger(Word):
    """What happens to a slot."""

    OPENED = "OPENED"  # nothing was held, now something is
    ADDED = "ADDED"
    REDUCED = "REDUCED"
    CLOSED = "CLOSED"  # nothing is held any more; dust may be left
    FLIPPED = "FLIPPED"  # through zero: the other side is held
    REOPENED = "REOPENED"  # a bust took a close back
    ENTRY_WORKING = "ENTRY_WORKING"
    ENTRY_ENDED = "ENTRY_ENDED"  # no entry works any more, something is held
    ENTRY_LAPSED = "ENTRY_LAPSED"  # no entry works any more, nothing is held
    EXIT_WORKING = "EXIT_WORKING"  # exits work for less than what is held
    CLOSE_WORKING = "CLOSE_WORKING"  # exits work for all that is held, or more
    EXIT_ENDED = "EXIT_ENDED"  # no exit works any more


_S = PositionLife
_T = PositionTrigger
_MOVE, _STAY, _LATE, _QUAR = Verdict.MOVE, Verdict.STAY, Verdict.LATE, Verdict.QUARANTINE
_HELD = (_S.OPEN, _S.REDUCING, _S.CLOSING)
_EXITING = (_S.REDUCING, _S.CLOSING)

LIFE: Final = Statechart(
    "position",
    states=PositionLife,
    triggers=PositionTrigger,
    initial=PositionLife.FLAT,
    terminal=frozenset(),
    doc="What a position slot is doing; quantities are arithmetic beside it.",
    rows=(
        # quantity
        Row(_S.FLAT, _T.OPENED, _S.OPEN, _MOVE, "a fill whose order we did not see working"),
        Row(_S.FLAT, _T.REOPENED, _S.OPEN, _MOVE, "the close never happened"),
        Row(
            _S.FLAT,
            (_T.ADDED, _T.REDUCED, _T.FLIPPED),
            None,
            _QUAR,
            "says that something was held, and nothing was",
        ),
        Row(_S.FLAT, _T.CLOSED, None, _STAY, "dust sold or taken by a fee"),
        Row(
            _S.OPENING,
            (_T.OPENED, _T.ADDED, _T.REDUCED, _T.CLOSED, _T.FLIPPED, _T.REOPENED),
            None,
            _STAY,
            "the entry still works, whatever is held",
        ),
        Row(_HELD, _T.OPENED, None, _QUAR, "says that nothing was held, and something was"),
        Row(_HELD, _T.REOPENED, None, _STAY, "a bust gives back a part of what is held"),
        Row(_HELD, _T.CLOSED, _S.FLAT, _MOVE),
        Row(_S.OPEN, (_T.ADDED, _T.REDUCED, _T.FLIPPED), None, _STAY),
        Row(_S.REDUCING, (_T.ADDED, _T.REDUCED), None, _STAY),
        Row(_S.CLOSING, _T.ADDED, _S.REDUCING, _MOVE, "the exits cover less than is held now"),
        Row(_S.CLOSING, _T.REDUCED, None, _STAY, "part of the close is done"),
        Row(_EXITING, _T.FLIPPED, _S.OPEN, _MOVE, "what the exits were for is gone"),
        # orders
        Row((_S.FLAT, _S.OPEN), _T.ENTRY_WORKING, _S.OPENING, _MOVE),
        Row(_S.OPENING, _T.ENTRY_WORKING, None, _STAY, "one more"),
        Row(_EXITING, _T.ENTRY_WORKING, None, _STAY, "exits outrank entries"),
        Row(_S.OPENING, _T.ENTRY_ENDED, _S.OPEN, _MOVE),
        Row(_HELD, _T.ENTRY_ENDED, None, _STAY),
        Row(_S.FLAT, _T.ENTRY_ENDED, None, _QUAR, "says that something is held, and nothing is"),
        Row(_S.OPENING, _T.ENTRY_LAPSED, _S.FLAT, _MOVE, "the entry came to nothing"),
        Row(_S.FLAT, _T.ENTRY_LAPSED, None, _STAY),
        Row(_HELD, _T.ENTRY_LAPSED, None, _QUAR, "says that nothing is held, and something is"),
        Row((_S.OPENING, _S.OPEN, _S.CLOSING), _T.EXIT_WORKING, _S.REDUCING, _MOVE),
        Row(_S.REDUCING, _T.EXIT_WORKING, None, _STAY, "one more, or its quantity changed"),
        Row((_S.OPENING, _S.OPEN, _S.REDUCING), _T.CLOSE_WORKING, _S.CLOSING, _MOVE),
        Row(_S.CLOSING, _T.CLOSE_WORKING, None, _STAY),
        Row(
            _S.FLAT,
            (_T.EXIT_WORKING, _T.CLOSE_WORKING),
            None,
            _LATE,
            "an exit works with nothing to exit: unless the venue bounds it at flat it would open",
        ),
        Row(_EXITING, _T.EXIT_ENDED, _S.OPEN, _MOVE),
        Row((_S.FLAT, _S.OPENING, _S.OPEN), _T.EXIT_ENDED, None, _STAY),
    ),
)
