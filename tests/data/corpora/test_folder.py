"""Plain recordings in folders."""

import pytest

from emollm.data.corpora import Folder
from emollm.errors import UserError
from tests.data.corpora.test_named import plant


def test_recordings_at_any_depth_with_ids_that_are_unique(tmp_path):
    root = plant(tmp_path / "calls", "a.wav", "x/b.MP3", "x/y/a.wav", "readme.md", ".a.wav")
    table = Folder(root, language="pl").read()
    assert table.values("id") == ["a.wav", "b", "x/y/a.wav"]
    assert table.unique("corpus") == ["calls"]
    assert table.unique("language") == ["pl"]
    assert table.unique("label") == table.unique("speaker") == table.unique("transcript") == []


def test_labels_and_speakers_from_the_folders_names(tmp_path):
    root = plant(tmp_path, "anna/Anger/1.wav", "anna/happiness/1.wav", "bo/Zest/1.wav", "stray.wav")
    table = Folder(root, labels_from="parent", speaker_from="grandparent").read()
    assert table.values("label") == ["angry", "happy", "zest", None]
    assert table.values("speaker") == ["anna", "anna", "bo", None]


def test_transcripts_from_text_files_beside(tmp_path):
    root = plant(tmp_path, "a.wav", "b.wav", "c.wav", "d.wav")
    (tmp_path / "a.txt").write_bytes("\ufeffGrüß  dich,\r\nAnna!\r\n".encode())
    (tmp_path / "b.lab").write_bytes("naïve “quotes”".encode("cp1252"))
    (tmp_path / "c.txt").write_bytes(b" \n")
    assert Folder(root).read().values("transcript") == ["Grüß dich, Anna!", "naïve “quotes”", None, None]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no sound files"):
        Folder(plant(tmp_path / "x", "notes.txt")).read()
