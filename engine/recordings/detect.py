"""Which format a text is in, decided by its content; a file's name alone never decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from .base import columns, excerpt
from .bitstamp_rows import COLUMNS as BITSTAMP_COLUMNS
from .cme import is_header as is_cme_header
from .kucoin_trades import is_header as is_kucoin_header
from .shanghai_rows import COLUMNS as SHANGHAI_COLUMNS

__all__ = ["FORMATS", "describe_formats", "detect_format"]

_LOBSTER: Final = re.compile(r"\d{1,5}(\.\d+)?,[1-7],-?\d+,\d+,-?\d+,-?[01](,[^,]*)?\Z")
_BITSTAMP_LOG: Final = re.compile(
    r"\d{13} (order_(created|changed|deleted|book)|trade|\S*(connection|subscription|bts:)\S*) "
)
_BITMEX: Final = frozenset({"execID", "orderID", "symbol", "side", "lastPx", "lastQty", "cumQty"})
_HYPERLIQUID: Final = frozenset(
    {"Account", "Coin", "Start Position", "Closed PnL", "Order ID", "Fee"}
)


#: Format name -> does this first line belong to it. Exactly one holds for a good file.
_TESTS: Final[dict[str, Callable[[str], bool]]] = {
    "kucoin-events": lambda line: (
        line.startswith("{") and '"event_name"' in line and '"order_id"' in line
    ),
    "kucoin-trades": is_kucoin_header,
    "bitmex-executions": lambda line: frozenset(columns(line)) >= _BITMEX,
    "hyperliquid-fills": lambda line: frozenset(columns(line)) >= _HYPERLIQUID,
    "lobster": lambda line: _LOBSTER.match(line) is not None,
    "bitstamp-orders": lambda line: frozenset(columns(line)) >= frozenset(BITSTAMP_COLUMNS),
    "bitstamp-log": lambda line: _BITSTAMP_LOG.match(line) is not None,
    "cme-mbo": is_cme_header,
    "shanghai-events": lambda line: frozenset(columns(line)) >= frozenset(SHANGHAI_COLUMNS),
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
