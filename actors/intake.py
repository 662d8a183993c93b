"""Which order a report is about, when we do not hold it: the half of a broker that never drops a
report.

In this order: the tombstone of a closed order, which is taken up again; an id of the venue that we
know; adoption, where the report says enough to know what it is about; else it is parked:
journalled under its id, shown as an alarm, and applied when the order is introduced.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.fold import revive as read_tombstone
from engine.messages import (
    AdoptOrder,
    Filled,
    OrderPending,
    OrderReport,
    OrderSnapshot,
    SubmitOrder,
)
from engine.order_events import head
from engine.order_steps import begin
from engine.values import OrderType

from .roles import BrokerRole, OrderRole
from .venue_ids import nameless

__all__ = ["ADOPTED_MAX", "OF_ONE_MAX", "PARKED_MAX", "Intake", "is_adopted"]

#: Reports that wait for their order, in all and of one: beyond, the venue is asked again.
PARKED_MAX: Final = 10_000
OF_ONE_MAX: Final = 1_000
#: Live orders of others that are taken over; beyond, what is told of them waits for room.
ADOPTED_MAX: Final = 20_000
_COUNT_EVERY: Final = 1_000
_AGAIN_NS: Final = 60_000_000_000
_ADOPTED: Final = "adopted:"  # how the intent ids of adopted orders begin


def is_adopted(terms: SubmitOrder) -> bool:
    """Whether an order was first seen mid-life: its own time says nothing of when it began."""
    return terms.intent_id.startswith(_ADOPTED)


class Intake:
    """Finds, revives, adopts and parks for one broker, on its thread."""

    def __init__(self, broker: BrokerRole) -> None:
        self.broker = broker
        self.parked: dict[str, tuple[OrderReport, ...]] = {}
        self._count: int | None = None  # of parked reports; None: not counted yet
        self._room = 0  # for orders to adopt, before they are counted again
        self._full_until_ns = 0
        self._trying = False

    def find(self, report: OrderReport) -> OrderRole | None:
        """The order a report is about, taken up or over if need be; None: it has to be parked."""
        venue_id = getattr(report, "venue_order_id", None)
        cid = report.client_order_id
        if cid:  # our id says more: a venue may give its own to another order later on
            actor = self.revive(cid)
            if actor is not None:
                return actor
        if venue_id is not None:
            known = self.broker.venue_ids.find(venue_id, report)
            if known is not None:
                return self.broker.orders.get(known) or self.revive(known)
        if venue_id is not None and not cid:
            closed = self.broker.journal.closed_by_venue_id(
                self.broker.name,
                self.broker.account,
                venue_id,
                getattr(report, "instrument", "") or None,
            )
            if closed is not None:
                return self._revive_body(closed)
        name = nameless(self.broker.name, venue_id) if venue_id else ""
        return self._adopt(report, cid or name)

    def _adopt(self, report: OrderReport, cid: str) -> OrderRole | None:
        """Take over an order first seen mid-life, where the report says instrument and side."""
        if not cid or not isinstance(report, Filled | OrderSnapshot):
            return None
        if (
            not report.instrument
            or report.side is None
            or report.instrument not in self.broker.instruments
        ):
            return None
        if not self._may_adopt():
            return None
        qty = price = stop_px = None
        kind, ts = OrderType.MARKET, report.ts
        if isinstance(report, OrderSnapshot):
            qty, price, stop_px = report.order_qty, report.price, report.stop_px
            kind = report.order_type or (OrderType.MARKET if price is None else OrderType.LIMIT)
        terms = SubmitOrder(
            f"{_ADOPTED}{cid}", self.broker.name, self.broker.account, report.instrument,
            report.side, kind, qty, report.ts, cid, price, stop_px,
        )  # fmt: skip
        if isinstance(report, OrderSnapshot) and report.sent_ts is not None:
            ts = min(ts, report.sent_ts)  # else what it says would be older than its own order
        fact = AdoptOrder(terms, ts, f"first seen by {type(report).__name__}")
        actor = self.broker.introduce(begin(fact))
        self.broker.turn.record(report.ts, cid, fact)
        self.broker.counters.adopted += 1
        if OrderPending in self.broker.turn.hub.wanted:
            self.broker.turn.events.append(head(actor.order, report.ts))
        if self.parked:
            self.unpark(actor)
        return actor

    def _may_adopt(self) -> bool:
        """Whether there is room for one more order of others. They are counted only where there
        are many orders, and seldom.
        """
        orders, clock = self.broker.orders, self.broker.dispatcher
        if len(orders) < ADOPTED_MAX:
            return True
        if self._room <= 0 and clock.monotonic_ns() >= self._full_until_ns:
            held = sum(is_adopted(actor.order.terms) for actor in list(orders.values()))
            self._room = min(ADOPTED_MAX - held, _COUNT_EVERY)
            self._full_until_ns = clock.monotonic_ns() + _AGAIN_NS
        self._room -= 1
        if self._room < 0 and not self._trying:  # they are parked, until there is room
            self._trying = True
            clock.watch_later(_AGAIN_NS, self._try_later)
        return self._room >= 0

    def _try_later(self) -> None:
        self._trying = False
        self.try_again()

    def revive(self, cid: str) -> OrderRole | None:
        """Take up a closed order again from its tombstone, so that a late fact finds it as it
        was.
        """
        body = self.broker.journal.closed_order(cid)
        return None if body is None else self._revive_body(body)

    def _revive_body(self, body: bytes) -> OrderRole:
        order, ledger = read_tombstone(body)
        actor = self.broker.introduce(order, ledger)
        actor.revived = body
        self.broker.on_revived(order.terms)  # its row may go, and its intent stays taken
        self.broker.turn.closing[order.terms.client_order_id] = actor
        return actor

    def entity_of(self, venue_id: str | None) -> str:
        """What a report under an id of this account's venue is parked as; others number alike."""
        return f"venue:{self.broker.name}:{self.broker.account}:{venue_id}"

    def park(self, report: OrderReport, entity: str = "") -> None:
        """Keep a report about an order nobody introduced; it is applied when somebody does."""
        entity = (
            entity
            or report.client_order_id
            or self.entity_of(getattr(report, "venue_order_id", None))
        )
        waiting = self.parked.get(entity, ())
        if _says_nothing_new(report, waiting):
            self.broker.counters.duplicates += 1  # a list shows it again each time it is read
            return
        self.broker.counters.parked += 1
        self.broker.counters.quarantined += 1
        if len(waiting) >= OF_ONE_MAX or self._counted() >= PARKED_MAX:
            self.broker.surplus.add("reports of orders we do not know", report.ts)
            return
        self._put(entity, (*waiting, report))
        self.broker.turn.record(report.ts, entity, report)
        if not self.broker.watch.armed:  # a list may say what it is about, also where all is idle
            self.broker.watch.arm()
        self.broker.alarm(
            "unknown_order", f"{type(report).__name__} for an order we do not know", entity
        )

    def unpark(self, actor: OrderRole) -> None:
        """Apply what came for an order before its introduction."""
        cid = actor.order.terms.client_order_id
        reports = self.parked.get(cid)
        if reports is None:
            return
        self._put(cid, ())
        for report in reports:
            facts = self.broker.turn.batch.facts
            before = len(facts)
            self.broker.deliver(actor, report)
            # It is in the journal already, before the introduction; the fold does the same. What
            # follows from it for others (a monitor's position begins) is not, and is written.
            facts[before:] = [fact for fact in facts[before:] if fact[1] != cid]

    def unpark_venue_ids(self, actor: OrderRole, ids: tuple[str, ...]) -> None:
        """Apply what came under an id of the venue before we knew whose it is: a fill before its
        acknowledgement.
        """
        for venue_id in ids:
            self._deliver_parked(self.entity_of(venue_id), actor)

    def try_again(self) -> None:
        """Something became known: see what parked reports were about."""
        for entity, reports in list(self.parked.items()):
            if entity.startswith("dead:"):
                continue  # a broker failed on it: it is kept for a person
            actor = self.broker.orders.get(reports[0].client_order_id) or self.find(reports[0])
            if actor is not None:
                self._deliver_parked(entity, actor)

    def _deliver_parked(self, entity: str, actor: OrderRole) -> None:
        """Deliver as if it came now: the journal has it under another name, so it is written again
        under the order's.
        """
        reports = self.parked.get(entity)
        if reports is not None:
            self._put(entity, ())
            for report in reports:
                self.broker.deliver(actor, report)

    def _counted(self) -> int:
        if self._count is None:
            self._count = sum(len(reports) for reports in self.parked.values())
        return self._count

    def _put(self, entity: str, reports: tuple[OrderReport, ...]) -> None:
        before = self.parked.get(entity, ())
        self.broker.turn.undo.append((self, entity, before))
        self.restore(entity, reports)

    def restore(self, before: str, extra: tuple[OrderReport, ...]) -> None:
        """Make ``extra`` what is parked for an entity: also the undo of a discarded turn."""
        if self._count is not None:
            self._count += len(extra) - len(self.parked.get(before, ()))
        if extra:
            self.parked[before] = extra
        else:
            self.parked.pop(before, None)


def _says_nothing_new(report: OrderReport, waiting: tuple[OrderReport, ...]) -> bool:
    """Whether what waits for an order says it already: lists show the same each time."""
    if isinstance(report, Filled):
        same = (one for one in waiting if type(one) is Filled and one.exec_id == report.exec_id)
        return any(replace(one, ts=report.ts, source=report.source) == report for one in same)
    if isinstance(report, OrderSnapshot):
        last = next((one for one in reversed(waiting) if type(one) is OrderSnapshot), None)
        return last is not None and report == replace(last, ts=report.ts, sent_ts=report.sent_ts)
    return False
