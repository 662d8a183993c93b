"""A group with real orders at a small venue that does what a test, or a draw, tells it.

The venue here is the dumbest there can be: it has what was sent to it, and nothing happens by
itself. What it does becomes reports to the real :func:`engine.order_steps.step`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from engine.group import Group, begin_group, legs_of, slice_of
from engine.group_actions import (
    Action,
    Add,
    Close,
    Hold,
    Release,
    ReleaseTied,
    Relink,
    Remove,
    Resize,
    Send,
    VenueRules,
)
from engine.group_moves import amended_group, moved_of
from engine.group_steps import Plan, plan
from engine.group_tables import GroupState
from engine.group_wants import Facts
from engine.invariants import check_order, check_step
from engine.messages import (
    Accepted,
    AmendGroup,
    AmendOrder,
    Cancelled,
    CancelOrder,
    CancelRefused,
    Contingency,
    Filled,
    GroupTerms,
    Leg,
    LegMoved,
    LegRole,
    Message,
    NativeShape,
    Rejected,
    Replaced,
    ReplaceRefused,
    SubmitGroup,
    SubmitOrder,
    Withdrawn,
)
from engine.order import Ledger, Order, leaves_qty
from engine.order_steps import begin, mark_sent, relink, step
from engine.order_tables import TERMINAL, Life, LinkTrigger
from engine.values import (
    ZERO,
    Instrument,
    InstrumentKind,
    OrderType,
    Side,
)

D = Decimal
LOT = Instrument(symbol="X", venue="V", kind=InstrumentKind.LINEAR, quote="USD", lot_size=D(1))
COIN = Instrument(symbol="X", venue="V", base="X", quote="USD", lot_size=D(1))


def leg(
    name: str,
    role: LegRole,
    qty: str | None,
    *,
    side: Side | None = None,
    share: str | None = None,
    price: str | None = None,
    stop_px: str | None = None,
) -> Leg:
    """A leg of a long trade in X: entries buy, exits sell."""
    kind = OrderType.STOP if stop_px else OrderType.LIMIT if price else OrderType.MARKET
    order = SubmitOrder(
        f"i-{name}", "V", "A", "X", side or (Side.BUY if role is LegRole.ENTRY else Side.SELL),
        kind, None if qty is None else D(qty), 1, name,
        price=None if price is None else D(price),
        stop_px=None if stop_px is None else D(stop_px),
        reduce_only=role is not LegRole.ENTRY,
    )  # fmt: skip
    return Leg(name, role, order, None if share is None else D(share))


def bracket(qty: str = "10", *shares: str) -> GroupTerms:
    """An entry of ``qty`` at 100, a stop at 90, a target at 120 (or one for each share)."""
    targets = [
        leg(f"t{number}", LegRole.TARGET, None, share=share, price=str(120 + number))
        for number, share in enumerate(shares)
    ] or [leg("t", LegRole.TARGET, None, price="120")]
    stop = leg("s", LegRole.STOP, None, stop_px="90")
    exits = GroupTerms(Contingency.OUO, (stop, *targets))
    return GroupTerms(Contingency.OTO, (leg("e", LegRole.ENTRY, qty, price="100"), exits))


class GroupDesk:
    """A group, its orders, and the venue they are at."""

    def __init__(
        self, root: GroupTerms, *, amends: bool = True, bounds: bool = True, locks: bool = False,
        native: tuple[NativeShape, ...] = (), instrument: Instrument = LOT,
        fee_rate: Decimal = ZERO,
    ) -> None:  # fmt: skip
        self.group: Group = begin_group(SubmitGroup("g", "i", "V", "A", root))
        self.rules = VenueRules(amends, bounds)
        self.locks = locks
        self.native = native
        self.instrument = COIN if locks else instrument
        self.fee_rate = fee_rate  # of each fill, in the traded asset
        self.orders: dict[str, Order] = {}
        self.ledgers: dict[str, Ledger] = {}
        self.fees: dict[str, Decimal] = {}
        self.at_venue: dict[str, Decimal] = {}  # the venue's own leaves, by client order id
        self.clock = 1
        self.made = 0
        self.last: Plan | None = None
        self.history: list[GroupState] = []
        for one in legs_of(root):
            held = relink(begin(one.order), LinkTrigger.HOLD_BACK, 1).order
            self._introduce(one.name, held)
        self.look()

    def _introduce(self, cid: str, order: Order) -> None:
        self.orders[cid], self.ledgers[cid], self.fees[cid] = order, Ledger(), ZERO

    # --- the group --------------------------------------------------------------------------------

    def look(self) -> Plan:
        """Plan and do until nothing is missing; it must come to an end."""
        for _ in range(50):
            slices = {
                name: tuple(slice_of(self.orders[cid], self.fees[cid]) for cid in cids)
                for name, cids in self.group.slices
            }
            facts = Facts(slices, {"X": self.instrument}, locks=self.locks, native=self.native)
            found = plan(self.group, facts, self.rules)
            self.group, self.last = found.group, found
            if not self.history or self.history[-1] is not self.group.state:
                self.history.append(self.group.state)
            if not found.actions:
                return found
            for action in found.actions:
                self._do(action)
        raise AssertionError(f"the group never comes to rest: {self.last}")

    def _do(self, action: Action) -> None:
        self.clock += 1
        if isinstance(action, Release):
            self._release(action.client_order_id, action.order_qty)
        elif isinstance(action, ReleaseTied):
            for cid in action.client_order_ids:
                self._release(cid, action.order_qty)
        elif isinstance(action, Resize):
            self.made += 1
            req = f"r{self.made}"
            terms = action.order_qty, action.price, action.stop_px
            cid = action.client_order_id
            out = self.take(cid, AmendOrder(cid, req, self.clock, *terms))
            assert not out.requests or out.requests[-1].req_id == req
        elif isinstance(action, Remove):
            order = self.orders[action.client_order_id]
            if order.life is Life.PENDING:
                self.take(action.client_order_id, Withdrawn(action.client_order_id, self.clock))
            else:
                self.made += 1
                self.take(action.client_order_id, CancelOrder(
                    action.client_order_id, f"r{self.made}", self.clock))  # fmt: skip
        elif isinstance(action, Relink):
            found = relink(self.orders[action.client_order_id], action.trigger, self.clock)
            self.orders[action.client_order_id] = found.order
        elif not isinstance(action, Send):  # no trigger is watched here
            self._place(action)

    def _release(self, cid: str, qty: Decimal) -> None:
        order = relink(self.orders[cid], LinkTrigger.ARM, self.clock).order
        self.orders[cid] = replace(order, order_qty=qty)
        self._send(cid)

    def _place(self, action: Add | Hold | Close) -> None:
        self.made += 1
        cid = f"{action.leg}#{self.made}"
        if not isinstance(action, Close):
            like = next(one for one in legs_of(self.group.terms.root) if one.name == action.leg)
            qty = like.order.order_qty if isinstance(action, Hold) else action.order_qty
            moved = moved_of(self.group, action.leg) or LegMoved(action.leg)
            terms = replace(
                like.order, client_order_id=cid, order_qty=qty,
                price=moved.price or like.order.price, stop_px=moved.stop_px or like.order.stop_px,
            )  # fmt: skip
        else:
            side = action.exits.order.side
            terms = SubmitOrder(
                f"i-{cid}", "V", "A", "X", side.opposite if action.back else side,
                OrderType.MARKET, action.order_qty, self.clock, cid, reduce_only=not action.back,
            )  # fmt: skip
        order = begin(terms)
        if not isinstance(action, Close):
            tied = LinkTrigger.HOLD_BACK if isinstance(action, Hold) else LinkTrigger.ARM
            order = relink(order, tied, self.clock).order
        self._introduce(cid, order)
        slices = dict(self.group.slices)
        slices[action.leg] = (*slices.get(action.leg, ()), cid)
        self.group = replace(self.group, slices=tuple(slices.items()))
        if not isinstance(action, Hold):
            self._send(cid)

    def swap(self, *live: str) -> None:
        """The price is such that these targets should be live."""
        self.group = replace(self.group, live=live)
        self.look()

    def take_over(self) -> None:
        """The venue did not keep what it should have in time."""
        self.group = replace(self.group, native=())
        self.look()

    def _send(self, cid: str) -> None:
        order = mark_sent(self.orders[cid])
        self.orders[cid] = order
        assert order.order_qty is not None
        self.at_venue[cid] = order.order_qty

    def take(self, cid: str, message: Message) -> Order:
        """Step an order, every rule judged."""
        before = self.orders[cid]
        out = step(before, self.ledgers[cid], message)
        check_step(before, out)
        self.ledgers[cid].apply(out.bookings)
        check_order(out.order)
        self.orders[cid] = out.order
        return out.order

    def move(self, leg_name: str, stop_px: str | Decimal) -> None:
        """A person moves the stop of a leg."""
        self.clock += 1
        wish = AmendGroup(self.group.group_id, leg_name, self.clock, D(stop_px))
        self.group = amended_group(self.group, wish)
        self.look()

    # --- the venue --------------------------------------------------------------------------------

    def held(self) -> Decimal:
        """What is in hand, by everything that filled; negative: short."""
        total = ZERO
        for cid, order in self.orders.items():
            sign = 1 if order.terms.side is Side.BUY else -1
            total += sign * order.cum_qty - self.fees[cid]
        return total

    def open_exits(self, role: str = "") -> Decimal:
        """What exits may still fill, by the venue's own count."""
        return sum(
            (left for cid, left in self.at_venue.items()
             if self.orders[cid].terms.side is Side.SELL and cid.startswith(role)), ZERO,
        )  # fmt: skip

    def ack(self, cid: str) -> None:
        """The venue confirms a placement."""
        self.clock += 1
        self.take(cid, Accepted(cid, self.clock, f"v-{cid}"))
        self.look()

    def fill(self, cid: str, qty: str | Decimal) -> None:
        """The market trades with an order; an exit of a venue that bounds it fills no more than is
        held.
        """
        amount = D(qty)
        order = self.orders[cid]
        for one in self.last.holdings if self.last is not None else ():
            if one.emergency in self.group.native and cid in (leg.name for leg in one.exits):
                amount = min(amount, one.there_qty)  # it sleeps until its entry fills
        if order.terms.reduce_only and self.rules.bounds_exits:
            amount = min(amount, max(self.held(), ZERO))
        amount = min(amount, self.at_venue.get(cid, ZERO))
        if amount <= ZERO:
            return
        self.clock += 1
        self.at_venue[cid] -= amount
        if not self.at_venue[cid]:
            del self.at_venue[cid]
        self.fees[cid] += amount * self.fee_rate
        self.take(cid, Filled(cid, self.clock, f"x{self.clock}", amount, D(100)))
        self.look()

    def answer(self, cid: str, *, refused: bool = False) -> None:
        """The venue answers the oldest request of an order."""
        requests = self.orders[cid].requests
        if not requests:
            return
        out = requests[0]
        self.clock += 1
        gone = cid not in self.at_venue
        message: Message
        if out.is_cancel:
            if refused or gone:
                message = CancelRefused(cid, self.clock, out.req_id)
            else:
                del self.at_venue[cid]
                message = Cancelled(cid, self.clock, out.req_id)
        elif (
            refused
            or gone
            or (out.order_qty or 1) <= (self.orders[cid].cum_qty if out.order_qty else 0)
        ):
            message = ReplaceRefused(cid, self.clock, out.req_id)
        else:
            if out.order_qty is not None:
                self.at_venue[cid] = out.order_qty - self.orders[cid].cum_qty
            message = Replaced(cid, self.clock, out.req_id, out.order_qty, out.price, out.stop_px)
        self.take(cid, message)
        self._asked(cid)
        self.look()

    def _asked(self, cid: str) -> None:
        """After a refusal the order is asked about; here the venue always answers."""
        order = self.orders[cid]
        if order.unverified:
            self.orders[cid] = replace(order, unverified=False)

    def end(self, cid: str, *, refuse: bool = False) -> None:
        """The venue ends an order unasked."""
        if cid not in self.at_venue:
            return
        del self.at_venue[cid]
        self.clock += 1
        said: Callable[[], Message] = lambda: (  # noqa: E731
            Rejected(cid, self.clock, "no") if refuse else Cancelled(cid, self.clock)
        )
        self.take(cid, said())
        self.look()

    def live(self) -> list[str]:
        """Orders that have not ended and were sent."""
        return [
            cid for cid, order in self.orders.items()
            if order.life not in TERMINAL and order.life is not Life.PENDING
        ]  # fmt: skip

    def leaves(self, cid: str) -> Decimal | None:
        """What of an order may still fill, by our count."""
        return leaves_qty(self.orders[cid])
