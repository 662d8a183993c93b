"""What a caller gives to be journalled, held against what the journal would give back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from engine.errors import InvalidValue
from engine.given import check_kind, check_tags
from engine.messages import GroupTerms, Leg, Swap, Tags

__all__ = ["GROUP_TERMS", "SWAP", "check_kept", "tags_of"]

GROUP_TERMS: Final = msgspec.json.Decoder(GroupTerms | Leg)
SWAP: Final = msgspec.json.Decoder(Swap)
_encode: Final = msgspec.json.Encoder().encode


def check_kept(
    what: str,
    value: object,
    decoder: msgspec.json.Decoder[Any],
    refuse: Callable[[str], Exception] = InvalidValue,
) -> None:
    """Refuse what the journal would not give back as it is: a float, a word in place of a kind, a
    list in place of a tuple, text that cannot be encoded.

    Raises:
        InvalidValue: (what ``refuse`` makes) saying which; nothing has happened.
    """
    try:
        body = _encode(value)
        kept = decoder.decode(body)
        # Equal, and written alike: nearly always, and told at once. A float is written otherwise, a
        # word in place of a kind is not equal to it.
        odd = "" if value == kept and _encode(kept) == body else _unlike(value, kept, "")
    except (msgspec.MsgspecError, UnicodeError, ArithmeticError, TypeError, ValueError) as error:
        raise refuse(f"{what} cannot be written down like this: {error!s:.200}") from None
    if odd:
        raise refuse(f"{what} cannot be written down like this: {odd}")


def _unlike(value: object, kept: object, at: str) -> str:
    """What differs first between a value and what was read back of it; "" for nothing."""
    if type(value) is not type(kept):
        return f"{at[1:] or 'it'} must be a {type(kept).__name__}, was {value!r:.80}"
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
        parts = ((getattr(value, name), getattr(kept, name), f"{at}.{name}") for name in names)
        return next((odd for odd in (_unlike(*part) for part in parts) if odd), "")
    if isinstance(value, tuple) and isinstance(kept, tuple):
        pairs = zip(value, kept, strict=True)
        return next((odd for one, other in pairs if (odd := _unlike(one, other, at))), "")
    return "" if value == kept else f"{at[1:]} was {value!r:.80}"


def tags_of(tags: Mapping[str, str] | None) -> Tags:
    """A caller's tags as they are kept.

    Raises:
        InvalidValue: it is no mapping. InvalidOrder: of anything but text, or too much of it.
    """
    if tags is None:
        return ()
    check_kind("tags (as {'strategy': 'breakout'})", tags, Mapping)
    found = tuple(tags.items())
    check_tags(found)
    return found
