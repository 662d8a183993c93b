"""Venues: the port every one has, and the adapters behind it."""
