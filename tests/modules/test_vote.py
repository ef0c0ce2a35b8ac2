"""A logistic regression that answers beside the LLM."""

import html
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emollm import factory
from emollm.__main__ import main
from emollm.errors import UserError
from emollm.modules.vote import Vote, Voter, VoterRows
from tests.fake_corpus import tone
from tests.side_by_side import run_commands
from tests.small import build, make_batch, recipe, run

STATISTICS = {
    "class_path": "emollm.models.interfaces.StatisticsInterface",
    "init_args": {"tokens": 2, "hidden": 16, "dropout": 0.0},
}
HEARS = {"interface": STATISTICS, "layers": "concat"}


def test_it_is_scikit_learns_logistic_regression():
    rng = np.random.default_rng(0)
    targets = rng.integers(3, size=90)
    statistics = rng.normal(size=(90, 5)) * [1, 10, 0.1, 1, 0] + targets[:, None] * [1, 0, 0.1, 0, 0] + 7
    voter = Voter(5, 3, Vote(share=0.75, l2=0.5))
    voter.fit(torch.tensor(statistics, dtype=torch.float32), torch.tensor(targets))
    scikit = make_pipeline(StandardScaler(), LogisticRegression(C=2, tol=1e-8, max_iter=10_000))
    want = torch.tensor(scikit.fit(statistics, targets).predict_log_proba(statistics), dtype=torch.float32)
    llm = torch.tensor(rng.normal(size=(90, 3)), dtype=torch.float32)
    joint = voter(llm, torch.tensor(statistics, dtype=torch.float32))
    torch.testing.assert_close(joint, 0.25 * llm.log_softmax(-1) + 0.75 * want, atol=3e-3, rtol=0)


@pytest.mark.parametrize("wrong", [{"share": 1}, {"share": -0.1}, {"l2": 0}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(UserError, match=rf"model\.vote\.{next(iter(wrong))}"):
        Vote(**wrong)


@pytest.mark.parametrize("change", [{"layers": "mix"}, {"interface": None}, {"trained_layers": 1}])
def test_what_training_changes_has_no_vote(tiny_whisper, tiny_llama, change):
    backbone = {"source": str(tiny_whisper), "layers": [1, 3], "trained_layers": change.pop("trained_layers", 0)}
    values = {**HEARS, "vote": {}, "backbone": backbone, **change}
    module = factory.build("emotion_llm", recipe(tiny_whisper, tiny_llama, **values))
    with pytest.raises(UserError, match=r"model\.vote"):
        module.configure_model()


def test_without_sound_the_llm_answers_alone(tiny_whisper, tiny_llama):
    module, batch = build(tiny_whisper, tiny_llama, **HEARS, vote={}), make_batch()
    torch.nn.init.normal_(module.voter.weight)
    module.eval()
    batch.waveforms = None
    alone = build(tiny_whisper, tiny_llama, **HEARS).eval()
    torch.testing.assert_close(module.score(batch).log_scores, alone.score(batch).log_scores)
    words = build(tiny_whisper, tiny_llama, **HEARS, vote={}, prompt="transcript")
    assert words.voter is None, "a prompt that takes no sound has nothing to vote by"


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize("prompt", ["audio", "joint"])
def test_who_votes_is_told(tiny_whisper, tiny_llama, prompt, fitted):
    module, batch = build(tiny_whisper, tiny_llama, **HEARS, vote={}, prompt=prompt).eval(), make_batch()
    if fitted:
        torch.nn.init.normal_(module.voter.weight)
    joined = module.score(batch).log_scores
    module.voter_is_heard = False
    changed = not torch.equal(joined, module.score(batch).log_scores)
    assert changed == module.has_vote == (fitted and prompt == "audio")
    assert any("logistic regression" in note for note in module.notes()) == module.has_vote


def test_what_has_no_label_teaches_nothing():
    batch, rows = make_batch(), VoterRows()
    batch.targets[1] = -1
    rows.add(batch, "plain", torch.arange(6.0).reshape(3, 2))
    statistics, targets = rows.of_all_processes()
    assert statistics.tolist() == [[0, 1], [4, 5]]
    assert targets.tolist() == [0, 2]
    rows = VoterRows()
    with pytest.raises(UserError, match="none of the training recordings"):
        rows.of_all_processes()


@pytest.fixture(scope="module")
def voted(small_run, tmp_path_factory):
    """A small run with a vote, its confidences as they are; tested beside the probe, and given to others."""
    folder = tmp_path_factory.mktemp("voted")
    args = [
        "--config",
        small_run.config,
        "--model.layers",
        "concat",
        "--model.interface",
        STATISTICS["class_path"],
    ]
    args += ["--model.interface.tokens", "2", "--model.interface.hidden", "16", "--model.interface.dropout", "0"]
    args += ["--model.vote.share", "0.25"]
    checkpoint = run(folder, "fit", *args) / "checkpoints" / "best.ckpt"
    (checkpoint.parent / "best.calibration.json").unlink()
    tested = run(folder, "test", *args, "--ckpt_path", checkpoint, "--baselines", "probe")
    return SimpleNamespace(folder=folder, args=args, checkpoint=checkpoint, tested=tested)


def chances(file):
    frame = pd.read_csv(file).set_index("id")
    return frame.filter(like="p_").sort_index().to_numpy()


def voter_of(file):
    return torch.load(file, weights_only=True)["state_dict"]["voter.weight"]


def share_of(voted, share):
    """Chances with another share of the same voter."""
    return chances(
        run(voted.folder, "test", *voted.args, "--ckpt_path", voted.checkpoint, "--model.vote.share", share)
        / "predictions.csv"
    )


def test_the_answer_is_the_weighted_mean_of_log_probabilities(voted):
    alone, quarter = (
        np.log(chances(voted.tested / name)) for name in ("ablations/no_vote.csv", "predictions.csv")
    )
    np.testing.assert_allclose(np.log(share_of(voted, 0)), alone, atol=1e-5)
    more = np.log(share_of(voted, 0.75))
    first, second = (one - one.mean(1, keepdims=True) for one in (quarter - alone, more - alone))
    assert np.abs(first).max() > 0.1
    np.testing.assert_allclose(3 * first, second, atol=1e-3)


def test_it_is_fitted_to_the_training_part_in_both_ranges(voted, monkeypatch):
    fitted, fit = [], Voter.fit
    monkeypatch.setattr(Voter, "fit", lambda self, *given: (fitted.append(given), fit(self, *given))[1])
    ranges = ["--model.speaker_range.own", "0.5", "--model.speaker_range.clips", "2"]
    run(voted.folder, "fit", *voted.args, *ranges, "--model.speaker_range.evenness", "0")
    ((statistics, targets),) = fitted
    assert statistics.shape == (2 * 6, 2 * 2 * 32), "six utterances in two ranges"
    assert sorted(targets.tolist()) == sorted([0, 1, 2] * 4)
    own, plain = statistics[::2], statistics[1::2]
    assert (own - plain).abs().max() > 1e-3
    again = Voter(statistics.shape[1], 3, Vote())
    again.fit(statistics, targets)
    llm = torch.zeros(len(targets), 3)
    assert again(llm, statistics).argmax(-1).tolist() == targets.tolist(), "more statistics than utterances"


def test_a_report_says_who_voted(voted):
    rows = {row["name"]: row for row in json.loads((voted.tested / "metrics.json").read_text())["rows"]}
    assert rows["no_vote"]["title"] == "LLM alone"
    page = html.unescape((voted.tested / "report.html").read_text())
    assert "A logistic regression on the backbone's statistics answers beside the LLM: 25 %" in page


def test_an_export_votes_the_same(voted, tmp_path):
    assert main(["export", str(voted.checkpoint), "--output", str(tmp_path / "export")]) == 0
    folder = run(voted.folder, "test", *voted.args, "--ckpt_path", tmp_path / "export")
    np.testing.assert_allclose(
        chances(folder / "predictions.csv"), chances(voted.tested / "predictions.csv"), atol=1e-6
    )


def test_a_resumed_run_has_the_same_vote(voted, tmp_path):
    run_folder = shutil.copytree(voted.checkpoint.parents[1], tmp_path / "fit" / "version_0")
    last = run_folder / "checkpoints" / "last.ckpt"
    run(tmp_path, "fit", *voted.args, "--trainer.max_epochs", "2", "--ckpt_path", last)
    assert torch.load(last, weights_only=True)["epoch"] == 1, "it went on"
    torch.testing.assert_close(voter_of(last), voter_of(voted.checkpoint), atol=0, rtol=0)


def test_a_vote_that_is_not_there_or_not_asked_for_is_told(voted, tiny_whisper, tiny_llama):
    stages = [{"answer": "head", "epochs": 1}, {"epochs": 1}]
    plain, votes, warms = (
        build(tiny_whisper, tiny_llama, **HEARS, **more) for more in ({}, {"vote": {}}, {"stages": stages})
    )
    for mine, theirs, said in (
        (votes, plain, "trained without model.vote: give --model.vote null"),
        (plain, votes, "trained with model.vote: give that"),
        (warms, votes, "2 trained weights are missing from it and 2 are unknown"),
    ):
        with pytest.raises(UserError, match=said):
            mine.check_weights(theirs.all_trained_names(), theirs.specification())


def test_predictions_of_another_share_are_not_mixed(voted, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", tone(300, 0.5), 16_000)
    ask = ["predict", str(tmp_path), "--ckpt_path", str(voted.checkpoint), "--output", str(tmp_path / "out")]
    ask += ["--data.transcriber", "none"]
    assert main(ask) == 0
    assert main([*ask, "--model.vote.share", "0.5"]) == 2
    assert "another share of the vote ('0.25', not '0.5')" in capsys.readouterr().err


def test_prompts_are_tried_without_sound_too(voted, small_run):
    args = [*voted.args, "--templates", "audio,transcript", "--output", str(voted.folder / "prompts")]
    assert main(["prompts", *map(str, args)]) == 0


def test_labels_in_another_order_are_refused(voted, capsys):
    labels = "[sad, happy, angry]"
    run(voted.folder, "test", *voted.args, "--ckpt_path", voted.checkpoint, "--model.labels", labels, code=2)
    assert "in that order" in capsys.readouterr().err


def test_two_processes_have_the_vote_of_one(voted):
    own = ["--trainer.logger.save_dir", str(voted.folder / "two")]
    run_commands(voted.folder, ["fit", *voted.args, *own])
    theirs = voted.folder / "two" / "fit" / "version_0" / "checkpoints" / "last.ckpt"
    torch.testing.assert_close(voter_of(theirs), voter_of(voted.checkpoint), atol=1e-6, rtol=1e-5)
