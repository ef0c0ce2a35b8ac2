"""The writer of predictions: rows as they come, what a kill leaves behind, names of every kind."""

import csv
import fcntl
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from emollm.callbacks.writer import PredictionWriter, stamp
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.prediction import Prediction, columns, name_of

LABELS = ["angry", "sad"]


def row(name, transcript="words", error=None, **stretch):
    utterance = Utterance(id=name, path=Path(name), **stretch)
    chances = {} if error else {"angry": 0.75, "sad": 0.25}
    return Prediction(utterance, None if error else "angry", chances, transcript, 1.5, "m@1", error).row()


def table(*names):
    return UtteranceTable(Utterance(id=name, path=Path(name)) for name in names)


def quiet():
    return Console(file=io.StringIO())


@pytest.fixture
def writer(tmp_path):
    return started(PredictionWriter(tmp_path / "out", LABELS, "m@1"))


def started(writer, rank=0):
    if rank == 0:
        writer.start()
    writer.open(rank)
    return writer


def again(writer, model="m@1", restart=False, settings=None):
    return PredictionWriter(writer.output, LABELS, model, restart, settings)


def lines(writer):
    return [json.loads(line) for line in writer.jsonl.read_text(errors="surrogateescape").split("\n")[:-1]]


def test_rows_are_on_the_disk_as_soon_as_they_are_appended(writer):
    writer.append([row("a.wav")])
    assert json.loads(writer.jsonl.read_text())["path"] == "a.wav"
    writer.append([row("b.wav")])
    assert len(writer.jsonl.read_text().splitlines()) == 2


def test_the_csv_equals_the_jsonl_in_the_order_of_the_source(writer):
    writer.append(
        [row("c.wav"), row("a.wav", transcript='a "quoted", line\nand more'), row("b.wav", error="torn")]
    )
    writer.finish(table("a.wav", "b.wav", "c.wav"), quiet())
    assert [line["path"] for line in lines(writer)] == ["a.wav", "b.wav", "c.wav"]
    frame = pd.read_csv(writer.csv)
    assert list(frame.columns) == columns(LABELS)
    for line, (_, cells) in zip(lines(writer), frame.iterrows(), strict=True):
        for name, cell in cells.items():
            value = line.get(name)
            assert (pd.isna(cell) and value is None) or cell == value, name


def test_a_line_cut_off_by_a_kill_is_done_again(writer):
    """The cut may fall into the middle of a letter."""
    writer.append([row("a.wav"), row("b.wav", transcript="Grüße")])
    whole = writer.jsonl.read_bytes()
    writer.jsonl.write_bytes(whole[: whole.index("ü".encode()) + 1])
    assert again(writer).start() == {"a.wav"}
    assert len(writer.jsonl.read_text().splitlines()) == 1


def test_rows_with_an_error_are_tried_again(writer):
    writer.append([row("a.wav"), row("b.wav", error="torn")])
    assert again(writer).start() == {"a.wav"}


def test_rows_of_other_recordings_stay_and_are_not_counted(writer):
    """One folder labelled after the other, into the same output."""
    writer.append([row("a.wav"), row("b.wav", error="torn")])
    second = again(writer)
    assert second.start(table("c.wav", "d.wav")) == set()
    second.open()
    second.append([row("c.wav"), row("d.wav", error="torn")])
    out = quiet()
    second.finish(table("c.wav", "d.wav"), out)
    assert [line["path"] for line in lines(writer)] == ["c.wav", "d.wav", "a.wav", "b.wav"]
    said = " ".join(out.file.getvalue().split())
    assert "2 recordings, 1 with an error; 2 of earlier calls, of other recordings, stand behind them" in said
    assert "a.wav" not in said
    assert again(writer).start(table("a.wav", "b.wav")) == {"a.wav"}


@pytest.mark.parametrize("change", ["sound", "transcript", "nothing", "away"])
def test_what_has_changed_since_is_labelled_anew(writer, tmp_path, change):
    (tmp_path / "a.wav").write_bytes(b"sound")
    given = Utterance(id="a", path=tmp_path / "a.wav", transcript="words")
    writer.append([row(str(given.path)) | {"stamp": stamp(given)}])
    if change == "sound":
        (tmp_path / "a.wav").write_bytes(b"other sound")
    if change == "transcript":
        given = replace(given, transcript="other words")
    if change == "away":
        (tmp_path / "a.wav").unlink()
    done = again(writer).start(UtteranceTable([given]))
    assert done == ({str(given.path)} if change in ("nothing", "away") else set())
    assert len(lines(writer)) == len(done)


def test_another_models_rows_are_refused_before_long_work(writer):
    writer.append([row("a.wav")])
    with pytest.raises(UserError, match="of another model .m@1, not m@2."):
        again(writer, "m@2").check()
    again(writer, "m@2", restart=True).check()
    assert [line["path"] for line in lines(writer)] == ["a.wav"], "nothing is thrown away yet"


def test_another_models_rows_are_refused_and_kept(writer):
    writer.append([row("a.wav")])
    before = writer.jsonl.read_text()
    with pytest.raises(UserError, match="another model"):
        again(writer, "m@2").start()
    assert writer.jsonl.read_text() == before
    assert again(writer, "m@2", restart=True).start() == set()


MADE = {"prompt": "audio_transcript@1", "transcriber": "none", "calibration": "none"}


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prompt": "audio_transcript@2"}, r"another prompt \('audio_transcript@1', not 'audio_transcript@2'\):"),
        (
            {"transcriber": "packaged:whisper-base"},
            r"another transcriber \('none', not 'packaged:whisper-base'\):",
        ),
    ],
)
def test_rows_that_were_made_otherwise_are_refused_and_kept(writer, rank, change, says):
    started(again(writer, settings=MADE), rank).append([row("a.wav")])
    before = {file: file.read_text() for file in writer.output.iterdir()}
    with pytest.raises(UserError, match=says + " give another --output, or --restart true"):
        again(writer, settings=MADE | change).start()
    assert {file: file.read_text() for file in writer.output.iterdir()} == before
    assert again(writer, settings=MADE).start() == {"a.wav"}, "the same settings go on"
    assert again(writer, settings=MADE | change, restart=True).start() == set()


def test_rows_of_an_earlier_version_do_not_tell_how_they_were_made(writer):
    writer.jsonl.write_text(json.dumps(row("a.wav")) + "\n")
    assert again(writer, settings=MADE).start() == {"a.wav"}
    started(again(writer, settings=MADE)).append([row("b.wav")])
    assert [line.get("settings") for line in lines(writer)] == [None, MADE]
    assert again(writer, settings={**MADE, "new in a later version": "1"}).start() == {"a.wav", "b.wav"}


@pytest.mark.parametrize("text", ["one\u2028two", "one\x85two", "one\x0btwo", "one\ntwo"])
def test_a_transcript_may_hold_any_line_separator(writer, text):
    writer.append([row("a.wav", transcript=text)])
    assert again(writer).start() == {"a.wav"}
    again(writer).finish(table("a.wav"), quiet())
    assert [line["transcript"] for line in lines(writer)] == [text]


def test_a_file_name_need_not_be_utf_8(writer):
    name = os.fsdecode(b"gr\xfc\xdfe.wav")
    writer.append([row(name)])
    assert again(writer).start(table(name)) == {"gr\\udcfc\\udcdfe.wav"}
    terminal = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    writer.finish(table(name), terminal)
    assert list(pd.read_csv(writer.csv)["path"]) == ["gr\\udcfc\\udcdfe.wav"], "any program reads it"
    assert lines(writer)[0]["path"] == "gr\\udcfc\\udcdfe.wav"


def test_two_stretches_of_one_file_are_two_rows(writer):
    rows = [row("a.wav", start=0.0, end=1.5), row("a.wav", start=1.5)]
    writer.append(rows)
    assert again(writer).start() == {"a.wav#t=0,1.5", "a.wav#t=1.5"}
    source = UtteranceTable(
        [
            Utterance(id="2", path=Path("a.wav"), start=1.5),
            Utterance(id="1", path=Path("a.wav"), start=0.0, end=1.5),
        ]
    )
    again(writer).finish(source, quiet())
    assert [line["path"] for line in lines(writer)] == ["a.wav#t=1.5", "a.wav#t=0,1.5"]


def test_an_utterance_without_sound_goes_by_its_id(writer):
    utterance = Utterance(id="row 1", transcript="words")
    writer.append([Prediction(utterance, "sad", {"angry": 0.1, "sad": 0.9}, "words", None, "m@1").row()])
    assert again(writer).start() == {"row 1"}
    with writer.csv.open() as stream:
        assert [line["path"] for line in csv.DictReader(stream)] == ["row 1"]


def test_several_processes_write_shards_that_the_first_one_merges_once(writer):
    others = [started(again(writer), rank) for rank in (1, 2)]
    writer.append([row("b.wav")])
    others[0].append([row("a.wav"), row("d.wav", error="torn")])
    others[1].append([row("c.wav")])
    for other in others:
        other.close()
    assert len(list(writer.output.glob("*rank*"))) == 2
    out = quiet()
    writer.finish(table("a.wav", "b.wav", "c.wav", "d.wav"), out)
    assert [line["path"] for line in lines(writer)] == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert list(pd.read_csv(writer.csv)["path"]) == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert "4 recordings, 1 with an error" in out.file.getvalue()
    assert sorted(file.name for file in writer.output.glob("[!.]*")) == ["predictions.csv", "predictions.jsonl"]


def test_shards_of_a_killed_run_are_merged_by_the_next(writer):
    other = started(again(writer), 1)
    writer.append([row("a.wav")])
    other.append([row("b.wav"), row("c.wav", error="torn")])
    shard = writer.output / "predictions.rank1.jsonl"
    shard.write_bytes(shard.read_bytes() + b'{"path": "d.w')
    assert again(writer).start() == {"a.wav", "b.wav"}
    assert not shard.exists()
    assert [line["path"] for line in lines(writer)] == ["a.wav", "b.wav"]


def test_a_kill_between_merging_and_tidying_up_leaves_no_row_twice(writer):
    other = started(again(writer), 1)
    other.append([row("a.wav")])
    left = (writer.output / "predictions.rank1.jsonl").read_bytes()
    again(writer).start()
    (writer.output / "predictions.rank1.jsonl").write_bytes(left)
    assert again(writer).start() == {"a.wav"}
    assert len(lines(writer)) == 1


def test_a_new_beginning_forgets_shards_too(writer):
    started(again(writer), 1).append([row("a.wav")])
    assert again(writer, restart=True).start() == set()
    assert not list(writer.output.glob("*rank*"))


def test_another_models_shards_are_refused_and_kept(writer):
    started(again(writer), 1).append([row("a.wav")])
    with pytest.raises(UserError, match="another model"):
        again(writer, "m@2").start()
    assert (writer.output / "predictions.rank1.jsonl").is_file()


def test_two_at_once_take_turns(tmp_path, capsys, monkeypatch):
    """The second one waits, and then finds what the first has done."""
    first, second = (PredictionWriter(tmp_path / "out", LABELS, "m@1") for _ in range(2))
    first._hold()
    started(first).append([row("a.wav")])
    real = fcntl.flock

    def flock(file, how):
        if how == fcntl.LOCK_EX:  # it is about to wait
            assert "Another emollm predict is at work" in capsys.readouterr().err
            first.close()
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    second._hold()
    assert second.start(table("a.wav", "b.wav")) == {"a.wav"}
    second.finish(table("a.wav"), quiet())
    first.finish(table("a.wav"), quiet())
    assert not capsys.readouterr().err, "nobody is waited for once both are done"


def test_stretches_are_told_apart_to_the_microsecond(tmp_path):
    names = [name_of(Utterance(id="x", path=Path("x.wav"), start=start, end=end)) for start, end in STRETCHES]
    assert names == ["x.wav#t=12345.61,12346.62", "x.wav#t=12345.64,12346.64", "x.wav#t=0,1234567", "x.wav#t=0.25"]


STRETCHES = [(12345.61, 12346.62), (12345.64, 12346.64), (None, 1234567.0), (0.25, None)]


@pytest.mark.parametrize("known", [{"speaker": "1"}, {"cues": "loud"}])
def test_whose_voice_it_is_and_what_is_told_of_it_belong_to_a_row(tmp_path, known):
    (tmp_path / "a.wav").write_bytes(b"")
    plain = Utterance(id="a", path=tmp_path / "a.wav")
    assert stamp(plain) != stamp(replace(plain, **known))


def test_brackets_in_the_name_of_the_output_are_no_markup(tmp_path):
    writer = started(PredictionWriter(tmp_path / "a[/red]b[x]", LABELS, "m@1"))
    writer.append([row("a.wav")])
    console = Console(file=io.StringIO())
    writer.finish(table("a.wav"), console)
    assert "a[/red]b[x]" in console.file.getvalue()
