"""The benchmark of live orders does the work it says, at sizes that prove nothing else."""

from __future__ import annotations

import sys

import pytest

from benchmarks import live_orders
from benchmarks.harness import Options

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads resident memory from /proc")


def test_it_measures_every_size_and_the_soak() -> None:
    """Sizes over one and many instruments, costs, and the soak: a row each, none of them empty.

    The processes that it drives check that every fact was written and who is open.
    """
    rows = [result.row for result in live_orders.run(Options(quick=True))]
    cases = [row.case for row in rows]
    for kind in ("traced", "further fills", "bytes", "fill", "whole life", "soak"):
        assert any(case.startswith(kind) for case in cases), (kind, cases)
    for traded in ("2,000 open, 1 instrument", "2,000 open, 100 instruments"):
        assert sum(case.endswith(traded) for case in cases) == 4, (traded, cases)
    assert all(row.value > 0 for row in rows)
