"""Which format a text is in, decided by its content; a file's name alone never decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from .base import excerpt
from .cme import HEADER as CME_HEADER
from .kucoin_trades import HEADER as KUCOIN_TRADES_HEADER

__all__ = ["FORMATS", "describe_formats", "detect_format"]

_LOBSTER: Final = re.compile(r"\d{1,5}(\.\d+)?,[1-7],-?\d+,\d+,-?\d+,-?[01]\Z")
_BITSTAMP_LOG: Final = re.compile(
    r"\d{13} (order_created|order_changed|order_deleted|trade|order_book) \{"
)
_BITMEX: Final = frozenset({"execID", "orderID", "symbol", "side", "lastPx", "lastQty", "cumQty"})
_HYPERLIQUID: Final = frozenset(
    {"Account", "Coin", "Start Position", "Closed PnL", "Order ID", "Fee"}
)


def _columns(line: str) -> frozenset[str]:
    return frozenset(line.split(","))


#: Format name -> does this first line belong to it. Exactly one holds for a good file.
_TESTS: Final[dict[str, Callable[[str], bool]]] = {
    "kucoin-events": lambda line: (
        line.startswith("{") and '"event_name"' in line and '"order_id"' in line
    ),
    "kucoin-trades": lambda line: line == KUCOIN_TRADES_HEADER,
    "bitmex-executions": lambda line: _columns(line) >= _BITMEX,
    "hyperliquid-fills": lambda line: _columns(line) >= _HYPERLIQUID,
    "lobster": lambda line: _LOBSTER.match(line) is not None,
    "bitstamp-orders": lambda line: (
        line == "id,timestamp,exchange.timestamp,price,volume,action,direction"
    ),
    "bitstamp-log": lambda line: _BITSTAMP_LOG.match(line) is not None,
    "cme-mbo": lambda line: line == CME_HEADER,
    "shanghai-events": lambda line: line.startswith("biz_index,transact_time,event,"),
    "shanghai-log": lambda line: line.startswith("//SecurityIDSource=") and " MsgType=" in line,
}

#: Every format that can be replayed, by the name ``--format`` takes.
FORMATS: Final = tuple(_TESTS)


def detect_format(first: Sequence[str]) -> str | None:
    """The format of a text by its first line, or None when it is none of ours."""
    if not first:
        return None
    line = first[0]
    for name, holds in _TESTS.items():
        if holds(line):
            return name
    return None


def describe_formats(first: Sequence[str]) -> str:
    """The end of an error message: what the text begins with, and what could have been read."""
    begins = excerpt(first[0]) if first else "nothing"
    return f"it begins with {begins}; readable formats are {', '.join(FORMATS)}"
