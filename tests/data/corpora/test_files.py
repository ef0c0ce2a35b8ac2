"""What is found below a folder, whoever packed it; and what is said when much is wrong."""

import os

import pytest

from emollm.data.audio import AudioError
from emollm.data.corpora.faults import Faults
from emollm.data.corpora.files import by_stem, find_files, find_table, sound_files, stem_of
from emollm.data.corpora.text import POLISH, read_text, tell_foreign
from emollm.data.decode import read_header
from emollm.data.folders import visible_files
from emollm.errors import UserError
from tests.data.corpora.planting import plant, save


def test_files_are_found_in_any_case_and_hidden_ones_are_not(tmp_path):
    plant(tmp_path, "Labels/Data.TSV", ".git/data.tsv", "._data.tsv", "x/data.tsv/keep.txt", "__MACOSX/data.tsv")
    assert find_files(tmp_path, "data.tsv") == [tmp_path / "Labels/Data.TSV"]


def test_links_are_followed_and_not_for_ever(tmp_path):
    plant(tmp_path / "elsewhere", "data.tsv")
    (tmp_path / "corpus").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "corpus/linked")
    os.symlink(tmp_path / "corpus", tmp_path / "corpus/again")
    assert find_files(tmp_path / "corpus", "data.tsv") == [tmp_path / "corpus/linked/data.tsv"]


def test_names_that_a_zip_made_on_windows_leaves(tmp_path):
    plant(tmp_path, r"Labels\data.tsv", r"Audio\a.wav", r"Audio\._a.wav", r"__MACOSX\b.wav")
    assert [stem_of(path) for path in visible_files(tmp_path)] == ["a", "data"]
    assert find_table(tmp_path, "data.tsv").name == r"Labels\data.tsv"
    assert list(by_stem(sound_files(tmp_path))) == ["a"]


def test_what_is_without_loss_goes_first(tmp_path):
    plant(tmp_path, "AudioMP3/a.mp3", "AudioWAV/a.WAV", "AudioMP3/b.mp3")
    found = by_stem(sound_files(tmp_path))
    assert {name: path.suffix for name, path in found.items()} == {"a": ".WAV", "b": ".mp3"}
    save(tmp_path / "AudioWAV/b.wav", "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n")
    assert by_stem(sound_files(tmp_path))["b"].suffix == ".mp3", "not the pointer that Git LFS left"
    with pytest.raises(AudioError, match="a pointer to a file that Git LFS keeps elsewhere"):
        read_header(tmp_path / "AudioWAV/b.wav")


def test_a_table_that_is_there_twice(tmp_path, recwarn):
    save(tmp_path / "a/data.csv", "x")
    save(tmp_path / "b/data.csv", "x")
    assert find_table(tmp_path, "other.csv", "data.csv") == tmp_path / "a/data.csv"
    assert not recwarn
    save(tmp_path / "b/data.csv", "y")
    with pytest.warns(UserWarning, match=r"a.data\.csv is read; .*b.data\.csv has the same name and another"):
        find_table(tmp_path, "data.csv")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-8-sig"])
def test_chinese_without_a_mark(tmp_path, encoding):
    text = "0003_000001\t打远一看，它们的确很是美丽，让人流连忘返。\t中立\n"
    save(tmp_path / "t.txt", text.replace("\n", "\r\n"), encoding)
    assert read_text(tmp_path / "t.txt") == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "cp1256", "utf-8"])
@pytest.mark.parametrize("text", ["میترسیدم", "سلام", "سلام جان من"])
def test_persian_without_a_mark(tmp_path, encoding, text):
    text = text.replace("ی", "ي")  # Windows-1256 has the Arabic letter alone
    save(tmp_path / "t.ort", text, encoding)
    assert read_text(tmp_path / "t.ort", fallback="cp1256") == text


@pytest.mark.parametrize("length", [8, 9, 400, 401, 10_000, 10_001])
@pytest.mark.parametrize(
    ("piece", "encoding"),
    [
        ("déjà vu, ça;happy\n", "cp1252"),
        ("0003_000001\t打远一看，美丽\t中立\n", "gb18030"),
        ("میترسیدم ترسی\n".replace("ی", "ي"), "cp1256"),
        ("a,b,c\n\x1a", "ascii"),
    ],
)
def test_single_bytes_are_not_taken_for_pairs(tmp_path, piece, encoding, length):
    text = (piece * 10_000)[:length]
    save(tmp_path / "t.txt", text, encoding)
    assert read_text(tmp_path / "t.txt", fallback=encoding) == text


def test_curly_quotes_of_a_mac(tmp_path):
    save(tmp_path / "t.csv", "a,b\rIt’s,Café\r", "mac_roman")
    assert read_text(tmp_path / "t.csv") == "a,b\nIt’s,Café\n"


def test_encodings_line_by_line(tmp_path):
    text = "naïve".encode() + b"\r\n" + "naïve “it”".encode("cp1252") + b"\r" + "中立".encode("gb2312")
    (tmp_path / "t.txt").write_bytes(text)
    assert read_text(tmp_path / "t.txt", fallback="gb2312").split("\n") == ["naïve", "naïve “it”", "中立"]
    (tmp_path / "u.txt").write_bytes("abc".encode("utf-16") + b"\x00")
    assert read_text(tmp_path / "u.txt").startswith("abc"), "cut off in the middle of a character"


def test_lines_in_an_encoding_that_is_guessed_are_told(tmp_path, recwarn):
    foreign: list[str] = []
    save(tmp_path / "t.txt", "naïve\nplain\n")
    assert read_text(tmp_path / "t.txt", foreign=foreign) == "naïve\nplain\n"
    (tmp_path / "t.txt").write_bytes("naïve\n".encode() + "naïve\nit’s\nplain\n".encode("cp1252"))
    assert read_text(tmp_path / "t.txt", foreign=foreign) == "naïve\nnaïve\nit’s\nplain\n"
    assert foreign == [f"2 lines of {tmp_path / 't.txt'} as Windows-1252"]
    tell_foreign([])
    assert not recwarn
    with pytest.warns(
        UserWarning, match=r"no UTF-8, and are read in .* \(1: 2 lines of .*t\.txt as Windows-1252\)"
    ):
        tell_foreign(foreign)


@pytest.mark.parametrize("encoding", ["cp1250", "iso8859_2", "utf-8"])
@pytest.mark.parametrize("text", ["Cię są!", "źle", "ŚCIĄGA, Źródło", "zażółć gęślą jaźń"])
def test_polish_of_windows_and_of_unix(tmp_path, encoding, text):
    save(tmp_path / "t.tsv", f"{text}\n", encoding)
    assert read_text(tmp_path / "t.tsv", POLISH) == f"{text}\n"


def test_signs_in_polish_of_windows(tmp_path):
    text = "„Jaźń” – 5 ± 2, § 3 ¶ 4\n"
    save(tmp_path / "t.tsv", text, "cp1250")
    assert read_text(tmp_path / "t.tsv", POLISH) == text


def test_faults_are_told_together():
    faults = Faults()
    faults.check()
    with faults.gather():
        raise UserError("one")
    with pytest.raises(UserError, match="^one$"):
        faults.check()
    for number in range(30):
        faults.add(f"fault {number}")
    with pytest.raises(UserError, match=r"(?s)^There are 31 faults:\n- one\n- fault 0\n.*\n- and 11 more$"):
        faults.check()
