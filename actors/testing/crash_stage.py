"""Life after life of one system at one exchange: where crashes are staged.

A :class:`Stage` keeps what survives a crash (the exchange, the journal, the host's intents) and
makes anew what does not (system, dispatcher, venue, session). Time is virtual and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import msgspec

from engine.errors import InvalidValue
from engine.messages import Alarm, Amend, Cancel, Place, SubmitOrder
from engine.session_chart import SessionState
from engine.simulator import Exchange, ExchangeConfig
from engine.values import Instrument, Word

from ..journal import Batch, Journal
from ..runtime import SimulatedDispatcher
from ..runtime.simulated import EPOCH_NS
from ..system import ExecutionSystem
from ..tickets import Ticket
from ..venues.paper import PaperMarket, PaperVenue
from ..venues.port import Outcome, Throttled, Venue
from .truth import Truth, is_at_rest, truth_of

__all__ = ["Crash", "CrashPoint", "CrashScenario", "Cut", "Death", "Stage", "Step"]

_SECOND = 1_000_000_000
SETTLE_NS = 600 * _SECOND  # virtual: what takes longer to come to rest never does


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


#: What host and market do; it gets the stage. The one a crash has cut short is done again by the
#: next life, as a host would.
Step: TypeAlias = Callable[["Stage"], object]


def paper_venue(market: PaperMarket, account: str, life: int) -> Venue:
    """The venue of each life: the account at the exchange, without faults."""
    del life
    return PaperVenue("SIM", account, market)


class CrashScenario(msgspec.Struct, frozen=True, kw_only=True):
    """What a system is put through, over and over, to die at another moment each time.

    It has to be the same each time it is played: what happens may depend on nothing but the stage.

    Attributes:
        name: for reports.
        steps: done in order; orders carry intent ids, because after a crash the host submits them
            all again. while_down: what the market does after each crash, before the restart.
        instruments, config: the exchange. accounts: at it, one venue each.
        venue: makes the venue of a life: (market, account, number of the life from 0).
        seed, turn_messages: how actors and turns interleave; short turns make more commits.
        down_ns: how long the process stays down. options: further arguments of the system.
    """

    name: str
    steps: tuple[Step, ...]
    instruments: tuple[Instrument, ...]
    while_down: tuple[Step, ...] = ()
    config: ExchangeConfig = ExchangeConfig()
    accounts: tuple[str, ...] = ("main",)
    venue: Callable[[PaperMarket, str, int], Venue] = paper_venue
    seed: int = 0
    turn_messages: int = 4
    down_ns: int = _SECOND
    options: dict[str, Any] = {}


class Death:
    """Counts the commits and calls of one life, and ends it at the one that was chosen."""

    def __init__(self, cut: Cut | None = None) -> None:
        self.cut = cut
        self.commits = 0
        self.calls = 0

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
        """The venue has acted on it."""
        self._die(CrashPoint.AFTER_SEND, call)

    def _die(self, point: CrashPoint, count: int) -> None:
        cut = self.cut
        if cut is not None and cut.point is point and cut.nth == count:
            raise Crash(str(cut))


class _MortalJournal:
    """A journal whose appends may be the last thing that happens. It outlives its system."""

    def __init__(self, inner: Journal, death: Death) -> None:
        self._inner = inner
        self._death = death

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def append(self, batch: Batch) -> int:
        return self._death.write(lambda: self._inner.append(batch))

    def close(self) -> None:
        """A process that died closes nothing, and after a good end the stage still reads it."""


class _MortalVenue:
    """A venue whose calls may be the last thing that happens."""

    def __init__(self, inner: Venue, death: Death, sent: dict[str, int]) -> None:
        self._inner = inner
        self._death = death
        self._sent_counts = sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def place(self, request: Place) -> Outcome:
        call = self._death.leave()
        self._sent(request)
        outcome = await self._inner.place(request)
        self._ended(request, outcome)
        self._death.left(call)
        return outcome

    async def cancel(self, request: Cancel) -> Outcome:
        call = self._death.leave()
        outcome = await self._inner.cancel(request)
        self._death.left(call)
        return outcome

    async def amend(self, request: Amend) -> Outcome:
        call = self._death.leave()
        outcome = await self._inner.amend(request)
        self._death.left(call)
        return outcome

    async def place_batch(self, requests: Sequence[Place]) -> Sequence[Outcome]:
        call = self._death.leave()
        for request in requests:
            self._sent(request)
        outcomes = await self._inner.place_batch(requests)
        for request, outcome in zip(requests, outcomes, strict=False):
            self._ended(request, outcome)
        self._death.left(call)
        return outcomes

    async def cancel_batch(self, requests: Sequence[Cancel]) -> Sequence[Outcome]:
        call = self._death.leave()
        outcomes = await self._inner.cancel_batch(requests)
        self._death.left(call)
        return outcomes

    def _sent(self, request: Place) -> None:
        self._sent_counts[request.client_order_id] = (
            self._sent_counts.get(request.client_order_id, 0) + 1
        )

    def _ended(self, request: Place, outcome: Outcome) -> None:
        if isinstance(outcome, Throttled):  # a definite no: it may leave again
            self._sent_counts[request.client_order_id] -= 1


class Stage:
    """One exchange, one journal, and the life of a system that is on at present.

    Attributes:
        system: the one that lives (or died last). market: where prices and trades are told.
        exchange: the venue's own truth. journal: survives. lives: how many began. step: the step
        that is being done. alarms: of all lives. settled, digest: how the last life that ended
        well was, just before it stopped.
    """

    system: ExecutionSystem
    market: PaperMarket
    dispatcher: SimulatedDispatcher

    def __init__(self, scenario: CrashScenario, journal: Journal) -> None:
        self.scenario = scenario
        self.journal = journal
        self.exchange = Exchange(scenario.config, scenario.instruments)
        for account in scenario.accounts:
            self.exchange.open_account(account)
        self.market = PaperMarket(self.exchange)
        self.lives = 0
        self.step = 0
        self.alarms: list[Alarm] = []
        self.settled = False
        self.digest = ""
        self.sent: dict[str, dict[str, int]] = {account: {} for account in scenario.accounts}
        self._wanted: dict[str, SubmitOrder] = {}
        self._tickets: dict[str, Ticket] = {}
        self._alive = False
        self._now_ns = EPOCH_NS

    # --- lives ------------------------------------------------------------------------------------

    def live(self, death: Death) -> None:
        """One whole life: start, do the steps that are left, come to rest, stop.

        Raises:
            Crash: the life ended as ``death`` wanted. Time has gone on since, and the next may
            begin.
        """
        try:
            self._begin(death)
            steps = self.scenario.steps
            while self.step < len(steps):
                steps[self.step](self)
                self.step += 1
            self.settled = self._settle()
            self.digest = self.system.state_digest().get(timeout=1)
            self.system.stop()
        except Crash:
            self._over()
            for step in self.scenario.while_down:
                step(self)
            self.run(self.scenario.down_ns)
            raise
        self._over()

    def _begin(self, death: Death) -> None:
        """Start a system on what there is; then the host submits again all it ever wanted."""
        scenario = self.scenario
        self.market = PaperMarket(self.exchange)
        self.dispatcher = SimulatedDispatcher(
            seed=scenario.seed + self.lives,
            turn_messages=scenario.turn_messages,
            start_ns=self._now_ns,
        )
        venues = [
            _MortalVenue(
                scenario.venue(self.market, account, self.lives), death, self.sent[account]
            )
            for account in scenario.accounts
        ]
        self.lives += 1
        self._alive = True
        self.system = ExecutionSystem(
            cast("list[Venue]", venues),
            journal=cast("Journal", _MortalJournal(self.journal, death)),
            dispatcher=self.dispatcher,
            **scenario.options,
        )
        self.system.subscribe(self._alarmed, Alarm)
        self.system.start()
        self.run(_SECOND // 100)  # the session with the venue is up
        for intent, order in self._wanted.items():
            self._tickets[intent] = self.system.submit(order)

    def _alarmed(self, event: object) -> None:
        if isinstance(event, Alarm):
            self.alarms.append(event)

    def _over(self) -> None:
        """From here on time goes on without a system, and what the market does nobody hears."""
        self._now_ns = self.dispatcher.time_ns()
        self._alive = False
        self.market = PaperMarket(self.exchange)

    def _settle(self) -> bool:
        """Let time pass until nothing is under way, or for too long; whether it came to that."""
        until_ns = self.now_ns() + SETTLE_NS
        while self.now_ns() < until_ns:
            self.run(_SECOND)
            if self._is_settled():
                return True
        return False

    def _is_settled(self) -> bool:
        """Sessions are up, no call flies, no order has a question or an answer outstanding."""
        return all(
            broker.session.state is SessionState.READY
            and not broker.session.in_flight
            and not broker.session.queued
            and all(is_at_rest(actor.order) for actor in broker.orders.values())
            for broker in self.system.brokers.values()
        )

    # --- what steps do ----------------------------------------------------------------------------

    def submit(self, order: SubmitOrder) -> Ticket:
        """Want an order (by its intent id), in this life and all later ones."""
        self._wanted[order.intent_id] = order
        ticket = self._tickets[order.intent_id] = self.system.submit(order)
        return ticket

    def ticket(self, intent_id: str) -> Ticket:
        """The ticket of an intent, in this life."""
        return self._tickets[intent_id]

    def run(self, duration_ns: int) -> None:
        """Let time pass: timers, requests on their way, expiries."""
        until_ns = self.now_ns() + duration_ns
        while (due := self.exchange.next_event_ns()) is not None and due <= until_ns:
            self._reach(max(due, self.now_ns()))
            if self.exchange.next_event_ns() == due:
                break  # reports of an account that is not connected: they are due for ever
        self._reach(until_ns)

    def _reach(self, at_ns: int) -> None:
        if self._alive:
            self.dispatcher.run_to(at_ns)
            self.market.advance(at_ns)
            self.dispatcher.run_ready()
            return
        self._now_ns = at_ns
        self.exchange.advance(at_ns)
        for account in self.scenario.accounts:
            self.exchange.drain(account, at_ns)

    def now_ns(self) -> int:
        """UTC nanoseconds, virtual."""
        return self.dispatcher.time_ns() if self._alive else self._now_ns

    def truth(self, account: str) -> Truth:
        """What the venue has of an account."""
        return truth_of(self.exchange, account, self.sent[account])
