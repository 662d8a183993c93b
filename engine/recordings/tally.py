"""The oracle every recording has: what the rows say of each order against the engine.

The expectation is folded by the reader from its rows with plain dicts and whole numbers, apart from
the messages it makes; so an error in the mapping, in the engine, or in both shows as a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from ..messages import Event, OrderFilled, OrderPartiallyFilled
from ..values import ZERO, OrderState
from .base import Check, ReplayView, excerpt

__all__ = ["EXAMPLES_MAX", "Counter", "Expected", "Tally", "TallyOracle"]

EXAMPLES_MAX = 5


class Expected(NamedTuple):
    """What the rows say of one order. ``end`` None: still open at the end of the recording."""

    end: OrderState | None
    fills: int
    cum_qty: Decimal
    cum_cost: Decimal | None  # None where the rows give no price for some fill
    born: bool  # its submission is in the recording
    told_only: bool = (
        False  # the venue said FILLED and never any quantity: no execution can prove it
    )

    @property
    def state(self) -> OrderState:
        """The public word this comes to."""
        if self.end is not None:
            return self.end
        return OrderState.PARTIAL if self.fills else OrderState.ACCEPTED


class Tally(NamedTuple):
    """All orders of a recording by recorded id, how many rows were no order's (by kind), and what
    else a reader of the report has to know.
    """

    orders: dict[str, Expected]
    skipped: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()


class Counter:
    """Counts cases and failures of one check and keeps a few examples."""

    __slots__ = ("checked", "examples", "explained", "failed", "name", "notes")

    def __init__(self, name: str) -> None:
        self.name = name
        self.checked = 0
        self.failed = 0
        self.examples: list[str] = []
        self.explained: dict[str, int] = {}
        self.notes: list[str] = []

    def test(self, holds: bool, example: str, *shown: object) -> None:
        """Count one case; ``example`` is filled in with what is to be shown when the case fails."""
        self.checked += 1
        if not holds:
            self.failed += 1
            if len(self.examples) < EXAMPLES_MAX:
                safe = (excerpt(one) if isinstance(one, str) else one for one in shown)
                self.examples.append(example.format(*safe))

    def explain(self, cause: str) -> None:
        """Count a disagreement whose cause is proven."""
        self.explained[cause] = self.explained.get(cause, 0) + 1

    def check(self) -> Check:
        """The result."""
        return Check(
            self.name,
            self.checked,
            self.failed,
            tuple(self.examples),
            tuple(sorted(self.explained.items())),
            tuple(self.notes),
        )


class TallyOracle:
    """Compares each order's end, fills, quantity and cost; subclasses add what they know."""

    def __init__(self, tally: Callable[[], Tally]) -> None:
        self._tally = tally
        self._fill_events = 0

    def on_event(self, event: Event) -> None:
        """See one event of the engine; one without an execution is an order that a quantity
        completed.
        """
        if isinstance(event, OrderFilled | OrderPartiallyFilled) and event.exec_id:
            self._fill_events += 1

    def finish(self, view: ReplayView) -> list[Check]:
        """Judge the end of the replay."""
        tally = self._tally()
        checks = _compare(tally, view)
        booked = Counter("fill_events")
        expected = sum(order.fills for order in tally.orders.values())
        booked.test(
            expected == self._fill_events,
            "the rows hold {} fills, the engine published {}",
            expected,
            self._fill_events,
        )
        booked.notes.append(f"{expected} fills")
        booked.notes.extend(f"{count} rows are no order's: {kind}" for kind, count in tally.skipped)
        booked.notes.extend(tally.notes)
        return [*checks, booked.check()]


def _compare(tally: Tally, view: ReplayView) -> list[Check]:
    states = Counter("final_state")
    fills = Counter("fills_per_order")
    sums = Counter("filled_quantity_and_cost")
    known = Counter("orders_known")
    for order_id, want in tally.orders.items():
        got = view.order(order_id)
        known.test(got is not None, "order {} is in the rows, not in the engine", order_id)
        if got is None:
            continue
        if want.told_only and got.state is not want.state:
            holds = got.state in _OPEN
            states.test(holds, _STATE, order_id, want.state.name, got.state.name)
            if holds:
                states.explain("filled by the venue's word only, no quantity was ever told")
            continue
        states.test(got.state is want.state, _STATE, order_id, want.state.name, got.state.name)
        fills.test(
            got.fills == want.fills,
            "order {}: {} fills recorded, engine {}",
            order_id,
            want.fills,
            got.fills,
        )
        sums.test(
            got.cum_qty == want.cum_qty and want.cum_cost in (None, got.cum_cost),
            "order {}: recorded {} for {}, engine {} for {}",
            order_id,
            want.cum_qty,
            want.cum_cost,
            got.cum_qty,
            got.cum_cost,
        )
    for order in view.orders():
        if order.client_order_id not in tally.orders:
            known.test(False, "order {} is not in the rows", order.client_order_id)
    states.notes.extend(state_counts(tally))
    fills.notes.append(fills_histogram(tally))
    return [known.check(), states.check(), fills.check(), sums.check()]


_STATE = "order {}: {} recorded, engine {}"
_OPEN = (OrderState.ACCEPTED, OrderState.IN_DOUBT)


def final_words(order: Expected) -> str:
    """The final state in the words of a person: how it ended, and whether it had filled in part."""
    if order.end is None:
        return "part-filled, open" if order.fills else "open"
    if order.end is not OrderState.FILLED and order.cum_qty > ZERO:
        return f"part-filled, then {order.end.name.lower()}"
    return order.end.name.lower()


def state_counts(tally: Tally) -> list[str]:
    """Orders by final state: those submitted in the recording, then those first seen mid-life."""
    lines: list[str] = []
    for born, title in ((True, "submitted here"), (False, "first seen mid-life")):
        counts: dict[str, int] = {}
        for order in tally.orders.values():
            if order.born is born:
                word = final_words(order)
                counts[word] = counts.get(word, 0) + 1
        if counts:
            parts = ", ".join(f"{word} {count}" for word, count in sorted(counts.items()))
            lines.append(f"{title}: {sum(counts.values())} ({parts})")
    return lines


_BUCKETS = ((1, "1"), (2, "2"), (5, "3-5"), (10, "6-10"))


def fills_histogram(tally: Tally) -> str:
    """Fills per order that has any, in the buckets 1 / 2 / 3-5 / 6-10 / 11+ and the maximum."""
    counts = {"1": 0, "2": 0, "3-5": 0, "6-10": 0, "11+": 0}
    most = 0
    for order in tally.orders.values():
        if order.fills:
            most = max(most, order.fills)
            counts[next((name for top, name in _BUCKETS if order.fills <= top), "11+")] += 1
    return " / ".join(f"{name}: {count}" for name, count in counts.items()) + f" (max {most})"
