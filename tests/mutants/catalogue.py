"""All faults, in the order of a trade's life: the order, its doubts and gaps, what is sent and how
fast, the money, groups, protection and switches, signals, what is written, what a restart finds,
triggers of our own, and the venue that all is tried against.
"""

from __future__ import annotations

from typing import Final

from .accounts import ACCOUNTS
from .contingent import CONTINGENT
from .doubt import DOUBT
from .gaps import GAPS
from .limits import LIMITS
from .money import MONEY
from .mutant import Mutant
from .orders import ORDERS
from .protecting import PROTECTING
from .restarting import RESTARTING
from .sending import SENDING
from .signalling import SIGNALLING
from .triggers import TRIGGERS
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
    *CONTINGENT,
    *PROTECTING,
    *SIGNALLING,
    *ACCOUNTS,
    *WRITING,
    *RESTARTING,
    *TRIGGERS,
    *VENUE,
)
