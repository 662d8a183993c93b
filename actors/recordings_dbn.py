"""Databento's market-by-order files: the binary form as the lines of its CSV, and zstd text.

Needs the optional packages of the extra ``dbn``; without them a clear error says so, and plain CSV
still works.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from engine.errors import RecordingError
from engine.recordings.cme import HEADER

if TYPE_CHECKING:
    import databento_dbn as dbn
    import zstandard

__all__ = ["DBN_MAGIC", "DbnLines", "open_zstd"]

DBN_MAGIC = b"DBN"
_CHUNK_BYTES = 1 << 16


class DbnLines:
    """The records of one ``.dbn`` or ``.dbn.zst`` file, decoded piece by piece.

    Each line ends with the symbol that the file's own mapping gives its instrument on that day, or
    the instrument's number where it gives none. Records that belong to no order (system messages,
    mappings, definitions, trading status, statistics) are passed over.

    Raises, while iterating:
        RecordingError: the package is missing, the file is damaged, or it holds other records than
            market-by-order.
    """

    def __init__(self, path: Path, *, compressed: bool) -> None:
        self._path = path
        self._compressed = compressed
        self.name = path.name

    def __iter__(self) -> Iterator[str]:
        if find_spec("databento_dbn") is None:
            raise RecordingError(
                f"{self.name}: reading Databento's binary form needs the package databento-dbn:"
                " pip install 'orderwright[dbn]' (the .csv form of the same data needs nothing)"
            )
        yield f"{HEADER},symbol"
        yield from self._records()

    def _records(self) -> Iterator[str]:
        import databento_dbn as dbn  # noqa: PLC0415  # optional: only this format needs it

        passed_over = (
            dbn.SystemMsg, dbn.InstrumentDefMsg, dbn.StatusMsg, dbn.StatMsg, dbn.ImbalanceMsg,
        )  # fmt: skip
        decoder = dbn.DBNDecoder(
            compression=dbn.Compression("zstd" if self._compressed else "none")
        )
        count = 0
        symbols: dict[int, str] = {}
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    decoder.write(chunk)
                    for record in decoder.decode():
                        if isinstance(record, dbn.MBOMsg):
                            count += 1
                            number = record.instrument_id
                            yield (
                                f"{record.ts_event},{record.ts_recv},{record.sequence},"
                                f"{record.action},{record.side},{record.order_id},"
                                f"{record.price},{record.size},{record.flags},"
                                f"{symbols.get(number, number)}"
                            )
                        elif isinstance(record, dbn.Metadata):
                            symbols = _symbols(record)
                        elif isinstance(record, dbn.SymbolMappingMsg):
                            symbols[record.instrument_id] = record.stype_out_symbol
                        elif not isinstance(record, passed_over):
                            raise RecordingError(
                                f"{self.name}: holds {type(record).__name__} records;"
                                " only market-by-order can be replayed"
                            )
        except (dbn.DBNError, OSError) as error:
            raise RecordingError(
                f"{self.name}: cannot be read past record {count}: {error}"
            ) from error
        if decoder.buffer():
            raise RecordingError(f"{self.name}: the file is truncated after record {count}")


def _symbols(metadata: dbn.Metadata) -> dict[int, str]:
    """Instrument number -> symbol, for numbers that keep one symbol throughout the file."""
    found: dict[int, set[str]] = {}
    for symbol, intervals in metadata.mappings.items():
        for interval in intervals:
            if str(interval["symbol"]).isdecimal():
                found.setdefault(int(interval["symbol"]), set()).add(symbol)
    return {number: min(names) for number, names in found.items() if len(names) == 1}


def open_zstd(path: Path) -> IO[bytes]:
    """The unpacked bytes of a zstd file of one or several frames, to be closed by the caller.

    Raises:
        RecordingError: the package is missing.
        OSError, EOFError, while reading: the file is damaged or ends within a frame.
    """
    if find_spec("zstandard") is None:
        raise RecordingError(
            f"{path.name}: reading zstd needs the package zstandard: pip install"
            " 'orderwright[dbn]' (or unpack the file first)"
        )
    return io.BufferedReader(_Zstd(path), _CHUNK_BYTES)


class _Zstd(io.RawIOBase):
    """Unpacks frame by frame, because the library's own reader takes a torn file for a whole."""

    def __init__(self, path: Path) -> None:
        import zstandard  # noqa: PLC0415  # optional: only this packing needs it

        self._file = path.open("rb")
        self._library = zstandard
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._packed = self._plain = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill the buffer's beginning; 0 at the end of the last frame."""
        while not self._plain:
            self._packed = self._packed or self._file.read(_CHUNK_BYTES)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError
                return 0
            if self._frame is None:
                self._frame = self._library.ZstdDecompressor().decompressobj()
            try:
                self._plain = self._frame.decompress(self._packed)
            except self._library.ZstdError as error:
                raise OSError(str(error)) from error
            self._packed = self._frame.unused_data if self._frame.eof else b""
            self._frame = None if self._frame.eof else self._frame
        count = min(len(buffer), len(self._plain))
        buffer[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()
