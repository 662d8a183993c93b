"""The life of one venue session, as a statechart, and what may leave in each of its states.

A (re)connect, a missed sequence number, a clock jump and a silence are all the same thing, a *gap*:
something may have happened that we were not told. In a gap cancels and exits go on and entries
wait, until orders, executions and positions agree again. What a person or a limit halted
is not here: that is :class:`TradingMode`, which is journalled and survives reconnects.
"""

from __future__ import annotations

from typing import Final

from .calls import CallKind
from .messages import TradingMode
from .statechart import Row, Statechart, Verdict
from .values import Word

__all__ = ["SESSION", "Gate", "SessionState", "SessionTrigger", "TradingMode", "gates"]


class SessionState(Word):
    """Where a session stands."""

    DOWN = "DOWN"  # no link; nothing leaves
    CONNECTING = "CONNECTING"  # a connect is under way
    RECONCILING = (
        "RECONCILING"  # link up, a gap to explain: cancels, exits and queries leave, entries wait
    )
    READY = "READY"  # everything leaves
    SUSPECT = "SUSPECT"  # link up but too quiet: as RECONCILING, and its answers prove no absence
    BARRED = "BARRED"  # the venue shut us out (credentials, ban); needs a person or its own time
    CLOSING = "CLOSING"  # orderly stop: what protects still leaves, entries do not
    CLOSED = "CLOSED"  # ended; a new session is a new object


class SessionTrigger(Word):
    """What moves it."""

    CONNECT = "CONNECT"  # we start to connect
    LINK_UP = "LINK_UP"  # the adapter's session stands
    LINK_DOWN = "LINK_DOWN"  # it is gone, or not to be trusted
    GAP = "GAP"  # something was missed: sequence, clock jump, suspend, private stream restarted
    SILENT = "SILENT"  # an expected private event or heartbeat did not come
    RECONCILED = "RECONCILED"  # orders, executions and positions agree for every instrument
    BARRED = "BARRED"  # login refused, key revoked, address banned
    CLOSE = "CLOSE"  # we want an orderly stop
    DRAINED = "DRAINED"  # the orderly stop is complete


_S = SessionState
_T = SessionTrigger
_MOVE = Verdict.MOVE
_STAY = Verdict.STAY
_ROW = Row[SessionState, SessionTrigger]
_OFF = (_S.DOWN, _S.CONNECTING, _S.BARRED)
_UP = (_S.RECONCILING, _S.READY, _S.SUSPECT)

SESSION: Final = Statechart(
    "session",
    doc="One venue session: from connecting over every gap to an orderly stop.",
    states=SessionState,
    triggers=SessionTrigger,
    initial=SessionState.DOWN,
    terminal=frozenset({SessionState.CLOSED}),
    rows=(
        _ROW((_S.DOWN, _S.BARRED), _T.CONNECT, _S.CONNECTING, _MOVE),
        _ROW((_S.CONNECTING, *_UP), _T.CONNECT, None, _STAY),
        _ROW(_OFF, _T.LINK_UP, _S.RECONCILING, _MOVE, "every link begins with a gap"),
        _ROW((_S.READY, _S.SUSPECT), _T.LINK_UP, _S.RECONCILING, _MOVE, "a reconnect unseen"),
        _ROW((_S.RECONCILING, _S.CLOSING), _T.LINK_UP, None, _STAY),
        _ROW((_S.CONNECTING, *_UP), _T.LINK_DOWN, _S.DOWN, _MOVE),
        _ROW((_S.DOWN, _S.BARRED), _T.LINK_DOWN, None, _STAY),
        _ROW(_S.CLOSING, _T.LINK_DOWN, _S.CLOSED, _MOVE, "nobody is left to tell"),
        _ROW(_S.READY, _T.GAP, _S.RECONCILING, _MOVE),
        _ROW((*_OFF, _S.RECONCILING, _S.SUSPECT, _S.CLOSING), _T.GAP, None, _STAY),
        _ROW((_S.RECONCILING, _S.READY), _T.SILENT, _S.SUSPECT, _MOVE, "quiet may be deaf"),
        _ROW((*_OFF, _S.SUSPECT, _S.CLOSING), _T.SILENT, None, _STAY),
        _ROW(_S.RECONCILING, _T.RECONCILED, _S.READY, _MOVE),
        _ROW(_S.SUSPECT, _T.RECONCILED, _S.READY, _MOVE, "it was quiet: nothing was missing"),
        _ROW((_S.READY, _S.CLOSING), _T.RECONCILED, None, _STAY),
        _ROW(_OFF, _T.RECONCILED, None, _STAY, "the link went away meanwhile: void"),
        _ROW((_S.DOWN, _S.CONNECTING, *_UP), _T.BARRED, _S.BARRED, _MOVE),
        _ROW(_S.BARRED, _T.BARRED, None, _STAY),
        _ROW(_S.CLOSING, _T.BARRED, _S.CLOSED, _MOVE, "nothing can leave any more"),
        _ROW(_UP, _T.CLOSE, _S.CLOSING, _MOVE),
        _ROW(_OFF, _T.CLOSE, _S.CLOSED, _MOVE, "there is no link to close in order"),
        _ROW(_S.CLOSING, _T.CLOSE, None, _STAY),
        _ROW(_S.CLOSING, _T.DRAINED, _S.CLOSED, _MOVE),
        _ROW((*_OFF, *_UP), _T.DRAINED, None, Verdict.QUARANTINE, "nobody asked for a stop"),
        _ROW(_S.CLOSING, _T.CONNECT, None, Verdict.QUARANTINE, "a stop is under way"),
        _ROW(_S.CLOSED, _T.CONNECT, None, Verdict.QUARANTINE, "a new session is a new object"),
        _ROW(_S.CLOSED, (_T.CLOSE, _T.DRAINED, _T.LINK_DOWN), None, _STAY),
        _ROW(
            _S.CLOSED,
            (_T.LINK_UP, _T.GAP, _T.SILENT, _T.RECONCILED, _T.BARRED),
            None,
            Verdict.LATE,
            "the adapter was still talking when we stopped",
        ),
    ),
)


class Gate(Word):
    """Whether a class of calls may leave."""

    OPEN = "OPEN"
    BY_INSTRUMENT = "BY_INSTRUMENT"
    SHUT = "SHUT"


_LINK_STANDS: Final = (_S.RECONCILING, _S.READY, _S.SUSPECT, _S.CLOSING)


def gates(
    state: SessionState, mode: TradingMode, *, some_held: bool = False, some_agreed: bool = False
) -> dict[CallKind, Gate]:
    """What may leave: cancels and queries on any link that stands, exits by mode, entries by both.

    ``some_held``: entries of some instruments are withheld. ``some_agreed``: some are reconciled
    already in this gap.
    """
    up = Gate.OPEN if state in _LINK_STANDS else Gate.SHUT
    entries = Gate.SHUT
    if mode is TradingMode.ALL and state is SessionState.READY:
        entries = Gate.BY_INSTRUMENT if some_held else Gate.OPEN
    elif mode is TradingMode.ALL and state is SessionState.RECONCILING and some_agreed:
        entries = Gate.BY_INSTRUMENT
    return {
        CallKind.CANCEL: up,
        CallKind.REDUCE: Gate.SHUT if mode is TradingMode.NONE else up,
        CallKind.AMEND: entries,
        CallKind.NEW: entries,
        CallKind.QUERY: up,
    }
