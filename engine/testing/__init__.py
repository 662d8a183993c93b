"""The test kit that users share with us: pure parts (public API)."""

from .faults import (
    PROFILES,
    Choose,
    Fault,
    FaultKind,
    FaultPlan,
    Faults,
    When,
    plan_from_json,
    plan_to_json,
)

__all__ = [
    "PROFILES",
    "Choose",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Faults",
    "When",
    "plan_from_json",
    "plan_to_json",
]
