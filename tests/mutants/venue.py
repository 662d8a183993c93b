"""The simulated venue, which everything above is tried against."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["VENUE"]

VENUE: Final[tuple[Mutant, ...]] = ()
