"""The facade's watch over positions: monitors (rules about P&L and time), and what has drifted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias, TypedDict, Unpack, cast

import msgspec

from engine.drift import DriftView, proposals
from engine.errors import InvalidValue
from engine.given import check_amount, check_kind, check_text_of, several
from engine.messages import DriftRemedy, PnlUnit, SetMonitor, SettleDrift
from engine.policies.monitoring import check_monitor
from engine.policies.validation import check_text
from engine.values import PositionSlot, TriggerSource, decimal_from
from engine.watched import Drift, Monitor

from .accounting import Accounting
from .broker import BrokerActor
from .door import check_words, nanoseconds
from .drifting import Settle, is_untouched
from .kept import tags_of
from .runtime import Future
from .submitting import GroupTicket, group_id_of
from .times_of_day import check_time_of_day

__all__ = ["MonitorRules", "MonitorView", "Monitoring"]

_ID_MAX = 64
_WINDOW = 7 * 86_400.0
_NUMBERS = ("take_profit", "stop_loss", "give_back", "give_back_from")
_SECONDS = ("hold", "max_age")
_LISTS = ("close_days", "close_times")
Number: TypeAlias = Decimal | int | str


class MonitorRules(TypedDict, total=False):
    """When what is held is closed; at least one of these, and the first that is met counts.

    ``take_profit``, ``stop_loss``, ``give_back``: at so much P&L, so much below zero, so much below
    the highest P&L seen once that was at least ``give_back_from``. All above zero, in ``unit``:
    money of the settle currency, or percent of the entry value. P&L is valued by ``price_source``;
    prices older than ``max_age`` seconds (60) count as none.

    ``hold``: so many seconds after its first fill, or after now. ``close_at`` ("15:15") in
    ``time_zone`` ("Asia/Kolkata"), of ``close_days`` (1 Monday to 7; none: every day).
    ``close_times``: instants (UTC ns, ascending) of a session calendar.

    ``every``: go on with the next position; else the monitor ends with the first.
    """

    take_profit: Number
    stop_loss: Number
    give_back: Number
    give_back_from: Number
    unit: PnlUnit
    hold: float
    close_at: str
    time_zone: str
    close_days: Sequence[int]
    close_times: Sequence[int]
    price_source: TriggerSource
    max_age: float
    every: bool


class MonitorView(msgspec.Struct, frozen=True, kw_only=True):
    """A monitor as it stands. ``pnl`` is since the position was opened, in the settle currency,
    None while nothing is held or it is not known; ``is_blind``: a person was told so.

    ``side``: 1 long, -1 short, 0 nothing held (several slots: 1 where anything is).
    """

    monitor_id: str
    terms: SetMonitor
    side: int
    opened_ts: int
    due_ts: int
    pnl: Decimal | None
    peak: Decimal
    fired: str
    count: int
    is_blind: bool


class Monitoring(Accounting):
    """What is watched beside orders. Everything public may be called from any thread."""

    # --- monitors ---------------------------------------------------------------------------------

    def monitor(
        self,
        instrument: str = "",
        *,
        group: GroupTicket | str = "",
        currency: str = "",
        slot: PositionSlot = PositionSlot.NET,
        monitor_id: str = "",
        venue: str = "",
        account: str = "",
        tags: Mapping[str, str] | None = None,
        **rules: Unpack[MonitorRules],
    ) -> Future[str]:
        """Close what is held when one of the ``rules`` is met; the future is the monitor's id.

        For the slot of an ``instrument``, for what a ``group`` holds, or for all slots of the
        account that settle in ``currency`` together. Journalled before the future is set, so it
        outlives restarts. With a ``monitor_id`` of the caller's the same rules again set nothing.

        Raises:
            InvalidValue: no rule, or one that cannot be meant; in the future: there is no such
                instrument or group, nothing settles in the currency, P&L would be in several
                currencies, or all ``close_times`` have passed. Nothing was set.
            InvalidOrder: it was not said at which account, or the id cannot be written down.
            DuplicateIntent: in the future: the id is that of a monitor with other rules.
            JournalUnavailable, SystemStopped: not accepted.
        """
        self._check_running()
        broker = self._broker(venue, account)
        check_text_of("monitor_id", monitor_id)
        if monitor_id:
            check_text(monitor_id, "monitor_id", _ID_MAX)
        terms = SetMonitor(
            monitor_id or f"M{self._intents.number()}",
            broker.name,
            broker.account,
            self.dispatcher.time_ns(),
            instrument=instrument,
            slot=slot,
            group_id=group_id_of(group),
            currency=currency,
            tags=tags_of(tags),
            **_terms_of(rules),
        )
        terms = _as_kept(terms)
        check_monitor(terms)
        if terms.close_at:
            check_time_of_day(terms.close_at, terms.time_zone)
        return self._asked(lambda: broker.monitors.set(terms))

    def unmonitor(self, monitor_id: str) -> Future[None]:
        """Take a monitor away. What it has sent stays sent; what it had not closed is left.

        InvalidValue in the future when there is none.
        """
        self._check_running()
        check_text_of("monitor_id", monitor_id)

        def end() -> None:
            for broker in self.brokers.values():
                if monitor_id in broker.watched.monitors:
                    broker.monitors.end(monitor_id, "taken away")
                    return
            raise InvalidValue(f"no monitor {monitor_id[:64]!a} in this system")

        return self._asked(end)

    def monitors(self) -> Future[tuple[MonitorView, ...]]:
        """All monitors, as they stand."""
        return self._asked(
            lambda: tuple(
                _view(broker, one)
                for broker in self.brokers.values()
                for one in broker.watched.now.monitors
            )
        )

    # --- drifts -----------------------------------------------------------------------------------

    def drift(self) -> Future[tuple[DriftView, ...]]:
        """Slots of which the venue's own count is not ours, with what can be done about each."""
        return self._asked(
            lambda: tuple(
                _drift_view(broker, one)
                for broker in self.brokers.values()
                for one in broker.watched.now.drifts
            )
        )

    def settle_drift(
        self,
        instrument: str,
        how: DriftRemedy,
        statement: str,
        *,
        slot: PositionSlot = PositionSlot.NET,
        px: Decimal | int | str | None = None,
        window: float = _WINDOW,
        venue: str = "",
        account: str = "",
    ) -> Future[None]:
        """Carry out one of the proposals of :meth:`drift`; journalled with its ``statement``.

        ``FETCH`` reads executions of the last ``window`` seconds again and books what was missing.
        ``ADOPT`` takes the venue's count over, at ``px`` (None: at the venue's average where we
        hold nothing, else at an unknown price): as a baseline where nothing was ever booked, else
        as a correction. ``WAIT`` looks again. Entries go on when two looks agree with our books.

        Raises:
            InvalidValue: no such remedy, no statement, no price or no time; in the future: nothing
                has drifted there, or it was adopted already. Nothing has changed.
            InvalidOrder: there are several accounts, and it was not said which.
            JournalUnavailable, SystemStopped: not accepted.
        """
        self._check_running()
        check_words(statement)
        if not isinstance(how, DriftRemedy):
            raise InvalidValue(f"how must be a DriftRemedy, was {how!r:.80}")
        window_ns = nanoseconds("window", window)
        price = None if px is None else decimal_from(px, "px")
        check_text_of("instrument", instrument)
        check_kind("slot", slot, PositionSlot)
        broker = self._broker(venue, account)

        def settle() -> None:
            ts = self.dispatcher.time_ns()
            at = (broker.name, broker.account, instrument, slot, ts)
            command = SettleDrift(*at, how, statement)
            broker.drifting.settle(Settle(command, price, window_ns))

        return self._asked(settle)


def _terms_of(rules: MonitorRules) -> dict[str, Any]:
    """Rules as a monitor's terms have them."""
    terms: dict[str, Any] = {}
    for name, value in rules.items():
        if name not in MonitorRules.__annotations__:
            known = ", ".join(MonitorRules.__annotations__)
            raise InvalidValue(f"a monitor has no rule {name!r:.40}; it has {known}")
        if name in _NUMBERS:
            number = decimal_from(value, name)
            check_amount(name, number, zero=name == "give_back_from")
            terms[name] = number
        elif name in _SECONDS:
            terms[f"{name}_ns"] = nanoseconds(name, value)
        elif name in _LISTS:
            terms[name] = several(name, cast("Iterable[int]", value), int)
        else:
            terms[name] = value
    return terms


def _as_kept(terms: SetMonitor) -> SetMonitor:
    """The terms as the journal gives them back (a "PERCENT" is a PnlUnit then); refuse what it
    could not.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(terms), SetMonitor)
    except (msgspec.MsgspecError, TypeError, UnicodeError) as error:
        raise InvalidValue(f"a monitor cannot be kept like this: {error!s:.200}") from None


def _view(broker: BrokerActor, monitor: Monitor) -> MonitorView:
    worth = broker.monitors.scopes.worth(monitor.terms) if monitor.side else None
    return MonitorView(
        monitor_id=monitor.terms.monitor_id,
        terms=monitor.terms,
        side=monitor.side,
        opened_ts=monitor.opened_ts,
        due_ts=monitor.due_ts,
        pnl=None if worth is None else worth.pnl - monitor.base,
        peak=monitor.peak,
        fired=monitor.fired,
        count=monitor.count,
        is_blind=broker.monitors.is_blind(monitor.terms.monitor_id),
    )


def _drift_view(broker: BrokerActor, drift: Drift) -> DriftView:
    slot = broker.positions.get((drift.instrument, drift.slot))
    return DriftView(
        venue=broker.name,
        account=broker.account,
        instrument=drift.instrument,
        slot=drift.slot,
        qty=drift.qty,
        venue_qty=drift.venue_qty,
        difference=drift.difference,
        venue_avg_px=drift.venue_avg_px,
        since_ts=drift.since_ts,
        proposals=proposals(drift, is_new=slot is None or is_untouched(slot.position)),
    )
