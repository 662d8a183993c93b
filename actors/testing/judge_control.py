"""What the judge asks of trading modes and kill switches: shut is shut, flat is flat.

Named promises (``docs/testing.md`` lists them):

* ``what_is_shut_stays_shut``: what is in force is the fold of the journal, in every life.
* ``a_person_lifts``: no switch is lifted but by somebody who asked for it.
* ``nothing_enters_while_shut``: what leaves while something is shut can only close.
* ``one_close_at_a_time``: a switch has one close of a slot outstanding, doubtful ones aside.
* ``verified_is_flat``: what is said to be verified flat is flat, and has no order, at the exchange.
* ``flat_at_rest``: once all is at rest, what a switch covers is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from engine.control import CONTROL_FACTS, Control, controlled
from engine.fold import Books
from engine.journal import decode
from engine.messages import (
    FlatProgress,
    LiftFlatten,
    LinkOrder,
    LinkTrigger,
    Message,
    SubmitOrder,
    TradingMode,
    VenueStatus,
)
from engine.order import Order, has_questions
from engine.order_tables import TERMINAL
from engine.pnl import is_dust
from engine.values import PositionSlot, Side

from .truth import Violation

if TYPE_CHECKING:
    from ..broker import BrokerActor
    from ..journal import FactRow
    from .simulated_parts import KitExchange, WatchedSystem

__all__ = ["ControlJudge", "double_closes"]

_PREFIX: Final = "control:"
_TAG: Final = "kill_switch"
_OPEN: Final = (VenueStatus.WORKING, VenueStatus.TRIGGERED)
#: What the exchange does by itself within so long before a report may not be in it yet.
_UNHEARD_NS: Final = 60_000_000_000


class ControlJudge:
    """Watches what is shut at one account, over all lives of its system."""

    system: WatchedSystem  # of the present life

    def __init__(self, exchange: KitExchange, venue: str, account: str) -> None:
        self.exchange = exchange
        self.account = account
        self.control = Control(venue, account)  # as of the last commit

    def begins(self, books: Books, system: WatchedSystem) -> None:
        """A life begins, with what was written before it."""
        self.system = system
        name, account = self.control.venue, self.control.account
        self.control = books.controls.get((name, account)) or Control(name, account)

    # --- at every commit --------------------------------------------------------------------------

    def committed(self, rows: Sequence[FactRow], books: Books) -> Iterator[Violation]:
        """Facts were written and folded; ``books`` are as after them."""
        before = self.control
        is_shut = before.modes or before.switches
        if not is_shut and not any(entity.startswith(_PREFIX) for _, entity, _, _ in rows):
            return
        leaving: dict[str, Control] = {}
        for _, entity, _, body in rows:
            fact = decode(body)
            if isinstance(fact, CONTROL_FACTS):
                if isinstance(fact, LiftFlatten) and fact.instrument not in self.system.lifted:
                    text = f"{fact}, and nobody asked for it"
                    yield Violation("a_person_lifts", text, entity)
                self.control = controlled(self.control, fact)
            elif _lets_go(fact):
                leaving[entity] = self.control
        for cid, control in leaving.items():
            order = books.orders.get(cid)
            if order is not None and order.life not in TERMINAL:
                yield from _enters(order, control, books)
        if self.control.switches:
            yield from double_closes(books, _TAG)

    # --- at every look ----------------------------------------------------------------------------

    def looked(self, books: Books, broker: BrokerActor) -> Iterator[Violation]:
        """What is in force is what the journal says."""
        live = broker.flattening.control
        folded = books.controls.get((live.venue, live.account)) or Control(live.venue, live.account)
        if live != folded or broker.session.mode is not folded.mode_of(""):
            text = f"{live} live, {folded} folded, {broker.session.mode.name} for the session"
            yield Violation("what_is_shut_stays_shut", text, live.name)

    def told(self, progress: FlatProgress) -> Iterator[Violation]:
        """A switch has said how far it is."""
        disturbed = self.exchange.disturbed_ns > progress.ts - _UNHEARD_NS
        if progress.verified and not disturbed:
            for text in self._left(progress.instrument):
                yield Violation("verified_is_flat", text, self.control.name)

    def _left(self, instrument: str) -> Iterator[str]:
        """What the exchange has that a switch of ``instrument`` covers."""
        rules = {one.symbol: one for one in self.exchange.instruments()}
        for _, seen in self.exchange.placed(self.account):
            if seen.status in _OPEN and instrument in ("", seen.instrument):
                yield f"the exchange has {seen}"
        for held in self.exchange.positions(self.account):
            if held.qty and instrument in ("", held.instrument):
                if not is_dust(held.qty, rules[held.instrument]):
                    yield f"{held.slot.name} of {held.instrument} holds {held.qty}"

    # --- at rest ----------------------------------------------------------------------------------

    def at_rest(self, books: Books, broker: BrokerActor) -> Iterator[Violation]:
        """Nothing moves any more: what a switch covers is gone, and it says so where it can."""
        if broker.calls.hand_over():
            return  # it is not known what is left
        for switch in broker.flattening.control.switches:
            modes = dict(broker.flattening.control.modes).values()
            if TradingMode.NONE in modes:
                continue  # no close may leave
            for text in self._left(switch.instrument):
                yield Violation("flat_at_rest", text, self.control.name)
            progress = broker.flattening.progress(switch.instrument)
            if broker.capabilities.lists_trigger_orders and not progress.verified:
                yield Violation(
                    "flat_at_rest", f"it is not verified: {progress}", self.control.name
                )


def _lets_go(fact: Message) -> bool:
    """Whether an order leaves by it: introduced, and not held back; or released."""
    if isinstance(fact, SubmitOrder):
        return not fact.held
    return isinstance(fact, LinkOrder) and fact.trigger is LinkTrigger.ARM


def _enters(order: Order, control: Control, books: Books) -> Iterator[Violation]:
    """An order that leaves now."""
    terms = order.terms
    mode = control.mode_of(terms.instrument)
    if mode is TradingMode.ALL:
        return
    reduces = terms.reduce_only or terms.closes or _is_against(order, books)
    is_ours = any(key == _TAG for key, _ in terms.tags) or bool(terms.group_id)
    shut = control.switch_over(terms.instrument) is not None or mode is TradingMode.NONE
    if not reduces or (shut and not is_ours):
        text = f"{terms} leaves while {mode.name} is in force"
        yield Violation("nothing_enters_while_shut", text, terms.client_order_id)


def _is_against(order: Order, books: Books) -> bool:
    terms = order.terms
    slot = books.positions.get((terms.venue, terms.account, terms.instrument, terms.slot))
    qty = Decimal(0) if slot is None else slot.qty
    against = qty if terms.side is Side.SELL else -qty
    return order.order_qty is not None and order.order_qty <= against


def double_closes(books: Books, tag: str) -> Iterator[Violation]:
    """Closes (orders with this tag) that work, or may, beside another one of the same slot."""
    working: dict[tuple[str, PositionSlot], str] = {}
    for cid, order in books.orders.items():
        terms = order.terms
        if order.life in TERMINAL or not any(key == tag for key, _ in terms.tags):
            continue
        if has_questions(order):
            continue
        other = working.setdefault((terms.instrument, terms.slot), cid)
        if other != cid:
            yield Violation("one_close_at_a_time", f"{other} and {cid} close one slot", cid)
