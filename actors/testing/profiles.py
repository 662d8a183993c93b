"""How hard Hypothesis looks: the profiles that the pytest plugin registers."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.errors import InvalidArgument

__all__ = ["register_profiles"]

_PATIENT = (HealthCheck.too_slow, HealthCheck.data_too_large)


def register_profiles() -> None:
    """Register ``dev`` (a first look), ``ci`` (the same examples on every machine, so that a red
    run is a red change) and ``nightly`` (thirty times as many, new ones each night).

    A profile that already has one of these names is left as it is. None has a deadline: a busy
    machine is not a bug.
    """
    profiles = {
        "dev": settings(deadline=None, max_examples=60),
        "ci": settings(
            deadline=None,
            max_examples=100,
            derandomize=True,
            database=None,
            print_blob=True,
            suppress_health_check=_PATIENT,
        ),
        "nightly": settings(
            deadline=None, max_examples=3_000, print_blob=True, suppress_health_check=_PATIENT
        ),
    }
    for name, profile in profiles.items():
        try:
            settings.get_profile(name)
        except InvalidArgument:
            settings.register_profile(name, profile)
