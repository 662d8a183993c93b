"""Steps of a scenario by which hosts, strategies and people ask for more than single orders.

Import them from :mod:`engine.testing.scenario`.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ..messages import GroupTerms, SetMonitor, TradingMode
from ..signals import EntrySignal, ExitSignal
from ..values import ONE, Side

__all__ = [
    "AmendsElsewhere",
    "CancelsElsewhere",
    "CancelsGroup",
    "Flattens",
    "Lifts",
    "Monitors",
    "MovesLeg",
    "PlacesElsewhere",
    "Reconnects",
    "SetsMode",
    "SignalsEntry",
    "SignalsExit",
    "StepBase",
    "SubmitsGroup",
    "Unmonitors",
]


class StepBase(
    msgspec.Struct,
    frozen=True,
    tag=lambda name: name.lower(),
    omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,
):
    """One thing that happens."""


class SubmitsGroup(StepBase, frozen=True):
    """The host submits a group; the same intent id again is the same group again.

    Orders of its legs are called ``INTENT/LEG``. ``protect_within_ns``: as of the system.
    """

    intent: str
    root: GroupTerms
    protect_within_ns: int = 5_000_000_000


class CancelsGroup(StepBase, frozen=True):
    """The host calls a group off, and with ``close`` has what it holds closed at market."""

    intent: str
    close: bool = False


class MovesLeg(StepBase, frozen=True):
    """The host moves a leg of a group: all of its orders, those to come included."""

    intent: str
    leg: str
    stop_px: Decimal | None = None
    price: Decimal | None = None


class Monitors(StepBase, frozen=True):
    """Somebody sets a rule about what is held. ``group_id`` of its terms is the group's intent;
    their venue, account and time are filled in.
    """

    terms: SetMonitor


class Unmonitors(StepBase, frozen=True):
    """Somebody takes a monitor away, or one that does not exist."""

    monitor_id: str


class SignalsEntry(StepBase, frozen=True):
    """A strategy signals an entry; the same signal id again is the same signal again."""

    signal: EntrySignal


class SignalsExit(StepBase, frozen=True):
    """A strategy signals an exit."""

    signal: ExitSignal


class Flattens(StepBase, frozen=True):
    """Somebody pulls the kill switch of an instrument, or ("") of everything."""

    instrument: str = ""
    deadline_ns: int = 30_000_000_000
    slice_share: Decimal = ONE


class Lifts(StepBase, frozen=True):
    """A person lifts the kill switch of an instrument, or ("") every one."""

    instrument: str = ""


class SetsMode(StepBase, frozen=True):
    """A person says what may leave of an instrument, or ("") of everything."""

    mode: TradingMode
    instrument: str = ""


class Reconnects(StepBase, frozen=True):
    """A person has mended why the venue shut us out, and has the system connect again."""


class PlacesElsewhere(StepBase, frozen=True):
    """A person places an order of their own on the venue's page, beside ours: at ``price``, or
    (None) at market. A ``name`` is taken once; what the venue refuses does not happen.
    """

    name: str
    instrument: str
    side: Side
    qty: Decimal
    price: Decimal | None = None
    reduce_only: bool = False


class CancelsElsewhere(StepBase, frozen=True):
    """A person cancels such an order, if it is still open."""

    name: str


class AmendsElsewhere(StepBase, frozen=True):
    """A person changes such an order, if the venue lets them; the quantity is a total."""

    name: str
    order_qty: Decimal | None = None
    price: Decimal | None = None
