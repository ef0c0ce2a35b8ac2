"""Differences between models on the same utterances, against the definition."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from emollm.evaluation import bootstrap, to_frame
from emollm.evaluation.counts import FIGURES_OF_COUNTS
from emollm.evaluation.differences import differences, shared
from emollm.metrics import from_predictions
from tests.evaluation.made import LABELS, broken, made


@pytest.fixture
def frame():
    return to_frame(made(400, speakers=8), LABELS)


def better(frame, share, seed=3):
    """The same with some of the wrong answers put right."""
    wrong = frame["label"].notna() & (frame["label"] != frame["target"])
    mended = wrong & (np.random.default_rng(seed).random(len(frame)) < share)
    return frame.assign(label=frame["label"].where(~mended, frame["target"]))


def test_the_same_answers_differ_by_nothing(frame):
    shuffled = frame.sample(frac=1, random_state=0)
    assert set(differences(frame, shuffled, LABELS).values()) == {(0.0, 0.0, 0.0)}


def test_the_difference_is_that_of_the_figures(frame):
    other = better(frame, 0.3)
    found = differences(other, frame, LABELS)
    ours, theirs = (from_predictions(table, LABELS).overall for table in (other, frame))
    for name in FIGURES_OF_COUNTS:
        value, low, high = found[name]
        assert value == pytest.approx(getattr(ours, name) - getattr(theirs, name))
        assert low < value < high
    back = differences(frame, other, LABELS)["ua"]
    assert back == pytest.approx((-found["ua"][0], -found["ua"][2], -found["ua"][1]))


def test_pairs_tell_what_intervals_side_by_side_hide(frame):
    other = better(frame, 0.1)
    low, high = bootstrap(frame, LABELS).ua, bootstrap(other, LABELS).ua
    assert low[1] > high[0], "they overlap"
    assert differences(other, frame, LABELS)["ua"][1] > 0


def slowly(frame, other, draws, rng):
    """By the definition: draw speakers, put their rows of both together, measure."""
    names = (frame["corpus"] + frame["speaker"]).to_numpy()
    parts = [np.flatnonzero(names == name) for name in np.unique(names)]
    found = []
    for _ in range(draws):
        rows = np.concatenate([parts[place] for place in rng.integers(len(parts), size=len(parts))])
        target = frame["target"].to_numpy()[rows]
        pair = [table["label"].fillna("unread").to_numpy()[rows] for table in (other, frame)]
        found.append(sk.balanced_accuracy_score(target, pair[0]) - sk.balanced_accuracy_score(target, pair[1]))
    return np.quantile(found, [0.025, 0.975])


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_the_interval_is_that_of_drawn_speakers(frame):
    other = better(frame, 0.3)
    _, *interval = differences(other, frame, LABELS)["ua"]
    assert interval == pytest.approx(slowly(frame, other, 1000, np.random.default_rng(1)), abs=0.01)


def test_what_one_of_them_could_not_read_is_left_out():
    rows = made(60, speakers=None)
    lacking = to_frame([broken(rows[0].utterance.id), *rows[1:]], LABELS)
    found = differences(to_frame(rows, LABELS), lacking, LABELS)
    assert found["ua"] == (0.0, 0.0, 0.0)


def test_other_seeds_are_held_against_each_other(frame):
    """Each seed of one table with each of the other, where they have none in common; else seed by seed."""
    other = better(frame, 0.3)
    plain = differences(other, frame, LABELS)["ua"]
    twice = pd.concat([other.assign(fold="1", seed=seed) for seed in (0, 1)])
    for against in (frame, frame.assign(fold="1", seed=5)):
        assert shared(twice, against, LABELS) == (2 * len(frame), shared(other, frame, LABELS)[1])
        assert differences(twice, against, LABELS)["ua"] == pytest.approx(plain)
    mixed = pd.concat([frame.assign(fold="1", seed=0), other.assign(fold="1", seed=1)])
    assert differences(twice, mixed, LABELS)["ua"][0] == pytest.approx(plain[0] / 2, abs=0.02)
    assert shared(twice, mixed, LABELS)[0] == 2 * len(frame)


def test_what_is_drawn_is_told_of_what_both_have(frame):
    first = frame.iloc[0]
    one = frame[(frame["corpus"] == first["corpus"]) & (frame["speaker"] == first["speaker"])]
    assert shared(frame, one, LABELS) == (len(one), f"{len(one)} utterances")
    assert shared(frame, one.assign(id="other"), LABELS) == (0, "")
