"""What is remembered of sound files: never stale, shared by processes, and no loss when it is gone."""

import json
import multiprocessing
import os

import pytest
import soundfile

from emollm.data import sounds
from emollm.data.sounds import SoundIndex
from emollm.data.utterance import Utterance
from tests.fake_corpus import tone


def sound_file(path, hertz=300, seconds=0.4, age=100):
    soundfile.write(path, tone(hertz, seconds), 16_000)
    changed = path.stat().st_mtime - age
    os.utime(path, (changed, changed))
    return path


@pytest.fixture
def file(tmp_path):
    return sound_file(tmp_path / "a.wav")


@pytest.fixture
def opened(monkeypatch):
    """Names of the files that were read."""
    names, examine = [], sounds._examine.__wrapped__
    monkeypatch.setattr(sounds, "_examine", lambda name, *state: names.append(name) or examine(name, *state))
    return names


def test_a_file_is_read_once_for_all_runs(tmp_path, file, opened):
    first = SoundIndex(tmp_path / "sounds.jsonl").sound(file)
    assert first.seconds == pytest.approx(0.4)
    assert SoundIndex(tmp_path / "sounds.jsonl").sound(file) == first
    assert SoundIndex(tmp_path / "sounds.jsonl").known(file) == first
    assert opened == [str(file)]


def test_a_changed_file_is_read_again(tmp_path, file):
    index = SoundIndex(tmp_path / "sounds.jsonl")
    first = index.sound(file)
    sound_file(file, hertz=500, age=50)
    assert index.known(file) is None
    assert index.sound(file).digest != first.digest
    assert SoundIndex(tmp_path / "sounds.jsonl").sound(file) == index.sound(file)


def test_a_file_that_was_replaced_with_its_old_time_is_read_again(tmp_path, file):
    """As by cp -p, rsync or tar."""
    index, before = SoundIndex(tmp_path / "sounds.jsonl"), file.stat()
    first = index.sound(file)
    sound_file(file, hertz=500)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert SoundIndex(tmp_path / "sounds.jsonl").known(file) is None
    assert index.sound(file).digest != first.digest


def test_what_changed_a_moment_ago_is_not_written_down(tmp_path):
    """It may change again within one tick of the file system's clock."""
    SoundIndex(tmp_path / "sounds.jsonl").sound(sound_file(tmp_path / "new.wav", age=0))
    assert not (tmp_path / "sounds.jsonl").exists()


def test_torn_lines_are_passed_over(tmp_path, file, opened):
    record = tmp_path / "sounds.jsonl"
    other = sound_file(tmp_path / "b.wav", hertz=500)
    for path in (file, other):
        SoundIndex(record).sound(path)
    lines = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(lines[0][:30] + lines[1] + b"[1]\nnull\n" + lines[0])
    assert SoundIndex(record).known(file) is not None
    assert SoundIndex(record).known(other) is None, "glued to a torn line"


def test_the_record_may_be_deleted_or_unwritable(tmp_path, file):
    record = tmp_path / "sounds.jsonl"
    index = SoundIndex(record)
    first = index.sound(file)
    record.unlink()
    assert index.sound(file) == SoundIndex(record).sound(file) == first
    (tmp_path / "no folder").write_text("")
    assert SoundIndex(tmp_path / "no folder" / "sounds.jsonl").sound(file) == first


def test_without_a_record_nothing_is_written_and_memory_is_bounded(tmp_path, file):
    index = SoundIndex()
    assert index.sound(file) == index.sound(file)
    assert index._entries() == {}
    assert sounds._examine.cache_info().maxsize < 10_000


def test_the_length_is_that_of_the_stretch(tmp_path, file):
    index = SoundIndex(tmp_path / "sounds.jsonl")
    rows = [
        Utterance(id="whole", path=file),
        Utterance(id="end", path=file, start=0.1),
        Utterance(id="middle", path=file, start=0.1, end=0.3),
        Utterance(id="gone", path=tmp_path / "gone.wav"),
        Utterance(id="text"),
    ]
    want = pytest.approx([0.4, 0.3, 0.2, 0, 0])
    assert index.all_seconds(rows) == want
    index.sound(file)
    assert index.all_seconds(rows) == want, "from memory too"


def _remember(record, files):
    index = SoundIndex(record)
    for file in files:
        index.sound(file)


def test_processes_write_into_one_record(tmp_path):
    files = [sound_file(tmp_path / f"{number}.wav", hertz=100 + number, seconds=0.05) for number in range(40)]
    context = multiprocessing.get_context("fork")
    record = tmp_path / "sounds.jsonl"
    writers = [context.Process(target=_remember, args=(record, files[part::2] + files[:5])) for part in (0, 1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for line in record.read_text().splitlines():
        assert len(json.loads(line)) == 6, "no line is torn"
    index = SoundIndex(record)
    assert all(index.known(file) for file in files)
