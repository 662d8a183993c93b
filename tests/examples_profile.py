"""A Hypothesis profile for running the examples in our own tests: find, and do not shrink."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "find",
    max_examples=90,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=(HealthCheck.too_slow,),
    stateful_step_count=25,
)
