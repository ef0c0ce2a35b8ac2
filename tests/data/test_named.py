"""Labels and votes of corpora in the words of the label set."""

import pytest

from emollm.data.labels import LabelSet
from emollm.data.named import named
from emollm.data.utterance import Utterance, UtteranceTable

TABLE = UtteranceTable(
    [
        Utterance(id="1", label="excited", votes={"happy": 2.0, "excited": 1.0, "frustrated": 1.0}),
        Utterance(id="2", label="sad"),
    ]
)


def test_votes_are_gathered_as_labels_are():
    first, second = named(TABLE, LabelSet.parse("joy=happy+excited,sad"), drop_others=False)
    assert (first.label, first.votes) == ("joy", {"joy": 3.0, "frustrated": 1.0})
    assert (second.label, second.votes) == ("sad", None)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ("up=happy+exited,sad", "'exited' in 'up' is no emotion"),
        ("happy,sda", "'sda' is no emotion .* no utterance"),
    ],
)
def test_a_misspelt_emotion_of_a_label_set_is_told(labels, says):
    with pytest.warns(UserWarning, match=rf"model.labels: {says}"):
        named(TABLE, LabelSet.parse(labels), drop_others=False)


def test_words_of_ones_own_and_emotions_that_nobody_shows_are_nothing_strange(recwarn):
    own = UtteranceTable([Utterance(id="1", label="smug"), Utterance(id="2", label="sad")])
    named(own, LabelSet.parse("smug,sad,proud"), drop_others=False)
    assert not recwarn
