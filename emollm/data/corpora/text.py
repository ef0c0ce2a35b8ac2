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
_CONTROLS = set(range(9)) | set(range(14, 32))
_NO_TEXT = (
    (b"pk\x03\x04", "a packed file (a spreadsheet or a zip archive)"),
    (b"version https://git-lfs", "a pointer to a file that Git LFS keeps elsewhere"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)


def read_text(path: Path, fallback: str = "cp1252") -> str:
    r"""The content of a text file, with ``\n`` at the end of its lines and no byte order mark.

    The encoding is told by the byte order mark; without one it is UTF-16 where every second byte is zero, else
    UTF-8; what is not is UTF-16 where nearly all second bytes are alike, as in a script that is not Latin. Lines
    that are no UTF-8 (some files are pasted together) are in the fallback, else in Windows-1252 (Latin-1 with
    curly quotes), which reads anything; in Mac Roman where lines end with carriage returns alone.

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
    if fallback == "cp1252" and b"\r" in data and b"\n" not in data:
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
    if len(data) % 2 == 0 and not _is_text(data):
        # Letters of one script share their upper byte; blanks and joiners of words have others.
        for encoding, upper in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
            if len(upper) > 2 and len(set(upper)) <= max(1, len(upper) // 4):
                return encoding
    return "utf-8"


def _is_text(data: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters, which letters in UTF-16 may look like."""
    if _CONTROLS & set(data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
