"""Corpora as people have them: half unpacked, renamed, saved again by other programs, numbers out of range."""

import pytest

from emollm.data.corpora import CremaD, EmoBox, Esd, Iemocap, Meld, Shemo, Table, Tess
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.rows import mend, read_rows
from emollm.data.corpora.text import read_text
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save
from tests.data.corpora.test_cremad import VOTES
from tests.data.corpora.test_emobox import line, save_fold
from tests.data.corpora.test_iemocap import EVALUATION

EMOTIONS = "path\tlabel\ttext\n"


def test_the_other_half_of_a_corpus_is_still_packed(tmp_path):
    root = plant(tmp_path, "female/F01A01.wav", "male.zip")
    with pytest.warns(UserWarning, match=r"shemo: archives below .* are not read \(1: male.zip\): unpack them"):
        assert len(Shemo(root).read()) == 1


def test_a_quotation_over_two_rows_of_a_tsv_is_two_rows(tmp_path):
    save(tmp_path / "t.tsv", EMOTIONS + 'a.wav\tangry\t"He said\nb.wav\thappy\tok"\n')
    rows = Table(str(tmp_path / "t.tsv")).read()
    assert [(row.id, row.transcript) for row in rows] == [("a", '"He said'), ("b", 'ok"')]
    save(tmp_path / "t.tsv", EMOTIONS + 'a.wav\tangry\t"two\nlines"\nb.wav\thappy\tok\n')
    assert Table(str(tmp_path / "t.tsv")).read().values("transcript") == ["two\nlines", "ok"]


@pytest.mark.parametrize(
    ("broken", "meant"),
    [
        ("“Hi” it’s café".encode().decode("latin-1"), "“Hi” it’s café"),
        ("Łódź, Ágnes, Íris".encode().decode("latin-1"), "Łódź, Ágnes, Íris"),
        ("It’s â€™mixedâ€™ cafÃ©", "It’s ’mixed’ café"),
        ("IRMÃ e «NÃO»", "IRMÃ e «NÃO»"),
    ],
)
def test_letters_that_were_read_in_a_wrong_encoding(broken, meant):
    assert mend(broken) == meant


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04rest", "a packed file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer to a file that Git LFS keeps"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
    ],
)
def test_what_is_no_text_is_told_by_its_kind(tmp_path, content, says):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=rf"t\.csv is {says}"):
        read_text(tmp_path / "t.csv")
    with pytest.raises(UserError, match=says):
        read_rows(tmp_path / "t.csv", ["a"], Faults())


@pytest.mark.parametrize(
    ("dataset", "wav", "file"),
    [
        ("savee", "downloads/savee/DC_a01.wav", "AudioData/DC/a01.wav"),
        ("tess", "downloads/tess/OAF_bite_neutral.wav", "OAF_neutral/OA_bite_neutral.wav"),
    ],
)
def test_emobox_finds_what_owners_name_otherwise(tmp_path, dataset, wav, file):
    entry = line(f"{dataset}-1", wav, "neutral")
    save_fold(tmp_path / "data", dataset, 1, train=entry, test=entry.replace(f"{dataset}-1", f"{dataset}-2"))
    plant(tmp_path / "audio", file)
    table = EmoBox(str(tmp_path / "data"), dataset, audio=str(tmp_path / "audio")).read()
    assert [row.path for row in table] == [tmp_path / "audio" / file] * 2


def test_tess_in_two_spellings_is_one_recording(tmp_path):
    with pytest.warns(UserWarning, match=r"have the name of another one.*\(1: "):
        assert Tess(plant(tmp_path, "a/OA_bite_neutral.wav", "b/OAF_bite_neutral.wav")).read().values("id") == [
            "OAF_bite_neutral"
        ]


def test_folders_above_the_root_of_esd_say_nothing(tmp_path):
    plant(tmp_path / "sad" / "test", "0011/0011_000401.wav")
    for root in (tmp_path / "sad" / "test", tmp_path / "sad" / "test" / "0011"):
        (row,) = Esd(str(root)).read()
        assert (row.label, row.split) == ("angry", "train")


def test_a_folder_of_esd_that_contradicts_the_number_is_told(tmp_path):
    with pytest.warns(UserWarning, match=r"another emotion's folder .*\(1: 0011_000353 in a folder of happy\)"):
        assert Esd(plant(tmp_path, "0011/Happy/0011_000353.wav")).read().values("label") == ["happy"]


MELD = "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID\nHello,Ross,joy,0,0\n"


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("train/latest", "train"),
        ("train/valence_clips", "train"),
        ("train_splits", "train"),
        ("dev_splits_complete", "dev"),
        ("output_repeated_splits_test", "test"),
        ("MELD/audioTest16k", "test"),
        ("VALID", "dev"),
        ("trainset", "train"),
        ("testdata/valence", "test"),
    ],
)
def test_the_part_of_a_clip_of_meld_is_told_by_whole_words(tmp_path, folder, part):
    save(tmp_path / f"{part}_sent_emo.csv", MELD)
    root = plant(tmp_path, f"{folder}/dia0_utt0.wav")
    (row,) = Meld(root).read()
    assert row.path == tmp_path / folder / "dia0_utt0.wav"


def test_a_table_of_meld_that_was_cut_is_told(tmp_path):
    rows = "".join(f"Hello,Ross,joy,0,{number}\n" for number in range(1, 600))
    save(tmp_path / "dev_sent_emo.csv", MELD + rows)
    with pytest.warns(UserWarning, match="dev_sent_emo.csv has 600 of the 1109 utterances of this part"):
        assert len(Meld(str(tmp_path)).read()) == 600


def iemocap(root, evaluation):
    save(root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", evaluation)
    text = "Ses01F_impro01_F000 [006.2901-008.2357]:  \nSes01F_impro01_F001 [010.0-011.0]: Yes.\n"
    save(root / "Session1/dialog/transcriptions/Ses01F_impro01.txt", text)
    return Iemocap(str(root))


def test_a_dialogue_of_iemocap_that_nobody_judged_is_told(tmp_path):
    reader = iemocap(tmp_path, EVALUATION)
    assert "" not in reader.read().values("transcript")
    save(tmp_path / "Session1/dialog/transcriptions/Ses01F_impro02.txt", "Ses01F_impro02_F000 [1-2]: No.\n")
    with pytest.warns(UserWarning, match=r"a transcription and no evaluation, .* \(1: Ses01F_impro02\)"):
        reader.read()


def test_values_off_the_scale_are_faults(tmp_path):
    wrong = EVALUATION.replace("[2.5000, 2.5000, 2.5000]", "[25.000, 2.5000, 2.5000]")
    with pytest.raises(UserError, match=r"Ses01F_impro01.txt, line \d+: .* is not from 1 to 5"):
        iemocap(tmp_path, wrong).read()


def test_votes_below_zero_are_faults_and_no_votes_are_none(tmp_path):
    root = plant(tmp_path, "1001_IEO_NEU_XX.wav")
    table = tmp_path / "tabulatedVotes.csv"
    save(table, VOTES.replace("0,0,0,1,10,0", "0,0,0,-1,10,0"))
    with pytest.raises(UserError, match=r"tabulatedVotes.csv, line 2: .* none of them below 0"):
        CremaD(root).read()
    save(table, VOTES.replace("0,0,0,1,10,0", "0,0,0,0,0,0"))
    save(tmp_path / "summaryTable.csv", '"FileName","VoiceVote"\n"1001_IEO_NEU_XX","S"\n')
    assert CremaD(root).read().values("votes") == [{"sad": 1.0}]


@pytest.mark.filterwarnings("ignore:.*are in no table of votes")
def test_votes_that_pandas_saved_again_are_still_those_of_the_voice(tmp_path):
    header, *rows = VOTES.splitlines()
    again = [header.replace('""', '"","Unnamed: 0"', 1)]
    again += [f"{number},{row}" for number, row in reversed(list(enumerate(rows)))]
    save(tmp_path / "tabulatedVotes.csv", "\n".join(again) + "\n")
    root = plant(tmp_path, "1001_IEO_NEU_XX.wav")
    assert CremaD(root).read().values("votes") == [{"happy": 1.0, "neutral": 10.0}]
