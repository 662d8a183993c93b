"""What a process that may die needs: the moment it dies at, and a journal and a venue to die in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from engine.errors import InvalidValue
from engine.messages import Amend, Cancel, Place
from engine.values import Word

from ..journal import Batch, Journal
from ..venues.port import Outcome, Throttled, Venue

__all__ = ["Crash", "CrashPoint", "Cut", "Death", "MortalJournal", "MortalVenue"]

R = TypeVar("R")
A = TypeVar("A")


class Crash(BaseException):
    """The process dies here. Nobody may catch it but who staged it."""


class CrashPoint(Word):
    """Where in a turn the process dies. The first two count commits, the others calls.

    A call is one that changes something at the venue: place, cancel, amend.
    """

    BEFORE_WRITE = "BEFORE_WRITE"  # the commit is not made
    AFTER_WRITE = "AFTER_WRITE"  # it is made, and nothing that waited for it leaves
    BEFORE_SEND = "BEFORE_SEND"  # this call does not leave; others of its turn may have
    AFTER_SEND = "AFTER_SEND"  # the venue has acted, nobody hears its answer


class Cut(msgspec.Struct, frozen=True):
    """The process dies at the ``nth`` commit or call of a life, counted from 1.

    ``then``: how the lives after it end; the last one lives.
    """

    point: CrashPoint
    nth: int
    then: tuple[Cut, ...] = ()

    def __str__(self) -> str:
        return " then ".join(f"{cut.point.name}:{cut.nth}" for cut in (self, *self.then))

    @classmethod
    def read(cls, text: str) -> Cut:
        """A cut from its text, as reports have it.

        Raises:
            InvalidValue: it is no such text.
        """
        cuts: list[Cut] = []
        for part in reversed(text.split(" then ")):
            point, _, nth = part.partition(":")
            if point not in CrashPoint.__members__ or not nth.isdecimal():
                raise InvalidValue(f"a cut is written as POINT:NUMBER, was {part!a}")
            cuts.insert(0, cls(CrashPoint[point], int(nth)))
        return cls(cuts[0].point, cuts[0].nth, tuple(cuts[1:]))


class Death:
    """Counts the commits and calls of one life, and ends it at the one that was chosen.

    ``ended`` are the numbers of the calls that came to an end: some venues never answer some.
    """

    def __init__(self, cut: Cut | None = None) -> None:
        self.cut = cut
        self.commits = 0
        self.calls = 0
        self.ended: list[int] = []

    def write(self, append: Callable[[], int]) -> int:
        """One commit."""
        self.commits += 1
        self._die(CrashPoint.BEFORE_WRITE, self.commits)
        last = append()
        self._die(CrashPoint.AFTER_WRITE, self.commits)
        return last

    def leave(self) -> int:
        """One call is about to leave; gives its number."""
        self.calls += 1
        self._die(CrashPoint.BEFORE_SEND, self.calls)
        return self.calls

    def left(self, call: int) -> None:
        """The venue has acted on it, or not, and answers."""
        self.ended.append(call)
        self._die(CrashPoint.AFTER_SEND, call)

    def _die(self, point: CrashPoint, count: int) -> None:
        cut = self.cut
        if cut is not None and cut.point is point and cut.nth == count:
            raise Crash(str(cut))


class MortalJournal:
    """A journal whose appends may be the last thing that happens. It outlives its system."""

    def __init__(self, inner: Journal, death: Death) -> None:
        self._inner = inner
        self._death = death

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def append(self, batch: Batch) -> int:
        """One commit."""
        return self._death.write(lambda: self._inner.append(batch))

    def close(self) -> None:
        """A process that died closes nothing, and after a good end the stage still reads it."""


class MortalVenue:
    """A venue whose calls may be the last thing that happens."""

    def __init__(self, inner: Venue, death: Death, sent: dict[str, int]) -> None:
        self._inner = inner
        self._death = death
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def place(self, request: Place) -> Outcome:
        """One call."""
        return await self._call(self._inner.place, request, (request,))

    async def cancel(self, request: Cancel) -> Outcome:
        """One call."""
        return await self._call(self._inner.cancel, request)

    async def amend(self, request: Amend) -> Outcome:
        """One call."""
        return await self._call(self._inner.amend, request)

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        """One call for all of them."""
        return await self._call(self._inner.place_batch, requests, requests)

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        """One call for all of them."""
        return await self._call(self._inner.cancel_batch, requests)

    async def _call(
        self, send: Callable[[R], Awaitable[A]], request: R, placements: Sequence[Place] = ()
    ) -> A:
        call = self._death.leave()
        sent = self._sent
        for place in placements:
            sent[place.client_order_id] = sent.get(place.client_order_id, 0) + 1
        try:
            answer = await send(request)
        except Exception:
            self._death.left(call)
            raise
        outcomes = answer if isinstance(answer, Sequence) else (answer,)
        for place, outcome in zip(placements, outcomes, strict=False):
            if isinstance(outcome, Throttled):  # a definite no: it may leave again
                sent[place.client_order_id] -= 1
        self._death.left(call)
        return answer
