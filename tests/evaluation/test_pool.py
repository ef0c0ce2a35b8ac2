"""Pooling of folds that were written as `emollm test` writes them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from emollm.errors import UserError
from emollm.evaluation import to_frame, write
from emollm.evaluation.pool import pool
from emollm.metrics import from_predictions
from emollm.report.html import render
from tests.evaluation.made import LABELS, broken, made
from tests.evaluation.written import write_fold

CROSS = "data: {protocol: {class_path: emollm.data.protocols.CrossCorpus}}"


def pooled(folds):
    return pool(folds, "Cross-validation of x", "emollm crossval", "model: {}")


def test_all_rows_count_and_every_fold_is_told_of(tmp_path):
    lines = {"1": ["Every fold.", "Odd."], "2": ["Every fold."], "3": ["Every fold.", "Odd."]}
    predictions = {fold: made(40 + 20 * int(fold), seed=int(fold)) for fold in lines}
    predictions["2"] += [broken()]
    folds = [write_fold(tmp_path, fold, rows, lines=lines[fold]) for fold, rows in predictions.items()]
    content, frame = pooled(folds)
    together = from_predictions(to_frame(sum(predictions.values(), []), LABELS), LABELS).overall
    assert len(frame) == 241
    assert list(frame.columns[-2:]) == ["fold", "seed"]
    assert content["summary"]["result"]["ua"] == pytest.approx(together.ua)
    assert content["summary"]["result"]["n"] == 240
    assert len(content["summary"]["broken"]) == 1
    model, majority = content["rows"]
    assert model["result"] == content["summary"]["result"]
    assert list(majority["folds"]["ua"]["values"]) == ["1", "2", "3"]
    each = [from_predictions(to_frame(rows, LABELS), LABELS).overall.ua for rows in predictions.values()]
    assert model["folds"]["ua"]["mean"] == pytest.approx(np.mean(each))
    assert model["folds"]["ua"]["sd"] == pytest.approx(np.std(each, ddof=1))
    assert content["audit"]["lines"] == ["Every fold.", "Folds 1, 3: Odd."]
    assert content["protocol"]["name"] == "the column 'f', validation by utterance"
    assert content["protocol"]["folds"] == ["1", "2", "3"]
    assert content["protocol"]["test"] == 241
    assert content["seeds"] is content["matrix"] is content["calibration"] is None
    json.dumps(content, allow_nan=False)
    assert "Cross-validation of x" in render(content)


def test_a_row_that_a_fold_could_not_measure_has_no_number(tmp_path):
    folds = [write_fold(tmp_path, "1", made(40)), write_fold(tmp_path, "2", made(40, seed=1), majority=False)]
    row = pooled(folds)[0]["rows"][1]
    assert row["result"] is row["intervals"] is row["folds"] is None
    assert row["why_not"] == "fold 2: it was too dark"


def test_seeds_are_compared_over_all_folds(tmp_path):
    rows = {(fold, seed): made(60, seed=10 * seed + int(fold)) for seed in (0, 1) for fold in "12"}
    folds = [write_fold(tmp_path, fold, some, seed) for (fold, seed), some in rows.items()]
    folds.append(write_fold(tmp_path, "1", made(60, seed=30), seed=2))
    content, frame = pooled(folds)
    ua = content["seeds"]["ua"]
    want = {
        str(seed): from_predictions(to_frame(rows["1", seed] + rows["2", seed], LABELS), LABELS).overall.ua
        for seed in (0, 1)
    }
    assert ua["values"] == pytest.approx(want), "seed 2 lacks a fold"
    assert ua["sd"] == pytest.approx(np.std(list(want.values()), ddof=1))
    assert content["protocol"]["folds"] == ["1", "2"]
    assert content["protocol"]["test"] == 120, "an utterance is one, however many seeds"
    assert sorted(pd.unique(frame["seed"])) == [0, 1, 2]


def test_a_recording_that_cannot_be_read_is_one_for_all_seeds(tmp_path):
    folds = [write_fold(tmp_path, "1", [*made(40, seed=seed), broken()], seed) for seed in (0, 1)]
    content, frame = pooled(folds)
    assert frame["id"].str.endswith("gone").sum() == 2
    assert len(content["summary"]["broken"]) == 1


def test_the_word_error_rate_of_one_fold_is_not_that_of_all(tmp_path):
    folds = [write_fold(tmp_path, str(fold), made(40, seed=fold), wer=fold / 10) for fold in (1, 2)]
    assert "wer" not in pooled(folds)[0]


def test_neighbouring_folds_are_named_as_a_range(tmp_path):
    odd = {"1", "2", "3", "5", "8", "9"}
    lines = {str(fold): ["Odd."] if str(fold) in odd else ["Even."] for fold in range(1, 11)}
    folds = [write_fold(tmp_path, fold, made(40, seed=int(fold)), lines=lines[fold]) for fold in lines]
    assert pooled(folds)[0]["audit"]["lines"] == ["Folds 1–3, 5, 8, 9: Odd.", "Folds 4, 6, 7, 10: Even."]


def test_from_corpus_to_corpus(tmp_path):
    names = ["emodb", "emovo", "ravdess"]
    rows = {fold: made(90, corpora=[n for n in names if n != fold], seed=i) for i, fold in enumerate(names)}
    content, _ = pooled([write_fold(tmp_path, fold, some, recipe=CROSS) for fold, some in rows.items()])
    matrix = content["matrix"]
    assert matrix["train"] == matrix["test"] == names
    assert [matrix["ua"][i][i] for i in range(3)] == [None] * 3
    results = from_predictions(to_frame(rows["emovo"], LABELS), LABELS)
    assert matrix["ua"][1] == [results.corpora["emodb"].ua, None, results.corpora["ravdess"].ua]
    assert matrix["wa"][1][0] == results.corpora["emodb"].wa
    assert "From corpus to corpus" in render(content)


def test_calibrations_are_averaged_where_every_fold_has_one(tmp_path):
    one = {"temperature": 2.0, "threshold": None, "n": 10, "protocol": "p", "ece_before": 0.2, "ece_after": 0.1}
    one |= {"nll_before": 1.0, "nll_after": 0.9}
    folds = [
        write_fold(tmp_path, "1", made(40), calibration=one),
        write_fold(tmp_path, "2", made(40), calibration={**one, "temperature": 1.0, "threshold": 0.5}),
    ]
    got = pooled(folds)[0]["calibration"]
    assert (got["fault"], got["heard"]) == (None, False)
    bad = write_fold(tmp_path, "2", made(40), calibration={**one, "fault": "too few", "heard": True})
    told = pooled([folds[0], bad])[0]
    assert (told["calibration"]["fault"], told["calibration"]["heard"]) == ("fold 2: too few", True)
    assert "Not to be relied on: fold 2: too few.<" in render(told)
    assert "played no role" not in render(told)
    assert (got["temperature"], got["n"], got["ece_before"], got["threshold"]) == (1.5, 20, 0.2, None)
    assert got["thresholds"] is None
    folds = [
        write_fold(tmp_path, name, made(40), calibration={**one, "threshold": threshold})
        for name, threshold in (("1", 0.25), ("2", 0.5))
    ]
    several = pooled(folds)[0]
    assert several["calibration"]["thresholds"] == [0.25, 0.5]
    assert "is each fold's own: 0.25 to 0.50." in render(several)
    assert got["protocol"] == pooled(folds)[0]["protocol"]["name"], "not that of the first fold"
    assert pooled([*folds, write_fold(tmp_path, "3", made(40))])[0]["calibration"] is None


def test_an_utterance_of_an_unknown_speaker_is_drawn_with_all_that_models_said_of_it(tmp_path):
    """Two seeds, whose answers are alike, tell no more than one of them."""
    rows = [replace(one, utterance=replace(one.utterance, speaker=None)) for one in made(60)]
    once, _ = pooled([write_fold(tmp_path, "1", rows, 0)])
    twice, _ = pooled([write_fold(tmp_path, "1", rows, seed) for seed in (0, 1)])
    assert once["summary"]["intervals_over"] == twice["summary"]["intervals_over"] == "60 utterances"
    for name, bounds in once["summary"]["intervals"].items():
        assert twice["summary"]["intervals"][name] == pytest.approx(bounds, abs=0.02)
    ids = [row["id"] for row in twice["summary"]["errors"]]
    assert len(ids) == len(set(ids)) > 1, "an error of two models is shown once"


def test_what_cannot_be_pooled_is_told(tmp_path):
    with pytest.raises(UserError, match="no tested folds"):
        pooled([])
    folds = [write_fold(tmp_path, "1", made(40)), write_fold(tmp_path, "2", made(40), labels=LABELS[:2])]
    with pytest.raises(UserError, match="other labels"):
        pooled(folds)
    with pytest.raises(UserError, match="no predicted emotions"):
        pooled([write_fold(tmp_path, "3", made(40), summary=None)])


def test_a_fold_in_which_nothing_could_be_scored_is_left_out_and_told_of(tmp_path):
    folds = [write_fold(tmp_path, "1", made(40)), write_fold(tmp_path, "3", made(40, seed=1))]
    silent = write_fold(tmp_path, "2", made(4))
    frame = to_frame([broken("a"), broken("b")], LABELS)
    write(frame, silent.folder / "predictions.csv")
    values = silent.content() | {"summary": None, "rows": []}
    (silent.folder / "metrics.json").write_text(json.dumps(values))
    content, rows = pooled([silent, *folds])
    whole, _ = pooled(folds)
    assert content["summary"]["result"] == whole["summary"]["result"]
    assert content["rows"] == whole["rows"]
    assert [row["path"] for row in content["summary"]["broken"]] == ["emodb/a.wav", "emodb/b.wav"]
    assert content["missing"].startswith("Nothing could be scored in fold 2:")
    assert content["protocol"]["folds"] == ["1", "3"]
    assert rows["fold"].tolist() == ["1"] * 40 + ["3"] * 40 + ["2"] * 2


def test_what_each_seed_says_of_the_model_is_told(tmp_path):
    folds = []
    for seed, head in ((0, "round"), (1, "square")):
        one = write_fold(tmp_path, "1", made(20, seed=seed), seed=seed)
        (one.folder / "metrics.json").write_text(json.dumps({**one.content(), "notes": [f"The head is {head}."]}))
        folds.append(one)
    content, _ = pooled(folds)
    assert content["notes"] == ["The head is round.", "The head is square."]
    assert content["rows"][0]["folds"]["n"] == {"1": 40}


def test_remarks_add_up_and_what_folds_lack_is_told(tmp_path):
    folds = []
    for fold, number in (("1", 3), ("2", 0), ("3", 4)):
        one = write_fold(
            tmp_path, fold, made(40, seed=int(fold)), missing=f"Only {number} of 40." if number == 3 else None
        )
        values = one.content()
        remark = {"text": "For {n} of {of} it is so.", "n": number, "of": 40}
        values["rows"][1] |= {"about": "As it is.", "general": "As it is.", "remarks": [remark]}
        values["notes"] = ["The head is round."] if number else []
        (one.folder / "metrics.json").write_text(json.dumps(values))
        folds.append(one)
    content, _ = pooled(folds)
    assert content["notes"] == ["Folds 1, 3: The head is round."]
    assert content["rows"][1]["about"] == "As it is. For 7 of 120 it is so."
    assert content["missing"] == "Fold 1: Only 3 of 40."
