"""Opening recordings: content decides, not the name; every way to be broken is said clearly."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from actors.replay import replay
from actors.replay_io import open_recording
from engine.errors import RecordingError
from tests.conftest import shared_path

ROWS = "34200.1,1,7,10,5853300,1\n34200.2,4,7,10,5853300,1\n"


def written(folder: Path, name: str, content: bytes) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content)
    return path


def zipped(folder: Path, members: dict[str, str]) -> Path:
    """A zip with these members."""
    path = folder / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def refusal(*paths: Path, format: str | None = None) -> str:  # the parameter's public name
    """The error that opening or reading these files ends in."""
    with pytest.raises(RecordingError) as caught:
        list(open_recording(list(paths), format).steps())
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a"])
@pytest.mark.parametrize("packed", [True, False])
def test_content_decides_not_the_name(tmp_path: Path, name: str, packed: bool) -> None:
    """A plain or gzipped file is read the same, whatever its name says."""
    content = ROWS.encode()
    path = written(tmp_path, name, gzip.compress(content) if packed else content)
    made = open_recording([path])

    assert (made.format, made.name, len(list(made.steps()))) == ("lobster", name, 3)


def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path: Path) -> None:
    """Windows line ends, a byte order mark and a missing last newline change nothing."""
    path = written(tmp_path, "a", b"\xef\xbb\xbf" + ROWS.rstrip().replace("\n", "\r\n").encode())

    assert len(list(open_recording([path]).steps())) == 3


def test_the_message_member_of_a_zip_is_found(tmp_path: Path) -> None:
    """Order book and readme beside the messages are passed over."""
    path = zipped(
        tmp_path, {"X_orderbook_1.csv": "1,2,3,4\n", "ReadMe.txt": "hello", "X_message_1.csv": ROWS}
    )
    made = open_recording([path])

    assert (made.name, len(list(made.steps()))) == ("X_message_1.csv", 3)


def test_a_zip_without_a_recording_says_what_it_holds(tmp_path: Path) -> None:
    """The missing member is the error, with the members that are there."""
    assert "X_orderbook_1.csv" in refusal(zipped(tmp_path, {"X_orderbook_1.csv": "1,2,3,4\n"}))


def test_a_zip_with_two_recordings_is_ambiguous(tmp_path: Path) -> None:
    """No member is picked silently."""
    text = refusal(zipped(tmp_path, {"a.csv": ROWS, "b.csv": ROWS}))
    assert "a.csv" in text
    assert "b.csv" in text


@pytest.mark.parametrize(
    "content",
    # the time is left out, or two test processes would not agree on what this case is called
    [b"", gzip.compress(b"", mtime=0), b"\n", b"PK\x05\x06" + b"\0" * 18],
)
def test_an_empty_file_is_named(tmp_path: Path, content: bytes) -> None:
    """Nothing, in whatever packing, is an error that names the file."""
    assert "empty.csv" in refusal(written(tmp_path, "empty.csv", content))


def test_a_truncated_gzip_is_named_with_its_last_good_line(tmp_path: Path) -> None:
    """A torn download is not read as a short recording."""
    rows = "".join(f"34200.{i:06d},1,{i},10,5853300,1\n" for i in range(20_000))
    whole = gzip.compress(rows.encode())
    text = refusal(written(tmp_path, "torn.csv.gz", whole[: len(whole) // 2]))

    assert "torn.csv.gz" in text
    assert "truncated" in text


def test_a_damaged_gzip_is_named(tmp_path: Path) -> None:
    """A flipped byte in the packed data is an error, never other numbers."""
    packed = bytearray(gzip.compress(ROWS.encode() * 50))
    packed[-6] ^= 1  # in the checksum
    assert "bad.gz" in refusal(written(tmp_path, "bad.gz", bytes(packed)))


def test_a_damaged_zip_is_named(tmp_path: Path) -> None:
    """A zip without its directory cannot be read, and says so."""
    whole = zipped(tmp_path, {"a.csv": ROWS}).read_bytes()
    assert "cannot be read" in refusal(written(tmp_path, "half.zip", whole[: len(whole) // 2]))


def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    """The bytes are shown, and the last line that could be read."""
    text = refusal(written(tmp_path, "latin.csv", ROWS.encode() * 1 + b"34200.3,4,7,\xff,1,1\n"))

    assert "latin.csv" in text
    assert "not UTF-8" in text
    assert "ff" in text


def test_another_format_than_asked_for_is_refused(tmp_path: Path) -> None:
    """An insisted format is checked against the content, and an unknown one lists the known."""
    path = written(tmp_path, "a.csv", ROWS.encode())

    assert open_recording([path], "lobster").format == "lobster"
    assert "it is lobster" in refusal(path, format="cme-mbo")
    assert "known are" in refusal(path, format="nonsense")


def test_unknown_content_is_shown_and_escaped(tmp_path: Path) -> None:
    """A file of something else is refused with its beginning, safely quoted."""
    text = refusal(written(tmp_path, "x", b"\x1b]0;owned\x07 what, is, this\n"))

    assert "\\x1b" in text
    assert text.isprintable()


def test_mixed_recordings_are_refused(tmp_path: Path) -> None:
    """Two recordings are not made one; a folder, a missing file and no file are errors."""
    one = written(tmp_path, "one.csv", ROWS.encode())

    assert "not one recording" in refusal(one, one)
    assert "directory" in refusal(tmp_path)
    assert "cannot be opened" in refusal(tmp_path / "absent.csv")
    assert "no recording" in refusal()


def test_a_change_of_format_inside_a_file_is_a_bad_row(tmp_path: Path) -> None:
    """Two formats in one file end at the first line of the second."""
    path = written(tmp_path, "a.csv", (ROWS + "id,timestamp,price\n").encode())

    assert "line 3" in refusal(path)


def test_a_line_of_megabytes_is_refused(tmp_path: Path) -> None:
    """A line too long to be a row is an error before anybody works on it."""
    text = refusal(written(tmp_path, "a.csv", ROWS.encode() + b"9" * 2_000_000))

    assert "2000000 characters" in text
    assert len(text) < 1000


def test_a_truncated_binary_recording_is_named(tmp_path: Path) -> None:
    """Half a Databento file is an error after its last whole record, not a short recording."""
    whole = shared_path("data", "orders", "esh4-glbx-mdp3-20231225.mbo.dbn.zst").read_bytes()
    text = refusal(written(tmp_path, "half.dbn.zst", whole[: len(whole) // 3]))

    assert "half.dbn.zst" in text
    assert "truncated" in text


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package the error says what to install."""
    monkeypatch.setitem(sys.modules, "databento_dbn", None)

    assert "orderwright[dbn]" in refusal(written(tmp_path, "x.dbn", b"DBN\x01"))


def test_a_binary_file_of_nonsense_is_named(tmp_path: Path) -> None:
    """A file that only begins like Databento's is refused with its name."""
    assert "bad.dbn" in refusal(written(tmp_path, "bad.dbn", b"DBN\x01" + b"\x07" * 400))


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_other_packings_are_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Files come as bzip2 and xz too; a torn one is named."""
    made = open_recording([written(tmp_path, "a.csv", pack(ROWS.encode()))])

    assert (made.format, len(list(made.steps()))) == ("lobster", 3)
    whole = pack("".join(f"34200.{i:06d},1,{i},10,5853300,1\n" for i in range(20_000)).encode())
    assert "torn" in refusal(written(tmp_path, "torn", whole[: len(whole) // 2]))


def test_text_packed_with_zstd_is_read(tmp_path: Path) -> None:
    """Text in one or several zstd frames is text; half a frame and a damaged one are named."""
    zstandard = pytest.importorskip("zstandard")
    rows = "".join(f"34200.{i:06d},1,{i},10,5853300,1\n" for i in range(40_000)).encode()
    whole, half = zstandard.compress(rows), len(rows) // 2
    frames = zstandard.compress(rows[:half]) + zstandard.compress(rows[half:])

    for packed in (whole, frames):
        made = open_recording([written(tmp_path, "a.csv.zst", packed)])
        assert sum(1 for _ in made.steps()) == 80_000
    assert "truncated" in refusal(written(tmp_path, "half", whole[: len(whole) // 2]))
    assert "damaged" in refusal(written(tmp_path, "damaged", whole[:5000] + b"\0" + whole[5000:]))


def test_text_packed_with_zstd_needs_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the optional package the error says what to install, or to unpack the file."""
    monkeypatch.setitem(sys.modules, "zstandard", None)

    assert "orderwright[dbn]" in refusal(written(tmp_path, "x.csv.zst", b"\x28\xb5\x2f\xfd"))


def test_an_archive_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    """A 7z archive is to be unpacked, text of another encoding to be saved as UTF-8."""
    assert "unpack it" in refusal(written(tmp_path, "a.7z", b"7z\xbc\xaf\x27\x1c" + b"\0" * 99))
    assert "Save it as UTF-8" in refusal(written(tmp_path, "a.csv", ROWS.encode("utf-16")))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_binary_files_name_their_instruments(tmp_path: Path, version: int) -> None:
    """Each version of the form is read; the file's own mapping names what its name does not, other
    instruments keep their number, and records of no order are passed over.
    """
    dbn = pytest.importorskip("databento_dbn")
    days = date(2023, 12, 25), date(2023, 12, 26)
    day = SimpleNamespace(start_date=days[0], end_date=days[1], symbol="17077")
    head = dbn.Metadata(
        "GLBX.MDP3", 0, dbn.SType.RAW_SYMBOL, dbn.SType.INSTRUMENT_ID, dbn.Schema.MBO,
        mappings=[SimpleNamespace(raw_symbol="ESH4", intervals=[day])], version=version,
    )  # fmt: skip
    orders = [
        dbn.MBOMsg(1, number, 5, oid, 10**12, 3, dbn.Action.ADD, dbn.Side.BID, 6, flags=130)
        for number, oid in ((17077, 1), (99, 2))
    ]
    records = [orders[0], dbn.StatusMsg(1, 17077, 5, 6), orders[1]]
    content = head.encode() + b"".join(bytes(record) for record in records)
    made = open_recording([written(tmp_path, "glbx-mdp3.mbo.dbn", content)])

    assert [known.symbol for known in made.instruments] == ["ESH4", "99"]
    assert [type(step.message).__name__ for _, step in made.steps()] == [
        "SubmitOrder",
        "Accepted",
        "SubmitOrder",
        "Accepted",
    ]


HYPERLIQUID = (
    "Account,Coin,Execution Price,Size Tokens,Size USD,Side,Timestamp IST,Start Position,"
    "Direction,Closed PnL,Transaction Hash,Order ID,Crossed,Fee,Trade ID,Timestamp\n"
)


def test_a_file_of_a_header_alone_is_refused_where_its_rows_name_the_accounts(
    tmp_path: Path,
) -> None:
    """Without an account there is nothing to replay, and the error says so."""
    with pytest.raises(RecordingError, match="no row below its header"):
        replay([written(tmp_path, "fills.csv", HYPERLIQUID.encode())])


@pytest.mark.parametrize(("last", "failed"), [("10", 0), ("12", 1)])
def test_a_file_may_begin_with_something_held(tmp_path: Path, last: str, failed: int) -> None:
    """What it cost is told by the first close, with which the others have to agree."""
    rows = "".join(
        f"0xabc,BTC,110,1,0,SELL,02-12-2024 22:50,{held},Close Long,{pnl},0x{held},1,TRUE,0,1,1\n"
        for held, pnl in ((3, "10"), (2, "10"), (1, last))
    )
    report = replay([written(tmp_path, "fills.csv", (HYPERLIQUID + rows).encode())])

    assert {check.name: check.failed for check in report.checks}["realized_pnl"] == failed
