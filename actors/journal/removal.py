"""What retention takes out of a journal, and what it leaves in its place.

Records go whole, so that a journal's size is bounded, and in their place stands a *gap*: the first
and last number of a run of records that are gone, and the check number of the last. The chain goes
on from there, so every record that is left is proven as before, and a record that is missing
without a gap is damage. Gaps side by side become one.

What goes are the facts of closed orders, and nothing else. Execution keys, closed rows with client,
intent and venue ids, positions' statements, instruments, and the last record stay. The tombstone of
an order whose facts go is packed: a quarter of the bytes, and unpacked it is what it was, so a late
fill, a bust or a repeated intent finds the order as ever.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple

__all__ = ["INTRODUCTIONS", "PIECE", "Gap", "Pruned", "merged", "pack", "unpack"]

#: Records looked at in one piece; about half a millisecond when all of them go.
PIECE: Final = 128

#: Facts with which an order's story begins: where it goes, the order's tombstone is packed.
INTRODUCTIONS: Final = frozenset({"SubmitOrder", "AdoptOrder", "ReviveOrder"})


class Gap(NamedTuple):
    """Records ``first`` to ``last`` were removed; ``check`` is that of the last of them."""

    first: int
    last: int
    check: int


class Pruned(NamedTuple):
    """What one piece came to, or would come to."""

    reached: int  # the last record looked at: where the next piece begins
    removed: int  # records
    body_bytes: int  # of their bodies
    kept: int  # records looked at that stay
    orders: int  # whose introduction went
    packed_bytes: int  # that their tombstones became shorter by
    is_last: bool  # there is nothing behind it to look at

    def then(self, later: Pruned) -> Pruned:
        """This piece and a later one as one."""
        return Pruned(
            later.reached,
            self.removed + later.removed,
            self.body_bytes + later.body_bytes,
            self.kept + later.kept,
            self.orders + later.orders,
            self.packed_bytes + later.packed_bytes,
            later.is_last,
        )


def merged(gaps: Iterable[Gap]) -> list[Gap]:
    """The same gaps in order, those side by side as one."""
    found: list[Gap] = []
    for gap in sorted(gaps):
        if found and found[-1].last + 1 == gap.first:
            found[-1] = Gap(found[-1].first, gap.last, gap.check)
        else:
            found.append(gap)
    return found


# --- tombstones -----------------------------------------------------------------------------------

_PLAIN: Final = b"{"  # how a tombstone begins that is not packed
_PACKED: Final = b"\x01"  # how one begins that is packed with the words below
_WINDOW: Final = -12  # a raw stream with a window of 4 KiB: the words and any usual tombstone
_MEMORY: Final = 4
_LEVEL: Final = 6

#: What tombstones have in common, so that it is not stored again in each; the most usual last. It
#: is part of the format: a change needs another first byte.
_WORDS: Final = (
    b'"expire_ts":,"post_only":true,"reduce_only":true,"slot":"LONG","slot":"SHORT","cash_qty":"'
    b'"attempt":2,"tags":[["strategy",""],["signal",""]],"trigger_source":"MARK","trail_offset":"'
    b'"stop_px":"","order_type":"STOP_LIMIT","order_type":"STOP","time_in_force":"DAY",'
    b'"life":"REJECTED","life":"EXPIRED","life":"DENIED","end":"CANCELLED","doubt":"FATE",'
    b'"unverified":true,"inferred":true,"revises":"","feeds":"POSITION","source":"QUERY",'
    b'"source":"LIST","cum_qty":"","venue_order_id":"","instrument":"","side":"SELL","voids":[""]'
    b'{"order":{"terms":{"type":"SubmitOrder","intent_id":"","venue":"","account":"",'
    b'"instrument":"","side":"BUY","order_type":"MARKET","order_type":"LIMIT","order_qty":"0.",'
    b'"ts":17,"client_order_id":"","price":"","time_in_force":"IOC"},"life":"CANCELLED",'
    b'"life":"FILLED","link":"FREE","requests":[],"order_qty":"0.","price":"","stop_px":null,'
    b'"cum_qty":"0","cum_cost":"0","claim_qty":"0","end":null,"doubt":null,"unverified":false,'
    b'"venue_order_ids":[""],"ts":17,"ended_ts":0}}'
    b',"fills":[{"type":"Filled","client_order_id":"","ts":17,"exec_id":"","last_qty":"0.",'
    b'"last_px":"","fee":"0.","fee_currency":"USDT","liquidity":"TAKER"},{"type":"Filled",'
    b'"client_order_id":"","ts":17,"exec_id":"","last_qty":"","last_px":"","fee":"",'
    b'"fee_currency":"","liquidity":"MAKER"}]}'
)


def pack(body: bytes) -> bytes:
    """A tombstone in fewer bytes; what is packed already, or would not be shorter, stays."""
    if body[:1] != _PLAIN:
        return body
    packer = zlib.compressobj(
        _LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _WORDS
    )
    packed = _PACKED + packer.compress(body) + packer.flush()
    return packed if len(packed) < len(body) else body


def unpack(body: bytes) -> bytes:
    """What :func:`pack` was given.

    Raises:
        zlib.error: it is not what pack made.
    """
    if body[:1] != _PACKED:
        return body
    opener = zlib.decompressobj(_WINDOW, _WORDS)
    plain = opener.decompress(body[1:])
    if not opener.eof or opener.unused_data:
        raise zlib.error("it is cut short, or something stands behind it")
    return plain
