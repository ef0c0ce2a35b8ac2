"""Acted corpora that file names tell: true names, and every published name where EmoBox lists them."""

from collections import Counter

import pandas as pd
import pytest

from emollm.data.corpora import Ased, CremaD, Emodb, Emovo, Esd, Ravdess, Savee, Shemo, Tess, Urdu
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save


@pytest.mark.parametrize(
    ("reader", "file", "facts"),
    [
        (
            Tess,
            "TESS/OAF_Pleasant_surprise/OAF_back_ps.wav",
            {"label": "surprise", "speaker": "OAF", "transcript": "Say the word back", "extra": {"age": 64}},
        ),
        (Tess, "OAF_neutral/OA_bite_neutral.wav", {"label": "neutral", "speaker": "OAF", "sentence": "bite"}),
        (Tess, "YAF_fear/YAF_dog_fear.wav", {"label": "fear", "speaker": "YAF", "gender": "female"}),
        (Savee, "AudioData/DC/a01.wav", {"id": "DC_a01", "label": "angry", "speaker": "DC", "sentence": "01"}),
        (Savee, "AudioData/DC/sa04.wav", {"id": "DC_sa04", "label": "sad", "sentence": "sa04"}),
        (Savee, "ALL/KL_sa15.wav", {"id": "KL_sa15", "label": "sad", "speaker": "KL", "gender": "male"}),
        (
            Esd,
            "ESD/0011/Angry/train/0011_000401.wav",
            {"label": "angry", "speaker": "0011", "language": "en", "split": "train", "sentence": "en051"},
        ),
        (Esd, "0001/Sad/0001_001051.wav", {"label": "sad", "language": "zh", "split": "validation"}),
        (Esd, "0020/Surprise/0020_001430.wav", {"label": "surprise", "gender": "male", "split": "test"}),
        (Esd, "0015/Happy/test/0015_000001.wav", {"label": "happy", "gender": "female", "split": "test"}),
        (Esd, "0011/Angry/evaluation/0011_000351.wav", {"label": "angry", "split": "validation"}),
        (Urdu, "Sad/SF10_F1_S01.wav", {"label": "sad", "speaker": "SF10", "gender": "female", "language": "ur"}),
        (
            Ased,
            "05Angry/a5-03-02-01-29.wav",
            {"label": "angry", "speaker": "29", "gender": "female", "sentence": "a03"},
        ),
        (Ased, "05Angry/a5-02-01-01-29.wav", {"label": "angry", "sentence": "02"}),
        (Ased, "04Sad/S4-04-02-02-29.wav", {"label": "sad", "gender": "male", "sentence": "s04"}),
        (
            Emovo,
            "EMOVO/f1/gio-f1-b1.wav",
            {
                "label": "happy",
                "speaker": "f1",
                "transcript": "Gli operai si alzano presto.",
                "extra": {"age": 28},
            },
        ),
        (Shemo, "male/M12W03.wav", {"label": "surprise", "speaker": "M12", "gender": "male", "language": "fa"}),
        (Shemo, "female/F31F01.wav", {"label": "fear", "speaker": "F31", "gender": "female", "transcript": None}),
    ],
)
def test_true_names(tmp_path, reader, file, facts):
    (row,) = reader(plant(tmp_path, file, "ReadMe.txt")).read()
    assert {name: getattr(row, name) for name in facts} == facts
    assert row.path == tmp_path / file
    assert row.corpus == reader.name


def test_two_spellings_of_a_name_are_one_recording(tmp_path):
    root = plant(tmp_path, "OAF_angry/OAF_back_angry.wav", "copy/oaf_BACK_ANGRY.WAV")
    with pytest.warns(UserWarning, match=r"have the name of another one.*\(1: "):
        assert len(Tess(root).read()) == 1


@pytest.mark.parametrize("reader", [Tess, Savee, Esd, Urdu, Ased, Emovo, Shemo])
def test_a_wrong_folder_says_what_is_looked_for(tmp_path, reader):
    with pytest.raises(UserError, match=r"none of the 1 sound files below .* is named like .*\.wav"):
        reader(plant(tmp_path, "song.wav")).read()


@pytest.mark.parametrize(
    ("reader", "file", "label"),
    [
        (Tess, "OAF_back_glum.wav", "glum"),
        (Savee, "DC/x01.wav", "x"),
        (Urdu, "SF10_F1_X01.wav", "X"),
        (Ased, "x9-01-01-01-01.wav", "x"),
        (Emovo, "abc-f1-b1.wav", "abc"),
        (Shemo, "F01X01.wav", "X"),
        (Esd, "0011_009999.wav", None),
    ],
)
def test_codes_that_do_not_exist_reach_the_validator(tmp_path, reader, file, label):
    assert reader(plant(tmp_path, file)).read()[0].label == label


@pytest.mark.parametrize(("reader", "file"), [(Tess, "OAF_back_ps.wav"), (Savee, "DC_a01.wav")])
def test_a_mirror_that_holds_everything_twice(tmp_path, reader, file):
    root = plant(tmp_path, file, f"copy/{file}")
    with pytest.warns(UserWarning, match=r"have the name of another one.*\(1: "):
        assert len(reader(root).read()) == 1


@pytest.mark.parametrize(
    ("reader", "misplaced", "right"),
    [
        (Ravdess, "Actor_02/03-01-05-01-01-01-03.wav", "Actor_03/03-01-05-01-01-01-03.wav"),
        (Tess, "OAF_Sad/OAF_back_angry.wav", "OAF_angry/OAF_back_angry.wav"),
        (Emovo, "f1/rab-m3-b2.wav", "m3/rab-m3-b2.mp3"),
    ],
)
def test_of_two_files_of_one_name_the_one_in_its_own_folder_is_used(tmp_path, recwarn, reader, misplaced, right):
    (row,) = reader(plant(tmp_path, misplaced, right)).read()
    assert row.path == tmp_path / right
    (said,) = recwarn
    assert f"(1: {right} and not {misplaced}): remove the others" in str(said.message)


def test_a_pointer_of_git_lfs_is_no_better_for_its_folder(tmp_path, recwarn):
    plant(tmp_path, "OAF_Sad/OAF_back_angry.wav")
    save(tmp_path / "OAF_angry/OAF_back_angry.wav", "version https://git-lfs.github.com/spec/v1\noid sha256:ab\n")
    (row,) = Tess(str(tmp_path)).read()
    assert row.path.parent.name == "OAF_Sad"
    assert len(recwarn) == 2, "a copy, and another emotion's folder"


@pytest.mark.parametrize(
    ("one", "other", "label", "split"),
    [
        ("Angry/0011_000351", "Sad/0011_000351", "angry", "validation"),
        ("Sad/0011_000361", "Happy/0011_000361", "happy", "validation"),
        ("Happy/test/0011_000731", "Happy/train/0011_000731", "happy", "test"),
        ("Happy/train/0011_000760", "Happy/test/0011_000760", "happy", "train"),
        ("Happy/test/0011_000701", "Happy/train/0011_000701", "happy", "test"),
    ],
    ids=["by number", "neither emotion by number", "part by number", "other part by number", "neither part"],
)
def test_recordings_of_esd_in_two_folders_are_a_contradiction(tmp_path, recwarn, one, other, label, split):
    """Folders are believed before numbers, so which copy is used decides label and part."""
    (row,) = Esd(plant(tmp_path, f"0011/{one}.wav", f"0011/{other}.wav")).read()
    assert (row.label, row.split) == (label, split)
    used, left = (one, other) if row.path == tmp_path / f"0011/{one}.wav" else (other, one)
    said = [str(warning.message) for warning in recwarn]
    assert any(
        "different emotions or parts" in text and f"(1: 0011/{used}.wav and not 0011/{left}.wav)" in text
        for text in said
    )
    assert not any("have the name of another one" in text for text in said)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_transcripts_of_esd(tmp_path, encoding):
    """The owners' files are of several encodings."""
    root = plant(tmp_path, "0001/Angry/0001_000351.wav", "0011/Angry/0011_000351.wav")
    save(
        tmp_path / "0001/0001.txt", "0001_000350\t打远一看\t中立\r\n0001_000351\t他对谁都好。\t生气\r\n", encoding
    )
    save(tmp_path / "0011/0011.txt", "0011_000351\tThe nine the eggs, I keep.\tAngry\n\n", encoding)
    assert Esd(root).read().values("transcript") == ["他对谁都好。", "The nine the eggs, I keep."]
    assert Esd(root, language="en").read().values("speaker") == ["0011"]
    with pytest.raises(UserError, match="language is 'english': it is en or zh"):
        Esd(root, language="english")


def test_transcripts_of_shemo(tmp_path):
    root = plant(tmp_path, "female/F01A01.wav", "female/F01S23.wav")
    save(tmp_path / "transcript/final script/F01A01.ort", "سلام  دنیا\r\n", "utf-16")
    save(tmp_path / "transcript/final script/F01N12.ort", "بی‌صدا")
    assert Shemo(root).read().values("transcript") == ["سلام دنیا", None]


@pytest.mark.parametrize(
    ("reader", "listed", "speakers", "counts"),
    [
        (Tess, "tess", 2, {"surprise": 400, "angry": 400, "neutral": 400}),
        (Savee, "savee", 4, {"neutral": 120, "sad": 60, "surprise": 60}),
        (Urdu, "urdu", 29, {"angry": 100, "happy": 100, "neutral": 100, "sad": 100}),
        (Ased, "ased", 65, {"neutral": 522, "fear": 510, "angry": 486, "happy": 486, "sad": 470}),
        (CremaD, "cremad", 91, {"neutral": 1087, "angry": 1271}),
        (Ravdess, "ravdess", 24, {"neutral": 96, "calm": 192}),
        (Emodb, "emodb", 10, {"angry": 127, "boredom": 81, "disgust": 46}),
    ],
)
def test_every_published_name(corpora_root, tmp_path, reader, listed, speakers, counts):
    names = pd.read_csv(corpora_root / "emobox" / "splits" / f"{listed}.csv", dtype=str)["wav"].tolist()
    table = reader(plant(tmp_path, *names)).read()
    assert len(table) == len(names)
    assert len(table.unique("speaker")) == speakers
    assert {label: Counter(table.values("label"))[label] for label in counts} == counts
