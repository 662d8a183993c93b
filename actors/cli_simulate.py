"""``orderwright simulate``: seeds, each a day of bad luck, through the real system in virtual time.

Seeds are run on several processes and counted in their order, so the output is the same however
many there are. A violation is printed with the one line that shows it again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from engine.errors import InvalidValue
from engine.testing.drawing import scenario as drawn
from engine.testing.scenario import Scenario, scenario_from_json, scenario_to_json

from .cli_output import (
    CHECK_FAILED,
    HOLDS,
    Json,
    console,
    print_json,
    print_table,
    progress_bar,
    shown,
)
from .testing.running import Result, play, run_seed, simulated
from .testing.shrinking import shrink

__all__ = ["run"]

_SEEDS: Final = "0:100"
_PROFILE: Final = "rough"
_SEEDS_MAX: Final = 10_000_000
_CHUNK: Final = 10  # seeds handed to a process at a time
_SHOWN_MAX: Final = 20


class _Total:
    """What all runs came to."""

    def __init__(self) -> None:
        self.runs = self.steps = self.orders = self.fills = self.crashes = 0
        self.faults: dict[str, int] = {}
        self.violations: list[tuple[int, str, str, str]] = []  # seed, invariant, message, repro

    def add(self, result: Result, repro: str) -> None:
        """Count one run in."""
        self.runs += 1
        self.steps += result.steps
        self.orders += result.orders
        self.fills += result.fills
        self.crashes += result.crashes
        for kind, count in result.faults.items():
            self.faults[kind] = self.faults.get(kind, 0) + count
        for one in result.violations:
            about = f"{one.entity}: " if one.entity else ""
            self.violations.append((result.seed, one.invariant, about + one.message, repro))


def run(args: argparse.Namespace) -> int:
    """Run what was asked for."""
    began = time.perf_counter()
    total = _Total()
    if args.scenario is not None:
        if args.seeds is not None or args.profile is not None:
            raise InvalidValue(
                "--scenario has its own seed and faults: leave --seeds and --profile out"
            )
        scenario = _read(Path(args.scenario))
        total.add(*_one(scenario, args, _repro_of(args.scenario)))
    else:
        first, last = _seeds(args.seeds or _SEEDS)
        profile = args.profile or _PROFILE
        if args.journal is None and args.save is None and args.shrink is None:
            _many(total, first, last, profile, args)
        elif last - first != 1:
            raise InvalidValue(
                "--journal, --save and --shrink are for one run: give one seed, as --seeds 7:8"
            )
        else:
            total.add(*_one(drawn(first, profile), args, _repro(first, profile)))
    seconds = round(time.perf_counter() - began, 3)
    if args.json:
        print_json(_object(total, seconds))
    else:
        _print(total, seconds)
    return CHECK_FAILED if total.violations else HOLDS


def _many(total: _Total, first: int, last: int, profile: str, args: argparse.Namespace) -> None:
    jobs = _jobs(args.jobs, last - first)
    with progress_bar("simulating", last - first, quiet=args.json) as bar:
        for result in _results(first, last, profile, jobs):
            total.add(result, _repro(result.seed, profile))
            bad = len({seed: None for seed, *_ in total.violations})
            bar(total.runs, f"{bad} with violations" if bad else "")


def _results(first: int, last: int, profile: str, jobs: int) -> Iterator[Result]:
    """The result of each seed, in order."""
    if jobs == 1:
        for seed in range(first, last):
            yield run_seed(seed, profile)
        return
    # Fresh processes: a fork of one with threads (the progress bar has one) may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_ignore_interrupts) as pool:
        chunks = [(seed, min(seed + _CHUNK, last), profile) for seed in range(first, last, _CHUNK)]
        try:
            for results in pool.map(_chunk, chunks):
                yield from results
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _chunk(seeds: tuple[int, int, str]) -> list[Result]:
    first, last, profile = seeds
    return [run_seed(seed, profile) for seed in range(first, last)]


def _ignore_interrupts() -> None:
    """Ctrl-C is for the process that prints; it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _jobs(asked: int | None, runs: int) -> int:
    if asked is not None and asked < 1:
        raise InvalidValue(f"--jobs must be at least 1, was {asked}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(asked or cores or 1, -(-runs // _CHUNK)))


def _one(scenario: Scenario, args: argparse.Namespace, repro: str) -> tuple[Result, str]:
    """One run, of which scenario and journal can be kept, and the line that shows it again: of the
    smallest scenario that breaks the same, if that is asked for.
    """
    if args.save is not None:
        _write(Path(args.save), scenario_to_json(scenario))
    with simulated(scenario) as system:
        result = play(system, scenario)
        if args.journal is not None:
            system.save_journal(args.journal)
    if args.shrink is not None and result.violations:
        small = shrink(scenario, result.violations[0].invariant)
        _write(Path(args.shrink), scenario_to_json(small))
        repro = _repro_of(args.shrink)
    return result, repro


def _seeds(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(-?[0-9]{1,18}):(-?[0-9]{1,18})", text)
    if found is None:
        raise InvalidValue(f"--seeds is FIRST:END, as 0:2000; was {text[:40]!a}")
    first, last = int(found[1]), int(found[2])
    if not first < last <= first + _SEEDS_MAX:
        raise InvalidValue(
            f"--seeds {text}: the end is above the first, and at most {_SEEDS_MAX:,} above"
        )
    return first, last


def _read(path: Path) -> Scenario:
    try:
        return scenario_from_json(path.read_bytes())
    except OSError as error:
        raise InvalidValue(f"{path}: cannot be read: {error.strerror}") from None
    except InvalidValue as error:
        raise InvalidValue(f"{path}: {error}") from None


def _write(path: Path, text: bytes) -> None:
    try:
        path.write_bytes(text + b"\n")
    except OSError as error:
        raise InvalidValue(f"{path}: cannot be written: {error.strerror}") from None


def _repro(seed: int, profile: str) -> str:
    seeds = f"--seeds {seed}:{seed + 1}" if seed >= 0 else f"--seeds={seed}:{seed + 1}"
    return f"orderwright simulate {seeds} --profile {profile}"


def _repro_of(path: str) -> str:
    return f"orderwright simulate --scenario {shlex.quote(path)}"


# --- the report -----------------------------------------------------------------------------------


def _object(total: _Total, seconds: float) -> dict[str, Json]:
    return {
        "runs": total.runs,
        "steps": total.steps,
        "orders": total.orders,
        "fills": total.fills,
        "faults": dict(sorted(total.faults.items())),
        "crashes": total.crashes,
        "violations": [
            {"seed": seed, "invariant": invariant, "message": message, "repro": repro}
            for seed, invariant, message, repro in total.violations
        ],
        "seconds": seconds,
    }


def _print(total: _Total, seconds: float) -> None:
    out = console()
    if total.faults:
        rows = [(kind, f"{count:,}") for kind, count in sorted(total.faults.items())]
        print_table("Faults", (("fault", ""), ("times", ">")), rows)
    for seed, invariant, message, repro in total.violations[:_SHOWN_MAX]:
        out.print(f"VIOLATION seed {seed}: {invariant}: {shown(message, 600)}")
        out.print(f"    {shown(repro)}")
    if len(total.violations) > _SHOWN_MAX:
        out.print(f"and {len(total.violations) - _SHOWN_MAX} more (all of them with --json)")
    out.print(
        f"{total.runs:,} runs, {total.steps:,} steps, {total.orders:,} orders,"
        f" {total.fills:,} fills, {sum(total.faults.values()):,} faults, {total.crashes:,} crashes:"
        f" {len(total.violations)} violations, in {seconds:.1f} s"
    )
    sys.stdout.flush()
