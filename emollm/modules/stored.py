"""What a module keeps of itself in a checkpoint, and which checkpoints it refuses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from lightning.pytorch import LightningModule

from emollm import __version__
from emollm.data.trained_on import Remembered, refuse_another_split
from emollm.errors import UserError
from emollm.models.backbones import Backbone
from emollm.models.fingerprint import same_weights
from emollm.modules.optimization import part_of
from emollm.modules.same_recipe import check_adapter, check_labels, check_layers, check_recipe
from emollm.modules.shapes import check_shapes


class StoredModule(LightningModule, ABC):
    """A module whose checkpoints hold what was trained, and a specification of all else."""

    method: str
    """The name under which the command line knows the module."""
    answers_in_order = False
    """Whether trained weights stand for the labels one by one, and not the words of the labels themselves."""
    labels: list[str]
    needs_audio: bool
    audio_backbone: Backbone | None
    recipe: dict[str, Any] | None = None
    """The constructor's arguments as plain values; whoever builds the module from values sets it."""
    trained_on: Remembered | None = None
    """What it was fitted and chosen on; it comes with stored weights, or from a fit."""
    turns: int | None = None
    """Earlier turns that its training prompts showed; it comes with stored weights, or from a fit."""

    @abstractmethod
    def fingerprints(self) -> dict[str, str]:
        """Fingerprint of every frozen part, by name."""

    @property
    def heard_layers(self) -> list[int] | None:
        """The backbone's layers that are heard, counted from its first; None for a model that hears nothing."""
        return None if self.audio_backbone is None else list(self.audio_backbone.layers)

    def portable_recipe(self) -> dict[str, Any]:
        """The recipe with everything that lies in files of this machine written into it."""
        return dict(self.recipe or {})

    def trained_names(self) -> set[str]:
        """Names of the trained weights, and of buffers that training changes and that are kept."""
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        buffers = {name for name, _ in self.named_buffers() if part_of(name) == "own"}
        return trained | {name for name in buffers & set(self.state_dict()) if not name.startswith("metrics.")}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was trained, and what the frozen parts were."""
        trained = self.all_trained_names()
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k in trained}
        checkpoint["emollm"] = self.specification()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse weights that were trained on something else."""
        specification = checkpoint.get("emollm")
        if specification is None:
            raise UserError("This checkpoint was not written by emollm: it holds no specification.")
        if "optimizer_states" not in checkpoint:
            raise UserError("This checkpoint holds weights only: resume from last.ckpt, which lies beside it.")
        if self._trainer is not None and self.trainer.state.fn == "fit":
            refuse_another_split(specification.get("trained_on"), self.trainer.datamodule.parts)
        self.check_weights(set(checkpoint["state_dict"]), specification)
        check_shapes(self.state_dict(), checkpoint["state_dict"])

    def check_weights(self, names: set[str], specification: dict[str, Any]) -> None:
        """Hold stored weights against this model.

        Raises:
            UserError: when the stored model is of another kind, was trained on other frozen weights, or lacks
                a trained weight.
        """
        if specification["method"] != self.method:
            raise UserError(
                f"This checkpoint holds a model of method '{specification['method']}', not '{self.method}'."
            )
        check_adapter(self.recipe or {}, specification["model"])
        if self.needs_audio:  # all of it is about what is heard
            check_recipe(self.recipe or {}, specification["model"])
            check_layers(self.heard_layers, specification.get("heard_layers"))
        if self.answers_in_order:
            check_labels(self.labels, specification["labels"])
        for part, theirs in specification["fingerprints"].items():
            mine = self.fingerprints().get(part)
            if mine is not None and not same_weights(mine, theirs):
                raise UserError(
                    f"The checkpoint was trained on another {part} (fingerprint {theirs}) than the one given "
                    f"(fingerprint {mine}): name the same {part} in model.{part}.source."
                )
        missing, unexpected = self.all_trained_names() - names, names - self.all_trained_names()
        odd = missing | unexpected
        if odd and all(name.startswith("voter.") for name in odd):
            raise UserError(
                "The checkpoint was trained without model.vote: give --model.vote null."
                if missing
                else "The checkpoint was trained with model.vote: give that; at share 0 the LLM answers alone."
            )
        if missing or unexpected:
            example = sorted(missing or unexpected)[0]
            raise UserError(
                f"The checkpoint does not fit the model: {len(missing)} trained weights are missing from it "
                f"and {len(unexpected)} are unknown to the model (for example '{example}'); "
                "use the interface, adapter and labels it was trained with."
            )

    def all_trained_names(self) -> set[str]:
        """Trained weights of all stages; a stage may freeze some of them for a while."""
        return self.trained_names()

    def specification(self) -> dict[str, Any]:
        """What a checkpoint or an export says of itself, in plain values."""
        return {
            "emollm": __version__,
            "method": self.method,
            "model": self.portable_recipe(),
            "labels": self.labels,
            "sample_rate": 16_000,
            "fingerprints": self.fingerprints(),
            "heard_layers": self.heard_layers,
            "trained_on": self.trained_on,
            "context": self.turns,
        }

    def recall(self, specification: dict[str, Any]) -> None:
        """Take over what stored weights say of how they were made."""
        self.trained_on = specification.get("trained_on")
        self.turns = specification.get("context")
