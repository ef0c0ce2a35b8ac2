"""The validator: every fault at once, each with its file and its remedy."""

import numpy as np
import pytest
import soundfile

from emollm.data.corpora import Emodb, Ravdess
from emollm.data.labels import LabelSet
from emollm.data.utterance import Utterance, UtteranceTable
from emollm.data.validate import check, faults
from emollm.errors import UserError
from tests.fake_corpus import tone

LABELS = LabelSet.parse("basic4")


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / "good.wav", tone(300, 0.5), 16_000)
    return tmp_path / "good.wav"


def row(identity, path=None, label="angry", transcript="words"):
    return Utterance(id=identity, path=path, label=label, transcript=transcript, corpus="c")


def test_a_good_table_has_no_faults(wav):
    rows = UtteranceTable([row("1", wav)])
    assert faults(rows, LABELS, True, True) == []
    check(rows, LABELS, True, True)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.wav", None, "there is no such file"),
        ("empty.wav", b"", "empty"),
        ("text.wav", b"not a sound" * 99, "not a sound file"),
    ],
)
def test_faults_of_files(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (fault,) = faults(UtteranceTable([row("1", tmp_path / name)]), LABELS, True, False)
    assert fault.startswith(str(tmp_path / name))
    assert says in fault
    assert faults(UtteranceTable([row("1", tmp_path / name)]), LABELS, False, False) == []


def test_a_file_without_samples(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.zeros(0), 16_000)
    (fault,) = faults(UtteranceTable([row("1", tmp_path / "x.wav")]), None, True, False)
    assert "no samples" in fault


def test_faults_of_rows(wav):
    one = UtteranceTable([row("1", wav, label="angri")])
    assert "the label 'angri' is none of angry, happy, neutral, sad" in faults(one, LABELS, False, False)[0]
    assert str(wav) in faults(one, LABELS, False, False)[0]
    assert faults(one, None, False, False) == []
    assert "no label" in faults(UtteranceTable([row("1", wav, label=None)]), LABELS, False, False)[0]
    for nothing in (None, "  "):
        one = UtteranceTable([row("1", wav, transcript=nothing)])
        assert "no transcript" in faults(one, LABELS, False, True)[0]
        assert faults(one, LABELS, False, False) == []
    assert faults(UtteranceTable([row("1")]), LABELS, True, False)[0].startswith("c/1: no sound file")


def test_duplicates(wav):
    found = faults(UtteranceTable([row("1", wav), row("1"), row("2", wav)]), LABELS, False, False)
    assert len(found) == 2
    assert found[0].startswith("c/1 (2 times): the id occurs more than once")
    assert found[1].startswith(f"{wav} (2 times): the recording is listed more than once")
    stretches = [Utterance(id=str(k), path=wav, start=float(k), end=k + 1.0) for k in range(2)]
    assert faults(UtteranceTable(stretches), None, False, False) == []


def test_check_lists_all_at_once_grouped_with_counts(wav, tmp_path):
    rows = UtteranceTable(
        [
            *(row(f"g{k}", tmp_path / f"gone{k}.wav") for k in range(7)),
            row("x", wav, label="angri"),
            row("y", label="joy", transcript=None),
        ]
    )
    with pytest.raises(UserError) as caught:
        check(rows, LABELS, True, True)
    text = str(caught.value)
    assert "10 faults" in text
    assert "7 × there is no such file" in text
    assert f"{tmp_path / 'gone4.wav'}" in text
    assert "gone5" not in text
    assert "and 2 more" in text
    assert "1 × the label 'angri'" in text
    assert "1 × no transcript" in text
    assert "1 × no sound file" in text


@pytest.mark.parametrize(("reader", "labels"), [(Ravdess, "ravdess8"), (Emodb, "emodb7")])
def test_real_corpora_have_no_faults(corpora_root, reader, labels):
    rows = reader(str(corpora_root / reader.name)).read()
    assert faults(rows, LabelSet.parse(labels), True, True) == []
