"""Find commits that SQLite would drop without a word.

SQLite ends a write-ahead log at the first frame whose checksum fails: right after a crash, where
the last commit was half written and nobody was told it was done; silent loss when an older frame
was altered, for every commit behind it goes too. The two are told apart here, before SQLite opens
the file: frames of the running log that lie behind the bad one *and end a commit* are commits that
once existed.

Format: https://www.sqlite.org/fileformat2.html#walformat (a 32-byte header; frames of 24 bytes and
a page each).
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from functools import lru_cache
from operator import mul
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

__all__ = ["WalDamage", "find_damage"]

_HEADER: Final = struct.Struct(
    ">8I"
)  # magic, version, page size, checkpoint number, 2 salts, 2 checksums
_FRAME: Final = struct.Struct(
    ">6I"
)  # page number, size after commit (0: no commit), 2 salts, 2 checksums
_MAGIC: Final = 0x377F0682  # the last bit: checksums are over big-endian words
_MASK: Final = 0xFFFFFFFF
_APART: Final = 96  # bits: room for a page of products of two words


class WalDamage(NamedTuple):
    """Frames counted from 1; frame 0 is the header."""

    frame: int
    frames: int
    commits_lost: int

    def __str__(self) -> str:
        where = "its header" if self.frame == 0 else f"frame {self.frame} of {self.frames}"
        lost = f"{self.commits_lost} commits behind it cannot be read"
        return f"the write-ahead log is damaged at {where}; {lost}"


def find_damage(path: Path) -> WalDamage | None:
    """Look for lost commits in the write-ahead log at ``path``; None when there are none.

    Reads the log only, never the database, and writes nothing. 32 MiB take about half a second.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            return (
                None  # created and not yet written, or cut to nothing: no frame can be read from it
            )
        magic, _, page_size, _, salt1, salt2, sum1, sum2 = _HEADER.unpack(head)
        big = bool(magic & 1)
        sums = _checksum(head[:24], (0, 0), big)
        if magic & ~1 != _MAGIC or sums != (sum1, sum2) or not 512 <= page_size <= 65536:
            rest = path.stat().st_size - _HEADER.size
            return WalDamage(0, rest // (_FRAME.size + 4096), 1) if rest > 0 else None
        return _scan(file, page_size, (salt1, salt2), sums, big)


def _scan(
    file: BinaryIO, page_size: int, salts: tuple[int, int], sums: tuple[int, int], big: bool
) -> WalDamage | None:
    """Follow the checksums to the first bad frame, then count commits of the same log behind it."""
    number = bad = lost = 0
    while len(frame := file.read(_FRAME.size + page_size)) == _FRAME.size + page_size:
        number += 1
        _, commit, salt1, salt2, sum1, sum2 = _FRAME.unpack_from(frame)
        ours = (
            salt1,
            salt2,
        ) == salts  # else a leftover of the log before, which this one overwrites
        if not bad:
            sums = _checksum(frame[:8], sums, big)
            sums = _checksum(frame[_FRAME.size :], sums, big)
            if ours and sums == (sum1, sum2):
                continue
            # Not counted itself: a process killed between a frame's head and its page leaves the
            # head of a commit that nobody was told of, in front of what was there before.
            bad = number
        elif ours and commit:
            lost += 1
    return WalDamage(bad, number, lost) if lost else None


def _checksum(data: bytes, start: tuple[int, int], big: bool) -> tuple[int, int]:
    """SQLite's running checksum.

    Its definition is, for each pair of words (x, y): ``s1 += x + s2; s2 += y + s1``. Unrolled, each
    word counts a Fibonacci number of times in each sum, so a page is one sum of products instead of
    a loop: seven times as fast. Both sums are made at once, the second far above the first.
    """
    words = array("I", data)
    if big != (sys.byteorder == "big"):
        words.byteswap()
    words.extend(start)
    both = sum(map(mul, words, _weights(len(words))))
    return both & _MASK, (both >> _APART) & _MASK


@lru_cache(maxsize=8)
def _weights(count: int) -> Sequence[int]:
    """How often each word, and at the end each start value, counts in the two sums."""
    weights: list[int] = []
    a, b, c, d = 1, 0, 0, 1  # of s1 and s2 as they are behind the pairs not yet seen, in both sums
    for _ in range((count - 2) // 2):
        weights += (b + (d << _APART), (a + b & _MASK) + ((c + d & _MASK) << _APART))
        a, b = a + b & _MASK, a + b + b & _MASK
        c, d = c + d & _MASK, c + d + d & _MASK
    weights.reverse()
    return (*weights, a + (c << _APART), b + (d << _APART))
