"""Intervals hold what they promise, over speakers where speakers differ."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from emollm.errors import UserError
from emollm.evaluation import bootstrap, to_frame
from emollm.evaluation.counts import FIGURES_OF_COUNTS, confusions, figures
from emollm.evaluation.intervals import clusters_of
from emollm.metrics import from_predictions
from emollm.metrics.stored import count
from tests.evaluation.made import LABELS, broken, made


def answers(right, speakers, corpus="x"):
    """A table of two labels: whether each row is right, and who speaks."""
    target = np.where(np.arange(len(right)) % 2, "happy", "sad")
    other = np.where(np.arange(len(right)) % 2, "sad", "happy")
    label = np.where(right, target, other)
    frame = pd.DataFrame({"corpus": corpus, "speaker": speakers, "target": target, "label": label})
    return frame.assign(**{f"p_{name}": np.where(label == name, 0.9, 0.1) for name in ("sad", "happy")})


def test_figures_of_many_matrices_are_those_of_each():
    frame = to_frame(made(300, unread=0.1), LABELS)
    counted = count(frame, LABELS)
    groups, number, _ = clusters_of(counted)
    every = figures(confusions(counted, groups, number))
    for index in range(number):
        one = from_predictions(frame[groups == index], LABELS).overall
        for name in FIGURES_OF_COUNTS:
            assert every[name][index] == pytest.approx(getattr(one, name), abs=1e-12)


def test_a_label_that_nobody_has_is_left_out_as_everywhere():
    frame = to_frame([row for row in made(80, unread=0) if row.utterance.label in ("sad", "angry")], LABELS)
    counted = count(frame, LABELS)
    got = figures(confusions(counted, np.zeros(len(frame), dtype=int), 1))
    want = from_predictions(frame, LABELS).overall
    for name in FIGURES_OF_COUNTS:
        assert got[name][0] == pytest.approx(getattr(want, name)), name


def slowly(frame, draws, rng):
    """The same bootstrap by its definition: draw speakers or utterances, put their rows together, measure."""
    names = np.where(frame["speaker"].isna(), frame["id"], frame["corpus"] + " " + frame["speaker"].fillna(""))
    parts = [np.flatnonzero(names == name) for name in np.unique(names)]
    targets, answers = frame["target"].to_numpy(), frame["label"].fillna("unread").to_numpy()
    found = []
    for _ in range(draws):
        drawn = np.concatenate([parts[place] for place in rng.integers(len(parts), size=len(parts))])
        pair = targets[drawn], answers[drawn]
        seen = sorted({*pair[0], *pair[1]} - {"unread"})
        f1 = [sk.f1_score(*pair, labels=seen, average=over, zero_division=0) for over in ("macro", "weighted")]
        found.append([sk.accuracy_score(*pair), sk.balanced_accuracy_score(*pair), *f1])
    return np.quantile(found, [0.025, 0.975], axis=0)


@pytest.mark.filterwarnings("ignore::UserWarning")  # "unread" is no target
def test_intervals_are_those_of_the_definition():
    """Few utterances, so that labels are missing from some draws; speakers and single utterances together."""
    rows = made(24, speakers=3, unread=0.1) + made(6, corpora=["meld"], speakers=0, seed=1)
    frame = to_frame(rows, LABELS)
    want = slowly(frame, 800, np.random.default_rng(1))
    got = bootstrap(frame, LABELS, draws=20000)
    for place, name in enumerate(FIGURES_OF_COUNTS):
        width = want[1, place] - want[0, place]
        assert getattr(got, name) == pytest.approx(tuple(want[:, place]), abs=0.1 * width), name


def test_intervals_by_utterance_are_those_of_the_binomial():
    right = np.arange(500) % 10 < 7
    got = bootstrap(answers(right, None), ["sad", "happy"], draws=20000)
    half = 1.96 * np.sqrt(0.7 * 0.3 / 500)
    assert got.over == "500 utterances"
    assert got.wa == pytest.approx((0.7 - half, 0.7 + half), abs=0.003)


def coverage(speakers_known, trials=150, speakers=24, each=30):
    """How often the interval holds the accuracy over all people there are, who differ much from each other."""
    rng, held = np.random.default_rng(0), 0
    for trial in range(trials):
        skill = rng.beta(4, 2, size=speakers)  # mean 2/3
        right = rng.random((speakers, each)) < skill[:, None]
        names = np.repeat([f"{number:02d}" for number in range(speakers)], each)
        frame = answers(right.ravel(), names if speakers_known else None)
        low, high = bootstrap(frame, ["sad", "happy"], draws=400, seed=trial).wa
        held += low <= 2 / 3 <= high
    return held / trials


def test_intervals_over_speakers_cover_and_those_over_utterances_do_not():
    assert 0.88 <= coverage(speakers_known=True) <= 0.99
    assert coverage(speakers_known=False) < 0.75


def test_what_was_drawn_is_told_in_words():
    def over(frame):
        return bootstrap(frame, LABELS, draws=10).over

    known, unknown = made(60, corpora=["emodb"], speakers=4), made(40, corpora=["meld"], speakers=0)
    assert over(to_frame(known, LABELS)) == "4 speakers"
    assert over(to_frame(unknown, LABELS)) == "40 utterances"
    assert over(to_frame(known + unknown, LABELS)) == "4 speakers and 40 utterances"
    assert over(to_frame(known + [broken("a")], LABELS)) == "4 speakers", "a broken recording is not counted"
    assert over(to_frame(made(20, corpora=["savee"], speakers=1), LABELS)) == "20 utterances", "one speaker"
    assert over(to_frame(made(1), LABELS)) == "1 utterance"
    partly = to_frame(known, LABELS)
    partly.loc[3, "speaker"] = None
    assert over(partly) == "4 speakers and 1 utterance", "one row without a speaker costs the others nothing"
    assert over(to_frame(known, LABELS).drop(columns=["speaker", "corpus"])) == "60 utterances"
    # Speakers of different corpora are different people, whatever they are called.
    assert over(to_frame(made(400, corpora=["a", "b"], speakers=4), LABELS)) == "8 speakers"


def test_the_order_of_rows_and_the_memory_for_draws_play_no_part(monkeypatch):
    frame = to_frame(made(120) + made(50, corpora=["meld"], speakers=0), LABELS)
    want = bootstrap(frame, LABELS, draws=300)
    assert bootstrap(frame.sample(frac=1, random_state=1), LABELS, draws=300) == want
    assert bootstrap(frame, LABELS, draws=300, seed=1) != want
    monkeypatch.setattr("emollm.evaluation.intervals._ENTRIES", 100)
    assert bootstrap(frame, LABELS, draws=300) == want


def test_perfect_answers_have_no_width():
    got = bootstrap(answers(np.ones(40, dtype=bool), ["a", "b"] * 20), ["sad", "happy"], draws=50)
    assert got.to_dict() == {name: [1.0, 1.0] for name in FIGURES_OF_COUNTS}


def test_nothing_to_measure():
    with pytest.raises(UserError, match="nothing can be measured"):
        bootstrap(to_frame([broken()], LABELS), LABELS)
