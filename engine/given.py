"""What callers give, held against the kind it has to be: not every caller has a type checker.

A value of another kind is refused where it is given, by name and with what came, because later it
would be an error of Python's in the middle of something, or a record that nobody can read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, TypeVar

from .errors import InvalidOrder, InvalidValue

__all__ = [
    "TAGS_MAX",
    "TAG_KEY_LENGTH_MAX",
    "TAG_VALUE_LENGTH_MAX",
    "check_amount",
    "check_flag",
    "check_kind",
    "check_tags",
    "check_text",
    "check_text_of",
    "check_whole",
    "several",
]

TAGS_MAX: Final = 16
TAG_KEY_LENGTH_MAX: Final = 64
TAG_VALUE_LENGTH_MAX: Final = 256

_END: Final = 2**63
_MAGNITUDE: Final = 60  # of any amount there is, as a power of ten
_TEXT_MAX: Final = 256
T = TypeVar("T")


def check_kind(what: str, value: object, *kinds: type) -> None:
    """Refuse what is none of ``kinds``.

    Raises:
        InvalidValue: nothing has happened; so in all of these.
    """
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise InvalidValue(f"{what} must be a {wanted}, was {value!r:.80}")


def check_flag(what: str, value: object) -> None:
    """Refuse what is neither True nor False: a word like "no" would count as yes."""
    if not isinstance(value, bool):
        raise InvalidValue(f"{what} must be True or False, was {value!r:.80}")


def check_text_of(what: str, value: object, *, empty: bool = True) -> None:
    """Refuse what is no text, cannot be written down, or is longer than any name."""
    if not isinstance(value, str):
        raise InvalidValue(f"{what} must be a text, was {value!r:.80}")
    if len(value) > _TEXT_MAX or not (value or empty):
        least = 0 if empty else 1
        raise InvalidValue(f"{what} has {least} to {_TEXT_MAX} characters, was {value!a:.80}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidValue(f"{what} holds a lone surrogate: {value!a:.80}") from None


def check_text(value: str, what: str, length_max: int) -> None:
    """Refuse text that cannot be written down: too long, empty, or with a lone surrogate.

    Raises:
        InvalidOrder: with reason BAD_ID or BAD_TEXT; the value is shown shortened and escaped.
    """
    if type(value) is not str or len(value) > length_max or not value:
        if type(value) is not str:
            raise InvalidOrder(f"{what} must be a text, was {value!r:.80}", "BAD_TEXT")
        raise InvalidOrder(
            f"{what} must have 1 to {length_max} characters, had {len(value)}: {value[:24]!a}",
            "BAD_ID",
        )
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidOrder(
                f"{what} holds a lone surrogate, which no encoding can write: {value[:24]!a}",
                "BAD_TEXT",
            ) from None


def check_tags(tags: tuple[tuple[str, str], ...], at_most: int = TAGS_MAX) -> None:
    """Refuse tags that are no pairs of text, that are too many or too long, or that cannot be
    written down.

    Raises:
        InvalidOrder: with reason BAD_TAGS or BAD_TEXT; nothing has happened.
    """
    given: object = tags
    if not isinstance(given, tuple) or any(
        not isinstance(pair, tuple) or [str, str] != [type(text) for text in pair] for pair in given
    ):
        raise InvalidOrder(
            f"tags are a tuple of pairs of text, ((key, value),), were {given!r:.80}", "BAD_TAGS"
        )
    if len(tags) > at_most:
        raise InvalidOrder(f"at most {at_most} tags, had {len(tags)}", "BAD_TAGS")
    for key, value in tags:
        if len(key) > TAG_KEY_LENGTH_MAX or len(value) > TAG_VALUE_LENGTH_MAX or not key:
            raise InvalidOrder(
                f"a tag has a key of 1 to {TAG_KEY_LENGTH_MAX} and a value of at most"
                f" {TAG_VALUE_LENGTH_MAX} characters, got {key[:24]!a}={value[:24]!a}",
                "BAD_TAGS",
            )
        check_text(key, "a tag's key", TAG_KEY_LENGTH_MAX)
        if value:
            check_text(value, "a tag's value", TAG_VALUE_LENGTH_MAX)


def check_whole(what: str, value: object, *, at_least: int = 0) -> None:
    """Refuse what is no whole number from ``at_least`` on, in 64 bits."""
    if type(value) is not int or not at_least <= value < _END:
        raise InvalidValue(f"{what} must be a whole number >= {at_least}, was {value!r:.80}")


def check_amount(what: str, value: object, *, zero: bool = False) -> None:
    """Refuse what is no Decimal above 0 (or 0, with ``zero``), and what is too large or too fine to
    be an amount.
    """
    if type(value) is not Decimal or not value.is_finite() or value < 0 or not (value or zero):
        least = "0 or more" if zero else "above 0"
        raise InvalidValue(f"{what} must be a finite Decimal {least}, was {value!r:.80}")
    if value and abs(value.adjusted()) > _MAGNITUDE:
        raise InvalidValue(f"{what} is no amount that can be meant, was {value!r:.80}")


def several(what: str, values: Iterable[T], kind: type[T]) -> tuple[T, ...]:
    """The values as a tuple; refuse what is no list of ``kind``."""
    listed: object = values
    if isinstance(listed, str | bytes | Mapping) or not isinstance(listed, Iterable):
        raise InvalidValue(f"{what} must be a list, was {listed!r:.80}")
    found = tuple(listed)
    for one in found:
        check_kind(f"each of {what}", one, kind)
    return found
