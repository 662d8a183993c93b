"""What a faulty venue does unasked: it cancels, voids, corrects, restarts, loses its clock."""

from __future__ import annotations

from collections.abc import Callable

from engine.messages import Filled
from engine.testing.faults import Fault, FaultKind, Faults
from engine.values import ZERO

from ..venues.paper import PaperVenue
from .faults_wire import Wire

__all__ = ["FaultyActs"]

_SECOND = 1_000_000_000
_OUTAGE_NS = 20 * _SECOND  # drawn outages and silences go up to this
_SKEW_NS = 5 * _SECOND
_K = FaultKind


class FaultyActs:
    """Each method says whether it could do anything: a bust needs an execution."""

    def __init__(
        self, inner: PaperVenue, faults: Faults, wire: Wire, come_back: Callable[[], object]
    ) -> None:
        self._inner = inner
        self._market = inner.market
        self._exchange = inner.market.exchange
        self._faults = faults
        self._wire = wire
        self._come_back = come_back
        self._ways = {
            _K.DISCONNECT: self._disconnect,
            _K.STREAM_SILENT: self._fall_silent,
            _K.CANCELLED_UNASKED: self._cancel,
            _K.BUSTED: self._bust,
            _K.CORRECTED: self._correct,
            _K.CLOCK_SKEW: self._skew,
            _K.VENUE_RESTART: self._restart,
            _K.IDS_REUSED: self._reuse_ids,
        }

    def do(self, fault: Fault, client_order_id: str) -> bool:
        """Do it now. ``client_order_id`` is the order at hand, which is preferred."""
        return self._ways[fault.kind](fault, fault.when.client_order_id or client_order_id)

    def _disconnect(self, fault: Fault, cid: str) -> bool:
        self._drop(self._faults.duration(fault, _OUTAGE_NS), "connection reset by peer")
        return True

    def _fall_silent(self, fault: Fault, cid: str) -> bool:
        """No list shows that an execution is void, so that is told again when the silence ends."""
        silence_ns = self._faults.duration(fault, _OUTAGE_NS)
        self._wire.fall_silent(silence_ns)
        self._wire.later(silence_ns, self._tell_voided)
        return True

    def _tell_voided(self) -> None:
        self._wire.pass_on(self._exchange.voided(self._inner.account))

    def _cancel(self, fault: Fault, cid: str) -> bool:
        """The order at hand if it is open, else one of the open ones."""
        now, account = self._wire.now_ns(), self._inner.account
        working = [order.client_order_id for order in self._exchange.open_orders(account, now)]
        if not working:
            return False
        chosen = cid if cid in working else working[self._faults.one_of(len(working))]
        self._exchange.cancel_unasked(account, chosen, "venue", now)
        self._market.flush(now)
        return True

    def _bust(self, fault: Fault, cid: str) -> bool:
        fill = self._execution(cid)
        if fill is None:
            return False
        now = self._wire.now_ns()
        self._exchange.bust(fill.instrument, fill.exec_id, now)
        self._market.flush(now)
        return True

    def _correct(self, fault: Fault, cid: str) -> bool:
        """A price one tick lower, or one lot less where there are two."""
        fill = self._execution(cid)
        if fill is None:
            return False
        now = self._wire.now_ns()
        rules = {item.symbol: item for item in self._exchange.instruments()}[fill.instrument]
        px, qty = fill.last_px, fill.last_qty
        if self._faults.one_of(2) and qty > rules.lot_size:
            qty -= rules.lot_size
        elif px > rules.tick_size:
            px -= rules.tick_size
        self._exchange.correct(fill.instrument, fill.exec_id, px, qty, now)
        self._market.flush(now)
        return True

    def _execution(self, cid: str) -> Filled | None:
        """An execution of the order at hand, else any."""
        found, _ = self._exchange.executions(self._inner.account, -(2**63))
        mine = [fill for fill in found if fill.client_order_id == cid] or list(found)
        mine = [fill for fill in mine if fill.last_qty > ZERO]
        return mine[self._faults.one_of(len(mine))] if mine else None

    def _skew(self, fault: Fault, cid: str) -> bool:
        skew_ns = self._faults.duration(fault, _SKEW_NS)
        if not fault.delay_ns and self._faults.one_of(2):
            skew_ns = -skew_ns
        self._exchange.set_clock_skew(skew_ns)
        return True

    def _restart(self, fault: Fault, cid: str) -> bool:
        """Orders survive it; order ids begin again, execution ids where the config lets them."""
        self._exchange.renumber(executions=self._exchange.config.restart_reuses_exec_ids)
        self._drop(self._faults.duration(fault, _OUTAGE_NS), "the venue restarts")
        return True

    def _reuse_ids(self, fault: Fault, cid: str) -> bool:
        self._exchange.renumber()
        return True

    def _drop(self, outage_ns: int, detail: str) -> None:
        self._wire.disconnect(outage_ns, detail, self._come_back)
