"""A whole system in one thread: the real actors, broker and journal, in virtual time, at a venue
that can be made to fail.

``SimulatedSystem(seed=7, plan=PROFILES["rough"])`` is a running
:class:`~actors.system.ExecutionSystem` at a simulated exchange. Submit and cancel, move the market,
let time pass, crash and restart it; :meth:`SimulatedSystem.check` says what is wrong at any moment,
:meth:`SimulatedSystem.settle` what is wrong once everything has come to rest. The same arguments
and calls give the same journal, byte for byte, on every Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from engine.errors import InvalidValue, SystemStopped
from engine.messages import Event, SubmitOrder
from engine.policies.risk import RiskLimits
from engine.session import SessionLimits
from engine.simulator import ExchangeConfig
from engine.testing.drawing import draws
from engine.testing.faults import Fault, FaultPlan
from engine.testing.scenario import ACCOUNT, START_NS, VENUE, Moment
from engine.values import Instrument, Side
from engine.views import OrderView

from ..journal import Journal
from ..runtime import Future, SimulatedDispatcher
from ..system import ExecutionSystem
from ..tickets import Ticket
from ..venues.paper import PaperVenue
from .faulty_venue import FaultyVenue
from .judge import Judge
from .kept_journal import KeptJournal, Killed
from .loose_venue import LooseVenue
from .simulated_parts import KitExchange, TimedMarket, WatchedSystem, deepen
from .truth import Violation

__all__ = ["SPOT", "SimulatedSystem"]

_SECOND: Final = 1_000_000_000
#: What is traded where nothing else is asked for.
SPOT: Final = Instrument(
    symbol="BTC/USDT",
    venue=VENUE,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.5"),
    lot_size=Decimal("0.01"),
)
#: Names of independent streams of choices, drawn from one seed.
_SCHEDULE: Final = 1
_FAULTS: Final = 2


class SimulatedSystem:
    """See the module's text.

    Attributes:
        system: the one that runs, or ran last. exchange: the venue's own truth; survives crashes.
        market: where prices are told. venue: what the system talks to. dispatcher: its clock.
        journal: of the present life. judge: what watches. alive: whether a system runs.
        crashes: how many there were. asked: answers of commands, in order, of the present life.
        heard: every event so far, if somebody listens. ids: by intent. risk: of its signals.
    """

    system: ExecutionSystem
    dispatcher: SimulatedDispatcher
    asked: list[Future[Any]]
    heard: list[Event]
    ids: dict[str, str]
    risk: RiskLimits | None = None

    def __init__(
        self,
        *,
        seed: int = 0,
        choose: Callable[[int], int] | None = None,
        plan: FaultPlan | None = None,
        config: ExchangeConfig | None = None,
        instruments: Sequence[Instrument] = (SPOT,),
        balances: Mapping[str, Decimal] | None = None,
        journal: Journal | None = None,
        limits: SessionLimits | None = None,
        loose: bool = False,
        queue_deliveries: bool = False,
        commits_aside: bool = False,
        turn_messages: int = 8,
        emulate_triggers: bool = False,
        call_timeout: float = 10.0,
        ack_timeout: float = 5.0,
        checkpoint_facts: int = 16,
        listens: bool = False,
    ) -> None:
        """Make the exchange and start the first life.

        Args:
            seed: of every choice: who runs next, which drawn fault happens.
            choose: makes the choices instead: ``choose(n)`` gives one of ``0 .. n-1``.
            plan: what goes wrong at the venue; nothing when left out.
            config: of the exchange.
            instruments: traded there, all of the venue ``"SIM"``.
            balances: what the account can pay with; without them nothing is refused.
            journal: kept in memory when left out; only that one can be cut by a crash.
            limits: of the session.
            loose: what is under way to and from the venue arrives when ``choose`` says so.
            queue_deliveries: queue every message between actors, as production does not.
            commits_aside: a commit is a step of its own, as with a slow disk in a host's loop.
            turn_messages: the longest turn.
            emulate_triggers: as for the system.
            call_timeout: in seconds, as for the system.
            ack_timeout: in seconds, as for the system.
            checkpoint_facts: how many facts lie between two checkpoints.
            listens: have a subscriber for every event.
        """
        self.plan = plan or FaultPlan()
        self.exchange = KitExchange(config or ExchangeConfig(), instruments)
        self.exchange.open_account(ACCOUNT, balances)
        self.journal: Journal = journal or KeptJournal("SIM", "TEST", START_NS)
        self.alive, self.crashes, self.heard, self.ids = False, 0, [], {}
        of = self.exchange, VENUE, ACCOUNT
        self.judge = Judge(*of, instruments, lambda: self.venue.calls)
        self.exchange.before_bust = self.judge.note_executions
        self._choose = choose or draws(seed, _SCHEDULE)
        self._choose_fault = choose or draws(seed, _FAULTS)
        self._limits, self._listens, self._facts = limits, listens, checkpoint_facts
        self._schedule = queue_deliveries, commits_aside, turn_messages
        self._options = call_timeout, ack_timeout, emulate_triggers
        self._now_ns, self.market = START_NS, TimedMarket(self.exchange)
        paper = PaperVenue(VENUE, ACCOUNT, self.market)
        self.venue = FaultyVenue(paper, self.plan, self._choose_fault)
        self._line = LooseVenue(self.venue, self._choose_fault) if loose else self.venue
        self._begin()

    # --- lives ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        queued, aside, longest = self._schedule
        call_s, ack_s, emulates = self._options
        self.dispatcher = SimulatedDispatcher(
            choose=self._choose, start_ns=self._now_ns, queue_deliveries=queued,
            turn_messages=longest, commits_aside=aside,
        )  # fmt: skip
        self.market.wakes_on(self.dispatcher)
        system = WatchedSystem(
            [self._line], journal=self.journal, dispatcher=self.dispatcher, engine_id="SIM",
            limits=self._limits, call_timeout=call_s, ack_timeout=ack_s, emulate_triggers=emulates,
        )  # fmt: skip
        system.on_commit = self.judge.committed
        system.checkpoint_facts = self._facts
        self.system = system
        self.asked = []
        self.judge.attach(system, self.venue.capabilities)
        if isinstance(self.journal, KeptJournal):
            self.journal.on_death = self.judge.detach
        if self._listens:
            system.subscribe(self.heard.append)
        self.alive = True
        self._mortal(system.start if self._line is self.venue else system.launch)

    def _mortal(self, run: Callable[[], object]) -> None:
        """Do what may turn out to be the last thing."""
        try:
            run()
        except Killed:
            self.crashes += 1
            self._end(None)

    def _end(self, at_seq: int | None) -> None:
        self._now_ns = self.dispatcher.time_ns()
        self.judge.detach()
        self.dispatcher.kill()
        self.alive = False
        self.market.wakes_on(None)
        self._line.abandon()
        if isinstance(self.journal, KeptJournal):
            self.journal = self.journal.cut(at_seq)
        elif at_seq is not None:
            raise InvalidValue("only the kit's own journal can be cut; pass no journal")
        self.judge.catch_up(self.journal, is_cut=at_seq is not None)

    def crash(self, at_seq: int | None = None) -> None:
        """Drop the system as if its process had died; the journal keeps what was committed.

        With ``at_seq`` only commits that end at or before that record: a disk that lost writes.
        """
        if self.alive:
            self.crashes += 1
            self._end(at_seq)

    def stop(self, *, cancel: bool = False) -> None:
        """Stop in order, as a host does: with its open orders (``cancel``) or leaving them."""
        if not self.alive:
            return
        how = "cancel" if cancel else "leave"
        self._mortal(lambda: self.system.stop(open_orders=how))
        if self.alive:
            self.judge.note(self.judge.unanswered(self.asked))
            self._end(None)

    def crash_at(self, at: Moment, nth: int = 1) -> None:
        """Have the process die at the ``nth`` commit from now, before or after it is written."""
        if at is Moment.NOW:
            self.crash()
        elif not isinstance(self.journal, KeptJournal):
            raise InvalidValue("only the kit's own journal can end a process; pass no journal")
        else:
            self.journal.die(at, nth)

    def restart(self) -> None:
        """Start a new system on the journal, at the same exchange; nothing while one runs."""
        if not self.alive:
            self._begin()

    def fail_journal(self, count: int = 1) -> None:
        """Have the next ``count`` commits fail, as on a full disk."""
        if not isinstance(self.journal, KeptJournal):
            raise InvalidValue("only the kit's own journal can be made to fail; pass no journal")
        self.journal.fail(count)

    # --- what a host does -------------------------------------------------------------------------

    def submit(self, order: SubmitOrder) -> Ticket:
        """As :meth:`ExecutionSystem.submit`; nothing runs before :meth:`run` or :meth:`turns`."""
        self._check_alive()
        ticket = self.system.submit(order)
        self.ids[ticket.intent_id] = ticket.client_order_id
        return ticket

    def id_of(self, intent: str) -> str:
        """The client order id an intent was given, in any life; else the text itself."""
        return self.ids.get(intent, intent)

    def cancel(self, order: Ticket | str) -> Future[OrderView]:
        """As :meth:`ExecutionSystem.cancel`."""
        self._check_alive()
        return self._keep(self.system.cancel(order))

    def amend(self, order: Ticket | str, **terms: Decimal | None) -> Future[OrderView]:
        """As :meth:`ExecutionSystem.amend`."""
        self._check_alive()
        return self._keep(self.system.amend(order, **terms))

    def _keep(self, answer: Future[OrderView]) -> Future[OrderView]:
        self.asked.append(answer)
        return answer

    def _check_alive(self) -> None:
        if not self.alive:
            raise SystemStopped("the simulated system has crashed; restart() it first")

    def inject(self, fault: Fault) -> None:
        """One more thing goes wrong at the venue, from now on, in this life."""
        self.venue.inject(fault)

    def happen(self, fault: Fault) -> bool:
        """Something goes wrong at the venue now, of itself; False: it could not."""
        return self.venue.happen(fault)

    # --- what the market does ---------------------------------------------------------------------

    def quote(
        self,
        symbol: str,
        bid_px: Decimal | None,
        bid_qty: Decimal | None,
        ask_px: Decimal | None,
        ask_qty: Decimal | None,
    ) -> None:
        """Show the best prices."""
        self.market.on_quote(symbol, bid_px, bid_qty, ask_px, ask_qty, self.now_ns())

    def trade(self, symbol: str, px: Decimal, qty: Decimal, aggressor: Side | None = None) -> None:
        """Others trade."""
        self.market.on_trade(symbol, px, qty, aggressor, self.now_ns())

    def mark(self, symbol: str, px: Decimal) -> None:
        """The mark price moves."""
        self.market.on_mark(symbol, px, self.now_ns())

    # --- time -------------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """UTC nanoseconds, virtual."""
        return self.dispatcher.time_ns() if self.alive else self._now_ns

    def run(self, duration_ns: int) -> None:
        """Let time pass; everything that is due happens, also while no system runs."""
        until_ns = self.now_ns() + duration_ns
        if self.alive:
            self._mortal(lambda: self.dispatcher.run_to(until_ns))
        while not self.alive and self._now_ns < until_ns:
            due_ns = self.exchange.next_event_ns()
            self._now_ns = until_ns if due_ns is None else min(max(due_ns, self._now_ns), until_ns)
            self.market.advance(self._now_ns)

    def turns(self, count: int) -> int:
        """Let the system do at most so many turns or steps of coroutines; no time passes.

        Gives how many it did.
        """
        done = 0

        def go() -> None:
            nonlocal done
            while done < count and self.alive and self.dispatcher.step_ready():
                done += 1

        if self.alive:
            self._mortal(go)
        return done

    def lapse(self) -> None:
        """Time passes to the next timer, whatever else could run; nothing while no system runs."""
        if self.alive:
            self.dispatcher.lapse()

    def run_until_idle(self) -> None:
        """Let the system do what it can do now; no time passes."""
        if self.alive:
            self._mortal(self.dispatcher.run_ready)

    # --- judging ----------------------------------------------------------------------------------

    @property
    def injected(self) -> dict[str, int]:
        """How often each kind of fault has happened, over all lives."""
        found = {kind.value: count for kind, count in self.venue.injected.items() if count}
        return dict(sorted(found.items()))

    def check(self) -> list[Violation]:
        """What is wrong now and was not said before; see :mod:`actors.testing.judge`."""
        return [] if self.dispatcher.in_flight else self.judge.check()  # its turn has not ended

    def heal(self) -> None:
        """Nothing goes wrong any more: a dead system is restarted, the venue and disk work."""
        if isinstance(self.journal, KeptJournal):
            self.journal.spare()
        self.restart()
        self.venue.heal()

    def settle(self, limit_ns: int = 1800 * _SECOND) -> list[Violation]:
        """Heal, let everything come to rest (somebody trades with groups that have to close
        something), and say what is wrong then, or was before.
        """
        self.heal()
        until_ns = self.now_ns() + limit_ns
        wait_ns = _SECOND
        bad: list[Violation] = []
        for _ in range(2):  # what is right has to stay right
            while True:
                broker = self.system.brokers.get((VENUE, ACCOUNT)) if self.alive else None
                if broker is not None:
                    deepen(broker, self.market, self.exchange, self.now_ns())
                self.run(wait_ns)
                if self.judge.is_quiet() and not (bad := self._at_rest()):
                    break
                if self.now_ns() >= until_ns:
                    bad = bad or self._at_rest()
                    break
                wait_ns = min(2 * wait_ns, 60 * _SECOND)
        return [*self.check(), *bad]

    def _at_rest(self) -> list[Violation]:
        return [*self.judge.at_rest(self.journal), *self.judge.unanswered(self.asked)]

    def save_journal(self, path: str | Path) -> None:
        """Write the journal to a new file, for ``orderwright explain``.

        Raises:
            InvalidValue: there is one already, or the journal is not the kit's own.
            JournalError: the file cannot be a journal.
        """
        if not isinstance(self.journal, KeptJournal):
            raise InvalidValue("only the kit's own journal can be written to a file")
        self.journal.save(path)

    def journal_bytes(self) -> bytes:
        """Every record in order, as one text: what equal runs have equal."""
        return b"\n".join(
            msgspec.json.encode((r.seq, r.ts, r.entity, r.kind, r.body.decode(), r.check))
            for r in self.journal.records()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything; the journal can still be read."""
        self.dispatcher.kill()
        self.alive = False
