"""What becomes of an order whose trigger the engine watches itself: it follows the market, is
elected, leaves, and comes back when it is proven never to have arrived.
"""

from __future__ import annotations

from msgspec.structs import replace

from .messages import LocalReleased, LocalTrailed, LocalTriggered, NeverArrived
from .order import Ledger, Order, Step, is_waiting
from .order_moves import moved, quarantined
from .order_tables import Life
from .statechart import Verdict
from .trigger_tables import TRIGGER, Trigger, TriggerMove

__all__ = ["on_local_released", "on_local_trailed", "on_local_triggered", "returned"]


def _moved(order: Order, move: TriggerMove, ts: int) -> tuple[Verdict, Order]:
    cell = TRIGGER.table[order.trigger, move]
    if cell.target is order.trigger:
        return cell.verdict, order
    return cell.verdict, replace(order, trigger=cell.target, ts=max(ts, order.ts))


def on_local_trailed(order: Order, ledger: Ledger, m: LocalTrailed) -> Step:
    """Its stop price has followed the market."""
    del ledger
    verdict, _ = _moved(order, TriggerMove.TRAIL, m.ts)
    if verdict is Verdict.QUARANTINE:
        return quarantined(order)
    if not is_waiting(order) or order.trigger is not Trigger.WATCHED or order.stop_px == m.stop_px:
        return Step(order)
    return Step(replace(order, stop_px=m.stop_px, ts=max(m.ts, order.ts)), changed=True)


def on_local_triggered(order: Order, ledger: Ledger, m: LocalTriggered) -> Step:
    """A price has reached its trigger; it has not left."""
    del ledger
    verdict, elected = _moved(order, TriggerMove.ELECT, m.ts)
    if verdict is Verdict.QUARANTINE:
        return quarantined(order)
    if verdict is Verdict.STAY or not is_waiting(order):
        return Step(order)
    return Step(replace(elected, stop_px=m.stop_px), Verdict.MOVE, True)


def on_local_released(order: Order, ledger: Ledger, m: LocalReleased) -> Step:
    """What it has become leaves for the venue."""
    del ledger
    verdict, released = _moved(order, TriggerMove.RELEASE, m.ts)
    if verdict is Verdict.QUARANTINE:
        return quarantined(order)
    if verdict is Verdict.STAY or not is_waiting(order):
        return Step(order)
    return Step(released, Verdict.MOVE, True)


def returned(order: Order, m: NeverArrived) -> Step | None:
    """The venue never had what was released: elected the order stays, so it waits to leave again,
    with the terms that were asked for meanwhile. ``None``: it is no such order, or somebody wants
    it gone.
    """
    if order.trigger is not Trigger.RELEASED or any(out.is_cancel for out in order.requests):
        return None
    qty, price = order.order_qty, order.price
    for out in order.requests:
        qty = qty if out.order_qty is None else out.order_qty
        price = price if out.price is None else out.price
    back = replace(
        moved(order, Life.PENDING, m.ts),
        trigger=TRIGGER.table[order.trigger, TriggerMove.RETURN].target,
        requests=(),
        order_qty=qty,
        price=price,
        unverified=False,
    )
    return Step(back, Verdict.MOVE, True)
