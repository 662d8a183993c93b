"""Exits of a group whose triggers the engine watches: how they leave beside what rests at the
venue.

Before its trigger is reached such an exit is no order anywhere, so it may wait beside any other.
Once it is reached, and the venue would let two exits of one holding both close it, the others have
to be gone first: they go, and stay away until what was elected has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from .group import Slice
from .group_actions import Action, Remove, Resize, Send, VenueRules
from .group_wants import Facts, Holding, Want
from .values import ZERO

__all__ = ["give_way", "sends"]


def give_way(
    holdings: Iterable[Holding], facts: Facts, rules: VenueRules
) -> Iterator[tuple[str, Want]]:
    """What legs should come to instead, while one beside them was elected and has not ended."""
    for holding in holdings:
        if rules.bounds_exits and not holding.is_locked:
            continue
        elected = next(
            (
                leg
                for leg in holding.exits
                if any(one.is_elected and not one.is_over for one in facts.slices[leg.name])
            ),
            None,
        )
        for other in holding.exits:
            is_beside = elected is not None and other.role is not elected.role
            waits = other.order.local and not any(map(_rests, facts.slices[other.name]))
            if is_beside and not waits:
                yield other.name, Want(ZERO)


def sends(
    holding: Holding,
    slices: Mapping[str, tuple[Slice, ...]],
    rules: VenueRules,
    actions: Iterable[Action],
) -> Iterator[Send]:
    """What was elected and may leave now: nothing rests that could close the same, and it is not
    about to change.
    """
    exclude = not rules.bounds_exits or holding.is_locked
    busy = [one.client_order_id for one in actions if isinstance(one, Resize | Remove)]
    closing = slices.get(holding.emergency, ())
    for leg in holding.exits:
        beside = [it for other in holding.exits if other.role is not leg.role
                  for it in slices[other.name]]  # fmt: skip
        if exclude and any(map(_rests, (*beside, *closing))):
            continue
        for one in slices[leg.name]:
            is_due = one.is_local and one.is_elected and not one.is_over and not one.is_held
            if is_due and one.client_order_id not in busy:
                yield Send(one.client_order_id)
                if exclude:
                    return


def _rests(one: Slice) -> bool:
    """Whether an order may fill at the venue."""
    return not (one.is_over or one.is_held or one.is_local)
