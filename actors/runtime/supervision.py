"""Supervision as data: what failed -> what is done about it.

A dispatcher gives every exception of an actor to a :class:`Supervisor`. It decides by a table and
acts; nothing is logged and continued. What a decision means for an entity (rebuild from which
journal, alarm whom) is given by handlers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from engine.errors import InvalidValue, InvariantViolated
from engine.values import Word

from .actor import Actor, ActorStart

__all__ = [
    "DECISIONS",
    "Decision",
    "Escalation",
    "Failure",
    "FailureKind",
    "FailureWindow",
    "StopFailedActor",
    "Supervisor",
    "TableSupervisor",
    "kind_of",
]


class FailureKind(Word):
    """What went wrong."""

    STEP_FAILED = "STEP_FAILED"  # an exception out of on_receive: that step left no trace
    INVARIANT = "INVARIANT"  # a rule that always holds does not: our state cannot be trusted
    START_FAILED = "START_FAILED"  # on_start raised: it never lived
    REPEATED = "REPEATED"  # too many failures in a window: rebuilding does not help


class Decision(Word):
    """What is done about it."""

    REBUILD = "REBUILD"  # from the journal, then reconcile
    QUARANTINE = "QUARANTINE"  # takes facts and may cancel, sends nothing else; a person is told
    STOP = "STOP"  # the actor is stopped; its messages are dead letters
    ESCALATE = "ESCALATE"  # the dispatcher stops and its owner gets the exception


#: The default table.
DECISIONS: Final[Mapping[FailureKind, Decision]] = MappingProxyType(
    {
        FailureKind.STEP_FAILED: Decision.REBUILD,
        FailureKind.INVARIANT: Decision.QUARANTINE,  # the same facts fold to the same breach
        FailureKind.START_FAILED: Decision.STOP,
        FailureKind.REPEATED: Decision.QUARANTINE,
    }
)


class Escalation(BaseException):
    """Ends the dispatcher; its owner gets ``cause``.

    Not an ``Exception``, so no actor can swallow it.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(cause)
        self.cause = cause


class Supervisor(Protocol):
    """Who a dispatcher tells about a failure; called at once, inside the turn."""

    def failed(self, actor: Actor, message: Any, exc: Exception) -> None:
        """Decide and act. An exception out of here ends the dispatcher."""
        ...


class Failure(msgspec.Struct, frozen=True):
    """One failure, classified."""

    kind: FailureKind
    decision: Decision
    actor: Any
    message: Any
    exc: Exception
    failures: int  # of this actor within the window, this one included


def kind_of(message: Any, exc: BaseException) -> FailureKind:
    """Classify a single failure (REPEATED needs a :class:`FailureWindow`)."""
    if message.__class__ is ActorStart:
        return FailureKind.START_FAILED
    if isinstance(exc, InvariantViolated):
        return FailureKind.INVARIANT
    return FailureKind.STEP_FAILED


class FailureWindow:
    """Counts failures: too many are ``k`` within ``window_ns``."""

    __slots__ = ("_times", "k", "window_ns")

    def __init__(self, k: int, window_ns: int) -> None:
        if k < 1 or window_ns < 1:
            raise InvalidValue(
                f"a failure window needs k >= 1 and window_ns >= 1, got {k} and {window_ns}"
            )
        self.k = k
        self.window_ns = window_ns
        self._times: deque[int] = deque(maxlen=k)

    def add(self, now_ns: int) -> bool:
        """Count one at ``now_ns`` (monotonic); whether this makes it too many."""
        self._times.append(now_ns)
        return self.count(now_ns) >= self.k

    def count(self, now_ns: int) -> int:
        """How many lie within the window (``k`` at most: more are not remembered)."""
        times = self._times
        while times and now_ns - times[0] >= self.window_ns:
            times.popleft()
        return len(times)


class TableSupervisor:
    """Decides by a table, counts per actor urn, and acts through one handler per decision.

    Counting is by urn, so a rebuilt actor with the same urn keeps its count. ESCALATE needs no
    handler.
    """

    def __init__(
        self,
        now_ns: Callable[[], int],
        handlers: Mapping[Decision, Callable[[Failure], object]],
        table: Mapping[FailureKind, Decision] = DECISIONS,
        k: int = 3,
        window_ns: int = 60_000_000_000,
    ) -> None:
        """Check that the table is total and each of its decisions has a handler.

        Raises:
            InvalidValue: naming the missing kinds or handlers.
        """
        silent = [kind.name for kind in FailureKind if kind not in table]
        idle = [
            decision.name
            for decision in Decision
            if decision in table.values()
            and decision is not Decision.ESCALATE
            and decision not in handlers
        ]
        if silent or idle:
            raise InvalidValue(
                f"a supervision table must decide each kind and each decision needs a handler;"
                f" kinds without a decision: {silent}, decisions without a handler: {idle}"
            )
        FailureWindow(k, window_ns)  # raises for bad values
        self._now_ns = now_ns
        self._handlers = dict(handlers)
        self._table = dict(table)
        self._k = k
        self._window_ns = window_ns
        self._windows: dict[str, FailureWindow] = {}

    def failed(self, actor: Actor, message: Any, exc: Exception) -> None:
        """Classify, count, decide, act."""
        now_ns = self._now_ns()
        urn = actor.actor_urn
        window = self._windows.get(urn)
        if window is None:
            self._forget_quiet(now_ns)
            window = self._windows[urn] = FailureWindow(self._k, self._window_ns)
        kind = kind_of(message, exc)
        if window.add(now_ns) and kind is FailureKind.STEP_FAILED:
            kind = FailureKind.REPEATED
        decision = self._table[kind]
        if decision is Decision.ESCALATE:
            raise Escalation(exc)
        self._handlers[decision](Failure(kind, decision, actor, message, exc, window.count(now_ns)))

    def _forget_quiet(self, now_ns: int) -> None:
        """Keep the dict as small as the number of actors that failed lately."""
        quiet = [urn for urn, window in self._windows.items() if not window.count(now_ns)]
        for urn in quiet:
            del self._windows[urn]


class StopFailedActor:
    """The default without a table, as in Pykka: ``on_failure`` runs and the actor is stopped.

    Asks are no exception.
    """

    __slots__ = ()

    def failed(self, actor: Actor, message: Any, exc: Exception) -> None:
        """Stop ``actor``; its later messages are dead letters.

        An exception of ``on_failure`` ends the dispatcher.
        """
        try:
            actor.on_failure(type(exc), exc, exc.__traceback__)
        finally:
            actor._handle_failure(type(exc), exc, exc.__traceback__)
