import numpy as np
import pandas as pd
import pytest

from emollm.evaluation import reliability, to_frame
from emollm.metrics import from_predictions
from tests.evaluation.made import LABELS, broken, made


def table(top, right):
    return pd.DataFrame(
        {
            "target": np.where(right, "sad", "happy"),
            "label": "sad",
            "p_sad": top,
            "p_happy": 1 - np.asarray(top),
        }
    )


def test_bins_by_hand():
    bins = reliability(table([0.55, 0.58, 0.71, 1.0, 0.95], [True, False, True, True, False]), bins=10)
    assert [(one["low"], one["high"], one["n"]) for one in bins] == [(0.5, 0.6, 2), (0.7, 0.8, 1), (0.9, 1.0, 2)]
    assert [one["accuracy"] for one in bins] == [0.5, 1, 0.5]
    assert [one["confidence"] for one in bins] == pytest.approx([0.565, 0.71, 0.975])


def test_an_edge_belongs_to_the_bin_above_it():
    bins = reliability(table([0.5, 0.75], [True, True]), bins=4)
    assert [(one["low"], one["n"]) for one in bins] == [(0.5, 1), (0.75, 1)]


@pytest.mark.parametrize("sharp", [0.3, 2.0, 30.0])
def test_the_gaps_are_the_calibration_error(sharp):
    frame = to_frame([*made(400, sharp=sharp, unread=0.2), broken()], LABELS)
    bins, result = reliability(frame), from_predictions(frame).overall
    assert sum(one["n"] for one in bins) == result.n == 400
    error = sum(one["n"] * abs(one["accuracy"] - one["confidence"]) for one in bins) / result.n
    assert error == pytest.approx(result.ece, abs=1e-12)
