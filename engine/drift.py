"""When a venue's own count of a slot is not ours: found with care, and what can be done about it.

A position is executions summed up, so a difference means that one of the two sides has something
the other has not: an execution we were never told, a liquidation, a transfer, a position from
before our time. What looks like one may be a list that is old, or a fill under way. So a difference
counts only where it stood still:

* a **look** is one list of positions held against our slots. It counts for a slot where nothing was
  in flight there, and nothing was booked there from the look before it until the patience after it
  had passed. The looks lie at least that patience apart, which is never less than the venue's
  visibility lag, so our own last booking had to show;
* after the first such look executions are read again over a long window, because a fill that was
  never told is the commonest cause;
* two such looks with the same difference raise the flag (:class:`Drift`), and two without any lower
  it again.

What is not shown proves nothing unless the venue says that it shows every slot that is not flat
(``positions_complete``). Slots of CASH instruments are compared only where the venue counts them
like executions do, by instrument and less the fees taken in kind (``cash_positions``): a balance is
moved by deposits too, and shared by all instruments of its coin. Less than a lot apart is rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from .capabilities import Capabilities
from .messages import DriftRemedy
from .values import ZERO, Instrument, InstrumentKind, PositionSlot
from .watched import Drift

__all__ = [
    "LOOKS_NEEDED",
    "Case",
    "DriftProposal",
    "DriftView",
    "Shown",
    "SlotKey",
    "compared",
    "is_comparable",
    "judged",
    "proposals",
]

SlotKey: TypeAlias = tuple[str, PositionSlot]

#: Looks that count, with the same difference, before it is believed.
LOOKS_NEEDED: Final = 2


class Shown(msgspec.Struct, frozen=True, gc=False):
    """One slot as the venue shows it; ``qty`` is signed."""

    qty: Decimal
    avg_px: Decimal | None = None


class Case(msgspec.Struct, frozen=True, gc=False):
    """One slot that is being looked into: the same difference, in so many looks that counted."""

    difference: Decimal
    looks: int = 0

    @property
    def is_proven(self) -> bool:
        """Whether it is believed."""
        return self.looks >= LOOKS_NEEDED


class DriftProposal(msgspec.Struct, frozen=True):
    """One way to settle a drift, for :meth:`ExecutionSystem.settle_drift`, in a sentence."""

    how: DriftRemedy
    text: str


class DriftView(msgspec.Struct, frozen=True, kw_only=True):
    """A slot that is DRIFTED, and what can be done. Quantities are signed.

    ``difference`` is the venue's less ours; ``since_ts`` when it was believed first (UTC ns).
    """

    venue: str
    account: str
    instrument: str
    slot: PositionSlot
    qty: Decimal
    venue_qty: Decimal
    difference: Decimal
    venue_avg_px: Decimal | None
    since_ts: int
    proposals: tuple[DriftProposal, ...]


def is_comparable(instrument: Instrument, able: Capabilities) -> bool:
    """Whether the venue counts this instrument as executions do."""
    return instrument.kind is not InstrumentKind.CASH or able.cash_positions


def compared(
    ours: Mapping[SlotKey, Decimal],
    shown: Mapping[SlotKey, Shown],
    instruments: Mapping[str, Instrument],
    able: Capabilities,
) -> dict[SlotKey, Decimal]:
    """The venue's quantity less ours, of every slot about which the list says something.

    Slots of instruments that nobody has defined here are left out: nothing can be traded there.
    """
    found: dict[SlotKey, Decimal] = {}
    for key in dict.fromkeys((*ours, *shown)):
        instrument = instruments.get(key[0])
        if instrument is None or not is_comparable(instrument, able):
            continue
        if key not in shown and not able.positions_complete and ours.get(key):
            continue
        theirs = shown[key].qty if key in shown else ZERO
        difference = theirs - ours.get(key, ZERO)
        found[key] = difference if abs(difference) >= instrument.lot_size else ZERO
    return found


def judged(before: Case | None, difference: Decimal, *, counts: bool) -> Case:
    """A case after one more look; ``counts``: nothing was in flight there, and nothing moved."""
    if before is None or before.difference != difference:
        return Case(difference, 1 if counts else 0)
    return Case(difference, before.looks + 1 if counts else before.looks)


def proposals(drift: Drift, *, is_new: bool) -> tuple[DriftProposal, ...]:
    """What can be done about a drift, the best first; ``is_new``: nothing was ever booked there."""
    size = f"{drift.difference:+f} {drift.instrument}"
    fetch = DriftProposal(
        DriftRemedy.FETCH,
        f"read executions again over a longer window: one of {size} that was never told would"
        " explain it, with its price and fee",
    )
    if is_new:
        adopt = f"state the {drift.venue_qty:f} that the venue has as what was held before our time"
    else:
        adopt = (
            f"correct the slot by {size}, as by no execution (a transfer, a liquidation); one that"
            " turns up later would be booked on top"
        )
    wait = DriftProposal(
        DriftRemedy.WAIT, "look again: it ends by itself when two looks agree with our books"
    )
    if drift.adopted:
        return (wait,)
    return fetch, DriftProposal(DriftRemedy.ADOPT, adopt), wait
