"""How a broker turns what its lane learnt into reports, and how it asks the venue about what it does not know.

Every ending of a call becomes reports of the same vocabulary the stream speaks, so an order cannot tell (and need not
know) which way a fact came. Silence becomes a question, never an answer: :meth:`BrokerCalls.look_into` asks about one
order, :meth:`BrokerCalls.link_up` about everything, after every gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from engine.messages import (
    Accepted,
    Amend,
    Cancel,
    CancelRefused,
    Filled,
    LinkDown,
    LinkUp,
    NeverArrived,
    OrderNotFound,
    OrderSnapshot,
    OutcomeUnknown,
    Place,
    QueryOrder,
    Rejected,
    ReplaceRefused,
    SubmitOrder,
    VenueDown,
    VenueUp,
)
from engine.order import Order
from engine.order_tables import TERMINAL, Life
from engine.reconcile import Inquiry, absence_proven
from engine.session_chart import SessionState, SessionTrigger
from engine.values import Source

from .venues.port import Answer, Done, Duplicate, Refused, Throttled, Unknown

if TYPE_CHECKING:
    from .broker import BrokerActor
    from .lane import CallEnded
    from .order import OrderActor

__all__ = ["BrokerCalls", "GapAnswered"]

#: How far back executions are read again, beyond the last one known: venues publish some late and out of order.
OVERLAP_NS = 600_000_000_000
RECONNECT_NS = (250_000_000, 1_000_000_000, 5_000_000_000, 15_000_000_000)


class GapAnswered(NamedTuple):
    """What a venue said about open orders and executions after a gap."""

    open_orders: Answer[OrderSnapshot]
    executions: Answer[Filled]
    whole: bool  # asked after a (re)connect, not for single orders


class BrokerCalls:
    """The half of a broker that talks with its lane. Lives and dies with it, on the same thread."""

    def __init__(self, broker: BrokerActor, ack_timeout_ns: int) -> None:
        self.broker = broker
        self.ack_timeout_ns = ack_timeout_ns
        self._inquiries: dict[str, Inquiry] = {}
        #: (order, request id or None for the placement) -> when the lane sent it; insertion order is time order.
        self._unanswered: dict[tuple[str, str | None], int] = {}
        self._watching = False
        self._asking_executions = False
        self._connects = 0
        self._closing = False
        self.executions_ts = 0  # the latest execution seen; reading again starts OVERLAP_NS before it

    # --- calls that ended --------------------------------------------------------------------------------------------

    def ended(self, call: CallEnded) -> None:
        """Report what the ending of a call says."""
        request, outcome = call.call.request, call.outcome
        broker = self.broker
        if isinstance(outcome, Answer):
            self._answered(request, outcome)
            return
        if isinstance(outcome, Done):
            for report in outcome.reports:
                broker.on_receive(report)
            self._watch(request)
            return
        if isinstance(outcome, Throttled) or isinstance(request, QueryOrder):
            return  # it will leave again, or be asked again
        cid, ts = request.client_order_id, broker.dispatcher.time_ns()
        req_id = None if isinstance(request, Place) else request.req_id
        if isinstance(outcome, Refused):
            self._refused(request, outcome, ts)
        elif isinstance(outcome, Duplicate):
            broker.report(OutcomeUnknown(cid, ts, None, f"duplicate id: {outcome.detail}"))
        elif isinstance(outcome, Unknown):
            broker.report(OutcomeUnknown(cid, ts, req_id, outcome.detail))

    def _refused(self, request: Place | Cancel | Amend, outcome: Refused, ts: int) -> None:
        cid, reason = request.client_order_id, outcome.reason or outcome.detail
        if isinstance(request, Place):
            self.broker.report(Rejected(cid, ts, reason, outcome.code))
        elif isinstance(request, Cancel):
            self.broker.report(CancelRefused(cid, ts, request.req_id, reason, outcome.code))
        else:
            self.broker.report(ReplaceRefused(cid, ts, request.req_id, reason, outcome.code))

    def _watch(self, request: Place | Cancel | Amend | QueryOrder) -> None:
        """The venue took a request without saying its effect: if that does not come, silence has to be noticed."""
        if isinstance(request, QueryOrder):
            return
        cid = request.client_order_id
        actor = self.broker.orders.get(cid)
        if actor is None:
            return
        req_id = None if isinstance(request, Place) else request.req_id
        if self._is_answered(actor.order, req_id):
            return
        self._unanswered[cid, req_id] = self.broker.dispatcher.monotonic_ns()
        if not self._watching:
            self._watching = True
            self.broker.dispatcher.call_later(self.ack_timeout_ns, self._look_for_silence)

    @staticmethod
    def _is_answered(order: Order, req_id: str | None) -> bool:
        if req_id is None:
            return order.life is not Life.SUBMITTED and order.life is not Life.PENDING
        return all(out.req_id != req_id for out in order.requests)

    def _look_for_silence(self) -> None:
        """Timer: what was taken and not answered for too long is of unknown outcome."""
        now = self.broker.dispatcher.monotonic_ns()
        ts = self.broker.dispatcher.time_ns()
        for (cid, req_id), sent in list(self._unanswered.items()):
            actor = self.broker.orders.get(cid)
            if actor is None or self._is_answered(actor.order, req_id):
                del self._unanswered[cid, req_id]
            elif now - sent >= self.ack_timeout_ns:
                del self._unanswered[cid, req_id]
                seconds = self.ack_timeout_ns / 1e9
                self.broker.report(OutcomeUnknown(cid, ts, req_id, f"no word within {seconds:g} s"))
        self._watching = bool(self._unanswered)
        if self._watching:
            oldest = next(iter(self._unanswered.values()))
            wait = max(oldest + self.ack_timeout_ns - now, 1)
            self.broker.dispatcher.call_later(wait, self._look_for_silence)

    # --- questions about one order -----------------------------------------------------------------------------------

    def look_into(self, actor: OrderActor, _: None) -> None:
        """Ask the venue about an order that is in doubt, unverified, or behind the venue's total."""
        cid = actor.order.terms.client_order_id
        inquiry = self._inquiries.get(cid)
        if inquiry is None:
            inquiry = self._inquiries[cid] = Inquiry()
        if inquiry.waiting or self._closing:
            return
        inquiry.waiting = True
        wait = inquiry.next_wait_ns()
        self.broker.dispatcher.call_later(wait, lambda: self._ask(cid, inquiry))

    def _ask(self, cid: str, inquiry: Inquiry) -> None:
        actor = self.broker.orders.get(cid)
        if actor is None or not _has_questions(actor.order):
            inquiry.waiting = False
            self._inquiries.pop(cid, None)
            return
        order = actor.order
        inquiry.asked += 1
        if inquiry.is_due_for_a_person() and not inquiry.escalated:
            inquiry.escalated = True
            self.broker.alarm(
                "unresolved",
                f"asked {inquiry.asked} times and still not known: it keeps its exposure, and entries of"
                f" {order.terms.instrument} stop until it is settled",
                cid,
            )
        if order.claim_qty > order.cum_qty:
            self._fetch_executions()
        ids = order.venue_order_ids
        query = QueryOrder(cid, order.terms.instrument, ids[-1] if ids else None)
        self.broker.lane.send(query, False)

    def _answered(self, request: Any, answer: Answer[OrderSnapshot]) -> None:
        """A query by id came back."""
        cid = request.client_order_id
        broker = self.broker
        inquiry = self._inquiries.setdefault(cid, Inquiry())
        inquiry.waiting = False
        for snapshot in answer.items:
            inquiry.misses = 0
            broker.report(snapshot)
        if not answer.items:
            inquiry.missed(complete=answer.complete)
            if answer.complete:
                self._not_found(cid, inquiry, answer.sent_ts)
        actor = broker.orders.get(cid)
        if actor is None or not _has_questions(actor.order):
            self._inquiries.pop(cid, None)
        else:
            broker.turn.effects.append((self.look_into, actor, None))

    def _not_found(self, cid: str, inquiry: Inquiry, sent_ts: int) -> None:
        actor = self.broker.orders.get(cid)
        if actor is None:
            return
        ts = self.broker.dispatcher.time_ns()
        lag = self.broker.capabilities.visibility_lag_ns
        missing = OrderNotFound(cid, ts, sent_ts)
        proof = absence_proven(actor.order, self.broker.capabilities, inquiry, missing)
        if proof:
            self.broker.report(NeverArrived(cid, ts, proof))
        elif sent_ts > actor.order.ts + lag:
            self.broker.report(missing)

    def forget(self, cid: str) -> None:
        """The order has left memory: nothing more is asked about it."""
        self._inquiries.pop(cid, None)

    def hand_over(self) -> list[str]:
        """Orders that could not be settled by asking: a person has to."""
        return [cid for cid, inquiry in self._inquiries.items() if inquiry.escalated]

    def refusal(self, order: SubmitOrder) -> tuple[str, str] | None:
        """Why an entry may not be taken now, or None. Exits are never refused here."""
        if order.reduce_only:
            return None
        for cid in self.hand_over():
            actor = self.broker.orders.get(cid)
            if actor is not None and actor.order.terms.instrument == order.instrument:
                return "hand_over", f"order {cid} of {order.instrument} is not settled: entries of it stop"
        return None

    def introduced_again(self, actor: OrderActor, order: SubmitOrder) -> None:
        """A command for an order we hold already: adopted before its own introduction came, or a repeat.

        Nothing is sent. An adopted order learns the quantity nobody had told us.
        """
        self.broker.counters.duplicates += 1
        held = actor.order
        if held.order_qty is None and order.order_qty is not None and held.terms.intent_id != order.intent_id:
            told = Accepted(order.client_order_id, order.ts, None, order.order_qty, Source.LIST)
            self.broker.deliver(actor, told)

    # --- the session -------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Open the venue's session; if that fails, try again later. Other venues do not wait for it."""
        broker = self.broker
        if self._closing:
            return
        broker.session.on(SessionTrigger.CONNECT)
        broker.dispatcher.spawn(self._connect())

    async def _connect(self) -> None:
        broker = self.broker
        try:
            await broker.venue.connect(self._sink, broker.dispatcher)
        except Exception as error:  # an adapter may fail in any way; it is a session that is down, no more
            ts = broker.dispatcher.time_ns()
            detail = f"connect failed: {type(error).__name__}"
            broker.dispatcher.post(broker, LinkDown(ts, detail))

    def _sink(self, report: Any) -> None:
        broker = self.broker
        broker.dispatcher.post(broker, report)

    def link_up(self, up: LinkUp) -> None:
        """A session stands: what happened in the gap is asked for before entries leave."""
        broker = self.broker
        self._connects = 0
        cell = broker.session.on(SessionTrigger.LINK_UP)
        broker.turn.record(up.ts, f"session:{broker.name}:{broker.account}", up)
        if cell.target is SessionState.RECONCILING:
            self.reconcile(whole=True)
        broker.turn.effects.append((self._pump, None, None))

    def link_down(self, down: LinkDown) -> None:
        """The session is gone: orders stand as last known, entries wait, and we connect again."""
        broker = self.broker
        broker.session.on(SessionTrigger.LINK_DOWN)
        broker.turn.record(down.ts, f"session:{broker.name}:{broker.account}", down)
        broker.turn.events.append(VenueDown(broker.name, broker.account, down.ts, down.detail))
        if not self._closing:
            wait = RECONNECT_NS[min(self._connects, len(RECONNECT_NS) - 1)]
            self._connects += 1
            broker.dispatcher.call_later(wait, self.connect)

    def _fetch_executions(self) -> None:
        if not self._asking_executions:
            self.reconcile(whole=False)

    def reconcile(self, *, whole: bool) -> None:
        """Ask the venue about executions, and with ``whole`` about open orders too."""
        self._asking_executions = True
        self.broker.dispatcher.spawn(self._ask_venue(whole))

    async def _ask_venue(self, whole: bool) -> None:
        """Open orders first, then executions: an order that fills between shows in one of the two."""
        broker = self.broker
        sent = broker.dispatcher.time_ns()
        open_orders: Answer[OrderSnapshot] = Answer((), False, sent)
        executions: Answer[Filled] = Answer((), False, sent)
        try:
            if whole:
                open_orders = await broker.venue.open_orders()
            executions = await broker.venue.executions(max(self.executions_ts - OVERLAP_NS, 0))
        except Exception as error:  # a query that failed says nothing
            detail = f"{type(error).__name__}"
            executions = Answer((), False, sent, detail)
        broker.dispatcher.post(broker, GapAnswered(open_orders, executions, whole))

    def gap_answered(self, gap: GapAnswered) -> None:
        """Book what a gap hid, ask about what it does not explain, and let entries go on."""
        broker = self.broker
        self._asking_executions = False
        for fill in gap.executions.items:
            broker.report(fill)
            self.executions_ts = max(self.executions_ts, fill.ts)
        if not gap.whole:
            return
        shown: dict[str, None] = {}
        for snapshot in gap.open_orders.items:
            shown[snapshot.client_order_id] = None
            broker.report(snapshot)
        for cid, actor in list(broker.orders.items()):
            if actor.order.life in TERMINAL or actor.order.life is Life.PENDING:
                continue
            if cid not in shown or _has_questions(actor.order):
                if gap.open_orders.complete or _has_questions(actor.order):
                    self._ask_after_gap(actor)
        broker.session.on(SessionTrigger.RECONCILED)
        ts = broker.dispatcher.time_ns()
        broker.turn.events.append(VenueUp(broker.name, broker.account, ts))
        broker.turn.effects.append((self._pump, None, None))

    def _ask_after_gap(self, actor: OrderActor) -> None:
        """A list that does not show an order proves nothing; a query by id may."""
        order = actor.order
        cid = order.terms.client_order_id
        self._inquiries.setdefault(cid, Inquiry()).waiting = True
        ids = order.venue_order_ids
        query = QueryOrder(cid, order.terms.instrument, ids[-1] if ids else None)
        self.broker.turn.effects.append((self.broker.lane.send, query, False))

    def _pump(self, _: None, __: None) -> None:
        self.broker.lane.pump()

    async def close(self) -> None:
        """End the session in order; open orders at the venue stay as they are."""
        self._closing = True
        self.broker.session.on(SessionTrigger.CLOSE)
        await self.broker.venue.close()


def _has_questions(order: Order) -> bool:
    """Whether something about an order has to be asked."""
    return (
        order.unverified
        or order.life is Life.IN_DOUBT
        or order.claim_qty > order.cum_qty
        or any(out.unknown for out in order.requests)
    )
