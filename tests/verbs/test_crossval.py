"""`emollm crossval` on tiny models: two of four folds, going on, and a fold that fails."""

import json
import shutil
import signal
import threading

import pandas as pd
import pytest
import torch

from emollm.__main__ import main
from emollm.crossval.job import Job
from emollm.evaluation import read
from emollm.metrics import from_predictions
from emollm.verbs.crossval import _all_seeds, _run


@pytest.fixture(scope="module")
def options(small_run):
    return ["--config", str(small_run.config), "--ablations", "none", "--baselines=majority"]


@pytest.fixture(scope="module")
def first(options, tmp_path_factory):
    """The first run of folds 1 and 2, both at once."""
    output = tmp_path_factory.mktemp("crossval") / "cv"
    assert crossval(output, options, "--jobs", "2") == 0
    return output


@pytest.fixture
def crossed(first, tmp_path):
    """A copy of its folder that a test may change."""
    return shutil.copytree(first, tmp_path / "cv")


def crossval(output, options, *more):
    return main(["crossval", *options, "--folds", "1,2", "--output", str(output), *more])


def contents(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_every_fold_is_fitted_and_tested_and_pooled(first, capsys):
    frames = {fold: read(first / f"fold_{fold}" / "test" / "version_0" / "predictions.csv") for fold in "12"}
    assert not set(frames["1"]["speaker"]) & set(frames["2"]["speaker"])
    pooled = read(first / "predictions.csv")
    assert pooled["fold"].tolist() == ["1"] * len(frames["1"]) + ["2"] * len(frames["2"])
    values = contents(first)
    labels = values["labels"]
    ua = from_predictions(pd.concat(frames.values()), labels).overall.ua
    assert values["summary"]["result"]["ua"] == pytest.approx(ua)
    assert [row["name"] for row in values["rows"]] == ["model", "majority"]
    assert values["rows"][0]["folds"]["ua"]["values"] == pytest.approx(
        {fold: from_predictions(frame, labels).overall.ua for fold, frame in frames.items()}
    )
    assert values["missing"] == "Only 2 of 4 folds were tested."
    assert values["protocol"]["folds"] == ["1", "2"]
    assert "model:" in values["recipe"]
    assert (first / "report.html").is_file()
    assert (first / "confusion_all.png").is_file()


def test_pictures_of_fewer_folds_are_gone(crossed, options):
    old = crossed / "confusion_other.png"
    old.write_bytes(b"")
    assert crossval(crossed, options) == 0
    assert not old.exists()
    assert (crossed / "confusion_all.png").is_file()


def test_what_is_done_is_not_done_again(crossed, options, capsys):
    before = {file: file.stat().st_mtime_ns for file in crossed.glob("fold_*/**/*")}
    assert crossval(crossed, options) == 0
    assert {file: file.stat().st_mtime_ns for file in crossed.glob("fold_*/**/*")} == before
    out = capsys.readouterr().out
    assert out.count("done before") == 2
    assert "Only 2 of 4 folds were tested." in out
    assert "over 2 folds; pooled" in out
    assert "Audit: No speaker of test is in training." in out
    assert "utterances, 0 with an error." in out


def test_folds_of_earlier_calls_count(crossed, options, capsys):
    pooled = read(crossed / "predictions.csv")
    assert main(["crossval", *options, "--folds", "2", "--output", str(crossed)]) == 0
    assert "over 2 folds; pooled" in capsys.readouterr().out
    pd.testing.assert_frame_equal(read(crossed / "predictions.csv"), pooled)


def test_seeds_of_earlier_calls_count(tmp_path):
    for name in ("fold_1_seed_3", "fold_2_seed_0", "fold_2", "fold_2_seed_-1"):
        (tmp_path / name).mkdir()
    assert _all_seeds([0, 7], tmp_path) == [0, 7, -1, 3]
    assert _all_seeds([None], tmp_path) == [None]


def test_other_data_need_another_folder_or_restart(crossed, options, capsys, monkeypatch):
    monkeypatch.setattr("emollm.crossval.folds.digest", lambda table: "changed")
    assert crossval(crossed, options) == 2
    assert "was begun with other data" in capsys.readouterr().err


def test_a_killed_fold_goes_on_from_its_checkpoint(crossed, options, capsys):
    fold = crossed / "fold_2"
    want = contents(fold / "test" / "version_0")["summary"]["result"]
    (fold / "test" / "version_0" / "metrics.json").unlink()
    (fold / "fitted").unlink()
    steps = torch.load(fold / "fit" / "version_0" / "checkpoints" / "last.ckpt", weights_only=False)["global_step"]
    assert crossval(crossed, options) == 0
    out = capsys.readouterr().out
    assert "fold 1: UA" in out.splitlines()[0]
    assert out.splitlines()[0].endswith("done before")
    assert "fold 2: UA" in out
    again = torch.load(fold / "fit" / "version_0" / "checkpoints" / "last.ckpt", weights_only=False)["global_step"]
    assert again == steps > 0, "its one epoch was over"
    got = contents(fold / "test" / "version_0")["summary"]["result"]
    assert got["confusion"] == want["confusion"]
    # Two folds at a time had one thread each, and sums then are of another order.
    assert got["nll"] == pytest.approx(want["nll"], abs=1e-6)
    assert [folder.name for folder in (fold / "fit").iterdir()] == ["version_0"]


def test_a_failing_fold_shows_its_log_and_the_others_count(crossed, options, capsys):
    fold = crossed / "fold_2"
    (fold / "test" / "version_0" / "metrics.json").unlink()
    (fold / "fitted").unlink()
    (fold / "fit" / "version_0" / "checkpoints" / "last.ckpt").write_text("torn")
    assert crossval(crossed, options) == 1
    out, err = capsys.readouterr()
    assert "fold 2 failed" in err
    assert "last.ckpt cannot be read as a checkpoint" in err
    assert "Only 1 of 4 folds were tested." in out
    assert "over 1 fold; pooled" in out
    assert contents(crossed)["protocol"]["folds"] == ["1"]


def test_a_fold_that_is_asked_to_end_is_not_taken_for_fitted(small_run, options, tmp_path, capsys):
    output = tmp_path / "cv"
    ending = ["--trainer.callbacks+=tests.killing.Kill", "--trainer.callbacks.step=1"]
    ending += [f"--trainer.callbacks.number={int(signal.SIGTERM)}"]
    assert main(["crossval", *options, *ending, "--folds", "1", "--output", str(output)]) == 1
    assert "fold 1 failed" in capsys.readouterr().err
    assert (output / "fold_1" / "fit" / "version_0").is_dir(), "it had begun"
    assert not (output / "fold_1" / "fitted").exists()
    assert not (output / "fold_1" / "test").exists()


def test_other_arguments_need_another_folder_or_restart(crossed, options, capsys, monkeypatch):
    assert crossval(crossed, [*options, "--data.batch_size", "3"]) == 2
    err = capsys.readouterr().err
    assert "was begun with other arguments" in err
    assert err.count("\n") == 1
    (crossed / "mine.txt").touch()
    (crossed / "mine.png").touch()
    monkeypatch.setattr(Job, "run", lambda self: False)
    assert crossval(crossed, [*options, "--data.batch_size", "3"], "--restart") == 1
    assert not (crossed / "report.html").exists(), "it would look like what the new call has come to"
    assert not list(crossed.glob("fold_*"))
    assert (crossed / "mine.txt").exists()
    assert [file.name for file in crossed.glob("*.png")] == ["mine.png"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--folds", "9"], "--folds is '9': the recipe's protocol has the folds 1, 2, 4, 5"),
        (["--seeds", "a"], "--seeds is 'a'"),
        (["--jobs", "0"], "--jobs is 0"),
        (["--baselines", "nonsense"], "--baselines is 'nonsense': write all, none, or some of majority"),
        (["--ablations", "audio,WRONG"], "--ablations is 'WRONG': write all, none, or some of audio, transcript"),
        (["--ckpt_path", "x.ckpt"], "takes no --ckpt_path"),
        (["--data.batch_size", "many"], "data.batch_size"),
        (["--data.protocol.init_args.column", "gone"], "have no 'gone'"),
        (["--data.protocol", "CrossCorpus"], "needs two; data.corpora holds ravdess"),
        (["--data.protocol=GroupedKFold", "--data.protocol.init_args.k=99"], "protocol.k is 99"),
    ],
)
def test_bad_input_is_told_before_anything_is_fitted(small_run, tmp_path, capsys, wrong, says):
    args = ["crossval", "--config", str(small_run.config), "--output", str(tmp_path / "cv"), *wrong]
    assert main(args) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "cv").exists()


def test_labels_outside_of_the_set_are_told_before_any_fold(options, tmp_path, capsys):
    assert crossval(tmp_path / "cv", [*options, "--data.other_labels", "error"]) == 2
    assert "4 × the label 'neutral' is none of angry, happy, sad" in capsys.readouterr().err
    assert not (tmp_path / "cv").exists()


def test_a_recipe_is_needed(capsys):
    assert main(["crossval"]) == 2
    assert "needs a recipe" in capsys.readouterr().err


def test_help_says_what_folds_at_the_same_time_take(capsys):
    with pytest.raises(SystemExit) as end:
        main(["crossval", "--help"])
    assert end.value.code == 0
    assert "OMP_NUM_THREADS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("faults", "begun"),
    [
        (["no disk"] * 5, 3),
        (["no disk", "no file", *["no disk"] * 3], 5),
        (["", *["no disk"] * 4], 5),
        (["done before", *["no disk"] * 4], 4),
    ],
)
def test_where_the_first_two_folds_fail_alike_no_other_is_begun(faults, begun, tmp_path, capsys):
    ran, told = [], threading.Event()

    class Fold:
        log = tmp_path / "log.txt"

        def __init__(self, name, fault):
            self.name, self.fault, self.done = name, fault, fault == "done before"
            self.tested = self

        def content(self):
            return {"summary": None}

        def run(self):
            ran.append(self.name)
            if len(ran) == 3:  # it may have begun before the second was looked at
                told.wait(0 if begun > 3 else 30)
            return not self.fault

        def last_lines(self, number=12):
            if self.name == "1":
                # All that follows is done before the third goes on.
                threading.Timer(1, told.set).start()
            return self.fault

    _run([Fold(str(number), fault) for number, fault in enumerate(faults)], 1)
    err = capsys.readouterr().err
    assert len(ran) == begun or (begun == 3 and len(ran) == 2)
    assert ("The same fault twice" in err) == (begun == 3)
