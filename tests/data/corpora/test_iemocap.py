"""IEMOCAP in the layout of the full release; its turns and names as EmoBox lists them."""

from collections import Counter

import pandas as pd
import pytest

from emollm.data.corpora import Iemocap
from emollm.data.labels import LabelSet
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save

EVALUATION = (
    "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    "[14.8872 - 18.0175]\tSes01F_impro01_F002\tneu\t[2.5000, 2.5000, 2.5000]\n"
    "C-E2:\tNeutral;\t()\nC-E3:\tNeutral; Frustration;\t()\nC-E4:\tOther;\t(curious)\nC-F1:\tNeutral;\t()\n"
    "A-E3:\tval 3; act 2; dom  2;\t()\nA-F1:\tval 3; act 2; dom  1;\t()\n\n"
    "[7.5712 - 10.4750]\tSes01F_impro01_M000\txxx\t[2.0000, 3.5000, 4.0000]\n"
    "C-E2:\tHappiness; Excited;\t()\nC-E3:\tAnger;\t()\nC-M1:\tSurprise; Fear;\t()\n"
    "A-E3:\tval 2; act 3; dom  4;\t()\n"
)
TEXTS = (
    "Ses01F_impro01_F002 [014.8872-018.0175]: Is there  a problem? [LAUGHTER] It’s here.\n"
    "Ses01F_impro01_MXX0 [012.0000-013.0000]: [BREATHING]\n"
    "M: Wow.\n"
    "Ses01F_impro01_M000 [007.5712-010.4750]: Do you have your forms?\n"
)
BASE = "IEMOCAP_full_release/Session1"


def build(folder, encoding="utf-8", newline="\n"):
    save(folder / BASE / "dialog/EmoEvaluation/Ses01F_impro01.txt", EVALUATION.replace("\n", newline), encoding)
    save(folder / BASE / "dialog/transcriptions/Ses01F_impro01.txt", TEXTS.replace("\n", newline), encoding)
    # What the release holds besides: single annotators, hidden copies of a Mac, whole dialogues.
    plant(
        folder / BASE,
        "dialog/EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt",
        "dialog/EmoEvaluation/._Ses01F_impro01.txt",
        "dialog/wav/Ses01F_impro01.wav",
    )
    return folder


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_the_full_release(tmp_path, encoding):
    build(tmp_path, encoding, "\r\n")
    plant(tmp_path / BASE, "sentences/wav/Ses01F_impro01/Ses01F_impro01_F002.wav")
    man, woman = Iemocap(str(tmp_path)).read()
    assert (man.id, man.speaker, man.gender, man.session) == ("Ses01F_impro01_M000", "Ses01M", "male", "Session1")
    assert (man.label, man.turn, man.dialogue, man.transcript) == (
        None,
        0,
        "Ses01F_impro01",
        "Do you have your forms?",
    )
    assert man.votes == {"happy": 1.0, "excited": 1.0, "angry": 1.0}
    assert man.extra == {"improvised": True, "self": "surprise, fear", "turn_from": 7.5712, "turn_to": 10.475}
    assert (man.valence, man.arousal, man.dominance) == (2.0, 3.5, 4.0)
    assert not man.path.exists(), "for the validator to name"
    assert man.path.name == "Ses01F_impro01_M000.wav"
    assert (woman.label, woman.speaker, woman.turn, woman.path.is_file()) == ("neutral", "Ses01F", 1, True)
    assert woman.votes == {"neutral": 2.0, "frustrated": 1.0, "other": 1.0}
    assert woman.extra["self"] == "neutral"
    assert woman.transcript == "Is there a problem? [LAUGHTER] It’s here."


def test_names_in_capitals_and_votes_with_other_dashes(tmp_path, recwarn):
    text = EVALUATION.replace("C-E2:", "C–E2 :").replace("C-E3:", "C E3:")
    save(tmp_path / "SESSION1/DIALOG/EMOEVALUATION/SES01F_IMPRO01.TXT", text)
    plant(tmp_path, "SESSION1/SENTENCES/WAV/SES01F_IMPRO01/SES01F_IMPRO01_F002.WAV")
    man, woman = Iemocap(str(tmp_path)).read()
    assert woman.path.is_file()
    assert man.extra["improvised"]
    assert man.votes == {"happy": 1.0, "excited": 1.0, "angry": 1.0}
    assert woman.votes == {"neutral": 2.0, "frustrated": 1.0, "other": 1.0}
    assert not recwarn


@pytest.mark.filterwarnings("ignore:.*not of single turns")
def test_without_recordings_it_is_text(tmp_path):
    assert Iemocap(str(build(tmp_path))).read().values("path") == [None, None]


@pytest.mark.filterwarnings("ignore:.*not of single turns")
def test_a_session_alone_is_enough(tmp_path):
    assert len(Iemocap(str(build(tmp_path) / BASE)).read()) == 2


def test_the_four_classes(tmp_path):
    labels = {"exc": 1, "hap": 1, "neu": 2, "fru": None, "xxx": None}
    lines = [f"[{i}.0 - {i}.9]\tSes05M_script03_2_F{i:03}\t{code}\t[2, 2, 2]" for i, code in enumerate(labels)]
    save(tmp_path / "Session5/dialog/EmoEvaluation/Ses05M_script03_2.txt", "\n".join(lines))
    table = Iemocap(str(tmp_path)).read()
    assert [LabelSet.parse("iemocap4").index(row.label) for row in table] == list(labels.values())
    assert table[0].speaker == "Ses05F", "the letter behind the last underscore"
    assert not table[0].extra["improvised"]


def test_faults_name_the_file(tmp_path):
    with pytest.raises(UserError, match="Session1/dialog/EmoEvaluation"):
        Iemocap(str(plant(tmp_path, "x.wav"))).read()
    file = tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    save(file, EVALUATION.replace("\tneu\t", "\tmad\t"))
    with pytest.raises(UserError, match=r"impro01\.txt, line 3: Ses01F_impro01_F002 is labelled 'mad'"):
        Iemocap(str(tmp_path)).read()
    save(file, "% nothing")
    with pytest.raises(UserError, match=r"Ses01F_impro01\.txt holds no turns"):
        Iemocap(str(tmp_path)).read()


def test_every_published_name(corpora_root, tmp_path):
    """The 5531 turns of EmoBox, written as evaluations: speakers, sessions and labels come out as published."""
    listed = pd.read_csv(corpora_root / "emobox" / "splits" / "iemocap.csv", dtype=str)
    listed["id"] = listed["key"].str.removeprefix("iemocap-")
    listed["dialogue"] = listed["id"].str.rpartition("_")[0]
    for dialogue, turns in listed.groupby("dialogue"):
        lines = [
            f"[{i}.0 - {i}.5]\t{name}\t{code}\t[2.5, 2.5, 2.5]"
            for i, (name, code) in enumerate(zip(turns["id"], turns["emo"], strict=True))
        ]
        save(tmp_path / f"Session{int(dialogue[3:5])}/dialog/EmoEvaluation/{dialogue}.txt", "\n".join(lines))
    table = Iemocap(str(tmp_path)).read()
    assert len(table) == 5531
    assert Counter(table.values("label")) == {
        "neutral": 1708,
        "angry": 1103,
        "sad": 1084,
        "excited": 1041,
        "happy": 595,
    }
    assert [Counter(table.values("session"))[f"Session{n}"] for n in range(1, 6)] == [1085, 1023, 1151, 1031, 1241]
    assert len(table.unique("speaker")) == 10
    fold = dict(zip(listed["id"], listed["test_fold"], strict=True))
    assert all(row.session == f"Session{fold[row.id]}" for row in table)


def test_what_transcriptions_and_names_do_not_tell(tmp_path, recwarn):
    build(tmp_path)
    file = tmp_path / BASE / "dialog/transcriptions/Ses01F_impro01.txt"
    save(file, TEXTS.replace("[007.5712-010.4750]: Do", "[007.5712-010.4750] Do"))
    other = EVALUATION.replace("Ses01F_impro01_F002", "Ses03F_impro01_F002")
    save(tmp_path / BASE / "dialog/EmoEvaluation/Ses01F_impro01.txt", other)
    Iemocap(str(tmp_path)).read()
    said = [str(one.message) for one in recwarn]
    assert any(f"are no transcript (1: {file}, line 4): write them as Ses01F" in text for text in said)
    assert any("turns have no transcript" in text and "(2: Ses01F_impro01_M000, " in text for text in said)
    assert any("(1: Ses03F_impro01_F002 in Ses01F_impro01.txt): correct" in text for text in said)


FOUR = "4: {0}, line 11, {0}, line 12, {0}, line 13, …"


@pytest.mark.filterwarnings("ignore:.*not of single turns")
@pytest.mark.parametrize(
    ("written", "otherwise", "lines", "votes"),
    [
        ("[7.5712 - 10.4750]\tSes01F", "7.5712 - 10.4750]\tSe01F", FOUR, 4),
        ("[7.5712", "%[7.5712", FOUR, 4),
        ("C-E3:\tNeutral; Frustration;", "C-E3\tNeutral; Frustration;", "1: {0}, line 5", 2),
        ("C-E3:\tNeutral; Frustration;", "CE3:\tNeutral; Frustration;", "1: {0}, line 5", 2),
    ],
    ids=["a broken turn", "a turn taken out", "no colon", "no dash"],
)
def test_lines_that_are_nothing_known_are_told_and_votes_stay_with_their_turn(
    tmp_path, recwarn, written, otherwise, lines, votes
):
    build(tmp_path)
    file = tmp_path / BASE / "dialog/EmoEvaluation/Ses01F_impro01.txt"
    save(file, EVALUATION.replace(written, otherwise))
    table = Iemocap(str(tmp_path)).read()
    said = [str(one.message) for one in recwarn if "neither turns nor votes" in str(one.message)]
    assert len(said) == 1
    assert f"({lines.format(file)}): write turns as [6.2901" in said[0]
    woman = next(row for row in table if row.id == "Ses01F_impro01_F002")
    assert sum(woman.votes.values()) == votes


@pytest.mark.filterwarnings("ignore:.*not of single turns")
def test_all_lines_of_the_true_layout_are_known(tmp_path, recwarn):
    Iemocap(str(build(tmp_path))).read()
    assert not [one for one in recwarn if "neither turns nor votes" in str(one.message)]


@pytest.mark.filterwarnings("ignore:.*not of single turns")
@pytest.mark.parametrize("kind", ["EmoEvaluation", "transcriptions"])
def test_of_two_files_of_one_name_that_differ_both_are_named(tmp_path, recwarn, kind):
    file = build(tmp_path / "a") / BASE / f"dialog/{kind}/Ses01F_impro01.txt"
    other = build(tmp_path / "b") / BASE / f"dialog/{kind}/Ses01F_impro01.txt"
    first = list(Iemocap(str(tmp_path)).read())
    assert not [one for one in recwarn if "different content" in str(one.message)], "plain copies"
    save(other, other.read_text().replace("neu", "sad").replace("forms", "papers"))
    recwarn.clear()
    assert list(Iemocap(str(tmp_path)).read()) == first
    said = [str(one.message) for one in recwarn]
    assert any(f"(1: {file} and not {other}): remove one of the two" in text for text in said)
    assert any("1 files below" in text for text in said), "the other kind's files are copies"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sentences/wav/Ses01F_impro01/Ses01F_impro01_F001 (2).wav", True),
        ("sentences/wav/Ses01F_impro01/Ses1F_impro01_F001.wav", True),
        ("audio/Ses01F_impro01_F001_copy.wav", True),
        ("dialog/wav/Ses01F_script01_1b.wav", False),
        ("music/intro.wav", False),
    ],
)
def test_recordings_that_are_not_named_as_turns_are_told(tmp_path, recwarn, name, told):
    build(tmp_path)
    names = [f"sentences/wav/Ses01F_impro01/Ses01F_impro01_{turn}.wav" for turn in ("F002", "M000")]
    plant(tmp_path / BASE, *names, name)
    assert all(row.path.is_file() for row in Iemocap(str(tmp_path)).read())
    said = [str(one.message) for one in recwarn if "not named as turns" in str(one.message)]
    assert [f"(1: {BASE}/{name}): name them like" in one for one in said] == [True] * told
