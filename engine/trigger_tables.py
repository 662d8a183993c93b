"""The trigger of an order that the engine watches itself, as a region beside its life.

A venue that knows the type of an order watches its trigger, and this region stays at VENUE. Where
the venue does not (or the order says ``local``), nothing of the order leaves before a price has
elected it: its life stays PENDING meanwhile, so nobody takes it for an order at the venue. Election
and leaving are two facts, because an elected order may have to wait for what else closes the same
holding, or for a person who has shut everything.
"""

from __future__ import annotations

from .statechart import Row, Statechart, Verdict
from .values import Word

__all__ = ["TRIGGER", "Trigger", "TriggerMove"]


class Trigger(Word):
    """Who watches the trigger of an order, and how far it has come."""

    VENUE = "VENUE"  # the venue does, or there is none
    WATCHED = "WATCHED"  # the engine does; nothing of it has left
    ELECTED = "ELECTED"  # a price has reached it; nothing of it has left
    RELEASED = "RELEASED"  # what it has become leaves for the venue, or has left


class TriggerMove(Word):
    """What moves it."""

    WATCH = "WATCH"
    TRAIL = "TRAIL"  # its stop price follows the market
    ELECT = "ELECT"
    RELEASE = "RELEASE"
    RETURN = "RETURN"  # what was released is proven never to have arrived


_S, _T = Trigger, TriggerMove
_MOVE, _STAY, _QUARANTINE = Verdict.MOVE, Verdict.STAY, Verdict.QUARANTINE

# fmt: off
TRIGGER: Statechart[Trigger, TriggerMove] = Statechart(
    "trigger",
    states=Trigger,
    triggers=TriggerMove,
    initial=Trigger.VENUE,
    terminal=frozenset(),
    doc="How far the trigger of an order has come that the engine watches itself.",
    rows=(
        Row(_S.VENUE, _T.WATCH, _S.WATCHED, _MOVE, "the venue has no such trigger"),
        Row((_S.WATCHED, _S.ELECTED, _S.RELEASED), _T.WATCH, None, _STAY, "it was introduced"),
        Row(_S.VENUE, (_T.TRAIL, _T.ELECT, _T.RELEASE, _T.RETURN), None, _QUARANTINE,
            "it is the venue's to watch"),
        Row(_S.WATCHED, _T.TRAIL, None, _STAY, "only its stop price moves"),
        Row((_S.ELECTED, _S.RELEASED), _T.TRAIL, None, _STAY, "it follows nothing any more"),
        Row(_S.WATCHED, _T.ELECT, _S.ELECTED, _MOVE, "a price has reached it"),
        Row((_S.ELECTED, _S.RELEASED), _T.ELECT, None, _STAY, "said twice"),
        Row(_S.WATCHED, _T.RELEASE, None, _QUARANTINE, "no price has reached it"),
        Row(_S.ELECTED, _T.RELEASE, _S.RELEASED, _MOVE, "it leaves with this fact"),
        Row(_S.RELEASED, _T.RELEASE, None, _STAY, "said twice"),
        Row((_S.WATCHED, _S.ELECTED), _T.RETURN, None, _STAY, "it never left"),
        Row(_S.RELEASED, _T.RETURN, _S.ELECTED, _MOVE,
            "elected it stays: it may leave once more, with nothing of it at the venue"),
    ),
)
# fmt: on
