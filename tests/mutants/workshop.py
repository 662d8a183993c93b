"""Runs tests against faults, in copies of the project: the working tree is only ever read.

Each worker has a copy of its own, in which one fault at a time is put and taken out again. All
copies are made from one, so that somebody who edits meanwhile does not change what is tested.
"""

from __future__ import annotations

import importlib.util
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from .copied import ROOT_VARIABLE
from .mutant import SIMULATE, Mutant, Result, Verdict

__all__ = ["BASELINE_SECONDS", "Bench", "broken_without", "run_all"]

#: What a copy needs to run its tests.
_PARTS: Final = ("engine", "actors", "benchmarks", "tests", "pyproject.toml", "README.md")
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_PYTEST: Final = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.mutants.guard")
#: For all named tests together, without a fault.
BASELINE_SECONDS: Final = 900


class _Ran(NamedTuple):
    code: int | None  # None: it ran out of time
    output: str


class Bench:
    """A copy of the project in which tests are run."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def copied(cls, source: Path, to: Path) -> Bench:
        """Copy a project, with its compiled files: only what changes is compiled again."""
        ignored = shutil.ignore_patterns(".*", "*.db*")
        for part in _PARTS:
            if (source / part).is_dir():
                shutil.copytree(source / part, to / part, ignore=ignored)
            elif (source / part).exists():
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / part, to / part)
        return cls(to)

    def try_out(self, mutant: Mutant) -> Result:
        """Put a fault in, run its tests until one fails, and take it out again.

        Raises:
            Stale: the fault does not fit the code.
        """
        path = self.root / mutant.file
        before = path.read_text("utf-8")
        mutated = mutant.applied_to(before)
        started = time.monotonic()
        try:
            self._write(path, mutated)
            verdict, by, detail = self._catch(mutant)
        finally:
            self._write(path, before)
        return Result(mutant, verdict, by, time.monotonic() - started, detail)

    def failing(self, catchers: Iterable[str]) -> list[str]:
        """Of these tests and simulations, the ones that fail as the code stands, without a fault.

        All tests in one run, so that it takes no longer than it must.
        """
        named = dict.fromkeys(catchers)
        tests = [each for one in named if not one.startswith(SIMULATE) for each in one.split()]
        found: list[str] = []
        simulations = [one for one in named if one.startswith(SIMULATE)]
        for command in _commands(list(dict.fromkeys(tests)), simulations):
            ran = self._run(command, BASELINE_SECONDS)
            if ran.code is None:
                found.append(f"no end within {BASELINE_SECONDS} s: {' '.join(command)}")
            elif ran.code != 0:
                found += _FAILED.findall(ran.output) or [ran.output.strip()[-1500:]]
        return found

    def _catch(self, mutant: Mutant) -> tuple[Verdict, str, str]:
        """The verdict, the test that caught it, and what there is to say."""
        until = time.monotonic() + mutant.seconds
        for one in mutant.caught_by:
            simulated = one.startswith(SIMULATE)
            tests = () if simulated else ("-x", *one.split())
            (command,) = _commands(tests, (one,) if simulated else ())
            ran = self._run(command, max(until - time.monotonic(), 1.0))
            if ran.code is None:
                if mutant.hangs:
                    return Verdict.CAUGHT, one, "it hangs"
                return Verdict.TIMEOUT, "", f"no end within {mutant.seconds} s"
            found = _FAILED.search(ran.output)
            if ran.code == 1 and found is not None:
                return Verdict.CAUGHT, found[1], ""
            if ran.code != 0:  # not even an import went well: a wreck is no fault
                return Verdict.WRECKED, "", ran.output.strip()[-1500:]
        return Verdict.SURVIVED, "", ""

    def _run(self, arguments: Sequence[str], seconds: float) -> _Ran:
        """Run Python in the copy; what runs out of time is ended with all that it started."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root),
            "HYPOTHESIS_PROFILE": "mutants",
            ROOT_VARIABLE: str(self.root),
        }
        child = subprocess.Popen(
            (sys.executable, *arguments),
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return _Ran(None, _ended(child))
        except BaseException:
            _ended(child)
            raise
        return _Ran(child.returncode, output)

    @staticmethod
    def _write(path: Path, text: str) -> None:
        """Write a source; its compiled form may look as young as it is, so it goes."""
        path.write_text(text, "utf-8")
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def _ended(child: subprocess.Popen[str]) -> str:
    """Kill a process and everything it started; what it had said."""
    os.killpg(child.pid, signal.SIGKILL)
    output, _ = child.communicate()
    return output


def _commands(tests: Sequence[str], simulations: Sequence[str]) -> list[tuple[str, ...]]:
    """What to run Python with: one pytest for all tests, one program for each simulation."""
    commands: list[tuple[str, ...]] = [(*_PYTEST, *tests)] if tests else []
    return commands + [
        ("-m", "tests.mutants.seeds", *one.removeprefix(SIMULATE).split()) for one in simulations
    ]


def broken_without(bench: Bench, mutants: Iterable[Mutant]) -> list[str]:
    """What is named for these faults and fails without any: then its failing proves nothing."""
    return bench.failing(one for mutant in mutants for one in mutant.caught_by)


def run_all(
    source: Path,
    scratch: Path,
    mutants: Sequence[Mutant],
    jobs: int,
    tell: Callable[[Result], object],
) -> list[Result]:
    """Try all faults, ``jobs`` at a time; results in the order of ``mutants``.

    ``tell`` is called with each as it comes, from several threads.
    """
    waiting: queue.SimpleQueue[tuple[int, Mutant]] = queue.SimpleQueue()
    for item in enumerate(mutants):
        waiting.put(item)
    found: dict[int, Result] = {}
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            bench = Bench.copied(source, scratch / f"copy-{number}")
            while not failures:
                index, mutant = waiting.get_nowait()
                found[index] = bench.try_out(mutant)
                tell(found[index])
        except queue.Empty:
            return
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(jobs)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except BaseException as error:
        failures.append(error)  # after the fault at hand, nobody takes another
        for worker in workers:
            worker.join()
        raise
    if failures:
        raise failures[0]
    return [found[index] for index in sorted(found)]
