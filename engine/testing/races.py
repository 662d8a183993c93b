"""Races: small scenarios of which every interleaving is explored, as data.

A race begins with a scenario, whose steps are taken once and in order, until everything rests. Then
several hands act side by side: a host, the market, fate. Each takes its own steps in order, and may
take the next one at any moment: between any two turns of actors, before or after any request,
answer or report arrives, before or after any timer rings. ``orderwright explore`` plays them all.

A race of your own is one more entry of the same shape; nothing else has to know it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from ..capabilities import ReduceOnlyRule
from ..contingent import bracket
from ..errors import InvalidValue
from ..intents import limit, market
from ..messages import SubmitOrder
from ..simulator.config import ExchangeConfig, QueueModel
from ..values import Instrument, Side
from .faults import Fault, FaultKind, FaultPlan, When
from .scenario import (
    VENUE,
    Amends,
    Cancels,
    Crashes,
    Flattens,
    Happens,
    Injects,
    Lapses,
    Moment,
    Quotes,
    Restarts,
    Scenario,
    Step,
    Submits,
    SubmitsGroup,
    Trades,
    Waits,
)

__all__ = ["RACES", "Either", "Hand", "Race"]

_MS: Final = 1_000_000
_SECOND: Final = 1_000_000_000
_K = FaultKind


class Either(msgspec.Struct, frozen=True):
    """One of these steps; which one is explored as well."""

    steps: tuple[Step, ...]


#: Steps that one of those who act takes in order.
Hand: TypeAlias = tuple[Step | Either, ...]


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """What is explored.

    Attributes:
        name: in kebab-case. about: what races, in one line. begins: how it begins, and at what
        venue; it should be ``loose``. hands: who acts, side by side. horizon_ns: timers that ring
        later than that after the beginning are not explored one by one; what is open then comes to
        rest in the plainest way, and is judged like everything else.
    """

    name: str
    about: str
    begins: Scenario
    hands: tuple[Hand, ...]
    horizon_ns: int = 120 * _SECOND

    def __post_init__(self) -> None:
        if not self.name or not self.hands:
            raise InvalidValue("a race needs a name and hands")


# --- what they have in common ---------------------------------------------------------------------

_BTC: Final = Instrument(
    symbol="BTC/USDT",
    venue=VENUE,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.5"),
    lot_size=Decimal("0.01"),
)
_ONE: Final = Decimal("0.01")  # a lot
_TWO: Final = Decimal("0.02")
_PX: Final = Decimal(200)
_REST: Final = Waits(10 * _SECOND)  # long enough that no timer is left over


def _order(intent: str = "a") -> SubmitOrder:
    """Two lots, a tick below the best ask: it rests."""
    return limit(_BTC.symbol, Side.BUY, _TWO, _PX, intent_id=intent)


def _sold(qty: Decimal) -> Trades:
    """Somebody sells at the order's price, which is first in the queue."""
    return Trades(_BTC.symbol, _PX, qty, Side.SELL)


def _begins(
    *steps: Step,
    plan: FaultPlan | None = None,
    call_timeout_ns: int = 10 * _SECOND,
    ack_timeout_ns: int = 5 * _SECOND,
    turn_messages: int = 2,
) -> Scenario:
    quotes = Quotes(_BTC.symbol, Decimal("199.5"), Decimal(5), Decimal("200.5"), Decimal(5))
    return Scenario(
        seed=0,
        instruments=(_BTC,),
        config=ExchangeConfig(queue_model=QueueModel.TOUCH),
        plan=plan or FaultPlan(visibility_lag_ns=0),
        choices=(),
        call_timeout_ns=call_timeout_ns,
        ack_timeout_ns=ack_timeout_ns,
        loose=True,
        turn_messages=turn_messages,
        steps=(quotes, _REST, *steps),
    )


_SUBMIT: Final = Submits(_order())
_CANCEL: Final = Cancels("a")
_RESTS: Final = (_SUBMIT, _REST)  # as part of the beginning: accepted, and open
_DISCONNECT: Final = Happens(Fault(_K.DISCONNECT, delay_ns=250 * _MS))


def _first_place(kind: FaultKind, delay_ns: int = 0) -> Injects:
    return Injects(Fault(kind, When(verb="place", nth=1), delay_ns))


def _bracket() -> SubmitsGroup:
    """One lot at market, a stop below and a target above."""
    entry = market(_BTC.symbol, Side.BUY, _ONE)
    return SubmitsGroup("b", bracket(entry, stop_px=_PX - 2, target=_PX + 2))


#: Two lots that rest, with a stop below.
_RESTING: Final = bracket(limit(_BTC.symbol, Side.BUY, _TWO, _PX), stop_px=_PX - 2)


#: Two below where it began, and there is somebody to sell to.
_FALLEN: Final = Quotes(_BTC.symbol, Decimal("197.5"), Decimal(5), Decimal("198.5"), Decimal(5))


def _unbounded(begins: Scenario) -> Scenario:
    """At a venue that lets two exits of one holding both fill."""
    able = replace(begins.config.capabilities, reduce_only=ReduceOnlyRule.UNSUPPORTED)
    return replace(begins, config=replace(begins.config, capabilities=able))


def _met(px: Decimal, side: Side) -> Trades:
    """Others trade there, more than we have."""
    return Trades(_BTC.symbol, px, _TWO, side)


_ALL: Final = (
    Race(
        name="cancel-against-fill",
        about="one order is cancelled while the market takes it",
        begins=_begins(),
        hands=((_SUBMIT, _CANCEL), (_sold(_TWO),)),
    ),
    Race(
        name="replace-against-fill",
        about="an open order is asked to grow while the market takes what it was",
        begins=_begins(*_RESTS),
        hands=((Amends("a", order_qty=Decimal("0.03")),), (_sold(_TWO),)),
    ),
    Race(
        name="replace-against-cancel",
        about="two parts of a host ask for new terms and for the end, and it fills in part",
        begins=_begins(*_RESTS),
        hands=((Amends("a", price=Decimal("199.5")),), (_CANCEL,), (_sold(_ONE),)),
    ),
    Race(
        name="submit-against-timeout",
        about="the answer is lost, late or was never to come, when its timeout rings",
        begins=_begins(call_timeout_ns=_SECOND, ack_timeout_ns=_SECOND),
        hands=(
            (_SUBMIT,),
            (
                Either(
                    (
                        _first_place(_K.ANSWER_LOST),
                        _first_place(_K.NEVER_ARRIVED),
                        _first_place(_K.HANG, _SECOND),
                    )
                ),
                Lapses(),
            ),
        ),
    ),
    Race(
        name="submit-against-slowness",
        about="timer after timer rings while a placement, or a question about it, is under way",
        begins=_begins(call_timeout_ns=_SECOND, ack_timeout_ns=_SECOND),
        hands=((_SUBMIT,), (Lapses(),) * 4),
    ),
    Race(
        name="submit-against-disconnect",
        about="the link drops around a placement",
        begins=_begins(turn_messages=1),
        hands=((_SUBMIT,), (_DISCONNECT,)),
    ),
    Race(
        name="fill-against-disconnect",
        about="the link drops while an open order fills in part",
        begins=_begins(*_RESTS),
        hands=((_sold(_ONE),), (_DISCONNECT,)),
    ),
    Race(
        name="two-partial-fills-against-cancel",
        about="an open order fills in two parts while it is cancelled",
        begins=_begins(*_RESTS),
        hands=((_CANCEL,), (_sold(_ONE), _sold(_ONE))),
    ),
    Race(
        name="crash-around-submit",
        about="the process dies around a placement; its successor submits the intent again",
        begins=_begins(),
        hands=(
            (_SUBMIT,),
            (
                Either(
                    (
                        Crashes(),
                        Crashes(Moment.BEFORE_WRITE),
                        Crashes(Moment.AFTER_WRITE),
                    )
                ),
                Restarts(),
                _SUBMIT,
            ),
        ),
    ),
    Race(
        name="bust-against-cancel",
        about="an execution is busted while the rest of its order is cancelled",
        begins=_begins(*_RESTS, _sold(_ONE), _REST),
        hands=((_CANCEL,), (Happens(Fault(_K.BUSTED)),), (_sold(_ONE),)),
    ),
    Race(
        name="entry-cancel-against-fill",
        about="the entry of a bracket is cancelled while a part of it fills",
        begins=_begins(SubmitsGroup("b", _RESTING), _REST),
        hands=((Cancels("b/entry"),), (_sold(_ONE),)),
    ),
    Race(
        name="flatten-against-fill",
        about="the kill switch is pulled while an open order fills in part",
        begins=_begins(*_RESTS, turn_messages=1),
        hands=((Flattens(),), (_sold(_ONE),)),
    ),
    Race(
        name="crash-around-first-fill",
        about="the process dies around the first fill of a bracket, which needs its stop then",
        begins=_begins(SubmitsGroup("b", _RESTING), _REST, turn_messages=1),
        hands=((_sold(_TWO),), (Crashes(Moment.AFTER_WRITE), Restarts())),
    ),
    Race(
        name="oco-siblings",
        about="the market meets both exits of a bracket, at a venue without reduce-only",
        begins=_unbounded(_begins(_bracket(), _REST)),
        hands=((_met(_PX + 2, Side.BUY),), (_met(_PX - 2, Side.SELL), _FALLEN)),
    ),
)

#: Every race that has a name.
RACES: Final[dict[str, Race]] = {race.name: race for race in _ALL}
