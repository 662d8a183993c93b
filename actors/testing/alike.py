"""Whether a scenario ends alike wherever its process dies: the promise ``ends_alike``.

:func:`ends_alike` plays a scenario once without a crash, then once for each of its commits with a
death before it and once with a death behind it. After each wait a new process takes the journal up,
and the host asks again for everything it had asked for: what it knows of is the same intent. At the
end positions, groups and what each of their legs filled, and what is shut, are what they were
without a crash.

It is for what the engine sees to by itself: groups, protection, switches. An order of the host that
was journalled and had not left at the death is found not to be there, and is not sent again (the
host has a new intent for that), so entries belong to the steps before the first death. And its
market waits for the system: what fills while no system runs is the market's choice, and no promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, TypeAlias

from msgspec.structs import replace

from engine.fold import Books
from engine.testing.scenario import (
    CancelsGroup,
    Crashes,
    Flattens,
    Moment,
    Restarts,
    Scenario,
    SignalsEntry,
    SignalsExit,
    Step,
    Submits,
    SubmitsGroup,
    Waits,
)
from engine.values import ZERO

from .running import simulated, take
from .simulated_system import SimulatedSystem
from .truth import Violation

__all__ = ["ends_alike"]

_INTENTS: Final = (Submits, SubmitsGroup, CancelsGroup, SignalsEntry, SignalsExit, Flattens)
_End: TypeAlias = dict[str, object]


def ends_alike(
    scenario: Scenario,
    begins: int,
    *,
    every: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> list[Violation]:
    """What differs, or is wrong, in any of the runs; nothing where all end alike.

    ``begins``: how many steps are taken before the first death may come. ``every``: only each
    so-manieth commit, for long scenarios; ``progress`` is told (run, of how many).
    """
    found, commits, wanted = _played(scenario, begins, None)
    if found:
        return found
    deaths = [
        (moment, nth)
        for nth in range(1, commits + 1, every)
        for moment in (Moment.BEFORE_WRITE, Moment.AFTER_WRITE)
    ]
    for number, (moment, nth) in enumerate(deaths, 1):
        bad, _, end = _played(scenario, begins, Crashes(moment, nth))
        where = f"{moment.value} {nth}"
        found += (replace(one, message=f"{one.message} (at {where})") for one in bad)
        for name in dict.fromkeys([*wanted, *end]) if not bad else ():
            if wanted.get(name) != end.get(name):
                text = f"{wanted.get(name)} without a crash, {end.get(name)} with one at {where}"
                found.append(Violation("ends_alike", text, name))
        if progress is not None:
            progress(number, len(deaths))
    return found


def _played(
    scenario: Scenario, begins: int, crash: Crashes | None
) -> tuple[list[Violation], int, _End]:
    """What is wrong with a run, how many commits it had, and how it ends."""
    with simulated(scenario) as system:
        for step in scenario.steps[:begins]:
            take(system, step)
        before = len(system.journal.batches)  # type: ignore[attr-defined]  # the kit's own
        if crash is not None:
            take(system, crash)
        for step in _asked_again(scenario.steps, begins):
            take(system, step)
            if bad := system.check():
                return bad, 0, {}
        if bad := system.settle():
            return bad, 0, {}
        commits = len(system.journal.batches) - before  # type: ignore[attr-defined]
        return [], commits, _end_of(system)


def _asked_again(steps: tuple[Step, ...], begins: int) -> Iterator[Step]:
    """The steps; after each wait there is a system, which is asked for everything again."""
    asked = [step for step in steps[:begins] if isinstance(step, _INTENTS)]
    for step in steps[begins:]:
        yield step
        if isinstance(step, _INTENTS):
            asked.append(step)
        if isinstance(step, Waits):
            yield from (Restarts(), Waits(step.ns), *asked, Waits(step.ns))


def _end_of(system: SimulatedSystem) -> _End:
    books: Books = system.judge.books
    end: _End = {}
    for (_, _, symbol, slot), position in books.positions.items():
        end[f"{symbol} {slot.value}"] = position.qty
    for group in books.groups.values():
        end[group.group_id] = group.state.value
        for leg, cids in group.slices:
            filled: list[Decimal] = [books.orders[cid].cum_qty for cid in cids]
            end[f"{group.group_id}/{leg}"] = sum(filled, ZERO)
    for control in books.controls.values():
        end[control.name] = (control.modes, tuple(one.instrument for one in control.switches))
    return end
