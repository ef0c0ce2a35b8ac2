"""CREMA-D: names, the crowd's votes, the actors; and the owners' real tables."""

import csv
from collections import Counter

import pytest

from emollm.data.corpora import CremaD
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save

VOTES = (
    '"","A","D","F","H","N","S","fileName","numResponses"\n'
    '"100001",0,0,0,1,10,0,"1001_IEO_NEU_XX",11\n'
    '"100009",5,5,0,0,1,1,"1001_IEO_ANG_MD",12\n'
    '"200001",9,0,0,0,0,0,"1001_IEO_NEU_XX",9\n'
    '"300001",8,0,0,0,0,0,"1001_IEO_NEU_XX",8\n'
)
SUMMARY = (
    '"","FileName","VoiceVote","VoiceLevel"\n"1","1001_IEO_NEU_XX","S","1"\n"2","1040_ITH_SAD_XX","D:N","60:50"\n'
)
ACTORS = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n'


def test_recordings_alone(tmp_path):
    root = plant(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_IEO_HAP_HI.wav", "VideoFlash/x.flv")
    angry, happy = CremaD(root).read()
    assert (angry.id, angry.label, angry.speaker, angry.sentence) == ("1001_DFA_ANG_XX", "angry", "1001", "DFA")
    assert angry.transcript == "Don't forget a jacket."
    assert (angry.votes, angry.gender, angry.extra) == (None, None, {"intensity": None})
    assert (happy.label, happy.extra["intensity"]) == ("happy", "high")


@pytest.mark.filterwarnings("ignore:.*are in no table of votes")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_the_crowd_and_the_actors(tmp_path, encoding):
    names = ("1001_IEO_NEU_XX", "1001_IEO_ANG_MD", "1040_ITH_SAD_X", "1050_TIE_FEA_XX")
    root = plant(tmp_path, *(f"AudioWAV/{name}.wav" for name in names))
    save(tmp_path / "processedResults/tabulatedVotes.csv", VOTES.replace("\n", "\r\n"), encoding)
    save(tmp_path / "processedResults/summaryTable.csv", SUMMARY, encoding)
    save(tmp_path / "VideoDemographics.csv", ACTORS, encoding)
    rows = {row.id: row for row in CremaD(root).read()}
    assert rows["1001_IEO_NEU_XX"].votes == {"happy": 1.0, "neutral": 10.0}, "of the voice, as counts"
    assert rows["1001_IEO_ANG_MD"].votes == {"angry": 5.0, "disgust": 5.0, "neutral": 1.0, "sad": 1.0}
    assert rows["1040_ITH_SAD_XX"].votes == {"disgust": 0.5, "neutral": 0.5}, "a tie in the summary"
    assert rows["1050_TIE_FEA_XX"].votes is None
    first = rows["1001_IEO_NEU_XX"]
    assert (first.gender, first.extra["age"], first.extra["race"]) == ("male", 51, "Caucasian")
    assert rows["1050_TIE_FEA_XX"].gender is None


def test_the_file_that_is_called_two_ways_is_one_recording(tmp_path):
    root = plant(tmp_path, "AudioWAV/1040_ITH_SAD_X.wav", "AudioMP3/1040_ITH_SAD_XX.mp3")
    with pytest.warns(UserWarning, match="have the name of another one"):
        (row,) = CremaD(root).read()
    assert (row.id, row.extra) == ("1040_ITH_SAD_XX", {"intensity": None})


def test_recordings_that_the_table_of_counts_lacks_are_told(tmp_path):
    root = plant(tmp_path, "1001_IEO_NEU_XX.wav", "1001_IEO_ANG_MD.wav", "1040_ITH_SAD_XX.wav")
    save(tmp_path / "summaryTable.csv", SUMMARY)
    save(tmp_path / "tabulatedVotes.csv", VOTES)
    with pytest.warns(UserWarning, match=r"no counts in tabulatedVotes.csv, .* \(1: 1040_ITH_SAD_X"):
        CremaD(root).read()


def test_votes_of_face_and_voice_that_nothing_tells_apart_are_told(tmp_path, recwarn):
    root = plant(tmp_path, "1001_IEO_NEU_XX.wav", "1001_IEO_ANG_MD.wav")
    save(tmp_path / "tabulatedVotes.csv", VOTES.replace('00001"', '00001.0"'))
    assert CremaD(root).read()[1].votes == {"happy": 1.0, "neutral": 10.0}, "as pandas writes the owners' names"
    assert not recwarn
    save(tmp_path / "tabulatedVotes.csv", VOTES.replace('"","A"', '"id","A"'))
    CremaD(root).read()
    assert "nothing tells which is of the voice; the first is used (2: line 4, line 5)" in str(recwarn[0].message)


def test_faults_name_the_table(tmp_path):
    root = plant(tmp_path, "1001_IEO_NEU_XX.wav")
    save(tmp_path / "tabulatedVotes.csv", VOTES.replace('"fileName"', '"clip"'))
    with pytest.raises(UserError, match=r"tabulatedVotes\.csv has no column 'filename'"):
        CremaD(root).read()
    save(tmp_path / "tabulatedVotes.csv", VOTES.replace(",10,0,", ",ten,0,"))
    with pytest.raises(UserError, match=r"tabulatedVotes\.csv, line 2: the counts"):
        CremaD(root).read()
    assert CremaD(plant(tmp_path / "x", "1001_IEO_JOY_XX.wav")).read()[0].label == "JOY", "for the validator"


def test_the_real_tables(corpora_root, tmp_path):
    """Published names and votes; the sound itself is not at hand."""
    source = corpora_root / "crema-d"
    with (source / "summaryTable.csv").open(newline="") as file:
        published = list(csv.DictReader(file))
    plant(tmp_path, *(f"AudioWAV/{row['FileName']}.wav" for row in published))
    for name in ("summaryTable.csv", "VideoDemographics.csv"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    table = CremaD(str(tmp_path)).read()
    assert Counter(table.values("label")) == dict.fromkeys(("angry", "disgust", "fear", "happy", "sad"), 1271) | {
        "neutral": 1087
    }
    assert len(table.unique("speaker")) == 91
    assert len(table.unique("transcript")) == 12
    assert table.unique("gender") == ["female", "male"]
    assert all(sum(row.votes.values()) == pytest.approx(1) for row in table)
    assert sum(row.votes == {"neutral": 1.0} for row in table) == 3897
    # The counts of the voice agree with the owners' own majority: rows 1… are the voice.
    (tmp_path / "tabulatedVotes.csv").write_bytes((source / "tabulatedVotes.head20.csv").read_bytes())
    counted = {row.id: row.votes for row in CremaD(str(tmp_path)).read() if sum(row.votes.values()) > 1.5}
    majority = {row["FileName"]: row["VoiceVote"] for row in published}
    assert len(counted) == 19
    for name, votes in counted.items():
        most = max(votes.values())
        assert ":".join(sorted(label[0].upper() for label in votes if votes[label] == most)) == majority[name]


def test_actors_of_whom_nothing_is_known_and_misspelt_sexes_are_told(tmp_path, recwarn):
    root = plant(tmp_path, "1001_DFA_ANG_XX.wav", "1002_DFA_ANG_XX.wav", "1003_DFA_ANG_XX.wav")
    save(tmp_path / "VideoDemographics.csv", "ActorID,Age,Sex\n1001,51,Male\n1002,21,Femal\n")
    CremaD(root).read()
    said = " ".join(str(one.message) for one in recwarn)
    assert "nothing is known of them (1: 1003)" in said
    assert "neither Male nor Female (1: 1002 femal)" in said


def test_ages_that_are_none_and_actors_whom_the_corpus_does_not_have_are_told(tmp_path, recwarn):
    root = plant(tmp_path, "1001_DFA_ANG_XX.wav", "1002_DFA_ANG_XX.wav", "1003_DFA_ANG_XX.wav")
    save(tmp_path / "VideoDemographics.csv", "ActorID,Age,Sex\n1001,51.0,Male\n1002,2l,Female\n1003,,Male\n")
    assert [row.extra["age"] for row in CremaD(root).read()] == [51, None, None]
    (said,) = recwarn
    assert "no whole numbers and count as unknown (1: 1002 2l): correct" in str(said.message)
    plant(tmp_path, "1199_DFA_ANG_XX.wav")
    recwarn.clear()
    CremaD(root).read()
    said = [str(one.message) for one in recwarn if "1199" in str(one.message)]
    assert len(said) == 1, "its row is not to be restored"
    assert "whom the corpus does not have (1: 1199_DFA_ANG_XX)" in said[0]
