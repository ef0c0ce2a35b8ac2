"""Tiny random models in the true formats of packaged weights, in packages that refuse to be imported."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaForCausalLM, WhisperConfig, WhisperForConditionalGeneration

from emollm.models.packaged_models import PackagedModel, SourceFile

_CTRANSLATE2_DTYPES = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
_WHISPER_TOKENS = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]


def tiny_whisper() -> WhisperForConditionalGeneration:
    """A random Whisper whose weights are exact in float16, one encoder and two decoder layers."""
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=1600,
        d_model=16,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=4,
        encoder_ffn_dim=32,
        decoder_ffn_dim=24,
        max_source_positions=50,
        max_target_positions=20,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # Far from the initial zeros and ones, so that no two tensors could be mistaken for each other.
            parameter.copy_(torch.randn_like(parameter).mul(0.3).half().float())
    return model


def ctranslate2_bytes(model: WhisperForConditionalGeneration) -> bytes:
    """The model as CTranslate2 would write it, in float16."""
    state = {name.removeprefix("model."): value.half().numpy() for name, value in model.state_dict().items()}
    variables: dict[str, np.ndarray] = {"decoder/embeddings/weight": state["decoder.embed_tokens.weight"]}

    def linear(target: str, *sources: str) -> None:
        for kind in ("weight", "bias"):
            parts = [state.get(f"{source}.{kind}") for source in sources]
            zeros = np.zeros(len(state[f"{sources[0]}.weight"]), np.float16)
            variables[f"{target}/{kind}"] = np.concatenate([zeros if part is None else part for part in parts])

    def norm(target: str, source: str) -> None:
        variables[f"{target}/gamma"], variables[f"{target}/beta"] = (
            state[f"{source}.weight"],
            state[f"{source}.bias"],
        )

    linear("encoder/conv1", "encoder.conv1")
    linear("encoder/conv2", "encoder.conv2")
    for side, heads, layers in (("encoder", 2, 1), ("decoder", 4, 2)):
        variables[f"{side}/num_heads"] = np.array(heads, np.int16)
        variables[f"{side}/position_encodings/encodings"] = state[f"{side}.embed_positions.weight"]
        norm(f"{side}/layer_norm", f"{side}.layer_norm")
        for index in range(layers):
            new, old = f"{side}/layer_{index}", f"{side}.layers.{index}"
            linear(f"{new}/self_attention/linear_0", *(f"{old}.self_attn.{part}_proj" for part in "qkv"))
            linear(f"{new}/self_attention/linear_1", f"{old}.self_attn.out_proj")
            norm(f"{new}/self_attention/layer_norm", f"{old}.self_attn_layer_norm")
            linear(f"{new}/ffn/linear_0", f"{old}.fc1")
            linear(f"{new}/ffn/linear_1", f"{old}.fc2")
            norm(f"{new}/ffn/layer_norm", f"{old}.final_layer_norm")
            if side == "decoder":
                linear(f"{new}/attention/linear_0", f"{old}.encoder_attn.q_proj")
                linear(f"{new}/attention/linear_1", *(f"{old}.encoder_attn.{part}_proj" for part in "kv"))
                linear(f"{new}/attention/linear_2", f"{old}.encoder_attn.out_proj")
                norm(f"{new}/attention/layer_norm", f"{old}.encoder_attn_layer_norm")
    return _pack(variables)


def _pack(variables: dict[str, np.ndarray]) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    chunks = [struct.pack("<I", 6), text("WhisperSpec"), struct.pack("<II", 3, len(variables))]
    for name, value in sorted(variables.items()):
        chunks += [text(name), struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)]
        chunks += [struct.pack("<BI", _CTRANSLATE2_DTYPES[str(value.dtype)], value.nbytes), value.tobytes()]
    chunks += [struct.pack("<I", 1), text("decoder/projection/weight"), text("decoder/embeddings/weight")]
    return b"".join(chunks)


def whisper_tokenizer() -> str:
    """A ``tokenizer.json`` without timestamps, as some packages have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(_WHISPER_TOKENS)
    return tokenizer.to_str()


def whisper_package(root: Path, package: str, cut: bool = False) -> PackagedModel:
    """Write a package below ``root`` that carries a tiny Whisper; with ``cut``, its weights come in two parts."""
    settings = {"suppress_ids": [1], "suppress_ids_begin": [0], "alignment_heads": [[0, 0]], "lang_ids": [2]}
    content = {
        "model.bin": ctranslate2_bytes(tiny_whisper()),
        "config.json": json.dumps(settings).encode(),
        "tokenizer.json": whisper_tokenizer().encode(),
        "vocabulary.txt": b"a\n",
    }
    folder = root / package
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('weights packages must not be imported')\n")
    files = []
    for name, data in content.items():
        pieces = {name: data}
        if cut and name == "model.bin":
            pieces = {"model.bin.part1": data[:1000], "model.bin.part2": data[1000:]}
        for piece, part in pieces.items():
            (folder / "data" / piece).write_bytes(part)
        parts = tuple((package, f"data/{piece}") for piece in pieces)
        files.append(SourceFile(name, parts, hashlib.sha256(data).hexdigest()))
    return _model(package, "backbone", tuple(files))


def llama_gguf(model: LlamaForCausalLM, path: Path) -> None:
    """The model as llama.cpp's converter would write it (its reordering of q and k included), in float32."""
    from gguf import GGUFWriter, TokenType

    config = model.config
    writer = GGUFWriter(path, "llama")
    writer.add_vocab_size(config.vocab_size)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_context_length(config.max_position_embeddings)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet, "ĠĠ"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * 3 + [TokenType.NORMAL] * (len(tokens) - 3))
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template(
        "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
    )
    names = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    writer.add_tensor("token_embd.weight", state["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", state["model.norm.weight"])
    for index in range(config.num_hidden_layers):
        for theirs, ours in names.items():
            value = state[f"model.layers.{index}.{theirs}.weight"]
            if ours in heads:  # `permute` in llama.cpp's convert_hf_to_gguf.py
                value = value.reshape(heads[ours], 2, -1, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
            writer.add_tensor(f"blk.{index}.{ours}.weight", np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _model(package: str, kind: str, files: tuple[SourceFile, ...]) -> PackagedModel:
    return PackagedModel(
        name=package,
        kind=kind,
        about="random weights",
        languages="none",
        licence="MIT",
        download_mb=1,
        distributions=(f"{package}==1.0",),
        install=f"pip install {package}==1.0",
        files=files,
    )
