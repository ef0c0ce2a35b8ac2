"""Who may be normalised by his own range; a model that serves with and without; and the command line."""

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

import emollm
from emollm.__main__ import main
from emollm.data import audio
from emollm.data.utterance import Utterance
from emollm.errors import UserError
from emollm.models.ranges import Sums
from emollm.modules.base import EmotionModule
from emollm.modules.figures import Scores
from emollm.modules.speaker_range import (
    SpeakerRange,
    by_corpus,
    corpus_of,
    emotions_by_speaker,
    evenness,
    nameless,
    show,
    speaker_of,
)
from tests.small import run


def sums(clips):
    return Sums(clips, 10 * clips, torch.zeros(1, 1), torch.ones(1, 1))


def test_evenness_is_entropy_by_its_greatest():
    assert evenness([5, 5, 5]) == pytest.approx(1)
    assert evenness([7, 0, 0]) == 0
    assert evenness([]) == 0
    assert evenness([1, 1, 0, 0]) == pytest.approx(0.5)


def test_the_guard_keeps_out_one_sided_and_rare_speakers():
    heard = {"c/even": sums(9), "c/rare": sums(4), "c/one": sums(9), "c/silent": sums(9), "c/": sums(9)}
    emotions = {"c/even": [3, 3, 3], "c/rare": [1, 1, 1], "c/one": [9, 0, 0], "c/": [3, 3, 3]}
    assert set(SpeakerRange(clips=5).usable(heard, emotions)) == {"c/even"}, "and nobody is no speaker"


def test_emotions_are_counted_by_corpus_and_speaker():
    rows = [
        (Utterance(id=str(i), corpus=corpus, speaker=speaker), label)
        for i, (corpus, speaker, label) in enumerate(
            [("x", "1", "sad"), ("x", "1", "happy"), ("x", "1", "sad"), ("x", "1", None), ("y", "1", "sad")]
        )
    ]
    assert emotions_by_speaker(rows, ["happy", "sad"]) == {"x/1": [1, 2], "y/1": [0, 1]}
    assert emotions_by_speaker([(rows[0][0], None), (rows[0][0], "calm")], ["happy", "sad"]) == {}


def test_corpora_whose_names_begin_alike_are_two():
    names = [speaker_of(Utterance(id="1", corpus=corpus, speaker="a/b")) for corpus in ("x/en", "x/de")]
    assert len({corpus_of(name) for name in names}) == 2
    heard = dict(zip(names, (sums(3), sums(9)), strict=True))
    assert {corpus: one.clips for corpus, one in by_corpus(heard).items()} == {"x%2Fen": 3, "x%2Fde": 9}
    assert nameless(speaker_of(Utterance(id="1", corpus="x/en")))


def test_a_corpus_is_as_mixed_as_its_speakers_together():
    heard = {"x/1": sums(6), "x/2": sums(6), "y/1": sums(6), "y/2": sums(6), "z/1": sums(2)}
    emotions = {"x/1": [6, 0], "x/2": [0, 6], "y/1": [6, 0], "y/2": [6, 0], "z/1": [1, 1]}
    guard = SpeakerRange(clips=5)
    near, far = (lambda sums: 0.1), (lambda sums: 0.5)
    assert set(guard.usable_corpora(heard, emotions, near)) == {"x"}, "y shows one emotion, z is two clips"
    assert set(guard.usable_corpora(heard, emotions, far)) == {"x", "y"}, "y may sound alike for the room alone"
    lone = {"y/1": sums(6), "y/": sums(6)}
    assert guard.usable_corpora(lone, emotions, far) == {}, "one speaker may be far from all others by himself"
    assert guard.usable(heard, emotions) == {}


def test_ranges_are_borrowed_within_a_corpus_only():
    names, known = ["x/1", "x/9", "x/", "y/1", "x/1"], {"x/1", "x/2", "y/1"}
    for seed in range(20):
        torch.manual_seed(seed)
        speakers, voices = show(names, ["borrowed", "borrowed", "borrowed", "borrowed", "own"], known)
        assert speakers == ["x/1", None, None, "y/1", "x/1"]
        assert voices[0] in {"x/1", "x/2"}
        assert voices[1:] == [None, None, "y/1", None]
    assert show(names, ["plain"] * 5, known) == ([None] * 5, [None] * 5)


def test_views_are_drawn_as_often_as_asked():
    torch.manual_seed(0)
    drawn = SpeakerRange(own=0.2, borrowed=0.5).draw(5000)
    assert drawn.count("own") / 5000 == pytest.approx(0.2, abs=0.03)
    assert drawn.count("borrowed") / 5000 == pytest.approx(0.5, abs=0.03)
    assert SpeakerRange(own=0.25, borrowed=0.5).copies == 2
    assert SpeakerRange(own=0.0, borrowed=0.8).copies == 4


@pytest.mark.parametrize(
    "wrong", [{"own": 0.5, "borrowed": 0.5}, {"own": -0.1}, {"clips": 1}, {"evenness": 1.0}, {"foreign": 0.0}]
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(UserError, match="speaker_range"):
        SpeakerRange(**wrong)


@pytest.fixture(scope="module")
def ranged(small_run, tmp_path_factory):
    """A small run that was trained with ranges; its speakers show few emotions, so the guard is loose."""
    folder = tmp_path_factory.mktemp("ranged")
    flags = {"own": 0.3, "clips": 2, "evenness": 0}
    args = [f"--model.speaker_range.{name}={value}" for name, value in flags.items()]
    return run(folder, "fit", "--config", small_run.config, *args) / "checkpoints" / "best.ckpt"


def test_the_range_of_all_speakers_belongs_to_the_trained_weights(ranged):
    state = torch.load(ranged, weights_only=True)["state_dict"]
    assert state["ranges.mean"].abs().max() > 0
    assert (state["ranges.deviation"] != 1).any()


def test_the_own_range_is_a_row_of_its_own(small_run, ranged, tmp_path):
    alone = ["--ablations", "none", "--baselines", "none"]
    folder = run(tmp_path, "test", "--config", small_run.config, "--ckpt_path", ranged, *alone)
    values = json.loads((folder / "metrics.json").read_text())
    model, corpus, own = values["rows"]
    assert [(row["kind"], row["name"], row["why_not"]) for row in (corpus, own)] == [
        ("range", "corpus", None),
        ("range", "speaker", None),
    ]
    assert "are taken as in the row above" not in own["about"]
    plain, other = (
        [(r["id"], float(r["p_happy"])) for r in csv.DictReader(file.open())]
        for file in (folder / "predictions.csv", folder / "ranges" / "speaker.csv")
    )
    assert [name for name, _ in plain] == [name for name, _ in other]
    assert any(abs(a - b) > 1e-6 for (_, a), (_, b) in zip(plain, other, strict=True)), "it makes a difference"
    assert model["result"] == values["summary"]["result"], "the headline is of one clip at a time"


def test_a_part_that_is_not_to_be_normalised_is_taken_as_it_is(small_run, ranged, tmp_path):
    """``test`` keeps the guard that ``predict`` keeps: what it reports is what would be predicted."""
    alone = ["--ablations", "none", "--baselines", "none", "--model.speaker_range.clips", "99"]
    folder = run(tmp_path, "test", "--config", small_run.config, "--ckpt_path", ranged, *alone)
    model, corpus, own = json.loads((folder / "metrics.json").read_text())["rows"]
    assert corpus["result"] == own["result"] == model["result"]
    assert "1 of 1 corpora are left as they are" in corpus["about"]
    assert "1 of 1 speakers are taken as in the row above" in own["about"]


def predict(source, model, output, *more):
    flags = ["--data.transcriber", "none", "--data.num_workers", "0", "--trainer.accelerator", "cpu"]
    return main(["predict", str(source), "--model", str(model), "--output", str(output), *flags, *map(str, more)])


def rows(output):
    lines = (output / "predictions.jsonl").read_text().splitlines()
    return {row["path"]: row["p_happy"] for row in map(json.loads, lines)}


def test_a_folder_a_speaker(small_run, ranged, tmp_path, capsys):
    sounds = shutil.copytree(small_run.folder / "ravdess", tmp_path / "sounds")
    for extra in sorted((sounds / "Actor_04").iterdir())[1:]:
        extra.unlink()
    assert predict(sounds, ranged, tmp_path / "plain") == 0
    capsys.readouterr()
    assert predict(sounds, ranged, tmp_path / "own", "--speaker_range", "true") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "3 of 4 speakers; 1 heard in fewer than 2 recordings (" in said
    assert "Actor_04). The others are taken in the range of all recordings." in said
    plain, own = rows(tmp_path / "plain"), rows(tmp_path / "own")
    assert plain.keys() == own.keys()
    assert sum(abs(plain[path] - own[path]) > 1e-6 for path in plain) > 5


def test_with_other_recordings_beside_them_all_are_labelled_anew(small_run, ranged, tmp_path, capsys):
    """Ranges are of all recordings of a call: rows in others must not stand beside these."""
    sounds = shutil.copytree(small_run.folder / "ravdess", tmp_path / "sounds")
    kept = sorted((sounds / "Actor_01").iterdir())
    later = [shutil.move(file, tmp_path / Path(file).name) for file in kept[3:]]
    own = ["--speaker_range", "true"]
    assert predict(sounds, ranged, tmp_path / "out", *own) == 0
    assert predict(sounds, ranged, tmp_path / "out", *own) == 0
    assert "recordings were done before" in capsys.readouterr().err
    for file in later:
        shutil.move(file, sounds / "Actor_01")
    assert predict(sounds, ranged, tmp_path / "out", *own) == 0
    assert "were done before" not in capsys.readouterr().err
    assert predict(sounds, ranged, tmp_path / "anew", *own) == 0
    assert rows(tmp_path / "out") == pytest.approx(rows(tmp_path / "anew"), abs=1e-5)


def test_one_speaker_alone_is_not_normalised_by_himself_in_the_name_of_all(small_run, ranged, tmp_path, capsys):
    """The guard is of no use if the range of all recordings is his own again."""
    sounds = small_run.folder / "ravdess" / "Actor_01"
    assert predict(sounds, ranged, tmp_path / "plain") == 0
    strict = ["--speaker_range", "true", "--model.speaker_range.clips", "99"]
    assert predict(sounds, ranged, tmp_path / "own", *strict) == 0
    assert "0 of 1 speakers" in (said := " ".join(capsys.readouterr().out.split()))
    assert "taken as they are" in said
    assert rows(tmp_path / "own") == pytest.approx(rows(tmp_path / "plain"), abs=1e-5)


@pytest.fixture
def sad_people(monkeypatch):
    """Answers of a model that hears everybody sad, and, in a range, each emotion in turn."""
    heard = EmotionModule.calibrated

    def answers(module, batch):
        heard(module, batch)
        in_range = module.view == "own" and (module.ranges._places or module.ranges._own)
        chosen = torch.arange(len(batch)) % 3 if in_range else torch.full((len(batch),), 2)
        return Scores((0.4 * torch.nn.functional.one_hot(chosen, 3) + 0.2).log())

    monkeypatch.setattr(EmotionModule, "calibrated", answers)


def test_people_of_one_emotion_keep_it(small_run, ranged, sad_people, tmp_path, capsys):
    """They are judged before a range of one emotion only has taken that emotion away from all answers."""
    sounds = small_run.folder / "ravdess"
    strict = ["--model.speaker_range.evenness", "0.75", "--model.speaker_range.foreign", ".inf"]
    assert predict(sounds, ranged, tmp_path / "own", "--speaker_range", "true", *strict) == 0
    assert "0 of 4 speakers" in (said := " ".join(capsys.readouterr().out.split()))
    assert "taken as they are" in said
    assert all(value == pytest.approx(0.2) for value in rows(tmp_path / "own").values())

    alone = ["--ablations", "none", "--baselines", "none"]
    folder = run(tmp_path, "test", "--config", small_run.config, "--ckpt_path", ranged, *strict, *alone)
    model, corpus, own = json.loads((folder / "metrics.json").read_text())["rows"]
    assert corpus["result"] == own["result"] == model["result"]
    assert "1 of 1 corpora are left as they are" in corpus["about"]
    assert "1 of 1 speakers are taken as in the row above" in own["about"]


def test_rows_in_ranges_are_not_mixed_with_rows_of_one_clip_at_a_time(small_run, ranged, tmp_path, capsys):
    sounds = small_run.folder / "ravdess" / "Actor_01"
    assert predict(sounds, ranged, tmp_path / "out", "--speaker_range", "true") == 0
    (model,) = {row["model"] for row in csv.DictReader((tmp_path / "out" / "predictions.csv").open())}
    assert model.endswith(", speakers' ranges")
    assert predict(sounds, ranged, tmp_path / "out") == 2
    assert "another model" in capsys.readouterr().err


def test_a_limit_that_leaves_nothing_to_hear_is_told(small_run, ranged, tmp_path, capsys):
    sounds, none = small_run.folder / "ravdess", ["--trainer.limit_predict_batches", "0"]
    assert predict(sounds, ranged, tmp_path / "out", "--speaker_range", "true", *none) == 2
    assert "No recording was heard" in capsys.readouterr().err


def test_stored_features_change_no_row(small_run, ranged, tmp_path):
    """Nor what is said of a broken file, nor how long a stretch is that is said to end behind its file."""
    sounds = shutil.copytree(small_run.folder / "ravdess", tmp_path / "sounds")
    files = sorted(sounds.rglob("*.wav"))
    files[3].write_bytes(b"no sound")
    lines = [f"{file},{file.parent.name},0,{100 if n == 5 else ''}" for n, file in enumerate(files)]
    (tmp_path / "list.csv").write_text("path,speaker,start,end\n" + "\n".join(lines) + "\n")
    tables = []
    for enabled in ("true", "false"):
        flags = ["--speaker_range", "true", "--data.cache.enabled", enabled]
        assert predict(tmp_path / "list.csv", ranged, tmp_path / enabled, *flags) == 0
        tables.append(pd.read_csv(tmp_path / enabled / "predictions.csv"))
    pd.testing.assert_frame_equal(*tables, atol=1e-5)
    assert tables[0]["duration"].max() < 10
    assert tables[0]["error"].notna().sum() == tables[0]["duration"].isna().sum() == 1


def test_rows_of_another_guard_are_not_gone_on_with(small_run, ranged, tmp_path, capsys):
    sounds = small_run.folder / "ravdess"
    assert predict(sounds, ranged, tmp_path / "out", "--speaker_range", "true") == 0
    flags = ["--speaker_range", "true", "--model.speaker_range.evenness", "0.5"]
    assert predict(sounds, ranged, tmp_path / "out", *flags) == 2
    assert "another guard of ranges ('clips 2, evenness 0," in capsys.readouterr().err


def test_the_table_names_speakers(small_run, ranged, tmp_path, capsys):
    files = sorted((small_run.folder / "ravdess").rglob("*.wav"))
    lines = [f"{file},{'me' if index % 2 else 'you'}" for index, file in enumerate(files)]
    (tmp_path / "list.csv").write_text("path,speaker\n" + "\n".join(lines) + "\n")
    assert predict(tmp_path / "list.csv", ranged, tmp_path / "out", "--speaker_range", "true") == 0
    assert "2 of 2 speakers" in capsys.readouterr().out


def test_python_labels_in_ranges_as_the_command_line_does(small_run, ranged, tmp_path, capsys):
    sounds = small_run.folder / "ravdess"
    assert predict(sounds, ranged, tmp_path / "out", "--speaker_range", "true") == 0
    model = emollm.load(ranged, transcriber="none")
    before = model.predict(sounds)
    frame = model.predict(sounds, speaker_range=True)
    assert dict(zip(frame["path"], frame["p_happy"], strict=True)) == pytest.approx(
        rows(tmp_path / "out"), abs=1e-5
    )
    assert frame["model"].str.endswith(", speakers' ranges").all()
    assert model.predict(sounds).equals(before), "and is as it was"
    assert (frame["p_happy"] - before["p_happy"]).abs().max() > 1e-6


def test_arrays_are_in_the_range_of_all_of_them(small_run, ranged):
    model = emollm.load(ranged, transcriber="none")
    arrays = [audio.load(file) for file in sorted((small_run.folder / "ravdess").rglob("*.wav"))[:6]]
    plain, frame = model.predict(arrays), model.predict(arrays, speaker_range=True)
    assert (frame["p_happy"] - plain["p_happy"]).abs().min() > 1e-6
    with pytest.raises(UserError, match="train with model.speaker_range"):
        emollm.load(small_run.checkpoint, transcriber="none").predict(arrays, speaker_range=True)


def test_a_model_without_ranges_says_so(small_run, tmp_path, capsys):
    sounds = small_run.folder / "ravdess" / "Actor_01"
    assert predict(sounds, small_run.checkpoint, tmp_path / "out", "--speaker_range", "true") == 2
    assert "train with model.speaker_range" in capsys.readouterr().err


def test_training_data_must_name_speakers(small_run, tmp_path, capsys):
    files = sorted((small_run.folder / "ravdess").rglob("*.wav"))
    labels = ["angry", "happy", "sad"]
    lines = [f"{f},{labels[i % 3]},{'train' if i % 4 else 'validation'},words" for i, f in enumerate(files)]
    (tmp_path / "list.csv").write_text("path,label,split,transcript\n" + "\n".join(lines) + "\n")
    values = yaml.safe_load(small_run.config.read_text())
    table = {"class_path": "emollm.data.corpora.Table", "init_args": {"file": str(tmp_path / "list.csv")}}
    values["data"]["corpora"] = [table]
    values["data"]["protocol"] = {
        "class_path": "emollm.data.protocols.ColumnSplit",
        "init_args": {"column": "split"},
    }
    values["model"]["speaker_range"] = {"own": 0.5, "borrowed": 0.0}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    assert main(["fit", "--config", str(tmp_path / "recipe.yaml")]) == 2
    assert "names none" in capsys.readouterr().err


def test_the_probe_takes_every_view_of_an_utterance(small_run, tmp_path):
    flags = ["--method", "probe", "--model.speaker_range.own", "0.25", "--model.speaker_range.borrowed", "0.5"]
    config = tmp_path / "probe.yaml"
    values = yaml.safe_load(small_run.config.read_text())
    values["model"] = {"labels": values["model"]["labels"], "backbone": values["model"]["backbone"]}
    config.write_text(yaml.safe_dump(values))
    seen = []
    import emollm.modules.probe as probe

    fit_head = probe.Probe.fit_head

    def counted(self):
        seen.append(sum(len(part.targets) for part in self._seen))
        fit_head(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe.Probe, "fit_head", counted)
        run(tmp_path, "fit", "--config", config, *flags)
        run(tmp_path, "fit", "--config", config, "--method", "probe")
    assert seen[0] == 4 * seen[1]
