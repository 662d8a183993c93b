"""Small recordings, and the command line as tests call it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.cli import main

#: Five orders of one stock: filled in two, cancelled after a part, cancelled, open, met mid-life.
LOBSTER = (
    "34200.1,1,7,10,5853300,1",
    "34200.2,1,8,20,5853400,-1",
    "34200.3,4,7,4,5853300,1",
    "34200.4,4,7,6,5853300,1",
    "34200.5,1,9,5,5853200,1",
    "34200.6,4,8,5,5853400,-1",
    "34200.7,3,8,15,5853400,-1",
    "34200.8,3,9,5,5853200,1",
    "34200.9,1,10,30,5853100,1",
    "34201.0,4,11,2,5853500,-1",
)

#: What somebody may call an order, or a venue an execution.
HOSTILE = (
    "quote\"'`",
    "nul\0id",
    "new\nline\r\n",
    "esc\x1b[31mred\x1b]0;title\x07",
    "bidi\u202eabc\u2066",
    "[bold red]markup[/]",
    "'; DROP TABLE facts; --",
    "\u00e9\u4e2d\U0001f600",
    "x" * 300_000,  # a line has two of them, and at most a million characters
)


def lobster(
    folder: Path,
    rows: Sequence[str] = LOBSTER,
    name: str = "XYZ_2012-06-21_34200000_57600000_message_1.csv",
) -> Path:
    """A recording of one stock."""
    path = folder / name
    path.write_text("\n".join(rows) + "\n")
    return path


def kucoin_row(event: str, order_id: str, second: int, **more: Any) -> str:
    """One event of a bot's log."""
    row = {
        "event_name": event,
        "order_id": order_id,
        "log_time": f"2022-11-07T13:05:{second:02d}.000Z",
        "trading_pair": "EDG-BTC",
        "type": "OrderType.LIMIT_MAKER",
        "order_type": "OrderType.LIMIT_MAKER",
        "amount": "1.0",
        "price": "1E-8",
    }
    return json.dumps(row | more)


def kucoin(folder: Path, names: Sequence[str]) -> Path:
    """A log with an order of each name: accepted, half filled, cancelled."""
    rows = []
    for name in names:
        rows.append(kucoin_row("BuyOrderCreatedEvent", name, 1, exchange_order_id=f"V{name}"))
        rows.append(
            kucoin_row(
                "OrderFilledEvent", name, 2, exchange_trade_id=f"T{name}", amount="0.5",
                trade_type="TradeType.BUY", trade_fee={"percent": "0.001"},
            )
        )  # fmt: skip
        rows.append(kucoin_row("OrderCancelledEvent", name, 3, exchange_order_id=f"V{name}"))
    path = folder / "events.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return path


class Run:
    """What one command came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout; more than one is an error."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def run(capsys: pytest.CaptureFixture[str], *args: object) -> Run:
    """Run one command in this process."""
    capsys.readouterr()
    code = main([str(arg) for arg in args])
    said = capsys.readouterr()
    return Run(code, said.out, said.err)
