"""Corpora as they lie on people's disks: packed twice, unpacked oddly, misspelt, in any encoding, with faults."""

import os

import pytest

from emollm.data.corpora import (
    Ased,
    CremaD,
    EmoBox,
    Emodb,
    Emovo,
    Esd,
    Folder,
    Iemocap,
    Meld,
    MspPodcast,
    Nemo,
    Ravdess,
    Savee,
    Shemo,
    Table,
    Tess,
    Urdu,
)
from emollm.data.labels import LabelSet
from emollm.data.validate import faults as faults_of
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save

NAMED = [
    (Ravdess, "Audio_Speech_Actors_01-24/Actor_07/03-01-03-01-02-01-07.wav", "happy"),
    (Emodb, "wav/03a01Fa.wav", "happy"),
    (CremaD, "AudioWAV/1001_DFA_ANG_XX.wav", "angry"),
    (Tess, "OAF_Fear/OAF_back_fear.wav", "fear"),
    (Savee, "AudioData/DC/sa01.wav", "sad"),
    (Esd, "0011/Surprise/0011_001401.wav", "surprise"),
    (Nemo, "samples/SM0_anger_77.wav", "angry"),
    (Urdu, "Angry/SM1_F10_A010.wav", "angry"),
    (Ased, "05Angry/a5-01-01-01-01.wav", "angry"),
    (Emovo, "f1/dis-f1-b1.wav", "disgust"),
    (Shemo, "female/F01S23.wav", "sad"),
]


@pytest.mark.parametrize(("reader", "file", "label"), NAMED)
@pytest.mark.parametrize("capital", [str, str.upper, str.lower], ids=["as it is", "upper", "lower"])
def test_archives_within_folders_and_names_in_any_case(tmp_path, recwarn, reader, file, label, capital):
    """The archive unpacked into a folder of its own name, by a Mac, on a disk that knows capitals only."""
    *folders, name = file.split("/")
    stem, suffix = name.rsplit(".", 1)
    path = "/".join([reader.name, reader.name, *folders, f"{capital(stem)}.{suffix.upper()}"])
    root = plant(
        tmp_path, path, f"__MACOSX/{path}", os.path.dirname(path) + f"/._{name}", f"{reader.name}/.DS_Store"
    )
    (row,) = reader(root).read()
    assert (row.label, row.path) == (label, tmp_path / path)
    assert not recwarn
    assert row.speaker in {row.speaker.upper(), "f1"}


@pytest.mark.parametrize(("reader", "file", "label"), NAMED)
def test_zips_made_on_windows(tmp_path, recwarn, reader, file, label):
    root = plant(tmp_path, file.replace("/", "\\"))
    (row,) = reader(root).read()
    assert (row.label, row.path.name) == (label, file.replace("/", "\\"))
    assert not recwarn


@pytest.mark.parametrize(("reader", "file", "label"), NAMED)
def test_an_archive_unpacked_twice_counts_once(tmp_path, reader, file, label):
    root = plant(tmp_path, file, f"again/{file}", f"mp3/{file[:-4]}.mp3")
    with pytest.warns(UserWarning, match=r"have the name of another one.*\(2: "):
        (row,) = reader(root).read()
    assert row.path.suffix == ".wav", "what is without loss goes before what is not"


@pytest.mark.parametrize(
    ("reader", "files"),
    [
        (Ravdess, ["03-01-angr-01-02-01-07.wav", "03-01-03-01-02-01-07.wav"]),
        (Emodb, ["03a01Xa.wav", "03a01Fa.wav"]),
        (CremaD, ["1001_DFA_ANGR_XX.wav", "1001_DFA_ANG_XX.wav"]),
        (Tess, ["OAF_back_angrry.wav", "OAF_back_angry.wav"]),
        (Savee, ["DC_aa01.wav", "DC_a01.wav"]),
        (Nemo, ["SM0_angr_77.wav", "SM0_anger_77.wav"]),
        (Urdu, ["SM1_F10_AA010.wav", "SM1_F10_A010.wav"]),
        (Ased, ["x5-01-01-01-01.wav", "a5-01-01-01-01.wav"]),
        (Emovo, ["rabb-f1-b1.wav", "rab-f1-b1.wav"]),
        (Shemo, ["F01AA01.wav", "F01A01.wav"]),
        (Esd, ["0011/0011_009999.wav", "0011/0011_000351.wav"]),
    ],
)
def test_a_misspelt_label_is_an_error_that_names_the_file(tmp_path, reader, files):
    table = reader(plant(tmp_path, *files)).read()
    assert len(table) == 2
    found = faults_of(table, LabelSet.parse("angry,happy,sad"), needs_audio=False, needs_transcript=False)
    assert len(found) == 1
    assert found[0].startswith(f"{tmp_path / files[0]}: ")


def test_a_name_that_is_none_is_told(tmp_path):
    root = plant(tmp_path, "03a01Fa.wav", "a/03a01Fa (1).wav", "b/3a1F.wav", "c/x.wav", "d/y.wav")
    with pytest.warns(UserWarning, match=r"not named like 03a01Fa\.wav .*4: a/03a01Fa .1.\.wav, b/3a1F\.wav, c/x"):
        assert len(Emodb(root).read()) == 1


@pytest.mark.parametrize("encoding", ["gb2312", "utf-16-le", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("blank", ["\t", " "])
def test_every_text_file_of_esd(tmp_path, encoding, blank):
    """Issue 1 of the repository: ten files are UTF-16, seven GB 2312, some have blanks in place of tabs."""
    root = plant(tmp_path, "0002/Sad/0002_001051.wav", "0016/Happy/0016_000701.wav", "0016/Happy/0016_000702.wav")
    save(tmp_path / "0002/0002.txt", f"0002_001051{blank}打远一看，很是美丽。{blank}伤心\r\n", encoding)
    lines = f"0016_000701{blank}It’s Tom, he is sad.{blank}Happy\r\n0016_000702\tTom is happy\r\n"
    save(tmp_path / "0016/0016.txt", lines, encoding)
    assert Esd(root).read().values("transcript") == [
        "打远一看，很是美丽。",
        "It’s Tom, he is sad.",
        "Tom is happy",
    ]


QUOTES = "“I’m sad”—she said… don’t you see, they’re naïve.”"


@pytest.mark.parametrize(
    ("encoding", "end", "emotion"),
    [
        ("cp1252", "\n", "Sad"),
        ("cp1252", "\r\n", "Sad"),
        ("mac_roman", "\r", "Sad"),
        ("gb18030", "\n", "Sad"),
        ("gb18030", "\r\n", "伤心"),
    ],
)
def test_english_of_esd_in_any_encoding(tmp_path, encoding, end, emotion):
    root = plant(tmp_path, "0011/Sad/0011_001051.wav", "0011/Sad/0011_001052.wav", "0011/Sad/0011_001053.wav")
    texts = [QUOTES, "“Fine’", "Plain."]
    lines = [f"0011_00105{number}\t{text}\t{emotion}{end}" for number, text in enumerate(texts, 1)]
    save(tmp_path / "0011/0011.txt", "".join(lines), encoding)
    with pytest.warns(UserWarning, match=r"no UTF-8, .* \(1: [23] lines of .*0011\.txt as [GMW]"):
        assert Esd(root).read().values("transcript") == texts


EVALUATION = (
    "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
    "C-E2:\tNeutral;\t()\n"
    "[10.0100 - 11.3925]\tSes01F_impro01_F001\t{label}\t{numbers}\n"
)


def test_iemocap_packed_twice_and_shouted(tmp_path):
    text = EVALUATION.format(label="NEU", numbers="[2.5, 2.5, 2.5]").replace("\n", "\r\n")
    for top in ("IEMOCAP_full_release/IEMOCAP_full_release", "backup"):
        folder = tmp_path / top / "Session1"
        save(folder / "dialog/EmoEvaluation/Ses01F_impro01.TXT", text, "utf-16")
        save(
            folder / "dialog/transcriptions/Ses01F_impro01.txt",
            "Ses01F_impro01_F000 [1.0-2.0]: It\x92s.",
            "latin-1",
        )
        plant(folder, "sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.WAV")
    plant(tmp_path, "__MACOSX/Session1/dialog/EmoEvaluation/Ses01F_impro02.txt")
    with pytest.warns(UserWarning, match="2 files .* have the name of another one"):
        first, second = Iemocap(str(tmp_path)).read()
    assert (first.transcript, first.path.is_file(), first.votes) == ("It’s.", True, {"neutral": 1.0})
    assert (second.label, second.path.exists()) == ("neutral", False)


def test_all_faults_of_iemocap_at_once(tmp_path):
    folder = tmp_path / "Session1/dialog/EmoEvaluation"
    save(folder / "Ses01F_impro01.txt", EVALUATION.format(label="nue", numbers="[2.5, 2.5, 2.5]"))
    save(folder / "Ses01F_impro02.txt", EVALUATION.format(label="neu", numbers="[2.5.0, 2.5, 2.5]"))
    save(folder / "Ses01F_impro03.txt", EVALUATION.format(label="neu", numbers=""))
    save(folder / "Ses01F_impro04.txt", "% only a head\n")
    with pytest.raises(UserError) as caught:
        Iemocap(str(tmp_path)).read()
    said = str(caught.value).split("\n")
    assert said[0] == "There are 4 faults:"
    assert "impro01.txt, line 5: Ses01F_impro01_F001 is labelled 'nue', none of ang" in said[1]
    assert "impro02.txt, line 5: '[10.0100 - 11.3925]" in said[2]
    assert "impro03.txt, line 5: " in said[3]
    assert "impro04.txt holds no turns" in said[4]


MELD = "Sr No.;Utterance;Speaker;Emotion;Sentiment;Dialogue_ID;Utterance_ID\n"


def test_meld_saved_again_by_excel(tmp_path, recwarn):
    text = MELD + '1;"Why; that’s great!";Joey;Joy;positive;0;0\n2;Oh;Ross;ANGER;negative;0;1\n'
    for folder in ("MELD.Raw/MELD.Raw", "MELD.Raw"):
        save(tmp_path / folder / "Train_Sent_Emo.CSV", "sep=;\n" + text.replace("\n", "\r\n"), "utf-16")
    plant(tmp_path, r"MELD.Raw\train\train_splits\dia0_utt0.MP4", "__MACOSX/MELD.Raw/train/dia0_utt1.mp4")
    first, second = Meld(str(tmp_path)).read()
    assert (first.transcript, first.label, second.label) == ("Why; that’s great!", "happy", "angry")
    assert (first.path.is_file(), second.path.exists()) == (True, False)
    (lacking,) = recwarn
    assert "parts have no table" in str(lacking.message)
    assert "(2: dev_sent_emo.csv, test_sent_emo.csv)" in str(lacking.message)


def test_all_faults_of_meld_at_once(tmp_path):
    save(
        tmp_path / "train_sent_emo.csv",
        MELD + "1;a;Joey;joi;x;0;0\n2;b;Joey;joy;x;zero;1\n3;c;Joey;joy;x;0;2;;x\n",
    )
    save(tmp_path / "test_sent_emo.csv", MELD.replace("Emotion", "Emo").replace("Speaker", "Who"))
    with pytest.raises(UserError) as caught:
        Meld(str(tmp_path)).read()
    said = sorted(str(caught.value).split("\n")[1:])
    assert len(said) == 4
    assert "test_sent_emo.csv has no column 'speaker' and no column 'emotion'" in said[0]
    assert "train_sent_emo.csv, line 2: Emotion is 'joi', none of angry" in said[1]
    assert "line 3: Dialogue_ID and Utterance_ID must be numbers" in said[2]
    assert "line 4: 9 cells for 7 columns" in said[3]


PODCAST = "FileName;EmoClass;EmoAct;EmoVal;EmoDom;SpkrID;Gender;Split_Set\n"


def test_msp_podcast_saved_again_by_a_european_excel(tmp_path):
    save(tmp_path / "Labels/Labels_Consensus.csv", PODCAST + "A_1.wav;a;2,5;3;4,25;7;FEMALE;train\n", "utf-16")
    save(tmp_path / "MSP/transcripts/part1/A_1.TXT", "It\x92s.", "latin-1")
    plant(tmp_path, "MSP/Audios/A_1.WAV", "__MACOSX/MSP/Audios/._A_1.WAV")
    (row,) = MspPodcast(str(tmp_path)).read()
    assert (row.label, row.arousal, row.dominance, row.gender, row.split) == (
        "angry",
        2.5,
        4.25,
        "female",
        "train",
    )
    assert (row.transcript, row.path.is_file()) == ("It’s.", True)


def test_all_faults_of_msp_podcast_at_once(tmp_path):
    save(tmp_path / "labels_consensus.csv", PODCAST + "a.wav;Q;1;1;x;1;Male;Tain\n;A;1;1;1;1;Male;Train\n")
    with pytest.raises(UserError) as caught:
        MspPodcast(str(tmp_path)).read()
    said = str(caught.value)
    assert "line 2 (a.wav): EmoClass is 'Q', none of A" in said
    assert "; Split_Set is 'Tain', none of Train, Development, Test1, Test2, Test3; EmoDom is 'x', which" in said
    assert "line 3 (): FileName is empty." in said
    save(tmp_path / "labels_consensus.csv", "x")
    os.remove(tmp_path / "labels_consensus.csv")
    save(tmp_path / "labels_consensus.json", '{"a.wav": 3, "b.wav": {"EmoClass": null, "Split_Set": null}}')
    with pytest.raises(UserError, match=r"(?s)'a\.wav' has none.*json \(b\.wav\): Split_Set is ''"):
        MspPodcast(str(tmp_path)).read()


def test_all_faults_of_cremad_at_once(tmp_path):
    root = plant(tmp_path, "AudioWAV/1001_IEO_NEU_XX.wav")
    save(tmp_path / "tabulatedVotes.csv", ",A,D,F,H,N,S,fileName\n100001,x,0,0,0,0,0,a\n100002,0,0,0,0,y,0,b\n")
    save(tmp_path / "summaryTable.csv", "FileName,VoiceVote\n1001_IEO_NEU_XX,N:Q\n")
    save(tmp_path / "VideoDemographics.csv", "ActorID,Age\n")
    with pytest.raises(UserError) as caught:
        CremaD(root).read()
    said = str(caught.value)
    assert said.startswith("There are 4 faults:")
    for part in ("Votes.csv, line 2: the counts", "line 3: the counts", "VoiceVote is 'N:Q'", "no column 'sex'"):
        assert part in said


def test_tables_of_cremad_with_the_index_of_pandas(tmp_path):
    root = plant(tmp_path, "audiowav/1001_ieo_neu_xx.WAV")
    rows = "200001;9;0;0;0;0;0;1001_IEO_NEU_XX\n100001;0;0;0;1;9;0;1001_IEO_NEU_XX.wav\n"
    text = f"Unnamed: 0;A;D;F;H;N;S;fileName\n{rows}"
    save(tmp_path / "processedResults/TabulatedVotes.CSV", text, "utf-16")
    (row,) = CremaD(root).read()
    assert (row.id, row.votes) == ("1001_IEO_NEU_XX", {"happy": 1.0, "neutral": 9.0})


def test_transcripts_of_nemo_with_quotes_as_they_stand(tmp_path):
    root = plant(tmp_path, "nEMO-main/samples/SM0_anger_77.wav")
    text = 'file_id\temotion\traw_text\nSM0_anger_77.wav\tanger\t"Nie" – powiedział.\n'
    save(tmp_path / "nEMO-main/DATA.TSV", text.replace("\n", "\r\n"), "utf-8-sig")
    assert Nemo(root).read()[0].transcript == '"Nie" – powiedział.'


def test_transcripts_of_shemo_in_arabic_windows(tmp_path):
    root = plant(tmp_path, "ShEMO/female/F01A01.WAV", "__MACOSX/ShEMO/female/._F01A01.ort")
    save(tmp_path / "ShEMO/transcript/final script/f01a01.ORT", "سلام", "cp1256")
    assert Shemo(root).read()[0].transcript == "سلام"


def line(key, emo, **values):
    extra = "".join(f', "{name}": {value}' for name, value in values.items())
    return f'{{"key": "{key}", "wav": "downloads/{key}.wav", "emo": "{emo}"{extra}}}\n'


def test_all_faults_of_emobox_at_once(tmp_path):
    folder = tmp_path / "data/mine/fold_1"
    text = line("a", "ang") + line("b", "agn") + '{"key": \n' + line("c", "ang", start_time=3, end_time=1)
    save(folder / "mine_train_fold_1.jsonl", "\ufeff" + text.replace("\n", "\r\n"), "utf-16")
    save(folder / "mine_test_fold_1.jsonl", line("a", "ang"))
    save(tmp_path / "data/mine/label_map.json", '{"ang": "Angry"}')
    with pytest.raises(UserError) as caught:
        EmoBox(str(tmp_path / "data"), "mine").read()
    said = str(caught.value)
    assert said.startswith("There are 4 faults:")
    for part in ("line 2: the label 'agn' is not in", "line 3: not JSON", "line 4: start_time and end_time"):
        assert f"mine_train_fold_1.jsonl, {part}" in said
    assert "mine_test_fold_1.jsonl, line 1: a is in fold 1 twice, in train and in test" in said
    save(tmp_path / "data/mine/label_map.json", "[]")
    with pytest.raises(UserError, match=r"label_map\.json must map codes to emotions"):
        EmoBox(str(tmp_path / "data"), "mine").read()


def test_all_faults_of_a_table_at_once(tmp_path):
    text = "path;start;end;turn;label\na.wav;x;1;0;sad\nb.wav;2;1;0;sad\nc.wav;0;1;1,5;sad\nd.wav;0;1;1;sad;;no\n"
    with pytest.raises(UserError) as caught:
        Table(save(tmp_path / "t.csv", text.replace("\n", "\r\n"), "utf-16")).read()
    said = str(caught.value)
    assert said.startswith("There are 4 faults:")
    for part in (
        "line 2: column 'start' holds 'x', which is no number",
        "line 3: the stretch ends at 1 s and begins at 2 s",
        "line 4: column 'turn' holds '1,5', which is no whole number",
        "line 5: 7 cells for 5 columns",
    ):
        assert part in said
    lines = '{"path": "a.wav"\n["a"]\n{"path": "a.wav", "votes": {"sad": [1]}}\n'
    with pytest.raises(
        UserError, match=r"(?s)3 faults.*line 1: not JSON.*line 2: an utterance.*line 3: column 'votes'"
    ):
        Table(save(tmp_path / "t.jsonl", lines)).read()


def test_a_table_of_votes_and_paths_from_elsewhere(tmp_path):
    plant(tmp_path, "audio/Gru\u0308n.wav")
    text = 'wav,votes\naudio\\Gr\u00fcn.wav,"{""anger"": 2, ""sad"": 1}"\n'
    (row,) = Table(save(tmp_path / "t.csv", text)).read()
    assert (row.path.is_file(), row.votes) == (True, {"angry": 2.0, "sad": 1.0})
    with pytest.raises(UserError, match=r"t\.xlsx is a spreadsheet: save it as CSV"):
        Table(save(tmp_path / "t.xlsx", "PK")).read()


def test_a_folder_of_a_mac_and_of_windows(tmp_path):
    root = plant(tmp_path / "calls", "angry/A.WAV", "__MACOSX/angry/._A.WAV", "angry/._A.WAV", "Thumbs.db")
    save(tmp_path / "calls/angry/A.TXT", "It’s\r\nme", "utf-16")
    (row,) = Folder(root, labels_from="parent").read()
    assert (row.label, row.transcript) == ("angry", "It’s me")


@pytest.mark.parametrize(("reader", "file", "label"), NAMED)
def test_the_current_folder_is_the_corpus(tmp_path, monkeypatch, reader, file, label):
    plant(tmp_path, file)
    for folder in (tmp_path, (tmp_path / file).parent):
        monkeypatch.chdir(folder)
        assert reader(".").read().values("label") == [label]


@pytest.mark.parametrize("root", ["~nobody_by_this_name/x", "x" * 5000, "a\0b"])
def test_roots_that_no_system_takes(root):
    with pytest.raises(UserError, match="There is no"):
        Emodb(root).read()
