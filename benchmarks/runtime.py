"""Our dispatchers beside Pykka's `ThreadingActor`: messages, questions, starts, and memory.

Both kinds of actors have the same `on_receive`, and 1,000 or 10,000 of them are alive and linked in
a ring while the cases are measured. In: sending, waking whoever has to run, and handling.

* hop, inside: a message goes round the ring, from actor to actor.
* hop, across threads: the host's thread tells one actor after another; it ends when all messages
  were handled.
* hop, from a loop: a coroutine does. Our dispatcher then lives in that loop; Pykka's actors have
  their threads as always.
* ask: the host's thread asks one actor after another; or a coroutine, which awaits each answer.
* start: 300 more actors, beside those that are there, each with its first message handled.
* size: resident memory by /proc, in a fresh process for each look: thread stacks included, with
  nothing to do and no message waiting. Started actors with a ref to each; and actors that their
  owner keeps (`adopt`), which is how the engine keeps its orders.

Out: making and stopping the crowd. Our turns commit nothing here; those of the engine write its
journal as well, which `lifecycle` measures.

10,000 messages go through the crowd in each round, each actor getting as many as the others. Only
from outside into 10,000 actors it is 2,000, to one actor each: telling all of them takes Pykka four
to ten seconds a round, and the more threads are awake at once, the more each message costs it. The
warm-up sends a tenth; the rounds are 5, and 3 with 10,000 actors. A machine that does not allow so
many threads has no result for them.
"""

from __future__ import annotations

import abc
import asyncio
import statistics
import threading
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Final, NamedTuple

from .actor_size import Kind, bytes_each
from .crowds import PATIENCE_S, Baton, Crowd, LoopCrowd, OwnCrowd, Ref, StockCrowd, Tally
from .harness import Options, Result, Row, Side, compare

_OWN: Final = "dispatcher"
_STOCK: Final = "ThreadingActor"
_CROWDS: Final = (1_000, 10_000)
_CROWDS_QUICK: Final = (100,)
_SLOW: Final = 10_000
_QUICK: Final = 10  # times less of everything; in a warm-up too
_ROUNDS_MAX: Final = {1_000: 5, 10_000: 3}
_SIZE_ROUNDS: Final = {1_000: 3, 10_000: 1}


def run(options: Options) -> Iterator[Result]:
    """Measure crowd after crowd, then sizes."""
    crowds = _CROWDS_QUICK if options.quick else _CROWDS
    for count in crowds:
        yield from _messages(count, options)
    for count in crowds:
        yield from _sizes(count, 1 if options.quick else _SIZE_ROUNDS[count])


def _messages(count: int, options: Options) -> Iterator[Result]:
    less = _QUICK if options.quick else 1
    rounds = min(options.rounds, _ROUNDS_MAX.get(count, options.rounds))
    with asyncio.Runner() as runner:
        stock = StockCrowd(count)
        try:
            own, in_loop = OwnCrowd(count), LoopCrowd(count, runner)
            try:
                for case in CASES:
                    amount = case.amount_if_slow if count >= _SLOW else case.amount
                    crowd = in_loop if issubclass(case.side, FromLoop) else own
                    yield from _measure(case, count, amount // less, rounds, crowd, stock, runner)
            finally:
                own.close()
                in_loop.close()
        finally:
            stock.close()


def _measure(
    case: Case,
    count: int,
    amount: int,
    rounds: int,
    own: Crowd,
    stock: Crowd,
    runner: asyncio.Runner,
) -> Sequence[Result]:
    few = max(1, amount // _QUICK)
    sides, warm_up = (
        (case.side(_OWN, own, much, runner), case.side(_STOCK, stock, much, runner))
        for much in (amount, few)
    )
    unit = f"us/{case.name.partition(',')[0]}"
    name = f"{case.name}, {count:,} actors"
    return compare("runtime", name, unit, lambda s: s / amount * 1e6, sides, rounds, warm_up)


class _Work(Side):
    """So much work for one crowd, which outlives the rounds."""

    def __init__(self, name: str, crowd: Crowd, amount: int, runner: asyncio.Runner) -> None:
        self.name = name
        self._crowd = crowd
        self._amount = amount
        self._runner = runner

    def _targets(self) -> list[Ref]:
        """Every actor in turn, as often as there is work."""
        return list(islice(cycle(self._crowd.refs), self._amount))

    def finish(self) -> None:
        """The crowd stays."""


class HopsInside(_Work):
    """From actor to actor."""

    def prepare(self) -> None:
        """A message that ends after so many hops."""
        self._done = threading.Event()
        self._baton = Baton(self._amount, self._done.set)

    def work(self) -> None:
        """Give it to the first, wait for the last."""
        self._crowd.refs[0].tell(self._baton)
        self._done.wait(PATIENCE_S)

    def check(self) -> None:
        """It went all the way."""
        assert not self._baton.left, f"{self._baton.left} hops are missing"


class HopsAcross(_Work):
    """From the host's thread to actors."""

    def prepare(self) -> None:
        """Whom to tell."""
        self._done = threading.Event()
        self._tally = Tally(self._amount, self._done.set)
        self._refs = self._targets()

    def work(self) -> None:
        """Tell them all, wait until all have it."""
        tally = self._tally
        for ref in self._refs:
            ref.tell(tally)
        self._done.wait(PATIENCE_S)

    def check(self) -> None:
        """All have it."""
        assert self._amount == self._tally.seen, self._tally.seen


class FromLoop(_Work):
    """From a coroutine."""

    def work(self) -> None:
        """Run it."""
        self._runner.run(asyncio.wait_for(self._work(), PATIENCE_S))

    @abc.abstractmethod
    async def _work(self) -> None: ...


class HopsFromLoop(FromLoop):
    """From a coroutine to actors."""

    def prepare(self) -> None:
        """Whom to tell."""
        self._tally = Tally(self._amount, lambda: None)
        self._refs = self._targets()

    async def _work(self) -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        tally = self._tally
        tally.done = lambda: loop.call_soon_threadsafe(done.set)
        for ref in self._refs:
            ref.tell(tally)
        await done.wait()

    def check(self) -> None:
        """All have it."""
        assert self._amount == self._tally.seen, self._tally.seen


class Asks(_Work):
    """Questions of the host's thread, one after the other."""

    def prepare(self) -> None:
        """Whom to ask."""
        self._refs = self._targets()
        self._answers = 0

    def work(self) -> None:
        """Ask, and wait for each answer."""
        for ref in self._refs:
            answer: int = ref.ask(1, block=True, timeout=PATIENCE_S)
            self._answers += answer

    def check(self) -> None:
        """Everybody answered what was asked."""
        assert self._amount == self._answers, self._answers


class AsksFromLoop(FromLoop, Asks):
    """Questions of a coroutine, one after the other."""

    async def _work(self) -> None:
        for ref in self._refs:
            answer: int = await ref.ask(1, block=False)
            self._answers += answer


class Starts(_Work):
    """More actors."""

    def prepare(self) -> None:
        """None yet."""
        self._done = threading.Event()
        self._tally = Tally(self._amount, self._done.set)
        self._refs: Sequence[Ref] = ()

    def work(self) -> None:
        """Start them, and wait until each has had a message."""
        self._refs = self._crowd.start_more(self._amount)
        for ref in self._refs:
            ref.tell(self._tally)
        self._done.wait(PATIENCE_S)

    def check(self) -> None:
        """They run."""
        assert self._amount == self._tally.seen, self._tally.seen

    def finish(self) -> None:
        """They go again."""
        self._crowd.stop_some(self._refs)


class Case(NamedTuple):
    """What is done, and how often; less often where Pykka is slow at it with 10,000 actors."""

    name: str
    side: type[_Work]
    amount: int
    amount_if_slow: int


CASES: Final = (
    Case("hop, inside", HopsInside, 10_000, 10_000),
    Case("hop, across threads", HopsAcross, 10_000, 2_000),
    Case("hop, from a loop", HopsFromLoop, 10_000, 2_000),
    Case("ask, across threads", Asks, 1_000, 1_000),
    Case("ask, from a loop", AsksFromLoop, 1_000, 1_000),
    Case("start", Starts, 300, 300),
)


def _sizes(count: int, rounds: int) -> Iterator[Result]:
    kinds: tuple[Kind, ...] = ("own", "adopted", "stock")
    looks: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            looks[kind].append(bytes_each(kind, count))
    stock = looks.pop("stock")
    floor = statistics.median(stock)
    for kind, case in (("own", "size, started"), ("adopted", "size, kept by its owner")):
        ours = looks[kind]
        value = statistics.median(ours)
        ratios = [mine / theirs for mine, theirs in zip(ours, stock, strict=True)]
        row = Row(
            "runtime", f"{case}, {count:,} actors", value, "bytes", _STOCK, floor, value / floor
        )
        yield Result(row, min(ratios), max(ratios))
