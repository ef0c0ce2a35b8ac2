"""Whisper as CTranslate2 keeps it → an ordinary Hugging Face folder, encoder and decoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from emollm.models.ctranslate2_file import read_variables

_TIMESTAMPS = 1501  # <|0.00|> to <|30.00|> in steps of 0.02 s
_MAX_TOKENS = 1024  # as in the tokenizers that OpenAI publishes
_MULTILINGUAL_VOCABULARY = 51865  # the English-only vocabulary has one token less


def convert_whisper(model_bin: bytes, settings: dict[str, Any], tokenizer_json: str, folder: Path) -> None:
    """Write ``folder`` so that every Whisper class of transformers opens it.

    Weights stay float16, as they come: casting them to float32 on loading is exact.

    Args:
        model_bin: a CTranslate2 ``model.bin`` of a Whisper in float16 or float32.
        settings: the ``config.json`` beside it (tokens to suppress, languages, alignment heads).
        tokenizer_json: the ``tokenizer.json`` beside it.
        folder: an existing, empty folder.
    """
    from safetensors.numpy import save_file
    from transformers import WhisperFeatureExtractor

    variables = read_variables(model_bin)
    weights = hugging_face_weights(variables)
    save_file(
        {name: np.ascontiguousarray(value) for name, value in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    mels = variables["encoder/conv1/weight"].shape[1]
    WhisperFeatureExtractor(feature_size=mels).save_pretrained(folder)
    tokens = _write_tokenizer(tokenizer_json, folder)
    _write_configs(variables, weights, settings, tokens, folder)


def hugging_face_weights(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rename CTranslate2's variables, and take the fused projections apart.

    CTranslate2 stacks q, k, v of self-attention, and k, v of cross-attention, along the outputs. It gives k a
    bias of zeros that Whisper does not have. The output projection is tied to the token embeddings.
    """
    weights = {
        "model.encoder.embed_positions.weight": variables["encoder/position_encodings/encodings"],
        "model.decoder.embed_positions.weight": variables["decoder/position_encodings/encodings"],
        "model.decoder.embed_tokens.weight": variables["decoder/embeddings/weight"],
    }

    def copy(source: str, *targets: str) -> None:
        for kind in ("weight", "bias"):
            for target, part in zip(targets, np.split(variables[f"{source}/{kind}"], len(targets)), strict=True):
                if not (kind == "bias" and target.endswith("k_proj")):
                    weights[f"model.{target}.{kind}"] = part

    def copy_norm(source: str, target: str) -> None:
        weights[f"model.{target}.weight"] = variables[f"{source}/gamma"]
        weights[f"model.{target}.bias"] = variables[f"{source}/beta"]

    copy("encoder/conv1", "encoder.conv1")
    copy("encoder/conv2", "encoder.conv2")
    for side in ("encoder", "decoder"):
        copy_norm(f"{side}/layer_norm", f"{side}.layer_norm")
        for index in range(_layers(variables, side)):
            old, new = f"{side}/layer_{index}", f"{side}.layers.{index}"
            attention = f"{new}.self_attn"
            copy(f"{old}/self_attention/linear_0", *(f"{attention}.{letter}_proj" for letter in "qkv"))
            copy(f"{old}/self_attention/linear_1", f"{attention}.out_proj")
            copy_norm(f"{old}/self_attention/layer_norm", f"{new}.self_attn_layer_norm")
            copy(f"{old}/ffn/linear_0", f"{new}.fc1")
            copy(f"{old}/ffn/linear_1", f"{new}.fc2")
            copy_norm(f"{old}/ffn/layer_norm", f"{new}.final_layer_norm")
            if side == "decoder":
                attention = f"{new}.encoder_attn"
                copy(f"{old}/attention/linear_0", f"{attention}.q_proj")
                copy(f"{old}/attention/linear_1", f"{attention}.k_proj", f"{attention}.v_proj")
                copy(f"{old}/attention/linear_2", f"{attention}.out_proj")
                copy_norm(f"{old}/attention/layer_norm", f"{attention}_layer_norm")
    return weights


def _layers(variables: dict[str, np.ndarray], side: str) -> int:
    return len({name.split("/")[1] for name in variables if name.startswith(f"{side}/layer_")} - {"layer_norm"})


def _write_tokenizer(tokenizer_json: str, folder: Path) -> dict[str, int]:
    """Write the tokenizer; returns token → id of its special tokens."""
    from tokenizers import AddedToken, Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    # Some copies leave the timestamps out although the model has embeddings for them: they come last.
    tokenizer.add_tokens([AddedToken(f"<|{step * 0.02:.2f}|>", special=False) for step in range(_TIMESTAMPS)])
    tokenizer.save(str(folder / "tokenizer.json"))
    end = {f"{role}_token": "<|endoftext|>" for role in ("bos", "eos", "unk", "pad")}
    config = {"tokenizer_class": "WhisperTokenizer", "model_max_length": _MAX_TOKENS, **end}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return {token.content: number for number, token in tokenizer.get_added_tokens_decoder().items()}


def _write_configs(
    variables: dict[str, np.ndarray],
    weights: dict[str, np.ndarray],
    settings: dict[str, Any],
    tokens: dict[str, int],
    folder: Path,
) -> None:
    """Write config.json and generation_config.json from the shapes and the tokens."""
    from transformers import GenerationConfig, WhisperConfig

    end, start = tokens["<|endoftext|>"], tokens["<|startoftranscript|>"]
    ids = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
    vocabulary, width = weights["model.decoder.embed_tokens.weight"].shape
    positions = weights["model.encoder.embed_positions.weight"]
    targets = len(weights["model.decoder.embed_positions.weight"])
    WhisperConfig(
        architectures=["WhisperForConditionalGeneration"],
        dtype=str(positions.dtype),
        vocab_size=vocabulary,
        num_mel_bins=weights["model.encoder.conv1.weight"].shape[1],
        d_model=width,
        encoder_layers=_layers(variables, "encoder"),
        encoder_attention_heads=int(variables["encoder/num_heads"]),
        encoder_ffn_dim=len(weights["model.encoder.layers.0.fc1.bias"]),
        decoder_layers=_layers(variables, "decoder"),
        decoder_attention_heads=int(variables["decoder/num_heads"]),
        decoder_ffn_dim=len(weights["model.decoder.layers.0.fc1.bias"]),
        max_source_positions=len(positions),
        max_target_positions=targets,
        **ids,
    ).save_pretrained(folder)

    multilingual = vocabulary >= _MULTILINGUAL_VOCABULARY
    generation = GenerationConfig(
        **ids,
        max_length=targets,
        suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"],
        alignment_heads=settings["alignment_heads"],
        is_multilingual=multilingual,
        no_timestamps_token_id=tokens["<|notimestamps|>"],
        prev_sot_token_id=tokens["<|startofprev|>"],
        max_initial_timestamp_index=50,
        return_timestamps=False,
    )
    if multilingual:
        names = {number: token for token, number in tokens.items()}
        generation.lang_to_id = {names[number]: number for number in settings["lang_ids"]}
        generation.task = "transcribe"  # without it transformers names no task, and the decoder repeats itself
        generation.task_to_id = {task: tokens[f"<|{task}|>"] for task in ("transcribe", "translate")}
    generation.save_pretrained(folder)
