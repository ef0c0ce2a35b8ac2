import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError

from emollm.errors import UserError
from emollm.models.cache import build_once, cache_folder, is_whole

ORIGIN = {"model.bin": "abc"}


def fill(folder: Path) -> None:
    (folder / "weights").write_bytes(b"12345")
    (folder / "inner").mkdir()
    (folder / "inner" / "config.json").write_text("{}")


def refuse(folder: Path) -> None:
    raise AssertionError("built although it is whole")


def test_cache_folder_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("EMOLLM_CACHE", "~/there")
    assert cache_folder() == Path.home() / "there"
    monkeypatch.delenv("EMOLLM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().name == "emollm"
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "emollm"


def test_builds_once_with_one_line(tmp_path, capsys):
    folder = tmp_path / "models" / "x"
    assert build_once(folder, ORIGIN, fill, "Converting x") == folder
    assert (folder / "weights").read_bytes() == b"12345"
    assert capsys.readouterr().err == "Converting x\n"
    build_once(folder, ORIGIN, refuse, "Converting x")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", ["cut", "gone", "origin", "seal"])
def test_damaged_or_outdated_folders_are_built_anew(tmp_path, damage):
    folder, origin = tmp_path / "x", dict(ORIGIN)
    build_once(folder, origin, fill, "")
    if damage == "cut":
        (folder / "weights").write_bytes(b"123")
    elif damage == "gone":
        (folder / "inner" / "config.json").unlink()
    elif damage == "origin":
        origin["converter"] = "2"
    else:
        (folder / "emollm_source.json").write_text("{")
    assert not is_whole(folder, origin)
    build_once(folder, origin, fill, "")
    assert is_whole(folder, origin)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".x.lock", "x"]


def test_failed_fill_leaves_nothing(tmp_path):
    def fail(folder: Path) -> None:
        (folder / "weights").write_bytes(b"1")
        raise UserError("wrong checksum")

    with pytest.raises(UserError, match="wrong checksum"):
        build_once(tmp_path / "x", ORIGIN, fail, "")
    assert [path.name for path in tmp_path.iterdir()] == [".x.lock"]


def test_unwritable_cache_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="EMOLLM_CACHE"):
        build_once(tmp_path / "file" / "x", ORIGIN, fill, "")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("No space left")])
def test_full_disk_is_one_sentence(tmp_path, error):
    def fail(folder: Path) -> None:
        (folder / "weights").write_bytes(b"1")
        raise error

    with pytest.raises(UserError, match=r"No space left.*EMOLLM_CACHE"):
        build_once(tmp_path / "x", ORIGIN, fail, "")
    assert [path.name for path in tmp_path.iterdir()] == [".x.lock"]


SLOW = """
import sys, time
from pathlib import Path
from emollm.models.cache import build_once
def fill(folder):
    (folder / "weights").write_bytes(b"half")
    print("half", flush=True)
    time.sleep(float(sys.argv[2]))
    (folder / "weights").write_bytes(b"whole")
build_once(Path(sys.argv[1]), {"model.bin": "abc"}, fill, "notice")
"""


def start(folder: Path, seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-c", SLOW, str(folder), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name != "posix", reason="kills a process the POSIX way")
def test_killed_conversion_leaves_nothing_that_counts(tmp_path):
    folder = tmp_path / "x"
    process = start(folder, 60)
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not folder.exists()
    assert (tmp_path / ".x.new.partial").is_dir()  # what the killed one could not remove
    build_once(folder, ORIGIN, fill, "")
    assert (folder / "weights").read_bytes() == b"12345"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".x.lock", "x"]


def test_two_processes_build_once(tmp_path):
    folder = tmp_path / "x"
    processes = [start(folder, 0.5) for _ in range(3)]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(said) == ["", "", "half\n"]
    assert (folder / "weights").read_bytes() == b"whole"
