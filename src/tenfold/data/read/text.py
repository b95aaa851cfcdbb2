"""From the bytes of a text file to UTF-8: decompression, encoding by detection, and files that are no tables."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib

from tenfold.data.read.memory import check_fits
from tenfold.errors import BadInput

GZIP = b"\x1f\x8b"
PIECE = 1 << 24  # bytes that are unpacked at a time
COPIES = 3  # of its text that reading a file holds at once
HEAD = 65_536  # bytes that detection looks at when it does not look at all of them
MARKS: tuple[tuple[bytes, str, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig", ""),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive (an Excel workbook is one)", "save the sheet as CSV, or unpack the archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV"),
    (b"BZh", "compressed with bzip2", "unpack it first"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it first"),
    (b"%PDF", "a PDF document", "export the table as CSV"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", "export the table as CSV or Parquet"),
    (b"ARROW1", "an Arrow IPC file", "write it as Parquet"),
)


def decompress(raw: bytes, where: str) -> tuple[bytes, list[str]]:
    """The decompressed bytes of a file that is gzipped, whatever its name; other bytes as they are."""
    if not raw.startswith(GZIP):
        return raw, []
    try:
        return _unpacked(raw, where), ["gzip under another name: unpacked"]
    except EOFError as error:
        raise BadInput("the gzip file is cut off", where=where, do="fetch the file again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadInput(f"the gzip file is damaged ({error})", where=where, do="fetch the file again") from error


def _unpacked(raw: bytes, where: str) -> bytes:
    """The content of a gzip file, which may not be larger than memory allows."""
    pieces: list[bytes] = []
    total = 0
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
        while piece := file.read(PIECE):
            pieces.append(piece)
            total += len(piece)
            check_fits(COPIES * total, where=where, what="the gzip file", packed=COPIES * len(raw))
    return b"".join(pieces)


def to_utf8(raw: bytes, where: str) -> tuple[bytes, list[str]]:
    """The text of a file as UTF-8 without a byte-order mark, and notes on its encoding.

    By byte-order mark, else UTF-16 where every other byte is zero, else UTF-8, else Windows-1252, else Latin-1.
    BadInput: empty file, another format, a NUL byte, UTF-8 with damaged places, a character cut off at the end.
    """
    for mark, what, remedy in FOREIGN:
        if raw.startswith(mark):
            raise BadInput(f"the file is {what}", where=where, expected="text: CSV or TSV", do=remedy)
    text, notes = _decode(raw, where)
    if not text or text.isspace():
        raise BadInput("the file is empty", where=f"{where}, line 1, column 1", expected="a header line and data rows")
    _refuse_markup(text, where)
    zero = text.find(b"\0")
    if zero >= 0:
        raise BadInput(
            "a NUL byte (the file is binary or damaged)",
            where=_place(text, zero, where),
            expected="text: CSV or TSV",
            do="export the file again",
        )
    return text, notes


def _decode(raw: bytes, where: str) -> tuple[bytes, list[str]]:
    for mark, encoding, name in MARKS:
        if raw.startswith(mark):
            if not name:
                return _checked_utf8(raw[len(mark) :], where, marked=True)
            return _recode(raw, encoding, where), [f"encoding: {name} by its byte-order mark"]
    guess = _unmarked_utf16(raw)
    if guess:
        return _recode(raw, guess, where), [f"encoding: {guess.upper()} (every other byte is zero)"]
    return _checked_utf8(raw, where, marked=False)


def _unmarked_utf16(raw: bytes) -> str:
    """The name of the UTF-16 that most of the head looks like: text whose every other byte is zero; "" for none."""
    head = raw[: HEAD // 2 * 2]
    zeros = (head[0::2].count(0), head[1::2].count(0))
    pairs = max(1, len(head) // 2)
    if len(head) < 8 or max(zeros) < 0.7 * pairs or min(zeros) > 0.05 * pairs:
        return ""
    return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"


def _recode(raw: bytes, encoding: str, where: str) -> bytes:
    try:
        return raw.decode(encoding).encode("utf-8")
    except UnicodeError as error:
        raise BadInput(
            f"the text is not valid {encoding} ({error.__class__.__name__} at byte {getattr(error, 'start', 0)})",
            where=where,
            do="the file is cut or damaged: export it again, as UTF-8",
        ) from error


def _checked_utf8(raw: bytes, where: str, *, marked: bool) -> tuple[bytes, list[str]]:
    try:
        if not raw.isascii():  # a check of bytes, many times as fast
            raw.decode("utf-8")
        return raw, ["encoding: UTF-8 with a byte-order mark"] if marked else []
    except UnicodeDecodeError as error:
        fault = error
    # UTF-8 with a few damaged bytes, or another encoding? In Latin-1 text hardly any letter above ASCII is valid UTF-8.
    replaced = raw.decode("utf-8", errors="replace")
    broken = replaced.count("\ufffd")
    valid = sum(1 for c in replaced if c > "\x7f") - broken
    if marked or valid > broken:
        cut = fault.reason == "unexpected end of data"
        byte = f"0x{raw[fault.start]:02x}"
        found = "the file ends inside a character" if cut else f"byte {byte} is not UTF-8, the other bytes are"
        raise BadInput(
            found,
            where=_place(raw, fault.start, where),
            expected="one encoding throughout",
            do="fetch the file again" if cut else "save the file again, as UTF-8",
        )
    name = "Windows-1252 (Latin-1)"
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        text, name = raw.decode("latin-1"), "Latin-1"
    line = _place(raw, fault.start, "")[2:].split(",")[0]
    note = f"encoding: {name}, because {line} is not UTF-8; save the file as UTF-8 if letters are wrong"
    return text.encode("utf-8"), [note]


def _refuse_markup(text: bytes, where: str) -> None:
    head = text[:512].lstrip().lower()
    where = f"{where}, line 1, column 1"
    if head.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<table")):
        found = "an HTML or XML page instead of a table"
        raise BadInput(found, where=where, expected="a header line and rows", do="fetch the data itself, not its page")
    if head.startswith((b"{", b"[{", b"[[")):
        raise BadInput(
            "JSON instead of a table", where=where, expected="a header line and rows", do="convert it to CSV"
        )
    if head.startswith(b"version https://git-lfs"):
        raise BadInput("a Git LFS pointer instead of the file itself", where=where, do="git lfs pull")


def _place(text: bytes, offset: int, where: str) -> str:
    before = text[:offset].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    line = before.count(b"\n") + 1
    column = offset - (max(text.rfind(b"\n", 0, offset), text.rfind(b"\r", 0, offset)) + 1) + 1
    return f"{where}, line {line}, character column {column}"
