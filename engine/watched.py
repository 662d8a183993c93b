"""What is watched at one account beside its orders: drifted slots, position monitors, and how far
its executions are read.

All are facts, so a restart forgets none: entries of a drifted slot stay stopped, a monitor that has
fired has fired, and what was read is not read again. :class:`Watched` is their fold.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from .errors import JournalCorrupt
from .messages import (
    DriftRemedy,
    EndMonitor,
    ExecutionsRead,
    MonitorMoved,
    SetDrift,
    SetMonitor,
    SettleDrift,
)
from .values import ZERO, PositionSlot

__all__ = [
    "WATCHED_FACTS",
    "Drift",
    "Monitor",
    "Watched",
    "WatchedFact",
    "entity_of",
    "monitor_urn",
    "moved_monitor",
    "slot_urn",
    "take_watched",
    "watched",
]

WatchedFact: TypeAlias = (
    SetDrift | SettleDrift | SetMonitor | MonitorMoved | EndMonitor | ExecutionsRead
)
WATCHED_FACTS: Final = (
    SetDrift, SettleDrift, SetMonitor, MonitorMoved, EndMonitor, ExecutionsRead,
)  # fmt: skip


class Drift(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A slot whose count the venue does not share. ``difference`` is the venue's less ours.

    ``adopted``: a person has taken it over, and the venue's list was not compared since.
    """

    instrument: str
    slot: PositionSlot
    since_ts: int
    qty: Decimal
    venue_qty: Decimal
    difference: Decimal
    venue_avg_px: Decimal | None = None
    adopted: bool = False


class Monitor(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A rule, and how far it has come with what is held now.

    ``side``: 1 long, -1 short, 0 nothing (of several slots: 1 where anything is held).
    ``opened_ts``: since when (UTC ns). ``base``: what the slots had earned before, net of fees;
    P&L counts from there. ``due_ts``: the next time rule, 0 for none. ``peak``: the highest P&L,
    in steps. ``fired``: the rule that fired, "" for none; ``count``: how often one did.
    """

    terms: SetMonitor
    side: int = 0
    opened_ts: int = 0
    base: Decimal = ZERO
    due_ts: int = 0
    peak: Decimal = ZERO
    fired: str = ""
    fired_ts: int = 0
    count: int = 0


class Watched(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Drifts and monitors of one account, in order of slot and id.

    ``executions_ts``: of the latest execution up to which all are booked (UTC ns); 0: none is.
    """

    venue: str
    account: str
    drifts: tuple[Drift, ...] = ()
    monitors: tuple[Monitor, ...] = ()
    executions_ts: int = 0

    @property
    def name(self) -> str:
        """What it is stored as."""
        return f"watched:{self.venue}:{self.account}"

    @property
    def is_anything(self) -> bool:
        """Whether there is something to keep."""
        return self.is_state or bool(self.executions_ts)

    @property
    def is_state(self) -> bool:
        """Whether something is watched; how far a list was read decides nothing."""
        return bool(self.drifts or self.monitors)


def moved_monitor(monitor: Monitor, fact: MonitorMoved) -> Monitor:
    """The monitor as the fact says."""
    return Monitor(
        monitor.terms, fact.side, fact.opened_ts, fact.base, fact.due_ts, fact.peak, fact.fired,
        fact.fired_ts, fact.count,
    )  # fmt: skip


def watched(before: Watched, fact: WatchedFact) -> Watched:
    """The account after the fact.

    Raises:
        JournalCorrupt: a monitor is set twice, or moves and was never set.
    """
    if isinstance(fact, SetDrift):
        return _drifted(before, fact)
    if isinstance(fact, SettleDrift):
        return _settled(before, fact)
    if isinstance(fact, ExecutionsRead):
        return replace(before, executions_ts=max(before.executions_ts, fact.until_ts))
    known = {one.terms.monitor_id: one for one in before.monitors}
    if isinstance(fact, SetMonitor):
        if fact.monitor_id in known:
            raise JournalCorrupt(f"monitor {fact.monitor_id!r} is set twice")
        known[fact.monitor_id] = Monitor(fact)
    elif fact.monitor_id not in known:
        raise JournalCorrupt(f"monitor {fact.monitor_id!r} is told of and was never set")
    elif isinstance(fact, EndMonitor):
        del known[fact.monitor_id]
    else:
        known[fact.monitor_id] = moved_monitor(known[fact.monitor_id], fact)
    return replace(before, monitors=tuple(known[name] for name in sorted(known)))


def _drifted(before: Watched, fact: SetDrift) -> Watched:
    key = fact.instrument, fact.slot
    rest = [one for one in before.drifts if (one.instrument, one.slot) != key]
    if fact.difference:
        old = next((one for one in before.drifts if (one.instrument, one.slot) == key), None)
        since = fact.ts if old is None else old.since_ts
        rest.append(
            Drift(*key, since, fact.qty, fact.venue_qty, fact.difference, fact.venue_avg_px)
        )
    rest.sort(key=lambda one: (one.instrument, one.slot.value))
    return replace(before, drifts=tuple(rest))


def _settled(before: Watched, fact: SettleDrift) -> Watched:
    """What is adopted is so once: until the next word of the venue's count it is not adopted again.
    The other remedies change nothing here.
    """
    key = fact.instrument, fact.slot
    if fact.how is not DriftRemedy.ADOPT:
        return before
    drifts = (
        replace(one, adopted=True) if (one.instrument, one.slot) == key else one
        for one in before.drifts
    )
    return replace(before, drifts=tuple(drifts))


def take_watched(every: dict[tuple[str, str], Watched], fact: WatchedFact) -> None:
    """Fold one fact in; an account where nothing is watched any more is not kept."""
    key = fact.venue, fact.account
    after = watched(every.get(key) or Watched(*key), fact)
    every.pop(key, None)
    if after.is_anything:
        every[key] = after


def slot_urn(venue: str, account: str, instrument: str, slot: PositionSlot) -> str:
    """A slot, as a name."""
    return f"position:{venue}:{account}:{instrument}:{slot.value}"


def monitor_urn(monitor_id: str) -> str:
    """A monitor, as a name."""
    return f"monitor:{monitor_id}"


def entity_of(fact: WatchedFact) -> str:
    """What a fact is about: a slot, the account, or a monitor."""
    if isinstance(fact, SetDrift | SettleDrift):
        return slot_urn(fact.venue, fact.account, fact.instrument, fact.slot)
    if isinstance(fact, ExecutionsRead):
        return Watched(fact.venue, fact.account).name
    return monitor_urn(fact.monitor_id)
