"""The loss over a closed label set against torch's own, and against what each option promises."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from emollm.data.utterance import Utterance, UtteranceTable
from emollm.modules.label_loss import LabelLoss

LABELS = ["angry", "happy", "sad", "surprise"]
TABLE = UtteranceTable(
    Utterance(id=f"{corpus}{number}", corpus=corpus, label=label)
    for corpus, labels in (("wide", LABELS), ("narrow", ["sad", "angry", "angry"]))
    for number, label in enumerate(labels)
)
TARGETS = torch.tensor([0, 2, 0])
SCORES = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


def utterances(*corpora):
    return [Utterance(id=str(number), corpus=corpus) for number, corpus in enumerate(corpora)]


def learned(smoothing=0.0, balance=False, by_corpus=False):
    loss = LabelLoss(LABELS, smoothing, balance, by_corpus)
    loss.learn(TABLE)
    return loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_plain_is_cross_entropy(smoothing):
    loss = learned(smoothing)(SCORES, TARGETS, utterances("wide", "wide", "narrow"))
    torch.testing.assert_close(loss, cross_entropy(SCORES, TARGETS, label_smoothing=smoothing))


def test_soft_is_cross_entropy_with_the_shares_of_votes():
    loss = LabelLoss(LABELS, 0.0, balance=False, by_corpus=False, soft=True)
    votes = [{"angry": 3.0, "sad": 1.0, "bored": 5.0}, None, {"bored": 2.0}]
    rows = [Utterance(id=str(number), votes=one) for number, one in enumerate(votes)]
    shares = torch.tensor([[0.75, 0.0, 0.25, 0.0], [0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(loss(SCORES, TARGETS, rows), cross_entropy(SCORES, shares))


def test_votes_for_what_a_corpus_does_not_know_are_nobodys():
    loss = LabelLoss(LABELS, 0.0, balance=False, by_corpus=True, soft=True)
    loss.learn(TABLE)
    (row,) = utterances("narrow")
    row = replace(row, votes={"happy": 3.0, "angry": 1.0, "sad": 1.0})
    chances = SCORES[:1, [0, 2]].log_softmax(-1)
    torch.testing.assert_close(loss(SCORES[:1], TARGETS[:1], [row]), -chances.mean())


def test_balanced_is_weighted_cross_entropy():
    """Three angry, one happy, two sad, one surprise."""
    loss = learned(balance=True)(SCORES, TARGETS, utterances("wide", "wide", "narrow"))
    weight = 7 / 4 / torch.tensor([3.0, 1.0, 2.0, 1.0])
    each = cross_entropy(SCORES, TARGETS, weight=weight, reduction="none")
    torch.testing.assert_close(loss, each.mean())
    alone = [
        learned(balance=True)(SCORES[row : row + 1], TARGETS[row : row + 1], utterances("wide"))
        for row in range(3)
    ]
    torch.testing.assert_close(torch.stack(alone), each, msg="who else is in the batch plays no part")


def test_a_corpus_chooses_among_the_labels_it_knows():
    loss = learned(0.1, by_corpus=True)
    narrow = utterances("narrow", "narrow", "narrow")
    assert loss.choices(narrow[0]) == ["angry", "sad"]
    assert loss.choices(utterances("never heard")[0]) == LABELS
    want = cross_entropy(SCORES[:, [0, 2]], torch.tensor([0, 1, 0]), label_smoothing=0.1)
    torch.testing.assert_close(loss(SCORES, TARGETS, narrow), want)


def test_labels_a_corpus_does_not_know_get_no_gradient():
    scores = SCORES.clone().requires_grad_()
    learned(0.1, by_corpus=True)(scores, TARGETS, utterances("narrow", "wide", "narrow")).backward()
    assert scores.grad.isfinite().all()
    assert (scores.grad[[0, 2]][:, [1, 3]] == 0).all()
    assert (scores.grad[1] != 0).all()


def test_shares_of_votes_that_nobody_gave_are_told():
    with pytest.warns(UserWarning, match=r"model\.soft_labels has no effect: no training utterance has votes"):
        LabelLoss(LABELS, 0.0, False, False, soft=True).learn(TABLE)
