"""Tiny random-weight audio encoders in true Hugging Face folders."""

from pathlib import Path
from typing import Any

import torch

LAYERS = 3
_SSL = {
    "hidden_size": 32,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": [16] * 7,
    "num_conv_pos_embedding_groups": 4,
}
_LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
_BASE = {"feat_extract_norm": "group", "do_stable_layer_norm": False}


def save_backbone(folder: Path, name: str) -> Path:
    """Save one of the encoders below; random norms and biases too, so that no step can be left out unnoticed."""
    from transformers import AutoModel, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

    torch.manual_seed(0)
    model = AutoModel.from_config(_config(name))
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.3 if parameter.ndim == 1 else 0.05
            parameter.add_(torch.randn_like(parameter) * scale)
    model.save_pretrained(folder)
    if name == "whisper":
        WhisperFeatureExtractor().save_pretrained(folder)
    elif name in ("wavlm", "wavlm_base"):  # the others go without, as older folders do
        Wav2Vec2FeatureExtractor(do_normalize=name == "wavlm").save_pretrained(folder)
    return folder


def _config(name: str) -> Any:
    from transformers import Data2VecAudioConfig, HubertConfig, Wav2Vec2Config, WavLMConfig, WhisperConfig

    positions = {"num_conv_pos_embeddings": 16}
    buckets = {"num_buckets": 32, "max_bucket_distance": 80}
    return {
        "wavlm": lambda: WavLMConfig(**_SSL, **_LARGE, **positions, **buckets),
        "wavlm_base": lambda: WavLMConfig(**_SSL, **_BASE, **positions, **buckets),
        "hubert": lambda: HubertConfig(**_SSL, **_LARGE, **positions),
        "hubert_batch_norm": lambda: HubertConfig(**_SSL, **_BASE, **positions, conv_pos_batch_norm=True),
        "wav2vec2": lambda: Wav2Vec2Config(**_SSL, **_BASE, **positions),
        "data2vec_audio": lambda: Data2VecAudioConfig(**_SSL, num_conv_pos_embeddings=3, conv_pos_kernel_size=7),
        "whisper": lambda: WhisperConfig(
            d_model=32,
            encoder_layers=LAYERS,
            decoder_layers=1,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            vocab_size=64,
            max_target_positions=16,
            bos_token_id=1,
            eos_token_id=1,
            pad_token_id=1,
            decoder_start_token_id=2,
        ),
    }[name]()
