"""Whether a signal may be traded at all: limits, what they are held against, and the verdict.

:func:`can_trade` is pure: everything it needs is in :class:`RiskState`, a small value that the
running system fills from its own positions and orders. What is not known refuses; exits are never
asked here, because reducing is always allowed. Amounts are in the currency of the risk unless they
are named per currency.

:class:`RiskDay` is what has to be remembered from one moment to the next: where each slot stood
when the day began, and when a trade last ended in a loss. :func:`follow` carries it on.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from typing import Final

import msgspec

from ..errors import InvalidValue
from ..given import check_amount, check_flag, check_kind, check_text_of, check_whole
from ..pnl import Amounts, add_amount
from ..signals import Direction, EntrySignal, are_pairs
from ..values import CONTEXT, ONE, ZERO, Word

__all__ = [
    "Held",
    "RiskDay",
    "RiskLimits",
    "RiskReason",
    "RiskState",
    "SlotFact",
    "SlotMark",
    "Verdict",
    "can_trade",
    "day_pnl",
    "follow",
    "risk_amount",
]

_DAY_NS: Final = 86_400_000_000_000
MINUTE_NS: Final = 60_000_000_000
_AMOUNTS: Final = (
    "risk_fraction", "risk_amount", "max_order_qty", "max_order_notional",
    "max_instrument_notional", "max_leverage",
)  # fmt: skip
_COUNTS: Final = (
    "max_open_positions", "max_entries_per_minute", "max_signal_age_ns", "max_rate_age_ns",
)  # fmt: skip

_AHEAD_NS: Final = 60_000_000_000  # how far clocks of this world may be apart


class RiskReason(Word):
    """Why a signal may not be traded."""

    EQUITY_UNKNOWN = "EQUITY_UNKNOWN"
    NO_EQUITY = "NO_EQUITY"
    RATE_MISSING = "RATE_MISSING"  # of a currency into that of the risk
    STALE_SIGNAL = "STALE_SIGNAL"
    SIGNAL_AHEAD = "SIGNAL_AHEAD"  # dated later than now: a clock or a unit is wrong
    INVENTORY_UNKNOWN = "INVENTORY_UNKNOWN"  # the venue or an order of the instrument is in doubt
    ALREADY_LONG = "ALREADY_LONG"
    ALREADY_SHORT = "ALREADY_SHORT"
    MAX_OPEN_POSITIONS = "MAX_OPEN_POSITIONS"
    MAX_DAILY_LOSS = "MAX_DAILY_LOSS"
    MAX_ENTRIES_PER_MINUTE = "MAX_ENTRIES_PER_MINUTE"
    MAX_INSTRUMENT_NOTIONAL = "MAX_INSTRUMENT_NOTIONAL"
    COOLDOWN = "COOLDOWN"


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be risked, in ``currency``; a limit that is ``None`` does not hold.

    Exactly one of ``risk_fraction`` (of the equity, above 0 and at most 1) and ``risk_amount`` is
    given: what one trade may lose at its stop. ``max_daily_loss``: pairs of (currency, amount),
    realised, fees and funding included. The day begins at UTC midnight plus ``day_offset_ns``, or
    at each of ``day_starts`` (UTC ns, ascending: a session calendar with its time zone worked out).
    ``max_leverage``: the value of all positions and entries over the equity. ``fee_rate``: of the
    value, for each way, counted into the size. ``cooldown_ns``: without entries after a trade that
    lost. ``max_signal_age_ns``: older signals are not traded. ``reverse_within_ns``: how long a
    reverse waits for its close.

    Raises:
        InvalidValue: a limit that is no limit.
    """

    currency: str
    risk_fraction: Decimal | None = None
    risk_amount: Decimal | None = None
    fee_rate: Decimal = ZERO
    max_open_positions: int | None = None
    max_daily_loss: Amounts = ()
    day_offset_ns: int = 0
    day_starts: tuple[int, ...] = ()
    max_order_qty: Decimal | None = None
    max_order_notional: Decimal | None = None
    max_instrument_notional: Decimal | None = None
    max_leverage: Decimal | None = None
    max_entries_per_minute: int | None = None
    cooldown_ns: int = 0
    max_signal_age_ns: int | None = None
    max_rate_age_ns: int | None = None
    allow_scale_in: bool = False
    allow_reverse: bool = False
    reverse_within_ns: int = MINUTE_NS

    def __post_init__(self) -> None:
        given: object = self.currency
        if not isinstance(given, str) or not given:
            raise InvalidValue(
                f"risk limits need the currency that risk is counted in, was {given!r:.80}"
            )
        if (self.risk_fraction is None) is (self.risk_amount is None):
            raise InvalidValue("risk limits need exactly one of risk_fraction and risk_amount")
        if not are_pairs(self.max_daily_loss):
            raise InvalidValue(
                "max_daily_loss is pairs of (currency, amount), as (('USDT', Decimal(300)),);"
                f" was {self.max_daily_loss!r:.80}"
            )
        for name in _AMOUNTS:
            if (amount := getattr(self, name)) is not None:
                _check_exact(name, amount)
        for currency, loss in self.max_daily_loss:
            check_text_of("a currency of max_daily_loss", currency, empty=False)
            _check_exact(f"max_daily_loss of {currency}", loss)
        for name in _COUNTS:
            if (count := getattr(self, name)) is not None:
                check_whole(name, count, at_least=1)
        if self.risk_fraction is not None and self.risk_fraction > ONE:
            raise InvalidValue(f"risk_fraction must be at most 1, was {self.risk_fraction}")
        check_amount("fee_rate", self.fee_rate, zero=True)
        check_whole("cooldown_ns", self.cooldown_ns)
        check_whole("reverse_within_ns", self.reverse_within_ns, at_least=1)
        check_whole("day_offset_ns", self.day_offset_ns, at_least=-_DAY_NS)
        check_flag("allow_scale_in", self.allow_scale_in)
        check_flag("allow_reverse", self.allow_reverse)
        check_kind("day_starts", self.day_starts, tuple)
        for start in self.day_starts:
            check_whole("each of day_starts (UTC ns)", start)
        if list(self.day_starts) != sorted(self.day_starts):
            raise InvalidValue(f"day_starts must be ascending, were {self.day_starts[:8]}")

    def day_of(self, ts: int) -> int:
        """When the day of ``ts`` began. After the last of ``day_starts`` that day goes on."""
        if self.day_starts:
            return self.day_starts[max(bisect_right(self.day_starts, ts) - 1, 0)]
        return (ts - self.day_offset_ns) // _DAY_NS * _DAY_NS + self.day_offset_ns


def _check_exact(what: str, value: object) -> None:
    """A limit above 0; whole numbers are as exact as Decimals."""
    check_amount(what, Decimal(value) if type(value) is int else value)


class Held(msgspec.Struct, frozen=True):
    """A slot that is held or about to be: ``qty`` is signed, 0 while an entry only works.

    ``notional``: of position and working entries, in the currency of the risk; ``None``: a rate is
    missing. ``long``, ``short``: held that way, or an entry works that way.
    """

    account: str  # venue/account
    instrument: str
    slot: str
    qty: Decimal
    notional: Decimal | None
    long: bool
    short: bool


class RiskState(msgspec.Struct, frozen=True, kw_only=True):
    """What is so at ``ts`` (UTC ns), as far as limits look at it.

    ``held``: all slots; ``here``: that of the signal, if it is one of them. ``in_doubt``: why the
    inventory of the signal's instrument is not known; "" when it is. ``entries``: when entries were
    taken lately, ascending.
    """

    ts: int
    equity: Decimal | None
    held: tuple[Held, ...] = ()
    here: Held | None = None
    day_pnl: Amounts = ()
    entries: tuple[int, ...] = ()
    last_loss_ts: int | None = None
    in_doubt: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """Whether a signal may be traded; if not, a word and the sentence with the numbers.

    ``reverses``: it may, once what is held the other way is closed.
    """

    allowed: bool
    reason: RiskReason | None = None
    detail: str = ""
    reverses: bool = False


def can_trade(signal: EntrySignal, limits: RiskLimits, state: RiskState) -> Verdict:
    """Hold a signal against every limit; the first one that it breaks is the verdict's."""
    refusal = _by_knowledge(signal, limits, state) or _by_history(limits, state)
    if refusal is not None:
        return refusal
    here, direction = state.here, signal.direction
    reverses = False
    if here is not None:
        same, against = here.long, here.short
        if direction is Direction.SHORT:
            same, against = against, same
        reverses = against
        if (same and not limits.allow_scale_in) or (against and not limits.allow_reverse):
            way = direction if same and not limits.allow_scale_in else direction.opposite
            reason = RiskReason.ALREADY_LONG
            if way is Direction.SHORT:
                reason = RiskReason.ALREADY_SHORT
            asked = "allow_scale_in" if way is direction else "allow_reverse"
            return _no(
                reason,
                f"{signal.instrument} is {way.value} already (holds {here.qty}, an entry may be"
                f" working), the signal is {direction.value}, and {asked} is off",
            )
    return _by_size(limits, state, reverses) or Verdict(True, reverses=reverses)


def risk_amount(signal: EntrySignal, limits: RiskLimits, equity: Decimal | None) -> Decimal:
    """What the signal's trade may lose at its stop, in the currency of the risk.

    Raises:
        InvalidValue: it is a fraction of an equity that is not known.
    """
    amount = limits.risk_amount
    if amount is None:
        if equity is None or limits.risk_fraction is None:
            raise InvalidValue("a fraction of an equity that is not known is no amount")
        amount = CONTEXT.multiply(equity, limits.risk_fraction)
    return CONTEXT.multiply(amount, signal.strength)


def _by_knowledge(signal: EntrySignal, limits: RiskLimits, state: RiskState) -> Verdict | None:
    """What is not known refuses."""
    age = state.ts - signal.ts
    if limits.max_signal_age_ns is not None and age > limits.max_signal_age_ns:
        return _no(
            RiskReason.STALE_SIGNAL,
            f"the signal is {_seconds(age)} old, at most {_seconds(limits.max_signal_age_ns)}"
            " are allowed",
        )
    if -age > _AHEAD_NS:  # its exits, dated rightly, would count as older than itself
        return _no(
            RiskReason.SIGNAL_AHEAD,
            f"the signal is dated {_seconds(-age)} after now ({signal.ts}): ts is when it was made,"
            " in UTC nanoseconds; look at the sender's clock",
        )
    if state.in_doubt:
        return _no(RiskReason.INVENTORY_UNKNOWN, state.in_doubt)
    if limits.risk_fraction is not None or limits.max_leverage is not None:
        if state.equity is None:
            return _no(
                RiskReason.EQUITY_UNKNOWN,
                f"the equity in {limits.currency} is not known: no capital was stated",
            )
        if state.equity <= ZERO:
            return _no(RiskReason.NO_EQUITY, f"the equity is {state.equity} {limits.currency}")
    return None


def _by_history(limits: RiskLimits, state: RiskState) -> Verdict | None:
    """What went before."""
    earned = dict(state.day_pnl)
    for currency, limit in limits.max_daily_loss:
        pnl = earned.get(currency, ZERO)
        if -pnl >= limit:
            return _no(
                RiskReason.MAX_DAILY_LOSS,
                f"{-pnl} {currency} were lost today, and the limit is {limit}",
            )
    if state.last_loss_ts is not None and state.ts - state.last_loss_ts < limits.cooldown_ns:
        return _no(
            RiskReason.COOLDOWN,
            f"a trade lost {_seconds(state.ts - state.last_loss_ts)} ago, and entries rest for"
            f" {_seconds(limits.cooldown_ns)}",
        )
    lately = sum(1 for ts in state.entries if state.ts - ts < MINUTE_NS)
    if limits.max_entries_per_minute is not None and lately >= limits.max_entries_per_minute:
        return _no(
            RiskReason.MAX_ENTRIES_PER_MINUTE,
            f"{lately} entries within the last minute, at most {limits.max_entries_per_minute}"
            " are allowed",
        )
    return None


def _by_size(limits: RiskLimits, state: RiskState, reverses: bool) -> Verdict | None:
    """What is held already; of a reverse what is to be closed does not count."""
    count = len(state.held)
    if limits.max_open_positions is not None and state.here is None:
        if count >= limits.max_open_positions:
            return _no(
                RiskReason.MAX_OPEN_POSITIONS,
                f"{count} positions are open or about to be, at most {limits.max_open_positions}"
                " are allowed",
            )
    here = ZERO if state.here is None or reverses else state.here.notional
    if limits.max_instrument_notional is not None:
        if here is None:
            return _no(RiskReason.RATE_MISSING, "the value of what is held is not known: no rate")
        if here >= limits.max_instrument_notional:
            return _no(
                RiskReason.MAX_INSTRUMENT_NOTIONAL,
                f"{here} {limits.currency} of it are held or about to be, and the limit is"
                f" {limits.max_instrument_notional}",
            )
    if limits.max_leverage is not None:
        unknown = [one.instrument for one in state.held if one.notional is None]
        if unknown:
            return _no(
                RiskReason.RATE_MISSING, f"the value of {unknown[0]} is not known: no rate or price"
            )
    return None


def _no(reason: RiskReason, detail: str) -> Verdict:
    return Verdict(False, reason, detail)


def _seconds(ns: int) -> str:
    return f"{CONTEXT.divide(Decimal(ns), Decimal(1_000_000_000)):f} s"


# --- what has to be remembered --------------------------------------------------------------------


class SlotFact(msgspec.Struct, frozen=True):
    """How a slot stands: ``side`` is 1, -1, or 0 for flat (dust is flat); ``net`` what it has
    earned since ever, realised, with fees and funding, per currency; ``currency`` it settles in.
    """

    key: str
    currency: str
    side: int
    net: Amounts
    ts: int


class SlotMark(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a slot stood: ``base`` when the day began, ``last`` when last looked at, ``opened``
    when what it holds was opened.
    """

    base: Amounts
    last: Amounts
    side: int = 0
    opened: Amounts = ()


class RiskDay(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered: ``day`` is when it began (UTC ns)."""

    day: int
    slots: dict[str, SlotMark]
    last_loss_ts: int | None = None
    entries: tuple[int, ...] = ()


def follow(day: RiskDay, fact: SlotFact, limits: RiskLimits) -> RiskDay:
    """Take in how a slot stands now. A fact of an earlier day counts for the present one."""
    today = limits.day_of(fact.ts)
    slots = dict(day.slots)
    start = day.day
    if today > start:
        slots = {k: SlotMark(m.last, m.last, m.side, m.opened) for k, m in slots.items()}
        start = today
    mark = slots.get(fact.key) or SlotMark((), ())
    lost = day.last_loss_ts
    opened = mark.opened
    if mark.side != fact.side:
        if mark.side:
            earned = dict(fact.net).get(fact.currency, ZERO)
            if earned < dict(mark.opened).get(fact.currency, ZERO):
                lost = fact.ts if lost is None else max(lost, fact.ts)
        opened = mark.last if fact.side and not mark.side else fact.net
    slots[fact.key] = SlotMark(mark.base, fact.net, fact.side, opened if fact.side else ())
    return RiskDay(start, slots, lost, day.entries)


def day_pnl(day: RiskDay, limits: RiskLimits, ts: int) -> Amounts:
    """What was earned since the day of ``ts`` began, per currency."""
    total: Amounts = ()
    if limits.day_of(ts) > day.day:
        return total
    for mark in day.slots.values():
        for currency, amount in mark.last:
            total = add_amount(total, currency, amount)
        for currency, amount in mark.base:
            total = add_amount(total, currency, -amount)
    return total
