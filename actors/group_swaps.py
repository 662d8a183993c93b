"""Prices, for groups at a venue where a stop and a target cannot both rest.

There the price decides which of them does (:mod:`engine.group_live`). This is where it enters: a
group with such exits watches its instruments, and is told when other targets should be live than
before. A target that is live has no stop at the venue for its part, so it goes back when prices are
not known any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from engine.group_live import Aim, Marks, chosen
from engine.group_steps import Plan
from engine.prices import Price, age_ns
from engine.session_chart import SessionState
from engine.values import Side, TriggerSource

from .group_roles import GroupRole
from .group_words import PricesDue, Swapped
from .runtime import Timer

__all__ = ["GroupSwaps"]

_AGAIN_NS: Final = 1_000_000_000  # while the venue cannot be reached
#: Where the stop's own source says nothing, these are asked in turn.
_SOURCES: Final = (TriggerSource.LAST, TriggerSource.MID, TriggerSource.MARK)


class GroupSwaps:
    """The prices of one group. Lives and dies with it, on the same thread."""

    __slots__ = ("_actor", "_aims", "_blind_told", "_due", "_exposed", "_retry", "_watched")

    def __init__(self, actor: GroupRole) -> None:
        self._actor = actor
        self._aims: tuple[Aim, ...] = ()
        self._exposed: dict[str, Decimal] = {}
        self._watched: dict[str, None] = {}
        self._due: Timer | None = None  # when prices would be too old
        self._retry: Timer | None = None  # when the venue may be reached again
        self._blind_told = False

    def looked(self, found: Plan) -> None:
        """After the commit of a look: watch what its targets are at, and nothing else."""
        self._aims, self._exposed = found.aims, dict(found.exposed)
        wanted = {self._actor.legs[aim.target].order.instrument: None for aim in found.aims}
        prices = self._actor.broker.prices
        for instrument in [one for one in self._watched if one not in wanted]:
            del self._watched[instrument]
            prices.unwatch(instrument, self._actor.actor_urn)
        for instrument in [one for one in wanted if one not in self._watched]:
            self._watched[instrument] = None
            prices.watch(instrument, self._actor.actor_urn, self._priced)
        if not wanted and self._due is not None:
            self._due.cancel()
            self._due = None
        elif wanted and self._due is None:
            self._expect()
        if self._aims and self._wanted() != self._actor.group.live:
            self._look_again(1)
        elif self._aims and not self._is_ready():
            self._look_again(_AGAIN_NS)

    def stop(self) -> None:
        """Nobody is told any more."""
        for instrument in self._watched:
            self._actor.broker.prices.unwatch(instrument, self._actor.actor_urn)
        self._watched.clear()
        for timer in (self._due, self._retry):
            if timer is not None:
                timer.cancel()

    def overdue(self, found: Plan, emergency: str) -> tuple[str, ...]:
        """The targets that are not in the place of their stop yet, where they should be by now; a
        person is told.
        """
        aims = [one.target for one in found.aims if one.emergency == emergency]
        live = tuple(name for name in aims if name in self._actor.group.live)
        if live:
            detail = f"{', '.join(live)} came not in time: the stop is to come back"
            self._actor.broker.alarm("swap_stuck", detail, self._actor.actor_urn)
        return live

    def due(self) -> tuple[str, ...]:
        """A clock rang: the targets that should be live now. Tells a person, once, where prices are
        not known (any more).
        """
        actor = self._actor
        if self._due is not None and self._due.due_ns <= actor.broker.dispatcher.monotonic_ns():
            self._due = None
        self._retry = None
        wanted = self._wanted()
        if all(self._price(aim) is not None for aim in self._aims):
            actor.broker.turn.effects.append((self._again, None, None))
        elif self._due is None and not self._blind_told:
            self._blind_told = True
            names = ", ".join(aim.target for aim in self._aims if self._price(aim) is None)
            seconds = actor.group.terms.swap.fresh_ns / 1e9
            detail = f"no price for {seconds:g} s: {names} is held back, the stop is at the venue"
            actor.broker.alarm("target_blind", detail, actor.actor_urn)
        return wanted

    # --- inside -----------------------------------------------------------------------------------

    def _is_ready(self) -> bool:
        return self._actor.broker.session.state is SessionState.READY

    def _look_again(self, wait_ns: int) -> None:
        if self._retry is None:
            message = PricesDue(self._actor.group.group_id)
            self._retry = self._actor.desk.remind(wait_ns, message)

    def _again(self, _: None, __: None) -> None:
        if self._due is None and self._aims:
            self._expect()

    def _expect(self) -> None:
        """Come back when the first of the prices would be too old; a first one has as long."""
        actor = self._actor
        group, now = actor.group, actor.broker.dispatcher.monotonic_ns()
        fresh_ns = group.terms.swap.fresh_ns
        wait = min(fresh_ns - (self._age(aim, now) or 0) for aim in self._aims)
        self._due = actor.desk.remind(max(wait + 1, 1), PricesDue(group.group_id))

    def _age(self, aim: Aim, now: int) -> int | None:
        """How old the newest price of an aim is, by any source; None: too old, or there is none."""
        actor = self._actor
        price = actor.broker.prices.latest(actor.legs[aim.stop].order.instrument)
        ages = [age_ns(price, source, now) for source in _SOURCES] if price is not None else []
        found = min((age for age in ages if age is not None), default=None)
        return None if found is None or found > actor.group.terms.swap.fresh_ns else found

    def _price(self, aim: Aim) -> Decimal | None:
        """The price of an aim: by the stop's own source, or else by any."""
        actor = self._actor
        order = actor.legs[aim.stop].order
        fresh_ns = actor.group.terms.swap.fresh_ns
        for source in (order.trigger_source, *_SOURCES):
            price = actor.broker.prices.now(order.instrument, source, fresh_ns)
            if price is not None:
                return price
        return None

    def _priced(self, _: Price) -> None:
        """In the turn of a price: other targets are live from now on, or nothing happens."""
        actor = self._actor
        live, wanted = actor.group.live, self._wanted()
        if wanted == live:
            if self._aims and not self._is_ready():
                self._look_again(_AGAIN_NS)
            if self._due is None and self._aims:
                actor.broker.turn.effects.append((self._again, None, None))
            return
        self._blind_told = False
        actor.desk.tell(actor, Swapped(actor.group.group_id, wanted))

    def _wanted(self) -> tuple[str, ...]:
        """The targets that should be live, as prices are known now."""
        group = self._actor.group
        return chosen(group.terms.swap, group.live, self._seen())

    def _seen(self) -> Iterator[tuple[str, Marks, Decimal]]:
        """The targets that may be live as prices are. One that is not yet may become so only where
        nothing of its holding is without a stop, and the venue can be reached.
        """
        actor = self._actor
        is_ready = self._is_ready()
        for aim in self._aims:
            is_live = aim.target in actor.group.live
            if not is_live and (aim.emergency in self._exposed or not is_ready):
                continue
            price = self._price(aim)
            px, _ = actor.moves.prices(actor.group, aim.target)
            _, stop_px = actor.moves.prices(actor.group, aim.stop)
            if price is None or px is None:
                continue
            stop = actor.legs[aim.stop].order
            marks = Marks(px, stop_px, stop.trail_offset, stop.side is Side.SELL)
            yield aim.target, marks, price
