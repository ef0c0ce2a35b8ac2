import pytest

from emollm.data.protocols import CrossCorpus, LeaveOneCorpusOut
from emollm.data.utterance import UtteranceTable
from emollm.errors import UserError
from tests.data.protocols.test_protocols import speakers, table


@pytest.fixture
def three():
    return table(6, 4, "b") + table(4, 4, "a") + table(2, 4, "c")


def corpora(part: UtteranceTable) -> list[str]:
    return part.unique("corpus")


def test_train_on_one_test_on_another(three):
    split = CrossCorpus(train=["b"], test=["c"]).split(three)
    assert (corpora(split.train), corpora(split.validation), corpora(split.test)) == (["b"], ["b"], ["c"])
    assert len(split.train) + len(split.validation) == 24
    assert not speakers(split.train) & speakers(split.validation)
    assert split.speaker_independent
    assert split.fold is None
    assert split.name == "from b to c"
    assert CrossCorpus(train=["b"], test=["c"]).folds(three) == [1]


def test_each_corpus_is_trained_on_once_and_all_others_tested(three):
    assert CrossCorpus().folds(three) == ["a", "b", "c"]
    for fold, others in {"a": ["b", "c"], "b": ["a", "c"], "c": ["a", "b"]}.items():
        split = CrossCorpus(fold=fold).split(three)
        assert corpora(split.train + split.validation) == [fold]
        assert corpora(split.test) == others
        assert split.fold == fold
        assert fold in split.name
    assert CrossCorpus().split(three).fold == "a", "the first where none is named"


def test_a_corpus_called_by_a_number():
    rows = table(corpus="1") + table(corpus="2")
    assert CrossCorpus(fold=2).split(rows).fold == "2"


def test_each_corpus_is_left_out_once(three):
    assert LeaveOneCorpusOut().folds(three) == ["a", "b", "c"]
    for fold, others in {"a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"}}.items():
        split = LeaveOneCorpusOut(fold=fold).split(three)
        assert corpora(split.test) == [fold]
        assert set(corpora(split.train + split.validation)) == others
        assert not speakers(split.train) & speakers(split.validation)
        assert len(split.train + split.validation + split.test) == len(three)
        assert split.fold == fold
        assert split.name.startswith(f"leave one corpus out, fold {fold}")
        assert split.whole == "leave one corpus out"
    assert LeaveOneCorpusOut().split(three).fold == "a", "the first where none is named"
    with pytest.raises(UserError, match="protocol.fold names the corpus 'z': data.corpora holds a, b, c"):
        LeaveOneCorpusOut(fold="z").split(three)
    with pytest.raises(UserError, match="needs two; data.corpora holds c"):
        LeaveOneCorpusOut().split(table())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"train": ["z"], "test": ["a"]}, "protocol.train names the corpus 'z': data.corpora holds a, b, c"),
        ({"train": ["a"], "test": ["z"]}, "protocol.test names the corpus 'z': data.corpora holds a, b, c"),
        ({"fold": "z"}, "protocol.fold names the corpus 'z': data.corpora holds a, b, c"),
        ({"train": ["a"]}, "go together"),
        ({"train": ["a", "b"], "test": ["b"]}, "'b' is in protocol.train and in protocol.test"),
        ({"train": ["a"], "test": ["b"], "fold": "a"}, "leave one out"),
    ],
)
def test_what_does_not_fit_is_told(three, wrong, says):
    with pytest.raises(UserError, match=says):
        CrossCorpus(**wrong).split(three)


def test_one_corpus_is_not_enough():
    with pytest.raises(UserError, match="needs two; data.corpora holds c"):
        CrossCorpus().split(table())
