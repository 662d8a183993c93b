"""The test kit that users share with us: running systems under faults and crashes (public API)."""

from .faulty_venue import AdapterError, FaultyVenue

__all__ = ["AdapterError", "FaultyVenue"]
