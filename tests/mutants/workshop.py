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

from .guard import ROOT_VARIABLE
from .mutant import Mutant, Result, Verdict

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

    def failing(self, tests: Sequence[str]) -> list[str]:
        """Of these tests, the ones that fail as the code stands; no fault is in it."""
        ran = self._run((*_PYTEST, *tests), BASELINE_SECONDS)
        if ran.code == 0:
            return []
        return _FAILED.findall(ran.output) or [ran.output.strip()[-800:] or "they take too long"]

    def simulated_failure(self, arguments: str) -> str:
        """Whether a ``simulate ...`` command fails as the code stands: its output, or ""."""
        ran = self._run(("-m", "tests.mutants.guard", *arguments.split()), BASELINE_SECONDS)
        return "" if ran.code == 0 else f"{arguments}: {ran.output.strip()[-800:]}"

    def _catch(self, mutant: Mutant) -> tuple[Verdict, str, str]:
        """The verdict, the test that caught it, and what there is to say."""
        until = time.monotonic() + mutant.seconds
        tests = [one for one in mutant.caught_by if not one.startswith("simulate ")]
        commands: list[tuple[str, ...]] = [(*_PYTEST, "-x", *tests)] if tests else []
        commands += [
            ("-m", "tests.mutants.guard", *one.split())
            for one in mutant.caught_by
            if one.startswith("simulate ")
        ]
        for command in commands:
            ran = self._run(command, max(until - time.monotonic(), 1.0))
            if ran.code is None:
                if mutant.hangs:
                    return Verdict.CAUGHT, "its budget of time", ""
                return Verdict.TIMEOUT, "", f"no end within {mutant.seconds} s"
            if ran.code == 1:
                found = _FAILED.search(ran.output)
                return Verdict.CAUGHT, found[1] if found else " ".join(command[2:]), ""
            if ran.code != 0:
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


def broken_without(bench: Bench, mutants: Iterable[Mutant]) -> list[str]:
    """Tests named for these faults that fail without any: then their failing proves nothing."""
    named = dict.fromkeys(catcher for mutant in mutants for catcher in mutant.caught_by)
    tests = [one for one in named if not one.startswith("simulate ")]
    failing = bench.failing(tests) if tests else []
    for one in named:
        if one.startswith("simulate "):
            failure = bench.simulated_failure(one)
            if failure:
                failing.append(failure)
    return failing


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
