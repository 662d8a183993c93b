"""The exchange against its dumb twin: the same commands, the same reports."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.messages import Cancelled, Filled, OrderReport
from engine.simulator import Answer
from engine.values import OrderType, Side, TimeInForce

from .desk import Desk
from .twin import ZERO, Line, Twin

D = Decimal
ACCOUNTS = st.sampled_from(("a", "b"))
PRICES = st.integers(95, 105).map(Decimal)
SIZES = st.integers(1, 6).map(Decimal)
HOW = st.sampled_from(("GTC", "GTC", "GTC", "IOC", "FOK", "POST", "MARKET"))


@st.composite
def books(draw: st.DrawFn) -> dict[bool, list[tuple[Decimal, Decimal]]]:
    middle = draw(st.integers(96, 104))
    depth = st.lists(st.integers(0, 5), max_size=4, unique=True).map(sorted)
    bids = [(Decimal(middle - 1 - n), draw(SIZES)) for n in draw(depth)]
    asks = [(Decimal(middle + n), draw(SIZES)) for n in draw(depth)]
    return {True: bids, False: asks}


COMMANDS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), ACCOUNTS, st.booleans(), PRICES, SIZES, HOW),
        st.tuples(st.just("place"), ACCOUNTS, st.booleans(), PRICES, SIZES, HOW),
        st.tuples(st.just("cancel"), ACCOUNTS, st.integers(0, 30)),
        st.tuples(st.just("amend"), ACCOUNTS, st.integers(0, 30), PRICES, SIZES),
        st.tuples(st.just("book"), books()),
        st.tuples(st.just("trade"), PRICES, SIZES, st.booleans()),
    ),
    max_size=40,
)


def line(report: OrderReport) -> Line:
    if isinstance(report, Filled):
        return (report.client_order_id, "Filled", report.last_qty, report.last_px)
    qty = report.cum_qty if isinstance(report, Cancelled) and report.cum_qty else ZERO
    return (report.client_order_id, type(report).__name__, qty, ZERO)


def lines(answer: Answer) -> list[Line] | None:
    return [line(report) for report in answer] if isinstance(answer, tuple) else None


def send(desk: Desk, is_buy: bool, px: Decimal, qty: Decimal, how: str, name: str) -> Answer:
    side = Side.BUY if is_buy else Side.SELL
    if how == "MARKET":
        return desk.send(side, OrderType.MARKET, str(qty), client_order_id=name)
    tif = TimeInForce[how] if how in ("IOC", "FOK") else TimeInForce.GTC
    return desk.send(
        side,
        OrderType.LIMIT,
        str(qty),
        price=str(px),
        client_order_id=name,
        time_in_force=tif,
        post_only=how == "POST",
    )


@given(commands=COMMANDS)
def test_the_twin_agrees(commands: list[tuple[object, ...]]) -> None:
    """Any sequence of orders, cancels, amends, books and prints gives what the twin gives."""
    desk = Desk()
    desks = {"a": desk, "b": Desk(account="b", exchange=desk.exchange)}
    twin = Twin()
    placed: list[tuple[str, str]] = []
    for command in commands:
        answer: list[Line] | None = []
        agreed = True
        match command:
            case ("place", str(account), bool(is_buy), Decimal() as px, Decimal() as qty, str(how)):
                name = f"o{len(placed)}"
                placed.append((account, name))
                answer = lines(send(desks[account], is_buy, px, qty, how, name))
                limit = None if how == "MARKET" else px
                agreed = twin.place(name, account, is_buy, limit, qty, how)
            case ("cancel", str(account), int(index)) if index < len(placed):
                answer = lines(desks[account].cancel(placed[index][1]))
                agreed = twin.cancel(account, placed[index][1])
            case ("amend", str(account), int(index), Decimal() as px, Decimal() as qty) if (
                index < len(placed)
            ):
                name = placed[index][1]
                answer = lines(desks[account].amend(name, price=str(px), order_qty=str(qty)))
                agreed = twin.amend(account, name, px, qty)
            case ("book", dict(levels)):
                desk.exchange.set_book("BTC", levels[True], levels[False], desk.tick())
                twin.book(levels)
            case ("trade", Decimal() as px, Decimal() as qty, bool(is_buyer)):
                desk.trade(str(px), str(qty), Side.BUY if is_buyer else Side.SELL)
                twin.trade(px, qty, is_buyer)
            case _:
                continue
        assert (twin.answer if agreed else None) == answer
        for account, owner in desks.items():
            assert twin.others[account] == [line(report) for report in owner.take()]
    for account, owner in desks.items():
        theirs = sorted((o.name, o.cum, o.leaves) for o in twin.resting if o.account == account)
        ours = sorted(
            (s.client_order_id, s.cum_qty, (s.order_qty or ZERO) - (s.cum_qty or ZERO))
            for s in owner.exchange.open_orders(account, 0)
        )
        assert theirs == ours
