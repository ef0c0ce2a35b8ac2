"""Owners' tables and texts from many hands."""

import pytest

from emollm.data.corpora.faults import Faults
from emollm.data.corpora.rows import mend, read_rows
from emollm.errors import UserError
from tests.data.corpora.planting import save


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_tables(tmp_path, delimiter, encoding):
    text = 'FileName|Text\r\na.wav|"“Ça va”\r\nhe said"\r\n\r\nb.wav\r\n'.replace("|", delimiter)
    save(tmp_path / "t.csv", text, encoding)
    assert read_rows(tmp_path / "t.csv", ["filename"], Faults()) == [
        (2, {"filename": "a.wav", "text": "“Ça va”\nhe said"}),
        (5, {"filename": "b.wav", "text": ""}),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "no column 'filename' .its columns are a, b"),
        ("", "is empty: take the table"),
        ("a,filename\n\n", "has no rows: take the table"),
        ("filename,Text,text\nx,y,z\n", "line 1: two columns are called 'text'"),
        ("filename\nx,y\n", "line 2: 2 cells for 1 columns"),
        ("filename\n" + "x" * 200_000 + "\n", "line 2: field larger than"),
    ],
)
def test_faults_name_the_table(tmp_path, text, says):
    save(tmp_path / "t.csv", text)
    faults = Faults()
    with faults.gather():
        read_rows(tmp_path / "t.csv", ["filename"], faults)
    with pytest.raises(UserError, match=rf"t\.csv.*{says}"):
        faults.check()


def test_a_file_of_two_encodings(tmp_path):
    """One row pasted from elsewhere does not spoil the rest."""
    (tmp_path / "t.csv").write_bytes("text\nit’s – a café\n".encode() + b"it\x92s\n")
    rows = read_rows(tmp_path / "t.csv", ["text"], Faults())
    assert [mend(row["text"]) for _, row in rows] == ["it’s – a café", "it’s"]


@pytest.mark.parametrize("text", ["São Paulo", "naïve Ã", "Grüße", "it's plain", "€ 5"])
def test_what_is_right_stays(text):
    assert mend(text) == text


def test_a_missing_column_and_the_first_lines_of_excel(tmp_path):
    save(tmp_path / "t.csv", "\nsep=;\nfilename;text;\na.wav;hello, you;;\n", "utf-8-sig")
    faults = Faults()
    rows = read_rows(tmp_path / "t.csv", ["filename", "text"], faults)
    assert (rows, faults.found) == ([(4, {"filename": "a.wav", "text": "hello, you", "": ""})], [])
    with pytest.raises(UserError, match="no column 'emotion' and no column 'split' .its columns are filename"):
        read_rows(tmp_path / "t.csv", ["filename", "emotion", "split"], faults)


def test_quotes_that_are_not_closed_swallow_nothing(tmp_path):
    save(tmp_path / "t.csv", 'filename,text\na.wav,"He said\nb.wav,"yes"\nc.wav,no\n')
    faults = Faults()
    assert [row["filename"] for _, row in read_rows(tmp_path / "t.csv", ["filename"], faults)] == ["c.wav"]
    assert len(faults.found) == 1
    assert "t.csv, line 2: a quote is opened here and not closed" in faults.found[0]


def test_a_quote_that_the_last_row_does_not_close(tmp_path):
    faults = Faults()
    save(tmp_path / "t.csv", 'file,speaker,text\na.wav,x,hi\nb.wav,"y,ho\n')
    assert [row["file"] for _, row in read_rows(tmp_path / "t.csv", ["file"], faults)] == ["a.wav"]
    assert "t.csv, line 3: a quote is opened here and not closed" in faults.found[0]
    save(tmp_path / "t.tsv", 'file\ttext\na.wav\t"Yes\n')
    assert read_rows(tmp_path / "t.tsv", ["file"], Faults())[0][1]["text"] == '"Yes', "in a TSV a plain character"


def test_quotes_within_cells(tmp_path):
    save(tmp_path / "t.csv", 'filename,text\na.wav,"He said "yes" to me"\n')
    save(tmp_path / "t.tsv", 'filename\ttext\na.wav\t"Yes" he said\nb.wav\t5" of rain\n')
    assert len(read_rows(tmp_path / "t.csv", ["filename"], Faults())) == 1
    rows = read_rows(tmp_path / "t.tsv", ["filename"], Faults())
    assert [row["text"] for _, row in rows] == ['"Yes" he said', '5" of rain']


def test_every_faulty_line_is_told_at_once(tmp_path):
    save(tmp_path / "t.csv", "filename,text\na,b,c\nd,e\nf,g,h\n")
    faults = Faults()
    assert [line for line, _ in read_rows(tmp_path / "t.csv", ["filename"], faults)] == [3]
    with pytest.raises(UserError, match=r"(?s)There are 2 faults:\n- .*line 2: 3 cells.*\n- .*line 4: 3 cells"):
        faults.check()
