import math

import numpy as np
import pytest
import torch

from emollm.errors import UserError
from emollm.evaluation import Calibration, fit_calibration, fit_temperature, fit_threshold


def scored(n=4000, true=2.5, labels=5, seed=0):
    """Scores of a model that is right about its odds at the temperature ``true``."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=3, size=(n, labels))
    chances = np.exp(scores / true)
    chances /= chances.sum(1, keepdims=True)
    return scores, (rng.random((n, 1)) > chances.cumsum(1)).sum(1).clip(0, labels - 1)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5, 8.0])
def test_the_true_temperature_is_found(true):
    assert fit_temperature(*scored(20000, true)) == pytest.approx(true, rel=0.1)


def test_no_other_temperature_is_better():
    scores, targets = scored(500)
    best = fit_temperature(scores, targets)

    def loss(temperature):
        return float(torch.nn.functional.cross_entropy(torch.tensor(scores) / temperature, torch.tensor(targets)))

    assert all(loss(best) <= loss(other) + 1e-9 for other in np.geomspace(0.05, 20, 400))


def test_a_constant_added_to_a_row_changes_nothing():
    scores, targets = scored(300)
    shifted = scores + np.random.default_rng(1).normal(scale=50, size=(300, 1))
    assert fit_temperature(shifted, targets) == pytest.approx(fit_temperature(scores, targets), rel=1e-5)


def test_bounds_and_what_cannot_be_fitted():
    sure = np.eye(3)
    assert fit_temperature(sure, np.array([0, 1, 2])) == pytest.approx(0.05, rel=1e-3)
    assert fit_temperature(sure, np.array([1, 2, 0])) == pytest.approx(20, rel=1e-3)
    rounded = np.array([[0.0, -np.inf], [-1.0, -0.5]])  # a probability that float32 rounded to 0
    assert math.isfinite(fit_temperature(rounded, np.array([1, 1])))
    with pytest.raises(UserError, match="there are none"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int))
    with pytest.raises(UserError, match="diverged"):
        fit_temperature(np.full((2, 3), np.nan), np.array([0, 1]))


@pytest.mark.parametrize("sure", [1, 5, 30])
def test_a_temperature_at_its_bound_says_why(sure):
    scores, targets = sure * np.eye(4)[np.arange(40) % 4], np.arange(40) % 4
    assert "lower bound, 0.05, as hardly any answer on the 40 " in fit_calibration(scores, targets).fault
    assert "upper bound, 20, as the scores on the 40 " in fit_calibration(scores, (targets + 1) % 4).fault
    assert fit_calibration(*scored(400)).fault is None
    assert Calibration(1.0).fault is None


def test_what_is_fitted_helps_on_other_data():
    got = fit_calibration(*scored(true=2.0), protocol="actor folds, fold 1")
    assert (got.n, got.protocol) == (4000, "actor folds, fold 1")
    assert got.nll_after < got.nll_before
    assert got.ece_after < 0.03 < got.ece_before
    scores, targets = scored(true=2.0, seed=1)
    chances = got.apply(torch.tensor(scores).softmax(-1))
    top, answer = chances.max(-1)
    right = answer.numpy() == targets
    assert abs(float(top.mean()) - right.mean()) < 0.03
    kept = top.numpy() >= got.threshold
    assert 1 - right[kept].mean() == pytest.approx((1 - right.mean()) / 2, abs=0.03)
    assert kept.mean() > 0.2


def test_apply_is_softmax_at_the_temperature():
    scores = torch.randn(6, 4, generator=torch.manual_seed(0))
    for temperature in (0.3, 1.0, 4.0):
        got = Calibration(temperature).apply(scores.softmax(-1))
        torch.testing.assert_close(got, (scores / temperature).softmax(-1))
        values = Calibration(temperature).apply(scores.softmax(-1).numpy())
        assert isinstance(values, np.ndarray)
        np.testing.assert_allclose(values, got.numpy(), rtol=1e-5)


def test_apply_survives_small_temperatures_many_labels_and_empty_batches():
    flat = torch.full((1, 1000), 1e-3)
    assert Calibration(0.05).apply(flat).sum() == pytest.approx(1, abs=1e-5)
    certain = Calibration(0.05).apply(torch.tensor([[1.0, 0.0], [0.4, 0.6]]))
    assert certain.argmax(-1).tolist() == [0, 1]
    assert certain.isfinite().all()
    assert Calibration(2.0).apply(torch.zeros(0, 3)).shape == (0, 3)
    assert Calibration(2.0).apply(np.zeros((0, 3))).shape == (0, 3)


def test_threshold_by_hand():
    confidences = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    correct = np.array([True, True, False, True, False, False])
    # From the top, errors among those kept: 0/1, 0/2, 1/3, 1/4, 2/5, 3/6; half of 3/6 is 1/4.
    assert fit_threshold(confidences, correct) == 0.6
    assert fit_threshold(confidences, correct, risk=0.3) == 0.6
    assert fit_threshold(confidences, correct, risk=0.2) == 0.8
    assert fit_threshold(confidences, correct, risk=0) == 0.8
    assert fit_threshold(confidences, correct, risk=0.5) == 0, "all of them are good enough"
    assert fit_threshold(confidences[::-1], correct[::-1]) == 0.6, "in any order"


def test_equal_confidences_stay_together_and_what_is_out_of_reach_is_none():
    assert fit_threshold(np.array([0.9, 0.9, 0.5]), np.array([True, False, False]), risk=0.1) is None
    assert fit_threshold(np.array([0.9, 0.9, 0.5]), np.array([True, False, False]), risk=0.5) == 0.9
    assert fit_threshold(np.array([0.9, 0.5]), np.array([False, True])) is None, "wrong where it is surest"
    assert fit_threshold(np.array([0.9, 0.5]), np.array([True, True])) == 0
    assert fit_threshold(np.zeros(0), np.zeros(0, dtype=bool)) is None


def test_the_file_comes_back(tmp_path):
    want = fit_calibration(*scored(200), protocol="EmoDB, Sprecher für sich")
    want.write(tmp_path / "calibration.json")
    assert [file.name for file in tmp_path.iterdir()] == ["calibration.json"]
    assert Calibration.read(tmp_path / "calibration.json") == want
    assert Calibration.from_json(Calibration(2).to_json()) == Calibration(2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[1.5]", "no field 'temperature'"),
        ('{"n": 3}', "no field 'temperature'"),
        ('{"temperature": "hot"}', "field 'temperature' is \"hot\", not a number above 0"),
        ('{"temperature": true}', "field 'temperature' is true"),
        ('{"temperature": null}', "field 'temperature' is null"),
        ('{"temperature": 0}', "field 'temperature' is 0"),
        ('{"temperature": NaN}', "field 'temperature' is NaN"),
        ('{"temperature": 1, "threshold": 7}', "field 'threshold' is 7, not a number from 0 to 1"),
        ('{"temperature": 1, "n": 2.5}', "field 'n' is 2.5, not a whole number"),
        ('{"temperature": 1, "protocol": null}', "field 'protocol' is null, not a text"),
        ('{"temperature": 1, "nll_after": -1}', "field 'nll_after' is -1, not a number from 0 on"),
        ('{"temperature": 1, "treshold": 0.5}', "field 'treshold' is not one of the fields ece_after"),
    ],
)
def test_a_broken_file_is_told_of(tmp_path, text, message):
    file = tmp_path / "calibration.json"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        Calibration.read(file)
    assert message in str(error.value)
    assert str(file) in str(error.value)
    assert "calibrate again" in str(error.value)


def test_a_file_that_is_missing_or_no_text(tmp_path):
    with pytest.raises(UserError, match="There is no calibration file .*none.json: correct the path"):
        Calibration.read(tmp_path / "none.json")
    (tmp_path / "calibration.json").write_bytes(Calibration(1.0).to_json().encode("utf-16"))
    with pytest.raises(UserError, match="calibration.json cannot be read"):
        Calibration.read(tmp_path / "calibration.json")
