"""What the parts of a broker know of each other.

A broker is cut into files by concern (its calls, its link, its trouble, its intake), and each part
needs the others. They meet here, in shapes that stand below all of them, so that no module needs
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from engine.calls import (
    FetchExecutions,
    QueryExecutions,
    QueryOpenOrders,
    QueryPositions,
    VenueRequest,
)
from engine.capabilities import Capabilities
from engine.control import Control
from engine.group import Group
from engine.marks import Mark
from engine.messages import (
    AmendGroup,
    AmendOrder,
    CancelGroup,
    Filled,
    LinkSilent,
    OrderReport,
    Place,
    SubmitOrder,
)
from engine.order import Ledger, Order, Step
from engine.prices import Price
from engine.session import VenueSession
from engine.trips import Trail
from engine.values import Instrument, PositionSlot, TriggerSource

from .broker_words import Counters
from .executions import Executions
from .group_words import SlotSide
from .guard_roles import ClaimsRole, HungRole, SurplusRole
from .journal import Journal
from .position import PositionActor
from .runtime import Actor, Dispatcher, Timer
from .tickets import Waiters
from .turn import Turn
from .venue_ids import VenueIds
from .venues.port import Answer, Sink, Venue
from .watched_books import WatchedBooks

__all__ = [
    "BrokerRole",
    "CallsRole",
    "DriftingRole",
    "FlatteningRole",
    "GroupsRole",
    "LaneRole",
    "LinkRole",
    "OrderRole",
    "PricesRole",
    "TriggersRole",
    "WatchRole",
]


class OrderRole(Actor):
    """An order actor, as its broker's parts see it."""

    __slots__ = ()

    broker: BrokerRole
    order: Order
    ledger: Ledger | None
    frozen: bool
    revived: bytes | None

    def note_sent(self) -> None:
        """Its placement was handed to the wire."""
        raise NotImplementedError

    def note_unsent(self) -> None:
        """Its placement was throttled."""
        raise NotImplementedError

    def is_done(self) -> bool:
        """Ended and settled: it may leave memory."""
        raise NotImplementedError


class LaneRole(Protocol):
    """Where requests go."""

    @property
    def hung(self) -> HungRole: ...

    def send(self, request: VenueRequest, reduces: bool) -> None: ...

    def pump(self) -> None: ...

    def withdraw_unsent(self) -> None: ...

    def drop_amend(self, cid: str, reason: str) -> None: ...


class CallsRole(Protocol):
    """Who asks about one order."""

    def ask_after_gap(self, actor: OrderRole, *, is_missing: bool) -> None: ...

    def ask_by_id(self, actor: OrderRole) -> None: ...

    def hand_over(self) -> list[str]: ...

    def refusal(self, order: SubmitOrder) -> tuple[str, str] | None: ...


class LinkRole(Protocol):
    """Who owns the session."""

    closing: bool
    executions_ts: int

    def admitted(self, report: Any) -> Any: ...

    def fetch_executions(self) -> None: ...
    def fetch_lists(self) -> None: ...

    def sink(self, report: Any) -> None: ...

    def link_silent(self, silent: LinkSilent) -> None: ...

    def ask_all(self, silent: LinkSilent) -> None: ...

    def reconnect(self) -> bool: ...

    def saw_executions(self, latest_ts: int, *, complete: bool) -> None: ...


class WatchRole(Protocol):
    """Who listens for silence."""

    armed: bool
    patience_ns: int

    def arm(self) -> None: ...

    @property
    def sink(self) -> Sink: ...

    def expect(self, sent_ts: int) -> None: ...

    def unheard(self, what: str) -> None: ...

    def answered(
        self,
        request: QueryOpenOrders | QueryExecutions | QueryPositions | FetchExecutions,
        outcome: Answer[Any] | None,
    ) -> None: ...

    def stop(self) -> None: ...


class GroupHolder(Protocol):
    """A group, as those see it who ask what it holds."""

    group: Group
    holds: dict[SlotSide, Decimal]


class GroupsRole(Protocol):
    """Who keeps the groups of a broker, and does for them what touches others."""

    @property
    def groups(self) -> Mapping[str, GroupHolder]: ...

    def touched(self, order: Order) -> None: ...

    def retire(self, actor: Any, _: None) -> None: ...

    def remind(self, delay_ns: int, message: Any) -> Timer: ...

    def both_filled(self, group: Group, exits: str, emergency: str, qty: Decimal) -> None: ...

    def req_id(self) -> str: ...

    def new_order(self, order: SubmitOrder) -> SubmitOrder: ...

    def place(self, order: SubmitOrder) -> None: ...

    def cancelled(self, order: Order) -> None: ...

    def moved(self, instrument: str, slot: PositionSlot) -> None: ...

    def call_off(self, command: CancelGroup) -> Group: ...

    def move(self, command: AmendGroup) -> Group: ...

    def amended(self, order: Order, amend: AmendOrder) -> None: ...

    def follow(self, group_id: str) -> None: ...

    def group_of(self, group_id: str) -> Group | None: ...

    def closes(self, order: Order) -> bool: ...


class FlatteningRole(Protocol):
    """Who shuts an account and flattens it."""

    @property
    def control(self) -> Control: ...

    def refusal(self, order: SubmitOrder, reduces: bool) -> tuple[str, str] | None: ...

    def lowers(self, order: SubmitOrder) -> bool: ...

    def is_shut(self, instrument: str) -> bool: ...

    def touched(self, instrument: str) -> None: ...

    def linked(self) -> None: ...


class ProtectionsRole(Protocol):
    """Who watches what is held without a stop."""

    active: bool

    def look(self, key: tuple[str, PositionSlot]) -> None: ...


class PricesRole(Protocol):
    """Who knows prices."""

    def watch(self, instrument: str, key: object, watcher: Callable[[Price], object]) -> None: ...

    def unwatch(self, instrument: str, key: object) -> None: ...

    def linked(self) -> None: ...

    def latest(self, instrument: str) -> Price | None: ...

    def now(
        self, instrument: str, source: TriggerSource, max_age_ns: int | None = None
    ) -> Decimal | None: ...


class FollowingRole(Protocol):
    """Who follows slots: their trips, and the marks on them."""

    keeps: bool

    def made(self, actor: PositionActor) -> None: ...

    def trails(self) -> Iterable[Trail]: ...

    def keep_trips(self) -> None: ...

    def look_all(self) -> None: ...

    def mark(self, instrument: str) -> Mark | None: ...


class DriftingRole(Protocol):
    """Who compares positions with the venue's."""

    def begin(self) -> None: ...

    def answered(
        self, request: QueryPositions | FetchExecutions, answer: Answer[Any] | None
    ) -> None: ...

    def refusal(self, order: SubmitOrder) -> tuple[str, str] | None: ...


class TriggersRole(Protocol):
    """Who watches the triggers that a venue lacks."""

    def is_live(self, order: Order) -> bool: ...

    def is_blind(self, order: Order) -> bool: ...

    def unshut(self) -> None: ...

    def release(self, cid: str, *, reduces: bool) -> None: ...


class MonitorsRole(Protocol):
    """Who keeps rules about what is held."""

    def look_all(self) -> None: ...


class BrokerRole(Actor):
    """A broker, as its parts and its orders see it."""

    name: str
    account: str
    venue: Venue
    capabilities: Capabilities
    dispatcher: Dispatcher
    turn: Turn
    journal: Journal
    instruments: dict[str, Instrument]
    session: VenueSession
    lane: LaneRole
    calls: CallsRole
    claims: ClaimsRole
    surplus: SurplusRole
    link: LinkRole
    watch: WatchRole
    groups: GroupsRole
    flattening: FlatteningRole
    triggers: TriggersRole
    protections: ProtectionsRole
    prices: PricesRole
    following: FollowingRole
    watched: WatchedBooks
    drifting: DriftingRole
    monitors: MonitorsRole
    orders: dict[str, OrderRole]
    venue_ids: VenueIds
    positions: dict[tuple[str, PositionSlot], PositionActor]
    waiters: Waiters
    counters: Counters
    executions: Executions
    on_instruments: Callable[[Iterable[Instrument]], None]
    on_revived: Callable[[SubmitOrder], None]

    def report(self, report: OrderReport) -> None:
        """Take a report to its order."""
        raise NotImplementedError

    def deliver(self, actor: OrderRole, message: Any) -> Step | None:
        """Have an order take a message now, under supervision."""
        raise NotImplementedError

    def introduce(self, order: Order, ledger: Ledger | None = None) -> OrderRole:
        """Hold an order from now on."""
        raise NotImplementedError

    def retire(self, actor: OrderRole) -> None:
        """Let a closed order leave memory."""
        raise NotImplementedError

    def revive(self, cid: str) -> OrderRole | None:
        """Take up a closed order again."""
        raise NotImplementedError

    def find_order(self, cid: str) -> Order | None:
        """The order with this id, live or closed."""
        raise NotImplementedError

    def slot(self, symbol: str, slot: PositionSlot) -> PositionActor:
        """A slot of this account."""
        raise NotImplementedError

    def position_of(self, terms: SubmitOrder, fill: Filled) -> PositionActor:
        """The slot an execution feeds."""
        raise NotImplementedError

    def unchanged(self, actor: OrderRole, out: Step, message: Any) -> None:
        """Count a message that added nothing."""
        raise NotImplementedError

    def stepped(self, actor: OrderRole, before: Order, out: Step, message: Any) -> None:
        """Stage what follows from a step."""
        raise NotImplementedError

    def sent(self, place: Place) -> None:
        """A placement was handed to the wire."""
        raise NotImplementedError

    def alarm(self, kind: str, detail: str, entity: str = "") -> None:
        """Stage an alarm."""
        raise NotImplementedError
