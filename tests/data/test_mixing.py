"""In which shares training draws corpora and labels."""

from collections import Counter

import pytest

from emollm.data.mixing import Mixing
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

ROWS = [("big", "angry", 60), ("big", "sad", 20), ("small", "sad", 15), ("small", "happy", 5)]
TABLE = UtteranceTable(
    Utterance(id=f"{corpus}{label}{number}", corpus=corpus, label=label)
    for corpus, label, size in ROWS
    for number in range(size)
)


def chances(mixing, column):
    weights, total = mixing.weights(TABLE), Counter()
    for value, weight in zip(TABLE.values(column), weights, strict=True):
        total[value] += weight / sum(weights)
    return total


def test_nothing_asked_for_visits_each_once():
    assert Mixing().weights(TABLE) is None


def test_balance_draws_labels_equally_often():
    assert chances(Mixing(balance=True), "label") == pytest.approx({"angry": 1 / 3, "sad": 1 / 3, "happy": 1 / 3})


def test_shares_of_corpora_do_not_depend_on_their_sizes():
    mixing = Mixing(corpora={"big": 1, "small": 3})
    assert chances(mixing, "corpus") == pytest.approx({"big": 0.25, "small": 0.75})
    assert chances(mixing, "label") == pytest.approx({"angry": 0.1875, "sad": 0.0625 + 0.5625, "happy": 0.1875})


def test_shares_and_balance_draw_labels_equally_often_within_each_corpus():
    mixing = Mixing(balance=True, corpora={"big": 1, "small": 1})
    assert chances(mixing, "corpus") == pytest.approx({"big": 0.5, "small": 0.5})
    assert chances(mixing, "label") == pytest.approx({"angry": 0.25, "sad": 0.5, "happy": 0.25})


@pytest.mark.parametrize("corpora", [{"big": 1}, {"big": 1, "small": 1, "other": 1}])
def test_shares_name_each_corpus_once(corpora):
    with pytest.raises(UserError, match="training part holds big, small: name each of these once"):
        Mixing(corpora=corpora).weights(TABLE)


def test_a_share_is_above_zero():
    with pytest.raises(UserError, match="must be above zero"):
        Mixing(corpora={"big": 0, "small": 1}).weights(TABLE)
