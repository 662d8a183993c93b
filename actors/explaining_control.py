"""How every account stands at the end of a journal: what is held, open, watched and shut.

From a journal alone, so it says what the next start will find in force, not what a venue does.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from engine.control import Control
from engine.fold import Books
from engine.group_tables import GROUP
from engine.order import is_settled
from engine.order_links import is_held
from engine.order_tables import TERMINAL
from engine.values import PositionSlot
from engine.watched import Watched

from .journal import Journal
from .recovery import fold_journal

__all__ = ["AccountStatus", "in_force", "status_of"]


class AccountStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One account at the end of a journal.

    ``positions``: (instrument, slot, signed quantity), those that are not 0. ``open_orders`` may
    fill; ``held_orders`` wait for their group; ``unsettled`` have ended with a question open.
    ``groups``: (id, state), those that are not over. ``watched``: drifted slots, whose entries are
    denied, and monitors.
    """

    venue: str
    account: str
    control: Control
    positions: tuple[tuple[str, PositionSlot, Decimal], ...]
    open_orders: int
    held_orders: int
    unsettled: int
    groups: tuple[tuple[str, str], ...]
    watched: Watched


def in_force(control: Control) -> tuple[str, ...]:
    """What is shut, a line for each mode and switch; () when nothing is."""
    lines = [f"mode {mode.value} of {of or 'everything'}" for of, mode in control.modes]
    for one in control.switches:
        share = "" if one.slice_share == 1 else f", in slices of {one.slice_share:f}"
        lines.append(f"kill switch of {one.instrument or 'everything'}{share}")
    return tuple(lines)


def status_of(journal: Journal) -> tuple[AccountStatus, ...]:
    """Every account of a journal as its facts leave it, in order of names.

    Raises:
        JournalCorrupt: the journal cannot be read.
    """
    books = fold_journal(journal)
    return tuple(_status(books, *key) for key in sorted(_accounts(books)))


def _accounts(books: Books) -> dict[tuple[str, str], None]:
    found: dict[tuple[str, str], None] = dict.fromkeys(books.controls)
    found.update(dict.fromkeys(key[:2] for key in books.positions))
    found.update(dict.fromkeys(books.watched))
    found.update(
        dict.fromkeys((one.terms.venue, one.terms.account) for one in books.orders.values())
    )
    return found


def _status(books: Books, venue: str, account: str) -> AccountStatus:
    orders = [
        one
        for one in books.orders.values()
        if (one.terms.venue, one.terms.account) == (venue, account)
    ]
    ended = [one.life in TERMINAL for one in orders]
    return AccountStatus(
        venue=venue,
        account=account,
        control=books.controls.get((venue, account)) or Control(venue, account),
        positions=tuple(_held(books, venue, account)),
        open_orders=sum(
            not over and not is_held(one) for one, over in zip(orders, ended, strict=True)
        ),
        held_orders=sum(map(is_held, orders)),
        unsettled=sum(
            over and not is_settled(one) for one, over in zip(orders, ended, strict=True)
        ),
        groups=tuple(
            (one.group_id, one.state.value)
            for one in books.groups.values()
            if (one.terms.venue, one.terms.account) == (venue, account)
            and one.state not in GROUP.terminal
        ),
        watched=books.watched.get((venue, account)) or Watched(venue, account),
    )


def _held(books: Books, venue: str, account: str) -> Iterator[tuple[str, PositionSlot, Decimal]]:
    for (at, owner, symbol, slot), position in books.positions.items():
        if (at, owner) == (venue, account) and position.qty:
            yield symbol, slot, position.qty
