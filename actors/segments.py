"""How checkpoints are kept: in segments, each with what changed, of which the newest word counts.

A checkpoint is the state as of one record. It is written as one or several *segments*: rows of the
journal with up to a few hundred entries each, an entry being an order, a position, an instrument or
a parked report by its name, or the word that a name is gone. A segment holds only what changed
since the checkpoint before, so its size follows the traffic, not the number of open orders. The
*head* says which segments count, and is written with the last one of a checkpoint: one that was
never finished is as if it had not been begun.

What newer segments replace is waste. When there is more waste than state, the oldest segments are
given up: what still counts in them is written once more, and they are removed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import msgspec

from engine.errors import JournalCorrupt

if TYPE_CHECKING:
    from .journal import Journal

__all__ = [
    "HEAD",
    "KINDS",
    "Entry",
    "Head",
    "Kind",
    "Shelf",
    "pack_segment",
    "read_head",
    "segment_key",
    "segments",
]

#: The key of the head's row.
HEAD: Final = "checkpoint"

Kind: TypeAlias = Literal[
    "order", "frozen", "position", "instrument", "parked", "group", "control", "trail", "money",
    "watched",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = (
    "order", "frozen", "position", "instrument", "parked", "group", "control", "trail", "money",
    "watched",
)  # fmt: skip

#: Kind, name and what it is, encoded; None: it is gone.
Entry: TypeAlias = tuple[Kind, str, msgspec.Raw | None]

#: Entries that may be waste, however small the state is.
WASTE_LEAST: Final = 4_096


class Head(msgspec.Struct, frozen=True):
    """Which segments count: ``oldest`` to ``last``.

    ``first`` is the first one of the last checkpoint. It was written together with the record that
    the checkpoint is the state of, so its row has that record's number.
    """

    oldest: int
    first: int
    last: int


_ENCODER: Final = msgspec.json.Encoder()
_ENTRIES: Final = msgspec.json.Decoder(list[tuple[Kind, str, msgspec.Raw]])
_GONE: Final = msgspec.Raw(b"null")
_HEAD: Final = msgspec.json.Decoder(Head)


def segment_key(number: int) -> str:
    """The key of a segment's row."""
    return f"segment:{number:012d}"


def pack_segment(entries: list[Entry]) -> bytes:
    """The row of a segment."""
    return _ENCODER.encode(entries)


def read_head(journal: Journal) -> Head | None:
    """The head; None when there is none, so no checkpoint in segments.

    Raises:
        JournalCorrupt: it cannot be read.
    """
    row = journal.checkpoint(HEAD)
    if row is None:
        return None
    try:
        return _HEAD.decode(row[1])
    except msgspec.MsgspecError as error:
        raise JournalCorrupt(
            f"{journal.name}: the head of its checkpoints cannot be read: {error}"
        ) from None


def segments(
    journal: Journal, head: Head
) -> Iterator[tuple[int, int, list[tuple[Kind, str, bytes | None]]]]:
    """Every segment that counts, the newest first: its number, its record, its entries.

    Raises:
        JournalCorrupt: one is missing or cannot be read.
    """
    for number in range(head.last, head.oldest - 1, -1):
        row = journal.checkpoint(segment_key(number))
        if row is None:
            raise JournalCorrupt(f"{journal.name}: segment {number} of its checkpoint is missing")
        try:
            entries = _ENTRIES.decode(row[1])
        except msgspec.MsgspecError as error:
            raise JournalCorrupt(
                f"{journal.name}: segment {number} of its checkpoint cannot be read: {error}"
            ) from None
        yield (
            number,
            row[0],
            [(kind, name, None if body == _GONE else bytes(body)) for kind, name, body in entries],
        )


class _Segment(NamedTuple):
    number: int
    size: int  # entries in it, those that do not count any more too
    orders: list[str]
    others: list[tuple[Kind, str]]


class Shelf:
    """Which segment has the word that counts about each name."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self._placed: dict[Kind, dict[str, int]] = {kind: {} for kind in KINDS}
        self._segments: deque[_Segment] = deque()  # the oldest first
        self._stored = 0  # entries in all of them

    @property
    def last(self) -> int:
        """The number of the last segment that counts; 0 when there is none."""
        return 0 if self.head is None else self.head.last

    def oldest(self, given_up: list[int]) -> int | None:
        """The number of the oldest segment, once those are gone; None when there is none."""
        if given_up:
            return given_up[-1] + 1
        return None if self.head is None else self.head.oldest

    def has(self, kind: Kind, name: str) -> bool:
        """Whether the last word about a name is something."""
        return name in self._placed[kind]

    def names(self, kind: Kind) -> Iterable[str]:
        """Every name of a kind that it has."""
        return self._placed[kind]

    def loaded(self, number: int, names: list[tuple[Kind, str]], size: int) -> None:
        """Take in a segment that was read, the newest first; ``names`` count in it."""
        for kind, name in names:
            self._placed[kind][name] = number
        self._segments.appendleft(_segment(number, size, names))
        self._stored += size

    def put(self, number: int, entries: list[tuple[Kind, str, bool]]) -> None:
        """Take in a segment that was written: kind, name, and whether there is something."""
        names: list[tuple[Kind, str]] = []
        for kind, name, is_there in entries:
            if is_there:
                self._placed[kind][name] = number
                names.append((kind, name))
            else:
                self._placed[kind].pop(name, None)
        self._segments.append(_segment(number, len(entries), names))
        self._stored += len(entries)

    def take_back(self, entries: list[tuple[Kind, str, bool]]) -> None:
        """Forget the segments behind the last that counts; ``entries`` were in them.

        They will be written over, and everything in them again: what was said to be gone is in an
        older segment, and has to be said to be gone once more.
        """
        while self._segments and self._segments[-1].number > self.last:
            self._stored -= self._segments.pop().size
        for kind, name, is_there in entries:
            if not is_there:
                self._placed[kind].setdefault(name, 0)

    def finish(self, head: Head, given_up: list[int]) -> None:
        """A checkpoint is whole: its head counts, and the oldest segments are gone."""
        self.head = head
        for _ in given_up:
            self._stored -= self._segments.popleft().size

    def wasted(self, quota: int) -> list[tuple[int, list[tuple[Kind, str]]]]:
        """The oldest segments, if they are to be given up: number, and names that count in it.

        About ``quota`` entries of them; none while there is not more waste than state.
        """
        found: list[tuple[int, list[tuple[Kind, str]]]] = []
        excess = self._stored - 2 * sum(map(len, self._placed.values())) - WASTE_LEAST
        for segment in self._segments:
            if excess <= 0 or quota <= 0:
                break
            kept: list[tuple[Kind, str]] = [
                ("order", name)
                for name in segment.orders
                if self._placed["order"].get(name) == segment.number
            ]
            kept += [
                (kind, name)
                for kind, name in segment.others
                if self._placed[kind].get(name) == segment.number
            ]
            found.append((segment.number, kept))
            excess -= segment.size - len(kept)
            quota -= segment.size
        return found


def _segment(number: int, size: int, names: list[tuple[Kind, str]]) -> _Segment:
    orders = [name for kind, name in names if kind == "order"]
    return _Segment(number, size, orders, [pair for pair in names if pair[0] != "order"])
