"""What a venue can do, as data. The engine chooses by it and never by a venue's name.

A capability that is not known is stated as the weakest value: assuming more than a venue proves
loses money.
"""

from __future__ import annotations

import msgspec

from .messages import NativeShape
from .values import OrderType, TimeInForce, TriggerSource, Word


class IdScope(Word):
    """Within what a venue refuses a repeated client order id."""

    FOREVER = "FOREVER"
    WINDOW = "WINDOW"  # for id_window_ns
    OPEN_ONLY = "OPEN_ONLY"  # among open orders: a filled first attempt does not protect
    NONE = "NONE"


class ReduceOnlyRule(Word):
    """What a venue does with a reduce-only order larger than the position."""

    UNSUPPORTED = "UNSUPPORTED"
    REFUSE = "REFUSE"
    CLAMP = "CLAMP"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One venue account's abilities. Durations are nanoseconds."""

    order_types: tuple[OrderType, ...] = (OrderType.MARKET, OrderType.LIMIT)
    trigger_sources: tuple[TriggerSource, ...] = (TriggerSource.LAST,)  # of its trigger orders
    times_in_force: tuple[TimeInForce, ...] = (TimeInForce.GTC, TimeInForce.IOC)
    post_only: bool = False
    reduce_only: ReduceOnlyRule = ReduceOnlyRule.UNSUPPORTED
    amend: bool = False
    cash_qty: bool = False
    hedge_mode: bool = False
    client_id_length_max: int = 18
    client_id_scope: IdScope = IdScope.NONE
    client_id_window_ns: int = 0
    lookup_by_client_id: bool = (
        False  # and it also finds closed orders, for as long as doubt may last
    )
    lists_trigger_orders: bool = False  # open_orders shows every book the venue keeps
    executions_complete: bool = False  # executions(since) shows every execution of the account
    positions_complete: bool = False  # positions() shows every slot that is not flat
    cash_positions: bool = (
        False  # ... of CASH instruments as well, each as its executions and fees in kind leave it
    )
    visibility_lag_ns: int = 1_000_000_000  # how long a fact may stay invisible to queries
    request_window_ns: int = 5_000_000_000  # how long a delayed request may still take effect
    inline: bool = False  # calls may run outside an asyncio task (they await only our clock)
    stream_echoes: bool = False  # the stream tells the effect of each call too, not only its answer
    place_batch: int = 1  # placements that one call may carry
    cancel_batch: int = 1  # the same of cancels
    exits_share_balance: bool = False  # spot: stop and target of the same coins can both rest
    native_groups: tuple[NativeShape, ...] = ()  # what it keeps by itself, each in one call
    native_shrinks: bool = False  # a part that an exit of them fills is taken from the other
