"""Positions: quantity, cost, fees and corrections."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["MONEY"]

MONEY: Final = (
    Mutant(
        "position-sign",
        "A sell adds to the position: the loss of every close grows with it.",
        "engine/position.py",
        "        delta = qty if side is _BUY else qty.copy_negate()",
        "        delta = qty",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "fee-coin-kept",
        "A fee taken in the coin stays in the books: the exit sells more than we"
        " have, and is refused.",
        "engine/position.py",
        "                delta = _subtract(delta, fee)",
        "                pass",
        ("simulate rough 0:60",),
    ),
    Mutant(
        "bust-bought-again",
        "A busted trade is booked a second time instead of being taken back.",
        "engine/fold.py",
        "        return void(\n",
        "        return book(\n",
        ("simulate hell 0:60",),
    ),
)
