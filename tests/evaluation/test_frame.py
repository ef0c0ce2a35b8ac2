"""Predictions in memory and in a file are the same table, and scikit-learn finds the same figures in the file."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sk

from emollm.data.utterance import Utterance
from emollm.errors import UserError
from emollm.evaluation import columns, read, to_frame, write
from emollm.metrics import EmotionMetrics, from_predictions
from emollm.prediction import Prediction
from tests.evaluation.made import LABELS, broken, made

COLUMNS = [
    *("id", "path", "corpus", "speaker", "language", "target", "label", "confidence", "uncertain"),
    *("p_angry", "p_happy", "p_neutral", "p_sad", "transcript", "duration", "model", "error"),
]


def close(value):
    return pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("predictions", [[], [broken("a"), broken("b")], made(5)], ids=["none", "broken", "five"])
def test_columns_are_there_whatever_was_predicted(tmp_path, predictions):
    frame = to_frame(predictions, LABELS)
    assert columns(LABELS) == COLUMNS
    assert list(frame.columns) == COLUMNS
    assert len(frame) == len(predictions)
    assert all(frame[f"p_{label}"].dtype == np.float64 for label in LABELS)
    write(frame, tmp_path / "predictions.csv")
    pd.testing.assert_frame_equal(read(tmp_path / "predictions.csv"), frame)


def test_a_row_says_what_the_utterance_says():
    first, gone = to_frame([made(1, unread=0)[0], broken()], LABELS).to_dict(orient="records")
    assert (first["id"], first["corpus"], first["language"]) == ("emodb/0000", "emodb", "de")
    assert first["confidence"] == max(first[f"p_{label}"] for label in LABELS)
    assert first["error"] is None
    assert (gone["target"], gone["label"], gone["error"]) == ("sad", None, "no sound in the file")
    assert np.isnan(gone["confidence"])


def test_probabilities_are_those_of_the_model_to_the_last_bit(tmp_path):
    predictions = made(400, sharp=9)
    write(to_frame(predictions, LABELS), tmp_path / "predictions.csv")
    got = read(tmp_path / "predictions.csv")[[f"p_{label}" for label in LABELS]].to_numpy()
    want = np.array([list(row.probabilities.values()) for row in predictions])
    assert (got.astype(np.float32) == want.astype(np.float32)).all()


@pytest.mark.parametrize(
    "text", ['say "no", no', "one\rtwo", "one\ntwo\r\nthree", "null", "NaN", "003", "line\u2028break", "ø 😀"]
)
def test_texts_come_back_as_they_were(tmp_path, text):
    utterance = Utterance(id=text, path=Path(text), transcript=text, speaker=text, corpus=text, label="sad")
    frame = to_frame([Prediction(utterance, "sad", dict.fromkeys(LABELS, 0.25), text, 1.0, text)], LABELS)
    write(frame, tmp_path / "predictions.csv")
    pd.testing.assert_frame_equal(read(tmp_path / "predictions.csv"), frame)


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
def test_a_file_name_need_not_be_utf8(tmp_path):
    name = os.fsdecode(b"M\xfcller.wav")
    utterance = Utterance(id=name, path=Path(name), label="sad")
    frame = to_frame([Prediction(utterance, "sad", dict.fromkeys(LABELS, 0.25), None, 1.0, "m")], LABELS)
    write(frame, tmp_path / "predictions.csv")
    assert b"M\xfcller.wav" in (tmp_path / "predictions.csv").read_bytes()
    pd.testing.assert_frame_equal(read(tmp_path / "predictions.csv"), frame)


def test_an_empty_text_is_a_missing_one():
    utterance = Utterance(id="a", path=Path("a.wav"), label="sad")
    row = to_frame([Prediction(utterance, "sad", dict.fromkeys(LABELS, 0.25), "", 1.0, "m")], LABELS).iloc[0]
    assert row["corpus"] is None
    assert row["transcript"] is None


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "predictions.csv"
    write(to_frame(made(3), LABELS), file)
    before = file.read_bytes()

    def full(scratch, _):
        with open(scratch, "w") as half:
            half.write("half a")
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        write(to_frame(made(9), LABELS), file)
    assert file.read_bytes() == before


def test_files_that_are_no_predictions(tmp_path):
    with pytest.raises(UserError, match="no file .*none.csv"):
        read(tmp_path / "none.csv")
    for name, text in {
        "empty.csv": "",
        "torn.csv": 'a,b\n"1,2\n',
        "torn.jsonl": '{"a": 1}\n{"a"',
        "list.jsonl": "3\n[4]\n",
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=f"{name}.* is no table of predictions"):
            read(tmp_path / name)
    (tmp_path / "words.csv").write_text("target,label,p_sad\nsad,sad,high\n")
    with pytest.raises(UserError, match=r"words.csv, column 'p_sad'.*high.*put a number"):
        read(tmp_path / "words.csv")


def test_lines_of_json_are_read_as_the_csv_is(tmp_path):
    frame = to_frame([*made(20), broken()], LABELS)
    frame.loc[3, "transcript"] = "line\u2028break"
    rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    (tmp_path / "predictions.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    )
    pd.testing.assert_frame_equal(read(tmp_path / "predictions.jsonl"), frame)


def as_the_module_measures(predictions):
    metric = EmotionMetrics(LABELS)
    read = [row for row in predictions if row.probabilities]
    index = {label: place for place, label in enumerate(LABELS)}
    metric.update(
        torch.tensor([list(row.probabilities.values()) for row in read]),
        torch.tensor([index[row.utterance.label] for row in read]),
        [row.utterance.corpus for row in read],
        torch.tensor([index.get(row.label, -1) for row in read]),
    )
    return metric.compute()


@pytest.mark.filterwarnings("ignore::UserWarning")  # answers that no target has; sums off by a float32's rounding
@pytest.mark.parametrize("sharp", [0.3, 1.0, 3.0, 30.0])
def test_model_table_file_and_scikit_learn_agree(tmp_path, sharp):
    predictions = [*made(500, sharp=sharp), broken()]
    frame, file = to_frame(predictions, LABELS), tmp_path / "predictions.csv"
    write(frame, file)
    ours = from_predictions(file)
    assert ours == from_predictions(frame)
    assert ours == as_the_module_measures(predictions)

    # As anybody would read it, without us.
    rows = pd.read_csv(file)
    rows = rows[rows["p_sad"].notna()]
    for name, result in {"": ours.overall, **ours.corpora}.items():
        mine = rows[rows["corpus"] == name] if name else rows
        agree(result, mine["target"], mine["label"].fillna("unread"), mine[[f"p_{label}" for label in LABELS]])


def agree(result, targets, answers, chances):
    values = chances.to_numpy()
    assert result.n == len(targets)
    assert result.wa == close(sk.accuracy_score(targets, answers))
    assert result.ua == close(sk.balanced_accuracy_score(targets, answers))
    for average, ours in (("macro", result.macro_f1), ("weighted", result.weighted_f1)):
        assert ours == close(sk.f1_score(targets, answers, labels=LABELS, average=average, zero_division=0))
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        targets, answers, labels=LABELS, zero_division=0
    )
    for k, label in enumerate(LABELS):
        one = result.per_class[label]
        assert (one.precision, one.recall, one.f1, one.support) == close(
            (precision[k], recall[k], f1[k], support[k])
        )
    assert result.confusion == sk.confusion_matrix(targets, answers, labels=[*LABELS, "unread"])[:-1].tolist()
    assert result.nll == close(sk.log_loss(targets, values, labels=LABELS))
    brier = sum(sk.brier_score_loss(targets == label, values[:, k]) for k, label in enumerate(LABELS))
    assert result.brier == close(brier)
