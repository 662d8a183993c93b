"""Whatever the broker, the clock and the venue do, a session keeps its rules and loses no call.

The twin beside the session is dumb: a ledger of what became of each call, and one number per
budget kept in fractions. It knows nothing of queues, heaps or fast paths.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.budget import BudgetRule, SessionLimits
from engine.calls import EXITS, Call, CallKind, Ended, Ending, Enqueued, VenueRequest
from engine.errors import InvariantViolated
from engine.messages import Amend, Cancel, Place, QueryOrder, SubmitOrder
from engine.session import VenueSession
from engine.session_chart import SessionState, SessionTrigger, TradingMode
from engine.values import OrderType, Side

SEND_BY = 25
INSTRUMENTS = {"o1": "A", "o2": "A", "o3": "B", "o4": "B", "o5": "C"}
ORDERS = tuple(INSTRUMENTS)
RANK = {kind: rank for rank, kind in enumerate(CallKind)}


def placement(cid: str, instrument: str) -> Place:
    return Place(
        SubmitOrder(cid, "v", "a", instrument, Side.BUY, OrderType.MARKET, Decimal(1), 0, cid)
    )


class TwinBucket:
    """One rule, refilled in fractions, with everything it ever charged."""

    def __init__(self, rule: BudgetRule) -> None:
        self.rule = rule
        self.level = Fraction(rule.capacity)
        self.at = 0
        self.spent: list[tuple[int, int]] = []

    def cost(self, call: Call) -> int:
        names = {Place: "place", Cancel: "cancel", Amend: "amend", QueryOrder: "query"}
        cost: int = getattr(self.rule, names[type(call.request)])
        return cost

    def refill(self, now: int) -> None:
        gained = Fraction((now - self.at) * self.rule.refill, self.rule.refill_ns)
        self.level = min(Fraction(self.rule.capacity), self.level + gained)
        self.at = now

    def affords(self, call: Call) -> bool:
        cost = self.cost(call)
        kept = 0 if call.kind in EXITS else self.rule.reserved
        return cost == 0 or self.level >= cost + kept


class SessionMachine(RuleBasedStateMachine):
    """Random brokers against a random venue."""

    @initialize(
        window=st.integers(1, 3),
        exit_slots=st.integers(0, 1),
        rules=st.lists(
            st.builds(
                BudgetRule,
                name=st.just("r"),
                capacity=st.integers(6, 9),
                refill=st.integers(1, 3),
                refill_ns=st.integers(1, 12),
                reserved=st.integers(3, 4),
                place=st.integers(0, 2),
                cancel=st.integers(0, 1),
                amend=st.integers(0, 2),
                query=st.integers(0, 2),
            ),
            max_size=2,
        ),
    )
    def begin(self, window: int, exit_slots: int, rules: list[BudgetRule]) -> None:
        named = tuple(
            BudgetRule(**{**{f: getattr(r, f) for f in r.__struct_fields__}, "name": f"r{i}"})
            for i, r in enumerate(rules)
        )
        self.limits = SessionLimits(
            window=window,
            exit_slots=exit_slots,
            entry_send_by_ns=SEND_BY,
            throttle_pause_ns=5,
            budgets=named,
        )
        self.session = VenueSession(self.limits)
        self.session.on(SessionTrigger.LINK_UP)
        self.session.on(SessionTrigger.RECONCILED)
        self.now = 0
        self.mode = TradingMode.ALL
        self.held: list[str] = []
        self.agreed: list[str] = []
        self.paused_until = 0
        self.unsent: dict[int, Call] = {}
        self.flying: dict[int, Call] = {}
        self.finished: dict[int, str] = {}
        self.buckets = [TwinBucket(r) for r in named]

    # --- the ledger: each call goes unsent -> flying -> finished, or unsent -> finished, once -----

    def finish(self, call: Call, how: str) -> None:
        assert call.call_id in self.unsent, f"{how} a call that was not unsent: {call}"
        del self.unsent[call.call_id]
        self.finished[call.call_id] = how

    def settle(self, answer: Enqueued | Ended) -> None:
        for call in answer.withdrawn:
            self.finish(call, "withdrawn")
        for call in answer.coalesced:
            self.finish(call, "coalesced")

    def ask(self, request: VenueRequest, *, reduces: bool = False, resend: bool = False) -> None:
        try:
            answer = self.session.enqueue(request, self.now, reduces=reduces, resend=resend)
        except InvariantViolated:
            assert isinstance(request, Place)
            cid = request.client_order_id
            here = [*self.unsent.values(), *self.flying.values()]
            assert any(c.client_order_id == cid and c.kind is not CallKind.QUERY for c in here)
            return
        call = answer.call
        assert call.call_id not in {**self.unsent, **self.flying, **self.finished}
        of = request.order if isinstance(request, Place) else request
        assert (of.client_order_id, of.instrument) == (call.client_order_id, call.instrument)
        self.unsent[call.call_id] = call
        self.settle(answer)

    # --- what a broker does -----------------------------------------------------------------------

    @rule(cid=st.sampled_from(ORDERS), reduces=st.booleans(), resend=st.booleans())
    def place(self, cid: str, reduces: bool, resend: bool) -> None:
        self.ask(placement(cid, INSTRUMENTS[cid]), reduces=reduces, resend=resend)

    @rule(cid=st.sampled_from(ORDERS))
    def cancel(self, cid: str) -> None:
        unsent = [
            c
            for c in self.unsent.values()
            if c.client_order_id == cid and isinstance(c.request, Place)
        ]
        self.ask(Cancel(cid, "c", INSTRUMENTS[cid]))
        cancels = [
            c
            for c in self.unsent.values()
            if c.client_order_id == cid and isinstance(c.request, Cancel)
        ]
        for call in unsent:  # it never leaves; its cancel does only if it may have left before
            assert call.call_id not in self.unsent or self.is_late(call)
            assert call.resend == bool(cancels)

    @rule(cid=st.sampled_from(ORDERS), qty=st.integers(1, 9), reduces=st.booleans())
    def amend(self, cid: str, qty: int, reduces: bool) -> None:
        self.ask(Amend(cid, "a", INSTRUMENTS[cid], Decimal(qty)), reduces=reduces)

    @rule(cid=st.sampled_from(ORDERS))
    def query(self, cid: str) -> None:
        self.ask(QueryOrder(cid, INSTRUMENTS[cid]))

    @rule(cid=st.sampled_from(ORDERS))
    def forget(self, cid: str) -> None:
        for call in self.session.forget_order(cid):
            assert cid == call.client_order_id
            self.finish(call, "forgotten")
        assert all(cid != call.client_order_id for call in self.unsent.values())

    @rule(
        trigger=st.sampled_from([t for t in SessionTrigger if t is not SessionTrigger.CLOSE]),
        lasting=st.integers(0, 3),
    )
    def gap(self, trigger: SessionTrigger, lasting: int) -> None:
        """Something happens to the link; mostly it is mended at once, or most runs would idle."""
        self.event(trigger)
        if lasting:
            self.recover()

    def event(self, trigger: SessionTrigger) -> None:
        self.session.on(trigger)
        if trigger not in (
            SessionTrigger.RECONCILED,
            SessionTrigger.CONNECT,
            SessionTrigger.DRAINED,
        ):
            self.agreed = []

    @rule()
    def recover(self) -> None:
        self.event(SessionTrigger.LINK_UP)
        self.event(SessionTrigger.RECONCILED)
        assert SessionState.READY is self.session.state

    @rule(mode=st.sampled_from([TradingMode.ALL, *TradingMode, TradingMode.ALL]))
    def set_mode(self, mode: TradingMode) -> None:
        self.session.set_mode(mode)
        self.mode = mode

    @rule(instrument=st.sampled_from("ABC"), held=st.booleans())
    def hold(self, instrument: str, held: bool) -> None:
        (self.session.hold if held else self.session.release)(instrument)
        self.held = [i for i in self.held if i != instrument] + [instrument] * held

    @rule(instrument=st.sampled_from("ABC"))
    def agree(self, instrument: str) -> None:
        self.session.agreed(instrument)
        self.agreed.append(instrument)

    # --- what time and the venue do ---------------------------------------------------------------

    @rule(gone=st.integers(1, 30))
    def wait(self, gone: int) -> None:
        self.now += gone

    @rule(
        pick=st.integers(0, 9), ending=st.sampled_from(Ending), retry_after=st.sampled_from([0, 20])
    )
    @precondition(lambda self: self.flying)
    def end(self, pick: int, ending: Ending, retry_after: int) -> None:
        call = list(self.flying.values())[pick % len(self.flying)]
        answer = self.session.ended(call.call_id, ending, self.now, retry_after)
        del self.flying[call.call_id]
        if ending is Ending.THROTTLED:
            self.paused_until = max(self.paused_until, self.now + (retry_after or 5))
            self.unsent[call.call_id] = call
        else:
            self.finished[call.call_id] = ending.name
        self.settle(answer)
        if answer.merged is not None:
            self.unsent[answer.merged.call_id] = answer.merged

    @rule()
    def collect_overdue(self) -> None:
        late = self.session.overdue(self.now)
        for call in late:
            self.finish(call, "overdue")
        entries = [c.client_order_id for c in late if c.send_by_ns is not None]
        assert all(c.client_order_id in entries for c in late)
        assert all(c.send_by_ns is None or c.send_by_ns <= self.now for c in late)
        assert not any(self.is_late(c) for c in self.unsent.values())

    @rule(times=st.integers(1, 4))
    def send(self, times: int) -> None:
        for _ in range(times):
            call = self.session.next(self.now)
            self.judge(call)
            if call is None:
                return

    @rule(gone=st.integers(0, 12), endings=st.lists(st.sampled_from(Ending), max_size=4))
    def work(self, gone: int, endings: list[Ending]) -> None:
        """A lane at work, so that most runs get somewhere."""
        self.now += gone
        self.send(4)
        for ending in endings:
            if self.flying:
                self.end(0, ending, 0)
            self.send(2)

    @rule(again=st.booleans())
    def place_and_change(self, again: bool) -> None:
        """A new order with a change behind it, at once."""
        fresh = f"n{self.now}-{len(self.finished)}-{len(self.unsent)}-{len(self.flying)}"
        self.ask(placement(fresh, "A"), resend=again)
        self.send(1)
        self.ask(Amend(fresh, "a", "A", Decimal(2)))
        self.ask(Cancel(fresh, "c", "A"))

    @rule()
    def sleep_until_woken(self) -> None:
        """wake_at() is neither late nor idle: nothing before it, something at it."""
        self.collect_overdue()
        while (call := self.session.next(self.now)) is not None:
            self.judge(call)
        wake = self.session.wake_at(self.now)
        assert wake is None or wake > self.now
        just_before = self.now + 1000 * SEND_BY if wake is None else wake - 1
        self.now = max(self.now, just_before)
        assert self.session.next(self.now) is None
        assert [] == self.session.overdue(self.now)
        if wake is not None:
            self.now = wake
            call = self.session.next(self.now)
            self.judge(call)
            late = self.session.overdue(self.now)
            for lost in late:
                self.finish(lost, "overdue")
            assert call is not None or late

    # --- the judge --------------------------------------------------------------------------------

    def is_late(self, call: Call) -> bool:
        return call.send_by_ns is not None and call.send_by_ns <= self.now

    def is_allowed(self, call: Call) -> bool:
        """Gates and windows, in other words than the session's."""
        exit_ = call.kind in EXITS
        if len(self.flying) >= self.limits.window + (self.limits.exit_slots if exit_ else 0):
            return False
        if self.session.state in (
            SessionState.DOWN,
            SessionState.CONNECTING,
            SessionState.BARRED,
            SessionState.CLOSED,
        ):
            return False
        if call.kind in (CallKind.CANCEL, CallKind.QUERY):
            return True
        if call.kind is CallKind.REDUCE:
            return self.mode is not TradingMode.NONE
        if self.mode is not TradingMode.ALL or call.instrument in self.held:
            return False
        if self.session.state is SessionState.RECONCILING:
            return call.instrument in self.agreed
        return self.session.state is SessionState.READY

    def is_first_of_its_order(self, call: Call) -> bool:
        cid = call.client_order_id
        if any(cid == other.client_order_id for other in self.flying.values()):
            return False
        mine = [c for c in self.unsent.values() if c.client_order_id == cid]
        if any(self.is_late(c) for c in mine):
            return False  # the whole order goes with its overdue placement
        changes = sorted(c.call_id for c in mine if c.kind is not CallKind.QUERY)
        return call.call_id == changes[0] if changes else True

    def waiting(self) -> list[Call]:
        """What could leave but for tokens, most urgent class first."""
        calls = [
            c for c in self.unsent.values() if self.is_allowed(c) and self.is_first_of_its_order(c)
        ]
        return sorted(calls, key=lambda c: RANK[c.kind])

    def judge(self, call: Call | None) -> None:
        """Whether ``call`` was the right answer of next() now."""
        for bucket in self.buckets:
            bucket.refill(self.now)
        waiting = self.waiting()
        if call is None:
            if self.now >= self.paused_until:
                self.judge_idleness(waiting)
            return
        assert call.call_id in self.unsent, "left twice, or was withdrawn before"
        mine = next(c for c in waiting if c.call_id == call.call_id)
        assert self.now >= self.paused_until, "left during a pause"
        assert all(b.affords(mine) for b in self.buckets), "left without tokens"
        for urgent in CallKind:
            if RANK[urgent] >= RANK[call.kind]:
                break
            rivals = [c for c in waiting if c.kind is urgent]
            if rivals:  # a more urgent class waits: for tokens, and this call took none of those
                assert not all(b.affords(c) for c in rivals for b in self.buckets), rivals
                for bucket in self.buckets:
                    assert not (bucket.cost(mine) and all(bucket.cost(c) for c in rivals))
        for bucket in self.buckets:
            cost = bucket.cost(mine)
            bucket.level -= cost
            bucket.spent.append((self.now, cost))
            if cost and call.kind not in EXITS:
                assert bucket.level >= bucket.rule.reserved
        del self.unsent[call.call_id]
        self.flying[call.call_id] = call

    def judge_idleness(self, waiting: list[Call]) -> None:
        """Nothing left, so each class lacks tokens, or a more urgent one saves for the same."""
        saved_for: list[TwinBucket] = []
        for kind in CallKind:
            calls = [c for c in waiting if c.kind is kind]
            blocked = any(b.cost(c) for b in saved_for for c in calls)
            poor = any(not b.affords(c) for b in self.buckets for c in calls)
            assert not calls or blocked or poor, calls
            saved_for += [b for b in self.buckets if any(b.cost(c) for c in calls)]

    # --- always -----------------------------------------------------------------------------------

    @invariant()
    def flights_agree(self) -> None:
        if not hasattr(self, "session"):
            return
        assert len(self.flying) == self.session.in_flight
        assert len(self.flying) <= self.limits.window + self.limits.exit_slots
        orders = [call.client_order_id for call in self.flying.values()]
        assert len(orders) == len(dict.fromkeys(orders)), "two calls of one order overlap"
        assert len(self.unsent) == self.session.queued

    def teardown(self) -> None:
        if not hasattr(self, "session"):
            return
        for call in self.session.drain():
            self.finish(call, "drained")
        assert {} == self.unsent, "a call was lost"
        for bucket in self.buckets:
            allowed = bucket.rule
            for first, (begin, _) in enumerate(bucket.spent):
                total = 0
                for end, cost in bucket.spent[first:]:
                    total += cost
                    gained = Fraction((end - begin) * allowed.refill, allowed.refill_ns)
                    assert total <= allowed.capacity + gained


TestSession = SessionMachine.TestCase
TestSession.settings = settings(
    max_examples=max(200, settings().max_examples),  # many rules, and a run is cheap
    stateful_step_count=60,
)
TestSession.__doc__ = "No overlap, no overtaking, no call lost, no budget exceeded, in any order."


@given(
    backlog=st.lists(
        st.tuples(st.sampled_from(["place", "amend", "query", "reduce"]), st.integers(0, 9)),
        min_size=1,
        max_size=12,
    ),
    ending=st.sampled_from([Ending.DONE, Ending.REFUSED, Ending.UNKNOWN]),
    own=st.booleans(),
)
def test_on_a_serial_venue_a_cancel_waits_for_at_most_one_call(
    backlog: list[tuple[str, int]], ending: Ending, own: bool
) -> None:
    """Whatever is queued, the cancel is the next call after the one in flight has ended."""
    session = VenueSession(SessionLimits(window=1, exit_slots=0))
    session.on(SessionTrigger.LINK_UP)
    session.on(SessionTrigger.RECONCILED)
    for n, (what, order) in enumerate(backlog):
        cid = f"{what}{n}"
        if what == "amend":
            session.enqueue(Amend(f"o{order}", "a", "A", Decimal(n + 1)), 0)
        elif what == "query":
            session.enqueue(QueryOrder(f"o{order}", "A"), 0)
        else:
            session.enqueue(placement(cid, "A"), 0, reduces=what == "reduce")
    flying = session.next(0)
    assert flying is not None
    cid = flying.client_order_id if own else "elsewhere"
    wanted = session.enqueue(Cancel(cid, "c", "A"), 1)
    assert session.next(1) is None
    answer = session.ended(flying.call_id, ending, 2)
    assert wanted.call == session.next(2) or wanted.call in answer.withdrawn


@given(arrivals=st.lists(st.sampled_from("ABC"), max_size=30))
@example(arrivals=["A", "A", "A", "B"])
def test_instruments_take_turns_and_each_is_first_in_first_out(arrivals: list[str]) -> None:
    """No instrument leaves twice while another waits, and none overtakes itself."""
    session = VenueSession()
    session.on(SessionTrigger.LINK_UP)
    session.on(SessionTrigger.RECONCILED)
    for n, instrument in enumerate(arrivals):
        session.enqueue(placement(f"{n:02}", instrument), 0)
    waiting = {i: arrivals.count(i) for i in "ABC"}
    left: list[Call] = []
    since: dict[str, list[str]] = {i: [] for i in "ABC"}
    while (call := session.next(0)) is not None:
        session.ended(call.call_id, Ending.DONE, 0)
        left.append(call)
        waiting[call.instrument] -= 1
        since[call.instrument] = []
        for other, seen in since.items():
            if other != call.instrument and waiting[other]:
                assert call.instrument not in seen, f"{call.instrument} twice while {other} waits"
                seen.append(call.instrument)
    assert len(arrivals) == len(left)
    for instrument in "ABC":
        mine = [c.client_order_id for c in left if c.instrument == instrument]
        assert sorted(mine) == mine


@given(
    limit=st.integers(2, 8),
    burst=st.integers(1, 7),
    window=st.integers(1, 40),
    waits=st.lists(st.integers(0, 15), max_size=60),
)
def test_no_window_sees_more_calls_than_the_venue_allows(
    limit: int, burst: int, window: int, waits: list[int]
) -> None:
    """per_window() holds in every window, wherever it starts, for a broker that never pauses."""
    burst = min(burst, limit - 1)
    budget = BudgetRule.per_window("w", limit=limit, window_ns=window, burst=burst, reserved=0)
    session = VenueSession(SessionLimits(budgets=(budget,)))
    session.on(SessionTrigger.LINK_UP)
    session.on(SessionTrigger.RECONCILED)
    now = 0
    times: list[int] = []
    for n in range(200):
        session.enqueue(Cancel(f"o{n}", "c", "A"), now)
    for wait in waits:
        now += wait
        while (call := session.next(now)) is not None:
            session.ended(call.call_id, Ending.DONE, now)
            times.append(now)
    for begin in times:
        assert limit >= sum(1 for t in times if begin <= t <= begin + window)
