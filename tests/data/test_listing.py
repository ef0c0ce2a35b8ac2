"""What a user may point at: a folder, a file, a list, a table, paths, a DataFrame."""

from dataclasses import replace

import pandas as pd
import pytest
import soundfile

from emollm.data.listing import recordings
from emollm.errors import UserError
from tests.fake_corpus import tone


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.wav", "a.wav", "deep/c.flac"):
        soundfile.write(tmp_path / name, tone(300, 0.2), 16_000)
    (tmp_path / "notes.pdf").write_text("no sound")
    return tmp_path


def names(table):
    return [row.path.name for row in table]


def test_a_folder_is_read_recursively_in_order(folder):
    assert names(recordings(folder)) == ["a.wav", "b.wav", "c.flac"]
    assert names(recordings(str(folder))) == ["a.wav", "b.wav", "c.flac"]


def test_one_file_and_a_list_of_paths(folder):
    assert names(recordings(folder / "b.wav")) == ["b.wav"]
    paths = [folder / "b.wav", str(folder / "a.wav"), folder / "b.wav"]
    assert names(recordings(paths)) == ["b.wav", "a.wav", "b.wav"], "a row for each, in the given order"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_text_file_of_paths_counts_from_its_own_folder(folder, encoding):
    (folder / "ä.wav").write_bytes((folder / "a.wav").read_bytes())
    (folder / "list.txt").write_bytes("ä.wav\r\n\r\n  deep/c.flac \r\n".encode(encoding))
    table = recordings(folder / "list.txt")
    assert names(table) == ["ä.wav", "c.flac"]
    assert all(row.path.is_file() for row in table)


def test_a_table_brings_transcripts(folder):
    (folder / "table.csv").write_text("path,transcript\na.wav,the words\n")
    (row,) = recordings(folder / "table.csv")
    assert row.path == folder / "a.wav"
    assert row.transcript == "the words"


def test_a_frame_brings_transcripts_and_ignores_empty_cells(folder):
    frame = pd.DataFrame({"path": [folder / "a.wav", str(folder / "b.wav")], "transcript": ["words", None]})
    assert [row.transcript for row in recordings(frame)] == ["words", None]


def test_a_frame_is_read_as_its_file_would_be(folder):
    columns = "file,speaker,dialogue,turn,start,end,transcript,mood"
    rows = ["a.wav,3,d1,2,0,0.5,,low", "a.wav,3,d1,1,0.5,1.25,words,", "b.wav,,,,,,none,high"]
    (folder / "table.csv").write_text("\n".join([columns, *rows]))
    from_file = recordings(folder / "table.csv")
    frame = pd.read_csv(folder / "table.csv", keep_default_na=False, na_values=[""])
    frame["file"] = [str(folder / name) for name in frame["file"]]
    for mine, theirs in zip(recordings(frame), from_file, strict=True):
        kept = {name: value for name, value in mine.extra.items() if value is not None}
        assert kept == {name: value for name, value in theirs.extra.items() if value}
        assert replace(mine, extra={}, corpus="table") == replace(theirs, extra={})


def test_paths_of_a_frame_may_be_absolute_and_relative(folder, monkeypatch):
    monkeypatch.chdir(folder)
    table = recordings(pd.DataFrame({"path": [folder / "a.wav", "b.wav", "./a.wav"]}))
    assert [row.path.resolve().name for row in table] == ["a.wav", "b.wav", "a.wav"]
    assert len(set(table.values("id"))) == 3


def test_rows_of_a_frame_are_told_apart_whatever_their_ids(folder):
    frame = pd.DataFrame({"path": [str(folder / name) for name in ("a.wav", "b.wav", "a.wav")], "id": list("xxy")})
    assert recordings(frame).values("id") == ["x, row 0", "x, row 1", "y"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("gone", "There is no file or folder"),
        ("empty", "holds no sound files"),
        ("empty.txt", "is an empty list"),
        (pd.DataFrame({"number": [1]}), "The table has neither a column of paths nor one of transcripts"),
        (pd.DataFrame({"path": []}), "The table has no rows"),
        (pd.DataFrame({"path": ["a.wav"], "start": ["soon"]}), "Row 0 of the table: column 'start' holds 'soon'"),
        (pd.DataFrame({"path": ["a.wav", None]}), "Row 1 of the table has no path"),
    ],
)
def test_what_is_not_there_is_told(tmp_path, source, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(UserError, match=says):
        recordings(tmp_path / source if isinstance(source, str) else source)


def test_a_row_that_is_there_twice_counts_once_and_two_that_differ_are_refused(folder):
    (folder / "table.csv").write_text("id,path,transcript\nx,a.wav,hello\ny,a.wav,hello\nz,b.wav,words\n")
    assert names(recordings(folder / "table.csv")) == ["a.wav", "b.wav"]
    (folder / "table.csv").write_text("id,path,transcript\nx,a.wav,hello\ny,a.wav,I hate you\n")
    with pytest.raises(
        UserError, match=r"table\.csv: .*a\.wav has two rows that say different .* \(x and y\): keep"
    ):
        recordings(folder / "table.csv")


def test_rows_of_one_id_are_told_apart(folder):
    (folder / "table.jsonl").write_text('{"id": "1", "text": "one"}\n{"id": "1", "text": "two"}\n')
    (folder / "table.ndjson").write_text((folder / "table.jsonl").read_text())
    for name in ("table.jsonl", "table.ndjson"):
        table = recordings(folder / name)
        assert [(row.id, row.transcript) for row in table] == [("1, row 0", "one"), ("1, row 1", "two")]


def test_a_list_of_paths_may_begin_at_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert [row.path for row in recordings(["~/a.wav"])] == [folder / "a.wav"]


def test_an_empty_word_is_not_the_current_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match="an empty word, as of a variable that nobody set"):
        recordings("")
    assert len(recordings(".")) == 3
