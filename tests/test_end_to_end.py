"""The whole through the command line: fit, resume, test, export, predict, on tiny models in true formats."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import soundfile
import torch
import yaml

import emollm
from emollm import weights
from emollm.__main__ import main
from tests.conftest import REPOSITORY
from tests.fake_corpus import tone, write_ravdess

RECIPE = REPOSITORY / "configs" / "wavlm_llama.yaml"
HERE = ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false", "--data.num_workers", "0"]
QUICK = [
    *HERE,
    "--trainer.precision",
    "32-true",
]  # a processor that only imitates bfloat16 takes ten times as long


@pytest.fixture(scope="module")
def models(tiny_wavlm, tiny_llama):
    """The only two things that a user without a hub has to name."""
    return ["--model.backbone.source", str(tiny_wavlm), "--model.llm.source", str(tiny_llama)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A working folder, with the corpora where the recipes look for them."""
    folder = tmp_path_factory.mktemp("home")
    write_ravdess(folder / "data" / "ravdess")
    before, environment = Path.cwd(), os.environ.get("EMOLLM_DATA")
    os.chdir(folder)
    os.environ["EMOLLM_DATA"] = str(folder / "data")
    yield folder
    os.chdir(before)
    os.environ.pop("EMOLLM_DATA")
    if environment is not None:
        os.environ["EMOLLM_DATA"] = environment


@pytest.fixture(scope="module")
def checkpoint(home, models):
    """The paper's recipe, unchanged but for the names of the two models and the precision."""
    assert main(["fit", "--config", str(RECIPE), *models, *QUICK]) == 0
    return home / "runs" / "fit" / "version_0" / "checkpoints" / "best.ckpt"


def test_the_papers_recipe_trains_with_two_names_changed(checkpoint):
    saved = torch.load(checkpoint, weights_only=True)
    names = set(saved["state_dict"])
    assert any("interface" in name for name in names)
    assert any("lora_A" in name for name in names)
    assert not any("backbone" in name or "base_layer" in name for name in names)
    trained = sum(tensor.numel() for tensor in saved["state_dict"].values())
    assert checkpoint.stat().st_size < 4 * trained + 100_000, "trained weights and nothing else"
    assert (checkpoint.parents[1] / "adapter" / "adapter_model.safetensors").is_file()


def test_the_papers_recipe_takes_a_step_in_its_own_precision(home, models, tmp_path):
    one_step = [
        "--trainer.max_steps",
        "1",
        "--trainer.limit_val_batches",
        "1",
        "--trainer.num_sanity_val_steps",
        "0",
    ]
    saved_to = ["--trainer.logger.save_dir", str(tmp_path)]
    assert main(["fit", "--config", str(RECIPE), *models, *HERE, *one_step, *saved_to]) == 0
    saved = torch.load(tmp_path / "fit" / "version_0" / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 1
    assert {value.dtype for value in saved["state_dict"].values()} == {torch.float32}, "what is trained"


def test_test_needs_only_the_checkpoint_and_the_data(checkpoint, home, capsys):
    assert main(["test", "--config", str(RECIPE), "--ckpt_path", str(checkpoint), *QUICK]) == 2
    assert "meta-llama/Llama-3.2-3B-Instruct" in capsys.readouterr().err, "the YAML beats the checkpoint"


def test_test_reports_figures_files_and_audit(checkpoint, home, capsys):
    """By the very command that fit names at its end."""
    recipe = checkpoint.parents[1] / "config.yaml"
    args = ["test", "--config", str(recipe), "--ckpt_path", str(checkpoint), *QUICK]
    assert main([*args, "--trainer.logger.name", "test"]) == 0
    folder = sorted((home / "runs" / "test").iterdir())[-1]
    values = json.loads((folder / "metrics.json").read_text())
    rows = pd.read_csv(folder / "predictions.csv")
    assert len(rows) == 8, "actor 01 alone is in the test fold"
    right = (rows["label"] == rows["target"]).mean()
    assert values["summary"]["result"]["wa"] == pytest.approx(right, abs=1e-6)
    assert (folder / "confusion_all.png").read_bytes().startswith(b"\x89PNG")
    out = capsys.readouterr().out
    assert "Audit" in out
    assert "UA" in out


@pytest.fixture
def folder(tmp_path):
    """Recordings of every kind a user may have, many of them broken."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for index in range(5):
        soundfile.write(tmp_path / f"{index}.wav", tone(200 + 100 * index, 0.4 + 0.2 * index), 16_000)
    soundfile.write(tmp_path / "deep" / "er" / "cd.FLAC", tone(300, 1.0).repeat(2), 44_100, format="FLAC")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "broken.mp3").write_bytes(b"this is no sound" * 50)
    soundfile.write(tmp_path / "silent.wav", tone(1, 1.0) * 0, 16_000)
    soundfile.write(tmp_path / "short.wav", tone(300, 0.05), 16_000)
    return tmp_path


def predict(*args, code=0):
    assert main(["predict", *map(str, args), "--data.transcriber", "none", *QUICK]) == code


def read(output):
    return pd.read_csv(output / "predictions.csv").set_index("path")


def test_predict_from_the_checkpoint_alone(checkpoint, folder, tmp_path, capsys):
    predict(folder, "--ckpt_path", checkpoint, "--output", tmp_path / "out")
    rows = read(tmp_path / "out")
    assert len(rows) == 10
    errors = rows["error"].dropna()
    assert {Path(p).name for p in errors.index} == {"empty.wav", "broken.mp3", "silent.wav", "short.wav"}
    good = rows[rows["error"].isna()]
    chances = good[[c for c in rows if c.startswith("p_")]]
    assert chances.shape[1] == 8
    assert chances.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-4)
    assert (good["confidence"] == chances.max(axis=1)).all()
    lines = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == list(rows.index)
    assert "predictions.csv" in capsys.readouterr().out


@pytest.mark.parametrize("change", [["--data.batch_size", "1"], ["--model.padding_side", "right"]])
def test_batch_and_padding_change_no_score(checkpoint, folder, tmp_path, change):
    """The recipe runs in bfloat16; float32 shows that nothing but rounding depends on the batch."""
    exact = ["--model.backbone.dtype", "float32", "--model.llm.dtype", "float32", "--ckpt_path", checkpoint]
    predict(folder, *exact, "--output", tmp_path / "a")
    predict(folder, *exact, "--output", tmp_path / "b", *change)
    a, b = read(tmp_path / "a"), read(tmp_path / "b")
    columns = [c for c in a if c.startswith("p_")]
    assert (a[columns] - b[columns]).abs().max().max() < 1e-4


def test_a_second_run_goes_on_where_the_first_stopped(checkpoint, folder, tmp_path, capsys):
    predict(folder, "--ckpt_path", checkpoint, "--output", tmp_path / "out")
    file = tmp_path / "out" / "predictions.jsonl"
    whole = file.read_text()
    lines = whole.splitlines(keepends=True)
    file.write_text("".join(lines[:3]) + lines[3][:20])  # killed while it wrote the fourth row
    soundfile.write(folder / "short.wav", tone(300, 0.5), 16_000)
    predict(folder, "--ckpt_path", checkpoint, "--output", tmp_path / "out")
    assert "recordings were done before" in capsys.readouterr().err
    rows = read(tmp_path / "out")
    assert len(rows) == 10
    assert pd.isna(rows.loc[str(folder / "short.wav"), "error"]), "a mended file is tried again"


def test_another_models_predictions_are_not_mixed(checkpoint, folder, tmp_path, capsys):
    predict(folder, "--ckpt_path", checkpoint, "--output", tmp_path / "out")
    file = tmp_path / "out" / "predictions.jsonl"
    file.write_text(file.read_text().replace("best@", "other@"))
    predict(folder, "--ckpt_path", checkpoint, "--output", tmp_path / "out", code=2)
    assert "another model" in capsys.readouterr().err


def test_an_export_predicts_the_same_and_holds_no_pickle(checkpoint, folder, tmp_path):
    assert main(["export", str(checkpoint), "--output", str(tmp_path / "model")]) == 0
    kinds = {file.suffix for file in (tmp_path / "model").rglob("*") if file.is_file()}
    assert kinds == {".json", ".safetensors", ".md"}
    predict(folder, "--ckpt_path", checkpoint, "--output", tmp_path / "a")
    predict(folder, "--model", tmp_path / "model", "--output", tmp_path / "b")
    a, b = read(tmp_path / "a"), read(tmp_path / "b")
    columns = [c for c in a if c.startswith("p_")]
    assert (a[columns] - b[columns]).abs().max().max() < 1e-6


def test_the_adapter_of_an_export_is_plain_peft(checkpoint, tiny_llama, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    assert main(["export", str(checkpoint), "--output", str(tmp_path / "model")]) == 0
    base = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.bfloat16).float()
    ids = torch.tensor([[5, 6, 7, 8]])
    before = base(ids).logits
    adapted = PeftModel.from_pretrained(base, tmp_path / "model" / "adapter")
    module = emollm.load(checkpoint).module
    module.float()
    torch.testing.assert_close(adapted(ids).logits, module.model.llm.model(ids).logits, atol=1e-4, rtol=0)
    assert not torch.allclose(adapted(ids).logits, before), "the adapter changes the model"


def test_python_gives_the_same_rows_as_the_command_line(checkpoint, folder, tmp_path):
    predict(folder, "--ckpt_path", checkpoint, "--output", tmp_path / "out")
    frame = emollm.load(checkpoint, transcriber="none").predict(folder).set_index("path")
    rows = read(tmp_path / "out")
    assert list(frame.columns) == list(rows.columns)
    columns = [c for c in rows if c.startswith("p_")]
    assert (frame.loc[rows.index, columns] - rows[columns]).abs().max().max() < 1e-5
    assert (frame["error"].notna() == rows["error"].notna()).all()


def test_python_takes_arrays_of_any_rate(checkpoint):
    model = emollm.load(checkpoint, transcriber="none")
    frame = model.predict([tone(300, 1.0), tone(300, 0.01)], sample_rate=48_000)
    assert frame["duration"][0] == pytest.approx(1 / 3, abs=0.001)
    assert "short" in frame["error"][1]
    again = model.predict((tone(300, seconds) for seconds in (1.0, 0.01)), sample_rate=48_000)
    pd.testing.assert_frame_equal(again, frame)


def test_a_flag_beats_the_checkpoint(checkpoint, folder, tmp_path, capsys):
    predict(folder, "--ckpt_path", checkpoint, "--model.llm.source", "/nowhere/llama", code=2)
    assert "/nowhere/llama" in capsys.readouterr().err


def test_weights_trained_on_another_model_are_refused(checkpoint, tmp_path, folder, capsys):
    from tests.tiny import save_llm

    other = save_llm(tmp_path / "other", "qwen2")
    predict(folder, "--ckpt_path", checkpoint, "--model.llm.source", other, code=2)
    assert "another llm" in capsys.readouterr().err


def test_a_missing_trained_weight_is_refused(checkpoint, tmp_path, folder, capsys):
    saved = torch.load(checkpoint, weights_only=True)
    saved["state_dict"].pop(next(name for name in saved["state_dict"] if "interface" in name))
    torch.save(saved, tmp_path / "torn.ckpt")
    predict(folder, "--ckpt_path", tmp_path / "torn.ckpt", code=2)
    assert "missing" in capsys.readouterr().err


def losses(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {event.step: event.value for event in events.Scalars("train/loss")}


def test_a_killed_run_resumes_on_the_same_loss_curve(home, models, tmp_path):
    """SIGKILL in the middle of the second epoch, then resume: every step's loss is that of an unbroken run."""
    args = ["fit", "--config", str(RECIPE), *models, *QUICK, "--trainer.log_every_n_steps", "1"]
    args += ["--trainer.accumulate_grad_batches", "1", "--trainer.max_epochs", "3", "--last.every_n_steps", "1"]
    args += ["--trainer.logger.save_dir"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main([*args, str(whole)]) == 0
    want = losses(whole / "fit" / "version_0")
    assert len(want) == 6, "two steps an epoch"
    kill = ["--trainer.callbacks+=tests.killing.Kill", "--trainer.callbacks.step=4"]
    run = subprocess.run(
        [sys.executable, "-m", "emollm", *args, str(killed), *kill],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    last = killed / "fit" / "version_0" / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 3, "in the middle of the second epoch"
    assert main([*args, str(killed), "--ckpt_path", str(last)]) == 0
    assert [folder.name for folder in (killed / "fit").iterdir()] == ["version_0"], "it goes on in its own folder"
    assert losses(killed / "fit" / "version_0") == pytest.approx(want, abs=1e-6)


def test_the_default_model_is_of_the_default_recipe():
    recipe = yaml.safe_load((REPOSITORY / "configs" / "default.yaml").read_text())["model"]
    stored = weights.read(weights.DEFAULT_MODEL)
    for name in ("labels", "layers", "backbone", "interface", "speaker_range", "vote"):
        theirs = stored.specification["model"][name]
        mine = {**theirs, **recipe[name]} if isinstance(theirs, dict) else recipe[name]
        assert mine == theirs
    assert stored.weights["voter.weight"].any()


def test_the_default_model_is_an_export():
    stored = weights.read(weights.DEFAULT_MODEL)
    assert stored.specification["labels"]
