"""The kit's own state machine: hosts, markets, venues and fate against the real system."""

from __future__ import annotations

from hypothesis import settings

from actors.testing.machine import ExecutionMachine

TestExecutionMachine = ExecutionMachine.TestCase
TestExecutionMachine.settings = settings(
    max_examples=settings().max_examples // 2, stateful_step_count=25
)
