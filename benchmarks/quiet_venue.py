"""A venue of many instruments that accepts every order at once and fills it when it is told to.

What it says comes as bytes and is decoded, as from a real venue's adapter: no text in it is shared
with anything, so what an order keeps of it is really kept.
"""

from __future__ import annotations

import itertools
from typing import Final

from msgspec.structs import replace

from actors.venues.port import Answer, Done, Outcome
from engine.messages import Place
from engine.values import Instrument

from .lives import ACCOUNT, INSTRUMENT, VENUE
from .script_venue import ScriptVenue

__all__ = ["QuietVenue"]

_START_NS: Final = 1_700_000_000 * 1_000_000_000
_ORDER_IDS: Final = 8_389_765_000_000
_EXEC_IDS: Final = 10_000_000_000
_INTENT: Final = (
    b'{"type":"SubmitOrder","intent_id":"intent-%d","venue":"%b","account":"%b","instrument":"%b",'
    b'"side":"%b","order_type":"LIMIT","order_qty":"%b","price":"%d.5"}'
)
_ACCEPTED: Final = b'{"type":"Accepted","client_order_id":"%b","ts":%d,"venue_order_id":"%d"}'
_FILLED: Final = (
    b'{"type":"Filled","client_order_id":"%b","ts":%d,"exec_id":"%d","last_qty":"%b",'
    b'"last_px":"%d.5","fee":"0.0%d","fee_currency":"USDT","liquidity":"MAKER",'
    b'"venue_order_id":"%d","instrument":"%b","side":"%b"}'
)


class QuietVenue(ScriptVenue):
    """Orders are numbered in the order in which they are placed, from 0.

    An order's terms follow from its number. Execution ids rise, whatever is traded; ``ts`` too.
    """

    def __init__(self, instruments: int) -> None:
        super().__init__()
        self.traded: tuple[Instrument, ...] = tuple(
            replace(INSTRUMENT, symbol=f"S{number:04d}USDT") for number in range(instruments)
        )
        self._symbols = [one.symbol.encode() for one in self.traded]
        self._placed = itertools.count(1)
        self._executed = itertools.count(1)

    def intent(self, number: int) -> bytes:
        """An intent to trade 10 and a bit, as the host gets it from elsewhere."""
        symbol, side = self._symbol(number), b"SELL" if number & 1 else b"BUY"
        return _INTENT % (
            number, VENUE.encode(), ACCOUNT.encode(), symbol, side, self.whole(number), _px(number),
        )  # fmt: skip

    def execution(self, number: int, client_order_id: str, qty: bytes) -> bytes:
        """The next execution of order ``number``."""
        side = b"SELL" if number & 1 else b"BUY"
        done = next(self._executed)
        return _FILLED % (
            client_order_id.encode(), _START_NS + done, _EXEC_IDS + done, qty, _px(number),
            6000 + number % 1000, _ORDER_IDS + number, self._symbol(number), side,
        )  # fmt: skip

    def whole(self, number: int) -> bytes:
        """The quantity of order ``number``."""
        return b"10.%03d" % (number % 1000)

    def rest(self, number: int) -> bytes:
        """What fills it when 0.001 is filled."""
        return b"%d.%03d" % divmod(9_999 + number % 1000, 1000)

    def say(self, execution: bytes) -> None:
        """Report an execution."""
        self._sink(self._decode_fill(execution))

    async def place(self, request: Place) -> Outcome:
        """Accept it."""
        order = request.order
        number = next(self._placed) - 1
        body = _ACCEPTED % (order.client_order_id.encode(), order.ts + 1, _ORDER_IDS + number)
        return Done((self._decode_answer(body),))

    async def instruments(self) -> Answer[Instrument]:
        """All of them."""
        return Answer(self.traded, True, 0)

    def _symbol(self, number: int) -> bytes:
        return self._symbols[number % len(self._symbols)]


def _px(number: int) -> int:
    return 60_000 + number % 1000
