"""What an exit comes to: groups to be called off and closed, and a closing order for the rest.

A position that a group holds is closed by the group, which sees that its stop goes with it. A part
of it is closed by an order beside the group: the group's exits shrink by what it fills.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.capabilities import ReduceOnlyRule
from engine.intents import market
from engine.messages import SubmitOrder
from engine.signals import ExitSignal
from engine.values import CONTEXT, ZERO, Side, round_down

from .signal_looks import Scene

__all__ = ["Exit", "plan_exit"]


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """``groups`` to be closed and an ``order`` for what they do not hold; or why there is neither.

    ``qty``: what is closed by all of it.
    """

    groups: tuple[str, ...] = ()
    order: SubmitOrder | None = None
    qty: Decimal = ZERO
    reason: str = ""
    detail: str = ""


def plan_exit(signal: ExitSignal | None, scene: Scene, intent_id: str) -> Exit:
    """Exit as the signal says; without one, everything (for a reverse)."""
    slot, symbol = scene.slot, scene.instrument.symbol
    later = [g for g in slot.groups if signal is not None and g.ts > signal.ts]
    groups = [g for g in slot.groups if g not in later]
    if slot.is_flat and not groups:
        if later:
            return Exit(
                reason="STALE_SIGNAL",
                detail=f"what works in {symbol} is of signals later than this one ({later[0].ts})",
            )
        return Exit(reason="NOTHING_HELD", detail=f"nothing is held of {symbol}: {slot.qty}")
    held = ZERO if slot.is_flat else abs(slot.qty)
    free = max(held - sum((g.held_qty for g in later), ZERO) - slot.closing_qty, ZERO)
    if signal is None or signal.is_all:
        in_groups = sum((g.held_qty for g in groups), ZERO)
        rest = round_down(max(free - in_groups, ZERO), scene.instrument.lot_size)
        order = _order(signal, scene, rest, intent_id) if rest else None
        if not groups and order is None:
            return _nothing_free(symbol, slot.qty, slot.closing_qty)
        return Exit(groups=tuple(g.group_id for g in groups), order=order, qty=free)
    if not free:
        return _nothing_free(symbol, slot.qty, slot.closing_qty)
    qty = signal.qty
    if qty is None:
        assert signal.share is not None  # it is not for all
        qty = round_down(CONTEXT.multiply(free, signal.share), scene.instrument.lot_size)
    if qty > free:
        return Exit(
            reason="EXIT_TOO_LARGE",
            detail=f"{qty} of {symbol} are to be closed, and {free} are held that nothing closes",
        )
    if not qty:
        return Exit(
            reason="ZERO_SIZE",
            detail=f"{signal.share} of {free} {symbol} is less than a lot"
            f" ({scene.instrument.lot_size})",
        )
    return Exit(order=_order(signal, scene, qty, intent_id), qty=qty)


def _nothing_free(symbol: str, qty: Decimal, closing: Decimal) -> Exit:
    return Exit(
        reason="NOTHING_HELD",
        detail=f"of {qty} {symbol} orders beside this one are closing {closing}, the rest is of"
        " later signals",
    )


def _order(signal: ExitSignal | None, scene: Scene, qty: Decimal, intent_id: str) -> SubmitOrder:
    side = Side.SELL if scene.slot.qty > ZERO else Side.BUY
    flags = scene.reduce_only is not ReduceOnlyRule.UNSUPPORTED
    tags = {"signal": scene.signal.signal_id}
    if signal is not None and signal.reason:
        tags["reason"] = signal.reason
    return market(
        scene.instrument.symbol, side, qty, intent_id=intent_id, venue=scene.venue,
        account=scene.account, reduce_only=flags, slot=scene.signal.slot, tags=tags,
    )  # fmt: skip
