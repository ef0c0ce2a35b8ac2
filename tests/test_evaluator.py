"""What `emollm test` writes beside its numbers, by the command line on tiny models."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import yaml
from lightning.pytorch import Trainer

from emollm import factory
from emollm.baselines import majority
from emollm.calibrate import file_beside, read_beside
from emollm.data.corpora import Ravdess
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError
from emollm.evaluation import Calibration
from tests.small import run


@pytest.fixture(scope="module")
def tested(small_run, tmp_path_factory):
    return run(
        tmp_path_factory.mktemp("tested"),
        "test",
        "--config",
        small_run.config,
        "--ckpt_path",
        small_run.checkpoint,
        "--ablations=[audio,transcript,shuffled_audio]",
        "--baselines",
        "all",
    )


@pytest.fixture(scope="module")
def values(tested):
    return json.loads((tested / "metrics.json").read_text())


def read(file):
    return pd.read_csv(file).set_index("id")


def test_no_number_stands_alone(values):
    names = [(row["kind"], row["name"]) for row in values["rows"][1:]]
    assert names == [
        ("ablation", "audio"),
        ("ablation", "transcript"),
        ("ablation", "shuffled_audio"),
        ("baseline", "majority"),
        ("baseline", "probe"),
        ("baseline", "transcript_llm"),
    ]
    for row in values["rows"]:
        assert row["why_not"] is None, row
        low, high = row["intervals"]["ua"]
        assert 0 <= low <= row["result"]["ua"] <= high <= 1


def test_every_row_is_measured_on_the_same_utterances(tested, values):
    main = read(tested / "predictions.csv")
    for row in values["rows"][1:]:
        other = read(tested / f"{row['kind']}s" / f"{row['name']}.csv")
        assert list(other.index) == list(main.index)
        assert list(other["target"]) == list(main["target"])
        assert (other["label"] == other["target"]).mean() == pytest.approx(row["result"]["wa"], abs=1e-6)


def test_the_probe_hears_clips_as_they_are(small_run, tested, tmp_path):
    """A recipe's random changes, and draws with replacement, are of many passes; the probe takes one."""
    random = ["--data.augmentation.crop", "0.2", "--data.augmentation.feature_masks", "3"]
    random += ["--data.mixing.balance", "true"]
    asked = ["--config", small_run.config, "--ckpt_path", small_run.checkpoint, "--ablations", "none"]
    folder = run(tmp_path, "test", *asked, *random, "--baselines", "probe")
    mine, theirs = (read(one / "baselines" / "probe.csv").filter(like="p_") for one in (folder, tested))
    np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_a_silent_recording_and_a_limit_leave_every_row_the_same_utterances(small_run, tmp_path):
    """An ablation changes lengths, and with them batches; and nobody is given a sound that cannot be read."""
    table = Ravdess(str(small_run.folder / "ravdess")).read().to_frame()
    table = table.rename(columns={"path": "file"})[["file", "speaker", "label", "transcript"]]
    table = table[table["label"].isin(["angry", "happy", "sad"])].assign(split="test").reset_index(drop=True)
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000, np.float32), 16_000)
    table.loc[3, "file"] = tmp_path / "silent.wav"
    table["transcript"] = ["word " * (1 + 5 * (n % 4)) for n in range(len(table))]
    table.to_csv(tmp_path / "mine.csv", index=False)
    table = {"class_path": "emollm.data.corpora.Table", "init_args": {"file": str(tmp_path / "mine.csv")}}
    data = {"corpora": [table], "protocol": {"class_path": "emollm.data.protocols.ColumnSplit"}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"data": data}))
    args = ["--config", small_run.config, "--config", tmp_path / "mine.yaml", "--ckpt_path", small_run.checkpoint]
    for limit, scored in (("1.0", 11), ("3", 6)):
        folder = run(tmp_path, "test", *args, "--baselines=none", f"--trainer.limit_test_batches={limit}")
        values = json.loads((folder / "metrics.json").read_text())
        main = read(folder / "predictions.csv")
        counted = list(main.index[main["p_sad"].notna()])
        assert scored - 1 <= len(counted) <= scored
        for row in values["rows"][1:]:
            assert row["same"], row["name"]
            assert list(read(folder / f"{row['kind']}s" / f"{row['name']}.csv").index) == counted
        assert "All rows count the same" in (folder / "report.html").read_text()


def test_names_with_brackets_dollars_and_slashes_cost_nothing(small_run, tmp_path, capsys):
    """They are no markup, no formulas and no folders."""
    table = Ravdess(str(small_run.folder / "ravdess")).read().to_frame()
    table = table.rename(columns={"path": "file"})[["file", "label", "transcript"]]
    table = table[table["label"].isin(["angry", "happy", "sad"])].reset_index(drop=True)
    corpora = []
    for number, name in enumerate(("cost $x_{", "../../evil", "n" * 245)):
        part = table.iloc[number::3].assign(speaker="[/b]", split=["train", *["test"] * 3])
        part.to_csv(tmp_path / f"{number}.csv", index=False)
        init = {"file": str(tmp_path / f"{number}.csv"), "name": name}
        corpora.append({"class_path": "emollm.data.corpora.Table", "init_args": init})
    values = {"data": {"corpora": corpora, "protocol": {"class_path": "emollm.data.protocols.ColumnSplit"}}}
    values["data"]["protocol"]["init_args"] = {"validation": 0}
    values["model"] = {"labels": ["a$b_{c$d=angry", "[x]=happy", "sad"]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    args = ["--config", small_run.config, "--config", tmp_path / "mine.yaml", "--ckpt_path", small_run.checkpoint]
    place = tmp_path / "out [v2]"
    folder = run(place, "test", *args, "--ablations=none", "--baselines=none")
    assert f"{folder}/report.html" in capsys.readouterr().out.replace("\n", "")
    assert len(list(folder.glob("confusion_*.png"))) == 4
    assert not list(tmp_path.glob("**/evil.png"))
    assert json.loads((folder / "metrics.json").read_text())["summary"]["result"]["n"] == 9


def test_ablations_change_what_the_model_is_given(tested):
    main = read(tested / "predictions.csv")
    chances = [column for column in main if column.startswith("p_")]
    for name in ("audio", "transcript", "shuffled_audio"):
        other = read(tested / "ablations" / f"{name}.csv")
        assert not np.allclose(other[chances], main[chances], atol=1e-4), name
    assert read(tested / "ablations" / "audio.csv")["transcript"].isna().all()


def test_the_majority_answers_what_training_had_most_of(tested, small_run):
    rows = read(tested / "baselines" / "majority.csv")
    assert rows["label"].nunique() == 1
    chances = rows[[column for column in rows if column.startswith("p_")]]
    assert (chances.std() < 1e-9).all()
    assert chances.sum(axis=1).to_numpy() == pytest.approx(1)


def test_the_report_is_one_file_with_recipe_and_versions(tested, values):
    page = (tested / "report.html").read_text()
    assert "<html" in page
    assert "src=" not in page, "nothing is loaded from elsewhere"
    assert values["command"].startswith("emollm test --config")
    assert yaml.safe_load(values["recipe"])["model"]["labels"] == values["labels"]
    assert {"emollm", "python", "torch"} <= set(values["versions"])
    assert values["machine"]


def test_the_log_keeps_the_figures_of_the_model_itself(tested, values):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(tested), size_guidance={"images": 0})
    log.Reload()
    points = log.Scalars("test/wa")
    assert [point.value for point in points] == pytest.approx([values["summary"]["result"]["wa"]])
    assert log.Scalars("test/brier")[0].value == pytest.approx(values["summary"]["result"]["brier"])
    for row in values["rows"][1:]:
        if row["result"] is not None:
            found = log.Scalars(f"test/{row['kind']}/{row['name']}/ua")
            assert [point.value for point in found] == pytest.approx([row["result"]["ua"]])
    assert {"test/confusion_all", "test/reliability", "test/emotions"} <= set(log.Tags()["images"])


def test_a_fit_leaves_a_calibration_that_test_and_export_use(small_run, tested, values, tmp_path):
    calibration = read_beside(small_run.checkpoint)
    assert file_beside(small_run.checkpoint).name == "best.calibration.json"
    assert 0.05 <= calibration.temperature <= 20
    assert values["calibration"]["temperature"] == pytest.approx(calibration.temperature)
    from emollm.__main__ import main

    assert main(["export", str(small_run.checkpoint), "--output", str(tmp_path / "model")]) == 0
    assert read_beside(tmp_path / "model") == calibration


def test_a_temperature_changes_confidence_and_no_answer(small_run, tested, tmp_path):
    """Taken away, the probabilities are those of temperature 1; to its power, they are the calibrated ones."""
    checkpoint = tmp_path / "plain.ckpt"
    checkpoint.write_bytes(small_run.checkpoint.read_bytes())
    args = ["--config", small_run.config, "--ablations", "none", "--baselines", "none"]
    plain = read(run(tmp_path, "test", *args, "--ckpt_path", checkpoint) / "predictions.csv")
    calibrated = read(tested / "predictions.csv")
    assert list(plain["label"]) == list(calibrated["label"])
    chances = [column for column in plain if column.startswith("p_")]
    powers = plain[chances].to_numpy() ** (1 / read_beside(small_run.checkpoint).temperature)
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert calibrated[chances].to_numpy() == pytest.approx(expected, abs=1e-4)


def test_the_baseline_llm_is_trained_as_the_recipe_was(small_run, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr("emollm.baselines.Trainer", lambda **asked: kept.append(asked) or Trainer(**asked))
    manner = ["--trainer.max_epochs=2", "--trainer.accumulate_grad_batches=3", "--trainer.gradient_clip_val=0.5"]
    manner += ["--best.monitor=val/nll", "--best.mode=min", "--model.transcript_dropout=0.5"]
    built = []
    monkeypatch.setattr(
        factory, "build", lambda *asked, make=factory.build: built.append(make(*asked)) or built[-1]
    )
    args = ["--config", small_run.config, "--ckpt_path", small_run.checkpoint, "--ablations=none"]
    values = run(tmp_path, "test", *args, *manner, "--model.stages=null", "--baselines=transcript_llm")
    assert json.loads((values / "metrics.json").read_text())["rows"][1]["result"] is not None
    (asked,) = kept
    assert [asked[name] for name in ("max_epochs", "accumulate_grad_batches", "gradient_clip_val")] == [2, 3, 0.5]
    assert (asked["callbacks"][0].monitor, asked["callbacks"][0].mode) == ("val/nll", "min")
    assert (built[-1].template.name, built[-1].transcript_dropout) == ("transcript_form", 0.0), (
        "no words are hidden"
    )


def test_a_model_that_reads_more_than_the_words_is_held_against_one_of_words_alone(small_run, tmp_path):
    """It hears nothing, so that no probe can be fitted."""
    prompt = ["--model.prompt", "cues", "--trainer.max_epochs", "1"]
    fitted = run(tmp_path, "fit", "--config", small_run.config, *prompt) / "checkpoints" / "last.ckpt"
    args = ["--config", small_run.config, *prompt, "--ckpt_path", fitted, "--ablations=none", "--baselines=all"]
    rows = json.loads((run(tmp_path, "test", *args) / "metrics.json").read_text())["rows"]
    assert [row["name"] for row in rows if row["kind"] == "baseline"] == ["majority", "transcript_llm"]
    assert rows[-1]["result"] is not None


def test_the_baseline_llm_has_the_recipes_stages_but_none_without_its_adapter(small_run, tmp_path):
    stages = [{"prompt": "asr", "epochs": 1, "train_adapter": False}, {"epochs": 1, "rate": 0.5}]
    args = ["--config", small_run.config, "--ckpt_path", small_run.checkpoint, "--ablations=none"]
    values = run(tmp_path, "test", *args, "--baselines=transcript_llm", f"--model.stages={json.dumps(stages)}")
    assert json.loads((values / "metrics.json").read_text())["rows"][1]["result"] is not None


def test_without_any_known_label_there_is_no_majority():
    rows = UtteranceTable([Utterance(id="1", label=None), Utterance(id="2", label="bored")])
    with pytest.raises(UserError, match="no training utterance has a label of the set"):
        majority(rows, [], ["angry", "happy"])


def test_validate_can_calibrate_afterwards(small_run, tmp_path, capsys):
    checkpoint = tmp_path / "plain.ckpt"
    checkpoint.write_bytes(small_run.checkpoint.read_bytes())
    args = ["--config", small_run.config, "--ckpt_path", checkpoint, "--calibrate", "true"]
    run(tmp_path, "validate", *args)
    first = read_beside(checkpoint).temperature
    assert first == pytest.approx(read_beside(small_run.checkpoint).temperature, rel=1e-3)
    run(tmp_path, "validate", *args)
    assert read_beside(checkpoint).temperature == pytest.approx(first, rel=1e-2), "not applied twice"


def test_validate_tells_that_confidences_could_not_be_calibrated(small_run, tmp_path, monkeypatch):
    checkpoint = tmp_path / "plain.ckpt"
    checkpoint.write_bytes(small_run.checkpoint.read_bytes())
    monkeypatch.setattr("emollm.cli.calibrate", lambda *_: Calibration(0.05, n=3))
    args = ["--config", small_run.config, "--ckpt_path", checkpoint, "--calibrate", "true"]
    with pytest.warns(
        UserWarning, match=r"calibration in .*plain\.calibration\.json is used and not .* lower bound"
    ):
        run(tmp_path, "validate", *args)


def test_the_asr_ablation_reads_what_a_recogniser_wrote(small_run, tmp_path, monkeypatch):
    class Recogniser:
        def __init__(self, source: str, device: torch.device) -> None:
            assert source == "packaged:whisper-base"

        def __call__(self, samples: np.ndarray, language: str | None = None) -> str:
            return "what was heard"

    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("emollm.models.transcribe.Transcriber", Recogniser)
    args = ["--config", small_run.config, "--ckpt_path", small_run.checkpoint, "--baselines", "none"]
    folder = run(tmp_path, "test", *args, "--ablations", "asr_transcript")
    rows = read(folder / "ablations" / "asr_transcript.csv")
    assert set(rows["transcript"]) == {"what was heard"}
    assert "what was heard" not in set(read(folder / "predictions.csv")["transcript"])
    assert "were written by" not in (folder / "metrics.json").read_text()


def test_transcripts_that_are_not_the_corpuss_are_told_and_so_are_utterances_left_out(
    small_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("emollm.models.transcribe.Transcriber", lambda *_: lambda samples, language=None: "words")
    table = Ravdess(str(small_run.folder / "ravdess")).read().to_frame()
    table.loc[table.index[::2], "transcript"] = None
    table = table.rename(columns={"path": "file"})[["file", "speaker", "label", "transcript"]]
    table = table[table["label"].isin(["angry", "happy", "sad"])].assign(split="test")
    table.to_csv(tmp_path / "mine.csv", index=False)
    data = {
        "corpora": [
            {"class_path": "emollm.data.corpora.Table", "init_args": {"file": str(tmp_path / "mine.csv")}}
        ],
        "protocol": {"class_path": "emollm.data.protocols.ColumnSplit"},
        "transcriber": "packaged:whisper-base",
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"data": data}))
    args = ["--config", small_run.config, "--config", tmp_path / "mine.yaml", "--ckpt_path", small_run.checkpoint]
    args += ["--ablations=none", "--baselines=none", "--trainer.limit_test_batches=1"]
    values = json.loads((run(tmp_path, "test", *args) / "metrics.json").read_text())
    said = capsys.readouterr().out
    lines = [line for line in values["audit"]["lines"] if "were written by" in line]
    whole = values["protocol"]["test"]
    missing, by = table["transcript"].isna().sum(), "packaged:whisper-base, not by the corpus."
    assert 0 < missing < whole == len(table)
    assert lines == [f"{missing} of {whole} transcripts of test were written by {by}"]
    assert values["missing"] == f"Only 2 of {whole} utterances were measured."
    assert values["missing"] in said
