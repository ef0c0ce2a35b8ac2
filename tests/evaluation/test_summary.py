import json
from dataclasses import asdict, replace

import pytest

from emollm.errors import UserError
from emollm.evaluation import bootstrap, read, reliability, summarise, to_frame, write
from emollm.metrics import from_predictions
from tests.evaluation.made import LABELS, broken, made

DRAWS = 100


@pytest.fixture(scope="module")
def predictions():
    return [*made(300), *made(50, corpora=["meld"], speakers=0, seed=1), broken()]


@pytest.fixture(scope="module")
def frame(predictions):
    return to_frame(predictions, LABELS)


@pytest.fixture(scope="module")
def summary(frame):
    return summarise(frame, LABELS, DRAWS)


def test_it_is_plain_json(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_figures_and_intervals_are_those_of_the_table_and_of_each_corpus(frame, summary):
    results = from_predictions(frame, LABELS)
    assert summary["result"] == asdict(results.overall)
    assert summary["intervals"] == bootstrap(frame, LABELS, DRAWS).to_dict()
    assert summary["intervals_over"] == "12 speakers and 50 utterances"
    assert list(summary["corpora"]) == ["emodb", "meld", "ravdess"]
    for name, corpus in summary["corpora"].items():
        mine = frame[frame["corpus"] == name]
        assert corpus["result"] == asdict(results.corpora[name])
        assert corpus["intervals"] == bootstrap(mine, LABELS, DRAWS).to_dict()
    assert summary["corpora"]["meld"]["intervals_over"] == "50 utterances"
    assert summary["reliability"] == reliability(frame)


def test_speakers_are_measured_each_for_itself(frame, summary):
    assert len(summary["speakers"]) == 12
    for one in summary["speakers"]:
        mine = frame[(frame["corpus"] == one["corpus"]) & (frame["speaker"] == one["speaker"])]
        result = from_predictions(mine, LABELS).overall
        assert (one["n"], one["wa"], one["ua"]) == pytest.approx((result.n, result.wa, result.ua))
    names = [(one["corpus"], one["speaker"]) for one in summary["speakers"]]
    assert names == [(corpus, f"{number:02d}") for corpus in ("emodb", "ravdess") for number in range(6)]
    unknown = summarise(to_frame(made(30, speakers=0), LABELS), LABELS, DRAWS)
    assert unknown["speakers"] == []


def test_the_errors_are_those_it_was_surest_of(predictions, summary):
    wrong = [row for row in predictions if row.label is not None and row.label != row.utterance.label]
    surest = sorted(wrong, key=lambda row: -row.confidence)[:10]
    assert [row["id"] for row in summary["errors"]] == [row.utterance.key for row in surest]
    assert summary["errors"][0] == {
        "id": surest[0].utterance.key,
        "path": str(surest[0].utterance.path),
        "corpus": surest[0].utterance.corpus,
        "speaker": surest[0].utterance.speaker,
        "target": surest[0].utterance.label,
        "label": surest[0].label,
        "confidence": pytest.approx(surest[0].confidence),
        "transcript": "null",
    }


def test_the_broken_are_told_of_and_the_unread_are_not_among_them(summary):
    assert summary["broken"] == [{"path": "emodb/gone.wav", "error": "no sound in the file"}]
    assert summary["result"]["n"] == 350
    assert summary["result"]["unparsed"] > 0


def test_a_file_says_the_same(tmp_path, frame, summary):
    write(frame, tmp_path / "predictions.csv")
    assert summarise(read(tmp_path / "predictions.csv"), LABELS, DRAWS) == summary


def test_a_table_of_the_needed_columns_alone(frame):
    bare = frame[["target", "label", *(f"p_{label}" for label in LABELS)]]
    summary = summarise(bare, LABELS, DRAWS)
    assert summary["corpora"] == {}
    assert summary["intervals_over"] == "350 utterances"
    assert summary["errors"][0]["path"] is None
    json.dumps(summary, allow_nan=False)


def test_utterances_without_target_and_perfect_answers():
    rows = [replace(row, label=row.utterance.label) for row in made(20, unread=0)]
    strange = replace(rows[0], utterance=replace(rows[0].utterance, id="unlabelled", label=None))
    summary = summarise(to_frame([*rows, strange], LABELS), LABELS, DRAWS)
    assert (summary["result"]["n"], summary["result"]["wa"]) == (20, 1.0)
    assert summary["errors"] == summary["broken"] == []


def test_nothing_to_measure():
    with pytest.raises(UserError, match="nothing can be measured"):
        summarise(to_frame([broken()], LABELS), LABELS)
