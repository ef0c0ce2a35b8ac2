"""What every emotion LightningModule shares: its parts by name, the steps, metrics and the optimiser."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from emollm.data.batch import Batch
from emollm.data.labels import LabelSet
from emollm.data.trained_on import remember
from emollm.errors import UserError
from emollm.evaluation.calibration import Calibration
from emollm.metrics import FIGURES
from emollm.models.precision import tell_if_imitated
from emollm.modules.figures import Figures, Scores
from emollm.modules.hearing import HearingModule
from emollm.modules.optimization import Optimization, parameter_groups, rate_at
from emollm.modules.processes import find_unused_parameters, nothing_learnt, refuse_sharding
from emollm.modules.speaker_range import SpeakerRange
from emollm.modules.stored import StoredModule
from emollm.prediction import Prediction, from_scores

if TYPE_CHECKING:
    from emollm.data.datamodule import EmotionData

_PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


class EmotionModule(StoredModule, HearingModule, ABC):
    """Base of the modules: they differ in what is abstract here, in ``StoredModule`` and in ``HearingModule``.

    Args:
        labels: the closed label set: a name, or labels in the order in which prompts show them.
        optimization: learning rates and schedule.
        seed: with epoch and step it determines dropout and every random choice of training, so that a run
            which was killed and resumed follows the same loss curve.
        speaker_range: trains on features in their speaker's own range too; None takes them as they are.
    """

    def __init__(
        self,
        labels: str | list[str],
        optimization: Optimization,
        seed: int,
        speaker_range: SpeakerRange | None = None,
    ) -> None:
        super().__init__(speaker_range)
        self.label_set = LabelSet.parse(labels)
        self.labels = list(self.label_set.names)
        self.optimization = optimization
        self.seed = seed
        self.name = "untitled"
        """How predictions name this model."""
        self.calibration: Calibration | None = None
        """How confidences are corrected; it comes with stored weights and is not used while they are trained."""
        self.voter_is_heard = True
        """Whether a voter, where the model has one, may answer beside it; set by who measures the model alone."""
        self.shared_out = False
        """Whether several processes hold a part of the LLM each."""
        self.place = torch.device("cpu")
        """Where it will run; whoever builds the module before a trainer has it sets it."""
        self.built = False
        self.strict_loading = False
        self.metrics = nn.ModuleDict({part: Figures(self.labels) for part in ("validation", "test")})

    # -- to be written by each module -----------------------------------------------------------------------

    @abstractmethod
    def build(self) -> None:
        """Load the frozen parts and make the trained ones."""

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """Training loss of a batch."""

    @abstractmethod
    def score(self, batch: Batch) -> Scores:
        """What the model says of a batch."""

    @abstractmethod
    def parts(self) -> dict[str, nn.Module]:
        """The parts by name, for the table of parameters."""

    def refuse_data(self, data: EmotionData) -> None:
        """Say what of the data's settings does not go with the module's, before anything is read.

        Raises:
            UserError: when something does not.
        """

    @property
    def needs_audio(self) -> bool:
        """Whether batches must carry waveforms."""
        return True

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the model is given of an utterance: ``audio``, ``transcript``, ``context``."""
        return ("audio",)

    @property
    def needs_labels(self) -> bool:
        """Whether utterances must carry labels of the label set."""
        return True

    @property
    def needs_transcript(self) -> bool:
        """Whether utterances must carry transcripts."""
        return False

    @property
    def needs_words(self) -> bool:
        """Whether a transcript is all that it is given, so that without one there is nothing to label."""
        return set(self.inputs) == {"transcript"}

    @property
    def uses_all_weights(self) -> bool:
        """Whether every step trains every trained weight."""
        return True

    @property
    def has_vote(self) -> bool:
        """Whether a logistic regression answers beside the model."""
        return False

    @property
    def prompt_letters(self) -> int:
        """About how many letters the LLM reads with every utterance beside the utterance's own."""
        return 0

    def notes(self) -> list[str]:
        """What a report says of the model beside its numbers, one sentence each."""
        return []

    def stage_rates(self) -> list[tuple[float, float]]:
        """Epochs of each stage, over which the learning rate rises and falls, and its share of the full rate.

        Empty for a run of one stage, which lasts as long as the trainer runs.
        """
        return []

    def calibrated(self, batch: Batch) -> Scores:
        """What the model says of a batch, at the temperature that came with its weights."""
        temperature = 1.0 if self.calibration is None else self.calibration.temperature
        return replace(self.score(batch), temperature=temperature)

    def nothing_learnt(self) -> Tensor:
        """The loss of a batch of which nothing could be read."""
        return nothing_learnt(self)

    def nothing(self) -> Scores:
        """What is said of an empty batch: no row, of the kind that other processes have of theirs."""
        return Scores(torch.zeros(0, len(self.labels), device=self.device))

    def metric_prefix(self, part: str) -> str:
        """Under which name figures are logged."""
        return part

    # -- Lightning ------------------------------------------------------------------------------------------

    def configure_model(self) -> None:
        """Build once; Lightning calls this before every run."""
        if self._trainer is not None:
            refuse_sharding(self.trainer.strategy)
        if not self.built:
            if self._trainer is not None:
                self.place = self.trainer.strategy.root_device
            self.build()
            self.make_ranges()
            self.built = True
        if self._trainer is not None and self.trainer.precision not in _PRECISIONS:
            raise UserError(
                f"trainer.precision is {self.trainer.precision}: choose one of {', '.join(_PRECISIONS)}. What is "
                "trained stays in float32; model.llm.dtype and model.backbone.dtype set what is frozen."
            )
        if self._trainer is not None and self.trainer.precision == "bf16-mixed":
            tell_if_imitated("trainer.precision is bf16-mixed", self.trainer.strategy.root_device, "write 32-true")
        if self._trainer is not None and not self.uses_all_weights:
            find_unused_parameters(self.trainer.strategy)

    def on_fit_start(self) -> None:
        """Remember what is trained on, then hear every training speaker once, if it is time."""
        self.trained_on = remember(self.trainer.datamodule.parts)
        self.turns = self.trainer.datamodule.turns if "context" in self.inputs else None
        super().on_fit_start()

    def on_validation_epoch_start(self) -> None:
        """Forget the last pass, the sanity check's included."""
        self.metrics["validation"].reset()

    def on_test_epoch_start(self) -> None:
        """Forget the last pass."""
        self.metrics["test"].reset()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make this step's randomness a function of its place in the run."""
        place = (self.seed, self.current_epoch, batch_idx, self.global_rank)
        torch.manual_seed(hash(place) % 2**63)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Loss of a batch; a batch in which nothing could be read is passed over."""
        if not len(batch):
            # DDP waits for the gradients of every process.
            return self.nothing_learnt() if self._trainer is not None and self.trainer.world_size > 1 else None
        loss = self.loss(batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch))
        for optimizer in self.trainer.optimizers if self._trainer is not None else ():
            self.log_dict({f"rate/{group['name']}": group["lr"] for group in optimizer.param_groups}, batch_size=1)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> list[Prediction]:
        """Predictions of a batch, counted by the validation metrics."""
        return self._evaluate(batch, "validation")

    def test_step(self, batch: Batch, batch_idx: int) -> list[Prediction]:
        """Predictions of a batch, counted by the test metrics."""
        return self._evaluate(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int = 0) -> list[Prediction]:
        """One prediction an utterance, those that could not be read included."""
        scores = self.calibrated(batch) if len(batch) else Scores(None)
        return self._predictions(batch, scores)

    def on_validation_epoch_end(self) -> None:
        """Log the validation metrics."""
        self._log_metrics("validation", "val")

    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        self._log_metrics("test", "test")

    def _evaluate(self, batch: Batch, part: Literal["validation", "test"]) -> list[Prediction]:
        scores = self.calibrated(batch) if len(batch) else self.nothing()
        self.metrics[part].update(scores, batch)
        return self._predictions(batch, scores)

    def _predictions(self, batch: Batch, scores: Scores) -> list[Prediction]:
        threshold = None if self.calibration is None else self.calibration.threshold
        said = scores.probabilities, scores.predictions, scores.transcripts
        return from_scores(batch, *said, self.labels, self.name, threshold)

    def _log_metrics(self, part: str, prefix: str) -> None:
        prefix = self.metric_prefix(prefix)
        results, rate = self.metrics[part].results(), self.metrics[part].word_error_rate()
        if rate is not None:
            self.log(f"{prefix}/wer", rate, prog_bar=True)
        if results is not None:
            for name in FIGURES:
                self.log(f"{prefix}/{name}", getattr(results.overall, name), prog_bar=name in ("wa", "ua"))

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW over what is trained, each part at its own learning rate."""
        groups = parameter_groups(self, self.optimization)
        optimizer = torch.optim.AdamW(groups, weight_decay=self.optimization.weight_decay)
        self.trainer.fit_loop.setup_data()  # so that batches can be counted
        total = self.trainer.estimated_stepping_batches
        if math.isinf(total):
            raise UserError(
                "trainer.max_epochs is -1: the learning rate needs an end; give max_epochs or max_steps."
            )
        steps = max(1, math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches))
        stages, warmup = self.stage_rates() or [(total / steps, 1.0)], self.optimization.warmup
        length, rate = stages[-1]
        # A run that outlasts its stages goes on in the last one, and not at a rate of zero.
        stages[-1] = max(length, total / steps - sum(epochs for epochs, _ in stages[:-1])), rate
        schedule = LambdaLR(optimizer, lambda step: rate_at(step, stages, steps, warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
