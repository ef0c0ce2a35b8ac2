"""The wav2vec 2.0 family: strided convolutions over samples, convolutional positions, transformer blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emollm.models.backbones.base import SAMPLE_RATE, Backbone
from emollm.models.backbones.pretrained import load_part
from emollm.models.backbones.spec import BackboneSpec, choose_layers
from emollm.models.masks import length_mask


class SSLBackbone(Backbone):
    """WavLM, HuBERT, wav2vec 2.0 or data2vec-audio.

    Transformers' own forward lets padding into a clip's features wherever a model has a group norm over time
    (all *base* models), a stack of positional convolutions (data2vec-audio) or a batch norm before it (mHuBERT).
    Here the modules of the model are run one by one, and each of these three is told where the clip ends.

    Hidden states are those of transformers, except that the last one of a model with a final layer norm (the
    *large* ones) is taken past it, as ``last_hidden_state``, fairseq and s3prl have it; some releases of
    transformers give ``hidden_states[-1]`` before that norm.

    Args:
        model: a ``WavLMModel``, ``HubertModel``, ``Wav2Vec2Model`` or ``Data2VecAudioModel``.
        family: its ``model_type``.
        layers: the asked layers, ascending.
        trained_layers: how many of the highest blocks are trained.
        whole: whether no block was cut off.
        normalize: bring each clip to zero mean and unit variance first, as the model was trained.
    """

    def __init__(
        self, model: Any, family: str, layers: list[int], trained_layers: int, whole: bool, normalize: bool
    ) -> None:
        super().__init__(model, family, layers, trained_layers)
        self.normalize = normalize
        self.setting = "standardised clips" if normalize else "clips as they are"
        self.norm_first = bool(getattr(model.config, "do_stable_layer_norm", False))
        self.whole = whole
        self.width = model.config.hidden_size
        self.frame_rate = SAMPLE_RATE / math.prod(stride for _, stride in self._convolutions())

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks that are left."""
        return self.model.encoder.layers

    @property
    def shortest(self) -> int:
        """Samples that one frame sees."""
        samples = 1
        for kernel, stride in reversed(self._convolutions()):
            samples = (samples - 1) * stride + kernel
        return samples

    def frames(self, lengths: Tensor) -> Tensor:
        """(B,) numbers of samples → (B,) numbers of frames, at least one each."""
        lengths = lengths.clamp(min=self.shortest)
        for kernel, stride in self._convolutions():
            lengths = (lengths - kernel) // stride + 1
        return lengths

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """(B, S) samples, zero beyond their (B,) lengths → (B, L, T, D)."""
        with torch.no_grad():
            if self.normalize:
                waveforms = _standardize(waveforms, lengths)
            features = self._features(waveforms, lengths.clamp(min=self.shortest))
            mask = length_mask(self.frames(lengths), features.shape[1])
            hidden = self.model.feature_projection(features)
            # wav2vec 2.0 and its like return the features before the projection too.
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
            hidden = hidden.masked_fill(~mask[:, :, None], 0.0)
            hidden = hidden + self._positions(hidden, mask)
            if not self.norm_first:
                hidden = self.model.encoder.layer_norm(hidden)
        return self.run_blocks(hidden, mask)

    def finish(self, hidden: Tensor) -> Tensor:
        """The final layer norm of models that have one, unless blocks were cut off."""
        return self.model.encoder.layer_norm(hidden) if self.norm_first and self.whole else hidden

    def _convolutions(self) -> list[tuple[int, int]]:
        """(kernel, stride) of every convolution over the samples."""
        convs = [layer.conv for layer in self.model.feature_extractor.conv_layers]
        return [(conv.kernel_size[0], conv.stride[0]) for conv in convs]

    def _features(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """(B, S) → (B, T, C): unpadded convolutions, so that a real frame sees real samples only."""
        hidden = waveforms[:, None].to(self.dtype)
        for layer in self.model.feature_extractor.conv_layers:
            lengths = (lengths - layer.conv.kernel_size[0]) // layer.conv.stride[0] + 1
            if isinstance(getattr(layer, "layer_norm", None), nn.GroupNorm):
                hidden = _norm_over_time(layer.conv(hidden), lengths, layer.layer_norm)
                hidden = layer.activation(hidden)
            else:
                hidden = layer(hidden)
        return hidden.transpose(1, 2)

    def _positions(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D): convolutions that read zeros beyond a clip's end, as they do at a batch's end."""
        module = self.model.encoder.pos_conv_embed
        keep, hidden = mask[:, None], hidden.transpose(1, 2)
        if hasattr(module, "layers"):
            for layer in module.layers:
                hidden = layer(hidden).masked_fill(~keep, 0.0)
            return hidden.transpose(1, 2)
        if getattr(module, "batch_norm", None) is not None:
            hidden = module.batch_norm(hidden).masked_fill(~keep, 0.0)
        return module.activation(module.padding(module.conv(hidden))).transpose(1, 2)


def load_ssl(path: str, config: Any, spec: BackboneSpec, kind: type[SSLBackbone] = SSLBackbone) -> SSLBackbone:
    """Load a backbone of this family as far up as it is needed."""
    from transformers import AutoModel

    depth = config.num_hidden_layers
    layers = choose_layers(spec.layers, depth)
    config.num_hidden_layers = layers[-1]
    # Random time masks and skipped blocks belong to pretraining, the adapter to translation models.
    config.apply_spec_augment, config.layerdrop, config.add_adapter = False, 0.0, False
    config.mask_time_prob = config.mask_feature_prob = 0.0
    model = load_part(AutoModel, path, config, spec.dtype)
    return kind(
        model, config.model_type, layers, spec.trained_layers, layers[-1] == depth, _normalizes(path, config)
    )


def _normalizes(path: str, config: Any) -> bool:
    """Whether clips are standardised: the folder's word, else as fairseq does (with layer norms: yes)."""
    from transformers import Wav2Vec2FeatureExtractor

    try:
        settings, _ = Wav2Vec2FeatureExtractor.get_feature_extractor_dict(path)
    except OSError:
        settings = {}
    return bool(settings.get("do_normalize", getattr(config, "feat_extract_norm", "layer") == "layer"))


def _standardize(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Zero mean and unit variance over each clip's true samples (``Wav2Vec2FeatureExtractor``)."""
    mask = length_mask(lengths, waveforms.shape[1])
    count = lengths.clamp(min=1)[:, None]
    mean = waveforms.sum(1, keepdim=True) / count
    centred = (waveforms - mean).masked_fill(~mask, 0.0)
    variance = centred.square().sum(1, keepdim=True) / count
    return centred / (variance + 1e-7).sqrt()


def _norm_over_time(hidden: Tensor, lengths: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Group norm with one group a channel, over the true frames of each clip.

    Args:
        hidden: (B, C, T).
        lengths: (B,) true frames.
        norm: gives epsilon, scale and shift.
    """
    mask = length_mask(lengths, hidden.shape[2])[:, None]
    count = lengths[:, None, None]
    values = hidden.float()
    mean = values.masked_fill(~mask, 0.0).sum(2, keepdim=True) / count
    centred = values - mean
    variance = centred.square().masked_fill(~mask, 0.0).sum(2, keepdim=True) / count
    values = (centred * (variance + norm.eps).rsqrt()).to(hidden.dtype)
    return values * norm.weight[:, None] + norm.bias[:, None]
