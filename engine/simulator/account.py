"""One account at the simulated venue: slots, balances, fees, locks, what may be closed.

Positions are the truth the engine is judged against: fills, minus fees taken in the traded asset
(spot only). Open cost is kept as a sum, not as an average, so that no rounding builds up. There is
no liquidation and no funding.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TypeAlias

import msgspec

from ..messages import Filled, OrderReport
from ..values import (
    CONTEXT,
    ONE,
    ZERO,
    Instrument,
    InstrumentKind,
    Liquidity,
    PositionSlot,
    Side,
    round_down,
)
from .config import FeeCurrency, FeePlan
from .orders import SimOrder

__all__ = ["Account", "Execution", "SimLink", "Slot", "fee_for"]

SlotKey: TypeAlias = tuple[str, PositionSlot]
#: When it became true, the order's terms owner, and the report.
Execution: TypeAlias = tuple[int, SimOrder, Filled]


class Slot(msgspec.Struct, eq=False):
    """One position: ``qty`` is signed, ``entry_value`` the unsigned open cost (settle currency).

    ``reducers`` holds the open orders that may only reduce it, by venue order id, oldest first.
    """

    instrument: Instrument
    slot: PositionSlot
    qty: Decimal = ZERO
    entry_value: Decimal = ZERO
    realized: Decimal = ZERO
    reducers: dict[str, SimOrder] = msgspec.field(default_factory=dict)

    @property
    def avg_px(self) -> Decimal | None:
        """Average open price; None when flat."""
        if not self.qty or not self.entry_value:
            return None
        amount = abs(self.qty) * self.instrument.multiplier
        if self.instrument.kind is InstrumentKind.INVERSE:
            return CONTEXT.divide(amount, self.entry_value)
        return CONTEXT.divide(self.entry_value, amount)

    def closable(self, side: Side) -> Decimal:
        """How much an order of ``side`` may close, in whole lots."""
        held = self.qty if side is Side.SELL else -self.qty
        return round_down(held, self.instrument.lot_size) if held > ZERO else ZERO

    def book(self, side: Side, qty: Decimal, value: Decimal) -> Decimal:
        """Book a fill worth ``value`` and return the P&L it realised (settle currency)."""
        held = self.qty
        is_buy = side is Side.BUY
        self.qty = held + qty if is_buy else held - qty
        if not held or (held > ZERO) is is_buy:
            self.entry_value += value
            return ZERO
        size = abs(held)
        if qty < size:
            closed_cost = CONTEXT.divide(self.entry_value * qty, size)
            closed_value = value
            self.entry_value -= closed_cost
        else:
            closed_cost = self.entry_value
            closed_value = value if qty == size else CONTEXT.divide(value * size, qty)
            self.entry_value = value - closed_value
        gains_with_value = (held > ZERO) is not (self.instrument.kind is InstrumentKind.INVERSE)
        pnl = closed_value - closed_cost if gains_with_value else closed_cost - closed_value
        self.realized += pnl
        return pnl

    def pay_in_kind(self, fee: Decimal) -> None:
        """Take a fee out of the position itself; the average price of what is left stays."""
        if self.qty > ZERO:
            self.entry_value -= CONTEXT.divide(self.entry_value * min(fee, self.qty), self.qty)
        self.qty -= fee


class SimLink(msgspec.Struct, eq=False):
    """Orders that the venue ties, by client order id: the exits of what ``entry`` fills, or (entry
    "") of ``qty`` that was there before.
    """

    entry: str
    exits: tuple[str, ...]
    qty: Decimal = ZERO


class Account:
    """Everything the venue knows of one account.

    With ``balances`` None nothing is refused for lack of funds, and the totals start from zero and
    may go negative.
    """

    __slots__ = (
        "balances",
        "by_client",
        "by_venue",
        "closed",
        "executions",
        "executions_dropped_ts",
        "is_tracked",
        "links",
        "locked",
        "moved",
        "name",
        "open",
        "slots",
        "voided",
    )

    def __init__(self, name: str, balances: dict[str, Decimal] | None) -> None:
        self.name = name
        self.is_tracked = balances is not None
        self.balances: dict[str, Decimal] = dict(balances or {})
        self.locked: dict[str, Decimal] = {}
        self.slots: dict[SlotKey, Slot] = {}
        self.open: dict[str, SimOrder] = {}
        self.by_client: dict[str, SimOrder] = {}
        self.by_venue: dict[str, SimOrder] = {}
        self.closed: dict[str, SimOrder] = {}  # only where history is limited
        self.executions: list[Execution] = []
        self.links: dict[str, SimLink] = {}
        self.executions_dropped_ts: int | None = None
        self.voided: list[OrderReport] = []  # busts and corrections
        self.moved: dict[SlotKey, Decimal] = {}  # by what was no trade

    def slot(self, instrument: Instrument, slot: PositionSlot) -> Slot:
        """The position of ``slot``, made flat when it was never touched."""
        key = (instrument.symbol, slot)
        found = self.slots.get(key)
        if found is None:
            found = self.slots[key] = Slot(instrument, slot)
        return found

    def book(
        self, slot: Slot, side: Side, qty: Decimal, value: Decimal, fee: Decimal, currency: str
    ) -> None:
        """Move position and balances for one fill worth ``value`` (settle currency)."""
        instrument = slot.instrument
        pnl = slot.book(side, qty, value)
        balances = self.balances
        if instrument.kind is InstrumentKind.CASH:
            base, quote = asset_of(instrument), instrument.quote
            if side is Side.BUY:
                balances[base] = balances.get(base, ZERO) + qty
                balances[quote] = balances.get(quote, ZERO) - value
            else:
                balances[base] = balances.get(base, ZERO) - qty
                balances[quote] = balances.get(quote, ZERO) + value
            if fee and currency == base:
                slot.pay_in_kind(fee)
        elif pnl:
            settle = instrument.settle_currency
            balances[settle] = balances.get(settle, ZERO) + pnl
        if fee:
            balances[currency] = balances.get(currency, ZERO) - fee

    def unbook(self, slot: Slot, side: Side, fill: Filled) -> None:
        """Take a fill back: the opposite trade at its price, and the fee returned."""
        fee = -(fill.fee or ZERO)
        value = slot.instrument.notional(fill.last_qty, fill.last_px)
        self.book(slot, side.opposite, fill.last_qty, value, ZERO, "")
        if fee:
            currency, instrument = fill.fee_currency, slot.instrument
            self.balances[currency] = self.balances.get(currency, ZERO) - fee
            if instrument.kind is InstrumentKind.CASH and currency == asset_of(instrument):
                slot.qty -= fee

    def move(self, slot: Slot, qty: Decimal, px: Decimal | None) -> None:
        """Change a holding by ``qty`` (signed) without a trade, at ``px`` or at its average."""
        instrument = slot.instrument
        key = (instrument.symbol, slot.slot)
        self.moved[key] = self.moved.get(key, ZERO) + qty
        at = slot.avg_px if px is None else px
        value = ZERO if at is None else instrument.notional(abs(qty), at)
        slot.book(Side.BUY if qty > ZERO else Side.SELL, abs(qty), value)
        if instrument.kind is InstrumentKind.CASH:
            asset = asset_of(instrument)
            self.balances[asset] = self.balances.get(asset, ZERO) + qty

    def free(self, currency: str, leverage: Decimal) -> Decimal:
        """What new orders may use: total, less locks, less the margin of open contracts."""
        margin = ZERO
        for slot in self.slots.values():
            instrument = slot.instrument
            if (
                instrument.kind is not InstrumentKind.CASH
                and instrument.settle_currency == currency
            ):
                margin += slot.entry_value
        total = self.balances.get(currency, ZERO) - self.locked.get(currency, ZERO)
        return total - CONTEXT.divide(margin, leverage)

    def shares_lock(self, order: SimOrder) -> bool:
        """Whether another order, to which it is tied, locks what it offers."""
        cid = order.terms.client_order_id
        link = self.links.get(cid)
        return link is not None and cid in link.exits[1:]

    def lock(self, order: SimOrder, currency: str, amount: Decimal) -> None:
        """Commit ``amount`` to ``order`` instead of what it had locked."""
        before = order.locked_currency
        if before:
            self.locked[before] -= order.locked
        order.locked, order.locked_currency = amount, currency
        if currency:
            self.locked[currency] = self.locked.get(currency, ZERO) + amount


def asset_of(instrument: Instrument) -> str:
    """The name under which a spot position stands in the balances."""
    return instrument.base or instrument.symbol


def funds_for(
    order: SimOrder, instrument: Instrument, px: Decimal, fees: FeePlan, leverage: Decimal
) -> tuple[str, Decimal]:
    """Currency and amount that ``order``'s open quantity can cost at ``px``, taker fee included."""
    qty = order.leaves_qty
    if instrument.kind is InstrumentKind.CASH and order.terms.side is Side.SELL:
        return asset_of(instrument), qty
    notional = abs(instrument.notional(qty, px))
    rate = max(fees.taker, fees.maker, ZERO) if fees.currency is not FeeCurrency.THIRD else ZERO
    if instrument.kind is InstrumentKind.CASH:
        if fees.currency is FeeCurrency.RECEIVED:
            rate = ZERO
        return instrument.quote, notional * (ONE + rate)
    if order.reduces:
        return instrument.settle_currency, ZERO
    return instrument.settle_currency, CONTEXT.divide(notional, leverage) + notional * rate


def fee_for(
    plan: FeePlan,
    instrument: Instrument,
    side: Side,
    qty: Decimal,
    value: Decimal,
    liquidity: Liquidity,
) -> tuple[Decimal, str]:
    """Fee of one fill worth ``value`` and its currency; rounded to the step against the payer."""
    rate = plan.maker if liquidity is Liquidity.MAKER else plan.taker
    is_cash = instrument.kind is InstrumentKind.CASH
    currency = instrument.quote if is_cash else instrument.settle_currency
    if rate > ZERO:
        if plan.currency is FeeCurrency.RECEIVED and is_cash and side is Side.BUY:
            return (qty * rate).quantize(plan.step, ROUND_CEILING), asset_of(instrument)
        if plan.currency is FeeCurrency.THIRD:
            amount = CONTEXT.divide(abs(value) * rate, plan.third_px)
            return amount.quantize(plan.step, ROUND_CEILING), plan.third_currency
    if not rate:
        return ZERO, currency
    return (abs(value) * rate).quantize(plan.step, ROUND_CEILING), currency
