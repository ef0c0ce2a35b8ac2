"""The recordings that ship: complete, readable, small, and as apart from each other as their emotions say."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import emollm.samples
from emollm.data.labels import EMOTIONS
from emollm.samples import render

FOLDER = Path(emollm.samples.__file__).parent


def table(folder):
    with (folder / "transcripts.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def level(file):
    samples, _ = soundfile.read(file)
    return 20 * np.log10(np.sqrt(np.mean(samples**2)))


def test_the_table_names_every_recording_and_nothing_else():
    rows = table(FOLDER)
    assert [row["path"] for row in rows] == sorted(file.name for file in FOLDER.glob("*.ogg"))
    assert len(rows) == 12
    wanted = [(f"{clip.name}.ogg", clip.transcript, clip.emotion) for clip in render.CLIPS]
    assert [(row["path"], row["transcript"], row["label"]) for row in rows] == wanted
    assert {row["label"] for row in rows} <= set(EMOTIONS)
    assert not [row["path"] for row in rows if row["label"] in row["path"]], "a name must not tell the emotion"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.ogg")), ids=lambda file: file.stem)
def test_a_recording_is_mono_speech_at_16_khz(file):
    info = soundfile.info(file)
    assert (info.samplerate, info.channels) == (16_000, 1)
    assert 2 <= info.duration <= 6
    samples, _ = soundfile.read(file)
    assert np.abs(samples).max() <= 1
    assert level(file) > -35
    assert file.stat().st_size < 60_000


def test_all_together_are_small():
    assert sum(file.stat().st_size for file in FOLDER.glob("*.ogg")) < 400_000


def test_anger_is_louder_than_calm_speech_and_sadness_softer():
    levels = {}
    for row in table(FOLDER):
        levels.setdefault(row["label"], []).append(level(FOLDER / row["path"]))
    assert min(levels["angry"]) > max(levels["neutral"]) + 3
    assert max(levels["sad"]) < min(levels["neutral"]) - 3


def test_rendering_writes_the_same_table_and_like_recordings(tmp_path):
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    assert render.main([str(tmp_path)]) == 0
    assert table(tmp_path) == table(FOLDER)
    for row in table(tmp_path):
        new, old = soundfile.info(tmp_path / row["path"]), soundfile.info(FOLDER / row["path"])
        assert new.duration == pytest.approx(old.duration, rel=0.25)
        assert level(tmp_path / row["path"]) == pytest.approx(level(FOLDER / row["path"]), abs=1.5)


def test_rendering_without_espeak_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert render.main([str(tmp_path / "out")]) == 2
    assert "espeak-ng is not installed" in capsys.readouterr().err
    assert render.main([]) == 2
    assert "usage" in capsys.readouterr().err
