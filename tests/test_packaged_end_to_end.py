"""The packaged models, real weights: a step of training, then labels and transcripts of the samples."""

from pathlib import Path

import pandas as pd
import pytest

import emollm
from emollm.__main__ import main
from emollm.models.packaged import PACKAGED, is_installed

SAMPLES = Path(emollm.__file__).parent / "samples"
NEEDED = ("whisper-tiny.en", "smollm2-135m-instruct")
MISSING = [name for name in NEEDED if not is_installed(PACKAGED[name])]
MODEL = {
    "labels": "[angry, happy, neutral, sad, fear, disgust, surprise]",
    "backbone.source": "packaged:whisper-tiny.en",
    "backbone.layers": "[2, 3]",
    "layers": "concat",
    "interface": "emollm.models.interfaces.StatisticsInterface",
    "llm.source": "packaged:smollm2-135m-instruct",
    "llm.dtype": "auto",
    "llm.adapter.targets": "[q_proj, v_proj]",
    "prompt": "audio_transcript",
}
QUICK = ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false", "--data.num_workers", "0"]


@pytest.mark.skipif(bool(MISSING), reason=f"packaged weights are not installed: {', '.join(MISSING)}")
def test_fit_and_predict_the_samples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit = ["fit", *QUICK, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"]
    fit += [part for key, value in MODEL.items() for part in (f"--model.{key}", value)]
    fit += ["--data.corpora+=emollm.data.corpora.Table", f"--data.corpora.file={SAMPLES / 'transcripts.csv'}"]
    fit += ["--data.protocol", "emollm.data.protocols.RandomSplit", "--data.batch_size", "4"]
    fit += ["--data.cache.folder", str(tmp_path / "features")]
    assert main(fit) == 0
    last = tmp_path / "runs" / "fit" / "version_0" / "checkpoints" / "last.ckpt"
    assert last.stat().st_size < 40e6, "the frozen weights stay out"
    predict = ["predict", str(SAMPLES), *QUICK, "--model", str(last), "--output", str(tmp_path / "out")]
    assert main([*predict, "--data.transcriber", "packaged:whisper-tiny.en"]) == 0
    rows = pd.read_csv(tmp_path / "out" / "predictions.csv").set_index("path")
    assert len(rows) == len(list(SAMPLES.glob("*.ogg")))
    assert rows["error"].isna().all()
    assert rows["transcript"].str.len().min() > 5
    assert "house" in rows.loc[str(SAMPLES / "01_get_out_of_my_house.ogg"), "transcript"].lower()
    chances = rows[[column for column in rows if column.startswith("p_")]]
    assert chances.shape[1] == 7
    assert chances.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-4)
