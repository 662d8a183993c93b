"""The simulated venue, which everything above is tried against."""

from __future__ import annotations

from typing import Final

from .mutant import Mutant

__all__ = ["VENUE"]

VENUE: Final = (
    Mutant(
        "paper-beyond-the-limit",
        "The paper venue fills beyond an order's limit: a strategy that loses"
        " looks as if it earned.",
        "engine/simulator/matching.py",
        "        if limit is not None and (price > limit if is_buy else price < limit):",
        "        if False:",
        ("tests/engine/simulator/test_twin.py::test_the_twin_agrees",),
    ),
    Mutant(
        "paper-post-only-takes",
        "The paper venue lets a post-only order take: its fees are not those of a real one.",
        "engine/simulator/matching.py",
        "    if terms.post_only and price is not None and crosses(facing, price):",
        "    if False:",
        (
            "tests/engine/simulator/test_triggers.py::test_an_elected_order_that_may_only_make_is_cancelled_when_it_would_take",
        ),
    ),
    Mutant(
        "paper-ioc-rests",
        "The paper venue leaves an IOC order in the book, where it fills later.",
        "engine/simulator/matching.py",
        "    elif tif is TimeInForce.IOC or tif is TimeInForce.FOK:",
        "    elif False:",
        ("tests/engine/simulator/test_twin.py::test_the_twin_agrees",),
    ),
)
