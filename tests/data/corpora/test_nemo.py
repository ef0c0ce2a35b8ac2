"""nEMO: the owners' layout, and the real recordings."""

from collections import Counter

import pandas as pd
import pytest

from emollm.data.corpora import Nemo
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save

TABLE = (
    "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
    "SM0_surprised_77.wav\tsurprised\tCzy to „gżegżółka”?\tczy to gżegżółka\tSM0\tmale\t24\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_as_its_owners_pack_it(tmp_path, encoding):
    root = plant(tmp_path, "samples/SM0_surprised_77.wav", "samples/EB0_anger_1.wav", "README.md")
    save(tmp_path / "data.tsv", TABLE.replace("\n", "\r\n"), encoding)
    angry, surprise = Nemo(root).read()
    assert (angry.id, angry.label, angry.speaker, angry.gender) == ("EB0_anger_1", "angry", "EB0", "female")
    assert (angry.transcript, angry.sentence, angry.language) == (None, "1", "pl")
    assert (surprise.label, surprise.extra) == ("surprise", {"age": 24})
    assert surprise.transcript == "Czy to „gżegżółka”?"


@pytest.mark.parametrize(("encoding", "name"), [("cp1250", "Windows-1250"), ("iso8859_2", "ISO 8859-2")])
def test_a_table_that_is_no_utf_8(tmp_path, encoding, name):
    root = plant(tmp_path, "samples/SM0_surprised_77.wav")
    save(tmp_path / "data.tsv", TABLE.replace("„gżegżółka”", "gęślą jaźń"), encoding)
    with pytest.warns(UserWarning, match=rf"\(1: 1 line of .*data\.tsv as {name}\): save them as UTF-8"):
        assert Nemo(root).read().values("transcript") == ["Czy to gęślą jaźń?"]


def test_a_table_without_transcripts(tmp_path):
    root = plant(tmp_path, "samples/SM0_surprised_77.wav")
    save(tmp_path / "data.tsv", TABLE.replace("raw_text", "text"))
    with pytest.raises(UserError, match=r"data\.tsv has no column 'raw_text'"):
        Nemo(root).read()


def test_a_row_that_contradicts_a_name_is_told(tmp_path):
    root = plant(tmp_path, "samples/SM0_surprised_77.wav")
    save(tmp_path / "data.tsv", TABLE.replace("\tsurprised\t", "\tanger\t"))
    with pytest.warns(UserWarning, match=r"the name counts \(1: line 2: SM0_surprised_77\.wav is anger\)"):
        (row,) = Nemo(root).read()
    assert row.label == "surprise"


def test_the_real_recordings(corpora_root):
    frame = Nemo(str(corpora_root / "nemo")).read().to_frame()
    truth = pd.read_csv(corpora_root / "nemo" / "metadata.csv", dtype=str)
    truth.index = truth["file"].str.extract(r"([^/]+)\.\w+$")[0]
    truth = truth.loc[frame["id"]].reset_index(drop=True)
    assert len(frame) == 4481
    assert Counter(frame["label"])["surprise"] == 669
    for ours, theirs in (("label", "emotion"), ("speaker",) * 2, ("gender",) * 2, ("sentence", "sentence_id")):
        assert (frame[ours] == truth[theirs]).all(), ours
    assert (frame["age"].astype(str) == truth["age"]).all()
