"""Which texts were perhaps seen before: a question answered "surely not" without reading a disk.

A Bloom filter. Every order with an intent id of its caller's own asks whether that id was used by
an order that is closed; nearly always it was not, and the journal's answer costs 5-8 us where this
one costs less than one. "Perhaps" is only ever a reason to ask the journal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["Seen"]

_FIRST: Final = 1 << 16  # texts that the first filter is for; each next one is for twice as many
_LAST: Final = 1 << 23  # ... up to this: 32 MiB in all. Behind it, "perhaps" becomes more frequent
_BITS: Final = 16  # for each text: with two probes one answer in 70 is wrong when a filter is full
_BIT: Final = tuple(1 << bit for bit in range(8))


class Seen:
    """Texts that were added, and a few percent of all others; two bytes a text."""

    __slots__ = ("_bits", "_left", "_mask", "_older")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._older: list[tuple[bytearray, int]] = []
        self._begin(_FIRST)
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Remember a text."""
        if not self._left and self._mask < _LAST * _BITS - 1:
            self._older.append((self._bits, self._mask))
            self._begin(2 * (self._mask + 1) // _BITS)
        self._left -= 1
        digest, bits, mask = hash(text), self._bits, self._mask
        one, two = digest & mask, digest >> 32 & mask
        bits[one >> 3] |= _BIT[one & 7]
        bits[two >> 3] |= _BIT[two & 7]

    def __contains__(self, text: str) -> bool:
        """Whether it was perhaps added; False is certain."""
        digest = hash(text)
        if _has(digest, self._bits, self._mask):
            return True
        return bool(self._older) and any(_has(digest, bits, mask) for bits, mask in self._older)

    def _begin(self, texts: int) -> None:
        self._bits = bytearray(texts * _BITS // 8)
        self._mask = texts * _BITS - 1
        self._left = texts


def _has(digest: int, bits: bytearray, mask: int) -> bool:
    one, two = digest & mask, digest >> 32 & mask
    return bool(bits[one >> 3] & _BIT[one & 7] and bits[two >> 3] & _BIT[two & 7])
