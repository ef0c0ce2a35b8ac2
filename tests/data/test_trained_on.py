"""A checkpoint knows on whom it was trained, whatever recipe it is tested or resumed with."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from emollm.__main__ import main
from emollm.data.protocols import RandomSplit, SpeakerSplit
from emollm.data.trained_on import lines, refuse_another_split, refuse_heard, remember, shared, trained
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from tests.small import run


def split(seed=0, speakers=10, nameless=0):
    named = [
        Utterance(id=f"{who}-{n}", corpus="c", speaker=f"s{who}") for who in range(speakers) for n in range(3)
    ]
    return SpeakerSplit(seed=seed).split(
        UtteranceTable([*named, *(Utterance(id=f"x{n}", corpus="d") for n in range(nameless))])
    )


def test_a_model_tested_on_its_own_split_needs_no_word():
    assert lines(remember(split()), split()) == []


def test_speakers_of_its_own_training_are_told_by_name():
    mine, other = remember(split(0)), split(1)
    known = {row.speaker for row in split(0).train + split(0).validation}
    both = sorted({f"c/{row.speaker}" for row in other.test if row.speaker in known})
    assert both, "the seeds test other speakers"
    assert shared(mine, other.test) == both
    first, second = lines(mine, other)
    assert first.startswith("This model was trained on another split (by speaker, seed 0: ")
    assert second.startswith(f"{len(both)} of the speakers and utterances measured here were in this model's own")
    assert both[0] in second


def test_another_split_of_the_same_speakers_is_another_split():
    table = UtteranceTable(
        Utterance(id=f"{who}-{n}", corpus="c", speaker=f"s{who}") for who in range(6) for n in range(20)
    )
    mine, other = (RandomSplit(seed=seed).split(table) for seed in (0, 1))
    assert len(lines(remember(mine), other)) == 2
    with pytest.raises(UserError, match="another split"):
        refuse_another_split(remember(mine), other)


def test_utterances_of_nobody_are_known_one_by_one():
    mine = remember(split(0, nameless=20))
    assert set(shared(mine, split(1, nameless=20).test)) & {f"d/x{n}" for n in range(20)}
    assert not any("s1" in text for text in mine["speakers"]), "names do not travel with a model"


def test_nothing_is_chosen_on_what_was_trained_on():
    """The last fit of a recipe has trained on the validation speakers of the fit before."""
    mine = split()
    last = remember(replace(mine, train=mine.train + mine.validation, validation=UtteranceTable()))
    voices = sorted({f"c/{row.speaker}" for row in mine.validation})
    assert trained(last, mine.validation) == voices
    with pytest.raises(UserError, match=f"trained on {len(voices)} of the .* calibrated on .{voices[0]}"):
        refuse_heard(last, mine.validation, "calibrated")
    assert voices[0] in lines(last, mine, "validation")[1]
    refuse_heard(remember(mine), mine.validation, "calibrated")
    some = mine.validation.where(lambda row: row.id.endswith("0"))
    refuse_heard(remember(mine), some, "calibrated")
    assert trained(remember(mine), some + mine.train) == sorted({f"c/{row.speaker}" for row in mine.train})
    # MELD's cast is in all parts: what was validated on is no training, though its speakers are heard there.
    shared_cast = RandomSplit().split(
        UtteranceTable(Utterance(id=f"{n}", corpus="c", speaker=f"s{n % 2}") for n in range(20))
    )
    refuse_heard(remember(shared_cast), shared_cast.validation, "calibrated")
    most = UtteranceTable(list(shared_cast.validation)[1:])
    refuse_heard(remember(shared_cast), most, "calibrated")
    earlier = {name: value for name, value in last.items() if name != "chosen_on"}
    refuse_heard(earlier, mine.validation, "calibrated")  # it does not tell
    refuse_heard(None, mine.train, "calibrated")


def test_a_model_that_does_not_tell_is_said_to():
    assert lines(None, split())[0].startswith("This model does not tell what it was trained on")


def test_a_run_goes_on_with_its_own_split_alone():
    refuse_another_split(remember(split()), split())
    refuse_another_split(None, split())
    with pytest.raises(
        UserError, match=r"fitted on another split \(by speaker, seed 0: .*; now by speaker, seed 1"
    ):
        refuse_another_split(remember(split()), split(1))


QUIET = ["--ablations", "none", "--baselines", "none"]


def test_a_test_with_another_fold_is_not_called_clean(small_run, tmp_path, capsys):
    args = ["--config", small_run.config, "--ckpt_path", small_run.checkpoint, *QUIET]
    own = json.loads((run(tmp_path, "test", *args) / "metrics.json").read_text())
    other = json.loads((run(tmp_path, "test", *args, "--data.protocol.fold", "2") / "metrics.json").read_text())
    assert own["protocol"]["speaker_independent"] is True
    assert other["protocol"]["speaker_independent"] is False
    assert "were in this model's own training" in " ".join(other["audit"]["lines"])
    assert "not speaker-independent" in (tmp_path / "test" / "version_1" / "report.html").read_text()
    assert "own training" not in " ".join(own["audit"]["lines"])
    assert "were in this model's own training" in " ".join(capsys.readouterr().out.split())


def test_copies_under_other_names_are_not_called_independent(small_run, tmp_path):
    files = sorted((small_run.folder / "ravdess").rglob("*.wav"))
    rows = [f"{file},{file.stem[-2:]},angry,train,kids" for file in files]
    for file in files[:4]:
        copy = shutil.copy(file, tmp_path / f"copy of {file.name}")
        rows.append(f"{copy},somebody,angry,test,kids")
    (tmp_path / "mine.csv").write_text("\n".join(["file,speaker,label,split,transcript", *rows]))
    table = f"[{{class_path: emollm.data.corpora.Table, init_args: {{file: {tmp_path / 'mine.csv'}}}}}]"
    protocol = "{class_path: emollm.data.protocols.ColumnSplit, init_args: {column: split}}"
    flags = ["--data.corpora", table, "--data.protocol", protocol]
    folder = run(tmp_path, "test", "--config", small_run.config, *flags, *QUIET)
    content = json.loads((folder / "metrics.json").read_text())
    assert len(content["audit"]["test"]["copies"]) == 4
    assert content["protocol"]["speaker_independent"] is False


def test_names_that_do_not_meet_tell_nothing(small_run, tmp_path, capsys):
    args = ["--config", small_run.config, "--ckpt_path", small_run.checkpoint, *QUIET]
    copy = tmp_path / "mine.csv"
    files = sorted((small_run.folder / "ravdess").rglob("*.wav"))
    words = {"03": "happy", "04": "sad", "05": "angry"}
    rows = [f"{file},{file.stem[-2:]},{words.get(file.stem[6:8], 'neutral')},kids" for file in files]
    copy.write_text("\n".join(["file,speaker,label,transcript", *rows]))
    table = f"[{{class_path: emollm.data.corpora.Table, init_args: {{file: {copy}}}}}]"
    protocol = "{class_path: emollm.data.protocols.SpeakerSplit}"
    folder = run(tmp_path, "test", *args, "--data.corpora", table, "--data.protocol", protocol)
    content = json.loads((folder / "metrics.json").read_text())
    assert content["protocol"]["speaker_independent"] is None
    assert "Whether voices of mine were in this model's own training is not known" in " ".join(
        content["audit"]["lines"]
    )
    assert "speaker-independent" not in (folder / "report.html").read_text().split("</p>")[0]


def test_an_export_remembers_too(small_run, tmp_path):
    assert main(["export", str(small_run.checkpoint), "--output", str(tmp_path / "model")]) == 0
    specification = json.loads((tmp_path / "model" / "specification.json").read_text())
    stored = torch.load(small_run.checkpoint, weights_only=True)["emollm"]
    assert specification["trained_on"] == stored["trained_on"]
    assert stored["trained_on"]["train"] == 6


def test_a_run_resumed_on_another_fold_is_refused_and_its_record_stays(small_run, tmp_path, capsys):
    folder = run(tmp_path, "fit", "--config", small_run.config)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    last = folder / "checkpoints" / "last.ckpt"
    args = ["fit", "--config", small_run.config, "--ckpt_path", last, "--data.protocol.fold", "2"]
    args += ["--trainer.max_epochs", "2", "--trainer.logger.save_dir", tmp_path]
    assert main(list(map(str, args))) == 2
    assert "fitted on another split" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_refused_run_leaves_no_folder(small_run, tmp_path):
    args = ["fit", "--config", str(small_run.config), "--trainer.logger.save_dir", str(tmp_path)]
    assert main([*args, "--data.other_labels", "error"]) == 2
    assert main([*args, "--trainer.precision", "bf16-true"]) == 2
    assert not list((tmp_path / "fit").glob("version_*"))
