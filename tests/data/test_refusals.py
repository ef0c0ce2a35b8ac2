"""What a run refuses, or warns of, before it begins."""

import pytest

from emollm.data.corpora import Folder, Table
from emollm.data.labels import LabelSet
from emollm.data.refusals import refuse_no_context, refuse_one_name, tell_faults, tell_one_corpus, why_no_context
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.errors import UserError

LABELS = LabelSet.parse(["angry", "sad"])


def test_tables_that_are_called_alike_after_their_files_are_refused():
    mine, other = Table("a/metadata.csv"), Table("b/metadata.csv")
    with pytest.raises(UserError, match="several tables or folders are called 'metadata', .* name"):
        refuse_one_name([mine, other])
    refuse_one_name([mine, Table("b/metadata.csv", name="b")])
    refuse_one_name([Table("a/train.csv", name="a"), Table("a/test.csv", name="a")])
    with pytest.raises(UserError, match="called 'wavs'"):
        refuse_one_name([Folder("x/wavs"), Folder("y/wavs")])


def test_parts_of_one_corpus_that_count_as_two_are_told(recwarn):
    def heard(*names):
        return UtteranceTable(Utterance(id=name, speaker=name) for name in names)

    mine, other = Table("a/train.csv"), Table("a/test.csv")
    tell_one_corpus([mine, other], [heard("x", "y"), heard("z")])
    tell_one_corpus([mine, Table("b/test.csv")], [heard("x"), heard("x")])
    tell_one_corpus([Table("a/train.csv", name="a"), Table("a/test.csv", name="a")], [heard("x"), heard("x")])
    assert not recwarn.list
    tell_one_corpus([mine, other], [heard("x", "y"), heard("y")])
    assert "tables or folders in a name the same speakers (y)" in str(recwarn.list[0].message)
    tell_one_corpus([Folder("b/train"), Folder("b/test")], [heard("x"), heard("x")])
    assert "tables or folders in b name the same speakers (x)" in str(recwarn.list[1].message)


def test_dialogues_without_words_show_no_context():
    silent = [Utterance(id=f"{n}", context=()) for n in range(3)]
    with pytest.raises(UserError, match="no turn has a transcript"):
        refuse_no_context(UtteranceTable(silent))
    refuse_no_context(UtteranceTable([*silent, Utterance(id="3", context=("A: yes",))]))
    first = Utterance(id="4", context=(), transcript="hello")
    assert why_no_context(UtteranceTable([first])) is None, "nothing was said before it"
    assert "no utterance has earlier turns" in why_no_context(UtteranceTable([Utterance(id="5")]))


def test_faults_of_the_test_part_are_told_before_the_fit(tmp_path, recwarn):
    rows = [Utterance(id=f"{n}", path=tmp_path / "gone.wav", label="glad") for n in range(2)]
    tell_faults(UtteranceTable(rows), LABELS, True, False)
    (said,) = recwarn
    head, *lines, last = str(said.message).splitlines()
    assert head == "emollm test would refuse the test part:"
    assert len(lines) == 3
    assert "gone.wav" in "".join(lines)
    assert last == "  and 1 more."
    tell_faults(UtteranceTable(), LABELS, True, False)
    tell_faults(UtteranceTable([Utterance(id="0", label="sad")]), LABELS, False, False)
    assert len(recwarn) == 1
