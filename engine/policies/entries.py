"""From an entry signal to its bracket: verdict, size, orders. Pure; nothing leaves here."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from ..contingent import bracket
from ..errors import InvalidOrder
from ..messages import GroupTerms, SubmitOrder, Tags
from ..signals import EntrySignal
from ..values import CONTEXT, ONE, ZERO, Instrument, OrderType, Side, exact
from .risk import RiskLimits, RiskReason, RiskState, can_trade, risk_amount
from .sizing import Caps, size_for

__all__ = ["ENTRY_PX", "SIGNAL", "SIGNAL_TS", "EntryPlan", "plan_entry"]

#: The tags that every order of a signal carries beside the signal's own.
SIGNAL: Final = "signal"
SIGNAL_TS: Final = "signal_ts"
ENTRY_PX: Final = "signal_px"


class EntryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry signal comes to: a bracket of ``qty``, or why there is none.

    ``loss``: what the stop costs, in the currency of the risk. ``reverses``: what is held the other
    way has to be closed first, and the plan made anew then. ``reason``: "" when it may be traded.
    """

    qty: Decimal = ZERO
    loss: Decimal = ZERO
    capped_by: str = ""
    reverses: bool = False
    root: GroupTerms | None = None
    reason: str = ""
    detail: str = ""


def plan_entry(
    signal: EntrySignal,
    instrument: Instrument,
    limits: RiskLimits,
    state: RiskState,
    rate: Decimal | None,
) -> EntryPlan:
    """Check, size and build. ``rate``: of the settle currency into that of the risk, if known."""
    with exact():
        verdict = can_trade(signal, limits, state)
        if verdict.reason is not None:
            return _none(verdict.reason.text, verdict.detail)
        if rate is None:
            return _none(
                RiskReason.RATE_MISSING.text,
                f"{instrument.symbol} settles in {instrument.settle_currency}, the risk is counted"
                f" in {limits.currency}, and no rate that is new enough is known",
            )
        side = signal.direction.side
        misplaced = _misplaced(signal)
        if misplaced:
            return _none("TARGET_SIDE", misplaced)
        sizing = size_for(
            instrument, side, signal.entry_px, signal.stop_px,
            risk_amount(signal, limits, state.equity), fee_rate=limits.fee_rate, rate=rate,
            caps=_caps(limits, state, verdict.reverses),
        )  # fmt: skip
        if sizing.reason is not None:
            return _none(sizing.reason.text, sizing.detail)
        try:
            root = _bracket(signal, sizing.qty)
        except InvalidOrder as error:
            return _none(error.reason, str(error))
    return EntryPlan(
        qty=sizing.qty, loss=sizing.loss, capped_by=sizing.capped_by,
        reverses=verdict.reverses, root=root,
    )  # fmt: skip


def _misplaced(signal: EntrySignal) -> str:
    """A target of a long trade is above its entry, whether that is a limit or at market."""
    up = 1 if signal.direction.side is Side.BUY else -1
    for px, _ in signal.targets:
        if (px - signal.entry_px) * up <= ZERO:
            where = "above" if up > 0 else "below"
            return (
                f"a target of a {signal.direction.text} signal must be {where} its entry"
                f" ({signal.entry_px}), was {px}"
            )
    return ""


def _caps(limits: RiskLimits, state: RiskState, reverses: bool) -> Caps:
    """The limits as they bear on one more entry; what a reverse closes does not count."""
    here = ZERO
    if state.here is not None and not reverses:
        here = state.here.notional or ZERO
    value = limits.max_order_notional
    if limits.max_instrument_notional is not None:
        left = limits.max_instrument_notional - here
        value = left if value is None else min(value, left)
    available = None
    if limits.max_leverage is not None and state.equity is not None:
        used = sum(
            (one.notional or ZERO for one in state.held if not (reverses and one is state.here)),
            ZERO,
        )
        available = state.equity - CONTEXT.divide(used, limits.max_leverage)
    leverage = limits.max_leverage or ONE
    return Caps(
        max_qty=limits.max_order_qty, max_value=value, available=available, leverage=leverage
    )


def _bracket(signal: EntrySignal, qty: Decimal) -> GroupTerms:
    own: Tags = (
        (SIGNAL, signal.signal_id), (SIGNAL_TS, str(signal.ts)), (ENTRY_PX, str(signal.entry_px)),
    )  # fmt: skip
    is_market = signal.order_type is OrderType.MARKET
    entry = SubmitOrder(
        "", signal.venue, signal.account, signal.instrument, signal.direction.side,
        signal.order_type, qty, price=None if is_market else signal.entry_px, slot=signal.slot,
        tags=(*signal.tags, *own),
    )  # fmt: skip
    return bracket(
        entry, stop_px=signal.stop_px, targets=signal.targets, trail=signal.trail,
        break_even=signal.break_even,
    )  # fmt: skip


def _none(reason: str, detail: str) -> EntryPlan:
    return EntryPlan(reason=reason, detail=detail)
