"""What the Python API is given to predict on, where it cannot be that."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from emollm.__main__ import main
from emollm.errors import UserError
from emollm.predictor import Predictor, _from_array, load
from tests.small import run

SOUND = np.zeros(16_000, dtype=np.float32)


@pytest.fixture
def model():
    silent = SimpleNamespace(
        labels=["angry", "sad"], needs_transcript=False, needs_words=False, device=torch.device("cpu")
    )
    return Predictor(silent, "none")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ([SOUND, "a.wav"], "Item 1 .* of type str, not an array as those before it: give a folder"),
        (["a.wav", Path("b.wav"), SOUND], "Item 2 .* of type ndarray, not a path: give a folder"),
        (3, "is of type int: give a folder"),
        (None, "is of type NoneType: give a folder"),
        ([0.1, 0.2], "Item 0 .* of type float, not a path: .* or a list of NumPy arrays"),
        ([[0.1, 0.2]], "Item 0 .* of type list, not a path"),
        (torch.zeros(2, 16_000), "is of type Tensor: give a folder"),
        ([torch.zeros(16_000)], "Item 0 .* of type Tensor, not a path"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_predicted_on_is_one_sentence(model, source, says):
    with pytest.raises(UserError, match=says) as caught:
        model.predict(source)
    assert "\n" not in str(caught.value)


def test_an_array_is_as_long_as_a_file_may_be(model):
    item = _from_array(np.random.default_rng(0).standard_normal(16_000 * 70).astype(np.float32), 16_000, "array 0")
    assert item.error == "70.0 s is longer than 60 s"


def test_floats_on_the_scale_of_integers_are_told(model):
    wave = np.random.default_rng(0).uniform(-0.9, 0.9, 16_000)
    integers = (wave * 32_767).astype(np.int16)
    assert _from_array(integers, 16_000, "array 0").error is None
    item = _from_array(integers.astype(np.float32), 16_000, "array 0")
    assert item.error.startswith("samples reach 29")
    assert "divide floats by their full scale" in item.error


def test_a_model_of_words_alone_labels_nothing_without_words(small_run, tmp_path):
    """On the command line and in Python: what it would say of no words is of nobody."""
    fit = run(tmp_path, "fit", "--config", small_run.config, "--model.prompt", "transcript")
    model, sounds = fit / "checkpoints" / "best.ckpt", small_run.folder / "ravdess" / "Actor_01"
    frame = load(model, transcriber="none").predict(sounds)
    assert frame["label"].isna().all()
    assert frame["error"].str.startswith("no transcript, and this model reads words alone").all()
    told = pd.DataFrame({"path": sorted(map(str, sounds.iterdir()))}).assign(
        transcript=["kids", " ", "dogs", "", "a"]
    )
    assert load(model, transcriber="none").predict(told)["error"].notna().tolist() == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert load(model, transcriber="none").predict([SOUND + 0.1])["error"].str.startswith("no transcript").all()
    output = ["--output", str(tmp_path / "out"), "--data.transcriber", "none", "--trainer.accelerator", "cpu"]
    assert main(["predict", str(sounds), "--model", str(model), *output]) == 2
    assert pd.read_csv(tmp_path / "out" / "predictions.csv")["error"].notna().all()
