"""Frozen audio encoders behind one contract: waveforms in, hidden states of the asked layers out."""

from emollm.models.backbones.base import Backbone
from emollm.models.backbones.loading import load_backbone
from emollm.models.backbones.spec import BackboneSpec

__all__ = ["Backbone", "BackboneSpec", "load_backbone"]
