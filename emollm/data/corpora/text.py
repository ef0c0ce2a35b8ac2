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


def read_text(path: Path) -> str:
    r"""The content of a text file, with ``\n`` at the end of its lines.

    The encoding is told by the byte order mark; without one it is UTF-16 where every second byte is zero, else
    UTF-8, else Windows-1252 (Latin-1 with curly quotes), which reads anything.

    Raises:
        UserError: when there is no such file, or it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check its name and permissions.") from error
    try:
        text = data.decode(_encoding(data))
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    start = data[:1000]
    # Latin letters in UTF-16 have a zero as their upper byte: behind the letter, or before it.
    if len(start) > 3 and start.count(0) > len(start) / 4:
        return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"
    return "utf-8"
