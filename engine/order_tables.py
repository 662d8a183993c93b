"""The three regions of an order, as tables (rows are cited from FIX 4.4 Volume 4).

Theory of operation
-------------------
An order is three small machines side by side:

* **Life**: where the order stands with the venue. Driven by evidence only.
* **Request**: whether a cancel or an amend of ours is outstanding. Its state is derived from the
  *set* of outstanding requests (several may be open), so a partial fill can never erase it and a
  refusal never has to remember.
* **Link**: how the order is tied to siblings (OCO, bracket). Driven by its group.

They couple in one place, :func:`engine.order.public_state`, which reads all three. Quantities are
arithmetic on fills and stay out of the tables; where a quantity decides (is it complete?),
:mod:`engine.order` picks the trigger from the facts *before* it looks here, so the tables stay
plain: FILL and COMPLETE are two triggers, not one with a guard.

Every cell has a verdict. MOVE and STAY are the normal course; LATE is booked and flagged;
QUARANTINE is a contradiction: the message is kept, an alarm raised and the venue asked. What is
ugly: COMPLETE, REOPEN and REVIVE leave terminal states, because venues do bust trades, raise filled
orders and announce ends that were not.
"""

from __future__ import annotations

from .messages import LinkTrigger
from .statechart import Row, Statechart, Verdict
from .values import Word

__all__ = [
    "LIFE",
    "LINK",
    "REQUEST",
    "TERMINAL",
    "Life",
    "LifeTrigger",
    "Link",
    "LinkTrigger",
    "RequestState",
    "RequestTrigger",
]

_MOVE, _STAY, _LATE, _QUARANTINE = (
    Verdict.MOVE,
    Verdict.STAY,
    Verdict.LATE,
    Verdict.QUARANTINE,
)


class Life(Word):
    """Where the order stands with the venue."""

    PENDING = "PENDING"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    TRIGGERED = "TRIGGERED"
    SUSPENDED = "SUSPENDED"
    IN_DOUBT = "IN_DOUBT"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"


class LifeTrigger(Word):
    """What the facts come to, after quantities have been looked at."""

    SEND = "SEND"  # the lane handed it to the wire
    DENY = "DENY"  # our own validation or risk said no
    WITHDRAW = "WITHDRAW"  # cancelled before it left
    LAPSE = "LAPSE"  # its send-by time passed before it left
    ACK = "ACK"
    TRIGGER = "TRIGGER"
    HOLD = "HOLD"  # the venue has it and does not work it
    RESUME = "RESUME"
    FILL = "FILL"  # an execution that leaves it incomplete
    COMPLETE = "COMPLETE"  # quantities say: nothing is left
    REOPEN = "REOPEN"  # quantities say: something is left again, and no end stands
    CANCEL = "CANCEL"
    EXPIRE = "EXPIRE"
    REJECT = "REJECT"
    DOUBT = "DOUBT"  # silence, or a covering query that does not show it
    VANISH = "VANISH"  # proven: it never arrived
    REVIVE = "REVIVE"  # newer, stronger evidence shows it working after an end


TERMINAL = frozenset({Life.FILLED, Life.CANCELLED, Life.EXPIRED, Life.REJECTED, Life.DENIED})

_L, _T = Life, LifeTrigger
_AT_VENUE = (_L.ACCEPTED, _L.TRIGGERED, _L.SUSPENDED)
_ENDED = (_L.CANCELLED, _L.EXPIRED, _L.REJECTED)
_LIVE = (_L.SUBMITTED, *_AT_VENUE, _L.IN_DOUBT)

# fmt: off
_LIFE_ROWS = (
    # --- ours to decide, before anything left
    Row(_L.PENDING, _T.SEND, _L.SUBMITTED, _MOVE, "journalled first, then handed to the wire"),
    Row(_L.PENDING, _T.DENY, _L.DENIED, _MOVE, "our own checks refused it"),
    Row(_L.PENDING, _T.WITHDRAW, _L.CANCELLED, _MOVE,
        "a cancel overtook the placement in our queue"),
    Row(_L.PENDING, _T.LAPSE, _L.EXPIRED, _MOVE, "not sent by its send-by time"),
    Row(_LIVE, _T.SEND, None, _STAY, "an answer overtook the note that it was sent"),
    Row(
        (_L.FILLED, *_ENDED, _L.DENIED),
        _T.SEND,
        None,
        _QUARANTINE,
        "a terminal order never sends",
    ),
    Row(
        (*_LIVE, _L.FILLED, *_ENDED, _L.DENIED),
        (_T.DENY, _T.WITHDRAW, _T.LAPSE),
        None,
        _QUARANTINE,
        "only an order that never left can end here",
    ),
    # --- acknowledgements
    Row(_L.PENDING, _T.ACK, _L.ACCEPTED, _MOVE, "the venue knows it: it did leave"),
    Row(_L.SUBMITTED, _T.ACK, _L.ACCEPTED, _MOVE, "FIX New"),
    Row(_L.IN_DOUBT, _T.ACK, _L.ACCEPTED, _MOVE, "found working: the doubt is over"),
    Row(_AT_VENUE, _T.ACK, None, _STAY, "a second ack adds nothing and lowers nothing"),
    Row((_L.FILLED, *_ENDED), _T.ACK, None, _STAY, "a stale ack never resurrects (barter-rs#206)"),
    Row(_L.DENIED, _T.ACK, None, _QUARANTINE, "we never sent it: somebody else did"),
    # --- stop elected
    Row(
        (_L.PENDING, _L.SUBMITTED, _L.ACCEPTED, _L.SUSPENDED, _L.IN_DOUBT),
        _T.TRIGGER,
        _L.TRIGGERED,
        _MOVE,
        "elected: it works now",
    ),
    Row(_L.TRIGGERED, _T.TRIGGER, None, _STAY, "said twice"),
    Row((_L.FILLED, *_ENDED), _T.TRIGGER, None, _STAY, "stale"),
    Row(_L.DENIED, _T.TRIGGER, None, _QUARANTINE, "we never sent it"),
    # --- at the venue, not working
    Row(
        (_L.PENDING, _L.SUBMITTED, _L.ACCEPTED, _L.TRIGGERED, _L.IN_DOUBT),
        _T.HOLD,
        _L.SUSPENDED,
        _MOVE,
        "IB Inactive without a reject, FIX Suspended",
    ),
    Row(_L.SUSPENDED, _T.HOLD, None, _STAY, "said twice"),
    Row((_L.FILLED, *_ENDED), _T.HOLD, None, _STAY, "stale"),
    Row(_L.DENIED, _T.HOLD, None, _QUARANTINE, "we never sent it"),
    Row(
        (_L.PENDING, _L.SUBMITTED, _L.SUSPENDED, _L.IN_DOUBT),
        _T.RESUME,
        _L.ACCEPTED,
        _MOVE,
        "works again",
    ),
    Row((_L.ACCEPTED, _L.TRIGGERED), _T.RESUME, None, _STAY, "it was working all along"),
    Row((_L.FILLED, *_ENDED), _T.RESUME, None, _STAY, "stale"),
    Row(_L.DENIED, _T.RESUME, None, _QUARANTINE, "we never sent it"),
    # --- fills: booked in every state
    Row(_L.PENDING, _T.FILL, _L.ACCEPTED, _LATE,
        "booked and flagged: filled, yet not known as sent"),
    Row(_L.SUBMITTED, _T.FILL, _L.ACCEPTED, _MOVE, "a fill implies the ack (FIX XCH.A.1.c)"),
    Row((_L.ACCEPTED, _L.TRIGGERED), _T.FILL, None, _STAY, "PARTIAL is arithmetic, not a state"),
    Row(_L.SUSPENDED, _T.FILL, _L.ACCEPTED, _MOVE, "what fills, works"),
    Row(_L.IN_DOUBT, _T.FILL, None, _STAY,
        "doubt of its fate stays: it was seen, not where it is now"),
    Row(_L.FILLED, _T.FILL, None, _LATE, "overfill: the excess is booked and reported"),
    Row(_ENDED, _T.FILL, None, _LATE, "late fill: booked, the end and leaves 0 stay (FIX J.1.b)"),
    Row(_L.DENIED, _T.FILL, None, _LATE, "booked: money moved, whatever we think of it"),
    Row(_L.PENDING, _T.COMPLETE, _L.FILLED, _LATE,
        "booked and flagged: filled, yet not known as sent"),
    Row(_LIVE, _T.COMPLETE, _L.FILLED, _MOVE, "cum_qty reached order_qty"),
    Row(_L.FILLED, _T.COMPLETE, None, _LATE, "overfill: the excess is booked and reported"),
    Row(_ENDED, _T.COMPLETE, _L.FILLED, _LATE,
        "late fill that completes it: the end was overtaken"),
    Row(_L.DENIED, _T.COMPLETE, _L.FILLED, _LATE, "booked: money moved, whatever we think of it"),
    # --- busts, corrections and raised quantities reopen
    Row(_L.FILLED, _T.REOPEN, _L.ACCEPTED, _MOVE, "a bust or a larger quantity (FIX J.1.a, C.1.c)"),
    Row((_L.PENDING, *_LIVE), _T.REOPEN, None, _STAY, "it is open already"),
    Row(_ENDED, _T.REOPEN, None, _STAY, "the end stands; only quantities move"),
    Row(_L.DENIED, _T.REOPEN, None, _STAY, "it was never sent"),
    # --- ends
    Row((_L.PENDING, *_LIVE), _T.CANCEL, _L.CANCELLED, _MOVE, "asked for or not (FIX E.1.b)"),
    Row(_L.FILLED, _T.CANCEL, None, _STAY, "complete already: nothing was left to cancel"),
    Row(_ENDED, _T.CANCEL, None, _STAY, "a second end adds nothing"),
    Row(_L.DENIED, _T.CANCEL, None, _QUARANTINE, "we never sent it"),
    Row((_L.PENDING, *_LIVE), _T.EXPIRE, _L.EXPIRED, _MOVE, "its time in force ended (FIX A.1.b)"),
    Row(_L.FILLED, _T.EXPIRE, None, _STAY, "complete already"),
    Row(_ENDED, _T.EXPIRE, None, _STAY, "a second end adds nothing"),
    Row(_L.DENIED, _T.EXPIRE, None, _QUARANTINE, "we never sent it"),
    Row(
        (_L.PENDING, *_LIVE),
        _T.REJECT,
        _L.REJECTED,
        _MOVE,
        "a venue may refuse even after its ack (FIX A.1.a)",
    ),
    Row(_L.FILLED, _T.REJECT, None, _QUARANTINE, "filled and refused contradict each other"),
    Row(_ENDED, _T.REJECT, None, _STAY, "a second end adds nothing"),
    Row(_L.DENIED, _T.REJECT, None, _QUARANTINE, "we never sent it"),
    # --- silence
    Row(_L.PENDING, _T.DOUBT, _L.IN_DOUBT, _MOVE, "after a restart nothing counts as not sent"),
    Row(_L.SUBMITTED, _T.DOUBT, _L.IN_DOUBT, _MOVE, "no answer: it may live"),
    Row(_AT_VENUE, _T.DOUBT, _L.IN_DOUBT, _MOVE,
        "a query that covers it does not show it: its fate is open"),
    Row(_L.IN_DOUBT, _T.DOUBT, None, _STAY, "still silent"),
    Row((_L.FILLED, *_ENDED, _L.DENIED), _T.DOUBT, None, _STAY,
        "silence after an end means nothing"),
    Row(_L.IN_DOUBT, _T.VANISH, _L.REJECTED, _MOVE, "proven never to have arrived"),
    Row(
        (_L.PENDING, _L.SUBMITTED, *_AT_VENUE, _L.FILLED),
        _T.VANISH,
        None,
        _QUARANTINE,
        "absence can only end a doubt of existence",
    ),
    Row((*_ENDED, _L.DENIED), _T.VANISH, None, _STAY, "it had ended already"),
    # --- a false end
    Row(_ENDED, _T.REVIVE, _L.ACCEPTED, _LATE,
        "the end was false (ib_async#191): newer evidence shows it working"),
    Row((_L.PENDING, _L.SUBMITTED, _L.IN_DOUBT), _T.REVIVE, _L.ACCEPTED, _MOVE, "found working"),
    Row(_AT_VENUE, _T.REVIVE, None, _STAY, "it works, as we thought"),
    Row((_L.FILLED, _L.DENIED), _T.REVIVE, None, _QUARANTINE,
        "complete, or never sent, and yet working"),
)
# fmt: on

LIFE: Statechart[Life, LifeTrigger] = Statechart(
    "life",
    states=Life,
    triggers=LifeTrigger,
    initial=Life.PENDING,
    terminal=TERMINAL,
    rows=_LIFE_ROWS,
    reopens=frozenset({LifeTrigger.REOPEN}),
    doc="Where an order stands with its venue.",
)


class RequestState(Word):
    """Whether something we asked for is unanswered."""

    IDLE = "IDLE"
    CANCELLING = "CANCELLING"
    REPLACING = "REPLACING"


class RequestTrigger(Word):
    """What changed in the set of outstanding requests."""

    ASK_CANCEL = "ASK_CANCEL"
    ASK_REPLACE = "ASK_REPLACE"
    CANCELS_LEFT = "CANCELS_LEFT"  # one was answered; a cancel is still outstanding
    REPLACES_LEFT = "REPLACES_LEFT"  # one was answered; only amends are still outstanding
    NONE_LEFT = "NONE_LEFT"  # the last was answered, or the order ended


_R, _Q = RequestState, RequestTrigger
# fmt: off
_REQUEST_ROWS = (
    Row((_R.IDLE, _R.REPLACING), _Q.ASK_CANCEL, _R.CANCELLING, _MOVE,
        "a cancel outranks an amend (FIX 12 over 11)"),
    Row(_R.CANCELLING, _Q.ASK_CANCEL, None, _STAY, "one more"),
    Row(_R.IDLE, _Q.ASK_REPLACE, _R.REPLACING, _MOVE,
        "old terms stay in force until the venue confirms"),
    Row((_R.REPLACING, _R.CANCELLING), _Q.ASK_REPLACE, None, _STAY, "one more"),
    Row(_R.CANCELLING, _Q.CANCELS_LEFT, None, _STAY, "another cancel is out (X.13)"),
    Row((_R.IDLE, _R.REPLACING), _Q.CANCELS_LEFT, None, _QUARANTINE, "no cancel was outstanding"),
    Row(_R.CANCELLING, _Q.REPLACES_LEFT, _R.REPLACING, _MOVE,
        "the cancel was refused, an amend is still out"),
    Row(_R.REPLACING, _Q.REPLACES_LEFT, None, _STAY, "another amend is out (D.2.a)"),
    Row(_R.IDLE, _Q.REPLACES_LEFT, None, _QUARANTINE, "no amend was outstanding"),
    Row((_R.CANCELLING, _R.REPLACING), _Q.NONE_LEFT, _R.IDLE, _MOVE,
        "the state follows from the facts"),
    Row(_R.IDLE, _Q.NONE_LEFT, None, _STAY, "an answer to nothing we know of"),
)
# fmt: on

REQUEST: Statechart[RequestState, RequestTrigger] = Statechart(
    "request",
    states=RequestState,
    triggers=RequestTrigger,
    initial=RequestState.IDLE,
    terminal=frozenset(),
    rows=_REQUEST_ROWS,
    doc="Whether a cancel or an amend of ours is outstanding.",
)


class Link(Word):
    """How the order is tied to its siblings."""

    FREE = "FREE"
    HELD = "HELD"  # never sent: waits for a parent, or is the dormant leg
    ARMING = "ARMING"  # at the venue, a required sibling not confirmed yet: the naked window
    OCO_LINKED = "OCO_LINKED"  # every required sibling is confirmed
    STANDING_DOWN = "STANDING_DOWN"  # the group wants this leg gone


_K, _G = Link, LinkTrigger
# fmt: off
_LINK_ROWS = (
    Row(_K.FREE, _G.HOLD_BACK, _K.HELD, _MOVE, "a child waits for its parent"),
    Row((_K.ARMING, _K.OCO_LINKED, _K.STANDING_DOWN), _G.HOLD_BACK, None, _QUARANTINE,
        "it is at the venue: too late to hold"),
    Row(_K.HELD, _G.HOLD_BACK, None, _STAY, "held already"),
    Row((_K.FREE, _K.HELD), _G.ARM, _K.ARMING, _MOVE, "released: the naked window opens"),
    Row(_K.ARMING, _G.ARM, None, _STAY, "arming already"),
    Row((_K.OCO_LINKED, _K.STANDING_DOWN), _G.ARM, None, _QUARANTINE, "it was armed before"),
    Row((_K.FREE, _K.ARMING), _G.LINK, _K.OCO_LINKED, _MOVE, "all required siblings are confirmed"),
    Row(_K.OCO_LINKED, _G.LINK, None, _STAY, "linked already"),
    Row(_K.HELD, _G.LINK, None, _QUARANTINE, "a leg that was never sent protects nothing"),
    Row(_K.STANDING_DOWN, _G.LINK, None, _STAY,
        "a sibling's confirmation came after the winner's fill"),
    Row(_K.OCO_LINKED, _G.UNLINK, _K.ARMING, _MOVE, "protection lost: re-place or exit"),
    Row((_K.FREE, _K.HELD, _K.ARMING, _K.STANDING_DOWN), _G.UNLINK, None, _STAY,
        "it was not linked"),
    Row((_K.HELD, _K.ARMING, _K.OCO_LINKED), _G.STAND_DOWN, _K.STANDING_DOWN, _MOVE,
        "a sibling won"),
    Row(_K.STANDING_DOWN, _G.STAND_DOWN, None, _STAY, "standing down already"),
    Row(_K.FREE, _G.STAND_DOWN, None, _QUARANTINE, "it has no group"),
    Row(_K.STANDING_DOWN, _G.RESTORE, _K.OCO_LINKED, _MOVE,
        "the winner ended short while this leg still works"),
    Row((_K.FREE, _K.HELD, _K.ARMING, _K.OCO_LINKED), _G.RESTORE, None, _STAY,
        "it was not standing down"),
    Row((_K.HELD, _K.ARMING, _K.OCO_LINKED, _K.STANDING_DOWN), _G.DETACH, _K.FREE, _MOVE,
        "the group let go of it"),
    Row(_K.FREE, _G.DETACH, None, _STAY, "it had no group"),
)
# fmt: on

LINK: Statechart[Link, LinkTrigger] = Statechart(
    "link",
    states=Link,
    triggers=LinkTrigger,
    initial=Link.FREE,
    terminal=frozenset(),
    rows=_LINK_ROWS,
    doc="How an order is tied to its siblings.",
)
