"""Transcripts that a recogniser wrote are written once."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from emollm.data.batch import Collate, UtteranceDataset
from emollm.data.transcripts import Scribe, TranscriptStore
from emollm.data.utterance import Utterance, UtteranceTable
from tests.fake_corpus import tone


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """A recogniser that counts what it hears, and a cache of its own."""
    heard = []

    class Recogniser:
        def __init__(self, source):
            self.source = source

        def __call__(self, samples, language=None):
            heard.append((self.source, len(samples), language))
            return f"{len(samples)} samples"

    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("emollm.models.transcribe.Transcriber", Recogniser)
    return heard


@pytest.fixture
def table(tmp_path):
    rows = []
    for index in range(3):
        path = tmp_path / f"{index}.wav"
        soundfile.write(path, tone(200, 0.5 + 0.1 * index, seed=index), 16_000)
        rows.append(Utterance(id=str(index), path=path, language="en"))
    (tmp_path / "torn.wav").write_bytes(b"no sound")
    rows.append(Utterance(id="torn", path=tmp_path / "torn.wav"))
    rows.append(replace(rows[0], id="known", transcript="as given"))
    return UtteranceTable(rows)


def test_a_recording_is_transcribed_once_whatever_runs_come_later(asked, table):
    want = ["8000 samples", "9600 samples", "11200 samples", None, "as given"]
    for _ in range(2):
        assert Scribe("whisper").table(table, 0.1, 60).values("transcript") == want
    assert asked == [("whisper", 8000, "en"), ("whisper", 9600, "en"), ("whisper", 11200, "en")]


def test_another_recogniser_language_or_sound_is_asked_anew(asked, table):
    one = UtteranceTable([table[0]])
    Scribe("whisper").table(one, 0.1, 60)
    Scribe("another").table(one, 0.1, 60)
    Scribe("whisper").table(one.map(lambda row: replace(row, language="de")), 0.1, 60)
    Scribe("whisper").table(one.map(lambda row: replace(row, start=0.1)), 0.1, 60)
    assert len(asked) == 4


def test_batches_are_written_and_read_from_the_same_cache(asked, table):
    good = UtteranceTable(list(table)[:3])
    Scribe("whisper").table(UtteranceTable([table[1]]), 0.1, 60)
    dataset = UtteranceDataset(good)
    batch = Scribe("whisper").batch(Collate({})([dataset[i] for i in range(3)]))
    assert batch.transcripts == ["8000 samples", "9600 samples", "11200 samples"]
    assert len(asked) == 3
    Scribe("whisper").table(good, 0.1, 60)
    assert len(asked) == 3


def test_sound_without_a_file_is_transcribed_and_not_kept(asked):
    import torch

    from emollm.data.batch import Item

    items = [Item(Utterance(id="array"), torch.from_numpy(np.zeros(1600, dtype=np.float32)))]
    for _ in range(2):
        assert Scribe("whisper").batch(Collate({})(items)).transcripts == ["1600 samples"]
    assert len(asked) == 2


def test_a_torn_file_of_the_cache_is_written_anew(asked, table):
    Scribe("whisper").table(table, 0.1, 60)
    (first, *_) = sorted((table[0].path.parent / "cache" / "transcripts").rglob("*.json"))
    first.write_text('{"te')
    Scribe("whisper").table(table, 0.1, 60)
    assert len(asked) == 4


def test_a_cache_that_cannot_be_written_costs_time_alone(asked, table, monkeypatch):
    monkeypatch.setattr("emollm.data.transcripts.write_text", lambda *_: (_ for _ in ()).throw(OSError("full")))
    assert Scribe("whisper").table(table, 0.1, 60)[0].transcript == "8000 samples"
    assert TranscriptStore(table[0].path.parent, "whisper").read(table[0]) is None
