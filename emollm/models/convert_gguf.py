"""A Llama in a GGUF file (llama.cpp's format) → an ordinary Hugging Face folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emollm.errors import UserError

# llama.cpp's names of a Llama's tensors, and where Hugging Face keeps them.
_OUTER = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
_IN_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def convert_gguf(path: Path, folder: Path) -> None:
    """Write ``folder`` so that AutoModelForCausalLM and AutoTokenizer open it.

    Made for SmolLM2: a Llama with tied embeddings and the ``smollm`` pre-tokenizer. transformers reads GGUF as
    well, but takes three times as long, calls the model quantized ever after and drops the digit splitting.

    Args:
        path: the GGUF file.
        folder: an existing, empty folder.

    Raises:
        UserError: the ``gguf`` package is missing, or the file holds another architecture.
    """
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise UserError(
            'Reading GGUF weights needs the gguf package: run `pip install "emollm[packaged]"`.'
        ) from error
    reader = GGUFReader(path)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    kind = (facts["general.architecture"], facts["tokenizer.ggml.model"], facts["tokenizer.ggml.pre"])
    if kind != ("llama", "gpt2", "smollm") or any(tensor.name == "output.weight" for tensor in reader.tensors):
        raise UserError(f"{path} holds {kind}; only a tied llama with the smollm tokenizer can be converted.")
    _write_weights(reader, facts, folder)
    _write_configs(facts, folder)
    _write_tokenizer(facts, folder)


def _write_weights(reader: Any, facts: dict[str, Any], folder: Path) -> None:
    """Dequantise into float16.

    A dequantised value is scale · q + minimum with two float16 numbers and a 4-bit q: float16 keeps 11
    significant bits of it, bfloat16 only 8. On a chat prompt SmolLM2's logits move by 0.04 at most against
    float32, and by 0.28 in bfloat16; its largest weight is 9, far inside float16's range.
    """
    from gguf.quants import dequantize
    from safetensors.numpy import save_file

    heads = {"attn_q": facts["llama.attention.head_count"], "attn_k": facts["llama.attention.head_count_kv"]}
    weights = {}
    for tensor in reader.tensors:
        value = dequantize(tensor.data, tensor.tensor_type)
        if tensor.name in _OUTER:
            name = _OUTER[tensor.name]
        else:
            _, layer, part, kind = tensor.name.split(".")
            name = f"model.layers.{layer}.{_IN_LAYER[part]}.{kind}"
            if part in heads:
                value = _halves_from_pairs(value, heads[part])
        weights[name] = np.ascontiguousarray(value, dtype=np.float16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _halves_from_pairs(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undo llama.cpp's reordering of rotary dimensions: it rotates neighbours, Hugging Face rotates halves.

    Args:
        weight: (heads · width, inputs), each head's rows in the order 0, width/2, 1, width/2 + 1, …
        heads: number of heads.
    """
    pairs = weight.reshape(heads, -1, 2, weight.shape[1])
    return pairs.swapaxes(1, 2).reshape(weight.shape)


def _write_configs(facts: dict[str, Any], folder: Path) -> None:
    from transformers import GenerationConfig, LlamaConfig

    ids = {
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
    }
    LlamaConfig(
        architectures=["LlamaForCausalLM"],
        dtype="float16",
        vocab_size=facts["llama.vocab_size"],
        hidden_size=facts["llama.embedding_length"],
        intermediate_size=facts["llama.feed_forward_length"],
        num_hidden_layers=facts["llama.block_count"],
        num_attention_heads=facts["llama.attention.head_count"],
        num_key_value_heads=facts["llama.attention.head_count_kv"],
        head_dim=facts["llama.rope.dimension_count"],
        max_position_embeddings=facts["llama.context_length"],
        rms_norm_eps=facts["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": facts["llama.rope.freq_base"]},
        tie_word_embeddings=True,
        **ids,
    ).save_pretrained(folder)
    GenerationConfig(**ids).save_pretrained(folder)


def _write_tokenizer(facts: dict[str, Any], folder: Path) -> None:
    """Byte-level BPE that splits digits first, which is what llama.cpp's ``smollm`` pre-tokenizer stands for."""
    from gguf.constants import TokenType
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    texts = facts["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in facts["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={text: number for number, text in enumerate(texts)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = facts["tokenizer.ggml.token_type"]
    special = [text for text, kind in zip(texts, kinds, strict=True) if kind == TokenType.CONTROL]
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in special])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=texts[facts["tokenizer.ggml.bos_token_id"]],
        eos_token=texts[facts["tokenizer.ggml.eos_token_id"]],
        unk_token=texts[facts["tokenizer.ggml.unknown_token_id"]],
        pad_token=texts[facts["tokenizer.ggml.padding_token_id"]],
        model_max_length=facts["llama.context_length"],
        chat_template=facts["tokenizer.chat_template"],
        clean_up_tokenization_spaces=False,
    ).save_pretrained(folder)
