"""The facade's door to the market: prices that a host knows better than its venues."""

from __future__ import annotations

from decimal import Decimal

from engine.errors import InvalidOrder, InvalidValue
from engine.given import check_kind
from engine.messages import PriceUpdate
from engine.prices import Price, check_price
from engine.values import decimal_from

from .linking import Linking
from .runtime import Future
from .stamping import instrument_of

__all__ = ["Pricing"]


class Pricing(Linking):
    """What a host knows better than its venues. Everything public may be called from any thread."""

    def on_price(
        self,
        instrument: str,
        *,
        last: Decimal | int | str | None = None,
        bid: Decimal | int | str | None = None,
        ask: Decimal | int | str | None = None,
        mark: Decimal | int | str | None = None,
        ts: int | None = None,
        venue: str = "",
        account: str = "",
    ) -> None:
        """Tell prices of an instrument, those that have changed; ``ts`` in UTC ns, now if left out.

        Prices may come as fast as they like, see :mod:`actors.prices`.
        Without ``account`` every account of the venue is told, without ``venue`` every one that
        knows the instrument. A quote is told whole: ``bid`` alone says that nothing is asked.

        Raises:
            InvalidValue: no price is told, or one that is not finite, or not above 0 where the
                instrument has no negative prices; nothing has changed.
            InvalidOrder: no account there knows the instrument.
            SystemStopped: not accepted.
        """
        self._check_accepting()
        if ts is not None and (type(ts) is not int or not 0 <= ts < 2**63):
            raise InvalidValue(f"ts must be UTC nanoseconds, was {ts!r:.40}")
        for what, name in (("instrument", instrument), ("venue", venue), ("account", account)):
            check_kind(what, name, str)
        update = PriceUpdate(
            instrument,
            self.dispatcher.time_ns() if ts is None else ts,
            *(
                None if px is None else decimal_from(px, what)
                for what, px in (("last", last), ("bid", bid), ("ask", ask), ("mark", mark))
            ),
        )
        told = [
            broker
            for (name, at), broker in self.brokers.items()
            if (not venue or name == venue)
            and (not account or at == account)
            and instrument in broker.instruments
        ]
        if not told:
            where = "/".join(part for part in (venue, account) if part) or "any account"
            raise InvalidOrder(
                f"instrument {instrument[:64]!a} is not known at {where}: define it first",
                "UNKNOWN_INSTRUMENT",
            )
        check_price(update, told[0].instruments[instrument])
        for broker in told:
            broker.prices.sink(update)

    def price(self, instrument: str, *, venue: str = "", account: str = "") -> Future[Price | None]:
        """What is known of an instrument's prices; None: nothing was told yet.

        Raises:
            InvalidOrder: there are several accounts, and it was not said which, or it does not know
                the instrument.
        """
        broker = self._broker(venue, account)
        symbol = instrument_of(broker, instrument).symbol
        return self._asked(lambda: broker.prices.latest(symbol))
