"""Restart: from a journal to actors, with everything as it was.

The journal's checkpoint rows hold positions, instruments and open orders as of one sequence number;
the facts after it are folded on top with the engine's own functions. Orders that were on the wire,
or waiting to leave, are then of unknown outcome: nothing counts as not sent, and only the venue
ends that doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from engine.errors import JournalCorrupt
from engine.fold import Books, revive, tombstone
from engine.journal import decode
from engine.messages import OrderReport, OutcomeUnknown
from engine.order import Ledger, Order, is_settled
from engine.order_tables import TERMINAL, Life
from engine.position_state import Position
from engine.values import Instrument, exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .journal import Batch, Journal

__all__ = ["Recovered", "checkpoint", "doubts", "recover"]

_ENCODER = msgspec.json.Encoder()
_INSTRUMENT = msgspec.json.Decoder(Instrument)
_POSITION = msgspec.json.Decoder(Position)
_PARKED = msgspec.json.Decoder(list[OrderReport])


class Recovered(msgspec.Struct, frozen=True):
    """What a journal says is there."""

    books: Books
    open_orders: tuple[tuple[Order, Ledger | None], ...]
    checkpoint_seq: int
    facts_folded: int


def recover(journal: Journal) -> Recovered:
    """Read a journal back.

    Raises:
        JournalCorrupt: a record or checkpoint cannot be read, or contradicts what stands before it.
    """
    books = Books()
    seq = 0
    for key, (at, body) in journal.checkpoints().items():
        if _is_ours(key):
            seq = max(seq, at)
            _take_over(books, key, body)
    with exact():
        for record in journal.records(after=seq):
            books.apply(record.entity, decode(record.body))
    still_open = tuple(
        (order, books.ledgers.get(name))
        for name, order in books.orders.items()
        if not (order.life in TERMINAL and is_settled(order))
    )
    return Recovered(books, still_open, seq, books.facts)


def _is_ours(key: str) -> bool:
    """Whether a row is part of a checkpoint of state; others keep rows of their own (a replay's
    watermark).
    """
    return key.partition(":")[0] in ("order", "frozen", "position", "instrument", "parked")


def _take_over(books: Books, key: str, body: bytes) -> None:
    kind, _, name = key.partition(":")
    try:
        if kind == "order":
            books.hold(*revive(body))
        elif kind == "position":
            position = _POSITION.decode(body)
            books.positions[position.key] = position
        elif kind == "instrument":
            instrument = _INSTRUMENT.decode(body)
            books.instruments[instrument.venue, instrument.symbol] = instrument
        elif kind == "frozen":
            books.frozen[name] = "frozen before the checkpoint"
        elif kind == "parked":
            books.parked[name] = list(_PARKED.decode(body))
    except msgspec.MsgspecError as error:
        raise JournalCorrupt(f"checkpoint {key!r} cannot be read: {error}") from None


def doubts(order: Order, ts: int) -> list[OutcomeUnknown]:
    """What a restart makes unknown about an order."""
    cid = order.terms.client_order_id
    found = [
        OutcomeUnknown(cid, ts, out.req_id, "restart") for out in order.requests if not out.unknown
    ]
    if order.life is Life.PENDING or order.life is Life.SUBMITTED:
        found.insert(0, OutcomeUnknown(cid, ts, None, "restart"))
    return found


class _HasOrder(Protocol):
    @property
    def order(self) -> Order: ...

    @property
    def ledger(self) -> Ledger | None: ...

    @property
    def frozen(self) -> bool: ...


def checkpoint(
    batch: Batch,
    known: Iterable[str],
    instruments: Iterable[Instrument],
    positions: Iterable[Position],
    orders: Iterable[_HasOrder],
    parked: Mapping[str, Sequence[OrderReport]],
) -> None:
    """Stage checkpoint rows of everything, and the removal of those in ``known`` that are gone."""
    rows = batch.checkpoints
    for instrument in instruments:
        rows[f"instrument:{instrument.venue}:{instrument.symbol}"] = _ENCODER.encode(instrument)
    for position in positions:
        venue, account, symbol, slot = position.key
        rows[f"position:{venue}:{account}:{symbol}:{slot.value}"] = _ENCODER.encode(position)
    for actor in orders:
        cid = actor.order.terms.client_order_id
        rows[f"order:{cid}"] = tombstone(actor.order, actor.ledger)
        if actor.frozen:
            rows[f"frozen:{cid}"] = b'"frozen before the checkpoint"'
    for name, reports in parked.items():
        rows[f"parked:{name}"] = _ENCODER.encode(reports)
    batch.checkpoints_removed.extend(key for key in known if key not in rows and _is_ours(key))
