"""Sound files of every kind a user may have, decoded or refused with a reason."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emollm.data import audio
from tests.fake_corpus import tone


def dominant(samples):
    """The loudest frequency, in hertz, of samples at 16 kHz."""
    return np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples)


def write(path, rate=16_000, channels=1, seconds=1.0, **options):
    """A 440 Hz tone; further channels hold it too."""
    time = np.arange(int(seconds * rate)) / rate
    samples = 0.3 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(path, np.stack([samples] * channels, axis=1), rate, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {}),
        ("8bit.wav", {"subtype": "PCM_U8"}),
        ("24bit.wav", {"subtype": "PCM_24"}),
        ("float.wav", {"subtype": "FLOAT"}),
        ("double.wav", {"subtype": "DOUBLE"}),
        ("ulaw.wav", {"subtype": "ULAW", "rate": 8000}),
        ("adpcm.wav", {"subtype": "MS_ADPCM", "rate": 22_050}),
        ("stereo.wav", {"rate": 44_100, "channels": 2}),
        ("six.wav", {"rate": 48_000, "channels": 6}),
        ("odd.wav", {"rate": 24_414}),
        ("low.WAV", {"rate": 11_025, "format": "WAV"}),
        ("a.flac", {"rate": 48_000}),
        ("a.aiff", {"rate": 96_000}),
        ("a.au", {}),
        ("a.ogg", {"rate": 44_100, "channels": 2}),
        ("a.opus", {"rate": 48_000, "format": "OGG", "subtype": "OPUS"}),
        ("a.mp3", {"rate": 44_100, "channels": 2}),
    ],
)
def test_every_format_becomes_mono_float_at_16_khz(tmp_path, name, options):
    samples = audio.load(write(tmp_path / name, **options))
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(16_000, abs=200 if "adpcm" in name else 2), "ADPCM fills its last block"
    assert dominant(samples) == pytest.approx(440, abs=5)
    assert np.abs(samples[2000:-2000]).max() == pytest.approx(0.3, abs=0.02)
    assert audio.duration(tmp_path / name) == pytest.approx(len(samples) / 16_000, abs=0.001)


def test_lossless_samples_are_exact(tmp_path):
    pcm = (np.random.default_rng(0).normal(scale=3000, size=8000)).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", pcm, 16_000)
    np.testing.assert_array_equal(audio.load(tmp_path / "a.flac"), pcm.astype(np.float32) / 32768)


def test_stereo_is_averaged(tmp_path):
    left, right = tone(300, 0.5, seed=1), tone(700, 0.5, seed=2)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(audio.load(tmp_path / "a.wav"), (left + right) / 2, atol=1e-6)


def test_frequencies_above_8_khz_are_gone_and_those_below_stay(tmp_path):
    time = np.arange(48_000) / 48_000
    for hertz, level in ((9000, 0.0), (7000, 0.5)):
        soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * hertz * time), 48_000, subtype="FLOAT")
        inner = audio.load(tmp_path / "a.wav")[1000:-1000]  # a tone that begins at once clicks at its ends
        assert np.abs(inner).max() == pytest.approx(level, abs=1e-4)


def test_a_stretch_is_cut_out(tmp_path):
    ramp = np.linspace(0.1, 0.9, 32_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", ramp, 16_000, subtype="FLOAT")
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav", 0.5, 1.25), ramp[8000:20_000])
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav", start=1.5), ramp[24_000:])
    np.testing.assert_array_equal(audio.load(tmp_path / "a.wav", end=99), ramp)
    for start, end, reason in ((3.0, None, "behind the end"), (1.0, 0.5, "before it begins")):
        with pytest.raises(audio.AudioError, match=reason):
            audio.load(tmp_path / "a.wav", start, end)


def test_a_stretch_of_a_long_file_is_not_too_long(tmp_path):
    write(tmp_path / "a.wav", seconds=5)
    assert len(audio.load(tmp_path / "a.wav", 1, 2, max_seconds=2)) == 16_000
    with pytest.raises(audio.AudioError, match="5.0 s is longer than 2 s"):
        audio.load(tmp_path / "a.wav", max_seconds=2)


def test_an_hour_is_refused_from_its_header(tmp_path, monkeypatch):
    with soundfile.SoundFile(tmp_path / "hour.flac", "w", 8000, 1) as file:
        for _ in range(60):
            file.write(np.full(8000 * 60, 0.1))
    monkeypatch.setattr(audio, "read_samples", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(audio.AudioError, match="3600.0 s is longer than 60 s"):
        audio.load(tmp_path / "hour.flac", max_seconds=60)


def broken(path, kind):
    """Write one of the files that go wrong."""
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_bytes(b"this is no sound" * 100)
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(20_000))
    elif kind == "header only":
        soundfile.write(path, np.zeros(0), 16_000)
    elif kind == "short":
        soundfile.write(path, tone(300, 0.05), 16_000)
    elif kind == "silent":
        soundfile.write(path, np.full(16_000, 2e-5), 16_000, subtype="FLOAT")
    elif kind in ("nan", "infinity"):
        samples = tone(300, 1.0)
        samples[700] = float(kind)
        soundfile.write(path, samples, 16_000, subtype="FLOAT")
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "there is no such file"),
        ("empty", "empty"),
        ("text", "not a sound file"),
        ("noise", "not a sound file"),
        ("header only", "no samples"),
        ("short", "0.05 s is shorter than 0.1 s"),
        ("silent", "silent"),
        ("nan", "not finite"),
        ("infinity", "not finite"),
        ("folder", "folder"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path, kind, reason):
    path = broken(tmp_path / "x.wav", kind)
    with pytest.raises(audio.AudioError, match=reason) as caught:
        audio.load(path)
    assert str(tmp_path) not in str(caught.value), "the caller knows the path"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_says_so(tmp_path):
    write(tmp_path / "a.wav").chmod(0)
    with pytest.raises(audio.AudioError, match="permission"):
        audio.load(tmp_path / "a.wav")


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_a_file_cut_off_in_transfer_is_refused(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}", seconds=5)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(audio.AudioError, match="cut off|damaged"):
        audio.load(path)


def test_a_stretch_of_a_wav_cut_off_is_there_or_not(tmp_path):
    path = write(tmp_path / "a.wav", seconds=1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(audio.load(path, 0.0, 0.3)) == 4800
    with pytest.raises(audio.AudioError, match="cut off"):
        audio.load(path, 0.1)
    path.write_bytes(path.read_bytes()[:44])
    with pytest.raises(audio.AudioError):
        audio.load(path)


def test_a_wav_that_was_streamed_has_no_true_length_in_its_header(tmp_path):
    path = write(tmp_path / "a.wav", seconds=2)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    assert len(audio.load(path, max_seconds=10)) == 32_000


def test_an_unknown_codec_is_refused(tmp_path):
    path = write(tmp_path / "a.wav")
    data = bytearray(path.read_bytes())
    data[20:22] = b"\x99\x99"  # the format tag
    path.write_bytes(data)
    with pytest.raises(audio.AudioError, match="cannot be decoded"):
        audio.load(path)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_damaged_bytes_raise_nothing_but_the_reason(tmp_path, suffix):
    good = write(tmp_path / f"a.{suffix}", seconds=0.5).read_bytes()
    chance = np.random.default_rng(0)
    for _ in range(25):
        data = bytearray(good)
        for place in chance.integers(min(len(data), 300), size=5):
            data[place] = chance.integers(256)
        (tmp_path / f"b.{suffix}").write_bytes(data[: chance.integers(1, len(data))])
        try:
            samples = audio.load(tmp_path / f"b.{suffix}", max_seconds=60)
        except audio.AudioError:
            continue
        assert np.isfinite(samples).all()


def encode(path, codec, live=False):
    """Two seconds of a 440 Hz tone in a container that libsndfile cannot open."""
    av = pytest.importorskip("av")
    rate = 48_000
    samples = (0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)).astype(np.float32)
    options = {"live": "1"} if live else {}
    with av.open(str(path), "w", format="adts" if path.suffix == ".aac" else None, options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.stack([samples, samples]), format="fltp", layout="stereo")
        frame.rate = rate
        size = stream.codec_context.frame_size or 1024
        cutter = av.AudioResampler(format=stream.format, layout="stereo", rate=rate, frame_size=size)
        for part in (*cutter.resample(frame), *cutter.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "live"),
    [
        ("a.m4a", "aac", False),
        ("a.mp4", "aac", False),
        ("a.aac", "aac", False),
        ("a.webm", "libopus", False),
        ("browser.webm", "libopus", True),
        ("misnamed.wav", "aac", False),
    ],
)
def test_ffmpeg_reads_what_libsndfile_cannot(tmp_path, name, codec, live):
    path = encode(tmp_path / (name if name != "misnamed.wav" else "a.m4a"), codec, live)
    path = path.rename(tmp_path / name)
    samples = audio.load(path, max_seconds=3)
    assert len(samples) == pytest.approx(32_000, abs=1000), "AAC pads its ends"
    assert dominant(samples) == pytest.approx(440, abs=1)
    assert audio.duration(path) == pytest.approx(2.0, abs=0.06)
    assert len(audio.load(path, 0.5, 1.0)) == 8000
    with pytest.raises(audio.AudioError, match="longer than 1 s"):
        audio.load(path, max_seconds=1)


def test_without_pyav_the_reason_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    with pytest.raises(audio.AudioError, match="pip install av"):
        audio.load(tmp_path / "a.m4a")


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.int16, 2**15), (np.int32, 2**31), (np.float64, 1), (np.float32, 1)]
)
def test_arrays_are_scaled_by_their_type(dtype, scale):
    wave = tone(440, 0.5)
    given = (wave * (scale - 1)).astype(dtype) if scale > 1 else wave.astype(dtype)
    np.testing.assert_allclose(audio.prepare(given, 16_000), wave, atol=1e-4)


def test_unsigned_bytes_are_silent_at_128():
    wave = tone(440, 0.5)
    np.testing.assert_allclose(audio.prepare((wave * 127 + 128).round().astype(np.uint8), 16_000), wave, atol=0.01)


def test_channels_of_an_array_lie_on_either_axis():
    wave = tone(440, 0.5)
    for given in (np.stack([wave, wave]), np.stack([wave, wave], axis=1)):
        np.testing.assert_allclose(audio.prepare(given, 16_000), wave, atol=1e-6)


@pytest.mark.parametrize(
    ("samples", "rate"),
    [(np.zeros(0), 16_000), (np.ones((2, 2, 2)), 16_000), (np.array(["a"] * 9), 1), (tone(300, 1), 0)],
)
def test_arrays_that_are_no_sound_are_refused(samples, rate):
    with pytest.raises(audio.AudioError):
        audio.prepare(samples, rate)


def test_sound_files_are_found_below_a_folder(tmp_path):
    for name in ("b.wav", "A/x.FLAC", "A/deep/er/y.Mp3", "a b/ü.ogg", "notes.txt", "list.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for name in (".hidden.wav", "._b.wav", ".git/z.wav", "__MACOSX/b.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "A" / "loop").symlink_to(tmp_path, target_is_directory=True)
    found = [path.relative_to(tmp_path).as_posix() for path in audio.find_sound_files(tmp_path)]
    assert found == ["A/deep/er/y.Mp3", "A/x.FLAC", "a b/ü.ogg", "b.wav"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may look into everything")
def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path, recwarn):
    write(tmp_path / "a.wav")
    (tmp_path / "closed").mkdir(mode=0)
    assert [path.name for path in audio.find_sound_files(tmp_path)] == ["a.wav"]
    assert "closed cannot be read (Permission denied), and what lies in it is left out" in str(recwarn[0].message)


def test_real_recordings_load_and_their_headers_are_true(corpora_root):
    for name in ("ravdess/audio/03-01-05-02-01-01-01.flac", "nemo/audio/EB0_anger_1.opus"):
        samples = audio.load(corpora_root / name)
        assert len(samples) / 16_000 == pytest.approx(audio.duration(corpora_root / name), abs=0.01)
        assert 0.01 < np.abs(samples).max() <= 1.5


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX alone")
def test_a_name_that_is_not_utf_8(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path / "gr") + b"\xfc\xdfe.wav"))
    soundfile.write(tmp_path / "a.wav", np.full(8_000, 0.1, np.float32), 16_000)
    (tmp_path / "a.wav").rename(path)
    assert audio.duration(path) == 0.5
    assert len(audio.load(path)) == 8_000
