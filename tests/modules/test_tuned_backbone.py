"""A backbone whose upper layers are trained first and then left as they are: ranges, votes, checkpoints."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from emollm import factory
from emollm.__main__ import main
from emollm.data.augment import Augmentation
from emollm.data.corpora import Ravdess, Table
from emollm.data.datamodule import EmotionData
from emollm.data.features import FeatureCache
from emollm.data.protocols import ColumnSplit, FoldColumn
from emollm.errors import UserError
from emollm.modules.vote import Voter
from tests.fake_corpus import write_ravdess
from tests.small import LABELS, build, run

STATISTICS = "emollm.models.interfaces.StatisticsInterface"
STAGES = [{"epochs": 1, "answer": "head"}, {"epochs": 2, "train_backbone": False}]
RANGE = {"own": 0.5, "clips": 2, "evenness": 0.0}


class Watch(Callback):
    """Trained weights of the backbone and the ranges' mean before the first epoch and after each."""

    def __init__(self):
        self.backbone, self.means, self.modes = [], [], []

    def _note(self, module):
        names = module._backbone_names
        weights = [value.detach().flatten() for name, value in module.named_parameters() if name in names]
        self.backbone.append(torch.cat(weights).clone())
        self.means.append(module.ranges.mean.clone())

    def on_train_start(self, trainer, module):
        self._note(module)

    def on_train_batch_end(self, trainer, module, *_):
        self.modes.append(any(block.training for block in module.audio_backbone.blocks))

    def on_train_epoch_end(self, trainer, module):
        self._note(module)


def tuned(whisper, llama, **changes):
    return build(
        whisper,
        llama,
        **{
            "backbone": {"source": str(whisper), "layers": [1, 3], "trained_layers": 2},
            "interface": {"class_path": STATISTICS, "init_args": {"tokens": 2, "hidden": 16, "dropout": 0.0}},
            "layers": "concat",
            "stages": STAGES,
            "speaker_range": RANGE,
            "vote": {},
            "optimization": {"backbone_learning_rate": 1e-3},
            **changes,
        },
    )


def fit(module, tmp_path, epochs, *callbacks, corpora=None, protocol=None):
    data = EmotionData(
        corpora or [Ravdess(str(write_ravdess(tmp_path / "ravdess", emotions=5)))],
        protocol or FoldColumn("emobox_fold"),
        LABELS,
        other_labels="drop",
        num_workers=0,
        cache=FeatureCache(folder=str(tmp_path / "features")),
    )
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    Trainer(
        max_epochs=epochs, accelerator="cpu", callbacks=list(callbacks), default_root_dir=tmp_path, **quiet
    ).fit(module, datamodule=data)


def test_it_moves_in_the_first_stage_alone_and_is_heard_after_it(tiny_whisper, tiny_llama, tmp_path, monkeypatch):
    fitted, fit_voter = [], Voter.fit
    monkeypatch.setattr(Voter, "fit", lambda self, *given: (fitted.append(given), fit_voter(self, *given))[1])
    module, watch = tuned(tiny_whisper, tiny_llama), Watch()
    fit(module, tmp_path, 3, watch)
    start, first, second, third = watch.backbone
    assert not torch.equal(start, first)
    assert torch.equal(first, second)
    assert torch.equal(first, third)
    assert watch.modes[0]
    assert not watch.modes[-1], "what is left as it is has no dropout"
    assert not watch.means[1].any(), "no range of what still changes"
    assert watch.means[2].any()
    assert len(fitted) == 1
    mean = module.ranges.mean.clone()
    module.hear_training_part()
    torch.testing.assert_close(module.ranges.mean, mean, atol=0, rtol=0)
    (before, _), (after, _) = fitted
    torch.testing.assert_close(before, after, atol=0, rtol=0)
    assert any("backbone" in name for name in module.all_trained_names()), "a checkpoint has them"


def test_it_is_trained_again_by_another_fit(tiny_whisper, tiny_llama, tmp_path):
    module, watch = tuned(tiny_whisper, tiny_llama), Watch()
    fit(module, tmp_path, 3)
    assert module.ranges.mean.any()
    assert module.voter.fitted
    fit(module, tmp_path, 1, watch)
    assert not torch.equal(*watch.backbone)
    assert not watch.means[0].any(), "nothing is known of the backbone that is trained now"
    assert not module.ranges.speakers
    assert not module.voter.fitted


def test_a_last_stage_that_trains_it_has_no_vote_and_no_ranges(tiny_whisper, tiny_llama, tmp_path):
    with pytest.raises(UserError, match=r"model\.vote.*train_backbone: false"):
        tuned(tiny_whisper, tiny_llama, stages=STAGES[:1])
    for stages in (STAGES[:1], None):
        with pytest.raises(UserError, match=r"model\.speaker_range.*train_backbone: false"):
            fit(tuned(tiny_whisper, tiny_llama, stages=stages, vote=None), tmp_path, 1)


def test_what_is_left_as_it_is_stays_so(tiny_whisper, tiny_llama):
    stages = [*STAGES, {"epochs": 1}]
    with pytest.raises(UserError, match=r"model\.stages.* to the end"):
        tuned(tiny_whisper, tiny_llama, stages=stages)
    words = {"prompt": "transcript", "stages": stages[1:], "speaker_range": None, "vote": None}
    assert tuned(tiny_whisper, tiny_llama, **words).audio_backbone is None, "and words alone need none"


def test_the_probe_trains_no_backbone_and_has_ranges(tiny_whisper, tmp_path):
    backbone = {"source": str(tiny_whisper), "layers": [1, 3], "trained_layers": 2}
    probe = factory.build("probe", {"labels": LABELS, "backbone": backbone, "speaker_range": RANGE})
    fit(probe, tmp_path, 1)
    assert probe.ranges.mean.any()


def test_a_model_that_only_prepares_is_never_the_best(tiny_whisper, tiny_llama, tmp_path):
    """An LLM that answers before the backbone is ready has neither ranges nor a vote."""
    figures = []

    class Figures(Callback):
        def on_validation_end(self, trainer, module):
            figures.append(set(trainer.callback_metrics))

    stages = [{"epochs": 1}, {"epochs": 1, "train_backbone": False}]
    fit(tuned(tiny_whisper, tiny_llama, stages=stages), tmp_path, 2, Figures())
    prepared, ready = figures[-2:]
    assert "warm/ua" in prepared
    assert "val/ua" not in prepared
    assert "val/ua" in ready


def test_missing_speakers_are_told_before_anything_is_trained(tiny_whisper, tiny_llama, tmp_path):
    frame = Ravdess(str(write_ravdess(tmp_path / "ravdess", emotions=5))).read().to_frame()
    frame = frame.rename(columns={"path": "file"})[["file", "label", "transcript"]]
    parts = ["train", "validation", "test"]
    frame.assign(split=[parts[row % 3] for row in range(len(frame))]).to_csv(tmp_path / "rows.csv", index=False)
    watch, nameless = Watch(), {"corpora": [Table(str(tmp_path / "rows.csv"))], "protocol": ColumnSplit("split")}
    with pytest.raises(UserError, match=r"model\.speaker_range needs speakers"):
        fit(tuned(tiny_whisper, tiny_llama), tmp_path, 3, watch, **nameless)
    assert not watch.modes


def test_words_that_are_cut_away_are_not_asked_for(tiny_whisper, tiny_llama):
    stages = [{"epochs": 1, "prompt": "asr"}, {"epochs": 1, "train_backbone": False}]
    data = SimpleNamespace(augmentation=Augmentation(crop=0.5), mixing=SimpleNamespace(balance=False))
    with pytest.raises(UserError, match=r"augmentation\.crop"):
        tuned(tiny_whisper, tiny_llama, stages=stages).refuse_data(data)
    tuned(tiny_whisper, tiny_llama).refuse_data(data)


def test_prompts_are_tuned_on_the_backbone_as_it_came(asked, tmp_path, capsys):
    args = [*asked, "--templates", "audio", "--tuned", "true", "--steps", "2", "--output", tmp_path / "prompts"]
    assert main(["prompts", *map(str, args)]) == 0
    assert "failed" not in capsys.readouterr().out


def test_processes_that_share_the_llm_out_cannot_leave_it(tiny_whisper, tiny_llama, tmp_path):
    class Share(Callback):
        def on_fit_start(self, trainer, module):
            module.shared_out = True

    with pytest.raises(UserError, match=r"train_backbone: false .* take ddp"):
        fit(tuned(tiny_whisper, tiny_llama), tmp_path, 1, Share())


@pytest.fixture
def asked(small_run, tiny_whisper, tmp_path):
    """The command line of such a recipe."""
    args = ["--config", small_run.config, "--model.layers", "concat", "--model.interface", STATISTICS]
    args += ["--model.interface.tokens", "2", "--model.interface.hidden", "16", "--model.interface.dropout", "0"]
    backbone = {"source": str(tiny_whisper), "layers": [1, 3], "trained_layers": 2}
    for name, value in {"backbone": backbone, "stages": STAGES, "speaker_range": RANGE, "vote": {}}.items():
        args += [f"--model.{name}", json.dumps(value)]
    return args


def weights_of(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_resumed_run_ends_as_an_unbroken_one(asked, tmp_path, epochs):
    whole = run(tmp_path / "whole", "fit", *asked, "--trainer.max_epochs", "3")
    cut = run(tmp_path / "cut", "fit", *asked, "--trainer.max_epochs", epochs)
    args = ["--trainer.max_epochs", "3", "--ckpt_path", cut / "checkpoints" / "last.ckpt"]
    resumed = run(tmp_path / "resumed", "fit", *asked, *args)
    theirs = weights_of(resumed)
    for name, value in weights_of(whole).items():
        torch.testing.assert_close(theirs[name], value, atol=1e-6, rtol=1e-5, msg=name)


def test_it_is_tested_and_exported_with_what_was_trained(asked, tmp_path, capsys):
    fitted = run(tmp_path, "fit", *asked, "--trainer.max_epochs", "3")
    last = fitted / "checkpoints" / "last.ckpt"
    capsys.readouterr()
    first = run(tmp_path, "test", *asked, "--ckpt_path", last, "--baselines", "none")
    assert "Features are not cached: layers of the backbone are trained" in capsys.readouterr().out
    assert main(["export", str(last), "--output", str(tmp_path / "export")]) == 0
    second = run(tmp_path, "test", *asked, "--ckpt_path", tmp_path / "export", "--baselines", "none")
    one, other = (pd.read_csv(f / "predictions.csv").filter(like="p_").to_numpy() for f in (first, second))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_before_it_is_left_nothing_is_measured_or_labelled_in_ranges(asked, small_run, tmp_path, capsys):
    fitted = run(tmp_path, "fit", *asked, "--trainer.max_epochs", "1")
    last = str(fitted / "checkpoints" / "last.ckpt")
    tested = run(tmp_path, "test", *asked, "--ckpt_path", last, "--baselines", "none")
    rows = json.loads((tested / "metrics.json").read_text())["rows"]
    assert {row["kind"] for row in rows} == {"model", "ablation"}
    labelled = ["--model", last, "--output", str(tmp_path / "labelled"), "--data.transcriber", "none"]
    capsys.readouterr()
    assert main(["predict", str(small_run.folder / "ravdess"), *labelled, "--speaker_range", "true"]) == 2
    assert "knows no ranges yet: take a checkpoint of a later stage" in capsys.readouterr().err
