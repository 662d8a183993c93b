"""The suite for venue adapters catches adapters that lie, and only those."""

from __future__ import annotations

import pytest

from actors.testing.faulty_venue import FaultyVenue
from actors.testing.venue_desk import Desk
from actors.venues.paper import PaperVenue
from actors.venues.port import Answer, Venue, VenueBalance
from engine.simulator import ExchangeConfig, FeePlan
from engine.testing.faults import Fault, FaultKind, When
from tests.actors.testing.lying_venues import LIES, Echoing, Honest
from tests.actors.testing.test_paper_conformance import ABLE, D, Paper

_MS = 1_000_000
#: Tests that every adapter below can run: no hook is left out, and everything is declared.
ALL = sorted(name for name in dir(Paper) if name.startswith("test_"))


class Suspect(Paper):
    """The suite at one adapter, far away and with fees, where a lost answer can be arranged."""

    patience_ns = 600 * _MS
    config = ExchangeConfig(
        capabilities=ABLE,
        latency_out_ns=30 * _MS,
        latency_in_ns=20 * _MS,
        fees=FeePlan(taker=D("0.001")),
    )

    def __init__(self, adapter: type[PaperVenue | FaultyVenue]) -> None:
        self.adapter = adapter

    def make_venue(self) -> Venue:
        paper = super().make_venue()
        assert isinstance(paper, PaperVenue)
        if not issubclass(self.adapter, FaultyVenue):
            return self.adapter("paper", "main", self.market)
        self.faulty = self.adapter(paper)
        return self.faulty

    def lose_next_answer(self, desk: Desk) -> bool:
        if not issubclass(self.adapter, FaultyVenue):
            return False
        for verb in ("place", "cancel"):
            self.faulty.inject(Fault(FaultKind.UNKNOWN_AFTER, When(verb=verb, nth=1)))
        return True

    def ended(self, test: str) -> str:
        """How one test of the suite ends: passed, skipped, or why it failed."""
        try:
            with self.opened() as desk:
                getattr(self, test)(desk)
        except pytest.skip.Exception:
            return "skipped"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "passed"


@pytest.mark.parametrize("lie", list(LIES), ids=lambda lie: lie.__name__)
def test_a_lie_is_caught(lie: type[PaperVenue | FaultyVenue]) -> None:
    """One lie makes the test fail that is about it."""
    ended = Suspect(lie).ended(LIES[lie])
    assert ended not in ("passed", "skipped")


@pytest.mark.parametrize("adapter", [Honest, FaultyVenue, Echoing], ids=lambda one: one.__name__)
def test_honesty_passes(adapter: type[PaperVenue | FaultyVenue]) -> None:
    """Without a lie each test passes; a hook that cannot be given skips its test, and no other."""
    ends = {test: Suspect(adapter).ended(test) for test in ALL}
    odd = {test: end for test, end in ends.items() if end != "passed"}
    left_out = {
        "test_a_lost_answer_is_no_answer": adapter is not FaultyVenue,
        "test_the_stream_echoes_where_declared": adapter is not Echoing,
    }
    assert odd == {test: "skipped" for test, is_left_out in left_out.items() if is_left_out}


class Silent(PaperVenue):
    """No lie: it tells no balances, and says so."""

    async def balances(self) -> Answer[VenueBalance]:
        return Answer((), False, self.market.time_ns())


def test_a_venue_without_balances_is_not_blamed() -> None:
    """An answer that says it is incomplete proves nothing, so the test of fees is left out."""
    assert "skipped" == Suspect(Silent).ended("test_fees_are_what_was_paid")
