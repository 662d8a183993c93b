"""The whole vocabulary, on one page.

Four kinds, and no word in two of them:

* **Commands** tell us what to do (imperative: :class:`SubmitOrder`).
* **Reports** are what a venue, or our own lane about it, said (:class:`Accepted`, :class:`Filled`).
* **Requests** go to a venue (:class:`Place`).
* **Events** are what became true (:class:`OrderFilled`).

Messages are frozen and carry ids, never references. ``ts`` is UTC nanoseconds given by the sender;
``None`` means "not known" and nothing else. Quantities are unsigned totals; direction is ``side``.
A command or report that changed an entity is a *fact* and is journalled as it stands, so fields are
only ever added, with defaults.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec

from .position_tables import Exposure
from .values import (
    ONE,
    ZERO,
    CorrectionKind,
    Instrument,
    Liquidity,
    OrderState,
    OrderType,
    PositionSlot,
    Side,
    Source,
    TimeInForce,
    TriggerSource,
    Word,
)

Tags: TypeAlias = tuple[tuple[str, str], ...]


class Message(
    msgspec.Struct, frozen=True, tag=True, gc=False, omit_defaults=True, forbid_unknown_fields=True
):
    """Root of the vocabulary.

    ``gc=False`` is safe because a message holds ids and values, so no cycle.
    """


# === Commands =====================================================================================


class Command(Message, frozen=True, gc=False, omit_defaults=True):
    """Imperative: the host, or an actor of ours, wants something."""


class SubmitOrder(Command, frozen=True, gc=False, omit_defaults=True):
    """An intent to trade, with every static term of the order.

    ``intent_id`` is the caller's idempotency key: the same id with the same terms is the same
    order, with other terms an error. ``client_order_id`` is filled in by the system before
    journalling. ``order_qty`` is in lots of the instrument (contracts, shares, base units); exactly
    one of ``order_qty`` and ``cash_qty`` (quote currency) is given.
    """

    intent_id: str
    venue: str
    account: str
    instrument: str
    side: Side
    order_type: OrderType
    order_qty: Decimal | None
    ts: int = 0
    client_order_id: str = ""
    price: Decimal | None = None
    stop_px: Decimal | None = None
    trail_offset: Decimal | None = None  # distance in price units, TRAILING_STOP only
    trigger_source: TriggerSource = TriggerSource.LAST
    time_in_force: TimeInForce = TimeInForce.GTC
    expire_ts: int | None = None  # GTD only, UTC ns
    post_only: bool = False
    reduce_only: bool = False
    slot: PositionSlot = PositionSlot.NET
    cash_qty: Decimal | None = None
    attempt: int = 1
    tags: Tags = ()
    group_id: str = ""  # the group that owns it, if any
    held: bool = False  # it waits for its group to let it go
    closes: bool = False  # an exit of a group, also where the venue cannot be told so
    local: bool = False  # the engine watches its trigger; works only while it runs


class CancelOrder(Command, frozen=True, gc=False, omit_defaults=True):
    """Ask for the rest of an order to be cancelled. ``req_id`` names this request among several."""

    client_order_id: str
    req_id: str
    ts: int
    reason: str = ""


class AmendOrder(Command, frozen=True, gc=False, omit_defaults=True):
    """Ask for new terms; ``None`` keeps a term. ``order_qty`` is the new total, fills included."""

    client_order_id: str
    req_id: str
    ts: int
    order_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None


class SettleOrder(Command, frozen=True, gc=False, omit_defaults=True):
    """A person states what became of an order in doubt; recorded as OPERATOR evidence with its
    ``statement``.

    ``state`` is one of ACCEPTED, CANCELLED, EXPIRED, REJECTED. Fills are stated as :class:`Filled`,
    not here.
    """

    client_order_id: str
    ts: int
    state: OrderState
    statement: str


class AdoptOrder(Command, frozen=True, gc=False, omit_defaults=True):
    """Take over an order first seen mid-life; ``terms`` hold what is known (``order_qty`` None
    where it is not).
    """

    terms: SubmitOrder
    ts: int
    why: str = ""


class ReviveOrder(Command, frozen=True, gc=False, omit_defaults=True):
    """Take up a closed order again because a late fact changes it; ``tombstone`` is what was kept
    of it (JSON).
    """

    client_order_id: str
    ts: int
    tombstone: str


class DefineInstrument(Command, frozen=True, gc=False, omit_defaults=True):
    """Make an instrument's rules known; journalled, because quantities mean nothing without
    them.
    """

    instrument: Instrument
    ts: int


class SetBaseline(Command, frozen=True, gc=False, omit_defaults=True):
    """State what a slot held before our first fill (venue's quantity and average price; signed
    quantity).
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    qty: Decimal
    avg_px: Decimal | None
    ts: int
    exec_ids: tuple[str, ...] = ()  # executions the baseline already contains


class CorrectPosition(Command, frozen=True, gc=False, omit_defaults=True):
    """A slot changed without an execution of ours; see :func:`engine.position_corrections.correct`
    for what goes with what.

    ``qty`` is a signed change, ``px`` the price it happened at (None: not known), ``ratio`` new
    units per old (SPLIT), ``amount`` received in ``currency`` (FUNDING; negative: paid).
    ``statement`` says who or what proves it.
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    kind: CorrectionKind
    ts: int
    qty: Decimal = ZERO
    px: Decimal | None = None
    ratio: Decimal | None = None
    amount: Decimal | None = None
    currency: str = ""
    statement: str = ""


class SetRate(Command, frozen=True, gc=False, omit_defaults=True):
    """State that one unit of currency ``base`` is worth ``px`` of ``quote`` since ``ts``.

    ``source`` says who or what says so: the host, an instrument's price.
    """

    base: str
    quote: str
    px: Decimal
    ts: int
    source: str = ""


class KeepHistory(Command, frozen=True, gc=False, omit_defaults=True):
    """Trips of positions are kept from here on (:mod:`engine.trips`)."""

    ts: int


class PriceExtreme(Command, frozen=True, gc=False, omit_defaults=True):
    """Note the lowest and the highest price that a held slot saw since its last booking, where
    they say something new about its trip.
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    ts: int
    low: Decimal
    high: Decimal


class Contingency(Word):
    """How orders of a group depend on one another (FIX ContingencyType, tag 1385)."""

    OCO = "OCO"
    OTO = "OTO"
    OUO = "OUO"  # by absolute quantity
    OUO_PROPORTIONAL = "OUO_PROPORTIONAL"


class NativeShape(Word):
    """Contingent orders that a venue may keep by itself."""

    EXITS = "EXITS"  # a stop and a target of one holding: what one fills the other loses
    BRACKET = "BRACKET"  # an entry, and a stop and a target that work for what it has filled


class LegRole(Word):
    """What a leg of a group is for."""

    ENTRY = "ENTRY"  # opens, or is an order of its own
    STOP = "STOP"  # protects what is held
    TARGET = "TARGET"  # takes profit


class GroupState(Word):
    """How far a group has come."""

    PENDING = "PENDING"  # nothing of it has reached the venue
    WAITING = "WAITING"  # nothing of what its exits are for is there: the venue is asked nothing
    WORKING = "WORKING"  # entries work; nothing has filled
    ARMING = "ARMING"  # something is held, and not every exit is confirmed: the naked window
    LINKED = "LINKED"  # every leg that should work is confirmed, for the quantity it should have
    DEGRADED = "DEGRADED"  # all that can be had is confirmed; a target is refused again and again
    STANDING_DOWN = "STANDING_DOWN"  # nothing is left to do but to see the rest gone
    EXITING = "EXITING"  # protection could not be had: what is held is being closed
    FLATTENING = "FLATTENING"  # more was closed than there was: the excess is bought back
    DONE = "DONE"


class LinkTrigger(Word):
    """What the group says."""

    HOLD_BACK = "HOLD_BACK"
    ARM = "ARM"
    LINK = "LINK"
    UNLINK = "UNLINK"  # a required sibling is lost
    STAND_DOWN = "STAND_DOWN"
    RESTORE = "RESTORE"  # the winner ended short, or its fill was busted
    DETACH = "DETACH"


class Trail(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """How the engine moves a stop after the price, to protect more and never less.

    ``offset`` (price units) or ``percent`` (of the price, above 0 and below 100) behind the best
    price since the stop works; from ``activate_px`` on, where it is given. It is moved by ``step``
    at least each time. ``source``: which price; ``None``: the one that elects the stop. When no
    price has come for ``max_age_ns`` an alarm tells that the trail is blind.
    """

    offset: Decimal | None = None
    percent: Decimal | None = None
    activate_px: Decimal | None = None
    step: Decimal = ZERO
    source: TriggerSource | None = None
    max_age_ns: int = 60_000_000_000


class BreakEven(
    msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True
):
    """A stop goes to the average entry once, and ``offset`` (price units; fees) beyond it: when the
    price is ``after`` (price units) beyond the entry, or, without it, when a target has filled.
    """

    after: Decimal | None = None
    offset: Decimal = ZERO
    source: TriggerSource | None = None  # None: the price that elects the stop


class Leg(
    msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One leg of a group: what one wants at the venue, and what for.

    ``share`` is its part (0 < share <= 1) of what is to be closed, for one of several targets or
    stops; ``None``: all of it. Below an OTO the quantity follows the parent's fills: an exit closes
    what they left in hand, any other leg gets the same fraction of its ``order_qty``.
    """

    name: str
    role: LegRole
    order: SubmitOrder
    share: Decimal | None = None
    trail: Trail | None = None
    break_even: BreakEven | None = None


class GroupTerms(
    msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Members that depend on one another; a member may be a group itself. Of an ``OTO`` the first
    is the parent.
    """

    contingency: Contingency
    members: tuple[Leg | GroupTerms, ...]


class Swap(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """When a target takes the place of the stop, where the venue locks what each of them offers.

    By the part of the way from stop to target that is left: at ``near`` the target comes, beyond
    ``back`` the stop comes back. Without a price for ``fresh_ns`` the stop comes back as well.
    """

    near: Decimal = Decimal("0.25")
    back: Decimal = Decimal("0.5")
    fresh_ns: int = 60_000_000_000


PLAIN_SWAP = Swap()  # one object, so that it is left out of what is written


class SubmitGroup(Command, frozen=True, gc=False, omit_defaults=True):
    """An intent of several contingent orders; journalled whole before any of them leaves.

    ``protect_within_ns``: how long what is held may be without a confirmed stop before the group
    gives up waiting and closes it. ``swap``: when stop and target change places, if they must.
    """

    group_id: str
    intent_id: str
    venue: str
    account: str
    root: GroupTerms
    ts: int = 0
    protect_within_ns: int = 5_000_000_000
    tags: Tags = ()
    swap: Swap = PLAIN_SWAP


class Mover(Word):
    """Who moves a leg of a group."""

    PERSON = "PERSON"
    TRAIL = "TRAIL"
    BREAK_EVEN = "BREAK_EVEN"


class AmendGroup(Command, frozen=True, gc=False, omit_defaults=True):
    """New terms of one leg of a group, for all of its orders, those to come included; ``None``
    keeps a term. Without any: that its trail has begun, or that it was beyond break-even already.
    """

    group_id: str
    leg: str
    ts: int
    stop_px: Decimal | None = None
    price: Decimal | None = None
    mover: Mover = Mover.PERSON


class LegMoved(
    msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True
):
    """Where a leg of a group was moved to (``None``: as submitted).

    ``active``: its trail has begun. ``even``: its break-even is done. ``by_hand``: a person has
    loosened it, so the engine moves it no more.
    """

    leg: str
    stop_px: Decimal | None = None
    price: Decimal | None = None
    active: bool = False
    even: bool = False
    by_hand: bool = False


class CancelGroup(Command, frozen=True, gc=False, omit_defaults=True):
    """Call a group off: entries and targets go. What is held keeps its stop, or is closed at market
    as well (``close``).
    """

    group_id: str
    ts: int
    close: bool = False
    reason: str = ""


class LinkOrder(Command, frozen=True, gc=False, omit_defaults=True):
    """From a group to an order of it: how it is tied now. ``order_qty`` comes with the release of
    an order that was held back.
    """

    client_order_id: str
    ts: int
    trigger: LinkTrigger
    order_qty: Decimal | None = None


class LocalTrailed(Command, frozen=True, gc=False, omit_defaults=True):
    """From the engine's own watch: the stop price of a trailing stop has followed the market."""

    client_order_id: str
    ts: int
    stop_px: Decimal


class LocalTriggered(Command, frozen=True, gc=False, omit_defaults=True):
    """From the engine's own watch: ``px`` has reached the trigger of an order, at ``stop_px``. It
    has not left yet.
    """

    client_order_id: str
    ts: int
    trigger_source: TriggerSource
    px: Decimal
    stop_px: Decimal


class LocalReleased(Command, frozen=True, gc=False, omit_defaults=True):
    """An order that was elected here leaves: as the market or limit order it has become."""

    client_order_id: str
    ts: int


class GroupMoved(Command, frozen=True, gc=False, omit_defaults=True):
    """A group as it stands after a look at its orders; see :class:`engine.group.Group`."""

    group_id: str
    ts: int
    state: GroupState
    slices: tuple[tuple[str, tuple[str, ...]], ...]
    winners: tuple[tuple[str, int], ...] = ()
    removed: tuple[str, ...] = ()
    called_off: bool = False
    closing: bool = False
    late: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    aside: bool = False
    moved: tuple[LegMoved, ...] = ()
    live: tuple[str, ...] = ()
    native: tuple[str, ...] = ()


class ReviveGroup(Command, frozen=True, gc=False, omit_defaults=True):
    """Take up a group again that was over, because a late fact of an order of it changes it. How it
    stands follows with the next :class:`GroupMoved`.
    """

    terms: SubmitGroup
    ts: int


class TradingMode(Word):
    """What may leave at all, by decision of a person, a limit or a kill switch."""

    ALL = "ALL"
    REDUCE_ONLY = "REDUCE_ONLY"  # no entry
    NONE = "NONE"  # cancels (and queries, which change nothing) only


class SetMode(Command, frozen=True, gc=False, omit_defaults=True):
    """From now on only this may leave, of an account or (``instrument``) of one instrument of it;
    until somebody says otherwise, over restarts too.
    """

    venue: str
    account: str
    instrument: str  # "": all of the account
    mode: TradingMode
    ts: int
    statement: str


class Flatten(Command, frozen=True, gc=False, omit_defaults=True):
    """Pull the kill switch of an account, or of one instrument of it: no entry, no order, no
    position, until a person lifts it. ``slice_share`` (0 < share <= 1) of what was held is closed
    at once at most.
    """

    venue: str
    account: str
    instrument: str  # "": all of the account
    ts: int
    statement: str = ""
    slice_share: Decimal = ONE


class LiftFlatten(Command, frozen=True, gc=False, omit_defaults=True):
    """A person lifts the kill switch of an account with all of its instruments, or of one of
    these.
    """

    venue: str
    account: str
    instrument: str
    ts: int
    statement: str


class SetDrift(Command, frozen=True, gc=False, omit_defaults=True):
    """The venue's own count of a slot is not ours, by two looks; or (``difference`` 0) it is again.

    Quantities are signed: ``qty`` ours, ``venue_qty`` the venue's, ``difference`` the venue's less
    ours.
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    ts: int
    qty: Decimal
    venue_qty: Decimal
    difference: Decimal
    venue_avg_px: Decimal | None = None


class DriftRemedy(Word):
    """What can be done about a slot that has drifted."""

    FETCH = "FETCH"  # read executions again over a longer window
    ADOPT = "ADOPT"  # take the venue's count over, by a correction or a baseline
    WAIT = "WAIT"  # look again


class SettleDrift(Command, frozen=True, gc=False, omit_defaults=True):
    """A person decides what is to be done about a slot that has drifted. What it books are facts of
    their own.
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    ts: int
    how: DriftRemedy
    statement: str


class PnlUnit(Word):
    """What the numbers of a P&L rule are."""

    MONEY = "MONEY"  # in the settle currency
    PERCENT = "PERCENT"  # of the entry value of what is held


class SetMonitor(Command, frozen=True, gc=False, omit_defaults=True):
    """Rules about what is held: when one is met, all of it is closed.

    It is for a slot (``instrument``), for a group (``group_id``), or (neither) for all slots of the
    account that settle in ``currency``. ``take_profit``, ``stop_loss`` and ``give_back`` are above
    zero, in ``unit``: closed when P&L is so high, so low, or so far below its peak, once that is at
    least ``give_back_from``. ``hold_ns``: how long it may be held. ``close_at`` ("15:15") of each
    of ``close_days`` (ISO, 1 Monday; none: every day) in ``time_zone``, and ``close_times`` (UTC
    ns): when it is to be closed at the latest. Prices older than ``max_age_ns`` count as none.
    ``every``: it goes on with the next position; else it ends with the first.
    """

    monitor_id: str
    venue: str
    account: str
    ts: int
    instrument: str = ""
    slot: PositionSlot = PositionSlot.NET
    group_id: str = ""
    currency: str = ""
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    give_back: Decimal | None = None
    give_back_from: Decimal = ZERO
    unit: PnlUnit = PnlUnit.MONEY
    hold_ns: int | None = None
    close_at: str = ""
    time_zone: str = ""
    close_days: tuple[int, ...] = ()
    close_times: tuple[int, ...] = ()
    price_source: TriggerSource = TriggerSource.MID
    max_age_ns: int = 60_000_000_000
    every: bool = False
    tags: Tags = ()


class MonitorMoved(Command, frozen=True, gc=False, omit_defaults=True):
    """A monitor as it stands with what is held now; see :class:`engine.watched.Monitor`."""

    monitor_id: str
    venue: str
    account: str
    ts: int
    side: int = 0
    opened_ts: int = 0
    base: Decimal = ZERO
    due_ts: int = 0
    peak: Decimal = ZERO
    fired: str = ""
    fired_ts: int = 0
    count: int = 0


class EndMonitor(Command, frozen=True, gc=False, omit_defaults=True):
    """A monitor is over: its position is, or somebody took it away."""

    monitor_id: str
    venue: str
    account: str
    ts: int
    reason: str = ""


# === Reports ======================================================================================


class Report(Message, frozen=True, gc=False, omit_defaults=True):
    """What a venue said, or our lane about a call.

    ``client_order_id`` is "" when the venue gave only its own id.
    """


class Accepted(Report, frozen=True, gc=False, omit_defaults=True):
    """The venue has the order (FIX ExecType New). Never lowers a later state.

    ``order_qty`` only where we did not know it.
    """

    client_order_id: str
    ts: int
    venue_order_id: str | None = None
    order_qty: Decimal | None = None
    source: Source = Source.STREAM
    sent_ts: int | None = None  # when the question was sent, for QUERY and LIST


class Rejected(Report, frozen=True, gc=False, omit_defaults=True):
    """A definite no to the original placement."""

    client_order_id: str
    ts: int
    reason: str = ""
    code: str = ""
    venue_order_id: str | None = None
    source: Source = Source.STREAM
    sent_ts: int | None = None


class Feeds(Word):
    """What an execution counts for: a combo's own executions feed the order, its legs' feed
    positions.
    """

    BOTH = "BOTH"
    ORDER = "ORDER"
    POSITION = "POSITION"


class Filled(Report, frozen=True, gc=False, omit_defaults=True):
    """One execution. Booked once per (venue, account, instrument, side, exec_id), in any state.

    ``fee`` is what we paid (negative: a rebate) in ``fee_currency``; ``None`` = not told yet.
    ``cum_qty`` is the venue's own total after this fill, where it says so. ``revises`` is the
    execution this one replaces (IB's ``.02``). ``instrument`` and ``side`` are given where they
    differ from the order's (a combo's leg) or the order is unknown. ``fee_assumed``: ours, never a
    venue's: the fee is that of the execution a correction replaced, until its own is told.
    """

    client_order_id: str
    ts: int
    exec_id: str
    last_qty: Decimal
    last_px: Decimal
    fee: Decimal | None = None
    fee_currency: str = ""
    liquidity: Liquidity | None = None
    venue_order_id: str | None = None
    cum_qty: Decimal | None = None
    revises: str | None = None
    inferred: bool = False  # stands for an interval of cum_qty until real executions arrive
    feeds: Feeds = Feeds.BOTH
    instrument: str = ""
    side: Side | None = None
    source: Source = Source.STREAM
    fee_assumed: bool = False


class Cancelled(Report, frozen=True, gc=False, omit_defaults=True):
    """The rest is cancelled; ``req_id`` None = nobody asked.

    ``cum_qty`` is the venue's total, a claim until fills agree.
    """

    client_order_id: str
    ts: int
    req_id: str | None = None
    reason: str = ""
    cum_qty: Decimal | None = None
    venue_order_id: str | None = None
    source: Source = Source.STREAM
    sent_ts: int | None = None


class Expired(Report, frozen=True, gc=False, omit_defaults=True):
    """The time in force ended it."""

    client_order_id: str
    ts: int
    reason: str = ""
    cum_qty: Decimal | None = None
    venue_order_id: str | None = None
    source: Source = Source.STREAM
    sent_ts: int | None = None


class Triggered(Report, frozen=True, gc=False, omit_defaults=True):
    """A stop was elected; it works now, perhaps under a child id."""

    client_order_id: str
    ts: int
    venue_order_id: str | None = None
    source: Source = Source.STREAM


class Suspended(Report, frozen=True, gc=False, omit_defaults=True):
    """At the venue but not working (IB Inactive without a reject, FIX Suspended)."""

    client_order_id: str
    ts: int
    reason: str = ""
    venue_order_id: str | None = None
    source: Source = Source.STREAM


class Resumed(Report, frozen=True, gc=False, omit_defaults=True):
    """A suspended order works again."""

    client_order_id: str
    ts: int
    venue_order_id: str | None = None
    source: Source = Source.STREAM


class Replaced(Report, frozen=True, gc=False, omit_defaults=True):
    """An amend took effect.

    Terms are the venue's granted totals; ``None`` = that term did not change.
    """

    client_order_id: str
    ts: int
    req_id: str | None = None
    order_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    venue_order_id: str | None = None
    source: Source = Source.STREAM


class Restated(Report, frozen=True, gc=False, omit_defaults=True):
    """The venue changed the order by itself.

    ``ratio`` rescales fills too (a split: new units per old unit).
    """

    client_order_id: str
    ts: int
    order_qty: Decimal
    reason: str = ""
    ratio: Decimal | None = None
    source: Source = Source.STREAM


class CancelRefused(Report, frozen=True, gc=False, omit_defaults=True):
    """That cancel is gone.

    It proves nothing about the order: the state follows from facts, and we ask.
    """

    client_order_id: str
    ts: int
    req_id: str
    reason: str = ""
    code: str = ""
    source: Source = Source.STREAM


class ReplaceRefused(Report, frozen=True, gc=False, omit_defaults=True):
    """That amend is gone; the old terms stand."""

    client_order_id: str
    ts: int
    req_id: str
    reason: str = ""
    code: str = ""
    source: Source = Source.STREAM


class RequestPending(Report, frozen=True, gc=False, omit_defaults=True):
    """The venue has seen a cancel or amend and works on it (FIX Pending Cancel / Replace).

    Changes nothing.
    """

    client_order_id: str
    ts: int
    req_id: str


class TradeBusted(Report, frozen=True, gc=False, omit_defaults=True):
    """An execution is void. Before its fill it is kept, and voids the fill on arrival."""

    client_order_id: str
    ts: int
    exec_id: str
    venue_order_id: str | None = None


class TradeCorrected(Report, frozen=True, gc=False, omit_defaults=True):
    """An execution is replaced by another: a bust and a fill in one."""

    client_order_id: str
    ts: int
    exec_id: str
    new_exec_id: str
    last_qty: Decimal
    last_px: Decimal
    fee: Decimal | None = None
    fee_currency: str = ""
    venue_order_id: str | None = None


class DoneForDay(Report, frozen=True, gc=False, omit_defaults=True):
    """No more executions today. Final: the order expired. Not final: changes nothing."""

    client_order_id: str
    ts: int
    final: bool


class OutcomeUnknown(Report, frozen=True, gc=False, omit_defaults=True):
    """Silence or an ambiguous error: the call may or may not have had its effect.

    ``req_id`` None: the placement.
    """

    client_order_id: str
    ts: int
    req_id: str | None = None
    detail: str = ""


class NeverArrived(Report, frozen=True, gc=False, omit_defaults=True):
    """Proven by reconciliation: the placement never reached the venue.

    ``evidence`` says what proves it.
    """

    client_order_id: str
    ts: int
    evidence: str


class Denied(Report, frozen=True, gc=False, omit_defaults=True):
    """Our own checks refused the order before anything left; ``reason`` is a short constant,
    ``detail`` the sentence.
    """

    client_order_id: str
    ts: int
    reason: str
    detail: str = ""


class Withdrawn(Report, frozen=True, gc=False, omit_defaults=True):
    """Ended by us before it left this process: cancelled locally, or its send-by time passed
    (``expired``).
    """

    client_order_id: str
    ts: int
    req_id: str | None = None
    reason: str = ""
    expired: bool = False


class VenueStatus(Word):
    """The words a venue's snapshot of one order can come to, after the adapter's translation."""

    PENDING = "PENDING"  # it has the order and has not decided
    WORKING = "WORKING"
    TRIGGERED = "TRIGGERED"
    SUSPENDED = "SUSPENDED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"  # a word the adapter does not know: says nothing


class OrderSnapshot(Report, frozen=True, gc=False, omit_defaults=True):
    """What a query or a list shows of one order. Enough to adopt an order first seen mid-life.

    ``sent_ts`` is when the question was sent: a snapshot older than a fact it contradicts changes
    nothing.
    """

    client_order_id: str
    ts: int
    status: VenueStatus
    venue_order_id: str | None = None
    instrument: str = ""
    side: Side | None = None
    order_type: OrderType | None = None
    order_qty: Decimal | None = None
    cum_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    sent_ts: int | None = None
    source: Source = Source.QUERY


class OrderNotFound(Report, frozen=True, gc=False, omit_defaults=True):
    """A query by id found nothing. Weak evidence: it counts only by the rules of
    :mod:`engine.reconcile`.
    """

    client_order_id: str
    ts: int
    sent_ts: int
    source: Source = Source.QUERY


class LinkUp(Report, frozen=True, gc=False, omit_defaults=True):
    """A session began (again): a Gap. What happened before it is asked for, not assumed."""

    ts: int
    detail: str = ""


class ExecutionsRead(Report, frozen=True, gc=False, omit_defaults=True):
    """Executions of an account were read in whole and are booked; the latest is of ``until_ts``
    (UTC ns). A restart reads on from there, with an overlap.
    """

    venue: str
    account: str
    ts: int
    until_ts: int


class LinkDown(Report, frozen=True, gc=False, omit_defaults=True):
    """The session is gone, or is not to be trusted."""

    ts: int
    detail: str = ""


class LinkSilent(LinkDown, frozen=True, gc=False, omit_defaults=True):
    """The session stands, and what had to come over it did not: a Gap, and nothing to reconnect."""


class LinkBarred(LinkDown, frozen=True, gc=False, omit_defaults=True):
    """The venue has shut us out: login refused, key revoked, address banned. To go on trying would
    make it worse, so that begins again ``retry_ns`` after it was heard, where the venue says so,
    and else when a person asks for it (``system.reconnect``) or with the next process.
    """

    retry_ns: int | None = None


class PriceUpdate(Message, frozen=True, gc=False, omit_defaults=True):
    """Prices of an instrument, those that are told; no fact, so it is not journalled.

    ``last`` of the newest trade; ``bid`` and ``ask`` come together, ``None`` where that side is
    empty; ``mark`` as the venue states it.
    """

    instrument: str
    ts: int
    last: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    mark: Decimal | None = None


# === Requests =====================================================================================


class Request(Message, frozen=True, gc=False, omit_defaults=True):
    """A call to a venue, decided by us, journalled (as its command) before it leaves."""


class Place(Request, frozen=True, gc=False, omit_defaults=True):
    """Place this order. ``kin``: all orders of a group that leave in one call, it among them;
    ``shape``: what they are to the venue.
    """

    order: SubmitOrder
    kin: tuple[str, ...] = ()
    shape: NativeShape | None = None

    @property
    def client_order_id(self) -> str:
        """The order this call is for."""
        return self.order.client_order_id


class PlaceGroup(Request, frozen=True, gc=False, omit_defaults=True):
    """Place orders that the venue itself ties; of a BRACKET the first is the entry."""

    shape: NativeShape
    orders: tuple[SubmitOrder, ...]


class Cancel(Request, frozen=True, gc=False, omit_defaults=True):
    """Cancel the rest of an order."""

    client_order_id: str
    req_id: str
    instrument: str
    venue_order_id: str | None = None


class Amend(Request, frozen=True, gc=False, omit_defaults=True):
    """Change terms. Quantities are totals including fills; ``None`` keeps a term."""

    client_order_id: str
    req_id: str
    instrument: str
    order_qty: Decimal | None = None
    price: Decimal | None = None
    stop_px: Decimal | None = None
    venue_order_id: str | None = None


class QueryOrder(Request, frozen=True, gc=False, omit_defaults=True):
    """Ask what became of one order: by our id, or by the venue's where ours is ""."""

    client_order_id: str
    instrument: str
    venue_order_id: str | None = None


# === Events =======================================================================================


class Event(Message, frozen=True, gc=False, omit_defaults=True):
    """What became true; published after the facts behind it are journalled."""


class OrderEvent(Event, frozen=True, gc=False, omit_defaults=True):
    """Common head of all order events: the order as it now stands."""

    client_order_id: str
    intent_id: str
    venue: str
    account: str
    instrument: str
    side: Side
    ts: int
    state: OrderState
    order_qty: Decimal | None
    cum_qty: Decimal
    leaves_qty: Decimal | None
    avg_px: Decimal | None
    tags: Tags = ()
    reason: str = ""


class OrderPending(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """The intent is journalled; the order waits to leave."""


class OrderSubmitted(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """It left this process; no answer yet."""


class OrderDenied(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """We refused it; it was never sent. ``reason`` says why."""


class OrderAccepted(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """The venue works it (also: again, after a doubt or a false end)."""


class OrderTriggered(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """A stop was elected."""


class OrderSuspended(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """At the venue, not working."""


class OrderPartiallyFilled(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """An execution was booked and the order is not complete (also: a late one after an end)."""

    last_qty: Decimal | None = None
    last_px: Decimal | None = None
    exec_id: str = ""


class OrderFilled(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """An execution was booked and the order is complete."""

    last_qty: Decimal | None = None
    last_px: Decimal | None = None
    exec_id: str = ""


class OrderTradeBusted(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """A booked execution was voided or corrected; quantities show the result."""

    exec_id: str = ""


class OrderCancelled(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """The rest is gone, confirmed."""


class OrderExpired(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """The time in force ended it, or it never left in time (reason ``not_sent``)."""


class OrderRejected(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """The venue said no, or it is proven that the order never arrived (reason
    ``never_arrived``).
    """


class OrderInDoubt(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """Silence: the engine asks; a timer never decides."""


class OrderCancelPending(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """A cancel is outstanding."""


class OrderReplacePending(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """An amend is outstanding; old terms are in force."""


class OrderReplaced(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """New terms are in force (asked for, or restated by the venue)."""

    price: Decimal | None = None
    stop_px: Decimal | None = None


class OrderRequestRefused(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """A cancel or amend was refused; the order stands as the facts say."""

    req_id: str = ""


class OrderAnomaly(OrderEvent, frozen=True, gc=False, omit_defaults=True):
    """Something that should not happen and was kept: late fill, overfill, false end, contradiction
    in quarantine.
    """

    kind: str = ""


class PositionChanged(Event, frozen=True, gc=False, omit_defaults=True):
    """A slot after a booking.

    ``qty`` is signed; ``exposure`` says which way that is, FLAT also when only dust is left.
    Amounts are in ``currency``; fees paid and funding received stand per currency beside it.
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    ts: int
    qty: Decimal
    avg_px: Decimal | None
    realized_pnl: Decimal
    currency: str
    fees: tuple[tuple[str, Decimal], ...]
    client_order_id: str = ""
    tags: Tags = ()
    exposure: Exposure = Exposure.FLAT
    funding: tuple[tuple[str, Decimal], ...] = ()


class GroupChanged(Event, frozen=True, gc=False, omit_defaults=True):
    """A group has come to another state."""

    group_id: str
    intent_id: str
    venue: str
    account: str
    ts: int
    state: GroupState
    tags: Tags = ()


class BothFilled(Event, frozen=True, gc=False, omit_defaults=True):
    """Exits of a group closed ``qty`` more than there was; it is being bought back."""

    group_id: str
    instrument: str
    ts: int
    qty: Decimal
    tags: Tags = ()


class ProtectionChanged(Event, frozen=True, gc=False, omit_defaults=True):
    """What a slot holds is covered by stops in another way than before.

    ``state`` is FLAT, UNPROTECTED, PROTECTING or PROTECTED; ``naked_ns`` how long something of it
    had been without a confirmed stop until now. ``local_qty`` of what is covered is so only by
    triggers that the engine watches, while it runs and has prices.
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    ts: int
    state: str
    held_qty: Decimal
    covered_qty: Decimal
    naked_ns: int = 0
    local_qty: Decimal = ZERO


class ModeChanged(Event, frozen=True, gc=False, omit_defaults=True):
    """What may leave of an account, or of one instrument of it, is this from now on."""

    venue: str
    account: str
    instrument: str
    ts: int
    mode: TradingMode
    statement: str = ""


class FlatProgress(Event, frozen=True, gc=False, omit_defaults=True):
    """How far a kill switch has come: what is left of its account or instrument.

    ``verified``: the venue has shown, after the last close ended, that nothing is. ``orders`` are
    open; ``in_doubt`` are not settled; ``slots`` hold so much (signed; the larger of our books and
    the venue's word). ``detail`` says what else keeps it from being verified.
    """

    venue: str
    account: str
    instrument: str
    ts: int
    verified: bool
    orders: tuple[str, ...] = ()
    in_doubt: tuple[str, ...] = ()
    slots: tuple[tuple[str, PositionSlot, Decimal], ...] = ()
    detail: str = ""


class PositionDrifted(Event, frozen=True, gc=False, omit_defaults=True):
    """The venue's own count of a slot is not ours: entries of its instrument stop. ``difference`` 0
    says that it is ours again. Quantities are signed; ``difference`` is the venue's less ours.
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    ts: int
    qty: Decimal
    venue_qty: Decimal
    difference: Decimal


class MonitorFired(Event, frozen=True, gc=False, omit_defaults=True):
    """A rule about what is held was met, and all of it is being closed.

    ``rule`` is TAKE_PROFIT, STOP_LOSS, GIVE_BACK, HOLD_TIME or TIME_OF_DAY. ``pnl`` is in
    ``currency``, fees included, since the position was opened; None where a time rule fired and no
    fresh price is known. ``level``: what it was held against.
    """

    monitor_id: str
    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    group_id: str
    ts: int
    rule: str
    pnl: Decimal | None
    level: Decimal | None
    currency: str
    tags: Tags = ()


class VenueUp(Event, frozen=True, gc=False, omit_defaults=True):
    """A venue session is up and reconciled."""

    venue: str
    account: str
    ts: int


class VenueDown(Event, frozen=True, gc=False, omit_defaults=True):
    """A venue session is gone, or too quiet; its orders stand as last known."""

    venue: str
    account: str
    ts: int
    detail: str = ""


class Alarm(Event, frozen=True, gc=False, omit_defaults=True):
    """Something a person should see. ``kind`` is a short constant, ``detail`` the sentence."""

    ts: int
    kind: str
    detail: str
    entity: str = ""


class EventsMissed(Event, frozen=True, gc=False, omit_defaults=True):
    """In a subscription that was read too slowly: ``count`` older events were dropped before the
    next one.
    """

    ts: int
    count: int


OrderReport: TypeAlias = (
    Accepted
    | Rejected
    | Filled
    | Cancelled
    | Expired
    | Triggered
    | Suspended
    | Resumed
    | Replaced
    | Restated
    | CancelRefused
    | ReplaceRefused
    | RequestPending
    | TradeBusted
    | TradeCorrected
    | DoneForDay
    | OutcomeUnknown
    | NeverArrived
    | Denied
    | Withdrawn
    | OrderSnapshot
    | OrderNotFound
)

#: Every message that may stand in a journal.
Fact: TypeAlias = (
    SubmitOrder
    | SubmitGroup
    | GroupMoved
    | AmendGroup
    | ReviveGroup
    | LinkOrder
    | LocalTrailed
    | LocalTriggered
    | LocalReleased
    | SetMode
    | Flatten
    | LiftFlatten
    | SetDrift
    | SettleDrift
    | SetMonitor
    | MonitorMoved
    | EndMonitor
    | ExecutionsRead
    | CancelOrder
    | AmendOrder
    | SettleOrder
    | AdoptOrder
    | ReviveOrder
    | DefineInstrument
    | SetBaseline
    | CorrectPosition
    | SetRate
    | KeepHistory
    | PriceExtreme
    | OrderReport
    | LinkUp
    | LinkDown
    | LinkSilent
    | LinkBarred
)
