"""MELD: tables alone, tables with clips, and the real tables."""

from collections import Counter

import pytest

from emollm.data.corpora import Meld
from emollm.errors import UserError
from tests.data.corpora.planting import plant, record, save

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
TRAIN = (
    HEADER
    + '3,"Why, that’s  great!",The Interviewer,joy,positive,125,3,8,21,"00:16:21,940","00:16:23,442"\n'
    + '1,also I was,Chandler,neutral,neutral,0,0,8,21,"00:16:16,059","00:16:21,731"\n'
    + '2,That I did.,Joey,sadness,negative,10,1,8,21,"00:16:23,442","00:16:26,389"\n'
    + '2,Yes.,Joey,anger,negative,2,4,8,21,"00:16:23,442",\n'
)
DEV = HEADER + '1,Oh my God,Phoebe,sadness,negative,110,7,4,7,"00:20:57,256","00:21:00,049"\n'


def test_text_only_in_order_of_dialogues(tmp_path):
    save(tmp_path / "train_sent_emo.csv", TRAIN)
    save(tmp_path / "dev_sent_emo.csv", DEV)
    table = Meld(str(tmp_path)).read()
    assert table.values("id") == [
        "train_dia0_utt0",
        "train_dia2_utt4",
        "train_dia10_utt1",
        "train_dia125_utt3",
        "dev_dia110_utt7",
    ]
    assert table.values("split") == ["train"] * 4 + ["validation"]
    assert table.values("path") == [None] * 5
    last = table[3]
    assert (last.label, last.speaker, last.dialogue, last.turn) == ("happy", "The Interviewer", "train_dia125", 3)
    assert last.transcript == "Why, that’s great!"
    assert (last.session, last.extra["sentiment"]) == ("season 8 episode 21", "positive")
    assert (last.extra["aired_from"], last.extra["aired_to"]) == (981.94, 983.442)
    assert table[1].extra["aired_to"] is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_every_encoding_and_line_end(tmp_path, encoding):
    save(tmp_path / "train_sent_emo.csv", TRAIN.replace("\n", "\r\n"), encoding)
    assert Meld(str(tmp_path)).read()[3].transcript == "Why, that’s great!"


@pytest.mark.parametrize("wrong", ["\x92", "’".encode().decode("cp1252")])
def test_quotes_that_were_read_in_the_wrong_encoding(tmp_path, wrong):
    """The tables of the first release hold U+0092, which is Windows-1252 read as Latin-1."""
    save(tmp_path / "train_sent_emo.csv", TRAIN.replace("’", wrong))
    assert Meld(str(tmp_path)).read()[3].transcript == "Why, that’s great!"


def test_the_archive_of_the_owners(tmp_path):
    """MELD.Raw.tar.gz, unpacked: one clip does not open, one is missing, some have no row."""
    save(tmp_path / "MELD.Raw/train/train_sent_emo.csv", TRAIN)
    save(tmp_path / "MELD.Raw/dev_sent_emo.csv", DEV)
    names = [f"train/train_splits/dia{name}.mp4" for name in ("0_utt0", "10_utt1", "125_utt3")]
    names += ["dev/dev_splits_complete/dia49_utt4.mp4", "test/output_repeated_splits_test/._dia0_utt0.mp4"]
    plant(tmp_path / "MELD.Raw", *names, "test/output_repeated_splits_test/final_videos_testdia0_utt0.mp4")
    table = Meld(str(tmp_path)).read()
    assert table.values("id") == ["train_dia0_utt0", "train_dia2_utt4", "train_dia10_utt1"]
    assert table[0].path == tmp_path / "MELD.Raw/train/train_splits/dia0_utt0.mp4"
    # What is missing without being known for it is for the validator to name.
    assert table[1].path == tmp_path / "MELD.Raw/train/train_splits/dia2_utt4.mp4"
    assert not table[1].path.exists()
    assert len(Meld(str(tmp_path), audio=False).read()) == 5
    assert not any(Meld(str(tmp_path), audio=False).read().values("path"))


def test_a_mended_clip_is_used(tmp_path):
    save(tmp_path / "train_sent_emo.csv", TRAIN)
    save(tmp_path / "dev_sent_emo.csv", DEV)
    for name in ("train/dia125_utt3", "train/dia0_utt0", "dev/dia110_utt7"):
        record(tmp_path / f"audio/{name}.wav")
    table = Meld(str(tmp_path)).read()
    assert table[3].path == tmp_path / "audio/train/dia125_utt3.wav"
    assert table[4].path == tmp_path / "audio/dev/dia110_utt7.wav"


def test_clips_without_a_row_are_spoken_of(tmp_path):
    save(tmp_path / "train_sent_emo.csv", TRAIN)
    plant(tmp_path, "train_splits/dia0_utt0.mp4", "train_splits/dia7_utt3.mp4")
    with pytest.warns(UserWarning, match=r"have no row in the tables \(1: train_splits.dia7_utt3\.mp4\)"):
        assert len(Meld(str(tmp_path)).read()) == 3


def test_clips_of_no_part_are_spoken_of(tmp_path):
    save(tmp_path / "train_sent_emo.csv", TRAIN)
    with pytest.warns(UserWarning, match="1 clips .* lie in no folder that says train"):
        table = Meld(plant(tmp_path, "wav/dia0_utt0.wav")).read()
    assert table.values("path") == [None] * 4


def test_clips_that_are_named_otherwise_are_spoken_of(tmp_path):
    save(tmp_path / "train_sent_emo.csv", TRAIN)
    plant(tmp_path, "train_splits/dia0_utt0.mp4", "train_splits/dia10-utt1.mp4")
    plant(tmp_path, "test/final_videos_testdia0_utt0.mp4")
    says = r"not named like dia0_utt0.mp4 are passed over \(2: test/final_videos_testdia0_utt0.mp4, train_splits"
    with pytest.warns(UserWarning, match=says):
        Meld(str(tmp_path)).read()


def test_rows_that_occur_twice_count_once(tmp_path, recwarn):
    again = TRAIN.splitlines(keepends=True)[2]
    save(tmp_path / "train_sent_emo.csv", TRAIN + again)
    save(tmp_path / "dev_sent_emo.csv", DEV)
    assert len(Meld(str(tmp_path)).read()) == 5
    assert not [str(one.message) for one in recwarn if "contradict" in str(one.message)]
    save(tmp_path / "train_sent_emo.csv", TRAIN + again.replace("neutral,neutral", "joy,positive"))
    with pytest.warns(UserWarning, match=r"rows contradict earlier ones .* \(1: .*train_sent_emo.csv, line 6\)"):
        table = Meld(str(tmp_path)).read()
    assert table[0].label == "neutral"
    assert len(table) == 5


def test_faults_name_the_table(tmp_path):
    with pytest.raises(UserError, match=r"no train_sent_emo\.csv"):
        Meld(str(tmp_path)).read()
    save(tmp_path / "dev_sent_emo.csv", DEV.replace("Emotion", "Mood"))
    with pytest.raises(UserError, match=r"dev_sent_emo\.csv has no column 'emotion'"):
        Meld(str(tmp_path)).read()
    save(tmp_path / "dev_sent_emo.csv", DEV.replace(",110,", ",?,"))
    with pytest.raises(UserError, match=r"dev_sent_emo\.csv, line 2: Dialogue_ID"):
        Meld(str(tmp_path)).read()


def test_the_real_tables_count_as_published(corpora_root):
    table = Meld(str(corpora_root / "meld")).read()
    counts = Counter(zip(table.values("split"), table.values("label"), strict=True))
    assert Counter(table.values("split")) == {"train": 9989, "validation": 1109, "test": 2610}
    assert [
        counts["test", label] for label in ("neutral", "surprise", "fear", "sad", "happy", "disgust", "angry")
    ] == [
        1256,
        281,
        50,
        208,
        402,
        68,
        345,
    ]
    assert counts["train", "neutral"] == 4710
    assert counts["validation", "disgust"] == 22
    assert len(set(table.values("id"))) == len(table)
    assert len(table.unique("dialogue")) == 1038 + 114 + 280
    turns = list(zip(table.values("dialogue"), table.values("turn"), strict=True))
    assert all(b[1] > a[1] for a, b in zip(turns, turns[1:], strict=False) if a[0] == b[0])
    assert not any("\x80" <= char <= "\x9f" for text in table.values("transcript") for char in text)
    assert all(isinstance(row.extra["aired_from"], float) for row in table)
