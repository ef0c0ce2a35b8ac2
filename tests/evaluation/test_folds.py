import json

import numpy as np
import pytest

from emollm.errors import UserError
from emollm.evaluation import over_folds, to_frame
from emollm.metrics import from_predictions
from tests.evaluation.made import LABELS, broken, made


def test_mean_and_deviation_over_folds():
    frames = {str(fold): to_frame(made(40 + 20 * fold, seed=fold), LABELS) for fold in (1, 2, 3)}
    got = over_folds(frames, LABELS)
    assert got.pop("n") == {"1": 60, "2": 80, "3": 100}
    assert list(got) == ["wa", "ua", "macro_f1", "weighted_f1"]
    for name, one in got.items():
        values = [getattr(from_predictions(frame, LABELS).overall, name) for frame in frames.values()]
        assert one["values"] == dict(zip("123", values, strict=True))
        assert (one["mean"], one["sd"]) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    json.dumps(got, allow_nan=False)


def test_one_fold_has_no_deviation():
    got = over_folds({"1": to_frame(made(40), LABELS)}, LABELS)
    assert got["wa"]["sd"] is None
    assert got["wa"]["mean"] == got["wa"]["values"]["1"]


def test_a_fold_that_cannot_be_measured_is_named():
    with pytest.raises(UserError, match="Fold 2: .*nothing can be measured"):
        over_folds({"1": to_frame(made(9), LABELS), "2": to_frame([broken()], LABELS)}, LABELS)
    with pytest.raises(UserError, match="no folds"):
        over_folds({}, LABELS)
