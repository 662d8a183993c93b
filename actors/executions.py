"""The unique row of each execution: the last line of defence against booking one twice.

An order's own ledger refuses a repeat; this row refuses it on *another* order, across restarts.
"""

from __future__ import annotations

from engine.ledger import Ledger
from engine.messages import Filled, SubmitOrder
from engine.order import Booking

from .broker_words import ExecutionElsewhere
from .journal import FillKey
from .turn import Turn

__all__ = ["Executions"]


class Executions:
    """Claims executions for one account, inside turns."""

    __slots__ = ("_account", "_turn", "_venue")

    def __init__(self, venue: str, account: str, turn: Turn) -> None:
        self._venue = venue
        self._account = account
        self._turn = turn

    def claim(self, terms: SubmitOrder, booking: Booking, ledger: Ledger | None) -> None:
        """Stage the row of an execution that is booked now.

        Raises:
            ExecutionElsewhere: the journal has it on another order; nothing was staged.
        """
        if ledger is not None and booking.exec_id in ledger:
            return  # a correction in place: the row is there
        fill = booking.fill
        turn = self._turn
        side = terms.side if fill.side is None else fill.side
        symbol = fill.instrument or terms.instrument
        cid = terms.client_order_id
        row = (self._venue, self._account, symbol, side.text, fill.exec_id, cid)
        if turn.refused_execution:
            owner = turn.refused_execution.get(row[:5])
            if owner is not None and (owner != cid or turn.is_claimed(row[:5])):
                raise ExecutionElsewhere(
                    f"execution {fill.exec_id!r} is booked on order {owner!r} already;"
                    " it was not booked again"
                )
        turn.batch.fills.append(row)

    def key(self, terms: SubmitOrder, fill: Filled) -> FillKey:
        """What makes an execution unique.

        Venues number trades per symbol, and give both sides of a trade one number.
        """
        side = terms.side if fill.side is None else fill.side
        symbol = fill.instrument or terms.instrument
        return self._venue, self._account, symbol, side.text, fill.exec_id

    def is_claimed(self, key: FillKey) -> bool:
        """Whether an execution has its row, on disk or in this turn; asked only in trouble."""
        return self._turn.is_claimed(key)
