"""Every protocol: parts that do not overlap, speakers kept apart, the same parts on any machine."""

import copy
import random
from dataclasses import replace

import pytest

from emollm.data.corpora import Emodb, Ravdess
from emollm.data.protocols import (
    ColumnSplit,
    CrossCorpus,
    FoldColumn,
    GroupedKFold,
    LeaveOneSessionOut,
    LeaveOneSpeakerOut,
    RandomSplit,
    SpeakerSplit,
    carve_validation,
    part_of,
)
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.data.validate import faults
from emollm.errors import UserError


def table(speakers=8, each=6, corpus="c"):
    """Utterances of s0, s1, …; two speakers a session; fold and split columns."""
    return UtteranceTable(
        Utterance(
            id=f"{speaker}-{index}",
            corpus=corpus,
            speaker=f"s{speaker}",
            session=f"Ses{speaker // 2 + 1:02d}",
            split=("train", "dev", "test")[speaker % 3],
            extra={"fold": f"{speaker % 4 + 1}", "mixed": index % 2},
        )
        for speaker in range(speakers)
        for index in range(each)
    )


PROTOCOLS = [
    SpeakerSplit(),
    LeaveOneSpeakerOut(fold=3),
    LeaveOneSessionOut(fold=2),
    GroupedKFold(k=3, fold=2),
    GroupedKFold(k=2, group="session"),
    FoldColumn("fold", fold=2),
    FoldColumn("mixed", fold=0),
    ColumnSplit(),
    RandomSplit(),
]
NAMES = [f"{type(p).__name__}-{i}" for i, p in enumerate(PROTOCOLS)]


def speakers(part):
    return {(row.corpus, row.speaker) for row in part}


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=NAMES)
def test_parts_are_a_partition_and_the_name_tells_of_shared_speakers(protocol):
    rows = table()
    split = protocol.split(rows)
    parts = [split.train, split.validation, split.test]
    assert sorted(row.key for part in parts for row in part) == sorted(row.key for row in rows)
    assert all(len(part) for part in parts)
    shared = bool(speakers(split.train + split.validation) & speakers(split.test))
    assert split.speaker_independent == (not shared)
    assert ("speakers shared" in split.name) == shared
    if not isinstance(protocol, RandomSplit):
        assert not speakers(split.train) & speakers(split.validation)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=NAMES)
def test_the_order_of_rows_changes_nothing(protocol):
    rows = list(table())
    want = protocol.split(UtteranceTable(rows))
    random.Random(0).shuffle(rows)
    got = protocol.split(UtteranceTable(rows))
    assert want.name == got.name
    for part in ("train", "validation", "test"):
        keys = [{row.key for row in getattr(split, part)} for split in (want, got)]
        assert keys[0] == keys[1]


@pytest.mark.parametrize("protocol", PROTOCOLS[1:7], ids=NAMES[1:7])
def test_each_utterance_is_tested_in_one_fold(protocol):
    rows = table()
    tested = []
    for fold in protocol.folds(rows):
        one = copy.copy(protocol)
        one.fold = fold
        split = one.split(rows)
        assert split.fold == fold
        tested += [row.key for row in split.test]
    assert sorted(tested) == sorted(row.key for row in rows)


def test_draws_are_the_same_on_every_machine():
    """Golden values: a change of library or platform must not change who is tested."""
    split = SpeakerSplit(seed=0).split(table(20))
    assert sorted(s for _, s in speakers(split.test)) == ["s13", "s14", "s3"]
    assert sorted(s for _, s in speakers(split.validation)) == ["s10", "s11", "s5"]
    assert speakers(SpeakerSplit(seed=1).split(table(20)).test) != speakers(split.test)
    folds = GroupedKFold().split(table(20))
    assert sorted(s for _, s in speakers(folds.test)) == ["s14", "s2", "s5", "s8"]


def test_shares_are_met():
    split = SpeakerSplit(0.6, 0.2, 0.2).split(table(20))
    assert [len(part) for part in (split.train, split.validation, split.test)] == [72, 24, 24]
    split = RandomSplit(2, 1, 1).split(table(10, 10))
    assert [len(part) for part in (split.train, split.validation, split.test)] == [50, 25, 25]
    split = SpeakerSplit(0.8, 0.2, 0).split(table(10))
    assert (len(split.test), len(split.validation)) == (0, 12)


def test_every_corpus_is_in_every_part():
    split = SpeakerSplit().split(table(20, 10, "big") + table(4, 3, "small"))
    for part in (split.train, split.validation, split.test):
        assert part.unique("corpus") == ["big", "small"]


def test_equal_names_in_two_corpora_are_two_speakers():
    rows = table(2, 4, "a") + table(2, 4, "b")
    assert LeaveOneSpeakerOut().folds(rows) == [1, 2, 3, 4]
    split = LeaveOneSpeakerOut(fold=1).split(rows)
    assert speakers(split.test) == {("a", "s0")}
    assert split.speaker_independent
    assert LeaveOneSessionOut().folds(rows) == [1, 2]


def test_folds_follow_the_natural_order():
    rows = table(12)
    assert [LeaveOneSpeakerOut(fold=k).split(rows).test[0].speaker for k in (1, 2, 3, 12)] == [
        "s0",
        "s1",
        "s2",
        "s11",
    ]
    assert "tested on c/s11" in LeaveOneSpeakerOut(fold=12).split(rows).name


def test_names_that_differ_in_zeros_alone_have_their_order():
    rows = UtteranceTable(Utterance(id=f"{n}", corpus="c", speaker=n) for n in ("01", "1", "001", "2"))
    order = [LeaveOneSpeakerOut(fold=k).split(rows).test[0].speaker for k in (1, 2, 3, 4)]
    assert order == ["001", "01", "1", "2"]


def test_one_training_speaker_is_carved_by_utterance_and_the_name_says_so():
    split = LeaveOneSpeakerOut(fold=1, validation=0.25).split(table(2, 8))
    assert (len(split.train), len(split.validation), len(split.test)) == (6, 2, 8)
    assert "validation by utterance" in split.name
    assert split.speaker_independent


def test_validation_may_be_left_out():
    split = LeaveOneSpeakerOut(validation=0).split(table(3))
    assert len(split.validation) == 0
    assert len(split.train) == 12


def test_carving_takes_whole_speakers_and_never_all():
    for count in range(2, 8):
        for fraction in (0.01, 0.15, 0.5, 0.99):
            train, validation, how = carve_validation(table(count), fraction, seed=3)
            assert how == ""
            assert len(train)
            assert len(validation)
            assert not speakers(train) & speakers(validation)


def test_a_column_with_its_own_validation_is_taken_as_it_is():
    split = ColumnSplit().split(table(9))
    assert {row.speaker for row in split.validation} == {"s1", "s4", "s7"}
    no_dev = table(9).where(lambda row: row.split != "dev")
    split = ColumnSplit().split(no_dev)
    assert {row.split for row in split.validation} == {"train"}
    assert {row.split for row in split.test} == {"test"}


def test_the_validation_part_may_be_trained_on_in_the_last_fit():
    split = ColumnSplit(train=["train", "validation"], validation=0).split(table(9))
    plain = ColumnSplit().split(table(9))
    assert split.train.values("id") == [
        r.id for r in table(9) if r.id in {x.id for x in plain.train + plain.validation}
    ]
    assert len(split.validation) == 0
    assert split.test.values("id") == plain.test.values("id")
    assert split.name == "the column 'split', train and validation together"
    assert split.speaker_independent
    drawn = ColumnSplit(train=["train", "validation"]).split(table(9))
    assert len(drawn.validation), "a share is kept as long as one is asked for"
    assert drawn.name.endswith("train and validation together, a share drawn for validation")
    assert not speakers(drawn.train) & speakers(drawn.validation)


@pytest.mark.parametrize("parts", ["train", [], ["test"], ["dev"], ["train", "train"]])
def test_what_cannot_be_trained_on_is_said(parts):
    with pytest.raises(UserError, match=r"protocol.train is .*: write \[train\] or \[train, validation\]"):
        ColumnSplit(train=parts)


def test_a_table_may_be_for_testing_only():
    split = ColumnSplit().split(table(9).where(lambda row: row.split == "test"))
    assert (len(split.train), len(split.validation), len(split.test)) == (0, 0, 18)


def test_names_that_python_would_read_as_numbers_stay_names():
    rows = UtteranceTable(
        Utterance(id=str(place), label="sad", speaker=str(place), extra={"fold": fold})
        for place, fold in enumerate(["1_0", "10", "1e1", " 010 "])
    )
    assert FoldColumn("fold").folds(rows) == [10, "1_0", "1e1"]


def test_folds_are_numbers_however_they_are_written():
    rows = table()
    assert FoldColumn("fold").folds(rows) == [1, 2, 3, 4]
    for fold in (3, "3", "03"):
        assert {row.extra["fold"] for row in FoldColumn("fold", fold).split(rows).test} == {"3"}
    assert FoldColumn("session").folds(rows) == ["Ses01", "Ses02", "Ses03", "Ses04"]


@pytest.mark.parametrize(
    ("protocol", "says"),
    [
        (LeaveOneSpeakerOut(fold=9), "folds 1 to 8"),
        (LeaveOneSpeakerOut(fold=0), "folds 1 to 8"),
        (GroupedKFold(k=9), "8 different values of 'speaker'"),
        (FoldColumn("fold", 7), "holds 1, 2, 3, 4"),
        (FoldColumn("nothing"), "48 of 48 utterances have no 'nothing'"),
        (ColumnSplit("fold"), r"holds '1' \(12 times\)"),
        (ColumnSplit("nothing"), "no 'nothing'"),
    ],
)
def test_what_a_table_cannot_do_is_said(protocol, says):
    with pytest.raises(UserError, match=says):
        protocol.split(table())


@pytest.mark.parametrize(
    "make",
    [
        lambda: LeaveOneSpeakerOut(validation=1.0),
        lambda: SpeakerSplit(train=0),
        lambda: RandomSplit(test=-0.1),
        lambda: GroupedKFold(k=1),
        lambda: GroupedKFold(k=3, fold=4),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(UserError, match="protocol."):
        make()


def anonymous(count=20, corpus="c"):
    return UtteranceTable(Utterance(id=f"u{index}", corpus=corpus) for index in range(count))


def test_without_speakers_each_utterance_stands_alone_and_the_name_says_so():
    split = SpeakerSplit().split(anonymous())
    assert len(split.train)
    assert len(split.test)
    assert "speakers unknown" in split.name
    assert not split.speaker_independent
    with pytest.raises(UserError, match="20 of 20 utterances have no 'speaker'"):
        LeaveOneSpeakerOut().split(anonymous())


def test_a_validation_part_far_larger_than_asked_for_is_told():
    split = LeaveOneSpeakerOut(validation=0.1).split(table(3))
    says = "(0.5 of what is not tested validates, where validation asks for 0.1, as speakers stay whole)"
    assert split.name == f"leave one speaker out, fold 1 of 3 (tested on c/s0) {says}"
    assert split.whole == "leave one speaker out", "other folds' parts have other sizes"
    assert "validates" not in LeaveOneSpeakerOut(validation=0.1).split(table(12)).name


def test_some_speakers_missing_is_an_error():
    with pytest.raises(UserError, match=r"3 utterances of corpus 'c' have no speaker \(the first: u0\)"):
        SpeakerSplit().split(table() + anonymous(3))
    mixed = SpeakerSplit().split(table() + anonymous(20, "other"))
    assert not mixed.speaker_independent


@pytest.mark.parametrize("column", [False, True])
def test_ids_that_occur_twice_leave_no_training_utterance_out(column):
    """They are a fault that is told before training, for which it must be seen."""
    rows = [Utterance(id=f"{n % 4}", corpus="c", speaker=f"s{n // 4}", split="train") for n in range(40)]
    protocol = ColumnSplit("split", validation=0.2) if column else SpeakerSplit(test=0.0, validation=0.2)
    split = protocol.split(UtteranceTable(rows))
    assert len(split.train) + len(split.validation) + len(split.test) == 40
    assert len(split.validation) == 8
    assert any("more than once" in fault for fault in faults(split.train + split.validation, None, False, False))


def test_of_speakers_known_in_part_the_known_ones_validate():
    """MSP-Podcast does not know all of its speakers, and nobody can name them."""
    known = table()
    nameless = UtteranceTable(Utterance(id=f"x{index}", corpus="c") for index in range(10))
    train, validation, how = carve_validation(known + nameless, 0.2, seed=0)
    assert len(validation)
    assert None not in validation.values("speaker")
    assert not speakers(train) & speakers(validation)
    assert len(train) + len(validation) == len(known) + 10
    assert how == "of known speakers (10 utterances of unknown ones are trained on)"
    protocol = CrossCorpus(train=["c"], test=["other"])
    split = protocol.split(known + nameless + table(corpus="other"))
    assert split.name.endswith("(10 utterances of unknown ones are trained on), speakers unknown")


def test_a_corpus_without_a_validation_part_gets_one_beside_a_corpus_that_has_one():
    other = table(corpus="d").map(lambda row: replace(row, split="test" if row.split == "test" else "train"))
    split = ColumnSplit().split(table() + other)
    assert split.validation.unique("corpus") == ["c", "d"]
    assert split.name == "the column 'split', validation of d drawn"
    assert {row.key for row in ColumnSplit().split(table()).validation} <= {row.key for row in split.validation}
    assert ColumnSplit(validation=0).split(table() + other).validation.unique("corpus") == ["c"]


def test_one_speaker_needs_the_random_split():
    with pytest.raises(UserError, match="RandomSplit"):
        SpeakerSplit().split(table(1))
    with pytest.raises(UserError, match="needs two"):
        LeaveOneSpeakerOut().split(table(1))
    assert RandomSplit().split(table(1, 20)).name.endswith("speakers shared with test")


@pytest.mark.parametrize(
    ("word", "part"),
    [("Dev", "validation"), ("VAL", "validation"), (" train ", "train"), ("eval", "test"), ("x", None)],
)
def test_words_for_parts(word, part):
    assert part_of(word) == part


def test_the_published_folds_of_ravdess(corpora_root):
    rows = Ravdess(str(corpora_root / "ravdess")).read()
    protocol = FoldColumn("emobox_fold", 1)
    assert protocol.folds(rows) == [1, 2, 3, 4, 5, 6]
    split = protocol.split(rows)
    assert split.test.unique("speaker") == ["01", "11", "20", "21"]
    assert (len(split.train), len(split.validation), len(split.test)) == (1020, 180, 240)
    assert split.speaker_independent


def test_leave_one_speaker_out_on_emodb(corpora_root):
    rows = Emodb(str(corpora_root / "emodb")).read()
    sizes = [len(LeaveOneSpeakerOut(fold).split(rows).test) for fold in LeaveOneSpeakerOut().folds(rows)]
    assert sizes == [49, 58, 43, 38, 55, 35, 61, 69, 56, 71], "Burkhardt et al. 2005"


def test_a_misspelt_part_is_told_with_its_first_utterance():
    wrong = table(9).map(lambda row: replace(row, split="tset") if row.split == "test" else row)
    with pytest.raises(UserError, match=r"holds 'tset' \(\d+ times\), first for .+: write train"):
        ColumnSplit().split(wrong)


def test_what_is_no_column_is_refused_as_one():
    with pytest.raises(UserError, match="'extra' is no column of the table"):
        FoldColumn("extra").split(table(9))
