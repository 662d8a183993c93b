"""The statechart of a group.

Its triggers are found by looking at the legs (:mod:`engine.group_steps`), never told, so a look
may skip states: an entry that fills at once goes from PENDING to ARMING.
"""

from __future__ import annotations

from .messages import GroupState
from .statechart import Row, Statechart, Verdict
from .values import Word

__all__ = ["GROUP", "GroupState", "GroupTrigger"]


class GroupTrigger(Word):
    """What a look at the legs comes to."""

    SENT = "SENT"
    EXPOSED = "EXPOSED"  # something is held, and an exit is missing, unconfirmed or too small
    ARMED = "ARMED"
    LACKING = "LACKING"  # all is confirmed but a target that is refused again and again
    WON = "WON"  # nothing is left to protect, or the group was called off
    GAVE_UP = "GAVE_UP"
    OVERFILLED = "OVERFILLED"
    SHORT = "SHORT"  # what its exits are to close is not there for them: others have it
    OVER = "OVER"  # every leg has ended and is settled


_MOVE, _STAY, _LATE = Verdict.MOVE, Verdict.STAY, Verdict.LATE
_S, _T = GroupState, GroupTrigger
_OPEN = (_S.PENDING, _S.WAITING, _S.WORKING, _S.ARMING, _S.LINKED, _S.DEGRADED)

# fmt: off
_ROWS = (
    Row((_S.PENDING, _S.WAITING), _T.SENT, _S.WORKING, _MOVE, "the first leg left"),
    Row((_S.WORKING, _S.ARMING, _S.LINKED, _S.DEGRADED), _T.SENT, None, _STAY,
        "others leave as they are due"),
    Row((_S.STANDING_DOWN, _S.EXITING, _S.FLATTENING), _T.SENT, _S.WORKING, _MOVE,
        "a bust undid what had won"),
    Row(_S.DONE, _T.SENT, _S.WORKING, _LATE, "an order of it works again: an end was false"),
    Row((_S.PENDING, _S.WAITING, _S.WORKING, _S.LINKED, _S.DEGRADED), _T.EXPOSED, _S.ARMING,
        _MOVE, "the naked window"),
    Row(_S.ARMING, _T.EXPOSED, None, _STAY, "still"),
    Row((_S.STANDING_DOWN, _S.FLATTENING), _T.EXPOSED, _S.ARMING, _MOVE,
        "what had won ended short, or was busted"),
    Row(_S.EXITING, _T.EXPOSED, _S.ARMING, _MOVE, "it is closed; other exits are still missing"),
    Row(_S.DONE, _T.EXPOSED, _S.ARMING, _LATE, "a late fill or a bust: there is something again"),
    Row((_S.PENDING, _S.WAITING, _S.WORKING, _S.ARMING), _T.ARMED, _S.LINKED, _MOVE,
        "every leg is confirmed"),
    Row(_S.LINKED, _T.ARMED, None, _STAY, "still"),
    Row((_S.STANDING_DOWN, _S.EXITING, _S.FLATTENING), _T.ARMED, _S.LINKED, _MOVE,
        "what had won ended short while the other still works"),
    Row(_S.DEGRADED, _T.ARMED, _S.LINKED, _MOVE, "the target was taken after all"),
    Row(_S.DONE, _T.ARMED, _S.LINKED, _LATE, "an end was false"),
    Row((_S.PENDING, _S.WAITING, _S.WORKING, _S.ARMING, _S.LINKED), _T.LACKING, _S.DEGRADED, _MOVE,
        "all that can be had is confirmed, stops among it; a target is not to be had"),
    Row(_S.DEGRADED, _T.LACKING, None, _STAY, "still"),
    Row((_S.STANDING_DOWN, _S.EXITING, _S.FLATTENING), _T.LACKING, _S.DEGRADED, _MOVE,
        "what had won ended short; a target of the others is not to be had"),
    Row(_S.DONE, _T.LACKING, _S.DEGRADED, _LATE, "an end was false"),
    Row(_OPEN, _T.WON, _S.STANDING_DOWN, _MOVE, "a sibling's end has to be confirmed"),
    Row((_S.EXITING, _S.FLATTENING), _T.WON, _S.STANDING_DOWN, _MOVE, "closed"),
    Row(_S.STANDING_DOWN, _T.WON, None, _STAY, "still"),
    Row(_S.DONE, _T.WON, _S.STANDING_DOWN, _LATE, "an order of it works again"),
    Row((*_OPEN, _S.STANDING_DOWN, _S.FLATTENING), _T.GAVE_UP, _S.EXITING, _MOVE,
        "a stop that is refused again and again protects nothing"),
    Row(_S.EXITING, _T.GAVE_UP, None, _STAY, "still"),
    Row(_S.DONE, _T.GAVE_UP, _S.EXITING, _LATE, "there is something again, and no stop"),
    Row((*_OPEN, _S.STANDING_DOWN, _S.EXITING), _T.OVERFILLED, _S.FLATTENING, _MOVE,
        "both filled: the excess is an unwanted position"),
    Row(_S.FLATTENING, _T.OVERFILLED, None, _STAY, "still"),
    Row(_S.DONE, _T.OVERFILLED, _S.FLATTENING, _LATE, "a late fill of a sibling"),
    Row((_S.PENDING, _S.WORKING, _S.ARMING, _S.LINKED, _S.DEGRADED, _S.STANDING_DOWN, _S.EXITING,
         _S.FLATTENING), _T.SHORT, _S.WAITING, _MOVE, "nothing of what it should close is free"),
    Row(_S.WAITING, _T.SHORT, None, _STAY, "still"),
    Row(_S.DONE, _T.SHORT, _S.WAITING, _LATE, "a bust: there is something to close again"),
    Row((*_OPEN, _S.STANDING_DOWN, _S.EXITING, _S.FLATTENING), _T.OVER, _S.DONE, _MOVE,
        "every end is confirmed"),
    Row(_S.DONE, _T.OVER, None, _STAY, "still"),
)
# fmt: on

GROUP: Statechart[GroupState, GroupTrigger] = Statechart(
    "group",
    states=GroupState,
    triggers=GroupTrigger,
    initial=GroupState.PENDING,
    terminal=frozenset({GroupState.DONE}),
    rows=_ROWS,
    doc="How far a group of contingent orders has come.",
)
