"""The peers' way, with their own classes: Qwen2-Audio of transformers at the sizes of the packaged weights.

Random weights: speed does not depend on their values. The encoder has the shape of Whisper-base's and the LLM that
of SmolLM2-135M; sound is padded to 30 seconds, the whole prompt is computed anew for every clip, a token stands
for 40 ms of sound, and the answer, two tokens and the end of the turn, is generated.
"""

from __future__ import annotations

import torch
from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration, WhisperFeatureExtractor

AUDIO_TOKEN = 49_151
PROMPT = 70
"""Tokens beside the audio: about as many as emollm's prompts with a transcript have."""


def model(
    dtype: torch.dtype, device: torch.device, encoder: torch.dtype | None = None
) -> Qwen2AudioForConditionalGeneration:
    """Encoder and LLM of the packaged sizes in Qwen2-Audio's own class.

    Args:
        dtype: of the weights.
        device: where they are.
        encoder: dtype of the encoder and what joins it to the LLM, if another one.
    """
    config = Qwen2AudioConfig(
        audio_config={
            "d_model": 512,
            "encoder_layers": 6,
            "encoder_attention_heads": 8,
            "encoder_ffn_dim": 2048,
            "num_mel_bins": 80,
            "max_source_positions": 1500,
        },
        text_config={
            "model_type": "qwen2",
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "vocab_size": 49_152,
            "tie_word_embeddings": True,
        },
        audio_token_index=AUDIO_TOKEN,
    )
    torch.manual_seed(0)
    made = Qwen2AudioForConditionalGeneration(config).to(device, dtype).eval()
    for part in (made.model.audio_tower, made.model.multi_modal_projector):
        part.to(encoder or dtype)
    return made


def extractor() -> WhisperFeatureExtractor:
    """Mel spectrograms of 30 seconds, as their processor makes them."""
    return WhisperFeatureExtractor(feature_size=80)


def inputs(waves: list, mel: WhisperFeatureExtractor, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """What their processor gives: padded mels, and a prompt with a place for every audio embedding.

    Args:
        waves: (S,) arrays at 16 kHz.
        mel: the feature extractor.
        dtype: of the model.
    """
    made = mel(waves, sampling_rate=16_000, return_attention_mask=True, padding="max_length", return_tensors="pt")
    mask = made["attention_mask"]
    lengths = ((mask.sum(1) - 1) // 2 + 1 - 2) // 2 + 1
    width = int(lengths.max()) + PROMPT
    ids = torch.full((len(waves), width), 5)
    attention = torch.zeros_like(ids)
    for row, length in enumerate(lengths.tolist()):
        ids[row, width - length - PROMPT // 2 : width - PROMPT // 2] = AUDIO_TOKEN
        attention[row, width - length - PROMPT :] = 1
    return {
        "input_ids": ids,
        "attention_mask": attention,
        "input_features": made["input_features"].to(dtype),
        "feature_attention_mask": mask,
    }
