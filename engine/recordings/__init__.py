"""Readers of recorded order flow: rows -> the engine's own messages, with an oracle for each.

=====================  ===========================================================================
format                 what it is
=====================  ===========================================================================
``kucoin-events``      event log of a market-making bot: acks, fills, cancels, rejects, completions
``kucoin-trades``      the same bot's fill exports; beside the log they are its drop copy
``bitmex-executions``  account executions with running totals, some out of sequence
``hyperliquid-fills``  account fills with start position, realised P&L and fees
``lobster``            NASDAQ order messages of one stock
``bitstamp-orders``    Bitstamp order events, CSV
``bitstamp-log``       the same, as received
``cme-mbo``            CME market-by-order with amends (the binary form through ``actors``)
``shanghai-events``    Shanghai order-by-order, CSV
``shanghai-log``       the same, as the decoded exchange log
=====================  ===========================================================================

Nothing here opens a file: see ``actors.replay_io``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import RecordingError
from .base import (
    Check,
    FinalOrder,
    FinalPosition,
    Lines,
    Oracle,
    Recording,
    ReplayView,
    Step,
    TextLines,
)
from .bitmex import BitmexRecording
from .bitstamp import BitstampRecording
from .cme import CmeRecording
from .detect import FORMATS, detect_format
from .hyperliquid import HyperliquidRecording
from .kucoin import KucoinRecording
from .kucoin_trades import KucoinTradesRecording
from .lobster import LobsterRecording
from .shanghai import ShanghaiRecording

__all__ = [
    "FORMATS",
    "Check",
    "FinalOrder",
    "FinalPosition",
    "Lines",
    "Oracle",
    "Recording",
    "ReplayView",
    "Step",
    "TextLines",
    "detect_format",
    "make_recording",
]

_READERS: dict[str, Callable[[Lines], Recording]] = {
    "bitmex-executions": BitmexRecording,
    "hyperliquid-fills": HyperliquidRecording,
    "lobster": LobsterRecording,
    "bitstamp-orders": BitstampRecording,
    "bitstamp-log": lambda lines: BitstampRecording(lines, raw_log=True),
    "cme-mbo": CmeRecording,
    "shanghai-events": ShanghaiRecording,
    "shanghai-log": lambda lines: ShanghaiRecording(lines, raw_log=True),
}


def make_recording(parts: Sequence[tuple[str, Lines]]) -> Recording:
    """Build the recording that these texts make up, given (format, lines) of each.

    Only the KuCoin bot has companions: one event log with any number of fill exports, or fill
    exports alone.

    Raises:
        RecordingError: formats that do not belong together; nothing was read.
    """
    if len(parts) == 1 and parts[0][0] in _READERS:
        return _READERS[parts[0][0]](parts[0][1])
    logs = [lines for name, lines in parts if name == "kucoin-events"]
    exports = [lines for name, lines in parts if name == "kucoin-trades"]
    if len(logs) + len(exports) == len(parts) and len(logs) <= 1 and parts:
        return KucoinRecording(logs[0], exports) if logs else KucoinTradesRecording(exports)
    listed = ", ".join(f"{lines.name} ({name})" for name, lines in parts) or "none"
    raise RecordingError(
        f"these files are not one recording: {listed}. Replay each alone;"
        " only a KuCoin event log and its fill exports belong together."
    )
