"""The demo's story: orders of every kind, and what markets do to them.

A scene is a title, what to watch for, and what happens. Scenes look at the market before they act,
as a strategy would, so every seed tells the story with other numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

from engine.contingent import bracket
from engine.intents import (
    limit,
    market,
    stop,
    stop_limit,
    take_profit,
    take_profit_limit,
    trailing_stop,
)
from engine.messages import GroupState
from engine.values import ONE, TimeInForce

from .demo import PERP, SPOT, Stage

__all__ = ["SCENES", "WORTH_EXPLAINING", "Scene"]

_SECOND: Final = 1_000_000_000
_BTC: Final = SPOT.symbol
_PERP: Final = PERP.symbol

#: The intent that ``explain`` shows at the end, the first of these that was sent.
WORTH_EXPLAINING: Final = ("race-1", "depth-1", "open-1")


class Scene(NamedTuple):
    """One part of the story."""

    title: str
    text: str
    play: Callable[[Stage], None]


def _tagged(name: str) -> dict[str, str]:
    return {"strategy": "demo", "scene": name}


def _bracket(stage: Stage) -> None:
    """The entry asks for more than there is, and its rest is called back; the market goes up."""
    tick, ask = SPOT.tick_size, stage.ask(SPOT)
    entry = limit(_BTC, "BUY", "0.16", ask)
    targets = [(ask + 40 * tick, "0.5"), (ask + 90 * tick, "0.5")]
    group = stage.submit_group(
        bracket(entry, stop_px=ask - 90 * tick, targets=targets), "swing", _tagged("bracket")
    )
    stage.pause(0.15)
    stage.cancel("swing/entry")
    stage.pause(0.35)
    stage.amend("swing/stop", stop_px=ask - 60 * tick)
    stage.pause(0.25)
    _rise_to(stage, targets[0][0])
    stage.pause(0.75)
    stage.amend("swing/stop", stop_px=ask - 30 * tick)
    stage.pause(0.25)
    _rise_to(stage, targets[1][0])
    stage.pause(0.75)
    if group.state().get() is not GroupState.DONE:  # the market did not come to a target
        stage.system.cancel_group(group, close=True, reason="the story")
    stage.pause(1)


def _rise_to(stage: Stage, px: Decimal) -> None:
    """The market trades a little beyond a price, for one step."""
    stage.wick(SPOT, int((px - stage.bid(SPOT)) / SPOT.tick_size) + 4)


def _opening(stage: Stage) -> None:
    tags = _tagged("opening")
    stage.submit(market(_BTC, "BUY", "0.25", intent_id="open-1", tags=tags))
    stage.submit(market(_BTC, "BUY", cash_qty=1500, intent_id="open-cash", tags=tags))
    stage.submit(limit(_BTC, "BUY", "0.1", stage.bid(SPOT), intent_id="open-rest", tags=tags))
    stage.submit(limit(_BTC, "BUY", "0.1", stage.ask(SPOT, 4), intent_id="open-take", tags=tags))
    stage.submit(market(_PERP, "SELL", 1500, intent_id="hedge-1", tags=tags))
    stage.pause(1.5)


def _strict(stage: Stage) -> None:
    tags = _tagged("strict")
    ask = stage.ask(SPOT)
    depth = stage.top(SPOT).ask_qty or ONE
    stage.submit(
        limit(_BTC, "BUY", depth * 3, ask, time_in_force="IOC", intent_id="ioc-1", tags=tags)
    )
    stage.submit(
        limit(_BTC, "BUY", "1.5", ask, time_in_force="FOK", intent_id="fok-big", tags=tags)
    )
    stage.submit(
        limit(
            _BTC,
            "BUY",
            "0.01",
            stage.ask(SPOT, 8),
            time_in_force="FOK",
            intent_id="fok-ok",
            tags=tags,
        )
    )
    stage.submit(
        limit(
            _BTC,
            "BUY",
            "0.05",
            stage.bid(SPOT, -6),
            post_only=True,
            intent_id="maker-ok",
            tags=tags,
        )
    )
    stage.submit(
        limit(
            _BTC,
            "BUY",
            "0.05",
            stage.ask(SPOT, 20),
            post_only=True,
            intent_id="maker-cross",
            tags=tags,
        )
    )
    stage.pause(1)


def _depth(stage: Stage) -> None:
    tags = _tagged("depth")
    stage.submit(limit(_BTC, "BUY", "2.8", stage.ask(SPOT), intent_id="depth-1", tags=tags))
    stage.pause(0.15)
    stage.amend("depth-1", price=stage.ask(SPOT, 1))
    stage.pause(0.15)
    stage.amend("depth-1", order_qty=Decimal("2.5"))
    stage.pause(0.15)
    stage.cancel("depth-1")
    stage.pause(0.5)


def _triggers(stage: Stage) -> None:
    tags = _tagged("triggers")
    bid, ask = stage.bid(SPOT), stage.ask(SPOT)
    tick = SPOT.tick_size
    exits = (
        stop(_BTC, "SELL", "0.05", bid - 6 * tick, reduce_only=True, intent_id="stop-1", tags=tags),
        stop_limit(
            _BTC, "SELL", "0.05", bid - 8 * tick, bid - 14 * tick, reduce_only=True,
            intent_id="stop-limit-1", tags=tags,
        ),
        take_profit(
            _BTC, "SELL", "0.05", ask + 6 * tick, reduce_only=True, intent_id="profit-1", tags=tags
        ),
        take_profit_limit(
            _BTC, "SELL", "0.05", ask + 8 * tick, ask + 8 * tick, reduce_only=True,
            intent_id="profit-limit-1", tags=tags,
        ),
        trailing_stop(
            _BTC, "SELL", "0.05", 10 * tick, reduce_only=True, intent_id="trail-1", tags=tags
        ),
    )  # fmt: skip
    for order in exits:
        stage.submit(order)
    far = stage.bid(PERP, -400)
    stage.submit(
        stop(
            _PERP,
            "BUY",
            1500,
            stage.ask(PERP, 60),
            reduce_only=True,
            intent_id="hedge-stop",
            tags=tags,
        )
    )
    stage.submit(
        take_profit(_PERP, "BUY", 500, far, reduce_only=True, intent_id="hedge-profit", tags=tags)
    )
    stage.pause(0.75)
    stage.wick(SPOT, -24)
    stage.pause(0.75)
    stage.wick(SPOT, 30)
    stage.pause(1)


def _race(stage: Stage) -> None:
    """The cancel leaves after the order and comes when it has filled: refused, the fill counts."""
    tags = _tagged("race")
    stage.submit(limit(_BTC, "SELL", "0.02", stage.bid(SPOT, -30), intent_id="race-1", tags=tags))
    stage.clock.run_for(5_000_000)
    stage.cancel("race-1")
    stage.submit(limit(_BTC, "SELL", "0.02", stage.ask(SPOT, 40), intent_id="race-2", tags=tags))
    stage.clock.run_for(5_000_000)
    stage.cancel("race-2")
    stage.submit(limit(_BTC, "SELL", "0.03", stage.ask(SPOT, 60), intent_id="race-3", tags=tags))
    stage.amend("race-3", price=stage.ask(SPOT, 50))
    stage.cancel("race-3")
    stage.pause(1)


def _refusals(stage: Stage) -> None:
    tags = _tagged("refusals")
    stage.submit(limit(_BTC, "BUY", "0.01", "59999.77", intent_id="off-tick", tags=tags))
    stage.submit(limit(_BTC, "BUY", 0, 60_000, intent_id="zero", tags=tags))
    stage.submit(market("DOGE/USDT", "BUY", 1, intent_id="unknown", tags=tags))
    stage.submit(market(_BTC, "BUY", "0.3", intent_id="open-1", tags=tags))
    stage.submit(limit(_BTC, "BUY", 5, stage.bid(SPOT), intent_id="too-poor", tags=tags))
    stage.submit(
        limit(
            _PERP, "BUY", "10", stage.ask(PERP, 50), post_only=True, intent_id="cross-2", tags=tags
        )
    )
    stage.submit(market(_BTC, "BUY", "0.25", intent_id="open-1", tags=_tagged("opening")))
    stage.pause(0.5)


def _clocks(stage: Stage) -> None:
    tags = _tagged("clocks")
    until = stage.clock.time_ns() + 2 * _SECOND
    stage.submit(
        limit(
            _BTC, "BUY", "0.02", stage.bid(SPOT, -150), time_in_force=TimeInForce.GTD,
            expire_ts=until, intent_id="gtd-1", tags=tags,
        )
    )  # fmt: skip
    stage.submit(
        limit(
            _BTC,
            "BUY",
            "0.02",
            stage.bid(SPOT, -160),
            time_in_force="DAY",
            intent_id="day-1",
            tags=tags,
        )
    )
    stage.pause(2.5)


def _broken_line(stage: Stage) -> None:
    tags = _tagged("broken line")
    stage.submit(limit(_PERP, "SELL", 400, stage.ask(PERP, 24), intent_id="line-1", tags=tags))
    stage.pause(0.25)
    stage.submit(limit(_PERP, "SELL", 400, stage.bid(PERP, -1), intent_id="line-2", tags=tags))
    stage.clock.run_for(10_000_000)
    stage.drop_link()
    stage.wick(PERP, 40)
    stage.submit(limit(_BTC, "BUY", "0.03", stage.ask(SPOT, 4), intent_id="line-other", tags=tags))
    stage.pause(2)


def _flip(stage: Stage) -> None:
    tags = _tagged("flip")
    stage.submit(market(_PERP, "BUY", 2500, intent_id="flip-1", tags=tags))
    stage.pause(0.75)
    stage.submit(
        limit(_PERP, "SELL", 300, stage.ask(PERP), post_only=True, intent_id="quote-1", tags=tags)
    )
    stage.submit(
        limit(_PERP, "BUY", 300, stage.bid(PERP), post_only=True, intent_id="quote-2", tags=tags)
    )
    stage.pause(2)
    stage.submit(market(_PERP, "SELL", 5000, reduce_only=True, intent_id="flat-1", tags=tags))
    stage.pause(0.75)


def _evening(stage: Stage) -> None:
    tags = _tagged("evening")
    stage.submit(market(_BTC, "SELL", "0.1", reduce_only=True, intent_id="out-1", tags=tags))
    stage.submit(
        limit(
            _BTC, "SELL", "0.1", stage.bid(SPOT, -2), reduce_only=True, intent_id="out-2", tags=tags
        )
    )
    stage.submit(
        limit(
            _BTC,
            "SELL",
            "0.2",
            stage.ask(SPOT, 900),
            time_in_force="DAY",
            intent_id="day-2",
            tags=tags,
        )
    )
    while stage.clock.time_ns() < stage.day_ends_ns:
        stage.pause(1)
    stage.pause(0.5)


SCENES: Final = (
    Scene(
        "A bracket",
        "stop and targets for what the entry has filled; the stop is moved; each target shrinks it",
        _bracket,
    ),
    Scene(
        "Opening",
        "market, sized in lots and in cash; limits that rest and cross; a hedge at the other venue",
        _opening,
    ),
    Scene(
        "Strict orders",
        "IOC fills what is there, drops the rest; FOK fills all or nothing; post-only never takes",
        _strict,
    ),
    Scene(
        "More than the book has",
        "partial fills; the price is amended, then the quantity; at last a cancel of the rest",
        _depth,
    ),
    Scene(
        "Waiting for a price",
        "stop, stop-limit, take-profit, take-profit-limit and a trailing stop, all reduce-only",
        _triggers,
    ),
    Scene(
        "Races",
        "a cancel that comes too late is refused and the fill counts; one overtakes an amend",
        _race,
    ),
    Scene(
        "Refusals",
        "ours, before anything is written; the venue's, after; an intent sent twice is one order",
        _refusals,
    ),
    Scene("Clocks", "good till a moment, and good for the day", _clocks),
    Scene(
        "A broken line",
        "delta's line breaks with orders there; alpha goes on; what happened is asked, not assumed",
        _broken_line,
    ),
    Scene(
        "Through zero",
        "an inverse position flips from short to long, earns as maker, is closed by reduce-only",
        _flip,
    ),
    Scene("Evening", "the spot day ends: what was good for the day expires", _evening),
)
