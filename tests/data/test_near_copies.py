"""Near copies: altered recordings are found, other takes of the same sentence are not."""

import numpy as np
import pytest
import soundfile

from emollm.data import near_copies as module
from emollm.data.audio import load
from emollm.data.corpora import Emodb, Ravdess
from emollm.data.features import FeatureStore
from emollm.data.near_copies import likeness, near_copies, signature
from emollm.data.utterance import Utterance, UtteranceTable
from tests.data.alter import ALTERATIONS, RATE, voice, write


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return FeatureStore(tmp_path_factory.mktemp("signatures"), "x")


def alter(rows, folder, name):
    """The recordings saved again, in the order of the rows."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for row in rows:
        ALTERATIONS[name](folder / row.id, load(row.path), rng)
    found = {path.stem: path for path in folder.iterdir()}
    return [Utterance(id=row.id, path=found[row.id], corpus="again") for row in rows]


def record(folder, seeds):
    for seed in seeds:
        write(folder / f"{seed}.wav", voice(seed))
    return [Utterance(id=str(seed), path=folder / f"{seed}.wav") for seed in seeds]


@pytest.mark.parametrize("name", ALTERATIONS)
def test_a_sound_saved_again_is_found(tmp_path, name):
    rows = record(tmp_path, range(12))
    again = alter(rows[8:], tmp_path / "again", name)
    assert near_copies(rows, again) == [(row.key, copy.key) for row, copy in zip(rows[8:], again, strict=True)]


@pytest.mark.parametrize("name", ALTERATIONS)
def test_real_recordings_saved_again_are_found(corpora_root, tmp_path, store, name):
    """Of EmoDB, among all others of it."""
    rows = Emodb(str(corpora_root / "emodb")).read()
    some = UtteranceTable([*rows][::30])
    again = alter(some, tmp_path / "again", name)
    assert near_copies(rows, again, store) == [(f"emodb/{row.id}", f"again/{row.id}") for row in some]


def test_the_same_words_by_the_same_actor_in_the_same_emotion_are_no_copies(corpora_root):
    """All 518,400 pairs of a first and a second repetition: one is a true copy, by mistake of its makers."""
    rows = Ravdess(str(corpora_root / "ravdess")).read()
    first = rows.where(lambda row: row.extra["repetition"] == 1)
    second = rows.where(lambda row: row.extra["repetition"] == 2)
    assert len(first) * len(second) == 518_400
    assert near_copies(first, second) == [("ravdess/03-01-03-01-02-01-07", "ravdess/03-01-03-01-02-02-07")]


def test_a_second_audit_decodes_nothing(tmp_path, monkeypatch):
    rows = record(tmp_path, range(6))
    store = FeatureStore(tmp_path / "signatures", "x")
    assert near_copies(rows[:3], rows[3:], store) == []
    monkeypatch.setattr(module, "load", lambda *_: pytest.fail("decoded again"))
    assert near_copies(rows[:3], rows[3:], FeatureStore(tmp_path / "signatures", "x")) == []


def test_broken_files_are_passed_over(tmp_path):
    rows = record(tmp_path, range(2))
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    broken = [Utterance(id=name, path=tmp_path / f"{name}.wav") for name in ("text", "silent", "gone")]
    assert near_copies([*broken, *rows], [*broken, *rows[:1]]) == [("0", "0")]
    assert near_copies(rows, [Utterance(id="text alone", transcript="Hello")]) == []


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path):
    rows = record(tmp_path, range(2))
    (tmp_path / "file").write_text("where a folder should be")
    assert near_copies(rows, rows[:1], FeatureStore(tmp_path / "file", "x")) == [("0", "0")]


def test_stretches_of_one_file(tmp_path):
    write(tmp_path / "long.wav", np.concatenate([voice(seed) for seed in range(3)]))
    parts = [Utterance(id=f"{n}", path=tmp_path / "long.wav", start=2.5 * n, end=2.5 * (n + 1)) for n in range(3)]
    write(tmp_path / "1.ogg", voice(1))
    assert near_copies(parts, [Utterance(id="again", path=tmp_path / "1.ogg")]) == [("1", "again")]
    assert near_copies(parts[:2], parts[2:]) == []


def test_blocks_do_not_change_the_answer(tmp_path, monkeypatch):
    rows = record(tmp_path, range(5))
    whole = near_copies(rows, rows)
    monkeypatch.setattr(module, "_CELLS", 7)
    assert near_copies(rows, rows) == whole == [(row.key, row.key) for row in rows]


def test_signature_and_likeness_in_numbers():
    sound = voice(0)
    shifted = np.pad(0.05 * sound, (3210, 777))
    assert signature(sound) @ signature(shifted) > 0.95
    assert likeness(sound, -shifted) == pytest.approx(1, abs=0.01)
    assert likeness(sound, voice(1)) < 0.3
    assert not signature(np.zeros(RATE, np.float32)).any()
    assert likeness(sound, np.zeros(RATE, np.float32)) == 0
