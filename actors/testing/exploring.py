"""Every interleaving of a race: all schedules of the real actors, each judged, none left out.

Theory of operation. Between two steps of a run (a turn of actors, a step of a coroutine, a step of
a host, of the market or of fate, a timer) the system is a *node*. What can come next is a *move*:
let the system run, take the next step of one of the hands, or let the next timer ring when nothing
else can run. While the system runs it asks ``choose(n)``: who runs, how long a turn is, what
arrives, what is lost. So a run is a list of numbers, and all runs are a tree. The tree is searched
depth first by running anew: each run repeats the numbers of the one before up to the last that can
be raised, raises it, and goes on with zeros.

Reduction: at each new node the complete state is hashed (:mod:`actors.testing.exploring_state`),
the hands' places included. A state that was met before is not entered again, because all that can
follow is being searched from where it was met. That turns the tree into a graph whose paths are the
tree's runs, so *schedules* is an exact number although few are run; with ``reduces=False`` every
one of them is. A graph with a loop would be a run that never ends: that is a violation.

What is covered: everything that can happen at the grain of these steps. Time passes when nothing
else can run, or where the race has a step for it (``Lapses``); so among timers those race that ring
at one time. After the race's horizon what is left comes to rest in the plainest way.

Each step is judged as in any simulation: at every commit, by a look after every step, and at the
end of every schedule once all has come to rest. A schedule with a violation ends there, and is kept
as a :class:`~engine.testing.scenario.Scenario` that plays it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.errors import InvariantViolated
from engine.order import public_state
from engine.testing.races import Either, Race
from engine.testing.scenario import (
    START_NS,
    Amends,
    Cancels,
    CancelsGroup,
    Crashes,
    Flattens,
    Lapses,
    Lifts,
    Restarts,
    Scenario,
    Step,
    Submits,
    SubmitsGroup,
    Turns,
)

from .exploring_state import state_of
from .running import failed, simulated, take
from .simulated_system import SimulatedSystem
from .truth import Violation

__all__ = ["Explored", "Found", "explore"]

_RUN: Final = Turns(1)
_TIME: Final = Lapses()
_SYSTEM: Final = -1  # as a hand: the system itself, or time
#: What needs a system that runs.
_OF_HOSTS: Final = (Submits, Cancels, Amends, SubmitsGroup, CancelsGroup, Flattens, Lifts, Crashes)
#: Violations that are kept; the schedules of all are counted.
_KEPT_MAX: Final = 20


class Found(msgspec.Struct, frozen=True):
    """A schedule in which something did not hold, and the scenario that plays it."""

    violation: Violation
    scenario: Scenario


class Explored(msgspec.Struct, frozen=True):
    """What an exploration came to. Where nothing else is said, it is the same everywhere.

    Attributes:
        schedules: complete runs that are covered. states: different ones that were met. ends: what
        became of the orders, every way it can end. runs: how many were really run. complete:
        whether everything is covered. broken: schedules that ended with a violation. found: the
        first of them. end_states: of those in which nothing could come any more, as hashes; the one
        thing that differs from one version of Python to another.
    """

    scenario: str
    schedules: int
    states: int
    ends: tuple[str, ...]
    runs: int
    complete: bool
    broken: int
    found: tuple[Found, ...]
    end_states: frozenset[bytes]
    seconds: float


class _Choice:
    """One number of a run: which of how many; at a node, the node's."""

    __slots__ = ("at", "node", "of")

    def __init__(self, of: int, node: int) -> None:
        self.at = 0
        self.of = of
        self.node = node


class _Script:
    """Makes the choices of one run: the written ones, then always the first, written down too."""

    def __init__(self, choices: list[_Choice]) -> None:
        self.choices = choices
        self.at = 0
        self.is_written = False  # before the race and after it the plainest schedule runs
        self.drawn: list[int] = []  # what the system was given

    def choose(self, n: int) -> int:
        """What the system asks for."""
        index = self.decide(n, -1) if self.is_written else 0
        self.drawn.append(index)
        return index

    def decide(self, of: int, node: int) -> int:
        """The next number; ``node``: the choice is ours, made there."""
        if self.at == len(self.choices):
            self.choices.append(_Choice(of, node))
        choice = self.choices[self.at]
        if choice.of != of:
            raise InvariantViolated(
                f"Invariant: a run that is repeated is the same; choice {self.at} was one of"
                f" {choice.of}, and is one of {of}"
            )
        self.at += 1
        return choice.at


class _Play:
    """One run of a race, up to where it is now."""

    def __init__(self, race: Race, script: _Script) -> None:
        self.race = race
        self.script = script
        self.places = [0] * len(race.hands)
        self.taken: list[Step] = []
        self.system: SimulatedSystem = simulated(race.begins, script.choose)

    def begin(self) -> list[Violation]:
        """Take the race's first steps; what is wrong already."""
        for step in self.race.begins.steps:
            take(self.system, step)
            bad = self.system.check()
            if bad:
                return bad
        self.script.is_written = True
        return []

    def moves(self) -> list[tuple[int, Step]]:
        """What can come next: whose step, and which."""
        moves: list[tuple[int, Step]] = []
        system = self.system
        works = system.alive and system.dispatcher.has_work()
        rings = system.alive and system.dispatcher.next_timer_ns() is not None
        if works:
            moves.append((_SYSTEM, _RUN))
        elif rings and system.now_ns() - START_NS < self.race.horizon_ns:
            moves.append((_SYSTEM, _TIME))
        for hand, (steps, place) in enumerate(zip(self.race.hands, self.places, strict=True)):
            if place < len(steps):
                step = steps[place]
                either = step.steps if isinstance(step, Either) else (step,)
                moves += [(hand, one) for one in either if self._is_possible(one, works and rings)]
        return moves

    def _is_possible(self, step: Step, late: bool) -> bool:
        """``late``: a timer can ring before what could run; a host needs a system."""
        if isinstance(step, Restarts):
            return not self.system.alive
        if isinstance(step, _OF_HOSTS):
            return self.system.alive
        return late if isinstance(step, Lapses) else True

    def do(self, move: tuple[int, Step], written: int) -> list[Violation]:
        """Make a move; what is wrong now. A move that an earlier run made was looked at there."""
        hand, step = move
        if hand != _SYSTEM:
            self.places[hand] += 1
        self.taken.append(step)
        return self._tried(lambda: self._take(step, written))

    def _take(self, step: Step, written: int) -> list[Violation]:
        take(self.system, step)
        return self.system.check() if self.script.at >= written else []  # it made choices just now

    def settle(self) -> list[Violation]:
        """Nothing can come any more: what is wrong once all is at rest."""
        self.script.is_written = False
        return self._tried(self.system.settle)

    def _tried(self, act: Callable[[], list[Violation]]) -> list[Violation]:
        try:
            return act()
        except Exception as error:  # the system itself has ended: a violation like any other
            return [*self.system.judge.new(), failed(error)]

    def outcome(self) -> str:
        """What became of the orders, in words."""
        orders = self.system.judge.books.orders.values()
        said = [f"{o.terms.intent_id} {public_state(o).text} {o.cum_qty}" for o in orders]
        return ", ".join(said) or "no order"

    def state(self) -> bytes:
        """All that the future depends on."""
        return state_of(self.system, self.places)

    def scenario(self) -> Scenario:
        """What was done so far, for ``orderwright simulate``."""
        begins, drawn = self.race.begins, list(self.script.drawn)
        while drawn and not drawn[-1]:
            drawn.pop()  # the first is what a scenario takes where it has no more
        return replace(
            begins,
            steps=(*begins.steps, *self.taken),
            choices=tuple(drawn),
            name=self.race.name,
        )


class _Search:
    """The graph that is being searched; nodes are numbers in the order they were met."""

    def __init__(self, race: Race, *, reduces: bool) -> None:
        self.race = race
        self.reduces = reduces
        self.choices: list[_Choice] = []
        self.after: list[list[int]] = []  # by node: what follows each of its moves
        self.known: dict[bytes, int] = {}
        self.ends: dict[str, None] = {}
        self.end_states: dict[bytes, None] = {}
        self.found: list[Found] = []
        self.broken: dict[int, None] = {}  # nodes at which a schedule ended with a violation
        self.runs = 0

    def run(self) -> None:
        """Run once, from the beginning up to a state that was met before, or to an end."""
        self.runs += 1
        written = len(self.choices)
        script = _Script(self.choices)
        play = _Play(self.race, script)
        with play.system:
            bad = play.begin()
            before = -1
            while True:
                if script.at < written:
                    before = self.choices[script.at].node
                else:
                    is_new, before = self._arrive(before, play, bad)
                    if not is_new:
                        return
                moves = play.moves()
                if not moves:
                    self._end(before, play)
                    return
                bad = play.do(moves[script.decide(len(moves), before)], written)

    def _arrive(self, before: int, play: _Play, bad: list[Violation]) -> tuple[bool, int]:
        """A move has led here: the node, and whether to go on from it."""
        state = play.state() if self.reduces and not bad else b""
        node = self.known.get(state, -1) if state else -1
        is_new = node < 0
        if is_new:
            node = len(self.after)
            self.after.append([])
            if state:
                self.known[state] = node
        if before >= 0:
            self.after[before].append(node)
        if bad:
            self._keep(node, play, bad)
        return is_new and not bad, node

    def _end(self, node: int, play: _Play) -> None:
        self.end_states[play.state()] = None
        bad = play.settle()
        self.ends[play.outcome()] = None
        if bad:
            self._keep(node, play, bad)

    def _keep(self, node: int, play: _Play, bad: list[Violation]) -> None:
        self.broken[node] = None
        if len(self.found) < _KEPT_MAX:
            self.found.append(Found(bad[0], play.scenario()))

    def step_back(self) -> bool:
        """Raise the last number that can be raised; False: everything was searched."""
        choices = self.choices
        while choices and choices[-1].at + 1 == choices[-1].of:
            choices.pop()
        if choices:
            choices[-1].at += 1
        return bool(choices)

    def paths(self) -> tuple[int, int, bool]:
        """How many schedules there are, how many of them end badly, and whether all end."""
        count: dict[int, tuple[int, int]] = {}
        path: dict[int, int] = {0: 0}  # the nodes we are in, and how far we are in each
        while path:
            node, at = path.popitem()
            after = self.after[node]
            if at < len(after):
                path[node] = at + 1
                child = after[at]
                if child in path:
                    return 0, 0, False
                if child not in count:
                    path[child] = 0
                continue
            below = [count[child] for child in after]
            good, bad = sum(one for one, _ in below), sum(two for _, two in below)
            count[node] = (good, bad) if after else (1, int(node in self.broken))
        return *count[0], True


def explore(
    race: Race,
    *,
    max_states: int = 1_000_000,
    reduces: bool = True,
    progress: Callable[[int], object] | None = None,
) -> Explored:
    """Play every schedule of a race.

    Args:
        race: which.
        max_states: give up when so many were met; ``complete`` is False then.
        reduces: enter each state once; False: run every single schedule, to prove the same.
        progress: told after each run how many states were met.
    """
    began = time.perf_counter()
    search = _Search(race, reduces=reduces)
    is_complete = False
    while len(search.after) < max_states:
        search.run()
        if progress is not None:
            progress(len(search.after))
        if not search.step_back():
            is_complete = True
            break
    schedules, broken, ends = search.paths()
    if not ends:
        loop = Violation("runs_end", "a schedule comes back to a state it was in")
        search.found.append(Found(loop, race.begins))
    return Explored(
        scenario=race.name,
        schedules=schedules,
        states=len(search.after),
        ends=tuple(sorted(search.ends)),
        runs=search.runs,
        complete=is_complete and ends,
        broken=broken,
        found=tuple(search.found),
        end_states=frozenset(search.end_states),
        seconds=round(time.perf_counter() - began, 3),
    )
