"""Tables from many hands: names of columns, encodings, delimiters, faults."""

import json
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from emollm.data.corpora import Table
from emollm.data.protocols import FoldColumn
from emollm.errors import UserError

CSV = """file,emotion,text,speaker_id,Split,Gender,session,language,room
a.wav,anger,"Ça va, “toi”?",s1,dev,M,1,fr,kitchen
sub/b.flac,joy,Grüße,s2,TRAIN,female,2,de,
"""


def save(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return str(path)


def check(table, folder):
    first, second = table
    assert first.path == folder / "a.wav"
    assert (first.id, first.label, first.speaker, first.split) == ("a", "angry", "s1", "validation")
    assert (first.transcript, first.gender, first.session) == ("Ça va, “toi”?", "male", "1")
    assert (second.id, second.label, second.split, second.language) == ("b", "happy", "train", "de")
    assert (first.extra, second.extra) == ({"room": "kitchen"}, {"room": None})


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_encoding_and_line_end(tmp_path, encoding, newline):
    if (encoding, newline) == ("cp1252", "\r"):
        encoding = "mac_roman"  # what the only writers of bare carriage returns write
    check(Table(save(tmp_path / "t.csv", CSV.replace("\n", newline), encoding)).read(), tmp_path)


def test_latin_1(tmp_path):
    text = "path,transcript\na.wav,Grüße aus Köln\n"
    assert Table(save(tmp_path / "t.csv", text, "latin-1")).read()[0].transcript == "Grüße aus Köln"


@pytest.mark.parametrize(("delimiter", "name"), [(";", "t.csv"), ("\t", "t.csv"), ("\t", "t.tsv"), ("|", "t.txt")])
def test_every_delimiter(tmp_path, delimiter, name):
    text = CSV.replace('"Ça va, “toi”?"', "Ça va “toi”?").replace(",", delimiter)
    table = Table(save(tmp_path / name, text)).read()
    assert table.values("label") == ["angry", "happy"]


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_json(tmp_path, suffix):
    rows = pd.read_csv(save(tmp_path / "t.csv", CSV), dtype=str, keep_default_na=False).to_dict("records")
    lines = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    text = lines if suffix == "jsonl" else json.dumps(rows)
    check(Table(save(tmp_path / f"t.{suffix}", text)).read(), tmp_path)


def test_an_accent_written_in_two_ways_is_one_name(tmp_path):
    rows = [
        f"{name}.wav,{unicodedata.normalize(form, 'Zoë,ärger')}" for name, form in (("a", "NFC"), ("b", "NFD"))
    ]
    table = Table(save(tmp_path / "t.csv", "file,speaker,label\n" + "\n".join(rows))).read()
    assert (table.unique("speaker"), table.unique("label")) == (["Zoë"], ["ärger"])


def test_speakers_that_pandas_made_numbers_with_a_point_are_as_they_were(tmp_path):
    text = "file,speaker,take\na.wav,1.0,1.0\nb.wav,,2.5\nc.wav,12.0,\n"
    table = Table(save(tmp_path / "t.csv", text)).read()
    assert table.values("speaker") == ["1", None, "12"]
    assert table.values("take") == ["1.0", "2.5", None], "no name, and left as it is"
    rows = [{"file": f"{n}.wav", "speaker": name} for n, name in enumerate((0.0, 1.0, None))]
    table = Table(save(tmp_path / "t.json", json.dumps(rows))).read()
    assert table.values("speaker") == ["0", "1", None]
    zero = Table(save(tmp_path / "zero.json", json.dumps([{"file": "a.wav", "speaker": 0}]))).read()
    assert zero.values("speaker") == ["0"]
    own = Table(save(tmp_path / "own.csv", "file,speaker\na.wav,1.0\nb.wav,1.5\n")).read()
    assert own.values("speaker") == ["1.0", "1.5"]


def test_an_empty_cell_is_no_fold(tmp_path):
    table = Table(save(tmp_path / "t.csv", "file,speaker,fold\na.wav,x,1\nb.wav,y, \n")).read()
    with pytest.raises(UserError, match="1 of 2 utterances have no 'fold'.*b.wav"):
        FoldColumn("fold").folds(table)


def test_numbers_votes_and_empty_cells(tmp_path):
    rows = [
        {"wav": "a.wav", "start": 1, "end": 2.5, "valence": "3,5", "votes": {"anger": 2, "ang": 1, "sadness": 1}},
        {"wav": "a.wav", "start": 2.5, "end": None, "emotion": "nan", "turn": "3", "text": "None"},
        {"text": "no sound"},
    ]
    first, second, third = Table(save(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows)))).read()
    assert (first.start, first.end, first.valence) == (1.0, 2.5, 3.5)
    assert first.votes == {"angry": 3.0, "sad": 1.0}
    assert (first.id, second.id, third.id) == ("a@1-2.5", "a@2.5-", "row 3")
    assert (second.end, second.label, second.turn, second.transcript) == (None, None, 3, "None")
    assert third.path is None


def test_the_users_columns_and_codes_win(tmp_path):
    text = "path,Who,emotion,rater2\nx/1.wav,Ann,anger,T\ny/1.wav,Bo,joy,neutral\n"
    table = Table(
        save(tmp_path / "t.csv", text),
        root=str(tmp_path / "audio"),
        columns={"speaker": "Who", "label": "rater2"},
        labels={"T": "sad"},
        language="de",
        name="mine",
    )
    (tmp_path / "audio").mkdir()
    rows = table.read()
    assert rows.values("label") == ["sad", "neutral"]
    assert rows.values("speaker") == ["Ann", "Bo"]
    assert rows.values("id") == ["x/1.wav", "y/1.wav"]
    assert rows.values("emotion") == ["anger", "joy"], "the other column is kept"
    assert (rows[0].corpus, rows[0].language) == ("mine", "de")
    assert rows[0].path == tmp_path / "audio" / "x" / "1.wav"


def test_absolute_and_windows_paths(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.wav").write_bytes(b"x")
    first, second = Table(save(tmp_path / "t.csv", f"path\nsub\\a.wav\n{tmp_path}/b.wav\n")).read()
    assert first.path.is_file()
    assert second.path == tmp_path / "b.wav"
    assert not any(Path(row.id).is_absolute() for row in (first, second))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no rows"),
        ("path,label\n", "has no rows"),
        ("x,y\n1,2\n", r"neither a column of paths .*x, y.*columns: \{path: x\}"),
        ("path,start\na.wav,soon\n", r"line 2: column 'start' holds 'soon', which is no number"),
        ("path,text\na.wav,hello, you\n", r"line 2: 3 cells for 2 columns; put quotes"),
    ],
)
def test_faults_name_file_and_line(tmp_path, text, says):
    with pytest.raises(UserError, match=says) as caught:
        Table(save(tmp_path / "t.csv", text)).read()
    assert "t.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.jsonl", '{"path": "a.wav"}\n{"path": \n', "line 2: not JSON"),
        ("t.jsonl", '{"path": "a.wav"}\n["b.wav"]\n', "line 2: an utterance is an object"),
        ("t.json", '{"path": "a.wav"}', "must hold a list"),
        ("t.jsonl", '{"path": "a.wav", "votes": "many"}', "no mapping of emotion to count"),
        ("t.jsonl", '{"path": "a.wav", "votes": {"sad": -1}}', "no mapping of emotion to count"),
    ],
)
def test_faults_of_json(tmp_path, name, text, says):
    with pytest.raises(UserError, match=says):
        Table(save(tmp_path / name, text)).read()


@pytest.mark.parametrize(
    ("columns", "says"),
    [({"label": "mood"}, "no column 'mood': its columns are file"), ({"mood": "emotion"}, "field 'mood'")],
)
def test_columns_that_do_not_exist(tmp_path, columns, says):
    with pytest.raises(UserError, match=says):
        Table(save(tmp_path / "t.csv", CSV), columns=columns).read()


@pytest.mark.parametrize(
    ("header", "field", "column"),
    [
        ("file,speakr,label", "speaker", "speakr"),
        ("file,Speakers,label", "speaker", "Speakers"),
        ("file,speaker,lable", "label", "lable"),
        ("file,emotoin", "label", "emotoin"),
        ("file,label,transcirpt", "transcript", "transcirpt"),
    ],
)
def test_a_column_that_is_probably_misspelt_is_told(tmp_path, header, field, column):
    table = tmp_path / "mine.csv"
    table.write_text(f"{header}\na.wav,x,y\n" if header.count(",") == 2 else f"{header}\na.wav,x\n")
    with pytest.warns(UserWarning, match=rf"column '{column}' is not read.*columns: {{{field}: {column}}}\."):
        row = Table(str(table)).read()[0]
    assert getattr(row, field) is None
    assert column in row.extra


@pytest.mark.filterwarnings("error")
def test_other_columns_are_no_misspellings(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text(
        "file,speaker,label,raw_label,duration,age,rater,fold,corpus,loudness\na.wav,1,sad,2,3,4,5,6,7,8\n"
    )
    assert Table(str(table)).read()[0].label == "sad"


def test_a_missing_table_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(UserError, match=r"There is no .*t\.csv"):
        Table(str(tmp_path / "t.csv")).read()


@pytest.mark.parametrize(("corpus", "size"), [("ravdess", 1440), ("nemo", 4481)])
def test_real_tables(corpora_root, corpus, size):
    table = Table(str(corpora_root / corpus / "metadata.csv"), name=corpus).read()
    truth = pd.read_csv(corpora_root / corpus / "metadata.csv", dtype=str)
    assert len(table) == size
    for column, name in (("label", "emotion"), ("transcript", "transcript"), ("split", "split"), ("gender",) * 2):
        assert table.values(column) == truth[name].tolist()
    assert all(row.path.is_file() for row in table)


def test_a_table_of_dialogues(corpora_root):
    table = Table(str(corpora_root / "meld" / "train_sent_emo.csv")).read()
    assert len(table) == 9989
    assert len(set(table.values("id"))) == 9989
    assert "’" in table[0].transcript
    assert table.unique("label") == ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_curly_quotes_around_cells(tmp_path, encoding, delimiter):
    rows = (
        ("\u201cpath\u201d", "\u201cemotion\u201d", "\u201ctext\u201d"),
        ("\u201ca.wav\u201d", "sad", f"\u201cNo{delimiter} he said: \u2018\u201cgo\u201d\u2019 now.\u201d"),
    )
    save(tmp_path / "t.csv", "\r\n".join(delimiter.join(row) for row in rows), encoding)
    (row,) = Table(str(tmp_path / "t.csv")).read()
    assert (row.path.name, row.label) == ("a.wav", "sad")
    assert row.transcript == f"No{delimiter} he said: \u2018\u201cgo\u201d\u2019 now."


@pytest.mark.parametrize(("start", "kind"), [(b"\x89PNG\r\n", "a picture"), (b"\x1f\x8b\x08", "a packed file")])
def test_what_is_no_text_is_named(tmp_path, start, kind):
    (tmp_path / "t.csv").write_bytes(start + b"\x00\x01" * 50)
    with pytest.raises(UserError, match=f"is {kind}: put the text file itself"):
        Table(str(tmp_path / "t.csv")).read()
