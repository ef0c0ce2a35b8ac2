"""Reading sound files: libsndfile for most formats, PyAV (FFmpeg) for what libsndfile cannot open."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile

LIBSNDFILE_SUFFIXES = frozenset(
    (".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2")
    + (".aif", ".aiff", ".aifc", ".caf", ".au", ".snd", ".sph", ".nist")
)
PYAV_SUFFIXES = frozenset(
    (".m4a", ".m4b", ".mp4", ".mov", ".3gp", ".aac", ".ac3", ".amr", ".wma", ".avi", ".webm", ".mka", ".mkv")
)
_BLOCK_SECONDS = 30
# A FLAC stream of unknown length announces this many samples, and libsndfile then cannot read it.
_UNKNOWN_FRAMES = 2**62
# What programs write that do not know the length of a WAV yet, or as much as that.
_UNKNOWN_BYTES = 0x7FFF0000
# How Git LFS's pointers begin, and what none of them exceeds.
_POINTER = b"version https://git-lfs"
_POINTER_BYTES = 1000
# Lossy formats announce a few samples more than they decode to; a file cut off announces many more.
_CUT_OFF = 0.9


class AudioError(Exception):
    """Why a recording cannot be used, as one clause without its path."""


@dataclass(frozen=True)
class Header:
    """What a sound file says of itself before it is decoded.

    Attributes:
        sample_rate: in hertz.
        seconds: None where the header does not tell, as in WebM recorded by a browser.
        reader: who can decode it.
    """

    sample_rate: int
    seconds: float | None
    reader: Literal["soundfile", "av"]


def read_header(path: Path) -> Header:
    """Rate and length of a sound file, without decoding it.

    Raises:
        AudioError: when there is no such file, it may not be read, is empty, or is no sound file.
    """
    _check_readable(path)
    try:
        info = soundfile.info(_name(path))
        if info.frames < _UNKNOWN_FRAMES:
            return Header(info.samplerate, info.frames / info.samplerate, "soundfile")
    except soundfile.LibsndfileError:
        pass
    return _av_header(path)


def read_samples(path: Path, header: Header, start: float, seconds: float | None) -> np.ndarray:
    """Decode a stretch of a sound file and average its channels.

    Args:
        path: the file.
        header: what ``read_header`` said of it.
        start: where to begin, in seconds.
        seconds: how much to read at most; None reads to the end.

    Returns:
        (S,) float32 at ``header.sample_rate``.

    Raises:
        AudioError: when the file is damaged behind its header, or cut off.
    """
    first = round(start * header.sample_rate)
    wanted = None if seconds is None else round(seconds * header.sample_rate)
    blocks = _soundfile_blocks(path, first) if header.reader == "soundfile" else _av_blocks(path, first)
    parts, count = [np.zeros(0, np.float32)], 0
    try:
        for block in blocks:
            parts.append(block)
            count += len(block)
            if wanted is not None and count >= wanted:
                break
    finally:
        blocks.close()
    samples = np.concatenate(parts)[:wanted]
    if header.reader == "soundfile" and wanted is not None and len(samples) < _CUT_OFF * wanted:
        got = len(samples) / header.sample_rate
        raise AudioError(f"cut off: only {got:.2f} of {seconds:.2f} s can be decoded")
    return samples


def check_whole(path: Path) -> None:
    """Hold the samples that a WAV file announces against those that are in it, which libsndfile does not.

    Raises:
        AudioError: when many of them are missing.
    """
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return
        file.seek(12)  # behind the size, and WAVE
        while len(head := file.read(8)) == 8:
            kind, size = struct.unpack("<4sI", head)
            if kind == b"data":
                there = path.stat().st_size - file.tell()
                if size < _UNKNOWN_BYTES and there < _CUT_OFF * size:
                    raise AudioError(f"cut off: {there} of the {size} bytes of sound that it announces are there")
                return
            file.seek(size + size % 2, os.SEEK_CUR)


def is_pointer(path: Path) -> bool:
    """Whether a file is the few lines that Git LFS leaves in the place of one it has not fetched."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _POINTER_BYTES:
            return False
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except (OSError, ValueError):  # ValueError: a path with a zero byte
        return False


def _check_readable(path: Path) -> None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise AudioError("a folder, not a sound file")
        if not stat.S_ISREG(status.st_mode):
            raise AudioError("not an ordinary file")
        if status.st_size == 0:
            raise AudioError("the file is empty (0 bytes)")
        if is_pointer(path):
            raise AudioError("a pointer to a file that Git LFS keeps elsewhere (git lfs pull fetches it)")
        path.open("rb").close()
    except FileNotFoundError as error:
        raise AudioError("there is no such file") from error
    except PermissionError as error:
        raise AudioError("the file may not be read (permission denied)") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise AudioError(f"the file cannot be opened ({getattr(error, 'strerror', None) or error})") from error


def _name(path: Path) -> str | bytes:
    """For soundfile, which would refuse a name that is not UTF-8 (as old archives have it) as a string."""
    return os.fsencode(path) if os.name == "posix" else str(path)


def _soundfile_blocks(path: Path, first: int) -> Iterator[np.ndarray]:
    try:
        with soundfile.SoundFile(_name(path)) as file:
            file.seek(first)
            size = _BLOCK_SECONDS * file.samplerate
            while len(block := file.read(size, dtype="float32", always_2d=True)):
                yield block.mean(axis=1, dtype=np.float32)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError("damaged: its samples cannot be decoded") from error


def _av_header(path: Path) -> Header:
    av = _import_av(path)
    try:
        with av.open(str(path)) as container:
            stream = _sound_track(container)
            return Header(stream.rate, _av_seconds(container, stream), "av")
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError("not a sound file that can be decoded") from error


def _av_seconds(container: Any, stream: Any) -> float | None:
    """Length of the track, else of the file; of the last packet where neither is written down."""
    if stream.duration is not None and container.format.name != "aac":  # bare AAC only guesses its length
        return float(stream.duration * stream.time_base)
    if container.duration is not None and container.format.name != "aac":
        return container.duration / 1e6
    ends = [p.pts + (p.duration or 0) for p in container.demux(stream) if p.pts is not None]
    return float(max(ends) * stream.time_base) if ends else None


def _av_blocks(path: Path, first: int) -> Iterator[np.ndarray]:
    """Decode from the beginning, since seeking in compressed containers is not exact to the sample."""
    av = _import_av(path)
    try:
        with av.open(str(path)) as container:
            stream = _sound_track(container)
            planar = av.AudioResampler(format="fltp")
            for frame in container.decode(stream):
                for part in planar.resample(frame):
                    block = part.to_ndarray().mean(axis=0, dtype=np.float32)
                    skip, first = min(first, len(block)), max(0, first - len(block))
                    yield block[skip:]
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError("damaged: its samples cannot be decoded") from error


def _sound_track(container: Any) -> Any:
    if not container.streams.audio:
        raise AudioError("the file has no sound track")
    stream = container.streams.audio[0]
    if stream.codec_context is None or not stream.codec_context.sample_rate:
        raise AudioError("its sound is coded in a way that cannot be decoded")
    return stream


def _import_av(path: Path) -> Any:
    try:
        import av
    except ImportError as error:
        if path.suffix.lower() in PYAV_SUFFIXES:
            raise AudioError(f"{path.suffix} files need PyAV (pip install av)") from error
        raise AudioError("not a sound file that can be decoded") from error
    return av
