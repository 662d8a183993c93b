"""Life after life of one system at one exchange: where crashes are staged.

A :class:`Stage` keeps what survives a crash (the exchange and its venues, the journal, the host's
intents) and makes anew what does not (system, dispatcher, sessions). Time is virtual and goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import msgspec

from engine.messages import Alarm, SubmitOrder
from engine.session_chart import SessionState
from engine.simulator import Exchange, ExchangeConfig
from engine.values import Instrument

from ..journal import Journal
from ..runtime import SimulatedDispatcher
from ..runtime.simulated import EPOCH_NS
from ..system import ExecutionSystem
from ..tickets import Ticket
from ..venues.paper import PaperMarket, PaperVenue
from ..venues.port import Venue
from .mortal import Crash, Death, MortalJournal, MortalVenue
from .truth import Truth, is_at_rest, truth_of

__all__ = ["SETTLE_NS", "CrashScenario", "Stage", "Step"]

_SECOND = 1_000_000_000
SETTLE_NS = 600 * _SECOND  # virtual: what takes longer to come to rest never does


#: What host and market do; it gets the stage. The one a crash has cut short is done again by the
#: next life, as a host would.
Step: TypeAlias = Callable[["Stage"], object]


def paper_venue(market: PaperMarket, account: str) -> Venue:
    """The account at the exchange, without faults."""
    return PaperVenue("SIM", account, market)


class CrashScenario(msgspec.Struct, frozen=True, kw_only=True):
    """What a system is put through, over and over, to die at another moment each time.

    It has to be the same each time it is played: what happens may depend on nothing but the stage.

    Attributes:
        name: for reports.
        steps: done in order; orders carry intent ids, because after a crash the host submits them
            all again. while_down: what the market does after each crash, before the restart.
        instruments, config: the exchange. accounts: at it, one venue each.
        venue: makes the venue of an account, (market, account), for each life; one that has an
        ``abandon()`` is kept instead, and told by it that its system died. at_the_end: what each
        life does when its steps are done, before it comes to rest: end the venue's faults.
        seed, turn_messages: how actors and turns interleave; short turns make more commits.
        down_ns: how long the process stays down. options: further arguments of the system.
    """

    name: str
    steps: tuple[Step, ...]
    instruments: tuple[Instrument, ...]
    while_down: tuple[Step, ...] = ()
    at_the_end: tuple[Step, ...] = ()
    config: ExchangeConfig = ExchangeConfig()
    accounts: tuple[str, ...] = ("main",)
    venue: Callable[[PaperMarket, str], Venue] = paper_venue
    seed: int = 0
    turn_messages: int = 4
    down_ns: int = _SECOND
    options: dict[str, Any] = {}


@runtime_checkable
class _CanBeAbandoned(Protocol):
    """A venue that can be told that nobody listens any more, as a process that died does not."""

    def abandon(self) -> None: ...


class Stage:
    """One exchange, one journal, and the life of a system that is on at present.

    Attributes:
        system: the one that lives (or died last). market: where prices and trades are told.
        exchange: the venue's own truth. venues: by account. journal: survives. lives: how many
        began. step: the one that is being done. alarms: of all lives. settled, digest: how the last
        life that ended well was, just before it stopped.
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
        self.venues = {one: scenario.venue(self.market, one) for one in scenario.accounts}
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
            for step in self.scenario.at_the_end:
                step(self)
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
        self.dispatcher = SimulatedDispatcher(
            seed=scenario.seed + self.lives,
            turn_messages=scenario.turn_messages,
            start_ns=self._now_ns,
        )
        venues = [
            MortalVenue(venue, death, self.sent[account]) for account, venue in self.venues.items()
        ]
        self.lives += 1
        self._alive = True
        self.system = ExecutionSystem(
            cast("list[Venue]", venues),
            journal=cast("Journal", MortalJournal(self.journal, death)),
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
        for account, venue in self.venues.items():
            if isinstance(venue, _CanBeAbandoned):
                venue.abandon()
                continue
            if isinstance(venue, PaperVenue):
                self.market.detach(venue)
            self.venues[account] = self.scenario.venue(self.market, account)

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
        self.market.advance(at_ns)

    def now_ns(self) -> int:
        """UTC nanoseconds, virtual."""
        return self.dispatcher.time_ns() if self._alive else self._now_ns

    def truth(self, account: str) -> Truth:
        """What the venue has of an account."""
        return truth_of(self.exchange, account, self.sent[account])
