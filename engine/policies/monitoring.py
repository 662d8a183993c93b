"""Monitors of positions: when a rule about P&L or time is met, and what has to be closed then.

Everything here is pure. :func:`check_monitor` refuses rules that cannot be meant,
:func:`pnl_of` says what is earned, :func:`judge_pnl` whether a rule is met, and :func:`plan_close`
what is missing until all is closed; it is level-triggered, so its caller does what it says and
calls again after anything has changed.

**P&L** is realised plus unrealised since the position was opened, less fees in the settle currency,
plus funding: what closing at the price would leave, exit fees aside. Fees in other currencies are
not in it (a CASH fee in kind is: it is in the quantity). Without a price that is fresh enough of
every slot that holds something it is not known, and no rule about it is met.

**Why nothing is closed twice.** One close of a slot works at a time. What groups hold they close
themselves (:class:`CallOff`). A venue that bounds exits at flat may get another close beside one in
doubt; elsewhere a close is at most what is held less everything that may still fill on its side:
orders in doubt, and exits that are being cancelled.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from ..errors import InvalidValue
from ..flatten import CallOff, CancelIt, CloseSlot
from ..messages import PnlUnit, SetMonitor
from ..pnl import EXACT, is_dust
from ..position_state import Position
from ..position_tables import PositionLife
from ..position_views import realized_pnl, total_pnl
from ..values import CONTEXT, ZERO, Instrument, PositionSlot, Side, Word, round_down
from ..watched import Monitor

__all__ = [
    "CloseAction",
    "ClosePlan",
    "CloseView",
    "GroupHeld",
    "Met",
    "Rule",
    "Working",
    "Worth",
    "check_monitor",
    "check_to_come",
    "earned",
    "has_pnl_rules",
    "judge_pnl",
    "plan_close",
    "pnl_of",
    "side_of",
]

_HUNDRED: Final = Decimal(100)
_PEAK_STEPS: Final = Decimal(20)  # a peak moves in twentieths of what may be given back


class Rule(Word):
    """What was met."""

    TAKE_PROFIT = "TAKE_PROFIT"
    STOP_LOSS = "STOP_LOSS"
    GIVE_BACK = "GIVE_BACK"
    HOLD_TIME = "HOLD_TIME"
    TIME_OF_DAY = "TIME_OF_DAY"


class Worth(msgspec.Struct, frozen=True, gc=False):
    """What the slots of a monitor are worth together: ``pnl`` since the books began, and the
    unsigned ``entry_value`` of what is held.
    """

    pnl: Decimal
    entry_value: Decimal


class Met(msgspec.Struct, frozen=True, gc=False):
    """What a price came to: a rule that is met at ``level``, or a new ``peak``, or nothing."""

    rule: Rule | None
    level: Decimal | None
    pnl: Decimal
    peak: Decimal


# --- the rules ------------------------------------------------------------------------------------


def has_pnl_rules(terms: SetMonitor) -> bool:
    """Whether prices matter to it."""
    return (terms.take_profit, terms.stop_loss, terms.give_back) != (None, None, None)


def check_monitor(terms: SetMonitor) -> None:
    """Refuse rules that cannot be meant; names of groups, zones and instruments are not judged.

    Raises:
        InvalidValue: no rule, a number that is not above zero or not finite, times that are none,
            or a scope that is two.
    """
    for what in ("take_profit", "stop_loss", "give_back"):
        number = getattr(terms, what)
        if number is not None and not (number.is_finite() and number > ZERO):
            raise InvalidValue(f"{what} must be a finite number above 0, was {number}")
    start = terms.give_back_from
    if not (start.is_finite() and start >= ZERO):
        raise InvalidValue(f"give_back_from must be finite and at least 0, was {start}")
    if start and terms.give_back is None:
        raise InvalidValue("give_back_from needs a give_back")
    _check_times(terms)
    if terms.instrument and terms.group_id:
        raise InvalidValue("a monitor is for an instrument or for a group, not for both")
    if (terms.instrument or terms.group_id) and terms.currency:
        raise InvalidValue("a currency is for the monitor of an account")
    timed = terms.hold_ns is not None or terms.close_at or terms.close_times
    if not (timed or has_pnl_rules(terms)):
        raise InvalidValue("a monitor needs a rule: about P&L (stop_loss...) or time (hold...)")


def check_to_come(terms: SetMonitor, now_ts: int) -> None:
    """Refuse a calendar that is over: it would close nothing, ever. Times in UTC ns.

    Raises:
        InvalidValue: naming the last.
    """
    if terms.close_times and terms.close_times[-1] <= now_ts:
        raise InvalidValue(
            f"close_times are UTC nanoseconds to come: the last was {terms.close_times[-1]}, now is"
            f" {now_ts}"
        )


def _check_times(terms: SetMonitor) -> None:
    if terms.hold_ns is not None and terms.hold_ns <= 0:
        raise InvalidValue(f"hold must be above 0, was {terms.hold_ns} ns")
    if terms.max_age_ns <= 0:
        raise InvalidValue(f"max_age must be above 0, was {terms.max_age_ns} ns")
    if bool(terms.close_at) is not bool(terms.time_zone):
        raise InvalidValue(
            f"a time of day needs its zone, and a zone its time: got {terms.close_at!r:.40} and"
            f" {terms.time_zone!r:.60}"
        )
    if any(day not in range(1, 8) for day in terms.close_days):
        raise InvalidValue(f"close_days are 1 (Monday) to 7, were {terms.close_days}")
    if list(terms.close_times) != sorted(terms.close_times):
        raise InvalidValue("close_times must be ascending")


def side_of(positions: Iterable[Position], *, signed: bool) -> int:
    """1 where something is held, 0 where nothing is or only dust; ``signed``: -1 where short."""
    for position in positions:
        if position.life is not PositionLife.FLAT:
            return -1 if signed and position.qty < ZERO else 1
    return 0


def _beside(position: Position) -> Decimal:
    """What was paid and received beside the trades, in the settle currency."""
    paid = sum((fee for of, fee in position.fees if of == position.currency), ZERO)
    got = sum((amount for of, amount in position.funding if of == position.currency), ZERO)
    return EXACT.subtract(got, paid)


def earned(positions: Iterable[Position]) -> Decimal:
    """Realised P&L, net of fees and funding: where the P&L of the next position begins."""
    return sum((EXACT.add(realized_pnl(one), _beside(one)) for one in positions), ZERO)


def pnl_of(held: Iterable[tuple[Position, Instrument, Decimal | None]]) -> Worth | None:
    """What slots have earned and hold, each at its price; None: a price or a cost is not known."""
    pnl = value = ZERO
    for position, instrument, px in held:
        if not position.qty:
            made: Decimal | None = realized_pnl(position)
        else:
            made = None if px is None else total_pnl(position, instrument, px)
        if made is None:
            return None
        pnl = EXACT.add(pnl, EXACT.add(made, _beside(position)))
        value = EXACT.add(value, position.basis.copy_abs())
    return Worth(pnl, value)


def judge_pnl(monitor: Monitor, worth: Worth) -> Met:
    """Hold what is earned against the rules. A loss comes first: no rule hides a stop."""
    terms = monitor.terms
    pnl = EXACT.subtract(worth.pnl, monitor.base)

    if terms.unit is PnlUnit.PERCENT and not worth.entry_value:
        return Met(None, None, pnl, monitor.peak)  # of nothing there is no percentage

    def level(number: Decimal) -> Decimal:
        if terms.unit is PnlUnit.MONEY:
            return number
        return CONTEXT.divide(EXACT.multiply(number, worth.entry_value), _HUNDRED)

    peak = monitor.peak
    if terms.stop_loss is not None and pnl <= -level(terms.stop_loss):
        return Met(Rule.STOP_LOSS, -level(terms.stop_loss), pnl, peak)
    if terms.take_profit is not None and pnl >= level(terms.take_profit):
        return Met(Rule.TAKE_PROFIT, level(terms.take_profit), pnl, peak)
    if terms.give_back is not None:
        give = level(terms.give_back)
        if pnl >= peak + CONTEXT.divide(give, _PEAK_STEPS):
            peak = pnl
        elif peak >= level(terms.give_back_from) and pnl <= peak - give:
            return Met(Rule.GIVE_BACK, peak - give, pnl, peak)
    return Met(None, None, pnl, peak)


# --- closing --------------------------------------------------------------------------------------


class Working(msgspec.Struct, frozen=True, gc=False):
    """One order of a slot that is open or not settled.

    ``exposure`` is the most that may still fill, or has filled unbooked (None: not known).
    ``old``: it was there when the rule fired. ``rests``: it need not fill at once. ``is_close``: a
    monitor placed it.
    """

    client_order_id: str
    group_id: str
    side: Side
    exposure: Decimal | None
    old: bool
    is_over: bool
    is_cancelling: bool
    is_doubtful: bool
    is_close: bool
    rests: bool


class GroupHeld(msgspec.Struct, frozen=True, gc=False):
    """One group that trades in the slot and is not over; ``held`` is what it opened there and has
    not closed, as far as it is booked (unsigned, on the side that the slot holds).
    """

    group_id: str
    held: Decimal
    old: bool
    closing: bool


class CloseView(msgspec.Struct, frozen=True):
    """One slot that is to be closed; ``qty`` is signed. ``is_pausing``: a close of it has come to
    nothing just now. ``asked``: orders whose cancel was asked for before.
    """

    instrument: Instrument
    slot: PositionSlot
    qty: Decimal
    orders: tuple[Working, ...]
    groups: tuple[GroupHeld, ...]
    bounds_exits: bool
    is_pausing: bool
    asked: Container[str]


CloseAction: TypeAlias = CallOff | CancelIt | CloseSlot


class ClosePlan(msgspec.Struct, frozen=True):
    """What to do now; ``is_done``: nothing is left of what was there when the rule fired."""

    actions: tuple[CloseAction, ...]
    is_done: bool


def plan_close(view: CloseView) -> ClosePlan:
    """Look at a slot and say what is missing until it is closed.

    What was submitted after the rule fired is left alone, and so is what such groups hold.
    """
    actions: list[CloseAction] = [
        CallOff(one.group_id) for one in view.groups if one.old and not one.closing
    ]
    mine = [one for one in view.orders if not one.group_id]
    for one in mine:
        if not one.old or one.is_close or one.is_over or one.is_cancelling:
            continue
        if not (one.is_doubtful and one.client_order_id in view.asked):
            actions.append(CancelIt(one.client_order_id))
    close = _close(view, mine)
    if close is not None:
        actions.append(close)
    kept = sum((one.held for one in view.groups if not one.old), ZERO)
    left = abs(view.qty) - kept
    is_done = (
        not actions
        and (left <= ZERO or is_dust(left, view.instrument))
        and not any(one.old for one in view.groups)
        and not any(one.old or one.is_close for one in mine)
    )
    return ClosePlan(tuple(actions), is_done)


def _close(view: CloseView, mine: list[Working]) -> CloseSlot | None:
    """What of a slot can be closed by an order of ours now, if anything can."""
    side = Side.SELL if view.qty > ZERO else Side.BUY
    closes = [one for one in mine if one.is_close]  # the slot may have turned since one left
    if view.is_pausing or any(not one.is_over and not one.is_doubtful for one in closes):
        return None  # one at a time
    left = abs(view.qty) - sum((one.held for one in view.groups), ZERO)
    groups = [one.group_id for one in view.groups]  # their exits close what they hold
    for one in view.orders if not view.bounds_exits else ():
        if one.side is not side or one.group_id in groups:
            continue  # what exits of a group may fill, or have filled unbooked, it still holds
        if one.old or one.is_close or not one.rests:  # a new one that rests is a new trade
            left -= left if one.exposure is None else one.exposure
    if view.instrument.max_qty is not None:
        left = min(left, view.instrument.max_qty)
    qty = round_down(max(left, ZERO), view.instrument.lot_size)
    if not qty or is_dust(qty, view.instrument):
        return None
    return CloseSlot(view.instrument.symbol, view.slot, side, qty)
