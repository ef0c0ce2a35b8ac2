"""MSP-Podcast: both forms of the consensus labels, partitions, hidden labels."""

import json

import pytest

from emollm.data.corpora import MspPodcast
from emollm.data.labels import LabelSet
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save

HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
ROWS = (
    "MSP-PODCAST_0001_0008.wav,N,2.2,4.4,4.4,127,Male,Test1\n"
    "MSP-PODCAST_0001_0019.wav,U,4.8,5.2,4.8,127,Male,Train\n"
    "MSP-PODCAST_0002_0033.wav,X,5,3,5,Unknown,Unknown,Development\n"
    "MSP-PODCAST_0003_0001.wav,C,5,3,5,12,Female,Test2\n"
    "MSP-PODCAST_TEST3_0001.wav,,,,,,,Test3\n"
)


def as_json(text):
    header, *rows = [line.split(",") for line in (HEADER + text).strip().split("\n")]
    return json.dumps({row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels_consensus.csv", HEADER + ROWS),
        ("labels_consensus.json", as_json(ROWS)),
        ("labels_concensus.json", as_json(ROWS.replace("Development", "Validation"))),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_as_its_owners_pack_it(tmp_path, name, text, encoding):
    save(tmp_path / "Labels" / name, text.replace("\n", "\r\n"), encoding)
    save(tmp_path / "Transcripts/MSP-PODCAST_0001_0019.txt", "Well, that’s\r\nnew.", encoding)
    plant(tmp_path, "Audios/MSP-PODCAST_0001_0019.wav")
    test, train, dev = MspPodcast(str(tmp_path)).read()
    assert (test.id, test.label, test.split, test.extra) == (
        "MSP-PODCAST_0001_0008",
        "neutral",
        "test",
        {"partition": "Test1"},
    )
    assert (test.arousal, test.valence, test.dominance) == (2.2, 4.4, 4.4)
    assert not test.path.exists(), "for the validator to name"
    assert (train.label, train.speaker, train.gender, train.split) == ("surprise", "127", "male", "train")
    assert (train.transcript, train.path.is_file()) == ("Well, that’s new.", True)
    assert (dev.label, dev.speaker, dev.gender, dev.split) == (None, None, None, "validation")


def test_votes_in_a_file_that_is_not_read_are_told(tmp_path, recwarn):
    save(tmp_path / "Labels/labels_consensus.csv", HEADER + ROWS)
    save(tmp_path / "Labels/labels_detailed.json", "{}")
    MspPodcast(str(tmp_path)).read()
    (told,) = recwarn
    assert "are not read, so utterances have none (1: labels_detailed.json)" in str(told.message)


EARLIER = "Previous_releases_information/previous_releases_info/v1.10"


def release(tmp_path, *plants):
    """A release with what the owners keep of the one before it, in which everything was another way."""
    save(tmp_path / EARLIER / "Labels/labels_consensus.csv", HEADER + ROWS.replace(",N,", ",S,"))
    save(tmp_path / EARLIER / "Transcripts/MSP-PODCAST_0001_0008.txt", "Before.")
    plant(tmp_path, "files_removed_from_prev_versions/MSP-PODCAST_0009_0009.wav", *plants)
    return str(tmp_path)


@pytest.mark.parametrize("folder", ["Labels", "labels"])
def test_earlier_releases_are_passed_over(tmp_path, recwarn, folder):
    plants = [f"Audios/MSP-PODCAST_{name}.wav" for name in ("0001_0008", "0001_0019", "0002_0033", "test3_0001")]
    rows = ROWS.replace("MSP-PODCAST_TEST3_0001.wav,,,,,,,Test3\n", "")
    save(tmp_path / folder / "labels_consensus.csv", HEADER + rows)
    save(tmp_path / folder / "labels_detailed.csv", "FileName\n")
    first = MspPodcast(release(tmp_path, *plants)).read()[0]
    assert (first.label, first.transcript) == ("neutral", None)
    assert not [str(one.message) for one in recwarn if "labels_detailed" not in str(one.message)]
    with pytest.raises(UserError, match=r"no rows of Test3, whose labels the owners keep: set test to Test1"):
        MspPodcast(str(tmp_path), test="Test3").read()


def test_labels_of_an_earlier_release_are_not_those_of_this_one(tmp_path):
    root = release(tmp_path, "Labels.tar.gz")
    with pytest.raises(UserError, match=r"of this release below .*unpack the archives there \(Labels\.tar\.gz\)"):
        MspPodcast(root).read()


def test_lost_transcripts_and_misspelt_sexes_are_told(tmp_path, recwarn):
    save(tmp_path / "Labels/labels_consensus.csv", HEADER + ROWS.replace("127,Male", "127,Mael"))
    save(tmp_path / "Transcripts/MSP-PODCAST_0001_0008.txt", "Well.")
    assert MspPodcast(str(tmp_path)).read().values("gender") == [None, None, None]
    said = [str(one.message) for one in recwarn]
    assert any("have no transcript" in text and "(2: MSP-PODCAST_0001_0019, MSP" in text for text in said)
    assert any("and count as unknown (1: Mael)" in text for text in said)


@pytest.mark.parametrize(
    ("written", "speaker"),
    [("nan", None), ("N/A", None), ("", None), ("unknown", None), ("12.0", "12"), ("12", "12")],
)
def test_speakers_as_pandas_writes_them(tmp_path, written, speaker):
    save(tmp_path / "Labels/labels_consensus.csv", HEADER + ROWS.replace(",127,", f",{written},"))
    assert MspPodcast(str(tmp_path)).read().values("speaker") == [speaker, speaker, None]


@pytest.mark.parametrize("empty", ["", "nan", "N/A"])
def test_segments_without_any_code_are_told(tmp_path, recwarn, empty):
    save(tmp_path / "Labels/labels_consensus.csv", HEADER + ROWS)
    for test in ("Test1", "Test3"):
        MspPodcast(str(tmp_path), test=test).read()
    assert not recwarn, "X is a code, and the labels of Test3 are hidden"
    save(tmp_path / "Labels/labels_consensus.csv", HEADER + ROWS.replace(",U,", f",{empty},"))
    with pytest.warns(UserWarning, match=r"have no EmoClass in .* \(1: MSP-PODCAST_0001_0019\): restore"):
        assert MspPodcast(str(tmp_path)).read().values("label") == ["neutral", None, None]


def test_other_partitions(tmp_path):
    save(tmp_path / "labels_consensus.csv", HEADER + ROWS)
    test2 = MspPodcast(str(tmp_path), test="Test2").read()[-1]
    assert (test2.label, test2.path) == ("contempt", None)
    assert LabelSet.parse("msp8").index(test2.label) is not None
    hidden = MspPodcast(str(tmp_path), test="Test3").read()[-1]
    assert (hidden.label, hidden.valence, hidden.split) == (None, None, "test")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.csv", "", r"no Labels/labels_consensus\.csv"),
        ("labels_consensus.csv", HEADER.replace("EmoClass", "Emo") + ROWS, "no column 'emoclass'"),
        (
            "labels_consensus.csv",
            HEADER + ROWS.replace(",U,", ",Q,"),
            r"line 3 .*_0019\.wav.: EmoClass is 'Q', none",
        ),
        ("labels_consensus.csv", HEADER + ROWS.replace("Train", "Extra"), "Split_Set is 'Extra', none of"),
        (
            "labels_consensus.csv",
            HEADER + ROWS.replace("4.8", "high"),
            "EmoAct is 'high', which.*; EmoDom is 'high'",
        ),
        ("labels_consensus.json", '{"a.wav": ', "line 1: not JSON"),
        ("labels_consensus.json", '{"a.wav": {"EmoClass": "A"}}', "must map file names"),
        ("labels_consensus.json", "[1]", "must map file names"),
    ],
)
def test_faults_name_the_table(tmp_path, name, text, says):
    save(tmp_path / name, text)
    with pytest.raises(UserError, match=says):
        MspPodcast(str(tmp_path)).read()


MAJOR = (
    "FileName,{worker},EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom\n"
    'MSP-PODCAST_0001_0008.wav,WORKER00000001,Neutral,"Neutral,Concerned",4,4,4\n'
    "MSP-PODCAST_0001_0008.wav,WORKER00000002,Other-Curious,,4,5,4\n"
    "MSP-PODCAST_0001_0008.wav,WORKER00000003,Neutral,Neutral,3,4,4\n"
    "MSP-PODCAST_0001_0019.wav,WORKER00000001,Surprise,Surprise,6,5,4\n"
    'MSP-PODCAST_0002_0033.wav,WORKER00000001,"Other-tired, or sick",,2,3,4\n'
)
DETAIL = (
    "FileName,EmoDetail\n"
    'MSP-PODCAST_0001_0008.wav,"WORKER00000001; Neutral; Neutral,Concerned; A:4.0; V:4.0; D:4.0;"\n'
    'MSP-PODCAST_0001_0008.wav,"WORKER00000002; Other-Curious; A:4.0; V:5.0; D:4.0;"\n'
    'MSP-PODCAST_0001_0008.wav,"WORKER00000003; Neutral; Neutral; A:3.0; V:4.0; D:4.0;"\n'
    'MSP-PODCAST_0001_0019.wav,"WORKER00000001; Surprise; Surprise; A:6.0; V:5.0; D:4.0;"\n'
    'MSP-PODCAST_0002_0033.wav,"WORKER00000001; Other-tired, or sick; Sad; A:2.0; V:3.0; D:4.0;"\n'
)


@pytest.mark.parametrize(
    "text",
    [MAJOR.format(worker="Workers"), MAJOR.format(worker="WorkerID"), DETAIL],
    ids=["1.6", "2.0", "between"],
)
@pytest.mark.parametrize("test", ["Test1", "Test3"])
def test_what_each_worker_heard(tmp_path, recwarn, text, test):
    save(tmp_path / "Labels/labels_consensus.csv", HEADER + ROWS)
    save(tmp_path / "Labels/labels_detailed.csv", text.replace("\n", "\r\n"))
    save(tmp_path / "Previous_releases/v1.6/labels_detailed.csv", MAJOR.replace("Neutral", "Sad"))
    rows = {row.id: row for row in MspPodcast(str(tmp_path), test=test).read()}
    if test == "Test1":
        assert rows["MSP-PODCAST_0001_0008"].votes == {"neutral": 2.0, "other": 1.0}
    else:
        assert rows["MSP-PODCAST_TEST3_0001"].votes is None, "hidden as its labels are"
    assert rows["MSP-PODCAST_0001_0019"].votes == {"surprise": 1.0}
    assert rows["MSP-PODCAST_0002_0033"].votes == {"other": 1.0}, "without agreement there are votes too"
    assert not recwarn


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "FileName,Rating\na.wav,1\n",
            r"left out \(1: .*detailed\.csv has no columns FileName and EmoClass_Major",
        ),
        ("", r"left out \(1: .*detailed\.csv has no columns FileName"),
        (DETAIL.replace("; Surprise; Surprise", ""), r"no known emotion.* \(1: 'a:6.0' in line 5\)"),
        (DETAIL.replace("; Surprise; Surprise; A:6.0; V:5.0; D:4.0;", ""), r"left out \(1: .*line 5: no segment"),
        (MAJOR.replace(",Surprise,", ",Suprised,"), r"no known emotion and kept.* \(1: 'suprised' in line 5\)"),
        (
            "".join(MAJOR.splitlines(True)[:4]),
            r"have no votes \(2: MSP-PODCAST_0001_0019, MSP-PODCAST_0002_0033\)",
        ),
    ],
)
def test_votes_that_cannot_be_read_are_told_and_nothing_is_refused(tmp_path, text, says):
    save(tmp_path / "Labels/labels_consensus.csv", HEADER + ROWS)
    save(tmp_path / "Labels/labels_detailed.csv", text)
    with pytest.warns(UserWarning, match=says):
        rows = MspPodcast(str(tmp_path)).read()
    assert rows.values("label") == ["neutral", "surprise", None]


PARTS = (
    "Test1; MSP-PODCAST_0001_0008.wav\n\nTrain; MSP-PODCAST_0001_0019.wav\n"
    "Development; msp-podcast_0002_0033.WAV\nTest2; MSP-PODCAST_0003_0001.wav\nTest3; MSP-PODCAST_TEST3_0001.wav\n"
)


def without_parts(text):
    return "".join(line.rpartition(",")[0] + "\n" for line in text.splitlines())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels_consensus.csv", without_parts(HEADER + ROWS)),
        (
            "labels_consensus.json",
            json.dumps({k: v for k, v in json.loads(as_json(ROWS)).items() if v.pop("Split_Set")}),
        ),
    ],
)
def test_parts_come_from_partitions_where_the_table_has_none(tmp_path, recwarn, name, text):
    save(tmp_path / "Labels" / name, text)
    with pytest.raises(UserError, match="no column 'split_set'|objects with EmoClass and Split_Set"):
        MspPodcast(str(tmp_path)).read()
    save(tmp_path / "Previous_releases_information/Partitions.txt", PARTS.replace("Train", "Test1"))
    save(tmp_path / "Partitions.txt", PARTS.replace("\n", "\r\n"))
    table = MspPodcast(str(tmp_path)).read()
    assert table.values("split") == ["test", "train", "validation"]
    assert table[0].extra == {"partition": "Test1"}
    assert not recwarn
    save(tmp_path / "Partitions.txt", PARTS.replace("Train;", ""))
    with pytest.raises(
        UserError, match=r"0001_0019\.wav\): Split_Set is '', and no Partitions\.txt tells the part"
    ):
        MspPodcast(str(tmp_path)).read()


def test_parts_that_contradict_the_table_or_each_other_are_told(tmp_path, recwarn):
    save(tmp_path / "Labels/labels_consensus.csv", HEADER + ROWS)
    save(tmp_path / "Partitions.txt", PARTS.replace("Development", "Validation"))
    assert len(MspPodcast(str(tmp_path)).read()) == 3
    assert not recwarn, "two words for one part"
    save(tmp_path / "Partitions.txt", PARTS.replace("Train", "Test2") + "Train; MSP-PODCAST_0003_0001.wav\n")
    assert MspPodcast(str(tmp_path)).read().values("split") == ["test", "train", "validation"]
    twice, moved = (str(one.message) for one in recwarn)
    assert "which count (1: " in twice
    assert "Partitions.txt, line 7): remove one of the two" in twice
    assert "and the table counts (1: MSP-PODCAST_0001_0019 Train, Test2): take both from one release" in moved


def test_a_segment_that_a_list_names_twice_is_told(tmp_path, recwarn):
    row = '"MSP-PODCAST_0001_0008.wav": {"EmoClass": "%s", "Split_Set": "Train"}'
    save(tmp_path / "labels_consensus.json", f"{{{row % 'A'}, {row % 'N'}}}")
    assert MspPodcast(str(tmp_path)).read().values("label") == ["angry"], "the first counts"
    text = str(recwarn[0].message)
    assert "labels_consensus.json, MSP-PODCAST_0001_0008.wav): remove one of the two" in text


def test_names_fit_in_any_case(tmp_path, recwarn):
    save(tmp_path / "labels_consensus.csv", HEADER + ROWS.splitlines(keepends=True)[1])
    save(tmp_path / "labels_detailed.csv", MAJOR.format(worker="Workers").replace("MSP-PODCAST", "Msp-Podcast"))
    save(tmp_path / "Transcripts/msp-podcast_0001_0019.txt", "Well.")
    plant(tmp_path, "Audios/msp-podcast_0001_0019.WAV")
    (row,) = MspPodcast(str(tmp_path)).read()
    assert (row.id, row.path.is_file(), row.transcript) == ("MSP-PODCAST_0001_0019", True, "Well.")
    assert row.votes == {"surprise": 1.0}
    assert not recwarn
