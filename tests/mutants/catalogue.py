"""All faults, in the order of a trade's life: the order, its doubts and gaps, what is sent and how
fast, the money, what is written, what a restart finds, and the venue that all is tried against.
"""

from __future__ import annotations

from typing import Final

from .doubt import DOUBT
from .gaps import GAPS
from .limits import LIMITS
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
    *GAPS,
    *SENDING,
    *LIMITS,
    *MONEY,
    *WRITING,
    *RESTARTING,
    *VENUE,
)
