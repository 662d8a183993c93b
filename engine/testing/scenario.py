"""A scenario: everything that happens to a simulated system, as data.

Instruments and rules of the venue, what may go wrong (:class:`~engine.testing.faults.FaultPlan`),
the seed of every choice, and the steps of host, market and fate in order. Plain data: it compares,
prints, and goes to JSON and back (:func:`scenario_to_json`, :func:`scenario_from_json`), so that a
failure can be kept in a file, cut down by hand and replayed by ``orderwright simulate --scenario``.

Orders are named by the caller's own intent id; prices and quantities are absolute.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec

from ..budget import SessionLimits
from ..errors import EngineError, InvalidValue
from ..messages import SubmitOrder
from ..policies.risk import RiskLimits
from ..simulator.config import ExchangeConfig
from ..values import CorrectionKind, Instrument, Side, Word, exact
from .faults import BY_THEMSELVES, Fault, FaultPlan
from .scenario_asks import (
    AmendsElsewhere,
    CancelsElsewhere,
    CancelsGroup,
    Flattens,
    Lifts,
    Monitors,
    MovesLeg,
    PlacesElsewhere,
    Reconnects,
    SetsMode,
    SignalsEntry,
    SignalsExit,
    StepBase,
    SubmitsGroup,
    Unmonitors,
)

__all__ = [
    "ACCOUNT",
    "START_NS",
    "VENUE",
    "Amends",
    "AmendsElsewhere",
    "Bars",
    "Cancels",
    "CancelsElsewhere",
    "CancelsGroup",
    "Copies",
    "Crashes",
    "Flattens",
    "Happens",
    "Injects",
    "JournalFails",
    "Lapses",
    "Lifts",
    "Marks",
    "Moment",
    "Monitors",
    "MovesLeg",
    "PlacesElsewhere",
    "Quotes",
    "Reconnects",
    "Restarts",
    "Scenario",
    "SetsMode",
    "Settles",
    "Shifts",
    "SignalsEntry",
    "SignalsExit",
    "Silences",
    "Step",
    "Stops",
    "Submits",
    "SubmitsGroup",
    "Trades",
    "Turns",
    "Unmonitors",
    "Waits",
    "scenario_from_json",
    "scenario_to_json",
]

#: The name of the one venue of a scenario, and of the account we have there.
VENUE = "SIM"
ACCOUNT = "main"
#: When a scenario begins, UTC ns: a time that nobody takes for real.
START_NS = 1_700_000_000_000_000_000


class Submits(StepBase, frozen=True):
    """The host submits an order; the same intent id again is the same intent again."""

    order: SubmitOrder


class Cancels(StepBase, frozen=True):
    """The host asks for a cancel, of an order of any state, or of one that does not exist."""

    intent: str


class Amends(StepBase, frozen=True):
    """The host asks for new terms."""

    intent: str
    order_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None


class Settles(StepBase, frozen=True):
    """A person looks at the venue and states what became of an order in doubt.

    Nothing happens where there is no doubt, or where the venue may still change its mind.
    """

    intent: str


class Shifts(StepBase, frozen=True):
    """A holding changes by ``qty`` (signed) without an order of ours, and a person states it: as a
    correction, or (without a ``kind``) as what was held before the first trade.

    At the venue it is so from the moment at which it is written; what is refused never happens.
    """

    instrument: str
    qty: Decimal
    px: Decimal | None = None
    kind: CorrectionKind | None = None


class Copies(StepBase, frozen=True):
    """A drop copy tells the newest ``count`` executions, whatever the stream has told of them."""

    count: int = 1


class Quotes(StepBase, frozen=True):
    """The market shows its best prices; a side without a price is empty."""

    instrument: str
    bid_px: Decimal | None = None
    bid_qty: Decimal | None = None
    ask_px: Decimal | None = None
    ask_qty: Decimal | None = None


class Trades(StepBase, frozen=True):
    """Others trade."""

    instrument: str
    px: Decimal
    qty: Decimal
    aggressor: Side | None = None


class Marks(StepBase, frozen=True):
    """The venue's mark price moves."""

    instrument: str
    px: Decimal


class Waits(StepBase, frozen=True):
    """Time passes; everything that is due happens."""

    ns: int


class Turns(StepBase, frozen=True):
    """The system gets to do at most so many turns or steps of coroutines; no time passes."""

    count: int


class Lapses(StepBase, frozen=True):
    """The next timer rings, whatever else could run: the system was slow."""


class Injects(StepBase, frozen=True):
    """One more thing goes wrong at the venue, from now on."""

    fault: Fault


class Happens(StepBase, frozen=True):
    """Something goes wrong at the venue now, at no call of ours: an execution is busted, the link
    drops. What cannot happen (there is no execution) does not.
    """

    fault: Fault


class Bars(StepBase, frozen=True):
    """The venue shuts us out: for so long, as it says, or (None) until a person has mended it."""

    retry_ns: int | None = None


class Silences(StepBase, frozen=True):
    """The venue's price feed tells nothing for so long, while the market goes on."""

    ns: int


class Moment(Word):
    """Where in a turn the process dies."""

    NOW = "NOW"  # between two turns
    BEFORE_WRITE = "BEFORE_WRITE"  # a commit is not made
    AFTER_WRITE = "AFTER_WRITE"  # it is made, and nothing that waited for it leaves


class Crashes(StepBase, frozen=True):
    """The process dies: now, or at the ``nth`` commit from now (1: the next one)."""

    at: Moment = Moment.NOW
    nth: int = 1


class Stops(StepBase, frozen=True):
    """The host stops the system in order; ``cancels``: with its open orders, as far as it can."""

    cancels: bool = False


class Restarts(StepBase, frozen=True):
    """A new process takes the journal up; nothing happens while one is running."""


class JournalFails(StepBase, frozen=True):
    """The next ``count`` commits fail, as on a full disk."""

    count: int = 1


Step: TypeAlias = (
    Submits
    | Cancels
    | Amends
    | SubmitsGroup
    | CancelsGroup
    | MovesLeg
    | Monitors
    | Unmonitors
    | SignalsEntry
    | SignalsExit
    | Flattens
    | Lifts
    | SetsMode
    | Reconnects
    | PlacesElsewhere
    | CancelsElsewhere
    | AmendsElsewhere
    | Settles
    | Shifts
    | Copies
    | Quotes
    | Trades
    | Marks
    | Waits
    | Turns
    | Lapses
    | Injects
    | Happens
    | Bars
    | Silences
    | Crashes
    | Stops
    | Restarts
    | JournalFails
)


class Scenario(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What a run needs. The same scenario gives the same journal, byte for byte.

    Attributes:
        seed: of the schedule and of faults that are drawn.
        choices: of the schedule and of faults, in order, instead of the seed's: the n-th choice
            among ``k`` is ``choices[n] % k``, and the first where no more are listed. So ``()`` is
            the plainest schedule, without drawn faults.
        instruments: all of the venue :data:`VENUE`. config: how it behaves.
        balances: what the account can pay with; None: nothing is refused for lack of funds.
        limits: what the session keeps to; None: the defaults.
        risk: what signals may risk; None: a few lots.
        call_timeout_ns, ack_timeout_ns: as of the system.
        emulate_triggers: as of the system: triggers that the venue lacks are watched by it.
        loose: what is under way between us and the venue arrives when the schedule says so, see
            :mod:`actors.testing.loose_venue`.
        queue_deliveries: every message between actors is queued, and may be overtaken.
        commits_aside: a commit is a step of its own, and others may come before it.
        turn_messages: the longest turn.
        checkpoint_facts: how many facts lie between two checkpoints.
        listens: somebody subscribes to every event.
        steps: in order. name: for reports.
    """

    seed: int
    instruments: tuple[Instrument, ...]
    config: ExchangeConfig = ExchangeConfig()
    plan: FaultPlan = FaultPlan()
    choices: tuple[int, ...] | None = None
    balances: dict[str, Decimal] | None = None
    limits: SessionLimits | None = None
    risk: RiskLimits | None = None
    call_timeout_ns: int = 10_000_000_000
    ack_timeout_ns: int = 5_000_000_000
    emulate_triggers: bool = False
    loose: bool = False
    queue_deliveries: bool = False
    commits_aside: bool = False
    turn_messages: int = 8
    checkpoint_facts: int = 50_000
    listens: bool = False
    steps: tuple[Step, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        if not self.instruments:
            raise InvalidValue("a scenario needs instruments")
        for one in self.instruments:
            if one.venue != VENUE:
                raise InvalidValue(
                    f"instruments of a scenario are at the venue {VENUE!r};"
                    f" {one.symbol!r} is at {one.venue!r}"
                )
        counts = (self.turn_messages, self.checkpoint_facts)
        if min(*counts, self.call_timeout_ns, self.ack_timeout_ns) < 1:
            raise InvalidValue("turn_messages, checkpoint_facts and timeouts must be above 0")
        if self.choices and min(self.choices) < 0:
            raise InvalidValue(f"choices are >= 0; one is {min(self.choices)}")
        symbols = {one.symbol: None for one in self.instruments}
        for step in self.steps:
            _check(step, symbols)


def _check(step: Step, symbols: dict[str, None]) -> None:
    placed = Quotes | Trades | Marks | Shifts | PlacesElsewhere
    if isinstance(step, placed) and step.instrument not in symbols:
        raise InvalidValue(f"{step}: no such instrument; known are {', '.join(symbols)}")
    if isinstance(step, Submits) and not step.order.intent_id:
        raise InvalidValue(f"{step}: an order of a scenario has an intent_id to call it by")
    if isinstance(step, PlacesElsewhere) and not step.name:
        raise InvalidValue(f"{step}: an order has a name to call it by")
    if isinstance(step, SubmitsGroup) and not step.intent:
        raise InvalidValue(f"{step}: a group of a scenario has an intent to call it by")
    if isinstance(step, Happens) and step.fault.kind not in BY_THEMSELVES:
        raise InvalidValue(f"{step.fault.kind.value} happens at a call or report: use Injects")
    for name in ("ns", "count", "nth", "protect_within_ns", "deadline_ns", "retry_ns"):
        value = getattr(step, name, 1)
        if value is not None and value < (0 if name == "ns" else 1):
            raise InvalidValue(f"{step}: {name} is too small")


def scenario_to_json(scenario: Scenario) -> bytes:
    """The scenario as JSON; :func:`scenario_from_json` gives the same one again."""
    return msgspec.json.encode(scenario)


def scenario_from_json(text: bytes | str) -> Scenario:
    """A scenario from JSON.

    Raises:
        InvalidValue: it is no scenario; the message says where.
    """
    try:
        with exact():
            return msgspec.json.decode(text, type=Scenario)
    except (msgspec.MsgspecError, UnicodeError, EngineError) as error:
        raise InvalidValue(f"not a scenario: {error}") from None
