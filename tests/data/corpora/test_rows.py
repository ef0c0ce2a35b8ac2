"""Owners' tables and texts from many hands."""

import pytest

from emollm.data.corpora.rows import find_files, mend, read_rows
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_tables(tmp_path, delimiter, encoding):
    text = 'FileName|Text\r\na.wav|"“Ça va”\r\nhe said"\r\n\r\nb.wav\r\n'.replace("|", delimiter)
    save(tmp_path / "t.csv", text, encoding)
    assert read_rows(tmp_path / "t.csv", ["filename"]) == [
        {"filename": "a.wav", "text": "“Ça va”\nhe said"},
        {"filename": "b.wav", "text": ""},
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "no column 'filename' .its columns are a, b"),
        ("", "no column 'filename'"),
        ("filename\nx,y\n", "line 2: 2 cells for 1 columns"),
        ("filename\n" + "x" * 200_000 + "\n", "line 2: field larger than"),
    ],
)
def test_faults_name_the_table(tmp_path, text, says):
    save(tmp_path / "t.csv", text)
    with pytest.raises(UserError, match=rf"t\.csv.*{says}"):
        read_rows(tmp_path / "t.csv", ["filename"])


def test_a_file_of_two_encodings(tmp_path):
    """One row pasted from elsewhere: a byte that is no UTF-8 makes the rest look like Windows-1252."""
    (tmp_path / "t.csv").write_bytes("text\nit’s – a café\n".encode() + b"it\x92s\n")
    rows = read_rows(tmp_path / "t.csv", ["text"])
    assert [mend(row["text"]) for row in rows] == ["it’s – a café", "it’s"]


@pytest.mark.parametrize("text", ["São Paulo", "naïve Ã", "Grüße", "it's plain", "€ 5"])
def test_what_is_right_stays(text):
    assert mend(text) == text


def test_files_are_found_in_any_case_and_hidden_ones_are_not(tmp_path):
    plant(tmp_path, "Labels/Data.TSV", ".git/data.tsv", "._data.tsv", "x/data.tsv/keep.txt")
    assert find_files(tmp_path, "data.tsv") == [tmp_path / "Labels/Data.TSV"]
