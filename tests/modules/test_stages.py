"""The curriculum in a real run: what each stage trains, calls and logs."""

import math

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping

from emollm import factory
from emollm.data.corpora import Ravdess
from emollm.data.datamodule import EmotionData
from emollm.data.features import FeatureCache
from emollm.data.protocols import FoldColumn
from emollm.errors import UserError
from emollm.models.speech_llm import SpeechLLM
from emollm.modules.averaging import WeightAverage
from emollm.modules.optimization import rate_at
from emollm.modules.stages import Stage, stage_at
from tests.fake_corpus import write_ravdess
from tests.small import LABELS, build


class Watch(Callback):
    """The adapter and the interface after each epoch, the rate of each step, and the figures of each pass."""

    def __init__(self):
        self.adapter, self.interface, self.rates, self.figures = [], [], [], []

    def _note(self, module):
        weights = dict(module.named_parameters())
        pick = {"adapter": "lora_B", "interface": ".interface."}
        for name, part in pick.items():
            tensors = [value.detach().flatten() for key, value in weights.items() if part in key]
            getattr(self, name).append(torch.cat(tensors).clone())

    def on_train_start(self, trainer, module):
        self._note(module)

    def on_train_batch_end(self, trainer, module, *_):
        self.rates.append(trainer.lr_scheduler_configs[0].scheduler.get_last_lr()[0])

    def on_train_epoch_end(self, trainer, module):
        self._note(module)

    def on_validation_end(self, trainer, module):
        self.figures.append(set(trainer.callback_metrics))


@pytest.fixture
def data(tmp_path):
    return EmotionData(
        [Ravdess(str(write_ravdess(tmp_path / "ravdess", emotions=5)))],
        FoldColumn("emobox_fold"),
        LABELS,
        other_labels="drop",
        num_workers=0,
        cache=FeatureCache(folder=str(tmp_path / "features")),
    )


def fit(module, data, tmp_path, epochs, more=(), **options):
    watch = Watch()
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[watch, *more],
        default_root_dir=tmp_path,
        **options,
    )
    trainer.fit(module, datamodule=data)
    return watch


def test_an_adapter_that_a_stage_does_not_train_stays(tiny_wavlm, tiny_llama, data, tmp_path):
    stages = [{"epochs": 1, "prompt": "asr", "train_adapter": False}, {"epochs": 1}]
    module = build(tiny_wavlm, tiny_llama, stages=stages)
    watch = fit(module, data, tmp_path, 2)
    start, first, second = watch.adapter
    assert torch.equal(start, first), "the first stage trains the interface alone"
    assert not torch.equal(first, second)
    assert not torch.equal(watch.interface[0], watch.interface[1])
    assert any("lora_B" in name for name in module.all_trained_names())


def test_a_head_warms_up_the_interface_without_the_llm(tiny_wavlm, tiny_llama, data, tmp_path, monkeypatch):
    module = build(tiny_wavlm, tiny_llama, stages=[{"epochs": 1, "answer": "head"}, {"epochs": 1}])
    calls, scores = [], SpeechLLM.label_scores
    monkeypatch.setattr(
        SpeechLLM, "label_scores", lambda *args: calls.append(module.current_epoch) or scores(*args)
    )
    watch = fit(module, data, tmp_path, 2)
    assert calls, "the second stage asks the LLM"
    assert set(calls) == {1}, "the first one does not"
    start, first, second = watch.adapter
    assert torch.equal(start, first)
    assert not torch.equal(first, second)
    assert not torch.equal(watch.interface[0], watch.interface[1])
    assert "warm/ua" in watch.figures[0]
    assert "val/ua" not in watch.figures[0]
    assert "val/ua" in watch.figures[1]


def test_a_run_limited_by_steps_keeps_learning(tiny_wavlm, tiny_llama, data, tmp_path):
    """With max_steps and no max_epochs Lightning sets max_epochs to -1."""
    watch = fit(build(tiny_wavlm, tiny_llama), data, tmp_path, -1, max_steps=8)
    assert len(watch.rates) == 8
    assert all(later < before for before, later in zip(watch.rates, watch.rates[1:], strict=False))
    assert watch.rates[3] > 0.4 * max(watch.rates), "half way, the cosine is half way down"


class Trace(Callback):
    """The interface's weights after each step, and those that are validated."""

    def __init__(self):
        self.starts, self.steps, self.validated = [], [], []

    def _weights(self, module):
        named = module.named_parameters()
        return torch.cat([value.detach().flatten() for name, value in named if ".interface." in name])

    def on_train_batch_start(self, trainer, module, *_):
        self.starts.append(self._weights(module))

    def on_train_batch_end(self, trainer, module, *_):
        self.steps.append((trainer.current_epoch, self._weights(module)))

    def on_validation_end(self, trainer, module):  # where checkpoints are written too
        self.validated.append(self._weights(module))


@pytest.mark.parametrize(("share", "first"), [(1.0, 1), (0.5, 2), (0.0, None)])
def test_the_mean_of_the_weights_is_validated_and_training_goes_on_from_their_own(
    tiny_wavlm, tiny_llama, data, tmp_path, share, first
):
    """A stage of two epochs behind a warm-up of one; half of it is its second epoch."""
    data.batch_size = 3
    stages = [{"epochs": 1, "answer": "head"}, {"epochs": 2, "average": share}]
    trace = Trace()
    module = build(tiny_wavlm, tiny_llama, stages=stages)
    fit(module, data, tmp_path, 3, more=[trace])
    for epoch, validated in enumerate(trace.validated):
        mine = [weights for at, weights in trace.steps if first is not None and first <= at <= epoch]
        last = [weights for at, weights in trace.steps if at <= epoch][-1]
        torch.testing.assert_close(validated, torch.stack(mine).mean(0) if mine else last, atol=1e-6, rtol=1e-5)
        if len(mine) > 1:
            assert not torch.allclose(validated, last)
    # The run ends with what it validated last; until then it went on from the weights themselves.
    torch.testing.assert_close(trace._weights(module), trace.validated[-1])
    for start, (_, before) in zip(trace.starts[1:], trace.steps, strict=False):
        assert torch.equal(start, before)


def test_a_checkpoint_after_a_step_holds_the_mean_of_that_step(tiny_wavlm, tiny_llama, data, tmp_path):
    """A run that is killed then and resumed has the mean that an unbroken run has."""

    class Save(Callback):
        def __init__(self):
            self.counts = []

        def on_train_batch_end(self, trainer, module, *_):  # where LastCheckpoint writes
            checkpoint = trainer._checkpoint_connector.dump_checkpoint()
            self.counts.append((trainer.global_step, checkpoint["average"]["count"]))

        def on_validation_end(self, trainer, module):
            state = trainer._checkpoint_connector.dump_checkpoint()["state_dict"]
            own = trace.steps[-1][1]
            stored = torch.cat([value.flatten() for name, value in state.items() if ".interface." in name])
            assert torch.equal(stored[: len(own)], own), "what is trained on, though the mean is in the model"

    data.batch_size, save, trace = 3, Save(), Trace()
    module = build(tiny_wavlm, tiny_llama, stages=[{"epochs": 2, "average": 1.0}])
    fit(module, data, tmp_path, 2, more=[trace, save])
    assert save.counts == [(step, step) for step in range(1, len(trace.steps) + 1)]


def test_a_fit_ends_with_the_mean_for_good_and_the_next_begins_without(tiny_wavlm, tiny_llama, data, tmp_path):
    data.batch_size, trace = 3, Trace()
    module = build(tiny_wavlm, tiny_llama, stages=[{"epochs": 2, "average": 1.0}])
    fit(module, data, tmp_path, 2, more=[trace])
    ended = trace._weights(module)
    torch.testing.assert_close(ended, torch.stack([weights for _, weights in trace.steps]).mean(0))
    again = Trace()
    fit(module, data, tmp_path / "again", 2, more=[again])
    assert torch.equal(again.starts[0], ended)
    torch.testing.assert_close(again.validated[0], torch.stack([w for at, w in again.steps if at == 0]).mean(0))


@pytest.mark.parametrize(("stages", "epochs"), [([1.0, 0.0], 2), ([0.0, 1.0], 1)])
def test_only_the_stage_that_was_trained_last_gives_its_mean(
    tiny_wavlm, tiny_llama, data, tmp_path, stages, epochs
):
    data.batch_size, trace = 3, Trace()
    module = build(tiny_wavlm, tiny_llama, stages=[{"epochs": 1, "average": share} for share in stages])
    fit(module, data, tmp_path, epochs, more=[trace])
    assert torch.equal(trace._weights(module), trace.steps[-1][1])


def test_a_run_that_ends_with_its_averaged_stage_has_the_mean_though_another_stage_would_follow(
    tiny_wavlm, tiny_llama, data, tmp_path
):
    data.batch_size, trace = 3, Trace()
    module = build(tiny_wavlm, tiny_llama, stages=[{"epochs": 2, "average": 1.0}, {"epochs": 1}])
    fit(module, data, tmp_path, 2, more=[trace])
    torch.testing.assert_close(trace._weights(module), torch.stack([w for _, w in trace.steps]).mean(0))


def test_a_warm_up_keeps_no_mean():
    with pytest.raises(UserError, match="leave it out of a warm-up"):
        Stage(epochs=1, answer="head", average=0.5)


def test_the_mean_is_resumed():
    whole, cut = WeightAverage(), WeightAverage()
    weights = [[("a", torch.nn.Parameter(torch.full((2,), float(step))))] for step in range(5)]
    for step, weight in enumerate(weights):
        whole.add(0, weight)
        cut.add(0, weight)
        if step == 2:
            other = WeightAverage()
            other.load(cut.state())
            cut = other
    (name, mine), (_, theirs) = (next(iter(one.state()["mean"].items())) for one in (whole, cut))
    assert name == "a"
    assert torch.equal(mine, torch.full((2,), 2.0))
    assert torch.equal(mine, theirs)
    cut.add(1, weights[4])
    assert torch.equal(cut.state()["mean"]["a"], torch.full((2,), 4.0)), "another stage begins anew"


def test_a_run_that_outlasts_its_stages_goes_on_learning(tiny_wavlm, tiny_llama, data, tmp_path):
    module = build(tiny_wavlm, tiny_llama, stages=[{"epochs": 1, "answer": "head"}, {"epochs": 1}])
    watch = fit(module, data, tmp_path, 4)
    assert len(watch.rates) == 4, "one batch an epoch"
    assert min(watch.rates[:-1]) > 0, "as Lightning steps the schedule, the last rate is that of no step"


def test_activations_are_recomputed_in_a_real_fit(tiny_wavlm, tiny_llama, data, tmp_path, monkeypatch):
    """Lightning leaves the mode of every part as it finds it, and transformers recomputes in train mode only."""
    llm = {"source": str(tiny_llama), "adapter": {"rank": 4, "dropout": 0.0}, "gradient_checkpointing": True}
    module, calls = build(tiny_wavlm, tiny_llama, llm=llm), []
    for layer in module.model.llm.model.get_decoder().layers:
        inner = layer._gradient_checkpointing_func
        monkeypatch.setattr(
            layer, "_gradient_checkpointing_func", lambda *args, inner=inner: calls.append(1) or inner(*args)
        )
    watch = fit(module, data, tmp_path, 2)
    assert len(calls) == 2 * len(watch.rates), "both layers, each step of both epochs"


def test_early_stopping_is_told_to_wait_for_the_llm(tiny_wavlm, tiny_llama, data, tmp_path):
    stages = [{"epochs": 1, "answer": "head"}, {"epochs": 2}]
    for strict in (True, False):
        module = build(tiny_wavlm, tiny_llama, stages=stages)
        stopping = EarlyStopping("val/ua", strict=strict, mode="max")
        options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
        trainer = Trainer(**options, enable_progress_bar=False, max_epochs=2, callbacks=[stopping])
        if strict:
            with pytest.raises(UserError, match=r"EarlyStopping waits for val/ua.* strict: false"):
                trainer.fit(module, datamodule=data)
        else:
            trainer.fit(module, datamodule=data)
            assert trainer.current_epoch == 2


@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true"])
def test_precisions_that_would_coarsen_what_is_trained_are_refused(
    tiny_wavlm, tiny_llama, data, tmp_path, precision
):
    with pytest.raises(UserError, match=rf"trainer.precision is {precision}: choose one of 32-true, bf16-mixed"):
        fit(build(tiny_wavlm, tiny_llama), data, tmp_path, 1, precision=precision)


def test_a_run_without_an_end_is_refused(tiny_wavlm, tiny_llama, data, tmp_path):
    with pytest.raises(UserError, match="max_epochs"):
        fit(build(tiny_wavlm, tiny_llama), data, tmp_path, -1)


@pytest.mark.parametrize(
    ("train_adapter", "kind", "why"),
    [(False, "lora", "train_adapter is false"), (True, "none", "model.llm.adapter.kind is none")],
)
def test_a_stage_that_trains_nothing_is_refused(train_adapter, kind, why):
    stages = [{"epochs": 1}, {"epochs": 1, "prompt": "transcript", "train_adapter": train_adapter}]
    with pytest.raises(UserError, match=f"model.stages: .*'transcript', which takes no audio.* {why}"):
        factory.build("emotion_llm", {"stages": stages, "llm": {"adapter": {"kind": kind}}})


def test_an_llm_without_adapter_is_not_fitted_to_words_alone(tiny_wavlm, tiny_llama, data, tmp_path):
    llm = {"source": str(tiny_llama), "adapter": {"kind": "none"}}
    with pytest.raises(UserError, match="Nothing is trained: choose an adapter"):
        fit(build(tiny_wavlm, tiny_llama, llm=llm, prompt="transcript"), data, tmp_path, 1)


@pytest.mark.parametrize(("epoch", "stage"), [(0, 0), (1, 0), (2, 1), (4, 1), (99, 1)])
def test_stage_of_an_epoch(epoch, stage):
    assert stage_at([Stage(2), Stage(3)], epoch) == stage


def test_a_stage_lasts_at_least_an_epoch():
    with pytest.raises(UserError, match=r"model\.stages"):
        Stage(epochs=0)


def test_rates_rise_and_fall_in_each_stage():
    rates = [rate_at(step, [(2, 1.0), (3, 0.5)], 10, 0.1) for step in range(50)]
    assert rates[0] == 0.5
    assert max(rates[:20]) == rates[1] == 1.0
    assert rates[19] < 0.05
    assert max(rates[20:]) == 0.5
    assert rates[49] == pytest.approx(0.5 * 0.5 * (1 + math.cos(math.pi * 26 / 27)))
