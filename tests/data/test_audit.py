"""The leakage audit: it finds what is shared, and says so in words."""

import json

import numpy as np
import pytest
import soundfile

from emollm.data.audit import audit, normalise
from emollm.data.corpora import Ravdess
from emollm.data.protocols import FoldColumn, RandomSplit, Split
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.report.derived import harmless
from tests.data.alter import voice


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Signatures are kept apart from the user's own."""
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path_factory.mktemp("cache")))


def row(identity, path=None, **fields):
    return Utterance(id=identity, path=path, **{"corpus": "c", **fields})


def split(train, test, validation=()):
    return Split(UtteranceTable(train), UtteranceTable(validation), UtteranceTable(test), "by hand", None, False)


def test_speakers_and_sessions():
    report = audit(
        split(
            [row("1", speaker="ann", session="x"), row("2", speaker="bo", session="x")],
            [row("3", speaker="ann", session="x"), row("4", speaker="cy", session="y")],
        )
    )
    assert report.test.speakers == ["c/ann"]
    assert report.test.sessions == ["c/x"]
    assert any("1 speaker of test is in training too (c/ann)" in line for line in report.lines())
    assert any("1 session of test is in training too (c/x)" in line for line in report.lines())


def test_names_written_in_two_ways_are_told():
    train = [row("1", speaker="01"), row("2", speaker="Anna"), row("3", speaker="10")]
    report = audit(split(train, [row("4", speaker="1"), row("5", speaker="anna "), row("6", speaker="100")]))
    assert report.test.alike == [("c/01", "c/1"), ("c/Anna", "c/anna ")]
    (line,) = [line for line in report.lines() if "spelling" in line]
    assert line.startswith("2 speakers of test may be in training under another spelling (c/1 and c/01, c/anna")
    assert not harmless(line)
    assert not any(line.startswith("No speaker") for line in report.lines())


def test_speakers_of_other_names_whose_recordings_are_in_training(tmp_path):
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, voice(1), 16_000)
    train, test = row("a", tmp_path / "a.wav", speaker="x"), row("b", tmp_path / "b.wav", speaker="y")
    lines = audit(split([train], [test])).lines()
    assert not any(line.startswith("No speaker") for line in lines)
    (line,) = [line for line in lines if "other names" in line]
    assert not harmless(line)


def test_dialogues():
    report = audit(split([row("1", dialogue="x"), row("2", dialogue="z")], [row("3", dialogue="x"), row("4")]))
    assert report.test.dialogues == ["c/x"]
    (line,) = [line for line in report.lines() if "dialogue" in line]
    assert line.startswith("1 dialogue of test is in training too (c/x): a prompt that shows earlier turns")


def test_validation_speakers_count_as_known_to_the_model():
    report = audit(split([row("1", speaker="a")], [row("2", speaker="b")], [row("3", speaker="b")]))
    assert report.test.speakers == ["c/b"]
    assert report.validation.speakers == []


def test_a_part_without_utterances_has_nothing_to_say():
    assert audit(split([row("1", speaker="a")], [])).lines() == []


def test_unknown_speakers_are_not_called_apart():
    report = audit(split([row("1")], [row("2", speaker="b")]))
    assert report.lines()[0] == (
        "Not every speaker is known (1 utterance without one), so training and test may share speakers."
    )


def test_known_speakers_that_are_shared_are_told_though_others_are_unknown():
    report = audit(split([row("1", speaker="a"), row("2")], [row("3", speaker="a")]))
    assert report.lines()[0].startswith("1 known speaker of test is in training too (c/a)")
    assert report.lines()[1].endswith("so training and test may share speakers besides.")


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["kids are  talking", "“KIDS” are talking!"], "Every test sentence also occurs in training"),
        (["Kids are talking.", "Something else"], "1 of 2 test utterances (50%) say a sentence"),
        (["Something else"], "No test sentence occurs in training."),
        ([None], "Transcripts are missing on one side or both, so nobody can tell"),
    ],
)
def test_sentences_are_compared_as_words(texts, says):
    tests = [row(f"t{index}", transcript=text) for index, text in enumerate(texts)]
    report = audit(split([row("1", transcript="Kids are talking")], tests))
    assert any(line.startswith(says) for line in report.lines())


def test_numbered_sentences_stand_in_for_transcripts():
    report = audit(split([row("1", sentence="a01")], [row("2", sentence="a01"), row("3", sentence="a02")]))
    assert (report.test.repeated, report.test.unknown) == (1, 0)


def test_numbers_tell_what_lost_transcripts_do_not():
    """One speaker's text file is gone: his words are known to others, by the sentence's number."""
    said = row("1", transcript="Kids are talking", sentence="a01")
    report = audit(split([said], [row("2", sentence="a01")]))
    assert "Every test sentence also occurs in training: a model that reads transcripts can exploit this." in (
        report.lines()
    )


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        # Words on one side, numbers on the other, or numbers of two corpora: who could compare them?
        ([{"transcript": "a b"}], [{"sentence": "1"}], "Transcripts are missing on one side or both"),
        ([{}], [{"transcript": "a b"}], "Transcripts are missing on one side or both"),
        ([{"sentence": "1", "corpus": "d"}], [{"sentence": "1"}], "Transcripts are missing on one side or both"),
        (
            [{"transcript": "a b"}],
            [{"transcript": "A, b!"}, {}, {}],
            "1 of 3 test utterances (33%) say a sentence that also occurs in training: a model that reads "
            "transcripts can exploit this; of 2 others nobody can tell, for want of words.",
        ),
        (
            [{"transcript": "a b"}],
            [{"transcript": "c d"}, {}],
            "No test sentence is known to occur in training; of 1 of 2 utterances nobody can tell, for want of",
        ),
        ([{"sentence": "1"}], [{"sentence": "2"}], "No test sentence occurs in training."),
        (
            [{"transcript": "…"}],
            [{"transcript": "!"}, {"transcript": "a"}],
            "No test sentence occurs in training.",
        ),
    ],
)
def test_what_nobody_can_tell_of_sentences_is_not_denied(train, test, says):
    report = audit(split([row("1", **train[0])], [row(f"t{n}", **one) for n, one in enumerate(test)]))
    assert any(line.startswith(says) for line in report.lines()), report.lines()


def test_copies_are_found_by_their_bytes(tmp_path):
    for name, content in (("a", b"sound"), ("b", b"sound"), ("c", b"other"), ("d", b"longer one")):
        (tmp_path / name).write_bytes(content)
    report = audit(
        split(
            [row("a", tmp_path / "a"), row("d", tmp_path / "d")],
            [row("b", tmp_path / "b"), row("c", tmp_path / "c"), row("gone", tmp_path / "gone")],
        )
    )
    assert report.test.copies == [("c/a", "c/b")]
    assert any("1 recording of test is in training too, byte for byte (c/b is c/a)" in x for x in report.lines())


def test_two_stretches_of_one_file_are_no_copies(tmp_path):
    (tmp_path / "a").write_bytes(b"sound")
    first = row("1", tmp_path / "a", start=0.0, end=1.0)
    assert not audit(split([first], [row("2", tmp_path / "a", start=1.0, end=2.0)])).test.copies
    assert audit(split([first], [row("2", tmp_path / "a", start=0.0, end=1.0)])).test.copies


@pytest.mark.parametrize(
    ("train", "test", "overlap"),
    [
        ((0, 5), (3, 8), True),
        ((0, 10), (4, 7), True),
        ((None, None), (2, 5), True),
        ((4, 7), (None, None), True),
        ((0, 5), (5, 8), False),
        ((0, 5.05), (5, 8), False),
    ],
)
def test_stretches_of_one_file_that_overlap_are_told(tmp_path, train, test, overlap):
    (tmp_path / "a").write_bytes(b"sound")
    (tmp_path / "again").write_bytes(b"sound")
    for file in ("a", "again"):
        first = row("1", tmp_path / "a", start=train[0], end=train[1])
        second = row("2", tmp_path / file, start=test[0], end=test[1])
        report = audit(split([first], [second]), listen=False)
        assert report.test.overlapping == ([("c/1", "c/2")] if overlap else [])
        assert not report.test.copies
        assert any("1 stretch of test is partly in training too" in line for line in report.lines()) == overlap
        assert any("No recording of test is a copy" in line for line in report.lines()) != overlap


def test_of_many_stretches_those_that_overlap_are_found(tmp_path):
    """Against every pair looked at."""
    (tmp_path / "a").write_bytes(b"sound")
    rng = np.random.default_rng(0)

    def stretches(name, number):
        starts, lengths = rng.uniform(0, 100, number).round(2), rng.uniform(0.2, 1.5, number).round(2)
        return [
            row(f"{name}{i}", tmp_path / "a", start=s, end=s + d)
            for i, (s, d) in enumerate(zip(starts, lengths, strict=True))
        ]

    train, test = stretches("r", 30), stretches("t", 60)
    found = {copy for _, copy in audit(split(train, test), listen=False).test.overlapping}
    want = {b.key for b in test for a in train if min(a.end, b.end) - max(a.start, b.start) > 0.1}
    assert found == want
    assert 10 < len(want) < 50


def test_only_files_of_equal_size_are_read(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"other")
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: pytest.fail(f"{path} was read"))
    audit(split([row("1", tmp_path / "a")], [row("2", tmp_path / "b")]), listen=False)


def test_the_same_sound_saved_again_is_told_once(tmp_path):
    rng = np.random.default_rng(0)
    voices = [voice(seed) for seed in range(4)]
    for number, sound in enumerate(voices):
        soundfile.write(tmp_path / f"{number}.wav", sound, 16_000)
    soundfile.write(tmp_path / "again.ogg", 0.3 * np.pad(voices[0], 5000), 16_000)
    soundfile.write(tmp_path / "noisy.wav", voices[1] + 0.002 * rng.standard_normal(len(voices[1])), 16_000)
    (tmp_path / "bytes.wav").write_bytes((tmp_path / "2.wav").read_bytes())
    train = [row(str(number), tmp_path / f"{number}.wav") for number in range(3)]
    test = [row(name.split(".")[0], tmp_path / name) for name in ("again.ogg", "noisy.wav", "bytes.wav", "3.wav")]
    report = audit(split(train, test))
    assert report.test.copies == [("c/2", "c/bytes")]
    assert report.test.near_copies == [("c/0", "c/again"), ("c/1", "c/noisy")]
    said = (
        "2 recordings of test are nearly identical to one in training (c/again is c/0, c/noisy is c/1): the same"
    )
    assert any(line.startswith(said) for line in report.lines())
    unheard = audit(split(train, test), listen=False)
    assert (unheard.test.near_copies, unheard.test.listened) == ([], False)


@pytest.mark.parametrize(("listen", "says"), [(True, ", nor was the same sound found saved again."), (False, ".")])
def test_that_there_are_no_copies_is_said_of_what_was_compared(tmp_path, listen, says):
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.wav", voice(number), 16_000)
    report = audit(split([row("0", tmp_path / "0.wav")], [row("1", tmp_path / "1.wav")]), listen)
    assert report.lines()[-1] == f"No recording of test is a copy of one in training{says}"


@pytest.mark.parametrize("listen", [True, False])
@pytest.mark.parametrize("gone", ["train", "test"])
def test_copies_that_nobody_could_look_for_are_not_denied(tmp_path, listen, gone):
    soundfile.write(tmp_path / "there.wav", voice(0), 16_000)
    here, lost = row("0", tmp_path / "there.wav"), [row(str(n), tmp_path / f"{n}.wav") for n in (1, 2)]
    report = audit(split(*((lost, [here]) if gone == "train" else ([here], lost))), listen)
    assert report.lines()[-1] == (
        "The sound of 2 utterances of training or test cannot be opened here, so nobody can tell whether it is in "
        "both."
    )
    assert not harmless(report.lines()[-1])


def test_each_part_is_told_of_by_itself(tmp_path):
    rows = {name: row(name, speaker=name) for name in ("a", "b", "c")}
    report = audit(split([rows["a"]], [rows["b"]], [rows["c"], rows["a"]]))
    assert "No speaker of test is in training." in report.lines()
    assert [line[:37] for line in report.lines("validation")][0] == "1 speaker of validation is in trainin"
    assert not any(" test " in line for line in report.lines("validation"))
    assert report.to_dict("validation")["lines"] == report.lines("validation")


def test_the_dictionary_is_plain_json(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    report = audit(split([row("1", tmp_path / "a", speaker="s")], [row("2", tmp_path / "a", speaker="s")]))
    stored = json.loads(json.dumps(report.to_dict()))
    assert stored["test"]["copies"] == [["c/1", "c/2"]]
    assert stored["protocol"] == "by hand"
    assert stored["lines"] == report.lines()


def test_normalise():
    assert normalise("  It’s, like: ‘OK’ – NO!  ") == normalise("its like ok no")
    assert normalise("Grüße") != normalise("Grube")
    assert normalise("कि") != normalise("की"), "vowel signs are no punctuation"


def test_on_ravdess(corpora_root):
    rows = Ravdess(str(corpora_root / "ravdess")).read()
    clean = audit(FoldColumn("emobox_fold").split(rows))
    assert clean.test.speakers == []
    assert (clean.test.repeated, clean.test.unknown) == (240, 0)
    assert clean.test.copies == []
    leaky = audit(RandomSplit().split(rows))
    assert len(leaky.test.speakers) == 24
    assert leaky.test.near_copies == [], "takes of one sentence are no copies"
    assert leaky.test.copies == [("ravdess/03-01-03-01-02-01-07", "ravdess/03-01-03-01-02-02-07")]
