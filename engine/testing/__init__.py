"""The test kit that users share with us: pure parts (public API)."""
