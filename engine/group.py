"""A group of contingent orders: OCO, OTO, OUO, bracket, nested in any way.

Theory of operation
-------------------
A group is a tree. Its leaves are *legs*: what one wants at the venue. Its inner nodes say how legs
depend on one another (FIX ContingencyType, tag 1385):

* ``OCO``, one cancels the other. Between entries the first fill stands the others down; between
  exits a partial fill only shrinks them, because each protects what is left.
* ``OTO``, one triggers the other. The first member is the parent; the others wait, held back by the
  engine, and leave for as much as the parent has *filled*.
* ``OUO``, one updates the other: a fill of one reduces the others by as much (``ABSOLUTE``), or by
  the same fraction (``PROPORTIONAL``).

A bracket is an OTO of an entry and an OUO of its stop and targets.

How it is driven: by level, never by edge. :func:`engine.group_wants.wants` looks at what has filled
and says what every leg should come to; :func:`engine.group_steps.plan` compares that with the
orders as they stand and gives the commands that are missing. Both are pure, hold no timer and
remember almost nothing, so a restart, a lost answer or facts out of order lead to the same place:
the next look repeats what is still missing, and nothing that is not.

One leg is one order at a time where the venue amends, and several *slices* where it does not: a
stop that has to grow gets a second order beside the first, never a moment without any.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TypeAlias

import msgspec

from .errors import InvalidOrder, InvalidValue
from .given import check_whole
from .messages import (
    Contingency,
    GroupMoved,
    GroupState,
    GroupTerms,
    Leg,
    LegMoved,
    LegRole,
    SubmitGroup,
    Swap,
)
from .order import Order, is_settled, is_waiting, leaves_qty
from .order_links import is_held
from .order_tables import TERMINAL, Life, Link
from .protection import is_confirmed
from .trailing import check_moves
from .trigger_tables import Trigger
from .values import ZERO

__all__ = [
    "Contingency",
    "Group",
    "GroupTerms",
    "Leg",
    "LegRole",
    "Slice",
    "bare_exits",
    "begin_group",
    "check_group",
    "check_swap",
    "is_exit",
    "legs_of",
    "moved_fact",
    "moved_group",
    "roots_of",
    "slice_of",
]

Node: TypeAlias = Leg | GroupTerms


class Group(msgspec.Struct, frozen=True, gc=False):
    """A group as it stands. What its legs have done is in their orders, not here.

    ``slices``: the orders of each leg by its name, in the order they were made. ``winners``: for
    each OCO of entries, by the path of its node, the member that filled first. ``removed``: orders
    that the group itself wanted gone. ``called_off``: entries and targets are to go; ``closing``:
    and what is held is to be closed. ``late``: holdings (by their emergency leg) that were without
    a confirmed stop for too long. ``dropped``: legs that a person cancelled. ``aside``: a kill
    switch closes what it holds, so all of its orders go and it does nothing more. ``moved``: legs
    that are not where they were submitted. ``live``: targets that are at the venue in the place of
    a stop, where both cannot be. ``native``: holdings (by their emergency leg) whose exits the
    venue keeps by itself.
    """

    terms: SubmitGroup
    state: GroupState
    slices: tuple[tuple[str, tuple[str, ...]], ...]
    ts: int
    winners: tuple[tuple[str, int], ...] = ()
    removed: tuple[str, ...] = ()
    called_off: bool = False
    closing: bool = False
    late: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    aside: bool = False
    moved: tuple[LegMoved, ...] = ()
    live: tuple[str, ...] = ()
    native: tuple[str, ...] = ()

    @property
    def group_id(self) -> str:
        """The group's name."""
        return self.terms.group_id


class Slice(msgspec.Struct, frozen=True, gc=False):
    """One order of a leg, as far as its group looks at it.

    ``net_qty`` is what its fills left in hand after fees taken in the traded asset. ``claim_qty``
    is the venue's total where that is above ours: it counts as filled at once.
    """

    client_order_id: str
    cum_qty: Decimal
    net_qty: Decimal
    claim_qty: Decimal
    leaves_qty: Decimal  # by the terms in force; a held order's own quantity
    asked_qty: Decimal | None  # total of the newest amend that is not answered
    link: Link
    is_held: bool
    is_over: bool  # ended
    is_settled: bool  # and nothing about it is open
    is_confirmed: bool  # works at the venue, as far as is known, and nobody asked for its end
    is_doubtful: bool
    is_asked_about: bool  # the venue is being asked how it stands: terms may be old
    is_cancelling: bool
    is_amending: bool  # an amend of it is not answered
    is_triggered: bool  # a stop of which was elected: its stop price is history
    price: Decimal | None
    stop_px: Decimal | None
    is_refused: bool = False  # the venue, or we, never had it work
    is_local: bool = False  # nothing of it has left: the engine watches its trigger
    is_elected: bool = False  # ... and it was reached; what has left by now may have ended


def slice_of(order: Order, base_fee: Decimal, *, is_live: bool = False) -> Slice:
    """What a group sees of an order; ``base_fee`` is what fees took of the traded asset.
    ``is_live``: the engine watches its trigger with live prices, which is as good as confirmed.
    """
    cancelling = any(out.is_cancel for out in order.requests)
    doubtful = order.life is Life.IN_DOUBT or any(out.unknown for out in order.requests)
    asked = [out for out in order.requests if not out.is_cancel]
    amends = [out for out in asked if out.order_qty is not None]
    left = leaves_qty(order)
    return Slice(
        order.terms.client_order_id,
        order.cum_qty,
        order.cum_qty - base_fee,
        max(order.claim_qty, order.cum_qty),
        ZERO if left is None else left,
        amends[-1].order_qty if amends else None,
        order.link,
        is_held(order),
        order.life in TERMINAL,
        is_settled(order),
        is_confirmed(order) or (is_live and not cancelling and not doubtful),
        doubtful,
        order.unverified,
        cancelling,
        bool(asked),
        order.life is Life.TRIGGERED,
        order.price,
        order.stop_px,
        order.life in _REFUSED,
        is_waiting(order),
        order.trigger in (Trigger.ELECTED, Trigger.RELEASED),
    )


_REFUSED = frozenset({Life.REJECTED, Life.DENIED})


def begin_group(terms: SubmitGroup) -> Group:
    """The group the moment it is journalled: its legs have one order each, and none has left.

    Raises:
        InvalidOrder: it makes no sense; see :func:`check_group`.
    """
    check_group(terms.root)
    slices = tuple((leg.name, (leg.order.client_order_id,)) for leg in legs_of(terms.root))
    return Group(terms, GroupState.PENDING, slices, terms.ts)


def moved_group(group: Group, m: GroupMoved) -> Group:
    """The group as the fact says it stands."""
    return Group(
        group.terms,
        m.state,
        m.slices,
        m.ts,
        m.winners,
        m.removed,
        m.called_off,
        m.closing,
        m.late,
        m.dropped,
        m.aside,
        m.moved,
        m.live,
        m.native,
    )


def moved_fact(group: Group, ts: int) -> GroupMoved:
    """The fact that makes :func:`moved_group` give this group."""
    return GroupMoved(
        group.group_id, ts, group.state, group.slices, group.winners, group.removed,
        group.called_off, group.closing, group.late, group.dropped, group.aside, group.moved,
        group.live, group.native,
    )  # fmt: skip


def legs_of(node: Node) -> Iterator[Leg]:
    """All legs, in the order they were written."""
    if isinstance(node, Leg):
        yield node
        return
    for member in node.members:
        yield from legs_of(member)


def roots_of(node: Node) -> Iterator[Leg]:
    """The entries that wait for no other leg."""
    if isinstance(node, Leg):
        if node.role is LegRole.ENTRY:
            yield node
        return
    members = node.members[:1] if node.contingency is Contingency.OTO else node.members
    for member in members:
        yield from roots_of(member)


def bare_exits(node: Node) -> Iterator[Leg]:
    """The exits that close what no entry of the group opens."""
    if isinstance(node, Leg):
        if node.role is not LegRole.ENTRY:
            yield node
        return
    for member in node.members if node.contingency is not Contingency.OTO else ():
        yield from bare_exits(member)


def is_exit(node: Node) -> bool:
    """Whether everything in it closes what is held: between such legs a fill shrinks the others."""
    return all(leg.role is not LegRole.ENTRY for leg in legs_of(node))


def check_group(root: Node) -> None:
    """Refuse a group that cannot be meant.

    Raises:
        InvalidOrder: saying what is wrong with which leg, and what to do. Nothing has changed.
    """
    if isinstance(root, Leg):
        raise InvalidOrder(
            f"a group needs at least two legs, {root.name!r} is alone: submit it as an order",
            "GROUP",
        )
    names = [leg.name for leg in legs_of(root)]
    for name in names:
        if names.count(name) > 1:
            raise InvalidOrder(f"two legs are called {name!r}: give each its own name", "GROUP")
    for leg in legs_of(root):
        check_moves(leg)
    _check_node(root)


def check_swap(swap: Swap) -> None:
    """Refuse a rule by which a stop and a target would change places without an end.

    Raises:
        InvalidValue: saying what is wrong. Nothing has changed.
    """
    if not (swap.near.is_finite() and swap.back.is_finite() and ZERO <= swap.near < swap.back):
        raise InvalidValue(
            f"swap: near must be 0 or more and below back, were {swap.near} and {swap.back}"
        )
    check_whole("swap: fresh_ns", swap.fresh_ns, at_least=1)


def _check_node(node: GroupTerms) -> None:
    what = node.contingency.value
    if len(node.members) < 2:
        raise InvalidOrder(f"an {what} needs two members or more, got {len(node.members)}", "GROUP")
    if node.contingency is Contingency.OTO:
        parent = node.members[0]
        if not isinstance(parent, Leg):
            raise InvalidOrder("the first member of an OTO is its parent: one leg", "GROUP")
        if parent.order.order_qty is None and any(_shares(leg) for leg in legs_of(node)):
            raise InvalidOrder(
                f"the parent {parent.name!r} has no quantity (it is sized in cash), so parts of it"
                " cannot be known: give its targets quantities",
                "GROUP",
            )
    _check_shares(node)
    _check_exits(node)
    for member in node.members:
        if isinstance(member, GroupTerms):
            _check_node(member)


def _check_exits(node: GroupTerms) -> None:
    """Exits close one holding: what their parent opens, or what one of them would close."""
    first = node.members[0]
    if node.contingency is Contingency.OTO and isinstance(first, Leg):
        together = [first, *(it for m in node.members[1:] if is_exit(m) for it in legs_of(m))]
    else:
        together = list(legs_of(node)) if is_exit(node) else []
    for one in together[1:]:
        mine = together[0].order
        if (one.order.instrument, one.order.slot) != (mine.instrument, mine.slot):
            raise InvalidOrder(
                f"the exit {one.name!r} is for {one.order.instrument} {one.order.slot.value}, and"
                f" {together[0].name!r} for {mine.instrument} {mine.slot.value}: exits close what"
                " is held of one instrument; tie entries of several",
                "GROUP",
            )


def _shares(leg: Leg) -> bool:
    return leg.share is not None


def _check_shares(node: GroupTerms) -> None:
    for role in (LegRole.STOP, LegRole.TARGET):
        legs = [m for m in node.members if isinstance(m, Leg) and m.role is role]
        shares = [leg.share for leg in legs if leg.share is not None]
        for leg in legs:
            if leg.share is not None and not (leg.share.is_finite() and ZERO < leg.share <= 1):
                raise InvalidOrder(
                    f"the share of {leg.name!r} must be above 0 and at most 1, was {leg.share}",
                    "GROUP",
                )
        if shares and len(shares) != len(legs):
            raise InvalidOrder(
                f"some legs of role {role.value} have shares and some have none: give all or none",
                "GROUP",
            )
        if sum(shares, ZERO) > 1:
            raise InvalidOrder(
                f"the shares of role {role.value} come to {sum(shares, ZERO)}: at most 1", "GROUP"
            )
