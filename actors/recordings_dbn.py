"""Databento's binary market-by-order files, as the lines of their CSV form.

Needs the optional packages of the extra ``dbn``; without them a clear error says so, and the CSV
form still works.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from engine.errors import RecordingError
from engine.recordings.cme import HEADER

__all__ = ["DbnLines"]

_CHUNK_BYTES = 1 << 16


class DbnLines:
    """The records of one ``.dbn`` or ``.dbn.zst`` file, decoded piece by piece.

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
        yield HEADER
        yield from self._records()

    def _records(self) -> Iterator[str]:
        import databento_dbn as dbn  # noqa: PLC0415  # optional: only this format needs it

        decoder = dbn.DBNDecoder(
            compression=dbn.Compression("zstd" if self._compressed else "none")
        )
        count = 0
        try:
            with self._path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    decoder.write(chunk)
                    for record in decoder.decode():
                        if isinstance(record, dbn.MBOMsg):
                            count += 1
                            yield (
                                f"{record.ts_event},{record.ts_recv},{record.sequence},"
                                f"{record.action},{record.side},{record.order_id},"
                                f"{record.price},{record.size},{record.flags}"
                            )
                        elif not isinstance(
                            record, dbn.Metadata | dbn.SystemMsg | dbn.SymbolMappingMsg
                        ):
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
