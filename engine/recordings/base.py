"""What a recording is: recorded rows become the engine's own messages, and carry their own oracle.

A reader gets *lines*, never a file: whoever opens files (``actors.replay_io``) hands in a
:class:`Lines`, which can be walked more than once. Readers stream: they keep what is needed to
understand the next row (the live orders), never the file. What a row does not say is not made up:
``None`` stays ``None``, and an order first seen mid-life is adopted.

Readers do no folding. :meth:`Recording.oracle` is the judge, and walks the rows again with a count
of its own.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple, NoReturn, Protocol, TypeAlias

import msgspec

from ..errors import RecordingError
from ..messages import Command, Event, Report
from ..values import Instrument, OrderState, PositionSlot

__all__ = [
    "Check",
    "DecimalCache",
    "FinalOrder",
    "FinalPosition",
    "Lines",
    "Oracle",
    "Recording",
    "ReplayView",
    "Step",
    "Steps",
    "TextLines",
    "bad_row",
    "columns",
    "excerpt",
    "fail_row",
    "first_lines",
]


class Step(NamedTuple):
    """One recorded message; ``row`` is the line it came from (1 = the file's first line)."""

    row: int
    message: Command | Report


#: What :meth:`Recording.steps` yields: the account a message belongs to, and the message.
Steps: TypeAlias = Iterator[tuple[str, Step]]


class Lines(Protocol):
    """Lines of text without their newlines; iterating starts at the first line again, each time."""

    @property
    def name(self) -> str:
        """What to call it in errors and reports (a file's base name)."""
        ...

    def __iter__(self) -> Iterator[str]: ...


class Recording(Protocol):
    """One recording, ready to be replayed."""

    @property
    def name(self) -> str:
        """What to call it in reports."""
        ...

    @property
    def format(self) -> str:
        """One of :data:`engine.recordings.FORMATS`."""
        ...

    @property
    def venue(self) -> str:
        """Where it was recorded."""
        ...

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every account that :meth:`steps` names. A whole market's orders are in one account."""
        ...

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """Every instrument that :meth:`steps` names; may walk over the lines once to find them."""
        ...

    def steps(self) -> Steps:
        """Commands and reports in the order they were recorded.

        Raises:
            RecordingError: naming file, line and text of a bad row; the steps before it were good.
        """
        ...

    def oracle(self) -> Oracle:
        """A fresh judge of one replay of this recording."""
        ...


class FinalOrder(NamedTuple):
    """An order at the end of a replay. ``cum_cost`` is the sum of price x quantity of its fills."""

    client_order_id: str
    state: OrderState
    order_qty: Decimal | None
    cum_qty: Decimal
    cum_cost: Decimal
    fills: int


class FinalPosition(NamedTuple):
    """A position slot as the engine has it at the end; ``qty`` is signed."""

    account: str
    instrument: str
    slot: PositionSlot
    qty: Decimal
    avg_px: Decimal | None
    realized_pnl: Decimal
    fees: tuple[tuple[str, Decimal], ...]


class ReplayView(Protocol):
    """The end of a replay, as an oracle may look at it. Adopted and ended orders are in it too."""

    def order(self, client_order_id: str) -> FinalOrder | None:
        """One order by its recorded id."""
        ...

    def orders(self) -> Iterable[FinalOrder]:
        """Every order the replay came to know."""
        ...

    def positions(self) -> Iterable[FinalPosition]:
        """Every slot the replay came to know."""
        ...


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One named promise about a replay: ``checked`` cases, ``failed`` of them not as recorded.

    ``explained`` counts disagreements whose cause is proven from the recording itself, by cause;
    they are not failures and not silence. ``notes`` are what a reader of the report wants to know
    beside (counts by state).
    """

    name: str
    checked: int
    failed: int
    examples: tuple[str, ...] = ()
    explained: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()


class Oracle(Protocol):
    """The judge of one replay: sees every event in order, then the end."""

    def on_event(self, event: Event) -> None:
        """See one event; order and position events matter, others are ignored."""
        ...

    def finish(self, view: ReplayView) -> list[Check]:
        """Judge the end; call it once."""
        ...


class TextLines:
    """Lines held in memory: for tests, and for callers who already have the text."""

    __slots__ = ("_lines", "_name")

    def __init__(self, name: str, lines: Sequence[str]) -> None:
        self._name = name
        self._lines = lines

    @property
    def name(self) -> str:
        """What to call it."""
        return self._name

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)


_CACHE_SIZE_MAX = 65_536  # distinct texts; a day of one instrument has some ten thousand


_NUMBER_LENGTH_MAX = 40  # digits; money is computed with 34


class DecimalCache(dict[str, Decimal]):
    """Text to finite Decimal, remembered, because recordings repeat themselves: ``cache[text]``.

    ``unit`` is what the format counts in: ``"E-4"`` for prices x 10000 (then the text must be a
    whole number). Exact under any ambient context, because nothing is computed: the text is read
    with its exponent.

    Raises:
        ValueError: on a text that is no number, NaN or infinite; the cache is unchanged.
    """

    __slots__ = ("_unit",)

    def __init__(self, unit: str = "") -> None:
        super().__init__()
        self._unit = unit

    def __missing__(self, text: str) -> Decimal:
        if len(text) > _NUMBER_LENGTH_MAX or not text.isascii() or "_" in text:
            raise ValueError(f"not a number: {excerpt(text)}")  # Python would read some of these
        try:
            value = Decimal(str(int(text)) + self._unit) if self._unit else Decimal(text)
        except ArithmeticError:
            raise ValueError(f"not a number: {excerpt(text)}") from None
        if not value.is_finite() or abs(value.adjusted()) > _NUMBER_LENGTH_MAX:
            raise ValueError(f"not a finite number of sensible size: {excerpt(text)}")
        if len(self) >= _CACHE_SIZE_MAX:
            self.clear()
        self[text] = value
        return value


_EXCERPT_LENGTH_MAX = 100


def excerpt(text: object) -> str:
    """Quote foreign text for an error: escaped (control and bidi characters too) and shortened."""
    whole = str(text)
    shown = ascii(whole[:_EXCERPT_LENGTH_MAX])
    return shown if len(whole) <= _EXCERPT_LENGTH_MAX else f"{shown}... ({len(whole)} characters)"


def bad_row(name: str, row: int, line: object, why: object) -> RecordingError:
    """The error for a row that cannot be read: file, line number, reason, offending text."""
    return RecordingError(
        f"{name}, line {row}: {why}; the line is {excerpt(line)}. Nothing after this line was read."
    )


def fail_row(lines: Lines, row: int, error: Exception, wants: str) -> NoReturn:
    """Turn an error met while reading line ``row`` into a RecordingError that shows that line.

    The line is looked up again: this keeps the reading loop free of bookkeeping.
    """
    text: object = "(the line can not be read again)"
    for number, line in enumerate(lines, 1):
        if number == row:
            text = line
            break
    detail = str(error.args[0]) if error.args else type(error).__name__
    if isinstance(error, KeyError):
        detail = f"not a word of this format: {excerpt(error.args[0])}"
    raise bad_row(lines.name, row, text, f"expected {wants} ({detail})") from error


def columns(line: str) -> tuple[str, ...]:
    """The cells of one line of CSV, quoted or not; none where it is no CSV."""
    try:
        return tuple(next(csv.reader([line], strict=True), ()))
    except csv.Error:
        return ()


def first_lines(lines: Lines, count: int) -> list[str]:
    """At most ``count`` lines from the beginning."""
    found: list[str] = []
    for line in lines:
        found.append(line)
        if len(found) == count:
            break
    return found
