"""Written transcripts: once for each sound, transcriber and language; what cannot be written ends no run."""

import json

import pytest
import soundfile
import torch

from emollm.data.batch import Collate, Item, UtteranceDataset
from emollm.data.transcribed import transcribed
from emollm.data.transcripts import Transcripts, identity
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.models.transcribe import _code
from emollm.prediction import from_scores
from tests.fake_corpus import tone
from tests.scribe import Scribe


@pytest.fixture(autouse=True)
def scribe(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    return Scribe.stand_in(monkeypatch)


@pytest.fixture
def table(tmp_path):
    for index in range(3):
        soundfile.write(tmp_path / f"{index}.wav", tone(300, 0.2 + 0.1 * index), 16_000)
    return UtteranceTable(Utterance(id=str(index), path=tmp_path / f"{index}.wav") for index in range(3))


def open_transcripts(source="packaged:whisper-base"):
    return Transcripts(source)


def fill(table, transcripts):
    return transcribed(table, transcripts, 0.1, 60.0, 0)


def test_a_table_is_transcribed_once_for_all_runs(table, tmp_path, scribe, capsys):
    filled, faults = fill(table, open_transcripts())
    assert filled.values("transcript") == ["3200 samples", "4800 samples", "6400 samples"]
    assert faults == {}
    assert "3 of 3 are written by packaged:whisper-base" in capsys.readouterr().out
    again, _ = fill(table, open_transcripts())
    assert again.values("transcript") == filled.values("transcript")
    assert capsys.readouterr().out == ""
    assert len(scribe.heard) == 3
    assert scribe.made == 1, "nothing is loaded when there is nothing to write"


def test_transcripts_of_the_corpus_stay(table, tmp_path, scribe):
    table = table.map(lambda row: Utterance(id=row.id, path=row.path, transcript="" if row.id == "0" else "said"))
    filled, _ = fill(table, open_transcripts())
    assert filled.values("transcript") == ["", "said", "said"]
    assert scribe.made == 0


def test_language_stretch_and_transcriber_have_transcripts_of_their_own(table, tmp_path, scribe):
    path = table[0].path
    rows = [
        Utterance(id="a", path=path),
        Utterance(id="b", path=path, language="de"),
        Utterance(id="c", path=path, end=0.15),
    ]
    fill(UtteranceTable(rows), open_transcripts())
    assert scribe.heard == [(3200, None), (3200, "de"), (2400, None)]
    fill(UtteranceTable(rows[:1]), open_transcripts("packaged:whisper-tiny.en"))
    assert len(scribe.heard) == 4
    (tmp_path / "b.wav").write_bytes(path.read_bytes())
    fill(UtteranceTable([Utterance(id="same sound", path=tmp_path / "b.wav")]), open_transcripts())
    assert len(scribe.heard) == 4


def test_what_cannot_be_transcribed_has_a_reason_and_is_tried_again(table, tmp_path, scribe):
    scribe.refuses = {4800}
    rows = [*table, Utterance(id="gone", path=tmp_path / "gone.wav"), Utterance(id="pathless")]
    filled, faults = fill(UtteranceTable(rows), open_transcripts())
    assert filled.values("transcript") == ["3200 samples", None, "6400 samples", None, None]
    assert faults["1"] == "cannot be transcribed (RuntimeError: a buffer is full)"
    assert "no such file" in faults["gone"]
    assert "no sound file" in faults["pathless"]
    scribe.refuses = set()
    filled, faults = fill(table, open_transcripts())
    assert filled.values("transcript")[1] == "4800 samples"
    assert faults == {}


def test_a_missing_transcriber_is_one_sentence_with_ways_out(table, tmp_path, monkeypatch):
    def missing(source, device):
        raise UserError(f"{source} needs a-package, not (wholly) installed here: run `pip install a-package`.")

    monkeypatch.setattr("emollm.models.transcribe.Transcriber", missing)
    with pytest.raises(UserError) as caught:
        fill(table, open_transcripts())
    text = str(caught.value)
    assert "pip install a-package" in text
    assert text.endswith("or leave transcripts out with --data.transcriber none.")
    assert text.count(". ") == 0, "one sentence"


def test_an_unknown_packaged_transcriber_is_told():
    with pytest.raises(UserError, match="no packaged model"):
        open_transcripts("packaged:whisper-huge")


def test_a_local_model_goes_by_its_bytes(tmp_path):
    for name, content in (("one", b"weights"), ("copy", b"weights"), ("other", b"Weights")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.bin").write_bytes(content)
    one, copy, other = (identity(str(tmp_path / name)) for name in ("one", "copy", "other"))
    assert one == copy != other


def test_a_torn_or_unwritable_record_is_as_good_as_none(table, tmp_path, monkeypatch):
    transcripts = open_transcripts()
    fill(table, transcripts)
    file = transcripts.file(table[0])
    file.write_text(file.read_text()[:10])
    assert transcripts.recall(table[0]).transcript is None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "file"))
    filled, _ = fill(table, open_transcripts())
    assert filled.values("transcript")[0] == "3200 samples"


def test_batches_are_filled_as_they_come(table, tmp_path, scribe):
    """As in a prediction: looked up by the workers, written by the main process, kept for the next run."""
    transcripts = open_transcripts()
    scribe.refuses = {4800}
    dataset = UtteranceDataset(table, transcripts=transcripts)
    batch = transcripts.fill(Collate({})(dataset.__getitems__(range(3))))
    assert batch.transcripts == ["3200 samples", "6400 samples"]
    assert batch.waveforms.shape[0] == len(batch.lengths) == len(batch.targets) == 2
    assert [(row.id, reason[:21]) for row, reason in batch.broken] == [("1", "cannot be transcribed")]
    assert dataset[0].utterance.transcript == "3200 samples", "looked up"
    assert json.loads(transcripts.file(table[0]).read_text())["text"] == "3200 samples"


def test_a_model_that_reads_alone_gets_sound_only_for_what_is_not_written_yet(table, tmp_path):
    transcripts = open_transcripts()
    fill(UtteranceTable(table[i] for i in (0, 1)), transcripts)
    dataset = UtteranceDataset(table, decode=False, transcripts=transcripts)
    assert [dataset[i].waveform is None for i in range(3)] == [True, True, False]
    batch = Collate({})(dataset.__getitems__(range(3)))
    assert batch.waveforms.shape[0] == 3, "all of a batch, or nothing"
    assert transcripts.fill(batch).transcripts[2] == "6400 samples"
    assert Collate({})(dataset.__getitems__(range(3))).waveforms is None


def test_sound_without_a_file_is_transcribed_and_not_kept():
    transcripts = open_transcripts()
    batch = Collate({})([Item(Utterance(id="array 0"), torch.ones(1600))])
    assert transcripts.fill(batch).transcripts == ["1600 samples"]
    assert not transcripts.folder.exists()


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-DE", "de"),
        ("de_AT", "de"),
        ("German", "de"),
        (" polish ", "pl"),
        ("nb-NO", "no"),
        (None, None),
    ],
)
def test_languages_may_be_written_in_several_ways(written, code):
    assert _code(written) == code


def test_an_unknown_language_is_found_out_by_listening(recwarn):
    assert _code("Klingon") is None
    assert "Whisper knows no language 'Klingon' and finds out by itself" in str(recwarn.list[0].message)


def test_a_file_that_was_replaced_meanwhile_lends_nobody_its_name(table, tmp_path):
    transcripts = open_transcripts()
    batch = Collate({})(UtteranceDataset(table, transcripts=transcripts).__getitems__(range(3)))
    soundfile.write(table[0].path, tone(300, 0.9), 16_000)
    assert transcripts.fill(batch).transcripts[0] == "3200 samples", "of what was heard"
    assert transcripts.recall(table[0]).transcript is None, "what is there now was not heard"
    assert transcripts.recall(table[1]).transcript == "4800 samples"


def test_one_that_needs_no_sound_depends_on_no_neighbour_that_does(table):
    lost = Utterance(id="lost", path=table[0].path.with_name("gone.wav"), transcript="hello there")
    dataset = UtteranceDataset(UtteranceTable([lost, table[1]]), decode=False, transcripts=open_transcripts())
    batch = Collate({})(dataset.__getitems__(range(2)))
    assert (batch.broken, batch.lengths.tolist()) == ([], [0, 4800])
    assert open_transcripts().fill(batch).transcripts == ["hello there", "4800 samples"]
    rows = from_scores(batch, None, None, None, [], "m")
    assert [row.duration for row in rows] == [None, pytest.approx(0.3)]
