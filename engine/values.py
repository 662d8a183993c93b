"""Values: the words an order is made of, and the arithmetic rules for money.

Everything here is immutable and exact. Prices, quantities and amounts are :class:`decimal.Decimal`;
a float never enters (adapters convert with ``Decimal(str(x))`` at the edge). Arithmetic runs under
:data:`CONTEXT`, never under the host's ambient context: a host that set ``getcontext().prec = 6``
must not change a fill. The dispatcher installs :data:`CONTEXT` around each turn; pure callers use
:func:`exact`.

This module does not know orders or positions; it has no clock and no randomness.
"""

from __future__ import annotations

import enum
from contextlib import AbstractContextManager
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)
from typing import Final

import msgspec

from .errors import InvalidValue
from .given import check_amount, check_flag, check_kind, check_text_of

__all__ = [
    "BASE36",
    "CONTEXT",
    "ONE",
    "ZERO",
    "ClientOrderId",
    "CorrectionKind",
    "Instrument",
    "InstrumentKind",
    "Liquidity",
    "OrderState",
    "OrderType",
    "PositionSlot",
    "Side",
    "Source",
    "TimeInForce",
    "TriggerSource",
    "Word",
    "decimal_from",
    "exact",
    "format_client_order_id",
    "is_on_step",
    "parse_client_order_id",
    "round_down",
    "round_price",
    "to_base36",
]

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

#: The only context money is computed in: 34 digits (IEEE decimal128), half-even, and an error
#: instead of a NaN.
CONTEXT: Final = Context(
    prec=34,
    rounding=ROUND_HALF_EVEN,
    Emin=-6143,
    Emax=6144,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[InvalidOperation, DivisionByZero, Overflow],
)


def exact() -> AbstractContextManager[Context]:
    """Install :data:`CONTEXT` for a ``with`` block; use it around pure calls made outside a
    dispatcher's turn.
    """
    return localcontext(CONTEXT)


class Word(enum.Enum):
    """An enum whose value is its name, hashed by identity.

    ``enum.Enum`` hashes through Python code (0.1 us a time); members are singletons, so identity is
    the same relation. Nothing iterates a set of words, so the hash never shows.
    """

    __hash__ = object.__hash__

    def __init__(self, text: str) -> None:
        #: The value as a plain attribute: ``.value`` runs Python code, at 0.2 us.
        self.text = text


class Side(Word):
    """FIX 54. Quantities are unsigned; this carries the direction."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The other side: the side that closes a position this one opened."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(Word):
    """FIX 40, with the trigger orders real venues have."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"  # becomes MARKET when the market trades through stop_px
    STOP_LIMIT = "STOP_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"  # market-if-touched: triggers on the favourable side
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"  # stop_px follows the market at trail_offset

    @property
    def has_limit_price(self) -> bool:
        """Whether ``price`` is required (and else forbidden)."""
        return self in _LIMIT_TYPES

    @property
    def has_trigger(self) -> bool:
        """Whether the order rests off-book until a trigger elects it."""
        return self in _TRIGGER_TYPES


_LIMIT_TYPES: Final = frozenset(
    {OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT}
)
_TRIGGER_TYPES: Final = frozenset(
    {
        OrderType.STOP,
        OrderType.STOP_LIMIT,
        OrderType.TAKE_PROFIT,
        OrderType.TAKE_PROFIT_LIMIT,
        OrderType.TRAILING_STOP,
    }
)


class TimeInForce(Word):
    """FIX 59."""

    GTC = "GTC"
    DAY = "DAY"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"  # until expire_ts


class PositionSlot(Word):
    """Which slot of (account, instrument) an order works on: one net slot, or hedge mode's two."""

    NET = "NET"
    LONG = "LONG"
    SHORT = "SHORT"


class Liquidity(Word):
    """FIX 851: who was resting."""

    MAKER = "MAKER"
    TAKER = "TAKER"


class TriggerSource(Word):
    """Which price elects a trigger order."""

    LAST = "LAST"
    MARK = "MARK"
    MID = "MID"


class Source(Word):
    """Where a report comes from; evidence is ranked in this order, strongest first."""

    STREAM = "STREAM"
    QUERY = "QUERY"  # a query by id
    LIST = "LIST"  # an entry in a list of orders or executions
    INFERENCE = "INFERENCE"
    OPERATOR = "OPERATOR"


class OrderState(Word):
    """The one public word of an order, computed from its three regions and its quantities."""

    PENDING = "PENDING"  # created, being validated or waiting to leave
    HELD = "HELD"  # never sent: waits for a parent, or is a dormant leg
    SUBMITTED = "SUBMITTED"  # handed to the wire, no answer yet
    ACCEPTED = "ACCEPTED"  # the venue works it
    TRIGGERED = "TRIGGERED"  # a stop was elected and now works
    OCO_LINKED = "OCO_LINKED"  # works, and every required sibling is confirmed
    PARTIAL = "PARTIAL"  # works, 0 < cum_qty < order_qty
    SUSPENDED = "SUSPENDED"  # at the venue, not working
    PENDING_REPLACE = "PENDING_REPLACE"  # an amend is outstanding
    PENDING_CANCEL = "PENDING_CANCEL"  # a cancel is outstanding
    IN_DOUBT = "IN_DOUBT"  # silence: only evidence ends it
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"  # the venue said no
    DENIED = "DENIED"  # we said no; it was never sent


class CorrectionKind(Word):
    """Why a position changed without an execution of ours."""

    LIQUIDATION = "LIQUIDATION"
    ADL = "ADL"  # auto-deleveraged against another account
    SETTLEMENT = "SETTLEMENT"
    EXPIRY = "EXPIRY"
    ASSIGNMENT = "ASSIGNMENT"
    SPLIT = "SPLIT"  # ratio: new units per old unit
    FUNDING = "FUNDING"  # cash only
    OPERATOR = "OPERATOR"  # a person's statement


class InstrumentKind(Word):
    """How quantity and price become money."""

    # spot, shares: quantity is the asset itself; a fee in the base currency takes quantity away
    CASH = "CASH"
    LINEAR = "LINEAR"  # futures, options, quanto: value = qty * multiplier * price, in settle
    INVERSE = "INVERSE"  # value = qty * multiplier / price, in settle (usually the base coin)


class Instrument(
    msgspec.Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """What is traded, with the venue's rules.

    ``multiplier`` is settle currency per (contract x price unit) for CASH and LINEAR, and quote
    currency per contract for INVERSE. ``min_notional`` is in the quote currency. ``None`` means the
    venue states no such rule.
    """

    symbol: str
    venue: str
    kind: InstrumentKind = InstrumentKind.CASH
    base: str = ""
    quote: str = ""
    settle: str = ""  # "" means quote (CASH, LINEAR) or base (INVERSE); see settle_currency
    tick_size: Decimal = Decimal("0.01")
    lot_size: Decimal = Decimal(1)
    multiplier: Decimal = ONE
    min_qty: Decimal | None = None
    max_qty: Decimal | None = None
    min_notional: Decimal | None = None
    allows_negative_price: bool = False  # spreads and some futures

    def __post_init__(self) -> None:
        of = f"instrument {self.symbol!r:.80}"
        check_text_of("the symbol of an instrument", self.symbol, empty=False)
        check_text_of(f"{of}: venue", self.venue, empty=False)
        for name in ("base", "quote", "settle"):
            check_text_of(f"{of}: {name}", getattr(self, name))
        check_kind(f"{of}: kind", self.kind, InstrumentKind)
        check_flag(f"{of}: allows_negative_price", self.allows_negative_price)
        for name in ("tick_size", "lot_size", "multiplier"):
            check_amount(f"{of}: {name}", getattr(self, name))
        for name in ("min_qty", "max_qty", "min_notional"):
            if (bound := getattr(self, name)) is not None:
                check_amount(f"{of}: {name}", bound, zero=name != "max_qty")

    @property
    def settle_currency(self) -> str:
        """The currency P&L is paid in."""
        if self.settle:
            return self.settle
        return self.base if self.kind is InstrumentKind.INVERSE else self.quote

    def notional(self, qty: Decimal, px: Decimal) -> Decimal:
        """Value of ``qty`` at ``px`` in the settle currency (unsigned when the inputs are)."""
        if self.kind is InstrumentKind.INVERSE:
            return CONTEXT.divide(CONTEXT.multiply(qty, self.multiplier), px)
        return CONTEXT.multiply(CONTEXT.multiply(qty, self.multiplier), px)


def decimal_from(value: object, what: str) -> Decimal:
    """Turn user or file input into a finite Decimal.

    Accepts ``Decimal``, ``int`` and ``str``; refuses ``float`` (binary fractions are not money:
    write ``"0.1"``), ``bool``, NaN and infinities.

    Raises:
        InvalidValue: naming ``what`` and the offending value; nothing else has happened.
    """
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidValue(
            f"{what} must be a Decimal, an int or a decimal string, was {value!r:.80}"
            f" ({type(value).__name__}); floats are refused because 0.1 has no exact binary form"
        )
    else:
        try:
            number = Decimal(value)
            if isinstance(value, str) and not (value.isascii() and "_" not in value):
                raise InvalidOperation  # "1_0" and other scripts' digits are not what people mean
        except InvalidOperation:
            raise InvalidValue(f"{what} must be a decimal number, was {value!r:.80}") from None
    if not number.is_finite():
        raise InvalidValue(f"{what} must be finite, was {number}")
    return number


def is_on_step(value: Decimal, step: Decimal) -> bool:
    """Whether ``value`` is a whole multiple of ``step`` (tick or lot); exact, any sign."""
    return not CONTEXT.remainder(value, step)


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """Round towards zero to a multiple of ``step``: quantities, so that a close is never above
    what is held.
    """
    count = CONTEXT.divide(value, step).to_integral_value(rounding=ROUND_DOWN)
    return CONTEXT.multiply(count, step)


def round_price(value: Decimal, tick: Decimal, side: Side) -> Decimal:
    """Round to a tick in the passive direction: a buy down, a sell up, so rounding never pays more
    than asked.
    """
    rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    count = CONTEXT.divide(value, tick).to_integral_value(rounding=rounding)
    return CONTEXT.multiply(count, tick)


# --- client order ids -----------------------------------------------------------------------------

BASE36: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ENGINE_ID_LENGTH: Final = 3
_INCARNATION_LENGTH: Final = 4
_INTENT_LENGTH: Final = 9
_ATTEMPT_LENGTH: Final = 2


class ClientOrderId(msgspec.Struct, frozen=True, gc=False):
    """The four parts a client order id encodes."""

    engine: str
    incarnation: str
    intent: int
    attempt: int


def to_base36(number: int, width: int) -> str:
    """``number`` in ``[0-9A-Z]``, zero-padded to ``width``; raises InvalidValue when it does not
    fit.
    """
    if number < 0 or number >= 36**width:
        raise InvalidValue(f"{number} does not fit in {width} base-36 digits")
    digits = ""
    for _ in range(width):
        number, rest = divmod(number, 36)
        digits = BASE36[rest] + digits
    return digits


def format_client_order_id(engine: str, incarnation: str, intent: int, attempt: int) -> str:
    """Encode (engine, journal incarnation, intent number, attempt) in 18 characters of
    ``[0-9A-Z]``.

    18 is what the strictest venue we know accepts; the prefix names this engine and this journal,
    so another engine on the same account is recognised as foreign.
    """
    number = to_base36(intent, _INTENT_LENGTH)
    return f"{engine}{incarnation}{number}{to_base36(attempt, _ATTEMPT_LENGTH)}"


def parse_client_order_id(text: str) -> ClientOrderId | None:
    """Decode an id made by :func:`format_client_order_id`; ``None`` when it has another shape (a
    foreign id).
    """
    prefix = ENGINE_ID_LENGTH + _INCARNATION_LENGTH
    if len(text) != prefix + _INTENT_LENGTH + _ATTEMPT_LENGTH:
        return None
    if any(char not in BASE36 for char in text):
        return None
    return ClientOrderId(
        text[:ENGINE_ID_LENGTH],
        text[ENGINE_ID_LENGTH:prefix],
        int(text[prefix : prefix + _INTENT_LENGTH], 36),
        int(text[prefix + _INTENT_LENGTH :], 36),
    )
