"""Text files as they come from many hands: any common encoding, any line ends."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from emollm.data.corpora.files import tell_left_out
from emollm.errors import UserError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES = {
    "cp1250": "Windows-1250",
    "cp1252": "Windows-1252",
    "cp1256": "Windows-1256",
    "gb18030": "GB 18030",
    "iso8859_2": "ISO 8859-2",
    "mac_roman": "Mac Roman",
}
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


@dataclass(frozen=True)
class Fallback:
    """The encoding of lines that are no UTF-8.

    Attributes:
        encoding: what they are taken for first.
        strange: what no line of the corpus holds, so that one that seems to is in the other encoding.
        other: that encoding, also of lines that are not possible in the first.
    """

    encoding: str
    strange: re.Pattern[str] | None = None
    other: str = "cp1252"


POLISH = Fallback(
    "cp1250",
    # The ą, ś, ź of ISO 8859-2, and their capitals; alone they may be signs that are meant.
    re.compile(r"(?<=[^\W\d_])[±¶Ľ]|[±¶Ľˇ¦¬](?=[^\W\d_])"),
    "iso8859_2",
)
"""A Polish Windows saves a text in its own encoding, Unix long did in another one."""


def read_text(path: Path, fallback: str | Fallback = "cp1252", foreign: list[str] | None = None) -> str:
    r"""The content of a text file, with ``\n`` at the end of its lines and no byte order mark.

    The encoding is told by the byte order mark; without one it is UTF-16 where every second byte is zero, or most
    are one control character (scripts that are not Latin), else UTF-8. Lines that are no UTF-8 (some files are
    pasted together) are in the fallback, else in Windows-1252 (Latin-1 with curly quotes), which reads anything;
    for Windows-1252 it is Mac Roman where lines end with carriage returns alone.

    Args:
        path: the file.
        fallback: the encoding that writers of this corpus use besides.
        foreign: is told of the file where lines are no UTF-8; see ``tell_foreign``.

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
    if isinstance(fallback, str):
        fallback = Fallback(fallback)
    if data.count(b"\r") > 1 and b"\n" not in data:
        fallback = _of_a_mac(fallback)
    lines = data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    read = [_line(line, fallback) for line in lines]
    guessed = [_NAMES.get(encoding, encoding) for _, encoding in read if encoding != "utf-8"]
    if guessed and foreign is not None:
        lines_of = "1 line" if len(guessed) == 1 else f"{len(guessed)} lines"
        foreign.append(f"{lines_of} of {path} as {' or '.join(sorted(set(guessed)))}")
    return "\n".join(text for text, _ in read).lstrip("\ufeff")


def tell_foreign(foreign: list[str]) -> None:
    """Warn of lines that are no UTF-8, as ``read_text`` finds them: their encoding is a guess."""
    tell_left_out(
        foreign,
        "Text files hold lines that are no UTF-8, and are read in the encoding they seem to be in",
        "save them as UTF-8 if letters come out wrong",
    )


def _of_a_mac(fallback: Fallback) -> Fallback:
    """With a Mac's encoding of western letters in place of that of Windows."""
    encoding, other = ("mac_roman" if name == "cp1252" else name for name in (fallback.encoding, fallback.other))
    return Fallback(encoding, fallback.strange, other)


def _line(data: bytes, fallback: Fallback) -> tuple[str, str]:
    """A line, and the encoding that it is in."""
    for encoding, strange in (("utf-8", None), (fallback.encoding, fallback.strange)):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if strange is None or not strange.search(text):
            return text, encoding
    return data.decode(fallback.other, errors="replace"), fallback.other


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
