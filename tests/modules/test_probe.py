"""The baseline: from fit to export through the command line."""

import pandas as pd
import pytest
import soundfile
import torch
import yaml

from emollm import factory
from emollm.__main__ import main
from tests.fake_corpus import tone
from tests.small import LABELS, copy, make_batch, run, train


def build(backbone, **changes):
    torch.manual_seed(0)
    recipe = {"labels": LABELS, "backbone": {"source": str(backbone), "layers": [1, 3]}, "dropout": 0.0}
    module = factory.build("probe", {**recipe, **changes})
    module.configure_model()
    return module


@pytest.mark.parametrize("changes", [{}, {"layers": "mix"}, {"hidden": 16}])
def test_loss_falls_and_the_backbone_stays(tiny_whisper, changes):
    module = build(tiny_whisper, **changes)
    before = copy(module)
    losses = train(module, make_batch(), 15, rate=5e-2)
    assert losses[-1] < 0.5 * losses[0]
    moved = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == module.trained_names()
    assert not any(name.startswith("backbone.") for name in moved)


def test_the_running_statistics_belong_to_the_checkpoint(tiny_whisper):
    """They are no parameters, yet training changes them."""
    assert {"head.0.running_mean", "head.0.running_var"} <= build(tiny_whisper).trained_names()


def test_the_score_is_the_softmax_of_the_logits(tiny_whisper):
    module, batch = build(tiny_whisper).eval(), make_batch()
    torch.testing.assert_close(module.score(batch).probabilities, module.logits(batch).softmax(-1))


def test_a_batch_of_one_can_be_trained(tiny_whisper):
    assert build(tiny_whisper).loss(make_batch(1)) > 0


def test_fit_test_predict_and_export(small_run, tiny_whisper, tmp_path):
    values = yaml.safe_load(small_run.config.read_text())
    values["method"] = "probe"
    values["model"] = {"labels": LABELS, "backbone": {"source": str(tiny_whisper), "layers": [2, 3]}}
    recipe = tmp_path / "probe.yaml"
    recipe.write_text(yaml.safe_dump(values))
    folder = run(tmp_path, "fit", "--config", recipe)
    checkpoint = folder / "checkpoints" / "best.ckpt"
    tested = run(tmp_path, "test", "--config", recipe, "--ckpt_path", checkpoint)
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
