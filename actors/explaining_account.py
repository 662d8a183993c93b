"""The story of an account: its sessions, what was shut, what was watched, stated and settled.

From a journal alone, so it says what the next start will find in force, not what a venue does. What
became of orders and groups is their own story.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from engine.control import CONTROL_FACTS, Control, controlled
from engine.journal import decode_record
from engine.messages import (
    CorrectPosition,
    EndMonitor,
    Fact,
    LinkBarred,
    LinkDown,
    LinkUp,
    MonitorMoved,
    SetBaseline,
    SetDrift,
    SetMode,
    SetMonitor,
    SettleDrift,
)

from .explaining_control import in_force
from .journal import Journal

__all__ = ["AccountMoment", "AccountStory", "explain_account"]

#: How the entities of such facts begin; all others need not be decoded.
_PREFIXES: Final = ("session:", "control:", "position:", "monitor:")


class AccountMoment(msgspec.Struct, frozen=True):
    """One fact; ``after`` are the lines of what was shut behind it, None where it shut nothing."""

    seq: int
    ts: int
    fact: str
    instrument: str  # "": all of the account
    what: str
    statement: str
    after: tuple[str, ...] | None = None


class AccountStory(msgspec.Struct, frozen=True):
    """The chain of one account."""

    venue: str
    account: str
    moments: tuple[AccountMoment, ...]
    control: Control


def explain_account(journal: Journal, wanted: str) -> AccountStory | None:
    """Everything that happened at the account ``VENUE/ACCOUNT``, in order; None: there is none.

    Raises:
        JournalCorrupt, JournalSchemaError: a record cannot be read.
    """
    venue, slash, account = wanted.partition("/")
    if not slash:
        return None
    session = f"session:{venue}:{account}"
    control = Control(venue, account)
    fired: dict[str, int] = {}
    moments: list[AccountMoment] = []
    for record in journal.records():
        if not record.entity.startswith(_PREFIXES):
            continue
        fact = decode_record(record)
        at = getattr(fact, "venue", ""), getattr(fact, "account", "")
        if record.entity != session and at != (venue, account):
            continue
        after = None
        if isinstance(fact, CONTROL_FACTS):
            control = controlled(control, fact)
            after = in_force(control)
        told = _told(fact, fired)
        if told is not None:
            moments.append(AccountMoment(record.seq, fact.ts, type(fact).__name__, *told, after))
    return AccountStory(venue, account, tuple(moments), control) if moments else None


def _told(fact: Fact, fired: dict[str, int]) -> tuple[str, str, str] | None:
    """Instrument, what, and who or what says so; None for what decides nothing."""
    if isinstance(fact, LinkUp | LinkDown):
        return "", _wait(fact), fact.detail
    if isinstance(fact, SetDrift):
        return fact.instrument, _count(fact), ""
    if isinstance(fact, SettleDrift):
        return fact.instrument, fact.how.value, fact.statement
    if isinstance(fact, SetBaseline):
        return fact.instrument, _priced(fact.qty, fact.avg_px), ""
    if isinstance(fact, CorrectPosition):
        what = f"{fact.kind.value} {_priced(fact.qty, fact.px)}"
        return fact.instrument, what, fact.statement
    if isinstance(fact, SetMonitor):
        return fact.instrument, fact.monitor_id, ""
    if isinstance(fact, MonitorMoved):
        is_new = fact.count > fired.get(fact.monitor_id, 0)
        fired[fact.monitor_id] = fact.count
        return ("", f"{fact.monitor_id} has fired: {fact.fired}", "") if is_new else None
    if isinstance(fact, EndMonitor):
        return "", fact.monitor_id, fact.reason
    if isinstance(fact, CONTROL_FACTS):
        share = getattr(fact, "slice_share", 1)
        what = f"in slices of {share:f}" if share != 1 else ""
        return (
            fact.instrument,
            fact.mode.value if isinstance(fact, SetMode) else what,
            fact.statement,
        )
    return None


def _wait(fact: LinkUp | LinkDown) -> str:
    if not isinstance(fact, LinkBarred):
        return ""
    return "until a person says" if fact.retry_ns is None else f"for {fact.retry_ns / 1e9:g} s"


def _count(fact: SetDrift) -> str:
    if not fact.difference:
        return f"the venue and our books agree on {fact.qty:f} again"
    return f"the venue has {fact.venue_qty:f}, our books {fact.qty:f}"


def _priced(qty: Decimal, px: Decimal | None) -> str:
    return f"{qty:f}" if px is None else f"{qty:f} at {px:f}"
