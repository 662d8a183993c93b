"""What journal tests share: facts, rows, and batches of them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from actors.journal import Batch, ClosedRow, FillRow, Journal
from engine.journal import encode
from engine.messages import Filled

TS = 1_763_705_000_000_000_000


def cid(number: int) -> str:
    return f"OWR1234{number:09d}01"


def fact(number: int) -> Filled:
    return Filled(cid(number), TS + number, f"T-{number}", Decimal("1.50"), Decimal("100.25"))


def fill_row(number: int, owner: int | None = None) -> FillRow:
    return (
        "KUCOIN",
        "main",
        "BTC-USDT",
        "BUY",
        f"T-{number}",
        cid(number if owner is None else owner),
    )


def closed_row(number: int, intent: str = "", body: bytes = b"{}") -> ClosedRow:
    return (
        cid(number), intent or f"intent-{number}", "KUCOIN", "main", "BTC-USDT", "FILLED", "1.50",
        TS + number, body,
    )  # fmt: skip


def batch(first: int, count: int, *, fills: bool = False) -> Batch:
    """``count`` facts from number ``first``, each of its own order, with its fill where asked."""
    made = Batch()
    for number in range(first, first + count):
        made.facts.append((TS + number, cid(number), "Filled", encode(fact(number))))
        if fills:
            made.fills.append(fill_row(number))
    return made


def fill_journal(journal: Journal, count: int, size: int = 10, *, fills: bool = False) -> None:
    """Facts 1 to ``count`` in batches of ``size``."""
    for first in range(1, count + 1, size):
        journal.append(batch(first, min(size, count + 1 - first), fills=fills))


def files(path: Path) -> dict[str, bytes]:
    """The bytes of a journal and of its log, to prove that nothing was written over."""
    return {
        file.name: file.read_bytes()
        for file in (path, path.with_name(path.name + "-wal"))
        if file.exists() and file.stat().st_size
    }
