"""EmoBox's lists, as it writes them; and its published folds."""

import json
from collections import Counter

import pandas as pd
import pytest

from emollm.data.corpora import EmoBox, Ravdess
from emollm.data.protocols import ColumnSplit, FoldColumn
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save


def line(key, wav, emo, **more):
    values = {"key": key, "dataset": key.split("-")[0], "wav": wav, "type": "raw", "sample_rate": 44100}
    values |= {
        "num_frame": 349272.0000000032,
        "task": "category",
        "length": 7.920000000000073,
        "emo": emo,
        "channel": 1,
    }
    return json.dumps(values | more) + "\n"


def save_fold(data, dataset, fold, encoding="utf-8", **parts):
    for part, text in parts.items():
        save(data / dataset / f"fold_{fold}" / f"{dataset}_{part}_fold_{fold}.jsonl", text, encoding)


FIRST = line("emodb-03a01Fa", "downloads/emodb/wav/03a01Fa.wav", "happy")
SECOND = line("emodb-16b10Nb", "downloads/emodb/wav/16b10Nb.wav", "neutral")
EMODB = json.dumps({"happy": "Happy", "Neutral": "Neutral", "boredem": "Boredom"})


@pytest.fixture
def emodb(tmp_path):
    data = tmp_path / "data"
    save(data / "emodb" / "label_map.json", EMODB)
    save_fold(data, "emodb", 1, train=FIRST, test=SECOND)
    save_fold(data, "emodb", 2, train=SECOND, test=FIRST)
    return data


def test_folds_that_contradict_each_other_are_a_fault(emodb):
    save_fold(emodb, "emodb", 2, train=SECOND.replace("neutral", "boredem"), test=FIRST)
    for fold in (1, 2):
        with pytest.raises(
            UserError, match=r"train_fold_2\.jsonl, line 1: .*another wav, emo or time than in .*fold_1"
        ):
            EmoBox(str(emodb), "emodb", fold=fold).read()


def test_folds_labels_and_speakers(emodb):
    first, second = EmoBox(str(emodb), "emodb", fold=2).read()
    assert (first.id, first.label, first.split, first.extra) == (
        "emodb-16b10Nb",
        "neutral",
        "train",
        {"emobox_fold": 1},
    )
    assert (second.label, second.split, second.speaker, second.gender) == ("happy", "test", "03", "male")
    assert second.transcript == "Der Lappen liegt auf dem Eisschrank."
    assert second.path == emodb.parent / "downloads/emodb/wav/03a01Fa.wav"
    assert (second.start, second.end, second.corpus) == (None, None, "emodb")
    assert EmoBox(str(emodb / "emodb"), "emodb").read().values("split") == ["train", "test"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_and_line_ends(emodb, encoding):
    save_fold(emodb, "emodb", 1, encoding, train=FIRST.replace("\n", "\r\n\r\n"))
    assert len(EmoBox(str(emodb), "emodb").read()) == 2


def test_recordings_in_their_owners_folder(emodb, tmp_path):
    plant(tmp_path / "mine", "audio/03a01Fa.ogg")
    happy, neutral = EmoBox(str(emodb), "emodb", audio=str(tmp_path / "mine")).read()
    assert happy.path == tmp_path / "mine/audio/03a01Fa.ogg"
    assert neutral.path == tmp_path / "mine/downloads/emodb/wav/16b10Nb.wav", "missing: for the validator to name"


def test_a_recording_that_its_owners_name_otherwise(tmp_path):
    data = tmp_path / "data"
    save(data / "cremad" / "label_map.json", '{"SAD": "Sad"}')
    there = line("cremad-1040-ITH-SAD-XX", "downloads/cremad/AudioWAV/1040_ITH_SAD_XX.wav", "SAD")
    save_fold(data, "cremad", 1, train=there, test=there.replace("ITH", "IEO"))
    plant(tmp_path / "mine", "AudioWAV/1040_ITH_SAD_X.wav")
    row, _ = EmoBox(str(data), "cremad", audio=str(tmp_path / "mine")).read()
    assert row.path == tmp_path / "mine/AudioWAV/1040_ITH_SAD_X.wav"


def test_an_emotion_that_contradicts_the_recordings_name_is_told(emodb):
    swapped = SECOND.replace('"neutral"', '"happy"')
    save_fold(emodb, "emodb", 1, train=FIRST, test=swapped)
    save_fold(emodb, "emodb", 2, train=swapped, test=FIRST)
    says = (
        r"another emotion in the lists of .* \(1: emodb-16b10Nb \(neutral by its name\)\): correct one of the two"
    )
    with pytest.warns(UserWarning, match=says):
        table = EmoBox(str(emodb), "emodb").read()
    assert table.values("label") == ["happy", "happy"], "the list counts"


def test_meld_names_repeat_between_parts(tmp_path):
    data = tmp_path / "data"
    save_fold(
        data,
        "meld",
        1,
        train=line("meld-dia0_utt0-train", "downloads/meld/train/train_splits/dia0_utt0.mp4", "joy"),
        valid=line("meld-dia0_utt0-dev", "downloads/meld/dev_splits_complete/dia0_utt0.mp4", "joy"),
        test=line("meld-dia0_utt0-test", "downloads/meld/output_repeated_splits_test/dia0_utt0.mp4", "anger"),
    )
    save(
        data / "meld/data.seg.wrd.stm",
        "meld-dia0_utt0-train 1 The-Interviewer 0 1.4 "
        "<id=meld-dia0_utt0-train,lang=en,spk=The-Interviewer,emotion=joy> joy\n",
    )
    clips = (
        "train_splits/dia0_utt0.wav",
        "dev_splits_complete/dia0_utt0.wav",
        "output_repeated_splits_test/dia0_utt0.wav",
    )
    table = EmoBox(str(data), "meld", audio=plant(tmp_path / "MELD.Raw", *clips)).read()
    assert table.values("path") == [tmp_path / "MELD.Raw" / clip for clip in clips]
    (tmp_path / "MELD.Raw" / clips[0]).unlink()
    missing = EmoBox(str(data), "meld", audio=str(tmp_path / "MELD.Raw")).read()[0].path
    assert missing.parts[-2:] == ("train_splits", "dia0_utt0.mp4"), "never the clip of another part"
    assert table.values("split") == ["train", "validation", "test"]
    assert table.values("label") == ["happy", "happy", "angry"], "without a map the words speak for themselves"
    assert table.values("speaker") == ["The-Interviewer", None, None]


def test_melds_own_layout_and_a_clip_of_another_part(tmp_path):
    """dia93_utt5 is in one list only, and yet a file of that name elsewhere is another clip."""
    data = tmp_path / "data"
    wavs = [f"downloads/meld/train/train_splits/{name}.mp4" for name in ("dia0_utt0", "dia93_utt5")]
    test = line("meld-dia0_utt0-test", "downloads/meld/output_repeated_splits_test/dia0_utt0.mp4", "anger")
    train = "".join(line(f"meld-{number}-train", wav, "joy") for number, wav in enumerate(wavs))
    save_fold(data, "meld", 1, train=train, test=test)
    clips = ("train/dia0_utt0.wav", "dev/dia0_utt0.wav", "test/dia0_utt0.wav", "test/dia93_utt5.wav")
    root = plant(tmp_path / "mine", *clips)
    first, missing, tested = EmoBox(str(data), "meld", audio=root).read().values("path")
    assert (first, tested) == (tmp_path / "mine" / clips[0], tmp_path / "mine" / clips[2])
    assert missing == tmp_path / "mine" / wavs[1], "for the validator to name"


def mead(speaker, emotion, number):
    wav = f"downloads/mead/{speaker}/audio/{emotion}/level_1/{number:03}.m4a"
    return line(f"mead-{speaker}-{emotion}-{number}", wav, emotion)


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        (["W019/neutral/level_1/001.wav", "M003/neutral/level_1/001.wav"], "M003/neutral/level_1/001.wav"),
        (["m003/neutral/level_1/001.wav"], "m003/neutral/level_1/001.wav"),
        (["W019/neutral/level_1/001.wav"], None),
        (["M003/angry/level_1/001.wav"], None),
        (["W009/neutral/level_1/001.wav", "neutral/level_1/001.wav"], None),
        (["W019/angry/level_1/002.wav", "W009/angry/level_1/002.wav"], None),
    ],
    ids=["as it is", "in another case", "another speaker", "another emotion", "a speaker in no list", "a 002"],
)
def test_a_missing_recording_is_not_another_speakers_of_that_name(tmp_path, planted, found):
    data = tmp_path / "data"
    train = mead("M003", "neutral", 1) + mead("M003", "angry", 1) + mead("M003", "angry", 2)
    save_fold(data, "mead", 1, train=train, test=mead("W019", "neutral", 1))
    table = EmoBox(str(data), "mead", audio=plant(tmp_path / "MEAD", *planted)).read()
    path = {row.id: row.path for row in table}["mead-M003-neutral-1"]
    assert path == tmp_path / "MEAD" / (found or "downloads/mead/M003/audio/neutral/level_1/001.m4a")
    once = {row.id: row.path for row in table}["mead-M003-angry-2"]
    assert not once.exists(), "in one list only, and the file of that name is another speaker's"


def test_folders_of_speakers_that_only_case_tells_apart(tmp_path):
    train, test = (line(f"x-{speaker}", f"downloads/x/{speaker}/001.wav", "joy") for speaker in ("ab", "AB"))
    save_fold(tmp_path / "data", "x", 1, train=train, test=test)
    table = EmoBox(str(tmp_path / "data"), "x", audio=plant(tmp_path / "mine", "Ab/001.wav")).read()
    assert not any(row.path.exists() for row in table)


def test_speakers_that_nothing_names_are_told(emodb, tmp_path, recwarn):
    assert EmoBox(str(emodb), "emodb").read().values("speaker") == ["03", "16"]
    assert not recwarn, "names tell them"
    save(tmp_path / "data/mead/label_map.json", json.dumps({"neutral": "Neutral"}))
    save_fold(tmp_path / "data", "mead", 1, train=mead("M003", "neutral", 1), test=mead("W019", "neutral", 1))
    with pytest.warns(UserWarning, match=r"mead has no data\.seg\.wrd\.stm: the speakers of 2 utterances"):
        assert EmoBox(str(tmp_path / "data"), "mead").read().values("speaker") == [None, None]


def test_the_speaker_of_iemocap_is_the_last_letter(tmp_path):
    """EmoBox's own table says Ses01F, who wore the markers."""
    key = "iemocap-Ses01F_impro01_M003"
    wav = "downloads/iemocap/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M003.wav"
    save_fold(tmp_path, "iemocap", 1, train=line("iemocap-x", "x.wav", "neu"), test=line(key, wav, "exc"))
    save(tmp_path / "iemocap/label_map.json", '{"exc": "Happy", "neu": "Neutral"}')
    save(
        tmp_path / "iemocap/data.seg.wrd.stm",
        f"{key} 1 Ses01F 0 1.2 <id={key},lang=en,spk=Ses01F,emotion=exc> exc",
    )
    row = EmoBox(str(tmp_path), "iemocap").read()[1]
    assert (row.speaker, row.gender, row.session, row.label) == ("Ses01M", "male", "Session1", "happy")


def test_stretches_of_long_files(tmp_path):
    wav = "downloads/pavoque/pavoque-poker.flac"
    test = line("pavoque-m0372-poker", wav, "poker", start_time=1917.34, end_time=1925.26)
    save_fold(
        tmp_path,
        "pavoque",
        1,
        train=line("pavoque-m1-angry", wav, "angry", start_time=0.0, end_time=4.46),
        test=test,
    )
    save(
        tmp_path / "pavoque/data.seg.wrd.stm",
        "pavoque-m0372-poker 1 STEFAN-RÖTTIG 1 2 <id=x,lang=en,spk=STEFAN-RÖTTIG,emotion=poker> poker",
    )
    train, test = EmoBox(str(tmp_path), "pavoque").read()
    assert (train.start, train.end) == (0.0, 4.46)
    assert (test.start, test.end, test.label, test.speaker) == (1917.34, 1925.26, "poker", "STEFAN-RÖTTIG")


@pytest.mark.parametrize(
    ("key", "spoken", "speaker"),
    [
        ("mer2023-sample_00000001", "sample_00000001", None),
        ("mer2023-sample_00000001.mp4", "sample_00000001", None),
        ("mer2023-30_fear_happiness h_160.wav", "30_fear_happiness h_160.wav", None),
        ("mer2023-30_fear_happiness h_160.wav", "Anna", "Anna"),
        ("mer2023-a", "Unknown", None),
    ],
)
def test_a_recording_is_not_its_own_speaker(tmp_path, key, spoken, speaker):
    save_fold(tmp_path, "mer2023", 1, train=line(key, "a.wav", "happy"), test=line("mer2023-x", "x.wav", "happy"))
    save(tmp_path / "mer2023/label_map.json", '{"happy": "Happy"}')
    save(
        tmp_path / "mer2023/data.seg.wrd.stm",
        f"{key} 1 a 0 1.2 <id={key},lang=en,spk={spoken},emotion=happy> happy\n",
    )
    assert EmoBox(str(tmp_path), "mer2023").read().values("speaker") == [speaker, None]


def test_the_label_map_of_emovo_has_another_name(tmp_path):
    names = ["emovo-tri-f1-b1", "emovo-gio-f2-b1"]
    train, test = (line(name, f"{name[6:]}.wav", name[6:9]) for name in names)
    save_fold(tmp_path, "emovo", 1, train=train, test=test)
    with pytest.warns(UserWarning, match=r"emovo has no label_map\.json"):
        assert EmoBox(str(tmp_path), "emovo").read().values("label") == ["tri", "gio"]
    save(tmp_path / "emovo/label_dict.json", '{"gio": "Happy", "tri": "Sad"}')
    assert EmoBox(str(tmp_path), "emovo").read().values("label") == ["sad", "happy"]


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"train": FIRST + FIRST}, r"line 2: emodb-03a01Fa is in fold 1 twice, in train and in train"),
        ({"train": SECOND}, r"emodb_test_fold_1\.jsonl, line 1: emodb-16b10Nb is in fold 1 twice"),
        (
            {"train": FIRST.replace("happy", "glad")},
            r"emodb_train_fold_1\.jsonl, line 1: the label 'glad' is not in",
        ),
        ({"train": '{"key": \n'}, "line 1: not JSON"),
        ({"train": '{"key": "a"}\n'}, "line 1: an utterance needs a key and a wav"),
        ({"train": FIRST.replace("}", ', "start_time": "soon"}')}, "line 1: start_time and end_time must be"),
    ],
)
def test_faults_name_file_and_line(emodb, parts, says):
    save_fold(emodb, "emodb", 1, **parts)
    with pytest.raises(UserError, match=says):
        EmoBox(str(emodb), "emodb").read()


def test_missing_folds_and_lists(emodb):
    with pytest.raises(UserError, match=r"has the folds 1, 2, not fold_3"):
        EmoBox(str(emodb), "emodb", fold=3).read()
    with pytest.raises(UserError, match=r"ravdess has no folds, not fold_1"):
        EmoBox(str(emodb), "ravdess").read()
    (emodb / "emodb/fold_2/emodb_test_fold_2.jsonl").unlink()
    with pytest.raises(UserError, match=r"There is no .*emodb_test_fold_2\.jsonl"):
        EmoBox(str(emodb), "emodb").read()


def rebuild(corpora_root, data, dataset):
    """EmoBox's tree, from the table of its folds."""
    source = corpora_root / "emobox" / "splits"
    listed = pd.read_csv(source / f"{dataset}.csv", dtype=str, keep_default_na=False)
    lines = [line(*row) for row in listed[["key", "wav", "emo"]].itertuples(index=False)]
    for fold in sorted(set(listed["test_fold"]) - {""}):
        parts = {"train": "", "test": ""}
        for text, tested, valid in zip(lines, listed["test_fold"], listed["valid_fold"], strict=True):
            part = "test" if tested == fold else "valid" if valid == fold else "train"
            parts[part] = parts.get(part, "") + text
        save_fold(data, dataset, int(fold), **parts)
    save(data / dataset / "label_map.json", (source / f"{dataset}.label_map.json").read_text())
    return listed


@pytest.mark.parametrize(
    ("dataset", "fold", "sizes", "speakers"),
    [
        ("iemocap", 1, {"train": 4446, "test": 1085}, 10),
        ("meld", 1, {"train": 9988, "validation": 1108, "test": 2610}, 0),
        ("ravdess", 3, {"train": 1200, "test": 240}, 24),
        ("emodb", 5, {"train": 428, "test": 107}, 10),
        ("cremad", 1, {"train": 5586, "test": 1856}, 91),
        ("savee", 2, {"train": 360, "test": 120}, 4),
        ("tess", 1, {"train": 2100, "test": 700}, 2),
        ("ased", 1, {"train": 1858, "test": 616}, 65),
        ("urdu", 1, {"train": 300, "test": 100}, 29),
    ],
)
def test_published_folds(corpora_root, tmp_path, dataset, fold, sizes, speakers):
    listed = rebuild(corpora_root, tmp_path, dataset)
    table = EmoBox(str(tmp_path), dataset, fold=fold).read()
    assert Counter(table.values("split")) == sizes
    assert len(table.unique("speaker")) == speakers
    assert set(table.values("id")) == set(listed["key"])
    mapped = json.loads((tmp_path / dataset / "label_map.json").read_text())
    assert len(table.unique("label")) == len(set(mapped.values()))


def test_folds_of_ravdess_and_validation_by_speaker(corpora_root, tmp_path):
    """On real recordings: the same folds as by actor, and no speaker in two parts."""
    rebuild(corpora_root, tmp_path, "ravdess")
    audio = str(corpora_root / "ravdess")
    table = EmoBox(str(tmp_path), "ravdess", fold=2, audio=audio).read()
    assert all(row.path.is_file() for row in table)
    by_actor = {row.id: row for row in Ravdess(audio).read()}
    for row in table:
        own = by_actor[row.id.removeprefix("ravdess-")]
        assert (row.label, row.speaker, row.transcript) == (own.label, own.speaker, own.transcript)
        assert row.extra["emobox_fold"] == own.extra["emobox_fold"]
    for protocol in (ColumnSplit(), FoldColumn(column="emobox_fold", fold=2)):
        split = protocol.split(table)
        assert split.speaker_independent
        assert split.test.unique("speaker") == ["04", "10", "12", "14"]
        assert len(split.validation)
        assert not set(split.validation.unique("speaker")) & set(split.train.unique("speaker"))


def test_segments_without_agreement_have_no_label(tmp_path):
    data = tmp_path / "data"
    save(data / "msppodcast/label_map.json", json.dumps({"X": "No-agreement", "S": "Sad"}))
    rows = {
        part: line(f"msppodcast-{part}", f"downloads/{part}.wav", code)
        for part, code in (("train", "X"), ("test", "S"))
    }
    save_fold(data, "msppodcast", 1, **rows)
    assert EmoBox(str(data), "msppodcast").read().values("label") == [None, "sad"]
