"""A dumb second model of orders and positions, to be compared with the real one.

Written from the rules, not from the engine's code: there is no statechart in it,
no ledger, no cost basis. It keeps dicts of what was told and derives everything else at each look.
It can be filled from two sides: with the facts of a journal (:meth:`Twin.take`: what we were told),
or with what a venue really did (:meth:`Twin.of_venue`). Each predicts orders and positions; the
running system must agree with the first at any time, and with the second once nothing is under way.

It does not know combos, inferred fills and splits (:attr:`Twin.unmodelled` counts such facts).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from ..ledger import Ledger
from ..messages import (
    AdoptOrder,
    Cancelled,
    CancelOrder,
    CorrectPosition,
    Denied,
    DoneForDay,
    Expired,
    Feeds,
    Filled,
    LinkOrder,
    LinkTrigger,
    LocalReleased,
    Message,
    NeverArrived,
    OrderSnapshot,
    Rejected,
    Restated,
    SetBaseline,
    SettleOrder,
    SubmitOrder,
    TradeBusted,
    TradeCorrected,
    VenueStatus,
    Withdrawn,
)
from ..order import Order
from ..order_tables import TERMINAL, Life
from ..values import ZERO, Instrument, InstrumentKind, OrderType, PositionSlot, Side

__all__ = ["Trade", "Twin", "TwinOrder"]

#: instrument, side, exec_id: what tells executions of one account apart.
TradeKey: TypeAlias = tuple[str, str, str]
Slot: TypeAlias = tuple[str, PositionSlot]


class Trade(NamedTuple):
    """One execution."""

    instrument: str
    side: Side
    qty: Decimal
    px: Decimal
    fee: Decimal | None
    fee_currency: str
    fee_assumed: bool = False  # that of the trade a correction replaced


class TwinOrder:
    """What is known of one order: its terms, its trades by execution id, and how it ended."""

    __slots__ = ("ends", "held", "local", "qty", "terms", "trades", "void")

    def __init__(self, terms: SubmitOrder) -> None:
        self.terms = terms
        self.qty = terms.order_qty
        self.trades: dict[str, Trade] = {}
        self.void: dict[str, None] = {}
        self.held = terms.held  # its group has not let it go: a cancel ends it
        self.local = terms.local  # the engine watches its trigger: a cancel ends it as well
        self.ends: dict[str, None] = {}  # every word for an end that was said

    @property
    def cum_qty(self) -> Decimal:
        """What has filled and stands."""
        return sum((one.qty for one in self.trades.values()), ZERO)

    @property
    def cum_cost(self) -> Decimal:
        """What that was worth: quantity times price."""
        return sum((one.qty * one.px for one in self.trades.values()), ZERO)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to fill."""
        return self.qty is not None and bool(self.trades) and self.cum_qty >= self.qty


_ENDS: Final[dict[type[Message], str]] = {
    Cancelled: "CANCELLED",
    Expired: "EXPIRED",
    Rejected: "REJECTED",
    NeverArrived: "REJECTED",
    Denied: "DENIED",
}
_STATUS_ENDS: Final = (VenueStatus.CANCELLED, VenueStatus.EXPIRED, VenueStatus.REJECTED)


class Twin:
    """Orders, and the positions that follow from their trades.

    Args:
        instruments: by symbol; the twin needs to know which coin a fee may be taken in.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.instruments = {one.symbol: one for one in instruments}
        self.orders: dict[str, TwinOrder] = {}
        self.owners: dict[TradeKey, str] = {}
        self.doubled: list[str] = []  # executions that were told to two orders, in words
        self.moved: dict[Slot, Decimal] = {}  # what was held before, and corrections
        self.unmodelled = 0
        self._waiting: dict[str, list[Message]] = {}

    @classmethod
    def of_venue(
        cls,
        instruments: Iterable[Instrument],
        orders: Iterable[tuple[SubmitOrder, OrderSnapshot]],
        executions: Iterable[Filled],
        moved: Mapping[Slot, Decimal],
    ) -> Twin:
        """What a venue really did: orders with their ends, executions that stand, and by how much
        holdings were ``moved`` without one.
        """
        twin = cls(instruments)
        twin.moved.update(moved)
        for terms, seen in orders:
            order = twin.orders[terms.client_order_id] = TwinOrder(terms)
            order.qty = seen.order_qty
            if seen.status in _STATUS_ENDS:
                order.ends[seen.status.value] = None
        for fill in executions:
            twin._filled(fill.client_order_id, fill)
        return twin

    # --- facts -----------------------------------------------------------------------------------

    def take(self, entity: str, fact: Message) -> None:
        """Note one fact about an order or a holding; all else is none of its business."""
        if isinstance(fact, SetBaseline | CorrectPosition):
            slot = (fact.instrument, fact.slot)
            self.moved[slot] = self.moved.get(slot, ZERO) + fact.qty
            self.unmodelled += isinstance(fact, CorrectPosition) and fact.ratio is not None
            return
        if isinstance(fact, SubmitOrder | AdoptOrder):
            terms = fact.terms if isinstance(fact, AdoptOrder) else fact
            self.orders[entity] = TwinOrder(terms)
            for earlier in self._waiting.pop(entity, ()):
                self.take(entity, earlier)
            return
        order = self.orders.get(entity)
        if order is None:
            self._waiting.setdefault(entity, []).append(fact)
        elif isinstance(fact, Filled):
            self._filled(entity, fact)
        elif isinstance(fact, TradeBusted):
            self._void(order, fact.exec_id)
        elif isinstance(fact, TradeCorrected):
            self._corrected(entity, order, fact)
        elif isinstance(fact, LinkOrder):
            order.held = order.held and fact.trigger is not LinkTrigger.ARM
        elif isinstance(fact, LocalReleased):
            order.local = False
        elif isinstance(fact, Restated):
            self.unmodelled += fact.ratio is not None
        else:
            ours = (order.held or order.local) and type(fact) is CancelOrder
            order.local = order.local or (isinstance(fact, NeverArrived) and order.terms.local)
            if word := "CANCELLED" if ours else _end_of(fact):
                order.ends[word] = None

    def _filled(self, entity: str, fact: Filled) -> None:
        order = self.orders.get(entity)
        if order is None:
            order = self.orders[entity] = TwinOrder(_unknown(fact))
        if fact.feeds is not Feeds.BOTH or fact.inferred:
            self.unmodelled += 1
            return
        if fact.revises is not None and _is_possible(fact.last_qty, fact.last_px, fact.fee):
            self._void(order, fact.revises)
        known = order.trades.get(fact.exec_id)
        if known is not None:
            if (known.fee is None or known.fee_assumed) and fact.fee is not None:
                told = known._replace(
                    fee=fact.fee, fee_currency=fact.fee_currency, fee_assumed=False
                )
                order.trades[fact.exec_id] = told
            return
        if fact.exec_id in order.void or not _is_possible(fact.last_qty, fact.last_px, fact.fee):
            return
        side = fact.side or order.terms.side
        symbol = fact.instrument or order.terms.instrument
        trade = Trade(symbol, side, fact.last_qty, fact.last_px, fact.fee, fact.fee_currency)
        self._book(entity, order, fact.exec_id, trade)

    def _book(self, entity: str, order: TwinOrder, exec_id: str, trade: Trade) -> None:
        order.trades[exec_id] = trade
        key = (trade.instrument, trade.side.value, exec_id)
        owner = self.owners.setdefault(key, entity)
        if owner != entity:
            self.doubled.append(f"execution {key} was booked on {owner!a} and on {entity!a}")

    def _void(self, order: TwinOrder, exec_id: str) -> Trade | None:
        order.void[exec_id] = None
        return order.trades.pop(exec_id, None)

    def _corrected(self, entity: str, order: TwinOrder, fact: TradeCorrected) -> None:
        if not _is_possible(fact.last_qty, fact.last_px, fact.fee):
            return
        old = self._void(order, fact.exec_id)
        if fact.new_exec_id == fact.exec_id:
            del order.void[fact.exec_id]
        again = order.trades.get(fact.new_exec_id)
        if again is not None and fact.fee is not None and old is None:  # now it says the fee, too
            told = again._replace(fee=fact.fee, fee_currency=fact.fee_currency, fee_assumed=False)
            order.trades[fact.new_exec_id] = told
        if fact.new_exec_id in order.void or again is not None:
            return
        terms = order.terms
        fee, currency, assumed = fact.fee, fact.fee_currency, False
        if old is not None and fee is None:
            fee, currency, assumed = old.fee, old.fee_currency, old.fee is not None
        trade = Trade(
            terms.instrument, terms.side, fact.last_qty, fact.last_px, fee, currency, assumed
        )
        self._book(entity, order, fact.new_exec_id, trade)

    # --- predictions -----------------------------------------------------------------------------

    def positions(self) -> dict[Slot, Decimal]:
        """What is held, signed: trades and what was stated, minus fees taken in the traded coin."""
        held: dict[Slot, Decimal] = dict(self.moved)
        for order in self.orders.values():
            for trade in order.trades.values():
                key = (trade.instrument, order.terms.slot)
                change = trade.qty if trade.side is Side.BUY else -trade.qty
                coin = self.instruments[trade.instrument]
                in_kind = coin.kind is InstrumentKind.CASH and trade.fee_currency == coin.base
                if in_kind and coin.base and trade.fee is not None:
                    change -= trade.fee
                held[key] = held.get(key, ZERO) + change
        return held

    def differences(self, order: Order, ledger: Ledger | None) -> list[str]:
        """In what an order of the engine differs from what follows from the facts told about it."""
        name = order.terms.client_order_id
        twin = self.orders.get(name)
        if twin is None:
            return [f"order {name!a} has no first fact"]
        found: list[str] = []
        live = () if ledger is None else ledger.live()
        booked = {fill.exec_id: (fill.last_qty, fill.last_px) for fill in live}
        told = {exec_id: (trade.qty, trade.px) for exec_id, trade in twin.trades.items()}
        if booked != told:
            found.append(f"executions booked are {booked}, told were {told}")
        if order.cum_qty != twin.cum_qty:
            found.append(f"cum_qty is {order.cum_qty}, told were {twin.cum_qty}")
        if order.cum_cost != twin.cum_cost:
            found.append(f"cum_cost is {order.cum_cost}, told were {twin.cum_cost}")
        if order.life is Life.FILLED:
            if order.order_qty is None or twin.cum_qty < order.order_qty:
                found.append(f"FILLED with {twin.cum_qty} of {order.order_qty}")
        elif order.life in TERMINAL and order.life.value not in twin.ends:
            said = ", ".join(twin.ends) or "nothing"
            found.append(f"{order.life.value}, and the facts say {said}")
        return found


def _end_of(fact: Message) -> str:
    """The end that a fact speaks of; "" for none."""
    if isinstance(fact, SettleOrder):
        return fact.state.value
    if isinstance(fact, Withdrawn):
        return "EXPIRED" if fact.expired else "CANCELLED"
    if isinstance(fact, DoneForDay):
        return "EXPIRED" if fact.final else ""
    if isinstance(fact, OrderSnapshot):
        return fact.status.value if fact.status in _STATUS_ENDS else ""
    return _ENDS.get(type(fact), "")


def _is_possible(qty: Decimal, px: Decimal, fee: Decimal | None) -> bool:
    """Whether a trade of such numbers can be booked at all."""
    return qty.is_finite() and px.is_finite() and qty > ZERO and (fee is None or fee.is_finite())


def _unknown(fill: Filled) -> SubmitOrder:
    """Terms of an order of which only an execution is known."""
    return SubmitOrder(
        "", "", "", fill.instrument, fill.side or Side.BUY, OrderType.MARKET, None,
        client_order_id=fill.client_order_id,
    )  # fmt: skip
