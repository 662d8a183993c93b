"""Policies: rules a user may look up, change or replace; each is a pure function of what it is
given.
"""
