"""What works, as a desk has it counted, is what there is, whatever has happened since."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from actors.signal_book import SignalBook
from actors.testing import SPOT, SimulatedSystem
from engine import limit
from engine.contingent import bracket
from engine.errors import JournalError, UserError
from engine.messages import SubmitOrder
from engine.simulator import ExchangeConfig
from engine.testing import PROFILES

MS = 1_000_000
D = Decimal
BTC = SPOT.symbol


def compare(system: SimulatedSystem) -> list[str]:
    """Inside a turn: what the book of the broker says differently from one that is new."""
    found: list[str] = []

    def look() -> None:
        (broker,) = system.system.brokers.values()
        if broker.signal_book is None:
            broker.signal_book = SignalBook(broker)
        kept, new = broker.signal_book, SignalBook(broker)
        for book in (kept, new):
            book.settle()
        for mine, other in (
            (kept.entries, new.entries),
            ({one.client_order_id: one for one in kept.beside()},
             {one.client_order_id: one for one in new.beside()}),
            (kept.doubtful(BTC) == "", new.doubtful(BTC) == ""),
        ):  # fmt: skip
            if mine != other:
                found.append(f"{mine} kept, {other} new")

    system.system.call_soon(look)
    system.run_until_idle()
    return found


@pytest.mark.parametrize("seed", range(12))
def test_a_book_that_is_kept_is_one_that_is_made_anew(seed: int) -> None:
    """Orders that fill, end, fall into doubt or come back; turns that are discarded; crashes."""
    random = Random(seed)
    plan = PROFILES["rough" if seed % 2 else "hell"]
    system = SimulatedSystem(seed=seed, plan=plan, config=ExchangeConfig(last_from_quotes=True))
    px = 200
    for number in range(60):
        what = random.randrange(8)
        try:
            if what < 2:
                entry = limit(BTC, "BUY", "1", px - random.randrange(4))
                system.system.submit_group(bracket(entry, stop_px=px - 20, target=px + 20))
            elif what == 2:
                order: SubmitOrder = limit(BTC, random.choice(("BUY", "SELL")), "0.5", px)
                system.system.submit(order)
            elif what == 3 and (orders := system.system.orders().get(timeout=1)):
                system.system.cancel(random.choice(orders).client_order_id)
            elif what == 4:
                system.fail_journal(1)
            elif what == 5 and not number % 7:
                system.crash()
        except (UserError, JournalError):
            assert system.alive
        if not system.alive:
            system.restart()
        px += random.randrange(-4, 5)
        system.quote(BTC, D(px - 1), D(5), D(px + 1), D(5))
        system.run(random.choice((1, 50, 2000)) * MS)
        if system.alive:
            assert not compare(system), number
