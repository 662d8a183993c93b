"""What the engine's process and the venue's process say to each other: one JSON line a message."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import msgspec

from actors.testing.truth import Truth
from actors.venues.port import Done, Duplicate, Outcome, Refused, Unknown, VenuePosition
from engine.capabilities import Capabilities
from engine.messages import Amend, Cancel, Filled, OrderReport, OrderSnapshot, Place, QueryOrder
from engine.simulator import FULL_CAPABILITIES
from engine.values import Instrument, Word

__all__ = [
    "ACCOUNT",
    "CAPABILITIES",
    "VENUE",
    "Ask",
    "Call",
    "Hello",
    "Kill",
    "KillPoint",
    "Listed",
    "Move",
    "Reply",
    "Said",
    "Told",
    "TruthTold",
    "What",
    "read_asked",
    "read_said",
    "written",
]

VENUE = "FAR"
ACCOUNT = "main"
#: All that the simulated exchange can; but its calls take a socket. Requests of an older session
#: have no effect once a newer one has begun, so nothing of them is on its way when we ask.
CAPABILITIES: Capabilities = msgspec.structs.replace(FULL_CAPABILITIES, inline=False)


class KillPoint(Word):
    """Where the venue kills the engine that calls it."""

    ACTED = "ACTED"  # it acted on a call, and has not answered
    ANSWERED = "ANSWERED"  # it has answered
    TOLD = "TOLD"  # it has told of something that nobody asked for


class What(Word):
    """What can be asked for."""

    OPEN_ORDERS = "OPEN_ORDERS"
    EXECUTIONS = "EXECUTIONS"
    POSITIONS = "POSITIONS"
    INSTRUMENTS = "INSTRUMENTS"
    NOTHING = "NOTHING"  # be answered: what was told before has arrived
    TRUTH = "TRUTH"  # for the judge: every order ever, every execution, every position


# --- to the venue ---------------------------------------------------------------------------------


class Hello(msgspec.Struct, tag=True):
    """A session begins; an older one of the account ends."""


class Call(msgspec.Struct, tag=True):
    """A request that changes something, or asks for one order."""

    number: int
    request: Place | Cancel | Amend | QueryOrder


class Ask(msgspec.Struct, tag=True):
    """A question about many."""

    number: int
    what: What
    since_ts: int = 0


class Kill(msgspec.Struct, tag=True):
    """For the harness: kill a process at the ``nth`` such moment from now."""

    pid: int
    point: KillPoint
    nth: int


class Move(msgspec.Struct, tag=True):
    """For the harness: let the market move; answered."""

    number: int
    steps: int


Asked: TypeAlias = Hello | Call | Ask | Kill | Move

# --- from the venue -------------------------------------------------------------------------------


class Reply(msgspec.Struct, tag=True, omit_defaults=True):
    """How a call ended."""

    number: int
    done: tuple[OrderReport, ...] | None = None
    refused: str = ""
    duplicate: str = ""
    detail: str = ""

    def outcome(self) -> Outcome:
        """The same in the port's words."""
        if self.done is not None:
            return Done(self.done)
        if self.duplicate:
            return Duplicate(self.duplicate)
        return Refused(self.refused, "", self.detail) if self.refused else Unknown(self.detail)


class Listed(msgspec.Struct, tag=True, omit_defaults=True):
    """The answer to a question."""

    number: int
    orders: tuple[OrderSnapshot, ...] = ()
    fills: tuple[Filled, ...] = ()
    positions: tuple[VenuePosition, ...] = ()
    instruments: tuple[Instrument, ...] = ()


class Told(msgspec.Struct, tag=True):
    """Something happened that nobody asked for."""

    report: OrderReport


class TruthTold(msgspec.Struct, tag=True):
    """All there is."""

    number: int
    truth: Truth


Said: TypeAlias = Reply | Listed | Told | TruthTold

M = TypeVar("M")

_encode = msgspec.json.Encoder().encode
read_asked = msgspec.json.Decoder(Asked).decode
read_said = msgspec.json.Decoder(Said).decode


def written(message: Asked | Said) -> bytes:
    """A message as its line."""
    return _encode(message) + b"\n"
