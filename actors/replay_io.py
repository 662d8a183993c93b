"""Open recordings: files in, :class:`engine.recordings.Recording` out.

The engine's readers take lines; this is the one place that knows about gzip, bzip2, xz, zstd, zip,
and Databento's binary files. A file is never trusted by its name: compression by its magic bytes,
format by its first line. Every failure is a :class:`RecordingError` that names the file, and the
line where there is one.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO

from engine.errors import RecordingError
from engine.recordings import Lines, Recording, make_recording
from engine.recordings.base import excerpt, first_lines
from engine.recordings.detect import FORMATS, describe_formats, detect_format

from .recordings_dbn import DBN_MAGIC, DbnLines, open_zstd

__all__ = ["FileLines", "count_rows", "open_recording"]

_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
_ZIP_EMPTY_MAGIC = b"PK\x05\x06"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BZIP2_MAGIC = b"BZh"
_XZ_MAGIC = b"\xfd7zX"
_7Z_MAGIC = b"7z\xbc\xaf"
_LINE_LENGTH_MAX = (
    1_000_000  # characters; a longer line is no recording but would be held in memory
)


class FileLines:
    """The lines of a text file: plain, compressed, or a member of a zip; read at each iteration.

    Raises, while iterating:
        RecordingError: the file is truncated, damaged, gone, or not UTF-8; names the line that
            could not be read.
    """

    def __init__(self, path: Path, member: str | None = None) -> None:
        self._path = path
        self._member = member
        self.name = member if member is not None else path.name

    def __iter__(self) -> Iterator[str]:
        try:
            with ExitStack() as stack:
                text = self._open(stack)
                yield from map(_without_newline, text)
        except _READ_ERRORS as error:
            raise self._torn(error) from error

    def _open(self, stack: ExitStack) -> IO[str]:
        magic = _magic(self._path)
        raw: IO[bytes]
        if self._member is not None:
            archive = stack.enter_context(zipfile.ZipFile(self._path))
            raw = stack.enter_context(archive.open(self._member))
        elif magic.startswith(_GZIP_MAGIC):
            packed = stack.enter_context(gzip.GzipFile(self._path, "rb"))
            raw = io.BufferedReader(packed)
        elif magic.startswith(_BZIP2_MAGIC):
            raw = stack.enter_context(bz2.BZ2File(self._path, "rb"))
        elif magic.startswith(_XZ_MAGIC):
            raw = stack.enter_context(lzma.LZMAFile(self._path))  # noqa: SIM115  # the stack does
        elif magic.startswith(_ZSTD_MAGIC):
            raw = stack.enter_context(open_zstd(self._path))
        else:
            raw = stack.enter_context(self._path.open("rb"))
        return stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=None))

    def _torn(self, error: Exception) -> RecordingError:
        """Say where it broke: count the lines that can still be read."""
        good = 0
        try:
            with ExitStack() as stack:
                for _ in self._open(stack):
                    good += 1
        except _READ_ERRORS:
            pass
        remedy = "Copy the file again from its source"
        if isinstance(error, UnicodeDecodeError):
            remedy = "Save it as UTF-8, or unpack it first if it is packed"
        return RecordingError(
            f"{self.name}: cannot be read past line {good}: {_why(error)}. {remedy}."
        )


_READ_ERRORS: tuple[type[Exception], ...] = (
    EOFError,
    OSError,
    UnicodeDecodeError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,  # zipfile raises it for encrypted members
    NotImplementedError,  # ... and this for unknown compression
)


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        bad = error.object[error.start : error.start + 8]
        return f"not UTF-8 text (bytes {bad.hex(' ')})"
    if isinstance(error, EOFError):
        return "the compressed file is truncated"
    return excerpt(error)


def _without_newline(line: str) -> str:
    if len(line) > _LINE_LENGTH_MAX:
        raise RecordingError(
            f"a line has {len(line)} characters (at most {_LINE_LENGTH_MAX});"
            f" it begins with {excerpt(line)}"
        )
    return line.rstrip("\r\n")


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise RecordingError(f"{path.name}: cannot be opened: {error.strerror}") from error


class FirstLines:
    """The beginning of a recording: at most ``count`` of its lines (a header counts as one)."""

    def __init__(self, lines: Lines, count: int) -> None:
        self._lines = lines
        self._count = count
        self.name = lines.name

    def __iter__(self) -> Iterator[str]:
        return islice(self._lines, self._count)


def open_recording(
    paths: Sequence[Path],
    format: str | None = None,  # the word users type after --
    limit: int | None = None,
) -> Recording:
    """Open one recording: a file, or the KuCoin event log with its fill exports.

    ``format`` is one of :data:`engine.recordings.FORMATS`, to insist on it; None detects it from
    the content. More than one path is given only where the format has companions. ``limit`` takes
    only the first so many lines (a header is one); a drop copy beside a log is read whole.

    Raises:
        RecordingError: unreadable, empty, unknown or mixed; nothing stays open.
    """
    if not paths:
        raise RecordingError("no recording given: name at least one file")
    if format is not None and format not in FORMATS:
        raise RecordingError(f"unknown format {excerpt(format)}; known are {', '.join(FORMATS)}")
    found = [_open_one(Path(path), format) for path in paths]
    if limit is not None:
        if limit < 1:
            raise RecordingError(f"the limit of lines must be above 0, was {limit}")
        has_log = any(kind == "kucoin-events" for kind, _ in found)
        found = [
            (kind, lines if has_log and kind == "kucoin-trades" else FirstLines(lines, limit))
            for kind, lines in found
        ]
    return make_recording(found)


def count_rows(path: str | Path, limit: int | None = None) -> int | None:
    """How many lines there are to read, for a progress bar; None where that cannot be told."""
    try:
        _, lines = _open_one(Path(path), None)
        count = sum(1 for _ in lines)
    except RecordingError:
        return None  # whoever reads it says why
    return count if limit is None else min(count, limit)


def _open_one(path: Path, wanted: str | None) -> tuple[str, Lines]:
    """The format of one file and its lines."""
    if path.is_dir():
        raise RecordingError(f"{path.name}: is a directory; name a recording file")
    magic = _magic(path)
    if not magic:
        raise RecordingError(f"{path.name}: the file is empty")
    if magic.startswith((_ZIP_MAGIC, _ZIP_EMPTY_MAGIC)):
        return _open_member(path, wanted)
    if magic.startswith(_7Z_MAGIC):
        raise RecordingError(f"{path.name}: is a 7z archive; unpack it and name the file inside")
    lines: Lines = FileLines(path)
    if magic.startswith(DBN_MAGIC) or (magic.startswith(_ZSTD_MAGIC) and _packs_dbn(path)):
        lines = DbnLines(path, compressed=magic.startswith(_ZSTD_MAGIC))
    return _checked(path.name, lines, wanted), lines


def _packs_dbn(path: Path) -> bool:
    """Whether a zstd file holds Databento's binary form, and not text."""
    try:
        with open_zstd(path) as file:
            return file.read(len(DBN_MAGIC)) == DBN_MAGIC
    except OSError as error:
        raise RecordingError(
            f"{path.name}: cannot be read: {_why(error)}. Copy the file again from its source."
        ) from error


def _checked(name: str, lines: Lines, wanted: str | None) -> str:
    """The detected format; raises when there is none or another one was asked for."""
    first = first_lines(lines, 2)
    if not first:
        raise RecordingError(f"{name}: the recording is empty, it has no lines")
    found = detect_format(first)
    if found is None:
        raise RecordingError(f"{name}: not a recording we can read: {describe_formats(first)}")
    if wanted is not None and found != wanted:
        raise RecordingError(
            f"{name}: asked to read it as {wanted}, but {describe_formats(first)}; it is {found}"
        )
    return found


def _open_member(path: Path, wanted: str | None) -> tuple[str, Lines]:
    """The one member of a zip that is a recording; order books and readmes stand beside it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise RecordingError(f"{path.name}: the zip cannot be read: {_why(error)}") from error
    found: list[tuple[str, Lines]] = []
    for name in names:
        lines = FileLines(path, name)
        kind = _sniff(lines)
        if kind is not None and (wanted is None or kind == wanted):
            found.append((kind, lines))
    if not found:
        listed = ", ".join(map(excerpt, names[:8])) or "nothing"
        raise RecordingError(
            f"{path.name}: no member of this zip is a {wanted or 'known recording'};"
            f" it holds {listed}"
        )
    if len(found) > 1:
        listed = ", ".join(f"{excerpt(lines.name)} ({kind})" for kind, lines in found)
        raise RecordingError(
            f"{path.name}: more than one recording in this zip ({listed}); unpack it and name one"
        )
    return found[0]


def _sniff(lines: Lines) -> str | None:
    """The format of a member; None for members that are none of ours, or not text at all."""
    try:
        return detect_format(first_lines(lines, 2))
    except RecordingError:
        return None
