"""The baseline: fitted to the minimum that scikit-learn finds, and from fit to export by the command line."""

import json

import pandas as pd
import pytest
import soundfile
import torch
import yaml
from lightning.pytorch import Trainer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from emollm import factory
from emollm.__main__ import main
from emollm.data.augment import Augmentation
from emollm.data.corpora import Ravdess
from emollm.data.datamodule import EmotionData
from emollm.data.features import FeatureCache
from emollm.data.protocols import FoldColumn
from emollm.errors import UserError
from emollm.modules.ensemble import Ensemble
from tests.fake_corpus import tone, write_ravdess
from tests.small import LABELS, copy, make_batch, run


def build(source, /, **changes):
    recipe = {"labels": LABELS, "backbone": {"source": str(source), "layers": [1, 3]}}
    module = factory.build("probe", {**recipe, **changes})
    module.configure_model()
    return module


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = write_ravdess(tmp_path_factory.mktemp("tones") / "ravdess", ("01", "02", "03", "04", "05", "06", "07"))
    return Ravdess(str(root))


def fit(module, corpus, ckpt_path=None, augmentation=None, **options):
    protocol = FoldColumn("emobox_fold", validation=0)
    data = EmotionData([corpus], protocol, LABELS, other_labels="drop", num_workers=0, batch_size=2)
    data.cache, data.augmentation = FeatureCache(enabled=False), augmentation or data.augmentation
    options = {"accelerator": "cpu", "max_epochs": 1, "enable_checkpointing": False} | options
    trainer = Trainer(logger=False, enable_progress_bar=False, enable_model_summary=False, **options)
    trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
    return trainer, data


def everything(module, data):
    """Statistics and targets of the training part, in order."""
    batches = list(data.heard_dataloader(data.parts.train))
    return torch.cat([module.statistics(b) for b in batches]), torch.cat([b.targets for b in batches])


@pytest.mark.parametrize("l2", [0.1, 1.0, 30.0])
def test_the_fit_is_that_of_scikit_learn(tiny_whisper, corpus, l2):
    module = build(tiny_whisper, l2=l2)
    _, data = fit(module, corpus)
    statistics, targets = everything(module, data)
    scaler = StandardScaler().fit(statistics.double().numpy())
    inputs = scaler.transform(statistics.double().numpy())
    theirs = LogisticRegression(C=1 / l2, tol=1e-9, max_iter=5000).fit(inputs, targets.numpy())
    torch.testing.assert_close(module.mean.double(), torch.from_numpy(scaler.mean_), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(module.deviation.double(), torch.from_numpy(scaler.scale_), atol=1e-5, rtol=1e-4)
    weights = torch.from_numpy(theirs.coef_)
    assert (module.head.weight - weights).norm() < 5e-3 * weights.norm()
    mine = module.head((statistics - module.mean) / module.deviation).softmax(-1).detach()
    torch.testing.assert_close(mine.double(), torch.from_numpy(theirs.predict_proba(inputs)), atol=2e-3, rtol=0)


@pytest.mark.parametrize("stored", [True, False])
def test_copies_at_other_speeds_are_so_many_more_utterances(tiny_whisper, corpus, tmp_path, stored):
    """With the store and without it the head is that of all copies together."""
    module, plain = build(tiny_whisper), build(tiny_whisper)
    protocol = FoldColumn("emobox_fold", validation=0)
    data = EmotionData([corpus], protocol, LABELS, other_labels="drop", num_workers=0, batch_size=2)
    data.cache, data.augmentation = FeatureCache(stored, str(tmp_path)), Augmentation(speed=[0.9, 1.0, 1.1])
    options = {"accelerator": "cpu", "max_epochs": 1, "enable_checkpointing": False, "enable_progress_bar": False}
    Trainer(logger=False, enable_model_summary=False, **options).fit(module, datamodule=data)
    assert len(data.training) == 3 * len(data.parts.train)
    fit(plain, corpus)
    batches = list(data.heard_dataloader(data.training))
    statistics = torch.cat([module.statistics(batch) for batch in batches])
    torch.testing.assert_close(module.mean, statistics.mean(0), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(module.mean, plain.mean, atol=1e-4)


def test_one_pass_is_all_and_only_the_head_moves(tiny_whisper, corpus):
    module = build(tiny_whisper)
    before = copy(module)
    trainer, _ = fit(module, corpus, max_epochs=50)
    assert (trainer.current_epoch, trainer.global_step) == (1, 1)
    moved = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == module.trained_names() == {"mean", "deviation", "head.weight", "head.bias"}


def test_the_fit_does_not_hang_on_order_or_batches(tiny_whisper, corpus):
    one, other = build(tiny_whisper), build(tiny_whisper, seed=7)
    fit(one, corpus)
    other.head.weight.data.normal_()
    fit(other, corpus, reload_dataloaders_every_n_epochs=1)
    torch.testing.assert_close(one.logits(make_batch()), other.logits(make_batch()), atol=2e-2, rtol=0)


def test_a_statistic_that_never_changes_tells_nothing(tiny_whisper, corpus):
    module = build(tiny_whisper)
    whole = module.statistics
    module.statistics = lambda batch: whole(batch).index_fill(1, torch.tensor([3]), 0.1)
    fit(module, corpus)
    assert module.deviation[3] == 1
    assert module.head.weight[:, 3].abs().max() < 1e-5


@pytest.mark.parametrize("layers", [[2], [1, 2, 3]])
def test_every_layer_stands_beside_the_others(tiny_whisper, layers):
    module = build(tiny_whisper, backbone={"source": str(tiny_whisper), "layers": layers})
    assert module.statistics(make_batch()).shape == (3, 2 * len(layers) * module.backbone.width)


def test_the_score_is_the_softmax_of_the_logits(tiny_whisper, corpus):
    module, batch = build(tiny_whisper), make_batch()
    fit(module, corpus)
    torch.testing.assert_close(module.score(batch).probabilities, module.logits(batch).softmax(-1))
    assert module.loss(batch).item() == pytest.approx(
        -module.score(batch).probabilities.log()[range(3), batch.targets].mean().item(), abs=1e-4
    )


def test_mixed_precision_fits_in_float32(tiny_whisper, corpus):
    heads = []
    for precision in ("32-true", "bf16-mixed"):
        module = build(tiny_whisper)
        exact = torch.autocast("cpu", enabled=False)(module.statistics)
        module.statistics = exact
        fit(module, corpus, precision=precision)
        heads.append(module.head.weight.detach())
    torch.testing.assert_close(*heads)


def test_what_cannot_be_fitted_is_refused(tiny_whisper, corpus):
    with pytest.raises(UserError, match=r"model\.l2 is 0"):
        build(tiny_whisper, l2=0)
    with pytest.raises(UserError, match=r"trainer\.precision is bf16-true"):
        fit(build(tiny_whisper), corpus, precision="bf16-true")


def test_fit_test_predict_and_export(small_run, tiny_whisper, tmp_path, capsys):
    values = yaml.safe_load(small_run.config.read_text())
    values["method"] = "probe"
    values["model"] = {"labels": LABELS, "backbone": {"source": str(tiny_whisper), "layers": [2, 3]}}
    recipe = tmp_path / "probe.yaml"
    recipe.write_text(yaml.safe_dump(values))
    folder = run(tmp_path, "fit", "--config", recipe)
    checkpoint = folder / "checkpoints" / "best.ckpt"
    assert (folder / "checkpoints" / "last.ckpt").is_file()
    tested = run(tmp_path, "test", "--config", recipe, "--ckpt_path", checkpoint, "--baselines", "all")
    rows = json.loads((tested / "metrics.json").read_text())["rows"]
    assert {row["name"]: row["why_not"] for row in rows if row["kind"] == "baseline"} == {
        "majority": None,
        "transcript_llm": "a probe has no LLM that could be fitted to the words",
    }
    # The same labels in another order would fit the head, and mean something else.
    other = ["test", "--config", str(recipe), "--ckpt_path", str(checkpoint), "--model.labels=[sad,happy,angry]"]
    assert main(other) == 2
    assert "the checkpoint's head answers angry, happy, sad, in that order" in capsys.readouterr().err
    assert len(pd.read_csv(tested / "predictions.csv")) == 3
    (tmp_path / "sound").mkdir()
    soundfile.write(tmp_path / "sound" / "a.wav", tone(300, 0.5), 16_000)
    assert main(["export", str(checkpoint), "--output", str(tmp_path / "model")]) == 0
    frames = []
    for model in (checkpoint, tmp_path / "model"):
        args = ["predict", str(tmp_path / "sound"), "--model", str(model), "--output", str(tmp_path / model.stem)]
        assert main([*args, "--trainer.accelerator", "cpu", "--data.num_workers", "0"]) == 0
        frames.append(pd.read_csv(tmp_path / model.stem / "predictions.csv"))
    columns = [f"p_{label}" for label in LABELS]
    assert (frames[0][columns] - frames[1][columns]).abs().max().max() < 1e-6
    assert frames[0][columns].sum(axis=1).item() == pytest.approx(1, abs=1e-4)


def test_an_ensemble_learns_and_answers_with_its_members_mean(tiny_whisper, corpus):
    ensemble = {"members": 3, "hidden": 16, "dropout": 0.1, "epochs": 30, "batch_size": 4, "label_smoothing": 0.0}
    module = build(tiny_whisper, ensemble=ensemble)
    _, data = fit(module, corpus)
    statistics, targets = everything(module, data)
    inputs = (statistics - module.mean) / module.deviation
    module.eval()
    with torch.no_grad():
        members = torch.stack([member(inputs).softmax(-1) for member in module.head.members])
        answers = module.head(inputs).exp()
    torch.testing.assert_close(answers, members.mean(0))
    assert (answers.argmax(-1) == targets).float().mean() > 0.9
    assert (members[0] - members[1]).abs().max() > 1e-3, "members that differ"


def test_an_ensemble_is_the_same_at_each_fit_and_goes_through_a_checkpoint(tiny_whisper, corpus, tmp_path):
    ensemble = {"members": 2, "hidden": 8, "epochs": 2, "batch_size": 4}
    heads = []
    for _ in range(2):
        torch.manual_seed(0)
        module = build(tiny_whisper, ensemble=ensemble)
        trainer, data = fit(module, corpus)
        heads.append(copy(module))
    assert all(torch.equal(heads[0][name], heads[1][name]) for name in heads[0])
    trainer.save_checkpoint(tmp_path / "probe.ckpt", weights_only=True)
    batch = next(iter(data.heard_dataloader(data.parts.train)))
    again = factory.load(tmp_path / "probe.ckpt")
    assert torch.equal(again.eval().score(batch).log_scores, module.eval().score(batch).log_scores)


@pytest.mark.parametrize(("changes", "says"), [({"members": 0}, "at least 1"), ({"dropout": 1.0}, "are shares")])
def test_an_impossible_ensemble_is_refused(changes, says):
    with pytest.raises(UserError, match=says):
        Ensemble(**changes)
