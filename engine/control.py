"""What may leave of an account: its trading modes and its kill switches.

They are facts, so they survive restarts and disconnects; :class:`Control` is their fold. A switch
is lifted by a person only. Where several apply to an instrument the strictest counts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from .messages import Flatten, LiftFlatten, SetMode, TradingMode
from .values import ONE

__all__ = ["CONTROL_FACTS", "Control", "ControlFact", "Switch", "controlled", "take_control"]

ControlFact: TypeAlias = SetMode | Flatten | LiftFlatten
CONTROL_FACTS: Final = (SetMode, Flatten, LiftFlatten)

_STRICTNESS: Final = (TradingMode.ALL, TradingMode.REDUCE_ONLY, TradingMode.NONE)


class Switch(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A kill switch that is on: of an instrument, or ("") of its whole account."""

    instrument: str
    ts: int
    statement: str = ""
    slice_share: Decimal = ONE

    def covers(self, instrument: str) -> bool:
        """Whether it is about this instrument."""
        return self.instrument in ("", instrument)


class Control(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is shut at one account. ``modes`` by instrument, ``""`` for all of them."""

    venue: str
    account: str
    modes: tuple[tuple[str, TradingMode], ...] = ()
    switches: tuple[Switch, ...] = ()

    @property
    def name(self) -> str:
        """What its facts are about."""
        return f"control:{self.venue}:{self.account}"

    def switch_over(self, instrument: str) -> Switch | None:
        """A kill switch that is on for this instrument ("": for the whole account)."""
        return next((one for one in self.switches if one.covers(instrument)), None)

    def mode_of(self, instrument: str) -> TradingMode:
        """What may leave of this instrument; of ``""``, what is so for the whole account."""
        modes = [mode for of, mode in self.modes if of in ("", instrument)]
        if self.switch_over(instrument) is not None:
            modes.append(TradingMode.REDUCE_ONLY)
        return max(modes, key=_STRICTNESS.index, default=TradingMode.ALL)


def controlled(control: Control, fact: ControlFact) -> Control:
    """The account as it is after the fact."""
    if isinstance(fact, SetMode):
        modes = [one for one in control.modes if one[0] != fact.instrument]
        if fact.mode is not TradingMode.ALL:
            modes.append((fact.instrument, fact.mode))
        return replace(control, modes=tuple(sorted(modes, key=lambda one: one[0])))
    of = fact.instrument
    if isinstance(fact, LiftFlatten):
        kept = [one for one in control.switches if of and one.instrument != of]
    else:
        kept = [one for one in control.switches if one.instrument != of]
        kept.append(Switch(of, fact.ts, fact.statement, fact.slice_share))
    return replace(control, switches=tuple(sorted(kept, key=lambda one: one.instrument)))


def take_control(controls: dict[tuple[str, str], Control], fact: ControlFact) -> None:
    """Fold one fact in; an account of which nothing is shut any more is not kept."""
    key = fact.venue, fact.account
    after = controlled(controls.get(key) or Control(*key), fact)
    controls.pop(key, None)
    if after.modes or after.switches:
        controls[key] = after
