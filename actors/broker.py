"""The broker actor: one owner of one (venue, account).

It introduces and supervises the order and position actors of its account, routes every report to
the order it is about, and hands what orders ask for to its lane. It decides who gets a message;
what a message means is decided in ``engine``.

A report about an order we do not hold is never dropped; :mod:`actors.intake` says what becomes of
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from engine.capabilities import Capabilities
from engine.errors import UserError
from engine.messages import (
    Alarm,
    Amend,
    Cancel,
    Denied,
    LinkBarred,
    LinkDown,
    LinkSilent,
    LinkUp,
    OrderPending,
    OrderReport,
    Place,
    Report,
    SubmitOrder,
    Withdrawn,
)
from engine.order import Order, Step
from engine.order_events import events_of, head
from engine.order_steps import begin
from engine.order_tables import TERMINAL, Life
from engine.protection import STOPS
from engine.session import SessionLimits
from engine.statechart import Verdict
from engine.values import Instrument, PositionSlot

from .batches import lane_of
from .broker_books import BrokerBooks
from .broker_calls import BrokerCalls
from .broker_commands import BrokerCommands
from .broker_link import BrokerLink
from .broker_trouble import BrokerTrouble
from .broker_watch import BrokerWatch
from .broker_words import (
    Ask,
    Counters,
    ExecutionElsewhere,
    GapAnswered,
    TookOver,
    UnknownInstrument,
    WaitFor,
)
from .executions import Executions
from .flattening import Flattening
from .following import Following
from .groups import BrokerGroups
from .intake import Intake
from .lane import CallEnded, Lane
from .position import PositionActor
from .prices import Prices
from .protection import Protections
from .roles import OrderRole
from .tickets import Waiters
from .triggers import Triggers
from .venue_ids import VenueIds
from .venues.port import Done

if TYPE_CHECKING:
    from .journal import Journal
    from .runtime import Dispatcher
    from .turn import Turn
    from .venues.port import Venue

__all__ = ["BrokerActor"]

_IN_DOUBT, _QUARANTINE = Life.IN_DOUBT, Verdict.QUARANTINE


class BrokerActor(BrokerBooks):
    """Owner of one account's orders, positions and connection."""

    lane: Lane
    link: BrokerLink
    prices: Prices

    def __init__(
        self,
        venue: Venue,
        dispatcher: Dispatcher,
        turn: Turn,
        journal: Journal,
        instruments: dict[str, Instrument],
        *,
        limits: SessionLimits | None = None,
        call_timeout_ns: int,
        ack_timeout_ns: int,
        cross_check_ns: int | None,
        protect_within_ns: int | None = None,
        on_retired: Callable[[SubmitOrder], None],
        on_revived: Callable[[SubmitOrder], None],
        on_instruments: Callable[[Iterable[Instrument]], None],
    ) -> None:
        self.venue = venue
        self.name, self.account = venue.name, venue.account
        self.capabilities: Capabilities = venue.capabilities
        self.dispatcher, self.turn = dispatcher, turn
        self.journal = journal
        self.instruments = instruments
        self.session, self.lane = lane_of(self, venue, limits, dispatcher, call_timeout_ns)
        self.calls = BrokerCalls(self, ack_timeout_ns)
        self.link = BrokerLink(self)
        self.watch = BrokerWatch(self, cross_check_ns, ack_timeout_ns)
        self.orders: dict[str, OrderRole] = {}
        self.venue_ids = VenueIds()
        self.positions: dict[tuple[str, PositionSlot], PositionActor] = {}
        self.intake = Intake(self)
        self.trouble = BrokerTrouble(self)
        self.executions = Executions(self.name, self.account, turn)
        self.waiters, self.counters = Waiters(), Counters()
        self.commands = BrokerCommands(self, self.waiters)
        self.on_closed, self.on_revived = on_retired, on_revived
        self.on_instruments = on_instruments
        self.prices = Prices(self)
        self.following = Following(self)
        self.triggers = Triggers(self, self._covered)
        self.protections = Protections(self, protect_within_ns)
        self.groups = BrokerGroups(self, self._write_down, self._submit)
        self.flattening = Flattening(self, self.groups)
        self._routes: dict[type, Callable[[Any], object]] = {
            Ask: self.commands.asked,
            **self.groups.routes,
            **self.begin_to_watch(),
            **self.triggers.routes,
            **self.prices.routes,
            SubmitOrder: self._submit,
            **self.commands.routes,
            WaitFor: self.commands.wait_for,
            CallEnded: self.calls.ended,
            TookOver: self.calls.took_over,
            LinkUp: self.link.link_up,
            LinkDown: self.link.link_down,
            LinkBarred: self.link.link_barred,
            LinkSilent: self.link.link_silent,
            GapAnswered: self.link.gap_answered,
        }

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The account, as a name."""
        return f"broker:{self.name}:{self.account}"

    def on_receive(self, message: Any) -> Any:
        """Route one message."""
        handler = self._routes.get(type(message))
        if handler is not None:
            if type(message) is CallEnded and type(message.outcome) is Done:
                return handler(message)  # its reports are delivered one by one, each marked
            mark = self.turn.mark()
            try:
                return handler(message)
            except BaseException:  # it leaves no trace; supervision decides the rest
                self.turn.rollback(mark)
                raise
        self.counters.reports += 1
        actor = self.orders.get(message.client_order_id)
        return self.report(message) if actor is None else self.deliver(actor, message)

    # --- commands ---------------------------------------------------------------------------------

    def _write_down(self, order: SubmitOrder) -> OrderRole:
        """Introduce an order, written down and not sent: its group will let it go."""
        actor = self.introduce(begin(order))
        self.turn.record(order.ts, order.client_order_id, order)
        if OrderPending in self.turn.hub.wanted:
            self.turn.events.append(head(actor.order, order.ts))
        return actor

    def _submit(self, order: SubmitOrder) -> None:
        """Introduce an order of ours: journalled, then sent. Nothing happens twice."""
        cid = order.client_order_id
        if cid in self.orders:
            self.calls.introduced_again(self.orders[cid], order)
            return
        actor = self._write_down(order)
        turn = self.turn
        if self.intake.parked:
            self.intake.unpark(actor)
            if actor.order.life is not Life.PENDING:
                return  # the venue spoke of it before: it has left, and never leaves twice
        reduces = order.reduce_only or order.closes
        refusal = None
        if (shut := self.flattening).is_anything_shut:
            reduces = reduces or shut.only_reduces(order)
            refusal = shut.refusal(order, reduces)
        if refusal is None and not reduces:
            refusal = self.calls.refusal(order)
        if refusal is not None:
            self.deliver(actor, Denied(cid, order.ts, *refusal))
            return
        if order.local:
            self.triggers.begin(actor)
            return
        if not reduces and turn.waited_ns() > self.session.limits.entry_send_by_ns:
            self.deliver(actor, Withdrawn(cid, turn.time_ns(), reason="not_sent", expired=True))
            return
        turn.effects.append((self.lane.send, Place(order), reduces))

    # --- reports ----------------------------------------------------------------------------------

    def report(self, report: OrderReport) -> None:
        """Take a report to the order it is about; the module's text says what of unknown ones."""
        actor = self.orders.get(report.client_order_id)
        if actor is None:
            actor = self.intake.find(report)
            if actor is None:
                self.intake.park(report)
                return
        self.deliver(actor, report)

    def deliver(self, actor: OrderRole, message: Any) -> Step | None:
        """Have an order take a message now; a failure leaves no trace and spares the turn."""
        mark = self.turn.mark()
        try:
            out: Step = actor.on_receive(message)
            return out
        except UserError as error:
            self.turn.rollback(mark)
            if not isinstance(message, Report):
                raise  # the asker's mistake
            if isinstance(error, UnknownInstrument):
                where = f"undefined:{self.name}:{actor.actor_urn}"
                self.intake.park(message, where)  # type: ignore[arg-type]
            else:
                self.trouble.failed(actor, message, error)
        except ExecutionElsewhere as error:
            self.turn.rollback(mark)
            self.counters.quarantined += 1
            self.alarm("execution_elsewhere", str(error), actor.order.terms.client_order_id)
            self.turn.effects.append((self.trouble.doubt, actor, str(error)))
        except Exception as error:  # supervision: a bug in us must not lose the fact or the turn
            self.turn.rollback(mark)
            self.trouble.failed(actor, message, error)
        return None

    # --- what orders call -------------------------------------------------------------------------

    def unchanged(self, actor: OrderRole, out: Step, message: Any) -> None:
        """Count a message that added nothing."""
        self.counters.duplicates += 1
        if out.anomaly and (wanted := self.turn.hub.wanted):
            self.turn.events.extend(events_of(actor.order, out, message, wanted))

    def stepped(self, actor: OrderRole, before: Order, out: Step, message: Any) -> None:
        """Stage what follows from a step: requests, retirement, questions to the venue, waiting
        tickets.
        """
        order = out.order
        request = out.request
        if request is not None:
            self._leave(order, request)
        if order.venue_order_ids is not before.venue_order_ids:
            self._learned(actor, before, order)
        if out.anomaly and out.anomaly in ("late_fill", "overfill"):
            self.counters.late += 1
        if out.verdict is _QUARANTINE:
            self.counters.quarantined += 1
            detail = f"{type(message).__name__} contradicts {before.life.name}"
            self.alarm(out.anomaly or "contradiction", detail, order.terms.client_order_id)
        terms = order.terms
        if (
            terms.group_id
            or terms.local
            or self.protections.active
            or self.signal_book is not None
            or self.flattening.is_anything_shut
        ):
            self._followed(actor, before, out)
        if order.life in TERMINAL:
            cid = terms.client_order_id
            self.turn.closing[cid] = actor
            if before.requests:  # an amend that has not left never leaves
                self.turn.effects.append((self.lane.drop_amend, cid, "the order had ended"))
        if (
            (order.requests and self._asks_still(order))
            or order.unverified
            or order.life is _IN_DOUBT
            or (order.claim_qty and order.claim_qty > order.cum_qty)
        ):
            self.turn.effects.append((self.calls.look_into, actor, None))
        if self.waiters.any:
            self.waiters.stepped(order, self.turn)

    def _followed(self, actor: OrderRole, before: Order, out: Step) -> None:
        """What looks at orders from beside them has to look again."""
        order = out.order
        terms = order.terms
        if self.signal_book is not None:
            self.signal_book.touched(terms.client_order_id)
        if terms.local:
            self.triggers.stepped(actor, before)
        if terms.group_id:
            self.groups.touched(order)
        if (watch := self.protections).active and (out.bookings or terms.order_type in STOPS):
            watch.stepped(order, out.bookings)
        if self.flattening.is_anything_shut and self.flattening.control.switches:
            self.flattening.stepped(order, bool(out.bookings))

    def _covered(self, order: Order) -> None:
        """What a stop of ours protects has changed, though no fact of it has."""
        if order.terms.group_id:
            self.groups.touched(order)
        if order.terms.order_type in STOPS:
            self.protections.stepped(order, ())

    def _learned(self, actor: OrderRole, before: Order, order: Order) -> None:
        """The venue has told one more id of an order."""
        self.venue_ids.learn(order)
        if self.intake.parked:
            new = order.venue_order_ids[len(before.venue_order_ids) :]
            self.intake.unpark_venue_ids(actor, new)

    def _asks_still(self, order: Order) -> bool:
        """Whether a request is of unknown outcome."""
        return any(out.unknown for out in order.requests)

    def _leave(self, order: Order, request: Cancel | Amend) -> None:
        """Have a request leave after this turn, unless it left before it could be written."""
        early = self.trouble.left_early
        if early and request.req_id in early:
            self.turn.effects.append((early.pop, request.req_id, None))
        else:
            exits = order.terms.reduce_only or order.terms.closes
            self.turn.effects.append((self.lane.send, request, exits))

    def sent(self, place: Place) -> None:
        """The lane hands a placement to the wire."""
        actor = self.orders.get(place.order.client_order_id)
        if actor is not None:
            actor.note_sent()
            if self.waiters.any:
                self.waiters.sent(actor.order)

    def last_words(self) -> None:
        """Inside the last turn: what the next start should know, and a person meanwhile."""
        self.watched.read_until(self.link.executions_ts)
        self.triggers.say_unwatched()

    # --- trouble ----------------------------------------------------------------------------------

    def alarm(self, kind: str, detail: str, entity: str = "") -> None:
        """Stage an alarm: a person should see this."""
        self.turn.events.append(Alarm(self.dispatcher.time_ns(), kind, detail, entity))
