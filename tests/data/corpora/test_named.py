"""Corpora whose file names tell all: RAVDESS and EmoDB, as small true trees and as the real thing."""

import warnings
from pathlib import Path

import pandas as pd
import pytest

from emollm.data.corpora import Emodb, Ravdess
from emollm.data.corpora.base import locate
from emollm.errors import UserError


def plant(root, *names):
    """Empty files: readers look at names only."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return str(root)


def test_ravdess_as_its_owners_pack_it(tmp_path):
    root = plant(
        tmp_path,
        "Audio_Speech_Actors_01-24/Actor_01/03-01-01-01-01-01-01.wav",
        "Audio_Speech_Actors_01-24/Actor_12/03-01-06-02-02-02-12.wav",
        "Audio_Song_Actors_01-24/Actor_01/03-02-01-01-01-01-01.wav",
        "Video_Speech_Actor_01/Actor_01/01-01-01-01-01-01-01.mp4",
        "Audio_Speech_Actors_01-24/Actor_01/.03-01-02-01-01-01-01.wav",
        "notes.txt",
    )
    neutral, fear = Ravdess(root).read()
    assert (neutral.id, neutral.key) == ("03-01-01-01-01-01-01", "ravdess/03-01-01-01-01-01-01")
    assert (neutral.label, neutral.speaker, neutral.gender) == ("neutral", "01", "male")
    assert neutral.transcript == "Kids are talking by the door"
    assert (fear.label, fear.speaker, fear.gender, fear.language) == ("fear", "12", "female", "en")
    assert fear.transcript == "Dogs are sitting by the door"
    assert fear.extra == {"intensity": "strong", "repetition": 2, "emobox_fold": 2}
    assert fear.path.is_file()


def test_emodb_as_its_owners_pack_it(tmp_path):
    root = plant(tmp_path, "wav/03a01Fa.wav", "wav/16b10Wb.wav", "lablaut/03a01Fa.lablaut", "erkennung.txt")
    happy, angry = Emodb(root).read()
    assert (happy.id, happy.label, happy.speaker, happy.gender) == ("03a01Fa", "happy", "03", "male")
    assert happy.transcript == "Der Lappen liegt auf dem Eisschrank."
    assert (angry.label, angry.speaker, angry.language, angry.sentence) == ("angry", "16", "de", "b10")
    assert angry.extra == {"age": 31, "version": "b"}


@pytest.mark.parametrize(
    ("reader", "name", "size"), [(Ravdess, "ravdess", 1440), (Emodb, "emodb", 535)], ids=["ravdess", "emodb"]
)
def test_the_real_corpus_is_read_as_published(corpora_root, reader, name, size):
    frame = reader(str(corpora_root / name)).read().to_frame()
    truth = pd.read_csv(corpora_root / name / "metadata.csv", dtype=str)
    assert len(frame) == size
    truth.index = truth["file"].str.extract(r"([^/]+)\.\w+$")[0]
    truth = truth.loc[frame["id"]].reset_index(drop=True)
    assert (frame["label"] == truth["emotion"]).all()
    for column in ("transcript", "speaker", "gender", "language"):
        assert (frame[column] == truth[column]).all(), column
    if name == "ravdess":
        assert (frame["emobox_fold"].astype(str) == truth["emobox_test_fold"]).all()
        assert (frame["intensity"] == truth["intensity"]).all()
        assert (frame["repetition"].astype(str) == truth["repetition"]).all()
    else:
        assert (frame["age"].astype(str) == truth["age"]).all()
        assert (frame["sentence"] == truth["text_code"]).all()


def test_a_corpus_that_lies_there_twice_is_read_once(tmp_path):
    """A popular mirror of RAVDESS holds every actor's folder a second time, one level deeper."""
    name = "Actor_01/03-01-01-01-01-01-01.wav"
    root = plant(tmp_path, name, f"audio_speech_actors_01-24/{name}")
    with pytest.warns(UserWarning, match=rf"\(1: {name} and not audio_speech_actors_01-24/{name}\): remove"):
        (row,) = Ravdess(root).read()
    assert row.path == tmp_path / name


def test_codes_that_do_not_exist_reach_the_validator(tmp_path):
    assert Ravdess(plant(tmp_path, "03-01-09-01-01-01-01.wav")).read()[0].label == "09"
    assert Emodb(plant(tmp_path / "emodb", "03a01Xa.wav")).read()[0].label == "X"


def test_a_wrong_folder_says_what_is_looked_for(tmp_path):
    plant(tmp_path, "song.wav")
    with pytest.raises(UserError, match=r"none of the 1 sound files below .* 03-01-06-01-02-01-12\.wav"):
        Ravdess(str(tmp_path)).read()
    with pytest.raises(UserError, match="is not a folder"):
        Emodb(str(tmp_path / "song.wav")).read()


def test_of_two_folders_of_one_name_the_one_that_is_read_is_told(tmp_path, monkeypatch):
    for place in ("here", "data"):
        (tmp_path / place / "emodb").mkdir(parents=True)
    monkeypatch.setenv("EMOLLM_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path / "here")
    with pytest.warns(UserWarning, match=r"here.emodb is read, and not .*data.emodb, which EMOLLM_DATA names"):
        assert locate("emodb") == Path("emodb")
    monkeypatch.chdir(tmp_path / "data")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert locate("emodb") == Path("emodb")  # the same folder in two ways


def test_the_root_lies_here_or_below_the_data_folder(tmp_path, monkeypatch):
    plant(tmp_path / "data", "emodb/03a01Fa.wav")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMOLLM_DATA", raising=False)
    with pytest.raises(UserError, match=r"There is no .*emodb: correct the path, or set EMOLLM_DATA"):
        Emodb("emodb").read()
    monkeypatch.setenv("EMOLLM_DATA", str(tmp_path / "data"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Emodb("emodb").read()) == 1
    plant(tmp_path, "emodb/16b10Wb.wav")
    assert Emodb("emodb").read()[0].speaker == "16", "the current folder comes first"
    with pytest.raises(UserError, match=r"There is no .*nowhere or .*data.nowhere"):
        Emodb("nowhere").read()
