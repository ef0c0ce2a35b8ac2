"""The vocabulary of emotions and the label sets made from it."""

from collections import Counter

import pandas as pd
import pytest

from emollm.data.labels import EMOTIONS, LABEL_SETS, LabelSet, canonical
from emollm.errors import UserError


@pytest.mark.parametrize(
    ("word", "emotion"),
    [
        ("anger", "angry"),
        (" Happiness ", "happy"),
        ("joy", "happy"),
        ("FEARFUL", "fear"),
        ("Surprised", "surprise"),
        ("pleasant_surprise", "surprise"),
        ("Pleasant-Surprised", "surprise"),
        ("exc", "excited"),
        ("Boredem", "boredom"),
        ("neutral", "neutral"),
        ("Schadenfreude", "schadenfreude"),
    ],
)
def test_words_that_mean_an_emotion(word, emotion):
    assert canonical(word) == emotion


def test_no_word_means_two_emotions():
    words = Counter(word for emotion, words in EMOTIONS.items() for word in (emotion, *words))
    assert [word for word, count in words.items() if count > 1] == []
    assert all(canonical(word) == emotion for emotion, words in EMOTIONS.items() for word in words)


@pytest.mark.parametrize("name", LABEL_SETS)
def test_named_sets_use_the_vocabulary(name):
    labels = LabelSet.parse(name)
    assert all(word in EMOTIONS for words in labels.members for word in words)
    assert LabelSet.parse(labels.spec) == labels


@pytest.mark.parametrize("written", ["yes,no", "[yes,no]", "[yes, 'no']", '["yes", no]'])
def test_a_list_that_comes_as_text_is_a_list(written):
    """As jsonargparse hands on words that YAML takes for true and false."""
    assert LabelSet.parse(written).names == ("yes", "no")


def test_order_is_kept_and_indices_follow_it():
    labels = LabelSet.parse(["sad", "angry", "happy"])
    assert labels.names == ("sad", "angry", "happy")
    assert [labels.index(word) for word in ("anger", "SAD", "joy", "neutral", None)] == [1, 0, 2, None, None]


def test_groups_gather_emotions():
    labels = LabelSet.parse(["positive = happy + excitement", "negative=angry+sad+fear", "neutral"])
    assert labels.names == ("positive", "negative", "neutral")
    assert labels.index("excited") == labels.index("joy") == labels.index("positive") == 0
    assert labels.index("fearful") == 1
    assert labels.spec == ["positive=happy+excited", "negative=angry+sad+fear", "neutral"]
    assert LabelSet.parse("iemocap4").index("exc") == LabelSet.parse("iemocap4").index("hap") == 1


def test_a_label_keeps_the_word_of_the_user():
    labels = LabelSet.parse("Joy, Anger")
    assert labels.names == ("Joy", "Anger")
    assert labels.index("happy") == 0
    assert len(labels) == 2


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("basic5", "no label set 'basic5'"),
        (["angry"], "at least two"),
        ([], "at least two"),
        (["angry", "anger"], "twice"),
        (["happy=happy+excited", "excited"], "'excited' twice"),
        (["angry", "happy="], "empty part"),
        (["angry", "happy=+joy"], "empty part"),
        (["angry", " "], "empty part"),
        ("angry,,sad", "empty part"),
    ],
)
def test_wrong_sets_are_refused(spec, says):
    with pytest.raises(UserError, match=says):
        LabelSet.parse(spec)


@pytest.mark.parametrize(("corpus", "name"), [("ravdess", "ravdess8"), ("emodb", "emodb7"), ("nemo", "nemo6")])
def test_real_corpora_fit_their_sets(corpora_root, corpus, name):
    words = pd.read_csv(corpora_root / corpus / "metadata.csv", dtype=str)["emotion"].unique()
    assert set(LabelSet.parse(name).names) == set(words)
