"""From what the user wrote to a backbone."""

from __future__ import annotations

from functools import partial

from emollm.errors import UserError
from emollm.models.backbones.base import Backbone
from emollm.models.backbones.spec import BackboneSpec
from emollm.models.backbones.ssl import load_ssl
from emollm.models.backbones.wavlm import WavLMBackbone
from emollm.models.backbones.whisper import load_whisper
from emollm.models.families import AUDIO_FAMILIES
from emollm.models.sources import readable_errors, resolve

FAMILIES = dict.fromkeys(AUDIO_FAMILIES, load_ssl) | {
    "wavlm": partial(load_ssl, kind=WavLMBackbone),
    "whisper": load_whisper,
}
"""A loader for each of ``AUDIO_FAMILIES``; one that is not loaded as HuBERT is needs a line here too."""


def load_backbone(spec: BackboneSpec) -> Backbone:
    """Load a frozen audio encoder.

    Raises:
        UserError: when the weights cannot be had, the model is of no supported family, or layers are asked for
            that it does not have.
    """
    from transformers import AutoConfig, PreTrainedConfig

    if spec.trained_layers and spec.dtype != "float32":
        raise UserError(
            f"backbone.trained_layers is {spec.trained_layers} and backbone.dtype is {spec.dtype}, too coarse for "
            "small steps: set backbone.dtype to float32 (trainer.precision bf16-mixed keeps it fast)."
        )
    path = resolve(spec.source)
    with readable_errors(path, "the backbone"):
        family = PreTrainedConfig.get_config_dict(path)[0].get("model_type")
        if family not in FAMILIES:
            raise UserError(
                f"backbone.source '{spec.source}' is a model of type '{family}'; "
                f"choose one of these types: {', '.join(FAMILIES)}."
            )
        if spec.whisper_padding != "none" and family != "whisper":
            raise UserError(
                f"backbone.whisper_padding is {spec.whisper_padding}, and '{spec.source}' is of type '{family}': "
                "only Whisper is padded, set it to none."
            )
        backbone = FAMILIES[family](path, AutoConfig.from_pretrained(path), spec)
    if spec.trim_db is not None:
        if spec.trim_db <= 0:
            raise UserError(f"backbone.trim_db is {spec.trim_db}: give decibels above 0, as 40.")
        backbone.trim_db = spec.trim_db
        backbone.setting += f", ends below -{spec.trim_db:g} dB cut"
    return backbone
