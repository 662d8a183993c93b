"""``orderwright explore``: every schedule of small races through the real actors, each judged.

A violation is written down as a scenario file, and printed with the one line that plays it again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.errors import InvalidValue
from engine.testing.races import RACES, Race
from engine.testing.scenario import scenario_to_json

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
from .testing.exploring import Explored, explore

__all__ = ["run"]

_ALL: Final = "all"
_DIR: Final = Path(".orderwright")
_SHOWN_MAX: Final = 5  # violations of one race, on a terminal


class _Told(NamedTuple):
    """A violation as it is told."""

    invariant: str
    message: str
    repro: str


def run(args: argparse.Namespace) -> int:
    """Explore what was asked for."""
    if args.list:
        _list(args)
        return HOLDS
    races = _races(args.race)
    if args.max_states < 1:
        raise InvalidValue(f"--max-states must be at least 1, was {args.max_states}")
    began = time.perf_counter()
    done: list[tuple[Explored, list[_Told]]] = []
    for race in races:
        with progress_bar(f"exploring {race.name}", None, quiet=args.json) as bar:
            explored = explore(
                race, max_states=args.max_states, progress=lambda n: bar(n, f"{n:,} states")
            )
        done.append((explored, _kept(explored)))
    seconds = round(time.perf_counter() - began, 3)
    if args.json:
        objects = [_object(explored, told) for explored, told in done]
        print_json(objects[0] if args.race != _ALL else _total(objects, seconds))
    else:
        _print(done, seconds)
    return HOLDS if all(one.complete and not one.broken for one, _ in done) else CHECK_FAILED


def _races(name: str | None) -> Sequence[Race]:
    known = f"known are all, {', '.join(RACES)}"
    if name is None:
        raise InvalidValue(f"say which race is to be explored; {known}")
    if name == _ALL:
        return tuple(RACES.values())
    if name not in RACES:
        raise InvalidValue(f"no race is called {name[:64]!a}; {known}")
    return (RACES[name],)


def _list(args: argparse.Namespace) -> None:
    if args.json:
        print_json({race.name: race.about for race in RACES.values()})
        return
    rows = [(race.name, race.about) for race in RACES.values()]
    print_table("Races", (("scenario", ""), ("what races", "")), rows)


def _kept(explored: Explored) -> list[_Told]:
    """Write the scenarios of violations down, so that each has a line that plays it."""
    told: list[_Told] = []
    for number, found in enumerate(explored.found, 1):
        path = _DIR / f"{explored.scenario}-{number}-{found.violation.invariant}.json"
        try:
            _DIR.mkdir(exist_ok=True)
            path.write_bytes(scenario_to_json(found.scenario) + b"\n")
        except OSError as error:
            raise InvalidValue(f"{path}: cannot be written: {error.strerror}") from None
        about = f"{found.violation.entity}: " if found.violation.entity else ""
        repro = f"orderwright simulate --scenario {path}"
        told.append(_Told(found.violation.invariant, about + found.violation.message, repro))
    return told


# --- the report -----------------------------------------------------------------------------------


def _object(explored: Explored, told: list[_Told]) -> dict[str, Any]:
    return {
        "scenario": explored.scenario,
        "schedules": explored.schedules,
        "states": explored.states,
        "ends": list(explored.ends),
        "complete": explored.complete,
        "violations": [one._asdict() for one in told],
        "seconds": explored.seconds,
    }


def _total(objects: list[dict[str, Any]], seconds: float) -> dict[str, Json]:
    """All races as one, and each of them."""
    return {
        "scenario": _ALL,
        "schedules": sum(one["schedules"] for one in objects),
        "states": sum(one["states"] for one in objects),
        "complete": all(one["complete"] for one in objects),
        "violations": [violation for one in objects for violation in one["violations"]],
        "seconds": seconds,
        "scenarios": objects,
    }


def _print(done: list[tuple[Explored, list[_Told]]], seconds: float) -> None:
    columns = [("scenario", ""), ("schedules", ">"), ("states", ">"), ("ends", ">")]
    columns += [("covered", ""), ("violated in", ">"), ("seconds", ">")]
    rows = [
        (
            one.scenario,
            f"{one.schedules:,}",
            f"{one.states:,}",
            f"{len(one.ends):,}",
            "all" if one.complete else "NOT ALL",
            f"{one.broken:,}",
            f"{one.seconds:.1f}",
        )
        for one, _ in done
    ]
    print_table("Every schedule", columns, rows)
    out = console()
    for explored, told in done:
        for violation in told[:_SHOWN_MAX]:
            where = f"VIOLATION {explored.scenario}: {violation.invariant}"
            out.print(f"{where}: {shown(violation.message, 600)}")
            out.print(f"    {shown(violation.repro)}")
        if len(told) > _SHOWN_MAX:
            out.print(f"    and {len(told) - _SHOWN_MAX} more, beside them in {_DIR}")
    schedules, states = sum(one.schedules for one, _ in done), sum(one.states for one, _ in done)
    covered = all(one.complete for one, _ in done)
    out.print(
        f"{len(done)} races, {schedules:,} schedules, {states:,} states:"
        f" {'all covered' if covered else 'NOT ALL COVERED (--max-states)'},"
        f" {sum(one.broken for one, _ in done):,} with a violation, in {seconds:.1f} s"
    )
    sys.stdout.flush()
