"""The table of stored runs: from predictions alone, folds of a cross-validation as one run."""

import json
from dataclasses import replace

import pytest

from emollm.__main__ import main
from emollm.evaluation import to_frame
from emollm.evaluation.frame import write
from emollm.evaluation.intervals import bootstrap
from emollm.evaluation.pool import FoldReport, pool
from emollm.metrics import from_predictions
from tests.evaluation.made import LABELS, broken, made
from tests.evaluation.written import write_fold


def pooled(folder, tested):
    """Write the report of some folds, as the verb does."""
    content, frame = pool(tested, "x", "emollm crossval", "model: {}")
    write(frame, folder / "predictions.csv")
    (folder / "metrics.json").write_text(json.dumps(content))


def crossval(folder):
    """Two folds and the report of both, as the verb leaves them."""
    parts = {"1": made(60), "2": made(80, seed=1)}
    tested = []
    for fold, rows in parts.items():
        home = folder / f"fold_{fold}" / "test"
        written = write_fold(home, fold, rows).folder.rename(home / "version_0")
        tested.append(FoldReport(fold, None, written))
    pooled(folder, tested)
    return to_frame(parts["1"] + parts["2"], LABELS)


def test_predictions_are_paired_by_fold_and_seed(tmp_path):
    """The tables of folds lie in another order than the pooled one has them."""
    folder, tested = tmp_path / "cv", []
    for seed in (10, 2):
        for fold in "ab":
            rows = [
                replace(one, utterance=replace(one.utterance, speaker=None))
                for one in made(60, seed=seed + ord(fold))
            ]
            home = folder / f"fold_{fold}_seed_{seed}" / "test"
            written = write_fold(home, fold, rows).folder.rename(home / "version_0")
            tested.append(FoldReport(fold, seed, written))
    pooled(folder, tested)
    differences = [line["model_less_this_ua"] for line in told(folder, tmp_path / "table") if line["what"] == "m"]
    assert differences, "the baseline's tables hold the model's own answers"
    for difference in differences:
        assert difference == [0, 0, 0]


def test_seeds_of_a_split_without_folds_are_paired(tmp_path):
    """Its reports name no fold, and crossval calls the one that there is 1."""
    folder, tested = tmp_path / "cv", []
    for seed in (0, 1):
        home = folder / f"fold_1_seed_{seed}" / "test"
        protocol = {"name": "p", "folds": [], "speaker_independent": True, "train": 1, "validation": 1, "test": 60}
        written = write_fold(home, "1", made(60, seed=seed), protocol=protocol).folder.rename(home / "version_0")
        tested.append(FoldReport("1", seed, written))
    pooled(folder, tested)
    against = [line["model_less_this_ua"] for line in told(folder, tmp_path / "table") if line["what"] == "m"]
    assert against[0] == [0, 0, 0]


def test_a_corpus_in_which_nothing_could_be_scored_has_no_line(tmp_path):
    rows = [*made(60), broken("gone", corpus="savee")]
    write_fold(tmp_path / "runs", "1", rows)
    corpora = {line["corpus"] for line in told(tmp_path / "runs", tmp_path / "table")}
    assert corpora == {"all", "emodb", "ravdess"}


def told(folder, output):
    assert main(["results", str(folder), "--output", str(output)]) == 0
    return json.loads(output.with_suffix(".json").read_text())


def test_figures_are_those_of_the_stored_predictions(tmp_path):
    write_fold(tmp_path / "runs", "1", rows := made(300))
    changed = json.loads((tmp_path / "runs" / "1_None" / "metrics.json").read_text())
    changed["rows"][0]["result"]["ua"] = 0.999
    (tmp_path / "runs" / "1_None" / "metrics.json").write_text(json.dumps(changed))
    lines = told(tmp_path / "runs", tmp_path / "out" / "table")
    names = [(line["what"], line["corpus"]) for line in lines]
    assert names == [(what, c) for what in ("model: audio", "m") for c in ("all", "emodb", "ravdess")]
    frame = to_frame(rows, LABELS)
    results = from_predictions(frame, LABELS)
    assert lines[0]["ua"] == pytest.approx(results.overall.ua)
    assert lines[0]["ua_interval"] == pytest.approx(list(bootstrap(frame, LABELS).ua))
    assert lines[2]["ece"] == pytest.approx(results.corpora["ravdess"].ece)
    written = (tmp_path / "out" / "table.md").read_text().splitlines()
    assert len(written) == 2 + len(lines)
    assert f"{100 * results.overall.ua:.1f} [" in written[2]


def test_the_terminal_tells_what_each_interval_is_drawn_over(tmp_path, capsys):
    write_fold(
        tmp_path / "runs", "1", made(60, corpora=["emodb"], speakers=4) + made(40, corpora=["meld"], speakers=0)
    )
    assert main(["results", str(tmp_path / "runs")]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "over 4 speakers and 40 utterances (all); 4 speakers (emodb); 40 utterances (meld)." in text


def test_folds_count_as_one_run(tmp_path):
    frame = crossval(tmp_path / "cv")
    lines = told(tmp_path, tmp_path / "table")
    assert len(lines) == 6
    assert [line["n"] for line in lines if line["corpus"] == "all"] == [140, 140]
    # The baseline is in the folds alone.
    assert lines[3]["ua"] == pytest.approx(from_predictions(frame, LABELS).overall.ua), (
        "a baseline is in the folds"
    )


def test_what_was_not_measured_has_no_line(tmp_path):
    write_fold(tmp_path, "1", made(60), majority=False)
    assert {line["what"] for line in told(tmp_path, tmp_path / "table")} == {"model: audio"}


@pytest.mark.parametrize(("folder", "reason"), [("empty", "holds no report"), ("none", "There is no folder")])
def test_folders_without_reports_are_refused(tmp_path, capsys, folder, reason):
    (tmp_path / "empty").mkdir()
    assert main(["results", str(tmp_path / folder)]) == 2
    assert reason in capsys.readouterr().err


def test_a_missing_table_is_told_of(tmp_path, capsys):
    write_fold(tmp_path, "1", made(60))
    (tmp_path / "1_None" / "baselines" / "majority.csv").unlink()
    assert main(["results", str(tmp_path)]) == 2
    assert "majority.csv is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"labels": ["a", "b"]}', '{"labels": ["a", "b"], "rows": [1]}']
    + ['{"labels": ["a", "b"], "rows": null}', '{"labels": ["a", "b"], "rows": [{}]}'],
)
def test_a_broken_report_is_named(tmp_path, capsys, text):
    (tmp_path / "metrics.json").write_text(text)
    assert main(["results", str(tmp_path)]) == 2
    assert f"{tmp_path / 'metrics.json'} is no report" in capsys.readouterr().err


def test_a_broken_run_is_left_out_and_the_others_told(tmp_path, capsys):
    write_fold(tmp_path, "1", made(60))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "metrics.json").write_text("")
    write_fold(tmp_path / "cut", "2", made(60))
    file = tmp_path / "cut" / "2_None" / "predictions.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:20]))
    assert main(["results", str(tmp_path), "--output", str(tmp_path / "table")]) == 1
    err = capsys.readouterr().err
    assert "left out: " in err
    assert "metrics.json is no report" in err
    assert "has 19 scored predictions, and its report speaks of 60: test anew" in err
    lines = json.loads((tmp_path / "table.json").read_text())
    assert {line["run"] for line in lines} == {str(tmp_path / "1_None")}


def test_a_run_that_only_transcribes_has_no_line(tmp_path):
    write_fold(tmp_path, "1", made(60))
    (tmp_path / "words").mkdir()
    content = {"labels": LABELS, "rows": [{"kind": "model", "name": "asr", "title": "audio", "result": None}]}
    (tmp_path / "words" / "metrics.json").write_text(json.dumps(content))
    assert {line["run"] for line in told(tmp_path, tmp_path / "table")} == {str(tmp_path / "1_None")}


def test_a_name_with_dots_is_kept(tmp_path):
    write_fold(tmp_path, "1", made(60))
    for name in ("v0.2", "other.md"):
        assert main(["results", str(tmp_path), "--output", str(tmp_path / name)]) == 0
    written = {file.name for file in tmp_path.iterdir() if file.is_file()}
    assert written == {"v0.2.md", "v0.2.json", "other.md", "other.json"}


def test_runs_are_held_against_another_one(tmp_path, capsys):
    """In pairs of utterances, whatever the folds are called: its own model and views alone, the others' not."""
    rows = made(200)
    mended = [replace(row, label=row.utterance.label) if place % 3 == 0 else row for place, row in enumerate(rows)]
    write_fold(tmp_path / "better", "1", mended)
    write_fold(tmp_path / "plain", "b", rows[40:][::-1])
    other = tmp_path / "plain" / "b_None"
    told_of = ["results", str(tmp_path / "better"), "--against", str(other), "--output", str(tmp_path / "table")]
    assert main(told_of) == 0
    lines = json.loads((tmp_path / "table.json").read_text())
    ahead = {(line["what"], line["corpus"]): line["less_other_run"] for line in lines}
    assert ahead["m", "all"] is None, "a baseline"
    frames = [to_frame(part, LABELS) for part in (mended[40:], rows[40:])]
    expected = [from_predictions(frame, LABELS).overall for frame in frames]
    found = ahead["model: audio", "all"]
    assert found["n"] == 160
    assert found["ua"][0] == pytest.approx(expected[0].ua - expected[1].ua)
    assert found["weighted_f1"][0] == pytest.approx(expected[0].weighted_f1 - expected[1].weighted_f1)
    assert 0 < found["ua"][1] < found["ua"][0] < found["ua"][2]
    assert ahead["model: audio", "emodb"]["n"] == 80
    heads, _, first, *_ = (tmp_path / "table.md").read_text().splitlines()
    assert heads.endswith(f"| UA, ahead of {other} | weighted-F1, ahead of {other} |")
    assert f"{100 * found['ua'][0]:+.1f} [" in first
    assert "Ahead of " in capsys.readouterr().out
    # The run itself, held against itself, is held against nothing.
    assert main(["results", str(other), "--against", str(other)]) == 0
    said = capsys.readouterr()
    assert "Ahead of" not in said.out
    assert not said.err


@pytest.mark.parametrize("apart", ["labels", "utterances"])
def test_runs_with_nothing_in_common_are_told(tmp_path, capsys, apart):
    write_fold(tmp_path, "a", made(60))
    others = made(60)
    if apart == "utterances":
        others = [replace(row, utterance=replace(row.utterance, id=f"o{row.utterance.id}")) for row in others]
    write_fold(tmp_path / "other", "1", others)
    other = tmp_path / "other" / "1_None"
    if apart == "labels":
        for file in (other / "predictions.csv", other / "baselines" / "majority.csv", other / "metrics.json"):
            file.write_text(file.read_text().replace("sad", "glum"))
    assert main(["results", str(tmp_path / "a_None"), "--against", str(other)]) == 0
    said = capsys.readouterr()
    assert said.err == (
        f"emollm: {tmp_path / 'a_None'} is not held against {other}: other labels, or no utterance in common.\n"
    )


def test_one_run_is_held_against(tmp_path, capsys):
    write_fold(tmp_path, "a", made(60))
    write_fold(tmp_path, "b", made(60))
    (tmp_path / "empty").mkdir()
    for name, reason in ((".", "holds 2 reports: name the folder of one run"), ("empty", "holds no report: name")):
        assert main(["results", str(tmp_path / "a_None"), "--against", str(tmp_path / name)]) == 2
        assert reason in capsys.readouterr().err


def test_utterances_with_other_targets_are_not_compared(tmp_path, capsys):
    rows = made(60)
    write_fold(tmp_path, "a", rows)
    moved = replace(rows[7].utterance, label=next(label for label in LABELS if label != rows[7].utterance.label))
    write_fold(tmp_path, "b", [*rows[:7], replace(rows[7], utterance=moved), *rows[8:]])
    assert main(["results", str(tmp_path / "a_None"), "--against", str(tmp_path / "b_None")]) == 2
    assert (
        f"{tmp_path / 'a_None'}: The two tables have other targets for 'ravdess/0007'" in capsys.readouterr().err
    )


def test_a_table_without_its_columns_is_named(tmp_path, capsys):
    write_fold(tmp_path, "1", made(60))
    file = tmp_path / "1_None" / "predictions.csv"
    file.write_text(file.read_text().replace("corpus", "korpus", 1))
    assert main(["results", str(tmp_path)]) == 2
    assert "or a table beside it none of its own (KeyError: 'corpus'): test anew" in capsys.readouterr().err
