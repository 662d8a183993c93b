"""Runs order-state sequences (FIX's own and others in the same form) through the real order code.

A sequence is a list of steps; each names an event, and what the order must look like after it. The
events are plain words; this module turns each into the command or report it means and hands it to
:func:`engine.order_steps.step`. Unknown events, fields of the wrong type and malformed sequences
are errors of the file, never silently passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, TypeAlias

from ..errors import UserError
from ..invariants import check_ledger, check_order, check_step
from ..messages import (
    Accepted,
    AdoptOrder,
    AmendOrder,
    Cancelled,
    CancelOrder,
    CancelRefused,
    DoneForDay,
    Expired,
    Filled,
    Message,
    Rejected,
    Replaced,
    ReplaceRefused,
    RequestPending,
    Restated,
    SubmitOrder,
    TradeBusted,
    TradeCorrected,
)
from ..order import Ledger, Order, avg_px, leaves_qty, public_state, working_state
from ..order_steps import begin, mark_sent, step
from ..values import OrderType, Side, TimeInForce, exact

__all__ = ["Mismatch", "SequenceError", "run_sequence", "run_sequences"]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Params: TypeAlias = Mapping[str, Json]


class SequenceError(UserError):
    """A conformance file is not of the documented form.

    Names sequence, step and the offending value.
    """


class Mismatch(NamedTuple):
    """One field of one step that is not as expected."""

    id: str
    step: int
    field: str
    expected: str | None
    got: str | None


def run_sequences(sequences: Sequence[Json]) -> list[Mismatch]:
    """Run all; the result is empty when every binding field of every step holds.

    Raises:
        SequenceError: the file is malformed; nothing is passed over in silence.
    """
    return [bad for sequence in sequences for bad in run_sequence(sequence)]


def run_sequence(sequence: Json) -> list[Mismatch]:
    """Run one sequence through the real order code."""
    if not isinstance(sequence, dict):
        raise SequenceError(f"a sequence must be an object, was {sequence!r:.80}")
    name = _text(sequence, "id", "a sequence")
    steps = sequence.get("steps")
    if not isinstance(steps, list) or not steps:
        raise SequenceError(f"sequence {name!r}: `steps` must be a list that is not empty")
    bench = _Bench(name)
    found: list[Mismatch] = []
    with exact():
        for number, one in enumerate(steps, 1):
            if not isinstance(one, dict):
                raise SequenceError(f"sequence {name!r}: step {number} must be an object")
            found += bench.play(number, one)
    return found


class _Bench:
    """The orders of one sequence and the translation of its words."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.orders: dict[str, Order] = {}
        self.ledgers: dict[str, Ledger] = {}
        self.ts = 0

    def play(self, number: int, raw: Mapping[str, Json]) -> list[Mismatch]:
        where = f"sequence {self.name!r} step {number}"
        key, event = _text(raw, "order", where), _text(raw, "event", where)
        params, expect = raw.get("params", {}), raw.get("expect")
        if not isinstance(params, dict) or not isinstance(expect, dict):
            raise SequenceError(f"{where}: `params` and `expect` must be objects")
        if "state" not in expect:
            raise SequenceError(
                f"{where}: `expect` must state `state`, had {', '.join(expect)!r:.80}"
            )
        shown = raw.get("step", number)
        self.ts += 1
        try:
            self._apply(key, event, params)
        except (KeyError, InvalidOperation, TypeError, ValueError) as error:
            raise SequenceError(
                f"{where}: event {event!r} with {params!r:.200}: {error!r}"
            ) from None
        try:
            return list(self._compare(key, shown if isinstance(shown, int) else number, expect))
        except (InvalidOperation, TypeError, ValueError) as error:
            raise SequenceError(f"{where}: `expect` {expect!r:.200}: {error!r}") from None

    def _apply(self, key: str, event: str, params: Params) -> None:
        if event == "submit":
            self._begin(key, _terms(key, params, self.ts))
            self.orders[key] = mark_sent(self.orders[key])
        elif event == "external_accept":
            terms = _terms(key, {"qty": params["order_qty"]}, self.ts)
            self._begin(key, AdoptOrder(terms, self.ts, "external"))
            self._step(key, Accepted(key, self.ts))
        elif event in _MEANS_NOTHING:
            return  # says nothing about our order; it is not even delivered to it
        elif event in _MESSAGES:
            self._step(key, _MESSAGES[event](key, self.ts, params))
        else:
            raise SequenceError(
                f"sequence {self.name!r}: unknown event {event!r}; known are"
                f" {', '.join(sorted((*_MESSAGES, *_MEANS_NOTHING, 'submit', 'external_accept')))}"
            )

    def _begin(self, key: str, fact: SubmitOrder | AdoptOrder) -> None:
        if key in self.orders:
            raise ValueError(f"order {key!r} exists already; a repeat is a `submit_duplicate`")
        self.orders[key] = begin(fact)
        self.ledgers[key] = Ledger()

    def _step(self, key: str, message: Message) -> None:
        order = self.orders.get(key)
        if order is None:
            return  # an answer about an order we do not know: there is nothing it could change
        ledger = self.ledgers[key]
        outcome = step(order, ledger, message)
        check_step(order, outcome)
        ledger.apply(outcome.bookings)
        check_order(outcome.order)
        check_ledger(outcome.order, ledger)
        self.orders[key] = outcome.order

    def _compare(self, key: str, number: int, expect: Params) -> Iterable[Mismatch]:
        got = _observe(self.orders.get(key))
        for field, value in got.items():
            if field not in expect:
                continue
            wanted = expect[field]
            if field == "avg_px" and wanted is None:
                continue  # the sequence does not state it
            if field in ("state", "working_state"):
                same = wanted == value
            else:
                same = _number(wanted) == (None if value is None else Decimal(value))
            if not same:
                yield Mismatch(self.name, number, field, _shown(wanted), value)


def _observe(order: Order | None) -> dict[str, str | None]:
    if order is None:
        return {
            "state": None,
            "working_state": None,
            "order_qty": None,
            "cum_qty": "0",
            "leaves_qty": "0",
            "avg_px": "0",
        }
    leaves, average = leaves_qty(order), avg_px(order)
    return {
        "state": public_state(order).value,
        "working_state": working_state(order).value,
        "order_qty": _plain(order.order_qty),
        "cum_qty": _plain(order.cum_qty),
        "leaves_qty": _plain(leaves),
        "avg_px": _plain(average) or "0",
    }


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _shown(value: Json) -> str | None:
    return None if value is None else str(value)


def _text(raw: Mapping[str, Json], field: str, where: str) -> str:
    value = raw.get(field)
    if not isinstance(value, str):
        raise SequenceError(f"{where}: `{field}` must be a string, was {value!r:.80}")
    return value


def _number(value: Json) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"quantities and prices are decimal strings, got {value!r}")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError(f"quantities and prices are finite, got {value!r}")
    return number


def _need(params: Params, field: str) -> Decimal:
    number = _number(params[field])
    if number is None:
        raise ValueError(f"`{field}` must not be null here")
    return number


def _word(params: Params, field: str) -> str:
    value = params.get(field)
    return "" if value is None else str(value)


def _flag(params: Params, field: str) -> bool:
    value = params[field]
    if not isinstance(value, bool):
        raise TypeError(f"`{field}` must be true or false, got {value!r}")
    return value


def _req(params: Params) -> str | None:
    value = params["req_id"]
    return None if value is None else str(value)


def _terms(key: str, params: Params, ts: int) -> SubmitOrder:
    tif = params.get("tif")
    return SubmitOrder(
        key,
        "CONFORMANCE",
        "1",
        "X",
        Side.BUY,
        OrderType.MARKET if params.get("cash_qty") is not None else OrderType.LIMIT,
        _number(params["qty"]),
        ts,
        key,
        price=_number(params.get("px")),
        time_in_force=TimeInForce[str(tif)] if tif else TimeInForce.GTC,
        cash_qty=_number(params.get("cash_qty")),
    )


#: Events that say nothing about the order they are filed under.
_MEANS_NOTHING = frozenset(
    {"status_report", "status_request", "info", "submit_duplicate", "duplicate_reject"}
)

_MESSAGES: dict[str, Callable[[str, int, Params], Message]] = {
    "accept": lambda key, ts, p: Accepted(key, ts, order_qty=_number(p.get("order_qty"))),
    "fill": lambda key, ts, p: Filled(key, ts, str(p["trade_id"]), _need(p, "qty"), _need(p, "px")),
    "cancel_request": lambda key, ts, p: CancelOrder(key, str(p["req_id"]), ts),
    "replace_request": lambda key, ts, p: AmendOrder(key, str(p["req_id"]), ts, _need(p, "qty")),
    "cancel_ack": lambda key, ts, p: Cancelled(key, ts, _req(p), _word(p, "reason")),
    "cancel_reject": lambda key, ts, p: CancelRefused(
        key, ts, str(p["req_id"]), _word(p, "reason")
    ),
    "replace_reject": lambda key, ts, p: ReplaceRefused(
        key, ts, str(p["req_id"]), _word(p, "reason")
    ),
    "replace_ack": lambda key, ts, p: Replaced(key, ts, _req(p), _need(p, "qty")),
    "cancel_pending": lambda key, ts, p: RequestPending(key, ts, str(p["req_id"])),
    "replace_pending": lambda key, ts, p: RequestPending(key, ts, str(p["req_id"])),
    "reject": lambda key, ts, p: Rejected(key, ts, _word(p, "reason")),
    "expire": lambda key, ts, p: Expired(key, ts, _word(p, "reason")),
    "bust": lambda key, ts, p: TradeBusted(key, ts, str(p["trade_id"])),
    "correct": lambda key, ts, p: TradeCorrected(
        key, ts, str(p["trade_id"]), str(p["new_trade_id"]), _need(p, "qty"), _need(p, "px")
    ),
    "restate": lambda key, ts, p: Restated(
        key, ts, _need(p, "order_qty"), _word(p, "reason"), _number(p.get("ratio"))
    ),
    "done_for_day": lambda key, ts, p: DoneForDay(key, ts, _flag(p, "final")),
}
