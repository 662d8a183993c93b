"""The group actor: one group of contingent orders. It looks, and does what is missing.

What is missing is decided in :mod:`engine.group_steps`. Here commands become messages to order
actors and placements for the lane, all in the turn in which the orders changed, so a fill and the
stop for it are one commit.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from engine.capabilities import ReduceOnlyRule
from engine.errors import EngineError
from engine.flatten import StandAside
from engine.fold import revive
from engine.group import Group, Slice, bare_exits, legs_of, moved_fact, moved_group, slice_of
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
from engine.group_moves import amended_group
from engine.group_steps import REFUSALS_MAX, Plan, failures, plan
from engine.group_tables import GROUP
from engine.group_wants import Facts
from engine.messages import (
    AmendGroup,
    AmendOrder,
    CancelGroup,
    CancelOrder,
    Denied,
    GroupChanged,
    Leg,
    LegRole,
    LinkOrder,
    LinkTrigger,
    Mover,
    NativeShape,
    Place,
    ReviveGroup,
)
from engine.order import Ledger, Order
from engine.session_chart import SessionState

from .group_closes import close_terms, is_clear
from .group_moves import GroupMoves
from .group_pauses import Pauses
from .group_roles import DeskRole, GroupRole
from .group_trails import trails_of
from .group_watch import GroupWatch
from .group_words import (
    PricesDue,
    ProtectionDue,
    SlotSide,
    Swapped,
    TakeOver,
    TrailDue,
    base_fee,
    opened_by,
)
from .roles import BrokerRole
from .venues.port import GroupVenue

__all__ = ["GroupActor"]

_ROUNDS_MAX: Final = 50  # more than any group can need: then it is a bug, and a person is told


class GroupActor(GroupRole):
    """One group, supervised by its broker."""

    __slots__ = (
        "_closed",
        "_locks",
        "_native",
        "_needs",
        "_pauses",
        "broker",
        "claims",
        "desk",
        "group",
        "holds",
        "legs",
        "moves",
        "owes",
        "rules",
        "trails",
        "was_over",
        "watch",
    )

    def __init__(self, desk: DeskRole, broker: BrokerRole, group: Group) -> None:
        self.desk, self.broker = desk, broker
        self.group = group
        self.was_over = False  # and its first fact has to say so
        self.legs: dict[str, Leg] = {leg.name: leg for leg in legs_of(group.terms.root)}
        root = group.terms.root
        entries = (one for one in legs_of(root) if one.role is LegRole.ENTRY)
        self._needs: tuple[Leg, ...] = (*entries, *bare_exits(root))  # these need the slot's word
        able = broker.capabilities
        self.rules = VenueRules(able.amend, able.reduce_only is not ReduceOnlyRule.UNSUPPORTED)
        self._locks = not able.exits_share_balance
        self._native = able.native_groups if isinstance(broker.venue, GroupVenue) else ()
        self._closed: dict[str, Slice] = {}  # orders that have left memory, as they were then
        self.watch = GroupWatch(self)
        #: By slot and side: what it has opened there and not closed, by its last look.
        self.holds: dict[SlotSide, Decimal] = {}
        self.claims: dict[SlotSide, Decimal] = {}  # the same of what others opened
        self.owes: dict[SlotSide, Decimal] = {}  # what its exits closed too much
        self._pauses = Pauses()
        self.moves = GroupMoves(broker)
        self.trails = trails_of(desk, broker, group)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """The group, as a name."""
        return f"group:{self.group.group_id}"

    def on_receive(self, message: Any) -> None:
        """Look at the orders, after what the message says."""
        before = self.group
        if isinstance(message, CancelGroup):
            closing = before.closing or message.close
            self._become(replace(before, called_off=True, closing=closing))
        elif isinstance(message, StandAside):
            self._become(replace(before, called_off=True, aside=True))
        elif isinstance(message, AmendGroup):
            before = self._move(before, message)
        elif isinstance(message, TrailDue):
            if self.trails is not None:
                self.trails.find_blind(before)
            return
        elif isinstance(message, ProtectionDue):
            found = self._look()
            naked = dict(found.exposed).get(message.emergency)
            unable = self.broker.session.state is not SessionState.READY
            unable = unable or (naked is not None and self.watch.is_withheld(message, naked))
            if naked is None or unable or self._gives_up_swap(found, message.emergency):
                self._settle(before)  # while nothing could be closed either its clock begins anew
                return
            self._become(replace(before, late=(*before.late, message.emergency)))
            self.broker.alarm(
                "unprotected",
                f"{naked} had no confirmed stop in time: it is being closed at market",
                self.actor_urn,
            )
        elif isinstance(message, Swapped):
            self._become(replace(before, live=message.live))
        elif isinstance(message, PricesDue) and self.watch.swaps is not None:
            self._become(replace(before, live=self.watch.swaps.due()))
        elif isinstance(message, TakeOver) and self.watch.takes_over(self._look(), message):
            native = tuple(one for one in before.native if one != message.emergency)
            self._become(replace(before, native=native))
        self._settle(before)

    def _gives_up_swap(self, found: Plan, emergency: str) -> bool:
        """A target did not come into the place of its stop in time: it rests, and the stop comes
        back, with a time of its own for it.
        """
        swaps = self.watch.swaps
        live = () if swaps is None else swaps.overdue(found, emergency)
        for name in live:
            self._pauses.rest(name, self.broker.dispatcher.monotonic_ns())
        return bool(live)

    def restore(self, before: Group, extra: None) -> None:
        """Take back a look whose turn was discarded."""
        del extra
        self.group = before

    def forget(self, cid: str) -> None:
        """An order of it has changed: what was kept of it is old."""
        self._closed.pop(cid, None)

    # --- looking ----------------------------------------------------------------------------------

    def _look(self) -> Plan:
        slices = {name: tuple(map(self._slice, cids)) for name, cids in self.group.slices}
        now = self.broker.dispatcher.monotonic_ns()
        for name, orders in slices.items():
            failed = failures(self.group, orders)
            self._pauses.failed(
                name, failed, now, slow=name in self.legs and failed >= REFUSALS_MAX
            )
        available, shared = self.desk.slots.there(self, self._needs, slices)
        resting = [*self._pauses.resting(now), *self.moves.shut(self._needs)]
        rest = resting, self._pauses.stubborn(), self._locks, self._native
        facts = Facts(slices, self.broker.instruments, available, *rest, shared)
        found = plan(self.group, facts, self.rules)
        self.desk.slots.looked(self, found.holdings, slices)
        return found

    def only_closes(self) -> bool:
        """Whether it opens nothing: its exits are for what others opened."""
        return all(one.role is not LegRole.ENTRY for one in self.legs.values())

    def refresh(self) -> None:
        """Look at what it holds, and do nothing about it yet."""
        self._look()

    def slot_sides(self) -> tuple[SlotSide, ...]:
        """The slots and sides that its legs open, or close."""
        return tuple(dict.fromkeys(map(opened_by, self.legs.values())))

    def _slice(self, cid: str) -> Slice:
        actor = self.broker.orders.get(cid)
        if actor is not None:
            return self._seen(actor.order, actor.ledger)
        known = self._closed.get(cid)
        if known is None:
            body = self.broker.journal.closed_order(cid)
            if body is None:
                raise EngineError(f"{self.actor_urn} has an order {cid!r} that is nowhere")
            order, ledger = revive(body)
            known = self._closed[cid] = self._seen(order, ledger)
        return known

    def _seen(self, order: Order, ledger: Ledger | None) -> Slice:
        live = order.terms.local and self.broker.triggers.is_live(order)
        return slice_of(order, base_fee(order, ledger, self.broker.instruments), is_live=live)

    def _settle(self, before: Group) -> None:
        """Look and do until nothing is missing, then write down where the group stands."""
        due = () if self.trails is None else self.trails.due(self.group, self._pauses)
        for move in due:
            before = self._move(before, move)
        found = self._look()
        rounds = 0
        while found.actions:
            self._become(found.group)
            for action in found.actions:
                self._do(action)
            rounds += 1
            if rounds == _ROUNDS_MAX:
                missing = f"still missing: {found.actions!r:.300}"
                self.broker.alarm("group_restless", missing, self.actor_urn)
                break
            found = self._look()
        self._become(found.group)
        if self.group != before:
            self._write(before)
        effects = self.broker.turn.effects
        effects.append((self.watch.looked, found, self._pauses))
        if self.group.state in GROUP.terminal:
            effects.append((self.desk.retire, self, None))

    def _move(self, before: Group, move: AmendGroup) -> Group:
        """Take a move of a leg over, as a fact; ``before`` with the same move."""
        self.broker.turn.record(move.ts, self.actor_urn, move)
        self._become(amended_group(self.group, move))
        if move.mover is Mover.PERSON:  # a new wish is tried at once, whatever became of the last
            self._pauses.forgive(move.leg, dict(self.group.slices)[move.leg])
        return amended_group(before, move)

    def _become(self, group: Group) -> None:
        if group is not self.group:
            self.broker.turn.undo.append((self, self.group, None))
            self.group = group

    def _write(self, before: Group) -> None:
        turn, terms = self.broker.turn, self.group.terms
        ts = turn.time_ns()
        if self.was_over:
            turn.record(ts, self.actor_urn, ReviveGroup(terms, ts))
            turn.effects.append((self._is_up, None, None))
        fact = moved_fact(self.group, ts)
        turn.record(ts, self.actor_urn, fact)
        self._become(moved_group(self.group, fact))
        if self.group.state is before.state:
            return
        self.moves.tell_degraded(self.group)
        if GroupChanged in turn.hub.wanted:
            turn.events.append(
                GroupChanged(
                    terms.group_id, terms.intent_id, terms.venue, terms.account, ts,
                    self.group.state, terms.tags,
                )
            )  # fmt: skip

    def _is_up(self, _: None, __: None) -> None:
        """After the commit: that it was taken up again is written."""
        self.was_over = False

    # --- doing ------------------------------------------------------------------------------------

    def _do(self, action: Action) -> None:
        turn = self.broker.turn
        ts = turn.time_ns()
        if isinstance(action, Release):
            self._release(action.client_order_id, action.order_qty, ts)
        elif isinstance(action, ReleaseTied):
            for cid in action.client_order_ids:
                if not self._release(cid, action.order_qty, ts, action):
                    break
        elif isinstance(action, Resize):
            cid = action.client_order_id
            self._ask(cid, action)
            terms = action.order_qty, action.price, action.stop_px
            self._tell(cid, AmendOrder(cid, self.desk.req_id(), ts, *terms))
        elif isinstance(action, Remove):
            cid = action.client_order_id
            self._ask(cid, None)
            self._tell(cid, CancelOrder(cid, self.desk.req_id(), ts, action.why))
        elif isinstance(action, Relink):
            cid = action.client_order_id
            self._tell(cid, LinkOrder(cid, ts, action.trigger))
        elif isinstance(action, Send):
            self.broker.triggers.release(action.client_order_id, reduces=True)
        else:
            self._place(action, ts)

    def _tell(self, cid: str, message: Any) -> None:
        actor = self.broker.orders.get(cid)
        if actor is None:
            raise EngineError(f"{self.actor_urn} wants {type(message).__name__} of {cid!r}: gone")
        self.broker.deliver(actor, message)

    def _ask(self, cid: str, what: Resize | None) -> None:
        in_vain = self.moves.is_vain(self._pauses.last_amend(cid))
        now = self.broker.dispatcher.monotonic_ns()
        self._pauses.asked(cid, what, now, in_vain=in_vain)

    def _release(self, cid: str, qty: Decimal, ts: int, tied: ReleaseTied | None = None) -> bool:
        actor = self.broker.orders[cid]
        leg = next(self.legs[name] for name, cids in self.group.slices if cid in cids)
        order = actor.order
        asked = replace(
            order.terms,
            order_qty=qty,
            price=order.price,
            stop_px=order.stop_px,
            held=False,
        )
        refusal: tuple[str, str] | None = None
        if leg.role is LegRole.ENTRY:
            shut, calls = self.broker.flattening, self.broker.calls
            refusal = shut.refusal(asked, False) or calls.refusal(asked)
        if refusal is not None:
            self._tell(cid, Denied(cid, ts, *refusal))
            return False
        self._tell(cid, LinkOrder(cid, ts, LinkTrigger.ARM, qty))
        if asked.local:
            return True  # it waits for its trigger now
        place, reduces = Place(asked), asked.closes
        if tied is not None:  # a bracket leaves as its entry may
            place = Place(asked, tied.client_order_ids, tied.shape)
            reduces = reduces and tied.shape is not NativeShape.BRACKET
        self.broker.turn.effects.append((self.broker.lane.send, place, reduces))
        return True

    def _place(self, action: Add | Hold | Close, ts: int) -> None:
        """One more order of a leg, or the engine's own to close what the leg cannot."""
        if not isinstance(action, Close):
            like = self.legs[action.leg].order
            price, stop_px = self.moves.prices(self.group, action.leg)
            qty = like.order_qty if isinstance(action, Hold) else action.order_qty
            terms = replace(like, order_qty=qty, price=price, stop_px=stop_px)
        else:
            terms = close_terms(action)
            again = self._pauses.times(action.leg) > 0
            if again and not is_clear(terms, self.broker, self.desk):
                self._pauses.wait(action.leg, self.broker.dispatcher.monotonic_ns())
                return
        fresh = replace(
            terms, intent_id="", client_order_id="", ts=ts, held=isinstance(action, Hold),
            group_id=self.group.group_id,
        )  # fmt: skip
        written = self.desk.new_order(fresh)
        slices = dict(self.group.slices)
        slices[action.leg] = (*slices.get(action.leg, ()), written.client_order_id)
        self._become(replace(self.group, slices=tuple(slices.items())))
        (self.desk.hold_back if written.held else self.desk.place)(written)

    def drop(self, cid: str) -> None:
        """A person cancels an order of it: that leg is not placed again."""
        leg = next((name for name, cids in self.group.slices if cid in cids), "")
        if leg in self.legs and leg not in self.group.dropped:
            before = self.group
            self._become(replace(before, dropped=(*before.dropped, leg)))
            self._settle(before)
