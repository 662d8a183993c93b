"""How a broker turns what its lane learnt into reports, and how it asks the venue about what it
does not know.

Every ending of a call becomes reports of the same vocabulary the stream speaks, so an order cannot
tell (and need not know) which way a fact came. Silence becomes a question, never an answer:
:meth:`BrokerCalls.look_into` asks about one order; :mod:`actors.broker_link` asks about everything,
after every gap.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.calls import QUERIES, Query, VenueRequest
from engine.claims import is_claiming
from engine.messages import (
    Accepted,
    Amend,
    Cancel,
    NeverArrived,
    OrderNotFound,
    OrderSnapshot,
    OutcomeUnknown,
    Place,
    QueryOrder,
    Report,
    SubmitOrder,
)
from engine.order import Order, exposure_qty, has_questions
from engine.order_tables import Life
from engine.reconcile import Inquiry, absence_proven, may_lag, requests_settled
from engine.session_chart import SessionState
from engine.values import Side, Source

from .venues.port import Answer, Done, Duplicate, Refused, Throttled, Unknown

if TYPE_CHECKING:
    from .lane import CallEnded

from .broker_words import TookOver, refused
from .roles import BrokerRole, OrderRole

__all__ = ["BrokerCalls"]

#: Questions about an order that begin again within this time belong to the same trouble.
_SAME_TROUBLE_NS = 60_000_000_000
#: Requests without a word of their effect that are looked at in one turn.
_AT_ONCE = 256

_SUBMITTED, _PENDING = Life.SUBMITTED, Life.PENDING


class BrokerCalls:
    """The half of a broker that talks with its lane. Lives and dies with it, on the same thread."""

    def __init__(self, broker: BrokerRole, ack_timeout_ns: int) -> None:
        self.broker = broker
        self.ack_timeout_ns = ack_timeout_ns
        self._inquiries: dict[str, Inquiry] = {}
        #: When the last round about an order ended (monotonic), and how often it had been asked.
        self._past: dict[str, tuple[int, int]] = {}
        #: (order, request id or None for the placement) -> when the lane sent it; insertion order
        #: is time order.
        self._unanswered: dict[tuple[str, str | None], int] = {}
        self._watching = False
        self._echoes = broker.capabilities.stream_echoes
        #: Orders that a person was told of, by instrument; some may be settled by now.
        self._stuck: dict[str, dict[str, None]] = {}
        #: Orders that a list did not show, until a question by id is answered.
        self._unsaid: dict[str, None] = {}

    # --- calls that ended -------------------------------------------------------------------------

    def ended(self, call: CallEnded) -> None:
        """Report what the ending of a call says."""
        request, outcome = call.call.request, call.outcome
        broker = self.broker
        if type(outcome) is Done:
            for report in broker.link.admitted(outcome.reports):
                broker.on_receive(report)
            self._watch(request, call.sent_ts)
            return
        if isinstance(outcome, Throttled):
            return  # it will leave again
        if isinstance(request, QUERIES):
            self._asked(request, outcome if isinstance(outcome, Answer) else None, call.sent_ts)
            return
        cid, ts = request.client_order_id, broker.dispatcher.time_ns()
        req_id = None if isinstance(request, Place) else request.req_id
        made: Report | None = None
        if isinstance(outcome, Refused):
            made = refused(request, outcome, ts)
        elif isinstance(outcome, Duplicate):
            made = OutcomeUnknown(cid, ts, None, f"duplicate id: {outcome.detail}")
        elif isinstance(outcome, Unknown):
            made = OutcomeUnknown(cid, ts, req_id, outcome.detail)
        for report in broker.link.admitted((made,)):
            broker.report(report)

    def took_over(self, message: TookOver) -> None:
        """An amend has grown before it left: its order counts with what it asks for now."""
        actor = self.broker.orders.get(message.command.client_order_id)
        if actor is not None:
            self.broker.deliver(actor, message.command)

    def _asked(self, request: Query, answer: Answer[Any] | None, sent_ts: int) -> None:
        """A question was answered, or (None) was not: then it will be asked again."""
        if isinstance(request, QueryOrder):
            self._answered(request, answer or Answer((), False, sent_ts))
        else:
            self.broker.watch.answered(request, answer)

    def _watch(self, request: VenueRequest, sent_ts: int) -> None:
        """The venue took a request, perhaps without saying its effect: if what has to come does
        not, silence has to be noticed.
        """
        if type(request) is not Place and isinstance(request, QUERIES):
            self._asked(request, None, sent_ts)  # the adapter answered it like a call
            return
        if self._echoes:
            self.broker.watch.expect(sent_ts)
        cid = request.client_order_id
        actor = self.broker.orders.get(cid)
        if actor is None:
            return
        req_id = request.req_id if isinstance(request, Cancel | Amend) else None
        if self._is_answered(actor.order, req_id):
            return
        self._unanswered.pop((cid, req_id), None)  # so that the order stays that of time
        self._unanswered[cid, req_id] = self.broker.dispatcher.monotonic_ns()
        if not self._watching:
            self.broker.turn.effects.append((self._begin_to_watch, None, None))

    def _begin_to_watch(self, _: None, __: None) -> None:
        if not self._watching:
            self._watch_on(None, None)

    def _watch_on(self, _: None, __: None) -> None:
        """Look again when the oldest that is left has waited for long enough."""
        oldest = next(iter(self._unanswered.values()), None)
        self._watching = oldest is not None
        if oldest is not None:
            wait = oldest + self.ack_timeout_ns - self.broker.dispatcher.monotonic_ns()
            self.broker.dispatcher.call_later(wait, self._look_for_silence)

    @staticmethod
    def _is_answered(order: Order, req_id: str | None) -> bool:
        if req_id is None:
            return order.life is not _SUBMITTED and order.life is not _PENDING
        return all(out.req_id != req_id for out in order.requests)

    def _look_for_silence(self) -> None:
        """Timer: what was taken and not answered for too long is of unknown outcome, and the stream
        that should have told it is not believed.

        Looks at the oldest only, and at so many of them; the rest has its turn when it is due.
        """
        broker = self.broker
        due = broker.dispatcher.monotonic_ns() - self.ack_timeout_ns
        ts = broker.dispatcher.time_ns()
        words = f"no word within {self.ack_timeout_ns / 1e9:g} s"
        silent = ""
        for key, sent in islice(self._unanswered.items(), _AT_ONCE):
            if sent > due:
                break
            broker.turn.effects.append((self._unanswered.pop, key, None))
            cid, req_id = key
            actor = broker.orders.get(cid)
            if actor is not None and not self._is_answered(actor.order, req_id):
                broker.report(OutcomeUnknown(cid, ts, req_id, words))
                silent = cid
        if silent:
            broker.watch.unheard(f"the effect of a request for {silent} was not told")
        broker.turn.effects.append((self._watch_on, None, None))

    # --- questions about one order ----------------------------------------------------------------

    def look_into(self, actor: OrderRole, _: None) -> None:
        """Ask about an order that is in doubt, unverified, or behind the venue's total."""
        cid = actor.order.terms.client_order_id
        inquiry = self._inquiry(cid)
        if inquiry.waiting or self.broker.link.closing:
            return
        inquiry.waiting = True
        wait = inquiry.next_wait_ns()
        self.broker.dispatcher.call_later(wait, lambda: self._ask(cid, inquiry))

    def ask_by_id(self, actor: OrderRole) -> None:
        """Ask about an order, however it looks, until a question by its id is answered."""
        self._unsaid[actor.order.terms.client_order_id] = None
        self.look_into(actor, None)

    def _inquiry(self, cid: str) -> Inquiry:
        """The questions about an order; a new round soon after the last goes on where it stopped.

        Else an order that an answer keeps stirring up would be asked about without a pause.
        """
        inquiry = self._inquiries.get(cid)
        if inquiry is None:
            inquiry = self._inquiries[cid] = Inquiry()
            ended_ns, asked = self._past.pop(cid, (0, 0))
            if asked and self.broker.dispatcher.monotonic_ns() - ended_ns < _SAME_TROUBLE_NS:
                inquiry.asked = asked
        return inquiry

    def _end_inquiry(self, cid: str) -> None:
        inquiry = self._inquiries.pop(cid, None)
        self.broker.claims.forget(cid)
        self._unstick(cid)
        if inquiry is not None and inquiry.asked:
            self._past[cid] = (self.broker.dispatcher.monotonic_ns(), inquiry.asked)

    def _unstick(self, cid: str) -> None:
        for instrument, stuck in self._stuck.items():
            if cid in stuck:
                del stuck[cid]
                if not stuck:
                    del self._stuck[instrument]
                return

    def _ask(self, cid: str, inquiry: Inquiry) -> None:
        actor = self.broker.orders.get(cid)
        if actor is None or not self._is_open_question(actor.order):
            inquiry.waiting = False
            self._end_inquiry(cid)
            return
        order = actor.order
        self.broker.turn.undo.append((inquiry, inquiry.noted(), None))
        inquiry.asked += 1
        if inquiry.is_due_for_a_person() and not inquiry.escalated:
            inquiry.escalated = True
            self._stuck.setdefault(order.terms.instrument, {})[cid] = None
            self.broker.alarm(
                "unresolved",
                f"asked {inquiry.asked} times and still not known: it keeps its exposure, and"
                f" entries of {order.terms.instrument} stop until it is settled",
                cid,
            )
        self.broker.claims.asked(order)
        if is_claiming(order):
            self.broker.link.fetch_executions()
        elif not order.venue_order_ids and not self.broker.capabilities.lookup_by_client_id:
            self.broker.link.fetch_lists()  # no question by id can find it
        self._query(order)

    def _is_open_question(self, order: Order) -> bool:
        return has_questions(order) or order.terms.client_order_id in self._unsaid

    def _query(self, order: Order) -> None:
        ids = order.venue_order_ids
        cid = order.terms.client_order_id
        query = QueryOrder(cid, order.terms.instrument, ids[-1] if ids else None)
        self.broker.turn.effects.append((self.broker.lane.send, query, False))

    def ask_after_gap(self, actor: OrderRole, *, is_missing: bool) -> None:
        """A list that does not show an order proves nothing; a query by id may."""
        if is_missing or has_questions(actor.order):
            cid = actor.order.terms.client_order_id
            if is_missing:
                self._unsaid[cid] = None
            self._inquiry(cid).waiting = True
            self._query(actor.order)

    def _answered(self, request: Any, answer: Answer[OrderSnapshot]) -> None:
        """A query by id came back."""
        cid, broker = request.client_order_id, self.broker
        inquiry = self._inquiry(cid)
        broker.turn.undo.append((inquiry, inquiry.noted(), None))
        inquiry.waiting = False
        complete = answer.complete and broker.session.state is not SessionState.SUSPECT
        for snapshot in broker.link.admitted(answer.items):
            held = broker.orders.get(cid)
            broker.report(may_lag(snapshot, held.order if held else None, broker.capabilities))
            if snapshot.client_order_id in ("", cid):
                self._unsaid.pop(cid, None)
                inquiry.misses = 0
                broker.claims.looked(cid, snapshot)
                self._settle_requests(cid, snapshot, answer.sent_ts)
            else:  # the venue has another order under that id: no proof of anything, but a doubt
                inquiry.missed(complete=False)
                if complete:
                    self._not_found(cid, inquiry, answer.sent_ts)
        if not answer.items:  # and a session that may be deaf proves no absence
            inquiry.missed(complete=complete)
            if complete:
                self._unsaid.pop(cid, None)
                self._not_found(cid, inquiry, answer.sent_ts)
        actor = broker.orders.get(cid)
        if actor is None or not self._is_open_question(actor.order):
            self._end_inquiry(cid)
        else:
            broker.turn.effects.append((self.look_into, actor, None))

    def _settle_requests(self, cid: str, snapshot: OrderSnapshot, sent_ts: int) -> None:
        """What a late enough look at the order says about requests of unknown outcome."""
        actor = self.broker.orders.get(cid)
        if actor is not None and actor.order.requests:
            ts = self.broker.dispatcher.time_ns()
            for report in requests_settled(
                actor.order, self.broker.capabilities, snapshot, sent_ts, ts
            ):
                self.broker.report(report)

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
        if self._inquiries:
            self._inquiries.pop(cid, None)
            self._unstick(cid)
        self.broker.claims.gone(cid)
        if self._past:
            self._past.pop(cid, None)
        if self._unsaid:
            self._unsaid.pop(cid, None)

    def hand_over(self) -> list[str]:
        """Orders that could not be settled by asking: a person has to."""
        return [cid for stuck in self._stuck.values() for cid in stuck if self._is_stuck(cid)]

    def _is_stuck(self, cid: str) -> bool:
        actor, inquiry = self.broker.orders.get(cid), self._inquiries.get(cid)
        return (
            inquiry is not None
            and inquiry.escalated
            and actor is not None
            and self._is_open_question(actor.order)
        )

    def refusal(self, order: SubmitOrder) -> tuple[str, str] | None:
        """Why an entry may not be taken now, or None. Exits are never refused here."""
        if order.reduce_only or not (self._stuck or self.broker.watched.drifts):
            return None
        for cid in self._stuck.get(order.instrument, ()):
            if self._is_stuck(cid):
                if self._is_exit(order):
                    return None
                why = f"order {cid} of {order.instrument} is not settled: entries of it stop"
                return "hand_over", why
        return None if self._is_exit(order) else self.broker.drifting.refusal(order)

    def _is_exit(self, order: SubmitOrder) -> bool:
        """Whether it can only lower what is held, even if all that is in doubt on its side fills
        too.
        """
        held = self.broker.positions.get((order.instrument, order.slot))
        if held is None or order.order_qty is None:
            return False
        qty = held.position.qty
        if not qty or qty.is_signed() != (order.side is Side.BUY):
            return False
        left = abs(qty)
        for actor in self.broker.orders.values():
            terms = actor.order.terms
            if (terms.instrument, terms.slot, terms.side) == (
                order.instrument,
                order.slot,
                order.side,
            ):
                if terms.client_order_id != order.client_order_id and has_questions(actor.order):
                    left -= exposure_qty(actor.order) or left
        return order.order_qty <= left

    def introduced_again(self, actor: OrderRole, order: SubmitOrder) -> None:
        """A command for an order we hold already: adopted before its own introduction came, or a
        repeat.

        Nothing is sent. An adopted order learns the quantity nobody had told us.
        """
        self.broker.counters.duplicates += 1
        held = actor.order
        if (
            held.order_qty is None
            and order.order_qty is not None
            and held.terms.intent_id != order.intent_id
        ):
            told = Accepted(order.client_order_id, order.ts, None, order.order_qty, Source.LIST)
            self.broker.deliver(actor, told)
