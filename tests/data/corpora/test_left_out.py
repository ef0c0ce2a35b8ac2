"""Nothing is left out in silence: what one half of a corpus has and the other has not is told by name."""

import json
import os

import pytest

from emollm.data.corpora import (
    Ased,
    CremaD,
    EmoBox,
    Emodb,
    Emovo,
    Esd,
    Iemocap,
    Meld,
    MspPodcast,
    Nemo,
    Ravdess,
    Savee,
    Shemo,
    Tess,
    Urdu,
)
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save

TURN = "[{0}.0 - {0}.9]\tSes01F_impro01_F00{0}\tneu\t[2.5, 2.5, 2.5]\nC-E2:\tNeutral; {1};\t()\n"


def test_a_copy_that_broke_off_says_how_many_are_missing(tmp_path, recwarn):
    names = [f"DC_{emotion}{number:02}.wav" for emotion in ("a", "d", "f") for number in range(1, 16)]
    root = plant(tmp_path, *names)
    assert len(Savee(root).read()) == 45
    assert not recwarn, "45 of 480 is somebody's trial"
    plant(tmp_path, *(name.replace("DC", speaker) for name in names for speaker in ("JE", "JK", "KL")))
    plant(tmp_path, *(f"{speaker}_n{number:02}.wav" for speaker in ("DC", "JE", "JK") for number in range(1, 31)))
    with pytest.warns(UserWarning, match="savee: 270 of the 480 recordings .* are below .*; 210 are missing"):
        assert len(Savee(root).read()) == 270


@pytest.mark.parametrize(
    ("reader", "file", "arguments"),
    [(Ravdess, "Actor_01/03-02-05-01-01-01-01.wav", {}), (Esd, "0011/0011_000351.wav", {"language": "zh"})],
)
def test_a_folder_of_nothing_but_what_is_not_read(tmp_path, reader, file, arguments):
    with pytest.raises(UserError, match=f"all 1 sound files .* leaves out .the first: {file}.; it reads"):
        reader(plant(tmp_path, file), **arguments).read()


@pytest.mark.parametrize("archive", ["female.zip", "ShEMO/male.tar.gz"])
def test_archives_are_to_be_unpacked(tmp_path, archive):
    with pytest.raises(UserError, match=f"shemo: .* holds no sound files, but archives .{archive}.: unpack them"):
        Shemo(plant(tmp_path, archive, "__MACOSX/._x.zip")).read()


@pytest.mark.parametrize(("reader", "arguments"), [(Iemocap, {}), (Meld, {}), (MspPodcast, {})])
def test_a_corpus_that_is_all_packed_is_to_be_unpacked(tmp_path, reader, arguments):
    with pytest.raises(UserError, match=r"below .*: unpack the archives there .all\.tar\.gz.\."):
        reader(plant(tmp_path, "all.tar.gz"), **arguments).read()


def test_a_misspelt_emotion_of_ased_is_a_label(tmp_path):
    root = plant(tmp_path, "05Angry/aa5-01-01-01-01.wav", "05Angry/a5-01-01-01-01.wav")
    assert Ased(root).read().values("label") == ["angry", "aa"]


@pytest.mark.parametrize(
    ("reader", "wrong", "right"),
    [
        (Urdu, "Happy/SM1_F10_A010.wav", "Angry/SM1_F10_A011.wav"),
        (Ased, "03Happy/a5-01-01-01-01.wav", "05Angry/a5-01-01-01-02.wav"),
        (Tess, "OAF_Pleasant_surprise/OAF_back_angry.wav", "OAF_angry/OAF_bar_angry.wav"),
        (Ravdess, "3. Sad/03-01-05-01-01-01-01.wav", "others/03-01-05-01-01-02-01.wav"),
    ],
)
def test_a_recording_in_the_folder_of_another_emotion_is_told(tmp_path, reader, wrong, right):
    folder, _, name = wrong.rpartition("/")
    said = rf"the name counts \(1: {name.removesuffix('.wav')} in {folder}\): move them"
    with pytest.warns(UserWarning, match=said):
        table = reader(plant(tmp_path, wrong, right)).read()
    assert table.values("label") == ["angry", "angry"]


@pytest.mark.parametrize(
    ("reader", "wrong", "right"),
    [
        (Ravdess, "Actor_02/03-01-05-01-01-01-03.wav", "Actor_02/03-01-05-01-01-01-02.wav"),
        (Emovo, "f1/rab-m3-b2.wav", "M3/rab-m3-b1.wav"),
        (Savee, "DC/JE_a01.wav", "DC/a01.wav"),
        (Tess, "OAF_angry/YAF_back_angry.wav", "OAF_angry/OA_back_angry.wav"),
        (Esd, "0011/Angry/0012_000351.wav", "0011/Angry/0011_000351.wav"),
    ],
)
def test_a_recording_in_the_folder_of_another_speaker_is_told(tmp_path, recwarn, reader, wrong, right):
    root = plant(tmp_path, wrong, right)
    assert len(reader(root).read()) == 2
    folder, name = wrong.split("/")[0], wrong.split("/")[-1].removesuffix(".wav")
    (said,) = recwarn
    assert f"the name counts (1: {name} in {folder}): move them" in str(said.message)


def test_a_recording_in_the_folder_of_the_other_gender_is_told(tmp_path, recwarn):
    root = plant(tmp_path, "female/M03A01.wav", "female/F03A01.wav", "Male/M03A02.wav", "male/female/F03A02.wav")
    assert Shemo(root).read().values("gender") == ["female", "female", "male", "male"]
    (said,) = recwarn
    assert "the other gender than their name says, and the name counts (1: M03A01 in female)" in str(said.message)


@pytest.mark.parametrize(
    ("reader", "wrong", "right"),
    [
        (Ravdess, "Actor_42/03-01-05-01-01-01-42.wav", "Actor_24/03-01-05-01-01-01-24.wav"),
        (Emodb, "wav/30a01Wa.wav", "wav/03a01Wa.wav"),
        (Emovo, "f7/rab-f7-b1.wav", "f3/rab-f3-b1.wav"),
        (Esd, "0021/Angry/0021_000351.wav", "0020/Angry/0020_000351.wav"),
        (Nemo, "samples/SM1_anger_1.wav", "samples/SM0_anger_1.wav"),
        (CremaD, "1199_IEO_ANG_XX.wav", "1091_IEO_ANG_XX.wav"),
        (Ased, "a5-01-01-01-99.wav", "a5-01-01-01-65.wav"),
    ],
)
def test_a_speaker_whom_a_corpus_does_not_have_is_told(tmp_path, recwarn, reader, wrong, right):
    assert reader(plant(tmp_path, wrong, right)).read().values("label") == ["angry", "angry"]
    (said,) = recwarn
    name = wrong.split("/")[-1].removesuffix(".wav")
    assert f"whom the corpus does not have (1: {name}): correct their names" in str(said.message)


@pytest.mark.parametrize(
    ("reader", "wrong", "says", "right"),
    [
        (Ravdess, "03-01-05-01-03-01-01.wav", "sentence 03", "03-01-05-02-02-02-01.wav"),
        (Ravdess, "03-01-05-03-01-07-01.wav", "intensity 03 and repetition 07", "03-01-05-01-01-01-01.wav"),
        (Emodb, "03a03Wa.wav", "sentence a03", "03A02WA.wav"),
        (Emovo, "rab-m3-l5.wav", "sentence l5", "RAB-M3-L4.wav"),
        (CremaD, "1001_XYZ_ANG_XX.wav", "sentence XYZ", "1001_IEO_ANG_X.wav"),
        (CremaD, "1001_IEO_ANG_HJ.wav", "level HJ", "1001_ieo_ang_hi.wav"),
        (Savee, "DC/a16.wav", "sentence 16", "DC/a15.wav"),
        (Savee, "DC/a00.wav", "sentence 00", "DC/a01.wav"),
        (Nemo, "SM0_anger_091.wav", "sentence 091", "SM0_anger_90.wav"),
        (Ased, "a4-03-01-01-01.wav", "digit 4 behind a", "A5-03-01-01-01.wav"),
        (Ased, "a5-77-03-03-01.wav", "sentence 77 and take 03 and gender 03", "a5-07-02-02-65.wav"),
    ],
)
def test_a_code_that_a_corpus_does_not_have_is_told(tmp_path, recwarn, reader, wrong, says, right):
    assert reader(plant(tmp_path, wrong, right)).read().values("label") == ["angry", "angry"]
    (said,) = recwarn
    name = "DC_" * (reader is Savee) + wrong.split("/")[-1].removesuffix(".wav")
    assert f"does not have (1: {name} has {says}): correct their names" in str(said.message)


def test_neutral_sentences_of_savee_are_thirty(tmp_path, recwarn):
    assert len(Savee(plant(tmp_path, "DC/n30.wav")).read()) == 1
    assert not recwarn
    with pytest.warns(UserWarning, match=r"does not have \(1: DC_n31 has sentence 31\)"):
        assert len(Savee(plant(tmp_path, "DC/n31.wav")).read()) == 2


def test_what_ravdess_leaves_out_for_a_code_that_does_not_exist_is_told(tmp_path, recwarn):
    songs = ("03-02-05-01-01-01-01.wav", "01-01-05-01-01-01-01.wav", "02-01-05-02-02-02-01.wav")
    root = plant(tmp_path, "03-01-05-01-01-01-01.wav", *songs)
    assert len(Ravdess(root).read()) == 1
    assert not recwarn
    plant(tmp_path, "03-03-05-01-01-01-01.wav", "13-01-05-01-01-01-01.wav")
    assert len(Ravdess(root).read()) == 1
    (said,) = recwarn
    text = "(2: 03-03-05-01-01-01-01 has channel 03, 13-01-05-01-01-01-01 has modality 13)"
    assert text in str(said.message)


def test_what_text_files_of_esd_do_not_tell(tmp_path, recwarn):
    root = plant(tmp_path, *(f"0011/Angry/0011_00035{n}.wav" for n in (1, 2, 3)))
    save(tmp_path / "0011/0011.txt", "0011_000351\tOne.\tAngry\n0011_00352\tTwo.\tAngry\n0011_000353;Three.\n")
    assert Esd(root).read().values("transcript") == ["One.", None, None]
    said = [str(one.message) for one in recwarn]
    assert any("passed over (2: " in text and "0011.txt, line 2" in text for text in said)
    assert any("have no transcript (2: 0011_000352, 0011_000353)" in text for text in said)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1256"])
def test_the_list_of_shemo(tmp_path, encoding):
    """The owners now give out one list in place of a file a recording."""
    root = plant(tmp_path, "female/F21N37.wav", "male/m12h01.wav", "male/M12H02.wav")
    save(tmp_path / "transcript/F21N37.ort", "خداحافظ")
    listed = {
        "F21N37": {"speaker_id": "F21", "transcript": "سلام  جان", "ipa": ""},
        "M12H01.wav": {"transcript": "سلام"},
    }
    save(tmp_path / "shemo.json", json.dumps(listed | {"M12H02": {}}, ensure_ascii=False), encoding)
    assert Shemo(root).read().values("transcript") == ["سلام جان", "سلام", None]


@pytest.mark.parametrize("name", ["shemo.json", "modified_shemo.json"])
def test_the_list_of_shemo_without_names(tmp_path, name):
    root = plant(tmp_path, "F21N37.wav", "M12H01.wav")
    rows = [{"id": "F21N37.wav", "transcript": "\ufeffسلام"}, {"id": "M12H01", "emotion": "happy"}]
    save(tmp_path / name, json.dumps(rows))
    assert Shemo(root).read().values("transcript") == ["سلام", None]


def test_the_list_of_shemo_that_says_another_emotion(tmp_path):
    root = plant(tmp_path, "F21N37.wav", "M12H01.wav", "M12F01.wav")
    said = {"F21N37": "neutral", "M12H01": "hapy", "M12F01": "fearful"}
    save(tmp_path / "shemo.json", json.dumps({name: {"emotion": emotion} for name, emotion in said.items()}))
    with pytest.warns(UserWarning, match=r"says another emotion.*\(1: M12H01 hapy\): correct"):
        assert Shemo(root).read().values("label") == ["neutral", "fear", "happy"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"F21N37": ', r"shemo\.json, line 1: not JSON"),
        ("[]", "must map names of recordings"),
        ('[{"id": "F21N37"}, {"transcript": "سلام"}, 7]', "2 of 3 entries have no id"),
        ('{"F21N37": "سلام"}', "'F21N37' has none"),
    ],
)
def test_a_faulty_list_of_shemo(tmp_path, text, says):
    root = plant(tmp_path, "F21N37.wav")
    save(tmp_path / "shemo.json", text)
    with pytest.raises(UserError, match=says):
        Shemo(root).read()


def test_recordings_of_iemocap_that_nobody_judged(tmp_path):
    folder = tmp_path / "Session1"
    save(folder / "dialog/EmoEvaluation/Ses01F_impro01.txt", TURN.format(1, "Neutral state"))
    plant(folder, *(f"sentences/wav/Ses01F_impro0{n}/Ses01F_impro0{n}_F001.wav" for n in (1, 2)))
    with pytest.warns(UserWarning, match=r"in no evaluation .* \(1: .*Ses01F_impro02_F001\.wav\): restore dialog"):
        assert len(Iemocap(str(tmp_path)).read()) == 1


def test_iemocap_with_whole_dialogues_alone(tmp_path):
    save(tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", TURN.format(1, "Sadness"))
    plant(tmp_path, "Session1/dialog/wav/Ses01F_impro01.wav")
    with pytest.warns(UserWarning, match="not of single turns, so it is read as text: restore"):
        assert Iemocap(str(tmp_path)).read().values("path") == [None]


def test_a_misspelt_vote_of_iemocap(tmp_path):
    file = tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    save(file, TURN.format(1, "Happines") + TURN.format(2, "Excited"))
    with pytest.warns(UserWarning, match=r"no known emotion .* \(1: 'happines' of Ses01F_impro01_F001\)"):
        assert Iemocap(str(tmp_path)).read()[0].votes == {"neutral": 1.0, "happines": 1.0}


@pytest.mark.parametrize("wrong", [("[2.0", "2.0"), ("[2.0", "[ -2.0"), ("[2.0", "[x"), ("\tneu", "")])
def test_a_turn_of_iemocap_that_is_written_otherwise(tmp_path, wrong):
    turns = TURN.format(1, "Sadness") + TURN.format(2, "Sadness").replace(*wrong)
    save(tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", turns)
    with pytest.raises(UserError, match=r"Ses01F_impro01\.txt, line 3: .* is no turn"):
        Iemocap(str(tmp_path)).read()


HEADER = "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID\n"


def test_clips_of_meld_without_their_table(tmp_path):
    plant(tmp_path, "train_splits/dia0_utt0.mp4", "output_repeated_splits_test/dia0_utt0.mp4")
    save(tmp_path / "train_sent_emo.csv", HEADER + "Hi,Joey,joy,0.0,0\n")
    with pytest.warns(UserWarning, match=r"without its table .* \(1: output_repeated_.*/dia0_utt0\.mp4\)"):
        (row,) = Meld(str(tmp_path)).read()
    assert (row.id, row.path.is_file()) == ("train_dia0_utt0", True), "pandas writes 0.0"


def test_meld_unpacked_by_half(tmp_path):
    """MELD.Raw.tar.gz holds an archive a part."""
    plant(tmp_path, "train.tar.gz", "dev_splits_complete/dia0_utt0.mp4")
    save(tmp_path / "dev_sent_emo.csv", HEADER + "Hi,Joey,joy,0,0\n")
    with pytest.warns(UserWarning, match=r"archives below .* are not read \(1: train\.tar\.gz\): unpack them"):
        assert len(Meld(str(tmp_path)).read()) == 1


def test_numbers_of_meld_are_shown(tmp_path):
    save(tmp_path / "train_sent_emo.csv", HEADER + "Hi,Joey,joy,0.5,O\n")
    with pytest.raises(UserError, match="line 2: Dialogue_ID and Utterance_ID must be .* are '0.5' and 'O'"):
        Meld(str(tmp_path)).read()


PODCAST = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\na.wav,A,1,1,1,1,Male,Train\n"


@pytest.mark.parametrize("partition", ["Tst1", "Test", "Test4", "Train1"])
def test_misspelt_partitions_of_msp_podcast(tmp_path, partition):
    """They were taken for a test partition that was not asked for."""
    save(tmp_path / "labels_consensus.csv", f"{PODCAST}b.wav,A,1,1,1,1,Male,{partition}\n")
    with pytest.raises(UserError, match=f"line 3 .b.wav.: Split_Set is '{partition}', none of Train, Dev"):
        MspPodcast(str(tmp_path)).read()


def test_recordings_and_columns_of_msp_podcast(tmp_path, recwarn):
    save(tmp_path / "labels_consensus.csv", PODCAST.replace("EmoVal", "Val"))
    plant(tmp_path, "Audios/a.wav", "Audios/b.wav")
    assert MspPodcast(str(tmp_path)).read().values("valence") == [None]
    columns, sounds = (str(warning.message) for warning in recwarn)
    assert "lacks columns, and what they tell is unknown (1: EmoVal)" in columns
    assert "in no row of" in sounds
    assert "(1: Audios/b.wav)" in sounds


def test_msp_podcast_unpacked_by_half(tmp_path):
    save(tmp_path / "labels_consensus.csv", PODCAST)
    plant(tmp_path, "Audios/a.wav", "Transcripts.zip")
    with pytest.warns(UserWarning, match=r"are not read \(1: Transcripts\.zip\): unpack them"):
        assert MspPodcast(str(tmp_path)).read().values("transcript") == [None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1250"])
def test_rows_of_nemo_without_recordings(tmp_path, encoding):
    root = plant(tmp_path, "samples/sm0_anger_77.wav")
    text = "file_id\traw_text\nSM0_anger_77.wav\t„Zażółć”\nSM0_fear_1.wav\tNie\n"
    save(tmp_path / "data.tsv", text, encoding)
    with pytest.warns(UserWarning, match=r"data\.tsv name recordings that are not there \(1: SM0_fear_1\.wav\)"):
        assert Nemo(root).read().values("transcript") == ["„Zażółć”"]


def test_recordings_of_cremad_without_votes(tmp_path):
    root = plant(tmp_path, "1001_IEO_NEU_XX.wav", "1001_DFA_ANG_XX.wav")
    save(tmp_path / "summaryTable.csv", "FileName,VoiceVote\n1001_IEO_NEU_XX,N\n“1001_DFA_ANG_XX”,A\n", "utf-16")
    with pytest.warns(UserWarning, match=r"in no table of votes \(1: 1001_DFA_ANG_XX\)"):
        assert CremaD(root).read().values("votes") == [None, {"neutral": 1.0}]


def test_votes_of_cremad_without_recordings(tmp_path):
    root = plant(tmp_path, "1001_IEO_NEU_XX.wav")
    save(tmp_path / "summaryTable.csv", "FileName,VoiceVote\n1001_IEO_NEU_XX,N\n1001_DFA_ANG_XX,A\n")
    with pytest.warns(UserWarning, match=r"tables of votes name are not below .* \(1: 1001_DFA_ANG_XX\): restore"):
        assert CremaD(root).read().values("votes") == [{"neutral": 1.0}]


def test_transcripts_of_shemo_without_recordings(tmp_path):
    root = plant(tmp_path, "female/F21N37.wav")
    save(tmp_path / "shemo.json", json.dumps({name: {"transcript": "سلام"} for name in ("F21N37", "F21A37")}))
    with pytest.warns(UserWarning, match=r"transcripts below .* name are not there \(1: F21A37\): restore"):
        assert Shemo(root).read().values("transcript") == ["سلام"]


def test_texts_of_esd_without_recordings(tmp_path):
    root = plant(tmp_path, "0011/Angry/0011_000351.wav")
    save(tmp_path / "0011/0011.txt", "0011_000351\tThe nine.\tAngry\n0011_000352\tThe ten.\tAngry\n")
    with pytest.warns(UserWarning, match=r"text files name are not below .* \(1: 0011_000352\): restore"):
        assert Esd(root).read().values("transcript") == ["The nine."]


def test_texts_of_esd_that_say_another_emotion(tmp_path):
    root = plant(tmp_path, "0011/Angry/0011_000351.wav", "0011/Happy/0011_000701.wav", "0001/Sad/0001_001051.wav")
    save(tmp_path / "0011/0011.txt", "0011_000351\tA\tHapy\n0011_000701\tB\tHappy\n", "utf-16")
    save(tmp_path / "0001/0001.txt", "0001_001051\t他\t快乐\n", "gb18030")
    with pytest.warns(UserWarning, match=r"say another emotion.*\(2: .*0011_000351 Hapy.*\): correct"):
        assert Esd(root).read().values("label") == ["sad", "angry", "happy"]


@pytest.mark.parametrize(
    ("line", "text", "told"),
    [
        ("0011_000351 The nine eggs. Angry", "The nine eggs.", False),
        ("0011_000351 The nine eggs. angry", "The nine eggs.", False),
        ("0011_000351\tThe nine eggs. Anger", "The nine eggs.", False),
        ("0011_000351 The nine eggs angry", "The nine eggs", False),
        ("0011_000351 The nine eggs. Angry .", "The nine eggs.", False),
        ("0011_000351 The nine eggs. Agnry", "The nine eggs.", True),
        ("0011_000351\tThe nine eggs.\tAngry\tok", "The nine eggs.", True),
        ("0011_000351\tThe nine eggs.\tAngry\t\t", "The nine eggs.", False),
        ("0011_000351\t\tAngry", None, False),
        ('0011_000351\t"The nine, eggs."\tAngry', "The nine, eggs.", False),
        ('0011_000351\t"He said ""no"", then left."\tAngry', 'He said "no", then left.', False),
        ('0011_000351\t"No" and "yes"\tAngry', '"No" and "yes"', False),
        ("0011_000351\tTom is angry", "Tom is angry", False),
        ("0011_000351 I said no. Go home.", "I said no. Go home.", False),
    ],
)
def test_no_emotion_stays_in_a_text_of_esd(tmp_path, recwarn, line, text, told):
    root = plant(tmp_path, "0011/Angry/0011_000351.wav")
    save(tmp_path / "0011/0011.txt", f"{line}\r\n", "utf-16")
    assert Esd(root).read().values("transcript") == [text]
    said = [str(one.message) for one in recwarn if "have no transcript" not in str(one.message)]
    assert [f"(1: {tmp_path / '0011/0011.txt'}, line 1)" in one for one in said] == [True] * told


@pytest.mark.parametrize("part", ["", "train/"])
def test_folders_of_esd_that_are_almost_emotions(tmp_path, part):
    root = plant(tmp_path, f"0011/Hapy/{part}0011_000401.wav")
    with pytest.warns(UserWarning, match=r"almost emotions.*\(1: Hapy, like happy\): correct their spelling"):
        assert Esd(root).read().values("label") == ["angry"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes")
def test_a_pipe_among_recordings_is_not_waited_for(tmp_path):
    root = plant(tmp_path, "OAF_back_angry.wav")
    os.mkfifo(tmp_path / "OAF_back_sad.wav")
    assert len(Tess(root).read()) == 2


def test_an_empty_part_of_emobox(tmp_path):
    folder = tmp_path / "data/mine/fold_1"
    save(folder / "mine_train_fold_1.jsonl", '{"key": "a", "wav": "a.wav", "emo": "sad"}\n')
    save(folder / "mine_test_fold_1.jsonl", "\n")
    save(folder / "mine_valid_fold_1.jsonl", "")
    with pytest.raises(UserError, match=r"^[^\n]*mine_test_fold_1\.jsonl is empty: take"):
        EmoBox(str(tmp_path / "data"), "mine").read()


TEXT = "Session1/dialog/transcriptions/Ses01F_impro01.txt"
TEXTS = "Ses01F_impro01_F001 [1.0-1.9]: {}\n"
SHEMO = '"F21N37": {{"transcript": "{}"}}'


@pytest.mark.parametrize(
    ("reader", "sound", "table", "head", "row", "values", "place"),
    [
        (Iemocap, "x.txt", TEXT, "", TEXTS, ("Yes.", "No."), "line 2"),
        (Esd, "0011/0011_000351.wav", "0011.txt", "", "0011_000351\t{}\tAngry\n", ("Yes.", "No."), "line 2"),
        (
            Nemo,
            "SM0_anger_1.wav",
            "data.tsv",
            "file_id\traw_text\n",
            "SM0_anger_1\t{}\n",
            ("Nie", "Tak"),
            "line 3",
        ),
        (Shemo, "F21N37.wav", "shemo.json", "", "", ("سلام", "جان"), "F21N37"),
        (
            CremaD,
            "1001_IEO_NEU_XX.wav",
            "VideoDemographics.csv",
            "ActorID,Age,Sex\n",
            "1001,{},Male\n",
            ("51", "21"),
            "line 3",
        ),
        (
            CremaD,
            "1001_IEO_NEU_XX.wav",
            "summaryTable.csv",
            "FileName,VoiceVote\n",
            "1001_IEO_NEU_XX,{}\n",
            ("N", "A"),
            "line 3",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_told(
    tmp_path, recwarn, reader, sound, table, head, row, values, place
):
    root = plant(tmp_path, sound)
    save(tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", TURN.format(1, "Sadness"))

    def read(*said):
        text = head + "".join(row.format(value) for value in said)
        if table.endswith("json"):
            text = "{" + ", ".join(SHEMO.format(value) for value in said) + "}"
        save(tmp_path / table, text)
        recwarn.clear()
        rows = list(reader(root).read())
        return rows, [str(one.message) for one in recwarn if "contradict" in str(one.message)]

    first, silent = read(values[0], values[0])
    assert not silent
    again, said = read(*values)
    assert again == first, "the first row counts"
    assert len(said) == 1
    assert f"which count (1: {tmp_path / table}, {place}): remove one of the two" in said[0]


def test_a_list_of_shemo_that_names_a_recording_twice(tmp_path):
    root = plant(tmp_path, "F21N37.wav")
    rows = [{"id": name, "transcript": text} for name, text in (("F21N37", "سلام"), ("f21n37.wav", "جان"))]
    save(tmp_path / "shemo.json", json.dumps(rows))
    with pytest.warns(UserWarning, match=r"which count \(1: .*shemo\.json, F21N37\): remove"):
        assert Shemo(root).read().values("transcript") == ["سلام"]


def test_recordings_of_nemo_that_its_table_has_no_text_of_are_told(tmp_path, recwarn):
    root = plant(tmp_path, *(f"samples/SM0_anger_{n}.wav" for n in (1, 2, 3)))
    Nemo(root).read()
    assert not recwarn, "without the table there are no transcripts at all"
    save(tmp_path / "data.tsv", "file_id\traw_text\nsm0_anger_1.wav\tNie\nSM0_anger_2.wav\t\n")
    assert Nemo(root).read().values("transcript") == ["Nie", None, None]
    (said,) = recwarn
    assert "have no transcript (2: SM0_anger_2, SM0_anger_3): restore" in str(said.message)


def test_recordings_of_shemo_without_a_transcript_are_told(tmp_path, recwarn, monkeypatch):
    root = plant(tmp_path, "F21N37.wav", "M12H01.wav", "M12H02.wav")
    Shemo(root).read()
    assert not recwarn, "without any there are none"
    save(tmp_path / "shemo.json", json.dumps({"F21N37": {"transcript": "سلام"}}))
    Shemo(root).read()
    (said,) = recwarn
    assert "have no transcript below" in str(said.message)
    assert "(2: M12H01, M12H02): restore them, or go on without: of the whole corpus 162 have" in str(said.message)
    recwarn.clear()
    monkeypatch.setattr(Shemo, "published", 3)
    Shemo(root).read()
    assert not recwarn, "as many as the whole corpus lacks"
