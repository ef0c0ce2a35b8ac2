"""Reads a CTranslate2 ``model.bin`` (binary version 6) with numpy alone."""

from __future__ import annotations

import struct

import numpy as np

from emollm.errors import UserError

_DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
_VERSION = 6


def read_variables(content: bytes) -> dict[str, np.ndarray]:
    """The named arrays of a model file, without copying them.

    Layout (CTranslate2, ``python/ctranslate2/specs/model_spec.py``, ``_save_model``), little endian: u32 version,
    string specification, u32 revision, u32 number of variables; per variable a string name, u8 rank, u32
    dimensions, u8 dtype, u32 bytes, data. A string is a u16 length and a zero-terminated text. A table of
    aliases follows, which names no further data and is left out.

    Args:
        content: the whole file.

    Returns:
        Name → read-only array; scalars have shape ().

    Raises:
        UserError: this is not a whole CTranslate2 file of the known version.
    """
    try:
        reader = _Reader(content)
        version = reader.number("I")
        if version != _VERSION:
            raise UserError(f"CTranslate2 file of version {version} found, {_VERSION} is the one known here.")
        reader.text()
        reader.number("I")
        return dict(reader.variable() for _ in range(reader.number("I")))
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"This is not a whole CTranslate2 model file ({error}).") from error


class _Reader:
    """A place in a run of bytes."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from(f"<{code}", self.content, self.place)
        self.place += struct.calcsize(code)
        return value

    def text(self) -> str:
        length = self.number("H")
        raw = self.content[self.place : self.place + length]
        self.place += length
        return raw.rstrip(b"\0").decode()

    def variable(self) -> tuple[str, np.ndarray]:
        name = self.text()
        shape = [self.number("I") for _ in range(self.number("B"))]
        dtype = np.dtype(_DTYPES[self.number("B")])
        size = self.number("I")
        data = np.frombuffer(self.content, dtype, size // dtype.itemsize, self.place).reshape(shape)
        self.place += size
        return name, data
