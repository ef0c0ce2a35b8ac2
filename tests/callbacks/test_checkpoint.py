"""What is kept of a run, and that it goes on from there as if it had never stopped."""

import errno
import shutil
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback

from emollm.callbacks.checkpoint import BestCheckpoint, LastCheckpoint, WholeFiles
from emollm.data.corpora import Ravdess
from emollm.data.datamodule import EmotionData
from emollm.data.features import FeatureCache
from emollm.data.protocols import FoldColumn
from emollm.errors import UserError
from emollm.evaluation import Calibration
from tests.fake_corpus import write_ravdess
from tests.small import LABELS, build


class Watch(Callback):
    """The loss of each step, and a copy of the last checkpoint as it was when an epoch began."""

    def __init__(self, last):
        self.losses, self.last = {}, last

    def on_train_batch_end(self, trainer, module, outputs, *_):
        self.losses[trainer.global_step] = outputs["loss"].item()

    def on_train_epoch_start(self, trainer, module):
        if self.last.exists():
            shutil.copy(self.last, self.last.with_name(f"epoch{trainer.current_epoch}.ckpt"))


class FailAt(Callback):
    """Ends a run at a step, before that is saved."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            raise RuntimeError("torn off")


@pytest.fixture
def fit(tiny_wavlm, tiny_llama, tmp_path):
    corpus = Ravdess(str(write_ravdess(tmp_path / "ravdess", emotions=5)))

    def run(name, ckpt_path=None, every=50, more=(), batch_size=2, **changes):
        folder = tmp_path / name
        cache = FeatureCache(folder=str(tmp_path / "features"))
        options = {"other_labels": "drop", "batch_size": batch_size, "num_workers": 0, "cache": cache}
        data = EmotionData([corpus], FoldColumn("emobox_fold"), LABELS, **options)
        watch = Watch(folder / "last.ckpt")
        best, last = BestCheckpoint(), LastCheckpoint(every)
        best.dirpath = last.dirpath = str(folder)
        trainer = Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[watch, best, last, *more],
        )
        trainer.fit(build(tiny_wavlm, tiny_llama, **changes), datamodule=data, ckpt_path=ckpt_path)
        return watch.losses, folder

    return run


def test_a_short_run_leaves_a_state_that_resumes_on_the_same_curve(fit):
    """Three steps an epoch are fewer than the fifty between two writes."""
    want, folder = fit("whole")
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 6
    between = folder / "epoch1.ckpt"
    assert torch.load(between, weights_only=True)["global_step"] == 3
    losses, _ = fit("resumed", between)
    assert sorted(losses) == [4, 5, 6]
    assert losses == pytest.approx({step: want[step] for step in losses}, abs=1e-6)


def test_a_run_goes_on_within_an_epoch_with_the_same_batches_alone(fit, tmp_path):
    """Other batches would pass over other utterances than were trained on; between epochs all is free."""
    with pytest.raises(RuntimeError, match="torn off"):
        fit("cut", every=1, more=[FailAt(2)])
    within = tmp_path / "cut" / "last.ckpt"
    with pytest.raises(UserError, match=r"data\.batch_size is 1, and was 2 when this run was interrupted"):
        fit("resumed", within, batch_size=1)
    assert max(fit("resumed", within)[0]) == 6
    _, folder = fit("whole")
    assert max(fit("free", folder / "epoch1.ckpt", batch_size=1)[0]) > 6


def test_a_killed_write_leaves_no_weights_with_the_temperature_of_others(fit, monkeypatch):
    _, folder = fit("run")
    beside = folder / "best.calibration.json"
    assert beside.exists()

    def kill(*_):
        raise RuntimeError("torn off")

    monkeypatch.setattr(Calibration, "write", kill)
    with pytest.raises(RuntimeError, match="torn off"):
        fit("run")
    assert (folder / "best.ckpt").exists()
    assert not beside.exists()


def test_weights_alone_are_no_state_to_resume_from(fit):
    _, folder = fit("whole")
    with pytest.raises(UserError, match=r"weights only: resume from last\.ckpt"):
        fit("resumed", folder / "best.ckpt")


def test_the_warm_up_leaves_no_best_model(fit):
    _, folder = fit("warm", stages=[{"epochs": 2, "answer": "head"}])
    assert not (folder / "best.ckpt").exists()
    assert (folder / "last.ckpt").exists()


@pytest.mark.parametrize("temperature", [20.0, 1.3])
def test_a_fit_tells_once_that_confidences_could_not_be_calibrated(fit, monkeypatch, recwarn, temperature):
    monkeypatch.setattr("emollm.callbacks.checkpoint.calibrate", lambda *_: Calibration(temperature, n=3))
    _, folder = fit("whole")
    said = [str(w.message) for w in recwarn if "not to be relied on" in str(w.message)]
    if temperature < 20:
        assert not said
        return
    (said,) = said
    assert said.startswith(
        f"The calibration in {folder / 'best.calibration.json'} is used and not to be relied on: the "
    )
    assert "upper bound, 20" in said
    assert "\n" not in said


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path, monkeypatch):
    file = tmp_path / "last.ckpt"
    WholeFiles().save_checkpoint({"step": 1}, file)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        WholeFiles().save_checkpoint({"step": 2}, file)
    assert torch.load(file) == {"step": 1}
    assert list(tmp_path.iterdir()) == [file], "nothing is left behind"


def test_a_fit_writes_its_checkpoints_at_one_stroke(fit, monkeypatch):
    written, real = set(), WholeFiles.save_checkpoint

    def save(self, state, path, storage_options=None):
        written.add(Path(path).name)
        real(self, state, path, storage_options)

    monkeypatch.setattr(WholeFiles, "save_checkpoint", save)
    fit("run")
    assert written == {"best.ckpt", "last.ckpt"}


def test_a_figure_that_there_is_not_is_told_before_training(fit, monkeypatch):
    monkeypatch.setattr(BestCheckpoint.__init__, "__defaults__", ("val/uar", "max"))
    with pytest.raises(UserError, match=r"best.monitor is val/uar.* choose one of val/brier, .*val/ua,"):
        fit("run")


class Validated(Callback):
    """The interface as it is validated, and the figure that it gives."""

    def __init__(self):
        self.seen = []

    def on_validation_end(self, trainer, module):
        weights = {n: w.detach().clone() for n, w in module.named_parameters() if ".interface." in n}
        self.seen.append((trainer.callback_metrics["val/ua"].item(), weights))


def test_the_best_weights_are_those_that_were_validated(fit):
    """A mean of steps is in the model while it is validated, and not any more as the epoch ends."""
    validated = Validated()
    _, folder = fit("mean", more=[validated], stages=[{"epochs": 2, "average": 1.0}])
    _, best = max(validated.seen, key=lambda one: one[0])
    stored = torch.load(folder / "best.ckpt", weights_only=True)["state_dict"]
    for name, weight in best.items():
        torch.testing.assert_close(stored[name], weight, atol=0, rtol=0)


def test_a_state_at_the_end_of_an_epoch_knows_its_validation(fit):
    """Whatever number of steps an epoch has: it is not written before the epoch is validated."""
    _, folder = fit("steps", every=1)
    kept = torch.load(folder / "epoch1.ckpt", weights_only=True)["callbacks"]
    (best,) = [state for name, state in kept.items() if name.startswith("BestCheckpoint")]
    assert best["best_model_score"] is not None
