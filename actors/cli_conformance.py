"""``orderwright conformance``: order-state sequences through the real order code."""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson

from engine.errors import InvalidValue
from engine.testing.conformance import Json, Mismatch, run_sequences

from .cli_output import CHECK_FAILED, HOLDS, console, print_json, print_table, shown

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    """Run the sequences of a file."""
    sequences = _read(Path(args.file))
    mismatches = run_sequences(sequences)
    failed = len(dict.fromkeys(bad.id for bad in mismatches))
    passed = len(sequences) - failed
    if args.json:
        print_json(
            {
                "sequences": len(sequences),
                "passed": passed,
                "failed": [_object(bad) for bad in mismatches],
            }
        )
    else:
        if mismatches:
            columns = [("sequence", ""), ("step", ">"), ("field", "")]
            columns += [("expected", ""), ("got", "")]
            print_table("Not as expected", columns, mismatches)
        console().print(f"{passed} of {len(sequences)} sequences pass ({shown(args.file)})")
    return CHECK_FAILED if mismatches else HOLDS


def _object(bad: Mismatch) -> dict[str, str | int | None]:
    return {
        "id": bad.id,
        "step": bad.step,
        "field": bad.field,
        "expected": bad.expected,
        "got": bad.got,
    }


def _read(path: Path) -> list[Json]:
    try:
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        raise InvalidValue(f"{path.name}: cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise InvalidValue(
            f"{path.name}, line {error.lineno}: not JSON: {error.msg}. Expected a list of sequences"
        ) from error
    if isinstance(found, dict):
        found = found.get("sequences")
    if not isinstance(found, list) or not found:
        raise InvalidValue(
            f"{path.name}: expected a JSON list of sequences that is not empty,"
            f" was {str(found)[:80]!a}"
        )
    return found
