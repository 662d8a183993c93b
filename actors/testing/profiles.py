"""How hard Hypothesis looks: the profiles ``dev``, ``ci`` and ``nightly``.

``pytest --hypothesis-profile=nightly`` finds them by the kit's plugin. A ``conftest.py`` that loads
one by itself registers them first::

    register_profiles()
    settings.load_profile("nightly")
"""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.errors import InvalidArgument

__all__ = ["register_profiles"]

_PATIENT: Final = (HealthCheck.too_slow, HealthCheck.data_too_large)
#: The ``ci`` that Hypothesis brings along.
_BUILT_IN: Final = settings(
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=(HealthCheck.too_slow,),
)


def register_profiles() -> None:
    """Register ``dev`` (a first look), ``ci`` (the same examples on every machine, so that a red
    run is a red change) and ``nightly`` (thirty times as many, new ones each night).

    A profile of the project's own that has one of these names is left as it is. None has a
    deadline: a busy machine is not a bug.
    """
    profiles = {  # what Hypothesis loads by itself on a build server is not taken over
        "dev": settings(deadline=None, max_examples=60, derandomize=False),
        "ci": settings(
            deadline=None,
            max_examples=100,
            derandomize=True,
            database=None,
            print_blob=True,
            suppress_health_check=_PATIENT,
        ),
        "nightly": settings(
            deadline=None,
            max_examples=3_000,
            derandomize=False,
            print_blob=True,
            suppress_health_check=_PATIENT,
        ),
    }
    for name, profile in profiles.items():
        try:
            known = settings.get_profile(name)
        except InvalidArgument:
            known = None
        if known is None or repr(known) == repr(_BUILT_IN):
            settings.register_profile(name, profile)
