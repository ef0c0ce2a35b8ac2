"""Cues: what is measured of a voice, with whom it is compared, and how runs come by it."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

import emollm
from emollm.__main__ import main
from emollm.data import voices as stored
from emollm.data.cues import Voice, measure, with_cues
from emollm.data.sounds import SoundIndex
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.data.voices import Voices, cued
from tests.fake_corpus import tone
from tests.small import LABELS, recipe, run

PROMPT = {
    "task": "emotion",
    "inputs": ["transcript", "cues"],
    "user": "{transcript} ({cues})",
    "answer": "{label}",
}


def voice(pitch: float, **others: float) -> Voice:
    return Voice(**{"pitch": pitch, "melody": 1.0, "pace": 1.0, "loudness": -20.0, **others})


def rows(count: int, **fields: str) -> list[Utterance]:
    return [Utterance(id=f"{fields.get('speaker')} {n}", corpus="c", **fields) for n in range(count)]


def pitches(table: UtteranceTable) -> list[str]:
    return [row.cues.split(" ")[0] for row in table]


# -- measuring ------------------------------------------------------------------------------------------------


def test_pitch_is_that_of_the_tone_and_a_glide_has_more_melody():
    steady, octave = measure(tone(220, 1.0)), measure(tone(440, 1.0))
    assert steady.pitch == pytest.approx(24, abs=0.2), "220 Hz lies two octaves above 55 Hz"
    assert octave.pitch - steady.pitch == pytest.approx(12, abs=0.3)
    time = np.arange(16_000) / 16_000
    glide = (0.3 * np.sin(2 * np.pi * (150 * time + 75 * time**2))).astype(np.float32)
    assert measure(glide).melody > 5 > steady.melody


def test_loudness_is_in_decibels_and_the_silence_around_speech_counts_nothing():
    sound, silence = tone(200, 0.8), np.zeros(16_000, dtype=np.float32)
    plain, quieter = measure(sound), measure(0.1 * sound)
    assert plain.loudness - quieter.loudness == pytest.approx(20, abs=0.1)
    padded = measure(np.concatenate([silence, sound, silence]))
    assert padded.loudness == pytest.approx(plain.loudness, abs=1)
    assert padded.pitch == pytest.approx(plain.pitch, abs=0.2)


def test_pace_counts_bursts_where_there_is_sound():
    def bursts(a_second: int) -> np.ndarray:
        beep = np.concatenate([tone(200, 0.06), np.zeros(16_000 // a_second - 960, dtype=np.float32)])
        return np.concatenate([beep] * a_second * 2)

    silence = np.zeros(32_000, dtype=np.float32)
    assert measure(bursts(5)).pace > 1.5 * measure(bursts(2)).pace
    padded = measure(np.concatenate([silence, bursts(5), silence])).pace
    assert padded == pytest.approx(measure(bursts(5)).pace, rel=0.25)


def test_noise_has_no_pitch_and_yet_a_loudness():
    noise = np.random.default_rng(0).normal(scale=0.1, size=1_700).astype(np.float32)
    heard = measure(noise)
    assert np.isfinite(heard.loudness)
    unpitched = voice(np.nan, melody=np.nan)
    table = with_cues(UtteranceTable(rows(7, speaker="a")), [unpitched, *map(voice, range(6))])
    assert table[0].cues == "medium pace, medium loudness"


# -- comparing ------------------------------------------------------------------------------------------------


def test_each_speaker_has_a_range_of_his_own():
    table = UtteranceTable([*rows(6, speaker="low"), *rows(6, speaker="high")])
    heard = [voice(value) for value in (*range(6), *range(20, 26))]
    assert pitches(with_cues(table, heard)) == ["low", "low", "medium", "medium", "high", "high"] * 2


def test_a_speaker_heard_once_is_compared_with_the_same_gender_or_with_all():
    known = [*rows(6, speaker="f", gender="female"), *rows(6, speaker="m", gender="male")]
    once = [*rows(1, speaker="x", gender="female"), *rows(1, speaker="y")]
    heard = [voice(value) for value in (*range(20, 26), *range(6), 20, 22)]
    told = pitches(with_cues(UtteranceTable([*known, *once]), heard))
    assert told[-2:] == ["low", "high"], "20 is low for a woman, 22 high among all, and the middle of a woman's"
    assert told[:6] == ["low", "low", "medium", "medium", "high", "high"]


def test_equal_values_are_medium_and_few_recordings_say_nothing():
    assert set(pitches(with_cues(UtteranceTable(rows(6)), [voice(3.0)] * 6))) == {"medium"}
    assert with_cues(UtteranceTable(rows(5)), [voice(n) for n in range(5)]).values("cues") == [None] * 5


def test_labels_play_no_part_and_cues_that_are_there_stay():
    heard = [voice(n) for n in range(6)]
    one, other = (with_cues(UtteranceTable(rows(6, label=label)), heard) for label in ("sad", "happy"))
    assert one.values("cues") == other.values("cues")
    given = with_cues(UtteranceTable(rows(6, cues="hoarse")), heard)
    assert set(given.values("cues")) == {"hoarse"}


# -- keeping --------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_tones(folder, count):
    folder.mkdir(exist_ok=True)
    for n in range(count):
        soundfile.write(folder / f"{n}.wav", tone(100 + 40 * n, 0.4), 16_000)
    return UtteranceTable(Utterance(id=str(n), path=folder / f"{n}.wav") for n in range(count))


def test_a_voice_is_measured_once_and_what_is_broken_has_a_reason(cache, tmp_path, monkeypatch, capsys):
    table = write_tones(tmp_path / "sound", 6)
    (tmp_path / "torn.wav").write_bytes(b"no sound")
    table = table + UtteranceTable([Utterance(id="torn", path=tmp_path / "torn.wav")])
    told, faults = cued(table, Voices(SoundIndex()), 0.1, 60.0, 0)
    assert pitches(UtteranceTable(told[n] for n in range(6))) == ["low", "low", "medium", "medium", "high", "high"]
    assert told[6].cues is None
    assert list(faults) == ["torn"]
    assert "7 of 7 are measured" in capsys.readouterr().out
    monkeypatch.setattr(stored, "measure", None)
    again, _ = cued(table, Voices(SoundIndex()), 0.1, 60.0, 0)
    assert again.values("cues") == told.values("cues")


def test_a_torn_file_is_measured_anew(cache, tmp_path):
    table = write_tones(tmp_path / "sound", 6)
    told, _ = cued(table, Voices(SoundIndex()), 0.1, 60.0, 0)
    for file in cache.glob("voices/*/*/*.json"):
        file.write_text("[1]")
    assert cued(table, Voices(SoundIndex()), 0.1, 60.0, 0)[0].values("cues") == told.values("cues")


def test_cues_reach_fit_test_ablation_and_predict(cache, tmp_path, tiny_llama, capsys):
    """The words of all utterances are the same: what differs is the voice's doing."""
    write_tones(tmp_path / "sound", 12)
    table = tmp_path / "table.csv"
    lines = [
        f"sound/{n}.wav,say the word,{LABELS[n % 3]},s{n % 2},{'train' if n < 6 else 'test'}" for n in range(12)
    ]
    table.write_text("\n".join(["path,transcript,label,speaker,split", *lines]))
    values = {
        "model": recipe("/nowhere", tiny_llama, prompt=PROMPT),
        "data": {
            "corpora": [{"class_path": "emollm.data.corpora.Table", "init_args": {"file": str(table)}}],
            "protocol": {"class_path": "emollm.data.protocols.ColumnSplit", "init_args": {"validation": 0}},
            "num_workers": 0,
        },
        "trainer": {"accelerator": "cpu", "enable_progress_bar": False, "max_epochs": 1},
    }
    config = tmp_path / "recipe.yaml"
    config.write_text(yaml.safe_dump(values))
    last = run(tmp_path, "fit", "--config", config) / "checkpoints" / "last.ckpt"
    assert "Voices: 6 of 6 are measured" in capsys.readouterr().out
    args = ["--config", config, "--ckpt_path", last, "--ablations=[no_cues]", "--baselines=none"]
    tested = run(tmp_path, "test", *args)
    assert "Voices: 6 of 6 are measured" in capsys.readouterr().out
    assert differ(pd.read_csv(tested / "predictions.csv"))
    assert not differ(pd.read_csv(tested / "ablations" / "no_cues.csv"))
    output = tmp_path / "predicted"
    args = ["--ckpt_path", last, "--output", output, "--trainer.accelerator=cpu", "--data.num_workers=0"]
    assert main(["predict", str(table), *map(str, args)]) == 0
    assert "Voices:" not in capsys.readouterr().out, "all of them are known by now"
    predicted = pd.read_csv(output / "predictions.csv")
    assert differ(predicted)
    model = emollm.load(last, transcriber="none")
    columns = [f"p_{label}" for label in LABELS]
    assert model.predict(table)[columns].to_numpy() == pytest.approx(predicted[columns].to_numpy(), rel=1e-3)
    assert differ(model.predict([tone(100 + 40 * n, 0.4) for n in range(12)])), "arrays have no words at all"


def differ(frame):
    chances = np.log(frame[[f"p_{label}" for label in LABELS]].to_numpy())
    return np.ptp(chances, axis=0).max() > 1e-3
