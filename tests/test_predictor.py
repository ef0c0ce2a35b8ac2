"""What the Python API is given to predict on, where it cannot be that."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emollm.errors import UserError
from emollm.predictor import Predictor, _from_array

SOUND = np.zeros(16_000, dtype=np.float32)


@pytest.fixture
def model():
    silent = SimpleNamespace(labels=["angry", "sad"], needs_transcript=False, device=torch.device("cpu"))
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
