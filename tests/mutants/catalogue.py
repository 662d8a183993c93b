"""All faults, in the order of a trade's life: the order, its doubts, what is sent, the money, what
is written, what a restart finds, and the venue that all of it is tried against.
"""

from __future__ import annotations

from typing import Final

from .doubt import DOUBT
from .money import MONEY
from .mutant import Mutant
from .orders import ORDERS
from .restarting import RESTARTING
from .sending import SENDING
from .venue import VENUE
from .writing import WRITING

__all__ = ["MUTANTS"]

MUTANTS: Final[tuple[Mutant, ...]] = (
    *ORDERS,
    *DOUBT,
    *SENDING,
    *MONEY,
    *WRITING,
    *RESTARTING,
    *VENUE,
)
