"""Deliberate faults in our own code, each with the tests that must catch it.

A test suite is worth what it finds. ``python -m tests.mutants`` puts one fault at a time into a
copy of the project and runs the tests that are named for it: a fault that passes them is a hole in
the suite. :mod:`.mutant` says what a fault is, the catalogues (:mod:`.orders`, :mod:`.money`,
:mod:`.doubt`, :mod:`.gaps`, :mod:`.sending`, :mod:`.limits`,
:mod:`.writing`, :mod:`.restarting`, :mod:`.venue`) list them, and
:mod:`.workshop` runs them.

The list cannot rot silently: ``tests/test_mutants.py`` checks with every test run that each fault
still finds its text, exactly once, and that its tests are there.
"""
