"""Builders for groups of contingent orders, made of the orders of :mod:`engine.intents`.

``bracket(limit("BTC/USDT", "BUY", 1, 100), stop_px=90, targets=[(120, "0.5"), (140, "0.5")])`` is
an entry, a stop for whatever it fills, and two targets of a half each. ``oco``, ``oto`` and
``ouo`` take orders or groups, so that they nest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from .errors import InvalidOrder, InvalidValue
from .given import check_flag, check_kind, check_text_of
from .intents import Number
from .messages import BreakEven, Contingency, GroupTerms, Leg, LegRole, SubmitOrder, Trail
from .trailing import check_moves, check_moving
from .values import OrderType, Side, TriggerSource, decimal_from

__all__ = ["bracket", "even_after", "leg", "oco", "oto", "ouo", "trail_by"]


def leg(
    name: str, order: SubmitOrder, role: LegRole = LegRole.ENTRY, share: Number | None = None
) -> Leg:
    """A leg under a name of one's own."""
    check_text_of("the name of a leg", name, empty=False)
    check_kind(f"the role of {name!r}", role, LegRole)
    part = None if share is None else decimal_from(share, f"share of {name!r}")
    return Leg(name, role, order, part)


def oco(*members: SubmitOrder | Leg | GroupTerms) -> GroupTerms:
    """One cancels the other: between entries the first fill wins, between exits (STOP and TARGET
    legs) a fill shrinks the others.
    """
    return GroupTerms(Contingency.OCO, _named(members, "order"))


def ouo(*members: SubmitOrder | Leg | GroupTerms, proportional: bool = False) -> GroupTerms:
    """One updates the other: a fill of one takes as much (or the same fraction) from the others."""
    check_flag("proportional", proportional)
    kind = Contingency.OUO_PROPORTIONAL if proportional else Contingency.OUO
    return GroupTerms(kind, _named(members, "order"))


def oto(parent: SubmitOrder | Leg, *children: SubmitOrder | Leg | GroupTerms) -> GroupTerms:
    """One triggers the others: the children wait until the parent fills, and leave for as much."""
    first = parent if isinstance(parent, Leg) else Leg("entry", LegRole.ENTRY, parent)
    return GroupTerms(Contingency.OTO, (first, *_named(children, "child")))


def bracket(
    entry: SubmitOrder,
    *,
    stop_px: Number,
    target: Number | None = None,
    targets: Iterable[tuple[Number, Number]] = (),
    stop_limit_px: Number | None = None,
    trail: Trail | None = None,
    break_even: BreakEven | None = None,
) -> GroupTerms:
    """An entry with a stop, and one ``target`` price or several ``targets`` of (price, share).

    The exits are on the close side of the entry and for what it has filled; where the venue knows
    reduce-only they are. ``stop_limit_px`` makes the stop a stop-limit order. ``trail``
    (:func:`trail_by`) and ``break_even`` (:func:`even_after`): the engine moves the stop.

    Raises:
        InvalidOrder: a stop or a target on the wrong side of the entry's price or of each other, a
            trail or a break-even that cannot be meant.
    """
    check_kind("the entry of a bracket", entry, SubmitOrder)
    check_kind("the side of the entry", entry.side, Side)
    check_moving(trail, break_even)
    stop = _exit(entry, OrderType.STOP if stop_limit_px is None else OrderType.STOP_LIMIT)
    stop = replace(
        stop,
        stop_px=decimal_from(stop_px, "stop_px"),
        price=None if stop_limit_px is None else decimal_from(stop_limit_px, "stop_limit_px"),
    )
    exits = [Leg("stop", LegRole.STOP, stop, trail=trail, break_even=break_even)]
    check_moves(exits[0])
    several_targets = _pairs(targets)
    wanted = several_targets if target is None else [(target, None), *several_targets]
    for number, (price, share) in enumerate(wanted, start=1):
        name = "target" if len(wanted) == 1 else f"target-{number}"
        order = replace(_exit(entry, OrderType.LIMIT), price=decimal_from(price, name))
        exits.append(leg(name, order, LegRole.TARGET, share))
    _check_sides(entry, exits)
    if break_even is not None and break_even.after is None and not wanted:
        raise InvalidOrder(
            "break-even when a target has filled needs a target: give one, or say after what",
            "BAD_TERMS",
        )
    inner = GroupTerms(Contingency.OUO, tuple(exits)) if len(exits) > 1 else exits[0]
    return GroupTerms(Contingency.OTO, (Leg("entry", LegRole.ENTRY, entry), inner))


def trail_by(
    offset: Number | None = None,
    *,
    percent: Number | None = None,
    activate_px: Number | None = None,
    step: Number = 0,
    source: TriggerSource | None = None,
    max_age_ns: int = 60_000_000_000,
) -> Trail:
    """A stop follows the price at a distance; see :class:`~engine.messages.Trail`."""
    return Trail(
        None if offset is None else decimal_from(offset, "trail offset"),
        None if percent is None else decimal_from(percent, "trail percent"),
        None if activate_px is None else decimal_from(activate_px, "activate_px"),
        decimal_from(step, "trail step"),
        source,
        max_age_ns,
    )


def even_after(
    after: Number | None = None, *, offset: Number = 0, source: TriggerSource | None = None
) -> BreakEven:
    """A stop goes to the average entry once; see :class:`~engine.messages.BreakEven`."""
    distance = None if after is None else decimal_from(after, "break-even after")
    return BreakEven(distance, decimal_from(offset, "break-even offset"), source)


def _pairs(targets: Iterable[tuple[Number, Number]]) -> list[tuple[Number, Number | None]]:
    """The targets, each a pair: not every caller has a type checker."""
    given: object = targets
    listed: list[object] = []
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping):
        listed = list(given)
    elif given is not None:
        listed = [given]
    found: list[tuple[Number, Number | None]] = []
    for one in listed:
        if not isinstance(one, tuple | list) or len(one) != 2:
            raise InvalidValue(
                "targets are pairs of (price, share), as [(61000, '0.5'), (63000, '0.5')], or one"
                f" price is given as target=61000; was {one!r:.80}"
            )
        found.append((one[0], one[1]))
    return found


def _exit(entry: SubmitOrder, kind: OrderType) -> SubmitOrder:
    return SubmitOrder(
        "", entry.venue, entry.account, entry.instrument, entry.side.opposite, kind, None,
        trigger_source=entry.trigger_source, slot=entry.slot, tags=entry.tags, reduce_only=True,
    )  # fmt: skip


def _check_sides(entry: SubmitOrder, exits: list[Leg]) -> None:
    """A stop of a long trade is below its entry and its targets above; of a short one mirrored."""
    up = 1 if entry.side is Side.BUY else -1
    stop_px = exits[0].order.stop_px
    assert stop_px is not None
    marks = [("the entry's price", entry.price)]
    marks += [(f"the price of {one.name!r}", one.order.price) for one in exits[1:]]
    for what, price in marks:
        if price is not None and (price - stop_px) * up <= 0:
            below = "below" if up > 0 else "above"
            raise InvalidOrder(
                f"the stop of a {entry.side.name} bracket must be {below} {what} ({price}),"
                f" was {stop_px}",
                "BAD_PRICE",
            )
    for one in exits[1:]:
        if entry.price is not None and one.order.price is not None:
            if (one.order.price - entry.price) * up <= 0:
                above = "above" if up > 0 else "below"
                raise InvalidOrder(
                    f"{one.name!r} of a {entry.side.name} bracket must be {above} the entry's price"
                    f" ({entry.price}), was {one.order.price}",
                    "BAD_PRICE",
                )


def _named(
    members: Iterable[SubmitOrder | Leg | GroupTerms], word: str
) -> tuple[Leg | GroupTerms, ...]:
    return tuple(
        Leg(f"{word}-{number}", LegRole.ENTRY, one) if isinstance(one, SubmitOrder) else one
        for number, one in enumerate(members, start=1)
    )
