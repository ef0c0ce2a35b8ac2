"""Text files as they come from many hands: any common encoding, any line ends."""

from __future__ import annotations

import codecs
from pathlib import Path

from emollm.errors import UserError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = (*range(1, 9), *range(14, 32))
_NO_TEXT = (
    (b"pk\x03\x04", "a packed file (a spreadsheet or a zip archive)"),
    (b"version https://git-lfs", "a pointer to a file that Git LFS keeps elsewhere"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"\x1f\x8b", "a packed file"),
    (b"\x89png", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"%pdf-", "a PDF"),
)


def read_text(path: Path, fallback: str = "cp1252") -> str:
    r"""The content of a text file, with ``\n`` at the end of its lines and no byte order mark.

    The encoding is told by the byte order mark; without one it is UTF-16 where every second byte is zero, or most
    are one control character (scripts that are not Latin), else UTF-8. Lines that are no UTF-8 (some files are
    pasted together) are in the fallback, else in Windows-1252 (Latin-1 with curly quotes), which reads anything;
    in Mac Roman where lines end with carriage returns alone.

    Args:
        path: the file.
        fallback: the encoding that writers of this corpus use besides.

    Raises:
        UserError: when there is no such file, or it cannot be read, or is something else under a text's name.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check its name and permissions.") from error
    kind = next((kind for start, kind in _NO_TEXT if data.lstrip()[:40].lower().startswith(start)), None)
    if kind is not None:
        raise UserError(f"{path} is {kind}: put the text file itself in its place.")
    encoding = _encoding(data)
    if encoding != "utf-8":
        text = data.decode(encoding, errors="replace")
        return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if fallback == "cp1252" and data.count(b"\r") > 1 and b"\n" not in data:
        fallback = "mac_roman"
    lines = data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return "\n".join(_line(line, fallback) for line in lines).lstrip("\ufeff")


def _line(data: bytes, fallback: str) -> str:
    for encoding in ("utf-8", fallback):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", errors="replace")


def _encoding(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            # Several files with marks, joined, have marks in the middle: they are told line by line.
            return "utf-8" if encoding == "utf-8-sig" else encoding
    start = data[:1000]
    # Latin letters and digits in UTF-16 have a zero as their upper byte: behind the letter, or before it.
    if len(start) > 3 and start.count(0) > len(start) / 20:
        return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"
    for encoding, upper in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        # So are letters of one other script alike, where no text of single bytes has a control character.
        if len(upper) > 1 and max(map(upper.count, _CONTROLS)) > len(upper) / 2:
            return encoding
    return "utf-8"
